//! Each part of a problem is refused where it is wrong, and accepted where it is right.

use crate::error::ModelError;
use crate::problem::{Initial, Kind, Problem, ProblemBuilder, Quantity, SubsystemId, n, sm, sx, sy, sz};
use num_complex::Complex64;

/// The only subsystem.
const B: SubsystemId = SubsystemId::new(0);

/// Two cells that wait.
fn waiting(title: &str, name: &str) -> ProblemBuilder {
    let mut p = Problem::builder(title);
    p.ensemble(name, 2, 1.0);
    p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    p
}

fn refused(p: &ProblemBuilder) -> String {
    p.build().expect_err("refused").to_string()
}

#[test]
fn a_coherence_is_at_most_what_the_populations_allow() {
    let cell = |excited: f64, coherence: f64| {
        waiting("a cell", "B").initial(B, Initial::Cell { excited, coherence: coherence.into() }).build()
    };
    assert!(cell(0.5, 0.5).is_ok() && cell(0.2, 0.4).is_ok() && cell(1.0, 0.0).is_ok());
    for (excited, coherence) in [(0.5, 0.51), (0.2, 0.41), (1.0, 1e-9), (0.5, f64::NAN), (1.1, 0.0)] {
        assert!(cell(excited, coherence).is_err(), "{excited} {coherence}");
    }
    let turned = Initial::Cell { excited: 0.5, coherence: Complex64::new(0.36, 0.36) };
    assert!(refused(waiting("a cell", "B").initial(B, turned)).contains("at most √(p_e p_g) = 0.5"));
}

#[test]
fn names_are_plain_text() {
    assert!(refused(&waiting("a\0title", "B")).contains(r"`a\0title` has the control character \0"));
    assert!(refused(&waiting("two\nlines", "B")).contains("title"));
    assert!(refused(&waiting("a title", "B\u{7}")).contains("subsystem name"));
    assert!(refused(waiting("a title", "B").each("lo\tss", B, sm(B), 1.0)).contains("channel name"));
    assert!(refused(waiting("a title", "B").evolve("\u{1b}[2J", 1.0, 1)).contains("step name"));
    assert!(waiting("γ and ω, 100 %", "B").build().is_ok());
}

#[test]
fn rates_that_overflow_are_refused_by_the_name_of_their_channel() {
    // S⁻ of ten cells, over a step of 0.01.
    let with = |rate: f64| {
        let mut p = Problem::builder("strong");
        let b = p.ensemble("B", 10, 1.0);
        p.collective("release", sm(b), rate).evolve("wait", 0.01, 1).observe([Quantity::Energy]).build()
    };
    assert!(with(1e149).is_ok());
    for rate in [2e150, 1e200, 1e308] {
        let error = with(rate).expect_err("too fast").to_string();
        assert!(error.contains("the rate of channel release") && error.contains("1e150 jumps"), "{error}");
    }
    // Many jumps by the length of the step, by the operator, and by the number of cells.
    let long = waiting("long", "B").each("loss", B, sm(B), 1e100).evolve("years", 1e51, 1).build();
    assert!(long.expect_err("too many").to_string().contains("channel loss"));
    let large = waiting("large", "B").collective("loss", sm(B) * 1e76, 1.0).build();
    assert!(large.expect_err("too large").to_string().contains("channel loss"));
}

#[test]
fn rows_that_do_not_fit_into_memory_are_refused_with_the_limit() {
    let with = |samples: usize| {
        let mut p = Problem::builder("rows");
        p.ensemble("B", 2, 1.0);
        p.evolve("wait", 1.0, samples).observe([Quantity::Energy]).build()
    };
    assert!(with(1_000_000).is_ok());
    let error = with(9_999_999).expect_err("too many").to_string();
    assert!(error.contains("10000000 output rows") && error.contains("7.5 GB, more than 2 GB"), "{error}");
}

#[test]
fn messages_do_not_grow_with_what_they_are_about() {
    let energies: Vec<f64> = (0..20_000).map(f64::from).collect();
    let p = |state: Initial| {
        let mut p = Problem::builder("levels");
        p.subsystem("L", Kind::Levels { energies: energies.clone() }, 1.0);
        p.initial(B, state).evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        refused(&p)
    };
    for state in [Initial::Excited, Initial::Populations(vec![1.0; 20_000]), Initial::Populations(vec![0.1; 19_999])] {
        let text = p(state);
        assert!(text.len() < 300 && text.contains('L'), "{text}");
    }
}

#[test]
fn a_hamiltonian_is_judged_by_what_it_is() {
    let with = |sum| {
        let mut p = Problem::builder("a cell");
        p.subsystem("B", Kind::Network { cells: 1, edges: Vec::new() }, 1.0);
        p.hamiltonian(sum).evolve("wait", 1.0, 1).observe([Quantity::Energy]).build()
    };
    let problem = with(sx(B) * sy(B) * Complex64::I).expect("σxσy = iσz");
    assert_eq!(problem.hamiltonian, -sz(B));
    assert_eq!(with(n(B) * sz(B)).expect("nσz = n").hamiltonian, n(B));
    assert!(matches!(with(sx(B) * sy(B)), Err(ModelError::Invalid(text)) if text.contains("not Hermitian")));
}
