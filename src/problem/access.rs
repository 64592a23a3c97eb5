//! Reading a built [`Problem`], and changed copies of it.

use super::check::check_quantities;
use super::{
    Channel, ChannelId, Drive, Initial, OpSum, Problem, ProblemBuilder, Protocol, Quantity, Step, StepId, Subsystem,
    SubsystemId,
};
use crate::error::ModelError;

impl Problem {
    /// One line for humans.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The parts of the system.
    pub fn subsystems(&self) -> &[Subsystem] {
        &self.subsystems
    }

    /// Initial state of each subsystem.
    pub fn initial(&self) -> &[Initial] {
        &self.initial
    }

    /// H in the frame the user chose, on at all timed steps.
    pub fn hamiltonian(&self) -> &OpSum {
        &self.hamiltonian
    }

    /// Terms added to H that change in time or are on in some steps only.
    pub fn drives(&self) -> &[Drive] {
        &self.drives
    }

    /// The dissipative channels.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Pulses and timed steps.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Subsystems that make up the battery.
    pub fn battery(&self) -> &[SubsystemId] {
        &self.battery
    }

    /// The output columns.
    pub fn quantities(&self) -> &[Quantity] {
        &self.quantities
    }

    /// The subsystem called `name`.
    pub fn subsystem_id(&self, name: &str) -> Option<SubsystemId> {
        self.subsystems.iter().position(|s| s.name == name).map(SubsystemId::new)
    }

    /// The channel called `name`.
    pub fn channel_id(&self, name: &str) -> Option<ChannelId> {
        self.channels.iter().position(|c| c.name == name).map(ChannelId::new)
    }

    /// The timed step called `name`, the first if there are several.
    pub fn step_id(&self, name: &str) -> Option<StepId> {
        let called = |step: &Step| matches!(step, Step::Evolve { name: own, .. } if own == name);
        self.protocol.steps.iter().position(called).map(StepId::new)
    }

    /// Every subsystem, in order.
    pub fn subsystem_ids(&self) -> impl Iterator<Item = SubsystemId> {
        (0..self.subsystems.len()).map(SubsystemId::new)
    }

    /// Every channel, in order.
    pub fn channel_ids(&self) -> impl Iterator<Item = ChannelId> {
        (0..self.channels.len()).map(ChannelId::new)
    }

    /// The same problem with other questions.
    ///
    /// # Errors
    /// None are asked, one has no meaning here, or two want the same column.
    pub fn with_quantities(&self, quantities: impl IntoIterator<Item = Quantity>) -> Result<Self, ModelError> {
        let mut changed = Self { quantities: Vec::new(), ..self.clone() };
        for quantity in quantities {
            if !changed.quantities.contains(&quantity) {
                changed.quantities.push(quantity);
            }
        }
        check_quantities(&changed)?;
        Ok(changed)
    }

    /// A builder that begins with this problem, to make a changed copy.
    pub fn edit(&self) -> ProblemBuilder {
        ProblemBuilder::of(self.clone())
    }
}
