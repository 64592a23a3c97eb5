//! The rows at which trajectories are selected: as close as jumps come, and nowhere farther apart than a part of the protocol.

use crate::error::RunError;
use crate::problem::{Problem, Step};
use crate::space::choose::Representation;
use crate::stop::Stop;
use crate::unravel::engine::{Engine, EngineBatch};
use crate::unravel::no_jump::Which;
use crate::unravel::trajectory::{Moment, Recorder, Span, run_batch};
use crate::unravel::{Batch, Unraveling};

/// Trajectories whose jumps are looked at, and how many jumps are enough.
const LOOKED_AT: u64 = 32;
const ENOUGH: usize = 1_000_000;
/// A step is divided at multiples of this part of it.
const FINEST: usize = 1 << 12;
/// Between two rows lie at most these parts of all jumps, but always a few of those seen, and of the time.
const OF_JUMPS: f64 = 1.0 / 64.0;
const FEW: f64 = 8.0;
const OF_TIME: f64 = 1.0 / 32.0;

/// How many jumps came in each part of each step.
struct Jumps {
    steps: Vec<Vec<f64>>,
    seen: usize,
}

impl Recorder<EngineBatch<'_>> for Jumps {
    fn row(&mut self, _: &EngineBatch, _: &Moment) -> Result<(), RunError> {
        Ok(())
    }

    fn step_end(&mut self, batch: &EngineBatch, span: &Span) {
        let parts = &mut self.steps[span.step];
        for click in batch.clicks(0) {
            let part = (click.time / span.duration * FINEST as f64) as usize;
            parts[part.min(FINEST - 1)] += 1.0;
            self.seen += 1;
        }
    }
}

/// `problem` with rows where trajectories are selected.
///
/// # Errors
/// When no representation carries the problem, and as [`run_batch`].
pub(super) fn with_rows(
    problem: &Problem,
    representation: Option<Representation>,
    seed: u64,
    stop: &Stop,
) -> Result<Problem, RunError> {
    let mut problem = problem.clone();
    for step in &mut problem.protocol.steps {
        if let Step::Evolve { duration, rows, .. } = step
            && *duration > 0.0
        {
            *rows = vec![0.0, *duration];
        }
    }
    let parts = |step: &Step| vec![0.0; if step.duration() > 0.0 { FINEST } else { 0 }];
    let mut jumps = Jumps { steps: problem.protocol.steps.iter().map(parts).collect(), seen: 0 };
    {
        let (_, engine) = Engine::new(&problem, representation)?;
        let no_jump = engine.no_jump(stop)?;
        let which = no_jump.as_ref().map_or(Which::Any, Which::Jumping);
        for k in 0..LOOKED_AT {
            if jumps.seen < ENOUGH {
                let mut batch = engine.start_of(which, seed, k..k + 1, stop);
                batch.keep_clicks();
                run_batch(&problem, &mut batch, stop, &mut jumps)?;
            }
        }
    }
    let repeat = problem.protocol.repeat as f64;
    let most_jumps = (OF_JUMPS * jumps.steps.iter().flatten().sum::<f64>() * repeat).max(FEW);
    let most_time = OF_TIME * problem.protocol.period() * repeat;
    for (step, parts) in problem.protocol.steps.iter_mut().zip(&jumps.steps) {
        if let Step::Evolve { duration, rows, .. } = step
            && *duration > 0.0
        {
            let mut edges = vec![0];
            divide(parts, 0..FINEST, (most_jumps, most_time / *duration * FINEST as f64), &mut edges);
            let time =
                |edge: &usize| if *edge == FINEST { *duration } else { *duration * *edge as f64 / FINEST as f64 };
            *rows = edges.iter().map(time).collect();
        }
    }
    Ok(problem)
}

/// Halve a range until it holds no more jumps and parts than allowed, and add the ends of what comes of it to `edges`.
fn divide(parts: &[f64], range: std::ops::Range<usize>, most: (f64, f64), edges: &mut Vec<usize>) {
    let jumps: f64 = parts[range.clone()].iter().sum();
    if range.len() > 1 && (jumps > most.0 || range.len() as f64 > most.1) {
        let middle = range.start + range.len() / 2;
        divide(parts, range.start..middle, most, edges);
        divide(parts, middle..range.end, most, edges);
    } else {
        edges.push(range.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Initial, Quantity, sm};

    #[test]
    fn rows_are_close_where_jumps_are() {
        let mut p = Problem::builder("burst");
        let b = p.ensemble("B", 100, 1.0);
        p.collective("burst", sm(b), 1.0).initial(b, Initial::Excited).evolve("wait", 10.0, 2);
        let problem = p.observe([Quantity::Energy]).build().unwrap();
        let problem = with_rows(&problem, None, 1, &Stop::default()).unwrap();
        let Step::Evolve { rows, .. } = &problem.protocol.steps[0] else { panic!() };
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]) && rows[0] == 0.0 && rows.last() == Some(&10.0));
        // All is over after about ln(100)/100.
        let early = rows.iter().filter(|t| **t < 0.2).count();
        assert!(early >= 32 && rows.len() - early >= 32 && rows.len() < 250, "{early} of {}", rows.len());
    }
}
