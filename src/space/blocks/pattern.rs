//! Invariant sets of product states from the pattern of elements that are not 0, for operators that were given as matrices:
//! the smallest sets such that H stays inside each and every jump operator takes each into one. Charges and parities alike
//! are found this way, and what no charge describes, as long as the product states can be counted through.

use super::JumpOperator;
use super::initial::Start;
use super::layout::{Layout, Monomial};
use super::own::Own;
use crate::problem::Problem;
use num_complex::Complex64;
use std::collections::{BTreeMap, HashMap};

/// Most product states that are put into sets.
const MOST_SORTED: usize = 1 << 16;

/// Disjoint sets of product states.
#[derive(Clone, Debug, PartialEq)]
pub struct Sets {
    strides: Vec<usize>,
    /// The set of each product state, by its code.
    of: Vec<u32>,
    /// The codes in each, rising.
    members: Vec<Vec<u64>>,
}

impl Sets {
    /// The sets of a space that holds no spins: `inside` must stay in a set, each of `jumps` lead from one set into one, and
    /// each of `together` lie in one. Of a jump operator, whatever a function of time multiplies is a part by itself.
    pub fn new(layout: &Layout, inside: &[&[Monomial]], jumps: &[Vec<&[Monomial]>], together: &[Vec<usize>]) -> Self {
        let counts: Vec<usize> = layout.slots.iter().map(|slot| slot.levels(0)).collect();
        let mut strides = vec![1; counts.len()];
        for slot in (1..counts.len()).rev() {
            strides[slot - 1] = strides[slot] * counts[slot];
        }
        let size = counts.iter().product();
        let mut joined = Joined((0..size).collect());
        for states in together {
            states.windows(2).for_each(|pair| joined.join(pair[0], pair[1]));
        }
        for terms in inside {
            for (to, from) in elements(layout, &strides, &counts, terms) {
                joined.join(to, from);
            }
        }
        let map = |parts: &Vec<&[Monomial]>| -> Vec<(usize, usize)> {
            parts.iter().flat_map(|terms| elements(layout, &strides, &counts, terms)).collect()
        };
        let maps: Vec<Vec<(usize, usize)>> = jumps.iter().map(map).collect();
        // L†L stays in a set: states that are taken to one are in one.
        for map in &maps {
            let mut source = HashMap::new();
            for (to, from) in map {
                let first = *source.entry(*to).or_insert(*from);
                joined.join(first, *from);
            }
        }
        // What one set is taken to is one set.
        loop {
            let mut changed = false;
            for map in &maps {
                let mut target = HashMap::new();
                for (to, from) in map {
                    let first = *target.entry(joined.first(*from)).or_insert(*to);
                    changed |= joined.first(first) != joined.first(*to);
                    joined.join(first, *to);
                }
            }
            if !changed {
                break;
            }
        }
        let (mut of, mut members, mut numbers) = (vec![0; size], Vec::<Vec<u64>>::new(), HashMap::new());
        for code in 0..size {
            let number = *numbers.entry(joined.first(code)).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            of[code] = number as u32;
            members[number].push(code as u64);
        }
        Self { strides, of, members }
    }

    /// Number of sets.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// Number of states in the largest.
    pub fn largest(&self) -> usize {
        self.members.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The set of a product state.
    pub fn of(&self, levels: &[usize]) -> i64 {
        let code: usize = levels.iter().zip(&self.strides).map(|(level, stride)| level * stride).sum();
        self.at(code)
    }

    /// The set of the product state with this code.
    pub fn at(&self, code: usize) -> i64 {
        i64::from(self.of[code])
    }

    /// The codes of the product states in a set.
    pub fn members(&self, set: i64) -> &[u64] {
        &self.members[set as usize]
    }
}

/// The invariant sets of product states of a problem made of matrices, and how many states there are; `None` of another
/// problem or a space too large to count through.
pub fn sets(
    problem: &Problem,
    layout: &Layout,
    hamiltonian: &[Monomial],
    (drives, own): (&[Vec<Monomial>], Option<&Own>),
    jumps: &[JumpOperator],
) -> Option<Result<(Sets, usize), String>> {
    let all = layout.slots.iter().try_fold(1usize, |all, slot| all.checked_mul(slot.levels(0)))?;
    if !problem.by_pattern || all > MOST_SORTED {
        return None;
    }
    let start = match Start::new(problem, layout) {
        Ok(start) => start.sets(layout)?,
        Err(reason) => return Some(Err(reason)),
    };
    let inside = [hamiltonian].into_iter().chain(drives.iter().map(Vec::as_slice)).chain(own.map(|own| &own.terms[..]));
    fn parts(jump: &JumpOperator) -> Vec<&[Monomial]> {
        [&jump.terms].into_iter().chain(&jump.more).map(Vec::as_slice).collect()
    }
    let jumps: Vec<Vec<&[Monomial]>> = jumps.iter().map(parts).collect();
    Some(Ok((Sets::new(layout, &inside.collect::<Vec<_>>(), &jumps, &start), all)))
}

/// Numbers that were found to belong together.
struct Joined(Vec<usize>);

impl Joined {
    /// The number that stands for all that belong together with this one.
    fn first(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Where an operator has elements: (row, column), those that add up to 0 left out.
fn elements(layout: &Layout, strides: &[usize], counts: &[usize], terms: &[Monomial]) -> Vec<(usize, usize)> {
    let chosen = Chosen::new(layout, terms);
    let mut found = Vec::new();
    let mut start = vec![0; counts.len()];
    let (mut levels, mut two_j, mut places) = (start.clone(), vec![0; counts.len()], Vec::new());
    for from in 0..counts.iter().product() {
        strides.iter().zip(counts).zip(&mut start).for_each(|((stride, n), level)| *level = from / stride % n);
        chosen.acting(&start, &mut places);
        let mut column = Column::default();
        for place in &places {
            levels.copy_from_slice(&start);
            if let Some(x) = layout.act(&terms[*place], &mut two_j, &mut levels) {
                column.add(levels.iter().zip(strides).map(|(level, stride)| level * stride).sum(), x);
            }
        }
        found.extend(column.left().map(|(to, _)| (to, from)));
    }
    found
}

/// What one state is taken to.
#[derive(Default)]
pub struct Column(BTreeMap<usize, (Complex64, f64)>);

/// A sum below this part of its terms is 0.
const ROUNDING: f64 = 1e-14;

impl Column {
    /// An amplitude of the state with this code.
    pub fn add(&mut self, to: usize, amplitude: Complex64) {
        let (sum, size) = self.0.entry(to).or_default();
        (*sum, *size) = (*sum + amplitude, *size + amplitude.norm());
    }

    /// The amplitudes that do not add up to 0, by codes.
    pub fn left(self) -> impl Iterator<Item = (usize, Complex64)> {
        self.0.into_iter().filter(|(_, (sum, size))| sum.norm() > ROUNDING * size).map(|(to, (sum, _))| (to, sum))
    }
}

/// Terms by what the factor that acts first asks of a state, so that of many those are soon found that do something.
pub struct Chosen {
    /// Of each slot and level.
    of: HashMap<(usize, usize), Vec<usize>>,
    /// Those that ask for no one level.
    rest: Vec<usize>,
}

impl Chosen {
    /// Of these terms.
    pub fn new(layout: &Layout, terms: &[Monomial]) -> Self {
        let mut chosen = Self { of: HashMap::new(), rest: Vec::new() };
        for (place, term) in terms.iter().enumerate() {
            match term.factors.last().and_then(|(slot, op)| Some((*slot, layout.slots[*slot].only_level(*op)?))) {
                Some(key) => chosen.of.entry(key).or_default().push(place),
                None => chosen.rest.push(place),
            }
        }
        chosen
    }

    /// The places of those that may do something to a state, in their order.
    pub fn acting(&self, levels: &[usize], places: &mut Vec<usize>) {
        places.clone_from(&self.rest);
        for key in levels.iter().copied().enumerate() {
            places.extend(self.of.get(&key).into_iter().flatten());
        }
        places.sort_unstable();
    }
}
