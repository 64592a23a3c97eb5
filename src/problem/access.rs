//! Reading a built [`Problem`], and changed copies of it.

use super::check::check_quantities;
use super::{Channel, Drive, Initial, OpSum, Problem, ProblemBuilder, Protocol, Quantity, Subsystem, SubsystemId};
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
