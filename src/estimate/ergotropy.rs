//! Ergotropy W = E − Σ_k r_k↓ε_k↑ of a block-diagonal battery state, exactly, and from trajectories with honest bounds.
//!
//! A Dicke state |J, M⟩ with probability p stands for ν_J eigenvalues p/ν_J (`docs/physics.md` §3.2). W is convex in ρ, so
//! the plug-in value of sampled probabilities is too large, badly so where eigenvalues are degenerate or Dicke states many.
//! Bounds therefore come from both sides. Above: the plug-in, and E minus the energy of the Gibbs state with the
//! entropy ⟨ln ν_J⟩ ≤ S(ρ), linear in ρ. Below, cross-fitting: any fixed order of the Dicke states gives a unitary and
//! hence a lower bound linear in ρ; the order comes from one half of the trajectories, its energy from the other.

use super::occupation::{Occupied, Share};
use super::unseen::Scatter;
use crate::battery::{Battery, DickeKey, Unseen, ln_add};
use crate::levels::Levels;
use std::collections::HashMap;

/// A sampled nonlinear quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// Best single number.
    pub value: f64,
    /// Standard error of the linear functional behind it.
    pub se: f64,
    /// The estimate from below and its standard error.
    pub below: (f64, f64),
    /// The same from above: estimate and standard error.
    pub above: (f64, f64),
    /// Whether the two sides differ by more than the sampling noise explains, or next to no events were seen: more
    /// trajectories will move the value.
    pub undersampled: bool,
    /// Events that the errors come from, at least (see [`unseen`](super::unseen)).
    pub events: f64,
}

impl Bounded {
    /// Interval that allows for `z` standard errors on either side, within what the quantity can be. NaN stays NaN.
    pub fn interval(&self, z: f64, (least, most): (f64, f64)) -> (f64, f64) {
        let (lo, hi) = self.unclipped(z);
        (lo.clamp(least, most), hi.clamp(least, most))
    }

    /// The same interval wherever it lies.
    pub fn unclipped(&self, z: f64) -> (f64, f64) {
        (self.below.0 - z * self.below.1, self.above.0 + z * self.above.1)
    }
}

/// Ergotropy W = E − Σ_k r_k↓ε_k↑ of an exactly known state (`docs/physics.md` §3.2, Eq. 3.2), an energy: (Dicke state,
/// probability of all its copies together), in any order, the probabilities adding up to 1.
pub fn exact(battery: &Battery, levels: &Levels, states: &[(DickeKey, f64)]) -> f64 {
    let energy: f64 = states.iter().map(|&(key, p)| p * battery.energy(key)).sum();
    let order = Order::new(battery, states.iter().copied());
    let passive: f64 = order.filled(levels).map(|(p, mean)| p * mean).sum();
    (energy - passive).max(0.0)
}

/// Cells in falling order of their eigenvalue, each with the position where its levels start.
struct Order {
    seen: Vec<Placed>,
}

/// A Dicke state in its place.
struct Placed {
    key: DickeKey,
    /// Its probability.
    p: f64,
    /// ln ν of its copies.
    ln_copies: f64,
    /// ln(p/ν), which orders it.
    ln_eigenvalue: f64,
    /// ln of the positions before it.
    ln_before: f64,
}

impl Order {
    fn new(battery: &Battery, states: impl Iterator<Item = (DickeKey, f64)>) -> Self {
        let mut seen: Vec<Placed> = states
            .filter(|(_, p)| *p > 0.0)
            .map(|(key, p)| {
                let ln_copies = battery.ln_copies(key);
                Placed { key, p, ln_copies, ln_eigenvalue: p.ln() - ln_copies, ln_before: f64::NEG_INFINITY }
            })
            .collect();
        seen.sort_by(|a, b| b.ln_eigenvalue.total_cmp(&a.ln_eigenvalue).then(a.key.cmp(&b.key)));
        let mut before = f64::NEG_INFINITY;
        for placed in &mut seen {
            placed.ln_before = before;
            before = ln_add(before, placed.ln_copies);
        }
        Self { seen }
    }

    /// p and mean energy of the levels that each Dicke state fills.
    fn filled(&self, levels: &Levels) -> impl Iterator<Item = (f64, f64)> {
        self.seen.iter().map(|s| (s.p, levels.mean(s.ln_before, s.ln_copies)))
    }

    /// ln of the number of levels of the Dicke states whose ln(p/ν) is at least `ln_r`.
    fn states_above(&self, ln_r: f64) -> f64 {
        match self.seen.partition_point(|placed| placed.ln_eigenvalue >= ln_r) {
            0 => f64::NEG_INFINITY,
            n => ln_add(self.seen[n - 1].ln_before, self.seen[n - 1].ln_copies),
        }
    }
}

/// A function of the Dicke state, with the weight of the state and the part of it that is known and not sampled.
pub(super) struct Valued {
    pub weight: f64,
    pub known: f64,
    pub value: f64,
}

/// Mean of a function of the Dicke state, and variance and fourth moment of it over `n` trajectories as far as they move the
/// mean: what is known does not.
pub(super) fn scatter(n: f64, values: &[Valued]) -> Scatter {
    let sum = |of: &dyn Fn(&Valued) -> f64| values.iter().map(of).sum::<f64>();
    let (total, sampled) = (sum(&|v| v.weight), sum(&|v| v.weight - v.known));
    let mean = sum(&|v| v.weight * v.value) / total;
    let centre = sum(&|v| (v.weight - v.known) * v.value) / sampled;
    let moment = |power: i32| {
        let of_sampled = sum(&|v| (v.weight - v.known) * (v.value - centre).powi(power)) / sampled;
        (sampled / total).powi(power) * of_sampled
    };
    Scatter { n, mean, square: moment(2), third: moment(3), fourth: moment(4) }
}

/// Ergotropy from trajectories, of which the halves hold half each: between the bounds of `docs/physics.md` §3.2, Eq.
/// 3.3, the value two thirds of the upper one and a third of the lower.
pub fn sampled(battery: &Battery, levels: &Levels, occupied: &Occupied) -> Bounded {
    let sum = |half: usize| occupied.trajectories[half];
    let effective = sum(0) + sum(1);
    let span = levels.top();
    let energy = |key: DickeKey| battery.energy(key);
    let plug_in = scatter(effective, &plug_in(battery, levels, occupied, &energy));
    let events = plug_in.events(span);
    let gibbs = gibbs_bound(battery, occupied);
    let plug_in = (plug_in.mean, plug_in.sampled_error());
    let above = if gibbs.0 < plug_in.0 { gibbs } else { plug_in };
    if sum(0) == 0.0 || sum(1) == 0.0 {
        // A single trajectory bounds nothing.
        let nan = f64::NAN;
        return Bounded {
            value: above.0,
            se: nan,
            below: (nan, nan),
            above: (above.0, nan),
            undersampled: true,
            events,
        };
    }
    let below = cross_fitted(battery, levels, occupied, &energy);
    let below = (below.0.min(above.0), below.1);
    // Two whose eigenvalues differ by δ: averaged over δ the plug-in is too large by ¼ and cross-fitting over
    // halves too small by ½, in one unit, so this mixture is right on average.
    let value = ((2.0 * above.0 + below.0) / 3.0).max(0.0);
    let undersampled = !(above.0 - below.0 <= 2.0 * above.1 + 1e-9 * levels.top());
    Bounded { value, se: above.1, below, above, undersampled, events }
}

/// W from below with its standard error: each half of the trajectories in the order that the other one gives.
pub(super) fn cross_fitted(
    battery: &Battery,
    levels: &Levels,
    occupied: &Occupied,
    energy: &dyn Fn(DickeKey) -> f64,
) -> (f64, f64) {
    let n = 0.5 * (occupied.trajectories[0] + occupied.trajectories[1]);
    let [even, odd] = [0, 1].map(|half| scatter(n, &cross_fit(battery, levels, occupied, energy, half)));
    (0.5 * (even.mean + odd.mean), 0.5 * even.sampled_error().hypot(odd.sampled_error()))
}

/// The values whose mean is W of the sampled probabilities: E(Dicke state) − energy of its levels.
pub(super) fn plug_in(
    battery: &Battery,
    levels: &Levels,
    occupied: &Occupied,
    energy: &dyn Fn(DickeKey) -> f64,
) -> Vec<Valued> {
    let order = Order::new(battery, occupied.probabilities());
    let known: HashMap<DickeKey, f64> = occupied.states.iter().map(|state| (state.key, state.known)).collect();
    let filled = order.seen.iter().zip(order.filled(levels));
    let value = |(placed, (_, mean)): (&Placed, (f64, f64))| Valued {
        weight: placed.p,
        known: known.get(&placed.key).copied().unwrap_or(0.0),
        value: energy(placed.key) - mean,
    };
    filled.map(value).collect()
}

/// E − E_Gibbs(⟨ln ν_J⟩) with its standard error: dE_Gibbs/dS = 1/β.
fn gibbs_bound(battery: &Battery, occupied: &Occupied) -> (f64, f64) {
    let n = occupied.trajectories[0] + occupied.trajectories[1];
    let of = |value: &dyn Fn(DickeKey) -> f64| {
        let of_state = |state: &Share| Valued {
            weight: state.weight[0] + state.weight[1],
            known: n * state.known,
            value: value(state.key),
        };
        scatter(n, &occupied.states.iter().map(of_state).collect::<Vec<_>>())
    };
    let (passive, beta) = battery.gibbs(of(&|key| battery.ln_copies(key)).mean);
    let error = of(&|key| battery.energy(key) - battery.ln_copies(key) / beta).sampled_error();
    (of(&|key| battery.energy(key)).mean - passive, error)
}

/// Energy less that of the levels which the order found in half `half` gives, over the other half's trajectories.
fn cross_fit(
    battery: &Battery,
    levels: &Levels,
    occupied: &Occupied,
    energy: &dyn Fn(DickeKey) -> f64,
    half: usize,
) -> Vec<Valued> {
    let (ordering, other) = (occupied.trajectories[half], occupied.trajectories[1 - half]);
    let order = Order::new(battery, occupied.states.iter().map(|s| (s.key, s.weight[half] / ordering)));
    let unvisited = Unvisited::new(battery, levels.unseen.as_ref(), &order, occupied, half);
    let mean = |placed: &Placed| {
        let before = ln_add(placed.ln_before, unvisited.states_above(placed.ln_eigenvalue));
        levels.mean(before, placed.ln_copies)
    };
    let mean_of: HashMap<DickeKey, f64> = order.seen.iter().map(|placed| (placed.key, mean(placed))).collect();
    let value = |state: &Share| {
        let mean = mean_of.get(&state.key).copied();
        let mean = mean.unwrap_or_else(|| unvisited.mean(battery, levels, &order, state.key));
        let (weight, known) = (state.weight[1 - half], state.known * other);
        Valued { weight, known, value: energy(state.key) - mean }
    };
    occupied.states.iter().filter(|state| state.weight[1 - half] > 0.0).map(value).collect()
}

/// Where Dicke states go that the ordering half never visited. They share the missing mass, which those visited once
/// estimate (Good and Turing), evenly, and enter the order with that probability each, all of one spin together.
/// Positions may overcount what lies before, which only lowers the bound.
struct Unvisited<'a> {
    /// ln of the probability of one unvisited Dicke state.
    ln_p: f64,
    /// Order of the spins; without it (several ensembles) unvisited Dicke states get the highest level.
    spins: Option<&'a Unseen>,
}

impl<'a> Unvisited<'a> {
    fn new(battery: &Battery, spins: Option<&'a Unseen>, order: &Order, occupied: &Occupied, half: usize) -> Self {
        // A weight of one trajectory, but for rounding.
        let one = |s: &&Share| s.known == 0.0 && s.weight[half] > 0.0 && s.weight[half] <= 1.000_001 * occupied.unit;
        let once = occupied.states.iter().filter(one).count() as f64;
        let seen: Vec<(usize, f64)> = order.seen.iter().filter_map(|placed| battery.pairs(placed.key)).collect();
        let fewest = seen.iter().map(|s| s.0).min().unwrap_or(0);
        let most = seen.iter().map(|s| s.0).max().unwrap_or(0);
        let longest = seen.iter().map(|s| s.1).fold(1.0, f64::max);
        let candidates = (most - fewest + 1) as f64 * longest;
        let missing = once.max(0.5) * occupied.unit / occupied.trajectories[half];
        Self { ln_p: (missing / candidates).ln(), spins }
    }

    /// ln of the number of unvisited states whose ln(p/ν) exceeds `ln_r`.
    fn states_above(&self, ln_r: f64) -> f64 {
        match self.spins {
            Some(spins) => spins.ln_before[spins.ln_bound.partition_point(|bound| *bound < self.ln_p - ln_r)],
            None => f64::NEG_INFINITY,
        }
    }

    /// Mean energy of the levels for the unvisited Dicke state `key`.
    fn mean(&self, battery: &Battery, levels: &Levels, order: &Order, key: DickeKey) -> f64 {
        match (self.spins, battery.pairs(key)) {
            (Some(spins), Some((pairs, states))) => {
                let start = ln_add(order.states_above(self.ln_p - spins.ln_bound[pairs]), spins.ln_before[pairs]);
                levels.mean(start, battery.ln_copies(key) + states.ln())
            }
            _ => levels.top(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Quantity};

    fn battery(cells: u64) -> Battery {
        let mut p = Problem::builder("battery");
        p.ensemble("B", cells, 1.0);
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        Battery::of(&p.build().unwrap()).unwrap()
    }

    #[test]
    fn full_battery_gives_everything_and_the_maximally_mixed_one_nothing() {
        for cells in [1, 2, 9, 140, 100_000] {
            let b = battery(cells);
            let levels = Levels::of_ensembles(&b).unwrap();
            let w = exact(&b, &levels, &[(b.key([(cells, cells)]), 1.0)]);
            assert!((w - cells as f64).abs() < 1e-9 * cells as f64);
        }
        let b = battery(20);
        let mixed: Vec<_> = (0..=10)
            .flat_map(|s| (0..=20 - 2 * s).map(move |up| (20 - 2 * s, up)))
            .map(|state| {
                let key = b.key([state]);
                (key, (b.ln_copies(key) - 20.0 * 2f64.ln()).exp())
            })
            .collect();
        assert!(exact(&b, &Levels::of_ensembles(&b).unwrap(), &mixed).abs() < 1e-10);
    }

    #[test]
    fn enumerated_levels_agree() {
        // Every eigenvalue of a 6-cell state written out, 64 of them, against the logarithmic sum.
        let b = battery(6);
        let states: Vec<(u64, u64)> = (0..=3).flat_map(|s| (0..=6 - 2 * s).map(move |up| (6 - 2 * s, up))).collect();
        let raw: Vec<f64> = (0..states.len()).map(|i| 1.0 + (i * i % 7) as f64).collect();
        let total: f64 = raw.iter().sum();
        let cells: Vec<_> = states.iter().zip(&raw).map(|(s, p)| (b.key([*s]), p / total)).collect();
        let mut eigenvalues = Vec::new();
        for &(key, p) in &cells {
            let copies = b.ln_copies(key).exp().round();
            eigenvalues.extend(std::iter::repeat_n(p / copies, copies as usize));
        }
        eigenvalues.sort_by(|a, b| b.total_cmp(a));
        let mut energies: Vec<u32> = (0..64u32).map(u32::count_ones).collect();
        energies.sort_unstable();
        let passive: f64 = eigenvalues.iter().zip(&energies).map(|(r, e)| r * f64::from(*e)).sum();
        let energy: f64 = cells.iter().map(|&(k, p)| p * b.energy(k)).sum();
        assert!((exact(&b, &Levels::of_ensembles(&b).unwrap(), &cells) - (energy - passive)).abs() < 1e-12);
    }

    /// Of one occupied |J, M⟩ with ν copies the entropy is ln ν, and the bound E − ωN·p with N·h(p) = ln ν.
    #[test]
    fn the_bound_by_entropy_is_the_root_of_its_equation() {
        let b = battery(20);
        let (two_j, up) = (8, 6); // J = 4, M = 2
        let key = b.key([(two_j, up)]);
        // ν₄ = C(20, 6) − C(20, 5)
        assert!((b.ln_copies(key) - 23_256f64.ln()).abs() < 1e-12);
        let states = vec![Share { key, weight: [3.0, 2.0], known: 0.0 }];
        let (bound, error) = gibbs_bound(&b, &Occupied { states, trajectories: [3.0, 2.0], unit: 1.0 });
        let entropy = |p: f64| -20.0 * (p * p.ln() + (1.0 - p) * (1.0 - p).ln());
        let (mut low, mut high) = (0.0, 0.5);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if entropy(middle) < 23_256f64.ln() { low = middle } else { high = middle }
        }
        assert!((low - 0.201_675_1).abs() < 1e-7);
        assert!((bound - (12.0 - 20.0 * low)).abs() < 1e-9, "{bound}");
        assert!((bound - 7.966_497_0).abs() < 1e-6, "{bound}");
        assert_eq!(error, 0.0);
    }
}
