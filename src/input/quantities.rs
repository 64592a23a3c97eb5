//! The output columns that the input asks for.

use super::document::Table;
use super::error::{InputError, Span};
use super::expression::{self, Node};
use super::operator::{described, subsystem};
use super::sections::distinct;
use crate::problem::{Kind, Quantity, Subsystem};

/// What may be asked, without and with a name behind it.
const QUANTITIES: [&str; 28] = [
    "energy",
    "energy_var",
    "energy_std",
    "energy_density",
    "power",
    "ergotropy",
    "ergotropy_initial",
    "ergotropy_local",
    "ergotropy_symmetric",
    "ergotropy_incoherent",
    "ergotropy_coherent",
    "antiergotropy",
    "capacity",
    "efficiency",
    "coherence",
    "coherence_cell",
    "concurrence",
    "purity",
    "quanta",
    "photons",
    "bright",
    "bright_loss",
    "bright_return",
    "M",
    "M_var",
    "S",
    "released",
    "jumps",
];

/// The quantities in the order listed, each with its place.
pub(super) fn quantities<'s>(
    section: &Table<'s>,
    parts: &[Subsystem],
    steps: &[&str],
    channels: &[&str],
) -> Result<Vec<(Quantity, Span<'s>)>, InputError> {
    section.allow("key", &["quantities"])?;
    let list = section.need("quantities", "quantities = [\"energy\", \"ergotropy\"]")?;
    let mut found = Vec::new();
    for item in list.list("a list of quantities: `[\"energy\", \"M\"]`")? {
        let expression = expression::parse(item.text("a quantity such as `energy`")?)?;
        let (name, name_at, argument) = match &expression.node {
            Node::Name(name) => (*name, expression.at, None),
            Node::Call { name, name_at, arguments } => match arguments.as_slice() {
                [argument] => match argument.node {
                    Node::Name(of) => (*name, *name_at, Some((of, argument.at))),
                    _ => return Err(argument.at.error("this is no name", "the name of a subsystem, step or channel")),
                },
                _ => return Err(expression.at.error("too many arguments", "one name")),
            },
            _ => return Err(expression.at.unknown("quantity", expression.at.text(), QUANTITIES)),
        };
        let of_kind = |what: &str, fits: fn(&Kind) -> bool| only(name, parts, argument, expression.at, what, fits);
        let ensemble = || of_kind("an ensemble of spins", |kind| matches!(kind, Kind::Ensemble { .. }));
        let mode = || of_kind("a mode", |kind| matches!(kind, Kind::Mode { .. }));
        let any = |(of, at)| subsystem(parts, of, at);
        let needed =
            || argument.ok_or_else(|| name_at.error(format!("`{name}` is of one subsystem"), format!("`{name}(B)`")));
        let whole = |quantity: Quantity| match argument {
            Some((_, at)) => Err(at.error(format!("`{name}` is of the whole battery"), "no name after it")),
            None => Ok(quantity),
        };
        let quantity = match (name, argument) {
            ("jumps", None) if channels.is_empty() => {
                return Err(name_at.error("there are no channels", "no `jumps`"));
            }
            ("jumps", None) => {
                found.extend((0..channels.len()).map(|channel| (Quantity::Jumps(channel), expression.at)));
                continue;
            }
            ("jumps", Some((of, at))) => match channels.iter().position(|c| *c == of) {
                Some(channel) => Quantity::Jumps(channel),
                None => return Err(at.unknown("channel", of, channels.iter().copied())),
            },
            ("M", _) => Quantity::Magnetisation(ensemble()?),
            ("M_var", _) => Quantity::MagnetisationVariance(ensemble()?),
            ("S", _) => Quantity::SpinLength(ensemble()?),
            ("bright", _) => Quantity::Bright(ensemble()?),
            ("bright_loss", _) => Quantity::BrightLoss(ensemble()?),
            ("bright_return", _) => Quantity::BrightReturn(ensemble()?),
            ("photons", _) => Quantity::Photons(mode()?),
            ("quanta", _) => Quantity::Quanta(any(needed()?)?),
            ("energy_density", _) => Quantity::EnergyDensity(any(needed()?)?),
            ("energy", Some(of)) => Quantity::EnergyOf(any(of)?),
            ("ergotropy", Some(of)) => Quantity::ErgotropyOf(any(of)?),
            ("released", _) => Quantity::Released(argument.map(|(of, at)| timed_step(steps, of, at)).transpose()?),
            ("energy", None) => Quantity::Energy,
            ("ergotropy", None) => Quantity::Ergotropy,
            ("energy_var", _) => whole(Quantity::EnergyVariance)?,
            ("energy_std", _) => whole(Quantity::EnergyDeviation)?,
            ("power", _) => whole(Quantity::Power)?,
            ("ergotropy_initial", _) => whole(Quantity::InitialErgotropy)?,
            ("ergotropy_local", _) => whole(Quantity::LocalErgotropy)?,
            ("ergotropy_symmetric", _) => whole(Quantity::SymmetricErgotropy)?,
            ("ergotropy_incoherent", _) => whole(Quantity::IncoherentErgotropy)?,
            ("ergotropy_coherent", _) => whole(Quantity::CoherentErgotropy)?,
            ("antiergotropy", _) => whole(Quantity::AntiErgotropy)?,
            ("capacity", _) => whole(Quantity::Capacity)?,
            ("efficiency", _) => whole(Quantity::Efficiency)?,
            ("coherence", _) => whole(Quantity::Coherence)?,
            ("coherence_cell", _) => whole(Quantity::CellCoherence)?,
            ("concurrence", _) => whole(Quantity::Concurrence)?,
            ("purity", _) => whole(Quantity::Purity)?,
            _ => return Err(name_at.unknown("quantity", name, QUANTITIES)),
        };
        found.push((quantity, expression.at));
    }
    // What a cutoff cuts off is always watched.
    let modes = (0..parts.len()).filter(|id| matches!(parts[*id].kind, Kind::Mode { .. }));
    if !found.is_empty() {
        found.extend(modes.map(|id| (Quantity::TopLevel(id), list.at)));
    }
    if found.is_empty() {
        return Err(list.at.error("no quantity is asked for", "at least one, such as `energy`"));
    }
    Ok(found)
}

/// The subsystem of some kind that a quantity is asked of: the named one, or the only one there is.
fn only(
    quantity: &str,
    parts: &[Subsystem],
    argument: Option<(&str, Span<'_>)>,
    at: Span<'_>,
    what: &str,
    fits: fn(&Kind) -> bool,
) -> Result<usize, InputError> {
    if let Some((name, at)) = argument {
        let id = subsystem(parts, name, at)?;
        if !fits(&parts[id].kind) {
            let message = format!("`{name}` is {}", described(&parts[id].kind));
            return Err(at.error(message, format!("{what}, `{quantity}` is of nothing else")));
        }
        return Ok(id);
    }
    let all: Vec<usize> = (0..parts.len()).filter(|id| fits(&parts[*id].kind)).collect();
    match all.as_slice() {
        [only] => Ok(*only),
        [] => Err(at.error(format!("`{quantity}` is of {what}, and there is none"), "another quantity")),
        many => {
            let calls: Vec<String> = many.iter().map(|id| format!("`{quantity}({})`", parts[*id].name)).collect();
            let kind = what.split_whitespace().nth(1).unwrap_or("subsystem");
            Err(at.error(format!("there are several {kind}s to take `{quantity}` of"), calls.join(" or ")))
        }
    }
}

fn timed_step(steps: &[&str], name: &str, at: Span<'_>) -> Result<usize, InputError> {
    let mut found = (0..steps.len()).filter(|step| steps[*step] == name);
    match (found.next(), found.next()) {
        (Some(step), None) => Ok(step),
        (Some(_), Some(_)) => Err(at.error(format!("several steps are called `{name}`"), "a name that one step has")),
        (None, _) => Err(at.unknown("step", name, distinct(steps))),
    }
}
