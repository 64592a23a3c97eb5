//! Copies of cells, lists of drives, and names of columns: what would go wrong without a word.

use super::*;
use crate::problem::{Factor, Kind, Op, OpSum, Reach, SubsystemId};

const SYSTEM: &str = r#"
[subsystems]
C = { cells = 3, graph = "linear", copies = 2 }
S = { spins = 3, copies = 2 }
E = { levels = [0.0, 1.0], copies = 2 }
B = { spins = 2 }
[battery]
of = ["B"]
[hamiltonian]
terms = ["hop(C)"]
[drives]
push = { operator = "sx(B)", envelope = "constant(1)", only = ["first"] }
[channels]
loss = { each = "OPERATOR", rate = 1.0 }
[protocol]
steps = [ { name = "first", evolve = 1.0, samples = 1 }, { name = "then", evolve = 1.0, samples = 1 } ]
[observe]
quantities = ["energy"]
"#;

fn problem(operator: &str, from: &str, to: &str) -> Result<Problem, InputError> {
    let text = SYSTEM.replace("OPERATOR", operator);
    assert!(text.contains(from));
    parse("groups.toml", &text.replacen(from, to, 1), &[]).map(|input| input.problem)
}

#[test]
fn a_channel_on_each_reaches_every_cell_of_every_copy() {
    for (operator, members, cells) in [("sm(C)", [0, 1], true), ("sm(S)", [2, 3], true), ("|0><1|(E)", [4, 5], false)] {
        let problem = problem(operator, "", "").unwrap();
        assert_eq!(problem.channels.len(), 2);
        for (channel, id) in problem.channels.iter().zip(members.map(SubsystemId::new)) {
            assert_eq!(channel.reach, if cells { Reach::Each(id) } else { Reach::Collective }, "{operator}");
            assert!(channel.operator.factors().all(|f| f.subsystem == id));
            assert_eq!(channel.name, format!("loss_{}", problem.subsystems[id].name));
        }
    }
    let error = problem("sm(C, 1)", "", "").unwrap_err();
    assert_eq!(error.text(), "1", "{error}");
}

#[test]
fn exchange_runs_along_the_edges_of_every_copy() {
    let problem = problem("sm(B)", "", "").unwrap();
    let mut expected = OpSum::default();
    for id in [0, 1].map(SubsystemId::new) {
        let Kind::Network { edges, .. } = &problem.subsystems[id].kind else { panic!() };
        let cell = |site, op| OpSum::from_factor(Factor { subsystem: id, site: Some(site), op });
        for &(a, b) in edges {
            expected = expected + cell(a, Op::Lower) * cell(b, Op::Raise) + cell(b, Op::Lower) * cell(a, Op::Raise);
        }
    }
    assert_eq!(problem.hamiltonian.terms.len(), 8);
    assert_eq!((problem.hamiltonian - expected).in_ladder_operators(), OpSum::default());
}

#[test]
fn a_step_cannot_list_a_drive_that_is_limited_to_others() {
    let then = "{ name = \"then\", evolve = 1.0, samples = 1 }";
    let listed = "{ name = \"then\", evolve = 1.0, samples = 1, drives = [\"push\"] }";
    let error = problem("sm(B)", then, listed).unwrap_err();
    assert_eq!(error.text(), "push", "{error}");
    assert!(error.message.contains("`only` of drive `push` leaves out the step `then`"), "{error}");
    assert!(problem("sm(B)", then, &listed.replace("\"push\"", "")).is_ok());
}

#[test]
fn quantities_of_one_subsystem_have_columns_of_their_own() {
    let asked = |quantities: &str| problem("sm(B)", "[\"energy\"]", quantities);
    for quantities in ["[\"energy(B)\", \"energy_density(B)\"]", "[\"coherence\", \"coherence_cell\"]"] {
        assert_eq!(asked(quantities).unwrap().quantities.len(), 2);
    }
    assert_eq!(asked("[\"energy\", \"energy\"]").unwrap().quantities.len(), 1);
}
