//! The `[sweep]` section: a grid over parameters, what is solved at each point, and what is kept of it.

use super::document::{Item, Quantity, Table};
use super::error::InputError;
use super::expression::{self, Node};
use super::parameters::{Scope, Value};
use crate::problem::Problem;

/// A grid over parameters of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The parameters; the last one varies fastest.
    pub axes: Vec<SweepAxis>,
    /// What is done at each point.
    pub solve: Solve,
    /// The columns kept; [`TAU`] is a number of the whole run.
    pub quantities: Vec<String>,
    /// Whether all rows are kept, not only the last.
    pub all_rows: bool,
    /// What is looked for along one of the parameters.
    pub optimise: Option<Optimise>,
}

/// A parameter and the values it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepAxis {
    /// Its name.
    pub name: String,
    /// Numbers, or words.
    pub values: Vec<Value>,
    /// Whether equal ratios lie at equal distances.
    pub log: bool,
}

/// What is done at a point of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solve {
    /// The exact solution along the protocol.
    Exact,
    /// The state it settles in.
    Steady,
    /// The mean-field theory.
    MeanField,
    /// Trajectories, as many as `[run]` says.
    Trajectories,
}

/// The largest or smallest value of a quantity: in the last row along one parameter, or over the rows of each point.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimise {
    /// Whether the largest is meant.
    pub largest: bool,
    /// A column, or [`TAU`].
    pub quantity: String,
    /// The parameter; `None` is time.
    pub over: Option<String>,
}

/// The charging time, by name: of the whole run rather than of a row.
pub const TAU: &str = "tau";

/// Keys of the section that are no parameters.
const SETTINGS: [&str; 4] = ["solve", "quantities", "row", "optimise"];
const AXIS: &str =
    "`{ from = 0, to = 1, points = 11 }`, with `spacing = \"log\"` if so, or `{ values = [0.1, 1, 10] }`";
const OPTIMISE: &str = "`max QUANTITY over PARAMETER` or `max QUANTITY over time`, or `min`";
/// Most points of a grid.
const MOST_POINTS: u64 = 100_000;

/// Understand the section for `problem`, the problem without the sweep.
///
/// # Errors
/// The first mistake found: an unknown parameter or column, an empty or endless grid.
pub(super) fn sweep<'s>(section: &Table<'s>, scope: &Scope<'s>, problem: &Problem) -> Result<Sweep, InputError> {
    let mut axes = Vec::new();
    for entry in section.entries().iter().filter(|entry| !SETTINGS.contains(&entry.key)) {
        let Some(usual) = scope.get(entry.key) else {
            return Err(entry.key_at.unknown("parameter", entry.key, scope.names().into_iter().chain(SETTINGS)));
        };
        let table = entry.value.table(&format!("the range of `{}`", entry.key), entry.key_at)?;
        axes.push(axis(entry.key, &table, scope, usual)?);
    }
    if axes.is_empty() {
        return Err(section.at.error("no parameter is swept", format!("one such as `gamma = {AXIS}`")));
    }
    if axes.iter().map(|axis| axis.values.len() as f64).product::<f64>() > MOST_POINTS as f64 {
        return Err(section.at.error("the grid has too many points", format!("at most {MOST_POINTS} in all")));
    }
    let word = |key: &str, allowed: &[&'static str]| match section.get(key) {
        Some(item) => scope.choice(key, &expression::parse(item.text(&allowed.join(" or "))?)?, allowed),
        None => Ok(allowed[0]),
    };
    let solve = match word("solve", &["exact", "steady", "meanfield", "trajectories"])? {
        "steady" => Solve::Steady,
        "meanfield" => Solve::MeanField,
        "trajectories" => Solve::Trajectories,
        _ => Solve::Exact,
    };
    let all_rows = word("row", &["last", "all"])? == "all";
    let mut columns: Vec<String> = problem.quantities.iter().map(|q| problem.column(q)).collect();
    let mut quantities = columns.clone();
    if solve == Solve::Exact {
        columns.push(TAU.into());
    }
    if let Some(item) = section.get("quantities") {
        quantities = Vec::new();
        for wanted in item.list("a list of columns: `[\"energy\", \"ergotropy\"]`")? {
            quantities.push(column(&wanted, wanted.text("the name of a column")?.text, &columns)?);
        }
    }
    let rows = solve != Solve::Steady || problem.protocol.repeat > 1;
    let optimise = section.get("optimise").map(|item| optimise(item, &columns, &axes, rows)).transpose()?;
    Ok(Sweep { axes, solve, quantities, all_rows, optimise })
}

fn column(item: &Item<'_>, name: &str, columns: &[String]) -> Result<String, InputError> {
    match columns.iter().find(|c| *c == name) {
        Some(found) => Ok(found.clone()),
        None => Err(item.at.unknown("column", name, columns.iter().cloned())),
    }
}

fn axis<'s>(name: &str, table: &Table<'s>, scope: &Scope<'s>, usual: &Value) -> Result<SweepAxis, InputError> {
    table.allow("key of a range", &["from", "to", "points", "spacing", "values"])?;
    let log = match table.get("spacing") {
        Some(item) => {
            let word = expression::parse(item.text("`\"linear\"` or `\"log\"`")?)?;
            scope.choice("spacing", &word, &["linear", "log"])? == "log"
        }
        None => false,
    };
    if let Some(item) = table.get("values") {
        if let Some(other) = ["from", "to", "points"].iter().find_map(|key| table.entry(key)) {
            return Err(other.key_at.error("a range has both values and ends", AXIS));
        }
        let items = item.list("a list of values")?;
        let values = items.iter().map(|item| value(item, scope, usual)).collect::<Result<Vec<_>, _>>()?;
        if values.is_empty() {
            return Err(item.at.error(format!("`{name}` takes no value"), "at least one"));
        }
        if let (true, Some(at)) = (log, values.iter().position(|v| !matches!(v, Value::Number(x) if *x > 0.0))) {
            return Err(items[at].at.error("this has no place on a logarithmic axis", "a number > 0"));
        }
        return Ok(SweepAxis { name: name.to_owned(), values, log });
    }
    let from = scope.number(table.need("from", "from = 0")?)?;
    let to = scope.number(table.need("to", "to = 1")?)?;
    let points =
        scope.number(table.need("points", "points = 11")?)?.whole("the number of points", 2..=MOST_POINTS)? as usize;
    if log {
        from.check("one end of a logarithmic range", from.value > 0.0, "a number > 0")?;
        to.check("one end of a logarithmic range", to.value > 0.0, "a number > 0")?;
    }
    to.check("the end of the range", to.value != from.value, "another number than its start")?;
    let width = to.value - from.value;
    to.check("the end of the range", width.is_finite(), "a number whose distance from the start is finite")?;
    let place = |k: usize| {
        let part = k as f64 / (points - 1) as f64;
        match k {
            0 => from.value,
            k if k + 1 == points => to.value,
            _ if log => from.value * (to.value / from.value).powf(part),
            _ => from.value + width * part,
        }
    };
    Ok(SweepAxis { name: name.to_owned(), values: (0..points).map(|k| Value::Number(place(k))).collect(), log })
}

/// A number, or a word if the parameter usually is one.
fn value<'s>(item: &Item<'s>, scope: &Scope<'s>, usual: &Value) -> Result<Value, InputError> {
    if let (Value::Word(_), Quantity::Text(text)) = (usual, item.quantity("a word")?) {
        let expression = expression::parse(text)?;
        return match expression.node {
            Node::Name(word) => Ok(Value::Word(word.to_owned())),
            _ => Err(expression.at.error("this is no word", "a word")),
        };
    }
    Ok(Value::Number(scope.number(item)?.value))
}

/// `rows` says that there is more than the one row of a steady state.
fn optimise(item: &Item<'_>, columns: &[String], axes: &[SweepAxis], rows: bool) -> Result<Optimise, InputError> {
    let text = item.text(OPTIMISE)?.text;
    let words: Vec<&str> = text.split_whitespace().collect();
    let (largest, quantity, over) = match words.as_slice() {
        ["max", quantity, "over", over] => (true, *quantity, *over),
        ["min", quantity, "over", over] => (false, *quantity, *over),
        _ => return Err(item.at.error("this is no aim", OPTIMISE)),
    };
    let quantity = column(item, quantity, columns)?;
    if over == "time" {
        if quantity == TAU {
            return Err(item.at.error("`tau` is a number of the whole run", "a column that changes with time"));
        }
        if !rows {
            return Err(item.at.error("a steady state has no time to look in", "another `solve`, or a parameter"));
        }
        return Ok(Optimise { largest, quantity, over: None });
    }
    let Some(axis) = axes.iter().find(|axis| axis.name == over) else {
        return Err(item.at.unknown(
            "swept parameter",
            over,
            axes.iter().map(|axis| axis.name.clone()).chain(["time".into()]),
        ));
    };
    if axis.values.len() < 3 || axis.values.iter().any(|v| matches!(v, Value::Word(_))) {
        return Err(item
            .at
            .error(format!("`{over}` has no range to look in"), "a parameter with at least three numbers"));
    }
    Ok(Optimise { largest, quantity, over: Some(over.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::super::{Input, InputError, parse};
    use super::*;

    const AGING: &str = include_str!("../../examples/aging.toml");

    fn read(section: &str) -> Result<Input, InputError> {
        parse("aging.toml", &format!("{AGING}\n[sweep]\n{section}\n"), &[])
    }

    fn numbers(axis: &SweepAxis) -> Vec<f64> {
        axis.values.iter().map(|v| if let Value::Number(x) = v { *x } else { f64::NAN }).collect()
    }

    #[test]
    fn grids_and_settings_are_understood() {
        let section = "tau_s = { from = 0.01, to = \"100*0.01\", points = 3, spacing = \"log\" }\n\
                       gamma = { values = [0.5, \"2*omega\"] }\nsolve = \"steady\"\nrow = \"all\"\n\
                       quantities = [\"ergotropy\", \"jumps_loss\"]\noptimise = \"min ergotropy over tau_s\"";
        let sweep = read(section).unwrap().sweep.unwrap();
        assert_eq!(
            sweep.axes.iter().map(|a| (a.name.as_str(), a.log)).collect::<Vec<_>>(),
            [("tau_s", true), ("gamma", false)]
        );
        let values = numbers(&sweep.axes[0]);
        assert!(values[0] == 0.01 && (values[1] - 0.1).abs() < 1e-15 && values[2] == 1.0);
        assert_eq!(numbers(&sweep.axes[1]), [0.5, 2.0]);
        assert_eq!((sweep.solve, sweep.all_rows, sweep.quantities.len()), (Solve::Steady, true, 2));
        assert_eq!(
            sweep.optimise.unwrap(),
            Optimise { largest: false, quantity: "ergotropy".into(), over: Some("tau_s".into()) }
        );
    }

    #[test]
    fn without_settings_the_last_row_is_solved_exactly() {
        let sweep = read("N = { from = 2, to = 6, points = 3 }").unwrap().sweep.unwrap();
        assert_eq!(numbers(&sweep.axes[0]), [2.0, 4.0, 6.0]);
        assert_eq!((sweep.solve, sweep.all_rows, sweep.quantities[0].as_str()), (Solve::Exact, false, "M"));
        assert_eq!(parse("aging.toml", AGING, &[]).unwrap().sweep, None);
        let over_time =
            read("gamma = { values = [1, 2] }\noptimise = \"max ergotropy over time\"").unwrap().sweep.unwrap();
        assert_eq!(over_time.optimise.unwrap(), Optimise { largest: true, quantity: "ergotropy".into(), over: None });
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let range = "gamma = { from = 0, to = 1, points = 3 }";
        for (section, text, message) in [
            ("gama = { values = [1] }".to_owned(), "gama", "unknown parameter `gama`"),
            ("gamma = 3".into(), "3", "is an integer"),
            ("solve = \"exact\"".into(), "sweep", "no parameter is swept"),
            ("gamma = { values = [] }".into(), "[]", "takes no value"),
            ("gamma = { values = [1], to = 2 }".into(), "to", "both values and ends"),
            ("gamma = { values = [1, 0], spacing = \"log\" }".into(), "0", "no place on a logarithmic axis"),
            ("gamma = { from = 0, to = 1, points = 3, spacing = \"log\" }".into(), "0", "logarithmic range is 0"),
            ("gamma = { from = 1, to = 1, points = 3 }".into(), "1", "the end of the range is 1"),
            ("gamma = { from = 0, to = 1, points = 1 }".into(), "1", "the number of points is 1"),
            ("gamma = { from = 0, to = 1, points = 300000 }".into(), "300000", "the number of points"),
            ("gamma = { from = 0, to = 1, steps = 3 }".into(), "steps", "unknown key of a range"),
            (format!("{range}\nsolve = \"exat\""), "exat", "unknown solve `exat`"),
            (format!("{range}\nquantities = [\"ergo\"]"), "\"ergo\"", "unknown column `ergo`"),
            (format!("{range}\nsolve = \"steady\"\nquantities = [\"tau\"]"), "\"tau\"", "unknown column `tau`"),
            (format!("{range}\noptimise = \"best energy\""), "\"best energy\"", "this is no aim"),
            (
                format!("{range}\noptimise = \"max energy over times\""),
                "\"max energy over times\"",
                "unknown swept parameter `times`",
            ),
            (format!("{range}\noptimise = \"max tau over time\""), "\"max tau over time\"", "number of the whole run"),
            (
                format!("{range}\noptimise = \"max energy over tau_s\""),
                "\"max energy over tau_s\"",
                "swept parameter `tau_s`",
            ),
            (
                "gamma = { values = [1, 2] }\noptimise = \"max energy over gamma\"".into(),
                "\"max energy over gamma\"",
                "no range to look in",
            ),
        ] {
            let error = read(&section).expect_err(&section);
            assert!(error.text() == text && error.message.contains(message), "{section}:\n{error}");
        }
    }
}
