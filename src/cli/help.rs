//! `leyden help language`, `leyden help quantities`, and `leyden new`: what a beginner asks for.

use super::common::Outcome;
use super::print::{self, say};
use crate::error::RunError;
use crate::problem::{Quantity, Scope};
use clap::ValueEnum;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The reference of the input language.
const LANGUAGE: &str = include_str!("../../docs/language.md");
/// A starting input, with a line about each of its parts.
const STARTING: &str = include_str!("starting.toml");

/// Functions of the state of parts, in tables with a name of one's own.
const OF_PARTS: [(&str, &str); 6] = [
    ("ergotropy", "Ergotropy of chosen cells: ergotropy = [\"B:0\", \"B:1\"]. [energy]"),
    ("entropy", "−Tr ρ ln ρ of chosen parts: entropy = [\"A\"]."),
    ("negativity", "Entanglement of two groups: negativity = [[\"A\"], [\"B:0\"]]."),
    ("mutual_information", "S(1) + S(2) − S(12) of two groups, likewise."),
    ("fidelity", "⟨ψ|ρ|ψ⟩: fidelity = \"bell\", of = [\"B:0\", \"B:1\"]."),
    ("state", "The density matrix itself, in states.npz: state = [\"A\"]."),
];

/// What there is to read.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Topic {
    /// Every word of the input language, with examples
    Language,
    /// Every quantity that may be asked for
    Quantities,
}

/// Print it.
pub fn help(topic: Topic) -> Outcome {
    match topic {
        Topic::Language => print::out(format_args!("{LANGUAGE}")),
        Topic::Quantities => {
            for quantity in Quantity::every() {
                let entry = quantity.entry();
                let name = match entry.scope {
                    Scope::Battery(_) => entry.name.to_owned(),
                    Scope::Subsystem { .. } => format!("{}(B)", entry.name),
                    Scope::Step(_) => format!("{}(step)", entry.name),
                    Scope::Channel(_) => format!("{}(channel)", entry.name),
                    Scope::Own(_) => "{ name, expect }".to_owned(),
                    Scope::Chosen(_) => continue,
                };
                let unit = entry.unit.name();
                let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
                say!("{name:<24}{}{unit}", quantity.about().split_whitespace().collect::<Vec<_>>().join(" "));
            }
            for (name, about) in OF_PARTS {
                say!("{:<30}{about}", format!("{{ name, {name} }}"));
            }
            say!("{:<24}Weight of level 1; of a network the excited population of cell 1.", "population(L, 1)");
            say!("{:<24}Energy of one cell of a network. [energy]", "energy(W, 0)");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Write a starting input to `path`, which must not be there.
pub fn new(path: &Path) -> Outcome {
    let path = if path.extension().is_none() { path.with_extension("toml") } else { path.to_owned() };
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => RunError::Request(format!("{} is there already", path.display())),
        _ => RunError::Io { action: "write", path: path.display().to_string(), source },
    };
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    file.write_all(STARTING.as_bytes()).map_err(failed)?;
    say!("{}: try `leyden run {0}`; every word is in `leyden help language`", path.display());
    Ok(ExitCode::SUCCESS)
}
