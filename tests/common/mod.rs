//! What the statistical tests share: one false-alarm budget, one way to compare, the reference numbers, and a run.
#![allow(dead_code)] // each test file uses a part

use leyden::input;
use leyden::problem::{Problem, Quantity, Unit};
use leyden::run::{self, Outcome, RunOptions, Shots};
use leyden::space::ladder::Ladder;
use leyden::stop::Stop;
use leyden::unravel::ladder_jump::LadderJump;
use serde_json::Value;
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, Normal};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Chance that the whole suite fails with a correct program, whenever draws change.
const ALPHA: f64 = 1e-3;
/// Upper bound of the number K of comparisons that all test files make together, and its share of one file.
const COMPARISONS: usize = 10_500;
const FILES: usize = 7;
/// Comparisons made so far in this file.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// The chance α/K that one comparison may fail wrongly.
pub fn share() -> f64 {
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    assert!(made < COMPARISONS / FILES, "more comparisons than the budget was made for: raise COMPARISONS");
    ALPHA / COMPARISONS as f64
}

/// A sampled mean against its exact value: within z*·se + bias, and from enough samples to say so.
#[track_caller]
pub fn assert_z(mean: f64, se: f64, exact: f64, bias: f64, resolution: f64) {
    let limit = Normal::standard().inverse_cdf(1.0 - 0.5 * share());
    assert!(se <= resolution, "too noisy to say anything: {mean} ± {se}, wanted ± {resolution}");
    let z = (mean - exact) / se;
    assert!((mean - exact).abs() <= limit * se + bias, "{mean} ± {se}, exact {exact}: z = {z:.2}, limit {limit:.2}");
}

/// A sum of squares of `degrees` standard normal numbers: neither too large nor too small.
#[track_caller]
pub fn assert_chi_square(sum: f64, degrees: usize, what: &str) {
    let law = ChiSquared::new(degrees as f64).unwrap();
    let tail = 0.5 * share();
    let (low, high) = (law.inverse_cdf(tail), law.inverse_cdf(1.0 - tail));
    assert!((low..=high).contains(&sum), "{what}: {sum:.1}, expected {low:.1} to {high:.1} for {degrees} degrees");
}

/// At least a fraction `least` of cases: `hits` of `n` are not too few for it.
#[track_caller]
pub fn assert_at_least(hits: u64, n: u64, least: f64, what: &str) {
    let chance = Binomial::new(least, n).unwrap().cdf(hits);
    assert!(chance >= share(), "{what}: {hits} of {n} has probability {chance:.1e} if {least} is right");
}

/// At most a fraction `most` of cases.
#[track_caller]
pub fn assert_at_most(hits: u64, n: u64, most: f64, what: &str) {
    assert_at_least(n - hits, n, 1.0 - most, what);
}

/// Two exact methods.
#[track_caller]
pub fn assert_close(got: f64, expected: f64, relative: f64, what: &str) {
    let allowed = relative * expected.abs().max(1.0);
    assert!((got - expected).abs() <= allowed, "{what}: {got}, expected {expected}: off by {:.1e}", got - expected);
}

/// A file of tests/data, from the reference numbers of the papers' master equations.
pub fn reference(name: &str) -> Value {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

/// The numbers of a list.
#[track_caller]
pub fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// A shipped input with `name=value` overrides, separated by spaces.
pub fn example(text: &str, overrides: &str) -> Problem {
    let pairs = overrides.split_whitespace().map(|o| o.split_once('=').unwrap());
    let overrides: Vec<(String, String)> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    input::parse("example", text, &overrides).unwrap_or_else(|e| panic!("{e}")).problem
}

/// Everything kept but the covariance.
pub fn options(trajectories: u64, seed: u64) -> RunOptions {
    RunOptions { trajectories, seed, threads: 0, shots: true, covariance: false, states: false }
}

/// Sample.
pub fn run(problem: &Problem, options: RunOptions) -> Outcome {
    let engine = LadderJump::new(Ladder::compile(problem).unwrap());
    run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap()
}

/// Mean over all trajectories of a number of each shot, of which `n` were sampled, and its standard error.
pub fn of_shots(shots: &Shots, n: u64, values: &[f64]) -> (f64, f64) {
    let mean = values.iter().zip(&shots.weight).map(|(x, w)| x * w).sum();
    let sampled = &values[..n as usize];
    let (n, share) = (n as f64, n as f64 * shots.weight[0]);
    let centre = sampled.iter().sum::<f64>() / n;
    let variance = sampled.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, share * (variance / n).sqrt())
}

/// The power of an energy or a rate that a quantity is.
pub fn energy_power(quantity: &Quantity) -> i32 {
    match quantity.entry().unit {
        Unit::One => 0,
        Unit::Energy | Unit::Rate => 1,
        Unit::EnergySquared | Unit::Power => 2,
    }
}
