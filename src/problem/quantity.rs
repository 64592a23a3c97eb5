//! What is asked of a run: output quantities and the linear averages they are made of.

use super::SubsystemId;

/// An output quantity; one column of `observables.csv` with its error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// E = Tr ρ_B H_B, in the unit of the subsystem energies.
    Energy,
    /// Tr ρH_B² − (Tr ρH_B)², of the averaged state.
    EnergyVariance,
    /// Its square root.
    EnergyDeviation,
    /// Ergotropy of the battery over all levels of all its cells.
    Ergotropy,
    /// Ergotropy over energy.
    Efficiency,
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
    /// ⟨Sᶻ⟩.
    Magnetisation(SubsystemId),
    /// ⟨S²⟩.
    SpinSquared(SubsystemId),
    /// Energy released by collective channels (see [`Quantity::Released`]).
    Released(Option<usize>),
    /// Jumps of a channel since the step began.
    Jumps(usize),
}

impl Quantity {
    /// The linear average this quantity is a function of; ergotropy and efficiency need the state itself besides E.
    pub fn linear(&self) -> Linear {
        match *self {
            Quantity::Energy
            | Quantity::EnergyVariance
            | Quantity::EnergyDeviation
            | Quantity::Ergotropy
            | Quantity::Efficiency => Linear::Energy,
            Quantity::Magnetisation(e) | Quantity::MagnetisationVariance(e) => Linear::Magnetisation(e),
            Quantity::SpinLength(e) => Linear::SpinSquared(e),
            Quantity::Released(step) => Linear::Released(step),
            Quantity::Jumps(channel) => Linear::Jumps(channel),
        }
    }

    /// Whether the averaged state itself is needed, not only averages linear in it.
    pub fn needs_state(&self) -> bool {
        matches!(self, Quantity::Ergotropy | Quantity::Efficiency)
    }

    /// Whether the variance of the recorded number is part of the result.
    pub fn needs_variance(&self) -> bool {
        matches!(self, Quantity::EnergyVariance | Quantity::EnergyDeviation | Quantity::MagnetisationVariance(_))
    }
}
