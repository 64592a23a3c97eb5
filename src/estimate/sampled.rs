//! Nonlinear quantities from trajectories, with intervals from how groups of trajectories scatter.
//!
//! Convex f with witness O (see [`functional`](super::functional)): from above the plug-in f(ρ̂) = Tr ρ̂O(ρ̂), whose
//! expectation is too large; from below the witness of the even groups on the odd ones and the other way round, whose
//! expectation is too small, since f(ρ) ≥ Tr ρO for any fixed O. Each is a mean of group values of a linear functional;
//! their scatter gives its standard error, and Student's t with as many degrees of freedom as there are groups the
//! interval. The error from above also covers the witnesses of single groups, since f is the largest of all.

use super::ergotropy::Bounded;
use super::functional::{Functional, State, Witness, concurrence, functional, overlap};
use crate::density::{Density, Label};
use crate::error::RunError;
use crate::problem::{Problem, Quantity};
use faer::Mat;
use num_complex::Complex64;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

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

/// Degrees of freedom of what `density` gives: groups in use less one for each half.
pub fn degrees(density: &Density) -> f64 {
    density.weights.iter().filter(|w| **w > 0.0).count() as f64 - 2.0
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
        for (g, _) in groups() {
            let Some(group) = sums.groups.get(g).filter(|s| !s.is_empty()) else { continue };
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

/// Tr ρ_g O of each group that `takes`, with the group's weight.
fn group_values(density: &Density, witnesses: &[(f64, &Witness)], takes: &dyn Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let mut values = Vec::new();
    for (g, &weight) in density.weights.iter().enumerate().filter(|(g, w)| takes(*g) && **w > 0.0) {
        let of = |label: &Label, sums: &crate::density::BlockSums| -> f64 {
            let d = sums.dimension();
            match sums.groups.get(g).filter(|s| !s.is_empty()) {
                Some(s) => {
                    let element = |i: usize, j: usize| s[i * d + j];
                    witnesses.iter().map(|(sign, w)| sign * w.trace(label, &sums.shape, &element)).sum()
                }
                None => 0.0,
            }
        };
        values.push((density.blocks.iter().map(|(label, sums)| of(label, sums)).sum::<f64>() / weight, weight));
    }
    values
}

/// Weighted mean of group values and its standard error.
fn mean(values: &[(f64, f64)]) -> (f64, f64) {
    let total: f64 = values.iter().map(|v| v.1).sum();
    let mean = values.iter().map(|(x, w)| x * w).sum::<f64>() / total;
    let n = values.len() as f64;
    let squares: f64 = values.iter().map(|(x, w)| (w * (x - mean)).powi(2)).sum();
    (mean, if n > 1.0 { (squares / (total * total) * n / (n - 1.0)).sqrt() } else { f64::NAN })
}

/// In how many standard errors the witness of another group counts.
const REACH: f64 = 3.0;
/// Blocks larger than this are too dear for the witness of every group.
const LARGE: usize = 64;

/// A sum of convex functionals with weights > 0.
fn convex(density: &Density, parts: &[Functional]) -> Result<Bounded, RunError> {
    let witnesses = |state: &State| parts.iter().map(|f| f.witness(state)).collect::<Result<Vec<_>, _>>();
    let all = |_: usize| true;
    let Some(whole) = state(density, &all) else { return Ok(unknown()) };
    let of_whole = witnesses(&whole)?;
    let signed = |w: &'_ [Witness]| w.iter().map(|w| (1.0, w.clone())).collect::<Vec<_>>();
    let values = |w: &[Witness], takes: &dyn Fn(usize) -> bool| {
        let list = signed(w);
        let borrowed: Vec<(f64, &Witness)> = list.iter().map(|(s, w)| (*s, w)).collect();
        group_values(density, &borrowed, takes)
    };
    let plug_in = mean(&values(&of_whole, &all));
    // f is the largest Tr ρO of all witnesses, and near a kink, such as a population that is just not inverted, the one of
    // ρ̂ may be the wrong one and have no scatter at all. So the error reaches as far as the witness of any group does.
    let reach = student(REACH, degrees(density).max(1.0));
    let step = if whole.blocks.iter().any(|(.., m)| m.nrows() > LARGE) { 4 } else { 1 };
    let mut error = plug_in.1;
    for g in (0..density.weights.len()).step_by(step) {
        if let Some(own) = state(density, &|h| h == g) {
            let (mean, se) = mean(&values(&witnesses(&own)?, &all));
            error = error.max((mean + reach * se - plug_in.0) / reach);
        }
    }
    let above = (plug_in.0, error);
    let (even, odd) = (|g: usize| g.is_multiple_of(2), |g: usize| !g.is_multiple_of(2));
    let (Some(first), Some(second)) = (state(density, &even), state(density, &odd)) else {
        return Ok(Bounded { value: above.0, above: (above.0, f64::NAN), ..unknown() });
    };
    let on_odd = mean(&values(&witnesses(&first)?, &odd));
    let on_even = mean(&values(&witnesses(&second)?, &even));
    let below = (0.5 * (on_odd.0 + on_even.0), 0.5 * on_odd.1.hypot(on_even.1));
    Ok(combined(above, (below.0.min(above.0), below.1)))
}

fn unknown() -> Bounded {
    let nan = f64::NAN;
    Bounded { value: nan, se: nan, below: (nan, nan), above: (nan, nan), undersampled: true }
}

/// The mixture of both sides that is right on average where two eigenvalues cross (see [`ergotropy`](super::ergotropy)).
fn combined(above: (f64, f64), below: (f64, f64)) -> Bounded {
    let undersampled = !(above.0 - below.0 <= 2.0 * above.1 + 1e-9 * above.0.abs().max(1.0));
    Bounded { value: (2.0 * above.0 + below.0) / 3.0, se: above.1, below, above, undersampled }
}

/// Delete-one-group jackknife of f: bias-corrected value and standard error.
fn jackknife(density: &Density, f: &dyn Fn(&State) -> f64) -> Option<(f64, f64, f64)> {
    let used: Vec<usize> = (0..density.weights.len()).filter(|g| density.weights[*g] > 0.0).collect();
    let total: f64 = density.weights.iter().sum();
    let whole = f(&state(density, &|_| true)?);
    let n = used.len() as f64;
    // Groups of unequal weight (F. Busing et al., Stat. Comput. 9, 3 (1999)).
    let (mut corrected, mut pseudo) = (n * whole, Vec::new());
    for &left in &used {
        let without = f(&state(density, &|g| g != left)?);
        let h = total / density.weights[left];
        corrected -= (1.0 - 1.0 / h) * without;
        pseudo.push((h * whole - (h - 1.0) * without, h));
    }
    let variance = pseudo.iter().map(|(x, h)| (x - corrected).powi(2) / (h - 1.0)).sum::<f64>() / n;
    Some((whole, corrected, variance.sqrt()))
}

/// The purity from pairs of different groups, which is unbiased: (|Σ_g s_g|² − Σ_g|s_g|²)/(W² − Σ_g w_g²).
fn purity(density: &Density, takes: &dyn Fn(usize) -> bool) -> Option<f64> {
    let weight = |g: usize| if takes(g) { density.weights[g] } else { 0.0 };
    let groups: Vec<usize> = (0..density.weights.len()).filter(|g| weight(*g) > 0.0).collect();
    let total: f64 = groups.iter().map(|g| weight(*g)).sum();
    let whole = state(density, takes)?;
    let own: f64 = groups
        .iter()
        .filter_map(|&g| Some(weight(g).powi(2) * state(density, &|h| h == g).map(|s| overlap(&s, &s))?))
        .sum();
    let squares: f64 = groups.iter().map(|g| weight(*g).powi(2)).sum();
    let pairs = total * total - squares;
    (pairs > 0.0).then(|| (total * total * overlap(&whole, &whole) - own) / pairs)
}

/// A quantity with bounds from the averaged states of groups of trajectories.
///
/// # Errors
/// As [`functional::exact`](super::functional::exact).
pub fn sampled(problem: &Problem, quantity: &Quantity, density: &Density) -> Result<Bounded, RunError> {
    let one = |q: &Quantity| match functional(problem, q)? {
        Some(f) => convex(density, &[f]),
        None => Ok(unknown()),
    };
    match quantity {
        Quantity::Purity => {
            let Some(value) = purity(density, &|_| true) else { return Ok(unknown()) };
            let leave = |g: usize| purity(density, &|h| h != g);
            let used: Vec<usize> = (0..density.weights.len()).filter(|g| density.weights[*g] > 0.0).collect();
            let without: Option<Vec<f64>> = used.iter().map(|g| leave(*g)).collect();
            let Some(without) = without else { return Ok(Bounded { value, ..unknown() }) };
            let n = without.len() as f64;
            let centre = without.iter().sum::<f64>() / n;
            let se = ((n - 1.0) / n * without.iter().map(|x| (x - centre).powi(2)).sum::<f64>()).sqrt();
            let value = value.clamp(0.0, 1.0);
            Ok(Bounded { value, se, below: (value, se), above: (value, se), undersampled: false })
        }
        Quantity::Concurrence => {
            let Some((whole, corrected, se)) = jackknife(density, &concurrence) else { return Ok(unknown()) };
            let below = corrected.min(whole).max(0.0);
            Ok(Bounded { value: below, se, below: (below, se), above: (whole, se), undersampled: false })
        }
        Quantity::AntiErgotropy => {
            let w = one(quantity)?;
            let turned = |(x, se): (f64, f64)| (-x, se);
            Ok(Bounded { value: -w.value, below: turned(w.above), above: turned(w.below), ..w })
        }
        Quantity::Capacity => {
            let of = |q| functional(problem, &q);
            let parts: Option<Vec<Functional>> =
                [of(Quantity::Ergotropy)?, of(Quantity::AntiErgotropy)?].into_iter().collect();
            parts.map_or_else(|| Ok(unknown()), |parts| convex(density, &parts))
        }
        Quantity::CoherentErgotropy => {
            // A difference of convex functions: each side from the opposite sides, errors added.
            let (w, i) = (one(&Quantity::Ergotropy)?, one(&Quantity::IncoherentErgotropy)?);
            let se = w.se + i.se;
            Ok(Bounded {
                value: (w.value - i.value).max(0.0),
                se,
                below: (w.below.0 - i.above.0, w.below.1 + i.above.1),
                above: (w.above.0 - i.below.0, w.above.1 + i.below.1),
                undersampled: w.undersampled || i.undersampled,
            })
        }
        _ => one(quantity),
    }
}
