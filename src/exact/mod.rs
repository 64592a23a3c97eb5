//! The master equation without sampling, and its mean-field theories.

pub mod blocks;
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
use crate::problem::{ChannelId, Correlation, Problem};
use crate::space::blocks::Style;
use crate::space::choose::{Representation, refusal, smallest};
use crate::stop::Stop;
use crate::table::Table;
use blocks::Ending;
use num_complex::Complex64;

/// Every quantity at every row, exactly, in the representation `requested` or else the smallest exact one: the rate
/// equation on the ladder, blocks otherwise.
///
/// # Errors
/// When that representation cannot carry the problem, would not fit, or misses its tolerance; [`RunError::Interrupted`]
/// within a second of `stop` being raised.
pub fn solve(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    match chosen(problem, requested)?.style() {
        Some(style) => blocks::solve(problem, style, stop),
        None => rate_equation::RateEquation::new(problem)?.stopped_by(stop).solve(),
    }
}

/// The state reached as t → ∞ from the given initial one, or the cycle that a repeated protocol settles in.
///
/// # Errors
/// As [`solve`]; [`RunError::NoLimit`] when something oscillates for ever; when the limit is not reached.
pub fn steady(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    ending(problem, requested, Ending::Limit, stop)
}

/// The average over all time, which is the limit of [`steady`] where there is one.
///
/// # Errors
/// As [`steady`], but for what oscillates.
pub fn time_average(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    ending(problem, requested, Ending::Average, stop)
}

/// A correlation at each of its delays, in the representation `requested` or else the smallest that carries it; the
/// ladder, which has no coherence, stands for spins J in blocks. NaN where it is normalised by nothing.
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
/// cycles, step by step and channel by channel; the ladder stands for spins J in blocks.
///
/// # Errors
/// As [`solve`].
pub fn counting(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Vec<[f64; 5]>, RunError> {
    blocks::counting(problem, style_of(problem, requested)?, stop)
}

/// The probability at each row that a channel has not jumped since the run began.
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
    match chosen(problem, requested)?.style() {
        None if problem.protocol.repeat > 1 => {
            rate_equation::RateEquation::new(problem)?.stopped_by(stop).fixed_point(ending)
        }
        None => blocks::steady(problem, Style { spins: true, charges: true }, ending, stop),
        Some(style) => blocks::steady(problem, style, ending, stop),
    }
}
