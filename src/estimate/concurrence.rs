//! Wootters' concurrence of two cells and the linear functional that supports it.

use crate::dense::eigen;
use faer::Mat;
use num_complex::Complex64;

/// Weight of the maximally mixed state that is added before a gradient is taken, so that there is one at the edge of the
/// states; it costs a lower bound as much.
const INSIDE: f64 = 1e-9;

/// σy⊗σy in the basis gg, ge, eg, ee: these along the antidiagonal.
const FLIP: [f64; 4] = [-1.0, 1.0, 1.0, -1.0];

/// Columns v_i with ρ = Σ|v_i⟩⟨v_i|, and τ_ij = v_iᵀ(σy⊗σy)v_j.
fn decomposed(rho: &Mat<Complex64>) -> Option<(Mat<Complex64>, Mat<Complex64>)> {
    let (values, vectors) = eigen(rho.as_ref()).ok()?;
    let v = Mat::from_fn(4, 4, |i, k| vectors[(i, k)] * values[k].max(0.0).sqrt());
    let tau = Mat::from_fn(4, 4, |i, j| (0..4).map(|a| v[(a, i)] * v[(3 - a, j)] * FLIP[a]).sum::<Complex64>());
    Some((v, tau))
}

/// λ₁ − λ₂ − λ₃ − λ₄ with λ² the eigenvalues of ρ(σy⊗σy)ρ*(σy⊗σy) in falling order (W. Wootters, PRL 80, 2245 (1998)):
/// the concurrence where positive. The λ are the singular values of τ, which keeps the small ones. `rho` is 4 × 4 in
/// the basis gg, ge, eg, ee; NaN where it has no eigenvalues.
pub fn unclipped(rho: &Mat<Complex64>) -> f64 {
    match decomposed(rho).map(|(_, tau)| tau.singular_values()) {
        Some(Ok(s)) => 2.0 * s.iter().fold(0.0, |most: f64, x| most.max(*x)) - s.iter().sum::<f64>(),
        _ => f64::NAN,
    }
}

/// The concurrence max(0, λ₁ − λ₂ − λ₃ − λ₄) of a 4 × 4 state (`docs/physics.md` §3.3); see [`unclipped`].
pub fn concurrence(rho: &Mat<Complex64>) -> f64 {
    // `max` would hide a NaN.
    match unclipped(rho) {
        value if value < 0.0 => 0.0,
        value => value,
    }
}

/// The gradient O, 4 × 4, of λ₁ − λ₂ − λ₃ − λ₄, with Tr ρO its value; `None` where it cannot be had. The concurrence is
/// a convex roof, so where this is positive C(σ) ≥ Tr σO for all σ.
///
/// With τ = PΛQ† and y_i = (σy⊗σy)V*p_i, dλ_i = ⟨y_i|dρ|y_i⟩/λ_i.
pub fn gradient(rho: &Mat<Complex64>) -> Option<Mat<Complex64>> {
    let trace: f64 = (0..4).map(|i| rho[(i, i)].re).sum();
    let shifted = |i: usize, j: usize| rho[(i, j)] + if i == j { 0.25 * INSIDE * trace } else { 0.0 };
    let (v, tau) = decomposed(&Mat::from_fn(4, 4, shifted))?;
    let svd = tau.svd().ok()?;
    let mut o = Mat::<Complex64>::zeros(4, 4);
    for k in 0..4 {
        let lambda = svd.S()[k].re;
        let sign = if k == 0 { 1.0 } else { -1.0 };
        let p = svd.U();
        let y: [Complex64; 4] =
            std::array::from_fn(|i| FLIP[i] * (0..4).map(|a| v[(3 - i, a)].conj() * p[(a, k)]).sum::<Complex64>());
        for i in 0..4 {
            (0..4).for_each(|j| o[(i, j)] += y[i] * y[j].conj() * (sign / lambda));
        }
    }
    (0..4).all(|i| (0..4).all(|j| o[(i, j)].is_finite())).then_some(o)
}
