//! Many trajectories: fixed-size batches on threads, merged in batch order, so that results depend on neither.

mod audit;
mod batch;
mod jumps;
mod merger;
mod passages;
mod pinched;
mod queue;
#[cfg(feature = "mpi")]
pub mod ranks;
mod record;
mod shots;
mod sums;

pub use jumps::Jumps;
pub use merger::{Batches, SoFar};
pub use pinched::is_pinched;
pub use queue::Queue;
use shots::MOST_PATH_JUMPS;
pub use shots::{Jump, MOST_JUMPS, Path, Shots};
pub use sums::Sums;

use crate::battery::Battery;
use crate::density::GROUPS;
use crate::error::RunError;
use crate::estimate::columns::{Accumulated, battery_levels};
use crate::estimate::functional::functional;
use crate::estimate::histogram::MOST_BINS;
use crate::estimate::interval::Confidence;
use crate::problem::{Problem, Quantity, Reduction, Step};
use crate::stop::Stop;
use crate::unravel::Unraveling;
use crate::unravel::along::Direction;
use crate::unravel::engine::Engine;
use crate::unravel::no_jump::{NoJump, Which};
use batch::{BatchResult, Task};
use merger::Merger;
use queue::{Alarm, Maker};
use std::ops::Range;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunOptions {
    /// Number n of trajectories (at most, if [`sample`] is told to stop earlier).
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
    /// Everything accumulated; [`evaluate`](crate::estimate::columns::evaluate) makes a table of it.
    pub accumulated: Accumulated,
    /// Single shots, one entry a trajectory, if asked for, also by the problem's record of single runs.
    pub shots: Option<Shots>,
    /// Trajectories that went in.
    pub trajectories: u64,
    /// Whether `stop` ended the run early.
    pub interrupted: bool,
}

impl Outcome {
    /// What its intervals have to hold for: a run that did not come to its end may have been stopped for what was seen of it.
    pub fn confidence(&self, options: RunOptions) -> Confidence {
        if self.trajectories < options.trajectories { Confidence::Stopped } else { Confidence::Fixed }
    }
}

/// Told of each batch that was added; returns whether to go on. Called in batch order, so that a decision taken here does
/// not depend on threads.
pub type Watch<'a> = dyn FnMut(&SoFar) -> bool + Send + 'a;

/// Jumps in a batch, to order of magnitude: long enough to amortise merging, short enough for progress.
const BATCH_WORK: f64 = 2e6;
/// The same in a batch of as few trajectories as go side by side: about a second.
const MOST_WORK: f64 = 1e8;
/// Most trajectories in a batch whose density matrices are kept: a batch lies in one group of them, of which there should
/// be many.
const MOST_IN_GROUP: u64 = 32;

/// Fewest in a batch whose trajectories are compared with each other.
const FEWEST_COMPARED: u64 = 4;

/// Trajectories in a batch: a property of the problem and of what is kept of it, whatever else an engine has made.
pub fn batch_size(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> u64 {
    let most = if densities(engine, problem, options).is_empty() { u64::MAX } else { MOST_IN_GROUP };
    let most = engine.most_in_batch().min(most);
    // Side by side, but for as long as nobody minds to wait for.
    let beside = engine.fewest_in_batch().min((MOST_WORK / engine.work()) as u64);
    let compared = if is_pinched(engine, problem, options) { FEWEST_COMPARED } else { 1 };
    ((BATCH_WORK / engine.work()) as u64).clamp(beside.max(compared).min(most), most)
}

/// Trajectories that are made beforehand and do not count.
pub fn beforehand(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> u64 {
    if is_pinched(engine, problem, options) { pinched::PILOT } else { 0 }
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

/// Their numbers; none where averages are kept as occupations, on the ladder and along an axis.
fn densities(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> Vec<usize> {
    let none = engine.is_diagonal() || is_pinched(engine, problem, options);
    (0..if none { 0 } else { reductions(problem, options).len() }).collect()
}

/// Elements of the density matrix of a whole system that is kept for its entropy, at most.
const MOST_OF_END: f64 = 65_536.0;

/// The number of the density matrix of the whole system, where its entropy at the end is asked for and it is small, or on the
/// ladder where the battery is all there is.
fn end_of(engine: &impl Unraveling, problem: &Problem) -> Option<usize> {
    // Behind those of the quantities and of the battery.
    let number = problem.reductions().len() + 1;
    let resets = problem.protocol.steps.iter().any(|step| matches!(step, Step::Reset { .. }));
    if !problem.record.audit || resets {
        return None;
    }
    let kept = match engine.is_diagonal() {
        true => problem.battery.len() == problem.subsystems.len() && Battery::of(problem).is_some(),
        false => engine.density_elements(number) <= MOST_OF_END,
    };
    kept.then_some(number)
}

/// Largest total size of averaged density matrices.
const MOST_DENSITY_BYTES: f64 = 4e9;

/// Bytes of the averaged density matrices of one group of trajectories.
pub fn group_bytes(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> f64 {
    let kept = densities(engine, problem, options).into_iter();
    16.0 * kept.map(|of| engine.density_elements(of)).sum::<f64>() * problem.protocol.row_count() as f64
}

/// Populations of a batch along an axis at one row, to order of magnitude.
#[cfg(feature = "mpi")]
const PINCHED_BYTES: f64 = 1e5;

/// Bytes that one batch contributes, at most, but for jumps.
#[cfg(feature = "mpi")]
fn batch_bytes(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> f64 {
    let rows = problem.protocol.row_count();
    let numbers = 64 * rows * problem.linear().len() + 24 * MOST_BINS * rows * problem.record.distributions.len();
    let shots = if keeps_shots(problem, options) { Shots::bytes_each(problem) } else { 0 };
    let shots = shots * batch_size(engine, problem, options);
    let along = if is_pinched(engine, problem, options) { PINCHED_BYTES * rows as f64 } else { 0.0 };
    group_bytes(engine, problem, options) + numbers as f64 + shots as f64 + along
}

/// Bytes of the averaged density matrices of a run, at most.
pub fn density_bytes(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> f64 {
    let threads = if options.threads == 0 { rayon::current_num_threads() } else { options.threads };
    let size = batch_size(engine, problem, options);
    let elements = |reduction: usize| {
        let matrix = engine.density_elements(reduction);
        // A group of few trajectories keeps their vectors.
        let group = |trajectories: f64| (trajectories * matrix.sqrt()).min(matrix);
        let node = |batches: u64| {
            let groups = batches.min(GROUPS as u64);
            groups as f64 * group((batches / groups * size) as f64)
        };
        Sums::most(batches(engine, problem, options).end, node) + matrix * (1 + threads) as f64
    };
    let kept = densities(engine, problem, options).into_iter().map(elements).sum::<f64>();
    16.0 * kept * problem.protocol.row_count() as f64
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

/// Whether everything that is asked of the averaged state and of single shots can be had, before anything is sampled.
///
/// # Errors
/// Which quantity cannot be had and why, or [`RunError::TooLarge`] (see [`check_memory`] and
/// [`Unraveling::check_measured`]).
pub fn check(engine: &Engine, problem: &Problem, options: RunOptions) -> Result<(), RunError> {
    check_histograms(engine, problem, options)?;
    if let Engine::Ladder(_) = engine {
        return if problem.needs_state() || options.states { battery_levels(problem).map(|_| ()) } else { Ok(()) };
    }
    if is_pinched(engine, problem, options) {
        return battery_levels(problem).map(|_| ());
    }
    for (what, of) in problem.quantities.iter().filter_map(Quantity::nonlinear) {
        functional(problem, what, of)?;
    }
    check_memory(engine, problem, options)?;
    if options.shots || problem.measures_energy() { engine.check_measured() } else { Ok(()) }
}

/// Whether anything is kept trajectory by trajectory.
fn keeps_shots(problem: &Problem, options: RunOptions) -> bool {
    options.shots || problem.record.of_single_runs()
}

/// Largest total size of distributions.
const MOST_HISTOGRAM_BYTES: f64 = 2e9;

/// Whether the distributions that the problem's record asks for fit into memory.
///
/// # Errors
/// [`RunError::TooLarge`] with the estimate.
fn check_histograms(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> Result<(), RunError> {
    let all = problem.record.distributions.len() * problem.protocol.row_count();
    let bytes = 24.0 * (MOST_BINS * all) as f64 * (Sums::most(batches(engine, problem, options).end, |_| 1.0) + 2.0);
    if bytes <= MOST_HISTOGRAM_BYTES {
        return Ok(());
    }
    Err(RunError::TooLarge {
        what: "the distributions of [record]".into(),
        needed: format!("{:.1} GB", bytes / 1e9),
        limit: format!("{:.0} GB", MOST_HISTOGRAM_BYTES / 1e9),
        advice: "ask for fewer rows or fewer distributions".into(),
    })
}

/// Whether the jumps of all trajectories can be kept, by those of the first batch.
///
/// # Errors
/// [`RunError::TooLarge`] with the estimate.
fn check_jumps(first: &BatchResult, problem: &Problem, options: RunOptions) -> Result<(), RunError> {
    let Some(shots) = &first.shots else { return Ok(()) };
    let of_paths = shots.paths.iter().map(|path| path.jumps.len()).sum::<usize>() as f64;
    let paths = of_paths / shots.paths.len().max(1) as f64 * (problem.record.paths.min(options.trajectories)) as f64;
    if paths > MOST_PATH_JUMPS as f64 {
        return Err(RunError::TooLarge {
            what: "the jumps of the paths".into(),
            needed: format!("about {paths:.1e} of them"),
            limit: format!("{MOST_PATH_JUMPS}"),
            advice: "keep fewer paths".into(),
        });
    }
    let all = shots.all_jumps.len() as f64 / first.trajectories as f64 * options.trajectories as f64;
    if all <= MOST_JUMPS as f64 {
        return Ok(());
    }
    Err(RunError::TooLarge {
        what: "the record of jumps".into(),
        needed: format!("about {all:.1e} of them"),
        limit: format!("{MOST_JUMPS}"),
        advice: "keep `distributions = [\"jumps\"]` or `counting = true` instead, or fewer trajectories".into(),
    })
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
    let all = batches(engine, problem, options);
    let sampled = go_on(engine, problem, options, (Batches::default(), all), stop, watch)?;
    conclude(engine, problem, options, sampled, stop)
}

/// The numbers of the batches that a whole run consists of.
pub fn batches(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> Range<u64> {
    0..options.trajectories.div_ceil(batch_size(engine, problem, options))
}

/// Add those of the batches `all` that are not in `done` yet, which begin where it ends. The numbers are those of the whole
/// run, of which `all` may be a part.
///
/// # Errors
/// As [`sample`].
pub fn go_on<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    batches: (Batches, Range<u64>),
    stop: &Stop,
    watch: &mut Watch<'_>,
) -> Result<Batches, RunError> {
    go_on_helped(engine, problem, options, batches, stop, watch, |_| ())
}

/// The same, while `help`, on the calling thread, has batches of the queue made elsewhere. It returns when the queue is over
/// or the run is to stop.
///
/// # Errors
/// As [`sample`].
pub fn go_on_helped<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    (done, all): (Batches, Range<u64>),
    stop: &Stop,
    watch: &mut Watch<'_>,
    help: impl FnOnce(&Queue),
) -> Result<Batches, RunError> {
    let first = if done.is_empty() { all.start } else { done.end() };
    let maker = Maker::new(engine, problem, options, first, stop)?;
    let known = maker.no_jump().map(|no_jump| never(engine, problem, options, no_jump, stop)).transpose();
    let known = unless_interrupted(known)?.map(|known| known.accumulated);
    let queue = Queue::new(first..all.end, Merger::new(done, first, known.as_ref(), Some(watch)));
    let work = || {
        let _alarm = Alarm(&queue.over);
        maker.work(stop, || queue.next(), |index, made| queue.add(index, made));
    };
    match rayon::ThreadPoolBuilder::new().num_threads(options.threads).build() {
        Ok(pool) => pool.in_place_scope(|scope| {
            (0..pool.current_num_threads()).for_each(|_| scope.spawn(|_| work()));
            help(&queue);
        }),
        Err(_) => work(), // the system grants no threads: this one will do
    }
    queue.end()
}

/// What batches 0 to wherever they end amount to, with the branch in which nothing ever happens.
///
/// # Errors
/// As [`sample`].
pub fn conclude<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    sampled: Batches,
    stop: &Stop,
) -> Result<Outcome, RunError> {
    // What was sampled before it was interrupted counts, and the branch has been followed before.
    let patient = if sampled.interrupted { &Stop::default() } else { stop };
    let no_jump = if sampled.is_empty() { None } else { engine.no_jump(patient)? };
    let known = no_jump.map(|no_jump| never(engine, problem, options, &no_jump, patient)).transpose()?;
    let (no_jump, without_jumps) = known.map(|known| (Box::new(known.accumulated), known.shots)).unzip();
    Ok(sampled.outcome(problem, options, no_jump, without_jumps.flatten()))
}

/// Nothing where a stop came first: nothing will be sampled then.
fn unless_interrupted<T>(found: Result<Option<T>, RunError>) -> Result<Option<T>, RunError> {
    match found {
        Err(RunError::Interrupted) => Ok(None),
        found => found,
    }
}

/// What a batch of the states gives to which nothing ever happens.
fn never<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    no_jump: &NoJump,
    stop: &Stop,
) -> Result<BatchResult, RunError> {
    let states = 0..no_jump.states() as u64;
    let axes = axes(engine, problem, options, stop)?;
    let weights = no_jump.weights().collect();
    let task = Task { which: Which::Never, range: states, weights, group: 0, axes: axes.as_deref() };
    batch::run(engine, problem, RunOptions { covariance: false, ..options }, task, stop)
}

/// The axes along which the battery is described where no density matrix of it is kept.
fn axes<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    stop: &Stop,
) -> Result<Option<Vec<Direction>>, RunError> {
    is_pinched(engine, problem, options).then(|| pinched::axes(engine, problem, options, stop)).transpose()
}
