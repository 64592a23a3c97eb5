//! Nonlinear quantities from trajectories, with intervals from how groups of trajectories scatter.
//!
//! Convex f with witness O (see [`functional`](super::functional)): from above the plug-in f(ρ̂) = Tr ρ̂O(ρ̂), whose
//! expectation is too large; from below the witness of the even groups on the odd ones and the other way round, whose
//! expectation is too small, since f(ρ) ≥ Tr ρO for any fixed O. Each is a mean of group values of a linear functional;
//! their scatter gives its standard error, and Student's t with as many degrees of freedom as there are groups the
//! interval.
//!
//! At a kink of f that is not good enough from above: where the sampled state happens to be passive, its witness is 0 and
//! so is the scatter, though f of the true state need not be. But f(ρ) is the largest Tr ρO of all witnesses, so the bound
//! from above is the largest of Tr ρ̂O + z·error over the witnesses of states that the noise may hide: ρ̂ displaced by a
//! few times the difference of two halves of the groups, which is a sample of the noise, for several such halves. This is
//! spared where the gap between the two sides shows that it cannot matter.

use super::answers::Sided;
use super::concurrence;
use super::ergotropy::Bounded;
use super::evaluation::Rows;
use super::functional::{Functional, State, Witness, check, functional, mutual_information};
use super::unseen::Scatter;
use crate::density::{BlockShape, BlockSums, Density, GroupSum, Label};
use crate::error::RunError;
use crate::problem::{Nonlinear, Part, Problem};
use faer::Mat;
use num_complex::Complex64;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::borrow::Cow;

/// How the rows of one function are evaluated.
struct How<'a> {
    /// By how much trajectories may differ.
    span: f64,
    /// The part of all trajectories that one half cannot see.
    floor: f64,
    rows: &'a Rows<'a>,
}

/// A witness with the sign that it counts with.
type Signed<'a> = (f64, &'a Witness);

/// Bounds from above hold up to this many standard errors.
const SURELY: f64 = 6.0;

/// Sides that lie apart by less than this many standard errors show a smooth f.
const SMOOTH: f64 = 0.5;

/// How far states are displaced, in samples of the noise.
const DISPLACED: [f64; 4] = [-4.0, -2.0, 2.0, 4.0];

/// The halves of groups whose differences sample the noise: of g, the parity of the bits that it shares with these. With
/// all groups in use they are orthogonal.
const SPLITS: [usize; 4] = [1, 2, 4, 8];

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
    let in_use = |g: usize| takes(g) && density.weights[g] > 0.0;
    let mut state = State::default();
    for (label, sums) in &density.blocks {
        if !sums.groups.iter().enumerate().any(|(g, sum)| in_use(g) && !sum.is_empty()) {
            continue;
        }
        state.blocks.push((label.clone(), sums.shape.clone(), sums.total(1.0 / total, &in_use)));
        if let Some(factor) = sums.factor(1.0 / total, &in_use) {
            state.factors.insert(label.clone(), factor);
        }
    }
    Some(state)
}

/// The sums of a group, if it was ever in the block.
fn visited(sums: &BlockSums, group: usize) -> Option<&GroupSum> {
    sums.groups.get(group).filter(|s| !s.is_empty())
}

/// Σ ±Tr ρ_g O of each group that `takes`, with the group's weight.
fn group_values(density: &Density, witnesses: &[Signed], takes: &dyn Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let of = |(g, &weight): (usize, &f64)| {
        let block = |(label, sums): (&Label, &BlockSums)| {
            let sum = visited(sums, g)?;
            Some(witnesses.iter().map(|(sign, w)| sign * w.of_group(label, &sums.shape, sum)).sum::<f64>())
        };
        (density.blocks.iter().filter_map(block).sum::<f64>() / weight, weight)
    };
    density.weights.iter().enumerate().filter(|(g, w)| takes(*g) && **w > 0.0).map(of).collect()
}

/// How group values scatter about their weighted mean, each deviation counted with its weight in units of a typical one.
fn scatter(values: &[(f64, f64)]) -> Scatter {
    let (n, total) = (values.len() as f64, values.iter().map(|v| v.1).sum::<f64>());
    let typical = (values.iter().map(|v| v.1 * v.1).sum::<f64>() / n).sqrt();
    let mean = values.iter().map(|(x, w)| x * w).sum::<f64>() / total;
    let moment = |power: i32| values.iter().map(|(x, w)| (w / typical * (x - mean)).powi(power)).sum::<f64>() / n;
    Scatter { n, mean, square: moment(2), third: moment(3), fourth: moment(4) }
}

/// Weighted mean of group values and its standard error: with values of variance σ²/w_g the expectation of
/// Σ(w_g(x_g − x̄))²/W² is (1 − 1/n) times that of the mean, n the effective number of groups. NaN for one group. Where a
/// few groups stick out because few events were seen, the variance is that of a few more.
fn mean(values: &[(f64, f64)]) -> (f64, f64) {
    let (found, total) = (scatter(values), values.iter().map(|v| v.1).sum::<f64>());
    let n = effective(values.iter().map(|v| v.1));
    let squares = found.square * values.iter().map(|v| v.1 * v.1).sum::<f64>() * found.of_few();
    (found.mean, if values.len() > 1 { (squares * n / (n - 1.0)).sqrt() / total } else { f64::NAN })
}

/// The witnesses of a sum of convex functionals at the averaged states of all groups, and of the even and the odd ones.
struct Fitted<'a> {
    parts: &'a [&'a Functional],
    whole: Vec<Witness>,
    halves: Halves,
}

/// The witnesses at the averaged states of the even and the odd groups, if there are both.
type Halves = Option<[Vec<Witness>; 2]>;

fn halves(density: &Density, parts: &[&Functional], how: &How) -> Result<Halves, RunError> {
    let half = |parity: usize| state(density, &|g| g % 2 == parity);
    let (Some(even), Some(odd)) = (half(0), half(1)) else { return Ok(None) };
    let at = |state: &State| witnesses(parts, how.rows, |f| f.witness_of_some(state, how.floor));
    Ok(Some([at(&even)?, at(&odd)?]))
}

/// A witness of each part, unless asked to stop.
fn witnesses(
    parts: &[&Functional],
    rows: &Rows,
    of: impl Fn(&Functional) -> Result<Witness, RunError>,
) -> Result<Vec<Witness>, RunError> {
    rows.check()?;
    parts.iter().map(|f| of(f)).collect()
}

impl<'a> Fitted<'a> {
    fn new(density: &Density, whole: &State, parts: &'a [&'a Functional], how: &How) -> Result<Self, RunError> {
        let halves = halves(density, parts, how)?;
        Ok(Self { parts, whole: witnesses(parts, how.rows, |f| f.witness(whole))?, halves })
    }

    /// Those at states that the noise may hide.
    fn hidden(&self, density: &Density, whole: &State, how: &How) -> Result<Vec<Vec<Witness>>, RunError> {
        let near = |state: State| witnesses(self.parts, how.rows, |f| f.witness_near(&state));
        hidden(density, whole).map(near).collect()
    }
}

/// Whether states hidden by the noise need not be looked at. Either the two sides lie so far apart that the plug-in exceeds
/// f(ρ), by about a third of the gap (see [`combined`]), by twice the error of either side or more; or so near each other
/// that f is smooth as far as the noise goes and the scatter is all of the error.
fn settled(above: (f64, f64), below: (f64, f64)) -> bool {
    let gap = above.0 - below.0;
    gap > SURELY * above.1.max(below.1) || gap < SMOOTH * above.1.min(below.1)
}

/// ρ̂ displaced by samples of the noise: half the difference between the means of two halves of the groups has the
/// covariance of ρ̂. Eigenvalues below 0 are left to the witnesses, which only need an order.
fn hidden<'a>(density: &'a Density, whole: &'a State) -> impl Iterator<Item = State> + 'a {
    let displacements = SPLITS.into_iter().filter_map(|split| {
        let side = |parity: u32| state(density, &move |g: usize| (g & split).count_ones() % 2 == parity);
        let (one, other) = (side(0)?, side(1)?);
        let of_block = |(label, _, matrix): &(Label, BlockShape, Mat<Complex64>)| {
            let element = |state: &State, i: usize, j: usize| {
                let found = state.blocks.iter().find(|(known, ..)| known == label);
                found.map_or(Complex64::ZERO, |(.., m)| m[(i, j)])
            };
            let d = matrix.nrows();
            Mat::from_fn(d, d, |i, j| 0.5 * (element(&one, i, j) - element(&other, i, j)))
        };
        let found: Vec<Mat<Complex64>> = whole.blocks.iter().map(of_block).collect();
        // Groups that agree but for rounding hide nothing.
        found.iter().any(|m| m.norm_max() > 1e-13).then_some(found)
    });
    displacements.flat_map(move |displacement| {
        DISPLACED.into_iter().map(move |times| {
            let moved = |((label, shape, matrix), by): (&(Label, BlockShape, Mat<Complex64>), &Mat<Complex64>)| {
                let d = matrix.nrows();
                (label.clone(), shape.clone(), Mat::from_fn(d, d, |i, j| matrix[(i, j)] + times * by[(i, j)]))
            };
            State::new(whole.blocks.iter().zip(&displacement).map(moved).collect())
        })
    })
}

/// The error with which `plain` bounds whatever `others` do, too, up to [`SURELY`] of their own errors.
fn widest(plain: (f64, f64), others: impl Iterator<Item = (f64, f64)>) -> f64 {
    others.fold(plain.1, |error, (value, se)| {
        let needed = se - (value - plain.0).abs() / SURELY;
        // NaN stays.
        if needed > error { needed } else { error }
    })
}

fn signed<'a>(sign: f64, witnesses: &'a [Witness]) -> impl Iterator<Item = Signed<'a>> {
    witnesses.iter().map(move |w| (sign, w))
}

/// `crossed` with the witnesses of each half on the other one, and `plain` ones on both: estimate and standard error. NaN
/// unless both halves hold groups.
fn cross_fit(density: &Density, crossed: (f64, &Halves), plain: (f64, &[Witness])) -> (f64, f64) {
    let (sign, Some(halves)) = crossed else { return (f64::NAN, f64::NAN) };
    let on_other = |parity: usize| {
        let all: Vec<Signed> = signed(sign, &halves[parity]).chain(signed(plain.0, plain.1)).collect();
        mean(&group_values(density, &all, &|g| g % 2 != parity))
    };
    let (on_odd, on_even) = (on_other(0), on_other(1));
    (0.5 * (on_odd.0 + on_even.0), 0.5 * on_odd.1.hypot(on_even.1))
}

/// A sum of convex functionals, of which trajectories may differ by `span`.
fn convex(density: &Density, whole: &State, parts: &[&Functional], how: &How) -> Result<Bounded, RunError> {
    let fitted = Fitted::new(density, whole, parts, how)?;
    let values = |w: &Vec<Witness>| group_values(density, &signed(1.0, w).collect::<Vec<_>>(), &|_| true);
    let plain = values(&fitted.whole);
    let mut above = mean(&plain);
    let below = cross_fit(density, (1.0, &fitted.halves), (0.0, &[]));
    if !settled(above, below) {
        let hidden = fitted.hidden(density, whole, how)?;
        above.1 = widest(above, hidden.iter().map(|w| mean(&values(w))));
    }
    Ok(Bounded { events: scatter(&plain).events(how.span), ..combined(above, below) })
}

/// f − g ≥ 0 of two convex functionals. From below f is cross-fitted and g, which the plug-in makes too large, not; from
/// above the other way round.
fn difference(density: &Density, whole: &State, [f, g]: [&Functional; 2], how: &How) -> Result<Bounded, RunError> {
    let (f, g) = ([f], [g]);
    let (f, g) = (Fitted::new(density, whole, &f, how)?, Fitted::new(density, whole, &g, how)?);
    let with = |sign: f64, crossed: &Fitted, w: &Vec<Witness>| cross_fit(density, (sign, &crossed.halves), (-sign, w));
    let (mut below, mut above) = (with(1.0, &f, &g.whole), with(-1.0, &g, &f.whole));
    if !settled(above, below) {
        let (f_hidden, g_hidden) = (f.hidden(density, whole, how)?, g.hidden(density, whole, how)?);
        below.1 = widest(below, g_hidden.iter().map(|w| with(1.0, &f, w)));
        above.1 = widest(above, f_hidden.iter().map(|w| with(-1.0, &g, w)));
    }
    // Noise may put the bound from below above the other, as in [`combined`].
    below.0 = if below.0 > above.0 { above.0 } else { below.0 };
    let plain: Vec<Signed> = signed(1.0, &f.whole).chain(signed(-1.0, &g.whole)).collect();
    let plain = group_values(density, &plain, &|_| true);
    let ((value, se), events) = (mean(&plain), scatter(&plain).events(how.span));
    let undersampled = !(above.0 - below.0 <= 2.0 * se + 1e-9 * value.abs().max(1.0));
    // `max` would hide a NaN.
    let se = if below.1.is_nan() { f64::NAN } else { se.max(above.1).max(below.1) };
    Ok(Bounded { value: value.max(0.0), se, below, above, undersampled, events })
}

const UNKNOWN: Bounded = Bounded {
    value: f64::NAN,
    se: f64::NAN,
    below: (f64::NAN, f64::NAN),
    above: (f64::NAN, f64::NAN),
    undersampled: true,
    events: 0.0,
};

/// The mixture of both sides that is right on average where two eigenvalues cross (see [`ergotropy`](super::ergotropy));
/// the side from above alone where there is none from below.
///
/// Where the order of many eigenvalues is not resolved, what one half's witness says about the other depends on both, and
/// the errors of the two halves add instead of their squares: the variance from below is up to twice as large. The gap
/// between the sides in standard errors is the measure of that; it vanishes where f is smooth.
fn combined(above: (f64, f64), below: (f64, f64)) -> Bounded {
    if below.0.is_nan() {
        return Bounded { value: above.0, above, ..UNKNOWN };
    }
    let gap = (above.0 - below.0).max(0.0);
    let shared = if gap > 0.0 { (gap / below.1).min(1.0) } else { 0.0 };
    let below = (above.0 - gap, below.1 * (1.0 + shared).sqrt());
    let undersampled = !(gap <= 2.0 * above.1 + 1e-9 * above.0.abs().max(1.0));
    Bounded { value: above.0 - gap / 3.0, se: above.1.max(below.1), below, above, undersampled, events: f64::INFINITY }
}

/// The mean concurrence. From below as any convex quantity. From above an edge whose λ₁ − λ₂ − λ₃ − λ₄ is negative counts 0
/// with the standard error of that difference, as far as this may hide a positive one: no state is displaced for it.
fn entanglement(density: &Density, whole: &State, how: &How) -> Result<Bounded, RunError> {
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
            let (_, se) = mean(&group_values(density, &[(1.0, &witness)], &|_| true));
            doubt += each * widest((0.0, 0.0), std::iter::once((size, se)));
        }
    }
    let plain = group_values(density, &signed(1.0, &positive).collect::<Vec<_>>(), &|_| true);
    let halves = halves(density, &[&Functional::Concurrence], how)?;
    let found = combined((value, each * mean(&plain).1 + doubt), cross_fit(density, (1.0, &halves), (0.0, &[])));
    Ok(Bounded { events: scatter(&plain).events(how.span), ..found })
}

/// The purity from pairs of different groups, which is unbiased: the mean over groups of x_g = Tr ρ_gρ_{≠g}.
///
/// With ρ̂ = ρ + ε and C the covariance of ε, Tr ρ² = Tr ρ̂² − 2Tr ρ̂ε + Tr ε². For given ρ̂ the variance of this is
/// 4⟨ρ̂|C|ρ̂⟩ + 2Tr C²: the scatter of Tr ρ̂ρ_g, and that of pairs Tr ρ_gρ_h about what their groups explain. Near the
/// smallest purity the first vanishes with the estimate itself, so the estimate from above keeps E Tr ε², by which the
/// plug-in Tr ρ̂² exceeds the unbiased one.
fn purity(density: &Density, span: f64) -> Bounded {
    let used: Vec<usize> = (0..density.weights.len()).filter(|g| density.weights[*g] > 0.0).collect();
    let (weights, groups): (Vec<f64>, _) = (used.iter().map(|g| density.weights[*g]).collect(), used.len());
    let (total, n) = (weights.iter().sum::<f64>(), effective(weights.iter().copied()));
    // Tr ρ_gρ_h
    let mut pairs = Mat::<f64>::zeros(groups, groups);
    for sums in density.blocks.values() {
        let copies = (-sums.shape.ln_copies).exp();
        for (j, b) in used.iter().enumerate().filter_map(|(j, g)| Some((j, visited(sums, *g)?))) {
            let b = b.total(sums.dimension());
            for (i, a) in used.iter().enumerate().skip(j).filter_map(|(i, g)| Some((i, visited(sums, *g)?))) {
                pairs[(i, j)] += copies * a.trace(b.as_ref()) / (weights[i] * weights[j]);
            }
        }
    }
    let pair = |i: usize, j: usize| pairs[(i.max(j), i.min(j))];
    let averaged = |i: usize| (0..groups).map(|j| weights[j] * pair(i, j)).sum::<f64>() / total;
    let explained: Vec<(f64, f64)> = (0..groups).map(|i| (averaged(i), weights[i])).collect();
    let (plug_in, scatter) = mean(&explained);
    if groups < 2 {
        return Bounded { value: plug_in, above: (plug_in, f64::NAN), ..UNKNOWN };
    }
    let apart = |i: usize| (averaged(i) * total - weights[i] * pair(i, i)) / (total - weights[i]);
    let value = (0..groups).map(|i| weights[i] * apart(i)).sum::<f64>() / total;
    let mut squares = 0.0;
    for (i, j) in (0..groups).flat_map(|i| (0..i).map(move |j| (i, j))) {
        let unexplained = pair(i, j) - explained[i].0 - explained[j].0 + plug_in;
        squares += 2.0 * (weights[i] * weights[j] * unexplained).powi(2);
    }
    let squares = squares / total.powi(4) * n / (n - 1.0);
    let se = (4.0 * scatter * scatter + 2.0 * squares).sqrt();
    let above = plug_in + (plug_in - value).max(0.0);
    let events = self::scatter(&explained).events(span);
    Bounded { value: value.clamp(0.0, 1.0), se, below: (value, se), above: (above, se), undersampled: false, events }
}

/// The averaged state of a part at every row.
pub struct States<'a> {
    /// Number of rows.
    pub rows: usize,
    /// The state at a row, in groups of trajectories.
    pub at: &'a (dyn Fn(usize) -> Cow<'a, Density> + Sync),
    /// The part of it that was sampled.
    pub share: f64,
    /// Whether all trajectories are the same at a row.
    pub certain: &'a (dyn Fn(usize) -> bool + Sync),
}

/// A function of the state of a part with bounds from how groups of trajectories scatter, and the degrees of freedom of their
/// errors, at every row.
///
/// # Errors
/// As [`functional::exact`](super::functional::exact), and when asked to stop.
pub fn sampled(
    problem: &Problem,
    what: Nonlinear,
    of: Part,
    states: &States,
    rows: &Rows,
) -> Result<Vec<Sided>, RunError> {
    // Levels are tabulated once for all rows.
    let made_of = match what {
        Nonlinear::Capacity => vec![Nonlinear::Ergotropy, Nonlinear::AntiErgotropy],
        Nonlinear::CoherentErgotropy => vec![Nonlinear::Ergotropy, Nonlinear::IncoherentErgotropy],
        other => vec![other],
    };
    let parts: Vec<Functional> =
        made_of.into_iter().filter_map(|f| functional(problem, f, of).transpose()).collect::<Result<_, RunError>>()?;
    let parts = match (what, mutual_information(problem, of)) {
        (Nonlinear::MutualInformation, Some(two)) => two.into(),
        _ => parts,
    };
    let parts: Vec<&Functional> = parts.iter().collect();
    let (least, most) = what.range(problem, of);
    let span = most - least;
    let at = |density: &Density, row: usize| -> Result<Bounded, RunError> {
        rows.check()?;
        let n: f64 = density.weights.iter().sum();
        // What so many trajectories have not seen, unless there is nothing to see.
        let floor = if (states.certain)(row) { 0.0 } else { 2.0 * states.share / n.max(2.0) };
        let how = &How { span, floor, rows };
        let Some(whole) = state(density, &|_| true) else { return Ok(UNKNOWN) };
        check(problem, what, of, &whole)?;
        match what {
            Nonlinear::Purity => Ok(purity(density, span)),
            Nonlinear::Concurrence => entanglement(density, &whole, how),
            Nonlinear::AntiErgotropy => Ok(turned(convex(density, &whole, &parts, how)?)),
            Nonlinear::Entropy => {
                let f = convex(density, &whole, &parts, how)?;
                // The other side is far off where hardly anything has been seen: it has the logarithm of that.
                Ok(turned(Bounded { value: f.above.0, ..f }))
            }
            Nonlinear::CoherentErgotropy | Nonlinear::MutualInformation => {
                difference(density, &whole, [parts[0], parts[1]], how)
            }
            Nonlinear::Ergotropy
            | Nonlinear::LocalErgotropy
            | Nonlinear::SymmetricErgotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::Capacity
            | Nonlinear::Coherence
            | Nonlinear::CellCoherence
            | Nonlinear::Negativity
            | Nonlinear::Fidelity => convex(density, &whole, &parts, how),
        }
    };
    let of_row = |row: usize| {
        let density = (states.at)(row);
        let found = at(&density, row)?;
        rows.one_more();
        Ok((found, degrees(&density)))
    };
    (0..states.rows).into_par_iter().map(of_row).collect()
}

/// −S of a state, all blocks and their equal copies together, of which a `share` was sampled; S is at most `most`.
///
/// # Errors
/// [`RunError::Numerics`] when it is none.
pub fn entropy(density: &Density, share: f64, most: f64) -> Result<Sided, RunError> {
    let Some(whole) = state(density, &|_| true) else { return Ok((UNKNOWN, f64::INFINITY)) };
    let blocks = whole.blocks.iter().map(|(label, shape, _)| (label.clone(), shape.clone())).collect();
    let n: f64 = density.weights.iter().sum();
    let how = How { span: most, floor: 2.0 * share / n.max(2.0), rows: &Rows::default() };
    let found = convex(density, &whole, &[&Functional::WholeEntropy(blocks)], &how)?;
    Ok((Bounded { value: found.above.0, ..found }, degrees(density)))
}

/// −f.
pub(super) fn turned(f: Bounded) -> Bounded {
    let minus = |(x, se): (f64, f64)| (-x, se);
    Bounded { value: -f.value, below: minus(f.above), above: minus(f.below), ..f }
}

#[cfg(test)]
mod tests;
