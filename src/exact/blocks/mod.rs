//! The master equation on blocks, ρ = ⊕ρ_b:
//!
//! dρ_b/dt = K_b ρ_b + ρ_b K_b† + Σ_{b'→b} L ρ_b' L†  (`docs/physics.md` §2.1).
//!
//! It carries what trajectories on blocks carry, and is itself checked against the full space
//! ([`naive`](super::naive)). Where nothing damps and the start is pure, or a mixture of few, vectors take the place of
//! ρ. Memory is some thirty times Σ d_b² complex numbers, and 6 to 20 bytes for each element of L that is not 0; time is
//! proportional to ‖L‖t and to these elements, or to the multiplications of K_bρ_b and Lρ_b'L† where those are fewer.

mod audit;
mod correlation;
mod counting;
mod cycle;
mod delays;
mod equation;
mod generator;
mod held;
mod image;
mod initial;
mod iterative;
mod liouvillian;
mod oscillation;
mod readout;
mod steady;
mod taylor;
mod vectors;

pub use audit::audit;
pub use correlation::correlation;
pub use counting::{counting, no_jump};
pub use delays::delays;
pub use steady::{Ending, steady};

use crate::error::RunError;
use crate::problem::{Problem, Step};
use crate::protocol::{Rows, walk, walk_cycle};
use crate::space::blocks::{BlockStep, Blocks, Style};
use crate::stop::Stop;
use crate::table::Table;
use equation::Equation;
use held::{Held, Read};
use readout::Readout;
use vectors::Vectors;

/// Most complex numbers Σ d_b² of a state.
pub const MOST_ELEMENTS: usize = 4_000_000;

/// Every quantity at every row.
///
/// # Errors
/// When the problem does not fit this style, its blocks are too large, the state at a row is not one, or `stop` is raised.
pub fn solve(problem: &Problem, style: Style, stop: &Stop) -> Result<Table, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    match Vectors::new(&blocks, stop) {
        Some(mut vectors) => all_rows(problem, &mut vectors, stop),
        None => all_rows(problem, &mut Equation::new(&blocks, stop)?, stop),
    }
}

fn all_rows(problem: &Problem, state: &mut impl Held, stop: &Stop) -> Result<Table, RunError> {
    let mut readout = Readout::new(problem);
    walk(&problem.protocol, stop, &mut Read { state, readout: Some(&mut readout) })?;
    Ok(readout.table(false))
}

/// Multiplications that [`solve`] takes, to order of magnitude.
///
/// # Errors
/// As for [`solve`]: what does not fit has no cost.
pub fn work(problem: &Problem, style: Style) -> Result<f64, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    if let Some(mut vectors) = Vectors::new(&blocks, &Stop::default()) {
        return vectors.work();
    }
    let mut equation = Equation::new(&blocks, &Stop::default())?;
    let mut work = 0.0;
    for (kind, step) in blocks.steps.iter().zip(&problem.protocol.steps) {
        if let (BlockStep::Evolve(stage), Step::Evolve { duration, .. }) = (kind, step) {
            work += equation.work(*stage, *duration);
        }
    }
    Ok(work * problem.protocol.repeat as f64)
}

/// What so many multiplications take on a core of today.
pub fn seconds(work: f64) -> f64 {
    work / 5e8
}

/// One cycle of the protocol; rows are read when `readout` is given.
fn run_cycle(
    equation: &mut Equation,
    problem: &Problem,
    cycle: u64,
    readout: Option<&mut Readout>,
) -> Result<(), RunError> {
    let rows = if readout.is_some() { Rows::Read } else { Rows::Skip };
    let stop = equation.stop.clone();
    walk_cycle(&problem.protocol, cycle, rows, &stop, &mut Read { state: equation, readout })
}
