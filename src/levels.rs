//! The levels of a battery Hamiltonian with their multiplicities, in logarithms: C(N, k) overflows long before N is large.

use crate::battery::{Battery, Unseen, ln_add};
use crate::problem::{BatteryHamiltonian, Kind, Problem, SubsystemId, Zero};
use crate::space::energies;
use statrs::function::factorial::ln_binomial;

/// Most battery levels (products of cell numbers plus one) that are tabulated.
const MOST_LEVELS: u64 = 60_000_000;

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
        Kind::Network { cells, .. } if !subsystem(e).uneven.is_empty() => 1 << (*cells).min(63),
        Kind::Ensemble { .. } | Kind::Network { .. } => subsystem(e).cells() + 1,
        Kind::Mode { cutoff } => *cutoff as u64,
        Kind::Levels { energies } => energies.len() as u64,
    };
    let total = part.iter().map(count).try_fold(1u64, u64::checked_mul)?;
    let levels = |e: &SubsystemId| match &subsystem(e).kind {
        Kind::Mode { cutoff } => (0..*cutoff).map(|n| (subsystem(e).energy * n as f64, 0.0)).collect(),
        Kind::Levels { energies } => energies.iter().map(|energy| (*energy, 0.0)).collect(),
        Kind::Network { .. } if !subsystem(e).uneven.is_empty() => {
            product(subsystem(e).uneven.iter().map(|omega| ladder(1, *omega)))
        }
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

    /// The levels of a battery of ensembles; `None` when there are too many to tabulate.
    pub fn of_ensembles(battery: &Battery) -> Option<Self> {
        let count = battery.ensembles().iter().try_fold(1u64, |product, (cells, _)| product.checked_mul(cells + 1))?;
        if count > MOST_LEVELS {
            return None;
        }
        let ladders = battery.ensembles().iter().map(|&(cells, omega)| ladder(cells, omega));
        Some(Self { unseen: battery.unseen(), ..Self::new(product(ladders)) })
    }

    /// The levels of Σωn of these subsystems; `None` when there are too many to tabulate.
    pub fn of(problem: &Problem, part: &[SubsystemId]) -> Option<Self> {
        listed(problem, part).map(Self::new)
    }

    /// The levels of a battery's own Hamiltonian, or of minus it, counted from where its zero is.
    ///
    /// # Errors
    /// When there are too many to work out.
    pub fn of_hamiltonian(problem: &Problem, own: &BatteryHamiltonian, inverted: bool) -> Result<Self, String> {
        let mut levels = energies::spectrum(problem, &own.operator, &problem.battery)?;
        let lowest = levels.iter().fold(f64::INFINITY, |least, (energy, _)| least.min(*energy));
        let zero = if own.zero == Zero::Ground { lowest } else { 0.0 };
        let sign = if inverted { -1.0 } else { 1.0 };
        levels.iter_mut().for_each(|(energy, _)| *energy = sign * (*energy - zero));
        Ok(Self::new(levels))
    }

    /// The levels of single cells, modes and multi-level systems together, each given with its number of levels.
    pub fn of_factors(problem: &Problem, factors: &[(SubsystemId, usize, usize)]) -> Option<Self> {
        let total: f64 = factors.iter().map(|(.., levels)| *levels as f64).product();
        let of = |&(e, cell, levels): &(SubsystemId, usize, usize)| match &problem.subsystems[e].kind {
            Kind::Levels { energies } => energies.iter().map(|energy| (*energy, 0.0)).collect(),
            _ => (0..levels).map(|k| (problem.subsystems[e].quantum(cell) * k as f64, 0.0)).collect(),
        };
        (total <= MOST_LEVELS as f64).then(|| Self::new(product(factors.iter().map(of))))
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
    use crate::battery::tests::battery;
    use crate::problem::Quantity;

    #[test]
    fn mean_energies_match_the_list_of_levels() {
        let levels = Levels::of_ensembles(&battery(&[(6, 1.0), (2, 2.5)])).unwrap();
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
}
