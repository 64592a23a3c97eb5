//! The reference: the master equation in the full tensor space by Kronecker products, with no symmetry used.
//!
//! It shares no code with the other representations, so that an error in one of them cannot cancel. A d-dimensional
//! Hilbert space takes O(d²) memory for the state and O(‖L‖t·d·nnz(K)) operations for a step of length t.

mod chosen;
mod correlation;
mod driven;
mod evolve;
mod flow;
#[cfg(test)]
mod language_tests;
mod quantities;
mod space;
mod states;
mod steady;
#[cfg(test)]
mod tests;

pub use correlation::correlation;
pub use space::{FullSpace, expectation};
pub use steady::steady;

use crate::error::RunError;
use crate::problem::{Channel, Envelope, Problem, Recipe, Step};
use crate::table::Table;
use evolve::TaylorSum;
use ndarray::Array2;
use num_complex::Complex64;
use quantities::Meter;

/// Solve the master equation in the full tensor space and give every quantity asked for at every row.
///
/// # Errors
/// [`RunError::TooLarge`] above 1024 states or when a step is too long for the rates in it, [`RunError::Numerics`] when
/// the state at a row is not one, [`RunError::Model`] for an operator or state that does not fit its subsystem.
pub fn solve(problem: &Problem) -> Result<Table, RunError> {
    let space = FullSpace::new(problem)?;
    let meter = Meter::new(problem, &space)?;
    let mut columns = vec![Vec::with_capacity(problem.protocol.row_count()); problem.quantities.len()];
    let mut steps = Steps::new(problem, &space);
    let mut rho = space.initial_state();
    let rows = problem.protocol.rows();
    let mut row = 0;
    let mut start = 0.0;
    for _ in 0..problem.protocol.repeat {
        for (index, step) in problem.protocol.steps.iter().enumerate() {
            rho = steps.take(rho, index, start, |rho, jumps| {
                let values = meter.read(rho, jumps, index, rows[row].time)?;
                columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                row += 1;
                Ok(())
            })?;
            start += step.duration();
        }
    }
    let mut table = Table::new(problem);
    for (quantity, values) in problem.quantities.iter().zip(columns) {
        let of_the_first = matches!(quantity.entry().recipe, Recipe::FirstState(..));
        let values = if of_the_first { vec![values[0]; values.len()] } else { values };
        table.push_exact(problem.column(quantity), values);
    }
    Ok(table)
}

/// Takes states through the steps of a protocol.
struct Steps<'p> {
    problem: &'p Problem,
    space: &'p FullSpace<'p>,
    /// Of each timed step without drives that change, once it was used.
    propagators: Vec<Option<TaylorSum>>,
}

impl<'p> Steps<'p> {
    fn new(problem: &'p Problem, space: &'p FullSpace<'p>) -> Self {
        Self { problem, space, propagators: problem.protocol.steps.iter().map(|_| None).collect() }
    }

    /// The state after step `index`, which begins at `start`; `read` sees it at every row, with the jumps of each channel since the step began.
    fn take(
        &mut self,
        mut rho: Array2<Complex64>,
        index: usize,
        start: f64,
        mut read: impl FnMut(&Array2<Complex64>, &[f64]) -> Result<(), RunError>,
    ) -> Result<Array2<Complex64>, RunError> {
        let (rows, active, driven) = match &self.problem.protocol.steps[index] {
            Step::Rotate { subsystem, axis, angle } => {
                return Ok(self.space.rotate(&rho, *subsystem, *axis, *angle)?);
            }
            Step::Unitary(gate) => return self.space.gate(&rho, gate),
            Step::Reset { subsystem, state } => return self.space.reset(&rho, *subsystem, state),
            Step::Evolve { rows, active, driven, .. } => (rows, active, driven),
        };
        let (drives, rates) = (self.drives(driven), self.rates(active));
        let mut state = stacked(&rho);
        state.resize(state.len() + self.problem.channels.len(), Complex64::ZERO);
        let mut now = 0.0;
        for &row in rows {
            match constant(&drives).filter(|_| rates.is_empty()) {
                Some(fixed) => {
                    let propagator = match &mut self.propagators[index] {
                        Some(made) => made,
                        empty => empty.insert(TaylorSum::new(self.space, active, &fixed)?),
                    };
                    propagator.advance(&mut state, row - now)?;
                }
                None => {
                    let changes = driven::Changes { drives: drives.clone(), rates: rates.clone() };
                    driven::advance(self.space, active, &changes, &mut state, start, (now, row))?;
                }
            }
            now = row;
            rho = unstacked(&state, self.space.dimension());
            read(&rho, &state[rho.len()..].iter().map(|c| c.re).collect::<Vec<f64>>())?;
        }
        Ok(rho)
    }

    /// The channels that are on and change.
    fn rates(&self, active: &[bool]) -> Vec<(usize, &'p Channel)> {
        self.problem.channels.iter().enumerate().filter(|(c, channel)| active[*c] && channel.changes()).collect()
    }

    /// The drives that are on.
    fn drives(&self, driven: &[bool]) -> Vec<(usize, Envelope)> {
        let all = self.problem.drives.iter().enumerate();
        all.filter(|(d, _)| driven[*d]).map(|(d, drive)| (d, drive.envelope.clone())).collect()
    }
}

/// The strengths of drives none of which changes.
fn constant(drives: &[(usize, Envelope)]) -> Option<Vec<(usize, f64)>> {
    drives.iter().map(|(d, envelope)| Some((*d, envelope.constant()?))).collect()
}

/// vec(ρ), column by column.
fn stacked(rho: &Array2<Complex64>) -> Vec<Complex64> {
    rho.t().iter().copied().collect()
}

fn unstacked(state: &[Complex64], d: usize) -> Array2<Complex64> {
    Array2::from_shape_fn((d, d), |(i, j)| state[i + d * j])
}
