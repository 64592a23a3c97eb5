//! The results of a sweep: one long table, and its curves or heat maps.

use super::figure::{Axis, Figure, Heat, Mark, Panel, Point, Scale, Series};
use super::pictures::{BAND, label, points, symbol, time, with_dots};
use super::table::{csv, from_csv};
use crate::table::{Column, Table};

/// Lines that one panel can hold.
const MOST_LINES: usize = 8;

/// A parameter of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridAxis {
    /// Its name.
    pub name: String,
    /// Its values as written.
    pub values: Vec<String>,
    /// Its values, unless they are words.
    pub numbers: Option<Vec<f64>>,
    /// Whether equal ratios lie at equal distances.
    pub log: bool,
}

impl GridAxis {
    fn axis(&self) -> Axis {
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        Axis { scale, ..Axis::linear(symbol(&self.name)) }
    }
}

/// The tables at the points of a grid, the product of its axes, the last parameter varying fastest; `None` where none
/// was finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The parameters.
    pub axes: Vec<GridAxis>,
    /// The results.
    pub points: Vec<Option<Table>>,
}

impl Grid {
    /// Index of a point's value on each axis, in the order of the axes.
    pub fn place(&self, mut point: usize) -> Vec<usize> {
        let digit = |axis: &GridAxis| {
            let digit = point % axis.values.len();
            point /= axis.values.len();
            digit
        };
        let mut place: Vec<usize> = self.axes.iter().rev().map(digit).collect();
        place.reverse();
        place
    }

    /// `name = value` of each parameter at a point.
    pub fn name(&self, point: usize) -> String {
        let place = self.place(point);
        let named = self.axes.iter().zip(place).map(|(axis, k)| format!("{} = {}", axis.name, axis.values[k]));
        named.collect::<Vec<_>>().join(", ")
    }

    /// The parameters at a point as a legend writes them.
    fn legend(&self, point: usize) -> String {
        let place = self.place(point);
        let named = self.axes.iter().zip(place).map(|(axis, k)| format!("{} = {}", symbol(&axis.name), axis.values[k]));
        named.collect::<Vec<_>>().join(", ")
    }

    /// Give exact points errors of 0 in the columns in which sampled points beside them have errors.
    pub fn align(&mut self) {
        let all = || self.points.iter().flatten().flat_map(|table| &table.columns);
        let having = |has: &dyn Fn(&Column) -> bool| -> Vec<String> {
            all().filter(|column| has(column)).map(|column| column.name.clone()).collect()
        };
        let (errors, bounds) = (having(&|c| c.se.is_some()), having(&|c| c.bounds.is_some()));
        for column in self.points.iter_mut().flatten().flat_map(|table| &mut table.columns) {
            if errors.contains(&column.name) {
                column.se.get_or_insert_with(|| vec![0.0; column.value.len()]);
            }
            if bounds.contains(&column.name) {
                column.bounds.get_or_insert_with(|| (column.value.clone(), column.value.clone()));
            }
        }
    }

    /// `sweep.csv`: the parameters, then each row as in `observables.csv`; points that were not finished are left out.
    pub fn csv(&self) -> String {
        let mut text = String::new();
        for (k, table) in self.points.iter().enumerate() {
            let Some(table) = table else { continue };
            let place = self.place(k);
            let values: String = self.axes.iter().zip(place).map(|(axis, k)| format!("{},", axis.values[k])).collect();
            let lines = csv(table);
            let mut lines = lines.lines();
            let header = lines.next().unwrap_or_default();
            if text.is_empty() {
                let names: String = self.axes.iter().map(|axis| format!("{},", axis.name)).collect();
                text = format!("{names}{header}\n");
            }
            lines.for_each(|line| text.push_str(&format!("{values}{line}\n")));
        }
        text
    }

    /// Read back what [`csv`](Self::csv) wrote, into a grid of the same parameters. `None` if it is something else.
    pub fn read(axes: Vec<GridAxis>, text: &str) -> Option<Self> {
        let width = axes.len();
        let split = |line: &str| -> Option<(Vec<String>, String)> {
            let mut cells = line.splitn(width + 1, ',').map(str::to_owned);
            let values: Vec<String> = cells.by_ref().take(width).collect();
            Some((values, cells.next()?))
        };
        let (names, header) = split(text.lines().next()?)?;
        if !names.iter().eq(axes.iter().map(|axis| &axis.name)) {
            return None;
        }
        let count = axes.iter().map(|axis| axis.values.len()).product();
        let mut lines = vec![String::new(); count];
        for line in text.lines().skip(1) {
            let (values, rest) = split(line)?;
            let mut point = 0;
            for (axis, value) in axes.iter().zip(values) {
                point = point * axis.values.len() + axis.values.iter().position(|v| *v == value)?;
            }
            lines[point].push_str(&format!("\n{rest}"));
        }
        let table = |lines: &String| match lines.is_empty() {
            true => Some(None),
            false => from_csv(&format!("{header}{lines}\n")).map(Some),
        };
        let points = lines.iter().map(table).collect::<Option<Vec<_>>>()?;
        Some(Self { axes, points })
    }

    /// A panel a column: against time when there are several rows, else a curve along one parameter, or along the longer
    /// of two if the other has few values, or a heat map. `None` for what does not fit in a plane.
    pub fn figure(&self, title: &str) -> Option<Figure> {
        let first = self.points.iter().flatten().next()?;
        let columns = first.columns.iter().map(|c| c.name.as_str()).filter(|c| !c.ends_with("_undersampled"));
        let several_rows = self.points.iter().flatten().any(|table| table.rows.len() > 1);
        let panel = |column: &str| match (self.axes.as_slice(), several_rows) {
            (_, true) => Some(self.against_time(column)),
            ([along], false) => Some(self.curves(column, along, None)?),
            ([a, b], false) => match (a.numbers.is_some(), b.numbers.is_some()) {
                (true, true) if a.values.len().min(b.values.len()) > MOST_LINES => self.heat_map(column, a, b),
                (true, _) if b.values.len() <= a.values.len().min(MOST_LINES) || b.numbers.is_none() => {
                    self.curves(column, a, Some(b))
                }
                (_, true) => self.curves(column, b, Some(a)),
                _ => None,
            },
            _ => None,
        };
        let panels: Vec<Panel> = columns.filter_map(panel).collect();
        let when = if several_rows { None } else { self.when() };
        let title = [Some(title.to_owned()).filter(|title| !title.is_empty()), when];
        let title = title.into_iter().flatten().collect::<Vec<_>>().join(", ");
        (!panels.is_empty()).then(|| Figure::new(title, panels.len().min(2), panels))
    }

    /// When the last rows of all points are, if they are at the same time.
    fn when(&self) -> Option<String> {
        let mut times = self.points.iter().flatten().filter_map(|table| table.rows.last()).map(|row| row.time);
        let first = times.next()?;
        let same = times.all(|time| (time - first).abs() <= 1e-12 * first.abs() || time == first);
        Some(match same {
            true if first.is_infinite() => "in the steady state".into(),
            true => format!("at t = {}", crate::table::significant(first, 6)),
            false => "at the end of the protocol".into(),
        })
    }

    /// The same grid with some of its columns, in the order of `names`.
    pub fn only(mut self, names: &[String]) -> Self {
        for table in self.points.iter_mut().flatten() {
            table.columns = names.iter().filter_map(|name| table.column(name).cloned()).collect();
        }
        self
    }

    /// The last row of a column with its errors, at a point.
    fn last(&self, column: &str, point: usize, x: f64) -> Option<Point> {
        let table = self.points[point].as_ref()?;
        points(std::iter::repeat_n(x, table.rows.len()), table.column(column)?).pop()
    }

    fn curves(&self, column: &str, along: &GridAxis, lines: Option<&GridAxis>) -> Option<Panel> {
        let x = along.numbers.as_ref()?;
        let slot = |axis: &GridAxis| self.axes.iter().position(|other| other == axis);
        let (x_slot, line_slot) = (slot(along)?, lines.and_then(slot));
        let series = |line: usize| {
            let mine = |k: &usize| line_slot.is_none_or(|slot| self.place(*k)[slot] == line);
            let at = |k: usize| self.last(column, k, x[self.place(k)[x_slot]]);
            let points: Vec<Point> = (0..self.points.len()).filter(mine).filter_map(at).collect();
            let name = lines.map_or_else(String::new, |axis| format!("{} = {}", symbol(&axis.name), axis.values[line]));
            let banded = points.iter().any(|p| p.lo < p.hi);
            Series::new(name, line, if banded { Mark::Band } else { Mark::Line }, points)
        };
        let series = (0..lines.map_or(1, |axis| axis.values.len().min(MOST_LINES))).map(series).collect();
        Some(Panel::new("", along.axis(), Axis::linear(label(column)), explained(series)))
    }

    fn heat_map(&self, column: &str, a: &GridAxis, b: &GridAxis) -> Option<Panel> {
        let value = |k: usize| self.last(column, k, 0.0).map_or(f64::NAN, |p| p.y);
        let (x, y) = (a.numbers.clone()?, b.numbers.clone()?);
        let values = (0..y.len()).flat_map(|row| (0..x.len()).map(move |at| (row, at)));
        let values = values.map(|(row, at)| value(at * b.values.len() + row)).collect();
        Some(Panel::heat_map("", a.axis(), b.axis(), Heat { x, y, values, label: label(column) }))
    }

    /// A line a point of the grid, evenly chosen if there are too many.
    fn against_time(&self, column: &str) -> Panel {
        let done: Vec<usize> = (0..self.points.len()).filter(|k| self.points[*k].is_some()).collect();
        let lines = done.len().min(MOST_LINES);
        let chosen = |line: usize| done[line * (done.len() - 1) / lines.saturating_sub(1).max(1)];
        let series = |line: usize| {
            let table = self.points[chosen(line)].as_ref()?;
            let found = table.column(column)?;
            let mark = if found.se.is_some() { Mark::Band } else { Mark::Line };
            let times = table.rows.iter().map(|row| row.time);
            Some(Series::new(self.legend(chosen(line)), line, mark, points(times, found)))
        };
        Panel::new("", time(), Axis::linear(label(column)), explained((0..lines).filter_map(series).collect()))
    }
}

/// The curves with dots where they have few points, and with what their bands are.
fn explained(curves: Vec<Series>) -> Vec<Series> {
    let banded = curves.iter().any(|series| series.mark == Mark::Band);
    let mut all: Vec<Series> = curves.into_iter().flat_map(with_dots).collect();
    all.extend(banded.then(|| Series::new(BAND, 6, Mark::Band, Vec::new())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Row, StepId};

    fn axis(name: &str, count: usize) -> GridAxis {
        let numbers: Vec<f64> = (1..=count).map(|k| k as f64).collect();
        let values = numbers.iter().map(f64::to_string).collect();
        GridAxis { name: name.into(), values, numbers: Some(numbers), log: false }
    }

    /// W = 10a + b, the third point missing.
    fn grid(a: usize, b: usize, rows: usize) -> Grid {
        let point = |k: usize| {
            let value = (10 * (1 + k / b) + 1 + k % b) as f64;
            let rows: Vec<Row> = (0..rows).map(|r| Row { time: r as f64, step: StepId::new(0), cycle: 0 }).collect();
            let mut table =
                Table { steps: vec!["s".into(); rows.len()], rows, columns: Vec::new(), states: Vec::new() };
            table.push_exact("W".into(), vec![value; table.rows.len()]);
            (k != 2).then_some(table)
        };
        Grid { axes: vec![axis("a", a), axis("b", b)], points: (0..a * b).map(point).collect() }
    }

    #[test]
    fn the_long_table_leaves_out_what_is_not_finished() {
        let lines = "a,b,time,step,cycle,W\n1,1,0,s,0,11\n1,2,0,s,0,12\n2,2,0,s,0,22\n";
        assert_eq!(grid(2, 2, 1).csv(), lines);
        assert_eq!(Grid::read(grid(2, 2, 1).axes, lines).map(|g| g.csv()).as_deref(), Some(lines));
        assert_eq!(Grid::read(grid(1, 2, 1).axes, lines), None);
        assert_eq!(Grid::read(vec![axis("c", 2), axis("b", 2)], lines), None);
        assert_eq!(grid(2, 2, 1).name(3), "a = 2, b = 2");
    }

    #[test]
    fn exact_points_beside_sampled_ones_have_no_error() {
        let mut grid = grid(2, 1, 1);
        if let Some(Some(table)) = grid.points.last_mut() {
            (table.columns[0].se, table.columns[0].bounds) = (Some(vec![0.5]), Some((vec![20.0], vec![22.0])));
        }
        grid.align();
        let lines = "a,b,time,step,cycle,W,W_se,W_lo,W_hi\n1,1,0,s,0,11,0,11,11\n2,1,0,s,0,21,0.5,20,22\n";
        assert_eq!(grid.csv(), lines);
    }

    #[test]
    fn few_lines_are_curves_and_many_a_map() {
        let without_dots = |mut panel: Panel| {
            panel.series.retain(|series| series.mark != Mark::Dots);
            panel
        };
        let panel = |grid: Grid| grid.figure("").map(|f| without_dots(f.panels[0].clone()));
        let curves = panel(grid(12, 2, 1)).unwrap();
        assert_eq!((curves.x.label.as_str(), curves.series.len(), curves.series[1].label.as_str()), ("a", 2, "b = 2"));
        assert_eq!(curves.series[0].points.iter().map(|p| p.y).take(2).collect::<Vec<_>>(), [11.0, 31.0]);
        let turned = panel(grid(2, 12, 1)).unwrap();
        assert_eq!((turned.x.label.as_str(), turned.series.len()), ("b", 2));
        let map = panel(grid(9, 10, 1)).unwrap().heat.unwrap();
        assert_eq!((map.x.len(), map.y.len(), map.values[9], map.values[1]), (9, 10, 12.0, 21.0));
        assert!(map.values[18].is_nan(), "a = 1, b = 3 was not finished");
        let times = panel(grid(9, 10, 3)).unwrap();
        assert_eq!((times.series.len(), times.series[7].label.as_str()), (MOST_LINES, "a = 9, b = 10"));
    }
}
