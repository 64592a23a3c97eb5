//! Functionals against lists of levels, formulas and the inequality that makes them bounds.

use super::*;
use crate::estimate::random::{Random, mixture};
use crate::problem::{ProblemBuilder, Quantity};
use faer::Side;

const OMEGA: f64 = 1.3;

/// A problem with one part, whose dynamics does not matter.
fn problem(part: impl FnOnce(&mut ProblemBuilder)) -> Problem {
    let mut p = Problem::builder("state");
    part(&mut p);
    p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    p.build().unwrap()
}

/// The function of the state behind a quantity.
fn exact(problem: &Problem, quantity: &Quantity, state: &State) -> Result<f64, RunError> {
    let (what, of) = quantity.nonlinear().unwrap();
    super::exact(problem, what, of, state)
}

fn energy(state: &State) -> f64 {
    let of = |(_, shape, m): &(Label, BlockShape, Mat<Complex64>)| {
        shape.energies.iter().enumerate().map(|(i, e)| e * m[(i, i)].re).sum::<f64>()
    };
    state.blocks.iter().map(of).sum()
}

fn one_block(energies: Vec<f64>, matrix: Mat<Complex64>) -> State {
    State::new(vec![(vec![], BlockShape { ln_copies: 0.0, energies }, matrix)])
}

fn cell_state(matrix: Mat<Complex64>) -> State {
    State::new(vec![(vec![0, 0], BlockShape { ln_copies: 0.0, energies: vec![0.0, OMEGA] }, matrix)])
}

/// Excited cells in a product basis state.
fn excited(state: usize) -> f64 {
    f64::from(state.count_ones())
}

fn diagonal(values: impl Fn(usize) -> f64, d: usize) -> Mat<Complex64> {
    Mat::from_fn(d, d, |i, j| Complex64::from(if i == j { values(i) } else { 0.0 }))
}

fn product(a: &Mat<Complex64>, b: &Mat<Complex64>) -> f64 {
    let d = a.nrows();
    (0..d).map(|i| (0..d).map(|j| (a[(i, j)] * b[(j, i)]).re).sum::<f64>()).sum()
}

/// Σ of eigenvalues in falling order times levels in rising order or, `active`, in falling order.
fn paired(rho: &Mat<Complex64>, energies: &[f64], active: bool) -> f64 {
    let mut levels = energies.to_vec();
    levels.sort_by(f64::total_cmp);
    if !active {
        levels.reverse();
    }
    rho.self_adjoint_eigenvalues(Side::Lower).unwrap().iter().zip(levels).map(|(r, e)| r * e).sum()
}

/// Every joint quantity of a matrix over all its levels, spelled out.
fn spelled_out(rho: &Mat<Complex64>, energies: &[f64]) -> Vec<(Quantity, f64)> {
    let d = energies.len();
    let energy: f64 = (0..d).map(|i| energies[i] * rho[(i, i)].re).sum();
    let same = |i: usize, j: usize| (energies[i] - energies[j]).abs() < 1e-9;
    let pinched = Mat::from_fn(d, d, |i, j| if same(i, j) { rho[(i, j)] } else { Complex64::ZERO });
    let ergotropy = energy - paired(rho, energies, false);
    let incoherent = energy - paired(&pinched, energies, false);
    let anti = energy - paired(rho, energies, true);
    vec![
        (Quantity::Ergotropy, ergotropy),
        (Quantity::IncoherentErgotropy, incoherent),
        (Quantity::CoherentErgotropy, ergotropy - incoherent),
        (Quantity::AntiErgotropy, anti),
        (Quantity::Capacity, ergotropy - anti),
        (Quantity::Purity, product(rho, rho)),
    ]
}

fn assert_all(problem: &Problem, state: &State, expected: &[(Quantity, f64)]) {
    for (quantity, expected) in expected {
        let got = exact(problem, quantity, state).unwrap();
        assert!((got - expected).abs() < 1e-11, "{quantity:?}: {got}, expected {expected}");
    }
}

/// Of each 2J, an orthonormal basis of the copies of |J, M⟩ in the product basis: first index the copy, second J + M.
fn coupled_basis(cells: usize) -> Vec<(u64, Vec<Vec<Vec<f64>>>)> {
    let d = 1 << cells;
    let up = |v: &[f64]| -> Vec<f64> {
        let mut out = vec![0.0; d];
        for (state, x) in v.iter().enumerate() {
            (0..cells).filter(|c| state >> c & 1 == 0).for_each(|c| out[state | 1 << c] += x);
        }
        out
    };
    let down = |v: &[f64]| -> Vec<f64> {
        let mut out = vec![0.0; d];
        for (state, x) in v.iter().enumerate() {
            (0..cells).filter(|c| state >> c & 1 == 1).for_each(|c| out[state ^ 1 << c] += x);
        }
        out
    };
    let unit = |i: usize| -> Vec<f64> { (0..d).map(|k| if k == i { 1.0 } else { 0.0 }).collect() };
    let of_spin = |pairs: usize| {
        // The states with M = J that S⁺ annihilates: the kernel of S⁻S⁺ + (excited cells − (N/2 + J))².
        let raised: Vec<Vec<f64>> = (0..d).map(|i| up(&unit(i))).collect();
        let kernel = Mat::from_fn(d, d, |i, j| {
            let raising: f64 = raised[i].iter().zip(&raised[j]).map(|(a, b)| a * b).sum();
            raising + if i == j { (excited(i) - (cells - pairs) as f64).powi(2) } else { 0.0 }
        });
        let eigen = kernel.self_adjoint_eigen(Side::Lower).unwrap();
        let heads = (0..d).filter(|k| eigen.S()[*k] < 1e-9);
        let ladder = |k: usize| {
            let mut states = vec![(0..d).map(|i| eigen.U()[(i, k)]).collect::<Vec<f64>>()];
            for _ in 0..cells - 2 * pairs {
                let lower = down(&states[states.len() - 1]);
                let norm = lower.iter().map(|x| x * x).sum::<f64>().sqrt();
                states.push(lower.into_iter().map(|x| x / norm).collect());
            }
            states.reverse();
            states
        };
        ((cells - 2 * pairs) as u64, heads.map(ladder).collect())
    };
    (0..=cells / 2).map(of_spin).collect()
}

#[test]
fn blocks_of_four_cells_agree_with_all_sixteen_levels() {
    const CELLS: usize = 4;
    let problem = problem(|p| {
        p.ensemble("B", CELLS as u64, OMEGA);
    });
    let basis = coupled_basis(CELLS);
    assert_eq!(basis.iter().map(|(_, copies)| copies.len()).collect::<Vec<_>>(), [1, 3, 2]);
    let energies: Vec<f64> = (0..16).map(|state| OMEGA * excited(state)).collect();
    let mut random = Random::new(1);
    for weights in [[0.5, 0.3, 0.2], [0.0, 0.6, 0.4], [0.1, 0.0, 0.9], [0.2, 0.75, 0.05], [1.0, 0.0, 0.0]] {
        for rank in [1, 2, 5] {
            let mut blocks = Vec::new();
            let mut full = Mat::<Complex64>::zeros(16, 16);
            for ((two_j, copies), weight) in basis.iter().zip(weights) {
                let d = *two_j as usize + 1;
                let matrix = scaled(&random.state(d, rank.min(d)), weight.into());
                for copy in copies {
                    for (a, b) in (0..d).flat_map(|a| (0..d).map(move |b| (a, b))) {
                        for (i, j) in (0..16).flat_map(|i| (0..16).map(move |j| (i, j))) {
                            full[(i, j)] += matrix[(a, b)] * (copy[a][i] * copy[b][j] / copies.len() as f64);
                        }
                    }
                }
                let pairs = (CELLS as u64 - two_j) / 2;
                let shape = BlockShape {
                    ln_copies: crate::battery::ln_multiplicity(CELLS as u64, pairs),
                    energies: (0..d as u64).map(|up| OMEGA * (pairs + up) as f64).collect(),
                };
                if weight > 0.0 {
                    blocks.push((vec![*two_j as i64], shape, matrix));
                }
            }
            let state = State::new(blocks);
            let mut expected = spelled_out(&full, &energies);
            if weights[0] == 1.0 {
                let symmetric: Vec<f64> = (0..5).map(|k| OMEGA * f64::from(k)).collect();
                let w = energy(&state) - paired(&state.blocks[0].2, &symmetric, false);
                expected.push((Quantity::SymmetricErgotropy, w));
            } else {
                assert!(matches!(exact(&problem, &Quantity::SymmetricErgotropy, &state), Err(RunError::Request(_))));
                assert!(matches!(exact(&problem, &Quantity::Coherence, &state), Err(RunError::Request(_))));
            }
            assert_all(&problem, &state, &expected);
        }
    }
}

#[test]
fn networks_modes_and_levels_agree_with_the_list_of_levels() {
    let problem = problem(|p| {
        p.subsystem("A", Kind::Network { cells: 2, edges: vec![(0, 1)] }, OMEGA);
        p.subsystem("m", Kind::Mode { cutoff: 3 }, 0.8);
        p.subsystem("L", Kind::Levels { energies: vec![0.0, 0.3, 2.0] }, 1.0);
    });
    let energies: Vec<f64> =
        (0..36).map(|i| OMEGA * excited(i / 9) + 0.8 * (i / 3 % 3) as f64 + [0.0, 0.3, 2.0][i % 3]).collect();
    let mut random = Random::new(2);
    for rank in [1, 2, 7, 36] {
        let rho = random.state(36, rank);
        let mut expected = spelled_out(&rho, &energies);
        let off = |i: usize| (0..36).filter(|j| *j != i).map(|j| rho[(i, j)].norm()).sum::<f64>();
        expected.push((Quantity::Coherence, (0..36).map(off).sum::<f64>() / 35.0));
        assert_all(&problem, &one_block(energies.clone(), rho), &expected);
    }
}

#[test]
fn one_subsystem_and_the_empty_battery() {
    let problem = problem(|p| {
        p.subsystem("m", Kind::Mode { cutoff: 4 }, 0.8);
        p.subsystem("L", Kind::Levels { energies: vec![0.0, 0.3, 2.0] }, 1.0);
    });
    let rho = Random::new(3).state(3, 2);
    let energies = [0.0, 0.3, 2.0];
    let w = (0..3).map(|i| energies[i] * rho[(i, i)].re).sum::<f64>() - paired(&rho, &energies, false);
    assert_all(&problem, &one_block(energies.to_vec(), rho), &[(Quantity::ErgotropyOf(SubsystemId::new(1)), w)]);
    let all: Vec<f64> = (0..12).map(|i| 0.8 * (i / 3) as f64 + energies[i % 3]).collect();
    let empty = one_block(all, diagonal(|i| if i == 0 { 1.0 } else { 0.0 }, 12));
    assert_all(&problem, &empty, &[(Quantity::Ergotropy, 0.0), (Quantity::AntiErgotropy, -4.4)]);
}

/// All energy of a pure state can be had and none of the maximally mixed one, whatever the number of cells.
#[test]
fn pure_and_maximally_mixed_states_are_extreme() {
    for cells in [1u64, 2, 9, 140] {
        let problem = problem(|p| {
            p.ensemble("B", cells, OMEGA);
        });
        let d = cells as usize + 1;
        let top = OMEGA * cells as f64;
        let energies: Vec<f64> = (0..d).map(|up| OMEGA * up as f64).collect();
        let one = |place: usize| {
            let shape = BlockShape { ln_copies: 0.0, energies: energies.clone() };
            State::new(vec![(vec![cells as i64], shape, diagonal(|i| if i == place { 1.0 } else { 0.0 }, d))])
        };
        let value = |q: Quantity, state: &State| exact(&problem, &q, state).unwrap();
        for place in [0, d / 2, d - 1] {
            let (state, e) = (one(place), OMEGA * place as f64);
            let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-9, "{cells} {place}: {got}");
            close(value(Quantity::Ergotropy, &state), e);
            close(value(Quantity::SymmetricErgotropy, &state), e);
            close(value(Quantity::AntiErgotropy, &state), e - top);
            close(value(Quantity::Capacity, &state), top);
            close(value(Quantity::Purity, &state), 1.0);
        }
        let mixed = |pairs: u64| {
            let copies = crate::battery::ln_multiplicity(cells, pairs);
            let d = (cells - 2 * pairs + 1) as usize;
            let shape =
                BlockShape { ln_copies: copies, energies: (0..d as u64).map(|u| OMEGA * (pairs + u) as f64).collect() };
            (vec![(cells - 2 * pairs) as i64], shape, diagonal(|_| (copies - cells as f64 * 2f64.ln()).exp(), d))
        };
        let state = State::new((0..=cells / 2).map(mixed).collect());
        assert!(value(Quantity::Ergotropy, &state).abs() < 1e-9 * top);
        assert!(value(Quantity::Capacity, &state).abs() < 1e-9 * top);
    }
}

#[test]
fn cells_one_by_one_and_in_ensembles() {
    let rho = |p: f64, c: Complex64| Mat::from_fn(2, 2, |i, j| [[(1.0 - p).into(), c.conj()], [c, p.into()]][i][j]);
    let (p, c) = (0.7, Complex64::new(0.1, 0.3));
    // One cell: r± = ½ ± √((p − ½)² + |c|²), so W = ω(p − r₋).
    let alone = |p: f64, c: Complex64| OMEGA * (p - 0.5 + ((p - 0.5).powi(2) + c.norm_sqr()).sqrt());
    let shared = problem(|b| {
        b.ensemble("B", 5, OMEGA);
    });
    let expected = [(Quantity::LocalErgotropy, 5.0 * alone(p, c)), (Quantity::CellCoherence, c.norm())];
    assert_all(&shared, &cell_state(rho(p, c)), &expected);
    let single = problem(|b| {
        b.subsystem("A", Kind::Network { cells: 2, edges: vec![(0, 1)] }, OMEGA);
    });
    let (q, k) = (0.2, Complex64::new(-0.2, 0.1));
    let shape = BlockShape { ln_copies: 0.0, energies: vec![0.0, OMEGA] };
    let state = State::new(vec![(vec![0, 0], shape.clone(), rho(p, c)), (vec![0, 1], shape, rho(q, k))]);
    let expected =
        [(Quantity::LocalErgotropy, alone(p, c) + alone(q, k)), (Quantity::CellCoherence, 0.5 * (c + k).norm())];
    assert_all(&single, &state, &expected);
}

/// Werner states, pure states 2|ad − bc|, and X states 2max(0, |ρ14| − √(ρ22ρ33), |ρ23| − √(ρ11ρ44)).
#[test]
fn concurrence_of_states_with_a_formula() {
    let mut random = Random::new(4);
    let half = 0.5f64.sqrt();
    let close = |rho: &Mat<Complex64>, expected: f64| {
        let got = concurrence::concurrence(rho);
        assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
        let o = concurrence::gradient(rho).unwrap();
        let (unclipped, supported) = (concurrence::unclipped(rho), product(rho, &o));
        assert!((unclipped - supported).abs() < 1e-6, "{unclipped}, its gradient gives {supported}");
    };
    for p in [0.0, 0.2, 1.0 / 3.0, 0.5, 0.9] {
        let singlet = [0.0, half, -half, 0.0].map(Complex64::from).to_vec();
        let pure = mixture(&[(1.0, singlet)]);
        let rho = Mat::from_fn(4, 4, |i, j| pure[(i, j)] * p + if i == j { 0.25 * (1.0 - p) } else { 0.0 });
        close(&rho, (1.5 * p - 0.5f64).max(0.0));
    }
    for _ in 0..50 {
        let v = random.vector(4);
        close(&mixture(&[(1.0, v.clone())]), 2.0 * (v[0] * v[3] - v[1] * v[2]).norm());
        let (outer, inner) = (random.state(2, 2), random.state(2, 2));
        let weight = random.uniform();
        let mut rho = Mat::<Complex64>::zeros(4, 4);
        for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            rho[(3 * a, 3 * b)] = outer[(a, b)] * weight;
            rho[(1 + a, 1 + b)] = inner[(a, b)] * (1.0 - weight);
        }
        let geometric = |i: usize, j: usize| (rho[(i, i)].re * rho[(j, j)].re).sqrt();
        let expected = (rho[(0, 3)].norm() - geometric(1, 2)).max(rho[(1, 2)].norm() - geometric(0, 3)).max(0.0);
        close(&rho, 2.0 * expected);
    }
}

/// f(σ) ≥ Tr σO(ρ), with equality at σ = ρ: what makes cross-fitting a bound from below, also in directions and blocks
/// that ρ does not reach.
#[test]
fn witnesses_support_their_functionals() {
    let mut random = Random::new(5);
    let joint = problem(|p| {
        p.subsystem("A", Kind::Network { cells: 2, edges: vec![(0, 1)] }, OMEGA);
    });
    let energies: Vec<f64> = (0..4).map(|i| OMEGA * excited(i)).collect();
    let single = problem(|p| {
        p.subsystem("A", Kind::Network { cells: 1, edges: vec![] }, OMEGA);
    });
    let joint_quantities = [
        Quantity::Ergotropy,
        Quantity::IncoherentErgotropy,
        Quantity::AntiErgotropy,
        Quantity::Coherence,
        Quantity::Concurrence,
    ];
    let cases = joint_quantities.iter().map(|q| (&joint, q, 4));
    let cells = [Quantity::LocalErgotropy, Quantity::CellCoherence];
    for (problem, quantity, d) in cases.chain(cells.iter().map(|q| (&single, q, 2))) {
        let (what, of) = quantity.nonlinear().unwrap();
        let f = functional(problem, what, of).unwrap().unwrap();
        let state = |m: Mat<Complex64>| match d {
            4 => one_block(energies.clone(), m),
            _ => cell_state(m),
        };
        for trial in 0..400 {
            let (rho, sigma) = (state(random.state(d, 1 + trial % d)), state(random.state(d, 1 + trial / d % d)));
            let witness = f.witness(&rho).unwrap();
            let on =
                |s: &State| -> f64 { s.blocks.iter().map(|(label, shape, m)| witness.trace(label, shape, m)).sum() };
            let (tight, below) = (f.value(&rho).unwrap() - on(&rho), f.value(&sigma).unwrap() - on(&sigma));
            assert!(tight.abs() < 1e-6, "{quantity:?} misses its own state by {tight}");
            assert!(below > -1e-6, "{quantity:?} exceeds another state by {}", -below);
            // The block was never seen.
            let empty = f.witness(&State::default()).unwrap();
            let (label, shape, m) = &sigma.blocks[0];
            assert!(empty.trace(label, shape, m) <= f.value(&sigma).unwrap() + 1e-12);
        }
    }
}

#[test]
fn what_is_no_state_is_refused() {
    let problem = problem(|p| {
        p.subsystem("A", Kind::Network { cells: 1, edges: vec![] }, OMEGA);
    });
    for wrong in [-0.1, f64::NAN] {
        let state = one_block(vec![0.0, OMEGA], diagonal(|i| if i == 0 { 1.0 - wrong } else { wrong }, 2));
        assert!(matches!(exact(&problem, &Quantity::Ergotropy, &state), Err(RunError::Numerics { .. })));
    }
}
