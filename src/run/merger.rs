//! Batches as they come from threads, added in order: early ones wait.

use super::batch::BatchResult;
use super::{Outcome, RunOptions, Shots, Sums};
use crate::error::RunError;
use crate::estimate::columns::Accumulated;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Consecutive batches of a run, all that is needed to go on with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batches {
    /// The number of the first one.
    first: u64,
    sums: Sums,
    shots: Option<Shots>,
    trajectories: u64,
    /// The last batch of a run, if it has fewer trajectories than the others: a run that goes on makes it anew.
    last: Option<Rest>,
    /// Whether a stop ended the run early.
    pub(super) interrupted: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rest {
    accumulated: Accumulated,
    shots: Option<Shots>,
    trajectories: u64,
}

/// What has been sampled so far.
pub struct SoFar<'a> {
    batches: &'a Batches,
    no_jump: Option<&'a Accumulated>,
}

impl SoFar<'_> {
    /// Number of trajectories.
    pub fn trajectories(&self) -> u64 {
        self.batches.trajectories()
    }

    fn known(&self) -> Accumulated {
        Accumulated { no_jump: self.no_jump.cloned().map(Box::new), ..Accumulated::default() }
    }

    /// Everything that is known of them.
    pub fn accumulated(&self) -> Accumulated {
        self.batches.total(self.known())
    }

    /// The part of it that is linear in the state.
    pub fn linear(&self) -> Accumulated {
        self.batches.sums.linear(self.known())
    }

    /// The batches themselves.
    pub fn batches(&self) -> &Batches {
        self.batches
    }
}

impl Batches {
    /// Batch number `index`; one of fewer than `size` trajectories is the last one.
    pub(super) fn one(index: u64, made: BatchResult, size: u64) -> Self {
        let BatchResult { accumulated, shots, trajectories } = made;
        let mut one = Self { first: index, ..Self::default() };
        if trajectories < size {
            one.last = Some(Rest { accumulated, shots, trajectories });
        } else {
            one.sums.push(index, accumulated);
            (one.trajectories, one.shots) = (trajectories, shots);
        }
        one
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.trajectories == 0 && self.last.is_none()
    }

    /// The number of the first batch.
    pub fn start(&self) -> u64 {
        self.first
    }

    /// The number of the batch to go on with: the one after the last that has as many trajectories as all.
    pub fn end(&self) -> u64 {
        self.sums.batches().end.max(self.first)
    }

    /// The number of the batch after the last one, short or not.
    pub fn after(&self) -> u64 {
        self.end() + u64::from(self.last.is_some())
    }

    /// Whether a stop ended the run before all that were asked for.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Number of trajectories.
    pub fn trajectories(&self) -> u64 {
        self.trajectories + self.last.as_ref().map_or(0, |last| last.trajectories)
    }

    /// Forget the last batch if it is a short one, so as to go on.
    pub fn whole(self) -> Self {
        Self { last: None, interrupted: false, ..self }
    }

    /// Add batches that follow these.
    pub fn append(&mut self, later: Self) {
        self.sums.append(later.sums);
        self.trajectories += later.trajectories;
        self.shots = match (self.shots.take(), later.shots) {
            (Some(mut mine), Some(theirs)) => {
                mine.append(theirs);
                Some(mine)
            }
            (mine, theirs) => mine.or(theirs),
        };
        self.last = later.last;
        self.interrupted |= later.interrupted;
    }

    fn total(&self, before: Accumulated) -> Accumulated {
        let mut all = self.sums.total(before);
        if let Some(last) = &self.last {
            all.merge(last.accumulated.clone());
        }
        all
    }

    /// What they amount to, with what is known of the branch without jumps.
    pub(super) fn outcome(
        self,
        problem: &Problem,
        options: RunOptions,
        no_jump: Option<Box<Accumulated>>,
        without_jumps: Option<Shots>,
    ) -> Outcome {
        let trajectories = self.trajectories();
        let accumulated = self.total(Accumulated { no_jump, ..Accumulated::default() });
        let shots = super::keeps_shots(problem, options).then(|| {
            let mut all = self.shots.unwrap_or_else(|| Shots::new(problem));
            all.channels = problem.channels.len();
            if let Some(theirs) = self.last.and_then(|last| last.shots) {
                all.append(theirs);
            }
            all.complete(without_jumps);
            all
        });
        Outcome { accumulated, shots, trajectories, interrupted: self.interrupted }
    }
}

/// Adds batches strictly in order.
pub(super) struct Merger<'a, 'b> {
    batches: Batches,
    waiting: BTreeMap<u64, Result<Batches, RunError>>,
    /// The number of the next batch.
    next: u64,
    finished: bool,
    failure: Option<RunError>,
    no_jump: Option<&'a Accumulated>,
    watch: Option<&'a mut super::Watch<'b>>,
}

impl<'a, 'b> Merger<'a, 'b> {
    pub fn new(
        batches: Batches,
        next: u64,
        no_jump: Option<&'a Accumulated>,
        watch: Option<&'a mut super::Watch<'b>>,
    ) -> Self {
        let first = if batches.is_empty() { next } else { batches.first };
        let batches = Batches { first, ..batches.whole() };
        Self { batches, waiting: BTreeMap::new(), next, finished: false, failure: None, no_jump, watch }
    }

    /// Take batches that begin with number `first`; returns whether there is any use for more.
    pub fn take(&mut self, first: u64, made: Result<Batches, RunError>) -> bool {
        self.waiting.insert(first, made);
        while !self.finished
            && let Some(made) = self.waiting.remove(&self.next)
        {
            match made {
                Ok(made) => self.add(made),
                Err(failure) => (self.failure, self.finished) = (Some(failure), true),
            }
        }
        !self.finished
    }

    fn add(&mut self, made: Batches) {
        self.next = made.after();
        self.batches.append(made);
        let so_far = SoFar { batches: &self.batches, no_jump: self.no_jump };
        self.finished = self.watch.as_mut().is_some_and(|watch| !watch(&so_far));
    }

    /// The number of the next batch.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The batches that were added, of those up to `end`.
    pub fn end(self, end: u64) -> Result<Batches, RunError> {
        let interrupted = !self.finished && self.next < end;
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(Batches { interrupted, ..self.batches }),
        }
    }
}
