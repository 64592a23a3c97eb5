//! What this process has on the disk that is not a result yet, so that a process that must end at once leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Unfinished {
    paths: Vec<PathBuf>,
    /// Results that are on their way to the disk.
    writing: usize,
}

static UNFINISHED: Mutex<Unfinished> = Mutex::new(Unfinished { paths: Vec::new(), writing: 0 });

fn all() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn add(path: &Path) {
    all().paths.push(path.to_owned());
}

pub(super) fn remove(path: &Path) {
    all().paths.retain(|other| other != path);
}

/// Make `partial` a result by `rename`, with nothing abandoned in between.
pub(super) fn settle<T, E>(partial: &Path, rename: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut all = all();
    let done = rename()?;
    all.paths.retain(|other| other != partial);
    Ok(done)
}

/// Counts as writing results while it lives.
#[derive(Debug)]
pub(super) struct Writing;

impl Writing {
    pub fn begin() -> Self {
        all().writing += 1;
        Self
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        all().writing -= 1;
    }
}

/// Whether results are on their way to the disk: worth waiting for.
pub fn is_writing() -> bool {
    all().writing > 0
}

/// Delete what is unfinished, for a process that is about to end: until it does, nothing becomes a result any more.
pub fn abandon() -> impl Sized {
    let all = all();
    for path in &all.paths {
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    all
}
