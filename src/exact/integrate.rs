//! Stiff ordinary differential equations over one timed step: linearly implicit Euler steps, extrapolated.
//!
//! One large step h from x is done n times as n small steps Δ = (1 − (h/n)J)⁻¹ (h/n) f(y), J the Jacobian at x, for
//! n = 2, 3, 4, 6, …; the results depend on 1/n by a power series, whose leading terms the extrapolation removes
//! (P. Deuflhard, SIAM Review 27, 505 (1985), Sect. 3). How many rows of the table are made, and h, follow from the
//! work that each would have taken (E. Hairer and G. Wanner, *Solving Ordinary Differential Equations II*, Sect. IV.9).
//! It needs no Newton iteration and no past steps, so that rows may lie as they like. The factors are made here because
//! the matrices are small: for a dozen unknowns a general library takes six times as long.

use crate::error::RunError;
use crate::stop::Stop;

/// Tolerances, relative and on each unknown.
const RELATIVE: f64 = 1e-11;
const ABSOLUTE: f64 = 1e-13;
/// An integration of more steps than this will not end.
const MOST_STEPS: u64 = 1_000_000;
/// Small steps in each row of the table.
const SMALL_STEPS: [usize; 10] = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48];
/// The step is chosen to meet this part of the tolerance, times [`CAUTION`].
const MARGIN: f64 = 0.6;
const CAUTION: f64 = 0.93;

/// dx/dt = f(x).
pub trait Flow {
    /// f(x), every element of `out` written.
    fn derivative(&self, x: &[f64], out: &mut [f64]);
    /// The Jacobian of f at `x` times `direction`, every element of `out` written.
    fn jacobian(&self, x: &[f64], direction: &[f64], out: &mut [f64]);
    /// The fastest rate of change of one unknown by itself, to order of magnitude.
    fn stiffness(&self) -> f64;
}

/// How an integration goes on: the next step and the last row of its table that should be needed.
#[derive(Clone, Debug, Default)]
pub struct Integrator {
    step: f64,
    rows: usize,
    taken: u64,
}

/// What came of one step.
struct Attempt {
    /// The change of x, if it is right to the tolerance.
    change: Option<Vec<f64>>,
    step: f64,
    rows: usize,
}

impl Integrator {
    /// At the start of a timed step of `duration`.
    pub fn new(flow: &impl Flow, duration: f64) -> Self {
        Self { step: 0.05 / (1.0 / duration + flow.stiffness()), rows: 4, taken: 0 }
    }

    /// x ← x(`until`) from x(`from`), times since the timed step began.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when the tolerance cannot be met, [`RunError::Interrupted`] once `stop` is raised.
    pub fn advance(
        &mut self,
        flow: &impl Flow,
        x: &mut [f64],
        (from, until): (f64, f64),
        stop: &Stop,
    ) -> Result<(), RunError> {
        let failed =
            |reason: String| RunError::Numerics { method: "the integration of the mean-field equations", reason };
        let (mut now, mut refused) = (from, false);
        while now < until {
            stop.check()?;
            self.taken += 1;
            if self.taken > MOST_STEPS {
                return Err(failed(format!("{MOST_STEPS} steps lead to t = {now:e} of the step only")));
            }
            let left = until - now;
            let step = if self.step >= left { left } else { self.step.min(0.5 * left) };
            let attempt = self.attempt(flow, x, step, refused);
            self.rows = attempt.rows;
            match attempt.change {
                Some(change) => {
                    x.iter_mut().zip(change).for_each(|(x, change)| *x += change);
                    now = if step == left { until } else { now + step };
                    // A step cut short by a row says little of how long the next may be.
                    self.step = if step < self.step { self.step.max(attempt.step) } else { attempt.step };
                    refused = false;
                }
                None => {
                    self.step = attempt.step;
                    refused = true;
                    if !(now + self.step > now) {
                        return Err(failed(format!("at t = {now:e} of the step its steps become too short")));
                    }
                }
            }
        }
        Ok(())
    }

    /// One step; `refused` if the one before it was.
    fn attempt(&self, flow: &impl Flow, x: &[f64], step: f64, refused: bool) -> Attempt {
        let jacobian = jacobian(flow, x);
        let target = self.rows;
        let (mut optimal, mut work) = (vec![f64::NAN], vec![f64::INFINITY]);
        let mut last: Vec<Vec<f64>> = Vec::new();
        for row in 0..=(target + 1).min(SMALL_STEPS.len() - 1) {
            let n = SMALL_STEPS[row];
            let Some(coarse) = small_steps(flow, &jacobian, x, step, n) else {
                return Attempt { change: None, step: 0.1 * step, rows: target.min(row.max(2)) };
            };
            let mut table = vec![coarse];
            for (column, before) in last.iter().enumerate() {
                let ratio = n as f64 / SMALL_STEPS[row - column - 1] as f64;
                let better = table[column].iter().zip(before).map(|(a, b)| a + (a - b) / (ratio - 1.0)).collect();
                table.push(better);
            }
            last = table;
            if row == 0 {
                continue;
            }
            let error = error(x, &last[row], &last[row - 1]);
            if !error.is_finite() {
                return Attempt { change: None, step: 0.1 * step, rows: target.min(row.max(2)) };
            }
            // The error estimated goes with h to the power row + 1.
            let power = 1.0 / (row + 1) as f64;
            let least = 0.1f64.powf(power);
            let factor = ((error / MARGIN).powf(power) / CAUTION).max(least).min(4.0 / least);
            optimal.push(step / factor);
            work.push(cost(row) / optimal[row]);
            if row + 1 < target {
                continue;
            }
            if error <= 1.0 {
                let (rows, next) = choose(row, target, &optimal, &work, refused);
                let next = if refused { next.min(step) } else { next };
                return Attempt { change: last.pop(), step: next, rows };
            }
            // What the rows to come can still gain.
            let gain = match row {
                r if r + 1 == target => 4.0 * (SMALL_STEPS[target] * next_small(target)) as f64,
                r if r == target => 2.0 * next_small(target) as f64,
                _ => 1.0,
            };
            if error > gain || row == SMALL_STEPS.len() - 1 {
                let mut rows = target.min(row);
                if rows > 2 && work[rows - 1] < 0.7 * work[rows] {
                    rows -= 1;
                }
                return Attempt { change: None, step: optimal[rows].min(0.9 * step), rows };
            }
        }
        Attempt { change: None, step: 0.5 * step, rows: target }
    }
}

fn next_small(row: usize) -> usize {
    SMALL_STEPS[(row + 1).min(SMALL_STEPS.len() - 1)]
}

/// Evaluations and solutions up to this row of the table; a factorisation counts as three.
fn cost(row: usize) -> f64 {
    5.0 + SMALL_STEPS[..=row].iter().map(|n| 3.0 + *n as f64).sum::<f64>()
}

/// Rows and length of the next step after `row` rows met the tolerance where `target` were expected to.
fn choose(row: usize, target: usize, optimal: &[f64], work: &[f64], refused: bool) -> (usize, f64) {
    let most = SMALL_STEPS.len() - 2;
    let mut rows = row.min(target).max(1);
    if rows > 1 && work[rows - 1] < 0.7 * work[rows] {
        rows -= 1;
    } else if row > target && work[row] < 0.9 * work[target] {
        rows = row.min(most);
    } else if row <= target && row > 1 && work[row] < 0.9 * work[row - 1] && !refused {
        rows = (row + 1).min(most);
    }
    let rows = rows.max(2);
    match optimal.get(rows) {
        Some(step) => (rows, *step),
        None => (rows, optimal[row] * cost(rows) / cost(row)),
    }
}

/// J, column by column.
fn jacobian(flow: &impl Flow, x: &[f64]) -> Vec<f64> {
    let mut direction = vec![0.0; x.len()];
    let mut matrix = vec![0.0; x.len() * x.len()];
    for (column, out) in matrix.chunks_exact_mut(x.len()).enumerate() {
        direction[column] = 1.0;
        flow.jacobian(x, &direction, out);
        direction[column] = 0.0;
    }
    matrix
}

/// The change of x over `step` in n linearly implicit Euler steps; `None` if it is not finite.
fn small_steps(flow: &impl Flow, jacobian: &[f64], x: &[f64], step: f64, n: usize) -> Option<Vec<f64>> {
    let h = step / n as f64;
    let mut matrix: Vec<f64> = jacobian.iter().map(|j| -h * j).collect();
    matrix.iter_mut().step_by(x.len() + 1).for_each(|diagonal| *diagonal += 1.0);
    let factors = Factors::of(matrix, x.len());
    let (mut y, mut change, mut delta) = (x.to_vec(), vec![0.0; x.len()], vec![0.0; x.len()]);
    for _ in 0..n {
        flow.derivative(&y, &mut delta);
        delta.iter_mut().for_each(|f| *f *= h);
        factors.solve(&mut delta);
        // The change is summed by itself, so that less of it is rounded away.
        for (i, delta) in delta.iter().enumerate() {
            change[i] += delta;
            y[i] = x[i] + change[i];
        }
    }
    change.iter().all(|c| c.is_finite()).then_some(change)
}

/// The triangular factors of a small matrix, column by column, with the rows that were exchanged.
struct Factors {
    columns: Vec<f64>,
    pivots: Vec<usize>,
}

impl Factors {
    /// A singular matrix gives numbers that are not finite.
    fn of(mut a: Vec<f64>, n: usize) -> Self {
        let mut pivots = Vec::with_capacity(n);
        for k in 0..n {
            let pivot = (k..n).fold(k, |best, i| if a[k * n + i].abs() > a[k * n + best].abs() { i } else { best });
            pivots.push(pivot);
            if pivot != k {
                (0..n).for_each(|j| a.swap(j * n + k, j * n + pivot));
            }
            let (done, rest) = a.split_at_mut((k + 1) * n);
            let (above, below) = done[k * n..].split_at_mut(k + 1);
            let inverse = 1.0 / above[k];
            below.iter_mut().for_each(|l| *l *= inverse);
            for column in rest.chunks_exact_mut(n).filter(|column| column[k] != 0.0) {
                let factor = column[k];
                column[k + 1..].iter_mut().zip(&*below).for_each(|(x, l)| *x -= factor * l);
            }
        }
        Self { columns: a, pivots }
    }

    fn solve(&self, x: &mut [f64]) {
        let n = x.len();
        self.pivots.iter().enumerate().for_each(|(k, pivot)| x.swap(k, *pivot));
        for (k, column) in self.columns.chunks_exact(n).enumerate() {
            let factor = x[k];
            x[k + 1..].iter_mut().zip(&column[k + 1..]).for_each(|(x, l)| *x -= factor * l);
        }
        for (k, column) in self.columns.chunks_exact(n).enumerate().rev() {
            x[k] /= column[k];
            let factor = x[k];
            x[..k].iter_mut().zip(column).for_each(|(x, u)| *x -= factor * u);
        }
    }
}

/// Root mean square of the difference of two changes of x, in units of the tolerance.
fn error(x: &[f64], change: &[f64], other: &[f64]) -> f64 {
    let each = x.iter().zip(change).zip(other).map(|((x, a), b)| {
        let size = x.abs().max((x + a).abs());
        ((a - b) / (ABSOLUTE + RELATIVE * size)).powi(2)
    });
    (each.sum::<f64>() / x.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three reactions whose rates differ by nine orders of magnitude (H. H. Robertson, 1966).
    struct Robertson;

    impl Flow for Robertson {
        fn derivative(&self, x: &[f64], out: &mut [f64]) {
            out[0] = -0.04 * x[0] + 1e4 * x[1] * x[2];
            out[2] = 3e7 * x[1] * x[1];
            out[1] = -out[0] - out[2];
        }

        fn jacobian(&self, x: &[f64], v: &[f64], out: &mut [f64]) {
            out[0] = -0.04 * v[0] + 1e4 * (v[1] * x[2] + x[1] * v[2]);
            out[2] = 6e7 * x[1] * v[1];
            out[1] = -out[0] - out[2];
        }

        fn stiffness(&self) -> f64 {
            1e4
        }
    }

    #[test]
    fn stiff_reactions_to_ten_digits() {
        // The reference values at t = 40 and 1e11 of the test set for IVP solvers (Hairer and Wanner, Sect. IV.10).
        let mut x = [1.0, 0.0, 0.0];
        let mut integrator = Integrator::new(&Robertson, 1e11);
        let stop = Stop::default();
        integrator.advance(&Robertson, &mut x, (0.0, 40.0), &stop).unwrap();
        assert!(
            (x[0] - 0.715_827_068_719_394).abs() < 1e-10 && (x[1] / 9.185534764557338e-6 - 1.0).abs() < 1e-9,
            "{x:?}"
        );
        integrator.advance(&Robertson, &mut x, (40.0, 1e11), &stop).unwrap();
        assert!((x[2] - 0.999_999_979_166_505).abs() < 1e-11 && integrator.taken < 300, "{x:?}");
        stop.request();
        let ended = integrator.advance(&Robertson, &mut x, (0.0, 1.0), &stop);
        assert!(matches!(ended, Err(RunError::Interrupted)));
    }

    struct Blowing;

    impl Flow for Blowing {
        fn derivative(&self, x: &[f64], out: &mut [f64]) {
            out[0] = x[0] * x[0];
        }

        fn jacobian(&self, x: &[f64], v: &[f64], out: &mut [f64]) {
            out[0] = 2.0 * x[0] * v[0];
        }

        fn stiffness(&self) -> f64 {
            2.0
        }
    }

    #[test]
    fn what_has_no_solution_is_refused() {
        // 1/(1 − t) from 1 ends at t = 1.
        let mut x = [1.0];
        let ended = Integrator::new(&Blowing, 2.0).advance(&Blowing, &mut x, (0.0, 2.0), &Stop::default());
        assert!(matches!(ended, Err(RunError::Numerics { .. })), "{x:?}");
    }
}
