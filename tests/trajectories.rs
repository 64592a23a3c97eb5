//! Trajectories one by one: what holds on every step, what a seed fixes, and their law against both exact solvers.

mod common;

use common::*;
use leyden::RunError;
use leyden::battery::Battery;
use leyden::exact::{naive, rate_equation::RateEquation};
use leyden::problem::{Axis, ChannelId, Initial, Problem, ProblemBuilder, Quantity, SubsystemId, n, sm, sp, sz};
use leyden::protocol::Moment;
use leyden::run::{self, RunOptions};
use leyden::space::ladder::{Ladder, draw_initial};
use leyden::stop::Stop;
use leyden::table::Table;
use leyden::unravel::ladder_jump::LadderJump;
use leyden::unravel::no_jump::Which;
use leyden::unravel::trajectory::{Recorder, run_batch};
use leyden::unravel::{Batch, States, Unraveling};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

const AGING: &str = include_str!("../examples/aging.toml");
const RELEASE: &str = include_str!("../examples/aging_release.toml");

/// Rates of loss, release, dephasing, pump and absorption.
type Rates = [f64; 5];

/// N cells with every kind of channel, charged, stored and released twice.
fn all_channels(cells: u64, rates: Rates, samples: usize) -> ProblemBuilder {
    let mut p = Problem::builder("all channels");
    let b = p.ensemble("B", cells, 1.0);
    p.each("loss", b, sm(b), rates[0]).collective("release", sm(b), rates[1]).only(["discharge"]);
    p.each("dephasing", b, sz(b), rates[2]).each("pump", b, sp(b), rates[3]);
    p.collective("absorption", sp(b), rates[4]).only(["storage"]);
    p.rotate(b, Axis::X, PI).evolve("storage", 0.4, samples).evolve("discharge", 0.3, samples).repeat(2);
    p.observe([Quantity::Magnetisation(b), Quantity::SpinLength(b), Quantity::Energy, Quantity::EnergyVariance]);
    p.observe([Quantity::Ergotropy, Quantity::Released(None)]).observe((0..5).map(ChannelId::new).map(Quantity::Jumps));
    p
}

/// Checks every row of every trajectory against the row before.
struct Inspector {
    battery: Battery,
    cells: i64,
    /// (2J, 2M) and the jumps since the step began, of each trajectory at the row before.
    before: Vec<(i64, i64, Vec<u64>)>,
    single_jumps: usize,
}

/// Change of M by a jump of each channel of [`all_channels`], and whether J may change.
const EFFECTS: [(i64, bool); 5] = [(-1, true), (-1, false), (0, true), (1, true), (1, false)];

impl<B: Batch> Recorder<B> for Inspector {
    fn row(&mut self, batch: &B, _: &Moment) -> Result<(), RunError> {
        let first = self.before.is_empty();
        for k in 0..batch.trajectories() {
            let (two_j, up) = self.battery.states(batch.cell(k).unwrap())[0];
            let (two_j, two_m) = (two_j as i64, 2 * up as i64 - two_j as i64);
            assert!(two_m.abs() <= two_j && two_j <= self.cells && (self.cells - two_j) % 2 == 0, "{two_j} {two_m}");
            let counts = batch.counts(k).to_vec();
            if first {
                self.before.push((two_j, two_m, counts));
                continue;
            }
            let (last_j, last_m, last) = &self.before[k];
            // A step that has just begun starts where the one before ended, or at its mirror image.
            let begun = counts.iter().all(|c| *c == 0);
            if begun && (two_m == -last_m || two_m == *last_m) && two_j == *last_j {
                self.before[k] = (two_j, two_m, counts);
                continue;
            }
            let jumps: Vec<i64> = counts.iter().zip(last).map(|(now, then)| *now as i64 - *then as i64).collect();
            assert!(jumps.iter().all(|n| *n >= 0), "jumps were lost: {jumps:?}");
            let shift: i64 = jumps.iter().zip(EFFECTS).map(|(n, (m, _))| n * m).sum();
            assert_eq!(two_m - last_m, 2 * shift, "energy balance: {jumps:?}");
            let movers: i64 = jumps.iter().zip(EFFECTS).map(|(n, (_, moves_j))| n * i64::from(moves_j)).sum();
            assert!((two_j - last_j).abs() <= 2 * movers, "J moved by {} in {jumps:?}", two_j - last_j);
            self.single_jumps += usize::from(jumps.iter().sum::<i64>() == 1);
            self.before[k] = (two_j, two_m, counts);
        }
        Ok(())
    }
}

/// Follow `trajectories` through a grid so fine that most rows see one jump at most; how often it was one.
fn inspect(problem: &Problem, seed: u64, trajectories: u64) -> usize {
    let engine = LadderJump::new(Ladder::compile(problem).unwrap());
    let mut batch = engine.start(seed, 0..trajectories, &Stop::default());
    let cells = problem.subsystems()[0].cells() as i64;
    let battery = Battery::of(problem).unwrap();
    let mut inspector = Inspector { battery, cells, before: Vec::new(), single_jumps: 0 };
    run_batch(problem, &mut batch, &Stop::default(), &mut inspector).unwrap();
    inspector.single_jumps
}

#[test]
fn every_jump_is_legal_and_accounts_for_its_energy() {
    let problem = all_channels(12, [1.0, 2.0, 0.7, 0.5, 0.3], 600).build().unwrap();
    assert!(inspect(&problem, 1, 40) > 1000, "the grid is too coarse to see single jumps");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn jumps_are_legal_at_any_rates(
        cells in 1u64..30,
        rates in proptest::array::uniform5(prop_oneof![Just(0.0), 1e-3..10.0]),
        seed in 0u64..1000,
        ratio in prop_oneof![Just(0.0), 0.01..3.0],
    ) {
        let mut builder = all_channels(cells, rates, 50);
        builder.initial(SubsystemId::new(0), Initial::Thermal { ratio });
        inspect(&builder.build().unwrap(), seed, 5);
    }
}

#[test]
fn shots_balance_the_energy_of_each_trajectory() {
    let problem = example(RELEASE, "N=30 gamma_up=0.5 gamma_phi=0.5 samples=3 omega=2");
    let shots = run(&problem, options(500, 3)).shots.unwrap();
    for (k, energy) in shots.energy_mean.iter().enumerate() {
        let [loss, release, _, pump] = shots.jumps[4 * k..][..4] else { panic!("four channels") };
        let excited = 30 + pump as i64 - loss as i64 - release as i64;
        assert_eq!(*energy, 2.0 * excited as f64);
        assert_eq!(shots.energy_outcome[k], *energy);
        assert_eq!(shots.released[k], 2.0 * release as f64);
    }
    // Cycle after cycle the pulse turns E into Nω − E, and the energy released is ω times the jumps of the channel.
    let cycles = run(&example(AGING, "N=15 cycles=4"), options(300, 3)).shots.unwrap();
    for k in 0..300 {
        let released: f64 = cycles.released[4 * k..][..4].iter().sum();
        assert_eq!(released, cycles.jumps[4 * k + 1] as f64);
    }
}

#[test]
fn a_path_does_not_depend_on_the_output_grid() {
    for overrides in ["N=11 cycles=3 gamma_up=0.4 gamma_phi=0.6", "N=140 cycles=2", "N=1 cycles=5 gamma=9"] {
        let shots = |samples: u32| {
            run(&example(AGING, &format!("{overrides} samples={samples}")), options(400, 11)).shots.unwrap()
        };
        let one = shots(1);
        for samples in [2, 7] {
            assert!(one == shots(samples), "{overrides} samples={samples}");
        }
    }
}

#[test]
fn an_interrupted_run_is_the_shorter_run() {
    let problem = example(AGING, "N=10 cycles=2 samples=2");
    let engine = LadderJump::new(Ladder::compile(&problem).unwrap());
    let size = run::batch_size(&engine, &problem, options(1, 5));
    for threads in [1, 4] {
        let stop = Stop::default();
        let asked = RunOptions { threads, covariance: true, ..options(40 * size, 5) };
        let cut = run::sample(&engine, &problem, asked, &stop, &mut |so_far| {
            let done = so_far.trajectories();
            if done >= 3 * size {
                stop.request();
            }
            true
        });
        let cut = cut.unwrap();
        assert!(cut.interrupted && cut.trajectories >= 3 * size && cut.trajectories % size == 0);
        let whole = run(&problem, RunOptions { trajectories: cut.trajectories, threads: 3, ..asked });
        assert!(!whole.interrupted);
        assert!(cut.accumulated == whole.accumulated && cut.shots == whole.shots, "{threads} threads");
    }
}

#[test]
fn a_stopping_rule_does_not_depend_on_threads() {
    let problem = example(AGING, "N=10 cycles=2 samples=2");
    let engine = LadderJump::new(Ladder::compile(&problem).unwrap());
    let size = run::batch_size(&engine, &problem, options(1, 5));
    let run = |threads| {
        let options = RunOptions { threads, ..options(40 * size, 5) };
        run::sample(&engine, &problem, options, &Stop::default(), &mut |so_far| so_far.trajectories() < 5 * size)
            .unwrap()
    };
    let one = run(1);
    assert_eq!((one.trajectories, one.interrupted), (5 * size, false));
    assert!(one == run(3));
}

/// A change of any of these numbers means that seeds give other trajectories than before, so that published runs no
/// longer reproduce: it needs a line in the changelog.
#[test]
fn pinned_draws_of_the_ladder_jump_unraveling() {
    let problem = example(AGING, "N=8 Gamma=40 tau_s=0.2 tau_d=0.1 cycles=2 samples=1 gamma_phi=0.3 gamma_up=0.2");
    let shots = run(&problem, options(6, 1)).shots.unwrap();
    assert_eq!(shots.energy_mean, [3.0, 2.0, 2.0, 0.0, 2.0, 3.0]);
    assert_eq!(shots.released, [3.0, 2.0, 3.0, 4.0, 4.0, 4.0, 3.0, 4.0, 8.0, 3.0, 6.0, 2.0]);
    let jumps = [[5, 5, 0, 1], [3, 7, 1, 0], [2, 8, 1, 0], [5, 7, 1, 0], [3, 11, 0, 2], [5, 8, 1, 0]];
    assert_eq!(shots.jumps, jumps.concat());
    let mut thermal = Problem::builder("thermal");
    let b = thermal.ensemble("B", 20, 1.0);
    thermal.initial(b, Initial::Thermal { ratio: 0.7 }).evolve("wait", 0.0, 1).observe([Quantity::Energy]);
    // Where nothing happens a run draws nothing: it has all 121 states of this mixture with their weights.
    let engine = LadderJump::new(Ladder::compile(&thermal.build().unwrap()).unwrap());
    let (stop, mut energies) = (Stop::default(), vec![0.0; 8]);
    engine.start_of(Which::Any, 2, 0..8, &stop).linear(0, 0, &mut energies);
    assert_eq!(energies, [11.0, 5.0, 4.0, 7.0, 7.0, 11.0, 11.0, 13.0]);
}

/// Compare every linear quantity and variance at every row.
fn assert_law(problem: &Problem, exact: &Table, run: &run::Outcome, resolution: f64) {
    let sampled = leyden::estimate::columns::table(problem, &run.accumulated).unwrap();
    for column in exact.columns.iter().filter(|c| c.name != "ergotropy") {
        let mine = sampled.column(&column.name).unwrap();
        for row in 0..exact.rows.len() {
            assert_z(mine.value[row], mine.se.as_ref().unwrap()[row], column.value[row], 1e-9, resolution);
        }
    }
    let ergotropy = sampled.column("ergotropy").unwrap();
    let (lo, hi) = ergotropy.bounds.as_ref().unwrap();
    for (row, exact) in exact.column("ergotropy").unwrap().value.iter().enumerate() {
        // The bounds hold 1.96 standard errors; the suite allows what assert_z does.
        let se = ergotropy.se.as_ref().unwrap()[row];
        assert_z(exact.clamp(lo[row], hi[row]), se, *exact, 1e-9, resolution);
    }
}

#[test]
fn trajectories_follow_both_exact_solvers_with_every_channel_on() {
    let problem = all_channels(3, [1.0, 4.0, 0.6, 0.8, 0.5], 2).build().unwrap();
    let full = naive::solve(&problem).unwrap();
    let rate = RateEquation::new(&problem).unwrap().solve().unwrap();
    for (a, b) in full.columns.iter().zip(&rate.columns) {
        for row in 0..full.rows.len() {
            assert_close(b.value[row], a.value[row], 1e-9, &format!("{} at row {row}", a.name));
        }
    }
    assert_law(&problem, &full, &run(&problem, options(60_000, 21)), 0.02);
}

#[test]
fn collective_dephasing_and_thermal_starts_follow_the_full_space() {
    let mut p = Problem::builder("collective");
    let b = p.ensemble("B", 4, 1.0);
    p.initial(b, Initial::Thermal { ratio: 0.4 });
    p.collective("release", sm(b), 1.5).collective("kick", n(b), 0.7).each("flicker", b, n(b), 0.9);
    p.each("pump", b, sp(b), 1.1).collective("absorption", sp(b), 0.6);
    p.evolve("run", 0.5, 2).rotate(b, Axis::Y, PI).evolve("after", 0.3, 1).repeat(2);
    p.observe([Quantity::Magnetisation(b), Quantity::SpinLength(b), Quantity::Energy, Quantity::EnergyVariance]);
    p.observe([Quantity::Ergotropy, Quantity::Released(None)]).observe((0..5).map(ChannelId::new).map(Quantity::Jumps));
    let problem = p.build().unwrap();
    let full = naive::solve(&problem).unwrap();
    assert_law(&problem, &full, &run(&problem, options(60_000, 22)), 0.06);
}

/// tests/data/S3_small_*.json: full space (QuTiP), permutation-invariant solver and rate equation agree on these.
#[test]
fn small_batteries_match_the_reference_numbers() {
    for name in ["S3_small_N5", "S3_small_N10"] {
        let data = reference(name);
        let of = |key: &str| data["params"][key].as_f64().unwrap();
        let (cells, cycles) = (of("N") as u64, of("cycles") as u64);
        let (gamma, release) = (of("g"), of("Gam"));
        let overrides = format!(
            "N={cells} cycles={cycles} gamma={gamma} Gamma={release} tau_s={} tau_d={} gamma_phi={} gamma_up={} samples=2",
            of("ts"),
            of("td"),
            of("gphi"),
            of("w")
        );
        let problem = example(AGING, &overrides);
        let exact = RateEquation::new(&problem).unwrap().solve().unwrap();
        let outcome = run(&problem, options(20_000, 8));
        let sampled = leyden::estimate::columns::table(&problem, &outcome.accumulated).unwrap();
        // The reference has five rows a cycle; ours repeats the end of storage as the start of discharge.
        let rows: Vec<usize> = (0..exact.rows.len()).filter(|row| row % 6 != 3).collect();
        for (theirs, ours) in [("Sz", "M"), ("S", "S"), ("VarSz", "energy_var")] {
            let values = numbers(&data["observables"][theirs]);
            assert_eq!(values.len(), rows.len());
            let (exact, sampled) = (exact.column(ours).unwrap(), sampled.column(ours).unwrap());
            for (value, &row) in values.iter().zip(&rows) {
                assert_close(exact.value[row], *value, 1e-8, &format!("{name} {ours} row {row}"));
                assert_z(sampled.value[row], sampled.se.as_ref().unwrap()[row], *value, 1e-9, 0.06);
            }
        }
    }
}

/// Four cells at infinite temperature: P(J) = 5/16, 9/16 and 2/16 for J = 2, 1 and 0, so that ⟨J(J+1)⟩ = 3.
#[test]
fn a_thermal_start_has_its_share_of_each_spin() {
    const DRAWS: u32 = 400_000;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut found = [0u32; 3];
    for _ in 0..DRAWS {
        let rung = draw_initial(4, &Initial::Thermal { ratio: 1.0 }, &mut rng);
        found[rung.two_j as usize / 2] += 1;
    }
    for (j, (count, share)) in found.into_iter().zip([2.0, 9.0, 5.0]).enumerate() {
        let p: f64 = share / 16.0;
        let error = (p * (1.0 - p) / f64::from(DRAWS)).sqrt();
        assert_z(f64::from(count) / f64::from(DRAWS), error, p, 0.0, 1e-3);
        println!("J = {j}: {count} of {DRAWS}, expected a share of {p}");
    }
    let squared = f64::from(6 * found[2] + 2 * found[1]) / f64::from(DRAWS);
    assert_z(squared, (4.5 / f64::from(DRAWS)).sqrt(), 3.0, 0.0, 4e-3);
}
