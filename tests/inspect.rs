//! What `inspect` says a run takes, against what it takes.

use std::path::Path;
use std::process::Command;

/// The seconds of a text such as `about 265.2 ms for 10000 …`.
fn seconds(text: &str) -> f64 {
    let mut words = text.split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    let unit = match words.next().unwrap().trim_matches(|c: char| !c.is_alphanumeric()) {
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        other => panic!("{other} is no unit of time: {text}"),
    };
    number * unit
}

/// What follows `before` in a text.
fn after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    Some(&text[text.find(before)? + before.len()..])
}

fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_leyden")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `inspect` foresees for so many trajectories, and what one of them takes.
fn foreseen(input: &str, trajectories: u64) -> (f64, f64) {
    let text = said(&["inspect", input, "--trajectories", &trajectories.to_string()]);
    let sampling = after(&text, "\ntime ").and_then(|rest| after(rest, "about ")).map_or(0.0, seconds);
    let each = after(&text, " threads (").map_or(1.0, seconds);
    let line =
        text.lines().find(|line| line.ends_with("to evaluate them on 2 threads") || line.contains("to evaluate"));
    (sampling + line.and_then(|line| after(line, "about ")).map_or(0.0, seconds), each)
}

/// What is kept and what correlates is listed as the quantities are.
#[test]
fn states_and_correlations_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("light.toml");
    let text = "[subsystems]\nW = { cells = 2, graph = \"linear\" }\nA = { mode = 3 }\n[channels]\nleak = { operator = \"a(A)\", rate = 1 }\n\
                [protocol]\nsteps = [{ name = \"shine\", evolve = 1, samples = 1 }]\n\
                [observe]\nquantities = [\"energy\", { name = \"rho\", state = [\"W:0\", \"A\"] }]\n[correlations]\n\
                g2 = { a = \"n(A)\", b = \"a(A)\", c = \"ad(A)\", from = \"steady\", until = 5, samples = 50, normalised = true }\n\
                late = { a = \"ad(A)\", b = \"a(A)\", from = \"end\", times = [0, 2.5] }\n";
    std::fs::write(&input, text).unwrap();
    let text = said(&["inspect", input.to_str().unwrap()]);
    for line in [
        "quantities      energy, top_level_A\n",
        "  rho           averaged density matrix of W:0, A\n",
        "correlations    by `leyden exact`, and those from the steady state by `leyden steady`\n",
        "  g2            ⟨C(t)A(t+τ)B(t)⟩ of C = ad(A), A = n(A), B = a(A) from the steady state of shine, 51 delays up to 5, normalised\n",
        "  late          ⟨A(t+τ)B(t)⟩ of A = ad(A), B = a(A) from the end of shine, 2 delays up to 2.5\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

/// Runs of some seconds: `cargo test --release --test inspect -- --ignored`, on a machine that does nothing else.
#[test]
#[ignore = "two minutes, and a clock"]
fn the_time_of_every_shipped_input_is_foreseen_within_a_factor_of_three() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    inputs.sort();
    let out = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for path in inputs {
        let (input, name) = (path.to_str().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        // So many that starting and drawing weigh little beside them.
        let (_, each) = foreseen(input, 100);
        let trajectories = ((6.0 / each) as u64).clamp(100, 3_000_000);
        let (foreseen, _) = foreseen(input, trajectories);
        let place = out.path().join(name);
        let count = trajectories.to_string();
        let text = said(&["run", input, "--trajectories", &count, "--no-shots", "--out", place.to_str().unwrap()]);
        let took = after(&text, " trajectories in ").map(seconds).unwrap();
        println!("{name}: {trajectories} trajectories, {foreseen:.2} s foreseen, {took:.2} s taken");
        if !(foreseen / 3.0..=foreseen * 3.0).contains(&took) {
            wrong.push(name.to_owned());
        }
    }
    assert!(wrong.is_empty(), "off by more than a factor of three: {}", wrong.join(", "));
}
