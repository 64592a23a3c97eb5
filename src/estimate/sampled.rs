//! Nonlinear quantities from trajectories, with intervals from how groups of trajectories scatter.
//!
//! Convex f with witness O (see [`functional`](super::functional)): from above the plug-in f(ρ̂) = Tr ρ̂O(ρ̂), whose
//! expectation is too large; from below the witness of the even groups on the odd ones and the other way round, whose
//! expectation is too small, since f(ρ) ≥ Tr ρO for any fixed O. Each is a mean of group values of a linear functional;
//! their scatter gives its standard error, and Student's t with as many degrees of freedom as there are groups the
//! interval.

use super::concurrence;
use super::ergotropy::Bounded;
use super::functional::{Functional, State, Witness, check, functional};
use crate::density::{BlockSums, Density, Label};
use crate::error::RunError;
use crate::problem::{Problem, Quantity};
use faer::Mat;
use num_complex::Complex64;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// A concurrence this many standard errors below 0 is 0.
const SURELY: f64 = 6.0;

/// Student's t in place of a normal variate `z` for `degrees` degrees of freedom: the same chance to be exceeded.
pub fn student(z: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(law) if degrees < 1e6 => -law.inverse_cdf(Normal::standard().sf(z)),
        _ => z,
    }
}

/// The normal variate with the same chance to be exceeded as Student's `t`.
pub fn normal_equivalent(t: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(law) if degrees < 1e6 => -Normal::standard().inverse_cdf(law.sf(t).max(1e-300)),
        _ => t,
    }
}

/// Effective number of weights, (Σw)²/Σw².
fn effective(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    sum * sum / squares
}

/// Degrees of freedom of what `density` gives: the effective number of groups less one for each half, at least one (of
/// two groups there is a bound from above only, which has one).
pub fn degrees(density: &Density) -> f64 {
    (effective(density.weights.iter().copied()) - 2.0).max(1.0)
}

/// The averaged state of the groups that `takes`; `None` if they hold nothing.
pub fn state(density: &Density, takes: &dyn Fn(usize) -> bool) -> Option<State> {
    let groups = || density.weights.iter().enumerate().filter(|(g, w)| takes(*g) && **w > 0.0);
    let total: f64 = groups().map(|(_, w)| w).sum();
    if total == 0.0 {
        return None;
    }
    let mut blocks = Vec::new();
    for (label, sums) in &density.blocks {
        let d = sums.dimension();
        let mut matrix = Mat::<Complex64>::zeros(d, d);
        let mut seen = false;
        for group in groups().filter_map(|(g, _)| visited(sums, g)) {
            seen = true;
            for i in 0..d {
                (0..d).for_each(|j| matrix[(i, j)] += group[i * d + j] / total);
            }
        }
        if seen {
            blocks.push((label.clone(), sums.shape.clone(), matrix));
        }
    }
    Some(State { blocks })
}

/// The sums of a group, if it was ever in the block.
fn visited(sums: &BlockSums, group: usize) -> Option<&[Complex64]> {
    sums.groups.get(group).filter(|s| !s.is_empty()).map(Vec::as_slice)
}

/// Σ Tr ρ_g O of each group that `takes`, with the group's weight.
fn group_values(density: &Density, witnesses: &[Witness], takes: &dyn Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let of = |(g, &weight): (usize, &f64)| {
        let block = |(label, sums): (&Label, &BlockSums)| {
            let (d, s) = (sums.dimension(), visited(sums, g)?);
            let element = |i: usize, j: usize| s[i * d + j];
            Some(witnesses.iter().map(|w| w.trace(label, &sums.shape, &element)).sum::<f64>())
        };
        (density.blocks.iter().filter_map(block).sum::<f64>() / weight, weight)
    };
    density.weights.iter().enumerate().filter(|(g, w)| takes(*g) && **w > 0.0).map(of).collect()
}

/// Weighted mean of group values and its standard error: with values of variance σ²/w_g the expectation of
/// Σ(w_g(x_g − x̄))²/W² is (1 − 1/n) times that of the mean, n the effective number of groups. NaN for one group.
fn mean(values: &[(f64, f64)]) -> (f64, f64) {
    let total: f64 = values.iter().map(|v| v.1).sum();
    let n = effective(values.iter().map(|v| v.1));
    let mean = values.iter().map(|(x, w)| x * w).sum::<f64>() / total;
    let squares: f64 = values.iter().map(|(x, w)| (w * (x - mean)).powi(2)).sum();
    (mean, if values.len() > 1 { (squares * n / (n - 1.0)).sqrt() / total } else { f64::NAN })
}

/// The bound from below on a sum of convex functionals; NaN unless both halves hold groups.
fn cross_fit(density: &Density, parts: &[&Functional]) -> Result<(f64, f64), RunError> {
    let half = |ordering: usize| -> Result<(f64, f64), RunError> {
        let Some(state) = state(density, &|g| g % 2 == ordering) else { return Ok((f64::NAN, f64::NAN)) };
        let witnesses: Vec<Witness> = parts.iter().map(|f| f.witness(&state)).collect::<Result<_, RunError>>()?;
        Ok(mean(&group_values(density, &witnesses, &|g| g % 2 != ordering)))
    };
    let (on_odd, on_even) = (half(0)?, half(1)?);
    Ok((0.5 * (on_odd.0 + on_even.0), 0.5 * on_odd.1.hypot(on_even.1)))
}

/// A sum of convex functionals.
fn convex(density: &Density, whole: &State, parts: &[&Functional]) -> Result<Bounded, RunError> {
    let witnesses: Vec<Witness> = parts.iter().map(|f| f.witness(whole)).collect::<Result<_, RunError>>()?;
    let above = mean(&group_values(density, &witnesses, &|_| true));
    Ok(combined(above, cross_fit(density, parts)?))
}

const UNKNOWN: Bounded = Bounded {
    value: f64::NAN,
    se: f64::NAN,
    below: (f64::NAN, f64::NAN),
    above: (f64::NAN, f64::NAN),
    undersampled: true,
};

/// The mixture of both sides that is right on average where two eigenvalues cross (see [`ergotropy`](super::ergotropy));
/// the side from above alone where there is none from below.
fn combined(above: (f64, f64), below: (f64, f64)) -> Bounded {
    if below.0.is_nan() {
        return Bounded { value: above.0, above, ..UNKNOWN };
    }
    let below = (below.0.min(above.0), below.1);
    let undersampled = !(above.0 - below.0 <= 2.0 * above.1 + 1e-9 * above.0.abs().max(1.0));
    Bounded { value: (2.0 * above.0 + below.0) / 3.0, se: above.1.max(below.1), below, above, undersampled }
}

/// The mean concurrence. From below as any convex quantity. From above the plug-in is biased downwards where it is
/// clipped at 0, and the clipped one has no scatter; so an edge whose λ₁ − λ₂ − λ₃ − λ₄ is negative adds 0 with the
/// standard error of that difference, until it lies [`SURELY`] below 0.
fn entanglement(density: &Density, whole: &State) -> Result<Bounded, RunError> {
    let each = 1.0 / whole.blocks.len() as f64;
    let (mut positive, mut value, mut doubt) = (Vec::new(), 0.0, 0.0);
    for (label, _, matrix) in &whole.blocks {
        let (size, Some(o)) = (concurrence::unclipped(matrix), concurrence::gradient(matrix)) else {
            return Ok(UNKNOWN);
        };
        let witness = Witness::of_block(label.clone(), o);
        if size > 0.0 {
            value += each * size;
            positive.push(witness);
        } else {
            let (_, se) = mean(&group_values(density, &[witness], &|_| true));
            // NaN, with one group, stays in.
            if !(size + SURELY * se <= 0.0) {
                doubt += each * se;
            }
        }
    }
    let (_, se) = mean(&group_values(density, &positive, &|_| true));
    Ok(combined((value, each * se + doubt), cross_fit(density, &[&Functional::Concurrence])?))
}

/// The purity from pairs of different groups, which is unbiased: the mean over groups of x_g = Tr ρ_gρ_{≠g}. Each pair
/// occurs in it twice, so its error is twice that of a mean of independent x_g, and that of the jackknife with the factor
/// (n − 1)/(n − 2).
fn purity(density: &Density) -> Bounded {
    let groups = density.weights.len();
    let (mut own, mut cross) = (vec![0.0; groups], vec![0.0; groups]);
    for sums in density.blocks.values() {
        let mut whole = vec![Complex64::ZERO; sums.dimension().pow(2)];
        let visits = || (0..groups).filter_map(|g| Some((g, visited(sums, g)?)));
        visits().for_each(|(_, s)| whole.iter_mut().zip(s).for_each(|(whole, s)| *whole += s));
        let copies = (-sums.shape.ln_copies).exp();
        // Tr AB = ΣA_ij B_ij* of Hermitian matrices.
        let product = |a: &[Complex64], b: &[Complex64]| -> f64 {
            copies * a.iter().zip(b).map(|(a, b)| (a * b.conj()).re).sum::<f64>()
        };
        for (g, s) in visits() {
            own[g] += product(s, s);
            cross[g] += product(&whole, s);
        }
    }
    let total: f64 = density.weights.iter().sum();
    let values: Vec<(f64, f64)> = density
        .weights
        .iter()
        .enumerate()
        .filter(|(_, w)| **w > 0.0)
        .map(|(g, &w)| ((cross[g] - own[g]) / (w * (total - w)), w))
        .collect();
    if values.len() < 2 {
        return UNKNOWN;
    }
    let n = effective(values.iter().map(|v| v.1));
    let (value, se) = mean(&values);
    let se = if n > 2.0 { 2.0 * se * (n - 1.0) / (n - 2.0) } else { f64::NAN };
    let value = value.clamp(0.0, 1.0);
    Bounded { value, se, below: (value, se), above: (value, se), undersampled: false }
}

/// A nonlinear quantity with bounds from the averaged states of groups of trajectories, for each of `densities`; for the
/// efficiency the ergotropy.
///
/// # Errors
/// As [`functional::exact`](super::functional::exact).
pub fn sampled(problem: &Problem, quantity: &Quantity, densities: &[&Density]) -> Result<Vec<Bounded>, RunError> {
    // Levels are tabulated once for all rows.
    let parts: Vec<Functional> = match quantity {
        Quantity::Capacity => vec![Quantity::Ergotropy, Quantity::AntiErgotropy],
        Quantity::CoherentErgotropy => vec![Quantity::Ergotropy, Quantity::IncoherentErgotropy],
        other => vec![other.clone()],
    }
    .iter()
    .filter_map(|q| functional(problem, q).transpose())
    .collect::<Result<_, RunError>>()?;
    let of = |density: &&Density| -> Result<Bounded, RunError> {
        let Some(whole) = state(density, &|_| true) else { return Ok(UNKNOWN) };
        check(problem, quantity, &whole)?;
        match (quantity, &parts[..]) {
            (Quantity::Purity, _) => Ok(purity(density)),
            (Quantity::Concurrence, _) => entanglement(density, &whole),
            (Quantity::AntiErgotropy, [f]) => Ok(turned(convex(density, &whole, &[f])?)),
            (Quantity::CoherentErgotropy, [all, incoherent]) => {
                Ok(difference(convex(density, &whole, &[all])?, convex(density, &whole, &[incoherent])?))
            }
            _ => convex(density, &whole, &parts.iter().collect::<Vec<_>>()),
        }
    };
    densities.par_iter().map(of).collect()
}

/// −f.
fn turned(f: Bounded) -> Bounded {
    let minus = |(x, se): (f64, f64)| (-x, se);
    Bounded { value: -f.value, below: minus(f.above), above: minus(f.below), ..f }
}

/// f − g ≥ 0 of two convex quantities: each bound from the opposite ones, errors added, as they may be correlated.
fn difference(f: Bounded, g: Bounded) -> Bounded {
    let minus = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0, a.1 + b.1);
    Bounded {
        value: (f.value - g.value).max(0.0),
        se: f.se + g.se,
        below: minus(f.below, g.above),
        above: minus(f.above, g.below),
        undersampled: f.undersampled || g.undersampled,
    }
}

#[cfg(test)]
mod tests;
