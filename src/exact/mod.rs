//! The master equation without sampling, and its mean-field theories.

pub mod blocks;
mod cascade;
pub mod contour;
pub mod extrapolate;
pub mod integrate;
pub mod limit_cycle;
pub mod mean_field;
pub mod naive;
pub mod rate_equation;
pub mod spin_vectors;
pub mod theory;

#[cfg(test)]
mod tests;

use crate::error::{CompileError, RunError};
use crate::estimate::audit::Audit;
use crate::problem::{ChannelId, Correlation, Problem};
use crate::space::alike::ensembles;
use crate::space::blocks::Style;
use crate::space::choose::{Representation, refusal, smallest};
use crate::stop::Stop;
use crate::table::Table;
use blocks::Ending;
use num_complex::Complex64;

/// Every quantity at every row, exactly, in the representation `requested` or else the smallest exact one: the rate
/// equation on the ladder (`docs/physics.md` §2.3), blocks otherwise (§2.1, Eq. 2.1).
///
/// # Errors
/// When that representation cannot carry the problem, would not fit, or misses its tolerance; [`RunError::Interrupted`]
/// within a second of `stop` being raised.
pub fn solve(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    let smaller = ensembles(problem, requested);
    let problem = smaller.as_ref().map_or(problem, |of| &of.problem);
    match chosen(problem, requested)?.style() {
        Some(style) => blocks::solve(problem, style, stop),
        None => rate_equation::RateEquation::new(problem)?.stopped_by(stop).solve(),
    }
}

/// The state reached as t → ∞ from the given initial one, lim_{t→∞} e^{Lt}ρ(0), as one row at t = ∞, or the cycle that
/// a repeated protocol settles in, as the rows of one cycle (`docs/physics.md` §2.6).
///
/// # Errors
/// As [`solve`]; [`RunError::NoLimit`] when something oscillates for ever; [`RunError::Request`] when the last timed
/// step changes with time; [`RunError::Numerics`] or [`RunError::Unsolved`] when the limit is not reached.
pub fn steady(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    ending(problem, requested, Ending::Limit, stop)
}

/// The average over all time, lim_{s→0} s(s − L)⁻¹ρ(0), which is the limit of [`steady`] where there is one
/// (`docs/physics.md` §2.6); rows as there.
///
/// # Errors
/// As [`steady`], but for what oscillates.
pub fn time_average(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    ending(problem, requested, Ending::Average, stop)
}

/// A correlation, one number for each of its delays (`docs/physics.md` §3.4, Eq. 3.4), in the representation
/// `requested` or else the smallest that carries it; the ladder, which has no coherence, stands for spins J in blocks.
/// NaN where it is normalised by nothing.
///
/// # Errors
/// As [`solve`] and [`steady`]; [`RunError::Model`] when the correlation has no meaning for the problem.
pub fn correlation(
    problem: &Problem,
    of: &Correlation,
    requested: Option<Representation>,
    stop: &Stop,
) -> Result<Vec<Complex64>, RunError> {
    let style = requested.map(|r| r.style().unwrap_or(Style { spins: true, charges: true }));
    blocks::correlation(problem, of, style, stop)
}

/// Mean, variance, Fano factor, third and fourth cumulant of the number of jumps of each channel in each timed step over all
/// cycles, from the tilted master equation (M. Esposito, U. Harbola and S. Mukamel, Rev. Mod. Phys. 81, 1665 (2009),
/// Sec. III). Entry (timed step over all cycles)·channels + channel; NaN is what is lost in rounding. The ladder stands
/// for spins J in blocks.
///
/// # Errors
/// As [`solve`].
pub fn counting(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Vec<[f64; 5]>, RunError> {
    blocks::counting(problem, style_of(problem, requested)?, stop)
}

/// The probability at each row that a channel has not jumped since the run began, one number a row: Tr ρ without the
/// term rLρL† of that channel.
///
/// # Errors
/// As [`solve`].
pub fn no_jump(
    problem: &Problem,
    channel: ChannelId,
    requested: Option<Representation>,
    stop: &Stop,
) -> Result<Vec<f64>, RunError> {
    blocks::no_jump(problem, channel.index(), style_of(problem, requested)?, stop)
}

/// How jumps of a channel follow each other in a timed step: the density w of the wait for the next one, in 1/time, and g², a
/// pure number, bin by bin. Of each table of delays that the problem's record asks for, in the order of
/// [`Problem::delay_tables`], as [`Accumulated::delays`](crate::estimate::columns::Accumulated::delays) estimates it; NaN
/// where no jump comes early enough, `None` of a step in which a drive or a rate changes with time. By the regression
/// theorem (H. J. Carmichael et al., Phys. Rev. A 39, 1200 (1989)). The ladder stands for spins J in blocks.
///
/// # Errors
/// As [`solve`].
pub fn delays(
    problem: &Problem,
    requested: Option<Representation>,
    stop: &Stop,
) -> Result<Vec<Option<Vec<[f64; 2]>>>, RunError> {
    blocks::delays(problem, style_of(problem, requested)?, stop)
}

/// Work, heat and entropy in every step and in the whole run (`docs/physics.md` §3.5), line by line, and by how much the first
/// law is off in the whole run or a step at most, all in the unit of ω but for entropies, which have none; the ladder
/// stands for spins J in blocks. On average over trajectories
/// [`Accumulated::audited`](crate::estimate::columns::Accumulated::audited) has the same lines but those of entropies
/// of the state.
///
/// ```
/// use leyden::prelude::*;
/// use leyden::problem::Account;
///
/// // A cell that is full loses ω(1 − e⁻¹) as heat in one lifetime.
/// let mut p = Problem::builder("a decaying cell");
/// let b = p.ensemble("B", 1, 2.0);
/// p.initial(b, Initial::Excited).each("loss", b, sm(b), 1.0).evolve("wait", 1.0, 1).observe([Quantity::Energy]);
/// let (lines, residual) = leyden::exact::audit(&p.build()?, None, &Stop::default())?;
/// let heat = lines.iter().find(|line| line.entry.account == Account::Heat && line.entry.name == "loss");
/// assert!(heat.is_some_and(|line| (line.mean.value + 2.0 * (1.0 - (-1f64).exp())).abs() < 1e-12) && residual < 1e-12);
/// # Ok::<(), leyden::RunError>(())
/// ```
///
/// # Errors
/// As [`solve`].
pub fn audit(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<(Vec<Audit>, f64), RunError> {
    blocks::audit(problem, style_of(problem, requested)?, stop)
}

/// The blocks of the representation requested, or of the smallest.
fn style_of(problem: &Problem, requested: Option<Representation>) -> Result<Style, CompileError> {
    Ok(chosen(problem, requested)?.style().unwrap_or(Style { spins: true, charges: true }))
}

/// The representation requested, or the smallest that carries the problem.
fn chosen(problem: &Problem, requested: Option<Representation>) -> Result<Representation, CompileError> {
    requested.or_else(|| smallest(problem)).ok_or_else(|| refusal(problem))
}

fn ending(
    problem: &Problem,
    requested: Option<Representation>,
    ending: Ending,
    stop: &Stop,
) -> Result<Table, RunError> {
    let smaller = ensembles(problem, requested);
    let problem = smaller.as_ref().map_or(problem, |of| &of.problem);
    match chosen(problem, requested)?.style() {
        None if problem.protocol.repeat > 1 => {
            rate_equation::RateEquation::new(problem)?.stopped_by(stop).fixed_point(ending)
        }
        None => blocks::steady(problem, Style { spins: true, charges: true }, ending, stop),
        Some(style) => blocks::steady(problem, style, ending, stop),
    }
}
