//! Two-time correlations against numbers made by other programs (tests/data), against the full space, which shares no code
//! with the blocks, and against closed forms.

mod common;

use common::{numbers, reference};
use leyden::exact::{self, naive};
use leyden::input::{self, Input, InputError};
use leyden::prelude::*;
use leyden::problem::even_rows;
use leyden::space::choose::Representation;
use num_complex::Complex64;

fn read(text: &str) -> Input {
    input::parse("correlations.toml", text, &[]).unwrap_or_else(|e| panic!("{e}"))
}

/// All correlations of an input.
fn solved(text: &str) -> Vec<Vec<Complex64>> {
    let input = read(text);
    let one =
        |(name, of): &(String, Correlation)| correlation(&input.problem, of).unwrap_or_else(|e| panic!("{name}: {e}"));
    input.correlations.iter().map(one).collect()
}

#[track_caller]
fn close(found: &[Complex64], expected: &[Complex64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (k, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).norm() <= tolerance, "{what} at {k}: {a} instead of {b}, off by {:.1e}", (a - b).norm());
    }
}

#[test]
fn a_kerr_oscillator_remembers_its_field() {
    let data = reference("L_observables_kerr");
    let found = solved(
        r#"
        [subsystems]
        A = { mode = 20 }
        [hamiltonian]
        terms = ["0.3*ad(A)*ad(A)*a(A)*a(A)", "0.9*(a(A) + ad(A))"]
        [channels]
        loss = { operator = "a(A)", rate = 1.0 }
        [protocol]
        steps = [ { name = "drive", evolve = 1.0, samples = 1 } ]
        [observe]
        quantities = ["photons"]
        [correlations]
        g1 = { a = "ad(A)", b = "a(A)", from = "steady", until = 8, samples = 40 }
        g2 = { a = "n(A)", b = "a(A)", c = "ad(A)", from = "steady", times = [0.0], normalised = true }
        "#,
    );
    let theirs = &data["correlation"];
    let expected: Vec<Complex64> =
        numbers(&theirs["re"]).into_iter().zip(numbers(&theirs["im"])).map(|(re, im)| Complex64::new(re, im)).collect();
    close(&found[0], &expected, 1e-9, "⟨a†(τ)a⟩");
    close(&found[1], &[data["scalars"]["steady_g2"].as_f64().unwrap().into()], 1e-9, "g2(0)");
}

const FLUORESCENCE: &str = r#"
    [parameters]
    Omega = 1.0
    delta = 0.0
    gamma = 1.0
    tau_end = 15.0
    tau_samples = 60
    [subsystems]
    B = { cell = true }
    [hamiltonian]
    terms = ["Omega/2*sx(B)", "delta*n(B)"]
    [channels]
    light = { operator = "sm(B)", rate = "gamma" }
    [protocol]
    steps = [ { name = "shine", evolve = 1.0, samples = 1 } ]
    [observe]
    quantities = ["energy"]
    [correlations]
    g2 = { a = "n(B)", b = "sm(B)", c = "sp(B)", from = "steady", until = "tau_end", samples = "tau_samples", normalised = true }
"#;

#[test]
fn photons_of_one_cell_come_one_by_one() {
    for name in ["L_shots_fluorescence", "L_shots_fluorescence_detuned"] {
        let data = reference(name);
        let given = |name: &str| (name.to_owned(), data["params"][name].to_string());
        let overrides = ["Omega", "delta", "gamma", "tau_end", "tau_samples"].map(given);
        let input = input::parse("fluorescence", FLUORESCENCE, &overrides).unwrap_or_else(|e| panic!("{e}"));
        let expected: Vec<Complex64> = numbers(&data["waiting"]["g2"]).into_iter().map(Complex64::from).collect();
        assert!(expected.len() > 50);
        close(&correlation(&input.problem, &input.correlations[0].1).unwrap(), &expected, 1e-9, name);
    }
}

/// The variance of a count in a long time grows by r + 2∫(G₂ − r²)dτ a unit of time, r the rate of counts and
/// G₂ = r²g₂(τ) the rate of pairs: photons that keep apart are counted with less noise than by chance.
#[test]
fn correlations_give_the_noise_of_counts() {
    let data = reference("L_shots_fluorescence");
    let (windows, variances) = (numbers(&data["params"]["Ts"]), numbers(&data["observables"]["counts_var"]));
    let [before, last] = [windows.len() - 2, windows.len() - 1];
    let growth = (variances[last] - variances[before]) / (windows[last] - windows[before]);
    let rate = 1.0 / 3.0;
    let overrides = [("tau_end".to_owned(), "80".to_owned()), ("tau_samples".to_owned(), "4000".to_owned())];
    let input = input::parse("fluorescence", FLUORESCENCE, &overrides).unwrap_or_else(|e| panic!("{e}"));
    let g2 = correlation(&input.problem, &input.correlations[0].1).unwrap();
    // By Simpson's rule.
    let weight = |k: usize| if k == 0 || k == 4000 { 1.0 } else { (2 + 2 * (k % 2)) as f64 };
    let excess: f64 = g2.iter().enumerate().map(|(k, g)| weight(k) * (g.re - 1.0) * 0.02 / 3.0).sum();
    let found = rate + 2.0 * rate * rate * excess;
    assert!((found - growth).abs() < 1e-6, "{found} instead of {growth}");
    assert!(growth < 0.5 * rate, "a process without correlations would do as well");
}

/// Every correlation of `text` in the smallest representation, and in `also`, against the full space.
#[track_caller]
fn as_in_the_full_space(text: &str, also: &[Representation], tolerance: f64) {
    let input = read(text);
    assert!(!input.correlations.is_empty());
    for (name, of) in &input.correlations {
        let expected = naive::correlation(&input.problem, of).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(expected.iter().any(|x| x.norm() > 1e-2), "{name} is nothing: {expected:?}");
        // All quanta and none of them at once: no charge is left.
        let also = also.iter().copied().filter(|r| !(name == "both" && *r == Representation::Sectors));
        for representation in std::iter::once(None).chain(also.map(Some)) {
            let found = exact::correlation(&input.problem, of, representation, &Stop::default());
            let what = format!("{name} in {representation:?}");
            close(&found.unwrap_or_else(|e| panic!("{what}: {e}")), &expected, tolerance, &what);
        }
    }
}

const ENSEMBLE: &str = r#"
    [subsystems]
    B = { spins = 3 }
    [initial]
    B = "cell(0.7, 0.2 + 0.1*i)"
    [hamiltonian]
    terms = ["0.8*n(B) + 0.3*sx(B) + 0.1*sz(B)*sz(B)"]
    [channels]
    loss = { each = "sm(B)", rate = 0.4 }
    pump = { each = "sp(B)", rate = 0.1 }
    noise = { each = "sz(B)", rate = 0.05 }
    release = { operator = "sm(B) + 0.2*sz(B)", rate = 0.3, only = ["second"] }
    [protocol]
    repeat = REPEAT
    steps = [
        { pulse = "rotate(B, y, 0.7)" },
        { name = "first", evolve = 0.6, samples = 2 },
        { pulse = "rotate(B, x, 1.1)" },
        { name = "second", evolve = 0.9, samples = 2 },
        { pulse = "rotate(B, x, pi)" },
    ]
    [observe]
    quantities = ["energy", "coherence"]
    [correlations]
"#;

#[test]
fn ensembles_as_in_the_full_space() {
    let asked = r#"
        field = { a = "sp(B)", b = "sm(B)", from = "end", until = 2, samples = 4 }
        light = { a = "n(B)", b = "sm(B)", c = "sp(B)", from = "start", times = [0, 0.3, 2.5], normalised = true }
        axes  = { a = "sx(B) + 2*i*sy(B)", b = "sz(B)*sm(B)", c = "sx(B)", from = "end", step = "first", times = [0.2, 0.9] }
        inversion = { a = "Sz(B)", b = "Sz(B)", from = "start", step = "first", times = [0.0, 0.7], normalised = true }
    "#;
    let text = ENSEMBLE.replace("REPEAT", "2") + asked;
    as_in_the_full_space(&text, &[Representation::Symmetric, Representation::Ladder, Representation::Full], 1e-10);
    let steady = asked.replace("\"end\"", "\"steady\"").replace("\"start\"", "\"steady\"");
    let text = ENSEMBLE.replace("REPEAT", "1") + &steady;
    as_in_the_full_space(&text, &[Representation::Full], 1e-7);
}

/// Quanta are conserved: B leads out of the blocks of ρ, and A back.
#[test]
fn charges_as_in_the_full_space() {
    let text = r#"
        [subsystems]
        B = { spins = 2 }
        A = { mode = 4 }
        [initial]
        B = "thermal(0.4)"
        A = "fock(2)"
        [hamiltonian]
        terms = ["0.9*n(A) + 0.7*n(B)", "0.5*(ad(A)*sm(B) + a(A)*sp(B))"]
        [channels]
        leak = { operator = "a(A)", rate = 0.3 }
        gain = { operator = "ad(A)", rate = 0.1 }
        loss = { each = "sm(B)", rate = 0.2 }
        [protocol]
        steps = [ { name = "wait", evolve = 1.5, samples = 2 } ]
        [observe]
        quantities = ["energy"]
        [correlations]
        g1    = { a = "ad(A)", b = "a(A)", from = "WHEN", until = 3, samples = 3 }
        cross = { a = "sp(B)", b = "a(A)", from = "WHEN", until = 3, samples = 3 }
        both  = { a = "ad(A) + sp(B) + n(B)", b = "a(A) + 0.5*sm(B) + n(A)", from = "WHEN", until = 3, samples = 3 }
        g2    = { a = "n(A)", b = "a(A)", c = "ad(A)", from = "WHEN", until = 3, samples = 3, normalised = true }
        pairs = { a = "ad(A)*ad(A)", b = "a(A)", c = "sm(B)*n(A)", from = "WHEN", until = 3, samples = 3 }
        level = { a = "a(A)*ad(A)", b = "a(A)*ad(A)", from = "WHEN", times = [0.0, 1.0] }
    "#;
    let also = [Representation::Symmetric, Representation::Sectors, Representation::Full];
    as_in_the_full_space(&text.replace("WHEN", "end"), &also, 1e-10);
    let steady = text.replace("spins = 2", "spins = 1").replace("mode = 4", "mode = 3").replace("fock(2)", "fock(1)");
    let steady: String = steady.lines().filter(|line| !line.contains("pairs")).flat_map(|line| [line, "\n"]).collect();
    as_in_the_full_space(&steady.replace("WHEN", "steady"), &also[1..], 1e-7);
}

#[test]
fn networks_and_levels_as_in_the_full_space() {
    let text = r#"
        [subsystems]
        W = { cells = 3, graph = "linear" }
        L = { levels = [0.0, 1.0, 3.0] }
        [initial]
        W = "excited"
        L = "populations(0.5, 0.3, 0.2)"
        [hamiltonian]
        terms = ["0.6*hop(W)", "0.4*(|1><0|(L)*sm(W, 1) + |0><1|(L)*sp(W, 1))", "0.5*n(W, 0) + 3*|2><2|(L)"]
        [drives]
        push = { operator = "n(W, 2)", envelope = "0.7" }
        early = { operator = "sx(W)", envelope = "cosine(1, 2, 0)", only = ["before"] }
        [channels]
        decay = { correlated = "sm(W)", rate = 0.5, edge = 0.3 }
        heat  = { operator = "|2><0|(L)", rate = 0.3 }
        cool  = { operator = "|1><2|(L)", rate = 0.4 }
        [protocol]
        steps = [
            { name = "before", evolve = 0.4, samples = 1 },
            { reset = "L", to = "level(1)" },
            { name = "after", evolve = 0.8, samples = 2 },
        ]
        [observe]
        quantities = ["energy"]
        [correlations]
        along = { a = "sp(W, 0)", b = "sm(W, 2)", from = "end", until = 4, samples = 4 }
        third = { a = "n(W, 1)", b = "sm(W, 0)", c = "sp(W, 0)", from = "start", until = 4, samples = 4, normalised = true }
        cross = { a = "|1><0|(L)", b = "sm(W, 1)", from = "end", until = 4, samples = 4 }
    "#;
    as_in_the_full_space(text, &[Representation::Full], 1e-10);
    // Without the early drive quanta are conserved: sectors carry it.
    let text: String = text.lines().filter(|line| !line.contains("early =")).flat_map(|line| [line, "\n"]).collect();
    as_in_the_full_space(&text, &[Representation::Sectors, Representation::Full], 1e-10);
}

/// ⟨a†(t+τ)a(t)⟩ = n₀ e^{−κt} e^{iωτ − κτ/2} in a mode, and N e^{−γt} e^{iωτ − γτ/2} of cells that decay by themselves.
#[test]
fn decay_has_a_closed_form() {
    let (omega, kappa, t): (f64, f64, f64) = (2.0, 0.7, 0.4);
    let delays = even_rows(3.0, 6);
    let expected = |size: f64| -> Vec<Complex64> {
        let at = |tau: &f64| size * (-kappa * t).exp() * Complex64::new(-0.5 * kappa * tau, omega * tau).exp();
        delays.iter().map(at).collect()
    };
    let mut p = Problem::builder("a mode");
    let m = p.subsystem("A", Kind::Mode { cutoff: 5 }, 1.0);
    p.initial(m, Initial::Fock(3)).hamiltonian(n(m) * omega).collective("loss", a(m), kappa);
    p.evolve("wait", t, 1).observe([Quantity::Energy]);
    let problem = p.build().unwrap();
    let g1 = Correlation { from: When::End, ..Correlation::new(ad(m), a(m), delays.clone()) };
    close(&correlation(&problem, &g1).unwrap(), &expected(3.0), 1e-12, "a mode");
    // What shifts the number of quanta and is not undone is 0, to the last digit.
    for (later, sooner) in [(a(m), a(m)), (n(m), a(m)), (ad(m), a(m) * a(m))] {
        let odd = Correlation { from: When::End, ..Correlation::new(later, sooner, delays.clone()) };
        assert!(correlation(&problem, &odd).unwrap().iter().all(|c| *c == Complex64::ZERO));
        let divided = correlation(&problem, &Correlation { normalised: true, ..odd }).unwrap();
        assert!(divided.iter().all(|c| c.is_nan()), "0/0 is an empty cell: {divided:?}");
    }
    // However small B is.
    let small = Correlation { b: a(m) * 1e-200, ..g1 };
    let found: Vec<Complex64> = correlation(&problem, &small).unwrap().iter().map(|c| c * 1e200).collect();
    close(&found, &expected(3.0), 1e-12, "a small operator");

    // 140 cells: permutation symmetry and quanta leave some 10⁴ numbers of 4¹⁴⁰.
    let mut p = Problem::builder("cells");
    let b = p.ensemble("B", 140, 1.0);
    p.initial(b, Initial::Excited).hamiltonian(n(b) * omega).each("loss", b, sm(b), kappa);
    p.evolve("wait", t, 1).observe([Quantity::Energy]);
    let problem = p.build().unwrap();
    let field = Correlation { from: When::End, ..Correlation::new(sp(b), sm(b), delays.clone()) };
    close(&correlation(&problem, &field).unwrap(), &expected(140.0), 1e-9, "140 cells");
}

/// The message, its line, and what it points at.
#[track_caller]
fn refused(section: &str, says: &str, at: &str) {
    let text = format!(
        "[subsystems]\nB = {{ spins = 2 }}\nA = {{ mode = 3 }}\n[hamiltonian]\nterms = [\"n(B)\"]\n\
         [drives]\npush = {{ operator = \"sx(B)\", envelope = \"0.1*t\", only = [\"drive\"] }}\n\
         [channels]\nloss = {{ each = \"sm(B)\", rate = \"1 + time\", only = [\"fade\"] }}\n\
         [protocol]\nrepeat = 2\nsteps = [ {{ name = \"drive\", evolve = 1, samples = 1 }}, \
         {{ name = \"fade\", evolve = 1, samples = 1 }}, {{ name = \"wait\", evolve = 1, samples = 1 }} ]\n\
         [observe]\nquantities = [\"energy\"]\n[correlations]\n{section}\n"
    );
    let error: InputError = input::parse("refused.toml", &text, &[]).expect_err(section);
    assert!(error.to_string().contains(says), "{section}: `{says}` is not in\n{error}");
    assert_eq!(error.text(), at, "{error}");
    assert!(error.place.is_some_and(|place| place.line == Some(16)), "{section}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let times = "times = [0, 1]";
    refused("g = 3", "an integer", "3");
    refused("2g = { }", "", "2g");
    refused(&format!("g = {{ a = \"n(B)\", b = \"n(B)\", frm = \"end\", {times} }}"), "did you mean `from`?", "frm");
    refused(&format!("g = {{ b = \"n(B)\", from = \"end\", {times} }}"), "has no `a`", "g");
    refused(&format!("g = {{ a = \"n(B)\", b = \"n(B)\", {times} }}"), "has no `from`", "g");
    refused(&format!("g = {{ a = \"n(B)\", b = \"n(C)\", from = \"end\", {times} }}"), "C", "C");
    refused(&format!("g = {{ a = \"n(B)\", b = \"a(B)\", from = \"end\", {times} }}"), "cannot act on `B`", "a(B)");
    refused(&format!("g = {{ a = \"n(B)\", b = \"2\", from = \"end\", {times} }}"), "a number, not an operator", "2");
    refused(&format!("g = {{ a = \"t*n(B)\", b = \"n(B)\", from = \"end\", {times} }}"), "changes with time", "t*n(B)");
    refused(
        &format!("g = {{ a = \"n(B)\", b = \"n(B)\", from = \"now\", {times} }}"),
        "`steady`, `start`, `end`",
        "now",
    );
    refused(
        &format!("g = {{ a = \"n(B)\", b = \"n(B)\", from = \"steady\", {times} }}"),
        "settles in a cycle",
        "steady",
    );
    let steady = format!("g = {{ a = \"n(B)\", b = \"n(B)\", from = \"steady\", step = \"wait\", {times} }}");
    refused(&steady, "settles in a cycle", "steady");
    let with = |rest: &str| format!("g = {{ a = \"n(B)\", b = \"n(B)\", from = \"end\", {rest} }}");
    refused(&with("step = \"wiat\", times = [1]"), "did you mean `wait`?", "wiat");
    refused(&with("step = \"drive\", times = [1]"), "changes with time, by drive push", "\"drive\"");
    refused(&with("step = \"fade\", times = [1]"), "changes with time, by channel loss", "\"fade\"");
    refused(&with("times = [0, 1, 1]"), "a delay is 1", "1");
    refused(&with("times = [-1, 1]"), "a number ≥ 0", "-1");
    refused(&with("times = []"), "no delay", "[]");
    refused(&with("samples = 5"), "without `until`", "samples");
    refused(&with("normalised = true"), "until = 5.0", "g");
    refused(&with("until = 0, samples = 5"), "> 0", "0");
    refused(&with("until = 5, samples = 100000"), "from 1 to 99999", "100000");
    refused(&with("until = 5, times = [1]"), "beside `until`", "times");
    refused(&with("times = [1], normalised = \"yes\""), "`true` or `false`", "\"yes\"");
}
