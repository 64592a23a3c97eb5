//! How the numbers of a run are evaluated: on which threads, until when, and who is told how far it is.

use super::interval::Confidence;
use crate::error::RunError;
use crate::stop::Stop;
use rayon::ThreadPoolBuilder;
use std::sync::atomic::{AtomicU64, Ordering};

/// Told of the rows that are done and of all rows, from any thread.
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// Options of an evaluation.
#[derive(Clone, Default)]
pub struct Evaluation<'a> {
    /// Number of threads; 0 for one a core. No result depends on it.
    pub threads: usize,
    /// Ends the evaluation with [`RunError::Interrupted`].
    pub stop: Stop,
    /// Told after every row of every quantity that takes time.
    pub progress: Option<&'a Progress<'a>>,
    /// For which runs intervals are to hold.
    pub confidence: Confidence,
}

impl Evaluation<'_> {
    /// `work` on the threads asked for. A thread of another pool waits for it without taking up work of its own pool, which
    /// might need what this thread holds.
    pub(super) fn on_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let Ok(pool) = ThreadPoolBuilder::new().num_threads(self.threads).build() else {
            return work(); // the system grants no threads: those there are will do
        };
        if rayon::current_thread_index().is_none() {
            return pool.install(work);
        }
        let found = std::thread::scope(|scope| scope.spawn(|| pool.install(work)).join());
        found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// How far an evaluation is.
#[derive(Default)]
pub struct Rows<'a> {
    stop: Stop,
    progress: Option<&'a Progress<'a>>,
    done: AtomicU64,
    all: u64,
}

impl<'a> Rows<'a> {
    /// Before the first of `all` rows.
    pub fn new(evaluation: &Evaluation<'a>, all: u64) -> Self {
        Self { stop: evaluation.stop.clone(), progress: evaluation.progress, done: AtomicU64::new(0), all }
    }

    /// To be called with `?` before whatever takes time.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] once asked to stop.
    pub fn check(&self) -> Result<(), RunError> {
        self.stop.check()
    }

    /// One more row is done.
    pub fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(progress) = self.progress {
            progress(done, self.all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_stopped() {
        let seen = AtomicU64::new(0);
        let progress = |done, all| {
            assert_eq!(all, 3);
            seen.fetch_max(done, Ordering::Relaxed);
        };
        let evaluation = Evaluation { threads: 1, progress: Some(&progress), ..Evaluation::default() };
        let rows = Rows::new(&evaluation, 3);
        (0..3).for_each(|_| rows.one_more());
        assert_eq!(seen.load(Ordering::Relaxed), 3);
        assert!(rows.check().is_ok());
        evaluation.stop.request();
        assert!(matches!(rows.check(), Err(RunError::Interrupted)));
        assert_eq!(evaluation.on_threads(rayon::current_num_threads), 1);
    }

    /// The last task of a pool of one thread, which waits for an evaluation in the first, is not taken up meanwhile.
    #[test]
    fn waiting_takes_up_no_other_work() {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let held = std::sync::Mutex::new(0);
        pool.scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|_| {
                    let mut held = held.try_lock().expect("taken up while the other one waits");
                    *held += Evaluation::default().on_threads(|| {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        1
                    });
                });
            }
        });
        assert_eq!(*held.lock().unwrap(), 2);
    }
}
