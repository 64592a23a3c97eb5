//! Functions of the state of chosen parts: entanglement, entropies, fidelities, with their intervals. Against closed forms.

mod common;

use common::{assert_at_least, assert_close};
use faer::Mat;
use leyden::exact;
use leyden::input;
use leyden::problem::Problem;
use leyden::stop::Stop;
use leyden::table::Table;
use ndarray::Array1;
use num_complex::Complex64;
use std::f64::consts::LN_2;
use std::fs;

fn read(text: &str) -> Problem {
    input::parse("parts", text, &[]).unwrap_or_else(|e| panic!("{e}")).problem
}

fn last(table: &Table, name: &str) -> f64 {
    *table.column(name).unwrap_or_else(|| panic!("no column {name}")).value.last().unwrap()
}

fn sampled(problem: &Problem, trajectories: u64, seed: u64) -> Table {
    leyden::sample(problem, &leyden::Sampling { trajectories, seed, shots: false, ..Default::default() }).unwrap().table
}

/// Cells that share a Bell state and decay: with η = e^{−γt} the partial transpose has the eigenvalue −η²/2, and ρ falls into
/// ½[[1 + (1−η)², η], [η, η²]] of gg and ee and η(1−η)/2 of ge and eg.
const BELL: &str = r#"
[subsystems]
A = { cell = true, energy = 2.0 }
B = { cells = 2, graph = "none" }
[battery]
of = ["B"]
[initial]
joint = { over = ["A", "B"], file = "psi.npy" }
[channels]
loss = { each = "sm(A)", rate = 1 }
leak = { each = "sm(B)", rate = 1 }
[protocol]
steps = [{ name = "decay", evolve = 0.8, samples = 4 }]
[observe]
quantities = [
    { name = "tied", negativity = [["B:1"], ["A"]] },
    { name = "known", mutual_information = [["A"], ["B:1"]] },
    { name = "mixed", entropy = ["A", "B:1"] },
    { name = "one", entropy = ["A"] },
    { name = "like", fidelity = "bell", of = ["A", "B:1"] },
    { name = "out", ergotropy = ["A", "B:1"] },
    { name = "alone", negativity = [["B:0"], ["A", "B:1"]] },
    { name = "pair", state = ["A", "B:1"] },
]
"#;

fn bell() -> Problem {
    let folder = tempfile::tempdir().unwrap();
    let mut psi = Array1::<f64>::zeros(8);
    (psi[0b000], psi[0b101]) = (0.5f64.sqrt(), 0.5f64.sqrt()); // A, B:0, B:1
    ndarray_npy::write_npy(folder.path().join("psi.npy"), &psi).unwrap();
    fs::write(folder.path().join("bell.toml"), BELL).unwrap();
    input::read(&folder.path().join("bell.toml"), &[]).unwrap_or_else(|e| panic!("{e}")).problem
}

/// The columns of [`BELL`] at time t.
fn bell_values(t: f64) -> [(&'static str, f64); 7] {
    let eta = (-t).exp();
    let x = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    let (a, b, c) = (0.5 * (1.0 + (1.0 - eta).powi(2)), 0.5 * eta * eta, 0.5 * eta);
    let root = (0.25 * (a - b).powi(2) + c * c).sqrt();
    let (above, below, side) = (0.5 * (a + b) + root, 0.5 * (a + b) - root, 0.5 * eta * (1.0 - eta));
    let whole = x(above) + x(below) + 2.0 * x(side);
    let one = x(0.5 * eta) + x(1.0 - 0.5 * eta);
    let mut sorted = [above, below, side, side];
    sorted.sort_by(|p, q| q.total_cmp(p));
    let passive: f64 = sorted.iter().zip([0.0, 1.0, 2.0, 3.0]).map(|(p, e)| p * e).sum();
    let energy = 3.0 * b + side * 3.0;
    [
        ("tied", b),
        ("known", 2.0 * one - whole),
        ("mixed", whole),
        ("one", one),
        ("like", 0.5 * (a + b) + c),
        ("out", energy - passive),
        ("alone", 0.0),
    ]
}

#[test]
fn entanglement_decays_as_it_should() {
    let table = exact::solve(&bell(), None, &Stop::default()).unwrap();
    for (row, at) in table.rows.iter().enumerate() {
        for (name, expected) in bell_values(at.time) {
            let found = table.column(name).unwrap().value[row];
            assert!((found - expected).abs() < 1e-9, "{name} at {}: {found}, expected {expected}", at.time);
        }
    }
    assert_close(table.column("one").unwrap().value[0], LN_2, 1e-9, "the entropy of one half of a Bell state");
}

/// The state of A and B:1 of [`BELL`]: real, between gg, ge, eg and ee.
#[test]
fn states_of_chosen_parts_are_averages() {
    let problem = bell();
    let state = |t: f64| {
        let eta = (-t).exp();
        let mut rho = Mat::<Complex64>::zeros(4, 4);
        rho[(0, 0)] = (0.5 * (1.0 + (1.0 - eta).powi(2))).into();
        (rho[(1, 1)], rho[(2, 2)]) = ((0.5 * eta * (1.0 - eta)).into(), (0.5 * eta * (1.0 - eta)).into());
        rho[(3, 3)] = (0.5 * eta * eta).into();
        (rho[(0, 3)], rho[(3, 0)]) = ((0.5 * eta).into(), (0.5 * eta).into());
        rho
    };
    let table = exact::solve(&problem, None, &Stop::default()).unwrap();
    let sampled = sampled(&problem, 4000, 7);
    assert_eq!((table.states.len(), table.states[0].name.as_str(), sampled.states.len()), (1, "pair", 1));
    assert_eq!((table.states[0].rows.len(), sampled.states[0].rows.len()), (table.rows.len(), table.rows.len()));
    for (row, at) in table.rows.iter().enumerate() {
        let away = |rho: &Mat<Complex64>| (rho - state(at.time)).norm_max();
        assert!(away(&table.states[0].rows[row]) < 1e-9, "exact at {}", at.time);
        // No element has a standard error above 0.5/√4000 = 0.008.
        assert!(away(&sampled.states[0].rows[row]) < 0.036, "sampled at {}", at.time);
    }
}

/// Intervals of functions of chosen parts hold the true value in 95 % of runs, or more.
#[test]
fn intervals_of_entanglement_cover() {
    let problem = bell();
    let (runs, row) = (200, 3);
    let time = problem.protocol().rows()[row].time;
    let mut hits = [0; 7];
    let mut widths = [0.0; 7];
    for seed in 0..runs {
        let sampled = sampled(&problem, 600, seed);
        for (k, (name, expected)) in bell_values(time).into_iter().enumerate() {
            let (lo, hi) = sampled.column(name).unwrap().bounds.as_ref().unwrap();
            hits[k] += u64::from(lo[row] - 1e-12 <= expected && expected <= hi[row] + 1e-12);
            widths[k] += (hi[row] - lo[row]) / runs as f64;
        }
    }
    // Half more than they were when this was written.
    let widest = [0.10, 0.16, 0.21, 0.076, 0.10, 0.17, 0.011];
    for (k, (name, _)) in bell_values(time).into_iter().enumerate() {
        assert_at_least(hits[k], runs, 0.95, name);
        assert!(widths[k] < widest[k], "{name}: intervals are {} wide, expected below {}", widths[k], widest[k]);
    }
}

/// Entropies of states that few trajectories, or none, have left: intervals hold the true value, and nothing is certain that
/// is not.
#[test]
fn intervals_of_entropy_cover_where_jumps_are_rare() {
    for (rate, start, widest) in [
        (0.01, "ket(1, 0, 0, 0.05)", [0.13, 0.32, 0.30]),
        (0.3, "ket(1, 0, 0, 0.05)", [0.13, 0.32, 0.23]),
        (0.01, "ket(1, 1, 1, 1)", [0.39, 0.27, 0.57]),
    ] {
        let problem = read(&format!(
            "[subsystems]\nW = {{ cells = 2, graph = \"linear\" }}\n[initial]\nW = \"{start}\"\n\
             [channels]\nl = {{ each = \"sz(W)\", rate = {rate} }}\n[protocol]\nsteps = [{{ name = \"s\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [{{ name = \"mixed\", entropy = [\"W\"] }}, {{ name = \"one\", entropy = [\"W:0\"] }},\n\
             {{ name = \"known\", mutual_information = [[\"W:0\"], [\"W:1\"]] }}]\n"
        ));
        let exact = exact::solve(&problem, None, &Stop::default()).unwrap();
        let runs = 200;
        let (mut hits, mut widths) = ([0; 3], [0.0; 3]);
        for seed in 0..runs {
            let sampled = sampled(&problem, 200, seed);
            for (k, (mine, theirs)) in sampled.columns.iter().zip(&exact.columns).enumerate() {
                let (lo, hi) = mine.bounds.as_ref().unwrap();
                // Before anything has happened, all is known.
                assert!((mine.value[0] - theirs.value[0]).abs() < 1e-9 && hi[0] - lo[0] < 1e-9, "{}", mine.name);
                hits[k] += u64::from(lo[1] <= theirs.value[1] && theirs.value[1] <= hi[1]);
                widths[k] += (hi[1] - lo[1]) / runs as f64;
            }
        }
        for (k, column) in exact.columns.iter().enumerate() {
            let what = format!("{} of {start} at rate {rate}", column.name);
            assert_at_least(hits[k], runs, 0.95, &what);
            // Half more than they were when this was written.
            assert!(widths[k] < widest[k], "{what}: intervals are {} wide, expected below {}", widths[k], widest[k]);
        }
    }
}

/// A parameter stands for a state as it does elsewhere.
#[test]
fn words_stand_for_states_to_compare_with() {
    let text = "[parameters]\ntarget = \"ghz\"\n[subsystems]\nW = { cells = 3, graph = \"none\" }\n[initial]\nW = \"target\"\n\
                [protocol]\nsteps = [{ name = \"w\", evolve = 1, samples = 1 }]\n\
                [observe]\nquantities = [{ name = \"like\", fidelity = \"target\", of = [\"W\"] }]\n";
    let table = exact::solve(&read(text), None, &Stop::default()).unwrap();
    assert!((last(&table, "like") - 1.0).abs() < 1e-9);
    let other = input::parse("words", text, &[("target".into(), "bell".into())]).map(|_| ()).unwrap_err().to_string();
    assert!(other.contains("bell"), "{other}");
}

/// A vector in a file is as good as one that is written out; one of another length or norm is refused.
#[test]
fn fidelities_with_a_vector_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let psi = [0.6, 0.0, 0.0, 0.8];
    let text = |state: &str| {
        format!(
            "[subsystems]\nW = {{ cells = 2, graph = \"none\" }}\n[initial]\nW = \"bell\"\n[channels]\n\
             l = {{ each = \"sm(W)\", rate = 1 }}\n[protocol]\nsteps = [{{ name = \"w\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [{{ name = \"like\", fidelity = \"{state}\", of = [\"W\"] }}]\n"
        )
    };
    let path = folder.path().join("f.toml").display().to_string();
    let of = |state: &str| input::parse(&path, &text(state), &[]).map(|input| input.problem).map_err(|e| e.to_string());
    let save =
        |psi: &[f64]| ndarray_npy::write_npy(folder.path().join("psi.npy"), &Array1::from(psi.to_vec())).unwrap();
    save(&psi);
    let [saved, written] = ["psi.npy", "ket(0.6, 0, 0, 0.8)"]
        .map(|state| last(&exact::solve(&of(state).unwrap(), None, &Stop::default()).unwrap(), "like"));
    assert!((saved - written).abs() < 1e-14 && saved > 0.1, "{saved} {written}");
    save(&[1.0, 0.0]);
    assert!(of("psi.npy").unwrap_err().contains("holds 2 amplitudes"));
    save(&[1.0, 1.0, 0.0, 0.0]);
    assert!(of("psi.npy").unwrap_err().contains("has the norm"));
    assert!(of("other.npy").unwrap_err().contains("other.npy"));
}
