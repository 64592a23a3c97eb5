//! A state ρ = ⊕ρ_b however it is held, taken through the protocol and read off.

use super::equation::Equation;
use super::generator::Density;
use super::readout::Readout;
use crate::error::RunError;
use crate::problem::{Axis, Gate, Initial, SubsystemId};
use crate::protocol::{Evolve, Moment, Span};
use crate::space::blocks::{Block, Blocks};
use num_complex::Complex64;
use std::sync::Arc;

/// A density matrix, or vectors that it is a mixture of.
pub trait Held {
    /// The state by itself, without what it is read and evolved with.
    type Kept: Clone;

    /// What it is now.
    fn keep(&self) -> Self::Kept;

    /// Back to what it was, in the same step.
    fn put(&mut self, kept: &Self::Kept);

    /// The compiled problem.
    fn blocks(&self) -> &Blocks;

    /// The blocks that may be occupied.
    fn reached(&self) -> &[Arc<Block>];

    /// ⟨i|ρ|j⟩ in one of them.
    fn element(&self, block: usize, i: usize, j: usize) -> Complex64;

    /// Mean jumps of each channel since the step began.
    fn counters(&self) -> &[f64];

    /// A step begins at `start`: these go to 0.
    fn begin(&mut self, start: f64);

    /// The pulse or the gate of a step: ρ → UρU†.
    ///
    /// # Errors
    /// [`RunError::Interrupted`].
    fn pulse(&mut self, step: usize) -> Result<(), RunError>;

    /// ρ → Tr_S ρ ⊗ ρ_S.
    ///
    /// # Errors
    /// When the state cannot be held.
    fn reset(&mut self, step: usize) -> Result<(), RunError>;

    /// Evolve in `stage` from `from` to `until`, times since the step began.
    ///
    /// # Errors
    /// When that would take more than hours, or a sum does not converge.
    fn evolve(&mut self, stage: usize, from: f64, until: f64) -> Result<(), RunError>;
}

/// The state, and what is read off it.
pub struct Read<'e, 'p, S> {
    /// The state.
    pub state: &'e mut S,
    /// Takes the rows, if they are wanted.
    pub readout: Option<&'e mut Readout<'p>>,
}

impl<S: Held> Evolve for Read<'_, '_, S> {
    type Ended = RunError;

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), RunError> {
        self.state.pulse(step)
    }

    fn unitary(&mut self, step: usize, _: &Gate) -> Result<(), RunError> {
        self.state.pulse(step)
    }

    fn reset(&mut self, step: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        self.state.reset(step)
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        self.state.begin(span.start);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), RunError> {
        self.state.evolve(self.state.blocks().stage_of(span.step), from, until)
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        match &mut self.readout {
            Some(readout) => readout.read(&*self.state, moment.step, moment.time),
            None => Ok(()),
        }
    }
}

/// A master equation on its way through the protocol, each stretch of a timed step up to the next row, or to its end where
/// rows are skipped, left to a function of the state, the stage, and when it begins and ends, since the step began.
pub struct Stretches<'b, F> {
    /// The state.
    pub state: Equation<'b>,
    /// What becomes of it.
    pub through: F,
}

impl<'b, F> Evolve for Stretches<'b, F>
where
    F: FnMut(&mut Equation<'b>, usize, (f64, f64)) -> Result<(), RunError>,
{
    type Ended = RunError;

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), RunError> {
        self.state.pulse(step)
    }

    fn unitary(&mut self, step: usize, _: &Gate) -> Result<(), RunError> {
        self.state.pulse(step)
    }

    fn reset(&mut self, step: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        self.state.reset(step)
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        self.state.begin(span.start);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), RunError> {
        let stage = self.state.blocks.stage_of(span.step);
        (self.through)(&mut self.state, stage, (from, until))
    }

    fn read(&mut self, _: &Moment) -> Result<(), RunError> {
        Ok(())
    }
}

impl Held for Equation<'_> {
    type Kept = Density;

    fn keep(&self) -> Density {
        self.rho.clone()
    }

    fn put(&mut self, kept: &Density) {
        self.rho.clone_from(kept);
    }

    fn blocks(&self) -> &Blocks {
        self.blocks
    }

    fn reached(&self) -> &[Arc<Block>] {
        &self.reached
    }

    fn element(&self, block: usize, i: usize, j: usize) -> Complex64 {
        self.rho[block][i * self.reached[block].dimension() + j]
    }

    fn counters(&self) -> &[f64] {
        &self.counters
    }

    fn begin(&mut self, start: f64) {
        self.start = start;
        self.counters.fill(0.0);
    }

    fn pulse(&mut self, step: usize) -> Result<(), RunError> {
        Equation::pulse(self, step)
    }

    fn reset(&mut self, step: usize) -> Result<(), RunError> {
        Equation::reset(self, step)
    }

    fn evolve(&mut self, stage: usize, from: f64, until: f64) -> Result<(), RunError> {
        Equation::evolve(self, stage, from, until)
    }
}
