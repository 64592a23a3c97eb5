//! What a run and an exact solution of a problem would take: memory, time, trajectories for 1 %, found in two seconds and little
//! memory whatever the problem.

mod pilot;
mod text;

pub use pilot::Pilot;
pub use text::bytes;

use crate::error::RunError;
use crate::exact::{self, rate_equation::RateEquation};
use crate::problem::{Problem, Quantity};
use crate::run::{self, RunOptions, Shots};
use crate::space::choose::{Choice, Representation, choose};
use crate::unravel::engine::Engine;
use pilot::{affordable, pilot};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// When each answer must be there, counted from the start.
const CHOICE: Duration = Duration::from_millis(500);
const ENGINE: Duration = Duration::from_millis(600);
const PILOT: Duration = Duration::from_millis(1750);
const EXACT: Duration = Duration::from_millis(1900);
/// Bytes of an occupied cell (J, M) of the averaged state: its key and the weights of both halves, held twice while
/// runs merge, and again in the copy that is evaluated.
const CELL_BYTES: f64 = 96.0;
/// Bytes of a linear average at one row, and of a number in the table, with its text.
const AVERAGE_BYTES: f64 = 40.0;
const NUMBER_BYTES: f64 = 60.0;

/// The run whose cost is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Number of trajectories.
    pub trajectories: u64,
    /// Seed of the pilot.
    pub seed: u64,
    /// Whether single shots are kept.
    pub shots: bool,
    /// How states are stored; `None` for the smallest exact representation.
    pub representation: Option<Representation>,
}

/// What a run and an exact solution take; as text what `leyden inspect` prints.
#[derive(Debug)]
pub struct Cost {
    /// Number of trajectories that memory and time are of.
    pub trajectories: u64,
    /// Number of threads that they are shared among.
    pub threads: usize,
    /// Bytes.
    pub memory: Memory,
    /// Times of a pilot run; `None` if not even a part of one trajectory could be timed.
    pub pilot: Option<Pilot>,
    /// Whether the pilot left out averaged density matrices, which take more memory than it may.
    pub light: bool,
    /// Whether something is evaluated that is not linear in ρ.
    pub nonlinear: bool,
    /// Column → trajectories for a standard error of 1 % of its largest value, by the pilot's scatter; `None` if it had too few.
    pub precision: Option<Vec<(String, f64)>>,
    /// The exact solution.
    pub exact: Exact,
}

/// Bytes that a run takes.
#[derive(Debug, Default)]
pub struct Memory {
    /// Averages and table.
    pub averages: f64,
    /// On the ladder, for an ergotropy at most: rows, occupied cells (J, M), and bytes.
    pub ergotropy: Option<(f64, f64, f64)>,
    /// Populations (J, M) along the mean spin instead of density matrices, at most.
    pub populations: Option<f64>,
    /// Averaged density matrices.
    pub matrices: Option<f64>,
    /// Why a run with these is refused.
    pub refused: Option<String>,
    /// Single shots.
    pub shots: Option<f64>,
}

/// The cost of the exact solution.
#[derive(Debug)]
pub enum Exact {
    /// It could not be found in time.
    Unknown,
    /// Why there is none.
    Refused(String),
    /// So many states of a rate equation.
    States(usize),
    /// Seconds.
    Seconds(f64),
}

impl Cost {
    /// Seconds of all trajectories, where one could be timed; at least these if the pilot did not reach its first row.
    pub fn seconds(&self) -> Option<f64> {
        let total = |pilot: &Pilot| pilot.setup + pilot.each * self.trajectories as f64 / self.threads as f64;
        self.pilot.as_ref().map(total)
    }

    /// Seconds on all threads to evaluate what is not linear in ρ, where that could be timed.
    pub fn evaluation(&self) -> Option<f64> {
        let pilot = self.pilot.as_ref().filter(|_| self.nonlinear && !self.light)?;
        Some(pilot.evaluation? / self.threads as f64)
    }
}

/// Which representations carry the problem, if that is found half a second after `started`.
pub fn choice(problem: &Arc<Problem>, started: Instant) -> Option<Choice> {
    let of = problem.clone();
    within(started + CHOICE, move || choose(&of))
}

/// What it takes, two seconds after `started` at most; `None` if the representation is not made by then.
///
/// # Errors
/// What a run would fail with: no representation carries the problem, or a numerical method fails.
pub fn cost(problem: &Arc<Problem>, asked: Asked, started: Instant) -> Result<Option<Cost>, RunError> {
    let of = problem.clone();
    let engine = within(started + ENGINE, move || Engine::new(&of, asked.representation));
    let Some(engine) = engine else { return Ok(None) };
    let (representation, engine) = engine?;
    let engine = Arc::new(engine);
    let memory = memory(problem, asked, &engine);
    let found = sample(problem, asked, engine, started + PILOT)?;
    let of = problem.clone();
    let exact = within(started + EXACT, move || exact_cost(&of, representation));
    let precision = found.pilot.as_ref().and_then(|pilot| precision(&found.problem, pilot));
    Ok(Some(Cost {
        trajectories: asked.trajectories,
        threads: rayon::current_num_threads(),
        memory,
        pilot: found.pilot,
        light: found.light,
        nonlinear: problem.needs_state(),
        precision,
        exact: exact.unwrap_or(Exact::Unknown),
    }))
}

/// What `work` finds until then; it is left behind when it finds nothing.
fn within<T: Send + 'static>(deadline: Instant, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || sender.send(work())).ok()?;
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

fn memory(problem: &Problem, asked: Asked, engine: &Engine) -> Memory {
    let rows = problem.protocol.row_count() as f64;
    let threads = rayon::current_num_threads() as f64;
    // Merged ones, and those of each thread and of a batch that waits.
    let linear = rows * problem.linear().len() as f64 * AVERAGE_BYTES * (threads + 2.0);
    let table = rows * (3.0 + 4.0 * problem.quantities.len() as f64) * NUMBER_BYTES;
    let mut memory = Memory { averages: linear + table, ..Memory::default() };
    let ladder = matches!(engine, Engine::Ladder(_));
    let states = || -> f64 { problem.battery.iter().map(|&e| ladder_states(problem.subsystems[e].cells())).product() };
    if problem.needs_state() && ladder {
        let cells = states().min(asked.trajectories as f64);
        memory.ergotropy = Some((rows, cells, rows * cells * CELL_BYTES));
    }
    let Asked { trajectories, seed, shots, .. } = asked;
    let options = RunOptions { trajectories, seed, threads: 0, shots, covariance: false, states: false };
    if run::is_pinched(engine, problem, options) {
        memory.populations = Some(rows * states() * CELL_BYTES);
    } else if !ladder && !problem.reductions().is_empty() {
        memory.matrices = Some(run::density_bytes(engine, problem, options));
        memory.refused = run::check_memory(engine, problem, options).err().map(|error| error.to_string());
    }
    memory.shots = shots.then(|| Shots::bytes_each(problem) as f64 * trajectories as f64);
    memory
}

fn ladder_states(cells: u64) -> f64 {
    (cells / 2 + 1) as f64 * (cells - cells / 2 + 1) as f64
}

/// A pilot, and the problem that it sampled: without what would take too much memory.
struct Sampled {
    problem: Arc<Problem>,
    light: bool,
    pilot: Option<Pilot>,
}

fn sample(problem: &Arc<Problem>, asked: Asked, engine: Arc<Engine>, deadline: Instant) -> Result<Sampled, RunError> {
    let whole = problem.clone();
    let work = move || -> Result<Sampled, RunError> {
        let (problem, engine, light) = match affordable(&whole, &engine) {
            None => (whole, engine, false),
            Some(light) => {
                let engine = Engine::new(&light, asked.representation)?.1;
                (Arc::new(light), Arc::new(engine), true)
            }
        };
        let pilot = pilot(&problem, &engine, asked.seed)?;
        Ok(Sampled { problem, light, pilot: Some(pilot) })
    };
    let nothing = || Ok(Sampled { problem: problem.clone(), light: false, pilot: None });
    within(deadline, work).unwrap_or_else(nothing)
}

/// How many trajectories give 1 %.
fn precision(problem: &Problem, pilot: &Pilot) -> Option<Vec<(String, f64)>> {
    let averages = pilot.accumulated.as_ref().filter(|_| pilot.made > 1)?.averages();
    let linear = problem.linear();
    let needed = |quantity: &Quantity| {
        let average = linear.iter().position(|l| *l == quantity.linear()).unwrap_or(0);
        let at = |row: usize| row * linear.len() + average;
        let rows = 0..problem.protocol.row_count();
        let largest = rows.clone().map(|r| averages.mean(at(r)).abs()).fold(0.0, f64::max);
        let variance = rows.map(|r| averages.sampling_variance(at(r))).fold(0.0, f64::max);
        let needed = (variance / (0.01 * largest).powi(2)).ceil().max(1.0);
        (largest > 0.0).then(|| (problem.column(quantity), needed))
    };
    let asked = problem.quantities.iter().filter(|q| !q.needs_state() && !q.needs_variance());
    Some(asked.filter_map(needed).collect())
}

fn exact_cost(problem: &Problem, representation: Representation) -> Exact {
    let found = match representation.style() {
        None => RateEquation::new(problem).map(|equation| Exact::States(equation.states())),
        Some(style) => exact::blocks::work(problem, style).map(|work| Exact::Seconds(exact::blocks::seconds(work))),
    };
    found.unwrap_or_else(|error| Exact::Refused(error.to_string()))
}
