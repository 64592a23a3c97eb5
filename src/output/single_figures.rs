//! Pictures of single runs, drawn from their tables: paths with their jumps, distributions against time, first passages.

use super::figure::{Axis, Figure, Heat, Legend, Mark, Panel, Point, Series};
use super::pictures::label;
use std::collections::BTreeMap;

/// Cells of a map of a distribution, at most: of values and of times.
const MOST_CELLS: (usize, usize) = (64, 160);

/// Jumps of one channel that are marked, at most.
const MOST_MARKS: usize = 150;

/// A table read back.
pub struct Read<'a> {
    /// What its columns are called.
    pub heading: Vec<&'a str>,
    /// The cells of each line.
    pub lines: Vec<Vec<&'a str>>,
}

impl<'a> Read<'a> {
    /// A table in comma-separated values; `None` if it is none.
    pub fn new(text: &'a str) -> Option<Self> {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<&str>>());
        let heading = lines.next()?;
        let lines: Vec<Vec<&str>> = lines.collect();
        lines.iter().all(|line| line.len() == heading.len()).then_some(Self { heading, lines })
    }

    /// Where a column stands.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.heading.iter().position(|name| *name == column)
    }

    /// The numbers of columns, line by line, for the lines whose cells in column `by` are `word`.
    fn of<const K: usize>(&self, by: &str, word: &str, columns: [&str; K]) -> Option<Vec<[f64; K]>> {
        let (by, mut places) = (self.place(by)?, [0; K]);
        for (place, column) in places.iter_mut().zip(columns) {
            *place = self.place(column)?;
        }
        let own = self.lines.iter().filter(|line| line[by] == word);
        Some(own.map(|line| places.map(|place| line[place].parse().unwrap_or(f64::NAN))).collect())
    }

    /// The different words of a column, in the order in which they come.
    fn words(&self, column: &str) -> Option<Vec<&'a str>> {
        let place = self.place(column)?;
        let mut all = Vec::new();
        for line in &self.lines {
            if !all.contains(&line[place]) {
                all.push(line[place]);
            }
        }
        Some(all)
    }
}

fn time() -> Axis {
    Axis::linear("time t (units of the input)")
}

/// A panel for each column of `paths.csv`: one thin line a trajectory, its jumps of `path_jumps.csv` on it, and dashed what
/// never jumps where its probability is known. `None` if a text is no such table.
pub fn paths(title: &str, paths: &str, jumps: &str) -> Option<Figure> {
    let columns = Read::new(paths)?.heading;
    let mut panels = Vec::new();
    for column in &columns[5..] {
        let lines = paths_of(paths, jumps, column)?;
        // Where everything is zero there is nothing to see.
        if lines.iter().flat_map(|line| &line.points).all(|point| point.y == 0.0) && columns.len() > 6 {
            continue;
        }
        panels.push(Panel::new("", time(), Axis::linear(label(column)), lines));
    }
    Some(Figure::new(title, 2, panels))
}

/// The lines of one column of `paths.csv`, with their jumps of `path_jumps.csv` on them. `None` if a text is no such table.
pub fn paths_of(paths: &str, jumps: &str, column: &str) -> Option<Vec<Series>> {
    let (paths, jumps) = (Read::new(paths)?, Read::new(jumps)?);
    let channels = jumps.words("channel")?;
    let numbers = paths.words("trajectory")?;
    let sampled = paths.of("trajectory", numbers.first()?, ["weight"])?.first()?[0];
    let (of, at, place) = (jumps.place("trajectory")?, jumps.place("time")?, jumps.place("channel")?);
    let drawn: Vec<bool> = channels
        .iter()
        .map(|name| jumps.lines.iter().filter(|jump| jump[place] == *name).count() <= MOST_MARKS)
        .collect();
    let (mut lines, mut marks) = (Vec::new(), vec![Vec::new(); channels.len()]);
    let (mut labelled, mut silent) = (false, 0);
    for number in &numbers {
        let points = paths.of("trajectory", number, ["time", column, "weight"])?;
        let line: Vec<Point> = points.iter().map(|[t, x, _]| Point::exact(*t, *x)).collect();
        let weight = points.first()?[2];
        for jump in jumps.lines.iter().filter(|jump| jump[of] == *number) {
            let channel = channels.iter().position(|name| *name == jump[place])?;
            let now: f64 = jump[at].parse().ok()?;
            if drawn[channel] {
                marks[channel].push(Point::exact(now, before(&line, now)));
            }
        }
        // Those that were sampled share their weight evenly.
        lines.push(if weight == sampled {
            let label = if labelled { "" } else { "single trajectories" };
            labelled = true;
            Series::new(label, 5, Mark::Thin, line)
        } else {
            silent += 1;
            let label = if silent > 3 { String::new() } else { format!("no jump at all: p = {weight:.3}") };
            Series::new(label, 6, Mark::Dashed, line)
        });
    }
    for (channel, points) in marks.into_iter().enumerate() {
        let name = channels[channel];
        let label = if drawn[channel] { format!("jumps of {name}") } else { format!("jumps of {name}: too many") };
        lines.push(Series::new(label, [1, 2, 3, 4, 0, 7][channel % 6], Mark::Points, points));
    }
    Some(lines)
}

/// The ordinate of the last point at or before x.
fn before(line: &[Point], x: f64) -> f64 {
    let next = line.partition_point(|point| point.x <= x);
    next.checked_sub(1).and_then(|last| line.get(last)).or(line.first()).map_or(f64::NAN, |point| point.y)
}

/// A panel for each quantity of `distributions.csv`: its probability as a colour against time, with the median and the 5 and
/// 95 % quantiles of `quantiles.csv`. `None` if a text is no such table.
pub fn distributions(title: &str, distributions: &str, quantiles: &str) -> Option<Figure> {
    let (all, quantiles) = (Read::new(distributions)?, Read::new(quantiles)?);
    let mut panels = Vec::new();
    for name in all.words("quantity")? {
        let bins = all.of("quantity", name, ["time", "low", "high", "probability", "least", "most"])?;
        let heat = map(&bins)?;
        let lines = quantiles.of("quantity", name, ["time", "q05", "q50", "q95"])?;
        let line = |which: usize| lines.iter().map(|own| Point::exact(own[0], own[which])).collect();
        let of_energy = if name == "energy_outcome" { "measured energy".to_owned() } else { label(name) };
        let mut panel = Panel::heat_map("", time(), Axis::linear(of_energy), heat);
        panel.legend = Legend::Auto;
        panel.series = vec![
            Series::new("median", 1, Mark::Line, line(2)),
            Series::new("5 % and 95 %", 1, Mark::Dashed, line(1)),
            Series::new("", 1, Mark::Dashed, line(3)),
        ];
        panels.push(panel);
    }
    Some(Figure::new(title, 2, panels))
}

/// Probabilities (time, low, high, p, least, most) on one grid.
fn map(bins: &[[f64; 6]]) -> Option<Heat> {
    let least = bins.iter().map(|bin| bin[1]).fold(f64::INFINITY, f64::min);
    let most = bins.iter().map(|bin| bin[2]).fold(f64::NEG_INFINITY, f64::max);
    let mut width = bins.iter().map(|bin| bin[2] - bin[1]).fold(0.0, f64::max);
    if !(width > 0.0 && (most - least).is_finite()) {
        return None;
    }
    // Where all values are lower edges, such as numbers of quanta, a cell is about its value.
    let whole = bins.iter().all(|[_, low, high, _, least, most]| {
        let on_edge = |x: f64| x.is_nan() || (x - low).abs() < 1e-6 * (high - low);
        on_edge(*least) && on_edge(*most)
    });
    while (most - least) / width > MOST_CELLS.0 as f64 {
        width *= 2.0;
    }
    let first = (least / width + 1e-9).floor();
    let rows = (((most / width - 1e-9).ceil() - first) as usize).max(1);
    // Of rows at the same time the last one, and no more than there is place for.
    let mut columns: BTreeMap<u64, (f64, Vec<f64>)> = BTreeMap::new();
    let mut previous = (f64::NAN, f64::NAN);
    for [time, low, _, p, ..] in bins {
        let (_, cells) = columns.entry(time.to_bits()).or_insert_with(|| (*time, vec![0.0; rows]));
        if previous.0 == *time && *low <= previous.1 {
            cells.fill(0.0);
        }
        previous = (*time, *low);
        let row = ((low / width + 1e-9).floor() - first) as usize;
        if let Some(cell) = cells.get_mut(row) {
            *cell += p;
        }
    }
    let every = columns.len().div_ceil(MOST_CELLS.1);
    let shown: Vec<&(f64, Vec<f64>)> = columns.values().step_by(every).collect();
    let value = |row: usize| shown.iter().map(move |(_, cells)| cells[row]);
    let centre = if whole { 0.0 } else { 0.5 };
    Some(Heat {
        x: shown.iter().map(|(time, _)| *time).collect(),
        y: (0..rows).map(|row| (first + row as f64 + centre) * width).collect(),
        // Of probabilities the large ones would hide all others.
        values: (0..rows).flat_map(value).map(|p| if p > 0.0 { p.log10() } else { f64::NAN }).collect(),
        label: "log₁₀ of the probability".into(),
    })
}

/// The curves of `passages.csv` in one panel. `None` if it is no such table.
pub fn passages(title: &str, passages: &str) -> Option<Figure> {
    let all = Read::new(passages)?;
    let places = ["quantity", "side", "level", "time", "probability", "probability_lo", "probability_hi"];
    let mut at = [0; 7];
    for (place, name) in at.iter_mut().zip(places) {
        *place = all.place(name)?;
    }
    let mut curves: Vec<(String, Vec<Point>)> = Vec::new();
    for line in &all.lines {
        let name = format!("{} {} {}", line[at[0]], line[at[1]], line[at[2]]);
        let [t, p, lo, hi] = [3, 4, 5, 6].map(|k| line[at[k]].parse().unwrap_or(f64::NAN));
        let point = Point::with_error(t, p, lo, hi);
        match curves.last_mut() {
            Some((last, points)) if *last == name => points.push(point),
            _ => curves.push((name, vec![point])),
        }
    }
    let series = curves.into_iter().enumerate().map(|(k, (name, points))| Series::new(name, k, Mark::Band, points));
    let axis = Axis::linear("probability that it has happened").within(0.0, 1.0);
    Some(Figure::new(title, 1, vec![Panel::new("", time(), axis, series.collect())]))
}
