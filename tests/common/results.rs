//! Results compared byte for byte, and a run that is cut up to see whether it matters.
#![allow(dead_code)] // not all of it by every test file

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Cells and a mode on blocks, with density matrices and shots, in batches of which there are many.
pub const BLOCKS: &str = r#"
title = "cut up"
[parameters]
g = 1.0
[subsystems]
C = { cell = true, energy = 1.0 }
A = { mode = 9, energy = 1.0 }
[battery]
of = ["C"]
[initial]
A = "coherent(1)"
[hamiltonian]
terms = ["g*(sp(C)*a(A) + ad(A)*sm(C))"]
[channels]
leak = { operator = "a(A)", rate = 0.3 }
dephasing = { operator = "n(C)", rate = 0.5 }
[protocol]
steps = [ { name = "charge", evolve = 4.0, samples = 20 } ]
[observe]
quantities = ["energy", "ergotropy", "purity", "jumps"]
[record]
paths = 3
jumps = true
distributions = ["energy", "energy_outcome"]
first_passage = [ { quantity = "energy", above = 0.7 } ]
[run]
trajectories = 6007
"#;

/// Every file below `folder` with its content; folders with none.
pub fn everything(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
            all.insert(path, None);
        } else {
            let content = fs::read(&path).unwrap();
            all.insert(path, Some(content));
        }
    }
    all
}

/// The files of a result by name, the manifest without `environment`.
pub fn result(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |(path, content): (PathBuf, Option<Vec<u8>>)| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut content = content.unwrap();
        if name == "manifest.json" {
            let mut manifest: Value = serde_json::from_slice(&content).unwrap();
            assert!(manifest.as_object_mut().unwrap().remove("environment").is_some());
            content = manifest.to_string().into_bytes();
        }
        (name, content)
    };
    everything(folder).into_iter().map(file).collect()
}

/// The same without a kept checkpoint, which is no part of the comparison with a run that keeps none.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = result(folder);
    if all.remove("checkpoint.bin").is_some() {
        let mut manifest: Value = serde_json::from_slice(&all["manifest.json"]).unwrap();
        manifest["files"].as_object_mut().unwrap().shift_remove("checkpoint.bin").unwrap();
        all.insert("manifest.json".into(), manifest.to_string().into_bytes());
    }
    all
}
