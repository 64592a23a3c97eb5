//! The reference: the master equation in the full tensor space by Kronecker products, with no symmetry used.
//!
//! It shares no code with the other representations, so that an error in one of them cannot cancel. A d-dimensional
//! Hilbert space takes O(d²) memory for the state and ‖L‖t·nnz(L) operations for a step of length t.

mod evolve;
mod space;
#[cfg(test)]
mod tests;

pub use space::{FullSpace, expectation};

use crate::error::{ModelError, RunError};
use crate::problem::{Problem, Quantity, Step, SubsystemId};
use crate::table::Table;
use evolve::Propagator;
use faer::{Mat, Side};
use ndarray::Array2;
use num_complex::Complex64;
use sprs::CsMat;

/// How far a trace may be from 1, and an eigenvalue of ρ below 0.
const TOLERANCE: f64 = 1e-9;

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
    for _ in 0..problem.protocol.repeat {
        for (index, step) in problem.protocol.steps.iter().enumerate() {
            let (rows, active) = match step {
                Step::Rotate { subsystem, axis, angle } => {
                    rho = space.rotate(&rho, *subsystem, *axis, *angle)?;
                    continue;
                }
                Step::Reset { .. } => continue,
                Step::Evolve { rows, active, .. } => (rows, active),
            };
            let propagator = match &mut propagators[index] {
                Some(made) => made,
                empty => empty.insert(Propagator::new(&space, active)?),
            };
            let mut state = stacked(&rho);
            state.resize(state.len() + problem.channels.len(), Complex64::ZERO);
            let mut now = 0.0;
            for &row in rows {
                propagator.advance(&mut state, row - now)?;
                now = row;
                rho = unstacked(&state, space.dimension());
                let jumps: Vec<f64> = state[rho.len()..].iter().map(|c| c.re).collect();
                for (column, value) in columns.iter_mut().zip(meter.read(&rho, &jumps, index)?) {
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

/// Reads the quantities off a state.
struct Meter<'p> {
    problem: &'p Problem,
    /// Sᶻ and S² of the ensembles asked about.
    spins: Vec<(SubsystemId, CsMat<Complex64>, CsMat<Complex64>)>,
    /// Of each basis state: index in the battery, index in the rest, energy of the battery.
    split: Vec<(usize, usize, f64)>,
}

impl<'p> Meter<'p> {
    fn new(problem: &'p Problem, space: &FullSpace) -> Result<Self, ModelError> {
        let mut spins = Vec::new();
        for quantity in &problem.quantities {
            if let Quantity::Magnetisation(e) | Quantity::MagnetisationVariance(e) | Quantity::SpinLength(e) = *quantity
            {
                let (z, squared) = space.spin(e)?;
                spins.push((e, z, squared));
            }
        }
        Ok(Self { problem, spins, split: space.battery_split() })
    }

    /// The quantities in the order asked for, in `rho` and with the `jumps` of each channel since step `step` began.
    fn read(&self, rho: &Array2<Complex64>, jumps: &[f64], step: usize) -> Result<Vec<f64>, RunError> {
        let trace: Complex64 = rho.diag().sum();
        let finite = rho.iter().all(|x| x.is_finite()) && jumps.iter().all(|x| x.is_finite());
        if !finite || (trace - 1.0).norm() > TOLERANCE {
            let reason = format!("the density matrix has trace {trace}, all elements finite: {finite}");
            return Err(RunError::Numerics { method: "the full-space evolution", reason });
        }
        let energy_power = |power: i32| -> f64 {
            self.split.iter().zip(rho.diag()).map(|((_, _, energy), p)| energy.powi(power) * p.re).sum()
        };
        let energy = energy_power(1);
        let energy_variance = energy_power(2) - energy * energy;
        if !energy_variance.is_finite() {
            let reason = format!("the battery has energy {energy} with variance {energy_variance}");
            return Err(RunError::Numerics { method: "the full-space evolution", reason });
        }
        let ergotropy = if self.problem.needs_state() { energy - self.passive_energy(rho)? } else { f64::NAN };
        let released =
            || jumps.iter().enumerate().map(|(c, count)| self.problem.released_per_jump(c) * count).sum::<f64>();
        let spin = |e: SubsystemId| {
            let found = self.spins.iter().find(|(id, ..)| *id == e);
            found.map_or((f64::NAN, f64::NAN, f64::NAN), |(_, z, squared)| {
                (expectation(z, rho).re, expectation(&(z * z), rho).re, expectation(squared, rho).re)
            })
        };
        let value = |quantity: &Quantity| match *quantity {
            Quantity::Energy => energy,
            Quantity::EnergyVariance => energy_variance,
            Quantity::EnergyDeviation => energy_variance.max(0.0).sqrt(),
            Quantity::Ergotropy => ergotropy,
            Quantity::Efficiency if energy == 0.0 || energy.abs().max(ergotropy.abs()) < 1e-14 => f64::NAN,
            Quantity::Efficiency => ergotropy / energy,
            Quantity::Magnetisation(e) => spin(e).0,
            Quantity::MagnetisationVariance(e) => spin(e).1 - spin(e).0.powi(2),
            Quantity::SpinLength(e) => ((1.0 + 4.0 * spin(e).2.max(0.0)).sqrt() - 1.0) / 2.0,
            Quantity::Released(Some(only)) if only != step => 0.0,
            Quantity::Released(_) => released(),
            Quantity::Jumps(channel) => jumps[channel],
            _ => f64::NAN,
        };
        Ok(self.problem.quantities.iter().map(value).collect())
    }

    /// Σ_k r_k↓ ε_k↑: the energy left when no unitary on the battery can extract more.
    fn passive_energy(&self, rho: &Array2<Complex64>) -> Result<f64, RunError> {
        let states = 1 + self.split.iter().map(|(battery, ..)| *battery).max().unwrap_or(0);
        let mut levels = vec![0.0; states];
        let mut reduced = Mat::<Complex64>::zeros(states, states);
        for (i, &(row, rest, energy)) in self.split.iter().enumerate() {
            levels[row] = energy;
            for (j, &(column, other, _)) in self.split.iter().enumerate() {
                if rest == other {
                    reduced[(row, column)] += rho[[i, j]];
                }
            }
        }
        levels.sort_by(f64::total_cmp);
        let method = "the eigenvalues of the battery's density matrix";
        let weights = reduced
            .self_adjoint_eigenvalues(Side::Lower)
            .map_err(|error| RunError::Numerics { method, reason: format!("{error:?}") })?;
        match weights.first() {
            Some(&least) if least < -TOLERANCE => {
                Err(RunError::Numerics { method, reason: format!("one of them is {least}") })
            }
            _ => Ok(weights.iter().rev().zip(&levels).map(|(weight, level)| weight * level).sum()),
        }
    }
}
