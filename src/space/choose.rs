//! Which representations carry a problem exactly, the smallest of them, and why not the others.

use super::blocks::{Blocks, Style};
use super::ladder::Ladder;
use crate::error::{CompileError, NONE};
use crate::problem::Problem;
use std::fmt;
use std::str::FromStr;

/// A way to store the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// One state (J, M) per ensemble and block.
    Ladder,
    /// Ensembles as spins J, split further by conserved charges.
    Symmetric,
    /// Single cells, split by conserved charges.
    Sectors,
    /// The full tensor space.
    Full,
}

impl Representation {
    /// All, the smallest first.
    pub const ALL: [Self; 4] = [Self::Ladder, Self::Symmetric, Self::Sectors, Self::Full];

    /// How it puts a problem into blocks; the ladder stores none.
    pub fn style(self) -> Option<Style> {
        match self {
            Self::Ladder => None,
            Self::Symmetric => Some(Style { spins: true, charges: true }),
            Self::Sectors => Some(Style { spins: false, charges: true }),
            Self::Full => Some(Style { spins: false, charges: false }),
        }
    }
}

impl fmt::Display for Representation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ladder => "ladder",
            Self::Symmetric => "symmetric",
            Self::Sectors => "sectors",
            Self::Full => "full",
        })
    }
}

impl FromStr for Representation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|r| r.to_string() == text);
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(|r| format!("`{r}`")).join(", ")))
    }
}

/// Each representation with its size, or the reason why it cannot carry the problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// In the order of [`Representation::ALL`].
    pub verdicts: Vec<(Representation, Result<String, String>)>,
}

impl Choice {
    /// The smallest that works.
    pub fn chosen(&self) -> Option<Representation> {
        self.verdicts.iter().find(|(_, verdict)| verdict.is_ok()).map(|(representation, _)| *representation)
    }

    /// One line that says what was chosen and why.
    pub fn explain(&self) -> String {
        match self.verdicts.iter().find(|(_, verdict)| verdict.is_ok()) {
            Some((representation, Ok(size))) => format!("{representation}: {size}"),
            _ => "none".into(),
        }
    }
}

/// The smallest representation that carries the problem, without looking at the others.
pub fn smallest(problem: &Problem) -> Option<Representation> {
    let fits = |representation: &Representation| match representation.style() {
        None => Ladder::compile(problem).is_ok(),
        Some(style) => Blocks::compile(problem, style).is_ok(),
    };
    Representation::ALL.into_iter().find(fits)
}

/// Ask every representation.
pub fn choose(problem: &Problem) -> Choice {
    let verdict = |representation: Representation| {
        let verdict = match representation.style() {
            None => ladder(problem),
            Some(style) => Blocks::compile(problem, style).map(|blocks| size(&blocks)),
        };
        (representation, verdict.map_err(|error| error.reason))
    };
    Choice { verdicts: Representation::ALL.map(verdict).into() }
}

/// Why no representation carries the problem, one after another.
pub fn refusal(problem: &Problem) -> CompileError {
    let reasons = choose(problem).verdicts.into_iter().filter_map(|(r, v)| Some(format!("{r}: {}", v.err()?)));
    CompileError { representation: NONE, reason: reasons.collect::<Vec<_>>().join("; ") }
}

fn ladder(problem: &Problem) -> Result<String, CompileError> {
    let ladder = Ladder::compile(problem)?;
    let states = |cells: &u64| format!("{} states (J, M)", (cells / 2 + 1) * (cells - cells / 2 + 1));
    let each: Vec<String> = ladder.cells.iter().map(states).collect();
    Ok(format!(
        "permutation symmetric, and no term makes coherence between different M: one state per block, {}, none stored",
        each.join(" and ")
    ))
}

/// The block that the system starts in, and what splits the space.
fn size(blocks: &Blocks) -> String {
    let dimension = blocks.first_size();
    let mut reasons = Vec::new();
    if blocks.layout.slots.iter().any(|slot| matches!(slot, super::blocks::Slot::Spin { .. })) {
        reasons.push(match blocks.changes_spin() {
            true => "permutation symmetric: a block for each J of the ensembles".into(),
            false => "permutation symmetric, and only collective operators act: J is fixed".to_string(),
        });
    }
    let charges = blocks.describe_charges();
    if !charges.is_empty() {
        reasons.push(format!("a sector for each value of {}", charges.join(", ")));
    }
    if reasons.is_empty() {
        reasons.push("no symmetry needed".into());
    }
    format!("{}; {dimension} states in the first block", reasons.join("; "))
}
