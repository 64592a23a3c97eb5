//! exp(tL) applied to a density matrix and to the integrals that run along with it.

use super::space::FullSpace;
use crate::error::RunError;
use num_complex::Complex64;
use sprs::{CsMat, TriMat, prod};

/// Largest ‖L‖₁ times the length of a substep: the Taylor sum then loses at most a factor e³ of precision.
const SUBSTEP: f64 = 3.0;
/// Terms of the sum at such a norm stay below 40.
const MOST_TERMS: usize = 100;
/// Roughly the multiplications of half an hour.
const MOST_WORK: f64 = 1e12;

/// The linear equation of vec(ρ), column-stacked, followed by one counter a channel with
/// d/dt counter = rate Σ Tr(L†Lρ): its matrix, fixed during a step.
#[derive(Debug)]
pub(super) struct Propagator {
    generator: CsMat<Complex64>,
    /// ‖L‖₁ without the counters, which only ever add the last of a chain of factors.
    norm: f64,
    dimension: usize,
}

impl Propagator {
    /// With these strengths of the drives.
    pub(super) fn new(space: &FullSpace, active: &[bool], drives: &[(usize, f64)]) -> Result<Self, RunError> {
        let liouvillian = space.liouvillian(active, drives)?;
        let counters = space.jump_rates(active);
        let (dimension, entries) = (space.dimension(), liouvillian.rows());
        let size = entries + counters.len();
        let mut generator = TriMat::with_capacity((size, size), liouvillian.nnz());
        let mut column_sums = vec![0.0; entries];
        for (&value, (row, column)) in liouvillian.iter() {
            generator.add_triplet(row, column, value);
            column_sums[column] += value.norm();
        }
        for (c, counter) in counters.iter().enumerate() {
            // Tr(Wρ) = Σ W_ij ρ_ji, and ρ_ji is entry j + d·i.
            for (&value, (i, j)) in counter.iter() {
                generator.add_triplet(entries + c, j + dimension * i, value);
            }
        }
        let norm = column_sums.into_iter().fold(0.0, f64::max);
        Ok(Self { generator: generator.to_csr(), norm, dimension })
    }

    /// exp(time·L) applied to `state` (vec(ρ), then the counters), by a Taylor sum in substeps, each summed to below
    /// rounding (Al-Mohy and Higham, SIAM J. Sci. Comput. 33, 488 (2011), without the choice of degree).
    pub(super) fn advance(&self, state: &mut [Complex64], time: f64) -> Result<(), RunError> {
        let substeps = (self.norm * time / SUBSTEP).ceil().max(1.0);
        let work = substeps * 30.0 * self.generator.nnz() as f64;
        if work.is_nan() || work > MOST_WORK {
            return Err(RunError::TooLarge {
                what: format!("an evolution over {time} times a generator of norm {:.1e}", self.norm),
                needed: format!("{work:.1e} multiplications"),
                limit: format!("{MOST_WORK:.0e}"),
                advice: "use a smaller system, a shorter step or a representation that uses the symmetries".into(),
            });
        }
        for _ in 0..substeps as u64 {
            self.substep(state, time / substeps)?;
            self.symmetrise(state);
        }
        Ok(())
    }

    fn substep(&self, sum: &mut [Complex64], time: f64) -> Result<(), RunError> {
        let mut term = sum.to_vec();
        let mut next = vec![Complex64::ZERO; sum.len()];
        let mut previous = f64::INFINITY;
        for k in 1..=MOST_TERMS {
            next.fill(Complex64::ZERO);
            prod::mul_acc_mat_vec_csr(self.generator.view(), &term[..], &mut next[..]);
            let factor = time / k as f64;
            let (mut size, mut total) = (0.0, 0.0);
            for (s, n) in sum.iter_mut().zip(&mut next) {
                *n *= factor;
                *s += *n;
                size += n.l1_norm();
                total += s.l1_norm();
            }
            // Two terms in a row, since a single one may vanish by symmetry.
            if size + previous <= 1e-17 * total {
                return Ok(());
            }
            previous = size;
            std::mem::swap(&mut term, &mut next);
        }
        Err(RunError::Numerics {
            method: "the Taylor sum of the full Liouvillian",
            reason: format!("its term {MOST_TERMS} still has the size {previous:.1e}"),
        })
    }

    /// ρ ← ½(ρ + ρ†), so that rounding cannot build up an anti-Hermitian part.
    fn symmetrise(&self, state: &mut [Complex64]) {
        let d = self.dimension;
        for i in 0..d {
            for j in 0..=i {
                let mean = 0.5 * (state[i + d * j] + state[j + d * i].conj());
                state[i + d * j] = mean;
                state[j + d * i] = mean.conj();
            }
        }
    }
}
