//! No-jump evolution of a state that is kept where it has weight: Taylor polynomials of exp(tK)ψ to rounding, in a
//! window of the lattice that is widened until nothing reaches its edges.
//!
//! ψ(t + s) = e^{μs} Σ_n v_n sⁿ, (n + 1) v_{n+1} = (K − μ) v_n, with μ = ⟨K⟩ in ψ itself: the terms then fall with the
//! spread of K in the state, which is far less than its norm when the state is narrow.

use super::kernel::{Shape, dot, gather, polynomial, scale, shift};
use crate::error::RunError;
use crate::evolve::{Bracket, too_fast};
use crate::space::blocks::{Banded, Bands, Blocks, Diagonal, Frame, MOST_DIAGONALS, Prepared};
use crate::stop::Stop;
use pulp::Simd;
use std::ops::Range;

/// Highest order of a polynomial.
const ORDER: usize = 44;
/// Largest spread × length to try, and ln of the largest term that is allowed.
const REACH: f64 = 4.0;
/// A polynomial that holds for less than this part of its length is made anew.
const SHRUNK: f64 = 0.1;
/// Squares of what is small against the state: terms, and what reaches an edge.
const VANISHED: f64 = 1e-34;
const LOST: f64 = 1e-32;
/// Polynomials on end that may fall short in a block, and once one of its kind was stiff.
const PATIENCE: usize = 64;
const IMPATIENCE: usize = 2;
/// Squares of amplitudes that are trimmed from the ends of a state, relative to its norm².
const TRIMMED: f64 = 1e-36;

/// A state where it has weight.
#[derive(Clone, Debug)]
pub struct Strip {
    /// Real parts at the places of `window`, then, where there are any, imaginary ones.
    pub parts: Vec<f64>,
    /// 1 or 2 of them.
    pub planes: usize,
    /// The places.
    pub window: Range<usize>,
    /// ‖ψ‖², 1 after a jump.
    pub norm: f64,
    /// Time since the step began.
    pub time: f64,
    /// How many reaches of the generator the window is widened by for the next polynomial.
    pad: usize,
    /// How many polynomials on end may fall short of a jump or row before the block is called stiff.
    patience: usize,
}

/// How an evolution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the time asked for.
    Row,
    /// At a jump.
    Jump,
    /// Polynomials are too short: the block has processes much faster than what happens.
    Stiff,
}

/// What came of an expansion.
enum Expansion {
    /// It holds for so long.
    Holds(f64),
    /// Something has reached an edge of the window.
    Spilt,
    /// Terms grow beyond all bounds: to be tried for so long only.
    Shorter(f64),
}

/// Vectors used on the way.
#[derive(Debug, Default)]
pub struct BandWorkspace {
    /// v_0, v_1, … one after the other.
    terms: Vec<f64>,
    shape: Shape,
    /// How many of them have zeros beside them.
    clean: usize,
    order: usize,
    /// Where they lie.
    window: Range<usize>,
    /// They are in units of this length.
    length: f64,
    /// Re μ.
    mean: f64,
    vector: Vec<f64>,
    /// ‖Lψ‖² of the jump operators.
    pub weights: Vec<f64>,
}

impl Strip {
    /// A state whose amplitudes are `parts` at `window`.
    pub fn new(parts: Vec<f64>, planes: usize, window: Range<usize>) -> Self {
        let mut strip =
            Self { parts: Vec::new(), planes, window: 0..0, norm: 1.0, time: 0.0, pad: 8, patience: PATIENCE };
        strip.take(&parts, Shape { planes, n: window.len(), margin: 0 }, window.start, 1.0);
        strip
    }

    /// Go on from another state.
    pub fn replace(&mut self, by: Self, norm: f64, time: f64) {
        *self = Self { norm, time, patience: self.patience, ..by };
    }

    /// Take over amplitudes of norm² `norm`, without the ends where they have vanished.
    #[inline(always)]
    fn take(&mut self, from: &[f64], shape: Shape, start: usize, norm: f64) {
        let n = shape.n;
        let small = TRIMMED * norm;
        let (re, im) = (&from[shape.plane(0)], &from[shape.plane(self.planes - 1)]);
        let size = |i: usize| re[i] * re[i] + im[i] * im[i];
        let first = start;
        let mut start = 0;
        while start < n && size(start) <= small {
            start += 1;
        }
        let mut end = n;
        while end > start && size(end - 1) <= small {
            end -= 1;
        }
        self.parts.resize(self.planes * (end - start), 0.0);
        for plane in 0..self.planes {
            let kept = end - start;
            let own = &from[shape.plane(plane)];
            self.parts[plane * kept..(plane + 1) * kept].copy_from_slice(&own[start..end]);
        }
        self.window = first + start..first + end;
        self.norm = norm;
    }
}

impl BandWorkspace {
    /// Evolve to time `until`, or until ‖ψ‖² has fallen to `threshold`; `tables` says whether there is another way for a
    /// stiff block.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when double precision does not hold the evolution, [`RunError::Interrupted`].
    #[inline(always)]
    pub fn advance<S: Simd>(
        &mut self,
        simd: S,
        (of, bands, operator): (&Blocks, &Bands, &Banded),
        frame: &mut Frame,
        state: &mut Strip,
        (until, threshold, tables): (f64, f64, bool),
        stop: &Stop,
    ) -> Result<End, RunError> {
        let (mut short, mut lost) = (0, 0);
        while state.time < until {
            stop.check()?;
            if tables && short >= state.patience {
                state.patience = IMPATIENCE;
                return Ok(End::Stiff);
            }
            let left = until - state.time;
            let length = self.expand(simd, (of, bands, operator), frame, state, left, threshold);
            let end = self.evaluate(simd, length);
            let next = if length == left { until } else { state.time + length };
            if !end.is_finite() {
                state.norm = end; // for the engine to refuse
                return Ok(End::Row);
            }
            if end <= threshold {
                let at = self.crossing(simd, length, state.norm, end, threshold);
                let norm = self.evaluate(simd, at);
                state.take(&self.vector, self.shape, self.window.start, norm);
                state.time += at;
                return Ok(End::Jump);
            }
            // A step may be lost in rounding just before a jump, but not one after the other.
            lost = if next > state.time { 0 } else { lost + 1 };
            if lost > PATIENCE {
                return Err(too_fast(state.time, length));
            }
            short += usize::from(length < left);
            state.take(&self.vector, self.shape, self.window.start, end);
            state.time = next;
        }
        Ok(End::Row)
    }

    /// Expand about the state; returns for how long, at most `left`, the polynomial holds.
    #[inline(always)]
    fn expand<S: Simd>(
        &mut self,
        simd: S,
        (of, bands, operator): (&Blocks, &Bands, &Banded),
        frame: &mut Frame,
        state: &mut Strip,
        left: f64,
        threshold: f64,
    ) -> f64 {
        let (reach, size) = (bands.reach(operator), bands.lattice.size);
        let mut left = left;
        loop {
            self.window = bands.lattice.around(&state.window, state.pad * reach);
            let mut covered = frame.cover(of, bands, &self.window);
            self.open(bands, state);
            let generator = covered.prepare(operator);
            let edges = (if self.window.start > 0 { reach } else { 0 }, if self.window.end < size { reach } else { 0 });
            match self.fill(simd, &generator, state, (left, threshold), edges) {
                Expansion::Holds(length) => return length,
                Expansion::Spilt => state.pad *= 2,
                Expansion::Shorter(length) => left = length,
            }
        }
    }

    /// The terms.
    #[inline(always)]
    fn fill<S: Simd>(
        &mut self,
        simd: S,
        generator: &Prepared,
        state: &Strip,
        (left, threshold): (f64, f64),
        edges: (usize, usize),
    ) -> Expansion {
        let shape = self.shape;
        let (n, w) = (shape.n, shape.size());
        let mut parts = [Diagonal::default(); MOST_DIAGONALS];
        let count = generator.parts(self.window.start, &mut parts);
        let parts = &parts[..count];
        let norm = state.norm;
        let (vanished, lost) = (VANISHED * norm, LOST * norm);
        let (mut mean, mut turn) = (0.0, 0.0);
        // The polynomial holds up to `ratio` of its unit of length.
        let (mut ratio, mut before) = (1.0f64, f64::INFINITY);
        let mut spilt = 0.0f64;
        for order in 0..ORDER {
            let (known, rest) = self.terms.split_at_mut((order + 1) * w);
            let (x, y) = (&known[order * w..], &mut rest[..w]);
            if self.clean == order + 1 {
                shape.clear_margins(y);
                self.clean += 1;
            }
            let mut size;
            if order == 0 {
                gather(simd, parts, shape, x, y, ((0.0, 0.0), 1.0));
                (mean, turn) = expectation(simd, shape, x, y, norm);
                self.mean = mean;
                size = shift(simd, shape, x, y, (mean, turn));
                self.length = proposed(left, norm, threshold, -2.0 * mean, (size / norm).sqrt());
                scale(simd, y, self.length);
                size *= self.length * self.length;
            } else {
                size = gather(simd, parts, shape, x, y, ((mean, turn), self.length / (order + 1) as f64));
            }
            let power = if ratio < 1.0 { ratio.powi(2 * (order as i32 + 1)) } else { 1.0 };
            let mut edge = 0.0f64;
            for plane in 0..shape.planes {
                let y = &y[shape.plane(plane)];
                edge = edge.max(dot(simd, &y[..edges.0], &y[..edges.0]));
                edge = edge.max(dot(simd, &y[n - edges.1..], &y[n - edges.1..]));
            }
            spilt = spilt.max(edge * power);
            if spilt > lost {
                return Expansion::Spilt;
            }
            self.order = order + 1;
            if size.max(before) * power <= vanished {
                return Expansion::Holds(self.length * ratio);
            }
            // No term may be so large that rounding in the sum shows.
            if size * power > norm * (2.0 * REACH).exp() {
                ratio = (norm * (2.0 * REACH).exp() / size).powf(0.5 / (order + 1) as f64);
                // Far beyond, the numbers would leave their range.
                if ratio < SHRUNK {
                    return Expansion::Shorter(self.length * ratio.max(SHRUNK * SHRUNK));
                }
            }
            before = size;
        }
        let last = (vanished / before.max(f64::MIN_POSITIVE)).powf(0.5 / ORDER as f64);
        Expansion::Holds(self.length * (0.9 * last).min(ratio))
    }

    /// Make room for a window, with the state as the first term.
    #[inline(always)]
    fn open(&mut self, bands: &Bands, state: &Strip) {
        let shape = Shape { planes: state.planes, n: self.window.len().next_multiple_of(8), margin: bands.margin };
        let w = shape.size();
        if self.terms.len() < (ORDER + 1) * w {
            self.terms.resize((ORDER + 1) * w, 0.0);
        }
        self.vector.resize(w, 0.0);
        if self.shape != shape {
            self.shape = shape;
            self.clean = 1;
        }
        self.terms[..w].fill(0.0);
        let (first, kept) = (state.window.start - self.window.start, state.window.len());
        for plane in 0..state.planes {
            let own = &state.parts[plane * kept..(plane + 1) * kept];
            let start = shape.plane(plane).start + first;
            self.terms[start..start + kept].copy_from_slice(own);
        }
    }

    /// ψ(s) into the working vector; returns its norm².
    #[inline(always)]
    fn evaluate<S: Simd>(&mut self, simd: S, s: f64) -> f64 {
        let factor = (self.mean * s).exp();
        let (size, _) = self.sum::<S, false>(simd, s);
        for plane in 0..self.shape.planes {
            scale(simd, &mut self.vector[self.shape.plane(plane)], factor);
        }
        size * factor * factor
    }

    /// e^{−μs}ψ(s) into the working vector; returns its norm², and half its derivative in units of the length.
    #[inline(always)]
    fn sum<S: Simd, const SLOPE: bool>(&mut self, simd: S, s: f64) -> (f64, f64) {
        let (w, u) = (self.shape.size(), s / self.length);
        let (mut size, mut change) = (0.0, 0.0);
        for plane in 0..self.shape.planes {
            let terms = (&self.terms[..(self.order + 1) * w], w, self.order);
            let (a, b) = polynomial::<S, SLOPE>(simd, terms, self.shape.plane(plane), u, &mut self.vector);
            (size, change) = (size + a, change + b);
        }
        (size, change)
    }

    /// The root of ‖ψ(s)‖² − threshold in \[0, length\]: Newton steps inside a bracket, on the logarithm, which is nearly
    /// straight. Each squares the error; the last is one whose square is lost in rounding.
    #[inline(always)]
    fn crossing<S: Simd>(&mut self, simd: S, length: f64, start: f64, end: f64, threshold: f64) -> f64 {
        let mut bracket = Bracket::up_to(length);
        // First the parabola through both ends with the slope at the start.
        let (wanted, slope) = ((start / threshold).ln(), -2.0 * self.mean);
        let bend = (slope * length - (start / end).ln()) / (length * length);
        let root = slope + (slope * slope - 4.0 * bend * wanted).max(0.0).sqrt();
        let mut s = if root > 0.0 { (2.0 * wanted / root).min(length) } else { 0.5 * length };
        for _ in 0..60 {
            let (size, change) = self.sum::<S, true>(simd, s);
            let value = size.ln() + 2.0 * self.mean * s - threshold.ln();
            let slope = 2.0 * change / size / self.length + 2.0 * self.mean;
            let next = bracket.newton(s, value, slope);
            let moved = (next - s).abs();
            s = next;
            if moved <= 1e-8 * length {
                break;
            }
        }
        s
    }

    /// ‖Lψ‖² of a jump operator.
    #[inline(always)]
    pub fn weight<S: Simd>(&mut self, simd: S, operator: &Prepared, state: &Strip) -> f64 {
        match operator.image_norm(&state.parts, &state.window) {
            Some(weight) => weight,
            None => self.image(simd, operator, state),
        }
    }

    /// Put Lψ in place of ψ, normalised; false if it vanishes.
    #[inline(always)]
    pub fn jump<S: Simd>(&mut self, simd: S, operator: &Prepared, state: &mut Strip) -> bool {
        let norm = self.image(simd, operator, state);
        if norm <= 0.0 {
            return false;
        }
        scale(simd, &mut self.vector, norm.sqrt().recip());
        state.take(&self.vector, self.shape, self.window.start, 1.0);
        true
    }

    /// Lψ into the working vector; returns its norm².
    #[inline(always)]
    fn image<S: Simd>(&mut self, simd: S, operator: &Prepared, state: &Strip) -> f64 {
        self.window = operator.bands.lattice.around(&state.window, operator.reach());
        self.open(operator.bands, state);
        let mut parts = [Diagonal::default(); MOST_DIAGONALS];
        let count = operator.parts(self.window.start, &mut parts);
        let x = &self.terms[..self.shape.size()];
        gather(simd, &parts[..count], self.shape, x, &mut self.vector, ((0.0, 0.0), 1.0))
    }
}

/// How long a polynomial to try for: to a little beyond the jump to be expected from the decay rate, and not so long
/// that its terms grow large.
#[inline(always)]
fn proposed(left: f64, norm: f64, threshold: f64, decay: f64, spread: f64) -> f64 {
    let mut length = left;
    if threshold > 0.0 && decay > 0.0 {
        length = length.min((1.1 * (norm / threshold).ln()).max(1e-9) / decay);
    }
    if spread * length > REACH { REACH / spread } else { length }
}

/// ⟨x|y⟩/norm.
#[inline(always)]
fn expectation<S: Simd>(simd: S, shape: Shape, x: &[f64], y: &[f64], norm: f64) -> (f64, f64) {
    let (a, b) = (shape.plane(0), shape.plane(shape.planes - 1));
    let (xr, xi, yr, yi) = (&x[a.clone()], &x[b.clone()], &y[a], &y[b]);
    if shape.planes == 1 {
        return (dot(simd, xr, yr) / norm, 0.0);
    }
    let turn = dot(simd, xr, yi) - dot(simd, xi, yr);
    ((dot(simd, xr, yr) + dot(simd, xi, yi)) / norm, turn / norm)
}
