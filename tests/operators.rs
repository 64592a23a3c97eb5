//! Hamiltonians spelt as products on one cell, spin, mode or multi-level system mean what the product is.

use leyden::exact;
use leyden::input::{self, Input};
use leyden::problem::Problem;
use leyden::stop::Stop;

fn read(text: &str) -> Problem {
    input::parse("case.toml", text, &[]).map(|input: Input| input.problem).unwrap_or_else(|e| panic!("{e}"))
}

/// The last value of each column.
fn last(problem: &Problem) -> Vec<(String, f64)> {
    let table = exact::solve(problem, None, &Stop::default()).unwrap_or_else(|e| panic!("{e}"));
    table.columns.iter().filter_map(|c| Some((c.name.clone(), *c.value.last()?))).collect()
}

/// The case gives these numbers (from matrices written down anew in another program, or closed forms), in its own spelling
/// and in the one that names the product.
fn check(text: &str, (spelt, named): (&str, &str), expected: &[(&str, f64)]) {
    let other = text.replace(spelt, named);
    assert_ne!(text, other, "the case holds {spelt}");
    for text in [text, &other] {
        let found = last(&read(text));
        for (column, value) in expected {
            let (_, got) = found.iter().find(|(name, _)| name == column).unwrap_or_else(|| panic!("{column}"));
            assert!((got - value).abs() < 6e-8, "{spelt}: {column} is {got}, expected {value}");
        }
    }
    // The same Hamiltonian times i is refused at the string.
    let turned = text.replace(&format!("\"{spelt}"), &format!("\"i*{spelt}"));
    let error = input::parse("case.toml", &turned, &[]).expect_err("not Hermitian");
    assert!(error.message.contains("not Hermitian") && error.place.is_some(), "{error}");
}

macro_rules! case {
    ($name:literal) => {
        include_str!(concat!("data/cases/hermitian_", $name, ".toml"))
    };
}

#[test]
fn products_on_one_cell() {
    check(case!("number_z"), ("0.6*n(B)*sz(B)", "0.6*n(B)"), &[("energy", 0.6213489)]);
    check(case!("pauli_product"), ("0.6*i*sx(B,0)*sy(B,0)", "-0.6*sz(B,0)"), &[("energy", 1.1178781)]);
    let string = "0.8*sx(B,0)*sy(B,0)*sz(B,0)*sx(B,1)*sz(B,0)*sy(B,1)";
    check(case!("majorana_string"), (string, "-0.8*sz(B,0)*sz(B,1)"), &[("energy", 0.3712660)]);
}

#[test]
fn products_of_one_mode() {
    let squared = [("energy_A", 0.9618657), ("energy_B", 1.0381343)];
    check(case!("number_product"), ("0.7*ad(A)*a(A)*n(A)", "0.7*n(A)^2"), &squared);
    let beyond = [("energy_A", 1.2314074), ("energy_B", 0.7685926)];
    check(case!("antinormal"), ("0.7*n(A)*a(A)*ad(A)", "0.7*n(A)*(n(A)+1)"), &beyond);
    check(case!("antinormal_quartic"), ("0.7*a(A)*ad(A)*ad(A)*a(A)", "0.7*n(A)*(n(A)+1)"), &beyond);
}

#[test]
fn products_of_a_spin_and_of_levels() {
    let symmetric = "0.2*(Sz(S)*Sp(S)*Sm(S) + Sp(S)*Sm(S)*Sz(S))";
    check(case!("spin_product"), ("0.4*Sz(S)*Sp(S)*Sm(S)", symmetric), &[("energy", 0.5810347)]);
    let spelt = "0.5*(|0><0|(L)*|0><1|(L) + |1><0|(L))";
    check(case!("level_product"), (spelt, "0.5*(|0><1|(L) + |1><0|(L))"), &[("energy", 0.2298488)]);
}

#[test]
fn a_cutoff_does_not_change_what_a_product_means() {
    // a a† on the highest of three levels is 3, not 0: with one quantum more than the cutoff keeps in reach of nothing else,
    // both spellings give the same matrix.
    let text = |term: &str| {
        format!(
            "[subsystems]\nA = {{ mode = 3 }}\n[initial]\nA = \"fock(2)\"\n[hamiltonian]\nterms = [\"{term}\", \"0.3*(a(A) + ad(A))\"]\n\
             [protocol]\nsteps = [ {{ name = \"turn\", evolve = 2.0, samples = 3 }} ]\n[observe]\nquantities = [\"energy\"]"
        )
    };
    let (spelt, named) = (
        last(&read(&text("0.5*a(A)*ad(A)"))),
        last(&read(&text("0.5*n(A) + 0.5*ad(A)^2*a(A)^2 - 0.5*n(A)^2 + 0.5*n(A)"))),
    );
    assert!((spelt[0].1 - named[0].1).abs() < 1e-12, "{spelt:?} {named:?}");
    let shifted = last(&read(&text("0.5*n(A)")));
    assert!((spelt[0].1 - shifted[0].1).abs() < 1e-12, "a constant in H changes nothing: {spelt:?} {shifted:?}");
}

#[test]
fn strings_over_many_cells_are_read_and_judged() {
    // Majorana operators of 10 cells: χ_2j = Π_{k<j} σz_k σx_j and χ_2j+1 with σy; i^(q/2) times a product of q is Hermitian.
    let majorana = |index: usize| {
        let chain: Vec<String> = (0..index / 2).map(|k| format!("sz(B,{k})")).collect();
        let end = format!("{}(B,{})", if index.is_multiple_of(2) { "sx" } else { "sy" }, index / 2);
        [chain, vec![end]].concat().join("*")
    };
    let product = |of: &[usize]| of.iter().map(|&index| majorana(index)).collect::<Vec<_>>().join("*");
    let text = |term: &str| {
        format!(
            "[subsystems]\nB = {{ cells = 10, graph = \"none\" }}\n[hamiltonian]\nterms = [\"{term}\"]\n\
             [protocol]\nsteps = [ {{ name = \"turn\", evolve = 0.1, samples = 1 }} ]\n[observe]\nquantities = [\"energy\"]"
        )
    };
    for (factor, of) in [
        ("0.3", vec![0, 7, 12, 19]),
        ("0.3*i", vec![1, 2, 9, 10, 17, 18]),
        ("0.3", vec![0, 1, 2, 3, 4, 5, 14, 15, 16, 17, 18, 19]),
        ("0.3*i", (0..20).filter(|index| index % 2 == 0).collect()),
    ] {
        let term = format!("{factor}*{}", product(&of));
        let problem = read(&text(&term));
        assert_eq!(problem.hamiltonian().terms.len(), 1, "one string");
        assert!(problem.hamiltonian().terms[0].factors.len() <= 10, "at most one operator for each cell");
        let error = input::parse("case.toml", &text(&format!("i*{term}")), &[]).expect_err("not Hermitian");
        assert!(error.message.contains("not Hermitian"), "{error}");
    }
    let all = (0..10).map(|k| format!("{}(B,{k})", ["sx", "sy"][k % 2])).collect::<Vec<_>>().join("*");
    // (σxσyσx…)² = 1: from |g…g⟩ to |e…e⟩ and back.
    let energy = last(&read(&text(&all)))[0].1;
    assert!((energy - 10.0 * 0.1f64.sin().powi(2)).abs() < 1e-9, "{energy}");
}

#[test]
fn a_battery_charged_by_as_many_photons_as_it_has_cells_needs_no_higher_cutoff() {
    let problem = read(include_str!("data/cases/dicke_cutoff.toml"));
    let mode = problem.subsystem_id("A").unwrap();
    assert_eq!(problem.most_quanta(mode), 5.0);
    assert!(problem.cutoff_is_exact(mode));
    // From matrices with cutoffs 6 and 8 in another program.
    let found = last(&problem);
    let (_, energy) = found.iter().find(|(name, _)| name == "energy").unwrap();
    assert!((energy - 4.01532012426196).abs() < 1e-9, "{energy}");
}

#[test]
fn what_cannot_be_named_or_held_is_refused_in_its_place() {
    for (text, message) in [
        (include_str!("data/cases/nul_title.toml"), "control character"),
        (include_str!("data/cases/many_rows.toml"), "more than 2 GB"),
        (include_str!("data/cases/channel_names.toml"), "a_se"),
    ] {
        let error = input::parse("case.toml", text, &[]).expect_err(message);
        assert!(error.message.contains(message) && error.place.is_some(), "{error}");
    }
}
