//! The standard picture of a table: one panel a quantity against time, and the path in the (S, M) plane.

use super::figure::{Axis, Figure, Mark, Panel, Point, Series};
use crate::estimate::columns::Z95;
use crate::problem::Quantity;
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
    match (name, Quantity::of_column(name)) {
        ("tau", _) => "charging time τ (units of the input)".into(),
        (_, Some((quantity, of))) => quantity.label(of),
        (other, None) => other.replace('_', ", "),
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
