//! Work without the interpreter's lock, which Ctrl-C ends and which tells how far it is.

use crate::errors::of_run;
use leyden::RunError;
use leyden::stop::Stop;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often signals are looked for and progress is told.
const MOMENT: Duration = Duration::from_millis(50);

/// Do `work` on a thread of its own. A signal whose handler raises, as that of Ctrl-C does, raises `stop`, waits for the work
/// to end, and is passed on. `progress` is called with the number that the work leaves in the counter.
pub fn wait<T: Send>(
    py: Python<'_>,
    stop: &Stop,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&AtomicU64) -> Result<T, RunError> + Send,
) -> PyResult<T> {
    let done = AtomicU64::new(0);
    let progress = progress.map(|told| told.clone().unbind());
    let mut raised = None;
    let result = py.detach(|| {
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel::<()>();
            let (counter, held) = (&done, sender);
            let worker = scope.spawn(move || {
                let _held = held; // gone when the work has ended, whichever way
                work(counter)
            });
            let mut told = 0;
            while receiver.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
                if raised.is_some() {
                    continue;
                }
                let looked = Python::attach(|py| {
                    py.check_signals()?;
                    let now = done.load(Ordering::Relaxed);
                    if let Some(progress) = progress.as_ref().filter(|_| now > told) {
                        told = now;
                        progress.call1(py, (now,))?;
                    }
                    Ok(())
                });
                if let Err(error) = looked {
                    stop.request();
                    raised = Some(error);
                }
            }
            worker.join()
        })
    });
    if let Some(error) = raised {
        return Err(error);
    }
    if let Some(progress) = &progress {
        progress.call1(py, (done.load(Ordering::Relaxed),))?;
    }
    match result {
        Ok(result) => result.map_err(of_run),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(PyRuntimeError::new_err(format!(
                "a thread of leyden failed: {}",
                text.unwrap_or("for no stated reason")
            )))
        }
    }
}
