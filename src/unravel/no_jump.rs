//! The branch in which nothing ever happens. Its probability is known without sampling wherever its path can be followed
//! from each pure initial state, so it enters averages with its exact weight, and what is sampled is the rest: trajectories
//! that jump at least once. Where jumps are rare this is nearly all of the variance.

use super::stream::Stream;

/// Initial states from which the path without jumps is followed, at most.
pub(super) const MOST_FOLLOWED: usize = 64;
/// A uniform variate is a multiple of 2⁻⁵³: no trajectory survives this norm².
pub(super) const LEAST_NORM: f64 = 1e-17;
/// Below this probability the branch is left to sampling, which sees it often enough or not at all.
pub(super) const LEAST: f64 = 0.1;
/// Closer to 1 a probability is one of nothing but rounding.
const ROUNDING: f64 = 1e-12;

/// How likely each pure initial state is, and that nothing happens to it before the protocol ends.
#[derive(Clone, Debug, PartialEq)]
pub struct NoJump {
    /// Probability p of each initial state, and that it survives, s.
    initial: Vec<(f64, f64)>,
}

/// Which trajectories a batch holds.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// As they come.
    Any,
    /// Those that jump at least once.
    Jumping(&'a NoJump),
    /// Those that never jump as long as they have any weight, one from each initial state: the numbers of trajectories are
    /// those of the states.
    Never,
}

impl NoJump {
    /// From the probability of each initial state and of its survival; `None` where the branch is not worth the while.
    pub fn new(initial: Vec<(f64, f64)>) -> Option<Self> {
        let found = Self { initial };
        (found.chance() >= LEAST).then_some(found)
    }

    /// Number of initial states.
    pub fn states(&self) -> usize {
        self.initial.len()
    }

    /// Probability Σ ps that nothing happens.
    pub fn chance(&self) -> f64 {
        self.weights().sum::<f64>().min(1.0)
    }

    /// Probability of each initial state with nothing happening to it.
    pub fn weights(&self) -> impl Iterator<Item = f64> {
        self.initial.iter().map(|(p, s)| p * s)
    }

    /// The initial state of a trajectory that jumps, and the norm² at which it does for the first time: uniform between
    /// what survives and 1.
    pub fn draw(&self, stream: &mut Stream) -> (usize, f64) {
        let jumping: Vec<f64> = self.initial.iter().map(|(p, s)| p * (1.0 - s).max(0.0)).collect();
        let state = if jumping.len() > 1 { stream.choose(&jumping).unwrap_or(0) } else { 0 };
        let left = self.initial[state].1;
        // Where nothing can happen there is no such trajectory: any will do, as it has no weight.
        let left = if left > 1.0 - ROUNDING { 0.0 } else { left };
        (state, 1.0 - stream.uniform() * (1.0 - left))
    }
}
