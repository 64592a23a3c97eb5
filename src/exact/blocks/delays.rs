//! How jumps of one channel follow each other, from the master equation: what trajectories estimate in
//! [`crate::estimate::delays`], with the same definitions.
//!
//! In a timed step that ends at T, with J the jumps of the channel, X_j = ∫Jρ(t)dt over t up to T − (j + 1)δ is what jumps
//! leave behind that are seen for all of delay bin j, and E_j = Tr X_j their number. By the regression theorem the later jumps
//! in the bin number S_j = ∫Tr(J exp(Lτ)X_j)dτ over jδ ≤ τ < (j + 1)δ; those of them that are the next one W_j =
//! Tr exp(L₀jδ)X_j − Tr exp(L₀(j + 1)δ)X_j, L₀ being L without J (H. J. Carmichael et al., Phys. Rev. A 39, 1200 (1989)).
//! Then w = W_j/(E_jδ) and g² = S_j/C_j with C_j = ∫∫I(t)I(t + τ) over the same times, I = Tr Jρ.

use super::equation::Equation;
use super::generator::{Counting, Density};
use super::held::Stretches;
use crate::error::RunError;
use crate::estimate::quadrature::NODES;
use crate::problem::{Delays, Problem};
use crate::protocol::{Rows, walk_cycle};
use crate::space::blocks::{Blocks, Style};
use crate::stop::Stop;
use num_complex::Complex64;

/// Norm × time of a piece over which I is integrated by one set of nodes.
const PIECE: f64 = 8.0;
/// Most numbers in all X_j of one table: 1.6 GB.
const MOST_KEPT: usize = 100_000_000;

/// Of each table of delays that the problem's record asks for the pairs (w, g²), bin by bin; NaN where there is nothing to
/// divide by. `None` of a step in which something changes with time.
///
/// # Errors
/// When the blocks do not fit, or `stop` is raised.
pub fn delays(problem: &Problem, style: Style, stop: &Stop) -> Result<Vec<Option<Vec<[f64; 2]>>>, RunError> {
    let blocks = Blocks::compile(problem, style)?;
    let tables = problem.delay_tables();
    let mut found = vec![None; tables.len()];
    let mut ended = 0;
    let through = |state: &mut Equation, stage: usize, (from, until): (f64, f64)| {
        let on = &state.blocks.stages[stage];
        if on.varying.is_empty() && on.rates.is_empty() {
            for (table, found) in tables.iter().zip(&mut found).filter(|(table, _)| table.ended == ended) {
                let start = state.rho.clone();
                *found = Some(pairs(state, &problem.record.delays[table.asked], (stage, table.duration))?);
                state.rho = start;
            }
        }
        ended += 1;
        state.evolve(stage, from, until)
    };
    let mut walked = Stretches { state: Equation::new(&blocks, stop)?, through };
    (0..problem.protocol.repeat)
        .try_for_each(|cycle| walk_cycle(&problem.protocol, cycle, Rows::Skip, stop, &mut walked))?;
    Ok(found)
}

/// Pairs (w, g²) of the step that begins now.
fn pairs(state: &mut Equation, asked: &Delays, (stage, end): (usize, f64)) -> Result<Vec<[f64; 2]>, RunError> {
    let (channel, width, bins) = (asked.channel.index(), asked.width(), asked.bins);
    let blocks = state.rho.len();
    let size: usize = state.rho.iter().map(Vec::len).sum();
    if size.saturating_mul(bins) > MOST_KEPT {
        return Err(RunError::TooLarge {
            what: format!("the states after jumps in {bins} bins of delays"),
            needed: format!("{} numbers", size.saturating_mul(bins)),
            limit: MOST_KEPT.to_string(),
            advice: "ask for fewer bins, or sample it".into(),
        });
    }
    state.evolve(stage, 0.0, asked.from)?;
    let early = state.rho.clone();
    let independent = independent(state, (stage, channel), (asked.from, end), (width, bins))?;

    state.count(Counting::Collected(channel));
    state.rho = early;
    let nothing: Density = state.rho.iter().map(|block| vec![Complex64::ZERO; block.len()]).collect();
    state.rho.extend(nothing);
    let mut now = asked.from;
    let mut after: Vec<Density> = vec![Density::new(); bins];
    for bin in (0..bins).rev() {
        let until = (end - (bin + 1) as f64 * width).max(now);
        state.evolve(stage, now, until)?;
        (now, after[bin]) = (until, state.rho[blocks..].to_vec());
    }

    let edge = |bin: usize| bin as f64 * width;
    let mut found = vec![[f64::NAN; 2]; bins];
    for counting in [Counting::Off, Counting::Without(channel)] {
        state.count(counting);
        for (bin, after) in after.iter().enumerate() {
            state.rho = after.clone();
            let jumps = state.trace(0);
            // What falls by a jump in the bin, or what the number of jumps rises by.
            let read = |state: &Equation| match counting {
                Counting::Off => -state.counters[channel],
                _ => state.trace(0),
            };
            state.counters.fill(0.0);
            state.evolve(stage, 0.0, edge(bin))?;
            let before = read(state);
            state.evolve(stage, edge(bin), edge(bin + 1))?;
            let inside = before - read(state);
            let (which, scale) = match counting {
                Counting::Off => (1, independent[bin]),
                _ => (0, jumps * width),
            };
            if scale > 0.0 {
                found[bin][which] = inside / scale;
            }
        }
    }
    state.count(Counting::Off);
    Ok(found)
}

/// C_j of each bin, for jumps `from` on in a step that ends at `end`; by the nodes of one rule in each bin, counted from
/// the end, so that what is a number of bins later is known too. In the bin that `from` lies in there are others, for its
/// part of it.
fn independent(
    state: &mut Equation,
    (stage, channel): (usize, usize),
    (from, end): (f64, f64),
    (width, bins): (f64, usize),
) -> Result<Vec<f64>, RunError> {
    // Whole bins, but for rounding, and what is left of one.
    let whole = ((end - from) / width * (1.0 + 1e-12)) as usize;
    let rest = (end - from - whole as f64 * width).max(0.0);
    let norm = state.parts(stage).norm;
    let nodes = |length: f64| -> Vec<(f64, f64)> {
        let pieces = (norm * length / PIECE).ceil().clamp(1.0, 1e4);
        let half = 0.5 * length / pieces;
        let signed = NODES.iter().flat_map(|(x, w, _)| [(-x, *w), (*x, *w)]).filter(|(x, _)| *x != 0.0);
        let one: Vec<(f64, f64)> = signed.chain([(0.0, NODES[0].1)]).collect();
        let piece = |k: usize| {
            let middle = (2 * k + 1) as f64 * half;
            one.iter().map(move |(x, w)| (middle + half * x, half * w)).collect::<Vec<_>>()
        };
        (0..pieces as usize).flat_map(piece).collect()
    };
    // Offsets from the beginning of a bin: with a weight in every bin, or in the first one.
    let mut offsets: Vec<(f64, f64, f64)> = nodes(width).into_iter().map(|(x, w)| (x, w, 0.0)).collect();
    if rest > 0.0 {
        offsets.extend(nodes(rest).into_iter().map(|(x, w)| (width - rest + x, 0.0, w)));
    }
    offsets.sort_by(|a, b| a.0.total_cmp(&b.0));
    // I and the number of jumps so far, at each node of each bin from the one that `from` lies in.
    let (mut now, mut seen) = (from, Vec::with_capacity(whole + 1));
    state.counters.fill(0.0);
    for bin in 0..=whole {
        let start = end - (whole + 1 - bin) as f64 * width;
        let mut own = Vec::with_capacity(offsets.len());
        for (offset, ..) in &offsets {
            let until = start + offset;
            if until > now {
                state.evolve(stage, now, until)?;
                now = until;
            }
            own.push((state.intensity(stage, channel), state.counters[channel]));
        }
        seen.push(own);
    }
    let of = |delay: usize| -> f64 {
        let last = (whole + 1).saturating_sub(delay + 1);
        let bin = |at: usize| -> f64 {
            let node = |k: usize| {
                let (_, everywhere, first) = offsets[k];
                let weight = if at == 0 { first } else { everywhere };
                weight * seen[at][k].0 * (seen[at + delay + 1][k].1 - seen[at + delay][k].1)
            };
            (0..offsets.len()).map(node).sum()
        };
        (0..last).map(bin).sum()
    };
    Ok((0..bins).map(of).collect())
}
