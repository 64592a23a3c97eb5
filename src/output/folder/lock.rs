//! One writer at a time: a lock beside a result folder, which the system takes back from a process that dies.

use super::super::files::{follow, io, place};
use super::unfinished;
use crate::error::RunError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The right to write one folder; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _file: File,
}

impl Lock {
    /// Take the lock of `folder`, or of where a link leads, or say at once that somebody else has it.
    ///
    /// # Errors
    /// [`RunError::Occupied`] while another process writes the folder; otherwise what the file system says.
    pub fn take(folder: &Path) -> Result<Self, RunError> {
        let (parent, name) = place(&follow(folder)?)?;
        let path = parent.join(format!(".{name}.lock"));
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(io("write", &path))?;
            match file.try_lock() {
                // A file system that knows no locks is no reason not to run.
                Ok(()) | Err(TryLockError::Error(_)) => {}
                Err(TryLockError::WouldBlock) => {
                    let text = format!("{} is being written by another run", folder.display());
                    return Err(RunError::Occupied(text));
                }
            }
            // Who had it before may have deleted it while it was being opened here.
            if is_still(&file, &path) {
                unfinished::add(&path);
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        unfinished::remove(&self.path);
    }
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |metadata: std::io::Result<fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
    let ours = number(file.metadata());
    ours.is_some() && ours == number(fs::symlink_metadata(path))
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}
