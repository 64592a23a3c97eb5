//! Initial states of single cells, whether an exchange of two cells changes them, and what they are on the spins of groups of
//! cells.

use super::words::{Groups, is_cell};
use crate::problem::{Initial, Joint, JointState, Kind, Problem, SpinKet};
use num_complex::Complex64;
use std::collections::{BTreeMap, HashMap};

/// Amplitudes and elements of density matrices that differ by less are equal.
const ROUNDING: f64 = 1e-12;
/// Most amplitudes of all kets together, and most elements of the density matrix.
const MOST: usize = 1 << 21;
/// Most states of spins that make up a mixture.
const MOST_STATES: usize = 2048;

/// Amplitudes that are not 0, by the codes of product states.
type Ket = Vec<(usize, Complex64)>;

/// Amplitudes by the levels of subsystems, J + M of a spin.
type Amplitudes = BTreeMap<Vec<usize>, Complex64>;

/// A mixture of states of all subsystems.
pub struct Start {
    kets: Vec<(f64, Ket)>,
    strides: Vec<usize>,
    levels: Vec<usize>,
    /// The density matrix, once it is needed; `None` where it has too many elements.
    rho: Option<Option<HashMap<(usize, usize), Complex64>>>,
}

impl Start {
    /// That of a problem of matrices; `None` where it is not known in product states, or is too large.
    pub fn new(problem: &Problem) -> Option<Self> {
        let level = |s: usize| match &problem.subsystems[s].kind {
            _ if is_cell(problem, s) => Some(2),
            Kind::Levels { energies } => Some(energies.len()),
            _ => None,
        };
        let levels: Vec<usize> = (0..problem.subsystems.len()).map(level).collect::<Option<_>>()?;
        let mut strides = vec![1usize; levels.len()];
        for s in (1..levels.len()).rev() {
            strides[s - 1] = strides[s].checked_mul(levels[s])?;
        }
        strides[0].checked_mul(levels[0])?;
        let mut kets: Vec<(f64, Ket)> = vec![(1.0, vec![(0, Complex64::ONE)])];
        let mut times = |own: Vec<(f64, Ket)>| -> Option<()> {
            let size = |kets: &[(f64, Ket)]| kets.iter().map(|(_, ket)| ket.len()).sum::<usize>();
            if size(&kets).checked_mul(size(&own))? > MOST {
                return None;
            }
            let product = |(p, ket): &(f64, Ket), (q, other): &(f64, Ket)| {
                let both =
                    |(i, x): &(usize, Complex64)| other.iter().map(move |(j, y)| (i + j, x * y)).collect::<Ket>();
                (p * q, ket.iter().flat_map(both).collect())
            };
            kets = kets.iter().flat_map(|one| own.iter().map(move |other| product(one, other))).collect();
            Some(())
        };
        let of_kets = |over: &[usize], state: &JointState| -> Option<Vec<(f64, Ket)>> {
            let JointState::Kets(all) = state else { return None };
            let code = |mut index: usize| {
                over.iter().rev().fold(0, |code, s| {
                    let level = index % levels[*s];
                    index /= levels[*s];
                    code + level * strides[*s]
                })
            };
            let ket = |(p, ket): &(f64, Vec<Complex64>)| {
                let norm = ket.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
                let there = ket.iter().enumerate().filter(|(_, x)| x.norm() > 1e-150);
                (*p, there.map(|(index, x)| (code(index), x / norm)).collect::<Ket>())
            };
            Some(all.iter().map(ket).collect())
        };
        for (s, initial) in problem.initial.iter().enumerate() {
            match initial {
                Initial::Joint(_) => {}
                Initial::Alone(state) => times(of_kets(&[s], state)?)?,
                Initial::Ground => {}
                Initial::Excited if levels[s] == 2 => times(vec![(1.0, vec![(strides[s], Complex64::ONE)])])?,
                _ => return None,
            }
        }
        for Joint { over, state } in &problem.joint {
            times(of_kets(&over.iter().map(|id| id.index()).collect::<Vec<_>>(), state)?)?;
        }
        Some(Self { kets, strides, levels, rho: None })
    }

    fn digit(&self, code: usize, s: usize) -> usize {
        code / self.strides[s] % self.levels[s]
    }

    fn swapped(&self, code: usize, (a, b): (usize, usize)) -> usize {
        let (x, y) = (self.digit(code, a), self.digit(code, b));
        code - x * self.strides[a] - y * self.strides[b] + y * self.strides[a] + x * self.strides[b]
    }

    /// Whether an exchange of two cells leaves each of its kets as it is.
    fn keeps_kets(&self, pair: (usize, usize)) -> bool {
        self.kets.iter().all(|(_, ket)| {
            let all: HashMap<usize, Complex64> = ket.iter().copied().collect();
            let other = |code: usize| all.get(&self.swapped(code, pair)).copied().unwrap_or_default();
            ket.iter().all(|(code, x)| (x - other(*code)).norm() <= ROUNDING)
        })
    }

    /// Whether an exchange of two cells leaves the mixture as it is.
    pub fn is_even(&mut self, pair: (usize, usize)) -> bool {
        if self.keeps_kets(pair) {
            return true;
        }
        let kets = &self.kets;
        let rho = self.rho.get_or_insert_with(|| {
            let elements: usize = kets.iter().map(|(_, ket)| ket.len().saturating_mul(ket.len())).sum();
            (elements <= MOST).then(|| {
                let mut rho: HashMap<(usize, usize), Complex64> = HashMap::new();
                for (p, ket) in kets {
                    for (i, x) in ket {
                        ket.iter().for_each(|(j, y)| *rho.entry((*i, *j)).or_default() += x * y.conj() * *p);
                    }
                }
                rho
            })
        });
        let Some(rho) = rho.take() else { return false };
        let other = |(i, j): (usize, usize)| {
            rho.get(&(self.swapped(i, pair), self.swapped(j, pair))).copied().unwrap_or_default()
        };
        let even = rho.iter().all(|(place, x)| (x - other(*place)).norm() <= ROUNDING);
        self.rho = Some(Some(rho));
        even
    }

    /// Whether every ket is symmetric in the cells of each group, so that there is nothing to draw but the kets themselves.
    pub fn is_symmetric(&self, groups: &Groups) -> bool {
        groups.members.iter().all(|group| group[1..].iter().all(|cell| self.keeps_kets((group[0], *cell))))
    }

    /// The mixture on the spins of the groups and all other subsystems, these in the order of `kept` (a group by its first
    /// cell): for each way to couple the cells one by one to spins J, what a ket is there. The ways to one J are equivalent,
    /// and of a mixture that no exchange changes, the state is the same on all of them.
    pub fn on_spins(&self, groups: &Groups, kept: &[usize]) -> Option<Vec<SpinKet>> {
        let mut found: Vec<SpinKet> = Vec::new();
        for (p, ket) in &self.kets {
            for (two_j, amplitudes) in self.coupled(ket, groups, kept) {
                let weight: f64 = amplitudes.values().map(|x| x.norm_sqr()).sum();
                if p * weight <= 1e-15 {
                    continue;
                }
                let size = amplitudes.values().map(|x| x.norm()).fold(0.0, f64::max);
                let there = amplitudes.into_iter().filter(|(_, x)| x.norm() > 1e-15 * size);
                let amplitudes = there.map(|(levels, x)| (levels, x / weight.sqrt())).collect();
                let new = SpinKet { probability: p * weight, two_j, amplitudes };
                match found.iter_mut().find(|known| known.is_along(&new)) {
                    Some(known) => known.probability += new.probability,
                    None => found.push(new),
                }
                if found.len() > MOST_STATES {
                    return None;
                }
            }
        }
        let total: f64 = found.iter().map(|ket| ket.probability).sum();
        found.iter_mut().for_each(|ket| ket.probability /= total);
        Some(found)
    }

    /// A ket in states of spins: 2J of each subsystem in `kept`, and the amplitudes by levels, J + M of a spin; one for each
    /// way to couple.
    fn coupled(&self, ket: &Ket, groups: &Groups, kept: &[usize]) -> Vec<(Vec<u64>, Amplitudes)> {
        /// The cells that are not coupled yet as in a code, the ways of the groups, and 2J and J + M of each.
        type State = (usize, Vec<u64>, Vec<(u64, usize)>);
        let mut all: BTreeMap<State, Complex64> =
            ket.iter().map(|(code, x)| ((*code, Vec::new(), Vec::new()), *x)).collect();
        for group in &groups.members {
            let mut coupled: BTreeMap<State, Complex64> = BTreeMap::new();
            for ((code, ways, spins), x) in all {
                let with = |spin| [&spins[..], &[spin]].concat();
                let level = self.digit(code, group[0]);
                let rest = code - level * self.strides[group[0]];
                *coupled.entry((rest, [&ways[..], &[1]].concat(), with((1, level)))).or_default() += x;
            }
            for cell in &group[1..] {
                let mut longer: BTreeMap<State, Complex64> = BTreeMap::new();
                for ((code, mut ways, mut spins), x) in coupled {
                    let level = self.digit(code, *cell);
                    let rest = code - level * self.strides[*cell];
                    let (Some((two_j, up)), Some(way)) = (spins.pop(), ways.pop()) else { continue };
                    // Clebsch and Gordan: |j, m⟩ with |½, ±½⟩ to J = j + ½ and J = j − ½.
                    let down = two_j - up as u64;
                    let (more, less, after) = match level {
                        1 => ((up as f64 + 1.0).sqrt(), -(down as f64).sqrt(), up),
                        _ => ((down as f64 + 1.0).sqrt(), (up as f64).sqrt(), up.wrapping_sub(1)),
                    };
                    let norm = (two_j as f64 + 1.0).sqrt();
                    let mut add = |bit: u64, spin: (u64, usize), amplitude: f64| {
                        let state = (rest, [&ways[..], &[2 * way + bit]].concat(), [&spins[..], &[spin]].concat());
                        *longer.entry(state).or_default() += x * (amplitude / norm);
                    };
                    add(1, (two_j + 1, up + level), more);
                    if less != 0.0 {
                        add(0, (two_j - 1, after), less);
                    }
                }
                // What is left of sums that vanish.
                let size = longer.values().map(|x| x.norm()).fold(0.0, f64::max);
                longer.retain(|_, x| x.norm() > 0.1 * ROUNDING * size);
                coupled = longer;
            }
            all = coupled;
        }
        let mut ways: BTreeMap<(Vec<u64>, Vec<u64>), Amplitudes> = BTreeMap::new();
        for ((code, way, spins), x) in all {
            let spin = |s: usize| groups.of[s].map(|group| spins[group]);
            let two_j = kept.iter().map(|s| spin(*s).map_or(0, |(two_j, _)| two_j)).collect();
            let levels = kept.iter().map(|s| spin(*s).map_or_else(|| self.digit(code, *s), |(_, up)| up)).collect();
            ways.entry((two_j, way)).or_default().insert(levels, x);
        }
        ways.into_iter().map(|((two_j, _), amplitudes)| (two_j, amplitudes)).collect()
    }
}
