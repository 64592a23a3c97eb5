//! Initial states as density matrices of their parts, for the exact side: what the draws of [`initial`](super::initial)
//! average to.

use super::initial::{Ket, Part, Source, Start, column_of, spins, turned};
use super::layout::{Layout, Slot};
use crate::battery::ln_multiplicity;
use crate::dense::{eigen, product};
use crate::problem::{Initial, Problem};
use faer::Mat;
use num_complex::Complex64;
use std::collections::BTreeMap;

/// The density matrix of some slots with one set of spins: its trace is the probability of these.
#[derive(Clone, Debug)]
pub struct PartState {
    /// 2J of the slots.
    pub two_j: Vec<u64>,
    /// The product states that are occupied, with their places in the matrix.
    pub basis: BTreeMap<Vec<usize>, usize>,
    /// The matrix.
    pub matrix: Mat<Complex64>,
}

impl PartState {
    /// ⟨a|ρ|b⟩.
    pub fn element(&self, a: &[usize], b: &[usize]) -> Complex64 {
        match (self.basis.get(a), self.basis.get(b)) {
            (Some(i), Some(j)) => self.matrix[(*i, *j)],
            _ => Complex64::ZERO,
        }
    }
}

fn indexed(states: impl IntoIterator<Item = Vec<usize>>) -> BTreeMap<Vec<usize>, usize> {
    let mut basis = BTreeMap::new();
    for state in states {
        let next = basis.len();
        basis.entry(state).or_insert(next);
    }
    basis
}

impl Part {
    /// The averaged state, one matrix for each set of spins that occurs.
    pub fn density(&self, layout: &Layout) -> Vec<PartState> {
        let cells = self.slots.len();
        match &self.source {
            Source::Kets(kets) => {
                let basis = indexed(kets.iter().flat_map(|(_, ket)| ket.iter().map(|(levels, _)| levels.clone())));
                let mut matrix = Mat::zeros(basis.len(), basis.len());
                for (p, ket) in kets {
                    for (a, x) in ket {
                        for (b, y) in ket {
                            matrix[(basis[a], basis[b])] += x * y.conj() * *p;
                        }
                    }
                }
                vec![PartState { two_j: spins(layout, &self.slots), basis, matrix }]
            }
            Source::Joint(kets) => joint_density(kets),
            Source::Spin { cells, diagonal, axis, .. } => spin_density(*cells, diagonal, *axis),
            Source::Dicke { two_j, two_m } => vec![dicke_density(cells, *two_j, *two_m)],
            Source::Column(Initial::Rotated { ratio, unitary }) => {
                let excited = ratio / (1.0 + ratio);
                let bits = |index: usize| -> Vec<usize> { (0..cells).map(|k| index >> (cells - 1 - k) & 1).collect() };
                let d = unitary.nrows();
                let p = |index: usize| column_weight(excited, index, cells);
                let weighted = Mat::from_fn(d, d, |i, k| unitary[(i, k)] * p(k));
                let matrix = product(weighted.as_ref(), unitary.adjoint());
                vec![PartState { two_j: vec![0; cells], basis: indexed((0..d).map(bits)), matrix }]
            }
            Source::Column(_) => Vec::new(),
        }
    }

    /// The same state as at most `most` kets, with their probabilities and 2J; `None` if it takes more.
    pub fn kets(&self, layout: &Layout, most: usize) -> Option<Vec<(f64, Vec<u64>, Ket)>> {
        let cells = self.slots.len();
        let kets: Vec<(f64, Vec<u64>, Ket)> = match &self.source {
            Source::Kets(kets) => kets.iter().map(|(p, ket)| (*p, spins(layout, &self.slots), ket.clone())).collect(),
            Source::Joint(kets) if kets.len() > most => return None,
            Source::Joint(kets) => kets.clone(),
            Source::Spin { cells, diagonal, axis, .. } => {
                let states = spin_states(*cells, diagonal, most)?.into_iter();
                states.map(|(p, two_j, up)| (p, vec![two_j], turned(two_j, up as usize, *axis))).collect()
            }
            Source::Dicke { two_j, two_m } if *two_j == cells as u64 => {
                let up = ((cells as i64 + two_m) / 2) as u32;
                let states: Vec<usize> = (0..1usize << cells).filter(|bits| bits.count_ones() == up).collect();
                let amplitude = Complex64::from((states.len() as f64).sqrt().recip());
                let levels = |bits: &usize| (0..cells).map(|k| bits >> (cells - 1 - k) & 1).collect();
                vec![(1.0, vec![0; cells], states.iter().map(|bits| (levels(bits), amplitude)).collect())]
            }
            Source::Column(Initial::Rotated { ratio, unitary }) if unitary.ncols() <= most => {
                let excited = ratio / (1.0 + ratio);
                let ket = |k: usize| (column_weight(excited, k, cells), vec![0; cells], column_of(unitary, cells, k));
                (0..unitary.ncols()).map(ket).collect()
            }
            Source::Dicke { .. } | Source::Column(_) => return None,
        };
        (kets.len() <= most).then_some(kets)
    }
}

impl Part {
    /// −Tr ρ ln ρ of the state that it draws from.
    ///
    /// # Errors
    /// Where there are no eigenvalues.
    fn entropy(&self, layout: &Layout) -> Result<f64, String> {
        let cells = self.slots.len() as u64;
        match &self.source {
            Source::Spin { cells, diagonal, .. } => return Ok(cells_entropy(*cells, diagonal)),
            Source::Column(initial) => return Ok(cells_entropy(cells, initial)),
            Source::Dicke { two_j, .. } => return Ok(ln_multiplicity(cells, (cells - two_j) / 2)),
            Source::Kets(_) | Source::Joint(_) => {}
        }
        let mut sum = 0.0;
        for PartState { two_j, matrix, .. } in self.density(layout) {
            let copies = self.slots.iter().zip(&two_j).map(|(slot, two_j)| match layout.slots[*slot] {
                Slot::Spin { cells } => ln_multiplicity(cells, (cells - two_j) / 2),
                _ => 0.0,
            });
            let ln_copies: f64 = copies.sum();
            let (values, _) = eigen(matrix.as_ref())?;
            sum += values.iter().filter(|p| **p > 0.0).map(|p| p * (ln_copies - p.ln())).sum::<f64>();
        }
        Ok(sum)
    }
}

/// The entropy of N cells that are alike and in no way correlated, or of one |J, M⟩ with any of its copies.
fn cells_entropy(cells: u64, initial: &Initial) -> f64 {
    let along = match initial {
        Initial::Dicke { two_j, .. } => return ln_multiplicity(cells, (cells - two_j) / 2),
        Initial::Rotated { ratio, .. } => (1.0 - ratio) / (1.0 + ratio),
        other => other.cell().map_or(1.0, |(p, coherence)| (2.0 * p - 1.0).hypot(2.0 * coherence.norm()).min(1.0)),
    };
    let of = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    cells as f64 * (of(0.5 * (1.0 + along)) + of(0.5 * (1.0 - along)))
}

/// The entropy −Tr ρ ln ρ of the state that a problem starts from, the product of those of its parts; `None` where it has too many
/// states to be worked out.
pub fn initial_entropy(problem: &Problem) -> Option<f64> {
    let layout = Layout::new(problem, true);
    let start = Start::new(problem, &layout).ok()?;
    let each = start.parts().iter().map(|part| part.entropy(&layout));
    each.sum::<Result<f64, String>>().ok()
}

/// Σ p|ψ⟩⟨ψ| for each set of spins.
fn joint_density(kets: &[(f64, Vec<u64>, Ket)]) -> Vec<PartState> {
    let mut found: BTreeMap<&[u64], Vec<(f64, &Ket)>> = BTreeMap::new();
    kets.iter().for_each(|(p, two_j, ket)| found.entry(two_j).or_default().push((*p, ket)));
    let of_spins = |(two_j, kets): (&[u64], Vec<(f64, &Ket)>)| {
        let basis = indexed(kets.iter().flat_map(|(_, ket)| ket.iter().map(|(levels, _)| levels.clone())));
        let mut matrix = Mat::zeros(basis.len(), basis.len());
        for (p, ket) in kets {
            let placed: Vec<(usize, Complex64)> = ket.iter().map(|(levels, x)| (basis[levels], *x)).collect();
            for (i, x) in &placed {
                placed.iter().for_each(|(j, y)| matrix[(*i, *j)] += x * y.conj() * p);
            }
        }
        PartState { two_j: two_j.to_vec(), basis, matrix }
    };
    found.into_iter().map(of_spins).collect()
}

/// Probability of column number `index` where each cell is excited with probability p.
fn column_weight(excited: f64, index: usize, cells: usize) -> f64 {
    let up = index.count_ones() as i32;
    excited.powi(up) * (1.0 - excited).powi(cells as i32 - up)
}

/// Probability of |J, M⟩ with M + J = `up`, all copies together, in a product state of N cells or in one |J, M⟩.
fn spin_weight(cells: u64, diagonal: &Initial, two_j: u64, up: u64) -> f64 {
    let excited = (cells - two_j) / 2 + up;
    match diagonal {
        Initial::Dicke { two_j: j, two_m } => {
            f64::from(u8::from(*j == two_j && 2 * up as i64 - two_j as i64 == *two_m))
        }
        other => {
            let p = other.cell().map_or(0.0, |(p, _)| p);
            let power = |base: f64, n: u64| if n == 0 { 0.0 } else { n as f64 * base.ln() };
            (ln_multiplicity(cells, (cells - two_j) / 2) + power(p, excited) + power(1.0 - p, cells - excited)).exp()
        }
    }
}

/// The pairs N/2 − J that may be occupied. A pure state has one spin; to look for others would take a time that grows
/// with N².
fn occupied_pairs(cells: u64, diagonal: &Initial) -> std::ops::RangeInclusive<u64> {
    match diagonal {
        Initial::Dicke { two_j, .. } => (cells - two_j) / 2..=(cells - two_j) / 2,
        other if other.cell().is_some_and(|(p, _)| p == 0.0 || p == 1.0) => 0..=0,
        _ => 0..=cells / 2,
    }
}

/// States |J, M⟩ of a mixture that are looked at one by one.
const MOST_LOOKED_AT: u64 = 1 << 18;

/// The probability, 2J and J + M of each |J, M⟩ in a product state of N cells; `None` if there are more than `most`.
pub fn spin_states(cells: u64, diagonal: &Initial, most: usize) -> Option<Vec<(f64, u64, u64)>> {
    match (diagonal, diagonal.cell()) {
        (Initial::Dicke { two_j, two_m }, _) => return Some(vec![(1.0, *two_j, ((*two_j as i64 + two_m) / 2) as u64)]),
        (_, Some((0.0, _))) => return Some(vec![(1.0, cells, 0)]),
        (_, Some((1.0, _))) => return Some(vec![(1.0, cells, cells)]),
        // Most may be too rare for a number, but each has to be looked at.
        _ if (cells / 2 + 1).saturating_mul(cells + 1) > MOST_LOOKED_AT => return None,
        _ => {}
    }
    let mut all = Vec::new();
    for two_j in occupied_pairs(cells, diagonal).map(|pairs| cells - 2 * pairs) {
        if all.len() > most {
            return None;
        }
        let up = (0..=two_j).map(|up| (spin_weight(cells, diagonal, two_j, up), two_j, up));
        all.extend(up.filter(|(p, ..)| *p > 0.0).take(most + 1));
    }
    (all.len() <= most).then_some(all)
}

/// ⊕_J ν_J Σ_M p^{N/2+M}(1−p)^{N/2−M} R|M⟩⟨M|R†, or one |J, M⟩.
fn spin_density(cells: u64, diagonal: &Initial, axis: Option<(f64, f64)>) -> Vec<PartState> {
    let of_spin = |pairs: u64| {
        let two_j = cells - 2 * pairs;
        let d = two_j as usize + 1;
        let weights = (0..d).map(|up| (up, spin_weight(cells, diagonal, two_j, up as u64)));
        let occupied: Vec<(usize, f64)> = weights.filter(|(_, p)| *p > 0.0).collect();
        if axis.is_none() {
            let p = |i: usize, j: usize| if i == j { occupied[i].1.into() } else { Complex64::ZERO };
            let matrix = Mat::from_fn(occupied.len(), occupied.len(), p);
            return PartState { two_j: vec![two_j], basis: indexed(occupied.iter().map(|(up, _)| vec![*up])), matrix };
        }
        let mut matrix = Mat::zeros(d, d);
        for (up, p) in occupied {
            let ket = turned(two_j, up, axis);
            for (i, x) in &ket {
                ket.iter().for_each(|(j, y)| matrix[(i[0], j[0])] += x * y.conj() * p);
            }
        }
        PartState { two_j: vec![two_j], basis: indexed((0..d).map(|level| vec![level])), matrix }
    };
    let occupied = |s: &PartState| (0..s.matrix.nrows()).any(|i| s.matrix[(i, i)].re > 1e-18);
    occupied_pairs(cells, diagonal).map(of_spin).filter(occupied).collect()
}

/// The projector on all states of N cells with spin J and this M over its trace, from the eigenvectors of S² among the
/// states of that M.
fn dicke_density(cells: usize, two_j: u64, two_m: i64) -> PartState {
    let up = ((cells as i64 + two_m) / 2) as u32;
    let states: Vec<usize> = (0..1usize << cells).filter(|bits| bits.count_ones() == up).collect();
    let m = 0.5 * two_m as f64;
    // S² = S⁺S⁻ + Sᶻ(Sᶻ − 1): ⟨a|S⁺S⁻|b⟩ counts the ways to lower b and raise to a.
    let element = |a: usize, b: usize| match (a ^ b).count_ones() {
        0 => f64::from(up) + m * (m - 1.0),
        2 => 1.0,
        _ => 0.0,
    };
    let squared = Mat::from_fn(states.len(), states.len(), |i, j| element(states[i], states[j]));
    let casimir = 0.25 * (two_j * (two_j + 2)) as f64;
    let mut matrix = Mat::<Complex64>::zeros(states.len(), states.len());
    let mut trace = 0.0;
    if let Ok((values, vectors)) = eigen(squared.as_ref()) {
        for k in (0..states.len()).filter(|k| (values[*k] - casimir).abs() < 0.25) {
            trace += 1.0;
            for i in 0..states.len() {
                for j in 0..states.len() {
                    matrix[(i, j)] += Complex64::from(vectors[(i, k)] * vectors[(j, k)]);
                }
            }
        }
    }
    let matrix = Mat::from_fn(states.len(), states.len(), |i, j| matrix[(i, j)] / trace);
    let levels = |bits: &usize| (0..cells).map(|k| bits >> (cells - 1 - k) & 1).collect();
    PartState { two_j: vec![0; cells], basis: indexed(states.iter().map(levels)), matrix }
}
