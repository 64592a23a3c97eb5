//! The input language by its rules: what is understood, what is refused, and where the mistake is shown.

use super::*;
use crate::problem::*;
use std::f64::consts::PI;

const B: SubsystemId = SubsystemId::new(0);
const C: SubsystemId = SubsystemId::new(1);
const E: SubsystemId = SubsystemId::new(2);
const W: SubsystemId = SubsystemId::new(3);

const AGING: &str = include_str!("../../examples/aging.toml");
const RELEASE: &str = include_str!("../../examples/aging_release.toml");

/// A problem with one subsystem of every kind; `@` marks where tests put things.
const MIXED: &str = r#"
[parameters]
g = 0.5
shape = "circular"
J = "2*g + 1"
[subsystems]
B = { spins = 4 }
C = { mode = 6, energy = 0.0 }
E = { levels = [0.0, "g", 2.0] }
W = { cells = 3, graph = "shape" }
Q = { cell = true }
[hamiltonian]
terms = ["H"]
[channels]
loss = { operator = "L", rate = 1.0 }
[protocol]
steps = [ { name = "run", evolve = 1.0, samples = 2 } ]
[observe]
quantities = ["energy"]
"#;

fn options(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn edited(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in the text");
    text.replacen(from, to, 1)
}

/// The error that aging.toml gives after one edit.
#[track_caller]
fn wrong(from: &str, to: &str) -> InputError {
    parse("aging.toml", &edited(AGING, from, to), &[]).expect_err(to)
}

/// Check the offending text, a part of the message and a part of what was expected.
#[track_caller]
fn refused(from: &str, to: &str, text: &str, message: &str, expected: &str) {
    check(wrong(from, to), text, message, expected);
}

#[track_caller]
fn check(error: InputError, text: &str, message: &str, expected: &str) {
    assert_eq!(error.text(), text, "{error}");
    assert!(error.message.contains(message) && error.expected.contains(expected), "{error}");
}

fn mixed(hamiltonian: &str, operator: &str) -> Result<Problem, InputError> {
    let text = edited(&edited(MIXED, "\"H\"", &format!("\"{hamiltonian}\"")), "\"L\"", &format!("\"{operator}\""));
    parse("mixed.toml", &text, &[]).map(|input| input.problem)
}

fn operator(text: &str) -> OpSum {
    mixed("n(B)", text).unwrap_or_else(|e| panic!("{e}")).channels[0].operator.clone()
}

#[track_caller]
fn refused_operator(operator: &str, text: &str, message: &str, expected: &str) {
    check(mixed("n(B)", operator).expect_err(operator), text, message, expected);
}

fn of(subsystem: SubsystemId, op: Op) -> OpSum {
    OpSum::of(subsystem, op)
}

fn on(subsystem: SubsystemId, site: usize, op: Op) -> OpSum {
    OpSum::from_factor(Factor { subsystem, site: Some(site), op })
}

#[test]
fn aging_is_the_problem_of_the_typed_builder() {
    let mut p = Problem::builder("Aging of a quantum battery");
    let b = p.ensemble("B", 140, 1.0);
    p.each("loss", b, sm(b), 1.0);
    p.collective("release", sm(b), 1600.0).only(["discharge"]);
    p.each("dephasing", b, sz(b), 0.0).each("pump", b, sp(b), 0.0);
    p.rotate(b, Axis::X, PI).evolve("storage", 0.0187, 5).evolve("discharge", 0.0187, 5).repeat(30);
    p.observe([Quantity::Magnetisation(b), Quantity::SpinLength(b), Quantity::Energy, Quantity::EnergyVariance]);
    p.observe([Quantity::Ergotropy, Quantity::Released(None)]).observe((0..4).map(ChannelId::new).map(Quantity::Jumps));
    let input = parse("aging.toml", AGING, &[]).unwrap();
    assert_eq!(input.problem, p.build().unwrap());
    assert_eq!(input.run, RunSettings { trajectories: 10_000, seed: 1, shots: true });
    assert_eq!(input.parameters[2], ("Gamma".into(), Value::Number(1600.0)));
    let names: Vec<&str> = input.parameters.iter().map(|(name, _)| name.as_str()).collect();
    let expected = "N gamma Gamma tau_s tau_d cycles gamma_phi gamma_up omega samples";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn the_verify_section_is_a_smaller_problem() {
    let input = parse("aging.toml", AGING, &options(&[("gamma", "3")])).unwrap();
    let small = input.at_verify_size().unwrap();
    assert_eq!(small.problem.subsystems[0].cells(), 10);
    assert_eq!((small.problem.protocol.repeat, small.problem.protocol.row_count()), (3, 18));
    assert_eq!(small.run.trajectories, 20_000);
    assert_eq!(small.problem.channels[0].rate, 3.0, "the command line goes before");
    let larger = parse("aging.toml", AGING, &options(&[("N", "12")])).unwrap().at_verify_size().unwrap();
    assert_eq!((larger.problem.subsystems[0].cells(), larger.problem.protocol.repeat), (12, 3));
    let verify = options(&[("N", "10"), ("cycles", "3"), ("samples", "2"), ("trajectories", "20000")]);
    assert_eq!(input.verify, verify);
    refused("\nN = 10\n", "\nNN = 10\n", "NN", "unknown parameter `NN`", "did you mean `N`?");
    refused("\nN = 10\n", "\nN = 0\n", "0", "the number of spins of B is 0", "from 1 to");
    refused("trajectories = 20000", "trajectories = 0.5", "0.5", "trajectories is 0.5", "from 1 to");
}

#[test]
fn the_other_shipped_input_is_read_from_its_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/aging_release.toml");
    let input = read(&path, &[]).unwrap();
    assert_eq!(input.text, RELEASE);
    assert_eq!(input.problem.protocol.name(StepId::new(2)), "release");
    assert!(input.at_verify_size().is_ok());
    let missing = read(Path::new("no/such.toml"), &[]).unwrap_err();
    assert!(missing.to_string().starts_with("error: the file cannot be read"), "{missing}");
}

#[test]
fn messages_print_the_place() {
    let error = wrong("1600*gamma\"   ", "1600*gama\"   ");
    let expected = "\
error: unknown parameter `gama`
  --> aging.toml:7:15
   |
 7 | Gamma = \"1600*gama\"       # collective release
   |               ^^^^ expected a parameter; did you mean `gamma`?";
    assert_eq!(error.to_string(), expected);

    let error = parse("aging.toml", AGING, &options(&[("Gama", "3")])).unwrap_err();
    let expected = "\
error: unknown parameter `Gama`
  --> command line
   |
   | -p Gama=3
   |    ^^^^ expected a parameter; did you mean `Gamma`?";
    assert_eq!(error.to_string(), expected);

    let error = wrong("rate = \"gamma_up\"", "rat = \"gamma_up\"");
    let expected = "\
error: unknown key of a channel `rat`
   --> aging.toml:32:31
    |
 32 | pump      = { each = \"sp(B)\", rat = \"gamma_up\" }
    |                               ^^^ expected a key of a channel; did you mean `rate`?";
    assert_eq!(error.to_string(), expected);

    let error = parse("empty.toml", "title = 'x'", &[]).unwrap_err();
    let expected = "\
error: there is no [subsystems]
  --> empty.toml:1:12
   |
 1 | title = 'x'
   |            ^ expected `[subsystems]` with, say, `B = { spins = 10, energy = 1.0 }`";
    assert_eq!(error.to_string(), expected);

    let long = format!("{} = 1", "x".repeat(5000));
    let error = parse("long.toml", &long, &[]).unwrap_err();
    assert!(error.to_string().lines().skip(3).all(|line| line.chars().count() < 400), "{error}");
}

#[test]
fn parameters_depend_on_each_other_in_any_order() {
    let text = edited(AGING, "N = 140", "late = \"2^-1*(N/4 - 5)*min(3, 7, 4) + max(1, 2)*sqrt(4)\"\nN = 140");
    let value = |text: &str, name: &str, set: &[(&str, &str)]| {
        let input = parse("aging.toml", text, &options(set)).unwrap();
        input.parameters.iter().find(|(n, _)| n == name).unwrap().1.clone()
    };
    assert_eq!(value(&text, "late", &[]), Value::Number(49.0));
    assert_eq!(value(AGING, "Gamma", &[("gamma", "2")]), Value::Number(3200.0));
    assert_eq!(value(AGING, "Gamma", &[("Gamma", "7"), ("gamma", "2")]), Value::Number(7.0));
    assert_eq!(value(AGING, "tau_s", &[("tau_s", "2*tau_d")]), Value::Number(0.0374));
    assert_eq!(value(AGING, "tau_s", &[("tau_s", "-2^2 + 1_0*.5 − 1e-1*ln(exp(1))")]), Value::Number(0.9));
    assert_eq!(
        value(MIXED.replace("\"H\"", "").replace("\"L\"", "\"sm(B)\"").as_str(), "shape", &[("shape", "linear")]),
        Value::Word("linear".into())
    );

    check(
        wrong("gamma = 1.0 ", "gamma = \"2*Gamma\" "),
        "Gamma",
        "parameters depend on each other: gamma → Gamma → gamma",
        "",
    );
    check(wrong("N = 140", "N = \"N\""), "N", "N → N", "");
    let cycle = parse("aging.toml", AGING, &options(&[("gamma", "Gamma/2")])).unwrap_err();
    assert_eq!((cycle.text().as_str(), cycle.file.as_str()), ("Gamma", "command line"));
}

#[test]
fn numbers_are_checked_where_they_were_set() {
    refused("N = 140", "N = 140.5", "140.5", "the number of spins of B is 140.5", "a whole number from 1 to");
    refused("N = 140", "N = 0", "0", "the number of spins of B is 0", "from 1 to");
    refused("N = 140", "N = -3", "-3", "is -3", "from 1 to");
    refused("N = 140", "N = 1e30", "1e30", "is 1e30", "from 1 to 50000000");
    refused("spins = \"N\"", "spins = \"N/3\"", "N/3", "the number of spins of B is 46.6", "");
    refused("cycles = 30", "cycles = 0", "0", "the number of cycles is 0", "from 1 to");
    refused("cycles = 30", "cycles = 9_000_000", "\"cycles\"", "more than 10000000 output rows", "fewer cycles");
    refused("samples = 5 ", "samples = 0 ", "0", "the number of samples is 0", "from 1 to");
    refused("gamma_up = 0.0", "gamma_up = -1", "-1", "the rate of channel pump is -1", "≥ 0");
    refused("tau_s = 0.0187", "tau_s = -0.1", "-0.1", "the duration of step storage is -0.1", "≥ 0");
    refused("omega = 1.0", "omega = nan", "nan", "`omega` is nan", "finite");
    refused("omega = 1.0", "omega = -inf", "-inf", "`omega` is -inf", "finite");
    refused("omega = 1.0", "omega = 1e400", "1e400", "`omega` is 1e400", "finite");
    refused("omega = 1.0", "omega = \"1e400\"", "1e400", "not a finite number", "");
    refused("omega = 1.0", "omega = \"1/(N-140)\"", "1/(N-140)", "this is inf", "a finite number");
    refused("omega = 1.0", "omega = \"2 + sqrt(-N)\"", "sqrt(-N)", "this is NaN", "a finite number");
    refused("omega = 1.0", "omega = true", "true", "`omega` is a boolean", "a number");
    refused("seed = 1", "seed = -1", "-1", "the seed is -1", "from 0 to");
    assert!(parse("aging.toml", &edited(AGING, "N = 140", "N = 140.0"), &[]).is_ok());
    assert!(parse("aging.toml", &edited(AGING, "N = 140", "N = \"14/0.1\""), &[]).is_ok());
    let option = |name: &str, value: &str| parse("aging.toml", AGING, &options(&[(name, value)])).unwrap_err();
    check(option("N", "0"), "0", "the number of spins of B is 0", "from 1 to");
    check(option("N", "many"), "many", "`N` is the word `many`, not a number", "in the file it is 140");
    check(option("N", "inf"), "inf", "`inf` is not a finite number", "");
    check(option("N", "1e999"), "1e999", "not a finite number", "");
    check(option("é", "é"), "é", "unknown parameter `é`", "one of `N`, `gamma`");
    check(option("N", "\n+\u{1b}"), "\u{fffd}", "unexpected `\\u{1b}`", "a number");
    check(option("N", ""), "", "an empty expression", "");
    check(parse("aging.toml", AGING, &options(&[("N", "1"), ("N", "2")])).unwrap_err(), "N", "set twice", "");
    let text = MIXED.replace("\"H\"", "").replace("\"L\"", "\"sm(B)\"");
    check(parse("m", &text, &options(&[("shape", "3")])).unwrap_err(), "3", "`shape` is a number here", "`circular`");
    check(parse("m", &text, &options(&[("shape", "linea")])).unwrap_err(), "linea", "unknown graph", "`linear`");
}

#[test]
fn expressions_are_shown_inside_their_strings() {
    refused("1600*gamma", "1600*", "", "stops short", "a number, a name or `(`");
    refused("1600*gamma", "1600 gamma", "gamma", "nothing between `1600` and `gamma`", "`1600*gamma`");
    refused("1600*gamma", "(1600*gamma", "", "stops short", "`)`");
    refused("1600*gamma", "16#gamma", "#", "unexpected `#`", "an operator");
    refused("1600*gamma", "1600*squirt(gamma)", "squirt", "unknown function `squirt`", "did you mean `sqrt`?");
    refused("1600*gamma", "1600*sqrt(gamma, 2)", "sqrt", "given 2 arguments", "one");
    refused("1600*gamma", "1600*sm(B)", "sm", "cannot stand where a number", "");
    refused("1600*gamma", "2*i", "i", "imaginary unit", "real");
    refused("1600*gamma", "1600**gamma", "**", "`**` is no operator", "`^` for a power, as in `1600^2`");
    refused("1600*gamma", "1600 + 2j", "2j", "`2j` is no number", "`2*i`");
    refused("\"1600*gamma\"", "1600*gamma", "1600*gamma", "is not in quotes", "`\"1600*gamma\"`");
    refused("\"1600*gamma\"", "", "", "`Gamma` has no value", "in quotes");
    refused(
        "Gamma = \"1600*gamma\"",
        "Gamma = \"gama\"",
        "gama",
        "`Gamma` is the word `gama`",
        "did you mean `gamma`?",
    );
    refused("\"1600*gamma\"", "\"\"\"1600*\ngama\"\"\"", "\"\"\"1600*", "unknown parameter `gama`", "");
    refused("\"1600*gamma\"", "\"1600\\u002agama\"", "\"1600\\u002agama\"", "unknown parameter `gama`", "");
    refused("\"1600*gamma\"", "'1600*gama'", "gama", "unknown parameter `gama`", "");
    refused("1600*gamma", &"(".repeat(500), "(", "too many parentheses", "");
    refused("1600*gamma", &"-1".repeat(1500), &"-1".repeat(1500), "too long", "");
    refused("1600*gamma", "--gamma", "-", "unexpected `-`", "a number");
    refused("1600*gamma", &("2^".repeat(50) + "1"), "^", "too many powers", "at most 40");
}

#[test]
fn names_must_stand_for_something() {
    refused("[channels]", "[chanels]", "chanels", "unknown section `chanels`", "did you mean `channels`?");
    refused("seed = 1", "sede = 1", "sede", "unknown key `sede`", "did you mean `seed`?");
    refused("spins = \"N\"", "spin = \"N\"", "spin", "unknown key of a subsystem `spin`", "`spins`");
    refused("spins = \"N\", ", "", "B", "does not say what it is", "`spins = 10`");
    refused("spins = \"N\"", "spins = 3, mode = 4", "mode", "two things", "one of them");
    refused("of = [\"B\"]", "of = [\"A\"]", "A", "unknown subsystem `A`", "`B`");
    refused("of = [\"B\"]", "of = []", "[]", "made of nothing", "at least one");
    refused("of = [\"B\"]", "of = [\"B\", \"B\"]", "B", "named twice", "");
    refused("of = [\"B\"]", "", "battery", "has no `of`", "of = [\"B\"]");
    refused("only = [\"discharge\"]", "only = [\"dischrge\"]", "dischrge", "unknown step", "did you mean `discharge`?");
    refused("rate = \"gamma_up\"", "only = [\"storage\"]", "pump", "channel `pump` has no `rate`", "`rate = 1.0`");
    refused("each = \"sp(B)\", ", "", "pump", "has no operator", "`each = \"sm(B)\"`");
    refused("each = \"sp(B)\"", "each = \"sp(B)\", operator = \"sp(B)\"", "operator", "both", "");
    refused("pump      =", "loss =", "loss", "duplicate key", "");
    refused("evolve = \"tau_s\", ", "", "{ name = \"storage\",   samples = \"samples\" }", "neither", "evolve");
    refused("name = \"storage\"", "name = \"st age\"", "st age", "cannot be the name", "letters");
    refused("rotate(B, x", "rotate(B, w", "w", "unknown axis `w`", "`x`");
    refused("rotate(B, x", "turn(B, x", "turn", "unknown pulse", "`rotate`");
    refused("rotate(B, x", "rotate(A, x", "A", "unknown subsystem `A`", "`B`");
    refused("\"M\"", "\"Mm\"", "Mm", "unknown quantity `Mm`", "did you mean `M`?");
    refused("\"M\"", "\"M(A)\"", "A", "unknown subsystem", "");
    refused("\"M\"", "\"released(storge)\"", "storge", "unknown step", "did you mean `storage`?");
    refused("\"M\"", "\"jumps(los)\"", "los", "unknown channel", "did you mean `loss`?");
    refused("\"M\"", "\"power(B)\"", "B", "whole battery", "");
    refused("B = \"ground\"", "B = \"grund\"", "grund", "unknown initial state", "did you mean `ground`?");
    refused("N = 140", "pi = 3", "pi", "cannot be the name of a parameter", "");
    refused("N = 140", "N = = 140", "=", "", "");
    let text = AGING.replace("[observe]", "[other]").replace("quantities =", "# ");
    check(parse("aging.toml", &text, &[]).unwrap_err(), "other", "unknown section", "");
}

#[test]
fn initial_states_fit_their_subsystem() {
    let start =
        |state: &str| parse("aging.toml", &edited(AGING, "ground", state), &[]).map(|i| i.problem.initial[0].clone());
    assert_eq!(start("excited"), Ok(Initial::Excited));
    assert_eq!(start("thermal(2*gamma)"), Ok(Initial::Thermal { ratio: 2.0 }));
    assert_eq!(start("dicke(N/2 - 1, -3)"), Ok(Initial::Dicke { two_j: 138, two_m: -6 }));
    refused("ground", "dicke(71, 0)", "71", "J of B is 71", "from 0 to 70");
    refused("ground", "dicke(1.5, 0)", "1.5", "J of B is 1.5", "from 0 to 70");
    refused("ground", "dicke(3, 0.5)", "0.5", "M of B is 0.5", "from -3 to 3");
    refused("ground", "thermal(-1)", "-1", "ratio", "≥ 0");
    refused("ground", "thermal", "thermal", "given 0 arguments", "`thermal(q)`");
    let text = edited(
        &MIXED.replace("\"H\"", "").replace("\"L\"", "\"sm(B)\""),
        "[channels]",
        "[initial]\nC = \"excited\"\n[channels]",
    );
    check(parse("m", &text, &[]).unwrap_err(), "excited", "`C` is a mode", "`ground`");
}

#[test]
fn operators_are_sums_of_products() {
    let i = num_complex::Complex64::I;
    let problem = mixed("g*(sp(B)*a(C) + sm(B)*ad(C))", "sm(B)").unwrap();
    assert_eq!(problem.hamiltonian, (sp(B) * of(C, Op::Annihilate)) * 0.5 + (sm(B) * of(C, Op::Create)) * 0.5);
    assert_eq!(problem.subsystems[3].kind, Kind::Network { cells: 3, edges: vec![(0, 1), (1, 2), (0, 2)] });
    assert_eq!(problem.subsystems[4].kind, Kind::Network { cells: 1, edges: vec![] });
    assert_eq!(problem.subsystems[2].kind, Kind::Levels { energies: vec![0.0, 0.5, 2.0] });
    assert_eq!(operator("Sx(B) - i*Sy(B)"), of(B, Op::X) * 0.5 - (of(B, Op::Y) * 0.5) * i);
    assert_eq!(operator("sm(W, 2)*sp(W, J - 2)/2"), (on(W, 2, Op::Lower) * on(W, 0, Op::Raise)) * 0.5);
    assert_eq!(operator("J*|2><0|(E)"), of(E, Op::Transition(2, 0)) * 2.0);
    assert_eq!(operator("n(C)^3"), n(C) * n(C) * n(C));
    assert_eq!(operator("exp(i*pi/2)^2*sm(Q) + 1 - 1").terms[0].coefficient.re, -1.0);
    assert!(mixed("J*(sp(W,0)*sm(W,1) + sp(W,1)*sm(W,0))", "sm(B)").is_ok());

    refused_operator("a(B)", "a(B)", "`a` cannot act on `B`, an ensemble of spins", "`sm`");
    refused_operator("sm(C)", "sm(C)", "`sm` cannot act on `C`, a mode", "`ad`");
    refused_operator("sm(E)", "sm(E)", "a system of 3 levels", "`|1><0|(E)`");
    refused_operator("|3><0|(E)", "|3><0|(E)", "no such level", "0 to 2");
    refused_operator("|1><0|(B)", "|1><0|(B)", "no numbered levels", "");
    refused_operator("sm(W, 3)", "3", "the cell of `W` is 3", "from 0 to 2");
    refused_operator("sm(B, 0)", "0", "no cell of it stands out", "single cells");
    refused_operator("sm(D)", "D", "unknown subsystem `D`", "one of `B`");
    refused_operator("sk(B)", "sk", "unknown operator or function `sk`", "did you mean `sm`?");
    refused_operator("2*g", "2*g", "this is a number", "an operator");
    refused_operator("sm(B)/sp(B)", "sp(B)", "division by an operator", "a number");
    refused_operator("sm(B)/0", "sm(B)/0", "not finite", "");
    refused_operator("sm(B)^0.5", "0.5", "this power", "whole power");
    refused_operator("((sm(B)^16)^16)^16", "(sm(B)^16)^16", "too many operators", "");
    refused_operator("sx(B)^13", "sx(B)^13", "too many operators", "at most 4096 terms");
    refused_operator("B", "B", "`B` is a subsystem", "`sm(B)`");
    refused_operator("gg*sm(B)", "gg", "unknown parameter `gg`", "`g`");
    refused_operator("shape*sm(B)", "circular", "`shape` is the word `circular`", "a number");
    check(mixed("n(B) + i*sm(B)", "sm(B)").unwrap_err(), "n(B) + i*sm(B)", "not Hermitian", "conjugate");
    let text = edited(MIXED, "\"H\"", "\"g*n(B)\", \"sp(B)*a(C)\", \"n(C)\"").replace("\"L\"", "\"sm(B)\"");
    check(parse("m", &text, &[]).unwrap_err(), "sp(B)*a(C)", "not Hermitian", "conjugate");

    refused("each = \"sp(B)\"", "each = \"Sp(B)\"", "Sp(B)", "a sum over all cells", "`sp(B)`");
    refused("each = \"sp(B)\"", "each = \"3\"", "3", "this is a number", "");
    let each = |op: &str| parse("m", &MIXED.replace("\"H\"", "").replace("operator = \"L\"", op), &[]);
    assert_eq!(each("each = \"sm(W)*sz(W)\"").unwrap().problem.channels[0].reach, Reach::Each(W));
    check(each("each = \"sm(B)*sm(W)\"").unwrap_err(), "W", "cannot act on another", "one subsystem");
    check(each("each = \"a(C)\"").unwrap_err(), "C", "it has no cells", "");
    check(each("each = \"sm(W, 1)\"").unwrap_err(), "1", "every cell in turn", "");
}

#[test]
fn rows_and_channels_of_steps() {
    let step = |keys: &str| {
        let text = edited(AGING, "evolve = \"tau_s\", samples = \"samples\"", &format!("evolve = 2.0, {keys}"));
        parse("aging.toml", &text, &[]).map(|input| input.problem.protocol.steps[1].clone())
    };
    let rows = |keys: &str| match step(keys) {
        Ok(Step::Evolve { rows, .. }) => rows,
        other => panic!("{other:?}"),
    };
    assert_eq!(rows("samples = 4, spacing = \"log\""), log_rows(2.0, 4, 2e-4));
    assert_eq!(rows("samples = 2, spacing = \"log\", first = \"gamma/2\""), [0.0, 0.5, 2.0]);
    assert_eq!(rows("times = [0.5, \"gamma\"]"), [0.0, 0.5, 1.0, 2.0]);
    assert_eq!(rows("times = [0, 1, 2]"), [0.0, 1.0, 2.0]);
    assert_eq!(rows("samples = 1, spacing = \"even\""), even_rows(2.0, 1));
    let refused_step = |keys: &str, text: &str, message: &str, expected: &str| {
        check(step(keys).expect_err(keys), text, message, expected);
    };
    refused_step("times = [0.5, 0.5]", "0.5", "the time of a row is 0.5", "rising");
    refused_step("times = [3]", "3", "the time of a row is 3", "(0, 2]");
    refused_step("times = [1], samples = 2", "samples", "no meaning beside `times`", "");
    refused_step("samples = 2, first = 0.1", "first", "no meaning for even rows", "");
    refused_step("samples = 2, spacing = \"log\", first = 0", "0", "the first row is 0", "");
    refused_step("samples = 2, spacing = \"lag\"", "lag", "unknown spacing", "did you mean `log`?");
    let whole = "{ name = \"storage\",   evolve = 2.0, channels = [] }";
    refused_step("channels = []", whole, "the step has no `samples`", "`samples = 5`");

    match step("samples = 1, channels = [\"loss\", \"pump\"]") {
        Ok(Step::Evolve { active, .. }) => assert_eq!(active, [true, false, false, true]),
        other => panic!("{other:?}"),
    }
    refused_step("samples = 1, channels = [\"lost\"]", "lost", "unknown channel", "did you mean `loss`?");
    refused_step("samples = 1, channels = [\"release\"]", "release", "`only` of channel `release`", "");
}

/// Even the longest expressions leave most of a small stack free.
#[test]
fn deep_expressions_are_no_danger() {
    let nested = |open: &str, inner: &str| open.repeat(40) + inner + &")".repeat(40);
    let sum = "1+".repeat(990) + "sm(B)";
    for deep in [sum, nested("(", "g"), nested("2-(-", "g"), nested("sqrt(", "2"), "2^-".repeat(40) + "1*sm(B)"] {
        let text = MIXED.replace("\"H\"", "").replace("\"L\"", &format!("\"{deep}\""));
        let run = move || parse("deep.toml", &text, &[]).map_or_else(|e| e.message, |_| "understood".to_owned());
        let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
        let message = thread.unwrap().join().unwrap();
        let number = "this is a number, not an operator";
        assert_eq!(message, if deep.contains("sm(B)") { "understood" } else { number }, "{deep}");
    }
}

/// Broken inputs must be refused, never crash; the generator is fixed so that a failure repeats.
#[test]
fn mutated_inputs_never_panic() {
    let mut state = 1_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    };
    let mixed = MIXED
        .replace("\"H\"", "\"g*(sp(W,0)*sm(W,1) + sm(W,0)*sp(W,1))\"")
        .replace("\"L\"", "\"|1><0|(E)^2 - i*a(C)\"");
    let pieces = [
        "\"", "(", ")", "[", "]", "{", "}", "=", "\n", "é", "−", "^", "1e400", "nan", "|", "'''", "\\", "\t", "\r\n",
        "0",
    ];
    let mut understood = 0;
    for round in 0..20_000 {
        let mut bytes = if round % 2 == 0 { AGING } else { &mixed }.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(5) {
                _ if bytes.is_empty() => bytes.push(b'['),
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.drain(at..(at + random(12)).min(bytes.len()))),
                2 => drop(bytes.splice(at..at, pieces[random(pieces.len())].bytes())),
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let copied = bytes[at..(at + random(30)).min(bytes.len())].to_vec();
                    let to = random(bytes.len());
                    drop(bytes.splice(to..to, copied));
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        match parse("mutated.toml", &text, &[]) {
            Ok(_) => understood += 1,
            Err(error) => assert!(error.to_string().starts_with("error: ")),
        }
    }
    assert!((1000..19_000).contains(&understood), "{understood} inputs were understood");
}
