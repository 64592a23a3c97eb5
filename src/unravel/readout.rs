//! What is read off a vector in a block, and resets, which start from such a reading.

use super::stream::Stream;
use crate::problem::{Initial, Kind, Linear, Reduction, SubsystemId};
use crate::repr::blocks::{Block, BlockId, Blocks, parts};
use num_complex::Complex64;

/// A linear average that is not of the state: jumps counted since the step began, energy released by them.
pub fn counted(linear: Linear, step: usize, counts: &[u64], released: &[f64]) -> Option<f64> {
    match linear {
        Linear::Released(only) if only.is_some_and(|only| only != step) => Some(0.0),
        Linear::Released(_) => Some(counts.iter().zip(released).map(|(&count, quantum)| count as f64 * quantum).sum()),
        Linear::Jumps(channel) => Some(counts[channel] as f64),
        _ => None,
    }
}

/// A projective measurement of H_B, whose outcome the uniform variate `share` decides.
pub fn energy_outcome(of: &Blocks, block: &Block, psi: &[Complex64], norm: f64, share: f64) -> Option<f64> {
    let slot = of.linear.iter().position(|l| *l == Linear::Energy)?;
    let energies = &block.observable(of, slot, 0).diagonal;
    let mut left = share * norm;
    let mut outcome = None;
    for (energy, x) in energies.iter().zip(psi).filter(|(_, x)| x.norm_sqr() > 0.0) {
        outcome = Some(*energy);
        left -= x.norm_sqr();
        if left < 0.0 {
            break;
        }
    }
    outcome
}

/// Complex numbers in the density matrices of one row and one group, at most.
pub fn density_elements(of: &Blocks) -> f64 {
    let dimension =
        |slots: std::ops::Range<usize>| -> f64 { slots.map(|s| of.layout.slots[s].most_levels() as f64).product() };
    let cells = |parts: &[usize]| parts.iter().map(|e| of.layout.of[*e].len() as f64).sum::<f64>();
    let elements = |reduction: &Reduction| match reduction {
        Reduction::Joint(parts) => {
            // With charges a block is smaller; the first one tells how much.
            let whole: f64 = parts.iter().map(|e| dimension(of.layout.of[*e].clone())).product();
            let drawn = of.start.draw(of, Stream::new(0, 0).rng());
            whole.min(drawn.psi.len() as f64).powi(2)
        }
        Reduction::Cells(parts) => 4.0 * cells(parts),
        Reduction::Edges(e) => match &of.problem().subsystems[*e].kind {
            Kind::Network { edges, .. } => 16.0 * edges.len() as f64,
            _ => 0.0,
        },
    };
    of.reductions.iter().map(elements).sum()
}

/// Replace a subsystem by a fresh one in `state`: its old state is measured in the product basis, which nobody looks
/// at. Returns the new block and its vector of norm 1; `None` if ψ = 0.
pub fn reset(
    of: &Blocks,
    block: &Block,
    psi: &[Complex64],
    (subsystem, state): (SubsystemId, &Initial),
    stream: &mut Stream,
) -> Option<(BlockId, Vec<Complex64>)> {
    let layout = &of.layout;
    let slots = layout.of[subsystem].clone();
    let space = &block.space;
    let mut levels = vec![0; space.levels.len()];
    let mut found: Vec<(Vec<usize>, f64)> = Vec::new();
    for (index, x) in psi.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
        space.read(index, &mut levels);
        match found.iter_mut().find(|(own, _)| own[..] == levels[slots.clone()]) {
            Some((_, weight)) => *weight += x.norm_sqr(),
            None => found.push((levels[slots.clone()].to_vec(), x.norm_sqr())),
        }
    }
    let total: f64 = found.iter().map(|f| f.1).sum();
    let mut share = stream.uniform() * total;
    let mut outcome = 0;
    while outcome + 1 < found.len() && share >= found[outcome].1 {
        share -= found[outcome].1;
        outcome += 1;
    }
    let (old, weight) = found.get(outcome)?;
    let mut two_j = space.key.two_j.clone();
    let mut fresh = vec![(vec![0; slots.len()], Complex64::ONE)];
    for part in parts(of.problem(), layout, subsystem, state) {
        let (spins, ket, _) = part.draw(layout, stream.rng());
        two_j[part.slots.clone()].copy_from_slice(&spins);
        let inner = part.slots.start - slots.start..part.slots.end - slots.start;
        fresh = fresh
            .iter()
            .flat_map(|(before, a)| {
                let inner = inner.clone();
                ket.iter().map(move |(own, b)| {
                    let mut levels = before.clone();
                    levels[inner.clone()].copy_from_slice(own);
                    (levels, a * b)
                })
            })
            .collect();
    }
    let scale = weight.sqrt().recip();
    let mut target = None;
    let mut image = Vec::new();
    for (index, x) in psi.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
        space.read(index, &mut levels);
        if levels[slots.clone()] != old[..] {
            continue;
        }
        for (own, amplitude) in &fresh {
            levels[slots.clone()].copy_from_slice(own);
            let to = target.get_or_insert_with(|| of.get(of.block_of(&two_j, &levels)));
            image.resize(to.dimension(), Complex64::ZERO);
            if let Some(place) = to.space.index(&levels) {
                image[place] += x * amplitude * scale;
            }
        }
    }
    Some((target?.id, image))
}
