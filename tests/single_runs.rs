//! What is kept of single runs: counting statistics, distributions, first passages and jumps against exact numbers, and that
//! keeping them changes nothing.

mod common;

use common::{assert_at_least, assert_close, example, numbers, options, reference};
use leyden::estimate::columns::Z95;
use leyden::exact;
use leyden::problem::{
    Axis, Beyond, ChannelId, Delays, Distribution, Envelope, Initial, Kind, Passage, Problem, ProblemBuilder, Quantity,
    Record, SubsystemId, a as ann, ad, n, sm, sp, sx, sz, transition,
};
use leyden::run::{self, Batches, Jump, Outcome, RunOptions};
use leyden::space::blocks::Blocks;
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::unravel::Unraveling;
use leyden::unravel::banded::BandedJump;
use leyden::unravel::block_jump::BlockJump;
use leyden::unravel::engine::Engine;

const AGING: &str = include_str!("../examples/aging.toml");

fn sample(problem: &Problem, options: RunOptions) -> Outcome {
    let (_, engine) = Engine::new(problem, None).unwrap();
    run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap()
}

fn keeping(problem: &Problem, record: Record) -> Problem {
    problem.edit().record(record).build().unwrap()
}

fn cell(p: &mut ProblemBuilder) -> SubsystemId {
    p.subsystem("A", Kind::Network { cells: 1, edges: Vec::new() }, 1.0)
}

/// A driven cell that loses quanta.
fn fluorescence(omega: f64, delta: f64, gamma: f64, t_end: f64, rows: usize) -> Problem {
    let mut p = Problem::builder("fluorescence");
    let a = cell(&mut p);
    p.hamiltonian(sx(a) * (0.5 * omega) + n(a) * delta).each("loss", a, sm(a), gamma);
    p.evolve("drive", t_end, rows).observe([Quantity::Energy]);
    p.build().unwrap()
}

const LOSS: ChannelId = ChannelId::new(0);

/// Waits and g² of a driven cell in its steady state, against the reference's w(τ) and g²(τ), averaged over each bin by Simpson's
/// rule: 30 intervals of each, one in twenty of which may miss.
#[test]
fn delays_between_the_jumps_of_a_driven_cell() {
    let data = reference("L_shots_fluorescence");
    let of = |key: &str| numbers(&data["waiting"][key]);
    assert_eq!(of("tau")[..3], [0.0, 0.25, 0.5]);
    let delays = Delays { channel: LOSS, until: 15.0, bins: 30, from: 12.0 };
    let problem = keeping(&fluorescence(1.0, 0.0, 1.0, 60.0, 1), Record { delays: vec![delays], ..Record::default() });
    let outcome = sample(&problem, RunOptions { shots: false, ..options(8_000, 3) });
    let found = outcome.accumulated.delays(0, Z95);
    assert_eq!(found.len(), 30);
    for (which, key) in ["w", "g2"].into_iter().enumerate() {
        let exact = of(key);
        let mut inside = 0;
        for (bin, found) in found.iter().enumerate() {
            let [a, b, c] = [0, 1, 2].map(|k| exact[2 * bin + k]);
            let (truth, (lo, hi)) = ((a + 4.0 * b + c) / 6.0, found[which].interval);
            inside += u64::from(lo <= truth && truth <= hi);
            assert!(
                (found[which].value - truth).abs() < 5.0 * found[which].se + 1e-4,
                "{key} {bin}: {found:?} {truth}"
            );
            // Known well enough to see antibunching and what comes after it.
            assert!(found[which].se < 0.05, "{key} {bin}: {found:?}");
        }
        assert!(inside >= 25, "{key}: {inside} of 30");
    }
}

/// The same from the master equation, against the closed forms on resonance (H. J. Carmichael et al., Phys. Rev. A 39, 1200
/// (1989)) for Ω = γ = 1, averaged over each bin by Simpson's rule in twenty pieces: after a jump the amplitude of |e⟩ is
/// (Ω/2λ) sin(λt) e^(−γt/4) until the next one, λ² = (Ω² − γ²/4)/4. What is left of the beginning at t = 12 is e^−9.
#[test]
fn exact_delays_of_a_driven_cell() {
    let delays = Delays { channel: LOSS, until: 15.0, bins: 30, from: 12.0 };
    let wait = |t: f64| {
        let half = 0.75f64.sqrt() / 2.0;
        (-t / 2.0).exp() * ((half * t).sin() / (2.0 * half)).powi(2)
    };
    let g2 = |t: f64| {
        let beat = (15.0f64 / 16.0).sqrt();
        1.0 - (-0.75 * t).exp() * ((beat * t).cos() + 0.75 / beat * (beat * t).sin())
    };
    let averaged = |f: &dyn Fn(f64) -> f64, low: f64| {
        let weight = |k: usize| if k.is_multiple_of(40) { 1.0 } else { 2.0 + 2.0 * (k % 2) as f64 };
        (0..=40).map(|k| weight(k) * f(low + 0.5 * k as f64 / 40.0)).sum::<f64>() / 120.0
    };
    // Steps of a whole number of bins, and not.
    for t_end in [60.0, 59.7] {
        let record = Record { delays: vec![delays.clone()], ..Record::default() };
        let problem = keeping(&fluorescence(1.0, 0.0, 1.0, t_end, 1), record);
        let found = exact::delays(&problem, None, &Stop::default()).unwrap().remove(0).unwrap();
        for (bin, [w, g]) in found.into_iter().enumerate() {
            let low = 0.5 * bin as f64;
            assert!((w - averaged(&wait, low)).abs() < 1e-9, "{bin}: {w} {}", averaged(&wait, low));
            assert!((g - averaged(&g2, low)).abs() < 2e-5, "{bin}: {g} {}", averaged(&g2, low));
        }
    }
    // Where a rate changes with time there is nothing exact to say.
    let mut p = Problem::builder("fading");
    let a = cell(&mut p);
    p.initial(a, Initial::Excited).each("loss", a, sm(a), 1.0).in_time(Envelope::Linear { start: 1.0, slope: -0.01 });
    p.evolve("drive", 20.0, 1).observe([Quantity::Energy]);
    let record = Record { delays: vec![Delays { from: 0.0, ..delays }], ..Record::default() };
    assert_eq!(exact::delays(&keeping(&p.build().unwrap(), record), None, &Stop::default()).unwrap(), [None]);
}

/// A mode that loses its coherent state gives independent photons at a falling rate: g² = 1 although nothing is steady.
#[test]
fn photons_of_a_coherent_state_are_independent() {
    let mut p = Problem::builder("coherent");
    let a = p.subsystem("A", Kind::Mode { cutoff: 20 }, 1.0);
    p.initial(a, Initial::Coherent(2.0.into())).collective("loss", ann(a), 1.0);
    p.evolve("decay", 3.0, 1).observe([Quantity::Energy]);
    let delays = Delays { channel: LOSS, until: 1.5, bins: 10, from: 0.0 };
    let problem = keeping(&p.build().unwrap(), Record { delays: vec![delays], ..Record::default() });
    let outcome = sample(&problem, RunOptions { shots: false, ..options(10_000, 5) });
    let found = outcome.accumulated.delays(0, Z95);
    let exactly = exact::delays(&problem, None, &Stop::default()).unwrap().remove(0).unwrap();
    assert!(exactly.iter().all(|[_, g2]| (g2 - 1.0).abs() < 1e-4), "but for the cutoff: {exactly:?}");
    let inside = found.iter().filter(|[_, g2]| g2.interval.0 <= 1.0 && 1.0 <= g2.interval.1).count();
    assert!(inside >= 7, "{found:?}");
    assert!(found.iter().all(|[_, g2]| (g2.value - 1.0).abs() < 4.0 * g2.se + 1e-3 && g2.se < 0.1), "{found:?}");
}

/// Mean, variance and third and fourth cumulant of counts in windows of seven lengths, and the probability of each count.
#[test]
fn counts_of_a_driven_cell() {
    let (mut hits, mut all, mut of_counts, mut counts) = (0, 0, 0, 0);
    for name in ["L_shots_fluorescence", "L_shots_fluorescence_detuned"] {
        let data = reference(name);
        let [omega, delta, gamma] = ["Omega", "delta", "gamma"].map(|key| data["params"][key].as_f64().unwrap());
        let of = |key: &str| numbers(&data["observables"][key]);
        for (window, t_end) in numbers(&data["times"]).into_iter().enumerate() {
            let jumps = Distribution::Conditional(Quantity::Jumps(LOSS));
            let record = Record { counting: true, distributions: vec![jumps.clone()], ..Record::default() };
            let problem = keeping(&fluorescence(omega, delta, gamma, t_end, 1), record);
            let options = RunOptions { shots: false, ..options(10_000, 11 + window as u64) };
            let accumulated = sample(&problem, options).accumulated;
            let exact = ["counts_mean", "counts_var", "counts_c3", "counts_c4"].map(|key| of(key)[window]);
            let [mean, variance, fano, c3, c4] = accumulated.cumulants(0, Z95);
            let truth = [exact[0], exact[1], exact[1] / exact[0], exact[2], exact[3]];
            for (found, truth) in [mean, variance, fano, c3, c4].into_iter().zip(truth) {
                assert!((found.value - truth).abs() < 8.0 * found.se, "{name}, T = {t_end}: {found:?}, {truth}");
                hits += u64::from(found.interval.0 <= truth && truth <= found.interval.1);
                all += 1;
            }
            assert!(mean.se < 0.02 * truth[0].max(1.0) && variance.se < 0.05 * truth[1].max(1.0), "too noisy to say");
            let bins: Vec<_> = accumulated.distributed(1, problem.bins(&jumps).unwrap(), Z95).bins().collect();
            for (k, bin) in bins.iter().enumerate() {
                let truth = of(&format!("P_{}", bin.edges.0))[window];
                assert_eq!(bin.edges.1, bin.edges.0 + 1.0, "bin {k}");
                of_counts += u64::from(bin.share.interval.0 <= truth && truth <= bin.share.interval.1);
                counts += 1;
            }
        }
    }
    assert!(all == 70 && counts > 100);
    // Cumulants of one run hang together.
    assert_at_least(hits, all, 0.92, "cumulants");
    assert_at_least(of_counts, counts, 0.93, "probabilities of counts");
}

/// The tilted master equation: all cumulants of a driven cell, and the probability of no jump.
#[test]
fn exact_counts_of_a_driven_cell() {
    for name in ["L_shots_fluorescence", "L_shots_fluorescence_detuned"] {
        let data = reference(name);
        let [omega, delta, gamma] = ["Omega", "delta", "gamma"].map(|key| data["params"][key].as_f64().unwrap());
        let of = |key: &str| numbers(&data["observables"][key]);
        for (window, t_end) in numbers(&data["times"]).into_iter().enumerate() {
            let problem = fluorescence(omega, delta, gamma, t_end, 1);
            let found = exact::counting(&problem, None, &Stop::default()).unwrap();
            let truth = ["counts_mean", "counts_var", "counts_c3", "counts_c4"].map(|key| of(key)[window]);
            let truth = [truth[0], truth[1], truth[1] / truth[0], truth[2], truth[3]];
            for (found, truth) in found[0].into_iter().zip(truth) {
                assert_close(found, truth, 1e-6, &format!("{name}, T = {t_end}"));
            }
            let silent = exact::no_jump(&problem, LOSS, None, &Stop::default()).unwrap();
            assert_close(silent[1], of("P_0")[window], 1e-10, "no jump");
        }
    }
}

/// In every representation, with rates and operators that change in time, pulses, resets and several cycles.
#[test]
fn exact_counts_agree_with_trajectories() {
    let mut p = Problem::builder("several steps");
    let b = p.ensemble("B", 3, 1.0);
    let a = p.subsystem("A", Kind::Mode { cutoff: 4 }, 1.0);
    p.initial(b, Initial::Thermal { ratio: 0.5 }).hamiltonian((sp(b) * ann(a) + ad(a) * sm(b)) * 0.8);
    p.each("loss", b, sm(b), 0.4).collective("leak", ann(a), 0.7);
    p.evolve("charge", 1.0, 2).rotate(b, Axis::X, 1.0).reset(a, Initial::Ground).evolve("wait", 0.5, 1).repeat(2);
    p.observe([Quantity::Energy]).record(Record { counting: true, ..Record::default() });
    let problem = p.build().unwrap();
    let truth = exact::counting(&problem, None, &Stop::default()).unwrap();
    let full = exact::counting(&problem, Some(Representation::Full), &Stop::default()).unwrap();
    assert_eq!(truth.len(), 8);
    let accumulated = sample(&problem, RunOptions { shots: false, ..options(40_000, 6) }).accumulated;
    let (mut hits, mut all) = (0, 0);
    for (index, (truth, full)) in truth.iter().zip(&full).enumerate() {
        for ((found, truth), full) in accumulated.cumulants(index, Z95).into_iter().zip(truth).zip(full) {
            assert_close(*full, *truth, 1e-6, "the full space");
            assert!((found.value - truth).abs() < 8.0 * found.se, "count {index}: {found:?}, {truth}");
            hits += u64::from(found.interval.0 <= *truth && *truth <= found.interval.1);
            all += 1;
        }
    }
    assert_at_least(hits, all, 0.9, "cumulants");
}

/// Counts of two channels in two steps on the ladder.
#[test]
fn counts_of_cells_that_age() {
    let data = reference("S9_counts_S3_N6");
    let mut p = Problem::builder("six cells");
    let b = p.ensemble("B", 6, 1.0);
    p.initial(b, Initial::Excited).each("individual", b, sm(b), 1.0).collective("collective", sm(b), 30.0);
    p.only(["discharge"]).evolve("storage", 0.1, 1).evolve("discharge", 0.15, 1).observe([Quantity::Energy]);
    p.record(Record { counting: true, ..Record::default() });
    let problem = p.build().unwrap();
    let accumulated = sample(&problem, RunOptions { shots: false, ..options(40_000, 5) }).accumulated;
    let by_equation = exact::counting(&problem, None, &Stop::default()).unwrap();
    let stages = &data["observables"]["stages"];
    for (index, stage, channel) in [(0, 0, "individual_decay"), (2, 1, "individual_decay"), (3, 1, "collective_decay")]
    {
        let exact = ["mean", "var"].map(|key| stages[stage][channel][key].as_f64().unwrap());
        assert_close(by_equation[index][0], exact[0], 1e-9, channel);
        assert_close(by_equation[index][1], exact[1], 1e-7, channel);
        for (found, truth) in accumulated.cumulants(index, Z95).into_iter().zip(exact) {
            assert!((found.value - truth).abs() < 5.0 * found.se, "{channel} in step {stage}: {found:?}, {truth}");
            assert!(found.se < 0.02 * truth.max(1.0), "too noisy to say: {found:?}, {truth}");
        }
    }
    // A channel that is off never counts.
    assert_eq!(accumulated.cumulants(1, Z95)[0].value, 0.0);
}

/// The distribution of the energy of twenty cells that radiate, to probabilities of 10⁻⁵.
#[test]
fn energies_of_cells_that_radiate() {
    let data = reference("L_tails_N20");
    let mut p = Problem::builder("twenty cells");
    let b = p.ensemble("B", 20, 1.0);
    p.initial(b, Initial::Excited).collective("release", sm(b), 1.0).each("loss", b, sm(b), 0.3);
    let times: Vec<f64> = std::iter::once(0.0).chain(numbers(&data["times"])).collect();
    p.evolve_rows("release", 1.0, times.clone()).observe([Quantity::Energy]);
    let of = Distribution::Conditional(Quantity::Energy);
    p.record(Record { distributions: vec![of.clone()], ..Record::default() });
    let problem = p.build().unwrap();
    let bins = problem.bins(&of).unwrap();
    let accumulated = sample(&problem, RunOptions { shots: false, ..options(100_000, 7) }).accumulated;
    let (mut hits, mut all) = (0, 0);
    for row in 1..times.len() {
        let distributed = accumulated.distributed(row, bins, Z95);
        let mut found = [0.0; 21];
        for bin in distributed.bins() {
            let k = bin.edges.0.round() as usize;
            assert!(bin.share.value == 0.0 || bin.edges.0 == k as f64, "{bin:?}");
            found[k] += bin.share.value;
            if bin.edges.0 == k as f64 {
                let truth = numbers(&data["observables"][format!("P_{k}")])[row - 1];
                hits += u64::from(bin.share.interval.0 <= truth && truth <= bin.share.interval.1);
                all += 1;
            }
        }
        let mean: f64 = found.iter().enumerate().map(|(k, p)| k as f64 * p).sum();
        let exact = numbers(&data["observables"]["mean"])[row - 1];
        assert!((mean - exact).abs() < 0.1, "row {row}: {mean}, exactly {exact}");
    }
    assert!(all > 50);
    assert_at_least(hits, all, 0.93, "probabilities of energies");
}

/// A cell in a superposition that decays: the energy falls below a level by a jump, or smoothly at a time of its own, and a
/// measurement finds it excited as often as it should.
#[test]
fn a_cell_falls_below_a_level() {
    let data = reference("L_shots_decay_superposition");
    let times = numbers(&data["times"]);
    let mut p = Problem::builder("a superposition");
    let a = cell(&mut p);
    p.initial(a, Initial::Cell { excited: 0.8, coherence: 0.4.into() }).each("loss", a, sm(a), 1.0);
    p.evolve("wait", times[times.len() - 1], times.len() - 1).observe([Quantity::Energy]);
    let passage = Passage { quantity: Quantity::Energy, beyond: Beyond::Below, level: 0.3 };
    p.record(Record {
        distributions: vec![Distribution::EnergyOutcome],
        first_passage: vec![passage],
        paths: 3,
        ..Record::default()
    });
    let problem = p.build().unwrap();
    let n = 20_000;
    let outcome = sample(&problem, options(n, 3));
    let shots = outcome.shots.unwrap();
    let crossing = data["scalars"]["no_jump_crossing_time"].as_f64().unwrap();
    let cumulative = numbers(&data["observables"]["first_passage_cdf"]);
    // Those that never jump are known, with the time at which they fall below the level.
    assert!(shots.passages.len() > n as usize);
    for time in &shots.passages[n as usize..] {
        assert!((time - crossing).abs() < 1e-7, "{time}, exactly {crossing}");
    }
    for (row, time) in times.iter().enumerate() {
        let passed = shots.passages.iter().zip(&shots.weight).filter(|(passage, _)| *passage <= time);
        let share: f64 = passed.map(|(_, weight)| weight).sum();
        assert!((share - cumulative[row]).abs() < 5.0 * 0.5 / (n as f64).sqrt(), "t = {time}: {share}");
        let excited = numbers(&data["observables"]["P_1"])[row];
        let distributed =
            outcome.accumulated.distributed(row, problem.bins(&Distribution::EnergyOutcome).unwrap(), Z95);
        let top = distributed.bins().last().unwrap();
        assert_eq!(top.edges, (1.0, 2.0));
        assert!((top.share.value - excited).abs() < 5.0 * 0.5 / (n as f64).sqrt(), "t = {time}: {top:?}");
        assert!(top.share.interval.0 <= top.share.value && top.share.value <= top.share.interval.1);
    }
    // The paths of three trajectories that jump and of the one that does not.
    assert_eq!(shots.paths.len(), 4);
    let path = &shots.paths[3];
    assert_eq!((path.trajectory, path.jumps.len(), path.values.len()), (n, 0, times.len()));
    let survives = numbers(&data["observables"]["prob_no_jump"]);
    assert!((path.weight - survives[times.len() - 1]).abs() < 1e-9, "{}", path.weight);
    for (value, exact) in path.values.iter().zip(numbers(&data["observables"]["conditional_energy_no_jump"])) {
        assert!((value - exact).abs() < 1e-9, "{value} {exact}");
    }
    for path in &shots.paths[..3] {
        let [Jump { time, channel: 0, two_j: [-1, -1], .. }] = path.jumps[..] else { panic!("{:?}", path.jumps) };
        let after = times.iter().zip(&path.values).filter(|(t, _)| **t >= time);
        assert!(after.map(|(_, energy)| *energy).all(|energy| energy.abs() < 1e-12));
    }
}

/// First passages between rows are those that rows a thousand times as dense show, whatever the engine, through jumps and
/// pulses and for several levels at once.
#[test]
fn passages_are_where_dense_rows_show_them() {
    let build = |rows: usize, cells: u64| {
        let mut p = Problem::builder("driven cells");
        let b = p.ensemble("B", cells, 1.0);
        p.hamiltonian(sx(b) * 1.3 + sz(b) * 0.2).each("loss", b, sm(b), 0.3).collective("release", sm(b), 0.2);
        p.evolve("drive", 1.0, rows).rotate(b, Axis::X, 0.3).evolve("rest", 0.7, rows).observe([Quantity::Energy]);
        let level = |share: f64, beyond| {
            let level = share * cells as f64;
            Passage { quantity: Quantity::Energy, beyond, level }
        };
        let counted = Passage { quantity: Quantity::Jumps(LOSS), beyond: Beyond::Above, level: 2.0 };
        p.record(Record {
            first_passage: vec![
                level(0.4, Beyond::Above),
                level(0.7, Beyond::Above),
                level(0.05, Beyond::Below),
                counted,
            ],
            ..Record::default()
        });
        p.build().unwrap()
    };
    fn passages(engine: &impl Unraveling, problem: &Problem) -> Vec<f64> {
        let options = RunOptions { threads: 1, ..options(24, 8) };
        run::sample(engine, problem, options, &Stop::default(), &mut |_| true).unwrap().shots.unwrap().passages
    }
    for (cells, representation) in
        [(3, Representation::Symmetric), (2, Representation::Full), (20, Representation::Symmetric)]
    {
        let of = |rows: usize| {
            let problem = build(rows, cells);
            let blocks = || Blocks::compile(&problem, representation.style().unwrap()).unwrap();
            let stored = passages(&BlockJump::new(blocks()), &problem);
            if representation == Representation::Symmetric {
                let banded = passages(&BandedJump::new(blocks()).unwrap(), &problem);
                for (a, b) in stored.iter().zip(&banded) {
                    assert!(a == b || (a - b).abs() < 1e-6, "{a} and {b}");
                }
            }
            stored
        };
        let (sparse, dense) = (of(4), of(4_000));
        let happened = sparse.iter().filter(|time| time.is_finite()).count();
        assert!(happened > sparse.len() / 3 && sparse.iter().any(|time| time.is_infinite()), "{happened}");
        let mut later = 0;
        for (few, many) in sparse.iter().zip(&dense) {
            // What comes back between the looks of sparse rows may be missed there.
            later += usize::from((few - many).abs() > 1e-6 && few != many);
            assert!(few == many || *few > many - 1e-6, "{few} is before {many}");
        }
        assert!(later * 20 <= happened, "{later} of {happened} were seen too late");
    }
}

/// A pulse takes a cell above a level in the row after it, not in the one before it at the same time; a level that a number
/// is at is passed at once, also where it is 0 but for rounding.
#[test]
fn a_level_is_passed_by_the_pulse_itself() {
    let mut p = Problem::builder("a pulse");
    let a = cell(&mut p);
    p.each("noise", a, sz(a), 0.7).evolve("before", 1.0, 1).rotate(a, Axis::X, std::f64::consts::PI);
    p.evolve("after", 1.0, 1).observe([Quantity::Energy]);
    let level = |level: f64, beyond| Passage { quantity: Quantity::Energy, beyond, level };
    p.record(Record {
        first_passage: vec![level(1.0, Beyond::Above), level(0.0, Beyond::Below), level(0.0, Beyond::Above)],
        ..Record::default()
    });
    let shots = sample(&p.build().unwrap(), options(50, 1)).shots.unwrap();
    for (times, rows) in shots.passages.chunks(3).zip(shots.passage_rows.chunks(3)) {
        assert!((times[0] - 1.0).abs() < 1e-9 && rows == [2, 0, 0], "{times:?} {rows:?}");
    }
}

/// What is left to sampling is no branch without jumps.
#[test]
fn what_surely_jumps_is_not_among_those_that_do_not() {
    let mut p = Problem::builder("quiet or not");
    let l = p.subsystem("L", Kind::Levels { energies: vec![0.0, 1.0] }, 1.0);
    p.initial(l, Initial::Populations(vec![0.9, 0.1])).collective("x", transition(l, 1, 1), 200.0);
    p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    p.record(Record { paths: 3, ..Record::default() });
    let shots = sample(&p.build().unwrap(), options(100, 1)).shots.unwrap();
    let (known, paths) = (&shots.jumps[100..], &shots.paths[3..]);
    assert!(known == [0] && paths.len() == 1 && paths[0].jumps.is_empty() && shots.weight[100] == 0.9, "{known:?}");
}

/// Every jump is counted once, in the order of time, and takes J from where the one before left it.
#[test]
fn jumps_are_the_counted_ones() {
    let problem = keeping(&example(AGING, "N=8 cycles=2 samples=2"), Record { jumps: true, ..Record::default() });
    let outcome = sample(&problem, options(300, 2));
    let shots = outcome.shots.unwrap();
    let (mut start, all) = (0, shots.all_jumps.column(|jump| *jump).unwrap());
    assert!(all.len() > 1_000);
    for (k, own) in shots.jumps_of.iter().enumerate() {
        let jumps = &all[start..start + *own as usize];
        start += *own as usize;
        let mut counts = vec![0; shots.channels];
        jumps.iter().for_each(|jump| counts[jump.channel as usize] += 1);
        assert_eq!(counts, shots.jumps[k * shots.channels..][..shots.channels], "trajectory {k}");
        assert!(jumps.windows(2).all(|pair| pair[0].time <= pair[1].time && pair[0].cycle <= pair[1].cycle));
        assert!(jumps.windows(2).all(|pair| pair[0].two_j[1] == pair[1].two_j[0]), "trajectory {k}");
    }
    assert_eq!(start, all.len());
}

/// A record changes no path and no draw, and any cut of the run gives the same record.
#[test]
fn a_record_changes_nothing_and_any_cut_gives_the_same() {
    let energy = || Distribution::Conditional(Quantity::Energy);
    let record = Record {
        paths: 5,
        jumps: true,
        counting: true,
        audit: true,
        distributions: vec![energy(), Distribution::EnergyOutcome],
        first_passage: vec![Passage { quantity: Quantity::Energy, beyond: Beyond::Above, level: 0.5 }],
        delays: vec![Delays { channel: LOSS, until: 0.005, bins: 3, from: 0.001 }],
    };
    for problem in [example(AGING, "N=6 cycles=1 samples=2"), fluorescence(1.0, 0.2, 0.5, 4.0, 5)] {
        let plain = sample(&problem, options(700, 4));
        let problem = keeping(&problem, record.clone());
        let whole = sample(&problem, RunOptions { threads: 3, ..options(700, 4) });
        let (a, b) = (plain.shots.unwrap(), whole.shots.clone().unwrap());
        assert_eq!((a.energy_mean, a.energy_outcome, a.jumps), (b.energy_mean, b.energy_outcome, b.jumps));
        assert_eq!(plain.accumulated.moments, whole.accumulated.moments);
        assert!(b.paths.len() >= 5 && !b.all_jumps.is_empty() && b.passages.len() == b.weight.len());

        let (_, engine) = Engine::new(&problem, None).unwrap();
        let options = RunOptions { threads: 2, ..options(700, 4) };
        let all = run::batches(&engine, &problem, options);
        let mut batches = Batches::default();
        for cut in [all.start..1, 1..all.end] {
            let part =
                run::go_on(&engine, &problem, options, (Batches::default(), cut), &Stop::default(), &mut |_| true);
            batches.append(part.unwrap());
        }
        let cut = run::conclude(&engine, &problem, options, batches, &Stop::default()).unwrap();
        assert!(all.end > 1, "there is nothing to cut");
        assert!(cut == whole, "a cut changes what is kept");
    }
}

/// More jumps than can be kept are refused after the first batch, with what to do instead.
#[test]
fn too_many_jumps_are_refused() {
    let problem = keeping(&example(AGING, "N=100 cycles=5"), Record { jumps: true, ..Record::default() });
    let (_, engine) = Engine::new(&problem, None).unwrap();
    let started = std::time::Instant::now();
    let options = options(100_000_000, 1);
    let error = run::sample(&engine, &problem, options, &Stop::default(), &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("record of jumps") && error.contains("100000000") && error.contains("counting"), "{error}");
    assert!(started.elapsed().as_secs() < 60);
}
