//! The master equation without sampling.

pub mod extrapolate;
pub mod limit_cycle;
pub mod mean_field;
pub mod naive;
pub mod propagator;
pub mod rate_equation;

use crate::error::RunError;
use crate::problem::Problem;
use crate::repr::choose::{Representation, choose};
use crate::table::Table;

/// Every quantity at every row, exactly, in the representation `requested` or else the smallest exact one.
///
/// # Errors
/// When that representation cannot carry the problem, would not fit, or misses its tolerance.
pub fn solve(problem: &Problem, requested: Option<Representation>) -> Result<Table, RunError> {
    match requested.or(choose(problem).chosen()) {
        Some(Representation::Full) => naive::solve(problem),
        _ => rate_equation::RateEquation::new(problem)?.solve(),
    }
}
