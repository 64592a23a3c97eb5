//! No-jump evolution of a state that is kept where it has weight: Taylor polynomials of exp(tK)ψ to rounding, in a
//! window of the lattice that is widened until nothing reaches its edges.
//!
//! ψ(t + s) = e^{μs} Σ_n v_n sⁿ, (n + 1) v_{n+1} = (K − μ) v_n, with μ = ⟨K⟩ in ψ itself: the terms then fall with the
//! spread of K in the state, which is far less than its norm when the state is narrow.

use crate::repr::blocks::{Banded, Bands, Blocks, Frame};
use std::ops::Range;

/// Highest order of a polynomial.
const ORDER: usize = 44;
/// Largest spread × length to try, and ln of the largest term that is allowed.
const REACH: f64 = 4.0;
/// Squares of what is small against the state: terms, and what reaches an edge.
const VANISHED: f64 = 1e-34;
const LOST: f64 = 1e-32;
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
}

/// Vectors used on the way.
#[derive(Debug, Default)]
pub struct Room {
    terms: Vec<f64>,
    order: usize,
    /// Where they lie.
    window: Range<usize>,
    /// They are in units of this length.
    length: f64,
    /// Re μ.
    mean: f64,
    vector: Vec<f64>,
    slope: Vec<f64>,
    /// ‖Lψ‖² of the jump operators.
    pub weights: Vec<f64>,
}

#[inline(always)]
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let y = &y[..x.len()];
    let mut lanes = [0.0; 8];
    let whole = x.len() / 8 * 8;
    let mut start = 0;
    while start < whole {
        for k in 0..8 {
            lanes[k] += x[start + k] * y[start + k];
        }
        start += 8;
    }
    let mut rest = 0.0;
    for i in whole..x.len() {
        rest += x[i] * y[i];
    }
    ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])) + rest
}

impl Strip {
    /// A state whose amplitudes are `parts` at `window`.
    pub fn new(parts: Vec<f64>, planes: usize, window: Range<usize>) -> Self {
        let mut strip = Self { parts: Vec::new(), planes, window: 0..0, norm: 1.0, time: 0.0, pad: 8 };
        strip.take(&parts, window, 1.0);
        strip
    }

    /// Take over amplitudes of norm² `norm`, without the ends where they have vanished.
    #[inline(always)]
    fn take(&mut self, from: &[f64], window: Range<usize>, norm: f64) {
        let n = window.len();
        let small = TRIMMED * norm;
        let size = |i: usize| {
            let re = from[i] * from[i];
            if self.planes == 2 { re + from[n + i] * from[n + i] } else { re }
        };
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
            self.parts[plane * kept..(plane + 1) * kept].copy_from_slice(&from[plane * n + start..plane * n + end]);
        }
        self.window = window.start + start..window.start + end;
        self.norm = norm;
    }
}

impl Room {
    /// Evolve to time `until`, or until ‖ψ‖² has fallen to `threshold`: true then.
    #[inline(always)]
    pub fn advance(
        &mut self,
        (of, bands, operator): (&Blocks, &Bands, &Banded),
        frame: &mut Frame,
        state: &mut Strip,
        until: f64,
        threshold: f64,
    ) -> bool {
        while state.time < until {
            let left = until - state.time;
            let length = self.expand((of, bands, operator), frame, state, left, threshold);
            let end = self.evaluate(length, state.planes);
            if end <= threshold {
                let at = self.crossing(length, state.norm, end, threshold, state.planes);
                let norm = self.evaluate(at, state.planes);
                state.take(&self.vector, self.window.clone(), norm);
                state.time += at;
                return true;
            }
            state.take(&self.vector, self.window.clone(), end);
            state.time = if length == left { until } else { state.time + length };
        }
        false
    }

    /// Expand about the state; returns for how long, at most `left`, the polynomial holds.
    #[inline(always)]
    fn expand(
        &mut self,
        (of, bands, operator): (&Blocks, &Bands, &Banded),
        frame: &mut Frame,
        state: &mut Strip,
        left: f64,
        threshold: f64,
    ) -> f64 {
        let (reach, size) = (bands.reach(operator), bands.lattice.size);
        loop {
            let wider = state.pad * reach;
            self.window = state.window.start.saturating_sub(wider)..(state.window.end + wider).min(size);
            frame.cover(of, bands, &self.window);
            frame.prepare(of, bands, operator);
            let edges = (
                if self.window.start > 0 { reach } else { 0 },
                if self.window.end < size { reach } else { 0 },
            );
            if let Some(length) = self.fill((bands, operator), frame, state, (left, threshold), edges) {
                return length;
            }
            state.pad *= 2;
        }
    }

    /// The terms; `None` when something has reached an edge of the window.
    #[inline(always)]
    fn fill(
        &mut self,
        (bands, operator): (&Bands, &Banded),
        frame: &Frame,
        state: &Strip,
        (left, threshold): (f64, f64),
        edges: (usize, usize),
    ) -> Option<f64> {
        let (n, planes) = (self.window.len(), state.planes);
        let w = planes * n;
        if self.terms.len() < (ORDER + 1) * w {
            self.terms.resize((ORDER + 1) * w, 0.0);
        }
        let (first, kept) = (state.window.start - self.window.start, state.window.len());
        self.terms[..w].fill(0.0);
        for plane in 0..planes {
            let own = &state.parts[plane * kept..(plane + 1) * kept];
            self.terms[plane * n + first..plane * n + first + kept].copy_from_slice(own);
        }
        let norm = state.norm;
        let (vanished, lost) = (VANISHED * norm, LOST * norm);
        let (mut mean, mut turn) = (0.0, 0.0);
        // The polynomial holds up to `ratio` of its unit of length.
        let (mut ratio, mut before) = (1.0f64, f64::INFINITY);
        let mut spilt = 0.0f64;
        for order in 0..ORDER {
            let (known, rest) = self.terms.split_at_mut((order + 1) * w);
            let (x, y) = (&known[order * w..], &mut rest[..w]);
            y.fill(0.0);
            frame.apply(bands, operator, (x, &self.window), (y, &self.window), planes);
            if order == 0 {
                mean = dot(x, y) / norm;
                if planes == 2 {
                    turn = (dot(&x[..n], &y[n..]) - dot(&x[n..], &y[..n])) / norm;
                }
            }
            let mut factor = if order == 0 { 1.0 } else { self.length / (order + 1) as f64 };
            let mut size = shift(x, y, n, (mean, turn), factor);
            if order == 0 {
                self.mean = mean;
                self.length = proposed(left, norm, threshold, -2.0 * mean, (size / norm).sqrt());
                factor = self.length;
                y.iter_mut().for_each(|y| *y *= factor);
                size *= factor * factor;
            }
            let power = ratio.powi(2 * (order as i32 + 1));
            let mut edge = 0.0f64;
            for plane in 0..planes {
                let y = &y[plane * n..(plane + 1) * n];
                edge = edge.max(dot(&y[..edges.0], &y[..edges.0]));
                edge = edge.max(dot(&y[n - edges.1..], &y[n - edges.1..]));
            }
            spilt = spilt.max(edge * power);
            if spilt > lost {
                return None;
            }
            self.order = order + 1;
            if size.max(before) * power <= vanished {
                return Some(self.length * ratio);
            }
            // No term may be so large that rounding in the sum shows.
            if size * power > norm * (2.0 * REACH).exp() {
                ratio = (norm * (2.0 * REACH).exp() / size).powf(0.5 / (order + 1) as f64);
            }
            before = size;
        }
        let last = (vanished / before.max(f64::MIN_POSITIVE)).powf(0.5 / ORDER as f64);
        Some(self.length * (0.9 * last).min(ratio))
    }

    /// ψ(s) into the working vector; returns its norm².
    #[inline(always)]
    fn evaluate(&mut self, s: f64, planes: usize) -> f64 {
        let w = planes * self.window.len();
        let u = s / self.length;
        self.vector.resize(w, 0.0);
        self.vector.copy_from_slice(&self.terms[self.order * w..(self.order + 1) * w]);
        let out = &mut self.vector[..w];
        for k in (0..self.order).rev() {
            let term = &self.terms[k * w..(k + 1) * w];
            for i in 0..w {
                out[i] = out[i] * u + term[i];
            }
        }
        let factor = (self.mean * s).exp();
        for x in out.iter_mut() {
            *x *= factor;
        }
        dot(out, out)
    }

    /// The root of ‖ψ(s)‖² − threshold in \[0, length\]: Newton steps inside a bracket, on the logarithm, which is nearly
    /// straight. Each squares the error; the last is one whose square is lost in rounding.
    #[inline(always)]
    fn crossing(&mut self, length: f64, start: f64, end: f64, threshold: f64, planes: usize) -> f64 {
        let (mut low, mut high) = (0.0, length);
        let mut s = length * ((start / threshold).ln() / (start / end).ln().max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        for _ in 0..60 {
            let (ln_norm, slope) = self.value_and_slope(s, planes);
            let value = ln_norm - threshold.ln();
            if value > 0.0 {
                low = s;
            } else {
                high = s;
            }
            let mut next = s - value / slope;
            if !(next >= low && next <= high) {
                next = 0.5 * (low + high);
            }
            let moved = (next - s).abs();
            s = next;
            if moved <= 1e-8 * length {
                break;
            }
        }
        s
    }

    /// ln ‖ψ(s)‖² and its derivative.
    #[inline(always)]
    fn value_and_slope(&mut self, s: f64, planes: usize) -> (f64, f64) {
        let w = planes * self.window.len();
        let u = s / self.length;
        let Self { terms, order, vector, slope, .. } = self;
        vector.resize(w, 0.0);
        slope.resize(w, 0.0);
        let (v, p) = (&mut vector[..w], &mut slope[..w]);
        v.copy_from_slice(&terms[*order * w..(*order + 1) * w]);
        p.fill(0.0);
        for k in (0..*order).rev() {
            let term = &terms[k * w..(k + 1) * w];
            for i in 0..w {
                p[i] = p[i] * u + v[i];
                v[i] = v[i] * u + term[i];
            }
        }
        let (size, change) = (dot(v, v), dot(v, p));
        (size.ln() + 2.0 * self.mean * s, 2.0 * change / size / self.length + 2.0 * self.mean)
    }

    /// ‖Lψ‖² of a jump operator.
    #[inline(always)]
    pub fn weight(&mut self, bands: &Bands, operator: &Banded, frame: &Frame, state: &Strip) -> f64 {
        match frame.image_norm(operator, (&state.parts, &state.window), state.planes) {
            Some(weight) => weight,
            None => {
                self.image(bands, operator, frame, state);
                dot(&self.vector, &self.vector)
            }
        }
    }

    /// Put Lψ in place of ψ, normalised; false if it vanishes.
    #[inline(always)]
    pub fn jump(&mut self, bands: &Bands, operator: &Banded, frame: &Frame, state: &mut Strip) -> bool {
        self.image(bands, operator, frame, state);
        let norm = dot(&self.vector, &self.vector);
        if norm <= 0.0 {
            return false;
        }
        let scale = norm.sqrt().recip();
        self.vector.iter_mut().for_each(|x| *x *= scale);
        state.take(&self.vector, self.window.clone(), 1.0);
        true
    }

    #[inline(always)]
    fn image(&mut self, bands: &Bands, operator: &Banded, frame: &Frame, state: &Strip) {
        let offsets = || bands.all[operator.clone()].iter().map(|band| band.offset);
        let (low, high) = (offsets().min().unwrap_or(0), offsets().max().unwrap_or(0));
        let start = state.window.start.saturating_add_signed(low);
        let end = state.window.end.saturating_add_signed(high).min(bands.lattice.size);
        self.window = start..end.max(start);
        self.vector.clear();
        self.vector.resize(state.planes * self.window.len(), 0.0);
        frame.apply(bands, operator, (&state.parts, &state.window), (&mut self.vector, &self.window), state.planes);
    }
}

/// How long a polynomial to try for: to a little beyond the jump to be expected from the decay rate, and not so long
/// that its terms grow large.
#[inline(always)]
fn proposed(left: f64, norm: f64, threshold: f64, decay: f64, spread: f64) -> f64 {
    let mut length = left;
    if threshold > 0.0 && decay > 0.0 {
        length = length.min((1.25 * (norm / threshold).ln()).max(1e-9) / decay);
    }
    if spread * length > REACH { REACH / spread } else { length }
}

/// y = factor·(y − μx), and its norm².
#[inline(always)]
fn shift(x: &[f64], y: &mut [f64], n: usize, (mean, turn): (f64, f64), factor: f64) -> f64 {
    if turn == 0.0 {
        let x = &x[..y.len()];
        for i in 0..y.len() {
            y[i] = factor * (y[i] - mean * x[i]);
        }
    } else {
        let (re, im) = y.split_at_mut(n);
        let (xr, xi) = x.split_at(n);
        let (im, xi) = (&mut im[..n], &xi[..n]);
        for i in 0..n {
            re[i] = factor * (re[i] - mean * xr[i] + turn * xi[i]);
            im[i] = factor * (im[i] - mean * xi[i] - turn * xr[i]);
        }
    }
    dot(y, y)
}
