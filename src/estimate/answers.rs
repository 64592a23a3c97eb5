//! From what a sample, an exact state or a mean field answers to the columns of a table: the one place where quantities get
//! their values.

use super::columns::Z95;
use super::ergotropy::Bounded;
use super::sampled::student;
use crate::error::RunError;
use crate::problem::{Linear, Nonlinear, Part, Problem, Quantity, Recipe, Varied, spin_length};
use crate::table::{Column, Table};
use std::cell::RefCell;

/// A number with its standard error, 0 when it is exact, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// Its interval.
    pub interval: (f64, f64),
}

impl Estimate {
    /// A number without error.
    pub fn exact(value: f64) -> Self {
        Self { value, se: 0.0, interval: (value, value) }
    }

    fn over(self, unit: f64) -> Self {
        let (lo, hi) = self.interval;
        Self { value: self.value / unit, se: self.se / unit, interval: (lo / unit, hi / unit) }
    }
}

/// A function of a density matrix with the degrees of freedom of its errors.
pub type Sided = (Bounded, f64);

/// A function of a density matrix that is known exactly.
pub fn exactly(value: f64) -> Sided {
    let side = (value, 0.0);
    (Bounded { value, se: 0.0, below: side, above: side, undersampled: false, events: f64::INFINITY }, f64::INFINITY)
}

/// What is known of the state at one row; `None` is what this description of it does not give.
pub trait Answers {
    /// ⟨o⟩, in the unit of the average.
    fn mean(&self, of: Linear) -> Option<Estimate>;

    /// ⟨o²⟩ − ⟨o⟩² of the averaged state.
    fn variance(&self, of: Varied) -> Option<Estimate>;

    /// f(ρ) of the averaged state of a part.
    ///
    /// # Errors
    /// When the state is none, or has no such number.
    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError>;

    /// How many standard errors of a normal mean make an interval.
    fn z(&self) -> f64 {
        Z95
    }
}

/// A function of the state and what is known of it, `None` where it has no such number.
type Evaluated = ((Nonlinear, Part), Option<Sided>);

/// Answers that evaluate each function of the state once, however many quantities are made of it.
struct Once<'a, A> {
    answers: &'a A,
    known: RefCell<Vec<Evaluated>>,
}

impl<A: Answers> Answers for Once<'_, A> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        self.answers.mean(of)
    }

    fn variance(&self, of: Varied) -> Option<Estimate> {
        self.answers.variance(of)
    }

    fn z(&self) -> f64 {
        self.answers.z()
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
    /// Its value with standard error and interval.
    pub estimate: Estimate,
    /// Whether more trajectories will move it, where it is an ergotropy.
    pub undersampled: Option<bool>,
}

impl From<Estimate> for Derived {
    fn from(estimate: Estimate) -> Self {
        Self { estimate, undersampled: None }
    }
}

/// A quantity at a row `time` after the run began, by its [`Recipe`]; `None` when the answers do not give it.
///
/// # Errors
/// When a function of the state has no value.
pub fn derive(
    problem: &Problem,
    quantity: &Quantity,
    answers: &impl Answers,
    time: f64,
) -> Result<Option<Derived>, RunError> {
    let range = quantity.range(problem);
    let linear = |estimate: Option<Estimate>| {
        let inside = |x: Estimate| {
            // A value that rounding takes out of the range stays in its interval.
            let (lo, hi) = x.interval;
            Estimate { interval: (within(lo, range).min(x.value), within(hi, range).max(x.value)), ..x }
        };
        Ok(estimate.map(inside).map(Derived::from))
    };
    match quantity.entry().recipe {
        Recipe::Mean(of) => linear(answers.mean(of)),
        Recipe::PerCell(of, e) => linear(answers.mean(of).map(|x| x.over(problem.subsystems[e].unit()))),
        Recipe::PerTime(of) => linear(answers.mean(of).map(|x| x.over(if time > 0.0 { time } else { f64::NAN }))),
        Recipe::Variance(of) => linear(answers.variance(of)),
        Recipe::Deviation(of) => linear(answers.variance(of).map(root)),
        Recipe::SpinLength(of) => linear(answers.mean(of).map(|squared| {
            let s = spin_length(squared.value);
            let (lo, hi) = squared.interval;
            let interval = (spin_length(lo.max(0.0)), spin_length(hi.max(0.0)));
            Estimate { value: s, se: squared.se / (2.0 * s + 1.0), interval }
        })),
        Recipe::State(what, of) | Recipe::FirstState(what, of) => {
            let found = answers.nonlinear(what, of)?;
            Ok(found.map(|(f, degrees)| {
                let bounds = f.interval(student(answers.z(), degrees), range);
                let flagged = quantity.entry().recipe == Recipe::State(Nonlinear::Ergotropy, of);
                Derived {
                    // A value of its own may lie beside the interval: a concurrence of less than nothing.
                    estimate: Estimate { value: within(f.value, bounds), se: f.se, interval: bounds },
                    undersampled: flagged.then_some(f.undersampled),
                }
            }))
        }
        Recipe::OverEnergy(what, of) => {
            let (Some(f), Some(energy)) = (answers.nonlinear(what, of)?, answers.mean(Linear::Energy)) else {
                return Ok(None);
            };
            Ok(Some(over_energy(problem, f, energy, (range, answers.z()))))
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
    // A variance of 0 may be as large as its error.
    let most = variance.se.sqrt();
    let (lo, hi) = variance.interval;
    let interval = (lo.max(0.0).sqrt(), hi.max(0.0).sqrt());
    Estimate { value, se: if value > 0.0 { most.min(0.5 * variance.se / value) } else { most }, interval }
}

/// f/E with its error and interval. The relative error of E adds to that of f; E and the ergotropy are positively
/// correlated, so this is not too small.
fn over_energy(problem: &Problem, (f, degrees): Sided, energy: Estimate, (range, z): ((f64, f64), f64)) -> Derived {
    let none = !(energy.value.abs() > 1e-14 * problem.quantum());
    let over = |x: f64| if none { f64::NAN } else { x / energy.value };
    let se = over(f.se).hypot(over(f.value) * over(energy.se));
    let margin = student(z, degrees) * se;
    let (one, other) = (over(f.below.0), over(f.above.0));
    let (lo, hi) = if energy.value < 0.0 { (other, one) } else { (one, other) };
    let bounds = (within(lo - margin, range), within(hi + margin, range));
    Estimate { value: within(over(f.value), bounds), se, interval: bounds }.into()
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
    /// As [`derive()`], and when a quantity is not among the answers.
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
                let (lo, hi) = found.estimate.interval;
                column.bounds.0.push(lo);
                column.bounds.1.push(hi);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Kind, Linear, SubsystemId};

    const B: SubsystemId = SubsystemId::new(0);

    const OMEGA: f64 = 2.0;

    fn about(value: f64, se: f64) -> Estimate {
        Estimate { value, se, interval: (value - 2.0 * se, value + 2.0 * se) }
    }

    /// Four cells, with a few numbers about them.
    struct Known {
        energy: f64,
        ergotropy: Option<Sided>,
    }

    impl Answers for Known {
        fn mean(&self, of: Linear) -> Option<Estimate> {
            match of {
                Linear::Energy | Linear::EnergyOf(_) => Some(about(self.energy, 0.25)),
                Linear::SpinSquared(_) => Some(about(3.75, 0.5)),
                _ => None,
            }
        }

        fn variance(&self, of: Varied) -> Option<Estimate> {
            (of == Varied::Energy).then_some(about(4.0, 0.2))
        }

        fn nonlinear(&self, _: Nonlinear, _: Part) -> Result<Option<Sided>, RunError> {
            Ok(self.ergotropy)
        }
    }

    fn problem() -> Problem {
        let mut p = Problem::builder("answers");
        p.ensemble("B", 4, OMEGA);
        p.evolve("wait", 2.0, 2).observe([Quantity::Energy, Quantity::InitialErgotropy]).observe([Quantity::Power]);
        p.build().unwrap()
    }

    fn found(known: &Known, quantity: Quantity, time: f64) -> Derived {
        derive(&problem(), &quantity, known, time).unwrap().unwrap()
    }

    #[test]
    fn linear_quantities_follow_from_averages() {
        let known = Known { energy: 6.0, ergotropy: None };
        let expected = [
            (Quantity::Energy, 6.0, 0.25),
            (Quantity::EnergyDensity(B), 6.0 / 8.0, 0.25 / 8.0),
            (Quantity::Power, 12.0, 0.5),
            (Quantity::EnergyVariance, 4.0, 0.2),
            (Quantity::EnergyDeviation, 2.0, 0.05),
            (Quantity::SpinLength(B), 1.5, 0.125),
        ];
        for (quantity, value, se) in expected {
            let estimate = found(&known, quantity, 0.5).estimate;
            assert_eq!((estimate.value, estimate.se), (value, se));
        }
        assert!(found(&known, Quantity::Power, 0.0).estimate.value.is_nan());
        assert_eq!(found(&known, Quantity::Power, f64::INFINITY).estimate.value, 0.0);
    }

    #[test]
    fn what_is_not_answered_is_not_derived() {
        let known = Known { energy: 6.0, ergotropy: None };
        for quantity in [Quantity::Magnetisation(B), Quantity::MagnetisationVariance(B), Quantity::Efficiency] {
            assert_eq!(derive(&problem(), &quantity, &known, 1.0).unwrap(), None);
        }
        let problem = problem();
        let error = Columns::exact(&problem).read(&known, 0.0).unwrap_err().to_string();
        assert!(error.contains("`ergotropy_initial`"), "{error}");
    }

    #[test]
    fn intervals_and_values_stay_in_the_range() {
        let bounded =
            Bounded { value: 8.5, se: 1.0, below: (7.0, 1.0), above: (8.5, 1.0), undersampled: true, events: 10.0 };
        let known = Known { energy: 7.5, ergotropy: Some((bounded, f64::INFINITY)) };
        let w = found(&known, Quantity::Ergotropy, 1.0);
        assert_eq!((w.estimate.value, w.undersampled), (8.0, Some(true)), "no more than Nω");
        assert_eq!(w.estimate.interval, (7.0 - Z95, 8.0));
        let ratio = found(&known, Quantity::Efficiency, 1.0);
        assert_eq!((ratio.estimate.value, ratio.undersampled), (1.0, None));
        let (lo, hi) = ratio.estimate.interval;
        assert!(lo > 0.0 && lo < 7.0 / 7.5 && hi == 1.0, "{lo} to {hi}");
    }

    #[test]
    fn the_efficiency_of_nothing_is_empty_in_any_unit() {
        let ratio = |energy: f64, w: f64| {
            let known = Known { energy, ergotropy: Some(exactly(w)) };
            found(&known, Quantity::Efficiency, 1.0).estimate.value
        };
        assert_eq!(ratio(4.0, 3.0), 0.75);
        assert!(ratio(0.0, 0.0).is_nan() && ratio(1e-15, 0.0).is_nan());
        // A battery whose ω is 1e-20 holds an energy of 1e-20.
        let mut small = Problem::builder("small");
        small.ensemble("B", 4, 1e-20);
        let small = small.evolve("wait", 1.0, 1).observe([Quantity::Efficiency]).build().unwrap();
        let known = Known { energy: 2e-20, ergotropy: Some(exactly(1e-20)) };
        let found = derive(&small, &Quantity::Efficiency, &known, 1.0).unwrap().unwrap();
        assert_eq!(found.estimate.value, 0.5);
        // Levels below zero: the energy may be negative, and the bounds stay in order.
        let mut levels = Problem::builder("levels");
        levels.subsystem("L", Kind::Levels { energies: vec![-3.0, 1.0] }, 1.0);
        let levels = levels.evolve("wait", 1.0, 1).observe([Quantity::Efficiency]).build().unwrap();
        let bounded =
            Bounded { value: 1.0, se: 0.1, below: (0.9, 0.1), above: (1.1, 0.1), undersampled: false, events: 10.0 };
        let known = Known { energy: -2.0, ergotropy: Some((bounded, f64::INFINITY)) };
        let found = derive(&levels, &Quantity::Efficiency, &known, 1.0).unwrap().unwrap();
        let (lo, hi) = found.estimate.interval;
        assert!(lo < -0.5 && -0.5 < hi && found.estimate.value == -0.5, "{lo} to {hi}");
    }

    #[test]
    fn the_first_row_is_repeated() {
        let problem = problem();
        let mut columns = Columns::exact(&problem);
        for (w, time) in [(3.0, 0.0), (2.0, 1.0), (1.0, 2.0)] {
            columns.read(&Known { energy: 6.0, ergotropy: Some(exactly(w)) }, time).unwrap();
        }
        let table = columns.table();
        assert_eq!(table.column("ergotropy_initial").unwrap().value, [3.0; 3]);
        assert_eq!(table.column("power").unwrap().value[1..], [6.0, 3.0]);
        assert!(table.columns.iter().all(|column| column.se.is_none() && column.bounds.is_none()));
    }
}
