//! Counting statistics: cumulants of the number of jumps of each channel in each timed step.
//!
//! With central moments μ_k of the counts over all trajectories the cumulants are c₁ = ⟨n⟩, c₂ = μ₂, c₃ = μ₃, c₄ = μ₄ − 3μ₂²,
//! and the Fano factor is c₂/c₁. Their errors are those of a jackknife over groups of trajectories (B. Efron and C. Stein,
//! Ann. Stat. 9, 586 (1981)), which takes the bias of order 1/n out of them as well.

use super::columns::Accumulated;
use super::interval::margins;
use super::moments::Moments;
use super::sampled::student;
use super::unseen::Scatter;

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

impl Accumulated {
    /// Mean, variance, Fano factor, third and fourth cumulant of counted number `index`; `z` standard errors make an
    /// interval.
    pub fn cumulants(&self, index: usize, z: f64) -> [Cumulant; 5] {
        let groups = |of: &Self| -> Vec<Raw> {
            of.counting.iter().filter(|group| group.weight() > 0.0).map(|group| Raw::of(group, index)).collect()
        };
        let known = self.no_jump.as_ref().and_then(|known| groups(known).into_iter().reduce(Raw::with));
        let share = self.share();
        let of = |sampled: Raw| {
            let sampled = Raw { weight: share, ..sampled };
            known.map_or(sampled, |known| known.with(sampled)).cumulants()
        };
        let groups = groups(self);
        let all = |without: Option<usize>| {
            let others = groups.iter().enumerate().filter(|(at, _)| Some(*at) != without);
            others.map(|(_, group)| *group).reduce(Raw::with)
        };
        let Some(whole) = all(None) else { return [Cumulant::unknown(f64::NAN); 5] };
        let (direct, mut found) = (of(whole), [Cumulant::unknown(0.0); 5]);
        let g = groups.len() as f64;
        let left: Vec<[f64; 5]> = (0..groups.len()).filter_map(|at| all(Some(at)).map(of)).collect();
        for (which, cumulant) in found.iter_mut().enumerate() {
            *cumulant = Cumulant::unknown(direct[which]);
            // Where counts never differed, nothing is known of how they scatter.
            if left.len() < 2 || !(whole.central[0] > 0.0) {
                continue;
            }
            let mean = left.iter().map(|found| found[which]).sum::<f64>() / g;
            let scatter: f64 = left.iter().map(|found| (found[which] - mean).powi(2)).sum();
            let (value, se) = (g * direct[which] - (g - 1.0) * mean, ((g - 1.0) / g * scatter).sqrt());
            let margin = student(z, g - 1.0) * se;
            // Neither how counts scatter nor the Fano factor is below 0.
            let least = if which < 3 { 0.0 } else { f64::NEG_INFINITY };
            *cumulant = Cumulant { value, se, interval: ((value - margin).max(least), value + margin) };
        }
        // The mean has the interval of every mean, which holds where jumps are rare.
        let [square, third, fourth] = whole.central;
        let scatter = Scatter { n: whole.weight, mean: whole.mean, square, third, fourth };
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

    fn unknown(value: f64) -> Self {
        Self { value, se: f64::NAN, interval: (f64::NAN, f64::NAN) }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::columns::Z95;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Poisson};

    fn counted(counts: &[f64], weight: f64) -> Accumulated {
        let group = |g: usize| {
            let weights: Vec<f64> =
                (0..counts.len()).map(|k| if k % COUNTING_GROUPS == g { weight } else { 0.0 }).collect();
            let mut moments = Moments::of_batch(&weights, 1);
            moments.set(0, counts, &weights);
            moments
        };
        let moments = Moments::of_batch(&vec![weight; counts.len()], 1);
        Accumulated { moments, counting: (0..COUNTING_GROUPS).map(group).collect(), ..Accumulated::default() }
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

    #[test]
    fn counts_that_never_differ_say_nothing_of_their_scatter() {
        let [mean, variance, ..] = counted(&[0.0; 500], 1.0).cumulants(0, Z95);
        assert_eq!((mean.value, variance.value), (0.0, 0.0));
        assert!(mean.interval.1 > 0.0 && variance.se.is_nan());
    }
}
