//! What several commands share: reading the input, claiming the folder, drawing.

use super::InputArgs;
use super::print::note;
use crate::error::RunError;
use crate::input::{self, Input, InputError, MOST_TRAJECTORIES, Value};
use crate::output::figure::{self, Figure};
use crate::output::folder::{Run, RunFolder};
use crate::output::netcdf::File;
use crate::output::pictures;
use crate::space::choose::Representation;
use crate::table::Table;
use crate::unravel::engine::Engine;
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a command returns: its exit status, or an error to print before leaving with status 2.
pub type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Print an error once, whatever it already begins with, and what can be done about it.
pub fn report(error: &dyn Error, advice: &str) {
    let text = error.to_string();
    let prefix = if text.starts_with("error") { "" } else { "error: " };
    note!("{prefix}{text}{advice}");
}

/// `name=value`.
pub fn parse_override(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected NAME=VALUE, such as N=20".into()),
    }
}

/// A whole number, also as `1e4`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    if let Ok(count) = text.parse() {
        return Ok(count);
    }
    match text.parse::<f64>() {
        // Up to 2⁵³ every whole number has an f64.
        Ok(value) if value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value) => Ok(value as u64),
        Ok(_) => Err("expected a whole number ≥ 0, such as 10000 or 1e4".into()),
        Err(_) => Err("expected a whole number, such as 10000 or 1e4".into()),
    }
}

/// A number of trajectories.
pub fn parse_trajectories(text: &str) -> Result<u64, String> {
    match parse_count(text)? {
        0 => Err("expected at least 1".into()),
        count if count > MOST_TRAJECTORIES => Err("expected at most 1e12".into()),
        count => Ok(count),
    }
}

/// A time such as 60s, 5m or 1h.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let expected = "expected a time such as 60s, 5m or 1h";
    let place = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(place);
    let seconds = match unit {
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected.into()),
    };
    match number.parse::<f64>() {
        Ok(x) if x >= 0.0 && x * seconds < 1e9 => Ok(Duration::from_secs_f64(x * seconds)),
        _ => Err(expected.into()),
    }
}

impl InputArgs {
    /// Read the input with the overrides.
    pub fn read(&self) -> Result<Input, InputError> {
        let input = input::read(&self.file, &self.parameters)?;
        input.problem.notes().iter().for_each(|text| note!("note: {text}"));
        Ok(input)
    }

    /// The output folder: what `--out` says, or runs/ and the input's name with `suffix` and the overrides.
    pub fn out(&self, suffix: &str) -> PathBuf {
        let stem = self.file.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
        let overrides: String = self.parameters.iter().map(|(name, value)| format!(",{name}={value}")).collect();
        let plain = |c: char| if c.is_alphanumeric() || "=,.+-_".contains(c) { c } else { '_' };
        let name: String = format!("{stem}{suffix}{overrides}").chars().map(plain).take(200).collect();
        self.out.clone().unwrap_or_else(|| Path::new("runs").join(name))
    }

    /// Claim the output folder for the result of this input that `identity` describes.
    pub fn claim(&self, suffix: &str, identity: Map<String, Json>, expected: u64) -> Result<RunFolder, RunError> {
        let input_file = self.file.canonicalize().ok().map(|path| path.display().to_string());
        let folder = RunFolder::claim(&self.out(suffix), Run { identity, input_file, force: self.force }, expected)?;
        // What does not fit into memory lies on the disk of the result. It can be said once: of a sweep all are on one.
        let _ = tempfile::env::override_temp_dir(folder.disk());
        Ok(folder)
    }
}

/// The engine for an input, in the representation asked for or the smallest.
pub fn engine(input: &Input, requested: Option<Representation>) -> Result<(Representation, Engine), InputError> {
    Engine::new(&input.problem, requested).map_err(|error| input.refused(&error))
}

/// An error with the place in the input of what no representation carries.
pub fn placed(input: &Input, error: RunError) -> Box<dyn Error> {
    match error {
        RunError::Compile(error) => input.refused(&error).into(),
        other => other.into(),
    }
}

/// What makes a run the same as another, as the manifest holds it.
pub fn identity(command: &str, input: &Input) -> Map<String, Json> {
    let parameter = |(name, value): &(String, Value)| {
        let value = match value {
            Value::Number(number) => json!(number),
            Value::Word(word) => json!(word),
        };
        (name.clone(), value)
    };
    let mut map = Map::new();
    map.insert("program".into(), json!(format!("leyden {}", env!("CARGO_PKG_VERSION"))));
    map.insert("command".into(), json!(command));
    map.insert("title".into(), json!(input.problem.title));
    map.insert("input".into(), json!(input.text));
    map.insert("parameters".into(), Json::Object(input.parameters.iter().map(parameter).collect()));
    map
}

/// The name of this machine.
pub fn host() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname")).unwrap_or_default();
    host.trim().to_owned()
}

/// Where and how long: the one part of a manifest that differs between identical runs.
pub fn environment(started: Instant, threads: usize) -> Json {
    json!({ "host": host(), "threads": threads, "wall_seconds": started.elapsed().as_secs_f64() })
}

/// Bytes that the tables and pictures of a result take, generously.
pub fn expected_bytes(rows: usize, columns: usize) -> u64 {
    (rows * (columns * 4 + 3) * 20) as u64 + columns as u64 * 2_000_000
}

/// The standard picture of `tables`.
pub fn draw(folder: &mut RunFolder, title: &str, tables: &[(&str, &Table)]) -> Result<(), Box<dyn Error>> {
    // An interruption may leave a table without columns.
    if tables.iter().all(|(_, table)| table.columns.is_empty()) {
        return Ok(());
    }
    picture(folder, "observables", &pictures::standard(title, tables))
}

/// A picture in every format.
pub fn picture(folder: &mut RunFolder, stem: &str, figure: &Figure) -> Result<(), Box<dyn Error>> {
    for format in figure::Format::ALL {
        folder.write(&format!("{stem}.{}", format.ending()), &figure.encode(format)?)?;
    }
    Ok(())
}

/// Formats of one file with everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// NetCDF-3.
    Netcdf,
}

/// A NetCDF file that holds a table and says of which run.
pub fn netcdf(folder: &RunFolder, table: &Table, facts: &Map<String, Json>) -> File {
    let (mut file, identity) = (File::default(), folder.identity());
    let all: Map<String, Json> =
        identity.iter().chain(facts).map(|(key, value)| (key.clone(), value.clone())).collect();
    for key in ["title", "program", "command", "intervals", "input"] {
        if let Some(text) = all.get(key).and_then(Json::as_str) {
            file.attribute(key, text);
        }
    }
    file.attribute("manifest", &Json::Object(all).to_string());
    file.table(table);
    file
}

/// What the samples are called in a legend.
pub fn sampled_legend(trajectories: u64) -> String {
    let digits = trajectories.to_string();
    let mut shown = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    format!("{shown} trajectories, {}", pictures::BAND)
}

/// Something that moves while one waits; nothing when not on a terminal.
pub fn spinner(what: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// Say that correlations are for the exact side, where the input asks for some and the command gives none.
pub fn only_exact(input: &Input) {
    if !input.correlations.is_empty() {
        note!("note: [correlations] are for `leyden exact` and `leyden steady`; they are left out here");
    }
}

/// A request refused for its size.
pub fn too_large(what: &str, needed: String, limit: &str, advice: &str) -> RunError {
    RunError::TooLarge { what: what.into(), needed, limit: limit.into(), advice: advice.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("60s", 60.0), ("5m", 300.0), ("1h", 3600.0), ("0.5", 0.5)] {
            assert_eq!(parse_time(text).unwrap(), Duration::from_secs_f64(seconds));
        }
        for text in ["", "soon", "5 parsecs", "-1s", "nan"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
