//! The standard picture of a table: one panel a quantity against time, and the path in the (S, M) plane.
//!
//! Curves end where they would show what is not known: neighbouring rows that are far apart are not joined. Of many cycles
//! the ends of their steps are drawn. Where samples lie on an exact curve their distance from it is drawn below.

use super::figure::{Axis, Figure, Mark, Panel, Point, Series, Strip};
use crate::estimate::columns::Z95;
use crate::problem::Quantity;
use crate::table::{Column, Table};

/// Cycles that are drawn one by one; of more, the ends of their steps are.
pub const MOST_CYCLES: u64 = 12;
/// Points of a curve that are marked by dots.
const MOST_DOTS: usize = 60;
/// Neighbouring rows of a step that are farther apart than this part of all values, and this many times as far as the rows
/// before or after them, are not joined.
const LEAP: (f64, f64) = (0.25, 4.0);
/// Steps of a cycle whose ends are drawn.
const MOST_STEPS: usize = 4;
/// Black.
const EXACT: usize = 6;

/// What bands and error bars are.
pub const BAND: &str = "95 % interval";

/// Points of a column against x with its 95 % errors.
pub fn points(x: impl Iterator<Item = f64>, column: &Column) -> Vec<Point> {
    x.enumerate()
        .map(|(i, x)| {
            let y = column.value[i];
            match (&column.bounds, &column.se) {
                (Some((lo, hi)), _) => Point::with_error(x, y, lo[i], hi[i]),
                (None, Some(se)) => Point::with_error(x, y, y - Z95 * se[i], y + Z95 * se[i]),
                (None, None) => Point::exact(x, y),
            }
        })
        .collect()
}

/// What a column is called on an axis, with its unit.
pub fn label(name: &str) -> String {
    let text = match (name, Quantity::of_column(name)) {
        ("tau", _) => "charging time τ (units of the input)".into(),
        ("energy_outcome", _) => "measured energy (units of the input)".into(),
        (_, Some((quantity, of))) => quantity.label(of),
        (other, None) => other.to_owned(),
    };
    // There is little room on an axis, and no line ends within the unit.
    text.replace("(units of the input)", UNITS)
}

/// The unit of what has one.
pub const UNITS: &str = "(input\u{a0}units)";

/// A parameter as it is written: Greek letters, and indices after underscores, `γ_φ` for `gamma_phi`.
pub fn symbol(name: &str) -> String {
    const GREEK: [(&str, &str); 23] = [
        ("alpha", "α"),
        ("beta", "β"),
        ("gamma", "γ"),
        ("Gamma", "Γ"),
        ("delta", "δ"),
        ("Delta", "Δ"),
        ("epsilon", "ε"),
        ("eta", "η"),
        ("theta", "θ"),
        ("kappa", "κ"),
        ("lambda", "λ"),
        ("Lambda", "Λ"),
        ("mu", "μ"),
        ("nu", "ν"),
        ("xi", "ξ"),
        ("rho", "ρ"),
        ("sigma", "σ"),
        ("tau", "τ"),
        ("phi", "φ"),
        ("chi", "χ"),
        ("psi", "ψ"),
        ("omega", "ω"),
        ("Omega", "Ω"),
    ];
    let part = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        match GREEK.iter().find(|(known, _)| *known == word) {
            Some((_, letter)) if word.len() < part.len() => format!("{letter}_{}", &part[word.len()..]),
            Some((_, letter)) => (*letter).to_owned(),
            None => part.to_owned(),
        }
    };
    name.split('_').map(part).collect::<Vec<_>>().join("_")
}

/// The axis of time.
pub fn time() -> Axis {
    Axis::linear(format!("time t {UNITS}"))
}

/// A curve, and where it has few points a dot for each of them: between them nothing is known.
pub fn with_dots(series: Series) -> Vec<Series> {
    let few = series.points.iter().filter(|p| p.y.is_finite()).count() <= MOST_DOTS;
    let dots = few.then(|| Series::new("", series.colour, Mark::Dots, series.points.clone()));
    std::iter::once(series).chain(dots).collect()
}

/// How far samples lie from the exact values, for the plot below: in standard errors, or in parts of the lopsided interval of
/// which 1.96 reach to its end. Points without an error are left out.
pub fn residuals(sampled: &[Point], exact: &[f64]) -> Option<Strip> {
    let distance = |(p, exact): (&Point, &f64)| {
        let reach = if p.y > *exact { p.y - p.lo } else { p.hi - p.y };
        Point::exact(p.x, Z95 * (p.y - exact) / reach)
    };
    let known = |p: &Point| p.y.is_finite();
    let points: Vec<Point> = sampled.iter().zip(exact).map(distance).filter(known).collect();
    let largest = points.iter().map(|p| p.y.abs()).fold(3.2, f64::max);
    let y = Axis::linear("z").within(-1.1 * largest, 1.1 * largest);
    (!points.is_empty()).then(|| Strip { y, shaded: (-Z95, Z95), series: vec![Series::new("", 0, Mark::Dots, points)] })
}

/// Every column against time; with M and S also the path in their plane. Each table comes with its name in the legend;
/// the columns are those of the first.
pub fn standard(title: &str, tables: &[(&str, &Table)]) -> Figure {
    let Some((_, first)) = tables.first() else { return Figure::new(title, 2, Vec::new()) };
    let many = first.rows.iter().map(|row| row.cycle).max().unwrap_or(0) >= MOST_CYCLES;
    let curves = |name: &str| if many { ends_of_steps(tables, name) } else { row_by_row(tables, name) };
    let shown = |c: &&Column| !c.name.ends_with("_undersampled") && c.value.iter().any(|v| *v != 0.0);
    let against_time = |c: &Column| {
        let mut panel = Panel::new("", time(), Axis::linear(label(&c.name)), curves(&c.name));
        panel.strip = distances(tables, c, many);
        panel
    };
    // Where everything is zero, that is what there is to see.
    let any = first.columns.iter().any(|c| shown(&c));
    let mut panels: Vec<Panel> = first.columns.iter().filter(|c| shown(c) || !any).map(against_time).collect();
    panels.extend(plane(tables, many));
    Figure::new(title, 2, panels)
}

/// How a column of the table with this number is drawn.
fn style(column: &Column, number: usize) -> (usize, Mark) {
    match (&column.se, number) {
        (Some(_), _) => (number, Mark::Band),
        (None, 0) => (0, Mark::Line),
        (None, _) => (EXACT, Mark::Dotted),
    }
}

/// A curve a table through its rows.
fn row_by_row(tables: &[(&str, &Table)], name: &str) -> Vec<Series> {
    let mut all = Vec::new();
    for (number, (legend, table)) in tables.iter().enumerate() {
        let Some(column) = table.column(name) else { continue };
        let (colour, mark) = style(column, number);
        let own = Series::new(*legend, colour, mark, joined(table, column));
        if number == 0 {
            let few = table.rows.len() <= MOST_DOTS;
            let beside_gap = |k: usize, points: &[Point]| {
                let gap = |p: Option<&Point>| p.is_some_and(|p| p.y.is_nan());
                gap(points.get(k + 1)) || k.checked_sub(1).is_some_and(|before| gap(points.get(before)))
            };
            let marked = (0..own.points.len()).filter(|k| few || beside_gap(*k, &own.points));
            let dots: Vec<Point> = marked.map(|k| own.points[k]).filter(|p| p.y.is_finite()).collect();
            all.push(Series::new("", colour, Mark::Dots, dots));
        }
        all.push(own);
    }
    all
}

/// The points of a column with a gap between rows of one step that lie far apart.
fn joined(table: &Table, column: &Column) -> Vec<Point> {
    let all = points(table.times(), column);
    let finite = || column.value.iter().copied().filter(|v| v.is_finite());
    let range = finite().fold(f64::NEG_INFINITY, f64::max) - finite().fold(f64::INFINITY, f64::min);
    // How far a row is from the one before it in the same step.
    let way = |k: usize| {
        let (before, a) = k.checked_sub(1).and_then(|before| Some((before, table.rows.get(before)?)))?;
        let b = table.rows.get(k)?;
        let same_step = a.cycle == b.cycle && table.steps[before] == table.steps[k] && a.time < b.time;
        same_step.then(|| (column.value[k] - column.value[before]).abs())
    };
    let mut joined: Vec<Point> = Vec::with_capacity(all.len());
    for (k, point) in all.into_iter().enumerate() {
        let beside = [k.checked_sub(1).and_then(way), way(k + 1)];
        let leap = |far: f64| far > LEAP.0 * range && beside.into_iter().flatten().any(|other| far > LEAP.1 * other);
        if way(k).is_some_and(leap) {
            joined.push(Point::exact(point.x, f64::NAN));
        }
        joined.push(point);
    }
    joined
}

/// The names of the steps, in their order.
fn steps(table: &Table) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in &table.steps {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.truncate(MOST_STEPS);
    names
}

/// The last row of a step in each cycle.
fn ends(table: &Table, step: &str) -> Vec<usize> {
    let last = |k: &usize| {
        table.steps[*k] == step
            && (table.steps.get(k + 1).map(String::as_str) != Some(step)
                || table.rows[*k].cycle != table.rows[k + 1].cycle)
    };
    (0..table.rows.len()).filter(last).collect()
}

/// A curve a step and table, through the ends of the step in all cycles; named by the step, and in black by the table.
fn ends_of_steps(tables: &[(&str, &Table)], name: &str) -> Vec<Series> {
    let Some((_, first)) = tables.first() else { return Vec::new() };
    let (mut curves, mut keys) = (Vec::new(), Vec::new());
    for (number, (legend, table)) in tables.iter().enumerate() {
        let Some(column) = table.column(name) else { continue };
        let all = points(table.times(), column);
        let (_, mark) = style(column, number);
        for (colour, step) in steps(first).into_iter().enumerate() {
            let own: Vec<Point> = ends(table, step).into_iter().map(|k| all[k]).collect();
            // Such as what is released in a step in which nothing is.
            if own.iter().all(|p| p.y == 0.0 || p.y.is_nan()) {
                continue;
            }
            let (label, colour) = if number == 0 { (format!("end of {step}"), colour) } else { (String::new(), EXACT) };
            let curve = Series::new(label, colour, mark, own);
            curves.extend(if number == 0 { with_dots(curve) } else { vec![curve] });
        }
        keys.push(Series::new(*legend, EXACT, mark, Vec::new()));
    }
    curves.into_iter().chain(keys).collect()
}

/// The distances of the first table from the second, where that is exact.
fn distances(tables: &[(&str, &Table)], column: &Column, many: bool) -> Option<Strip> {
    let [(_, sampled), (_, exact)] = tables else { return None };
    let theirs = exact.column(&column.name)?;
    if column.se.is_none() || theirs.se.is_some() || sampled.rows.len() != exact.rows.len() {
        return None;
    }
    let rows: Vec<usize> = match many {
        true => steps(sampled).into_iter().flat_map(|step| ends(sampled, step)).collect(),
        false => (0..sampled.rows.len()).collect(),
    };
    let all = points(sampled.times(), column);
    let ours: Vec<Point> = rows.iter().map(|k| all[*k]).collect();
    let known: Vec<f64> = rows.iter().map(|k| theirs.value[*k]).collect();
    residuals(&ours, &known)
}

/// The path in the (S, M) plane; of many cycles the ends of steps, with the first and the last cycle.
fn plane(tables: &[(&str, &Table)], many: bool) -> Option<Panel> {
    let (_, first) = tables.first()?;
    let path = |table: &Table, rows: &[usize]| -> Option<Vec<Point>> {
        let (m, s) = (table.column("M")?, table.column("S")?);
        Some(rows.iter().map(|k| Point::exact(s.value[*k], m.value[*k])).collect())
    };
    let mut series = Vec::new();
    if many {
        let last = first.rows.last()?.cycle;
        for (label, cycle) in [("first and last cycle", 0), ("", last)] {
            let rows: Vec<usize> = (0..first.rows.len()).filter(|k| first.rows[*k].cycle == cycle).collect();
            series.push(Series::new(label, EXACT, Mark::Thin, path(first, &rows)?));
        }
        for (colour, step) in steps(first).into_iter().enumerate() {
            series.push(Series::new(format!("end of {step}"), colour, Mark::Line, path(first, &ends(first, step))?));
        }
    } else {
        for (number, (legend, table)) in tables.iter().enumerate() {
            let rows: Vec<usize> = (0..table.rows.len()).collect();
            let legend = if number == 0 && tables.len() == 1 { "" } else { legend };
            let legend = legend.split(", ").next().unwrap_or_default();
            let (colour, mark) = if number == 0 { (0, Mark::Line) } else { (EXACT, Mark::Dotted) };
            let own = Series::new(legend, colour, mark, path(table, &rows)?);
            series.extend(if number == 0 { with_dots(own) } else { vec![own] });
        }
    }
    Some(Panel::new("", Axis::linear(label("S")), Axis::linear(label("M")), series))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Row, StepId};

    fn table(rows: &[(f64, &str, u64, f64, f64)], sampled: bool) -> Table {
        let row = |&(time, _, cycle, ..): &(f64, &str, u64, f64, f64)| Row { time, step: StepId::new(0), cycle };
        let column = Column {
            name: "energy".into(),
            value: rows.iter().map(|r| r.3).collect(),
            se: sampled.then(|| rows.iter().map(|r| r.4).collect()),
            bounds: None,
        };
        Table {
            rows: rows.iter().map(row).collect(),
            steps: rows.iter().map(|r| r.1.to_owned()).collect(),
            columns: vec![column],
            states: Vec::new(),
        }
    }

    #[test]
    fn parameters_are_written_as_symbols() {
        for (name, symbol_of) in [
            ("gamma_phi", "γ_φ"),
            ("Gamma", "Γ"),
            ("F", "F"),
            ("alpha_c", "α_c"),
            ("kappa2", "κ_2"),
            ("gammas", "gammas"),
        ] {
            assert_eq!(symbol(name), symbol_of);
        }
    }

    #[test]
    fn rows_that_lie_far_apart_are_not_joined() {
        let burst = table(&[(0.0, "a", 0, 1.0, 0.0), (0.1, "a", 0, 0.9, 0.0), (0.2, "a", 0, 0.0, 0.0)], false);
        let series = row_by_row(&[("exact", &burst)], "energy");
        let line = series.iter().find(|s| s.mark == Mark::Line).unwrap();
        assert_eq!(line.points.iter().filter(|p| p.y.is_nan()).count(), 1);
        assert!(line.points[2].y.is_nan() && line.points[3].y == 0.0);
        // Two equal ways are a slope.
        let slope = table(&[(0.0, "a", 0, 1.0, 0.0), (0.1, "a", 0, 0.5, 0.0), (0.2, "a", 0, 0.0, 0.0)], false);
        assert!(joined(&slope, &slope.columns[0]).iter().all(|p| p.y.is_finite()));
        // A pulse between two rows at one time is as sudden as it looks.
        let pulse = table(&[(0.0, "a", 0, 1.0, 0.0), (0.0, "a", 0, 0.0, 0.0)], false);
        assert!(joined(&pulse, &pulse.columns[0]).iter().all(|p| p.y.is_finite()));
    }

    #[test]
    fn of_many_cycles_the_ends_of_steps_are_drawn() {
        let steps = (0..20).flat_map(|c| [(c as f64, "on", c, 1.0, 0.1), (c as f64 + 0.5, "off", c, 0.0, 0.1)]);
        let sampled = table(&steps.collect::<Vec<_>>(), true);
        let figure = standard("", &[("samples", &sampled)]);
        let labels: Vec<&str> = figure.panels[0].series.iter().map(|s| s.label.as_str()).collect();
        // Of the other step there is nothing but zero.
        assert_eq!(labels, ["end of on", "", "samples"]);
        assert_eq!(figure.panels[0].series[0].points.len(), 20);
    }

    #[test]
    fn distances_are_in_standard_errors() {
        let sampled = table(&[(0.0, "a", 0, 1.0, 0.0), (1.0, "a", 0, 0.5, 0.1)], true);
        let exact = table(&[(0.0, "a", 0, 1.0, 0.0), (1.0, "a", 0, 0.3, 0.0)], false);
        let figure = standard("", &[("samples", &sampled), ("exact", &exact)]);
        let strip = figure.panels[0].strip.as_ref().unwrap();
        assert_eq!(strip.series[0].points.len(), 1);
        assert!((strip.series[0].points[0].y - 2.0).abs() < 1e-12);
        assert!(standard("", &[("exact", &exact)]).panels[0].strip.is_none());
    }
}
