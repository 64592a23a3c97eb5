//! A problem: read from an input or made of matrices, sampled, solved, and asked what it is.

use crate::draws::Draws;
use crate::errors::{of_compile, of_input, of_model, of_run};
use crate::operators::{self, Operators};
use crate::run::{How, Run};
use crate::runs::{self, Runs, Wanted};
use crate::tables;
use crate::waiting::wait;
use leyden::cost::{self, Asked};
use leyden::estimate::columns;
use leyden::estimate::evaluation::Evaluation;
use leyden::estimate::interval::Confidence;
use leyden::estimate::verify::compare;
use leyden::input::{self, Input};
use leyden::problem::{Problem as Inner, Recipe, Record};
use leyden::run::{self, Batches, SoFar};
use leyden::space::alike::{Ensembles, ensembles};
use leyden::space::choose::{Representation, choose};
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;
use leyden::{RunError, exact};
use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Chance that `verify` fails a correct program.
const FALSE_ALARM: f64 = 1e-3;

/// A master equation with its protocol and questions.
#[pyclass(frozen, module = "leyden._leyden")]
pub struct Problem {
    /// As the library has it.
    pub inner: Arc<Inner>,
    input: Option<Input>,
    representation: Option<Representation>,
    /// Whether its trajectories are those of the operators as they were given, and not averages alone.
    same_runs: bool,
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Problem {
    fn new(inner: Inner, input: Option<Input>, representation: Option<&str>) -> PyResult<Self> {
        let representation = parsed(representation)?;
        Ok(Self { inner: Arc::new(inner), input, representation, same_runs: true, engine: Mutex::default() })
    }

    /// The engine, compiled when first needed.
    pub fn engine(&self) -> PyResult<Arc<Engine>> {
        let mut kept = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*kept {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&self.inner, self.representation).map_err(|error| match &self.input {
            Some(input) => crate::errors::CompileError::new_err(input.refused(&error).to_string()),
            None => of_compile(error),
        })?;
        let engine = Arc::new(engine.1);
        *kept = Some(engine.clone());
        Ok(engine)
    }

    /// The trajectories of a run.
    pub fn draws<'a>(&self, engine: &'a Engine, how: &How) -> Draws<'a> {
        Draws { engine, first: how.first, plain: how.plain, most: how.most }
    }
}

fn parsed(representation: Option<&str>) -> PyResult<Option<Representation>> {
    representation.map(|text| text.parse().map_err(PyValueError::new_err)).transpose()
}

/// When to stop early: the worst error of each of these columns at most atol + rtol·|value|.
type Targets = Vec<(String, f64, f64)>;

/// Whether every column is as well known as was asked: by its standard error, or by a quarter of the interval that holds
/// whenever a run is stopped.
fn reached(problem: &Inner, so_far: &SoFar, targets: &Targets, by_interval: bool) -> Result<bool, RunError> {
    let how = Evaluation { confidence: Confidence::Stopped, threads: 1, ..Evaluation::default() };
    let table = columns::evaluate(problem, &so_far.accumulated(), &how)?;
    let met = |(name, atol, rtol): &(String, f64, f64)| {
        let Some(column) = table.column(name) else { return false };
        (0..column.value.len()).all(|row| {
            let at = column.at(row);
            let error = match by_interval {
                true => at.interval.map(|(lo, hi)| (hi - lo) / (2.0 * columns::Z95)),
                false => at.se,
            };
            let error = error.unwrap_or(f64::INFINITY);
            at.value.is_nan() || error <= atol + rtol * at.value.abs()
        })
    };
    Ok(targets.iter().all(met))
}

/// Numbers of batches, growing by a quarter, at which errors are looked at, as `leyden run --target-error` does.
fn later(check: u64) -> u64 {
    check * 5 / 4 + 1
}

#[pymethods]
impl Problem {
    /// Understand the text of an input.
    #[staticmethod]
    #[pyo3(signature = (name, text, overrides, representation = None))]
    fn parse(name: &str, text: &str, overrides: Vec<(String, String)>, representation: Option<&str>) -> PyResult<Self> {
        let input = input::parse(name, text, &overrides).map_err(of_input)?;
        let record = input.record.clone();
        let problem = input.problem.edit().record(record).build().map_err(of_model)?;
        Self::new(problem, Some(input), representation)
    }

    /// Of matrices. Cells that are alike become ensembles, where single trajectories stay the same or are not asked for.
    #[staticmethod]
    #[pyo3(signature = (operators, representation = None, single = false))]
    fn of_operators(operators: Operators, representation: Option<&str>, single: bool) -> PyResult<Self> {
        let whole = operators::problem(&operators)?;
        match ensembles(&whole, parsed(representation)?).filter(|of| of.same_runs || !single) {
            Some(Ensembles { problem, same_runs }) => {
                Ok(Self { same_runs, ..Self::new(problem, None, representation)? })
            }
            None => Self::new(whole, None, representation),
        }
    }

    /// Whether its trajectories are those of the operators as they were given, and not averages alone.
    #[getter]
    fn same_runs(&self) -> bool {
        self.same_runs
    }

    /// The same input at the size that its `[verify]` section asks for.
    fn at_verify_size(&self) -> PyResult<Self> {
        let Some(input) = &self.input else { return Self::new((*self.inner).clone(), None, None) };
        let input = input.at_verify_size().map_err(of_input)?;
        let mut small = Self::new(input.problem.clone(), Some(input), None)?;
        small.representation = self.representation;
        Ok(small)
    }

    /// One line for humans.
    #[getter]
    fn title(&self) -> &str {
        self.inner.title()
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.inner.quantities().iter().map(|quantity| self.inner.column(quantity)).collect()
    }

    /// Names of the channels.
    #[getter]
    fn channels(&self) -> Vec<String> {
        tables::channel_names(&self.inner)
    }

    /// What a user should know of the problem as it is written.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }

    /// What `[run]` asks for: trajectories, seed, shots.
    #[getter]
    fn settings(&self) -> (u64, u64, bool) {
        let run = self.input.as_ref().map(|input| input.run).unwrap_or_default();
        (run.trajectories, run.seed, run.shots)
    }

    /// What every parameter stands for.
    #[getter]
    fn parameters(&self) -> Vec<(String, String)> {
        let all = self.input.iter().flat_map(|input| &input.parameters);
        all.map(|(name, value)| (name.clone(), value.to_string())).collect()
    }

    /// The equation, protocol and questions as understood.
    fn describe(&self) -> String {
        self.inner.describe()
    }

    /// Each representation, whether it carries the problem, and its size or the reason why not.
    fn choice(&self, py: Python<'_>) -> Vec<(String, bool, String)> {
        let choice = py.detach(|| choose(&self.inner));
        let verdict = |(representation, verdict): (Representation, Result<String, String>)| match verdict {
            Ok(text) => (representation.to_string(), true, text),
            Err(text) => (representation.to_string(), false, text),
        };
        choice.verdicts.into_iter().map(verdict).collect()
    }

    /// What so many trajectories and the exact solution take, in two seconds: {"text", …} with memory in bytes and times in
    /// seconds; `None` if the representation is not made by then.
    #[pyo3(signature = (trajectories = None))]
    fn cost<'py>(&self, py: Python<'py>, trajectories: Option<u64>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let (own, seed, shots) = self.settings();
        let trajectories = trajectories.unwrap_or(own);
        let asked = Asked { trajectories, seed, shots, representation: self.representation };
        let found = py.detach(|| cost::cost(&self.inner, asked, Instant::now()));
        found.map_err(of_run)?.map(|cost| tables::cost(py, &cost)).transpose()
    }

    /// The equation as LaTeX.
    fn latex(&self) -> String {
        leyden::output::latex::document(&self.inner)
    }

    /// A Python script that solves the same equation with QuTiP.
    #[cfg(feature = "command")]
    fn export(&self) -> PyResult<String> {
        let none = Vec::new();
        let correlations = self.input.as_ref().map_or(&none, |input| &input.correlations);
        leyden::output::qutip::script(&self.inner, correlations, "observables.csv").map_err(of_run)
    }

    /// Sample trajectories; returns the run.
    #[pyo3(signature = (trajectories, seed, *, first = 0, threads = 0, shots = true, states = false, plain = false,
        most = None, part = None, targets = Vec::new(), by_interval = true, max_time = None, progress = None))]
    #[allow(clippy::too_many_arguments)]
    fn sample(
        slf: &Bound<'_, Self>,
        trajectories: u64,
        seed: u64,
        first: u64,
        threads: usize,
        shots: bool,
        states: bool,
        plain: bool,
        most: Option<u64>,
        part: Option<(u64, u64)>,
        targets: Targets,
        by_interval: bool,
        max_time: Option<f64>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Run> {
        let (py, this) = (slf.py(), slf.get());
        let how = How { trajectories, seed, first, shots, states, plain, most };
        let options = how.options(threads);
        let (engine, problem) = (this.engine()?, &*this.inner);
        let draws = this.draws(&engine, &how);
        run::check(&engine, problem, options).map_err(of_run)?;
        let whole = run::batches(&draws, problem, options);
        let range = part.map_or(whole.clone(), |(k, of)| {
            let cut = |k: u64| (u128::from(k) * u128::from(whole.end) / u128::from(of)) as u64;
            cut(k - 1)..cut(k)
        });
        let limit = max_time.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let (started, size) = (Instant::now(), run::batch_size(&draws, problem, options));
        let (stop, mut next, mut failure, mut early) = (Stop::default(), 4, None, false);
        let batches = wait(py, &stop, progress, |counter| {
            let mut watch = |so_far: &SoFar| {
                counter.store(so_far.trajectories(), Ordering::Relaxed);
                if !targets.is_empty() && so_far.trajectories() / size >= next {
                    next = later(next);
                    match reached(problem, so_far, &targets, by_interval) {
                        Ok(reached) => early |= reached,
                        Err(error) => failure = Some(error),
                    }
                }
                early |= limit.is_some_and(|limit| started.elapsed() >= limit);
                !early && failure.is_none()
            };
            run::go_on(&draws, problem, options, (Batches::default(), range), &stop, &mut watch)
        })?;
        if let Some(error) = failure {
            return Err(of_run(error));
        }
        Ok(Run::new(slf.clone().unbind(), how, early, batches))
    }

    /// Trajectories `first` to `first + count` of a seed as data, and those that never jump where their probability is known:
    /// {"values", "states", "jumps_of", "times", "channels"} of the sampled, "weights" and the same of the known.
    #[pyo3(signature = (seed, first, count, *, plain, values, states, jumps, dims, threads = 0))]
    #[allow(clippy::too_many_arguments)]
    fn trajectories<'py>(
        &self,
        py: Python<'py>,
        seed: u64,
        first: u64,
        count: u64,
        plain: bool,
        values: bool,
        states: bool,
        jumps: bool,
        dims: Vec<usize>,
        threads: usize,
    ) -> PyResult<(Bound<'py, PyDict>, Vec<f64>, Bound<'py, PyDict>)> {
        let engine = self.engine()?;
        let draws = Draws { engine: &engine, first, plain, most: None };
        let wanted = Wanted { values, states, jumps };
        let stop = Stop::default();
        let (sampled, weights, known) = wait(py, &stop, None, |_| {
            runs::make(&self.inner, &draws, (seed, 0..count), (wanted, &dims), (threads, &stop))
        })?;
        let (rows, slots) = (self.inner.protocol().row_count(), self.inner.linear().len());
        let size: usize = dims.iter().product();
        let arrays = |runs: Runs| -> PyResult<Bound<'py, PyDict>> {
            let n = runs.jumps_of.len();
            let all = PyDict::new(py);
            if values {
                all.set_item("values", runs.values.into_pyarray(py).reshape([n, rows, slots])?)?;
            }
            if states {
                all.set_item("states", runs.states.into_pyarray(py).reshape([n, rows, size])?)?;
            }
            all.set_item("jumps_of", runs.jumps_of.into_pyarray(py))?;
            all.set_item("times", runs.times.into_pyarray(py))?;
            all.set_item("channels", runs.channels.into_pyarray(py))?;
            Ok(all)
        };
        Ok((arrays(sampled)?, weights, arrays(known)?))
    }

    /// Of each column that is an average linear in the state, its place among the values of `trajectories`.
    #[getter]
    pub fn slots(&self) -> Vec<(String, usize)> {
        let linear = self.inner.linear();
        let slot = |quantity: &leyden::problem::Quantity| match quantity.entry().recipe {
            Recipe::Mean(of) => Some((self.inner.column(quantity), linear.iter().position(|known| *known == of)?)),
            _ => None,
        };
        self.inner.quantities().iter().filter_map(slot).collect()
    }

    /// Solve the master equation; returns the table.
    fn solve<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stop = Stop::default();
        let table = wait(py, &stop, None, |_| exact::solve(&self.inner, self.representation, &stop))?;
        tables::table(py, table)
    }

    /// The state as t → ∞, or its average over all time; returns the table.
    #[pyo3(signature = (time_average = false))]
    fn steady<'py>(&self, py: Python<'py>, time_average: bool) -> PyResult<Bound<'py, PyDict>> {
        let stop = Stop::default();
        let table = wait(py, &stop, None, |_| match time_average {
            true => exact::time_average(&self.inner, self.representation, &stop),
            false => exact::steady(&self.inner, self.representation, &stop),
        })?;
        tables::table(py, table)
    }

    /// Sample, solve and compare: (passed, columns with (max |z|, row, p or None, passed), largest |z| allowed, smallest p
    /// allowed, false alarm, trajectories).
    #[pyo3(signature = (trajectories, seed, threads = 0))]
    #[allow(clippy::type_complexity)]
    fn verify(
        &self,
        py: Python<'_>,
        trajectories: u64,
        seed: u64,
        threads: usize,
    ) -> PyResult<(bool, Vec<(String, f64, usize, Option<f64>, bool)>, f64, f64, f64, u64)> {
        let how = How { trajectories, seed, first: 0, shots: false, states: false, plain: false, most: None };
        let options = run::RunOptions { covariance: true, ..how.options(threads) };
        let (engine, stop) = (self.engine()?, Stop::default());
        // What is recorded of single runs has no part in it.
        let problem = self.inner.edit().record(Record::default()).build().map_err(of_model)?;
        run::check(&engine, &problem, options).map_err(of_run)?;
        let verdict = wait(py, &stop, None, |_| {
            let exact = exact::solve(&problem, self.representation, &stop)?;
            let (_, engine) = Engine::new(&problem, self.representation)?;
            let outcome = run::sample(&engine, &problem, options, &stop, &mut |_| true)?;
            let evaluation = Evaluation { threads, stop: stop.clone(), ..Evaluation::default() };
            let sampled = columns::evaluate(&problem, &outcome.accumulated, &evaluation)?;
            Ok(compare(&problem, &outcome.accumulated, &sampled, &exact, FALSE_ALARM))
        })?;
        let passed = verdict.passed();
        let lines = verdict.comparisons.into_iter();
        let lines = lines.map(|of| (of.name, of.worst.0, of.worst.1, of.curve.map(|(.., p)| p), of.passed));
        let (lines, n) = (lines.collect(), verdict.trajectories);
        Ok((passed, lines, verdict.z_limit, verdict.p_limit, verdict.false_alarm, n))
    }
}
