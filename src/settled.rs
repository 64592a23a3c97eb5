//! The steady state of what no equation could be solved for: an average over time along trajectories.

use crate::error::RunError;
use crate::estimate::columns::{self, Accumulated};
use crate::estimate::sampled::student;
use crate::estimate::unseen::span;
use crate::problem::{Problem, Quantity, Recipe, Row, Step, StepId};
use crate::run::{RunOptions, check, sample};
use crate::space::choose::Representation;
use crate::stop::Stop;
use crate::table::{Column, PartStates, Table};
use crate::unravel::engine::Engine;
use crate::unravel::stream::Stream;
use rand::RngExt;
use statrs::distribution::{ContinuousCDF, Normal};

/// Rows over which is averaged, in the second half of the time.
const WINDOW: usize = 16;
/// Chance that a state which has settled is taken for one that has not.
const FALSE_ALARM: f64 = 0.05;
/// Times the time may be doubled.
const MOST_DOUBLINGS: u32 = 24;
/// Differences below this, in units of the number and of its range, are rounding.
const ROUNDING: (f64, f64) = (1e-9, 1e-12);
/// Mean times of the slowest channel to begin with.
const SLOWEST: f64 = 4.0;
/// Fewest trajectories whose differences tell anything.
const FEWEST: u64 = 16;

/// A steady state by sampling.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// One row at t = ∞. Averages over time have a standard error; what is no plain average is that at the end.
    pub table: Table,
    /// Between which times of the last timed step the averages are taken.
    pub window: (f64, f64),
}

/// The steady state of the last timed step by trajectories. They evolve for the duration T of the step, or for 4/γ of the
/// slowest channel if that is longer; numbers linear in ρ are averaged over 16 rows between T/2 and T. T is doubled until no
/// average over the first half of these rows differs significantly from that over the second (5 %, all numbers together), and
/// no interval of another quantity at T/2 lies beside that at T; then new trajectories, which had no part in that choice,
/// evolve for 2T, and theirs is the result. Trajectories are independent, so the standard error of an average over
/// time, from how the averages of single trajectories differ, needs no time of correlation. Quantities that are no plain
/// average, such as ergotropies, are those at the end, with their intervals. What changes more slowly than the errors show
/// goes unnoticed, as in any simulation. `told` hears of each T.
///
/// # Errors
/// [`RunError::Request`] for a repeated protocol, for what changes in time, and for quantities that all grow without end;
/// [`RunError::Numerics`] when nothing settles; [`RunError::Interrupted`]; as [`sample`].
pub fn settled(
    problem: &Problem,
    requested: Option<Representation>,
    options: RunOptions,
    stop: &Stop,
    told: &mut dyn FnMut(f64),
) -> Result<Settled, RunError> {
    let last = settling(problem)?;
    if options.trajectories < FEWEST {
        let text = format!("an average over time with its error needs at least {FEWEST} trajectories");
        return Err(RunError::Request(text));
    }
    let mut kept = problem.clone();
    kept.protocol.steps.truncate(last + 1);
    kept.quantities.retain(|quantity| !grows(quantity) && !matches!(quantity, Quantity::Power));
    if kept.quantities.is_empty() {
        return Err(RunError::Request("nothing is asked for that a steady state has a value of".into()));
    }
    // Of the steps before it the first row is asked for, and the last is where they end.
    for step in &mut kept.protocol.steps[..last] {
        if let Step::Evolve { duration, rows, .. } = step
            && rows.len() > 2
        {
            *rows = vec![0.0, *duration];
        }
    }
    let mut linear = kept.clone();
    linear.quantities.retain(|quantity| !quantity.needs_state());
    linear.kept_states.clear();
    let ready = |problem: &Problem| -> Result<Engine, RunError> {
        let (_, engine) = Engine::new(problem, requested)?;
        check(&engine, problem, options).map(|()| engine)
    };
    let run = |problem: &Problem, seed: u64, covariance: bool| -> Result<Accumulated, RunError> {
        let options = RunOptions { seed, shots: false, covariance, states: false, ..options };
        let outcome = sample(&ready(problem)?, problem, options, stop, &mut |_| true)?;
        if outcome.interrupted { Err(RunError::Interrupted) } else { Ok(outcome.accumulated) }
    };
    let mut until = problem.protocol.steps[last].duration().max(SLOWEST / slowest(problem, last));
    ready(&lasting(&kept, last, until, &[]))?; // nothing is begun that cannot be ended
    for doubling in 0..MOST_DOUBLINGS {
        told(until);
        let seed = Stream::new(options.seed, 1 + u64::from(doubling)).rng().random();
        let seen = run(&lasting(&linear, last, until, &window(until)), seed, true)?;
        let settled = has_settled(&linear, &seen) && {
            let halves = lasting(&kept, last, until, &[0.5 * until]);
            !kept.needs_state() || states_agree(&halves, &run(&halves, seed, false)?)?
        };
        until *= 2.0;
        if settled {
            told(until);
            let averages = lasting(&linear, last, until, &window(until));
            let averages = (&averages, &run(&averages, options.seed, true)?);
            let at_end = lasting(&kept, last, until, &[]);
            let accumulated = kept.needs_state().then(|| run(&at_end, options.seed, false)).transpose()?;
            let table = averaged(problem, averages, accumulated.as_ref().map(|found| (&at_end, found)))?;
            return Ok(Settled { table, window: (0.5 * until, until) });
        }
    }
    let reason = format!("the averages have not settled by t = {:.3e}", 0.5 * until);
    Err(RunError::Numerics { method: "the average over time", reason })
}

/// The last timed step, if it can settle.
fn settling(problem: &Problem) -> Result<usize, RunError> {
    let refused = |text: &str| Err(RunError::Request(text.into()));
    if problem.protocol.repeat > 1 {
        return refused("a repeated protocol settles in a cycle, not in a state");
    }
    let timed = problem.protocol.steps.iter().enumerate().rev();
    let Some((last, active, driven)) = timed.into_iter().find_map(|(index, step)| match step {
        Step::Evolve { active, driven, .. } => Some((index, active, driven)),
        _ => None,
    }) else {
        return refused("the protocol has no timed step to settle in");
    };
    let changes = problem.drives.iter().zip(driven).any(|(drive, on)| *on && drive.envelope.constant().is_none())
        || problem.channels.iter().zip(active).any(|(channel, on)| *on && channel.changes());
    if changes {
        return refused("a step in which something changes in time has no steady state");
    }
    if problem.protocol.steps[last].duration() == 0.0 {
        return refused("the last timed step has no duration to begin with");
    }
    Ok(last)
}

/// The smallest rate above 0 in a step; ∞ without one.
fn slowest(problem: &Problem, step: usize) -> f64 {
    let Some(Step::Evolve { active, .. }) = problem.protocol.steps.get(step) else { return f64::INFINITY };
    let rates = problem.channels.iter().zip(active).filter(|(channel, on)| **on && channel.rate > 0.0);
    rates.map(|(channel, _)| channel.rate).fold(f64::INFINITY, f64::min)
}

/// Whether the intervals of what is no average of the last two rows have something in common.
fn states_agree(problem: &Problem, accumulated: &Accumulated) -> Result<bool, RunError> {
    let table = columns::table(problem, accumulated)?;
    Ok(table.columns.iter().filter_map(|column| column.bounds.as_ref()).all(|(lo, hi)| {
        match (lo.as_slice(), hi.as_slice()) {
            ([.., a, b], [.., c, d]) => !(a > d || b > c),
            _ => true,
        }
    }))
}

/// Whether a quantity counts up for ever.
fn grows(quantity: &Quantity) -> bool {
    matches!(quantity, Quantity::Jumps(_) | Quantity::Released(_))
}

/// The rows over which is averaged, but for that at the end.
fn window(until: f64) -> Vec<f64> {
    (1..WINDOW).map(|k| until * (0.5 + 0.5 * k as f64 / WINDOW as f64)).collect()
}

/// The problem with a last step of this duration, with rows at its ends and at `between`.
fn lasting(problem: &Problem, last: usize, until: f64, between: &[f64]) -> Problem {
    let mut longer = problem.clone();
    if let Some(Step::Evolve { duration, rows, .. }) = longer.protocol.steps.get_mut(last) {
        *duration = until;
        *rows = [&[0.0], between, &[until]].concat();
    }
    longer
}

/// The mean of linear average number `average` with these weights of the last rows, and its variance.
fn weighted(accumulated: &Accumulated, average: usize, weights: &[f64; WINDOW]) -> Option<(f64, f64)> {
    let curve = accumulated.between_rows(average)?;
    let first = curve.mean.len() - WINDOW;
    let mean = weights.iter().zip(&curve.mean[first..]).map(|(w, x)| w * x).sum();
    let of = |a: usize| {
        let row = weights.iter().enumerate();
        weights[a] * row.map(|(b, w)| w * curve.of_mean(first + a, first + b)).sum::<f64>()
    };
    Some((mean, (0..WINDOW).map(of).sum::<f64>().max(0.0)))
}

/// Whether the averages over both halves of the window agree.
fn has_settled(problem: &Problem, accumulated: &Accumulated) -> bool {
    let mut halves = [-2.0 / WINDOW as f64; WINDOW];
    halves[WINDOW / 2..].fill(2.0 / WINDOW as f64);
    let linear = problem.linear();
    let width = linear.len();
    let z = Normal::standard().inverse_cdf(1.0 - 0.5 * FALSE_ALARM / width as f64);
    let most = student(z, accumulated.moments.effective() - 1.0);
    (0..width).all(|average| {
        let whole = weighted(accumulated, average, &[1.0 / WINDOW as f64; WINDOW]);
        let (Some((mean, _)), Some((difference, variance))) = (whole, weighted(accumulated, average, &halves)) else {
            return false;
        };
        let rounding = ROUNDING.0 * mean.abs() + ROUNDING.1 * span(problem, linear[average]);
        difference.abs() <= (most * variance.sqrt()).max(rounding)
    })
}

/// The row at t = ∞ of everything `problem` asks for, from what is linear in the window and all else at the end.
fn averaged(
    problem: &Problem,
    (linear, accumulated): (&Problem, &Accumulated),
    at_end: Option<(&Problem, &Accumulated)>,
) -> Result<Table, RunError> {
    let of_all = at_end.map(|(kept, found)| columns::table(kept, found)).transpose()?.unwrap_or_default();
    let of_linear = match linear.quantities.is_empty() {
        true => Table::default(),
        false => columns::table(linear, accumulated)?,
    };
    let known = linear.linear();
    let (mut last, even) = ([0.0; WINDOW], [1.0 / WINDOW as f64; WINDOW]);
    last[WINDOW - 1] = 1.0;
    let all = problem.quantities.iter().map(|quantity| {
        let name = problem.column(quantity);
        if grows(quantity) || matches!(quantity, Quantity::Power) {
            let value = if grows(quantity) { f64::NAN } else { 0.0 };
            return vec![Column { name, value: vec![value], se: None, bounds: None }];
        }
        let table = if quantity.needs_state() { &of_all } else { &of_linear };
        let undersampled = format!("{name}_undersampled");
        let of_this = |found: &&Column| found.name == name || found.name == undersampled;
        let mut found: Vec<Column> = table.columns.iter().filter(of_this).map(ending).collect();
        let (of, unit) = match quantity.entry().recipe {
            Recipe::Mean(of) => (of, 1.0),
            Recipe::PerCell(of, e) => (of, problem.subsystems[e].unit()),
            _ => return found,
        };
        let average = known.iter().position(|l| *l == of);
        let of_average = |weights| average.and_then(|average| weighted(accumulated, average, weights));
        if let (Some((mean, variance)), Some((_, seen)), Some(column)) =
            (of_average(&even), of_average(&last), found.first_mut())
        {
            // The error at the end holds what no trajectory saw too; so does that of the average.
            let unseen = |se: f64| (se.powi(2) - seen / unit.powi(2)).max(0.0);
            let (value, at_end) = (mean / unit, column.last());
            let error = at_end.se.map(|se| (unseen(se) + variance / unit.powi(2)).sqrt());
            // The interval is as lopsided as at the end.
            let by = match (error, at_end.se) {
                (Some(error), Some(se)) if se > 0.0 => error / se,
                _ => 1.0,
            };
            let (least, most) = quantity.range(problem);
            let side = |end: f64| vec![(value + by * (end - at_end.value)).clamp(least.min(value), most.max(value))];
            column.bounds = at_end.interval.map(|(lo, hi)| (side(lo), side(hi)));
            column.value = vec![value];
            column.se = error.map(|error| vec![error]);
        }
        found
    });
    let columns = all.flatten().collect();
    let states = of_all
        .states
        .into_iter()
        .map(|part| PartStates { rows: part.rows.into_iter().next_back().into_iter().collect(), ..part });
    let step = linear.protocol.rows().last().map_or(StepId::new(0), |row| row.step);
    Ok(Table {
        rows: vec![Row { time: f64::INFINITY, step, cycle: 0 }],
        steps: vec![linear.protocol.name(step).to_owned()],
        columns,
        states: states.collect(),
    })
}

/// The last row alone.
fn ending(column: &Column) -> Column {
    let end = |values: &Vec<f64>| values.last().copied().into_iter().collect::<Vec<f64>>();
    Column {
        name: column.name.clone(),
        value: end(&column.value),
        se: column.se.as_ref().map(end),
        bounds: column.bounds.as_ref().map(|(lo, hi)| (end(lo), end(hi))),
    }
}
