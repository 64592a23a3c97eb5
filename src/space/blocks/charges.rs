//! Conserved charges: integer weights of the slots' levels that the Hamiltonian keeps and every jump shifts by a fixed
//! amount; and parities, which are so only modulo 2, as where quanta come and go in pairs. They split the space into invariant blocks, found from the operator terms alone, whatever the dimension.

use super::layout::{Layout, Monomial, Slot, SlotOp};
use num_integer::Integer;

/// Σ over slots of a weight for each level, an integer for every basis state.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// Of each slot: the weight of one quantum, or of each level of a multi-level system.
    weights: Vec<Weights>,
    /// Whether it counts modulo 2.
    parity: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Weights {
    /// Weight × quanta.
    Quanta(i64),
    /// Of each level.
    Levels(Vec<i64>),
}

impl Charge {
    /// What level `level` of slot `index` adds.
    pub fn of_level(&self, index: usize, slot: &Slot, two_j: u64, level: usize) -> i64 {
        match &self.weights[index] {
            Weights::Quanta(weight) => weight * slot.quanta(two_j, level),
            Weights::Levels(weights) => weights[level],
        }
    }

    /// The same charge on some of the slots.
    pub fn restricted(&self, slots: &[usize]) -> Self {
        Self { weights: slots.iter().map(|slot| self.weights[*slot].clone()).collect(), ..*self }
    }

    /// Its value where the slots add up to `sum`.
    pub fn value(&self, sum: i64) -> i64 {
        if self.parity { sum.rem_euclid(2) } else { sum }
    }

    /// Whether it counts modulo 2.
    pub fn is_parity(&self) -> bool {
        self.parity
    }

    /// How much a product of operators adds to it.
    pub fn shift(&self, layout: &Layout, monomial: &Monomial) -> i64 {
        let row = shift(layout, monomial);
        let weights = self.weights.iter().flat_map(|weights| match weights {
            Weights::Quanta(weight) => std::slice::from_ref(weight),
            Weights::Levels(levels) => &levels[1..],
        });
        row.iter().zip(weights).map(|(shift, weight)| shift * weight).sum()
    }

    /// How many product states of slots that are no spins have each value from 0 to `most`; `None` if one may be below 0.
    pub fn states(&self, layout: &Layout, most: usize) -> Option<Vec<f64>> {
        let mut counts = vec![0.0; most + 1];
        counts[0] = 1.0;
        for (index, slot) in layout.slots.iter().enumerate() {
            let values: Vec<i64> = (0..slot.levels(0)).map(|level| self.of_level(index, slot, 0, level)).collect();
            if values.iter().any(|value| *value < 0) {
                return None;
            }
            let before = std::mem::replace(&mut counts, vec![0.0; most + 1]);
            for value in values.into_iter().map(|value| value as usize).filter(|value| *value <= most) {
                counts[value..].iter_mut().zip(&before).for_each(|(count, before)| *count += before);
            }
        }
        Some(counts)
    }

    /// The weight of one quantum of a slot that is no multi-level system; a parity has none that could be solved for.
    pub fn weight(&self, index: usize) -> Option<i64> {
        self.of_quantum(index).filter(|_| !self.parity)
    }

    /// What one quantum of a slot adds that is no multi-level system.
    pub fn of_quantum(&self, index: usize) -> Option<i64> {
        match self.weights[index] {
            Weights::Quanta(weight) => Some(weight),
            Weights::Levels(_) => None,
        }
    }

    /// The charge in words: `n(C) + n(B)`.
    pub fn describe(&self, names: &[String]) -> String {
        let mut parts: Vec<(i64, String)> = Vec::new();
        for (weights, name) in self.weights.iter().zip(names) {
            match weights {
                Weights::Quanta(0) => {}
                Weights::Quanta(weight) => match parts.iter_mut().find(|(w, n)| w == weight && n == name) {
                    Some(_) => {} // all cells of a network carry one name
                    None => parts.push((*weight, name.clone())),
                },
                Weights::Levels(levels) => {
                    let numbered = levels.iter().enumerate().filter(|(_, w)| **w != 0);
                    parts.extend(numbered.map(|(level, w)| (*w, format!("{name}|{level}⟩"))));
                }
            }
        }
        let part = |(weight, name): &(i64, String)| match weight {
            1 => format!("n({name})"),
            -1 => format!("−n({name})"),
            w => format!("{w} n({name})"),
        };
        let sum = parts.iter().map(part).collect::<Vec<_>>().join(" + ").replace("+ −", "− ");
        if self.parity { format!("the parity of {sum}") } else { sum }
    }
}

/// What the charges must respect.
#[derive(Clone, Debug, Default)]
pub struct Constraints {
    rows: Vec<Vec<i64>>,
    flips: Vec<std::ops::Range<usize>>,
}

/// Where the unknowns of each slot start; a multi-level system has one for every level but the first.
fn offsets(layout: &Layout) -> (Vec<usize>, usize) {
    let mut next = 0;
    let starts = layout.slots.iter().map(|slot| {
        let start = next;
        next += if let Slot::Levels { levels } = slot { levels - 1 } else { 1 };
        start
    });
    (starts.collect(), next)
}

/// How much of each unknown a product adds to the charge.
fn shift(layout: &Layout, monomial: &Monomial) -> Vec<i64> {
    let (starts, unknowns) = offsets(layout);
    let mut row = vec![0; unknowns];
    for &(slot, op) in &monomial.factors {
        match op {
            SlotOp::Lower | SlotOp::Annihilate => row[starts[slot]] -= 1,
            SlotOp::Raise | SlotOp::Create => row[starts[slot]] += 1,
            SlotOp::Local { dm, .. } => row[starts[slot]] += i64::from(dm),
            SlotOp::Transition(to, from) => {
                for (level, sign) in [(to, 1), (from, -1)] {
                    if level > 0 {
                        row[starts[slot] + level - 1] += sign;
                    }
                }
            }
            SlotOp::Number | SlotOp::Z | SlotOp::LocalIdentity | SlotOp::Idle => {}
        }
    }
    row
}

impl Constraints {
    /// Terms of H conserve the charge.
    pub fn conserve(&mut self, layout: &Layout, terms: &[Monomial]) {
        self.rows.extend(terms.iter().map(|m| shift(layout, m)));
    }

    /// All terms of one jump operator shift it alike.
    pub fn shift_alike(&mut self, layout: &Layout, terms: &[Monomial]) {
        let shifts: Vec<Vec<i64>> = terms.iter().map(|m| shift(layout, m)).collect();
        for other in shifts.iter().skip(1) {
            self.rows.push(shifts[0].iter().zip(other).map(|(a, b)| a - b).collect());
        }
    }

    /// Two product states of these slots have the same charge.
    pub fn equal(&mut self, layout: &Layout, slots: &[usize], (a, b): (&[usize], &[usize])) {
        let (starts, unknowns) = offsets(layout);
        let mut row = vec![0; unknowns];
        for (sign, levels) in [(1, a), (-1, b)] {
            for (slot, level) in slots.iter().zip(levels) {
                match layout.slots[*slot] {
                    Slot::Levels { .. } if *level > 0 => row[starts[*slot] + level - 1] += sign,
                    Slot::Levels { .. } => {}
                    _ => row[starts[*slot]] += sign * *level as i64,
                }
            }
        }
        self.rows.push(row);
    }

    /// The levels of these slots are superposed: they carry no charge.
    pub fn neutral(&mut self, layout: &Layout, slots: std::ops::Range<usize>) {
        let (starts, unknowns) = offsets(layout);
        for slot in slots {
            let end = starts.get(slot + 1).copied().unwrap_or(unknowns);
            for unknown in starts[slot]..end {
                let mut row = vec![0; unknowns];
                row[unknown] = 1;
                self.rows.push(row);
            }
        }
    }

    /// All these slots carry the same weight.
    pub fn uniform(&mut self, layout: &Layout, slots: std::ops::Range<usize>) {
        let (starts, unknowns) = offsets(layout);
        for slot in slots.clone().skip(1) {
            let mut row = vec![0; unknowns];
            row[starts[slots.start]] += 1;
            row[starts[slot]] -= 1;
            self.rows.push(row);
        }
    }

    /// A π pulse turns these slots upside down: with a charge, the one with their weights reversed is needed too.
    pub fn flip(&mut self, slots: std::ops::Range<usize>) {
        if !self.flips.contains(&slots) {
            self.flips.push(slots);
        }
    }

    /// Parities that are not those of `charges`. Turning slots upside down changes them by what a block knows.
    pub fn parities(&self, layout: &Layout, charges: &[Charge]) -> Vec<Charge> {
        let (starts, unknowns) = offsets(layout);
        let odd = |row: &[i64]| row.iter().map(|x| x.rem_euclid(2) == 1).collect::<Vec<bool>>();
        let all = null_space_of_two(self.rows.iter().map(|row| odd(row)), unknowns);
        let known = charges.iter().map(|charge| {
            let weights = charge.weights.iter().flat_map(|weights| match weights {
                Weights::Quanta(weight) => vec![*weight],
                Weights::Levels(levels) => levels[1..].to_vec(),
            });
            odd(&weights.collect::<Vec<i64>>())
        });
        let mut reduced: Vec<(usize, Vec<bool>)> = Vec::new();
        known.for_each(|known| {
            add(&mut reduced, known);
        });
        let new = all.into_iter().filter(|parity| add(&mut reduced, parity.clone()));
        new.map(|parity| of_weights(layout, &starts, &parity.into_iter().map(i64::from).collect::<Vec<_>>(), true))
            .collect()
    }

    /// A basis of all charges.
    pub fn charges(mut self, layout: &Layout) -> Vec<Charge> {
        let (starts, unknowns) = offsets(layout);
        for slots in &self.flips {
            let mut reversed = self.rows.clone();
            for row in &mut reversed {
                slots.clone().for_each(|slot| row[starts[slot]] *= -1);
            }
            self.rows.extend(reversed);
        }
        let all = null_space(self.rows, unknowns).into_iter();
        all.map(|solution| of_weights(layout, &starts, &solution, false)).collect()
    }
}

/// The charge with these weights of the unknowns.
fn of_weights(layout: &Layout, starts: &[usize], solution: &[i64], parity: bool) -> Charge {
    let weights = layout.slots.iter().zip(starts).map(|(slot, &start)| match slot {
        Slot::Levels { levels } => {
            Weights::Levels(std::iter::once(0).chain(solution[start..start + levels - 1].iter().copied()).collect())
        }
        _ => Weights::Quanta(solution[start]),
    });
    Charge { weights: weights.collect(), parity }
}

/// Reduce `row` by rows of distinct pivots, modulo 2, and keep it if anything is left.
fn add(reduced: &mut Vec<(usize, Vec<bool>)>, mut row: Vec<bool>) -> bool {
    let minus = |row: &mut Vec<bool>, by: &[bool]| row.iter_mut().zip(by).for_each(|(x, y)| *x ^= y);
    for (pivot, known) in &*reduced {
        if row[*pivot] {
            minus(&mut row, known);
        }
    }
    let Some(pivot) = row.iter().position(|x| *x) else { return false };
    for (_, known) in reduced.iter_mut().filter(|(_, known)| known[pivot]) {
        minus(known, &row);
    }
    reduced.push((pivot, row));
    true
}

/// A basis of {w : every row · w is even}, in zeros and ones.
fn null_space_of_two(rows: impl Iterator<Item = Vec<bool>>, unknowns: usize) -> Vec<Vec<bool>> {
    let mut reduced = Vec::new();
    rows.for_each(|row| {
        add(&mut reduced, row);
    });
    let free = (0..unknowns).filter(|u| reduced.iter().all(|(pivot, _)| pivot != u));
    let solution = |free: usize| {
        let mut w = vec![false; unknowns];
        w[free] = true;
        reduced.iter().for_each(|(pivot, row)| w[*pivot] = row[free]);
        w
    };
    free.map(solution).collect()
}

/// An integer basis of {w : every row · w = 0}, by fraction-free elimination; numbers too large for it (there are none in
/// sums of a few ladder operators) give no charge rather than a wrong one.
fn null_space(rows: Vec<Vec<i64>>, unknowns: usize) -> Vec<Vec<i64>> {
    let mut reduced: Vec<(usize, Vec<i128>)> = Vec::new(); // pivot and row, in reduced echelon form
    for row in rows {
        let mut row: Vec<i128> = row.into_iter().map(i128::from).collect();
        for (pivot, known) in &reduced {
            eliminate(&mut row, known, *pivot);
        }
        let Some(pivot) = row.iter().position(|x| *x != 0) else { continue };
        for (_, known) in &mut reduced {
            eliminate(known, &row, pivot);
        }
        reduced.push((pivot, row));
    }
    let free = (0..unknowns).filter(|u| reduced.iter().all(|(pivot, _)| pivot != u));
    let solution = |free: usize| -> Option<Vec<i64>> {
        let scale = reduced.iter().filter(|(_, r)| r[free] != 0).fold(1i128, |l, (pivot, r)| l.lcm(&r[*pivot].abs()));
        let mut w = vec![0i128; unknowns];
        w[free] = scale;
        for (pivot, row) in &reduced {
            w[*pivot] = -row[free] * scale / row[*pivot];
        }
        let divisor = w.iter().fold(0, |g: i128, x| g.gcd(x)).max(1);
        w.into_iter().map(|x| i64::try_from(x / divisor).ok().filter(|x| x.abs() < 1 << 20)).collect()
    };
    free.filter_map(solution).collect()
}

/// row ← row·known\[pivot\] − known·row\[pivot\], divided by its common factor.
fn eliminate(row: &mut [i128], known: &[i128], pivot: usize) {
    let (a, b) = (known[pivot], row[pivot]);
    if b == 0 {
        return;
    }
    row.iter_mut().zip(known).for_each(|(x, k)| *x = *x * a - k * b);
    let divisor = row.iter().fold(0, |g: i128, x| g.gcd(x)).max(1);
    row.iter_mut().for_each(|x| *x /= divisor);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_spaces_of_two_are_orthogonal_to_every_row_and_complete() {
        let rows = [vec![true, true, false, false], vec![false, true, true, true]];
        let basis = null_space_of_two(rows.clone().into_iter(), 4);
        assert_eq!(basis.len(), 2);
        for (w, row) in basis.iter().flat_map(|w| rows.iter().map(move |row| (w, row))) {
            assert_eq!(w.iter().zip(row).filter(|(x, y)| **x && **y).count() % 2, 0);
        }
        let mut reduced = Vec::new();
        assert!(basis.into_iter().all(|w| add(&mut reduced, w)), "they are independent");
    }

    #[test]
    fn null_spaces_are_orthogonal_to_every_row_and_complete() {
        let rows = vec![vec![1, -1, 0, 0], vec![0, 2, -3, 0], vec![1, 1, -3, 0]];
        let basis = null_space(rows.clone(), 4);
        assert_eq!(basis.len(), 2);
        for w in &basis {
            for row in &rows {
                assert_eq!(row.iter().zip(w).map(|(a, b)| a * b).sum::<i64>(), 0);
            }
        }
        assert!(basis.contains(&vec![3, 3, 2, 0]) && basis.contains(&vec![0, 0, 0, 1]));
    }
}
