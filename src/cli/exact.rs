//! `leyden exact`, `leyden steady` and `leyden meanfield`: results without sampling.

use super::InputArgs;
use super::common::{self, Outcome};
use super::print::note;
use super::run::check_cutoffs;
use super::summary::summary;
use crate::error::RunError;
use crate::exact;
use crate::exact::theory::Theory;
use crate::input::{Input, InputError};
use crate::output::folder::RunFolder;
use crate::repr::choose::{Representation, smallest};
use crate::table::Table;
use clap::Args;
use serde_json::json;
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
}

impl ExactArgs {
    fn read(&self) -> Result<Input, InputError> {
        match self.small {
            true => common::at_small_size(&self.input.file, &self.input.parameters),
            false => self.input.read(),
        }
    }
}

/// `leyden exact`: every quantity at every row.
pub fn exact(args: &ExactArgs) -> Outcome {
    let input = args.read()?;
    let representation = args.representation.or_else(|| smallest(&input.problem));
    let name = representation.map_or_else(|| "none".into(), |r| r.to_string());
    result(&args.input, &input, ("exact", &name, "exact"), |input| {
        exact::solve(&input.problem, representation, &Default::default())
    })
}

/// `leyden steady`: the state reached as t → ∞, or the cycle that a repeated protocol settles in.
pub fn steady(args: &ExactArgs) -> Outcome {
    let input = args.read()?;
    let representation = args.representation.or_else(|| smallest(&input.problem));
    let name = representation.map_or_else(|| "none".into(), |r| r.to_string());
    let legend = if input.problem.protocol.repeat > 1 { "fixed point of the cycle" } else { "steady state" };
    result(&args.input, &input, ("steady", &name, legend), |input| {
        exact::steady(&input.problem, representation, &Default::default())
    })
}

/// `leyden meanfield`: the mean-field theory that fits the problem.
pub fn mean_field(args: &InputArgs) -> Outcome {
    let input = args.read()?;
    let theory = Theory::of(&input.problem).map_err(|error| input.located(&error))?;
    let status = result(args, &input, ("meanfield", theory.name(), "mean field"), |_| theory.solve())?;
    let missing = theory.missing();
    if !missing.is_empty() {
        note!("note: this theory has no {}; the columns are left out", missing.join(", "));
    }
    Ok(status)
}

/// Claim the folder, solve, and write; (command, representation, legend) name the result.
fn result(
    args: &InputArgs,
    input: &Input,
    (command, representation, legend): (&str, &str, &str),
    solve: impl FnOnce(&Input) -> Result<Table, RunError>,
) -> Outcome {
    let started = Instant::now();
    let mut identity = common::identity(command, input);
    identity.insert("representation".into(), json!(representation));
    identity.insert("legend".into(), json!(legend));
    let problem = &input.problem;
    let expected = common::expected_bytes(problem.protocol.row_count(), problem.quantities.len());
    let folder = RunFolder::claim(&args.out(&format!("-{command}")), identity, expected)?;
    let spinner = common::spinner(&format!("{}: {legend}", problem.title));
    let table = solve(input);
    spinner.finish_and_clear();
    let table = table?;
    let summary = if command == "exact" { summary(problem, &table) } else { None };
    common::write_result(folder, &problem.title, &table, legend, summary, started)?;
    Ok(ExitCode::from(u8::from(!check_cutoffs(problem, &table))))
}
