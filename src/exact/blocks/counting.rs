//! Full counting statistics by the tilted master equation (M. Esposito, U. Harbola and S. Mukamel, Rev. Mod. Phys. 81, 1665
//! (2009), Sec. III): with every jump of one channel weighed by z, Tr ρ_z(t) = ⟨zⁿ⟩ of the number n of its jumps. Its
//! derivatives at z = 1, which obey linear equations of their own, are the factorial moments of n, and from these follow the
//! cumulants. z = 0 leaves the probability that there was no jump yet.

use super::equation::Equation;
use super::generator::{Counting, Density, MOMENTS};
use super::held::Stretches;
use crate::error::RunError;
use crate::problem::Problem;
use crate::protocol::{Rows, walk, walk_cycle};
use crate::space::blocks::{Blocks, Style};
use crate::stop::Stop;
use num_complex::Complex64;

/// Rounding of a moment, and of a cumulant the most that is allowed, of the larger of it and the mean.
const ROUNDING: f64 = 1e-13;
const ALLOWED: f64 = 1e-3;

/// Mean, variance, Fano factor, third and fourth cumulant of the number of jumps of each channel in each timed step over all
/// cycles: step by step, channel by channel. NaN is one that is lost in rounding.
///
/// # Errors
/// When the blocks do not fit, or `stop` is raised.
pub fn counting(problem: &Problem, style: Style, stop: &Stop) -> Result<Vec<[f64; 5]>, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut found = Vec::new();
    let through = |state: &mut Equation, stage: usize, (_, until): (f64, f64)| {
        let before = state.rho.clone();
        state.evolve(stage, 0.0, until)?;
        let (after, means) = (state.rho.clone(), state.counters.clone());
        for (channel, mean) in means.into_iter().enumerate() {
            found.push(match mean > 0.0 {
                true => of_channel(state, &before, (stage, channel, until), mean)?,
                false => [0.0, 0.0, f64::NAN, 0.0, 0.0],
            });
        }
        state.count(Counting::Off);
        state.rho = after;
        Ok(())
    };
    let mut counted = Stretches { state: Equation::new(&blocks, stop)?, through };
    (0..problem.protocol.repeat)
        .try_for_each(|cycle| walk_cycle(&problem.protocol, cycle, Rows::Skip, stop, &mut counted))?;
    Ok(found)
}

/// The probability at each row that channel number `channel` has not jumped since the run began.
///
/// # Errors
/// As [`counting`].
pub fn no_jump(problem: &Problem, channel: usize, style: Style, stop: &Stop) -> Result<Vec<f64>, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut state = Equation::new(&blocks, stop)?;
    state.count(Counting::Without(channel));
    let mut found = Vec::new();
    // There is a row at the end of each stretch.
    let through = |state: &mut Equation, stage: usize, (from, until): (f64, f64)| {
        state.evolve(stage, from, until)?;
        found.push(state.trace(0));
        Ok(())
    };
    walk(&problem.protocol, stop, &mut Stretches { state, through })?;
    Ok(found)
}

/// What is counted of a channel with this mean over a step that begins in `rho`.
fn of_channel(
    state: &mut Equation,
    rho: &Density,
    (stage, channel, duration): (usize, usize, f64),
    mean: f64,
) -> Result<[f64; 5], RunError> {
    let scale = mean.max(1.0);
    state.count(Counting::Moments(channel, scale));
    state.rho = rho.clone();
    let nothing = || rho.iter().map(|block| vec![Complex64::ZERO; block.len()]);
    state.rho.extend((0..MOMENTS).flat_map(|_| nothing()));
    state.evolve(stage, 0.0, duration)?;
    Ok(cumulants(std::array::from_fn(|m| scale.powi(m as i32 + 1) * state.trace(m + 1))))
}

/// Mean, variance, Fano factor, third and fourth cumulant from ⟨n⟩, ⟨n(n−1)⟩, … up to four factors; NaN is one that rounding
/// leaves nothing of.
fn cumulants([f1, f2, f3, f4]: [f64; MOMENTS]) -> [f64; 5] {
    // Those of the generating function in z, which are 0 of a Poisson variate but for the mean.
    let (k2, k3) = (f2 - f1 * f1, f3 - 3.0 * f2 * f1 + 2.0 * f1.powi(3));
    let k4 = f4 - 4.0 * f3 * f1 - 3.0 * f2 * f2 + 12.0 * f2 * f1 * f1 - 6.0 * f1.powi(4);
    let (c2, c3, c4) = (k2 + f1, k3 + 3.0 * k2 + f1, k4 + 6.0 * k3 + 7.0 * k2 + f1);
    let kept = |cumulant: f64, size: f64| {
        if ROUNDING * size <= ALLOWED * cumulant.abs().max(f1) { cumulant } else { f64::NAN }
    };
    let (size3, size4) = (f3 + f1.powi(3), f4 + f1.powi(4));
    [f1, kept(c2, f2 + f1 * f1), kept(c2, f2 + f1 * f1) / f1, kept(c3, size3), kept(c4, size4)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of binomial and Poisson variates, whose factorial moments are simple.
    #[test]
    fn cumulants_follow_from_factorial_moments() {
        let (n, p) = (10.0, 0.3f64);
        let falling = |m: i32| (0..m).map(|k| n - f64::from(k)).product::<f64>();
        let found = cumulants(std::array::from_fn(|m| falling(m as i32 + 1) * p.powi(m as i32 + 1)));
        let pq = p * (1.0 - p);
        let exact = [n * p, n * pq, 1.0 - p, n * pq * (1.0 - 2.0 * p), n * pq * (1.0 - 6.0 * pq)];
        for (found, exact) in found.into_iter().zip(exact) {
            assert!((found - exact).abs() < 1e-10, "{found} {exact}");
        }
        let poisson = |mean: f64| cumulants(std::array::from_fn(|m| mean.powi(m as i32 + 1)));
        assert!(poisson(2.5).into_iter().zip([2.5, 2.5, 1.0, 2.5, 2.5]).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(poisson(1e4)[4].is_nan() && (poisson(1e4)[1] - 1e4).abs() < 1.0);
    }
}
