//! The page on the input language: its examples are understood, and it has every word of the parser.

use leyden::input;
use leyden::problem::Quantity;
use ndarray::Array2;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../docs/language.md");

/// What the fragments of the page are parts of; it stands on the page as it is.
const SKELETON: &str = r#"title = "One subsystem of each kind"
[parameters]
N = 4
g = 0.5
gamma = 1.0
[subsystems]
B = { spins = 4 }
W = { cells = 3, graph = "linear" }
A = { mode = 4 }
L = { levels = [0.0, 1.0, 3.0] }
[channels]
loss = { each = "sm(B)", rate = 1.0 }
[protocol]
steps = [
    { name = "charge", evolve = 1.0, samples = 4 },
    { name = "store",  evolve = 1.0, samples = 4 },
]
[observe]
quantities = ["energy"]
"#;

/// What stands behind the three backticks of each block of code, and the block.
fn blocks() -> Vec<(&'static str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                found.push((kind.trim(), String::new()));
            }
        } else if let (true, Some((_, text))) = (inside, found.last_mut()) {
            text.extend([line, "\n"]);
        }
    }
    assert!(!inside, "the last block of code has no end");
    found
}

/// The sections of an input by their headings; what stands before the first has none.
fn sections(text: &str) -> Vec<(&str, String)> {
    let heading = |line: &str| {
        let end = line.strip_prefix('[')?.find(']')? + 1;
        line[1..end].chars().all(char::is_alphabetic).then_some(end)
    };
    let mut found = vec![("", String::new())];
    for line in text.lines() {
        if let Some(end) = heading(line) {
            found.push((&line[1..end], String::new()));
        }
        found.last_mut().unwrap().1.extend([line, "\n"]);
    }
    found
}

/// The skeleton with the sections of the fragment in place of its own.
fn completed(fragment: &str) -> String {
    let (own, skeleton) = (sections(fragment), sections(SKELETON));
    assert!(own[0].1.is_empty(), "a fragment begins with the heading of its section:\n{fragment}");
    let left = skeleton.iter().filter(|(heading, _)| own.iter().skip(1).all(|(new, _)| new != heading));
    left.chain(own.iter().skip(1)).map(|(_, text)| text.as_str()).collect()
}

/// The words of all lists in a source file that hold quoted words alone, such as `["sm", "sp"]`.
fn listed(source: &str) -> Vec<&str> {
    let code = source.split("mod tests {").next().unwrap();
    let lists = code.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(list, _)| list);
    let words = lists.filter_map(|list| {
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| item.strip_prefix('"')?.strip_suffix('"')).collect::<Option<Vec<_>>>()
    });
    words.flatten().filter(|word| word.chars().all(|c| c.is_alphanumeric() || c == '_')).collect()
}

/// The words of the page that stand between backticks or in blocks of code.
fn words_of_the_page() -> BTreeSet<String> {
    let code: String = blocks().into_iter().map(|(_, text)| text).collect();
    let mut prose = String::new();
    let mut inside = false;
    for line in PAGE.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            assert!(line.matches('`').count() % 2 == 0, "a backtick too few: {line}");
            prose.extend(line.split('`').skip(1).step_by(2).flat_map(|quoted| [quoted, "\n"]));
        }
    }
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    words(&code).into_iter().chain(words(&prose)).collect()
}

#[test]
fn the_examples_are_understood() {
    assert!(PAGE.contains(&format!("```toml\n{SKELETON}```")), "the page shows another skeleton");
    // Files that examples name, beside the input.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pulse.csv"), "t,f\n0,0\n0.5,1\n1,0\n").unwrap();
    ndarray_npy::write_npy(folder.path().join("U.npy"), &Array2::<f64>::eye(8)).unwrap();
    ndarray_npy::write_npy(folder.path().join("psi.npy"), &ndarray::arr1(&[0.6, 0.0, 0.8])).unwrap();
    let path = folder.path().join("example.toml").display().to_string();
    let mut understood = 0;
    for (kind, text) in blocks() {
        let whole = match kind {
            "toml" => text,
            "toml fragment" => completed(&text),
            _ => panic!("a block of code is marked `{kind}`:\n{text}"),
        };
        if let Err(error) = input::parse(&path, &whole, &[]) {
            panic!("{error}\n\nin the example\n\n{whole}");
        }
        understood += 1;
    }
    assert!(understood >= 20, "{understood} examples");
}

#[test]
fn every_word_of_the_language_is_on_the_page() {
    let mut words = BTreeSet::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/input")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            words.extend(listed(&fs::read_to_string(&path).unwrap()).into_iter().map(str::to_owned));
        }
    }
    // Refused wherever they stand: they are no words of the language.
    for not_a_number in ["nan", "inf", "infinity"] {
        words.remove(not_a_number);
    }
    assert!(words.len() >= 120, "{} words", words.len());
    for known in ["hop", "gauss", "detunings", "samples", "dipole", "cosine", "populations", "optimise", "central"] {
        assert!(words.contains(known), "`{known}` is not found in the sources");
    }
    words.extend(["sum", "in", "cells", "edges"].map(str::to_owned));
    for entry in Quantity::every().iter().map(Quantity::entry) {
        if !entry.scope.is_named() {
            words.insert(entry.name.to_owned());
        }
    }
    let page = words_of_the_page();
    let missing: Vec<&String> = words.iter().filter(|word| !page.contains(*word)).collect();
    assert!(missing.is_empty(), "docs/language.md does not have {missing:?}");
}
