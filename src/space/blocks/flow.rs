//! The flows between J = N/2 and J = N/2 − 1 of an ensemble under its local channels (paper 003, Eq. 120 and what it leaves
//! out), as operators in one block.
//!
//! With P the projector on J = N/2 and K = √rate·oᵢ for each cell and channel, weight leaves at ⟨PΣK†(1 − P)KP⟩ and returns
//! at ⟨(1 − P)ΣK†PK(1 − P)⟩. There are no terms between P and 1 − P, because ΣK†PK is permutation symmetric and so keeps J.
//! Collective operators keep J and have no part in this.

use super::block::{Block, Sparse};
use super::measure::{Images, Observable, overlap, root};
use super::{Blocks, Slot, cell_matrix};
use crate::problem::{Reach, SubsystemId};
use crate::space::angular::local_amplitude;
use num_complex::Complex64;

/// A local channel of the ensemble that is on.
struct Local {
    /// Tells the rows of different channels apart.
    channel: usize,
    /// √rate times the one-cell operator in the basis (e, g).
    matrix: [[Complex64; 2]; 2],
}

impl Local {
    /// ⟨to|o|from⟩ with 1 for |e⟩ and 0 for |g⟩.
    fn element(&self, to: usize, from: usize) -> Complex64 {
        self.matrix[1 - to][1 - from]
    }

    /// ⟨k + dk|oᵢ|k⟩ between Dicke states of `cells` cells: 1/N of the collective operator.
    fn mean_element(&self, cells: usize, excited: usize, dk: i8) -> Complex64 {
        let (e, g) = (excited as f64, (cells - excited) as f64);
        let sum = match dk {
            -1 => self.element(0, 1) * (e * (g + 1.0)).sqrt(),
            0 => self.element(1, 1) * e + self.element(0, 0) * g,
            _ => self.element(1, 0) * (g * (e + 1.0)).sqrt(),
        };
        sum / cells as f64
    }
}

fn locals(of: &Blocks, e: SubsystemId, stage: usize) -> Vec<Local> {
    let channels = of.problem().channels.iter().enumerate();
    let on = channels
        .filter(|(c, channel)| channel.reach == Reach::Each(e) && channel.rate > 0.0 && of.stages[stage].is_on(*c));
    let local = |(channel, c): (usize, &crate::problem::Channel)| {
        let matrix = cell_matrix(&c.operator).map(|row| row.map(|x| x * c.rate.sqrt()));
        Local { channel, matrix }
    };
    on.map(local).collect()
}

/// The flow out of J = N/2: paper 003, Eq. 120, with coherence between different M.
pub fn out_of_bright(of: &Blocks, block: &Block, e: SubsystemId, stage: usize) -> Observable {
    let slots = of.layout.of[e.index()].clone();
    if let Slot::Spin { cells } = of.layout.slots[slots.start] {
        return between_spins(of, block, slots.start, cells, cells.checked_sub(2), stage);
    }
    let (cells, locals) = (slots.len(), locals(of, e, stage));
    // Σ over the Dicke states of K(J → J − 1)|M⟩⟨M|: the maps of the spin, from product states.
    let lost = |levels: &[usize]| -> Images {
        let excited: usize = slots.clone().map(|slot| levels[slot]).sum();
        let mut images = Vec::new();
        for local in &locals {
            let z = local.element(1, 1) - local.element(0, 0);
            for (dm, coefficient) in [(-1, local.element(0, 1)), (0, z), (1, local.element(1, 0))] {
                let Some((_, up, amplitude)) = local_amplitude(cells as u64, cells as u64, excited as u64, -1, dm)
                else {
                    continue;
                };
                let row = label(levels, &slots, up as usize, &[local.channel]);
                if coefficient != Complex64::ZERO {
                    images.push((row, coefficient * amplitude * overlap(cells, excited)));
                }
            }
        }
        images
    };
    Observable { root: Some(root(block, &lost)), ..Observable::default() }
}

/// The flow into J = N/2.
pub fn into_bright(of: &Blocks, block: &Block, e: SubsystemId, stage: usize) -> Observable {
    let slots = of.layout.of[e.index()].clone();
    if let Slot::Spin { cells } = of.layout.slots[slots.start] {
        return match cells.checked_sub(2) {
            Some(below) => between_spins(of, block, slots.start, below, Some(cells), stage),
            None => Observable::default(),
        };
    }
    let (cells, locals) = (slots.len(), locals(of, e, stage));
    // PK(1 − P) of a product state, cell by cell: PK less PKP.
    let gained = |levels: &[usize]| -> Images {
        let excited: usize = slots.clone().map(|slot| levels[slot]).sum();
        let mut images = Vec::new();
        for local in &locals {
            for site in slots.clone() {
                for dk in [-1i8, 0, 1] {
                    let to = levels[site].checked_add_signed(dk.into()).filter(|to| *to < 2);
                    let Some(image) = excited.checked_add_signed(dk.into()).filter(|k| *k <= cells) else { continue };
                    let whole =
                        to.map_or(Complex64::ZERO, |to| local.element(to, levels[site])) * overlap(cells, image);
                    let bright = local.mean_element(cells, excited, dk) * overlap(cells, excited);
                    if whole != bright {
                        images.push((label(levels, &slots, image, &[local.channel, site]), whole - bright));
                    }
                }
            }
        }
        images
    };
    Observable { root: Some(root(block, &gained)), ..Observable::default() }
}

/// The name of a row: the levels of the other slots, the state `up` of the spin, and what else tells it apart.
fn label(levels: &[usize], slots: &std::ops::Range<usize>, up: usize, more: &[usize]) -> Vec<usize> {
    let mut row = levels.to_vec();
    slots.clone().for_each(|slot| row[slot] = 0);
    row[slots.start] = up;
    row.extend(more);
    row
}

/// ΣK†K over the jumps from 2J = `from` to 2J = `to`; 0 in other blocks.
fn between_spins(of: &Blocks, block: &Block, slot: usize, from: u64, to: Option<u64>, stage: usize) -> Observable {
    if block.space.key.two_j[slot] != from {
        return Observable::default();
    }
    let leads = |target: usize| target != block.id && Some(of.get(target).space.key.two_j[slot]) == to;
    let maps: Vec<&Sparse> = block
        .jumps(of)
        .iter()
        .filter(|jump| of.stages[stage].is_on(jump.channel) && leads(jump.target))
        .map(|jump| &jump.map)
        .collect();
    let views: Vec<_> = maps.iter().map(|map| map.view()).collect();
    let root = if views.is_empty() { None } else { Some(sprs::vstack(&views)) };
    Observable { root, ..Observable::default() }
}
