//! How an event is read off a trajectory, and how far a trajectory is from it.

use crate::problem::{Distribution, Event, Linear, Problem};
use crate::unravel::Batch;

/// An event, ready to be asked of batches that were compiled for a problem.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub event: Event,
    /// The number of the linear average that it is of, and what that is multiplied by.
    read: (usize, f64),
    /// The number of the linear average that tells best what is to be expected beside it, if there is one.
    beside: Option<usize>,
    /// What it counts, if it counts anything.
    counted: Option<Linear>,
    /// Energy released per jump of each channel.
    released: Vec<f64>,
    /// Whether H_B is measured at the end.
    pub measured: bool,
    rounding: f64,
}

impl Question {
    /// Of a problem whose only quantity is that of the event.
    pub fn new(problem: &Problem, event: &Event) -> Self {
        let (of, factor) = match &event.of {
            Distribution::EnergyOutcome => (Linear::Energy, 1.0),
            Distribution::Conditional(quantity) => problem.of_single(quantity).unwrap_or((Linear::Energy, f64::NAN)),
        };
        let linear = problem.linear();
        let average = |of: Linear| linear.iter().position(|known| *known == of);
        Self {
            event: event.clone(),
            read: (average(of).unwrap_or(0), factor),
            beside: problem.beside(event).and_then(average),
            counted: event.counted(problem),
            released: problem.channel_ids().map(|c| problem.released_per_jump(c)).collect(),
            measured: event.of == Distribution::EnergyOutcome,
            rounding: problem.event_rounding(event),
        }
    }

    /// Whether a value belongs to the event.
    pub fn holds(&self, value: f64) -> bool {
        self.event.holds(value, self.rounding)
    }

    /// The same of another level.
    pub fn at(&self, level: f64) -> Event {
        Event { level, ..self.event.clone() }
    }

    /// Whether a value is on the side of another level.
    pub fn holds_at(&self, level: f64, value: f64) -> bool {
        self.at(level).holds(value, self.rounding)
    }

    /// How far a value is from the event, at least `least` unless it belongs to it.
    pub fn distance(&self, value: f64, least: f64) -> f64 {
        if self.holds(value) { 0.0 } else { (value - self.event.level).abs() + least }
    }

    /// What trajectory `k` has counted since step `step` began; 0 of what is no count.
    pub fn gained(&self, batch: &impl Batch, k: usize, step: usize) -> f64 {
        let counts = batch.counts(k);
        match self.counted {
            Some(Linear::Jumps(channel)) => counts[channel.index()] as f64,
            Some(Linear::Released(only)) if only.is_none_or(|only| only.index() == step) => {
                counts.iter().zip(&self.released).map(|(&count, quantum)| count as f64 * quantum).sum()
            }
            _ => 0.0,
        }
    }

    /// The second number by which the only trajectory of a batch is judged.
    pub fn beside(&self, batch: &impl Batch, step: usize) -> f64 {
        let mut value = [0.0];
        if let Some(average) = self.beside {
            batch.linear(average, step, &mut value);
        }
        value[0]
    }

    /// The quantity in the only trajectory of a batch, which had counted `before` when the step began.
    pub fn value(&self, batch: &impl Batch, step: usize, before: f64) -> f64 {
        if self.counted.is_some() {
            return before + self.gained(batch, 0, step);
        }
        let mut value = [0.0];
        batch.linear(self.read.0, step, &mut value);
        self.read.1 * value[0]
    }
}
