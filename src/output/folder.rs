//! The folder of a run: written under another name and renamed when complete, so that it is there whole or not at all,
//! and so that it takes the place of nothing but a result of the same run.

mod contents;
mod lock;
mod reserve;
mod unfinished;

pub use lock::Lock;
pub use unfinished::{abandon, is_writing};

use super::files::{follow, free_name, io, place, write_whole};
use crate::error::RunError;
use reserve::Reserve;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use unfinished::Writing;

/// A folder being written.
#[derive(Debug)]
pub struct RunFolder {
    /// Where it will be, and how the caller calls that.
    target: PathBuf,
    shown: PathBuf,
    /// Where it is.
    partial: PathBuf,
    /// What makes two runs the same.
    identity: Map<String, Value>,
    files: Map<String, Value>,
    reserve: Reserve,
    writing: Option<Writing>,
    /// Why it is not beside its target any more.
    elsewhere: Option<RunError>,
    /// Whether `partial` stays when this is dropped.
    stays: bool,
    _lock: Lock,
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The manifest of a folder, if it is the folder of a run.
pub fn manifest(folder: &Path) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&fs::read(folder.join("manifest.json")).ok()?).ok()? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

impl RunFolder {
    /// Claim `shown` for the run that `identity` describes, and keep `expected` bytes of its disk until they are needed.
    /// A link to a folder is followed.
    ///
    /// # Errors
    /// When the folder holds anything else than the same run, when another run is writing it, or when the disk is full
    /// or cannot be written.
    pub fn claim(shown: &Path, identity: Map<String, Value>, expected: u64) -> Result<Self, RunError> {
        let target = follow(shown)?;
        let (parent, name) = place(&target)?;
        contents::is_replaced(&target, &identity)?;
        fs::create_dir_all(&parent).map_err(io("create the folder", &parent))?;
        let lock = Lock::take(&target)?;
        contents::is_replaced(&target, &identity)?;
        let stem = parent.join(format!(".{name}.partial-{}", std::process::id()));
        let (partial, ()) = free_name(&stem, |p| fs::create_dir(p)).map_err(io("create the folder", &stem))?;
        unfinished::add(&partial);
        let reserve = Reserve::take(&partial, expected).inspect_err(|_| forget(&partial))?;
        Ok(Self {
            target,
            shown: shown.to_owned(),
            partial,
            identity,
            files: Map::new(),
            reserve,
            writing: None,
            elsewhere: None,
            stays: false,
            _lock: lock,
        })
    }

    /// Add a file. Where the disk takes no more, the folder goes on in the system's folder for temporary files, and
    /// [`finish`](Self::finish) says so.
    ///
    /// # Errors
    /// When it cannot be written there either; what was written until then stays, and the error says where.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.put(name, bytes)?;
        self.files.insert(name.to_owned(), json!(sha256(bytes)));
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.writing.get_or_insert_with(Writing::begin);
        self.reserve.release(bytes.len());
        let Err(error) = write_whole(&self.partial.join(name), bytes) else { return Ok(()) };
        if self.elsewhere.is_none() {
            let reason = error.to_string();
            let moved = self.move_elsewhere().and_then(|()| write_whole(&self.partial.join(name), bytes));
            self.elsewhere = Some(error);
            if moved.is_ok() {
                return Ok(());
            }
            return Err(self.give_up(reason));
        }
        Err(self.give_up(error.to_string()))
    }

    /// Take what is written so far to the system's folder for temporary files.
    fn move_elsewhere(&mut self) -> Result<(), RunError> {
        let (_, name) = place(&self.shown)?;
        let stem = std::env::temp_dir().join(format!("leyden-{name}"));
        let (elsewhere, ()) = free_name(&stem, |p| fs::create_dir(p)).map_err(io("create the folder", &stem))?;
        for (name, _) in &self.files {
            let (from, to) = (self.partial.join(name), elsewhere.join(name));
            if let Err(error) = fs::copy(&from, &to) {
                let _ = fs::remove_dir_all(&elsewhere);
                return Err(io("copy", &from)(error));
            }
        }
        self.reserve.end();
        forget(&self.partial);
        self.partial = elsewhere;
        Ok(())
    }

    /// Leave things where they are.
    fn give_up(&mut self, reason: String) -> RunError {
        self.stays = true;
        self.reserve.end();
        unfinished::remove(&self.partial);
        RunError::Kept { reason, what: "part of the result", place: self.partial.display().to_string() }
    }

    /// Write the manifest (the identity, `facts`, the checksums and `environment`) and give the folder its name.
    ///
    /// # Errors
    /// When something cannot be written, or when the place has been taken since it was claimed: the result then has a name
    /// of its own, which the error tells.
    pub fn finish(mut self, facts: Map<String, Value>, environment: Value) -> Result<PathBuf, RunError> {
        let mut all = self.identity.clone();
        all.extend(facts);
        all.insert("files".into(), Value::Object(self.files.clone()));
        all.insert("environment".into(), environment);
        let text = serde_json::to_string_pretty(&Value::Object(all))
            .map_err(|e| RunError::Request(format!("cannot encode the manifest: {e}")))?;
        self.put("manifest.json", format!("{text}\n").as_bytes())?;
        self.reserve.end();
        self.stays = true;
        let kept = |reason: String, place: &Path| RunError::Kept {
            reason,
            what: "the result",
            place: place.display().to_string(),
        };
        if let Some(error) = &self.elsewhere {
            return Err(kept(error.to_string(), &self.partial));
        }
        let settled = unfinished::settle(&self.partial, || self.take_place());
        let Err(error) = settled else { return Ok(self.shown.clone()) };
        // Somebody else's: a name beside it.
        let beside = unfinished::settle(&self.partial, || move_to_free(&self.partial, &self.target));
        unfinished::remove(&self.partial);
        Err(kept(error.to_string(), beside.as_deref().unwrap_or(&self.partial)))
    }

    /// Rename the folder to its target. What was there is put aside first and deleted last.
    fn take_place(&self) -> Result<(), RunError> {
        let target = &self.target;
        let put = || rename(&self.partial, target).map_err(io("create", target));
        if !contents::is_replaced(target, &self.identity)? {
            return put();
        }
        let (parent, name) = place(target)?;
        let stem = parent.join(format!(".{name}.old-{}", std::process::id()));
        let aside = move_to_free(target, &stem).map_err(io("move aside", target))?;
        // Nobody finds it under this name by accident: what is in it now is all that there will be.
        if let Err(error) = contents::is_replaced(&aside, &self.identity).and_then(|_| put()) {
            let _ = rename(&aside, target);
            return Err(error);
        }
        contents::delete(&aside);
        Ok(())
    }
}

/// Rename a folder; an empty folder may be in the way, any other is an error.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    let _ = fs::remove_dir(to);
    fs::rename(from, to)
}

/// Rename a folder to the first free name of `stem`, `stem-1`, ….
fn move_to_free(from: &Path, stem: &Path) -> std::io::Result<PathBuf> {
    let (free, ()) = free_name(stem, |p| fs::create_dir(p))?;
    rename(from, &free).map(|()| free)
}

/// Delete an unfinished folder of ours.
fn forget(partial: &Path) {
    let _ = fs::remove_dir_all(partial);
    unfinished::remove(partial);
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.stays {
            forget(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests;
