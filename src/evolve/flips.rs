//! Operators on many single cells without a matrix: a diagonal, and terms that flip some bits where others allow it.
//!
//! y = A x is gathered: y\[i\] = d\[i\] x\[i\] + Σ c x\[i ^ flip\]. A tile of y stays in the first cache until it is complete, and
//! within it four states at a time are a register or two, in which a flip of the last two cells is a fixed exchange of
//! places: every term moves at full width, whichever cells it is about.

use crate::space::blocks::{Monomial, SlotOp};
use num_complex::Complex64;

/// States of a tile.
const TILE: usize = 64;
/// States that move together, and their real and imaginary parts.
const CHUNK: usize = 4;
const PARTS: usize = 2 * CHUNK;
/// Chunks of a tile, as bits.
const ALL_CHUNKS: u16 = u16::MAX;

/// y\[i ^ flip\] += c x\[i\] for all i with i & need = value.
#[derive(Clone, Copy, Debug)]
struct Flip {
    need: usize,
    value: usize,
    flip: usize,
    coefficient: Complex64,
}

/// The same on tiles, as numbers of real type: part k of a chunk of y gets coefficient\[k\] times part k ^ exchange of a chunk of x.
#[derive(Clone, Debug)]
struct Gather {
    /// Above the tile: what of it is needed in x, and where x lies.
    need: usize,
    value: usize,
    flip: usize,
    /// The chunks of y that get anything, and from where.
    chunks: u16,
    chunk_flip: usize,
    exchange: usize,
    coefficient: [f64; PARTS],
}

/// Σ of a diagonal and of flips on 2^cells states, cell 0 the most significant bit.
#[derive(Clone, Debug)]
pub struct Flips {
    cells: usize,
    diagonal: Vec<Complex64>,
    flips: Vec<Flip>,
    gathers: Vec<Gather>,
    /// Terms of a single state each: to, from, coefficient.
    single: Vec<(usize, usize, Complex64)>,
}

impl Flips {
    /// From products of cell operators on at least a tile of states.
    pub fn new(cells: usize, terms: &[Monomial]) -> Self {
        let largest = terms.iter().map(|t| t.coefficient.norm()).fold(0.0, f64::max);
        let mut diagonal = Vec::new();
        let (mut flips, mut single): (Vec<Flip>, Vec<(usize, usize, Complex64)>) = (Vec::new(), Vec::new());
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
                    single.push((to, state, amplitude));
                }
            }
        }
        while join(&mut flips) {}
        let gathers = flips.iter().flat_map(Gather::of).collect();
        Self { cells, diagonal, flips, gathers, single }
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        1 << self.cells
    }

    /// Multiplications of one application.
    pub fn entries(&self) -> usize {
        let of = |f: &Flip| 1usize << (self.cells - f.need.count_ones() as usize);
        self.flips.iter().map(of).sum::<usize>() + self.single.len() + self.diagonal.len()
    }

    /// y = factor·A x.
    #[inline(always)]
    pub fn apply(&self, x: &[Complex64], y: &mut [Complex64], factor: f64) {
        debug_assert_eq!((x.len(), y.len()), (self.states(), self.states()));
        let (x, y): (&[f64], &mut [f64]) = (bytemuck::cast_slice(x), bytemuck::cast_slice_mut(y));
        let diagonal: &[f64] = bytemuck::cast_slice(&self.diagonal);
        for base in (0..self.states()).step_by(TILE) {
            let tile = tile_mut(y, base);
            if diagonal.is_empty() {
                tile.fill(0.0);
            } else {
                multiply(tile, tile_of(x, base), tile_of(diagonal, base), factor);
            }
            for gather in &self.gathers {
                let from = base ^ gather.flip;
                if from & gather.need == gather.value {
                    gather.add(tile, tile_of(x, from), factor);
                }
            }
        }
        for (to, from, c) in &self.single {
            let (re, im) = (c.re * factor, c.im * factor);
            y[2 * to] += re * x[2 * from] - im * x[2 * from + 1];
            y[2 * to + 1] += re * x[2 * from + 1] + im * x[2 * from];
        }
    }

    /// ‖A x‖² where A is one flip, which takes no two states to the same: |c|² times the weight of the states it moves.
    #[inline(always)]
    pub fn image_norm(&self, x: &[Complex64]) -> Option<f64> {
        let [flip] = self.flips[..] else { return None };
        if !self.diagonal.is_empty() || !self.single.is_empty() {
            return None;
        }
        let below = flip.need.trailing_zeros().min(self.cells as u32);
        let (run, count) = (1usize << below, self.states() >> (flip.need.count_ones() + below));
        let (mut base, mut sum) = (0, 0.0);
        for _ in 0..count {
            let from = base | flip.value;
            sum += super::norm_sqr(&x[from..from + run]);
            // The next number among the bits that are free, above the run.
            base = (((base | flip.need) + run) & !flip.need) & (self.states() - 1);
        }
        Some(flip.coefficient.norm_sqr() * sum)
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
        let single = self.single.iter().map(|(.., c)| c.norm()).sum::<f64>();
        largest + pairs.iter().map(|p| p.2).sum::<f64>() + single
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

/// Make one of two flips that differ in what they ask of one cell, as those of σˣ = σ⁺ + σ⁻ do; whether there were any.
fn join(flips: &mut Vec<Flip>) -> bool {
    for a in 0..flips.len() {
        for b in a + 1..flips.len() {
            let (one, two) = (flips[a], flips[b]);
            let differ = one.value ^ two.value;
            if (one.need, one.flip, one.coefficient) == (two.need, two.flip, two.coefficient)
                && differ.is_power_of_two()
            {
                flips[a] = Flip { need: one.need & !differ, value: one.value & !differ, ..one };
                flips.remove(b);
                return true;
            }
        }
    }
    false
}

impl Gather {
    /// The real and the imaginary part of a flip's coefficient, each if it is not 0.
    fn of(flip: &Flip) -> impl Iterator<Item = Self> {
        let (above, within) = (|bits: usize| bits & !(TILE - 1), |bits: usize| bits & (TILE - 1));
        let comes = |to: usize| (to ^ within(flip.flip)) & within(flip.need) == within(flip.value);
        let chunks = (0..TILE / CHUNK).filter(|chunk| (0..CHUNK).any(|k| comes(chunk * CHUNK + k)));
        let bits = chunks.fold(0, |bits, chunk| bits | 1u16 << chunk);
        // Which states of a chunk get anything is the same in all that do.
        let first = bits.trailing_zeros() as usize * CHUNK;
        let Complex64 { re, im } = flip.coefficient;
        // (re + i im)(x + iy): the imaginary part exchanges x and y.
        let parts = [(re, re, 0), (-im, im, 1)];
        let flip = *flip;
        let gather = move |(of_re, of_im, exchange): (f64, f64, usize)| {
            let on = |k: usize| {
                let (to, part) = (first + k / 2, if k.is_multiple_of(2) { of_re } else { of_im });
                if (to ^ within(flip.flip)) & within(flip.need) == within(flip.value) { part } else { 0.0 }
            };
            Self {
                need: above(flip.need),
                value: above(flip.value),
                flip: above(flip.flip),
                chunks: bits,
                chunk_flip: within(flip.flip) / CHUNK,
                exchange: 2 * (flip.flip % CHUNK) + exchange,
                coefficient: std::array::from_fn(on),
            }
        };
        parts.into_iter().filter(|(_, part, _)| *part != 0.0).map(gather)
    }

    /// Add what comes from a tile of x.
    #[inline(always)]
    fn add(&self, y: &mut [f64; 2 * TILE], x: &[f64; 2 * TILE], factor: f64) {
        match self.exchange {
            0 => self.add_exchanged::<0>(y, x, factor),
            1 => self.add_exchanged::<1>(y, x, factor),
            2 => self.add_exchanged::<2>(y, x, factor),
            3 => self.add_exchanged::<3>(y, x, factor),
            4 => self.add_exchanged::<4>(y, x, factor),
            5 => self.add_exchanged::<5>(y, x, factor),
            6 => self.add_exchanged::<6>(y, x, factor),
            _ => self.add_exchanged::<7>(y, x, factor),
        }
    }

    #[inline(always)]
    fn add_exchanged<const EXCHANGE: usize>(&self, y: &mut [f64; 2 * TILE], x: &[f64; 2 * TILE], factor: f64) {
        let c: [f64; PARTS] = std::array::from_fn(|k| self.coefficient[k] * factor);
        if self.chunks == ALL_CHUNKS {
            for chunk in 0..TILE / CHUNK {
                add_chunk::<EXCHANGE>(chunk_mut(y, chunk), chunk_of(x, chunk ^ self.chunk_flip), c);
            }
        } else {
            let mut left = self.chunks;
            while left != 0 {
                let chunk = left.trailing_zeros() as usize;
                add_chunk::<EXCHANGE>(chunk_mut(y, chunk), chunk_of(x, chunk ^ self.chunk_flip), c);
                left &= left - 1;
            }
        }
    }
}

/// By arrays of known size, so that the compiler sees that they are registers.
#[inline(always)]
fn add_chunk<const EXCHANGE: usize>(y: &mut [f64; PARTS], x: [f64; PARTS], c: [f64; PARTS]) {
    let moved: [f64; PARTS] = std::array::from_fn(|k| x[k ^ EXCHANGE]);
    for k in 0..PARTS {
        y[k] += c[k] * moved[k];
    }
}

#[inline(always)]
fn tile_of(x: &[f64], base: usize) -> &[f64; 2 * TILE] {
    x[2 * base..][..2 * TILE].try_into().expect("whole tiles")
}

#[inline(always)]
fn tile_mut(x: &mut [f64], base: usize) -> &mut [f64; 2 * TILE] {
    (&mut x[2 * base..][..2 * TILE]).try_into().expect("whole tiles")
}

#[inline(always)]
fn chunk_of(x: &[f64; 2 * TILE], chunk: usize) -> [f64; PARTS] {
    let at = chunk % (TILE / CHUNK) * PARTS;
    x[at..at + PARTS].try_into().expect("whole chunks")
}

#[inline(always)]
fn chunk_mut(x: &mut [f64; 2 * TILE], chunk: usize) -> &mut [f64; PARTS] {
    let at = chunk % (TILE / CHUNK) * PARTS;
    (&mut x[at..at + PARTS]).try_into().expect("whole chunks")
}

/// y = factor·d x, state by state.
#[inline(always)]
fn multiply(y: &mut [f64; 2 * TILE], x: &[f64; 2 * TILE], d: &[f64; 2 * TILE], factor: f64) {
    for chunk in 0..TILE / CHUNK {
        let (x, d) = (chunk_of(x, chunk), chunk_of(d, chunk));
        let re: [f64; PARTS] = std::array::from_fn(|k| d[k & !1] * factor);
        let im: [f64; PARTS] = std::array::from_fn(|k| d[k | 1] * if k.is_multiple_of(2) { -factor } else { factor });
        let exchanged: [f64; PARTS] = std::array::from_fn(|k| x[k ^ 1]);
        let y = chunk_mut(y, chunk);
        for k in 0..PARTS {
            y[k] = re[k] * x[k] + im[k] * exchanged[k];
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Products of up to three operators on any cells, with real, imaginary and complex coefficients, against their action
    /// state by state.
    #[test]
    fn gathered_products_are_those_state_by_state() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for cells in [8, 9] {
            for _ in 0..40 {
                let ops = [SlotOp::Lower, SlotOp::Raise, SlotOp::Number, SlotOp::Z];
                let mut terms = Vec::new();
                for _ in 0..rng.random_range(1..12) {
                    let coefficient = [Complex64::new(0.7, 0.0), Complex64::new(0.0, -0.3), Complex64::new(0.2, 0.5)];
                    let mut slots: Vec<usize> =
                        (0..rng.random_range(1..4)).map(|_| rng.random_range(0..cells)).collect();
                    slots.sort();
                    let factors = slots.iter().map(|slot| (*slot, ops[rng.random_range(0..4)])).collect();
                    terms.push(Monomial { coefficient: coefficient[rng.random_range(0..3)], factors });
                }
                // σˣ of the first and of the last cell, whose halves are joined.
                for slot in [0, cells - 1] {
                    for op in [SlotOp::Lower, SlotOp::Raise] {
                        terms.push(Monomial { coefficient: Complex64::new(0.0, -0.2), factors: vec![(slot, op)] });
                    }
                }
                let d = 1 << cells;
                let x: Vec<Complex64> =
                    (0..d).map(|_| Complex64::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))).collect();
                let mut expected = vec![Complex64::ZERO; d];
                let bit = |slot: usize| 1usize << (cells - 1 - slot);
                for term in &terms {
                    for state in 0..d {
                        if let Some((to, amplitude)) = act(term, state, &bit) {
                            expected[to] += 0.5 * amplitude * x[state];
                        }
                    }
                }
                let flips = Flips::new(cells, &terms);
                let mut y = vec![Complex64::ONE; d];
                flips.apply(&x, &mut y, 0.5);
                for (y, e) in y.iter().zip(&expected) {
                    assert!((y - e).norm() < 1e-13, "{y} {e} {terms:?}");
                }
                let alone = Flips::new(cells, &terms[..1]);
                alone.apply(&x, &mut y, 1.0);
                if let Some(norm) = alone.image_norm(&x) {
                    assert!((norm - crate::evolve::norm_sqr(&y)).abs() < 1e-12 * (1.0 + norm), "{norm}");
                }
            }
        }
    }
}
