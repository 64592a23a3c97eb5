//! Two-level factors of matrices that nothing tells apart are stored as spins: the same averages as factor by factor.

use leyden::prelude::*;
use leyden::problem::{Envelope, JointState, OpSum, ProblemBuilder, SubsystemId};
use leyden::space::alike::{Ensembles, ensembles};
use leyden::space::choose::Representation;
use num_complex::Complex64;

const ONE: Complex64 = Complex64::ONE;

/// A matrix, row by row.
#[derive(Clone)]
struct M(Vec<Vec<Complex64>>);

impl M {
    fn of(rows: &[&[f64]]) -> Self {
        Self(rows.iter().map(|row| row.iter().map(|x| Complex64::from(*x)).collect()).collect())
    }

    fn unit(d: usize) -> Self {
        Self((0..d).map(|i| (0..d).map(|j| if i == j { ONE } else { Complex64::ZERO }).collect()).collect())
    }

    fn kron(&self, other: &Self) -> Self {
        let row =
            |a: &Vec<Complex64>, b: &Vec<Complex64>| a.iter().flat_map(|x| b.iter().map(move |y| x * y)).collect();
        Self(self.0.iter().flat_map(|a| other.0.iter().map(move |b| row(a, b))).collect())
    }

    fn times(&self, other: &Self) -> Self {
        let d = self.0.len();
        let element = |i: usize, j: usize| (0..d).map(|k| self.0[i][k] * other.0[k][j]).sum();
        Self((0..d).map(|i| (0..d).map(|j| element(i, j)).collect()).collect())
    }

    fn plus(&self, other: &Self) -> Self {
        let row = |(a, b): (&Vec<Complex64>, &Vec<Complex64>)| a.iter().zip(b).map(|(x, y)| x + y).collect();
        Self(self.0.iter().zip(&other.0).map(row).collect())
    }

    fn by(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|row| row.iter().map(|x| x * factor).collect()).collect())
    }

    fn dagger(&self) -> Self {
        let d = self.0.len();
        Self((0..d).map(|i| (0..d).map(|j| self.0[j][i].conj()).collect()).collect())
    }

    fn elements(&self) -> Vec<(usize, usize, Complex64)> {
        let of =
            |(i, row): (usize, &Vec<Complex64>)| row.iter().enumerate().map(|(j, x)| (i, j, *x)).collect::<Vec<_>>();
        let all = self.0.iter().enumerate().flat_map(of);
        all.filter(|(_, _, x)| *x != Complex64::ZERO).collect()
    }
}

/// `op` on one of some factors.
fn on(op: &M, k: usize, dims: &[usize]) -> M {
    let part = |(j, d): (usize, &usize)| if j == k { op.clone() } else { M::unit(*d) };
    dims.iter().enumerate().map(part).reduce(|a, b| a.kron(&b)).unwrap()
}

fn lower() -> M {
    M::of(&[&[0.0, 1.0], &[0.0, 0.0]])
}

fn z() -> M {
    M::of(&[&[-1.0, 0.0], &[0.0, 1.0]])
}

fn sum(of: impl IntoIterator<Item = M>) -> M {
    of.into_iter().reduce(|a, b| a.plus(&b)).unwrap()
}

/// An equation of matrices.
struct Case {
    dims: Vec<usize>,
    h: M,
    drive: Option<M>,
    jumps: Vec<M>,
    observables: Vec<M>,
    start: Vec<(f64, Vec<Complex64>)>,
}

impl Case {
    fn problem(&self) -> Problem {
        let mut p: ProblemBuilder = Problem::builder("matrices");
        let factors = p.factors(&self.dims);
        p.hamiltonian(OpSum::from_matrix(&factors, self.h.elements()));
        if let Some(drive) = &self.drive {
            let turning = Envelope::Cosine { amplitude: 0.8, frequency: 3.0, phase: 0.2 };
            p.drive("f", OpSum::from_matrix(&factors, drive.elements()), turning);
        }
        for (k, jump) in self.jumps.iter().enumerate() {
            p.collective(&format!("c{k}"), OpSum::from_matrix(&factors, jump.elements()), 1.0);
        }
        for (k, observable) in self.observables.iter().enumerate() {
            let id = p.observable(&format!("e{k}"), OpSum::from_matrix(&factors, observable.elements()));
            p.observe([Quantity::Expect(id)]);
        }
        let all: Vec<SubsystemId> = factors.iter().map(|(id, _)| *id).collect();
        p.joint(all, JointState::Kets(std::sync::Arc::new(self.start.clone()))).evolve("run", 1.5, 6);
        p.build().unwrap()
    }
}

/// The ket of a product of one ket for each factor.
fn product(kets: &[&[Complex64]]) -> Vec<Complex64> {
    let longer =
        |all: Vec<Complex64>, ket: &&[Complex64]| all.iter().flat_map(|x| ket.iter().map(move |y| x * y)).collect();
    kets.iter().fold(vec![ONE], longer)
}

const G: &[Complex64] = &[ONE, Complex64::ZERO];
const E: &[Complex64] = &[Complex64::ZERO, ONE];

/// Both ways agree in every column and row, solved and in the steady state.
fn agree(case: &Case) -> Ensembles {
    let problem = case.problem();
    let found = ensembles(&problem, None).expect("cells that are alike");
    let stop = Stop::default();
    let full = leyden::exact::solve(&problem, Some(Representation::Full), &stop).unwrap();
    let spins = solve(&problem).unwrap();
    let own = leyden::exact::solve(&found.problem, Some(Representation::Symmetric), &stop).unwrap();
    let mut moved = 0.0f64;
    for k in 0..case.observables.len() {
        let name = format!("e{k}");
        for row in 0..full.rows.len() {
            let (a, b, c) = (full[&*name].value[row], spins[&*name].value[row], own[&*name].value[row]);
            assert!((a - b).abs() < 1e-9 && (a - c).abs() < 1e-9, "{name}, row {row}: {a}, of spins {b} and {c}");
            moved = moved.max((a - full[&*name].value[0]).abs());
        }
    }
    assert!(moved > 1e-2, "something happens");
    found
}

/// The ensembles, as numbers of cells, and other subsystems as 0.
fn sizes(found: &Ensembles) -> Vec<u64> {
    found.problem.subsystems().iter().map(|s| if s.cells() > 1 { s.cells() } else { 0 }).collect()
}

/// Four cells that decay one by one and together, with two-body terms of all kinds, a drive, and another order of letters.
fn four() -> Case {
    let dims = vec![2; 4];
    let s: Vec<M> = (0..4).map(|k| on(&lower(), k, &dims)).collect();
    let zs: Vec<M> = (0..4).map(|k| on(&z(), k, &dims)).collect();
    let pairs = || (0..4).flat_map(|a| (0..a).map(move |b| (a, b)));
    let hop = sum(pairs().map(|(a, b)| s[a].dagger().times(&s[b]).plus(&s[b].dagger().times(&s[a])).by(0.7)));
    let ising = sum(pairs().map(|(a, b)| zs[a].times(&zs[b]).by(0.4)));
    let x = sum(s.iter().map(|s| s.plus(&s.dagger())));
    let number = |k: usize| s[k].dagger().times(&s[k]);
    Case {
        h: sum([hop, ising, x.by(0.3), sum((0..4).map(number))]),
        drive: Some(x),
        jumps: s.iter().map(|s| s.by(0.5)).chain([sum(s.iter().cloned()).by(0.8)]).collect(),
        observables: vec![
            sum((0..4).map(number)),
            // Of one cell, of a pair, of three.
            number(1),
            s[0].dagger().times(&s[2]).plus(&s[2].dagger().times(&s[0])),
            number(0).times(&zs[1]).times(&s[3].plus(&s[3].dagger())),
        ],
        start: vec![(1.0, product(&[E, E, E, E]))],
        dims,
    }
}

#[test]
fn decay_alone_and_together() {
    let mut case = four();
    let found = agree(&case);
    assert!(!found.same_runs);
    assert_eq!(sizes(&found), [4]);
    // Dephasing, with the identity in it, and an operator that mixes letters.
    let dims = case.dims.clone();
    case.jumps = (0..4).map(|k| on(&z().by(0.4), k, &dims)).collect();
    case.jumps.extend((0..4).map(|k| on(&lower().by(0.6).plus(&z().by(0.2)), k, &dims)));
    let half = [Complex64::from(0.6), Complex64::new(0.0, 0.8)];
    case.start = vec![(1.0, product(&[&half[..]; 4]))];
    assert_eq!(sizes(&agree(&case)), [4]);
}

/// Functions of time in front of the jump operators of cells, the same for each.
#[test]
fn jumps_that_change_with_time() {
    let case = four();
    let turning = |phase: f64| Envelope::Cosine { amplitude: 0.9, frequency: 2.0, phase };
    let with = |phases: [f64; 4]| {
        let mut p: ProblemBuilder = Problem::builder("matrices");
        let factors = p.factors(&case.dims);
        p.hamiltonian(OpSum::from_matrix(&factors, case.h.elements()));
        for (k, phase) in phases.into_iter().enumerate() {
            p.collective(&format!("c{k}"), OpSum::default(), 1.3);
            p.plus(turning(phase), OpSum::from_matrix(&factors, case.jumps[k].elements()));
        }
        p.collective("c4", OpSum::default(), 1.0)
            .plus(turning(0.5), OpSum::from_matrix(&factors, case.jumps[4].elements()));
        let id = p.observable("e0", OpSum::from_matrix(&factors, case.observables[0].elements()));
        let all: Vec<SubsystemId> = factors.iter().map(|(id, _)| *id).collect();
        p.joint(all, JointState::ket(case.start[0].1.clone())).evolve("run", 1.5, 6).observe([Quantity::Expect(id)]);
        p.build().unwrap()
    };
    assert!(ensembles(&with([0.3, 0.3, 0.3, 0.31]), None).is_some_and(|of| sizes(&of) == [3, 0]));
    let plain = with([0.3; 4]);
    assert!(ensembles(&plain, None).is_some_and(|of| sizes(&of) == [4]));
    let full = leyden::exact::solve(&plain, Some(Representation::Full), &Stop::default()).unwrap();
    let spins = solve(&plain).unwrap();
    for row in 0..full.rows.len() {
        assert!((full["e0"].value[row] - spins["e0"].value[row]).abs() < 1e-9);
    }
}

/// The same dissipator spelt by operators of which none is symmetric and none of one cell.
#[test]
fn families_in_another_spelling() {
    let mut case = four();
    let mode = |c: [f64; 4], by: f64| sum((0..4).map(|k| on(&lower(), k, &[2; 4]).by(c[k] * by)));
    let r = 0.5f64;
    case.jumps = vec![
        mode([r, r, r, r], 1.7f64.sqrt()),
        mode([r, -r, r, -r], 0.5f64.sqrt()),
        mode([r * 2f64.sqrt(), 0.0, -r * 2f64.sqrt(), 0.0], 0.5f64.sqrt()),
        mode([0.0, r * 2f64.sqrt(), 0.0, -r * 2f64.sqrt()], 0.5f64.sqrt()),
    ];
    let found = agree(&case);
    assert_eq!((sizes(&found), found.problem.channels().len()), (vec![4], 2));
    // Without the collective mode it is no sum of jumps of each cell and of all.
    case.jumps.remove(0);
    assert!(ensembles(&case.problem(), None).is_none());
}

/// Where nothing is of single cells trajectories are the same, and so may their jumps be asked for.
#[test]
fn collective_jumps_stay_what_they_are() {
    let mut case = four();
    case.jumps = vec![case.jumps[4].clone(), on(&lower(), 0, &[2; 4])];
    case.jumps[1] = sum((0..4).map(|k| on(&z(), k, &[2; 4]))).by(0.2);
    case.observables.truncate(1);
    let found = agree(&case);
    assert!(found.same_runs);
    let problem = case.problem();
    let jumps =
        problem.edit().observe([0, 1].map(|c| Quantity::Jumps(leyden::problem::ChannelId::new(c)))).build().unwrap();
    let stop = Stop::default();
    let full = leyden::exact::solve(&jumps, Some(Representation::Full), &stop).unwrap();
    let spins = solve(&jumps).unwrap();
    for name in ["jumps_c0", "jumps_c1"] {
        assert!((full[name].last().value - spins[name].last().value).abs() < 1e-9 && spins[name].last().value > 0.1);
    }
}

/// A charger of three levels and a star of three cells that dephase, the charger in their midst.
#[test]
fn charger_and_star() {
    let dims = vec![2, 3, 2, 2];
    let low3 = M::of(&[&[0.0, 1.0, 0.0], &[0.0, 0.0, 2f64.sqrt()], &[0.0, 0.0, 0.0]]);
    let a = on(&low3, 1, &dims);
    let cells = [0, 2, 3];
    let s = sum(cells.map(|k| on(&lower(), k, &dims)));
    let number = sum(cells.map(|k| on(&lower(), k, &dims).dagger().times(&on(&lower(), k, &dims))));
    let mut jumps: Vec<M> = cells.iter().map(|k| on(&z(), *k, &dims).by(0.3)).collect();
    jumps.push(a.by(0.4));
    jumps.push(a.plus(&s).by(0.2));
    let level = |k: usize| -> Vec<Complex64> { (0..3).map(|j| if j == k { ONE } else { Complex64::ZERO }).collect() };
    let w = |last: &[Complex64]| -> Vec<Complex64> {
        let of = |k: usize| {
            product(&[[G, E][usize::from(k == 0)], last, [G, E][usize::from(k == 1)], [G, E][usize::from(k == 2)]])
        };
        (0..3).map(of).reduce(|a, b| a.iter().zip(&b).map(|(x, y)| x + y).collect()).unwrap()
    };
    // Entangled: (|1⟩|ggg⟩ + |0⟩|W⟩)/√2.
    let one = product(&[G, &level(1), G, G]);
    let ket = one.iter().zip(w(&level(0))).map(|(x, y)| (x + y / 3f64.sqrt()) / 2f64.sqrt()).collect();
    let case = Case {
        h: sum([a.dagger().times(&s).plus(&s.dagger().times(&a)), a.plus(&a.dagger()).by(0.5), number.by(0.3)]),
        drive: None,
        jumps,
        observables: vec![
            number,
            a.dagger().times(&a),
            on(&z(), 2, &dims),
            a.dagger().times(&s).plus(&s.dagger().times(&a)),
        ],
        start: vec![(1.0, ket)],
        dims,
    };
    assert_eq!(sizes(&agree(&case)), [3, 0]);
}

/// Mixtures of kets that are no symmetric ones: all products of one excited cell, and a singlet beside a pair.
#[test]
fn mixtures_that_no_exchange_changes() {
    let mut case = four();
    let one = |k: usize| product(&[0, 1, 2, 3].map(|j| if j == k { E } else { G }));
    case.start = (0..4).map(|k| (0.25, one(k))).collect();
    let found = agree(&case);
    assert!(!found.same_runs);
    case.start[3] = (0.25, product(&[E, E, E, E]));
    assert_eq!(sizes(&agree(&case)), [3, 0], "the last cell starts otherwise");
    let singlet: Vec<Complex64> = (0..16)
        .map(|i| {
            Complex64::from(0.5f64.sqrt() * [(4, 1.0), (8, -1.0)].iter().find(|(at, _)| *at == i).map_or(0.0, |f| f.1))
        })
        .collect();
    case.start = vec![(1.0, singlet)];
    assert_eq!(sizes(&agree(&case)), [2, 2], "cells 0 and 1 are as alike as 2 and 3");
}

#[test]
fn what_is_told_apart_is_left_alone() {
    let untouched = |case: &Case, why: &str| assert!(ensembles(&case.problem(), None).is_none(), "{why}");
    let dims = [2; 4];
    let detuned = |k: usize, by: f64| on(&z(), k, &dims).by(by);
    let mut case = four();
    case.h = case.h.plus(&sum((0..4).map(|k| detuned(k, 0.1 * k as f64))));
    untouched(&case, "frequencies differ");
    let mut case = four();
    (0..4).for_each(|k| case.jumps[k] = case.jumps[k].by(1.0 + 1e-6 * k as f64));
    untouched(&case, "rates differ by little");
    let mut case = four();
    let tilted: Vec<[Complex64; 2]> =
        (0..4).map(|k| [Complex64::from((0.3 * k as f64).cos()), Complex64::from((0.3 * k as f64).sin())]).collect();
    case.start = vec![(1.0, product(&[&tilted[0], &tilted[1], &tilted[2], &tilted[3]]))];
    untouched(&case, "each cell starts otherwise");
    let case = four();
    assert!(ensembles(&case.problem(), Some(Representation::Full)).is_none());
    assert!(ensembles(&case.problem(), Some(Representation::Sectors)).is_none());
    let problem = case.problem();
    let state = problem.edit().keep_state("rho", problem.subsystem_ids().map(|id| (id, None))).build().unwrap();
    assert!(ensembles(&state, None).is_none(), "the state is asked for cell by cell");
}

/// Sampled averages against the exact ones, and the steady state.
#[test]
fn sampled_and_steady() {
    let case = four();
    let problem = case.problem();
    let full = leyden::exact::solve(&problem, Some(Representation::Full), &Stop::default()).unwrap();
    let how = Sampling { trajectories: 4_000, shots: false, ..Default::default() };
    let sampled = sample(&problem, &how).unwrap();
    assert_eq!(sampled.representation, Representation::Symmetric);
    // With single shots, which tell the jumps of cells apart, cell by cell.
    let shots = sample(&problem, &Sampling { trajectories: 40, ..Default::default() }).unwrap();
    assert_eq!((shots.representation, shots.shots.map(|s| s.jumps.len())), (Representation::Full, Some(40 * 5)));
    for k in 0..4 {
        let name = format!("e{k}");
        for row in 1..full.rows.len() {
            let (exact, mean) = (full[&*name].value[row], sampled[&*name].value[row]);
            let se = sampled[&*name].se.as_ref().unwrap()[row];
            // 24 numbers: a correct program fails with a chance below 1e-4.
            assert!(
                (mean - exact).abs() <= 4.6 * se + 1e-9 && se < 0.05,
                "{name}, row {row}: {mean} ± {se}, exact {exact}"
            );
        }
    }
    let mut case = case;
    case.drive = None;
    let problem = case.problem();
    let full = leyden::exact::steady(&problem, Some(Representation::Full), &Stop::default()).unwrap();
    let spins = steady(&problem).unwrap();
    for k in 0..4 {
        let name = format!("e{k}");
        assert!((full[&*name].last().value - spins[&*name].last().value).abs() < 1e-9, "{name}");
    }
}
