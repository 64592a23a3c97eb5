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

/// The number of a product state: 126 cells have theirs.
pub type Code = u128;

/// The product states of a block, in rising order of their code Σ level·stride, the first slot the most significant.
#[derive(Clone, Debug)]
pub struct Space {
    /// Spins and charges.
    pub key: Key,
    /// Levels of each slot.
    pub levels: Vec<usize>,
    strides: Vec<Code>,
    /// The codes, unless every product state belongs to the block.
    codes: Option<Vec<Code>>,
    dimension: usize,
}

impl Space {
    /// Enumerate the block `key`, in a time proportional to its states and slots where one charge counts quanta.
    pub fn new(layout: &Layout, charges: &[Charge], key: Key) -> Self {
        let levels: Vec<usize> = layout.slots.iter().zip(&key.two_j).map(|(s, j)| s.levels(*j)).collect();
        let mut strides: Vec<Code> = vec![1; levels.len()];
        for slot in (0..levels.len().saturating_sub(1)).rev() {
            strides[slot] = strides[slot + 1].saturating_mul(levels[slot + 1] as Code);
        }
        let mut space = Self { levels, strides, codes: None, dimension: 0, key };
        if let Some(sets) = &layout.sets {
            let codes: Vec<Code> = sets.members(space.key.charges[0]).iter().map(|code| Code::from(*code)).collect();
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

    fn enumerate(&self, layout: &Layout, charges: &[Charge]) -> Vec<Code> {
        let value = |c: usize, slot: usize, level: usize| {
            charges[c].of_level(slot, &layout.slots[slot], self.key.two_j[slot], level)
        };
        // The level of the largest slot that carries a charge follows from the others: it comes last.
        let carries = |slot: &usize| (0..charges.len()).find(|c| charges[*c].weight(*slot).is_some_and(|w| w != 0));
        let solved = (0..self.levels.len()).filter(|s| carries(s).is_some()).max_by_key(|s| self.levels[*s]);
        let solved = solved.and_then(|slot| Some((slot, carries(&slot)?)));
        let mut order: Vec<usize> =
            (0..self.levels.len()).filter(|s| solved.is_none_or(|(slot, _)| slot != *s)).collect();
        order.extend(solved.map(|(slot, _)| slot));
        let least_and_most = |c: usize, slot: usize| {
            let last = self.levels[slot].saturating_sub(1);
            // Where quanta count, the ends of the levels are those of the values; there may be millions.
            let step = if charges[c].of_quantum(slot).is_some() { last.max(1) } else { 1 };
            let values = || (0..=last).step_by(step).map(|level| value(c, slot, level));
            [values().min().unwrap_or(0), values().max().unwrap_or(0)]
        };
        // What the slots from each one on can add to each charge; anything at all to a parity.
        let rest = |c: usize| {
            let mut bounds = vec![[0, 0]];
            for slot in order.iter().rev() {
                let (sum, own) = (bounds[bounds.len() - 1], least_and_most(c, *slot));
                bounds.push([sum[0] + own[0], sum[1] + own[1]]);
            }
            bounds.reverse();
            if charges[c].is_parity() { vec![[i64::MIN / 2, i64::MAX / 2]; bounds.len()] } else { bounds }
        };
        let rest: Vec<Vec<[i64; 2]>> = (0..charges.len()).map(rest).collect();
        let mut found = Vec::new();
        let (mut levels, mut sums) = (vec![0usize; self.levels.len()], vec![vec![0; charges.len()]]);
        sums.resize(order.len() + 1, sums[0].clone());
        let mut at = 0;
        // Slot by slot, as far as the charges can still come to their values; `levels` of the next one is where to go on.
        loop {
            let fits = |sums: &[i64], at: usize| {
                let within = |c: usize| (rest[c][at][0]..=rest[c][at][1]).contains(&(self.key.charges[c] - sums[c]));
                (0..charges.len()).all(|c| charges[c].is_parity() || within(c))
            };
            if at == order.len() {
                if (0..charges.len()).all(|c| charges[c].value(sums[at][c]) == self.key.charges[c]) {
                    found.push(self.code(&levels));
                }
            } else {
                let slot = order[at];
                // The one level that gives the charge its value.
                let only = solved.filter(|(last, _)| *last == slot).map(|(_, c)| {
                    let weight = charges[c].weight(slot).unwrap_or(1);
                    let missing = self.key.charges[c] - sums[at][c] - value(c, slot, 0);
                    let level = missing / weight;
                    let good = missing % weight == 0 && (0..self.levels[slot] as i64).contains(&level);
                    if good { level as usize } else { usize::MAX }
                });
                if let Some(level) = only {
                    levels[slot] = levels[slot].max(level);
                }
                if levels[slot] < self.levels[slot] && only.is_none_or(|level| level == levels[slot]) {
                    let (before, after) = sums.split_at_mut(at + 1);
                    for (c, sum) in after[0].iter_mut().enumerate() {
                        *sum = before[at][c] + value(c, slot, levels[slot]);
                    }
                    if fits(&sums[at + 1], at + 1) {
                        at += 1;
                        if at < order.len() {
                            levels[order[at]] = 0;
                        }
                    } else {
                        levels[slot] += 1;
                    }
                    continue;
                }
            }
            // Back to the last slot with levels left.
            if at == 0 {
                found.sort_unstable();
                return found;
            }
            at -= 1;
            levels[order[at]] += 1;
        }
    }

    /// The codes of the states of few quanta that have the charges: slot by slot, as long as there are quanta left.
    fn few_quanta(&self, layout: &Layout, charges: &[Charge]) -> Vec<Code> {
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
    pub fn code(&self, levels: &[usize]) -> Code {
        levels.iter().zip(&self.strides).map(|(level, stride)| *level as Code * stride).sum()
    }

    /// The place of a product state in the block.
    pub fn index(&self, levels: &[usize]) -> Option<usize> {
        self.place(self.code(levels))
    }

    /// The place of the product state with this code.
    pub fn place(&self, code: Code) -> Option<usize> {
        match &self.codes {
            None => Some(code as usize),
            Some(codes) => codes.binary_search(&code).ok(),
        }
    }

    /// The levels of state `index`.
    pub fn read(&self, index: usize, levels: &mut [usize]) {
        let code = self.codes.as_ref().map_or(index as Code, |codes| codes[index]);
        // Divisions of 64 bits are much quicker, and enough for most.
        if let Ok(code) = u64::try_from(code) {
            for (slot, level) in levels.iter_mut().enumerate() {
                let above = u64::try_from(self.strides[slot]).map_or(0, |stride| code / stride);
                *level = above as usize % self.levels[slot];
            }
            return;
        }
        for (slot, level) in levels.iter_mut().enumerate() {
            *level = (code / self.strides[slot] % self.levels[slot] as Code) as usize;
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
        let mut found: BTreeMap<Code, Vec<(usize, Complex64)>> = BTreeMap::new();
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

#[cfg(test)]
mod tests {
    use super::super::{Blocks, Style};
    use super::*;
    use crate::problem::{Initial, Kind, Problem, Quantity, a, ad, sm, sp, transition};

    /// Modes, cells and levels under one charge, and two cells by themselves under another, with every value: blocks are those of
    /// all product states with their charges, in order, and none is missed.
    #[test]
    fn blocks_hold_the_states_of_their_charges() {
        let mut p = Problem::builder("two charges");
        let m = p.subsystem("M", Kind::Mode { cutoff: 4 }, 1.0);
        let l = p.subsystem("L", Kind::Levels { energies: vec![0.0, 1.0, 3.0] }, 1.0);
        let c = p.ensemble("C", 1, 1.0);
        let d = p.subsystem("D", Kind::Network { cells: 2, edges: vec![(0, 1)] }, 1.0);
        p.hamiltonian(ad(m) * sm(c) + a(m) * sp(c));
        p.hamiltonian(ad(m) * transition(l, 0, 1) + a(m) * transition(l, 1, 0));
        p.hamiltonian(ad(m) * transition(l, 1, 2) + a(m) * transition(l, 2, 1));
        p.collective("loss", a(m), 1.0).each("decay", d, sm(d), 1.0);
        p.evolve("run", 1.0, 1).observe([Quantity::EnergyOf(c)]);
        let problem = p.build().unwrap();
        let blocks = Blocks::compile(&problem, Style { spins: false, charges: true }).unwrap();
        let levels = [4, 3, 2, 2, 2];
        let mut found = std::collections::BTreeMap::<Vec<i64>, Vec<Vec<usize>>>::new();
        for code in 0..96usize {
            let mut left = code;
            let mut state: Vec<usize> = levels
                .iter()
                .rev()
                .map(|n| {
                    let level = left % n;
                    left /= n;
                    level
                })
                .collect();
            state.reverse();
            let key = key_of(&blocks.layout, &blocks.charges, &[0; 5], &state);
            found.entry(key.charges).or_default().push(state);
        }
        assert!(found.len() > 10 && blocks.charges.len() > 1, "{}", found.len());
        for (charges, states) in found {
            let space = Space::new(&blocks.layout, &blocks.charges, Key { two_j: vec![0; 5], charges });
            let mut state = vec![0; 5];
            assert_eq!(space.dimension(), states.len());
            for (place, expected) in states.iter().enumerate() {
                space.read(place, &mut state);
                assert_eq!((&state, space.index(&state)), (expected, Some(place)));
            }
        }
    }

    /// One quantum among 64 modes of three levels, 3·10³⁰ product states: |ψ_0|² on a ring is known.
    #[test]
    fn few_quanta_among_many_modes_are_few_states() {
        let modes = 64;
        let mut p = Problem::builder("a ring");
        let m: Vec<_> = (0..modes).map(|k| p.subsystem(&format!("M{k}"), Kind::Mode { cutoff: 3 }, 1.0)).collect();
        for k in 0..modes {
            let next = m[(k + 1) % modes];
            p.hamiltonian(ad(m[k]) * a(next) + a(m[k]) * ad(next)).collective(&format!("loss {k}"), a(m[k]), 0.1);
        }
        p.initial(m[0], Initial::Fock(1)).battery([m[0]]).evolve("run", 3.0, 3).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let table = crate::exact::solve(&problem, None, &crate::stop::Stop::default()).unwrap();
        for (row, time) in table.times().enumerate() {
            let wave = |k: usize| (2.0 * std::f64::consts::PI * k as f64 / modes as f64).cos() * 2.0 * time;
            let amplitude = (0..modes).map(|k| Complex64::new(0.0, -wave(k)).exp()).sum::<Complex64>() / modes as f64;
            let (expected, energy) = (amplitude.norm_sqr() * (-0.1 * time).exp(), table["energy"].at(row).value);
            assert!((energy - expected).abs() < 1e-10, "{time}: {energy} {expected}");
        }
        // With gain there is no bound.
        let mut p = Problem::builder("a ring that gains");
        let m: Vec<_> = (0..modes).map(|k| p.subsystem(&format!("M{k}"), Kind::Mode { cutoff: 3 }, 1.0)).collect();
        (0..modes).for_each(|k| {
            p.collective(&format!("gain {k}"), ad(m[k]), 0.1)
                .hamiltonian(ad(m[k]) * a(m[(k + 1) % modes]) + a(m[k]) * ad(m[(k + 1) % modes]));
        });
        p.evolve("run", 1.0, 1).observe([Quantity::EnergyOf(m[0])]);
        let refused = Blocks::compile(&p.build().unwrap(), Style { spins: false, charges: true }).unwrap_err();
        assert!(refused.reason.contains("up to"), "{refused}");
    }
}
