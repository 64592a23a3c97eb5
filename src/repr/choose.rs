//! Which representations carry a problem exactly, the smallest of them, and why not the others.

use super::ladder::Ladder;
use crate::problem::Problem;
use std::fmt;
use std::str::FromStr;

/// Two-level cells that the full space is solved for, as in `exact::naive`.
const MOST_BITS: f64 = 7.0;

/// A way to store the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// One state (J, M) per ensemble and block.
    Ladder,
    /// The full tensor space.
    Full,
}

impl Representation {
    /// All, the smallest first.
    pub const ALL: [Self; 2] = [Self::Ladder, Self::Full];
}

impl fmt::Display for Representation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ladder => "ladder",
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

/// Ask every representation.
pub fn choose(problem: &Problem) -> Choice {
    let ladder = match Ladder::compile(problem) {
        Ok(ladder) => {
            let states = |cells: &u64| format!("{} states (J, M)", (cells / 2 + 1) * (cells - cells / 2 + 1));
            let each: Vec<String> = ladder.cells.iter().map(states).collect();
            Ok(format!(
                "permutation symmetric, and no term makes coherence between different M: one state per block, {}, none stored",
                each.join(" and ")
            ))
        }
        Err(error) => Err(error.reason),
    };
    let bits: f64 = problem.subsystems.iter().map(|s| s.ln_dimension() / 2f64.ln()).sum();
    let dimension = if bits.fract() == 0.0 { format!("2^{bits}") } else { format!("2^{bits:.1}") };
    let full = if bits <= MOST_BITS {
        Ok(format!("no symmetry needed: dimension {dimension}"))
    } else {
        Err(format!("dimension {dimension} is more than the 2^{MOST_BITS} that it can solve"))
    };
    Choice { verdicts: vec![(Representation::Ladder, ladder), (Representation::Full, full)] }
}
