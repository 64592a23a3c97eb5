//! Reads every quantity off the state on blocks.

use super::held::Held;
use crate::density::{BlockShape, Label};
use crate::error::RunError;
use crate::estimate::answers::{Answers, Columns, Estimate, Sided, exactly};
use crate::estimate::functional::{Exact, State};
use crate::problem::{Linear, Nonlinear, Part, Problem, Reduction, Row, Varied};
use crate::space::blocks::Observable;
use crate::table::{PartStates, Table};
use faer::Mat;
use num_complex::Complex64;
use std::collections::BTreeMap;

/// How far the trace may be from 1.
const TOLERANCE: f64 = 1e-8;
/// Most elements of a reduced density matrix, which are held twice and diagonalised: 13 cells.
const MOST_REDUCED: f64 = 7e7;

/// The rows read so far.
pub struct Readout<'p> {
    problem: &'p Problem,
    functions: Exact<'p>,
    columns: Columns<'p>,
    states: Vec<PartStates>,
}

impl<'p> Readout<'p> {
    /// None yet.
    pub fn new(problem: &'p Problem) -> Self {
        Self { problem, functions: Exact::new(problem), columns: Columns::exact(problem), states: none(problem) }
    }

    /// Read one row, `time` after the run began, in step `step`.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when the state is none; what a nonlinear quantity refuses.
    pub fn read(&mut self, state: &impl Held, step: usize, time: f64) -> Result<(), RunError> {
        let diagonal = |b: usize| (0..state.reached()[b].dimension()).map(move |i| state.element(b, i, i).re);
        let trace: f64 = (0..state.reached().len()).flat_map(diagonal).sum();
        if !((trace - 1.0).abs() <= TOLERANCE) {
            let reason = format!("the density matrix has trace {trace}");
            return Err(RunError::Numerics { method: "the evolution on blocks", reason });
        }
        let reductions = self.problem.reductions();
        (0..reductions.len()).try_for_each(|index| check_size(state, index))?;
        let reduced: Vec<State> = (0..reductions.len()).map(|index| reduced(state, index)).collect();
        for (number, kept) in self.problem.kept_states.iter().zip(&mut self.states) {
            let index = reductions.iter().position(|r| *r == Reduction::Chosen(*number));
            let found = index.and_then(|index| reduced[index].blocks.first());
            let d = self.problem.states_of(&self.problem.chosen[*number].places) as usize;
            kept.rows.push(found.map_or_else(|| Mat::zeros(d, d), |(.., rho)| rho.clone()));
        }
        let (problem, functions) = (self.problem, &self.functions);
        self.columns.read(&Reading { problem, functions, state, reduced, step }, time)
    }

    /// Forget the rows read so far, but not the ergotropy of the first.
    pub fn clear(&mut self) {
        self.columns.clear();
        self.states = none(self.problem);
    }

    /// The table of all rows, or of a steady state: one row at t = ∞, named after the last timed step.
    pub fn table(self, steady: bool) -> Table {
        let mut table = self.columns.table();
        table.states = self.states;
        let all = Table::new(self.problem);
        if steady && let (Some(row), Some(step)) = (all.rows.last(), all.steps.last()) {
            table.rows = vec![Row { time: f64::INFINITY, cycle: 0, ..*row }];
            table.steps = vec![step.clone()];
        }
        table
    }
}

/// The states that are asked for, at no row yet.
fn none(problem: &Problem) -> Vec<PartStates> {
    let of = |number: &usize| PartStates { name: problem.chosen[*number].name.clone(), rows: Vec::new() };
    problem.kept_states.iter().map(of).collect()
}

/// The state at one row.
struct Reading<'a, S> {
    problem: &'a Problem,
    functions: &'a Exact<'a>,
    state: &'a S,
    /// The reduced states that the quantities need.
    reduced: Vec<State>,
    step: usize,
}

impl<S: Held> Answers for Reading<'_, S> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        let counters = self.state.counters();
        let value = match of {
            Linear::Released(Some(only)) if only.index() != self.step => 0.0,
            Linear::Released(_) => self.problem.released(counters),
            Linear::Jumps(channel) => counters[channel.index()],
            Linear::Energy
            | Linear::EnergySpread
            | Linear::EnergyOf(_)
            | Linear::Expect(_)
            | Linear::Quanta(_)
            | Linear::Magnetisation(_)
            | Linear::MagnetisationSpread(_)
            | Linear::SpinSquared(_)
            | Linear::Bright(_)
            | Linear::BrightLoss(_)
            | Linear::BrightReturn(_)
            | Linear::TopLevel(_)
            | Linear::TopQuanta => mean(self.state, of, self.step)?,
        };
        Some(Estimate::exact(value))
    }

    fn variance(&self, of: Varied) -> Option<Estimate> {
        variance(self.state, of.mean(), self.step).map(Estimate::exact)
    }

    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError> {
        let needed = what.reduction(self.problem, of);
        let Some(index) = self.state.blocks().reductions.iter().position(|r| *r == needed) else { return Ok(None) };
        self.functions.value(what, of, &self.reduced[index]).map(|value| Some(exactly(value)))
    }
}

/// The elements ρ(i, j) of one block.
type Elements<'a> = &'a dyn Fn(usize, usize) -> Complex64;

/// Σ over blocks of what `of` makes of the observable of a linear average and the elements of ρ, if the blocks hold it.
fn summed(
    state: &impl Held,
    needed: Linear,
    step: usize,
    of: impl Fn(&Observable, Elements<'_>) -> f64,
) -> Option<f64> {
    let blocks = state.blocks();
    let (average, stage) = (blocks.linear.iter().position(|l| *l == needed)?, blocks.stage_of(step));
    let reached = state.reached().iter().enumerate();
    Some(reached.map(|(b, block)| of(block.observable(blocks, average, stage), &|i, j| state.element(b, i, j))).sum())
}

/// A linear average in a step, if the blocks hold it.
pub(super) fn mean(state: &impl Held, needed: Linear, step: usize) -> Option<f64> {
    summed(state, needed, step, |observable, rho| observable.trace(rho))
}

/// Its variance, about the mean so that nothing cancels.
fn variance(state: &impl Held, needed: Linear, step: usize) -> Option<f64> {
    let mean = mean(state, needed, step)?;
    let square = summed(state, needed, step, |observable, rho| observable.trace_about(0.0, rho))?;
    let variance = summed(state, needed, step, |observable, rho| observable.trace_about(mean, rho))?;
    Some(if square > 0.0 { variance } else { 0.0 })
}

/// Whether the reduced state number `index` fits into memory: that of a pure state may be much larger than its vector.
fn check_size(state: &impl Held, index: usize) -> Result<(), RunError> {
    let mut sizes: BTreeMap<&Label, f64> = BTreeMap::new();
    for block in state.reached() {
        let pieces = &block.reducer(state.blocks(), index).pieces;
        sizes.extend(pieces.iter().map(|piece| (&piece.label, (piece.shape.energies.len() as f64).powi(2))));
    }
    let elements: f64 = sizes.values().sum();
    if elements <= MOST_REDUCED {
        return Ok(());
    }
    Err(RunError::TooLarge {
        what: "the reduced density matrix that ergotropy and the like are functions of".into(),
        needed: format!("{:.1} GB", 16e-9 * elements),
        limit: format!("{:.1} GB", 16e-9 * MOST_REDUCED),
        advice: "ask for energies and other quantities of few cells only".into(),
    })
}

/// The reduced state number `index` of the problem's reductions.
fn reduced(state: &impl Held, index: usize) -> State {
    let mut sums: BTreeMap<Label, (BlockShape, Vec<Complex64>)> = BTreeMap::new();
    for (b, block) in state.reached().iter().enumerate() {
        for piece in &block.reducer(state.blocks(), index).pieces {
            let size = piece.shape.energies.len().pow(2);
            let entry =
                sums.entry(piece.label.clone()).or_insert_with(|| (piece.shape.clone(), vec![Complex64::ZERO; size]));
            piece.add_matrix(&|i, j| state.element(b, i, j), &mut entry.1);
        }
    }
    let block = |(label, (shape, sums)): (Label, (BlockShape, Vec<Complex64>))| {
        let d = shape.energies.len();
        (label, shape, Mat::from_fn(d, d, |i, j| sums[i * d + j]))
    };
    State::new(sums.into_iter().map(block).collect())
}
