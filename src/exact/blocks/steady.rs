//! The state reached from the initial one as t → ∞.
//!
//! (s/(s − L))ᵏρ₀, the state after k exponentially distributed waits of mean 1/s, tends to the average of ρ(t) over all
//! time, with the weights of all conserved quantities kept. Each wait is one solve with the same sparse LU of s − L; the
//! error falls by s/(s + gap) each time. It is the limit of ρ(t) unless something oscillates for ever (see
//! [`oscillation`]).

use super::equation::Equation;
use super::generator::{Density, Parts, bound};
use super::liouvillian::{Liouvillian, MOST_UNKNOWNS};
use super::readout::Readout;
use super::{cycle, iterative, oscillation, run_cycle};
use crate::error::RunError;
use crate::problem::{ChannelId, Problem, Step};
use crate::space::blocks::{BlockStep, Blocks, Style};
use crate::stop::Stop;
use crate::table::Table;

/// When two successive states differ by less, the limit is reached.
const TOLERANCE: f64 = 1e-13;
/// s in units of ‖L‖, one after the other until the gap is resolved.
pub const RESOLUTIONS: [f64; 5] = [1e-5, 1e-7, 1e-9, 1e-11, 1e-13];
/// With more unknowns than this an iteration is tried first, with fewer a factorisation takes no time.
const FEW_UNKNOWNS: usize = 2_000;
/// A channel whose jumps are slower than this, in units of ‖L‖, is lost in rounding.
const LOST: f64 = 1e-14;
/// Most solves with one s.
pub const MOST_WAITS: usize = 60;

/// What is asked about t → ∞.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The limit, an error where there is none.
    Limit,
    /// The average over all time, which is the limit where there is one.
    Average,
}

/// The steady state: of the last timed step, reached through the steps before it; or of a repeated protocol, the rows of
/// the cycle it settles in.
///
/// # Errors
/// As [`solve`](super::solve); [`RunError::NoLimit`] when something oscillates for ever and the limit was asked for;
/// [`RunError::Numerics`] when the limit is not reached; [`RunError::Unsolved`] when it is not found, or is not the only
/// steady state, above 60,000 unknowns;
/// [`RunError::Request`] for a drive that changes in time.
pub fn steady(problem: &Problem, style: Style, ending: Ending, stop: &Stop) -> Result<Table, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let mut equation = Equation::new(&blocks, stop)?;
    if problem.protocol.repeat > 1 {
        if let Some(what) = problem.on_the_run_clock() {
            let reason = format!("{what} is a function of `time`, so that no cycle is like the one before it");
            return Err(RunError::Request(reason));
        }
        return cycle::limit(problem, &mut equation, ending);
    }
    let last = problem.protocol.steps.iter().rposition(|s| matches!(s, Step::Evolve { .. })).unwrap_or(0);
    let Some(BlockStep::Evolve(stage)) = blocks.steps.get(last) else {
        return Err(RunError::Request("the protocol has no timed step to settle in".into()));
    };
    let stage = *stage;
    if let Some((drive, _)) = blocks.stages[stage].varying.first() {
        return Err(RunError::Request(format!(
            "the last timed step has no steady state, since the drive {} changes in time; a protocol that repeats \
             (`repeat`) settles in a limit cycle instead",
            problem.drives[*drive].name
        )));
    }
    if let Some(rate) = blocks.stages[stage].rates.first() {
        return Err(RunError::Request(format!(
            "the last timed step has no steady state, since channel {} changes in time; a protocol that \
             repeats (`repeat`) settles in a limit cycle instead",
            problem.channels[ChannelId::new(rate.channel)].name
        )));
    }
    check_rates(&mut equation, stage)?;
    let mut before = problem.clone();
    before.protocol.steps.truncate(last);
    let mut readout = Readout::new(problem);
    // What the first row would be: the state after the pulses and resets before it.
    let first = problem.protocol.steps.iter().position(|s| matches!(s, Step::Evolve { .. })).unwrap_or(last);
    let mut until_first = problem.clone();
    until_first.protocol.steps.truncate(first);
    run_cycle(&mut equation, &until_first, 0, None)?;
    readout.read(&equation, first, 0.0)?;
    readout.clear();
    equation.restart()?;
    run_cycle(&mut equation, &before, 0, None)?;
    equation.counters.fill(0.0);
    let frequency = settle(&mut equation, stage, ending, stop)?;
    if let (Some(frequency), Ending::Limit) = (frequency, ending) {
        return Err(RunError::NoLimit { how: oscillates(frequency), frequency: Some(frequency) });
    }
    readout.read(&equation, last, f64::INFINITY)?;
    let mut table = readout.table(true);
    // Jumps and released energy grow without end.
    for (column, quantity) in table.columns.iter_mut().zip(&problem.quantities) {
        use crate::problem::Quantity::{Jumps, Power, Released};
        if matches!(quantity, Jumps(_) | Released(_)) {
            column.value.fill(f64::NAN);
        } else if matches!(quantity, Power) {
            column.value.fill(0.0);
        }
    }
    Ok(table)
}

/// Whether double precision holds what each channel does beside all else.
fn check_rates(equation: &mut Equation, stage: usize) -> Result<(), RunError> {
    let norm = equation.parts(stage).norm;
    let blocks = equation.blocks;
    let mut rates = vec![0.0f64; blocks.problem().channels.len()];
    for jump in equation.reached.iter().flat_map(|block| block.jumps(blocks)) {
        if blocks.stages[stage].is_on(jump.channel) {
            rates[jump.channel] = rates[jump.channel].max(bound(&jump.map).powi(2));
        }
    }
    match rates.iter().position(|rate| *rate > 0.0 && *rate < LOST * norm) {
        None => Ok(()),
        Some(channel) => Err(RunError::Numerics {
            method: "the steady state",
            reason: format!(
                "channel {} acts at {:.0e} of the fastest rate, which is lost in rounding: give it the rate 0, or sample",
                blocks.problem().channels[ChannelId::new(channel)].name,
                rates[channel] / norm
            ),
        }),
    }
}

pub(super) fn oscillates(frequency: f64) -> String {
    // Nine digits, without zeros that say nothing.
    let rounded = format!("{frequency:.8e}").parse::<f64>().unwrap_or(frequency);
    format!("the state oscillates for ever, at the angular frequency {rounded}")
}

/// ρ ← the average of ρ(t) over all time; returns the frequency of an oscillation that never ends, if that was asked.
pub(super) fn settle(
    equation: &mut Equation,
    stage: usize,
    ending: Ending,
    stop: &Stop,
) -> Result<Option<f64>, RunError> {
    let mut rho = std::mem::take(&mut equation.rho);
    let parts = equation.parts(stage);
    let Parts { drift, jumps, norm, .. } = parts;
    if *norm == 0.0 {
        equation.rho = rho;
        return Ok(None);
    }
    if jumps.is_empty() {
        let frequency = oscillation::dephase(drift, &mut rho, *norm)?;
        equation.rho = rho;
        return Ok(frequency);
    }
    let unknowns: usize = rho.iter().map(Vec::len).sum();
    if unknowns > FEW_UNKNOWNS {
        let alone = unknowns > MOST_UNKNOWNS;
        match iterative::unique(parts, &rho, alone, stop)? {
            Ok(mut settled) => {
                hermitian(&mut settled);
                equation.rho = settled;
                return Ok(None);
            }
            Err(reason) if alone => {
                let reason = format!(
                    "of {unknowns} unknowns, more than the {MOST_UNKNOWNS} of the direct method, {reason}; evolve for a long \
                     time, or sample"
                );
                return Err(RunError::Unsolved(reason));
            }
            Err(_) => {}
        }
    }
    let liouvillian = Liouvillian::new(drift, jumps, *norm)?;
    let start = rho.clone();
    average(&liouvillian, &mut rho, stop)?;
    let frequency = match ending {
        Ending::Limit => oscillation::endless((drift, jumps), &liouvillian, &start, &rho, stop)?,
        Ending::Average => None,
    };
    equation.rho = rho;
    Ok(frequency)
}

/// ρ ← lim (s/(s − L))ᵏρ.
fn average(liouvillian: &Liouvillian, rho: &mut Density, stop: &Stop) -> Result<(), RunError> {
    let mut change = f64::INFINITY;
    for resolution in RESOLUTIONS {
        stop.check()?;
        let wait = liouvillian.wait(resolution * liouvillian.norm, 0.0, stop)?;
        let mut last = f64::INFINITY;
        for _ in 0..MOST_WAITS {
            stop.check()?;
            let mut next = wait.apply(rho)?;
            hermitian(&mut next);
            change = distance(rho, &next);
            *rho = next;
            if change <= TOLERANCE || (change <= 1e-10 && change >= 0.5 * last) {
                return Ok(());
            }
            last = change;
        }
    }
    let reason = format!("successive states still differ by {change:.1e}: some process is extremely slow");
    Err(RunError::Numerics { method: "the steady state", reason })
}

/// Σ|a − b| over all elements.
pub fn distance(a: &Density, b: &Density) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).norm()).sum()
}

fn hermitian(rho: &mut Density) {
    let mut total = 0.0;
    for block in rho.iter_mut() {
        let d = block.len().isqrt();
        for i in 0..d {
            for j in 0..=i {
                let mean = 0.5 * (block[i * d + j] + block[j * d + i].conj());
                block[i * d + j] = mean;
                block[j * d + i] = mean.conj();
            }
            total += block[i * d + i].re;
        }
    }
    rho.iter_mut().flatten().for_each(|x| *x /= total);
}
