//! `leyden inspect`: the equation as understood, how it would be solved, and what that would cost, in two seconds and
//! little memory whatever the input.

use super::InputArgs;
use super::common::Outcome;
use super::print::{self, say};
use crate::cost::{self, Asked};
use crate::error::RunError;
use crate::output::latex;
use crate::problem::Kind;
use crate::space::choose::Choice;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

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

/// Print everything; write nothing.
pub fn inspect(args: &InspectArgs) -> Outcome {
    let started = Instant::now();
    let input = args.input.read()?;
    let problem = &input.problem;
    if args.latex {
        print::out(format_args!("{}", latex::document(problem)));
        return Ok(ExitCode::SUCCESS);
    }
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
    let Some(choice) = cost::choice(&shared, started) else {
        say!("{:<15} not found in time: the blocks of this problem are many or large", "representation");
        return Ok(ExitCode::SUCCESS);
    };
    verdicts(&choice);
    let trajectories = args.trajectories.unwrap_or(input.run.trajectories);
    let asked = Asked { trajectories, seed: input.run.seed, shots: input.run.shots, representation: None };
    match cost::cost(&shared, asked, started) {
        Ok(Some(cost)) => print::out(format_args!("\n{cost}")),
        Ok(None) => {}
        Err(RunError::Compile(error)) => say!("{:<15} not for `leyden run`: {}", "trajectories", error.reason),
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
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
