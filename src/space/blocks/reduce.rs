//! Reduced density matrices of parts of the system, from vectors and from the density matrices of blocks.

use super::basis::{Key, Space, key_of};
use super::block::Block;
use super::charges::Charge;
use super::layout::Layout;
use super::own::Eigenbasis;
use super::{Blocks, Slot};
use crate::battery::ln_multiplicity;
use crate::density::{BlockShape, Density, GroupSum, Label};
use crate::problem::{Kind, Reduction, SubsystemId, digits};
use crate::space::energies::slots_of;
use faer::Mat;
use num_complex::Complex64;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one block of the whole system adds to one block of a part.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which block of the part.
    pub label: Label,
    /// What its basis stands for.
    pub shape: BlockShape,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    /// Of each state of the rest: (place in the part, place in the block), summed over as |v⟩⟨v|.
    Trace(Vec<Vec<(u32, u32)>>),
    /// The same, and then turned into this basis.
    Turned(Vec<Vec<(u32, u32)>>, Arc<Eigenbasis>),
    /// ρ(out) += c·ψ_a ψ_b*.
    Entries(Vec<(u32, u32, u32, f64)>),
}

/// All pieces of one reduction.
#[derive(Clone, Debug, Default)]
pub struct Reducer {
    /// The blocks of the part that this block reaches.
    pub pieces: Vec<Piece>,
}

impl Piece {
    /// Add `weight`·Tr_rest |ψ⟩⟨ψ| to `sums`.
    fn add_vector(&self, psi: &[Complex64], weight: f64, sums: &mut GroupSum) {
        let d = self.shape.energies.len();
        match &self.how {
            How::Trace(vectors) => {
                for vector in vectors {
                    sums.add(d, weight, vector.iter().map(|&(row, a)| (row as usize, psi[a as usize])));
                }
            }
            How::Turned(vectors, basis) => {
                for vector in vectors {
                    let turned = basis.turned(vector.iter().map(|&(row, a)| (row as usize, psi[a as usize])));
                    sums.add(d, weight, turned.into_iter().enumerate());
                }
            }
            How::Entries(entries) => {
                let sums = sums.matrix_mut(d);
                for &(out, a, b, c) in entries {
                    sums[out as usize] += psi[a as usize] * psi[b as usize].conj() * (c * weight);
                }
            }
        }
    }

    /// Add Tr_rest ρ to `sums`, with ρ given by its elements.
    pub fn add_matrix(&self, rho: &dyn Fn(usize, usize) -> Complex64, sums: &mut [Complex64]) {
        let d = self.shape.energies.len();
        let trace = |vectors: &[Vec<(u32, u32)>], add: &mut dyn FnMut(usize, usize, Complex64)| {
            for vector in vectors {
                for &(row, a) in vector {
                    for &(column, b) in vector {
                        add(row as usize, column as usize, rho(a as usize, b as usize));
                    }
                }
            }
        };
        match &self.how {
            How::Trace(vectors) => trace(vectors, &mut |row, column, x| sums[row * d + column] += x),
            How::Turned(vectors, basis) => {
                let mut own = Mat::<Complex64>::zeros(d, d);
                trace(vectors, &mut |row, column, x| own[(row, column)] += x);
                let turned = basis.turned_matrix(own.as_ref());
                for (row, line) in sums.chunks_exact_mut(d).enumerate() {
                    line.iter_mut().enumerate().for_each(|(column, x)| *x += turned[(row, column)]);
                }
            }
            How::Entries(entries) => {
                for &(out, a, b, c) in entries {
                    sums[out as usize] += rho(a as usize, b as usize) * c;
                }
            }
        }
    }
}

impl Reducer {
    /// Add Σ w|ψ⟩⟨ψ|, reduced, to `group` of `density`, of these ψ and w, which include 1/‖ψ‖².
    pub fn record<'a>(
        &self,
        states: impl Iterator<Item = (&'a [Complex64], f64)> + Clone,
        group: usize,
        density: &mut Density,
    ) {
        for piece in &self.pieces {
            let sums = density.block(&piece.label, || piece.shape.clone()).group_mut(group);
            states.clone().for_each(|(psi, weight)| piece.add_vector(psi, weight, sums));
        }
    }
}

impl Reducer {
    /// Energy and weight of each basis state, in ψ.
    pub fn populations(&self, psi: &[Complex64], take: &mut dyn FnMut(f64, f64)) {
        for piece in &self.pieces {
            let mut each = |vector: Vec<Complex64>| {
                piece.shape.energies.iter().zip(vector).for_each(|(energy, x)| take(*energy, x.norm_sqr()));
            };
            if let How::Turned(vectors, basis) = &piece.how {
                for vector in vectors {
                    each(basis.turned(vector.iter().map(|&(row, a)| (row as usize, psi[a as usize]))));
                }
            }
        }
    }
}

/// How reduction `reduction` comes from `block`.
pub fn reducer(of: &Blocks, block: &Block, reduction: &Reduction) -> Reducer {
    let pieces = match reduction {
        Reduction::Joint(parts) => joint(of, block, parts, false),
        Reduction::InEnergies => joint(of, block, &of.problem().battery, true),
        Reduction::Chosen(number) => {
            let factors = of.problem().factors_of(&of.problem().chosen[*number].places);
            let slot = |&(e, cell, _): &(SubsystemId, usize, usize)| (e, of.layout.of[e.index()].start + cell);
            vec![few_slots(of, block, vec![*number as i64], &factors.iter().map(slot).collect::<Vec<_>>())]
        }
        Reduction::Cells(parts) => {
            let cells = parts.iter().enumerate().flat_map(|(index, &e)| {
                let slots = of.layout.of[e.index()].clone();
                slots.enumerate().map(move |(cell, slot)| (vec![index as i64, cell as i64], e, slot))
            });
            cells.map(|(label, e, slot)| cell(of, block, label, e, slot)).collect()
        }
        Reduction::Edges(e) => {
            let edges = match &of.problem().subsystems[*e].kind {
                Kind::Network { edges, .. } => edges.clone(),
                _ => Vec::new(),
            };
            let first = of.layout.of[e.index()].start;
            let ends = edges.iter().map(|&(a, b)| [first + a.min(b), first + a.max(b)]);
            ends.enumerate()
                .map(|(i, ends)| few_slots(of, block, vec![i as i64], &ends.map(|slot| (*e, slot))))
                .collect()
        }
    };
    Reducer { pieces }
}

/// The basis of a block of a part, and of each state of the rest the places in part and whole.
type PartBlock = (Space, BTreeMap<Vec<usize>, Vec<(u32, u32)>>);

/// The joint state of whole subsystems, `in_energies` in the eigenbasis of the battery's own Hamiltonian. With the rest in
/// one product state every charge of the part is definite, so the part falls into blocks by spins and charges too.
fn joint(of: &Blocks, block: &Block, parts: &[SubsystemId], in_energies: bool) -> Vec<Piece> {
    let slots = slots_of(&of.layout, parts);
    let owner: Vec<SubsystemId> = parts.iter().flat_map(|e| of.layout.of[e.index()].clone().map(move |_| *e)).collect();
    let found = part_blocks(of, block, &slots);
    let spins = || slots.iter().filter(|s| matches!(of.layout.slots[**s], Slot::Spin { .. }));
    let copies = |slot: &usize| match of.layout.slots[*slot] {
        Slot::Spin { cells } => ln_multiplicity(cells, (cells - block.space.key.two_j[*slot]) / 2),
        _ => 0.0,
    };
    let ln_copies: f64 = spins().map(copies).sum();
    let piece = |(values, (space, vectors)): (Vec<i64>, PartBlock)| {
        let label = spins().map(|s| block.space.key.two_j[*s] as i64).chain(values).collect();
        if let (true, Some(own)) = (in_energies, &of.own) {
            let basis = own.basis(of, &slots, &space);
            let shape = BlockShape { ln_copies, energies: basis.energies.clone() };
            return Piece { label, shape, how: How::Turned(vectors.into_values().collect(), basis) };
        }
        let mut inner = vec![0; slots.len()];
        let energies = (0..space.dimension()).map(|i| {
            space.read(i, &mut inner);
            (0..slots.len()).map(|k| level_energy(of, block, owner[k], slots[k], inner[k])).sum()
        });
        let shape = BlockShape { ln_copies, energies: energies.collect() };
        Piece { label, shape, how: How::Trace(vectors.into_values().collect()) }
    };
    found.into_iter().map(piece).collect()
}

/// The largest number of states of the battery that its own Hamiltonian couples with each other, among those that `block`
/// reaches; 0 where it has none of its own.
pub fn most_coupled(of: &Blocks, block: &Block) -> usize {
    let Some(own) = &of.own else { return 0 };
    let slots = slots_of(&of.layout, &of.problem().battery);
    let sizes = part_blocks(of, block, &slots).into_values().map(|(space, _)| own.most_coupled(of, &slots, &space));
    sizes.max().unwrap_or(0)
}

/// The blocks of a part with these slots that `block` reaches, by their charges.
fn part_blocks(of: &Blocks, block: &Block, slots: &[usize]) -> BTreeMap<Vec<i64>, PartBlock> {
    let layout = Layout {
        slots: slots.iter().map(|s| of.layout.slots[*s]).collect(),
        sets: None,
        at_most: None,
        of: Vec::new(),
    };
    let charges: Vec<Charge> = of.charges.iter().map(|c| c.restricted(slots)).collect();
    let two_j: Vec<u64> = slots.iter().map(|s| block.space.key.two_j[*s]).collect();
    let mut found: BTreeMap<Vec<i64>, PartBlock> = BTreeMap::new();
    let mut levels = vec![0; block.space.levels.len()];
    for state in 0..block.dimension() {
        block.space.read(state, &mut levels);
        let inner: Vec<usize> = slots.iter().map(|s| levels[*s]).collect();
        let outer: Vec<usize> = (0..levels.len()).filter(|s| !slots.contains(s)).map(|s| levels[s]).collect();
        let Key { charges: values, .. } = key_of(&layout, &charges, &two_j, &inner);
        let (space, vectors) = found.entry(values.clone()).or_insert_with(|| {
            (Space::new(&layout, &charges, Key { two_j: two_j.clone(), charges: values }), BTreeMap::new())
        });
        if let Some(place) = space.index(&inner) {
            vectors.entry(outer).or_default().push((place as u32, state as u32));
        }
    }
    found
}

pub(super) fn level_energy(of: &Blocks, block: &Block, e: SubsystemId, slot: usize, level: usize) -> f64 {
    let subsystem = &of.problem().subsystems[e];
    match &subsystem.kind {
        Kind::Levels { energies } => energies[level],
        _ => {
            let cell = slot - of.layout.of[e.index()].start;
            subsystem.quantum(cell) * of.layout.slots[slot].quanta(block.space.key.two_j[slot], level) as f64
        }
    }
}

/// The state of one cell; of a spin's N cells the one that they share: p_e = ⟨n⟩/N, ⟨e|ρ|g⟩ = ⟨S⁻⟩/N.
fn cell(of: &Blocks, block: &Block, label: Label, e: SubsystemId, slot: usize) -> Piece {
    let Slot::Spin { cells } = of.layout.slots[slot] else { return few_slots(of, block, label, &[(e, slot)]) };
    let space = &block.space;
    let two_j = space.key.two_j[slot];
    let mut entries = Vec::new();
    let mut levels = vec![0; space.levels.len()];
    for state in 0..space.dimension() {
        space.read(state, &mut levels);
        let excited = of.layout.slots[slot].quanta(two_j, levels[slot]) as f64 / cells as f64;
        let at = state as u32;
        entries.push((0, at, at, 1.0 - excited));
        entries.push((3, at, at, excited));
        let up = levels[slot] as f64;
        if levels[slot] > 0 {
            levels[slot] -= 1;
            if let Some(lower) = space.index(&levels) {
                let amplitude = (up * (two_j as f64 - up + 1.0)).sqrt() / cells as f64;
                entries.push((2, at, lower as u32, amplitude)); // ⟨e|ρ|g⟩ from ψ_M ψ_{M−1}*
                entries.push((1, lower as u32, at, amplitude));
            }
        }
    }
    let energies = vec![0.0, of.problem().subsystems[e].energy];
    Piece { label, shape: BlockShape { ln_copies: 0.0, energies }, how: How::Entries(entries) }
}

/// The state of a few slots in the basis of their product states, the first the most significant, a cell by (g, e).
fn few_slots(of: &Blocks, block: &Block, label: Label, slots: &[(SubsystemId, usize)]) -> Piece {
    let space = &block.space;
    let counts: Vec<usize> = slots.iter().map(|(_, slot)| space.levels[*slot]).collect();
    let mut vectors: BTreeMap<Vec<usize>, Vec<(u32, u32)>> = BTreeMap::new();
    let mut levels = vec![0; space.levels.len()];
    for state in 0..space.dimension() {
        space.read(state, &mut levels);
        let own = slots.iter().zip(&counts);
        let place = own.fold(0, |place, ((_, slot), count)| place * *count as u32 + levels[*slot] as u32);
        slots.iter().for_each(|(_, slot)| levels[*slot] = 0);
        vectors.entry(levels.clone()).or_default().push((place, state as u32));
    }
    let energy = |place: usize| -> f64 {
        let own = slots.iter().zip(digits(place, &counts));
        own.map(|((e, slot), level)| level_energy(of, block, *e, *slot, level)).sum()
    };
    let energies = (0..counts.iter().product()).map(energy).collect();
    Piece { label, shape: BlockShape { ln_copies: 0.0, energies }, how: How::Trace(vectors.into_values().collect()) }
}
