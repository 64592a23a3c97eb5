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
use super::integrate::Integrator;
use crate::error::{CompileError, RunError};
use crate::estimate::answers::{Answers, Columns, Estimate, Sided, derive};
use crate::problem::{
    Axis, Gate, Initial, Kind, Linear, Nonlinear, Part, Problem, Quantity, Reach, Step, SubsystemId, Varied,
};
use crate::protocol::{Evolve, Moment, Rows, Span, walk, walk_cycle};
use crate::stop::Stop;
use crate::table::Table;
use equations::{Dissipator, Equations, MOMENTS, Moments, PAIRS};

/// A fixed point is one that another cycle moves by no more than this.
const SETTLED: f64 = 1e-11;
/// Cycles that move a moment by less are near enough to a fixed point to extrapolate.
const NEAR: f64 = 1e-3;

/// What a step of the protocol needs.
enum StepEquations {
    Pulse,
    Evolve { equations: Box<Equations>, channels: Vec<usize> },
}

/// The mean-field theory of a problem of one ensemble.
pub struct MeanField<'a> {
    problem: &'a Problem,
    cells: f64,
    initial: [f64; MOMENTS],
    /// One a step of the protocol.
    stages: Vec<StepEquations>,
    stop: Stop,
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
            if channel.changes() {
                return Err(refuse("it is derived for channels that do not change with time"));
            }
            let collective = channel.reach == Reach::Collective;
            dissipators.push(Dissipator::new(&channel.operator, channel.rate, collective, index, &channel.name)?);
        }
        let stage = |entry: &Step| match entry {
            Step::Rotate { .. } | Step::Unitary(_) | Step::Reset { .. } => StepEquations::Pulse,
            Step::Evolve { active, .. } => {
                let on: Vec<Dissipator> = dissipators.iter().filter(|d| active[d.channel]).cloned().collect();
                StepEquations::Evolve {
                    equations: Box::new(Equations::new(cells, &on)),
                    channels: on.iter().map(|d| d.channel).collect(),
                }
            }
        };
        let stages = problem.protocol.steps.iter().map(stage).collect();
        let initial = initial(cells, &problem.initial[0]);
        Ok(Self { problem, cells, initial, stages, stop: Stop::default() })
    }

    /// The same, to be given up when `stop` is raised.
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Columns asked for that this theory does not have.
    pub fn missing(&self) -> Vec<String> {
        let left_out = self.problem.quantities.iter().filter(|q| !self.has(q));
        left_out.map(|quantity| self.problem.column(quantity)).collect()
    }

    /// Whether means and pair correlations give a quantity: they do at all rows or at none.
    fn has(&self, quantity: &Quantity) -> bool {
        let jumps = vec![0.0; self.problem.channels.len()];
        let start = Point { theory: self, moments: Moments(&self.initial), jumps: &jumps, step: 0 };
        matches!(derive(self.problem, quantity, &start, 0.0), Ok(Some(_)))
    }

    fn columns(&self) -> Columns<'a> {
        Columns::exact_where(self.problem, |quantity| self.has(quantity))
    }

    /// Every quantity it has, at every row.
    ///
    /// # Errors
    /// When the integrator misses its tolerance.
    pub fn solve(&self) -> Result<Table, RunError> {
        let mut state = State::new(self);
        walk(&self.problem.protocol, &self.stop, &mut state)?;
        Ok(state.columns.table())
    }

    /// The fixed point of one cycle that is reached from the initial state, at the rows of one cycle.
    ///
    /// # Errors
    /// When the integrator misses its tolerance, or it does not settle within 10,000 cycles.
    pub fn fixed_point(&self) -> Result<Table, RunError> {
        const WINDOW: usize = 4;
        let cycle = |rows, state: &mut State| walk_cycle(&self.problem.protocol, 0, rows, &self.stop, state);
        let mut state = State::new(self);
        let mut residual = f64::INFINITY;
        for _ in 0..10_000 / WINDOW {
            let mut iterates = vec![state.moments[..MOMENTS].to_vec()];
            for _ in 0..WINDOW {
                cycle(Rows::Skip, &mut state)?;
                iterates.push(state.moments[..MOMENTS].to_vec());
            }
            let moved = iterates[WINDOW].iter().zip(&iterates[WINDOW - 1]).map(|(a, b)| (a - b).abs());
            residual = moved.fold(0.0, f64::max);
            if residual <= SETTLED {
                cycle(Rows::Read, &mut state)?;
                return Ok(state.columns.table());
            }
            // Extrapolating is for the last digits: from afar it could lead to another fixed point.
            match reduced_rank(&iterates) {
                Some(better) if residual <= NEAR && better.iter().all(|x| x.abs() <= 1.0 + 1e-9) => {
                    state.moments[..MOMENTS].copy_from_slice(&better);
                }
                _ => {}
            }
        }
        let reason = format!("after 10,000 cycles one more still moves a moment by {residual:.1e}");
        Err(RunError::Numerics { method: "the mean-field fixed point of one cycle", reason })
    }
}

/// What is known at a row.
struct Point<'a> {
    theory: &'a MeanField<'a>,
    moments: Moments<'a>,
    /// Mean number of jumps of each channel since the step began.
    jumps: &'a [f64],
    step: usize,
}

impl Point<'_> {
    fn magnetisation(&self) -> f64 {
        0.5 * self.theory.cells * self.moments.s(2)
    }

    /// Energy of an excited cell.
    fn omega(&self) -> f64 {
        let problem = self.theory.problem;
        if problem.battery.is_empty() { 0.0 } else { problem.subsystems[0].energy }
    }
}

impl Answers for Point<'_> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        let (n, m) = (self.theory.cells, &self.moments);
        let problem = self.theory.problem;
        let quanta = 0.5 * n + self.magnetisation();
        Some(Estimate::exact(match of {
            Linear::Energy | Linear::EnergyOf(_) => self.omega() * quanta,
            Linear::Quanta(_) => quanta,
            Linear::Magnetisation(_) => self.magnetisation(),
            Linear::SpinSquared(_) => 0.25 * (3.0 * n + n * (n - 1.0) * (m.c(0, 0) + m.c(1, 1) + m.c(2, 2))),
            Linear::Released(Some(only)) if only.index() != self.step => 0.0,
            Linear::Released(_) => problem.released(self.jumps),
            Linear::Jumps(channel) => self.jumps[channel.index()],
            Linear::EnergySpread | Linear::MagnetisationSpread(_) | Linear::TopLevel(_) | Linear::TopQuanta => {
                return None;
            }
            Linear::Bright(_) | Linear::BrightLoss(_) | Linear::BrightReturn(_) | Linear::Expect(_) => return None,
        }))
    }

    fn variance(&self, of: Varied) -> Option<Estimate> {
        let (n, m) = (self.theory.cells, self.magnetisation());
        let variance = 0.25 * (n + n * (n - 1.0) * self.moments.c(2, 2)) - m * m;
        Some(Estimate::exact(match of {
            Varied::Energy => self.omega() * self.omega() * variance,
            Varied::Magnetisation(_) => variance,
        }))
    }

    fn nonlinear(&self, _what: Nonlinear, _of: Part) -> Result<Option<Sided>, RunError> {
        Ok(None)
    }
}

/// The moments on their way through the protocol, and what was read off them.
struct State<'t> {
    theory: &'t MeanField<'t>,
    /// Jumps per cell and channel follow them during a timed step.
    moments: Vec<f64>,
    integrator: Integrator,
    columns: Columns<'t>,
}

impl<'t> State<'t> {
    fn new(theory: &'t MeanField<'t>) -> Self {
        Self { theory, moments: theory.initial.to_vec(), integrator: Integrator::default(), columns: theory.columns() }
    }
}

impl Evolve for State<'_> {
    type Ended = RunError;

    /// Refused before: only rotations are known.
    fn unitary(&mut self, _: usize, _: &Gate) -> Result<(), RunError> {
        Ok(())
    }

    fn rotate(&mut self, _: usize, _: SubsystemId, axis: Axis, angle: f64) -> Result<(), RunError> {
        let turned = rotated(&rotation(axis, angle), &self.moments);
        self.moments = turned.to_vec();
        Ok(())
    }

    /// [`MeanField::new`] has refused them.
    fn reset(&mut self, _: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        Ok(())
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        if let StepEquations::Evolve { equations, channels } = &self.theory.stages[span.step] {
            self.moments.truncate(MOMENTS);
            self.moments.resize(MOMENTS + channels.len(), 0.0);
            self.integrator = Integrator::new(&**equations, span.duration);
        }
        Ok(())
    }

    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), RunError> {
        match &self.theory.stages[span.step] {
            StepEquations::Evolve { equations, .. } => {
                self.integrator.advance(&**equations, &mut self.moments, (from, until), &self.theory.stop)
            }
            StepEquations::Pulse => Ok(()),
        }
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        let mut jumps = vec![0.0; self.theory.problem.channels.len()];
        if let StepEquations::Evolve { channels, .. } = &self.theory.stages[moment.step] {
            for (channel, per_cell) in channels.iter().zip(&self.moments[MOMENTS..]) {
                jumps[*channel] = self.theory.cells * per_cell;
            }
        }
        let moments = Moments(&self.moments[..MOMENTS]);
        let point = Point { theory: self.theory, moments, jumps: &jumps, step: moment.step };
        self.columns.read(&point, moment.time)
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
        Initial::Fock(_)
        | Initial::Coherent(_)
        | Initial::Populations(_)
        | Initial::Rotated { .. }
        | Initial::Joint(_)
        | Initial::Alone(_) => [f64::NAN; MOMENTS],
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

fn rotated(r: &[[f64; 3]; 3], state: &[f64]) -> [f64; MOMENTS] {
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
