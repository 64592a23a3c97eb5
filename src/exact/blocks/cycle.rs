//! The cycle that a repeated protocol settles in.
//!
//! The trace norm of what one cycle changes, ‖Φρ − ρ‖₁, never grows from cycle to cycle, and what oscillates for ever
//! keeps its own (Φ is then unitary on it, or permutes): a state settles if and only if that norm falls to 0.

use super::equation::Equation;
use super::generator::Density;
use super::readout::Readout;
use super::run_cycle;
use super::steady::{Ending, distance};
use crate::error::RunError;
use crate::problem::Problem;
use crate::table::Table;
use faer::{Mat, Side};
use num_complex::Complex64;

/// When one cycle changes the state by less, it has settled.
const TOLERANCE: f64 = 1e-13;
/// Most cycles.
const MOST_CYCLES: usize = 100_000;
/// Cycles between two looks at whether the changes still fall, and in one average.
const WINDOW: usize = 64;
/// A change that falls by less than this fraction in so many cycles does not fall.
const FALLING: f64 = 1e-7;
/// A change below this is nearly rounding, and no oscillation.
const AMPLITUDE: f64 = 1e-9;

/// The rows of the cycle that the protocol settles in from the initial state; of its average over all cycles, if that is
/// asked for and there is no such cycle.
///
/// # Errors
/// [`RunError::NoLimit`] when the changes from cycle to cycle do not fall; [`RunError::Numerics`] after 100,000 cycles.
pub fn limit(problem: &Problem, equation: &mut Equation, ending: Ending) -> Result<Table, RunError> {
    let mut change = f64::INFINITY;
    let mut earlier = f64::INFINITY;
    for cycle in 1..=MOST_CYCLES {
        let before = equation.rho.clone();
        run_cycle(equation, problem, 0, None)?;
        let last = std::mem::replace(&mut change, distance(&before, &equation.rho));
        if change <= TOLERANCE || (change <= 1e-10 && change >= last) {
            return rows(problem, equation);
        }
        if cycle % WINDOW == 0 {
            let now = trace_norm(&before, &equation.rho)?;
            if now > AMPLITUDE && now >= (1.0 - FALLING) * earlier {
                if ending == Ending::Average {
                    return average(problem, equation);
                }
                let how = format!(
                    "after {cycle} cycles one more changes the state by {now:.3} in trace norm, as much as {WINDOW} cycles before"
                );
                return Err(RunError::NoLimit { how, frequency: None });
            }
            earlier = now;
        }
    }
    let reason = format!("after {MOST_CYCLES} cycles one still changes the state by {change:.1e}");
    Err(RunError::Numerics { method: "the limit cycle on blocks", reason })
}

/// The rows of one cycle.
fn rows(problem: &Problem, equation: &mut Equation) -> Result<Table, RunError> {
    let mut readout = Readout::new(problem);
    run_cycle(equation, problem, 0, Some(&mut readout))?;
    let mut table = readout.table(false);
    let rows = problem.protocol.row_count() / problem.protocol.repeat as usize;
    table.rows.truncate(rows);
    table.steps.truncate(rows);
    Ok(table)
}

/// Averages over [`WINDOW`] cycles, of averages, until one cycle changes nothing: what turns by θ in a cycle falls by
/// |sin(Wθ/2)/(W sin(θ/2))| each time.
fn average(problem: &Problem, equation: &mut Equation) -> Result<Table, RunError> {
    let mut change = f64::INFINITY;
    for _ in 0..MOST_CYCLES / WINDOW {
        let before = equation.rho.clone();
        let mut sum: Density = before.iter().map(|block| vec![Complex64::ZERO; block.len()]).collect();
        for cycle in 0..WINDOW {
            sum.iter_mut().flatten().zip(equation.rho.iter().flatten()).for_each(|(s, x)| *s += x / WINDOW as f64);
            run_cycle(equation, problem, 0, None)?;
            if cycle == 0 {
                change = distance(&before, &equation.rho);
            }
        }
        equation.rho = if change <= 1e-11 { before } else { sum };
        if change <= 1e-11 {
            return rows(problem, equation);
        }
    }
    let reason = format!("after averages over {MOST_CYCLES} cycles one still changes the state by {change:.1e}");
    Err(RunError::Numerics { method: "the average cycle on blocks", reason })
}

/// ‖a − b‖₁.
fn trace_norm(a: &Density, b: &Density) -> Result<f64, RunError> {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        let d = a.len().isqrt();
        let difference = Mat::from_fn(d, d, |i, j| a[i * d + j] - b[i * d + j]);
        let values = difference.self_adjoint_eigenvalues(Side::Lower).map_err(|e| RunError::Numerics {
            method: "the limit cycle on blocks",
            reason: format!("the change of one cycle cannot be diagonalised: {e:?}"),
        })?;
        sum += values.into_iter().map(f64::abs).sum::<f64>();
    }
    Ok(sum)
}
