//! The sections of the input in turn, from subsystems to output columns, handed to the typed builder.

use super::document::{Item, Table};
use super::error::{InputError, Span};
use super::expression::{self, Node};
use super::operator::{Context, described, subsystem};
use super::parameters::{Scope, identifier};
use super::protocol::{ListedStep, names, protocol};
use super::subsystems::{initial, subsystems};
use crate::problem::{Factor, Kind, OpSum, Problem, ProblemBuilder, Quantity, Reach, Step, Subsystem};

/// All sections there are.
pub(super) const SECTIONS: [&str; 12] = [
    "title",
    "parameters",
    "subsystems",
    "battery",
    "initial",
    "hamiltonian",
    "channels",
    "protocol",
    "observe",
    "run",
    "verify",
    "sweep",
];

/// A channel before it is handed on: its operator, reach and rate, and the steps it is limited to.
struct ReadChannel {
    operator: OpSum,
    reach: Reach,
    rate: f64,
    only: Option<Vec<usize>>,
}

/// The problem that the document describes with the parameters of `scope`.
///
/// # Errors
/// The first mistake found, in the order of the sections.
pub(super) fn problem<'s>(file: &str, root: &Table<'s>, scope: &Scope<'s>) -> Result<Problem, InputError> {
    let required = |key: &str, example: &str| {
        root.section(key)?.ok_or_else(|| InputError::in_file(file, format!("there is no [{key}]"), example))
    };
    let title = match root.get("title") {
        Some(item) => item.text("one line of text")?.text,
        None => file,
    };
    let parts =
        subsystems(&required("subsystems", "`[subsystems]` with, say, `B = { spins = 10, energy = 1.0 }`")?, scope)?;
    let mut builder = Problem::builder(title);
    for part in &parts {
        builder.subsystem(&part.name, part.kind.clone(), part.energy);
    }
    if let Some(section) = root.section("battery")? {
        builder.battery(battery(&section, &parts)?);
    }
    if let Some(section) = root.section("initial")? {
        for entry in section.entries() {
            let id = subsystem(&parts, entry.key, entry.key_at)?;
            builder.initial(id, initial(&entry.value, scope, &parts[id])?);
        }
    }
    if let Some(section) = root.section("hamiltonian")? {
        builder.hamiltonian(hamiltonian(&section, scope, &parts)?);
    }
    let channels = root.section("channels")?;
    let channel_names = channels.as_ref().map(Table::keys).unwrap_or_default();
    let timed =
        required("protocol", "`[protocol]` with `steps = [ { name = \"storage\", evolve = 0.5, samples = 5 } ]`")?;
    let (repeat, steps) = protocol(&timed, scope, &parts, &channel_names)?;
    let step_names: Vec<&str> = steps.iter().map(|s| name(&s.step)).collect();
    let mut read = Vec::new();
    for entry in channels.iter().flat_map(Table::entries) {
        identifier("channel", entry.key, entry.key_at)?;
        let table = entry.value.table(&format!("channel `{}`", entry.key), entry.key_at)?;
        read.push(channel(entry.key, &table, scope, &parts, &step_names)?);
    }
    agreement(&steps, &read, &channel_names)?;
    let observe = required("observe", "`[observe]` with `quantities = [\"energy\", \"ergotropy\"]`")?;
    builder.observe(quantities(&observe, &parts, &step_names, &channel_names)?);
    add_channels(&mut builder, read, &channel_names, &step_names);
    builder.repeat(repeat);
    for listed in &steps {
        match listed.step.clone() {
            Step::Rotate { subsystem, axis, angle } => builder.rotate(subsystem, axis, angle),
            Step::Reset { subsystem, state } => builder.reset(subsystem, state),
            Step::Evolve { name, duration, rows, .. } => builder.evolve_rows(&name, duration, rows),
        };
    }
    let mut problem = builder.build().map_err(|error| InputError::in_file(file, error.to_string(), ""))?;
    for (step, listed) in problem.protocol.steps.iter_mut().zip(&steps) {
        if let (Step::Evolve { active, .. }, Some(on)) = (step, &listed.channels) {
            for (channel, active) in active.iter_mut().enumerate() {
                *active &= on.iter().any(|(listed, _)| *listed == channel);
            }
        }
    }
    Ok(problem)
}

fn name(step: &Step) -> &str {
    match step {
        Step::Evolve { name, .. } => name,
        Step::Rotate { .. } | Step::Reset { .. } => "",
    }
}

fn battery(section: &Table<'_>, parts: &[Subsystem]) -> Result<Vec<usize>, InputError> {
    section.allow("key", &["of"])?;
    let of = section.need("of", "of = [\"B\"]")?;
    let known: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let found = names(of, "subsystem", &known)?;
    if found.is_empty() {
        return Err(of.at.error("the battery is made of nothing", "at least one subsystem"));
    }
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// The sum of the terms, which must be Hermitian to the precision of its coefficients.
fn hamiltonian<'s>(section: &Table<'s>, scope: &Scope<'s>, parts: &[Subsystem]) -> Result<OpSum, InputError> {
    section.allow("key", &["terms"])?;
    let context = Context { scope, subsystems: parts, each: false };
    let items = section.need("terms", "terms = [\"g*(sp(C)*sm(B) + sm(C)*sp(B))\"]")?.list("a list of operators")?;
    let mut terms: Vec<(OpSum, Span<'s>)> = Vec::new();
    let mut total = OpSum::default();
    for item in &items {
        let expression = expression::parse(item.text("an operator in a string")?)?;
        let operator = context.operator(&expression)?;
        total = total + operator.clone();
        terms.push((operator, expression.at));
    }
    let largest = total.terms.iter().map(|t| t.coefficient.norm()).fold(0.0, f64::max);
    let excess = |sum: &OpSum| -> Vec<Vec<Factor>> {
        let difference = (sum.clone() - sum.adjoint()).in_ladder_operators();
        difference.terms.into_iter().filter(|t| t.coefficient.norm() > 1e-12 * largest).map(|t| t.factors).collect()
    };
    // Blame the first string that contributes to what is left over.
    let left = excess(&total);
    match terms.iter().find(|(term, _)| excess(term).iter().any(|factors| left.contains(factors))) {
        Some((_, at)) => Err(at.error("the Hamiltonian is not Hermitian", "this term together with its conjugate")),
        None => Ok(total),
    }
}

fn channel<'s>(
    name: &str,
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &[Subsystem],
    steps: &[&str],
) -> Result<ReadChannel, InputError> {
    table.allow("key of a channel", &["each", "operator", "rate", "only"])?;
    let parse = |item: &Item<'s>| expression::parse(item.text("an operator such as `sm(B)` in a string")?);
    let (operator, reach) = match (table.entry("each"), table.entry("operator")) {
        (Some(each), None) => {
            let (id, operator) = Context { scope, subsystems: parts, each: true }.on_each(&parse(&each.value)?)?;
            (operator, Reach::Each(id))
        }
        (None, Some(single)) => {
            (Context { scope, subsystems: parts, each: false }.operator(&parse(&single.value)?)?, Reach::Collective)
        }
        (Some(_), Some(both)) => {
            let message = format!("channel `{name}` has both `each` and `operator`");
            return Err(both.key_at.error(message, "one of them"));
        }
        (None, None) => {
            let message = format!("channel `{name}` has no operator");
            return Err(table
                .at
                .error(message, "`each = \"sm(B)\"` (on every cell) or `operator = \"sm(B)\"` (their sum)"));
        }
    };
    let rate = scope.number(table.need("rate", "rate = 1.0")?)?.non_negative(&format!("the rate of channel {name}"))?;
    let only = match table.get("only") {
        Some(item) => {
            let timed: Vec<&str> = distinct(steps);
            let found = names(item, "step", &timed)?;
            if found.is_empty() {
                return Err(item.at.error(format!("channel `{name}` is never on"), "at least one step"));
            }
            let on = |step: &&str| found.iter().any(|(at, _)| timed[*at] == *step);
            Some((0..steps.len()).filter(|at| on(&steps[*at])).collect())
        }
        None => None,
    };
    Ok(ReadChannel { operator, reach, rate, only })
}

/// Names of the timed steps, each once.
fn distinct<'n>(steps: &[&'n str]) -> Vec<&'n str> {
    let mut names: Vec<&str> = Vec::new();
    for step in steps.iter().filter(|step| !step.is_empty()) {
        if !names.contains(step) {
            names.push(step);
        }
    }
    names
}

/// A step may not list a channel that is limited to other steps.
fn agreement(steps: &[ListedStep<'_>], channels: &[ReadChannel], names: &[&str]) -> Result<(), InputError> {
    for (at, step) in steps.iter().enumerate() {
        for (channel, place) in step.channels.iter().flatten() {
            let excluded = channels.get(*channel).and_then(|c| c.only.as_ref()).is_some_and(|only| !only.contains(&at));
            if excluded {
                let message =
                    format!("`only` of channel `{}` leaves out the step `{}`", names[*channel], name(&step.step));
                return Err(place.error(message, "the step in that list too, or the channel not in this one"));
            }
        }
    }
    Ok(())
}

fn add_channels(builder: &mut ProblemBuilder, channels: Vec<ReadChannel>, names: &[&str], steps: &[&str]) {
    for (channel, name) in channels.into_iter().zip(names) {
        match channel.reach {
            Reach::Collective => builder.collective(name, channel.operator, channel.rate),
            Reach::Each(id) => builder.each(name, id, channel.operator, channel.rate),
            Reach::Correlated { subsystem, rates } => {
                builder.correlated(name, subsystem, channel.operator, channel.rate, rates)
            }
        };
        if let Some(only) = channel.only {
            builder.only(only.into_iter().map(|step| steps[step]));
        }
    }
}

const QUANTITIES: [&str; 10] =
    ["energy", "energy_var", "energy_std", "ergotropy", "efficiency", "M", "M_var", "S", "released", "jumps"];

fn quantities(
    section: &Table<'_>,
    parts: &[Subsystem],
    steps: &[&str],
    channels: &[&str],
) -> Result<Vec<Quantity>, InputError> {
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
        let ensemble = || ensemble(name, parts, argument, expression.at);
        match name {
            "M" => found.push(Quantity::Magnetisation(ensemble()?)),
            "M_var" => found.push(Quantity::MagnetisationVariance(ensemble()?)),
            "S" => found.push(Quantity::SpinLength(ensemble()?)),
            "released" => {
                found.push(Quantity::Released(argument.map(|(of, at)| timed_step(steps, of, at)).transpose()?))
            }
            "jumps" => match argument {
                Some((of, at)) => match channels.iter().position(|c| *c == of) {
                    Some(channel) => found.push(Quantity::Jumps(channel)),
                    None => return Err(at.unknown("channel", of, channels.iter().copied())),
                },
                None if channels.is_empty() => return Err(name_at.error("there are no channels", "no `jumps`")),
                None => found.extend((0..channels.len()).map(Quantity::Jumps)),
            },
            whole => {
                found.push(match whole {
                    "energy" => Quantity::Energy,
                    "energy_var" => Quantity::EnergyVariance,
                    "energy_std" => Quantity::EnergyDeviation,
                    "ergotropy" => Quantity::Ergotropy,
                    "efficiency" => Quantity::Efficiency,
                    _ => return Err(name_at.unknown("quantity", name, QUANTITIES)),
                });
                if let Some((_, at)) = argument {
                    return Err(at.error(format!("`{whole}` is of the whole battery"), "no name after it"));
                }
            }
        }
    }
    if found.is_empty() {
        return Err(list.at.error("no quantity is asked for", "at least one, such as `energy`"));
    }
    Ok(found)
}

/// The ensemble that M or S is asked of: the named one, or the only one there is.
fn ensemble(
    quantity: &str,
    parts: &[Subsystem],
    argument: Option<(&str, Span<'_>)>,
    at: Span<'_>,
) -> Result<usize, InputError> {
    let is_ensemble = |id: &usize| matches!(parts[*id].kind, Kind::Ensemble { .. });
    if let Some((name, at)) = argument {
        let id = subsystem(parts, name, at)?;
        if !is_ensemble(&id) {
            let message = format!("`{name}` is {}", described(&parts[id].kind));
            return Err(at.error(message, format!("an ensemble of spins, `{quantity}` is of nothing else")));
        }
        return Ok(id);
    }
    let all: Vec<usize> = (0..parts.len()).filter(is_ensemble).collect();
    match all.as_slice() {
        [only] => Ok(*only),
        [] => Err(at.error(format!("`{quantity}` is of an ensemble of spins, and there is none"), "another quantity")),
        many => {
            let calls: Vec<String> = many.iter().map(|id| format!("`{quantity}({})`", parts[*id].name)).collect();
            Err(at.error(format!("there are several ensembles to take `{quantity}` of"), calls.join(" or ")))
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
