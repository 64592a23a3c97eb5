//! The shipped inputs against numbers made independently by other programs (tests/data): every system of the papers.

mod common;

use common::{assert_close, example, numbers, reference};
use faer::Mat;
use leyden::exact;
use leyden::problem::{Initial, Problem, Quantity, sm, sx};
use leyden::table::Table;
use num_complex::Complex64;
use serde_json::Value;
use std::sync::Arc;

macro_rules! input {
    ($name:literal) => {
        include_str!(concat!("../examples/", $name, ".toml"))
    };
}

fn solve(problem: &Problem) -> Table {
    exact::solve(problem, None, &Default::default()).unwrap()
}

fn column<'t>(table: &'t Table, name: &str) -> &'t [f64] {
    &table.column(name).unwrap_or_else(|| panic!("no column {name}")).value
}

/// A column against a list of the same times; `scale` multiplies the list, `tolerance` is absolute.
fn same(table: &Table, name: &str, expected: &Value, scale: f64, tolerance: f64) {
    let (mine, theirs) = (column(table, name), numbers(expected));
    assert_eq!(mine.len(), theirs.len(), "{name}");
    for (row, (a, b)) in mine.iter().zip(&theirs).enumerate() {
        assert!((a - b * scale).abs() <= tolerance, "{name} at row {row}: {a}, reference {}", b * scale);
    }
}

fn parameter(data: &Value, name: &str) -> f64 {
    data["params"][name].as_f64().unwrap()
}

/// `t_end` and `samples` of a list of evenly spaced times.
fn rows(data: &Value) -> String {
    let times = numbers(&data["times"]);
    format!("t_end={} samples={}", times[times.len() - 1], times.len() - 1)
}

/// An input whose only timed step has rows at these times.
fn at_times(text: &str, times: &[f64]) -> String {
    let listed: Vec<String> = times[1..].iter().map(|t| format!("{t:?}")).collect();
    let start = text.find("samples = \"samples\"").unwrap();
    let end = start + text[start..].find('}').unwrap();
    let text = format!("{}times = [{}] {}", &text[..start], listed.join(", "), &text[end..]);
    let line = text.lines().find(|line| line.starts_with("t_end = ")).unwrap();
    text.replacen(line, &format!("t_end = {:?}", times[times.len() - 1]), 1)
}

#[test]
fn one_cell_discharges() {
    for name in ["S1_excited", "S1_mixed", "S1_plus"] {
        let data = reference(name);
        let overrides = format!("p_e={} c_eg={} {}", parameter(&data, "pe0"), parameter(&data, "c0"), rows(&data));
        let table = solve(&example(input!("cell_discharge"), &overrides));
        let of = |key: &str| data["observables"][key].clone();
        same(&table, "energy", &of("E"), 1.0, 1e-10);
        same(&table, "ergotropy", &of("W"), 1.0, 1e-10);
        same(&table, "efficiency", &of("eff"), 1.0, 1e-9);
        same(&table, "coherence_cell", &of("abs_coherence"), 1.0, 1e-10);
    }
}

#[test]
fn networks_discharge() {
    let files = [
        "S2_central_mixed",
        "S2_central_plus",
        "S2_circular_plus",
        "S2_linear_mixed",
        "S2_linear_plus",
        "S2_symmetric_plus",
        "S2_symmetric_mixed",
        "S2_fig3_N1_plus",
        "S2_fig3_N2_mixed",
        "S2_fig3_N3_plus",
        "S2_fig3_N4_mixed",
    ];
    for name in files {
        let data = reference(name);
        let (p_e, c_eg) = if name.ends_with("plus") { (0.5, 0.5) } else { (0.75, 0.0) };
        let graph = data["params"]["graph"].as_str().unwrap().to_owned();
        let overrides = format!("N={} graph={graph} p_e={p_e} c_eg={c_eg} {}", parameter(&data, "N"), rows(&data));
        let mut problem = example(&input!("network").replace("concurrence\", \"", ""), &overrides);
        if parameter(&data, "N") > 1.0 {
            problem = example(input!("network"), &overrides);
        }
        let table = solve(&problem);
        let of = |key: &str| data["observables"][key].clone();
        // The reference integrates with tolerances near 1e-10, and its concurrence squares roots of small numbers.
        same(&table, "energy", &of("U"), 1.0, 1e-9);
        same(&table, "ergotropy", &of("W"), 1.0, 5e-9);
        same(&table, "coherence", &of("l1_normalised"), 1.0, 1e-8);
        if parameter(&data, "N") > 1.0 {
            same(&table, "concurrence", &of("concurrence_edge_avg"), 1.0, 1e-8);
        }
    }
}

#[test]
fn dephased_chargers_fill_their_batteries() {
    let all = [
        ("S6_tls_tls_F0.1", input!("dephased_cells"), String::new()),
        ("S6_tls_tls_F0.5", input!("dephased_cells"), String::new()),
        ("S6_tls_tls_F10", input!("dephased_cells"), String::new()),
        ("S6_ho_ho_F0.1", input!("dephased_oscillators"), "cutoff=8".into()),
    ];
    for (name, text, more) in all {
        let data = reference(name);
        for (index, gamma) in numbers(&data["params"]["gC"]).into_iter().enumerate() {
            let key = |what: &str| {
                let labels: Vec<&String> = data["observables"].as_object().unwrap().keys().collect();
                let of: Vec<&&String> = labels.iter().filter(|k| k.starts_with(what)).collect();
                data["observables"][of[index].as_str()].clone()
            };
            let overrides = format!("F={} gamma_C={gamma} {more} {}", parameter(&data, "F"), rows(&data));
            let table = solve(&example(text, &overrides));
            // The charger's cutoff is 7 in the reference and 8 here; its top level holds 1e-9 at most.
            let tolerance = if more.is_empty() { 1e-9 } else { 2e-8 };
            same(&table, "energy_B", &key("E_B"), 1.0, tolerance);
            same(&table, "ergotropy_B", &key("W_B"), 1.0, tolerance);
            same(&table, "energy_C", &key("E_C"), 1.0, tolerance);
        }
    }
}

#[test]
fn a_cell_fills_an_oscillator() {
    let data = reference("S6_tls_ho_F3");
    // The first few rows, which a smaller cutoff holds.
    let times = numbers(&data["times"]);
    let n = 6;
    let overrides = format!("F=3 gamma_C=2 cutoff=40 t_end={} samples={}", times[n], n);
    let table = solve(&example(input!("dephased_cell_oscillator"), &overrides));
    let first = |key: &str| Value::from(numbers(&data["observables"][key])[..=n].to_vec());
    same(&table, "energy_B", &first("E_B_gC2"), 1.0, 1e-8);
    same(&table, "ergotropy_B", &first("W_B_gC2"), 1.0, 1e-8);
}

#[test]
fn stars_are_charged() {
    for name in ["S7_dyn_N2_F0.5", "S7_dyn_N3_F10"] {
        let data = reference(name);
        let number = |key| parameter(&data, key);
        let overrides = format!("N={} F={} gamma_C={} {}", number("N"), number("F"), number("gC"), rows(&data));
        let table = solve(&example(input!("star"), &overrides));
        same(&table, "energy_B", &data["observables"]["E_B"], 1.0, 1e-9);
        same(&table, "ergotropy_B", &data["observables"]["W_B"], 1.0, 1e-9);
    }
    let data = reference("S7_steady");
    for n in [1, 2, 3, 4] {
        for (force, key) in [(0.2, "F/g=0.2"), (0.5, "F/g=0.5"), (10.0, "F/g=10")] {
            let expected = &data["scalars"][format!("N={n}")]["fixed_F"][key];
            let table = exact::steady(&example(input!("star"), &format!("N={n} F={force}")), None, &Default::default())
                .unwrap();
            assert_eq!(table.rows.len(), 1);
            assert!(table.rows[0].time.is_infinite());
            assert_close(column(&table, "energy_B")[0], expected["E"].as_f64().unwrap(), 1e-8, "star E");
            assert_close(column(&table, "ergotropy_B")[0], expected["W"].as_f64().unwrap(), 1e-8, "star W");
        }
    }
}

#[test]
fn thermal_noise_charges() {
    let data = reference("S5a_collective");
    for case in data["observables"]["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        if number("N") > 10.0 {
            continue;
        }
        let overrides = format!("N={} eta=1 alpha_c={} q={}", number("N"), number("ac"), number("q"));
        let table = exact::steady(&example(input!("thermal"), &overrides), None, &Default::default()).unwrap();
        assert_close(column(&table, "energy")[0], number("E"), 1e-8, &format!("E of {case}"));
        assert_close(column(&table, "ergotropy")[0], number("W"), 1e-8, &format!("W of {case}"));
    }
    let data = reference("S5b_grid_N7_gr");
    let list = |key: &str| numbers(&data["params"][key]);
    for case in data["observables"]["cases"].as_array().unwrap() {
        for (i, alpha_c) in list("ac").into_iter().enumerate() {
            for (j, alpha_l) in list("al").into_iter().enumerate().step_by(2) {
                let gamma_r = case["gr"].as_f64().unwrap();
                let overrides = format!("N=7 eta=0.9 gamma_r={gamma_r} alpha_c={alpha_c} alpha_l={alpha_l}");
                let table = exact::steady(&example(input!("thermal"), &overrides), None, &Default::default()).unwrap();
                let expected = |key: &str| case[key][i][j].as_f64().unwrap();
                assert_close(column(&table, "energy")[0], expected("E[ac][al]"), 1e-8, &format!("E, {overrides}"));
                assert_close(column(&table, "ergotropy")[0], expected("W[ac][al]"), 1e-8, &format!("W, {overrides}"));
            }
        }
    }
}

/// Paper 003, Eqs. 31 and 108, from the ground state: the Dicke ladder in equilibrium, passive but for all it holds above
/// one quantum.
#[test]
fn the_closed_form_of_collective_noise_from_the_ground_state() {
    for cells in [1, 2, 3, 5, 12, 40] {
        for alpha in [0.05f64, 0.4, 0.7, 0.95] {
            let n = f64::from(cells);
            let overrides = format!("N={cells} eta=1 alpha_c={alpha}");
            let table = exact::steady(&example(input!("thermal"), &overrides), None, &Default::default()).unwrap();
            let rest = alpha.powi(cells + 1) - 1.0;
            let ergotropy = n + alpha / (1.0 - alpha) + (n + alpha) / rest;
            let energy = n + 1.0 / (1.0 - alpha) + (n + 1.0) / rest;
            assert_close(column(&table, "ergotropy")[0], ergotropy, 1e-9, &format!("W, {overrides}"));
            assert_close(column(&table, "energy")[0], energy, 1e-9, &format!("E, {overrides}"));
            assert_close(column(&table, "bright")[0], 1.0, 1e-9, &format!("bright, {overrides}"));
        }
    }
}

/// Paper 003, Eq. 27: every J keeps the weight of the Gibbs state and relaxes to p ∝ α_c^(J+M).
#[test]
fn collective_noise_keeps_the_weight_of_every_spin() {
    for cells in [2i32, 3, 6, 9] {
        for (alpha, q) in [(0.0f64, 0.8f64), (0.3, 0.6), (0.7, 0.2), (0.9, 0.9)] {
            let overrides = format!("N={cells} eta=1 alpha_c={alpha} q={q}");
            let table = exact::steady(&example(input!("thermal"), &overrides), None, &Default::default()).unwrap();
            let choose = |k: i32| (1..=k).fold(1.0, |c, i| c * f64::from(cells - k + i) / f64::from(i));
            // Excited cells and population of every eigenstate, copies one by one.
            let mut states: Vec<(i32, f64)> = Vec::new();
            let mut bright = 0.0;
            for pairs in 0..=cells / 2 {
                let copies = (choose(pairs) - if pairs > 0 { choose(pairs - 1) } else { 0.0 }).round() as usize;
                let ladder = |ratio: f64| (0..=cells - 2 * pairs).map(|up| ratio.powi(up)).sum::<f64>();
                let weight = q.powi(pairs) * ladder(q) / (1.0 + q).powi(cells);
                let level = |up: i32| (pairs + up, weight * alpha.powi(up) / ladder(alpha));
                states.extend((0..copies).flat_map(|_| (0..=cells - 2 * pairs).map(level)));
                if pairs == 0 {
                    bright = weight;
                }
            }
            let energy: f64 = states.iter().map(|(excited, p)| f64::from(*excited) * p).sum();
            let mut levels: Vec<i32> = states.iter().map(|s| s.0).collect();
            levels.sort_unstable();
            states.sort_by(|a, b| b.1.total_cmp(&a.1));
            let passive: f64 = levels.iter().zip(&states).map(|(level, (_, p))| f64::from(*level) * p).sum();
            assert_eq!(states.len(), 1 << cells);
            assert_close(column(&table, "energy")[0], energy, 1e-9, &format!("E, {overrides}"));
            assert_close(column(&table, "ergotropy")[0], energy - passive, 1e-9, &format!("W, {overrides}"));
            assert_close(column(&table, "bright")[0], bright, 1e-9, &format!("bright, {overrides}"));
            assert_close(column(&table, "bright_loss")[0], 0.0, 1e-12, "no local noise");
        }
    }
}

#[test]
fn thermal_transients() {
    for name in ["S5c_N3_ac06", "S5c_N6_ac06"] {
        let data = reference(name);
        let times = numbers(&data["times"]);
        for (gamma_r, key) in [(0.01, "gr0.01"), (0.1, "gr0.1"), (1.0, "gr1")] {
            let text = at_times(input!("thermal"), &times);
            let overrides = format!("N={} gamma_r={gamma_r}", parameter(&data, "N"));
            let table = solve(&example(&text, &overrides));
            same(&table, "energy", &data["observables"][format!("E_{key}")], 1.0, 1e-9);
            same(&table, "ergotropy", &data["observables"][format!("W_{key}")], 1.0, 1e-9);
            same(&table, "energy_var", &data["observables"][format!("VarE_{key}")], 1.0, 1e-9);
        }
    }
}

#[test]
fn rotated_gibbs_states_lose_their_ergotropy_to_collective_noise() {
    let data = reference("S5d_haar");
    for (label, matrices) in data["scalars"]["matrices"].as_object().unwrap() {
        let case = data["observables"]["cases"].as_array().unwrap().iter().find(|c| {
            let number = |key: &str| c[key].as_f64().unwrap();
            label == &format!("beta_q={},beta_c={},seed={}", number("beta_q"), number("beta_c"), number("seed"))
        });
        let case = case.unwrap();
        let (re, im) = (&matrices["rho0_re"], &matrices["rho0_im"]);
        let element = |i: usize, j: usize| Complex64::new(re[i][j].as_f64().unwrap(), im[i][j].as_f64().unwrap());
        // A unitary that gives this state from the Gibbs state: its eigenvectors, the emptiest for the most excited cells.
        let rho = Mat::from_fn(16, 16, element);
        let eigen = rho.self_adjoint_eigen(faer::Side::Lower).unwrap();
        let mut states: Vec<usize> = (0..16).collect();
        states.sort_by_key(|bits| std::cmp::Reverse(bits.count_ones()));
        let mut unitary = Mat::<Complex64>::zeros(16, 16);
        for (k, bits) in states.iter().enumerate() {
            (0..16).for_each(|i| unitary[(i, *bits)] = eigen.U()[(i, k)]);
        }
        let overrides = format!("beta_q={} beta_c={} samples=1", case["beta_q"], case["beta_c"]);
        let problem = example(input!("thermal_haar"), &overrides);
        let ratio = (-case["beta_q"].as_f64().unwrap()).exp();
        let start = Initial::Rotated { ratio, unitary: Arc::new(unitary) };
        let problem = problem.edit().initial(problem.subsystem_id("B").unwrap(), start).build().unwrap();
        let start = solve(&problem);
        assert_close(column(&start, "ergotropy")[0], case["W_initial"].as_f64().unwrap(), 1e-8, label);
        assert_close(column(&start, "energy")[0], case["E_initial"].as_f64().unwrap(), 1e-8, label);
        let steady = exact::steady(&problem, None, &Default::default()).unwrap();
        let initial = case["W_initial"].as_f64().unwrap();
        assert_close(column(&steady, "ergotropy_initial")[0], initial, 1e-8, label);
        assert_close(column(&steady, "ergotropy")[0], case["W_steady"].as_f64().unwrap(), 1e-8, label);
        assert_close(column(&steady, "energy")[0], case["E_steady"].as_f64().unwrap(), 1e-8, label);
    }
}

#[test]
fn engines_charge() {
    let data = reference("S8_N10_b-0.8");
    for (text, key) in [(input!("engine_collective"), "collective"), (input!("engine_individual"), "individual")] {
        let table = solve(&example(text, &rows(&data)));
        same(&table, "energy", &data["observables"][format!("e_N_{key}")], 10.0, 1e-8);
        same(&table, "energy_std", &data["observables"][format!("sigma_N_{key}")], 1.0, 1e-8);
        same(&table, "ergotropy", &data["observables"][format!("W_{key}")], 1.0, 1e-8);
    }
}

#[test]
fn chargers_fill_their_batteries() {
    let inputs = [input!("charger_1"), input!("charger_2"), input!("charger_3")];
    for name in ["S4_NC4_NB1_m1_gu0", "S4_NC4_NB1_m3_gu2", "S4_NC8_NB2_m1_gu0", "S4_NC8_NB2_m2_gu1"] {
        let data = reference(name);
        let number = |key| parameter(&data, key);
        let overrides = format!("N_C={} N_B={} gamma_up={}", number("NC"), number("NB"), number("gu"));
        let text = at_times(inputs[number("m") as usize - 1], &numbers(&data["times"]));
        let table = solve(&example(&text, &overrides));
        same(&table, "energy_density_C", &data["observables"]["E_C"], 1.0, 1e-9);
        same(&table, "energy_density_B1", &data["observables"]["E_B"], 1.0, 1e-9);
        same(&table, "ergotropy_B1", &data["observables"]["W_B"], 1.0, 1e-9);
    }
    let data = reference("S4_ladder_steady");
    for case in data["observables"]["cases"].as_array().unwrap() {
        let (n_c, n_b) = (case["NC"].as_f64().unwrap(), case["NB"].as_f64().unwrap());
        if n_c <= 12.0 {
            let problem = example(input!("charger_1"), &format!("N_C={n_c} N_B={n_b}"));
            let table = exact::steady(&problem, None, &Default::default()).unwrap();
            assert_close(column(&table, "energy_density_B1")[0], case["E_B"].as_f64().unwrap(), 1e-8, "dark state");
        }
    }
}

#[test]
fn jumps_are_counted() {
    let data = reference("S9_counts_S1");
    for case in data["observables"]["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let overrides = format!("p_e={} c_eg={} t_end={} samples=1", number("pe0"), number("c0"), number("T"));
        let table = solve(&example(input!("cell_discharge"), &overrides));
        assert_close(column(&table, "jumps_loss")[1], number("mean"), 1e-10, "mean number of jumps");
    }
    let data = reference("S9_counts_S6_F0.5");
    for count in data["scalars"]["counts"].as_array().unwrap() {
        let overrides = format!("t_end={} samples=1", count["T"]);
        let table = solve(&example(input!("dephased_cells"), &overrides));
        assert_close(column(&table, "jumps_dephasing")[1], count["mean"].as_f64().unwrap(), 1e-7, "mean");
    }
}

/// Coherence, collective and local decay together at N = 50, by a permutation-invariant solver of another program.
#[test]
fn a_driven_ensemble_agrees() {
    let mut p = Problem::builder("driven ensemble");
    let b = p.ensemble("B", 50, 1.0);
    p.hamiltonian(sx(b) * 0.5).collective("release", sm(b), 0.02).each("loss", b, sm(b), 0.1);
    p.evolve("drive", 10.0, 2).observe([Quantity::Magnetisation(b)]);
    let table = leyden::exact::solve(&p.build().unwrap(), None, &Default::default()).unwrap();
    assert_close(table.columns[0].value[1], 14.5925, 4e-6, "S_z at t = 5");
    assert_close(table.columns[0].value[2], -1.2694, 4e-5, "S_z at t = 10");
}

macro_rules! case {
    ($name:literal) => {
        include_str!(concat!("data/cases/", $name, ".toml"))
    };
}

/// Values at t = 0.5 and t = 1 by QuTiP's mesolve; each column is called what was asked for.
#[test]
fn columns_hold_what_they_are_called() {
    let table = solve(&example(case!("columns"), ""));
    for (name, half, end) in [
        ("energy_density_B", 0.3324051, 0.2922226),
        ("coherence_cell", 0.3144947, 0.0066365),
        ("photons_A", 1.4341390, 1.3424876),
        ("photons_D", 0.0654452, 0.2546037),
    ] {
        assert_close(column(&table, name)[1], half, 1e-7, name);
        assert_close(column(&table, name)[2], end, 1e-7, name);
    }
    let beside =
        case!("columns_names").replace("\"coherence_cell\",", "\"coherence_cell\", \"coherence\", \"energy(B)\",");
    let together = beside.replace("spins = 3", "cells = 3, graph = \"none\"");
    let problem = example(&together, "");
    let names: Vec<String> = problem.quantities().iter().map(|q| problem.column(q)).collect();
    assert_eq!(names[..5], ["energy_density_B", "coherence_cell", "coherence", "energy_B", "photons_A"]);
    let table = solve(&problem);
    for row in 0..3 {
        let (energy, density) = (column(&table, "energy_B")[row], column(&table, "energy_density_B")[row]);
        assert_close(energy, 6.0 * density, 1e-12, "3 cells of energy 2");
    }
}

/// 10(1 − e^−½) over the time and over the cells.
#[test]
fn the_mean_field_divides_power_and_density() {
    let problem = example(case!("meanfield_columns"), "");
    let mean_field = leyden::exact::theory::Theory::of(&problem).unwrap().solve().unwrap();
    let energy = 10.0 * (1.0 - (-0.5f64).exp());
    for table in [mean_field, solve(&problem)] {
        for (name, expected) in [("energy", energy), ("power", energy / 0.5), ("energy_density_B", energy / 10.0)] {
            assert_close(column(&table, name)[1], expected, 1e-8, name);
        }
        assert!(column(&table, "power")[0].is_nan());
    }
}

/// Channels `a` and `a_se` would put the jumps of one where the error of the other is.
#[test]
fn a_channel_called_like_an_error_is_refused() {
    let text = case!("channel_names");
    for suffix in ["_se", "_lo", "_hi", "_undersampled"] {
        let text = text.replace("a_se", &format!("a{suffix}"));
        let error = leyden::input::parse("channel_names.toml", &text, &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("channel a{suffix}")), "{error}");
        assert!(error.contains("channel_names.toml:12"), "the line that asks for both: {error}");
    }
    assert!(leyden::input::parse("channel_names.toml", &text.replace("a_se", "b"), &[]).is_ok());
}

/// e^−t of one decaying spin, at rows that lie far below the length of their step.
#[test]
fn rows_are_at_their_times_however_close() {
    let table = solve(&example(case!("short_rows"), ""));
    for (row, time) in [0.0f64, 1.0, 2.0, 4.0].into_iter().enumerate() {
        assert_close(column(&table, "energy")[row], (-time).exp(), 1e-9, "energy at the short rows");
        assert_close(column(&table, "jumps_loss")[row], 1.0 - (-time).exp(), 1e-9, "jumps at the short rows");
    }
    let table = solve(&example(case!("log_rows"), ""));
    assert_eq!(table.rows.len(), 2001);
    for (row, energy) in table.rows.iter().zip(column(&table, "energy")) {
        assert_close(*energy, (-row.time).exp(), 1e-9, "energy at the rows spaced by factors");
    }
}

/// Whoever solves it, the channel is named before anything is done.
#[test]
fn a_rate_that_overflows_is_refused() {
    let overrides = [("Gamma".to_owned(), "1e308".to_owned())];
    let error = leyden::input::parse("aging.toml", input!("aging"), &overrides).unwrap_err().to_string();
    assert!(error.contains("the rate of channel release") && error.contains("1e150 jumps"), "{error}");
}
