//! Whether a state goes on oscillating for ever under a generator L that does not change.
//!
//! What is left of a state after a long time lives where its time average ρ∞ does. There the Hilbert space is a sum of
//! products, H = H₁⊗1 + 1⊗H₂ with jump operators 1⊗L₂, so that the first factor turns without loss (B. Baumgartner and
//! H. Narnhofer, J. Phys. A 41, 395303 (2008), Theorem 8; V. V. Albert et al., Phys. Rev. X 6, 041031 (2016), Sec. II).
//! K = −iH − ½ΣL†L is then K₁⊗1 + 1⊗K₂ with K₁ = −iH₁: every frequency of the oscillation is a difference of two
//! eigenvalues of K, in one block, with equal real parts. These few candidates are tried one by one: the part of the
//! initial state at ω is what (s/(s + iω − L))ᵏ leaves of it.

use super::generator::{Density, JumpMap};
use super::liouvillian::Liouvillian;
use super::steady::{MOST_WAITS, RESOLUTIONS};
use crate::error::RunError;
use crate::space::blocks::Sparse;
use crate::stop::Stop;
use faer::{Mat, Side};
use num_complex::Complex64;

/// An oscillation of less than this, in elements of ρ, is none.
const AMPLITUDE: f64 = 1e-9;
/// Eigenvectors of ρ∞ of less weight are left out: a coherence obeys |ρ_ab|² ≤ p_a p_b, so it is at most 1e-7.
const WEIGHT: f64 = 1e-14;
/// Real parts of eigenvalues of K closer than this, in units of ‖L‖, may be equal.
const EQUAL: f64 = 1e-7;
/// Frequencies below this, in units of ‖L‖, are 0: eigenvalues of K that are equal but for rounding.
const STILL: f64 = 1e-12;
/// An eigenvalue of L decays if its real part is below minus this, in units of ‖L‖.
const DECAYS: f64 = 1e-12;
/// Other eigenvalues this close, in units of ‖L‖, mix with an eigenvector.
const APART: f64 = 1e-4;
/// How far two averages of an eigenvector may differ, in units of ‖L‖, to count as equal.
const ALIKE: f64 = 1e-6;

/// Without jumps: take all coherence between different energies off `rho`, which leaves its time average, and return the
/// frequency of the largest that there was.
pub fn dephase(drift: &[Sparse], rho: &mut Density, norm: f64) -> Result<Option<f64>, RunError> {
    let mut largest = (AMPLITUDE, None);
    for (k, rho) in drift.iter().zip(rho) {
        let d = k.rows();
        let mut hamiltonian = Mat::<Complex64>::zeros(d, d);
        k.iter().for_each(|(x, (i, j))| hamiltonian[(i as usize, j as usize)] += x * Complex64::I);
        let (energies, basis) = hermitian(&hamiltonian)?;
        let before = Mat::from_fn(d, d, |i, j| rho[i * d + j]);
        let mut turned = basis.adjoint() * &before * &basis;
        for i in 0..d {
            for j in 0..d {
                let frequency = (energies[i] - energies[j]).abs();
                if frequency > STILL * norm {
                    if turned[(i, j)].norm() > largest.0 {
                        largest = (turned[(i, j)].norm(), Some(frequency));
                    }
                    turned[(i, j)] = Complex64::ZERO;
                }
            }
        }
        let after = &basis * &turned * basis.adjoint();
        (0..d * d).for_each(|i| rho[i] = after[(i / d, i % d)]);
    }
    Ok(largest.1)
}

/// The angular frequency of an oscillation of `start` that never ends; `settled` is the average of it over all time.
///
/// # Errors
/// [`RunError::Numerics`] when an eigenvalue cannot be told from one that decays.
pub fn endless(
    (drift, jumps): (&[Sparse], &[JumpMap]),
    liouvillian: &Liouvillian,
    start: &Density,
    settled: &Density,
    stop: &Stop,
) -> Result<Option<f64>, RunError> {
    for frequency in candidates(drift, jumps, settled, liouvillian.norm)? {
        // H and ρ are Hermitian: what oscillates at ω does so at −ω.
        if let Some(found) = survives(liouvillian, start, frequency, stop)? {
            return Ok(Some(found.abs()));
        }
    }
    Ok(None)
}

/// Eigenvalues, rising, and eigenvectors.
fn hermitian(matrix: &Mat<Complex64>) -> Result<(Vec<f64>, Mat<Complex64>), RunError> {
    let failed = |reason| RunError::Numerics { method: "the diagonalisation for a steady state", reason };
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|e| failed(format!("{e:?}")))?;
    Ok(((0..matrix.nrows()).map(|k| eigen.S()[k].re).collect(), eigen.U().to_owned()))
}

/// The frequencies > 0 that an endless oscillation might have, those with most pairs of eigenvalues first.
fn candidates(drift: &[Sparse], jumps: &[JumpMap], settled: &Density, norm: f64) -> Result<Vec<f64>, RunError> {
    let mut found: Vec<(f64, usize)> = Vec::new();
    for (b, (k, rho)) in drift.iter().zip(settled).enumerate() {
        let d = k.rows();
        let (weights, vectors) = hermitian(&Mat::from_fn(d, d, |i, j| rho[i * d + j]))?;
        let occupied: Vec<usize> = (0..d).filter(|i| weights[*i] > WEIGHT).collect();
        let r = occupied.len();
        if r < 2 {
            continue; // one state has no coherence with itself
        }
        let basis = Mat::from_fn(d, r, |i, j| vectors[(i, occupied[j])]);
        let inside = basis.adjoint() * times(k, &basis);
        let failed = |e| RunError::Numerics { method: "the eigenvalues of K", reason: format!("{e:?}") };
        let eigen = inside.eigen().map_err(failed)?;
        let value: Vec<Complex64> = (0..r).map(|i| eigen.S()[i]).collect();
        let states = &basis * eigen.U();
        let after: Vec<After> = jumps
            .iter()
            .filter(|jump| jump.from == b)
            .map(|jump| After::new(&jump.map, &drift[jump.to], &states))
            .collect();
        let alone = |i: usize| (0..r).all(|j| j == i || (value[i] - value[j]).norm() > APART * norm);
        for i in 0..r {
            for j in 0..i {
                let difference = value[i] - value[j];
                let turning = difference.re.abs() <= EQUAL * norm && difference.im.abs() > STILL * norm;
                // The states |a⟩|φ⟩ and |b⟩|φ⟩ jump alike, and have their energies still apart as much afterwards.
                let alike = || after.iter().all(|jump| jump.alike(i, j, difference, norm));
                if turning && (!alone(i) || !alone(j) || alike()) {
                    found.push((difference.im.abs(), 1));
                }
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.dedup_by(|next, kept| {
        let same = next.0 - kept.0 <= 1e-10 * norm;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
    found.sort_by_key(|(_, pairs)| std::cmp::Reverse(*pairs));
    Ok(found.into_iter().map(|(frequency, _)| frequency).collect())
}

/// Sparse times dense.
fn times(matrix: &Sparse, dense: &Mat<Complex64>) -> Mat<Complex64> {
    let mut out = Mat::<Complex64>::zeros(matrix.rows(), dense.ncols());
    for (x, (i, k)) in matrix.iter() {
        (0..dense.ncols()).for_each(|j| out[(i as usize, j)] += x * dense[(k as usize, j)]);
    }
    out
}

/// What one jump operator makes of each eigenvector v of K: ‖Lv‖² and ⟨Lv|K|Lv⟩, over ‖v‖².
struct After {
    size: Vec<f64>,
    mean: Vec<Complex64>,
}

impl After {
    fn new(map: &Sparse, k: &Sparse, states: &Mat<Complex64>) -> Self {
        let jumped = times(map, states);
        let driven = times(k, &jumped);
        let norm = |j: usize| (0..states.nrows()).map(|i| states[(i, j)].norm_sqr()).sum::<f64>();
        let product = |a: &Mat<Complex64>, b: &Mat<Complex64>, j: usize| -> Complex64 {
            (0..a.nrows()).map(|i| a[(i, j)].conj() * b[(i, j)]).sum::<Complex64>() / norm(j)
        };
        let of = |b: &Mat<Complex64>| (0..states.ncols()).map(|j| product(&jumped, b, j)).collect::<Vec<_>>();
        Self { size: of(&jumped).into_iter().map(|x| x.re).collect(), mean: of(&driven) }
    }

    /// Whether i and j, whose eigenvalues differ by `difference`, may be states of one oscillation.
    fn alike(&self, i: usize, j: usize, difference: Complex64, norm: f64) -> bool {
        (self.size[i] - self.size[j]).abs() <= ALIKE * norm
            && (self.mean[i] - self.mean[j] - difference * self.size[i]).norm() <= ALIKE * norm * norm
    }
}

/// The frequency of the part of `start` near ω that does not decay, if there is one.
fn survives(liouvillian: &Liouvillian, start: &Density, frequency: f64, stop: &Stop) -> Result<Option<f64>, RunError> {
    for resolution in RESOLUTIONS {
        let s = resolution * liouvillian.norm;
        stop.check()?;
        let wait = liouvillian.wait(s, frequency, stop)?;
        let mut now = start.clone();
        for _ in 0..MOST_WAITS {
            stop.check()?;
            let next = wait.apply(&now)?;
            let size = product(&next, &next).re.sqrt();
            if size <= AMPLITUDE {
                return Ok(None);
            }
            // next = q·now for an eigenvector of L, with q = s/(s + iω − λ).
            let q = product(&now, &next) / product(&now, &now);
            let pairs = now.iter().flatten().zip(next.iter().flatten());
            let rest = pairs.map(|(a, b)| (b - q * a).norm_sqr()).sum::<f64>().sqrt();
            now = next;
            if rest <= 1e-8 * size {
                let eigenvalue = Complex64::new(s, frequency) - s / q;
                let stays = eigenvalue.re >= -DECAYS * liouvillian.norm;
                return Ok((stays && eigenvalue.im.abs() > STILL * liouvillian.norm).then_some(eigenvalue.im));
            }
        }
    }
    let reason = format!("what oscillates near the frequency {frequency} decays extremely slowly, if at all");
    Err(RunError::Numerics { method: "the steady state", reason })
}

/// ⟨a, b⟩ of all elements.
fn product(a: &Density, b: &Density) -> Complex64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a.conj() * b).sum()
}
