//! The loop: protocol × output rows for a batch of trajectories, handing each row to the estimators.

use crate::problem::{Problem, Step};
use crate::unravel::Advance;

/// What the loop hands over at each row and each end of a step.
pub trait Recorder<A: Advance> {
    /// All trajectories of the batch at row `row` of step `step`.
    fn row(&mut self, engine: &A, batch: &[A::Walker], row: usize, step: usize);

    /// The end of timed step `step` in cycle `cycle`.
    fn step_end(&mut self, engine: &A, batch: &[A::Walker], step: usize, cycle: u64);

    /// Whether to give the batch up at this row.
    fn give_up(&self) -> bool {
        false
    }
}

/// Run one batch through the whole protocol; false if it was given up.
pub fn run_batch<A: Advance>(
    engine: &A,
    problem: &Problem,
    batch: &mut [A::Walker],
    recorder: &mut impl Recorder<A>,
) -> bool {
    let mut row = 0;
    for cycle in 0..problem.protocol.repeat {
        for (index, step) in problem.protocol.steps.iter().enumerate() {
            engine.begin(batch, index);
            if let Step::Evolve { duration, rows, .. } = step {
                for &until in rows {
                    engine.advance(batch, index, until);
                    recorder.row(engine, batch, row, index);
                    row += 1;
                    if recorder.give_up() {
                        return false;
                    }
                }
                engine.finish(batch, index, *duration);
                recorder.step_end(engine, batch, index, cycle);
            }
        }
    }
    true
}
