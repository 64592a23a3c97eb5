//! The equations of motion against the master equation in product states, and the theory against independent numbers.

use super::*;
use crate::exact::integrate::Flow;
use crate::exact::mean_field::equations::pauli;
use crate::exact::naive::{self, FullSpace, expectation};
use crate::exact::theory::Theory;
use crate::problem::{ChannelId, Envelope, Kind, OpSum, ProblemBuilder, Quantity, n, sm, sp, sx, sy, sz};
use ndarray::{Array2, linalg::kron};
use num_complex::Complex64;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::f64::consts::PI;

/// A charger and its battery.
const C: SubsystemId = SubsystemId::new(0);
const B: SubsystemId = SubsystemId::new(1);

type Matrix = Array2<Complex64>;

const ONE: Complex64 = Complex64::ONE;

/// The collective channels of [`two_ensembles`]: rate, and the operator of one cell of each ensemble.
fn collective() -> [(f64, [[Complex64; 4]; 2]); 3] {
    let c = Complex64::new;
    let (o, lower, raise) = (c(0.0, 0.0), [c(0.5, 0.0), c(0.0, -0.5)], [c(0.5, 0.0), c(0.0, 0.5)]);
    let mixed = [o, lower[0] + c(0.1, 0.4) * raise[0], lower[1] + c(0.1, 0.4) * raise[1], c(0.3, -0.2)];
    // Coefficients of 1, σx, σy, σz.
    [
        (1.3, [[o, lower[0], lower[1], o], [o, lower[0], lower[1], o]]),
        (0.6, [mixed, [o, c(0.0, 0.7) * raise[0], c(0.0, 0.7) * raise[1], o]]),
        (0.8, [[c(0.5, 0.0), o, o, c(0.5, 0.0)], [o, o, c(0.4, 0.0), o]]),
    ]
}

/// Two ensembles under those channels, local ones and a Hamiltonian linear in the spins.
fn two_ensembles(cells: [u64; 2]) -> Problem {
    let c = Complex64::new;
    let mut builder = Problem::builder("two ensembles");
    let (p, q) = (builder.ensemble("P", cells[0], 1.0), builder.ensemble("Q", cells[1], 1.5));
    let mixed = sm(p) + sp(p) * c(0.1, 0.4) + sz(p) * c(0.3, -0.2) + sp(q) * c(0.0, 0.7);
    builder.hamiltonian(sx(p) * 0.4 + n(p) * 0.9 + sy(q) * -0.3);
    builder.collective("decay", sm(p) + sm(q), 1.3).collective("mixed", mixed, 0.6);
    builder.collective("watch", n(p) + sy(q) * 0.4, 0.8);
    builder.each("loss", p, sm(p) + sz(p) * 0.5, 0.7).each("pump", q, sp(q), 0.2).each("noise", p, n(p), 0.9);
    builder.initial(p, Initial::Excited).evolve("all", 0.3, 3).observe([Quantity::Energy]);
    builder.build().unwrap()
}

const ALL: [bool; 6] = [true; 6];

/// A Bloch vector inside the sphere.
fn random_vector(rng: &mut ChaCha8Rng) -> [f64; 3] {
    [0; 3].map(|_| rng.random::<f64>() - 0.5)
}

/// (1 + s·σ)/2 in the basis g, e of the full space.
fn cell(s: &[f64]) -> Matrix {
    let c = Complex64::new;
    ndarray::arr2(&[[c(1.0 - s[2], 0.0), c(s[0], s[1])], [c(s[0], -s[1]), c(1.0 + s[2], 0.0)]]) * c(0.5, 0.0)
}

/// d⟨σᵃ⟩/dt of the first cell of each ensemble, exactly, in a product state.
fn exact_derivative(problem: &Problem, vectors: &[[f64; 3]; 2]) -> Vec<f64> {
    let space = FullSpace::new(problem).unwrap();
    let counts = [0, 1].map(|e: usize| problem.subsystems[e].cells());
    let cells = [0, 1].into_iter().flat_map(|e| (0..counts[e]).map(move |_| e));
    let rho = cells.fold(Matrix::from_elem((1, 1), ONE), |rho, e| kron(&rho, &cell(&vectors[e])));
    let change = space.derivative(&rho, &ALL);
    let mean = |e: usize, op: fn(SubsystemId) -> OpSum| {
        expectation(&space.operator(&op(SubsystemId::new(e))).unwrap(), &change).re / counts[e] as f64
    };
    [0, 1].into_iter().flat_map(|e| [sx, sy, sz].map(|op| mean(e, op))).collect()
}

/// What the closure neglects, per cell: r(D†[l]σᵃ of a cell − what the cell does as one of its own neighbours).
fn neglected(vectors: &[[f64; 3]; 2]) -> Vec<f64> {
    let sigma = pauli();
    let combine = |l: &[Complex64]| (0..4).fold(Matrix::zeros((2, 2)), |sum, k| sum + &sigma[k] * l[k]);
    let mut sum = vec![0.0; 6];
    for (rate, operators) in collective() {
        for (e, coefficients) in operators.iter().enumerate() {
            let s = &vectors[e];
            let rho = (0..3).fold(&sigma[0] * ONE, |rho, k| rho + &sigma[k + 1] * Complex64::from(s[k])) * 0.5 * ONE;
            let l = combine(coefficients);
            let mean = |m: &Matrix| rho.dot(m).diag().sum();
            let adjoint = l.t().mapv(|x| x.conj());
            for axis in 0..3 {
                let commutator = sigma[axis + 1].dot(&l) - l.dot(&sigma[axis + 1]);
                let alone = mean(&adjoint.dot(&commutator)).re;
                sum[3 * e + axis] += rate * (alone - (mean(&l).conj() * mean(&commutator)).re);
            }
        }
    }
    sum
}

#[test]
fn the_closure_neglects_one_cell_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let vectors = [random_vector(&mut rng), random_vector(&mut rng)];
    let expected = neglected(&vectors);
    let size = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let derivative = |problem: &Problem| {
        let mut out = vec![0.0; 6 + 6];
        let equations = SpinEquations::new(problem, &ALL).unwrap();
        equations.derivative(&[vectors.concat(), vec![0.0; 6]].concat(), &mut out);
        out.truncate(6);
        out
    };
    for cells in [[1, 1], [2, 2], [3, 3], [1, 4], [3, 2]] {
        let problem = two_ensembles(cells);
        let found = derivative(&problem);
        let exact = exact_derivative(&problem, &vectors);
        for k in 0..6 {
            let difference = exact[k] - found[k];
            assert!((difference - expected[k]).abs() < 1e-12, "{cells:?}, {k}: {difference} and {}", expected[k]);
        }
    }
    // The same amount at any N, of a derivative that grows like N.
    let relative = [100, 1000].map(|n| size(&expected) / size(&derivative(&two_ensembles([n, n]))));
    assert!((relative[0] / relative[1] - 10.0).abs() < 0.5, "{relative:?}");
}

#[test]
fn the_jacobian_is_the_derivative() {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    let equations = SpinEquations::new(&two_ensembles([7, 3]), &ALL).unwrap();
    let mut random = || (0..12).map(|_| rng.random::<f64>() - 0.5).collect::<Vec<f64>>();
    let (x, v) = (random(), random());
    let at = |h: f64| {
        let mut out = vec![0.0; 12];
        equations.derivative(&x.iter().zip(&v).map(|(x, v)| x + h * v).collect::<Vec<_>>(), &mut out);
        out
    };
    let mut jacobian = vec![0.0; 12];
    equations.jacobian(&x, &v, &mut jacobian);
    // Quadratic in the unknowns: the central difference is exact.
    for ((up, down), j) in at(0.5).iter().zip(at(-0.5)).zip(&jacobian) {
        assert!((up - down - j).abs() < 1e-11 * (1.0 + j.abs()), "{} and {j}", up - down);
    }
}

#[test]
fn cells_by_themselves_are_exact() {
    let mut builder = Problem::builder("cells by themselves");
    let (p, q) = (builder.ensemble("P", 3, 1.0), builder.ensemble("Q", 2, 1.5));
    builder.initial(p, Initial::Cell { excited: 0.7, coherence: Complex64::new(0.2, -0.3) }).battery([p]);
    builder.initial(q, Initial::Thermal { ratio: 3.0 });
    builder.hamiltonian(sx(p) * 0.4 + n(p) * 0.9 + sy(q) * -0.3);
    builder.each("loss", p, sm(p) + sz(p) * 0.5, 0.7).each("pump", q, sp(q), 0.2).each("noise", p, n(p), 0.9);
    builder.only(["second"]).rotate(p, Axis::X, 0.7).rotate(q, Axis::Z, -0.4).evolve("first", 0.5, 3);
    builder.reset(q, Initial::plus()).rotate(p, Axis::Y, 1.9).evolve("second", 0.4, 2).repeat(2);
    builder.observe([
        Quantity::Energy,
        Quantity::Power,
        Quantity::Ergotropy,
        Quantity::Efficiency,
        Quantity::LocalErgotropy,
        Quantity::ErgotropyOf(q),
        Quantity::CellCoherence,
        Quantity::EnergyDensity(q),
        Quantity::Quanta(q),
        Quantity::Magnetisation(p),
        Quantity::SpinLength(p),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
        Quantity::Jumps(ChannelId::new(2)),
    ]);
    let problem = builder.build().unwrap();
    let (theory, exact) = (SpinVectors::new(&problem).unwrap().solve().unwrap(), naive::solve(&problem).unwrap());
    assert_eq!(theory.columns.len(), exact.columns.len());
    for (t, e) in theory.columns.iter().zip(&exact.columns) {
        assert_eq!(t.name, e.name);
        for (row, (t, x)) in t.value.iter().zip(&e.value).enumerate() {
            assert!((t - x).abs() < 1e-8 || (t.is_nan() && x.is_nan()), "{} at row {row}: {t}, {x}", e.name);
        }
    }
}

/// The charger of 10⁷ cells with m batteries of 100, γ↓ = 1.
fn charger(m: usize, gamma_up: f64, tilt: f64, rows: Vec<f64>) -> Problem {
    let mut builder = Problem::builder("charger");
    let c = builder.ensemble("C", 10_000_000, 1.0);
    let batteries: Vec<SubsystemId> = (1..=m).map(|k| builder.ensemble(&format!("B{k}"), 100, 1.0)).collect();
    builder.battery(batteries.clone()).initial(c, Initial::Excited).tilt(c, tilt);
    for b in &batteries {
        builder.collective(&format!("loss_{b}"), sm(c) + sm(*b), 2.0);
    }
    builder.collective("pump", sp(c), 2.0 * gamma_up);
    builder.evolve_rows("charging", rows[rows.len() - 1], rows);
    let densities = std::iter::once(c).chain(batteries.clone()).map(Quantity::EnergyDensity);
    builder.observe(
        densities
            .chain([Quantity::Energy, Quantity::Ergotropy])
            .chain((0..=m).map(ChannelId::new).map(Quantity::Jumps)),
    );
    builder.build().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn agrees_with_the_reference_and_its_plateaus() {
    let reference: Value = serde_json::from_str(include_str!("../../../tests/data/S4_meanfield.json")).unwrap();
    let tilt = reference["scalars"]["tip_angle"].as_f64().unwrap();
    let cases = reference["observables"]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let (m, up) = (case["m"].as_u64().unwrap() as usize, case["gu_over_gd"].as_f64().unwrap());
        let problem = charger(m, up, tilt, numbers(&reference["times"]));
        let table = SpinVectors::new(&problem).unwrap().solve().unwrap();
        let column = |name: &str| &table.column(name).unwrap().value;
        for (name, expected) in [("energy_density_C", "E_C"), ("energy_density_B1", "E_B")] {
            for (row, (found, expected)) in column(name).iter().zip(numbers(&case[expected])).enumerate() {
                let gap = (found - expected).abs();
                assert!(gap < 1e-8, "m = {m}, γ↑ = {up}: {name} at row {row}: {found}, {expected}");
            }
        }
        // sin²(π/2k), short of it by what N_B/N_C and the tilt leave.
        let plateau = (PI / 2.0 / (m as f64 - up)).sin().powi(2);
        for k in 1..=m {
            let end = *column(&format!("energy_density_B{k}")).last().unwrap();
            assert!((end - plateau).abs() < 2e-4, "m = {m}, γ↑ = {up}: {end} instead of {plateau}");
        }
        // Spins stay pure, so all of the energy is ergotropy.
        for (energy, ergotropy) in column("energy").iter().zip(column("ergotropy")) {
            assert!((energy - ergotropy).abs() < 1e-7 * (1.0 + energy), "{energy} and {ergotropy}");
        }
        // What the cells lose is what was emitted less what was pumped.
        let jumps = |row: usize, channel: usize| table.columns[table.columns.len() - 1 - m + channel].value[row];
        for row in 0..table.rows.len() {
            let quanta =
                1e7 * (column("energy_density_C")[row] - column("energy_density_C")[0]) + column("energy")[row];
            let emitted: f64 = (0..m).map(|channel| jumps(row, channel)).sum();
            assert!((quanta + emitted - jumps(row, m)).abs() < 1.0, "row {row}: {quanta}, {emitted}");
        }
    }
}

/// Batteries at the plateau of k > 1 turn on to full at the rate γ↓N_B(m/k − 1) where the charger is pumped; without a pump
/// k = m and they stay.
#[test]
fn pumped_plateaus_are_not_steady_even_here() {
    let end = |up: f64| {
        let problem = charger(3, up, 4.47e-4, vec![0.0, 6e-6, 1.0]);
        let table = SpinVectors::new(&problem).unwrap().solve().unwrap();
        table.column("energy_density_B1").unwrap().value[1..].to_vec()
    };
    let (still, moving) = (end(0.0), end(1.0));
    assert!((still[0] - 0.25).abs() < 1e-3 && (still[1] - still[0]).abs() < 1e-6, "{still:?}");
    assert!((moving[0] - 0.5).abs() < 1e-3 && moving[1] > 0.999, "{moving:?}");
}

#[test]
fn an_excited_charger_moves_when_tilted_only() {
    let end = |tilt: f64| {
        let table = SpinVectors::new(&charger(1, 0.0, tilt, vec![0.0, 6e-6])).unwrap().solve().unwrap();
        table.column("energy_density_B1").unwrap().value[1]
    };
    assert_eq!(end(0.0), 0.0);
    assert!(end(1e-3) > 0.999);
}

type Change = fn(&mut ProblemBuilder) -> &mut ProblemBuilder;

/// The theory of a charger and a battery after a change.
fn theory_with(change: Change) -> Result<&'static str, String> {
    let mut builder = Problem::builder("refused");
    let (c, b) = (builder.ensemble("C", 4, 1.0), builder.ensemble("B", 3, 1.0));
    builder.collective("loss", sm(c) + sm(b), 1.0).evolve("t", 1.0, 1).observe([Quantity::EnergyOf(b)]);
    let problem = change(&mut builder).build().unwrap();
    Theory::of(&problem).map(|theory| theory.name()).map_err(|error| error.to_string())
}

#[test]
fn what_it_does_not_describe_is_refused() {
    const DICKE: Initial = Initial::Dicke { two_j: 2, two_m: 0 };
    let cases: [(Change, &str); 9] = [
        (|b| b.initial(C, DICKE), "C does not start in a product"),
        (|b| b.reset(C, DICKE), "a reset is to no product"),
        (|b| b.collective("pairs", sm(C) * sm(B), 1.0), "channel pairs has a product of spin"),
        (|b| b.hamiltonian(sp(C) * sm(B) + sm(C) * sp(B)), "the Hamiltonian has a product of spin"),
        (|b| b.drive("push", sx(C), Envelope::Constant(1.0)), "the drive push"),
        (|b| b.observe([Quantity::Purity]), "it has no purity"),
        (|b| b.observe([Quantity::EnergyVariance]), "it has no energy_var"),
        // Pure ensembles share one passive state, the ground state; mixed ones do not.
        (|b| b.each("local", C, sm(C), 0.1).observe([Quantity::Ergotropy]), "it has no ergotropy"),
        (
            |b| {
                b.subsystem("M", Kind::Mode { cutoff: 3 }, 1.0);
                b
            },
            "M is no ensemble",
        ),
    ];
    for (change, says) in cases {
        let reason = theory_with(change).unwrap_err();
        assert!(reason.contains("spin vectors") && reason.contains(says), "{reason}");
    }
    assert_eq!(theory_with(|b| b), Ok("spin vectors"));
    assert_eq!(theory_with(|b| b.observe([Quantity::Ergotropy])), Ok("spin vectors"));
}

#[test]
fn one_ensemble_has_pair_correlations_unless_it_is_tilted() {
    let name = |tilt: f64, drive: bool| {
        let mut builder = Problem::builder("one");
        let b = builder.ensemble("B", 5, 1.0);
        builder.tilt(b, tilt).collective("loss", sm(b), 1.0).evolve("t", 1.0, 1).observe([Quantity::Energy]);
        if drive {
            builder.hamiltonian(sx(b));
        }
        Theory::of(&builder.build().unwrap()).unwrap().name()
    };
    assert_eq!(name(0.0, false), "second-order cumulants");
    assert_eq!(name(0.1, false), "spin vectors");
    assert_eq!(name(0.0, true), "spin vectors");
}

#[test]
fn tilts_are_angles_of_ensembles() {
    let with = |id: SubsystemId, angle: f64| {
        let mut builder = Problem::builder("tilts");
        let c = builder.ensemble("C", 2, 1.0);
        builder.subsystem("M", Kind::Mode { cutoff: 3 }, 1.0);
        builder.tilt(id, angle).evolve("t", 1.0, 1).observe([Quantity::EnergyOf(c)]);
        builder.build().map(|p| p.tilt).map_err(|e| e.to_string())
    };
    assert_eq!(with(C, 0.5), Ok(vec![0.5, 0.0]));
    let m = SubsystemId::new(1);
    for (id, angle, says) in [(C, -0.1, "the tilt of C"), (C, f64::NAN, "the tilt of C"), (m, 0.5, "M is no ensemble")]
    {
        let reason = with(id, angle).unwrap_err();
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn the_unit_of_time_does_not_matter() {
    let solved = |unit: f64| {
        let mut builder = Problem::builder("units");
        let (c, b) = (builder.ensemble("C", 1000, 1.0), builder.ensemble("B", 20, 1.0));
        builder.initial(c, Initial::Excited).tilt(c, 0.05).hamiltonian((sx(c) * 3.0 + n(b)) * unit);
        builder.collective("loss", sm(c) + sm(b), 2.0 * unit).each("noise", b, sz(b), 0.2 * unit);
        builder.rotate(b, Axis::X, 0.4).evolve("one", 0.01 / unit, 3).reset(b, Initial::Ground).evolve(
            "two",
            0.2 / unit,
            2,
        );
        builder
            .observe([Quantity::EnergyDensity(c), Quantity::EnergyDensity(b), Quantity::Jumps(ChannelId::new(1))])
            .repeat(2);
        SpinVectors::new(&builder.build().unwrap()).unwrap().solve().unwrap()
    };
    let plain = solved(1.0);
    for unit in [1e-12, 1e-6, 1e6, 1e9, 1e12] {
        for (a, b) in solved(unit).columns.iter().zip(&plain.columns) {
            let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * (1.0 + b.abs());
            assert!(a.value.iter().zip(&b.value).all(close), "{unit:e}: {}", a.name);
        }
    }
}

/// γ↑ = mγ↓: the charger stays, and drives the batteries round and round until they come to rest.
#[test]
fn a_charger_that_gains_what_it_loses_is_followed_for_long() {
    let problem = charger(2, 2.0, 4.47e-4, vec![0.0, 1e-3, 100.0]);
    let table = SpinVectors::new(&problem).unwrap().solve().unwrap();
    let column = |name: &str| &table.column(name).unwrap().value;
    // From 4·10⁵ steps of the classical Runge–Kutta method.
    assert!((column("energy_density_C")[1] - 0.9999999740734).abs() < 1e-10);
    assert!((column("energy_density_B1")[1] - 0.00096643768).abs() < 1e-8);
    assert!((column("energy_density_C")[2] - 1.0).abs() < 1e-9 && column("energy_density_B1")[2] < 1e-9);
}

#[test]
fn ensembles_that_are_alike_move_alike() {
    let mut builder = Problem::builder("alike");
    let [c, p, q, r] =
        ["C", "P", "Q", "R"].map(|name| builder.ensemble(name, if name == "C" { 1000 } else { 30 }, 1.0));
    builder.initial(c, Initial::Excited).tilt(c, 0.01).tilt(r, 0.2);
    for b in [p, q, r] {
        builder.collective(&format!("loss_{b}"), sm(c) + sm(b), 2.0);
    }
    builder.each("noise", p, sz(p), 0.1).only(["noisy"]).evolve("quiet", 0.5, 1).evolve("noisy", 0.5, 1);
    builder.observe([Quantity::EnergyDensity(p), Quantity::EnergyDensity(q), Quantity::EnergyDensity(r)]);
    let problem = builder.build().unwrap();
    let kinds = |step: usize, vectors: &[f64]| match &SpinVectors::new(&problem).unwrap().stages[step] {
        StepEquations::Evolve(equations) => {
            Alike::new(equations, vectors).start(vectors).len() - equations.channels.len()
        }
        _ => 0,
    };
    let theory = SpinVectors::new(&problem).unwrap();
    // C, P with Q, and R, which starts elsewhere; P is alone where it has noise.
    assert_eq!([kinds(0, &theory.initial), kinds(1, &theory.initial)], [9, 12]);
    let table = theory.solve().unwrap();
    let value = |column: usize, row: usize| table.columns[column].value[row];
    assert_eq!(value(0, 1), value(1, 1));
    assert!((value(0, 1) - value(2, 1)).abs() > 1e-6 && (value(0, 3) - value(1, 3)).abs() > 1e-6);
}
