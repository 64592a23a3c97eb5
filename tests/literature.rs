//! Batteries and textbook systems beyond the papers, against numbers made independently by other programs (tests/data).

mod common;

use common::{example, numbers, reference};
use leyden::exact;
use leyden::input;
use leyden::problem::Problem;
use leyden::stop::Stop;
use leyden::table::Table;
use leyden::unravel::engine::Engine;
use serde_json::Value;

fn solve(problem: &Problem) -> Table {
    exact::solve(problem, None, &Stop::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Columns against the lists of a reference, at the rows of its times.
fn same(table: &Table, data: &Value, columns: &[(&str, &str)], tolerance: f64) {
    for (mine, theirs) in columns {
        let expected = numbers(&data["observables"][theirs]);
        let found = &table.column(mine).unwrap_or_else(|| panic!("no column {mine}")).value;
        assert_eq!(found.len(), expected.len(), "{mine}");
        for (row, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() <= tolerance, "{mine} at row {row}: {a}, reference {b}");
        }
    }
}

/// The numbers among the parameters of a reference as overrides.
fn parameters(data: &Value) -> String {
    let numbers = data["params"].as_object().unwrap().iter().filter(|(_, value)| value.is_number());
    numbers.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn read(text: &str) -> Problem {
    input::parse("literature", text, &[]).unwrap_or_else(|e| panic!("{e}")).problem
}

#[test]
fn pulses_charge_three_levels() {
    for name in ["L_stirap", "L_stirap_slow"] {
        let data = reference(name);
        let table = solve(&example(include_str!("../examples/stirap.toml"), &parameters(&data)));
        let columns = ["energy", "ergotropy", "population_0", "population_1", "population_2"];
        same(&table, &data, &columns.map(|c| (c, c)), 1e-9);
    }
}

#[test]
fn cells_that_interact_hold_energy_together() {
    for name in ["L_spin_chain", "L_spin_chain_correlated"] {
        let data = reference(name);
        let table = solve(&example(include_str!("../examples/spin_chain.toml"), &parameters(&data)));
        let columns = ["energy", "ergotropy", "energy_var"];
        same(&table, &data, &columns.map(|c| (c, c)), 1e-8);
        // Nothing over no time at the first row.
        let expected = data["observables"]["power"].as_array().unwrap().iter().map(|x| x.as_f64()).skip(1);
        for (mine, theirs) in table.column("power").unwrap().value.iter().skip(1).zip(expected) {
            assert!((mine - theirs.unwrap()).abs() < 1e-8, "power {mine}, reference {theirs:?}");
        }
    }
}

#[test]
fn an_emitter_charges_what_it_cannot_hear() {
    for name in ["L_cascade", "L_cascade_eps02"] {
        let data = reference(name);
        let table = solve(&example(include_str!("../examples/cascade.toml"), &parameters(&data)));
        same(&table, &data, &["energy_A", "energy_B", "ergotropy_B"].map(|c| (c, c)), 1e-9);
    }
}

#[test]
fn cavities_charge_cells() {
    for name in ["L_dicke", "L_dicke_counter", "L_dicke_counter_weak"] {
        let data = reference(name);
        let table = solve(&example(include_str!("../examples/dicke.toml"), &parameters(&data)));
        same(&table, &data, &["energy_B", "ergotropy_B", "photons"].map(|c| (c, c)), 1e-7);
    }
}

#[test]
fn ancillas_charge_a_ladder_of_levels() {
    for name in ["L_collision", "L_collision_incoherent"] {
        let data = reference(name);
        let table = solve(&example(include_str!("../examples/collision.toml"), &parameters(&data)));
        for column in ["energy_B", "ergotropy_B"] {
            let expected = numbers(&data["observables"][column]);
            let found = &table.column(column).unwrap().value;
            assert_eq!(found.len(), 2 * (expected.len() - 1));
            for (collision, b) in expected.iter().enumerate().skip(1) {
                let a = found[2 * collision - 1]; // two rows a collision, the second after it
                assert!((a - b).abs() < 1e-8, "{name}, {column} after collision {collision}: {a}, reference {b}");
            }
        }
    }
}

/// A cell with rates in time, from excited population `p` and coherence `c`.
fn cell(data: &Value, p: f64, c: f64, rate: &str, operator: &str) -> Problem {
    let of = |name: &str| data["params"][name].as_f64().unwrap();
    read(&format!(
        r#"
        [subsystems]
        B = {{ cell = true, energy = 1.0 }}
        [initial]
        B = "cell({p}, {c})"
        [functions]
        points = {{ times = [0.0, 0.5, 1.2, 2.0, 3.0, 4.0], values = [0.1, 0.9, 0.3, 1.4, 0.0, 0.6], order = 1 }}
        [hamiltonian]
        terms = ["{delta}*n(B)"]
        [channels]
        bath = {{ operator = "{operator}", rate = "{rate}" }}
        [protocol]
        steps = [{{ name = "wait", evolve = {t_end:?}, samples = {samples} }}]
        [observe]
        quantities = ["energy", "ergotropy", "purity", {{ name = "x", expect = "sx(B)" }},
            {{ name = "y", expect = "sy(B)" }}, {{ name = "z", expect = "sz(B)" }}]
        "#,
        delta = of("delta"),
        t_end = of("t_end"),
        samples = of("samples"),
    ))
}

const OF_A_CELL: [(&str, &str); 6] =
    [("energy", "energy"), ("ergotropy", "ergotropy"), ("purity", "purity"), ("x", "sx"), ("y", "sy"), ("z", "sz")];

#[test]
fn rates_change_with_time() {
    let data = reference("L_time_rate_dephasing");
    same(&solve(&cell(&data, 0.5, 0.5, "0.2*(1 + 0.8*cos(2*t))", "sz(B)")), &data, &OF_A_CELL, 1e-10);
    let data = reference("L_time_rate_table");
    same(&solve(&cell(&data, 0.8, 0.4, "points", "sm(B)")), &data, &OF_A_CELL, 1e-10);
    let data = reference("L_time_rate_mode");
    let text = r#"
        [subsystems]
        A = { mode = 5 }
        [initial]
        A = "fock(4)"
        [channels]
        leak = { operator = "a(A)", rate = "exp(-t^2)" }
        [protocol]
        steps = [{ name = "wait", evolve = 3.0, samples = 30 }]
        [observe]
        quantities = ["energy", "ergotropy", "top_level(A)"]
    "#;
    let columns = [("energy", "energy"), ("ergotropy", "ergotropy"), ("top_level_A", "p_4")];
    same(&solve(&read(text)), &data, &columns, 1e-10);
}

/// The exact side follows a rate below 0; trajectories refuse it with its value and time.
#[test]
fn a_negative_rate_is_followed_or_refused() {
    let data = reference("L_time_rate_negative");
    let problem = cell(&data, 0.5, 0.5, "0.5*cos(t)", "sz(B)");
    same(&solve(&problem), &data, &OF_A_CELL, 1e-10);
    let refused = Engine::new(&problem, None).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("the rate of channel bath is -0.49") && refused.contains("at 3"), "{refused}");
}

#[test]
fn operators_of_ones_own_are_observed() {
    for name in ["L_observables_cell", "L_observables_cell_strong"] {
        let data = reference(name);
        let of = |name: &str| data["params"][name].as_f64().unwrap();
        let text = format!(
            r#"
            [subsystems]
            B = {{ cell = true, energy = 1.0 }}
            [hamiltonian]
            terms = ["{}*sx(B) + {}*n(B)"]
            [channels]
            loss = {{ each = "sm(B)", rate = {:?} }}
            [protocol]
            steps = [{{ name = "drive", evolve = {:?}, samples = {} }}]
            [observe]
            quantities = ["energy", "ergotropy", {{ name = "x", expect = "sx(B)" }},
                {{ name = "y", expect = "sy(B)" }}, {{ name = "z", expect = "sz(B)" }}]
            "#,
            0.5 * of("Omega"),
            of("delta"),
            of("gamma"),
            of("t_end"),
            of("samples"),
        );
        let columns = [("energy", "energy"), ("ergotropy", "ergotropy"), ("x", "sx"), ("y", "sy"), ("z", "sz")];
        same(&solve(&read(&text)), &data, &columns, 1e-9);
    }
    let data = reference("L_observables_kerr");
    let text = r#"
        [subsystems]
        A = { mode = 20 }
        [hamiltonian]
        terms = ["0.3*ad(A)*ad(A)*a(A)*a(A) + 0.9*(a(A) + ad(A))"]
        [channels]
        leak = { operator = "a(A)", rate = 1.0 }
        [protocol]
        steps = [{ name = "drive", evolve = 10.0, samples = 50 }]
        [observe]
        quantities = ["quanta(A)", { name = "a", expect = "a(A)" }, { name = "pairs", expect = "ad(A)*ad(A)*a(A)*a(A)" }]
    "#;
    let table = solve(&read(text));
    same(&table, &data, &[("a_re", "a_re"), ("a_im", "a_im"), ("quanta_A", "n")], 1e-8);
    let of = |name: &str| &table.column(name).unwrap().value;
    for (row, expected) in data["observables"]["g2"].as_array().unwrap().iter().enumerate() {
        let Some(expected) = expected.as_f64() else { continue }; // 0/0 at the start
        let found = of("pairs")[row] / of("quanta_A")[row].powi(2);
        assert!((found - expected).abs() < 1e-6, "g2 at row {row}: {found}, reference {expected}");
    }
}
