//! `leyden sweep`: the grid of `[sweep]`, point by point, and an optimum along it.

mod optimum;
mod over_time;

use super::InputArgs;
use super::common::{self, Outcome};
use super::interrupt;
use super::print::{note, say};
use super::run::cut_off;
use super::screen;
use crate::error::RunError;
use crate::estimate::columns;
use crate::estimate::evaluation::Evaluation;
use crate::exact::{self, theory::Theory};
use crate::input::{self, Input, Solve, Sweep, TAU, Value};
use crate::output::summary::{Number, charging_time, csv};
use crate::output::sweep::{Grid, GridAxis};
use crate::problem::{Problem, Quantity};
use crate::run::{self, RunOptions};
use crate::settled::settled;
use crate::stop::Stop;
use crate::table::Table;
use crate::unravel::engine::Engine;
use crate::unravel::stream::Stream;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use over_time::Best;
use rand::RngExt;
use rayon::prelude::*;
use serde_json::{Map, json};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Arguments of `leyden sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Number of threads [default: all cores]; no result depends on it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    threads: Option<u64>,
}

/// Solve every point of the grid, and write sweep.csv, its picture and summary.csv.
pub fn sweep(args: &SweepArgs) -> Outcome {
    let started = Instant::now();
    let input = args.input.read()?;
    let Some(sweep) = &input.sweep else {
        let text = format!(
            "{} has no [sweep]; expected one such as `[sweep]` with `gamma = {{ values = [0.1, 1] }}`",
            input.path
        );
        return Err(RunError::Request(text).into());
    };
    if let Some((name, _)) = args.input.parameters.iter().find(|(name, _)| sweep.axes.iter().any(|a| a.name == *name)) {
        return Err(RunError::Request(format!("-p sets {name}, which [sweep] varies; leave one of them out")).into());
    }
    let axes = grid_axes(sweep);
    let count = axes.iter().map(|axis| axis.values.len()).product();
    let mut grid = Grid { axes, points: vec![None; count] };
    let rows = if sweep.all_rows { input.problem.protocol.row_count() } else { 1 };
    let expected = common::expected_bytes(count * rows, sweep.quantities.len() + sweep.axes.len());
    let mut folder = args.input.claim("-sweep", common::identity("sweep", &input), expected)?;
    common::only_exact(&input);

    let stop = interrupt::stop();
    let search = Search { input: &input, sweep, overrides: &args.input.parameters, stop: &stop };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0) as usize).build();
    let pool = pool.map_err(|e| RunError::Request(format!("the threads cannot be started: {e}")))?;
    let mut cuts: Vec<String> = Vec::new();
    let summary = pool.install(|| -> Result<Vec<Number>, RunError> {
        let mut bests = Vec::with_capacity(count);
        for (k, point) in search.points(&grid)?.into_iter().enumerate() {
            let (table, best, cut) = point.map_or((None, None, None), |(table, best, cut)| (Some(table), best, cut));
            cuts.extend(cut.map(|text| format!("{}: {text}", grid.name(k))));
            grid.points[k] = table;
            bests.push(best);
        }
        match &sweep.optimise {
            Some(aim) => match &aim.over {
                Some(over) => match optimum::summary(&search, &grid, aim, over) {
                    Err(RunError::Interrupted) => Ok(Vec::new()),
                    found => found,
                },
                None => Ok(over_time::summary(&grid, &bests, aim)),
            },
            None => Ok(Vec::new()),
        }
    })?;

    let done = grid.points.iter().flatten().count();
    if done == 0 {
        return Err(RunError::Interrupted.into());
    }
    let sampled: Vec<usize> = (0..count).filter(|k| grid.points[*k].as_ref().is_some_and(Table::is_sampled)).collect();
    grid.align();
    folder.write("sweep.csv", grid.csv().as_bytes())?;
    if let Some(figure) = grid.figure(&input.problem.title) {
        common::picture(&mut folder, "sweep", &figure)?;
    }
    if sweep.optimise.is_some() {
        folder.write("summary.csv", csv(&summary).as_bytes())?;
    }
    let mut facts = Map::new();
    facts.insert("points".into(), json!(done));
    facts.insert("points_asked".into(), json!(count));
    facts.insert("interrupted".into(), json!(done < count || stop.is_requested()));
    if sweep.solve == Solve::Trajectories || !sampled.is_empty() {
        let seeds: Vec<u64> = (0..count).map(|k| seed_of(input.run.seed, k)).collect();
        facts.insert("seeds".into(), json!(seeds));
    }
    if sweep.solve == Solve::Steady && !sampled.is_empty() {
        facts.insert("sampled".into(), json!(sampled.iter().map(|k| grid.name(*k)).collect::<Vec<_>>()));
    }
    let finished = folder.finish(facts, common::environment(started, pool.current_num_threads()))?;
    for number in &summary {
        match number.lo.is_finite() && number.hi.is_finite() {
            true => say!("{} = {:.9} [{:.9}, {:.9}]", number.name, number.value, number.lo, number.hi),
            false => say!("{} = {:.9}", number.name, number.value),
        }
    }
    screen::print_place(&format!("{done} points"), &finished);
    if sweep.solve == Solve::Steady && !sampled.is_empty() {
        note!("{}", averaged(&grid, &sampled, input.run.trajectories));
    }
    if done < count || stop.is_requested() {
        note!("interrupted after {done} of {count} points; they are kept");
        return Ok(ExitCode::from(interrupt::STATUS));
    }
    match (cuts.first(), cuts.len()) {
        (None, _) => return Ok(ExitCode::SUCCESS),
        (Some(first), 1) => note!("error: at {first}"),
        (Some(first), more) => note!("error: at {first}; and at {} further points", more - 1),
    }
    Ok(ExitCode::FAILURE)
}

/// Points that are named one by one.
const MOST_NAMED: usize = 8;

/// Which steady states were sampled.
fn averaged(grid: &Grid, sampled: &[usize], trajectories: u64) -> String {
    let mut names: Vec<String> = sampled.iter().take(MOST_NAMED).map(|k| grid.name(*k)).collect();
    if sampled.len() > MOST_NAMED {
        names.push(format!("and {} more", sampled.len() - MOST_NAMED));
    }
    format!(
        "note: not solved for, averaged over time along {trajectories} trajectories: {}; what changes more slowly than their \
         errors show goes unnoticed",
        names.join("; ")
    )
}

/// The parameters of a sweep as its grid and its pictures take them.
pub fn grid_axes(sweep: &Sweep) -> Vec<GridAxis> {
    sweep.axes.iter().map(grid_axis).collect()
}

fn grid_axis(axis: &input::SweepAxis) -> GridAxis {
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number),
        Value::Word(_) => None,
    };
    let written = |value: &Value| number(value).map_or_else(|| value.to_string(), |x| x.to_string());
    GridAxis {
        name: axis.name.clone(),
        values: axis.values.iter().map(written).collect(),
        numbers: axis.values.iter().map(number).collect(),
        log: axis.log,
    }
}

/// What is done at one point of a sweep, whatever the point. A steady state that cannot be solved for is sampled.
pub fn solve_point(input: &Input, how: Solve, stop: &Stop) -> Result<Option<Table>, RunError> {
    let (problem, trajectories, seed) = (&input.problem, input.run.trajectories, input.run.seed);
    // The points share the threads.
    let options = RunOptions { trajectories, seed, threads: 1, shots: false, covariance: false, states: false };
    match how {
        Solve::Exact => exact::solve(problem, None, stop).map(Some),
        Solve::Steady => match exact::steady(problem, None, stop) {
            Err(RunError::Unsolved(_) | RunError::TooLarge { .. }) if problem.protocol.repeat == 1 => {
                settled(problem, None, options, stop, &mut |_| {}).map(|found| Some(found.table))
            }
            solved => solved.map(Some),
        },
        Solve::MeanField => Theory::of(problem)?.stopped_by(stop).solve().map(Some),
        Solve::Trajectories => {
            let (_, engine) = Engine::new(problem, None)?;
            let outcome = run::sample(&engine, problem, options, stop, &mut |_| true)?;
            let how = Evaluation { threads: 1, stop: stop.clone(), ..Evaluation::default() };
            match outcome.interrupted {
                true => Ok(None),
                false => columns::evaluate(problem, &outcome.accumulated, &how).map(Some),
            }
        }
    }
}

/// What is kept of a point, the best over time, and what a cutoff cuts off that is too much.
type Point = (Table, Option<Best>, Option<String>);

/// The input, its grid, and what the command line adds.
struct Search<'a> {
    input: &'a Input,
    sweep: &'a Sweep,
    overrides: &'a [(String, String)],
    stop: &'a Stop,
}

impl Search<'_> {
    /// Every point of the grid, and its best over time; those that an interruption left out are `None`.
    fn points(&self, grid: &Grid) -> Result<Vec<Option<Point>>, RunError> {
        let bar = ProgressBar::new(grid.points.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} points  {per_sec}  {eta} left") {
            bar.set_style(style);
        }
        let failed = AtomicBool::new(false);
        let solve = |k: usize| {
            if self.stop.is_requested() || failed.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let place = grid.place(k);
            let set = grid.axes.iter().zip(place).map(|(axis, k)| (axis.name.clone(), axis.values[k].clone()));
            let result = match self.point(&set.collect::<Vec<_>>(), k) {
                Err(RunError::Interrupted) => Ok(None),
                result => result,
            };
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            if matches!(result, Ok(Some(_))) {
                interrupt::keep();
            }
            bar.inc(1);
            result.map_err(|error| RunError::Request(format!("at {}: {error}", grid.name(k))))
        };
        let points = (0..grid.points.len()).into_par_iter().map(solve).collect::<Vec<_>>();
        bar.finish_and_clear();
        points.into_iter().collect()
    }

    /// The columns and rows that are kept of the point where the parameters are `set`, the `number`th of the grid, and the
    /// best over time if that is the aim.
    fn point(&self, set: &[(String, String)], number: usize) -> Result<Option<Point>, RunError> {
        let overrides: Vec<(String, String)> = self.overrides.iter().chain(set).cloned().collect();
        let parsed = input::parse(&self.input.path, &self.input.text, &overrides);
        let mut input =
            parsed.map_err(|e| RunError::Request(e.to_string().trim_start_matches("error: ").to_owned()))?;
        let mut wanted = self.sweep.quantities.clone();
        wanted.extend(
            self.sweep.optimise.iter().map(|aim| aim.quantity.clone()).filter(|q| !self.sweep.quantities.contains(q)),
        );
        input.run.seed = seed_of(input.run.seed, number);
        let timed = wanted.iter().any(|column| column == TAU);
        only(&mut input.problem, &wanted, timed);
        let solved = solve_point(&input, self.sweep.solve, self.stop).map_err(|error| match error {
            RunError::Compile(error) => {
                RunError::Request(input.refused(&error).to_string().trim_start_matches("error: ").to_owned())
            }
            other => other,
        });
        let Some(mut table) = solved? else { return Ok(None) };
        if timed {
            let tau = time_to_charge(&input.problem, &table)?;
            table.push_exact(TAU.into(), vec![tau; table.rows.len()]);
        }
        let cut = cut_off(&input.problem, &table).into_iter().find(|(too_much, _)| *too_much).map(|(_, text)| text);
        table.columns = wanted.iter().filter_map(|name| table.column(name).cloned()).collect();
        let over_time = self.sweep.optimise.as_ref().filter(|aim| aim.over.is_none());
        let best = over_time.and_then(|aim| over_time::best(&table, aim));
        Ok(Some((if self.sweep.all_rows { table } else { last_row(table) }, best, cut)))
    }
}

/// The seed of a point: independent ones, that depend on nothing but the seed of the input and the point's number.
fn seed_of(seed: u64, point: usize) -> u64 {
    Stream::new(seed, point as u64).rng().random::<u64>() >> 11
}

/// Leave what was asked for, and the energy if charging is timed.
fn only(problem: &mut Problem, wanted: &[String], timed: bool) {
    let columns: Vec<String> = problem.quantities.iter().map(|q| problem.column(q)).collect();
    let mut names = columns.iter();
    // How the released energy is called depends on how often it is asked for; cutoffs are watched.
    let watched = |q: &Quantity| matches!(q, Quantity::TopLevel(_) | Quantity::TopQuanta | Quantity::Released(_));
    let stays = |q: &Quantity, name: &String| wanted.contains(name) || watched(q);
    problem.quantities.retain(|q| names.next().is_some_and(|name| stays(q, name)));
    if timed && !problem.quantities.contains(&Quantity::Energy) {
        problem.quantities.push(Quantity::Energy);
    }
}

/// τ towards the energy that the protocol settles at; NaN when it has not fallen for good.
///
/// # Errors
/// What the steady state fails with.
pub fn time_to_charge(problem: &Problem, table: &Table) -> Result<f64, RunError> {
    let energy = problem.column(&Quantity::Energy);
    let settled = match exact::steady(problem, None, &interrupt::stop()) {
        Err(RunError::NoLimit { .. }) => return Ok(f64::NAN), // it never falls for good
        other => other?,
    };
    let limit = settled.column(&energy).and_then(|c| c.value.last().copied());
    let times: Vec<f64> = table.rows.iter().map(|row| row.time).collect();
    let tau = table.column(&energy).zip(limit).and_then(|(c, limit)| charging_time(&times, &c.value, limit));
    Ok(tau.unwrap_or(f64::NAN))
}

fn last_row(mut table: Table) -> Table {
    let tail = |values: &mut Vec<f64>| drop(values.drain(..values.len().saturating_sub(1)));
    let before = table.rows.len().saturating_sub(1);
    table.rows.drain(..before);
    table.steps.drain(..before);
    for column in &mut table.columns {
        tail(&mut column.value);
        column.se.iter_mut().for_each(tail);
        column.bounds.iter_mut().for_each(|(lo, hi)| [lo, hi].into_iter().for_each(tail));
    }
    table
}
