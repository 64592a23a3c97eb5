//! The inner loops of banded evolution, on whole vector registers: every length is a multiple of eight.

use crate::space::blocks::Diagonal;
use pulp::Simd;
use std::ops::Range;

/// How vectors lie in the working memory: zeros, real parts, zeros, imaginary parts, zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// 1 if everything is real, otherwise 2.
    pub planes: usize,
    /// Amplitudes in a plane, a multiple of 8.
    pub n: usize,
    /// Zeros beside them, a multiple of 8.
    pub margin: usize,
}

impl Shape {
    /// Numbers in a vector.
    pub fn size(&self) -> usize {
        self.margin + self.planes * (self.n + self.margin)
    }

    /// Where a plane lies.
    #[inline(always)]
    pub fn plane(&self, plane: usize) -> Range<usize> {
        let start = self.margin + plane * (self.n + self.margin);
        start..start + self.n
    }

    /// Write the zeros of a vector.
    #[inline(always)]
    pub fn clear_margins(&self, x: &mut [f64]) {
        for plane in 0..=self.planes {
            let start = plane * (self.n + self.margin);
            x[start..start + self.margin].fill(0.0);
        }
    }
}

#[inline(always)]
fn lanes<S: Simd>(x: &[f64]) -> &[S::f64s] {
    S::as_simd_f64s(x).0
}

/// x·y.
#[inline(always)]
pub fn dot<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let ((x, xs), (y, ys)) = (S::as_simd_f64s(x), S::as_simd_f64s(y));
    // Plain loops and functions all along: a closure that is not inlined would be compiled for other instructions.
    let mut sums = [simd.splat_f64s(0.0); 4];
    let fours = x.len().min(y.len()) / 4 * 4;
    let mut t = 0;
    while t < fours {
        for k in 0..4 {
            sums[k] = simd.mul_add_e_f64s(x[t + k], y[t + k], sums[k]);
        }
        t += 4;
    }
    for t in fours..x.len().min(y.len()) {
        sums[0] = simd.mul_add_e_f64s(x[t], y[t], sums[0]);
    }
    let mut tail = 0.0;
    for k in 0..xs.len().min(ys.len()) {
        tail += xs[k] * ys[k];
    }
    total(simd, sums) + tail
}

#[inline(always)]
fn total<S: Simd>(simd: S, x: [S::f64s; 4]) -> f64 {
    simd.reduce_sum_f64s(simd.add_f64s(simd.add_f64s(x[0], x[1]), simd.add_f64s(x[2], x[3])))
}

/// x *= factor.
#[inline(always)]
pub fn scale<S: Simd>(simd: S, x: &mut [f64], factor: f64) {
    let (x, tail) = S::as_mut_simd_f64s(x);
    let factors = simd.splat_f64s(factor);
    for x in x.iter_mut() {
        *x = simd.mul_f64s(*x, factors);
    }
    for x in tail.iter_mut() {
        *x *= factor;
    }
}

/// Σ_k v_k uᵏ for the vectors of `terms`, `w` apart, in one plane; with the derivative if there is room for it.
/// Returns Σv² and Σv·v'.
#[inline(always)]
pub fn polynomial<S: Simd, const SLOPE: bool>(
    simd: S,
    (terms, w, order): (&[f64], usize, usize),
    plane: Range<usize>,
    u: f64,
    out: &mut [f64],
) -> (f64, f64) {
    let lane = S::F64_LANES;
    let terms = lanes::<S>(terms);
    let (w, first) = (w / lane, plane.start / lane);
    let out = S::as_mut_simd_f64s(&mut out[plane]).0;
    let u = simd.splat_f64s(u);
    let (mut size, mut change) = ([simd.splat_f64s(0.0); 4], [simd.splat_f64s(0.0); 4]);
    let fours = out.len() / 4 * 4;
    let mut t = 0;
    while t < fours {
        column::<S, SLOPE, 4>(simd, (terms, w, order), first + t, u, &mut out[t..t + 4], &mut size, &mut change);
        t += 4;
    }
    while t < out.len() {
        column::<S, SLOPE, 1>(simd, (terms, w, order), first + t, u, &mut out[t..t + 1], &mut size, &mut change);
        t += 1;
    }
    (total(simd, size), total(simd, change))
}

/// The same for as many registers as hide each other's latency.
#[inline(always)]
fn column<S: Simd, const SLOPE: bool, const MANY: usize>(
    simd: S,
    (terms, w, order): (&[S::f64s], usize, usize),
    at: usize,
    u: S::f64s,
    out: &mut [S::f64s],
    size: &mut [S::f64s; 4],
    change: &mut [S::f64s; 4],
) {
    let mut v = [simd.splat_f64s(0.0); MANY];
    let mut p = [simd.splat_f64s(0.0); MANY];
    let top = &terms[order * w + at..order * w + at + MANY];
    v.copy_from_slice(top);
    let mut k = order;
    while k > 0 {
        k -= 1;
        let term = &terms[k * w + at..k * w + at + MANY];
        for i in 0..MANY {
            if SLOPE {
                p[i] = simd.mul_add_e_f64s(p[i], u, v[i]);
            }
            v[i] = simd.mul_add_e_f64s(v[i], u, term[i]);
        }
    }
    for i in 0..MANY {
        size[i] = simd.mul_add_e_f64s(v[i], v[i], size[i]);
        if SLOPE {
            change[i] = simd.mul_add_e_f64s(v[i], p[i], change[i]);
        }
        out[i] = v[i];
    }
}

/// y = factor·(A − μ)x; returns ‖y‖². The zeros beside x stand for what would come from outside the window.
#[inline(always)]
pub fn gather<S: Simd>(
    simd: S,
    diagonals: &[Diagonal<'_>],
    shape: Shape,
    x: &[f64],
    y: &mut [f64],
    last: ((f64, f64), f64),
) -> f64 {
    let mut rest = diagonals;
    let mut begun = false;
    loop {
        // As many diagonals at a time as the registers hold.
        let take = rest.len().min(4);
        let (now, later) = rest.split_at(take);
        let end = later.is_empty().then_some(last);
        let norm = match take {
            0 => pass::<S, 0>(simd, now, shape, x, y, begun, end),
            1 => pass::<S, 1>(simd, now, shape, x, y, begun, end),
            2 => pass::<S, 2>(simd, now, shape, x, y, begun, end),
            3 => pass::<S, 3>(simd, now, shape, x, y, begun, end),
            _ => pass::<S, 4>(simd, now, shape, x, y, begun, end),
        };
        if later.is_empty() {
            return norm;
        }
        (rest, begun) = (later, true);
    }
}

/// y − μx in place of y; returns its norm².
#[inline(always)]
pub fn shift<S: Simd>(simd: S, shape: Shape, x: &[f64], y: &mut [f64], by: (f64, f64)) -> f64 {
    pass::<S, 0>(simd, &[], shape, x, y, true, Some((by, 1.0)))
}

/// y (+)= Σ of K diagonals, and with the last of them the shift, the factor and the norm.
#[inline(always)]
fn pass<S: Simd, const K: usize>(
    simd: S,
    diagonals: &[Diagonal<'_>],
    shape: Shape,
    x: &[f64],
    y: &mut [f64],
    begun: bool,
    last: Option<((f64, f64), f64)>,
) -> f64 {
    let zero = simd.splat_f64s(0.0);
    let m = shape.n / S::F64_LANES;
    let (re, im) = (shape.plane(0), shape.plane(shape.planes - 1));
    let ((mean, turn), factor) = last.unwrap_or(((0.0, 0.0), 1.0));
    let (minus_mean, turns, factors) = (simd.splat_f64s(-mean), simd.splat_f64s(turn), simd.splat_f64s(factor));
    let minus_turn = simd.splat_f64s(-turn);
    let none: &[S::f64s] = &[];
    let (mut v, mut for_re, mut for_im) = ([none; K], [none; K], [none; K]);
    let mut signs = [zero; K];
    for k in 0..K {
        let Diagonal { values, offset, turned } = diagonals[k];
        v[k] = &lanes::<S>(&values[..shape.n])[..m];
        let xr = &lanes::<S>(&x[re.start.wrapping_add_signed(-offset)..][..shape.n])[..m];
        let xi = &lanes::<S>(&x[im.start.wrapping_add_signed(-offset)..][..shape.n])[..m];
        // i·v: real parts come from imaginary ones with a minus, and the other way round.
        (for_re[k], for_im[k]) = if turned { (xi, xr) } else { (xr, xi) };
        signs[k] = simd.splat_f64s(if turned { -1.0 } else { 1.0 });
    }
    let own = &lanes::<S>(&x[re.clone()])[..m];
    let mut norm = [zero; 2];
    if shape.planes == 1 {
        let y = &mut S::as_mut_simd_f64s(&mut y[re]).0[..m];
        for t in 0..m {
            let mut a = if begun { y[t] } else { zero };
            for k in 0..K {
                a = simd.mul_add_e_f64s(v[k][t], for_re[k][t], a);
            }
            if last.is_some() {
                a = simd.mul_f64s(factors, simd.mul_add_e_f64s(minus_mean, own[t], a));
                norm[0] = simd.mul_add_e_f64s(a, a, norm[0]);
            }
            y[t] = a;
        }
        return simd.reduce_sum_f64s(norm[0]);
    }
    let other = &lanes::<S>(&x[im.clone()])[..m];
    let (low, high) = y.split_at_mut(im.start);
    let yr = &mut S::as_mut_simd_f64s(&mut low[re]).0[..m];
    let yi = &mut S::as_mut_simd_f64s(&mut high[..shape.n]).0[..m];
    for t in 0..m {
        let (mut a, mut b) = if begun { (yr[t], yi[t]) } else { (zero, zero) };
        for k in 0..K {
            let v = v[k][t];
            a = simd.mul_add_e_f64s(simd.mul_f64s(signs[k], v), for_re[k][t], a);
            b = simd.mul_add_e_f64s(v, for_im[k][t], b);
        }
        if last.is_some() {
            a = simd.mul_add_e_f64s(minus_mean, own[t], simd.mul_add_e_f64s(turns, other[t], a));
            b = simd.mul_add_e_f64s(minus_mean, other[t], simd.mul_add_e_f64s(minus_turn, own[t], b));
            (a, b) = (simd.mul_f64s(factors, a), simd.mul_f64s(factors, b));
            norm[0] = simd.mul_add_e_f64s(a, a, norm[0]);
            norm[1] = simd.mul_add_e_f64s(b, b, norm[1]);
        }
        (yr[t], yi[t]) = (a, b);
    }
    simd.reduce_sum_f64s(simd.add_f64s(norm[0], norm[1]))
}
