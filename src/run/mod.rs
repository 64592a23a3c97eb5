//! Many trajectories: fixed-size batches on threads, merged in batch order, so that results depend on neither.

mod batch;
mod shots;

pub use shots::Shots;

use crate::density::GROUPS;
use crate::error::RunError;
use crate::estimate::columns::{Accumulated, battery_levels};
use crate::estimate::functional::functional;
use crate::problem::{Problem, Quantity, Reduction};
use crate::stop::Stop;
use crate::unravel::Unraveling;
use crate::unravel::engine::Engine;
use batch::BatchResult;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunOptions {
    /// Number of trajectories (at most, if [`sample`] is told to stop earlier).
    pub trajectories: u64,
    /// Seed of all random streams.
    pub seed: u64,
    /// Number of threads; 0 for one a core. No result depends on it.
    pub threads: usize,
    /// Whether to keep single shots.
    pub shots: bool,
    /// Whether to accumulate the covariance between rows.
    pub covariance: bool,
    /// Whether to keep the averaged battery state even if no quantity needs it.
    pub states: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Everything accumulated.
    pub accumulated: Accumulated,
    /// Single shots, if asked for.
    pub shots: Option<Shots>,
    /// Trajectories that went in.
    pub trajectories: u64,
    /// Whether `stop` ended the run early.
    pub interrupted: bool,
}

/// Told of each merged batch; returns whether to go on. Called in batch order, so that a decision taken here does
/// not depend on threads.
pub type Watch<'a> = dyn FnMut(u64, &Accumulated) -> bool + Send + 'a;

/// Jumps in a batch, to order of magnitude: long enough to amortise merging, short enough for progress.
const BATCH_WORK: f64 = 2e6;
/// Most trajectories in a batch whose density matrices are kept: a batch lies in one group of them, of which there should
/// be many.
const MOST_IN_GROUP: u64 = 32;

/// Trajectories in a batch: a property of the problem and of what is kept of it, whatever else an engine has made.
pub fn batch_size(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> u64 {
    let most = if densities(engine, problem, options).is_empty() { u64::MAX } else { MOST_IN_GROUP };
    ((BATCH_WORK / engine.work()) as u64).clamp(1, engine.most_in_batch().min(most))
}

/// The density matrices that a run keeps at each row: those the quantities need, and the battery's if it is asked for.
pub fn reductions(problem: &Problem, options: RunOptions) -> Vec<Reduction> {
    let mut all = problem.reductions();
    let battery = problem.battery_reduction();
    if options.states && !all.contains(&battery) {
        all.push(battery);
    }
    all
}

/// Their numbers; none on the ladder, where averages are kept as occupations.
fn densities(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> Vec<usize> {
    let kept = if engine.is_diagonal() { 0 } else { reductions(problem, options).len() };
    (0..kept).collect()
}

/// Largest total size of averaged density matrices.
const MOST_DENSITY_BYTES: f64 = 4e9;

/// Bytes of the averaged density matrices of a run.
pub fn density_bytes(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> f64 {
    let threads = if options.threads == 0 { rayon::current_num_threads() } else { options.threads };
    let kept = densities(engine, problem, options).into_iter();
    let elements: f64 = kept.map(|reduction| engine.density_elements(reduction)).sum();
    16.0 * elements * problem.protocol.row_count() as f64 * (GROUPS + threads) as f64
}

/// Whether the averaged density matrices that the quantities need fit into memory.
///
/// # Errors
/// [`RunError::TooLarge`] with the estimate.
pub fn check_memory(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> Result<(), RunError> {
    let bytes = density_bytes(engine, problem, options);
    if bytes <= MOST_DENSITY_BYTES {
        return Ok(());
    }
    Err(RunError::TooLarge {
        what: "the averaged density matrix that ergotropy and the like are functions of".into(),
        needed: format!("{:.1} GB", bytes / 1e9),
        limit: format!("{:.0} GB", MOST_DENSITY_BYTES / 1e9),
        advice: "ask for energies, concurrence and other quantities of few cells only, or for fewer rows".into(),
    })
}

/// Whether everything that is asked of the averaged state can be had, before anything is sampled.
///
/// # Errors
/// Which quantity cannot be had and why, or [`RunError::TooLarge`] (see [`check_memory`]).
pub fn check(engine: &Engine, problem: &Problem, options: RunOptions) -> Result<(), RunError> {
    if let Engine::Ladder(_) = engine {
        return if problem.needs_state() || options.states { battery_levels(problem).map(|_| ()) } else { Ok(()) };
    }
    for (what, of) in problem.quantities.iter().filter_map(Quantity::nonlinear) {
        functional(problem, what, of)?;
    }
    check_memory(engine, problem, options)
}

/// Run trajectories 0..n of `problem`. `stop` ends the run: batches that are complete are kept, those under way are
/// given up.
///
/// # Errors
/// What a batch fails with, the first in their order; nothing is kept then. A run that was stopped is no error.
pub fn sample<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    stop: &Stop,
    watch: &mut Watch<'_>,
) -> Result<Outcome, RunError> {
    let size = batch_size(engine, problem, options);
    let batches = options.trajectories.div_ceil(size);
    let next = AtomicU64::new(0);
    let merger = Mutex::new(Merger {
        waiting: BTreeMap::new(),
        merged: 0,
        finished: false,
        failure: None,
        outcome: Outcome {
            accumulated: Accumulated::default(),
            shots: options.shots.then(|| Shots::new(problem)),
            trajectories: 0,
            interrupted: false,
        },
        watch,
    });
    let work = || {
        while !stop.is_requested() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= batches {
                break;
            }
            let range = index * size..((index + 1) * size).min(options.trajectories);
            let result = batch::run(engine, problem, options, range, index as usize % GROUPS, stop);
            if matches!(result, Err(RunError::Interrupted)) {
                break;
            }
            let mut merger = merger.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            merger.take(index, result);
            if merger.finished {
                break;
            }
        }
    };
    match rayon::ThreadPoolBuilder::new().num_threads(options.threads).build() {
        Ok(pool) => pool.scope(|scope| (0..pool.current_num_threads()).for_each(|_| scope.spawn(|_| work()))),
        Err(_) => work(), // the system grants no threads: this one will do
    }
    let merger = merger.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(failure) = merger.failure {
        return Err(failure);
    }
    let interrupted = !merger.finished && merger.merged < batches;
    Ok(Outcome { interrupted, ..merger.outcome })
}

/// Merges batches strictly in order; early ones wait.
struct Merger<'a, 'b> {
    waiting: BTreeMap<u64, Result<BatchResult, RunError>>,
    merged: u64,
    finished: bool,
    failure: Option<RunError>,
    outcome: Outcome,
    watch: &'a mut Watch<'b>,
}

impl Merger<'_, '_> {
    fn take(&mut self, index: u64, result: Result<BatchResult, RunError>) {
        self.waiting.insert(index, result);
        while !self.finished
            && let Some(result) = self.waiting.remove(&self.merged)
        {
            let result = match result {
                Ok(result) => result,
                Err(failure) => {
                    (self.failure, self.finished) = (Some(failure), true);
                    return;
                }
            };
            self.merged += 1;
            self.outcome.trajectories += result.trajectories;
            self.outcome.accumulated.merge(result.accumulated);
            if let (Some(mine), Some(theirs)) = (&mut self.outcome.shots, result.shots) {
                mine.append(theirs);
            }
            self.finished = !(self.watch)(self.outcome.trajectories, &self.outcome.accumulated);
        }
    }
}
