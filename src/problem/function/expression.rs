//! Real functions of time as written: numbers, `t`, `time`, arithmetic, and the usual functions.

use super::table::Table;
use std::fmt;
use std::sync::Arc;

/// A function of `t`, the time since the step began, and of `time`, since the run began.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number.
    Number(f64),
    /// `t`.
    StepTime,
    /// `time`.
    RunTime,
    /// A sum.
    Sum(Vec<Expression>),
    /// A product.
    Product(Vec<Expression>),
    /// A quotient, numerator first.
    Quotient(Box<Expression>, Box<Expression>),
    /// A power, base first.
    Power(Box<Expression>, Box<Expression>),
    /// A function of one argument, or the least or largest of several.
    Call(Call, Vec<Expression>),
    /// A table at the value of an expression.
    Table(Arc<Table>, Box<Expression>),
}

/// A function of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// eˣ.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Hyperbolic tangent.
    Tanh,
    /// Square root.
    Sqrt,
    /// Absolute value.
    Abs,
    /// Largest whole number that is no larger.
    Floor,
    /// Nearest whole number, halves away from 0.
    Round,
    /// 0 below 0, 1 from 0 on.
    Step,
    /// The least.
    Min,
    /// The largest.
    Max,
}

/// Names as written, one for each.
pub const CALLS: [(&str, Call); 13] = [
    ("exp", Call::Exp),
    ("ln", Call::Ln),
    ("sin", Call::Sin),
    ("cos", Call::Cos),
    ("tan", Call::Tan),
    ("tanh", Call::Tanh),
    ("sqrt", Call::Sqrt),
    ("abs", Call::Abs),
    ("floor", Call::Floor),
    ("round", Call::Round),
    ("step", Call::Step),
    ("min", Call::Min),
    ("max", Call::Max),
];

impl Call {
    /// Its name as written.
    pub fn name(self) -> &'static str {
        CALLS.iter().find(|(_, call)| *call == self).map_or("", |(name, _)| name)
    }

    /// Its value at the first of these numbers, or at all of them for the least and the largest.
    pub fn of(self, x: &[f64]) -> f64 {
        let first = x.first().copied().unwrap_or(f64::NAN);
        match self {
            Call::Exp => first.exp(),
            Call::Ln => first.ln(),
            Call::Sin => first.sin(),
            Call::Cos => first.cos(),
            Call::Tan => first.tan(),
            Call::Tanh => first.tanh(),
            Call::Sqrt => first.sqrt(),
            Call::Abs => first.abs(),
            Call::Floor => first.floor(),
            Call::Round => first.round(),
            Call::Step if first.is_nan() => first,
            Call::Step => f64::from(first >= 0.0),
            Call::Min => x.iter().copied().fold(f64::INFINITY, f64::min),
            Call::Max => x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

impl Expression {
    /// The sum of both.
    pub fn plus(self, other: Expression) -> Expression {
        Expression::Sum(vec![self, other]).simplified()
    }

    /// The product of both.
    pub fn times(self, other: Expression) -> Expression {
        Expression::Product(vec![self, other]).simplified()
    }

    /// The value at `t` since the step began, `time` since the run began.
    pub fn at(&self, t: f64, time: f64) -> f64 {
        match self {
            Expression::Number(value) => *value,
            Expression::StepTime => t,
            Expression::RunTime => time,
            Expression::Sum(terms) => terms.iter().map(|x| x.at(t, time)).sum(),
            Expression::Product(factors) => factors.iter().map(|x| x.at(t, time)).product(),
            Expression::Quotient(above, below) => above.at(t, time) / below.at(t, time),
            Expression::Power(base, power) => raised(base.at(t, time), power.at(t, time)),
            Expression::Call(call, arguments) => match arguments.as_slice() {
                [one] => call.of(&[one.at(t, time)]),
                all => call.of(&all.iter().map(|x| x.at(t, time)).collect::<Vec<_>>()),
            },
            Expression::Table(table, at) => table.at(at.at(t, time)),
        }
    }

    fn parts(&self) -> Vec<&Expression> {
        match self {
            Expression::Number(_) | Expression::StepTime | Expression::RunTime => Vec::new(),
            Expression::Sum(all) | Expression::Product(all) | Expression::Call(_, all) => all.iter().collect(),
            Expression::Quotient(a, b) | Expression::Power(a, b) => vec![a, b],
            Expression::Table(_, at) => vec![at],
        }
    }

    /// How many numbers, clocks, and operations it is made of.
    pub fn size(&self) -> usize {
        1 + self.parts().into_iter().map(Expression::size).sum::<usize>()
    }

    /// Whether it changes with `t`.
    pub fn uses_step_time(&self) -> bool {
        *self == Expression::StepTime || self.parts().into_iter().any(Expression::uses_step_time)
    }

    /// Whether it changes with `time`.
    pub fn uses_run_time(&self) -> bool {
        *self == Expression::RunTime || self.parts().into_iter().any(Expression::uses_run_time)
    }

    /// The number that it is, if it never changes.
    pub fn constant(&self) -> Option<f64> {
        (!self.uses_step_time() && !self.uses_run_time()).then(|| self.at(0.0, 0.0))
    }

    /// With numbers put together, and sums and products flat.
    pub fn simplified(&self) -> Expression {
        if let Some(value) = self.constant() {
            return Expression::Number(value);
        }
        let all = |parts: &[Expression]| parts.iter().map(Expression::simplified).collect::<Vec<_>>();
        match self {
            Expression::Sum(terms) => {
                let mut flat = Vec::new();
                for term in all(terms) {
                    match term {
                        Expression::Sum(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                let number: f64 = flat.iter().filter_map(Expression::constant).sum();
                flat.retain(|x| x.constant().is_none());
                if number != 0.0 {
                    flat.push(Expression::Number(number));
                }
                if flat.len() == 1 { flat.remove(0) } else { Expression::Sum(flat) }
            }
            Expression::Product(factors) => {
                let mut flat = Vec::new();
                for factor in all(factors) {
                    match factor {
                        Expression::Product(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                let number: f64 = flat.iter().filter_map(Expression::constant).product();
                flat.retain(|x| x.constant().is_none());
                if number == 0.0 {
                    return Expression::Number(0.0);
                }
                if number != 1.0 {
                    flat.insert(0, Expression::Number(number));
                }
                if flat.len() == 1 { flat.remove(0) } else { Expression::Product(flat) }
            }
            Expression::Quotient(a, b) => match (a.simplified(), b.simplified()) {
                (a, Expression::Number(1.0)) => a,
                (a, b) => Expression::Quotient(Box::new(a), Box::new(b)),
            },
            Expression::Power(a, b) => match (a.simplified(), b.simplified()) {
                (a, Expression::Number(1.0)) => a,
                (a, b) => Expression::Power(Box::new(a), Box::new(b)),
            },
            Expression::Call(call, arguments) => Expression::Call(*call, all(arguments)),
            Expression::Table(table, at) => Expression::Table(table.clone(), Box::new(at.simplified())),
            other => other.clone(),
        }
    }

    /// The same with `t` and `time` multiplied by `factor`, and so is the value: where rates count so many times as much.
    pub fn in_units(&self, factor: f64) -> Expression {
        Expression::Product(vec![Expression::Number(factor), self.with_time_times(factor)])
    }

    fn with_time_times(&self, factor: f64) -> Expression {
        let all = |parts: &[Expression]| parts.iter().map(|x| x.with_time_times(factor)).collect::<Vec<_>>();
        let one = |part: &Expression| Box::new(part.with_time_times(factor));
        match self {
            Expression::StepTime | Expression::RunTime => {
                Expression::Product(vec![Expression::Number(factor), self.clone()])
            }
            Expression::Number(_) => self.clone(),
            Expression::Sum(terms) => Expression::Sum(all(terms)),
            Expression::Product(factors) => Expression::Product(all(factors)),
            Expression::Call(call, arguments) => Expression::Call(*call, all(arguments)),
            Expression::Quotient(a, b) => Expression::Quotient(one(a), one(b)),
            Expression::Power(a, b) => Expression::Power(one(a), one(b)),
            Expression::Table(table, at) => Expression::Table(table.clone(), one(at)),
        }
    }

    /// All tables in it.
    pub fn tables(&self) -> Vec<&Arc<Table>> {
        let own = if let Expression::Table(table, _) = self { Some(table) } else { None };
        own.into_iter().chain(self.parts().into_iter().flat_map(Expression::tables)).collect()
    }

    /// How tightly it binds where it is written: a sum, a product, a power, or something closed.
    fn binding(&self) -> u8 {
        match self {
            Expression::Sum(_) => 0,
            Expression::Number(value) if *value < 0.0 => 0,
            Expression::Product(_) | Expression::Quotient(..) => 1,
            Expression::Power(..) => 2,
            _ => 3,
        }
    }

    /// Written in a language whose words `notation` knows.
    pub fn written(&self, notation: &dyn Notation) -> String {
        let inside = |part: &Expression, binding: u8| {
            let text = part.written(notation);
            if part.binding() < binding { format!("({text})") } else { text }
        };
        match self {
            Expression::Number(value) => notation.number(*value),
            Expression::StepTime => notation.step_time(),
            Expression::RunTime => notation.run_time(),
            Expression::Sum(terms) => {
                let mut text = String::new();
                for (k, term) in terms.iter().enumerate() {
                    let written = term.written(notation);
                    match written.strip_prefix('-') {
                        _ if k == 0 => text.push_str(&written),
                        Some(rest) if matches!(term, Expression::Number(_) | Expression::Product(_)) => {
                            text.push_str(&format!(" - {rest}"));
                        }
                        _ => text.push_str(&format!(" + {}", inside(term, 0))),
                    }
                }
                text
            }
            Expression::Product(factors) => {
                let (sign, factors) = match factors.split_first() {
                    Some((Expression::Number(-1.0), rest)) if !rest.is_empty() => ("-", rest),
                    _ => ("", &factors[..]),
                };
                let written = factors.iter().enumerate().map(|(k, factor)| match factor {
                    Expression::Number(_) if k == 0 => factor.written(notation),
                    Expression::Quotient(..) if k > 0 => inside(factor, 2),
                    _ => inside(factor, 1),
                });
                format!("{sign}{}", written.collect::<Vec<_>>().join(notation.times()))
            }
            Expression::Quotient(a, b) => {
                notation.quotient(&a.written(notation), &b.written(notation), &inside(a, 1), &inside(b, 2))
            }
            Expression::Power(a, b) => notation.power(&inside(a, 3), &b.written(notation), &inside(b, 3)),
            Expression::Call(call, arguments) => {
                notation.call(*call, &arguments.iter().map(|x| x.written(notation)).collect::<Vec<_>>())
            }
            Expression::Table(table, at) => notation.table(table, &at.written(notation)),
        }
    }
}

/// A way of writing expressions.
pub trait Notation {
    /// A number.
    fn number(&self, value: f64) -> String;
    /// `t`.
    fn step_time(&self) -> String;
    /// `time`.
    fn run_time(&self) -> String;
    /// Between factors.
    fn times(&self) -> &str;
    /// A quotient, of operands bare and with the parentheses that a line needs.
    fn quotient(&self, above: &str, below: &str, above_inside: &str, below_inside: &str) -> String;
    /// A power; the exponent bare and with the parentheses that a line needs.
    fn power(&self, base: &str, exponent: &str, exponent_inside: &str) -> String;
    /// A function.
    fn call(&self, call: Call, arguments: &[String]) -> String;
    /// A table.
    fn table(&self, table: &Table, at: &str) -> String;
}

/// As it stands in an input.
struct AsWritten;

impl Notation for AsWritten {
    fn number(&self, value: f64) -> String {
        format!("{value}")
    }
    fn step_time(&self) -> String {
        "t".into()
    }
    fn run_time(&self) -> String {
        "time".into()
    }
    fn times(&self) -> &str {
        "*"
    }
    fn quotient(&self, _: &str, _: &str, above: &str, below: &str) -> String {
        format!("{above}/{below}")
    }
    fn power(&self, base: &str, _: &str, exponent: &str) -> String {
        format!("{base}^{exponent}")
    }
    fn call(&self, call: Call, arguments: &[String]) -> String {
        format!("{}({})", call.name(), arguments.join(", "))
    }
    fn table(&self, table: &Table, at: &str) -> String {
        format!("{}({at})", table.name)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(&AsWritten))
    }
}

/// x^y, whole powers by multiplication so that negative bases have them.
pub fn raised(x: f64, y: f64) -> f64 {
    if y.fract() == 0.0 && y.abs() <= 1024.0 { x.powi(y as i32) } else { x.powf(y) }
}
