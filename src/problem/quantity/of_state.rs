//! Functions of an averaged density matrix that are not linear in it, and the density matrices that they are of.

use crate::problem::{Problem, SubsystemId};

/// A function f(ρ) of the averaged state of a [`Part`]; `estimate::functional` has its formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nonlinear {
    /// E − Σ_k r_k↓ε_k↑.
    Ergotropy,
    /// Σ over the cells of the ergotropy of each one's own state.
    LocalErgotropy,
    /// Ergotropy over the N + 1 levels of J = N/2.
    SymmetricErgotropy,
    /// Ergotropy without coherence between different energies.
    IncoherentErgotropy,
    /// Ergotropy minus its incoherent part.
    CoherentErgotropy,
    /// E − Σ_k r_k↓ε_k↓.
    AntiErgotropy,
    /// Ergotropy minus anti-ergotropy.
    Capacity,
    /// Σ_{i≠j}|ρ_ij| over d − 1.
    Coherence,
    /// |Σᵢ⟨σᵢ⁻⟩|/N.
    CellCoherence,
    /// Mean concurrence of the edges.
    Concurrence,
    /// Tr ρ².
    Purity,
}

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The battery's.
    Battery,
    /// That of one subsystem.
    One(SubsystemId),
}

/// An averaged reduced density matrix, or a set of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The joint state of these subsystems.
    Joint(Vec<SubsystemId>),
    /// The state of the battery in the eigenbasis of its own Hamiltonian.
    InEnergies,
    /// The state of each single cell of these subsystems; of an ensemble the one state that all its cells share.
    Cells(Vec<SubsystemId>),
    /// The state of the two cells at the ends of each edge of a network, the lower-numbered cell first.
    Edges(SubsystemId),
}

impl Part {
    /// Its subsystems.
    pub fn members(self, problem: &Problem) -> Vec<SubsystemId> {
        match self {
            Part::Battery => problem.battery.clone(),
            Part::One(e) => vec![e],
        }
    }
}

impl Nonlinear {
    /// The density matrix that it is a function of.
    pub fn reduction(self, problem: &Problem, of: Part) -> Reduction {
        let members = of.members(problem);
        match self {
            Nonlinear::Ergotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::CoherentErgotropy
            | Nonlinear::AntiErgotropy
            | Nonlinear::Capacity
                if of == Part::Battery && problem.battery_hamiltonian.is_some() =>
            {
                Reduction::InEnergies
            }
            Nonlinear::Ergotropy
            | Nonlinear::SymmetricErgotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::CoherentErgotropy
            | Nonlinear::AntiErgotropy
            | Nonlinear::Capacity
            | Nonlinear::Coherence
            | Nonlinear::Purity => Reduction::Joint(members),
            Nonlinear::LocalErgotropy | Nonlinear::CellCoherence => Reduction::Cells(members),
            Nonlinear::Concurrence => Reduction::Edges(members.first().copied().unwrap_or(SubsystemId::new(0))),
        }
    }

    /// What the state must be known in.
    pub fn basis(self) -> Basis {
        match self {
            Nonlinear::Ergotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::CoherentErgotropy
            | Nonlinear::AntiErgotropy
            | Nonlinear::Capacity
            | Nonlinear::Purity => Basis::Any,
            Nonlinear::SymmetricErgotropy => Basis::Spins,
            Nonlinear::LocalErgotropy | Nonlinear::CellCoherence | Nonlinear::Concurrence => Basis::SingleCells,
            Nonlinear::Coherence => Basis::Product,
        }
    }
}

/// What a function of a density matrix needs of the basis that the state is known in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Nothing: spectrum and energies are enough.
    Any,
    /// The total spin of the ensemble.
    Spins,
    /// The states of single cells.
    SingleCells,
    /// The product basis of single cells itself.
    Product,
}
