//! Second-order mean field: means and pair correlations of identical cells, third cumulants neglected.
//!
//! The theory of the appendix of F. Pirmoradian and K. Mølmer, *Aging of a quantum battery*, Phys. Rev. A 100, 043833
//! (2019), derived anew from dρ/dt = Σ rate·D\[L\]ρ for all nine unknowns sₐ = ⟨σᵃ₁⟩ and C_ab = ⟨σᵃ₁σᵇ₂⟩; a pulse
//! rotates them by s → Rs, C → RCRᵀ. With the third moments of the exact state the equations are exact at any N; see
//! [`equations`] for the closure.
//!
//! # What differs from the printed equations
//! With γ for the local and Γ for the collective decay D\[Σσᵢ⁻\] (the convention in which the paper's Eq. 6 is right;
//! its Eq. 5 defines S⁻ with a factor ½ that would turn Γ into Γ/4), and checked term by term against the exact
//! derivative at N = 2, 3 and 4:
//!
//! | derivative of | printed | exact |
//! |---|---|---|
//! | ⟨σᶻ⟩, ⟨σˣ⟩, ⟨σʸ⟩ (Eq. 6), ⟨σᶻσᶻ⟩, ⟨σ⁺σ⁺⟩, ⟨σ⁻σ⁻⟩ | right | |
//! | ⟨σ⁺σ⁻⟩ | … + (Γ/2)⟨σᵢᶻ + σⱼᶻ⟩ + … | … + (Γ/2)(⟨σᵢᶻ⟩ + ⟨σᵢᶻσⱼᶻ⟩) + … |
//! | ⟨σ⁺σᶻ⟩, ⟨σ⁻σᶻ⟩ | last bracket × Γ/2 | last bracket × (N − 2)Γ/2 |
//!
//! The unit test `the_printed_equations_are_wrong_where_said` holds this table.

pub mod equations;
#[cfg(test)]
mod tests;

use super::extrapolate::reduced_rank;
use super::integrate::integrate;
use crate::error::{CompileError, RunError};
use crate::estimate::columns::spin_length;
use crate::problem::{Axis, Initial, Kind, Linear, Problem, Quantity, Reach, Step};
use crate::table::Table;
use equations::{Dissipator, Equations, MOMENTS, Moments, PAIRS};

/// A fixed point is one that another cycle moves by no more than this.
const SETTLED: f64 = 1e-11;
/// Cycles that move a moment by less are near enough to a fixed point to extrapolate.
const NEAR: f64 = 1e-3;

enum Stage {
    Rotate([[f64; 3]; 3]),
    Evolve { equations: Box<Equations>, channels: Vec<usize>, duration: f64, rows: Vec<f64>, step: usize },
}

/// The mean-field theory of a problem of one ensemble.
pub struct MeanField<'a> {
    problem: &'a Problem,
    cells: f64,
    initial: [f64; MOMENTS],
    stages: Vec<Stage>,
}

fn refuse(reason: &str) -> RunError {
    CompileError { representation: "mean-field", reason: reason.into() }.into()
}

impl<'a> MeanField<'a> {
    /// Derive the equations of `problem`.
    ///
    /// # Errors
    /// With the reason, when it is not one ensemble without Hamiltonian under sums over its cells.
    pub fn new(problem: &'a Problem) -> Result<Self, RunError> {
        let [subsystem] = &problem.subsystems[..] else { return Err(refuse("it is derived for one ensemble alone")) };
        let Kind::Ensemble { cells } = subsystem.kind else { return Err(refuse("it is derived for an ensemble")) };
        if !problem.hamiltonian.terms.is_empty() {
            return Err(refuse("it is derived without a Hamiltonian"));
        }
        let cells = cells as f64;
        let mut dissipators = Vec::new();
        if !problem.drives.is_empty() || problem.protocol.steps.iter().any(|s| matches!(s, Step::Reset { .. })) {
            return Err(refuse("it is derived without drives and resets"));
        }
        for (index, channel) in problem.channels.iter().enumerate() {
            let collective = channel.reach == Reach::Collective;
            dissipators.push(Dissipator::new(&channel.operator, channel.rate, collective, index, &channel.name)?);
        }
        let stage = |(step, entry): (usize, &Step)| match entry {
            Step::Reset { .. } => Stage::Rotate(rotation(Axis::Z, 0.0)), // refused above
            Step::Rotate { axis, angle, .. } => Stage::Rotate(rotation(*axis, *angle)),
            Step::Evolve { duration, rows, active, .. } => {
                let on: Vec<Dissipator> = dissipators.iter().filter(|d| active[d.channel]).cloned().collect();
                Stage::Evolve {
                    equations: Box::new(Equations::new(cells, &on)),
                    channels: on.iter().map(|d| d.channel).collect(),
                    duration: *duration,
                    rows: rows.clone(),
                    step,
                }
            }
        };
        let stages = problem.protocol.steps.iter().enumerate().map(stage).collect();
        Ok(Self { problem, cells, initial: initial(cells, &problem.initial[0]), stages })
    }

    /// Columns asked for that this theory does not have.
    pub fn missing(problem: &Problem) -> Vec<String> {
        problem.quantities.iter().filter(|q| q.needs_state()).map(|q| problem.column(q)).collect()
    }

    /// Every quantity it has, at every row.
    ///
    /// # Errors
    /// When the integrator stops early.
    pub fn solve(&self) -> Result<Table, RunError> {
        let mut state = self.initial;
        let mut rows = Vec::with_capacity(self.problem.protocol.row_count());
        for _ in 0..self.problem.protocol.repeat {
            self.cycle(&mut state, &mut rows)?;
        }
        Ok(self.table(&rows))
    }

    /// The fixed point of one cycle that is reached from the initial state, at the rows of one cycle.
    ///
    /// # Errors
    /// When the integrator stops early, or it does not settle within 10,000 cycles.
    pub fn fixed_point(&self) -> Result<Table, RunError> {
        const WINDOW: usize = 4;
        let mut state = self.initial;
        let mut residual = f64::INFINITY;
        for _ in 0..10_000 / WINDOW {
            let mut iterates = vec![state.to_vec()];
            let mut rows = Vec::new();
            for _ in 0..WINDOW {
                rows.clear();
                self.cycle(&mut state, &mut rows)?;
                iterates.push(state.to_vec());
            }
            let moved = iterates[WINDOW].iter().zip(&iterates[WINDOW - 1]).map(|(a, b)| (a - b).abs());
            residual = moved.fold(0.0, f64::max);
            if residual <= SETTLED {
                return Ok(self.table(&rows));
            }
            // Extrapolating is for the last digits: from afar it could lead to another fixed point.
            match reduced_rank(&iterates) {
                Some(better) if residual <= NEAR && better.iter().all(|x| x.abs() <= 1.0 + 1e-9) => {
                    state.copy_from_slice(&better);
                }
                _ => {}
            }
        }
        let reason = format!("after 10,000 cycles one more still moves a moment by {residual:.1e}");
        Err(RunError::Numerics { method: "the mean-field fixed point of one cycle", reason })
    }

    /// One cycle; every quantity at every row is added to `rows`.
    fn cycle(&self, state: &mut [f64; MOMENTS], rows: &mut Vec<Vec<f64>>) -> Result<(), RunError> {
        for stage in &self.stages {
            match stage {
                Stage::Rotate(by) => *state = rotated(by, state),
                Stage::Evolve { equations, channels, duration, rows: times, step } => {
                    let mut now = state.to_vec();
                    now.resize(MOMENTS + channels.len(), 0.0);
                    for path in integrate(&**equations, now, *duration, times)? {
                        let mut jumps = vec![0.0; self.problem.channels.len()];
                        for (channel, per_cell) in channels.iter().zip(&path[MOMENTS..]) {
                            jumps[*channel] = self.cells * per_cell;
                        }
                        state.copy_from_slice(&path[..MOMENTS]);
                        rows.push(self.quantities(state, &jumps, *step));
                    }
                }
            }
        }
        Ok(())
    }

    fn quantities(&self, state: &[f64], jumps: &[f64], step: usize) -> Vec<f64> {
        let (n, m) = (self.cells, Moments(state));
        let magnetisation = 0.5 * n * m.s(2);
        let pairs = n * (n - 1.0);
        let squared = 0.25 * (3.0 * n + pairs * (m.c(0, 0) + m.c(1, 1) + m.c(2, 2)));
        let variance = 0.25 * (n + pairs * m.c(2, 2)) - magnetisation * magnetisation;
        let omega = if self.problem.battery.is_empty() { 0.0 } else { self.problem.subsystems[0].energy };
        let released = || jumps.iter().enumerate().map(|(c, n)| n * self.problem.released_per_jump(c)).sum();
        let value = |quantity: &Quantity| match quantity {
            Quantity::EnergyVariance => omega * omega * variance,
            Quantity::EnergyDeviation => omega * variance.max(0.0).sqrt(),
            Quantity::MagnetisationVariance(_) => variance,
            Quantity::SpinLength(_) => spin_length(squared),
            other => match other.linear() {
                Linear::Energy | Linear::EnergyOf(_) => omega * (0.5 * n + magnetisation),
                Linear::Quanta(_) => 0.5 * n + magnetisation,
                Linear::EnergySpread
                | Linear::MagnetisationSpread(_)
                | Linear::Bright(_)
                | Linear::BrightLoss(_)
                | Linear::BrightReturn(_)
                | Linear::TopLevel(_) => f64::NAN,
                Linear::Magnetisation(_) => magnetisation,
                Linear::SpinSquared(_) => squared,
                Linear::Released(only) if only.is_some_and(|only| only != step) => 0.0,
                Linear::Released(_) => released(),
                Linear::Jumps(channel) => jumps[channel],
            },
        };
        self.problem.quantities.iter().map(value).collect()
    }

    fn table(&self, rows: &[Vec<f64>]) -> Table {
        let mut table = Table::new(self.problem);
        table.rows.truncate(rows.len());
        table.steps.truncate(rows.len());
        for (i, quantity) in self.problem.quantities.iter().enumerate().filter(|(_, q)| !q.needs_state()) {
            table.push_exact(self.problem.column(quantity), rows.iter().map(|row| row[i]).collect());
        }
        table
    }
}

fn initial(n: f64, initial: &Initial) -> [f64; MOMENTS] {
    let product = |z: f64| [0.0, 0.0, z, 0.0, 0.0, z * z, 0.0, 0.0, 0.0];
    match *initial {
        Initial::Cell { excited, coherence } => {
            // ⟨σx⟩ = 2 Re ρ_eg, ⟨σy⟩ = −2 Im ρ_eg, σx = |e⟩⟨g| + h.c.
            let (x, y, z) = (2.0 * coherence.re, -2.0 * coherence.im, 2.0 * excited - 1.0);
            [x, y, z, x * x, y * y, z * z, x * y, x * z, y * z]
        }
        Initial::Fock(_) | Initial::Coherent(_) | Initial::Populations(_) | Initial::Rotated { .. } => {
            [f64::NAN; MOMENTS]
        }
        Initial::Ground => product(-1.0),
        Initial::Excited => product(1.0),
        Initial::Thermal { ratio } => product((ratio - 1.0) / (ratio + 1.0)),
        Initial::Dicke { two_j, two_m } => {
            let (j, m) = (0.5 * two_j as f64, 0.5 * two_m as f64);
            let pairs = (n * (n - 1.0)).max(1.0);
            let zz = (4.0 * m * m - n) / pairs;
            let xx = (2.0 * (j * (j + 1.0) - m * m) - n) / pairs;
            [0.0, 0.0, 2.0 * m / n, xx, xx, zz, 0.0, 0.0, 0.0]
        }
    }
}

/// Rotation of the Bloch vector by `angle` about `axis`.
pub(super) fn rotation(axis: Axis, angle: f64) -> [[f64; 3]; 3] {
    let a = match axis {
        Axis::X => 0,
        Axis::Y => 1,
        Axis::Z => 2,
    };
    let (b, c) = ((a + 1) % 3, (a + 2) % 3);
    let mut r = [[0.0; 3]; 3];
    r[a][a] = 1.0;
    (r[b][b], r[b][c]) = (angle.cos(), -angle.sin());
    (r[c][b], r[c][c]) = (angle.sin(), angle.cos());
    r
}

fn rotated(r: &[[f64; 3]; 3], state: &[f64; MOMENTS]) -> [f64; MOMENTS] {
    let m = Moments(state);
    let each = || (0..3).flat_map(|c| (0..3).map(move |d| (c, d)));
    let mut out = [0.0; MOMENTS];
    for a in 0..3 {
        out[a] = (0..3).map(|b| r[a][b] * m.s(b)).sum();
    }
    for (k, (a, b)) in PAIRS.into_iter().enumerate() {
        out[3 + k] = each().map(|(c, d)| r[a][c] * r[b][d] * m.c(c, d)).sum();
    }
    out
}
