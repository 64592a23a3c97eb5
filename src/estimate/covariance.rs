//! Covariance between the rows of each linear average, for tests that look at a whole curve at once.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatMut, Par};
use serde::{Deserialize, Serialize};

/// Σw(x − mean)(x − mean)ᵀ over rows, one matrix a average.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Covariance {
    weight: f64,
    rows: usize,
    /// Mean of each number, index average·rows + row.
    mean: Vec<f64>,
    /// Row-major rows × rows matrix of each average.
    products: Vec<f64>,
}

impl Covariance {
    /// One batch: `values[row·width + average]` holds that number of every trajectory.
    pub fn of_batch(values: &[Vec<f64>], width: usize, weights: &[f64]) -> Self {
        let rows = values.len() / width;
        let weight: f64 = weights.iter().sum();
        let mut mean = vec![0.0; rows * width];
        let mut products = vec![0.0; width * rows * rows];
        for average in 0..width {
            // Centred and scaled by √w: the products of all rows are then one matrix product, of which half is needed.
            let mut centred = Mat::<f64>::zeros(weights.len(), rows);
            let mut moves = false;
            for row in 0..rows {
                let x = &values[row * width + average];
                let m = x.iter().zip(weights).map(|(x, w)| w * x).sum::<f64>() / weight;
                mean[average * rows + row] = m;
                for ((c, x), w) in centred.col_mut(row).iter_mut().zip(x).zip(weights) {
                    *c = (x - m) * w.sqrt();
                    moves |= *c != 0.0;
                }
            }
            if moves {
                let block = &mut products[average * rows * rows..][..rows * rows];
                let mut block = MatMut::from_column_major_slice_mut(block, rows, rows);
                let (whole, half) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
                let (left, right) = (centred.transpose(), centred.as_ref());
                matmul(block.as_mut(), half, Accum::Replace, left, whole, right, whole, 1.0, Par::Seq);
                (0..rows).for_each(|a| (0..a).for_each(|b| block[(b, a)] = block[(a, b)]));
            }
        }
        Self { weight, rows, mean, products }
    }

    /// Add trajectories recorded after these.
    pub fn merge(&mut self, later: &Self) {
        if self.weight == 0.0 {
            *self = later.clone();
            return;
        }
        let n = self.weight + later.weight;
        let d: Vec<f64> = later.mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        let factor = self.weight * later.weight / n;
        for (line, (mine, theirs)) in
            self.products.chunks_mut(self.rows).zip(later.products.chunks(self.rows)).enumerate()
        {
            let of_slot = &d[line / self.rows * self.rows..][..self.rows];
            for ((m, t), other) in mine.iter_mut().zip(theirs).zip(of_slot) {
                *m += t + factor * d[line] * other;
            }
        }
        for (mean, d) in self.mean.iter_mut().zip(&d) {
            *mean += d * later.weight / n;
        }
        self.weight = n;
    }

    /// Mean of linear average number `average` at each row.
    pub fn mean(&self, average: usize) -> &[f64] {
        &self.mean[average * self.rows..][..self.rows]
    }

    /// Estimated covariance of the *mean* of linear average number `average` between rows `a` and `b`, for weights of 1.
    pub fn of_mean(&self, average: usize, a: usize, b: usize) -> f64 {
        self.products[(average * self.rows + a) * self.rows + b] / (self.weight * (self.weight - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_equals_one_batch() {
        let value = |row: usize, k: usize| ((row + 1) * (k * k % 13) + k % 3) as f64;
        let batch = |range: std::ops::Range<usize>| -> Covariance {
            let values: Vec<Vec<f64>> = (0..6).map(|i| range.clone().map(|k| value(i, k)).collect()).collect();
            Covariance::of_batch(&values, 2, &vec![1.0; range.len()])
        };
        let whole = batch(0..30);
        let mut parts = batch(0..7);
        parts.merge(&batch(7..21));
        parts.merge(&batch(21..30));
        for (a, b) in whole.products.iter().zip(&parts.products) {
            assert!((a - b).abs() < 1e-9 * a.abs().max(1.0));
        }
        assert!((whole.of_mean(1, 2, 0) - parts.of_mean(1, 2, 0)).abs() < 1e-9);
    }
}
