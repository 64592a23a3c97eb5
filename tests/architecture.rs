//! Which room may know which: the directions of `use crate::…`, and how long a file may grow.

use std::fs;
use std::path::{Path, PathBuf};

/// For each module, the modules it may import; problem ← space ← evolve ← unravel ← run ← cli.
///
/// estimate draws on nothing that samples, so that results can be evaluated wherever they come from. The exact rate
/// equation shares with the ladder the compilation of a problem and with estimate the formulas of its columns; the
/// naive reference under exact has a rule of its own.
const MAY_IMPORT: [(&str, &[&str]); 23] = [
    // The library in three calls.
    ("facade", &["error", "estimate", "exact", "problem", "space", "run", "stop", "table", "unravel"]),
    ("stop", &["error"]),
    ("error", &[]),
    ("problem", &["dense", "error"]),
    ("protocol", &["error", "problem", "stop"]),
    ("table", &["problem"]),
    ("battery", &["problem"]),
    ("density", &[]),
    ("dense", &[]),
    ("levels", &["battery", "problem", "space"]),
    ("input", &["error", "problem"]),
    ("space", &["battery", "dense", "density", "error", "problem", "stop"]),
    ("evolve", &["dense", "error", "problem", "space", "stop"]),
    ("unravel", &["battery", "density", "error", "evolve", "problem", "protocol", "space", "stop"]),
    ("estimate", &["battery", "dense", "density", "error", "levels", "problem", "table", "stop"]),
    ("run", &["battery", "density", "error", "estimate", "problem", "space", "unravel", "stop"]),
    ("rare", &["error", "estimate", "problem", "protocol", "space", "stop", "unravel"]),
    ("settled", &["error", "estimate", "problem", "run", "space", "stop", "table", "unravel"]),
    (
        "exact",
        &[
            "battery", "dense", "density", "error", "estimate", "evolve", "levels", "problem", "protocol", "space",
            "table", "stop",
        ],
    ),
    // `run` and `rare` only for the shots and events it writes, `estimate` only for the 95 % point that pictures draw.
    ("output", &["battery", "density", "error", "estimate", "problem", "rare", "run", "table", "stop"]),
    // Times what it tells of.
    ("cost", &["error", "estimate", "exact", "problem", "run", "space", "stop", "unravel"]),
    ("models", &["error", "problem"]),
    (
        "cli",
        &[
            "battery", "cost", "density", "error", "estimate", "exact", "input", "models", "output", "problem",
            "space", "run", "rare", "settled", "stop", "table", "unravel",
        ],
    ),
];

const LONGEST: usize = 600;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The module of a file directly below src: `space` for src/space/ladder.rs.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(source()).unwrap();
    inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Lines of code with their numbers: neither comments nor tests, which may borrow from anywhere.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The names that follow `crate::` in a line, a group `crate::{a, b::c}` taken apart.
fn imports(line: &str) -> Vec<String> {
    let name = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let starts = line.match_indices("crate::").filter(|(at, _)| !line[..*at].ends_with("$"));
    starts
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            match rest.strip_prefix('{') {
                Some(group) => {
                    group.split(['}', ';']).next().unwrap_or("").split(',').map(|n| name(n.trim())).collect()
                }
                None => vec![name(rest)],
            }
        })
        .filter(|n| n.starts_with(|c: char| c.is_lowercase()))
        .collect()
}

#[test]
fn modules_import_in_one_direction() {
    let mut wrong = Vec::new();
    for path in rust_files(&source()) {
        let own = module(&path);
        if ["lib", "main"].contains(&own.as_str()) || path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == own);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("{own} has no rule: say in MAY_IMPORT what it may import"));
            continue;
        };
        for (number, line) in code(&text) {
            // Vectors evolve in one place, for trajectories and for the exact solution of what nothing damps.
            let shared = |i: &str| own == "exact" && i == "unravel" && line.contains("crate::evolve::");
            let wrong_here = |i: &String| *i != own && !allowed.contains(&i.as_str()) && !shared(i);
            for import in imports(line).into_iter().filter(wrong_here) {
                wrong.push(format!("{}:{number}: {own} must not import {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_reference_solver_shares_nothing_with_the_representations() {
    for path in rust_files(&source().join("exact/naive")) {
        let text = fs::read_to_string(&path).unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        for (number, line) in code(&text) {
            for import in imports(line) {
                let fine = ["error", "problem", "table"].contains(&import.as_str());
                assert!(fine, "{}:{number} imports {import}", path.display());
            }
        }
    }
}

#[test]
fn files_are_short_and_begin_with_a_sentence() {
    for path in rust_files(&source()) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines: look for the seam", path.display());
        assert!(text.starts_with("//! "), "{} does not begin by saying what it is", path.display());
    }
}

#[test]
fn imports_are_found() {
    assert_eq!(imports("use crate::problem::{Axis, Row};"), ["problem"]);
    assert_eq!(imports("use crate::{table::Table, RunError, space};"), ["table", "space"]);
    assert_eq!(imports("fn f(x: crate::battery::Battery) -> crate::error::RunError {"), ["battery", "error"]);
    assert!(imports("use super::Stream;").is_empty());
}

/// A comment that cites a page cites one that exists, and a section that it has.
#[test]
fn cited_pages_and_sections_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut cited = 0;
    for file in rust_files(&source()) {
        let text = fs::read_to_string(&file).unwrap();
        for comment in text.lines().filter_map(|line| line.find("//").map(|at| &line[at..])) {
            for (at, _) in comment.match_indices(".md`") {
                let page = comment[..at].rsplit('`').next().unwrap_or("");
                let after = comment[at + ".md`".len()..].trim_start();
                let section = after.strip_prefix('§').map(|rest| {
                    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
                    rest[..end].trim_end_matches('.')
                });
                cited += 1;
                let found = fs::read_to_string(root.join(format!("{page}.md"))).is_ok_and(|whole| {
                    let heading = |line: &str| {
                        let title = line.strip_prefix('#')?.trim_start_matches('#').trim_start();
                        title.split_whitespace().next().map(|number| number.trim_end_matches('.').to_owned())
                    };
                    section.is_none_or(|s| whole.lines().filter_map(heading).any(|number| number == s))
                });
                if !found {
                    wrong.push(format!("{}: {page}.md {section:?}", file.display()));
                }
            }
        }
    }
    assert!(cited >= 10, "only {cited} citations were recognised");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
