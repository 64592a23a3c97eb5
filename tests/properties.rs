//! Random small problems: every representation that accepts one agrees with the naive Liouvillian in the full space, and
//! so do trajectories.

mod common;

use faer::{Mat, Side};
use leyden::RunError;
use leyden::estimate::{columns, verify};
use leyden::exact::blocks::Ending;
use leyden::exact::{blocks, naive};
use leyden::models::{Graph, Network};
use leyden::problem::function::{Call, Expression, Function, Table};
use leyden::problem::{Axis, ChannelId, Envelope, Factor, Initial, Kind, Op, OpSum, Problem, Quantity, RateMatrix};
use leyden::problem::{Step, Subsystem, SubsystemId};
use leyden::run::{self, RunOptions};
use leyden::space::blocks::{Blocks, Style};
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::unravel::banded::BandedJump;
use leyden::unravel::block_jump::BlockJump;
use leyden::unravel::engine::Engine;
use num_complex::Complex64;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Number of random problems of the fast tier; the statistical tier runs many more.
const FEW: u64 = 100;
const MANY: u64 = 600;

const STYLES: [Style; 3] = [
    Style { spins: false, charges: false },
    Style { spins: false, charges: true },
    Style { spins: true, charges: true },
];

struct Maker {
    rng: ChaCha8Rng,
    /// Terms that keep the number of quanta, so that sectors come up.
    charged: bool,
}

impl Maker {
    fn normal(&mut self) -> f64 {
        self.rng.random_range(-1.0..1.0)
    }

    fn rate(&mut self) -> f64 {
        if self.rng.random_bool(0.1) { 0.0 } else { self.rng.random_range(0.1..1.5) }
    }

    fn complex(&mut self) -> Complex64 {
        Complex64::new(self.normal(), self.normal())
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())].clone()
    }

    /// A raising operator of a subsystem, on one cell where it has numbered ones.
    fn raising(&mut self, e: SubsystemId, kind: &Kind) -> OpSum {
        match kind {
            Kind::Ensemble { .. } => OpSum::of(e, Op::Raise),
            Kind::Network { cells, .. } => {
                let site = Some(self.rng.random_range(0..*cells));
                OpSum::from_factor(Factor { subsystem: e, site, op: Op::Raise })
            }
            Kind::Mode { .. } => OpSum::of(e, Op::Create),
            Kind::Levels { energies } => {
                let to = self.rng.random_range(1..energies.len());
                OpSum::of(e, Op::Transition(to, to - 1))
            }
        }
    }

    fn diagonal(&mut self, e: SubsystemId, kind: &Kind) -> OpSum {
        match kind {
            Kind::Ensemble { .. } => OpSum::of(e, self.pick(&[Op::Number, Op::Z])),
            Kind::Network { cells, .. } => {
                let site = Some(self.rng.random_range(0..*cells));
                OpSum::from_factor(Factor { subsystem: e, site, op: self.pick(&[Op::Number, Op::Z]) })
            }
            Kind::Mode { .. } => OpSum::of(e, Op::Number),
            Kind::Levels { energies } => {
                let level = self.rng.random_range(0..energies.len());
                OpSum::of(e, Op::Transition(level, level))
            }
        }
    }

    fn cell_operator(&mut self, e: SubsystemId) -> OpSum {
        let op = |op| OpSum::of(e, op);
        if self.charged {
            let one = self.pick(&[Op::Lower, Op::Raise, Op::Z, Op::Number]);
            return op(one) * self.complex();
        }
        op(Op::Lower) * self.complex()
            + op(Op::Raise) * self.complex()
            + op(Op::Number) * self.complex()
            + op(Op::X) * self.normal()
    }

    fn kind(&mut self) -> Kind {
        match self.rng.random_range(0..5) {
            0 | 1 => Kind::Ensemble { cells: self.rng.random_range(1..=3) },
            2 => {
                let cells = self.rng.random_range(1..=3);
                Kind::Network { cells, edges: (1..cells).map(|b| (b - 1, b)).collect() }
            }
            3 => Kind::Mode { cutoff: self.rng.random_range(2..=4) },
            _ => Kind::Levels { energies: vec![0.0, 0.7, 1.9] },
        }
    }

    fn initial(&mut self, kind: &Kind) -> Initial {
        let superposed = !self.charged;
        match kind {
            Kind::Ensemble { .. } | Kind::Network { .. } => match self.rng.random_range(0..5) {
                0 => Initial::Ground,
                1 => Initial::Excited,
                2 => Initial::Thermal { ratio: self.rng.random_range(0.0..1.5) },
                3 if matches!(kind, Kind::Ensemble { .. }) => {
                    let Kind::Ensemble { cells } = *kind else { return Initial::Ground };
                    let two_j = cells - 2 * self.rng.random_range(0..=cells / 2);
                    let up = self.rng.random_range(0..=two_j) as i64;
                    Initial::Dicke { two_j, two_m: 2 * up - two_j as i64 }
                }
                _ if superposed => {
                    let excited: f64 = self.rng.random_range(0.05..0.95);
                    let size = (excited * (1.0 - excited)).sqrt() * self.rng.random_range(0.0..=1.0);
                    Initial::Cell { excited, coherence: Complex64::from_polar(size, self.rng.random_range(-3.0..3.0)) }
                }
                _ => Initial::Cell { excited: self.rng.random_range(0.0..=1.0), coherence: Complex64::ZERO },
            },
            Kind::Mode { cutoff } => match self.rng.random_range(0..4) {
                0 => Initial::Fock(self.rng.random_range(0..*cutoff)),
                1 => Initial::Thermal { ratio: 0.4 },
                2 if superposed => Initial::Coherent(self.complex()),
                _ => Initial::Ground,
            },
            Kind::Levels { .. } => Initial::Populations(vec![0.5, 0.2, 0.3]),
        }
    }

    fn problem(&mut self) -> Problem {
        let mut p = Problem::builder("random");
        let mut kinds = Vec::new();
        let mut bits = 0.0;
        for index in 0..self.rng.random_range(1..=3) {
            let kind = self.kind();
            let size: f64 = match &kind {
                Kind::Ensemble { cells } => *cells as f64,
                Kind::Network { cells, .. } => *cells as f64,
                Kind::Mode { cutoff } => (*cutoff as f64).log2(),
                Kind::Levels { energies } => (energies.len() as f64).log2(),
            };
            if bits + size > 5.1 && index > 0 {
                continue;
            }
            bits += size;
            let energy = self.rng.random_range(0.3..1.5);
            let e = p.subsystem(&format!("S{index}"), kind.clone(), energy);
            let initial = self.initial(&kind);
            p.initial(e, initial);
            kinds.push(kind);
        }
        let all: Vec<SubsystemId> = (0..kinds.len()).map(SubsystemId::new).collect();
        for e in all.clone() {
            let own = self.diagonal(e, &kinds[e.index()]) * self.normal();
            p.hamiltonian(own);
            let up = self.raising(e, &kinds[e.index()]);
            let other = self.pick(&all);
            let down = self.raising(other, &kinds[other.index()]).adjoint();
            let hop = up.clone() * down * self.complex();
            p.hamiltonian(hop.clone() + hop.adjoint());
            if !self.charged {
                let drive = up.clone() * self.complex();
                p.hamiltonian(drive.clone() + drive.adjoint());
            }
            let rate = self.rate();
            if let Kind::Ensemble { .. } | Kind::Network { .. } = kinds[e.index()] {
                let operator = self.cell_operator(e);
                p.each(&format!("each{e}"), e, operator, rate);
            }
            if let Kind::Network { cells, edges } = &kinds[e.index()] {
                let rates = RateMatrix::on_graph(*cells, edges, 1.0, 0.4).unwrap();
                p.correlated(&format!("together{e}"), e, OpSum::of(e, Op::Lower), rate, rates);
                if self.rng.random_bool(0.5) {
                    p.only(["second"]);
                }
            }
            let lowered = up.adjoint();
            let collective = if self.charged || self.rng.random_bool(0.5) {
                lowered
            } else {
                lowered * self.complex() + self.diagonal(e, &kinds[e.index()]) * self.complex()
            };
            let rate = self.rate();
            p.collective(&format!("loss{e}"), collective, rate);
        }
        if self.rng.random_bool(0.4) {
            let e = self.pick(&all);
            let operator = if self.charged {
                self.diagonal(e, &kinds[e.index()])
            } else {
                let up = self.raising(e, &kinds[e.index()]);
                up.clone() + up.adjoint()
            };
            let envelopes = [
                Envelope::Constant(0.6),
                Envelope::Linear { start: 0.2, slope: 1.0 },
                Envelope::Gaussian { peak: 1.5, centre: 0.2, width: 0.15 },
                Envelope::Cosine { amplitude: 0.8, frequency: 5.0, phase: 0.4 },
            ];
            let envelope = self.pick(&envelopes);
            p.drive("drive", operator, envelope).only(["first"]);
        }
        p.evolve("first", 0.5, 2);
        let spins: Vec<SubsystemId> = all
            .iter()
            .copied()
            .filter(|e| !matches!(kinds[e.index()], Kind::Mode { .. } | Kind::Levels { .. }))
            .collect();
        if let Some(&e) = spins.first()
            && self.rng.random_bool(0.6)
        {
            let angle = if self.charged { std::f64::consts::PI } else { self.pick(&[std::f64::consts::PI, 1.1, -2.0]) };
            let axis = self.pick(&[Axis::X, Axis::Y, Axis::Z]);
            p.rotate(e, axis, angle);
        }
        if self.rng.random_bool(0.3) {
            let e = self.pick(&all);
            let state = self.initial(&kinds[e.index()]);
            p.reset(e, state);
        }
        p.evolve("second", 0.4, 2);
        if self.rng.random_bool(0.3) {
            p.repeat(2);
        }
        let mut battery: Vec<SubsystemId> = all.iter().copied().filter(|_| self.rng.random_bool(0.6)).collect();
        if battery.is_empty() {
            battery.push(all[0]);
        }
        p.battery(battery.clone());
        p.observe([Quantity::Energy, Quantity::EnergyVariance, Quantity::Ergotropy, Quantity::Purity]);
        p.observe([
            Quantity::AntiErgotropy,
            Quantity::IncoherentErgotropy,
            Quantity::ErgotropyOf(all[0]),
            Quantity::EnergyOf(all[0]),
        ]);
        if battery.iter().all(|e| spins.contains(e)) {
            p.observe([Quantity::LocalErgotropy, Quantity::CellCoherence]);
        }
        for e in all {
            if let Kind::Ensemble { .. } = kinds[e.index()] {
                p.observe([Quantity::Magnetisation(e), Quantity::SpinLength(e), Quantity::Bright(e)]);
                p.observe([Quantity::MagnetisationVariance(e), Quantity::BrightLoss(e), Quantity::BrightReturn(e)]);
            }
        }
        let channels = p.build().unwrap();
        p.observe(channels.channel_ids().map(Quantity::Jumps));
        p.build().unwrap()
    }
}

fn random(seed: u64) -> Problem {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let charged = rng.random_bool(0.5);
    Maker { rng, charged }.problem()
}

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
    let mut total = [0; 3];
    for seed in seeds.clone() {
        total.iter_mut().zip(check(seed)).for_each(|(t, c)| *t += c);
    }
    let n = (seeds.end - seeds.start) as usize;
    assert!(total[0] == n && total[1] > n / 8 && total[2] > n / 4, "too few problems in some style: {total:?} of {n}");
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

/// A random problem in which a drive and two rates are functions of time: smooth ones, pulses, kinks, jumps and tables, on
/// both clocks.
fn random_in_time(seed: u64) -> Problem {
    use Expression::{Number, RunTime, StepTime};
    let problem = random(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = Number;
    let call = |call, x: Expression| Expression::Call(call, vec![x]);
    let shifted = |clock: Expression, by: f64| clock.plus(n(-by));
    let square = |x: Expression| Expression::Power(Box::new(x), Box::new(n(2.0)));
    let table = Table::new("w", vec![0.0, 0.11, 0.27, 0.5], vec![0.4, 1.0, 0.5, 0.7], 3).unwrap();
    // None of them is negative anywhere.
    let functions = [
        call(Call::Exp, square(shifted(StepTime, 0.2)).times(n(-40.0))),
        square(call(Call::Sin, StepTime.times(n(7.0)))),
        call(Call::Exp, RunTime.times(n(-2.0))),
        Expression::Call(Call::Max, vec![n(0.0), call(Call::Abs, shifted(StepTime, 0.13)).times(n(-9.0)).plus(n(1.0))]),
        call(Call::Step, shifted(RunTime, 0.31)).times(n(0.8)),
        Expression::Table(Arc::new(table), Box::new(StepTime)),
        Expression::Quotient(Box::new(n(0.3)), Box::new(StepTime.plus(n(0.2)))),
    ];
    let mut function = || Envelope::Function(Function::new(&functions[rng.random_range(0..functions.len())]));
    let mut changed = problem.edit();
    let part = SubsystemId::new(0);
    let operator = match &problem.subsystems()[part].kind {
        Kind::Levels { .. } => OpSum::of(part, Op::Transition(1, 1)),
        _ => OpSum::of(part, Op::Number),
    };
    changed.drive("timed", operator, function());
    for channel in problem.channel_ids().step_by(2) {
        changed.rate_in_time(channel, function());
    }
    let kept =
        problem.quantities().iter().filter(|q| !matches!(q, Quantity::BrightLoss(_) | Quantity::BrightReturn(_)));
    let mut kept: Vec<Quantity> = kept.cloned().collect();
    // A jump operator that is a number plus a function times a shift, on two clocks; where charges are kept, of one shift.
    let down = match &problem.subsystems()[part].kind {
        Kind::Mode { .. } => OpSum::of(part, Op::Annihilate),
        Kind::Levels { .. } => OpSum::of(part, Op::Transition(0, 1)),
        Kind::Ensemble { .. } | Kind::Network { .. } => OpSum::of(part, Op::Lower),
    };
    changed.collective("shaped", down.clone() * 0.3, 0.9).plus(function(), down * Complex64::new(0.2, 0.5));
    kept.push(Quantity::Jumps(ChannelId::new(problem.channels().len())));
    // Operators of its own: one that is not diagonal, alone and with a number of the last part.
    let up = match &problem.subsystems()[part].kind {
        Kind::Mode { .. } => OpSum::of(part, Op::Create),
        Kind::Levels { .. } => OpSum::of(part, Op::Transition(2, 1)),
        Kind::Ensemble { .. } | Kind::Network { .. } => OpSum::of(part, Op::Raise),
    };
    let turned = up.clone() * Complex64::I;
    let own = up.clone() * up.adjoint() + turned.clone() + turned.adjoint();
    let last = SubsystemId::new(problem.subsystems().len() - 1);
    let number = match &problem.subsystems()[last].kind {
        Kind::Levels { .. } => OpSum::of(last, Op::Transition(1, 1)),
        _ => OpSum::of(last, Op::Number),
    };
    let both = own.clone() * number.clone() + number * own.clone();
    kept.push(Quantity::Expect(changed.observable("own", own)));
    kept.push(Quantity::Expect(changed.observable("both", both)));
    let problem = changed.with_only(kept).build();
    problem.unwrap_or_else(|e| panic!("{seed}: {e}"))
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
        let outcome = run::sample(&engine, &problem, options, &Stop::default(), &mut |_, _| true).unwrap();
        let sampled = columns::table(&problem, &outcome.accumulated).unwrap();
        for column in &sampled.columns {
            let Some((lo, hi)) = &column.bounds else { continue };
            let outside = |row: &usize| column.value[*row] < lo[*row] || column.value[*row] > hi[*row];
            let outside = (0..column.value.len()).find(outside);
            assert!(outside.is_none(), "{seed}, {representation}: {} lies outside its interval", column.name);
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
        let a = run::sample(&stored, &problem, options, &Stop::default(), &mut |_, _| true).unwrap();
        let b = run::sample(&banded, &problem, options, &Stop::default(), &mut |_, _| true).unwrap();
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
        let outcome = run::sample(&engine, &problem, options, &Stop::default(), &mut |_, _| true).unwrap();
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
