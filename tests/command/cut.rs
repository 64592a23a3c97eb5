//! However a run is cut up, into threads, kills, resumes and parts, its files are the same bytes.

use super::fs;
use super::place::Place;
use super::results::{BLOCKS, files};
use std::thread::sleep;
use std::time::Duration;

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("blocks.toml"), BLOCKS).unwrap();
    place
}

/// Kill a run after some time, as often as asked for, and then let it end.
fn killed(place: &Place, arguments: &str, out: &str, kills: &[u64]) {
    for after in kills {
        let mut child = place.begins(&format!("run {arguments} --resume --checkpoint 0s --out {out}"));
        sleep(Duration::from_millis(*after));
        let _ = child.kill();
        child.wait().unwrap();
    }
    place.succeeds(&format!("run {arguments} --resume --checkpoint 0s --out {out}"));
}

fn cut_at_random(times: usize) {
    let place = place();
    for (n, arguments) in [
        "blocks.toml",
        "aging.toml -p N=40 -p cycles=4 -p samples=2 --trajectories 20000 --counting --audit --paths 2",
        "blocks.toml --trajectories 700 --audit",
    ]
    .iter()
    .enumerate()
    {
        place.succeeds(&format!("run {arguments} --out whole{n}"));
        let whole = files(&place.path(&format!("whole{n}")));
        for time in 0..times {
            // Moments spread over a run by the golden ratio.
            let moment = |k: usize| (400.0 * ((time * 7 + k) as f64 * 0.618_034).fract()) as u64;
            let out = format!("cut{n}-{time}");
            killed(
                &place,
                &format!("{arguments} --threads {}", 1 + time % 3),
                &out,
                &[moment(1), moment(2), moment(3)],
            );
            assert_eq!(files(&place.path(&out)), whole, "{arguments}, cut number {time}");
            let parts = 1 + (time * 5 + n) % 9;
            let mut folders = Vec::new();
            for part in (1..=parts).rev() {
                let folder = format!("part{n}-{time}-{part}");
                place.succeeds(&format!(
                    "run {arguments} --threads {} --part {part}/{parts} --out {folder}",
                    1 + part % 2
                ));
                folders.push(folder);
            }
            place.succeeds(&format!("merge {} --out merged{n}-{time}", folders.join(" ")));
            assert_eq!(files(&place.path(&format!("merged{n}-{time}"))), whole, "{arguments} in {parts} parts");
        }
    }
}

#[test]
fn kills_and_parts_change_no_byte() {
    cut_at_random(3);
}

#[test]
#[ignore = "two hundred random cuts: minutes"]
fn two_hundred_cuts_change_no_byte() {
    cut_at_random(100);
}

/// A run that has ended says so; one that asks for more goes on, and ends as if it had asked for them at once.
#[test]
fn more_trajectories_go_on_from_the_result() {
    let place = place();
    place.succeeds("run blocks.toml --trajectories 1500 --checkpoint 1h --out more");
    let first = files(&place.path("more"));
    let output = place.leyden("run blocks.toml --trajectories 1500 --resume --out more").output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("is finished"), "{output:?}");
    assert_eq!(files(&place.path("more")), first);
    let output = place.leyden("run blocks.toml --trajectories 4000 --resume --out more").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && message.contains("goes on after"), "{message}");
    place.succeeds("run blocks.toml --trajectories 4000 --out at_once");
    assert_eq!(files(&place.path("more")), files(&place.path("at_once")));
}

/// After a time a run ends well, with intervals that allow for it, and another goes on with it.
#[test]
fn a_time_ends_a_run() {
    let place = place();
    let started = std::time::Instant::now();
    let arguments = "run blocks.toml --trajectories 1e6 --no-shots --max-time 0.5s --checkpoint 1h --out run";
    let output = place.leyden(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && message.contains("stopped after 0.5 s"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(60));
    let manifest = place.manifest("run");
    let made = manifest["trajectories"].as_u64().unwrap();
    assert!(0 < made && made < 1_000_000 && manifest["interrupted"] == false, "{manifest}");
    assert!(manifest["intervals"].as_str().unwrap().contains("might have been stopped"), "{manifest}");
    let more = made + 1000;
    place.succeeds(&format!("run blocks.toml --trajectories {more} --no-shots --resume --out run"));
    place.succeeds(&format!("run blocks.toml --trajectories {more} --no-shots --out whole"));
    assert_eq!(files(&place.path("run")), files(&place.path("whole")));
    for (flags, says) in [("--max-time soon", "such as 60s"), ("--max-time 5s --part 1/2", "cannot be used with")] {
        let output = place.leyden(&format!("run blocks.toml {flags} --out no")).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(says), "{message}");
    }
}

/// An interrupted run says how to go on, and is not begun anew by accident.
#[test]
fn a_left_checkpoint_is_not_lost() {
    let place = place();
    let stored = place.path("out.checkpoint");
    let mut child = place.begins("run blocks.toml --no-shots --trajectories 1000000 --checkpoint 0s --out out");
    while !stored.exists() {
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = fs::read(&stored).unwrap();
    place.refuses("run blocks.toml --out out", &["out.checkpoint", "--resume goes on from it", "--force begins anew"]);
    place.refuses(
        "run blocks.toml --seed 9 --resume --out out",
        &["out.checkpoint is of another run", "seed is 1 there and 9 here"],
    );
    place.refuses("run blocks.toml -p g=2 --resume --out out", &["of another run", "parameters is"]);
    for (damage, says) in [
        (&kept[..kept.len() / 2], "was cut short"),
        (&b"leyden checkpoint 0\nxx"[..], "another version"),
        (&b"energy,time"[..], "damaged"),
    ] {
        fs::write(&stored, damage).unwrap();
        place.refuses("run blocks.toml --resume --out out", &["out.checkpoint", says]);
    }
    let mut flipped = kept.clone();
    flipped[kept.len() - 9] ^= 4;
    fs::write(&stored, flipped).unwrap();
    place.refuses("run blocks.toml --resume --out out", &["checksum"]);
    place.succeeds("run blocks.toml --trajectories 100 --force --out out");
    assert!(!stored.exists());
}

/// Missing, doubled and foreign parts are called by their names.
#[test]
fn wrong_parts_are_named() {
    let place = place();
    for part in 1..=3 {
        place.succeeds(&format!("run blocks.toml --part {part}/3 --out D{part}"));
    }
    place.succeeds("run blocks.toml --seed 2 --part 2/3 --out other");
    place.refuses("merge D1 D3 --out D", &["part 2/3 is missing"]);
    place.refuses("merge D3 --out D", &["parts 1/3, 2/3 are missing"]);
    place.succeeds("run blocks.toml --part 3/4 --out quarter");
    place.refuses("merge D1 quarter --out D", &["the part that holds batches", "is missing"]);
    // What an interrupted part leaves lies beside the others.
    fs::write(place.path("D2.checkpoint"), "").unwrap();
    place.refuses("merge D1 D2.checkpoint D3 --out D", &["part 2/3 is missing: --resume goes on from D2.checkpoint"]);
    place.refuses("merge D2.checkpoint --out D", &["every part is missing: --resume goes on from D2.checkpoint"]);
    place.refuses("merge D1 D2 D2 D3 --out D", &["D2 and D2 hold the same batches"]);
    place.refuses("merge D1 other D3 --out D", &["is of another run than D1", "seed is 1 there and 2 here"]);
    place.refuses("merge D1 nowhere --out D", &["nowhere"]);
    for (part, says) in [("4/3", "expected a part from 1/3 to 3/3"), ("0/3", "expected a part"), ("x", "such as 3/16")]
    {
        let output = place.leyden(&format!("run blocks.toml --part {part} --out D4")).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(says), "{message}");
    }
}
