//! The folder of a run: written under another name and renamed when complete, so that it is there whole or not at all.

use crate::error::RunError;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder being written.
#[derive(Debug)]
pub struct RunFolder {
    target: PathBuf,
    partial: PathBuf,
    /// What makes two runs the same.
    identity: Map<String, Value>,
    files: Map<String, Value>,
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::Io { action, path, source }
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
    /// Claim `target` for the run that `identity` describes, and make sure that `expected` bytes fit.
    ///
    /// # Errors
    /// When the folder holds anything else than the same run, or the disk is full or cannot be written.
    pub fn claim(target: &Path, identity: Map<String, Value>, expected: u64) -> Result<Self, RunError> {
        check_vacant(target, &identity)?;
        let name = target.file_name().ok_or_else(|| {
            RunError::Request(format!("{} cannot be an output folder: it has no name of its own", target.display()))
        })?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(io("create the folder", &parent))?;
        let partial = parent.join(format!(".{}.partial-{}", name.to_string_lossy(), std::process::id()));
        fs::create_dir(&partial).map_err(io("create the folder", &partial))?;
        let folder = Self { target: target.to_owned(), partial, identity, files: Map::new() };
        folder.reserve(expected)?;
        Ok(folder)
    }

    /// Write and delete as many bytes as the results will take: better refused now than after an hour.
    fn reserve(&self, bytes: u64) -> Result<(), RunError> {
        let path = self.partial.join("reserve");
        let mut file = fs::File::create(&path).map_err(io("write", &path))?;
        let block = vec![0x5au8; 1 << 20];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(block.len() as u64);
            file.write_all(&block[..now as usize]).map_err(io("reserve space in", &self.partial))?;
            left -= now;
        }
        file.sync_all().map_err(io("reserve space in", &self.partial))?;
        drop(file);
        fs::remove_file(&path).map_err(io("delete", &path))
    }

    /// Add a file.
    ///
    /// # Errors
    /// When it cannot be written; the folder is then abandoned, with no trace.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.put(name, bytes)?;
        self.files.insert(name.to_owned(), json!(sha256(bytes)));
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        write_whole(&self.partial.join(name), bytes)
    }

    /// Write the manifest (the identity, `facts`, the checksums and `environment`) and give the folder its name.
    ///
    /// # Errors
    /// When something cannot be written or renamed.
    pub fn finish(self, facts: Map<String, Value>, environment: Value) -> Result<PathBuf, RunError> {
        let mut all = self.identity.clone();
        all.extend(facts);
        all.insert("files".into(), Value::Object(self.files.clone()));
        all.insert("environment".into(), environment);
        let text = serde_json::to_string_pretty(&Value::Object(all))
            .map_err(|e| RunError::Request(format!("cannot encode the manifest: {e}")))?;
        self.put("manifest.json", format!("{text}\n").as_bytes())?;
        let aside = self.partial.with_extension("old");
        let replaced = self.target.exists();
        if replaced {
            fs::rename(&self.target, &aside).map_err(io("move aside", &self.target))?;
        }
        fs::rename(&self.partial, &self.target).map_err(io("create", &self.target))?;
        if replaced {
            fs::remove_dir_all(&aside).map_err(io("delete", &aside))?;
        }
        Ok(self.target.clone())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut file = fs::File::create(path).map_err(io("write", path))?;
    file.write_all(bytes).map_err(io("write", path))?;
    file.sync_all().map_err(io("write", path))
}

/// Put `bytes` under `path`, whole or not at all.
///
/// # Errors
/// When it cannot be written; what was there before then still is.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = write_whole(&partial, bytes).and_then(|()| fs::rename(&partial, path).map_err(io("write", path)));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name; after an error nothing must be left.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn check_vacant(target: &Path, identity: &Map<String, Value>) -> Result<(), RunError> {
    if !target.exists() {
        return Ok(());
    }
    let shown = target.display();
    if !target.is_dir() {
        return Err(RunError::Occupied(format!("{shown} exists and is not a folder; choose another with --out")));
    }
    let Some(existing) = manifest(target) else {
        let empty = fs::read_dir(target).map_err(io("read", target))?.next().is_none();
        return match empty {
            true => Ok(()),
            false => Err(RunError::Occupied(format!(
                "{shown} holds files that are no run of leyden; choose another folder with --out"
            ))),
        };
    };
    match identity.iter().find(|(key, value)| existing.get(*key) != Some(value)) {
        None => Ok(()),
        Some((key, value)) => {
            let brief = |v: Option<&Value>| match v {
                Some(Value::String(text)) if text.contains('\n') => "another text".to_owned(),
                Some(v) => v.to_string(),
                None => "nothing".to_owned(),
            };
            Err(RunError::Occupied(format!(
                "{shown} already holds a different run ({key}: {} there, {} here); \
                 choose another folder with --out or delete it",
                brief(existing.get(key)),
                brief(Some(value))
            )))
        }
    }
}
