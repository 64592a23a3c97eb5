//! The command as a user meets it: exit statuses, files, messages, and what is left behind when something is wrong.

use predicates::prelude::*;
use serde_json::Value;
use std::fs;

mod cut;
#[path = "../common/place.rs"]
mod place;
mod rare;
mod record;
mod refusals;
#[path = "../common/results.rs"]
mod results;
use place::{AGING, Place};
use results::{everything, result};

impl Place {
    fn succeeds(&self, arguments: &str) {
        self.leyden(arguments).assert().code(0);
    }

    /// The command is refused: status 2, one screen that mentions `says`, and not a file more or less than before.
    #[track_caller]
    fn refuses(&self, arguments: &str, says: &[&str]) {
        let before = everything(self.0.path());
        let output = self.leyden(arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {message}");
        assert!(message.lines().count() <= 24, "{arguments}: {message}");
        assert!(message.starts_with("error: ") && output.stdout.is_empty(), "{arguments}: {message}");
        for part in says {
            assert!(message.contains(part), "{arguments}: `{part}` is not in\n{message}");
        }
        assert_eq!(everything(self.0.path()), before, "{arguments} left something behind");
    }

    /// Refused after one edit of the input.
    #[track_caller]
    fn refuses_edit(&self, from: &str, to: &str, says: &[&str]) {
        assert!(AGING.contains(from), "`{from}` is not in aging.toml");
        fs::write(self.path("edited.toml"), AGING.replacen(from, to, 1)).unwrap();
        self.refuses("run edited.toml --out run", says);
    }

    fn manifest(&self, folder: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(folder).join("manifest.json")).unwrap()).unwrap()
    }
}

const SMALL: &str = "-p N=4 -p cycles=2 -p samples=2";

#[test]
fn every_command_does_its_work_and_says_so() {
    let place = Place::new();
    let tables = ["observables.csv", "observables.pdf", "observables.png", "observables.svg", "manifest.json"];
    for (command, also) in
        [("run --trajectories 300 --states", &["shots.npz", "states.npz"][..]), ("exact", &[]), ("steady", &[])]
    {
        let folder = command.split(' ').next().unwrap();
        place.succeeds(&format!("{command} aging.toml {SMALL} --out {folder}"));
        let mut expected: Vec<&str> = tables.iter().chain(also).copied().collect();
        expected.sort_unstable();
        assert_eq!(result(&place.path(folder)).keys().collect::<Vec<_>>(), expected);
        let csv = fs::read_to_string(place.path(folder).join("observables.csv")).unwrap();
        assert!(csv.starts_with("time,step,cycle,M,"), "{csv}");
    }
    let picture = place.path("run/observables.svg");
    let drawn = fs::read(&picture).unwrap();
    fs::remove_file(&picture).unwrap();
    place.succeeds("plot run");
    assert_eq!(fs::read(&picture).unwrap(), drawn);
    let before = everything(place.0.path());
    place.leyden(&format!("inspect aging.toml {SMALL}")).assert().code(0).stdout(predicate::str::contains("chosen"));
    assert_eq!(everything(place.0.path()), before, "inspect writes nothing");
}

/// A driven cell, with one correlation from the steady state and one from the end.
const CORRELATED: &str = r#"title = "Light of a cell"
[subsystems]
B = { cell = true }
[hamiltonian]
terms = ["0.5*sx(B)"]
battery = false
[channels]
light = { operator = "sm(B)", rate = 1.0 }
[protocol]
steps = [ { name = "shine", evolve = 2.0, samples = 2 } ]
[observe]
quantities = ["energy"]
[correlations]
g2 = { a = "n(B)", b = "sm(B)", c = "sp(B)", from = "steady", until = 6, samples = 6, normalised = true }
g1 = { a = "sp(B)", b = "sm(B)", from = "end", times = [0, 0.5] }
"#;

#[test]
fn correlations_are_of_the_exact_side() {
    let place = Place::new();
    fs::write(place.path("light.toml"), CORRELATED).unwrap();
    place.succeeds("exact light.toml --out exact");
    let table = fs::read_to_string(place.path("exact/correlations.csv")).unwrap();
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["tau", "g2_re", "g2_im", "g1_re", "g1_im"]);
    assert_eq!(lines.len(), 9, "{table}");
    let g2: Vec<f64> = lines[1..].iter().filter_map(|line| line[1].parse().ok()).collect();
    for (found, expected) in [(g2[1], 0.43083124), (g2[3], 1.08329955), (g2[6], 0.99403983)] {
        assert!((found - expected).abs() < 1e-8, "{found} instead of {expected}");
    }
    assert_eq!((lines[2][0], lines[2][1], lines[3][3]), ("0.5", "", ""), "empty where nothing is asked");
    assert!(place.manifest("exact")["files"].as_object().unwrap().contains_key("correlations.png"));

    // The same again from the table.
    let picture = place.path("exact/correlations.svg");
    let drawn = fs::read(&picture).unwrap();
    fs::remove_file(&picture).unwrap();
    place.succeeds("plot exact");
    assert_eq!(fs::read(&picture).unwrap(), drawn);

    let note = predicate::str::contains("note: only correlations with `from = \"steady\"`");
    place.leyden("steady light.toml --out steady").assert().code(0).stderr(note);
    let steady = fs::read_to_string(place.path("steady/correlations.csv")).unwrap();
    assert!(steady.starts_with("tau,g2_re,g2_im\n") && steady.lines().count() == 8, "{steady}");
    for (command, folder) in [("run", "run"), ("verify", "verify"), ("meanfield", "meanfield")] {
        let text = CORRELATED.replace("cell = true", "spins = 1").replace("terms = [\"0.5*sx(B)\"]", "terms = []");
        fs::write(place.path("light.toml"), text).unwrap();
        let command = match command {
            "meanfield" => "meanfield light.toml".to_owned(),
            command => format!("{command} light.toml --trajectories 100"),
        };
        let note = predicate::str::contains("note: [correlations] are for `leyden exact`");
        place.leyden(&format!("{command} --out {folder}")).assert().code(0).stderr(note);
        assert!(!place.path(folder).join("correlations.csv").exists());
    }

    // What does not settle is said of the correlation, and nothing is left behind.
    let text = CORRELATED.replace("rate = 1.0", "rate = 0.0");
    fs::write(place.path("light.toml"), text).unwrap();
    place.refuses("exact light.toml --out other", &["correlation g2: there is no limit", "light.toml:14"]);
}

#[test]
fn the_mean_field_is_of_ensembles() {
    let place = Place::new();
    for name in ["charger_2", "network"] {
        let text = fs::read_to_string(format!("{}/examples/{name}.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        fs::write(place.path(&format!("{name}.toml")), text).unwrap();
    }
    place.succeeds("meanfield charger_2.toml -p N_C=1e7 -p N_B=100 -p gamma_down=1 -p t_end=3e-6 --out charging");
    assert_eq!(place.manifest("charging")["representation"], "spin vectors");
    let table = fs::read_to_string(place.path("charging/observables.csv")).unwrap();
    let (heading, end) = (table.lines().next().unwrap(), table.lines().last().unwrap());
    assert_eq!(
        heading,
        "time,step,cycle,energy_density_C,energy_density_B1,energy_density_B2,ergotropy_B1,ergotropy_B2"
    );
    let stored: f64 = end.split(',').nth(4).unwrap().parse().unwrap();
    assert!((stored - 0.5).abs() < 1e-3, "{end}");
    assert!(place.path("charging/observables.png").exists());
    place.refuses("meanfield network.toml --out run", &["spin vectors", "B is no ensemble of spins"]);
    place.refuses("meanfield charger_2.toml -p tilt=4 --out run", &["the tilt of C is 4", "from 0 to π"]);
}

#[test]
fn the_manifest_vouches_for_every_file() {
    let place = Place::new();
    place.succeeds(&format!("run aging.toml {SMALL} --trajectories 50 --seed 7 --out run"));
    let manifest = place.manifest("run");
    assert_eq!(manifest["input"], AGING);
    assert_eq!((&manifest["seed"], &manifest["trajectories"]), (&7.into(), &50.into()));
    assert_eq!(manifest["parameters"]["N"], 4.0);
    assert_eq!(manifest["interrupted"], false);
    let files = manifest["files"].as_object().unwrap();
    assert_eq!(files.len() + 1, fs::read_dir(place.path("run")).unwrap().count());
    for (name, sum) in files {
        let content = fs::read(place.path("run").join(name)).unwrap();
        assert_eq!(sum.as_str().unwrap(), leyden::output::folder::sha256(&content), "{name}");
    }
}

#[test]
fn verify_agrees_and_a_missed_target_is_a_failed_check() {
    let place = Place::new();
    let verify = format!("verify aging.toml {SMALL} --trajectories 4000 --out v");
    place.leyden(&verify).assert().code(0).stdout(predicate::str::contains("\nverified\n"));
    assert_eq!(place.manifest("v")["passed"], true);
    let target = format!("run aging.toml {SMALL} --trajectories 600 --target-error M=1e-9 --out t");
    place.leyden(&target).assert().code(1).stderr(predicate::str::contains("the error of M is still"));
    assert!(place.path("t/observables.csv").exists());
    let reached = format!("run aging.toml {SMALL} --trajectories 100000 --target-error M=0.05 --out u");
    place.succeeds(&reached);
    assert!(place.manifest("u")["trajectories"].as_u64().unwrap() < 100_000);
}

#[test]
fn verify_needs_no_number_that_changes() {
    let place = Place::new();
    place.succeeds("verify aging.toml -p N=4 -p cycles=1 -p samples=1 --trajectories 500 --out v");
}

#[test]
fn verify_keeps_its_size_unless_a_size_is_given() {
    let place = Place::new();
    let says = "[verify] sets N = 10, cycles = 3, samples = 2\n";
    let verify = "verify aging.toml -p gamma=2 --trajectories 1e2 --out v";
    place.leyden(verify).assert().code(0).stderr(predicate::str::contains(says));
    let parameters = &place.manifest("v")["parameters"];
    assert_eq!(
        (&parameters["N"], &parameters["cycles"], &parameters["gamma"]),
        (&10.0.into(), &3.0.into(), &2.0.into())
    );
    place.succeeds("verify aging.toml -p N=4 --trajectories 100 --out v");
    let parameters = &place.manifest("v")["parameters"];
    assert_eq!(
        (&parameters["N"], &parameters["cycles"], &parameters["gamma"]),
        (&4.0.into(), &3.0.into(), &1.0.into())
    );
}

#[test]
fn threads_change_no_byte() {
    let place = Place::new();
    let run = |threads: usize| {
        let out = format!("threads-{threads}");
        let size = "-p N=6 -p cycles=2 -p samples=2 -p gamma_phi=0.3 -p gamma_up=0.2";
        place.succeeds(&format!("run aging.toml {size} --trajectories 3000 --states --threads {threads} --out {out}"));
        result(&place.path(&out))
    };
    let one = run(1);
    assert_eq!(one.len(), 7);
    for threads in [2, 3, 16] {
        let other = run(threads);
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (name, content) in &one {
            assert!(*content == other[name], "{name} differs between 1 and {threads} threads");
        }
    }
}

#[test]
fn a_folder_takes_every_result_of_its_input_and_no_other() {
    let place = Place::new();
    let run = format!("run aging.toml {SMALL} --trajectories 20 --out run");
    place.succeeds(&run);
    let first = result(&place.path("run"));
    place.succeeds(&run);
    assert_eq!(result(&place.path("run")), first);
    assert!(!place.path("run.previous").exists(), "the same again is no other result");
    let mut before = first;
    for change in ["-p gamma=2", "--seed 2", "--trajectories 1e1"] {
        let run = format!("run aging.toml {SMALL} --out run {change}");
        place.leyden(&run).assert().code(0).stdout(predicate::str::contains("there before is in run.previous\n"));
        assert_eq!(result(&place.path("run.previous")), before, "{change}");
        before = result(&place.path("run"));
    }
    assert_eq!(place.manifest("run")["trajectories"], 10);
    // The input itself is edited.
    fs::write(place.path("aging.toml"), AGING.replacen("gamma = 1.0 ", "gamma = 3.0 ", 1)).unwrap();
    place.succeeds(&run);
    assert_eq!(place.manifest("run")["parameters"]["gamma"], 3.0);
    assert_eq!(result(&place.path("run.previous")), before);
    // Another command, another file of the same content, and both by force; what is foreign stays.
    fs::copy(place.path("aging.toml"), place.path("copy.toml")).unwrap();
    for other in ["exact aging.toml", "run copy.toml"] {
        let command = format!("{other} {SMALL} --out run");
        place.refuses(&command, &["already holds a different run", "--force"]);
    }
    let ours = result(&place.path("run"));
    place.succeeds(&format!("exact aging.toml {SMALL} --out run --force"));
    assert_eq!(place.manifest("run")["command"], "exact");
    // The previous result is of another command now, so a third name is used.
    let kept = ["run.previous", "run.previous-1"].map(|name| result(&place.path(name)));
    assert!(kept.contains(&ours) && kept.contains(&before));
    fs::write(place.path("run/thesis.txt"), "mine").unwrap();
    place.refuses(&format!("exact aging.toml {SMALL} --out run --force"), &["thesis.txt", "move away"]);
}

#[test]
fn the_screen_tells_values_with_errors_what_they_are_and_where_the_rest_is() {
    let place = Place::new();
    let said = |arguments: &str| String::from_utf8(place.leyden(arguments).output().unwrap().stdout).unwrap();
    let text = said(&format!("run aging.toml {SMALL} --trajectories 1e3 --states --out run"));
    let csv = fs::read_to_string(place.path("run/observables.csv")).unwrap();
    let cell = |name: &str, row: usize| -> f64 {
        let column = csv.lines().next().unwrap().split(',').position(|n| n == name).unwrap();
        csv.lines().nth(1 + row).unwrap().split(',').nth(column).unwrap().parse().unwrap()
    };
    let (storage, discharge) = text.split_once("end of discharge").unwrap();
    // Rows 3 and 6 of the second cycle are the ends of its steps.
    for (part, row) in [(storage, 8), (discharge, 11)] {
        let line = part.lines().find(|line| line.starts_with("  M ")).unwrap();
        let (value, rest) = line.trim_start_matches("  M").trim().split_once('(').unwrap();
        let digits = value.split('.').nth(1).unwrap().len() as i32;
        let error = rest.split(')').next().unwrap().parse::<f64>().unwrap() / 10f64.powi(digits);
        assert!((value.parse::<f64>().unwrap() - cell("M", row)).abs() <= 0.5 / 10f64.powi(digits) + 1e-12, "{line}");
        assert!((error - cell("M_se", row)).abs() <= 0.5 / 10f64.powi(digits) + 1e-12, "{line}");
        assert!(
            part.contains("\n  jumps_loss ") && !part.contains("jumps_pump") && !part.contains("dephasing"),
            "{part}"
        );
    }
    assert!(!storage.contains("jumps_release") && !storage.contains("\n  released "), "{storage}");
    assert!(discharge.contains("\n  jumps_release ") && discharge.contains("\n  released "), "{discharge}");
    assert!(text.contains("value(standard error in the last digits)"), "{text}");
    let mut files: Vec<String> =
        fs::read_dir(place.path("run")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let last = text.lines().last().unwrap();
    let listed = last.split_once("results in run: ").unwrap().1;
    let mut listed: Vec<&str> = listed.split(", ").collect();
    files.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, files);
    // More columns than a screen has lines.
    let columns: String = (1..=40).map(|k| format!("{{ name = \"x{k}\", expect = \"{k}*sz(W)\" }}, ")).collect();
    let wide = format!(
        "[subsystems]\nW = {{ cell = true }}\n[channels]\nloss = {{ each = \"sm(W)\", rate = 1.0 }}\n[protocol]\n\
         steps = [ {{ name = \"wait\", evolve = 1.0, samples = 1 }} ]\n[observe]\nquantities = [{columns}]\n"
    );
    fs::write(place.path("wide.toml"), wide).unwrap();
    let text = said("exact wide.toml --out wide");
    assert!(text.contains("\n  and 16 more\n") && text.lines().count() < 34, "{text}");
    assert!(text.contains("\nall 40 columns at every row are in wide/observables.csv\n"), "{text}");
}

/// The density matrix of these cells has 4096² elements.
const LARGE: &str = r#"
[subsystems]
B = { cells = 12, graph = "linear" }
[battery]
of = ["B"]
[hamiltonian]
terms = ["bonds(sp, sm, B) + bonds(sm, sp, B) + sx(B, 0)"]
battery = false
[channels]
loss = { each = "sm(B)", rate = 4 }
[protocol]
steps = [{ name = "settle", evolve = 0.5, samples = 1 }]
[observe]
quantities = ["energy", "jumps"]
[run]
trajectories = 40
"#;

#[test]
fn a_steady_state_that_would_not_fit_is_sampled() {
    let place = Place::new();
    fs::write(place.path("large.toml"), LARGE).unwrap();
    let output = place.leyden("steady large.toml --out limit").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("along trajectories instead"), "{said}");
    let text = fs::read_to_string(place.path("limit/observables.csv")).unwrap();
    assert!(
        text.starts_with("time,step,cycle,energy,energy_se,energy_lo,energy_hi,jumps_loss\ninf,settle,0,0.")
            && text.ends_with(",\n"),
        "{text}"
    );
    let found = &place.manifest("limit")["sampled"];
    assert_eq!((&found["trajectories"], &found["until"].as_f64().map(|t| t >= 1.0)), (&Value::from(40), &Some(true)));
    place.succeeds("steady large.toml --trajectories 40 --out again");
    assert_eq!(fs::read_to_string(place.path("again/observables.csv")).unwrap(), text);
    // Another number is another result; what was there before is kept.
    place.succeeds("steady large.toml --trajectories 41 --out again");
    assert!(place.path("again.previous").exists());
    place.refuses("steady large.toml --trajectories 1 --out run", &["at least 16 trajectories"]);
}

#[test]
fn edges_are_ordinary_cases() {
    let place = Place::new();
    let off = "-p gamma=0 -p Gamma=0";
    for (name, options) in [
        ("one-cell", "-p N=1".to_owned()),
        ("nothing-happens", format!("-p N=5 {off}")),
        ("no-time", "-p N=3 -p tau_s=0 -p tau_d=0".to_owned()),
        ("one-trajectory", "-p N=3 --trajectories 1".to_owned()),
        ("odd", "-p N=7 -p gamma_up=1 -p gamma_phi=2".to_owned()),
    ] {
        place.succeeds(&format!("run aging.toml -p cycles=2 --trajectories 40 --out {name} {options}").replacen(
            "--trajectories 40",
            if options.contains("--trajectories") { "" } else { "--trajectories 40" },
            1,
        ));
        let text = fs::read_to_string(place.path(name).join("observables.csv")).unwrap();
        assert_eq!(text.lines().count(), 1 + 2 * 12, "{name}");
    }
    let text = fs::read_to_string(place.path("nothing-happens/observables.csv")).unwrap();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let full = if cells[2] == "0" { "2.5" } else { "-2.5" };
        assert_eq!(&cells[3..11], [full, "0", full, full, "2.5", "0", "2.5", "2.5"], "{line}");
    }
    place.succeeds(&format!("exact aging.toml -p N=1 -p cycles=2 {off} --out exact"));
    place.succeeds(&format!("verify aging.toml -p N=1 -p cycles=2 {off} --trajectories 50 --out verify"));
}

/// A mode left in a coherent state with |α|² = 1, of which cutoff c cuts a Poisson tail: the highest level kept holds
/// e^{−1}/(c−1)! of it.
#[test]
fn a_cutoff_that_is_too_small_fails_and_one_that_is_nearly_so_is_noted() {
    let place = Place::new();
    let text = r#"
title = "A coherent state"
[parameters]
cutoff = 7
[subsystems]
A = { mode = "cutoff", energy = 1.0 }
[initial]
A = "coherent(1)"
[protocol]
steps = [ { name = "wait", evolve = 1.0, samples = 2 } ]
[observe]
quantities = ["energy"]
[run]
trajectories = 20
"#;
    fs::write(place.path("coherent.toml"), text).unwrap();
    for (cutoff, status, says) in [
        (6, 1, "error: the highest Fock level of A holds up to 3.1e-3, allowed are 1e-3: its cutoff is too small\n"),
        (7, 0, "note: the highest Fock level of A holds up to 5.1e-4\n"),
    ] {
        for command in ["exact", "run"] {
            let arguments = format!("{command} coherent.toml -p cutoff={cutoff} --out {command}-{cutoff}");
            place.leyden(&arguments).assert().code(status).stderr(predicate::str::contains(says));
        }
    }
    place.succeeds("exact coherent.toml -p cutoff=16 --out fine");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_a_prefix_of_the_run() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Command as Process;
    let place = Place::new();
    let size = format!("aging.toml {SMALL}");
    let mut child = place.begins(&format!("run {size} --trajectories 1000000000 --no-shots --threads 2 --out run"));
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    messages.read_line(&mut first).unwrap(); // sampling is about to begin
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    messages.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{first}{rest}");
    assert!(rest.contains("trajectories were kept"), "{rest}");
    let manifest = place.manifest("run");
    assert_eq!(manifest["interrupted"], true);
    let kept = manifest["trajectories"].as_u64().unwrap();
    assert!(0 < kept && kept < 1_000_000_000);
    place.succeeds(&format!("run {size} --trajectories {kept} --no-shots --out whole"));
    // All but the intervals, which allow for whatever made one stop.
    assert!(manifest["intervals"].as_str().unwrap().contains("might have been stopped"), "{manifest}");
    let table = |folder: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(place.path(folder).join("observables.csv")).unwrap();
        let lines: Vec<Vec<String>> = text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        let kept: Vec<usize> =
            (0..lines[0].len()).filter(|k| !lines[0][*k].ends_with("_lo") && !lines[0][*k].ends_with("_hi")).collect();
        lines.iter().map(|line| kept.iter().map(|k| line[*k].clone()).collect()).collect()
    };
    assert!(table("run") == table("whole"));
}

#[test]
fn a_steady_state_is_a_short_table_or_is_refused() {
    let place = Place::new();
    fs::write(place.path("no_limit.toml"), include_str!("../data/cases/no_limit.toml")).unwrap();
    fs::write(place.path("star.toml"), include_str!("../../examples/star.toml")).unwrap();
    let says = ["no limit", "oscillates for ever, at the angular frequency 2", "--time-average"];
    place.refuses("steady no_limit.toml --out none", &says);
    for (arguments, heading, legend) in [
        (
            "no_limit.toml --time-average",
            "average over all time (t → ∞)\n  energy_B           0.5\n",
            "average over all time",
        ),
        ("star.toml -p N=2", "steady state (t → ∞)\n", "steady state"),
    ] {
        let output = place.leyden(&format!("steady {arguments} --out {}", &legend[..6])).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(heading) && !text.contains("-0.0"), "{text}");
        let folder = place.path(&legend[..6]);
        assert!(folder.join("observables.csv").exists() && !folder.join("observables.svg").exists());
        assert_eq!(place.manifest(&legend[..6])["legend"], legend);
        place.refuses(&format!("plot {}", &legend[..6]), &["steady state"]);
    }
    let output = place.leyden(&format!("steady aging.toml {SMALL} --out cycle")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("limit cycle, end of discharge, t = "), "{text}");
    assert!(place.path("cycle/observables.svg").exists());
}

#[test]
fn a_beginner_finds_a_start_and_the_words() {
    let place = Place::new();
    place.succeeds("new mine");
    place.refuses("new mine.toml", &["is there already"]);
    place.succeeds("verify mine.toml --out verified");
    let said = |arguments: &str| String::from_utf8(place.leyden(arguments).output().unwrap().stdout).unwrap();
    assert!(said("help language").contains("## `[functions]`"));
    let quantities = said("help quantities");
    assert!(quantities.contains("\nergotropy ") && quantities.contains("\nM(B) "), "{quantities}");
    assert!(said("help").contains("inspect"));
}
