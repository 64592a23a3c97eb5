//! Ctrl-C and termination: one flag that all work looks at, and an end within about a second whatever the work is.

use super::print::note;
use crate::output::folder;
use crate::stop::Stop;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

static STOP: LazyLock<Stop> = LazyLock::new(Stop::default);
/// When the flag was raised.
static SINCE: Mutex<Option<Instant>> = Mutex::new(None);
/// Which [`PATIENCE`] an early end asks for.
static STAGE: AtomicUsize = AtomicUsize::new(0);

/// Until when samples may be evaluated after the flag was raised; then what takes no time is kept.
const EVALUATION: Duration = Duration::from_millis(800);
/// How long to wait for work that has nothing to keep, that keeps what it has, and that is writing it.
const PATIENCE: [Duration; 3] = [Duration::from_millis(700), Duration::from_secs(3), Duration::from_secs(30)];
/// Exit status of a command that was interrupted.
pub const STATUS: u8 = 130;
/// A second signal within this time is the first once more, as `timeout` and shells send it to a group.
const ONCE: Duration = Duration::from_millis(500);

/// The flag of this command.
pub fn stop() -> Stop {
    STOP.clone()
}

/// From now on an early end keeps something.
pub fn keep() {
    STAGE.fetch_max(1, Ordering::Relaxed);
}

/// From now on this process waits for others, and what is to be kept does not depend on when it ends: they may have something
/// to write first, or to say goodbye.
pub fn wait_for_others() {
    STAGE.fetch_max(2, Ordering::Relaxed);
}

/// A flag for what is made of the samples: raised when the command is interrupted, or if it already is, a little later.
pub fn evaluation() -> Stop {
    match since() {
        None => stop(),
        Some(since) => Stop::after(EVALUATION.saturating_sub(since.elapsed())),
    }
}

/// Let Ctrl-C and termination raise the flag instead of ending the program at once.
pub fn listen() {
    // A system without signals leaves things as they are.
    let _ = ctrlc::set_handler(|| {
        let first = *SINCE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        if STOP.is_requested() {
            if first.elapsed() > ONCE {
                leave();
            }
            return;
        }
        STOP.request();
        let _ = thread::Builder::new().spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(20));
                let stage = if folder::is_writing() { 2 } else { STAGE.load(Ordering::Relaxed) };
                if first.elapsed() > PATIENCE[stage] {
                    leave();
                }
            }
        });
    });
}

/// When the flag was raised; also another process of the same run may have asked for it.
fn since() -> Option<Instant> {
    let mut since = SINCE.lock().unwrap_or_else(PoisonError::into_inner);
    if STOP.is_requested() { Some(*since.get_or_insert_with(Instant::now)) } else { *since }
}

/// The end of a command that was interrupted before there was anything to keep.
pub fn nothing_kept() -> ExitCode {
    note!("interrupted: nothing was kept");
    ExitCode::from(STATUS)
}

/// End the program although something is still at work.
fn leave() -> ! {
    let _nothing_more_is_written = folder::abandon();
    let _ = nothing_kept();
    std::process::exit(STATUS.into())
}
