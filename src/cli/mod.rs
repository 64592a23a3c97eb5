//! The command line: a thin shell, one file a command.

mod common;
mod cut;
mod exact;
mod export;
mod help;
mod inspect;
mod interrupt;
mod merge;
mod plot;
mod print;
mod ranks;
mod rare;
mod record;
mod report;
mod reproduce;
mod run;
mod screen;
mod summary;
mod sweep;
mod until;
mod verify;

use crate::error::RunError;
use crate::unravel::NO_SHOTS;
use clap::{Args, CommandFactory, Parser, Subcommand};
use ranks::Place;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Simulate open quantum batteries by quantum trajectories, with error bars one can trust.
#[derive(Debug, Parser)]
#[command(name = "leyden", version, max_term_width = 110, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sample trajectories
    Run(run::RunArgs),
    /// Make one run of the parts that `run --part` has sampled
    Merge(merge::MergeArgs),
    /// Solve the same input exactly, without error bars
    Exact(exact::ExactArgs),
    /// The state reached as t → ∞, or the cycle that a repeated protocol settles in, exactly
    Steady(exact::SteadyArgs),
    /// The probability of what a single shot hardly ever shows, such as an energy below a level, down to 1e-12
    Rare(rare::RareArgs),
    /// The mean-field theory of the paper, where the model has one
    Meanfield(InputArgs),
    /// Solve the grid of [sweep], and draw it
    Sweep(sweep::SweepArgs),
    /// Sample and solve, and compare: exit status 1 when they disagree
    Verify(verify::VerifyArgs),
    /// Write a Python script that solves the same equation with QuTiP
    Export(export::ExportArgs),
    /// Say what would be done, and what it would cost, without doing it
    Inspect(inspect::InspectArgs),
    /// Draw the pictures of a result folder again: some columns of them, at another size, in other formats
    Plot(plot::PlotArgs),
    /// Make one page for a browser of a result folder: what was solved and how, pictures, numbers with their errors
    Report(report::ReportArgs),
    /// Make the figures of the papers, data and pictures
    Reproduce(reproduce::ReproduceArgs),
    /// Write a commented input to start from
    New {
        /// The file; `.toml` is added where it has no ending
        name: PathBuf,
    },
    /// Print the reference of the input language, or the list of quantities
    Help {
        /// Which of them [default: this overview]
        topic: Option<help::Topic>,
    },
}

impl Command {
    /// What the command line can do about an error.
    fn advice(&self, error: Option<&RunError>) -> &'static str {
        match (error, self) {
            (Some(RunError::Occupied(_)), _) => "; choose another folder with --out, or move away what is there",
            (Some(RunError::OtherResult(_)), _) => {
                "; choose another folder with --out, or replace what is there with --force"
            }
            (Some(RunError::NoLimit { .. }), _) => "; the average over all time is given with --time-average",
            (Some(RunError::TooLarge { advice, .. }), Self::Run(_)) if advice == NO_SHOTS => {
                ": `--no-shots`, or `shots = false` in [run]"
            }
            (Some(RunError::TooLarge { advice, .. }), Self::Exact(_) | Self::Steady(_)) => {
                if advice.ends_with("sample it") { " (`leyden run`)" } else { "; `leyden run` samples it" }
            }
            (Some(RunError::TooLarge { .. }), Self::Export(_)) => {
                "; -p makes it smaller, --small as small as in [verify]"
            }
            _ => "",
        }
    }
}

/// An input file with overrides.
#[derive(Debug, Args)]
struct InputArgs {
    /// The input, a TOML file such as examples/aging.toml
    file: PathBuf,
    /// Override a parameter of the input
    #[arg(short = 'p', value_name = "NAME=VALUE", value_parser = common::parse_override)]
    parameters: Vec<(String, String)>,
    /// Output folder [default: runs/ and the name of the input with its overrides]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace what is in the output folder also if it is the result of another input or command; it is kept as
    /// NAME.previous
    #[arg(long)]
    force: bool,
}

/// Parse the command line, do what it says, and return the exit status: 0 done, 1 a check failed, 2 bad input, 130
/// interrupted with results saved.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// The same of these arguments, the first being the name of the program: the command that other programs hold.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.command,
        // What `--help` and `--version` print comes this way too.
        Err(message) => {
            let status = ExitCode::from(message.exit_code() as u8);
            return match message.print() {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(2),
                _ => status,
            };
        }
    };
    interrupt::listen();
    let ranks = match ranks::place(&command) {
        Ok(Place::Silent) => return ExitCode::SUCCESS,
        Ok(Place::Among(ranks)) => Some(ranks),
        Ok(Place::Alone) => None,
        Err(error) => {
            common::report(&error, "");
            return ExitCode::from(2);
        }
    };
    let outcome = match &command {
        Command::Run(args) => run::run(args, ranks),
        Command::Merge(args) => merge::merge(args),
        Command::Exact(args) => exact::exact(args),
        Command::Steady(args) => exact::steady(args),
        Command::Rare(args) => rare::rare(args),
        Command::Meanfield(args) => exact::mean_field(args),
        Command::Sweep(args) => sweep::sweep(args),
        Command::Verify(args) => verify::verify(args),
        Command::Export(args) => export::export(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Plot(args) => plot::plot(args),
        Command::Report(args) => report::report(args),
        Command::Reproduce(args) => reproduce::reproduce(args),
        Command::New { name } => help::new(name),
        Command::Help { topic: Some(topic) } => help::help(*topic),
        Command::Help { topic: None } => {
            print::out(format_args!("{}", Cli::command().render_long_help()));
            Ok(ExitCode::SUCCESS)
        }
    };
    let status = outcome.unwrap_or_else(|error| match error.downcast_ref() {
        Some(RunError::Interrupted) => interrupt::nothing_kept(),
        _ => {
            common::report(&*error, command.advice(error.downcast_ref()));
            ExitCode::from(2)
        }
    });
    match print::finish() {
        Ok(()) => status,
        Err(text) => {
            print::aside(format_args!("error: {text}\n"));
            ExitCode::from(2)
        }
    }
}
