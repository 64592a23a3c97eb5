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

    fn claim(&self, command: &str) -> Result<RunFolder, RunError> {
        RunFolder::claim(&self.at("out"), run(command, "", None), 1000)
    }

    /// A result with one file that says `content`.
    fn write(&self, command: &str, content: &str) -> Result<Finished, RunError> {
        self.write_as(run(command, "", None), content)
    }

    fn write_as(&self, run: Run, content: &str) -> Result<Finished, RunError> {
        let mut folder = RunFolder::claim(&self.at("out"), run, 1000)?;
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

/// A run of `command` on an input that says `text`, in a file if there is one.
fn run(command: &str, text: &str, file: Option<&str>) -> Run {
    let identity = Map::from_iter([("command".to_owned(), json!(command)), ("input".to_owned(), json!(text))]);
    Run { identity, input_file: file.map(str::to_owned), force: false }
}

/// The message of a refusal.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, RunError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, RunError::Occupied(_) | RunError::OtherResult(_)), "{error}");
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
    let finished = place.write("run", "old").unwrap();
    assert_eq!((finished.place, finished.files), (place.at("out"), vec!["table.csv".into(), "manifest.json".into()]));
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
    let mut folder = RunFolder::claim(&place.at("out"), run("run", "", None), 3_000_000).unwrap();
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

#[test]
fn a_changed_input_takes_its_place_and_the_old_result_is_kept_once() {
    let place = Place::new();
    let changed = |text: &str| run("run", text, Some("/a/in.toml"));
    for (text, previous) in [("one", None), ("two", Some("one")), ("three", Some("two"))] {
        let finished = place.write_as(changed(text), text).unwrap();
        assert_eq!(finished.previous, previous.map(|_| place.at("out.previous")));
        assert_eq!(place.read("out/table.csv"), text);
        let kept = previous.map(|_| place.read("out.previous/table.csv"));
        assert_eq!(kept.as_deref(), previous);
    }
    // The same run again has nothing to add: what was kept stays.
    assert_eq!(place.write_as(changed("three"), "three").unwrap().previous, None);
    assert_eq!((place.read("out.previous/table.csv").as_str(), place.names().len()), ("two", 2));
    // A part of it has less than there was.
    let mut part = RunFolder::claim(&place.at("out"), changed("three"), 0).unwrap();
    part.write("table.csv", b"part").unwrap();
    let interrupted = Map::from_iter([("interrupted".to_owned(), json!(true))]);
    assert!(part.finish(interrupted, json!({})).unwrap().previous.is_some());
    assert_eq!(
        (place.read("out/table.csv").as_str(), place.read("out.previous/table.csv").as_str()),
        ("part", "three")
    );
}

#[test]
fn another_file_or_command_is_replaced_by_force_alone() {
    let place = Place::new();
    place.write_as(run("run", "one", Some("/a/in.toml")), "one").unwrap();
    for (other, says) in [
        (run("run", "two", Some("/b/in.toml")), "of the input /a/in.toml, and this one is /b/in.toml"),
        (run("exact", "one", Some("/a/in.toml")), "command: \"run\" there, \"exact\" here"),
        (run("run", "two", None), "input: \"one\" there, \"two\" here"),
    ] {
        let error = place.write_as(other.clone(), "other").unwrap_err();
        assert!(matches!(&error, RunError::OtherResult(text) if text.contains(says)), "{error}");
        assert_eq!(place.read("out/table.csv"), "one");
        let forced = place.write_as(Run { force: true, ..other }, "other").unwrap();
        assert_eq!(forced.previous, Some(place.at("out.previous")));
        assert_eq!(place.read("out.previous/table.csv"), "one");
        fs::remove_dir_all(place.at("out")).unwrap();
        fs::rename(place.at("out.previous"), place.at("out")).unwrap();
    }
    fs::write(place.at("out/notes.txt"), "mine").unwrap();
    let forced = Run { force: true, ..run("run", "one", Some("/a/in.toml")) };
    let error = place.write_as(forced, "other").unwrap_err();
    assert!(matches!(&error, RunError::Occupied(text) if text.contains("notes.txt")), "{error}");
    assert_eq!((place.read("out/notes.txt").as_str(), place.names()), ("mine", vec!["out".to_owned()]));
}

#[test]
fn what_is_called_previous_and_is_not_ours_stays() {
    type Make = fn(&Place);
    let theirs: [Make; 4] = [
        |place| fs::write(place.at("out.previous"), "mine").unwrap(),
        |place| {
            fs::create_dir(place.at("out.previous")).unwrap();
            fs::write(place.at("out.previous/thesis.txt"), "mine").unwrap();
        },
        // A result of another file, which nobody has asked to replace.
        |place| {
            place.write_as(run("run", "theirs", Some("/b/in.toml")), "mine").unwrap();
            fs::rename(place.at("out"), place.at("out.previous")).unwrap();
        },
        // One of ours with something beside it.
        |place| {
            place.write_as(run("run", "ours", Some("/a/in.toml")), "mine").unwrap();
            fs::rename(place.at("out"), place.at("out.previous")).unwrap();
            fs::create_dir(place.at("out.previous/sub")).unwrap();
        },
    ];
    for make in theirs {
        let place = Place::new();
        make(&place);
        let before = fs::read_dir(place.at("out.previous")).map(Iterator::count).ok();
        for text in ["one", "two", "three"] {
            let forced = Run { force: true, ..run("run", text, Some("/a/in.toml")) };
            let previous = place.write_as(forced, text).unwrap().previous;
            assert_eq!(previous, (text != "one").then(|| place.at("out.previous-1")));
        }
        assert_eq!(fs::read_dir(place.at("out.previous")).map(Iterator::count).ok(), before);
        assert_eq!((place.read("out.previous-1/table.csv").as_str(), place.names().len()), ("two", 3));
    }
}

#[test]
fn a_file_that_only_the_old_result_has_is_not_lost() {
    let place = Place::new();
    let mut folder = place.claim("run").unwrap();
    folder.write("table.csv", b"old").unwrap();
    folder.write("states.npz", b"states").unwrap();
    folder.finish(Map::new(), json!({})).unwrap();
    assert_eq!(place.write("run", "new").unwrap().previous, Some(place.at("out.previous")));
    assert_eq!(place.read("out.previous/states.npz"), "states");
}
