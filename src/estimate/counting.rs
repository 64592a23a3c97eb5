//! Counting statistics: cumulants of the number of jumps of each channel in each timed step.
//!
//! With central moments μ_k of the counts over all trajectories the cumulants are c₁ = ⟨n⟩, c₂ = μ₂, c₃ = μ₃, c₄ = μ₄ − 3μ₂²,
//! and the Fano factor is c₂/c₁. Their errors are those of a jackknife over groups of trajectories (B. Efron and C. Stein,
//! Ann. Stat. 9, 586 (1981)), which takes the bias of order 1/n out of them as well.
//!
//! A jackknife knows nothing of counts that were not met, which higher cumulants hang on: one trajectory in a thousand that jumps
//! twice. So 3.7 trajectories with one jump more than the most that were seen, or one less than the fewest, are always
//! allowed for; what each of them does to a cumulant is its influence function (F. R. Hampel, J. Am. Stat. Assoc. 69, 383
//! (1974)).

use super::columns::Accumulated;
use super::interval::{gamma, margins};
use super::moments::Moments;
use super::sampled::student;
use super::unseen::Scatter;
use serde::{Deserialize, Serialize};

/// A number with its standard error and 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cumulant {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// Its interval.
    pub interval: (f64, f64),
}

/// What the numbers of [`Accumulated::cumulants`] are called, in their order.
pub const CUMULANTS: [&str; 5] = ["mean", "variance", "fano", "c3", "c4"];

/// Groups that trajectories are dealt to in turn.
pub const COUNTING_GROUPS: usize = 16;

/// The unseen is one jump.
const SPAN: f64 = 1.0;

/// Numbers of jumps of many trajectories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Their moments in each group.
    pub groups: Vec<Moments>,
    /// The fewest and the most of each number.
    extremes: Vec<(f64, f64)>,
}

impl Counts {
    /// Of one batch with these weights, so many numbers.
    pub fn of_batch(weights: &[Vec<f64>], numbers: usize) -> Self {
        let groups = weights.iter().map(|weights| Moments::of_batch(weights, numbers)).collect();
        Self { groups, extremes: vec![(f64::INFINITY, 0.0); numbers] }
    }

    /// Number `index` of every trajectory of the batch, with the weights of each group.
    pub fn set(&mut self, index: usize, counts: &[f64], weights: &[Vec<f64>]) {
        for (moments, weights) in self.groups.iter_mut().zip(weights).filter(|(moments, _)| moments.weight() > 0.0) {
            moments.set(index, counts, weights);
        }
        let (least, most) = &mut self.extremes[index];
        counts.iter().for_each(|n| (*least, *most) = (least.min(*n), most.max(*n)));
    }

    /// Add trajectories recorded after these.
    pub fn merge(&mut self, later: Self) {
        if self.groups.is_empty() {
            *self = later;
            return;
        }
        self.groups.iter_mut().zip(&later.groups).for_each(|(mine, theirs)| mine.merge(theirs));
        for (mine, theirs) in self.extremes.iter_mut().zip(later.extremes) {
            *mine = (mine.0.min(theirs.0), mine.1.max(theirs.1));
        }
    }

    fn of(&self, index: usize) -> Vec<Raw> {
        self.groups.iter().filter(|group| group.weight() > 0.0).map(|group| Raw::of(group, index)).collect()
    }
}

impl Accumulated {
    /// Mean, variance, Fano factor, third and fourth cumulant of counted number `index`, (timed step over all
    /// cycles)·channels + channel; `z` standard errors make an interval. The Fano factor of no jump is NaN.
    pub fn cumulants(&self, index: usize, z: f64) -> [Cumulant; 5] {
        let known = self.no_jump.as_ref().and_then(|known| known.counting.of(index).into_iter().reduce(Raw::with));
        let share = self.share();
        let of = |sampled: Raw| {
            let sampled = Raw { weight: share, ..sampled };
            known.map_or(sampled, |known| known.with(sampled))
        };
        let groups = self.counting.of(index);
        let all = |without: Option<usize>| {
            let others = groups.iter().enumerate().filter(|(at, _)| Some(*at) != without);
            others.map(|(_, group)| *group).reduce(Raw::with)
        };
        let Some(sampled) = all(None) else { return [Cumulant::exact(f64::NAN); 5] };
        let (whole, n) = (of(sampled), sampled.weight);
        let direct = whole.cumulants();
        // What one trajectory with a count that was not met would do.
        let (least, most) = self.counting.extremes[index];
        let unmet = [Some(most + 1.0), (least >= 1.0).then_some(least - 1.0)].into_iter().flatten();
        let influences: Vec<[f64; 5]> = unmet.map(|count| whole.influence(count).map(|x| share * x / n)).collect();
        let g = groups.len() as f64;
        let left: Vec<[f64; 5]> =
            (0..groups.len()).filter_map(|at| all(Some(at))).map(|left| of(left).cumulants()).collect();
        let mut found = std::array::from_fn(|which| {
            let influence = |sign: f64| influences.iter().map(|of| (sign * of[which]).max(0.0)).fold(0.0, f64::max);
            let (down, up) = (influence(-1.0), influence(1.0));
            // Without a group that holds all jumps there is no Fano factor: then it is no better known than by one event.
            let usable = left.len() > 1 && left.iter().all(|left| left[which].is_finite());
            let (value, se) = if usable {
                let mean = left.iter().map(|found| found[which]).sum::<f64>() / g;
                let scatter: f64 = left.iter().map(|found| (found[which] - mean).powi(2)).sum();
                (g * direct[which] - (g - 1.0) * mean, ((g - 1.0) / g * scatter).sqrt())
            } else {
                (direct[which], 0.0)
            };
            let seen = if usable { student(z, g - 1.0) * se } else { f64::INFINITY };
            // Neither how counts scatter nor the Fano factor is below 0.
            let least = if which < 3 { 0.0 } else { f64::NEG_INFINITY };
            let open = gamma(1.0, z);
            let interval = ((value - seen.hypot(open * down)).max(least), value + seen.hypot(open * up));
            let interval = if value.is_nan() { (value, value) } else { interval };
            Cumulant { value, se: se.hypot(down.max(up)), interval }
        });
        // The mean has the interval of every mean, which holds where jumps are rare.
        let [square, third, fourth] = sampled.central;
        let scatter = Scatter { n, mean: sampled.mean, square, third, fourth };
        let (below, above) = margins(&scatter, (0.0, f64::INFINITY), SPAN, z);
        let mean = direct[0];
        found[0] = Cumulant {
            value: mean,
            se: share * scatter.error(SPAN),
            interval: ((mean - share * below).max(0.0), mean + share * above),
        };
        found
    }
}

impl Cumulant {
    /// One that is known.
    pub fn exact(value: f64) -> Self {
        Self { value, se: 0.0, interval: (value, value) }
    }
}

/// Mean and central moments of some trajectories with their weight.
#[derive(Clone, Copy, Debug)]
struct Raw {
    weight: f64,
    mean: f64,
    central: [f64; 3],
}

impl Raw {
    fn of(moments: &Moments, index: usize) -> Self {
        Self { weight: moments.weight(), mean: moments.mean(index), central: moments.central(index) }
    }

    /// Those of both together.
    fn with(self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        if !(weight > 0.0) {
            return self;
        }
        let (a, b) = (self.weight / weight, other.weight / weight);
        let mean = a * self.mean + b * other.mean;
        let about = |of: Self| {
            let (d, [m2, m3, m4]) = (of.mean - mean, of.central);
            [m2 + d * d, m3 + 3.0 * d * m2 + d.powi(3), m4 + 4.0 * d * m3 + 6.0 * d * d * m2 + d.powi(4)]
        };
        let (mine, theirs) = (about(self), about(other));
        Self { weight, mean, central: std::array::from_fn(|k| a * mine[k] + b * theirs[k]) }
    }

    fn cumulants(self) -> [f64; 5] {
        let [m2, m3, m4] = self.central;
        [self.mean, m2, m2 / self.mean, m3, m4 - 3.0 * m2 * m2]
    }

    /// What a small weight of trajectories with this count adds to each of them, divided by the weight.
    fn influence(self, count: f64) -> [f64; 5] {
        let (d, [m2, m3, m4]) = (count - self.mean, self.central);
        let of_variance = d * d - m2;
        [
            d,
            of_variance,
            (of_variance - m2 / self.mean * d) / self.mean,
            d.powi(3) - m3 - 3.0 * m2 * d,
            d.powi(4) - m4 - 4.0 * m3 * d - 6.0 * m2 * of_variance,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::columns::Z95;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Poisson};

    fn counted(counts: &[f64], weight: f64) -> Accumulated {
        let of = |g: usize| (0..counts.len()).map(|k| if k % COUNTING_GROUPS == g { weight } else { 0.0 }).collect();
        let weights: Vec<Vec<f64>> = (0..COUNTING_GROUPS).map(of).collect();
        let mut counting = Counts::of_batch(&weights, 1);
        counting.set(0, counts, &weights);
        let moments = Moments::of_batch(&vec![weight; counts.len()], 1);
        Accumulated { moments, counting, ..Accumulated::default() }
    }

    /// All cumulants of a Poisson variate are its mean, and intervals of 300 runs hold them as often as they say.
    #[test]
    fn cumulants_of_a_poisson_variate() {
        let (law, runs) = (Poisson::new(2.5).unwrap(), 300);
        let mut hits = [0; 5];
        for seed in 0..runs {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let counts: Vec<f64> = (0..2_000).map(|_| law.sample(&mut random)).collect();
            let truth = [2.5, 2.5, 1.0, 2.5, 2.5];
            for ((hits, found), truth) in hits.iter_mut().zip(counted(&counts, 1.0).cumulants(0, Z95)).zip(truth) {
                *hits += u64::from(found.interval.0 <= truth && truth <= found.interval.1);
                assert!((found.value - truth).abs() < 7.0 * found.se, "{found:?} {truth}");
            }
        }
        // Of 300 at 5 % more than 33 have a chance of 3e-5; the fourth cumulant has a skewed law.
        assert!(hits[..4].iter().all(|hits| *hits >= 267), "{hits:?}");
        assert!(hits[4] >= 261, "{hits:?}");
    }

    /// A count of 0 with probability 3/4 that is known, and of 1 in what was sampled: a Bernoulli variate.
    #[test]
    fn what_is_known_counts_with_its_probability() {
        let all = Accumulated { no_jump: Some(Box::new(counted(&[0.0], 0.75))), ..counted(&[1.0; 64], 1.0) };
        let [mean, variance, fano, c3, c4] = all.cumulants(0, Z95);
        let expected = [0.25, 0.1875, 0.75, 0.25 * 0.75 * 0.5, 0.1875 * (1.0 - 6.0 * 0.1875)];
        for (found, expected) in [mean, variance, fano, c3, c4].iter().zip(expected) {
            assert!((found.value - expected).abs() < 1e-12, "{found:?} {expected}");
        }
    }

    /// Intervals hold where few jumps make up a cumulant and double ones were hardly met, and for few trajectories.
    #[test]
    fn intervals_hold_where_jumps_are_rare() {
        const RUNS: u64 = 400;
        for (mean, n) in [(0.001, 1_000), (0.01, 1_000), (0.01, 10_000), (0.1, 1_000), (1.0, 30), (3.0, 20), (3.0, 300)]
        {
            let (law, truth) = (Poisson::new(mean).unwrap(), [mean, mean, 1.0, mean, mean]);
            let (mut hits, mut all) = ([0; 5], 0);
            for seed in 0..RUNS {
                let mut random = ChaCha8Rng::seed_from_u64(1_000 + seed);
                let counts: Vec<f64> = (0..n).map(|_| law.sample(&mut random)).collect();
                let found = counted(&counts, 1.0).cumulants(0, Z95);
                // Of no jump at all there is no Fano factor.
                if found[2].value.is_nan() {
                    continue;
                }
                all += 1;
                for ((hits, found), truth) in hits.iter_mut().zip(found).zip(truth) {
                    assert!(found.se > 0.0 && found.interval.0 <= found.value && found.value <= found.interval.1);
                    *hits += u64::from(found.interval.0 <= truth && truth <= found.interval.1);
                }
            }
            // Of 400 at 7 % more than 50 have a chance of 1e-4.
            let least = all - 50 * all / RUNS;
            assert!(hits.iter().all(|hits| *hits >= least), "mean {mean}, {n} trajectories: {hits:?} of {all}");
        }
    }

    #[test]
    fn counts_that_never_differ_are_not_certain() {
        let [mean, variance, fano, c3, _] = counted(&[0.0; 500], 1.0).cumulants(0, Z95);
        assert_eq!((mean.value, variance.value, c3.value), (0.0, 0.0, 0.0));
        assert!(mean.interval.1 > 0.0 && variance.interval.1 > 0.0 && c3.se > 0.0 && fano.value.is_nan());
        let [_, variance, ..] = counted(&[1.0, 1.0], 1.0).cumulants(0, Z95);
        assert!(variance.interval.1 > 0.5, "{variance:?}");
    }
}
