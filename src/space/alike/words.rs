//! Operators as sums of words, one letter for each cell that they act on, which are linearly independent: what an exchange of
//! two cells makes of an operator is seen term by term, and sums over all places of a word become products of collective
//! operators.

use crate::problem::{Factor, Kind, Op, OpSum, Problem, SubsystemId, Term};
use num_complex::Complex64;
use std::collections::BTreeMap;

/// Differences below this part of the largest coefficient are rounding.
pub const ROUNDING: f64 = 1e-12;
/// Most words of one operator.
const MOST_WORDS: usize = 1 << 16;
/// Most cells of one group that a word may act on.
const MOST_BODIES: usize = 4;

/// What acts on one cell: with the identity these four are a basis of its operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Letter {
    /// σ⁺.
    Raise,
    /// n.
    Number,
    /// σ⁻.
    Lower,
}

impl Letter {
    /// The same as an operator of cells.
    pub fn op(self) -> Op {
        match self {
            Letter::Raise => Op::Raise,
            Letter::Number => Op::Number,
            Letter::Lower => Op::Lower,
        }
    }

    fn adjoint(self) -> Self {
        match self {
            Letter::Raise => Letter::Lower,
            Letter::Number => Letter::Number,
            Letter::Lower => Letter::Raise,
        }
    }
}

/// A product of letters on different cells, by the numbers of their subsystems, and of factors of other subsystems.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Word {
    /// Rising.
    pub cells: Vec<(usize, Letter)>,
    /// Those of one subsystem in the order in which they act.
    pub rest: Vec<Factor>,
}

impl Word {
    /// With two cells exchanged.
    pub fn swapped(&self, (a, b): (usize, usize)) -> Self {
        let other = |cell: usize| match cell {
            cell if cell == a => b,
            cell if cell == b => a,
            cell => cell,
        };
        let mut cells: Vec<_> = self.cells.iter().map(|(cell, letter)| (other(*cell), *letter)).collect();
        cells.sort_unstable();
        Self { cells, rest: self.rest.clone() }
    }

    /// The Hermitian conjugate.
    pub fn adjoint(&self) -> Self {
        let mut rest: Vec<Factor> = self.rest.iter().rev().map(|f| Factor { op: f.op.adjoint(), ..*f }).collect();
        rest.sort_by_key(|f| f.subsystem);
        Self { cells: self.cells.iter().map(|(cell, letter)| (*cell, letter.adjoint())).collect(), rest }
    }
}

/// Coefficients of words.
pub type Sum = BTreeMap<Word, Complex64>;

/// Whether a subsystem is one cell.
pub fn is_cell(problem: &Problem, subsystem: usize) -> bool {
    matches!(problem.subsystems[subsystem].kind, Kind::Network { cells: 1, .. })
}

/// The operator `factor`·`sum` in words; `None` where there are too many.
pub fn read(problem: &Problem, sum: &OpSum, factor: f64) -> Option<Sum> {
    let mut all = Sum::new();
    for Term { coefficient, factors } in &sum.terms {
        let mut cells: BTreeMap<usize, Vec<Op>> = BTreeMap::new();
        let mut rest = Vec::new();
        for f in factors {
            match is_cell(problem, f.subsystem.index()) {
                true => cells.entry(f.subsystem.index()).or_default().push(f.op),
                false => rest.push(*f),
            }
        }
        rest.sort_by_key(|f| f.subsystem);
        let mut words = vec![(*coefficient * factor, Word { cells: Vec::new(), rest })];
        for (cell, ops) in cells {
            let letters = spelled(&ops)?;
            let longer = |(c, word): (Complex64, Word)| {
                letters.clone().into_iter().map(move |(d, letter)| {
                    let mut word = word.clone();
                    word.cells.extend(letter.map(|letter| (cell, letter)));
                    (c * d, word)
                })
            };
            words = words.into_iter().flat_map(longer).collect();
            if words.len() > MOST_WORDS {
                return None;
            }
        }
        for (c, word) in words {
            *all.entry(word).or_default() += c;
        }
        if all.len() > MOST_WORDS {
            return None;
        }
    }
    let least = ROUNDING * 1e-3 * largest(&all);
    all.retain(|_, c| c.norm() > least);
    Some(all)
}

/// The product of operators of one cell in letters, `None` of them the identity.
fn spelled(ops: &[Op]) -> Option<Vec<(Complex64, Option<Letter>)>> {
    let (one, zero, i) = (Complex64::ONE, Complex64::ZERO, Complex64::I);
    // In the basis e, g.
    let mut product = [[one, zero], [zero, one]];
    for op in ops {
        let [e, g] = match op {
            Op::Lower => [[zero, zero], [one, zero]],
            Op::Raise => [[zero, one], [zero, zero]],
            Op::X => [[zero, one], [one, zero]],
            Op::Y => [[zero, -i], [i, zero]],
            Op::Z => [[one, zero], [zero, -one]],
            Op::Number => [[one, zero], [zero, zero]],
            Op::Annihilate | Op::Create | Op::Transition(..) => return None,
        };
        product = product.map(|[a, b]| [a * e[0] + b * g[0], a * e[1] + b * g[1]]);
    }
    let [[ee, eg], [ge, gg]] = product;
    let letters = [(gg, None), (ee - gg, Some(Letter::Number)), (eg, Some(Letter::Raise)), (ge, Some(Letter::Lower))];
    Some(letters.into_iter().filter(|(c, _)| *c != zero).collect())
}

/// The largest modulus of a coefficient.
pub fn largest(sum: &Sum) -> f64 {
    sum.values().map(|c| c.norm()).fold(0.0, f64::max)
}

/// Whether an exchange of two cells leaves the operator as it is.
pub fn is_even(sum: &Sum, pair: (usize, usize)) -> bool {
    let least = ROUNDING * largest(sum);
    let touched = |word: &Word| word.cells.iter().any(|(cell, _)| *cell == pair.0 || *cell == pair.1);
    let other = |word: &Word| sum.get(&word.swapped(pair)).copied().unwrap_or_default();
    sum.iter().filter(|(word, _)| touched(word)).all(|(word, c)| (c - other(word)).norm() <= least)
}

/// Cells that cannot be told apart, in groups.
#[derive(Clone, Debug)]
pub struct Groups {
    /// The cells of each.
    pub members: Vec<Vec<usize>>,
    /// Of each subsystem, the group that it is in.
    pub of: Vec<Option<usize>>,
}

/// All words that exchanges within groups make of one: how often each letter stands in each group, and the rest of the word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orbit {
    /// Of each group the number of letters σ⁺, n and σ⁻.
    pub counts: Vec<[usize; 3]>,
    /// Everything outside the groups.
    pub rest: Word,
}

impl Orbit {
    /// Number of words in it.
    fn size(&self, groups: &Groups) -> f64 {
        let ways = |(counts, members): (&[usize; 3], &Vec<usize>)| {
            let mut free = members.len();
            counts.iter().fold(1.0, |ways, count| {
                let own = (0..*count).fold(1.0, |c, k| c * (free - k) as f64 / (k + 1) as f64);
                free -= count;
                ways * own
            })
        };
        self.counts.iter().zip(&groups.members).map(ways).product()
    }

    /// The group and the letter, where it has one alone; `None` in it where it has none. `None` of longer words.
    pub fn single(&self) -> Option<Option<(usize, Letter)>> {
        let mut found = None;
        for (group, counts) in self.counts.iter().enumerate() {
            for (letter, count) in [Letter::Raise, Letter::Number, Letter::Lower].into_iter().zip(counts) {
                match (count, found) {
                    (0, _) => {}
                    (1, None) => found = Some((group, letter)),
                    _ => return None,
                }
            }
        }
        Some(found)
    }
}

impl Groups {
    /// The orbit of a word.
    pub fn orbit(&self, word: &Word) -> Orbit {
        let mut counts = vec![[0; 3]; self.members.len()];
        let mut rest = Word { cells: Vec::new(), rest: word.rest.clone() };
        for (cell, letter) in &word.cells {
            match self.of[*cell] {
                Some(group) => counts[group][*letter as usize] += 1,
                None => rest.cells.push((*cell, *letter)),
            }
        }
        Orbit { counts, rest }
    }

    /// The operator averaged over all exchanges: the coefficient of each word of an orbit.
    pub fn averaged(&self, sum: &Sum) -> BTreeMap<Orbit, Complex64> {
        let mut all: BTreeMap<Orbit, Complex64> = BTreeMap::new();
        for (word, c) in sum {
            *all.entry(self.orbit(word)).or_default() += c;
        }
        all.iter_mut().for_each(|(orbit, c)| *c /= orbit.size(self));
        let least = ROUNDING * largest(sum);
        all.retain(|_, c| c.norm() > least);
        all
    }

    /// Whether no exchange changes the operator.
    pub fn keep(&self, sum: &Sum) -> bool {
        self.members.iter().all(|group| group[1..].iter().all(|cell| is_even(sum, (group[0], *cell))))
    }

    /// The averaged operator by collective ones, `place` saying the subsystem that a cell outside the groups, another
    /// subsystem, or a group (by its first cell) has become; `None` where a word is too long.
    pub fn collective(&self, sum: &Sum, place: &[SubsystemId]) -> Option<OpSum> {
        let mut all = OpSum::default();
        for (orbit, c) in self.averaged(sum) {
            let mut product = OpSum::scalar(c);
            for (counts, members) in orbit.counts.iter().zip(&self.members) {
                if counts.iter().sum::<usize>() > MOST_BODIES {
                    return None;
                }
                product = product * over_places(place[members[0]], *counts);
            }
            all = all + product * moved(&orbit.rest, place);
        }
        Some(all)
    }
}

/// A word outside the groups, where its subsystems have become others.
pub fn moved(word: &Word, place: &[SubsystemId]) -> OpSum {
    let cell = |(cell, letter): &(usize, Letter)| Factor { subsystem: place[*cell], site: None, op: letter.op() };
    let other = |f: &Factor| Factor { subsystem: place[f.subsystem.index()], ..*f };
    let factors = word.cells.iter().map(cell).chain(word.rest.iter().map(other)).collect();
    OpSum { terms: vec![Term { coefficient: Complex64::ONE, factors }] }
}

/// E(a, b, c), the sum over all places on different cells of a letters σ⁺, b letters n and c letters σ⁻. As σ⁺σ⁻ = n and
/// σ⁺n = σ⁺σ⁺ = 0 on one cell, a E(a, b, c) = S⁺E(a−1, b, c) − (b+1)E(a−1, b+1, c−1); as n n = n and nσ⁻ = 0,
/// b E(0, b, c) = (Σn − b + 1)E(0, b−1, c); and E(0, 0, c) = (S⁻)ᶜ/c!.
fn over_places(ensemble: SubsystemId, [a, b, c]: [usize; 3]) -> OpSum {
    let shorter = |counts| over_places(ensemble, counts);
    match (a, b, c) {
        (0, 0, 0) => OpSum::scalar(Complex64::ONE),
        (0, 0, c) => OpSum::of(ensemble, Op::Lower) * shorter([0, 0, c - 1]) * (1.0 / c as f64),
        (0, b, c) => {
            let mut number = OpSum::of(ensemble, Op::Number);
            if b > 1 {
                number = number - OpSum::scalar(Complex64::from(b as f64 - 1.0));
            }
            number * shorter([0, b - 1, c]) * (1.0 / b as f64)
        }
        (a, b, c) => {
            let mut sum = OpSum::of(ensemble, Op::Raise) * shorter([a - 1, b, c]);
            if c > 0 {
                sum = sum - shorter([a - 1, b + 1, c - 1]) * (b as f64 + 1.0);
            }
            sum * (1.0 / a as f64)
        }
    }
}
