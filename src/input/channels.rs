//! The channels and drives sections: what acts on the system, at what rate and in which steps.

use super::document::{Entry, Item, Quantity, Table};
use super::error::InputError;
use super::expression::{self, Expr, Node};
use super::modulated::Modulated;
use super::operator::{Context, single_cells};
use super::parameters::{FUNCTIONS, Number, Scope};
use super::protocol::names;
use super::sections::distinct;
use super::subsystems::Parts;
use crate::problem::function::{Expression, Function};
use crate::problem::{
    Acting, Envelope, Kind, OpSum, ProblemBuilder, RateMatrix, Reach, Subsystem, SubsystemId, free_space_rates,
};

/// A channel before it is handed on: its operator, reach and rate, and the steps it is limited to.
pub(super) struct ReadChannel {
    pub(super) name: String,
    pub(super) operator: OpSum,
    pub(super) modulated: Vec<(Expression, OpSum)>,
    pub(super) reach: Reach,
    pub(super) rate: f64,
    pub(super) envelope: Option<Envelope>,
    pub(super) only: Option<Vec<usize>>,
}

/// A drive before it is handed on.
pub(super) struct ReadDrive {
    pub(super) operator: OpSum,
    pub(super) envelope: Envelope,
    pub(super) only: Option<Vec<usize>>,
}

const ENVELOPES: [&str; 4] = ["constant", "linear", "gaussian", "cosine"];

/// The drive called `name`.
pub(super) fn drive<'s>(
    name: &str,
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    steps: &[&str],
) -> Result<ReadDrive, InputError> {
    table.allow("key of a drive", &["operator", "envelope", "only"])?;
    let item = table.need("operator", "operator = \"sp(C) + sm(C)\"")?;
    let expression = expression::parse(item.text("an operator such as `sp(C) + sm(C)` in a string")?)?;
    let operator = Context::whole(scope, parts).operator(&expression, "the function belongs in `envelope`")?;
    if !Acting::on(&parts.all).is_hermitian(&operator) {
        let message = format!("the operator of drive `{name}` is not Hermitian");
        return Err(expression.at.error(message, "an operator together with its conjugate"));
    }
    let given = table.need("envelope", "envelope = \"constant(F)\"")?;
    let envelope = expression::parse(given.text("an envelope such as `gaussian(peak, centre, width)`")?)?;
    let only = only(&format!("drive `{name}`"), table, steps)?;
    if scope.is_timed(&envelope) {
        if let Node::Call { name, name_at, .. } = envelope.node
            && ENVELOPES.contains(&name)
        {
            let message = format!("`{name}` takes numbers, and one here changes with time");
            return Err(name_at.error(message, "numbers, or an expression in `t` such as `exp(-t^2)` in its place"));
        }
        let f = scope.timed(&envelope)?.simplified();
        let envelope = f.constant().map_or_else(|| Envelope::Function(Function::new(&f)), Envelope::Constant);
        return Ok(ReadDrive { operator, envelope, only });
    }
    let (shape, name_at, arguments) = match &envelope.node {
        Node::Call { name, name_at, arguments } if !FUNCTIONS.contains(name) => (name, name_at, arguments),
        // A number is one that does not change.
        _ => {
            let envelope = Envelope::Constant(scope.number_of(&envelope)?.value);
            return Ok(ReadDrive { operator, envelope, only });
        }
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
    Ok(ReadDrive { operator, envelope, only })
}

/// The channels that the entry `name` stands for: one, or one on each member of a group.
pub(super) fn channel<'s>(
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
    let given = table.need("rate", "rate = 1.0")?;
    // A list is refused below, with what could be written instead.
    let in_time = match given.is_list() {
        true => None,
        false => match given.quantity("a number or an expression in a string")? {
            Quantity::Text(text) => Some(expression::parse(text)?).filter(|expression| scope.is_timed(expression)),
            Quantity::Number(_) => None,
        },
    };
    if let (Some(expression), true) = (&in_time, table.get("edge").is_some()) {
        return Err(expression.at.error("a rate that changes with time cannot stand beside `edge`", "`matrix`"));
    }
    let expression = expression::parse(entry.value.text("an operator such as `sm(B)` in a string")?)?;
    let whole = Context::whole(scope, parts);
    let mut modulated = Vec::new();
    let found: Vec<(String, OpSum, Reach)> = match (entry.key, whole.group_of(&expression)) {
        ("operator", _) => {
            let Modulated { fixed, varying } = whole.modulated(&expression)?;
            modulated = varying;
            vec![(name.to_owned(), fixed, Reach::Collective)]
        }
        (_, None) => {
            let (operator, reach) = on_cells(Context { each: true, ..whole }, &expression, entry, table)?;
            vec![(name.to_owned(), operator, reach)]
        }
        (_, Some((group, members))) => {
            let on_member = |&id: &SubsystemId| {
                let cells = matches!(parts.all[id].kind, Kind::Ensemble { .. } | Kind::Network { .. });
                let context = Context { member: Some((group, id)), each: cells, ..whole };
                let (operator, reach) = on_cells(context, &expression, entry, table)?;
                Ok((format!("{name}_{}", parts.all[id].name), operator, reach))
            };
            members.iter().map(on_member).collect::<Result<_, InputError>>()?
        }
    };
    if let (true, [(_, _, Reach::Each(id))]) = (given.is_list(), &found[..]) {
        let part = &parts.all[*id];
        let message =
            format!("channel `{name}` is given a rate for each cell, but all cells of `{}` are alike", part.name);
        return Err(given.at.error(message, format!("one rate; unequal ones need {}", one_by_one(part))));
    }
    let function = in_time.as_ref().map(|expression| Ok(scope.timed(expression)?.simplified())).transpose()?;
    let what = format!("the rate of channel {name}");
    let (rate, envelope) = match function {
        // One that never changes is a number.
        Some(f) => match f.constant() {
            Some(value) => (Number { value, at: given.at }.non_negative(&what)?, None),
            None => (1.0, Some(Envelope::Function(Function::new(&f)))),
        },
        None => (scope.number(given)?.non_negative(&what)?, None),
    };
    let only = only(&format!("channel `{name}`"), table, steps)?;
    // With a number for the edges the rate is the diagonal of the matrix already.
    let rate = if table.get("edge").is_some() { 1.0 } else { rate };
    Ok(found
        .into_iter()
        .map(|(name, operator, reach)| ReadChannel {
            name,
            operator,
            modulated: modulated.clone(),
            reach,
            rate,
            envelope: envelope.clone(),
            only: only.clone(),
        })
        .collect())
}

/// The operator of an `each` or `correlated` channel on the cells of one subsystem; on each member of a group that has no
/// cells it is one jump operator.
fn on_cells<'s>(
    context: Context<'s, '_>,
    expression: &Expr<'s>,
    entry: &Entry<'s>,
    table: &Table<'s>,
) -> Result<(OpSum, Reach), InputError> {
    let (subsystem, operator) = context.on_each(expression)?;
    let reach = match entry.key {
        "each" if context.each => Reach::Each(subsystem),
        "each" => Reach::Collective,
        _ => {
            let rates = correlated(table, entry, context.scope, &context.parts.all[subsystem])?;
            Reach::Correlated { subsystem, rates }
        }
    };
    Ok((operator, reach))
}

/// How to write a subsystem whose cells differ, and how large that would be.
fn one_by_one(part: &Subsystem) -> String {
    match part.kind {
        Kind::Ensemble { cells } => single_cells(&part.name, cells),
        Kind::Network { .. } => "`correlated` with a diagonal `matrix`".into(),
        _ => "a network `{ cells = …, graph = … }`".into(),
    }
}

/// The rate matrix of a correlated channel, in units of its rate; with `edge`, rate and edge are its elements.
fn correlated<'s>(
    table: &Table<'s>,
    entry: &Entry<'s>,
    scope: &Scope<'s>,
    part: &Subsystem,
) -> Result<RateMatrix, InputError> {
    let Kind::Network { cells, edges } = &part.kind else {
        let message = format!("`{}` is {}, its cells cannot decay with correlations", part.name, part.kind.described());
        return Err(entry.value.at.error(message, one_by_one(part)));
    };
    let forms: Vec<&Entry<'s>> =
        table.entries().iter().filter(|e| ["edge", "matrix", "positions"].contains(&e.key)).collect();
    let [form] = forms.as_slice() else {
        let expected =
            "one of `edge = 0.5` (rate between neighbours), `matrix = [[…], …]` or `positions = [[x, y, z], …]`";
        return Err(entry.key_at.error(format!("{} ways to give the rate matrix", forms.len()), expected));
    };
    if let (true, Some(dipole)) = (form.key != "positions", table.entry("dipole")) {
        return Err(dipole
            .key_at
            .error(format!("`dipole` has no meaning beside `{}`", form.key), "`positions` with it"));
    }
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

/// Hand the channels on.
pub(super) fn add_channels<'c>(
    builder: &mut ProblemBuilder,
    channels: impl Iterator<Item = &'c ReadChannel>,
    steps: &[&str],
) {
    for channel in channels {
        let (name, operator) = (&channel.name, channel.operator.clone());
        match channel.reach.clone() {
            Reach::Collective => builder.collective(name, operator, channel.rate),
            Reach::Each(id) => builder.each(name, id, operator, channel.rate),
            Reach::Correlated { subsystem, rates } => {
                builder.correlated(name, subsystem, operator, channel.rate, rates)
            }
        };
        for (f, operator) in &channel.modulated {
            builder.plus(Envelope::Function(Function::new(f)), operator.clone());
        }
        if let Some(envelope) = &channel.envelope {
            builder.in_time(envelope.clone());
        }
        if let Some(only) = &channel.only {
            builder.only(only.iter().map(|step| steps[*step]));
        }
    }
}
