//! The moment equations of N identical cells, exact up to the third moments, which a closure supplies.

use crate::error::CompileError;
use crate::exact::integrate::Flow;
use crate::problem::{Factor, Op, OpSum};
use ndarray::{Array2, arr2, linalg::kron};
use num_complex::Complex64;

/// Unknowns: x, y, z of the Bloch vector sₐ = ⟨σᵃ₁⟩, then xx, yy, zz, xy, xz, yz of C_ab = ⟨σᵃ₁σᵇ₂⟩ = C_ba.
pub const MOMENTS: usize = 9;
/// The pairs (a, b) behind moments 3 to 8.
pub const PAIRS: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];

/// Sₐ and C_ab read from the list of unknowns.
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a>(pub &'a [f64]);

impl Moments<'_> {
    /// ⟨σᵃ⟩.
    pub fn s(&self, a: usize) -> f64 {
        self.0[a]
    }

    /// ⟨σᵃ₁σᵇ₂⟩.
    pub fn c(&self, a: usize, b: usize) -> f64 {
        self.0[if a == b { 3 + a } else { 5 + a + b }]
    }
}

/// ⟨σᵃ₁σᵇ₂σᶜ₃⟩ with the third cumulant set to zero (the closure of the paper's appendix).
pub fn without_third_cumulant(m: Moments<'_>, a: usize, b: usize, c: usize) -> f64 {
    m.s(a) * m.c(b, c) + m.s(b) * m.c(a, c) + m.s(c) * m.c(a, b) - 2.0 * m.s(a) * m.s(b) * m.s(c)
}

/// Its derivative at `m` in the direction `v`.
pub fn tangent(m: Moments<'_>, v: Moments<'_>, a: usize, b: usize, c: usize) -> f64 {
    let one = |a, b, c| v.s(a) * m.c(b, c) + m.s(a) * v.c(b, c) - 2.0 * v.s(a) * m.s(b) * m.s(c);
    one(a, b, c) + one(b, a, c) + one(c, a, b)
}

type Matrix = Array2<Complex64>;

/// 1, σx, σy, σz in the basis e, g.
pub fn pauli() -> [Matrix; 4] {
    let (o, l, i) = (Complex64::ZERO, Complex64::ONE, Complex64::I);
    [arr2(&[[l, o], [o, l]]), arr2(&[[o, l], [l, o]]), arr2(&[[o, -i], [i, o]]), arr2(&[[l, o], [o, -l]])]
}

fn dagger(m: &Matrix) -> Matrix {
    m.t().mapv(|x| x.conj())
}

fn trace(m: &Matrix) -> Complex64 {
    m.diag().sum()
}

/// D†[l]A = l†Al − ½(l†lA + Al†l).
fn adjoint(l: &Matrix, a: &Matrix) -> Matrix {
    let (ld, half) = (dagger(l), Complex64::new(0.5, 0.0));
    let ll = ld.dot(l);
    ld.dot(a).dot(l) - (ll.dot(a) + a.dot(&ll)) * half
}

fn refuse(reason: String) -> CompileError {
    CompileError { representation: "mean-field", reason }
}

fn factor_matrix(factor: &Factor) -> Result<Matrix, CompileError> {
    let [one, x, y, z] = pauli();
    let half = Complex64::new(0.5, 0.0);
    Ok(match factor.op {
        Op::X => x,
        Op::Y => y,
        Op::Z => z,
        Op::Lower => (x - y * Complex64::I) * half,
        Op::Raise => (x + y * Complex64::I) * half,
        Op::Number => (one + z) * half,
        Op::Annihilate | Op::Create | Op::Transition(..) => return Err(refuse("it knows two-level cells only".into())),
    })
}

/// A dissipator as it acts on one cell: rate·D\[l\] on every cell, or rate·D\[Σᵢ lᵢ\].
#[derive(Clone, Debug)]
pub struct Dissipator {
    l: Matrix,
    rate: f64,
    collective: bool,
    /// Number of the channel in the problem.
    pub channel: usize,
}

impl Dissipator {
    /// The operator written as a one-cell matrix.
    ///
    /// # Errors
    /// For a collective operator that is not a sum over cells, or has a part proportional to 1, which acts as a drive.
    pub fn new(
        operator: &OpSum,
        rate: f64,
        collective: bool,
        channel: usize,
        name: &str,
    ) -> Result<Self, CompileError> {
        let mut l = Matrix::zeros((2, 2));
        for term in &operator.terms {
            if collective && term.factors.len() != 1 {
                return Err(refuse(format!("the operator of channel {name} is not a sum over cells")));
            }
            let product = term.factors.iter().try_fold(pauli()[0].clone(), |p, f| Ok(p.dot(&factor_matrix(f)?)))?;
            l = l + product * term.coefficient;
        }
        let size = l.iter().map(|x| x.norm()).fold(0.0, f64::max);
        if collective && trace(&l).norm() > 1e-12 * size {
            return Err(refuse(format!("the collective operator of channel {name} has a part proportional to 1")));
        }
        Ok(Self { l, rate, collective, channel })
    }

    /// p_a in l = Σ p_a σᵃ.
    fn vector(&self) -> [Complex64; 4] {
        pauli().map(|s| trace(&s.dot(&self.l)) * 0.5)
    }
}

/// Jumps of a channel per cell and time: `constant` + Σ `one`ₐ sₐ + Σ `two`_ab C_ab.
#[derive(Clone, Debug)]
struct JumpRate {
    constant: f64,
    one: [f64; 3],
    two: [[f64; 3]; 3],
}

/// d/dt of the unknowns under some dissipators, and the jumps that these make.
#[derive(Clone, Debug)]
pub struct Equations {
    others: [f64; 2],
    /// ds_a/dt from one cell: coefficients of 1, s_x, s_y, s_z.
    one: [[f64; 4]; 3],
    /// dC_ab/dt from two cells: coefficients of ⟨σᶜσᵈ⟩, index 4c + d, 0 standing for 1.
    pair: [[f64; 16]; 6],
    /// K[a][c][d] = Σ rate·Re(p_d* f_ac) with [σᵃ, l] = Σ f_ac σᶜ.
    cross: [[[f64; 3]; 3]; 3],
    jumps: Vec<JumpRate>,
}

impl Equations {
    /// Of `cells` cells under `dissipators`.
    ///
    /// With D†\[L\]A = ½(L†\[A, L\] + \[L†, A\]L) and L = Σ l_j the terms of other cells j than those in A are
    /// ½(l_j†[A, l] + h.c.): that of σᵃ₁ is Σ Re(p_d* f_ac) σᶜ₁σᵈ_j. Terms within one cell and within a pair come
    /// from D† itself on 2 × 2 and 4 × 4 matrices.
    pub fn new(cells: f64, dissipators: &[Dissipator]) -> Self {
        let sigma = pauli();
        let mut one = [[0.0; 4]; 3];
        let mut pair = [[0.0; 16]; 6];
        let mut cross = [[[0.0; 3]; 3]; 3];
        let mut jumps = Vec::new();
        for d in dissipators {
            let (left, right) = (kron(&d.l, &sigma[0]), kron(&sigma[0], &d.l));
            let on_pair = if d.collective { vec![&left + &right] } else { vec![left, right] };
            for (a, row) in one.iter_mut().enumerate() {
                let change = adjoint(&d.l, &sigma[a + 1]);
                row.iter_mut().zip(&sigma).for_each(|(x, s)| *x += d.rate * trace(&s.dot(&change)).re / 2.0);
            }
            for (row, (a, b)) in pair.iter_mut().zip(PAIRS) {
                let operator = kron(&sigma[a + 1], &sigma[b + 1]);
                let change = on_pair.iter().fold(Matrix::zeros((4, 4)), |sum, l| sum + adjoint(l, &operator));
                for (index, x) in row.iter_mut().enumerate() {
                    let basis = kron(&sigma[index / 4], &sigma[index % 4]);
                    *x += d.rate * trace(&basis.dot(&change)).re / 4.0;
                }
            }
            let p = d.vector();
            let total = dagger(&d.l).dot(&d.l);
            let q = sigma.each_ref().map(|s| trace(&s.dot(&total)).re / 2.0);
            let mut rate =
                JumpRate { constant: d.rate * q[0], one: [1, 2, 3].map(|a| d.rate * q[a]), two: [[0.0; 3]; 3] };
            if d.collective {
                for a in 0..3 {
                    let commutator = sigma[a + 1].dot(&d.l) - d.l.dot(&sigma[a + 1]);
                    for c in 0..3 {
                        let f = trace(&sigma[c + 1].dot(&commutator)) * 0.5;
                        for e in 0..3 {
                            cross[a][c][e] += d.rate * (p[e + 1].conj() * f).re;
                        }
                        rate.two[a][c] = d.rate * (cells - 1.0) * (p[a + 1].conj() * p[c + 1]).re;
                    }
                }
            }
            jumps.push(rate);
        }
        Self { others: [cells - 1.0, (cells - 2.0).max(0.0)], one, pair, cross, jumps }
    }

    /// The part of d/dt that is linear in 1 (`unit`), the unknowns and the third moments `third(a, b, c)`; jumps per
    /// cell and time of each dissipator follow the unknowns in `out`.
    pub fn linear(&self, unit: f64, m: Moments<'_>, third: impl Fn(usize, usize, usize) -> f64, out: &mut [f64]) {
        let each = || (0..3).flat_map(|c| (0..3).map(move |d| (c, d)));
        for a in 0..3 {
            let own = self.one[a][0] * unit + (0..3).map(|b| self.one[a][b + 1] * m.s(b)).sum::<f64>();
            let other: f64 = each().map(|(c, d)| self.cross[a][c][d] * m.c(c, d)).sum();
            out[a] = own + self.others[0] * other;
        }
        let second = |index: usize| match (index / 4, index % 4) {
            (0, 0) => unit,
            (0, a) | (a, 0) => m.s(a - 1),
            (a, b) => m.c(a - 1, b - 1),
        };
        for (k, (a, b)) in PAIRS.into_iter().enumerate() {
            let within: f64 = self.pair[k].iter().enumerate().map(|(index, x)| x * second(index)).sum();
            let beyond: f64 = each()
                .filter(|(c, d)| self.cross[a][*c][*d] != 0.0 || self.cross[b][*c][*d] != 0.0)
                .map(|(c, d)| self.cross[a][c][d] * third(c, b, d) + self.cross[b][c][d] * third(a, c, d))
                .sum();
            out[3 + k] = within + self.others[1] * beyond;
        }
        for (out, rate) in out[MOMENTS..].iter_mut().zip(&self.jumps) {
            *out = rate.constant * unit
                + (0..3).map(|a| rate.one[a] * m.s(a)).sum::<f64>()
                + each().map(|(a, b)| rate.two[a][b] * m.c(a, b)).sum::<f64>();
        }
    }

    /// Of one cell under these dissipators alone: A with ds_a/dt = A\[a\]·(1, s), and of each dissipator q with q·(1, s)
    /// jumps a time. Collective ones are not meant.
    pub fn of_one_cell(&self) -> ([[f64; 4]; 3], Vec<[f64; 4]>) {
        let linear = |rate: &JumpRate| [rate.constant, rate.one[0], rate.one[1], rate.one[2]];
        (self.one, self.jumps.iter().map(linear).collect())
    }
}

/// With the third cumulant set to zero.
impl Flow for Equations {
    fn derivative(&self, state: &[f64], out: &mut [f64]) {
        let m = Moments(state);
        self.linear(1.0, m, |a, b, c| without_third_cumulant(m, a, b, c), out);
    }

    fn jacobian(&self, state: &[f64], direction: &[f64], out: &mut [f64]) {
        let (m, v) = (Moments(state), Moments(direction));
        self.linear(0.0, v, |a, b, c| tangent(m, v, a, b, c), out);
    }

    fn stiffness(&self) -> f64 {
        let largest = |x: &mut dyn Iterator<Item = f64>| x.map(f64::abs).fold(0.0, f64::max);
        let cross = largest(&mut self.cross.iter().flatten().flatten().copied());
        largest(&mut self.pair.iter().flatten().copied()) + self.others[0] * cross
    }
}
