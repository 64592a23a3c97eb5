//! Ergotropy of a battery of N cells whose density matrix is too large to be kept, between two bounds that can be streamed
//! (`docs/physics.md` §3.2).
//!
//! From below: the state with its coherences removed between the Dicke states |J, M′⟩ along an axis n, P(J, M′), has more
//! passive energy than the state itself (its spectrum is majorised, I. Schur 1923), and so W ≥ E − E_passive(P). It is tight
//! where each trajectory's spin points along n but for noise that is the same all round.
//!
//! From above: at entropy S no state has less energy than the Gibbs state, W ≤ E − E_Gibbs(S) (R. Alicki and M. Fannes,
//! Phys. Rev. E 87, 042123 (2013)), and S(ρ) = Σ_J p_J ln ν_J + S(σ) of the blocks σ = ⊕p_Jρ_J without their copies, with
//! S(σ) ≥ −ln Tr σ². Tr σ² is the mean of |⟨ψ|ψ′⟩|² over pairs of trajectories, 0 for those of different J.

use super::ergotropy::{Bounded, Valued, cross_fitted, plug_in, scatter};
use super::moments::Moments;
use super::occupation::{Occupied, Share};
use crate::battery::{Battery, DickeKey};
use crate::levels::Levels;
use serde::{Deserialize, Serialize};

/// What is kept of the battery at all rows, beside the occupations P(J, M′).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pinched {
    /// ⟨H_B⟩ of each trajectory.
    pub energy: Moments,
    /// Overlaps at each row.
    pub overlaps: Vec<Overlaps>,
}

impl Pinched {
    /// Add a later batch.
    pub fn merge(&mut self, later: Self) {
        self.energy.merge(&later.energy);
        if self.overlaps.is_empty() {
            self.overlaps = later.overlaps;
        } else {
            self.overlaps.iter_mut().zip(later.overlaps).for_each(|(mine, theirs)| mine.merge(theirs));
        }
    }
}

/// Overlaps of pairs of trajectories, of which those within one batch are compared: sums over the batches of their means u.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlaps {
    /// Σw, w being one less than the number of trajectories.
    weight: f64,
    /// Σwu
    sum: f64,
    /// Σw², Σw²u and Σw²u².
    squares: [f64; 3],
}

impl Overlaps {
    /// Of one batch of `trajectories`, whose pairs have the mean overlap `mean`.
    pub fn of_batch(trajectories: usize, mean: f64) -> Self {
        let w = trajectories.saturating_sub(1) as f64;
        if w == 0.0 {
            return Self::default();
        }
        Self { weight: w, sum: w * mean, squares: [w * w, w * w * mean, w * w * mean * mean] }
    }

    fn merge(&mut self, later: Self) {
        self.weight += later.weight;
        self.sum += later.sum;
        self.squares.iter_mut().zip(later.squares).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// −ln Tr σ² with its standard error, (0, 0) where nothing was compared. One more pair that agrees is counted: so few
    /// may have been seen, or none.
    fn entropy(&self) -> (f64, f64) {
        if self.weight == 0.0 {
            return (0.0, 0.0);
        }
        let one = self.weight.recip();
        let mean = self.sum * one;
        let [squares, first, second] = self.squares;
        let variance = (second - 2.0 * mean * first + mean * mean * squares).max(0.0) * one * one;
        let trace = mean + one;
        (-trace.min(1.0).ln(), (variance + one * one).sqrt() / trace)
    }
}

/// A row of [`Pinched`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// ⟨H_B⟩ with its standard error.
    pub energy: (f64, f64),
    /// Of pairs of what was sampled, and the probability of that.
    pub overlaps: Overlaps,
    /// See `overlaps`.
    pub share: f64,
    /// The part of all weights that P(J, M′) does not hold.
    pub left_out: f64,
}

/// The ergotropy at a row.
pub fn sampled(battery: &Battery, levels: &Levels, occupied: &Occupied, row: Row) -> Bounded {
    let Row { energy: (energy, error), left_out, .. } = row;
    let n = occupied.trajectories[0] + occupied.trajectories[1];
    let none = |_: DickeKey| 0.0;
    // Minus the passive energy of P(J, M′), whatever is left out of it on the highest level.
    let left_out = left_out * levels.top();
    let pinched = scatter(n, &plug_in(battery, levels, occupied, &none));
    let events = pinched.events(levels.top());
    let above = from_above(battery, levels, occupied, row);
    let above = (above.0 + left_out, above.1);
    if occupied.trajectories.contains(&0.0) {
        // A single trajectory bounds nothing.
        let nan = f64::NAN;
        let (below, above) = ((nan, nan), (above.0, nan));
        return Bounded { value: above.0, se: nan, below, above, undersampled: true, events };
    }
    // Energy and passive energy come from the same trajectories: their errors may add up.
    let fitted = cross_fitted(battery, levels, occupied, &none);
    let below = (energy + fitted.0 - left_out, error + fitted.1);
    let below = (below.0.min(above.0), below.1);
    let undersampled = !(pinched.mean - fitted.0 <= 2.0 * below.1 + 1e-9 * levels.top());
    let value = (0.5 * (above.0 + below.0)).max(0.0);
    Bounded { value, se: above.1.max(below.1), below, above, undersampled, events }
}

/// The lower one of two bounds: E less the energy of the Gibbs state with the entropy, and less the passive energy of the
/// state that has a pure state in each block.
fn from_above(battery: &Battery, levels: &Levels, occupied: &Occupied, row: Row) -> (f64, f64) {
    let Row { energy: (energy, error), overlaps, share, .. } = row;
    let (of_blocks, error_of_blocks) = overlaps.entropy();
    let n = occupied.trajectories[0] + occupied.trajectories[1];
    let spins = by_spin(battery, occupied);
    let copies = |state: &Share| Valued {
        weight: state.weight[0] + state.weight[1],
        known: n * state.known,
        value: battery.ln_copies(state.key),
    };
    let ln_copies = scatter(n, &spins.states.iter().map(copies).collect::<Vec<_>>());
    let entropy = ln_copies.mean + share * of_blocks;
    let (passive, beta) = battery.gibbs(entropy);
    let of_entropy = (ln_copies.sampled_error() + share * error_of_blocks) / beta;
    let gibbs = (energy - passive, error + of_entropy);
    let plug_in = scatter(n, &plug_in(battery, levels, &spins, &|_| 0.0));
    let pure = (energy + plug_in.mean, error + plug_in.sampled_error());
    let most = |(bound, error): (f64, f64)| bound + 2.0 * error;
    if most(pure) < most(gibbs) { pure } else { gibbs }
}

/// p_J, each J under the key of its lowest state.
fn by_spin(battery: &Battery, occupied: &Occupied) -> Occupied {
    let mut states: Vec<Share> = Vec::new();
    for state in &occupied.states {
        let key = battery.key(battery.states(state.key).into_iter().map(|(two_j, _)| (two_j, 0)));
        match states.last_mut() {
            // They come in order of their spins.
            Some(last) if last.key == key => {
                last.weight.iter_mut().zip(state.weight).for_each(|(sum, weight)| *sum += weight);
                last.known += state.known;
            }
            _ => states.push(Share { key, ..*state }),
        }
    }
    Occupied { states, ..*occupied }
}
