//! A request to end early, shared by whoever makes it and whatever long loop should hear it.

use crate::error::RunError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
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

    /// The result of work that cannot be stopped on the way, such as a factorisation: once the flag is raised nobody
    /// waits for it any longer, and its thread ends by itself.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] once the flag has been raised; [`RunError::Numerics`] when the work panics or no thread
    /// can be started.
    pub fn while_waiting<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
        let failed = |reason: String| RunError::Numerics { method: "linear algebra", reason };
        let (sender, receiver) = mpsc::channel();
        let done = move || drop(sender.send(work()));
        thread::Builder::new().spawn(done).map_err(|e| failed(format!("no thread can be started: {e}")))?;
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => return Ok(result),
                Err(mpsc::RecvTimeoutError::Timeout) => self.check()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(failed("it ended without a result".into())),
            }
        }
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
    fn nobody_waits_for_work_once_the_flag_is_raised() {
        let stop = Stop::default();
        assert_eq!(stop.while_waiting(|| 6 * 7).ok(), Some(42));
        assert!(matches!(stop.while_waiting(|| panic!("on purpose")), Err::<u8, _>(RunError::Numerics { .. })));
        let began = std::time::Instant::now();
        let soon = Stop::after(Duration::from_millis(20));
        let late = soon.while_waiting(|| thread::sleep(Duration::from_secs(60)));
        assert!(matches!(late, Err(RunError::Interrupted)) && began.elapsed() < Duration::from_secs(30));
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
