//! The input language beyond ensembles: states, drives, detunings, correlated decay, resets, copies and quantities.

use super::*;
use crate::problem::*;
use num_complex::Complex64;
use std::f64::consts::PI;

const B: SubsystemId = SubsystemId::new(0);
const W: SubsystemId = SubsystemId::new(1);
const A: SubsystemId = SubsystemId::new(2);
const L: SubsystemId = SubsystemId::new(3);
const E1: SubsystemId = SubsystemId::new(4);
const E2: SubsystemId = SubsystemId::new(5);

/// A problem with every kind of part; tests put things where the names in capitals stand.
const SYSTEM: &str = r#"
[parameters]
g = 0.5
many = 2
[subsystems]
B = { spins = 4, energy = 2.0 }
W = { cells = 3, graph = "linear" }
A = { mode = 6 }
L = { levels = [0.0, 1.0, 3.0] }
E = { levels = [0.0, "g"], copies = "many" }
[battery]
of = ["BATTERY"]
[initial]
STATE
[hamiltonian]
terms = ["TERM"]
DETUNINGS
[drives]
push = { DRIVE }
[channels]
loss = { CHANNEL }
[protocol]
steps = [ STEP { name = "first", evolve = 1.0, samples = 1 }, { name = "then", evolve = 1.0, samples = 1, LISTED } ]
[observe]
quantities = [QUANTITIES]
"#;

/// The system with some places filled and plain things in the others.
fn text(fill: &[(&str, &str)]) -> String {
    let plain = [
        ("BATTERY", "B"),
        ("STATE", ""),
        ("TERM", "n(B)"),
        ("DETUNINGS", ""),
        ("DRIVE", "operator = \"sx(B)\", envelope = \"constant(g)\""),
        ("CHANNEL", "operator = \"sm(B)\", rate = 1.0"),
        ("STEP", ""),
        (", LISTED", ""),
        ("QUANTITIES", "\"energy\""),
    ];
    let mut text = SYSTEM.to_owned();
    for (place, with) in fill.iter().chain(&plain) {
        text = text.replacen(place, with, 1);
    }
    text
}

fn filled(fill: &[(&str, &str)]) -> Result<Problem, InputError> {
    parse("system.toml", &text(fill), &[]).map(|input| input.problem)
}

#[track_caller]
fn refused(fill: &[(&str, &str)], text: &str, message: &str, expected: &str) {
    let error = filled(fill).expect_err(text);
    assert_eq!(error.text(), text, "{error}");
    assert!(error.place.as_ref().is_some_and(|place| place.line.is_some()), "{error}");
    assert!(error.message.contains(message) && error.expected.contains(expected), "{error}");
}

#[track_caller]
fn understood(fill: &[(&str, &str)]) -> Problem {
    filled(fill).unwrap_or_else(|e| panic!("{e}"))
}

fn cell(site: usize, op: Op) -> OpSum {
    OpSum::from_factor(Factor { subsystem: W, site: Some(site), op })
}

#[test]
fn states_of_cells_modes_and_levels() {
    let start = |part: usize, state: &str| understood(&[("STATE", state)]).initial[part].clone();
    assert_eq!(start(0, "B = \"plus\""), Initial::plus());
    assert_eq!(start(1, "W = \"angle(pi/3, g)\""), Initial::angle(std::f64::consts::PI / 3.0, 0.5));
    let coherence = Complex64::new(0.3, 0.1);
    assert_eq!(start(1, "W = \"cell(0.4, 0.3+0.1*i)\""), Initial::Cell { excited: 0.4, coherence });
    assert_eq!(start(2, "A = \"thermal(g)\""), Initial::Thermal { ratio: 0.5 });
    assert_eq!(start(2, "A = \"fock(5)\""), Initial::Fock(5));
    assert_eq!(start(2, "A = \"coherent(1 - g*i)\""), Initial::Coherent(Complex64::new(1.0, -0.5)));
    assert_eq!(start(3, "L = \"level(2)\""), Initial::Populations(vec![0.0, 0.0, 1.0]));
    assert_eq!(start(3, "L = \"populations(1/6, 1/3, g)\""), Initial::Populations(vec![1.0 / 6.0, 1.0 / 3.0, 0.5]));
    let turned = start(1, "W = \"haar(g, 7)\"");
    assert_eq!(turned, start(1, "W = { thermal = \"g\", unitary = \"haar\", seed = 7 }"));
    assert!(matches!(turned, Initial::Rotated { ratio: 0.5, unitary } if *unitary == haar_unitary(8, 7)));
    let engines = understood(&[("STATE", "E = \"level(1)\"")]);
    assert_eq!(engines.initial[4..], [Initial::Populations(vec![0.0, 1.0]), Initial::Populations(vec![0.0, 1.0])]);
    let one = understood(&[("STATE", "E2 = \"level(1)\"")]);
    assert_eq!(one.initial[4..], [Initial::Ground, Initial::Populations(vec![0.0, 1.0])]);

    let wrong = |state: &str, text: &str, message: &str, expected: &str| {
        refused(&[("STATE", state)], text, message, expected);
    };
    wrong("A = \"plus\"", "plus", "`A` is a mode and cannot start in the state `plus`", "`fock`");
    wrong("B = \"fock(1)\"", "fock", "an ensemble of spins", "`dicke`");
    wrong("B = \"haar(0, 1)\"", "haar", "cannot start in the state `haar`", "`plus`");
    wrong("W = \"dicke(1.5, 0.5)\"", "dicke", "a network of 3 cells", "`cell`");
    wrong("L = \"excited\"", "excited", "a system of 3 levels", "`level`");
    wrong("B = \"cell(1.2, 0)\"", "1.2", "the excited population of B is 1.2", "from 0 to 1");
    wrong("B = \"cell(0.5, 0.4 + 0.4*i)\"", "0.4 + 0.4*i", "the coherence of B has size 0.56", "at most");
    wrong("B = \"cell(0.5, sm(B))\"", "sm(B)", "this is an operator", "a complex number");
    wrong("B = \"cell(0.5)\"", "cell(0.5)", "given 1 arguments", "`cell(p_e, c)`");
    wrong("A = \"fock(6)\"", "6", "the Fock state of A is 6", "from 0 to 5");
    wrong("A = \"thermal(-1)\"", "-1", "ratio", "≥ 0");
    wrong("L = \"level(3)\"", "3", "the level of L is 3", "from 0 to 2");
    wrong("L = \"populations(0.5, 0.5)\"", "populations(0.5, 0.5)", "2 populations", "3 that sum to 1");
    wrong("L = \"populations(0.5, 0.5, 0.5)\"", "populations(0.5, 0.5, 0.5)", "sum to 1.5", "3 that sum to 1");
    wrong("L = \"populations(1.5, -0.5, 0)\"", "-0.5", "a population is -0.5", "≥ 0");
    wrong("W = \"haar(0.5, 0.5)\"", "0.5", "the seed of the unitary is 0.5", "a whole number");
    wrong("W = \"pluss\"", "pluss", "unknown initial state", "did you mean `plus`?");
    wrong("W = \"haarr(1, 1)\"", "haarr", "unknown initial state", "did you mean `haar`?");
    let table = "{ thermal = 0.5, unitary = \"haar\" }";
    assert_eq!(start(1, &format!("W = {table}")), start(1, "W = \"haar(0.5, 1)\""));
    wrong(&format!("B = {table}"), table, "an ensemble of spins", "a network of at most 8 cells");
    let large = "{ thermal = 0.5 }";
    wrong(&format!("W = {large}"), large, "has no `unitary`", "file.npy");
    wrong("W = { thermal = 0.5, unitary = \"hare\" }", "hare", "unknown unitary `hare`", "`haar`");
    wrong("W = { thermal = 0.5, unitary = \"g\", seed = 1 }", "0.5", "`g` is a number here", "`haar`");
    wrong("W = { thermal = 0.5, unitary = \"x.npy\" }", "x.npy", "x.npy cannot be read", "numpy.save");
    wrong(
        "W = { termal = 0.5, unitary = \"haar\" }",
        "termal",
        "unknown key of an initial state",
        "did you mean `thermal`?",
    );
    wrong("E3 = \"ground\"", "E3", "unknown subsystem", "`E1`");
}

#[test]
fn the_folder_of_the_input_is_where_files_are_sought() {
    let text = text(&[("STATE", "W = { thermal = 0.5, unitary = \"x.npy\" }")]);
    let error = parse("some/where/system.toml", &text, &[]).unwrap_err();
    assert!(error.message.starts_with(&Path::new("some/where").join("x.npy").display().to_string()), "{error}");
}

#[test]
fn detunings_are_listed_or_drawn() {
    let detuned = |detunings: &str| understood(&[("TERM", "n(B)"), ("DETUNINGS", detunings)]).hamiltonian.terms;
    let listed = detuned("detunings = { W = [0.1, \"-g\", 0] }");
    let expected = cell(0, Op::Number) * 0.1 + cell(1, Op::Number) * -0.5 + cell(2, Op::Number) * 0.0;
    assert_eq!(listed[1..], expected.terms);
    let drawn = |spread: f64, seed: u64| -> Vec<f64> {
        let terms = detuned(&format!("detunings = {{ W = {{ spread = {spread:?}, seed = {seed} }} }}"));
        terms[1..].iter().map(|t| t.coefficient.re).collect()
    };
    let (one, two) = (drawn(1.0, 3), drawn(2.0, 3));
    assert_eq!(one, drawn(1.0, 3));
    assert_ne!(one, drawn(1.0, 4));
    assert!(one.iter().zip(&two).all(|(a, b)| 2.0 * a == *b) && one[0] != one[1], "{one:?} {two:?}");
    // Mean and variance over seeds, five standard errors wide.
    let all: Vec<f64> = (0..1000).flat_map(|seed| drawn(1.0, seed)).collect();
    let n = all.len() as f64;
    let (mean, square) = (all.iter().sum::<f64>() / n, all.iter().map(|x| x * x).sum::<f64>() / n);
    assert!(mean.abs() < 5.0 / n.sqrt() && (square - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{mean} {square}");

    // One that changes with time is a term of its own.
    let timed = understood(&[("TERM", "n(B)"), ("DETUNINGS", "detunings = { W = [0.1, \"g*t\", 0] }")]);
    let expected = understood(&[("TERM", "n(B) + 0.1*n(W, 0) + g*t*n(W, 1)")]);
    let last = |problem: &Problem| problem.drives.last().unwrap().clone();
    assert_eq!((last(&timed).operator, timed.drives.len()), (cell(1, Op::Number), expected.drives.len()));
    let at = |problem: &Problem| last(problem).envelope.at(0.0, 0.7) * last(problem).operator.terms[0].coefficient.re;
    assert!((at(&timed) - 0.35).abs() < 1e-12 && (at(&expected) - 0.35).abs() < 1e-12);

    let wrong = |detunings: &str, text: &str, message: &str, expected: &str| {
        refused(&[("DETUNINGS", detunings)], text, message, expected);
    };
    wrong("detunings = { W = [1, 2] }", "[1, 2]", "2 detunings for 3 cells", "one detuning for each cell");
    wrong("detunings = { B = [1, 2] }", "B", "an ensemble of spins", "a network");
    wrong("detunings = { E = [1, 2] }", "E", "no single subsystem", "`E1`");
    wrong("detunings = { V = [1] }", "V", "unknown subsystem", "`W`");
    wrong("detunings = { W = 3 }", "3", "is an integer", "a table");
    wrong("detunings = { W = { spread = -1, seed = 1 } }", "-1", "the spread of detunings is -1", "≥ 0");
    wrong("detunings = { W = { seed = 1 } }", "W", "has no `spread`", "`spread = 0.1`");
    let default = understood(&[("DETUNINGS", "detunings = { W = { spread = 1 } }")]).hamiltonian;
    assert_eq!(default, understood(&[("DETUNINGS", "detunings = { W = { spread = 1, seed = 1 } }")]).hamiltonian);
    wrong("detunings = { W = { spread = 1, seed = 1, sed = 1 } }", "sed", "unknown key", "did you mean `seed`?");
}

#[test]
fn sums_over_edges_and_copies() {
    let hop = |a, b| cell(a, Op::Lower) * cell(b, Op::Raise) + cell(b, Op::Lower) * cell(a, Op::Raise);
    assert_eq!(understood(&[("TERM", "g*hop(W)")]).hamiltonian, (hop(0, 1) + hop(1, 2)) * 0.5);
    let (one, other) = (transition(E1, 1, 0), transition(E2, 1, 0));
    let (back, turn) = (transition(E1, 0, 1), transition(E2, 0, 1));
    let expected = one.clone() * sm(B) + other.clone() * sm(B) + (back * sp(B) + turn * sp(B));
    assert_eq!(understood(&[("TERM", "|1><0|(E)*sm(B) + |0><1|(E)*sp(B)")]).hamiltonian, expected);
    let channel = |text: &str| understood(&[("CHANNEL", &format!("operator = \"{text}\", rate = 1.0"))]).channels;
    assert_eq!(channel("|1><0|(E)")[0].operator, one.clone() + other.clone());
    let pairs = channel("|1><0|(E)*|1><0|(E)")[0].operator.terms.len();
    assert_eq!(pairs, 2, "E1 with E2 in both orders; |1⟩⟨0|1⟩⟨0| of one of them is 0");
    assert_eq!(channel("|1><0|(E2)")[0].operator, other);

    let copies = understood(&[("CHANNEL", "each = \"|1><0|(E)\", rate = \"g\", only = [\"then\"]")]);
    let names: Vec<&str> = copies.channels.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["loss_E1", "loss_E2"]);
    assert_eq!([&copies.channels[0].operator, &copies.channels[1].operator], [&one, &other]);
    let active: Vec<&Vec<bool>> = copies.protocol.steps.iter().filter_map(active).collect();
    assert_eq!(active, [&vec![false, false], &vec![true, true]]);
    let asked = [("CHANNEL", "each = \"|1><0|(E)\", rate = 1"), ("QUANTITIES", "\"jumps\"")];
    assert_eq!(
        understood(&asked).quantities[..2],
        [Quantity::Jumps(ChannelId::new(0)), Quantity::Jumps(ChannelId::new(1))]
    );
    let asked = [("CHANNEL", "each = \"|1><0|(E)\", rate = 1"), ("QUANTITIES", "\"jumps(loss_E2)\"")];
    assert_eq!(understood(&asked).quantities[..1], [Quantity::Jumps(ChannelId::new(1))]);

    let wrong = |term: &str, text: &str, message: &str, expected: &str| {
        refused(&[("TERM", term)], text, message, expected);
    };
    wrong("hop(B)", "B", "needs a graph, and this is an ensemble of spins", "a network");
    wrong("hop(W, 1)", "1", "the sum over all edges", "no number");
    wrong("hop(X)", "X", "unknown subsystem", "`W`");
    wrong("|1><0|(E)", "|1><0|(E)", "not Hermitian", "conjugate");
    wrong("|2><2|(E)", "|2><2|(E)", "`E` has no such level", "from 0 to 1");
    wrong("hopp(W)", "hopp", "unknown operator or function", "did you mean `hop`?");
    wrong("E", "E", "`E` is a subsystem, not an operator", "");
    wrong("sin(hop(W))*n(B)", "hop(W)", "`sin` needs a real number", "");
    let each = |operator: &str, text: &str, message: &str| {
        refused(&[("CHANNEL", &format!("each = \"{operator}\", rate = 1"))], text, message, "");
    };
    each("hop(W)", "hop(W)", "has no meaning on each cell");
    each("|1><0|(E)*sm(B)", "B", "cannot act on another");
    each("|1><0|(L)", "L", "it has no cells");
    let none = text(&[]).replace("many = 2", "many = 0");
    let error = parse("m", &none, &[]).unwrap_err();
    assert_eq!((error.text().as_str(), error.message.as_str()), ("0", "the number of copies of E is 0"));
    let clash = text(&[]).replace("W = {", "E2 = {");
    let error = parse("m", &clash, &[]).unwrap_err();
    assert_eq!((error.text().as_str(), error.message.as_str()), ("E", "there are two subsystems `E2`"));
    let channels = "each = \"|1><0|(E)\", rate = 1 }\nloss_E2 = { operator = \"sm(B)\", rate = 1";
    refused(&[("CHANNEL", channels)], "loss_E2", "there are two channels `loss_E2`", "another name");
}

#[test]
fn a_name_of_copies_stands_for_them_all() {
    let battery = understood(&[("BATTERY", "E\", \"B")]).battery;
    assert_eq!(battery, [E1, E2, B]);
    refused(&[("BATTERY", "E\", \"E2")], "E2", "`E2` is named twice", "once");
    let fresh = understood(&[("STEP", "{ reset = \"E\", to = \"level(1)\" },")]).protocol.steps;
    let state = Initial::Populations(vec![0.0, 1.0]);
    assert_eq!(fresh[0], Step::Reset { subsystem: E1, state: state.clone() });
    assert_eq!(fresh[1], Step::Reset { subsystem: E2, state });
    // Two networks, each decaying with its own rate matrix and turned by every pulse.
    let text = text(&[
        ("TERM", "n(B)"),
        ("CHANNEL", "correlated = \"sm(W)\", rate = 1, edge = \"g\""),
        ("STEP", "{ pulse = \"rotate(W, x, pi)\" },"),
    ]);
    let two = text.replace("graph = \"linear\"", "graph = \"linear\", copies = 2");
    let problem = parse("m", &two, &[]).unwrap().problem;
    let rates = RateMatrix::on_graph(3, &[(0, 1), (1, 2)], 1.0, 0.5).unwrap();
    for (channel, subsystem) in problem.channels.iter().zip([1, 2].map(SubsystemId::new)) {
        assert_eq!(channel.reach, Reach::Correlated { subsystem, rates: rates.clone() });
        assert_eq!(channel.operator, sm(subsystem));
    }
    assert_eq!(problem.channels.len(), 2);
    let turned: Vec<SubsystemId> = problem.protocol.steps.iter().filter_map(rotated).collect();
    assert_eq!(turned, [1, 2].map(SubsystemId::new));
}

fn rotated(step: &Step) -> Option<SubsystemId> {
    if let Step::Rotate { subsystem, .. } = step { Some(*subsystem) } else { None }
}

fn active(step: &Step) -> Option<&Vec<bool>> {
    if let Step::Evolve { active, .. } = step { Some(active) } else { None }
}

#[test]
fn drives_follow_envelopes_in_their_steps() {
    let drive = |text: &str| understood(&[("DRIVE", &format!("operator = \"sx(B)\", envelope = \"{text}\""))]).drives;
    let expected = |envelope| vec![Drive { name: "push".into(), operator: sx(B), envelope }];
    assert_eq!(drive("constant(2*g)"), expected(Envelope::Constant(1.0)));
    assert_eq!(drive("linear(0, g)"), expected(Envelope::Linear { start: 0.0, slope: 0.5 }));
    assert_eq!(drive("gaussian(1, g, 2)"), expected(Envelope::Gaussian { peak: 1.0, centre: 0.5, width: 2.0 }));
    let cosine = Envelope::Cosine { amplitude: 1.0, frequency: 2.0, phase: 3.0 };
    assert_eq!(drive("cosine(1, 2, 3)"), expected(cosine));
    let driven = |fill: &[(&str, &str)]| -> Vec<bool> {
        let steps = understood(fill).protocol.steps;
        steps.iter().filter_map(|s| if let Step::Evolve { driven, .. } = s { Some(driven[0]) } else { None }).collect()
    };
    let limited = ("DRIVE", "operator = \"sx(B)\", envelope = \"constant(1)\", only = [\"then\"]");
    assert_eq!(driven(&[]), [true, true]);
    assert_eq!(driven(&[limited]), [false, true]);
    assert_eq!(driven(&[("LISTED", "drives = []")]), [true, false]);
    assert_eq!(driven(&[("LISTED", "drives = [\"push\"]")]), [true, true]);

    let wrong = |drive: &str, text: &str, message: &str, expected: &str| {
        refused(&[("DRIVE", drive)], text, message, expected);
    };
    let envelope = |envelope: &str| format!("operator = \"sx(B)\", envelope = \"{envelope}\"");
    wrong("operator = \"sm(B)\", envelope = \"constant(1)\"", "sm(B)", "`push` is not Hermitian", "conjugate");
    wrong("operator = \"2\", envelope = \"constant(1)\"", "2", "this is a number", "an operator");
    wrong("operator = \"sx(B)\"", "push", "has no `envelope`", "constant(F)");
    wrong(&envelope("gausian(1, 2, 3)"), "gausian", "unknown envelope", "did you mean `gaussian`?");
    wrong(&envelope("linear(1)"), "linear(1)", "given 1 arguments", "`linear(start, slope)`");
    wrong(&envelope("gaussian(1, 0, 0)"), "0", "the width of the envelope is 0", "> 0");
    wrong(&envelope("g*h"), "h", "unknown parameter", "`g`");
    assert_eq!(filled(&[("DRIVE", &envelope("2*g"))]).unwrap().drives[0].envelope, Envelope::Constant(1.0));
    wrong(&envelope("constant(h)"), "h", "unknown parameter", "`g`");
    wrong("operator = \"sx(B)\", envelope = \"constant(1)\", only = []", "[]", "drive `push` is never on", "");
    wrong("operatr = \"sx(B)\"", "operatr", "unknown key of a drive", "did you mean `operator`?");
    refused(&[("LISTED", "drives = [\"pull\"]")], "pull", "unknown drive", "`push`");
    let elsewhere = ("DRIVE", "operator = \"sx(B)\", envelope = \"constant(1)\", only = [\"first\"]");
    let listed = ("LISTED", "drives = [\"push\"]");
    refused(&[elsewhere, listed], "push", "`only` of drive `push` leaves out the step `then`", "in that list");
}

#[test]
fn cells_decay_together() {
    let channel =
        |text: &str| understood(&[("CHANNEL", &format!("correlated = \"sm(W)\", {text}"))]).channels[0].clone();
    let chain = [(0, 1), (1, 2)];
    let rates = |rates: RateMatrix| Reach::Correlated { subsystem: W, rates };
    let edge = channel("rate = 2, edge = \"g\"");
    assert_eq!((edge.rate, edge.reach), (1.0, rates(RateMatrix::on_graph(3, &chain, 2.0, 0.5).unwrap())));
    let matrix = channel("rate = 2, matrix = [[1, \"g\", 0], [0.5, 1, 0.5], [0, 0.5, 1]]");
    assert_eq!((matrix.rate, matrix.reach), (2.0, rates(RateMatrix::on_graph(3, &chain, 1.0, 0.5).unwrap())));
    let placed = channel("rate = 2, positions = [[0, 0, 0], [\"g\", 0, 0], [1, 1, 0]], dipole = [0, 0, 1]");
    let matrix = free_space_rates(&[[0.0; 3], [0.5, 0.0, 0.0], [1.0, 1.0, 0.0]], [0.0, 0.0, 1.0]);
    assert_eq!((placed.rate, placed.reach), (2.0, rates(RateMatrix::new(matrix).unwrap())));

    let wrong = |channel: &str, text: &str, message: &str, expected: &str| {
        refused(&[("CHANNEL", channel)], text, message, expected);
    };
    let on_w = |keys: &str| format!("correlated = \"sm(W)\", rate = 1, {keys}");
    wrong(&on_w("edge = 0.8"), "0.8", "it has the eigenvalue -0.131371", "all ≥ 0");
    let indefinite = "[[1, 2, 0], [2, 1, 0], [0, 0, 1]]";
    wrong(&on_w(&format!("matrix = {indefinite}")), indefinite, "it has the eigenvalue -1.000000", "all ≥ 0");
    let lopsided = "[[1, 0, 0], [0.5, 1, 0], [0, 0, 1]]";
    wrong(&on_w(&format!("matrix = {lopsided}")), lopsided, "is not symmetric", "");
    wrong(&on_w("matrix = [[1, 0], [0, 1]]"), "[[1, 0], [0, 1]]", "2 rows for 3 cells", "3 rows");
    let ragged = "[[1, 0], [0, 1, 0], [0, 0, 1]]";
    wrong(&on_w(&format!("matrix = {ragged}")), "[1, 0]", "2 numbers", "3 numbers");
    let places = "positions = [[0, 0, 0], [1, 0, 0], [2, 0, 0]]";
    assert_eq!(channel(&format!("rate = 1, {places}")), channel(&format!("rate = 1, {places}, dipole = [0, 0, 2]")));
    let twice = "[[0, 0, 0], [1, 0, 0], [1, 0, 0]]";
    wrong(&on_w(&format!("positions = {twice}")), twice, "cell 2 stands where another does", "different");
    wrong(&on_w(&format!("{places}, dipole = [0, 0, 0]")), "[0, 0, 0]", "the dipole has no direction", "not all 0");
    wrong(&on_w(&format!("{places}, dipole = [0, 1]")), "[0, 1]", "2 numbers", "3 numbers");
    wrong(&on_w("positions = [[0, 0, 0]], dipole = [0, 0, 1]"), "[[0, 0, 0]]", "1 rows for 3 cells", "");
    wrong(&on_w("edge = 0.1, dipole = [0, 0, 1]"), "dipole", "no meaning beside `edge`", "`positions`");
    wrong(&on_w("edge = 0.1, matrix = []"), "correlated", "2 ways to give the rate matrix", "one of");
    wrong("correlated = \"sm(W)\", rate = 1", "correlated", "0 ways to give the rate matrix", "`edge = 0.5`");
    wrong("correlated = \"sm(W)\", edge = 1", "loss", "has no `rate`", "`rate = 1.0`");
    wrong("correlated = \"sm(B)\", rate = 1, edge = 0.1", "\"sm(B)\"", "an ensemble of spins", "single cells");
    wrong("each = \"sm(B)\", rate = [0.1, 0.2]", "[0.1, 0.2]", "a rate for each cell", "single cells");
    wrong("each = \"sm(W)\", rate = [0.1, 0.2]", "[0.1, 0.2]", "a rate for each cell", "a diagonal `matrix`");
    wrong("correlated = \"|1><0|(E)\", rate = 1, edge = 0", "\"|1><0|(E)\"", "a system of 2 levels", "a network");
    wrong(
        "each = \"sm(W)\", rate = 1, edge = 0.1",
        "edge",
        "a meaning for correlated decay only",
        "`correlated = \"sm(B)\"`",
    );
    wrong("each = \"sm(W)\", correlated = \"sm(W)\", rate = 1", "correlated", "both `each` and `correlated`", "");
}

#[test]
fn a_part_is_made_fresh() {
    let reset = |text: &str| understood(&[("STEP", &format!("{text},"))]).protocol.steps[0].clone();
    assert_eq!(reset("{ reset = \"W\", to = \"excited\" }"), Step::Reset { subsystem: W, state: Initial::Excited });
    assert_eq!(reset("{ reset = \"A\", to = \"fock(2)\" }"), Step::Reset { subsystem: A, state: Initial::Fock(2) });
    let wrong = |step: &str, text: &str, message: &str, expected: &str| {
        refused(&[("STEP", &format!("{step},"))], text, message, expected);
    };
    wrong("{ reset = \"X\", to = \"excited\" }", "X", "unknown subsystem", "`W`");
    wrong("{ reset = \"W\", to = \"fock(1)\" }", "fock", "a network of 3 cells", "`excited`");
    let bare = "{ reset = \"W\" }";
    wrong(bare, bare, "has no `to`", "to = \"excited\"");
    wrong("{ reset = \"W\", too = \"excited\" }", "too", "unknown key of a reset", "did you mean `to`?");
    wrong("{ reset = \"W\", pulse = \"rotate(B, x, pi)\" }", "reset", "unknown key of a pulse", "`pulse`");
    let lost = "{ to = \"excited\" }";
    wrong(lost, lost, "neither `evolve`, `pulse`, `unitary` nor `reset`", "");
}

#[test]
fn every_quantity_has_a_name() {
    let asked = |battery: &str, text: &str| {
        let p = understood(&[("BATTERY", battery), ("QUANTITIES", &format!("\"{text}\""))]);
        (p.quantities[0].clone(), p.column(&p.quantities[0]))
    };
    for (battery, text, quantity, column) in [
        ("B", "energy(A)", Quantity::EnergyOf(A), "energy_A"),
        ("B", "energy(L)", Quantity::EnergyOf(L), "energy_L"),
        ("B", "energy_density(B)", Quantity::EnergyDensity(B), "energy_density_B"),
        ("B", "power", Quantity::Power, "power"),
        ("B", "ergotropy", Quantity::Ergotropy, "ergotropy"),
        ("B", "ergotropy(W)", Quantity::ErgotropyOf(W), "ergotropy_W"),
        ("B", "ergotropy_local", Quantity::LocalErgotropy, "ergotropy_local"),
        ("B", "ergotropy_symmetric", Quantity::SymmetricErgotropy, "ergotropy_symmetric"),
        ("B", "ergotropy_incoherent", Quantity::IncoherentErgotropy, "ergotropy_incoherent"),
        ("B", "ergotropy_coherent", Quantity::CoherentErgotropy, "ergotropy_coherent"),
        ("B", "antiergotropy", Quantity::AntiErgotropy, "antiergotropy"),
        ("B", "capacity", Quantity::Capacity, "capacity"),
        ("B", "efficiency", Quantity::Efficiency, "efficiency"),
        ("W", "coherence", Quantity::Coherence, "coherence"),
        ("W", "coherence_cell", Quantity::CellCoherence, "coherence_cell"),
        ("W", "concurrence", Quantity::Concurrence, "concurrence"),
        ("W", "purity", Quantity::Purity, "purity"),
        ("W", "quanta(W)", Quantity::Quanta(W), "quanta_W"),
        ("W", "photons", Quantity::Photons(A), "photons"),
        ("W", "photons(A)", Quantity::Photons(A), "photons"),
        ("W", "bright", Quantity::Bright(B), "bright"),
        ("W", "bright_loss", Quantity::BrightLoss(B), "bright_loss"),
        ("W", "bright_return(B)", Quantity::BrightReturn(B), "bright_return"),
        ("W", "M", Quantity::Magnetisation(B), "M"),
        ("B", "released(then)", Quantity::Released(Some(StepId::new(1))), "released"),
    ] {
        assert_eq!(asked(battery, text), (quantity, column.to_owned()), "{text}");
    }
    let wrong = |battery: &str, asked: &str, text: &str, message: &str, expected: &str| {
        refused(&[("BATTERY", battery), ("QUANTITIES", asked)], text, message, expected);
    };
    wrong("A", "\"ergotropy_local\"", "ergotropy_local", "a battery of two-level cells", "another quantity");
    wrong("A", "\"coherence_cell\"", "coherence_cell", "a battery of two-level cells", "another quantity");
    wrong("W", "\"ergotropy_symmetric\"", "ergotropy_symmetric", "a battery of one ensemble", "");
    wrong("B", "\"coherence(cel)\"", "cel", "of the whole battery", "no name");
    wrong("B", "\"purity(B)\"", "B", "of the whole battery", "no name");
    wrong("B", "\"quanta\"", "quanta", "of one subsystem", "`quanta(B)`");
    wrong("B", "\"quanta(L)\"", "L", "a system of 3 levels", "with a number of quanta");
    wrong("B", "\"photons(B)\"", "B", "an ensemble of spins", "a mode");
    wrong("B", "\"bright(W)\"", "W", "a network of 3 cells", "an ensemble of spins");
    wrong("B", "\"bright_loss(W)\"", "W", "a network of 3 cells", "an ensemble of spins");
    wrong("B", "\"energy(E)\"", "E", "no single subsystem", "`E1`");
    wrong("B", "\"ergotropi\"", "ergotropi", "unknown quantity", "did you mean `ergotropy`?");
    assert_eq!(
        understood(&[("QUANTITIES", "\"energy\", \"energy\"")]).quantities.len(),
        2,
        "and the level at the cutoff"
    );
    let parts = "operator = \"sm(B) + sp(B)\", rate = 1";
    let asked = [("CHANNEL", parts), ("QUANTITIES", "\"energy\", \"released\"")];
    refused(&asked, "released", "takes no definite energy out of the battery", "another quantity");
}

#[test]
fn a_graph_may_have_no_edges() {
    let text = text(&[("TERM", "n(B) + hop(W)")]).replace("graph = \"linear\"", "graph = \"none\"");
    let problem = parse("m", &text, &[]).unwrap().problem;
    assert_eq!(problem.subsystems[1].kind, Kind::Network { cells: 3, edges: vec![] });
    assert_eq!(problem.hamiltonian, n(B));
}

#[test]
fn the_mean_field_tilts_ensembles() {
    let text = |tilt: &str| {
        format!(
            "[parameters]\nangle = 0.1\n[subsystems]\nC = {{ spins = 3 }}\nB = {{ spins = 2, copies = 2 }}\n\
             M = {{ mode = 4 }}\n[battery]\nof = [\"C\"]\n[meanfield]\n{tilt}\n[protocol]\n\
             steps = [ {{ name = \"t\", evolve = 1.0, samples = 1 }} ]\n[observe]\nquantities = [\"energy(C)\"]\n"
        )
    };
    let read = |tilt: &str| parse("tilt.toml", &text(tilt), &[]);
    let tilts = |tilt: &str| read(tilt).unwrap_or_else(|e| panic!("{e}")).problem.tilt;
    assert_eq!(tilts("tilt = { C = \"2*angle\" }"), [0.2, 0.0, 0.0, 0.0]);
    assert_eq!(tilts("tilt = { B = \"pi\", C = 0 }"), [0.0, PI, PI, 0.0]);
    for (tilt, at, message, expected) in [
        ("tilt = { D = 0.1 }", "D", "unknown subsystem `D`", "a subsystem"),
        ("tilt = { M = 0.1 }", "M", "`M` is a mode", "an ensemble of spins"),
        ("tilt = { C = -0.1 }", "-0.1", "the tilt of C is -0.1", "an angle from 0 to π"),
        ("tilt = { C = 3.2 }", "3.2", "the tilt of C is 3.2", "an angle from 0 to π"),
        ("tilt = { C = \"angel\" }", "angel", "unknown parameter `angel`", "`angle`"),
        ("tilt = 0.1", "0.1", "`tilt` is a float", "a table"),
        ("tlt = { C = 0.1 }", "tlt", "unknown key `tlt`", "`tilt`"),
        ("", "meanfield", "[meanfield] has no `tilt`", "tilt = { C"),
    ] {
        let error = read(tilt).expect_err(tilt);
        assert_eq!((error.text().as_str(), error.file.as_str()), (at, "tilt.toml"), "{error}");
        assert_eq!(error.place.as_ref().map(|p| p.line), Some(Some(if tilt.is_empty() { 9 } else { 10 })), "{error}");
        assert!(error.message.contains(message) && error.expected.contains(expected), "{error}");
    }
}
