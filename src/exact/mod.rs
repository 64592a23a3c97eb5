//! The master equation without sampling, and its mean-field theories.

pub mod blocks;
pub mod extrapolate;
pub mod integrate;
pub mod limit_cycle;
pub mod mean_field;
pub mod naive;
pub mod propagator;
pub mod rate_equation;
pub mod spin_vectors;
pub mod theory;

#[cfg(test)]
mod tests;

use crate::error::RunError;
use crate::problem::Problem;
use crate::repr::blocks::Style;
use crate::repr::choose::{Representation, smallest};
use crate::stop::Stop;
use crate::table::Table;

/// Every quantity at every row, exactly, in the representation `requested` or else the smallest exact one: the rate
/// equation on the ladder, blocks otherwise.
///
/// # Errors
/// When that representation cannot carry the problem, would not fit, or misses its tolerance; [`RunError::Interrupted`]
/// within a second of `stop` being raised.
pub fn solve(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    match requested.or_else(|| smallest(problem)).and_then(Representation::style) {
        Some(style) => blocks::solve(problem, style, stop),
        None => rate_equation::RateEquation::new(problem)?.stopped_by(stop).solve(),
    }
}

/// The state reached as t → ∞ from the given initial one, or the cycle that a repeated protocol settles in.
///
/// # Errors
/// As [`solve`], and when there is no such state or it is not reached.
pub fn steady(problem: &Problem, requested: Option<Representation>, stop: &Stop) -> Result<Table, RunError> {
    match requested.or_else(|| smallest(problem)).and_then(Representation::style) {
        None if problem.protocol.repeat > 1 => {
            rate_equation::RateEquation::new(problem)?.stopped_by(stop).fixed_point()
        }
        None => blocks::steady(problem, Style { spins: true, charges: true }, stop),
        Some(style) => blocks::steady(problem, style, stop),
    }
}
