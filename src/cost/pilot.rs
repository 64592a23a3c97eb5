//! A pilot run: what a trajectory and its evaluation cost, seen in a fraction of a second and in little memory.

use crate::error::RunError;
use crate::estimate::columns::{self, Accumulated};
use crate::estimate::evaluation::Evaluation;
use crate::problem::Problem;
use crate::run::{self, RunOptions};
use crate::stop::Stop;
use crate::unravel::engine::Engine;
use crate::unravel::no_jump::Which;
use crate::unravel::trajectory::{Moment, Recorder, run_batch};
use crate::unravel::{Batch, Unraveling};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time for one first trajectory, for several more, and for evaluating what they gave.
const FIRST: Duration = Duration::from_millis(450);
const MORE: Duration = Duration::from_millis(350);
const EVALUATION: Duration = Duration::from_millis(300);
/// Long enough for a clock to tell.
const LONG_ENOUGH: Duration = Duration::from_millis(150);
const MOST_TRAJECTORIES: u64 = 20_000;
/// Bytes that the averages of a pilot may take.
const MOST_BYTES: f64 = 6e7;

/// What a pilot has found.
#[derive(Debug, Default)]
pub struct Pilot {
    /// Seconds on one core until the first trajectory can begin: blocks and tables.
    pub setup: f64,
    /// Seconds of one trajectory on one core; at least that if `share` is 0.
    pub each: f64,
    /// How much of one trajectory was made, if not all of it.
    pub share: Option<f64>,
    /// Trajectories that were made.
    pub made: u64,
    /// Seconds on one core to evaluate what is not linear in ρ, at all rows; `None` if it could not be timed.
    pub evaluation: Option<f64>,
    /// What they gave.
    pub accumulated: Option<Accumulated>,
}

/// The problem without what is not linear in ρ, if the density matrices that takes are too large for a pilot.
pub fn affordable(problem: &Problem, engine: &Engine) -> Option<Problem> {
    let fits = 2.0 * group_bytes(engine, problem) <= MOST_BYTES;
    (!fits).then(|| {
        let mut light = problem.clone();
        light.quantities.retain(|quantity| !quantity.needs_state());
        light
    })
}

/// Bytes of the density matrices of one group.
fn group_bytes(engine: &Engine, problem: &Problem) -> f64 {
    run::group_bytes(engine, problem, options(1, 0))
}

fn options(trajectories: u64, seed: u64) -> RunOptions {
    RunOptions { trajectories, seed, threads: 1, shots: false, covariance: false, states: false }
}

/// Time trajectories of `problem`, which the engine must be made for.
///
/// # Errors
/// What a run would fail with.
pub fn pilot(problem: &Problem, engine: &Engine, seed: u64) -> Result<Pilot, RunError> {
    let started = Instant::now();
    let seconds = |since: Instant| since.elapsed().as_secs_f64();
    let mut reached = Reached::default();
    let stop = Stop::after(FIRST);
    let one = |reached: &mut Reached| {
        let no_jump = engine.no_jump(&stop)?;
        let mut batch = engine.start_of(no_jump.as_ref().map_or(Which::Any, Which::Jumping), seed, 0..1, &stop);
        run_batch(problem, &mut batch, &stop, reached)
    };
    match one(&mut reached) {
        Err(RunError::Interrupted) => {
            let share = reached.rows as f64 / problem.protocol.row_count().max(1) as f64;
            let each = seconds(started) / if share > 0.0 { share } else { 1.0 };
            return Ok(Pilot { each, share: Some(share), ..Pilot::default() });
        }
        other => other?,
    }
    let first = seconds(started);
    // What the first one needed to be made ready is not needed again.
    let began = Instant::now();
    let each = match one(&mut Reached::default()) {
        Err(RunError::Interrupted) => first,
        other => other.map(|()| seconds(began).min(first))?,
    };
    let ready = Pilot { each, setup: first - each, made: 1, ..Pilot::default() };
    let averages = 40.0 * (problem.protocol.row_count() * problem.linear().len()) as f64;
    let group = group_bytes(engine, problem);
    if 3.0 * averages + 2.0 * group > MOST_BYTES {
        return Ok(ready);
    }
    // Each batch lies in a group of density matrices.
    let size = run::batch_size(engine, problem, options(1, seed));
    let groups = if group > 0.0 { (MOST_BYTES / group) as u64 - 1 } else { u64::MAX };
    let most = size.saturating_mul(groups).min(MOST_TRAJECTORIES);
    let stop = Stop::after(MORE);
    let mut pilot = ready;
    let mut n = ((0.2 * MORE.as_secs_f64() / each) as u64).clamp(2, most.max(2));
    loop {
        let began = Instant::now();
        let outcome = run::sample(engine, problem, options(n, seed), &stop, &mut |_| true)?;
        if outcome.trajectories > 0 && outcome.trajectories >= pilot.made {
            let beforehand = run::beforehand(engine, problem, options(n, seed));
            pilot.each = seconds(began) / (outcome.trajectories + beforehand) as f64;
            pilot.made = outcome.trajectories;
            pilot.accumulated = Some(outcome.accumulated);
        }
        if outcome.interrupted || began.elapsed() > LONG_ENOUGH || n >= most {
            break;
        }
        n = (4 * n).min(most);
    }
    pilot.setup = (first - pilot.each).max(0.0);
    pilot.evaluation = pilot.accumulated.as_ref().map(|found| evaluation(problem, found)).transpose()?.flatten();
    Ok(pilot)
}

/// Seconds to evaluate all rows, from as many as there is time for.
fn evaluation(problem: &Problem, accumulated: &Accumulated) -> Result<Option<f64>, RunError> {
    let (done, all) = (AtomicU64::new(0), AtomicU64::new(0));
    let progress = |rows: u64, of: u64| {
        done.fetch_max(rows, Ordering::Relaxed);
        all.store(of, Ordering::Relaxed);
    };
    let began = Instant::now();
    let how =
        Evaluation { threads: 1, stop: Stop::after(EVALUATION), progress: Some(&progress), ..Evaluation::default() };
    let table = columns::evaluate(problem, accumulated, &how);
    let took = began.elapsed().as_secs_f64();
    match table {
        Ok(_) => Ok(Some(took)),
        Err(RunError::Interrupted) => {
            let (done, all) = (done.into_inner() as f64, all.into_inner() as f64);
            Ok((done > 0.0).then_some(took * all / done))
        }
        Err(error) => Err(error),
    }
}

/// How many rows were reached.
#[derive(Default)]
struct Reached {
    rows: usize,
}

impl<B: Batch> Recorder<B> for Reached {
    fn row(&mut self, _: &B, moment: &Moment) -> Result<(), RunError> {
        self.rows = moment.row + 1;
        Ok(())
    }
}
