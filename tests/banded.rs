//! Trajectories on blocks that are not stored take the same paths as on stored ones, from the same random numbers.

mod common;

use common::{example, options};
use leyden::models::{Dephased, Part};
use leyden::problem::{Axis, Initial, Kind, OpSum, Problem, Quantity, a, ad, n, sm, sp, sx, sy, sz};
use leyden::run::{self, Outcome};
use leyden::space::blocks::Blocks;
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::unravel::Unraveling;
use leyden::unravel::banded::BandedJump;
use leyden::unravel::block_jump::BlockJump;
use num_complex::Complex64;
use std::f64::consts::PI;

fn sample(engine: &impl Unraveling, problem: &Problem, trajectories: u64) -> Outcome {
    run::sample(engine, problem, options(trajectories, 9), &Stop::default(), &mut |_| true).unwrap()
}

fn blocks(problem: &Problem) -> Blocks {
    Blocks::compile(problem, Representation::Symmetric.style().unwrap()).unwrap()
}

/// The same jumps, and the same averages and densities but for rounding.
#[track_caller]
fn assert_same_paths(problem: &Problem, trajectories: u64) {
    let stored = sample(&BlockJump::new(blocks(problem)), problem, trajectories);
    let banded = sample(&BandedJump::new(blocks(problem)).unwrap(), problem, trajectories);
    let (a, b) = (stored.shots.unwrap(), banded.shots.unwrap());
    assert!(a.jumps.iter().any(|count| *count > 0), "nothing jumps");
    assert_eq!(a.jumps, b.jumps);
    for (x, y) in a.energy_mean.iter().zip(&b.energy_mean) {
        assert!((x - y).abs() < 1e-8, "{x} {y}");
    }
    let (a, b) = (stored.accumulated, banded.accumulated);
    let slots = problem.protocol().row_count() * problem.linear().len();
    for slot in 0..slots {
        let (x, y) = (a.moments.mean(slot), b.moments.mean(slot));
        assert!((x - y).abs() < 1e-8 * x.abs().max(1.0), "average {slot}: {x} {y}");
    }
    for (mine, theirs) in a.densities.iter().zip(&b.densities) {
        for (label, block) in &mine.blocks {
            // Batches, and with them groups, are of another size.
            let (sum, other) = (block.total(1.0, &|_| true), theirs.blocks[label].total(1.0, &|_| true));
            for k in 0..block.dimension().pow(2) {
                let place = (k / block.dimension(), k % block.dimension());
                let (x, y) = (sum[place], other[place]);
                assert!((x - y).norm() < 1e-8 * trajectories as f64, "{label:?}: {x} {y}");
            }
        }
    }
}

/// Σσ⁻ with a coherent drive and every kind of local channel.
fn driven(cells: u64, initial: Initial) -> Problem {
    let mut p = Problem::builder("driven ensemble");
    let b = p.ensemble("B", cells, 1.0);
    p.initial(b, initial);
    p.hamiltonian(sx(b) * 0.8 + sy(b) * -0.3 + sz(b) * 0.2);
    p.collective("release", sm(b), 1.0 / cells as f64);
    p.each("loss", b, sm(b), 0.3);
    let mixed: OpSum = sm(b) * Complex64::new(0.3, 0.4) + sp(b) * 0.5 + n(b) * Complex64::new(0.0, 0.7);
    p.each("mixed", b, mixed, 0.4);
    p.evolve("first", 1.0, 3).rotate(b, Axis::X, 0.7).evolve("second", 0.5, 2);
    p.observe([Quantity::Magnetisation(b), Quantity::Energy, Quantity::Ergotropy]);
    p.build().unwrap()
}

#[test]
fn driven_ensembles_take_the_same_paths() {
    for cells in [1, 2, 3, 9, 40] {
        assert_same_paths(&driven(cells, Initial::Ground), 64);
        assert_same_paths(&driven(cells, Initial::Thermal { ratio: 0.6 }), 64);
    }
}

/// A window much smaller than the block: the state starts and stays narrow.
#[test]
fn windows_lose_nothing() {
    assert_same_paths(&driven(400, Initial::Ground), 4);
}

/// Where something is a million times faster than what happens, tables take over from polynomials.
#[test]
fn stiff_blocks_take_the_same_paths() {
    for rate in [1e3, 1e6] {
        let mut p = Problem::builder("a fast channel");
        let b = p.ensemble("B", 20, 1.0);
        p.hamiltonian(sx(b));
        p.collective("release", sm(b), rate).each("loss", b, sm(b), 0.1 / rate);
        // Watched so closely, the drive excites a cell once in a time of `rate`.
        p.evolve("drive", 5.0 * rate, 3).observe([Quantity::Magnetisation(b)]);
        assert_same_paths(&p.build().unwrap(), 16);
    }
}

#[test]
fn chargers_take_the_same_paths() {
    for (text, sizes) in [
        (include_str!("../examples/charger_1.toml"), "N_C=30 N_B=6 gamma_up=0.5 t_end=0.3 samples=7"),
        (include_str!("../examples/charger_2.toml"), "N_C=12 N_B=3 gamma_up=1 t_end=0.5 samples=7"),
        (include_str!("../examples/charger_3.toml"), "N_C=8 N_B=2 gamma_up=2 t_end=0.5 samples=7"),
    ] {
        assert_same_paths(&example(text, sizes), 64);
    }
}

/// Quanta come and go in pairs: half of the places of the lattice are never met.
#[test]
fn parities_take_the_same_paths() {
    let mut p = Problem::builder("twisted about x");
    let b = p.ensemble("B", 24, 1.0);
    p.hamiltonian(sx(b) * sx(b) * 0.05 + sz(b) * 0.2);
    p.collective("release", sm(b), 0.05).each("loss", b, sm(b), 0.3).each("dephasing", b, sz(b), 0.1);
    p.evolve("first", 1.0, 3).rotate(b, Axis::X, PI).evolve("second", 0.5, 2);
    p.observe([Quantity::Magnetisation(b), Quantity::Energy, Quantity::Ergotropy]);
    let twisted = p.build().unwrap();
    let mut p = Problem::builder("a mode that is squeezed while it is emptied into an ensemble");
    let (c, m) = (p.ensemble("C", 3, 1.0), p.subsystem("A", Kind::Mode { cutoff: 14 }, 1.0));
    p.hamiltonian((ad(m) * ad(m) + a(m) * a(m)) * 0.3 + (sp(c) * a(m) + sm(c) * ad(m)) * 0.7);
    p.collective("leak", a(m), 0.4).each("loss", c, sm(c), 0.2);
    p.evolve("squeeze", 1.5, 4).observe([Quantity::EnergyOf(m), Quantity::EnergyOf(c), Quantity::Ergotropy]);
    let squeezed = p.build().unwrap();
    for problem in [&twisted, &squeezed] {
        let charges = blocks(problem).describe_charges();
        assert!(charges.iter().any(|charge| charge.starts_with("the parity")), "{charges:?}");
        assert_same_paths(problem, 64);
    }
}

#[test]
fn other_systems_take_the_same_paths() {
    assert_same_paths(&example(include_str!("../examples/cavity.toml"), "N=5 samples=5"), 64);
    assert_same_paths(&example(include_str!("../examples/star.toml"), "N=6 F=2 samples=5"), 64);
    assert_same_paths(&example(include_str!("../examples/reenergise.toml"), "N=3"), 64);
    let star = Dephased { battery: Part::Spins(5), drive: 3.0, ..Dephased::default() };
    assert_same_paths(&star.problem().unwrap(), 64);
}
