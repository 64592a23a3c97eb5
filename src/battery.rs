//! The levels of a battery of identical cells and the multiplicities of its symmetric blocks, in logarithms.
//!
//! N cells with spin J come in ν_J = C(N, s) − C(N, s−1) = C(N, s)(2J+1)/(N−s+1) equivalent copies, s = N/2 − J,
//! and level k of H_B = ωΣn in C(N, k): both overflow long before N is large, so only ln appears here.

use crate::problem::{Kind, Problem, SubsystemId};
use statrs::function::factorial::ln_binomial;

/// Most battery levels (products of cell numbers plus one) that are tabulated.
const MOST_LEVELS: u64 = 60_000_000;

/// ln ν_J of `cells` cells with N/2 − J = `pairs`.
pub fn ln_multiplicity(cells: u64, pairs: u64) -> f64 {
    let free = (cells - 2 * pairs + 1) as f64;
    ln_binomial(cells, pairs) + (free / (cells - pairs + 1) as f64).ln()
}

/// ln(eᵃ + eᵇ).
pub fn ln_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// A Dicke state of the battery: |J, M⟩ of each of its ensembles, packed into one number.
pub type DickeKey = u128;

/// The ensembles that make up a battery.
#[derive(Clone, Debug, PartialEq)]
pub struct Battery {
    /// Cells and energy ω of each ensemble.
    ensembles: Vec<(u64, f64)>,
    bits: Vec<u32>,
}

impl Battery {
    /// The battery of a problem; `None` when it is not made of ensembles or its Dicke states do not fit a key.
    pub fn of(problem: &Problem) -> Option<Self> {
        let ensembles = problem
            .battery
            .iter()
            .map(|&e| match problem.subsystems[e].kind {
                Kind::Ensemble { cells } => Some((cells, problem.subsystems[e].energy)),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()?;
        let bits: Vec<u32> = ensembles.iter().map(|(cells, _)| u64::BITS - cells.leading_zeros()).collect();
        (2 * bits.iter().sum::<u32>() <= DickeKey::BITS).then_some(Self { ensembles, bits })
    }

    /// Pack (2J, J+M) of each ensemble, in order.
    pub fn key(&self, states: impl IntoIterator<Item = (u64, u64)>) -> DickeKey {
        let mut key = 0;
        for ((two_j, up), bits) in states.into_iter().zip(&self.bits) {
            key = key << (2 * bits) | DickeKey::from(two_j) << bits | DickeKey::from(up);
        }
        key
    }

    /// Unpack a key into (2J, J+M) of each ensemble.
    pub fn states(&self, mut key: DickeKey) -> Vec<(u64, u64)> {
        let mut states: Vec<(u64, u64)> = self
            .bits
            .iter()
            .rev()
            .map(|bits| {
                let mask = (1 << bits) - 1;
                let state = ((key >> bits & mask) as u64, (key & mask) as u64);
                key >>= 2 * bits;
                state
            })
            .collect();
        states.reverse();
        states
    }

    /// Energy of a Dicke state.
    pub fn energy(&self, key: DickeKey) -> f64 {
        let excited = |(cells, omega): &(u64, f64), (two_j, up): (u64, u64)| omega * ((cells - two_j) / 2 + up) as f64;
        self.ensembles.iter().zip(self.states(key)).map(|(e, s)| excited(e, s)).sum()
    }

    /// ln of the number of equivalent copies of a Dicke state.
    pub fn ln_copies(&self, key: DickeKey) -> f64 {
        let each = self.ensembles.iter().zip(self.states(key));
        each.map(|((cells, _), (two_j, _))| ln_multiplicity(*cells, (cells - two_j) / 2)).sum()
    }

    /// Energy of the Gibbs state with entropy `entropy` at β ≥ 0, and β: the least energy at that entropy.
    pub fn gibbs(&self, entropy: f64) -> (f64, f64) {
        let at = |beta: f64| {
            self.ensembles.iter().fold((0.0, 0.0), |(energy, s), &(cells, omega)| {
                let x = beta * omega;
                let excited = 1.0 / (1.0 + x.exp());
                let per_cell = excited * x + (-x).exp().ln_1p();
                (energy + omega * cells as f64 * excited, s + cells as f64 * per_cell)
            })
        };
        let scale = self.ensembles.iter().map(|e| e.1).fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
        let (mut hot, mut cold) = (0.0, 700.0 / scale);
        for _ in 0..200 {
            let middle = 0.5 * (hot + cold);
            if at(middle).1 > entropy { hot = middle } else { cold = middle }
        }
        (at(cold).0, cold)
    }

    /// The levels of H_B; `None` when there are too many to tabulate.
    pub fn levels(&self) -> Option<Levels> {
        let count = self.ensembles.iter().try_fold(1u64, |product, (cells, _)| product.checked_mul(cells + 1))?;
        if count > MOST_LEVELS {
            return None;
        }
        let ladders = self.ensembles.iter().map(|&(cells, omega)| ladder(cells, omega));
        Some(Levels { unseen: self.unseen(), ..Levels::new(product(ladders)) })
    }

    /// For one ensemble, the order in which spins never seen are filled (see [`Unseen`]).
    fn unseen(&self) -> Option<Unseen> {
        let [(cells, _)] = self.ensembles[..] else { return None };
        let mut before = f64::NEG_INFINITY;
        let mut largest = f64::NEG_INFINITY;
        let (mut ln_before, ln_bound): (Vec<f64>, Vec<f64>) = (0..=cells / 2)
            .map(|pairs| {
                let multiplicity = ln_multiplicity(cells, pairs);
                largest = largest.max(multiplicity);
                let entry = (before, largest);
                before = ln_add(before, multiplicity + ((cells - 2 * pairs + 1) as f64).ln());
                entry
            })
            .unzip();
        ln_before.push(before);
        Some(Unseen { ln_before, ln_bound })
    }

    /// N/2 − J and 2J + 1 of a Dicke state of a battery of one ensemble.
    pub fn pairs(&self, key: DickeKey) -> Option<(usize, f64)> {
        match (&self.ensembles[..], &self.states(key)[..]) {
            ([(cells, _)], [(two_j, _)]) => Some((((cells - two_j) / 2) as usize, *two_j as f64 + 1.0)),
            _ => None,
        }
    }
}

/// All Dicke states of N cells, by spin from J = N/2 downwards: where those that no trajectory visited are placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Unseen {
    /// ln of the number of states with more spin than J, by N/2 − J; all states at the end.
    pub ln_before: Vec<f64>,
    /// Largest ln ν among spins of at least J: ν made monotonic, which it is not for J below √N.
    pub ln_bound: Vec<f64>,
}

/// The levels of a battery Hamiltonian in rising order, with multiplicity.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    energy: Vec<f64>,
    /// ln of the number of levels up to and including each.
    ln_cumulative: Vec<f64>,
    /// Where unseen Dicke states go, for a battery of one ensemble.
    pub unseen: Option<Unseen>,
}

/// The levels ωk of N cells, C(N, k) times each in logarithms.
fn ladder(cells: u64, omega: f64) -> Vec<(f64, f64)> {
    (0..=cells).map(|k| (omega * k as f64, ln_binomial(cells, k))).collect()
}

/// Every sum of one level of each part.
fn product(parts: impl Iterator<Item = Vec<(f64, f64)>>) -> Vec<(f64, f64)> {
    parts.fold(vec![(0.0, 0.0)], |all, part| {
        part.into_iter().flat_map(|(e, m)| all.iter().map(move |(e0, m0)| (e + e0, m + m0))).collect()
    })
}

/// Every level of Σωn of these subsystems with the ln of its multiplicity; `None` when there are too many.
fn listed(problem: &Problem, part: &[SubsystemId]) -> Option<Vec<(f64, f64)>> {
    let subsystem = |e: &SubsystemId| &problem.subsystems[*e];
    let count = |e: &SubsystemId| match &subsystem(e).kind {
        Kind::Ensemble { .. } | Kind::Network { .. } => subsystem(e).cells() + 1,
        Kind::Mode { cutoff } => *cutoff as u64,
        Kind::Levels { energies } => energies.len() as u64,
    };
    let total = part.iter().map(count).try_fold(1u64, u64::checked_mul)?;
    let levels = |e: &SubsystemId| match &subsystem(e).kind {
        Kind::Mode { cutoff } => (0..*cutoff).map(|n| (subsystem(e).energy * n as f64, 0.0)).collect(),
        Kind::Levels { energies } => energies.iter().map(|energy| (*energy, 0.0)).collect(),
        _ => ladder(subsystem(e).cells(), subsystem(e).energy),
    };
    (total <= MOST_LEVELS).then(|| product(part.iter().map(levels)))
}

impl Levels {
    /// From energies with the ln of their multiplicities, in any order.
    pub fn new(mut levels: Vec<(f64, f64)>) -> Self {
        levels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut total = f64::NEG_INFINITY;
        let mut accumulate = |(energy, multiplicity)| {
            total = ln_add(total, multiplicity);
            (energy, total)
        };
        let (energy, ln_cumulative) = levels.iter().copied().map(&mut accumulate).unzip();
        Self { energy, ln_cumulative, unseen: None }
    }

    /// The levels of Σωn of these subsystems; `None` when there are too many to tabulate.
    pub fn of(problem: &Problem, part: &[SubsystemId]) -> Option<Self> {
        listed(problem, part).map(Self::new)
    }

    /// The levels of −Σωn. They are counted from their own end: as differences of the other order's positions the few
    /// highest levels of many cells would vanish beside 2^N.
    pub fn inverted(problem: &Problem, part: &[SubsystemId]) -> Option<Self> {
        let turned = |(energy, multiplicity): (f64, f64)| (-energy, multiplicity);
        listed(problem, part).map(|levels| Self::new(levels.into_iter().map(turned).collect()))
    }

    /// Mean energy of the levels at positions \[X, X + ν) in rising order, for ln X = `ln_start`, ln ν = `ln_width`.
    ///
    /// By parts: ε_last − Σ_k (ε_{k+1} − ε_k)(C_k − X)/ν over the levels k that end inside. Sorted by p/ν a block has
    /// X/ν ≤ 1/p, so what cancels in C_k − X costs p·(X/ν)·ε_machine ≤ ε_machine of energy.
    pub fn mean(&self, ln_start: f64, ln_width: f64) -> f64 {
        let end = ln_add(ln_start, ln_width);
        let last = self.ln_cumulative.partition_point(|c| *c < end).min(self.energy.len() - 1);
        let offset = (ln_start - ln_width).exp();
        let mut mean = self.energy[last];
        for k in (0..last).rev() {
            let inside = (self.ln_cumulative[k] - ln_width).exp();
            if self.ln_cumulative[k] <= ln_start || inside < 1e-18 {
                break;
            }
            mean -= (self.energy[k + 1] - self.energy[k]) * (inside - offset).clamp(0.0, 1.0);
        }
        mean
    }

    /// The highest energy.
    pub fn top(&self) -> f64 {
        self.energy[self.energy.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Quantity;

    fn battery(sizes: &[(u64, f64)]) -> Battery {
        let mut p = Problem::builder("battery");
        for (i, &(cells, energy)) in sizes.iter().enumerate() {
            p.ensemble(&format!("B{i}"), cells, energy);
        }
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        Battery::of(&p.build().unwrap()).unwrap()
    }

    #[test]
    fn multiplicities_fill_the_space() {
        for cells in [1, 2, 5, 40, 141] {
            let mut total = f64::NEG_INFINITY;
            for pairs in 0..=cells / 2 {
                let states = (cells - 2 * pairs + 1) as f64;
                total = ln_add(total, ln_multiplicity(cells, pairs) + states.ln());
            }
            assert!((total - cells as f64 * 2f64.ln()).abs() < 1e-11 * cells as f64);
        }
    }

    #[test]
    fn keys_round_trip() {
        let b = battery(&[(140, 1.0), (3, 2.0)]);
        let states = vec![(138, 7), (3, 3)];
        assert_eq!(b.states(b.key(states.clone())), states);
        assert_eq!(b.energy(b.key(states)), 8.0 + 6.0);
    }

    #[test]
    fn mean_energies_match_the_list_of_levels() {
        let levels = battery(&[(6, 1.0), (2, 2.5)]).levels().unwrap();
        let mut list: Vec<f64> =
            (0..256u32).map(|i| (i & 63).count_ones() as f64 + 2.5 * (i >> 6).count_ones() as f64).collect();
        list.sort_by(f64::total_cmp);
        for (start, width) in [(0, 1), (0, 256), (3, 5), (17, 100), (255, 1), (100, 156)] {
            let direct = list[start..start + width].iter().sum::<f64>() / width as f64;
            let mean = levels.mean((start as f64).ln(), (width as f64).ln());
            assert!((direct - mean).abs() < 1e-12, "{start} {width}: {direct} {mean}");
        }
    }

    #[test]
    fn levels_of_any_part_match_the_list_of_levels() {
        let mut p = Problem::builder("part");
        let e = p.ensemble("E", 2, 1.0);
        let n = p.subsystem("A", Kind::Network { cells: 3, edges: vec![(0, 1)] }, 0.7);
        let m = p.subsystem("m", Kind::Mode { cutoff: 3 }, 1.1);
        let l = p.subsystem("L", Kind::Levels { energies: vec![0.0, 0.3, 2.0] }, 1.0);
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let mut list = Vec::new();
        for i in 0..32u32 {
            for photons in 0..3 {
                for level in [0.0, 0.3, 2.0] {
                    let cells = f64::from((i & 3).count_ones()) + 0.7 * f64::from((i >> 2).count_ones());
                    list.push(cells + 1.1 * f64::from(photons) + level);
                }
            }
        }
        let part = [e, n, m, l];
        for (sign, levels) in [(1.0, Levels::of(&problem, &part)), (-1.0, Levels::inverted(&problem, &part))] {
            let levels = levels.unwrap();
            let mut list: Vec<f64> = list.iter().map(|e| sign * e).collect();
            list.sort_by(f64::total_cmp);
            for (start, width) in [(0, 1), (0, 288), (7, 30), (287, 1), (100, 188)] {
                let direct = list[start..start + width].iter().sum::<f64>() / width as f64;
                let mean = levels.mean((start as f64).ln(), (width as f64).ln());
                assert!((direct - mean).abs() < 1e-11, "{sign} {start} {width}: {direct} {mean}");
            }
            assert_eq!(levels.top(), list[287]);
        }
    }

    #[test]
    fn the_few_highest_levels_of_many_cells_are_kept() {
        for cells in [40, 60, 140, 5000] {
            let mut p = Problem::builder("battery");
            let e = p.ensemble("B", cells, 1.0);
            p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
            let problem = p.build().unwrap();
            let lowest = Levels::inverted(&problem, &[e]).unwrap().mean(f64::NEG_INFINITY, 0.0);
            assert!((lowest + cells as f64).abs() < 1e-11 * cells as f64, "{cells}: {lowest}");
        }
    }

    #[test]
    fn gibbs_state_has_the_asked_entropy() {
        let b = battery(&[(1000, 1.0)]);
        let (energy, beta) = b.gibbs(1000.0 * 0.5);
        let x = energy / 1000.0;
        assert!((-x * x.ln() - (1.0 - x) * (1.0 - x).ln() - 0.5).abs() < 1e-12);
        assert!((beta - ((1.0 - x) / x).ln()).abs() < 1e-9);
        assert_eq!(b.gibbs(0.0).0.round(), 0.0);
    }
}
