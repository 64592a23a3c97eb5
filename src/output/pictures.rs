//! The standard picture of a table: one panel a quantity against time, and the path in the (S, M) plane.

use super::figure::{Axis, Figure, Mark, Panel, Point, Series};
use crate::estimate::columns::Z95;
use crate::table::{Column, Table};

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

/// What a column is called on an axis.
pub fn label(name: &str) -> String {
    match name {
        "M" => "M = ⟨Sᶻ⟩".into(),
        "S" => "S, from S(S+1) = ⟨S²⟩".into(),
        "M_var" => "Var(Sᶻ)".into(),
        "energy" => "energy E (units of the input)".into(),
        "energy_var" => "Var(H_B)".into(),
        "energy_std" => "standard deviation of H_B".into(),
        "ergotropy" => "ergotropy W (units of the input)".into(),
        "efficiency" => "W/E".into(),
        "released" => "energy released in the step".into(),
        "power" => "charging power E/t".into(),
        "tau" => "charging time τ (units of the input)".into(),
        "bright" => "weight in J = N/2".into(),
        "bright_loss" => "rate out of J = N/2".into(),
        "bright_return" => "rate back into J = N/2".into(),
        "photons" => "photons ⟨a†a⟩".into(),
        "antiergotropy" => "anti-ergotropy (units of the input)".into(),
        "capacity" => "capacity (units of the input)".into(),
        "purity" => "purity Tr ρ²".into(),
        other => {
            let of = |prefix: &str, what: &str| other.strip_prefix(prefix).map(|name| what.replace('@', name));
            of("jumps_", "jumps of @ in the step")
                .or_else(|| of("energy_", "energy of @"))
                .or_else(|| of("quanta_", "quanta ⟨n⟩ of @"))
                .unwrap_or_else(|| other.replace('_', ", "))
        }
    }
}

/// Every column against time; with M and S also the path in their plane. Each table comes with its name in the legend;
/// the columns are those of the first.
pub fn standard(title: &str, tables: &[(&str, &Table)]) -> Figure {
    let Some((_, first)) = tables.first() else { return Figure::new(title, 2, Vec::new()) };
    let drawn = |name: &str| -> Vec<Series> {
        let one = |(index, (legend, table)): (usize, &(&str, &Table))| {
            let column = table.column(name)?;
            let times = table.rows.iter().map(|r| r.time);
            let mark = match (&column.se, index) {
                (Some(_), _) => Mark::Band,
                (None, 0) => Mark::Line,
                (None, _) => Mark::Dashed,
            };
            Some(Series::new(*legend, index, mark, points(times, column)))
        };
        tables.iter().enumerate().filter_map(one).collect()
    };
    let shown = |c: &&Column| !c.name.ends_with("_undersampled") && c.value.iter().any(|v| *v != 0.0);
    let time = || Axis::linear("time t (units of the input)");
    let against_time = |c: &Column| Panel::new("", time(), Axis::linear(label(&c.name)), drawn(&c.name));
    // Where everything is zero, that is what there is to see.
    let any = first.columns.iter().any(|c| shown(&c));
    let mut panels: Vec<Panel> = first.columns.iter().filter(|c| shown(c) || !any).map(against_time).collect();
    let path = |(index, (legend, table)): (usize, &(&str, &Table))| {
        let (m, s) = (table.column("M")?, table.column("S")?);
        let path = s.value.iter().zip(&m.value).map(|(s, m)| Point::exact(*s, *m)).collect();
        Some(Series::new(*legend, index, if index == 0 { Mark::Line } else { Mark::Dashed }, path))
    };
    let paths: Vec<Series> = tables.iter().enumerate().filter_map(path).collect();
    if !paths.is_empty() {
        panels.push(Panel::new("", Axis::linear(label("S")), Axis::linear(label("M")), paths));
    }
    Figure::new(title, 2, panels)
}
