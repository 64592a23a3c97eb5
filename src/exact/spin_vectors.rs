//! Mean field at leading order in N: every ensemble a classical spin vector.
//!
//! The theory behind Fig. 2 of J. Dias et al., *Efficient charging of multiple open quantum batteries through dissipation
//! and pumping* (2024), derived anew from the master equation (their Eq. 4) for any ensembles under collective channels
//! r·D\[L\] with L linear in the spins, local channels and a Hamiltonian linear in the spins; see
//! [`equations`] for the equations of motion.
//!
//! # Closure
//! ⟨AB⟩ = ⟨A⟩⟨B⟩ for any two collective operators, of different ensembles or of the same one. Each of the N cells of an
//! ensemble has the same Bloch vector s, and collective channels turn it without changing its length. For the charger
//! and its batteries, at angles θ in one plane and with j = ½N sin θ, this is
//! θ_C′ = 2γ↓ Σ_m (j_C + j_Bm) − 2γ↑ j_C and θ_Bm′ = 2γ↓ (j_C + j_Bm).
//!
//! # What is neglected
//! Two cells of one ensemble are taken for uncorrelated, and a cell is counted among its own neighbours: in the derivative
//! of s, r(N s_a s_b) stands for r((N − 1)⟨σᵃ₁σᵇ₂⟩ + what the cell does alone). In a product state of cells the derivative
//! is therefore wrong by the same amount of order r at any N, a part 1/N of it. Spontaneous emission is in that part: an
//! ensemble with every cell excited is a fixed point here, so it starts turned by [`Problem::tilt`], of about 1/√(N/2) for
//! the fluctuations that set off the burst. What emission and correlations do over times 1/r, however large N is, is not
//! here (`results/charging.md` has what that makes of the paper's plateaus).
//!
//! # Ergotropy
//! That of N cells in the product state of the vectors, which has a phase. An exact state that starts without coherence has
//! none: it is the average over phases, and of a pure battery's energy it leaves ω(1 − max_M p_M) < ω unextractable, p_M
//! being the populations of the N + 1 symmetric levels.

pub mod equations;
#[cfg(test)]
mod tests;

use super::integrate::integrate;
use super::mean_field::rotation;
use crate::error::RunError;
use crate::estimate::columns::spin_length;
use crate::problem::{Axis, Initial, Linear, Problem, Quantity, Reach, Step, SubsystemId};
use crate::table::Table;
use equations::{SpinEquations, ensembles_alone};

enum Stage {
    Rotate { ensemble: SubsystemId, by: [[f64; 3]; 3] },
    Reset { ensemble: SubsystemId, to: [f64; 3] },
    Evolve { equations: SpinEquations, duration: f64, rows: Vec<f64>, step: usize },
}

/// The spin vectors of a problem of ensembles.
pub struct SpinVectors<'a> {
    problem: &'a Problem,
    /// s of each ensemble in turn.
    initial: Vec<f64>,
    stages: Vec<Stage>,
}

/// What is known at a row.
struct Point {
    vectors: Vec<f64>,
    /// Mean number of jumps of each channel since the step began.
    jumps: Vec<f64>,
    step: usize,
}

fn refuse(reason: String) -> RunError {
    RunError::Request(format!("the mean field of spin vectors does not describe this problem: {reason}"))
}

impl<'a> SpinVectors<'a> {
    /// Derive the equations of `problem`.
    ///
    /// # Errors
    /// With the reason: a part that is no ensemble or starts in no product of equal cells, an operator with a product of
    /// spins, a drive, a quantity that spin vectors do not give.
    pub fn new(problem: &'a Problem) -> Result<Self, RunError> {
        ensembles_alone(problem).map_err(refuse)?;
        let starts = problem.initial.iter().enumerate();
        let initial = starts.filter_map(|(e, state)| vector(problem, e, state)).flatten().collect();
        let stage = |(step, entry): (usize, &Step)| {
            Ok(match entry {
                Step::Rotate { subsystem, axis, angle } => {
                    Stage::Rotate { ensemble: *subsystem, by: rotation(*axis, *angle) }
                }
                Step::Reset { subsystem, state } => Stage::Reset {
                    ensemble: *subsystem,
                    to: vector(problem, *subsystem, state).ok_or("a reset is to no product of equal cells")?,
                },
                Step::Evolve { duration, rows, active, .. } => Stage::Evolve {
                    equations: SpinEquations::new(problem, active)?,
                    duration: *duration,
                    rows: rows.clone(),
                    step,
                },
            })
        };
        let stages = problem.protocol.steps.iter().enumerate().map(stage).collect::<Result<_, String>>();
        let theory = Self { problem, initial, stages: stages.map_err(refuse)? };
        match problem.quantities.iter().find(|quantity| !theory.has(quantity)) {
            Some(quantity) => Err(refuse(format!("it has no {}", problem.column(quantity)))),
            None => Ok(theory),
        }
    }

    /// Whether the vectors give a quantity. Variances are left out: their leading order is what fluctuations make of the
    /// burst, which is neglected.
    fn has(&self, quantity: &Quantity) -> bool {
        match quantity {
            Quantity::ErgotropyOf(_) | Quantity::LocalErgotropy | Quantity::CellCoherence => true,
            // Ensembles of unequal entropy share a passive state that is no product of theirs.
            Quantity::Ergotropy | Quantity::Efficiency => self.problem.battery.len() == 1 || self.battery_is_pure(),
            Quantity::Bright(_) | Quantity::TopLevel(_) => false,
            other => !other.needs_state() && !other.needs_variance(),
        }
    }

    /// Whether every cell of the battery is pure at all times.
    fn battery_is_pure(&self) -> bool {
        let battery = &self.problem.battery;
        let pure = |s: &[f64]| norm(s) > 1.0 - 1e-9;
        let local = |reach: &Reach| reach.cells_of().is_some_and(|e| battery.contains(&e));
        battery.iter().all(|e| pure(&self.initial[3 * e..3 * e + 3]))
            && !self.problem.channels.iter().any(|channel| channel.rate > 0.0 && local(&channel.reach))
            && self.stages.iter().all(|stage| match stage {
                Stage::Reset { ensemble, to } => pure(to) || !battery.contains(ensemble),
                _ => true,
            })
    }

    /// Every quantity at every row.
    ///
    /// # Errors
    /// When the integrator stops early.
    pub fn solve(&self) -> Result<Table, RunError> {
        let mut vectors = self.initial.clone();
        let mut points = Vec::with_capacity(self.problem.protocol.row_count());
        for _ in 0..self.problem.protocol.repeat {
            for stage in &self.stages {
                self.pass(stage, &mut vectors, &mut points)?;
            }
        }
        let mut table = Table::new(self.problem);
        for quantity in &self.problem.quantities {
            let values = points.iter().zip(&table.rows).map(|(point, row)| self.value(quantity, point, row.time));
            let values = values.collect();
            table.push_exact(self.problem.column(quantity), values);
        }
        Ok(table)
    }

    /// One entry of the protocol, with the points at its rows.
    fn pass(&self, stage: &Stage, vectors: &mut [f64], points: &mut Vec<Point>) -> Result<(), RunError> {
        match stage {
            Stage::Rotate { ensemble, by } => {
                let s = &mut vectors[3 * ensemble..3 * ensemble + 3];
                let turned: Vec<f64> = by.iter().map(|row| row.iter().zip(&*s).map(|(r, s)| r * s).sum()).collect();
                s.copy_from_slice(&turned);
            }
            Stage::Reset { ensemble, to } => vectors[3 * ensemble..3 * ensemble + 3].copy_from_slice(to),
            Stage::Evolve { equations, duration, rows, step } => {
                let size = vectors.len();
                let mut start = vectors.to_vec();
                start.resize(size + equations.channels.len(), 0.0);
                for state in integrate(equations, start, *duration, rows)? {
                    let mut jumps = vec![0.0; self.problem.channels.len()];
                    for (channel, count) in equations.channels.iter().zip(&state[size..]) {
                        jumps[*channel] = equations.all_cells() * count;
                    }
                    vectors.copy_from_slice(&state[..size]);
                    points.push(Point { vectors: vectors.to_vec(), jumps, step: *step });
                }
            }
        }
        Ok(())
    }

    fn value(&self, quantity: &Quantity, point: &Point, time: f64) -> f64 {
        let problem = self.problem;
        let s = |e: SubsystemId| &point.vectors[3 * e..3 * e + 3];
        let cells = |e: SubsystemId| problem.subsystems[e].cells() as f64;
        let quanta = |e: SubsystemId| 0.5 * cells(e) * (1.0 + s(e)[2]);
        let energy = |e: SubsystemId| problem.subsystems[e].energy * quanta(e);
        let sum = |of: &dyn Fn(SubsystemId) -> f64| problem.battery.iter().map(|e| of(*e)).sum::<f64>();
        // The eigenvalues of N equal cells and the levels of H_B have the same degeneracies C(N, k), so the passive state
        // is a product of N passive cells: W = N ω(s_z + |s|)/2 over all 2^N levels.
        let ergotropy =
            |e: SubsystemId| 0.5 * problem.subsystems[e].energy * cells(e) * (s(e)[2] + norm(s(e))).max(0.0);
        let ratio = |x: f64, y: f64| if y > 0.0 { x / y } else { f64::NAN };
        match *quantity {
            Quantity::Ergotropy | Quantity::LocalErgotropy => sum(&ergotropy),
            Quantity::ErgotropyOf(e) => ergotropy(e),
            Quantity::Efficiency => ratio(sum(&ergotropy), sum(&energy)),
            Quantity::CellCoherence => {
                let part = |a: usize| sum(&|e| 0.5 * cells(e) * s(e)[a]);
                part(0).hypot(part(1)) / sum(&cells)
            }
            Quantity::EnergyDensity(e) => energy(e) / (cells(e) * problem.subsystems[e].energy),
            Quantity::Power => ratio(sum(&energy), time),
            Quantity::SpinLength(e) => {
                let (n, length) = (cells(e), norm(s(e)));
                spin_length(0.25 * (3.0 * n + n * (n - 1.0) * length * length))
            }
            _ => match quantity.linear() {
                Linear::Energy => sum(&energy),
                Linear::EnergyOf(e) => energy(e),
                Linear::Quanta(e) => quanta(e),
                Linear::Magnetisation(e) => 0.5 * cells(e) * s(e)[2],
                Linear::Released(only) if only.is_some_and(|only| only != point.step) => 0.0,
                Linear::Released(_) => {
                    let each = point.jumps.iter().enumerate();
                    each.map(|(channel, n)| n * problem.released_per_jump(channel)).sum()
                }
                Linear::Jumps(channel) => point.jumps[channel],
                _ => f64::NAN, // refused by `has`
            },
        }
    }
}

fn norm(s: &[f64]) -> f64 {
    s.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The Bloch vector of a cell of ensemble `e` that starts in `state`, turned by the ensemble's tilt.
fn vector(problem: &Problem, e: SubsystemId, state: &Initial) -> Option<[f64; 3]> {
    let (excited, coherence) = state.cell()?;
    let s = [2.0 * coherence.re, -2.0 * coherence.im, 2.0 * excited - 1.0];
    let turn = rotation(Axis::Y, problem.tilt[e]);
    Some(turn.map(|row| row.iter().zip(s).map(|(r, s)| r * s).sum()))
}
