//! A table of results: one line a row of the protocol, one column a quantity, with errors where sampled.

use crate::problem::{Problem, Row};
use faer::Mat;
use num_complex::Complex64;
use std::fmt;
use std::ops::Index;

/// Two-sided 95 % point of the normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// One quantity at every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Column name, as in `observables.csv`.
    pub name: String,
    /// The value at each row, in the unit of the quantity; NaN is an empty cell (0/0).
    pub value: Vec<f64>,
    /// Standard error at each row, when sampled.
    pub se: Option<Vec<f64>>,
    /// Lower and upper bounds of the 95 % interval, each with one at each row, when sampled.
    pub bounds: Option<(Vec<f64>, Vec<f64>)>,
}

/// The averaged state of a part at every row, in the basis of its product states: the first place the most significant
/// digit, |g⟩ before |e⟩ of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartStates {
    /// The name that the user gave it.
    pub name: String,
    /// Its density matrix at each row, d × d with trace 1.
    pub rows: Vec<Mat<Complex64>>,
}

/// A quantity at one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The value; NaN is an empty cell (0/0).
    pub value: f64,
    /// Standard error, when sampled.
    pub se: Option<f64>,
    /// The 95 % interval, when sampled.
    pub interval: Option<(f64, f64)>,
}

/// An interval within this of 1.96 standard errors to both sides says no more than these.
const SAME: f64 = 0.25;

impl Entry {
    /// The interval where it says more than the standard error does.
    pub fn own_interval(&self) -> Option<(f64, f64)> {
        let (lo, hi) = self.interval.filter(|(lo, hi)| hi > lo && (hi - lo).is_finite())?;
        let as_error = |margin: f64| self.se.is_some_and(|se| (margin / (Z95 * se) - 1.0).abs() < SAME);
        (!(as_error(self.value - lo) && as_error(hi - self.value))).then_some((lo, hi))
    }
}

impl fmt::Display for Entry {
    /// `22.87(6)`: the standard error in the last digits of the value; `3.76(5) [3.65, 3.95]` with a 95 % interval that is
    /// not about two of them to either side.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.se.filter(|se| se.is_finite() && *se > f64::EPSILON * self.value.abs());
        let interval = self.own_interval();
        // Two digits of the width.
        let place = interval.map(|(lo, hi)| exponent(hi - lo) - 1);
        match (error, place) {
            (Some(se), _) => f.write_str(&with_error(self.value, se))?,
            (None, Some(place)) => f.write_str(&rounded(self.value, place))?,
            (None, None) => write!(f, "{}", self.value + 0.0)?, // −0 + 0 is 0
        }
        match (interval, place) {
            (Some((lo, hi)), Some(place)) => write!(f, " [{}, {}]", rounded(lo, place), rounded(hi, place)),
            _ => Ok(()),
        }
    }
}

/// Sizes that are written without a power of ten.
const PLAIN: std::ops::Range<i32> = -4..7;

/// The power of ten of the first digit.
fn exponent(value: f64) -> i32 {
    if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 }
}

/// Rounded to the digit of 10^`place`.
fn rounded(value: f64, place: i32) -> String {
    let size = exponent(value);
    match value.abs() < 0.5 * 10f64.powi(place) {
        true => "0".to_owned(),
        false if PLAIN.contains(&size) => format!("{value:.0$}", (-place).max(0) as usize),
        false => format!("{value:.0$e}", (size - place).max(0) as usize),
    }
}

/// So many significant digits, without zeros at the end.
#[cfg(any(feature = "cli", test))]
pub(crate) fn significant(value: f64, digits: i32) -> String {
    let text = rounded(value, exponent(value) + 1 - digits);
    let (number, power) = text.split_at(text.find('e').unwrap_or(text.len()));
    let short = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{short}{power}")
}

/// No sign where all digits are 0.
fn unsigned_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    }
}

/// A value with its standard error in the last digits: one of them, or two from 10 to 19.
fn with_error(value: f64, se: f64) -> String {
    let size = if value == 0.0 { exponent(se) } else { exponent(value).max(exponent(se)) };
    let leading = exponent(se) - i32::from(se < 1.95 * 10f64.powi(exponent(se)));
    // An error of many units is written whole.
    let place = if PLAIN.contains(&size) { leading.min(0) } else { leading };
    let error = (se / 10f64.powi(place)).round();
    if PLAIN.contains(&size) {
        return unsigned_zero(format!("{value:.0$}", -place as usize)) + &format!("({error})");
    }
    let mantissa = unsigned_zero(format!("{:.*}", (size - place) as usize, value / 10f64.powi(size)));
    format!("{mantissa}({error})e{size}")
}

impl Table {
    /// Whether any of it has an error.
    pub fn is_sampled(&self) -> bool {
        self.columns.iter().any(|column| column.se.is_some() || column.bounds.is_some())
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

/// All quantities at all rows: each column, the steps and each state have one entry a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Time, step and cycle of each row.
    pub rows: Vec<Row>,
    /// Name of the step of each row.
    pub steps: Vec<String>,
    /// The quantities, in the order asked for.
    pub columns: Vec<Column>,
    /// The states of parts that were asked for.
    pub states: Vec<PartStates>,
}

impl Table {
    /// A table with the rows of `problem` and no columns yet.
    pub fn new(problem: &Problem) -> Self {
        let rows = problem.protocol.rows();
        let steps = rows.iter().map(|r| problem.protocol.name(r.step).to_owned()).collect();
        Self { rows, steps, columns: Vec::new(), states: Vec::new() }
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Time of each row since the run began; infinite in a steady state.
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
        assert_eq!(table["energy"].last().to_string(), "0.5(3)");
    }

    #[test]
    fn errors_stand_in_the_last_digits() {
        for (value, se, text) in [
            (22.8712, 0.0613, "22.87(6)"),
            (22.8712, 0.0123, "22.871(12)"),
            (22.8712, 0.0967, "22.87(10)"),
            (-0.004, 0.0123, "-0.004(12)"),
            (-0.0004, 0.0623, "0.00(6)"),
            (0.003333, 8.45e-3, "0.003(8)"),
            (1234.4, 56.2, "1234(56)"),
            (1.5, 2.5, "2(3)"),
            (12.0, 345.0, "12(345)"),
            (-2.345678e-9, 4.2e-12, "-2.346(4)e-9"),
            (1e-9, 4.2e-8, "0(4)e-8"),
            (0.0, 4.2e-8, "0(4)e-8"),
            (3.21987e12, 1.2e9, "3.2199(12)e12"),
            (70.0, 0.0, "70"),
            (0.25, f64::NAN, "0.25"),
            (-0.0, 0.0, "0"),
        ] {
            let entry = Entry { value, se: Some(se), interval: None };
            assert_eq!(entry.to_string(), text);
        }
        let entry = |value, interval| Entry { value, se: None, interval: Some(interval) }.to_string();
        assert_eq!(entry(3.7645931, (3.653806, 3.852023)), "3.76 [3.65, 3.85]");
        assert_eq!(entry(0.0, (0.0, 0.064941)), "0 [0, 0.065]");
        assert_eq!(entry(1.5e-7, (-1e-9, 3e-7)), "1.5e-7 [0, 3.0e-7]");
        assert_eq!(entry(0.5, (0.5, 0.5)), "0.5");
        for (value, text) in
            [(0.1234567890123, "0.123456789"), (0.5, "0.5"), (1e-9, "1e-9"), (1234567890.0, "1.23456789e9")]
        {
            assert_eq!(significant(value, 9), text);
        }
    }

    #[test]
    #[should_panic(expected = "there is no column `ergotropy` among energy")]
    fn an_unknown_name_says_what_there_is() {
        let _ = &table()["ergotropy"];
    }
}
