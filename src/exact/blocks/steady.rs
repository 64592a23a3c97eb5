//! The state reached from the initial one as t → ∞.
//!
//! (s/(s − L))ᵏρ₀, the state after k exponentially distributed waits of mean 1/s, tends to the steady state of ρ₀, with
//! the weights of all conserved quantities kept, and averages away whatever keeps oscillating. Each wait is one solve
//! with the same sparse LU of s − L; the error falls by s/(s + gap) each time.

use super::equation::{Density, Equation, Leap};
use super::readout::Readout;
use super::run_cycle;
use crate::error::RunError;
use crate::problem::{Problem, Step};
use crate::repr::blocks::{BlockStep, Blocks, Sparse, Style};
use crate::stop::Stop;
use crate::table::Table;
use faer::prelude::Solve;
use faer::sparse::{SparseColMat, Triplet};
use faer::{Mat, c64};
use num_complex::Complex64;

/// Most unknowns of the sparse solver.
const MOST_UNKNOWNS: usize = 60_000;
/// When two successive states differ by less, the limit is reached.
const TOLERANCE: f64 = 1e-13;
/// s in units of ‖L‖, one after the other until the gap is resolved.
const RESOLUTIONS: [f64; 5] = [1e-5, 1e-7, 1e-9, 1e-11, 1e-13];
/// Most solves with one s.
const MOST_SOLVES: usize = 60;
/// Most cycles of a repeated protocol.
const MOST_CYCLES: usize = 100_000;

/// The steady state: of the last timed step, reached through the steps before it; or of a repeated protocol, the rows of
/// the cycle it settles in.
///
/// # Errors
/// As [`solve`](super::solve); [`RunError::TooLarge`] above 60,000 unknowns; [`RunError::Numerics`] when the limit is not
/// reached; a drive that changes in time has none.
pub fn steady(problem: &Problem, style: Style, stop: &Stop) -> Result<Table, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut equation = Equation::new(&blocks, stop)?;
    if problem.protocol.repeat > 1 {
        return limit_cycle(problem, &mut equation);
    }
    let last = problem.protocol.steps.iter().rposition(|s| matches!(s, Step::Evolve { .. })).unwrap_or(0);
    let BlockStep::Evolve(stage) = blocks.steps[last] else {
        return Err(RunError::Request("the protocol has no timed step to settle in".into()));
    };
    if !blocks.stages[stage].varying.is_empty() {
        return Err(RunError::Request("a step whose drive changes in time has no steady state".into()));
    }
    let mut before = problem.clone();
    before.protocol.steps.truncate(last);
    let mut readout = Readout::new(problem);
    // What the first row would be: the state after the pulses and resets before it.
    let first = problem.protocol.steps.iter().position(|s| matches!(s, Step::Evolve { .. })).unwrap_or(last);
    let mut until_first = problem.clone();
    until_first.protocol.steps.truncate(first);
    run_cycle(&mut equation, &until_first, 0, None)?;
    readout.read(&equation, first, 0.0)?;
    readout.clear();
    equation.restart()?;
    run_cycle(&mut equation, &before, 0, None)?;
    equation.counters.fill(0.0);
    settle(&mut equation, stage)?;
    readout.read(&equation, last, f64::INFINITY)?;
    let mut table = readout.table(true);
    // Jumps and released energy grow without end.
    for (column, quantity) in table.columns.iter_mut().zip(&problem.quantities) {
        use crate::problem::Quantity::{Jumps, Power, Released};
        if matches!(quantity, Jumps(_) | Released(_)) {
            column.value.fill(f64::NAN);
        } else if matches!(quantity, Power) {
            column.value.fill(0.0);
        }
    }
    Ok(table)
}

fn limit_cycle(problem: &Problem, equation: &mut Equation) -> Result<Table, RunError> {
    let mut change = f64::INFINITY;
    for _ in 0..MOST_CYCLES {
        let before = equation.rho.clone();
        run_cycle(equation, problem, 0, None)?;
        let last = std::mem::replace(&mut change, distance(&before, &equation.rho));
        if change <= TOLERANCE || (change <= 1e-10 && change >= last) {
            let mut readout = Readout::new(problem);
            run_cycle(equation, problem, 0, Some(&mut readout))?;
            let mut table = readout.table(false);
            let rows = problem.protocol.row_count() / problem.protocol.repeat as usize;
            table.rows.truncate(rows);
            table.steps.truncate(rows);
            return Ok(table);
        }
    }
    let reason = format!("after {MOST_CYCLES} cycles one still changes the state by {change:.1e}");
    Err(RunError::Numerics { method: "the limit cycle on blocks", reason })
}

fn distance(a: &Density, b: &Density) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).norm()).sum()
}

/// ρ ← lim (s/(s − L))ᵏρ.
fn settle(equation: &mut Equation, stage: usize) -> Result<(), RunError> {
    let unknowns = equation.elements();
    if unknowns > MOST_UNKNOWNS {
        return Err(RunError::TooLarge {
            what: "the steady state".into(),
            needed: format!("{unknowns} unknowns"),
            limit: format!("{MOST_UNKNOWNS}"),
            advice: "evolve for a long time with `leyden exact`, or sample".into(),
        });
    }
    let offsets: Vec<usize> = equation
        .rho
        .iter()
        .scan(0, |next, rho| {
            let start = *next;
            *next += rho.len();
            Some(start)
        })
        .collect();
    let (drift, jumps, norm) = equation.parts(stage);
    if norm == 0.0 {
        return Ok(());
    }
    let entries = superoperator(drift, jumps, &offsets);
    let failed = |reason: String| RunError::Numerics { method: "the steady state", reason };
    let mut change = f64::INFINITY;
    for resolution in RESOLUTIONS {
        let s = resolution * norm;
        let diagonal = (0..unknowns).map(|i| Triplet::new(i, i, c64::new(s, 0.0)));
        let triplets: Vec<_> = entries.iter().map(|(i, j, x)| Triplet::new(*i, *j, -*x)).chain(diagonal).collect();
        let matrix = SparseColMat::<usize, c64>::try_new_from_triplets(unknowns, unknowns, &triplets)
            .map_err(|e| failed(format!("{e:?}")))?;
        let lu = matrix.sp_lu().map_err(|e| failed(format!("{e:?}")))?;
        let mut last = f64::INFINITY;
        for _ in 0..MOST_SOLVES {
            equation.stop.check()?;
            let right = Mat::from_fn(unknowns, 1, {
                let flat: Vec<Complex64> = equation.rho.iter().flatten().copied().collect();
                move |i, _| flat[i] * s
            });
            // One step of refinement, since s is small against ‖L‖.
            let mut solution = lu.solve(&right);
            let residual = &right - &matrix * &solution;
            solution += lu.solve(&residual);
            let mut next = equation.rho.clone();
            next.iter_mut().flatten().enumerate().for_each(|(i, x)| *x = solution[(i, 0)]);
            hermitian(&mut next);
            if !next.iter().flatten().all(|x| x.is_finite()) {
                return Err(failed("the solution is not finite".into()));
            }
            change = distance(&equation.rho, &next);
            equation.rho = next;
            if change <= TOLERANCE || (change <= 1e-10 && change >= 0.5 * last) {
                return Ok(());
            }
            last = change;
        }
    }
    Err(failed(format!("successive states still differ by {change:.1e}: some process is extremely slow")))
}

fn hermitian(rho: &mut Density) {
    let mut total = 0.0;
    for block in rho.iter_mut() {
        let d = block.len().isqrt();
        for i in 0..d {
            for j in 0..=i {
                let mean = 0.5 * (block[i * d + j] + block[j * d + i].conj());
                block[i * d + j] = mean;
                block[j * d + i] = mean.conj();
            }
            total += block[i * d + i].re;
        }
    }
    rho.iter_mut().flatten().for_each(|x| *x /= total);
}

/// L on the rows of all blocks one after the other: K⊗1 + 1⊗K* inside blocks, L⊗L* between them.
fn superoperator(drift: &[Sparse], jumps: &[Leap], offsets: &[usize]) -> Vec<(usize, usize, c64)> {
    let mut entries = Vec::new();
    for (k, offset) in drift.iter().zip(offsets) {
        let d = k.rows();
        for (x, (i, j)) in k.iter() {
            let (i, j) = (i as usize, j as usize);
            for m in 0..d {
                entries.push((offset + i * d + m, offset + j * d + m, *x));
                entries.push((offset + m * d + i, offset + m * d + j, x.conj()));
            }
        }
    }
    for (from, to, map) in jumps {
        let (d, e) = (map.cols(), map.rows());
        for (x, (i, j)) in map.iter() {
            for (y, (k, l)) in map.iter() {
                let row = offsets[*to] + i as usize * e + k as usize;
                entries.push((row, offsets[*from] + j as usize * d + l as usize, x * y.conj()));
            }
        }
    }
    entries
}
