//! From a declaration to curves: each input is solved once, however many curves are drawn of it.

use super::declared::{Along, How, Options, Read, Reading};
use super::fit::PowerLaw;
use super::lines::{Chosen, points};
use crate::cli::run::sample;
use crate::cli::sweep::{solve_point, time_to_charge};
use crate::cli::{interrupt, record};
use crate::error::{ModelError, RunError, nearest};
use crate::estimate::columns;
use crate::input::{self, Formula, Input, Solve, TAU};
use crate::output::figure::{Heat, Point, Series};
use crate::output::single_figures;
use crate::output::table::csv;
use crate::problem::Quantity;
use crate::run::RunOptions;
use crate::unravel::engine::Engine;
use rayon::prelude::*;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use toml::Value;

/// The inputs that figures are made of.
macro_rules! inputs {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../examples/", $name, ".toml")))),*]
    };
}
const INPUTS: [(&str, &str); 27] = inputs![
    "aging",
    "aging_pulse",
    "aging_release",
    "cascade",
    "cavity",
    "cell_discharge",
    "charger_1",
    "charger_2",
    "charger_3",
    "collision",
    "dephased_cell_oscillator",
    "dephased_cells",
    "dephased_oscillators",
    "dicke",
    "echo",
    "engine_collective",
    "engine_individual",
    "engine_masers",
    "field_noise",
    "network",
    "reenergise",
    "spin_chain",
    "star",
    "stirap",
    "syk",
    "thermal",
    "thermal_haar"
];

/// Trajectories of a curve that does not say.
const TRAJECTORIES: u64 = 2000;
/// The table that every run has.
const OBSERVABLES: &str = "observables.csv";
/// Fewest of a quick run, which makes a tenth of them.
const FEWEST: u64 = 200;

/// Solves, and remembers.
pub struct Solver {
    /// Whether a rough picture will do.
    pub quick: bool,
    pub seed: u64,
    known: HashMap<String, Arc<Solution>>,
}

/// The tables of a run by their names, and what its parameters were.
struct Solution {
    tables: Vec<(&'static str, String)>,
    parameters: Vec<(String, input::Value)>,
}

type Done<T> = Result<T, Box<dyn Error>>;

fn wrong(text: String) -> Box<dyn Error> {
    RunError::Request(text).into()
}

impl Solver {
    /// Nothing solved yet.
    pub fn new(quick: bool, seed: u64) -> Self {
        Self { quick, seed, known: HashMap::new() }
    }

    /// The points of a curve.
    ///
    /// # Errors
    /// What the input or its solution fails with.
    pub fn curve(&mut self, options: &Options, how: How) -> Done<Vec<Point>> {
        if let Some(formula) = &options.formula {
            return law(formula, options);
        }
        if let (Some(x), Some(y)) = (&options.along, &options.against) {
            let map = self.map(options, how, [x, y])?;
            let least = |k: usize| {
                let column = map.values.iter().skip(k).step_by(map.x.len());
                column.copied().filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min)
            };
            return Ok((0..map.x.len()).map(|k| Point::exact(map.x[k], least(k))).collect());
        }
        let y = options.y.as_deref().ok_or_else(|| wrong("a curve has no y".into()))?;
        let units = (options.x_unit.unwrap_or(1.0), options.y_unit.unwrap_or(1.0));
        let mut found = match &options.along {
            Some(along) => {
                let values = along.values(false).ok_or_else(|| wrong(format!("{} has no values", along.parameter)))?;
                self.along(options, how, &along.parameter, &values, y)?
            }
            None => {
                let rows: Vec<(&str, &Value)> = options.rows.iter().map(|(name, cell)| (name.as_str(), cell)).collect();
                let x = options.x.as_deref().unwrap_or("time");
                let solution = self.solved(options, how)?;
                let ends = options.ends == Some(true);
                let chosen = Chosen { rows: &rows, ends, x, y, parameters: &solution.parameters };
                points(table_of(&solution, options.table.as_deref().unwrap_or("observables"))?, &chosen)?
            }
        };
        for point in &mut found {
            point.x /= units.0;
            [&mut point.y, &mut point.lo, &mut point.hi].into_iter().for_each(|y| *y /= units.1);
        }
        Ok(found)
    }

    /// Every path that is kept, with its jumps.
    ///
    /// # Errors
    /// What the input or its solution fails with, and where `record` keeps none.
    pub fn paths(&mut self, options: &Options) -> Done<Vec<Series>> {
        let y = options.y.as_deref().ok_or_else(|| wrong("a curve has no y".into()))?;
        let solution = self.solved(options, How::Trajectories)?;
        let found = single_figures::paths_of(table_of(&solution, "paths")?, table_of(&solution, "path_jumps")?, y);
        found.ok_or_else(|| wrong(format!("no single trajectory has a column `{y}`")))
    }

    /// All tables of an input.
    fn solved(&mut self, options: &Options, how: How) -> Done<Arc<Solution>> {
        let trajectories = self.trajectories(options);
        let key = format!("{:?} {:?} {:?} {how:?} {trajectories}", options.input, options.set, options.change);
        if let Some(solution) = self.known.get(&key) {
            return Ok(solution.clone());
        }
        let mut input = read(options, &[])?;
        (input.run.trajectories, input.run.seed) = (trajectories, self.seed);
        let (table, mut tables) = match how {
            How::Trajectories => {
                input.problem.record = input.record.clone();
                let problem = &input.problem;
                let options = RunOptions {
                    trajectories,
                    seed: self.seed,
                    threads: 0,
                    shots: false,
                    covariance: false,
                    states: false,
                };
                let outcome = sample(problem, &Engine::new(problem, None)?.1, options)?;
                if outcome.interrupted {
                    return Err(RunError::Interrupted.into());
                }
                let tables = record::tables(problem, &outcome, outcome.confidence(options))?;
                (columns::table(problem, &outcome.accumulated)?, tables)
            }
            other => {
                let table = solve_point(&input, solve_of(other), &interrupt::stop())?.ok_or(RunError::Interrupted)?;
                // Of single runs the master equation says something too.
                let asked = how == How::Exact && options.table.is_some();
                (table, if asked { record::exact(&input, None)? } else { Vec::new() })
            }
        };
        tables.push((OBSERVABLES, csv(&table)));
        let solution = Arc::new(Solution { tables, parameters: input.parameters });
        self.known.insert(key, solution.clone());
        Ok(solution)
    }

    /// One point for each value of a parameter, on all threads.
    fn along(&self, options: &Options, how: How, parameter: &str, values: &[f64], y: &str) -> Done<Vec<Point>> {
        let point = |(number, value): (usize, &f64)| {
            let set = [(parameter.to_owned(), value.to_string())];
            let found = self.point(options, how, &set, number, y)?;
            Ok(match &options.read {
                Some(Read::TimeOfMost) => Point::exact(*value, found.x),
                _ => Point { x: *value, ..found },
            })
        };
        finished(values.par_iter().enumerate().map(point).collect())
    }

    /// A value for each point of the grid of two parameters, row by row, the first one varying fastest.
    ///
    /// # Errors
    /// What the input or its solution fails with.
    pub fn map(&self, options: &Options, how: How, [x, y]: [&Along; 2]) -> Done<Heat> {
        let of = options.y.as_deref().ok_or_else(|| wrong("a map has no y".into()))?;
        let values =
            |along: &Along| along.values(self.quick).ok_or_else(|| wrong(format!("{} has no values", along.parameter)));
        let (xs, ys) = (values(x)?, values(y)?);
        let unit = options.y_unit.unwrap_or(1.0);
        let point = |number: usize| {
            let set = [
                (x.parameter.clone(), xs[number % xs.len()].to_string()),
                (y.parameter.clone(), ys[number / xs.len()].to_string()),
            ];
            self.point(options, how, &set, number, of).map(|found| found.y / unit)
        };
        let values = finished((0..xs.len() * ys.len()).into_par_iter().map(point).collect())?;
        Ok(Heat { x: xs, y: ys, values, label: options.label.clone() })
    }

    /// What is read of the solution for some values of parameters.
    fn point(
        &self,
        options: &Options,
        how: How,
        set: &[(String, String)],
        number: usize,
        y: &str,
    ) -> Result<Point, String> {
        let at = || set.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ");
        let mut input = read(options, set).map_err(|e| e.to_string())?;
        (input.run.trajectories, input.run.seed) = (self.trajectories(options), self.seed.wrapping_add(number as u64));
        let timed = y == TAU;
        if timed && !input.problem.quantities.contains(&Quantity::Energy) {
            input.problem.quantities.push(Quantity::Energy);
        }
        let solved = solve_point(&input, solve_of(how), &interrupt::stop()).map_err(|e| format!("{}: {e}", at()))?;
        let mut table = solved.ok_or_else(|| RunError::Interrupted.to_string())?;
        if timed {
            let tau = time_to_charge(&input.problem, &table).map_err(|e| format!("{}: {e}", at()))?;
            table.push_exact(TAU.into(), vec![tau; table.rows.len()]);
        }
        let table = csv(&table);
        let along_time = |y: &str| {
            let chosen = Chosen { rows: &[], ends: false, x: "time", y, parameters: &input.parameters };
            points(&table, &chosen).map_err(|e| format!("{}: {e}", at()))
        };
        let all = along_time(y)?;
        let most = |of: &[Point]| {
            let found = (0..of.len()).filter(|k| of[*k].y.is_finite());
            found.max_by(|a, b| of[*a].y.total_cmp(&of[*b].y))
        };
        let chosen = match options.read.as_ref().unwrap_or(&Read::Last) {
            Read::Last => all.len().checked_sub(1),
            Read::Most | Read::TimeOfMost => most(&all),
            Read::WhenMost(other) => most(&along_time(other)?),
        };
        chosen.map(|row| all[row]).ok_or_else(|| "there are no rows".into())
    }

    fn trajectories(&self, options: &Options) -> u64 {
        let all = options.trajectories.unwrap_or(TRAJECTORIES);
        if self.quick { (all / 10).max(FEWEST).min(all) } else { all }
    }
}

/// All points, or why one of them is missing.
fn finished<T>(found: Result<Vec<T>, String>) -> Done<Vec<T>> {
    match found {
        Err(_) if interrupt::stop().is_requested() => Err(RunError::Interrupted.into()),
        found => found.map_err(wrong),
    }
}

fn solve_of(how: How) -> Solve {
    match how {
        How::Trajectories => Solve::Trajectories,
        How::Exact | How::Formula => Solve::Exact,
        How::Steady => Solve::Steady,
        How::MeanField => Solve::MeanField,
    }
}

/// The input of a curve with its parameters.
fn read(options: &Options, more: &[(String, String)]) -> Done<Input> {
    let name = options.input.as_deref().ok_or_else(|| wrong("a curve has no input".into()))?;
    let (name, mut text) = match INPUTS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => (format!("{name}.toml"), (*text).to_owned()),
        None if name.ends_with(".toml") => (name.to_owned(), std::fs::read_to_string(name)?),
        None => {
            let known = nearest(name, INPUTS.iter().map(|(known, _)| *known));
            return Err(RunError::from(ModelError::UnknownName { kind: "input", name: name.to_owned(), known }).into());
        }
    };
    if !options.change.is_empty() {
        let mut document: toml::Table = toml::from_str(&text)?;
        for (section, keys) in &options.change {
            let known = document.entry(section.clone()).or_insert_with(|| toml::Table::new().into());
            let known = known.as_table_mut().ok_or_else(|| wrong(format!("`{section}` of {name} is no section")))?;
            known.extend(keys.clone());
        }
        text = toml::to_string(&document)?;
    }
    let overrides: Vec<(String, String)> = options.overrides().into_iter().chain(more.iter().cloned()).collect();
    Ok(input::parse(&name, &text, &overrides)?)
}

fn table_of<'a>(solution: &'a Solution, name: &str) -> Done<&'a str> {
    let found = solution.tables.iter().find(|(known, _)| known.strip_suffix(".csv").unwrap_or(known) == name);
    found.map(|(_, text)| text.as_str()).ok_or_else(|| wrong(format!("[record] keeps no table `{name}`")))
}

/// A formula along its parameter.
fn law(formula: &str, options: &Options) -> Done<Vec<Point>> {
    let along = options.along.as_ref().ok_or_else(|| wrong("a formula has no `along`".into()))?;
    let formula = Formula::parse(formula)?;
    let number = |x: f64, name: &str| match options.set.get(name) {
        _ if name == along.parameter => Ok(x),
        Some(Value::Float(value)) => Ok(*value),
        Some(Value::Integer(value)) => Ok(*value as f64),
        _ => Err(wrong(format!("`{name}` is neither set to a number nor the parameter of `along`"))),
    };
    let values = along.values(false).ok_or_else(|| wrong(format!("{} has no values", along.parameter)))?;
    let point = |x: f64| {
        let numbers = formula.names().iter().map(|name| number(x, name)).collect::<Done<Vec<f64>>>()?;
        Ok(Point::exact(x, formula.value(&numbers)?))
    };
    values.into_iter().map(point).collect()
}

/// Where the parabola through the lowest point and its neighbours is lowest, with both axes logarithmic.
fn where_least(curve: &[Point]) -> Option<f64> {
    let k = (0..curve.len()).filter(|k| curve[*k].y.is_finite()).min_by(|a, b| curve[*a].y.total_cmp(&curve[*b].y))?;
    let three = curve.get(k.checked_sub(1)?..k + 2)?;
    let [(x0, y0), (x1, y1), (x2, y2)] = [0, 1, 2].map(|k: usize| (three[k].x.ln(), three[k].y.ln()));
    let (left, right) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let curvature = (right - left) / (x2 - x0);
    Some((0.5 * (x0 + x1) - 0.5 * left / curvature).exp())
}

/// A number read off a curve with its error; `None` where it has none.
pub fn reading(curve: &[Point], how: Reading) -> Option<(f64, f64)> {
    let error = |p: &Point| if p.lo <= p.hi { (p.y - p.lo).max(p.hi - p.y) } else { 0.0 };
    let of = |p: &Point| (p.y, error(p));
    let most = || curve.iter().filter(|p| p.y.is_finite()).max_by(|a, b| a.y.total_cmp(&b.y));
    let between = |a: &Point, b: &Point, part: f64| (a.x + part * (b.x - a.x), a.y + part * (b.y - a.y));
    match how {
        Reading::Exponent(from, to) => PowerLaw::through(curve, (from, to)).map(|law| (law.exponent, law.error)),
        Reading::First => curve.first().map(of),
        Reading::Last => curve.last().map(of),
        Reading::Most => most().map(of),
        Reading::WhereMost => most().map(|p| (p.x, 0.0)),
        Reading::WhereLeast => where_least(curve).map(|x| (x, 0.0)),
        Reading::At(x) => curve.windows(2).find(|pair| pair[0].x <= x && x <= pair[1].x).map(|pair| {
            let width = pair[1].x - pair[0].x;
            let part = if width > 0.0 { (x - pair[0].x) / width } else { 0.0 };
            (between(&pair[0], &pair[1], part).1, error(&pair[0]).max(error(&pair[1])))
        }),
        Reading::Crossing(y) => {
            let pair =
                curve.windows(2).find(|pair| (pair[0].y - y) * (pair[1].y - y) <= 0.0 && pair[0].y != pair[1].y)?;
            let slope = (pair[1].y - pair[0].y) / (pair[1].x - pair[0].x);
            let x = between(&pair[0], &pair[1], (y - pair[0].y) / (pair[1].y - pair[0].y)).0;
            Some((x, (error(&pair[0]).max(error(&pair[1])) / slope).abs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::reproduce::declared;
    use crate::exact::limit_cycle;

    #[test]
    fn equation_8_is_drawn_as_it_stands_in_the_library() {
        let declared = declared::parse(include_str!("papers/aging.toml")).unwrap();
        let figure = declared.figures.iter().find(|figure| figure.name == "limit_cycle").unwrap();
        let mut compared = 0;
        for (panel, tau_d) in figure.panels.iter().zip([0.0187, 0.0375]) {
            let usual = panel.usual.or(&figure.usual);
            for curve in panel.curves.iter().filter(|curve| curve.formula.is_some()) {
                let drawn = Solver::new(false, 1).curve(&curve.or(&usual), How::Formula).unwrap();
                let law = if curve.label.ends_with("printed") { limit_cycle::printed } else { limit_cycle::rederived };
                let expected = law(140, 0.0187, tau_d);
                assert!(drawn.iter().all(|p| (p.y - expected).abs() < 1e-9), "{}: {drawn:?}", curve.label);
                compared += drawn.len();
            }
        }
        assert_eq!(compared, 8);
    }
}
