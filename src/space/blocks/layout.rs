//! Tensor factors of the stored space, and operator sums spelled out as products that take one basis state to one.

use super::super::angular;
use super::pattern::Sets;
use crate::problem::{Factor, Kind, Op, OpSum, Problem, SubsystemId};
use num_complex::Complex64;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// One tensor factor of the stored space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A single two-level cell: |g⟩, |e⟩.
    Cell,
    /// All N cells of an ensemble as one spin J: |J, M⟩ by M from −J up. J is part of the block's label.
    Spin {
        /// N.
        cells: u64,
    },
    /// An oscillator: Fock states.
    Mode {
        /// How many.
        cutoff: usize,
    },
    /// A multi-level system.
    Levels {
        /// How many.
        levels: usize,
    },
}

/// What one factor of a product does in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotOp {
    /// σ⁻ or S⁻.
    Lower,
    /// σ⁺ or S⁺.
    Raise,
    /// n, or Σn.
    Number,
    /// σz, or Σσz = 2M.
    Z,
    /// a.
    Annihilate,
    /// a†.
    Create,
    /// |i⟩⟨j|.
    Transition(usize, usize),
    /// One of the maps K of a local operator between spins (`docs/physics.md` §2.2), with √w: J → J + `dj`, M → M + `dm`.
    Local {
        /// Change of J.
        dj: i8,
        /// −1 for σ⁻, 0 for σz/2, 1 for σ⁺.
        dm: i8,
    },
    /// 1/√w(J → J): the identity part of a local operator beside [`SlotOp::Local`]; 0 at J = 0.
    LocalIdentity,
    /// √(N − 1/w(J → J)): what is left of the identity part, a jump that changes nothing.
    Idle,
}

/// A product of slot operators with its coefficient; the last acts first.
#[derive(Clone, Debug, PartialEq)]
pub struct Monomial {
    /// The coefficient.
    pub coefficient: Complex64,
    /// Slot and operator.
    pub factors: Vec<(usize, SlotOp)>,
}

impl Monomial {
    /// factor·self†·right, for operators of cells and modes.
    pub fn adjoint_times(&self, right: &Self, factor: f64) -> Self {
        let conjugate = |op: SlotOp| match op {
            SlotOp::Lower => SlotOp::Raise,
            SlotOp::Raise => SlotOp::Lower,
            SlotOp::Annihilate => SlotOp::Create,
            SlotOp::Create => SlotOp::Annihilate,
            SlotOp::Transition(i, j) => SlotOp::Transition(j, i),
            same => same,
        };
        let turned = self.factors.iter().rev().map(|(slot, op)| (*slot, conjugate(*op)));
        Self {
            coefficient: self.coefficient.conj() * right.coefficient * factor,
            factors: turned.chain(right.factors.iter().copied()).collect(),
        }
    }
}

/// More states are not halved.
const MOST_HALVED: f64 = (1 << 14) as f64;
/// Fewest cells that are worth an operator without a matrix, which needs their whole space.
pub const FEWEST_CELLS: usize = 8;

/// Which slot or slots a subsystem occupies.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The slots.
    pub slots: Vec<Slot>,
    /// The sets of product states that its blocks are, where these were found from the pattern of matrices.
    pub sets: Option<Arc<Sets>>,
    /// The slots whose quanta together are limited, and how many there may be.
    pub at_most: Option<(Vec<usize>, i64)>,
    /// The slots of each subsystem: one for a spin, mode or multi-level system, one a cell otherwise.
    pub of: Vec<std::ops::Range<usize>>,
}

impl Layout {
    /// With `spins`, an ensemble is one spin; without, it is as many cells.
    pub fn new(problem: &Problem, spins: bool) -> Self {
        let (mut slots, mut of) = (Vec::new(), Vec::new());
        for subsystem in &problem.subsystems {
            let first = slots.len();
            match &subsystem.kind {
                Kind::Ensemble { cells } if spins => slots.push(Slot::Spin { cells: *cells }),
                Kind::Ensemble { cells } => slots.extend((0..*cells).map(|_| Slot::Cell)),
                Kind::Network { cells, .. } => slots.extend((0..*cells).map(|_| Slot::Cell)),
                Kind::Mode { cutoff } => slots.push(Slot::Mode { cutoff: *cutoff }),
                Kind::Levels { energies } => slots.push(Slot::Levels { levels: energies.len() }),
            }
            of.push(first..slots.len());
        }
        let at_most = problem.at_most().map(|limit| {
            let slots = limit.of.iter().flat_map(|e| of[e.index()].clone());
            (slots.collect(), limit.quanta as i64)
        });
        Self { slots, sets: None, at_most, of }
    }

    /// Whether blocks may be halved by parities: there are few states, which are not those of many cells, for whose whole
    /// space operators need no matrix.
    pub fn has_parities(&self) -> bool {
        let states: f64 = self.slots.iter().map(|slot| slot.most_levels() as f64).product();
        let cells = self.slots.iter().all(|slot| *slot == Slot::Cell);
        states <= MOST_HALVED && !(cells && self.slots.len() >= FEWEST_CELLS)
    }

    /// Number of states of at most so many quanta, all other slots at will.
    pub fn states_of_few_quanta(&self) -> f64 {
        let Some((limited, most)) = &self.at_most else { return f64::INFINITY };
        // Of each number of quanta, how many states have it.
        let mut count = vec![0.0; *most as usize + 1];
        count[0] = 1.0;
        let mut others = 1.0;
        for (index, slot) in self.slots.iter().enumerate() {
            if !limited.contains(&index) {
                others *= slot.most_levels() as f64;
                continue;
            }
            let before = count.clone();
            count.iter_mut().enumerate().for_each(|(quanta, count)| {
                *count = before[quanta.saturating_sub(slot.most_levels() - 1)..=quanta].iter().sum();
            });
        }
        others * count.iter().sum::<f64>()
    }

    /// Whether a subsystem is stored as one spin.
    pub fn is_spin(&self, subsystem: SubsystemId) -> bool {
        matches!(self.slots[self.of[subsystem.index()].start], Slot::Spin { .. })
    }

    /// What a product makes of a product state: new 2J, new levels, amplitude. `None` where it vanishes.
    pub fn act(&self, monomial: &Monomial, two_j: &mut [u64], levels: &mut [usize]) -> Option<Complex64> {
        let mut amplitude = monomial.coefficient;
        for &(slot, op) in monomial.factors.iter().rev() {
            let (j, level, factor) = self.slots[slot].act(op, two_j[slot], levels[slot])?;
            (two_j[slot], levels[slot]) = (j, level);
            amplitude *= factor;
        }
        Some(amplitude)
    }

    /// `sum` as products; operators without a site are summed over the cells of their subsystem.
    pub fn monomials(&self, sum: &OpSum) -> Vec<Monomial> {
        let mut all = Vec::new();
        for term in &sum.in_ladder_operators().terms {
            let mut products = vec![Monomial { coefficient: term.coefficient, factors: Vec::new() }];
            for factor in &term.factors {
                let slots = self.reach(factor);
                let op = slot_op(factor.op);
                products = products
                    .iter()
                    .flat_map(|p| {
                        slots.clone().map(|slot| {
                            let mut longer = p.clone();
                            longer.factors.push((slot, op));
                            longer
                        })
                    })
                    .collect();
            }
            all.extend(products);
        }
        self.collected(all)
    }

    fn reach(&self, factor: &Factor) -> std::ops::Range<usize> {
        let all = self.of[factor.subsystem.index()].clone();
        match factor.site {
            Some(site) => all.start + site..all.start + site + 1,
            None => all,
        }
    }

    /// Factors of different slots in one order, products of one cell reduced to a single operator, like terms added.
    pub fn collected(&self, products: Vec<Monomial>) -> Vec<Monomial> {
        let mut all: Vec<Monomial> = Vec::new();
        let mut places: HashMap<Vec<(usize, SlotOp)>, usize> = HashMap::new();
        for mut product in products {
            product.factors.sort_by_key(|(slot, _)| *slot);
            if !self.reduce_cells(&mut product) {
                continue;
            }
            match places.entry(product.factors.clone()) {
                Entry::Occupied(place) => all[*place.get()].coefficient += product.coefficient,
                Entry::Vacant(place) => {
                    place.insert(all.len());
                    all.push(product);
                }
            }
        }
        all.retain(|m| m.coefficient != Complex64::ZERO);
        all
    }

    /// σ⁺σ⁻ = n, σ⁻σ⁻ = 0, and so on; false when nothing is left. σ⁻σ⁺ = 1 − n stays as it is.
    fn reduce_cells(&self, product: &mut Monomial) -> bool {
        use SlotOp::{Lower, Number, Raise, Z};
        let mut reduced: Vec<(usize, SlotOp)> = Vec::with_capacity(product.factors.len());
        for &(slot, op) in &product.factors {
            let before = reduced.last().copied().filter(|(s, _)| *s == slot && self.slots[slot] == Slot::Cell);
            let Some((_, left)) = before else {
                reduced.push((slot, op));
                continue;
            };
            let (sign, replaced) = match (left, op) {
                (Lower, Lower) | (Raise, Raise) | (Raise, Number) | (Number, Lower) => return false,
                (Raise, Lower) | (Number, Number) => (1.0, Number),
                (Lower, Number) => (1.0, Lower),
                (Number, Raise) => (1.0, Raise),
                (Z, Lower) => (-1.0, Lower),
                (Lower, Z) | (Raise, Z) if op == Z => (if left == Lower { 1.0 } else { -1.0 }, left),
                (Z, Raise) => (1.0, Raise),
                (Z, Number) | (Number, Z) => (1.0, Number),
                _ => {
                    reduced.push((slot, op));
                    continue;
                }
            };
            product.coefficient *= sign;
            if let Some(last) = reduced.last_mut() {
                *last = (slot, replaced);
            }
        }
        product.factors = reduced;
        true
    }

    /// Σᵢ D\[oᵢ\] of a spin slot as jump operators: J → J − 1, J, J + 1, and the idle one of an identity part. `matrix` is
    /// the one-cell operator in the basis (e, g).
    pub fn local_jumps(slot: usize, matrix: [[Complex64; 2]; 2]) -> Vec<Vec<Monomial>> {
        let [[ee, eg], [ge, gg]] = matrix;
        let (plus, minus, z, identity) = (eg, ge, ee - gg, 0.5 * (ee + gg));
        let monomial = |coefficient, op| Monomial { coefficient, factors: vec![(slot, op)] };
        let present = |m: &Monomial| m.coefficient != Complex64::ZERO;
        let mut jumps: Vec<Vec<Monomial>> = [-1, 0, 1]
            .map(|dj| {
                let mut sum = vec![
                    monomial(minus, SlotOp::Local { dj, dm: -1 }),
                    monomial(z, SlotOp::Local { dj, dm: 0 }),
                    monomial(plus, SlotOp::Local { dj, dm: 1 }),
                ];
                if dj == 0 {
                    sum.push(monomial(identity, SlotOp::LocalIdentity));
                }
                sum.into_iter().filter(present).collect()
            })
            .into();
        jumps.push(vec![monomial(identity, SlotOp::Idle)].into_iter().filter(present).collect());
        jumps.retain(|sum| !sum.is_empty());
        jumps
    }
}

fn slot_op(op: Op) -> SlotOp {
    match op {
        Op::Lower => SlotOp::Lower,
        Op::Raise => SlotOp::Raise,
        Op::Number => SlotOp::Number,
        Op::Annihilate => SlotOp::Annihilate,
        Op::Create => SlotOp::Create,
        Op::Transition(i, j) => SlotOp::Transition(i, j),
        Op::Z | Op::X | Op::Y => SlotOp::Z, // X and Y were replaced by ladder operators before
    }
}

impl Slot {
    /// Number of levels, with 2J = `two_j` for a spin.
    pub fn levels(&self, two_j: u64) -> usize {
        match *self {
            Slot::Cell => 2,
            Slot::Spin { .. } => two_j as usize + 1,
            Slot::Mode { cutoff } => cutoff,
            Slot::Levels { levels } => levels,
        }
    }

    /// Most levels it can have: those of 2J = N for a spin.
    pub fn most_levels(&self) -> usize {
        match *self {
            Slot::Spin { cells } => cells as usize + 1,
            _ => self.levels(0),
        }
    }

    /// Quanta in level `level`: excited cells, photons; the level itself otherwise.
    pub fn quanta(&self, two_j: u64, level: usize) -> i64 {
        match *self {
            Slot::Spin { cells } => (cells - two_j) as i64 / 2 + level as i64,
            _ => level as i64,
        }
    }

    /// The one level that `op` does something to, if it is one alone.
    pub fn only_level(&self, op: SlotOp) -> Option<usize> {
        match (self, op) {
            (Slot::Cell, SlotOp::Lower | SlotOp::Number) => Some(1),
            (Slot::Cell, SlotOp::Raise) => Some(0),
            (Slot::Levels { .. }, SlotOp::Transition(_, from)) => Some(from),
            _ => None,
        }
    }

    /// What `op` makes of `level`: new 2J, new level, amplitude.
    pub fn act(&self, op: SlotOp, two_j: u64, level: usize) -> Option<(u64, usize, f64)> {
        let up = level as f64;
        let same = |amplitude: f64| Some((two_j, level, amplitude));
        match (*self, op) {
            (Slot::Cell, SlotOp::Lower) => (level == 1).then_some((two_j, 0, 1.0)),
            (Slot::Cell, SlotOp::Raise) => (level == 0).then_some((two_j, 1, 1.0)),
            (Slot::Cell, SlotOp::Z) => same(2.0 * up - 1.0),
            (Slot::Spin { .. }, SlotOp::Lower) => {
                (level > 0).then(|| (two_j, level - 1, (up * (two_j as f64 - up + 1.0)).sqrt()))
            }
            (Slot::Spin { .. }, SlotOp::Raise) => {
                (level < two_j as usize).then(|| (two_j, level + 1, ((two_j as f64 - up) * (up + 1.0)).sqrt()))
            }
            (Slot::Spin { .. }, SlotOp::Z) => same(2.0 * up - two_j as f64),
            (Slot::Spin { cells }, SlotOp::Local { dj, dm }) => {
                let (two_j, up, amplitude) = angular::local_amplitude(cells, two_j, level as u64, dj, dm)?;
                Some((two_j, up as usize, amplitude))
            }
            (Slot::Spin { cells }, SlotOp::LocalIdentity) => {
                let inverse = angular::inverse_weight(cells, two_j);
                (inverse > 0.0).then(|| (two_j, level, inverse.sqrt()))
            }
            (Slot::Spin { cells }, SlotOp::Idle) => {
                let rest = cells as f64 - angular::inverse_weight(cells, two_j);
                (rest > 1e-12 * cells as f64).then(|| (two_j, level, rest.sqrt()))
            }
            (Slot::Mode { .. }, SlotOp::Annihilate) => (level > 0).then(|| (two_j, level - 1, up.sqrt())),
            (Slot::Mode { cutoff }, SlotOp::Create) => {
                (level + 1 < cutoff).then(|| (two_j, level + 1, (up + 1.0).sqrt()))
            }
            (Slot::Levels { .. }, SlotOp::Transition(to, from)) => (level == from).then_some((two_j, to, 1.0)),
            (_, SlotOp::Number) => match self.quanta(two_j, level) {
                0 => None,
                quanta => same(quanta as f64),
            },
            _ => None, // an operator on the wrong kind, which a checked problem does not hold
        }
    }
}
