//! What lies in a folder that a result is to replace: nothing, a result of the same run, or something to be left alone.

use super::super::files::io;
use super::manifest;
use crate::error::RunError;
use serde_json::{Map, Value};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Names that an error message lists before it only counts.
const NAMED: usize = 5;

/// Whether `target` may be replaced by a run that `identity` describes: it is not there or empty (false), or it holds a
/// result of the same run and nothing else (true).
///
/// # Errors
/// [`RunError::Occupied`] with what is there.
pub(super) fn is_replaced(target: &Path, identity: &Map<String, Value>) -> Result<bool, RunError> {
    let shown = target.display();
    let occupied = |text: String| Err(RunError::Occupied(text));
    match fs::symlink_metadata(target) {
        // What is in the way of the folder that it would be in will show when that is made.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(false),
        Err(error) => return Err(io("read", target)(error)),
        Ok(metadata) if !metadata.is_dir() => return occupied(format!("{shown} exists and is not a folder")),
        Ok(_) => {}
    }
    let Some(existing) = manifest(target) else {
        let names = foreign(target, &Map::new())?;
        return match names.is_empty() {
            true => Ok(false),
            false => occupied(format!("{shown} holds files that are no run of leyden: {}", list(&names))),
        };
    };
    if let Some((key, value)) = identity.iter().find(|(key, value)| existing.get(*key) != Some(value)) {
        let brief = |v: Option<&Value>| match v {
            Some(Value::String(text)) if text.contains('\n') => "another text".to_owned(),
            Some(v) => v.to_string(),
            None => "nothing".to_owned(),
        };
        let (there, here) = (brief(existing.get(key)), brief(Some(value)));
        return occupied(format!("{shown} already holds a different run ({key}: {there} there, {here} here)"));
    }
    let names = foreign(target, &existing)?;
    match names.is_empty() {
        true => Ok(true),
        false => occupied(format!("{shown} holds what its run has not written: {}", list(&names))),
    }
}

/// Names in `folder` that its manifest does not list, sorted; a listed name counts only as a plain file.
fn foreign(folder: &Path, manifest: &Map<String, Value>) -> Result<Vec<String>, RunError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io("read", folder))? {
        let entry = entry.map_err(io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !(plain && belongs(&name, manifest)) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn belongs(name: &str, manifest: &Map<String, Value>) -> bool {
    let listed = manifest.get("files").and_then(Value::as_object).is_some_and(|files| files.contains_key(name));
    listed || (name == "manifest.json" && !manifest.is_empty())
}

/// Delete a result and its folder, but nothing that is not the result's, which then stays where it is.
pub(super) fn delete(folder: &Path) {
    let manifest = manifest(folder).unwrap_or_default();
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    // The manifest last: without it the rest would belong to nothing.
    files.sort_by_key(|entry| entry.file_name() == "manifest.json");
    for entry in files {
        let plain = entry.file_type().is_ok_and(|kind| kind.is_file());
        if plain && belongs(&entry.file_name().to_string_lossy(), &manifest) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

fn list(names: &[String]) -> String {
    match names.len() {
        n if n > NAMED => format!("{} and {} more", names[..NAMED].join(", "), n - NAMED),
        _ => names.join(", "),
    }
}
