//! Operators given as matrices: the same equation in the sets of states that their pattern leaves to themselves and in the full
//! space, sampled and solved.

use leyden::prelude::*;
use leyden::problem::{JointState, OpSum, ProblemBuilder, SubsystemId};
use leyden::space::choose::{Representation, choose};
use num_complex::Complex64;

type Element = (usize, usize, Complex64);

fn real(elements: &[(usize, usize, f64)]) -> Vec<Element> {
    elements.iter().map(|(i, j, x)| (*i, *j, Complex64::from(*x))).collect()
}

/// The mean of the level's number from H and jump operators on one space of `d` states, starting in `ket`.
fn built(dims: &[usize], h: &[Element], jumps: &[Vec<Element>], ket: Vec<Complex64>) -> Problem {
    let d: usize = dims.iter().product();
    let mut p: ProblemBuilder = Problem::builder("matrices");
    let factors = p.factors(dims);
    p.hamiltonian(OpSum::from_matrix(&factors, h.iter().copied()));
    for (k, jump) in jumps.iter().enumerate() {
        p.collective(&format!("c{k}"), OpSum::from_matrix(&factors, jump.iter().copied()), 1.0);
    }
    let number = OpSum::from_matrix(&factors, (0..d).map(|i| (i, i, Complex64::from(i as f64))));
    let number = p.observable("number", number);
    // An observable that leads out of the sets too, of which only what stays inside has a mean.
    let flip = (0..d).map(|i| (i, d - 1 - i, Complex64::ONE));
    let flip = p.observable("flip", OpSum::from_matrix(&factors, flip));
    let of: Vec<SubsystemId> = factors.iter().map(|(id, _)| *id).collect();
    p.joint(of, JointState::ket(ket)).evolve("wait", 1.5, 3);
    p.observe([Quantity::Expect(number), Quantity::Expect(flip)]);
    p.build().unwrap()
}

fn agrees(problem: &Problem, first: &str) {
    let choice = choose(problem);
    assert_eq!(choice.chosen(), Some(Representation::Sectors), "{choice:?}");
    assert!(choice.explain().contains(first), "{}", choice.explain());
    let stop = Stop::default();
    let full = leyden::exact::solve(problem, Some(Representation::Full), &stop).unwrap();
    let sets = solve(problem).unwrap();
    let sampled = sample(problem, &Sampling { trajectories: 4_000, ..Default::default() }).unwrap();
    for name in ["number", "flip"] {
        for row in 0..full.rows.len() {
            let (a, b) = (full[name].value[row], sets[name].value[row]);
            assert!((a - b).abs() < 1e-9, "{name} at row {row}: {a} in the full space, {b} in sets");
            let (mean, se) = (sampled[name].value[row], sampled[name].se.as_ref().unwrap()[row]);
            // 24 numbers in all: a correct program fails with a chance below 1e-4.
            assert!((mean - a).abs() <= 4.6 * se + 1e-9 && se < 0.1, "{name} at row {row}: {mean} ± {se}, exact {a}");
        }
    }
}

/// Six levels in three pairs, a jump from each pair to the next in no order that a charge would have: the last pair goes
/// back to the first, and the first to the third as well.
#[test]
fn sets_that_no_charge_describes() {
    let h = real(&[(0, 1, 0.7), (1, 0, 0.7), (2, 3, 0.4), (3, 2, 0.4), (4, 5, 1.1), (5, 4, 1.1), (3, 3, 0.3)]);
    let round = real(&[(2, 0, 1.0), (3, 1, 0.8), (4, 2, 1.0), (5, 3, 0.6), (0, 4, 0.9), (1, 5, 0.5)]);
    let across = real(&[(4, 1, 0.7), (5, 0, 0.3)]);
    let ket = vec![Complex64::ONE, Complex64::ZERO, Complex64::ZERO, Complex64::ZERO, Complex64::ZERO, Complex64::ZERO];
    agrees(&built(&[6], &h, &[round.clone(), across.clone()], ket.clone()), "of 3 with at most 2 states; 2 states");
    agrees(&built(&[2, 3], &h, &[round, across], ket), "of 3 with at most 2 states; 2 states");
}

/// Two levels that fall to one together stay together, though H does not tie them.
#[test]
fn what_falls_to_one_state_is_one_set() {
    let h = real(&[(1, 1, 0.5), (2, 2, 1.5)]);
    let fall = real(&[(0, 1, 1.0), (0, 2, 1.0)]);
    let half = Complex64::from(0.5f64.sqrt());
    let problem = built(&[4], &h, &[fall], vec![Complex64::ZERO, half, half, Complex64::ZERO]);
    agrees(&problem, "of 3 with at most 2 states; 2 states");
}
