//! A battery of ensembles and the multiplicities of its symmetric blocks, in logarithms.
//!
//! N cells with spin J come in ν_J = C(N, s) − C(N, s−1) = C(N, s)(2J+1)/(N−s+1) equivalent copies, s = N/2 − J,
//! and level k of H_B = ωΣn in C(N, k): both overflow long before N is large, so only ln appears here.

use crate::problem::{Kind, Problem};
use statrs::function::factorial::ln_binomial;

/// ln ν_J of N = `cells` cells with s = N/2 − J = `pairs`, ν_J = C(N, s) − C(N, s−1) (`docs/physics.md` §2.2).
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

    /// Energy of a Dicke state, Σω(N/2 + M) over the ensembles.
    pub fn energy(&self, key: DickeKey) -> f64 {
        let excited = |(cells, omega): &(u64, f64), (two_j, up): (u64, u64)| omega * ((cells - two_j) / 2 + up) as f64;
        self.ensembles.iter().zip(self.states(key)).map(|(e, s)| excited(e, s)).sum()
    }

    /// ln of the number of equivalent copies of a Dicke state, Σ ln ν_J over the ensembles.
    pub fn ln_copies(&self, key: DickeKey) -> f64 {
        let each = self.ensembles.iter().zip(self.states(key));
        each.map(|((cells, _), (two_j, _))| ln_multiplicity(*cells, (cells - two_j) / 2)).sum()
    }

    /// Energy of the Gibbs state with entropy `entropy` (natural logarithm) at β ≥ 0, and β in the inverse unit of ω:
    /// the least energy at that entropy. With p = 1/(1 + e^{βω}) and sums over the ensembles E = ΣNωp, S = ΣN(βωp +
    /// ln(1 + e^{−βω})).
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

    /// Number of cells and energy ω of each ensemble, in the order of the battery.
    pub fn ensembles(&self) -> &[(u64, f64)] {
        &self.ensembles
    }

    /// For one ensemble, the order in which spins never seen are filled (see [`Unseen`]).
    pub fn unseen(&self) -> Option<Unseen> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::problem::Quantity;

    /// Ensembles of so many cells, each with an energy.
    pub(crate) fn battery(sizes: &[(u64, f64)]) -> Battery {
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
    fn gibbs_state_has_the_asked_entropy() {
        let b = battery(&[(1000, 1.0)]);
        let (energy, beta) = b.gibbs(1000.0 * 0.5);
        let x = energy / 1000.0;
        assert!((-x * x.ln() - (1.0 - x) * (1.0 - x).ln() - 0.5).abs() < 1e-12);
        assert!((beta - ((1.0 - x) / x).ln()).abs() < 1e-9);
        assert_eq!(b.gibbs(0.0).0.round(), 0.0);
    }
}
