//! `leyden reproduce`: the figures of the papers, data and pictures.

mod aging;
mod scaling;

use super::common::Outcome;
use super::print::say;
use super::run::sample;
use crate::error::{ModelError, RunError, nearest};
use crate::estimate::columns;
use crate::output::figure::Figure;
use crate::output::folder::{Run, RunFolder};
use crate::output::table::csv;
use crate::problem::Problem;
use crate::run::RunOptions;
use crate::table::Table;
use crate::unravel::engine::Engine;
use clap::Args;
use serde_json::{Map, json};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `leyden reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Whose figures: aging, scaling, or all
    #[arg(default_value = "all")]
    name: String,
    /// Folder that receives a folder for each name
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

type Maker = fn(&mut Results) -> Result<(), Box<dyn Error>>;
const MAKERS: [(&str, Maker); 2] = [("aging", aging::figures), ("scaling", scaling::figures)];

/// Make the figures.
pub fn reproduce(args: &ReproduceArgs) -> Outcome {
    let wanted: Vec<&(&str, Maker)> =
        MAKERS.iter().filter(|(name, _)| args.name == "all" || args.name == *name).collect();
    if wanted.is_empty() {
        let known = nearest(&args.name, MAKERS.iter().map(|(name, _)| *name).chain(["all"]));
        return Err(
            RunError::from(ModelError::UnknownName { kind: "set of figures", name: args.name.clone(), known }).into()
        );
    }
    for (name, make) in wanted {
        let started = Instant::now();
        let mut identity = Map::new();
        identity.insert("command".into(), json!(format!("reproduce {name}")));
        let folder = RunFolder::claim(&args.out.join(name), Run { identity, ..Run::default() }, 20_000_000)?;
        let mut results = Results { folder, seed: args.seed };
        make(&mut results)?;
        let mut facts = Map::new();
        facts.insert("program".into(), json!(format!("leyden {}", env!("CARGO_PKG_VERSION"))));
        facts.insert("seed".into(), json!(args.seed));
        let environment = super::common::environment(started, rayon::current_num_threads());
        let finished = results.folder.finish(facts, environment)?;
        say!("{} in {:.1} s", finished.place.display(), started.elapsed().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder that figures and tables go into.
struct Results {
    folder: RunFolder,
    seed: u64,
}

impl Results {
    fn picture(&mut self, name: &str, figure: &Figure) -> Result<(), Box<dyn Error>> {
        self.folder.write(&format!("{name}.svg"), figure.svg()?.as_bytes())?;
        self.folder.write(&format!("{name}.png"), &figure.png()?)?;
        Ok(())
    }

    fn data(&mut self, name: &str, table: &Table) -> Result<(), RunError> {
        self.folder.write(&format!("{name}.csv"), csv(table).as_bytes())
    }

    /// Sample, and keep the table as `name`_trajectories.csv.
    fn sampled(&mut self, name: &str, problem: &Problem, trajectories: u64) -> Result<Table, Box<dyn Error>> {
        say!("{name}: {trajectories} trajectories");
        let options =
            RunOptions { trajectories, seed: self.seed, threads: 0, shots: false, covariance: false, states: false };
        let outcome = sample(problem, &Engine::new(problem, None)?.1, options)?;
        if outcome.interrupted {
            return Err(RunError::Interrupted.into());
        }
        let table = columns::table(problem, &outcome.accumulated)?;
        self.data(&format!("{name}_trajectories"), &table)?;
        Ok(table)
    }
}
