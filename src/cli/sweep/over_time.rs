//! The best value over all rows, at each point of a grid and over the whole grid.

use super::optimum::{interval, named, reaching};
use crate::input::Optimise;
use crate::output::summary::Number;
use crate::output::sweep::Grid;
use crate::table::Table;

/// The best value of a column, and when it is reached.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Best {
    value: Number,
    time: Number,
}

/// The best of the rows of `table`; between them where they are exact.
pub(super) fn best(table: &Table, aim: &Optimise) -> Option<Best> {
    let column = table.column(&aim.quantity)?;
    let sign = if aim.largest { 1.0 } else { -1.0 };
    let rows: Vec<usize> = (0..table.rows.len()).filter(|row| column.value[*row].is_finite()).collect();
    // The first of equal ones.
    let row =
        rows.iter().copied().rev().max_by(|a, b| (sign * column.value[*a]).total_cmp(&(sign * column.value[*b])))?;
    if column.se.is_some() || column.bounds.is_some() {
        let points: Vec<_> = rows.iter().map(|r| (table.rows[*r].time, interval(&column.at(*r)))).collect();
        let (lo, hi) = interval(&column.at(row));
        let (early, late) = reaching(&points, (lo, hi), aim.largest);
        return Some(Best {
            value: Number { name: String::new(), value: column.value[row], lo, hi },
            time: Number { name: String::new(), value: table.rows[row].time, lo: early, hi: late },
        });
    }
    // Neighbours in the same step; between steps there may be a jump.
    let at = |k: Option<usize>| {
        let (k, here) = (k.filter(|k| *k < table.rows.len())?, &table.rows[row]);
        let same = table.rows[k].step == here.step && table.rows[k].cycle == here.cycle;
        (same && column.value[k].is_finite()).then(|| (table.rows[k].time, column.value[k]))
    };
    let near = (at(row.checked_sub(1)), at(Some(row + 1)));
    let found = match near {
        (Some(before), Some(after)) => {
            let three = [before, (table.rows[row].time, column.value[row]), after];
            vertex(three, [at(row.checked_sub(2)), at(Some(row + 2))])
        }
        _ => None,
    };
    Some(found.unwrap_or_else(|| Best {
        value: Number::exact("", column.value[row]),
        time: Number::exact("", table.rows[row].time),
    }))
}

/// The vertex of the parabola through three points, with the cubic term through a fourth as its error.
fn vertex(three: [(f64, f64); 3], beyond: [Option<(f64, f64)>; 2]) -> Option<Best> {
    let [(x0, y0), (x1, y1), (x2, y2)] = three;
    let (first, second) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let bend = (second - first) / (x2 - x0);
    let x = 0.5 * (x0 + x1) - 0.5 * first / bend;
    if !(x0 < x1 && x1 < x2 && x >= x0 && x <= x2) {
        return None;
    }
    let parabola = |x: f64| y0 + first * (x - x0) + bend * (x - x0) * (x - x1);
    let products = |x: f64| (x - x0) * (x - x1) * (x - x2);
    let slope = (x - x0) * (x - x1) + (x - x0) * (x - x2) + (x - x1) * (x - x2);
    let cubic = |(x3, y3): (f64, f64)| ((y3 - parabola(x3)) / products(x3)).abs();
    let cubic = beyond.into_iter().flatten().map(cubic).reduce(f64::max);
    // Without a fourth point it is the whole distance from what is known.
    let y = parabola(x);
    let (high, wide) = match cubic {
        Some(c) => ((c * products(x)).abs(), (0.5 * c * slope / bend).abs()),
        None => ((y - y1).abs(), x2 - x0),
    };
    Some(Best {
        value: Number { name: String::new(), value: y, lo: y - high, hi: y + high },
        time: Number { name: String::new(), value: x, lo: (x - wide).max(x0), hi: (x + wide).min(x2) },
    })
}

/// `max_Q(…)` and `time_at_max_Q(…)` of each point; without parentheses those of the best one, with `NAME_at_max_Q` of the
/// parameters that are numbers.
pub(super) fn summary(grid: &Grid, bests: &[Option<Best>], aim: &Optimise) -> Vec<Number> {
    let goal = format!("{}_{}", if aim.largest { "max" } else { "min" }, aim.quantity);
    let pair = |best: &Best, point: &str| {
        let value = Number { name: format!("{goal}{point}"), ..best.value.clone() };
        [value, Number { name: format!("time_at_{goal}{point}"), ..best.time.clone() }]
    };
    let mut numbers = Vec::new();
    for (k, found) in bests.iter().enumerate() {
        let Some(found) = found else { continue };
        let values =
            grid.axes.iter().zip(grid.place(k)).map(|(axis, at)| (axis.name.as_str(), axis.values[at].as_str()));
        numbers.extend(pair(found, &named(values)));
    }
    let sign = if aim.largest { 1.0 } else { -1.0 };
    let value = |k: &usize| bests[*k].as_ref().map_or(f64::NEG_INFINITY, |best| sign * best.value.value);
    let done: Vec<usize> = (0..bests.len()).filter(|k| bests[*k].is_some()).collect();
    let Some(point) = done.iter().copied().rev().max_by(|a, b| value(a).total_cmp(&value(b))) else { return numbers };
    let Some(found) = &bests[point] else { return numbers };
    numbers.extend(pair(found, ""));
    let sampled = grid.points[point].as_ref().is_some_and(Table::is_sampled);
    for (slot, axis) in grid.axes.iter().enumerate() {
        let Some(x) = &axis.numbers else { continue };
        let here = x[grid.place(point)[slot]];
        let (lo, hi) = if sampled {
            let reach = |k: &usize| {
                Some((x[grid.place(*k)[slot]], (bests[*k].as_ref()?.value.lo, bests[*k].as_ref()?.value.hi)))
            };
            let points: Vec<_> = done.iter().filter_map(reach).collect();
            reaching(&points, (found.value.lo, found.value.hi), aim.largest)
        } else {
            // It lies between the neighbours, unless it is at an end of the range.
            let nearest = |below: bool| {
                let others = x.iter().copied().filter(|o| if below { *o < here } else { *o > here });
                others.min_by(|a, b| (a - here).abs().total_cmp(&(b - here).abs())).unwrap_or(f64::NAN)
            };
            (nearest(true), nearest(false))
        };
        numbers.push(Number { name: format!("{}_at_{goal}", axis.name), value: here, lo, hi });
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Row, StepId};

    fn table(times: &[f64], f: impl Fn(f64) -> f64) -> Table {
        let rows: Vec<Row> = times.iter().map(|t| Row { time: *t, step: StepId::new(0), cycle: 0 }).collect();
        let mut table = Table { steps: vec!["s".into(); rows.len()], rows, columns: Vec::new(), states: Vec::new() };
        table.push_exact("W".into(), times.iter().map(|t| f(*t)).collect());
        table
    }

    fn aim(largest: bool) -> Optimise {
        Optimise { largest, quantity: "W".into(), over: None }
    }

    #[test]
    fn a_smooth_optimum_lies_between_rows_and_in_its_interval() {
        let times: Vec<f64> = (0..=40).map(|k| 0.1 * f64::from(k)).collect();
        for (largest, place, value) in [(true, 1.0, 1f64.exp().recip()), (false, 0.0, 0.0)] {
            let found = best(&table(&times, |t| t * (-t).exp()), &aim(largest)).unwrap();
            // The vertex of the parabola is off by h²f'''/(6f'') = 0.0033.
            assert!((found.time.value - place).abs() < 4e-3 && (found.value.value - value).abs() < 1e-4, "{found:?}");
        }
        for shift in [0.02, 0.05, 0.083] {
            let f = |t: f64| (t - shift) * (shift - t).exp();
            let found = best(&table(&times, f), &aim(true)).unwrap();
            let (time, value) = (1.0 + shift, 1f64.exp().recip());
            assert!(
                found.time.lo <= time && time <= found.time.hi && found.time.hi - found.time.lo < 0.01,
                "{found:?}"
            );
            assert!(
                (found.value.value - value).abs() <= 1.5 * (found.value.hi - found.value.value) + 1e-12,
                "{found:?}"
            );
            assert!(found.value.hi - found.value.lo < 1e-3);
        }
    }

    #[test]
    fn rows_at_ends_and_beside_jumps_stand_for_themselves() {
        let rising = best(&table(&[0.0, 1.0, 2.0], |t| t), &aim(true)).unwrap();
        assert!(rising.time.value == 2.0 && rising.value.value == 2.0 && rising.time.lo.is_nan());
        let mut two = table(&[0.0, 1.0, 1.0, 2.0], |t| t);
        (two.rows[2].step, two.rows[3].step) = (StepId::new(1), StepId::new(1));
        two.columns[0].value = vec![0.0, 3.0, 1.0, 2.0];
        assert_eq!(best(&two, &aim(true)).unwrap().time.value, 1.0);
        two.columns[0].value = vec![f64::NAN; 4];
        assert_eq!(best(&two, &aim(true)), None);
    }

    #[test]
    fn sampled_rows_name_all_times_that_may_be_best() {
        let mut sampled = table(&[0.0, 1.0, 2.0, 3.0], |_| 0.0);
        sampled.columns[0].value = vec![0.0, 0.9, 1.0, 0.2];
        sampled.columns[0].se = Some(vec![0.0, 0.1, 0.1, 0.1]);
        let found = best(&sampled, &aim(true)).unwrap();
        assert_eq!((found.time.value, found.time.lo, found.time.hi), (2.0, 1.0, 2.0));
        assert!((found.value.hi - 1.196).abs() < 1e-3 && (found.value.lo - 0.804).abs() < 1e-3);
    }
}
