//! `leyden plot` and `leyden report` as a user meets them: any columns, sizes and formats, and a page that says everything.

use std::fs;

#[path = "common/place.rs"]
mod place;
use place::Place;

const SMALL: &str = "aging.toml -p N=4 -p cycles=2 -p samples=2 --trajectories 300";

/// What a command prints, after it has done what it should.
fn done(place: &Place, arguments: &str) -> String {
    let output = place.leyden(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(place: &Place, arguments: &str) -> String {
    let output = place.leyden(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn pictures_have_the_columns_the_size_and_the_formats_asked_for() {
    let place = Place::new();
    done(&place, &format!("run {SMALL} --out out"));
    let read = |name: &str| fs::read(place.path("out").join(name)).unwrap();
    let whole = read("observables.svg");
    assert!(read("observables.pdf").starts_with(b"%PDF-"));
    let drawn = done(&place, "plot out --columns ergotropy,M --size single --format svg");
    assert_eq!(drawn, "out/observables.svg\n");
    let some = String::from_utf8(read("observables.svg")).unwrap();
    assert!(some.starts_with(r#"<svg width="86.00mm""#) && some.contains("ergotropy") && !some.contains("jumps"));
    done(&place, "plot out --columns M --size 120x70 --format pdf");
    assert!(String::from_utf8_lossy(&read("observables.pdf")).contains("/MediaBox [0 0 340.15"));
    // All belong to the result, which may be replaced as before.
    let manifest: serde_json::Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    assert!(manifest["files"]["observables.pdf"].is_string());
    done(&place, "plot out");
    assert!(read("observables.svg") == whole);
    done(&place, &format!("run {SMALL} --out out"));

    let message = refused(&place, "plot out --columns ergotopy");
    assert!(message.contains("`ergotopy`") && message.contains("ergotropy"), "{message}");
    let message = refused(&place, "plot out --size 20x20");
    assert!(message.contains("20x20") && message.contains("30 to 2000"), "{message}");
    let message = refused(&place, "plot out --size 60x60");
    assert!(message.contains("at least 40 mm × 30 mm"), "{message}");
    assert!(refused(&place, "plot out --format gif").contains("svg, png or pdf"));
    assert!(refused(&place, "plot nowhere").contains("nowhere"));
}

#[test]
fn a_page_says_what_was_solved_and_what_came_of_it() {
    let place = Place::new();
    let text = fs::read_to_string(place.path("aging.toml")).unwrap();
    let title = text.lines().find(|line| line.starts_with("title")).unwrap();
    let evil = text.replace(title, r#"title = "<script>alert(1)</script> & </title>""#);
    fs::write(place.path("aging.toml"), evil).unwrap();
    done(&place, &format!("run {SMALL} --out out --paths 2 --distributions energy"));
    assert_eq!(done(&place, "report out"), "out/report.html\n");
    let page = fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script>alert"));
    let all = [
        "<math",
        "<svg",
        "Single trajectories",
        "Distributions",
        "95 % interval",
        "permutation symmetric",
        "shots.npz",
    ];
    for wanted in all {
        assert!(page.contains(wanted), "{wanted} is missing");
    }
    // Nothing is fetched from anywhere.
    assert!(!page.contains("src=") && !page.contains("<link") && !page.contains("@import"));
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("out/manifest.json")).unwrap()).unwrap();
    assert!(manifest["files"]["report.html"].is_string());

    for (command, wanted) in [
        ("exact aging.toml -p N=4 -p cycles=2", "Nothing was sampled"),
        ("verify aging.toml -p N=3 -p cycles=1 --trajectories 500", "How far each quantity is off"),
        ("steady aging.toml -p N=4", "At the end"),
    ] {
        done(&place, &format!("{command} --out other --force"));
        done(&place, "report other --out page.html");
        let page = fs::read_to_string(place.path("page.html")).unwrap();
        assert!(page.contains(wanted), "{command}: {wanted} is missing");
    }
    assert!(refused(&place, "report nowhere").contains("nowhere"));
}
