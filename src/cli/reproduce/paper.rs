//! The figures of a paper from their declaration: pictures, the data behind them, and the numbers that it prints beside ours.

use super::Results;
use super::curves::{Solver, reading};
use super::declared::{Declared, DeclaredAxis, DeclaredFigure, DeclaredPanel, How, Options, Published};
use super::fit::PowerLaw;
use crate::cli::print::say;
use crate::error::RunError;
use crate::output::figure::{Axis, Figure, Inset, Mark, Panel, Point, Series, Strip};
use crate::output::pictures::residuals;
use std::error::Error;
use std::fmt::Write;

const BLACK: usize = 6;

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// A curve that was solved.
struct Curve {
    figure: String,
    panel: usize,
    /// Whether it is in the panel's inset.
    inset: bool,
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
        let title = figure.usual.filled(&figure.title);
        say!("  {}: {title}", figure.name);
        let first = all.len();
        let mut panels = Vec::new();
        for (number, panel) in figure.panels.iter().enumerate() {
            panels.push(drawn(&mut solver, figure, (number, panel), &mut all)?);
        }
        results.picture(&figure.name, &Figure::new(title, figure.columns, panels))?;
        results.folder.write(&format!("{}.csv", figure.name), data(&all[first..]).as_bytes())?;
    }
    if let Some(text) = mean_field(declared, &all) {
        results.folder.write("mean_field.md", text.as_bytes())?;
    }
    if declared.published.is_empty() {
        return Ok(true);
    }
    let (text, table, agree) = compared(declared, &all)?;
    results.folder.write("published.csv", table.as_bytes())?;
    results.folder.write("published.md", text.as_bytes())?;
    Ok(agree)
}

/// Where a curve is drawn.
#[derive(Clone, Copy)]
struct Place<'a> {
    figure: &'a DeclaredFigure,
    panel: usize,
    inset: bool,
}

impl Place<'_> {
    fn curve(&self, (label, how): (&str, How), colour: usize, points: Vec<Point>) -> Curve {
        let Self { figure, panel, inset } = *self;
        let (figure, label) = (figure.name.clone(), label.to_owned());
        Curve { figure, panel, inset, label, how, colour, points, against: Vec::new() }
    }

    /// An error, with the curve that it is of.
    fn of(&self, error: Box<dyn Error>, label: &str) -> Box<dyn Error> {
        let Self { figure, panel, inset } = *self;
        let inset = if inset { ", inset" } else { "" };
        match error.downcast::<RunError>() {
            Ok(error) if matches!(*error, RunError::Interrupted) => error,
            Ok(error) => format!("{}, panel {panel}{inset}, {label}: {error}", figure.name).into(),
            Err(error) => format!("{}, panel {panel}{inset}, {label}: {error}", figure.name).into(),
        }
    }
}

/// A panel with its inset and its curves, which are kept.
fn drawn(
    solver: &mut Solver,
    figure: &DeclaredFigure,
    (number, panel): (usize, &DeclaredPanel),
    all: &mut Vec<Curve>,
) -> Done<Panel> {
    let usual = panel.usual.or(&figure.usual);
    let place = Place { figure, panel: number, inset: false };
    let plain = Panel::new(usual.filled(&panel.title), panel.across.axis(), panel.up.axis(), Vec::new());
    let whole = filled(solver, place, plain, (&usual, &panel.curves), all)?;
    let Some(inset) = &panel.inset else { return Ok(whole) };
    let usual = inset.usual.or(&usual);
    let axis = |own: &Option<DeclaredAxis>, around: &DeclaredAxis| {
        own.as_ref().map_or_else(|| Axis { label: String::new(), ..around.axis() }, DeclaredAxis::axis)
    };
    let (x, y) = (axis(&inset.across, &panel.across), axis(&inset.up, &panel.up));
    let plain = Panel::new(usual.filled(&inset.title), x, y, Vec::new());
    let own = filled(solver, Place { inset: true, ..place }, plain, (&usual, &inset.curves), all)?;
    Ok(Panel { inset: Some(Inset { panel: Box::new(own), place: inset.place }), ..whole })
}

/// Axes with their curves, which are kept.
fn filled(
    solver: &mut Solver,
    place: Place<'_>,
    plain: Panel,
    (usual, curves): (&Options, &[Options]),
    all: &mut Vec<Curve>,
) -> Done<Panel> {
    let before = all.len();
    let mut series: Vec<Series> = Vec::new();
    let mut heat = None;
    let mut all_ways: Vec<(How, Mark)> = Vec::new();
    for (index, curve) in curves.iter().enumerate() {
        let options = curve.or(usual);
        let label = options.filled(&curve.label);
        let ways = options.ways();
        if options.paths {
            let paths = solver.paths(&options).map_err(|error| place.of(error, &label))?;
            let mut named = 0;
            for path in &paths {
                named += usize::from(path.mark == Mark::Thin);
                let label = if path.mark == Mark::Thin { format!("path {named}") } else { path.label.clone() };
                all.push(place.curve((&label, How::Trajectories), 0, path.points.clone()));
            }
            series.extend(paths);
            continue;
        }
        if let (Some(x), Some(y), None) = (&options.along, &options.against, options.least.filter(|least| *least)) {
            let map = solver.map(&options, ways[0], [x, y]).map_err(|error| place.of(error, &label))?;
            let all_of = |k: usize| (map.x[k % map.x.len()], map.y[k / map.x.len()], map.values[k]);
            let places: Vec<(f64, f64, f64)> = (0..map.values.len()).map(all_of).collect();
            let points = places.iter().map(|(x, _, value)| Point::exact(*x, *value)).collect();
            let against = places.iter().map(|(_, y, _)| *y).collect();
            all.push(Curve { against, ..place.curve((&label, ways[0]), 0, points) });
            heat = Some(map);
            continue;
        }
        for (way, how) in ways.iter().enumerate() {
            let points = solver.curve(&options, *how).map_err(|error| place.of(error, &label))?;
            let (called, mark) = how.style();
            // The ways are named once for all curves, below.
            let named = match (label.is_empty(), way) {
                (true, _) => called.to_owned(),
                (false, 0) => label.clone(),
                (false, _) => String::new(),
            };
            let apart = (options.along.is_some() || options.ends == Some(true)) && options.points != Some(false);
            let mark = match (mark, ways.len()) {
                _ if options.points == Some(true) => Mark::Points,
                (Mark::Dotted | Mark::Dashed, 1) if *how != How::Formula => Mark::Line,
                (Mark::Band, _) if apart => Mark::Points,
                // Points do not hide it.
                (Mark::Dotted, _) if apart => Mark::Line,
                (mark, _) => mark,
            };
            let own_word = *how == How::Formula;
            if !label.is_empty() && !own_word && !all_ways.contains(&(*how, mark)) {
                all_ways.push((*how, mark));
            }
            // What is solved in two ways and has one colour tells the ways apart by its lines.
            let colour = match (options.colour, how, label.is_empty()) {
                (_, How::MeanField, true) if ways.len() > 1 => 1,
                (_, How::Exact, true) if ways.len() > 1 => BLACK,
                (Some(colour), ..) => colour,
                (None, How::MeanField, true) => 1,
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
            all.push(place.curve((&label, *how), colour, points));
        }
    }
    // What the lines of each colour are, in black.
    if all_ways.iter().any(|(how, mark)| all_ways.len() > 1 || (*how != How::Exact && *mark != Mark::Line)) {
        let key = |(how, mark): &(How, Mark)| Series::new(how.style().0, BLACK, *mark, Vec::new());
        series.extend(all_ways.iter().map(key));
    }
    // What looks the same is named once.
    for k in 1..series.len() {
        let (known, rest) = series.split_at_mut(k);
        let look = |series: &Series| (series.label.clone(), series.colour, series.mark);
        if known.iter().any(|other| look(other) == look(&rest[0])) {
            rest[0].label.clear();
        }
    }
    let Panel { title, x, y, .. } = plain;
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

/// The points of all curves, one a line; of a map with the second parameter.
fn data(curves: &[Curve]) -> String {
    let mut text = String::from("panel,curve,solved,x,against,y,y_lo,y_hi\n");
    // Nine digits.
    let rounded = |x: f64| format!("{x:.8e}").parse::<f64>().unwrap_or(x);
    let number = |x: f64| if x.is_finite() { rounded(x).to_string() } else { String::new() };
    for curve in curves {
        let inset = if curve.inset { " inset" } else { "" };
        let (panel, label, how) = (curve.panel, curve.label.replace(['"', ','], " "), curve.how.style().0);
        let how = how.replace(", 95 % interval", "");
        for (k, Point { x, y, lo, hi }) in curve.points.iter().enumerate() {
            let against = curve.against.get(k).copied().unwrap_or(f64::NAN);
            let all = [*x, against, *y, *lo, *hi].map(number).join(",");
            let _ = writeln!(text, "{panel}{inset},{label},{how},{all}");
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
                && !curve.inset
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

/// Where mean field is farthest from the exact curves beside it; `None` where no curve is solved in both ways.
fn mean_field(declared: &Declared, curves: &[Curve]) -> Option<String> {
    let mut text = format!(
        "# {}: mean field beside the exact solution\n\nWhere it is farthest off, curve by curve.\n\n\
         | figure | curve | what | at | exact | mean field | error | relative |\n|---|---|---|---|---|---|---|---|\n",
        declared.title
    );
    let heading = text.len();
    for ours in curves.iter().filter(|curve| curve.how == How::MeanField && !curve.inset) {
        let place = |curve: &Curve| (curve.figure.clone(), curve.panel, curve.label.clone(), curve.inset);
        let same = |other: &&Curve| other.how == How::Exact && place(other) == place(ours);
        let same_places = |other: &&Curve| other.points.iter().map(|p| p.x).eq(ours.points.iter().map(|p| p.x));
        let Some(exact) = curves.iter().filter(same).find(same_places) else { continue };
        let pairs = exact.points.iter().zip(&ours.points).filter(|(a, b)| (a.y - b.y).is_finite());
        let farthest = pairs.max_by(|a, b| (a.0.y - a.1.y).abs().total_cmp(&(b.0.y - b.1.y).abs()));
        let Some((Point { x, y, .. }, Point { y: mean, .. })) = farthest else { continue };
        let figure = declared.figures.iter().find(|figure| figure.name == ours.figure)?;
        let panel = figure.panels.get(ours.panel)?;
        let usual = panel.usual.or(&figure.usual);
        let title = [usual.filled(&panel.title), ours.label.clone()].into_iter().filter(|part| !part.is_empty());
        let curve = title.collect::<Vec<_>>().join(": ");
        let (name, across, up) = (&ours.figure, panel.across.axis().label, panel.up.axis().label);
        let (off, relative) = (mean - y, 100.0 * (mean - y) / y.abs());
        let x = format!("{x:.3e}").parse::<f64>().unwrap_or(*x);
        let _ = writeln!(
            text,
            "| {name} | {curve} | {up} | {across} = {x} | {y:.5} | {mean:.5} | {off:+.5} | {relative:+.2} % |"
        );
    }
    (text.len() > heading).then_some(text)
}
