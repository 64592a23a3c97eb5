//! Taylor polynomials of the evolution, with the moment at which the survival probability meets a threshold.
//!
//! ψ(t + s) = e^{μs} Σ_n v_n sⁿ with (n+1) v_{n+1} = (K − μ) v_n + Σ_k Σ_{j≤n} f_{k,j} D_k v_{n−j}, where f_{k,j} are the
//! Taylor coefficients of the envelopes: a generator that changes in time costs no more than one that does not, and the
//! polynomial is its own dense output. Terms are added until they vanish to rounding, so the step length is a matter of
//! speed alone (À. Jorba and M. Zou, Exp. Math. 14, 99 (2005)).

use super::kernel::{Operator, REGISTERS, norm_sqr};
use super::{Bracket, Flight};
use crate::problem::Envelope;
use num_complex::Complex64;

/// Highest order of a polynomial.
const ORDER: usize = 40;
/// Largest norm × length of a step: the sum then loses at most a factor e⁵ to cancellation.
const REACH: f64 = 5.0;
/// Terms below this, relative to the state, have vanished.
const SMALL: f64 = 1e-17;

/// The generator of one block and stage, for expansion.
#[derive(Debug)]
pub struct Series {
    /// K − μ.
    generator: Operator,
    shift: Complex64,
    /// Envelopes with −iO.
    varying: Vec<(Envelope, Operator)>,
}

/// Vectors used while evolving, kept from one call to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    /// v_0, v_1, … one after the other.
    terms: Vec<Complex64>,
    order: usize,
    /// D_k v_n, for drives that change.
    driven: Vec<Vec<Complex64>>,
    coefficients: Vec<[f64; ORDER + 1]>,
    vector: Vec<Complex64>,
    slope: Vec<Complex64>,
    weights: Vec<f64>,
}

impl Workspace {
    /// A vector of length `d`.
    #[inline(always)]
    pub fn vector(&mut self, d: usize) -> &mut [Complex64] {
        self.vector.resize(d, Complex64::ZERO);
        &mut self.vector
    }

    /// The weights ‖Lψ‖² of jump operators, kept.
    pub fn weights<'o>(&mut self, operators: impl Iterator<Item = &'o Operator>, psi: &[Complex64]) -> &[f64] {
        let Self { weights, vector, .. } = self;
        weights.clear();
        weights.extend(operators.map(|operator| operator.image_norm(psi, vector)));
        weights
    }

    /// Exchange that vector with `psi`.
    #[inline(always)]
    pub fn swap(&mut self, psi: &mut Vec<Complex64>) {
        std::mem::swap(&mut self.vector, psi);
    }
}

impl Series {
    /// Shift the generator so that its diagonal is centred.
    pub fn new(mut generator: Operator, varying: Vec<(Envelope, Operator)>) -> Self {
        // In a block of a few states the exponential would cost more than the shift saves.
        let shift = if generator.rows() <= REGISTERS { Complex64::ZERO } else { generator.centre() };
        generator.recentre(shift);
        Self { generator, shift, varying }
    }

    /// Keep the generator as a dense matrix that the compiler unrolls.
    pub fn in_registers(&mut self) {
        self.generator.make_dense();
    }

    /// Dimension of the block.
    pub fn dimension(&self) -> usize {
        self.generator.rows()
    }

    /// Nonzero elements of the generator.
    pub fn entries(&self) -> usize {
        self.generator.entries()
    }

    /// A bound of ‖K − μ‖ at time `t`.
    fn rate_at(&self, t: f64) -> f64 {
        let drive = |(envelope, operator): &(Envelope, Operator)| envelope.at(t).abs() * operator.size();
        self.generator.size() + self.varying.iter().map(drive).sum::<f64>()
    }

    /// A bound of ‖K − μ‖ without drives that change.
    pub fn rate(&self) -> f64 {
        self.generator.size()
    }

    /// Multiplications of an evolution over `time`.
    pub fn cost(&self, time: f64) -> f64 {
        (14.0 + 4.0 * self.rate() * time) * (self.entries() + 2 * self.dimension()) as f64
    }

    /// Expand about the state of `flight`; returns for how long, at most `left`, the polynomial holds.
    #[inline(always)]
    pub fn expand(&self, flight: &Flight, left: f64, work: &mut Workspace) -> f64 {
        let d = flight.psi.len();
        let left = self.varying.iter().fold(left, |left, (envelope, _)| left.min(envelope.longest_step(flight.time)));
        let rate = self.rate_at(flight.time).max(self.rate_at(flight.time + left));
        let mut length = if rate > 0.0 { left.min(REACH / rate) } else { left };
        work.terms.resize((ORDER + 1) * d, Complex64::ZERO);
        work.terms[..d].copy_from_slice(&flight.psi);
        for (k, (envelope, _)) in self.varying.iter().enumerate() {
            if work.driven.len() <= k {
                work.driven.push(Vec::new());
                work.coefficients.push([0.0; ORDER + 1]);
            }
            work.driven[k].resize((ORDER + 1) * d, Complex64::ZERO);
            envelope.taylor(flight.time, &mut work.coefficients[k]);
        }
        let small = SMALL * SMALL * norm_sqr(&flight.psi);
        let (mut power, mut before) = (1.0, f64::INFINITY);
        for n in 0..ORDER {
            let (known, rest) = work.terms.split_at_mut((n + 1) * d);
            let next = &mut rest[..d];
            let factor = 1.0 / (n + 1) as f64;
            self.generator.apply(&known[n * d..], next, factor);
            for (k, (_, operator)) in self.varying.iter().enumerate() {
                let driven = &mut work.driven[k];
                operator.apply(&known[n * d..], &mut driven[n * d..(n + 1) * d], factor);
                for (j, f) in work.coefficients[k][..=n].iter().enumerate().filter(|(_, f)| **f != 0.0) {
                    // D_k v_{n−j} was stored with the factor of its own order.
                    let scale = f * (n - j + 1) as f64 * factor;
                    let image = &driven[(n - j) * d..(n - j + 1) * d];
                    next.iter_mut().zip(image).for_each(|(y, x)| *y += x * scale);
                }
            }
            power *= length * length;
            let size = norm_sqr(next) * power;
            work.order = n + 1;
            if size.max(before) <= small {
                return length;
            }
            before = size;
        }
        // Not converged at this length: at the one where the last terms vanish.
        let ratio = (small / before.max(f64::MIN_POSITIVE)).powf(0.5 / ORDER as f64);
        length *= 0.9 * ratio.min(1.0);
        length
    }

    /// Move `flight` by `length`, or to where ‖ψ‖² = `threshold` if that comes first: true then. Its time is advanced
    /// only in that case.
    #[inline(always)]
    pub fn leap(&self, flight: &mut Flight, length: f64, threshold: f64, work: &mut Workspace) -> bool {
        let start = flight.norm;
        let end = self.evaluate(length, work);
        if end > threshold {
            work.vector(flight.psi.len());
            work.swap(&mut flight.psi);
            flight.norm = end;
            return false;
        }
        let at = self.crossing(length, start, end, threshold, work);
        flight.norm = self.evaluate(at, work);
        work.swap(&mut flight.psi);
        flight.time += at;
        true
    }

    /// The root of ‖ψ(s)‖² − threshold in \[0, length\]: Newton steps kept inside a bracket, until the next would be lost in
    /// rounding since each squares the error.
    #[inline(always)]
    fn crossing(&self, length: f64, start: f64, end: f64, threshold: f64, work: &mut Workspace) -> f64 {
        let mut bracket = Bracket::up_to(length);
        let mut s = length * ((start - threshold) / (start - end).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        for _ in 0..60 {
            let (norm, slope) = self.value_and_slope(s, work);
            let value = norm - threshold;
            let next = bracket.newton(s, value, slope);
            let moved = (next - s).abs();
            s = next;
            if moved <= 1e-9 * length {
                break;
            }
        }
        s
    }

    /// ψ(s) into the working vector; returns its norm².
    #[inline(always)]
    fn evaluate(&self, s: f64, work: &mut Workspace) -> f64 {
        let d = self.dimension();
        work.vector.resize(d, Complex64::ZERO);
        horner(&work.terms, work.order, d, s, &mut work.vector);
        if self.shift != Complex64::ZERO {
            let factor = (self.shift * s).exp();
            for x in work.vector.iter_mut() {
                *x *= factor;
            }
        }
        norm_sqr(&work.vector)
    }

    /// ‖ψ(s)‖² and its derivative.
    #[inline(always)]
    fn value_and_slope(&self, s: f64, work: &mut Workspace) -> (f64, f64) {
        let d = self.dimension();
        let Workspace { terms, order, vector, slope, .. } = work;
        vector.resize(d, Complex64::ZERO);
        slope.resize(d, Complex64::ZERO);
        vector.copy_from_slice(&terms[*order * d..(*order + 1) * d]);
        slope.fill(Complex64::ZERO);
        // The same on real and imaginary parts, as plain loops over contiguous numbers.
        let terms: &[f64] = bytemuck::cast_slice(terms);
        let (v, p): (&mut [f64], &mut [f64]) = (bytemuck::cast_slice_mut(vector), bytemuck::cast_slice_mut(slope));
        let n = 2 * d;
        for k in (0..*order).rev() {
            let term = &terms[k * n..(k + 1) * n];
            for i in 0..n {
                p[i] = p[i] * s + v[i];
                v[i] = v[i] * s + term[i];
            }
        }
        let (mut size, mut change) = (0.0, 0.0);
        for i in 0..n {
            size += v[i] * v[i];
            change += v[i] * p[i];
        }
        let decay = if self.shift.re == 0.0 { 1.0 } else { (2.0 * self.shift.re * s).exp() };
        (decay * size, decay * (2.0 * change + 2.0 * self.shift.re * size))
    }
}

/// Σ_n v_n sⁿ.
#[inline(always)]
fn horner(terms: &[Complex64], order: usize, d: usize, s: f64, out: &mut [Complex64]) {
    out.copy_from_slice(&terms[order * d..(order + 1) * d]);
    let terms: &[f64] = bytemuck::cast_slice(terms);
    let out: &mut [f64] = bytemuck::cast_slice_mut(out);
    let n = 2 * d;
    for k in (0..order).rev() {
        let term = &terms[k * n..(k + 1) * n];
        for i in 0..n {
            out[i] = out[i] * s + term[i];
        }
    }
}
