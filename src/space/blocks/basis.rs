//! The basis of one block: the product states with its spins and charges, and their places.

use super::charges::Charge;
use super::layout::{Layout, Slot};
use num_complex::Complex64;
use std::collections::BTreeMap;

/// What tells blocks apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// 2J of every slot; 0 where the slot is no spin.
    pub two_j: Vec<u64>,
    /// The values of the charges, or the number of the set of product states.
    pub charges: Vec<i64>,
}

/// The product states of a block, in rising order of their code Σ level·stride, the first slot the most significant.
#[derive(Clone, Debug)]
pub struct Space {
    /// Spins and charges.
    pub key: Key,
    /// Levels of each slot.
    pub levels: Vec<usize>,
    strides: Vec<u64>,
    /// The codes, unless every product state belongs to the block.
    codes: Option<Vec<u64>>,
    dimension: usize,
}

impl Space {
    /// Enumerate the block `key`. The largest slot that carries charge is solved for, so that the cost is the product of
    /// the other slots' levels.
    pub fn new(layout: &Layout, charges: &[Charge], key: Key) -> Self {
        let levels: Vec<usize> = layout.slots.iter().zip(&key.two_j).map(|(s, j)| s.levels(*j)).collect();
        let mut strides = vec![1u64; levels.len()];
        for slot in (0..levels.len().saturating_sub(1)).rev() {
            strides[slot] = strides[slot + 1].saturating_mul(levels[slot + 1] as u64);
        }
        let mut space = Self { levels, strides, codes: None, dimension: 0, key };
        if let Some(sets) = &layout.sets {
            let codes = sets.members(space.key.charges[0]).to_vec();
            space.dimension = codes.len();
            space.codes = Some(codes);
        } else if layout.at_most.is_some() {
            let codes = space.few_quanta(layout, charges);
            space.dimension = codes.len();
            space.codes = Some(codes);
        } else if charges.is_empty() {
            space.dimension = space.levels.iter().product();
        } else {
            let codes = space.enumerate(layout, charges);
            space.dimension = codes.len();
            space.codes = Some(codes);
        }
        space
    }

    fn enumerate(&self, layout: &Layout, charges: &[Charge]) -> Vec<u64> {
        let slots = self.levels.len();
        let value = |c: usize, slot: usize, level: usize| {
            charges[c].of_level(slot, &layout.slots[slot], self.key.two_j[slot], level)
        };
        let carries = |slot: &usize| (0..charges.len()).find(|c| charges[*c].weight(*slot).is_some_and(|w| w != 0));
        let solved = (0..slots).filter(|s| carries(s).is_some()).max_by_key(|s| self.levels[*s]);
        let mut codes = Vec::new();
        let mut levels = vec![0usize; slots];
        loop {
            // The level of the solved slot that gives one charge its value, then all charges are checked.
            let fits = match solved.and_then(|s| carries(&s).map(|c| (s, c))) {
                Some((s, c)) => {
                    levels[s] = 0;
                    let at_zero: i64 = (0..slots).map(|slot| value(c, slot, levels[slot])).sum();
                    let weight = charges[c].weight(s).unwrap_or(1);
                    let missing = self.key.charges[c] - at_zero;
                    let level = missing / weight;
                    let good = missing % weight == 0 && (0..self.levels[s] as i64).contains(&level);
                    if good {
                        levels[s] = level as usize;
                    }
                    good
                }
                None => true,
            };
            let total = |c: usize| (0..slots).map(|slot| value(c, slot, levels[slot])).sum::<i64>();
            if fits && (0..charges.len()).all(|c| charges[c].value(total(c)) == self.key.charges[c]) {
                codes.push(self.code(&levels));
            }
            // The next combination of the other slots.
            let mut slot = slots;
            loop {
                if slot == 0 {
                    codes.sort_unstable();
                    return codes;
                }
                slot -= 1;
                if Some(slot) == solved {
                    continue;
                }
                levels[slot] += 1;
                if levels[slot] < self.levels[slot] {
                    break;
                }
                levels[slot] = 0;
            }
        }
    }

    /// The codes of the states of few quanta that have the charges: slot by slot, as long as there are quanta left.
    fn few_quanta(&self, layout: &Layout, charges: &[Charge]) -> Vec<u64> {
        let Some((limited, most)) = &layout.at_most else { return Vec::new() };
        let mut codes = Vec::new();
        let mut levels = vec![0usize; self.levels.len()];
        let quanta = |slot: usize, level: usize| match limited.contains(&slot) {
            true => layout.slots[slot].quanta(self.key.two_j[slot], level),
            false => 0,
        };
        let mut visit = |levels: &[usize]| {
            if key_of(layout, charges, &self.key.two_j, levels).charges == self.key.charges {
                codes.push(self.code(levels));
            }
        };
        fn descend(
            slot: usize,
            left: i64,
            levels: &mut [usize],
            counts: &[usize],
            quanta: &dyn Fn(usize, usize) -> i64,
            visit: &mut dyn FnMut(&[usize]),
        ) {
            if slot == levels.len() {
                return visit(levels);
            }
            for level in 0..counts[slot] {
                let rest = left - quanta(slot, level);
                if rest < 0 {
                    break; // quanta rise with the level
                }
                levels[slot] = level;
                descend(slot + 1, rest, levels, counts, quanta, visit);
            }
            levels[slot] = 0;
        }
        descend(0, *most, &mut levels, &self.levels, &quanta, &mut visit);
        codes
    }

    /// Number of states.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The code of a product state.
    pub fn code(&self, levels: &[usize]) -> u64 {
        levels.iter().zip(&self.strides).map(|(level, stride)| *level as u64 * stride).sum()
    }

    /// The place of a product state in the block.
    pub fn index(&self, levels: &[usize]) -> Option<usize> {
        self.place(self.code(levels))
    }

    /// The place of the product state with this code.
    pub fn place(&self, code: u64) -> Option<usize> {
        match &self.codes {
            None => Some(code as usize),
            Some(codes) => codes.binary_search(&code).ok(),
        }
    }

    /// The levels of state `index`.
    pub fn read(&self, index: usize, levels: &mut [usize]) {
        let code = self.codes.as_ref().map_or(index as u64, |codes| codes[index]);
        for (slot, level) in levels.iter_mut().enumerate() {
            *level = (code / self.strides[slot]) as usize % self.levels[slot];
        }
    }

    /// Hand to `take` the amplitudes of `slot`, one list for each state that the other slots have in ψ, 0 for levels that
    /// do not belong to the block.
    pub fn fibres(&self, slot: usize, psi: &[Complex64], take: &mut dyn FnMut(&[Complex64])) {
        let (size, stride) = (self.levels[slot], self.strides[slot] as usize);
        let mut fibre = vec![Complex64::ZERO; size];
        if self.is_whole() {
            if stride == 1 {
                return psi.chunks_exact(size).for_each(take);
            }
            for first in (0..psi.len()).step_by(stride * size).flat_map(|start| start..start + stride) {
                fibre.iter_mut().enumerate().for_each(|(level, x)| *x = psi[first + level * stride]);
                take(&fibre);
            }
            return;
        }
        let mut found: BTreeMap<u64, Vec<(usize, Complex64)>> = BTreeMap::new();
        let mut levels = vec![0; self.levels.len()];
        for (index, x) in psi.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
            self.read(index, &mut levels);
            let level = std::mem::take(&mut levels[slot]);
            found.entry(self.code(&levels)).or_default().push((level, *x));
        }
        for amplitudes in found.into_values() {
            fibre.fill(Complex64::ZERO);
            amplitudes.into_iter().for_each(|(level, x)| fibre[level] = x);
            take(&fibre);
        }
    }

    /// Whether every product state belongs to it, so that places are plain mixed-radix numbers.
    pub fn is_whole(&self) -> bool {
        self.codes.is_none()
    }

    /// Distance between the places of states that differ by one level of `slot`, in a whole space.
    pub fn stride(&self, slot: usize) -> usize {
        self.strides[slot] as usize
    }
}

/// The key of a product state.
pub fn key_of(layout: &Layout, charges: &[Charge], two_j: &[u64], levels: &[usize]) -> Key {
    if let Some(sets) = &layout.sets {
        return Key { two_j: two_j.to_vec(), charges: vec![sets.of(levels)] };
    }
    let value = |charge: &Charge| {
        let slots = layout.slots.iter().enumerate();
        charge.value(slots.map(|(s, slot): (usize, &Slot)| charge.of_level(s, slot, two_j[s], levels[s])).sum())
    };
    Key { two_j: two_j.to_vec(), charges: charges.iter().map(value).collect() }
}
