//! The sections of the input in turn, from subsystems to output columns, handed to the typed builder.

use super::document::{Entry, Item, Table};
use super::error::{InputError, Span};
use super::expression::{self, Node};
use super::operator::{Context, described, subsystem};
use super::parameters::{Number, Scope, identifier};
use super::protocol::{ListedStep, names, protocol};
use super::quantities::quantities;
use super::states::initial;
use super::subsystems::{Parts, subsystems};
use crate::problem::{
    Envelope, Factor, Kind, OpSum, Problem, ProblemBuilder, Quantity, RateMatrix, Reach, Step, Subsystem, SubsystemId,
    free_space_rates,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;

/// All sections there are.
pub(super) const SECTIONS: [&str; 13] = [
    "title",
    "parameters",
    "subsystems",
    "battery",
    "initial",
    "hamiltonian",
    "drives",
    "channels",
    "protocol",
    "observe",
    "run",
    "verify",
    "sweep",
];

/// A channel before it is handed on: its operator, reach and rate, and the steps it is limited to.
struct ReadChannel {
    name: String,
    operator: OpSum,
    reach: Reach,
    rate: f64,
    only: Option<Vec<usize>>,
}

/// A drive before it is handed on.
struct ReadDrive {
    operator: OpSum,
    envelope: Envelope,
    only: Option<Vec<usize>>,
}

/// The problem that the document describes with the parameters of `scope`.
///
/// # Errors
/// The first mistake found, in the order of the sections.
pub(super) fn problem<'s>(file: &str, root: &Table<'s>, scope: &Scope<'s>) -> Result<Problem, InputError> {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
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
    for part in &parts.all {
        builder.subsystem(&part.name, part.kind.clone(), part.energy);
    }
    if let Some(section) = root.section("battery")? {
        builder.battery(battery(&section, &parts)?);
    }
    if let Some(section) = root.section("initial")? {
        for entry in section.entries() {
            for id in parts.named(entry.key, entry.key_at)? {
                builder.initial(id, initial(&entry.value, scope, &parts.all[id], folder)?);
            }
        }
    }
    if let Some(section) = root.section("hamiltonian")? {
        builder.hamiltonian(hamiltonian(&section, scope, &parts)?);
        if let Some(entry) = section.entry("detunings") {
            for (network, list) in detunings(&entry.value.table("`detunings`", entry.key_at)?, scope, &parts)? {
                builder.detune(network, &list);
            }
        }
    }
    let drives = root.section("drives")?;
    let drive_names = drives.as_ref().map(Table::keys).unwrap_or_default();
    let channels = root.section("channels")?;
    let channel_names = channels.as_ref().map(Table::keys).unwrap_or_default();
    let timed =
        required("protocol", "`[protocol]` with `steps = [ { name = \"storage\", evolve = 0.5, samples = 5 } ]`")?;
    let (repeat, steps) = protocol(&timed, scope, &parts.all, (&channel_names, &drive_names), folder)?;
    let step_names: Vec<&str> = steps.iter().map(|s| name(&s.step)).collect();
    let mut driven = Vec::new();
    for entry in drives.iter().flat_map(Table::entries) {
        identifier("drive", entry.key, entry.key_at)?;
        let table = entry.value.table(&format!("drive `{}`", entry.key), entry.key_at)?;
        driven.push(drive(entry.key, &table, scope, &parts, &step_names)?);
    }
    let mut read = Vec::new();
    for entry in channels.iter().flat_map(Table::entries) {
        identifier("channel", entry.key, entry.key_at)?;
        let table = entry.value.table(&format!("channel `{}`", entry.key), entry.key_at)?;
        read.push(channel(entry.key, &table, scope, &parts, &step_names)?);
    }
    // A channel on each member of a group stands for several; a step that lists it lists them all.
    let of_entry: Vec<usize> = read.iter().enumerate().flat_map(|(i, all)| all.iter().map(move |_| i)).collect();
    let column_names: Vec<&str> = read.iter().flatten().map(|c| c.name.as_str()).collect();
    let only: Vec<_> = read.iter().map(|all| all.first().and_then(|c| c.only.as_ref())).collect();
    agreement(&steps, "channel", &channel_names, &only, |step| step.channels.clone().unwrap_or_default())?;
    let only: Vec<_> = driven.iter().map(|drive: &ReadDrive| drive.only.as_ref()).collect();
    agreement(&steps, "drive", &drive_names, &only, |step| step.drives.clone().unwrap_or_default())?;
    let observe = required("observe", "`[observe]` with `quantities = [\"energy\", \"ergotropy\"]`")?;
    let asked = quantities(&observe, &parts.all, &step_names, &column_names)?;
    builder.observe(asked.iter().map(|(quantity, _)| quantity.clone()));
    add_channels(&mut builder, read.iter().flatten(), &step_names);
    for (drive, name) in driven.into_iter().zip(&drive_names) {
        builder.drive(name, drive.operator, drive.envelope);
        if let Some(only) = drive.only {
            builder.only(only.into_iter().map(|step| step_names[step]));
        }
    }
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
        let Step::Evolve { active, driven, .. } = step else { continue };
        let lists = |on: &[(usize, Span<'s>)], index: usize| on.iter().any(|(listed, _)| *listed == index);
        if let Some(on) = &listed.channels {
            active.iter_mut().zip(&of_entry).for_each(|(active, entry)| *active &= lists(on, *entry));
        }
        if let Some(on) = &listed.drives {
            driven.iter_mut().enumerate().for_each(|(drive, active)| *active &= lists(on, drive));
        }
    }
    distinct_columns(&problem, &asked)?;
    Ok(problem)
}

fn name(step: &Step) -> &str {
    match step {
        Step::Evolve { name, .. } => name,
        Step::Rotate { .. } | Step::Reset { .. } => "",
    }
}

fn battery(section: &Table<'_>, parts: &Parts) -> Result<Vec<usize>, InputError> {
    section.allow("key", &["of"])?;
    let of = section.need("of", "of = [\"B\"]")?;
    let known: Vec<&str> = parts.all.iter().map(|part| part.name.as_str()).collect();
    let found = names(of, "subsystem", &known)?;
    if found.is_empty() {
        return Err(of.at.error("the battery is made of nothing", "at least one subsystem"));
    }
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// The sum of the terms, which must be Hermitian to the precision of its coefficients.
fn hamiltonian<'s>(section: &Table<'s>, scope: &Scope<'s>, parts: &Parts) -> Result<OpSum, InputError> {
    section.allow("key", &["terms", "detunings"])?;
    let context = Context::whole(scope, parts);
    let items = match (section.get("terms"), section.get("detunings")) {
        (None, Some(_)) => Vec::new(),
        _ => section.need("terms", "terms = [\"g*(sp(C)*sm(B) + sm(C)*sp(B))\"]")?.list("a list of operators")?,
    };
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

/// Detunings of the cells of networks: a list, or a normal spread with its seed.
fn detunings<'s>(
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
) -> Result<Vec<(SubsystemId, Vec<f64>)>, InputError> {
    let mut all = Vec::new();
    for entry in table.entries() {
        let id = subsystem(&parts.all, entry.key, entry.key_at)?;
        let Kind::Network { cells, .. } = parts.all[id].kind else {
            let message = format!(
                "`{}` is {}, its cells have no detunings of their own",
                entry.key,
                described(&parts.all[id].kind)
            );
            return Err(entry.key_at.error(message, "a network `{ cells = … }`"));
        };
        let list = if entry.value.is_list() {
            let items = entry.value.list("one detuning for each cell")?;
            if items.len() != cells {
                let message = format!("{} detunings for {cells} cells", items.len());
                return Err(entry.value.at.error(message, "one detuning for each cell"));
            }
            items.iter().map(|item| Ok(scope.number(item)?.value)).collect::<Result<Vec<f64>, InputError>>()?
        } else {
            let spread = entry.value.table("the detunings", entry.key_at)?;
            spread.allow("key of detunings", &["spread", "seed"])?;
            let width =
                scope.number(spread.need("spread", "spread = 0.1")?)?.non_negative("the spread of detunings")?;
            let seed = match spread.get("seed") {
                Some(seed) => scope.number(seed)?.whole("the seed of detunings", 0..=1 << 53)?,
                None => 1,
            };
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..cells).map(|_| width * Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect()
        };
        all.push((id, list));
    }
    Ok(all)
}

const ENVELOPES: [&str; 4] = ["constant", "linear", "gaussian", "cosine"];

fn drive<'s>(
    name: &str,
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    steps: &[&str],
) -> Result<ReadDrive, InputError> {
    table.allow("key of a drive", &["operator", "envelope", "only"])?;
    let item = table.need("operator", "operator = \"sp(C) + sm(C)\"")?;
    let expression = expression::parse(item.text("an operator such as `sp(C) + sm(C)` in a string")?)?;
    let operator = Context::whole(scope, parts).operator(&expression)?;
    let largest = operator.terms.iter().map(|t| t.coefficient.norm()).fold(0.0, f64::max);
    let difference = (operator.clone() - operator.adjoint()).in_ladder_operators();
    if difference.terms.iter().any(|t| t.coefficient.norm() > 1e-12 * largest) {
        let message = format!("the operator of drive `{name}` is not Hermitian");
        return Err(expression.at.error(message, "an operator together with its conjugate"));
    }
    let given = table.need("envelope", "envelope = \"constant(F)\"")?;
    let envelope = expression::parse(given.text("an envelope such as `gaussian(peak, centre, width)`")?)?;
    let Node::Call { name: shape, name_at, arguments } = &envelope.node else {
        return Err(envelope.at.unknown("envelope", envelope.at.text(), ENVELOPES));
    };
    let numbers: Vec<Number<'s>> = arguments.iter().map(|a| scope.number_of(a)).collect::<Result<_, _>>()?;
    let envelope = match (*shape, numbers.as_slice()) {
        ("constant", [value]) => Envelope::Constant(value.value),
        ("linear", [start, slope]) => Envelope::Linear { start: start.value, slope: slope.value },
        ("gaussian", [peak, centre, width]) => {
            let width = width.check("the width of the envelope", width.value > 0.0, "a number > 0")?;
            Envelope::Gaussian { peak: peak.value, centre: centre.value, width }
        }
        ("cosine", [amplitude, frequency, phase]) => {
            Envelope::Cosine { amplitude: amplitude.value, frequency: frequency.value, phase: phase.value }
        }
        (known, _) if ENVELOPES.contains(&known) => {
            let expected = "`constant(f)`, `linear(start, slope)`, `gaussian(peak, centre, width)` or `cosine(amplitude, frequency, phase)`";
            return Err(envelope.at.error(format!("`{known}` is given {} arguments", numbers.len()), expected));
        }
        _ => return Err(name_at.unknown("envelope", shape, ENVELOPES)),
    };
    Ok(ReadDrive { operator, envelope, only: only(&format!("drive `{name}`"), table, steps)? })
}

fn channel<'s>(
    name: &str,
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    steps: &[&str],
) -> Result<Vec<ReadChannel>, InputError> {
    const KEYS: [&str; 9] = ["each", "operator", "correlated", "rate", "only", "edge", "matrix", "positions", "dipole"];
    table.allow("key of a channel", &KEYS)?;
    let given: Vec<&Entry<'s>> = table.entries().iter().filter(|e| KEYS[..3].contains(&e.key)).collect();
    let entry = match given.as_slice() {
        [one] => *one,
        [] => {
            let message = format!("channel `{name}` has no operator");
            let expected =
                "`each = \"sm(B)\"` (on every cell), `operator = \"sm(B)\"` (their sum) or `correlated = \"sm(B)\"`";
            return Err(table.at.error(message, expected));
        }
        [first, second, ..] => {
            let message = format!("channel `{name}` has both `{}` and `{}`", first.key, second.key);
            return Err(second.key_at.error(message, "one of them"));
        }
    };
    if let (false, Some(odd)) = (entry.key == "correlated", table.entries().iter().find(|e| KEYS[5..].contains(&e.key)))
    {
        let message = format!("`{}` has a meaning for correlated decay only", odd.key);
        return Err(odd.key_at.error(message, "`correlated = \"sm(B)\"` beside it"));
    }
    let expression = expression::parse(entry.value.text("an operator such as `sm(B)` in a string")?)?;
    let whole = Context::whole(scope, parts);
    let on_cells = Context { each: true, ..whole };
    let mut found: Vec<(String, OpSum, Reach)> = Vec::new();
    match entry.key {
        "operator" => found.push((name.to_owned(), whole.operator(&expression)?, Reach::Collective)),
        "each" => match whole.group_of(&expression) {
            Some((group, members)) => {
                for &id in members {
                    let cells = matches!(parts.all[id].kind, Kind::Ensemble { .. } | Kind::Network { .. });
                    let context = Context { member: Some((group, id)), each: cells, ..whole };
                    let (_, operator) = context.on_each(&expression)?;
                    let reach = if cells { Reach::Each(id) } else { Reach::Collective };
                    found.push((format!("{name}_{}", parts.all[id].name), operator, reach));
                }
            }
            None => {
                let (id, operator) = on_cells.on_each(&expression)?;
                found.push((name.to_owned(), operator, Reach::Each(id)));
            }
        },
        _ => {
            let (subsystem, operator) = on_cells.on_each(&expression)?;
            let rates = correlated(table, entry, scope, &parts.all[subsystem])?;
            found.push((name.to_owned(), operator, Reach::Correlated { subsystem, rates }));
        }
    }
    let rate = scope.number(table.need("rate", "rate = 1.0")?)?.non_negative(&format!("the rate of channel {name}"))?;
    let only = only(&format!("channel `{name}`"), table, steps)?;
    // With a number for the edges the rate is the diagonal of the matrix already.
    let rate = if table.get("edge").is_some() { 1.0 } else { rate };
    Ok(found
        .into_iter()
        .map(|(name, operator, reach)| ReadChannel { name, operator, reach, rate, only: only.clone() })
        .collect())
}

/// The rate matrix of a correlated channel, in units of its rate; with `edge`, rate and edge are its elements.
fn correlated<'s>(
    table: &Table<'s>,
    entry: &Entry<'s>,
    scope: &Scope<'s>,
    part: &Subsystem,
) -> Result<RateMatrix, InputError> {
    let Kind::Network { cells, edges } = &part.kind else {
        let message = format!("`{}` is {}, its cells cannot decay with correlations", part.name, described(&part.kind));
        return Err(entry.value.at.error(message, "a network `{ cells = …, graph = … }`"));
    };
    let forms: Vec<&Entry<'s>> =
        table.entries().iter().filter(|e| ["edge", "matrix", "positions"].contains(&e.key)).collect();
    let [form] = forms.as_slice() else {
        let expected =
            "one of `edge = 0.5` (rate between neighbours), `matrix = [[…], …]` or `positions = [[x, y, z], …]`";
        return Err(entry.key_at.error(format!("{} ways to give the rate matrix", forms.len()), expected));
    };
    let row = |item: &Item<'s>, length: usize| -> Result<Vec<f64>, InputError> {
        let numbers = item.list("a list of numbers")?;
        if numbers.len() != length {
            return Err(item.at.error(format!("{} numbers", numbers.len()), format!("{length} numbers")));
        }
        numbers.iter().map(|n| Ok(scope.number(n)?.value)).collect()
    };
    let rows = |length: usize| -> Result<Vec<Vec<f64>>, InputError> {
        let items = form.value.list("a list of lists of numbers")?;
        if items.len() != *cells {
            return Err(form
                .value
                .at
                .error(format!("{} rows for {cells} cells", items.len()), format!("{cells} rows")));
        }
        items.iter().map(|item| row(item, length)).collect()
    };
    let (made, at) = match form.key {
        "edge" => {
            let diagonal = scope.number(table.need("rate", "rate = 1.0")?)?.non_negative("the rate of each cell")?;
            let edge = scope.number(&form.value)?;
            (RateMatrix::on_graph(*cells, edges, diagonal, edge.value), edge.at)
        }
        "matrix" => (RateMatrix::new(rows(*cells)?), form.value.at),
        _ => {
            let positions: Vec<[f64; 3]> = rows(3)?.into_iter().map(|r| [r[0], r[1], r[2]]).collect();
            let dipole = match table.get("dipole") {
                Some(item) => row(item, 3)?,
                None => vec![0.0, 0.0, 1.0],
            };
            let size: f64 = dipole.iter().map(|x| x * x).sum();
            if !(size > 0.0) {
                let at = table.get("dipole").map_or(form.value.at, |item| item.at);
                return Err(at.error("the dipole has no direction", "three numbers that are not all 0"));
            }
            let same = (0..positions.len()).find(|&i| positions[..i].contains(&positions[i]));
            if let Some(i) = same {
                return Err(form.value.at.error(format!("cell {i} stands where another does"), "different positions"));
            }
            (RateMatrix::new(free_space_rates(&positions, [dipole[0], dipole[1], dipole[2]])), form.value.at)
        }
    };
    made.map_err(|error| at.error(error.to_string(), "a symmetric matrix whose eigenvalues are all ≥ 0"))
}

/// The steps that a channel or drive is limited to.
fn only<'s>(what: &str, table: &Table<'s>, steps: &[&str]) -> Result<Option<Vec<usize>>, InputError> {
    let Some(item) = table.get("only") else { return Ok(None) };
    let timed: Vec<&str> = distinct(steps);
    let found = names(item, "step", &timed)?;
    if found.is_empty() {
        return Err(item.at.error(format!("{what} is never on"), "at least one step"));
    }
    let on = |step: &&str| found.iter().any(|(at, _)| timed[*at] == *step);
    Ok(Some((0..steps.len()).filter(|at| on(&steps[*at])).collect()))
}

/// Names of the timed steps, each once.
pub(super) fn distinct<'n>(steps: &[&'n str]) -> Vec<&'n str> {
    let mut names: Vec<&str> = Vec::new();
    for step in steps.iter().filter(|step| !step.is_empty()) {
        if !names.contains(step) {
            names.push(step);
        }
    }
    names
}

/// A step may not list a channel or drive that is limited to other steps.
fn agreement<'s>(
    steps: &[ListedStep<'s>],
    kind: &str,
    names: &[&str],
    only: &[Option<&Vec<usize>>],
    listed: impl Fn(&ListedStep<'s>) -> Vec<(usize, Span<'s>)>,
) -> Result<(), InputError> {
    for (at, step) in steps.iter().enumerate() {
        for (index, place) in listed(step) {
            if only.get(index).is_some_and(|only| only.is_some_and(|only| !only.contains(&at))) {
                let message = format!("`only` of {kind} `{}` leaves out the step `{}`", names[index], name(&step.step));
                return Err(place.error(message, format!("the step in that list too, or the {kind} not in this one")));
            }
        }
    }
    Ok(())
}

/// Two different quantities may share the name of their column; a table holds one of them.
fn distinct_columns(problem: &Problem, asked: &[(Quantity, Span<'_>)]) -> Result<(), InputError> {
    for (at, (quantity, place)) in asked.iter().enumerate() {
        let column = problem.column(quantity);
        if asked[..at].iter().any(|(other, _)| other != quantity && problem.column(other) == column) {
            return Err(place.error(format!("there is a column `{column}` already"), "one quantity of that name"));
        }
    }
    Ok(())
}

fn add_channels<'c>(builder: &mut ProblemBuilder, channels: impl Iterator<Item = &'c ReadChannel>, steps: &[&str]) {
    for channel in channels {
        let (name, operator) = (&channel.name, channel.operator.clone());
        match channel.reach.clone() {
            Reach::Collective => builder.collective(name, operator, channel.rate),
            Reach::Each(id) => builder.each(name, id, operator, channel.rate),
            Reach::Correlated { subsystem, rates } => {
                builder.correlated(name, subsystem, operator, channel.rate, rates)
            }
        };
        if let Some(only) = &channel.only {
            builder.only(only.iter().map(|step| steps[*step]));
        }
    }
}
