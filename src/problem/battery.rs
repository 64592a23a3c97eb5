//! The battery's Hamiltonian H_B: Σωn over its subsystems, or what the user writes.

use super::{Factor, Kind, Op, OpSum, Problem, Subsystem, SubsystemId};

/// Which energy of the battery counts 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zero {
    /// That of the lowest level of H_B: what the battery holds is never negative.
    #[default]
    Ground,
    /// That of H_B as it is written.
    AsWritten,
}

/// A Hamiltonian of the battery's own, in place of Σωn: cells that interact, levels that shift.
#[derive(Clone, Debug, PartialEq)]
pub struct BatteryHamiltonian {
    /// The operator, on subsystems of the battery alone.
    pub operator: OpSum,
    /// Where its energies count from.
    pub zero: Zero,
}

/// Σωn of one subsystem, with the energies of its levels or of its cells.
pub(super) fn plain(id: SubsystemId, part: &Subsystem) -> OpSum {
    match &part.kind {
        Kind::Levels { energies } => {
            let level = |(k, energy): (usize, &f64)| OpSum::of(id, Op::Transition(k, k)) * *energy;
            energies.iter().enumerate().map(level).fold(OpSum::default(), |sum, term| sum + term)
        }
        Kind::Network { .. } if !part.uneven.is_empty() => {
            let cell = |(site, energy): (usize, &f64)| {
                OpSum::from_factor(Factor { subsystem: id, site: Some(site), op: Op::Number }) * *energy
            };
            part.uneven.iter().enumerate().map(cell).fold(OpSum::default(), |sum, term| sum + term)
        }
        Kind::Ensemble { .. } | Kind::Network { .. } | Kind::Mode { .. } => OpSum::of(id, Op::Number) * part.energy,
    }
}

impl Problem {
    /// H_B as an operator, as it is written.
    pub fn battery_operator(&self) -> OpSum {
        match &self.battery_hamiltonian {
            Some(own) => own.operator.clone(),
            None => {
                let each = self.battery.iter().map(|id| plain(*id, &self.subsystems[*id]));
                each.fold(OpSum::default(), |sum, part| sum + part)
            }
        }
    }

    /// H_B where it is not Σωn.
    pub fn battery_hamiltonian(&self) -> Option<&BatteryHamiltonian> {
        self.battery_hamiltonian.as_ref()
    }
}
