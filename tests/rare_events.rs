//! What a run claims where it saw nothing or next to nothing happen: no error of 0 and no interval of width 0 unless the
//! number needs no sampling.

mod common;

use common::example;
use leyden::estimate::columns::{self, Z95};
use leyden::estimate::verify::compare;
use leyden::exact;
use leyden::problem::Problem;
use leyden::run::{self, Outcome, RunOptions, SoFar};
use leyden::stop::Stop;
use leyden::table::Table;
use leyden::unravel::engine::Engine;
use statrs::distribution::{Binomial, DiscreteCDF};

const RARE_JUMP: &str = include_str!("data/cases/rare_jump.toml");
const RARE_CHAIN: &str = include_str!("data/cases/rare_chain.toml");
const PULSE: &str = include_str!("../examples/aging_pulse.toml");
const NETWORK: &str = include_str!("../examples/network.toml");

/// The rare decay of a cell that is dephased all the time, so that the branch without jumps is no help.
fn busy(gamma: &str) -> Problem {
    let noisy = RARE_JUMP.replace("[channels]", "[channels]\nnoise = { operator = \"n(A)\", rate = 20 }");
    example(&noisy, gamma)
}

/// Sample, and ask `go_on` after every batch.
fn outcome(problem: &Problem, trajectories: u64, seed: u64, go_on: &mut (dyn FnMut(&Table) -> bool + Send)) -> Outcome {
    let (_, engine) = Engine::new(problem, None).unwrap();
    let options = RunOptions { trajectories, seed, threads: 1, shots: false, covariance: true, states: false };
    let never = Stop::default();
    let mut watch = |so_far: &SoFar| go_on(&columns::table(problem, &so_far.accumulated()).unwrap());
    run::sample(&engine, problem, options, &never, &mut watch).unwrap()
}

fn sample(problem: &Problem, trajectories: u64, seed: u64, go_on: &mut (dyn FnMut(&Table) -> bool + Send)) -> Table {
    columns::table(problem, &outcome(problem, trajectories, seed, go_on).accumulated).unwrap()
}

fn fixed(problem: &Problem, trajectories: u64, seed: u64) -> Table {
    sample(problem, trajectories, seed, &mut |_| true)
}

/// The 95 % interval of a column at its last row: its bounds, or 1.96 errors to either side.
fn interval(table: &Table, name: &str) -> (f64, f64) {
    let column = table.column(name).unwrap_or_else(|| panic!("no column {name}"));
    let row = column.value.len() - 1;
    match &column.bounds {
        Some((lo, hi)) => (lo[row], hi[row]),
        None => {
            let margin = Z95 * column.se.as_ref().unwrap()[row];
            (column.value[row] - margin, column.value[row] + margin)
        }
    }
}

fn holds((lo, hi): (f64, f64), truth: f64) -> bool {
    lo - 1e-9 <= truth && truth <= hi + 1e-9
}

/// e^−γ, 2e^−γ − 1 and 1 − e^−γ for a cell that decays at the rate γ for a unit of time.
fn decayed(gamma: f64) -> [(&'static str, f64); 3] {
    let left = (-gamma).exp();
    [("energy", left), ("ergotropy", 2.0 * left - 1.0), ("jumps_decay", 1.0 - left)]
}

/// Stopped at an error of the energy of 1e-3, as `--target-error energy=1e-3` does.
#[test]
fn stopped_runs_cover_rare_decays() {
    const SEEDS: u64 = 100;
    for gamma in [1e-2, 1e-3, 1e-4] {
        let problem = busy(&format!("gamma={gamma}"));
        let mut covered = [0; 3];
        for seed in 1..=SEEDS {
            let mut batches = 0;
            let table = sample(&problem, 10_000, seed, &mut |table| {
                batches += 1;
                let errors = table.column("energy").unwrap().se.as_ref().unwrap();
                errors.iter().any(|se| *se > 1e-3)
            });
            for (hits, (name, truth)) in covered.iter_mut().zip(decayed(gamma)) {
                let found = interval(&table, name);
                *hits += u64::from(holds(found, truth));
                assert!(found.1 > found.0, "γ = {gamma}, seed {seed}: {name} is known without error");
            }
            assert!(batches > 1, "γ = {gamma}, seed {seed}: stopped at once");
        }
        // Nine counts, of which a correct program fails one with a probability of 1e-3.
        for (hits, (name, _)) in covered.into_iter().zip(decayed(gamma)) {
            println!("γ = {gamma}: {name} {hits} of {SEEDS} covered");
            let chance = Binomial::new(0.95, SEEDS).unwrap().cdf(hits);
            assert!(chance > 1e-3 / 9.0, "γ = {gamma}: {name} was covered {hits} times of {SEEDS}");
        }
    }
}

/// From ten trajectories, of which there is a single group, to ten thousand without any decay.
#[test]
fn few_trajectories_and_no_decay_are_no_certainty() {
    let problem = busy("gamma=1e-4");
    for trajectories in [1, 10, 128, 500, 2_000, 10_000] {
        let table = fixed(&problem, trajectories, 1);
        for (name, truth) in decayed(1e-4) {
            let (lo, hi) = interval(&table, name);
            assert!(
                holds((lo, hi), truth) && hi - lo >= 1.0 / trajectories as f64,
                "{trajectories}: {name} {lo} to {hi}"
            );
            // The start is known.
            let column = table.column(name).unwrap();
            assert!(column.se.as_ref().unwrap()[0] < 1e-12, "{trajectories}: {name}");
            assert!(column.bounds.as_ref().is_none_or(|(lo, hi)| hi[0] - lo[0] < 1e-9), "{trajectories}: {name}");
        }
        let flags = &table.column("ergotropy_undersampled").unwrap().value;
        assert_eq!(flags[..], [0.0, 1.0], "{trajectories}");
    }
    // With the channel off nothing is left to chance.
    let table = fixed(&example(RARE_JUMP, "gamma=0"), 1_000, 1);
    for (name, truth) in decayed(0.0) {
        let (lo, hi) = interval(&table, name);
        assert!(hi - lo < 1e-9 && holds((lo, hi), truth), "{name}: {lo} to {hi}");
    }
    assert_eq!(table.column("ergotropy_undersampled").unwrap().value, [0.0, 0.0]);
}

/// Trajectories that agree but for rounding, of which the exact solution is not one.
#[test]
fn rounding_is_no_error() {
    for (problem, row) in [(example(RARE_CHAIN, ""), 1), (example(PULSE, "N=4 cycles=1 samples=2"), 1)] {
        let (table, truth) = (fixed(&problem, 10_000, 1), exact::solve(&problem, None, &Stop::default()).unwrap());
        for column in table.columns.iter().filter(|c| c.se.is_some()) {
            let exact = truth.column(&column.name).unwrap().value[row];
            let (value, se) = (column.value[row], column.se.as_ref().unwrap()[row]);
            let found = match &column.bounds {
                Some((lo, hi)) => (lo[row], hi[row]),
                None => (value - Z95 * se, value + Z95 * se),
            };
            assert!(holds(found, exact), "{}: {} is in {found:?}, exactly {exact}", problem.title(), column.name);
        }
        let energy = table.column("energy").unwrap().se.as_ref().unwrap()[row];
        assert!(0.0 < energy && energy < 2e-3, "{}: {energy}", problem.title());
    }
}

/// Every value lies in its own interval, and a concurrence between 0 and 1.
#[test]
fn values_lie_in_their_intervals() {
    for trajectories in [1, 50, 200, 2_000] {
        let table = fixed(&example(NETWORK, "N=3"), trajectories, 1);
        let mut intervals = 0;
        for column in &table.columns {
            let Some((lo, hi)) = &column.bounds else { continue };
            for (row, value) in column.value.iter().enumerate() {
                assert!(
                    lo[row] <= *value && *value <= hi[row],
                    "{}: {value} in {} to {}",
                    column.name,
                    lo[row],
                    hi[row]
                );
                intervals += 1;
            }
            if column.name == "concurrence" {
                assert!(lo.iter().all(|lo| *lo >= 0.0) && hi.iter().all(|hi| *hi <= 1.0));
            }
        }
        assert!(intervals > 0);
    }
}

/// `verify` fails at a number that is none, on either side and in any row.
#[test]
fn nan_disagrees() {
    let problem = example(RARE_JUMP, "");
    let outcome = outcome(&problem, 2_000, 1, &mut |_| true);
    let (sampled, truth) = (
        columns::table(&problem, &outcome.accumulated).unwrap(),
        exact::solve(&problem, None, &Stop::default()).unwrap(),
    );
    let passes =
        |sampled: &Table, truth: &Table| compare(&problem, &outcome.accumulated, sampled, truth, 1e-3).passed();
    assert!(passes(&sampled, &truth));
    for name in ["energy", "ergotropy", "jumps_decay"] {
        for row in 0..2 {
            for wrong in [f64::NAN, f64::INFINITY] {
                let put = |table: &Table| {
                    let mut table = table.clone();
                    table.columns.iter_mut().filter(|c| c.name == name).for_each(|c| c.value[row] = wrong);
                    table
                };
                assert!(!passes(&put(&sampled), &truth), "{name}, row {row}: {wrong} sampled");
                assert!(!passes(&sampled, &put(&truth)), "{name}, row {row}: {wrong} exact");
                assert!(!passes(&put(&sampled), &put(&truth)), "{name}, row {row}: {wrong} on both sides");
            }
        }
    }
}
