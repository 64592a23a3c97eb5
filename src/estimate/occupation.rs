//! The averaged battery state on the ladder: the weight that each Dicke state |J, M⟩ got, in two halves of the runs.

use crate::battery::DickeKey;
use serde::{Deserialize, Serialize};

/// A Dicke state with the weight it got from even and odd trajectories.
type Visit = (DickeKey, [f64; 2]);

/// The Dicke states that are occupied at a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Occupied {
    /// In order of their keys.
    pub states: Vec<Share>,
    /// Number of even and of odd trajectories.
    pub trajectories: [f64; 2],
    /// Weight of one of them: the probability of what was sampled.
    pub unit: f64,
}

/// A Dicke state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Which one.
    pub key: DickeKey,
    /// Its weight among the even and the odd trajectories.
    pub weight: [f64; 2],
    /// The part of its probability that is known and not sampled.
    pub known: f64,
}

impl Occupied {
    /// From what was sampled, which makes up a `share` of all, and what is known, whose weights are probabilities.
    pub fn new(sampled: Occupation, known: Occupation, share: f64) -> Self {
        let sampled = sampled.states();
        let trajectories = [0, 1].map(|half| sampled.iter().map(|(_, weight)| weight[half]).sum());
        let mut states: Vec<Share> = sampled
            .into_iter()
            .map(|(key, weight)| Share { key, weight: weight.map(|w| share * w), known: 0.0 })
            .collect();
        for (key, halves) in known.states() {
            let known = halves[0] + halves[1];
            let at = states.binary_search_by_key(&key, |state| state.key).unwrap_or_else(|at| {
                states.insert(at, Share { key, weight: [0.0; 2], known: 0.0 });
                at
            });
            states[at].known = known;
            states[at].weight.iter_mut().zip(trajectories).for_each(|(weight, n)| *weight += known * n);
        }
        Self { states, trajectories, unit: share }
    }

    /// Its Dicke states with their probabilities.
    pub fn probabilities(&self) -> impl Iterator<Item = (DickeKey, f64)> {
        let total = self.trajectories[0] + self.trajectories[1];
        self.states.iter().map(move |state| (state.key, (state.weight[0] + state.weight[1]) / total))
    }
}

/// Sparse P(J, M) at one row. Kept as sorted runs of geometrically growing length, so that recording n trajectories
/// costs O(n log n) however many Dicke states they scatter over, and sums are taken in batch order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Occupation {
    runs: Vec<Vec<Visit>>,
}

impl Occupation {
    /// One batch: the Dicke state, half and weight of each trajectory.
    pub fn record(&mut self, visits: impl Iterator<Item = (DickeKey, usize, f64)>) {
        let mut run: Vec<Visit> = visits
            .map(|(key, half, weight)| {
                let mut halves = [0.0; 2];
                halves[half] = weight;
                (key, halves)
            })
            .collect();
        run.sort_by_key(|(key, _)| *key);
        run.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                add(&mut kept.1, &later.1);
            }
            same
        });
        self.push(run);
    }

    /// Add what was recorded after this.
    pub fn merge(&mut self, later: Self) {
        for run in later.runs {
            self.push(run);
        }
    }

    fn push(&mut self, run: Vec<Visit>) {
        self.runs.push(run);
        while let [.., before, last] = &self.runs[..]
            && before.len() <= 2 * last.len()
        {
            self.merge_last();
        }
    }

    fn merge_last(&mut self) {
        if let (Some(last), Some(before)) = (self.runs.pop(), self.runs.pop()) {
            self.runs.push(merge_sorted(before, last));
        }
    }

    /// All of the weight.
    pub fn weight(&self) -> f64 {
        self.runs.iter().flatten().map(|(_, halves)| halves[0] + halves[1]).sum()
    }

    /// All occupied Dicke states, sorted by key.
    pub fn states(mut self) -> Vec<Visit> {
        while self.runs.len() > 1 {
            self.merge_last();
        }
        self.runs.pop().unwrap_or_default()
    }
}

fn add(to: &mut [f64; 2], from: &[f64; 2]) {
    to[0] += from[0];
    to[1] += from[1];
}

fn merge_sorted(first: Vec<Visit>, second: Vec<Visit>) -> Vec<Visit> {
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let mut second = second.into_iter().peekable();
    for mut state in first {
        while let Some(earlier) = second.next_if(|s| s.0 < state.0) {
            merged.push(earlier);
        }
        if let Some(same) = second.next_if(|s| s.0 == state.0) {
            add(&mut state.1, &same.1);
        }
        merged.push(state);
    }
    merged.extend(second);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up() {
        let mut whole = Occupation::default();
        for batch in 0..50u128 {
            let mut part = Occupation::default();
            part.record((0..7u128).map(|i| ((i * i + batch) % 11, (i % 2) as usize, 1.0)));
            whole.merge(part);
        }
        let cells = whole.states();
        assert!(cells.windows(2).all(|w| w[0].0 < w[1].0));
        let mut expected = [[0.0; 2]; 11];
        for batch in 0..50 {
            for i in 0..7 {
                expected[(i * i + batch) % 11][i % 2] += 1.0;
            }
        }
        assert_eq!(cells, (0..11).map(|k| (k as u128, expected[k])).collect::<Vec<_>>());
    }
}
