//! What a number of equal estimates without bias, each of one population, say of a probability together.
//!
//! Estimates of rare events are skewed: one population in many finds what the others missed. Their mean has the interval of
//! every mean, which allows for as many such populations more or fewer as their own scatter says there are (see
//! `interval.rs`), with Student's t for few of them.

use super::interval::{Confidence, margins};
use super::sampled::student;
use super::unseen::Scatter;

/// Beyond this part of the whole, one population decides.
const MOST: f64 = 0.25;

/// A probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// The mean of the estimates.
    pub value: f64,
    /// Its standard error; NaN of a single estimate.
    pub se: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
    /// Whether one estimate makes up so much of the mean that neither it nor the interval is to be trusted.
    pub dominated: bool,
}

/// The mean of these estimates of a probability, one of each population; where none is above 0, its upper limit is left
/// open, at 1.
pub fn pooled(estimates: &[f64], confidence: Confidence) -> Pooled {
    let n = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / n;
    let power = |k: i32| estimates.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    let seen = Scatter { n, mean, square: power(2), third: power(3), fourth: power(4) };
    let z = confidence.errors(n);
    let t = if n > 1.0 { student(z, n - 1.0) } else { f64::INFINITY };
    if !(mean > 0.0) || n < 2.0 {
        return Pooled { value: mean, se: f64::NAN, interval: (0.0, 1.0), dominated: true };
    }
    // Nothing is known of populations larger than those that were met.
    let size = if seen.square > 0.0 { (seen.fourth / seen.square).sqrt() } else { 0.0 };
    let (below, above) = margins(&seen, (0.0, 1.0), size, t);
    let largest = estimates.iter().copied().fold(0.0, f64::max);
    Pooled {
        value: mean,
        se: seen.sampled_error(),
        interval: ((mean - below).max(0.0), (mean + above).min(1.0)),
        dominated: largest > (MOST * n * mean).max(4.0 * mean),
    }
}

/// The probability p = hits/n of what `hits` of `n` independent trajectories have shown.
pub fn counted(hits: f64, n: f64, confidence: Confidence) -> Pooled {
    let p = hits / n;
    let z = confidence.errors(n);
    let (below, above) = margins(&Scatter::of_share(p, n), (0.0, 1.0), 1.0, z);
    let se = (p * (1.0 - p) / n).sqrt().max((below + above) / (2.0 * z));
    Pooled { value: p, se, interval: (p - below, p + above), dominated: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    /// Estimates whose logarithms are normal with a deviation of 0.3 to 1: means of 32 of them.
    #[test]
    fn intervals_of_skewed_estimates_cover() {
        for (sigma, least) in [(0.3, 0.93), (0.6, 0.92), (1.0, 0.88)] {
            let mut random = ChaCha8Rng::seed_from_u64(7);
            let covers = |_: &u32| {
                let one = |_| {
                    let x: f64 = random.sample(StandardNormal);
                    1e-9 * (sigma * x - 0.5 * sigma * sigma).exp()
                };
                let estimates: Vec<f64> = (0..32).map(one).collect();
                let (lo, hi) = pooled(&estimates, Confidence::Fixed).interval;
                lo <= 1e-9 && 1e-9 <= hi
            };
            let covered = (0..4000u32).filter(covers).count() as f64 / 4000.0;
            assert!(covered > least, "{sigma}: {covered}");
        }
    }

    #[test]
    fn what_was_never_seen_is_left_open() {
        assert_eq!(pooled(&[0.0; 32], Confidence::Fixed).interval, (0.0, 1.0));
        let one = pooled(&[&[0.0; 31][..], &[1e-9]].concat(), Confidence::Fixed);
        assert!(one.dominated && one.interval.0 < one.value / 10.0 && one.interval.1 > 3.0 * one.value);
        let none = counted(0.0, 1e4, Confidence::Fixed);
        assert!(none.interval.0 == 0.0 && (none.interval.1 - 3.69e-4).abs() < 5e-6);
        let all = counted(1e4, 1e4, Confidence::Fixed);
        assert!(all.interval.1 == 1.0 && all.interval.0 < 1.0 - 3e-4);
    }
}
