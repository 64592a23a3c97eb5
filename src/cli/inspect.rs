//! `leyden inspect`: the equation as understood, how it would be solved, and what that would cost.

use super::InputArgs;
use super::common::{Outcome, bytes};
use super::print::{self, say};
use crate::error::RunError;
use crate::exact::{self, rate_equation::RateEquation};
use crate::output::latex;
use crate::problem::{Kind, Problem};
use crate::repr::choose::{Representation, choose};
use crate::runner::{self, RunOptions, Shots};
use crate::stop::Stop;
use crate::unravel::Unraveling;
use crate::unravel::engine::Engine;
use clap::Args;
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `leyden inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Number of trajectories to estimate for [default: the input's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    trajectories: Option<u64>,
    /// Print the equation and the protocol as a LaTeX document, and nothing else
    #[arg(long)]
    latex: bool,
}

/// Jumps that the pilot run may take: a fraction of a second.
const PILOT_WORK: f64 = 3e7;
/// Bytes of an occupied cell (J, M) of the averaged state: its key and the weights of both halves, held twice while
/// runs merge, and again in the copy that is evaluated.
const CELL_BYTES: f64 = 96.0;

/// Print everything; write nothing.
pub fn inspect(args: &InspectArgs) -> Outcome {
    let input = args.input.read()?;
    let problem = &input.problem;
    if args.latex {
        print::out(format_args!("{}", latex::document(problem)));
        return Ok(ExitCode::SUCCESS);
    }
    let trajectories = args.trajectories.unwrap_or(input.run.trajectories);
    say!("{}\n\n{}", problem.title, problem.describe());

    for subsystem in problem.subsystems.iter().filter(|s| matches!(s.kind, Kind::Ensemble { .. })) {
        say!("{:<15} permutations of the {} cells of {}", "symmetry", subsystem.cells(), subsystem.name);
    }
    let choice = choose(problem);
    for (representation, verdict) in &choice.verdicts {
        let (mark, text) = match verdict {
            Ok(text) if Some(*representation) == choice.chosen() => ("chosen", text),
            Ok(text) => ("possible", text),
            Err(reason) => ("refused", reason),
        };
        say!("{:<15} {mark}: {text}", representation.to_string());
    }
    let Ok((_, engine)) = Engine::new(problem, None) else { return Ok(ExitCode::SUCCESS) };
    memory(problem, trajectories, input.run.shots, &engine);
    let sampling = pilot(problem, &engine, trajectories, input.run.seed)?;
    recommend(problem, choice.chosen(), sampling);
    Ok(ExitCode::SUCCESS)
}

/// Whether the exact solution is cheaper than as many trajectories as give 1 %, which take `sampling` seconds.
fn recommend(problem: &Problem, chosen: Option<Representation>, sampling: Option<f64>) {
    let exact = match chosen.and_then(Representation::style) {
        None => RateEquation::new(problem).map(|equation| (format!("{} states", equation.states()), None)),
        Some(style) => exact::blocks::work(problem, style).map(|work| {
            let time = exact::blocks::seconds(work);
            (format!("about {}", seconds(time)), Some(time))
        }),
    };
    match exact {
        Err(error) => say!("{:<15} not for `leyden exact`: {error}", "exact"),
        Ok((size, time)) => {
            say!("{:<15} `leyden exact` solves it without sampling: {size}", "exact");
            if let (Some(exact), Some(sampling)) = (time, sampling) {
                let (better, by) =
                    if exact < sampling { ("exact", sampling / exact) } else { ("run", exact / sampling) };
                say!(
                    "{:<15} `leyden {better}`: {by:.0} times cheaper than the other for averages to 1 %; single shots need `run`",
                    "recommended"
                );
            }
        }
    }
}

fn memory(problem: &Problem, trajectories: u64, shots: bool, engine: &Engine) {
    let ladder = matches!(engine, Engine::Ladder(_));
    let rows = problem.protocol.row_count() as f64;
    let linear = rows * problem.linear().len() as f64 * 40.0;
    say!("\n{:<15} averages {}, whatever N and the number of trajectories", "memory", bytes(linear));
    if problem.needs_state() && ladder {
        let states: f64 = problem.battery.iter().map(|&e| ladder_states(problem.subsystems[e].cells())).product();
        let cells = states.min(trajectories as f64);
        say!(
            "{:<15} ergotropy at most {}: {rows} rows × {cells} cells (J, M) occupied × {CELL_BYTES} B for two halves",
            "",
            bytes(rows * cells * CELL_BYTES)
        );
    }
    if !ladder && !problem.reductions().is_empty() {
        let options = RunOptions { trajectories, seed: 0, threads: 0, shots, covariance: false, states: false };
        let total = runner::density_bytes(engine, problem, options);
        say!("{:<15} averaged density matrices {}", "", bytes(total));
    }
    if shots {
        say!("{:<15} single shots {}", "", bytes(Shots::bytes_each(problem) as f64 * trajectories as f64));
    }
}

fn ladder_states(cells: u64) -> f64 {
    (cells / 2 + 1) as f64 * (cells - cells / 2 + 1) as f64
}

/// Time a few trajectories, and see how much they scatter; returns the seconds on one core to 1 % of the first quantity.
fn pilot(problem: &Problem, engine: &Engine, trajectories: u64, seed: u64) -> Result<Option<f64>, RunError> {
    let few = ((PILOT_WORK / engine.work()) as u64).clamp(4, 256);
    let options = RunOptions { trajectories: few, seed, threads: 1, shots: false, covariance: false, states: false };
    let started = Instant::now();
    let outcome = runner::run(engine, problem, options, &Stop::default(), &mut |_, _| true)?;
    let each = started.elapsed().as_secs_f64() / few as f64;
    let cores = rayon::current_num_threads();
    say!(
        "{:<15} about {} for {trajectories} trajectories on {cores} threads ({} each, timed on a pilot of {few})",
        "time",
        seconds(each * trajectories as f64 / cores as f64),
        seconds(each)
    );
    let linear = problem.linear();
    let moments = &outcome.accumulated.moments;
    say!("{:<15} trajectories for a standard error of 1 % of the largest value, by the pilot's scatter", "precision");
    let mut first = None;
    for quantity in problem.quantities.iter().filter(|q| !q.needs_state() && !q.needs_variance()) {
        let slot = linear.iter().position(|l| *l == quantity.linear()).unwrap_or(0);
        let at = |row: usize| row * linear.len() + slot;
        let rows = 0..problem.protocol.row_count();
        let largest = rows.clone().map(|r| moments.mean(at(r)).abs()).fold(0.0, f64::max);
        let variance = rows.map(|r| moments.variance(at(r))).fold(0.0, f64::max);
        if largest > 0.0 {
            let needed = (variance / (0.01 * largest).powi(2)).ceil().max(1.0);
            say!("  {:<13} {needed}", problem.column(quantity));
            first = first.or(Some(needed * each));
        }
    }
    Ok(first)
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
