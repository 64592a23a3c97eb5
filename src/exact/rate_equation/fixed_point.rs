//! The cycle that a repeated protocol settles in on the ladder.

use super::{RateEquation, State, TOLERANCE};
use crate::error::RunError;
use crate::exact::blocks::Ending;
use crate::exact::extrapolate;
use crate::problem::{Protocol, SubsystemId};
use crate::protocol::{Rows, walk_cycle};
use crate::space::ladder::LadderStep;
use crate::table::Table;

/// Iterates that are extrapolated together.
const WINDOW: usize = 12;
/// Most cycles.
const MOST_CYCLES: usize = 10_000;
/// Two cycles that differ by less than this are one.
const ALIKE: f64 = 1e-9;
/// A difference that falls by less than this fraction in [`WINDOW`] pairs of cycles does not fall.
const FALLING: f64 = 1e-8;

impl RateEquation<'_> {
    /// The state that repeating the cycle for ever leads to from the initial state, at the rows of one cycle.
    ///
    /// In a timed step every state may stay as it is, and an ensemble that is flipped twice is as before: probability
    /// alternates between two sets of states at most, and only where a cycle flips an ensemble an odd number of times.
    /// There two cycles count as one, and afterwards it is seen whether each leads to the same state.
    ///
    /// Cycles are accelerated by reduced-rank extrapolation, which keeps conserved weights, until one more
    /// changes no probability by more than `TOLERANCE` in sum.
    ///
    /// # Errors
    /// [`RunError::NoLimit`] when cycles alternate and the limit was asked for; when it does not settle within 10,000
    /// cycles, or the propagator misses its tolerance.
    pub fn fixed_point(&mut self, ending: Ending) -> Result<Table, RunError> {
        let protocol = &self.problem.protocol;
        let period = if self.flips_once() { 2 } else { 1 };
        let mut state = State::new(self);
        let mut residual = f64::INFINITY;
        for _ in 0..MOST_CYCLES / WINDOW / period {
            let mut iterates = vec![state.p.concat()];
            for _ in 0..WINDOW {
                state.skip(protocol, period)?;
                iterates.push(state.p.concat());
            }
            residual = distance(&iterates[WINDOW - 1], &iterates[WINDOW]);
            if residual <= TOLERANCE {
                if period == 2 && state.alternates(protocol)? && ending == Ending::Limit {
                    let how = "the repeated protocol settles in a cycle of twice its period".into();
                    return Err(RunError::NoLimit { how, frequency: None });
                }
                let stop = state.equation.stop.clone();
                walk_cycle(protocol, 0, Rows::Read, &stop, &mut state)?;
                return Ok(state.columns.table());
            }
            if let Some(better) = extrapolate::reduced_rank(&iterates) {
                state.set(&better);
                for p in &mut state.p {
                    p.iter_mut().for_each(|p| *p = p.max(0.0));
                    let total: f64 = p.iter().sum();
                    p.iter_mut().for_each(|p| *p /= total);
                }
            }
        }
        Err(RunError::Numerics {
            method: "the fixed point of one cycle",
            reason: format!("after {MOST_CYCLES} cycles one more still moves probability by {residual:.1e}"),
        })
    }

    /// Whether a cycle flips some ensemble an odd number of times.
    fn flips_once(&self) -> bool {
        let flips =
            |e: SubsystemId| self.ladder.steps.iter().filter(|s| matches!(s, LadderStep::Flip(of) if *of == e)).count();
        self.problem.subsystem_ids().any(|e| flips(e) % 2 == 1)
    }
}

impl State<'_, '_> {
    /// So many cycles without rows.
    fn skip(&mut self, protocol: &Protocol, cycles: usize) -> Result<(), RunError> {
        let stop = self.equation.stop.clone();
        (0..cycles).try_for_each(|_| walk_cycle(protocol, 0, Rows::Skip, &stop, self))
    }

    fn set(&mut self, values: &[f64]) {
        let mut rest = values;
        for p in &mut self.p {
            let (mine, others) = rest.split_at(p.len());
            p.copy_from_slice(mine);
            rest = others;
        }
    }

    /// Whether odd and even cycles go on differing; takes the mean of the two.
    fn alternates(&mut self, protocol: &Protocol) -> Result<bool, RunError> {
        let even = self.p.concat();
        self.skip(protocol, 1)?;
        let odd = self.p.concat();
        let apart = distance(&even, &odd);
        let mut alternates = false;
        if apart > ALIKE {
            self.skip(protocol, 2 * WINDOW)?;
            let before = self.p.concat();
            self.skip(protocol, 1)?;
            alternates = distance(&before, &self.p.concat()) >= (1.0 - FALLING) * apart;
        }
        self.set(&even.iter().zip(&odd).map(|(a, b)| 0.5 * (a + b)).collect::<Vec<_>>());
        Ok(alternates)
    }
}

/// Σ|a − b|.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}
