//! Functions of an averaged density matrix that are not linear in it, and the density matrices that they are of.

use super::ChosenId;
use crate::problem::{Problem, SubsystemId};

/// A function f(ρ) of the averaged state of a [`Part`] (`docs/physics.md` §3.2 and §3.3); `estimate::functional` has
/// its formula. r_k are the eigenvalues of ρ and ε_k the levels of the energy, in falling (↓) or rising (↑) order.
/// Ergotropies and capacity are energies, all else is a pure number, entropies with natural logarithms.
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
    /// Σ_{i≠j}|ρ_ij| over d − 1, between product states.
    Coherence,
    /// |Σᵢ⟨σᵢ⁻⟩|/N.
    CellCoherence,
    /// Mean over the edges of Wootters' concurrence max(0, √λ₁ − √λ₂ − √λ₃ − √λ₄), λ the eigenvalues of
    /// ρ(σy⊗σy)ρ*(σy⊗σy) in falling order.
    Concurrence,
    /// Tr ρ².
    Purity,
    /// −Tr ρ ln ρ.
    Entropy,
    /// (‖ρ^{T_A}‖₁ − 1)/2, transposed in the first of two groups (G. Vidal and R. F. Werner, Phys. Rev. A 65, 032314
    /// (2002)).
    Negativity,
    /// S(A) + S(B) − S(AB) of two groups.
    MutualInformation,
    /// ⟨ψ|ρ|ψ⟩ of a given ψ.
    Fidelity,
}

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The battery's.
    Battery,
    /// That of one subsystem.
    One(SubsystemId),
    /// That of a part that the user chose.
    Chosen(ChosenId),
}

/// An averaged reduced density matrix, or a set of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The joint state of these subsystems.
    Joint(Vec<SubsystemId>),
    /// The state of the battery in the eigenbasis of its own Hamiltonian.
    InEnergies,
    /// The state of the part of this number among those that the user chose, in the basis of its product states.
    Chosen(usize),
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
            Part::Chosen(id) => {
                let mut members: Vec<SubsystemId> = problem.chosen[id.number].places.iter().map(|(e, _)| *e).collect();
                members.dedup();
                members
            }
        }
    }
}

impl Nonlinear {
    /// The density matrix that it is a function of.
    pub fn reduction(self, problem: &Problem, of: Part) -> Reduction {
        if let Part::Chosen(id) = of {
            return Reduction::Chosen(id.number);
        }
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
            | Nonlinear::Purity
            | Nonlinear::Entropy
            | Nonlinear::Negativity
            | Nonlinear::MutualInformation
            | Nonlinear::Fidelity => Reduction::Joint(members),
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
            | Nonlinear::Purity
            | Nonlinear::Entropy => Basis::Any,
            Nonlinear::SymmetricErgotropy => Basis::Spins,
            Nonlinear::LocalErgotropy | Nonlinear::CellCoherence | Nonlinear::Concurrence => Basis::SingleCells,
            Nonlinear::Coherence | Nonlinear::Negativity | Nonlinear::MutualInformation | Nonlinear::Fidelity => {
                Basis::Product
            }
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
