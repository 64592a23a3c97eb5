//! Coverage of errors by counting all outcomes, and what is known without sampling.

use super::*;
use crate::estimate::columns::Z95;
use crate::problem::{ChannelId, Factor, Gate, Kind, Quantity};
use statrs::distribution::{Binomial, Discrete};

/// `seen` ones among `n` numbers that are 0 otherwise.
fn ones(seen: u64, n: u64) -> Scatter {
    let (p, q) = (seen as f64 / n as f64, (n - seen) as f64 / n as f64);
    Scatter { n: n as f64, mean: p, square: p * q, third: p * q * (q - p), fourth: p * q * (p.powi(3) + q.powi(3)) }
}

/// Of n trajectories each shows an event with probability p: the chance that p lies within 1.96 errors, summed over all
/// outcomes.
#[test]
fn errors_cover_however_rare_the_events() {
    for n in [128, 1_000, 10_000] {
        let mut expected = 1e-3;
        while expected < 0.5 * n as f64 {
            let p = expected / n as f64;
            let law = Binomial::new(p, n).unwrap();
            let most = (expected + 12.0 * expected.sqrt() + 30.0) as u64;
            let covers = |k: &u64| (*k as f64 / n as f64 - p).abs() <= Z95 * ones(*k, n).error(1.0);
            let coverage: f64 = (0..=most.min(n)).filter(covers).map(|k| law.pmf(k)).sum();
            let least = if expected < 10.0 { 0.95 } else { 0.94 };
            assert!(coverage >= least, "{expected} events expected among {n}: {coverage}");
            expected *= 1.05;
        }
    }
}

#[test]
fn regular_errors_are_those_of_the_textbook() {
    for n in [1_000, 10_000, 1_000_000] {
        let found = ones(n / 2, n);
        assert!(found.error(1.0) / found.sampled_error() < 1.01, "{n}");
        // Normal numbers, μ₄ = 3μ₂², that could be a hundred times as large.
        let normal = Scatter { n: n as f64, mean: 3.0, square: 1.0, third: 0.0, fourth: 3.0 };
        assert!(normal.error(100.0) / normal.sampled_error() < 1.01, "{n}");
        assert_eq!(Scatter { n: 32.0, ..normal }.of_few(), 1.0);
    }
}

/// Not a single event, and what rounding makes of none.
#[test]
fn no_event_is_no_certainty() {
    for mean in [0.0, 1.0, 1e-9] {
        for noise in [0.0, 1e-17, 1e-15] {
            let square = f64::powi(noise, 2);
            let found = Scatter { n: 1e4, mean, square, third: 0.0, fourth: 3.0 * square * square };
            let error = found.error(2.0);
            assert!((error - 2.0 * 2.0 / 1e4).abs() < 1e-6, "{mean} {noise}: {error}");
        }
    }
    let single = Scatter { n: 1.0, mean: 0.5, square: 0.0, third: 0.0, fourth: 0.0 };
    assert!(single.error(1.0) == 2.0 && single.sampled_error().is_nan());
}

/// An ensemble C of two cells that loses quanta together, one D that is dephased, a cell E that nothing touches, and a
/// channel that is on in the second step only.
#[test]
fn what_is_known_needs_no_sampling() {
    let mut p = Problem::builder("known");
    let [c, d] = ["C", "D"].map(|name| p.ensemble(name, 2, 1.0));
    let e = p.subsystem("E", Kind::Network { cells: 1, edges: vec![] }, 1.0);
    p.initial(c, Initial::Excited).initial(d, Initial::Excited);
    p.battery([c]);
    p.collective("loss", OpSum::of(c, Op::Lower), 1.0);
    p.each("dephasing", d, OpSum::of(d, Op::Number), 1.0);
    p.collective("late", OpSum::of(c, Op::Lower), 1.0).only(["second"]);
    p.evolve("first", 1.0, 1).evolve("second", 1.0, 1);
    let late = ChannelId::new(2);
    let quantities = [
        Quantity::Energy,
        Quantity::EnergyOf(d),
        Quantity::EnergyOf(e),
        Quantity::SpinLength(c),
        Quantity::SpinLength(d),
        Quantity::Jumps(late),
    ];
    let problem = p.observe(quantities).build().unwrap();
    let known = Known::new(&problem);
    assert_eq!(known.certain, [true, false, false, false]);
    let width = problem.linear().len();
    let of = |linear: Linear| {
        let average = problem.linear().iter().position(|l| *l == linear).unwrap();
        (0..4).map(|row| known.number(row * width + average)).collect::<Vec<_>>()
    };
    assert_eq!(of(Linear::Energy), [true, false, false, false]);
    // Dephasing moves no energy, but takes D out of J = 1.
    assert_eq!(of(Linear::EnergyOf(d)), [true; 4]);
    assert_eq!(of(Linear::EnergyOf(e)), [true; 4]);
    assert_eq!(of(Linear::SpinSquared(c)), [true; 4]);
    assert_eq!(of(Linear::SpinSquared(d)), [true, false, false, false]);
    assert_eq!(of(Linear::Jumps(late)), [true, true, true, false]);
}

/// Gates on an ensemble are made of collective operators, which keep J; there is none on one of its cells alone.
#[test]
fn gates_keep_the_spin_of_an_ensemble() {
    let gated = |site: Option<usize>| {
        let mut p = Problem::builder("gate");
        let c = p.ensemble("C", 4, 1.0);
        let generator = OpSum::from_factor(Factor { subsystem: c, site, op: Op::X });
        p.initial(c, Initial::Excited).collective("loss", OpSum::of(c, Op::Lower), 1.0);
        p.evolve("first", 1.0, 1).unitary(Gate::Exponential(generator * 0.3)).evolve("second", 1.0, 1);
        p.observe([Quantity::SpinLength(c)]).build()
    };
    assert!(gated(Some(0)).is_err());
    let problem = gated(None).unwrap();
    let (linear, known) = (problem.linear(), Known::new(&problem));
    let spin = linear.iter().position(|l| matches!(l, Linear::SpinSquared(_))).unwrap();
    assert!(known.numbers.iter().skip(spin).step_by(linear.len()).all(|known| *known), "{linear:?}: {known:?}");
    assert_eq!(known.certain, [true, false, false, false]);
}

/// A start that is drawn is uncertain at once; a term that changes the quanta, however it is written, moves the energy.
#[test]
fn drawn_starts_and_drives_are_not_known() {
    let problem = |initial: Initial, h: OpSum| {
        let mut p = Problem::builder("cell");
        let a = p.subsystem("A", Kind::Network { cells: 1, edges: vec![] }, 1.0);
        p.initial(a, initial).hamiltonian(h).each("dephasing", a, OpSum::of(a, Op::Z), 1.0);
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]).build().unwrap()
    };
    let known = |initial, h| Known::new(&problem(initial, h)).numbers;
    let (a, nothing) = (SubsystemId::new(0), OpSum::default());
    assert_eq!(known(Initial::Excited, nothing.clone()), [true, true]);
    assert_eq!(known(Initial::Thermal { ratio: 0.5 }, nothing.clone()), [false, false]);
    assert_eq!(known(Initial::plus(), nothing.clone()), [true, false]);
    assert_eq!(known(Initial::Cell { excited: 0.5, coherence: 0.0.into() }, nothing), [false, false]);
    assert_eq!(known(Initial::Ground, OpSum::of(a, Op::X)), [true, false]);
    assert_eq!(known(Initial::Ground, OpSum::of(a, Op::Z)), [true, true]);
}
