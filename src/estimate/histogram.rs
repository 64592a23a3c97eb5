//! Distributions over trajectories in a fixed number of bins, whatever comes.
//!
//! Bins are [kw, (k + 1)w). When the values span too many, each two that make one of twice the width are joined: k is halved.
//! The width that comes of it is the least that holds all values, in whatever order they came, so that sums over any
//! cut of a run are the same.

use super::averages::Averages;
use super::columns::Accumulated;
use super::interval::margins;
use super::unseen::Scatter;
use crate::problem::Bins;
use serde::{Deserialize, Serialize};

/// Most bins of one histogram.
pub const MOST_BINS: usize = 256;
/// By this part of a bin a value may be below its edge and counts as on it: rounding.
const ROUNDING: f64 = 1e-9;

/// The weight of the trajectories in a bin, and the least and the greatest of their values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Content {
    weight: f64,
    least: f64,
    most: f64,
}

impl Content {
    const NOTHING: Self = Self { weight: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };

    fn add(&mut self, other: Self) {
        self.weight += other.weight;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }
}

/// What is in each bin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// How often the width was doubled, and the number k of the first bin.
    doublings: u32,
    first: i64,
    bins: Vec<Content>,
}

impl Histogram {
    /// Add a value of this weight to bins that began with the width `width`.
    pub fn add(&mut self, width: f64, value: f64, weight: f64) {
        if value.is_nan() || weight == 0.0 {
            return;
        }
        let bin = (value / width + ROUNDING).floor() as i64;
        self.make_room((bin >> self.doublings, bin >> self.doublings));
        // Room may have been made by doubling the width.
        let place = ((bin >> self.doublings) - self.first) as usize;
        self.bins[place].add(Content { weight, least: value, most: value });
    }

    /// Add the weights of later trajectories.
    pub fn merge(&mut self, later: &Self) {
        if later.bins.is_empty() {
            return;
        }
        let mut later = later.clone();
        self.double(later.doublings.saturating_sub(self.doublings));
        later.double(self.doublings.saturating_sub(later.doublings));
        let before = self.doublings;
        self.make_room((later.first, later.first + later.bins.len() as i64 - 1));
        later.double(self.doublings - before);
        let start = (later.first - self.first) as usize;
        self.bins[start..].iter_mut().zip(later.bins).for_each(|(mine, theirs)| mine.add(theirs));
    }

    fn make_room(&mut self, (mut low, mut high): (i64, i64)) {
        if self.bins.is_empty() {
            self.first = low;
            self.bins.push(Content::NOTHING);
        }
        loop {
            let last = self.first + self.bins.len() as i64 - 1;
            let (from, to) = (self.first.min(low), last.max(high));
            if to.abs_diff(from) < MOST_BINS as u64 {
                let front = (self.first - from) as usize;
                self.bins.splice(0..0, std::iter::repeat_n(Content::NOTHING, front));
                self.bins.resize((to - from) as usize + 1, Content::NOTHING);
                self.first = from;
                return;
            }
            self.double(1);
            (low, high) = (low >> 1, high >> 1);
        }
    }

    fn double(&mut self, times: u32) {
        for _ in 0..times {
            let mut joined: Vec<Content> = Vec::with_capacity(self.bins.len() / 2 + 1);
            for (at, content) in self.bins.iter().enumerate() {
                let bin = ((self.first + at as i64) >> 1) - (self.first >> 1);
                match joined.get_mut(bin as usize) {
                    Some(sum) => sum.add(*content),
                    None => joined.push(*content),
                }
            }
            (self.first, self.bins) = (self.first >> 1, joined);
            self.doublings += 1;
        }
    }
}

/// A probability with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The probability.
    pub value: f64,
    /// Its interval.
    pub interval: (f64, f64),
}

impl Share {
    /// One that is known.
    pub fn exact(value: f64) -> Self {
        Self { value, interval: (value, value) }
    }
}

/// How shares of a run's trajectories become probabilities: `share` of all was sampled, `n` of them.
#[derive(Clone, Copy, Debug)]
pub struct Weighing {
    /// Probability of what was sampled.
    pub share: f64,
    /// Number of trajectories that were.
    pub n: f64,
    /// Standard errors in an interval.
    pub z: f64,
}

impl Weighing {
    /// That of a run.
    pub fn of(averages: &Averages<'_>, z: f64) -> Self {
        Self { share: averages.share(), n: averages.effective(), z }
    }

    /// What has the probability `known` among trajectories that are known and this part of those that were sampled. The
    /// interval is that of trajectories in which it happens or not.
    pub fn probability(&self, known: f64, part: f64) -> Share {
        let part = part.clamp(0.0, 1.0);
        let (below, above) = margins(&Scatter::of_share(part, self.n), (0.0, 1.0), 1.0, self.z);
        let value = known + self.share * part;
        Share {
            value: value.min(1.0),
            interval: ((value - self.share * below).max(0.0), (value + self.share * above).min(1.0)),
        }
    }
}

/// One bin of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Lower and upper edge; values on the lower one are in it.
    pub edges: (f64, f64),
    /// Its probability.
    pub share: Share,
    /// The least and the greatest value that was met in it; NaN where none was.
    pub met: (f64, f64),
}

/// A distribution over all trajectories.
#[derive(Clone, Debug)]
pub struct Distributed {
    width: f64,
    /// Number of the first bin.
    first: i64,
    /// Contents of trajectories that are known and of those that were sampled.
    bins: Vec<(Content, Content)>,
    /// The least and the greatest value that there can be.
    range: (f64, f64),
    weighing: Weighing,
}

impl Accumulated {
    /// Distribution number `index` with bins that began so; `z` standard errors make an interval.
    pub fn distributed(&self, index: usize, Bins { width, range }: Bins, z: f64) -> Distributed {
        let known = self.no_jump.as_ref().and_then(|known| known.histograms.get(index)).cloned().unwrap_or_default();
        let sampled = self.histograms[index].clone();
        let mut all = sampled.clone();
        all.merge(&known);
        let brought = |mut of: Histogram| {
            of.double(all.doublings.saturating_sub(of.doublings));
            let place = |bin: usize| bin.checked_sub((of.first - all.first) as usize);
            let content = |bin: usize| place(bin).and_then(|at| of.bins.get(at)).copied().unwrap_or(Content::NOTHING);
            (0..all.bins.len()).map(content).collect::<Vec<_>>()
        };
        let bins =
            if all.bins.is_empty() { Vec::new() } else { brought(known).into_iter().zip(brought(sampled)).collect() };
        Distributed {
            width: width * f64::from(all.doublings).exp2(),
            first: all.first,
            bins,
            range,
            weighing: Weighing::of(&self.averages(), z),
        }
    }
}

impl Distributed {
    fn edge(&self, bin: usize) -> f64 {
        (self.first + bin as i64) as f64 * self.width
    }

    /// The bins from the first to the last that any trajectory was in, in rising order.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let part = |weight: f64| if self.weighing.n > 0.0 { weight / self.weighing.n } else { 0.0 };
        self.bins.iter().enumerate().map(move |(bin, (known, sampled))| {
            let (least, most) = (known.least.min(sampled.least), known.most.max(sampled.most));
            Bin {
                edges: (self.edge(bin), self.edge(bin + 1)),
                share: self.weighing.probability(known.weight, part(sampled.weight)),
                met: if least <= most { (least, most) } else { (f64::NAN, f64::NAN) },
            }
        })
    }

    /// The value below which a trajectory is with probability `q`, and its 95 % interval: from where the interval of the
    /// probability to be below reaches `q` to where it leaves it, as far as bins tell. Within a bin values are taken to lie
    /// evenly between the least and the greatest of them.
    pub fn quantile(&self, q: f64) -> Share {
        let part = |weight: f64| if self.weighing.n > 0.0 { weight / self.weighing.n } else { 0.0 };
        let (mut known, mut sampled) = (0.0, 0.0);
        let (mut low, mut high) = (None, None);
        // Trajectories that were not met may be below all that were.
        if self.weighing.probability(0.0, 0.0).interval.1 >= q {
            low = Some(self.range.0);
        }
        for (bin, (of_known, of_sampled)) in self.bins().zip(&self.bins) {
            (known, sampled) = (known + of_known.weight, sampled + of_sampled.weight);
            let (least, most) = bin.met;
            if !(least <= most) {
                continue;
            }
            let (lo, hi) = self.weighing.probability(known, part(sampled)).interval;
            low = low.or((hi >= q).then_some(least));
            high = high.or((lo >= q).then_some(most));
        }
        let (value, low, high) = (self.at(q), low.unwrap_or(self.range.0), high.unwrap_or(self.range.1));
        Share { value, interval: (low.min(value), high.max(value)) }
    }

    /// Where the probability to be below reaches `q`.
    fn at(&self, q: f64) -> f64 {
        let (n, mut below, mut last) = (self.weighing.n.max(1.0), 0.0, f64::NAN);
        for bin in self.bins() {
            let (least, most) = bin.met;
            if !(least <= most) {
                continue;
            }
            let here = bin.share.value;
            let inside = ((q - below) / here).clamp(0.0, 1.0);
            last = least + inside * (most - least);
            below += here;
            // Of numbers that add up to q but for rounding.
            if below >= q - 1e-9 / n {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::columns::Z95;
    use crate::estimate::moments::Moments;

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|x| histogram.add(0.5, *x, 1.0));
        histogram
    }

    const BINS: Bins = Bins { width: 0.5, range: (0.0, 100.0) };

    fn accumulated(values: &[f64]) -> Accumulated {
        let moments = Moments::of_batch(&vec![1.0; values.len()], 1);
        Accumulated { moments, histograms: vec![of(values)], ..Accumulated::default() }
    }

    /// The same bins whatever the order, and wherever a list is cut.
    #[test]
    fn any_order_and_any_cut_give_the_same_bins() {
        let values: Vec<f64> =
            (0..1_000).map(|k| (f64::from(k) * 0.618).sin() * f64::from(k * k) * 0.003 - 20.0).collect();
        let whole = of(&values);
        assert!(whole.bins.len() <= MOST_BINS && whole.doublings > 3);
        assert_eq!(whole.bins.iter().map(|bin| bin.weight).sum::<f64>(), 1_000.0);
        let backwards: Vec<f64> = values.iter().rev().copied().collect();
        assert_eq!(of(&backwards), whole);
        for cut in [1, 17, 500, 999] {
            let (mut first, second) = (of(&values[..cut]), of(&values[cut..]));
            first.merge(&second);
            assert_eq!(first, whole);
            let mut other = second;
            other.merge(&of(&values[..cut]));
            assert_eq!(other, whole);
        }
    }

    #[test]
    fn bins_hold_their_lower_edge_and_what_rounding_took_from_it() {
        let histogram = of(&[0.0, 0.5, 1.5 - 1e-15, 0.499, -0.1]);
        let weights: Vec<f64> = histogram.bins.iter().map(|bin| bin.weight).collect();
        assert_eq!((histogram.first, &weights[..]), (-1, &[1.0, 2.0, 1.0, 0.0, 1.0][..]));
        let mut none = Histogram::default();
        none.add(1.0, f64::NAN, 1.0);
        assert_eq!(none, Histogram::default());
    }

    #[test]
    fn quantiles_are_where_they_are() {
        let values: Vec<f64> = (0..10_000).map(|k| (f64::from(k) + 0.5) * 1e-2).collect();
        let distributed = accumulated(&values).distributed(0, BINS, Z95);
        for q in [0.05, 0.25, 0.5, 0.75, 0.95] {
            let Share { value, interval: (lo, hi) } = distributed.quantile(q);
            assert!((value - 100.0 * q).abs() < 0.5, "{q}: {value}");
            assert!(lo <= value && value <= hi && hi - lo < 4.0, "{q}: {lo} to {hi}");
        }
        let total: f64 = distributed.bins().map(|bin| bin.share.value).sum();
        assert!((total - 1.0).abs() < 1e-12);
        let whole = accumulated(&[1.0, 1.0, 2.0, 1.0]).distributed(0, BINS, Z95);
        assert_eq!(whole.quantile(0.5).value, 1.0);
        assert_eq!(whole.quantile(0.95).value, 2.0);
    }

    /// Few values say little of what is below and above them: of a uniform variate, and of one that is mostly known.
    #[test]
    fn intervals_of_quantiles_hold() {
        use rand::{RngExt, SeedableRng};
        use rand_chacha::ChaCha8Rng;
        const RUNS: u64 = 400;
        for n in [1, 5, 10, 40, 300] {
            for p in [0.0, 0.9] {
                let mut hits = [0; 3];
                for seed in 0..RUNS {
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    let values: Vec<f64> = (0..n).map(|_| 100.0 * random.random::<f64>()).collect();
                    let mut all = accumulated(&values);
                    if p > 0.0 {
                        let mut nothing = Histogram::default();
                        nothing.add(0.5, 0.0, p);
                        let moments = Moments::of_batch(&[p], 1);
                        all.no_jump = Some(Box::new(Accumulated {
                            moments,
                            histograms: vec![nothing],
                            ..Accumulated::default()
                        }));
                    }
                    let distributed = all.distributed(0, BINS, Z95);
                    for (hits, q) in hits.iter_mut().zip([0.05, 0.5, 0.95]) {
                        let (truth, found) = (100.0 * ((q - p) / (1.0 - p)).max(0.0), distributed.quantile(q));
                        *hits += u64::from(found.interval.0 <= truth && truth <= found.interval.1);
                    }
                }
                // Of 400 at 6 % more than 44 have a chance of 1e-4.
                assert!(hits.iter().all(|hits| *hits >= RUNS - 44), "{n} values, {p} known: {hits:?} of {RUNS}");
            }
        }
    }

    /// Where what never jumps is known, it counts with its probability and without an error.
    #[test]
    fn what_is_known_has_no_error() {
        let mut known = Accumulated { moments: Moments::of_batch(&[0.9], 1), ..Accumulated::default() };
        let mut one = Histogram::default();
        one.add(0.5, 2.0, 0.9);
        known.histograms = vec![one];
        let all = Accumulated { no_jump: Some(Box::new(known)), ..accumulated(&[0.0; 100]) };
        let distributed = all.distributed(0, BINS, Z95);
        let bins: Vec<Bin> = distributed.bins().collect();
        let (first, last) = (bins[0], bins[bins.len() - 1]);
        assert!((first.share.value - 0.1).abs() < 1e-12 && (last.share.value - 0.9).abs() < 1e-12);
        let width = last.share.interval.1 - last.share.interval.0;
        assert!(width < 0.1 * 0.05, "{width}");
        assert_eq!(distributed.quantile(0.5).value, 2.0);
        assert_eq!(distributed.quantile(0.05).value, 0.0);
    }
}
