//! Reads every quantity off the state on blocks.

use super::equation::Equation;
use crate::density::{BlockShape, Label};
use crate::error::RunError;
use crate::estimate::columns::spin_length;
use crate::estimate::functional::{self, State};
use crate::problem::{Linear, Problem, Quantity};
use crate::table::Table;
use faer::Mat;
use num_complex::Complex64;
use std::collections::BTreeMap;

/// How far the trace may be from 1.
const TOLERANCE: f64 = 1e-8;

/// The rows read so far.
pub struct Readout<'p> {
    problem: &'p Problem,
    columns: Vec<Vec<f64>>,
    /// Ergotropy at the first row that was read.
    initial: Option<f64>,
}

impl<'p> Readout<'p> {
    /// None yet.
    pub fn new(problem: &'p Problem) -> Self {
        Self { problem, columns: vec![Vec::new(); problem.quantities.len()], initial: None }
    }

    /// Read one row, `time` after the run began, in step `step`.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when the state is none; what a nonlinear quantity refuses.
    pub fn read(&mut self, equation: &Equation, step: usize, time: f64) -> Result<(), RunError> {
        let trace: f64 = equation.reached.iter().zip(&equation.rho).map(|(b, rho)| trace(rho, b.dimension())).sum();
        if !((trace - 1.0).abs() <= TOLERANCE) {
            let reason = format!("the density matrix has trace {trace}");
            return Err(RunError::Numerics { method: "the evolution on blocks", reason });
        }
        let reductions = &equation.blocks.reductions;
        let states: Vec<State> = (0..reductions.len()).map(|index| reduced(equation, index)).collect();
        let stage = equation.blocks.stage_of(step);
        let linear = |needed: Linear| linear(equation, needed, stage);
        let released = |step_only: Option<usize>| match step_only {
            Some(only) if only != step => 0.0,
            _ => {
                let each = equation.counters.iter().enumerate();
                each.map(|(c, n)| n * self.problem.released_per_jump(c)).sum()
            }
        };
        for (quantity, column) in self.problem.quantities.iter().zip(&mut self.columns) {
            let plain = |l: Linear| linear(l).0;
            let value = match *quantity {
                Quantity::Released(only) => released(only),
                Quantity::Jumps(channel) => equation.counters[channel],
                Quantity::EnergyVariance | Quantity::MagnetisationVariance(_) => linear(quantity.linear()).1,
                Quantity::EnergyDeviation => linear(Linear::Energy).1.max(0.0).sqrt(),
                Quantity::SpinLength(_) => spin_length(plain(quantity.linear())),
                Quantity::EnergyDensity(e) => {
                    let part = &self.problem.subsystems[e];
                    plain(Linear::EnergyOf(e)) / (part.cells() as f64 * part.energy)
                }
                Quantity::Power => {
                    if time > 0.0 {
                        plain(Linear::Energy) / time
                    } else {
                        f64::NAN
                    }
                }
                _ => match quantity.reduction(self.problem) {
                    Some(reduction) => {
                        let index = reductions.iter().position(|r| *r == reduction).unwrap_or(0);
                        functional::exact(self.problem, quantity, &states[index])?
                    }
                    None => plain(quantity.linear()),
                },
            };
            let value = match quantity {
                Quantity::InitialErgotropy => *self.initial.get_or_insert(value),
                _ => value,
            };
            column.push(value);
        }
        Ok(())
    }

    /// Forget the rows read so far, but not the ergotropy of the first.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
    }

    /// The table of all rows, or of a steady state: one row at t = ∞, named after the last timed step.
    pub fn table(self, steady: bool) -> Table {
        let mut table = Table::new(self.problem);
        if steady && let (Some(mut row), Some(step)) = (table.rows.pop(), table.steps.pop()) {
            row.time = f64::INFINITY;
            row.cycle = 0;
            (table.rows, table.steps) = (vec![row], vec![step]);
        }
        for (quantity, values) in self.problem.quantities.iter().zip(self.columns) {
            table.push_exact(self.problem.column(quantity), values);
        }
        table
    }
}

fn trace(rho: &[Complex64], d: usize) -> f64 {
    (0..d).map(|i| rho[i * d + i].re).sum()
}

/// Mean and variance of a linear average in a stage.
fn linear(equation: &Equation, needed: Linear, stage: usize) -> (f64, f64) {
    let Some(slot) = equation.blocks.linear.iter().position(|l| *l == needed) else { return (f64::NAN, f64::NAN) };
    let (mut mean, mut square) = (0.0, 0.0);
    for (block, rho) in equation.reached.iter().zip(&equation.rho) {
        let d = block.dimension();
        let observable = block.observable(equation.blocks, slot, stage);
        mean += observable.trace(&|i, j| rho[i * d + j]);
        square += observable.diagonal.iter().enumerate().map(|(i, o)| o * o * rho[i * d + i].re).sum::<f64>();
    }
    // About the mean, so that nothing cancels.
    let mut variance = 0.0;
    for (block, rho) in equation.reached.iter().zip(&equation.rho) {
        let d = block.dimension();
        let diagonal = &block.observable(equation.blocks, slot, stage).diagonal;
        variance += diagonal.iter().enumerate().map(|(i, o)| (o - mean).powi(2) * rho[i * d + i].re).sum::<f64>();
    }
    (mean, if square > 0.0 { variance } else { 0.0 })
}

/// The reduced state number `index` of the problem's reductions.
fn reduced(equation: &Equation, index: usize) -> State {
    let mut sums: BTreeMap<Label, (BlockShape, Vec<Complex64>)> = BTreeMap::new();
    for (block, rho) in equation.reached.iter().zip(&equation.rho) {
        let d = block.dimension();
        for piece in &block.reducer(equation.blocks, index).pieces {
            let size = piece.shape.energies.len().pow(2);
            let entry =
                sums.entry(piece.label.clone()).or_insert_with(|| (piece.shape.clone(), vec![Complex64::ZERO; size]));
            piece.add_matrix(&|i, j| rho[i * d + j], &mut entry.1);
        }
    }
    let block = |(label, (shape, sums)): (Label, (BlockShape, Vec<Complex64>))| {
        let d = shape.energies.len();
        (label, shape, Mat::from_fn(d, d, |i, j| sums[i * d + j]))
    };
    State { blocks: sums.into_iter().map(block).collect() }
}
