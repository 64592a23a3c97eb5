//! Nothing of anybody's is lost: what the command does about folders that hold something, disks that are full, and
//! outputs that nobody reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

#[path = "common/place.rs"]
mod place;
use place::{AGING, Place};

const SMALL: &str = "aging.toml -p N=4 -p cycles=2 -p samples=2";
/// A run that goes on until it is stopped.
const LONG: &str = "aging.toml -p N=4 -p cycles=2 -p samples=2 --trajectories 1000000000 --no-shots --threads 1";

impl Place {
    /// Exit status and messages.
    fn run(&self, arguments: &str) -> (Option<i32>, String) {
        let output = self.leyden(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// A run in the background that has begun to sample.
    fn begin(&self, arguments: &str) -> Child {
        let mut child = spawned(self, arguments);
        let mut byte = [0];
        // It speaks when the folder is claimed and sampling begins.
        std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut byte).unwrap();
        child
    }

    /// The names in the folder, hidden ones too, but for the input.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "aging.toml").collect();
        names.sort_unstable();
        names
    }
}

/// A command in the background.
fn spawned(place: &Place, arguments: &str) -> Child {
    let mut command = Process::new(env!("CARGO_BIN_EXE_leyden"));
    command.args(arguments.split_whitespace()).current_dir(place.0.path());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// End a command with a signal; its exit status, its messages and how long it took.
fn end(mut child: Child, signal: &str) -> (Option<i32>, String, Duration) {
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    assert!(Process::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    let took = asked.elapsed();
    let mut text = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut text).unwrap();
    (status.code(), text, took)
}

#[test]
fn notes_beside_the_results_are_refused_before_sampling() {
    let place = Place::new();
    let run = format!("run {SMALL} --trajectories 20 --out r");
    assert_eq!(place.run(&run).0, Some(0));
    fs::write(place.path("r/notes.txt"), "mine").unwrap();
    fs::create_dir(place.path("r/sub")).unwrap();
    for command in [run.as_str(), &format!("exact {SMALL} --out r"), &format!("verify {SMALL} --out r")] {
        let (status, message) = place.run(command);
        assert_eq!(status, Some(2), "{message}");
        assert!(message.contains("--out") && message.lines().count() == 1, "{message}");
    }
    let (_, message) = place.run(&run);
    assert!(message.contains("notes.txt, sub"), "{message}");
    assert_eq!(fs::read_to_string(place.path("r/notes.txt")).unwrap(), "mine");
    assert!(place.path("r/sub").is_dir());
    assert_eq!(place.names(), ["r"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_appears_in_mid_run_stays() {
    let place = Place::new();
    let child = place.begin(&format!("run {LONG} --out r"));
    fs::create_dir(place.path("r")).unwrap();
    fs::write(place.path("r/thesis.txt"), "mine").unwrap();
    let (status, message, _) = end(child, "-INT");
    assert_eq!(status, Some(2), "{message}");
    assert!(message.contains("thesis.txt") && message.contains("the result is in"), "{message}");
    assert_eq!(fs::read_to_string(place.path("r/thesis.txt")).unwrap(), "mine");
    assert!(place.path("r-1/manifest.json").exists());
    assert_eq!(place.names(), ["r", "r-1"]);
}

#[cfg(unix)]
#[test]
fn the_second_of_two_runs_into_one_folder_is_refused_at_once() {
    let place = Place::new();
    let first = place.begin(&format!("run {LONG} --seed 1 --out r"));
    let (status, message) = place.run(&format!("run {LONG} --seed 2 --out r"));
    assert_eq!(status, Some(2), "{message}");
    assert!(message.contains("is being written by another run"), "{message}");
    assert_eq!(end(first, "-INT").0, Some(130));
    assert_eq!(place.names(), ["r"]);
}

#[test]
fn leftovers_of_other_runs_block_nothing() {
    let place = Place::new();
    let run = format!("run {SMALL} --trajectories 20 --out r");
    for leftover in [".r.old", ".r.partial-1"] {
        fs::create_dir(place.path(leftover)).unwrap();
        fs::write(place.path(leftover).join("q"), "").unwrap();
    }
    fs::write(place.path(".r.lock"), "").unwrap();
    for _ in 0..2 {
        assert_eq!(place.run(&run), (Some(0), place.run(&run).1));
    }
    assert_eq!(place.names(), [".r.old", ".r.partial-1", "r"]);
}

#[cfg(unix)]
#[test]
fn links_stay_links() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    fs::create_dir(place.path("real")).unwrap();
    symlink("real", place.path("r")).unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    for command in ["run --trajectories 20", "run --trajectories 20"] {
        assert_eq!(place.run(&format!("{command} {SMALL} --out r")).0, Some(0));
        assert!(place.path("r").is_symlink() && place.path("real/manifest.json").exists());
    }
    assert_eq!(place.run("plot r").0, Some(0));
    let (status, message) = place.run(&format!("run {SMALL} --trajectories 20 --out dangling"));
    assert!(status == Some(2) && message.contains("a link to nowhere"), "{message}");
    assert_eq!(place.names(), ["dangling", "r", "real"]);
    fs::write(place.path("script.py"), "").unwrap();
    symlink("script.py", place.path("link.py")).unwrap();
    assert_eq!(place.run(&format!("export {SMALL} --out link.py")).0, Some(0));
    assert!(place.path("link.py").is_symlink() && fs::metadata(place.path("script.py")).unwrap().len() > 0);
}

#[test]
fn an_export_replaces_no_work_of_others() {
    let place = Place::new();
    fs::write(place.path("thesis.py"), "print('mine')\n").unwrap();
    let (status, message) = place.run(&format!("export {SMALL} --out thesis.py"));
    assert!(status == Some(2) && message.contains("thesis.py"), "{message}");
    assert_eq!(fs::read_to_string(place.path("thesis.py")).unwrap(), "print('mine')\n");
    for _ in 0..2 {
        assert_eq!(place.run(&format!("export {SMALL} --out new.py")).0, Some(0));
    }
}

/// A file system of so many kilobytes, where the user running the tests may mount one.
#[cfg(target_os = "linux")]
struct Mounted(PathBuf);

#[cfg(target_os = "linux")]
impl Mounted {
    fn new(path: PathBuf, kilobytes: usize) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mut mount = Process::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"]).arg(&path).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        eprintln!("skipped: no file system can be mounted here");
        None
    }

    /// Write until nothing more fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("fill")).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_in_mid_run_loses_nothing() {
    let place = Place::new();
    let Some(disk) = Mounted::new(place.path("disk"), 40_000) else { return };
    let child = place.begin(&format!("run {LONG} --out disk/r"));
    disk.fill();
    let (status, message, _) = end(child, "-INT");
    assert_eq!(status, Some(130), "{message}");
    for name in ["observables.csv", "observables.png", "observables.svg", "manifest.json"] {
        assert!(place.path("disk/r").join(name).exists(), "{name} is missing");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_one_line_of_error_and_a_closed_one_is_none() {
    let place = Place::new();
    let run = format!("run {SMALL} --trajectories 20");
    for command in [run.as_str(), &format!("exact {SMALL}"), &format!("inspect {SMALL}"), &format!("export {SMALL}")] {
        let leyden = |output: Stdio| {
            let mut process = Process::new(env!("CARGO_BIN_EXE_leyden"));
            process.args(command.split_whitespace()).current_dir(place.0.path()).stdout(output);
            let output = process.output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (status, message) = leyden(fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
        let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("error")).collect();
        assert_eq!(status, Some(2), "{command}: {message}");
        assert!(errors.len() == 1 && errors[0].contains("standard output") && !message.contains("panic"), "{message}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (status, message) = leyden(writer.into());
        assert_eq!(status, Some(0), "{command}: {message}");
        assert!(!message.contains("panic") && !message.contains("error:"), "{command}: {message}");
    }
    assert!(place.path("runs").join(Path::new("aging,N=4,cycles=2,samples=2/manifest.json")).exists());
}

/// A command in the background that has claimed its folder `out`.
#[cfg(unix)]
fn claimed(place: &Place, arguments: &str) -> Child {
    let child = spawned(place, arguments);
    let begun = Instant::now();
    while !place.path(".out.lock").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{arguments} does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Long after a second, for machines that do much else.
const SOON: Duration = Duration::from_secs(4);

#[cfg(unix)]
#[test]
fn work_that_keeps_nothing_leaves_nothing_when_it_is_ended() {
    let place = Place::new();
    let driven = AGING.replace("terms = []", "terms = [\"Sx(B)\"]").replace("B = \"ground\"", "B = \"thermal(0.5)\"");
    fs::write(place.path("driven.toml"), driven).unwrap();
    fs::write(place.path("modes.toml"), include_str!("../examples/dephased_oscillators.toml")).unwrap();
    let cycles = "driven.toml -p N=30 -p cycles=2000 -p samples=1";
    for (arguments, signal) in [
        (format!("exact {cycles}"), "-INT"),
        (format!("exact {cycles}"), "-TERM"),
        (format!("verify {cycles}"), "-TERM"),
        // One long factorisation, which hears nothing.
        ("steady modes.toml -p cutoff=15".to_owned(), "-TERM"),
    ] {
        let (status, message, took) = end(claimed(&place, &format!("{arguments} --out out")), signal);
        assert_eq!(status, Some(130), "{arguments}: {message}");
        assert!(took < SOON, "{arguments} took {took:?}");
        assert!(message.ends_with("interrupted: nothing was kept\n"), "{arguments}: {message}");
        assert_eq!(place.names(), ["driven.toml", "modes.toml"], "{arguments}");
    }
}

#[cfg(unix)]
#[test]
fn one_long_trajectory_and_a_look_ahead_end_when_they_are_told_to() {
    let place = Place::new();
    let driven = AGING.replace("terms = []", "terms = [\"Sx(B)\"]").replace("\"ergotropy\", ", "");
    fs::write(place.path("driven.toml"), driven).unwrap();
    let size = "driven.toml -p N=1000 -p cycles=2000 -p samples=1";
    let child = claimed(&place, &format!("run {size} --trajectories 2 --out out"));
    let (status, message, took) = end(child, "-TERM");
    assert!(status == Some(130) && took < SOON, "{took:?}: {message}");
    assert!(message.ends_with("interrupted: nothing was kept\n"), "{message}");
    // Before it has begun to listen a signal ends it at once; it may also have said all by then.
    let child = spawned(&place, &format!("inspect {size}"));
    let (status, _, took) = end(child, "-INT");
    assert!(matches!(status, Some(0 | 130)) && took < SOON, "{status:?} after {took:?}");
    assert_eq!(place.names(), ["driven.toml"]);
}

/// Nine cells whose eigenvectors take a second a row.
const LEVELS: &str = r#"
title = "Many levels"
[subsystems]
B = { cells = 9, graph = "linear", energy = 1.0 }
[initial]
B = "plus"
[hamiltonian]
terms = ["0.3*hop(B)"]
[channels]
loss = { each = "sm(B)", rate = 0.1 }
[protocol]
steps = [ { name = "decay", evolve = 3.0, samples = 24 } ]
[observe]
quantities = ["energy", "ergotropy"]
[run]
trajectories = 100
seed = 1
"#;

#[cfg(unix)]
#[test]
fn an_evaluation_that_is_interrupted_keeps_what_is_linear() {
    use std::io::{BufRead, BufReader};
    let place = Place::new();
    fs::write(place.path("levels.toml"), LEVELS).unwrap();
    let mut child = spawned(&place, "run levels.toml --out out");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.ends_with("rows evaluated")), "it ended before it could be interrupted");
    let asked = Instant::now();
    assert!(Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = said.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert!(rest.iter().any(|line| line.contains("without ergotropy, everything else was kept")), "{rest:?}");
    let table = fs::read_to_string(place.path("out/observables.csv")).unwrap();
    assert!(
        table.starts_with("time,step,cycle,energy,energy_se,energy_lo,energy_hi\n") && table.lines().count() == 26,
        "{table}"
    );
    assert_eq!(place.names(), ["levels.toml", "out"]);
}

#[cfg(unix)]
#[test]
fn a_sweep_keeps_the_points_that_are_done() {
    let place = Place::new();
    let text = AGING.replace("trajectories = 10000", "trajectories = 100000");
    let sweep = "[sweep]\nsolve = \"trajectories\"\nquantities = [\"M\"]\ncycles = { values = [1, 20000] }\n";
    fs::write(place.path("sweep.toml"), format!("{text}\n{sweep}")).unwrap();
    let child = claimed(&place, "sweep sweep.toml -p N=4 -p samples=1 --out out");
    std::thread::sleep(Duration::from_secs(3));
    let (status, message, took) = end(child, "-TERM");
    assert!(status == Some(130) && took < SOON, "{took:?}: {message}");
    assert!(message.contains("after 1 of 2 points"), "{message}");
    assert_eq!(fs::read_to_string(place.path("out/sweep.csv")).unwrap().lines().count(), 2);
    assert_eq!(place.names(), ["out", "sweep.toml"]);
}
