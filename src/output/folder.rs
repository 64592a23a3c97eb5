//! The folder of a run: written under another name and renamed when complete, so that it is there whole or not at all,
//! and so that it takes the place of nothing but a result of the same input, which is kept beside it.

mod contents;
mod lock;
mod reserve;
mod unfinished;

pub use lock::Lock;
pub use unfinished::{abandon, is_writing};

use super::files::{Filling, follow, free_name, io, place, write_whole};
use crate::error::RunError;
use reserve::Reserve;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use unfinished::Writing;

/// The key under `environment` in a manifest that says which file a result is of.
const INPUT_FILE: &str = "input_file";

/// A run whose result is to be written.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What makes it the same as another, as the manifest holds it.
    pub identity: Map<String, Value>,
    /// The whole path of its input file: a result of the same file is replaced, whatever has been changed in that.
    pub input_file: Option<String>,
    /// Whether the result of any other run is replaced too.
    pub force: bool,
}

/// Where a result came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its folder.
    pub place: PathBuf,
    /// The names of its files, the manifest last.
    pub files: Vec<String>,
    /// The folder of the result that it has replaced, where that differed.
    pub previous: Option<PathBuf>,
}

/// A folder being written.
#[derive(Debug)]
pub struct RunFolder {
    /// Where it will be, and how the caller calls that.
    target: PathBuf,
    shown: PathBuf,
    /// Where it is.
    partial: PathBuf,
    run: Run,
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
    let mut digest = Digest::default();
    digest.0.update(bytes);
    digest.hex()
}

/// The SHA-256 of what is written to it, which need not fit into memory.
#[derive(Clone, Debug, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// In hexadecimal.
    pub fn hex(self) -> String {
        self.0.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// The manifest of a folder, if it is the folder of a run.
pub fn manifest(folder: &Path) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&fs::read(folder.join("manifest.json")).ok()?).ok()? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Put files into the folder of a result, each whole or not at all, and their checksums into its manifest.
///
/// # Errors
/// When the folder has no manifest, or something cannot be written.
pub fn amend(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), RunError> {
    let shown = folder.display();
    let mut all =
        manifest(folder).ok_or_else(|| RunError::Request(format!("{shown} has no manifest.json that can be read")))?;
    let listed = all.entry("files").or_insert_with(|| json!({}));
    for (name, bytes) in files {
        super::files::replace_file(&folder.join(name), bytes)?;
        if let Value::Object(listed) = listed {
            listed.insert(name.clone(), json!(sha256(bytes)));
        }
    }
    super::files::replace_file(&folder.join("manifest.json"), encoded(all)?.as_bytes())
}

/// The text of a manifest.
fn encoded(all: Map<String, Value>) -> Result<String, RunError> {
    let text = serde_json::to_string_pretty(&Value::Object(all));
    text.map(|text| text + "\n").map_err(|e| RunError::Request(format!("cannot encode the manifest: {e}")))
}

impl RunFolder {
    /// Claim `shown` for `run`, and keep `expected` bytes of its disk until they are needed. A link to a folder is
    /// followed.
    ///
    /// # Errors
    /// When the folder holds anything else than what `run` may replace, when another run is writing it, or when the disk
    /// is full or cannot be written.
    pub fn claim(shown: &Path, run: Run, expected: u64) -> Result<Self, RunError> {
        let target = follow(shown)?;
        let (parent, name) = place(&target)?;
        contents::replaceable(&target, &run)?;
        fs::create_dir_all(&parent).map_err(io("create the folder", &parent))?;
        let lock = Lock::take(&target)?;
        contents::replaceable(&target, &run)?;
        let stem = parent.join(format!(".{name}.partial-{}", std::process::id()));
        let (partial, ()) = free_name(&stem, |p| fs::create_dir(p)).map_err(io("create the folder", &stem))?;
        unfinished::add(&partial);
        let reserve = Reserve::take(&partial, expected).inspect_err(|_| forget(&partial))?;
        Ok(Self {
            target,
            shown: shown.to_owned(),
            partial,
            run,
            files: Map::new(),
            reserve,
            writing: None,
            elsewhere: None,
            stays: false,
            _lock: lock,
        })
    }

    /// A folder on the disk that the result will be on.
    pub fn disk(&self) -> &Path {
        self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// What makes the run the same as another.
    pub fn identity(&self) -> &Map<String, Value> {
        &self.run.identity
    }

    /// Add a file. Where the disk takes no more, the folder goes on in the system's folder for temporary files, and
    /// [`finish`](Self::finish) says so.
    ///
    /// # Errors
    /// When it cannot be written there either; what was written until then stays, and the error says where.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.put(name, bytes.len(), &|file| file.write_all(bytes))?;
        self.files.insert(name.to_owned(), json!(sha256(bytes)));
        Ok(())
    }

    /// The same of a file that need not fit into memory, of about `size` bytes; returns of how many.
    ///
    /// # Errors
    /// As [`write`](Self::write), and when it cannot be read again.
    pub fn write_long(&mut self, name: &str, size: usize, fill: &Filling) -> Result<u64, RunError> {
        self.put(name, size, fill)?;
        let path = self.partial.join(name);
        let mut digest = Digest::default();
        let read = fs::File::open(&path).and_then(|mut file| std::io::copy(&mut file, &mut digest));
        let written = read.map_err(io("read", &path))?;
        self.files.insert(name.to_owned(), json!(digest.hex()));
        Ok(written)
    }

    fn put(&mut self, name: &str, size: usize, fill: &Filling) -> Result<(), RunError> {
        self.writing.get_or_insert_with(Writing::begin);
        self.reserve.release(size);
        let Err(error) = write_whole(&self.partial.join(name), fill) else { return Ok(()) };
        if self.elsewhere.is_none() {
            let reason = error.to_string();
            let moved = self.move_elsewhere().and_then(|()| write_whole(&self.partial.join(name), fill));
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
    pub fn finish(mut self, facts: Map<String, Value>, mut environment: Value) -> Result<Finished, RunError> {
        let whole = facts.get("interrupted") != Some(&Value::Bool(true));
        if let (Value::Object(map), Some(file)) = (&mut environment, &self.run.input_file) {
            map.insert(INPUT_FILE.into(), json!(file));
        }
        let mut all = self.run.identity.clone();
        all.extend(facts);
        all.insert("files".into(), Value::Object(self.files.clone()));
        all.insert("environment".into(), environment);
        let manifest = encoded(all)?;
        self.put("manifest.json", manifest.len(), &|file| file.write_all(manifest.as_bytes()))?;
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
        let settled = unfinished::settle(&self.partial, || self.take_place(whole));
        let error = match settled {
            Ok(previous) => {
                let files = self.files.keys().cloned().chain(["manifest.json".to_owned()]).collect();
                return Ok(Finished { place: self.shown.clone(), files, previous });
            }
            Err(error) => error,
        };
        // Somebody else's: a name beside it.
        let beside = unfinished::settle(&self.partial, || move_to_free(&self.partial, &self.target));
        unfinished::remove(&self.partial);
        Err(kept(error.to_string(), beside.as_deref().unwrap_or(&self.partial)))
    }

    /// Rename the folder to its target. What was there is put aside first; at last it gets a name beside it, which is
    /// returned, or is deleted if the new result is `whole` and has all that the old one had.
    fn take_place(&self, whole: bool) -> Result<Option<PathBuf>, RunError> {
        let target = &self.target;
        let put = || rename(&self.partial, target).map_err(io("create", target));
        if contents::replaceable(target, &self.run)?.is_none() {
            return put().map(|()| None);
        }
        let (parent, name) = place(target)?;
        let stem = parent.join(format!(".{name}.old-{}", std::process::id()));
        let aside = move_to_free(target, &stem).map_err(io("move aside", target))?;
        // Nobody finds it under this name by accident: what is in it now is all that there will be.
        let old = contents::replaceable(&aside, &self.run).and_then(|old| put().map(|()| old.unwrap_or_default()));
        match old {
            Ok(old) if whole && self.repeats(&old) => {
                contents::delete(&aside);
                Ok(None)
            }
            Ok(_) => Ok(Some(self.keep(aside))),
            Err(error) => {
                let _ = rename(&aside, target);
                Err(error)
            }
        }
    }

    /// Whether an old result is of the same run, and has no file that the new one has not.
    fn repeats(&self, old: &Map<String, Value>) -> bool {
        let listed = old.get("files").and_then(Value::as_object);
        self.run.identity.iter().all(|(key, value)| old.get(key) == Some(value))
            && listed.into_iter().flatten().all(|(name, _)| self.files.contains_key(name))
    }

    /// Call the result that was put aside NAME.previous, in place of an older one of the same input; where something else
    /// has that name, NAME.previous-1, and so on.
    fn keep(&self, aside: PathBuf) -> PathBuf {
        let older = Run { force: false, ..self.run.clone() };
        let mut stem = self.target.clone().into_os_string();
        stem.push(".previous");
        let named = free_name(Path::new(&stem), |path| {
            let in_the_way = || std::io::Error::from(ErrorKind::AlreadyExists);
            if contents::replaceable(path, &older).map_err(|_| in_the_way())?.is_some() {
                contents::delete(path);
            }
            rename(&aside, path).map_err(|error| match error.kind() {
                ErrorKind::DirectoryNotEmpty => in_the_way(),
                _ => error,
            })
        });
        named.map_or(aside, |(path, ())| path)
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
