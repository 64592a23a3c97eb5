//! `leyden reproduce`: the figures of the papers.

use super::common::Outcome;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `leyden reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Which paper's figures: aging, or all
    #[arg(default_value = "all")]
    name: String,
    /// Folder that receives a folder a name
    #[arg(long, default_value = "results")]
    out: PathBuf,
}

/// Make the figures.
pub fn reproduce(_args: &ReproduceArgs) -> Outcome {
    Ok(ExitCode::SUCCESS)
}
