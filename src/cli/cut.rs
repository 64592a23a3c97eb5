//! How a run is cut up: checkpoints from which it goes on, and parts that are merged.

use super::common::{self, Outcome};
use super::interrupt;
use super::print::note;
use super::run::RunArgs;
use crate::cost;
use crate::error::RunError;
use crate::input::Input;
use crate::output::checkpoint::Checkpoint;
use crate::output::folder::{RunFolder, manifest, sha256};
use crate::run::{Batches, SoFar};
use clap::Args;
use serde_json::{Map, Value, json};
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The file of a part in its folder, and that of a result which can go on.
pub const PART: &str = "part.bin";
const CHECKPOINT: &str = "checkpoint.bin";

/// Keys of the manifest in which a run may differ from the one that it goes on with.
const MAY_DIFFER: [&str; 3] = ["trajectories_asked", "target_error", "max_time"];

/// Arguments of `leyden run` that cut it up.
#[derive(Debug, Args)]
pub struct CutArgs {
    /// Write a checkpoint beside the output folder at this interval, such as 60s, 5m or 1h, from which --resume goes on
    #[arg(long, value_name = "TIME", value_parser = common::parse_time)]
    checkpoint: Option<Duration>,
    /// Go on from the checkpoint of the same run, or start it where there is none; it may ask for more trajectories
    #[arg(long)]
    resume: bool,
    /// Sample part K of N of the run, such as 3/16; `leyden merge` makes the run of them
    #[arg(long, value_name = "K/N")]
    pub part: Option<Part>,
}

impl CutArgs {
    /// Whether the result is to hold what a run with more trajectories goes on from.
    fn keeps(&self) -> bool {
        self.checkpoint.is_some() || self.resume
    }
}

/// Part `number` of `of`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    number: u64,
    of: u64,
}

impl Part {
    /// Its share of the batches.
    pub fn batches(self, all: &Range<u64>) -> Range<u64> {
        let cut = |k: u64| all.start + (u128::from(k) * u128::from(all.end - all.start) / u128::from(self.of)) as u64;
        cut(self.number - 1)..cut(self.number)
    }

    /// Those that belong to `there` and are not among them; none where these are not of one number of parts.
    pub fn others(there: &[Self]) -> impl Iterator<Item = Self> {
        let of = there.first().map(|part| part.of).filter(|of| there.iter().all(|part| part.of == *of));
        (1..=of.unwrap_or(0))
            .map(move |number| Self { number, of: of.unwrap_or(0) })
            .filter(|part| !there.contains(part))
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            Some((number, of)) => Err(format!("expected a part from 1/{of} to {of}/{of}, not {number}/{of}")),
            None => Err("expected a part such as 3/16".into()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// How often a checkpoint is written where nothing is said of it.
const INTERVAL: Duration = Duration::from_secs(60);

/// Where a run stands, and where that is written.
pub struct Cut {
    /// Whether the result keeps it too.
    keeps: bool,
    /// How often it is written; `None` if not at all.
    interval: Option<Duration>,
    last: Instant,
    /// Beside the folder of the run.
    file: PathBuf,
    /// What makes the run the same as another.
    identity: Map<String, Value>,
    /// Why the last checkpoint could not be written.
    failure: Option<RunError>,
}

/// What a command goes on from.
pub enum Start {
    /// These batches.
    From(Box<Batches>),
    /// The run is at its end; the text says so.
    Finished(String),
}

/// What makes batches some of a run, but for the program: what the manifest says, and what is kept.
pub fn identity(
    of_run: &Map<String, Value>,
    (input, args): (&Input, &RunArgs),
    part: Option<Part>,
) -> Map<String, Value> {
    let mut identity = of_run.clone();
    MAY_DIFFER.iter().for_each(|key| drop(identity.remove(*key)));
    identity.insert("shots".into(), json!(input.run.shots && !args.no_shots));
    identity.insert("states".into(), json!(args.states));
    identity.insert("record".into(), json!(args.record));
    // What a part needs to be merged: the whole run, and where its input is from.
    if let Some(part) = part {
        identity.insert("part".into(), json!(part.to_string()));
        identity.insert("run".into(), Value::Object(of_run.clone()));
        identity.insert("input_path".into(), json!(input.path));
        identity.insert("overrides".into(), json!(args.input.parameters));
    }
    identity
}

/// The program to the last bit.
pub fn executable() -> Option<String> {
    std::env::current_exe().and_then(fs::read).map(|bytes| sha256(&bytes)).ok()
}

impl Cut {
    /// For a run whose result is to be in `out`. One of several processes can end with any of them, so it leaves a
    /// checkpoint unasked.
    pub fn new(args: &CutArgs, out: &Path, mut identity: Map<String, Value>, several: bool) -> Self {
        let mut file = out.as_os_str().to_owned();
        file.push(".checkpoint");
        let keeps = args.keeps();
        let interval = args.checkpoint.or((keeps || several).then_some(INTERVAL));
        if interval.is_some() || args.part.is_some() {
            identity.insert("executable".into(), json!(executable()));
        }
        Self { keeps, interval, last: Instant::now(), file: file.into(), identity, failure: None }
    }

    /// What there is to go on from.
    ///
    /// # Errors
    /// When a checkpoint is damaged or of another run, and when there is one but nobody asked to go on from it.
    pub fn start(&self, args: &CutArgs, out: &Path, asked: (&Map<String, Value>, bool)) -> Result<Start, RunError> {
        let (of_run, force) = asked;
        let kept = out.join(CHECKPOINT);
        let found = [&self.file, &kept].into_iter().find(|file| file.exists());
        if !args.resume {
            let left = self.file.exists() && !force;
            return match left {
                true => Err(RunError::Request(format!(
                    "{} is the checkpoint of a run that was not finished: --resume goes on from it, --force begins anew",
                    self.file.display()
                ))),
                false => Ok(Start::From(Box::default())),
            };
        }
        if let Some(done) = manifest(out).filter(|done| done.get("interrupted") == Some(&Value::Bool(false))) {
            let same = |key: &String| done.get(key) == of_run.get(key);
            if of_run.keys().all(same) {
                return Ok(Start::Finished(format!("{} is finished: there is nothing to go on with", out.display())));
            }
        }
        let Some(file) = found else { return Ok(Start::From(Box::default())) };
        let checkpoint = Checkpoint::read(file)?;
        match checkpoint.differs(&self.identity) {
            Some(difference) => {
                let text = format!("{} is of another run: {difference}", file.display());
                Err(RunError::Request(text))
            }
            None => Ok(Start::From(Box::new(checkpoint.batches))),
        }
    }

    fn checkpoint(&self, batches: &Batches) -> Checkpoint {
        Checkpoint { identity: self.identity.clone(), batches: batches.clone() }
    }

    /// Write a checkpoint if it is time.
    pub fn tick(&mut self, so_far: &SoFar) {
        if self.interval.is_some_and(|interval| self.last.elapsed() >= interval) {
            self.write(so_far.batches());
            self.last = Instant::now();
        }
    }

    fn write(&mut self, batches: &Batches) {
        if let Err(error) = self.checkpoint(batches).write(&self.file)
            && self.failure.is_none()
        {
            note!("warning: no checkpoint: {error}");
            self.failure = Some(error);
        }
    }

    /// Write what an interrupted run goes on from.
    pub fn interrupted(&mut self, batches: &Batches) {
        if self.interval.is_some() {
            self.write(batches);
            if self.failure.is_none() {
                note!("--resume goes on from {}", self.file.display());
            }
        }
    }

    /// Keep in the result what a run with more trajectories goes on from.
    pub fn keep(&self, folder: &mut RunFolder, batches: &Batches) -> Result<(), RunError> {
        if !self.keeps {
            return Ok(());
        }
        let checkpoint = self.checkpoint(batches);
        folder.write_long(CHECKPOINT, 0, &|file| checkpoint.encode(file)).map(|_| ())
    }

    /// The result is where it was to be: its checkpoint has done its work.
    pub fn done(&self) {
        let _ = fs::remove_file(&self.file);
    }

    /// Write the folder of a part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn part(&self, mut folder: RunFolder, batches: &Batches, environment: Value) -> Outcome {
        let checkpoint = self.checkpoint(batches);
        let written = folder.write_long(PART, 0, &|file| checkpoint.encode(file))?;
        let mut facts = Map::new();
        facts.insert("interrupted".into(), json!(false));
        facts.insert("trajectories".into(), json!(batches.trajectories()));
        let finished = folder.finish(facts, environment)?;
        self.done();
        let size = cost::bytes(written as f64);
        note!("{} trajectories, {size}, in {}", batches.trajectories(), finished.place.display());
        Ok(std::process::ExitCode::SUCCESS)
    }
}

/// What to do where an interruption leaves a part unfinished.
pub fn part_interrupted() -> Outcome {
    note!("interrupted: the part is not finished");
    Ok(std::process::ExitCode::from(interrupt::STATUS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        for (batches, of) in [(10, 3), (7, 7), (3, 8), (1_000_003, 16)] {
            let mut at = 0;
            for number in 1..=of {
                let part = Part { number, of }.batches(&(0..batches));
                assert_eq!(part.start, at);
                at = part.end;
            }
            assert_eq!(at, batches);
        }
    }

    #[test]
    fn parts_are_read() {
        assert_eq!("3/16".parse(), Ok(Part { number: 3, of: 16 }));
        for text in ["0/4", "5/4", "3", "a/b", "1/0"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_others_are_known() {
        let others = |there: &[&str]| {
            let there: Vec<Part> = there.iter().map(|text| text.parse().unwrap()).collect();
            Part::others(&there).map(|part| part.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(others(&["4/5", "2/5", "2/5"]), ["1/5", "3/5", "5/5"]);
        for there in [&["1/2", "2/2"][..], &["1/2", "3/4"], &[]] {
            assert!(others(there).is_empty(), "{there:?}");
        }
    }
}
