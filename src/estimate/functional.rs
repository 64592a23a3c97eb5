//! Nonlinear quantities of a block-diagonal density matrix, each through the linear functional that supports it.
//!
//! Ergotropy and its relatives, the l1 coherence and the concurrence are convex and homogeneous of degree one, f(λρ) = λf(ρ). Such an f has
//! at every ρ a witness O with f(ρ) = Tr ρO and f(σ) ≥ Tr σO for all states σ: for the ergotropy O = H − U†HU with the
//! unitary that empties ρ. So a value is one trace, and the witness of one half of the samples gives a lower bound,
//! linear in ρ, on the other half.

use super::{concurrence, entropy};
use crate::battery::ln_add;
use crate::dense::eigen;
use crate::density::{BlockShape, GroupSum, Label, add_projectors};
use crate::error::RunError;
use crate::levels::Levels;
use crate::problem::{Basis, ChosenId, Kind, Nonlinear, Part, Place, Problem, SubsystemId};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use num_complex::Complex64;
use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A density matrix, block by block; the traces sum to one for each part it is made of.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Label, meaning of the basis, and d × d matrix of each block, that of all its copies together.
    pub blocks: Vec<(Label, BlockShape, Mat<Complex64>)>,
    /// F with ρ = FF†, d rows, of blocks where it has few columns.
    pub factors: BTreeMap<Label, Mat<Complex64>>,
}

impl State {
    /// From label, meaning of the basis, and matrix of each block.
    pub fn new(blocks: Vec<(Label, BlockShape, Mat<Complex64>)>) -> Self {
        Self { blocks, factors: BTreeMap::new() }
    }
}

/// The smallest eigenvalue of what need not be a state.
const FLOOR: f64 = 1e-9;

/// How far an eigenvalue may lie below 0.
const TOLERANCE: f64 = 1e-9;

/// A convex quantity, ready to be evaluated.
#[derive(Clone, Debug)]
pub enum Functional {
    /// Ergotropy over these levels; with `pinched` after removing coherence between different energies, with `inverted`
    /// that of −H, which is minus the anti-ergotropy.
    Ergotropy {
        /// The levels that eigenvalues are put on, those of −H where inverted.
        levels: Levels,
        /// Whether coherence between energies is removed first.
        pinched: bool,
        /// Whether H is turned upside down.
        inverted: bool,
    },
    /// Σ over cells, each with so many copies by label, of the ergotropy of its own 2×2 state.
    Local(Vec<(Label, f64)>),
    /// Σ_{i≠j}|ρ_ij| over this number.
    Coherence(f64),
    /// |Σ over cells, with copies by label, of ⟨e|ρ|g⟩| over the number of cells.
    CellCoherence(Vec<(Label, f64)>),
    /// The mean over edges of the concurrence.
    Concurrence,
    /// −Σ S over groups of the factors of one block: the sum of the negative entropies of their states.
    NegativeEntropy {
        /// The numbers of levels of the factors.
        levels: Vec<usize>,
        /// The first factor of each group, and the first after it.
        groups: Vec<(usize, usize)>,
    },
    /// −S of the whole state, of which these are all blocks that any trajectory has seen.
    WholeEntropy(Vec<(Label, BlockShape)>),
    /// (‖ρ^{T_A}‖₁ − 1)/2, A being the states of so many levels that come first.
    Negativity(usize),
    /// ⟨ψ|ρ|ψ⟩.
    Fidelity(Arc<Vec<Complex64>>),
}

/// O on each block, and what stands for a block that ρ does not have: H minus this energy, or 0.
#[derive(Clone, Debug)]
pub struct Witness {
    blocks: BTreeMap<Label, Mat<Complex64>>,
    unseen: Option<(f64, f64)>,
}

impl Witness {
    /// O on one block, 0 elsewhere.
    pub fn of_block(label: Label, o: Mat<Complex64>) -> Self {
        Self { blocks: BTreeMap::from([(label, o)]), unseen: None }
    }

    /// Tr σO for one block of σ, given by its trace with a matrix and by its diagonal.
    fn on(
        &self,
        (label, shape): (&Label, &BlockShape),
        trace: impl Fn(MatRef<'_, Complex64>) -> f64,
        diagonal: impl Fn(usize) -> f64,
    ) -> f64 {
        match (self.blocks.get(label), self.unseen) {
            (Some(o), _) => trace(o.as_ref()),
            (None, Some((sign, highest))) => {
                shape.energies.iter().enumerate().map(|(i, e)| (sign * e - highest) * diagonal(i)).sum()
            }
            (None, None) => 0.0,
        }
    }

    /// Tr σO for one block of σ.
    pub fn trace(&self, label: &Label, shape: &BlockShape, sigma: &Mat<Complex64>) -> f64 {
        let product = |o: MatRef<'_, Complex64>| {
            let of = |(o, s): (&Complex64, &Complex64)| o.re * s.re + o.im * s.im;
            // Tr σO = ΣO_ij σ_ij* of Hermitian matrices.
            (0..o.ncols()).map(|j| o.col(j).iter().zip(sigma.col(j).iter()).map(of).sum::<f64>()).sum()
        };
        self.on((label, shape), product, |i| sigma[(i, i)].re)
    }

    /// Tr σO for the sum of one group's trajectories in a block.
    pub fn of_group(&self, label: &Label, shape: &BlockShape, sum: &GroupSum) -> f64 {
        let d = shape.energies.len();
        self.on((label, shape), |o| sum.trace(o), |i| sum.diagonal(d, i))
    }
}

/// The functional behind a function of the state of a part, or `None` for one that is not of this kind (purity,
/// differences). That of the anti-ergotropy is minus it.
///
/// # Errors
/// When the levels are too many to tabulate.
pub fn functional(problem: &Problem, what: Nonlinear, of: Part) -> Result<Option<Functional>, RunError> {
    let members = of.members(problem);
    let tabulated = |levels: Option<Levels>| {
        levels.ok_or_else(|| RunError::Request("this battery has too many levels for its ergotropy".into()))
    };
    let levels = |inverted: bool| match (of, &problem.battery_hamiltonian) {
        (Part::Chosen(id), _) => {
            let places = &problem.chosen[id.number].places;
            tabulated(Levels::of_factors(problem, &problem.factors_of(places)))
        }
        (Part::Battery, Some(own)) => {
            let refused = |why| RunError::Request(format!("the Hamiltonian of this battery has {why}"));
            Levels::of_hamiltonian(problem, own, inverted).map_err(refused)
        }
        _ if inverted => tabulated(Levels::inverted(problem, &members)),
        _ => tabulated(Levels::of(problem, &members)),
    };
    let ergotropy = |levels, pinched| Functional::Ergotropy { levels, pinched, inverted: false };
    Ok(Some(match what {
        Nonlinear::Ergotropy => ergotropy(levels(false)?, false),
        Nonlinear::IncoherentErgotropy => ergotropy(levels(false)?, true),
        Nonlinear::SymmetricErgotropy => {
            let part = &problem.subsystems[members[0]];
            ergotropy(Levels::new((0..=part.cells()).map(|k| (part.energy * k as f64, 0.0)).collect()), false)
        }
        Nonlinear::AntiErgotropy => Functional::Ergotropy { levels: levels(true)?, pinched: false, inverted: true },
        Nonlinear::LocalErgotropy => Functional::Local(cells(problem, &members)),
        Nonlinear::CellCoherence => Functional::CellCoherence(cells(problem, &members)),
        Nonlinear::Coherence => {
            let dimension: f64 = members.iter().map(|e| problem.subsystems[*e].ln_dimension()).sum::<f64>().exp();
            Functional::Coherence((dimension - 1.0).max(1.0))
        }
        Nonlinear::Concurrence => Functional::Concurrence,
        Nonlinear::Entropy | Nonlinear::Negativity | Nonlinear::Fidelity => {
            let Part::Chosen(id) = of else { return Ok(None) };
            let chosen = &problem.chosen[id.number];
            match (&chosen.target, what) {
                (Some(target), Nonlinear::Fidelity) => Functional::Fidelity(target.clone()),
                (_, Nonlinear::Negativity) => {
                    Functional::Negativity(problem.states_of(&chosen.places[..chosen.first]) as usize)
                }
                _ => negative_entropy(problem, id.number, &[(0, chosen.places.len())]),
            }
        }
        Nonlinear::Purity | Nonlinear::CoherentErgotropy | Nonlinear::Capacity | Nonlinear::MutualInformation => {
            return Ok(None);
        }
    }))
}

/// −Σ S of groups of the places of a chosen part.
fn negative_entropy(problem: &Problem, number: usize, groups: &[(usize, usize)]) -> Functional {
    let places = &problem.chosen[number].places;
    let count = |places: &[Place]| problem.factors_of(places).len();
    let levels = problem.factors_of(places).iter().map(|(.., levels)| *levels).collect();
    let groups = groups.iter().map(|(from, to)| (count(&places[..*from]), count(&places[..*to]))).collect();
    Functional::NegativeEntropy { levels, groups }
}

/// The two convex functionals whose difference is the mutual information: −S(AB) and −S(A) − S(B).
pub fn mutual_information(problem: &Problem, of: Part) -> Option<[Functional; 2]> {
    let Part::Chosen(ChosenId { number, .. }) = of else { return None };
    let (first, all) = (problem.chosen[number].first, problem.chosen[number].places.len());
    let entropy = |groups: &[(usize, usize)]| negative_entropy(problem, number, groups);
    Some([entropy(&[(0, all)]), entropy(&[(0, first), (first, all)])])
}

/// Whether a function has a meaning in a state of a part.
///
/// # Errors
/// [`RunError::Request`] when it has none: the symmetric ergotropy of a battery that has left J = N/2, and the l1
/// coherence of blocks with copies, whose bases are not product bases.
pub fn check(problem: &Problem, what: Nonlinear, of: Part, state: &State) -> Result<(), RunError> {
    match what.basis() {
        Basis::Spins => {
            let cells = of.members(problem).iter().map(|e| problem.subsystems[*e].cells() as i64).sum();
            let outside = state.blocks.iter().filter(|(label, ..)| label.first() != Some(&cells));
            let weight: f64 = outside.map(|(.., m)| (0..m.nrows()).map(|i| m[(i, i)].re).sum::<f64>()).sum();
            if !(weight <= 1e-9) {
                return Err(RunError::Request(format!(
                    "a weight of {weight:.2e} has left J = N/2, so the ergotropy within the symmetric subspace has no meaning"
                )));
            }
        }
        Basis::Product if state.blocks.iter().any(|(_, shape, _)| shape.ln_copies > 0.0) => {
            return Err(RunError::Request(
                "the l1 coherence depends on the basis, and this state is known in one of collective spins".into(),
            ));
        }
        Basis::Product | Basis::SingleCells | Basis::Any => {}
    }
    Ok(())
}

/// The labels of a part's cells in [`Reduction::Cells`](crate::problem::Reduction::Cells) with the number of cells that each stands for: both ways
/// an ensemble may be stored are listed, and only one of them occurs.
fn cells(problem: &Problem, members: &[SubsystemId]) -> Vec<(Label, f64)> {
    let of = |(index, e): (usize, &SubsystemId)| {
        let part = &problem.subsystems[*e];
        let shared = matches!(part.kind, Kind::Ensemble { .. });
        (0..part.cells()).map(move |cell| {
            let copies = if shared && cell == 0 { part.cells() as f64 } else { 1.0 };
            (vec![index as i64, cell as i64], copies)
        })
    };
    members.iter().enumerate().flat_map(of).collect()
}

impl Functional {
    /// The witness at `state`.
    ///
    /// # Errors
    /// [`RunError::Numerics`] for eigenvalues that no density matrix has.
    pub fn witness(&self, state: &State) -> Result<Witness, RunError> {
        self.witness_within(state, TOLERANCE, 0.0)
    }

    /// The witness at what need not quite be a state: what is below 0 counts 0.
    ///
    /// # Errors
    /// [`RunError::Numerics`] where there are no eigenvalues.
    pub fn witness_near(&self, state: &State) -> Result<Witness, RunError> {
        self.witness_within(state, f64::INFINITY, FLOOR)
    }

    /// The witness at the state of some trajectories, to bound the function at that of others: of what these have not seen,
    /// there may be a part of `floor`.
    ///
    /// # Errors
    /// As [`witness`](Self::witness).
    pub fn witness_of_some(&self, state: &State, floor: f64) -> Result<Witness, RunError> {
        self.witness_within(state, TOLERANCE, floor)
    }

    fn witness_within(&self, state: &State, tolerance: f64, floor: f64) -> Result<Witness, RunError> {
        match self {
            Functional::Ergotropy { levels, pinched, inverted } => {
                ergotropy(levels, (*pinched, *inverted), state, tolerance)
            }
            Functional::Local(copies) => {
                let mut blocks = BTreeMap::new();
                let (each, alone) = (weights(copies, state), |energies: &[f64]| {
                    Levels::new(energies.iter().map(|e| (*e, 0.0)).collect())
                });
                for ((label, shape, matrix), copies) in state.blocks.iter().zip(each) {
                    let one = State::new(vec![(label.clone(), shape.clone(), matrix.clone())]);
                    let witness = ergotropy(&alone(&shape.energies), (false, false), &one, tolerance)?;
                    blocks.extend(witness.blocks.into_iter().map(|(label, o)| (label, scaled(&o, copies.into()))));
                }
                Ok(Witness { blocks, unseen: None })
            }
            Functional::Coherence(over) => {
                let phases = |m: &Mat<Complex64>| {
                    Mat::from_fn(m.nrows(), m.nrows(), |i, j| match (i == j, m[(j, i)].norm()) {
                        (true, _) | (_, 0.0) => Complex64::ZERO,
                        (false, size) => m[(j, i)].conj() / size / *over,
                    })
                };
                let blocks = state.blocks.iter().map(|(label, _, m)| (label.clone(), phases(m))).collect();
                Ok(Witness { blocks, unseen: None })
            }
            Functional::CellCoherence(copies) => {
                let each = weights(copies, state);
                let total: f64 = each.iter().sum();
                let sum: Complex64 = state.blocks.iter().zip(&each).map(|((.., m), c)| m[(1, 0)] * *c).sum();
                let phase = if sum.norm() > 0.0 { sum.conj() / sum.norm() } else { Complex64::ONE };
                // Re(phase·ρ_eg) as a trace: half of it on each side of the diagonal.
                let o = |c: f64| {
                    Mat::from_fn(2, 2, |i, j| match (i, j) {
                        (0, 1) => phase * (0.5 * c / total),
                        (1, 0) => phase.conj() * (0.5 * c / total),
                        _ => Complex64::ZERO,
                    })
                };
                let blocks = state.blocks.iter().zip(each).map(|((label, ..), c)| (label.clone(), o(c))).collect();
                Ok(Witness { blocks, unseen: None })
            }
            Functional::NegativeEntropy { levels, groups } => {
                let mut blocks = BTreeMap::new();
                for (label, _, rho) in &state.blocks {
                    let mut o = Mat::<Complex64>::zeros(rho.nrows(), rho.nrows());
                    for group in groups {
                        entropy::add_logarithm(&mut o, rho, levels, *group, floor).map_err(no_eigenvalues)?;
                    }
                    blocks.insert(label.clone(), o);
                }
                Ok(Witness { blocks, unseen: None })
            }
            Functional::WholeEntropy(all) => {
                Ok(Witness { blocks: entropy::logarithms(all, state, floor).map_err(no_eigenvalues)?, unseen: None })
            }
            Functional::Negativity(first) => {
                let o = |(label, _, rho): &(Label, BlockShape, Mat<Complex64>)| {
                    Ok((label.clone(), entropy::negativity(rho, *first).map_err(no_eigenvalues)?))
                };
                Ok(Witness { blocks: state.blocks.iter().map(o).collect::<Result<_, RunError>>()?, unseen: None })
            }
            Functional::Fidelity(psi) => {
                let o = Mat::from_fn(psi.len(), psi.len(), |i, j| psi[i] * psi[j].conj());
                Ok(Witness {
                    blocks: state.blocks.iter().map(|(label, ..)| (label.clone(), o.clone())).collect(),
                    unseen: None,
                })
            }
            Functional::Concurrence => {
                let each = 1.0 / state.blocks.len() as f64;
                let entangled = state.blocks.iter().filter(|(.., m)| concurrence::unclipped(m) > 0.0);
                let o = |(label, _, m): &(Label, BlockShape, Mat<Complex64>)| {
                    Some((label.clone(), scaled(&concurrence::gradient(m)?, each.into())))
                };
                Ok(Witness { blocks: entangled.filter_map(o).collect(), unseen: None })
            }
        }
    }

    /// f(ρ).
    ///
    /// # Errors
    /// As [`witness`](Self::witness).
    pub fn value(&self, state: &State) -> Result<f64, RunError> {
        if let Functional::Concurrence = self {
            let sum: f64 = state.blocks.iter().map(|(.., m)| concurrence::concurrence(m)).sum();
            return Ok(sum / state.blocks.len() as f64);
        }
        let witness = self.witness(state)?;
        Ok(state.blocks.iter().map(|(label, shape, m)| witness.trace(label, shape, m)).sum())
    }
}

/// The copies that each block of `state` stands for: those of the list, but where an ensemble's cells are stored one by
/// one (a label with cell 1 is there) all count once.
fn weights(copies: &[(Label, f64)], state: &State) -> Vec<f64> {
    let single = |subsystem: i64| state.blocks.iter().any(|(l, ..)| l[0] == subsystem && l[1] > 0);
    let of = |label: &Label| copies.iter().find(|(l, _)| l == label).map_or(1.0, |(_, c)| *c);
    state.blocks.iter().map(|(label, ..)| if single(label[0]) { 1.0 } else { of(label) }).collect()
}

fn scaled(m: &Mat<Complex64>, by: Complex64) -> Mat<Complex64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] * by)
}

/// Without elements between different energies.
fn without_coherence(shape: &BlockShape, m: &Mat<Complex64>) -> Mat<Complex64> {
    let scale = shape.energies.iter().fold(0.0, |most: f64, e| most.max(e.abs()));
    let same = |i: usize, j: usize| (shape.energies[i] - shape.energies[j]).abs() <= 1e-9 * scale;
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| if same(i, j) { m[(i, j)] } else { Complex64::ZERO })
}

/// Where no eigenvalues can be had.
fn no_eigenvalues(reason: String) -> RunError {
    RunError::Numerics { method: "the eigenvalues of the battery's density matrix", reason }
}

/// Smaller eigenvalues count 0.
const EMPTY: f64 = 1e-15;

/// The same beside the largest one of F†F, whose eigenvectors make those of FF† only so far.
const EMPTY_OF_FACTOR: f64 = 1e-10;

/// The eigenvalues of one block that are not 0, with their eigenvectors as columns.
fn occupied(rho: &Mat<Complex64>, tolerance: f64) -> Result<(Vec<f64>, Mat<Complex64>), RunError> {
    let (values, vectors) = eigen(rho.as_ref()).map_err(no_eigenvalues)?;
    if let Some(value) = values.iter().find(|value| !(**value >= -tolerance)) {
        return Err(no_eigenvalues(format!("one of them is {value}")));
    }
    let kept: Vec<usize> = (0..values.len()).filter(|k| values[*k] > EMPTY).collect();
    let d = rho.nrows();
    Ok((kept.iter().map(|k| values[*k]).collect(), Mat::from_fn(d, kept.len(), |i, k| vectors[(i, kept[k])])))
}

/// The same of FF†, by way of F†F: with F†Fv = λv an eigenvector is Fv/√λ.
fn occupied_by_factor(f: &Mat<Complex64>) -> Result<(Vec<f64>, Mat<Complex64>), RunError> {
    let (d, n) = (f.nrows(), f.ncols());
    let mut gram = Mat::<Complex64>::zeros(n, n);
    matmul(gram.as_mut(), Accum::Replace, f.adjoint(), f.as_ref(), Complex64::ONE, Par::Seq);
    let (values, vectors) = eigen(gram.as_ref()).map_err(no_eigenvalues)?;
    let least = EMPTY_OF_FACTOR * values.last().copied().unwrap_or(0.0);
    let kept: Vec<usize> = (0..n).filter(|k| values[*k] > least).collect();
    let scaled = Mat::from_fn(n, kept.len(), |i, k| vectors[(i, kept[k])] / values[kept[k]].sqrt());
    let mut u = Mat::<Complex64>::zeros(d, kept.len());
    matmul(u.as_mut(), Accum::Replace, f.as_ref(), scaled.as_ref(), Complex64::ONE, Par::Seq);
    Ok((kept.iter().map(|k| values[*k]).collect(), u))
}

/// H − U†HU: the eigenvalues λ/ν of all blocks in falling order, ν times each, meet the levels in rising order
/// (`docs/physics.md` §3.2), in logarithms. Directions that ρ does not reach are all alike: each gets the mean of the levels
/// that are left, the mean over all unitaries among them.
fn ergotropy(
    levels: &Levels,
    (pinched, inverted): (bool, bool),
    state: &State,
    tolerance: f64,
) -> Result<Witness, RunError> {
    let mut found = Vec::with_capacity(state.blocks.len());
    let mut order: Vec<(f64, usize, usize, f64)> = Vec::new();
    let mut ln_empty = f64::NEG_INFINITY;
    for (index, (label, shape, matrix)) in state.blocks.iter().enumerate() {
        let (values, vectors) = match state.factors.get(label) {
            _ if pinched => occupied(&without_coherence(shape, matrix), tolerance)?,
            Some(factor) => occupied_by_factor(factor)?,
            None => occupied(matrix, tolerance)?,
        };
        let ln = values.iter().enumerate().map(|(k, value)| (value.ln() - shape.ln_copies, index, k, shape.ln_copies));
        order.extend(ln);
        let empty = (matrix.nrows() - values.len()) as f64;
        ln_empty = ln_add(ln_empty, empty.ln() + shape.ln_copies);
        found.push(vectors);
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut before = f64::NEG_INFINITY;
    let mut means: Vec<Vec<f64>> = found.iter().map(|vectors| vec![0.0; vectors.ncols()]).collect();
    for (_, index, k, ln_copies) in order {
        means[index][k] = levels.mean(before, ln_copies);
        before = ln_add(before, ln_copies);
    }
    let left = if ln_empty > f64::NEG_INFINITY { levels.mean(before, ln_empty) } else { 0.0 };
    let sign = if inverted { -1.0 } else { 1.0 };
    let mut blocks = BTreeMap::new();
    for (((label, shape, matrix), u), means) in state.blocks.iter().zip(&found).zip(&means) {
        let d = matrix.nrows();
        let mut o = Mat::<Complex64>::zeros(d, d);
        (0..d).for_each(|i| o[(i, i)] = (sign * shape.energies[i] - left).into());
        add_projectors(o.as_mut(), u.as_ref(), |k| left - means[k]);
        blocks.insert(label.clone(), if pinched { without_coherence(shape, &o) } else { o });
    }
    Ok(Witness { blocks, unseen: Some((sign, levels.top())) })
}

/// Tr ρ² = Σ_b Tr ρ_b²/ν_b.
fn purity(state: &State) -> f64 {
    let of = |(_, shape, m): &(Label, BlockShape, Mat<Complex64>)| {
        let d = m.nrows();
        let sum: f64 = (0..d).map(|i| (0..d).map(|j| (m[(i, j)] * m[(j, i)]).re).sum::<f64>()).sum();
        sum * (-shape.ln_copies).exp()
    };
    state.blocks.iter().map(of).sum()
}

/// Functions of exactly known states, each made ready once for all rows.
pub struct Exact<'p> {
    problem: &'p Problem,
    made: RefCell<Made>,
}

type Made = HashMap<(Nonlinear, Part), Option<Functional>>;

impl<'p> Exact<'p> {
    /// None yet.
    pub fn new(problem: &'p Problem) -> Self {
        Self { problem, made: RefCell::default() }
    }

    /// A function of the state of a part.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when the state is none; [`RunError::Request`] when it has no such number.
    pub fn value(&self, what: Nonlinear, of: Part, state: &State) -> Result<f64, RunError> {
        let value = |what: Nonlinear| {
            let mut made = self.made.borrow_mut();
            let functional = match made.entry((what, of)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(functional(self.problem, what, of)?),
            };
            functional.as_ref().map_or(Ok(f64::NAN), |functional| functional.value(state))
        };
        check(self.problem, what, of, state)?;
        match what {
            Nonlinear::Purity => Ok(purity(state)),
            Nonlinear::CoherentErgotropy => Ok(value(Nonlinear::Ergotropy)? - value(Nonlinear::IncoherentErgotropy)?),
            Nonlinear::AntiErgotropy => Ok(-value(what)?),
            Nonlinear::Capacity => Ok(value(Nonlinear::Ergotropy)? + value(Nonlinear::AntiErgotropy)?),
            Nonlinear::Entropy => Ok(above_rounding(-value(what)?)),
            Nonlinear::Negativity => Ok(above_rounding(value(what)?)),
            Nonlinear::MutualInformation => match mutual_information(self.problem, of) {
                Some([whole, parts]) => Ok(above_rounding(whole.value(state)? - parts.value(state)?)),
                None => Ok(f64::NAN),
            },
            Nonlinear::Fidelity
            | Nonlinear::Ergotropy
            | Nonlinear::LocalErgotropy
            | Nonlinear::SymmetricErgotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::Coherence
            | Nonlinear::CellCoherence
            | Nonlinear::Concurrence => value(what),
        }
    }
}

/// A number that is never below 0 and made of many of order 1: what rounding leaves of none is 0.
fn above_rounding(x: f64) -> f64 {
    if x.abs() < 1e-13 { 0.0 } else { x.max(0.0) }
}

/// A function of the exactly known state of a part, once (`docs/physics.md` §3.2 and §3.3).
///
/// # Errors
/// As [`Exact::value`].
pub fn exact(problem: &Problem, what: Nonlinear, of: Part, state: &State) -> Result<f64, RunError> {
    Exact::new(problem).value(what, of, state)
}

#[cfg(test)]
mod tests;
