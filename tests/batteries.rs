//! Batteries of their own: Hamiltonians of cells that interact or differ, states and gates of several subsystems, spaces of few
//! quanta. Against closed forms.

use leyden::exact;
use leyden::input;
use leyden::problem::Problem;
use leyden::space::blocks::{Blocks, Style};
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::table::Table;
use ndarray::{Array1, Array2};
use num_complex::Complex64;
use std::f64::consts::FRAC_PI_2;
use std::fs;

fn read(text: &str) -> Problem {
    input::parse("batteries", text, &[]).unwrap_or_else(|e| panic!("{e}")).problem
}

fn solve(text: &str) -> Table {
    exact::solve(&read(text), None, &Stop::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}

fn last(table: &Table, name: &str) -> f64 {
    *table.column(name).unwrap_or_else(|| panic!("no column {name}")).value.last().unwrap()
}

/// Two cells of splitting ω with an exchange g: levels 0, ω − 2g, ω + 2g, 2ω of H_B = ωΣn + g(σxσx + σyσy).
#[test]
fn the_levels_of_two_cells_that_exchange() {
    let text = |initial: &str, zero: &str| {
        format!(
            "[subsystems]\nB = {{ cells = 2, graph = \"linear\" }}\n[battery]\nof = [\"B\"]\n\
             hamiltonian = [\"1.5*n(B)\", \"0.2*(bonds(sx, sx, B) + bonds(sy, sy, B))\"]\nzero = \"{zero}\"\n\
             [initial]\nB = \"{initial}\"\n[protocol]\nsteps = [{{ name = \"wait\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [\"energy\", \"energy_var\", \"ergotropy\", \"capacity\", \"antiergotropy\"]\n"
        )
    };
    let levels = [0.0, 1.5 - 0.4, 1.5 + 0.4, 3.0];
    for (initial, energy, variance) in
        [("ket(0, 1, 0, 0)", 1.5, 0.16), ("ket(0, 1, -1, 0)", 1.1, 0.0), ("excited", 3.0, 0.0), ("w", 1.9, 0.0)]
    {
        let table = solve(&text(initial, "ground"));
        close(last(&table, "energy"), energy);
        close(last(&table, "energy_var"), variance);
        close(last(&table, "ergotropy"), energy);
        close(last(&table, "capacity"), 3.0);
    }
    let beta = 0.7;
    let weights = levels.map(|e: f64| (-beta * e).exp());
    let mean = levels.iter().zip(weights).map(|(e, w)| e * w).sum::<f64>() / weights.iter().sum::<f64>();
    let table = solve(&text("gibbs(0.7)", "as written"));
    close(last(&table, "energy"), mean);
    close(last(&table, "ergotropy"), 0.0);
    // Upside down, a Gibbs state is as active as it can be.
    let table = solve(&text("gibbs(-0.7)", "as written"));
    close(last(&table, "energy"), 3.0 - mean);
    close(last(&table, "antiergotropy"), 0.0);
}

/// The lowest level of H_B = −Jσzσz on two cells is −J and has two states.
#[test]
fn where_energies_count_from() {
    let text = |zero: &str, initial: &str| {
        format!(
            "[subsystems]\nB = {{ cells = 2, graph = \"linear\" }}\n[battery]\nhamiltonian = [\"-0.5*bonds(sz, sz, B)\"]\n\
             zero = \"{zero}\"\n[initial]\nB = \"{initial}\"\n[protocol]\nsteps = [{{ name = \"wait\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [\"energy\", \"ergotropy\"]\n"
        )
    };
    close(last(&solve(&text("as written", "ground")), "energy"), -0.5);
    close(last(&solve(&text("ground", "ground")), "energy"), 0.0);
    close(last(&solve(&text("ground", "ket(0, 1, 0, 0)")), "energy"), 1.0);
    let message = exact::solve(&read(&text("ground", "ground_state")), None, &Stop::default()).unwrap_err().to_string();
    assert!(message.contains("2 states") && message.contains("ground state"), "{message}");
}

#[test]
fn cells_of_unequal_energy_are_emptied_the_best_first() {
    let text = |energy: &str| {
        format!(
            "[subsystems]\nB = {{ cells = 3, graph = \"none\", energy = {energy} }}\n\
             [initial]\nB = \"cell(0.8, 0)\"\n[protocol]\nsteps = [{{ name = \"wait\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [\"energy\", \"ergotropy\", \"energy(B, 2)\", \"ergotropy_local\"]\n"
        )
    };
    let omega = [1.0, 1.2, 1.4];
    for energy in ["[1.0, 1.2, 1.4]", "\"1 + 0.2*i\""] {
        let table = solve(&text(energy));
        close(last(&table, "energy"), 0.8 * 3.6);
        close(last(&table, "energy_2"), 0.8 * 1.4);
        close(last(&table, "ergotropy_local"), 0.6 * 3.6);
        // Eigenvalues 0.8^k 0.2^(3−k) on sums of energies, sorted against each other.
        let sets = || {
            (0..8u32)
                .map(|s| (s.count_ones() as i32, (0..3).filter(|k| s >> k & 1 == 1).map(|k| omega[k]).sum::<f64>()))
        };
        let mut p: Vec<f64> = sets().map(|(k, _)| 0.8f64.powi(k) * 0.2f64.powi(3 - k)).collect();
        let mut e: Vec<f64> = sets().map(|(_, e)| e).collect();
        p.sort_by(|a, b| b.total_cmp(a));
        e.sort_by(f64::total_cmp);
        let passive: f64 = p.iter().zip(&e).map(|(p, e)| p * e).sum();
        close(last(&table, "ergotropy"), 0.8 * 3.6 - passive);
    }
}

#[test]
fn gates_swap_and_turn() {
    let folder = tempfile::tempdir().unwrap();
    // |a⟩|b⟩ → |b⟩|a⟩ with a phase, of a cell and a mode of two levels.
    let mut swap = Array2::<Complex64>::zeros((4, 4));
    for (i, j) in [(0, 0), (1, 2), (2, 1), (3, 3)] {
        swap[[i, j]] = Complex64::cis(0.3 * i as f64);
    }
    ndarray_npy::write_npy(folder.path().join("swap.npy"), &swap).unwrap();
    let text = |gate: &str| {
        format!(
            "[subsystems]\nA = {{ mode = 2 }}\nB = {{ cell = true }}\n[battery]\nof = [\"B\"]\n[initial]\nA = \"fock(1)\"\n\
             [channels]\nloss = {{ each = \"sm(B)\", rate = 0.5 }}\n\
             [protocol]\nsteps = [{{ unitary = {gate} }}, {{ name = \"wait\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [\"energy\", \"photons\"]\n"
        )
    };
    let swap = format!("\"{FRAC_PI_2}*(a(A)*sp(B) + ad(A)*sm(B))\"");
    for (gate, moved) in [
        (swap.as_str(), 1.0),
        ("{ file = \"swap.npy\", on = [\"B\", \"A\"] }", 1.0),
        ("\"0.4*(a(A)*sp(B) + ad(A)*sm(B))\"", 0.4f64.sin().powi(2)),
    ] {
        let file = folder.path().join("gate.toml");
        fs::write(&file, text(gate)).unwrap();
        let problem = input::read(&file, &[]).unwrap_or_else(|e| panic!("{e}")).problem;
        let table = exact::solve(&problem, None, &Stop::default()).unwrap();
        let energy = &table.column("energy").unwrap().value;
        close(energy[0], moved);
        close(energy[1], moved * (-0.5f64).exp());
        close(last(&table, "photons"), 1.0 - moved);
        let sampled = sampled(&problem, 400, 3);
        close(sampled.column("energy").unwrap().value[0], moved);
    }
}

fn sampled(problem: &Problem, trajectories: u64, seed: u64) -> Table {
    leyden::sample(problem, &leyden::Sampling { trajectories, seed, shots: false, ..Default::default() }).unwrap().table
}

/// Eight modes in a ring that share one quantum, which leaks: cells or modes of more levels make no difference, and the whole
/// space of 3⁸ states none either.
#[test]
fn few_quanta_are_enough_where_no_more_come_in() {
    let text = |levels: usize, space: &str| {
        let modes: String = (0..8).map(|k| format!("M{k} = {{ mode = {levels} }}\n")).collect();
        let hop = |k: usize| format!("\"a(M{k})*ad(M{0}) + ad(M{k})*a(M{0})\"", (k + 1) % 8);
        let hops: Vec<String> = (0..8).map(hop).collect();
        let losses: String = (0..8).map(|k| format!("loss{k} = {{ operator = \"a(M{k})\", rate = 0.1 }}\n")).collect();
        format!(
            "[subsystems]\n{modes}{space}[battery]\nof = [\"M3\"]\n[initial]\nM0 = \"fock(1)\"\n[hamiltonian]\nterms = [{}]\n\
             [channels]\n{losses}[protocol]\nsteps = [{{ name = \"share\", evolve = 2, samples = 5 }}]\n\
             [observe]\nquantities = [\"energy\", \"ergotropy\"]\n",
            hops.join(", ")
        )
    };
    let whole = solve(&text(3, ""));
    // A joint state of one quantum needs no more of them either.
    let shared = "[subsystems]\nW = { cells = 3, graph = \"linear\" }\n[space]\nat_most = 1\n[initial]\nW = \"w\"\n\
                  [hamiltonian]\nterms = [\"hop(W)\"]\n[protocol]\nsteps = [{ name = \"s\", evolve = 1, samples = 1 }]\n\
                  [observe]\nquantities = [\"energy\"]\n";
    assert!(read(shared).at_most_is_exact());
    for (levels, most) in [(2, 1), (3, 1), (4, 2)] {
        let problem = read(&text(levels, &format!("[space]\nat_most = {most}\n")));
        assert!(problem.at_most_is_exact());
        let few = exact::solve(&problem, None, &Stop::default()).unwrap();
        for name in ["energy", "ergotropy"] {
            for (a, b) in few.column(name).unwrap().value.iter().zip(&whole.column(name).unwrap().value) {
                close(*a, *b);
            }
        }
    }
    let driven = text(3, "[space]\nat_most = 2\n")
        .replace("[hamiltonian]\nterms = [", "[hamiltonian]\nterms = [\"a(M0) + ad(M0)\", ");
    assert!(!read(&driven).at_most_is_exact());
}

/// A symmetry modulo 2 halves the blocks of a cell in a mode beyond the rotating wave, and changes nothing else.
#[test]
fn parities_halve_blocks() {
    let problem = read(
        "[subsystems]\nA = { mode = 6 }\nB = { cell = true }\n[battery]\nof = [\"B\"]\n[initial]\nA = \"fock(2)\"\n\
         [hamiltonian]\nterms = [\"n(A) + n(B)\", \"0.3*(a(A) + ad(A))*sx(B)\"]\n\
         [channels]\nleak = { operator = \"a(A)\", rate = 0.1 }\nloss = { each = \"sm(B)\", rate = 0.05 }\n\
         [protocol]\nsteps = [{ name = \"charge\", evolve = 3, samples = 6 }]\n\
         [observe]\nquantities = [\"energy\", \"ergotropy\", \"photons\"]\n",
    );
    let halved = Blocks::compile(&problem, Style { spins: false, charges: true }).unwrap();
    assert_eq!(halved.describe_charges(), ["the parity of n(A) + n(B)"]);
    assert_eq!(halved.get(halved.block_of(&[0, 0], &[2, 0])).dimension(), 6);
    let by_parity = exact::solve(&problem, Some(Representation::Sectors), &Stop::default()).unwrap();
    let whole = exact::naive::solve(&problem).unwrap();
    for (a, b) in by_parity.columns.iter().zip(&whole.columns) {
        a.value.iter().zip(&b.value).for_each(|(x, y)| close(*x, *y));
    }
}

/// Fresh subsystems in states that are written out, or are those of a Hamiltonian: in the full space, and in every
/// representation that says that it carries them.
#[test]
fn resets_to_written_states_are_those_of_the_full_space() {
    let cells = |graph: &str, initial: &str, reset: &str, h: &str| {
        format!(
            "[subsystems]\nB = {{ {graph} }}\nL = {{ levels = [0.0, 1.0, 2.5] }}\nA = {{ mode = 3 }}\n[initial]\nB = \"{initial}\"\n\
             [hamiltonian]\nterms = [{h}, \"n(A) + 0.3*(a(A) + ad(A))\"]\n\
             [channels]\nloss = {{ each = \"sm(B)\", rate = 0.4 }}\nlift = {{ operator = \"sp(B)*a(A)\", rate = 0.7 }}\n\
             fall = {{ operator = \"|0><2|(L)*ad(A)\", rate = 0.9 }}\n\
             [protocol]\nrepeat = 2\nsteps = [{{ name = \"one\", evolve = 0.6, samples = 1 }}, {{ reset = \"B\", to = \"{reset}\" }},\n\
             {{ reset = \"L\", to = \"ket(1, 0, i)\" }}, {{ reset = \"A\", to = \"gibbs(0.9, H)\" }},\n\
             {{ name = \"two\", evolve = 0.5, samples = 1 }}, {{ reset = \"A\", to = \"ground_state(H)\" }},\n\
             {{ name = \"three\", evolve = 0.5, samples = 1 }}]\n[observe]\nquantities = [\"energy\", \"energy(A)\", \"energy(B)\"]\n"
        )
    };
    let network = "cells = 2, graph = \"linear\"";
    let exchange = "\"0.5*hop(B)\"";
    let mut carried = Vec::new();
    for (text, representations) in [
        (cells(network, "ground", "w", exchange), &[Representation::Sectors, Representation::Full][..]),
        (cells(network, "ground", "ket(0, 1, i, 0)", exchange), &[Representation::Sectors, Representation::Full]),
        (cells(network, "plus", "bell", exchange), &[Representation::Full]),
        (cells(network, "ground", "gibbs(0.7, H)", "\"0.5*hop(B) + 0.2*n(B, 0)\""), &[Representation::Sectors]),
        (
            cells("spins = 2", "ground", "ground_state(H)", "\"0.8*n(B) + 0.5*sx(B)\""),
            &[Representation::Symmetric, Representation::Full],
        ),
        (cells("spins = 3", "excited", "gibbs(1.3, H)", "\"n(B) + 0.2*sx(B)\""), &[Representation::Symmetric]),
    ] {
        let problem = read(&text);
        let whole = exact::naive::solve(&problem).unwrap();
        let sampled = sampled(&problem, 4000, 5);
        for representation in representations {
            let here = exact::solve(&problem, Some(*representation), &Stop::default());
            let here = here.unwrap_or_else(|e| panic!("{representation}: {e}\n{text}"));
            for (a, b) in here.columns.iter().zip(&whole.columns) {
                a.value.iter().zip(&b.value).for_each(|(x, y)| close(*x, *y));
            }
            carried.push(*representation);
        }
        for (a, b) in sampled.columns.iter().zip(&whole.columns) {
            let se = a.se.as_ref().unwrap();
            for (row, (x, y)) in a.value.iter().zip(&b.value).enumerate() {
                // 126 numbers, each beyond five errors once in 10⁶.
                assert!((x - y).abs() <= 5.0 * se[row] + 1e-9 && se[row] < 0.05, "{} {row}: {x} {y}\n{text}", a.name);
            }
        }
    }
    for representation in [Representation::Symmetric, Representation::Sectors, Representation::Full] {
        assert!(carried.contains(&representation));
    }
}

/// Where a reset cannot be carried, or stands for nothing, the reason is said.
#[test]
fn resets_that_are_not_carried_say_why() {
    let text = |reset: &str| {
        format!(
            "[subsystems]\nB = {{ spins = 3 }}\nC = {{ cell = true }}\n[hamiltonian]\nterms = [\"0.3*(sp(B)*sm(C) + sm(B)*sp(C))\"]\n\
             [channels]\nl = {{ each = \"sm(B)\", rate = 1 }}\n\
             [protocol]\nsteps = [{{ reset = \"B\", to = \"{reset}\" }}, {{ name = \"w\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [\"energy\"]\n"
        )
    };
    let problem = read(&text("ghz"));
    let refused = |representation| Blocks::compile(&problem, representation).map(|_| ()).unwrap_err().reason;
    assert!(refused(Style { spins: true, charges: true }).contains("a state of B is given cell by cell"));
    assert!(refused(Style { spins: false, charges: true }).contains("no charge"));
    for (reset, says) in [("ground_state", "whole battery"), ("gibbs(1, H)", "`C`"), ("ket(1, 0)", "2 amplitudes")] {
        let message = input::parse("reset", &text(reset), &[]).map(|_| ()).expect_err(reset).to_string();
        assert!(message.contains(says) && message.contains("reset:"), "{message}");
    }
    let few = text("w").replace("[hamiltonian]", "[space]\nat_most = 1\n[hamiltonian]");
    let message = input::parse("few", &few, &[]).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("a reset adds quanta to B"), "{message}");
}

/// A battery Hamiltonian with too large a set of states is not measured; one that keeps a number of quanta is, whatever
/// else acts.
#[test]
fn single_shots_measure_what_can_be_measured() {
    let text = |cells: usize, own: &str, h: &str| {
        format!(
            "[subsystems]\nB = {{ cells = {cells}, graph = \"linear\" }}\n[battery]\nhamiltonian = [\"{own}\"]\nzero = \"as written\"\n\
             [initial]\nB = \"cell(0.5, 0.3)\"\n[hamiltonian]\nterms = [\"{h}\"]\n[channels]\nl = {{ each = \"sm(B)\", rate = 0.1 }}\n\
             [protocol]\nsteps = [{{ name = \"w\", evolve = 0.01, samples = 1 }}]\n[observe]\nquantities = [\"energy\"]\n"
        )
    };
    let shots = |problem: &Problem, shots: bool| {
        leyden::sample(problem, &leyden::Sampling { trajectories: 40, shots, ..Default::default() })
    };
    let large = read(&text(13, "n(B) + 0.3*sx(B) + 0.2*bonds(sz, sz, B)", "0.2*sx(B)"));
    let message = shots(&large, true).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("8192 states") && message.contains("more than 4096; keep no single shots"), "{message}");
    assert!(!message.contains("--no-shots"), "the library knows of no command: {message}");
    // Exchange splits the 64 states of six cells by their quanta, although the drive does not keep these.
    let own = "n(B) + 0.3*(bonds(sx, sx, B) + bonds(sy, sy, B))";
    let problem = read(&text(6, own, "0.2*sx(B)"));
    let blocks = Blocks::compile(&problem, Style { spins: false, charges: false }).unwrap();
    assert_eq!(leyden::space::blocks::most_coupled(&blocks, &blocks.get(blocks.block_of(&[0; 6], &[0; 6]))), 20);
    let outcomes = shots(&problem, true).unwrap().shots.unwrap().energy_outcome;
    // Levels of free fermions: Σ(1 + 1.2 cos(πk/7)) over the occupied ones.
    let levels: Vec<f64> = (1..=6).map(|k| 1.0 + 1.2 * (std::f64::consts::PI * f64::from(k) / 7.0).cos()).collect();
    let all: Vec<f64> =
        (0..64u32).map(|s| (0..6).filter(|k| s >> k & 1 == 1).map(|k| levels[k]).sum::<f64>()).collect();
    assert!(outcomes.iter().all(|x| all.iter().any(|level| (level - x).abs() < 1e-9)), "{outcomes:?}");
    assert!(outcomes.iter().any(|x| (x - outcomes[0]).abs() > 0.1));
}

/// Gates and pulses do not keep few quanta, wherever the limited part stands among what they act on.
#[test]
fn few_quanta_are_not_turned() {
    let folder = tempfile::tempdir().unwrap();
    ndarray_npy::write_npy(folder.path().join("u.npy"), &Array2::<f64>::eye(8)).unwrap();
    for step in [
        "{ unitary = { file = \"u.npy\", on = [\"A\", \"X\"] } }",
        "{ unitary = { file = \"u.npy\", on = [\"X\", \"A\"] } }",
        "{ pulse = \"rotate(C, x, pi)\" }",
    ] {
        let text = format!(
            "[subsystems]\nA = {{ mode = 4 }}\nX = {{ cell = true }}\nC = {{ cell = true }}\n[space]\nat_most = 1\nof = [\"A\", \"C\"]\n\
             [protocol]\nsteps = [{step}, {{ name = \"w\", evolve = 1, samples = 1 }}]\n[observe]\nquantities = [\"photons\"]\n"
        );
        let file = folder.path().join("few.toml");
        fs::write(&file, &text).unwrap();
        let message = input::read(&file, &[]).map(|_| ()).expect_err(step).to_string();
        assert!(message.contains("at most 1 quanta does not hold"), "{message}");
    }
}

/// A pulse about z turns phases alone.
#[test]
fn few_quanta_are_turned_about_z() {
    let problem = read(
        "[subsystems]\nA = { mode = 3 }\nC = { cells = 2, graph = \"linear\" }\n[space]\nat_most = 2\n[initial]\nC = \"ket(1, 1, 1, 0)\"\n\
         [hamiltonian]\nterms = [\"0.7*(sp(C, 0)*a(A) + sm(C, 0)*ad(A))\", \"0.4*(a(A) + ad(A))\", \"hop(C)\"]\n\
         [protocol]\nsteps = [{ name = \"a\", evolve = 0.5, samples = 1 }, { pulse = \"rotate(C, z, 0.8)\" },\n\
         { name = \"b\", evolve = 0.5, samples = 1 }]\n[observe]\nquantities = [\"energy(C)\", \"photons\", \"purity\"]\n",
    );
    let (here, whole) =
        (exact::solve(&problem, None, &Stop::default()).unwrap(), exact::naive::solve(&problem).unwrap());
    for (a, b) in here.columns.iter().zip(&whole.columns) {
        a.value.iter().zip(&b.value).for_each(|(x, y)| close(*x, *y));
    }
}

/// Dephasing changes the energy of cells that interact, by no definite amount.
#[test]
fn what_keeps_product_states_releases_no_definite_energy_of_others() {
    let text = |hamiltonian: &str| {
        format!(
            "[subsystems]\nB = {{ cells = 2, graph = \"linear\" }}\n[battery]\nof = [\"B\"]\nhamiltonian = [\"{hamiltonian}\"]\n\
             [channels]\nblur = {{ operator = \"sz(B)\", rate = 1 }}\n\
             [protocol]\nsteps = [{{ name = \"w\", evolve = 1, samples = 1 }}]\n[observe]\nquantities = [\"energy\", \"released\"]\n"
        )
    };
    let message = input::parse("turned", &text("n(B) + sx(B)"), &[]).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("no definite energy"), "{message}");
    close(last(&solve(&text("n(B) + bonds(sz, sz, B)")), "released"), 0.0);
}

/// A jump between levels takes their distance out of the battery.
#[test]
fn levels_release_what_lies_between_them() {
    let text = |operator: &str| {
        format!(
            "[subsystems]\nL = {{ levels = [0.0, 1.0, 1.7] }}\n[initial]\nL = \"level(2)\"\n\
             [channels]\nd = {{ operator = \"{operator}\", rate = 1 }}\n\
             [protocol]\nsteps = [{{ name = \"s\", evolve = 1, samples = 1 }}]\n\
             [observe]\nquantities = [\"energy\", \"released\"]\n"
        )
    };
    let table = solve(&text("|1><2|(L)"));
    close(last(&table, "released"), 0.7 * (1.0 - (-1f64).exp()));
    close(last(&table, "energy") + last(&table, "released"), 1.7);
    let both = input::parse("levels", &text("|0><1|(L) + |1><2|(L)"), &[]).map(|_| ()).unwrap_err().to_string();
    assert!(both.contains("no definite energy"), "{both}");
}

/// What is wrong is found where it is written, and said.
#[test]
fn mistakes_are_located() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, array: &Array2<f64>| ndarray_npy::write_npy(folder.path().join(name), array).unwrap();
    save("large.npy", &Array2::eye(8));
    let mut nan = Array2::<f64>::eye(4) / 4.0;
    nan[(0, 1)] = f64::NAN;
    save("nan.npy", &nan);
    save("doubled.npy", &(Array2::<f64>::eye(4) * 2.0));
    ndarray_npy::write_npy(folder.path().join("long.npy"), &Array1::<f64>::ones(4)).unwrap();
    let base = "[subsystems]\nB = { cells = 2, graph = \"linear\" }\nE = { spins = 3 }\nL = { levels = [0, 1, 3] }\nG = { cells = 64, graph = \"linear\" }\n";
    let end = "[protocol]\nsteps = [{ name = \"w\", evolve = 1, samples = 1 }]\n[observe]\nquantities = [\"energy\"]\n";
    let cases = [
        ("[battery]\nof = [\"B\"]\nhamiltonian = [\"sm(B)\"]\n", "sm(B)", "not Hermitian"),
        ("[battery]\nof = [\"B\"]\nhamiltonian = [\"n(E)\"]\n", "n(E)", "no part of the battery"),
        ("[battery]\nof = [\"B\"]\nhamiltonian = [\"cos(t)*n(B)\"]\n", "cos(t)*n(B)", "changes with time"),
        ("[battery]\nof = [\"B\"]\nhamiltonian = [\"sum(k in 0..2, n(B, k))\"]\n", "k", "k = 2"),
        ("[battery]\nof = [\"B\"]\nhamiltonian = [\"n(B)\"]\nzero = \"top\"\n", "top", "as written"),
        ("[battery]\nof = [\"B\"]\nzero = \"ground\"\n", "zero", "hamiltonian"),
        ("[initial]\nL = \"ket(0, 0, 0)\"\n", "ket", "norm 0"),
        ("[initial]\nL = \"ket(1, 0)\"\n", "ket", "2 amplitudes"),
        ("[initial]\nL = \"ghz\"\n", "ghz", "3 levels"),
        ("[initial]\nL = \"ground_state\"\n", "ground_state", "whole battery"),
        ("[initial]\nB = \"ground_state(H)\"\n[hamiltonian]\nterms = [\"sp(E)*sm(B) + sm(E)*sp(B)\"]\n", "H", "`E`"),
        ("[initial]\nB = \"w\"\njoint = { over = [\"B\", \"L\"], state = \"ghz\" }\n", "ghz", "3 levels"),
        ("[initial]\nB = \"w\"\njoint = { over = [\"B\"], state = \"ghz\" }\n", "B", "joint state too"),
        ("[initial]\njoint = { over = [\"B\"], file = \"large.npy\" }\n", "large.npy", "8 × 8"),
        ("[initial]\njoint = { over = [\"B\"], file = \"doubled.npy\" }\n", "doubled.npy", "trace is 8"),
        ("[initial]\njoint = { over = [\"B\"], file = \"long.npy\" }\n", "long.npy", "norm 2"),
        ("[initial]\njoint = { over = [\"B\"], file = \"none.npy\" }\n", "none.npy", "cannot be read"),
        ("[initial]\njoint = { over = [\"B\"] }\n", "{ over = [\"B\"] }", "in a file"),
        ("[space]\nat_most = 1.5\n", "1.5", "whole number"),
        ("[space]\nat_most = 1\nof = [\"Q\"]\n", "Q", "unknown subsystem"),
        ("[space]\nat_most = 1\n[initial]\nB = \"excited\"\n", "at_most", "up to 2 quanta"),
        ("[initial]\njoint = { over = [\"B\"], file = \"nan.npy\" }\n", "nan.npy", "differs from its adjoint"),
    ];
    let steps = |gate: &str| {
        format!("[protocol]\nsteps = [{{ unitary = {gate} }}, {{ name = \"w\", evolve = 1, samples = 1 }}]\n")
    };
    let asked = |table: &str| {
        format!(
            "[protocol]\nsteps = [{{ name = \"w\", evolve = 1, samples = 1 }}]\n[observe]\nquantities = [{table}]\n"
        )
    };
    let gates = [
        ("\"sm(B)\"", "sm(B)", "not Hermitian"),
        ("\"cos(t)*sx(B)\"", "cos(t)*sx(B)", "changes with time"),
        ("{ file = \"doubled.npy\", on = [\"B\"] }", "doubled.npy", "not unitary"),
        ("{ file = \"large.npy\", on = [\"B\"] }", "large.npy", "8 × 8"),
    ];
    let functions = [
        ("{ name = \"x\", ergotropy = [\"B:2\"] }", "B:2", "no cell 2"),
        ("{ name = \"x\", ergotropy = [\"E\"] }", "E", "ensemble"),
        ("{ name = \"x\", entropy = [\"L:0\"] }", "L:0", "no cells"),
        ("{ name = \"x\", entropy = [\"B\", \"B:0\"] }", "B:0", "twice"),
        ("{ name = \"x\", negativity = [\"B:0\", \"B:1\"] }", "B:0", "list"),
        ("{ name = \"x\", negativity = [[\"B:0\"], [\"B:0\"]] }", "B:0", "twice"),
        ("{ name = \"x\", fidelity = \"ghz\", of = [\"L\"] }", "ghz", "no pure state"),
        ("{ name = \"x\", state = [\"E\"] }", "E", "ensemble"),
        (
            "{ name = \"x\", state = [\"B\"] }, { name = \"x\", state = [\"L\"] }",
            "{ name = \"x\", state = [\"L\"] }",
            "two states",
        ),
        ("{ name = \"x\", fidelity = \"w\", of = [\"G\"] }", "[\"G\"]", "at most 1024"),
        ("{ name = \"x\" }", "{ name = \"x\" }", "asks for nothing"),
        ("{ name = \"x\", entropy = [\"B:0\"], ergotropy = [\"B:1\"] }", "entropy", "beside"),
        ("{ name = \"x\", entropy = [\"B:0\"], of = [\"B:1\"] }", "of", "belongs to"),
    ];
    let whole = cases.map(|(text, at, what)| (format!("{base}{text}{end}"), at, what)).into_iter();
    let with_gates = gates
        .map(|(gate, at, what)| (format!("{base}{}[observe]\nquantities = [\"energy\"]\n", steps(gate)), at, what));
    let with_functions = functions.map(|(table, at, what)| (format!("{base}{}", asked(table)), at, what));
    for (text, at, what) in whole.chain(with_gates).chain(with_functions) {
        let file = folder.path().join("wrong.toml");
        fs::write(&file, &text).unwrap();
        let error = input::read(&file, &[]).map(|_| ()).expect_err(&text);
        let message = error.to_string();
        assert!(message.contains(what) && message.contains("wrong.toml:"), "{text}\n{message}");
        assert_eq!(error.text().trim_matches('"'), at, "{message}");
    }
}
