//! The streamed bounds at sizes where the ergotropy is known, by the whole way from trajectories to the table.

use super::*;
use crate::estimate::columns::{Accumulated, table};
use crate::facade::solve;
use crate::problem::{Quantity, a, ad, sm, sp, sx};
use crate::run::batch::{self, Task};
use crate::table::Column;
use crate::unravel::engine::Engine;
use crate::unravel::no_jump::Which;

/// Cells that are driven, lose energy together and one by one.
fn driven(cells: u64, drive: f64, loss: f64) -> Problem {
    let mut p = Problem::builder("driven cells");
    let b = p.ensemble("B", cells, 2.0);
    p.hamiltonian(sx(b) * drive);
    p.collective("release", sm(b), 1.0 / cells as f64).each("loss", b, sm(b), loss);
    p.evolve("drive", 4.0, 4).observe([Quantity::Ergotropy]);
    p.build().unwrap()
}

/// The same beside a mode that drives them, where each trajectory's battery is in a mixed state.
fn charged(cells: u64) -> Problem {
    let mut p = Problem::builder("charged cells");
    let m = p.subsystem("A", crate::problem::Kind::Mode { cutoff: 5 }, 1.0);
    let b = p.ensemble("B", cells, 1.0);
    p.battery([b]).hamiltonian((a(m) + ad(m)) * 0.3).hamiltonian((a(m) * sp(b) + ad(m) * sm(b)) * 0.4);
    p.collective("leak", a(m), 1.0).each("loss", b, sm(b), 0.1);
    p.evolve("charge", 3.0, 3).observe([Quantity::Ergotropy]);
    p.build().unwrap()
}

/// A run of the battery along its axis, whatever its size.
fn sampled(problem: &Problem, engine: &Engine, trajectories: u64, seed: u64) -> Column {
    let options = RunOptions { trajectories, seed, threads: 1, shots: false, covariance: false, states: false };
    let (stop, size) = (Stop::default(), 16);
    let axes = axes(engine, problem, options, &stop).unwrap();
    let run = |which: Which, range: std::ops::Range<u64>, weights: Vec<f64>| {
        let task = Task { which, range, weights, group: 0, axes: Some(&axes) };
        let made = batch::run(engine, problem, options, task, &stop).unwrap().accumulated;
        Accumulated { densities: Vec::new(), ..made }
    };
    let no_jump = engine.no_jump(&stop).unwrap();
    let which = no_jump.as_ref().map_or(Which::Any, Which::Jumping);
    let mut all = Accumulated::default();
    for first in (0..trajectories).step_by(size) {
        let range = first..(first + size as u64).min(trajectories);
        let weights = vec![1.0; (range.end - range.start) as usize];
        all.merge(run(which, range, weights));
    }
    let known = no_jump.map(|known| run(Which::Never, 0..known.states() as u64, known.weights().collect()));
    all.no_jump = known.map(Box::new);
    table(problem, &all).unwrap().column("ergotropy").unwrap().clone()
}

/// Intervals hold the exact value but for one in twenty, and say something: their mean width is less than `widest` times the
/// most that there is in the run.
fn holds(problem: &Problem, (trajectories, seeds): (u64, u64), widest: f64) {
    let exact = solve(problem).unwrap().column("ergotropy").unwrap().value.clone();
    let (_, engine) = Engine::new(problem, None).unwrap();
    assert!(engine.has_battery_spin());
    let most = exact.iter().fold(0.0, |most: f64, x| most.max(*x));
    let (mut held, mut all) = (0, 0);
    let mut widths = vec![0.0; exact.len()];
    for seed in 0..seeds {
        let found = sampled(problem, &engine, trajectories, seed);
        let (lo, hi) = found.bounds.clone().unwrap();
        assert!((found.value[0] - exact[0]).abs() < 1e-9 && hi[0] - lo[0] < 1e-9, "{} {}", found.value[0], exact[0]);
        for (row, exact) in exact.iter().enumerate().skip(1) {
            held += u64::from(lo[row] <= *exact && *exact <= hi[row]);
            all += 1;
            widths[row] += (hi[row] - lo[row]) / most / seeds as f64;
        }
    }
    println!("{held} of {all} intervals hold, of widths {widths:.3?}");
    // 95 % of them, three standard errors of a count that has it less.
    let least = 0.95 * all as f64 - 3.0 * (0.05 * 0.95 * all as f64).sqrt();
    assert!(held as f64 >= least, "{held} of {all} intervals hold");
    assert!(widths.iter().all(|width| *width < widest), "widths {widths:.3?}, exactly {exact:.4?}");
}

#[test]
fn bounds_hold_the_exact_ergotropy() {
    holds(&driven(12, 0.8, 0.1), (400, 20), 0.2);
}

/// Each trajectory's battery is in a mixed state.
#[test]
fn bounds_hold_beside_a_charger() {
    holds(&charged(6), (400, 20), 0.3);
}

/// Rare jumps: most of the weight is in the branch without.
#[test]
fn bounds_hold_where_hardly_anything_jumps() {
    holds(&driven(8, 0.3, 0.002), (200, 20), 0.3);
}

#[test]
#[ignore = "statistical tier"]
fn bounds_hold_in_many_runs() {
    for (drive, loss) in [(0.2, 0.1), (0.5, 0.05), (1.5, 0.1), (1.0, 0.5)] {
        holds(&driven(24, drive, loss), (1000, 40), 0.25);
    }
    holds(&driven(40, 0.5, 0.1), (2000, 40), 0.15);
    holds(&charged(10), (1000, 40), 0.3);
}
