//! Random states, which the tests share.

use faer::Mat;
use num_complex::Complex64;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A generator.
pub struct Random(pub ChaCha8Rng);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// A normalised vector, uniform on the sphere.
    pub fn vector(&mut self, d: usize) -> Vec<Complex64> {
        let mut normal = || -> f64 { self.0.sample(StandardNormal) };
        let raw: Vec<Complex64> = (0..d).map(|_| Complex64::new(normal(), normal())).collect();
        let norm = raw.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
        raw.into_iter().map(|x| x / norm).collect()
    }

    /// A density matrix of this rank.
    pub fn state(&mut self, d: usize, rank: usize) -> Mat<Complex64> {
        let weights: Vec<f64> = (0..rank).map(|_| 0.1 + self.uniform()).collect();
        let total: f64 = weights.iter().sum();
        mixture(&weights.iter().map(|w| (w / total, self.vector(d))).collect::<Vec<_>>())
    }
}

/// Σp|v⟩⟨v|.
pub fn mixture(ensemble: &[(f64, Vec<Complex64>)]) -> Mat<Complex64> {
    let d = ensemble[0].1.len();
    Mat::from_fn(d, d, |i, j| ensemble.iter().map(|(p, v)| v[i] * v[j].conj() * *p).sum::<Complex64>())
}
