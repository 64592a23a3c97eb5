//! What is typed by habit, and what the message says of it: what was typed, what was meant, how to write it.

use super::error::InputError;
use super::parse;

const TEXT: &str = r#"
[parameters]
N = 3
gamma = 0.5
T = 1.0
[subsystems]
B = { spins = "N", copies = 2 }
C = { cells = 3, graph = "linear" }
A = { mode = 5 }
[initial]
A = "coherent(0.5)"
[functions]
ramp = "min(t, 1)"
[hamiltonian]
terms = ["gamma*sx(C)"]
[drives]
kick = { operator = "Sx(C)", envelope = "gaussian(1, 0.5, 0.1)" }
[channels]
loss = { each = "sm(C)", rate = "2*gamma" }
[protocol]
repeat = 2
steps = [ { pulse = "rotate(C, x, pi)" }, { name = "store", evolve = "T", samples = 4 } ]
[observe]
quantities = ["energy(C)", "jumps(loss)"]
[run]
trajectories = 100
"#;

fn edited(from: &str, to: &str) -> Result<super::Input, InputError> {
    assert!(TEXT.contains(from), "`{from}` is not in the text");
    parse("edited.toml", &TEXT.replacen(from, to, 1), &[])
}

/// One edit is refused at `at`, saying `says`, and `expected` is how to write it.
#[track_caller]
fn wrong(from: &str, to: &str, at: &str, says: &str, expected: &str) {
    let error = edited(from, to).expect_err(to);
    assert_eq!(error.text(), at, "{error}");
    assert!(error.message.contains(says), "`{says}` is not in\n{error}");
    assert!(error.expected.contains(expected), "`{expected}` is not in\n{error}");
}

#[test]
fn expressions_of_other_languages() {
    let term = "gamma*sx(C)";
    wrong(term, "gamma**2*sx(C)", "**", "`**` is no operator", "as in `gamma^2`");
    wrong(term, "(gamma + 1)**2*sx(C)", "**", "`**` is no operator", "`^` for a power");
    wrong(term, "1j*(sp(C) - sm(C))", "1j", "`1j` is no number", "`1*i`");
    wrong(term, "0.5j*(sp(C) - sm(C))", "0.5j", "`0.5j` is no number", "`0.5*i`");
    wrong(term, "j*(sp(C) - sm(C))", "j", "unknown parameter `j`", "`i` for the imaginary unit");
    wrong(term, "2i*(sp(C) - sm(C))", "i", "nothing between `2` and `i`", "`2*i`");
    wrong(term, "2sx(C)", "sx", "nothing between `2` and `sx`", "`2*sx`");
    wrong(term, "gamma sx(C)", "sx", "nothing between `gamma` and `sx`", "`gamma*sx`");
    wrong("rotate(C, x, pi)", "rotate(C x pi)", "x", "nothing between `C` and `x`", "or `,`");
    wrong(term, "log(2)*sx(C)", "log", "unknown function `log`", "`ln`");
    wrong(term, "sigmax(C)", "sigmax", "unknown operator `sigmax`", "`sx(…)`");
    wrong(term, "gamma(2)*sx(C)", "gamma", "`gamma` is a parameter", "`gamma*(…)`");
    wrong(term, "sx(C, 0, 1)", "sx(C, 0, 1)", "3 arguments", "`sx(B, 0)` of one cell");
}

#[test]
fn counts_with_a_power_of_ten() {
    let input = edited("trajectories = 100", "trajectories = 1e4").unwrap();
    assert_eq!(input.run.trajectories, 10_000);
    for (from, to) in [
        ("N = 3", "N = 0.3e1"),
        ("copies = 2", "copies = 2e0"),
        ("cells = 3", "cells = \"3e0\""),
        ("mode = 5", "mode = 5.0"),
        ("repeat = 2", "repeat = 2e0"),
        ("samples = 4", "samples = 0.4e1"),
    ] {
        assert_eq!(edited(from, to).unwrap().problem, edited(from, from).unwrap().problem, "{to}");
    }
    wrong("samples = 4", "samples = 1.5e0", "1.5e0", "the number of samples is 1.5", "a whole number from 1");
}

#[test]
fn functions_of_time_in_the_wrong_place() {
    let parameter = "names for functions of time belong in `[functions]`";
    wrong("T = 1.0", "T = \"t\"", "t", "`t` changes with time, and a parameter does not", parameter);
    wrong("T = 1.0", "T = \"2*exp(-time)\"", "time", "`time` changes with time", parameter);
    let places = "terms of H, drives, rates and jump operators may change with time";
    wrong("evolve = \"T\"", "evolve = \"2*t\"", "t", "`t` changes with time, and this is a number", places);
    wrong("samples = 4", "samples = \"ramp\"", "ramp", "`ramp` changes with time", places);
    wrong("rotate(C, x, pi)", "rotate(C, x, t)", "t", "`t` changes with time", places);
    wrong("coherent(0.5)", "coherent(t)", "t", "`t` changes with time, and this is a number", "a complex number");
    wrong("each = \"sm(C)\"", "each = \"t*sm(C)\"", "t*sm(C)", "changes with time, as t", "only `rate`");
    wrong("\"Sx(C)\"", "\"ramp*Sx(C)\"", "ramp*Sx(C)", "changes with time", "the function belongs in `envelope`");
    wrong("gaussian(1, 0.5, 0.1)", "gaussian(t, 0.5, 0.1)", "gaussian", "takes numbers", "`exp(-t^2)`");
    wrong("gamma*sx(C)", "ramp(t)*sx(C)", "ramp", "`ramp` is given an argument", "`ramp` alone");
    wrong("2*gamma", "2*ramp(t - 1)", "ramp", "`ramp` is given an argument", "`ramp` alone");
    let own = "{ name = \"x\", expect = \"t*sx(C)\" }";
    wrong("\"energy(C)\"", own, "t*sx(C)", "changes with time", "its own value at every row");
    wrong("energy(C)", "energy(t)", "t", "`energy` is not asked for at a time", "a value at every row");
}

#[test]
fn a_group_in_place_of_one_of_its_copies() {
    let (says, copies) = ("`B` is no single subsystem", "one of its copies: `B1`, `B2`");
    wrong("energy(C)", "energy(B)", "B", says, copies);
    wrong("energy(C)", "M(B)", "B", says, copies);
    wrong("energy(C)", "energy(B, 0)", "B", says, copies);
    wrong("gamma*sx(C)", "sum(k in cells(B), sx(C, k))", "B", says, copies);
    wrong("terms =", "detunings = { B = [0.1] }\nterms =", "B", says, copies);
}

#[test]
fn quantities_of_several_things() {
    let joint = "`[battery]` lists: `of = [\"C\", \"A\"]`";
    wrong("energy(C)", "energy(C, A)", "energy(C, A)", "`energy` is given 2 arguments", joint);
    wrong("energy(C)", "ergotropy(C, A)", "ergotropy(C, A)", "`ergotropy` is given 2 arguments", joint);
    wrong("energy(C)", "energy(C, 0, 1)", "energy(C, 0, 1)", "3 arguments", "`energy(C, 0)` of one cell");
    wrong("energy(C)", "photons(A, 1)", "photons(A, 1)", "2 arguments", "`photons(A)` of one subsystem");
    wrong("energy(C)", "purity(C, 0)", "purity(C, 0)", "2 arguments", "`purity` of the battery");
    wrong("jumps(loss)", "jumps(loss, 2)", "jumps(loss, 2)", "2 arguments", "`jumps(loss)`, the name of a channel");
    wrong("jumps(loss)", "released(store, 1)", "released(store, 1)", "2 arguments", "the name of a step");
    wrong("energy(C)", "energy_C", "energy_C", "is a column, not a quantity", "`energy(C)`");
    wrong("energy(C)", "sx(C)", "sx(C)", "`sx(C)` is no quantity", "{ name = \"x\", expect = \"sx(C)\" }");
    wrong("energy(C)", "2*energy(C)", "2*energy(C)", "is no quantity", "expect = ");
}
