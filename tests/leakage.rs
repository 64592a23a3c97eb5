//! The flows between the bright space J = N/2 and J = N/2 − 1 (paper 003, Eq. 120 with the return that it leaves out).

mod common;

use common::{assert_close, example, reference};
use leyden::exact::{self, naive};
use leyden::problem::{Axis, Initial, Kind, Problem, ProblemBuilder, Quantity, SubsystemId, a, ad, n, sm, sp, sz};
use leyden::space::choose::Representation;
use leyden::table::Table;
use num_complex::Complex64;

const THERMAL: &str = include_str!("../examples/thermal.toml");

fn column<'t>(table: &'t Table, name: &str) -> &'t [f64] {
    &table.column(name).unwrap_or_else(|| panic!("no column {name}")).value
}

/// Weight, loss and return in the first or the last row.
fn flows(problem: &Problem, at_end: bool) -> [f64; 3] {
    let table = exact::solve(problem, None, &Default::default()).unwrap();
    let row = if at_end { table.rows.len() - 1 } else { 0 };
    ["bright", "bright_loss", "bright_return"].map(|name| column(&table, name)[row])
}

#[test]
fn leakage_of_the_thermal_battery() {
    for case in reference("S5e_leakage")["observables"]["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let (cells, state) = (number("N"), case["state"].as_str().unwrap());
        let overrides = format!(
            "N={cells} eta={} gamma_r={} alpha_c={} alpha_l={} samples=2 t_end=0.3",
            number("eta"),
            number("gr"),
            number("ac"),
            number("al")
        );
        let problem = example(THERMAL, &overrides);
        let of = |initial: Initial| {
            let problem = problem.edit().initial(problem.subsystem_id("B").unwrap(), initial).build().unwrap();
            flows(&problem, state == "evolved_t0.3")
        };
        let found = match state {
            "ground" | "evolved_t0.3" => of(Initial::Ground),
            "top" => of(Initial::Excited),
            "product_pe0.4" => of(Initial::Thermal { ratio: 0.4 / 0.6 }),
            "Dicke_symmetric_flat" => {
                let n = cells as i64;
                let each = (0..=n).map(|k| of(Initial::Dicke { two_j: n as u64, two_m: 2 * k - n }));
                each.fold([0.0; 3], |sum, x| [0, 1, 2].map(|i| sum[i] + x[i] / (cells + 1.0)))
            }
            other => panic!("no state {other}"),
        };
        let [weight, lost, gained] = found;
        assert_close(weight, number("p_sym"), 1e-10, state);
        assert_close(lost, number("Lambda_eq120"), 1e-10, state);
        assert_close(gained, number("return_flow_omitted"), 1e-10, state);
        assert_close(lost - gained, number("Lambda_exact"), 1e-10, state);
    }
}

/// With the quantities of the ensemble.
fn observed(p: &mut ProblemBuilder, e: SubsystemId) -> Problem {
    p.observe([Quantity::Bright(e), Quantity::BrightLoss(e), Quantity::BrightReturn(e)]);
    p.build().unwrap()
}

const WIDTH: f64 = 1e-3;

/// Rows from 0 to 0.4 and three close to the end, for a derivative.
fn rows() -> Vec<f64> {
    vec![0.0, 0.1, 0.4 - 2.0 * WIDTH, 0.4 - WIDTH, 0.4]
}

/// Every representation that carries the problem against the full space, which gives d⟨P⟩/dt; how many did.
fn agree(problem: &Problem) -> usize {
    let truth = naive::solve(problem).unwrap();
    let name = |stem: &str| truth.columns.iter().find(|c| c.name.starts_with(stem)).unwrap().name.clone();
    let [weight, lost, gained] = ["bright", "bright_loss", "bright_return"].map(|stem| column(&truth, &name(stem)));
    let rows = weight.len();
    for end in (4..rows).step_by(5) {
        let slope = (weight[end] - weight[end - 2]) / (2.0 * WIDTH);
        assert_close(gained[end - 1] - lost[end - 1], slope, 1e-5, &format!("{}: d bright/dt", problem.title()));
    }
    assert!(lost.iter().any(|x| *x > 1e-3) && gained.iter().any(|x| *x > 1e-3), "{}: no flow", problem.title());
    let mut carried = 0;
    for representation in Representation::ALL {
        let table = match exact::solve(problem, Some(representation), &Default::default()) {
            Ok(table) => table,
            Err(leyden::RunError::Compile(_)) => continue,
            Err(error) => panic!("{}: {error}", problem.title()),
        };
        carried += 1;
        for (mine, theirs) in table.columns.iter().zip(&truth.columns) {
            for (x, y) in mine.value.iter().zip(&theirs.value) {
                assert_close(*x, *y, 1e-9, &format!("{}, {representation}: {}", problem.title(), mine.name));
            }
        }
    }
    carried
}

#[test]
fn diagonal_states_agree_in_every_representation() {
    for cells in [1, 2, 3, 5] {
        let mut p = Problem::builder("thermal");
        let b = p.ensemble("B", cells, 1.0);
        p.initial(b, Initial::Thermal { ratio: 0.6 });
        p.collective("emission", sm(b), 1.5).collective("absorption", sp(b), 0.7);
        p.each("loss", b, sm(b), 0.4).each("pump", b, sp(b), 0.2).only(["one"]);
        p.each("blur", b, sz(b) * 0.5 + n(b) * 0.3, 0.6).only(["two"]);
        p.evolve_rows("one", 0.4, rows()).evolve_rows("two", 0.4, rows());
        let problem = observed(&mut p, b);
        if cells > 1 {
            assert_eq!(agree(&problem), 4);
        } else {
            let table = exact::solve(&problem, None, &Default::default()).unwrap();
            assert!(column(&table, "bright").iter().all(|x| (x - 1.0).abs() < 1e-12));
            assert!(column(&table, "bright_loss").iter().chain(column(&table, "bright_return")).all(|x| *x == 0.0));
        }
    }
}

/// Mixtures of σ⁻, σ⁺ and σz keep coherence between different M, beside a mode that exchanges quanta.
#[test]
fn coherent_states_agree() {
    let mixed = |p: &mut ProblemBuilder, b: SubsystemId| {
        let i = Complex64::I;
        p.each("mixed", b, sm(b) * 0.8 + sp(b) * (i * 0.5) + sz(b) * 0.3, 0.9);
        p.each("shifted", b, sz(b) * (i * 0.4) + n(b), 0.5).only(["one"]);
        p.rotate(b, Axis::Y, 0.7).evolve_rows("one", 0.4, rows());
        p.rotate(b, Axis::X, 1.1).evolve_rows("two", 0.4, rows());
    };
    let mut p = Problem::builder("mixed local channels");
    let b = p.ensemble("B", 4, 1.0);
    p.initial(b, Initial::Cell { excited: 0.4, coherence: Complex64::new(0.3, 0.2) });
    p.collective("release", sm(b), 0.7);
    mixed(&mut p, b);
    assert!(agree(&observed(&mut p, b)) >= 2);

    let mut p = Problem::builder("beside a mode");
    let mode = p.subsystem("A", Kind::Mode { cutoff: 3 }, 1.0);
    let b = p.ensemble("B", 3, 1.0);
    let other = p.ensemble("C", 2, 1.0);
    p.initial(mode, Initial::Fock(1)).initial(b, Initial::Dicke { two_j: 1, two_m: 1 });
    p.initial(other, Initial::plus());
    p.hamiltonian((sp(b) * a(mode) + sm(b) * ad(mode)) * 0.6).each("other", other, sm(other), 0.8);
    mixed(&mut p, b);
    p.battery([b]);
    assert!(agree(&observed(&mut p, b)) >= 2);

    // Excitation number is conserved: single cells in sectors.
    let mut p = Problem::builder("sectors");
    let mode = p.subsystem("A", Kind::Mode { cutoff: 4 }, 1.0);
    let b = p.ensemble("B", 3, 1.0);
    p.initial(mode, Initial::Fock(2)).initial(b, Initial::Thermal { ratio: 0.4 });
    p.hamiltonian((sp(b) * a(mode) + sm(b) * ad(mode)) * 0.6);
    p.each("loss", b, sm(b), 0.5).each("blur", b, sz(b), 0.2);
    p.evolve_rows("one", 0.4, rows()).battery([b]);
    assert_eq!(agree(&observed(&mut p, b)), 3);
}
