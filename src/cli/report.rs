//! `leyden report`: one page of a result folder.

use super::common::Outcome;
use super::plot::Written;
use super::print::say;
use crate::output::figure::{Figure, Size};
use crate::output::files::replace_file;
use crate::output::folder::{Lock, amend};
use crate::output::report::listing::{self, Listing};
use crate::output::report::{Picture, Report, equation};
use crate::problem::Problem;
use crate::table::{Table, significant};
use clap::Args;
use serde_json::Value;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `leyden report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A folder written by `run`, `exact`, `steady`, `meanfield`, `rare`, `verify` or `sweep`
    folder: PathBuf,
    /// The page [default: report.html in the folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The name of the page in its folder.
const PAGE: &str = "report.html";

/// Facts of a manifest that the page tells in its own words, or shows below.
const TOLD: [&str; 16] = [
    "title",
    "input",
    "parameters",
    "files",
    "environment",
    "command",
    "legend",
    "representation_why",
    "intervals",
    "passed",
    "false_alarm",
    "interrupted",
    "left_out",
    "doubts",
    "seeds",
    "record",
];

/// Write the page.
pub fn report(args: &ReportArgs) -> Outcome {
    let _lock = Lock::take(&args.folder)?;
    let written = Written::open(&args.folder)?;
    let page = page(&written)?.into_bytes();
    let place = match &args.out {
        Some(file) => {
            replace_file(file, &page)?;
            file.clone()
        }
        None => {
            amend(&args.folder, &[(PAGE.to_owned(), page)])?;
            args.folder.join(PAGE)
        }
    };
    say!("{}", place.display());
    Ok(ExitCode::SUCCESS)
}

fn page(written: &Written) -> Result<String, Box<dyn Error>> {
    let problem = written.input()?.problem;
    let equation = equation::mathml(&problem);
    let mut described = described(&problem);
    if equation.is_some() {
        described.retain(|(heading, _)| heading != "equation");
    }
    let report = Report {
        title: title(written).to_owned(),
        about: about(written),
        equation,
        problem: described,
        how: how(written)?,
        verdict: verdict(written),
        pictures: pictures(written)?,
        listings: listings(written)?,
        notes: notes(written)?,
        input: written.text("input").to_owned(),
        manifest: serde_json::to_string_pretty(&Value::Object(written.manifest.clone()))?,
    };
    Ok(report.page())
}

fn title<'a>(written: &'a Written) -> &'a str {
    match written.text("title") {
        "" => "A result without a title",
        title => title,
    }
}

/// What was done, in one line.
fn about(written: &Written) -> String {
    let what = match written.text("command") {
        "run" => "Quantum trajectories",
        "exact" => "The master equation, solved",
        "steady" => "The steady state",
        "meanfield" => "Mean field",
        "verify" => "Quantum trajectories against the master equation",
        "sweep" => "A sweep",
        "rare" => "The probability of rare single shots",
        other => other,
    };
    let seconds = written.manifest.get("environment").and_then(|e| e.get("wall_seconds")).and_then(Value::as_f64);
    let time = seconds.map_or_else(String::new, |s| format!(", {s:.1} s"));
    format!("{what}, by {}{time}", written.text("program"))
}

/// The problem in words, line by line.
fn described(problem: &Problem) -> Vec<(String, String)> {
    let text = problem.describe();
    // A heading is fifteen characters wide, or as long as it is.
    let line = |line: &str| {
        let wide = line.char_indices().nth(15).map_or(line.len(), |(at, _)| at);
        let end = line[wide..].find(' ').map_or(line.len(), |at| wide + at);
        (line[..end].trim().to_owned(), line[end..].trim().to_owned())
    };
    text.lines().map(line).collect()
}

/// How it was solved: what the manifest says, in its own words.
fn how(written: &Written) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| !number.is_u64()) {
            Some(x) if x.fract() != 0.0 => significant(x, 6),
            Some(x) => x.to_string(),
            None => number.to_string(),
        },
        other => other.to_string(),
    };
    let mut all: Vec<(String, String)> = Vec::new();
    if let Some(parameters) = written.manifest.get("parameters").and_then(Value::as_object) {
        let each: Vec<String> = parameters.iter().map(|(name, value)| format!("{name} = {}", shown(value))).collect();
        all.push(("parameters".into(), each.join(", ")));
    }
    if written.text("command") == "sweep" {
        for axis in written.grid()?.axes {
            let (first, last) = (axis.values.first().cloned(), axis.values.last().cloned());
            let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
            all.push(("varied".into(), format!("{} from {first} to {last}, {} values", axis.name, axis.values.len())));
        }
    }
    for (key, value) in &written.manifest {
        if !TOLD.contains(&key.as_str()) && !value.is_null() {
            all.push((key.replace('_', " "), shown(value)));
        }
    }
    if written.manifest.contains_key("representation_why") {
        all.push(("why this one".into(), written.text("representation_why").into()));
    }
    Ok(all)
}

fn is(written: &Written, key: &str) -> Option<bool> {
    written.manifest.get(key).and_then(Value::as_bool)
}

fn verdict(written: &Written) -> Option<(bool, String)> {
    if is(written, "interrupted") == Some(true) {
        return Some((false, "Interrupted: this is what was done until then.".into()));
    }
    let passed = is(written, "passed")?;
    let chance = written.manifest.get("false_alarm").and_then(Value::as_f64).unwrap_or(f64::NAN);
    Some(match passed {
        true => (true, "Verified: the trajectories agree with the exact solution.".into()),
        false => (
            false,
            format!(
                "Not verified: the trajectories disagree with the exact solution (a correct program fails with a probability of {chance})."
            ),
        ),
    })
}

/// Each panel as a picture of its own, so that a phone shows one beside the other or below.
fn pictures(written: &Written) -> Result<Vec<Picture>, Box<dyn Error>> {
    let steady = written.text("command") == "steady"
        && written.table("observables.csv")?.rows.iter().all(|row| row.time.is_infinite());
    if steady {
        return Ok(Vec::new());
    }
    let heading = |stem: &str, figure: &Figure| match stem {
        "observables" => "Averages".to_owned(),
        "correlations" => "Two-time correlations".into(),
        "paths" => "Single trajectories".into(),
        "distributions" => "Distributions of single shots".into(),
        "passages" => "First passages".into(),
        "delays" => "Delays between jumps".into(),
        "levels" => "The way to the rare event".into(),
        _ => figure.title.clone(),
    };
    let mut all = Vec::new();
    for (stem, figure) in written.figures(&[])? {
        let one = |panel| Figure::new("", 1, vec![panel]).sized(Size::SINGLE).svg();
        let heading = heading(stem, &figure);
        all.push((heading, figure.panels.into_iter().map(one).collect::<Result<_, _>>()?));
    }
    Ok(all)
}

fn listings(written: &Written) -> Result<Vec<Listing>, Box<dyn Error>> {
    let mut all = Vec::new();
    match written.text("command") {
        "sweep" => all.push(Some(listing::points(&written.grid()?))),
        "rare" => all.push(listing::of_csv("Rare single shots", &written.read("rare.csv")?, true)),
        _ => {
            let table = written.table("observables.csv")?;
            if written.has("verify.csv") {
                all.push(listing::of_csv("How far each quantity is off", &written.read("verify.csv")?, true));
            }
            match written.has("exact.csv") {
                true => all.push(listing::compared(&table, &written.table("exact.csv")?)),
                false => all.push(listing::at_the_end(&table)),
            }
            if table.rows.len() > 1 {
                all.push(Some(listing::all_rows(&table)));
            }
        }
    }
    let others = [
        ("summary.csv", "Single numbers", true),
        ("counting.csv", "Counting statistics", false),
        ("audit.csv", "Work, heat and entropy", false),
        ("delays.csv", "Delays between jumps", false),
        ("levels.csv", "On the way there", false),
    ];
    for (name, caption, open) in others {
        if written.has(name) {
            all.push(listing::of_csv(caption, &written.read(name)?, open));
        }
    }
    Ok(all.into_iter().flatten().collect())
}

/// What the errors of this result mean.
fn notes(written: &Written) -> Result<Vec<String>, Box<dyn Error>> {
    let mut notes: Vec<String> = Vec::new();
    let sampled = match written.text("command") {
        "sweep" => written.grid()?.points.iter().flatten().any(Table::is_sampled),
        "rare" => true,
        _ => written.table("observables.csv")?.is_sampled(),
    };
    if !sampled {
        notes.push("Nothing was sampled: the numbers have no statistical error.".into());
        if written.text("command") == "meanfield" {
            notes.push(
                "Mean field is an approximation, whose error it does not tell; `leyden verify` does, at small sizes."
                    .into(),
            );
        }
    } else {
        notes.push(
            "22.87(6) is a value with its standard error in the last digits. Bands, bars and [lo, hi] are 95 % intervals, lopsided where few \
             events were seen: of twenty numbers one may be expected outside. Rows of one run share their trajectories, so that neighbours \
             are off together."
                .into(),
        );
        notes.push(match written.text("intervals") {
            "" => "A number without an error needs no sampling.".into(),
            how => format!("The intervals hold for: {how}. A number without an error needs no sampling."),
        });
    }
    if written.has("exact.csv") {
        notes.push(
            "z is the distance from the exact solution in standard errors; the shaded band is ±1.96. The verdict allows for the number of \
             comparisons, and for rows that are off together (χ²)."
                .into(),
        );
    }
    if written.has("observables.csv") {
        let table = written.table("observables.csv")?;
        for column in table.columns.iter().filter(|column| column.name.ends_with("_undersampled")) {
            let rows = column.value.iter().filter(|flag| **flag == 1.0).count();
            if rows > 0 {
                let name = column.name.trim_end_matches("_undersampled");
                notes.push(format!(
                    "{name} is undersampled at {rows} of {} rows: the interval holds, the value will move with more trajectories.",
                    column.value.len()
                ));
            }
        }
    }
    if let Some(left_out) = written.manifest.get("left_out").and_then(Value::as_array) {
        let names: Vec<&str> = left_out.iter().filter_map(Value::as_str).collect();
        notes.push(format!("The interruption left out: {}.", names.join(", ")));
    }
    for (event, doubt) in written.manifest.get("doubts").and_then(Value::as_object).into_iter().flatten() {
        notes.push(format!("{event} is not to be trusted: {}.", doubt.as_str().unwrap_or_default()));
    }
    Ok(notes)
}
