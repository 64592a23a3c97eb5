//! The two-time correlations that the input asks for.

use super::document::{Entry, Item, Table};
use super::error::InputError;
use super::expression;
use super::operator::Context;
use super::parameters::{Scope, identifier};
use super::protocol::rows;
use super::quantities::timed_step;
use super::subsystems::subsystems;
use crate::problem::{Correlation, MOST_DELAYS, OpSum, Problem, StepId, When};
use std::path::Path;

const KEYS: [&str; 11] = ["a", "b", "c", "from", "step", "until", "samples", "spacing", "first", "times", "normalised"];

/// The correlations by name, in the order of the file.
pub(super) fn correlations<'s>(
    root: &Table<'s>,
    scope: &Scope<'s>,
    problem: &Problem,
    folder: &Path,
) -> Result<Vec<(String, Correlation)>, InputError> {
    let (Some(section), Some(parts)) = (root.section("correlations")?, root.section("subsystems")?) else {
        return Ok(Vec::new());
    };
    let scope = &scope.with_functions(root.section("functions")?.as_ref(), folder)?;
    let parts = subsystems(&parts, scope)?;
    let operator = |item: &Item<'s>| -> Result<OpSum, InputError> {
        let expression = expression::parse(item.text("an operator such as `a(A)` in a string")?)?;
        Context::whole(scope, &parts).operator(&expression, "a correlation is of two of them, at two times")
    };
    let names: Vec<&str> =
        (0..problem.protocol.steps.len()).map(|step| problem.protocol.name(StepId::new(step))).collect();
    let one = |entry: &Entry<'s>| {
        identifier("correlation", entry.key, entry.key_at)?;
        let table = entry.value.table(&format!("correlation `{}`", entry.key), entry.key_at)?;
        table.allow("key of a correlation", &KEYS)?;
        let from = table.need("from", "from = \"steady\"` or `\"end\"")?;
        let word = expression::parse(from.text("`steady`, `start` or `end`")?)?;
        let from_at = scope.origin(&word);
        let from = match scope.choice("state to begin from", &word, &["steady", "start", "end"])? {
            "steady" => When::Steady,
            "start" => When::Start,
            _ => When::End,
        };
        let step = match table.get("step") {
            Some(item) => {
                let name = item.text("the name of a timed step")?;
                Some(StepId::new(timed_step(&names, name.text, name.at)?))
            }
            None => None,
        };
        let correlation = Correlation {
            a: operator(table.need("a", "a = \"ad(A)\"")?)?,
            b: operator(table.need("b", "b = \"a(A)\"")?)?,
            c: table.get("c").map(operator).transpose()?,
            from,
            step,
            delays: delays(&table, scope)?,
            normalised: table.get("normalised").map(Item::boolean).transpose()?.unwrap_or(false),
        };
        let at = table.get("step").map_or(entry.key_at, |step| step.at);
        correlation.generator(problem).map_err(|error| at.error(error.to_string(), ""))?;
        correlation
            .check_start(problem)
            .map_err(|error| from_at.error(error.to_string(), "`start` or `end`, of the last cycle"))?;
        correlation.regression(problem).map_err(|error| entry.key_at.error(error.to_string(), ""))?;
        Ok((entry.key.to_owned(), correlation))
    };
    section.entries().iter().map(one).collect()
}

/// The delays τ: a list, or rows from 0 on as in a timed step.
fn delays<'s>(table: &Table<'s>, scope: &Scope<'s>) -> Result<Vec<f64>, InputError> {
    let Some(until) = table.get("until") else {
        if let Some(other) = ["samples", "spacing", "first"].iter().find_map(|key| table.entry(key)) {
            let message = format!("`{}` has no meaning without `until`", other.key);
            return Err(other.key_at.error(message, "`until = 5.0` with it, or `times = [0, 1, 5]` alone"));
        }
        let times = table.need("times", "until = 5.0, samples = 50` or `times = [0, 1, 5]")?;
        let items = times.list("a list of delays")?;
        let mut delays: Vec<f64> = Vec::new();
        for item in items.iter().take(MOST_DELAYS as usize + 1) {
            let delay = scope.number(item)?;
            let last = delays.last().copied();
            let rises = last.map_or(delay.value >= 0.0, |last| delay.value > last);
            let expected =
                last.map_or_else(|| "a number ≥ 0".into(), |last| format!("rising numbers, after {last} a larger one"));
            delays.push(delay.check("a delay", rises, &expected)?);
        }
        return match delays.len() as u64 {
            1..=MOST_DELAYS => Ok(delays),
            0 => Err(times.at.error("no delay is asked for", "at least one, such as `times = [1.0]`")),
            _ => Err(times.at.error(format!("{} delays", items.len()), format!("at most {MOST_DELAYS}"))),
        };
    };
    if let Some(times) = table.entry("times") {
        return Err(times.key_at.error("`times` has no meaning beside `until`", "one of the two"));
    }
    if let Some(samples) = table.get("samples") {
        scope.number(samples)?.whole("the number of samples", 1..=MOST_DELAYS - 1)?;
    }
    let number = scope.number(until)?;
    number.check("the last delay", number.value > 0.0, "a finite number > 0")?;
    rows(table, number, scope)
}
