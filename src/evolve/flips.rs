//! Operators on many single cells without a matrix: a diagonal, and terms that flip some bits where others allow it.
//!
//! The terms of a network touch few cells, so that whole runs of amplitudes move alike: contiguous sums without an index
//! to look up, and no memory but the vectors.

use crate::space::blocks::{Monomial, SlotOp};
use num_complex::Complex64;

/// y\[i ^ flip\] += c x\[i\] for all i with i & need = value.
#[derive(Clone, Copy, Debug)]
struct Flip {
    need: usize,
    value: usize,
    flip: usize,
    coefficient: Complex64,
}

/// Σ of a diagonal and of flips on 2^cells states, cell 0 the most significant bit.
#[derive(Clone, Debug)]
pub struct Flips {
    cells: usize,
    diagonal: Vec<Complex64>,
    flips: Vec<Flip>,
}

impl Flips {
    /// From products of cell operators.
    pub fn new(cells: usize, terms: &[Monomial]) -> Self {
        let largest = terms.iter().map(|t| t.coefficient.norm()).fold(0.0, f64::max);
        let mut diagonal = Vec::new();
        let mut flips: Vec<Flip> = Vec::new();
        for term in terms.iter().filter(|t| t.coefficient.norm() > 1e-14 * largest) {
            let bit = |slot: usize| 1usize << (cells - 1 - slot);
            let moves = term.factors.iter().any(|(_, op)| matches!(op, SlotOp::Lower | SlotOp::Raise));
            let spread = term.factors.iter().any(|(_, op)| *op == SlotOp::Z);
            if moves && !spread && distinct(term) {
                let (mut need, mut value, mut flip) = (0, 0, 0);
                for &(slot, op) in &term.factors {
                    need |= bit(slot);
                    if op != SlotOp::Raise {
                        value |= bit(slot);
                    }
                    if op != SlotOp::Number {
                        flip |= bit(slot);
                    }
                }
                match flips.iter_mut().find(|f| (f.need, f.value, f.flip) == (need, value, flip)) {
                    Some(same) => same.coefficient += term.coefficient,
                    None => flips.push(Flip { need, value, flip, coefficient: term.coefficient }),
                }
                continue;
            }
            // Anything else state by state: where it leads, one flip or the diagonal for each.
            for state in 0..1usize << cells {
                let Some((to, amplitude)) = act(term, state, &bit) else { continue };
                if to == state {
                    if diagonal.is_empty() {
                        diagonal = vec![Complex64::ZERO; 1 << cells];
                    }
                    diagonal[state] += amplitude;
                } else {
                    let all = (1 << cells) - 1;
                    flips.push(Flip { need: all, value: state, flip: to ^ state, coefficient: amplitude });
                }
            }
        }
        // Long runs first touch memory in order.
        flips.sort_by_key(|f| std::cmp::Reverse(f.need.trailing_zeros()));
        Self { cells, diagonal, flips }
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        1 << self.cells
    }

    /// Multiplications of one application.
    pub fn entries(&self) -> usize {
        let of = |f: &Flip| 1usize << (self.cells - f.need.count_ones() as usize);
        self.flips.iter().map(of).sum::<usize>() + self.diagonal.len()
    }

    /// y = factor·A x.
    #[inline(always)]
    pub fn apply(&self, x: &[Complex64], y: &mut [Complex64], factor: f64) {
        match self.diagonal.is_empty() {
            true => y.fill(Complex64::ZERO),
            false => {
                for ((y, x), d) in y.iter_mut().zip(x).zip(&self.diagonal) {
                    *y = d * x * factor;
                }
            }
        }
        for flip in &self.flips {
            let c = flip.coefficient * factor;
            let run = 1usize << flip.need.trailing_zeros();
            let count = self.states() >> (flip.need.count_ones() as usize + flip.need.trailing_zeros() as usize);
            let mut base = 0;
            for _ in 0..count {
                let from = base | flip.value;
                let to = from ^ flip.flip;
                if run == 1 {
                    y[to] += c * x[from];
                } else {
                    let (source, target) = (&x[from..from + run], &mut y[to..to + run]);
                    target.iter_mut().zip(source).for_each(|(y, x)| *y += c * x);
                }
                // The next number among the bits that are free, above the run.
                base = (((base | flip.need) + run) & !flip.need) & (self.states() - 1);
            }
        }
    }

    /// An upper bound of the 2-norm: |d| + Σ|c|, every flip being at most an isometry.
    pub fn size(&self) -> f64 {
        let largest = self.diagonal.iter().map(|d| d.norm()).fold(0.0, f64::max);
        // A flip and its reverse act on different states: together no more than the larger of them.
        let mut pairs: Vec<(usize, usize, f64)> = Vec::new();
        for f in &self.flips {
            let key = (f.need, f.flip);
            match pairs.iter_mut().find(|(need, flip, _)| (*need, *flip) == key) {
                Some((.., size)) => *size = size.max(f.coefficient.norm()),
                None => pairs.push((f.need, f.flip, f.coefficient.norm())),
            }
        }
        largest + pairs.iter().map(|p| p.2).sum::<f64>()
    }

    /// The diagonal, empty if it is zero.
    pub fn diagonal(&self) -> &[Complex64] {
        &self.diagonal
    }

    /// The same, to be changed.
    pub fn diagonal_mut(&mut self) -> &mut Vec<Complex64> {
        &mut self.diagonal
    }
}

/// Whether no cell comes twice.
fn distinct(term: &Monomial) -> bool {
    term.factors.windows(2).all(|w| w[0].0 != w[1].0)
}

/// What a product makes of one state.
fn act(term: &Monomial, mut state: usize, bit: &dyn Fn(usize) -> usize) -> Option<(usize, Complex64)> {
    let mut amplitude = term.coefficient;
    for &(slot, op) in term.factors.iter().rev() {
        let up = state & bit(slot) != 0;
        match (op, up) {
            (SlotOp::Lower, true) | (SlotOp::Raise, false) => state ^= bit(slot),
            (SlotOp::Number, true) | (SlotOp::Z, true) => {}
            (SlotOp::Z, false) => amplitude = -amplitude,
            _ => return None,
        }
    }
    Some((state, amplitude))
}
