//! From a declaration to curves: each input is solved once, however many curves are drawn of it.

use super::declared::{Along, How, Options, Read, Reading};
use crate::cli::interrupt;
use crate::cli::run::sample;
use crate::cli::sweep::{solve_point, time_to_charge};
use crate::error::RunError;
use crate::estimate::columns;
use crate::input::{self, Input, Solve, TAU};
use crate::output::figure::{Heat, Point};
use crate::output::pictures::points;
use crate::problem::Quantity;
use crate::run::RunOptions;
use crate::table::Table;
use crate::unravel::engine::Engine;
use rayon::prelude::*;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

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
/// Fewest of a quick run, which makes a tenth of them.
const FEWEST: u64 = 200;

/// Solves, and remembers.
pub struct Solver {
    /// Whether a rough picture will do.
    pub quick: bool,
    pub seed: u64,
    known: HashMap<String, Arc<Table>>,
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
        let y = options.y.as_deref().ok_or_else(|| wrong("a curve has no y".into()))?;
        let units = (options.x_unit.unwrap_or(1.0), options.y_unit.unwrap_or(1.0));
        let mut found = match &options.along {
            Some(along) => {
                let values = along.values(false).ok_or_else(|| wrong(format!("{} has no values", along.parameter)))?;
                self.along(options, how, &along.parameter, &values, y)?
            }
            None => {
                let table = self.solved(options, how)?;
                against(&table, options.x.as_deref().unwrap_or("time"), y, options.ends == Some(true))?
            }
        };
        for point in &mut found {
            point.x /= units.0;
            [&mut point.y, &mut point.lo, &mut point.hi].into_iter().for_each(|y| *y /= units.1);
        }
        Ok(found)
    }

    /// The whole table of an input.
    fn solved(&mut self, options: &Options, how: How) -> Done<Arc<Table>> {
        let trajectories = self.trajectories(options);
        let key = format!("{:?} {:?} {how:?} {trajectories}", options.input, options.set);
        if let Some(table) = self.known.get(&key) {
            return Ok(table.clone());
        }
        let mut input = read(options, &[])?;
        (input.run.trajectories, input.run.seed) = (trajectories, self.seed);
        let table = match how {
            How::Trajectories => {
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
                columns::table(problem, &outcome.accumulated)?
            }
            other => solve_point(&input, solve_of(other), &interrupt::stop())?.ok_or(RunError::Interrupted)?,
        };
        let table = Arc::new(table);
        self.known.insert(key, table.clone());
        Ok(table)
    }

    /// One point for each value of a parameter, on all threads.
    fn along(&self, options: &Options, how: How, parameter: &str, values: &[f64], y: &str) -> Done<Vec<Point>> {
        let point = |(number, value): (usize, &f64)| {
            let set = [(parameter.to_owned(), value.to_string())];
            let found = self.point(options, how, &set, number, y)?;
            Ok(match options.read {
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
        let all = against(&table, "time", y, false).map_err(|e| e.to_string())?;
        let chosen = match options.read.unwrap_or_default() {
            Read::Last => all.last(),
            Read::Most | Read::TimeOfMost => all.iter().max_by(|a, b| a.y.total_cmp(&b.y)),
        };
        chosen.copied().ok_or_else(|| "there are no rows".into())
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
        How::Exact => Solve::Exact,
        How::Steady => Solve::Steady,
        How::MeanField => Solve::MeanField,
    }
}

/// The input of a curve with its parameters.
fn read(options: &Options, more: &[(String, String)]) -> Done<Input> {
    let name = options.input.as_deref().ok_or_else(|| wrong("a curve has no input".into()))?;
    let Some((_, text)) = INPUTS.iter().find(|(known, _)| *known == name) else {
        return Err(wrong(format!("there is no input `{name}`")));
    };
    let overrides: Vec<(String, String)> = options.overrides().into_iter().chain(more.iter().cloned()).collect();
    Ok(input::parse(&format!("{name}.toml"), text, &overrides)?)
}

/// Column `y` against `x`, of every row or of the ends of cycles.
fn against(table: &Table, x: &str, y: &str, ends: bool) -> Done<Vec<Point>> {
    let column = |name: &str| table.column(name).ok_or_else(|| wrong(format!("there is no column `{name}`")));
    let abscissae: Vec<f64> = match x {
        "time" => table.rows.iter().map(|row| row.time).collect(),
        "cycle" => table.rows.iter().map(|row| row.cycle as f64 + 1.0).collect(),
        name => column(name)?.value.clone(),
    };
    let last = |row: usize| table.rows.get(row + 1).is_none_or(|next| next.cycle != table.rows[row].cycle);
    let all = points(abscissae.into_iter(), column(y)?);
    Ok(all.into_iter().enumerate().filter(|(row, _)| !ends || last(*row)).map(|(_, point)| point).collect())
}

/// A number read off a curve with its error; `None` where it has none.
pub fn reading(curve: &[Point], how: Reading) -> Option<(f64, f64)> {
    let error = |p: &Point| if p.lo <= p.hi { (p.y - p.lo).max(p.hi - p.y) } else { 0.0 };
    let of = |p: &Point| (p.y, error(p));
    let most = || curve.iter().filter(|p| p.y.is_finite()).max_by(|a, b| a.y.total_cmp(&b.y));
    let between = |a: &Point, b: &Point, part: f64| (a.x + part * (b.x - a.x), a.y + part * (b.y - a.y));
    match how {
        Reading::First => curve.first().map(of),
        Reading::Last => curve.last().map(of),
        Reading::Most => most().map(of),
        Reading::WhereMost => most().map(|p| (p.x, 0.0)),
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
