//! What a quantity is of, and the name of its column: its own with the subsystem, step or channel.

use super::chosen::{ChosenId, check_chosen};
use super::{Entry, Quantity, Unit};
use crate::error::ModelError;
use crate::problem::{ChannelId, Kind, ObservableId, Problem, StepId, SubsystemId};
use std::collections::HashSet;

/// What a quantity is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole battery, which must be made of these.
    Battery(BatteryKinds),
    /// One subsystem.
    Subsystem {
        /// Which one.
        id: SubsystemId,
        /// What it must be.
        kinds: Kinds,
        /// Whether it is named even where it is the only one of its kind.
        named: bool,
    },
    /// Every timed step, or the one with this number.
    Step(Option<StepId>),
    /// A channel.
    Channel(ChannelId),
    /// An observable of the user's own, which gives the column its name.
    Own(ObservableId),
    /// A function of a part that the user chose, which gives the column its name.
    Chosen(ChosenId),
}

impl Scope {
    /// Whether the user names the column, so that the quantity has no name to be asked for by.
    pub fn is_named(self) -> bool {
        matches!(self, Scope::Own(_) | Scope::Chosen(_))
    }
}

/// Batteries that a quantity exists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatteryKinds {
    /// All.
    Any,
    /// Those of two-level cells.
    Cells,
    /// One ensemble.
    OneEnsemble,
    /// One network.
    OneNetwork,
}

/// Subsystems that a quantity exists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// All.
    Any,
    /// Those with a number of quanta.
    WithQuanta,
    /// Ensembles.
    Ensemble,
    /// Modes.
    Mode,
}

impl BatteryKinds {
    fn fits(self, problem: &Problem) -> bool {
        let kinds: Vec<&Kind> = problem.battery.iter().map(|e| &problem.subsystems[*e].kind).collect();
        match self {
            BatteryKinds::Any => true,
            BatteryKinds::Cells => kinds.iter().all(|k| matches!(k, Kind::Ensemble { .. } | Kind::Network { .. })),
            BatteryKinds::OneEnsemble => matches!(kinds[..], [Kind::Ensemble { .. }]),
            BatteryKinds::OneNetwork => matches!(kinds[..], [Kind::Network { .. }]),
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            BatteryKinds::Any => "any battery",
            BatteryKinds::Cells => "a battery of two-level cells",
            BatteryKinds::OneEnsemble => "a battery of one ensemble of spins",
            BatteryKinds::OneNetwork => "a battery of one network of cells",
        }
    }
}

impl Kinds {
    /// Whether a subsystem is one of them.
    pub fn fits(self, kind: &Kind) -> bool {
        match self {
            Kinds::Any => true,
            Kinds::WithQuanta => !matches!(kind, Kind::Levels { .. }),
            Kinds::Ensemble => matches!(kind, Kind::Ensemble { .. }),
            Kinds::Mode => matches!(kind, Kind::Mode { .. }),
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kinds::Any => "a subsystem",
            Kinds::WithQuanta => "a subsystem with a number of quanta",
            Kinds::Ensemble => "an ensemble of spins",
            Kinds::Mode => "a mode",
        }
    }
}

/// What else may stand behind a column's name in the heading of a table: its error, interval and flag.
const SUFFIXES: [&str; 4] = ["_se", "_lo", "_hi", "_undersampled"];

impl Problem {
    /// Column name of a quantity: its own with its subsystem, step or channel; `M` rather than `M_B` where there is one
    /// ensemble, `released` where only one release is asked for.
    pub fn column(&self, quantity: &Quantity) -> String {
        let Entry { name, scope, .. } = quantity.entry();
        match scope {
            Scope::Battery(_) | Scope::Step(None) => name.to_owned(),
            Scope::Subsystem { id, kinds, named } => {
                let alone = self.subsystems.iter().filter(|s| kinds.fits(&s.kind)).count() == 1;
                if alone && !named { name.to_owned() } else { format!("{name}_{}", self.subsystems[id].name) }
            }
            Scope::Step(Some(step)) => {
                let steps = self.quantities.iter().filter(|q| matches!(q.entry().scope, Scope::Step(_))).count();
                if steps == 1 { name.to_owned() } else { format!("{name}_{}", self.protocol.name(step)) }
            }
            Scope::Channel(channel) => format!("{name}_{}", self.channels[channel].name),
            Scope::Own(id) => self.observables[id].name.clone(),
            Scope::Chosen(id) => self.chosen[id.number].name.clone(),
        }
    }

    /// What the quantity is of, for messages: `channel loss`.
    fn subject(&self, quantity: &Quantity) -> String {
        match quantity.entry().scope {
            Scope::Battery(_) | Scope::Step(None) => "the battery".into(),
            Scope::Subsystem { id, .. } => format!("subsystem {}", self.subsystems[id].name),
            Scope::Step(Some(step)) => format!("step {}", self.protocol.name(step)),
            Scope::Channel(channel) => format!("channel {}", self.channels[channel].name),
            Scope::Own(id) => format!("observable {}", self.observables[id].name),
            Scope::Chosen(id) => format!("the part of {}", self.chosen[id.number].name),
        }
    }
}

impl Quantity {
    /// The quantity whose column has this name, of whatever number, and the name of what it is of, if that is in it.
    pub fn of_column(column: &str) -> Option<(Self, Option<&str>)> {
        let longest = |all: &mut dyn Iterator<Item = Self>| all.max_by_key(|q| q.entry().name.len());
        let exact = |q: &Self| q.entry().name == column && !q.entry().scope.is_named();
        if let Some(found) = Self::every().into_iter().find(exact) {
            return Some((found, None));
        }
        let rest = |q: &Self| column.strip_prefix(q.entry().name)?.strip_prefix('_');
        let fits = |q: &Self| {
            !(matches!(q.entry().scope, Scope::Battery(_)) || q.entry().scope.is_named()) && rest(q).is_some()
        };
        let found = longest(&mut Self::every().into_iter().filter(fits))?;
        let of = rest(&found);
        Some((found, of))
    }

    /// What it is called on an axis, with its unit; `of` is the name of what it is of.
    pub fn label(&self, of: Option<&str>) -> String {
        let Entry { label, unit, .. } = self.entry();
        let text = match of {
            Some(of) if label.contains('@') => label.replace('@', of),
            Some(of) => format!("{label}, {of}"),
            None => label.replace(" of @", ""),
        };
        match unit {
            Unit::One => text,
            Unit::Energy | Unit::EnergySquared | Unit::Power | Unit::Rate => format!("{text} (units of the input)"),
        }
    }
}

/// Whether the quantity is asked of something that there is and that has it.
pub(in crate::problem) fn check_quantity(problem: &Problem, quantity: &Quantity) -> Result<(), ModelError> {
    let Entry { name, scope, .. } = quantity.entry();
    let invalid = |text: String| Err(ModelError::Invalid(text));
    match scope {
        _ if *quantity == Quantity::TopQuanta && problem.at_most.is_none() => {
            invalid(format!("`{name}` needs a space of at most so many quanta"))
        }
        Scope::Battery(kinds) if !kinds.fits(problem) => invalid(format!("`{name}` needs {}", kinds.name())),
        Scope::Subsystem { id, kinds, .. } => match problem.subsystems.get(id.index()) {
            None => invalid(format!("`{name}` is asked of a subsystem that does not exist")),
            Some(part) if !kinds.fits(&part.kind) => {
                invalid(format!("`{name}` is of {}, which {} is not", kinds.name(), part.name))
            }
            Some(_) => Ok(()),
        },
        Scope::Step(Some(step)) if problem.protocol.name(step).is_empty() => {
            invalid(format!("`{name}` is asked of a step that does not exist or takes no time"))
        }
        Scope::Channel(channel) if channel.index() >= problem.channels.len() => {
            invalid(format!("`{name}` is asked of a channel that does not exist"))
        }
        Scope::Own(id) if id.index() >= problem.observables.len() => {
            invalid(format!("`{name}` is asked of an observable that does not exist"))
        }
        Scope::Chosen(id) => check_chosen(problem, id),
        Scope::Battery(_) | Scope::Step(_) | Scope::Channel(_) | Scope::Own(_) => Ok(()),
    }
}

/// Whether each column has a name of its own, errors and intervals included.
pub(in crate::problem) fn check_columns(problem: &Problem) -> Result<(), ModelError> {
    let names: Vec<String> = problem.quantities.iter().map(|q| problem.column(q)).collect();
    let all: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut seen = HashSet::new();
    for (quantity, name) in problem.quantities.iter().zip(&names) {
        let subject = problem.subject(quantity);
        if !seen.insert(name) {
            return Err(ModelError::Invalid(format!(
                "there is a column `{name}` already, so {subject} cannot have it"
            )));
        }
        let error_of = |suffix: &&'static str| Some((*suffix, name.strip_suffix(suffix)?));
        if let Some((suffix, other)) = SUFFIXES.iter().filter_map(error_of).find(|(_, stem)| all.contains(stem)) {
            return Err(ModelError::Invalid(format!(
                "{subject} needs another name: its column `{name}` is also the `{suffix}` of the column `{other}`"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{ProblemBuilder, sm};

    const B: SubsystemId = SubsystemId::new(0);
    const A: SubsystemId = SubsystemId::new(1);
    const D: SubsystemId = SubsystemId::new(2);

    /// An ensemble B and two modes.
    fn builder() -> ProblemBuilder {
        let mut p = Problem::builder("names");
        let b = p.ensemble("B", 3, 2.0);
        p.subsystem("A", Kind::Mode { cutoff: 3 }, 1.0);
        p.subsystem("D", Kind::Mode { cutoff: 3 }, 1.0);
        p.battery([b]).evolve("wait", 1.0, 1);
        p
    }

    #[test]
    fn a_column_is_the_name_with_the_subsystem() {
        let problem = builder().observe([Quantity::Energy]).build().unwrap();
        let expected = [
            (Quantity::EnergyOf(B), "energy_B"),
            (Quantity::EnergyDensity(B), "energy_density_B"),
            (Quantity::Coherence, "coherence"),
            (Quantity::CellCoherence, "coherence_cell"),
            (Quantity::Photons(A), "photons_A"),
            (Quantity::Photons(D), "photons_D"),
            (Quantity::Quanta(B), "quanta_B"),
            (Quantity::Magnetisation(B), "M"),
            (Quantity::TopLevel(A), "top_level_A"),
        ];
        for (quantity, name) in expected {
            assert_eq!(problem.column(&quantity), name);
            let (found, of) = Quantity::of_column(name).unwrap();
            assert_eq!(found.entry().name, quantity.entry().name);
            assert_eq!(of, name.strip_prefix(found.entry().name).and_then(|rest| rest.strip_prefix('_')));
        }
        assert!(Quantity::of_column("tau").is_none());
    }

    #[test]
    fn quantities_that_share_a_subsystem_are_asked_together() {
        let both = [Quantity::EnergyOf(B), Quantity::EnergyDensity(B), Quantity::Coherence, Quantity::CellCoherence];
        let photons = [Quantity::Photons(A), Quantity::Photons(D)];
        builder().observe(both).observe(photons).build().unwrap();
    }

    #[test]
    fn a_name_that_collides_is_refused_and_said() {
        for suffix in SUFFIXES {
            let mut p = builder();
            let name = format!("a{suffix}");
            p.each("a", B, sm(B), 1.0).each(&name, B, sm(B), 0.5);
            p.clone().observe([Quantity::Jumps(ChannelId::new(0)), Quantity::Energy]).build().unwrap();
            let refused = p
                .observe([Quantity::Jumps(ChannelId::new(0)), Quantity::Jumps(ChannelId::new(1))])
                .build()
                .unwrap_err()
                .to_string();
            assert!(refused.contains(&format!("channel {name}")), "{refused}");
            assert!(refused.contains(&format!("`jumps_a{suffix}`")) && refused.contains("`jumps_a`"), "{refused}");
        }
        let mut p = builder();
        let var = p.subsystem("var", Kind::Mode { cutoff: 2 }, 1.0);
        let refused = p.observe([Quantity::EnergyVariance, Quantity::EnergyOf(var)]).build().unwrap_err().to_string();
        assert!(refused.contains("`energy_var`") && refused.contains("subsystem var"), "{refused}");
    }

    #[test]
    fn every_quantity_is_in_the_table_once() {
        let every = Quantity::every();
        for (at, quantity) in every.iter().enumerate() {
            let (name, battery) = (quantity.entry().name, matches!(quantity.entry().scope, Scope::Battery(_)));
            let same = |q: &Quantity| q.entry().name == name && matches!(q.entry().scope, Scope::Battery(_)) == battery;
            assert!(!every[..at].iter().any(same), "{name} twice");
            assert!(!quantity.about().is_empty() && !quantity.label(Some("X")).contains('@'), "{name}");
        }
    }
}
