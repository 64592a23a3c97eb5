//! Products of operators of one two-level cell: up to a factor ±1 or ±i they are again one elementary operator.

use super::{Factor, Op};
use num_complex::Complex64;

/// An operator of one cell other than the identity. Any product of them is 0, or one of them or the identity times ±1 or
/// ±i: a product of Pauli operators is a Pauli operator, a Pauli operator turns |a⟩⟨b| into another such operator, and
/// |a⟩⟨b||c⟩⟨d| is |a⟩⟨d| or 0. So a string of operators of many cells stays one term however it is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CellOp {
    /// σx.
    X,
    /// σy.
    Y,
    /// σz.
    Z,
    /// σ⁻ = |g⟩⟨e|.
    Lower,
    /// σ⁺ = |e⟩⟨g|.
    Raise,
    /// n = |e⟩⟨e|.
    Excited,
    /// 1 − n = |g⟩⟨g|.
    Ground,
}

use CellOp::{Excited, Ground, Lower, Raise, X, Y, Z};

const ALL: [CellOp; 7] = [X, Y, Z, Lower, Raise, Excited, Ground];
const ZERO: Complex64 = Complex64::ZERO;
const ONE: Complex64 = Complex64::ONE;
const I: Complex64 = Complex64::I;

/// Rows and columns e, g.
type Matrix = [[Complex64; 2]; 2];

const IDENTITY: Matrix = [[ONE, ZERO], [ZERO, ONE]];

impl CellOp {
    /// The operator of a cell that a factor stands for.
    pub(super) fn of(op: Op) -> Option<Self> {
        match op {
            Op::Lower => Some(Lower),
            Op::Raise => Some(Raise),
            Op::X => Some(X),
            Op::Y => Some(Y),
            Op::Z => Some(Z),
            Op::Number => Some(Excited),
            Op::Annihilate | Op::Create | Op::Transition(..) => None,
        }
    }

    /// The elementary factors that spell it, at the place of `like`: 1 − n is σ⁻σ⁺.
    pub(super) fn spelled(self, like: Factor) -> impl Iterator<Item = Factor> {
        let ops: &[Op] = match self {
            X => &[Op::X],
            Y => &[Op::Y],
            Z => &[Op::Z],
            Lower => &[Op::Lower],
            Raise => &[Op::Raise],
            Excited => &[Op::Number],
            Ground => &[Op::Lower, Op::Raise],
        };
        ops.iter().map(move |op| Factor { op: *op, ..like })
    }

    fn matrix(self) -> Matrix {
        match self {
            X => [[ZERO, ONE], [ONE, ZERO]],
            Y => [[ZERO, -I], [I, ZERO]],
            Z => [[ONE, ZERO], [ZERO, -ONE]],
            Lower => [[ZERO, ZERO], [ONE, ZERO]],
            Raise => [[ZERO, ONE], [ZERO, ZERO]],
            Excited => [[ONE, ZERO], [ZERO, ZERO]],
            Ground => [[ZERO, ZERO], [ZERO, ONE]],
        }
    }

    /// Whether it is σx, σy or σz.
    pub(super) fn is_pauli(self) -> bool {
        matches!(self, X | Y | Z)
    }

    /// The operator, or the identity, as a sum of |e⟩⟨e|, |g⟩⟨g|, σ⁺ and σ⁻, which are linearly independent.
    pub(super) fn in_units(this: Option<Self>) -> impl Iterator<Item = (Complex64, CellOp)> {
        let [[ee, eg], [ge, gg]] = this.map_or(IDENTITY, Self::matrix);
        [(ee, Excited), (eg, Raise), (ge, Lower), (gg, Ground)].into_iter().filter(|(c, _)| *c != ZERO)
    }
}

/// left·right, `None` standing for the identity: a factor ±1 or ±i and the operator; `None` when the product is 0.
pub(super) fn product(left: Option<CellOp>, right: Option<CellOp>) -> Option<(Complex64, Option<CellOp>)> {
    let (l, r) = (left.map_or(IDENTITY, CellOp::matrix), right.map_or(IDENTITY, CellOp::matrix));
    let element = |i: usize, j: usize| l[i][0] * r[0][j] + l[i][1] * r[1][j];
    let matrix = [[element(0, 0), element(0, 1)], [element(1, 0), element(1, 1)]];
    let lead = matrix.iter().flatten().copied().find(|x| *x != ZERO)?;
    std::iter::once(None).chain(ALL.map(Some)).find_map(|op| {
        let candidate = op.map_or(IDENTITY, CellOp::matrix);
        let first = candidate.iter().flatten().copied().find(|x| *x != ZERO)?;
        // Elements are 0, ±1 and ±i: the inverse of one is its conjugate, and all of this is exact.
        let phase = lead * first.conj();
        let same = (0..2).all(|i| (0..2).all(|j| candidate[i][j] * phase == matrix[i][j]));
        same.then_some((phase, op))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_is_one_operator_up_to_a_phase() {
        let all: Vec<Option<CellOp>> = std::iter::once(None).chain(ALL.map(Some)).collect();
        for &left in &all {
            for &right in &all {
                let (l, r) = (left.map_or(IDENTITY, CellOp::matrix), right.map_or(IDENTITY, CellOp::matrix));
                let (phase, op) = product(left, right).unwrap_or((ZERO, None));
                let result = op.map_or(IDENTITY, CellOp::matrix);
                for i in 0..2 {
                    for j in 0..2 {
                        let expected: Complex64 = (0..2).map(|k| l[i][k] * r[k][j]).sum();
                        assert_eq!(result[i][j] * phase, expected, "{left:?} {right:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn known_products() {
        assert_eq!(product(Some(X), Some(Y)), Some((I, Some(Z))));
        assert_eq!(product(Some(Y), Some(Y)), Some((ONE, None)));
        assert_eq!(product(Some(Raise), Some(Lower)), Some((ONE, Some(Excited))));
        assert_eq!(product(Some(Lower), Some(Lower)), None);
        assert_eq!(product(Some(Z), Some(Lower)), Some((-ONE, Some(Lower))));
    }
}
