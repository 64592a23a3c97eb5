//! The best value along one parameter of a grid, refined between its points by solving again, unless they are sampled.

use super::Search;
use crate::error::RunError;
use crate::estimate::columns::Z95;
use crate::input::Optimise;
use crate::output::summary::Number;
use crate::output::sweep::Grid;
use crate::table::{Entry, Table};
use rayon::prelude::*;

/// Width at which the search ends, in parts of the interval between the neighbours of the best point.
const TOLERANCE: f64 = 1e-6;
const MOST_STEPS: usize = 60;
/// 1 − 1/φ.
const GOLDEN: f64 = 0.381_966_011_250_105_1;

/// `max_Q` and `NAME_at_max_Q` along each line of the grid in the direction of the aim.
pub(super) fn summary(search: &Search<'_>, grid: &Grid, aim: &Optimise, over: &str) -> Result<Vec<Number>, RunError> {
    let Some(slot) = grid.axes.iter().position(|axis| axis.name == over) else { return Ok(Vec::new()) };
    let starts: Vec<usize> = (0..grid.points.len()).filter(|k| grid.place(*k)[slot] == 0).collect();
    let line = |start: &usize| along(search, grid, aim, (slot, *start));
    let lines = starts.par_iter().map(line).collect::<Vec<_>>();
    Ok(lines.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The two numbers of the line that begins at `start` along the axis `slot`.
fn along(
    search: &Search<'_>,
    grid: &Grid,
    aim: &Optimise,
    (slot, start): (usize, usize),
) -> Result<Vec<Number>, RunError> {
    let axis = &grid.axes[slot];
    let Some(numbers) = &axis.numbers else { return Ok(Vec::new()) };
    let stride: usize = grid.axes[slot + 1..].iter().map(|axis| axis.values.len()).product();
    let fixed: Vec<(String, String)> = grid
        .axes
        .iter()
        .zip(grid.place(start))
        .enumerate()
        .filter(|(other, _)| *other != slot)
        .map(|(_, (axis, k))| (axis.name.clone(), axis.values[k].clone()))
        .collect();
    let goal = format!("{}_{}", if aim.largest { "max" } else { "min" }, aim.quantity);
    let where_ = named(fixed.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let (best_name, place_name) = (format!("{goal}{where_}"), format!("{}_at_{goal}{where_}", axis.name));
    let sign = if aim.largest { -1.0 } else { 1.0 };
    let on_line = |k: usize| grid.points[start + k * stride].as_ref();
    if (0..numbers.len()).any(|k| on_line(k).is_some_and(Table::is_sampled)) {
        let entry = |k: usize| Some(on_line(k)?.column(&aim.quantity)?.last());
        let entries = numbers.iter().enumerate().filter_map(|(k, x)| Some((*x, entry(k)?)));
        let entries: Vec<(f64, Entry)> = entries.filter(|(_, entry)| entry.value.is_finite()).collect();
        let value = |k: &usize| sign * entries[*k].1.value;
        let Some(best) = (0..entries.len()).min_by(|a, b| value(a).total_cmp(&value(b))) else { return Ok(Vec::new()) };
        let points: Vec<_> = entries.iter().map(|(x, entry)| (*x, interval(entry))).collect();
        let (x, (lo, hi)) = points[best];
        let (from, to) = reaching(&points, (lo, hi), aim.largest);
        return Ok(vec![
            Number { name: best_name, value: entries[best].1.value, lo, hi },
            Number { name: place_name, value: x, lo: from, hi: to },
        ]);
    }
    let of = |table: &Table| table.column(&aim.quantity).and_then(|c| c.value.last().copied());
    let mut known: Vec<(f64, f64)> = Vec::new();
    for (k, x) in numbers.iter().enumerate() {
        let value = on_line(k).and_then(of).unwrap_or(f64::NAN);
        if value.is_finite() {
            known.push((if axis.log { x.ln() } else { *x }, sign * value));
        }
    }
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(best) = (0..known.len()).min_by(|a, b| known[*a].1.total_cmp(&known[*b].1)) else { return Ok(Vec::new()) };
    let back = |place: f64| if axis.log { place.exp() } else { place };
    let mut cost = |place: f64| -> Result<f64, RunError> {
        let mut set = fixed.clone();
        set.push((axis.name.clone(), format!("{:?}", back(place))));
        search.stop.check()?;
        let value = search.point(&set, 0)?.and_then(|(table, ..)| of(&table)).unwrap_or(f64::NAN);
        Ok(if value.is_finite() { sign * value } else { f64::INFINITY })
    };
    let (from, to) = (known[best.saturating_sub(1)].0, known[(best + 1).min(known.len() - 1)].0);
    // A parameter that counts something has no values in between.
    let counts = numbers.iter().all(|x| x.fract() == 0.0) && cost((from + 2.0 * to) / 3.0).is_err();
    let (place, value) = if counts { known[best] } else { minimum((from, to), known[best], &mut cost)? };
    // What lies on the grid is told as it was given.
    let on_grid = numbers.iter().copied().find(|x| (if axis.log { x.ln() } else { *x }) == place);
    Ok(vec![Number::exact(best_name, sign * value), Number::exact(place_name, on_grid.unwrap_or_else(|| back(place)))])
}

/// `(a=1;b=2)`, nothing without parameters.
pub(super) fn named<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let values: Vec<String> = values.map(|(name, value)| format!("{name}={value}")).collect();
    if values.is_empty() { String::new() } else { format!("({})", values.join(";")) }
}

/// The 95 % interval of a sampled value.
pub(super) fn interval(entry: &Entry) -> (f64, f64) {
    let margin = Z95 * entry.se.unwrap_or(0.0);
    entry.interval.unwrap_or((entry.value - margin, entry.value + margin))
}

/// The first and the last of all places whose interval reaches that of the `best`: where the true optimum may be.
pub(super) fn reaching(points: &[(f64, (f64, f64))], best: (f64, f64), largest: bool) -> (f64, f64) {
    // What has no interval may be anywhere.
    let reaches = |(lo, hi): (f64, f64)| if largest { !(hi < best.0) } else { !(lo > best.1) };
    let places = points.iter().filter(|(_, ends)| reaches(*ends)).map(|(place, _)| *place);
    places.fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), x| (from.min(x), to.max(x)))
}

/// The minimum between two places, from the point known to be best: parabolas where they help, golden sections elsewhere
/// (R. P. Brent, Algorithms for Minimization without Derivatives, 1973, ch. 5).
fn minimum<E>(
    (mut from, mut to): (f64, f64),
    known: (f64, f64),
    cost: &mut impl FnMut(f64) -> Result<f64, E>,
) -> Result<(f64, f64), E> {
    let tolerance = TOLERANCE * (to - from).abs();
    let (mut best, mut second, mut third) = (known, known, known);
    let (mut step, mut before) = (0.0f64, 0.0f64);
    for _ in 0..MOST_STEPS {
        let middle = 0.5 * (from + to);
        if (best.0 - middle).abs() <= 2.0 * tolerance - 0.5 * (to - from) {
            break;
        }
        let r = (best.0 - second.0) * (best.1 - third.1);
        let q = (best.0 - third.0) * (best.1 - second.1);
        let (top, bottom) = ((best.0 - third.0) * q - (best.0 - second.0) * r, 2.0 * (q - r));
        let jump = -top / bottom;
        let inside = best.0 + jump > from && best.0 + jump < to;
        if bottom != 0.0 && jump.is_finite() && inside && jump.abs() < 0.5 * before.abs() {
            (before, step) = (step, jump);
        } else {
            before = if best.0 < middle { to - best.0 } else { from - best.0 };
            step = GOLDEN * before;
        }
        let length = step.abs().max(tolerance);
        let place = (best.0 + length.copysign(step)).clamp(from, to);
        let found = (place, cost(place)?);
        if found.1 <= best.1 {
            if place >= best.0 {
                from = best.0
            } else {
                to = best.0
            }
            (third, second, best) = (second, best, found);
        } else {
            if place < best.0 {
                from = place
            } else {
                to = place
            }
            if found.1 <= second.1 || second.0 == best.0 {
                (third, second) = (second, found);
            } else if found.1 <= third.1 || third.0 == best.0 || third.0 == second.0 {
                third = found;
            }
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(f: impl Fn(f64) -> f64, from: f64, known: f64, to: f64) -> ((f64, f64), usize) {
        let mut calls = 0;
        let mut cost = |x: f64| -> Result<f64, ()> {
            calls += 1;
            Ok(f(x))
        };
        (minimum((from, to), (known, f(known)), &mut cost).unwrap(), calls)
    }

    #[test]
    fn what_has_no_interval_may_be_the_best() {
        let points = [(1.0, (0.0, 0.2)), (2.0, (f64::NAN, f64::NAN)), (3.0, (0.4, 0.6)), (4.0, (0.5, 0.9))];
        assert_eq!(reaching(&points, (0.5, 0.9), true), (2.0, 4.0));
        assert_eq!(reaching(&points, (0.0, 0.2), false), (1.0, 2.0));
        assert_eq!(reaching(&points, (f64::NAN, f64::NAN), true), (1.0, 4.0));
    }

    #[test]
    fn a_smooth_minimum_is_found_in_few_steps() {
        let ((x, y), calls) = found(|x| (x - 0.3).powi(2) + 1.0, 0.0, 0.5, 1.0);
        assert!((x - 0.3).abs() < 1e-6 && (y - 1.0).abs() < 1e-12 && calls < 20, "{x} {y} {calls}");
        let ((x, _), calls) = found(|x: f64| x - (3.0 * x).ln(), 0.1, 0.5, 2.0);
        assert!((x - 1.0).abs() < 1e-6 && calls < 40, "{x} {calls}");
    }

    #[test]
    fn kinks_and_edges_are_found_too() {
        let ((x, _), _) = found(|x: f64| (x - 0.7).abs(), 0.0, 0.5, 1.0);
        assert!((x - 0.7).abs() < 1e-6, "{x}");
        let ((x, _), _) = found(|x| x, 0.0, 0.0, 1.0);
        assert!(x.abs() < 1e-6, "{x}");
        let ((x, _), _) = found(|x| (x - 0.9).powi(2), 0.5, 0.5, 1.0);
        assert!((x - 0.9).abs() < 1e-6, "{x}");
    }
}
