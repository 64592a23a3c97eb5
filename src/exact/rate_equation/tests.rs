//! The rate equation against closed forms, the full space and itself.

use super::*;
use crate::exact::blocks::Ending;
use crate::exact::naive;
use crate::problem::{Axis, ChannelId, Op, OpSum, ProblemBuilder, Quantity, StepId, n, sm, sp, sz};
use std::f64::consts::PI;

fn everything(ensembles: &[SubsystemId]) -> Vec<Quantity> {
    let each =
        |e: &SubsystemId| [Quantity::Magnetisation(*e), Quantity::MagnetisationVariance(*e), Quantity::SpinLength(*e)];
    let mut all: Vec<Quantity> = ensembles.iter().flat_map(each).collect();
    all.extend([Quantity::Energy, Quantity::EnergyVariance, Quantity::EnergyDeviation, Quantity::Ergotropy]);
    all.push(Quantity::Efficiency);
    all
}

/// Largest difference between two tables over all columns.
fn difference(a: &Table, b: &Table) -> f64 {
    assert_eq!(a.columns.len(), b.columns.len());
    let pairs = a.columns.iter().zip(&b.columns).flat_map(|(a, b)| {
        assert_eq!(a.name, b.name);
        assert_eq!(a.value.len(), b.value.len());
        a.value.iter().zip(&b.value)
    });
    pairs.map(|(a, b)| if a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() }).fold(0.0, f64::max)
}

/// All kinds of channel at once: both collective directions and collective dephasing, σ⁻, σ⁺, σz and n on each cell.
fn busy(cells: u64, initial: Initial) -> ProblemBuilder {
    let mut p = Problem::builder("busy");
    let b = p.ensemble("B", cells, 1.3);
    p.initial(b, initial).hamiltonian(sz(b) * 0.4 + sp(b) * sm(b) * 0.3);
    p.each("loss", b, sm(b) * 1.2, 1.0).each("pump", b, sp(b), 0.3).each("dephasing", b, sz(b), 0.2);
    p.each("phase", b, n(b) * 0.9, 0.7).collective("blur", sz(b) + n(b) * 0.5, 0.05);
    p.collective("release", sm(b), 4.0).only(["discharge"]).collective("absorb", sp(b), 0.5).only(["discharge"]);
    p.rotate(b, Axis::X, PI).evolve("storage", 0.21, 2);
    p.rotate(b, Axis::Z, 0.3).evolve("discharge", 0.34, 3).rotate(b, Axis::Y, -3.0 * PI).repeat(2);
    p.observe(everything(&[b])).observe([Quantity::Released(None), Quantity::Released(Some(StepId::new(1)))]);
    p.observe((0..7).map(ChannelId::new).map(Quantity::Jumps));
    p
}

#[test]
fn agrees_with_the_full_space_with_every_channel_on() {
    for cells in 1..=5 {
        let mut states = vec![Initial::Ground, Initial::Excited, Initial::Thermal { ratio: 0.35 }];
        let two_j = cells % 2;
        states.push(Initial::Dicke { two_j, two_m: -(two_j as i64) });
        for initial in states {
            let problem = busy(cells, initial.clone()).build().unwrap();
            let exact = RateEquation::new(&problem).unwrap().solve().unwrap();
            let worst = difference(&exact, &naive::solve(&problem).unwrap());
            assert!(worst < 1e-9, "{cells} cells, {initial:?}: {worst:e}");
        }
    }
}

#[test]
fn several_ensembles_are_solved_one_by_one() {
    let mut p = Problem::builder("two");
    let (a, b) = (p.ensemble("A", 2, 1.0), p.ensemble("B", 3, 0.6));
    p.initial(a, Initial::Excited).initial(b, Initial::Thermal { ratio: 2.0 });
    p.each("loss", a, sm(a), 1.0).each("pump", b, sp(b), 0.3).collective("release", sm(b), 2.0);
    p.rotate(b, Axis::X, PI).evolve("wait", 0.5, 3);
    p.observe(everything(&[a, b])).observe([
        Quantity::Released(None),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
    ]);
    let problem = p.build().unwrap();
    let exact = RateEquation::new(&problem).unwrap().solve().unwrap();
    let worst = difference(&exact, &naive::solve(&problem).unwrap());
    assert!(worst < 1e-9, "{worst:e}");
}

#[test]
fn coherence_is_refused_with_the_reason() {
    let refusal = |p: &ProblemBuilder| match RateEquation::new(&p.build().unwrap()).err().unwrap() {
        RunError::Compile(error) => error.reason,
        other => panic!("{other}"),
    };
    let base = || {
        let mut p = Problem::builder("coherent");
        let b = p.ensemble("B", 3, 1.0);
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        (p, b)
    };
    let (mut p, b) = base();
    p.hamiltonian(OpSum::of(b, Op::X));
    assert!(refusal(&p).contains("Hamiltonian changes M of B"));
    let (mut p, b) = base();
    p.rotate(b, Axis::X, 1.0);
    assert!(refusal(&p).contains("no multiple of π"));
    let (mut p, b) = base();
    p.each("mixed", b, sm(b) + sz(b), 1.0);
    assert!(refusal(&p).contains("mixture of σ⁻, σ⁺ and σz"));
    let (mut p, b) = base();
    let c = p.ensemble("C", 2, 1.0);
    p.collective("both", sm(b) + sm(c), 1.0);
    assert!(refusal(&p).contains("ties several ensembles"));
}

/// Paper 000, Fig. 3: N = 140, Γ = 1600γ, τ_s = 0.0187/γ.
fn aging(cells: u64, gamma_collective: f64, tau: [f64; 2], cycles: u64, samples: usize) -> Problem {
    let mut p = Problem::builder("aging");
    let b = p.ensemble("B", cells, 1.0);
    p.each("loss", b, sm(b), 1.0).collective("release", sm(b), gamma_collective).only(["discharge"]);
    p.rotate(b, Axis::X, PI).evolve("storage", tau[0], samples).evolve("discharge", tau[1], samples).repeat(cycles);
    p.observe([Quantity::Magnetisation(b), Quantity::SpinLength(b), Quantity::MagnetisationVariance(b)]);
    p.observe([Quantity::Released(None)]);
    p.build().unwrap()
}

#[test]
fn agrees_with_the_reference_for_ten_cells() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/data/S3_small_N10.json")).unwrap();
    let problem = aging(10, 40.0, [0.1, 0.15], 12, 2);
    let table = RateEquation::new(&problem).unwrap().solve().unwrap();
    // The reference leaves out the start of a discharge, which is the end of the storage.
    let kept: Vec<usize> = (0..table.rows.len()).filter(|r| r % 6 != 3).collect();
    for (name, key) in [("M", "Sz"), ("S", "S"), ("M_var", "VarSz")] {
        let expected = reference["observables"][key].as_array().unwrap();
        assert_eq!(expected.len(), kept.len());
        for (&row, value) in kept.iter().zip(expected) {
            let got = table.column(name).unwrap().value[row];
            assert!((got - value.as_f64().unwrap()).abs() < 1e-10, "{name} at row {row}: {got} {value}");
        }
    }
    let useful = reference["scalars"]["useful_energy_per_cycle"].as_array().unwrap();
    for (cycle, value) in useful.iter().enumerate() {
        let got = table.column("released").unwrap().value[6 * cycle + 5];
        assert!((got - value.as_f64().unwrap()).abs() < 1e-9, "{cycle}: {got} {value}");
    }
}

#[test]
fn the_fixed_point_is_the_limit_of_many_cycles() {
    let settled = RateEquation::new(&aging(6, 40.0, [0.3, 0.5], 1, 1)).unwrap().fixed_point(Ending::Limit).unwrap();
    let late = RateEquation::new(&aging(6, 40.0, [0.3, 0.5], 120, 1)).unwrap().solve().unwrap();
    for (a, b) in settled.columns.iter().zip(&late.columns) {
        let last = &b.value[b.value.len() - a.value.len()..];
        assert!(a.value.iter().zip(last).all(|(a, b)| (a - b).abs() < 1e-9), "{}: {:?} {last:?}", a.name, a.value);
    }
}

/// One excited spin that decays.
fn decay(gamma: f64, rows: Vec<f64>) -> Problem {
    let mut p = Problem::builder("decay");
    let b = p.ensemble("B", 1, 1.0);
    p.initial(b, Initial::Excited).each("loss", b, sm(b), gamma).evolve_rows("wait", rows[rows.len() - 1], rows);
    p.observe([Quantity::Energy, Quantity::Jumps(ChannelId::new(0))]);
    p.build().unwrap()
}

#[test]
fn rows_close_together_in_a_long_step() {
    let gamma = 1e13;
    let problem = decay(gamma, vec![0.0, 1.0 / gamma, 2.0 / gamma, 4.0 / gamma, 1.0]);
    let table = RateEquation::new(&problem).unwrap().solve().unwrap();
    let expected = [1.0, 0.367879441171, 0.135335283237, 0.018315638889, 0.0];
    for (row, right) in expected.into_iter().enumerate() {
        let [energy, jumps] = [0, 1].map(|column: usize| table.columns[column].value[row]);
        assert!((energy - right).abs() < 1e-9 && (jumps - (1.0 - right)).abs() < 1e-9, "{row}: {energy}, {jumps}");
    }
}

#[test]
fn rows_spaced_by_factors_over_twelve_decades() {
    let (first, last) = (1e-3, 1e9);
    let mut rows: Vec<f64> = (0..400).map(|i| first * f64::powf(last / first, f64::from(i) / 399.0)).collect();
    rows.insert(0, 0.0);
    let problem = decay(1.0, rows.clone());
    let table = RateEquation::new(&problem).unwrap().solve().unwrap();
    for (time, energy) in rows.iter().zip(&table.columns[0].value) {
        assert!((energy - (-time).exp()).abs() < 1e-9, "t = {time}: {energy}");
    }
}

#[test]
fn evenly_spaced_rows_share_a_propagator() {
    let problem = aging(4, 40.0, [0.1, 0.3], 3, 97);
    let mut equation = RateEquation::new(&problem).unwrap();
    equation.solve().unwrap();
    assert_eq!(equation.propagators.len(), 2);
}

#[test]
fn the_unit_of_time_does_not_matter() {
    let solved = |unit: f64| {
        let mut p = Problem::builder("units");
        let b = p.ensemble("B", 6, 1.0);
        p.each("loss", b, sm(b), 1.0 * unit).each("noise", b, sz(b), 0.2 * unit).collective(
            "release",
            sm(b),
            40.0 * unit,
        );
        p.rotate(b, Axis::X, PI).evolve("storage", 0.3 / unit, 3).evolve("discharge", 0.5 / unit, 2).repeat(2);
        p.observe(everything(&[b])).observe([Quantity::Jumps(ChannelId::new(0)), Quantity::Jumps(ChannelId::new(2))]);
        let problem = p.build().unwrap();
        let mut equation = RateEquation::new(&problem).unwrap();
        (equation.solve().unwrap(), equation.fixed_point(Ending::Limit).unwrap())
    };
    let (plain, settled) = solved(1.0);
    for unit in [1e-12, 1e-6, 1e6, 1e9, 1e12] {
        let (other, other_settled) = solved(unit);
        assert!(difference(&plain, &other) < 1e-9 && difference(&settled, &other_settled) < 1e-9, "{unit:e}");
    }
}
