//! Stiff ordinary differential equations over one timed step, by variable-order BDF with an exact Jacobian.

use crate::error::RunError;
use diffsol::{NalgebraLU, NalgebraMat, OdeBuilder, OdeSolverMethod, OdeSolverStopReason, VectorCommon};

/// Tolerances of the integrator, relative and on each unknown.
const RELATIVE: f64 = 1e-11;
const ABSOLUTE: f64 = 1e-13;
/// An integration of more steps than this will not end.
const MOST_STEPS: usize = 1_000_000;

/// dx/dt = f(x).
pub trait Flow {
    /// f(x), every element of `out` written.
    fn derivative(&self, x: &[f64], out: &mut [f64]);
    /// The Jacobian of f at `x` times `direction`, every element of `out` written.
    fn jacobian(&self, x: &[f64], direction: &[f64], out: &mut [f64]);
    /// The fastest rate of change of one unknown by itself, to order of magnitude.
    fn stiffness(&self) -> f64;
}

/// x at every time of `rows` (first 0, last `duration`) from x(0) = `start`, integrated in t/duration.
///
/// # Errors
/// [`RunError::Numerics`] when the integrator stops early or gives what is no number.
pub fn integrate(flow: &impl Flow, start: Vec<f64>, duration: f64, rows: &[f64]) -> Result<Vec<Vec<f64>>, RunError> {
    let failed = |reason: String| RunError::Numerics { method: "the integration of the mean-field equations", reason };
    let size = start.len();
    let scaled = |out: &mut [f64]| out.iter_mut().for_each(|x| *x *= duration);
    let first = start.clone();
    let first_step = (1e-3 / (1.0 + flow.stiffness() * duration)).min(1e-3);
    let build = OdeBuilder::<NalgebraMat<f64>>::new()
        .rtol(RELATIVE)
        .atol([ABSOLUTE])
        .h0(first_step)
        .rhs_implicit(
            |x, _, _, out| {
                flow.derivative(x, out);
                scaled(out);
            },
            |x, _, _, v, out| {
                flow.jacobian(x, v, out);
                scaled(out);
            },
        )
        .init(move |_, _, out| out.copy_from_slice(&first), size)
        .build();
    let mut problem = build.map_err(|e| failed(e.to_string()))?;
    // A burst may take 1e-8 of a long step; failures are counted over the whole integration, which `MOST_STEPS` ends.
    let options = &mut problem.ode_options;
    options.min_timestep = options.min_timestep.min(1e-6 * first_step);
    options.max_nonlinear_solver_failures = MOST_STEPS;
    let mut solver = problem.bdf::<NalgebraLU<f64>>().map_err(|e| failed(e.to_string()))?;
    let mut states = vec![start];
    let mut left = MOST_STEPS;
    for pair in rows.windows(2) {
        if pair[1] <= pair[0] {
            // Nothing happens in no time; the solver refuses a stop time where it already is.
            states.extend(states.last().cloned());
            continue;
        }
        let target = pair[1] / duration;
        solver.set_stop_time(target).map_err(|e| failed(e.to_string()))?;
        loop {
            left = left.checked_sub(1).ok_or_else(|| failed(format!("{MOST_STEPS} steps did not suffice")))?;
            let reason = solver.step().map_err(|e| failed(format!("at t = {:e} of the step: {e}", pair[1])))?;
            if matches!(reason, OdeSolverStopReason::TstopReached) {
                break;
            }
        }
        let state: Vec<f64> = solver.state().y.inner().iter().copied().collect();
        if (solver.state().t - target).abs() > 1e-12 || state.iter().any(|x| !x.is_finite()) {
            return Err(failed(format!("it stopped at {} instead of {target} of the step", solver.state().t)));
        }
        states.push(state);
    }
    Ok(states)
}
