//! A master equation with its protocol, initial state and questions, as physics: no matrices, no storage.
//!
//! dρ/dt = −i\[H, ρ\] + Σ_c rate_c D\[L_c\]ρ with D\[L\]ρ = LρL† − ½{L†L, ρ} and ħ = 1.
//! Energies, rates and times share whatever unit the user chose.

mod build;
mod describe;
mod operator;
mod protocol;
mod quantity;

pub use build::ProblemBuilder;
pub(crate) use build::{MOST_CELLS, MOST_ROWS};
pub use operator::{Factor, Op, OpSum, SubsystemId, Term, n, sm, sp, sz};
pub use protocol::{Axis, Protocol, Row, Step, even_rows, log_rows};
pub use quantity::{Linear, Quantity};

use crate::error::ModelError;

/// What a subsystem is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Identical two-level cells, never addressed one by one.
    Ensemble {
        /// Number of cells N.
        cells: u64,
    },
    /// Two-level cells that can be addressed one by one.
    Network {
        /// Number of cells.
        cells: usize,
        /// Pairs of neighbours.
        edges: Vec<(usize, usize)>,
    },
    /// A harmonic oscillator with Fock states 0..cutoff−1.
    Mode {
        /// Number of Fock states kept.
        cutoff: usize,
    },
    /// A multi-level system.
    Levels {
        /// Energies of the levels, in order.
        energies: Vec<f64>,
    },
}

/// A named part of the system.
#[derive(Clone, Debug, PartialEq)]
pub struct Subsystem {
    /// Its name in operators and columns.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
    /// Energy ω of one quantum, when it is part of the battery: H_B = ω Σn.
    pub energy: f64,
}

impl Subsystem {
    /// Number of cells of an ensemble or network; 1 otherwise.
    pub fn cells(&self) -> u64 {
        match self.kind {
            Kind::Ensemble { cells } => cells,
            Kind::Network { cells, .. } => cells as u64,
            Kind::Mode { .. } | Kind::Levels { .. } => 1,
        }
    }
}

impl Subsystem {
    /// ln of the Hilbert space dimension.
    pub fn ln_dimension(&self) -> f64 {
        match &self.kind {
            Kind::Ensemble { .. } | Kind::Network { .. } => self.cells() as f64 * 2f64.ln(),
            Kind::Mode { cutoff } => (*cutoff as f64).ln(),
            Kind::Levels { energies } => (energies.len() as f64).ln(),
        }
    }
}

/// Initial state of one subsystem; the subsystems start in a product state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Every cell in |g⟩, a mode in its vacuum, a multi-level system in level 0.
    Ground,
    /// Every cell in |e⟩.
    Excited,
    /// |J, M⟩ of an ensemble, mixed evenly over the equivalent copies of spin J.
    Dicke {
        /// 2J.
        two_j: u64,
        /// 2M.
        two_m: i64,
    },
    /// Product of one-cell Gibbs states with ratio q = p_e/p_g (q < 1: passive, q > 1: inverted).
    Thermal {
        /// p_e/p_g = e^{−βω}.
        ratio: f64,
    },
}

/// How far a channel's jump operator reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One jump operator for the whole system.
    Collective,
    /// The same jump operator on every cell of one ensemble or network.
    Each(SubsystemId),
}

/// A dissipative channel rate·D\[operator\], or rate·Σᵢ D\[operatorᵢ\] when it reaches each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name in columns and steps.
    pub name: String,
    /// The jump operator, without √rate.
    pub operator: OpSum,
    /// The rate, at least 0.
    pub rate: f64,
    /// One operator or one on each cell.
    pub reach: Reach,
}

/// A master equation, its protocol, its initial state, and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// One line for humans.
    pub title: String,
    /// The parts of the system.
    pub subsystems: Vec<Subsystem>,
    /// Initial state of each subsystem.
    pub initial: Vec<Initial>,
    /// H in the frame the user chose, on at all timed steps.
    pub hamiltonian: OpSum,
    /// The dissipative channels.
    pub channels: Vec<Channel>,
    /// Pulses and timed steps.
    pub protocol: Protocol,
    /// Subsystems that make up the battery.
    pub battery: Vec<SubsystemId>,
    /// The output columns.
    pub quantities: Vec<Quantity>,
}

impl Problem {
    /// Start describing a problem.
    pub fn builder(title: &str) -> ProblemBuilder {
        ProblemBuilder::new(title)
    }

    /// The distinct linear averages that the quantities need, E first.
    pub fn linear(&self) -> Vec<Linear> {
        let mut all = vec![Linear::Energy];
        for quantity in &self.quantities {
            let needed = quantity.linear();
            if !all.contains(&needed) {
                all.push(needed);
            }
        }
        all
    }

    /// Whether a quantity needs the averaged battery state.
    pub fn needs_state(&self) -> bool {
        self.quantities.iter().any(Quantity::needs_state)
    }

    /// Column name of a quantity: `M` with one ensemble, `M_B` with several.
    pub fn column(&self, quantity: &Quantity) -> String {
        let ensembles = self.subsystems.iter().filter(|s| matches!(s.kind, Kind::Ensemble { .. })).count();
        let of = |stem: &str, e: SubsystemId| match ensembles {
            1 => stem.to_owned(),
            _ => format!("{stem}_{}", self.subsystems[e].name),
        };
        match *quantity {
            Quantity::Energy => "energy".into(),
            Quantity::EnergyVariance => "energy_var".into(),
            Quantity::EnergyDeviation => "energy_std".into(),
            Quantity::Ergotropy => "ergotropy".into(),
            Quantity::Efficiency => "efficiency".into(),
            Quantity::Magnetisation(e) => of("M", e),
            Quantity::MagnetisationVariance(e) => of("M_var", e),
            Quantity::SpinLength(e) => of("S", e),
            Quantity::Released(None) => "released".into(),
            Quantity::Released(Some(step)) => {
                match self.quantities.iter().filter(|q| matches!(q, Quantity::Released(_))).count() {
                    1 => "released".into(),
                    _ => format!("released_{}", self.protocol.name(step)),
                }
            }
            Quantity::Jumps(channel) => format!("jumps_{}", self.channels[channel].name),
        }
    }

    /// Energy that one jump of `channel` takes out of the battery as useful work: ω for a collective lowering
    /// operator of a battery ensemble or mode, −ω for a raising one, 0 otherwise.
    pub fn released_per_jump(&self, channel: usize) -> f64 {
        self.release(channel).unwrap_or(0.0)
    }

    /// [`released_per_jump`](Self::released_per_jump), or the error that it differs between the terms of a channel.
    fn release(&self, channel: usize) -> Result<f64, ModelError> {
        let Channel { name, operator, reach: Reach::Collective, .. } = &self.channels[channel] else { return Ok(0.0) };
        let quanta = |f: &Factor| match f.op {
            Op::Lower | Op::Annihilate if self.battery.contains(&f.subsystem) => self.subsystems[f.subsystem].energy,
            Op::Raise | Op::Create if self.battery.contains(&f.subsystem) => -self.subsystems[f.subsystem].energy,
            _ => 0.0,
        };
        let per_term: Vec<f64> =
            operator.in_ladder_operators().terms.iter().map(|t| t.factors.iter().map(quanta).sum()).collect();
        match per_term.split_first() {
            Some((first, rest)) if rest.iter().all(|r| r == first) => Ok(*first),
            None => Ok(0.0),
            _ => Err(ModelError::Invalid(format!(
                "a jump of channel {name} takes no definite energy out of the battery, so `released` has no meaning"
            ))),
        }
    }
}
