//! The random numbers of one trajectory: a ChaCha8 stream numbered by the trajectory, the same on every machine.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::Exp1;

/// The stream of one trajectory (and, with several ensembles, of one ensemble in it).
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Stream `index` of `seed`: streams of one seed never overlap (2⁶⁸ bytes each).
    pub fn new(seed: u64, index: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        Self(rng)
    }

    /// An exponential variate of mean 1.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        self.0.sample(Exp1)
    }

    /// A uniform variate in [0, 1).
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// One of several things in proportion to their weights; `None` if all are 0.
    pub fn choose(&mut self, weights: &[f64]) -> Option<usize> {
        let mut share = self.uniform() * weights.iter().sum::<f64>();
        let mut chosen = None;
        for (index, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            chosen = Some(index);
            if share < weight {
                break;
            }
            share -= weight;
        }
        chosen
    }

    /// The generator itself, for any other distribution.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}
