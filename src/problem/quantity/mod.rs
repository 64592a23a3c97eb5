//! The one table of quantities: what may be asked of a run, what it is of, how it follows from averages, its unit and label.
//!
//! A quantity is a line of [`Quantity`] and an arm of [`Quantity::entry`]. Its value everywhere (sampled, exact, mean field)
//! comes from its [`Recipe`], its range from that of what the recipe takes (`range.rs`), its column from its name and
//! [`Scope`] (`scope.rs`).

mod chosen;
mod of_state;
mod range;
mod scope;

#[cfg(feature = "input")]
pub(crate) use chosen::MOST_STATES;
pub(super) use chosen::check_chosen;
pub use chosen::{Chosen, ChosenId, Place};
pub use of_state::{Basis, Nonlinear, Part, Reduction};
pub use scope::{BatteryKinds, Kinds, Scope};
pub(super) use scope::{check_columns, check_quantity};

use super::{ChannelId, ObservableId, Problem, StepId, SubsystemId};

/// Defines [`Quantity`] with what its lines alone can say: a list of all of them, and what each is.
macro_rules! quantities {
    ($($(#[doc = $about:literal])+ $name:ident $(($of:ty))?,)+) => {
        /// An output quantity; one column of `observables.csv` with its error. `docs/physics.md` §3 has the equations,
        /// and [`entry`](Self::entry) the unit of each.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Quantity {
            $($(#[doc = $about])+ $name $(($of))?,)+
        }

        impl Quantity {
            /// One of each kind: of the first subsystem, the first channel, any step.
            pub fn every() -> Vec<Self> {
                vec![$(Self::$name $((<$of>::numbered(None)))?),+]
            }

            /// The same of the subsystem, channel or step with this number.
            pub fn of(&self, number: usize) -> Self {
                match self {
                    $(Self::$name { .. } => Self::$name $((<$of>::numbered(Some(number))))?,)+
                }
            }

            /// What it is, in a line or two.
            pub fn about(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => concat!($($about),+).trim_ascii(),)+
                }
            }
        }
    };
}

/// What a line of the table is of, by number: the first of its kind, or any step, where there is none.
trait Numbered {
    fn numbered(number: Option<usize>) -> Self;
}

impl Numbered for SubsystemId {
    fn numbered(number: Option<usize>) -> Self {
        Self::new(number.unwrap_or(0))
    }
}

impl Numbered for ChannelId {
    fn numbered(number: Option<usize>) -> Self {
        Self::new(number.unwrap_or(0))
    }
}

impl Numbered for ObservableId {
    fn numbered(number: Option<usize>) -> Self {
        Self::new(number.unwrap_or(0))
    }
}

impl Numbered for ChosenId {
    fn numbered(number: Option<usize>) -> Self {
        Self { number: number.unwrap_or(0), what: Nonlinear::Ergotropy }
    }
}

impl Numbered for Option<StepId> {
    fn numbered(number: Option<usize>) -> Self {
        number.map(StepId::new)
    }
}

quantities! {
    /// E = Tr ρ_B H_B, in the unit of the subsystem energies.
    Energy,
    /// Tr ρH_B² − (Tr ρH_B)², of the averaged state.
    EnergyVariance,
    /// The root of the variance of H_B.
    EnergyDeviation,
    /// Energy of one subsystem, battery or not.
    EnergyOf(SubsystemId),
    /// Energy of one subsystem per cell (or mode) and per ω.
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
    /// Ergotropy over energy; empty where there is no energy.
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
    /// ⟨a†a⟩ of a mode.
    Photons(SubsystemId),
    /// Weight of the symmetric subspace J = N/2 of an ensemble.
    Bright(SubsystemId),
    /// Rate at which weight leaves J = N/2 of an ensemble (paper 003, Eq. 120), in the unit of the rates: ⟨PΣ_k K†(1 − P)KP⟩ over
    /// the local jump operators K of the channels that are on in the step, P the projector on J = N/2.
    BrightLoss(SubsystemId),
    /// Rate at which weight comes back to J = N/2, which Eq. 120 leaves out: ⟨(1 − P)Σ_k K†PK(1 − P)⟩, all of it from
    /// J = N/2 − 1. d⟨P⟩/dt is this minus the loss.
    BrightReturn(SubsystemId),
    /// Weight of the highest Fock level that is kept of a mode: what its cutoff cuts off is about as much.
    TopLevel(SubsystemId),
    /// Weight of the states of as many quanta as are kept at most: what that cuts off is about as much.
    TopQuanta,
    /// M = ⟨Sᶻ⟩ of an ensemble.
    Magnetisation(SubsystemId),
    /// Var(Sᶻ) of the averaged state.
    MagnetisationVariance(SubsystemId),
    /// S with S(S+1) = ⟨S²⟩.
    SpinLength(SubsystemId),
    /// Energy that the collective channels took out of the battery since the step began; in the named step only, if any.
    Released(Option<StepId>),
    /// Jumps of a channel since the step began.
    Jumps(ChannelId),
    /// Mean of an operator of the user's own.
    Expect(ObservableId),
    /// A function of the state of a part that the user chose.
    Chosen(ChosenId),
}

/// What the table says of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// How it is asked for; the column adds the subsystem, step or channel.
    pub name: &'static str,
    /// What it is of.
    pub scope: Scope,
    /// How it follows from averages and density matrices.
    pub recipe: Recipe,
    /// What it is measured in.
    pub unit: Unit,
    /// Its name on an axis, `@` standing for what it is of.
    pub label: &'static str,
}

/// What a number is measured in; energies, rates and times are in the user's own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A pure number; also the mean of an operator of the user's own, which is in the unit of that.
    One,
    /// That of ω.
    Energy,
    /// Its square.
    EnergySquared,
    /// Energy over time.
    Power,
    /// One over time, the unit of the rates.
    Rate,
}

impl Unit {
    /// In words; empty for a pure number.
    pub fn name(self) -> &'static str {
        match self {
            Unit::One => "",
            Unit::Energy => "energy",
            Unit::EnergySquared => "energy²",
            Unit::Power => "energy/time",
            Unit::Rate => "1/time",
        }
    }
}

/// How a quantity follows from what a sample, an exact state or a mean field answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// ⟨o⟩.
    Mean(Linear),
    /// ⟨o⟩ over Nω of a subsystem ([`Subsystem::unit`](super::Subsystem::unit)).
    PerCell(Linear, SubsystemId),
    /// ⟨o⟩ over the time since the run began; nothing at its start.
    PerTime(Linear),
    /// ⟨o²⟩ − ⟨o⟩².
    Variance(Varied),
    /// Its root.
    Deviation(Varied),
    /// S with S(S+1) = ⟨o⟩.
    SpinLength(Linear),
    /// f(ρ) of the averaged state of a part.
    State(Nonlinear, Part),
    /// f(ρ) at the first row, at every row.
    FirstState(Nonlinear, Part),
    /// f(ρ) over ⟨H_B⟩; nothing where that is 0.
    OverEnergy(Nonlinear, Part),
}

impl Quantity {
    /// Its line in the table.
    pub fn entry(&self) -> Entry {
        use BatteryKinds as Of;
        use Recipe::{Deviation, FirstState, Mean, OverEnergy, PerCell, PerTime, State, Variance};
        let whole = |name, recipe, unit, label| Entry { name, scope: Scope::Battery(Of::Any), recipe, unit, label };
        let part = |name, (id, kinds), recipe, unit, label| {
            let named = matches!(kinds, Kinds::Any | Kinds::WithQuanta);
            Entry { name, scope: Scope::Subsystem { id, kinds, named }, recipe, unit, label }
        };
        let battery = |what| State(what, Part::Battery);
        match *self {
            Quantity::Energy => whole("energy", Mean(Linear::Energy), Unit::Energy, "energy E"),
            Quantity::EnergyVariance => whole("energy_var", Variance(Varied::Energy), Unit::EnergySquared, "Var(H_B)"),
            Quantity::EnergyDeviation => {
                whole("energy_std", Deviation(Varied::Energy), Unit::Energy, "standard deviation of H_B")
            }
            Quantity::EnergyOf(e) => {
                part("energy", (e, Kinds::Any), Mean(Linear::EnergyOf(e)), Unit::Energy, "energy of @")
            }
            Quantity::EnergyDensity(e) => {
                let recipe = PerCell(Linear::EnergyOf(e), e);
                part("energy_density", (e, Kinds::Any), recipe, Unit::One, "energy of @ per cell and ω")
            }
            Quantity::Power => whole("power", PerTime(Linear::Energy), Unit::Power, "charging power E/t"),
            Quantity::Ergotropy => whole("ergotropy", battery(Nonlinear::Ergotropy), Unit::Energy, "ergotropy W"),
            Quantity::ErgotropyOf(e) => {
                let recipe = State(Nonlinear::Ergotropy, Part::One(e));
                part("ergotropy", (e, Kinds::Any), recipe, Unit::Energy, "ergotropy of @")
            }
            Quantity::InitialErgotropy => {
                let recipe = FirstState(Nonlinear::Ergotropy, Part::Battery);
                whole("ergotropy_initial", recipe, Unit::Energy, "initial ergotropy")
            }
            Quantity::LocalErgotropy => Entry {
                scope: Scope::Battery(Of::Cells),
                ..whole("ergotropy_local", battery(Nonlinear::LocalErgotropy), Unit::Energy, "ergotropy cell by cell")
            },
            Quantity::SymmetricErgotropy => {
                let recipe = battery(Nonlinear::SymmetricErgotropy);
                Entry {
                    scope: Scope::Battery(Of::OneEnsemble),
                    ..whole("ergotropy_symmetric", recipe, Unit::Energy, "ergotropy in the symmetric subspace")
                }
            }
            Quantity::IncoherentErgotropy => {
                let recipe = battery(Nonlinear::IncoherentErgotropy);
                whole("ergotropy_incoherent", recipe, Unit::Energy, "incoherent ergotropy")
            }
            Quantity::CoherentErgotropy => {
                let recipe = battery(Nonlinear::CoherentErgotropy);
                whole("ergotropy_coherent", recipe, Unit::Energy, "coherent ergotropy")
            }
            Quantity::AntiErgotropy => {
                whole("antiergotropy", battery(Nonlinear::AntiErgotropy), Unit::Energy, "anti-ergotropy")
            }
            Quantity::Capacity => whole("capacity", battery(Nonlinear::Capacity), Unit::Energy, "capacity"),
            Quantity::Efficiency => {
                whole("efficiency", OverEnergy(Nonlinear::Ergotropy, Part::Battery), Unit::One, "W/E")
            }
            Quantity::Coherence => {
                whole("coherence", battery(Nonlinear::Coherence), Unit::One, "l1 coherence over its largest")
            }
            Quantity::CellCoherence => Entry {
                scope: Scope::Battery(Of::Cells),
                ..whole("coherence_cell", battery(Nonlinear::CellCoherence), Unit::One, "coherence |ρ_eg| of a cell")
            },
            Quantity::Concurrence => Entry {
                scope: Scope::Battery(Of::OneNetwork),
                ..whole("concurrence", battery(Nonlinear::Concurrence), Unit::One, "concurrence of neighbours")
            },
            Quantity::Purity => whole("purity", battery(Nonlinear::Purity), Unit::One, "purity Tr ρ²"),
            Quantity::Quanta(e) => {
                part("quanta", (e, Kinds::WithQuanta), Mean(Linear::Quanta(e)), Unit::One, "quanta ⟨n⟩ of @")
            }
            Quantity::Photons(e) => {
                part("photons", (e, Kinds::Mode), Mean(Linear::Quanta(e)), Unit::One, "photons ⟨a†a⟩")
            }
            Quantity::Bright(e) => {
                part("bright", (e, Kinds::Ensemble), Mean(Linear::Bright(e)), Unit::One, "weight in J = N/2")
            }
            Quantity::BrightLoss(e) => {
                let recipe = Mean(Linear::BrightLoss(e));
                part("bright_loss", (e, Kinds::Ensemble), recipe, Unit::Rate, "rate out of J = N/2")
            }
            Quantity::BrightReturn(e) => {
                let recipe = Mean(Linear::BrightReturn(e));
                part("bright_return", (e, Kinds::Ensemble), recipe, Unit::Rate, "rate back into J = N/2")
            }
            Quantity::TopLevel(e) => Entry {
                scope: Scope::Subsystem { id: e, kinds: Kinds::Mode, named: true },
                ..whole("top_level", Mean(Linear::TopLevel(e)), Unit::One, "weight of the highest level of @")
            },
            Quantity::TopQuanta => {
                whole("top_quanta", Mean(Linear::TopQuanta), Unit::One, "weight of the most quanta that are kept")
            }
            Quantity::Magnetisation(e) => {
                part("M", (e, Kinds::Ensemble), Mean(Linear::Magnetisation(e)), Unit::One, "M = ⟨Sᶻ⟩")
            }
            Quantity::MagnetisationVariance(e) => {
                part("M_var", (e, Kinds::Ensemble), Variance(Varied::Magnetisation(e)), Unit::One, "Var(Sᶻ)")
            }
            Quantity::SpinLength(e) => {
                let recipe = Recipe::SpinLength(Linear::SpinSquared(e));
                part("S", (e, Kinds::Ensemble), recipe, Unit::One, "S, from S(S+1) = ⟨S²⟩")
            }
            Quantity::Released(step) => Entry {
                scope: Scope::Step(step),
                ..whole("released", Mean(Linear::Released(step)), Unit::Energy, "energy released in the step")
            },
            Quantity::Jumps(channel) => Entry {
                scope: Scope::Channel(channel),
                ..whole("jumps", Mean(Linear::Jumps(channel)), Unit::One, "jumps of @ in the step")
            },
            Quantity::Chosen(id) => {
                let unit = if id.what == Nonlinear::Ergotropy { Unit::Energy } else { Unit::One };
                let recipe = State(id.what, Part::Chosen(id));
                Entry { scope: Scope::Chosen(id), ..whole("of_part", recipe, unit, "@") }
            }
            Quantity::Expect(id) => {
                Entry { scope: Scope::Own(id), ..whole("expect", Mean(Linear::Expect(id)), Unit::One, "⟨@⟩") }
            }
        }
    }

    /// The linear average this quantity is a function of; the energy beside one of a density matrix.
    pub fn linear(&self) -> Linear {
        match self.entry().recipe {
            Recipe::Mean(linear) | Recipe::PerCell(linear, _) | Recipe::PerTime(linear) => linear,
            Recipe::SpinLength(squared) => squared,
            Recipe::Variance(varied) | Recipe::Deviation(varied) => varied.mean(),
            Recipe::State(..) | Recipe::FirstState(..) | Recipe::OverEnergy(..) => Linear::Energy,
        }
    }

    /// The observable whose variance it is or follows from, if it does.
    pub fn varied(&self) -> Option<Varied> {
        match self.entry().recipe {
            Recipe::Variance(varied) | Recipe::Deviation(varied) => Some(varied),
            Recipe::Mean(_) | Recipe::PerCell(..) | Recipe::PerTime(_) | Recipe::SpinLength(_) => None,
            Recipe::State(..) | Recipe::FirstState(..) | Recipe::OverEnergy(..) => None,
        }
    }

    /// The function of an averaged density matrix that it is or follows from, if it does.
    pub fn nonlinear(&self) -> Option<(Nonlinear, Part)> {
        match self.entry().recipe {
            Recipe::State(what, of) | Recipe::FirstState(what, of) | Recipe::OverEnergy(what, of) => Some((what, of)),
            Recipe::Mean(_) | Recipe::PerCell(..) | Recipe::PerTime(_) => None,
            Recipe::SpinLength(_) | Recipe::Variance(_) | Recipe::Deviation(_) => None,
        }
    }

    /// The averaged density matrix this quantity is a function of, if it is not linear.
    pub fn reduction(&self, problem: &Problem) -> Option<Reduction> {
        self.nonlinear().map(|(what, of)| what.reduction(problem, of))
    }

    /// Whether an averaged density matrix is needed, not only averages linear in the state.
    pub fn needs_state(&self) -> bool {
        self.nonlinear().is_some()
    }

    /// Whether the variance of the recorded number is part of the result.
    pub fn needs_variance(&self) -> bool {
        self.varied().is_some()
    }
}

/// An average that is linear in ρ: what trajectories record at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linear {
    /// ⟨H_B⟩.
    Energy,
    /// Variance of H_B within a trajectory's state; it adds to the variance between trajectories. 0 on the ladder.
    EnergySpread,
    /// ⟨Σωn⟩ of one subsystem, or that of the energies of its levels.
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
    /// Flow out of J = N/2 through local channels (`docs/physics.md` §3.1, Eq. 3.1).
    BrightLoss(SubsystemId),
    /// Flow from J = N/2 − 1 into J = N/2.
    BrightReturn(SubsystemId),
    /// Weight of the highest level of a mode.
    TopLevel(SubsystemId),
    /// Weight of the states of the most quanta that are kept.
    TopQuanta,
    /// Energy released by collective channels (see [`Quantity::Released`]).
    Released(Option<StepId>),
    /// Jumps of a channel since the step began.
    Jumps(ChannelId),
    /// Mean of an operator of the user's own.
    Expect(ObservableId),
}

impl Linear {
    /// Whether its operator depends on which channels are on.
    pub fn of_channels(&self) -> bool {
        matches!(self, Linear::BrightLoss(_) | Linear::BrightReturn(_))
    }
}

/// An observable whose variance may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Varied {
    /// H_B.
    Energy,
    /// Sᶻ of an ensemble.
    Magnetisation(SubsystemId),
}

impl Varied {
    /// Its average.
    pub fn mean(self) -> Linear {
        match self {
            Varied::Energy => Linear::Energy,
            Varied::Magnetisation(e) => Linear::Magnetisation(e),
        }
    }

    /// Its variance within a trajectory's state.
    pub fn spread(self) -> Linear {
        match self {
            Varied::Energy => Linear::EnergySpread,
            Varied::Magnetisation(e) => Linear::MagnetisationSpread(e),
        }
    }
}

/// S with S(S+1) = ⟨S²⟩, (√(1 + 4⟨S²⟩) − 1)/2; a `squared` below 0 counts 0.
pub fn spin_length(squared: f64) -> f64 {
    0.5 * ((1.0 + 4.0 * squared.max(0.0)).sqrt() - 1.0)
}

impl Problem {
    /// The distinct linear averages that the quantities and the record of single runs need, E first.
    pub fn linear(&self) -> Vec<Linear> {
        let of = |quantity: &Quantity| [Some(quantity.linear()), quantity.varied().map(Varied::spread)];
        let needed = self.quantities.iter().flat_map(of).flatten().chain(self.record.linear(self));
        let mut all = vec![Linear::Energy];
        for linear in needed {
            if !all.contains(&linear) {
                all.push(linear);
            }
        }
        all
    }

    /// Whether a quantity needs an averaged density matrix.
    pub fn needs_state(&self) -> bool {
        self.quantities.iter().any(Quantity::needs_state) || !self.kept_states.is_empty()
    }

    /// The battery's state as it is kept: in the eigenbasis of its Hamiltonian, where that is its own.
    pub fn battery_reduction(&self) -> Reduction {
        match self.battery_hamiltonian {
            Some(_) => Reduction::InEnergies,
            None => Reduction::Joint(self.battery.clone()),
        }
    }

    /// The distinct averaged density matrices that the quantities need.
    pub fn reductions(&self) -> Vec<Reduction> {
        let mut all = Vec::new();
        let kept = self.kept_states.iter().map(|number| Reduction::Chosen(*number));
        for reduction in self.quantities.iter().filter_map(|q| q.reduction(self)).chain(kept) {
            if !all.contains(&reduction) {
                all.push(reduction);
            }
        }
        all
    }
}
