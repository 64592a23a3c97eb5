//! Full counting statistics by the tilted master equation (M. Esposito, U. Harbola and S. Mukamel, Rev. Mod. Phys. 81, 1665
//! (2009), Sec. III): with every jump of one channel weighed by z, Tr ρ_z(t) = ⟨zⁿ⟩ of the number n of its jumps.
//!
//! ln⟨e^{sn}⟩ = Σ c_k sᵏ/k! has the cumulants as its derivatives, which are those of the polynomial through its values at the
//! Chebyshev points of an interval about s = 0. z = 0 leaves the probability that there was no jump yet.

use super::equation::{Density, Equation};
use crate::error::RunError;
use crate::problem::{Axis, Gate, Initial, Problem, SubsystemId};
use crate::protocol::{Evolve, Moment, Rows, Span, walk, walk_cycle};
use crate::space::blocks::{Blocks, Style};
use crate::stop::Stop;
use std::f64::consts::PI;

/// Points of an interval.
const POINTS: usize = 13;
/// Half the first interval, in units of 1/√(1 + ⟨n⟩); each next one is half as long, until two agree.
const FIRST: f64 = 0.5;
const MOST_INTERVALS: usize = 8;
/// How well two must agree, of the larger of a cumulant and the mean, and at all.
const TOLERANCE: f64 = 1e-6;
const ROUNDING: f64 = 1e-9;

/// Mean, variance, Fano factor, third and fourth cumulant of the number of jumps of each channel in each timed step over all
/// cycles: step by step, channel by channel.
///
/// # Errors
/// When the blocks do not fit, the cumulants are lost in rounding, or `stop` is raised.
pub fn counting(problem: &Problem, style: Style, stop: &Stop) -> Result<Vec<[f64; 5]>, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut counting = Counting { state: Equation::new(&blocks, stop)?, found: Vec::new() };
    (0..problem.protocol.repeat)
        .try_for_each(|cycle| walk_cycle(&problem.protocol, cycle, Rows::Skip, stop, &mut counting))?;
    Ok(counting.found)
}

/// The probability at each row that channel number `channel` has not jumped since the run began.
///
/// # Errors
/// As [`counting`].
pub fn no_jump(problem: &Problem, channel: usize, style: Style, stop: &Stop) -> Result<Vec<f64>, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut state = Equation::new(&blocks, stop)?;
    state.tilt(Some((channel, 0.0)));
    let mut silent = Silent { state, rows: Vec::new() };
    walk(&problem.protocol, stop, &mut silent)?;
    Ok(silent.rows)
}

/// A state whose jumps are counted step by step.
struct Counting<'b> {
    state: Equation<'b>,
    found: Vec<[f64; 5]>,
}

impl Counting<'_> {
    /// c₁ to c₄ of a channel with this mean over a step that begins in `rho`.
    fn cumulants(
        &mut self,
        rho: &Density,
        (stage, channel, duration): (usize, usize, f64),
        mean: f64,
    ) -> Result<[f64; 4], RunError> {
        let mut generating = |s: f64| -> Result<f64, RunError> {
            self.state.tilt(Some((channel, s.exp())));
            self.state.rho.clone_from(rho);
            self.state.evolve(stage, 0.0, duration)?;
            Ok(self.state.trace().ln())
        };
        let mut last = [f64::NAN; 4];
        for halvings in 0..MOST_INTERVALS {
            let half = FIRST / (1.0 + mean).sqrt() * 0.5f64.powi(halvings as i32);
            let found = derivatives(half, &mut generating)?;
            let agrees = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE * a.abs().max(mean) + ROUNDING;
            if found.iter().zip(&last).all(agrees) {
                return Ok(last);
            }
            last = found;
        }
        let reason = format!("cumulants of channel number {channel} are lost in rounding: {last:?}");
        Err(RunError::Numerics { method: "the counting statistics", reason })
    }
}

impl Evolve for Counting<'_> {
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
        self.state.start = span.start;
        self.state.counters.fill(0.0);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, _: f64, until: f64) -> Result<(), RunError> {
        let stage = self.state.blocks.stage_of(span.step);
        let before = self.state.rho.clone();
        self.state.evolve(stage, 0.0, until)?;
        let (after, means) = (self.state.rho.clone(), self.state.counters.clone());
        for (channel, mean) in means.into_iter().enumerate() {
            let [mean, c2, c3, c4] = match mean > 0.0 {
                true => self.cumulants(&before, (stage, channel, until), mean)?,
                false => [0.0; 4],
            };
            self.found.push([mean, c2, c2 / mean, c3, c4]);
        }
        self.state.tilt(None);
        self.state.rho = after;
        Ok(())
    }

    fn read(&mut self, _: &Moment) -> Result<(), RunError> {
        Ok(())
    }
}

/// The first four derivatives at 0 of a function that is 0 there, from its values within `half` of it.
fn derivatives(half: f64, function: &mut impl FnMut(f64) -> Result<f64, RunError>) -> Result<[f64; 4], RunError> {
    let angle = |j: usize| PI * (j as f64 + 0.5) / POINTS as f64;
    let mut values = [0.0; POINTS];
    for (j, value) in values.iter_mut().enumerate() {
        *value = function(half * angle(j).cos())?;
    }
    // Powers of x from the Chebyshev polynomials T_{k+1} = 2xT_k − T_{k−1}.
    let (mut before, mut now, mut powers) = ([0.0; POINTS], [0.0; POINTS], [0.0; POINTS]);
    now[0] = 1.0;
    for k in 0..POINTS {
        let sum: f64 = values.iter().enumerate().map(|(j, f)| f * (k as f64 * angle(j)).cos()).sum();
        let coefficient = sum * if k == 0 { 1.0 } else { 2.0 } / POINTS as f64;
        powers.iter_mut().zip(&now).for_each(|(power, t)| *power += coefficient * t);
        let mut next = [0.0; POINTS];
        for i in 0..POINTS {
            let shifted = if i > 0 { now[i - 1] } else { 0.0 };
            next[i] = if k == 0 { shifted } else { 2.0 * shifted - before[i] };
        }
        (before, now) = (now, next);
    }
    let mut factor = 1.0;
    Ok(std::array::from_fn(|k| {
        factor *= (k + 1) as f64 / half;
        powers[k + 1] * factor
    }))
}

/// A state without the jumps of one channel.
struct Silent<'b> {
    state: Equation<'b>,
    rows: Vec<f64>,
}

impl Evolve for Silent<'_> {
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
        self.state.start = span.start;
        Ok(())
    }

    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), RunError> {
        self.state.evolve(self.state.blocks.stage_of(span.step), from, until)
    }

    fn read(&mut self, _: &Moment) -> Result<(), RunError> {
        self.rows.push(self.state.trace());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln⟨e^{sn}⟩ of a binomial variate of 10 trials.
    #[test]
    fn derivatives_are_the_cumulants() {
        let (n, p) = (10.0, 0.3f64);
        let mut of = |s: f64| Ok(n * (1.0 + p * s.exp_m1()).ln());
        let pq = p * (1.0 - p);
        let exact = [n * p, n * pq, n * pq * (1.0 - 2.0 * p), n * pq * (1.0 - 6.0 * pq)];
        for (found, exact) in derivatives(0.2, &mut of).unwrap().into_iter().zip(exact) {
            assert!((found - exact).abs() < 1e-8, "{found} {exact}");
        }
    }
}
