//! The moment equations against the full space, and the theory against independent numbers.

use super::*;
use crate::exact::integrate::Flow;
use crate::exact::naive::{self, FullSpace, expectation};
use crate::problem::{ChannelId, Op, OpSum, sm, sp, sz};
use ndarray::Array2;
use num_complex::Complex64;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sprs::{CsMat, TriMat};

/// Aging of `cells` cells with every channel on and a collective operator of no symmetry.
fn problem(cells: u64) -> Problem {
    let mut builder = Problem::builder("moments");
    let b = builder.ensemble("B", cells, 1.0);
    let tilted = sm(b) + sz(b) * Complex64::new(0.3, -0.2) + sp(b) * Complex64::new(0.1, 0.4);
    builder.battery([b]).initial(b, Initial::Excited);
    builder.each("loss", b, sm(b), 0.7).each("dephasing", b, sz(b) + sm(b) * 0.5, 0.3).each("pump", b, sp(b), 0.2);
    builder.collective("release", sm(b), 1.3).collective("tilted", tilted, 0.6);
    builder.evolve("all", 1.0, 1).observe([Quantity::Magnetisation(b)]);
    builder.build().unwrap()
}

/// A random mixed state of N cells, averaged over the permutations that turn the register and swap two neighbours.
fn symmetric_state(cells: usize, rng: &mut ChaCha8Rng) -> Array2<Complex64> {
    let d = 1 << cells;
    let mut number = || rng.random::<f64>() - 0.5;
    let a = Array2::from_shape_simple_fn((d, d), || Complex64::new(number(), number()));
    let mixed = a.dot(&a.t().mapv(|x| x.conj()));
    let mut sum = Array2::zeros((d, d));
    for order in orders(cells) {
        let moved = |index: usize| (0..cells).fold(0, |to, bit| to | ((index >> bit & 1) << order[bit]));
        sum += &Array2::from_shape_fn((d, d), |(i, j)| mixed[(moved(i), moved(j))]);
    }
    let trace = sum.diag().sum();
    sum / trace
}

fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let insert = |rest: Vec<usize>| (0..n).map(move |at| [&rest[..at], &[n - 1], &rest[at..]].concat());
    orders(n - 1).into_iter().flat_map(insert).collect()
}

/// σᵃ⊗σᵇ⊗… on the first cells of a register, in the basis g, e of each cell of the full space.
fn product(cells: usize, axes: &[usize]) -> CsMat<Complex64> {
    let sigma = equations::pauli();
    let sigma = sigma.each_ref().map(|m| sigma[1].dot(m).dot(&sigma[1]));
    let one = |cell: usize| axes.get(cell).map_or(&sigma[0], |&a| &sigma[a + 1]).clone();
    let dense = (1..cells).fold(one(0), |left, cell| ndarray::linalg::kron(&left, &one(cell)));
    let mut entries = TriMat::new(dense.dim());
    dense.indexed_iter().filter(|(_, x)| x.norm() > 0.0).for_each(|((i, j), x)| entries.add_triplet(i, j, *x));
    entries.to_csr()
}

/// All nine moments of ρ, or of dρ/dt.
fn moments(cells: usize, rho: &Array2<Complex64>) -> Vec<f64> {
    let mean = |axes: &[usize]| expectation(&product(cells, axes), rho).re;
    let pair = |(a, b)| if cells > 1 { mean(&[a, b]) } else { 0.0 };
    (0..3).map(|a| mean(&[a])).chain(PAIRS.into_iter().map(pair)).collect()
}

fn all_equations(problem: &Problem) -> Equations {
    let theory = MeanField::new(problem).unwrap();
    match theory.stages.into_iter().next() {
        Some(StepEquations::Evolve { equations, .. }) => *equations,
        _ => panic!("the protocol has one timed step"),
    }
}

#[test]
fn exact_with_exact_third_moments() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for cells in 1..=4 {
        let problem = problem(cells);
        let cells = cells as usize;
        let space = FullSpace::new(&problem).unwrap();
        for _ in 0..3 {
            let rho = symmetric_state(cells, &mut rng);
            let exact = moments(cells, &space.derivative(&rho, &[true; 5]));
            let state = moments(cells, &rho);
            let mut found = vec![0.0; MOMENTS + 5];
            let third = |a, b, c| if cells > 2 { expectation(&product(cells, &[a, b, c]), &rho).re } else { 0.0 };
            all_equations(&problem).linear(1.0, Moments(&state), third, &mut found);
            for (k, (f, e)) in found.iter().zip(&exact).take(if cells > 1 { MOMENTS } else { 3 }).enumerate() {
                assert!((f - e).abs() < 1e-12, "N = {cells}, moment {k}: {f} instead of {e}");
            }
            let rates = space.jump_rates(&[true; 5]);
            for ((channel, rate), found) in problem.channels.iter().zip(rates).zip(&found[MOMENTS..]) {
                let rate = expectation(&rate, &rho).re;
                assert!((found * cells as f64 - rate).abs() < 1e-11, "N = {cells}, jumps of {}", channel.name);
            }
        }
    }
}

#[test]
fn the_jacobian_is_the_derivative() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let equations = all_equations(&problem(9));
    let mut random = || (0..MOMENTS + 5).map(|_| rng.random::<f64>() - 0.5).collect::<Vec<f64>>();
    let (x, v) = (random(), random());
    let at = |h: f64| {
        let mut out = vec![0.0; MOMENTS + 5];
        equations.derivative(&x.iter().zip(&v).map(|(x, v)| x + h * v).collect::<Vec<_>>(), &mut out);
        out
    };
    let mut jacobian = vec![0.0; MOMENTS + 5];
    equations.jacobian(&x, &v, &mut jacobian);
    for ((up, down), j) in at(1e-4).iter().zip(at(-1e-4)).zip(&jacobian) {
        // Cubic in the unknowns: the central difference is off by h² times the third derivative.
        assert!(((up - down) / 2e-4 - j).abs() < 1e-5 * (1.0 + j.abs()), "{} and {j}", (up - down) / 2e-4);
    }
}

#[test]
fn two_cells_are_exact_with_pulses_about_any_axis() {
    let mut builder = Problem::builder("two cells");
    let b = builder.ensemble("B", 2, 1.5);
    builder.battery([b]).initial(b, Initial::Thermal { ratio: 0.4 });
    builder.each("loss", b, sm(b), 0.7).each("dephasing", b, sz(b), 0.3).collective("release", sm(b), 2.0);
    builder.rotate(b, Axis::X, 1.1).rotate(b, Axis::Y, -0.6).evolve("one", 0.4, 3);
    builder.rotate(b, Axis::Z, 0.8).rotate(b, Axis::X, 2.0).evolve("two", 0.7, 2).repeat(2);
    let quantities = [
        Quantity::Magnetisation(b),
        Quantity::SpinLength(b),
        Quantity::Energy,
        Quantity::EnergyVariance,
        Quantity::Released(None),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
        Quantity::Jumps(ChannelId::new(2)),
    ];
    builder.observe(quantities);
    let problem = builder.build().unwrap();
    let (theory, exact) = (MeanField::new(&problem).unwrap().solve().unwrap(), naive::solve(&problem).unwrap());
    for (t, e) in theory.columns.iter().zip(&exact.columns) {
        for (row, (t, x)) in t.value.iter().zip(&e.value).enumerate() {
            assert!((t - x).abs() < 1e-8, "{} at row {row}: {t} instead of {x}", e.name);
        }
    }
}

#[test]
fn one_cell_is_exact() {
    let problem = problem(1);
    let (theory, exact) = (MeanField::new(&problem).unwrap().solve().unwrap(), naive::solve(&problem).unwrap());
    assert!((theory.columns[0].value[1] - exact.columns[0].value[1]).abs() < 1e-9);
}

/// The nine printed right-hand sides, as functions of complex moments: p = ⟨σ⁺⟩, pm = ⟨σ⁺σ⁻⟩, pz = ⟨σ⁺σᶻ⟩, pp = ⟨σ⁺σ⁺⟩.
fn printed(n: f64, gamma: f64, big: f64, m: Moments<'_>) -> [(&'static str, Complex64); 6] {
    let i = Complex64::I;
    let z = Complex64::from(m.s(2));
    let p = (m.s(0) + i * m.s(1)) * 0.5;
    let pm = Complex64::from((m.c(0, 0) + m.c(1, 1)) * 0.25);
    let zz = Complex64::from(m.c(2, 2));
    let pz = (m.c(0, 2) + i * m.c(1, 2)) * 0.5;
    let pp = (m.c(0, 0) - m.c(1, 1) + 2.0 * i * m.c(0, 1)) * 0.25;
    let (q, mz, others) = (p.conj(), pz.conj(), n - 2.0);
    let g = gamma + big;
    [
        ("z", -g * (1.0 + z) - 2.0 * big * (n - 1.0) * pm),
        ("+", -0.5 * g * p + 0.5 * big * (n - 1.0) * pz),
        ("+-", -g * pm + 0.5 * big * (z + z) + big * others * (p * mz + q * pz + z * pm - 2.0 * p * q * z)),
        (
            "zz",
            -2.0 * g * (z + zz) + 4.0 * big * pm - 4.0 * big * others * (z * pm + p * mz + q * pz - 2.0 * z * p * q),
        ),
        (
            "+z",
            -(1.5 * gamma + 2.5 * big) * pz
                - (gamma + 1.5 * big) * p
                - 2.0 * big * others * (2.0 * p * pm + q * pp - 2.0 * p * p * q)
                + 0.5 * big * (p * zz + 2.0 * z * pz - 2.0 * p * z * z),
        ),
        ("++", -g * pp + big * others * (2.0 * p * pz + z * pp - 2.0 * p * p * z)),
    ]
}

/// The same six derivatives from the equations under test.
fn derived(n: u64, gamma: f64, big: f64, state: &[f64]) -> [Complex64; 6] {
    let mut builder = Problem::builder("printed");
    let b = builder.ensemble("B", n, 1.0);
    builder.each("loss", b, sm(b), gamma).collective("release", sm(b), big);
    builder.evolve("all", 1.0, 1).observe([Quantity::Magnetisation(b)]);
    let mut d = vec![0.0; MOMENTS + 2];
    all_equations(&builder.build().unwrap()).derivative(state, &mut d);
    let (m, i) = (Moments(&d), Complex64::I);
    [
        Complex64::from(m.s(2)),
        (m.s(0) + i * m.s(1)) * 0.5,
        Complex64::from((m.c(0, 0) + m.c(1, 1)) * 0.25),
        Complex64::from(m.c(2, 2)),
        (m.c(0, 2) + i * m.c(1, 2)) * 0.5,
        (m.c(0, 0) - m.c(1, 1) + 2.0 * i * m.c(0, 1)) * 0.25,
    ]
}

#[test]
fn the_printed_equations_are_wrong_where_said() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let state: Vec<f64> = (0..MOMENTS).map(|_| rng.random::<f64>() - 0.5).collect();
    let m = Moments(&state);
    let i = Complex64::I;
    let (gamma, big) = (0.8, 1.7);
    for n in [2, 3, 5, 140] {
        let exact = derived(n, gamma, big, &state);
        let printed = printed(n as f64, gamma, big, m);
        let p = (m.s(0) + i * m.s(1)) * 0.5;
        let pz = (m.c(0, 2) + i * m.c(1, 2)) * 0.5;
        let missing = p * m.c(2, 2) + 2.0 * m.s(2) * pz - 2.0 * p * m.s(2) * m.s(2);
        for ((name, printed), exact) in printed.into_iter().zip(exact) {
            let correction = match name {
                "+-" => Complex64::from(0.5 * big * (m.c(2, 2) - m.s(2))),
                "+z" => 0.5 * big * (n as f64 - 3.0) * missing,
                _ => Complex64::ZERO,
            };
            assert!((printed + correction - exact).norm() < 1e-10, "N = {n}: {name}: {printed} {correction} {exact}");
        }
    }
}

fn reference(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Storage and discharge of N cells with the paper's rates.
fn aging(cells: u64, tau_d: f64, cycles: u64) -> Problem {
    let mut builder = Problem::builder("aging");
    let b = builder.ensemble("B", cells, 1.0);
    builder.battery([b]);
    builder.each("loss", b, sm(b), 1.0).collective("release", sm(b), 1600.0).only(["discharge"]);
    builder.rotate(b, Axis::X, std::f64::consts::PI).evolve("storage", 0.0187, 1).evolve("discharge", tau_d, 1);
    builder.repeat(cycles).observe([Quantity::Magnetisation(b), Quantity::SpinLength(b), Quantity::Ergotropy]);
    builder.build().unwrap()
}

#[test]
fn agrees_with_the_reference_of_the_limit_cycle() {
    for (tau_d, expected) in [(0.0187, 8.808455953887648), (0.0375, 25.993837415403608)] {
        let problem = aging(140, tau_d, 2);
        let theory = MeanField::new(&problem).unwrap();
        assert_eq!(theory.missing(), ["ergotropy"]);
        let table = theory.fixed_point().unwrap();
        let found = table.column("S").unwrap().value[0];
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
    }
}

#[test]
fn agrees_with_the_reference_of_the_first_burst() {
    let reference = reference(include_str!("../../../tests/data/S3_burst_N140.json"));
    let times = numbers(&reference["times"]);
    let mut builder = Problem::builder("burst");
    let b = builder.ensemble("B", 140, 1.0);
    builder.initial(b, Initial::Excited).each("loss", b, sm(b), 1.0).collective("release", sm(b), 1600.0);
    let rows = if times[0] == 0.0 { times.clone() } else { [&[0.0], &times[..]].concat() };
    let shift = rows.len() - times.len();
    builder.evolve_rows("burst", rows[rows.len() - 1], rows).observe([Quantity::Magnetisation(b)]);
    let problem = builder.build().unwrap();
    let table = MeanField::new(&problem).unwrap().solve().unwrap();
    let expected = numbers(&reference["observables"]["Sz_meanfield_corrected"]);
    for (row, expected) in expected.iter().enumerate() {
        let found = table.columns[0].value[row + shift];
        assert!((found - expected).abs() < 1e-6, "t = {}: {found} instead of {expected}", times[row]);
    }
}

#[test]
fn what_it_cannot_describe_is_refused() {
    let mut builder = Problem::builder("number");
    let b = builder.ensemble("B", 3, 1.0);
    builder.collective("watch", crate::problem::n(b), 1.0).evolve("t", 1.0, 1);
    builder.observe([Quantity::Magnetisation(b)]);
    let reason = MeanField::new(&builder.build().unwrap()).err().unwrap().to_string();
    assert!(reason.contains("watch") && reason.contains("proportional to 1"), "{reason}");
    let mut builder = Problem::builder("driven");
    let b = builder.ensemble("B", 3, 1.0);
    builder.hamiltonian(OpSum::of(b, Op::X)).evolve("t", 1.0, 1).observe([Quantity::Magnetisation(b)]);
    assert!(MeanField::new(&builder.build().unwrap()).is_err());
}

#[test]
fn the_unit_of_time_does_not_matter() {
    let solved = |unit: f64| {
        let mut builder = Problem::builder("units");
        let b = builder.ensemble("B", 50, 1.0);
        let tilted = (sm(b) + sz(b) * 0.3) * unit.sqrt();
        builder
            .each("loss", b, sm(b), unit)
            .collective("release", sm(b), 20.0 * unit)
            .collective("tilted", tilted, 0.1);
        builder.rotate(b, Axis::X, 3.0).evolve("one", 0.3 / unit, 3).evolve("two", 0.5 / unit, 2).repeat(2);
        builder.observe([
            Quantity::Magnetisation(b),
            Quantity::SpinLength(b),
            Quantity::Jumps(ChannelId::new(0)),
            Quantity::Jumps(ChannelId::new(1)),
        ]);
        MeanField::new(&builder.build().unwrap()).unwrap().solve().unwrap()
    };
    let plain = solved(1.0);
    for unit in [1e-12, 1e-6, 1e6, 1e9, 1e12] {
        for (a, b) in solved(unit).columns.iter().zip(&plain.columns) {
            let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * (1.0 + b.abs());
            assert!(a.value.iter().zip(&b.value).all(close), "{unit:e}: {}", a.name);
        }
    }
}
