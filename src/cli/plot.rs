//! `leyden plot`: the pictures of a result folder, again.

use super::common::{self, Outcome};
use super::print::say;
use crate::error::RunError;
use crate::output::files::replace_file;
use crate::output::folder::manifest;
use crate::output::table::from_csv;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// Draw observables.svg and .png of `folder` from its observables.csv.
pub fn plot(folder: &Path) -> Outcome {
    let shown = folder.display();
    let request = |text: String| RunError::Request(text);
    let manifest = manifest(folder).ok_or_else(|| {
        request(format!("{shown} is no result folder: expected a readable manifest.json and observables.csv in it"))
    })?;
    let path = folder.join("observables.csv");
    let text = std::fs::read_to_string(&path).map_err(|source| RunError::Io {
        action: "read",
        path: path.display().to_string(),
        source,
    })?;
    let table = from_csv(&text).ok_or_else(|| request(format!("{} is not a table of results", path.display())))?;
    let text_of = |key: &str| manifest.get(key).and_then(Value::as_str).map(str::to_owned);
    let legend = match manifest.get("trajectories").and_then(Value::as_u64) {
        Some(trajectories) => common::sampled_legend(trajectories),
        None => text_of("legend").unwrap_or_default(),
    };
    let (svg, png) = common::picture(&text_of("title").unwrap_or_default(), &[(&legend, &table)])?;
    for (name, bytes) in [("observables.svg", svg.as_bytes()), ("observables.png", &png)] {
        replace_file(&folder.join(name), bytes)?;
        say!("{}", folder.join(name).display());
    }
    Ok(ExitCode::SUCCESS)
}
