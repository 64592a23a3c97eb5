//! 95 % intervals of means, also where few events make up the mean or none was seen.
//!
//! Numbers with central moments μ₂, μ₃, μ₄ scatter as K = nμ₂²/μ₄ events of size b = √(μ₄/μ₂) do, of which the share
//! (1 ± μ₃/√(μ₂μ₄))/2 raises them and lowers them. Counts of events are Poisson variates, so that each of both has the
//! limits of F. Garwood, Biometrika 28, 437 (1936), quantiles of the gamma distribution: with K seen, their expectation
//! lies between γ(K) and γ(K + 1). More events than were seen of one kind, and fewer of the other, move the mean up, and both
//! together by the root of the sum of their squares. Many events are normal, with the first correction for skewness; no
//! event at all leaves 3.7 of them open. Events larger than all that were seen, as large as the range of the numbers allows,
//! are always such.
//!
//! An interval that holds whenever a run is stopped, on whatever grounds, is one with more standard errors to either side:
//! the confidence sequence of H. Robbins, Ann. Math. Stat. 41, 1397 (1970), whose form for means of any law is that of
//! I. Waudby-Smith et al., Ann. Stat. 52, 2613 (2024), eq. (9).

use super::columns::Z95;
use super::unseen::Scatter;
use std::fmt;

/// For which runs an interval is right in 95 % of all cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidence {
    /// Runs of a number of trajectories that was fixed beforehand.
    #[default]
    Fixed,
    /// Runs that were stopped, by whatever was seen of them.
    Stopped,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "95 % at this number of trajectories",
            Self::Stopped => "95 % at any number of trajectories at which the run might have been stopped",
        })
    }
}

/// Trajectories at which the interval of a stopped run is shortest compared with that of a fixed one.
const SHORTEST: f64 = 500.0;

impl Confidence {
    /// How many standard errors of a mean of `n` numbers make the interval.
    pub fn errors(self, n: f64) -> f64 {
        match self {
            Self::Fixed => Z95,
            Self::Stopped => {
                // ρ² = (2 ln(1/α) + ln(1 + 2 ln(1/α)))/m is best at m.
                let two_ln = 2.0 * 0.05f64.recip().ln();
                let x = n.max(1.0) * (two_ln + two_ln.ln_1p()) / SHORTEST;
                ((1.0 + x.recip()) * (two_ln + x.ln_1p())).sqrt()
            }
        }
    }
}

/// The quantile of the gamma distribution of shape `a` that a normal variate `z` has (E. B. Wilson and M. M. Hilferty, Proc.
/// Natl. Acad. Sci. 17, 684 (1931)).
pub(super) fn gamma(a: f64, z: f64) -> f64 {
    if a <= 0.0 { 0.0 } else { a * (1.0 - 1.0 / (9.0 * a) + z / (3.0 * a.sqrt())).max(0.0).powi(3) }
}

/// How far below and above their mean the expectation of numbers may lie that are between `least` and `most` and of which
/// two differ by `span` at most: as far as `z` standard errors of a normal mean.
pub fn margins(seen: &Scatter, (least, most): (f64, f64), span: f64, z: f64) -> (f64, f64) {
    let n = seen.n;
    let (room_below, room_above) = ((seen.mean - least).max(0.0), (most - seen.mean).max(0.0));
    if !(n > 1.0) {
        return (room_below, room_above);
    }
    let (size, lean) = if seen.square > 0.0 && seen.fourth > 0.0 {
        ((seen.fourth / seen.square).sqrt(), (seen.third / (seen.square * seen.fourth).sqrt()).clamp(-1.0, 1.0))
    } else {
        (0.0, 0.0)
    };
    let events = seen.events(span);
    // Events that were not seen, beyond the size of those that were: one dark state among a thousand trajectories.
    let open = |room: f64| gamma(1.0, z) * (room.min(span).powi(2) - size * size).max(0.0).sqrt();
    // How many more, and how many fewer, `k` events may be.
    let more = |k: f64| gamma(k + 1.0, z) - k;
    let fewer = |k: f64| k - gamma(k, -z);
    let rounding = z * (seen.square / (n - 1.0)).sqrt();
    let side = |for_it: f64, against: f64, room: f64| {
        let seen_ones = (size.min(room) * more(for_it)).hypot(size * fewer(against));
        (seen_ones.hypot(open(room)) / n).max(if events < 1.0 { rounding } else { 0.0 }).min(room)
    };
    let (up, down) = (0.5 * events * (1.0 + lean), 0.5 * events * (1.0 - lean));
    (side(down, up, room_below), side(up, down, room_above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial, Discrete};

    fn of_counts(k: f64, n: f64, z: f64) -> (f64, f64) {
        let (below, above) = margins(&Scatter::of_share(k / n, n), (0.0, 1.0), 1.0, z);
        (k / n - below, k / n + above)
    }

    /// The chance that the interval of a binomial variate holds its probability, summed exactly.
    #[test]
    fn intervals_of_counts_cover() {
        for n in [100u64, 1_000, 10_000] {
            for p in [1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.5, 0.7, 0.9, 0.99, 0.9999] {
                let law = Binomial::new(p, n).unwrap();
                let covers = |k: &u64| {
                    let (lo, hi) = of_counts(*k as f64, n as f64, Z95);
                    lo <= p && p <= hi
                };
                let coverage: f64 = (0..=n).filter(covers).map(|k| law.pmf(k)).sum();
                // Whole numbers of events may fall to either side of a limit, which is worth 1 % here and there.
                assert!(coverage > 0.94, "n = {n}, p = {p}: {coverage}");
            }
        }
    }

    /// Of few events the limits of Garwood, of many those of a normal mean and no more than 15 % more.
    #[test]
    fn limits_are_those_of_a_poisson_variate() {
        let n = 1e8;
        for (k, low, high) in [(0.0, 0.0, 3.689), (1.0, 0.025, 5.572), (5.0, 1.623, 11.668), (20.0, 12.217, 30.888)] {
            let (lo, hi) = of_counts(k, n, Z95);
            assert!((n * lo - low).abs() < 0.05 && (n * hi - high).abs() < 0.05, "{k}: {} to {}", n * lo, n * hi);
        }
        for n in [100.0, 1_000.0, 10_000.0] {
            let normal = Scatter { n, mean: 5.0, square: 4.0, third: 0.0, fourth: 48.0 };
            let even = Scatter { n, mean: 5.0, square: 4.0, third: 0.0, fourth: 28.8 };
            let skewed = Scatter { n, mean: 5.0, square: 4.0, third: 8.0, fourth: 72.0 };
            for seen in [normal, even, skewed] {
                let (below, above) = margins(&seen, (0.0, 10.0), 10.0, Z95);
                let plain = Z95 * 2.0 / n.sqrt();
                let ratio = 0.5 * (below + above) / plain;
                assert!((1.0..1.15).contains(&ratio), "n = {n}: {ratio}");
                assert!(seen.third == 0.0 || above > below, "n = {n}: {below} below and {above} above");
            }
        }
    }

    /// Many small events do not hide a large one that was not seen: with 0.01 or 0 at even chances and 1 with a chance of λ/n
    /// the mean is covered though no 1 is among n = 1000.
    #[test]
    fn small_events_hide_no_large_one() {
        let (n, half) = (1_000.0, 0.005f64);
        let small = Scatter { n, mean: half, square: half.powi(2), third: 0.0, fourth: half.powi(4) };
        for lambda in [0.5, 2.0, 3.6] {
            let (_, above) = margins(&small, (0.0, 1.0), 1.0, Z95);
            assert!(lambda / n <= above && above < 3.9 / n, "{lambda}: {above}");
        }
    }

    #[test]
    fn nothing_is_known_of_one_and_no_side_leaves_the_range() {
        assert_eq!(margins(&Scatter { n: 1.0, mean: 2.0, ..Scatter::default() }, (0.0, 5.0), 5.0, Z95), (2.0, 3.0));
        for k in [0.0, 1.0, 50.0, 99.0, 100.0] {
            let (lo, hi) = of_counts(k, 100.0, Z95);
            assert!(0.0 <= lo && lo <= hi && hi <= 1.0 && hi - lo > 0.03, "{k}: {lo} to {hi}");
        }
    }

    /// A random walk of 10⁵ steps that is stopped where it is furthest from 0 in its standard errors.
    #[test]
    fn intervals_of_stopped_runs_cover_whenever_stopped() {
        use rand::{RngExt, SeedableRng};
        use rand_chacha::ChaCha8Rng;
        const WALKS: u64 = 400;
        let (mut missed, mut missed_fixed) = (0, 0);
        for walk in 0..WALKS {
            let mut random = ChaCha8Rng::seed_from_u64(walk);
            let (mut sum, mut left, mut left_fixed) = (0.0f64, false, false);
            for n in 1..=100_000u32 {
                sum += if random.random::<bool>() { 1.0 } else { -1.0 };
                let errors = sum.abs() / f64::from(n).sqrt();
                // Before so many steps a walk of ±1 is not normal.
                left |= n >= 30 && errors > Confidence::Stopped.errors(f64::from(n));
                left_fixed |= n >= 30 && errors > Confidence::Fixed.errors(f64::from(n));
            }
            missed += u64::from(left);
            missed_fixed += u64::from(left_fixed);
        }
        // Of 400 at 5 % more than 36 have a chance of 1e-4.
        assert!(missed <= 36, "{missed} of {WALKS} were missed");
        assert!(missed_fixed > WALKS / 2, "{missed_fixed}: stopping is no matter, says the test");
        let at = |n: f64| Confidence::Stopped.errors(n) / Z95;
        assert!(at(500.0) < 1.56 && at(100.0) < 1.75 && at(1e6) < 2.05, "{} {} {}", at(500.0), at(100.0), at(1e6));
    }
}
