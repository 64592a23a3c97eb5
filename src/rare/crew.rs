//! Threads for populations, and where each has its random numbers from. No result depends on threads.

use crate::error::RunError;
use crate::stop::Stop;
use crate::unravel::stream::Stream;
use rand::RngExt;
use rayon::ThreadPool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A seed for each population, which follows from that of the user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeds(pub u64);

impl Seeds {
    fn of(self, phase: u64, number: usize) -> u64 {
        Stream::new(self.0, (1 << 60) + (phase << 40) + number as u64).rng().random()
    }

    /// Of population `number` of a stage of pilots.
    pub fn pilot(self, stage: usize, number: usize) -> u64 {
        self.of(1 + stage as u64, number)
    }

    /// Of population `number` of a trial.
    pub fn trial(self, trial: usize, number: usize) -> u64 {
        self.of(1_000 + trial as u64, number)
    }

    /// Of population `number` of those that give a second opinion.
    pub fn second(self, number: usize) -> u64 {
        self.of(1_500, number)
    }

    /// Of population `number` of those that count.
    pub fn population(self, number: usize) -> u64 {
        self.of(2_000, number)
    }
}

/// Threads.
pub(super) struct Crew(Option<ThreadPool>);

impl Crew {
    /// So many; 0 for one a core.
    pub fn new(threads: usize) -> Self {
        // Where the system grants none, this one will do.
        Self(rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok())
    }

    /// Results number 0 to `count` − 1, or as many of them, from 0 on, as were complete when `stop` was raised. `done` hears how
    /// many there are.
    ///
    /// # Errors
    /// What the first that failed, in their order, failed with.
    pub fn first<T: Send>(
        &self,
        count: usize,
        stop: &Stop,
        done: &(dyn Fn(usize) + Sync),
        one: impl Fn(usize) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<T>, RunError> {
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<Option<Result<T, RunError>>>> = Mutex::new((0..count).map(|_| None).collect());
        let work = || {
            while !stop.is_requested() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                let result = one(number);
                let failed = result.is_err();
                let complete = {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found[number] = Some(result);
                    found.iter().filter(|one| matches!(one, Some(Ok(_)))).count()
                };
                if failed {
                    break;
                }
                done(complete);
            }
        };
        match &self.0 {
            Some(pool) => pool.scope(|scope| (0..pool.current_num_threads()).for_each(|_| scope.spawn(|_| work()))),
            None => work(),
        }
        let mut all = Vec::with_capacity(count);
        for one in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match one {
                Some(Ok(one)) => all.push(one),
                Some(Err(RunError::Interrupted)) | None => break,
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The same, of all.
    ///
    /// # Errors
    /// As [`first`](Self::first), and [`RunError::Interrupted`].
    pub fn all<T: Send>(
        &self,
        count: usize,
        stop: &Stop,
        one: impl Fn(usize) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<T>, RunError> {
        let all = self.first(count, stop, &|_| (), one)?;
        if all.len() == count { Ok(all) } else { Err(RunError::Interrupted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_early_end_keeps_the_first() {
        for threads in [1, 3] {
            let crew = Crew::new(threads);
            assert_eq!(
                crew.all(20, &Stop::default(), |k| Ok(k * k)).unwrap(),
                (0..20).map(|k| k * k).collect::<Vec<_>>()
            );
            let stop = Stop::default();
            let until = |k: usize| {
                if k < 7 {
                    Ok(k)
                } else {
                    stop.request();
                    Err(RunError::Interrupted)
                }
            };
            let found = crew.first(20, &stop, &|_| (), until).unwrap();
            assert!(found.len() <= 7 && found.iter().enumerate().all(|(k, found)| k == *found));
            let fails = |k: usize| if k == 3 { Err(RunError::Request("no".into())) } else { Ok(k) };
            assert_eq!(crew.all(8, &Stop::default(), fails).unwrap_err().to_string(), "no");
        }
    }

    #[test]
    fn no_two_populations_share_a_seed() {
        let seeds = Seeds(1);
        let mut all: Vec<u64> = (0..40).flat_map(|stage| (0..4).map(move |k| seeds.pilot(stage, k))).collect();
        all.extend((0..3).flat_map(|trial| (0..8).map(move |k| seeds.trial(trial, k))));
        all.extend((0..1000).map(|k| seeds.population(k)));
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
