//! `summary.csv`: the single numbers of a run.

use super::interrupt;
use crate::estimate::columns::Z95;
use crate::exact;
use crate::output::summary::{Number, charging_time, csv};
use crate::problem::{Problem, Quantity, Step};
use crate::space::blocks::Blocks;
use crate::space::choose::smallest;
use crate::table::{Column, Table};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Largest first block whose steady state is looked for just to know where the energy goes.
const MOST_STATES: usize = 60;

/// The charging time τ of a protocol of one timed step, with the exact E(∞); its bounds are where the 95 % band of the
/// energy crosses. `None` where there is no such number.
pub fn summary(problem: &Problem, table: &Table) -> Option<String> {
    let timed = problem.protocol.steps.iter().filter(|s| matches!(s, Step::Evolve { .. })).count();
    if timed != 1 || problem.protocol.repeat != 1 {
        return None;
    }
    let energy = |q: &&Quantity| match q {
        Quantity::Energy => true,
        Quantity::EnergyOf(e) => problem.battery == [*e],
        _ => false,
    };
    let name = problem.column(problem.quantities.iter().find(energy)?);
    let column = table.column(&name)?;
    let style = smallest(problem)?.style()?;
    let blocks = Blocks::compile(problem, style).ok()?;
    if blocks.start.draw(&blocks, &mut ChaCha8Rng::seed_from_u64(0)).psi.len() > MOST_STATES {
        return None;
    }
    let limit = *exact::steady(problem, None, &interrupt::stop()).ok()?.column(&name)?.value.first()?;
    let times: Vec<f64> = table.rows.iter().map(|row| row.time).collect();
    let at = |z: f64| {
        let shifted = |Column { value, se, .. }: &Column| match se {
            Some(se) => value.iter().zip(se).map(|(e, s)| e + z * s).collect(),
            None => value.clone(),
        };
        charging_time(&times, &shifted(column), limit)
    };
    let tau = at(0.0)?;
    let mut number = Number::exact("tau", tau);
    if column.se.is_some() {
        let ends = [at(-Z95).unwrap_or(f64::NAN), at(Z95).unwrap_or(f64::NAN)];
        (number.lo, number.hi) = (ends[0].min(ends[1]).min(tau), ends[0].max(ends[1]).max(tau));
    }
    Some(csv(&[number, Number::exact("energy_limit", limit)]))
}
