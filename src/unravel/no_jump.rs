//! The branch in which nothing ever happens. Its probability is known without sampling wherever its path can be followed
//! from each pure initial state, so it enters averages with its exact weight, and what is sampled is the rest: trajectories
//! that jump at least once. Where jumps are rare this is nearly all of the variance.

use super::readout::first_states;
use super::stream::Stream;
use crate::space::blocks::Blocks;

/// Amplitudes of the initial states from which the path without jumps is followed, all together, where they are many.
const MOST_AMPLITUDES: usize = 1 << 22;
/// Initial states that are few, however many amplitudes each has.
const FEW: usize = 64;
/// An initial state that survives more rarely than this is left to sampling as well: what is left of it after a long step
/// might take for ever to follow.
pub(super) const LEAST_SURVIVAL: f64 = 1e-3;
/// Below this probability the branch is left to sampling, which sees it often enough or not at all.
const LEAST: f64 = 0.1;
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

/// How many initial states there are if they can be told apart and are not too many to follow.
pub(super) fn followed(blocks: &Blocks) -> Option<usize> {
    blocks.start.choices.filter(|n| *n <= FEW || n * first_states(blocks) <= MOST_AMPLITUDES)
}

impl NoJump {
    /// From the probability of each initial state and of its survival; `None` where the branch is not worth the while.
    pub fn new(initial: Vec<(f64, f64)>) -> Option<Self> {
        let worth = |(p, s): (f64, f64)| (p, if s < LEAST_SURVIVAL { 0.0 } else { s });
        let found = Self { initial: initial.into_iter().map(worth).collect() };
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

    /// Probability that nothing happens to an initial state; 0 where that is left to sampling.
    pub fn survival(&self, state: usize) -> f64 {
        self.initial[state].1
    }

    /// The initial state of a trajectory that jumps.
    pub fn draw_state(&self, stream: &mut Stream) -> usize {
        let jumping: Vec<f64> = self.initial.iter().map(|(p, s)| p * (1.0 - s).max(0.0)).collect();
        if jumping.len() > 1 { stream.choose(&jumping).unwrap_or(0) } else { 0 }
    }

    /// The same, with the norm² at which it jumps for the first time: uniform between what survives and 1.
    pub fn draw(&self, stream: &mut Stream) -> (usize, f64) {
        let state = self.draw_state(stream);
        let left = self.survival(state);
        // Where nothing can happen there is no such trajectory: any will do, as it has no weight.
        let left = if left > 1.0 - ROUNDING { 0.0 } else { left };
        (state, 1.0 - stream.uniform() * (1.0 - left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_hardly_survives_is_sampled_whole() {
        let known = NoJump::new(vec![(0.5, 1.0), (0.5, 5e-4)]).unwrap();
        assert_eq!((known.chance(), known.survival(1), known.weights().nth(1)), (0.5, 0.0, Some(0.0)));
        let mut stream = Stream::new(1, 0);
        let drawn: Vec<(usize, f64)> = (0..20_000).map(|_| known.draw(&mut stream)).collect();
        assert!(drawn.iter().all(|(state, norm)| *state == 1 && 0.0 < *norm && *norm <= 1.0));
        // Of 20,000 uniform variates ten are below 5·10⁻⁴; that none is has a chance of 5·10⁻⁵.
        assert!(drawn.iter().any(|(_, norm)| *norm < 5e-4));
    }

    #[test]
    fn first_jumps_lie_between_what_survives_and_one() {
        let known = NoJump::new(vec![(0.3, 0.9), (0.7, 0.2)]).unwrap();
        assert!((known.chance() - 0.41).abs() < 1e-15);
        let (mut stream, mut of_first) = (Stream::new(2, 0), 0);
        for _ in 0..10_000 {
            let (state, norm) = known.draw(&mut stream);
            assert!([0.9, 0.2][state] < norm && norm <= 1.0);
            of_first += usize::from(state == 0);
        }
        // 0.3·0.1 of 0.03 + 0.56: 508 ± 22
        assert!((400..620).contains(&of_first), "{of_first}");
        assert!(NoJump::new(vec![(1.0, 0.09)]).is_none());
    }
}
