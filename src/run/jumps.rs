//! Every jump of a run, in memory while they are few and in a temporary file when they are many.

use super::shots::Jump;
use serde::de::{SeqAccess, Visitor};
use serde::ser::{Error, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

/// Jumps that are kept in memory, 32 MB of them; more go to the file together.
const IN_MEMORY: usize = 1 << 20;
/// Bytes of a jump in the file.
const BYTES: usize = 32;
/// Jumps that are read from it at a time.
const AT_A_TIME: usize = 1 << 14;

/// A list of jumps that grows at its end. What does not fit into memory lies in the folder for temporary files
/// ([`std::env::temp_dir`], of the command the folder of the result), in a file without a name that vanishes with its last user;
/// where nothing can be written there, memory has to do. Copies share the file, and who appends to a shared one copies it.
#[derive(Clone, Default)]
pub struct Jumps {
    spooled: Option<Spool>,
    /// Those after the ones in the file.
    memory: Vec<Jump>,
    /// How many of them there were when the file took no more.
    refused: usize,
    /// Whether some could not be read when they were appended.
    lost: bool,
}

#[derive(Clone)]
struct Spool {
    file: Arc<Mutex<File>>,
    jumps: usize,
}

impl Jumps {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.spooled.as_ref().map_or(0, |spool| spool.jumps) + self.memory.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Append one.
    pub fn push(&mut self, jump: Jump) {
        self.memory.push(jump);
        if self.memory.len() >= self.refused + IN_MEMORY {
            self.spill();
        }
    }

    /// Append jumps that follow these. Where they lie in a file and cannot be read, neither can these from now on.
    pub fn append(&mut self, later: Self) {
        if self.is_empty() && !self.lost {
            *self = later;
        } else if later.each(&mut |jump| self.push(*jump)).is_err() {
            self.lost = true;
        }
    }

    /// Hand over all of them, from the first to the last.
    ///
    /// # Errors
    /// When those that lie in a file cannot be read.
    pub fn each(&self, take: &mut dyn FnMut(&Jump)) -> io::Result<()> {
        if self.lost {
            return Err(io::Error::other("a temporary file could not be read"));
        }
        if let Some(spool) = &self.spooled {
            spool.each(take)?;
        }
        self.memory.iter().for_each(take);
        Ok(())
    }

    /// One number of each of them.
    ///
    /// # Errors
    /// When those that lie in a file cannot be read.
    pub fn column<T>(&self, of: impl Fn(&Jump) -> T) -> io::Result<Vec<T>> {
        let mut all = Vec::with_capacity(self.len());
        self.each(&mut |jump| all.push(of(jump)))?;
        Ok(all)
    }

    /// Take what is in memory to the file.
    fn spill(&mut self) {
        let own = match self.spooled.take() {
            Some(spool) if Arc::strong_count(&spool.file) == 1 => Ok(spool),
            shared => Spool::new(shared.as_ref()).map_err(|_| shared),
        };
        self.refused = self.memory.len();
        self.spooled = match own {
            Ok(mut spool) => {
                if spool.write(&self.memory).is_ok() {
                    self.memory.clear();
                    self.refused = 0;
                }
                Some(spool)
            }
            Err(shared) => shared,
        };
    }
}

impl Spool {
    /// A new file, with what is in another one.
    fn new(of: Option<&Self>) -> io::Result<Self> {
        let mut new = Self { file: Arc::new(Mutex::new(tempfile::tempfile()?)), jumps: 0 };
        if let Some(of) = of {
            let (mut part, mut wrong) = (Vec::with_capacity(AT_A_TIME), Ok(()));
            of.each(&mut |jump| {
                part.push(*jump);
                if part.len() == AT_A_TIME && wrong.is_ok() {
                    wrong = new.write(&part);
                    part.clear();
                }
            })?;
            wrong.and_then(|()| new.write(&part))?;
        }
        Ok(new)
    }

    /// Append jumps: all of them or, to whoever reads it, none.
    fn write(&mut self, jumps: &[Jump]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
        file.seek(SeekFrom::Start((self.jumps * BYTES) as u64))?;
        let mut bytes = Vec::with_capacity(AT_A_TIME * BYTES);
        for part in jumps.chunks(AT_A_TIME) {
            bytes.clear();
            part.iter().for_each(|jump| bytes.extend(encoded(jump)));
            file.write_all(&bytes)?;
        }
        self.jumps += jumps.len();
        Ok(())
    }

    fn each(&self, take: &mut dyn FnMut(&Jump)) -> io::Result<()> {
        let mut bytes = vec![0; AT_A_TIME * BYTES];
        for first in (0..self.jumps).step_by(AT_A_TIME) {
            let bytes = &mut bytes[..(self.jumps - first).min(AT_A_TIME) * BYTES];
            {
                // Others may read from elsewhere in between.
                let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
                file.seek(SeekFrom::Start((first * BYTES) as u64))?;
                file.read_exact(bytes)?;
            }
            bytes.as_chunks::<BYTES>().0.iter().for_each(|jump| take(&decoded(jump)));
        }
        Ok(())
    }
}

fn encoded(jump: &Jump) -> [u8; BYTES] {
    let Jump { time, cycle, step, channel, two_j } = jump;
    let words = [time.to_bits(), *cycle, join(*step, *channel), join(two_j[0] as u32, two_j[1] as u32)];
    let mut bytes = [0; BYTES];
    bytes.as_chunks_mut().0.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
    bytes
}

fn decoded(bytes: &[u8; BYTES]) -> Jump {
    let mut words = [0; BYTES / 8];
    words.iter_mut().zip(bytes.as_chunks().0).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
    let [time, cycle, place, two_j] = words;
    let high = |word: u64| (word >> 32) as u32;
    Jump {
        time: f64::from_bits(time),
        cycle,
        step: high(place),
        channel: place as u32,
        two_j: [high(two_j) as i32, two_j as u32 as i32],
    }
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl FromIterator<Jump> for Jumps {
    fn from_iter<I: IntoIterator<Item = Jump>>(jumps: I) -> Self {
        let mut all = Self::default();
        jumps.into_iter().for_each(|jump| all.push(jump));
        all
    }
}

impl fmt::Debug for Jumps {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} jumps", self.len())
    }
}

/// Equal where both can be read and have the same.
impl PartialEq for Jumps {
    fn eq(&self, other: &Self) -> bool {
        let all = |of: &Self| of.column(|jump| *jump);
        self.len() == other.len() && matches!((all(self), all(other)), (Ok(mine), Ok(theirs)) if mine == theirs)
    }
}

impl Serialize for Jumps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.len()))?;
        let mut failed = None;
        let read = self.each(&mut |jump| {
            if failed.is_none() {
                failed = all.serialize_element(jump).err();
            }
        });
        read.map_err(|error| S::Error::custom(format!("the jumps cannot be read: {error}")))?;
        failed.map_or(Ok(()), Err)?;
        all.end()
    }
}

impl<'de> Deserialize<'de> for Jumps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Jumps;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of jumps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Jumps, A::Error> {
                let mut all = Jumps::default();
                while let Some(jump) = list.next_element()? {
                    all.push(jump);
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(k: usize) -> Jump {
        let two_j = if k.is_multiple_of(3) { [-1; 2] } else { [k as i32, k as i32 - 2] };
        Jump { time: k as f64 * 0.1, cycle: k as u64 / 7, step: k as u32 % 3, channel: k as u32 % 2, two_j }
    }

    fn all(of: &Jumps) -> Vec<Jump> {
        of.column(|jump| *jump).unwrap()
    }

    /// More than memory keeps lie in a file, in the same order and with the same bits.
    #[test]
    fn many_are_spooled() {
        let n = 2 * IN_MEMORY + 5;
        let jumps: Jumps = (0..n).map(jump).collect();
        assert_eq!((jumps.len(), jumps.memory.len(), jumps.spooled.as_ref().unwrap().jumps), (n, 5, 2 * IN_MEMORY));
        assert!(all(&jumps).iter().enumerate().all(|(k, found)| *found == jump(k)));
    }

    /// Wherever they lie they are stored as a list of jumps is.
    #[test]
    fn what_is_stored_is_read() {
        let mut jumps: Jumps = (0..600).map(jump).collect();
        jumps.spill();
        (600..1_000).for_each(|k| jumps.push(jump(k)));
        assert_eq!((jumps.spooled.as_ref().unwrap().jumps, jumps.memory.len()), (600, 400));
        let stored = serde_json::to_string(&jumps).unwrap();
        assert_eq!(stored, serde_json::to_string(&(0..1_000).map(jump).collect::<Vec<_>>()).unwrap());
        assert!(serde_json::from_str::<Jumps>(&stored).unwrap() == jumps);
    }

    /// Copies share the file; what one of them appends the other does not see.
    #[test]
    fn copies_go_their_own_ways() {
        let mut first: Jumps = (0..IN_MEMORY + 1).map(jump).collect();
        let mut second = first.clone();
        (0..IN_MEMORY - 1).for_each(|k| first.push(jump(k)));
        (7..IN_MEMORY + 6).for_each(|k| second.push(jump(k)));
        assert!(first != second && all(&first)[..=IN_MEMORY] == all(&second)[..=IN_MEMORY]);
        assert_eq!((all(&first)[IN_MEMORY + 1], all(&second)[IN_MEMORY + 1]), (jump(0), jump(7)));
        let (mut joined, n) = (first.clone(), first.len() + second.len());
        joined.append(second);
        assert!(joined.len() == n && all(&first).len() == 2 * IN_MEMORY && all(&joined)[..5] == all(&first)[..5]);
    }
}
