//! Steady states by trajectories, against those that can be solved for.

mod common;

use common::{assert_at_least, options};
use leyden::exact;
use leyden::prelude::*;
use leyden::problem::OpSum;
use leyden::run::RunOptions;
use leyden::settled::{Settled, settled};
use leyden::stop::Stop;

/// A driven cell that decays, seen for a time that is short beside its relaxation.
fn fluorescence() -> Problem {
    let mut p = Problem::builder("resonance fluorescence");
    let b = p.ensemble("B", 1, 2.0);
    p.hamiltonian(sx(b) * 0.7).collective("light", sm(b), 1.0);
    p.evolve("shine", 0.3, 2);
    p.observe([Quantity::Energy, Quantity::Ergotropy, Quantity::EnergyVariance, Quantity::Power]);
    p.observe([Quantity::Jumps(ChannelId::new(0))]);
    p.build().unwrap()
}

fn sampled(problem: &Problem, trajectories: u64, seed: u64) -> Settled {
    settled(problem, None, options(trajectories, seed), &Stop::default(), &mut |_| {}).unwrap()
}

#[test]
fn averages_over_time_cover_the_steady_state() {
    let problem = fluorescence();
    let exact = exact::steady(&problem, None, &Stop::default()).unwrap();
    let truth = |name: &str| exact.column(name).unwrap().value[0];
    let (runs, trajectories) = (200, 64);
    let (mut means, mut bounds, mut widths) = (0, 0, 0.0);
    for seed in 0..runs {
        let Settled { table, window: (from, until) } = sampled(&problem, trajectories, seed);
        assert!(until >= 8.0 && from == 0.5 * until && table.rows.len() == 1);
        let energy = table.column("energy").unwrap();
        let error = energy.se.as_ref().unwrap()[0];
        // Student's t of 63 degrees at 95 %.
        means += u64::from((energy.value[0] - truth("energy")).abs() <= 1.9983 * error);
        widths += error / runs as f64;
        let (lo, hi) = table.column("ergotropy").unwrap().bounds.as_ref().unwrap();
        bounds += u64::from(lo[0] - 1e-12 <= truth("ergotropy") && truth("ergotropy") <= hi[0] + 1e-12);
        assert_eq!(table.column("power").unwrap().value, [0.0]);
        assert!(table.column("jumps_light").unwrap().value[0].is_nan());
        let names = |table: &leyden::table::Table| -> Vec<String> {
            let kept = table.columns.iter().map(|c| c.name.clone());
            kept.filter(|name| !name.ends_with("_undersampled")).collect()
        };
        assert_eq!(names(&table), names(&exact));
    }
    assert_at_least(means, runs, 0.95, "energy");
    assert_at_least(bounds, runs, 0.95, "ergotropy");
    // The average over time is worth more than the state at one time.
    let mut later = problem.edit();
    later.evolve("on", 20.0, 1);
    let at_once = sample(&later.build().unwrap(), &Sampling { trajectories: 6_400, ..Default::default() }).unwrap();
    let at_once = 10.0 * at_once["energy"].last().se.unwrap(); // of 64
    assert!(widths < 0.7 * at_once, "an average over time is known to {widths}, the state at one time to {at_once}");
}

/// What has no average over time is waited for too, and what falls to 0 not for ever.
#[test]
fn coherence_is_waited_for() {
    let plus = |jump: fn(SubsystemId) -> OpSum| {
        let mut p = Problem::builder("a cell that loses its coherence");
        let b = p.subsystem("B", Kind::Network { cells: 1, edges: Vec::new() }, 1.0);
        p.initial(b, Initial::plus()).collective("fade", jump(b), 0.5);
        p.evolve("wait", 0.1, 1).observe([Quantity::Energy, Quantity::Coherence]);
        p.build().unwrap()
    };
    for (jump, energy) in [(sz as fn(SubsystemId) -> OpSum, 0.5), (sm, 0.0)] {
        let problem = plus(jump);
        let Settled { table, window: (_, until) } = sampled(&problem, 400, 3);
        // Twice the power of 2 at which what has not decayed, e^(−γT/2), is below 1e-12 of the range: γT = 64.
        assert!((16.0..=256.0).contains(&until), "{until}");
        let found = table.column("energy").unwrap();
        assert!((found.value[0] - energy).abs() <= 5.0 * found.se.as_ref().unwrap()[0] + 1e-9);
        let (lo, hi) = table.column("coherence").unwrap().bounds.as_ref().unwrap();
        assert!(lo[0] <= 1e-9 && hi[0] < 0.3, "coherence in [{}, {}]", lo[0], hi[0]);
    }
}

/// Bit for bit, on any number of threads.
#[test]
fn the_same_seed_gives_the_same_average() {
    let problem = fluorescence();
    let one = |threads| {
        let options = RunOptions { threads, ..options(50, 5) };
        settled(&problem, None, options, &Stop::default(), &mut |_| {}).unwrap().table.column("energy").unwrap().clone()
    };
    assert_eq!(one(1), one(2));
    assert_ne!(one(1), sampled(&problem, 50, 6).table.column("energy").unwrap().clone());
}

#[test]
fn what_has_no_steady_state_is_refused() {
    let refused = |problem: &Problem, trajectories: u64, what: &str| {
        let error =
            settled(problem, None, options(trajectories, 1), &Stop::default(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(&fluorescence(), 15, "at least 16");
    let pumped = |asked: fn(ChannelId) -> Quantity, repeat: u64| {
        let mut p = Problem::builder("pumped");
        let b = p.ensemble("B", 2, 1.0);
        p.each("in", b, sp(b), 1.0);
        p.evolve("pump", 1.0, 1).repeat(repeat).observe([asked(ChannelId::new(0))]);
        p.build().unwrap()
    };
    refused(&pumped(Quantity::Jumps, 1), 20, "a steady state has a value of");
    refused(&pumped(|_| Quantity::Energy, 3), 20, "cycle");
    let mut p = Problem::builder("no time");
    let b = p.ensemble("B", 1, 1.0);
    p.each("out", b, sm(b), 1.0);
    p.evolve("none", 0.0, 1).observe([Quantity::Energy]);
    refused(&p.build().unwrap(), 20, "no duration");
    let mut p = Problem::builder("a drive that rises");
    let b = p.ensemble("B", 1, 1.0);
    p.each("out", b, sm(b), 1.0).drive("laser", sx(b), Envelope::Linear { start: 0.0, slope: 1.0 });
    p.evolve("drive", 1.0, 1).observe([Quantity::Energy]);
    refused(&p.build().unwrap(), 20, "changes in time");
}
