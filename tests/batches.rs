//! Batches of trajectories: what is read of their states agrees with itself, an engine remembers nothing, and a request to
//! stop is heard in the middle of a trajectory.

mod common;

use common::{assert_close, assert_z, example, options};
use leyden::density::Density;
use leyden::exact;
use leyden::problem::{Axis, ChannelId, Initial, Kind, Problem, Quantity, a as ann, ad, n, sm, sp, sx, sz};
use leyden::protocol::Moment;
use leyden::run::{self, Outcome, RunOptions};
use leyden::space::blocks::Blocks;
use leyden::space::choose::Representation;
use leyden::space::ladder::Ladder;
use leyden::stop::Stop;
use leyden::table::Entry;
use leyden::unravel::banded::BandedJump;
use leyden::unravel::block_jump::BlockJump;
use leyden::unravel::click::Click;
use leyden::unravel::engine::Engine;
use leyden::unravel::ladder_jump::LadderJump;
use leyden::unravel::no_jump::Which;
use leyden::unravel::trajectory::{Recorder, run_batch};
use leyden::unravel::{Batch, States, Unraveling};
use leyden::{RunError, Sampling};
use num_complex::Complex64;
use proptest::prelude::*;
use std::f64::consts::PI;
use std::ops::Range;
use std::time::{Duration, Instant};

const AGING: &str = include_str!("../examples/aging.toml");
const CHARGER: &str = include_str!("../examples/charger_1.toml");
const NETWORK: &str = include_str!("../examples/network.toml");
const OSCILLATORS: &str = include_str!("../examples/dephased_oscillators.toml");

/// N cells in a drive, with loss and dephasing of each and a common channel; they start mixed if `ratio` > 0.
fn driven(cells: u64, ratio: f64, rates: [f64; 3], t_end: f64) -> Problem {
    let mut p = Problem::builder("driven ensemble");
    let b = p.ensemble("B", cells, 1.5);
    p.initial(b, Initial::Thermal { ratio }).hamiltonian(sx(b) * 0.7 + sz(b) * 0.1);
    p.collective("release", sm(b), rates[0]).each("loss", b, sm(b), rates[1]).each("dephasing", b, sz(b), rates[2]);
    p.evolve("drive", t_end, 4).rotate(b, Axis::Y, 0.4).evolve("rest", 0.5 * t_end, 2).observe([Quantity::Energy]);
    p.build().unwrap()
}

/// Compares what a batch says of its states in several ways.
struct Reader {
    spectrum: Vec<f64>,
    rows: usize,
}

impl<B: Batch> Recorder<B> for Reader {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        let step = moment.step;
        self.rows += 1;
        let trajectories = batch.trajectories();
        let weights: Vec<f64> = (0..trajectories).map(|k| 1.0 + k as f64).collect();
        let total: f64 = weights.iter().sum();
        let mut energies = vec![0.0; trajectories];
        batch.linear(0, step, &mut energies);
        let mean: f64 = energies.iter().zip(&weights).map(|(e, w)| e * w).sum();
        // The battery's state, which no quantity asks for, is the last one.
        let mut density = Density::default();
        batch.density(&weights, 0, 0, &mut density);
        let (mut trace, mut energy) = (0.0, 0.0);
        for block in density.blocks.values() {
            for (i, level) in block.shape.energies.iter().enumerate() {
                let weight = block.groups[0].diagonal(block.dimension(), i);
                (trace, energy) = (trace + weight, energy + weight * level);
            }
        }
        assert!((density.weights[0] - total).abs() < 1e-9 * total && (trace - total).abs() < 1e-9 * total, "{trace}");
        assert!((energy - mean).abs() < 1e-8 * total, "{energy} by the density matrix, {mean} by the averages");
        for k in 0..trajectories {
            let (mut total, mut mean) = (0.0, 0.0);
            batch
                .energy_outcomes(k, &mut |outcome, p| {
                    assert!(self.spectrum.iter().any(|level| (level - outcome).abs() < 1e-9), "{outcome}");
                    (total, mean) = (total + p, mean + p * outcome);
                })
                .unwrap();
            assert!((total - 1.0).abs() < 1e-9 && (mean - energies[k]).abs() < 1e-8, "{mean} {}", energies[k]);
        }
        Ok(())
    }
}

fn read(engine: &impl Unraveling, problem: &Problem, seed: u64) {
    let spectrum = (0..=problem.subsystems()[0].cells()).map(|n| 1.5 * n as f64).collect();
    let mut reader = Reader { spectrum, rows: 0 };
    run_batch(problem, &mut engine.start(seed, 3..9, &Stop::default()), &Stop::default(), &mut reader).unwrap();
    assert_eq!(reader.rows, problem.protocol().row_count());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn averages_densities_and_measurements_agree(
        cells in 1u64..5,
        ratio in prop_oneof![Just(0.0), 0.05..2.0],
        rates in proptest::array::uniform3(0.01..3.0),
        seed in 0u64..1000,
    ) {
        let problem = driven(cells, ratio, rates, 1.0);
        let blocks = || Blocks::compile(&problem, Representation::Symmetric.style().unwrap()).unwrap();
        read(&BlockJump::new(blocks()), &problem, seed);
        read(&BandedJump::new(blocks()).unwrap(), &problem, seed);
        read(&Engine::new(&problem, Some(Representation::Full)).unwrap().1, &problem, seed);
    }
}

/// Two runs, one after the other on one engine in either order, against each on an engine of its own.
fn assert_remembers_nothing<U: Unraveling>(make: impl Fn() -> U, problem: &Problem) {
    let run = |engine: &U, (trajectories, seed): (u64, u64)| {
        let options = RunOptions { covariance: true, states: true, ..options(trajectories, seed) };
        run::sample(engine, problem, options, &Stop::default(), &mut |_| true).unwrap()
    };
    let (first, second) = ((70, 4), (200, 5));
    let alone: [Outcome; 2] = [run(&make(), first), run(&make(), second)];
    let engine = make();
    assert!([run(&engine, first), run(&engine, second)] == alone);
    let engine = make();
    let swapped = [run(&engine, second), run(&engine, first)];
    assert!(swapped[1] == alone[0] && swapped[0] == alone[1]);
}

#[test]
fn an_engine_remembers_nothing() {
    let problem = example(AGING, "N=12 cycles=2 samples=2");
    assert_remembers_nothing(|| LadderJump::new(Ladder::compile(&problem).unwrap()), &problem);
    let problem = driven(6, 0.3, [0.5, 0.4, 0.2], 1.0);
    let blocks = || Blocks::compile(&problem, Representation::Symmetric.style().unwrap()).unwrap();
    assert_remembers_nothing(|| BlockJump::new(blocks()), &problem);
    assert_remembers_nothing(|| BandedJump::new(blocks()).unwrap(), &problem);
    let problem = example(CHARGER, "N_C=5 N_B=3 gamma_up=0.5 t_end=0.5 samples=3");
    assert_remembers_nothing(|| Engine::new(&problem, Some(Representation::Sectors)).unwrap().1, &problem);
}

/// Threads that make the propagators of the same blocks at the same moment do not take up each other's trajectories while
/// they wait.
#[test]
fn threads_begin_together() {
    let problem = example(CHARGER, "N_C=5 N_B=3 gamma_up=0.5 t_end=0.5 samples=3");
    let run = |threads: usize| {
        let (_, engine) = Engine::new(&problem, Some(Representation::Sectors)).unwrap();
        let options = RunOptions { threads, ..options(500, 3) };
        run::sample(&engine, &problem, options, &Stop::default(), &mut |_| true).unwrap().accumulated
    };
    let alone = run(1);
    assert!((0..100).all(|_| run(4) == alone));
}

/// Where each trajectory is at every row, and what its jumps were, to the last digit.
#[derive(Default, PartialEq, Debug)]
struct Paths(Vec<Vec<u64>>);

impl<B: Batch> Recorder<B> for Paths {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        self.0.resize(batch.trajectories(), Vec::new());
        for (k, path) in self.0.iter_mut().enumerate() {
            path.push(moment.row as u64);
            path.extend(batch.counts(k));
            path.extend(batch.clicks(k).iter().flat_map(|click| [click.channel as u64, click.time.to_bits()]));
            batch.amplitudes(k, &mut |_, x| path.extend([x.re.to_bits(), x.im.to_bits()]));
        }
        Ok(())
    }
}

/// A trajectory is a function of seed and number alone, to the last digit: what goes to the next row side by side with others
/// does as it does alone.
#[test]
fn a_trajectory_does_not_know_its_neighbours() {
    let oscillators = example(OSCILLATORS, "cutoff=4 t_end=6 samples=7");
    let coupled = example(NETWORK, "N=5 t_end=2 samples=4");
    for problem in [oscillators, coupled] {
        let (_, engine) = Engine::new(&problem, Some(Representation::Full)).unwrap();
        assert!(engine.fewest_in_batch() > 1, "several go side by side");
        let paths = |range: Range<u64>| {
            let (stop, mut paths) = (Stop::default(), Paths::default());
            let mut batch = engine.start_of(Which::Any, 9, range, &stop);
            batch.keep_clicks();
            run_batch(&problem, &mut batch, &stop, &mut paths).unwrap();
            paths.0
        };
        let together = paths(0..50);
        let alone: Vec<_> = (0..50).flat_map(|k| paths(k..k + 1)).collect();
        assert!(together == alone);
        assert!(together.iter().any(|path| path.len() != together[0].len()), "they jump");
        assert!((0..10).all(|k| paths(5 * k..5 * k + 5) == together[5 * k as usize..][..5]));
    }
}

/// A mixture of many states is taken apart as one of few: two warm modes, cells in thermal equilibrium along any axis, and a
/// rotated Gibbs state, each with the exact probability that nothing happens, and no path of those that jump in the branch.
#[test]
fn mixtures_of_many_states_are_taken_apart() {
    let modes = {
        let mut p = Problem::builder("two warm modes");
        let (a, b) =
            (p.subsystem("A", Kind::Mode { cutoff: 10 }, 1.0), p.subsystem("B", Kind::Mode { cutoff: 9 }, 1.0));
        p.initial(a, Initial::Thermal { ratio: 0.5 }).initial(b, Initial::Thermal { ratio: 0.4 });
        p.hamiltonian((ad(a) * ann(b) + ad(b) * ann(a)) * 0.6).collective("loss", ann(b), 0.1);
        p.evolve("exchange", 1.0, 3).observe([Quantity::Energy]);
        p.build().unwrap()
    };
    let turned = {
        let mut p = Problem::builder("turned cells");
        let b = p.ensemble("B", 6, 1.0);
        p.initial(b, Initial::Cell { excited: 0.5, coherence: Complex64::new(0.3, 0.1) }).hamiltonian(sz(b) * 0.2);
        p.each("loss", b, sm(b), 0.05).evolve("wait", 1.0, 2).observe([Quantity::Energy]);
        p.build().unwrap()
    };
    for (problem, representation, states) in [
        (modes, Representation::Full, 90),
        (turned, Representation::Symmetric, 16),
        (driven(12, 0.3, [0.001, 0.01, 0.002], 1.0), Representation::Symmetric, 49),
    ] {
        let (_, engine) = Engine::new(&problem, Some(representation)).unwrap();
        let stop = Stop::default();
        let known = engine.no_jump(&stop).unwrap().unwrap_or_else(|| panic!("{}", problem.title()));
        assert_eq!(known.states(), states, "{}", problem.title());
        // One channel stands for all of a problem that has only one.
        if problem.channels().len() == 1 {
            let exact = exact::no_jump(&problem, ChannelId::new(0), None, &stop).unwrap();
            assert_close(known.chance(), exact[exact.len() - 1], 1e-9, problem.title());
        }
        let truth = leyden::solve(&problem).unwrap();
        let how = Sampling { trajectories: 400, representation: Some(representation), ..Sampling::default() };
        let Entry { value, se, .. } = leyden::sample(&problem, &how).unwrap()["energy"].last();
        // 400 that are sampled whole would know it to some 0.07.
        assert_z(value, se.unwrap(), truth["energy"].last().value, 1e-9, 0.02);
    }
}

/// The battery's averaged state that is kept on request changes nothing else, and is the one that a quantity asks for.
#[test]
fn a_state_kept_on_request_is_the_state() {
    let without = driven(3, 0.2, [0.5, 0.4, 0.2], 1.0);
    let with = without.edit().observe([Quantity::Purity]).build().unwrap();
    let run = |problem: &Problem, states: bool| {
        let (_, engine) = Engine::new(problem, Some(Representation::Symmetric)).unwrap();
        let options = RunOptions { states, ..options(60, 2) };
        run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap().accumulated
    };
    let (kept, needed, both) = (run(&without, true), run(&with, false), run(&with, true));
    assert_eq!(kept.densities.len(), without.protocol().row_count());
    assert!(kept.densities == needed.densities && kept.moments == needed.moments && both == needed);
    assert!(run(&without, false).densities.is_empty());
}

/// A pulse at the very end turns what single shots end with, whether they have jumped or not.
#[test]
fn a_pulse_at_the_end_counts() {
    let mut p = Problem::builder("flip at the end");
    let b = p.ensemble("B", 3, 1.0);
    p.hamiltonian(n(b)).each("loss", b, sm(b), 1e-12).each("pump", b, sp(b), 1e-12);
    p.rotate(b, Axis::X, PI).evolve("wait", 1.0, 2).rotate(b, Axis::X, PI).repeat(2).observe([Quantity::Energy]);
    let problem = p.build().unwrap();
    for representation in [Representation::Ladder, Representation::Symmetric, Representation::Full] {
        let (_, engine) = Engine::new(&problem, Some(representation)).unwrap();
        let shots =
            run::sample(&engine, &problem, options(5, 1), &Stop::default(), &mut |_| true).unwrap().shots.unwrap();
        let quiet = shots.jumps.chunks(shots.channels).map(|jumps| jumps.iter().sum::<u64>() == 0);
        let quiet: Vec<usize> = quiet.enumerate().filter(|(_, quiet)| *quiet).map(|(k, _)| k).collect();
        assert!(quiet.iter().map(|k| shots.weight[*k]).sum::<f64>() > 1.0 - 1e-9, "{representation}");
        for energy in quiet.iter().flat_map(|k| [shots.energy_mean[*k], shots.energy_outcome[*k]]) {
            assert!(energy.abs() < 1e-9, "{representation}: {energy}");
        }
        // A quantum more or less, in the states of few that jump.
        assert!(shots.energy_mean[..5].iter().all(|energy| (energy - 1.0).abs() < 1e-9), "{representation}");
    }
}

/// One trajectory that would take very long ends within a second of being told to, and does not count.
#[track_caller]
fn assert_hears(problem: &Problem, representation: Option<Representation>) {
    let (_, engine) = Engine::new(problem, representation).unwrap();
    let stop = Stop::default();
    let (asked, outcome) = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let options = RunOptions { threads: 1, shots: false, ..options(1, 1) };
            run::sample(&engine, problem, options, &stop, &mut |_| true).unwrap()
        });
        std::thread::sleep(Duration::from_millis(200));
        assert!(!run.is_finished(), "it was over before it could be stopped");
        stop.request();
        (Instant::now(), run.join().unwrap())
    });
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!((outcome.interrupted, outcome.trajectories), (true, 0));
}

#[test]
fn a_trajectory_can_be_stopped_on_the_ladder() {
    assert_hears(&example(AGING, "N=10000000 cycles=10000 samples=1"), None);
    // No protocol that would look at it: pump and loss alone, in one step.
    let mut p = Problem::builder("pump and loss");
    let b = p.ensemble("B", 1_000_000, 1.0);
    p.each("loss", b, sm(b), 1.0).each("pump", b, sp(b), 1.0).collective("release", sm(b), 1.0);
    p.evolve("wait", 1e6, 1).observe([Quantity::Energy]);
    assert_hears(&p.build().unwrap(), None);
}

#[test]
fn a_trajectory_can_be_stopped_on_blocks() {
    assert_hears(&driven(1_500, 0.0, [1e-3, 1.0, 0.1], 1e6), None);
    assert_hears(&driven(8, 0.0, [0.1, 1.0, 0.1], 1e6), Some(Representation::Symmetric));
    assert_hears(&driven(12, 0.0, [0.1, 1.0, 0.1], 1e4), Some(Representation::Full));
}

/// An unraveling of one trajectory a batch, all of which fail but the first.
struct Failing;

#[derive(Clone)]
struct FailingBatch(u64);

impl States for FailingBatch {
    fn trajectories(&self) -> usize {
        1
    }

    fn linear(&self, _: usize, _: usize, out: &mut [f64]) {
        out.fill(0.0);
    }
}

impl Batch for FailingBatch {
    fn begin(&mut self, _: usize, _: f64) -> Result<(), RunError> {
        Ok(())
    }

    fn evolve(&mut self, _: usize, _: f64) -> Result<(), RunError> {
        let reason = format!("trajectory {}", self.0);
        if self.0 == 0 { Ok(()) } else { Err(RunError::Numerics { method: "a test", reason }) }
    }

    fn counts(&self, _: usize) -> &[u64] {
        &[]
    }

    fn variate(&mut self, _: usize) -> f64 {
        0.5
    }

    fn keep_clicks(&mut self) {}

    fn clicks(&self, _: usize) -> &[Click] {
        &[]
    }

    fn alone(&self, _: usize) -> Self {
        self.clone()
    }

    fn renew(&mut self, _: usize, _: (u64, u64), _: Option<(usize, f64)>) {}
}

impl Unraveling for Failing {
    type Batch<'a> = FailingBatch;

    fn start_of(&self, _: Which, _: u64, trajectories: Range<u64>, _: &Stop) -> FailingBatch {
        FailingBatch(trajectories.start)
    }

    fn work(&self) -> f64 {
        1e9
    }
}

#[test]
fn a_failure_ends_the_run_with_the_first_of_its_errors() {
    let problem = driven(2, 0.0, [0.1; 3], 1.0);
    for threads in [1, 4] {
        let options = RunOptions { threads, shots: false, ..options(20, 1) };
        let error = run::sample(&Failing, &problem, options, &Stop::default(), &mut |_| true).unwrap_err();
        assert_eq!(error.to_string(), "a test failed: trajectory 1", "{threads} threads");
    }
}
