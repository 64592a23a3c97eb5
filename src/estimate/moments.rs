//! Weighted central moments up to the fourth, each batch in two passes and batches merged pairwise in order.
//!
//! Two passes over a batch are exact where running sums cancel; merging follows Pébay, SAND2008-6212, eqs. 2.1,
//! 3.1 (Chan et al. 1979 for the second moment). The fourth gives a variance its own standard error.

use super::unseen::Scatter;
use serde::{Deserialize, Serialize};

/// Σw, Σw² and the moments of each recorded number over the trajectories so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    weight: f64,
    weight_squared: f64,
    /// Mean and Σw(x − mean)ᵏ for k = 2, 3, 4 of each number.
    cells: Vec<[f64; 4]>,
}

impl Moments {
    /// No trajectories yet, `numbers` numbers each.
    pub fn new(numbers: usize) -> Self {
        Self { weight: 0.0, weight_squared: 0.0, cells: vec![[0.0; 4]; numbers] }
    }

    /// Start from one batch with these weights; [`set`](Self::set) then fills in the numbers.
    pub fn of_batch(weights: &[f64], numbers: usize) -> Self {
        let weight_squared = weights.iter().map(|w| w * w).sum();
        Self { weight: weights.iter().sum(), weight_squared, cells: vec![[0.0; 4]; numbers] }
    }

    /// Number `index` of every trajectory of the batch.
    pub fn set(&mut self, index: usize, values: &[f64], weights: &[f64]) {
        let mean = sums(values, weights, |x, w| [w * x])[0] / self.weight;
        let powers = sums(values, weights, |x, w| {
            let d = x - mean;
            let w2 = w * d * d;
            [w2, w2 * d, w2 * d * d]
        });
        self.cells[index] = [mean, powers[0], powers[1], powers[2]];
    }

    /// Add trajectories recorded after these.
    pub fn merge(&mut self, later: &Self) {
        if later.weight == 0.0 {
            return;
        }
        if self.weight == 0.0 {
            *self = later.clone();
            return;
        }
        let (a, b) = (self.weight, later.weight);
        let n = a + b;
        for (cell, [mean_b, m2b, m3b, m4b]) in self.cells.iter_mut().zip(&later.cells) {
            let [mean, m2, m3, m4] = *cell;
            let d = mean_b - mean;
            let d2 = d * d;
            *cell = [
                mean + d * b / n,
                m2 + m2b + d2 * a * b / n,
                m3 + m3b + d * d2 * a * b * (a - b) / (n * n) + 3.0 * d * (a * m2b - b * m2) / n,
                m4 + m4b
                    + d2 * d2 * a * b * (a * a - a * b + b * b) / (n * n * n)
                    + 6.0 * d2 * (a * a * m2b + b * b * m2) / (n * n)
                    + 4.0 * d * (a * m3b - b * m3) / n,
            ];
        }
        self.weight = n;
        self.weight_squared += later.weight_squared;
    }

    /// Those of some numbers only.
    pub fn choose(&self, numbers: impl Iterator<Item = usize>) -> Self {
        let cells = numbers.map(|index| self.cells[index]).collect();
        Self { weight: self.weight, weight_squared: self.weight_squared, cells }
    }

    /// How many numbers there are.
    pub fn numbers(&self) -> usize {
        self.cells.len()
    }

    /// Σw.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Effective number of trajectories, (Σw)²/Σw².
    pub fn effective(&self) -> f64 {
        if self.weight > 0.0 { self.weight * self.weight / self.weight_squared } else { 0.0 }
    }

    /// Mean of a number.
    pub fn mean(&self, index: usize) -> f64 {
        if self.weight > 0.0 { self.cells[index][0] } else { f64::NAN }
    }

    /// Unbiased variance of a number over trajectories; NaN for fewer than two.
    pub fn variance(&self, index: usize) -> f64 {
        let n = self.effective();
        if n > 1.0 { self.cells[index][1] / self.weight * n / (n - 1.0) } else { f64::NAN }
    }

    /// Second, third and fourth central moment of a number.
    pub fn central(&self, index: usize) -> [f64; 3] {
        let [_, m2, m3, m4] = self.cells[index];
        [m2, m3, m4].map(|m| m / self.weight)
    }

    /// Variance of a number over trajectories that are all that there are; 0 of none.
    pub fn spread(&self, index: usize) -> f64 {
        if self.weight > 0.0 { self.cells[index][1] / self.weight } else { 0.0 }
    }

    /// Standard error of the mean, √(variance/n).
    pub fn mean_error(&self, index: usize) -> f64 {
        (self.variance(index) / self.effective()).sqrt()
    }

    /// Mean and central moments of a number, for as many trajectories as the weights amount to.
    pub fn scatter(&self, index: usize) -> Scatter {
        let [mean, m2, m3, m4] = self.cells[index];
        let [square, third, fourth] = [m2, m3, m4].map(|m| m / self.weight);
        Scatter { n: self.effective(), mean, square, third, fourth }
    }

    /// Typical size of the deviations that make up the variance, √(μ₄/μ₂); 0 if there is none. For a rare event it is
    /// the size of the event.
    pub fn event_size(&self, index: usize) -> f64 {
        let [_, m2, _, m4] = self.cells[index];
        if m2 > 0.0 { (m4 / m2).sqrt() } else { 0.0 }
    }

    /// Standard error of the variance, √((μ₄ − σ⁴(n−3)/(n−1))/n).
    pub fn variance_error(&self, index: usize) -> f64 {
        let n = self.effective();
        if n <= 1.0 {
            return f64::NAN;
        }
        let [_, m2, _, m4] = self.cells[index];
        let (sigma2, mu4) = (m2 / self.weight, m4 / self.weight);
        ((mu4 - sigma2 * sigma2 * (n - 3.0) / (n - 1.0)).max(0.0) / n).sqrt()
    }
}

/// Sums of K functions of value and weight, in a fixed order of eight interleaved partial sums, which do not wait for
/// each other.
#[inline]
fn sums<const K: usize>(values: &[f64], weights: &[f64], f: impl Fn(f64, f64) -> [f64; K]) -> [f64; K] {
    const LANES: usize = 8;
    let mut lanes = [[0.0; LANES]; K];
    let (x, w) = (values.chunks_exact(LANES), weights.chunks_exact(LANES));
    let rest = x.remainder().iter().zip(w.remainder());
    for (x, w) in x.zip(w) {
        for lane in 0..LANES {
            let terms = f(x[lane], w[lane]);
            (0..K).for_each(|k| lanes[k][lane] += terms[k]);
        }
    }
    for (lane, (x, w)) in rest.enumerate() {
        let terms = f(*x, *w);
        (0..K).for_each(|k| lanes[k][lane] += terms[k]);
    }
    lanes.map(|lane| lane.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(x: &[f64], w: &[f64]) -> [f64; 4] {
        let total: f64 = w.iter().sum();
        let mean = x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() / total;
        let power = |k| x.iter().zip(w).map(|(x, w)| w * (x - mean).powi(k)).sum::<f64>();
        [mean, power(2), power(3), power(4)]
    }

    #[test]
    fn merging_batches_equals_one_batch() {
        let x: Vec<f64> = (0..97).map(|i| 100.0 + (i as f64 * 0.7).sin() * 3.0 + (i % 5) as f64).collect();
        let w: Vec<f64> = (0..97).map(|i| 1.0 + (i % 3) as f64 * 0.5).collect();
        let mut merged = Moments::new(1);
        for (x, w) in x.chunks(10).zip(w.chunks(10)) {
            let mut batch = Moments::of_batch(w, 1);
            batch.set(0, x, w);
            merged.merge(&batch);
        }
        let expected = direct(&x, &w);
        for (got, want) in merged.cells[0].iter().zip(expected) {
            assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{got} {want}");
        }
    }

    #[test]
    fn errors_match_the_textbook() {
        let x = [1.0, 2.0, 4.0, 7.0];
        let mut m = Moments::of_batch(&[1.0; 4], 1);
        m.set(0, &x, &[1.0; 4]);
        assert_eq!(m.mean(0), 3.5);
        assert_eq!(m.variance(0), 7.0);
        assert_eq!(m.mean_error(0), (7.0f64 / 4.0).sqrt());
        let single = {
            let mut m = Moments::of_batch(&[1.0], 1);
            m.set(0, &[2.0], &[1.0]);
            m
        };
        assert!(single.mean_error(0).is_nan());
    }
}
