//! A table of results: one line a row of the protocol, one column a quantity, with errors where sampled.

use crate::problem::{Problem, Row};
use std::fmt;
use std::ops::Index;

/// One quantity at every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Column name, as in `observables.csv`.
    pub name: String,
    /// The value at each row; NaN is an empty cell (0/0).
    pub value: Vec<f64>,
    /// Standard error at each row, when sampled.
    pub se: Option<Vec<f64>>,
    /// Bounds of the 95 % interval at each row, for bias-corrected nonlinear quantities.
    pub bounds: Option<(Vec<f64>, Vec<f64>)>,
}

/// A quantity at one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The value; NaN is an empty cell (0/0).
    pub value: f64,
    /// Standard error, when sampled.
    pub se: Option<f64>,
    /// The 95 % interval, for bias-corrected nonlinear quantities.
    pub interval: Option<(f64, f64)>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.se, self.interval) {
            (_, Some((lo, hi))) => write!(f, "{} [{lo}, {hi}]", self.value),
            (Some(se), None) => write!(f, "{} ± {se}", self.value),
            (None, None) => write!(f, "{}", self.value),
        }
    }
}

impl Column {
    /// The quantity at row `row`. Panics beyond the last, as a slice does.
    pub fn at(&self, row: usize) -> Entry {
        Entry {
            value: self.value[row],
            se: self.se.as_ref().map(|se| se[row]),
            interval: self.bounds.as_ref().map(|(lo, hi)| (lo[row], hi[row])),
        }
    }

    /// The quantity at the last row, the end of the protocol.
    pub fn last(&self) -> Entry {
        self.at(self.value.len() - 1)
    }
}

/// All quantities at all rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Time, step and cycle of each row.
    pub rows: Vec<Row>,
    /// Name of the step of each row.
    pub steps: Vec<String>,
    /// The quantities, in the order asked for.
    pub columns: Vec<Column>,
}

impl Table {
    /// A table with the rows of `problem` and no columns yet.
    pub fn new(problem: &Problem) -> Self {
        let rows = problem.protocol.rows();
        let steps = rows.iter().map(|r| problem.protocol.name(r.step).to_owned()).collect();
        Self { rows, steps, columns: Vec::new() }
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Time of each row since the run began.
    pub fn times(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().map(|row| row.time)
    }

    /// Append a column without errors.
    pub fn push_exact(&mut self, name: String, value: Vec<f64>) {
        self.columns.push(Column { name, value, se: None, bounds: None });
    }
}

impl Index<&str> for Table {
    type Output = Column;

    /// The column called `name`. Panics when there is none, with the names that there are; [`Table::column`] does not.
    fn index(&self, name: &str) -> &Column {
        let names = || self.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        self.column(name).unwrap_or_else(|| panic!("there is no column `{name}` among {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let energy = Column { name: "energy".into(), value: vec![1.0, 0.5], se: Some(vec![0.0, 0.25]), bounds: None };
        Table { columns: vec![energy], ..Table::default() }
    }

    #[test]
    fn numbers_are_read_by_name_and_row() {
        let table = table();
        assert_eq!(table["energy"].at(0).value, 1.0);
        assert_eq!(table["energy"].last(), Entry { value: 0.5, se: Some(0.25), interval: None });
        assert_eq!(table["energy"].last().to_string(), "0.5 ± 0.25");
    }

    #[test]
    #[should_panic(expected = "there is no column `ergotropy` among energy")]
    fn an_unknown_name_says_what_there_is() {
        let _ = &table()["ergotropy"];
    }
}
