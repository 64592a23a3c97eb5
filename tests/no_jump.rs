//! The branch in which nothing ever happens enters with its exact weight, and what is sampled is the rest.

mod common;

use common::{assert_at_least, assert_chi_square, assert_z, example, options};
use leyden::estimate::columns;
use leyden::exact;
use leyden::problem::{Axis, ChannelId, Initial, Kind, Problem, Quantity, a, ad, n, sm, sp, sx};
use leyden::run::{self, Outcome, RunOptions};
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;

const RARE_JUMP: &str = include_str!("data/cases/rare_jump.toml");
const NETWORK: &str = include_str!("../examples/network.toml");

fn sample(problem: &Problem, options: RunOptions) -> Outcome {
    let (_, engine) = Engine::new(problem, None).unwrap();
    run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap()
}

/// Two ensembles in mixed states that lose and gain quanta, alone and together, with a π pulse between.
fn ladder() -> Problem {
    let mut p = Problem::builder("two ensembles");
    let (b, c) = (p.ensemble("B", 2, 1.0), p.ensemble("C", 1, 0.5));
    p.battery([b, c]);
    p.initial(b, Initial::Thermal { ratio: 0.4 }).initial(c, Initial::Thermal { ratio: 0.2 });
    p.each("loss", b, sm(b), 0.1).each("pump", c, sp(c), 0.15).collective("release", sm(b), 0.2);
    p.collective("dephasing", n(b), 0.05);
    p.evolve("wait", 0.5, 3).rotate(b, Axis::X, std::f64::consts::PI).evolve("release", 0.7, 2);
    p.observe([Quantity::Energy, Quantity::EnergyVariance, Quantity::Magnetisation(b), Quantity::SpinLength(b)]);
    p.observe([Quantity::Ergotropy]).observe((0..4).map(|c| Quantity::Jumps(ChannelId::new(c))));
    p.build().unwrap()
}

/// A cell and a mode, driven, with a pulse between, that hardly lose anything.
fn blocks() -> Problem {
    let mut p = Problem::builder("a cell and a mode");
    let c = p.subsystem("C", Kind::Network { cells: 1, edges: Vec::new() }, 1.0);
    let m = p.subsystem("A", Kind::Mode { cutoff: 6 }, 1.0);
    p.battery([c]).initial(c, Initial::Cell { excited: 0.3, coherence: 0.2.into() });
    p.hamiltonian(sp(c) * a(m) + ad(m) * sm(c) + sx(c) * 0.1);
    p.collective("leak", a(m), 0.2).collective("dephasing", n(c), 0.1).collective("loss", sm(c), 0.02);
    p.evolve("charge", 1.5, 3).rotate(c, Axis::Y, 0.4).evolve("wait", 1.0, 2);
    p.observe([Quantity::Energy, Quantity::EnergyVariance, Quantity::Photons(m)]);
    p.observe((0..3).map(|c| Quantity::Jumps(ChannelId::new(c))));
    p.observe([Quantity::Ergotropy, Quantity::Purity]);
    p.build().unwrap()
}

/// All averages agree with the master equation, and their errors are right: over 40 seeds Σz² is what it should be, and
/// intervals of what is no mean hold as often as they say.
#[test]
fn averages_over_all_trajectories() {
    const SEEDS: u64 = 40;
    let problems = [ladder(), blocks(), example(NETWORK, "N=2 p_e=0.3 c_eg=0 t_end=0.5 samples=3")];
    for problem in problems {
        let truth = exact::solve(&problem, None, &Stop::default()).unwrap();
        let last = problem.protocol().row_count() - 1;
        let (mut squares, mut hits) = (vec![0.0; truth.columns.len()], vec![0; truth.columns.len()]);
        for seed in 1..=SEEDS {
            let outcome = sample(&problem, RunOptions { shots: false, ..options(2_000, seed) });
            let share = outcome.accumulated.share();
            assert!(0.0 < share && share < 0.9, "{}: {share} was sampled", problem.title());
            let table = columns::table(&problem, &outcome.accumulated).unwrap();
            for (at, theirs) in truth.columns.iter().enumerate() {
                let mine = table.column(&theirs.name).unwrap();
                let (exact, se) = (theirs.value[last], mine.se.as_ref().unwrap()[last]);
                let (lo, hi) = mine.bounds.as_ref().unwrap();
                squares[at] += ((mine.value[last] - exact) / se).powi(2);
                hits[at] += u64::from(lo[last] <= exact && exact <= hi[last]);
                if !of_the_state(&theirs.name) {
                    assert_z(mine.value[last], se, exact, 1e-9, 0.05);
                }
            }
        }
        for ((sum, hits), column) in squares.iter().zip(hits).zip(&truth.columns) {
            let what = format!("{}: {}", problem.title(), column.name);
            // Errors of variances are sums of two, which may be correlated: they may be too large.
            if column.name == "energy" || column.name.starts_with("jumps") || column.name.starts_with("photons") {
                assert_chi_square(*sum, SEEDS as usize, &what);
            }
            assert_at_least(hits, SEEDS, if of_the_state(&column.name) { 0.94 } else { 0.95 }, &what);
        }
    }
}

/// Whether a column is a function of the averaged state, estimated with a bias, rather than of means.
fn of_the_state(name: &str) -> bool {
    ["ergotropy", "purity"].contains(&name)
}

/// Every trajectory that is sampled jumps; those that do not stand at the end with their weight; together they are the
/// averages.
#[test]
fn shots_have_weights() {
    for problem in [ladder(), blocks(), example(RARE_JUMP, "gamma=1e-6")] {
        let n = 4_000;
        let outcome = sample(&problem, options(n, 1));
        let shots = outcome.shots.unwrap();
        let jumps: Vec<u64> = shots.jumps.chunks(shots.channels).map(|own| own.iter().sum()).collect();
        let (sampled, known) = jumps.split_at(n as usize);
        assert!(sampled.iter().all(|jumps| *jumps > 0), "{}: a trajectory without jumps", problem.title());
        assert!(!known.is_empty() && known.iter().all(|jumps| *jumps == 0), "{}", problem.title());
        assert!((shots.weight.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mean = |values: &[f64]| values.iter().zip(&shots.weight).map(|(x, w)| x * w).sum::<f64>();
        let table = columns::table(&problem, &outcome.accumulated).unwrap();
        let energy = table.column("energy").unwrap();
        assert!((mean(&shots.energy_mean) - energy.last().value).abs() < 1e-9, "{}", problem.title());
        // Outcomes scatter about the means by at most half the largest energy each.
        let margin = 4.0 * 0.5 * energy.value.iter().fold(1.0, |most: f64, x| most.max(*x)) / (n as f64).sqrt();
        assert!((mean(&shots.energy_outcome) - energy.last().value).abs() < margin, "{}", problem.title());
    }
}

/// However rare a decay is, its mean is as good as that of a common one.
#[test]
fn rare_jumps_are_as_sure_as_common_ones() {
    for gamma in [1e-2, 1e-4, 1e-6, 1e-9] {
        let problem = example(RARE_JUMP, &format!("gamma={gamma}"));
        let table = columns::table(&problem, &sample(&problem, options(1_000, 1)).accumulated).unwrap();
        let lost = f64::exp_m1(-gamma).abs();
        let (energy, jumps) = (table.column("energy").unwrap().last(), table.column("jumps_decay").unwrap().last());
        // A cell decays once at most, so that everything is known but for rounding.
        assert!((1.0 - energy.value - lost).abs() < 1e-12 && (jumps.value - lost).abs() < 1e-12, "γ = {gamma}");
        assert!(energy.se.unwrap() < 0.01 * lost && jumps.se.unwrap() < 0.01 * lost, "γ = {gamma}: {energy} {jumps}");
    }
}

/// A row in the middle does not know how it ends: trajectories that jump later are without jumps so far.
#[test]
fn rows_before_the_end_are_averages_too() {
    let problem = example(RARE_JUMP, "gamma=0.7");
    let step = problem.step_id("wait").unwrap();
    let problem = problem.edit().rows(step, vec![0.0, 0.2, 0.5, 1.0]).build().unwrap();
    let table = columns::table(&problem, &sample(&problem, options(20_000, 3)).accumulated).unwrap();
    let energy = table.column("energy").unwrap();
    for (row, time) in table.times().enumerate().skip(1) {
        assert_z(energy.value[row], energy.se.as_ref().unwrap()[row], f64::exp(-0.7 * time), 1e-12, 0.01);
    }
    assert_eq!(energy.value[0], 1.0);
}
