//! Operators: expressions evaluated to a complex number or to a sum of products of elementary operators.

use super::cells::of_cells;
use super::error::{InputError, Span};
use super::expression::{Binary, Expr, Level, Node};
use super::functions;
use super::modulated::{Modulated, Operand, Operand::Function, Operand::Number, Operand::Operator};
use super::parameters::{FUNCTIONS, Scope, arithmetic, function};
use super::subsystems::Parts;
use crate::problem::function::Expression;
use crate::problem::{Acting, Factor, Kind, Op, OpSum, Subsystem, SubsystemId, Term};
use num_complex::Complex64;

/// Elementary operators of one subsystem; those with a capital are sums over its cells by definition.
/// `hop` is the exchange over the edges of a network, `c` and `cd` are fermions on its cells.
pub(super) const NAMES: [&str; 17] =
    ["sm", "sp", "sx", "sy", "sz", "n", "Sm", "Sp", "Sx", "Sy", "Sz", "a", "ad", "hop", "bonds", "c", "cd"];

/// Bounds on what one expression may expand to.
const MOST_TERMS: f64 = 4096.0;
const MOST_FACTORS: usize = 64;
const HIGHEST_POWER: f64 = 16.0;

/// What names mean inside an operator.
#[derive(Clone, Copy)]
pub(super) struct Context<'s, 'a> {
    pub(super) scope: &'a Scope<'s>,
    pub(super) parts: &'a Parts,
    /// Whether the operator acts on each cell in turn.
    pub(super) each: bool,
    /// Of a group of equal subsystems, the one that is meant instead of all.
    pub(super) member: Option<(&'a str, SubsystemId)>,
}

/// What it would take to treat the cells of an ensemble one by one.
pub(super) fn single_cells(name: &str, cells: u64) -> String {
    let states = 2f64.powf(cells as f64);
    let size = match states.is_finite() {
        true => format!("2^{cells} = {states:.2e} states, {:.1e} bytes a vector", 16.0 * states),
        false => format!("2^{cells} states"),
    };
    let fits = if cells <= 24 { "which fits" } else { "too many: at most 24 cells fit" };
    format!(
        "single cells, `{name} = {{ cells = {cells}, graph = \"none\" }}`: the full or sectors representation, {size}, {fits}"
    )
}

/// The subsystem called `name`.
pub(super) fn subsystem(subsystems: &[Subsystem], name: &str, at: Span<'_>) -> Result<SubsystemId, InputError> {
    if let Some(found) = subsystems.iter().position(|s| s.name == name) {
        return Ok(SubsystemId::new(found));
    }
    let number = |part: &Subsystem| part.name.strip_prefix(name).and_then(|rest| rest.parse::<u32>().ok()).is_some();
    let copies: Vec<String> = subsystems.iter().filter(|s| number(s)).map(|s| format!("`{}`", s.name)).collect();
    match copies.as_slice() {
        [] => Err(at.unknown("subsystem", name, subsystems.iter().map(|s| s.name.as_str()))),
        _ if !name.ends_with(|c: char| c.is_ascii_digit()) => {
            let shown = copies.len().min(MOST_COPIES_SHOWN);
            let more = if copies.len() > shown { ", …" } else { "" };
            let message = format!("`{name}` is no single subsystem here");
            Err(at.error(message, format!("one of its copies: {}{more}", copies[..shown].join(", "))))
        }
        _ => Err(at.unknown("subsystem", name, subsystems.iter().map(|s| s.name.as_str()))),
    }
}

/// Copies that a message names.
const MOST_COPIES_SHOWN: usize = 4;

impl<'s, 'a> Context<'s, 'a> {
    /// Operators of the whole system.
    pub(super) fn whole(scope: &'a Scope<'s>, parts: &'a Parts) -> Self {
        Self { scope, parts, each: false, member: None }
    }

    /// The subsystems that a name in an operator stands for: one, or the sum over a group.
    fn meant(&self, name: &str, at: Span<'s>) -> Result<Vec<SubsystemId>, InputError> {
        match (self.member, self.parts.group(name)) {
            (Some((group, id)), _) if group == name => Ok(vec![id]),
            (_, Some(members)) => Ok(members.to_vec()),
            _ => Ok(vec![subsystem(&self.parts.all, name, at)?]),
        }
    }

    /// The group that `expression` acts on each member of, if it does.
    pub(super) fn group_of(&self, expression: &Expr<'s>) -> Option<(&'s str, &'a [SubsystemId])> {
        let mut calls = Vec::new();
        operator_calls(expression, &mut calls);
        calls.into_iter().find_map(|(name, _)| Some((name, self.parts.group(name)?)))
    }

    /// The operator sum that `expression` stands for; `instead` is what to do where it changes with time.
    ///
    /// # Errors
    /// It names something unknown, puts an operator on the wrong kind of subsystem, or is only a number.
    pub(super) fn operator(&self, expression: &Expr<'s>, instead: &str) -> Result<OpSum, InputError> {
        let sum = self.modulated(expression)?;
        match sum.varying.first() {
            None => Ok(sum.fixed),
            Some((f, _)) => {
                let message = format!("this operator changes with time, as {f}");
                Err(expression.at.error(message, format!("a fixed operator; {instead}")))
            }
        }
    }

    /// The operator sum that `expression` stands for, functions of time included.
    ///
    /// # Errors
    /// As [`operator`](Self::operator).
    pub(super) fn modulated(&self, expression: &Expr<'s>) -> Result<Modulated, InputError> {
        match self.evaluate(expression)? {
            Operator(sum) => Ok(sum),
            Number(_) => Err(expression.at.error("this is a number, not an operator", "an operator such as `sm(B)`")),
            Function(..) => {
                Err(expression.at.error("this is a function, not an operator", "a function times an operator"))
            }
        }
    }

    /// The complex number that `expression` stands for.
    ///
    /// # Errors
    /// It is an operator, or names something unknown.
    pub(super) fn complex(&self, expression: &Expr<'s>) -> Result<Complex64, InputError> {
        let mut calls = Vec::new();
        operator_calls(expression, &mut calls);
        match (calls.as_slice(), self.evaluate(expression)) {
            ([], Ok(Number(value))) => Ok(value),
            ([], Err(error)) => Err(error),
            ([], Ok(Function(..))) => {
                let message = format!("`{}` changes with time, and this is a number", expression.at.text());
                Err(expression.at.error(message, "a complex number"))
            }
            _ => Err(expression.at.error("this is an operator, not a number", "a complex number")),
        }
    }

    /// The operator on each cell of one subsystem, and that subsystem.
    pub(super) fn on_each(&self, expression: &Expr<'s>) -> Result<(SubsystemId, OpSum), InputError> {
        let mut calls = Vec::new();
        operator_calls(expression, &mut calls);
        let operator = self.operator(expression, "on each cell only `rate` may change with time")?;
        let mut acted = None;
        for (name, at) in calls {
            let this = self.meant(name, at)?[0];
            let found = &self.parts.all[this];
            if self.member.is_none() && !matches!(found.kind, Kind::Ensemble { .. } | Kind::Network { .. }) {
                let message = format!("`{name}` is {}, it has no cells", found.kind.described());
                return Err(at.error(message, "an ensemble or a network inside `each`"));
            }
            if *acted.get_or_insert(this) != this {
                let message = "an operator on each cell of one subsystem cannot act on another";
                return Err(at.error(message, "one subsystem inside `each`; use `operator` for a single jump operator"));
            }
        }
        match acted {
            Some(acted) => Ok((acted, operator)),
            None => Err(expression.at.error("this acts on nothing", "an operator such as `sm(B)`")),
        }
    }

    fn evaluate(&self, expression: &Expr<'s>) -> Result<Operand, InputError> {
        let at = expression.at;
        let value = match &expression.node {
            Node::Number(value) => Number(Complex64::from(*value)),
            Node::Name(name) if self.scope.bound(name).is_some() => {
                Number(Complex64::from(self.scope.bound(name).unwrap_or_default()))
            }
            Node::Name("i") => Number(Complex64::I),
            Node::Name(name) if self.scope.function_named(name).is_some() => {
                Function(Complex64::ONE, self.scope.function_named(name).unwrap_or(Expression::Number(0.0)))
            }
            Node::Name(name) if self.scope.get(name).is_none() && self.parts.names().contains(name) => {
                return Err(
                    at.error(format!("`{name}` is a subsystem, not an operator"), "an operator such as `sm(B)`")
                );
            }
            Node::Name(name) => Number(Complex64::from(self.scope.named(name, expression)?)),
            Node::Sum(sum) => {
                let mut total = None;
                self.scope.over(sum, &self.parts.all, |body| {
                    let term = self.evaluate(body)?;
                    total = Some(match total.take() {
                        None => term,
                        Some(before) => self.binary(Binary::Add, before, term, body.at, body.at)?,
                    });
                    Ok(())
                })?;
                total.unwrap_or(Number(Complex64::ZERO))
            }
            Node::Call { name, arguments, .. } if *name == "bonds" => Operator(self.bonds(arguments, at)?.into()),
            Node::Call { name, arguments, .. } if ["c", "cd"].contains(name) => {
                Operator(self.fermion(name, arguments, at)?.into())
            }
            Node::Call { name, arguments, .. } if NAMES.contains(name) => {
                Operator(self.elementary(name, arguments, at)?.into())
            }
            Node::Call { name, name_at, arguments } => {
                self.scope.callable(name, *name_at)?;
                if !FUNCTIONS.contains(name) {
                    return Err(name_at.unknown("operator or function", name, NAMES.into_iter().chain(FUNCTIONS)));
                }
                self.function(name, *name_at, arguments)?
            }
            Node::Transition { to, from, subsystem: name, subsystem_at } => {
                let ids = self.meant(name, *subsystem_at)?;
                let (to, from) = (self.level(to)?, self.level(from)?);
                match &self.parts.all[ids[0]].kind {
                    Kind::Levels { energies } if to.max(from) < energies.len() => {
                        let each = ids.into_iter().map(|id| OpSum::of(id, Op::Transition(to, from)));
                        Operator(each.fold(OpSum::default(), |sum, op| sum + op).into())
                    }
                    Kind::Levels { energies } => {
                        let expected = format!("levels from 0 to {}", energies.len() - 1);
                        return Err(at.error(format!("`{name}` has no such level"), expected));
                    }
                    other => {
                        let message = format!("`{name}` is {}, it has no numbered levels", other.described());
                        return Err(at.error(message, "a subsystem `{ levels = […] }`"));
                    }
                }
            }
            Node::Negative(inner) => match self.evaluate(inner)? {
                Number(value) => Number(-value),
                Function(factor, f) => Function(-factor, f),
                Operator(sum) => Operator(sum.scaled(Complex64::new(-1.0, 0.0))),
            },
            Node::Sequence { first, rest } => {
                let mut value = self.evaluate(first)?;
                for (binary, right) in rest {
                    value = self.binary(*binary, value, self.evaluate(right)?, right.at, first.at.to(right.at))?;
                }
                value
            }
        };
        let finite = |c: &Complex64| c.re.is_finite() && c.im.is_finite();
        let good = match &value {
            Number(value) | Function(value, _) => finite(value),
            Operator(sum) => sum.terms().all(|t| finite(&t.coefficient)),
        };
        if good { Ok(value) } else { Err(at.error("this is not finite", "finite coefficients")) }
    }

    /// The number of a level.
    fn level(&self, level: &Level<'s>) -> Result<usize, InputError> {
        let Level { index, offset, at } = *level;
        let base = match index {
            None => 0.0,
            Some(name) => self.scope.named(name, &Expr { node: Node::Name(name), at })?,
        };
        let number = base + offset as f64;
        let good = number >= 0.0 && number.fract() == 0.0 && number < 1e9;
        if good {
            Ok(number as usize)
        } else {
            Err(at.error(format!("this is level {number}"), "a whole number ≥ 0"))
        }
    }

    /// A function of numbers or of functions of time; only exp takes complex numbers.
    fn function(&self, name: &'s str, name_at: Span<'s>, arguments: &[Expr<'s>]) -> Result<Operand, InputError> {
        let (mut numbers, mut functions) = (Vec::new(), Vec::new());
        for argument in arguments {
            match self.evaluate(argument)? {
                Number(value) if name == "exp" && arguments.len() == 1 => return Ok(Number(value.exp())),
                Number(value) if value.im == 0.0 => {
                    numbers.push(value.re);
                    functions.push(Expression::Number(value.re));
                }
                Function(factor, f) if factor.im == 0.0 => functions.push(f.times(Expression::Number(factor.re))),
                _ => return Err(argument.at.error(format!("`{name}` needs a real number"), "a real number")),
            }
        }
        if functions.len() > numbers.len() {
            return Ok(Function(Complex64::ONE, functions::called(name, name_at, functions)?));
        }
        function(name, name_at).and_then(|f| f(&numbers)).map(|value| Number(Complex64::from(value)))
    }

    fn binary(
        &self,
        binary: Binary,
        left: Operand,
        right: Operand,
        right_at: Span<'s>,
        at: Span<'s>,
    ) -> Result<Operand, InputError> {
        Ok(match (binary, left, right) {
            (_, Number(l), Number(r)) => Number(numbers(binary, l, r)),
            (_, l @ (Number(_) | Function(..)), r @ (Number(_) | Function(..))) => {
                let ((a, f), (b, g)) = (l.of_time(), r.of_time());
                self.of_time(binary, (a, f), (b, g), at)?
            }
            (Binary::Add, l, r) => Operator(l.operator().plus(r.operator())),
            (Binary::Subtract, l, r) => Operator(l.operator().plus(r.operator().scaled(Complex64::new(-1.0, 0.0)))),
            (Binary::Multiply, Number(c), Operator(sum)) | (Binary::Multiply, Operator(sum), Number(c)) => {
                Operator(sum.scaled(c))
            }
            (Binary::Multiply, Function(c, f), Operator(sum)) | (Binary::Multiply, Operator(sum), Function(c, f)) => {
                Operator(sum.scaled(c).modulated(&f))
            }
            (Binary::Multiply, Operator(l), Operator(r)) => Operator(self.product(l, r, at)?),
            (Binary::Divide, Operator(sum), Number(c)) => Operator(sum.scaled(c.inv())),
            (Binary::Divide, Operator(sum), Function(c, f)) => {
                let inverse = Expression::Quotient(Box::new(Expression::Number(1.0)), Box::new(f));
                Operator(sum.scaled(c.inv()).modulated(&inverse))
            }
            (Binary::Divide, _, Operator(_)) => {
                return Err(right_at.error("division by an operator", "a number after `/`"));
            }
            (Binary::Power, Operator(sum), Number(c)) => {
                if c.im != 0.0 || c.re.fract() != 0.0 || !(1.0..=HIGHEST_POWER).contains(&c.re) {
                    let expected = format!("a whole power of an operator, from 1 to {HIGHEST_POWER}");
                    return Err(right_at.error("this power of an operator cannot be taken", expected));
                }
                let mut power = sum.clone();
                for _ in 1..c.re as usize {
                    power = self.product(power, sum.clone(), at)?;
                }
                Operator(power)
            }
            (Binary::Power, Operator(_), Function(..)) => {
                return Err(right_at.error("a power of an operator cannot change with time", "a whole number"));
            }
            (Binary::Power, _, Operator(_)) => {
                return Err(right_at.error("an operator as a power", "a number after `^`"));
            }
        })
    }

    /// Arithmetic of functions of time.
    fn of_time(
        &self,
        binary: Binary,
        (a, f): (Complex64, Expression),
        (b, g): (Complex64, Expression),
        at: Span<'s>,
    ) -> Result<Operand, InputError> {
        let real = |factor: Complex64, f: Expression| match factor.im == 0.0 {
            true => Ok(f.times(Expression::Number(factor.re))),
            false => Err(at.error("a function of time must be real here", "a complex number times a real function")),
        };
        let (factor, function) = match binary {
            Binary::Multiply => (a * b, f.times(g)),
            Binary::Divide => (a / b, functions::combined(Binary::Divide, f, g)),
            _ => (Complex64::ONE, functions::combined(binary, real(a, f)?, real(b, g)?)),
        };
        functions::check_size(function.size(), at)?;
        Ok(Function(factor, function))
    }

    /// left·right, function by function.
    fn product(&self, left: Modulated, right: Modulated, at: Span<'s>) -> Result<Modulated, InputError> {
        let mut all = Modulated::from(self.product_of_sums(left.fixed.clone(), right.fixed.clone(), at)?);
        for (f, sum) in &left.varying {
            all.add(f.clone(), self.product_of_sums(sum.clone(), right.fixed.clone(), at)?);
            for (g, other) in &right.varying {
                all.add(f.clone().times(g.clone()), self.product_of_sums(sum.clone(), other.clone(), at)?);
            }
        }
        for (g, sum) in &right.varying {
            all.add(g.clone(), self.product_of_sums(left.fixed.clone(), sum.clone(), at)?);
        }
        all.varying.retain(|(_, sum)| !sum.terms.is_empty());
        Ok(all)
    }

    /// left·right, with products of one cell or level multiplied out.
    fn product_of_sums(&self, left: OpSum, right: OpSum, at: Span<'s>) -> Result<OpSum, InputError> {
        let longest = |sum: &OpSum| sum.terms.iter().map(|t| t.factors.len()).max().unwrap_or(0);
        // Whoever stores the operator spells σx and σy with two ladder operators each.
        let doublings = |t: &Term| t.factors.iter().filter(|f| matches!(f.op, Op::X | Op::Y)).count();
        let too_many = || {
            let expected = format!("at most {MOST_TERMS} terms of at most {MOST_FACTORS} factors");
            at.error("this product expands to too many operators", expected)
        };
        if left.terms.len().saturating_mul(right.terms.len()) as f64 > MOST_TERMS {
            return Err(too_many());
        }
        let acted = self.each.then(|| left.factors().chain(right.factors()).next().map(|f| f.subsystem)).flatten();
        let product = Acting::on_each(&self.parts.all, acted).simplified(&(left * right));
        let expanded: f64 = product.terms.iter().map(|t| 2_f64.powi(doublings(t) as i32)).sum();
        if expanded > MOST_TERMS || longest(&product) > MOST_FACTORS { Err(too_many()) } else { Ok(product) }
    }

    fn elementary(&self, name: &str, arguments: &[Expr<'s>], at: Span<'s>) -> Result<OpSum, InputError> {
        let (target, site) = match arguments {
            [target] => (target, None),
            [target, site] => (target, Some(site)),
            _ => {
                let expected = format!("`{name}(B)` of a subsystem, or `{name}(B, 0)` of one cell of a network");
                return Err(at.error(format!("`{name}` is given {} arguments", arguments.len()), expected));
            }
        };
        let Node::Name(target_name) = target.node else {
            let known = self.parts.all.iter().map(|s| s.name.as_str());
            return Err(target.at.unknown("subsystem", target.at.text(), known));
        };
        let ids = self.meant(target_name, target.at)?;
        let kind = &self.parts.all[ids[0]].kind;
        if name == "hop" {
            return ids.into_iter().try_fold(OpSum::default(), |sum, id| Ok(sum + self.hop(id, target.at, site, at)?));
        }
        let op = match name {
            "a" => Op::Annihilate,
            "ad" => Op::Create,
            _ => of_cells(&name.to_lowercase()).unwrap_or(Op::Number),
        };
        let factor = if ["Sx", "Sy", "Sz"].contains(&name) { 0.5 } else { 1.0 };
        let collective = name.starts_with('S');
        let cells = matches!(kind, Kind::Ensemble { .. } | Kind::Network { .. });
        let fits = match op {
            Op::Annihilate | Op::Create => matches!(kind, Kind::Mode { .. }),
            Op::Number => cells || matches!(kind, Kind::Mode { .. }),
            _ => cells,
        };
        if !fits {
            let expected = match kind {
                Kind::Mode { .. } => "`a`, `ad` or `n` of a mode",
                Kind::Levels { .. } => "a transition such as `|1><0|(E)`",
                _ => "`sm`, `sp`, `sx`, `sy`, `sz` or `n` of cells",
            };
            let message = format!("`{name}` cannot act on `{target_name}`, {}", kind.described());
            return Err(at.error(message, expected));
        }
        if self.each && collective {
            let small = name.to_lowercase();
            let message = format!("`{name}` is a sum over all cells and has no meaning on each of them");
            return Err(at.error(message, format!("`{small}({target_name})`, the operator of one cell")));
        }
        let site = match (site, kind) {
            (None, _) => None,
            (Some(site), _) if self.each => {
                return Err(site
                    .at
                    .error("inside `each` the operator acts on every cell in turn", "no number of a cell"));
            }
            (Some(site), Kind::Network { cells, .. }) if !collective => {
                let what = format!("the cell of `{target_name}`");
                Some(self.scope.number_of(site)?.whole(&what, 0..=(*cells as u64).saturating_sub(1))? as usize)
            }
            (Some(site), _) if collective => {
                return Err(site.at.error(format!("`{name}` acts on all cells"), "no number of a cell"));
            }
            (Some(site), Kind::Ensemble { cells }) => {
                let message =
                    format!("`{target_name}` is an ensemble, stored by its symmetry: no cell of it stands out");
                return Err(site.at.error(message, single_cells(target_name, *cells)));
            }
            (Some(site), kind) => {
                let message = format!("`{target_name}` is {}, its parts have no numbers", kind.described());
                return Err(site.at.error(message, "a network `{ cells = … }` to address single cells"));
            }
        };
        let each = ids.into_iter().map(|subsystem| OpSum::from_factor(Factor { subsystem, site, op }) * factor);
        Ok(each.fold(OpSum::default(), |sum, op| sum + op))
    }
}

fn numbers(binary: Binary, left: Complex64, right: Complex64) -> Complex64 {
    let real = left.im == 0.0 && right.im == 0.0;
    match binary {
        _ if real && (binary != Binary::Power || left.re >= 0.0 || right.re.fract() == 0.0) => {
            Complex64::from(arithmetic(binary, left.re, right.re))
        }
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        // Whole powers by multiplication, so that i^2 is −1 to the last digit.
        Binary::Power if right.im == 0.0 && right.re.fract() == 0.0 && right.re.abs() <= 1e6 => {
            left.powi(right.re as i32)
        }
        Binary::Power => left.powc(right),
    }
}

/// The subsystem named by every elementary operator of an expression that [`Context::operator`] accepts.
fn operator_calls<'s>(expression: &Expr<'s>, found: &mut Vec<(&'s str, Span<'s>)>) {
    match &expression.node {
        Node::Call { name, arguments, .. } if NAMES.contains(name) => {
            let target = if *name == "bonds" { arguments.get(2) } else { arguments.first() };
            if let Some(Expr { node: Node::Name(target), at }) = target {
                found.push((target, *at));
            }
        }
        Node::Transition { subsystem, subsystem_at, .. } => found.push((subsystem, *subsystem_at)),
        Node::Sum(sum) => operator_calls(&sum.body, found),
        Node::Negative(inner) => operator_calls(inner, found),
        Node::Sequence { first, rest } => {
            operator_calls(first, found);
            rest.iter().for_each(|(_, right)| operator_calls(right, found));
        }
        Node::Number(_) | Node::Name(_) | Node::Call { .. } => {}
    }
}
