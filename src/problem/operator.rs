//! Operator sums: complex combinations of products of elementary operators, with no matrices behind them.

use super::SubsystemId;
use num_complex::Complex64;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::{Add, Mul, Neg, Sub};

/// An elementary operator of one subsystem.
///
/// Cell operators (σ⁻ = |g⟩⟨e|, n = σ⁺σ⁻, Pauli x, y, z) act on the one cell of an
/// [`Each`](super::Reach::Each) channel, on the cell `site` of a network, and everywhere else stand for the sum
/// over all cells of the subsystem: `Lower` of an ensemble is S⁻ = Σᵢσᵢ⁻, `Z` is Σᵢσᵢᶻ = 2Sᶻ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// σ⁻, taking |e⟩ to |g⟩.
    Lower,
    /// σ⁺ = (σ⁻)†.
    Raise,
    /// Pauli σx.
    X,
    /// Pauli σy.
    Y,
    /// Pauli σz = |e⟩⟨e| − |g⟩⟨g|.
    Z,
    /// n: σ⁺σ⁻ of a cell, a†a of a mode.
    Number,
    /// a of a mode.
    Annihilate,
    /// a† of a mode.
    Create,
    /// |i⟩⟨j| of a multi-level system.
    Transition(usize, usize),
}

impl Op {
    /// The Hermitian conjugate, itself elementary.
    pub fn adjoint(self) -> Self {
        match self {
            Op::Lower => Op::Raise,
            Op::Raise => Op::Lower,
            Op::Annihilate => Op::Create,
            Op::Create => Op::Annihilate,
            Op::Transition(i, j) => Op::Transition(j, i),
            hermitian => hermitian,
        }
    }
}

/// An elementary operator and what it acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Factor {
    /// The subsystem acted on.
    pub subsystem: SubsystemId,
    /// One cell of a network; `None` means all cells (see [`Op`]).
    pub site: Option<usize>,
    /// What acts.
    pub op: Op,
}

/// A complex coefficient times a product of factors, leftmost first; no factors is the identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The coefficient.
    pub coefficient: Complex64,
    /// The factors in the order written, the rightmost acting first.
    pub factors: Vec<Factor>,
}

/// A sum of [`Term`]s; the empty sum is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpSum {
    /// The terms.
    pub terms: Vec<Term>,
}

impl OpSum {
    /// `op` on `subsystem`, coefficient 1.
    pub fn of(subsystem: SubsystemId, op: Op) -> Self {
        Self::from_factor(Factor { subsystem, site: None, op })
    }

    /// One factor with coefficient 1.
    pub fn from_factor(factor: Factor) -> Self {
        Self { terms: vec![Term { coefficient: Complex64::new(1.0, 0.0), factors: vec![factor] }] }
    }

    /// `value` times the identity.
    pub fn scalar(value: Complex64) -> Self {
        Self { terms: vec![Term { coefficient: value, factors: Vec::new() }] }
    }

    /// The Hermitian conjugate.
    pub fn adjoint(&self) -> Self {
        let conjugate = |t: &Term| Term {
            coefficient: t.coefficient.conj(),
            factors: t.factors.iter().rev().map(|f| Factor { op: f.op.adjoint(), ..*f }).collect(),
        };
        Self { terms: self.terms.iter().map(conjugate).collect() }
    }

    /// \[R, I\] of O = R + iI with R = (O + O†)/2 and I = (O − O†)/2i, both Hermitian.
    pub fn hermitian_parts(&self) -> [Self; 2] {
        let (half, adjoint) = (Complex64::new(0.5, 0.0), self.adjoint());
        [(self.clone() + adjoint.clone()) * half, (self.clone() - adjoint) * (half / Complex64::I)]
    }

    /// The operator of one cell put on cell `site`: every factor of `subsystem` without a site gets it.
    pub fn on_site(&self, subsystem: SubsystemId, site: usize) -> Self {
        let mut sum = self.clone();
        for factor in sum.terms.iter_mut().flat_map(|t| &mut t.factors) {
            if factor.subsystem == subsystem && factor.site.is_none() {
                factor.site = Some(site);
            }
        }
        sum
    }

    /// All factors of all terms.
    pub fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.terms.iter().flat_map(|t| &t.factors)
    }

    /// The same operator in σ⁻ and σ⁺ alone where it had σx and σy, factors that commute in a fixed order, like terms
    /// collected and zeros dropped: the form in which shifts of M can be read off.
    pub fn in_ladder_operators(&self) -> Self {
        let mut collected: Vec<Term> = Vec::new();
        let mut places: HashMap<Vec<Factor>, usize> = HashMap::new();
        for term in &self.terms {
            let mut expanded = OpSum::scalar(term.coefficient);
            for &factor in &term.factors {
                expanded = expanded * ladder_form(factor);
            }
            for mut t in expanded.terms {
                sort_commuting(&mut t.factors);
                match places.entry(t.factors.clone()) {
                    Entry::Occupied(place) => collected[*place.get()].coefficient += t.coefficient,
                    Entry::Vacant(place) => {
                        place.insert(collected.len());
                        collected.push(t);
                    }
                }
            }
        }
        collected.retain(|t| t.coefficient != Complex64::ZERO);
        Self { terms: collected }
    }
}

/// Bring factors that commute, those of different subsystems or of different cells, into a fixed order.
fn sort_commuting(factors: &mut [Factor]) {
    factors.sort_by_key(|f| f.subsystem);
    // A sum over all cells commutes with no cell of its own subsystem: it stays where it is.
    let fence = |f: &Factor| (f.subsystem, f.site.is_none());
    for run in factors.chunk_by_mut(|a, b| fence(a) == fence(b)) {
        if run[0].site.is_some() {
            run.sort_by_key(|f| f.site);
        }
    }
}

fn ladder_form(factor: Factor) -> OpSum {
    let with = |op, coefficient| Term { coefficient, factors: vec![Factor { op, ..factor }] };
    let one = Complex64::new(1.0, 0.0);
    let terms = match factor.op {
        Op::X => vec![with(Op::Raise, one), with(Op::Lower, one)],
        Op::Y => vec![with(Op::Raise, -Complex64::I), with(Op::Lower, Complex64::I)],
        other => vec![with(other, one)],
    };
    OpSum { terms }
}

impl Add for OpSum {
    type Output = OpSum;
    fn add(mut self, rhs: OpSum) -> OpSum {
        self.terms.extend(rhs.terms);
        self
    }
}

impl Neg for OpSum {
    type Output = OpSum;
    fn neg(self) -> OpSum {
        self * Complex64::new(-1.0, 0.0)
    }
}

impl Sub for OpSum {
    type Output = OpSum;
    fn sub(self, rhs: OpSum) -> OpSum {
        self + -rhs
    }
}

impl Mul for OpSum {
    type Output = OpSum;
    fn mul(self, rhs: OpSum) -> OpSum {
        let mut terms = Vec::with_capacity(self.terms.len() * rhs.terms.len());
        for left in &self.terms {
            for right in &rhs.terms {
                terms.push(Term {
                    coefficient: left.coefficient * right.coefficient,
                    factors: left.factors.iter().chain(&right.factors).copied().collect(),
                });
            }
        }
        OpSum { terms }
    }
}

impl Mul<Complex64> for OpSum {
    type Output = OpSum;
    fn mul(mut self, rhs: Complex64) -> OpSum {
        for term in &mut self.terms {
            term.coefficient *= rhs;
        }
        self
    }
}

impl Mul<f64> for OpSum {
    type Output = OpSum;
    fn mul(self, rhs: f64) -> OpSum {
        self * Complex64::new(rhs, 0.0)
    }
}

/// σ⁻ of a cell, or S⁻ = Σσ⁻ of an ensemble.
pub fn sm(subsystem: SubsystemId) -> OpSum {
    OpSum::of(subsystem, Op::Lower)
}

/// σ⁺ of a cell, or S⁺ = Σσ⁺ of an ensemble.
pub fn sp(subsystem: SubsystemId) -> OpSum {
    OpSum::of(subsystem, Op::Raise)
}

/// Pauli σx of a cell, or Σσx of an ensemble.
pub fn sx(subsystem: SubsystemId) -> OpSum {
    OpSum::of(subsystem, Op::X)
}

/// Pauli σy of a cell, or Σσy of an ensemble.
pub fn sy(subsystem: SubsystemId) -> OpSum {
    OpSum::of(subsystem, Op::Y)
}

/// a of a mode.
pub fn a(mode: SubsystemId) -> OpSum {
    OpSum::of(mode, Op::Annihilate)
}

/// a† of a mode.
pub fn ad(mode: SubsystemId) -> OpSum {
    OpSum::of(mode, Op::Create)
}

/// |to⟩⟨from| of a multi-level system.
pub fn transition(levels: SubsystemId, to: usize, from: usize) -> OpSum {
    OpSum::of(levels, Op::Transition(to, from))
}

/// Pauli σz of a cell, or Σσz of an ensemble.
pub fn sz(subsystem: SubsystemId) -> OpSum {
    OpSum::of(subsystem, Op::Z)
}

/// Number of quanta: σ⁺σ⁻ of a cell (summed over an ensemble), a†a of a mode.
pub fn n(subsystem: SubsystemId) -> OpSum {
    OpSum::of(subsystem, Op::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SubsystemId = SubsystemId::new(0);
    const B: SubsystemId = SubsystemId::new(1);

    #[test]
    fn products_conjugate_in_reverse_order() {
        let op = (sp(A) * sm(B)) * Complex64::new(0.0, 2.0);
        let expected = (sp(B) * sm(A)) * Complex64::new(0.0, -2.0);
        assert_eq!(op.adjoint(), expected);
    }

    #[test]
    fn factors_that_commute_have_one_order() {
        let exchange = sp(A) * sm(B) + sm(A) * sp(B);
        assert_eq!((exchange.clone() - exchange.adjoint()).in_ladder_operators(), OpSum::default());
        let cell = |site, op| OpSum::from_factor(Factor { subsystem: A, site: Some(site), op });
        let hop = cell(0, Op::Raise) * cell(1, Op::Lower) + cell(0, Op::Lower) * cell(1, Op::Raise);
        assert_eq!((hop.clone() - hop.adjoint()).in_ladder_operators(), OpSum::default());
        let order = sp(A) * sm(A) - sm(A) * sp(A);
        assert_eq!(order.in_ladder_operators().terms.len(), 2);
    }

    #[test]
    fn x_and_y_become_ladder_operators_and_cancel() {
        let x = OpSum::of(A, Op::X);
        let y = OpSum::of(A, Op::Y);
        // σx − iσy = 2σ⁻
        let lowered = (x - y * Complex64::I).in_ladder_operators();
        assert_eq!(lowered, sm(A) * 2.0);
    }
}
