//! What the input says of single shots that hardly ever happen.

use super::Input;
use super::document::{Item, Table};
use super::error::{InputError, Source, Span};
use super::expression::{self, Expr, Quoted};
use super::parameters::Scope;
use super::record::{distributions, one_level};
use crate::problem::{Beyond, Event, Problem};

/// The section `[rare]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RareSettings {
    /// The events.
    pub events: Vec<Event>,
    /// The relative error that is aimed at.
    pub relative_error: Option<f64>,
    /// Trajectories in a population.
    pub population: Option<u64>,
}

const KEYS: [&str; 6] = ["quantity", "below", "above", "events", "relative_error", "population"];
/// Trajectories of a population.
const POPULATION: std::ops::RangeInclusive<u64> = 10..=1_000_000;

/// The section `[rare]`; nothing is asked without it.
pub(super) fn rare<'s>(root: &Table<'s>, scope: &Scope<'s>, problem: &Problem) -> Result<RareSettings, InputError> {
    let Some(section) = root.section("rare")? else { return Ok(RareSettings::default()) };
    section.allow("key", &KEYS)?;
    let mut settings = RareSettings::default();
    let mut add = |events: Vec<Event>| {
        for event in events {
            if !settings.events.contains(&event) {
                settings.events.push(event);
            }
        }
    };
    match (section.get("events"), section.get("quantity")) {
        (Some(list), None) => {
            if let Some(stray) = section.entry("below").or_else(|| section.entry("above")) {
                return Err(stray.key_at.error(format!("`{}` has no quantity", stray.key), "a level inside `events`"));
            }
            for item in list.list("a list of events: `[{ quantity = \"energy\", below = 5.5 }]`")? {
                let table = item.table("a rare event", item.at)?;
                table.allow("key of a rare event", &["quantity", "above", "below"])?;
                add(events(&table, item.at, scope, problem)?);
            }
        }
        (None, Some(_)) => add(events(&section, section.at, scope, problem)?),
        (Some(list), Some(_)) => return Err(list.at.error("events are given in two ways", "`events` or `quantity`")),
        (None, None) => {
            return Err(section.end.error("no rare event is asked for", "quantity = \"energy\", below = 5.5"));
        }
    }
    if let Some(item) = section.get("relative_error") {
        let number = scope.number(item)?;
        let allowed = number.value > 0.0 && number.value <= 1.0;
        settings.relative_error = Some(number.check("the relative error", allowed, "a number above 0, at most 1")?);
    }
    if let Some(item) = section.get("population") {
        let number = scope.number(item)?;
        settings.population = Some(number.whole("the number of trajectories in a population", POPULATION)?);
    }
    Ok(settings)
}

/// The events of a table with a quantity and a level; `jumps` alone is of each channel.
fn events<'s>(table: &Table<'s>, at: Span<'s>, scope: &Scope<'s>, problem: &Problem) -> Result<Vec<Event>, InputError> {
    let written = table.need("quantity", "quantity = \"energy\"")?;
    let expression = expression::parse(written.text("a quantity such as `energy`")?)?;
    let (side, level): (Beyond, &Item<'s>) = one_level(table, at, "a rare event")?;
    understood(&expression, side, scope.number(level)?.value, problem)
}

fn understood(expression: &Expr<'_>, side: Beyond, level: f64, problem: &Problem) -> Result<Vec<Event>, InputError> {
    let event = |of| {
        let event = Event { of, side, level };
        let refused = |error: crate::error::ModelError| {
            expression.at.error(error.to_string(), "a quantity that is linear in the state, or a count of jumps")
        };
        problem.check_event(&event).map(|()| event).map_err(refused)
    };
    distributions(expression, problem)?.into_iter().map(event).collect()
}

impl Input {
    /// The events that a quantity, written as in `[rare]`, and a level make.
    ///
    /// # Errors
    /// For a quantity that there is none of or that no single trajectory has.
    pub fn rare_events(&self, quantity: &str, side: Beyond, level: f64) -> Result<Vec<Event>, InputError> {
        let source = Source::option(format!("--quantity {quantity}"));
        let at = source.span("--quantity ".len(), source.text().len());
        let expression = expression::parse(Quoted::verbatim(at))?;
        understood(&expression, side, level, &self.problem)
    }
}
