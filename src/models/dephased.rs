//! A driven, dephased charger that fills a battery.
//!
//! dρ/dt = −i\[H, ρ\] + γ_C D\[n_C\]ρ, H = δ_C n_C + δ_B n_B + g(C⁺B + h.c.) + F(C + C⁺) in the frame of the drive, with cells
//! or oscillators for charger and battery, or the spin of N cells for the battery (star): lecture of Watanabe.

use crate::error::ModelError;
use crate::problem::{Kind, Op, OpSum, Problem, Quantity, SubsystemId, n};

/// What charger and battery are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A two-level cell.
    Cell,
    /// An oscillator with this many Fock states.
    Oscillator(usize),
    /// N identical cells that couple through their sum.
    Spins(u64),
}

/// Charger `C` and battery `B`, both empty at the start (`docs/physics.md` §4). Energies are in units of ω, that of one
/// quantum of the battery; g, F, γ_C and the detunings share one unit, times are in its inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct Dephased {
    /// C.
    pub charger: Part,
    /// B.
    pub battery: Part,
    /// Coupling g.
    pub coupling: f64,
    /// Drive F of the charger.
    pub drive: f64,
    /// Rate γ_C of dephasing of the charger.
    pub gamma: f64,
    /// Detuning δ_C of the charger from the drive.
    pub delta_charger: f64,
    /// Detuning δ_B of the battery from the drive.
    pub delta_battery: f64,
    /// Duration of the only step, `charging`.
    pub t_end: f64,
    /// Rows after the first.
    pub samples: usize,
}

impl Default for Dephased {
    fn default() -> Self {
        Self {
            charger: Part::Cell,
            battery: Part::Cell,
            coupling: 1.0,
            drive: 0.5,
            gamma: 1.0,
            delta_charger: 0.0,
            delta_battery: 0.0,
            t_end: 20.0,
            samples: 100,
        }
    }
}

impl Dephased {
    /// The master equation; the battery's energy is the only quantity, others may be added.
    ///
    /// # Errors
    /// A number out of range.
    pub fn problem(&self) -> Result<Problem, ModelError> {
        let mut p = Problem::builder("A dephased charger and its battery");
        let mut add = |name: &str, part: Part| match part {
            Part::Cell => p.ensemble(name, 1, 1.0),
            Part::Spins(cells) => p.ensemble(name, cells, 1.0),
            Part::Oscillator(cutoff) => p.subsystem(name, Kind::Mode { cutoff }, 1.0),
        };
        let (c, b) = (add("C", self.charger), add("B", self.battery));
        let lower = |id: SubsystemId, part: Part| match part {
            Part::Oscillator(_) => OpSum::of(id, Op::Annihilate),
            Part::Cell | Part::Spins(_) => OpSum::of(id, Op::Lower),
        };
        let (charger, battery) = (lower(c, self.charger), lower(b, self.battery));
        let swap = charger.adjoint() * battery * self.coupling;
        p.hamiltonian(n(c) * self.delta_charger + n(b) * self.delta_battery);
        p.hamiltonian(swap.clone() + swap.adjoint() + (charger.clone() + charger.adjoint()) * self.drive);
        p.collective("dephasing", n(c), self.gamma).battery([b]);
        p.evolve("charging", self.t_end, self.samples).observe([Quantity::Energy]);
        p.build()
    }
}
