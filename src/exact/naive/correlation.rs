//! Two-time correlations in the full tensor space: the Hermitian and the anti-Hermitian part of Bρ(t)C, evolved one by one.

use super::evolve::TaylorSum;
use super::space::{FullSpace, expectation};
use super::steady::limit;
use super::{Steps, constant, stacked, unstacked};
use crate::error::RunError;
use crate::problem::{Correlation, Problem, Step, When};
use faer::Mat;
use ndarray::Array2;
use num_complex::Complex64;

/// The correlation at each of its delays.
///
/// # Errors
/// As [`solve`](super::solve), from a steady state as [`steady`](super::steady); [`RunError::Model`] when the correlation
/// has no meaning for the problem.
pub fn correlation(problem: &Problem, of: &Correlation) -> Result<Vec<Complex64>, RunError> {
    let asked = of.regression(problem)?;
    let space = FullSpace::new(problem)?;
    let d = space.dimension();
    let mut steps = Steps::new(problem, &space);
    let (mut rho, mut start) = (space.initial_state(), 0.0);
    let last = asked.step + usize::from(of.from == When::End);
    for cycle in 0..problem.protocol.repeat {
        let all = problem.protocol.steps.iter().enumerate();
        for (index, step) in all.take(if cycle + 1 == problem.protocol.repeat { last } else { usize::MAX }) {
            rho = steps.take(rho, index, start, |_, _| Ok(()))?;
            start += step.duration();
        }
    }
    let Step::Evolve { active, driven, .. } = &problem.protocol.steps[asked.step] else { return Ok(Vec::new()) };
    let strengths = constant(&steps.drives(driven)).unwrap_or_default();
    if of.from == When::Steady {
        let state = stacked(&rho);
        let settled = limit(&space.liouvillian(active, &strengths)?, Mat::from_fn(d * d, 1, |i, _| state[i]))?;
        rho = unstacked(&(0..d * d).map(|i| settled[(i, 0)]).collect::<Vec<_>>(), d);
    }
    let [a, b, c] = [0, 1, 2].map(|k| space.operator(&asked.operators[k]));
    let (a, x) = (a?, (&b? * &rho).dot(&c?.to_dense()));
    let dagger = |m: &Array2<Complex64>| m.t().mapv(|z| z.conj());
    let parts = [(&x + &dagger(&x)) * Complex64::from(0.5), (&x - &dagger(&x)) * Complex64::new(0.0, -0.5), rho];
    let sum = TaylorSum::new(&space, active, &strengths)?;
    let mut states = parts.map(|part| stacked(&part));
    states.iter_mut().for_each(|state| state.resize(d * d + problem.channels.len(), Complex64::ZERO));
    let mut now = 0.0;
    let at = |delay: &f64| {
        let mut means = [Complex64::ZERO; 3];
        for (state, mean) in states.iter_mut().zip(&mut means) {
            sum.advance(state, delay - now)?;
            *mean = expectation(&a, &unstacked(state, d));
        }
        now = *delay;
        let value = means[0] + Complex64::I * means[1];
        Ok(if of.normalised { value / (means[2] * x.diag().sum()) } else { value })
    };
    of.delays.iter().map(at).collect()
}
