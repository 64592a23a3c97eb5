//! The state reached from the initial one as t → ∞, by squaring a propagator until it no longer changes.

use super::quantities::Meter;
use super::space::FullSpace;
use super::{Steps, constant, stacked, unstacked};
use crate::error::RunError;
use crate::problem::{Problem, Quantity, Row, Step, StepId};
use crate::table::Table;
use faer::prelude::Solve;
use faer::{Mat, c64};
use sprs::CsMat;

/// Largest Hilbert space dimension: the propagator is a dense d² × d² matrix.
const MOST_STATES: usize = 16;
/// Largest change of the state when the time was last doubled. What still decays then falls to its square.
const TOLERANCE: f64 = 1e-8;
/// Real or imaginary parts of eigenvalues below this, in units of ‖L‖, are zero.
const RESOLUTION: f64 = 1e-9;
/// Rounding doubles with each squaring, to some 1e-8 in the end; but not in the trace, which is put right each time.
const MOST_SQUARINGS: u32 = 26;

/// The limit t → ∞ of the last timed step, entered through the steps before it: one row at time ∞.
///
/// The weights of all conserved quantities are kept, so that among several steady states the one of the given initial
/// state is found. A process 10⁹ times slower than all others is taken to stand still. Jumps and released energy, which
/// grow without end, are empty.
///
/// # Errors
/// [`RunError::TooLarge`] above 16 states; [`RunError::Request`] for a repeated protocol or a drive that changes in time;
/// [`RunError::NoLimit`] when the state oscillates for ever; [`RunError::Numerics`] when it is not reached in 10⁷ times
/// the fastest process; else as [`solve`](super::solve).
pub fn steady(problem: &Problem) -> Result<Table, RunError> {
    let space = FullSpace::new(problem)?;
    let d = space.dimension();
    if d > MOST_STATES {
        return Err(RunError::TooLarge {
            what: "the steady state in the full tensor space".into(),
            needed: format!("{d} states"),
            limit: MOST_STATES.to_string(),
            advice: "use a representation that uses the symmetries".into(),
        });
    }
    if problem.protocol.repeat > 1 {
        return Err(RunError::Request("a repeated protocol settles in a cycle, not in a state".into()));
    }
    let timed = problem.protocol.steps.iter().enumerate().rev();
    let Some((last, active, driven)) = timed.into_iter().find_map(|(index, step)| match step {
        Step::Evolve { active, driven, .. } => Some((index, active, driven)),
        _ => None,
    }) else {
        return Err(RunError::Request("the protocol has no timed step to settle in".into()));
    };
    let mut steps = Steps::new(problem, &space);
    let Some(fixed) = constant(&steps.drives(driven)) else {
        return Err(RunError::Request("a step whose drive changes in time has no steady state".into()));
    };
    if !steps.rates(active).is_empty() {
        return Err(RunError::Request("a step whose rates change in time has no steady state".into()));
    }
    let mut rho = space.initial_state();
    let mut start = 0.0;
    for (index, step) in problem.protocol.steps[..last].iter().enumerate() {
        rho = steps.take(rho, index, start, |_, _| Ok(()))?;
        start += step.duration();
    }
    let state = stacked(&rho);
    let settled = limit(&space.liouvillian(active, &fixed)?, Mat::from_fn(d * d, 1, |i, _| state[i]))?;
    let rho = unstacked(&(0..d * d).map(|i| settled[(i, 0)]).collect::<Vec<_>>(), d);

    let time = f64::INFINITY;
    let values = Meter::new(problem, &space)?.read(&rho, &vec![0.0; problem.channels.len()], last, time)?;
    let step = StepId::new(last);
    let rows = vec![Row { time, step, cycle: 0 }];
    let mut table =
        Table { rows, steps: vec![problem.protocol.name(step).to_owned()], columns: Vec::new(), states: Vec::new() };
    for (quantity, value) in problem.quantities.iter().zip(values) {
        let endless = matches!(quantity, Quantity::Jumps(_) | Quantity::Released(_));
        table.push_exact(problem.column(quantity), vec![if endless { f64::NAN } else { value }]);
    }
    Ok(table)
}

/// lim exp(Lt) vec(ρ): exp(Lt) is squared, and the time thereby doubled, until the state no longer changes.
pub(super) fn limit(generator: &CsMat<c64>, mut state: Mat<c64>) -> Result<Mat<c64>, RunError> {
    let size = generator.rows();
    let mut columns = vec![0.0; size];
    generator.iter().for_each(|(value, (_, j))| columns[j] += value.norm());
    let norm = columns.into_iter().fold(0.0, f64::max);
    if norm == 0.0 {
        return Ok(state);
    }
    let mut scaled = Mat::<c64>::zeros(size, size);
    generator.iter().for_each(|(value, (i, j))| scaled[(i, j)] += value / norm);
    // The Taylor sum at norm 1: the terms after 1/20! are below rounding.
    let mut propagator = Mat::<c64>::identity(size, size);
    let mut term = propagator.clone();
    for k in 1..=20 {
        term = &scaled * &term * faer::Scale(c64::new(1.0 / f64::from(k), 0.0));
        propagator += &term;
    }
    state = &propagator * &state;
    let mut change = f64::INFINITY;
    for _ in 0..MOST_SQUARINGS {
        let later = &propagator * &state;
        change = (&later - &state).norm_max();
        state = later;
        if change <= TOLERANCE {
            return Ok(state);
        }
        propagator = &propagator * &propagator;
        keep_trace(&mut propagator);
    }
    let frequency = oscillation(&scaled, &state)?.map(|x| x * norm);
    if frequency.is_some() {
        return Err(RunError::NoLimit { how: "the state oscillates for ever".into(), frequency });
    }
    let time = f64::from(MOST_SQUARINGS).exp2() / norm;
    let reason = format!("at time {time:.1e} the state still changes by {change:.1e}: a very slow decay");
    Err(RunError::Numerics { method: "the steady state in the full tensor space", reason })
}

/// |Im λ| of the eigenvector of L with Re λ = 0 ≠ Im λ that has most weight in the state.
fn oscillation(generator: &Mat<c64>, state: &Mat<c64>) -> Result<Option<f64>, RunError> {
    let failed = |e| RunError::Numerics { method: "the eigenvalues of the Liouvillian", reason: format!("{e:?}") };
    let eigen = generator.eigen().map_err(failed)?;
    let weights = eigen.U().partial_piv_lu().solve(state);
    let endless = |k: &usize| eigen.S()[*k].re.abs() <= RESOLUTION && eigen.S()[*k].im.abs() > RESOLUTION;
    let largest =
        (0..state.nrows()).filter(endless).max_by(|a, b| weights[(*a, 0)].norm().total_cmp(&weights[(*b, 0)].norm()));
    Ok(largest.filter(|k| weights[(*k, 0)].norm() > TOLERANCE).map(|k| eigen.S()[k].im.abs()))
}

/// Spread what each column lacks of the trace of its basis matrix evenly over the populations.
fn keep_trace(propagator: &mut Mat<c64>) {
    let d = propagator.nrows().isqrt();
    for column in 0..d * d {
        let trace: c64 = (0..d).map(|k| propagator[(k * (d + 1), column)]).sum();
        let expected = if column.is_multiple_of(d + 1) { c64::ONE } else { c64::ZERO };
        let share = (expected - trace) / d as f64;
        (0..d).for_each(|k| propagator[(k * (d + 1), column)] += share);
    }
}
