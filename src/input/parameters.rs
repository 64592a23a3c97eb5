//! Parameters: definitions in any order, overrides, and the numbers and words they stand for.

use super::document::{Entry, Item, Quantity, Table};
use super::error::{InputError, Source, Span, shown};
use super::expression::{self, Binary, Expr, Node, Quoted, Range, Sum};
use super::functions::CLOCKS;
use super::operator::subsystem;
use crate::problem::function::{CALLS, Expression};
use crate::problem::{Kind, Subsystem};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;

/// What a parameter stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A finite number.
    Number(f64),
    /// A bare word, such as the name of a graph.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(value) => write!(f, "{value:?}"),
            Value::Word(word) => f.write_str(word),
        }
    }
}

/// Names that mean something else: constants, and the key of `[verify]` that is no parameter.
pub(super) const RESERVED: [&str; 5] = ["pi", "i", "trajectories", "t", "time"];

/// Words that other programs read as numbers.
const NOT_FINITE: [&str; 3] = ["nan", "inf", "infinity"];

/// Functions of numbers.
pub(super) const FUNCTIONS: [&str; 14] =
    ["sqrt", "exp", "ln", "sin", "cos", "tan", "tanh", "abs", "min", "max", "floor", "round", "step", "gauss"];

/// Values that the index of a sum may take.
const MOST_VALUES: f64 = 1e5;

/// Names make columns, files and error messages.
const LONGEST_NAME: usize = 100;

const NUMBER: &str = "a number or an expression in a string";

/// What a parameter was set to, and where.
#[derive(Clone, Debug)]
pub(super) struct Definition<'s> {
    name: &'s str,
    name_at: Span<'s>,
    body: Body<'s>,
}

#[derive(Clone, Debug)]
enum Body<'s> {
    Number(f64, Span<'s>),
    Expression(Expr<'s>),
    /// A name that ends in .npy.
    File(&'s str, Span<'s>),
}

impl<'s> Body<'s> {
    fn of(text: Quoted<'s>) -> Result<Self, InputError> {
        match text.text.trim() {
            file if file.ends_with(".npy") => Ok(Body::File(file, text.at)),
            _ => Ok(Body::Expression(expression::parse(text)?)),
        }
    }
}

impl<'s> Definition<'s> {
    /// `key = value` of the file.
    pub(super) fn entry(entry: &Entry<'s>) -> Result<Self, InputError> {
        let body = match entry.value.quantity("a number, or a string with an expression or a word")? {
            Quantity::Number(value) => Body::Number(value, entry.value.at),
            Quantity::Text(text) => Body::of(text)?,
        };
        Ok(Self { name: entry.key, name_at: entry.key_at, body })
    }

    /// `-p name=value` of the command line, for a parameter of the file.
    pub(super) fn option(option: &'s Source, name: &str, file: &Scope<'_>) -> Result<Self, InputError> {
        let start = "-p ".len();
        let name_at = option.span(start, start + name.len());
        if file.get(name).is_none() {
            return Err(name_at.unknown("parameter", name, file.names()));
        }
        let value_at = option.span(start + name.len() + 1, option.text().len());
        let body = Body::of(Quoted::verbatim(value_at))?;
        Ok(Self { name: name_at.text(), name_at, body })
    }

    fn at(&self) -> Span<'s> {
        match &self.body {
            Body::Number(_, at) | Body::File(_, at) => *at,
            Body::Expression(expression) => expression.at,
        }
    }

    fn references(&self) -> Vec<(&'s str, Span<'s>)> {
        match &self.body {
            Body::Number(..) | Body::File(..) => Vec::new(),
            Body::Expression(expression) => expression.names(),
        }
    }
}

/// A number and the place to blame if it does not fit: the definition where it is a parameter by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'s> {
    pub(super) value: f64,
    pub(super) at: Span<'s>,
}

impl Number<'_> {
    /// The value if `allowed`.
    pub(super) fn check(self, what: &str, allowed: bool, expected: &str) -> Result<f64, InputError> {
        if allowed { Ok(self.value) } else { Err(self.at.error(format!("{what} is {}", shown(self.value)), expected)) }
    }

    pub(super) fn non_negative(self, what: &str) -> Result<f64, InputError> {
        self.check(what, self.value >= 0.0, "a finite number ≥ 0")
    }

    /// A whole number in `range`, up to rounding in the last digits of an expression.
    pub(super) fn whole(self, what: &str, range: RangeInclusive<u64>) -> Result<u64, InputError> {
        let (least, most) = (*range.start() as f64, *range.end() as f64);
        let nearest = self.value.round();
        let whole = (self.value - nearest).abs() <= 1e-12 * nearest.abs();
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.check(what, whole && least <= nearest && nearest <= most, &expected)?;
        Ok(nearest as u64)
    }
}

/// All parameters with their values.
#[derive(Clone, Debug)]
pub(super) struct Scope<'s> {
    definitions: Vec<Definition<'s>>,
    values: Vec<Option<Value>>,
    index: HashMap<&'s str, usize>,
    /// Indices of the sums that are being taken, with their values.
    bound: RefCell<Vec<(&'s str, f64)>>,
    /// Functions of time by name, see `functions.rs`.
    pub(super) functions: Vec<(&'s str, Expression)>,
}

impl<'s> Scope<'s> {
    /// The parameters as the file defines them.
    pub(super) fn of(section: Option<&Table<'s>>) -> Result<Self, InputError> {
        let mut definitions = Vec::new();
        for entry in section.iter().flat_map(|table| table.entries()) {
            identifier("parameter", entry.key, entry.key_at)?;
            if RESERVED.contains(&entry.key) {
                let message = format!("`{}` cannot be the name of a parameter, it has a meaning already", entry.key);
                return Err(entry.key_at.error(message, "another name"));
            }
            definitions.push(Definition::entry(entry)?);
        }
        Self::resolve(definitions)
    }

    /// The same parameters with some definitions replaced before anything that depends on them is computed.
    pub(super) fn overridden(&self, overrides: Vec<Definition<'s>>) -> Result<Self, InputError> {
        let mut definitions = self.definitions.clone();
        let mut replaced: Vec<usize> = Vec::new();
        for new in overrides {
            let Some(&at) = self.index.get(new.name) else {
                return Err(new.name_at.unknown("parameter", new.name, self.names()));
            };
            if replaced.contains(&at) {
                return Err(new.name_at.error(format!("`{}` is set twice", new.name), "one value"));
            }
            replaced.push(at);
            definitions[at] = new;
        }
        let scope = Self::resolve(definitions)?;
        for at in replaced {
            let definition = &scope.definitions[at];
            match (&self.values[at], &scope.values[at]) {
                (Some(Value::Number(number)), Some(Value::Word(word))) => {
                    let expected = format!("a number or an expression; in the file it is {}", shown(*number));
                    let message = format!("`{}` is the word `{word}`, not a number", definition.name);
                    return Err(definition.at().error(message, expected));
                }
                (Some(Value::Word(word)), Some(Value::Number(_))) => {
                    let message = format!("`{}` is a number here", definition.name);
                    return Err(definition.at().error(message, format!("a word such as `{word}`")));
                }
                _ => {}
            }
        }
        Ok(scope)
    }

    /// Values in the order of dependence; a round without progress means a cycle.
    fn resolve(definitions: Vec<Definition<'s>>) -> Result<Self, InputError> {
        let index = definitions.iter().enumerate().map(|(i, d)| (d.name, i)).collect();
        let values = vec![None; definitions.len()];
        let mut scope = Self { definitions, values, index, bound: RefCell::default(), functions: Vec::new() };
        let references: Vec<Vec<(&str, Span<'s>)>> = scope.definitions.iter().map(Definition::references).collect();
        let pending = |scope: &Self, at: usize| {
            let known = |name| scope.index.get(name).filter(|&&to| scope.values[to].is_none());
            references[at].iter().find_map(|(name, span)| known(name).map(|&to| (to, *span)))
        };
        loop {
            let (mut stuck, mut progress) = (None, false);
            for at in 0..scope.values.len() {
                if scope.values[at].is_none() {
                    if pending(&scope, at).is_some() {
                        stuck = stuck.or(Some(at));
                    } else {
                        scope.values[at] = Some(scope.value(&scope.definitions[at])?);
                        progress = true;
                    }
                }
            }
            match stuck {
                None => return Ok(scope),
                Some(first) if !progress => return Err(scope.cycle(first, |at| pending(&scope, at))),
                Some(_) => {}
            }
        }
    }

    fn cycle(&self, first: usize, next: impl Fn(usize) -> Option<(usize, Span<'s>)>) -> InputError {
        let mut path = vec![first];
        let mut places = Vec::new();
        while let Some((to, at)) = path.last().and_then(|&last| next(last)) {
            places.push(at);
            let start = path.iter().position(|&p| p == to);
            path.push(to);
            if let Some(start) = start {
                let names: Vec<&str> = path[start..].iter().map(|&p| self.definitions[p].name).collect();
                let message = format!("parameters depend on each other: {}", names.join(" → "));
                return places[start].error(message, "a definition that does not come back to itself");
            }
        }
        self.definitions[first].at().error("this parameter depends on itself", "")
    }

    fn value(&self, definition: &Definition<'s>) -> Result<Value, InputError> {
        if let Some((clock, at)) =
            definition.references().iter().find(|(name, _)| CLOCKS.iter().any(|(c, _)| c == name))
        {
            let message = format!("`{clock}` changes with time, and a parameter does not");
            return Err(at.error(message, "a number; names for functions of time belong in `[functions]`"));
        }
        match &definition.body {
            Body::Number(value, _) => Ok(Value::Number(*value)),
            Body::File(name, _) => Ok(Value::Word((*name).to_owned())),
            Body::Expression(expression) => match expression.node {
                Node::Name(name) if name != "pi" => match self.get(name) {
                    Some(value) => Ok(value.clone()),
                    None if NOT_FINITE.contains(&name.to_lowercase().as_str()) => {
                        Err(expression.at.error(format!("`{name}` is not a finite number"), "a finite number"))
                    }
                    None => Ok(Value::Word(name.to_owned())),
                },
                _ => self.evaluate(expression).map(Value::Number),
            },
        }
    }

    /// Names and values in the order of the file.
    pub(super) fn list(&self) -> Vec<(String, Value)> {
        let named = |(d, v): (&Definition<'s>, &Option<Value>)| v.clone().map(|v| (d.name.to_owned(), v));
        self.definitions.iter().zip(&self.values).filter_map(named).collect()
    }

    pub(super) fn names(&self) -> Vec<&'s str> {
        self.definitions.iter().map(|d| d.name).collect()
    }

    /// The value of an index of a sum that is being taken.
    pub(super) fn bound(&self, name: &str) -> Option<f64> {
        self.bound.borrow().iter().rev().find(|(index, _)| *index == name).map(|(_, value)| *value)
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.index.get(name).and_then(|&at| self.values[at].as_ref())
    }

    /// The word that a parameter stands for, or the name itself.
    pub(super) fn meant<'a>(&'a self, name: &'a str) -> &'a str {
        match self.get(name) {
            Some(Value::Word(word)) => word,
            _ => name,
        }
    }

    /// Where the value of an expression was decided: the definition behind a lone name.
    pub(super) fn origin(&self, expression: &Expr<'s>) -> Span<'s> {
        let (mut node, mut at) = (&expression.node, expression.at);
        while let Node::Name(name) = node {
            let Some(definition) = self.index.get(name).map(|&i| &self.definitions[i]) else { break };
            at = definition.at();
            match &definition.body {
                Body::Number(..) | Body::File(..) => break,
                Body::Expression(expression) => node = &expression.node,
            }
        }
        at
    }

    /// A number or the value of an expression.
    pub(super) fn number(&self, item: &Item<'s>) -> Result<Number<'s>, InputError> {
        match item.quantity(NUMBER)? {
            Quantity::Number(value) => Ok(Number { value, at: item.at }),
            Quantity::Text(text) => self.number_of(&expression::parse(text)?),
        }
    }

    pub(super) fn number_of(&self, expression: &Expr<'s>) -> Result<Number<'s>, InputError> {
        Ok(Number { value: self.evaluate(expression)?, at: self.origin(expression) })
    }

    /// One of the words `allowed`, written out or by a parameter that stands for one.
    pub(super) fn choice(
        &self,
        kind: &str,
        word: &Expr<'s>,
        allowed: &[&'static str],
    ) -> Result<&'static str, InputError> {
        let find = |word: &str| allowed.iter().find(|a| **a == word).copied();
        let Node::Name(name) = word.node else {
            return Err(word.at.unknown(kind, word.at.text(), allowed.iter().copied()));
        };
        let name = match (find(name), self.get(name)) {
            (None, Some(Value::Word(word))) => word,
            _ => name,
        };
        find(name).ok_or_else(|| self.origin(word).unknown(kind, name, allowed.iter().copied()))
    }

    fn evaluate(&self, expression: &Expr<'s>) -> Result<f64, InputError> {
        let value = match &expression.node {
            Node::Number(value) => *value,
            Node::Name(name) => self.named(name, expression)?,
            Node::Call { name, name_at, arguments } => {
                let arguments = arguments.iter().map(|a| self.evaluate(a)).collect::<Result<Vec<_>, _>>();
                self.callable(name, *name_at)?;
                function(name, *name_at).and_then(|f| f(&arguments?))?
            }
            Node::Transition { .. } => {
                return Err(expression.at.error("an operator cannot stand where a number is expected", NUMBER));
            }
            Node::Negative(inner) => -self.evaluate(inner)?,
            Node::Sum(sum) => {
                let mut total = 0.0;
                self.over(sum, &[], |body| {
                    total += self.evaluate(body)?;
                    Ok(())
                })?;
                total
            }
            Node::Sequence { first, rest } => {
                let mut value = self.evaluate(first)?;
                for (binary, right) in rest {
                    value = finite(arithmetic(*binary, value, self.evaluate(right)?), first.at.to(right.at))?;
                }
                value
            }
        };
        finite(value, expression.at)
    }

    /// Call `term` with the body of a sum for every value of its indices, which names then stand for.
    ///
    /// # Errors
    /// An index that has a meaning already, a range that is none, and what `term` fails with, with the index it failed at.
    pub(super) fn over(
        &self,
        sum: &Sum<'s>,
        parts: &[Subsystem],
        mut term: impl FnMut(&Expr<'s>) -> Result<(), InputError>,
    ) -> Result<(), InputError> {
        for &(index, at) in &sum.indices {
            if self.get(index).is_some() || index == "pi" || parts.iter().any(|part| part.name == index) {
                return Err(at.error(format!("`{index}` has a meaning already"), "another name for the index"));
            }
        }
        let depth = self.bound.borrow().len();
        for values in self.values_of(sum, parts)? {
            self.bound.borrow_mut().extend(sum.indices.iter().map(|(name, _)| *name).zip(values.iter().copied()));
            let result = term(&sum.body);
            self.bound.borrow_mut().truncate(depth);
            result.map_err(|error| {
                let when = sum.indices.iter().zip(&values).map(|((name, _), value)| format!("{name} = {value}"));
                error.at(&format!("at {}", when.collect::<Vec<_>>().join(", ")))
            })?;
        }
        Ok(())
    }

    /// The value of an expression with `index` standing for a number.
    pub(super) fn at(&self, index: &'s str, value: f64, expression: &Expr<'s>) -> Result<f64, InputError> {
        self.with(&[(index, value)], expression)
    }

    /// The value of an expression with some names standing for numbers.
    pub(super) fn with(&self, numbers: &[(&'s str, f64)], expression: &Expr<'s>) -> Result<f64, InputError> {
        let depth = self.bound.borrow().len();
        self.bound.borrow_mut().extend(numbers);
        let found = self.evaluate(expression);
        self.bound.borrow_mut().truncate(depth);
        found
    }

    /// The values that the indices of a sum take.
    fn values_of(&self, sum: &Sum<'s>, parts: &[Subsystem]) -> Result<Vec<Vec<f64>>, InputError> {
        let network = |name: &str, at: Span<'s>| match &parts[subsystem(parts, name, at)?.index()].kind {
            Kind::Network { cells, edges } => Ok((*cells, edges)),
            other => {
                let message = format!("`{name}` is {}, its parts have no numbers", other.described());
                Err(at.error(message, "a network `{ cells = …, graph = … }`"))
            }
        };
        let values = match &sum.over {
            Range::Cells(name, at) => (0..network(name, *at)?.0).map(|cell| vec![cell as f64]).collect(),
            Range::Edges(name, at) => network(name, *at)?.1.iter().map(|&(a, b)| vec![a as f64, b as f64]).collect(),
            Range::Numbers(ends) => {
                let [first, last] = &**ends;
                let (from, to) = (self.evaluate(first)?, self.evaluate(last)?);
                if from.fract() != 0.0 || to.fract() != 0.0 || !(to - from < MOST_VALUES) {
                    let message = format!("an index cannot run from {} to {}", shown(from), shown(to));
                    return Err(first
                        .at
                        .to(last.at)
                        .error(message, format!("whole numbers, at most {MOST_VALUES} of them")));
                }
                (0..(to - from + 1.0).max(0.0) as u64).map(|k| vec![from + k as f64]).collect()
            }
        };
        let wanted = if matches!(sum.over, Range::Edges(..)) { 2 } else { 1 };
        match sum.indices.as_slice() {
            indices if indices.len() == wanted => Ok(values),
            [(_, at), ..] if wanted == 2 => Err(at.error("an edge has two ends", "`(i, j) in edges(B)`")),
            [(_, at), ..] => Err(at.error("two indices run over edges only", "one index")),
            [] => Ok(Vec::new()),
        }
    }

    /// The number a name stands for.
    pub(super) fn named(&self, name: &str, expression: &Expr<'s>) -> Result<f64, InputError> {
        if let Some(value) = self.bound(name) {
            return Ok(value);
        }
        match self.get(name) {
            Some(Value::Number(value)) => Ok(*value),
            Some(Value::Word(word)) => {
                let message = format!("`{name}` is the word `{word}`, not a number");
                let unknown = self.origin(expression).unknown("parameter", word, self.names());
                Err(self.origin(expression).error(message, format!("a number or {}", unknown.expected)))
            }
            None if name == "pi" => Ok(std::f64::consts::PI),
            None if name == "i" => {
                Err(expression.at.error("the imaginary unit `i` has no place here", "a real number"))
            }
            None if self.function_named(name).is_some() => {
                let message = format!("`{name}` changes with time, and this is a number");
                Err(expression
                    .at
                    .error(message, "a number; terms of H, drives, rates and jump operators may change with time"))
            }
            None if name == "j" => Err(expression.at.error("unknown parameter `j`", "`i` for the imaginary unit")),
            None => Err(expression.at.unknown("parameter", name, self.names())),
        }
    }

    /// Refuse to call what is no function: a parameter in front of a bracket, a function of time with an argument.
    pub(super) fn callable(&self, name: &str, at: Span<'s>) -> Result<(), InputError> {
        if FUNCTIONS.contains(&name) || super::operator::NAMES.contains(&name) {
            return Ok(());
        }
        if self.function_named(name).is_some() {
            let message = format!("`{name}` is given an argument");
            return Err(at.error(message, format!("`{name}` alone, which is a function of time by itself")));
        }
        match (self.get(name), name) {
            (Some(_), _) => {
                Err(at.error(format!("`{name}` is a parameter, no function"), format!("`{name}*(…)` for a product")))
            }
            (None, "log") => Err(at.error("unknown function `log`", "`ln`, the natural logarithm")),
            (None, "sigmax" | "sigmay" | "sigmaz" | "sigmam" | "sigmap") => {
                let short = name.replace("igma", "");
                Err(at.error(format!("unknown operator `{name}`"), format!("`{short}(…)` of a subsystem")))
            }
            _ => Ok(()),
        }
    }
}

/// A plain name that expressions can hold.
pub(super) fn identifier(kind: &str, name: &str, at: Span<'_>) -> Result<(), InputError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.len() > LONGEST_NAME {
        let message = format!("the name of this {kind} has {} characters", name.chars().count());
        return Err(at.error(message, format!("at most {LONGEST_NAME}")));
    }
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(plain) {
        return Ok(());
    }
    let message = format!("`{}` cannot be the name of a {kind}", name.escape_debug());
    Err(at.error(message, "letters, digits and `_`, no digit first"))
}

pub(super) fn arithmetic(binary: Binary, left: f64, right: f64) -> f64 {
    match binary {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        Binary::Power => left.powf(right),
    }
}

pub(super) fn finite(value: f64, at: Span<'_>) -> Result<f64, InputError> {
    if value.is_finite() { Ok(value) } else { Err(at.error(format!("this is {value}"), "a finite number")) }
}

/// The function called `name`, of as many arguments as it takes.
pub(super) fn function<'s>(
    name: &'s str,
    at: Span<'s>,
) -> Result<impl Fn(&[f64]) -> Result<f64, InputError> + 's, InputError> {
    if super::operator::NAMES.contains(&name) {
        return Err(at.error(format!("the operator `{name}` cannot stand where a number is expected"), NUMBER));
    }
    if !FUNCTIONS.contains(&name) {
        return Err(at.unknown("function", name, FUNCTIONS));
    }
    Ok(move |arguments: &[f64]| match (name, arguments) {
        ("gauss", numbers @ [_, ..]) => gauss(numbers, at),
        ("min" | "max", [_, ..]) | (_, [_]) if name != "gauss" => {
            let call = CALLS.iter().find(|(known, _)| *known == name);
            Ok(call.map_or(f64::NAN, |(_, call)| call.of(arguments)))
        }
        _ => Err(at.error(format!("`{name}` is given {} arguments", arguments.len()), "one")),
    })
}

/// A standard normal number that belongs to whole numbers, the first of them a seed: disorder that is the same wherever it
/// is written.
fn gauss(numbers: &[f64], at: Span<'_>) -> Result<f64, InputError> {
    let mut seed = [0; 32];
    for (place, number) in numbers.iter().enumerate() {
        if place >= 4 || number.fract() != 0.0 || !(0.0..=9e15).contains(number) {
            let message = format!("`gauss` is given {}", shown(*number));
            return Err(at.error(message, "one to four whole numbers from 0 to 9·10¹⁵, the first a seed"));
        }
        // One more than the number, so that gauss(1) and gauss(1, 0) differ.
        seed[8 * place..8 * place + 8].copy_from_slice(&(*number as u64 + 1).to_le_bytes());
    }
    Ok(StandardNormal.sample(&mut ChaCha8Rng::from_seed(seed)))
}
