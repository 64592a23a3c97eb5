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
use crate::problem::{Axis, Initial, Problem, Step, SubsystemId};
use crate::protocol::{Evolve, Moment, Rows, Span, walk, walk_cycle};
use crate::repr::blocks::{BlockStep, Blocks, Style};
use crate::stop::Stop;
use crate::table::Table;
use equation::Equation;
use readout::Readout;

/// Most complex numbers Σ d_b² of a state.
pub const MOST_ELEMENTS: usize = 4_000_000;

/// Every quantity at every row.
///
/// # Errors
/// When the problem does not fit this style, its blocks are too large, the state at a row is not one, or `stop` is raised.
pub fn solve(problem: &Problem, style: Style, stop: &Stop) -> Result<Table, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut equation = Equation::new(&blocks, stop)?;
    let mut readout = Readout::new(problem);
    let mut state = Read { equation: &mut equation, readout: Some(&mut readout) };
    walk(&problem.protocol, stop, &mut state)?;
    Ok(readout.table(false))
}

/// Multiplications that [`solve`] takes, to order of magnitude.
///
/// # Errors
/// As for [`solve`]: what does not fit has no cost.
pub fn work(problem: &Problem, style: Style) -> Result<f64, RunError> {
    let blocks = Blocks::compile(problem, style)?;
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
    walk_cycle(&problem.protocol, cycle, rows, &stop, &mut Read { equation, readout })
}

/// The state, and what is read off it.
struct Read<'e, 'b, 'p> {
    equation: &'e mut Equation<'b>,
    readout: Option<&'e mut Readout<'p>>,
}

impl Evolve for Read<'_, '_, '_> {
    type Ended = RunError;

    fn rotate(&mut self, _: usize, subsystem: SubsystemId, axis: Axis, angle: f64) -> Result<(), RunError> {
        self.equation.rotate(subsystem, axis, angle)
    }

    fn reset(&mut self, _: usize, subsystem: SubsystemId, state: &Initial) -> Result<(), RunError> {
        self.equation.reset(subsystem, state)
    }

    fn begin(&mut self, _: &Span) -> Result<(), RunError> {
        self.equation.counters.fill(0.0);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), RunError> {
        self.equation.evolve(self.equation.blocks.stage_of(span.step), from, until)
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        match &mut self.readout {
            Some(readout) => readout.read(self.equation, moment.step, moment.time),
            None => Ok(()),
        }
    }
}
