//! What is read off vectors in blocks, whoever evolves them, and resets, which start from such a reading.

use super::States;
use super::stream::Stream;
use crate::density::Density;
use crate::error::RunError;
use crate::problem::{Kind, Linear, Reduction, SubsystemId};
use crate::space::blocks::{Block, BlockId, Blocks, MOST_MEASURED, Observable, Part, Slot, most_coupled, place};
use num_complex::Complex64;
use std::collections::HashMap;

/// The state of one trajectory: an unnormalised vector in its block.
pub struct View<'a> {
    /// The block.
    pub block: &'a Block,
    /// The vector.
    pub psi: &'a [Complex64],
    /// ‖ψ‖².
    pub norm: f64,
}

/// A batch of vectors in blocks. Whatever offers this can be read as [`States`].
pub trait Vectors {
    /// The compiled problem.
    fn blocks(&self) -> &Blocks;

    /// Energy released per jump of each channel.
    fn released(&self) -> &[f64];

    /// Number of trajectories.
    fn len(&self) -> usize;

    /// The state of trajectory `k`.
    fn view(&self, k: usize) -> View<'_>;

    /// Jumps of each channel in trajectory `k` since the step began.
    fn jumps(&self, k: usize) -> &[u64];

    /// Where trajectories share one state: which one.
    fn shared(&self, _k: usize) -> Option<(usize, usize)> {
        None
    }

    /// Linear average number `average`, where it was worked out before.
    fn known(&self, _k: usize, _average: usize) -> Option<f64> {
        None
    }
}

impl<V: Vectors> States for V {
    fn trajectories(&self) -> usize {
        self.len()
    }

    fn linear(&self, average: usize, step: usize, out: &mut [f64]) {
        let of = self.blocks();
        let (linear, stage) = (of.linear[average], of.stage_of(step));
        // Most trajectories are in the block of the one before.
        let mut last: Option<(BlockId, &Observable)> = None;
        for (k, value) in out.iter_mut().enumerate() {
            let counted = counted(linear, step, self.jumps(k), self.released());
            *value = counted.or_else(|| self.known(k, average)).unwrap_or_else(|| {
                let View { block, psi, norm } = self.view(k);
                let observable = match last {
                    Some((id, observable)) if id == block.id => observable,
                    _ => block.observable(of, average, stage),
                };
                last = Some((block.id, observable));
                observable.mean(psi, norm)
            });
        }
    }

    fn density(&self, weights: &[f64], reduction: usize, group: usize, into: &mut Density) {
        // A state that trajectories share is reduced once, with their total weight.
        let mut shared: Vec<((usize, usize), usize)> = Vec::new();
        let mut own: Vec<(usize, f64)> = Vec::with_capacity(weights.len());
        for (k, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            let state = self.shared(k);
            match state.and_then(|state| shared.iter().find(|(known, _)| *known == state)) {
                Some((_, first)) => own[*first].1 += weight,
                None => {
                    shared.extend(state.map(|state| (state, own.len())));
                    own.push((k, weight));
                }
            }
        }
        // Block by block, so that what is added to is looked up once; in the order in which blocks come, since which
        // trajectory was the first to be in one gives it its number.
        let mut blocks: Vec<BlockId> = Vec::new();
        let mut own: Vec<(usize, View, f64)> = own.into_iter().map(|(k, weight)| (0, self.view(k), weight)).collect();
        for (place, View { block, .. }, _) in &mut own {
            *place = blocks.iter().position(|known| *known == block.id).unwrap_or(blocks.len());
            blocks.extend((*place == blocks.len()).then_some(block.id));
        }
        own.sort_by_key(|(place, ..)| *place);
        for own in own.chunk_by(|a, b| a.0 == b.0) {
            let states = own.iter().map(|(_, View { psi, norm, .. }, weight)| (*psi, weight / norm));
            own[0].1.block.reducer(self.blocks(), reduction).record(states, group, into);
        }
        into.count(group, weights.iter().sum());
    }

    fn battery_spin(&self, k: usize, take: &mut dyn FnMut(&[Complex64])) -> Option<f64> {
        let slot = self.blocks().battery_spin()?;
        let View { block, psi, norm } = self.view(k);
        block.space.fibres(slot, psi, take);
        Some(norm)
    }

    fn amplitudes(&self, k: usize, take: &mut dyn FnMut(&[usize], Complex64)) -> bool {
        if self.blocks().layout.slots.iter().any(|slot| matches!(slot, Slot::Spin { .. })) {
            return false;
        }
        let View { block, psi, norm } = self.view(k);
        let (mut levels, scale) = (vec![0; block.space.levels.len()], norm.sqrt().recip());
        for (state, x) in psi.iter().enumerate() {
            block.space.read(state, &mut levels);
            take(&levels, x * scale);
        }
        true
    }

    fn energy_outcomes(&self, k: usize, take: &mut dyn FnMut(f64, f64)) -> Result<(), RunError> {
        let of = self.blocks();
        let View { block, psi, norm } = self.view(k);
        let Some(average) = of.linear.iter().position(|l| *l == Linear::Energy) else { return Ok(()) };
        let mut unknown = false;
        let mut of_weight = |energy: f64, weight: f64| {
            unknown |= energy.is_nan() && weight > 0.0; // it was not worked out
            take(energy, weight / norm);
        };
        if of.problem().battery_hamiltonian().is_some() {
            // The battery's state, in the eigenbasis of its Hamiltonian.
            let own = of.reductions.iter().position(|of| *of == Reduction::InEnergies).unwrap_or(0);
            block.reducer(of, own).populations(psi, &mut of_weight);
        } else {
            let energies = &block.observable(of, average, 0).diagonal;
            energies.iter().zip(psi).for_each(|(energy, x)| of_weight(*energy, x.norm_sqr()));
        }
        if unknown { Err(not_measured(most_coupled(of, block))) } else { Ok(()) }
    }

    fn whole_energy(&self, k: usize) -> f64 {
        let View { block, psi, norm } = self.view(k);
        block.mean_energy(self.blocks(), psi, norm)
    }

    fn energy_rates(&self, k: usize, step: usize, time: (f64, f64), out: &mut [f64]) -> bool {
        let (of, View { block, psi, norm }) = (self.blocks(), self.view(k));
        block.exchange(of, of.stage_of(step)).rates(block.energy(of), (psi, norm), time, out);
        true
    }
}

/// What to do where H_B cannot be measured.
pub const NO_SHOTS: &str = "keep no single shots";

fn not_measured(states: usize) -> RunError {
    RunError::TooLarge {
        what: "the single shots, measurements of the battery's own Hamiltonian,".into(),
        needed: format!("the eigenstates of {states} states that it couples with each other"),
        limit: MOST_MEASURED.to_string(),
        advice: NO_SHOTS.into(),
    }
}

/// Whether H_B can be measured in the states that the first trajectory of seed 0 starts in.
///
/// # Errors
/// [`RunError::TooLarge`] with their number.
pub fn check_measured(of: &Blocks) -> Result<(), RunError> {
    if !of.linear.contains(&Linear::Energy) {
        return Ok(());
    }
    let start = of.start.draw(of, Stream::new(0, 0).rng());
    match most_coupled(of, &of.get(start.block)) {
        states if states > MOST_MEASURED => Err(not_measured(states)),
        _ => Ok(()),
    }
}

/// Whether a state is one: ‖ψ‖² is a number above 0.
///
/// # Errors
/// [`RunError::Numerics`] if not.
#[inline(always)]
pub fn check(norm: f64, time: f64) -> Result<(), RunError> {
    if norm > 0.0 && norm.is_finite() { Ok(()) } else { Err(no_state(norm, time)) }
}

#[cold]
fn no_state(norm: f64, time: f64) -> RunError {
    let reason = format!("a state has the squared norm {norm} at t = {time} of its step");
    RunError::Numerics { method: "the evolution between jumps", reason }
}

/// A linear average that is not of the state: jumps counted since the step began, energy released by them.
fn counted(linear: Linear, step: usize, counts: &[u64], released: &[f64]) -> Option<f64> {
    match linear {
        Linear::Released(only) if only.is_some_and(|only| only.index() != step) => Some(0.0),
        Linear::Released(_) => Some(counts.iter().zip(released).map(|(&count, quantum)| count as f64 * quantum).sum()),
        Linear::Jumps(channel) => Some(counts[channel.index()] as f64),
        _ => None,
    }
}

/// Complex numbers in one row and one group of the density matrix number `reduction`, at most.
pub fn density_elements(of: &Blocks, reduction: usize) -> f64 {
    let dimension =
        |slots: std::ops::Range<usize>| -> f64 { slots.map(|s| of.layout.slots[s].most_levels() as f64).product() };
    let joint = match &of.reductions[reduction] {
        Reduction::InEnergies => &Reduction::Joint(of.problem().battery().to_vec()),
        other => other,
    };
    match joint {
        Reduction::InEnergies => 0.0,
        Reduction::Chosen(number) => of.problem().states_of(&of.problem().chosen[*number].places).powi(2),
        Reduction::Joint(parts) => {
            // With charges a block is smaller; the first one tells how much.
            let whole: f64 = parts.iter().map(|e| dimension(of.layout.of[e.index()].clone())).product();
            whole.min(first_states(of) as f64).powi(2)
        }
        Reduction::Cells(parts) => 4.0 * parts.iter().map(|e| of.layout.of[e.index()].len() as f64).sum::<f64>(),
        Reduction::Edges(e) => match &of.problem().subsystems[*e].kind {
            Kind::Network { edges, .. } => 16.0 * edges.len() as f64,
            _ => 0.0,
        },
    }
}

/// Number of states in the block that the first trajectory of seed 0 starts in: it stands for all where sizes are
/// estimated, the same whatever has been visited.
pub fn first_states(of: &Blocks) -> usize {
    of.start.draw(of, Stream::new(0, 0).rng()).psi.len()
}

/// Replace a subsystem by a fresh one, in the product of the states of `parts`: its old state is measured in the product basis, which nobody looks
/// at. Returns the new block and its vector of norm 1; `None` if ψ = 0.
pub fn reset(
    of: &Blocks,
    block: &Block,
    psi: &[Complex64],
    (subsystem, parts): (SubsystemId, &[Part]),
    stream: &mut Stream,
) -> Option<(BlockId, Vec<Complex64>)> {
    let layout = &of.layout;
    let slots = layout.of[subsystem.index()].clone();
    let space = &block.space;
    let mut levels = vec![0; space.levels.len()];
    // In the order in which they are met, whatever a map makes of them.
    let mut found: Vec<(Vec<usize>, f64)> = Vec::new();
    let mut places: HashMap<Vec<usize>, usize> = HashMap::new();
    for (index, x) in psi.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
        space.read(index, &mut levels);
        let own = &levels[slots.clone()];
        match places.get(own) {
            Some(&place) => found[place].1 += x.norm_sqr(),
            None => {
                places.insert(own.to_vec(), found.len());
                found.push((own.to_vec(), x.norm_sqr()));
            }
        }
    }
    let weights: Vec<f64> = found.iter().map(|f| f.1).collect();
    let (old, weight) = &found[stream.choose(&weights)?];
    let mut two_j = space.key.two_j.clone();
    let mut fresh = vec![(vec![0; slots.len()], Complex64::ONE)];
    for part in parts {
        let (spins, ket, _) = part.draw(layout, stream.rng());
        place(&mut two_j, &part.slots, &spins);
        let inner = part.slots[0] - slots.start..part.slots[0] + part.slots.len() - slots.start;
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
