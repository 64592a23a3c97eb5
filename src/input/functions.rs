//! Functions of time in expressions, and the section that names some of them.

use super::document::{Item, Table};
use super::error::{InputError, Span};
use super::expression::{self, Binary, Expr, Node};
use super::parameters::{FUNCTIONS, RESERVED, Scope, identifier};
use crate::problem::function::{CALLS, Call, Expression, Table as Values};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Names of the two clocks.
pub(super) const CLOCKS: [(&str, Expression); 2] = [("t", Expression::StepTime), ("time", Expression::RunTime)];

/// Most points of a table.
const MOST_POINTS: usize = 20_000;
/// Most numbers, clocks and operations of one function.
const MOST_PARTS: usize = 2_000;

impl<'s> Scope<'s> {
    /// The same parameters, and the functions that the section names; those may use the ones before them.
    pub(super) fn with_functions(&self, section: Option<&Table<'s>>, folder: &Path) -> Result<Self, InputError> {
        let mut scope = self.clone();
        for entry in section.iter().flat_map(|table| table.entries()) {
            identifier("function", entry.key, entry.key_at)?;
            let calls = FUNCTIONS.contains(&entry.key) || RESERVED.contains(&entry.key);
            if calls || scope.get(entry.key).is_some() || super::operator::NAMES.contains(&entry.key) {
                let message = format!("`{}` has a meaning already", entry.key);
                return Err(entry.key_at.error(message, "another name for the function"));
            }
            let function = if entry.value.is_table() {
                let table = entry.value.table(&format!("function `{}`", entry.key), entry.key_at)?;
                Expression::Table(Arc::new(values(entry.key, &table, &scope, folder)?), Box::new(Expression::StepTime))
            } else {
                scope.timed(&expression::parse(entry.value.text("an expression in `t`, such as `exp(-t)`")?)?)?
            };
            scope.functions.push((entry.key, function.simplified()));
        }
        Ok(scope)
    }

    /// The function of time that a name stands for.
    pub(super) fn function_named(&self, name: &str) -> Option<Expression> {
        if self.bound(name).is_some() || self.get(name).is_some() {
            return None;
        }
        let clock = CLOCKS.iter().find(|(known, _)| *known == name).map(|(_, clock)| clock.clone());
        clock.or_else(|| self.functions.iter().find(|(known, _)| *known == name).map(|(_, f)| f.clone()))
    }

    /// Whether an expression changes with time.
    pub(super) fn is_timed(&self, expression: &Expr<'s>) -> bool {
        expression.names().iter().any(|(name, _)| self.function_named(name).is_some())
    }

    /// The function of time that an expression stands for; a number is one that never changes.
    pub(super) fn timed(&self, expression: &Expr<'s>) -> Result<Expression, InputError> {
        if !self.is_timed(expression) {
            return Ok(Expression::Number(self.number_of(expression)?.value));
        }
        let function = match &expression.node {
            Node::Name(name) => self.function_named(name).unwrap_or(Expression::Number(0.0)),
            Node::Call { name, name_at, arguments } => {
                self.callable(name, *name_at)?;
                let arguments = arguments.iter().map(|a| self.timed(a)).collect::<Result<Vec<_>, _>>()?;
                called(name, *name_at, arguments)?
            }
            Node::Negative(inner) => self.timed(inner)?.times(Expression::Number(-1.0)),
            Node::Sum(sum) => {
                let (mut terms, mut size) = (Vec::new(), 0);
                self.over(sum, &[], |body| {
                    let term = self.timed(body)?;
                    size += term.size();
                    terms.push(term);
                    check_size(size, expression.at)
                })?;
                Expression::Sum(terms)
            }
            Node::Sequence { first, rest } => {
                let mut value = self.timed(first)?;
                for (binary, right) in rest {
                    value = combined(*binary, value, self.timed(right)?);
                }
                value
            }
            Node::Number(_) | Node::Transition { .. } => {
                return Err(expression
                    .at
                    .error("an operator cannot stand where a number is expected", "a function of time"));
            }
        };
        check_size(function.size(), expression.at)?;
        Ok(function)
    }
}

/// A function that no time would be enough to follow is refused where it becomes too long.
pub(super) fn check_size(size: usize, at: Span<'_>) -> Result<(), InputError> {
    if size <= MOST_PARTS {
        return Ok(());
    }
    let message = format!("a function of time made of more than {MOST_PARTS} numbers and operations");
    Err(at.error(message, "a shorter one, or a table of its values"))
}

/// A function called by its name.
pub(super) fn called(name: &str, at: Span<'_>, arguments: Vec<Expression>) -> Result<Expression, InputError> {
    let Some((_, call)) = CALLS.iter().find(|(known, _)| *known == name) else {
        if name == "gauss" {
            return Err(at.error("`gauss` cannot change with time", "whole numbers"));
        }
        return Err(at.unknown("function", name, CALLS.iter().map(|(name, _)| *name)));
    };
    if arguments.len() != 1 && !matches!(call, Call::Min | Call::Max) {
        return Err(at.error(format!("`{name}` is given {} arguments", arguments.len()), "one"));
    }
    Ok(Expression::Call(*call, arguments))
}

/// Both by an operator of arithmetic.
pub(super) fn combined(binary: Binary, left: Expression, right: Expression) -> Expression {
    match binary {
        Binary::Add => added(left, right),
        Binary::Subtract => added(left, right.times(Expression::Number(-1.0))),
        Binary::Multiply => Expression::Product(vec![left, right]),
        Binary::Divide => Expression::Quotient(Box::new(left), Box::new(right)),
        Binary::Power => Expression::Power(Box::new(left), Box::new(right)),
    }
}

/// A sum stays flat however many terms it has.
fn added(left: Expression, right: Expression) -> Expression {
    match left {
        Expression::Sum(mut terms) => {
            terms.push(right);
            Expression::Sum(terms)
        }
        left => Expression::Sum(vec![left, right]),
    }
}

/// `{ times = […], values = […], order = 3 }` or `{ file = "pulse.csv", order = 3 }`.
fn values<'s>(name: &str, table: &Table<'s>, scope: &Scope<'s>, folder: &Path) -> Result<Values, InputError> {
    table.allow("key of a table", &["times", "values", "file", "order"])?;
    let order = match table.get("order") {
        None => 3,
        Some(item) => {
            let number = scope.number(item)?;
            let known = [0.0, 1.0, 3.0].contains(&number.value);
            number.check("the order of interpolation", known, "0 (steps), 1 (lines) or 3 (a cubic spline)")? as u32
        }
    };
    let (times, values, at) = match table.get("file") {
        Some(item) => {
            let (times, values) = columns(item, folder)?;
            (times, values, item.at)
        }
        None => {
            let list = |key: &str| -> Result<(Vec<f64>, Span<'s>), InputError> {
                let item = table.need(key, &format!("{key} = [0.0, 1.0]"))?;
                let items = item.list("a list of numbers")?;
                let numbers = items.iter().map(|n| Ok(scope.number(n)?.value)).collect::<Result<_, InputError>>()?;
                Ok((numbers, item.at))
            };
            let ((times, at), (values, _)) = (list("times")?, list("values")?);
            (times, values, at)
        }
    };
    if times.len() > MOST_POINTS {
        return Err(at.error(format!("{} points", times.len()), format!("at most {MOST_POINTS}")));
    }
    let made = Values::new(name, times, values, order);
    made.map_err(|what| at.error(format!("function `{name}`: {what}"), "finite values at rising times"))
}

/// Two columns of a file, times and values, separated by commas or blanks, after a line of titles or none; `#` begins a comment.
fn columns(item: &Item<'_>, folder: &Path) -> Result<(Vec<f64>, Vec<f64>), InputError> {
    let name = item.text("the name of a file with two columns")?.text;
    let path = folder.join(name);
    let read = fs::read_to_string(&path);
    let text = read.map_err(|error| {
        item.at.error(format!("`{}` cannot be read: {error}", path.display()), "a file with two columns")
    })?;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut titled = false;
    // A byte order mark is no part of the first number.
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let cells: Vec<&str> = line.split([',', ';', ' ', '\t']).filter(|cell| !cell.is_empty()).collect();
        let is_title = cells.iter().all(|cell| cell.parse::<f64>().is_err());
        if is_title && times.is_empty() && !titled {
            titled = true;
            continue;
        }
        let parsed: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
        match parsed[..] {
            [time, value] if cells.len() == 2 => {
                times.push(time);
                values.push(value);
            }
            _ => {
                let message = format!("line {} of `{name}` is `{line}`", number + 1);
                return Err(item.at.error(message, "two numbers a line, a time and a value"));
            }
        }
    }
    Ok((times, values))
}
