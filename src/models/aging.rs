//! Storage and superradiant release of N cells, cycle after cycle.
//!
//! dρ/dt = γ Σᵢ D\[σᵢ⁻\]ρ + Γ D\[Σᵢσᵢ⁻\]ρ, Γ on during discharge only (F. Pirmoradian and K. Mølmer, Phys. Rev. A 100,
//! 043833 (2019), Eq. 5 in the convention of Eq. 6), with dephasing and pumping of each cell beside it.

use crate::error::ModelError;
use crate::problem::{Axis, ChannelId, Problem, ProblemBuilder, Quantity, SubsystemId, log_rows, sm, sp, sz};
use std::f64::consts::PI;

/// Cycles of a π pulse about x, storage and discharge, from the ground state (`docs/physics.md` §4). The default has
/// the values of Fig. 3(a, b). Rates and ω share one unit, times are in its inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct Aging {
    /// Number of cells N.
    pub cells: u64,
    /// Local loss γ of each cell, always on.
    pub gamma: f64,
    /// Collective release Γ, on during discharge.
    pub gamma_collective: f64,
    /// Dephasing of each cell, D\[σᶻ\].
    pub gamma_phi: f64,
    /// Pumping of each cell, D\[σ⁺\].
    pub gamma_up: f64,
    /// Storage time of a cycle.
    pub tau_s: f64,
    /// Discharge time of a cycle.
    pub tau_d: f64,
    /// Number of cycles.
    pub cycles: u64,
    /// Energy ω of a cell.
    pub omega: f64,
    /// Output rows per timed step, besides its start.
    pub samples: usize,
}

impl Default for Aging {
    fn default() -> Self {
        Self {
            cells: 140,
            gamma: 1.0,
            gamma_collective: 1600.0,
            gamma_phi: 0.0,
            gamma_up: 0.0,
            tau_s: 0.0187,
            tau_d: 0.0187,
            cycles: 30,
            omega: 1.0,
            samples: 5,
        }
    }
}

impl Aging {
    /// The master equation with its protocol, steps `storage` and `discharge`, channels `loss`, `release`, `dephasing`
    /// and `pump`. Its columns are `M`, `S`, `energy`, `energy_var`, `ergotropy`, `released` and the jumps of each
    /// channel.
    ///
    /// # Errors
    /// For a number outside its range.
    pub fn problem(&self) -> Result<Problem, ModelError> {
        let (mut builder, b) = self.cells_with("Aging of a quantum battery", "discharge");
        builder.rotate(b, Axis::X, PI).evolve("storage", self.tau_s, self.samples);
        builder.evolve("discharge", self.tau_d, self.samples).repeat(self.cycles);
        builder.build()
    }

    /// The cells, the channels, of which `release` acts in the step named, and the quantities.
    fn cells_with(&self, title: &str, releasing: &str) -> (ProblemBuilder, SubsystemId) {
        let mut builder = Problem::builder(title);
        let b = builder.ensemble("B", self.cells, self.omega);
        builder.battery([b]);
        builder.each("loss", b, sm(b), self.gamma);
        builder.collective("release", sm(b), self.gamma_collective).only([releasing]);
        builder.each("dephasing", b, sz(b), self.gamma_phi).each("pump", b, sp(b), self.gamma_up);
        builder.observe([
            Quantity::Magnetisation(b),
            Quantity::SpinLength(b),
            Quantity::Energy,
            Quantity::EnergyVariance,
            Quantity::Ergotropy,
            Quantity::Released(None),
        ]);
        builder.observe((0..4).map(ChannelId::new).map(Quantity::Jumps));
        (builder, b)
    }
}

/// One charge by a π pulse, storage, and one release (Fig. 2).
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The cells and their channels; times and cycles are not used.
    pub battery: Aging,
    /// Storage time; 0 releases at once.
    pub t_store: f64,
    /// Duration of the release.
    pub t_release: f64,
    /// First row of the release after its start, the others following in equal steps of ln t; `None` for equal steps of t.
    pub first_row: Option<f64>,
}

impl Release {
    /// The master equation with its protocol: steps `storage` (unless its time is 0) and `release`; columns and
    /// channels are those of [`Aging::problem`].
    ///
    /// # Errors
    /// For a number outside its range.
    pub fn problem(&self) -> Result<Problem, ModelError> {
        let (mut builder, b) = self.battery.cells_with("Release of a stored charge", "release");
        builder.rotate(b, Axis::X, PI);
        if self.t_store != 0.0 {
            builder.evolve("storage", self.t_store, self.battery.samples);
        }
        match self.first_row {
            Some(first) => {
                builder.evolve_rows("release", self.t_release, log_rows(self.t_release, self.battery.samples, first));
            }
            None => {
                builder.evolve("release", self.t_release, self.battery.samples);
            }
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "input")]
    #[test]
    fn the_shipped_inputs_say_the_same() {
        use crate::input;
        let aging = input::parse("aging.toml", include_str!("../../examples/aging.toml"), &[]).unwrap();
        assert_eq!(Aging::default().problem().unwrap(), aging.problem);
        let release =
            input::parse("aging_release.toml", include_str!("../../examples/aging_release.toml"), &[]).unwrap();
        let battery = Aging { samples: 20, ..Aging::default() };
        let here = Release { battery, t_store: 0.4, t_release: 0.002, first_row: None };
        assert_eq!(here.problem().unwrap(), release.problem);
    }

    #[test]
    fn impossible_values_are_refused() {
        assert!(Aging { cells: 0, ..Aging::default() }.problem().is_err());
        assert!(Aging { gamma: -1.0, ..Aging::default() }.problem().is_err());
        assert!(Aging { tau_s: f64::NAN, ..Aging::default() }.problem().is_err());
    }
}
