//! The reference: the master equation in the full tensor space by Kronecker products, with no symmetry used.
//!
//! It shares no code with the other representations, so that an error in one of them cannot cancel. A d-dimensional
//! Hilbert space takes O(d²) memory for the state and ‖L‖t·nnz(L) operations for a step of length t.

mod driven;
mod evolve;
mod quantities;
mod space;
#[cfg(test)]
mod tests;

pub use space::{FullSpace, expectation};

use crate::error::RunError;
use crate::problem::{Envelope, Problem, Step};
use crate::table::Table;
use evolve::Propagator;
use ndarray::Array2;
use num_complex::Complex64;
use quantities::Meter;

/// Solve the master equation in the full tensor space and give every quantity asked for at every row.
///
/// # Errors
/// [`RunError::TooLarge`] above 128 states or when a step is too long for the rates in it, [`RunError::Numerics`] when
/// the state at a row is not one, [`RunError::Model`] for an operator or state that does not fit its subsystem.
pub fn solve(problem: &Problem) -> Result<Table, RunError> {
    let space = FullSpace::new(problem)?;
    let meter = Meter::new(problem, &space)?;
    let mut columns = vec![Vec::with_capacity(problem.protocol.row_count()); problem.quantities.len()];
    let mut propagators: Vec<Option<Propagator>> = problem.protocol.steps.iter().map(|_| None).collect();
    let mut rho = space.initial_state();
    let rows_of_run = problem.protocol.rows();
    let mut times = 0;
    for _ in 0..problem.protocol.repeat {
        for (index, step) in problem.protocol.steps.iter().enumerate() {
            let (rows, active, driven) = match step {
                Step::Rotate { subsystem, axis, angle } => {
                    rho = space.rotate(&rho, *subsystem, *axis, *angle)?;
                    continue;
                }
                Step::Reset { subsystem, state } => {
                    rho = space.reset(&rho, *subsystem, state)?;
                    continue;
                }
                Step::Evolve { rows, active, driven, .. } => (rows, active, driven),
            };
            let on = problem.drives.iter().enumerate().filter(|(d, _)| driven[*d]);
            let (fixed, varying): (Vec<_>, Vec<_>) =
                on.map(|(d, drive)| (d, drive.envelope)).partition(|(_, f)| f.constant().is_some());
            let fixed: Vec<(usize, f64)> = fixed.into_iter().map(|(d, f)| (d, f.at(0.0))).collect();
            let propagator = match &mut propagators[index] {
                Some(made) => made,
                empty => empty.insert(Propagator::new(&space, active, &fixed)?),
            };
            let mut state = stacked(&rho);
            state.resize(state.len() + problem.channels.len(), Complex64::ZERO);
            let mut now = 0.0;
            for &row in rows {
                match varying[..] {
                    [] => propagator.advance(&mut state, row - now)?,
                    _ => {
                        let all: Vec<_> =
                            fixed.iter().map(|(d, f)| (*d, Envelope::Constant(*f))).chain(varying.clone()).collect();
                        driven::advance(&space, active, &all, &mut state, now, row)?;
                    }
                }
                now = row;
                times += 1;
                rho = unstacked(&state, space.dimension());
                let jumps: Vec<f64> = state[rho.len()..].iter().map(|c| c.re).collect();
                for (column, value) in
                    columns.iter_mut().zip(meter.read(&rho, &jumps, index, rows_of_run[times - 1].time)?)
                {
                    column.push(value);
                }
            }
        }
    }
    let mut table = Table::new(problem);
    for (quantity, values) in problem.quantities.iter().zip(columns) {
        table.push_exact(problem.column(quantity), values);
    }
    Ok(table)
}

/// vec(ρ), column by column.
fn stacked(rho: &Array2<Complex64>) -> Vec<Complex64> {
    rho.t().iter().copied().collect()
}

fn unstacked(state: &[Complex64], d: usize) -> Array2<Complex64> {
    Array2::from_shape_fn((d, d), |(i, j)| state[i + d * j])
}
