//! Pulses: exp(−iθ n·S) on the cells or on the spin of one subsystem, exact for spins of 10⁴ and more.

use super::block::Block;
use super::{BlockId, BlockStep, Blocks, Slot};
use crate::problem::{Axis, SubsystemId};
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

/// The same rotation by an angle from −2π to 2π, as exact as the double θ is: the library reduces the angle of its sine
/// and cosine with as many digits of π as that takes.
pub fn reduced(angle: f64) -> f64 {
    if angle.abs() <= TAU {
        return angle;
    }
    let (sin, cos) = (0.5 * angle).sin_cos(); // a rotation by 4π is none whatever the spin
    2.0 * sin.atan2(cos)
}

/// θ/π, from −2 to 2, if it is a whole number to rounding: of θ itself, or of the last digits of a large one.
pub fn half_turns(angle: f64) -> Option<i64> {
    let turns = reduced(angle) / PI;
    let nearest = turns.round();
    let rounding = (2.0 * f64::EPSILON * (angle / PI).abs()).clamp(1e-12, 1e-6);
    ((turns - nearest).abs() <= rounding).then_some(nearest as i64)
}

/// Let a pulse or a gate act on the state `psi` of `block`; returns the block it is in afterwards, `None` if the same.
pub fn pulse(of: &Blocks, block: &Block, psi: &mut Vec<Complex64>, step: &BlockStep) -> Option<BlockId> {
    match step {
        BlockStep::Rotate(subsystem, axis, angle) => rotate(of, block, psi, *subsystem, *axis, *angle),
        BlockStep::Unitary(gate) => {
            block.gate(of, *gate).apply(psi);
            None
        }
        BlockStep::Reset(..) | BlockStep::Evolve(_) => None,
    }
}

/// Rotate the state `psi` of `block`; returns the block it is in afterwards, `None` if the same.
fn rotate(
    of: &Blocks,
    block: &Block,
    psi: &mut Vec<Complex64>,
    subsystem: SubsystemId,
    axis: Axis,
    angle: f64,
) -> Option<BlockId> {
    let slots = of.layout.of[subsystem.index()].clone();
    let turns = half_turns(angle);
    let angle = reduced(angle);
    match turns {
        Some(turns) if axis != Axis::Z => match turns % 2 {
            0 => None,
            _ => flip(of, block, psi, slots, axis),
        },
        _ => {
            slots.for_each(|slot| turn(block, psi, slot, &of.layout.slots[slot], axis, angle));
            None
        }
    }
}

/// A π pulse: |M⟩ → |−M⟩, about y with (−1)^{J−M}, (−1)^g for g cells in the ground state; a phase common to the
/// block is left out.
fn flip(
    of: &Blocks,
    block: &Block,
    psi: &mut Vec<Complex64>,
    slots: std::ops::Range<usize>,
    axis: Axis,
) -> Option<BlockId> {
    let space = &block.space;
    let mut levels = vec![0; space.levels.len()];
    let mut target: Option<std::sync::Arc<Block>> = None;
    let mut turned = Vec::new();
    for (state, amplitude) in psi.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
        space.read(state, &mut levels);
        let mut down = 0;
        for slot in slots.clone() {
            down += space.levels[slot] - 1 - levels[slot];
            levels[slot] = space.levels[slot] - 1 - levels[slot];
        }
        let to = target.get_or_insert_with(|| of.get(of.block_of(&space.key.two_j, &levels)));
        if turned.is_empty() {
            turned = vec![Complex64::ZERO; to.dimension()];
        }
        let sign = if axis == Axis::Y && down % 2 == 1 { -1.0 } else { 1.0 };
        if let Some(place) = to.space.index(&levels) {
            turned[place] = amplitude * sign;
        }
    }
    let id = target?.id;
    *psi = turned;
    Some(id)
}

/// Rotate one slot, whose levels carry no charge unless the axis is z.
fn turn(block: &Block, psi: &mut [Complex64], slot: usize, kind: &Slot, axis: Axis, angle: f64) {
    let space = &block.space;
    let size = match kind {
        Slot::Spin { .. } => space.key.two_j[slot] as usize + 1,
        _ => 2,
    };
    let mut levels = vec![0; space.levels.len()];
    if axis == Axis::Z {
        let phases: Vec<Complex64> = (0..size).map(|up| phase(up, size - 1, angle)).collect();
        for (state, x) in psi.iter_mut().enumerate() {
            space.read(state, &mut levels);
            *x *= phases[levels[slot]];
        }
        return;
    }
    let rotation = Rotation::new(size, axis, angle);
    let mut vector = vec![Complex64::ZERO; size];
    if space.is_whole() {
        let stride = space.stride(slot);
        for first in (0..psi.len()).step_by(stride * size).flat_map(|start| start..start + stride) {
            vector.iter_mut().enumerate().for_each(|(level, x)| *x = psi[first + level * stride]);
            rotation.apply(&mut vector);
            vector.iter().enumerate().for_each(|(level, x)| psi[first + level * stride] = *x);
        }
        return;
    }
    let mut places = vec![0; size];
    for state in 0..space.dimension() {
        space.read(state, &mut levels);
        if levels[slot] != 0 {
            continue;
        }
        for (level, place) in places.iter_mut().enumerate() {
            levels[slot] = level;
            *place = space.index(&levels).unwrap_or(state);
        }
        vector.iter_mut().zip(&places).for_each(|(v, place)| *v = psi[*place]);
        rotation.apply(&mut vector);
        vector.iter().zip(&places).for_each(|(v, place)| psi[*place] = *v);
    }
}

/// exp(−iθM) of a level, M = up − J.
fn phase(up: usize, two_j: usize, angle: f64) -> Complex64 {
    Complex64::from_polar(1.0, -angle * (up as f64 - 0.5 * two_j as f64))
}

/// A rotation about x or y of many vectors of one size: of a cell by its matrix, of a larger spin as [`spin`] does it.
enum Rotation {
    Cell([[Complex64; 2]; 2]),
    Spin(Axis, f64),
}

impl Rotation {
    fn new(size: usize, axis: Axis, angle: f64) -> Self {
        if size != 2 {
            return Self::Spin(axis, angle);
        }
        let column = |level: usize| {
            let mut image = [Complex64::ZERO; 2];
            image[level] = Complex64::ONE;
            spin(&mut image, axis, angle);
            image
        };
        let (g, e) = (column(0), column(1));
        Self::Cell([[g[0], e[0]], [g[1], e[1]]])
    }

    fn apply(&self, vector: &mut [Complex64]) {
        match self {
            Self::Cell(u) => {
                let (g, e) = (vector[0], vector[1]);
                vector[0] = u[0][0] * g + u[0][1] * e;
                vector[1] = u[1][0] * g + u[1][1] * e;
            }
            Self::Spin(axis, angle) => spin(vector, *axis, *angle),
        }
    }
}

/// exp(−iθ n·S) on the 2J + 1 amplitudes of a spin, M from −J up.
///
/// About x and y by the Chebyshev series Σ (2 − δ_k0)(−i)ᵏ J_k(θJ) T_k(S/J), which is stable for any J and needs about
/// θJ + 40 terms of three multiplications a level (H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81, 3967 (1984)).
pub fn spin(vector: &mut [Complex64], axis: Axis, angle: f64) {
    let two_j = vector.len() - 1;
    if two_j == 0 {
        return;
    }
    if axis == Axis::Z {
        vector.iter_mut().enumerate().for_each(|(up, x)| *x *= phase(up, two_j, angle));
        return;
    }
    let j = 0.5 * two_j as f64;
    // S/J on a vector: elements ½√((J−M)(J+M+1))/J between M and M + 1, with phases for y.
    let element: Vec<f64> = (0..two_j).map(|up| 0.5 * ((two_j - up) as f64 * (up + 1) as f64).sqrt() / j).collect();
    let (raise, lower) = match axis {
        Axis::X => (Complex64::ONE, Complex64::ONE),
        _ => (-Complex64::I, Complex64::I), // Sʸ = (S⁺ − S⁻)/2i
    };
    let apply = |x: &[Complex64], y: &mut [Complex64]| {
        y.fill(Complex64::ZERO);
        for (up, e) in element.iter().enumerate() {
            y[up + 1] += raise * x[up] * *e;
            y[up] += lower * x[up + 1] * *e;
        }
    };
    let z = angle.abs() * j;
    let phase = if angle < 0.0 { Complex64::I } else { -Complex64::I };
    let bessel = bessel_series(z);
    let mut before = vector.to_vec();
    let mut now = vec![Complex64::ZERO; vector.len()];
    apply(&before, &mut now);
    let mut sum: Vec<Complex64> =
        before.iter().zip(&now).map(|(b, n)| b * bessel[0] + n * phase * (2.0 * bessel[1])).collect();
    let mut next = vec![Complex64::ZERO; vector.len()];
    let mut power = phase;
    for coefficient in &bessel[2..] {
        apply(&now, &mut next);
        next.iter_mut().zip(&before).for_each(|(n, b)| *n = *n * 2.0 - b);
        power *= phase;
        sum.iter_mut().zip(&next).for_each(|(s, n)| *s += n * power * (2.0 * coefficient));
        std::mem::swap(&mut before, &mut now);
        std::mem::swap(&mut now, &mut next);
    }
    vector.copy_from_slice(&sum);
}

/// J_0(z), J_1(z), … until they vanish, by Miller's backward recurrence normalised with J_0 + 2ΣJ_2k = 1.
fn bessel_series(z: f64) -> Vec<f64> {
    let last = (z + 30.0 * z.cbrt().max(1.0) + 30.0) as usize;
    if z == 0.0 {
        return vec![1.0, 0.0];
    }
    let start = last + 20 + last / 10;
    let (mut above, mut here) = (0.0, 1e-300);
    let mut values = vec![0.0; start + 1];
    values[start] = here;
    for k in (1..=start).rev() {
        let below = 2.0 * k as f64 / z * here - above;
        above = here;
        here = below;
        values[k - 1] = here;
        if here.abs() > 1e250 {
            values[k - 1..].iter_mut().for_each(|v| *v *= 1e-250);
            here *= 1e-250;
            above *= 1e-250;
        }
    }
    let norm = values[0] + 2.0 * values.iter().skip(2).step_by(2).sum::<f64>();
    values.truncate(last + 1);
    values.iter_mut().for_each(|v| *v /= norm);
    let needed = values.iter().rposition(|v| v.abs() > 1e-18).unwrap_or(0).max(1);
    values.truncate(needed + 1);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spins_rotate_to_coherent_states_of_any_size() {
        // exp(−iθSʸ)|J, J⟩ has the binomial populations of cos²(θ/2).
        for (two_j, theta) in [(1usize, 0.7), (40, 2.1), (2000, 1.3)] {
            let mut v = vec![Complex64::ZERO; two_j + 1];
            v[two_j] = Complex64::ONE;
            spin(&mut v, Axis::Y, theta);
            let (p, q) = ((theta / 2.0).cos().powi(2), (theta / 2.0).sin().powi(2));
            for (up, x) in v.iter().enumerate() {
                let ln = statrs::function::factorial::ln_binomial(two_j as u64, up as u64);
                let expected = (ln + up as f64 * p.ln() + (two_j - up) as f64 * q.ln()).exp();
                assert!((x.norm_sqr() - expected).abs() < 1e-11, "{two_j} {up}: {} {expected}", x.norm_sqr());
            }
        }
    }

    #[test]
    fn large_angles_are_those_of_the_double() {
        // sin²(θ/2) of θ = 10⁷, 10⁹, 10¹² and 10²², reduced with 80 digits.
        for (angle, expected) in
            [(1e7, 0.95363519309087), (1e9, 0.0810564093180488), (1e12, 0.104276849073555), (1e22, 0.238392607302431)]
        {
            let mut v = vec![Complex64::ONE, Complex64::ZERO];
            spin(&mut v, Axis::X, reduced(angle));
            assert!((v[1].norm_sqr() - expected).abs() < 1e-14, "{angle}: {}", v[1].norm_sqr());
            assert_eq!(half_turns(angle), None);
        }
        for (turns, found) in [(1.0, 1), (-1.0, -1), (2.0, 2), (1e6 + 1.0, 1), (1e9 + 1.0, 1), (1e9, 0)] {
            assert_eq!(half_turns(turns * PI).map(|n| n.rem_euclid(2)), Some(i64::from(found).rem_euclid(2)));
        }
        assert_eq!(half_turns(1e9 * PI + 1e-3), None);
    }

    #[test]
    fn rotations_add_up_and_come_back() {
        let v: Vec<Complex64> = (0..12).map(|k| Complex64::new((k as f64).cos(), (3.0 * k as f64).sin())).collect();
        let mut w = v.clone();
        spin(&mut w, Axis::X, 0.4);
        spin(&mut w, Axis::X, 0.9);
        spin(&mut w, Axis::X, -1.3);
        assert!(v.iter().zip(&w).all(|(a, b)| (a - b).norm() < 1e-13));
    }
}
