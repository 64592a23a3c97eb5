//! When `leyden run` stops before all trajectories that were asked for: at an error that is small enough, or after a time.

use super::common::{self, parse_time};
use super::print::note;
use crate::error::{ModelError, RunError, nearest};
use crate::estimate::columns::{self, Accumulated, Z95};
use crate::estimate::evaluation::Evaluation;
use crate::estimate::interval::Confidence;
use crate::problem::Problem;
use crate::run::{Outcome, RunOptions, SoFar};
use clap::Args;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Flags of `leyden run` that stop it early.
#[derive(Debug, Args)]
pub struct UntilArgs {
    /// Stop when the standard error of quantity Q is at most E at every row; --trajectories is then the most to try
    #[arg(long, value_name = "Q=E", value_parser = common::parse_override, conflicts_with = "part")]
    target_error: Option<(String, String)>,
    /// Stop sampling after this time, such as 60s, 5m or 1h; --trajectories is then the most to try
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "part")]
    max_time: Option<Duration>,
}

impl UntilArgs {
    /// What the manifest says of it.
    pub fn identity(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("target_error".into(), json!(self.target_error.as_ref().map(|(q, e)| format!("{q}={e}"))));
        if let Some(time) = self.max_time {
            map.insert("max_time".into(), json!(time.as_secs_f64()));
        }
        map
    }
}

/// When to stop.
#[derive(Debug, Default)]
pub struct Until {
    target: Option<Target>,
    time: Option<Duration>,
}

impl Until {
    /// As the flags say.
    ///
    /// # Errors
    /// For a column that is not there, or an error that is no number above 0.
    pub fn new(problem: &Problem, args: &UntilArgs) -> Result<Self, RunError> {
        Ok(Self { target: Target::parse(problem, &args.target_error)?, time: args.max_time })
    }

    /// Whether the number of trajectories may depend on what was seen of them or on how fast they were made.
    pub fn may_stop(&self) -> bool {
        self.target.is_some() || self.time.is_some()
    }

    /// Whether a decision depends on which batches are there, and not on the time alone.
    pub fn looks(&self) -> bool {
        self.target.is_some()
    }

    /// To be asked after each batch of `size` trajectories from number `first` on.
    pub fn checks<'a>(&'a self, problem: &'a Problem, size: u64, first: u64) -> Checks<'a> {
        let mut next = 4;
        while next <= first {
            next = later(next);
        }
        Checks { until: self, problem, size, next, started: Instant::now(), failure: None }
    }

    /// Whether the error is as small as was asked for; says what stopped the run.
    ///
    /// # Errors
    /// When the column cannot be evaluated.
    pub fn judge(&self, problem: &Problem, outcome: &Outcome, options: RunOptions) -> Result<bool, RunError> {
        let worst = self.target.as_ref().map(|target| target.worst(problem, &outcome.accumulated)).transpose()?;
        let missed = self.target.as_ref().zip(worst).filter(|(target, worst)| !(*worst <= target.error));
        if let Some(time) = self.time
            && outcome.trajectories < options.trajectories
            && (self.target.is_none() || missed.is_some())
        {
            let (n, all) = (outcome.trajectories, options.trajectories);
            note!("stopped after {} s: {n} of {all} trajectories", time.as_secs_f64());
        }
        if let Some((target, worst)) = missed {
            let (column, error, n) = (&target.column, target.error, outcome.trajectories);
            note!("the error of {column} is still {worst:.3e} after {n} trajectories, above {error:.3e}");
        }
        Ok(missed.is_none())
    }
}

/// Fixed numbers of batches, growing by a quarter, at which an error is looked at: deciding costs little, and does not depend
/// on threads or on where the run was cut.
fn later(check: u64) -> u64 {
    check * 5 / 4 + 1
}

/// Decides after each batch whether to go on.
pub struct Checks<'a> {
    until: &'a Until,
    problem: &'a Problem,
    size: u64,
    /// The number of batches at which the error is looked at next.
    next: u64,
    started: Instant,
    failure: Option<RunError>,
}

impl Checks<'_> {
    /// Whether there is any use for more.
    pub fn go_on(&mut self, so_far: &SoFar) -> bool {
        if self.until.time.is_some_and(|time| self.started.elapsed() >= time) {
            return false;
        }
        let Some(target) = self.until.target.as_ref().filter(|_| so_far.trajectories() / self.size >= self.next) else {
            return true;
        };
        self.next = later(self.next);
        match target.worst(self.problem, &so_far.accumulated()) {
            Ok(worst) => !(worst <= target.error),
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    /// Why no error could be looked at.
    pub fn failure(self) -> Option<RunError> {
        self.failure
    }
}

/// The largest error allowed in a column.
#[derive(Debug)]
struct Target {
    column: String,
    error: f64,
}

impl Target {
    fn parse(problem: &Problem, text: &Option<(String, String)>) -> Result<Option<Self>, RunError> {
        let Some((name, error)) = text else { return Ok(None) };
        let known: Vec<String> = problem.quantities.iter().map(|q| problem.column(q)).collect();
        if !known.contains(name) {
            let known = nearest(name, known);
            return Err(ModelError::UnknownName { kind: "quantity", name: name.clone(), known }.into());
        }
        match error.parse::<f64>() {
            Ok(error) if error > 0.0 && error.is_finite() => Ok(Some(Self { column: name.clone(), error })),
            _ => Err(RunError::Request(format!("the target error of {name} is `{error}`, expected a number > 0"))),
        }
    }

    /// Largest error of the column over its rows, a quarter of the 95 % interval: of that which holds whenever a run is
    /// stopped, so that stopping at a small error is no way to be wrong more often.
    fn worst(&self, problem: &Problem, accumulated: &Accumulated) -> Result<f64, RunError> {
        let how = Evaluation { confidence: Confidence::Stopped, ..Evaluation::default() };
        let table = columns::evaluate(problem, accumulated, &how)?;
        let Some(column) = table.column(&self.column) else { return Ok(f64::NAN) };
        let intervals = column.bounds.iter().flat_map(|(lo, hi)| lo.iter().zip(hi));
        let errors: Vec<f64> = intervals.map(|(lo, hi)| (hi - lo) / (2.0 * Z95)).collect();
        let empty = |row: usize| column.value[row].is_nan();
        Ok(errors
            .iter()
            .enumerate()
            .filter(|(r, _)| !empty(*r))
            .map(|(_, e)| *e)
            .fold(0.0, |a, b| if b <= a { a } else { b }))
    }
}
