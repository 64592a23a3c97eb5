//! The reference against closed forms and against published numbers computed by other programs.

use super::*;
use crate::error::ModelError;
use crate::problem::{Axis, Factor, Initial, Kind, Op, OpSum, ProblemBuilder, n, sm, sp};
use crate::problem::{ChannelId, Quantity, StepId, SubsystemId};
use faer::{Mat, Side};
use serde_json::Value;
use std::f64::consts::PI;

fn close(found: f64, expected: f64, tolerance: f64, what: impl std::fmt::Display) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{what}: {found} instead of {expected}, off by {error:.1e}");
}

fn solved(problem: &ProblemBuilder) -> Table {
    solve(&problem.build().unwrap()).unwrap()
}

fn values<'t>(table: &'t Table, column: &str) -> &'t [f64] {
    &table.column(column).unwrap_or_else(|| panic!("no column {column}")).value
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn site(subsystem: SubsystemId, site: usize, op: Op) -> OpSum {
    OpSum::from_factor(Factor { subsystem, site: Some(site), op })
}

/// Trace of ρ².
fn purity(rho: &Array2<Complex64>) -> f64 {
    rho.dot(rho).diag().sum().re
}

/// A Hermitian matrix of trace one without any symmetry.
fn arbitrary_state(d: usize) -> Array2<Complex64> {
    let x = Array2::from_shape_fn((d, d), |(i, j)| {
        Complex64::new((1.0 + (3 * i + 7 * j) as f64).sin(), (2.0 + (5 * i * j + i) as f64).cos())
    });
    let square = x.dot(&x.t().mapv(|z| z.conj()));
    let trace = square.diag().sum();
    square / trace
}

#[test]
fn one_cell_decays_exponentially() {
    let (gamma, omega) = (0.7, 2.0);
    let mut p = Problem::builder("one cell");
    let b = p.ensemble("B", 1, omega);
    p.each("loss", b, sm(b), gamma).collective("off", sm(b), 5.0).only(["never"]);
    p.rotate(b, Axis::X, PI).evolve("wait", 3.0, 6).evolve("never", 0.0, 1);
    p.observe([
        Quantity::Energy,
        Quantity::EnergyVariance,
        Quantity::EnergyDeviation,
        Quantity::Ergotropy,
        Quantity::Efficiency,
        Quantity::Magnetisation(b),
        Quantity::MagnetisationVariance(b),
        Quantity::SpinLength(b),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
        Quantity::Released(None),
    ]);
    let table = solved(&p);
    for (row, at) in table.rows.iter().enumerate().filter(|(_, row)| row.step == StepId::new(1)) {
        let excited = (-gamma * at.time).exp();
        let check = |column: &str, expected: f64| close(values(&table, column)[row], expected, 1e-13, column);
        check("energy", omega * excited);
        check("energy_var", omega * omega * excited * (1.0 - excited));
        close(values(&table, "energy_std")[row].powi(2), values(&table, "energy_var")[row], 1e-13, "energy_std");
        check("ergotropy", omega * (2.0 * excited - 1.0).max(0.0));
        check("efficiency", (2.0 - 1.0 / excited).max(0.0));
        check("M", excited - 0.5);
        check("M_var", excited * (1.0 - excited));
        check("S", 0.5);
        check("jumps_loss", 1.0 - excited);
        check("jumps_off", 0.0);
        check("released", 0.0);
    }
}

#[test]
fn an_empty_battery_has_no_efficiency() {
    let mut p = Problem::builder("empty");
    let b = p.ensemble("B", 2, 1.0);
    p.evolve("wait", 1.0, 1).observe([Quantity::Efficiency, Quantity::Ergotropy]);
    p.hamiltonian(n(b));
    let table = solved(&p);
    assert!(values(&table, "efficiency").iter().all(|x| x.is_nan()));
    assert_eq!(values(&table, "ergotropy"), [0.0, 0.0]);
}

#[test]
fn rotations_turn_the_bloch_vector_right_handed() {
    let mut p = Problem::builder("turns");
    let b = p.ensemble("B", 3, 1.0);
    p.evolve("wait", 0.0, 1).observe([Quantity::Energy]);
    let problem = p.build().unwrap();
    let space = FullSpace::new(&problem).unwrap();
    let (sin, cos) = 0.4f64.sin_cos();
    let spin = |rho: &Array2<Complex64>| {
        [Op::X, Op::Y, Op::Z].map(|op| expectation(&space.operator(&OpSum::of(b, op)).unwrap(), rho).re / 3.0)
    };
    let turned = |rho: &Array2<Complex64>, axis| space.rotate(rho, b, axis, 0.4).unwrap();
    let ground = space.initial_state();
    let about_x = turned(&ground, Axis::X);
    let about_y = turned(&ground, Axis::Y);
    let about_z = turned(&about_y, Axis::Z);
    let expected = [[0.0, sin, -cos], [-sin, 0.0, -cos], [-sin * cos, -sin * sin, -cos]];
    for (rho, expected) in [about_x, about_y, about_z].iter().zip(expected) {
        for (found, expected) in spin(rho).into_iter().zip(expected) {
            close(found, expected, 1e-14, "a component of the spin");
        }
        close(purity(rho), 1.0, 1e-14, "purity");
    }
}

/// N = 5 cells, six cycles of pulse, storage and superradiant discharge; `tests/data` holds the rate equation on (J, M).
#[test]
fn aging_agrees_with_the_reference() {
    let reference: Value = serde_json::from_str(include_str!("../../../tests/data/S3_small_N5.json")).unwrap();
    let mut p = Problem::builder("aging");
    let b = p.ensemble("B", 5, 1.0);
    p.each("loss", b, sm(b), 1.0).collective("release", sm(b), 40.0).only(["discharge"]);
    p.rotate(b, Axis::X, PI).evolve("storage", 0.1, 2).evolve("discharge", 0.15, 2).repeat(6);
    p.observe([
        Quantity::Magnetisation(b),
        Quantity::SpinLength(b),
        Quantity::MagnetisationVariance(b),
        Quantity::Released(Some(StepId::new(2))),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
    ]);
    let table = solved(&p);
    // The reference has no row for the start of a discharge, which is the end of the storage.
    let shared: Vec<usize> = (0..36).filter(|row| row % 6 != 3).collect();
    for (row, time) in shared.iter().zip(numbers(&reference["times"])) {
        close(table.rows[*row].time, time, 1e-14, "time");
    }
    for (column, name) in [("M", "Sz"), ("S", "S"), ("M_var", "VarSz")] {
        for (row, expected) in shared.iter().zip(numbers(&reference["observables"][name])) {
            close(values(&table, column)[*row], expected, 1e-11, format!("{column} in row {row}"));
        }
    }
    for (cycle, expected) in numbers(&reference["scalars"]["useful_energy_per_cycle"]).into_iter().enumerate() {
        close(values(&table, "released")[6 * cycle + 5], expected, 1e-11, format!("useful energy of cycle {cycle}"));
    }
    let m = values(&table, "M");
    for row in 0..36 {
        // The energy lost since the step began left by one of the two channels.
        let lost = m[row - row % 3] - m[row];
        close(values(&table, "jumps_loss")[row] + values(&table, "jumps_release")[row], lost, 1e-12, "balance");
        if row % 6 < 3 {
            assert_eq!((values(&table, "released")[row], values(&table, "jumps_release")[row]), (0.0, 0.0));
        }
    }
}

/// Five cells in a row with hopping and correlated decay (`tests/data`: integrated as a double sum).
#[test]
fn a_linear_network_agrees_with_the_reference() {
    let reference: Value = serde_json::from_str(include_str!("../../../tests/data/S2_linear_mixed.json")).unwrap();
    let mut p = Problem::builder("a row of cells");
    let edges: Vec<(usize, usize)> = (0..4).map(|i| (i, i + 1)).collect();
    let b = p.subsystem("B", Kind::Network { cells: 5, edges: edges.clone() }, 1.0);
    p.initial(b, Initial::Thermal { ratio: 3.0 });
    for (i, j) in edges {
        p.hamiltonian(
            (site(b, i, Op::Raise) * site(b, j, Op::Lower) + site(b, j, Op::Raise) * site(b, i, Op::Lower)) * 2.0,
        );
    }
    // The rate matrix (1 on the diagonal, ½ beside it) has the eigenvectors of a vibrating string.
    for mode in 1..=5 {
        let angle = mode as f64 * PI / 6.0;
        let amplitude = |i: usize| (angle * (i + 1) as f64).sin() / 3f64.sqrt();
        let jump = (0..5).map(|i| site(b, i, Op::Lower) * amplitude(i)).reduce(|sum, term| sum + term).unwrap();
        p.collective(&format!("mode{mode}"), jump, 1.0 + angle.cos());
    }
    let times = numbers(&reference["times"]);
    p.evolve_rows("wait", times[times.len() - 1], times);
    p.observe([Quantity::Energy, Quantity::Ergotropy, Quantity::Efficiency]);
    let table = solved(&p);
    for (column, name) in [("energy", "U"), ("ergotropy", "W"), ("efficiency", "eff")] {
        for (row, expected) in numbers(&reference["observables"][name]).into_iter().enumerate() {
            close(values(&table, column)[row], expected, 1e-11, format!("{column} in row {row}"));
        }
    }
}

#[test]
fn two_ensembles_share_a_collective_channel() {
    let (omega, gamma) = (1.5, 0.6);
    let mut p = Problem::builder("two ensembles");
    let (a, b) = (p.ensemble("A", 2, omega), p.ensemble("B", 3, omega));
    p.initial(a, Initial::Excited).initial(b, Initial::Thermal { ratio: 0.4 });
    let y = |e| OpSum::of(e, Op::Y);
    p.hamiltonian((sp(a) * sm(b) + sm(a) * sp(b)) * 0.8 + y(a) * 0.3 + n(b) * 0.2 + y(a) * OpSum::of(b, Op::Z) * 0.1);
    p.collective("release", sm(a) + sm(b), gamma);
    p.each("loss_A", a, sm(a), 0.3).each("loss_B", b, sm(b) + n(b) * Complex64::new(0.2, 0.5), 0.2);
    p.each("pump_B", b, sp(b), 0.1);
    p.rotate(a, Axis::Y, 0.7).evolve("run", 2.0, 8);
    p.observe([
        Quantity::Energy,
        Quantity::Released(None),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::SpinLength(b),
    ]);
    let problem = p.build().unwrap();
    let table = solve(&problem).unwrap();
    for (released, jumps) in values(&table, "released").iter().zip(values(&table, "jumps_release")) {
        close(*released, omega * jumps, 1e-13, "released");
    }

    // The superoperator and the direct products are the same map, trace-free and Hermiticity-preserving.
    let space = FullSpace::new(&problem).unwrap();
    let active = [true, true, false, true];
    let rho = arbitrary_state(space.dimension());
    let direct = space.derivative(&rho, &active);
    let vector = ndarray::Array1::from(stacked(&rho));
    let stacked_slope = &space.liouvillian(&active, &[]).unwrap() * &vector;
    for (x, y) in stacked(&direct).iter().zip(&stacked_slope) {
        close((x - y).norm(), 0.0, 1e-13, "the superoperator");
    }
    close(direct.diag().sum().norm(), 0.0, 1e-13, "trace of the derivative");
    // The Taylor sum solves the equation: compare with fourth-order steps of the direct products.
    let mut propagated = stacked(&rho);
    propagated.resize(propagated.len() + 4, Complex64::ZERO);
    TaylorSum::new(&space, &active, &[]).unwrap().advance(&mut propagated, 0.1).unwrap();
    let (steps, mut slow) = (100, rho);
    for _ in 0..steps {
        let h = Complex64::from(0.1 / steps as f64);
        let k1 = space.derivative(&slow, &active);
        let k2 = space.derivative(&(&slow + &k1 * (h / 2.0)), &active);
        let k3 = space.derivative(&(&slow + &k2 * (h / 2.0)), &active);
        let k4 = space.derivative(&(&slow + &k3 * h), &active);
        slow = slow + (k1 + (k2 + k3) * Complex64::from(2.0) + k4) * (h / 6.0);
    }
    for (x, y) in unstacked(&propagated, space.dimension()).iter().zip(&slow) {
        close((x - y).norm(), 0.0, 1e-12, "fourth-order steps");
    }
    let eigenvalues = Mat::from_fn(32, 32, |i, j| slow[[i, j]]).self_adjoint_eigenvalues(Side::Lower).unwrap();
    assert!(eigenvalues[0] > 0.0, "{eigenvalues:?}");
}

#[test]
fn the_energy_that_leaves_is_released_or_lost() {
    let omega = 1.5;
    let mut p = Problem::builder("balance");
    let (a, b) = (p.ensemble("A", 2, omega), p.ensemble("B", 3, omega));
    p.initial(a, Initial::Dicke { two_j: 2, two_m: 0 }).initial(b, Initial::Thermal { ratio: 2.0 });
    p.hamiltonian((sp(a) * sm(b) + sm(a) * sp(b)) * 0.8);
    p.collective("release", sm(a) + sm(b), 4.0).only(["discharge"]);
    p.each("loss_A", a, sm(a), 0.3).each("loss_B", b, sm(b), 0.2).each("pump_B", b, sp(b), 0.1);
    p.rotate(b, Axis::X, 1.0).evolve("storage", 0.5, 3).evolve("discharge", 0.5, 3).repeat(2);
    p.observe([
        Quantity::Energy,
        Quantity::Released(None),
        Quantity::Jumps(ChannelId::new(1)),
        Quantity::Jumps(ChannelId::new(2)),
        Quantity::Jumps(ChannelId::new(3)),
    ]);
    p.observe([Quantity::Released(Some(StepId::new(2)))]);
    let table = solved(&p);
    let energy = values(&table, "energy");
    for row in 0..energy.len() {
        let at = |column: &str| values(&table, column)[row];
        let gone = at("released") + omega * (at("jumps_loss_A") + at("jumps_loss_B") - at("jumps_pump_B"));
        close(gone, energy[row - row % 4] - energy[row], 1e-12, "energy balance");
        let discharging = if table.rows[row].step == StepId::new(2) { at("released") } else { 0.0 };
        assert_eq!(at("released_discharge"), discharging);
    }
}

#[test]
fn dicke_states_are_even_mixtures_of_the_copies_of_a_spin() {
    // (N, 2J, 2M, number of copies of spin J)
    for (cells, two_j, two_m, copies) in
        [(5, 5, 5, 1.0), (5, 5, -1, 1.0), (5, 3, 1, 4.0), (5, 1, -1, 5.0), (4, 0, 0, 2.0), (6, 2, 0, 9.0)]
    {
        let mut p = Problem::builder("Dicke");
        let b = p.ensemble("B", cells, 1.0);
        p.initial(b, Initial::Dicke { two_j, two_m }).evolve("wait", 0.0, 1).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let space = FullSpace::new(&problem).unwrap();
        let rho = space.initial_state();
        let (z, squared) = space.spin(b).unwrap();
        let (j, m) = (two_j as f64 / 2.0, two_m as f64 / 2.0);
        close(rho.diag().sum().re, 1.0, 1e-14, "trace");
        close(purity(&rho), 1.0 / copies, 1e-14, format!("purity of N = {cells}, 2J = {two_j}"));
        close(expectation(&squared, &rho).re, j * (j + 1.0), 1e-13, "S²");
        close(expectation(&(&squared * &squared), &rho).re, (j * (j + 1.0)).powi(2), 1e-12, "S⁴");
        close(expectation(&z, &rho).re, m, 1e-14, "M");
        close(expectation(&(&z * &z), &rho).re, m * m, 1e-13, "M²");
    }
}

/// A cell gives its quantum to a mode, ⟨n⟩ = cos²(gt), and gets it back, damped by the leak of the mode.
#[test]
fn a_quantum_swaps_into_a_mode_and_leaks() {
    let (g, kappa, omega) = (1.3f64, 0.9, 2.0);
    let mut p = Problem::builder("Jaynes and Cummings");
    let cell = p.ensemble("cell", 1, omega);
    let mode = p.subsystem("mode", Kind::Mode { cutoff: 3 }, omega);
    p.initial(cell, Initial::Excited).battery([mode]);
    let (lower, raise) = (OpSum::of(mode, Op::Annihilate), OpSum::of(mode, Op::Create));
    p.hamiltonian((raise * sm(cell) + lower.clone() * sp(cell)) * g);
    p.collective("leak", lower, kappa).only(["leak"]);
    p.evolve("swap", PI / (2.0 * g), 5).evolve("leak", 2.0, 8);
    p.observe([Quantity::Energy, Quantity::EnergyVariance, Quantity::Ergotropy, Quantity::Magnetisation(cell)]);
    p.observe([Quantity::Jumps(ChannelId::new(0)), Quantity::Released(None)]);
    let table = solved(&p);
    for (row, at) in table.rows.iter().enumerate() {
        let (in_cell, in_mode) = if at.step == StepId::new(0) {
            let cell = (g * at.time).cos().powi(2);
            (cell, 1.0 - cell)
        } else {
            let time = at.time - PI / (2.0 * g);
            let omega = (g * g - kappa * kappa / 16.0).sqrt();
            let (sin, cos) = (omega * time).sin_cos();
            let norm = (-kappa * time / 2.0).exp();
            (norm * (g / omega * sin).powi(2), norm * (cos - kappa / (4.0 * omega) * sin).powi(2))
        };
        let check = |column: &str, expected: f64| close(values(&table, column)[row], expected, 1e-13, column);
        check("M", in_cell - 0.5);
        check("energy", omega * in_mode);
        check("energy_var", omega * omega * in_mode * (1.0 - in_mode));
        check("ergotropy", omega * (2.0 * in_mode - 1.0).max(0.0));
        check("jumps_leak", 1.0 - in_cell - in_mode);
        check("released", omega * (1.0 - in_cell - in_mode));
    }
}

/// A driven mode stays coherent: α(t) = −i(2F/κ)(1 − e^{−κt/2}), then it decays, n = |α|² e^{−κt}.
#[test]
fn a_driven_mode_charges_and_decays() {
    let (force, kappa, omega) = (0.3, 0.8, 1.7);
    let mut p = Problem::builder("a driven mode");
    let mode = p.subsystem("mode", Kind::Mode { cutoff: 16 }, omega);
    let (lower, raise) = (OpSum::of(mode, Op::Annihilate), OpSum::of(mode, Op::Create));
    p.hamiltonian((lower.clone() + raise) * force).collective("leak", lower, kappa).evolve("drive", 2.0, 8);
    p.observe([Quantity::Energy, Quantity::EnergyVariance, Quantity::Ergotropy, Quantity::Released(None)]);
    let table = solved(&p);
    for (row, at) in table.rows.iter().enumerate() {
        let amplitude = 2.0 * force / kappa * (1.0 - (-kappa * at.time / 2.0).exp());
        let quanta = amplitude * amplitude;
        close(values(&table, "energy")[row], omega * quanta, 1e-12, "energy");
        close(values(&table, "energy_var")[row], omega * omega * quanta, 1e-12, "variance");
        close(values(&table, "ergotropy")[row], omega * quanta, 1e-12, "ergotropy of a pure state");
        let decayed = |rate: f64| (1.0 - (-rate * at.time).exp()) / rate;
        let emitted = 4.0 * force * force / kappa * (at.time - 2.0 * decayed(kappa / 2.0) + decayed(kappa));
        close(values(&table, "released")[row], omega * emitted, 1e-12, "released");
    }
}

/// Levels 0 → 1 → 2 from the top down, populations after Bateman.
#[test]
fn a_three_level_cascade_runs_down() {
    let (fast, slow) = (2.0f64, 0.5f64);
    let energies = vec![3.0, 1.0, 0.0];
    let mut p = Problem::builder("cascade");
    let atom = p.subsystem("atom", Kind::Levels { energies: energies.clone() }, 1.0);
    let down = |to, from| OpSum::of(atom, Op::Transition(to, from));
    p.hamiltonian(down(0, 0) * 3.0 + down(1, 1));
    p.collective("upper", down(1, 0), fast).collective("lower", down(2, 1), slow).evolve("fall", 3.0, 12);
    p.observe([
        Quantity::Energy,
        Quantity::Ergotropy,
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
        Quantity::Released(None),
    ]);
    let table = solved(&p);
    for (row, at) in table.rows.iter().enumerate() {
        let top = (-fast * at.time).exp();
        let middle = fast / (fast - slow) * ((-slow * at.time).exp() - top);
        let bottom = 1.0 - top - middle;
        let energy = 3.0 * top + middle;
        let mut sorted = [top, middle, bottom];
        sorted.sort_by(f64::total_cmp);
        close(values(&table, "energy")[row], energy, 1e-13, "energy");
        close(values(&table, "ergotropy")[row], energy - 3.0 * sorted[0] - sorted[1], 1e-13, "ergotropy");
        close(values(&table, "jumps_upper")[row], 1.0 - top, 1e-13, "first jumps");
        close(values(&table, "jumps_lower")[row], bottom, 1e-13, "second jumps");
        close(values(&table, "released")[row], 3.0 - energy, 1e-13, "released");
    }
}

#[test]
fn counters_are_exact_in_a_stiff_step() {
    let (gamma, collective) = (1.0, 1600.0);
    let mut p = Problem::builder("stiff");
    let b = p.ensemble("B", 2, 1.0);
    p.initial(b, Initial::Excited);
    p.each("loss", b, sm(b), gamma).collective("release", sm(b), collective).evolve("discharge", 0.02, 4);
    p.observe([Quantity::Jumps(ChannelId::new(1)), Quantity::Energy]);
    let table = solved(&p);
    // |ee⟩ → triplet → |gg⟩ at 2Γ + γ each, and at γ into and out of the singlet, which does not see Γ.
    let rate = 2.0 * collective + gamma;
    for (row, at) in table.rows.iter().enumerate() {
        let (t, top) = (at.time, (-(rate + gamma) * at.time).exp());
        let triplet = rate / gamma * ((-rate * t).exp() - top);
        let singlet = gamma / rate * ((-gamma * t).exp() - top);
        close(values(&table, "energy")[row], 2.0 * top + triplet + singlet, 1e-12, "energy");
        let time_at_top = (1.0 - top) / (rate + gamma);
        let time_in_triplet = rate / gamma * ((1.0 - (-rate * t).exp()) / rate - time_at_top);
        close(values(&table, "jumps_release")[row], 2.0 * collective * (time_at_top + time_in_triplet), 1e-11, "jumps");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refusal = |p: &ProblemBuilder| solve(&p.build().unwrap()).unwrap_err().to_string();
    let mut large = Problem::builder("large");
    large.ensemble("B", 40_000, 1.0);
    large.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    assert!(refusal(&large).contains("the full tensor space would take 2^40000.0 states"));

    let mut long = Problem::builder("long");
    let b = long.ensemble("B", 3, 1.0);
    long.collective("release", sm(b), 1e9).evolve("wait", 1e9, 1).observe([Quantity::Energy]);
    assert!(refusal(&long).contains("multiplications"));

    let mut infinite = Problem::builder("infinite");
    infinite.subsystem("A", Kind::Levels { energies: vec![0.5, 0.0] }, 1.0);
    infinite.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    let mut problem = infinite.build().unwrap();
    problem.subsystems[0].kind = Kind::Levels { energies: vec![f64::INFINITY, 0.0] };
    assert!(matches!(solve(&problem), Err(RunError::Numerics { .. })));

    problem.battery = vec![SubsystemId::new(3)];
    assert!(matches!(solve(&problem), Err(RunError::Model(_))));

    problem.battery = vec![SubsystemId::new(0)];
    problem.subsystems[0].kind = Kind::Levels { energies: vec![0.0, 1.0] };
    let space = FullSpace::new(&problem).unwrap();
    let meter = Meter::new(&problem, &space).unwrap();
    let leaking = space.initial_state() * Complex64::from(1.0 + 2e-9);
    assert!(matches!(meter.read(&leaking, &[], 0, 0.0), Err(RunError::Numerics { .. })));
    let undefined = space.initial_state() * Complex64::from(f64::NAN);
    assert!(matches!(meter.read(&undefined, &[], 0, 0.0), Err(RunError::Numerics { .. })));
    assert!(matches!(space.operator(&sm(SubsystemId::new(0))), Err(ModelError::Invalid(_))));
    assert!(matches!(space.operator(&sm(SubsystemId::new(7))), Err(ModelError::Invalid(_))));
}

#[test]
fn a_stiff_discharge_balances_its_energy() {
    let mut p = Problem::builder("stiff");
    let b = p.ensemble("B", 4, 1.0);
    p.initial(b, Initial::Excited);
    p.each("loss", b, sm(b), 1.0).collective("release", sm(b), 1600.0).evolve("discharge", 0.0187, 1);
    p.observe([Quantity::Energy, Quantity::Released(None), Quantity::Jumps(ChannelId::new(0))]);
    let table = solved(&p);
    let at_end = |column: &str| values(&table, column)[1];
    close(at_end("energy") + at_end("released") + at_end("jumps_loss"), 4.0, 1e-10, "balance");
}
