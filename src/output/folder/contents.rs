//! What lies in a folder that a result is to replace: nothing, a result of the same run, or something to be left alone.

use super::super::files::io;
use super::{INPUT_FILE, Run, manifest};
use crate::error::RunError;
use serde_json::{Map, Value};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Names that an error message lists before it only counts.
const NAMED: usize = 5;

/// The manifest of the result in `target` that the run `new` may replace, or `None` where nothing is there or an empty
/// folder.
///
/// # Errors
/// [`RunError::Occupied`] where there is anything that no result has written, [`RunError::OtherResult`] where there is a
/// result of something else and `new` is not to replace that by force.
pub(super) fn replaceable(target: &Path, new: &Run) -> Result<Option<Map<String, Value>>, RunError> {
    let shown = target.display();
    let occupied = |text: String| Err(RunError::Occupied(text));
    match fs::symlink_metadata(target) {
        // What is in the way of the folder that it would be in will show when that is made.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(io("read", target)(error)),
        Ok(metadata) if !metadata.is_dir() => return occupied(format!("{shown} exists and is not a folder")),
        Ok(_) => {}
    }
    let Some(existing) = manifest(target) else {
        let names = foreign(target, &Map::new())?;
        return match names.is_empty() {
            true => Ok(None),
            false => occupied(format!("{shown} holds files that are no run of leyden: {}", list(&names))),
        };
    };
    let names = foreign(target, &existing)?;
    if !names.is_empty() {
        return occupied(format!("{shown} holds what its run has not written: {}", list(&names)));
    }
    match other(&existing, new) {
        Some(difference) if !new.force => {
            Err(RunError::OtherResult(format!("{shown} already holds a different run ({difference})")))
        }
        _ => Ok(Some(existing)),
    }
}

/// In what a result is of something else than the run `new`: it is neither of the same run, nor of the same command and
/// the same input file as that once was.
fn other(existing: &Map<String, Value>, new: &Run) -> Option<String> {
    let (key, here) = new.identity.iter().find(|(key, value)| existing.get(*key) != Some(value))?;
    let same_command = existing.get("command") == new.identity.get("command");
    let file = existing.get("environment").and_then(|e| e.get(INPUT_FILE)).and_then(Value::as_str);
    match (&new.input_file, file) {
        (Some(here), Some(there)) if same_command => {
            (here != there).then(|| format!("of the input {there}, and this one is {here}"))
        }
        _ => {
            let key = if same_command { key.as_str() } else { "command" };
            let brief = |v: Option<&Value>| match v {
                Some(Value::String(text)) if text.contains('\n') => "another text".to_owned(),
                Some(v) => v.to_string(),
                None => "nothing".to_owned(),
            };
            let here = if same_command { Some(here) } else { new.identity.get("command") };
            Some(format!("{key}: {} there, {} here", brief(existing.get(key)), brief(here)))
        }
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
