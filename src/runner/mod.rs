//! Many trajectories: fixed-size batches on threads, merged in batch order, so that results depend on neither.

mod batch;
mod shots;

pub use shots::Shots;

use crate::density::GROUPS;
use crate::error::RunError;
use crate::estimate::columns::Accumulated;
use crate::problem::Problem;
use crate::unravel::Advance;
use batch::BatchResult;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunOptions {
    /// Number of trajectories (at most, if [`run`] is told to stop earlier).
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
/// Trajectories in a batch: a property of the problem alone.
pub fn batch_size(engine: &impl Advance) -> u64 {
    ((BATCH_WORK / engine.work()) as u64).clamp(1, engine.most_in_batch())
}

/// Largest total size of averaged density matrices.
const MOST_DENSITY_BYTES: f64 = 4e9;

/// Bytes of the averaged density matrices of a run on `threads` threads.
pub fn density_bytes(engine: &impl Advance, problem: &Problem, threads: usize) -> f64 {
    16.0 * engine.density_elements() * problem.protocol.row_count() as f64 * (GROUPS + threads) as f64
}

/// Whether the averaged density matrices that the quantities need fit into memory.
///
/// # Errors
/// [`RunError::TooLarge`] with the estimate.
pub fn check_memory(engine: &impl Advance, problem: &Problem, threads: usize) -> Result<(), RunError> {
    let bytes = density_bytes(engine, problem, threads);
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

/// Run trajectories 0..n of `problem`. `stop` ends the run after the batches under way, which
/// are kept, but for those that take long.
pub fn run<A: Advance>(
    engine: &A,
    problem: &Problem,
    options: RunOptions,
    stop: &AtomicBool,
    watch: &mut Watch<'_>,
) -> Outcome {
    let size = batch_size(engine);
    let batches = options.trajectories.div_ceil(size);
    let next = AtomicU64::new(0);
    let merger = Mutex::new(Merger {
        waiting: BTreeMap::new(),
        merged: 0,
        finished: false,
        outcome: Outcome {
            accumulated: Accumulated::default(),
            shots: options.shots.then(|| Shots::new(problem)),
            trajectories: 0,
            interrupted: false,
        },
        watch,
    });
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= batches {
                break;
            }
            let range = index * size..((index + 1) * size).min(options.trajectories);
            let Some(result) = batch::run(engine, problem, options, range, index as usize % GROUPS, stop) else {
                break;
            };
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
    let mut outcome = merger.outcome;
    outcome.interrupted = !merger.finished && merger.merged < batches;
    outcome
}

/// Merges batches strictly in order; early ones wait.
struct Merger<'a, 'b> {
    waiting: BTreeMap<u64, BatchResult>,
    merged: u64,
    finished: bool,
    outcome: Outcome,
    watch: &'a mut Watch<'b>,
}

impl Merger<'_, '_> {
    fn take(&mut self, index: u64, result: BatchResult) {
        self.waiting.insert(index, result);
        while !self.finished
            && let Some(result) = self.waiting.remove(&self.merged)
        {
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
