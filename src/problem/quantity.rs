//! What is asked of a run: output quantities, and the averages they are made of.

use super::{Kind, Problem, SubsystemId};

/// An output quantity; one column of `observables.csv` with its error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// E = Tr ρ_B H_B, in the unit of the subsystem energies.
    Energy,
    /// Tr ρH_B² − (Tr ρH_B)², of the averaged state.
    EnergyVariance,
    /// Its square root.
    EnergyDeviation,
    /// Energy of one subsystem, battery or not.
    EnergyOf(SubsystemId),
    /// The same per cell (or mode) and per ω.
    EnergyDensity(SubsystemId),
    /// Charging power E(t)/t; empty at t = 0.
    Power,
    /// Ergotropy of the battery over all levels of all its cells.
    Ergotropy,
    /// Ergotropy of one subsystem.
    ErgotropyOf(SubsystemId),
    /// Ergotropy of the battery at the first row, repeated at every row.
    InitialErgotropy,
    /// Σ over the battery's cells of the ergotropy of each cell's own state: what local unitaries extract.
    LocalErgotropy,
    /// Ergotropy over the levels of the symmetric subspace, 0..N once each; the battery must stay in it.
    SymmetricErgotropy,
    /// Ergotropy of the battery after its coherence between different energies is removed.
    IncoherentErgotropy,
    /// Ergotropy minus its incoherent part.
    CoherentErgotropy,
    /// E − Σ_k r_k↓ε_k↓ ≤ 0: minus the most energy that a unitary can add.
    AntiErgotropy,
    /// Ergotropy minus anti-ergotropy.
    Capacity,
    /// Ergotropy over energy.
    Efficiency,
    /// l1 coherence Σ_{i≠j}|ρ_ij| of the battery over d − 1 (2^N − 1 for N cells).
    Coherence,
    /// |Σᵢ⟨σᵢ⁻⟩|/N of the battery's cells; |ρ_eg| of a single cell.
    CellCoherence,
    /// Wootters concurrence averaged over the edges of the battery's network; empty where there are none.
    Concurrence,
    /// Tr ρ_B².
    Purity,
    /// ⟨n⟩ of a subsystem: excited cells, photons.
    Quanta(SubsystemId),
    /// ⟨a†a⟩ of a mode, in a column of its own name.
    Photons(SubsystemId),
    /// Weight of the symmetric subspace J = N/2 of an ensemble.
    Bright(SubsystemId),
    /// Rate at which weight leaves J = N/2 of an ensemble (paper 003, Eq. 120), in the unit of the rates: ⟨PΣ_k K†(1 − P)KP⟩ over
    /// the local jump operators K of the channels that are on in the step, P the projector on J = N/2.
    BrightLoss(SubsystemId),
    /// Rate at which weight comes back, which Eq. 120 leaves out: ⟨(1 − P)Σ_k K†PK(1 − P)⟩, all of it from J = N/2 − 1.
    /// d⟨P⟩/dt is this minus [`BrightLoss`](Self::BrightLoss).
    BrightReturn(SubsystemId),
    /// Weight of the highest Fock level that is kept of a mode: what its cutoff cuts off is about as much.
    TopLevel(SubsystemId),
    /// M = ⟨Sᶻ⟩ of an ensemble.
    Magnetisation(SubsystemId),
    /// Var(Sᶻ) of the averaged state.
    MagnetisationVariance(SubsystemId),
    /// S with S(S+1) = ⟨S²⟩.
    SpinLength(SubsystemId),
    /// Energy that the collective channels took out of the battery since the step began; in the named step only, if any.
    Released(Option<usize>),
    /// Jumps of a channel since the step began.
    Jumps(usize),
}

/// An average that is linear in ρ: what trajectories record at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linear {
    /// ⟨H_B⟩.
    Energy,
    /// Variance of H_B within a trajectory's state; it adds to the variance between trajectories. 0 on the ladder.
    EnergySpread,
    /// ⟨H⟩ of one subsystem.
    EnergyOf(SubsystemId),
    /// ⟨n⟩ of one subsystem.
    Quanta(SubsystemId),
    /// ⟨Sᶻ⟩.
    Magnetisation(SubsystemId),
    /// Variance of Sᶻ within a trajectory's state.
    MagnetisationSpread(SubsystemId),
    /// ⟨S²⟩.
    SpinSquared(SubsystemId),
    /// Weight in J = N/2.
    Bright(SubsystemId),
    /// Flow out of J = N/2 through local channels.
    BrightLoss(SubsystemId),
    /// Flow from J = N/2 − 1 into J = N/2.
    BrightReturn(SubsystemId),
    /// Weight of the highest level of a mode.
    TopLevel(SubsystemId),
    /// Energy released by collective channels (see [`Quantity::Released`]).
    Released(Option<usize>),
    /// Jumps of a channel since the step began.
    Jumps(usize),
}

impl Linear {
    /// Whether its operator depends on which channels are on.
    pub fn of_channels(&self) -> bool {
        matches!(self, Linear::BrightLoss(_) | Linear::BrightReturn(_))
    }
}

/// An averaged reduced density matrix, or a set of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The joint state of these subsystems.
    Joint(Vec<SubsystemId>),
    /// The state of each single cell of these subsystems; of an ensemble the one state that all its cells share.
    Cells(Vec<SubsystemId>),
    /// The state of the two cells at the ends of each edge of a network, the lower-numbered cell first.
    Edges(SubsystemId),
}

impl Quantity {
    /// The linear average this quantity is a function of; some need a density matrix besides (see
    /// [`reduction`](Self::reduction)).
    pub fn linear(&self) -> Linear {
        match *self {
            Quantity::EnergyOf(e) | Quantity::EnergyDensity(e) => Linear::EnergyOf(e),
            Quantity::Magnetisation(e) | Quantity::MagnetisationVariance(e) => Linear::Magnetisation(e),
            Quantity::SpinLength(e) => Linear::SpinSquared(e),
            Quantity::Quanta(e) | Quantity::Photons(e) => Linear::Quanta(e),
            Quantity::Bright(e) => Linear::Bright(e),
            Quantity::BrightLoss(e) => Linear::BrightLoss(e),
            Quantity::BrightReturn(e) => Linear::BrightReturn(e),
            Quantity::TopLevel(e) => Linear::TopLevel(e),
            Quantity::Released(step) => Linear::Released(step),
            Quantity::Jumps(channel) => Linear::Jumps(channel),
            _ => Linear::Energy,
        }
    }

    /// The spread within trajectories that a variance needs besides [`linear`](Self::linear).
    pub fn spread(&self) -> Option<Linear> {
        match *self {
            Quantity::EnergyVariance | Quantity::EnergyDeviation => Some(Linear::EnergySpread),
            Quantity::MagnetisationVariance(e) => Some(Linear::MagnetisationSpread(e)),
            _ => None,
        }
    }

    /// The averaged density matrix this quantity is a function of, if it is not linear.
    pub fn reduction(&self, problem: &Problem) -> Option<Reduction> {
        let network = |e: &&SubsystemId| matches!(problem.subsystems[**e].kind, Kind::Network { .. });
        match *self {
            Quantity::Ergotropy
            | Quantity::InitialErgotropy
            | Quantity::Efficiency
            | Quantity::SymmetricErgotropy
            | Quantity::IncoherentErgotropy
            | Quantity::CoherentErgotropy
            | Quantity::AntiErgotropy
            | Quantity::Capacity
            | Quantity::Coherence
            | Quantity::Purity => Some(Reduction::Joint(problem.battery.clone())),
            Quantity::ErgotropyOf(e) => Some(Reduction::Joint(vec![e])),
            Quantity::LocalErgotropy | Quantity::CellCoherence => Some(Reduction::Cells(problem.battery.clone())),
            Quantity::Concurrence => problem.battery.iter().find(network).map(|e| Reduction::Edges(*e)),
            _ => None,
        }
    }

    /// Whether an averaged density matrix is needed, not only averages linear in the state.
    pub fn needs_state(&self) -> bool {
        matches!(
            self,
            Quantity::Ergotropy
                | Quantity::InitialErgotropy
                | Quantity::Efficiency
                | Quantity::SymmetricErgotropy
                | Quantity::IncoherentErgotropy
                | Quantity::CoherentErgotropy
                | Quantity::AntiErgotropy
                | Quantity::Capacity
                | Quantity::Coherence
                | Quantity::Purity
                | Quantity::ErgotropyOf(_)
                | Quantity::LocalErgotropy
                | Quantity::CellCoherence
                | Quantity::Concurrence
        )
    }

    /// The least and the greatest value that a function of a density matrix can have.
    pub fn range(&self) -> (f64, f64) {
        match self {
            Quantity::AntiErgotropy => (f64::NEG_INFINITY, 0.0),
            Quantity::Efficiency
            | Quantity::Coherence
            | Quantity::CellCoherence
            | Quantity::Concurrence
            | Quantity::Purity => (0.0, 1.0),
            _ => (0.0, f64::INFINITY),
        }
    }

    /// Whether the variance of the recorded number is part of the result.
    pub fn needs_variance(&self) -> bool {
        self.spread().is_some()
    }
}
