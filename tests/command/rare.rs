//! `leyden rare`: what a single shot hardly ever shows.

use super::place::Place;
use super::{fs, result};
use std::process::Command;

const DECAY: &str = r#"
title = "Cells that decay"
[subsystems]
B = { spins = 12, energy = 1.0 }
[initial]
B = "excited"
[channels]
loss = { each = "sm(B)", rate = 1.0 }
[protocol]
steps = [ { name = "wait", evolve = 0.1, samples = 2 } ]
[observe]
quantities = ["energy", "ergotropy"]
[rare]
quantity = "energy"
below = 6.5
relative_error = 0.3
population = 200
"#;

/// A cell of the first table `rare.csv` of a folder.
fn cell(place: &Place, folder: &str, line: usize, name: &str) -> String {
    let text = fs::read_to_string(place.path(folder).join("rare.csv")).unwrap();
    let at = text.lines().next().unwrap().split(',').position(|heading| heading == name).unwrap();
    text.lines().nth(1 + line).unwrap().split(',').nth(at).unwrap().to_owned()
}

fn number(place: &Place, folder: &str, line: usize, name: &str) -> f64 {
    cell(place, folder, line, name).parse().unwrap()
}

#[test]
fn events_of_the_input_and_of_flags() {
    let place = Place::new();
    fs::write(place.path("decay.toml"), DECAY).unwrap();
    let output = place.leyden("rare decay.toml --out section").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("energy below 6.5 at t = 0.1: ") && text.contains("populations of 200"), "{text}");
    // Six or more of twelve: 924 (1 − e^−0.1)⁶ and so on.
    let exact = 4.18e-4;
    let (lo, hi) = (number(&place, "section", 0, "probability_lo"), number(&place, "section", 0, "probability_hi"));
    assert!(lo < exact && exact < hi && hi < 3.0 * lo, "{lo} to {hi}");
    assert!(cell(&place, "section", 0, "above").is_empty() && cell(&place, "section", 0, "trusted") == "1");

    // The same by flags, on other threads; only what was asked stands in the manifest.
    let bare = DECAY.split("[rare]").next().unwrap();
    fs::write(place.path("bare.toml"), bare).unwrap();
    let flags = "--quantity energy --below 6.5 --relative-error 0.3 --population 200 --threads 3";
    place.succeeds(&format!("rare bare.toml {flags} --out flags"));
    for file in ["rare.csv", "levels.csv", "levels.svg", "levels.png"] {
        let [one, other] = ["section", "flags"].map(|folder| fs::read(place.path(folder).join(file)).unwrap());
        assert!(one == other && !one.is_empty(), "{file}");
    }
    assert_eq!(place.manifest("flags")["events"][0], "energy below 6.5");
    // The same again is the same result.
    let before = result(&place.path("section"));
    place.succeeds("rare decay.toml --out section");
    assert_eq!(result(&place.path("section")), before);

    // Several, of which two need no sampling.
    let events = "events = [{ quantity = \"jumps(loss)\", below = 1 }, { quantity = \"energy\", below = 12.5 }, \
                  { quantity = \"energy_outcome\", below = 8 }]\npopulation = 100\nrelative_error = 0.5\n";
    fs::write(place.path("several.toml"), format!("{bare}[rare]\n{events}")).unwrap();
    place.succeeds("rare several.toml --out several");
    assert!((number(&place, "several", 0, "probability") / f64::exp(-1.2) - 1.0).abs() < 1e-12);
    assert_eq!(cell(&place, "several", 0, "populations"), "0");
    assert_eq!(cell(&place, "several", 1, "probability"), "1");
    assert!(number(&place, "several", 2, "probability") > 1e-3);

    // Pictures again.
    let drawn = fs::read(place.path("section/levels.svg")).unwrap();
    fs::remove_file(place.path("section/levels.svg")).unwrap();
    place.succeeds("plot section");
    assert_eq!(fs::read(place.path("section/levels.svg")).unwrap(), drawn);
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    let place = Place::new();
    let of = |keys: &str| {
        let (before, _) = DECAY.split_once("[rare]").unwrap();
        fs::write(place.path("decay.toml"), format!("{before}[rare]\n{keys}\n")).unwrap();
    };
    let mistakes: [(&str, &[&str]); 12] = [
        ("", &["no rare event is asked for", "quantity = \"energy\", below = 5.5"]),
        ("quantity = \"energy\"", &["a rare event has one level", "decay.toml:13"]),
        ("quantity = \"energy\"\nbelow = 1\nabove = 2", &["a rare event has one level"]),
        ("below = 1", &["no rare event is asked for"]),
        ("quantity = \"ergotropy\"\nbelow = 1", &["`ergotropy` is no average", "decay.toml:14"]),
        ("quantity = \"enrgy\"\nbelow = 1", &["`enrgy`", "did you mean `energy`?", "decay.toml:14"]),
        ("quantity = \"jumps(los)\"\nbelow = 1", &["unknown channel `los`", "expected a channel: `loss`"]),
        ("quantity = \"energy\"\nbelow = \"0/0\"", &["NaN", "decay.toml:15"]),
        ("quantity = \"energy\"\nbelow = 1\nevents = []", &["two ways"]),
        ("events = [{ quantity = \"energy\", under = 1 }]", &["unknown key of a rare event `under`"]),
        ("quantity = \"energy\"\nbelow = 1\nrelative_error = 0", &["the relative error is 0", "at most 1"]),
        ("quantity = \"energy\"\nbelow = 1\npopulation = 3", &["in a population is 3", "from 10 to 1000000"]),
    ];
    for (keys, says) in mistakes {
        of(keys);
        place.refuses("rare decay.toml --out run", says);
    }
    fs::write(place.path("bare.toml"), DECAY.split("[rare]").next().unwrap()).unwrap();
    for (flags, says) in [
        ("", &["no rare event is asked for", "--below 5.5"][..]),
        ("--quantity energy", &["--below"]),
        ("--below 3", &["--quantity"]),
        ("--quantity energy --below 3 --above 4", &["cannot be used with"]),
        ("--quantity energy --below nan", &["finite number"]),
        ("--quantity energy --below 3 --relative-error 2", &["at most 1"]),
        ("--quantity energy --below 3 --population 1", &["from 10 to 1000000"]),
        ("--quantity purity --below 3", &["`purity` is no average", "command line"]),
    ] {
        place.refuses(&format!("rare bare.toml {flags} --out run"), says);
    }
}

/// An interruption ends it within a second or so, and keeps populations that are complete.
#[test]
fn an_interruption_keeps_what_is_complete() {
    let place = Place::new();
    let large = DECAY.replace("spins = 12", "spins = 400").replace("below = 6.5", "below = 300");
    let large = large.replace("relative_error = 0.3\npopulation = 200", "relative_error = 0.0005");
    fs::write(place.path("large.toml"), large).unwrap();
    let interrupt = |seconds: u64| {
        let child = place.begins("rare large.toml --out run");
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let began = std::time::Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(began.elapsed().as_secs_f64() < 4.0, "{:?}", began.elapsed());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // As soon as there is something to keep, whatever the machine.
    for seconds in [1, 4, 16, 60] {
        let (status, message) = interrupt(seconds);
        assert_eq!(status, Some(130), "{message}");
        if message.contains("nothing was kept") {
            assert!(!place.path("run").exists());
            continue;
        }
        assert!(message.contains("populations of energy below 300 were kept"), "{message}");
        assert_eq!(place.manifest("run")["interrupted"], true);
        assert!(number(&place, "run", 0, "populations") >= 2.0);
        return;
    }
    panic!("there was nothing to keep after a minute");
}
