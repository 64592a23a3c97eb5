//! The TOML input: one file, one master equation, and mistakes reported where they were made.
//!
//! ```
//! let text = r#"
//!     [parameters]
//!     N = 10
//!     [subsystems]
//!     B = { spins = "N" }
//!     [channels]
//!     loss = { each = "sm(B)", rate = 1.0 }
//!     [protocol]
//!     steps = [ { pulse = "rotate(B, x, pi)" }, { name = "storage", evolve = 0.5, samples = 4 } ]
//!     [observe]
//!     quantities = ["energy"]
//! "#;
//! let input = leyden::input::parse("decay.toml", text, &[("N".into(), "20".into())])?;
//! assert_eq!(input.problem.subsystems()[0].cells(), 20);
//! # Ok::<(), leyden::input::InputError>(())
//! ```

mod battery;
mod cells;
mod channels;
mod chosen;
mod correlations;
mod document;
mod error;
mod expression;
mod formula;
mod functions;
mod gates;
#[cfg(test)]
mod group_tests;
mod joint;
#[cfg(test)]
mod language_tests;
#[cfg(test)]
mod message_tests;
mod modulated;
mod numpy;
mod operator;
mod parameters;
mod places;
mod protocol;
mod quantities;
mod rare;
mod record;
mod sections;
#[cfg(test)]
mod shipped_tests;
mod slips;
mod states;
mod subsystems;
#[cfg(test)]
mod sum_tests;
mod sweep;
#[cfg(test)]
mod tests;

pub use error::{InputError, Place};
pub use formula::Formula;
pub use parameters::Value;
pub use rare::RareSettings;
pub use sweep::{Optimise, Solve, Sweep, SweepAxis, TAU};

use crate::error::{CompileError, NONE, TRAJECTORY};
use crate::problem::{Correlation, Kind, Problem, Record};
use document::Table;
use error::Source;
use parameters::{Definition, Scope};
use places::Places;
use std::path::Path;

/// An input that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The file verbatim.
    pub text: String,
    /// Its path, as messages show it.
    pub path: String,
    /// The master equation with its protocol and questions.
    pub problem: Problem,
    /// What every parameter stands for, in the order of the file.
    pub parameters: Vec<(String, Value)>,
    /// What `[record]` asks to be kept of single runs, by `leyden run` alone.
    pub record: Record,
    /// What `[rare]` asks of single shots that hardly ever happen, of `leyden rare` alone.
    pub rare: RareSettings,
    /// The correlations of `[correlations]` with their names, for the exact side alone.
    pub correlations: Vec<(String, Correlation)>,
    /// How to sample it.
    pub run: RunSettings,
    /// What `[verify]` overrides: parameters, and `trajectories`.
    pub verify: Vec<(String, String)>,
    /// The grid of `[sweep]`, if there is one.
    pub sweep: Option<Sweep>,
    /// The `-p name=value` of the command line.
    overrides: Vec<(String, String)>,
    /// Where the sizes of subsystems are given.
    sizes: Vec<(String, InputError)>,
    /// Where the rest is.
    places: Places,
}

/// The `[run]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSettings {
    /// Number of trajectories, at least 1.
    pub trajectories: u64,
    /// Seed of all random streams.
    pub seed: u64,
    /// Whether per-trajectory values are kept.
    pub shots: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self { trajectories: 10_000, seed: 1, shots: true }
    }
}

impl Input {
    /// A problem that no representation carries, at the place of what is in the way: what the full space cannot hold, which
    /// holds everything that there is room for, or else the largest subsystem.
    pub fn refused(&self, error: &CompileError) -> InputError {
        let size = |name: &str| {
            let part = self
                .problem
                .subsystems
                .iter()
                .find(|s| s.name.trim_end_matches(char::is_numeric) == name || s.name == name);
            part.map_or(0, |s| match &s.kind {
                Kind::Mode { cutoff } => *cutoff as u64,
                _ => s.cells(),
            })
        };
        if error.representation == TRAJECTORY {
            return self.places.locate(&error.reason, "a rate of at least 0");
        }
        if error.representation != NONE {
            return self.places.locate(&error.to_string(), "");
        }
        let decisive = error.reason.rsplit_once("full: ").map_or(&error.reason[..], |(_, reason)| reason);
        let too_many = decisive.contains("more than 2^") && !decisive.contains("so many quanta");
        let at = self.places.find(decisive).filter(|_| !too_many);
        if let Some(at) = at {
            let message = format!("no representation carries this problem: {}", error.reason);
            return InputError { message, expected: String::new(), ..at.clone() };
        }
        let message = format!("no representation has room for this problem: {}", error.reason);
        match self.sizes.iter().max_by_key(|(name, _)| size(name)) {
            Some((_, at)) => InputError { message, expected: "a smaller size".into(), ..at.clone() },
            None => self.places.locate(&message, "a smaller one"),
        }
    }

    /// Something that cannot be done with this problem, at the place in the input that the message speaks of.
    pub fn located(&self, error: &dyn std::fmt::Display) -> InputError {
        self.places.locate(&error.to_string(), "")
    }

    /// The same input at the size its `[verify]` section asks for, but for the parameters that the command line sets.
    ///
    /// # Errors
    /// What the command line sets does not fit that size.
    pub fn at_verify_size(&self) -> Result<Input, InputError> {
        let given = |name: &str| self.overrides.iter().any(|(own, _)| own == name);
        let small = self.verify.iter().filter(|(name, _)| name != "trajectories" && !given(name));
        let overrides: Vec<(String, String)> = small.chain(&self.overrides).cloned().collect();
        let mut input = parse(&self.path, &self.text, &overrides)?;
        let trajectories = self.verify.iter().find(|(name, _)| name == "trajectories");
        if let Some(Ok(trajectories)) = trajectories.map(|(_, value)| value.parse()) {
            input.run.trajectories = trajectories;
        }
        Ok(input)
    }
}

/// Most trajectories a run may ask for; counts stay exact in f64.
pub(crate) const MOST_TRAJECTORIES: u64 = 1_000_000_000_000;
const LARGEST_SEED: u64 = 1 << 53;

/// Read an input file; `overrides` are the `-p name=value` of the command line.
///
/// # Errors
/// The file cannot be read, or [`parse`] refuses it.
pub fn read(path: &Path, overrides: &[(String, String)]) -> Result<Input, InputError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|error| InputError::in_file(&name, format!("the file cannot be read: {error}"), ""))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&name, &text, overrides),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let source = Source::file(&name, &String::from_utf8_lossy(error.as_bytes()));
            Err(source.span(valid, valid + 1).error("this is not UTF-8 text", "a TOML file in UTF-8"))
        }
    }
}

/// Understand the text of an input; `path_for_messages` is only shown.
///
/// # Errors
/// The first mistake found, with its place. Nothing that is not understood is passed over.
pub fn parse(path_for_messages: &str, text: &str, overrides: &[(String, String)]) -> Result<Input, InputError> {
    let source = Source::file(path_for_messages, text);
    let document = document::document(&source)?;
    let root = Table::root(&source, &document);
    root.allow("section", &sections::SECTIONS)?;

    let options: Vec<Source> =
        overrides.iter().map(|(name, value)| Source::option(format!("-p {name}={value}"))).collect();
    let plain = Scope::of(root.section("parameters")?.as_ref())?;
    let definitions = options.iter().zip(overrides).map(|(option, (name, _))| Definition::option(option, name, &plain));
    let scope = plain.overridden(definitions.collect::<Result<_, _>>()?)?;

    let problem = sections::problem(source.name(), &root, &scope)?;
    let folder = Path::new(path_for_messages).parent().unwrap_or(Path::new(""));
    let correlations = correlations::correlations(&root, &scope, &problem, folder)?;
    let record = record::record(&root, &scope, &problem)?;
    let rare = rare::rare(&root, &scope, &problem)?;
    let run = run_settings(&root, &scope)?;
    let verify = verify(&source, &root, &plain)?;
    let sweep = root.section("sweep")?.map(|section| sweep::sweep(&section, &scope, &problem)).transpose()?;
    let sizes = root.section("subsystems")?.map(|s| subsystems::sizes(&s, &scope)).transpose()?.unwrap_or_default();
    Ok(Input {
        sizes,
        places: Places::of(&root),
        text: text.to_owned(),
        path: path_for_messages.to_owned(),
        problem,
        parameters: scope.list(),
        correlations,
        record,
        rare,
        run,
        verify,
        sweep,
        overrides: overrides.to_owned(),
    })
}

fn run_settings<'s>(root: &Table<'s>, scope: &Scope<'s>) -> Result<RunSettings, InputError> {
    let mut run = RunSettings::default();
    let Some(section) = root.section("run")? else { return Ok(run) };
    section.allow("key", &["trajectories", "seed", "shots", "unraveling"])?;
    if let Some(item) = section.get("unraveling") {
        let word = expression::parse(item.text("`jump`")?)?;
        if scope.choice("unraveling", &word, &["jump", "diffusive", "random_unitary"])? != "jump" {
            let at = scope.origin(&word);
            return Err(at.error(format!("the unraveling `{}` is not available yet", at.text()), "`jump`"));
        }
    }
    if let Some(item) = section.get("trajectories") {
        run.trajectories = scope.number(item)?.whole("the number of trajectories", 1..=MOST_TRAJECTORIES)?;
    }
    if let Some(item) = section.get("seed") {
        run.seed = scope.number(item)?.whole("the seed", 0..=LARGEST_SEED)?;
    }
    if let Some(item) = section.get("shots") {
        run.shots = item.boolean()?;
    }
    Ok(run)
}

/// The overrides of `[verify]`, after the problem was seen to make sense with them.
fn verify<'s>(source: &'s Source, root: &Table<'s>, plain: &Scope<'s>) -> Result<Vec<(String, String)>, InputError> {
    let Some(section) = root.section("verify")? else { return Ok(Vec::new()) };
    let parameters = section.entries().iter().filter(|entry| entry.key != "trajectories");
    for entry in parameters.clone() {
        if plain.get(entry.key).is_none() {
            let known = plain.names().into_iter().chain(["trajectories"]);
            return Err(entry.key_at.unknown("parameter", entry.key, known));
        }
    }
    let scope = plain.overridden(parameters.map(Definition::entry).collect::<Result<_, _>>()?)?;
    sections::problem(source.name(), root, &scope)?;
    let mut overrides = Vec::new();
    for entry in section.entries() {
        let value = if entry.key == "trajectories" {
            scope.number(&entry.value)?.whole("the number of trajectories", 1..=MOST_TRAJECTORIES)?.to_string()
        } else {
            entry.value.written()
        };
        overrides.push((entry.key.to_owned(), value));
    }
    Ok(overrides)
}
