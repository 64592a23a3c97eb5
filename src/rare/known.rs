//! What needs no sampling: the branch in which nothing ever happens, and the clicks of a channel that is alone.

use super::question::Question;
use crate::error::RunError;
use crate::estimate::populations::Pooled;
use crate::problem::{Linear, Problem};
use crate::stop::Stop;
use crate::unravel::no_jump::{NoJump, Which};
use crate::unravel::trajectory::{Moment, Recorder, run_batch};
use crate::unravel::{Batch, States, Unraveling};

/// The probability that the only channel that ever does anything does nothing, if that is what is asked, or that it does
/// something.
pub(super) fn silent(
    problem: &Problem,
    engine: &impl Unraveling,
    question: &Question,
    stop: &Stop,
) -> Result<Option<f64>, RunError> {
    let Some(Linear::Jumps(channel)) = question.event.counted(problem) else { return Ok(None) };
    let alone = problem.channel_ids().all(|other| other == channel || !problem.ever_on(other));
    // 1 click and many are of one kind.
    if !alone || question.holds(0.0) == question.holds(1.0) || question.holds(1.0) != question.holds(f64::INFINITY) {
        return Ok(None);
    }
    let Some(states) = engine.survival(stop)? else { return Ok(None) };
    let none: f64 = states.iter().map(|(p, survival)| p * survival).sum();
    let some: f64 = states.iter().map(|(p, survival)| p * (1.0 - survival)).sum();
    Ok(Some(if question.holds(0.0) { none } else { some }.clamp(0.0, 1.0)))
}

/// The branch in which nothing ever happens.
#[derive(Debug)]
pub(super) struct Known {
    /// How it ends, with the probability of each end.
    pub ends: Vec<(f64, f64)>,
    /// Its probability.
    pub chance: f64,
}

impl Known {
    /// The probability that nothing happens and `of` holds.
    pub fn of(&self, of: impl Fn(f64) -> bool) -> f64 {
        self.ends.iter().filter(|(value, _)| of(*value)).map(|(_, p)| p).sum()
    }

    /// Of the probability among trajectories that jump that among all of them, where `of` holds of those that do not.
    pub fn whole(&self, pooled: Pooled, of: impl Fn(f64) -> bool) -> Pooled {
        let (known, rest) = (self.of(of), 1.0 - self.chance);
        let all = |p: f64| (known + rest * p).clamp(0.0, 1.0);
        let Pooled { value, se, interval: (lo, hi), dominated } = pooled;
        Pooled { value: all(value), se: rest * se, interval: (all(lo), all(hi)), dominated }
    }
}

/// Reads how trajectories that never jump end.
struct Ends<'a> {
    question: &'a Question,
    weights: Vec<f64>,
    rows: usize,
    found: Vec<(f64, f64)>,
}

impl<B: Batch> Recorder<B> for Ends<'_> {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        if moment.row + 1 < self.rows {
            return Ok(());
        }
        for (k, weight) in self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let value = self.question.value(&batch.alone(k), moment.step, 0.0);
            let (found, mut definite) = (&mut self.found, true);
            if self.question.measured {
                batch.energy_outcomes(k, &mut |outcome, p| {
                    definite = false;
                    found.push((outcome, weight * p));
                })?;
            }
            if definite {
                found.push((value, *weight));
            }
        }
        Ok(())
    }
}

/// How the branch ends, with the probability of each end.
///
/// # Errors
/// As [`run_batch`], and where H_B cannot be measured.
pub(super) fn never<U: Unraveling>(
    problem: &Problem,
    engine: &U,
    question: &Question,
    no_jump: &NoJump,
    stop: &Stop,
) -> Result<Vec<(f64, f64)>, RunError> {
    let mut batch = engine.start_of(Which::Never, 0, 0..no_jump.states() as u64, stop);
    debug_assert_eq!(batch.trajectories(), no_jump.states());
    let weights = no_jump.weights().collect();
    let mut ends = Ends { question, weights, rows: problem.protocol.row_count(), found: Vec::new() };
    run_batch(problem, &mut batch, stop, &mut ends)?;
    Ok(ends.found)
}
