//! The figures of a paper from their declaration: pictures, the data behind them, and the numbers that it prints beside ours.

use super::Results;
use super::curves::{Solver, reading};
use super::declared::{Declared, DeclaredFigure, DeclaredPanel, How, Options, Published};
use super::fit::PowerLaw;
use crate::cli::print::say;
use crate::error::RunError;
use crate::output::figure::{Figure, Mark, Panel, Point, Series, Strip};
use crate::output::pictures::residuals;
use std::error::Error;
use std::fmt::Write;

const BLACK: usize = 6;

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// A curve that was solved.
struct Curve {
    figure: String,
    panel: usize,
    label: String,
    how: How,
    colour: usize,
    points: Vec<Point>,
    /// The second parameter of each point of a map.
    against: Vec<f64>,
}

/// Make everything that is declared, into `results`. Returns whether each printed number agrees or says why not.
pub fn figures(results: &mut Results, declared: &Declared) -> Done<bool> {
    let mut solver = Solver::new(results.quick, results.seed);
    let mut all: Vec<Curve> = Vec::new();
    for figure in &declared.figures {
        say!("  {}: {}", figure.name, figure.title);
        let first = all.len();
        let mut panels = Vec::new();
        for (number, panel) in figure.panels.iter().enumerate() {
            panels.push(drawn(&mut solver, figure, (number, panel), &mut all)?);
        }
        results.picture(&figure.name, &Figure::new(figure.title.clone(), figure.columns, panels))?;
        results.folder.write(&format!("{}.csv", figure.name), data(&all[first..]).as_bytes())?;
    }
    if declared.published.is_empty() {
        return Ok(true);
    }
    let (text, table, agree) = compared(declared, &all)?;
    results.folder.write("published.csv", table.as_bytes())?;
    results.folder.write("published.md", text.as_bytes())?;
    Ok(agree)
}

/// A panel with its curves, which are kept.
fn drawn(
    solver: &mut Solver,
    figure: &DeclaredFigure,
    (number, panel): (usize, &DeclaredPanel),
    all: &mut Vec<Curve>,
) -> Done<Panel> {
    let (usual, before) = (panel.usual.or(&figure.usual), all.len());
    let mut series: Vec<Series> = Vec::new();
    let mut heat = None;
    let mut all_ways: Vec<(How, Mark)> = Vec::new();
    for (index, curve) in panel.curves.iter().enumerate() {
        let options = curve.or(&usual);
        let ways = options.ways();
        if options.paths {
            let paths = solver.paths(&options).map_err(|error| placed(error, figure, number, curve))?;
            let mut named = 0;
            for path in &paths {
                named += usize::from(path.mark == Mark::Thin);
                let label = if path.mark == Mark::Thin { format!("path {named}") } else { path.label.clone() };
                let (figure, points) = (figure.name.clone(), path.points.clone());
                let (how, against) = (How::Trajectories, Vec::new());
                all.push(Curve { figure, panel: number, label, how, colour: 0, points, against });
            }
            series.extend(paths);
            continue;
        }
        if let (Some(x), Some(y), None) = (&options.along, &options.against, options.least.filter(|least| *least)) {
            let map = solver.map(&options, ways[0], [x, y]).map_err(|error| placed(error, figure, number, curve))?;
            let all_of = |k: usize| (map.x[k % map.x.len()], map.y[k / map.x.len()], map.values[k]);
            let places: Vec<(f64, f64, f64)> = (0..map.values.len()).map(all_of).collect();
            all.push(Curve {
                figure: figure.name.clone(),
                panel: number,
                label: curve.label.clone(),
                how: ways[0],
                colour: 0,
                points: places.iter().map(|(x, _, value)| Point::exact(*x, *value)).collect(),
                against: places.iter().map(|(_, y, _)| *y).collect(),
            });
            heat = Some(map);
            continue;
        }
        for (way, how) in ways.iter().enumerate() {
            let points = solver.curve(&options, *how).map_err(|error| placed(error, figure, number, curve))?;
            let (called, mark) = how.style();
            // The ways are named once for all curves, below.
            let named = match (curve.label.is_empty(), way) {
                (true, _) => called.to_owned(),
                (false, 0) => curve.label.clone(),
                (false, _) => String::new(),
            };
            let mark = match (mark, ways.len()) {
                _ if options.points == Some(true) => Mark::Points,
                (Mark::Dotted | Mark::Dashed, 1) if *how != How::Formula => Mark::Line,
                (Mark::Band, _) if options.along.is_some() || options.ends == Some(true) => Mark::Points,
                (mark, _) => mark,
            };
            let own_word = *how == How::Formula;
            if !curve.label.is_empty() && !own_word && !all_ways.contains(&(*how, mark)) {
                all_ways.push((*how, mark));
            }
            // What is solved in two ways and has one colour tells the ways apart by its lines.
            let colour = match (options.colour, how, curve.label.is_empty()) {
                (Some(colour), ..) => colour,
                (None, How::MeanField, true) => 1,
                (None, How::Exact, true) if ways.len() > 1 => BLACK,
                (None, ..) => index,
            };
            series.push(Series::new(named, colour, mark, points.clone()));
            if let Some(law) = options.fit.and_then(|range| PowerLaw::through(&points, range)) {
                let name = options.along.as_ref().map_or("x", |along| &along.parameter);
                let digits = digits(law.error);
                let label = format!("∝ {name}^({:.digits$} ± {:.digits$})", law.exponent, law.error);
                let line = points.iter().map(|p| Point::exact(p.x, law.at(p.x))).collect();
                series.push(Series::new(label, colour, Mark::Dashed, line));
            }
            all.push(Curve {
                figure: figure.name.clone(),
                panel: number,
                label: curve.label.clone(),
                how: *how,
                colour,
                points,
                against: Vec::new(),
            });
        }
    }
    // What the lines of each colour are, in black.
    if all_ways.iter().any(|(how, mark)| all_ways.len() > 1 || (*how != How::Exact && *mark != Mark::Line)) {
        let key = |(how, mark): &(How, Mark)| Series::new(how.style().0, BLACK, *mark, Vec::new());
        series.extend(all_ways.iter().map(key));
    }
    let (title, x, y) = (panel.title.clone(), panel.across.axis(), panel.up.axis());
    Ok(match heat {
        Some(heat) => Panel { series, ..Panel::heat_map(title, x, y, heat) },
        None => Panel { strip: distances(&all[before..]), ..Panel::new(title, x, y, series) },
    })
}

/// How far what was sampled lies from the exact curves with the same name, for the plot below.
fn distances(curves: &[Curve]) -> Option<Strip> {
    let mut all: Option<Strip> = None;
    for ours in curves.iter().filter(|curve| curve.how == How::Trajectories) {
        let same = |other: &&Curve| other.label == ours.label && matches!(other.how, How::Exact | How::Steady);
        let same_places = |other: &&Curve| other.points.iter().map(|p| p.x).eq(ours.points.iter().map(|p| p.x));
        let Some(theirs) = curves.iter().filter(same).find(same_places) else { continue };
        let values: Vec<f64> = theirs.points.iter().map(|p| p.y).collect();
        let Some(mut own) = residuals(&ours.points, &values) else { continue };
        own.series.iter_mut().for_each(|series| series.colour = ours.colour);
        match &mut all {
            Some(strip) => strip.add(own),
            None => all = Some(own),
        }
    }
    all
}

/// Decimals that show a number of this size.
fn digits(error: f64) -> usize {
    if error > 0.0 { (-error.log10()).ceil().clamp(1.0, 9.0) as usize } else { 4 }
}

/// An error, with the curve that it is of.
fn placed(error: Box<dyn Error>, figure: &DeclaredFigure, panel: usize, curve: &Options) -> Box<dyn Error> {
    match error.downcast::<RunError>() {
        Ok(error) if matches!(*error, RunError::Interrupted) => error,
        Ok(error) => format!("{}, panel {panel}, {}: {error}", figure.name, curve.label).into(),
        Err(error) => format!("{}, panel {panel}, {}: {error}", figure.name, curve.label).into(),
    }
}

/// The points of all curves, one a line; of a map with the second parameter.
fn data(curves: &[Curve]) -> String {
    let mut text = String::from("panel,curve,solved,x,against,y,y_lo,y_hi\n");
    // Nine digits.
    let rounded = |x: f64| format!("{x:.8e}").parse::<f64>().unwrap_or(x);
    let number = |x: f64| if x.is_finite() { rounded(x).to_string() } else { String::new() };
    for curve in curves {
        let (panel, label, how) = (curve.panel, curve.label.replace(['"', ','], " "), curve.how.style().0);
        let how = how.replace(", 95 % interval", "");
        for (k, Point { x, y, lo, hi }) in curve.points.iter().enumerate() {
            let against = curve.against.get(k).copied().unwrap_or(f64::NAN);
            let all = [*x, against, *y, *lo, *hi].map(number).join(",");
            let _ = writeln!(text, "{panel},{label},{how},{all}");
        }
    }
    text
}

/// Printed numbers beside ours, as text and as a table, and whether all agree that do not say why not.
fn compared(declared: &Declared, curves: &[Curve]) -> Done<(String, String, bool)> {
    let mut text = format!(
        "# {}\n\nNumbers printed in {}, beside ours from the curves in this folder.\n\n\
         | what | printed | ours | agrees | why not |\n|---|---|---|---|---|\n",
        declared.title, declared.source
    );
    let mut table = String::from("what,printed,within,ours,error,agrees\n");
    let mut all = true;
    for published in &declared.published {
        let Published { what, printed, within, why, .. } = published;
        let of = |curve: &&Curve| {
            (&curve.figure, curve.panel, &curve.label) == (&published.figure, published.panel, &published.curve)
        };
        // The exact curve where there is one.
        let found = curves.iter().filter(of).min_by_key(|curve| curve.how == How::Trajectories);
        let curve =
            found.ok_or_else(|| format!("{what}: there is no curve `{}` in {}", published.curve, published.figure))?;
        let (ours, error) =
            reading(&curve.points, published.read).ok_or_else(|| format!("{what}: the curve has no such number"))?;
        let agrees = (ours - printed).abs() <= within + error;
        all &= agrees || !why.is_empty();
        let word = if agrees { "yes" } else { "no" };
        let why = if agrees { "" } else { why };
        let decimals = if error > 0.0 { digits(error) + 1 } else { digits(*within) }.max(4);
        let shown =
            if error > 0.0 { format!("{ours:.decimals$} ± {error:.decimals$}") } else { format!("{ours:.decimals$}") };
        let cell = what.replace('|', "\\|");
        writeln!(text, "| {cell} | {printed} | {shown} | {word} | {why} |")?;
        writeln!(table, "{},{printed},{within},{ours},{error},{word}", what.replace(['"', ','], ";"))?;
        say!("  {what}: printed {printed}, ours {shown}{}", if agrees { "" } else { ", which does not agree" });
    }
    Ok((text, table, all))
}
