//! The shipped inputs: all of them, as they are and at the size of `[verify]`, with the columns they promise.

use super::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// File, columns, and the parameters with the defaults that are promised for it beside `samples` and `omega`.
const SHIPPED: [(&str, &str, &str); 27] = [
    ("aging", AGING, "N=140 gamma=1 Gamma=1600 tau_s=0.0187 tau_d=0.0187 cycles=30 gamma_phi=0 gamma_up=0"),
    ("aging_release", AGING, "N gamma Gamma t_store t_release"),
    (
        "aging_pulse",
        AGING,
        "N=20 gamma=1 Gamma=1600 tau_p=0.001 tau_s=0.0187 tau_d=0.0187 cycles=5 gamma_phi=0 gamma_up=0",
    ),
    ("echo", "energy, coherence_cell, released", "cells=4 spread detuning_seed Gamma gamma t_free"),
    ("cavity", "M, S, energy, photons", "N=4 g kappa delta gamma cutoff t_end"),
    ("cell_discharge", "energy, ergotropy, efficiency, coherence_cell", "Gamma t_end p_e=0.5 c_eg=0.5"),
    (
        "network",
        "energy, ergotropy, efficiency, concurrence, coherence",
        "N=5 graph=linear J=2 Gamma=1 Gamma_icl=0.5 t_end p_e=0.5 c_eg=0.5",
    ),
    ("charger_1", "energy_density_C, energy_density_B1, ergotropy_B1", CHARGER),
    ("charger_2", "energy_density_C, energy_density_B1, energy_density_B2, ergotropy_B1, ergotropy_B2", CHARGER),
    (
        "charger_3",
        "energy_density_C, energy_density_B1, energy_density_B2, energy_density_B3, ergotropy_B1, ergotropy_B2, ergotropy_B3",
        CHARGER,
    ),
    (
        "thermal",
        "energy, ergotropy, energy_var, bright, bright_loss, bright_return",
        "N=7 eta=0.9 gamma_c=1 gamma_r=1 alpha_c=0.6 alpha_l=0 q=0 gamma_phi=0 t_end",
    ),
    (
        "thermal_haar",
        "energy, ergotropy, ergotropy_initial",
        "N=4 beta_q beta_c gamma_c=1 t_end unitary_seed unitary=haar",
    ),
    ("dephased_cells", DEPHASED_COLUMNS, DEPHASED),
    ("dephased_oscillators", DEPHASED_COLUMNS, DEPHASED),
    ("dephased_cell_oscillator", DEPHASED_COLUMNS, DEPHASED),
    ("star", "energy_B, ergotropy_B", "N=3 g=1 F=0.5 gamma_C=1 delta=0 t_end"),
    ("engine_collective", ENGINE_COLUMNS, "N=10 beta_omega=-0.8 Gamma_e=0.1 t_end"),
    ("engine_individual", ENGINE_COLUMNS, "N=10 beta_omega=-0.8 Gamma_e=0.1 t_end"),
    ("engine_masers", "energy_B, ergotropy_B", "N=2 engines=2 g gamma_h n_h gamma_c n_c t_end"),
    ("field_noise", "coherence_cell, energy", "gamma=1 t_end unraveling=jump"),
    ("cascade", "energy_A, energy_B, ergotropy_B", "gamma=1 eps=0.05 t_end=8"),
    ("collision", "energy_B, ergotropy_B", "levels=21 q=0.25 c=1 theta=0.4 collisions=60"),
    (
        "dicke",
        "energy_B, ergotropy_B, photons",
        "N=4 g=0.5 counter_rotating=0 kappa=0.1 gamma=0.02 gamma_phi=0 photons=4 cutoff=5 t_end=10",
    ),
    ("stirap", "energy, ergotropy, population_0, population_1, population_2", "O=20 T=1 gamma=0.05 gamma_phi=0.02"),
    ("spin_chain", "energy, ergotropy, energy_var, power", "N=4 h=2 J=0.5 Delta=0.5 Omega=0.5 gamma=0.05 t_end=5"),
    ("syk", "energy, ergotropy, energy_var, power", "N=8 J=1 seed=1 t_end=5"),
    ("reenergise", "energy_B, ergotropy_B", "N=1 chargers=3 J t_wait rounds"),
];

const AGING: &str =
    "M, S, energy, energy_var, ergotropy, released, jumps_loss, jumps_release, jumps_dephasing, jumps_pump";
const CHARGER: &str = "N_C=20 N_B=2 gamma_down=1 gamma_up=0 t_end charger=excited tilt=0.000447";
const DEPHASED_COLUMNS: &str = "energy_B, ergotropy_B, energy_C";
const DEPHASED: &str = "g=1 F=0.5 gamma_C=1 delta_C=0 delta_B=0 t_end";
const ENGINE_COLUMNS: &str = "energy, energy_std, ergotropy, efficiency";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn options(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[track_caller]
fn shipped(name: &str, set: &[(&str, &str)]) -> Result<Input, InputError> {
    read(&folder().join(format!("{name}.toml")), &options(set))
}

/// The columns of a problem without those that come beside what is promised: counts of jumps and levels at a cutoff.
fn columns(problem: &Problem, promised: &str) -> String {
    let beside = |name: &String| ["jumps_", "top_level_"].iter().any(|start| name.starts_with(start));
    let all = problem.quantities.iter().map(|q| problem.column(q));
    all.filter(|name| !beside(name) || promised.split(", ").any(|p| p == name)).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_file_is_listed() {
    let is_input = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(is_input);
    let found: BTreeSet<String> = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let listed: BTreeSet<String> = SHIPPED.iter().map(|(name, ..)| name.to_string()).collect();
    assert_eq!(found, listed);
}

#[test]
fn columns_and_parameters_are_those_promised() {
    for (name, promised, parameters) in SHIPPED {
        let input = shipped(name, &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(columns(&input.problem, promised), promised, "{name}");
        let small = input.at_verify_size().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(columns(&small.problem, promised), promised, "{name} at its verify size");
        assert!(!input.verify.is_empty(), "{name} has no verify size");
        assert!(!input.problem.describe().is_empty());
        for parameter in parameters.split(' ').chain(["samples", "omega=1"]) {
            let (key, default) = parameter.split_once('=').map_or((parameter, None), |(k, d)| (k, Some(d)));
            let value = input.parameters.iter().find(|(known, _)| known == key).map(|(_, value)| value);
            let value = value.unwrap_or_else(|| panic!("{name} has no parameter {key}"));
            match (default, value) {
                (None, _) => {}
                (Some(default), Value::Number(value)) => {
                    assert_eq!(default.parse::<f64>().unwrap(), *value, "{name}: {key}");
                }
                (Some(default), Value::Word(word)) => assert_eq!(default, word, "{name}: {key}"),
            }
        }
    }
}

#[test]
fn every_parameter_takes_another_value() {
    for (name, _, promised) in SHIPPED {
        let input = shipped(name, &[]).unwrap();
        let promised: Vec<&str> = promised.split(' ').filter_map(|p| p.split('=').next()).collect();
        let is_promised = |key: &str| promised.contains(&key) || ["samples", "omega"].contains(&key);
        // A parameter that changes nothing is a parameter that is not wired.
        for (key, value) in input.parameters.iter().filter(|(key, _)| is_promised(key)) {
            let Value::Number(value) = value else { continue };
            let other = match *value {
                v if ["alpha_c", "alpha_l", "eta", "Gamma_icl"].contains(&key.as_str()) => 0.5 * v + 0.1,
                v if ["c_eg", "c"].contains(&key.as_str()) => 0.5 * v,
                v if key == "cutoff" => v + 1.0,
                0.0 => 0.5,
                v if v.fract() == 0.0 => v + 1.0,
                v => 1.01 * v,
            };
            let other = format!("{other}");
            // The default coherence is the largest there is at the default population only.
            let set: &[(&str, &str)] =
                if key == "p_e" { &[("p_e", "0.75"), ("c_eg", "0.1")] } else { &[(key, &other)] };
            let changed = shipped(name, set).unwrap_or_else(|e| panic!("{name}, {key}: {e}"));
            assert_ne!(changed.problem, input.problem, "{name}: {key} = {other} changes nothing");
        }
    }
}

#[test]
fn words_choose() {
    for graph in ["circular", "central", "symmetric"] {
        let edges = shipped("network", &[("graph", graph)]).unwrap().problem.hamiltonian.terms.len();
        let expected = [("circular", 11), ("central", 9), ("symmetric", 21)];
        assert!(expected.contains(&(graph, edges)), "{graph}: {edges} terms");
    }
    let charger = shipped("charger_2", &[("charger", "ground")]).unwrap();
    assert_eq!(charger.problem.initial[0], crate::problem::Initial::Ground);
    assert!(shipped("field_noise", &[("unraveling", "jump")]).is_ok());
    for word in ["diffusive", "random_unitary"] {
        let error = shipped("field_noise", &[("unraveling", word)]).unwrap_err();
        assert_eq!((error.text().as_str(), error.file.as_str()), (word, "command line"));
        assert!(error.message.contains("not available") && error.expected.contains("`jump`"), "{error}");
    }
    let error = shipped("field_noise", &[("unraveling", "jmp")]).unwrap_err();
    assert!(error.expected.contains("did you mean `jump`?"), "{error}");
}

#[test]
fn the_six_cell_star_is_refused_by_its_eigenvalue() {
    let set = [("N", "6"), ("graph", "central")];
    let error = shipped("network", &set).unwrap_err();
    assert!(error.message.contains("not positive semidefinite") && error.message.contains("-0.118034"), "{error}");
    assert_eq!(error.text(), "0.5", "{error}");
    assert!(shipped("network", &[("N", "5"), ("graph", "central")]).is_ok());
}

#[test]
fn engines_start_where_their_baths_leave_them() {
    use crate::problem::{Initial, Kind, Op, Reach};
    for engines in [1, 3] {
        let input = shipped("engine_masers", &[("engines", &engines.to_string())]).unwrap();
        let p = &input.problem;
        let names: Vec<&str> = p.subsystems.iter().map(|s| s.name.as_str()).collect();
        let expected: Vec<String> = (1..=engines).map(|e| format!("E{e}")).chain(["B".into()]).collect();
        assert_eq!(names, expected);
        assert_eq!(p.channels.len(), 4 * engines);
        assert_eq!(p.hamiltonian.terms.len(), 2 * engines);
        for (e, state) in p.subsystem_ids().zip(&p.initial[..engines]) {
            let Initial::Populations(populations) = state else { panic!("{state:?}") };
            assert!(matches!(p.subsystems[e].kind, Kind::Levels { .. }));
            // What the channels on this engine take out of and put into each level must balance.
            let mut flow = [0.0; 3];
            for channel in &p.channels {
                let factor = channel.operator.terms[0].factors[0];
                assert_eq!(channel.reach, Reach::Collective);
                if let (true, Op::Transition(to, from)) = (factor.subsystem == e, factor.op) {
                    flow[from] -= channel.rate * populations[from];
                    flow[to] += channel.rate * populations[from];
                }
            }
            assert!(flow.iter().all(|f| f.abs() < 1e-13), "{flow:?}");
            let inversion = populations[1] / populations[0];
            assert!((inversion - 5.5).abs() < 1e-12, "{inversion}");
        }
    }
}

#[test]
fn a_unitary_comes_from_its_seed_or_from_a_file() {
    use crate::problem::{Initial, haar_unitary};
    use num_complex::Complex64;
    let unitary = |set: &[(&str, &str)]| match &shipped("thermal_haar", set).unwrap().problem.initial[0] {
        Initial::Rotated { ratio, unitary } => (*ratio, unitary.clone()),
        other => panic!("{other:?}"),
    };
    let (ratio, drawn) = unitary(&[("unitary_seed", "3"), ("beta_q", "0.5")]);
    assert_eq!(ratio, (-0.5_f64).exp());
    assert_eq!(*drawn, haar_unitary(16, 3));
    assert_ne!(*unitary(&[]).1, *drawn);

    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("some.d")).unwrap();
    let saved = |name: &str, d: usize, element: &dyn Fn(usize, usize) -> Complex64| {
        let matrix = ndarray::Array2::from_shape_fn((d, d), |(i, j)| element(i, j));
        ndarray_npy::write_npy(home.path().join(name), &matrix).unwrap();
    };
    saved("some.d/u.npy", 16, &|i, j| drawn[(i, j)]);
    saved("small.npy", 8, &|i, j| Complex64::from(f64::from(u8::from(i == j))));
    saved("ones.npy", 16, &|_, _| Complex64::ONE);
    let real = ndarray::Array2::from_shape_fn((16, 16), |(i, j)| f64::from(u8::from(i == 15 - j)));
    ndarray_npy::write_npy(home.path().join("real.npy"), &real).unwrap();
    std::fs::write(home.path().join("text.npy"), "not an array").unwrap();
    let text = std::fs::read_to_string(folder().join("thermal_haar.toml")).unwrap();
    // Paths start in the folder of the input, wherever the program runs.
    let path = home.path().join("thermal_haar.toml");
    std::fs::write(&path, &text).unwrap();
    let from_option = |file: &str| read(&path, &options(&[("unitary", file)]));
    let state = |input: Input| input.problem.initial[0].clone();
    let expected = Initial::Rotated { ratio: (-1.0_f64).exp(), unitary: drawn.clone() };
    let input = from_option("some.d/u.npy").unwrap();
    let word = input.parameters.iter().find(|(name, _)| name == "unitary").unwrap();
    assert_eq!(word.1, Value::Word("some.d/u.npy".into()));
    assert_eq!(state(input), expected);
    std::fs::write(&path, text.replace("unitary = \"haar\" ", "unitary = \"some.d/u.npy\" ")).unwrap();
    assert_eq!(state(read(&path, &[]).unwrap()), expected);
    assert_eq!(state(read(&path, &options(&[("unitary", "haar"), ("unitary_seed", "3")])).unwrap()), expected);
    match state(from_option("real.npy").unwrap()) {
        Initial::Rotated { unitary, .. } => assert_eq!(unitary[(0, 15)], Complex64::ONE),
        other => panic!("{other:?}"),
    }
    for (file, message, expected) in [
        ("small.npy", "a matrix of 8 × 8", "16 × 16 for 4 cells"),
        ("ones.npy", "not unitary", "U†U = 1"),
        ("text.npy", "cannot be read", "numpy.save"),
        ("none.npy", "cannot be read", "numpy.save"),
        ("hare", "unknown unitary `hare`", "`haar`"),
    ] {
        let error = from_option(file).unwrap_err();
        assert_eq!((error.text().as_str(), error.file.as_str()), (file, "command line"), "{error}");
        assert!(error.message.contains(message) && error.expected.contains(expected), "{error}");
    }
    // A file that does not lie beside the input is sought where the program runs.
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let typed = home.path().join("some.d/u.npy").display().to_string();
    let typed = format!("{up}{}", typed.trim_start_matches('/'));
    let input = parse("no/such/thermal_haar.toml", &text, &options(&[("unitary", &typed)])).unwrap();
    assert_eq!(state(input), expected);
}
