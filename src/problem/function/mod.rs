//! Real functions of time: what may stand for a number in a Hamiltonian, a rate or a jump operator.
//!
//! An expression is compiled once for the steps in which it is on, into polynomials that are right to rounding; whoever
//! evolves a state asks for their Taylor coefficients and for where a piece ends.

mod expression;
mod interval;
mod pieces;
mod table;
mod taylor;

pub use expression::{CALLS, Call, Expression, Notation};
pub use pieces::{Fault, Pieces};
pub use table::Table;

use std::sync::Arc;

/// A function of `t`, the time since its step began, and of `time`, since the run began.
#[derive(Clone, Debug)]
pub struct Function {
    expression: Expression,
    /// Once it is known in which steps it is on.
    pieces: Option<Arc<Pieces>>,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

/// A step in which a function is on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct On {
    /// When it begins, since the run began.
    pub start: f64,
    /// How long.
    pub duration: f64,
}

impl Function {
    /// Of an expression.
    pub fn new(expression: &Expression) -> Self {
        Self { expression: expression.simplified(), pieces: None }
    }

    /// What it is.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Whether it is a function of the time since the run began.
    pub fn uses_run_time(&self) -> bool {
        self.expression.uses_run_time()
    }

    /// Where it is on the axis of its pieces, at `t` in a step that began at `start`.
    fn place(&self, start: f64, t: f64) -> f64 {
        if self.uses_run_time() { start + t } else { t }
    }

    /// Find its pieces in steps that follow one another.
    ///
    /// # Errors
    /// Where it is not finite, or changes too often.
    pub fn compile(&mut self, steps: impl IntoIterator<Item = On>) -> Result<(), Fault> {
        let mut pieces = Pieces::new();
        if self.uses_run_time() {
            for On { start, duration } in steps {
                pieces.wait(start);
                pieces.extend_by(&self.expression, start, start + duration, duration)?;
            }
        } else {
            let longest = steps.into_iter().map(|on| on.duration).fold(0.0, f64::max);
            pieces.extend(&self.expression, 0.0, longest)?;
        }
        self.pieces = Some(Arc::new(pieces));
        Ok(())
    }

    /// Its polynomials.
    pub fn pieces(&self) -> Option<&Pieces> {
        self.pieces.as_deref()
    }

    /// The value `t` after the start of a step that began at `start`.
    pub fn at(&self, start: f64, t: f64) -> f64 {
        self.expression.at(t, start + t)
    }

    /// See [`Pieces::taylor`].
    pub fn taylor(&self, start: f64, t: f64, unit: f64, coefficients: &mut [f64]) {
        match &self.pieces {
            Some(pieces) => pieces.taylor(self.place(start, t), unit, coefficients),
            None => coefficients.fill(f64::NAN),
        }
    }

    /// See [`Pieces::piece`].
    pub fn piece(&self, start: f64, t: f64) -> (f64, bool) {
        self.pieces.as_ref().map_or((f64::INFINITY, false), |pieces| pieces.piece(self.place(start, t)))
    }

    /// See [`Pieces::count`].
    pub fn count(&self, start: f64, from: f64, until: f64) -> f64 {
        let count = |pieces: &Arc<Pieces>| pieces.count(self.place(start, from), self.place(start, until));
        self.pieces.as_ref().map_or(1.0, |pieces| count(pieces) as f64)
    }

    /// See [`Pieces::area`].
    pub fn area(&self, start: f64, from: f64, until: f64) -> f64 {
        let area = |pieces: &Arc<Pieces>| pieces.area(self.place(start, from), self.place(start, until));
        self.pieces.as_ref().map_or(f64::INFINITY, area)
    }

    /// A bound of the largest absolute value in any of the steps; infinite before its pieces are known.
    pub fn largest(&self) -> f64 {
        self.pieces.as_ref().map_or(f64::INFINITY, |pieces| pieces.largest(0.0, pieces.end()))
    }

    /// The same function where rates count `factor` times as much, and times as much less.
    pub fn in_units(&self, factor: f64) -> Self {
        let pieces = self.pieces.as_ref().map(|pieces| Arc::new(pieces.scaled(factor, factor)));
        Self { pieces, ..Self::new(&self.expression.in_units(factor)) }
    }

    /// So many times the function.
    pub fn times(&self, factor: f64) -> Self {
        let pieces = self.pieces.as_ref().map(|pieces| Arc::new(pieces.scaled(factor, 1.0)));
        Self { pieces, ..Self::new(&self.expression.clone().times(Expression::Number(factor))) }
    }
}
