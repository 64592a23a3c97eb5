//! Which mean-field theory fits a problem.

use super::mean_field::MeanField;
use super::spin_vectors::SpinVectors;
use crate::error::RunError;
use crate::problem::{Kind, Problem, Step};
use crate::stop::Stop;
use crate::table::Table;

/// A mean-field theory of one problem.
pub enum Theory<'a> {
    /// Means and pair correlations of the cells of one ensemble.
    Cumulants(MeanField<'a>),
    /// A classical spin vector for each ensemble.
    SpinVectors(SpinVectors<'a>),
}

impl<'a> Theory<'a> {
    /// Second-order cumulants where they are derived, which is for one ensemble that no tilt is asked for; spin vectors
    /// otherwise.
    ///
    /// # Errors
    /// What of the problem the spin vectors do not describe.
    pub fn of(problem: &'a Problem) -> Result<Self, RunError> {
        if problem.battery_hamiltonian.is_some() || problem.subsystems.iter().any(|part| !part.uneven.is_empty()) {
            let text = "the mean fields know batteries of energy Σωn alone, with one ω for all cells of a subsystem";
            return Err(RunError::Request(text.into()));
        }
        if problem.protocol.steps.iter().any(|step| matches!(step, Step::Unitary(_))) {
            return Err(RunError::Request("the mean fields know no gates but rotations".into()));
        }
        if problem.at_most.is_some() {
            return Err(RunError::Request("the mean fields know no space of at most so many quanta".into()));
        }
        if !problem.joint.is_empty() {
            return Err(RunError::Request("the mean fields start from product states alone".into()));
        }
        let alone = matches!(&problem.subsystems[..], [one] if matches!(one.kind, Kind::Ensemble { .. }));
        if alone
            && problem.tilt.iter().all(|tilt| *tilt == 0.0)
            && let Ok(theory) = MeanField::new(problem)
        {
            return Ok(Theory::Cumulants(theory));
        }
        SpinVectors::new(problem).map(Theory::SpinVectors)
    }

    /// The same, to be given up when `stop` is raised.
    pub fn stopped_by(self, stop: &Stop) -> Self {
        match self {
            Theory::Cumulants(theory) => Theory::Cumulants(theory.stopped_by(stop)),
            Theory::SpinVectors(theory) => Theory::SpinVectors(theory.stopped_by(stop)),
        }
    }

    /// What it is called in manifests.
    pub fn name(&self) -> &'static str {
        match self {
            Theory::Cumulants(_) => "second-order cumulants",
            Theory::SpinVectors(_) => "spin vectors",
        }
    }

    /// Every quantity it has, at every row.
    ///
    /// # Errors
    /// When the integrator misses its tolerance.
    pub fn solve(&self) -> Result<Table, RunError> {
        match self {
            Theory::Cumulants(theory) => theory.solve(),
            Theory::SpinVectors(theory) => theory.solve(),
        }
    }

    /// Columns asked for that it leaves out.
    pub fn missing(&self) -> Vec<String> {
        match self {
            Theory::Cumulants(theory) => theory.missing(),
            Theory::SpinVectors(_) => Vec::new(),
        }
    }
}
