//! A run, whole or in parts: its batches with the problem that they are of.

use crate::errors::of_run;
use crate::problem::Problem;
use crate::tables;
use crate::waiting::wait;
use leyden::RunError;
use leyden::estimate::columns;
use leyden::estimate::evaluation::Evaluation;
use leyden::estimate::interval::Confidence;
use leyden::run::{self, Batches, Outcome, RunOptions};
use leyden::stop::Stop;
use numpy::IntoPyArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// How a run is made; what decides its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct How {
    /// Trajectories of the whole run.
    pub trajectories: u64,
    /// Seed of all random streams.
    pub seed: u64,
    /// The number of the first trajectory.
    pub first: u64,
    /// Whether single shots are kept.
    pub shots: bool,
    /// Whether the averaged state of the battery is kept.
    pub states: bool,
    /// Whether trajectories that never jump are sampled like all others.
    pub plain: bool,
    /// Most trajectories in a batch, where it may have to stop soon.
    pub most: Option<u64>,
}

impl How {
    /// As the library wants it.
    pub fn options(&self, threads: usize) -> RunOptions {
        RunOptions {
            trajectories: self.trajectories,
            seed: self.seed,
            threads,
            shots: self.shots,
            covariance: false,
            states: self.states,
        }
    }
}

/// What is stored of a run.
#[derive(Serialize, Deserialize)]
struct Stored {
    how: How,
    stopped: bool,
    parts: Vec<Batches>,
}

/// Batches of trajectories of one problem.
#[pyclass(frozen, module = "leyden._leyden")]
pub struct Run {
    problem: Py<Problem>,
    how: How,
    /// Whether it was ended for what was seen of it, or for its time.
    stopped: bool,
    /// In the order of their numbers.
    parts: Vec<Batches>,
}

impl Run {
    /// Of one stretch of batches.
    pub fn new(problem: Py<Problem>, how: How, stopped: bool, batches: Batches) -> Self {
        Self { problem, how, stopped, parts: vec![batches] }
    }

    /// All parts as one, if they follow one another.
    fn joined(&self) -> PyResult<Batches> {
        let mut parts = self.parts.iter();
        let mut all = parts.next().cloned().unwrap_or_default();
        for part in parts {
            if part.start() != all.after() {
                let text = format!(
                    "batches {} to {} are missing between the parts of this run: add the part that holds them",
                    all.after(),
                    part.start()
                );
                return Err(PyValueError::new_err(text));
            }
            all.append(part.clone());
        }
        Ok(all)
    }

    fn outcome(&self, py: Python<'_>, threads: usize) -> PyResult<Outcome> {
        let batches = self.joined()?;
        let problem = self.problem.get();
        let engine = problem.engine()?;
        let stop = Stop::default();
        wait(py, &stop, None, |_| {
            let draws = problem.draws(&engine, &self.how);
            run::conclude(&draws, &problem.inner, self.how.options(threads), batches, &stop)
        })
    }
}

#[pymethods]
impl Run {
    /// Read what `bytes` gave.
    #[staticmethod]
    fn from_bytes(problem: Py<Problem>, bytes: &[u8]) -> PyResult<Self> {
        let stored: Stored = postcard::from_bytes(bytes)
            .map_err(|error| PyValueError::new_err(format!("these are no bytes of a run of this version: {error}")))?;
        Ok(Self { problem, how: stored.how, stopped: stored.stopped, parts: stored.parts })
    }

    /// Everything but the problem.
    fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let stored = Stored { how: self.how.clone(), stopped: self.stopped, parts: self.parts.clone() };
        let bytes = postcard::to_stdvec(&stored).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Number of trajectories that were made.
    #[getter]
    fn trajectories(&self) -> u64 {
        self.parts.iter().map(Batches::trajectories).sum()
    }

    /// Number of trajectories that were asked for, in all parts.
    #[getter]
    fn asked(&self) -> u64 {
        self.how.trajectories
    }

    /// Seed of all random streams.
    #[getter]
    fn seed(&self) -> u64 {
        self.how.seed
    }

    /// Number of the first trajectory.
    #[getter]
    fn first(&self) -> u64 {
        self.how.first
    }

    /// Whether it was ended early.
    #[getter]
    fn stopped(&self) -> bool {
        self.stopped
    }

    /// This run with another part of it.
    fn joined_with(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        if self.how != other.how {
            let text = "only parts of one run are merged: they differ in trajectories, seed or in what is kept";
            return Err(PyValueError::new_err(text));
        }
        let mut parts: Vec<Batches> = self.parts.iter().chain(&other.parts).cloned().collect();
        parts.sort_by_key(|part| (part.start(), part.after()));
        if let Some(pair) = parts.windows(2).find(|pair| pair[1].start() < pair[0].after()) {
            let text = format!("both parts hold batches from {} on: each part is added once", pair[1].start());
            return Err(PyValueError::new_err(text));
        }
        let stopped = self.stopped || other.stopped;
        Ok(Self { problem: self.problem.clone_ref(py), how: self.how.clone(), stopped, parts })
    }

    /// The columns with their errors, and single shots if they were kept: (table, shots or None).
    #[pyo3(signature = (threads = 0))]
    fn conclude<'py>(
        &self,
        py: Python<'py>,
        threads: usize,
    ) -> PyResult<(Bound<'py, PyDict>, Option<Bound<'py, PyDict>>)> {
        let outcome = self.outcome(py, threads)?;
        let problem = self.problem.get();
        let (stop, made) = (Stop::default(), outcome.trajectories);
        if made == 0 {
            return Err(of_run(RunError::Interrupted));
        }
        let confidence = if self.stopped { Confidence::Stopped } else { Confidence::Fixed };
        let table = wait(py, &stop, None, |counter| {
            counter.store(made, Ordering::Relaxed);
            let how = Evaluation { threads, stop: stop.clone(), confidence, ..Evaluation::default() };
            columns::evaluate(&problem.inner, &outcome.accumulated, &how)
        })?;
        let table = tables::table(py, table)?;
        let spread = PyDict::new(py);
        let (averages, slots) = (outcome.accumulated.averages(), problem.inner.linear().len());
        for (name, slot) in problem.slots() {
            let rows = 0..problem.inner.protocol().row_count();
            let of: Vec<f64> = rows.map(|row| averages.variance(row * slots + slot).max(0.0).sqrt()).collect();
            spread.set_item(name, of.into_pyarray(py))?;
        }
        table.set_item("std", spread)?;
        let shots = outcome.shots.filter(|_| self.how.shots);
        let shots = shots.map(|shots| tables::shots(py, &problem.inner, shots)).transpose()?;
        Ok((table, shots))
    }
}
