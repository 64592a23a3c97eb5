//! The master equation on blocks, ρ = ⊕ρ_b, without ever forming a superoperator:
//!
//! dρ_b/dt = K_b ρ_b + ρ_b K_b† + Σ_{b'→b} L ρ_b' L†  (`docs/physics.md` §2.1).
//!
//! It carries what trajectories on blocks carry, and is itself checked against the full space
//! ([`naive`](super::naive)). Memory is some fifty times Σ d_b² complex numbers, time proportional to ‖L‖t·Σ d_b·nnz(K_b).

mod equation;
mod initial;
mod readout;
mod steady;

pub use steady::steady;

use crate::error::RunError;
use crate::problem::{Problem, Step};
use crate::repr::blocks::{BlockStep, Blocks, Style};
use crate::table::Table;
use equation::Equation;
use readout::Readout;

/// Most complex numbers Σ d_b² of a state.
pub const MOST_ELEMENTS: usize = 4_000_000;

/// Every quantity at every row.
///
/// # Errors
/// When the problem does not fit this style, its blocks are too large, or the state at a row is not one.
pub fn solve(problem: &Problem, style: Style) -> Result<Table, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut equation = Equation::new(&blocks)?;
    let mut readout = Readout::new(problem);
    for cycle in 0..problem.protocol.repeat {
        run_cycle(&mut equation, problem, cycle, Some(&mut readout))?;
    }
    Ok(readout.table(false))
}

/// Multiplications that [`solve`] takes, to order of magnitude.
///
/// # Errors
/// As for [`solve`]: what does not fit has no cost.
pub fn work(problem: &Problem, style: Style) -> Result<f64, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut equation = Equation::new(&blocks)?;
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
    mut readout: Option<&mut Readout>,
) -> Result<(), RunError> {
    let mut start = cycle as f64 * problem.protocol.period();
    for (index, step) in problem.protocol.steps.iter().enumerate() {
        match (&equation.blocks.steps[index], step) {
            (BlockStep::Rotate(subsystem, axis, angle), _) => equation.rotate(*subsystem, *axis, *angle),
            (BlockStep::Reset(subsystem, state), _) => equation.reset(*subsystem, &state.clone())?,
            (BlockStep::Evolve(stage), Step::Evolve { rows, duration, .. }) => {
                let stage = *stage;
                equation.counters.fill(0.0);
                let mut now = 0.0;
                for &row in rows {
                    equation.evolve(stage, now, row)?;
                    now = row;
                    if let Some(readout) = &mut readout {
                        readout.read(equation, index, start + row)?;
                    }
                }
                start += duration;
            }
            _ => {}
        }
    }
    Ok(())
}
