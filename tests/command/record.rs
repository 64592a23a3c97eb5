//! What the command keeps of single runs.

use super::fs;
use super::place::{AGING, Place};

const CELL: &str = r#"
title = "A driven cell"
[subsystems]
A = { cell = true, energy = 1.0 }
[hamiltonian]
battery = false
terms = ["0.8*sx(A)"]
[channels]
loss = { operator = "sm(A)", rate = 0.4 }
[protocol]
steps = [ { name = "drive", evolve = 6.0, samples = 12 } ]
[observe]
quantities = ["energy", "ergotropy"]
[record]
paths = 4
jumps = true
counting = true
audit = true
distributions = ["energy", "energy_outcome", "jumps(loss)"]
first_passage = [ { quantity = "energy", above = 0.8 }, { quantity = "jumps(loss)", above = 1 } ]
[run]
trajectories = 500
"#;

/// The columns of a table by name, as text.
fn column(text: &str, name: &str) -> Vec<String> {
    let place = text.lines().next().unwrap().split(',').position(|heading| heading == name);
    let place = place.unwrap_or_else(|| panic!("no `{name}` in {}", text.lines().next().unwrap()));
    text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
}

#[test]
fn files_are_written_and_drawn_again() {
    let place = Place::new();
    fs::write(place.path("cell.toml"), CELL).unwrap();
    place.succeeds("run cell.toml --out run");
    let read = |name: &str| fs::read_to_string(place.path("run").join(name)).unwrap();
    assert!(place.path("run/jumps.npz").exists());
    // Four that were sampled and the one that never jumps.
    assert_eq!(read("paths.csv").lines().count(), 1 + 5 * 13);
    assert!(read("path_jumps.csv").lines().count() > 4);
    let of = |table: &str, name: &str| -> Vec<f64> {
        column(&read(table), name).iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()
    };
    // The bins of a row have all of the probability.
    let (names, times) = (column(&read("distributions.csv"), "quantity"), column(&read("distributions.csv"), "time"));
    let p = of("distributions.csv", "probability");
    for name in ["energy", "energy_outcome", "jumps_loss"] {
        let at_end = (0..p.len()).filter(|k| names[*k] == name && times[*k] == "6");
        assert!((at_end.map(|k| p[k]).sum::<f64>() - 1.0).abs() < 1e-9, "{name}");
    }
    let (low, middle, high) = (of("quantiles.csv", "q05"), of("quantiles.csv", "q50"), of("quantiles.csv", "q95"));
    assert!(low.len() == 3 * 13 && (0..low.len()).all(|k| low[k] <= middle[k] && middle[k] <= high[k]));
    let passed = of("passages.csv", "probability");
    assert!(passed.len() == 2 * 13 && passed[..13].windows(2).all(|pair| pair[0] <= pair[1]) && passed[12] > 0.5);
    // The first jump comes as late as the master equation says, and so often.
    place.succeeds("exact cell.toml --out exact");
    let exact = |table: &str, name: &str| -> Vec<f64> {
        let text = fs::read_to_string(place.path("exact").join(table)).unwrap();
        column(&text, name).iter().map(|cell| cell.parse().unwrap()).collect()
    };
    for (k, truth) in exact("passages.csv", "probability").into_iter().enumerate() {
        assert!((passed[13 + k] - truth).abs() < 5.0 * 0.5 / 500f64.sqrt(), "row {k}: {} {truth}", passed[13 + k]);
    }
    let exact_lossy = |table: &str, name: &str| -> Vec<f64> {
        let text = fs::read_to_string(place.path("exact").join(table)).unwrap();
        column(&text, name).iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()
    };
    let (mean, se) = (of("counting.csv", "mean")[0], of("counting.csv", "mean_se")[0]);
    assert!((mean - exact("counting.csv", "mean")[0]).abs() < 5.0 * se && se < 0.1, "{mean} ± {se}");

    // Every trajectory keeps the first law, and heat is what the master equation says.
    let kinds = column(&read("audit.csv"), "kind");
    assert_eq!(kinds.last().unwrap(), "closure");
    assert!(*of("audit.csv", "mean").last().unwrap() < 1e-10);
    let heat = kinds.iter().position(|kind| kind == "heat").unwrap();
    let (mean, se) = (of("audit.csv", "mean")[heat], of("audit.csv", "mean_se")[heat]);
    let truth = exact_lossy("audit.csv", "mean")[heat];
    assert!((mean - truth).abs() < 5.0 * se && se < 0.2 && mean < -1.0, "{mean} ± {se}, exactly {truth}");

    // One file with all of it, and one with the exact table.
    place.succeeds("run cell.toml --format netcdf --out nc");
    place.succeeds("exact cell.toml --format netcdf --out exact_nc");
    for (folder, variables) in [("nc", vec!["energy_hi", "weight", "energy_probability"]), ("exact_nc", vec!["energy"])]
    {
        let bytes = fs::read(place.path(folder).join("result.nc")).unwrap();
        assert!(bytes.starts_with(b"CDF\x02"), "{folder}");
        for name in variables {
            assert!(bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{folder}: no {name}");
        }
    }

    let pictures = ["paths", "distributions", "passages"];
    let drawn = pictures.map(|stem| read(&format!("{stem}.svg")));
    pictures.iter().for_each(|stem| fs::remove_file(place.path("run").join(format!("{stem}.svg"))).unwrap());
    place.succeeds("plot run");
    assert_eq!(pictures.map(|stem| read(&format!("{stem}.svg"))), drawn);
}

#[test]
fn flags_ask_for_the_same() {
    let place = Place::new();
    let small = "-p N=10 -p cycles=2 -p samples=2 --trajectories 300";
    let flags = "--paths 2 --jumps --counting --audit --distributions energy,energy_outcome";
    place.succeeds(&format!("run aging.toml {small} {flags} --out flags"));
    let section = "[record]\npaths = 2\njumps = true\ncounting = true\naudit = true\ndistributions = [\"energy\", \"energy_outcome\"]\n";
    fs::write(place.path("section.toml"), format!("{AGING}\n{section}")).unwrap();
    place.succeeds(&format!("run section.toml {small} --out section"));
    let tables = ["paths.csv", "path_jumps.csv", "counting.csv", "audit.csv", "distributions.csv", "quantiles.csv"];
    for file in tables.into_iter().chain(["jumps.npz", "shots.npz"]) {
        let [one, other] = ["flags", "section"].map(|folder| fs::read(place.path(folder).join(file)).unwrap());
        assert!(one == other && !one.is_empty(), "{file}");
    }
    // Nothing of it without being asked, nor single shots where they are not wanted.
    place.succeeds(&format!("run section.toml {small} --no-shots --out few"));
    assert!(!place.path("few/shots.npz").exists() && place.path("few/jumps.npz").exists());
    place.succeeds(&format!("run aging.toml {small} --out none"));
    assert!(!place.path("none/counting.csv").exists());
    place.refuses(&format!("run aging.toml {small} --distributions enrgy --out x"), &["`enrgy`", "`energy`"]);
    place.refuses(&format!("run aging.toml {small} --distributions ergotropy --out x"), &["no single trajectory"]);
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    let place = Place::new();
    let of = |keys: &str| {
        let (before, _) = CELL.split_once("[record]").unwrap();
        fs::write(place.path("cell.toml"), format!("{before}[record]\n{keys}\n")).unwrap();
    };
    let mistakes: [(&str, &[&str]); 12] = [
        ("path = 3", &["unknown key `path`", "did you mean `paths`?", "cell.toml:15"]),
        ("paths = 1001", &["1001", "1000", "cell.toml:15"]),
        ("paths = -1", &["the number of paths is -1"]),
        ("jumps = 1", &["true"]),
        ("distributions = [\"enrgy\"]", &["`enrgy`", "did you mean `energy`?", "cell.toml:15"]),
        ("distributions = [\"ergotropy\"]", &["`ergotropy` is no average", "cell.toml:15"]),
        ("distributions = [\"jumps(los)\"]", &["unknown channel `los`", "expected a channel: `loss`"]),
        ("first_passage = [{ quantity = \"energy\" }]", &["one level", "above = 1.0"]),
        ("first_passage = [{ quantity = \"energy\", above = 1, below = 0 }]", &["one level"]),
        ("first_passage = [{ quantity = \"energy\", above = 1.5 }]", &["from 0 to 1", "cell.toml:15"]),
        ("first_passage = [{ quantity = \"energy\", above = \"0/0\" }]", &["NaN"]),
        ("first_passage = [{ quantity = \"purity\", above = 0.5 }]", &["`purity` is no average"]),
    ];
    for (keys, says) in mistakes {
        of(keys);
        place.refuses("run cell.toml --out run", says);
    }
}

/// More jumps than are kept end a run after its first batch, and nothing is left of it.
#[test]
fn too_many_jumps_are_refused() {
    let place = Place::new();
    let output = place.leyden("run aging.toml --jumps --no-shots --trajectories 1e8 --out run").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("the record of jumps") && message.contains("100000000"), "{message}");
    assert!(!place.path("run").exists());
}
