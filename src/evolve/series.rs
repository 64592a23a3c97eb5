//! Taylor polynomials of the evolution, with the moment at which the survival probability meets a threshold.
//!
//! ψ(t + s) = e^{μs} Σ_n v_n sⁿ with (n+1) v_{n+1} = (K − μ) v_n + Σ_k Σ_{j≤n} f_{k,j} D_k v_{n−j}, where f_{k,j} are the
//! Taylor coefficients of the envelopes: a generator that changes in time costs no more than one that does not, and the
//! polynomial is its own dense output. Terms are added until they vanish to rounding, so the step length is a matter of
//! speed alone (À. Jorba and M. Zou, Exp. Math. 14, 99 (2005)). Time is counted in a power of two near that length: terms
//! then stay within the range of numbers whatever the unit of time is, and no digit of them depends on it.

use super::kernel::{Operator, norm_sqr, update};
use super::matrix::{Lanes, REGISTERS};
use super::powers::{MOST_STACKED, Powers};
use super::{Bracket, Failed, Flight};
use crate::problem::Envelope;
use crate::space::blocks::Sparse;
use crate::stop::Stop;
use num_complex::Complex64;

/// Highest order of a polynomial.
pub(super) const ORDER: usize = 40;
/// Highest order of any Taylor sum, that of density matrices.
pub const MOST_ORDER: usize = 60;
/// Largest norm × length of a step: the sum then loses at most a factor e⁵ to cancellation.
const REACH: f64 = 5.0;
/// Terms below this, relative to the state, have vanished.
pub(super) const SMALL: f64 = 1e-17;
/// States from which on the terms of a polynomial are not kept where they need not be, and norm × time below which they are.
const LEAST_LEAPING: usize = 512;
const SHORT: f64 = 0.25;
/// From so many multiplications a term on, a request to stop is heard within one polynomial.
const LONG: usize = 1 << 18;

/// The generator of one block and stage, for expansion.
#[derive(Debug)]
pub struct Series {
    /// K − μ.
    generator: Operator,
    shift: Complex64,
    /// Envelopes with −iO.
    varying: Vec<(Envelope, Operator)>,
    /// All terms at once, where states are few.
    powers: Option<Powers>,
}

/// Vectors used while evolving, kept from one call to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    /// v_0, v_1 u, v_2 u², … one after the other, with time in units of u.
    pub(super) terms: Vec<Complex64>,
    pub(super) unit: f64,
    pub(super) order: usize,
    /// Drives that are nothing in this piece of time.
    quiet: Vec<bool>,
    /// D_k v_n, for the others.
    driven: Vec<Vec<Complex64>>,
    coefficients: Vec<[f64; ORDER + 1]>,
    /// What each order of the envelopes adds to the norm of K times the length, and the size of each term; nothing where
    /// nothing changes in time.
    adds: Vec<f64>,
    norms: Vec<f64>,
    vector: Vec<Complex64>,
    slope: Vec<Complex64>,
    weights: Vec<f64>,
    /// Several states.
    pub(super) lanes: Lanes,
}

impl Workspace {
    /// A vector of length `d`.
    #[inline(always)]
    pub fn vector(&mut self, d: usize) -> &mut [Complex64] {
        if self.vector.len() != d {
            self.vector.resize(d, Complex64::ZERO);
        }
        &mut self.vector
    }

    /// The weights ‖Lψ‖² of jump operators, kept.
    pub fn weights<'o>(&mut self, operators: impl Iterator<Item = &'o Operator>, psi: &[Complex64]) -> &mut [f64] {
        let Self { weights, vector, .. } = self;
        weights.clear();
        weights.extend(operators.map(|operator| operator.image_norm(psi, vector)));
        weights
    }

    /// A state of several that [`side_by_side`](super::Propagator::side_by_side) has left.
    pub fn lane(&self, lane: usize, psi: &mut [Complex64]) {
        self.lanes.take(lane, psi);
    }

    /// Exchange that vector with `psi`.
    #[inline(always)]
    pub fn swap(&mut self, psi: &mut Vec<Complex64>) {
        std::mem::swap(&mut self.vector, psi);
    }
}

impl Series {
    /// Shift the generator so that its diagonal is centred.
    pub fn new(mut generator: Operator, mut varying: Vec<(Envelope, Operator)>) -> Self {
        // In a block of a few states the exponential would cost more than the shift saves.
        let shift = if generator.rows() <= REGISTERS { Complex64::ZERO } else { generator.centre() };
        generator.recentre(shift);
        let few = generator.rows() <= REGISTERS;
        for operator in varying.iter_mut().map(|(_, operator)| operator).chain([&mut generator]).filter(|_| !few) {
            operator.by_diagonals();
        }
        Self { generator, shift, varying, powers: None }
    }

    /// Keep the generator as a dense matrix that the compiler unrolls.
    pub fn in_registers(&mut self) {
        self.generator.make_dense();
    }

    /// Have all terms of a polynomial for times up to `longest` made at once, by one product with the powers of the generator,
    /// which is given again: they need not wait for each other.
    pub fn stack(&mut self, generator: &Sparse, longest: f64) {
        let fits = self.varying.is_empty() && self.shift == Complex64::ZERO && self.dimension() <= REGISTERS;
        if fits && longest > 0.0 && self.rate() * longest <= MOST_STACKED {
            self.powers = Some(Powers::new(generator, self.rate(), longest));
        }
    }

    /// Dimension of the block.
    pub fn dimension(&self) -> usize {
        self.generator.rows()
    }

    /// Nonzero elements of the generator.
    pub fn entries(&self) -> usize {
        self.generator.entries()
    }

    /// A bound of ‖K − μ‖ without drives that change.
    pub fn rate(&self) -> f64 {
        self.generator.size()
    }

    /// Multiplications of an evolution over `time`.
    pub fn cost(&self, time: f64) -> f64 {
        (14.0 + 4.0 * self.rate() * time) * self.generator.term_cost()
    }

    /// Expand about the state of `flight`; returns for how long, at most `left`, the polynomial holds.
    ///
    /// # Errors
    /// [`RunError::Interrupted`](crate::RunError::Interrupted).
    #[inline(always)]
    pub fn expand(&self, flight: &Flight, left: f64, work: &mut Workspace, stop: &Stop) -> Result<f64, Failed> {
        stop.check()?;
        let (d, now) = (flight.psi.len(), flight.time);
        if let Some(powers) = &self.powers
            && left <= powers.longest()
        {
            powers.expand(&flight.psi, work);
            return Ok(left);
        }
        work.quiet.clear();
        let mut piece = left;
        for (envelope, _) in &self.varying {
            let smooth = envelope.piece(flight.start, now);
            piece = piece.min(smooth.length);
            work.quiet.push(smooth.quiet);
        }
        let strength = |t: f64| -> f64 {
            let driven = self.varying.iter().zip(&work.quiet).filter(|(_, quiet)| !**quiet);
            driven.map(|((envelope, operator), _)| envelope.at(flight.start, t).abs() * operator.size()).sum()
        };
        let rate = self.generator.size() + strength(now).max(strength(now + piece));
        let mut length = if rate > 0.0 { piece.min(REACH / rate) } else { piece };
        if !self.varying.is_empty() && length < left {
            length = now + length - now; // so that the next piece begins where this one ends
        }
        work.unit = power_of_two(length);
        work.terms.resize((ORDER + 1) * d, Complex64::ZERO);
        work.terms[..d].copy_from_slice(&flight.psi);
        for (k, (envelope, _)) in self.varying.iter().enumerate() {
            if work.driven.len() <= k {
                work.driven.push(Vec::new());
                work.coefficients.push([0.0; ORDER + 1]);
            }
            if !work.quiet[k] {
                work.driven[k].resize((ORDER + 1) * d, Complex64::ZERO);
                envelope.taylor(flight.start, now, work.unit, &mut work.coefficients[k]);
            }
        }
        let last = if self.varying.is_empty() { 0 } else { self.orders(length, work) };
        let whole = norm_sqr(&flight.psi).max(f64::MIN_POSITIVE);
        let small = SMALL * SMALL * whole;
        let step = (length / work.unit) * (length / work.unit);
        let long = self.entries() >= LONG;
        let (mut power, mut before) = (1.0, f64::INFINITY);
        for n in 0..ORDER {
            if long {
                stop.check()?;
            }
            let (known, rest) = work.terms.split_at_mut((n + 1) * d);
            let next = &mut rest[..d];
            let factor = 1.0 / (n + 1) as f64;
            self.generator.apply(&known[n * d..], next, factor * work.unit);
            for (k, (_, operator)) in self.varying.iter().enumerate() {
                if work.quiet[k] {
                    continue;
                }
                let driven = &mut work.driven[k];
                operator.apply(&known[n * d..], &mut driven[n * d..(n + 1) * d], factor * work.unit);
                for (j, f) in work.coefficients[k][..=n].iter().enumerate().filter(|(_, f)| **f != 0.0) {
                    // D_k v_{n−j} was stored with the factor of its own order.
                    let scale = f * (n - j + 1) as f64 * factor;
                    let image = &driven[(n - j) * d..(n - j + 1) * d];
                    next.iter_mut().zip(image).for_each(|(y, x)| *y += x * scale);
                }
            }
            power *= step;
            let size = norm_sqr(next) * power;
            work.order = n + 1;
            if last > 0 {
                work.norms.push((size / whole).sqrt());
            }
            if size.max(before) <= small
                && (last == 0 || settled(&work.norms, self.generator.size() * length, &work.adds[..=last], SMALL))
            {
                return Ok(length);
            }
            before = size;
        }
        // Not converged at this length: at the one where the last terms vanish, of which some may be 0 by themselves.
        if last > 0 {
            let tail = &work.norms[ORDER - last.min(ORDER - 1)..];
            before = before.max(tail.iter().fold(0.0, |most: f64, s| most.max(s * s * whole)));
        }
        let ratio = (small / before.max(f64::MIN_POSITIVE)).powf(0.5 / ORDER as f64);
        length *= 0.9 * ratio.min(1.0);
        Ok(if self.varying.is_empty() { length } else { now + length - now })
    }

    /// Work out what each order of the envelopes adds to the norm of K times `length`; returns the last one that adds anything.
    fn orders(&self, length: f64, work: &mut Workspace) -> usize {
        let Workspace { adds, norms, quiet, coefficients, unit, .. } = work;
        let step = length / *unit;
        adds.clear();
        adds.resize(ORDER + 1, 0.0);
        norms.clear();
        norms.push(1.0);
        for (k, (_, operator)) in self.varying.iter().enumerate().filter(|(k, _)| !quiet[*k]) {
            let mut power = operator.size() * length;
            for (sum, f) in adds.iter_mut().zip(&coefficients[k]) {
                *sum += f.abs() * power;
                power *= step;
            }
        }
        adds.iter().rposition(|a| *a > SMALL).unwrap_or(0)
    }

    /// Whether [`leap`](Self::leap) is cheaper over `time` than a polynomial that is kept: when its terms would not fit into
    /// the second cache, and nothing changes in time.
    #[inline(always)]
    pub fn leaps(&self, time: f64) -> bool {
        self.varying.is_empty() && self.dimension() >= LEAST_LEAPING && time * self.rate() > SHORT
    }

    /// exp(sK)ψ of the state of `flight` into the working vector, for the returned s ≤ `left`, with its norm²; `None` where
    /// the sum does not end. The terms are added up as they come and not kept.
    ///
    /// # Errors
    /// [`RunError::Interrupted`](crate::RunError::Interrupted).
    #[inline(always)]
    pub fn leap(
        &self,
        flight: &Flight,
        left: f64,
        work: &mut Workspace,
        stop: &Stop,
    ) -> Result<Option<(f64, f64)>, Failed> {
        stop.check()?;
        let d = self.dimension();
        let length = if self.rate() > 0.0 { left.min(REACH / self.rate()) } else { left };
        let Workspace { terms, vector, .. } = work;
        terms.resize(terms.len().max(2 * d), Complex64::ZERO);
        vector.resize(d, Complex64::ZERO);
        let (mut term, mut next) = terms[..2 * d].split_at_mut(d);
        term.copy_from_slice(&flight.psi);
        vector.copy_from_slice(&flight.psi);
        let small = SMALL * SMALL * flight.norm.max(f64::MIN_POSITIVE);
        let long = self.entries() >= LONG;
        let mut before = f64::INFINITY;
        for n in 1..=ORDER {
            if long {
                stop.check()?;
            }
            self.generator.apply(term, next, length / n as f64);
            let size = add(next, vector);
            std::mem::swap(&mut term, &mut next);
            if size.max(before) <= small {
                if self.shift != Complex64::ZERO {
                    let factor = (self.shift * length).exp();
                    for x in vector.iter_mut() {
                        *x *= factor;
                    }
                }
                return Ok(Some((length, norm_sqr(vector))));
            }
            before = size;
        }
        Ok(None)
    }

    /// About when on its way to the working vector, `length` later with norm² `end`, the norm² falls to `threshold`: by the
    /// cubic through both ends with d‖ψ‖²/dt = 2 Re⟨ψ|Kψ⟩ there.
    #[inline(always)]
    pub fn wait(&self, flight: &Flight, (length, end): (f64, f64), threshold: f64, work: &mut Workspace) -> f64 {
        let Workspace { terms, vector, .. } = work;
        let image = &mut terms[..flight.psi.len()];
        let mut slope = |psi: &[Complex64], norm: f64| {
            self.generator.apply(psi, image, 1.0);
            let product: f64 = psi.iter().zip(image.iter()).map(|(x, y)| x.re * y.re + x.im * y.im).sum();
            2.0 * length * (product + self.shift.re * norm)
        };
        let (start, rise, last_rise) = (flight.norm, slope(&flight.psi, flight.norm), slope(vector, end));
        // start + rise u + b u² + c u³ with the right value and slope at u = 1.
        let (missing, bend) = (end - start - rise, last_rise - rise);
        let (b, c) = (3.0 * missing - bend, bend - 2.0 * missing);
        let mut bracket = Bracket::up_to(1.0);
        let mut u = ((start - threshold) / (start - end).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        for _ in 0..40 {
            let value = start + u * (rise + u * (b + u * c)) - threshold;
            let next = bracket.newton(u, value, rise + u * (2.0 * b + u * 3.0 * c));
            if (next - u).abs() < 1e-6 {
                break;
            }
            u = next;
        }
        u * length
    }

    /// Move `flight` by `length`, or to where ‖ψ‖² = `threshold` if that comes first: true then. Its time is advanced
    /// only in that case. `end` is ‖ψ‖² there, if it is known to be below.
    #[inline(always)]
    pub fn advance(
        &self,
        flight: &mut Flight,
        length: f64,
        threshold: f64,
        end: Option<f64>,
        work: &mut Workspace,
    ) -> bool {
        let start = flight.norm;
        let end = end.unwrap_or_else(|| self.evaluate(length, work));
        if end > threshold {
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
        // From where the parabola through both ends with the slope at the first one falls to it.
        let (above, rise) = (start - threshold, self.first_slope(start, work) * length);
        let across = (rise * rise - 4.0 * (end - start - rise) * above).sqrt() - rise;
        let straight = above / (start - end).max(f64::MIN_POSITIVE);
        let share = if across > 0.0 { 2.0 * above / across } else { straight };
        let mut s = length * share.clamp(0.0, 1.0);
        for _ in 0..60 {
            let (norm, slope) = self.value_and_slope(s, work);
            let value = norm - threshold;
            let next = bracket.newton(s, value, slope);
            let moved = (next - s).abs();
            s = next;
            if moved <= 1e-7 * length {
                break;
            }
        }
        s
    }

    /// d‖ψ‖²/ds at 0, where ‖ψ‖² is `norm`.
    #[inline(always)]
    fn first_slope(&self, norm: f64, work: &Workspace) -> f64 {
        let d = self.dimension();
        let (psi, next) = (&work.terms[..d], &work.terms[d..2 * d]);
        let product: f64 = psi.iter().zip(next).map(|(x, y)| x.re * y.re + x.im * y.im).sum();
        2.0 * (product / work.unit + self.shift.re * norm)
    }

    /// ψ(s) into the working vector; returns its norm².
    #[inline(always)]
    fn evaluate(&self, s: f64, work: &mut Workspace) -> f64 {
        let d = self.dimension();
        work.vector(d);
        horner(&work.terms, work.order, d, s / work.unit, &mut work.vector);
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
        let Workspace { terms, unit, order, vector, slope, .. } = work;
        let u = s / *unit;
        let (size, change) = match d {
            1 => short_norm_and_slope::<2>(terms, *order, u),
            2 => short_norm_and_slope::<4>(terms, *order, u),
            3 => short_norm_and_slope::<6>(terms, *order, u),
            4 => short_norm_and_slope::<8>(terms, *order, u),
            5 => short_norm_and_slope::<10>(terms, *order, u),
            6 => short_norm_and_slope::<12>(terms, *order, u),
            7 => short_norm_and_slope::<14>(terms, *order, u),
            8 => short_norm_and_slope::<16>(terms, *order, u),
            _ => {
                vector.resize(d, Complex64::ZERO);
                slope.resize(d, Complex64::ZERO);
                norm_and_slope(terms, *order, u, vector, slope)
            }
        };
        let change = change / *unit;
        let decay = if self.shift.re == 0.0 { 1.0 } else { (2.0 * self.shift.re * s).exp() };
        (decay * size, decay * (2.0 * change + 2.0 * self.shift.re * size))
    }
}

/// ‖p‖² and Re⟨p|p′⟩ at u of the polynomial p of these terms, of as many real numbers as the compiler knows: they stay in
/// registers.
#[inline(always)]
fn short_norm_and_slope<const N: usize>(terms: &[Complex64], order: usize, u: f64) -> (f64, f64) {
    let (terms, _) = bytemuck::cast_slice::<_, f64>(terms).as_chunks::<N>();
    let (mut value, mut slope) = (terms[order], [0.0; N]);
    for term in terms[..order].iter().rev() {
        for i in 0..N {
            slope[i] = slope[i] * u + value[i];
            value[i] = value[i] * u + term[i];
        }
    }
    products(&value, &slope)
}

/// The same for any size, with room for p and p′.
#[inline(always)]
fn norm_and_slope(
    terms: &[Complex64],
    order: usize,
    u: f64,
    value: &mut [Complex64],
    slope: &mut [Complex64],
) -> (f64, f64) {
    let d = value.len();
    value.copy_from_slice(&terms[order * d..(order + 1) * d]);
    slope.fill(Complex64::ZERO);
    // The same on real and imaginary parts, as plain loops over contiguous numbers.
    let terms: &[f64] = bytemuck::cast_slice(terms);
    let (value, slope): (&mut [f64], &mut [f64]) = (bytemuck::cast_slice_mut(value), bytemuck::cast_slice_mut(slope));
    let n = 2 * d;
    let (value, slope) = (&mut value[..n], &mut slope[..n]);
    for k in (0..order).rev() {
        update(slope, value, |slope, value| slope * u + value);
        update(value, &terms[k * n..][..n], |value, term| value * u + term);
    }
    products(value, slope)
}

/// Σ v², Σ v p, in four sums each that do not wait for each other.
#[inline(always)]
fn products(value: &[f64], slope: &[f64]) -> (f64, f64) {
    let ((v, last_v), (p, last_p)) = (value.as_chunks::<4>(), slope.as_chunks::<4>());
    let (mut sizes, mut changes) = ([0.0; 4], [0.0; 4]);
    for i in 0..v.len().min(p.len()) {
        for k in 0..4 {
            sizes[k] += v[i][k] * v[i][k];
            changes[k] += v[i][k] * p[i][k];
        }
    }
    for i in 0..last_v.len().min(last_p.len()) {
        sizes[i] += last_v[i] * last_v[i];
        changes[i] += last_v[i] * last_p[i];
    }
    let sum = |x: [f64; 4]| (x[0] + x[1]) + (x[2] + x[3]);
    (sum(sizes), sum(changes))
}

/// Whether a Taylor sum is complete: terms of these sizes, v_0 = 1 first, are followed by none above `small`. The next ones
/// are bounded by (n + 1)‖v_{n+1}‖ ≤ g‖v_n‖ + Σ_j a_j‖v_{n−j}‖, g of the fixed generator and a_j of the envelopes' orders; once
/// as many in a row as there are orders are small, all are. That two are small says little: under t² most terms are 0.
pub fn settled(norms: &[f64], generator: f64, adds: &[f64], small: f64) -> bool {
    let mut known: [f64; 2 * (MOST_ORDER + 1)] = [0.0; 2 * (MOST_ORDER + 1)];
    let n = norms.len();
    known[..n].copy_from_slice(norms);
    (n..n + adds.len()).all(|m| {
        let from_envelopes = adds.iter().take(m).enumerate().map(|(j, a)| a * known[m - 1 - j]).sum::<f64>();
        known[m] = (generator * known[m - 1] + from_envelopes) / m as f64;
        known[m] <= small
    })
}

/// The largest power of two that is no greater than `length`, so that scaling by it is free of rounding.
#[inline(always)]
fn power_of_two(length: f64) -> f64 {
    const EXPONENT: u64 = 0x7ff << 52;
    f64::from_bits(length.max(f64::MIN_POSITIVE).to_bits() & EXPONENT)
}

/// sum += x; returns ‖x‖².
#[inline(always)]
fn add(x: &[Complex64], sum: &mut [Complex64]) -> f64 {
    let (x, sum): (&[f64], &mut [f64]) = (bytemuck::cast_slice(x), bytemuck::cast_slice_mut(sum));
    let ((chunks, rest), (sums, last)) = (x.as_chunks::<8>(), sum.as_chunks_mut::<8>());
    let (mut lanes, mut norm) = ([0.0; 8], 0.0);
    for (x, sum) in chunks.iter().zip(sums) {
        for k in 0..8 {
            sum[k] += x[k];
            lanes[k] += x[k] * x[k];
        }
    }
    for (x, sum) in rest.iter().zip(last) {
        *sum += x;
        norm += x * x;
    }
    norm + lanes.iter().sum::<f64>()
}

/// Σ_n v_n sⁿ.
#[inline(always)]
fn horner(terms: &[Complex64], order: usize, d: usize, s: f64, out: &mut [Complex64]) {
    match d {
        1 => short_horner::<2>(terms, order, s, out),
        2 => short_horner::<4>(terms, order, s, out),
        3 => short_horner::<6>(terms, order, s, out),
        4 => short_horner::<8>(terms, order, s, out),
        5 => short_horner::<10>(terms, order, s, out),
        6 => short_horner::<12>(terms, order, s, out),
        7 => short_horner::<14>(terms, order, s, out),
        8 => short_horner::<16>(terms, order, s, out),
        _ => long_horner(terms, order, s, out),
    }
}

/// Of as many real numbers as the compiler knows: the sum stays in registers.
#[inline(always)]
fn short_horner<const N: usize>(terms: &[Complex64], order: usize, s: f64, out: &mut [Complex64]) {
    let (terms, _) = bytemuck::cast_slice::<_, f64>(terms).as_chunks::<N>();
    let mut sum = terms[order];
    for term in terms[..order].iter().rev() {
        for i in 0..N {
            sum[i] = sum[i] * s + term[i];
        }
    }
    bytemuck::cast_slice_mut(out).copy_from_slice(&sum);
}

/// The same for any size.
#[inline(always)]
fn long_horner(terms: &[Complex64], order: usize, s: f64, out: &mut [Complex64]) {
    let d = out.len();
    out.copy_from_slice(&terms[order * d..(order + 1) * d]);
    let terms: &[f64] = bytemuck::cast_slice(terms);
    let out: &mut [f64] = bytemuck::cast_slice_mut(out);
    for k in (0..order).rev() {
        update(out, &terms[2 * k * d..][..2 * d], |sum, term| sum * s + term);
    }
}
