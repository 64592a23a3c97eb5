//! Printing for whoever listens: a reader that has gone is no error, and a full disk is one line, not a panic.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the standard output failed with first; nothing is printed after it.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether nothing is printed at all: another process of the same run does it.
static HUSHED: AtomicBool = AtomicBool::new(false);

/// Print nothing from now on.
#[cfg(feature = "mpi")]
pub fn hush() {
    HUSHED.store(true, Ordering::Relaxed);
}

fn failed() -> MutexGuard<'static, Option<io::Error>> {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Print results.
pub fn out(text: Arguments<'_>) {
    let mut failed = failed();
    if failed.is_none() && !HUSHED.load(Ordering::Relaxed) {
        *failed = io::stdout().write_fmt(text).err();
    }
}

/// Print what goes on, for whoever is there to read it.
pub fn aside(text: Arguments<'_>) {
    if !HUSHED.load(Ordering::Relaxed) {
        let _ = io::stderr().write_fmt(text);
    }
}

/// Print what is still on its way, and tell whether anything was lost that somebody was there to read.
///
/// # Errors
/// The first failure of the standard output, but for a reader that has gone.
pub fn finish() -> Result<(), String> {
    let mut failed = failed();
    let error = failed.take().or_else(|| io::stdout().flush().err());
    match error {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write to the standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// A line of results.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// A line beside the results, on the standard error stream.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::print::aside(format_args!("{}\n", format_args!($($text)*))) };
}

pub(super) use {note, say};
