//! Files that are there whole or not at all, under names that nobody else uses.

use crate::error::RunError;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

/// Names that are tried before giving up.
const MOST_NAMES: usize = 10_000;

/// What the file system refused, as our error.
pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::Io { action, path, source }
}

/// The folder that `path` is in, and its own name there.
///
/// # Errors
/// When it has no name of its own, such as `..` or `/`.
pub(super) fn place(path: &Path) -> Result<(PathBuf, String), RunError> {
    let name = path
        .file_name()
        .ok_or_else(|| RunError::Request(format!("{} cannot be written: it has no name of its own", path.display())))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((parent, name.to_string_lossy().into_owned()))
}

/// Where a link at `path` leads, or `path` itself.
///
/// # Errors
/// When the link leads nowhere.
pub(super) fn follow(path: &Path) -> Result<PathBuf, RunError> {
    if !path.is_symlink() {
        // A folder that moves must not be on the way to itself: `out/../out`.
        let winds = path.components().any(|part| matches!(part, Component::ParentDir));
        let parent = path.parent().filter(|parent| winds && parent.is_dir());
        return match (parent, path.file_name()) {
            (Some(parent), Some(name)) => {
                Ok(fs::canonicalize(parent).map_err(io("find the folder", parent))?.join(name))
            }
            _ => Ok(path.to_owned()),
        };
    }
    fs::canonicalize(path).map_err(|_| {
        let to = fs::read_link(path).unwrap_or_default();
        RunError::Occupied(format!("{} is a link to {}, where there is nothing", path.display(), to.display()))
    })
}

/// The first of `stem`, `stem-1`, `stem-2`, … for which `make` finds nothing in its way.
pub(super) fn free_name<T>(
    stem: &Path,
    mut make: impl FnMut(&Path) -> std::io::Result<T>,
) -> std::io::Result<(PathBuf, T)> {
    let mut last = ErrorKind::AlreadyExists.into();
    for k in 0..MOST_NAMES {
        let mut name = stem.as_os_str().to_owned();
        if k > 0 {
            name.push(format!("-{k}"));
        }
        let path = PathBuf::from(name);
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// What fills a new file, perhaps a second time in another place.
pub type Filling<'a> = dyn Fn(&mut fs::File) -> std::io::Result<()> + 'a;

/// Write a new file to the disk.
pub(super) fn write_whole(path: &Path, fill: &Filling) -> Result<(), RunError> {
    let mut file = fs::File::create(path).map_err(io("write", path))?;
    fill(&mut file).map_err(io("write", path))?;
    file.sync_all().map_err(io("write", path))
}

/// Put `bytes` under `path`, whole or not at all; a link there stays, and what it leads to is replaced.
///
/// # Errors
/// When it cannot be written; what was there before then still is.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    refill(path, &|file| file.write_all(bytes))
}

/// The same of what `fill` writes.
///
/// # Errors
/// When it cannot be written; what was there before then still is.
pub fn refill(path: &Path, fill: &Filling) -> Result<(), RunError> {
    let path = &follow(path)?;
    let (parent, name) = place(path)?;
    let stem = parent.join(format!(".{name}.partial-{}", std::process::id()));
    let (partial, _) = free_name(&stem, |p| fs::File::create_new(p)).map_err(io("write", path))?;
    let written = write_whole(&partial, fill).and_then(|()| fs::rename(&partial, path).map_err(io("write", path)));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let stem = folder.path().join("name");
        for expected in ["name", "name-1", "name-2"] {
            assert_eq!(free_name(&stem, |p| fs::create_dir(p)).unwrap().0, folder.path().join(expected));
        }
        assert!(free_name(&folder.path().join("none/name"), |p| fs::create_dir(p)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("real"), "old").unwrap();
        std::os::unix::fs::symlink("real", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        replace_file(&at("link"), b"new").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read(at("real")).unwrap(), b"new");
        let refused = replace_file(&at("dangling"), b"new").unwrap_err().to_string();
        assert!(refused.contains("a link to nowhere"), "{refused}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
