//! A master equation with its protocol, initial state and questions, as physics: no matrices, no storage.
//!
//! dρ/dt = −i\[H, ρ\] + Σ_c rate_c D\[L_c\]ρ with D\[L\]ρ = LρL† − ½{L†L, ρ} and ħ = 1.
//! Energies and rates share one unit, whichever the user chose, times are in its inverse, angles in radians
//! (`docs/physics.md` §1).

mod access;
mod at_most;
mod audit;
mod battery;
mod build;
mod cell;
mod check;
mod commutators;
mod correlation;
mod cutoff;
mod describe;
mod digits;
mod envelope;
mod event;
pub mod function;
mod gate;
mod ids;
mod initial;
mod joint;
mod limits;
mod matrix;
mod normal_order;
mod notes;
mod operator;
mod protocol;
mod quantity;
mod rates;
mod record;
mod units;

pub use at_most::AtMost;
pub use audit::{Account, Entry as AuditEntry, Ledger};
pub use battery::{BatteryHamiltonian, Zero};
pub use build::ProblemBuilder;
pub use correlation::{Correlation, MOST_DELAYS, Regression, When};
pub(crate) use digits::digits;
pub use envelope::{Drive, Envelope, Piece};
pub use event::Event;
pub use gate::Gate;
pub use ids::{ChannelId, ObservableId, StepId, SubsystemId};
#[cfg(feature = "input")]
pub(crate) use initial::is_unitary;
pub use initial::{Initial, haar_unitary};
pub use joint::{Joint, JointState, MOST_JOINT, SpinKet};
#[cfg(feature = "input")]
pub(crate) use joint::{ghz, w};
pub use limits::{MOST_CELLS, MOST_ROWS};
pub use normal_order::Acting;
pub use operator::{Factor, Op, OpSum, Term, a, ad, n, sm, sp, sx, sy, sz, transition};
pub use protocol::{Axis, Protocol, Row, Step, even_rows, log_rows};
#[cfg(feature = "input")]
pub(crate) use quantity::MOST_STATES;
pub use quantity::{
    Basis, BatteryKinds, Chosen, ChosenId, Entry, Kinds, Linear, Nonlinear, Part, Place, Quantity, Recipe, Reduction,
    Scope, Unit, Varied, spin_length,
};
pub use rates::{RateMatrix, free_space_rates};
pub use record::{Beyond, Bins, DelayTable, Delays, Distribution, MOST_PATHS, Passage, Record};

use crate::error::ModelError;
use num_complex::Complex64;

/// What a subsystem is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Identical two-level cells, never addressed one by one.
    Ensemble {
        /// Number of cells N, from 1 to [`MOST_CELLS`].
        cells: u64,
    },
    /// Two-level cells that can be addressed one by one.
    Network {
        /// Number of cells, at least 1.
        cells: usize,
        /// Pairs of neighbours: two different cells each, counted from 0.
        edges: Vec<(usize, usize)>,
    },
    /// A harmonic oscillator with Fock states 0..cutoff−1.
    Mode {
        /// Number of Fock states kept, at least 2.
        cutoff: usize,
    },
    /// A multi-level system.
    Levels {
        /// Energy ε_k of each level k from 0 on, at least two: H_B = Σ_k ε_k|k⟩⟨k|.
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
    /// Energy ω ≥ 0 of one quantum, when it is part of the battery: H_B = ω Σn. Levels have their own energies there,
    /// and ω is then what [`unit`](Self::unit) gives.
    pub energy: f64,
    /// Energy ωᵢ of each cell of a network whose cells differ, H_B = Σ ωᵢnᵢ, cell 0 first; empty otherwise.
    pub uneven: Vec<f64>,
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

    /// Energy of one quantum of a cell, or of the mode.
    pub fn quantum(&self, cell: usize) -> f64 {
        self.uneven.get(cell).copied().unwrap_or(self.energy)
    }

    /// The largest energy of one quantum.
    pub fn largest_quantum(&self) -> f64 {
        self.uneven.iter().copied().reduce(f64::max).unwrap_or(self.energy)
    }

    /// Nω, or Σωᵢ of cells that differ: what energies are divided by to be per cell and per ω.
    pub fn unit(&self) -> f64 {
        match self.uneven.is_empty() {
            true => self.cells() as f64 * self.energy,
            false => self.uneven.iter().sum(),
        }
    }

    /// The tensor factors, each a cell, the mode or the levels, or one cell of them: its number and how many levels it has.
    pub(crate) fn factors(&self, cell: Option<usize>) -> impl Iterator<Item = (usize, usize)> {
        let levels = match &self.kind {
            Kind::Ensemble { .. } | Kind::Network { .. } => 2,
            Kind::Mode { cutoff } => *cutoff,
            Kind::Levels { energies } => energies.len(),
        };
        let cells = cell.map_or(0..self.cells() as usize, |cell| cell..cell + 1);
        cells.map(move |cell| (cell, levels))
    }

    /// ln of the Hilbert space dimension.
    pub fn ln_dimension(&self) -> f64 {
        match &self.kind {
            Kind::Ensemble { .. } | Kind::Network { .. } => self.cells() as f64 * 2f64.ln(),
            Kind::Mode { cutoff } => (*cutoff as f64).ln(),
            Kind::Levels { energies } => (energies.len() as f64).ln(),
        }
    }
}

/// How far a channel's jump operator reaches.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// One jump operator for the whole system.
    Collective,
    /// The same jump operator on every cell of one ensemble or network.
    Each(SubsystemId),
    /// Σ_nm R_nm (o_n ρ o_m† − ½{o_m†o_n, ρ}) over the cells of one network, R symmetric and positive semidefinite
    /// (`docs/physics.md` §1, Eq. 1.2).
    Correlated {
        /// The network.
        subsystem: SubsystemId,
        /// R, N × N in units of the channel's rate, with its decomposition into jump operators.
        rates: RateMatrix,
    },
}

impl Reach {
    /// The subsystem on whose single cells the operator acts.
    pub fn cells_of(&self) -> Option<SubsystemId> {
        match self {
            Reach::Collective => None,
            Reach::Each(subsystem) | Reach::Correlated { subsystem, .. } => Some(*subsystem),
        }
    }
}

/// A Hermitian operator whose mean is asked for by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The column that it makes.
    pub name: String,
    /// The operator.
    pub operator: OpSum,
    /// Its least and its greatest value, in the unit of the operator, where they are known better than its terms say.
    pub range: Option<(f64, f64)>,
}

/// A rate that falls below 0 by no more than this part of its largest value is rounded.
const NEGLIGIBLE: f64 = 1e-12;

/// A dissipative channel: rate·D\[operator\], rate·Σᵢ D\[operatorᵢ\] when it reaches each cell, or
/// rate·Σ_nm R_nm(…) when the cells decay together.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name in columns and steps.
    pub name: String,
    /// The jump operator, without √rate.
    pub operator: OpSum,
    /// The rate in 1/time, at least 0; a factor of it, where it changes with time.
    pub rate: f64,
    /// w(t) of a rate that changes with time, rate·w(t); `None` is w = 1.
    pub envelope: Option<Envelope>,
    /// Operators that functions of time add to the jump operator: L = operator + Σ f_j·operator_j.
    pub modulated: Vec<(Envelope, OpSum)>,
    /// What w·f_j·f_k multiplies, w the factor of the rate and f_0 = 1, once it is known in which steps the channel is on.
    pub(crate) pairs: Vec<Pair>,
    /// One operator or one on each cell.
    pub reach: Reach,
}

/// w·f_j·f_k of two of the operators that make up a jump operator, j ≤ k.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// j and k.
    pub of: (usize, usize),
    /// Their function.
    pub envelope: Envelope,
}

impl Channel {
    /// Whether its rate or its operator changes with time.
    pub fn changes(&self) -> bool {
        self.envelope.is_some() || !self.modulated.is_empty()
    }

    /// The lowest value of its rate and when that is, if it is below 0, in the steps in which it is on.
    pub(crate) fn negative(&self) -> Option<(f64, f64)> {
        match &self.envelope {
            Some(Envelope::Function(f)) => {
                let (least, at) = f.pieces()?.least();
                (least < -NEGLIGIBLE * f.largest()).then_some((self.rate * least, at))
            }
            _ => None,
        }
    }

    /// The fixed operator and those that functions multiply, in one sum: what there is of products of factors. Each part has
    /// a phase of its own, so that none cancels another as they would where the functions are 1.
    pub fn whole(&self) -> OpSum {
        let parts = (1..).zip(&self.modulated);
        parts.fold(self.operator.clone(), |sum, (k, (_, part))| sum + part.clone() * Complex64::cis(f64::from(k)))
    }

    /// The largest rate that it ever has, in units of which its operators have no functions; that of a function only once
    /// its pieces are known.
    pub fn largest_rate(&self) -> f64 {
        let largest = |envelope: &Envelope| match envelope {
            Envelope::Function(function) => function.largest(),
            Envelope::Constant(factor) => factor.abs(),
            _ => 1.0,
        };
        match self.pairs.is_empty() {
            true => self.rate * self.envelope.as_ref().map_or(1.0, largest),
            false => self.rate * self.pairs.iter().map(|pair| largest(&pair.envelope)).fold(0.0, f64::max),
        }
    }
}

/// A master equation, its protocol, its initial state, and what is asked of it: built by a
/// [`ProblemBuilder`] and read-only from then on.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// One line for humans.
    pub(crate) title: String,
    /// The parts of the system.
    pub(crate) subsystems: Vec<Subsystem>,
    /// Initial state of each subsystem.
    pub(crate) initial: Vec<Initial>,
    /// States that several subsystems start in together.
    pub(crate) joint: Vec<Joint>,
    /// Angle about y, in radians, by which the mean field of spin vectors turns the state in which each subsystem starts.
    /// The master equation has no part in it.
    pub(crate) tilt: Vec<f64>,
    /// H in the frame the user chose, on at all timed steps.
    pub(crate) hamiltonian: OpSum,
    /// Terms added to H that change in time or are on in some steps only.
    pub(crate) drives: Vec<Drive>,
    /// The most quanta that are kept.
    pub(crate) at_most: Option<AtMost>,
    /// Whether its operators came as matrices, so that blocks are looked for in the pattern of their elements.
    pub(crate) by_pattern: bool,
    /// Whether it was said in which frame H is.
    pub(crate) frame_stated: bool,
    /// The dissipative channels.
    pub(crate) channels: Vec<Channel>,
    /// Pulses and timed steps.
    pub(crate) protocol: Protocol,
    /// Subsystems that make up the battery.
    pub(crate) battery: Vec<SubsystemId>,
    /// H_B, where it is not Σωn over them.
    pub(crate) battery_hamiltonian: Option<BatteryHamiltonian>,
    /// Observables of the user's own.
    pub(crate) observables: Vec<Named>,
    /// Functions of parts that the user chose.
    pub(crate) chosen: Vec<Chosen>,
    /// Which of these are asked for their state, not for a number.
    pub(crate) kept_states: Vec<usize>,
    /// The output columns.
    pub(crate) quantities: Vec<Quantity>,
    /// What is kept of single runs.
    pub(crate) record: Record,
}

impl Problem {
    /// Observables of the user's own.
    pub fn observables(&self) -> &[Named] {
        &self.observables
    }

    /// Start describing a problem.
    pub fn builder(title: &str) -> ProblemBuilder {
        ProblemBuilder::new(title)
    }

    /// Make drive `index` ready for the steps in which it is on, if double precision can follow it.
    pub(crate) fn prepare_drive(&mut self, index: usize) -> Result<(), ModelError> {
        limits::prepare_drive(self, index)
    }

    /// Make the rate of channel `index` ready for the steps in which it is on.
    pub(crate) fn prepare_rate(&mut self, index: ChannelId) -> Result<(), ModelError> {
        limits::prepare_rate(self, index)
    }

    /// What changes with the time since the run began, if anything does.
    pub(crate) fn on_the_run_clock(&self) -> Option<String> {
        let on = |envelope: &Envelope| matches!(envelope, Envelope::Function(f) if f.uses_run_time());
        let drive = self.drives.iter().find(|drive| on(&drive.envelope)).map(|drive| format!("drive {}", drive.name));
        let rate = self.channels.iter().find(|channel| channel.pairs.iter().any(|pair| on(&pair.envelope)));
        drive.or_else(|| rate.map(|channel| format!("channel {}", channel.name)))
    }

    /// A channel whose rate falls below 0, with the value and the time.
    pub(crate) fn negative_rate(&self) -> Option<(&Channel, f64, f64)> {
        self.channels.iter().find_map(|channel| channel.negative().map(|(value, time)| (channel, value, time)))
    }

    /// Whether the phases that H turns in each step mean anything in double precision.
    pub(crate) fn check_phases(&self) -> Result<(), ModelError> {
        limits::check_phases(self)
    }

    /// Energy that one jump of `channel` takes out of the battery as useful work: ω for a collective lowering operator
    /// of cells or a mode of the battery, −ω for a raising one, ε_from − ε_to for a transition of its levels, and the
    /// sum of these for a product. 0 for a channel on each cell, for one outside the battery, and where the terms of
    /// the operator do not all take the same (then [`Quantity::Released`] is refused).
    pub fn released_per_jump(&self, channel: ChannelId) -> f64 {
        self.release(channel).unwrap_or(0.0)
    }

    /// Energy that so many jumps of each channel release.
    pub(crate) fn released(&self, jumps: &[f64]) -> f64 {
        jumps.iter().zip(self.channel_ids()).map(|(n, channel)| n * self.released_per_jump(channel)).sum()
    }

    /// [`released_per_jump`](Self::released_per_jump), or the error that it differs between the terms of a channel.
    fn release(&self, channel: ChannelId) -> Result<f64, ModelError> {
        let Channel { name, reach: Reach::Collective, .. } = &self.channels[channel] else { return Ok(0.0) };
        let operator = self.channels[channel].whole();
        let ladder = operator.in_ladder_operators();
        // What keeps every product state changes no energy of a Hamiltonian that is diagonal in them, but of others.
        let diagonal = |f: &Factor| match f.op {
            Op::Transition(to, from) => to == from,
            op => matches!(op, Op::Number | Op::Z),
        };
        let own = self.battery_hamiltonian.as_ref();
        let turns = own.is_some_and(|own| own.operator.terms.iter().flat_map(|t| &t.factors).any(|f| !diagonal(f)));
        let quanta = |f: &Factor| {
            let part = &self.subsystems[f.subsystem];
            let down = match (f.op, &part.kind) {
                (Op::Lower | Op::Annihilate, _) => 1.0,
                (Op::Raise | Op::Create, _) => -1.0,
                (Op::Transition(to, from), Kind::Levels { energies }) if self.battery.contains(&f.subsystem) => {
                    return match (own, to == from) {
                        (Some(_), false) => f64::NAN,
                        (Some(_), true) if turns => f64::NAN,
                        _ => energies[from] - energies[to],
                    };
                }
                _ if turns && self.battery.contains(&f.subsystem) => return f64::NAN,
                _ => return 0.0,
            };
            match self.battery.contains(&f.subsystem) {
                false => 0.0,
                // What cells that differ, or that interact, lose together has no one energy.
                true if own.is_some() => f64::NAN,
                true if f.site.is_none() && !part.uneven.is_empty() => f64::NAN,
                true => down * part.quantum(f.site.unwrap_or(0)),
            }
        };
        let per_term: Vec<f64> = ladder.terms.iter().map(|t| t.factors.iter().map(quanta).sum()).collect();
        match per_term.split_first() {
            Some((first, rest)) if !first.is_nan() && rest.iter().all(|r| r == first) => Ok(*first),
            None => Ok(0.0),
            _ => Err(ModelError::Invalid(format!(
                "a jump of channel {name} takes no definite energy out of the battery, so `released` has no meaning"
            ))),
        }
    }
}
