//! ρ(t) of one stage by Taylor polynomials, on the triangles of Hermitian matrices.

use super::generator::{Density, Generator, Rates, Varying};
use crate::error::RunError;
use crate::evolve::{MOST_ORDER as ORDER, settled};
use crate::space::blocks::Sparse;
use crate::stop::Stop;
use num_complex::Complex64;

/// Norm × length of the first polynomial; the sum loses at most a factor e⁸ to cancellation.
const REACH: f64 = 8.0;
/// The norm is a bound: where the terms turn out smaller, the next polynomial is longer, up to this.
const MOST_REACH: f64 = 40.0;
/// Largest term of a polynomial, relative to the state, that is expected of a longer one; and allowed, for what it loses to
/// cancellation.
const LARGE: [f64; 2] = [500.0, 3000.0];
/// Terms that a polynomial has beyond those that grow with its length.
const LEAST_TERMS: f64 = 12.0;
/// Terms below this, relative to the state, have vanished.
const SMALL: f64 = 1e-17;

/// Memory of the terms, kept from one polynomial to the next.
pub struct Terms {
    /// Those of ρ(t), the state first.
    terms: Vec<Vec<Complex64>>,
    /// What a function of time multiplies.
    mixed: Vec<Complex64>,
    image: Vec<Complex64>,
    /// An integral of ρ, to be traced.
    integral: Density,
    /// Norm × length of the next polynomial.
    reach: f64,
}

impl Default for Terms {
    fn default() -> Self {
        let (terms, integral) = (Vec::new(), Density::new());
        Self { terms, mixed: Vec::new(), image: Vec::new(), integral, reach: REACH }
    }
}

/// ‖ρ‖² of triangles, to a factor of two.
fn size(rho: &[Complex64]) -> f64 {
    crate::evolve::norm_sqr(rho)
}

/// sum += f·x.
fn add(f: f64, x: &[Complex64], sum: &mut [Complex64]) {
    sum.iter_mut().zip(x).for_each(|(s, x)| *s += x * f);
}

/// sum ← Σ w(n)·term n.
fn weigh(terms: &[Vec<Complex64>], weight: impl Fn(i32) -> f64, sum: &mut Vec<Complex64>) {
    sum.clear();
    sum.resize(terms[0].len(), Complex64::ZERO);
    (0..).zip(terms).for_each(|(n, term)| add(weight(n), term, sum));
}

impl Generator {
    /// Take `rho` through a stretch from `from` to `until`, times since the `start` of the step, and add mean jumps to
    /// `counters`.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when a sum does not converge, [`RunError::Interrupted`].
    pub fn evolve(
        &self,
        rho: &mut Density,
        counters: &mut [f64],
        (start, from, until): (f64, f64, f64),
        work: &mut Terms,
        stop: &Stop,
    ) -> Result<(), RunError> {
        work.terms.resize(ORDER + 1, Vec::new());
        self.steady.triangles().pack(rho, &mut work.terms[0]);
        work.integral.clone_from(rho);
        let mut now = from;
        while now < until {
            let left = until - now;
            let Some(length) = self.polynomial(counters, (start, now), left, work, stop)? else { continue };
            let next = if length == left { until } else { now + length };
            if !(next > now) {
                let reason = format!("at t = {now} of its step, steps of {length:e} are lost in rounding");
                return Err(RunError::Numerics { method: "the Taylor sum on blocks", reason });
            }
            now = next;
        }
        self.steady.triangles().unpack(&work.terms[0], rho);
        Ok(())
    }

    /// Term 0 ← ρ(now + length) by its Taylor polynomial, with time in units of the length so that no term leaves the range
    /// of numbers; returns the length, at most `left`, or `None` if it has to be a shorter one.
    fn polynomial(
        &self,
        counters: &mut [f64],
        (start, now): (f64, f64),
        left: f64,
        work: &mut Terms,
        stop: &Stop,
    ) -> Result<Option<f64>, RunError> {
        let mut piece = left;
        let mut changing: Vec<&Varying> = Vec::new();
        for varying in &self.varying {
            let smooth = varying.envelope.piece(start, now);
            piece = piece.min(smooth.length);
            if !smooth.quiet {
                changing.push(varying);
            }
        }
        let at = |t: f64| -> f64 { changing.iter().map(|v| v.envelope.at(start, t).abs() * v.parts.norm).sum() };
        let norm = self.steady.norm + at(now).max(at(now + piece));
        let reach = if changing.is_empty() { work.reach } else { REACH };
        let mut length = if norm > 0.0 { piece.min(reach / norm) } else { piece };
        if self.varying.is_empty() && length < left {
            length = left / (left / length).ceil();
        }
        if !self.varying.is_empty() && length < left {
            length = now + length - now; // so that the next piece begins where this one ends
        }
        let coefficients = changing.iter().map(|varying| {
            let mut c = [0.0; ORDER + 1];
            varying.envelope.taylor(start, now, length, &mut c);
            c
        });
        let coefficients: Vec<[f64; ORDER + 1]> = coefficients.collect();
        let mut adds = [0.0; ORDER + 1];
        for (varying, c) in changing.iter().zip(&coefficients) {
            adds.iter_mut().zip(c).for_each(|(sum, f)| *sum += f.abs() * varying.parts.norm * length);
        }
        let last = adds.iter().rposition(|a| *a > SMALL).unwrap_or(0);
        let mut norms = vec![1.0];
        let whole = size(&work.terms[0]).max(f64::MIN_POSITIVE);
        let small = SMALL * SMALL * whole;
        let (mut before, mut converged) = (f64::INFINITY, false);
        let Terms { terms, mixed, image, integral, reach } = work;
        let elements = terms[0].len();
        for n in 0..ORDER {
            stop.check()?;
            let (known, rest) = terms.split_at_mut(n + 1);
            let (next, factor) = (&mut rest[0], length / (n + 1) as f64);
            next.resize(elements, Complex64::ZERO);
            self.steady.apply(factor, &known[n], next, stop)?;
            for (varying, c) in changing.iter().zip(&coefficients) {
                mixed.clear();
                mixed.resize(elements, Complex64::ZERO);
                image.resize(elements, Complex64::ZERO);
                let orders = c[..=n].iter().enumerate().filter(|(_, f)| **f != 0.0);
                orders.for_each(|(j, f)| add(*f, &known[n - j], mixed));
                varying.parts.apply(factor, mixed, image, stop)?;
                add(1.0, image, next);
            }
            let now = size(next);
            norms.push((now / whole).sqrt());
            let settled = || settled(&norms, self.steady.norm * length, &adds[..=last], SMALL);
            if now.max(before) <= small && (last == 0 || settled()) {
                converged = true;
                break;
            }
            before = now;
        }
        // Some of the last terms may be 0 by themselves.
        let tail = norms.len() - (last + 1).min(norms.len());
        before = before.max(norms[tail..].iter().fold(0.0, |most: f64, s| most.max(s * s * whole)));
        // How much of that length the sum holds for.
        let mut ratio = 1.0;
        if !converged {
            ratio = 0.9 * (small / before.max(f64::MIN_POSITIVE)).powf(0.5 / ORDER as f64).min(1.0);
            if !(before.is_finite() && ratio > 0.0) {
                let reason = format!("its terms do not fall: {before:e} at order {ORDER}");
                return Err(RunError::Numerics { method: "the Taylor sum on blocks", reason });
            }
            if !self.varying.is_empty() {
                ratio = (now + length * ratio - now) / length;
            }
        }
        if changing.is_empty() {
            let (largest, terms) = (norms.iter().copied().fold(1.0, f64::max), norms.len() as f64);
            let longer = (LARGE[0].ln() / largest.ln())
                .min((0.95 * ORDER as f64 - LEAST_TERMS) / (terms - LEAST_TERMS).max(1.0));
            let before = std::mem::replace(reach, (norm * length * longer.clamp(0.5, 2.0)).clamp(REACH, MOST_REACH));
            if largest > LARGE[1] && before > REACH {
                return Ok(None);
            }
        }
        let count = norms.len();
        if self.rates.iter().flatten().any(Option::is_some) {
            // ∫ρ dt.
            let weight = |n: i32| length * ratio.powi(n + 1) / f64::from(n + 1);
            weigh(&terms[..count], weight, mixed);
            self.steady.triangles().unpack(mixed, integral);
            counters.iter_mut().zip(&self.rates).for_each(|(counter, rates)| *counter += traced(rates, integral));
        }
        for (varying, c) in changing.iter().zip(&coefficients) {
            let Some((channel, rates)) = &varying.counted else { continue };
            // ∫f(t)ρ dt.
            let of_order = |n: i32, (m, f): (i32, &f64)| f * ratio.powi(n + m) / f64::from(n + m);
            let weight = |n: i32| length * (1..).zip(c).map(|order| of_order(n, order)).sum::<f64>();
            weigh(&terms[..count], weight, mixed);
            self.steady.triangles().unpack(mixed, integral);
            counters[*channel] += traced(rates, integral);
        }
        let (sum, terms) = terms.split_at_mut(1);
        let mut power = 1.0;
        for term in &terms[..count - 1] {
            power *= ratio;
            add(power, term, &mut sum[0]);
        }
        Ok(Some(length * ratio))
    }
}

/// Σ Tr(Wρ) over blocks, real for Hermitian W and ρ.
pub(super) fn traced(rates: &Rates, rho: &Density) -> f64 {
    let trace = |w: &Sparse, rho: &[Complex64]| -> f64 {
        let d = w.cols();
        w.iter().map(|(x, (i, j))| (x * rho[j as usize * d + i as usize]).re).sum()
    };
    rates.iter().zip(rho).filter_map(|(w, rho)| Some(trace(w.as_ref()?, rho))).sum()
}
