//! `leyden export`: the same problem as a script for QuTiP.

use super::common::{Outcome, parse_override};
use super::print::{self, say};
use crate::error::RunError;
use crate::input;
use crate::output::{files::replace_file, qutip};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `leyden export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The input, a TOML file such as examples/aging.toml
    file: PathBuf,
    /// Override a parameter of the input
    #[arg(short = 'p', value_name = "NAME=VALUE", value_parser = parse_override)]
    parameters: Vec<(String, String)>,
    /// Take the size in [verify]; -p goes before it
    #[arg(long)]
    small: bool,
    /// The script to write [default: print it]
    #[arg(long, value_name = "SCRIPT")]
    out: Option<PathBuf>,
}

/// Write the script, which itself writes a CSV file of the same name.
pub fn export(args: &ExportArgs) -> Outcome {
    let whole = input::read(&args.file, &args.parameters)?;
    let input = if args.small { whole.at_verify_size()? } else { whole };
    let named = args.out.as_deref().unwrap_or(&args.file);
    let csv = named.with_extension("csv").file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let script = qutip::script(&input.problem, &input.correlations, &csv).map_err(|error| input.located(&error))?;
    match &args.out {
        Some(path) => {
            let theirs = fs::read(path).is_ok_and(|text| !text.is_empty() && !qutip::is_script(&text));
            if theirs {
                return Err(RunError::Occupied(format!("{} is no script of leyden", path.display())).into());
            }
            replace_file(path, script.as_bytes())?;
            say!("{}", path.display());
        }
        None => print::out(format_args!("{script}")),
    }
    Ok(ExitCode::SUCCESS)
}
