//! Space on the disk that is kept for the results until they are written: better refused now than after an hour.

use super::super::files::io;
use crate::error::RunError;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Given back with each file beside what it takes itself, for what the file system takes.
const OVERHEAD: u64 = 1 << 16;

/// A file of nothing in particular.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    file: Option<File>,
    left: u64,
}

impl Reserve {
    /// Take `bytes` of the disk that `folder` is on.
    pub fn take(folder: &Path, bytes: u64) -> Result<Self, RunError> {
        let path = folder.join(".reserve");
        let mut file = File::create(&path).map_err(io("write", &path))?;
        let block = vec![0x5au8; 1 << 20];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(block.len() as u64);
            file.write_all(&block[..now as usize]).map_err(io("reserve space in", folder))?;
            left -= now;
        }
        file.sync_all().map_err(io("reserve space in", folder))?;
        Ok(Self { path, file: Some(file), left: bytes })
    }

    /// Give back what a file of `bytes` takes.
    pub fn release(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub((bytes as u64).saturating_add(OVERHEAD));
        // Where this fails, the file that is to be written will tell.
        let _ = self.file.as_ref().map(|file| file.set_len(self.left));
    }

    /// Give back everything.
    pub fn end(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
