//! How jumps of one channel follow each other: the density w(τ) of the wait from one to the next, and the correlation g²(τ)
//! of any two of them.
//!
//! A timed step that ends at T is looked at in bins of width δ. Jumps at least (j + 1)δ before T are seen for all of delay bin
//! j, [jδ, (j + 1)δ); of them E_j are the number, S_j the number of later jumps in the bin, W_j of those that are the next one.
//! Then w = W_j/(E_j δ), which a finite step does not cut short, and g² = S_j/C_j, where C_j is the number that
//! trajectories which know nothing of each other would have, ∫∫ I(t) I(t′) over the same times with the mean intensity I
//! of the jumps (R. J. Glauber, Phys. Rev. 130, 2529 (1963), Eq. 4.10; H. J. Carmichael, An Open Systems Approach to Quantum
//! Optics (1993), Sec. 6): no steady state is assumed. Within δ the intensity is taken to be constant.
//!
//! Errors are those of a jackknife over groups of trajectories, and 3.7 events in a bin in which few were seen are allowed for.

use super::columns::Accumulated;
use super::counting::{COUNTING_GROUPS, Cumulant};
use super::interval::gamma;
use super::sampled::student;
use crate::problem::Delays;
use serde::{Deserialize, Serialize};

/// Sums over the trajectories of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    /// Weight of the trajectories.
    weight: f64,
    /// Jumps, by whole bins that are left until the end.
    jumps: Vec<f64>,
    /// Pairs, and pairs of successive jumps, by their delay.
    pairs: Vec<f64>,
    waits: Vec<f64>,
}

/// What is known of the delays of a channel in one timed step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delayed {
    groups: Vec<Sums>,
    width: f64,
}

impl Delayed {
    /// Of no trajectory yet, in a step of this duration.
    pub fn new(of: &Delays, duration: f64) -> Self {
        let left = of.bins_within(duration);
        let sums =
            Sums { jumps: vec![0.0; left], pairs: vec![0.0; of.bins], waits: vec![0.0; of.bins], ..Sums::default() };
        Self { groups: vec![sums; COUNTING_GROUPS], width: of.width() }
    }

    /// Number `trajectory` with its weight, which jumped at these times after `from`, in order, in a step that ended at `end`.
    pub fn add(&mut self, trajectory: u64, weight: f64, times: &[f64], end: f64) {
        let sums = &mut self.groups[trajectory as usize % COUNTING_GROUPS];
        sums.weight += weight;
        let last = sums.jumps.len() - 1;
        // Of each bin, the first jump beyond it: it only moves on from one jump to the next, so that many jumps close together
        // cost no more than their number times that of the bins.
        let mut beyond = vec![0; sums.pairs.len()];
        for (at, time) in times.iter().enumerate() {
            let left = ((end - time) / self.width).max(0.0);
            sums.jumps[(left as usize).min(last)] += weight;
            let mut first = at + 1;
            for (bin, beyond) in beyond.iter_mut().enumerate().take(left as usize) {
                if first == times.len() {
                    break;
                }
                let edge = time + (bin + 1) as f64 * self.width;
                *beyond = first.max(*beyond);
                while times.get(*beyond).is_some_and(|later| *later < edge) {
                    *beyond += 1;
                }
                sums.pairs[bin] += weight * (*beyond - first) as f64;
                if first == at + 1 && *beyond > first {
                    sums.waits[bin] += weight;
                }
                first = *beyond;
            }
        }
    }

    /// Add trajectories recorded after these.
    pub fn merge(&mut self, later: Self) {
        let add = |mine: &mut [f64], theirs: &[f64]| mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        for (mine, theirs) in self.groups.iter_mut().zip(&later.groups) {
            mine.weight += theirs.weight;
            add(&mut mine.jumps, &theirs.jumps);
            add(&mut mine.pairs, &theirs.pairs);
            add(&mut mine.waits, &theirs.waits);
        }
    }

    /// All groups but one.
    fn without(&self, left_out: Option<usize>) -> Sums {
        let mut all = Self { groups: vec![Sums::default()], width: self.width };
        for (at, group) in self.groups.iter().enumerate().filter(|(at, _)| Some(*at) != left_out) {
            if at == usize::from(left_out == Some(0)) {
                all.groups[0] = group.clone();
            } else {
                all.merge(Self { groups: vec![group.clone()], width: self.width });
            }
        }
        all.groups.swap_remove(0)
    }

    /// Of each bin w(τ) and g²(τ), where trajectories that jump are this share of all; `z` standard errors make an interval.
    fn found(&self, share: f64, z: f64) -> Vec<[Cumulant; 2]> {
        let used: Vec<usize> = (0..self.groups.len()).filter(|at| self.groups[*at].weight > 0.0).collect();
        let whole = self.without(None);
        let bins = whole.pairs.len();
        let scales: Vec<[f64; 2]> = (0..bins).map(|bin| whole.scales(bin, self.width, share)).collect();
        let seen = |sums: &Sums, bin: usize| [sums.waits[bin], sums.pairs[bin]];
        let ratio = |number: f64, scale: f64| if scale > 0.0 { number / scale } else { f64::NAN };
        // Of each group that is left out, what the others say.
        let others = used.iter().map(|at| self.without(Some(*at)));
        let others: Vec<Vec<[f64; 2]>> = others
            .map(|sums| {
                let of = |bin: usize| {
                    let (scale, number) = (sums.scales(bin, self.width, share), seen(&sums, bin));
                    [0, 1].map(|which| ratio(number[which], scale[which]))
                };
                (0..bins).map(of).collect()
            })
            .collect();
        let g = used.len() as f64;
        let of = |bin: usize| {
            let number = seen(&whole, bin);
            [0, 1].map(|which| {
                let direct = ratio(number[which], scales[bin][which]);
                let left = others.iter().map(|own| own[bin][which]);
                let mean = left.clone().sum::<f64>() / g;
                let scatter = left.map(|x| (x - mean).powi(2)).sum::<f64>();
                let (value, se) = (g * direct - (g - 1.0) * mean, ((g - 1.0) / g * scatter).sqrt());
                if !(value.is_finite() && se.is_finite() && used.len() > 1) {
                    return Cumulant { value: direct, se: f64::NAN, interval: (0.0, f64::INFINITY) };
                }
                let (margin, unseen) = (student(z, g - 1.0) * se, gamma(1.0, z) / scales[bin][which]);
                let value = value.max(0.0);
                let interval = ((value - margin).max(0.0), value + margin.hypot(unseen));
                Cumulant { value, se: se.max(scales[bin][which].recip()), interval }
            })
        };
        (0..bins).map(of).collect()
    }
}

impl Sums {
    /// What W and S of a bin are divided by: E δ, and C.
    fn scales(&self, bin: usize, width: f64, share: f64) -> [f64; 2] {
        let jumps = &self.jumps;
        let early = bin + 1..jumps.len();
        let waited: f64 = jumps.get(early.clone()).into_iter().flatten().sum();
        // Of two jumps j bins apart half the delays lie in delay bin j − 1, half in j.
        let product = |left: usize| jumps[left] * 0.5 * (jumps[left - bin] + jumps[left - bin - 1]);
        let products: f64 = early.map(product).sum();
        [waited * width, share * products / self.weight]
    }
}

impl Accumulated {
    /// Of each bin of table `index`, one of [`Problem::delay_tables`](crate::problem::Problem::delay_tables), the
    /// density w of waits, in 1/time, and g², a pure number; `z` standard errors make an interval. Bin j begins at the
    /// delay jδ, δ the [width](Delays::width).
    pub fn delays(&self, index: usize, z: f64) -> Vec<[Cumulant; 2]> {
        self.delayed[index].found(self.share(), z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::columns::Z95;
    use crate::problem::ChannelId;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Exp};

    /// Jumps that know nothing of each other, at rates from one in many trajectories to many in each: g² = 1 and
    /// w = λ exp(−λτ), averaged over a bin, lie in their intervals about as often as 95 % say.
    #[test]
    fn independent_jumps_are_not_correlated() {
        let of = Delays { channel: ChannelId::new(0), until: 1.0, bins: 4, from: 0.0 };
        for (rate, n) in [(0.2, 300), (2.0, 300), (20.0, 60)] {
            let (mut inside, mut all) = ([0, 0], 0);
            for seed in 0..150 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut delayed = Delayed::new(&of, 3.0);
                for trajectory in 0..n {
                    let (mut times, mut time) = (Vec::new(), 0.0);
                    loop {
                        time += Exp::new(rate).unwrap().sample(&mut rng);
                        if time > 3.0 {
                            break;
                        }
                        times.push(time);
                    }
                    delayed.add(trajectory, 1.0, &times, 3.0);
                }
                for (bin, [wait, correlation]) in delayed.found(1.0, Z95).into_iter().enumerate() {
                    let edge = |k: usize| (-rate * 0.25 * (bin + k) as f64).exp();
                    let truth = [(edge(0) - edge(1)) / 0.25, 1.0];
                    for (which, found) in [wait, correlation].into_iter().enumerate() {
                        let (lo, hi) = found.interval;
                        inside[which] += u32::from(lo <= truth[which] && truth[which] <= hi);
                    }
                    all += 1;
                }
            }
            // 600 intervals, four at a time from the same jumps: 95 ± 1.8 %.
            for held in inside.map(|inside| inside as f64 / all as f64) {
                assert!(held > 0.915, "rate {rate}: {held}");
            }
        }
    }

    /// Against all pairs, one by one, of jumps that crowd at the beginning.
    #[test]
    fn pairs_are_counted_by_their_delay() {
        let of = Delays { channel: ChannelId::new(0), until: 1.0, bins: 5, from: 0.0 };
        let times: Vec<f64> = (0..40).map(|k| 2.0 * (f64::from(k) / 40.3).powi(3)).collect();
        let mut delayed = Delayed::new(&of, 2.0);
        delayed.add(0, 1.0, &times, 2.0);
        let (mut pairs, mut waits) = (vec![0.0; 5], vec![0.0; 5]);
        for (at, time) in times.iter().enumerate() {
            for (next, later) in times[at + 1..].iter().enumerate() {
                let bin = ((later - time) / 0.2) as usize;
                if bin < 5 && 2.0 - time >= 0.2 * (bin + 1) as f64 {
                    pairs[bin] += 1.0;
                    waits[bin] += f64::from(u8::from(next == 0));
                }
            }
        }
        assert_eq!((&delayed.groups[0].pairs, &delayed.groups[0].waits), (&pairs, &waits));
        assert!(pairs.iter().all(|n| *n > 5.0) && waits.iter().sum::<f64>() > 30.0, "{pairs:?} {waits:?}");
    }

    /// Two batches are as good as one.
    #[test]
    fn batches_add_up() {
        let of = Delays { channel: ChannelId::new(0), until: 1.0, bins: 3, from: 0.0 };
        let times = [vec![0.1, 0.3, 0.9], vec![0.5], vec![], vec![0.2, 0.25]];
        let mut whole = Delayed::new(&of, 2.0);
        let mut halves = [whole.clone(), whole.clone()];
        for (k, times) in times.iter().enumerate() {
            whole.add(k as u64, 1.0, times, 2.0);
            halves[k / 2].add(k as u64, 1.0, times, 2.0);
        }
        let [mut first, second] = halves;
        first.merge(second);
        assert_eq!(first, whole);
    }
}
