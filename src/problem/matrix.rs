//! Operators given as matrices on a space of tensor factors, taken apart into products of elementary operators: what acts on
//! one factor alone comes out as one operator of that factor, however large the matrix, so that symmetries are found as they
//! are where operators are written in words.

use super::{Kind, Op, OpSum, ProblemBuilder, SubsystemId, Term};
use crate::problem::Factor;
use num_complex::Complex64;
use std::collections::HashMap;

/// Differences of matrix elements below this part of the elements are rounding.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// A product of one |i⟩⟨j| or identity for each factor as one number, with a digit i·d + j, or d² for the identity, a factor.
#[derive(Clone, Copy)]
struct Digit {
    stride: u128,
    d: u128,
}

impl Digit {
    /// Those of all factors.
    fn all(factors: &[(SubsystemId, usize)]) -> Vec<Self> {
        let mut stride = 1;
        let digit = |(_, d): &(SubsystemId, usize)| {
            let digit = Self { stride, d: *d as u128 };
            stride *= digit.d * digit.d + 1;
            digit
        };
        factors.iter().map(digit).collect()
    }

    /// The digit of a product.
    fn of(self, product: u128) -> u128 {
        product / self.stride % (self.d * self.d + 1)
    }

    /// |i⟩⟨j|; `None` for the identity.
    fn element(self, product: u128) -> Option<(usize, usize)> {
        let digit = self.of(product);
        (digit < self.d * self.d).then(|| ((digit / self.d) as usize, (digit % self.d) as usize))
    }

    /// The product with the identity in place of this factor's element.
    fn without(self, product: u128) -> u128 {
        product + (self.d * self.d - self.of(product)) * self.stride
    }

    /// A product that has the identity here with |level⟩⟨level| in its place.
    fn with_level(self, product: u128, level: usize) -> u128 {
        product - (self.d * self.d - level as u128 * (self.d + 1)) * self.stride
    }
}

/// The name of tensor factor `index`.
fn name(index: usize) -> String {
    format!("q{index}")
}

impl ProblemBuilder {
    /// A subsystem for each dimension, called q0, q1, …: a cell for 2, whose level 0 is |g⟩, a multi-level system otherwise.
    /// All their energies are 0; [`battery_energy`](Self::battery_energy) says others.
    ///
    /// ```
    /// use leyden::prelude::*;
    /// use leyden::problem::{Initial, JointState, OpSum};
    /// use num_complex::Complex64;
    ///
    /// // A cell that decays, from its matrix: ⟨n⟩ = e^{−t}.
    /// let one = Complex64::ONE;
    /// let mut p = Problem::builder("from matrices");
    /// let factors = p.factors(&[2]);
    /// let (lower, number) = (OpSum::from_matrix(&factors, [(0, 1, one)]), OpSum::from_matrix(&factors, [(1, 1, one)]));
    /// p.initial(factors[0].0, Initial::Alone(JointState::ket(vec![Complex64::ZERO, one])));
    /// let n = p.observable("n", number);
    /// p.collective("loss", lower, 1.0).evolve("wait", 1.0, 1).observe([Quantity::Expect(n)]);
    /// assert!((solve(&p.build()?)?["n"].last().value - (-1f64).exp()).abs() < 1e-10);
    /// # Ok::<(), leyden::RunError>(())
    /// ```
    pub fn factors(&mut self, dimensions: &[usize]) -> Vec<(SubsystemId, usize)> {
        let kind = |d: usize| match d {
            2 => Kind::Network { cells: 1, edges: Vec::new() },
            _ => Kind::Levels { energies: vec![0.0; d] },
        };
        let all = dimensions.iter().enumerate();
        self.by_pattern();
        all.map(|(index, &d)| (self.subsystem(&name(index), kind(d), 0.0), d)).collect()
    }
}

impl OpSum {
    /// The operator with these elements (row, column, value) on the product states of `factors`, those of
    /// [`ProblemBuilder::factors`] with their dimensions, the first the most significant digit. Elements beyond the space are
    /// left out, and those given twice are added.
    pub fn from_matrix(
        factors: &[(SubsystemId, usize)],
        elements: impl IntoIterator<Item = (usize, usize, Complex64)>,
    ) -> Self {
        let dimension: usize = factors.iter().map(|(_, d)| *d).product();
        let digits = Digit::all(factors);
        let mut sums: HashMap<u128, Complex64> = HashMap::new();
        for (mut row, mut column, value) in elements {
            if row >= dimension || column >= dimension {
                continue;
            }
            let mut product = 0;
            for digit in digits.iter().rev() {
                let d = digit.d as usize;
                product += (row % d * d + column % d) as u128 * digit.stride;
                (row, column) = (row / d, column / d);
            }
            *sums.entry(product).or_default() += value;
        }
        let mut terms: Vec<(u128, Complex64)> = sums.into_iter().collect();
        for digit in &digits {
            terms = with_identity(terms, *digit);
        }
        terms.retain(|(_, c)| *c != Complex64::ZERO);
        terms.sort_unstable_by_key(|(product, _)| *product);
        let factor = |(subsystem, d): (SubsystemId, usize), element: (usize, usize)| {
            let op = match element {
                (0, 1) if d == 2 => Op::Lower,
                (1, 0) if d == 2 => Op::Raise,
                _ if d == 2 => Op::Number,
                (to, from) => Op::Transition(to, from),
            };
            Factor { subsystem, site: None, op }
        };
        let term = |(product, coefficient): (u128, Complex64)| {
            let own = factors.iter().zip(&digits);
            let factors = own.filter_map(|(of, digit)| Some(factor(*of, digit.element(product)?)));
            Term { coefficient, factors: factors.collect() }
        };
        Self { terms: terms.into_iter().map(term).collect() }
    }
}

/// Σ_i c_i |i⟩⟨i| of one factor as c·1 + Σ_i (c_i − c)|i⟩⟨i|, with the c that most levels have; that of |0⟩ for two levels.
fn with_identity(terms: Vec<(u128, Complex64)>, digit: Digit) -> Vec<(u128, Complex64)> {
    let d = digit.d as usize;
    let mut diagonals: HashMap<u128, Vec<Complex64>> = HashMap::new();
    let mut found = Vec::with_capacity(terms.len());
    for (product, value) in terms {
        match digit.element(product) {
            Some((i, j)) if i == j => {
                let all = diagonals.entry(digit.without(product)).or_insert_with(|| vec![Complex64::ZERO; d]);
                all[i] += value;
            }
            _ => found.push((product, value)),
        }
    }
    for (product, values) in diagonals {
        let largest = values.iter().map(|c| c.norm()).fold(0.0, f64::max);
        let common = if d == 2 { values[0] } else { commonest(&values) };
        let others = values.into_iter().enumerate().filter(|(_, c)| (c - common).norm() > ROUNDING * largest);
        found.extend(others.map(|(level, value)| (digit.with_level(product, level), value - common)));
        if common != Complex64::ZERO {
            found.push((product, common));
        }
    }
    found
}

/// The value that most have; 0 where no other is had more often.
fn commonest(values: &[Complex64]) -> Complex64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.re.total_cmp(&b.re).then(a.im.total_cmp(&b.im)));
    let zeros = values.iter().filter(|c| **c == Complex64::ZERO).count();
    let largest = sorted.chunk_by(|a, b| a == b).max_by_key(|same| same.len());
    largest.filter(|same| same.len() > zeros.max(1)).map_or(Complex64::ZERO, |same| same[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix of a sum of products again.
    fn matrix(factors: &[(SubsystemId, usize)], sum: &OpSum) -> Vec<Vec<Complex64>> {
        let d: usize = factors.iter().map(|(_, d)| *d).product();
        let mut all = vec![vec![Complex64::ZERO; d]; d];
        for term in &sum.terms {
            for column in 0..d {
                let (mut rest, mut place, mut stride, mut amplitude) = (column, 0, 1, term.coefficient);
                for (of, levels) in factors.iter().rev() {
                    let level = rest % levels;
                    rest /= levels;
                    let to = term.factors.iter().find(|f| f.subsystem == *of).map_or(Some(level), |f| match f.op {
                        Op::Lower => (level == 1).then_some(0),
                        Op::Raise => (level == 0).then_some(1),
                        Op::Number => (level == 1).then_some(1),
                        Op::Transition(to, from) => (level == from).then_some(to),
                        _ => None,
                    });
                    amplitude = if to.is_some() { amplitude } else { Complex64::ZERO };
                    place += to.unwrap_or(0) * stride;
                    stride *= levels;
                }
                all[place][column] += amplitude;
            }
        }
        all
    }

    #[test]
    fn matrices_come_back_and_local_operators_are_one_term() {
        let mut p = crate::problem::Problem::builder("x");
        let factors = p.factors(&[2, 3, 2]);
        // An arbitrary matrix with zeros.
        let value = |i: usize, j: usize| match (5 * i + 3 * j) % 4 {
            0 => Complex64::ZERO,
            k => Complex64::new(k as f64 - 0.3 * i as f64, 0.1 * j as f64),
        };
        let elements = (0..12).flat_map(|i| (0..12).map(move |j| (i, j, value(i, j))));
        let back = matrix(&factors, &OpSum::from_matrix(&factors, elements));
        for (i, j) in (0..12).flat_map(|i| (0..12).map(move |j| (i, j))) {
            assert!((back[i][j] - value(i, j)).norm() < 1e-13, "{i}, {j}");
        }
        // σ⁻ of the first cell, and 0.7n of it plus 0.1n of the last.
        let lower = (0..6).map(|rest| (rest, 6 + rest, Complex64::ONE));
        assert_eq!(OpSum::from_matrix(&factors, lower).terms.len(), 1);
        let energies = (0..12).map(|i| (i, i, Complex64::from(0.7 * (i / 6) as f64 + 0.1 * (i % 2) as f64)));
        assert_eq!(OpSum::from_matrix(&factors, energies).terms.len(), 2);
        // A number operator of the middle system, and its identity.
        let middle = (0..12).map(|i| (i, i, Complex64::from((i / 2 % 3) as f64)));
        assert_eq!(OpSum::from_matrix(&factors, middle).terms.len(), 2);
        assert_eq!(OpSum::from_matrix(&factors, (0..12).map(|i| (i, i, Complex64::ONE))).terms.len(), 1);
    }
}
