//! Nonlinear quantities of a block-diagonal density matrix, each through the linear functional that supports it.
//!
//! Ergotropy and its relatives, the l1 coherence and the concurrence are convex and homogeneous of degree one, f(λρ) = λf(ρ). Such an f has
//! at every ρ a witness O with f(ρ) = Tr ρO and f(σ) ≥ Tr σO for all states σ: for the ergotropy O = H − U†HU with the
//! unitary that empties ρ. So a value is one trace, and the witness of one half of the samples gives a lower bound,
//! linear in ρ, on the other half.

use super::concurrence;
use crate::battery::{Levels, ln_add};
use crate::density::{BlockShape, Label};
use crate::error::RunError;
use crate::problem::{Basis, Kind, Nonlinear, Part, Problem, SubsystemId};
use faer::{Mat, Side};
use num_complex::Complex64;
use std::collections::BTreeMap;

/// A density matrix, block by block; the traces sum to one for each part it is made of.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Label, meaning of the basis, and matrix of each block.
    pub blocks: Vec<(Label, BlockShape, Mat<Complex64>)>,
}

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

    /// Tr σO for one block of σ, element by element, scaled by `scale`.
    pub fn trace(&self, label: &Label, shape: &BlockShape, element: &dyn Fn(usize, usize) -> Complex64) -> f64 {
        match (self.blocks.get(label), self.unseen) {
            (Some(o), _) => {
                let d = o.nrows();
                (0..d).map(|i| (0..d).map(|j| (o[(i, j)] * element(j, i)).re).sum::<f64>()).sum()
            }
            (None, Some((sign, highest))) => {
                shape.energies.iter().enumerate().map(|(i, e)| (sign * e - highest) * element(i, i).re).sum()
            }
            (None, None) => 0.0,
        }
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
    let ergotropy = |levels, pinched| Functional::Ergotropy { levels, pinched, inverted: false };
    Ok(Some(match what {
        Nonlinear::Ergotropy => ergotropy(tabulated(Levels::of(problem, &members))?, false),
        Nonlinear::IncoherentErgotropy => ergotropy(tabulated(Levels::of(problem, &members))?, true),
        Nonlinear::SymmetricErgotropy => {
            let part = &problem.subsystems[members[0]];
            ergotropy(Levels::new((0..=part.cells()).map(|k| (part.energy * k as f64, 0.0)).collect()), false)
        }
        Nonlinear::AntiErgotropy => {
            let levels = tabulated(Levels::inverted(problem, &members))?;
            Functional::Ergotropy { levels, pinched: false, inverted: true }
        }
        Nonlinear::LocalErgotropy => Functional::Local(cells(problem, &members)),
        Nonlinear::CellCoherence => Functional::CellCoherence(cells(problem, &members)),
        Nonlinear::Coherence => {
            let dimension: f64 = members.iter().map(|e| problem.subsystems[*e].ln_dimension()).sum::<f64>().exp();
            Functional::Coherence((dimension - 1.0).max(1.0))
        }
        Nonlinear::Concurrence => Functional::Concurrence,
        Nonlinear::Purity | Nonlinear::CoherentErgotropy | Nonlinear::Capacity => return Ok(None),
    }))
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
        self.witness_within(state, TOLERANCE)
    }

    /// The witness at what need not quite be a state: what is below 0 counts 0.
    ///
    /// # Errors
    /// [`RunError::Numerics`] where there are no eigenvalues.
    pub fn witness_near(&self, state: &State) -> Result<Witness, RunError> {
        self.witness_within(state, f64::INFINITY)
    }

    fn witness_within(&self, state: &State, tolerance: f64) -> Result<Witness, RunError> {
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
                    let one = State { blocks: vec![(label.clone(), shape.clone(), matrix.clone())] };
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
        Ok(state.blocks.iter().map(|(label, shape, m)| witness.trace(label, shape, &|i, j| m[(i, j)])).sum())
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

/// H − U†HU: the eigenvalues λ/ν of all blocks in falling order, ν times each, meet the levels in rising order
/// (`docs/physics.md` §3.2), in logarithms.
fn ergotropy(
    levels: &Levels,
    (pinched, inverted): (bool, bool),
    state: &State,
    tolerance: f64,
) -> Result<Witness, RunError> {
    let method = "the eigenvalues of the battery's density matrix";
    let mut vectors = Vec::with_capacity(state.blocks.len());
    let mut order: Vec<(f64, usize, usize, f64)> = Vec::new();
    for (index, (_, shape, matrix)) in state.blocks.iter().enumerate() {
        let rho = if pinched { without_coherence(shape, matrix) } else { matrix.clone() };
        let eigen =
            rho.self_adjoint_eigen(Side::Lower).map_err(|e| RunError::Numerics { method, reason: format!("{e:?}") })?;
        for k in 0..rho.nrows() {
            let value = eigen.S()[k].re;
            if !(value >= -tolerance) {
                return Err(RunError::Numerics { method, reason: format!("one of them is {value}") });
            }
            let ln = if value > 1e-15 { value.ln() - shape.ln_copies } else { f64::NEG_INFINITY };
            order.push((ln, index, k, shape.ln_copies));
        }
        vectors.push(eigen);
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let sign = if inverted { -1.0 } else { 1.0 };
    let mut operators: Vec<Mat<Complex64>> = state
        .blocks
        .iter()
        .map(|(_, shape, m)| {
            let diagonal = |i: usize| Complex64::from(sign * shape.energies[i]);
            Mat::from_fn(m.nrows(), m.nrows(), |i, j| if i == j { diagonal(i) } else { Complex64::ZERO })
        })
        .collect();
    let mut before = f64::NEG_INFINITY;
    let mut means: Vec<Vec<f64>> = state.blocks.iter().map(|(.., m)| vec![0.0; m.nrows()]).collect();
    for (_, index, k, ln_copies) in order {
        means[index][k] = levels.mean(before, ln_copies);
        before = ln_add(before, ln_copies);
    }
    for ((o, eigen), means) in operators.iter_mut().zip(&vectors).zip(&means) {
        let (u, d) = (eigen.U(), o.nrows());
        let emptied = Mat::from_fn(d, d, |i, k| u[(i, k)] * means[k]);
        *o -= emptied * u.adjoint();
    }
    if pinched {
        for (o, (_, shape, _)) in operators.iter_mut().zip(&state.blocks) {
            *o = without_coherence(shape, o);
        }
    }
    let blocks = state.blocks.iter().map(|(label, ..)| label.clone()).zip(operators).collect();
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

/// A function of the exactly known state of a part.
///
/// # Errors
/// [`RunError::Numerics`] when the state is none; [`RunError::Request`] when it has no such number.
pub fn exact(problem: &Problem, what: Nonlinear, of: Part, state: &State) -> Result<f64, RunError> {
    let value = |what: Nonlinear| match functional(problem, what, of)? {
        Some(functional) => functional.value(state),
        None => Ok(f64::NAN),
    };
    check(problem, what, of, state)?;
    match what {
        Nonlinear::Purity => Ok(purity(state)),
        Nonlinear::CoherentErgotropy => Ok(value(Nonlinear::Ergotropy)? - value(Nonlinear::IncoherentErgotropy)?),
        Nonlinear::AntiErgotropy => Ok(-value(what)?),
        Nonlinear::Capacity => Ok(value(Nonlinear::Ergotropy)? + value(Nonlinear::AntiErgotropy)?),
        Nonlinear::Ergotropy
        | Nonlinear::LocalErgotropy
        | Nonlinear::SymmetricErgotropy
        | Nonlinear::IncoherentErgotropy
        | Nonlinear::Coherence
        | Nonlinear::CellCoherence
        | Nonlinear::Concurrence => value(what),
    }
}

#[cfg(test)]
mod tests;
