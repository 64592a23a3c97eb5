//! Trajectories against the exact solution: is every difference within its statistical error?
//!
//! With a stated probability of a false alarm, half of it spent on the largest single deviation (Bonferroni over all
//! numbers), half on one χ² for each quantity's whole curve, with the estimated covariance between rows (Hotelling).
//! A number that no or few trajectories saw change cannot be judged by its standard error: Bernstein's inequality
//! adds ln(2/α)·b/3n, where b is the size of such an event.

use super::columns::{Accumulated, Z95};
use super::interval::Confidence;
use super::sampled::{self, normal_equivalent, student};
use super::unseen::{Errors, local_rate};
use crate::dense::eigen;
use crate::problem::{Linear, Nonlinear, Problem, Quantity, Recipe};
use crate::table::Table;
use faer::Mat;
use statrs::distribution::{ContinuousCDF, FisherSnedecor, Normal};

/// How one quantity compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Column name.
    pub name: String,
    /// Largest deviation in (Bernstein-widened) standard errors and the row where it is.
    pub worst: (f64, usize),
    /// Numbers compared, and how many of them too rarely change for a standard error.
    pub compared: usize,
    /// Of these, numbers that no trajectory changed.
    pub unchanged: usize,
    /// Hotelling statistic of the curve, its degrees of freedom, and the chance of one at least as large.
    pub curve: Option<(f64, usize, f64)>,
    /// Whether all is within the error.
    pub passed: bool,
}

/// The whole verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Each quantity.
    pub comparisons: Vec<Comparison>,
    /// Largest deviation allowed, in standard errors.
    pub z_limit: f64,
    /// Smallest chance allowed for a curve.
    pub p_limit: f64,
    /// Chance that a correct program fails.
    pub false_alarm: f64,
    /// Trajectories behind it.
    pub trajectories: u64,
}

impl Verdict {
    /// Whether every quantity passed.
    pub fn passed(&self) -> bool {
        self.comparisons.iter().all(|c| c.passed)
    }
}

/// Fewest events, as many as n·variance/size², that a row of a curve needs for its mean to be normal.
const EVENTS: f64 = 100.0;

/// A number of zero variance must agree to this.
const EXACT: f64 = 1e-9;

/// Compare `sampled`, the table of `accumulated`, with `exact`, which must have the same rows. `false_alarm` is the
/// chance that a correct program fails. Curves are compared where the covariance between rows was kept.
pub fn compare(
    problem: &Problem,
    accumulated: &Accumulated,
    sampled: &Table,
    exact: &Table,
    false_alarm: f64,
) -> Verdict {
    let rows = sampled.rows.len();
    let averages = accumulated.averages();
    let n = averages.effective();
    let quantities = &problem.quantities;
    let alpha = 0.5 * false_alarm / (rows * quantities.len()) as f64;
    let z_limit = Normal::standard().inverse_cdf(1.0 - 0.5 * alpha);
    let p_limit = 0.5 * false_alarm / quantities.len() as f64;
    let bernstein = (2.0 / alpha).ln() / (3.0 * n * z_limit);
    let linear = problem.linear();
    let errors = Errors::new(problem, averages, Confidence::Fixed);
    let comparisons = quantities.iter().map(|quantity| {
        let name = problem.column(quantity);
        let average = linear.iter().position(|l| *l == quantity.linear()).unwrap_or(0);
        let mut comparison = Comparison {
            name: name.clone(),
            worst: (0.0, 0),
            compared: rows,
            unchanged: 0,
            curve: None,
            passed: false,
        };
        let (Some(mine), Some(theirs)) = (sampled.column(&name), exact.column(&name)) else { return comparison };
        for row in 0..rows {
            let index = row * linear.len() + average;
            let event = averages.event_size(index).max(averages.share() * quantum(problem, linear[average]));
            let (estimate, truth) = (mine.value[row], theirs.value[row]);
            let se = mine.se.as_ref().map_or(0.0, |se| se[row]);
            let sampled_error = |average: usize| averages.mean_error(row * linear.len() + average);
            // Bernstein's part stands for the unseen, so linear averages are compared by what was seen.
            let seen = match errors.mean(row, average) {
                wide if wide > 0.0 => se * sampled_error(average) / wide,
                _ => se,
            };
            let unchanged = averages.scatter(index).square == 0.0;
            comparison.unchanged += usize::from(unchanged);
            let z = match quantity.entry().recipe {
                // 0/0 at the start, where no trajectory had any energy (which is compared itself), without any edge.
                Recipe::PerTime(_) if sampled.rows[row].time == 0.0 && estimate.is_nan() && truth.is_nan() => 0.0,
                Recipe::OverEnergy(..) if estimate.is_nan() && no_energy(problem, accumulated, index) => 0.0,
                Recipe::State(Nonlinear::Concurrence, _) if estimate.is_nan() && truth.is_nan() => 0.0,
                _ if !(estimate.is_finite() && truth.is_finite()) => f64::INFINITY,
                Recipe::State(..) | Recipe::FirstState(..) | Recipe::OverEnergy(..) => {
                    // Distance outside the estimates from below and above, whose 95 % interval the table holds.
                    let degrees = degrees(problem, accumulated, quantity, row);
                    let t95 = student(Z95, degrees);
                    let (lo, hi) = mine.bounds.as_ref().map_or((estimate, estimate), |(lo, hi)| (lo[row], hi[row]));
                    // Too few groups bound nothing.
                    comparison.compared -= usize::from((lo, hi) == quantity.range(problem));
                    let outside = (truth - (hi - t95 * se)).max((lo + t95 * se) - truth).max(0.0);
                    if lo <= hi {
                        normal_equivalent(deviation(outside, se, event * bernstein), degrees)
                    } else {
                        f64::INFINITY
                    }
                }
                Recipe::Variance(varied) => {
                    let within = linear.iter().position(|l| *l == varied.spread());
                    let seen = averages.variance_error(index) + within.map_or(0.0, sampled_error);
                    deviation(estimate - truth, seen, event * event * bernstein)
                }
                Recipe::Deviation(_) => deviation(
                    estimate * estimate - truth * truth,
                    averages.variance_error(index),
                    event * event * bernstein,
                ),
                Recipe::SpinLength(_) => deviation(estimate - truth, seen, event * bernstein / (2.0 * truth + 1.0)),
                Recipe::Mean(_) | Recipe::PerCell(..) | Recipe::PerTime(_) => {
                    deviation(estimate - truth, seen, event * bernstein)
                }
            };
            let z = if z.is_nan() { f64::INFINITY } else { z };
            if z > comparison.worst.0 {
                comparison.worst = (z, row);
            }
        }
        comparison.curve = match quantity.entry().recipe {
            Recipe::Mean(_) => curve(problem, accumulated, average, &theirs.value),
            Recipe::PerCell(_, e) => {
                let unit = problem.subsystems[e].unit();
                let energies: Vec<f64> = theirs.value.iter().map(|x| x * unit).collect();
                curve(problem, accumulated, average, &energies)
            }
            Recipe::SpinLength(_) => {
                let squared: Vec<f64> = theirs.value.iter().map(|s| s * (s + 1.0)).collect();
                curve(problem, accumulated, average, &squared)
            }
            Recipe::PerTime(_) | Recipe::Variance(_) | Recipe::Deviation(_) => None,
            Recipe::State(..) | Recipe::FirstState(..) | Recipe::OverEnergy(..) => None,
        };
        comparison.passed = comparison.worst.0 <= z_limit && comparison.curve.is_none_or(|(.., p)| p >= p_limit);
        comparison
    });
    Verdict { comparisons: comparisons.collect(), z_limit, p_limit, false_alarm, trajectories: n as u64 }
}

/// Whether no trajectory had any energy to divide by.
fn no_energy(problem: &Problem, accumulated: &Accumulated, index: usize) -> bool {
    accumulated.averages().mean(index).abs() <= 1e-14 * problem.quantum()
}

/// Degrees of freedom of the error of a nonlinear quantity.
fn degrees(problem: &Problem, accumulated: &Accumulated, quantity: &Quantity, row: usize) -> f64 {
    let (reductions, needed) = (problem.reductions(), quantity.reduction(problem));
    let index = reductions.iter().position(|r| Some(r) == needed.as_ref()).unwrap_or(0);
    let kept = accumulated.densities.len() / problem.protocol.row_count();
    accumulated.densities.get(row * kept + index).map_or(f64::INFINITY, sampled::degrees)
}

/// Least amount by which a number can differ between trajectories, to order of magnitude: the size of an event that
/// none of them saw.
fn quantum(problem: &Problem, linear: Linear) -> f64 {
    let energy = || match problem.battery_hamiltonian() {
        Some(_) => problem.quantum(),
        None => problem.battery.iter().map(|&e| problem.subsystems[e].largest_quantum()).fold(0.0, f64::max),
    };
    match linear {
        Linear::EnergyOf(e) => problem.subsystems[e].largest_quantum(),
        Linear::EnergySpread => energy().powi(2),
        Linear::Energy | Linear::Released(_) => energy(),
        Linear::SpinSquared(e) => problem.subsystems[e].cells() as f64,
        Linear::BrightLoss(e) | Linear::BrightReturn(e) => local_rate(problem, e),
        Linear::Magnetisation(_)
        | Linear::MagnetisationSpread(_)
        | Linear::Jumps(_)
        | Linear::Expect(_)
        | Linear::Quanta(_)
        | Linear::Bright(_)
        | Linear::TopLevel(_)
        | Linear::TopQuanta => 1.0,
    }
}

/// |difference| in standard errors widened by `rare`; differences below 1e-9 are none.
fn deviation(difference: f64, se: f64, rare: f64) -> f64 {
    match difference.abs() {
        d if d <= EXACT => 0.0,
        d => d / (if se.is_nan() { 0.0 } else { se } + rare),
    }
}

/// Hotelling's T² of one curve against `truth`, over the rows that enough trajectories move and in the directions that at
/// least about a hundred of them do.
fn curve(problem: &Problem, accumulated: &Accumulated, average: usize, truth: &[f64]) -> Option<(f64, usize, f64)> {
    let curve = accumulated.between_rows(average)?;
    let n = accumulated.moments.effective();
    // What differs between trajectories by rounding alone has no statistics, and what a few of them saw no normal law.
    let scale = truth.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    let width = problem.linear().len();
    let averages = accumulated.averages();
    let variance = |r: usize| n * curve.of_mean(r, r);
    let events = |r: usize| n * variance(r) / averages.event_size(r * width + average).powi(2);
    let moves = |r: &usize| variance(*r) > (EXACT * scale).powi(2) && events(*r) >= EVENTS;
    let kept: Vec<usize> = (0..truth.len()).filter(moves).collect();
    if kept.is_empty() {
        return None;
    }
    // Where few trajectories make up the variance, the law is that of so few samples.
    let n = kept.iter().map(|r| events(*r)).fold(n, f64::min);
    let sd = |r: usize| curve.of_mean(r, r).sqrt();
    let correlation =
        Mat::from_fn(kept.len(), kept.len(), |i, j| curve.of_mean(kept[i], kept[j]) / (sd(kept[i]) * sd(kept[j])));
    let (values, vectors) = eigen(correlation.as_ref()).ok()?;
    let scores: Vec<f64> = kept.iter().map(|&r| (curve.mean[r] - truth[r]) / sd(r)).collect();
    let (mut statistic, mut degrees) = (0.0, 0);
    for k in 0..kept.len() {
        let lambda = values[k];
        if lambda > EVENTS / n {
            let projection: f64 = (0..kept.len()).map(|i| vectors[(i, k)] * scores[i]).sum();
            statistic += projection * projection / lambda;
            degrees += 1;
        }
    }
    let k = degrees as f64;
    if degrees == 0 || n <= k + 1.0 {
        return None;
    }
    let f = statistic * (n - k) / (k * (n - 1.0));
    let p = FisherSnedecor::new(k, n - k).map_or(f64::NAN, |law| law.sf(f));
    Some((statistic, degrees, p))
}
