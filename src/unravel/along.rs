//! The populations of a spin along any axis: |⟨J, M′; n|ψ⟩|² for all M′, of spins of 10³ and more.
//!
//! With the axis n at the angles (θ, φ) and amplitudes ψ_M along z, ⟨M′; n|ψ⟩ = Σ_M d_{M,M′}(θ) e^{iφM} ψ_M. The d obey a
//! recurrence in M′ for each M, since Sᶻ = cos θ Sᶻ′ − sin θ Sˣ′ couples neighbours only:
//! M d_{M,M′} = cos θ M′ d_{M,M′} − ½ sin θ (C₊ d_{M,M′+1} + C₋ d_{M,M′−1}), C± = √((J ∓ M′)(J ± M′ + 1)). Both ends are known,
//! d_{M,J} = √C(2J, J+M) cos^{J+M}(θ/2) sin^{J−M}(θ/2), and from either end d rises to where M′ = M cos θ, which is the stable
//! way to go (K. Schulten and R. G. Gordon, J. Math. Phys. 16, 1961 (1975)). A spin that points along the axis is done
//! after a few M′.

use num_complex::Complex64;
use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_binomial;
use std::f64::consts::LN_2;
use std::ops::Range;

/// An axis by its polar angles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// From the z axis, from 0 to π.
    pub theta: f64,
    /// About the z axis.
    pub phi: f64,
}

impl Direction {
    /// Of a vector; the z axis if it has no length.
    pub fn of([x, y, z]: [f64; 3]) -> Self {
        let across = x.hypot(y);
        Self { theta: across.atan2(z), phi: if across > 0.0 { y.atan2(x) } else { 0.0 } }
    }
}

/// ⟨ψ|(Sˣ, Sʸ, Sᶻ)|ψ⟩ of the amplitudes of a spin, M from −J up.
pub fn mean_spin(psi: &[Complex64]) -> [f64; 3] {
    let two_j = psi.len().saturating_sub(1);
    let j = 0.5 * two_j as f64;
    let raised = |(up, pair): (usize, &[Complex64])| {
        pair[1].conj() * pair[0] * ((two_j - up) as f64 * (up + 1) as f64).sqrt() // ⟨S⁺⟩
    };
    let plus: Complex64 = psi.windows(2).enumerate().map(raised).sum();
    let z = psi.iter().enumerate().map(|(up, x)| x.norm_sqr() * (up as f64 - j)).sum();
    [plus.re, plus.im, z]
}

/// What is left out of the populations at the far end, relative to ‖ψ‖².
pub const LEFT_OUT: f64 = 1e-7;

/// Values beyond this are scaled back.
const LARGE: f64 = 1e100;

/// Smaller transverse parts turn nothing that double precision could tell.
const STRAIGHT: f64 = 1e-13;

/// Hand |⟨M′; n|ψ⟩|² to `take`, with J + M′, from M′ = J down until all of ‖ψ‖² but a part [`LEFT_OUT`] is there.
pub fn populations(psi: &[Complex64], along: Direction, take: &mut dyn FnMut(usize, f64)) {
    let norm: f64 = psi.iter().map(|x| x.norm_sqr()).sum();
    let mut left = norm;
    let mut hand_over = |up: usize, p: f64| {
        take(up, p);
        left -= p;
        left > LEFT_OUT * norm
    };
    let two_j = psi.len().saturating_sub(1);
    let (sin, cos) = along.theta.sin_cos();
    if sin.abs() < STRAIGHT {
        let along_z = |up: usize| if cos > 0.0 { up } else { two_j - up };
        let _ = (0..psi.len()).rev().all(|up| hand_over(up, psi[along_z(up)].norm_sqr()));
        return;
    }
    let Some(first) = psi.iter().position(|x| *x != Complex64::ZERO) else { return };
    let last = psi.iter().rposition(|x| *x != Complex64::ZERO).unwrap_or(first);
    let turned = |up: usize| psi[up] * Complex64::from_polar(1.0, along.phi * (up as f64 - 0.5 * two_j as f64));
    let mut window: Vec<Complex64> = (first..=last).map(turned).collect();
    let mut amplitudes = vec![Complex64::ZERO; psi.len()];
    // From the top those with M cos θ ≤ M′. As long as these are all, a spin along the axis is there soon.
    let mut elements = Elements::new(two_j, first..last + 1, (sin, cos), false);
    let mut open = psi.len();
    for up in (0..=two_j).rev() {
        let all = elements.narrow(up);
        if elements.range.is_empty() {
            break;
        }
        amplitudes[up] = elements.sum(&window);
        if all {
            if !hand_over(up, amplitudes[up].norm_sqr()) {
                return;
            }
            open = up;
        }
        elements.step(up);
    }
    // The others from the bottom, which is the top of a spin turned round: d_{M,−M′}(θ) = (−1)^{J+M} d_{M,M′}(π − θ).
    let odd = (first..=last).zip(&mut window).filter(|(up, _)| up % 2 == 1);
    odd.for_each(|(_, x)| *x = -*x);
    let mut elements = Elements::new(two_j, first..last + 1, (sin, -cos), true);
    for (down, amplitude) in amplitudes[..open].iter_mut().enumerate() {
        let up = two_j - down;
        elements.narrow(up);
        if elements.range.is_empty() {
            break;
        }
        *amplitude += elements.sum(&window);
        elements.step(up);
    }
    let _ = (0..open).rev().all(|up| hand_over(up, amplitudes[up].norm_sqr()));
}

/// d_{M,M′}(θ) for the M of a window, as M′ falls from J.
struct Elements {
    two_j: usize,
    /// J + M of the first of the window.
    first: usize,
    sin: f64,
    cos: f64,
    /// Whether M cos θ = M′ itself is left out.
    strict: bool,
    /// Those of the window that have M cos θ ≤ M′.
    range: Range<usize>,
    /// At M′ and at M′ + 1, over `scale`, which is e^`ln_scale`.
    now: Vec<f64>,
    before: Vec<f64>,
    scale: Vec<f64>,
    ln_scale: Vec<f64>,
}

impl Elements {
    fn new(two_j: usize, window: Range<usize>, (sin, cos): (f64, f64), strict: bool) -> Self {
        let n = window.len();
        // ln cos(θ/2) and ln sin(θ/2)
        let (upper, lower) = (0.5 * (0.5 * (1.0 + cos)).ln(), 0.5 * (0.5 * (1.0 - cos)).ln());
        // 1 ± cos θ loses its digits where the other one is near 2.
        let (upper, lower) =
            if cos < 0.0 { (sin.ln() - LN_2 - lower, lower) } else { (upper, sin.ln() - LN_2 - upper) };
        let start =
            |up: usize| 0.5 * ln_binomial(two_j as u64, up as u64) + up as f64 * upper + (two_j - up) as f64 * lower;
        let ln_scale: Vec<f64> = window.clone().map(start).collect();
        let scale = ln_scale.iter().map(|ln| ln.exp()).collect();
        let (now, before) = (vec![1.0; n], vec![0.0; n]);
        Self { two_j, first: window.start, sin, cos, strict, range: 0..n, now, before, scale, ln_scale }
    }

    /// Leave out what is not to be reached at M′ = `up` − J. Returns whether it was nothing so far.
    fn narrow(&mut self, up: usize) -> bool {
        let doubled = |up: usize| 2.0 * up as f64 - self.two_j as f64;
        let within = |index: usize| {
            let (m, end) = (doubled(self.first + index) * self.cos, doubled(up));
            if self.strict { m < end } else { m <= end }
        };
        while !self.range.is_empty() && !within(self.range.end - 1) {
            self.range.end -= 1;
        }
        while !self.range.is_empty() && !within(self.range.start) {
            self.range.start += 1;
        }
        self.range.len() == self.now.len()
    }

    /// Σ d ψ over those in range.
    fn sum(&self, window: &[Complex64]) -> Complex64 {
        let of = |index: usize| window[index] * (self.now[index] * self.scale[index]);
        self.range.clone().map(of).sum()
    }

    /// From M′ = `up` − J to the next lower one.
    fn step(&mut self, up: usize) {
        if up == 0 {
            return;
        }
        let above = 0.5 * self.sin * ((self.two_j - up) as f64 * (up + 1) as f64).sqrt();
        let below = (0.5 * self.sin * (up as f64 * (self.two_j - up + 1) as f64).sqrt()).recip();
        let j = 0.5 * self.two_j as f64;
        let turned = self.cos * (up as f64 - j);
        for index in self.range.clone() {
            let m = (self.first + index) as f64 - j;
            let (now, before) = (self.now[index], self.before[index]);
            let next = ((turned - m) * now - above * before) * below;
            (self.before[index], self.now[index]) = (now, next);
            if next.abs() > LARGE {
                self.before[index] /= LARGE;
                self.now[index] /= LARGE;
                self.ln_scale[index] += LARGE.ln();
                self.scale[index] = self.ln_scale[index].exp();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Axis;
    use crate::space::blocks::rotate::spin;
    use std::f64::consts::PI;

    /// Amplitudes about some M, with the phases of a moving packet.
    fn packet(two_j: usize, centre: f64, width: f64) -> Vec<Complex64> {
        let raw = |up: usize| {
            let x = (up as f64 - centre) / width;
            Complex64::from_polar((-0.5 * x * x).exp(), 0.7 * up as f64 + 0.1 * x * x)
        };
        let mut psi: Vec<Complex64> = (0..=two_j).map(raw).collect();
        let norm = psi.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
        psi.iter_mut().for_each(|x| *x /= norm);
        psi
    }

    fn found(psi: &[Complex64], along: Direction) -> Vec<f64> {
        let mut all = vec![0.0; psi.len()];
        populations(psi, along, &mut |up, p| all[up] += p);
        all
    }

    /// Against the state itself, turned back so that the axis becomes z.
    #[test]
    fn populations_are_those_of_the_turned_state() {
        for two_j in [0, 1, 2, 3, 10, 41, 300, 1000] {
            for (centre, width) in [(0.5, 0.4), (0.2, 0.05), (0.97, 0.01), (0.6, 10.0)] {
                let psi = packet(two_j, centre * two_j as f64, 0.3 + width * two_j as f64);
                for theta in [0.0, 1e-20, 1e-9, 0.02, 0.7, 0.5 * PI, 2.0, 3.1, PI - 1e-7, PI] {
                    let along = Direction { theta, phi: 1.1 };
                    let mut turned = psi.clone();
                    spin(&mut turned, Axis::Z, -along.phi);
                    spin(&mut turned, Axis::Y, -along.theta);
                    let all = found(&psi, along);
                    let mut captured = 0.0;
                    for (up, x) in turned.iter().enumerate().rev() {
                        if captured < 1.0 - 2.0 * LEFT_OUT {
                            let p = x.norm_sqr();
                            assert!(
                                (all[up] - p).abs() < 1e-10,
                                "2J = {two_j}, theta = {theta}: {up}: {} {p}",
                                all[up]
                            );
                        }
                        captured += all[up];
                    }
                    assert!((captured - 1.0).abs() < 2.0 * LEFT_OUT, "{two_j} {theta}: {captured}");
                }
            }
        }
    }

    /// A coherent state is |J, J⟩ along its own axis, which is that of its mean spin.
    #[test]
    fn a_coherent_state_points_along_its_mean_spin() {
        for (theta, phi) in [(0.4, 2.0), (1.5, -0.3), (3.0, 0.9), (0.0, 0.0)] {
            for two_j in [1, 7, 200, 2000] {
                let mut psi = vec![Complex64::ZERO; two_j + 1];
                psi[two_j] = Complex64::ONE;
                spin(&mut psi, Axis::Y, theta);
                spin(&mut psi, Axis::Z, phi);
                let along = Direction::of(mean_spin(&psi));
                assert!(
                    (along.theta - theta).abs() < 1e-7 && (theta == 0.0 || (along.phi - phi).abs() < 1e-7),
                    "{along:?}"
                );
                assert!((found(&psi, along)[two_j] - 1.0).abs() < 1e-9);
            }
        }
    }
}
