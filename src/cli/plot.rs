//! `leyden plot`: the pictures of a result folder, again.

use super::common::{self, Outcome};
use super::print::say;
use super::sweep::grid_axes;
use crate::error::RunError;
use crate::input;
use crate::output::correlations;
use crate::output::figure::Figure;
use crate::output::files::replace_file;
use crate::output::folder::{Lock, manifest};
use crate::output::pictures;
use crate::output::rare;
use crate::output::single_figures;
use crate::output::sweep::Grid;
use crate::output::table::from_csv;
use crate::table::Table;
use serde_json::{Map, Value};
use std::path::Path;
use std::process::ExitCode;

/// Draw the pictures of `folder` from its tables.
pub fn plot(folder: &Path) -> Outcome {
    let shown = folder.display();
    let request = |text: String| RunError::Request(text);
    let manifest = manifest(folder)
        .ok_or_else(|| request(format!("{shown} is no result folder: expected a readable manifest.json in it")))?;
    let text_of = |key: &str| manifest.get(key).and_then(Value::as_str).unwrap_or_default();
    let _lock = Lock::take(folder)?;
    let mut pictures = vec![match text_of("command") {
        "sweep" => ("sweep", sweep(folder, &manifest)?),
        "rare" => {
            let figure = rare::figure(text_of("title"), &read(folder, "levels.csv")?);
            ("levels", figure.ok_or_else(|| request(format!("{shown}/levels.csv holds no picture")))?)
        }
        command if command.starts_with("reproduce") => {
            return Err(request(format!("{shown} was made by `leyden {command}`, which draws it again")).into());
        }
        command => {
            let sampled = manifest.get("trajectories").and_then(Value::as_u64).map(common::sampled_legend);
            let legend = sampled.unwrap_or_else(|| text_of("legend").to_owned());
            let first = table(folder, "observables.csv")?;
            if first.rows.iter().all(|row| row.time.is_infinite()) {
                return Err(request(format!("{shown} holds a steady state, which has no picture")).into());
            }
            let exact = if command == "verify" { Some(table(folder, "exact.csv")?) } else { None };
            let mut tables = vec![(legend.as_str(), &first)];
            tables.extend(exact.iter().map(|table| ("exact", table)));
            ("observables", pictures::standard(text_of("title"), &tables))
        }
    }];
    if folder.join("correlations.csv").exists() {
        let all = correlations::from_csv(&read(folder, "correlations.csv")?);
        let all = all.ok_or_else(|| request(format!("{shown}/correlations.csv is not a table of correlations")))?;
        pictures.push(("correlations", correlations::figure(text_of("title"), &all)));
    }
    let title = text_of("title");
    let mut draw_again = |stem: &'static str, tables: [&str; 2], figure: &dyn Fn(&str, &str) -> Option<Figure>| {
        if !folder.join(tables[0]).exists() {
            return Ok::<(), RunError>(());
        }
        let [first, second] = tables.map(|name| if name.is_empty() { Ok(String::new()) } else { read(folder, name) });
        let found = figure(&first?, &second?);
        pictures
            .push((stem, found.ok_or_else(|| request(format!("{shown}/{} is not the table of a run", tables[0])))?));
        Ok(())
    };
    draw_again("paths", ["paths.csv", "path_jumps.csv"], &|a, b| single_figures::paths(title, a, b))?;
    let maps = ["distributions.csv", "quantiles.csv"];
    draw_again("distributions", maps, &|a, b| single_figures::distributions(title, a, b))?;
    draw_again("passages", ["passages.csv", ""], &|a, _| single_figures::passages(title, a))?;
    draw_again("delays", ["delays.csv", ""], &|a, _| single_figures::delays(title, a))?;
    for (stem, figure) in pictures {
        let (svg, png) = (figure.svg()?, figure.png()?);
        for (name, bytes) in [(format!("{stem}.svg"), svg.as_bytes()), (format!("{stem}.png"), &png)] {
            replace_file(&folder.join(&name), bytes)?;
            say!("{}", folder.join(name).display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(folder: &Path, name: &str) -> Result<String, RunError> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).map_err(|source| RunError::Io {
        action: "read",
        path: path.display().to_string(),
        source,
    })
}

fn table(folder: &Path, name: &str) -> Result<Table, RunError> {
    let no_table = || RunError::Request(format!("{} is not a table of results", folder.join(name).display()));
    from_csv(&read(folder, name)?).ok_or_else(no_table)
}

/// The curves or maps of a sweep, whose grid is in the input that the manifest holds.
fn sweep(folder: &Path, manifest: &Map<String, Value>) -> Result<Figure, Box<dyn std::error::Error>> {
    let text = read(folder, "sweep.csv")?;
    let input = manifest.get("input").and_then(Value::as_str).unwrap_or_default();
    let written = |(name, value): (&String, &Value)| match value {
        Value::String(word) => (name.clone(), word.clone()),
        number => (name.clone(), number.to_string()),
    };
    let parameters = manifest.get("parameters").and_then(Value::as_object);
    let overrides: Vec<(String, String)> = parameters.into_iter().flatten().map(written).collect();
    let manifest = folder.join("manifest.json").display().to_string();
    let input = input::parse(&manifest, input, &overrides)?;
    let grid = input.sweep.as_ref().and_then(|sweep| Grid::read(grid_axes(sweep), &text));
    let figure = grid.and_then(|grid| grid.figure(&input.problem.title));
    let no_grid = || {
        let table = folder.join("sweep.csv");
        RunError::Request(format!(
            "{} is not the table of the sweep in {manifest}, or holds no picture",
            table.display()
        ))
    };
    Ok(figure.ok_or_else(no_grid)?)
}
