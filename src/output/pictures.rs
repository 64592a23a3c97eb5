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
        other => match other.strip_prefix("jumps_") {
            Some(channel) => format!("jumps of {channel} in the step"),
            None => other.into(),
        },
    }
}

/// Every column against time; with M and S also the path in their plane. `legend` says what the table is.
pub fn standard(title: &str, table: &Table, legend: &str) -> Figure {
    let shown = |c: &&Column| !c.name.ends_with("_undersampled") && c.value.iter().any(|v| *v != 0.0);
    let times = || table.rows.iter().map(|r| r.time);
    let mut panels: Vec<Panel> = table
        .columns
        .iter()
        .filter(shown)
        .map(|column| {
            let series = Series::new(legend, 0, Mark::Band, points(times(), column));
            Panel::new("", Axis::linear("time t (units of the input)"), Axis::linear(label(&column.name)), vec![series])
        })
        .collect();
    if let (Some(m), Some(s)) = (table.column("M"), table.column("S")) {
        let path = s.value.iter().zip(&m.value).map(|(s, m)| Point::exact(*s, *m)).collect();
        let series = Series::new(legend, 0, Mark::Line, path);
        panels.push(Panel::new("", Axis::linear(label("S")), Axis::linear(label("M")), vec![series]));
    }
    Figure::new(title, 2, panels)
}
