//! A request to end early, shared by whoever makes it and whatever long loop should hear it.

use crate::error::RunError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A flag that is raised once; its clones are one flag. Every loop that may take longer than a second looks at it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that raises itself after `time`: a budget, at no cost to the loops that look at it.
    pub fn after(time: Duration) -> Self {
        let stop = Self::default();
        let later = stop.clone();
        let clock = thread::Builder::new().spawn(move || {
            thread::sleep(time);
            later.request();
        });
        // Without a clock there is no time.
        if clock.is_err() {
            stop.request();
        }
        stop
    }

    /// Raise the flag.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been raised.
    #[inline(always)]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// To be called with `?` in long loops.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] once the flag has been raised.
    #[inline(always)]
    pub fn check(&self) -> Result<(), RunError> {
        if self.is_requested() { Err(RunError::Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_one_flag() {
        let stop = Stop::default();
        let other = stop.clone();
        assert!(other.check().is_ok());
        stop.request();
        assert!(matches!(other.check(), Err(RunError::Interrupted)));
    }

    #[test]
    fn a_budget_runs_out() {
        let (soon, late) = (Stop::after(Duration::from_millis(20)), Stop::after(Duration::from_secs(3600)));
        let began = std::time::Instant::now();
        while !soon.is_requested() {
            assert!(began.elapsed() < Duration::from_secs(60));
            thread::yield_now();
        }
        assert!(began.elapsed() >= Duration::from_millis(20) && !late.is_requested());
    }
}
