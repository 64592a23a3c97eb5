//! What an operator expression evaluates to: numbers, functions of time, and operator sums that functions multiply.

use crate::problem::function::Expression;
use crate::problem::{OpSum, Term};
use num_complex::Complex64;

/// The value of an expression.
pub(super) enum Operand {
    Number(Complex64),
    /// A complex number times a real function of time.
    Function(Complex64, Expression),
    Operator(Modulated),
}

use Operand::{Function, Number, Operator};

impl Operand {
    /// A factor and a function.
    pub(super) fn of_time(self) -> (Complex64, Expression) {
        match self {
            Number(value) => (value, Expression::Number(1.0)),
            Function(factor, f) => (factor, f),
            Operator(_) => (Complex64::ZERO, Expression::Number(0.0)),
        }
    }

    pub(super) fn operator(self) -> Modulated {
        match self {
            Number(value) => OpSum::scalar(value).into(),
            Function(factor, f) => Modulated::from(OpSum::scalar(factor)).modulated(&f),
            Operator(sum) => sum,
        }
    }
}

/// An operator sum, and others that functions of time multiply.
#[derive(Clone, Debug, Default)]
pub(super) struct Modulated {
    pub(super) fixed: OpSum,
    pub(super) varying: Vec<(Expression, OpSum)>,
}

impl From<OpSum> for Modulated {
    fn from(fixed: OpSum) -> Self {
        Self { fixed, varying: Vec::new() }
    }
}

impl Modulated {
    pub(super) fn plus(mut self, other: Self) -> Self {
        self.fixed = self.fixed + other.fixed;
        other.varying.into_iter().for_each(|(f, sum)| self.add(f, sum));
        self
    }

    pub(super) fn add(&mut self, f: Expression, sum: OpSum) {
        let f = f.simplified();
        if let Some(value) = f.constant() {
            self.fixed = std::mem::take(&mut self.fixed) + sum * value;
            return;
        }
        match self.varying.iter_mut().find(|(known, _)| *known == f) {
            Some((_, before)) => *before = std::mem::take(before) + sum,
            None => self.varying.push((f, sum)),
        }
    }

    pub(super) fn scaled(self, factor: Complex64) -> Self {
        let varying = self.varying.into_iter().map(|(f, sum)| (f, sum * factor)).collect();
        Self { fixed: self.fixed * factor, varying }
    }

    /// Times a function.
    pub(super) fn modulated(self, f: &Expression) -> Self {
        let mut all = Self::default();
        if !self.fixed.terms.is_empty() {
            all.add(f.clone(), self.fixed);
        }
        self.varying.into_iter().for_each(|(g, sum)| all.add(g.times(f.clone()), sum));
        all
    }

    pub(super) fn terms(&self) -> impl Iterator<Item = &Term> {
        self.fixed.terms.iter().chain(self.varying.iter().flat_map(|(_, sum)| &sum.terms))
    }
}
