//! Products of the operators of a mode and of an ensemble brought into normal order by their commutators.

use super::{Factor, Op};
use num_complex::Complex64;
use std::collections::BTreeMap;

/// (S⁺)^raise (Σσz)^z (Σn)^n (S⁻)^lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Powers {
    pub(super) raise: u32,
    pub(super) z: u32,
    pub(super) n: u32,
    pub(super) lower: u32,
}

impl Powers {
    /// Number of factors.
    pub(super) fn degree(self) -> u32 {
        self.raise + self.z + self.n + self.lower
    }
}

/// A product of a, a† and n of one mode as Σ c (a†)^k a^l, from a^l a† = a†a^l + l a^(l−1).
pub(super) fn mode_polynomial(factors: &[Factor]) -> BTreeMap<(u32, u32), f64> {
    let mut all = BTreeMap::from([((0, 0), 1.0)]);
    let create = |all: BTreeMap<(u32, u32), f64>| {
        let mut next = BTreeMap::new();
        for ((k, l), c) in all {
            *next.entry((k + 1, l)).or_insert(0.0) += c;
            if l > 0 {
                *next.entry((k, l - 1)).or_insert(0.0) += f64::from(l) * c;
            }
        }
        next
    };
    let annihilate =
        |all: BTreeMap<(u32, u32), f64>| all.into_iter().map(|((k, l), c)| ((k, l + 1), c)).collect::<BTreeMap<_, _>>();
    for factor in factors {
        all = match factor.op {
            Op::Create => create(all),
            Op::Annihilate => annihilate(all),
            _ => annihilate(create(all)),
        };
    }
    all
}

/// A product of collective operators as Σ c (S⁺)^a (Σσz)^b (Σn)^e (S⁻)^d, from [Σσz, S^±] = ±2S^±, [Σn, S^±] = ±S^± and
/// [S⁺, S⁻] = Σσz, which give (S⁻)^d S⁺ = S⁺(S⁻)^d − (d Σσz + d(d − 1))(S⁻)^(d−1).
pub(super) fn spin_polynomial(factors: &[Factor]) -> BTreeMap<Powers, Complex64> {
    type Polynomial = BTreeMap<Powers, Complex64>;
    let add = |to: &mut Polynomial, powers: Powers, c: Complex64| {
        *to.entry(powers).or_insert(Complex64::ZERO) += c;
    };
    let raise = |all: &Polynomial, by: Complex64| {
        let mut next = Polynomial::new();
        for (p, c) in all {
            // (Σσz)^b (Σn)^e S⁺ = S⁺ (Σσz + 2)^b (Σn + 1)^e
            for (i, u) in binomials(p.z).enumerate() {
                for (j, v) in binomials(p.n).enumerate() {
                    let shifted = Powers { raise: p.raise + 1, z: p.z - i as u32, n: p.n - j as u32, ..*p };
                    add(&mut next, shifted, by * c * u * v * 2f64.powi(i as i32));
                }
            }
            if p.lower > 0 {
                let d = f64::from(p.lower);
                let fewer = Powers { lower: p.lower - 1, ..*p };
                add(&mut next, Powers { z: p.z + 1, ..fewer }, -by * c * d);
                add(&mut next, fewer, -by * c * d * (d - 1.0));
            }
        }
        next
    };
    let lower = |all: &Polynomial, by: Complex64| -> Polynomial {
        all.iter().map(|(p, c)| (Powers { lower: p.lower + 1, ..*p }, by * c)).collect()
    };
    // (S⁻)^d Σσz = (Σσz + 2d)(S⁻)^d and (S⁻)^d Σn = (Σn + d)(S⁻)^d
    let number = |all: &Polynomial, longer: fn(Powers) -> Powers, shift: f64| {
        let mut next = Polynomial::new();
        for (p, c) in all {
            add(&mut next, longer(*p), *c);
            add(&mut next, *p, c * shift * f64::from(p.lower));
        }
        next
    };
    let both = |mut sum: Polynomial, other: Polynomial| {
        other.into_iter().for_each(|(p, c)| add(&mut sum, p, c));
        sum
    };
    let (one, i) = (Complex64::ONE, Complex64::I);
    let mut all = Polynomial::from([(Powers::default(), one)]);
    for factor in factors {
        all = match factor.op {
            Op::Raise => raise(&all, one),
            Op::Lower => lower(&all, one),
            Op::X => both(raise(&all, one), lower(&all, one)),
            Op::Y => both(raise(&all, -i), lower(&all, i)),
            Op::Z => number(&all, |p| Powers { z: p.z + 1, ..p }, 2.0),
            _ => number(&all, |p| Powers { n: p.n + 1, ..p }, 1.0),
        };
        all.retain(|_, c| *c != Complex64::ZERO);
    }
    all
}

/// The binomial coefficients of a power, from 0.
fn binomials(power: u32) -> impl Iterator<Item = f64> {
    let next = move |(k, c): (u32, f64)| (k < power).then(|| (k + 1, c * f64::from(power - k) / f64::from(k + 1)));
    std::iter::successors(Some((0, 1.0)), move |state| next(*state)).map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::SubsystemId;

    const B: SubsystemId = SubsystemId::new(0);

    type Matrix = Vec<Vec<Complex64>>;

    fn times(a: &Matrix, b: &Matrix) -> Matrix {
        let d = a.len();
        let element = |i: usize, j: usize| (0..d).map(|k| a[i][k] * b[k][j]).sum();
        (0..d).map(|i| (0..d).map(|j| element(i, j)).collect()).collect()
    }

    fn power(a: &Matrix, n: u32) -> Matrix {
        let d = a.len();
        let one = (0..d).map(|i| (0..d).map(|j| Complex64::from(f64::from(u8::from(i == j)))).collect()).collect();
        (0..n).fold(one, |product, _| times(&product, a))
    }

    /// An operator of a spin 5/2 made of 7 cells, basis M from −J up.
    fn spin(op: Op) -> Matrix {
        let (two_j, cells) = (5usize, 7.0);
        let element = |i: usize, j: usize| -> Complex64 {
            let up = |j: usize| (((two_j - j) * (j + 1)) as f64).sqrt();
            let z = 2.0 * j as f64 - two_j as f64;
            let raise = if i == j + 1 { up(j) } else { 0.0 };
            let lower = if j == i + 1 { up(i) } else { 0.0 };
            let diagonal = |value: f64| if i == j { value } else { 0.0 };
            match op {
                Op::Raise => raise.into(),
                Op::Lower => lower.into(),
                Op::X => (raise + lower).into(),
                Op::Y => Complex64::new(0.0, lower - raise),
                Op::Z => diagonal(z).into(),
                _ => diagonal((z + cells) / 2.0).into(),
            }
        };
        (0..=two_j).map(|i| (0..=two_j).map(|j| element(i, j)).collect()).collect()
    }

    #[test]
    fn products_of_spins_keep_their_matrices() {
        let words: [&[Op]; 5] = [
            &[Op::Lower, Op::Raise],
            &[Op::Z, Op::Raise, Op::Lower, Op::Lower, Op::Raise],
            &[Op::X, Op::Y, Op::Number, Op::Z, Op::Raise],
            &[Op::Lower, Op::Lower, Op::Lower, Op::Raise, Op::Raise, Op::Number],
            &[Op::Y, Op::Y, Op::X, Op::X, Op::Y],
        ];
        for word in words {
            let factors: Vec<Factor> = word.iter().map(|op| Factor { subsystem: B, site: None, op: *op }).collect();
            let expected = word.iter().fold(power(&spin(Op::Z), 0), |product, op| times(&product, &spin(*op)));
            let mut found = vec![vec![Complex64::ZERO; 6]; 6];
            for (p, c) in spin_polynomial(&factors) {
                let ordered = [(Op::Raise, p.raise), (Op::Z, p.z), (Op::Number, p.n), (Op::Lower, p.lower)];
                let product =
                    ordered.iter().fold(power(&spin(Op::Z), 0), |m, (op, n)| times(&m, &power(&spin(*op), *n)));
                for i in 0..6 {
                    for j in 0..6 {
                        found[i][j] += c * product[i][j];
                    }
                }
            }
            for i in 0..6 {
                for j in 0..6 {
                    let error = (found[i][j] - expected[i][j]).norm();
                    assert!(error < 1e-10 * (1.0 + expected[i][j].norm()), "{word:?} ({i}, {j}): {error}");
                }
            }
        }
    }

    #[test]
    fn products_of_a_mode_give_the_known_sums() {
        let factors = |word: &str| -> Vec<Factor> {
            let op = |c| match c {
                '+' => Op::Create,
                '-' => Op::Annihilate,
                _ => Op::Number,
            };
            word.chars().map(|c| Factor { subsystem: B, site: None, op: op(c) }).collect()
        };
        let sum = |word: &str| mode_polynomial(&factors(word)).into_iter().collect::<Vec<_>>();
        assert_eq!(sum("-+"), [((0, 0), 1.0), ((1, 1), 1.0)]);
        // n² = a†²a² + a†a and a²a†² = a†²a² + 4a†a + 2.
        assert_eq!(sum("nn"), [((1, 1), 1.0), ((2, 2), 1.0)]);
        assert_eq!(sum("--++"), [((0, 0), 2.0), ((1, 1), 4.0), ((2, 2), 1.0)]);
    }
}
