//! `leyden exact`, `leyden steady` and `leyden meanfield`: results without sampling.

use super::InputArgs;
use super::common::{self, Format, Outcome};
use super::interrupt;
use super::print::note;
use super::record;
use super::run::check_cutoffs;
use super::screen;
use super::summary::summary;
use crate::error::RunError;
use crate::exact;
use crate::exact::theory::Theory;
use crate::input::{Input, InputError};
use crate::output::correlations::{self, Correlated};
use crate::output::folder::{Finished, RunFolder};
use crate::output::npz;
use crate::output::table as files;
use crate::problem::{Correlation, When};
use crate::run::RunOptions;
use crate::settled::{Settled, settled};
use crate::space::choose::{Representation, smallest};
use crate::table::{Table, significant};
use clap::Args;
use serde_json::{Map, json};
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `leyden exact` and `leyden steady`.
#[derive(Debug, Args)]
pub struct ExactArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Representation to use [default: the smallest exact one]
    #[arg(long, value_name = "R")]
    representation: Option<Representation>,
    /// Take the size in [verify]; -p goes before it
    #[arg(long)]
    small: bool,
    /// Write the table also into a file of this format (result.nc, which xarray.open_dataset opens)
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

impl ExactArgs {
    fn read(&self) -> Result<Input, InputError> {
        let input = self.input.read()?;
        if self.small { input.at_verify_size() } else { Ok(input) }
    }
}

/// `leyden exact`: every quantity at every row.
pub fn exact(args: &ExactArgs) -> Outcome {
    let input = args.read()?;
    let representation = args.representation.or_else(|| smallest(&input.problem));
    let name = name(representation);
    result(&args.input, &input, ("exact", &name, "exact"), |input| {
        // First what is more likely to be refused.
        let correlated = correlated(input, args.representation, |_| true)?;
        let solved = exact::solve(&input.problem, representation, &interrupt::stop());
        let table = solved.map_err(|error| common::placed(input, error))?;
        let recorded = record::exact(input, args.representation).map_err(|error| common::placed(input, error))?;
        Ok(Solved { table, correlated, recorded, format: args.format })
    })
}

/// The correlations that begin from a state that is `wanted`.
fn correlated(
    input: &Input,
    representation: Option<Representation>,
    wanted: impl Fn(When) -> bool,
) -> Result<Vec<Correlated>, Box<dyn Error>> {
    let wanted = input.correlations.iter().filter(|(_, of)| wanted(of.from));
    let one = |(name, of): &(String, Correlation)| match exact::correlation(
        &input.problem,
        of,
        representation,
        &interrupt::stop(),
    ) {
        Ok(values) => Ok(Correlated { name: name.clone(), delays: of.delays.clone(), values }),
        Err(RunError::Interrupted) => Err(RunError::Interrupted.into()),
        Err(error) => Err(input.located(&format!("correlation {name}: {error}")).into()),
    };
    wanted.map(one).collect()
}

/// Arguments of `leyden steady`.
#[derive(Debug, Args)]
pub struct SteadyArgs {
    #[command(flatten)]
    exact: ExactArgs,
    /// Give the average over all time, also where something oscillates for ever
    #[arg(long)]
    time_average: bool,
    /// Average over time along N trajectories instead of solving for it [default where it cannot be solved for: the input's]
    #[arg(long, value_name = "N", value_parser = common::parse_trajectories)]
    trajectories: Option<u64>,
    /// Seed of these trajectories [default: the input's]
    #[arg(long, value_parser = common::parse_count)]
    seed: Option<u64>,
}

/// `leyden steady`: the state reached as t → ∞, or the cycle that a repeated protocol settles in.
pub fn steady(args: &SteadyArgs) -> Outcome {
    let started = Instant::now();
    let input = args.exact.read()?;
    let problem = &input.problem;
    let cycle = problem.protocol.repeat > 1;
    let what = match (cycle, args.time_average) {
        (false, false) => "steady state",
        (false, true) => "average over all time",
        (true, false) => "limit cycle",
        (true, true) => "average over all cycles",
    };
    let representation = args.exact.representation.or_else(|| smallest(problem));
    let asked = json!({ "trajectories": args.trajectories, "seed": args.seed });
    let folder = claim(&args.exact.input, &input, ("steady", &name(representation), what), Some(asked))?;
    let spinner = common::spinner(&format!("{}: {what}", problem.title));
    let stop = interrupt::stop();
    let solved = match (args.trajectories, args.time_average) {
        (Some(_), _) => None,
        (None, false) => Some(exact::steady(problem, representation, &stop)),
        (None, true) => Some(exact::time_average(problem, representation, &stop)),
    };
    spinner.finish_and_clear();
    let table = match solved {
        Some(Ok(table)) => table,
        Some(Err(error @ (RunError::Unsolved(_) | RunError::TooLarge { .. }))) if !cycle => {
            note!("{error}\nnote: averaged over time along trajectories instead");
            return sampled(args, &input, folder, started);
        }
        Some(Err(error)) => return Err(common::placed(&input, error)),
        None => return sampled(args, &input, folder, started),
    };
    // An average over what goes on for ever is no state to begin from.
    let of_the_state = |from| from == When::Steady && !args.time_average;
    let correlated = correlated(&input, args.exact.representation, of_the_state)?;
    let solved = Solved { correlated, format: args.exact.format, ..Solved::only(table) };
    let finished = write(folder, &problem.title, &solved, what, (None, Map::new()), started)?;
    let Solved { table, correlated, .. } = &solved;
    screen::print_end(problem, table, what, &finished);
    screen::print_place(&screen::rows(table), &finished);
    if correlated.len() < input.correlations.len() {
        note!(
            "note: {}; `leyden exact` gives all of [correlations]",
            match args.time_average {
                true => "an average over all time is no state that correlations begin from",
                false => "only correlations with `from = \"steady\"` are of a steady state",
            }
        );
    }
    Ok(ExitCode::from(u8::from(!check_cutoffs(problem, table))))
}

/// The steady state by trajectories.
fn sampled(args: &SteadyArgs, input: &Input, folder: RunFolder, started: Instant) -> Outcome {
    let problem = &input.problem;
    let trajectories = args.trajectories.unwrap_or(input.run.trajectories);
    let seed = args.seed.unwrap_or(input.run.seed);
    let options = RunOptions { trajectories, seed, threads: 0, shots: false, covariance: true, states: false };
    let spinner = common::spinner(&problem.title);
    let mut told = |until: f64| {
        let text =
            format!("{}: {trajectories} trajectories, seed {seed}, until t = {}", problem.title, significant(until, 6));
        spinner.set_message(text.clone());
        if spinner.is_hidden() {
            note!("{text}");
        }
    };
    let found = settled(problem, args.exact.representation, options, &interrupt::stop(), &mut told);
    spinner.finish_and_clear();
    let Settled { table, window: (from, until) } = found.map_err(|error| common::placed(input, error))?;
    let what = format!(
        "average of {trajectories} trajectories from t = {} to {}",
        significant(from, 6),
        significant(until, 6)
    );
    let facts = json!({ "trajectories": trajectories, "seed": seed, "from": from, "until": until });
    let facts = Map::from_iter([("sampled".to_owned(), facts)]);
    let solved = Solved { format: args.exact.format, ..Solved::only(table) };
    let finished = write(folder, &problem.title, &solved, &what, (None, facts), started)?;
    let table = &solved.table;
    screen::print_end(problem, table, &what, &finished);
    screen::print_place(&screen::rows(table), &finished);
    note!("note: what changes so slowly that the errors hide it until t = {} goes unnoticed", significant(until, 6));
    common::only_exact(input);
    Ok(ExitCode::from(u8::from(!check_cutoffs(problem, table))))
}

/// `leyden meanfield`: the mean-field theory that fits the problem.
pub fn mean_field(args: &InputArgs) -> Outcome {
    let input = args.read()?;
    let theory = Theory::of(&input.problem).map_err(|error| input.located(&error))?.stopped_by(&interrupt::stop());
    let status =
        result(args, &input, ("meanfield", theory.name(), "mean field"), |_| Ok(Solved::only(theory.solve()?)))?;
    common::only_exact(&input);
    let missing = theory.missing();
    if !missing.is_empty() {
        note!("note: this theory has no {}; the columns are left out", missing.join(", "));
    }
    Ok(status)
}

fn name(representation: Option<Representation>) -> String {
    representation.map_or_else(|| "none".into(), |r| r.to_string())
}

/// Claim the folder; (command, representation, legend) name the result.
fn claim(
    args: &InputArgs,
    input: &Input,
    (command, representation, legend): (&str, &str, &str),
    asked: Option<serde_json::Value>,
) -> Result<RunFolder, RunError> {
    let mut identity = common::identity(command, input);
    identity.insert("representation".into(), json!(representation));
    identity.insert("legend".into(), json!(legend));
    identity.extend(asked.map(|asked| ("asked".to_owned(), asked)));
    let problem = &input.problem;
    let delays = input.correlations.iter().map(|(_, of)| of.delays.len()).sum();
    let expected = common::expected_bytes(problem.protocol.row_count(), problem.quantities.len())
        + common::expected_bytes(delays, input.correlations.len());
    args.claim(&format!("-{command}"), identity, expected)
}

/// Solve, write and print; (command, representation, legend) name the result.
fn result(
    args: &InputArgs,
    input: &Input,
    (command, representation, legend): (&str, &str, &str),
    solve: impl FnOnce(&Input) -> Result<Solved, Box<dyn Error>>,
) -> Outcome {
    let started = Instant::now();
    let problem = &input.problem;
    let folder = claim(args, input, (command, representation, legend), None)?;
    let spinner = common::spinner(&format!("{}: {legend}", problem.title));
    let solved = solve(input);
    spinner.finish_and_clear();
    let solved = solved?;
    let table = &solved.table;
    let summary = if command == "exact" { summary(problem, table) } else { None };
    let finished = write(folder, &problem.title, &solved, legend, (summary, Map::new()), started)?;
    screen::print_end(problem, table, "", &finished);
    solved.recorded.iter().filter(|(name, _)| *name == "audit.csv").for_each(|(_, text)| record::print_audit(text));
    screen::print_place(&screen::rows(table), &finished);
    Ok(ExitCode::from(u8::from(!check_cutoffs(problem, table))))
}

/// What was solved for.
struct Solved {
    table: Table,
    correlated: Vec<Correlated>,
    /// Tables of single runs that the equation gives, by their names.
    recorded: Vec<(&'static str, String)>,
    /// What the table is written into beside its own file.
    format: Option<Format>,
}

impl Solved {
    /// A table alone.
    fn only(table: Table) -> Self {
        Self { table, correlated: Vec::new(), recorded: Vec::new(), format: None }
    }
}

/// Write tables, pictures and manifest. A single state at t = ∞ has no picture.
fn write(
    mut folder: RunFolder,
    title: &str,
    Solved { table, correlated, recorded, format }: &Solved,
    legend: &str,
    (summary, facts): (Option<String>, Map<String, serde_json::Value>),
    started: Instant,
) -> Result<Finished, Box<dyn Error>> {
    folder.write("observables.csv", files::csv(table).as_bytes())?;
    if let Some(summary) = summary {
        folder.write("summary.csv", summary.as_bytes())?;
    }
    if !table.states.is_empty() {
        folder.write("states.npz", &npz::parts_npz(&table.states)?)?;
    }
    if table.rows.iter().any(|row| row.time.is_finite()) {
        common::draw(&mut folder, title, &[(legend, table)])?;
    }
    if !correlated.is_empty() {
        let figure = correlations::figure(title, correlated);
        folder.write("correlations.csv", correlations::csv(correlated).as_bytes())?;
        common::picture(&mut folder, "correlations", &figure)?;
    }
    record::write_exact(&mut folder, title, recorded)?;
    if let Some(Format::Netcdf) = format {
        let mut file = common::netcdf(&folder, table, &facts);
        file.record(recorded);
        folder.write("result.nc", &file.encode()?)?;
    }
    Ok(folder.finish(facts, common::environment(started, 1))?)
}
