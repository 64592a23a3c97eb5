//! Whose files are replaced, and where a result goes when its place is taken.

use super::*;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn claim(&self, run: &str) -> Result<RunFolder, RunError> {
        let identity = Map::from_iter([("command".to_owned(), json!(run))]);
        RunFolder::claim(&self.at("out"), identity, 1000)
    }

    /// A result with one file that says `content`.
    fn write(&self, run: &str, content: &str) -> Result<PathBuf, RunError> {
        let mut folder = self.claim(run)?;
        folder.write("table.csv", content.as_bytes())?;
        folder.finish(Map::new(), json!({}))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// The names in the folder, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

/// The message of a refusal.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, RunError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, RunError::Occupied(_)), "{error}");
    error.to_string()
}

/// Where a result was kept instead.
#[track_caller]
fn kept<T: std::fmt::Debug>(result: Result<T, RunError>) -> (String, PathBuf) {
    match result.unwrap_err() {
        RunError::Kept { reason, place, .. } => (reason, place.into()),
        other => panic!("{other}"),
    }
}

#[test]
fn a_result_is_replaced_by_the_same_run_alone() {
    let place = Place::new();
    assert_eq!(place.write("run", "old").unwrap(), place.at("out"));
    place.write("run", "new").unwrap();
    assert_eq!((place.read("out/table.csv").as_str(), place.names()), ("new", vec!["out".to_owned()]));
    assert!(refusal(place.write("exact", "other")).contains("a different run"));
    assert_eq!((place.read("out/table.csv").as_str(), place.names().len()), ("new", 1));
}

#[test]
fn nothing_that_the_run_has_not_written_is_deleted() {
    type Make = fn(&Path);
    let theirs: [(&str, Make); 3] = [
        ("notes.txt", |path| fs::write(path, "mine").unwrap()),
        ("sub", |path| fs::create_dir(path).unwrap()),
        // A listed name, but a folder.
        ("table.csv", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (name, make) in theirs {
        let place = Place::new();
        place.write("run", "old").unwrap();
        make(&place.at("out").join(name));
        let message = refusal(place.claim("run"));
        assert!(message.contains(name) && !message.contains("--"), "{message}");
        assert!(place.at("out").join(name).exists() && place.names() == ["out"]);
    }
}

#[test]
fn an_edited_or_incomplete_result_is_still_its_runs() {
    let place = Place::new();
    place.write("run", "old").unwrap();
    fs::write(place.at("out/table.csv"), "edited").unwrap();
    place.write("run", "new").unwrap();
    fs::remove_file(place.at("out/table.csv")).unwrap();
    place.write("run", "newer").unwrap();
    assert_eq!((place.read("out/table.csv").as_str(), place.names()), ("newer", vec!["out".to_owned()]));
}

#[test]
fn what_appears_while_the_run_is_under_way_is_kept() {
    for (before, name) in [(false, "out-1"), (true, "out-2")] {
        let place = Place::new();
        if before {
            place.write("run", "old").unwrap();
            fs::create_dir(place.at("out-1")).unwrap();
        }
        let mut folder = place.claim("run").unwrap();
        folder.write("table.csv", b"new").unwrap();
        fs::create_dir_all(place.at("out")).unwrap();
        fs::write(place.at("out/thesis.txt"), "mine").unwrap();
        let (reason, at) = kept(folder.finish(Map::new(), json!({})));
        assert!(reason.contains("thesis.txt"), "{reason}");
        assert_eq!((at, place.read("out/thesis.txt").as_str()), (place.at(name), "mine"));
        assert_eq!(place.read(&format!("{name}/table.csv")), "new");
        assert_eq!(place.at("out/table.csv").exists(), before);
        assert_eq!(place.names().len(), if before { 3 } else { 2 });
    }
    let place = Place::new();
    let folder = place.claim("run").unwrap();
    fs::create_dir(place.at("out")).unwrap();
    folder.finish(Map::new(), json!({})).unwrap();
    assert_eq!(place.names(), ["out"], "an empty folder is nobody's");
}

#[test]
fn one_run_at_a_time() {
    let place = Place::new();
    let first = place.claim("run").unwrap();
    assert!(refusal(place.claim("run")).contains("is being written by another run"));
    first.finish(Map::new(), json!({})).unwrap();
    place.write("run", "later").unwrap();
    fs::write(place.at(".out.lock"), "").unwrap(); // left by a run that was killed
    place.write("run", "last").unwrap();
    assert_eq!(place.names(), ["out"]);
}

#[test]
fn leftovers_are_neither_touched_nor_in_the_way() {
    let place = Place::new();
    let process = std::process::id();
    let leftovers = [".out.old".to_owned(), format!(".out.old-{process}"), format!(".out.partial-{process}")];
    for name in &leftovers {
        fs::create_dir(place.at(name)).unwrap();
        fs::write(place.at(name).join("q"), "").unwrap();
    }
    place.write("run", "old").unwrap();
    place.write("run", "new").unwrap();
    assert_eq!(place.read("out/table.csv"), "new");
    assert_eq!(place.names().len(), 1 + leftovers.len());
    assert!(leftovers.iter().all(|name| place.at(name).join("q").exists()));
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_a_dangling_one_refused() {
    let place = Place::new();
    fs::create_dir(place.at("real")).unwrap();
    std::os::unix::fs::symlink("real", place.at("out")).unwrap();
    place.write("run", "old").unwrap();
    place.write("run", "new").unwrap();
    assert!(place.at("out").is_symlink());
    assert_eq!((place.read("real/table.csv").as_str(), place.names().len()), ("new", 2));
    fs::remove_dir_all(place.at("real")).unwrap();
    assert!(refusal(place.claim("run")).contains("a link to real"));
    assert_eq!(place.names(), ["out"]);
}

#[test]
fn what_the_disk_does_not_take_is_kept_elsewhere() {
    let place = Place::new();
    let mut folder = place.claim("run").unwrap();
    folder.write("table.csv", b"table").unwrap();
    // A name that no file can have stands for a disk that takes no more: what follows goes where it can.
    fs::create_dir(folder.partial.join("picture.svg")).unwrap();
    folder.write("picture.svg", b"picture").unwrap();
    folder.write("shots.npz", b"shots").unwrap();
    let (reason, at) = kept(folder.finish(Map::new(), json!({})));
    assert!(reason.contains("picture.svg"), "{reason}");
    assert!(at.starts_with(std::env::temp_dir()) && !at.starts_with(place.0.path()));
    for (name, content) in [("table.csv", "table"), ("picture.svg", "picture"), ("shots.npz", "shots")] {
        assert_eq!(fs::read_to_string(at.join(name)).unwrap(), content);
    }
    assert_eq!(manifest(&at).unwrap()["files"].as_object().unwrap().len(), 3);
    fs::remove_dir_all(at).unwrap();
    assert!(place.names().is_empty());
}

#[test]
fn what_can_be_written_nowhere_is_left_and_told() {
    let place = Place::new();
    let mut folder = place.claim("run").unwrap();
    folder.write("table.csv", b"table").unwrap();
    fs::create_dir(folder.partial.join("name")).unwrap();
    // No file of this name can be made anywhere.
    let (_, at) = kept(folder.write(&"long".repeat(1000), b"shots"));
    drop(folder);
    assert_eq!(fs::read_to_string(at.join("table.csv")).unwrap(), "table");
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn space_is_kept_until_it_is_needed() {
    let place = Place::new();
    let identity = Map::from_iter([("command".to_owned(), json!("run"))]);
    let mut folder = RunFolder::claim(&place.at("out"), identity, 3_000_000).unwrap();
    let reserved = |folder: &RunFolder| fs::metadata(folder.partial.join(".reserve")).map(|m| m.len()).ok();
    assert_eq!(reserved(&folder), Some(3_000_000));
    folder.write("table.csv", &[0; 1_000_000]).unwrap();
    assert!(reserved(&folder).is_some_and(|left| (1_900_000..2_000_000).contains(&left)));
    folder.write("shots.npz", &[0; 5_000_000]).unwrap();
    assert_eq!(reserved(&folder), Some(0));
    folder.finish(Map::new(), json!({})).unwrap();
    assert_eq!(fs::read_dir(place.at("out")).unwrap().count(), 3);
}

#[test]
fn a_run_that_is_given_up_leaves_nothing() {
    let place = Place::new();
    drop(place.claim("run").unwrap());
    assert!(place.names().is_empty());
}
