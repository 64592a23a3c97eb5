//! What an operator is, however it is spelt: products of factors of one cell, spin, mode or multi-level system multiplied
//! out in a fixed order, so that equal operators are equal and Hermitian ones are seen to be.
//!
//! A term becomes products of one operator for each cell, (S⁺)^a (Σσz)^b (Σn)^c (S⁻)^d for each ensemble (monomials in
//! this order are linearly independent: the theorem of Poincaré, Birkhoff and Witt), (a†)^k a^l for each mode and one
//! |i⟩⟨j| for each multi-level system.

use super::cell::{CellOp, product};
use super::commutators::{Powers, mode_polynomial, spin_polynomial};
use super::{Factor, Kind, Op, OpSum, Subsystem, SubsystemId, Term};
use num_complex::Complex64;
use std::collections::{BTreeMap, BTreeSet};

/// Coefficients below this part of the largest one are rounding.
const ROUNDING: f64 = 1e-12;

/// Most terms that one comparison may expand to; what is longer counts as different when it is spelt differently.
const MOST_TERMS: usize = 1 << 16;

/// The subsystems that an operator acts on, which decide what it is.
///
/// ```
/// use leyden::problem::{Acting, Kind, Problem, n, sx, sy, sz};
/// let mut p = Problem::builder("one cell");
/// let b = p.subsystem("B", Kind::Network { cells: 1, edges: Vec::new() }, 1.0);
/// p.evolve("wait", 1.0, 1).observe([leyden::problem::Quantity::Energy]);
/// let problem = p.build()?;
/// let acting = Acting::on(problem.subsystems());
/// assert!(acting.vanishes(&(n(b) * sz(b) - n(b))) && !acting.is_hermitian(&(sx(b) * sy(b))));
/// # Ok::<(), leyden::ModelError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Acting<'a> {
    subsystems: &'a [Subsystem],
    /// The subsystem on each of whose cells the operator acts in turn.
    each: Option<SubsystemId>,
}

/// A factor of a product in normal order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// One cell.
    Cell(SubsystemId, usize, CellOp),
    /// (S⁺)^raise (Σσz)^z (Σn)^n (S⁻)^lower over all cells.
    Spin(SubsystemId, Powers),
    /// (a†)^k a^l.
    Mode(SubsystemId, u32, u32),
    /// |i⟩⟨j|.
    Levels(SubsystemId, usize, usize),
    /// Collective operators among those of single cells, too many to multiply out: as written.
    Written(Vec<Factor>),
}

/// Coefficients of products in normal order, the identity being the empty product.
#[derive(Clone, Debug, Default)]
struct NormalForm {
    terms: BTreeMap<Vec<Piece>, Complex64>,
    /// The largest number that went into a coefficient, against which rounding is measured.
    scale: f64,
}

impl NormalForm {
    fn add(&mut self, mut pieces: Vec<Piece>, coefficient: Complex64) {
        pieces.sort_unstable();
        self.scale = self.scale.max(coefficient.norm());
        *self.terms.entry(pieces).or_insert(Complex64::ZERO) += coefficient;
    }

    fn without_rounding(mut self) -> Self {
        let least = ROUNDING * self.scale;
        self.terms.retain(|_, c| !(c.norm() <= least));
        self
    }

    /// Every term replaced by a sum; `None` when there are too many.
    fn replaced(self, by: impl Fn(Vec<Piece>) -> Option<Vec<(Complex64, Vec<Piece>)>>) -> Option<Self> {
        let mut all = NormalForm { scale: self.scale, ..Self::default() };
        for (pieces, coefficient) in self.terms {
            for (factor, pieces) in by(pieces)? {
                all.add(pieces, factor * coefficient);
            }
            if all.terms.len() > MOST_TERMS {
                return None;
            }
        }
        Some(all)
    }
}

impl<'a> Acting<'a> {
    /// Operators of the whole system.
    pub fn on(subsystems: &'a [Subsystem]) -> Self {
        Self { subsystems, each: None }
    }

    /// Operators of one cell of `subsystem`, if there is one.
    pub fn on_each(subsystems: &'a [Subsystem], subsystem: Option<SubsystemId>) -> Self {
        Self { subsystems, each: subsystem }
    }

    /// The single cell that a factor acts on.
    fn cell(&self, factor: &Factor) -> Option<(usize, CellOp)> {
        let op = CellOp::of(factor.op)?;
        let subsystem = &self.subsystems[factor.subsystem];
        let single = self.each == Some(factor.subsystem) || subsystem.cells() == 1;
        match (&subsystem.kind, factor.site) {
            (Kind::Ensemble { .. } | Kind::Network { .. }, Some(site)) => Some((site, op)),
            (Kind::Ensemble { .. } | Kind::Network { .. }, None) if single => Some((0, op)),
            _ => None,
        }
    }

    /// The same operator with all products of one cell or one multi-level system multiplied, and with those products of
    /// a mode in normal order that a cutoff would change (`a a†` is `a†a + 1` on the highest level too). Terms without
    /// such products stay as they are.
    pub fn simplified(&self, sum: &OpSum) -> OpSum {
        OpSum { terms: sum.terms.iter().filter_map(|term| self.multiplied(term)).flat_map(|t| self.uncut(t)).collect() }
    }

    /// A term with the products of each cell and each multi-level system multiplied; `None` when it is 0.
    fn multiplied(&self, term: &Term) -> Option<Term> {
        let mut coefficient = term.coefficient;
        // With the cell that a factor acts on, and what is left of its product there.
        type OnCell = Option<(usize, Option<CellOp>)>;
        let mut done: Vec<(Factor, OnCell)> = Vec::with_capacity(term.factors.len());
        for factor in &term.factors {
            if let Some((site, op)) = self.cell(factor) {
                // A sum over all cells of the subsystem commutes with none of them and stops the search.
                let own = done
                    .iter_mut()
                    .rev()
                    .find(|(f, cell)| f.subsystem == factor.subsystem && cell.is_none_or(|(other, _)| other == site));
                if let Some((_, Some((_, left)))) = own {
                    let (phase, op) = product(*left, Some(op))?;
                    if phase != Complex64::ONE {
                        coefficient *= phase;
                    }
                    *left = op;
                } else {
                    done.push((*factor, Some((site, Some(op)))));
                }
            } else if let Op::Transition(middle, from) = factor.op {
                match done.iter_mut().find(|(f, _)| f.subsystem == factor.subsystem) {
                    Some((Factor { op: Op::Transition(_, left), .. }, _)) if *left == middle => *left = from,
                    Some(_) => return None,
                    None => done.push((*factor, None)),
                }
            } else {
                done.push((*factor, None));
            }
        }
        let mut factors = Vec::with_capacity(done.len());
        for (factor, cell) in done {
            match cell {
                None => factors.push(factor),
                Some((_, Some(op))) => factors.extend(op.spelled(factor)),
                Some((_, None)) => {}
            }
        }
        Some(Term { coefficient, factors })
    }

    /// A term in normal order in those modes in which it climbs above both its first and its last level on the way.
    fn uncut(&self, term: Term) -> Vec<Term> {
        let mut all = vec![term];
        for mode in (0..self.subsystems.len()).map(SubsystemId::new) {
            let climbs = |term: &Term| {
                let (mut height, mut highest) = (0i32, 0);
                for factor in term.factors.iter().rev().filter(|f| f.subsystem == mode) {
                    height += match factor.op {
                        Op::Create => 1,
                        Op::Annihilate => -1,
                        _ => 0,
                    };
                    highest = highest.max(height);
                }
                highest > height.max(0)
            };
            if !matches!(self.subsystems[mode].kind, Kind::Mode { .. }) || !all.iter().any(climbs) {
                continue;
            }
            let in_order = |term: Term| -> Vec<Term> {
                let place = term.factors.iter().position(|f| f.subsystem == mode).unwrap_or(0);
                let (own, others): (Vec<Factor>, Vec<Factor>) = term.factors.iter().partition(|f| f.subsystem == mode);
                let power = |(create, annihilate): (u32, u32), number: f64| {
                    let factor = |op| Factor { subsystem: mode, site: None, op };
                    let ladder = std::iter::repeat_n(factor(Op::Create), create as usize)
                        .chain(std::iter::repeat_n(factor(Op::Annihilate), annihilate as usize));
                    let mut factors = others.clone();
                    factors.splice(place..place, ladder);
                    Term { coefficient: term.coefficient * number, factors }
                };
                mode_polynomial(&own).into_iter().map(|(powers, number)| power(powers, number)).collect()
            };
            all = all.into_iter().flat_map(|term| if climbs(&term) { in_order(term) } else { vec![term] }).collect();
        }
        all
    }

    /// The sum in normal order.
    fn normal_form(&self, sum: &OpSum) -> NormalForm {
        let mut form = NormalForm::default();
        for term in sum.terms.iter().filter_map(|term| self.multiplied(term)) {
            let mut products = vec![(term.coefficient, Vec::new())];
            for subsystem in (0..self.subsystems.len()).map(SubsystemId::new) {
                let own: Vec<Factor> = term.factors.iter().filter(|f| f.subsystem == subsystem).copied().collect();
                if own.is_empty() {
                    continue;
                }
                let parts = self.polynomial(subsystem, &own);
                let join = |(c, left): (Complex64, Vec<Piece>)| {
                    let longer = |(d, right): &(Complex64, Vec<Piece>)| (c * d, [&left[..], &right[..]].concat());
                    parts.iter().map(longer).collect::<Vec<_>>()
                };
                products = products.into_iter().flat_map(join).collect();
            }
            products.into_iter().for_each(|(coefficient, pieces)| form.add(pieces, coefficient));
        }
        form
    }

    /// A product of factors of one subsystem as a sum of products in normal order.
    fn polynomial(&self, subsystem: SubsystemId, own: &[Factor]) -> Vec<(Complex64, Vec<Piece>)> {
        let real = |value: f64| Complex64::new(value, 0.0);
        let single = own.iter().filter(|f| self.cell(f).is_some()).count();
        match &self.subsystems[subsystem].kind {
            Kind::Mode { .. } => {
                let piece = |((k, l), number): ((u32, u32), f64)| match (k, l) {
                    (0, 0) => (real(number), Vec::new()),
                    _ => (real(number), vec![Piece::Mode(subsystem, k, l)]),
                };
                mode_polynomial(own).into_iter().map(piece).collect()
            }
            // Multiplied before, so there is one factor.
            Kind::Levels { .. } => {
                let piece = |f: &Factor| match f.op {
                    Op::Transition(to, from) => Some(Piece::Levels(subsystem, to, from)),
                    _ => None,
                };
                vec![(Complex64::ONE, own.iter().filter_map(piece).collect())]
            }
            _ if single == 0 => spin_polynomial(own)
                .into_iter()
                .map(|(powers, c)| {
                    (c, if powers.degree() == 0 { Vec::new() } else { vec![Piece::Spin(subsystem, powers)] })
                })
                .collect(),
            _ if single == own.len() => vec![(Complex64::ONE, self.cells(own))],
            _ => self
                .sums_over_cells(subsystem, own)
                .unwrap_or_else(|| vec![(Complex64::ONE, vec![Piece::Written(own.to_vec())])]),
        }
    }

    /// Factors of single cells, multiplied already: one operator for each cell (1 − n is spelt with two factors).
    fn cells(&self, own: &[Factor]) -> Vec<Piece> {
        let mut cells: BTreeMap<usize, CellOp> = BTreeMap::new();
        for factor in own {
            if let Some((site, op)) = self.cell(factor) {
                let together = cells.get(&site).map_or(op, |_| CellOp::Ground);
                cells.insert(site, together);
            }
        }
        cells.into_iter().map(|(site, op)| Piece::Cell(own[0].subsystem, site, op)).collect()
    }

    /// A product with its collective factors written as sums over the cells; `None` when there are too many.
    fn sums_over_cells(&self, subsystem: SubsystemId, own: &[Factor]) -> Option<Vec<(Complex64, Vec<Piece>)>> {
        let cells = usize::try_from(self.subsystems[subsystem].cells()).ok()?;
        let mut sums: BTreeMap<BTreeMap<usize, CellOp>, Complex64> =
            BTreeMap::from([(BTreeMap::new(), Complex64::ONE)]);
        for factor in own {
            let (sites, op) = match self.cell(factor) {
                Some((site, op)) => (site..site + 1, op),
                None => (0..cells, CellOp::of(factor.op)?),
            };
            if sums.len().saturating_mul(sites.len()) > MOST_TERMS {
                return None;
            }
            let mut longer = BTreeMap::new();
            for (word, coefficient) in &sums {
                for site in sites.clone() {
                    let Some((phase, op)) = product(word.get(&site).copied(), Some(op)) else { continue };
                    let mut word = word.clone();
                    match op {
                        Some(op) => word.insert(site, op),
                        None => word.remove(&site),
                    };
                    *longer.entry(word).or_insert(Complex64::ZERO) += phase * coefficient;
                }
            }
            sums = longer;
        }
        let piece = |(word, c): (BTreeMap<usize, CellOp>, Complex64)| {
            (c, word.into_iter().map(|(site, op)| Piece::Cell(subsystem, site, op)).collect())
        };
        Some(sums.into_iter().map(piece).collect())
    }

    /// Whether the sum is 0 to rounding.
    pub fn vanishes(&self, sum: &OpSum) -> bool {
        self.remainder(sum).terms.is_empty()
    }

    /// Whether the sum equals its adjoint to rounding.
    pub fn is_hermitian(&self, sum: &OpSum) -> bool {
        self.vanishes(&(sum.clone() - sum.adjoint()))
    }

    /// The first of the sums that contributes to what their total has beside its adjoint; `None` when it is Hermitian.
    pub fn not_hermitian(&self, sums: &[OpSum]) -> Option<usize> {
        let total = sums.iter().cloned().fold(OpSum::default(), |total, sum| total + sum);
        let excess = |sum: &OpSum| self.normal_form(&(sum.clone() - sum.adjoint())).without_rounding().terms;
        if self.is_hermitian(&total) {
            return None;
        }
        let left = excess(&total);
        let shares = |sum: &OpSum| excess(sum).keys().any(|pieces| left.contains_key(pieces));
        Some(sums.iter().position(shares).or_else(|| sums.iter().position(|sum| !self.is_hermitian(sum))).unwrap_or(0))
    }

    /// What is left of a sum that should vanish, in linearly independent products where it is not too long.
    fn remainder(&self, sum: &OpSum) -> NormalForm {
        let form = self.normal_form(sum).without_rounding();
        if form.terms.is_empty() {
            return form;
        }
        match self.independent(form.clone()) {
            Some(left) => left.without_rounding(),
            None => form,
        }
    }

    /// The same sum in products that are linearly independent: collective operators beside those of single cells, or of
    /// fewer cells than factors, as sums over cells, else Σσz as 2Σn − N; cells in σ⁺, σ⁻, |e⟩⟨e| and |g⟩⟨g| unless all
    /// terms have Pauli operators there; the identity of a multi-level system as Σ|i⟩⟨i| where other terms have |i⟩⟨j|.
    fn independent(&self, form: NormalForm) -> Option<NormalForm> {
        let pieces = || form.terms.keys().flatten();
        let mut by_cells: BTreeSet<SubsystemId> = pieces()
            .filter_map(|piece| match piece {
                Piece::Cell(e, ..) if self.subsystems[*e].cells() > 1 => Some(*e),
                _ => None,
            })
            .collect();
        by_cells.extend(pieces().filter_map(|piece| match piece {
            Piece::Spin(e, powers) if u64::from(powers.degree()) > self.subsystems[*e].cells() => Some(*e),
            _ => None,
        }));
        let mut form = form.clone().replaced(|pieces| {
            let mut all = vec![(Complex64::ONE, Vec::new())];
            for piece in pieces {
                let sums = match &piece {
                    Piece::Spin(e, powers) if by_cells.contains(e) => {
                        self.sums_over_cells(*e, &collective(*e, *powers))?
                    }
                    Piece::Spin(e, powers) => in_numbers(*e, *powers, self.subsystems[*e].cells()),
                    _ => vec![(Complex64::ONE, vec![piece])],
                };
                all = all
                    .iter()
                    .flat_map(|(c, left)| sums.iter().map(move |(d, right)| (c * d, [&left[..], &right[..]].concat())))
                    .collect();
            }
            Some(all)
        })?;
        let places: BTreeSet<(SubsystemId, usize)> =
            form.terms.keys().flatten().filter_map(|piece| cell_place(piece).map(|(place, _)| place)).collect();
        for place in places {
            let here =
                |pieces: &[Piece]| pieces.iter().position(|p| cell_place(p).is_some_and(|(other, _)| other == place));
            let operator = |pieces: &[Piece]| here(pieces).and_then(|at| Some(cell_place(&pieces[at])?.1));
            if form.terms.keys().all(|pieces| operator(pieces).is_none_or(CellOp::is_pauli)) {
                continue;
            }
            form = form.replaced(|mut pieces| {
                let op = operator(&pieces);
                if let Some(at) = here(&pieces) {
                    pieces.remove(at);
                }
                let with = |(c, unit)| (c, [&pieces[..], &[Piece::Cell(place.0, place.1, unit)]].concat());
                Some(CellOp::in_units(op).map(with).collect())
            })?;
        }
        let of_levels = |piece: &Piece| if let Piece::Levels(e, ..) = piece { Some(*e) } else { None };
        let levels: BTreeSet<SubsystemId> = form.terms.keys().flatten().filter_map(of_levels).collect();
        for e in levels {
            let Kind::Levels { energies } = &self.subsystems[e].kind else { continue };
            form = form.replaced(|pieces| {
                if pieces.iter().any(|p| of_levels(p) == Some(e)) {
                    return Some(vec![(Complex64::ONE, pieces)]);
                }
                let with = |i: usize| (Complex64::ONE, [&pieces[..], &[Piece::Levels(e, i, i)]].concat());
                Some((0..energies.len()).map(with).collect())
            })?;
        }
        Some(form)
    }
}

fn cell_place(piece: &Piece) -> Option<((SubsystemId, usize), CellOp)> {
    match piece {
        Piece::Cell(e, site, op) => Some(((*e, *site), *op)),
        _ => None,
    }
}

/// The factors of a product of collective operators.
fn collective(subsystem: SubsystemId, powers: Powers) -> Vec<Factor> {
    let of = |op, power: u32| std::iter::repeat_n(Factor { subsystem, site: None, op }, power as usize);
    let Powers { raise, z, n, lower } = powers;
    of(Op::Raise, raise).chain(of(Op::Z, z)).chain(of(Op::Number, n)).chain(of(Op::Lower, lower)).collect()
}

/// Σσz = 2Σn − N, in a product of collective operators.
fn in_numbers(subsystem: SubsystemId, powers: Powers, cells: u64) -> Vec<(Complex64, Vec<Piece>)> {
    let mut all: BTreeMap<u32, f64> = BTreeMap::from([(powers.n, 1.0)]);
    for _ in 0..powers.z {
        let mut next = BTreeMap::new();
        for (n, c) in all {
            *next.entry(n + 1).or_insert(0.0) += 2.0 * c;
            *next.entry(n).or_insert(0.0) -= cells as f64 * c;
        }
        all = next;
    }
    let piece = |(n, c): (u32, f64)| {
        let powers = Powers { z: 0, n, ..powers };
        let pieces = if powers.degree() == 0 { Vec::new() } else { vec![Piece::Spin(subsystem, powers)] };
        (Complex64::from(c), pieces)
    };
    all.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{a, ad, n, sm, sp, sx, sy, sz, transition};

    const B: SubsystemId = SubsystemId::new(0);
    const W: SubsystemId = SubsystemId::new(1);
    const A: SubsystemId = SubsystemId::new(2);
    const L: SubsystemId = SubsystemId::new(3);
    const C: SubsystemId = SubsystemId::new(4);
    const P: SubsystemId = SubsystemId::new(5);

    const I: Complex64 = Complex64::I;

    /// Seven cells in an ensemble B, three numbered ones W, a mode A, three levels L, one cell C, two in an ensemble P.
    fn parts() -> Vec<Subsystem> {
        let kinds = [
            Kind::Ensemble { cells: 7 },
            Kind::Network { cells: 3, edges: Vec::new() },
            Kind::Mode { cutoff: 4 },
            Kind::Levels { energies: vec![0.0, 1.0, 2.0] },
            Kind::Network { cells: 1, edges: Vec::new() },
            Kind::Ensemble { cells: 2 },
        ];
        let named = |(i, kind): (usize, Kind)| Subsystem { name: format!("S{i}"), kind, energy: 1.0, uneven: vec![] };
        kinds.into_iter().enumerate().map(named).collect()
    }

    fn at(site: usize, op: Op) -> OpSum {
        OpSum::from_factor(Factor { subsystem: W, site: Some(site), op })
    }

    fn one() -> OpSum {
        OpSum::scalar(Complex64::ONE)
    }

    #[test]
    fn equal_operators_are_equal_however_they_are_spelt() {
        let parts = parts();
        let acting = Acting::on(&parts);
        let equal = [
            (n(C) * sz(C), n(C)),
            (sx(C) * sy(C) * I, -sz(C)),
            (sm(C) * sp(C), one() - n(C)),
            (a(A) * ad(A), n(A) + one()),
            (a(A) * ad(A) * ad(A) * a(A), n(A) * (n(A) + one())),
            (sp(B) * sm(B) - sm(B) * sp(B), sz(B)),
            (sz(B), n(B) * 2.0 - one() * 7.0),
            (transition(L, 0, 2) * transition(L, 2, 1), transition(L, 0, 1)),
            (transition(L, 0, 2) * transition(L, 1, 1), OpSum::default()),
            (transition(L, 0, 0) + transition(L, 1, 1) + transition(L, 2, 2), one()),
            (sz(W), at(0, Op::Z) + at(1, Op::Z) + at(2, Op::Z)),
            (sx(W) * at(1, Op::X), one() + at(0, Op::X) * at(1, Op::X) + at(2, Op::X) * at(1, Op::X)),
            (at(0, Op::X), at(0, Op::Raise) + at(0, Op::Lower)),
            // Two cells cannot be excited three times, and (Σσx)³ of two cells is 4Σσx.
            (sp(P) * sp(P) * sp(P), OpSum::default()),
            (sx(P) * sx(P) * sx(P), sx(P) * 4.0),
        ];
        for (left, right) in equal {
            assert!(acting.vanishes(&(left.clone() - right.clone())), "{left:?} is {right:?}");
            assert!(!acting.vanishes(&(left.clone() - right * 1.001 - n(A) * 1e-3)), "{left:?}");
        }
    }

    #[test]
    fn hermitian_products_are_seen_to_be() {
        let parts = parts();
        let acting = Acting::on(&parts);
        let hermitian = [
            sz(B) * sp(B) * sm(B),
            sx(B) * sy(B) * I - sy(B) * sx(B) * I,
            n(A) * a(A) * ad(A),
            ad(A) * a(A) * n(A),
            at(0, Op::X) * at(0, Op::Y) * I,
            transition(L, 0, 0) * transition(L, 0, 1) + transition(L, 1, 0),
            at(0, Op::X) * at(0, Op::Y) * at(0, Op::Z) * at(1, Op::X) * at(0, Op::Z) * at(1, Op::Y),
        ];
        for sum in &hermitian {
            assert!(acting.is_hermitian(sum), "{sum:?}");
            assert!(!acting.is_hermitian(&(sum.clone() * I)), "i·{sum:?}");
        }
        let bad = [sx(B) * sy(B), sx(W) * sy(W), at(0, Op::X) * sy(W), a(A) * ad(A) * I, sm(C) * sx(C) * sm(C)];
        for sum in &bad {
            assert!(!acting.is_hermitian(sum), "{sum:?}");
        }
        // 10⁷ cells: what is not Hermitian is small beside what is.
        let many =
            [Subsystem { name: "B".into(), kind: Kind::Ensemble { cells: 10_000_000 }, energy: 1.0, uneven: vec![] }];
        let sum = n(B) * n(B) + sz(B) * n(B) * 1e3;
        assert!(Acting::on(&many).is_hermitian(&sum));
        assert!(!Acting::on(&many).is_hermitian(&(sum + sm(B) * 1e-6)));
    }

    #[test]
    fn a_string_of_many_pauli_operators_stays_one_term() {
        let kind = Kind::Network { cells: 24, edges: Vec::new() };
        let parts = [Subsystem { name: "B".into(), kind, energy: 1.0, uneven: vec![] }];
        let at = |site, op| OpSum::from_factor(Factor { subsystem: B, site: Some(site), op });
        let string = |ops: [Op; 2]| (0..24).fold(one(), |left, site| left * at(site, ops[site % 2]));
        let acting = Acting::on(&parts);
        assert!(acting.is_hermitian(&string([Op::X, Op::Y])));
        assert!(!acting.is_hermitian(&(string([Op::X, Op::Y]) * I)));
        let squared = acting.simplified(&(string([Op::X, Op::Y]) * string([Op::Y, Op::X])));
        assert_eq!(squared.terms.len(), 1);
        assert!(acting.vanishes(&(squared - string([Op::Z, Op::Z]))));
    }

    #[test]
    fn only_products_that_a_cutoff_would_change_are_spelt_anew() {
        let parts = parts();
        let acting = Acting::on(&parts);
        for same in [n(A) * n(A), ad(A) * a(A), ad(A) * a(A) * ad(A), sm(B) * sp(B), sp(B) * a(A) + sm(B) * ad(A)] {
            assert_eq!(acting.simplified(&same), same);
        }
        // The identity first, as the commutator gives it.
        assert_eq!(acting.simplified(&(a(A) * ad(A))), one() + ad(A) * a(A));
        let each = Acting::on_each(&parts, Some(B));
        assert_eq!(each.simplified(&(sp(B) * sm(B))), n(B));
    }
}
