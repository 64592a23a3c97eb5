//! `leyden reproduce`: the figures of the papers, data and pictures. What is made already is not made again.

mod curves;
mod declared;
mod fit;
mod lines;
mod paper;
mod scaling;

use super::common::Outcome;
use super::print::say;
use crate::error::{ModelError, RunError, nearest};
use crate::output::figure::{Figure, Format};
use crate::output::folder::{Run, RunFolder, manifest, sha256};
use clap::Args;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `leyden reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Whose figures: aging, aging_more, self_discharge, charging, thermal_noise, dephasing, literature, single_shots,
    /// scaling, all, or a file that declares some
    #[arg(default_value = "all")]
    name: String,
    /// Folder that receives a folder for each name [default: results, and results-quick with --quick]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rough pictures: a tenth of the trajectories and few points
    #[arg(long)]
    quick: bool,
    /// Make also what is there already
    #[arg(long)]
    again: bool,
}

/// How a set of figures is made.
#[derive(Clone, Copy)]
enum Maker<'a> {
    /// By a program of its own.
    Program(fn(&mut Results) -> Result<(), Box<dyn Error>>),
    /// From a declaration, with the folder of inputs of the user's own.
    Declared(&'a str, Option<&'a Path>),
}

/// A declaration that is shipped, with its name.
macro_rules! declared {
    ($name:literal) => {
        ($name, Maker::Declared(include_str!(concat!("reproduce/papers/", $name, ".toml")), None))
    };
}

const MAKERS: [(&str, Maker<'static>); 9] = [
    declared!("aging"),
    declared!("aging_more"),
    declared!("self_discharge"),
    declared!("charging"),
    declared!("thermal_noise"),
    declared!("dephasing"),
    declared!("literature"),
    declared!("single_shots"),
    ("scaling", Maker::Program(scaling::figures)),
];

/// Make the figures.
pub fn reproduce(args: &ReproduceArgs) -> Outcome {
    if args.name.ends_with(".toml") {
        let text = std::fs::read_to_string(&args.name).map_err(|e| RunError::Request(format!("{}: {e}", args.name)))?;
        let path = Path::new(&args.name);
        let stem = path.file_stem().map_or_else(|| "figures".into(), |s| s.to_string_lossy());
        return Ok(exit(make(args, &stem, Maker::Declared(&text, path.parent()))?));
    }
    let wanted: Vec<(&str, Maker)> =
        MAKERS.into_iter().filter(|(name, _)| args.name == "all" || args.name == *name).collect();
    if wanted.is_empty() {
        let known = nearest(&args.name, MAKERS.iter().map(|(name, _)| *name).chain(["all"]));
        return Err(
            RunError::from(ModelError::UnknownName { kind: "set of figures", name: args.name.clone(), known }).into()
        );
    }
    let mut agree = true;
    for (name, maker) in wanted {
        // How fast this machine is says nothing about the papers.
        if args.quick && args.name == "all" && name == "scaling" {
            continue;
        }
        agree &= make(args, name, maker)?;
    }
    Ok(exit(agree))
}

/// Failure where a number that should agree does not.
fn exit(agree: bool) -> ExitCode {
    if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Make one set, unless it is there. Returns whether its numbers agree with those printed.
fn make(args: &ReproduceArgs, name: &str, maker: Maker<'_>) -> Result<bool, Box<dyn Error>> {
    let started = Instant::now();
    let mut identity = Map::new();
    identity.insert("command".into(), json!(format!("reproduce {name}")));
    let mut facts = Map::new();
    facts.insert("program".into(), json!(format!("leyden {}", env!("CARGO_PKG_VERSION"))));
    facts.insert("seed".into(), json!(args.seed));
    facts.insert("quick".into(), json!(args.quick));
    let mut parsed = None;
    if let Maker::Declared(text, beside) = maker {
        let mut declared = declared::parse(text).map_err(|e| RunError::Request(format!("{name}: {e}")))?;
        let mut all = text.to_owned();
        for own in declared.own_inputs(beside.unwrap_or(Path::new(""))) {
            let known = std::fs::read_to_string(&own);
            all += &known.map_err(|e| RunError::Request(format!("{}: {e}", own.display())))?;
        }
        facts.insert("declaration".into(), json!(sha256(all.as_bytes())));
        if args.quick {
            declared.roughen();
        }
        parsed = Some(declared);
    }
    let folder = if args.quick { "results-quick" } else { "results" };
    let place = args.out.as_deref().unwrap_or(Path::new(folder)).join(name);
    let same = |known: &Map<String, Value>| facts.iter().all(|(key, fact)| known.get(key) == Some(fact));
    if !args.again && manifest(&place).is_some_and(|known| same(&known)) {
        say!("{} is there already (--again makes it anew)", place.display());
        return Ok(true);
    }
    say!("{name}");
    let folder = RunFolder::claim(&place, Run { identity, ..Run::default() }, 20_000_000)?;
    let mut results = Results { folder, seed: args.seed, quick: args.quick };
    let agree = match (parsed, maker) {
        (Some(declared), _) => paper::figures(&mut results, &declared)?,
        (None, Maker::Program(program)) => program(&mut results).map(|()| true)?,
        (None, Maker::Declared(..)) => true,
    };
    let environment = super::common::environment(started, rayon::current_num_threads());
    let finished = results.folder.finish(facts, environment)?;
    say!("{} in {:.1} s", finished.place.display(), started.elapsed().as_secs_f64());
    Ok(agree)
}

/// A folder that figures and tables go into.
struct Results {
    folder: RunFolder,
    seed: u64,
    quick: bool,
}

/// Bytes of a drawing that are kept, at most. What has more is a dense map or thousands of points, of which the bitmap and the data say
/// as much.
const LARGEST_DRAWING: usize = 100_000;

impl Results {
    fn picture(&mut self, name: &str, figure: &Figure) -> Result<(), Box<dyn Error>> {
        for format in Format::ALL {
            let bytes = figure.encode(format)?;
            if format == Format::Png || bytes.len() <= LARGEST_DRAWING {
                self.folder.write(&format!("{name}.{}", format.ending()), &bytes)?;
            }
        }
        Ok(())
    }
}
