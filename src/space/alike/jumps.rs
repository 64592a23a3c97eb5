//! Dissipators of jump operators of single cells: what they are together, whichever operators spell it, as jumps of each cell
//! of a group and of all cells at once.
//!
//! Σ_c D\[L_c\] with L_c = Σ_w l_cw w is Σ_wv G_wv (w ρ v† − ½{v†w, ρ}) with G = Σ_c l_c l_c† (V. Gorini et al., J. Math.
//! Phys. 17, 821 (1976), Eq. 2.3). Where no exchange of cells changes G, its elements between letters p and q of cells i and j
//! of a group are A_pq for i = j and B_pq for i ≠ j, and G is (A − B)·1 + B·(1…1)(1…1)ᵀ: A − B on each cell, B on the sums.

use super::words::{Groups, Letter, ROUNDING, Sum, Word, largest, moved};
use crate::problem::function::{Expression, Function};
use crate::problem::{Channel, Envelope, OpSum, Reach, SubsystemId};
use num_complex::Complex64;
use std::collections::{BTreeMap, HashMap};

/// Most pairs of words of which G is written out.
const MOST_PAIRS: usize = 1 << 20;

/// Jump operators with the same function of time, √rate included.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// The channels.
    pub channels: Vec<usize>,
    /// Their operators.
    pub sums: Vec<Sum>,
}

/// G between words.
pub struct Kossakowski {
    words: HashMap<Word, usize>,
    elements: HashMap<(usize, usize), Complex64>,
    largest: f64,
}

impl Kossakowski {
    /// That of a family; `None` where it is too large.
    pub fn new(family: &Family) -> Option<Self> {
        let pairs: usize = family.sums.iter().map(|sum| sum.len() * sum.len()).sum();
        if pairs > MOST_PAIRS {
            return None;
        }
        let (mut words, mut elements) = (HashMap::new(), HashMap::new());
        for sum in &family.sums {
            let mut own = Vec::with_capacity(sum.len());
            for (word, c) in sum {
                let next = words.len();
                own.push((*words.entry(word.clone()).or_insert(next), *c));
            }
            for (w, x) in &own {
                own.iter().for_each(|(v, y)| *elements.entry((*w, *v)).or_default() += x * y.conj());
            }
        }
        let largest = elements.values().map(|x: &Complex64| x.norm()).fold(0.0, f64::max);
        Some(Self { words, elements, largest })
    }

    /// Whether an exchange of two cells leaves it as it is.
    pub fn is_even(&self, pair: (usize, usize)) -> bool {
        let mut to = vec![None; self.words.len()];
        for (word, number) in &self.words {
            to[*number] = self.words.get(&word.swapped(pair)).copied();
        }
        let other = |(w, v): (usize, usize)| self.elements.get(&(to[w]?, to[v]?)).copied();
        let least = ROUNDING * self.largest;
        self.elements.iter().all(|(place, x)| (x - other(*place).unwrap_or_default()).norm() <= least)
    }
}

/// A letter of a group, or none, with what stands beside it.
type Place = (Option<(usize, Letter)>, Word);

/// What a family becomes.
pub struct Dissipator {
    /// What it adds to H, as (i/2)(c*L − cL†) for each L + c: D\[L + c\]ρ is D\[L\]ρ and this.
    pub hamiltonian: Sum,
    /// Operators and how they reach.
    pub jumps: Vec<(OpSum, Reach)>,
}

/// A family that no exchange changes, though its operators do not stay as they are: as jumps of each cell and of all. `None`
/// where that is not all that there is.
pub fn shared(sums: &[&Sum], groups: &Groups, place: &[SubsystemId]) -> Option<Dissipator> {
    let mut hamiltonian = Sum::new();
    let mut places: Vec<Place> = Vec::new();
    // Of each operator the letters on each cell of a group; one alone where there is none.
    let mut letters: Vec<BTreeMap<(usize, usize), Complex64>> = Vec::new();
    for sum in sums {
        let constant = sum.get(&Word::default()).copied().unwrap_or_default();
        let mut own = BTreeMap::new();
        for (word, c) in sum.iter().filter(|(word, _)| **word != Word::default()) {
            if constant != Complex64::ZERO {
                let half = Complex64::new(0.0, 0.5);
                *hamiltonian.entry(word.clone()).or_default() += half * constant.conj() * c;
                *hamiltonian.entry(word.adjoint()).or_default() -= half * constant * c.conj();
            }
            let orbit = groups.orbit(word);
            let at = (orbit.single()?, orbit.rest);
            let number = places.iter().position(|known| *known == at).unwrap_or_else(|| {
                places.push(at.clone());
                places.len() - 1
            });
            let cell = word.cells.iter().map(|(cell, _)| *cell).find(|cell| groups.of[*cell].is_some());
            own.insert((number, cell.unwrap_or_default()), *c);
        }
        letters.push(own);
    }
    let least = ROUNDING * sums.iter().map(|sum| largest(sum).powi(2)).sum::<f64>();
    hamiltonian.retain(|_, c| c.norm() > least);
    let n = places.len();
    let size = |p: usize| places[p].0.map_or(1.0, |(group, _)| groups.members[group].len() as f64);
    let group = |p: usize| places[p].0.map(|(group, _)| group);
    let (mut alone, mut together) = (vec![vec![Complex64::ZERO; n]; n], vec![vec![Complex64::ZERO; n]; n]);
    for own in &letters {
        let mut sums = vec![Complex64::ZERO; n];
        own.iter().for_each(|((p, _), x)| sums[*p] += x);
        for p in 0..n {
            (0..n).for_each(|q| together[p][q] += sums[p] * sums[q].conj());
        }
        for ((p, cell), x) in own {
            let beside = |q: &usize| group(*q).is_some() && group(*q) == group(*p);
            for q in (0..n).filter(beside) {
                alone[*p][q] += x * own.get(&(q, *cell)).copied().unwrap_or_default().conj();
            }
        }
    }
    for p in 0..n {
        for q in 0..n {
            let (all, own) = (together[p][q], alone[p][q]);
            if group(p).is_some() && group(p) == group(q) {
                let k = size(p);
                together[p][q] = (all - own) / (k * (k - 1.0));
                alone[p][q] = own / k - together[p][q];
            } else {
                together[p][q] = all / (size(p) * size(q));
                alone[p][q] = Complex64::ZERO;
            }
        }
    }
    let mut jumps = Vec::new();
    for index in 0..groups.members.len() {
        let own: Vec<usize> = (0..n).filter(|p| group(*p) == Some(index)).collect();
        let part = own.iter().map(|p| own.iter().map(|q| alone[*p][*q]).collect()).collect();
        let cell = place[groups.members[index][0]];
        for vector in roots(part, least)? {
            let mut operator = OpSum::default();
            for (p, x) in own.iter().zip(vector).filter(|(_, x)| *x != Complex64::ZERO) {
                let (Some((_, letter)), rest) = &places[*p] else { return None };
                if *rest != Word::default() {
                    return None; // on each cell a product with something else
                }
                operator = operator + OpSum::of(cell, letter.op()) * x;
            }
            jumps.push((operator, Reach::Each(cell)));
        }
    }
    for vector in roots(together, least)? {
        let mut operator = OpSum::default();
        for ((letter, rest), x) in places.iter().zip(vector).filter(|(_, x)| *x != Complex64::ZERO) {
            let own = letter.map(|(group, letter)| OpSum::of(place[groups.members[group][0]], letter.op()));
            operator = operator + own.unwrap_or_else(|| OpSum::scalar(Complex64::ONE)) * moved(rest, place) * x;
        }
        jumps.push((operator, Reach::Collective));
    }
    Some(Dissipator { hamiltonian, jumps })
}

/// The vectors v with Σ v v† = G, by Cholesky's method with the largest pivot first, which mixes no letters that G does not;
/// `None` where G is not positive semidefinite.
fn roots(mut g: Vec<Vec<Complex64>>, least: f64) -> Option<Vec<Vec<Complex64>>> {
    let n = g.len();
    let mut found = Vec::new();
    for _ in 0..n {
        let diagonal = |p: &usize| g[*p][*p].re;
        let Some(pivot) = (0..n).max_by(|p, q| diagonal(p).total_cmp(&diagonal(q))) else { break };
        if diagonal(&pivot) <= least {
            break;
        }
        let root = diagonal(&pivot).sqrt();
        let mut vector: Vec<Complex64> = (0..n).map(|p| g[p][pivot] / root).collect();
        for p in 0..n {
            for q in 0..n {
                let product = vector[p] * vector[q].conj();
                g[p][q] -= product;
            }
        }
        vector.iter_mut().filter(|x| x.norm() <= ROUNDING * root).for_each(|x| *x = Complex64::ZERO);
        found.push(vector);
    }
    let rest = g.iter().flatten().map(|x| x.norm()).fold(0.0, f64::max);
    (rest <= 8.0 * least).then_some(found)
}

/// The function of a channel whose whole jump operator it multiplies.
pub fn lone(channel: &Channel) -> Option<&Envelope> {
    match &channel.modulated[..] {
        [(f, _)] if channel.operator.terms.is_empty() => Some(f),
        _ => None,
    }
}

/// `channel` with another operator of rate 1, or of none where it has none. The function of a [`lone`] one is squared into the
/// rate of a jump on each cell, which has no functions inside.
pub fn with_operator(channel: &Channel, (operator, reach): (OpSum, Reach)) -> Channel {
    let rate = if channel.rate > 0.0 { 1.0 } else { 0.0 };
    let changed = Channel { rate, reach, ..channel.clone() };
    match lone(channel) {
        Some(f) if changed.reach == Reach::Collective => Channel { modulated: vec![(f.clone(), operator)], ..changed },
        Some(f) => {
            let rate = channel.envelope.as_ref().map_or(Expression::Number(1.0), Envelope::expression);
            let rate = rate.times(f.expression()).times(f.expression());
            let envelope = Some(Envelope::Function(Function::new(&rate)));
            Channel { operator, envelope, modulated: Vec::new(), ..changed }
        }
        None => Channel { operator, ..changed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_give_the_matrix_again_and_refuse_others() {
        let c = Complex64::new;
        let g = vec![
            vec![c(2.0, 0.0), c(0.0, 0.6), c(0.0, 0.0)],
            vec![c(0.0, -0.6), c(0.5, 0.0), c(0.0, 0.0)],
            vec![c(0.0, 0.0), c(0.0, 0.0), c(2.0, 0.0)],
        ];
        let found = roots(g.clone(), 1e-12).unwrap();
        assert_eq!(found.len(), 3);
        for p in 0..3 {
            for q in 0..3 {
                let sum: Complex64 = found.iter().map(|v| v[p] * v[q].conj()).sum();
                assert!((sum - g[p][q]).norm() < 1e-14);
            }
        }
        // No vector mixes what the matrix does not.
        assert!(found.iter().all(|v| v[2] == Complex64::ZERO || v[0] == Complex64::ZERO));
        assert!(roots(vec![vec![c(1.0, 0.0), c(1.1, 0.0)], vec![c(1.1, 0.0), c(1.0, 0.0)]], 1e-12).is_none());
        assert!(roots(vec![vec![c(-1.0, 0.0)]], 1e-12).is_none());
    }
}
