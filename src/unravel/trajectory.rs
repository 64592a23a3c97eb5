//! A batch of trajectories through the protocol, each row handed to whoever records.

use crate::error::RunError;
use crate::problem::{Axis, Gate, Initial, Problem, SubsystemId};
use crate::protocol::{Evolve, walk};
use crate::stop::Stop;
use crate::unravel::Batch;

pub use crate::protocol::{Moment, Span};

/// What is told of each row and each end of a step.
pub trait Recorder<B: Batch> {
    /// All trajectories of the batch at a row.
    ///
    /// # Errors
    /// Ends the batch.
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError>;

    /// The end of a timed step.
    fn step_end(&mut self, _batch: &B, _span: &Span) {}
}

/// Run one batch through the whole protocol.
///
/// # Errors
/// When `stop` was raised or the batch failed, see [`Batch::evolve`]: what was recorded then says nothing.
pub fn run_batch<B: Batch>(
    problem: &Problem,
    batch: &mut B,
    stop: &Stop,
    recorder: &mut impl Recorder<B>,
) -> Result<(), RunError> {
    walk(&problem.protocol, stop, &mut Recorded { batch, recorder })
}

/// A batch with its recorder. It was compiled for the steps of the protocol, so that a step's number says it all.
struct Recorded<'a, B, R> {
    batch: &'a mut B,
    recorder: &'a mut R,
}

impl<B: Batch, R: Recorder<B>> Evolve for Recorded<'_, B, R> {
    type Ended = RunError;

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), RunError> {
        self.batch.begin(step, 0.0)
    }

    fn unitary(&mut self, step: usize, _: &Gate) -> Result<(), RunError> {
        self.batch.begin(step, 0.0)
    }

    fn reset(&mut self, step: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        self.batch.begin(step, 0.0)
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        self.batch.begin(span.step, span.start)
    }

    fn evolve(&mut self, span: &Span, _: f64, until: f64) -> Result<(), RunError> {
        self.batch.evolve(span.step, until)
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        self.recorder.row(self.batch, moment)
    }

    fn end(&mut self, span: &Span) -> Result<(), RunError> {
        self.batch.finish(span.step, span.duration);
        self.recorder.step_end(self.batch, span);
        Ok(())
    }
}
