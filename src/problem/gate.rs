//! Gates: unitaries that act in no time, on several subsystems at once if need be.

use super::check::{check_hermitian, check_sum};
use super::limits::range;
use super::{MOST_JOINT, OpSum, Problem, SubsystemId};
use crate::error::ModelError;
use crate::problem::initial::is_unitary;
use faer::Mat;
use num_complex::Complex64;
use std::sync::Arc;

/// An instantaneous unitary.
#[derive(Clone, Debug, PartialEq)]
pub enum Gate {
    /// exp(−iG) of a Hermitian G, a pure number of norm 10⁶ at most.
    Exponential(OpSum),
    /// A matrix between the product states of these subsystems, the first and its cell 0 the most significant digit, a cell
    /// having |g⟩ before |e⟩.
    Matrix {
        /// The subsystems, each once.
        over: Vec<SubsystemId>,
        /// U, d × d with d ≤ [`MOST_JOINT`] product states, unitary to 1e-9.
        matrix: Arc<Mat<Complex64>>,
    },
}

/// Largest norm of a generator: beyond it double precision loses the phases.
const LARGEST_ANGLE: f64 = 1e6;

impl Gate {
    /// The subsystems that it acts on.
    pub fn over(&self) -> Vec<SubsystemId> {
        match self {
            Gate::Matrix { over, .. } => over.clone(),
            Gate::Exponential(generator) => {
                let mut over: Vec<SubsystemId> = generator.factors().map(|f| f.subsystem).collect();
                over.sort_unstable();
                over.dedup();
                over
            }
        }
    }
}

pub(super) fn check_gate(problem: &Problem, gate: &Gate) -> Result<(), ModelError> {
    let invalid = |text: String| Err(ModelError::Invalid(text));
    match gate {
        Gate::Exponential(generator) => {
            let what = "the generator of a gate";
            check_sum(problem, generator, what)?;
            check_hermitian(problem, generator, what)?;
            let norm = problem.norm_bound(generator, false);
            range("the largest angle of a gate".into(), norm, norm <= LARGEST_ANGLE, "at most 10⁶")
        }
        Gate::Matrix { over, matrix } => {
            let mut sorted = over.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let known = sorted.last().is_some_and(|last| last.index() < problem.subsystems.len());
            if !known || sorted.len() != over.len() {
                return invalid("a gate must be on existing subsystems, each once".into());
            }
            let ln: f64 = over.iter().map(|id| problem.subsystems[*id].ln_dimension()).sum();
            let d = ln.exp().round() as usize;
            let (rows, columns) = (matrix.nrows(), matrix.ncols());
            if ln > (MOST_JOINT as f64).ln() || (rows, columns) != (d, d) {
                return invalid(format!("the matrix of a gate is {rows} × {columns}, expected {d} × {d}"));
            }
            if !is_unitary(matrix) {
                return invalid("the matrix of a gate is not unitary: U†U differs from 1 by more than 1e-9".into());
            }
            Ok(())
        }
    }
}
