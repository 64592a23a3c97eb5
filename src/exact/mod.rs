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

/// The state that the repeated protocol settles in: the rows of one cycle that ends where it began.
///
/// # Errors
/// When the protocol runs once, or as for [`solve`].
pub fn steady(problem: &Problem) -> Result<Table, RunError> {
    match problem.protocol.repeat {
        1 => Err(RunError::Request(
            "the protocol runs once, so it has no cycle to settle in; give [protocol] a repeat of 2 or more".into(),
        )),
        _ => rate_equation::RateEquation::new(problem)?.fixed_point(),
    }
}
