//! `leyden inspect`: the equation as understood, how it would be solved, and what that would cost, in two seconds and
//! little memory whatever the input.

mod pilot;

use super::InputArgs;
use super::common::{Outcome, bytes};
use super::print::{self, say};
use crate::error::RunError;
use crate::exact::{self, rate_equation::RateEquation};
use crate::input::Input;
use crate::output::latex;
use crate::problem::{Kind, Problem};
use crate::run::{self, RunOptions, Shots};
use crate::space::choose::{Choice, Representation, choose};
use crate::unravel::engine::Engine;
use clap::Args;
use pilot::{Pilot, affordable, pilot};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Arguments of `leyden inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Number of trajectories to estimate for [default: the input's]
    #[arg(long, value_name = "N", value_parser = super::common::parse_trajectories)]
    trajectories: Option<u64>,
    /// Print the equation and the protocol as a LaTeX document, and nothing else
    #[arg(long)]
    latex: bool,
}

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
/// Below this nothing takes less time: a program has to start.
const LEAST_SECONDS: f64 = 1e-3;

/// Print everything; write nothing.
pub fn inspect(args: &InspectArgs) -> Outcome {
    let started = Instant::now();
    let input = args.input.read()?;
    let problem = &input.problem;
    if args.latex {
        print::out(format_args!("{}", latex::document(problem)));
        return Ok(ExitCode::SUCCESS);
    }
    let trajectories = args.trajectories.unwrap_or(input.run.trajectories);
    say!("{}\n\n{}", problem.title, problem.describe().trim_end());
    if !input.correlations.is_empty() {
        say!("{:<15} by `leyden exact`, and those from the steady state by `leyden steady`", "correlations");
    }
    for (name, of) in &input.correlations {
        say!("{:<15} {}", format!("  {name}"), problem.correlation_text(of));
    }
    say!("");
    for subsystem in problem.subsystems.iter().filter(|s| matches!(s.kind, Kind::Ensemble { .. })) {
        say!("{:<15} permutations of the {} cells of {}", "symmetry", subsystem.cells(), subsystem.name);
    }
    let shared = Arc::new(problem.clone());
    let by = |until: Duration| started + until;
    let of = shared.clone();
    let choice = within(by(CHOICE), move || choose(&of));
    let Some(choice) = choice else {
        say!("{:<15} not found in time: the blocks of this problem are many or large", "representation");
        return Ok(ExitCode::SUCCESS);
    };
    verdicts(&choice);
    let of = shared.clone();
    let engine = within(by(ENGINE), move || Engine::new(&of, None).map(|(_, engine)| Arc::new(engine)));
    let engine = match engine {
        Some(Ok(engine)) => engine,
        Some(Err(error)) => {
            say!("{:<15} not for `leyden run`: {}", "trajectories", error.reason);
            return Ok(ExitCode::SUCCESS);
        }
        None => return Ok(ExitCode::SUCCESS),
    };
    memory(&input, trajectories, &engine);
    let found = sample(&input, engine, by(PILOT))?;
    report(problem, &found, trajectories);
    let of = shared.clone();
    let exact = within(by(EXACT), {
        let chosen = choice.chosen();
        move || exact_cost(&of, chosen)
    });
    recommend(exact, precision(&found));
    Ok(ExitCode::SUCCESS)
}

/// What `work` finds until then; it is left behind when it finds nothing.
fn within<T: Send + 'static>(deadline: Instant, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || sender.send(work())).ok()?;
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

fn verdicts(choice: &Choice) {
    for (representation, verdict) in &choice.verdicts {
        let (mark, text) = match verdict {
            Ok(text) if Some(*representation) == choice.chosen() => ("chosen", text),
            Ok(text) => ("possible", text),
            Err(reason) => ("refused", reason),
        };
        say!("{:<15} {mark}: {text}", representation.to_string());
    }
}

fn memory(input: &Input, trajectories: u64, engine: &Engine) {
    let problem = &input.problem;
    let rows = problem.protocol.row_count() as f64;
    let threads = rayon::current_num_threads() as f64;
    // Merged ones, and those of each thread and of a batch that waits.
    let linear = rows * problem.linear().len() as f64 * AVERAGE_BYTES * (threads + 2.0);
    let table = rows * (3.0 + 4.0 * problem.quantities.len() as f64) * NUMBER_BYTES;
    say!("\n{:<15} averages and table {}, whatever N and the number of trajectories", "memory", bytes(linear + table));
    let ladder = matches!(engine, Engine::Ladder(_));
    if problem.needs_state() && ladder {
        let states: f64 = problem.battery.iter().map(|&e| ladder_states(problem.subsystems[e].cells())).product();
        let cells = states.min(trajectories as f64);
        say!(
            "{:<15} ergotropy at most {}: {rows} rows × {cells} cells (J, M) occupied × {CELL_BYTES} B for two halves",
            "",
            bytes(rows * cells * CELL_BYTES)
        );
    }
    let options = RunOptions {
        trajectories,
        seed: input.run.seed,
        threads: 0,
        shots: input.run.shots,
        covariance: false,
        states: false,
    };
    if run::is_pinched(engine, problem, options) {
        let states: f64 = problem.battery.iter().map(|&e| ladder_states(problem.subsystems[e].cells())).product();
        say!(
            "{:<15} populations (J, M) along the mean spin at most {}, instead of density matrices",
            "",
            bytes(rows * states * CELL_BYTES)
        );
    } else if !ladder && !problem.reductions().is_empty() {
        let total = run::density_bytes(engine, problem, options);
        say!("{:<15} averaged density matrices {}", "", bytes(total));
        if let Err(error) = run::check_memory(engine, problem, options) {
            say!("{:<15} `leyden run` refuses it: {error}", "");
        }
    }
    if options.shots {
        say!("{:<15} single shots {}", "", bytes(Shots::bytes_each(problem) as f64 * trajectories as f64));
    }
}

fn ladder_states(cells: u64) -> f64 {
    (cells / 2 + 1) as f64 * (cells - cells / 2 + 1) as f64
}

/// A pilot, and the problem that it sampled: without what would take too much memory.
struct Sampled {
    problem: Problem,
    light: bool,
    pilot: Option<Pilot>,
}

fn sample(input: &Input, engine: Arc<Engine>, deadline: Instant) -> Result<Sampled, RunError> {
    let (problem, seed) = (input.problem.clone(), input.run.seed);
    let work = move || -> Result<Sampled, RunError> {
        let light = affordable(&problem, &engine);
        let (problem, engine, light) = match light {
            None => (problem, engine, false),
            Some(light) => {
                let engine = Engine::new(&light, None).map(|(_, engine)| Arc::new(engine));
                (light, engine.map_err(RunError::from)?, true)
            }
        };
        let pilot = pilot(&problem, &engine, seed)?;
        Ok(Sampled { problem, light, pilot: Some(pilot) })
    };
    let nothing = || Ok(Sampled { problem: input.problem.clone(), light: false, pilot: None });
    within(deadline, work).unwrap_or_else(nothing)
}

/// What a run takes.
fn report(problem: &Problem, found: &Sampled, trajectories: u64) {
    let Some(pilot) = &found.pilot else {
        say!("{:<15} not known: not even a part of one trajectory could be timed", "time");
        return;
    };
    let cores = rayon::current_num_threads();
    let total = pilot.setup + pilot.each * trajectories as f64 / cores as f64;
    let timed = match pilot.share {
        None => format!("timed on a pilot of {}", pilot.made),
        Some(0.0) => "a pilot did not reach its first row".into(),
        Some(share) => format!("timed on the first {:.0} % of the rows of one", (100.0 * share).max(1.0)),
    };
    let about = if pilot.share == Some(0.0) { "more than" } else { "about" };
    say!(
        "{:<15} {about} {} for {trajectories} trajectories on {cores} threads ({} each, {timed})",
        "time",
        seconds(total),
        seconds(pilot.each)
    );
    if !problem.needs_state() {
        return;
    }
    match pilot.evaluation {
        _ if found.light => {
            say!("{:<15} without averaged density matrices, which take more memory than a pilot may", "")
        }
        Some(evaluation) => {
            say!("{:<15} about {} to evaluate them on {cores} threads", "", seconds(evaluation / cores as f64))
        }
        None => say!("{:<15} and longer to evaluate them than could be timed", ""),
    }
}

/// How many trajectories give 1 %; returns the seconds that takes on one core for the first quantity.
fn precision(found: &Sampled) -> Option<f64> {
    let pilot = found.pilot.as_ref()?;
    let averages = pilot.accumulated.as_ref().filter(|_| pilot.made > 1)?.averages();
    say!("{:<15} trajectories for a standard error of 1 % of the largest value, by the pilot's scatter", "precision");
    let linear = found.problem.linear();
    let mut first = None;
    for quantity in found.problem.quantities.iter().filter(|q| !q.needs_state() && !q.needs_variance()) {
        let average = linear.iter().position(|l| *l == quantity.linear()).unwrap_or(0);
        let at = |row: usize| row * linear.len() + average;
        let rows = 0..found.problem.protocol.row_count();
        let largest = rows.clone().map(|r| averages.mean(at(r)).abs()).fold(0.0, f64::max);
        let variance = rows.map(|r| averages.sampling_variance(at(r))).fold(0.0, f64::max);
        if largest > 0.0 {
            let needed = (variance / (0.01 * largest).powi(2)).ceil().max(1.0);
            say!("  {:<13} {needed}", found.problem.column(quantity));
            first = first.or(Some(needed * pilot.each));
        }
    }
    first
}

/// The size of the exact solution in words, and the seconds it takes where that is known.
fn exact_cost(problem: &Problem, chosen: Option<Representation>) -> Result<(String, Option<f64>), RunError> {
    match chosen.and_then(Representation::style) {
        None => RateEquation::new(problem).map(|equation| (format!("{} states", equation.states()), None)),
        Some(style) => exact::blocks::work(problem, style).map(|work| {
            let time = exact::blocks::seconds(work);
            (format!("about {}", seconds(time)), Some(time))
        }),
    }
}

/// Whether the exact solution is cheaper than as many trajectories as give 1 %, which take `sampling` seconds.
fn recommend(exact: Option<Result<(String, Option<f64>), RunError>>, sampling: Option<f64>) {
    let (size, time) = match exact {
        None => {
            say!("{:<15} its cost could not be found in time: it is large", "exact");
            return;
        }
        Some(Err(error)) => {
            say!("{:<15} not for `leyden exact`: {error}", "exact");
            return;
        }
        Some(Ok(found)) => found,
    };
    say!("{:<15} `leyden exact` solves it without sampling: {size}", "exact");
    if let (Some(exact), Some(sampling)) = (time, sampling) {
        let (exact, sampling) = (exact.max(LEAST_SECONDS), sampling.max(LEAST_SECONDS));
        let (better, by) = if exact < sampling { ("exact", sampling / exact) } else { ("run", exact / sampling) };
        let by = match by {
            by if by < 1.5 => "about as cheap as".into(),
            by if by > 1e4 => "more than 10000 times cheaper than".into(),
            by => format!("{by:.0} times cheaper than"),
        };
        say!("{:<15} `leyden {better}`: {by} the other for averages to 1 %; single shots need `run`", "recommended");
    }
}

/// A duration for humans.
fn seconds(s: f64) -> String {
    match s {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
