//! The output columns that the input asks for.

use super::chosen::{Figure, chosen};
use super::document::Table;
use super::error::{InputError, Span};
use super::expression::{self, Expr, Node};
use super::functions::CLOCKS;
use super::operator::{Context, NAMES, subsystem};
use super::parameters::{RESERVED, Scope as Parameters, identifier};
use super::sections::distinct;
use super::subsystems::Parts;
use crate::problem::{
    Acting, Chosen, ChosenId, Factor, Kind, Kinds, Named, ObservableId, Op, OpSum, Place, Quantity, Scope, Subsystem,
    SubsystemId, transition,
};
use std::path::Path;

/// What is asked for: quantities in the order listed, each with its place, and the operators of the user's own among them.
pub(super) struct AskedFor<'s> {
    pub(super) quantities: Vec<(Quantity, Span<'s>)>,
    pub(super) observables: Vec<Named>,
    pub(super) chosen: Vec<Chosen>,
    pub(super) states: Vec<(String, Vec<Place>)>,
}

/// The quantities in the order listed.
pub(super) fn quantities<'s>(
    section: &Table<'s>,
    scope: &Parameters<'s>,
    all: &Parts,
    steps: &[&str],
    channels: &[&str],
    (limited, folder): (bool, &Path),
) -> Result<AskedFor<'s>, InputError> {
    let (parts, mut observables, mut functions) = (&all.all[..], Vec::new(), Vec::new());
    let mut states: Vec<(String, Vec<Place>)> = Vec::new();
    section.allow("key", &["quantities"])?;
    let list = section.need("quantities", "quantities = [\"energy\", \"ergotropy\"]")?;
    let mut found = Vec::new();
    for item in list.list("a list of quantities: `[\"energy\", \"M\"]`")? {
        if item.is_table() {
            let table = item.table("an observable", item.at)?;
            if table.get("expect").is_none() {
                match chosen(&table, scope, all, folder)? {
                    Figure::State(name, _) if states.iter().any(|(earlier, _)| *earlier == name) => {
                        return Err(item.at.error(format!("two states are called `{name}`"), "a name of its own"));
                    }
                    Figure::State(name, places) => states.push((name, places)),
                    Figure::Number(new) => {
                        found.push((Quantity::Chosen(ChosenId { number: functions.len(), what: new.what }), item.at));
                        functions.push(new);
                    }
                }
                continue;
            }
            for observable in own(&table, scope, all)? {
                found.push((Quantity::Expect(ObservableId::new(observables.len())), item.at));
                observables.push(observable);
            }
            continue;
        }
        let expression = expression::parse(item.text("a quantity such as `energy`")?)?;
        if let Some(observable) = of_one(&expression, scope, parts)? {
            found.push((Quantity::Expect(ObservableId::new(observables.len())), expression.at));
            observables.push(observable);
            continue;
        }
        let all = standard(&expression, parts, steps, channels)?;
        found.extend(all.into_iter().map(|quantity| (quantity, expression.at)));
    }
    // What a cutoff cuts off is always watched.
    let modes = (0..parts.len()).filter(|id| matches!(parts[*id].kind, Kind::Mode { .. }));
    if !found.is_empty() {
        found.extend(modes.map(|id| (Quantity::TopLevel(SubsystemId::new(id)), list.at)));
    }
    if limited && !found.is_empty() {
        found.push((Quantity::TopQuanta, list.at));
    }
    if found.is_empty() {
        return Err(list.at.error("no quantity is asked for", "at least one, such as `energy`"));
    }
    Ok(AskedFor { quantities: found, observables, chosen: functions, states })
}

/// The quantities of the table that an expression such as `energy` or `jumps(loss)` asks for: `jumps` alone is of every channel.
pub(super) fn standard<'s>(
    expression: &Expr<'s>,
    parts: &[Subsystem],
    steps: &[&str],
    channels: &[&str],
) -> Result<Vec<Quantity>, InputError> {
    let every = Quantity::every();
    let (name, name_at, argument) = match &expression.node {
        Node::Name(name) => (*name, expression.at, None),
        Node::Call { name, name_at, arguments } => match arguments.as_slice() {
            [argument] => match argument.node {
                Node::Name(of) if CLOCKS.iter().any(|(clock, _)| *clock == of) => {
                    let message = format!("`{name}` is not asked for at a time");
                    return Err(argument.at.error(message, format!("`{name}`, which has a value at every row")));
                }
                Node::Name(of) => (*name, *name_at, Some((of, argument.at))),
                _ => return Err(argument.at.error("this is no name", "the name of a subsystem, step or channel")),
            },
            _ if names().contains(name) => return Err(too_many(expression, name, arguments, parts)),
            _ => (*name, *name_at, None),
        },
        _ => return Err(no_quantity(expression.at)),
    };
    if NAMES.contains(&name) {
        return Err(no_quantity(expression.at));
    }
    let plain = |q: &&Quantity| q.entry().name == name && !q.entry().scope.is_named();
    let called: Vec<Quantity> = every.iter().filter(plain).cloned().collect();
    let of_battery = |q: &&Quantity| matches!(q.entry().scope, Scope::Battery(_));
    let fitting = called.iter().find(|q| of_battery(q) == argument.is_none());
    let Some(asked) = fitting.or(called.first()) else {
        return Err(as_column(name, name_at, parts, steps, channels)
            .unwrap_or_else(|| name_at.unknown("quantity", name, names())));
    };
    match (asked.entry().scope, argument) {
        (Scope::Battery(_), Some((_, of_at))) => {
            Err(of_at.error(format!("`{name}` is of the whole battery"), "no name after it"))
        }
        (Scope::Subsystem { kinds, .. }, Some((of, of_at))) => {
            let id = subsystem(parts, of, of_at)?;
            if !kinds.fits(&parts[id].kind) {
                let message = format!("`{of}` is {}", parts[id].kind.described());
                return Err(of_at.error(message, format!("{}, `{name}` is of nothing else", kinds.name())));
            }
            Ok(vec![asked.of(id.index())])
        }
        (Scope::Subsystem { named: true, .. }, None) => {
            Err(name_at.error(format!("`{name}` is of one subsystem"), format!("`{name}(B)`")))
        }
        (Scope::Subsystem { kinds, .. }, None) => Ok(vec![asked.of(only(name, kinds, parts, expression.at)?)]),
        (Scope::Battery(_) | Scope::Step(_), None) => Ok(vec![asked.clone()]),
        (Scope::Step(_), Some((of, of_at))) => Ok(vec![asked.of(timed_step(steps, of, of_at)?)]),
        (Scope::Own(_) | Scope::Chosen(_), _) => Ok(Vec::new()),
        (Scope::Channel(_), None) if channels.is_empty() => {
            Err(name_at.error("there are no channels", format!("no `{name}`")))
        }
        (Scope::Channel(_), None) => Ok((0..channels.len()).map(|channel| asked.of(channel)).collect()),
        (Scope::Channel(_), Some((of, of_at))) => match channels.iter().position(|c| *c == of) {
            Some(channel) => Ok(vec![asked.of(channel)]),
            None => Err(of_at.unknown("channel", of, channels.iter().copied())),
        },
    }
}

/// `{ name = "sigma_y", expect = "sy(A)" }`: an operator, or the real and imaginary part of one that is not Hermitian.
fn own<'s>(table: &Table<'s>, scope: &Parameters<'s>, parts: &Parts) -> Result<Vec<Named>, InputError> {
    table.allow("key of an observable", &["name", "expect"])?;
    let name = column_name(table, scope)?;
    let written = table.need("expect", "expect = \"sy(A)\"")?;
    let expression = expression::parse(written.text("an operator such as `sy(A)` in a string")?)?;
    let operator = Context::whole(scope, parts).operator(&expression, "a column has its own value at every row")?;
    if Acting::on(&parts.all).is_hermitian(&operator) {
        return Ok(vec![Named { name, operator, range: None }]);
    }
    let [real, imaginary] = operator.hermitian_parts();
    Ok(vec![
        Named { name: format!("{name}_re"), operator: real, range: None },
        Named { name: format!("{name}_im"), operator: imaginary, range: None },
    ])
}

/// The name that the user gives to a column.
pub(super) fn column_name<'s>(table: &Table<'s>, scope: &Parameters<'s>) -> Result<String, InputError> {
    let item = table.need("name", "name = \"sigma_y\"")?;
    let name = item.text("the name of a column")?;
    identifier("observable", name.text, item.at)?;
    if names().contains(&name.text) {
        return Err(item.at.error(format!("`{}` is a quantity of its own", name.text), "another name"));
    }
    // Columns that every table has, and those that a sweep or a path puts beside them.
    if ["step", "cycle", "trajectory", "weight", "energy_outcome"].contains(&name.text)
        || RESERVED.contains(&name.text)
        || scope.get(name.text).is_some()
    {
        return Err(item.at.error(format!("`{}` has a meaning already", name.text), "another name"));
    }
    Ok(name.text.to_owned())
}

/// `population(L, 1)` of a level, `energy(B, 3)` of a cell.
fn of_one<'s>(expression: &Expr<'s>, scope: &Parameters<'s>, parts: &[Subsystem]) -> Result<Option<Named>, InputError> {
    let Node::Call { name, name_at, arguments } = &expression.node else { return Ok(None) };
    if *name == "population" && arguments.len() != 2 {
        return Err(name_at.error("`population` is of one level or cell", "`population(L, 1)`"));
    }
    let (name, [Expr { node: Node::Name(of), at }, place]) = (*name, &arguments[..]) else { return Ok(None) };
    let subsystem_again = matches!(place.node, Node::Name(other) if parts.iter().any(|part| part.name == other));
    if !["population", "energy"].contains(&name) || (name == "energy" && subsystem_again) {
        return Ok(None);
    }
    let id = subsystem(parts, of, *at)?;
    let at_place = |most: usize, what: &str| {
        let number =
            scope.number_of(place)?.whole(&format!("the {what} of `{of}`"), 0..=most.saturating_sub(1) as u64)?;
        Ok::<usize, InputError>(number as usize)
    };
    let (number, operator) = match (&parts[id.index()].kind, name) {
        (Kind::Levels { energies }, "population") => {
            let level = at_place(energies.len(), "level")?;
            (level, transition(id, level, level))
        }
        (Kind::Network { cells, .. }, _) => {
            let cell = at_place(*cells, "cell")?;
            let unit = if name == "energy" { parts[id.index()].quantum(cell) } else { 1.0 };
            (cell, OpSum::from_factor(Factor { subsystem: id, site: Some(cell), op: Op::Number }) * unit)
        }
        (other, _) => {
            let expected =
                if name == "energy" { "a network `{ cells = … }`" } else { "`{ levels = […] }` or a network" };
            return Err(at.error(format!("`{of}` is {}", other.described()), expected));
        }
    };
    // The short form where there is one subsystem that could be meant.
    let meant = |part: &&Subsystem| match part.kind {
        Kind::Levels { .. } => name == "population",
        Kind::Network { .. } => true,
        Kind::Ensemble { .. } | Kind::Mode { .. } => false,
    };
    let alone = parts.iter().filter(meant).count() == 1;
    let name = if alone { format!("{name}_{number}") } else { format!("{name}_{of}_{number}") };
    Ok(Some(Named { name, operator, range: None }))
}

/// A quantity of several subsystems, or of the cells of one.
fn too_many<'s>(asked: &Expr<'s>, name: &str, arguments: &[Expr<'s>], parts: &[Subsystem]) -> InputError {
    let given: Vec<&str> = arguments.iter().map(|argument| argument.at.text()).collect();
    let all_parts = given.iter().all(|of| parts.iter().any(|part| part.name == *of));
    let called: Vec<Quantity> = Quantity::every().into_iter().filter(|q| q.entry().name == name).collect();
    let of_battery = called.iter().any(|q| matches!(q.entry().scope, Scope::Battery(_)));
    let message = format!("`{name}` is given {} arguments", given.len());
    let mut ways: Vec<String> = called
        .iter()
        .map(|q| match q.entry().scope {
            Scope::Battery(_) if all_parts => {
                let of: Vec<String> = given.iter().map(|of| format!("\"{of}\"")).collect();
                format!("`{name}`, of all that `[battery]` lists: `of = [{}]`", of.join(", "))
            }
            Scope::Battery(_) => format!("`{name}` of the battery"),
            Scope::Subsystem { .. } => format!("`{name}({})` of one subsystem", given[0]),
            Scope::Step(_) => format!("`{name}` or `{name}({})`, the name of a step", given[0]),
            Scope::Channel(_) => format!("`{name}` or `{name}({})`, the name of a channel", given[0]),
            Scope::Own(_) | Scope::Chosen(_) => String::new(),
        })
        .collect();
    ways.dedup();
    if name == "energy" && !(all_parts && of_battery) {
        ways.push(format!("`energy({}, 0)` of one cell", given[0]));
    }
    asked.at.error(message, ways.join(" or "))
}

/// An operator, or a combination of quantities.
fn no_quantity(at: Span<'_>) -> InputError {
    let written = at.text();
    let expected = format!("one quantity, or the mean of an operator: `{{ name = \"x\", expect = \"{written}\" }}`");
    at.error(format!("`{written}` is no quantity"), expected)
}

/// The name of a column, `energy_B`, in place of the quantity that makes it, `energy(B)`.
fn as_column(name: &str, at: Span<'_>, parts: &[Subsystem], steps: &[&str], channels: &[&str]) -> Option<InputError> {
    let known = |of: &str| {
        parts.iter().any(|part| part.name == of) || (!of.is_empty() && steps.contains(&of)) || channels.contains(&of)
    };
    let split = |(place, _)| (&name[..place], &name[place + 1..]);
    let (quantity, of) = name.match_indices('_').map(split).find(|(q, of)| names().contains(q) && known(of))?;
    Some(at.error(format!("`{name}` is a column, not a quantity"), format!("`{quantity}({of})`, which makes it")))
}

/// Every name that may be asked for.
fn names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for quantity in Quantity::every() {
        let name = quantity.entry().name;
        if !names.contains(&name) && !quantity.entry().scope.is_named() {
            names.push(name);
        }
    }
    names
}

/// The only subsystem of some kind, which a quantity is asked of without its name.
fn only(name: &str, kinds: Kinds, parts: &[Subsystem], at: Span<'_>) -> Result<usize, InputError> {
    let all: Vec<usize> = (0..parts.len()).filter(|id| kinds.fits(&parts[*id].kind)).collect();
    match all.as_slice() {
        [only] => Ok(*only),
        [] => Err(at.error(format!("`{name}` is of {}, and there is none", kinds.name()), "another quantity")),
        many => {
            let calls: Vec<String> = many.iter().map(|id| format!("`{name}({})`", parts[*id].name)).collect();
            let kind = kinds.name().split_whitespace().nth(1).unwrap_or("subsystem");
            Err(at.error(format!("there are several {kind}s to take `{name}` of"), calls.join(" or ")))
        }
    }
}

pub(super) fn timed_step(steps: &[&str], name: &str, at: Span<'_>) -> Result<usize, InputError> {
    let mut found = (0..steps.len()).filter(|step| steps[*step] == name);
    match (found.next(), found.next()) {
        (Some(step), None) => Ok(step),
        (Some(_), Some(_)) => Err(at.error(format!("several steps are called `{name}`"), "a name that one step has")),
        (None, _) => Err(at.unknown("step", name, distinct(steps))),
    }
}
