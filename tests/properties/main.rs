//! Random small problems: every representation that accepts one agrees with the naive Liouvillian in the full space, and
//! so do trajectories.

#[path = "../common/mod.rs"]
mod common;
mod maker;

use faer::{Mat, Side};
use leyden::RunError;
use leyden::estimate::{columns, verify};
use leyden::exact::blocks::Ending;
use leyden::exact::{blocks, naive};
use leyden::models::{Graph, Network};
use leyden::problem::{ChannelId, Envelope, Initial, Kind, Op, OpSum, Problem, Quantity, Step, Subsystem};
use leyden::run::{self, RunOptions};
use leyden::space::blocks::{Blocks, Style};
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::unravel::banded::BandedJump;
use leyden::unravel::block_jump::BlockJump;
use leyden::unravel::engine::Engine;
use maker::{random, random_battery, random_in_time, random_of_few_quanta};
use num_complex::Complex64;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of random problems of the fast tier; the statistical tier runs many more.
const FEW: u64 = 100;
const MANY: u64 = 600;

const STYLES: [Style; 3] = [
    Style { spins: false, charges: false },
    Style { spins: false, charges: true },
    Style { spins: true, charges: true },
];

/// Every style that accepts the problem, against the full-space Liouvillian; how many did.
fn check(seed: u64) -> [usize; 3] {
    check_problem(seed, random(seed))
}

fn check_problem(seed: u64, problem: Problem) -> [usize; 3] {
    let reference = naive::solve(&problem).unwrap_or_else(|e| panic!("{seed}: {e}\n{}", problem.describe()));
    let mut accepted = [0; 3];
    for (count, style) in accepted.iter_mut().zip(STYLES) {
        let table = match blocks::solve(&problem, style, &Default::default()) {
            Ok(table) => table,
            Err(leyden::RunError::Compile(_)) => continue,
            Err(error) => panic!("{seed}: {error}\n{}", problem.describe()),
        };
        *count = 1;
        for (mine, theirs) in table.columns.iter().zip(&reference.columns) {
            assert_eq!(mine.name, theirs.name);
            for (row, (a, b)) in mine.value.iter().zip(&theirs.value).enumerate() {
                let same = (a.is_nan() && b.is_nan()) || (a - b).abs() <= 2e-9 * b.abs().max(1.0);
                assert!(
                    same,
                    "{seed}, {style:?}, {} row {row}: {a}, full space {b}\n{}",
                    mine.name,
                    problem.describe()
                );
            }
        }
    }
    accepted
}

fn check_many(seeds: std::ops::Range<u64>, check: impl Fn(u64) -> [usize; 3]) {
    check_at_least(4, seeds, check);
}

/// The same where one problem of `of` is stored by spins, at least.
fn check_at_least(of: usize, seeds: std::ops::Range<u64>, check: impl Fn(u64) -> [usize; 3]) {
    let mut total = [0; 3];
    for seed in seeds.clone() {
        total.iter_mut().zip(check(seed)).for_each(|(t, c)| *t += c);
    }
    let n = (seeds.end - seeds.start) as usize;
    assert!(total[0] == n && total[1] > n / 8 && total[2] > n / of, "too few problems in some style: {total:?} of {n}");
}

#[test]
fn representations_agree_with_the_full_space() {
    check_many(0..FEW, check);
}

#[test]
#[ignore = "statistical tier"]
fn representations_agree_with_the_full_space_on_many_problems() {
    check_many(FEW..FEW + MANY, check);
}

/// Without damping a pure state, or a mixture of few, is solved as vectors: with pulses, drives and mixed starts.
#[test]
fn vectors_agree_with_the_full_space() {
    check_many(0..FEW, |seed| {
        let problem = random(seed);
        let mut closed = problem.edit();
        for channel in problem.channel_ids() {
            closed.rate(channel, 0.0);
        }
        closed.keep_steps(|step| !matches!(step, Step::Reset { .. }));
        check_problem(seed, closed.build().unwrap())
    });
}

/// Spaces of few quanta, in which every operator is cut alike.
#[test]
fn spaces_of_few_quanta_agree_with_the_full_space() {
    check_many(0..FEW, |seed| check_problem(seed, random_of_few_quanta(seed)));
    let cut = (0..FEW).filter(|seed| !random_of_few_quanta(*seed).at_most_is_exact()).count();
    assert!(cut >= 25, "only {cut} of these spaces cut anything off");
}

/// Batteries of their own: Hamiltonians, joint states, gates, cells of unequal energy.
#[test]
fn batteries_agree_with_the_full_space() {
    check_at_least(8, 0..FEW, |seed| check_problem(seed, random_battery(seed)));
}

#[test]
#[ignore = "statistical tier"]
fn batteries_agree_with_the_full_space_on_many_problems() {
    check_at_least(8, FEW..FEW + MANY, |seed| check_problem(seed, random_battery(seed)));
}

#[test]
fn trajectories_agree_with_batteries() {
    (0..15).for_each(|seed| check_trajectories_of(seed, random_battery(seed), 3_000));
}

#[test]
fn functions_of_time_agree_with_the_full_space() {
    check_many(0..FEW / 4, |seed| check_problem(seed, random_in_time(seed)));
}

#[test]
#[ignore = "statistical tier"]
fn functions_of_time_agree_with_the_full_space_on_many_problems() {
    check_many(FEW / 4..FEW, |seed| check_problem(seed, random_in_time(seed)));
}

/// The limit t → ∞ of random problems some of whose channels are off, or that there is none, against the full space;
/// how many had one and how many had none.
fn check_steady(seed: u64) -> [usize; 2] {
    let problem = random(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut once = problem.edit();
    once.repeat(1);
    for channel in problem.channel_ids() {
        if rng.random_bool(0.6) {
            once.rate(channel, 0.0);
        }
    }
    let problem = once.build().unwrap();
    let states = |s: &Subsystem| match &s.kind {
        Kind::Ensemble { cells } => 1 << cells,
        Kind::Network { cells, .. } => 1 << cells,
        Kind::Mode { cutoff } => *cutoff,
        Kind::Levels { energies } => energies.len(),
    };
    if problem.subsystems().iter().map(states).product::<usize>() > 8 {
        return [0, 0];
    }
    let reference = match naive::steady(&problem) {
        Err(RunError::Numerics { .. }) => return [0, 0], // too slow for it
        other => other,
    };
    for style in STYLES {
        let context = || format!("{seed}, {style:?}\n{}", problem.describe());
        match (&reference, blocks::steady(&problem, style, Ending::Limit, &Stop::default())) {
            (_, Err(RunError::Compile(_))) | (Err(RunError::NoLimit { .. }), Err(RunError::NoLimit { .. })) => {}
            (Ok(reference), Ok(table)) => {
                for (mine, theirs) in table.columns.iter().zip(&reference.columns) {
                    let (a, b) = (mine.value[0], theirs.value[0]);
                    let same = (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 * b.abs().max(1.0);
                    assert!(same, "{}: {a}, full space {b}; {}", mine.name, context());
                }
            }
            (reference, found) => panic!("{found:?}, full space {reference:?}; {}", context()),
        }
    }
    if reference.is_ok() { [1, 0] } else { [0, 1] }
}

#[test]
fn limits_exist_where_they_do_in_the_full_space() {
    let mut total = [0; 2];
    for seed in 0..2 * FEW {
        total.iter_mut().zip(check_steady(seed)).for_each(|(t, c)| *t += c);
    }
    assert!(total.iter().all(|t| *t >= 15), "too few problems with a limit, or without: {total:?}");
}

/// Trajectories in every style against the exact solution, by the comparison that `leyden verify` makes. With a false
/// alarm of 1e-6 a problem and style, all of them together stay below 1e-3.
fn check_trajectories(seed: u64, trajectories: u64) {
    check_trajectories_of(seed, random(seed), trajectories);
}

fn check_trajectories_of(seed: u64, problem: Problem, trajectories: u64) {
    let options = RunOptions { trajectories, seed, threads: 0, shots: false, covariance: true, states: false };
    for representation in Representation::ALL {
        let Ok((_, engine)) = Engine::new(&problem, Some(representation)) else { continue };
        let exact = leyden::exact::solve(&problem, Some(representation), &Stop::default()).unwrap();
        let outcome = run::sample(&engine, &problem, options, &Stop::default(), &mut |_| true).unwrap();
        let sampled = columns::table(&problem, &outcome.accumulated).unwrap();
        for column in &sampled.columns {
            let Some((lo, hi)) = &column.bounds else { continue };
            let outside = |row: &usize| column.value[*row] < lo[*row] || column.value[*row] > hi[*row];
            let outside = (0..column.value.len()).find(outside);
            let at = outside.map(|row| (column.value[row], lo[row], hi[row]));
            assert!(at.is_none(), "{seed}, {representation}: {} lies outside its interval: {at:?}", column.name);
        }
        let verdict = verify::compare(&problem, &outcome.accumulated, &sampled, &exact, 1e-6);
        if let Some(c) = verdict.comparisons.iter().find(|c| !c.passed) {
            let row = c.worst.1;
            let (mine, theirs) = (sampled.column(&c.name).unwrap(), exact.column(&c.name).unwrap());
            panic!(
                "{seed}, {representation}: {} is {} ± {:?}, exactly {} at row {row}, curve {:?}\n{}",
                c.name,
                mine.value[row],
                mine.se.as_ref().map(|se| se[row]),
                theirs.value[row],
                c.curve,
                problem.describe()
            );
        }
    }
}

#[test]
fn trajectories_agree_with_the_exact_solution() {
    (0..25).for_each(|seed| check_trajectories(seed, 3_000));
}

#[test]
fn trajectories_agree_with_functions_of_time() {
    (0..15).for_each(|seed| check_trajectories_of(seed, random_in_time(seed), 3_000));
}

#[test]
#[ignore = "statistical tier"]
fn trajectories_agree_with_the_exact_solution_on_many_problems() {
    (25..225).for_each(|seed| check_trajectories(seed, 10_000));
}

/// Blocks that are not stored give the same paths, in every style that has a lattice; how many did.
fn check_banded(seed: u64) -> [usize; 3] {
    let problem = random(seed);
    let options = RunOptions { trajectories: 24, seed, threads: 0, shots: true, covariance: false, states: false };
    STYLES.map(|style| {
        let Ok(compiled) = Blocks::compile(&problem, style) else { return 0 };
        let Ok(banded) = BandedJump::new(compiled) else { return 0 };
        let stored = BlockJump::new(Blocks::compile(&problem, style).unwrap());
        let a = run::sample(&stored, &problem, options, &Stop::default(), &mut |_| true).unwrap();
        let b = run::sample(&banded, &problem, options, &Stop::default(), &mut |_| true).unwrap();
        let (a_shots, b_shots) = (a.shots.unwrap(), b.shots.unwrap());
        assert_eq!(a_shots.jumps, b_shots.jumps, "{seed}, {style:?}\n{}", problem.describe());
        for slot in 0..problem.protocol().row_count() * problem.linear().len() {
            let (x, y) = (a.accumulated.moments.mean(slot), b.accumulated.moments.mean(slot));
            assert!((x - y).abs() < 1e-8 * x.abs().max(1.0), "{seed}, {style:?}: {x} {y}\n{}", problem.describe());
        }
        1
    })
}

#[test]
fn blocks_that_are_not_stored_give_the_same_paths() {
    let mut total = [0; 3];
    for seed in 0..FEW {
        total.iter_mut().zip(check_banded(seed)).for_each(|(t, c)| *t += c);
    }
    assert!(total.iter().all(|t| *t > 10), "too few problems in some style: {total:?}");
}

/// A pulse much shorter than the distance of the rows turns a cell by its area, sin²(area): no step may pass over it.
#[test]
fn short_pulses_are_not_overlooked() {
    for (width, samples) in [(0.1, 1), (0.01, 30), (0.001, 1)] {
        let mut p = Problem::builder("a short pulse");
        let b = p.ensemble("B", 1, 1.0);
        let peak = 0.8 / (width * (2.0 * std::f64::consts::PI).sqrt());
        p.drive("pulse", OpSum::of(b, Op::X), Envelope::Gaussian { peak, centre: 1.5, width });
        p.collective("loss", OpSum::of(b, Op::Lower), 1e-12);
        p.evolve("drive", 3.0, samples).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let expected = 0.8f64.sin().powi(2);
        let exact = leyden::exact::solve(&problem, None, &Default::default()).unwrap();
        let at_end = |table: &leyden::table::Table| *table.columns[0].value.last().unwrap();
        assert!((at_end(&exact) - expected).abs() < 1e-9, "width {width}: {}", at_end(&exact));
        let (_, engine) = Engine::new(&problem, None).unwrap();
        let options =
            RunOptions { trajectories: 4, seed: 1, threads: 1, shots: false, covariance: false, states: false };
        let outcome = run::sample(&engine, &problem, options, &Stop::default(), &mut |_| true).unwrap();
        let sampled = columns::table(&problem, &outcome.accumulated).unwrap();
        assert!((at_end(&sampled) - expected).abs() < 1e-9, "width {width}: {}", at_end(&sampled));
    }
}

/// The complete graph is stored like an ensemble, whatever its cells start in, and agrees with the full space; a chain is
/// not taken for one.
#[test]
fn networks_of_identical_cells_are_recognised() {
    for cells in 2..=4 {
        for initial in [Initial::plus(), Initial::Excited, Initial::Cell { excited: 0.7, coherence: (0.2).into() }] {
            let network = |graph: Graph| {
                let network =
                    Network { cells, graph, initial: initial.clone(), t_end: 1.0, samples: 4, ..Network::default() };
                let asked = [
                    Quantity::Ergotropy,
                    Quantity::Purity,
                    Quantity::IncoherentErgotropy,
                    Quantity::Jumps(ChannelId::new(0)),
                ];
                network.problem().unwrap().edit().observe(asked).build().unwrap()
            };
            let problem = network(Graph::Symmetric);
            let (found, exact) =
                (blocks::solve(&problem, STYLES[2], &Default::default()).unwrap(), naive::solve(&problem).unwrap());
            for (a, b) in found.columns.iter().zip(&exact.columns) {
                for (x, y) in a.value.iter().zip(&b.value) {
                    assert!((x - y).abs() < 1e-9, "{cells} cells, {}: {x} {y}", a.name);
                }
            }
            assert_eq!(Engine::new(&problem, None).unwrap().0, Representation::Symmetric);
            assert!(cells == 2 || blocks::solve(&network(Graph::Linear), STYLES[2], &Default::default()).is_err());
        }
    }
}

/// N cells in one mode with M quanta: as vectors, dimension N + 1; as a density matrix this took a minute.
#[test]
fn many_photons_charge_many_cells() {
    let (cells, quanta, g) = (10u64, 50usize, 0.3);
    let mut p = Problem::builder("Tavis–Cummings");
    let b = p.ensemble("B", cells, 1.0);
    let mode = p.subsystem("A", Kind::Mode { cutoff: quanta + 1 }, 1.0);
    let exchange = OpSum::of(b, Op::Raise) * OpSum::of(mode, Op::Annihilate);
    p.initial(mode, Initial::Fock(quanta)).battery([b]);
    p.hamiltonian((exchange.clone() + exchange.adjoint()) * g);
    p.evolve("charge", 3.0, 60).observe([Quantity::Energy, Quantity::Ergotropy, Quantity::Photons(mode)]);
    let problem = p.build().unwrap();
    let table = leyden::exact::solve(&problem, None, &Stop::default()).unwrap();
    let work = blocks::work(&problem, STYLES[2]).unwrap();
    assert!(blocks::seconds(work) < 0.1, "{work:.1e} multiplications");
    // The same from the eigenvectors of H among |k cells excited, M − k photons⟩.
    let size = cells as usize + 1;
    let element = |k: usize| g * (((cells as usize - k) * (k + 1)) as f64 * (quanta - k) as f64).sqrt();
    let hamiltonian = Mat::from_fn(size, size, |i, j| if i.abs_diff(j) == 1 { element(i.min(j)) } else { 0.0 });
    let eigen = hamiltonian.self_adjoint_eigen(Side::Lower).unwrap();
    for (row, at) in table.rows.iter().enumerate() {
        let amplitude = |k: usize| -> Complex64 {
            let part = |e: usize| Complex64::from_polar(eigen.U()[(k, e)] * eigen.U()[(0, e)], -eigen.S()[e] * at.time);
            (0..size).map(part).sum()
        };
        let p: Vec<f64> = (0..size).map(|k| amplitude(k).norm_sqr()).collect();
        let energy: f64 = p.iter().enumerate().map(|(k, p)| k as f64 * p).sum();
        let (mine, photons) = (table.columns[0].value[row], table.columns[2].value[row]);
        assert!((mine - energy).abs() < 1e-9 && (photons - (quanta as f64 - energy)).abs() < 1e-9, "{mine} {energy}");
        // Of rank N + 1 among 2^N levels: the largest populations go to the ground state and the first excited ones.
        let mut sorted = p.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let passive: f64 = 1.0 - sorted[0];
        let ergotropy = table.columns[1].value[row];
        assert!((ergotropy - (energy - passive)).abs() < 1e-8, "{ergotropy} {energy} {passive}");
    }
}
