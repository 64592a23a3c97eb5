//! A run on the disk that is not at its end: its batches so far, and what run they are of.

use super::files::{io, replace_file};
use super::folder::sha256;
use crate::error::RunError;
use crate::run::Batches;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// How such a file begins; another number stands for another form.
const MAGIC: &str = "leyden checkpoint 1\n";

/// Batches with the run that they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What makes the run the same as another.
    pub identity: Map<String, Value>,
    /// Its batches so far.
    pub batches: Batches,
}

/// As it is encoded.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// JSON.
    identity: String,
    batches: Batches,
}

impl Checkpoint {
    /// The bytes of the file: a line that says what it is, a line with the checksum of the rest, and the rest.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, RunError> {
        let failed = |reason: String| RunError::Request(format!("a checkpoint cannot be encoded: {reason}"));
        let identity = serde_json::to_string(&self.identity).map_err(|e| failed(e.to_string()))?;
        let stored = Stored { identity, batches: self.batches.clone() };
        let rest = postcard::to_stdvec(&stored).map_err(|e| failed(e.to_string()))?;
        Ok([MAGIC.as_bytes(), sha256(&rest).as_bytes(), b"\n", &rest].concat())
    }

    /// Read the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is no checkpoint or one of another version, or is damaged.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(io("read", path))?;
        Self::decode(&bytes).map_err(|reason| RunError::Request(format!("{} {reason}", path.display())))
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let damaged = || "is damaged or was cut short: its checksum is not that of what it holds".to_owned();
        let (magic, rest) = bytes.split_at_checked(MAGIC.len()).ok_or_else(damaged)?;
        if magic != MAGIC.as_bytes() {
            let known = magic.starts_with(MAGIC.split_at(MAGIC.len() - 2).0.as_bytes());
            return Err(
                if known { "was written by another version of leyden" } else { "is no checkpoint of leyden" }.into()
            );
        }
        let (sum, rest) = rest.split_at_checked(65).ok_or_else(damaged)?;
        if sum.strip_suffix(b"\n") != Some(sha256(rest).as_bytes()) {
            return Err(damaged());
        }
        let stored: Stored = postcard::from_bytes(rest).map_err(|_| damaged())?;
        let identity = serde_json::from_str(&stored.identity).map_err(|_| damaged())?;
        Ok(Self { identity, batches: stored.batches })
    }

    /// Write it to `path`, whole or not at all, whenever the machine fails.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is still there then.
    pub fn write(&self, path: &Path) -> Result<(), RunError> {
        replace_file(path, &self.encode()?)
    }

    /// The first thing in which this run is another one than that which `identity` describes.
    pub fn differs(&self, identity: &Map<String, Value>) -> Option<String> {
        let keys = self.identity.keys().chain(identity.keys());
        let differs = |key: &&String| self.identity.get(*key) != identity.get(*key);
        let short = |value: Option<&Value>| match value.map(Value::to_string) {
            Some(text) if text.len() <= 40 => Some(text),
            _ => None,
        };
        let key = keys.into_iter().find(differs)?;
        Some(match (short(self.identity.get(key)), short(identity.get(key))) {
            (Some(there), Some(here)) => format!("{key} is {there} there and {here} here"),
            _ => format!("in {key}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checkpoint() -> Checkpoint {
        let identity = [("seed", json!(3)), ("input", json!("N = 2"))].map(|(key, value)| (key.to_owned(), value));
        Checkpoint { identity: identity.into_iter().collect(), batches: Batches::default() }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.checkpoint");
        checkpoint().write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), checkpoint());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    /// Every flipped bit and every missing end is found.
    #[test]
    fn damage_is_refused() {
        let whole = checkpoint().encode().unwrap();
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << (place % 8);
            assert!(Checkpoint::decode(&flipped).is_err(), "byte {place} flipped");
            assert!(Checkpoint::decode(&whole[..place]).is_err(), "cut at byte {place}");
        }
        let older = [b"leyden checkpoint 0\n", &whole[MAGIC.len()..]].concat();
        assert!(Checkpoint::decode(&older).unwrap_err().contains("another version"));
        assert!(Checkpoint::decode(b"time,step,cycle,energy\n0,a,0,1\n").unwrap_err().contains("no checkpoint"));
    }

    #[test]
    fn another_run_is_named() {
        let mut other = checkpoint().identity;
        assert_eq!(checkpoint().differs(&other), None);
        other.insert("seed".into(), json!(4));
        assert_eq!(checkpoint().differs(&other).unwrap(), "seed is 3 there and 4 here");
    }
}
