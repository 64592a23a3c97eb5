//! A run on the disk that is not at its end: its batches so far, and what run they are of.

use super::files::{self, refill};
use super::folder::{Digest, sha256};
use crate::error::RunError;
use crate::run::Batches;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// How such a file begins; another number stands for another form.
const MAGIC: &str = "leyden checkpoint 1\n";
/// Digits of the checksum.
const SUM: usize = 64;

/// Batches with the run that they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What makes the run the same as another.
    pub identity: Map<String, Value>,
    /// Its batches so far.
    pub batches: Batches,
}

/// As it is encoded.
#[derive(Serialize)]
struct Storing<'a> {
    /// JSON.
    identity: String,
    batches: &'a Batches,
}

/// The same when it is read.
#[derive(Deserialize)]
struct Stored {
    identity: String,
    batches: Batches,
}

/// Hands on what it is given, and adds it to a checksum.
struct Summed<W> {
    to: W,
    sum: Digest,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.sum.write_all(&bytes[..n])?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Checkpoint {
    /// Write what is in the file: a line that says what it is, a line with the checksum of the rest, and the rest.
    ///
    /// # Errors
    /// When it cannot be encoded or written.
    pub fn encode(&self, file: &mut (impl Write + Seek)) -> io::Result<()> {
        let stored = Storing { identity: serde_json::to_string(&self.identity)?, batches: &self.batches };
        file.write_all(&[MAGIC.as_bytes(), &[b' '; SUM], b"\n"].concat())?;
        let rest = BufWriter::new(Summed { to: &mut *file, sum: Digest::default() });
        let rest = postcard::to_io(&stored, rest).map_err(io::Error::other)?;
        let sum = rest.into_inner().map_err(io::IntoInnerError::into_error)?.sum.hex();
        file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
        file.write_all(sum.as_bytes())?;
        file.seek(SeekFrom::End(0)).map(|_| ())
    }

    /// Read the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is no checkpoint or one of another version, or is damaged.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(files::io("read", path))?;
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
        let (sum, rest) = rest.split_at_checked(SUM + 1).ok_or_else(damaged)?;
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
        refill(path, &|file| self.encode(file))
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
        let mut whole = io::Cursor::new(Vec::new());
        checkpoint().encode(&mut whole).unwrap();
        let whole = whole.into_inner();
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
