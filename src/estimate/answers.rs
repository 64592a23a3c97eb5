//! From what a sample, an exact state or a mean field answers to the columns of a table: the one place where quantities get
//! their values.

use super::columns::Z95;
use super::ergotropy::Bounded;
use super::sampled::student;
use crate::error::RunError;
use crate::problem::{Linear, Nonlinear, Part, Problem, Quantity, Recipe, Varied, spin_length};
use crate::table::{Column, Table};
use std::cell::RefCell;

/// A number with its standard error, 0 when it is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
}

impl Estimate {
    /// A number without error.
    pub fn exact(value: f64) -> Self {
        Self { value, se: 0.0 }
    }

    fn over(self, unit: f64) -> Self {
        Self { value: self.value / unit, se: self.se / unit }
    }
}

/// A function of a density matrix with the degrees of freedom of its errors.
pub type Sided = (Bounded, f64);

/// A function of a density matrix that is known exactly.
pub fn exactly(value: f64) -> Sided {
    let side = (value, 0.0);
    (Bounded { value, se: 0.0, below: side, above: side, undersampled: false }, f64::INFINITY)
}

/// What is known of the state at one row; `None` is what this description of it does not give.
pub trait Answers {
    /// ⟨o⟩.
    fn mean(&self, of: Linear) -> Option<Estimate>;

    /// ⟨o²⟩ − ⟨o⟩².
    fn variance(&self, of: Varied) -> Option<Estimate>;

    /// f(ρ) of the averaged state of a part.
    ///
    /// # Errors
    /// When the state is none, or has no such number.
    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError>;
}

/// Answers that evaluate each function of the state once, however many quantities are made of it.
struct Once<'a, A> {
    answers: &'a A,
    known: RefCell<Vec<((Nonlinear, Part), Option<Sided>)>>,
}

impl<A: Answers> Answers for Once<'_, A> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        self.answers.mean(of)
    }

    fn variance(&self, of: Varied) -> Option<Estimate> {
        self.answers.variance(of)
    }

    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError> {
        let known = self.known.borrow().iter().find(|(known, _)| *known == (what, of)).map(|(_, found)| *found);
        if let Some(found) = known {
            return Ok(found);
        }
        let found = self.answers.nonlinear(what, of)?;
        self.known.borrow_mut().push(((what, of), found));
        Ok(found)
    }
}

/// A quantity at one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Derived {
    /// Its value and standard error.
    pub estimate: Estimate,
    /// Its 95 % interval, where it is a function of a density matrix.
    pub bounds: Option<(f64, f64)>,
    /// Whether more trajectories will move it, where it is an ergotropy.
    pub undersampled: Option<bool>,
}

impl From<Estimate> for Derived {
    fn from(estimate: Estimate) -> Self {
        Self { estimate, bounds: None, undersampled: None }
    }
}

/// A quantity at a row `time` after the run began; `None` when the answers do not give it.
///
/// # Errors
/// When a function of the state has no value.
pub fn derive(
    problem: &Problem,
    quantity: &Quantity,
    answers: &impl Answers,
    time: f64,
) -> Result<Option<Derived>, RunError> {
    let linear = |estimate: Option<Estimate>| Ok(estimate.map(Derived::from));
    match quantity.entry().recipe {
        Recipe::Mean(of) => linear(answers.mean(of)),
        Recipe::PerCell(of, e) => linear(answers.mean(of).map(|x| x.over(problem.subsystems[e].unit()))),
        Recipe::PerTime(of) => linear(answers.mean(of).map(|x| x.over(if time > 0.0 { time } else { f64::NAN }))),
        Recipe::Variance(of) => linear(answers.variance(of)),
        Recipe::Deviation(of) => linear(answers.variance(of).map(root)),
        Recipe::SpinLength(of) => linear(answers.mean(of).map(|squared| {
            let s = spin_length(squared.value);
            Estimate { value: s, se: squared.se / (2.0 * s + 1.0) }
        })),
        Recipe::State(what, of) | Recipe::FirstState(what, of) => {
            let range = quantity.range(problem);
            let found = answers.nonlinear(what, of)?;
            Ok(found.map(|(f, degrees)| Derived {
                estimate: Estimate { value: within(f.value, range), se: f.se },
                bounds: Some(f.interval(student(Z95, degrees), range)),
                undersampled: (quantity.entry().recipe == Recipe::State(Nonlinear::Ergotropy, of))
                    .then_some(f.undersampled),
            }))
        }
        Recipe::OverEnergy(what, of) => {
            let (Some(f), Some(energy)) = (answers.nonlinear(what, of)?, answers.mean(Linear::Energy)) else {
                return Ok(None);
            };
            Ok(Some(over_energy(problem, f, energy, quantity.range(problem))))
        }
    }
}

/// `x` in the range, beyond which only rounding takes it; NaN stays.
fn within(x: f64, (lo, hi): (f64, f64)) -> f64 {
    if x < lo {
        lo
    } else if x > hi {
        hi
    } else {
        x
    }
}

/// The root of a variance, which rounding may take below 0.
fn root(variance: Estimate) -> Estimate {
    let value = if variance.value < 0.0 { 0.0 } else { variance.value.sqrt() };
    Estimate { value, se: if value > 0.0 { 0.5 * variance.se / value } else { 0.0 } }
}

/// f/E with its error and interval. The relative error of E adds to that of f; E and the ergotropy are positively
/// correlated, so this is not too small.
fn over_energy(problem: &Problem, (f, degrees): Sided, energy: Estimate, range: (f64, f64)) -> Derived {
    let none = !(energy.value.abs() > 1e-14 * problem.quantum());
    let over = |x: f64| if none { f64::NAN } else { x / energy.value };
    let se = over(f.se).hypot(over(f.value) * over(energy.se));
    let margin = student(Z95, degrees) * se;
    let (one, other) = (over(f.below.0), over(f.above.0));
    let (lo, hi) = if energy.value < 0.0 { (other, one) } else { (one, other) };
    Derived {
        estimate: Estimate { value: within(over(f.value), range), se },
        bounds: Some((within(lo - margin, range), within(hi + margin, range))),
        undersampled: None,
    }
}

/// The columns of a table while its rows come.
pub struct Columns<'p> {
    problem: &'p Problem,
    /// Whether errors are kept.
    sampled: bool,
    columns: Vec<Growing<'p>>,
}

/// One column.
struct Growing<'p> {
    quantity: &'p Quantity,
    /// The quantity at the first row that was ever read.
    first: Option<Derived>,
    value: Vec<f64>,
    se: Vec<f64>,
    bounds: (Vec<f64>, Vec<f64>),
    undersampled: Vec<f64>,
}

impl<'p> Growing<'p> {
    fn new(quantity: &'p Quantity) -> Self {
        let bounds = (Vec::new(), Vec::new());
        Self { quantity, first: None, value: Vec::new(), se: Vec::new(), bounds, undersampled: Vec::new() }
    }
}

impl<'p> Columns<'p> {
    /// No rows yet, of exact numbers.
    pub fn exact(problem: &'p Problem) -> Self {
        Self::of(problem, false, |_| true)
    }

    /// No rows yet, of exact numbers and of those quantities only that are wanted.
    pub fn exact_where(problem: &'p Problem, wanted: impl Fn(&Quantity) -> bool) -> Self {
        Self::of(problem, false, wanted)
    }

    /// No rows yet, of numbers with errors, intervals and flags.
    pub fn sampled(problem: &'p Problem) -> Self {
        Self::of(problem, true, |_| true)
    }

    fn of(problem: &'p Problem, sampled: bool, wanted: impl Fn(&Quantity) -> bool) -> Self {
        let wanted = problem.quantities.iter().filter(|q| wanted(q));
        Self { problem, sampled, columns: wanted.map(Growing::new).collect() }
    }

    /// Read one row, `time` after the run began.
    ///
    /// # Errors
    /// As [`derive`], and when a quantity is not among the answers.
    pub fn read(&mut self, answers: &impl Answers, time: f64) -> Result<(), RunError> {
        let answers = &Once { answers, known: RefCell::default() };
        for column in &mut self.columns {
            let repeated = matches!(column.quantity.entry().recipe, Recipe::FirstState(..));
            let found = match column.first {
                Some(first) if repeated => first,
                _ => derive(self.problem, column.quantity, answers, time)?.ok_or_else(|| {
                    let name = self.problem.column(column.quantity);
                    RunError::Request(format!("this way to solve the problem does not give the quantity `{name}`"))
                })?,
            };
            column.first.get_or_insert(found);
            column.value.push(found.estimate.value);
            if self.sampled {
                column.se.push(found.estimate.se);
                if let Some((lo, hi)) = found.bounds {
                    column.bounds.0.push(lo);
                    column.bounds.1.push(hi);
                }
                column.undersampled.extend(found.undersampled.map(|flag| f64::from(u8::from(flag))));
            }
        }
        Ok(())
    }

    /// Forget the rows read so far, but not what the first one was.
    pub fn clear(&mut self) {
        for column in &mut self.columns {
            let (quantity, first) = (column.quantity, column.first);
            *column = Growing { first, ..Growing::new(quantity) };
        }
    }

    /// The table of what was read, at as many first rows of the protocol.
    pub fn table(self) -> Table {
        let mut table = Table::new(self.problem);
        let rows = self.columns.iter().map(|column| column.value.len()).max().unwrap_or(0);
        table.rows.truncate(rows);
        table.steps.truncate(rows);
        for Growing { quantity, value, se, bounds, undersampled, .. } in self.columns {
            let name = self.problem.column(quantity);
            let se = self.sampled.then_some(se);
            let bounds = Some(bounds).filter(|(lo, _)| !lo.is_empty());
            table.columns.push(Column { name: name.clone(), value, se, bounds });
            if !undersampled.is_empty() {
                table.push_exact(format!("{name}_undersampled"), undersampled);
            }
        }
        table
    }
}
