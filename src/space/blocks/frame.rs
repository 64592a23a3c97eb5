//! The bands of one block, filled in where a state lies, with zeros beside them so that products need no edges.
//!
//! A [`Frame`] that has entered a block gives its lists only by way of [`Frame::cover`], which fills in the levels over a
//! window, and [`Covered::prepare`], which fills in an operator: what is out of date cannot be read.

use super::bands::{Amplitude, Banded, Bands, MOST_DIAGONALS, MOST_SLOTS};
use super::basis::Key;
use super::{Blocks, Slot};
use std::ops::Range;

/// One band in numbers, real and imaginary parts; empty where they are all zero.
#[derive(Clone, Debug, Default)]
struct Values {
    re: Vec<f64>,
    im: Vec<f64>,
    fresh: bool,
}

/// Everything that is filled in for one block.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The block.
    pub key: Key,
    /// The places that are filled in.
    span: Range<usize>,
    /// Of each slot, the levels at those places, up to a base that the block decides.
    levels: Vec<Vec<f64>>,
    bases: Vec<f64>,
    /// 2J of each slot that the chains were filled in for.
    spins: Vec<u64>,
    chains: Vec<(Vec<f64>, bool)>,
    values: Vec<Values>,
}

/// A frame that is filled in over a window of places, until it enters another block.
#[derive(Debug)]
pub struct Covered<'a> {
    frame: &'a mut Frame,
    of: &'a Blocks,
    bands: &'a Bands,
}

/// An operator that is filled in there.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    frame: &'a Frame,
    /// All operators of the problem.
    pub bands: &'a Bands,
    operator: &'a Banded,
}

/// One list of an operator: y\[t\] += v\[t\]·x\[t − offset\], with an i if it is turned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Diagonal<'a> {
    /// v from the start of the window on.
    pub values: &'a [f64],
    /// How far amplitudes move.
    pub offset: isize,
    /// Whether it is imaginary.
    pub turned: bool,
}

/// Lattices up to this size are filled in wholly.
const WHOLE: usize = 256;

impl Frame {
    /// Nothing filled in yet.
    pub fn new(of: &Blocks, bands: &Bands, key: Key) -> Self {
        let slots = of.layout.slots.len();
        Self {
            span: 0..0,
            levels: vec![Vec::new(); slots],
            bases: (0..slots).map(|slot| bands.lattice.base(of, slot, &key)).collect(),
            chains: vec![(Vec::new(), false); bands.chains.len()],
            values: vec![Values::default(); bands.all.len()],
            spins: key.two_j.clone(),
            key,
        }
    }

    /// Most states the block can have.
    pub fn states(&self, of: &Blocks, bands: &Bands) -> usize {
        let levels = |slot: &usize| of.layout.slots[*slot].levels(self.key.two_j[*slot]);
        bands.lattice.slots().map(|slot| levels(&slot)).product()
    }

    /// Go to another block; what does not change with it stays.
    #[inline(always)]
    pub fn enter(&mut self, of: &Blocks, bands: &Bands, change: impl FnOnce(&mut Key)) {
        change(&mut self.key);
        let mut moved = [false; MOST_SLOTS];
        for slot in 0..self.bases.len() {
            let base = bands.lattice.base(of, slot, &self.key);
            moved[slot] = base != self.bases[slot] || self.spins[slot] != self.key.two_j[slot];
            self.bases[slot] = base;
        }
        self.spins.copy_from_slice(&self.key.two_j);
        for (chain, (_, fresh)) in bands.chains.iter().zip(&mut self.chains) {
            *fresh &= !moved[chain.slot];
        }
        for (band, values) in bands.all.iter().zip(&mut self.values) {
            values.fresh &= band.terms.iter().flat_map(|term| &term.chains).all(|chain| self.chains[*chain].1);
        }
    }

    /// Fill in `window` at least.
    #[inline(always)]
    pub fn cover<'a>(&'a mut self, of: &'a Blocks, bands: &'a Bands, window: &Range<usize>) -> Covered<'a> {
        self.span_over(of, bands, window);
        Covered { frame: self, of, bands }
    }

    #[inline(always)]
    fn span_over(&mut self, of: &Blocks, bands: &Bands, window: &Range<usize>) {
        if self.span.start <= window.start && window.end <= self.span.end && self.span.len() < 4 * window.len() + WHOLE
        {
            return;
        }
        let size = bands.lattice.size;
        self.span = if size <= WHOLE {
            0..size
        } else {
            let slack = window.len() / 8 + bands.margin;
            window.start.saturating_sub(slack)..(window.end + slack).min(size)
        };
        for (slot, levels) in self.levels.iter_mut().enumerate() {
            levels.resize(self.span.len(), 0.0);
            bands.lattice.levels(of, slot, self.span.start, levels);
        }
        for (values, fresh) in &mut self.chains {
            values.clear(); // the margins stay zero
            *fresh = false;
        }
        self.values.iter_mut().for_each(|values| values.fresh = false);
    }

    #[inline(always)]
    fn fill(&mut self, of: &Blocks, bands: &Bands, chain: usize) {
        let (values, fresh) = &mut self.chains[chain];
        if *fresh {
            return;
        }
        let kind = &bands.chains[chain];
        let slot: &Slot = &of.layout.slots[kind.slot];
        values.resize(self.span.len() + 2 * bands.margin, 0.0);
        let amplitude = Amplitude::new(kind, slot, self.key.two_j[kind.slot]);
        amplitude.fill(&self.levels[kind.slot], self.bases[kind.slot], &mut values[bands.margin..]);
        *fresh = true;
    }

    /// Σ over the terms of a band.
    #[inline(always)]
    fn combine(&mut self, bands: &Bands, band: usize) {
        let Self { chains, values, span, .. } = self;
        let Values { re, im, .. } = &mut values[band];
        let terms = &bands.all[band].terms;
        let (margin, length) = (bands.margin, span.len());
        for (part, complex) in [(re, false), (im, true)] {
            let of = |c: num_complex::Complex64| if complex { c.im } else { c.re };
            if terms.iter().all(|term| of(term.coefficient) == 0.0) {
                part.clear();
                continue;
            }
            part.clear();
            part.resize(length + 2 * margin, 0.0);
            let part = &mut part[margin..margin + length];
            for term in terms {
                let c = of(term.coefficient);
                match term.chains[..] {
                    _ if c == 0.0 => {}
                    [] => part.iter_mut().for_each(|y| *y += c),
                    [a] => {
                        let a = &chains[a].0[margin..margin + length];
                        for (y, a) in part.iter_mut().zip(a) {
                            *y += c * a;
                        }
                    }
                    [a, b] => {
                        let (a, b) = (&chains[a].0[margin..margin + length], &chains[b].0[margin..margin + length]);
                        for ((y, a), b) in part.iter_mut().zip(a).zip(b) {
                            *y += c * a * b;
                        }
                    }
                    ref several => {
                        for (i, y) in part.iter_mut().enumerate() {
                            *y += several.iter().fold(c, |product, chain| product * chains[*chain].0[margin + i]);
                        }
                    }
                }
            }
        }
    }

    /// The lists of a band, and whether they are imaginary.
    #[inline(always)]
    fn lists(&self, band: usize) -> impl Iterator<Item = (&[f64], bool)> {
        let Values { re, im, .. } = &self.values[band];
        [(&re[..], false), (&im[..], true)].into_iter().filter(|(v, _)| !v.is_empty())
    }
}

impl Covered<'_> {
    /// Fill in the bands of `operator`, where they are not.
    #[inline(always)]
    pub fn prepare<'a>(&'a mut self, operator: &'a Banded) -> Prepared<'a> {
        let (frame, of, bands) = (&mut *self.frame, self.of, self.bands);
        for band in operator.clone() {
            if frame.values[band].fresh {
                continue;
            }
            for term in &bands.all[band].terms {
                for &chain in &term.chains {
                    frame.fill(of, bands, chain);
                }
            }
            frame.combine(bands, band);
            frame.values[band].fresh = true;
        }
        Prepared { frame, bands, operator }
    }
}

impl<'a> Prepared<'a> {
    /// The largest distance over which it moves amplitudes.
    #[inline(always)]
    pub fn reach(&self) -> usize {
        self.bands.reach(self.operator)
    }

    /// Its lists, as seen from a window that starts at `start`; returns how many.
    #[inline(always)]
    pub fn parts(&self, start: usize, out: &mut [Diagonal<'a>; MOST_DIAGONALS]) -> usize {
        let Self { frame, bands, operator } = *self;
        let mut count = 0;
        for band in operator.clone() {
            let offset = bands.all[band].offset;
            let first = (start + bands.margin - frame.span.start).wrapping_add_signed(-offset);
            for (values, turned) in frame.lists(band) {
                out[count] = Diagonal { values: &values[first..], offset, turned };
                count += 1;
            }
        }
        count
    }

    /// ‖A x‖² of an operator A with a single band, for amplitudes `x` at `window`; `None` if there are several.
    #[inline(always)]
    pub fn image_norm(&self, x: &[f64], window: &Range<usize>) -> Option<f64> {
        if self.operator.len() != 1 {
            return None;
        }
        let (place, n) = (window.start + self.bands.margin - self.frame.span.start, window.len());
        let mut sum = 0.0;
        for (v, _) in self.frame.lists(self.operator.start) {
            for plane in x.chunks_exact(n.max(1)) {
                sum += weighted_norm(&v[place..place + n], plane);
            }
        }
        Some(sum)
    }
}

/// Σ v²x².
#[inline(always)]
fn weighted_norm(v: &[f64], x: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let whole = x.len() / 8 * 8;
    let mut start = 0;
    while start < whole {
        for k in 0..8 {
            let product = v[start + k] * x[start + k];
            lanes[k] += product * product;
        }
        start += 8;
    }
    let mut rest = 0.0;
    for i in whole..x.len() {
        rest += (v[i] * x[i]) * (v[i] * x[i]);
    }
    lanes.iter().sum::<f64>() + rest
}
