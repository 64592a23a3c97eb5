//! exp(tL) applied to a density matrix and to the integrals that run along with it.

use super::space::{Dissipator, FullSpace, conjugate};
use crate::error::RunError;
use num_complex::Complex64;
use sprs::{CsMat, prod};

/// Largest ‖L‖₁ times the length of a substep: the Taylor sum then loses at most a factor e³ of precision.
const SUBSTEP: f64 = 3.0;
/// Terms of the sum at such a norm stay below 40.
const MOST_TERMS: usize = 100;
/// Roughly the multiplications of half an hour.
const MOST_WORK: f64 = 1e12;
/// Largest Hilbert space dimension with L as one matrix.
const MOST_STATES_OF_A_MATRIX: usize = 32;

/// The linear equation of vec(ρ), column-stacked, followed by one counter a channel with
/// d/dt counter = Tr(Wρ), W the rate of its jumps: fixed during a step.
#[derive(Debug)]
pub(super) struct TaylorSum {
    generator: Generator,
    counters: Vec<CsMat<Complex64>>,
    /// A bound on ‖L‖₁ without the counters, which only ever add the last of a chain of factors.
    norm: f64,
    dimension: usize,
}

#[derive(Debug)]
enum Generator {
    /// L, d² × d².
    Matrix(CsMat<Complex64>),
    /// K* and the terms w, L*, R* of the jumps.
    Products(CsMat<Complex64>, Vec<Dissipator>),
}

impl TaylorSum {
    /// With these strengths of the drives.
    pub(super) fn new(space: &FullSpace, active: &[bool], drives: &[(usize, f64)]) -> Result<Self, RunError> {
        let dimension = space.dimension();
        let generator = match dimension {
            0..=MOST_STATES_OF_A_MATRIX => Generator::Matrix(space.liouvillian(active, drives)?),
            _ => {
                let conjugated = |(w, l, r): &Dissipator| (*w, conjugate(l), conjugate(r));
                let jumps = space.active_jumps(active).map(conjugated).collect();
                Generator::Products(conjugate(&space.drift(active, drives)), jumps)
            }
        };
        let norm = bound(&space.drift(active, drives), &space.active_jumps(active).collect::<Vec<_>>());
        Ok(Self { generator, counters: space.jump_rates(active), norm, dimension })
    }

    /// exp(time·L) applied to `state` (vec(ρ), then the counters), by a Taylor sum in substeps, each summed to below
    /// rounding (Al-Mohy and Higham, SIAM J. Sci. Comput. 33, 488 (2011), without the choice of degree).
    pub(super) fn advance(&self, state: &mut [Complex64], time: f64) -> Result<(), RunError> {
        let substeps = (self.norm * time / SUBSTEP).ceil().max(1.0);
        let work = substeps * 30.0 * self.cost();
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

    /// Multiplications of one application of L.
    fn cost(&self) -> f64 {
        let d = self.dimension;
        let counted: usize = self.counters.iter().map(CsMat::nnz).sum();
        let generator = match &self.generator {
            Generator::Matrix(matrix) => matrix.nnz(),
            Generator::Products(drift, jumps) => {
                d * drift.nnz() + jumps.iter().map(|(_, l, r)| d * (l.nnz() + r.nnz() + d)).sum::<usize>()
            }
        };
        (generator + counted) as f64
    }

    fn substep(&self, sum: &mut [Complex64], time: f64) -> Result<(), RunError> {
        let mut term = sum.to_vec();
        let mut next = vec![Complex64::ZERO; sum.len()];
        let mut previous = f64::INFINITY;
        for k in 1..=MOST_TERMS {
            self.apply(&term, &mut next);
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

    /// d/dt of the state.
    pub(super) fn apply(&self, state: &[Complex64], slope: &mut [Complex64]) {
        let d = self.dimension;
        let (rho, (out, counts)) = (&state[..d * d], slope.split_at_mut(d * d));
        out.fill(Complex64::ZERO);
        match &self.generator {
            Generator::Matrix(matrix) => prod::mul_acc_mat_vec_csr(matrix.view(), rho, out),
            Generator::Products(drift, jumps) => products(drift, jumps, rho, d, out),
        }
        // Tr(Wρ) = Σ W_ij ρ_ji, and ρ_ji is entry j + d·i.
        let rate = |w: &CsMat<Complex64>| w.iter().map(|(value, (i, j))| value * rho[j + d * i]).sum();
        counts.iter_mut().zip(&self.counters).for_each(|(count, w)| *count = rate(w));
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

/// Kρ + ρK† + Σ wLρR† for Hermitian ρ. Its elements column by column are those of ρ* row by row, hence the conjugates.
fn products(drift: &CsMat<Complex64>, jumps: &[Dissipator], rho: &[Complex64], d: usize, out: &mut [Complex64]) {
    add_product(drift, 1.0, rho, d, out);
    let mut half = vec![Complex64::ZERO; d * d];
    let mut adjoint = half.clone();
    for (w, left, right) in jumps {
        half.fill(Complex64::ZERO);
        add_product(left, 1.0, rho, d, &mut half);
        for i in 0..d {
            for j in 0..d {
                adjoint[j * d + i] = half[i * d + j].conj();
            }
        }
        // Σ wLρR† is Hermitian, thus also Σ wR(Lρ)†; half of it, since the adjoint is added below.
        add_product(right, 0.5 * w, &adjoint, d, out);
    }
    for i in 0..d {
        for j in 0..=i {
            let sum = out[i * d + j] + out[j * d + i].conj();
            out[i * d + j] = sum;
            out[j * d + i] = sum.conj();
        }
    }
}

/// out += f·A·X with X by rows.
fn add_product(a: &CsMat<Complex64>, f: f64, x: &[Complex64], d: usize, out: &mut [Complex64]) {
    for (line, row) in a.outer_iterator().zip(out.chunks_exact_mut(d)) {
        for (k, value) in line.iter() {
            let value = value * f;
            row.iter_mut().zip(&x[k * d..(k + 1) * d]).for_each(|(o, x)| *o += value * x);
        }
    }
}

/// Largest column sum of |L|, with the diagonal of L summed before its modulus is taken: there the loss −½γ(n² + m²) and
/// the gain γnm of a dephased mode cancel.
fn bound(drift: &CsMat<Complex64>, jumps: &[&Dissipator]) -> f64 {
    let d = drift.rows();
    let columns = |a: &CsMat<Complex64>| {
        let (mut off, mut diagonal) = (vec![0.0; d], vec![Complex64::ZERO; d]);
        for (value, (i, j)) in a.iter() {
            if i == j {
                diagonal[j] += value;
            } else {
                off[j] += value.norm();
            }
        }
        (off, diagonal)
    };
    let (off, diagonal) = columns(drift);
    let jumps: Vec<_> = jumps.iter().map(|(w, l, r)| (*w, columns(l), columns(r))).collect();
    let column = |i: usize, j: usize| {
        let (mut stays, mut leaves) = (diagonal[i] + diagonal[j].conj(), off[i] + off[j]);
        for (w, (l_off, l), (r_off, r)) in &jumps {
            stays += w * l[i] * r[j].conj();
            leaves += w.abs() * (l_off[i] * (r_off[j] + r[j].norm()) + l[i].norm() * r_off[j]);
        }
        stays.norm() + leaves
    };
    (0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| column(i, j)).fold(0.0, f64::max)
}
