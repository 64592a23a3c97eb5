//! The sections of the input in turn, from subsystems to output columns, handed to the typed builder.

use super::battery::battery;
use super::channels::{ReadChannel, ReadDrive, add_channels, channel, drive};
use super::document::{Entry, Item, Table};
use super::error::{InputError, Span};
use super::expression;
use super::joint::States;
use super::modulated::Modulated;
use super::operator::{Context, subsystem};
use super::parameters::{Scope, identifier};
use super::places::Places;
use super::protocol::{ListedStep, protocol};
use super::quantities::quantities;
use super::subsystems::{Parts, subsystems};
use crate::problem::function::{Expression, Function};
use crate::problem::{Acting, Envelope, Factor, Kind, Op, OpSum, Problem, ProblemBuilder, Quantity, Step, SubsystemId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;

/// All sections there are.
pub(super) const SECTIONS: [&str; 19] = [
    "title",
    "parameters",
    "subsystems",
    "space",
    "battery",
    "initial",
    "meanfield",
    "functions",
    "hamiltonian",
    "drives",
    "channels",
    "protocol",
    "observe",
    "correlations",
    "record",
    "rare",
    "run",
    "verify",
    "sweep",
];

/// The problem that the document describes with the parameters of `scope`.
///
/// # Errors
/// The first mistake found, in the order of the sections.
pub(super) fn problem<'s>(file: &str, root: &Table<'s>, scope: &Scope<'s>) -> Result<Problem, InputError> {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let required = |key: &str, example: &str| {
        root.section(key)?.ok_or_else(|| root.end.error(format!("there is no [{key}]"), example))
    };
    let title = match root.get("title") {
        Some(item) => title(item)?,
        None => file.to_owned(),
    };
    let functions = root.section("functions")?;
    let with_functions = scope.with_functions(functions.as_ref(), folder)?;
    let scope = &with_functions;
    let parts =
        subsystems(&required("subsystems", "`[subsystems]` with, say, `B = { spins = 10, energy = 1.0 }`")?, scope)?;
    for entry in functions.iter().flat_map(|table| table.entries()) {
        if parts.named(entry.key, entry.key_at).is_ok() {
            let message = format!("`{}` is the name of a subsystem already", entry.key);
            return Err(entry.key_at.error(message, "another name for the function"));
        }
    }
    let places = Places::of(root);
    let mut builder = Problem::builder(&title);
    for part in &parts.all {
        let id = builder.subsystem(&part.name, part.kind.clone(), part.energy);
        builder.cell_energies(id, part.uneven.iter().copied());
    }
    if let Some(section) = root.section("space")? {
        space(&section, scope, &parts, &mut builder)?;
    }
    if let Some(section) = root.section("battery")? {
        battery(&section, scope, &parts, &mut builder)?;
    }
    if let Some(section) = root.section("meanfield")? {
        for (id, angle) in tilts(&section, scope, &parts)? {
            builder.tilt(id, angle);
        }
    }
    let mut in_time = Vec::new();
    if let Some(section) = root.section("hamiltonian")? {
        let (fixed, varying) = hamiltonian(&section, scope, &parts)?;
        builder.hamiltonian(fixed);
        in_time = varying;
        if let Some(item) = section.get("battery") {
            match item.boolean()? {
                true => builder.battery_hamiltonian(),
                false => builder.frame_stated(),
            };
        }
        if let Some(entry) = section.entry("detunings") {
            let (lists, varying) = detunings(&entry.value.table("`detunings`", entry.key_at)?, scope, &parts)?;
            for (network, list) in lists {
                builder.detune(network, &list);
            }
            in_time.extend(varying);
        }
    }
    let states = States {
        in_time: in_time.iter().map(|(_, operator, _)| operator.clone()).collect(),
        scope,
        parts: &parts,
        battery: builder.battery_so_far(),
        hamiltonian: builder.hamiltonian_so_far().clone(),
        folder,
    };
    if let Some(section) = root.section("initial")? {
        initial_states(&section, &states, &mut builder)?;
    }
    let drives = root.section("drives")?;
    let drive_names = drives.as_ref().map(Table::keys).unwrap_or_default();
    let channels = root.section("channels")?;
    let channel_names = channels.as_ref().map(Table::keys).unwrap_or_default();
    let timed =
        required("protocol", "`[protocol]` with `steps = [ { name = \"storage\", evolve = 0.5, samples = 5 } ]`")?;
    let (repeat, steps) = protocol(&timed, &states, (&channel_names, &drive_names))?;
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
        let new = channel(entry.key, &table, scope, &parts, &step_names)?;
        if let Some(twice) = new.iter().find(|new| read.iter().flatten().any(|old: &ReadChannel| old.name == new.name))
        {
            return Err(entry.key_at.error(format!("there are two channels `{}`", twice.name), "another name"));
        }
        read.push(new);
    }
    // A channel on each member of a group stands for several; a step that lists it lists them all.
    let of_entry: Vec<usize> = read.iter().enumerate().flat_map(|(i, all)| all.iter().map(move |_| i)).collect();
    let column_names: Vec<&str> = read.iter().flatten().map(|c| c.name.as_str()).collect();
    let only: Vec<_> = read.iter().map(|all| all.first().and_then(|c| c.only.as_ref())).collect();
    agreement(&steps, "channel", &channel_names, &only, |step| step.channels.clone().unwrap_or_default())?;
    let only: Vec<_> = driven.iter().map(|drive: &ReadDrive| drive.only.as_ref()).collect();
    agreement(&steps, "drive", &drive_names, &only, |step| step.drives.clone().unwrap_or_default())?;
    let observe = required("observe", "`[observe]` with `quantities = [\"energy\", \"ergotropy\"]`")?;
    let limited = root.section("space")?.is_some();
    let asked_for = quantities(&observe, scope, &parts, &step_names, &column_names, (limited, folder))?;
    let asked = asked_for.quantities;
    for function in asked_for.chosen {
        builder.chosen(function);
    }
    for (name, places) in asked_for.states {
        builder.keep_state(&name, places);
    }
    for observable in asked_for.observables {
        builder.observable(&observable.name, observable.operator);
    }
    add_channels(&mut builder, read.iter().flatten(), &step_names);
    for (drive, name) in driven.into_iter().zip(&drive_names) {
        builder.drive(name, drive.operator, drive.envelope);
        if let Some(only) = drive.only {
            builder.only(only.into_iter().map(|step| step_names[step]));
        }
    }
    // Terms of H that change with time are on in every step.
    let mut places_in_time = Vec::new();
    for (f, operator, at) in in_time {
        let taken = |name: &String| drive_names.contains(&name.as_str());
        let number = places_in_time.len() + 1;
        let name =
            std::iter::successors(Some(format!("H{number}")), |name| Some(format!("{name}_"))).find(|n| !taken(n));
        builder.drive(&name.unwrap_or_default(), operator, Envelope::Function(Function::new(&f)));
        places_in_time.push(at);
    }
    builder.repeat(repeat);
    for listed in &steps {
        match listed.step.clone() {
            Step::Rotate { subsystem, axis, angle } => builder.rotate(subsystem, axis, angle),
            Step::Unitary(gate) => builder.unitary(gate),
            Step::Reset { subsystem, state } => builder.reset(subsystem, state),
            Step::Evolve { name, duration, rows, .. } => builder.evolve_rows(&name, duration, rows),
        };
    }
    let asking = |quantities: &mut dyn Iterator<Item = Quantity>| builder.clone().observe(quantities).before_limits();
    let mut problem = asking(&mut asked.iter().map(|(quantity, _)| quantity.clone())).map_err(|error| {
        // The first that cannot be asked for, alone or beside those before it.
        let refused = |count: usize| {
            let first = &mut asked[..count].iter().map(|(quantity, _)| quantity.clone());
            Some((asking(first).err()?, asked[count - 1].1))
        };
        let others_fine = asking(&mut std::iter::once(Quantity::Energy)).is_ok();
        match others_fine.then(|| (1..=asked.len()).find_map(refused)).flatten() {
            Some((error, at)) => at.error(error.to_string(), "another quantity"),
            None => places.locate(&error.to_string(), ""),
        }
    })?;
    for (step, listed) in problem.protocol.steps.iter_mut().zip(&steps) {
        let Step::Evolve { active, driven, .. } = step else { continue };
        let lists = |on: &[(usize, Span<'s>)], index: usize| on.iter().any(|(listed, _)| *listed == index);
        if let Some(on) = &listed.channels {
            active.iter_mut().zip(&of_entry).for_each(|(active, entry)| *active &= lists(on, *entry));
        }
        if let Some(on) = &listed.drives {
            let named = driven.iter_mut().take(drive_names.len()).enumerate();
            named.for_each(|(drive, active)| *active &= lists(on, drive));
        }
    }
    for (drive, entry) in drives.iter().flat_map(Table::entries).enumerate() {
        problem.prepare_drive(drive).map_err(|error| {
            let at =
                entry.value.table("a drive", entry.key_at).ok().and_then(|table| table.get("envelope").map(|e| e.at));
            at.unwrap_or(entry.key_at).error(error.to_string(), "a drive that double precision can follow")
        })?;
    }
    for (number, at) in places_in_time.into_iter().enumerate() {
        let followed = problem.prepare_drive(drive_names.len() + number);
        followed.map_err(|error| at.error(error.to_string(), "a function that is finite in every step"))?;
    }
    let rates = channels.iter().flat_map(Table::entries).collect::<Vec<_>>();
    for channel in problem.channel_ids().collect::<Vec<_>>() {
        problem.prepare_rate(channel).map_err(|error| {
            let entry = rates[of_entry[channel.index()]];
            let at =
                entry.value.table("a channel", entry.key_at).ok().and_then(|table| table.get("rate").map(|e| e.at));
            at.unwrap_or(entry.key_at).error(error.to_string(), "a function that is finite in every step")
        })?;
    }
    problem.check_phases().map_err(|error| places.locate(&error.to_string(), ""))?;
    Ok(problem)
}

/// `at_most = 2`, and of which subsystems.
fn space<'s>(
    section: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    builder: &mut ProblemBuilder,
) -> Result<(), InputError> {
    section.allow("key", &["at_most", "of"])?;
    let most = scope.number(section.need("at_most", "at_most = 2")?)?.whole("the most quanta", 0..=MOST_QUANTA)?;
    let of: Vec<SubsystemId> = match section.get("of") {
        Some(of) => parts.members(of, "the space of few quanta")?.into_iter().map(|(id, _)| id).collect(),
        None => (0..parts.all.len()).map(SubsystemId::new).collect(),
    };
    builder.at_most(most, of);
    Ok(())
}

/// More quanta are not counted.
const MOST_QUANTA: u64 = 1_000_000;

/// The state that each subsystem starts in, alone or with others.
fn initial_states<'s>(
    section: &Table<'s>,
    states: &States<'_, 's>,
    builder: &mut ProblemBuilder,
) -> Result<(), InputError> {
    let parts = states.parts;
    let mut alone: Vec<(SubsystemId, Span<'s>)> = Vec::new();
    let is_joint = |entry: &Entry<'s>| entry.key == "joint" && !parts.names().contains(&"joint");
    for entry in section.entries().iter().filter(|entry| !is_joint(entry)) {
        for id in parts.named(entry.key, entry.key_at)? {
            builder.initial(id, states.of(&entry.value, id)?);
            alone.push((id, entry.key_at));
        }
    }
    if let Some(entry) = section.entries().iter().find(|entry| is_joint(entry)) {
        let before = builder.joint_so_far().len();
        states.section(&entry.value, builder)?;
        let joint = builder.joint_so_far()[before..].iter().flat_map(|joint| &joint.over);
        if let Some((id, at)) = joint.filter_map(|id| alone.iter().find(|(own, _)| own == id)).next() {
            let message = format!("`{}` starts in a joint state too", parts.all[*id].name);
            return Err(at.error(message, "one of the two"));
        }
    }
    Ok(())
}

/// Most characters of a title: it stands above pictures and in the first line of a run.
const LONGEST_TITLE: usize = 300;

/// One line of text without control characters.
fn title(item: &Item<'_>) -> Result<String, InputError> {
    let text = item.text("one line of text")?;
    let odd = text.text.chars().find(|c| c.is_control());
    let message = match odd {
        Some(c) => format!("the title has the control character {}", c.escape_debug()),
        None if text.text.chars().count() > LONGEST_TITLE => "the title is too long".into(),
        None => return Ok(text.text.to_owned()),
    };
    Err(item.at.error(message, format!("one line of at most {LONGEST_TITLE} characters")))
}

fn name(step: &Step) -> &str {
    match step {
        Step::Evolve { name, .. } => name,
        Step::Rotate { .. } | Step::Unitary(_) | Step::Reset { .. } => "",
    }
}

/// The angles by which the mean field turns ensembles where they start.
fn tilts<'s>(section: &Table<'s>, scope: &Scope<'s>, parts: &Parts) -> Result<Vec<(SubsystemId, f64)>, InputError> {
    section.allow("key", &["tilt"])?;
    let table = section.need("tilt", "tilt = { C = 1e-3 }")?.table("`tilt`", section.at)?;
    let mut all = Vec::new();
    for entry in table.entries() {
        let angle = scope.number(&entry.value)?;
        let good = (0.0..=std::f64::consts::PI).contains(&angle.value);
        let angle = angle.check(&format!("the tilt of {}", entry.key), good, "an angle from 0 to π")?;
        for id in parts.named(entry.key, entry.key_at)? {
            if !matches!(parts.all[id].kind, Kind::Ensemble { .. }) {
                let message = format!("`{}` is {}", entry.key, parts.all[id].kind.described());
                return Err(entry.key_at.error(message, "an ensemble of spins, the mean field tilts nothing else"));
            }
            all.push((id, angle));
        }
    }
    Ok(all)
}

/// A function, the operator that it multiplies, and the first term in which it stands.
type InTime<'s> = (Expression, OpSum, Span<'s>);

/// The sum of the terms, which must be Hermitian to the precision of its coefficients; blamed is the first string that
/// contributes to what is not.
fn hamiltonian<'s>(
    section: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
) -> Result<(OpSum, Vec<InTime<'s>>), InputError> {
    section.allow("key", &["terms", "detunings", "battery"])?;
    let context = Context::whole(scope, parts);
    let items = match section.get("terms") {
        None if section.get("detunings").is_some() || section.get("battery").is_some() => Vec::new(),
        _ => section.need("terms", "terms = [\"g*(sp(C)*sm(B) + sm(C)*sp(B))\"]")?.list("a list of operators")?,
    };
    let mut terms: Vec<(Modulated, Span<'s>)> = Vec::new();
    let mut total = Modulated::default();
    for item in &items {
        let expression = expression::parse(item.text("an operator in a string")?)?;
        let operator = context.modulated(&expression)?;
        total = total.plus(operator.clone());
        terms.push((operator, expression.at));
    }
    // The terms without a function, and those of each function, are Hermitian by themselves.
    let hermitian = |of: &dyn Fn(&Modulated) -> OpSum| {
        let operators: Vec<OpSum> = terms.iter().map(|(operator, _)| of(operator)).collect();
        match Acting::on(&parts.all).not_hermitian(&operators) {
            Some(first) => {
                let message = "the Hamiltonian is not Hermitian";
                Err(terms[first].1.error(message, "this term together with its conjugate"))
            }
            None => Ok(()),
        }
    };
    hermitian(&|term| term.fixed.clone())?;
    let mut varying = Vec::new();
    for (f, operator) in total.varying {
        let own = |term: &Modulated| term.varying.iter().find(|(g, _)| *g == f).map(|(_, sum)| sum.clone());
        hermitian(&|term| own(term).unwrap_or_default())?;
        let at = terms.iter().find(|(term, _)| own(term).is_some()).map_or(section.at, |(_, at)| *at);
        varying.push((f, operator, at));
    }
    Ok((total.fixed, varying))
}

/// Detunings of the cells of each network.
type Detunings = Vec<(SubsystemId, Vec<f64>)>;

/// Detunings of the cells of networks: a list, or a normal spread with its seed; those that change with time apart.
fn detunings<'s>(
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
) -> Result<(Detunings, Vec<InTime<'s>>), InputError> {
    let (mut all, mut varying) = (Vec::new(), Vec::new());
    for entry in table.entries() {
        let id = subsystem(&parts.all, entry.key, entry.key_at)?;
        let Kind::Network { cells, .. } = parts.all[id].kind else {
            let message = format!(
                "`{}` is {}, its cells have no detunings of their own",
                entry.key,
                parts.all[id].kind.described()
            );
            return Err(entry.key_at.error(message, "a network `{ cells = … }`"));
        };
        let list = if entry.value.is_list() {
            let items = entry.value.list("one detuning for each cell")?;
            if items.len() != cells {
                let message = format!("{} detunings for {cells} cells", items.len());
                return Err(entry.value.at.error(message, "one detuning for each cell"));
            }
            let mut one = |(cell, item): (usize, &Item<'s>)| {
                if let Ok(text) = item.text("") {
                    let expression = expression::parse(text)?;
                    if scope.is_timed(&expression) {
                        let excited = Factor { subsystem: id, site: Some(cell), op: Op::Number };
                        let f = scope.timed(&expression)?.simplified();
                        varying.push((f, OpSum::from_factor(excited), expression.at));
                        return Ok(0.0);
                    }
                }
                Ok(scope.number(item)?.value)
            };
            items.iter().enumerate().map(&mut one).collect::<Result<Vec<f64>, InputError>>()?
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
    Ok((all, varying))
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
