//! What can go wrong, as fields a caller can act on.

use thiserror::Error;

/// A problem that is not a valid master equation with protocol.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ModelError {
    /// A number outside its range.
    #[error("{what} is {value}, expected {expected}")]
    OutOfRange {
        /// Which number.
        what: String,
        /// The value given.
        value: f64,
        /// The allowed range.
        expected: &'static str,
    },
    /// A name that stands for nothing.
    #[error("unknown {kind} `{name}`{}", suggestion(.known))]
    UnknownName {
        /// What was looked up: "channel", "step", ...
        kind: &'static str,
        /// The name given.
        name: String,
        /// Names that exist, the nearest first.
        known: Vec<String>,
    },
    /// The same name given twice.
    #[error("the {kind} name `{name}` is used twice")]
    DuplicateName {
        /// What carries the name.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Something does not fit the kind of its subsystem or is missing.
    #[error("{0}")]
    Invalid(String),
}

fn suggestion(known: &[String]) -> String {
    match known {
        [] => String::new(),
        [only] => format!("; did you mean `{only}`?"),
        many => format!("; expected one of {}", many.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// Stands for the representation where no trajectory can follow the problem, whatever the representation.
pub const TRAJECTORY: &str = "trajectory";

/// Stands for the representation where every one was asked, and the reason names them all.
pub const NONE: &str = "smallest";

/// A representation that cannot carry a problem exactly, with the reason.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("the {representation} representation cannot carry this problem exactly: {reason}")]
pub struct CompileError {
    /// Which representation refused.
    pub representation: &'static str,
    /// Why.
    pub reason: String,
}

/// A failure while running, solving or writing.
#[derive(Debug, Error)]
pub enum RunError {
    /// The problem itself is invalid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No representation carries it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A numerical method missed its tolerance; no result is given.
    #[error("{method} failed: {reason}")]
    Numerics {
        /// Which method.
        method: &'static str,
        /// What it saw.
        reason: String,
    },
    /// No equation could be solved for a steady state; an average over time along trajectories may still be had (see
    /// [`settled`](crate::settled)).
    #[error("the steady state by iteration failed: {0}")]
    Unsolved(String),
    /// Nothing settles as t → ∞.
    #[error("there is no limit as t → ∞: {how}")]
    NoLimit {
        /// What goes on for ever.
        how: String,
        /// The angular frequency of an oscillation, where it is known.
        frequency: Option<f64>,
    },
    /// The request would not fit.
    #[error("{what} would take {needed}, more than {limit}; {advice}")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// How much it takes.
        needed: String,
        /// What is allowed.
        limit: String,
        /// What to do instead.
        advice: String,
    },
    /// It was asked to stop (see [`Stop`](crate::stop::Stop)) before there was a result.
    #[error("interrupted before there was a result")]
    Interrupted,
    /// An output folder that holds something else.
    #[error("{0}")]
    Occupied(String),
    /// An output folder that holds a whole result of something else, and nothing besides.
    #[error("{0}")]
    OtherResult(String),
    /// The work was done, but the result is not where it was to be.
    #[error("{reason}; {what} is in {place}")]
    Kept {
        /// What was in the way.
        reason: String,
        /// How much of it there is.
        what: &'static str,
        /// Where it is instead.
        place: String,
    },
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anything else about a request, in words.
    #[error("{0}")]
    Request(String),
}

impl From<Box<RunError>> for RunError {
    fn from(error: Box<RunError>) -> Self {
        *error
    }
}

/// Names of `known` ordered for an error message: the one near match alone, or all of them.
pub fn nearest(name: &str, known: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let known: Vec<String> = known.into_iter().map(Into::into).collect();
    let longer = |k: &str| k.chars().count().max(name.chars().count());
    let distance = |a: &str, b: &str| strsim::damerau_levenshtein(a, b);
    let near = known
        .iter()
        .map(|k| (distance(&name.to_lowercase(), &k.to_lowercase()), distance(name, k), k))
        .filter(|(any_case, _, k)| *any_case <= 1 + k.len() / 4 && *any_case < longer(k))
        .min_by_key(|(any_case, exact, _)| (*any_case, *exact));
    match near {
        Some((_, _, k)) => vec![k.clone()],
        None => known,
    }
}
