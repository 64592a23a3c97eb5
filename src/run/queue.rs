//! The batches of a run, whoever makes them: numbers are handed out in order, and what comes back is added in order.

use super::batch::{self, Task};
use super::merger::{Batches, Merger};
use super::{RunOptions, axes, batch_size, check_jumps, unless_interrupted};
use crate::density::GROUPS;
use crate::error::RunError;
use crate::problem::Problem;
use crate::stop::Stop;
use crate::unravel::Unraveling;
use crate::unravel::along::Direction;
use crate::unravel::no_jump::{NoJump, Which};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long to wait before looking again for something to do.
pub(super) const MOMENT: Duration = Duration::from_millis(1);

/// Makes the batches of a run one by one, each by its number alone.
pub(super) struct Maker<'a, U> {
    engine: &'a U,
    problem: &'a Problem,
    options: RunOptions,
    size: u64,
    /// The number of the batch by which the size of what is kept is judged.
    first: u64,
    no_jump: Option<NoJump>,
    axes: Option<Vec<Direction>>,
}

impl<'a, U: Unraveling> Maker<'a, U> {
    /// Of a run that begins, or goes on, with batch `first`.
    ///
    /// # Errors
    /// When the path without jumps cannot be followed.
    pub fn new(
        engine: &'a U,
        problem: &'a Problem,
        options: RunOptions,
        first: u64,
        stop: &Stop,
    ) -> Result<Self, RunError> {
        let no_jump = unless_interrupted(engine.no_jump(stop))?;
        let axes = unless_interrupted(axes(engine, problem, options, stop))?;
        Ok(Self { engine, problem, options, size: batch_size(engine, problem, options), first, no_jump, axes })
    }

    /// The branch in which nothing ever happens, where it is known.
    pub fn no_jump(&self) -> Option<&NoJump> {
        self.no_jump.as_ref()
    }

    /// Batch number `index`.
    ///
    /// # Errors
    /// As [`sample`](super::sample), and [`RunError::Interrupted`].
    fn make(&self, index: u64, stop: &Stop) -> Result<Batches, RunError> {
        let Self { engine, problem, options, size, .. } = *self;
        let which = self.no_jump.as_ref().map_or(Which::Any, Which::Jumping);
        let range = index * size..((index + 1) * size).min(options.trajectories);
        let weights = vec![1.0; (range.end - range.start) as usize];
        let group = index as usize % GROUPS;
        let task = Task { which, range, weights, group, axes: self.axes.as_deref() };
        let made = batch::run(engine, problem, options, task, stop)?;
        if index == self.first {
            check_jumps(&made, problem, options)?;
        }
        Ok(Batches::one(index, made, size))
    }

    /// Make batches on this thread, from whatever `next` says to wherever `put` has no use for more or a stop comes.
    pub fn work(
        &self,
        stop: &Stop,
        mut next: impl FnMut() -> Next,
        mut put: impl FnMut(u64, Result<Batches, RunError>) -> bool,
    ) {
        while !stop.is_requested() {
            let index = match next() {
                Next::Batch(index) => index,
                Next::Wait => {
                    thread::sleep(MOMENT);
                    continue;
                }
                Next::Nothing => break,
            };
            let made = self.make(index, stop);
            if matches!(made, Err(RunError::Interrupted)) || !put(index, made) {
                break;
            }
        }
    }
}

/// What there is to do for a thread.
pub(super) enum Next {
    /// This batch.
    Batch(u64),
    /// Nothing at the moment.
    Wait,
    /// Nothing any more.
    Nothing,
}

/// Raises its flag when the thread that holds it panics, so that nobody waits for what that will not make.
pub(super) struct Alarm<'a>(pub &'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// The batches of a run that are still to be made, and those that were.
pub struct Queue<'a, 'b> {
    /// The first number, the first that has not been handed out, and the one after the last.
    start: u64,
    next: AtomicU64,
    end: u64,
    /// The first number that has not been added, and how far beyond it numbers are handed out.
    added: AtomicU64,
    ahead: AtomicU64,
    /// Whether there is no use for more.
    pub(super) over: AtomicBool,
    merger: Mutex<Merger<'a, 'b>>,
}

impl<'a, 'b> Queue<'a, 'b> {
    /// Of these batches, which `merger` takes.
    pub(super) fn new(batches: Range<u64>, merger: Merger<'a, 'b>) -> Self {
        Self {
            start: batches.start,
            next: AtomicU64::new(batches.start),
            end: batches.end,
            added: AtomicU64::new(batches.start),
            ahead: AtomicU64::new(u64::MAX),
            over: AtomicBool::new(false),
            merger: Mutex::new(merger),
        }
    }

    /// The first number.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Hand out no number that is `ahead` or more beyond the first that has not been added: what was made early waits in
    /// memory.
    #[cfg(feature = "mpi")]
    pub(super) fn limit(&self, ahead: u64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// The next numbers: at most `most`, and up to a multiple of it, so that their sums are few. None where all have been
    /// handed out, or as long as too many wait for an earlier one.
    pub(super) fn take(&self, most: u64) -> Range<u64> {
        let limit = self.added.load(Ordering::Relaxed).saturating_add(self.ahead.load(Ordering::Relaxed));
        let after = |next: u64| ((next / most + 1) * most).min(self.end);
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < self.end.min(limit)).then(|| after(next))
        });
        taken.map_or(0..0, |next| next..after(next))
    }

    /// What there is to do for one thread.
    pub(super) fn next(&self) -> Next {
        match self.take(1).next() {
            _ if self.is_over() => Next::Nothing,
            Some(index) => Next::Batch(index),
            None if self.left() == 0 => Next::Nothing,
            None => Next::Wait,
        }
    }

    /// How many have not been handed out.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Whether all that is of use has been added.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.added.load(Ordering::Relaxed) >= self.end
    }

    /// Add batches that begin with number `first`; returns whether there is any use for more.
    pub(super) fn add(&self, first: u64, made: Result<Batches, RunError>) -> bool {
        let mut merger = self.merger.lock().unwrap_or_else(PoisonError::into_inner);
        let more = merger.take(first, made);
        self.added.store(merger.next(), Ordering::Relaxed);
        if !more {
            self.over.store(true, Ordering::Relaxed);
        }
        more
    }

    /// The batches that were added.
    ///
    /// # Errors
    /// What the first of them in their order failed with that did.
    pub(super) fn end(self) -> Result<Batches, RunError> {
        self.merger.into_inner().unwrap_or_else(PoisonError::into_inner).end(self.end)
    }
}
