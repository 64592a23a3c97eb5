//! What the input asks to be kept of single runs.

use super::document::{Item, Table};
use super::error::{InputError, Span};
use super::expression::{self, Expr, Node};
use super::parameters::Scope;
use super::quantities::standard;
use crate::problem::{Beyond, Delays, Distribution, MOST_PATHS, Passage, Problem, Quantity, Record, StepId};

const KEYS: [&str; 7] = ["paths", "jumps", "counting", "audit", "distributions", "first_passage", "delays"];

/// The section `[record]`; nothing is kept without it.
pub(super) fn record<'s>(root: &Table<'s>, scope: &Scope<'s>, problem: &Problem) -> Result<Record, InputError> {
    let Some(section) = root.section("record")? else { return Ok(Record::default()) };
    section.allow("key", &KEYS)?;
    let switch = |key: &str| section.get(key).map(Item::boolean).transpose().map(Option::unwrap_or_default);
    let [jumps, counting, audit] = ["jumps", "counting", "audit"].map(switch);
    let mut record = Record { jumps: jumps?, counting: counting?, audit: audit?, ..Record::default() };
    if let Some(item) = section.get("paths") {
        record.paths = scope.number(item)?.whole("the number of paths", 0..=MOST_PATHS)?;
    }
    if let Some(list) = section.get("distributions") {
        for item in list.list("a list of quantities: `[\"energy\", \"jumps(loss)\"]`")? {
            let expression = expression::parse(item.text("a quantity such as `energy`")?)?;
            for of in distributions(&expression, problem)? {
                problem.bins(&of).map_err(|error| expression.at.error(error.to_string(), "another quantity"))?;
                if !record.distributions.contains(&of) {
                    record.distributions.push(of);
                }
            }
        }
    }
    if let Some(list) = section.get("first_passage") {
        for item in list.list("a list of levels: `[{ quantity = \"energy\", above = 1.0 }]`")? {
            for passage in passages(&item, scope, problem)? {
                if !record.first_passage.contains(&passage) {
                    record.first_passage.push(passage);
                }
            }
        }
    }
    if let Some(list) = section.get("delays") {
        for item in list.list("a list of channels: `[{ channel = \"loss\", until = 5.0 }]`")? {
            record.delays.push(delays(&item, scope, problem)?);
        }
    }
    Ok(record)
}

/// `{ channel = "loss", until = 5.0, bins = 50, from = 10.0 }`.
fn delays<'s>(item: &Item<'s>, scope: &Scope<'s>, problem: &Problem) -> Result<Delays, InputError> {
    let table = item.table("delays of a channel", item.at)?;
    table.allow("key of delays", &["channel", "until", "bins", "from"])?;
    let channel = table.need("channel", "channel = \"loss\"")?;
    let name = channel.text("the name of a channel")?;
    let number = |key: &str, otherwise: f64| match table.get(key) {
        Some(item) => Ok(scope.number(item)?.value),
        None => Ok(otherwise),
    };
    let bins = match table.get("bins") {
        Some(item) => scope.number(item)?.whole("the number of bins", 1..=1_000)? as usize,
        None => 50,
    };
    let until = scope.number(table.need("until", "until = 5.0")?)?.value;
    let Some(id) = problem.channel_ids().find(|id| problem.channels[*id].name == name.text) else {
        let known: Vec<&str> = problem.channels.iter().map(|channel| channel.name.as_str()).collect();
        return Err(channel
            .at
            .error(format!("unknown channel `{}`", name.text), format!("one of {}", known.join(", "))));
    };
    let delays = Delays { channel: id, until, bins, from: number("from", 0.0)? };
    problem.check_delays(&delays).map_err(|error| item.at.error(error.to_string(), "delays that fit into a step"))?;
    Ok(delays)
}

pub(super) fn distributions(expression: &Expr<'_>, problem: &Problem) -> Result<Vec<Distribution>, InputError> {
    if expression.at.text() == "energy_outcome" {
        return Ok(vec![Distribution::EnergyOutcome]);
    }
    Ok(quantities(expression, problem)?.into_iter().map(Distribution::Conditional).collect())
}

/// A column by its name, or a quantity of the table.
fn quantities(expression: &Expr<'_>, problem: &Problem) -> Result<Vec<Quantity>, InputError> {
    let column = problem.quantities.iter().find(|quantity| problem.column(quantity) == expression.at.text());
    if let Some(quantity) = column {
        return Ok(vec![quantity.clone()]);
    }
    if let Node::Call { name: name @ ("population" | "energy"), arguments, .. } = &expression.node
        && (arguments.len() > 1 || *name == "population")
    {
        let message = format!("`{}` is kept only where it is a column too", expression.at.text());
        return Err(expression.at.error(message, "the name of its column in [observe], such as `population_1`"));
    }
    let steps = &problem.protocol.steps;
    let steps: Vec<&str> = (0..steps.len()).map(|step| problem.protocol.name(StepId::new(step))).collect();
    let channels: Vec<&str> = problem.channels.iter().map(|channel| channel.name.as_str()).collect();
    standard(expression, &problem.subsystems, &steps, &channels)
}

/// `{ quantity = "energy", above = 1.0 }`.
fn passages<'s>(item: &Item<'s>, scope: &Scope<'s>, problem: &Problem) -> Result<Vec<Passage>, InputError> {
    let table = item.table("a first passage", item.at)?;
    table.allow("key of a first passage", &["quantity", "above", "below"])?;
    let written = table.need("quantity", "quantity = \"energy\"")?;
    let expression = expression::parse(written.text("a quantity such as `energy`")?)?;
    let (beyond, level) = one_level(&table, item.at, "a first passage")?;
    let number = scope.number(level)?;
    let passage = |quantity: Quantity| {
        let passage = Passage { quantity, beyond, level: number.value };
        match problem.check_passage(&passage) {
            Ok(()) => Ok(passage),
            Err(error) if problem.of_single(&passage.quantity).is_none() => {
                Err(expression.at.error(error.to_string(), "a quantity that is linear in the state"))
            }
            Err(error) => Err(number.at.error(error.to_string(), "a level that can be reached")),
        }
    };
    quantities(&expression, problem)?.into_iter().map(passage).collect()
}

/// The side and the level of `what`, which has one.
pub(super) fn one_level<'a, 's>(
    table: &'a Table<'s>,
    at: Span<'s>,
    what: &str,
) -> Result<(Beyond, &'a Item<'s>), InputError> {
    match (table.get("above"), table.get("below")) {
        (Some(level), None) => Ok((Beyond::Above, level)),
        (None, Some(level)) => Ok((Beyond::Below, level)),
        _ => Err(at.error(format!("{what} has one level"), "`above = 1.0` or `below = 1.0`")),
    }
}
