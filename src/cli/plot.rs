//! `leyden plot`: the pictures of a result folder, again: all columns or some, at any size, in any format.

use super::common::{self, Outcome};
use super::print::say;
use super::sweep::grid_axes;
use crate::error::{ModelError, RunError, nearest};
use crate::input::{self, Input};
use crate::output::correlations;
use crate::output::figure::{Figure, Format, Size};
use crate::output::folder::{Lock, amend, manifest};
use crate::output::pictures;
use crate::output::rare;
use crate::output::single_figures;
use crate::output::sweep::Grid;
use crate::output::table::from_csv;
use crate::table::Table;
use clap::Args;
use serde_json::{Map, Value};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `leyden plot`.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// A folder written by `run`, `exact`, `steady`, `meanfield`, `rare`, `verify` or `sweep`
    folder: PathBuf,
    /// Draw only these columns, in this order, and no other picture [default: all]
    #[arg(long, value_name = "Q,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// `single` or `double` (one or two columns of a journal, 86 and 178 mm), or width and height in millimetres such as
    /// 120x80 [default: what the panels take]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<Size>,
    /// Formats, of svg, png and pdf
    #[arg(long, value_name = "F,...", value_delimiter = ',', default_value = "svg,png,pdf", value_parser = parse_format)]
    format: Vec<Format>,
}

/// The least and the most millimetres of a picture.
const MILLIMETRES: std::ops::RangeInclusive<f64> = 30.0..=2000.0;

fn parse_size(text: &str) -> Result<Size, String> {
    let (least, most) = (MILLIMETRES.start(), MILLIMETRES.end());
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|mm| MILLIMETRES.contains(mm));
    match (text, text.split_once(['x', '×'])) {
        ("single", _) => Ok(Size::SINGLE),
        ("double", _) => Ok(Size::DOUBLE),
        (_, Some((width, height))) => match (number(width), number(height)) {
            (Some(width), Some(height)) => Ok(Size { width, height: Some(height) }),
            _ => Err(format!("expected a width and a height from {least} to {most} millimetres, such as 120x80")),
        },
        _ => Err("expected single, double, or width and height in millimetres such as 120x80".into()),
    }
}

fn parse_format(text: &str) -> Result<Format, String> {
    let known = Format::ALL.into_iter().find(|format| format.ending() == text);
    known.ok_or_else(|| "expected svg, png or pdf".into())
}

/// Draw the pictures of a folder from its tables.
pub fn plot(args: &PlotArgs) -> Outcome {
    let folder = &args.folder;
    let _lock = Lock::take(folder)?;
    let result = Written::open(folder)?;
    let mut files = Vec::new();
    for (stem, figure) in result.figures(&args.columns)? {
        let figure = match args.size {
            Some(size) => figure.sized(size),
            None => figure,
        };
        for format in &args.format {
            files.push((format!("{stem}.{}", format.ending()), figure.encode(*format)?));
        }
    }
    amend(folder, &files)?;
    files.iter().for_each(|(name, _)| say!("{}", folder.join(name).display()));
    Ok(ExitCode::SUCCESS)
}

/// A result folder that is read again.
pub struct Written<'a> {
    folder: &'a Path,
    pub manifest: Map<String, Value>,
}

impl<'a> Written<'a> {
    /// # Errors
    /// When it is no result of a command that leaves pictures of one input.
    pub fn open(folder: &'a Path) -> Result<Self, RunError> {
        let shown = folder.display();
        let manifest = manifest(folder).ok_or_else(|| {
            RunError::Request(format!("{shown} is no result folder: expected a readable manifest.json in it"))
        })?;
        let written = Self { folder, manifest };
        let command = written.text("command");
        if command.starts_with("reproduce") {
            return Err(RunError::Request(format!("{shown} was made by `leyden {command}`, which draws it again")));
        }
        if written.manifest.contains_key("part") {
            return Err(RunError::Request(format!(
                "{shown} is a part of a run; `leyden merge` makes a result of them"
            )));
        }
        Ok(written)
    }

    /// A text of the manifest; empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        self.manifest.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it holds a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, name: &str) -> Result<String, RunError> {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).map_err(|source| RunError::Io {
            action: "read",
            path: path.display().to_string(),
            source,
        })
    }

    /// # Errors
    /// When the file cannot be read, or is no table of quantities.
    pub fn table(&self, name: &str) -> Result<Table, RunError> {
        let no_table = || RunError::Request(format!("{} is not a table of results", self.folder.join(name).display()));
        from_csv(&self.read(name)?).ok_or_else(no_table)
    }

    /// The input with its parameters, from the manifest.
    ///
    /// # Errors
    /// When it is not understood, which a manifest that was written by another version may be.
    pub fn input(&self) -> Result<Input, Box<dyn Error>> {
        let written = |(name, value): (&String, &Value)| match value {
            Value::String(word) => (name.clone(), word.clone()),
            number => (name.clone(), number.to_string()),
        };
        let parameters = self.manifest.get("parameters").and_then(Value::as_object);
        let overrides: Vec<(String, String)> = parameters.into_iter().flatten().map(written).collect();
        let place = self.folder.join("manifest.json").display().to_string();
        Ok(input::parse(&place, self.text("input"), &overrides)?)
    }

    /// The grid of a sweep.
    ///
    /// # Errors
    /// When the table is not that of the sweep in the manifest.
    pub fn grid(&self) -> Result<Grid, Box<dyn Error>> {
        let text = self.read("sweep.csv")?;
        let input = self.input()?;
        let grid = input.sweep.as_ref().and_then(|sweep| Grid::read(grid_axes(sweep), &text));
        Ok(grid.ok_or_else(|| {
            RunError::Request(format!(
                "{} is not the table of the sweep in manifest.json",
                self.folder.join("sweep.csv").display()
            ))
        })?)
    }

    /// The pictures with the names of their files; with `columns` that of averages alone, of them.
    ///
    /// # Errors
    /// When there is no picture, no such column, or a table is missing or not what it was.
    pub fn figures(&self, columns: &[String]) -> Result<Vec<(&'static str, Figure)>, Box<dyn Error>> {
        let shown = self.folder.display();
        let request = |text: String| RunError::Request(text);
        let title = self.text("title");
        let first = match self.text("command") {
            "sweep" => ("sweep", self.sweep(columns)?),
            "rare" => {
                let figure = rare::figure(title, &self.read("levels.csv")?);
                ("levels", figure.ok_or_else(|| request(format!("{shown}/levels.csv holds no picture")))?)
            }
            _ => ("observables", self.averages(columns)?),
        };
        let mut all = vec![first];
        if !columns.is_empty() {
            return Ok(all);
        }
        if self.has("correlations.csv") {
            let read = correlations::from_csv(&self.read("correlations.csv")?);
            let read =
                read.ok_or_else(|| request(format!("{shown}/correlations.csv is not a table of correlations")))?;
            all.push(("correlations", correlations::figure(title, &read)));
        }
        type Drawn = fn(&str, &str, &str) -> Option<Figure>;
        let single: [(&str, [&str; 2], Drawn); 4] = [
            ("paths", ["paths.csv", "path_jumps.csv"], single_figures::paths),
            ("distributions", ["distributions.csv", "quantiles.csv"], single_figures::distributions),
            ("passages", ["passages.csv", ""], |title, text, _| single_figures::passages(title, text)),
            ("delays", ["delays.csv", ""], |title, text, _| single_figures::delays(title, text)),
        ];
        for (stem, [one, other], figure) in single {
            if self.has(one) {
                let second = if other.is_empty() { String::new() } else { self.read(other)? };
                let found = figure(title, &self.read(one)?, &second);
                all.push((stem, found.ok_or_else(|| request(format!("{shown}/{one} is not the table of a run")))?));
            }
        }
        Ok(all)
    }

    fn averages(&self, columns: &[String]) -> Result<Figure, Box<dyn Error>> {
        let sampled = self.manifest.get("trajectories").and_then(Value::as_u64).map(common::sampled_legend);
        let legend = sampled.unwrap_or_else(|| self.text("legend").to_owned());
        let mut first = self.table("observables.csv")?;
        if first.rows.iter().all(|row| row.time.is_infinite()) {
            let text = format!("{} holds a steady state, which has no picture", self.folder.display());
            return Err(RunError::Request(text).into());
        }
        if !columns.is_empty() {
            known(columns, &first)?;
            first.columns = columns.iter().filter_map(|name| first.column(name).cloned()).collect();
        }
        let exact = if self.has("exact.csv") { Some(self.table("exact.csv")?) } else { None };
        let mut tables = vec![(legend.as_str(), &first)];
        tables.extend(exact.iter().map(|table| ("exact", table)));
        Ok(pictures::standard(self.text("title"), &tables))
    }

    fn sweep(&self, columns: &[String]) -> Result<Figure, Box<dyn Error>> {
        let mut grid = self.grid()?;
        if !columns.is_empty() {
            if let Some(first) = grid.points.iter().flatten().next() {
                known(columns, first)?;
            }
            grid = grid.only(columns);
        }
        let none = || RunError::Request(format!("the sweep in {} holds no picture", self.folder.display()));
        Ok(grid.figure(self.text("title")).ok_or_else(none)?)
    }
}

/// That there are these columns.
fn known(columns: &[String], table: &Table) -> Result<(), RunError> {
    let names = || table.columns.iter().map(|column| column.name.as_str());
    match columns.iter().find(|wanted| table.column(wanted).is_none()) {
        None => Ok(()),
        Some(missing) => Err(ModelError::UnknownName {
            kind: "column",
            name: missing.clone(),
            known: nearest(missing, names().filter(|name| !name.ends_with("_undersampled"))),
        }
        .into()),
    }
}
