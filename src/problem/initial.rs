//! Initial states of subsystems.

use super::{JointState, OpSum};
use faer::Mat;
use num_complex::Complex64;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Initial state of one subsystem; those that share none start in a product state.
#[derive(Clone, Debug, PartialEq)]
pub enum Initial {
    /// Every cell in |g⟩, a mode in its vacuum, a multi-level system in level 0.
    Ground,
    /// Every cell in |e⟩.
    Excited,
    /// |J, M⟩ of an ensemble, mixed evenly over the equivalent copies of spin J.
    Dicke {
        /// 2J, from N down to 0 or 1 in steps of 2.
        two_j: u64,
        /// 2M, from −2J to 2J in steps of 2.
        two_m: i64,
    },
    /// Product of one-cell Gibbs states with ratio q = p_e/p_g (q < 1: passive, q > 1: inverted); of a mode the Gibbs
    /// state p_n ∝ qⁿ within its cutoff.
    Thermal {
        /// p_e/p_g = e^{−βω} ≥ 0.
        ratio: f64,
    },
    /// The same one-cell density matrix on every cell of an ensemble or network.
    Cell {
        /// p_e = ⟨e|ρ|e⟩, from 0 to 1.
        excited: f64,
        /// ⟨e|ρ|g⟩, |⟨e|ρ|g⟩|² ≤ p_e(1 − p_e).
        coherence: Complex64,
    },
    /// Fock state |n⟩ of a mode, n below its cutoff.
    Fock(usize),
    /// Coherent state of a mode, e^{−|α|²/2} Σ αⁿ/√n! |n⟩, normalised within the cutoff.
    Coherent(Complex64),
    /// Populations of the levels of a multi-level system, one a level, summing to 1.
    Populations(Vec<f64>),
    /// Part of a joint state, by its number among those of the problem.
    Joint(usize),
    /// A state such as several may share, of one subsystem alone.
    Alone(JointState),
    /// U ρ U† with the product Gibbs state ρ of ratio q on the cells of a network; basis (g, e) a cell, cell 0 the most
    /// significant digit.
    Rotated {
        /// q = p_e/p_g.
        ratio: f64,
        /// U, 2^N × 2^N with N ≤ 12, unitary to 1e-9.
        unitary: Arc<Mat<Complex64>>,
    },
}

impl Initial {
    /// Every cell with the Bloch vector (sin θ cos φ, sin θ sin φ, cos θ), |e⟩ up: cos(θ/2)|e⟩ + e^{iφ} sin(θ/2)|g⟩,
    /// angles in radians.
    pub fn angle(theta: f64, phi: f64) -> Self {
        let excited = (0.5 * theta).cos().powi(2);
        Initial::Cell { excited, coherence: Complex64::from_polar(0.5 * theta.sin(), -phi) }
    }

    /// Every cell in (|g⟩ + |e⟩)/√2.
    pub fn plus() -> Self {
        Initial::Cell { excited: 0.5, coherence: Complex64::new(0.5, 0.0) }
    }

    /// The one-cell density matrix behind a product state of cells as (⟨e|ρ|e⟩, ⟨e|ρ|g⟩); `None` of any other state.
    pub fn cell(&self) -> Option<(f64, Complex64)> {
        match *self {
            Initial::Ground => Some((0.0, Complex64::ZERO)),
            Initial::Excited => Some((1.0, Complex64::ZERO)),
            Initial::Thermal { ratio } => Some((ratio / (1.0 + ratio), Complex64::ZERO)),
            Initial::Cell { excited, coherence } => Some((excited, coherence)),
            _ => None,
        }
    }
}

/// A unitary of dimension `d` drawn from the Haar measure: Q of the QR decomposition of a complex Ginibre matrix, with
/// the phases of R's diagonal taken out (F. Mezzadri, Notices AMS 54, 592 (2007)).
pub fn haar_unitary(d: usize, seed: u64) -> Mat<Complex64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut columns: Vec<Vec<Complex64>> =
        (0..d).map(|_| (0..d).map(|_| Complex64::new(normal(), normal())).collect()).collect();
    // Gram and Schmidt, twice for orthogonality to rounding; a positive diagonal of R is what it gives.
    for k in 0..d {
        for _ in 0..2 {
            for j in 0..k {
                let (before, rest) = columns.split_at_mut(k);
                let overlap: Complex64 = before[j].iter().zip(&rest[0]).map(|(a, b)| a.conj() * b).sum();
                before[j].iter().zip(&mut rest[0]).for_each(|(a, b)| *b -= overlap * a);
            }
        }
        let norm = columns[k].iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
        columns[k].iter_mut().for_each(|x| *x /= norm);
    }
    Mat::from_fn(d, d, |i, j| columns[j][i])
}

/// Whether U†U is the identity to 1e-9.
pub(crate) fn is_unitary(u: &Mat<Complex64>) -> bool {
    let product = u.adjoint() * u;
    let one = |i: usize, j: usize| if i == j { Complex64::ONE } else { Complex64::ZERO };
    u.nrows() == u.ncols()
        && (0..u.nrows()).all(|i| (0..u.ncols()).all(|j| (product[(i, j)] - one(i, j)).norm() <= 1e-9))
}

/// Detunings as a Hamiltonian: Σᵢ δᵢ nᵢ over the cells of a network.
pub(super) fn detuned(subsystem: super::SubsystemId, detunings: &[f64]) -> OpSum {
    use super::{Factor, Op};
    let term = |(site, detuning): (usize, &f64)| {
        OpSum::from_factor(Factor { subsystem, site: Some(site), op: Op::Number }) * *detuning
    };
    detunings.iter().enumerate().map(term).fold(OpSum::default(), |sum, term| sum + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haar_unitaries_are_unitary_and_reproducible() {
        for d in [1, 2, 16] {
            let u = haar_unitary(d, 3);
            assert!(is_unitary(&u));
            assert_eq!(u, haar_unitary(d, 3));
            assert_ne!(u, haar_unitary(d, 4));
        }
    }

    #[test]
    fn the_mean_of_a_haar_column_is_flat() {
        // E|U_00|² = 1/d and E|U_00|⁴ = 2/(d(d+1)).
        let (d, n) = (4, 20_000);
        let p: Vec<f64> = (0..n).map(|seed| haar_unitary(d, seed)[(0, 0)].norm_sqr()).collect();
        let mean = p.iter().sum::<f64>() / n as f64;
        let square = p.iter().map(|p| p * p).sum::<f64>() / n as f64;
        assert!((mean - 0.25).abs() < 0.01, "{mean}");
        assert!((square - 0.1).abs() < 0.01, "{square}");
    }
}
