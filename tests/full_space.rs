//! The full-space master equation against numbers computed by other programs (`tests/data`), system by system.

mod common;

use common::{numbers, reference};
use leyden::exact::naive::{solve, steady};
use leyden::problem::{
    ChannelId, Envelope, Factor, Initial, Kind, Op, OpSum, Problem, ProblemBuilder, Quantity, RateMatrix, SubsystemId,
    n, sm, sp,
};
use leyden::table::Table;
use num_complex::Complex64;
use serde_json::Value;
use std::sync::Arc;

/// Most by which a number may differ from its reference.
const TOLERANCE: f64 = 1e-8;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

fn column<'t>(table: &'t Table, name: &str) -> &'t [f64] {
    &table.column(name).unwrap_or_else(|| panic!("no column {name}")).value
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: impl std::fmt::Display) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{what}: {found} instead of {expected}, off by {error:.1e}");
}

/// The first rows of a column, all of them if there are as many.
#[track_caller]
fn agree(table: &Table, name: &str, expected: &Value, tolerance: f64, what: &str) {
    let (found, expected) = (column(table, name), numbers(expected));
    assert!(found.len() <= expected.len() && !found.is_empty(), "{what}: rows of {name}");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        close(*found, expected, tolerance, format!("{what}: {name} in row {row}"));
    }
}

fn evolve(p: &mut ProblemBuilder, times: &[f64]) {
    p.evolve_rows("run", times[times.len() - 1], times.to_vec());
}

/// p_e and ⟨e|ρ|g⟩ from a word.
fn cell(word: &str) -> Initial {
    match word {
        "plus" => Initial::plus(),
        "mixed" => Initial::Cell { excited: 0.75, coherence: Complex64::ZERO },
        "excited" | "e" => Initial::Excited,
        _ => panic!("no state {word}"),
    }
}

/// One decaying cell (001).
#[test]
fn one_cell_discharges() {
    for word in ["excited", "plus", "mixed"] {
        let data = reference(&format!("S1_{word}"));
        let mut p = Problem::builder("one cell");
        let b = p.ensemble("B", 1, 1.0);
        p.initial(b, cell(word)).hamiltonian(n(b)).each("loss", b, sm(b), 1.0);
        evolve(&mut p, &numbers(&data["times"]));
        p.observe([Quantity::Energy, Quantity::Ergotropy, Quantity::Efficiency, Quantity::CellCoherence]);
        p.observe([Quantity::Quanta(b), Quantity::LocalErgotropy]);
        let table = solve(&p.build().unwrap()).unwrap();
        let pairs = [
            ("energy", "E"),
            ("ergotropy", "W"),
            ("efficiency", "eff"),
            ("quanta_B", "p_e"),
            ("coherence_cell", "abs_coherence"),
            ("ergotropy_local", "W"),
        ];
        for (name, key) in pairs {
            agree(&table, name, &data["observables"][key], 1e-13, word);
        }
    }
    for case in reference("S9_counts_S1")["observables"]["cases"].as_array().unwrap() {
        let mut p = Problem::builder("one cell");
        let b = p.ensemble("B", 1, 1.0);
        p.initial(b, cell(case["state"].as_str().unwrap())).each("loss", b, sm(b), 1.0);
        p.evolve("run", number(&case["T"]), 1).observe([Quantity::Jumps(ChannelId::new(0))]);
        let table = solve(&p.build().unwrap()).unwrap();
        close(column(&table, "jumps_loss")[1], number(&case["mean"]), 1e-13, case);
    }
}

/// Cells on a graph with hopping and correlated decay (001).
fn network(name: &str) {
    let data = reference(name);
    let params = &data["params"];
    let cells = params["N"].as_u64().unwrap() as usize;
    let pair = |edge: &Value| (number(&edge[0]) as usize, number(&edge[1]) as usize);
    let edges: Vec<(usize, usize)> = params["edges"].as_array().unwrap().iter().map(pair).collect();
    let matrix = params["rate_matrix"].as_array().unwrap().iter().map(numbers).collect();
    let mut p = Problem::builder(name);
    let b = p.subsystem("B", Kind::Network { cells, edges: edges.clone() }, 1.0);
    p.initial(b, cell(params["init"].as_str().unwrap())).hamiltonian(n(b));
    let site = |site, op| OpSum::from_factor(Factor { subsystem: b, site: Some(site), op });
    for &(i, j) in &edges {
        let hop = site(i, Op::Lower) * site(j, Op::Raise) * number(&params["J"]);
        p.hamiltonian(hop.clone() + hop.adjoint());
    }
    p.correlated("loss", b, sm(b), 1.0, RateMatrix::new(matrix).unwrap());
    evolve(&mut p, &numbers(&data["times"]));
    p.observe([
        Quantity::Energy,
        Quantity::Ergotropy,
        Quantity::Efficiency,
        Quantity::Coherence,
        Quantity::Jumps(ChannelId::new(0)),
    ]);
    if !edges.is_empty() {
        p.observe([Quantity::Concurrence]);
    }
    let table = solve(&p.build().unwrap()).unwrap();
    let pairs = [("energy", "U"), ("ergotropy", "W"), ("efficiency", "eff"), ("coherence", "l1_normalised")];
    for (name_here, key) in pairs {
        agree(&table, name_here, &data["observables"][key], TOLERANCE, name);
    }
    if !edges.is_empty() {
        agree(&table, "concurrence", &data["observables"]["concurrence_edge_avg"], TOLERANCE, name);
    }
    // The hopping keeps the number of excitations, so that every quantum that is gone was counted.
    let energy = column(&table, "energy");
    for (left, jumps) in energy.iter().zip(column(&table, "jumps_loss")) {
        close(energy[0] - left, *jumps, 1e-11, "balance");
    }
}

#[test]
fn networks_of_up_to_four_cells_discharge() {
    for cells in 1..=4 {
        network(&format!("S2_fig3_N{cells}_plus"));
        network(&format!("S2_fig3_N{cells}_mixed"));
    }
}

#[test]
fn networks_of_five_cells_discharge() {
    for graph in ["linear", "circular", "central", "symmetric"] {
        network(&format!("S2_{graph}_plus"));
        network(&format!("S2_{graph}_mixed"));
    }
}

/// A driven, dephased charger C and its battery B (004), each a cell, an oscillator with a cutoff, or N cells.
struct Charging {
    charger: Kind,
    battery: Kind,
    drive: f64,
    gamma: f64,
}

const CELL: Kind = Kind::Ensemble { cells: 1 };

impl Charging {
    /// With the drive as a constant envelope or as a part of H.
    fn problem(&self, times: &[f64], enveloped: bool) -> (Problem, SubsystemId) {
        let mut p = Problem::builder("dephased charger");
        let (c, b) = (p.subsystem("C", self.charger.clone(), 1.0), p.subsystem("B", self.battery.clone(), 1.0));
        let lower = |id, kind: &Kind| match kind {
            Kind::Mode { .. } => OpSum::of(id, Op::Annihilate),
            _ => OpSum::of(id, Op::Lower),
        };
        let (charger, battery) = (lower(c, &self.charger), lower(b, &self.battery));
        let push = charger.clone() + charger.adjoint();
        let swap = charger.adjoint() * battery;
        p.hamiltonian(swap.clone() + swap.adjoint()).battery([b]);
        match enveloped {
            true => p.drive("push", push, Envelope::Constant(self.drive)),
            false => p.hamiltonian(push * self.drive),
        };
        p.collective("dephasing", n(c), self.gamma);
        evolve(&mut p, times);
        p.observe([Quantity::Energy, Quantity::Ergotropy, Quantity::EnergyOf(c), Quantity::Jumps(ChannelId::new(0))]);
        (p.build().unwrap(), c)
    }
}

fn charging(name: &str, charger: Kind, battery: Kind, gammas: &[&str], tolerance: f64) {
    let data = reference(name);
    for gamma in gammas {
        let system = Charging {
            charger: charger.clone(),
            battery: battery.clone(),
            drive: number(&data["params"]["F"]),
            gamma: gamma.parse().unwrap(),
        };
        let (problem, _) = system.problem(&numbers(&data["times"]), true);
        let table = solve(&problem).unwrap();
        for (column, key) in [("energy", "E_B"), ("ergotropy", "W_B"), ("energy_C", "E_C")] {
            let what = format!("{name}, gamma = {gamma}");
            agree(&table, column, &data["observables"][format!("{key}_gC{gamma}")], tolerance, &what);
        }
    }
}

#[test]
fn a_dephased_cell_charges_a_cell() {
    for drive in ["0.1", "0.5", "10"] {
        let name = format!("S6_tls_tls_F{drive}");
        let data = reference(&name);
        let gammas: Vec<String> = numbers(&data["params"]["gC"]).iter().map(f64::to_string).collect();
        charging(&name, CELL, CELL, &gammas.iter().map(String::as_str).collect::<Vec<_>>(), TOLERANCE);
        let system = Charging { charger: CELL, battery: CELL, drive: number(&data["params"]["F"]), gamma: 1.0 };
        let table = steady(&system.problem(&[0.0, 1.0], false).0).unwrap();
        for (column_here, key) in [("energy", "E_ss"), ("ergotropy", "W_ss")] {
            close(column(&table, column_here)[0], number(&data["scalars"][key]), 1e-9, &name);
        }
    }
}

#[test]
fn a_dephased_charger_is_counted() {
    for drive in ["0.1", "0.5", "10"] {
        let data = reference(&format!("S9_counts_S6_F{drive}"));
        let (drive, gamma) = (number(&data["params"]["F"]), number(&data["params"]["gC"]));
        let (problem, _) =
            Charging { charger: CELL, battery: CELL, drive, gamma }.problem(&[0.0, 1.0, 5.0, 20.0], false);
        let table = solve(&problem).unwrap();
        for (row, count) in data["scalars"]["counts"].as_array().unwrap().iter().enumerate() {
            close(table.rows[row + 1].time, number(&count["T"]), 0.0, "time");
            let mean = number(&count["mean"]);
            close(column(&table, "jumps_dephasing")[row + 1], mean, 1e-10 * (1.0 + mean), "mean count");
        }
    }
}

#[test]
fn a_dephased_cell_charges_an_oscillator() {
    charging("S6_tls_ho_F3", CELL, Kind::Mode { cutoff: 64 }, &["0.3", "2", "10"], TOLERANCE);
}

#[test]
fn a_dephased_oscillator_charges_an_oscillator() {
    let modes = (Kind::Mode { cutoff: 7 }, Kind::Mode { cutoff: 8 });
    charging("S6_ho_ho_F0.1", modes.0, modes.1, &["0.05", "0.5", "2", "10"], TOLERANCE);
}

#[test]
fn a_star_charges() {
    for (name, cells, gamma) in [("S7_dyn_N2_F0.5", 2, 1.4), ("S7_dyn_N3_F10", 3, 3.0), ("S7_dyn_N5_F0.5", 5, 1.0)] {
        let data = reference(name);
        assert_eq!((data["params"]["N"].as_u64(), data["params"]["gC"].as_f64()), (Some(cells), Some(gamma)));
        let drive = number(&data["params"]["F"]);
        let system = Charging { charger: CELL, battery: Kind::Ensemble { cells }, drive, gamma };
        let table = solve(&system.problem(&numbers(&data["times"]), false).0).unwrap();
        agree(&table, "energy", &data["observables"]["E_B"], TOLERANCE, name);
        agree(&table, "ergotropy", &data["observables"]["W_B"], TOLERANCE, name);
    }
}

#[test]
fn a_star_settles() {
    let data = reference("S7_steady");
    for cells in 1..=3 {
        for (key, drive) in [("F/g=0.2", 0.2), ("F/g=0.5", 0.5), ("F/g=10", 10.0)] {
            let expected = &data["scalars"][format!("N={cells}")]["fixed_F"][key];
            let system = Charging { charger: CELL, battery: Kind::Ensemble { cells }, drive, gamma: 1.0 };
            let found = steady(&system.problem(&[0.0, 1.0], true).0);
            if (cells, drive) == (3, 0.2) {
                // One process is 10⁷ times slower than the fastest.
                assert!(found.unwrap_err().to_string().contains("a very slow decay"));
                continue;
            }
            let table = found.unwrap();
            assert_eq!((table.rows.len(), table.rows[0].time, table.steps[0].as_str()), (1, f64::INFINITY, "run"));
            close(column(&table, "energy")[0], number(&expected["E"]), TOLERANCE, format!("E, N = {cells}, {key}"));
            close(column(&table, "ergotropy")[0], number(&expected["W"]), TOLERANCE, format!("W, N = {cells}, {key}"));
        }
    }
}

/// Cells in a collective bath of ratio α_c, with weight η, and local ones of ratio α_ℓ (003).
struct Baths {
    eta: f64,
    collective: f64,
    local: f64,
    gamma_local: f64,
}

impl Baths {
    fn channels(&self, p: &mut ProblemBuilder, b: SubsystemId) {
        let quanta = |ratio: f64| ratio / (1.0 - ratio);
        let (c, l) = (quanta(self.collective), quanta(self.local));
        p.collective("emission", sm(b), self.eta * (c + 1.0)).collective("absorption", sp(b), self.eta * c);
        let local = (1.0 - self.eta) * self.gamma_local;
        p.each("loss", b, sm(b), local * (l + 1.0)).each("gain", b, sp(b), local * l);
    }
}

#[test]
fn thermal_transients_and_their_end() {
    for name in ["S5c_N3_ac06", "S5c_N3_acstar"] {
        let data = reference(name);
        let params = &data["params"];
        for gamma in ["0.01", "0.1", "1"] {
            let baths = Baths {
                eta: number(&params["eta"]),
                collective: number(&params["ac"]),
                local: number(&params["al"]),
                gamma_local: gamma.parse().unwrap(),
            };
            let mut p = Problem::builder(name);
            let b = p.ensemble("B", 3, 1.0);
            baths.channels(&mut p, b);
            evolve(&mut p, &numbers(&data["times"]));
            p.observe([Quantity::Energy, Quantity::Ergotropy, Quantity::EnergyVariance, Quantity::IncoherentErgotropy]);
            let problem = p.build().unwrap();
            let table = solve(&problem).unwrap();
            let pairs = [("energy", "E"), ("ergotropy", "W"), ("energy_var", "VarE"), ("ergotropy_incoherent", "W")];
            for (column, key) in pairs {
                agree(&table, column, &data["observables"][format!("{key}_gr{gamma}")], TOLERANCE, name);
            }
            let (settled, end) = (steady(&problem).unwrap(), &data["scalars"][format!("gr{gamma}")]);
            close(column(&settled, "energy")[0], number(&end["E_ss"]), TOLERANCE, name);
            close(column(&settled, "ergotropy")[0], number(&end["W_ss"]), TOLERANCE, name);
        }
    }
}

/// J is conserved, so that the steady state depends on the initial one.
#[test]
fn a_collective_bath_keeps_the_weights_of_the_spins() {
    let data = reference("S5a_collective");
    let mut count = 0;
    for case in data["observables"]["cases"].as_array().unwrap().iter().filter(|case| case["N"] == 4) {
        let baths = Baths { eta: 1.0, collective: number(&case["ac"]), local: 0.0, gamma_local: 1.0 };
        let mut p = Problem::builder("collective bath");
        let b = p.ensemble("B", 4, 1.0);
        p.initial(b, Initial::Thermal { ratio: number(&case["q"]) });
        baths.channels(&mut p, b);
        p.evolve("run", 1.0, 1).observe([Quantity::Energy, Quantity::Ergotropy]);
        let table = steady(&p.build().unwrap()).unwrap();
        close(column(&table, "energy")[0], number(&case["E"]), TOLERANCE, case);
        close(column(&table, "ergotropy")[0], number(&case["W"]), TOLERANCE, case);
        count += 1;
    }
    assert_eq!(count, 35);
}

/// A Haar-random unitary turned a product Gibbs state of four cells. Any unitary with the given ρ will do: its columns
/// are the eigenvectors of ρ, in the order of the Gibbs weights qᵏ of the product basis.
#[test]
fn a_rotated_gibbs_state_settles() {
    let data = reference("S5d_haar");
    let matrices = data["scalars"]["matrices"].as_object().unwrap();
    assert_eq!(matrices.len(), 2);
    for (key, matrix) in matrices {
        let part = |value: &Value| -> Vec<Vec<f64>> { value.as_array().unwrap().iter().map(numbers).collect() };
        let (re, im) = (part(&matrix["rho0_re"]), part(&matrix["rho0_im"]));
        let rho = faer::Mat::from_fn(16, 16, |i, j| Complex64::new(re[i][j], im[i][j]));
        let eigen = rho.self_adjoint_eigen(faer::Side::Lower).unwrap();
        // Weights rise with the eigenvalue's index, and fall with the number of excited cells.
        let mut basis: Vec<usize> = (0..16).collect();
        basis.sort_by_key(|i| std::cmp::Reverse(i.count_ones()));
        let place = |i: usize| basis.iter().position(|b| *b == i).unwrap();
        let unitary = Arc::new(faer::Mat::from_fn(16, 16, |i, j| eigen.U()[(i, place(j))]));
        let case = |case: &&Value| {
            let (q, c) = (number(&case["beta_q"]), number(&case["beta_c"]));
            *key == format!("beta_q={q},beta_c={c},seed={}", case["seed"])
        };
        let case = data["observables"]["cases"].as_array().unwrap().iter().find(case).unwrap();

        let mut p = Problem::builder("rotated");
        let b = p.subsystem("B", Kind::Network { cells: 4, edges: Vec::new() }, 1.0);
        p.initial(b, Initial::Rotated { ratio: (-number(&case["beta_q"])).exp(), unitary });
        let baths = Baths { eta: 1.0, collective: (-number(&case["beta_c"])).exp(), local: 0.0, gamma_local: 1.0 };
        baths.channels(&mut p, b);
        p.evolve("run", 0.0, 1).observe([Quantity::Energy, Quantity::Ergotropy, Quantity::Purity]);
        let problem = p.build().unwrap();
        let ends = [(solve(&problem).unwrap(), "initial"), (steady(&problem).unwrap(), "steady")];
        for (table, end) in ends {
            close(column(&table, "energy")[0], number(&case[format!("E_{end}")]), TOLERANCE, end);
            close(column(&table, "ergotropy")[0], number(&case[format!("W_{end}")]), TOLERANCE, end);
            let name = if end == "initial" { "rho0" } else { "rho_ss" };
            let squares = |value: &Value| part(value).iter().flatten().map(|x| x * x).sum::<f64>();
            let purity = squares(&matrix[format!("{name}_re")]) + squares(&matrix[format!("{name}_im")]);
            close(column(&table, "purity")[0], purity, TOLERANCE, end);
        }
    }
}

/// Ten cells filled by engines at an inverted temperature (004): the first rows, in the 1024 states of the full space.
#[test]
fn engines_charge_ten_cells() {
    let data = reference("S8_N10_b-0.8");
    let (up, rate) = (0.8f64.exp(), 0.1);
    for style in ["collective", "individual"] {
        let mut p = Problem::builder("engines");
        let b = p.ensemble("B", 10, 1.0);
        p.hamiltonian(n(b));
        match style {
            "collective" => p.collective("down", sm(b), rate).collective("up", sp(b), rate * up),
            _ => p.each("down", b, sm(b), rate).each("up", b, sp(b), rate * up),
        };
        evolve(&mut p, &numbers(&data["times"])[..2]);
        p.observe([Quantity::EnergyDensity(b), Quantity::EnergyDeviation, Quantity::Ergotropy]);
        let table = solve(&p.build().unwrap()).unwrap();
        for (column, key) in [("energy_density_B", "e_N"), ("energy_std", "sigma_N"), ("ergotropy", "W")] {
            agree(&table, column, &data["observables"][format!("{key}_{style}")], TOLERANCE, style);
        }
    }
}
