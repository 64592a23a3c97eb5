//! `leyden run`: trajectories.

use super::InputArgs;
use super::common::{self, Format, Outcome};
use super::cut::{self, Cut, CutArgs, Start};
use super::interrupt;
use super::print::note;
use super::ranks::{self, Ranks};
use super::record::{self, RecordArgs};
use super::screen;
use super::summary::summary;
use super::until::{Until, UntilArgs};
use crate::cost::bytes;
use crate::density::Density;
use crate::error::RunError;
use crate::estimate::columns::{self, Accumulated, battery_levels};
use crate::estimate::evaluation::Evaluation;
use crate::estimate::interval::Confidence;
use crate::input::Input;
use crate::output::folder::{Finished, RunFolder};
use crate::output::npz;
use crate::output::table as files;
use crate::problem::Problem;
use crate::run::{self, Batches, Queue, RunOptions, Shots, SoFar};
use crate::space::choose::{Representation, choose};
use crate::table::Table;
use crate::unravel::engine::Engine;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, json};
use std::borrow::Cow;
use std::error::Error;
use std::io::IsTerminal;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Arguments of `leyden run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    #[command(flatten)]
    pub until: UntilArgs,
    /// Do not keep single shots (shots.npz)
    #[arg(long)]
    pub no_shots: bool,
    /// Keep the averaged battery state at every row (states.npz)
    #[arg(long)]
    pub states: bool,
    /// Write everything also into one file of this format (result.nc, which xarray.open_dataset opens)
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    #[command(flatten)]
    pub record: RecordArgs,
    #[command(flatten)]
    pub cut: CutArgs,
}

/// How to sample, for every command that does.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// Number of trajectories [default: the input's]
    #[arg(long, value_name = "N", value_parser = common::parse_trajectories)]
    pub trajectories: Option<u64>,
    /// Seed of all random numbers [default: the input's]
    #[arg(long, value_parser = common::parse_count)]
    pub seed: Option<u64>,
    /// Number of threads [default: all cores]; no result depends on it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub threads: Option<u64>,
    /// Representation to use [default: the smallest exact one]
    #[arg(long, value_name = "R")]
    pub representation: Option<Representation>,
}

/// Largest total size of single shots.
const MOST_SHOT_BYTES: u64 = 4_000_000_000;

/// What is sampled, and how: all that is known before the output folder is looked at.
pub struct Prepared {
    pub input: Input,
    pub engine: Engine,
    pub options: RunOptions,
    until: Until,
    representation: Representation,
}

impl Prepared {
    /// As the arguments say, on one of `ranks`: without a word about threads each of several has one.
    ///
    /// # Errors
    /// When something is wrong with the input or the arguments.
    fn new(args: &RunArgs, ranks: Option<&Ranks>) -> Result<Self, Box<dyn Error>> {
        let mut input = args.input.read()?;
        args.record.apply(&mut input)?;
        let until = Until::new(&input.problem, &args.until)?;
        let (representation, engine) = common::engine(&input, args.sampling.representation)?;
        let options = RunOptions {
            trajectories: args.sampling.trajectories.unwrap_or(input.run.trajectories),
            seed: args.sampling.seed.unwrap_or(input.run.seed),
            threads: args.sampling.threads.unwrap_or(ranks.map_or(0, |_| 1)) as usize,
            shots: input.run.shots && !args.no_shots,
            covariance: false,
            states: args.states,
        };
        let prepared = Self { input, engine, options, until, representation };
        let shot_bytes = prepared.shot_bytes();
        if shot_bytes > MOST_SHOT_BYTES {
            return Err(common::too_large(
                &format!("keeping the single shots of {} trajectories", options.trajectories),
                bytes(shot_bytes as f64),
                &bytes(MOST_SHOT_BYTES as f64),
                "run with --no-shots, or with fewer trajectories",
            )
            .into());
        }
        run::check(&prepared.engine, &prepared.input.problem, options)?;
        Ok(prepared)
    }

    fn shot_bytes(&self) -> u64 {
        let each = Shots::bytes_each(&self.input.problem);
        if self.options.shots { each.saturating_mul(self.options.trajectories) } else { 0 }
    }

    /// What makes the run the same as another, as the manifest holds it.
    pub fn identity(&self, args: &RunArgs) -> Map<String, serde_json::Value> {
        let mut identity = common::identity("run", &self.input);
        identity.insert("seed".into(), json!(self.options.seed));
        identity.insert("trajectories_asked".into(), json!(self.options.trajectories));
        identity.extend(args.until.identity());
        identity.insert("representation".into(), json!(self.representation.to_string()));
        identity.insert("unraveling".into(), json!("jump"));
        if !args.record.is_empty() {
            identity.insert("record".into(), json!(args.record));
        }
        identity.extend(args.format.map(|format| ("format".to_owned(), json!(format))));
        identity
    }
}

/// Sample the input and write its folder, with the other ranks where there are any.
pub fn run(args: &RunArgs, mut ranks: Option<Ranks>) -> Outcome {
    let started = Instant::now();
    let prepared = Prepared::new(args, ranks.as_ref());
    if let Some(ranks) = ranks.as_ref().filter(|ranks| ranks.rank() > 0) {
        ranks::serve(ranks, prepared, args);
        return Ok(ExitCode::SUCCESS);
    }
    let prepared = prepared?;
    if let Some(ranks) = &mut ranks {
        ranks::meet(ranks, &prepared, args)?;
    }
    let (mut identity, shot_bytes) = (prepared.identity(args), prepared.shot_bytes());
    let Prepared { input, engine, options, until, representation } = &prepared;
    let (problem, options) = (&input.problem, *options);
    let out = args.input.out("");
    let part = args.cut.part;
    let mut cut = Cut::new(&args.cut, &out, cut::identity(&identity, (input, args), part), ranks.is_some());
    let done = match cut.start(&args.cut, &out, (&identity, args.input.force))? {
        Start::From(batches) => *batches,
        Start::Finished(text) => {
            note!("{text}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(part) = part {
        identity.insert("part".into(), json!(part.to_string()));
    }
    let expected = common::expected_bytes(problem.protocol.row_count(), problem.quantities.len())
        + shot_bytes
        + record::expected_bytes(problem);
    let folder = args.input.claim("", identity, expected)?;
    common::only_exact(input);

    let (n, seed) = (options.trajectories, options.seed);
    note!("{}: {representation} representation, {n} trajectories, seed {seed}", problem.title);
    if !options.shots && !problem.record.first_passage.is_empty() {
        note!("note: without single shots first passages are kept as probabilities alone");
    }
    if let Some(ranks) = &ranks {
        note!("on {} MPI ranks", ranks.count());
    }
    let mut all = run::batches(engine, problem, options);
    if let Some(part) = part {
        all = part.batches(&all);
        note!(
            "part {part} of them: batches {} to {} of {}",
            all.start,
            all.end,
            run::batches(engine, problem, options).end
        );
    }
    if !done.is_empty() {
        note!("goes on after {} trajectories", done.trajectories());
    }
    let batches = sample_from(problem, engine, options, until, (done, all), (Some(&mut cut), ranks.as_mut()))?;
    let count = ranks.as_ref().map_or(1, Ranks::count);
    if batches.interrupted() {
        cut.interrupted(&batches);
    }
    // The others have done their work. To wait for them now might cost an interrupted run the time to keep its result.
    let until_it_is_kept = ranks.filter(|_| batches.interrupted());
    if part.is_some() {
        return match batches.interrupted() {
            true => cut::part_interrupted(),
            false => cut.part(folder, &batches, environment(started, options, count)),
        };
    }
    let run = Sampled { input, engine, options, until, format: args.format, started, ranks: count };
    let status = run.finish(folder, batches, Some(&cut))?;
    if until_it_is_kept.is_some() {
        interrupt::wait_for_others();
    }
    Ok(status)
}

/// Where, how and how long.
fn environment(started: Instant, options: RunOptions, ranks: usize) -> serde_json::Value {
    let mut all = common::environment(started, threads(options));
    if ranks > 1 {
        all["ranks"] = json!(ranks);
    }
    all
}

/// Number of threads that are used.
pub fn threads(options: RunOptions) -> usize {
    if options.threads == 0 { rayon::current_num_threads() } else { options.threads }
}

/// A run whose batches are there.
pub struct Sampled<'a> {
    pub input: &'a Input,
    pub engine: &'a Engine,
    pub options: RunOptions,
    pub until: &'a Until,
    pub format: Option<Format>,
    pub started: Instant,
    /// How many processes have sampled it.
    pub ranks: usize,
}

impl Sampled<'_> {
    /// Evaluate them, write the folder and print the end; where a run was cut up, `cut` says how.
    ///
    /// # Errors
    /// When there is nothing to evaluate, or something cannot be written.
    pub fn finish(&self, mut folder: RunFolder, batches: Batches, cut: Option<&Cut>) -> Outcome {
        let Self { input, options, until, started, ranks, .. } = *self;
        let problem = &input.problem;
        if let Some(cut) = cut.filter(|_| !batches.interrupted()) {
            cut.keep(&mut folder, &batches)?;
        }
        let outcome = run::conclude(self.engine, problem, options, batches, &interrupt::stop())?;
        if outcome.trajectories == 0 {
            return Err(RunError::Interrupted.into());
        }
        // Something might have stopped it earlier.
        let confidence = if until.may_stop() { Confidence::Stopped } else { outcome.confidence(options) };
        let (table, left_out) = evaluate(problem, &outcome.accumulated, (options.threads, confidence))?;
        let mut facts = Map::new();
        facts.insert("intervals".into(), json!(confidence.to_string()));
        facts.insert("interrupted".into(), json!(outcome.interrupted || !left_out.is_empty()));
        if !left_out.is_empty() {
            facts.insert("left_out".into(), json!(left_out));
        }
        facts.insert("trajectories".into(), json!(outcome.trajectories));
        facts.insert("representation_why".into(), json!(choose(problem).explain()));
        let recorded = record::write(&mut folder, problem, &outcome, confidence)?;
        if let Some(Format::Netcdf) = self.format {
            let mut file = common::netcdf(&folder, &table, &facts);
            if let Some(shots) = outcome.shots.as_ref().filter(|_| options.shots) {
                file.shots(problem, shots);
            }
            file.distributions(
                problem,
                &outcome.accumulated,
                confidence.errors(outcome.accumulated.moments.effective()),
            );
            file.record(&recorded);
            folder.write("result.nc", &file.encode()?)?;
        }
        let environment = environment(started, options, ranks);
        let finished = write(folder, input, &outcome, &table, (options, environment), facts)?;
        screen::print_end(problem, &table, "", &finished);
        recorded.iter().filter(|(name, _)| *name == "audit.csv").for_each(|(_, text)| record::print_audit(text));
        warn_undersampled(&table);
        if outcome.accumulated.pinched.is_some() {
            note!(
                "note: the battery's density matrix is too large to be kept: its ergotropy lies between two bounds, which the \
                 interval holds (docs/statistics.md)"
            );
        }
        let cutoffs = check_cutoffs(problem, &table);
        let seconds = started.elapsed().as_secs_f64();
        screen::print_place(&format!("{} trajectories in {seconds:.2} s; results", outcome.trajectories), &finished);
        if !left_out.is_empty() {
            note!("interrupted while it was evaluated: without {}, everything else was kept", left_out.join(", "));
            return Ok(ExitCode::from(interrupt::STATUS));
        }
        if outcome.interrupted {
            note!("interrupted: {} of {} trajectories were kept", outcome.trajectories, options.trajectories);
            return Ok(ExitCode::from(interrupt::STATUS));
        }
        if let Some(cut) = cut {
            cut.done();
        }
        let reached = until.judge(problem, &outcome, options)?;
        if !reached {
            return Ok(ExitCode::from(1));
        }
        Ok(ExitCode::from(u8::from(!cutoffs)))
    }
}

/// The table of what was sampled. What is not linear in the state, and takes long, is left out and named where an
/// interruption leaves no time for it.
fn evaluate(
    problem: &Problem,
    accumulated: &Accumulated,
    (threads, confidence): (usize, Confidence),
) -> Result<(Table, Vec<String>), RunError> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} rows evaluated  {eta} left") {
        bar.set_style(style);
    }
    let plain = !std::io::stderr().is_terminal();
    let shown = Mutex::new(Instant::now());
    let progress = |done: u64, all: u64| {
        bar.set_length(all);
        bar.set_position(done);
        let Ok(mut shown) = shown.try_lock() else { return };
        if plain && shown.elapsed() > Duration::from_secs(5) {
            *shown = Instant::now();
            note!("{done}/{all} rows evaluated");
        }
    };
    let how = Evaluation { threads, stop: interrupt::evaluation(), progress: Some(&progress), confidence };
    let found = columns::evaluate(problem, accumulated, &how);
    bar.finish_and_clear();
    match found {
        Err(RunError::Interrupted) => {
            let mut rest = problem.clone();
            rest.quantities.retain(|quantity| !quantity.needs_state());
            let nonlinear = problem.quantities.iter().filter(|quantity| quantity.needs_state());
            let left_out = nonlinear.map(|quantity| problem.column(quantity)).collect();
            let how = Evaluation { confidence, ..Evaluation::default() };
            Ok((columns::evaluate(&rest, &accumulated.linear_part(problem, &rest), &how)?, left_out))
        }
        table => Ok((table?, Vec::new())),
    }
}

/// Largest weight of a mode's highest level that passes, and that passes without a note.
const TOP_LEVEL: (f64, f64) = (1e-3, 1e-6);

/// Whether every cutoff that cuts anything is high enough: what the highest level held at most is reported, and too much of
/// it fails.
pub fn check_cutoffs(problem: &Problem, table: &Table) -> bool {
    let mut passed = true;
    for (too_much, text) in cut_off(problem, table) {
        passed &= !too_much;
        note!("{}: {text}", if too_much { "error" } else { "note" });
    }
    passed
}

/// What the highest levels hold that are kept, where that is more than rounding, and whether it is too much.
pub fn cut_off(problem: &Problem, table: &Table) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut judge = |worst: f64, what: &str, cause: &str| {
        if !(worst <= TOP_LEVEL.0) {
            found.push((
                true,
                format!("{what} up to {worst:.1e}, allowed are {:.0e}: {cause} is too small", TOP_LEVEL.0),
            ));
        } else if worst > TOP_LEVEL.1 {
            found.push((false, format!("{what} up to {worst:.1e}")));
        }
    };
    let few = table.columns.iter().find(|column| column.name == "top_quanta");
    if let Some(column) = few.filter(|_| !problem.at_most_is_exact()) {
        let worst = column.value.iter().copied().fold(0.0, f64::max);
        judge(worst, "the states of the most quanta that are kept hold", "`at_most`");
    }
    for column in table.columns.iter().filter(|c| c.name.starts_with("top_level_")) {
        let worst = column.value.iter().copied().fold(0.0, f64::max);
        let name = &column.name["top_level_".len()..];
        // Where nothing gets beyond the kept levels, the highest is as good as any other.
        if !problem.subsystem_id(name).is_some_and(|mode| problem.cutoff_is_exact(mode)) {
            judge(worst, &format!("the highest Fock level of {name} holds"), "its cutoff");
        }
    }
    found
}

/// Sample with progress on the standard error stream; an interruption ends it early.
///
/// # Errors
/// As [`run::sample`].
pub fn sample(problem: &Problem, engine: &Engine, options: RunOptions) -> Result<run::Outcome, RunError> {
    let all = run::batches(engine, problem, options);
    let batches = sample_from(problem, engine, options, &Until::default(), (Batches::default(), all), (None, None))?;
    run::conclude(engine, problem, options, batches, &interrupt::stop())
}

/// Sample those of the batches `all` that are not `done`, with the other ranks where there are any.
fn sample_from(
    problem: &Problem,
    engine: &Engine,
    options: RunOptions,
    until: &Until,
    (done, all): (Batches, Range<u64>),
    (mut cut, ranks): (Option<&mut Cut>, Option<&mut Ranks>),
) -> Result<Batches, RunError> {
    let stop = interrupt::stop();
    let size = run::batch_size(engine, problem, options);
    let before = |batch: u64| batch.saturating_mul(size).min(options.trajectories);
    let total = before(all.end) - before(all.start);
    let mut progress = Progress::new(problem, done.trajectories(), total);
    let mut checks = until.checks(problem, size, done.end());
    let mut watch = |so_far: &SoFar| {
        interrupt::keep();
        progress.update(so_far);
        if let Some(cut) = &mut cut {
            cut.tick(so_far);
        }
        checks.go_on(so_far)
    };
    let help = |queue: &Queue| {
        if let Some(ranks) = ranks {
            ranks.help(queue, (engine, problem, options), until.looks(), &stop);
        }
    };
    let batches = run::go_on_helped(engine, problem, options, (done, all), &stop, &mut watch, help);
    progress.finish();
    checks.failure().map_or(batches, Err)
}

fn write(
    mut folder: RunFolder,
    input: &Input,
    outcome: &run::Outcome,
    table: &Table,
    (options, environment): (RunOptions, serde_json::Value),
    facts: Map<String, serde_json::Value>,
) -> Result<Finished, Box<dyn Error>> {
    let problem = &input.problem;
    folder.write("observables.csv", files::csv(table).as_bytes())?;
    if let Some(summary) = summary(problem, table) {
        folder.write("summary.csv", summary.as_bytes())?;
    }
    if let Some(shots) = outcome.shots.as_ref().filter(|_| options.shots) {
        folder.write("shots.npz", &npz::shots_npz(problem, shots)?)?;
    }
    if options.states && !outcome.accumulated.densities.is_empty() {
        let kept = run::reductions(problem, options);
        let battery = problem.battery_reduction();
        let first = kept.iter().position(|reduction| *reduction == battery).unwrap_or(0);
        let rows = (first..outcome.accumulated.densities.len()).step_by(kept.len());
        let rows: Vec<Cow<Density>> = rows.map(|index| outcome.accumulated.density(index)).collect();
        folder.write("states.npz", &npz::densities_npz(&rows, &table.states)?)?;
    } else if options.states {
        let (battery, _) = battery_levels(problem)?;
        let rows = 0..outcome.accumulated.occupations.len();
        let rows = rows.map(|row| outcome.accumulated.occupied(row).probabilities().collect());
        folder.write("states.npz", &npz::states_npz(&battery, rows)?)?;
    } else if !table.states.is_empty() {
        folder.write("states.npz", &npz::parts_npz(&table.states)?)?;
    }
    let legend = common::sampled_legend(outcome.trajectories);
    common::draw(&mut folder, &problem.title, &[(&legend, table)])?;
    Ok(folder.finish(facts, environment)?)
}

fn warn_undersampled(table: &Table) {
    let flags = table.columns.iter().find(|c| c.name.ends_with("_undersampled"));
    let count = flags.map_or(0, |c| c.value.iter().filter(|v| **v > 0.0).count());
    if count > 0 {
        note!(
            "note: the ergotropy is undersampled at {count} of {} rows: its bounds hold, its value will move with more trajectories",
            table.rows.len()
        );
    }
}

/// A bar on a terminal, plain lines elsewhere.
struct Progress<'a> {
    problem: &'a Problem,
    bar: ProgressBar,
    /// Trajectories that were there at the beginning, and that are to be there at the end.
    before: u64,
    total: u64,
    started: Instant,
    shown: Instant,
    plain: bool,
}

impl<'a> Progress<'a> {
    fn new(problem: &'a Problem, before: u64, total: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(total),
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() },
        );
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {per_sec}  {eta} left  {msg}") {
            bar.set_style(style);
        }
        bar.set_position(before);
        bar.tick();
        // What was there was not made now: it says nothing of the speed.
        bar.reset_eta();
        let now = Instant::now();
        Self { problem, bar, before, total, started: now, shown: now, plain }
    }

    fn update(&mut self, so_far: &SoFar) {
        let done = so_far.trajectories();
        self.bar.set_position(done);
        let every = if self.plain { Duration::from_secs(5) } else { Duration::from_millis(250) };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let message = self.main_error(&so_far.linear());
        if self.plain {
            let elapsed = self.started.elapsed().as_secs_f64();
            let rate = done.saturating_sub(self.before) as f64 / elapsed;
            note!(
                "{done}/{} trajectories, {rate:.0}/s, {:.0} s left, {message}",
                self.total,
                self.total.saturating_sub(done) as f64 / rate
            );
        } else {
            self.bar.set_message(message);
        }
    }

    /// Largest standard error of the first quantity's linear average.
    fn main_error(&self, accumulated: &Accumulated) -> String {
        let linear = self.problem.linear();
        let Some(main) = self.problem.quantities.first() else { return String::new() };
        let average = linear.iter().position(|l| *l == main.linear()).unwrap_or(0);
        let rows = self.problem.protocol.row_count();
        let errors = (0..rows).map(|row| accumulated.averages().mean_error(row * linear.len() + average));
        format!("error of ⟨{}⟩ ≤ {:.2e}", self.problem.column(main), errors.fold(0.0, f64::max))
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
