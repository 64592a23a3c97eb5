//! The protocol: pulses and timed steps in the order they happen, repeated.

use super::function::On;
use super::{Gate, Initial, StepId, SubsystemId};

/// Axis of a rotation of the cells' Bloch spheres by θ in radians, with the spin S = Σᵢσᵢ/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Rotation exp(−iθSˣ).
    X,
    /// Rotation exp(−iθSʸ).
    Y,
    /// Rotation exp(−iθSᶻ).
    Z,
}

impl Axis {
    /// Unit vector of the axis.
    pub fn unit(self) -> [f64; 3] {
        match self {
            Axis::X => [1.0, 0.0, 0.0],
            Axis::Y => [0.0, 1.0, 0.0],
            Axis::Z => [0.0, 0.0, 1.0],
        }
    }
}

/// One entry of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An instantaneous exp(−iθ n·S), S = Σᵢσᵢ/2, on every cell of an ensemble or network.
    Rotate {
        /// What is rotated.
        subsystem: SubsystemId,
        /// The axis n.
        axis: Axis,
        /// The angle θ in radians.
        angle: f64,
    },
    /// A gate: ρ → UρU†.
    Unitary(Gate),
    /// Evolution under the master equation with the channels in `active`.
    Evolve {
        /// Name of the step, shown in the output.
        name: String,
        /// Duration, in the time unit of the rates.
        duration: f64,
        /// Times of the output rows since the step began, two at least: first 0, last `duration`, none earlier than the
        /// one before it.
        rows: Vec<f64>,
        /// Whether each channel of the problem is on, in their order.
        active: Vec<bool>,
        /// Whether each drive of the problem is on, in their order.
        driven: Vec<bool>,
    },
    /// A subsystem is replaced by a fresh one in `state`: ρ → Tr_S ρ ⊗ ρ_S.
    Reset {
        /// What is replaced.
        subsystem: SubsystemId,
        /// The state of the fresh one.
        state: Initial,
    },
}

/// Steps, and how often they are repeated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Protocol {
    /// Number of cycles, at least 1.
    pub repeat: u64,
    /// The steps of one cycle.
    pub steps: Vec<Step>,
}

/// Where and when an output row is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Time since the run began; infinite in a steady state.
    pub time: f64,
    /// The step.
    pub step: StepId,
    /// Cycle, from 0.
    pub cycle: u64,
}

impl Step {
    /// How long it takes: nothing, unless it is timed.
    pub fn duration(&self) -> f64 {
        if let Step::Evolve { duration, .. } = self { *duration } else { 0.0 }
    }
}

impl Protocol {
    /// Output rows of one timed step; 0 for a pulse or a reset.
    pub fn rows_of(step: &Step) -> usize {
        match step {
            Step::Rotate { .. } | Step::Unitary(_) | Step::Reset { .. } => 0,
            Step::Evolve { rows, .. } => rows.len(),
        }
    }

    /// Number of output rows of one cycle.
    pub fn rows_of_cycle(&self) -> usize {
        self.steps.iter().map(Self::rows_of).sum()
    }

    /// Number of output rows of the whole run.
    pub fn row_count(&self) -> usize {
        self.repeat as usize * self.rows_of_cycle()
    }

    /// Duration of one cycle.
    pub fn period(&self) -> f64 {
        self.steps.iter().map(Step::duration).sum()
    }

    /// Duration of the longest step.
    pub fn longest_step(&self) -> f64 {
        self.steps.iter().map(Step::duration).fold(0.0, f64::max)
    }

    /// When the timed steps that are `wanted` begin and how long they are, cycle after cycle.
    pub(crate) fn timed(&self, wanted: impl Fn(&Step) -> bool) -> impl Iterator<Item = On> {
        let period = self.period();
        let mut since = 0.0;
        let mut of_cycle = Vec::new();
        for step in &self.steps {
            if wanted(step) {
                of_cycle.push(On { start: since, duration: step.duration() });
            }
            since += step.duration();
        }
        (0..self.repeat).flat_map(move |cycle| {
            let begin = cycle as f64 * period;
            of_cycle.clone().into_iter().map(move |on| On { start: begin + on.start, ..on })
        })
    }

    /// Every output row in order, cycle by cycle and step by step: [`row_count`](Self::row_count) of them.
    pub fn rows(&self) -> Vec<Row> {
        let period = self.period();
        let mut all = Vec::with_capacity(self.row_count());
        for cycle in 0..self.repeat {
            let mut start = cycle as f64 * period;
            for (step, entry) in self.steps.iter().enumerate() {
                if let Step::Evolve { duration, rows, .. } = entry {
                    all.extend(rows.iter().map(|offset| Row { time: start + offset, step: StepId::new(step), cycle }));
                    start += duration;
                }
            }
        }
        all
    }

    /// Name of a step; pulses and resets have none.
    pub fn name(&self, step: StepId) -> &str {
        match self.steps.get(step.index()) {
            Some(Step::Evolve { name, .. }) => name,
            _ => "",
        }
    }
}

/// The start of a step and `samples` ≥ 1 rows at equal intervals, the last at `duration`: `samples` + 1 times.
pub fn even_rows(duration: f64, samples: usize) -> Vec<f64> {
    (0..=samples).map(|i| if i == samples { duration } else { duration * i as f64 / samples as f64 }).collect()
}

/// The start of a step and `samples` ≥ 1 rows from `first` > 0 to `duration`, equally spaced in ln t: `samples` + 1
/// times.
pub fn log_rows(duration: f64, samples: usize, first: f64) -> Vec<f64> {
    let ratio = (duration / first).ln();
    let mut rows = vec![0.0];
    rows.extend((1..=samples).map(|i| match i {
        i if i == samples => duration,
        i => (first * (ratio * (i - 1) as f64 / (samples - 1) as f64).exp()).min(duration),
    }));
    rows
}
