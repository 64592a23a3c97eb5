//! `observables.csv`.

use crate::problem::{Row, StepId};
use crate::table::{Column, Table};
use std::fmt::Write;

/// A number as the shortest text that reads back to it; NaN is an empty cell.
pub(super) fn number(x: f64) -> String {
    if x.is_nan() { String::new() } else { format!("{}", x + 0.0) } // −0 + 0 is 0
}

/// The table as comma-separated values, a line a row: time, step, cycle, then each column Q with Q_se, Q_lo and Q_hi
/// where it has them. NaN is an empty cell.
pub fn csv(table: &Table) -> String {
    let mut text = String::from("time,step,cycle");
    for column in &table.columns {
        let name = &column.name;
        text.push(',');
        text.push_str(name);
        if column.se.is_some() {
            let _ = write!(text, ",{name}_se");
        }
        if column.bounds.is_some() {
            let _ = write!(text, ",{name}_lo,{name}_hi");
        }
    }
    text.push('\n');
    for (i, row) in table.rows.iter().enumerate() {
        let _ = write!(text, "{},{},{}", number(row.time), table.steps[i], row.cycle);
        for column in &table.columns {
            let bounds = column.bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
            for values in std::iter::once(&column.value).chain(&column.se).chain(bounds) {
                text.push(',');
                text.push_str(&number(values[i]));
            }
        }
        text.push('\n');
    }
    text
}

/// Read back what [`csv`] wrote, but for the numbers of the steps, which all count 0. `None` if it is something else.
pub fn from_csv(text: &str) -> Option<Table> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next()?.split(',').collect();
    if header.get(..3)? != ["time", "step", "cycle"] {
        return None;
    }
    let mut table = Table::default();
    let mut data: Vec<Vec<f64>> = vec![Vec::new(); header.len() - 3];
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != header.len() {
            return None;
        }
        let parse = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse::<f64>().ok() };
        table.rows.push(Row { time: parse(cells[0])?, step: StepId::new(0), cycle: cells[2].parse().ok()? });
        table.steps.push(cells[1].to_owned());
        for (values, cell) in data.iter_mut().zip(&cells[3..]) {
            values.push(parse(cell)?);
        }
    }
    let mut named: Vec<(&str, Vec<f64>)> = header[3..].iter().copied().zip(data).collect();
    named.reverse();
    while let Some((name, value)) = named.pop() {
        let mut suffixed = |suffix: &str| {
            let matches = named.last().is_some_and(|(next, _)| next.strip_prefix(name) == Some(suffix));
            matches.then(|| named.pop().map(|(_, values)| values)).flatten()
        };
        let se = suffixed("_se");
        let bounds = suffixed("_lo").and_then(|lo| suffixed("_hi").map(|hi| (lo, hi)));
        table.columns.push(Column { name: name.to_owned(), value, se, bounds });
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_reads_back() {
        let row = |time, cycle| Row { time, step: StepId::new(0), cycle };
        let column = |name: &str, se: bool, bounds: bool| Column {
            name: name.into(),
            value: vec![0.1, f64::NAN],
            se: se.then(|| vec![1e-300, 0.0]),
            bounds: bounds.then(|| (vec![0.0, 1.0], vec![0.5, 2.0])),
        };
        let table = Table {
            rows: vec![row(0.0, 0), row(0.30000000000000004, 1)],
            steps: vec!["storage".into(), "storage".into()],
            columns: vec![column("M", true, false), column("ergotropy", true, true), column("flag", false, false)],
            states: Vec::new(),
        };
        let text = csv(&table);
        assert!(text.starts_with("time,step,cycle,M,M_se,ergotropy,ergotropy_se,ergotropy_lo,ergotropy_hi,flag\n"));
        let back = from_csv(&text).unwrap();
        assert_eq!(csv(&back), text);
        assert_eq!(back.columns[1].bounds, table.columns[1].bounds);
        assert!(from_csv("a,b\n1,2\n").is_none());
    }
}
