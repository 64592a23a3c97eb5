//! Blocks that are never written down: their states lie on a lattice of levels, on which every product of operators
//! moves all amplitudes by the same distance.
//!
//! One axis for each slot but those that the charges determine: a charger and one battery of N_B cells with a definite
//! total excitation have N_B + 1 places, whatever N_C is. The lattice is as large as the largest spins need, so that it
//! is the same in all blocks. A parity determines no slot: half of the places stay empty.

use super::basis::Key;
use super::layout::Slot;
use super::{Blocks, Layout};
use std::ops::Range;

#[derive(Clone, Copy, Debug)]
struct Axis {
    slot: usize,
    levels: usize,
    stride: usize,
}

/// A slot whose level follows from a charge and the other levels; its weight in it is ±1.
#[derive(Clone, Copy, Debug)]
struct Solved {
    slot: usize,
    charge: usize,
    weight: i64,
}

/// Where the states of every block lie.
#[derive(Clone, Debug)]
pub struct Lattice {
    /// Outermost first.
    axes: Vec<Axis>,
    solved: Vec<Solved>,
    /// Number of places.
    pub size: usize,
}

impl Lattice {
    /// The lattice of a problem; `None` if a charge determines no slot by itself or there are too many places.
    pub(super) fn new(of: &Blocks) -> Option<Self> {
        if of.layout.at_most.is_some() {
            return None; // states are missing in it
        }
        let slots = &of.layout.slots;
        let weight = |charge: usize, slot: usize| of.charges[charge].weight(slot);
        let counting = || (0..of.charges.len()).filter(|charge| !of.charges[*charge].is_parity());
        let alone = |charge: usize, slot: usize| {
            let mut others = counting().filter(|c| *c != charge);
            matches!(weight(charge, slot), Some(1 | -1)) && others.all(|c| weight(c, slot) == Some(0))
        };
        let solved = counting().map(|charge| {
            let fit = (0..slots.len()).filter(|slot| alone(charge, *slot));
            let slot = fit.max_by_key(|slot| slots[*slot].most_levels())?;
            Some(Solved { slot, charge, weight: weight(charge, slot)? })
        });
        let solved: Vec<Solved> = solved.collect::<Option<_>>()?;
        let mut free: Vec<usize> = (0..slots.len()).filter(|s| solved.iter().all(|known| known.slot != *s)).collect();
        free.sort_by_key(|slot| std::cmp::Reverse(slots[*slot].most_levels()));
        let mut size = 1usize;
        let mut axes = Vec::new();
        for &slot in free.iter().rev() {
            let levels = slots[slot].most_levels();
            axes.push(Axis { slot, levels, stride: size });
            size = size.checked_mul(levels).filter(|size| *size <= 1 << 26)?;
        }
        axes.reverse();
        Some(Self { axes, solved, size })
    }

    /// The place of a product state; those of a block are all different.
    pub fn place(&self, levels: &[usize]) -> usize {
        self.axes.iter().map(|axis| levels[axis.slot] * axis.stride).sum()
    }

    /// The places of `window` and those up to `distance` beside it.
    #[inline(always)]
    pub fn around(&self, window: &Range<usize>, distance: usize) -> Range<usize> {
        window.start.saturating_sub(distance)..(window.end + distance).min(self.size)
    }

    /// The slots that are axes.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.axes.iter().map(|axis| axis.slot)
    }

    /// How far a change of the levels moves a state.
    pub(super) fn distance(&self, change: &[i64]) -> isize {
        self.axes.iter().map(|axis| change[axis.slot] as isize * axis.stride as isize).sum()
    }

    /// The levels of `slot` at the places from `start`, as numbers; those of a solved slot up to [`Self::base`].
    pub(super) fn levels(&self, of: &Blocks, slot: usize, start: usize, out: &mut [f64]) {
        out.fill(0.0);
        match self.solved.iter().find(|s| s.slot == slot) {
            None => {
                for axis in self.axes.iter().filter(|axis| axis.slot == slot) {
                    axis.add(start, out, |level| level as f64);
                }
            }
            Some(solved) => {
                for axis in &self.axes {
                    let (charge, kind) = (&of.charges[solved.charge], &of.layout.slots[axis.slot]);
                    let part = |level: usize| match kind {
                        Slot::Levels { .. } => charge.of_level(axis.slot, kind, 0, level),
                        _ => charge.weight(axis.slot).unwrap_or(0) * level as i64,
                    };
                    axis.add(start, out, |level| -(solved.weight * part(level)) as f64);
                }
            }
        }
    }

    /// What to add to the numbers of [`Self::levels`] of `slot` in block `key`.
    pub(super) fn base(&self, of: &Blocks, slot: usize, key: &Key) -> f64 {
        let Some(solved) = self.solved.iter().find(|s| s.slot == slot) else { return 0.0 };
        let charge = &of.charges[solved.charge];
        let bottom = |s: usize, kind: &Slot| match kind {
            Slot::Spin { .. } => charge.of_level(s, kind, key.two_j[s], 0),
            _ => 0,
        };
        let bottoms: i64 = of.layout.slots.iter().enumerate().map(|(s, kind)| bottom(s, kind)).sum();
        (solved.weight * (key.charges[solved.charge] - bottoms)) as f64
    }
}

impl Axis {
    fn add(&self, start: usize, out: &mut [f64], value: impl Fn(usize) -> f64) {
        let (mut level, mut within) = (start / self.stride % self.levels, start % self.stride);
        let mut now = value(level);
        for x in out.iter_mut() {
            *x += now;
            within += 1;
            if within == self.stride {
                within = 0;
                level = if level + 1 == self.levels { 0 } else { level + 1 };
                now = value(level);
            }
        }
    }
}

/// By how much a product changes the level and 2J of each slot.
pub(super) fn changes(layout: &Layout, factors: &[(usize, super::SlotOp)]) -> (Vec<i64>, Vec<i64>) {
    use super::SlotOp::*;
    let (mut levels, mut two_j) = (vec![0; layout.slots.len()], vec![0; layout.slots.len()]);
    for &(slot, op) in factors {
        levels[slot] += match op {
            Lower | Annihilate => -1,
            Raise | Create => 1,
            Transition(to, from) => to as i64 - from as i64,
            Local { dj, dm } => i64::from(dj) + i64::from(dm),
            Number | Z | LocalIdentity | Idle => 0,
        };
        if let Local { dj, .. } = op {
            two_j[slot] += 2 * i64::from(dj);
        }
    }
    (levels, two_j)
}
