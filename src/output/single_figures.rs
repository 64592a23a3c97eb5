//! Pictures of single runs, drawn from their tables: paths with their jumps, distributions against time, first passages, delays.

use super::figure::{Axis, Figure, Heat, Legend, Mark, Panel, Point, Series};
use super::pictures::{BAND, MOST_CYCLES, UNITS, label, time};
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

    /// Whether there are too many cycles to draw each of them.
    fn has_many_cycles(&self) -> bool {
        let cycles = self.words("cycle").unwrap_or_default();
        cycles.iter().any(|cycle| cycle.parse().is_ok_and(|cycle: u64| cycle >= MOST_CYCLES))
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

/// A panel for each column of `paths.csv`: one thin line a trajectory, its jumps of `path_jumps.csv` on it, and dashed what
/// never jumps where its probability is known. `None` if a text is no such table.
pub fn paths(title: &str, paths: &str, jumps: &str) -> Option<Figure> {
    if let Some(many) = ends_of_steps(title, paths) {
        return Some(many);
    }
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

/// The same of many cycles: a line for the ends of each step. `None` of few.
fn ends_of_steps(title: &str, paths: &str) -> Option<Figure> {
    let paths = Read::new(paths)?;
    let (of, step, cycle) = (paths.place("trajectory")?, paths.place("step")?, paths.place("cycle")?);
    let time_at = paths.place("time")?;
    if !paths.has_many_cycles() {
        return None;
    }
    let (numbers, steps) = (paths.words("trajectory")?, paths.words("step")?);
    let mut panels = Vec::new();
    for (at, column) in paths.heading.iter().enumerate().skip(5) {
        let mut lines = Vec::new();
        for (colour, name) in steps.iter().enumerate() {
            // Such as what is released in a step in which nothing is.
            let zero = |cell: &str| cell.parse().is_ok_and(|value: f64| value == 0.0);
            if paths.lines.iter().filter(|line| line[step] == *name).all(|line| zero(line[at])) {
                continue;
            }
            for (k, number) in numbers.iter().enumerate() {
                let own: Vec<&Vec<&str>> =
                    paths.lines.iter().filter(|line| line[of] == *number && line[step] == *name).collect();
                let last = |k: &usize| own.get(k + 1).is_none_or(|next| next[cycle] != own[*k][cycle]);
                let value = |text: &str| text.parse().unwrap_or(f64::NAN);
                let ends = (0..own.len()).filter(last).map(|k| Point::exact(value(own[k][time_at]), value(own[k][at])));
                let label = if k == 0 { format!("single trajectories, end of {name}") } else { String::new() };
                lines.push(Series::new(label, colour, Mark::Thin, ends.collect()));
            }
        }
        if !lines.is_empty() {
            panels.push(Panel::new("", time(), Axis::linear(label(column)), lines));
        }
    }
    (!panels.is_empty()).then(|| Figure::new(title, 2, panels))
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
    let many = quantiles.has_many_cycles();
    let mut panels = Vec::new();
    for name in all.words("quantity")? {
        let bins = all.of("quantity", name, ["time", "low", "high", "probability", "least", "most"])?;
        let heat = map(&bins)?;
        let lines = quantiles.of("quantity", name, ["time", "q05", "q50", "q95"])?;
        let line = |which: usize| lines.iter().map(|own| Point::exact(own[0], own[which])).collect();
        let mut panel = Panel::heat_map("", time(), Axis::linear(label(name)), heat);
        panel.legend = Legend::Auto;
        panel.series = match many {
            true => vec![Series::new("median", 1, Mark::Dots, line(2))],
            false => vec![
                Series::new("median", 1, Mark::Line, line(2)),
                Series::new("5 % and 95 %", 1, Mark::Dashed, line(1)),
                Series::new("", 1, Mark::Dashed, line(3)),
            ],
        };
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
        let of = label(line[at[0]]).replace(UNITS, "");
        let of = of.trim_end();
        let name = format!("{of} {} {}", line[at[1]], line[at[2]]);
        let [t, p, lo, hi] = [3, 4, 5, 6].map(|k| line[at[k]].parse().unwrap_or(f64::NAN));
        let point = Point::with_error(t, p, lo, hi);
        match curves.last_mut() {
            Some((last, points)) if *last == name => points.push(point),
            _ => curves.push((name, vec![point])),
        }
    }
    let banded = curves.iter().flat_map(|(_, points)| points).any(|p| p.lo < p.hi);
    let series = curves.into_iter().enumerate().map(|(k, (name, points))| Series::new(name, k, Mark::Band, points));
    let series = series.chain(banded.then(|| Series::new(BAND, 6, Mark::Band, Vec::new())));
    let axis = Axis::linear("probability that it has happened").within(0.0, 1.0);
    Some(Figure::new(title, 1, vec![Panel::new("", time(), axis, series.collect())]))
}

/// Two panels from `delays.csv`: how long the next jump takes, and g² of any two; a curve for each channel and step of the
/// first cycle. `None` if it is no such table.
pub fn delays(title: &str, delays: &str) -> Option<Figure> {
    let all = Read::new(delays)?;
    let (channel, step, cycle) = (all.place("channel")?, all.place("step")?, all.place("cycle")?);
    let mut curves: Vec<(&str, &str)> = Vec::new();
    let first = all.lines.first()?[cycle];
    for line in all.lines.iter().filter(|line| line[cycle] == first) {
        if !curves.contains(&(line[channel], line[step])) {
            curves.push((line[channel], line[step]));
        }
    }
    let several = curves.iter().any(|(_, step)| *step != curves[0].1);
    let panel = |quantity: &str, axis: &str| {
        let columns = ["low", "high"].map(str::to_owned).into_iter();
        let columns = columns.chain(["", "_lo", "_hi"].map(|suffix| format!("{quantity}{suffix}")));
        let places: Vec<usize> = columns.map(|name| all.place(&name)).collect::<Option<_>>()?;
        let curve = |(k, (name, of)): (usize, &(&str, &str))| {
            let own = all.lines.iter().filter(|line| (line[channel], line[step], line[cycle]) == (*name, *of, first));
            let point = |line: &Vec<&str>| {
                let number = |at: usize| line[places[at]].parse().unwrap_or(f64::NAN);
                let point = Point::with_error(0.5 * (number(0) + number(1)), number(2), number(3), number(4));
                point.y.is_finite().then_some(point)
            };
            let label = if several { format!("{name}, {of}") } else { name.to_string() };
            Series::new(label, k, Mark::Band, own.filter_map(point).collect())
        };
        let delay = Axis::linear(format!("delay τ {UNITS}"));
        let mut series: Vec<Series> = curves.iter().enumerate().map(curve).collect();
        // Of what is known exactly there is none.
        if series.iter().flat_map(|own| &own.points).any(|point| point.lo < point.hi) {
            series.push(Series::new(BAND, 6, Mark::Band, Vec::new()));
        }
        Some(Panel::new("", delay, Axis::linear(axis), series))
    };
    let panels =
        [panel("wait", "density of the wait for the next jump"), panel("g2", "correlation g²(τ) of two jumps")];
    Some(Figure::new(title, 2, panels.into_iter().flatten().collect()))
}
