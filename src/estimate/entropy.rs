//! Witnesses of the entropy and of the negativity.
//!
//! −S is convex with the support Tr σ ln κ at κ: −S(σ) ≥ Tr σ ln κ for all states σ and κ (Klein's inequality). ‖ρ^{T_A}‖₁ is
//! convex, its support at ρ the sign of ρ^{T_A}, transposed back (G. Vidal and R. F. Werner, Phys. Rev. A 65, 032314 (2002)).

use super::functional::State;
use crate::dense::eigen;
use crate::density::{BlockShape, Label, add_projectors};
use faer::Mat;
use num_complex::Complex64;
use std::collections::BTreeMap;
use std::ops::Range;

/// Smaller eigenvalues of a state that is known exactly add nothing to its entropy.
const EMPTY: f64 = 1e-300;

/// Add 1 ⊗ ln κ ⊗ 1 to `o`: κ is the state of the factors from `from` up to `to` with eigenvalues below `floor` raised to it, and the whole
/// scaled back to trace 1, so that it is a state.
///
/// # Errors
/// Where there are no eigenvalues.
pub fn add_logarithm(
    o: &mut Mat<Complex64>,
    rho: &Mat<Complex64>,
    levels: &[usize],
    (from, to): (usize, usize),
    floor: f64,
) -> Result<(), String> {
    let size = |range: Range<usize>| levels[range].iter().product::<usize>();
    let (before, d, after) = (size(0..from), size(from..to), size(to..levels.len()));
    let index = |a: usize, i: usize, b: usize| (a * d + i) * after + b;
    let mut own = Mat::<Complex64>::zeros(d, d);
    for (a, b) in (0..before).flat_map(|a| (0..after).map(move |b| (a, b))) {
        for (i, j) in (0..d).flat_map(|i| (0..d).map(move |j| (i, j))) {
            own[(i, j)] += rho[(index(a, i, b), index(a, j, b))];
        }
    }
    let (values, vectors) = eigen(own.as_ref())?;
    let raised: Vec<f64> = values.iter().map(|p| p.max(floor).max(EMPTY)).collect();
    let total: f64 = if floor > 0.0 { raised.iter().sum() } else { 1.0 };
    let logarithm: Vec<f64> = raised.iter().map(|p| (p / total).ln()).collect();
    let mut of_part = Mat::zeros(d, d);
    add_projectors(of_part.as_mut(), vectors.as_ref(), |k| logarithm[k]);
    for (i, j) in (0..d).flat_map(|i| (0..d).map(move |j| (i, j))) {
        let value: Complex64 = of_part[(i, j)];
        for (a, b) in (0..before).flat_map(|a| (0..after).map(move |b| (a, b))) {
            o[(index(a, i, b), index(a, j, b))] += value;
        }
    }
    Ok(())
}

/// ln κ on each of `all` blocks, ν copies of it sharing its weight: κ is the state with eigenvalues below `floor` raised to it,
/// also in blocks that it does not have, and the whole scaled back to trace 1.
///
/// # Errors
/// Where there are no eigenvalues.
pub fn logarithms(
    all: &[(Label, BlockShape)],
    state: &State,
    floor: f64,
) -> Result<BTreeMap<Label, Mat<Complex64>>, String> {
    let mut found = Vec::with_capacity(all.len());
    for (label, shape) in all {
        let d = shape.energies.len();
        let (mut values, vectors) = match state.blocks.iter().find(|(known, ..)| known == label) {
            Some((.., rho)) => eigen(rho.as_ref())?,
            None => (vec![0.0; d], Mat::identity(d, d)),
        };
        values.iter_mut().for_each(|p| *p = p.max(floor).max(EMPTY));
        found.push((label, shape, values, vectors));
    }
    let raised = found.iter().flat_map(|(_, _, values, _)| values).sum::<f64>();
    let total = if floor > 0.0 { raised } else { 1.0 };
    let logarithm = |(label, shape, values, vectors): (&Label, &BlockShape, Vec<f64>, Mat<Complex64>)| {
        let d = values.len();
        let mut o = Mat::zeros(d, d);
        add_projectors(o.as_mut(), vectors.as_ref(), |k| (values[k] / total).ln() - shape.ln_copies);
        (label.clone(), o)
    };
    Ok(found.into_iter().map(logarithm).collect())
}

/// ((sgn ρ^{T_A})^{T_A} − 1)/2, A being the first `first` states of a product.
///
/// # Errors
/// Where there are no eigenvalues.
pub fn negativity(rho: &Mat<Complex64>, first: usize) -> Result<Mat<Complex64>, String> {
    let turned = transposed(rho, first);
    let (values, vectors) = eigen(turned.as_ref())?;
    let d = rho.nrows();
    let mut sign = Mat::zeros(d, d);
    add_projectors(sign.as_mut(), vectors.as_ref(), |k| values[k].signum());
    let back = transposed(&sign, first);
    Ok(Mat::from_fn(d, d, |i, j| (back[(i, j)] - if i == j { 1.0 } else { 0.0 }) * 0.5))
}

/// The partial transpose in the first of two factors.
fn transposed(m: &Mat<Complex64>, first: usize) -> Mat<Complex64> {
    let rest = m.nrows() / first.max(1);
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(j / rest * rest + i % rest, i / rest * rest + j % rest)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::BlockShape;
    use crate::estimate::functional::{Functional, State};

    /// p|Φ⟩⟨Φ| + (1 − p)/4.
    fn werner(p: f64) -> State {
        let half = |i: usize| if i == 0 || i == 3 { 0.5f64.sqrt() } else { 0.0 };
        let rho = Mat::from_fn(4, 4, |i, j| {
            Complex64::from(p * half(i) * half(j) + if i == j { 0.25 * (1.0 - p) } else { 0.0 })
        });
        State::new(vec![(vec![0], BlockShape { ln_copies: 0.0, energies: vec![0.0; 4] }, rho)])
    }

    #[test]
    fn werner_states_have_their_entropy_and_negativity() {
        let entropy = |groups: Vec<(usize, usize)>| Functional::NegativeEntropy { levels: vec![2, 2], groups };
        for p in [0.0, 0.2, 1.0 / 3.0, 0.5, 0.9, 1.0] {
            let state = werner(p);
            let x = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            let expected = x(0.25 * (1.0 + 3.0 * p)) + 3.0 * x(0.25 * (1.0 - p));
            let found = -entropy(vec![(0, 2)]).value(&state).unwrap();
            assert!((found - expected).abs() < 1e-12, "{p}: {found}, {expected}");
            let halves = -entropy(vec![(0, 1), (1, 2)]).value(&state).unwrap();
            assert!((halves - 2.0 * 2f64.ln()).abs() < 1e-12, "{p}: {halves}");
            let found = Functional::Negativity(2).value(&state).unwrap();
            assert!((found - (0.25 * (3.0 * p - 1.0)).max(0.0)).abs() < 1e-12, "{p}: {found}");
        }
    }

    /// A witness bounds its function from below at every other state.
    #[test]
    fn witnesses_support_from_below() {
        for (p, q) in [(0.9, 0.1), (0.1, 0.9), (1.0, 0.4), (0.4, 1.0)] {
            let negative = || Functional::NegativeEntropy { levels: vec![2, 2], groups: vec![(0, 2)] };
            for f in [Functional::Negativity(2), negative()] {
                let (witness, other) = (f.witness_of_some(&werner(p), 0.01).unwrap(), werner(q));
                let (label, shape, rho) = &other.blocks[0];
                let bound = witness.trace(label, shape, rho);
                assert!(bound <= f.value(&other).unwrap() + 1e-12, "{p} at {q}: {bound}");
            }
        }
    }
}
