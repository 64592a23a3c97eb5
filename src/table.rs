//! A table of results: one line a row of the protocol, one column a quantity, with errors where sampled.

use crate::problem::{Problem, Row};

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

    /// Append a column without errors.
    pub fn push_exact(&mut self, name: String, value: Vec<f64>) {
        self.columns.push(Column { name, value, se: None, bounds: None });
    }
}
