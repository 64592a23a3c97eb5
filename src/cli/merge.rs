//! `leyden merge`: the run that parts are parts of.

use super::InputArgs;
use super::common::{self, Format, Outcome};
use super::cut::{self, PART};
use super::print::note;
use super::record::RecordArgs;
use super::run::Sampled;
use super::until::Until;
use crate::error::RunError;
use crate::input;
use crate::output::checkpoint::Checkpoint;
use crate::run::{self, Batches, RunOptions};
use crate::space::choose::Representation;
use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `leyden merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The folders of all parts, in any order
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Output folder [default: the one that the whole run would have]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of threads to evaluate with [default: all cores]; no result depends on it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    threads: Option<u64>,
    /// Replace what is in the output folder also if it is the result of another input or command; it is kept as
    /// NAME.previous
    #[arg(long)]
    force: bool,
}

/// A part, and how its folder is called.
struct Part {
    folder: String,
    identity: Map<String, Value>,
    batches: Batches,
}

/// Merge the parts and write the folder of the whole run.
pub fn merge(args: &MergeArgs) -> Outcome {
    let started = Instant::now();
    // `merge parts/*` names what unfinished parts have left, too.
    let is_left = |path: &&PathBuf| path.extension().is_some_and(|end| end == "checkpoint") && path.is_file();
    let (left, folders): (Vec<&PathBuf>, Vec<&PathBuf>) = args.folders.iter().partition(is_left);
    let mut parts = Vec::with_capacity(folders.len());
    for folder in folders {
        let Checkpoint { identity, batches } = Checkpoint::read(&folder.join(PART))?;
        parts.push(Part { folder: folder.display().to_string(), identity, batches });
    }
    parts.sort_by_key(|part| (part.batches.start(), part.batches.after()));
    let Some(first) = parts.first() else { return Err(Missing { parts: Vec::new(), left }.error("every part").into()) };
    let identity = first.identity.clone();
    same_run(&parts)?;

    let whole: Map<String, Value> = kept(&identity, "run")?;
    let (path, text): (PathBuf, String) = (kept(&identity, "input_path")?, kept(&whole, "input")?);
    let parameters: Vec<(String, String)> = kept(&identity, "overrides")?;
    let mut input = input::parse(&path.display().to_string(), &text, &parameters)?;
    kept::<RecordArgs>(&identity, "record")?.apply(&mut input)?;
    let options = RunOptions {
        trajectories: kept(&whole, "trajectories_asked")?,
        seed: kept(&whole, "seed")?,
        threads: args.threads.unwrap_or(0) as usize,
        shots: kept(&identity, "shots")?,
        covariance: false,
        states: kept(&identity, "states")?,
    };
    let representation: Representation =
        kept::<String>(&whole, "representation")?.parse().map_err(RunError::Request)?;
    let (_, engine) = common::engine(&input, Some(representation))?;
    let (n, all) = (parts.len(), run::batches(&engine, &input.problem, options));
    let missing = Missing { parts: absent(&parts), left };
    let batches = joined(parts, all.end, options.trajectories, &missing)?;

    let format = whole.get("format").and_then(|format| Format::deserialize(format).ok());
    let place = InputArgs { file: path, parameters, out: args.out.clone(), force: args.force };
    let expected = common::expected_bytes(input.problem.protocol.row_count(), input.problem.quantities.len());
    let folder = place.claim("", whole, expected)?;
    note!("{}: {} trajectories in {n} parts", input.problem.title, options.trajectories);
    Sampled { input: &input, engine: &engine, options, until: &Until::default(), format, started, ranks: 1 }
        .finish(folder, batches, None)
}

/// What a part says of its run.
fn kept<T: DeserializeOwned>(identity: &Map<String, Value>, key: &str) -> Result<T, RunError> {
    let value = identity.get(key).and_then(|value| T::deserialize(value).ok());
    value.ok_or_else(|| {
        RunError::Request(format!("a part does not say its `{key}`: it was not written by `run --part`"))
    })
}

/// Whether all parts are of one run.
fn same_run(parts: &[Part]) -> Result<(), RunError> {
    let of = |part: &Part| {
        let mut identity = part.identity.clone();
        identity.remove("part");
        Checkpoint { identity, batches: Batches::default() }
    };
    let first = of(&parts[0]);
    for part in &parts[1..] {
        if let Some(difference) = first.differs(&of(part).identity) {
            let text = format!("{} is of another run than {}: {difference}", part.folder, parts[0].folder);
            return Err(RunError::Request(text));
        }
    }
    Ok(())
}

/// The batches of all parts, in the order of their numbers: each once, up to `end`.
fn joined(parts: Vec<Part>, end: u64, trajectories: u64, missing: &Missing) -> Result<Batches, RunError> {
    let gap = |at: u64, to: u64| missing.error(&format!("the part that holds batches {at} to {to} of {end}"));
    let (mut all, mut at, mut before) = (Batches::default(), 0, String::new());
    for Part { folder, batches, .. } in parts {
        if batches.start() < at {
            return Err(RunError::Request(format!(
                "{folder} and {before} hold the same batches from {}",
                batches.start()
            )));
        }
        if batches.start() > at {
            return Err(gap(at, batches.start()));
        }
        (at, before) = (batches.after(), folder);
        all.append(batches);
    }
    if at < end || all.trajectories() < trajectories {
        return Err(gap(at, end));
    }
    Ok(all)
}

/// How many missing parts are named.
const MOST_NAMED: usize = 32;

/// The names of the parts that are not there, where those that are say how many there must be.
fn absent(parts: &[Part]) -> Vec<String> {
    let name = |part: &Part| part.identity.get("part")?.as_str()?.parse().ok();
    let there: Vec<cut::Part> = parts.iter().filter_map(name).collect();
    let mut names: Vec<String> = cut::Part::others(&there).take(MOST_NAMED + 1).map(|part| part.to_string()).collect();
    names.iter_mut().skip(MOST_NAMED).for_each(|name| *name = "…".into());
    names
}

/// What is not there, and where to go on from for it.
struct Missing<'a> {
    parts: Vec<String>,
    left: Vec<&'a PathBuf>,
}

impl Missing<'_> {
    /// The error that says so; `otherwise` names what is missing where its parts have no names.
    fn error(&self, otherwise: &str) -> RunError {
        let what = match &self.parts[..] {
            [] => format!("{otherwise} is missing"),
            [part] => format!("part {part} is missing"),
            parts => format!("parts {} are missing", parts.join(", ")),
        };
        let left: Vec<String> = self.left.iter().map(|file| file.display().to_string()).collect();
        let left = if left.is_empty() { String::new() } else { format!(": --resume goes on from {}", left.join(", ")) };
        RunError::Request(what + &left)
    }
}
