//! A request to end early, shared by whoever makes it and whatever long loop should hear it.

use crate::error::RunError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that is raised once; its clones are one flag. Every loop that may take longer than a second looks at it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Raise the flag.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been raised.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// To be called with `?` in long loops.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] once the flag has been raised.
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
}
