//! `leyden sweep` as a user meets it: the long table, pictures, the optimum, and what is refused.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// One cell, turned by θ out of its ground state and left to decay: E = sin²(θ/2) e^{−γt}.
const TURNED: &str = r#"
title = "A turned cell"
[parameters]
theta = 1.0
gamma = 0.5
[subsystems]
B = { spins = 1, energy = 1.0 }
[channels]
loss = { each = "sm(B)", rate = "gamma" }
[protocol]
steps = [ { pulse = "rotate(B, x, theta)" }, { name = "wait", evolve = 2.0, samples = 2 } ]
[observe]
quantities = ["energy", "energy_var"]
[sweep]
theta = { from = 1, to = 5, points = 9 }
gamma = { values = [0.1, 0.5] }
quantities = ["energy"]
optimise = "max energy over theta"
"#;

fn leyden(folder: &Path, arguments: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn place(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cell.toml"), text).unwrap();
    folder
}

/// Lines of a CSV file, cell by cell.
fn table(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn the_grid_is_solved_and_the_optimum_refined() {
    let folder = place(TURNED);
    let output = leyden(folder.path(), "sweep cell.toml --out out");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = folder.path().join("out");
    let rows = table(&out.join("sweep.csv"));
    assert_eq!(rows[0], ["theta", "gamma", "time", "step", "cycle", "energy"]);
    assert_eq!(rows.len(), 1 + 9 * 2);
    for row in &rows[1..] {
        let number = |k: usize| row[k].parse::<f64>().unwrap();
        let expected = (0.5 * number(0)).sin().powi(2) * (-2.0 * number(1)).exp();
        assert!((number(5) - expected).abs() < 1e-9 && number(2) == 2.0, "{row:?}");
    }
    let summary = table(&out.join("summary.csv"));
    assert_eq!(summary[0], ["name", "value", "lo", "hi", "meaning"]);
    let value = |name: &str| summary.iter().find(|row| row[0] == name).unwrap()[1].parse::<f64>().unwrap();
    for gamma in [0.1f64, 0.5] {
        let found = value(&format!("theta_at_max_energy(gamma={gamma})"));
        assert!((found - std::f64::consts::PI).abs() < 1e-5, "{found}");
        let energy = value(&format!("max_energy(gamma={gamma})"));
        assert!((energy - (-2.0 * gamma).exp()).abs() < 1e-9, "{energy}");
    }
    for name in ["sweep.svg", "sweep.png", "manifest.json"] {
        assert!(out.join(name).is_file(), "{name} is missing");
    }
    let again = leyden(folder.path(), "sweep cell.toml --out again --threads 1");
    assert!(again.status.success());
    for name in ["sweep.csv", "summary.csv", "sweep.svg"] {
        let read = |folder: &str| fs::read(out.with_file_name(folder).join(name)).unwrap();
        assert!(read("out") == read("again"), "{name} depends on threads");
    }
}

#[test]
fn the_pictures_of_a_sweep_are_drawn_again() {
    let all = TURNED.replace("optimise = \"max energy over theta\"", "row = \"all\"");
    for (name, text) in [("last", TURNED), ("all", &all)] {
        let folder = place(text);
        assert!(leyden(folder.path(), &format!("sweep cell.toml --out {name}")).status.success());
        let picture = folder.path().join(name).join("sweep.svg");
        let drawn = fs::read(&picture).unwrap();
        fs::remove_file(&picture).unwrap();
        let output = leyden(folder.path(), &format!("plot {name}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read(&picture).unwrap() == drawn, "{name} looks different");
        fs::write(folder.path().join(name).join("sweep.csv"), "theta,gamma\n1,2\n").unwrap();
        let output = leyden(folder.path(), &format!("plot {name}"));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains("sweep.csv"), "{message}");
    }
}

#[test]
fn all_rows_and_trajectories_carry_their_errors() {
    let all = TURNED.replace("theta = { from = 1, to = 5, points = 9 }\n", "solve = \"trajectories\"\nrow = \"all\"\n");
    let all =
        all.replace("rotate(B, x, theta)", "rotate(B, x, pi)").replace("optimise = \"max energy over theta\"", "");
    let folder = place(&format!("{all}[run]\ntrajectories = 2000\n"));
    let output = leyden(folder.path(), "sweep cell.toml --out out");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = table(&folder.path().join("out/sweep.csv"));
    assert_eq!(rows[0], ["gamma", "time", "step", "cycle", "energy", "energy_se", "energy_lo", "energy_hi"]);
    assert_eq!(rows.len(), 1 + 2 * 3);
    let number = |row: usize, k: usize| rows[row][k].parse::<f64>().unwrap();
    for row in 1..rows.len() {
        let (expected, se) = ((-number(row, 0) * number(row, 1)).exp(), number(row, 5));
        assert!((number(row, 4) - expected).abs() <= 4.5 * se && se < 0.012, "{:?}", rows[row]);
    }
    assert!(!folder.path().join("out/summary.csv").exists());
}

/// One cell driven at Ω without loss: E = sin²(Ωt/2), the power E/t is largest where tan(x) = 2x, x = Ωt/2.
#[test]
fn the_best_over_time_comes_with_its_place() {
    let driven = TURNED
        .replace("rotate(B, x, theta)", "rotate(B, x, 0)")
        .replace(
            "[channels]\nloss = { each = \"sm(B)\", rate = \"gamma\" }",
            "[hamiltonian]\nterms = [\"theta*Sx(B)\"]",
        )
        .replace("samples = 2", "samples = 100")
        .replace("\"energy_var\"]", "\"power\"]")
        .replace("gamma = { values = [0.1, 0.5] }\n", "")
        .replace("points = 9", "points = 5")
        .replace("max energy over theta", "max power over time");
    let folder = place(&driven);
    let output = leyden(folder.path(), "sweep cell.toml --out out");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = table(&folder.path().join("out/summary.csv"));
    let find = |name: &str| summary.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}: {summary:?}"));
    let number = |name: &str, k: usize| find(name)[k].parse::<f64>().unwrap();
    let x: f64 = 1.165_561_185_207_211;
    for omega in [2.0, 3.0, 4.0, 5.0] {
        let (power, time) = (0.5 * omega * x.sin().powi(2) / x, 2.0 * x / omega);
        assert!((number(&format!("max_power(theta={omega})"), 1) - power).abs() < 1e-4 * power);
        assert!((number(&format!("time_at_max_power(theta={omega})"), 1) - time).abs() < 1e-2 * time);
        let (lo, hi) = (
            number(&format!("time_at_max_power(theta={omega})"), 2),
            number(&format!("time_at_max_power(theta={omega})"), 3),
        );
        assert!(lo <= time && time <= hi && hi - lo < 0.04, "{lo} {time} {hi}");
    }
    // At θ = 1 the power still rises at the end.
    assert_eq!(find("time_at_max_power(theta=1)")[1..4], ["2", "", ""]);
    assert_eq!(find("theta_at_max_power")[1..4], ["5", "4", ""]);
    assert_eq!(find("max_power")[1..4], find("max_power(theta=5)")[1..4]);
    let rows = table(&folder.path().join("out/sweep.csv"));
    assert!(rows.len() == 6 && rows[1][1] == "2", "the last row is kept: {rows:?}");
}

#[test]
fn sampled_points_have_seeds_of_their_own_whatever_the_threads() {
    let sampled = TURNED
        .replace(
            "theta = { from = 1, to = 5, points = 9 }\n",
            "theta = { values = [2, 2, 2.0] }\nsolve = \"trajectories\"\n",
        )
        .replace("gamma = { values = [0.1, 0.5] }\n", "")
        .replace("samples = 2", "samples = 8")
        // One that decays alone would need no sampling.
        .replace("[channels]\n", "[channels]\nnoise = { each = \"sz(B)\", rate = 5 }\n")
        .replace("max energy over theta", "max energy over time");
    let folder = place(&format!("{sampled}[run]\ntrajectories = 400\n"));
    for (out, threads) in [("one", 1), ("three", 3)] {
        let output = leyden(folder.path(), &format!("sweep cell.toml --out {out} --threads {threads}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for name in ["sweep.csv", "summary.csv"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).unwrap();
        assert!(read("one") == read("three"), "{name} depends on threads");
    }
    // Equal parameters, different draws: two of three 400-shot averages agree by chance with probability < 0.1.
    let rows = table(&folder.path().join("one/sweep.csv"));
    assert_eq!(rows[0], ["theta", "time", "step", "cycle", "energy", "energy_se", "energy_lo", "energy_hi"]);
    assert!(rows[1][4] != rows[2][4] || rows[2][4] != rows[3][4], "{rows:?}");
    let manifest = fs::read_to_string(folder.path().join("one/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let seeds = manifest["seeds"].as_array().unwrap_or_else(|| panic!("{manifest}"));
    assert!(seeds.len() == 3 && seeds[0] != seeds[1] && seeds[1] != seeds[2]);
    // The energy falls: the first row is the best, with E = sin²(1).
    let summary = table(&folder.path().join("one/summary.csv"));
    let found = summary.iter().find(|row| row[0] == "max_energy").unwrap();
    let number = |k: usize| found[k].parse::<f64>().unwrap();
    assert!(
        number(2) <= number(1) && number(1) <= number(3) && (number(1) - 1f64.sin().powi(2)).abs() < 0.1,
        "{found:?}"
    );
    // A single point is what `run` gives with its seed.
    let seed = seeds[1].to_string();
    let output = leyden(folder.path(), &format!("run cell.toml -p theta=2 --seed {seed} --out single"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let single = table(&folder.path().join("single/observables.csv"));
    let at = single[0].iter().position(|name| name == "energy").unwrap();
    assert_eq!(single.last().unwrap()[at], rows[2][4]);
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_is_written() {
    for (text, arguments, says) in [
        (TURNED.split("[sweep]").next().unwrap().to_owned(), "", "has no [sweep]"),
        (TURNED.replace("energy over theta", "energy over tim"), "", "did you mean `time`?"),
        (
            TURNED.replace("max energy over theta\"", "max energy over time\"\nsolve = \"steady\""),
            "",
            "a steady state has no time",
        ),
        (TURNED.to_owned(), "-p gamma=1", "-p sets gamma, which [sweep] varies"),
        (TURNED.replace("[0.1, 0.5]", "[0.1, -0.5]"), "", "at theta = "),
        (TURNED.replace("[0.1, 0.5]", "[0.1, -0.5]"), "", "the rate of channel loss is -0.5"),
    ] {
        let folder = place(&text);
        let output = leyden(folder.path(), &format!("sweep cell.toml --out out {arguments}"));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{says}: {message}");
        assert!(message.contains(says), "`{says}` is not in {message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{says}: something is left behind");
    }
}

/// Steady states that are too large to be solved for are sampled, and the others stand beside them without an error: N cells
/// that are driven with Ω and decay with γ = Ω hold N·Ω²/(γ² + 2Ω²) = N/3 quanta.
#[test]
fn steady_states_that_are_too_large_are_sampled() {
    let text = "[parameters]\nN = 2\n[subsystems]\nB = { spins = \"N\" }\n[hamiltonian]\nterms = [\"0.5*sx(B)\"]\n\
                battery = false\n[channels]\nloss = { each = \"sm(B)\", rate = 1 }\n[protocol]\n\
                steps = [{ name = \"settle\", evolve = 2, samples = 1 }]\n\
                [observe]\nquantities = [\"energy\"]\n[run]\ntrajectories = 64\n\
                [sweep]\nN = { values = [4, 320] }\nsolve = \"steady\"\n";
    let folder = place(text);
    let output = leyden(folder.path(), "sweep cell.toml --out out");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("averaged over time along 64 trajectories: N = 320;"), "{said}");
    let rows = table(&folder.path().join("out/sweep.csv"));
    assert_eq!(rows[0], ["N", "time", "step", "cycle", "energy", "energy_se", "energy_lo", "energy_hi"]);
    let number = |row: usize, k: usize| rows[row][k].parse::<f64>().unwrap();
    assert!((number(1, 4) - 4.0 / 3.0).abs() < 1e-8 && number(1, 5) == 0.0, "{rows:?}");
    // Five standard errors fail once in 10⁶.
    let (energy, se) = (number(2, 4), number(2, 5));
    assert!((energy - 320.0 / 3.0).abs() < 5.0 * se && se > 0.0 && se < 2.0, "{rows:?}");
    let manifest = fs::read_to_string(folder.path().join("out/manifest.json")).unwrap();
    assert!(manifest.contains("\"sampled\"") && manifest.contains("N = 320"), "{manifest}");
}
