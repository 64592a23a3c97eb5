//! How often a 95 % interval holds the truth: over systems from jumps in every trajectory to one in a million, for fixed runs
//! and for stopped ones. The table of `docs/statistics.md` is what the long form prints.

mod common;

use common::{assert_at_least, example};
use leyden::estimate::columns;
use leyden::estimate::evaluation::Evaluation;
use leyden::estimate::interval::Confidence;
use leyden::exact;
use leyden::problem::Problem;
use leyden::run::{self, RunOptions, SoFar};
use leyden::stop::Stop;
use leyden::table::{Table, Z95};
use leyden::unravel::engine::Engine;

const RARE_JUMP: &str = include_str!("data/cases/rare_jump.toml");
const AGING: &str = include_str!("../examples/aging.toml");
const THERMAL: &str = include_str!("../examples/thermal.toml");
const NETWORK: &str = include_str!("../examples/network.toml");
const CHARGER: &str = include_str!("../examples/charger_1.toml");
const STAR: &str = include_str!("../examples/star.toml");
const OSCILLATORS: &str = include_str!("../examples/dephased_oscillators.toml");
const CELLS: &str = include_str!("../examples/dephased_cells.toml");
const ENGINE: &str = include_str!("../examples/engine_collective.toml");
const CELL: &str = include_str!("../examples/cell_discharge.toml");

/// A cell that jumps all the time and decays at the rate γ, so that decays are rare among jumps.
fn busy(gamma: f64) -> Problem {
    let noisy = RARE_JUMP.replace("[channels]", "[channels]\nnoise = { operator = \"n(A)\", rate = 20 }");
    example(&noisy, &format!("gamma={gamma}"))
}

/// What is measured, and for which seeds of how many trajectories.
fn systems() -> Vec<(&'static str, Problem)> {
    vec![
        ("a cell decays: γ = 1", example(RARE_JUMP, "gamma=1")),
        ("γ = 1e-2", example(RARE_JUMP, "gamma=1e-2")),
        ("γ = 1e-4", example(RARE_JUMP, "gamma=1e-4")),
        ("γ = 1e-6", example(RARE_JUMP, "gamma=1e-6")),
        ("and is dephased: γ = 1", busy(1.0)),
        ("γ = 1e-1", busy(1e-1)),
        ("γ = 1e-2", busy(1e-2)),
        ("γ = 1e-3", busy(1e-3)),
        ("γ = 1e-4", busy(1e-4)),
        ("γ = 1e-6", busy(1e-6)),
        ("aging, N = 10", example(AGING, "N=10 cycles=2 samples=1")),
        ("thermal noise, N = 7", example(THERMAL, "samples=3")),
        ("products of p_e = 0.3", example(NETWORK, "N=2 p_e=0.3 c_eg=0")),
        ("products of p_e = 0.5", example(NETWORK, "N=2 p_e=0.5 c_eg=0")),
        ("products with coherence", example(NETWORK, "N=2 p_e=0.5 c_eg=0.5")),
        ("a charger (dark state)", example(CHARGER, "N_C=4 N_B=1 samples=3")),
        ("a star", example(STAR, "N=2 samples=3")),
        ("two oscillators", example(OSCILLATORS, "cutoff=5 t_end=4 samples=3")),
        ("two dephased cells", example(CELLS, "samples=3")),
        ("engines charge", example(ENGINE, "N=4 samples=3")),
        ("one cell of the network", example(CELL, "samples=2")),
    ]
}

/// Whether a column is linear in the state.
fn is_linear(problem: &Problem, name: &str) -> bool {
    problem.quantities().iter().any(|q| problem.column(q) == name && !q.needs_state() && !q.needs_variance())
}

/// Hits and numbers of linear columns and of others, at the last row.
#[derive(Default)]
struct Tally {
    linear: (u64, u64),
    nonlinear: (u64, u64),
}

impl Tally {
    fn add(&mut self, problem: &Problem, sampled: &Table, truth: &Table) {
        let row = truth.rows.len() - 1;
        for theirs in &truth.columns {
            let Some(mine) = sampled.column(&theirs.name) else { continue };
            let (exact, (lo, hi)) = (theirs.value[row], mine.bounds.as_ref().unwrap());
            if exact.is_nan() {
                continue;
            }
            let slack = 1e-9 * exact.abs().max(1.0);
            let hit = u64::from(lo[row] - slack <= exact && exact <= hi[row] + slack);
            let (hits, all) = match is_linear(problem, &theirs.name) {
                true => &mut self.linear,
                false => &mut self.nonlinear,
            };
            (*hits, *all) = (*hits + hit, *all + 1);
        }
    }
}

fn options(trajectories: u64, seed: u64) -> RunOptions {
    RunOptions { trajectories, seed, threads: 0, shots: false, covariance: false, states: false }
}

fn fixed(problem: &Problem, engine: &Engine, truth: &Table, n: u64, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 1..=seeds {
        let outcome = run::sample(engine, problem, options(n, seed), &Stop::default(), &mut |_| true).unwrap();
        tally.add(problem, &columns::table(problem, &outcome.accumulated).unwrap(), truth);
    }
    tally
}

/// Stopped once half the interval of the first column at the last row, as of a stopped run, is below `target` of its range.
fn stopped(problem: &Problem, engine: &Engine, truth: &Table, (target, most): (f64, u64), seeds: u64) -> Tally {
    let mut tally = Tally::default();
    let how = Evaluation { confidence: Confidence::Stopped, ..Evaluation::default() };
    let (name, row) = (&truth.columns[0].name, truth.rows.len() - 1);
    let scale = truth.columns[0].value.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    for seed in 1..=seeds {
        let mut next = 1;
        let mut watch = |so_far: &SoFar| {
            if so_far.trajectories() < next {
                return true;
            }
            next = so_far.trajectories() * 5 / 4;
            let table = columns::evaluate(problem, &so_far.accumulated(), &how).unwrap();
            let (lo, hi) = table.column(name).unwrap().bounds.clone().unwrap();
            (hi[row] - lo[row]) / (2.0 * Z95) > target * scale
        };
        let outcome = run::sample(engine, problem, options(most, seed), &Stop::default(), &mut watch).unwrap();
        tally.add(problem, &columns::evaluate(problem, &outcome.accumulated, &how).unwrap(), truth);
    }
    tally
}

fn measure(sizes: &[(u64, u64)], seeds_stopped: u64, check: bool) {
    println!("| system | trajectories | linear | functions of ρ |\n|---|---|---|---|");
    for (name, problem) in systems() {
        let truth = exact::solve(&problem, None, &Stop::default()).unwrap();
        let (_, engine) = Engine::new(&problem, None).unwrap();
        let mut tallies: Vec<(String, u64, Tally)> = Vec::new();
        for &(n, seeds) in sizes {
            tallies.push((n.to_string(), seeds, fixed(&problem, &engine, &truth, n, seeds)));
        }
        let of_stopped = stopped(&problem, &engine, &truth, (0.02, 3_000), seeds_stopped);
        tallies.push(("stopped".into(), seeds_stopped, of_stopped));
        for (n, seeds, Tally { linear, nonlinear }) in tallies {
            let share = |(hits, all): (u64, u64)| match all {
                0 => "–".to_owned(),
                _ => format!("{:.1} %", 100.0 * hits as f64 / all as f64),
            };
            println!("| {name} | {n} | {} | {} |", share(linear), share(nonlinear));
            if check {
                // Columns of one run are correlated, so that each counts as a part of one number.
                for ((hits, all), least, what) in [(linear, 0.93, "linear"), (nonlinear, 0.92, "nonlinear")] {
                    let columns = (all as f64 / seeds as f64).max(1.0);
                    let scaled = |x: u64| (x as f64 / columns).floor() as u64;
                    if all > 0 {
                        assert_at_least(
                            scaled(all) - scaled(all - hits),
                            scaled(all),
                            least,
                            &format!("{name}, {n}: {what}"),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn intervals_cover_what_they_say() {
    measure(&[(100, 60), (1_000, 30)], 30, true);
}

/// Prints the table of `docs/statistics.md`.
#[test]
#[ignore = "the long form: an hour"]
fn coverage_table() {
    measure(&[(100, 1_000), (1_000, 1_000), (10_000, 1_000)], 1_000, false);
}
