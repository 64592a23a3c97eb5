//! The tables of rare single shots: `rare.csv` with a line for each event, `levels.csv` with those on the way to it.

use super::table::number;
use crate::problem::{Beyond, Problem};
use crate::rare::Found;

const HEADING: &str = "quantity,below,above,time,probability,probability_lo,probability_hi,relative_error,populations,\
                       population,trajectories,plain_trajectories,trusted";
const LEVELS: &str = "quantity,side,level,probability,probability_lo,probability_hi";

/// `rare.csv`: the probability of each event with its 95 % interval, and how it was found, a line an event.
/// `plain_trajectories` is how many trajectories without cloning would have the same error; `trusted` is 0 where
/// something speaks against the interval.
pub fn events(problem: &Problem, all: &[Found]) -> String {
    let mut text = format!("{HEADING}\n");
    for found in all {
        let level = number(found.event.level);
        let (below, above) = if found.event.side == Beyond::Below { (&level[..], "") } else { ("", &level[..]) };
        let (lo, hi) = found.interval;
        let numbers = [found.time, found.probability, lo, hi, found.relative_error].map(number).join(",");
        let name = problem.distribution_name(&found.event.of);
        let plain = if found.is_exact() { String::new() } else { number(found.plain_trajectories().round()) };
        text += &format!(
            "{name},{below},{above},{numbers},{},{},{},{plain},{}\n",
            found.populations,
            found.size,
            found.trajectories,
            u8::from(found.doubt.is_none())
        );
    }
    text
}

/// `levels.csv`: the probability with its 95 % interval that the quantity of each event is beyond each of some levels,
/// the last its own; a line a level.
pub fn levels(problem: &Problem, all: &[Found]) -> String {
    let mut text = format!("{LEVELS}\n");
    for found in all {
        let (name, side) = (problem.distribution_name(&found.event.of), found.event.side.word());
        for at in &found.levels {
            let numbers = [at.level, at.probability, at.interval.0, at.interval.1].map(number).join(",");
            text += &format!("{name},{side},{numbers}\n");
        }
    }
    text
}

/// The probabilities of `levels.csv` on a logarithmic axis, a panel for each quantity and side. `None` if it is no such table,
/// or if there is nothing to draw.
#[cfg(feature = "figures")]
pub fn figure(title: &str, levels: &str) -> Option<super::figure::Figure> {
    use super::figure::{Axis, Figure, Mark, Panel, Point, Series};
    let mut lines = levels.lines();
    if lines.next() != Some(LEVELS) {
        return None;
    }
    let mut panels: Vec<(String, &str, Vec<Point>)> = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [name, side, numbers @ ..] = &cells[..] else { return None };
        let numbers: Vec<f64> = numbers.iter().map(|cell| cell.parse()).collect::<Result<_, _>>().ok()?;
        let [level, p, lo, hi] = numbers[..] else { return None };
        if !(p > 0.0) {
            continue;
        }
        // A limit of 0 has no place on the axis.
        let point = Point::with_error(level, p, if lo > 0.0 { lo } else { p }, hi);
        match panels.last_mut() {
            Some((last, same, points)) if last == name && same == side => points.push(point),
            _ => panels.push(((*name).to_owned(), side, vec![point])),
        }
    }
    let panel = |(name, side, mut points): (String, &str, Vec<Point>)| {
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let x = Axis::linear(format!("level of {}", super::pictures::label(&name)));
        let beyond = if side == Beyond::Below.word() { "below it" } else { "at it or above" };
        let y = Axis::log(format!("probability that a shot ends {beyond}"));
        Panel::new("", x, y, vec![Series::new(super::pictures::BAND, 0, Mark::Band, points)])
    };
    let panels: Vec<Panel> = panels.into_iter().map(panel).collect();
    (!panels.is_empty()).then(|| Figure::new(title, 2, panels))
}
