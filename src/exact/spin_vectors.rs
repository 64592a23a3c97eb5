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
//! ensemble with every cell excited is a fixed point here, so it starts turned by [`ProblemBuilder::tilt`](crate::problem::ProblemBuilder::tilt), of about 1/√(N/2) for
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

use super::integrate::Integrator;
use super::mean_field::rotation;
use crate::error::RunError;
use crate::estimate::answers::{Answers, Columns, Estimate, Sided, derive, exactly};
use crate::problem::{
    Axis, Gate, Initial, Linear, Nonlinear, Part, Problem, Quantity, Reach, Step, SubsystemId, Varied,
};
use crate::protocol::{Evolve, Moment, Span, walk};
use crate::stop::Stop;
use crate::table::Table;
use equations::{Alike, SpinEquations, ensembles_alone};
use std::ops::Range;

/// What a step of the protocol needs.
enum StepEquations {
    Pulse,
    Reset { ensemble: SubsystemId, to: [f64; 3] },
    Evolve(SpinEquations),
}

/// The spin vectors of a problem of ensembles.
pub struct SpinVectors<'a> {
    problem: &'a Problem,
    /// s of each ensemble in turn.
    initial: Vec<f64>,
    /// One a step of the protocol.
    stages: Vec<StepEquations>,
    stop: Stop,
}

/// What is known at a row.
struct Point<'a> {
    theory: &'a SpinVectors<'a>,
    vectors: &'a [f64],
    /// Mean number of jumps of each channel since the step began.
    jumps: Vec<f64>,
    step: usize,
}

/// Where the vector of an ensemble stands among the numbers of all.
fn three(e: SubsystemId) -> Range<usize> {
    3 * e.index()..3 * e.index() + 3
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
        let starts = problem.subsystem_ids().zip(&problem.initial);
        let initial = starts.filter_map(|(e, state)| vector(problem, e, state)).flatten().collect();
        let stage = |entry: &Step| {
            Ok(match entry {
                Step::Rotate { .. } | Step::Unitary(_) => StepEquations::Pulse,
                Step::Reset { subsystem, state } => StepEquations::Reset {
                    ensemble: *subsystem,
                    to: vector(problem, *subsystem, state).ok_or("a reset is to no product of equal cells")?,
                },
                Step::Evolve { active, .. } => StepEquations::Evolve(SpinEquations::new(problem, active)?),
            })
        };
        let stages = problem.protocol.steps.iter().map(stage).collect::<Result<_, String>>();
        let theory = Self { problem, initial, stages: stages.map_err(refuse)?, stop: Stop::default() };
        match problem.quantities.iter().find(|quantity| !theory.has(quantity)) {
            Some(quantity) => Err(refuse(format!("it has no {}", problem.column(quantity)))),
            None => Ok(theory),
        }
    }

    /// The same, to be given up when `stop` is raised.
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Whether the vectors give a quantity: they do at all rows or at none.
    fn has(&self, quantity: &Quantity) -> bool {
        let jumps = vec![0.0; self.problem.channels.len()];
        let start = Point { theory: self, vectors: &self.initial, jumps, step: 0 };
        matches!(derive(self.problem, quantity, &start, 0.0), Ok(Some(_)))
    }

    /// Whether every cell of the battery is pure at all times.
    fn battery_is_pure(&self) -> bool {
        let battery = &self.problem.battery;
        let pure = |s: &[f64]| norm(s) > 1.0 - 1e-9;
        let local = |reach: &Reach| reach.cells_of().is_some_and(|e| battery.contains(&e));
        battery.iter().all(|e| pure(&self.initial[three(*e)]))
            && !self.problem.channels.iter().any(|channel| channel.rate > 0.0 && local(&channel.reach))
            && self.stages.iter().all(|stage| match stage {
                StepEquations::Reset { ensemble, to } => pure(to) || !battery.contains(ensemble),
                _ => true,
            })
    }

    /// Every quantity at every row.
    ///
    /// # Errors
    /// When the integrator misses its tolerance.
    pub fn solve(&self) -> Result<Table, RunError> {
        let mut state = State {
            theory: self,
            vectors: self.initial.clone(),
            under_way: None,
            columns: Columns::exact(self.problem),
        };
        walk(&self.problem.protocol, &self.stop, &mut state)?;
        Ok(state.columns.table())
    }
}

impl Point<'_> {
    fn s(&self, e: SubsystemId) -> &[f64] {
        &self.vectors[three(e)]
    }

    fn cells(&self, e: SubsystemId) -> f64 {
        self.theory.problem.subsystems[e].cells() as f64
    }

    fn quanta(&self, e: SubsystemId) -> f64 {
        0.5 * self.cells(e) * (1.0 + self.s(e)[2])
    }

    fn energy(&self, e: SubsystemId) -> f64 {
        self.theory.problem.subsystems[e].energy * self.quanta(e)
    }

    /// The eigenvalues of N equal cells and the levels of H_B have the same degeneracies C(N, k), so the passive state is
    /// a product of N passive cells: W = N ω(s_z + |s|)/2 over all 2^N levels.
    fn ergotropy(&self, e: SubsystemId) -> f64 {
        let energy = self.theory.problem.subsystems[e].energy;
        0.5 * energy * self.cells(e) * (self.s(e)[2] + norm(self.s(e))).max(0.0)
    }
}

impl Answers for Point<'_> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        let problem = self.theory.problem;
        Some(Estimate::exact(match of {
            Linear::Energy => problem.battery.iter().map(|e| self.energy(*e)).sum(),
            Linear::EnergyOf(e) => self.energy(e),
            Linear::Quanta(e) => self.quanta(e),
            Linear::Magnetisation(e) => 0.5 * self.cells(e) * self.s(e)[2],
            Linear::SpinSquared(e) => {
                let (n, length) = (self.cells(e), norm(self.s(e)));
                0.25 * (3.0 * n + n * (n - 1.0) * length * length)
            }
            Linear::Released(Some(only)) if only.index() != self.step => 0.0,
            Linear::Released(_) => problem.released(&self.jumps),
            Linear::Jumps(channel) => self.jumps[channel.index()],
            Linear::EnergySpread | Linear::MagnetisationSpread(_) | Linear::TopLevel(_) | Linear::TopQuanta => {
                return None;
            }
            Linear::Bright(_) | Linear::BrightLoss(_) | Linear::BrightReturn(_) | Linear::Expect(_) => return None,
        }))
    }

    /// None: their leading order is what fluctuations make of the burst, which is neglected.
    fn variance(&self, _of: Varied) -> Option<Estimate> {
        None
    }

    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError> {
        if let Part::Chosen(_) = of {
            return Ok(None);
        }
        let members = of.members(self.theory.problem);
        let sum = |of: &dyn Fn(SubsystemId) -> f64| members.iter().map(|e| of(*e)).sum::<f64>();
        let value = match what {
            // Ensembles of unequal entropy share a passive state that is no product of theirs.
            Nonlinear::Ergotropy if members.len() > 1 && !self.theory.battery_is_pure() => return Ok(None),
            Nonlinear::Ergotropy | Nonlinear::LocalErgotropy => sum(&|e| self.ergotropy(e)),
            Nonlinear::CellCoherence => {
                let part = |a: usize| sum(&|e| 0.5 * self.cells(e) * self.s(e)[a]);
                part(0).hypot(part(1)) / sum(&|e| self.cells(e))
            }
            Nonlinear::SymmetricErgotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::CoherentErgotropy
            | Nonlinear::AntiErgotropy
            | Nonlinear::Capacity
            | Nonlinear::Coherence
            | Nonlinear::Concurrence
            | Nonlinear::Purity
            | Nonlinear::Entropy
            | Nonlinear::Negativity
            | Nonlinear::MutualInformation
            | Nonlinear::Fidelity => return Ok(None),
        };
        Ok(Some(exactly(value)))
    }
}

/// The vectors on their way through the protocol, and what was read off them.
struct State<'t> {
    theory: &'t SpinVectors<'t>,
    vectors: Vec<f64>,
    under_way: Option<UnderWay<'t>>,
    columns: Columns<'t>,
}

/// A timed step that is being integrated.
struct UnderWay<'t> {
    flow: Alike<'t>,
    unknowns: Vec<f64>,
    integrator: Integrator,
}

impl Evolve for State<'_> {
    type Ended = RunError;

    /// Refused before: only rotations are known.
    fn unitary(&mut self, _: usize, _: &Gate) -> Result<(), RunError> {
        Ok(())
    }

    fn rotate(&mut self, _: usize, ensemble: SubsystemId, axis: Axis, angle: f64) -> Result<(), RunError> {
        let s = &mut self.vectors[three(ensemble)];
        let turned = rotation(axis, angle).map(|row| row.iter().zip(&*s).map(|(r, s)| r * s).sum());
        s.copy_from_slice(&turned);
        Ok(())
    }

    fn reset(&mut self, step: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        if let StepEquations::Reset { ensemble, to } = &self.theory.stages[step] {
            self.vectors[three(*ensemble)].copy_from_slice(to);
        }
        Ok(())
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        if let StepEquations::Evolve(equations) = &self.theory.stages[span.step] {
            let flow = Alike::new(equations, &self.vectors);
            let unknowns = flow.start(&self.vectors);
            let integrator = Integrator::new(&flow, span.duration);
            self.under_way = Some(UnderWay { flow, unknowns, integrator });
        }
        Ok(())
    }

    fn evolve(&mut self, _: &Span, from: f64, until: f64) -> Result<(), RunError> {
        if let Some(UnderWay { flow, unknowns, integrator }) = &mut self.under_way {
            integrator.advance(flow, unknowns, (from, until), &self.theory.stop)?;
            let all = flow.all(unknowns);
            let size = self.vectors.len();
            self.vectors.copy_from_slice(&all[..size]);
        }
        Ok(())
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        let mut jumps = vec![0.0; self.theory.problem.channels.len()];
        if let Some(UnderWay { flow, unknowns, .. }) = &self.under_way {
            for (channel, count) in flow.jumps(unknowns) {
                jumps[channel] = count;
            }
        }
        let point = Point { theory: self.theory, vectors: &self.vectors, jumps, step: moment.step };
        self.columns.read(&point, moment.time)
    }
}

fn norm(s: &[f64]) -> f64 {
    s.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The Bloch vector of a cell of ensemble `e` that starts in `state`, turned by the ensemble's tilt.
fn vector(problem: &Problem, e: SubsystemId, state: &Initial) -> Option<[f64; 3]> {
    let (excited, coherence) = state.cell()?;
    let s = [2.0 * coherence.re, -2.0 * coherence.im, 2.0 * excited - 1.0];
    let turn = rotation(Axis::Y, problem.tilt[e.index()]);
    Some(turn.map(|row| row.iter().zip(s).map(|(r, s)| r * s).sum()))
}
