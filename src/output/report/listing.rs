//! Tables of a report: numbers as they are read, with what they are sorted by.

use crate::output::pictures::{label, symbol};
use crate::output::sweep::Grid;
use crate::table::{Column, Entry, Table, significant};

/// Rows that a report shows of a table.
const MOST_ROWS: usize = 400;

/// A cell: what is read, and the number that it is sorted by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What is read.
    pub shown: String,
    /// What it is sorted by; text where there is none.
    pub number: Option<f64>,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self { shown: text.into(), number: None }
    }

    fn number(value: f64) -> Self {
        match value {
            x if x.is_nan() => Self::default(),
            x if x.is_infinite() => Self { shown: if x > 0.0 { "∞" } else { "−∞" }.into(), number: Some(x) },
            x => Self { shown: significant(x + 0.0, 6).replace('-', "−"), number: Some(x) },
        }
    }

    fn entry(entry: &Entry) -> Self {
        match entry.value.is_nan() {
            true => Self::default(),
            false if entry.se.is_none() && entry.interval.is_none() => Self::number(entry.value),
            false => {
                let plain = Entry { interval: None, ..*entry };
                let exact = entry.se == Some(0.0);
                let shown = if exact { significant(entry.value, 6) } else { plain.to_string() };
                Self { shown: shown.replace('-', "−"), number: Some(entry.value) }
            }
        }
    }

    fn interval(entry: &Entry) -> Self {
        match entry.interval.filter(|(lo, hi)| hi > lo) {
            Some((lo, hi)) => {
                // Two digits of the width.
                let digits = |x: f64| 2 + (x.abs() / (hi - lo)).max(1.0).log10().ceil() as i32;
                let [from, to] = [lo, hi].map(|x| significant(x + 0.0, digits(x)).replace('-', "−"));
                Self { shown: format!("[{from}, {to}]"), number: Some(hi - lo) }
            }
            None => Self::default(),
        }
    }
}

/// A table of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// What it is of.
    pub caption: String,
    /// The names of its columns.
    pub heads: Vec<String>,
    /// Its lines.
    pub rows: Vec<Vec<Cell>>,
    /// Whether it is shown at once, or on request.
    pub open: bool,
    /// How many lines there are that it does not show.
    pub left_out: usize,
}

impl Listing {
    fn new(caption: &str, heads: Vec<String>, mut rows: Vec<Vec<Cell>>, open: bool) -> Self {
        let left_out = rows.len().saturating_sub(MOST_ROWS);
        rows.truncate(MOST_ROWS);
        Self { caption: caption.into(), heads, rows, open, left_out }
    }
}

fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_shown(column: &&Column) -> bool {
    !column.name.ends_with("_undersampled")
}

/// Each quantity at the end of the protocol, and its largest value.
pub fn at_the_end(table: &Table) -> Option<Listing> {
    let last = table.rows.len().checked_sub(1)?;
    let several = table.rows.len() > 1;
    let line = |column: &Column| {
        let of = column.at(last);
        let mut cells = vec![Cell::text(label(&column.name)), Cell::text(&column.name), Cell::entry(&of)];
        if table.is_sampled() {
            cells.push(Cell::interval(&of));
        }
        if several {
            let finite = (0..column.value.len()).filter(|k| column.value[*k].is_finite());
            let most = finite.max_by(|a, b| column.value[*a].total_cmp(&column.value[*b]));
            cells.push(most.map_or_else(Cell::default, |k| Cell::entry(&column.at(k))));
            cells.push(most.map_or_else(Cell::default, |k| Cell::number(table.rows[k].time)));
        }
        cells
    };
    let mut names = vec!["quantity", "column", "at the end"];
    names.extend(table.is_sampled().then_some("95 % interval"));
    names.extend(several.then_some(["largest", "at t ="]).into_iter().flatten());
    let time = table.rows[last].time;
    let caption = match time.is_infinite() {
        true => "In the steady state".to_owned(),
        false => format!("At the end, t = {}", significant(time, 6)),
    };
    let rows = table.columns.iter().filter(is_shown).map(line).collect();
    Some(Listing::new(&caption, heads(&names), rows, true))
}

/// Samples beside the exact solution at the end of the protocol.
pub fn compared(sampled: &Table, exact: &Table) -> Option<Listing> {
    let last = sampled.rows.len().checked_sub(1)?;
    let line = |column: &Column| {
        let (ours, theirs) = (column.at(last), exact.column(&column.name).map(|c| c.at(last)));
        let z = theirs.zip(ours.se.filter(|se| *se > 0.0)).map(|(theirs, se)| (ours.value - theirs.value) / se);
        vec![
            Cell::text(label(&column.name)),
            Cell::text(&column.name),
            Cell::entry(&ours),
            theirs.map_or_else(Cell::default, |theirs| Cell::entry(&theirs)),
            z.map_or_else(Cell::default, |z| Cell { shown: format!("{z:+.2}").replace('-', "−"), number: Some(z) }),
        ]
    };
    let rows = sampled.columns.iter().filter(is_shown).map(line).collect();
    let names = ["quantity", "column", "trajectories", "exact", "z"];
    Some(Listing::new("Both at the end", heads(&names), rows, true))
}

/// All rows.
pub fn all_rows(table: &Table) -> Listing {
    let columns: Vec<&Column> = table.columns.iter().filter(is_shown).collect();
    let line = |k: usize| {
        let row = &table.rows[k];
        let mut cells = vec![Cell::number(row.time), Cell::text(&table.steps[k]), Cell::number(row.cycle as f64)];
        cells.extend(columns.iter().map(|column| Cell::entry(&column.at(k))));
        cells
    };
    let mut names = heads(&["time", "step", "cycle"]);
    names.extend(columns.iter().map(|column| column.name.clone()));
    Listing::new("All rows", names, (0..table.rows.len()).map(line).collect(), false)
}

/// The points of a sweep, each at its last row.
pub fn points(grid: &Grid) -> Listing {
    let first = grid.points.iter().flatten().next();
    let columns: Vec<&Column> = first.iter().flat_map(|table| &table.columns).filter(is_shown).collect();
    let line = |k: usize| {
        let table = grid.points[k].as_ref()?;
        let last = table.rows.len().checked_sub(1)?;
        let parameters = grid.axes.iter().zip(grid.place(k)).map(|(axis, at)| match &axis.numbers {
            Some(numbers) => Cell::number(numbers[at]),
            None => Cell::text(&axis.values[at]),
        });
        let time = Cell::number(table.rows[last].time);
        let found =
            columns.iter().map(|c| table.column(&c.name).map_or_else(Cell::default, |c| Cell::entry(&c.at(last))));
        Some(parameters.chain([time]).chain(found).collect())
    };
    let mut names: Vec<String> = grid.axes.iter().map(|axis| symbol(&axis.name)).collect();
    names.push("t".into());
    names.extend(columns.iter().map(|column| label(&column.name)));
    Listing::new("The points of the sweep", names, (0..grid.points.len()).filter_map(line).collect(), true)
}

/// Any table of comma-separated values.
pub fn of_csv(caption: &str, text: &str, open: bool) -> Option<Listing> {
    let mut lines = text.lines();
    let names: Vec<String> = lines.next()?.split(',').map(str::to_owned).collect();
    let cell = |text: &str| text.parse().map_or_else(|_| Cell::text(text), Cell::number);
    let rows: Vec<Vec<Cell>> = lines.map(|line| line.split(',').map(cell).collect()).collect();
    (!rows.is_empty()).then(|| Listing::new(caption, names, rows, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_what_they_are_sorted_by() {
        let entry = Entry { value: -22.8712, se: Some(0.0613), interval: Some((-23.01, -22.75)) };
        assert_eq!(Cell::entry(&entry), Cell { shown: "−22.87(6)".into(), number: Some(-22.8712) });
        assert_eq!(Cell::interval(&entry).shown, "[−23.01, −22.75]");
        assert_eq!(Cell::number(f64::NAN), Cell::default());
        assert_eq!(Cell::number(1.0 / 3.0).shown, "0.333333");
    }

    #[test]
    fn long_tables_say_what_they_leave_out() {
        let text: String = std::iter::once("a,b\n".to_owned()).chain((0..500).map(|k| format!("{k},x\n"))).collect();
        let listing = of_csv("", &text, true).unwrap();
        assert_eq!((listing.rows.len(), listing.left_out), (MOST_ROWS, 100));
        assert_eq!(listing.rows[7], [Cell::number(7.0), Cell::text("x")]);
        assert!(of_csv("", "a,b\n", true).is_none());
    }
}
