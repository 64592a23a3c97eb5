//! Closed forms for drives, resets, correlated decay, initial states, quantities and steady states.

use super::*;
use crate::problem::{Axis, ChannelId, Factor, Initial, Kind, Op, OpSum, ProblemBuilder, Quantity, RateMatrix};
use crate::problem::{SubsystemId, haar_unitary, n, sm, sp};
use faer::Mat;
use statrs::function::erf::erf;
use std::f64::consts::{FRAC_PI_2, PI};
use std::sync::Arc;

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: impl std::fmt::Display) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{what}: {found} instead of {expected}, off by {error:.1e}");
}

fn solved(p: &ProblemBuilder) -> Table {
    solve(&p.build().unwrap()).unwrap()
}

#[track_caller]
fn values<'t>(table: &'t Table, column: &str) -> &'t [f64] {
    &table.column(column).unwrap_or_else(|| panic!("no column {column}")).value
}

fn of(subsystem: SubsystemId, op: Op) -> OpSum {
    OpSum::of(subsystem, op)
}

fn site(subsystem: SubsystemId, site: usize, op: Op) -> OpSum {
    OpSum::from_factor(Factor { subsystem, site: Some(site), op })
}

/// A Hermitian matrix of trace one without any symmetry.
fn arbitrary_state(d: usize) -> Array2<Complex64> {
    let u = haar_unitary(d, 5);
    let weight = |k: usize| 2.0 * (k + 1) as f64 / (d * (d + 1)) as f64;
    Array2::from_shape_fn((d, d), |(i, j)| (0..d).map(|k| u[(i, k)] * u[(j, k)].conj() * weight(k)).sum())
}

/// H = f(t)σx turns the Bloch vector by twice the area of f.
#[test]
fn a_pulse_rotates_by_its_area() {
    let (peak, centre) = (1.1, 1.37);
    // The second pulse lasts a thousandth of the distance between rows, ten widths from any of the first Gauss points.
    for (width, length, samples) in [(0.4, 3.0, 6), (2e-3, 4.0, 2)] {
        let mut p = Problem::builder("pulse");
        let b = p.ensemble("B", 1, 1.0);
        p.drive("pulse", of(b, Op::X), Envelope::Gaussian { peak: peak / width, centre, width });
        p.evolve("drive", length, samples).observe([Quantity::Energy, Quantity::Purity]);
        let table = solved(&p);
        for (row, at) in table.rows.iter().enumerate() {
            let scaled = |t: f64| (t - centre) / (2f64.sqrt() * width);
            let area = peak * FRAC_PI_2.sqrt() * (erf(scaled(at.time)) - erf(scaled(0.0)));
            close(values(&table, "energy")[row], area.sin().powi(2), 1e-10, format!("width {width}, row {row}"));
            close(values(&table, "purity")[row], 1.0, 1e-10, "purity");
        }
    }
}

/// A field that turns at frequency ν in the plane: in the frame that turns along it is constant, and
/// p_e = Ω²/(Ω² + ν²)·sin²(½√(Ω² + ν²)t).
#[test]
fn a_turning_field_is_ordered_in_time() {
    let (strength, frequency) = (1.7f64, 2.3f64);
    let mut p = Problem::builder("turning field");
    let b = p.ensemble("B", 1, 1.0);
    let cosine = |phase| Envelope::Cosine { amplitude: strength / 2.0, frequency, phase };
    p.drive("x", of(b, Op::X), cosine(0.0)).drive("y", of(b, Op::Y), cosine(-FRAC_PI_2));
    p.drive("late", of(b, Op::X), Envelope::Linear { start: 5.0, slope: 1.0 }).only(["never"]);
    p.evolve("drive", 6.0, 12).evolve("never", 0.0, 1).observe([Quantity::Energy]);
    let table = solved(&p);
    let rabi = strength.hypot(frequency);
    for (found, at) in values(&table, "energy").iter().zip(&table.rows) {
        let expected = (strength / rabi * (rabi * at.time / 2.0).sin()).powi(2);
        close(*found, expected, 1e-10, format!("p_e at {}", at.time));
    }
}

/// A leaky mode under F cos νt stays coherent, α' = −½κα − iF cos νt, and emits κ∫|α|².
#[test]
fn a_shaken_mode_leaks() {
    let (force, frequency, kappa) = (0.5, 1.9, 0.8);
    let mut p = Problem::builder("shaken mode");
    let mode = p.subsystem("A", Kind::Mode { cutoff: 14 }, 1.0);
    let push = of(mode, Op::Annihilate) + of(mode, Op::Create);
    p.drive("push", push, Envelope::Cosine { amplitude: force, frequency, phase: 0.0 });
    p.collective("leak", of(mode, Op::Annihilate), kappa).evolve("drive", 4.0, 5);
    p.observe([Quantity::Photons(mode), Quantity::Jumps(ChannelId::new(0))]);
    let table = solved(&p);
    let (half, z) = (kappa / 2.0, Complex64::new(kappa / 2.0, frequency));
    let amplitude = |t: f64| {
        let part = ((Complex64::new(0.0, frequency * t)).exp() - (-half * t).exp()) / z;
        force * part.re
    };
    for (row, at) in table.rows.iter().enumerate() {
        close(values(&table, "photons")[row], amplitude(at.time).powi(2), 1e-9, "photons");
        // Simpson's rule.
        let panels = 2000;
        let h = at.time / f64::from(2 * panels);
        let weight = |k: i32| if k == 0 || k == 2 * panels { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
        let emitted: f64 = (0..=2 * panels).map(|k| weight(k) * amplitude(f64::from(k) * h).powi(2)).sum();
        close(values(&table, "jumps_leak")[row], kappa * emitted * h / 3.0, 1e-9, "emitted");
    }
}

#[test]
fn a_constant_envelope_is_a_part_of_the_hamiltonian() {
    let table = |constant: bool| {
        let mut p = Problem::builder("constant");
        let b = p.ensemble("B", 2, 1.0);
        match constant {
            true => p.drive("push", of(b, Op::X), Envelope::Linear { start: 0.7, slope: 0.0 }),
            false => p.hamiltonian(of(b, Op::X) * 0.7),
        };
        p.hamiltonian(n(b)).each("loss", b, sm(b), 0.3).evolve("run", 2.0, 4).observe([Quantity::Energy]);
        solved(&p)
    };
    for (a, b) in values(&table(true), "energy").iter().zip(values(&table(false), "energy")) {
        close(*a, *b, 1e-14, "energy");
    }
}

/// Above 32 states the equation is applied as matrix products: the same map as the superoperator.
#[test]
fn products_are_the_superoperator() {
    let mut p = Problem::builder("products");
    let b = p.subsystem("B", Kind::Network { cells: 3, edges: vec![(0, 1), (1, 2)] }, 1.0);
    let mode = p.subsystem("A", Kind::Mode { cutoff: 6 }, 1.0);
    p.hamiltonian(of(b, Op::Y) * 0.4 + of(b, Op::X) * of(mode, Op::Number) * 0.2 + site(b, 1, Op::Z) * 0.3);
    let rates = RateMatrix::new(vec![vec![1.0, 0.5, -0.2], vec![0.5, 1.2, 0.3], vec![-0.2, 0.3, 0.8]]).unwrap();
    p.correlated("together", b, sm(b) + n(b) * Complex64::new(0.1, 0.3), 0.7, rates);
    p.collective("mixed", of(mode, Op::Annihilate) * Complex64::new(0.2, 0.9) + sp(b), 0.5);
    p.each("off", b, sp(b), 0.4).each("pump", b, sp(b) * Complex64::I + n(b), 0.2);
    p.drive("push", of(mode, Op::Annihilate) + of(mode, Op::Create), Envelope::Constant(1.0));
    let problem = p.evolve("run", 1.0, 1).observe([Quantity::Energy]).build().unwrap();
    let space = FullSpace::new(&problem).unwrap();
    let (active, drives) = ([true, true, false, true], [(0, 0.6)]);
    let rho = arbitrary_state(space.dimension());
    let mut state = stacked(&rho);
    let expected = &space.liouvillian(&active, &drives).unwrap() * &ndarray::Array1::from(state.clone());
    state.resize(state.len() + 4, Complex64::ZERO);
    let mut slope = vec![Complex64::ZERO; state.len()];
    TaylorSum::new(&space, &active, &drives).unwrap().apply(&state, &mut slope);
    for (found, expected) in slope.iter().zip(&expected) {
        close((found - expected).norm(), 0.0, 1e-14, "an element");
    }
    for (found, w) in slope[expected.len()..].iter().zip(space.jump_rates(&active)) {
        close((found - expectation(&w, &rho)).norm(), 0.0, 1e-14, "a rate of jumps");
    }
    assert_eq!(slope[expected.len() + 2], Complex64::ZERO);
}

/// The double sum over a rate matrix is the sum over its modes, each a collective channel.
#[test]
fn correlated_decay_is_the_decay_of_its_modes() {
    let matrix = vec![vec![1.0, 0.5, -0.2], vec![0.5, 1.2, 0.3], vec![-0.2, 0.3, 0.8]];
    let rates = RateMatrix::new(matrix).unwrap();
    let columns = [Quantity::Energy, Quantity::Ergotropy, Quantity::Coherence, Quantity::Concurrence];
    let start = |together: bool| {
        let mut p = Problem::builder("correlated");
        let b = p.subsystem("B", Kind::Network { cells: 3, edges: vec![(2, 0), (0, 1)] }, 1.0);
        p.initial(b, Initial::angle(1.0, 0.3)).rotate(b, Axis::X, 0.2);
        p.hamiltonian(site(b, 0, Op::X) * site(b, 2, Op::Y) * 0.6);
        match together {
            true => {
                p.correlated("together", b, sm(b), 0.9, rates.clone());
            }
            false => rates.modes.iter().enumerate().for_each(|(k, (rate, mode))| {
                let jump = mode.iter().enumerate().map(|(i, u)| site(b, i, Op::Lower) * *u);
                p.collective(&format!("mode{k}"), jump.reduce(|sum, term| sum + term).unwrap(), 0.9 * rate);
            }),
        }
        p.evolve("run", 1.5, 3).observe(columns.clone());
        p.observe((0..if together { 1 } else { 3 }).map(ChannelId::new).map(Quantity::Jumps));
        solved(&p)
    };
    let (together, apart) = (start(true), start(false));
    for column in ["energy", "ergotropy", "coherence", "concurrence"] {
        for (a, b) in values(&together, column).iter().zip(values(&apart, column)) {
            close(*a, *b, 1e-12, column);
        }
    }
    for row in 0..4 {
        let sum: f64 = (0..3).map(|k| values(&apart, &format!("jumps_mode{k}"))[row]).sum();
        close(values(&together, "jumps_together")[row], sum, 1e-12, "jumps");
    }
    assert!(values(&together, "concurrence")[3] > 0.01);
}

/// A reset of the middle one of three subsystems leaves the others with all their correlations.
#[test]
fn a_reset_replaces_one_subsystem() {
    let mut p = Problem::builder("reset");
    let a = p.ensemble("A", 1, 1.0);
    let mode = p.subsystem("M", Kind::Mode { cutoff: 3 }, 1.0);
    let b = p.ensemble("B", 2, 1.0);
    let problem = p.evolve("wait", 0.0, 1).observe([Quantity::Energy]).build().unwrap();
    let space = FullSpace::new(&problem).unwrap();
    let rho = arbitrary_state(24);
    let after = space.reset(&rho, mode, &Initial::Coherent(Complex64::new(0.4, -0.7))).unwrap();
    let mean = |operator: &OpSum, rho: &Array2<Complex64>| expectation(&space.operator(operator).unwrap(), rho);
    let weights = [1.0, 0.65, 0.65 * 0.65 / 2.0].map(|w: f64| w / (1.65 + 0.65 * 0.65 / 2.0));
    let amplitude = Complex64::new(0.4, -0.7) * (weights[0] + weights[1]);
    let pair = of(a, Op::Y) * of(b, Op::X) * of(b, Op::Z);
    assert!(mean(&pair, &rho).norm() > 1e-3);
    for others in [pair, of(a, Op::X), of(b, Op::Lower) * of(b, Op::Lower)] {
        let before = mean(&others, &rho);
        close((mean(&others, &after) - before).norm(), 0.0, 1e-14, "the others");
        let both = others * of(mode, Op::Annihilate);
        close((mean(&both, &after) - before * amplitude).norm(), 0.0, 1e-14, "a product state");
    }
    close((after.diag().sum() - 1.0).norm(), 0.0, 1e-14, "trace");
}

/// A cell that fills a battery is renewed: after each round p → p + (1 − p)·s, s = sin²gt, from a battery of one cell.
#[test]
fn a_renewed_charger_fills_the_battery() {
    let (g, time) = (1.0, 0.6f64);
    let mut p = Problem::builder("re-energise");
    let c = p.ensemble("C", 1, 1.0);
    let b = p.ensemble("B", 1, 1.0);
    p.battery([b]).hamiltonian((sp(c) * sm(b) + sm(c) * sp(b)) * g);
    p.reset(c, Initial::Excited).evolve("swap", time, 1).repeat(4).observe([Quantity::Energy, Quantity::Power]);
    let table = solved(&p);
    let (mut filled, swapped) = (0.0, (g * time).sin().powi(2));
    for round in 0..4 {
        filled += (1.0 - filled) * swapped;
        close(values(&table, "energy")[2 * round + 1], filled, 1e-13, round);
        close(values(&table, "power")[2 * round + 1], filled / (time * (round + 1) as f64), 1e-13, round);
    }
    assert!(values(&table, "power")[0].is_nan());
}

#[test]
fn initial_states_are_what_they_say() {
    let read = |kind: Kind, state: Initial, quantities: &[Quantity]| {
        let mut p = Problem::builder("initial");
        let b = p.subsystem("B", kind, 1.0);
        p.initial(b, state).evolve("wait", 0.0, 1).observe(quantities.iter().cloned());
        let table = solved(&p);
        table.columns.iter().map(|c| c.value[0]).collect::<Vec<_>>()
    };
    let questions = [Quantity::Energy, Quantity::EnergyVariance, Quantity::Purity];
    let mode = || Kind::Mode { cutoff: 40 };
    let check = |found: Vec<f64>, expected: [f64; 3]| {
        found.iter().zip(expected).for_each(|(found, expected)| close(*found, expected, 1e-12, "a moment"));
    };
    check(read(mode(), Initial::Fock(7), &questions), [7.0, 0.0, 1.0]);
    check(read(mode(), Initial::Coherent(Complex64::new(0.8, -1.1)), &questions), [1.85, 1.85, 1.0]);
    // p_n = (1 − q)qⁿ, cut off where it is 0.4⁴⁰.
    check(read(mode(), Initial::Thermal { ratio: 0.4 }, &questions), [2.0 / 3.0, 10.0 / 9.0, 3.0 / 7.0]);
    let two = read(Kind::Mode { cutoff: 2 }, Initial::Thermal { ratio: 0.5 }, &questions);
    check(two, [1.0 / 3.0, 2.0 / 9.0, 5.0 / 9.0]);
    let levels = || Kind::Levels { energies: vec![0.0, 2.0, 5.0] };
    let populations = Initial::Populations(vec![0.5, 0.2, 0.3]);
    check(read(levels(), populations, &questions), [1.9, 0.2 * 4.0 + 0.3 * 25.0 - 1.9 * 1.9, 0.38]);
    let cells = || Kind::Ensemble { cells: 3 };
    let coherence = Complex64::new(0.1, 0.3);
    let cell = Initial::Cell { excited: 0.4, coherence };
    let one = 0.4f64.powi(2) + 0.6f64.powi(2) + 2.0 * coherence.norm_sqr();
    check(read(cells(), cell.clone(), &questions), [1.2, 3.0 * 0.24, one.powi(3)]);
    close(read(cells(), cell, &[Quantity::CellCoherence])[0], coherence.norm(), 1e-14, "coherence");

    // |gg…⟩ turned into the basis state 2 of 8: the middle one of three cells, the first being the most significant.
    let mut p = Problem::builder("rotated");
    let b = p.subsystem("B", Kind::Network { cells: 3, edges: Vec::new() }, 1.0);
    let turned = |i: usize, j: usize| if i == (j + 4) % 8 { Complex64::I } else { Complex64::ZERO };
    p.initial(b, Initial::Rotated { ratio: 0.0, unitary: Arc::new(Mat::from_fn(8, 8, turned)) });
    let problem = p.evolve("wait", 0.0, 1).observe([Quantity::Energy]).build().unwrap();
    let space = FullSpace::new(&problem).unwrap();
    let excited = |cell| expectation(&space.operator(&site(b, cell, Op::Number)).unwrap(), &space.initial_state()).re;
    assert_eq!([0, 1, 2].map(excited), [1.0, 0.0, 0.0]);
    let any = Initial::Rotated { ratio: 0.3, unitary: Arc::new(haar_unitary(8, 1)) };
    let network = Kind::Network { cells: 3, edges: Vec::new() };
    let one = (1.0 + 0.3 * 0.3) / (1.3 * 1.3);
    close(read(network, any, &[Quantity::Purity])[0], one * one * one, 1e-12, "a unitary keeps the purity");
}

/// ρ = (p, c) on each of three cells: eigenvalues ½ ± r with r² = (p − ½)² + |c|².
#[test]
fn parts_of_the_ergotropy_of_product_states() {
    let omega = 1.5;
    for (excited, coherence) in [(0.4, 0.3), (0.7, 0.25), (0.2, 0.0), (0.5, 0.5)] {
        let mut p = Problem::builder("parts");
        let charger = p.ensemble("C", 1, 0.0);
        let b = p.ensemble("B", 3, omega);
        p.initial(charger, Initial::Thermal { ratio: 0.25 }).battery([b]);
        p.initial(b, Initial::Cell { excited, coherence: coherence.into() }).evolve("wait", 0.0, 1);
        p.observe([Quantity::Ergotropy, Quantity::ErgotropyOf(b), Quantity::LocalErgotropy, Quantity::AntiErgotropy]);
        p.observe([
            Quantity::IncoherentErgotropy,
            Quantity::CoherentErgotropy,
            Quantity::Capacity,
            Quantity::Bright(b),
        ]);
        p.observe([Quantity::Quanta(charger), Quantity::Quanta(b), Quantity::EnergyDensity(b), Quantity::Coherence]);
        let table = solved(&p);
        let check = |column: &str, expected: f64| close(values(&table, column)[0], expected, 1e-12, column);
        let r = (excited - 0.5f64).hypot(coherence);
        let energy = 3.0 * excited * omega;
        // The eigenvalues of three equal cells are ordered like the levels.
        let (ergotropy, most) = (energy - 3.0 * omega * (0.5 - r), 3.0 * omega * (0.5 + r) - energy);
        check("ergotropy", ergotropy);
        check("ergotropy_B", ergotropy);
        check("ergotropy_local", ergotropy);
        check("antiergotropy", -most);
        check("capacity", 6.0 * omega * r);
        check("quanta_C", 0.2);
        check("quanta_B", 3.0 * excited);
        check("energy_density_B", excited);
        check("coherence", ((1.0 + 2.0 * coherence).powi(3) - 1.0) / 7.0);
        // J = 3/2 but for the pairs that form singlets: the weight of a singlet of two cells is the determinant.
        let determinant = 0.25 - r * r;
        check("bright_B", 1.0 - 2.0 * determinant);
        let (whole, diagonal) = (values(&table, "ergotropy")[0], values(&table, "ergotropy_incoherent")[0]);
        check("ergotropy_coherent", whole - diagonal);
        if coherence == 0.0 {
            close(whole, diagonal, 1e-12, "no coherence");
        } else {
            assert!(diagonal < whole - 1e-3);
        }
    }
}

#[test]
fn the_symmetric_subspace_has_its_own_ergotropy() {
    let start = |state: Initial, angle: f64| {
        let mut p = Problem::builder("symmetric");
        let b = p.ensemble("B", 3, 2.0);
        p.initial(b, state).rotate(b, Axis::Y, angle).evolve("wait", 1.0, 1).collective("loss", sm(b), 0.8);
        p.observe([Quantity::SymmetricErgotropy, Quantity::Ergotropy, Quantity::Energy]);
        solve(&p.build().unwrap())
    };
    let pure = start(Initial::Ground, 1.1).unwrap();
    close(values(&pure, "ergotropy_symmetric")[0], values(&pure, "energy")[0], 1e-12, "a pure state");
    // |3/2, 3/2⟩ falls at 3Γ, 4Γ, 3Γ; with four levels 0..3 there is less to gain than with eight.
    let inverted = start(Initial::Excited, 0.0).unwrap();
    let (a, b) = (2.4f64, 3.2f64);
    let top = (-a).exp();
    let upper = a / (b - a) * ((-a).exp() - (-b).exp());
    // Populations of the chain 3 → 2 → 1 → 0 with rates a, b, a.
    let lower = a * b / (b - a) * ((-a).exp() - ((-a).exp() - (-b).exp()) / (b - a));
    let bottom = 1.0 - top - upper - lower;
    let populations = [bottom, lower, upper, top];
    let mut sorted = populations;
    sorted.sort_by(|x, y| y.total_cmp(x));
    let mean = |p: [f64; 4]| 2.0 * p.iter().enumerate().map(|(k, p)| k as f64 * p).sum::<f64>();
    close(values(&inverted, "energy")[1], mean(populations), 1e-12, "energy");
    close(values(&inverted, "ergotropy_symmetric")[1], mean(populations) - mean(sorted), 1e-12, "symmetric");
    let mixed = start(Initial::Thermal { ratio: 0.5 }, 0.0).unwrap_err().to_string();
    assert!(mixed.contains("J = N/2"), "{mixed}");
}

/// |W⟩ of N cells: each pair has the concurrence 2/N. A Werner state of weight p: (3p − 1)/2.
#[test]
fn concurrence_of_known_states() {
    let mut p = Problem::builder("W");
    let b = p.subsystem("B", Kind::Network { cells: 4, edges: vec![(3, 0), (1, 2)] }, 1.0);
    // Column 0 of the unitary is |W⟩, the others complete it (a reflection).
    let w = |i: usize| if i.count_ones() == 1 { 0.5f64 } else { 0.0 };
    let mirror = |i: usize| if i == 0 { 1.0 - w(0) } else { -w(i) };
    let norm: f64 = (0..16).map(|i| mirror(i).powi(2)).sum();
    let unitary =
        Mat::from_fn(16, 16, |i, j| Complex64::from(f64::from(u8::from(i == j)) - 2.0 * mirror(i) * mirror(j) / norm));
    p.initial(b, Initial::Rotated { ratio: 0.0, unitary: Arc::new(unitary) }).evolve("wait", 0.0, 1);
    p.observe([Quantity::Concurrence, Quantity::Coherence]);
    let table = solved(&p);
    close(values(&table, "concurrence")[0], 0.5, 1e-7, "W state");
    close(values(&table, "coherence")[0], 12.0 * 0.25 / 15.0, 1e-12, "coherence");

    let mut p = Problem::builder("Werner");
    let b = p.subsystem("B", Kind::Network { cells: 2, edges: vec![(0, 1)] }, 1.0);
    let problem =
        p.evolve("wait", 0.0, 1).observe([Quantity::Concurrence]).initial(b, Initial::Ground).build().unwrap();
    let space = FullSpace::new(&problem).unwrap();
    let meter = Meter::new(&problem, &space).unwrap();
    for weight in [0.1, 1.0 / 3.0, 0.5, 0.9] {
        let singlet = [0.0, 0.5f64.sqrt(), -(0.5f64.sqrt()), 0.0];
        let rho = Array2::from_shape_fn((4, 4), |(i, j)| {
            let flat = if i == j { (1.0 - weight) / 4.0 } else { 0.0 };
            Complex64::from(weight * singlet[i] * singlet[j] + flat)
        });
        let found = meter.read(&rho, &[], 0, 0.0).unwrap()[0];
        close(found, ((3.0 * weight - 1.0) / 2.0).max(0.0), 1e-14, format!("Werner state {weight}"));
    }
}

#[test]
fn steady_states_follow_from_the_initial_one() {
    // Two cells that decay together: the singlet, of weight det ρ₁ = p(1 − p), stays.
    let settled = |then_slow: bool| {
        let mut p = Problem::builder("steady");
        let b = p.ensemble("B", 2, 1.0);
        p.initial(b, Initial::Thermal { ratio: 0.25 }).collective("release", sm(b), 1.0);
        p.rotate(b, Axis::X, PI).evolve("fast", 0.3, 3);
        if then_slow {
            p.each("loss", b, sm(b), 1e-2).only(["slow"]).evolve("slow", 1.0, 1).rotate(b, Axis::X, PI);
        }
        p.observe([Quantity::Energy, Quantity::Bright(b), Quantity::Jumps(ChannelId::new(0)), Quantity::Power]);
        steady(&p.build().unwrap()).unwrap()
    };
    let table = settled(false);
    close(values(&table, "energy")[0], 0.16, 1e-12, "the singlet holds one quantum");
    close(values(&table, "bright")[0], 0.84, 1e-12, "bright weight");
    assert!(values(&table, "jumps_release")[0].is_nan() && values(&table, "power")[0] == 0.0);
    // A slow step after it empties the cells in the end; the row is that of the last timed step.
    let table = settled(true);
    close(values(&table, "energy")[0], 0.0, 1e-9, "empty");
    assert_eq!((table.rows.len(), table.rows[0].step.index(), table.steps[0].as_str()), (1, 2, "slow"));

    let refusal = |p: &ProblemBuilder| steady(&p.build().unwrap()).unwrap_err().to_string();
    let mut turning = Problem::builder("turning");
    let b = turning.ensemble("B", 1, 1.0);
    turning.initial(b, Initial::plus()).hamiltonian(of(b, Op::Y)).evolve("run", 1.0, 1).observe([Quantity::Energy]);
    assert!(refusal(&turning).contains("oscillates for ever"));
    // A state that does not turn is at rest all the same, whatever others would do.
    turning.initial(b, Initial::Cell { excited: 0.5, coherence: Complex64::new(0.0, 0.2) });
    close(values(&steady(&turning.build().unwrap()).unwrap(), "energy")[0], 0.5, 1e-9, "at rest");
    turning.repeat(2);
    assert!(refusal(&turning).contains("cycle"));
    turning.repeat(1).drive("push", of(b, Op::X), Envelope::Linear { start: 0.0, slope: 1.0 });
    assert!(refusal(&turning).contains("changes in time"));
    let mut large = Problem::builder("large");
    large.ensemble("B", 5, 1.0);
    assert!(refusal(large.evolve("run", 1.0, 1).observe([Quantity::Energy])).contains("32 states"));
}

#[test]
fn a_drive_too_fast_for_its_step_is_refused() {
    let mut p = Problem::builder("fast");
    let b = p.ensemble("B", 1, 1.0);
    p.drive("fast", of(b, Op::X), Envelope::Gaussian { peak: 1.0, centre: 1.0, width: 1e-9 });
    p.evolve("run", 1.0, 1).observe([Quantity::Energy]);
    let error = solve(&p.build().unwrap()).unwrap_err().to_string();
    assert!(error.contains("under a drive"), "{error}");
}
