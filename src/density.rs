//! Averaged reduced density matrices from trajectories, block by block, kept in groups of trajectories so that a number
//! that is not linear in ρ gets its interval from how the groups scatter.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use num_complex::Complex64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Groups that the batches of a run are dealt to in turn.
pub const GROUPS: usize = 32;

/// What tells the blocks of a reduced density matrix apart: 2J of each ensemble in it and the values of conserved
/// charges; or the number of a cell or of an edge (see [`Reduction`](crate::problem::Reduction)).
pub type Label = Vec<i64>;

/// What the basis of a block stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockShape {
    /// ln of the number of equivalent copies of the block: every eigenvalue λ of its matrix stands for eigenvalues λ/ν,
    /// ν times.
    pub ln_copies: f64,
    /// Energy of each of the d basis states under the Hamiltonian of the part.
    pub energies: Vec<f64>,
}

/// Smaller blocks are matrices from the start.
const SMALL: usize = 16;

/// Σ w|ψ⟩⟨ψ| over the trajectories of one group: of few trajectories in a large block their vectors, of more the matrix.
/// Trajectories to which nothing has happened share one vector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupSum {
    /// Weight w of each vector.
    weights: Vec<f64>,
    /// The vectors ψ, one after another.
    vectors: Vec<Complex64>,
    /// What is not in the vectors, d × d row by row; empty if nothing is.
    matrix: Vec<Complex64>,
}

impl GroupSum {
    /// Whether no trajectory of the group was ever in the block.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty() && self.matrix.is_empty()
    }

    /// The sum, d × d row by row, to be added to.
    pub fn matrix_mut(&mut self, d: usize) -> &mut [Complex64] {
        if self.matrix.is_empty() {
            self.matrix = vec![Complex64::ZERO; d * d];
        }
        &mut self.matrix
    }

    /// Add `weight`·|ψ⟩⟨ψ| of a vector with these amplitudes at these places and 0 elsewhere.
    pub fn add(&mut self, d: usize, weight: f64, psi: impl Iterator<Item = (usize, Complex64)> + Clone) {
        if d < SMALL {
            let sums = self.matrix_mut(d);
            for (row, a) in psi.clone() {
                let (line, left) = (&mut sums[row * d..][..d], a * weight);
                psi.clone().for_each(|(column, b)| line[column] += left * b.conj());
            }
            return;
        }
        let start = self.vectors.len();
        self.vectors.resize(start + d, Complex64::ZERO);
        psi.for_each(|(place, amplitude)| self.vectors[start + place] = amplitude);
        let (known, new) = self.vectors.split_at(start);
        let empty = new.iter().all(|x| *x == Complex64::ZERO);
        match known.chunks_exact(d).position(|v| v == new) {
            _ if empty => self.vectors.truncate(start),
            Some(same) => {
                self.weights[same] += weight;
                self.vectors.truncate(start);
            }
            None => self.weights.push(weight),
        }
        // As a matrix d vectors take as much.
        if self.weights.len() > d / 4 {
            let (weights, vectors) = (std::mem::take(&mut self.weights), std::mem::take(&mut self.vectors));
            let sums = MatMut::from_row_major_slice_mut(self.matrix_mut(d), d, d);
            add_projectors(sums, MatRef::from_column_major_slice(&vectors, d, weights.len()), |k| weights[k]);
        }
    }

    /// The vectors of d amplitudes with their weights w.
    pub fn vectors(&self, d: usize) -> impl Iterator<Item = (f64, &[Complex64])> {
        self.weights.iter().copied().zip(self.vectors.chunks_exact(d.max(1)))
    }

    /// What is not in the vectors, d × d row by row; empty if nothing is.
    pub fn matrix(&self) -> &[Complex64] {
        &self.matrix
    }

    /// The sum as a d × d matrix.
    pub fn total(&self, d: usize) -> Mat<Complex64> {
        BlockSums::sum([self].into_iter(), d, 1.0)
    }

    /// Tr ρO of this sum ρ, for Hermitian O, d × d.
    pub fn trace(&self, o: MatRef<'_, Complex64>) -> f64 {
        let d = o.nrows();
        let row = |(j, line): (usize, &[Complex64])| -> f64 {
            line.iter().zip(o.col(j).iter()).map(|(s, o)| s.re * o.re - s.im * o.im).sum()
        };
        let of_matrix: f64 = self.matrix.chunks_exact(d.max(1)).enumerate().map(row).sum();
        if self.weights.is_empty() {
            return of_matrix;
        }
        let vectors = MatRef::from_column_major_slice(&self.vectors, d, self.weights.len());
        let mut image = Mat::<Complex64>::zeros(d, self.weights.len());
        matmul(image.as_mut(), Accum::Replace, o, vectors, Complex64::ONE, Par::Seq);
        let of_vector = |k: usize| -> f64 {
            vectors.col(k).iter().zip(image.col(k).iter()).map(|(v, x)| v.re * x.re + v.im * x.im).sum()
        };
        of_matrix + (0..self.weights.len()).map(|k| self.weights[k] * of_vector(k)).sum::<f64>()
    }

    /// ⟨i|ρ|i⟩ of this sum.
    pub fn diagonal(&self, d: usize, i: usize) -> f64 {
        let of_matrix = self.matrix.get(i * d + i).map_or(0.0, |x| x.re);
        of_matrix + self.vectors(d).map(|(w, v)| w * v[i].norm_sqr()).sum::<f64>()
    }

    fn scale(&mut self, by: f64) {
        self.weights.iter_mut().for_each(|weight| *weight *= by);
        self.matrix.iter_mut().for_each(|x| *x *= by);
    }

    fn merge(&mut self, d: usize, later: Self) {
        if !later.matrix.is_empty() {
            self.matrix_mut(d).iter_mut().zip(&later.matrix).for_each(|(m, t)| *m += t);
        }
        for (weight, v) in later.vectors(d) {
            self.add(d, weight, v.iter().copied().enumerate());
        }
    }
}

/// Add Σ_k c_k|v_k⟩⟨v_k| of the columns of `vectors`, d × n, to a d × d matrix.
pub fn add_projectors(into: MatMut<'_, Complex64>, vectors: MatRef<'_, Complex64>, c: impl Fn(usize) -> f64) {
    let scaled = Mat::from_fn(vectors.nrows(), vectors.ncols(), |i, k| vectors[(i, k)] * c(k));
    matmul(into, Accum::Add, scaled.as_ref(), vectors.adjoint(), Complex64::ONE, Par::Seq);
}

/// One block: the sums of each group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockSums {
    /// What its basis stands for.
    pub shape: BlockShape,
    /// Of each group.
    pub groups: Vec<GroupSum>,
}

/// The averaged density matrix of one part at one row: that of a block is the sum of its groups over Σw of all groups,
/// and stands for all equal copies of the block together. The traces of all blocks add up to 1; of single cells and
/// edges each is 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Density {
    /// Σw of each group, [`GROUPS`] of them at most.
    pub weights: Vec<f64>,
    /// The blocks that were visited.
    pub blocks: BTreeMap<Label, BlockSums>,
}

impl BlockSums {
    /// Dimension d of the block.
    pub fn dimension(&self) -> usize {
        self.shape.energies.len()
    }

    /// The sum of `group`, to be added to.
    pub fn group_mut(&mut self, group: usize) -> &mut GroupSum {
        if self.groups.len() <= group {
            self.groups.resize(group + 1, GroupSum::default());
        }
        &mut self.groups[group]
    }

    /// Σ over the groups that `takes`, times `scale`: d × d.
    pub fn total(&self, scale: f64, takes: &dyn Fn(usize) -> bool) -> Mat<Complex64> {
        let taken = self.groups.iter().enumerate().filter(|(g, _)| takes(*g)).map(|(_, group)| group);
        Self::sum(taken, self.dimension(), scale)
    }

    fn sum<'a>(groups: impl Iterator<Item = &'a GroupSum>, d: usize, scale: f64) -> Mat<Complex64> {
        let mut sum = Mat::<Complex64>::zeros(d, d);
        let (mut weights, mut vectors) = (Vec::new(), Vec::new());
        for group in groups {
            for (i, line) in group.matrix().chunks_exact(d.max(1)).enumerate() {
                line.iter().enumerate().for_each(|(j, x)| sum[(i, j)] += x * scale);
            }
            for (weight, v) in group.vectors(d) {
                weights.push(weight);
                vectors.extend_from_slice(v);
            }
        }
        if !weights.is_empty() {
            let vectors = MatRef::from_column_major_slice(&vectors, d, weights.len());
            add_projectors(sum.as_mut(), vectors, |k| weights[k] * scale);
        }
        sum
    }

    /// √w·ψ of all vectors of the groups that `takes`, equal ones counted once: the sum is this times its adjoint. `None`
    /// where some of it is a matrix, or there are about as many vectors as states.
    pub fn factor(&self, scale: f64, takes: &dyn Fn(usize) -> bool) -> Option<Mat<Complex64>> {
        let d = self.dimension();
        let mut distinct: Vec<(f64, &[Complex64])> = Vec::new();
        for (_, group) in self.groups.iter().enumerate().filter(|(g, _)| takes(*g)) {
            if !group.matrix().is_empty() {
                return None;
            }
            for (weight, v) in group.vectors(d) {
                match distinct.iter_mut().find(|(_, known)| *known == v) {
                    Some((sum, _)) => *sum += weight,
                    None => distinct.push((weight, v)),
                }
            }
        }
        let few = distinct.len() < d * 3 / 4;
        few.then(|| Mat::from_fn(d, distinct.len(), |i, k| distinct[k].1[i] * (distinct[k].0 * scale).sqrt()))
    }
}

impl Density {
    /// Count `weight` more in `group`.
    pub fn count(&mut self, group: usize, weight: f64) {
        if self.weights.len() <= group {
            self.weights.resize(group + 1, 0.0);
        }
        self.weights[group] += weight;
    }

    /// The block called `label`, made with `shape` when it is new.
    pub fn block(&mut self, label: &Label, shape: impl FnOnce() -> BlockShape) -> &mut BlockSums {
        if !self.blocks.contains_key(label) {
            self.blocks.insert(label.clone(), BlockSums { shape: shape(), groups: Vec::new() });
        }
        self.blocks.entry(label.clone()).or_default()
    }

    /// The state of all trajectories where this one is that of a `share` of them and `known`, whose weights are
    /// probabilities, that of the others: each group gets the part of the known that goes with its weight.
    pub fn completed(&self, share: f64, known: &Self) -> Self {
        let mut all = self.clone();
        for sums in all.blocks.values_mut() {
            sums.groups.iter_mut().for_each(|group| group.scale(share));
        }
        for (label, sums) in &known.blocks {
            let d = sums.dimension();
            let mine =
                all.blocks.entry(label.clone()).or_insert_with(|| BlockSums { groups: Vec::new(), ..sums.clone() });
            for (group, weight) in self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
                for part in sums.groups.iter().filter(|part| !part.is_empty()) {
                    let mut part = part.clone();
                    part.scale(*weight);
                    mine.group_mut(group).merge(d, part);
                }
            }
        }
        all
    }

    /// Add what was recorded after this.
    pub fn merge(&mut self, later: Self) {
        for (group, weight) in later.weights.into_iter().enumerate() {
            self.count(group, weight);
        }
        for (label, theirs) in later.blocks {
            let BlockSums { shape, groups } = theirs;
            let mine = self.block(&label, || shape);
            let d = mine.dimension();
            for (group, sum) in groups.into_iter().enumerate().filter(|(_, sum)| !sum.is_empty()) {
                mine.group_mut(group).merge(d, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random amplitudes.
    fn vector(seed: usize, d: usize) -> Vec<Complex64> {
        let x = |i: usize| ((seed * 7919 + i * 104_729) as f64 * 0.618_033_988_75).fract() - 0.5;
        (0..d).map(|i| Complex64::new(x(2 * i), x(2 * i + 1))).collect()
    }

    /// Few vectors, many, equal ones, and a matrix beside them: the sum, its traces and its diagonal are those of the
    /// definition.
    #[test]
    fn sums_are_those_of_the_definition() {
        for (d, count) in [(4, 3), (4, 40), (20, 3), (20, 40), (64, 10), (64, 100)] {
            let mut block = BlockSums {
                shape: BlockShape { ln_copies: 0.0, energies: (0..d).map(|i| i as f64).collect() },
                groups: vec![],
            };
            let mut expected = Mat::<Complex64>::zeros(d, d);
            for k in 0..count {
                // Every third vector is the same.
                let (v, weight) = (vector(if k % 3 == 0 { 0 } else { k }, d), 1.0 + k as f64);
                block.group_mut(k % 2).add(d, weight, v.iter().copied().enumerate());
                for (i, j) in (0..d).flat_map(|i| (0..d).map(move |j| (i, j))) {
                    expected[(i, j)] += v[i] * v[j].conj() * weight;
                }
            }
            let o = {
                let x = Mat::from_fn(d, d, |i, j| vector(1000 + i, d)[j]);
                Mat::from_fn(d, d, |i, j| x[(i, j)] + x[(j, i)].conj())
            };
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * count as f64, "{d} {count}: {a} and {b}");
            let found = block.total(1.0, &|_| true);
            for (i, j) in (0..d).flat_map(|i| (0..d).map(move |j| (i, j))) {
                assert!((found[(i, j)] - expected[(i, j)]).norm() < 1e-9 * count as f64, "{d} {count}: {i} {j}");
            }
            let trace =
                (0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| (expected[(i, j)] * o[(j, i)]).re);
            close(block.groups.iter().map(|g| g.trace(o.as_ref())).sum(), trace.sum());
            close(block.groups.iter().map(|g| g.diagonal(d, 2)).sum(), expected[(2, 2)].re);
            if let Some(factor) = block.factor(1.0, &|_| true) {
                let again = &factor * factor.adjoint();
                assert!((again[(1, 2)] - expected[(1, 2)]).norm() < 1e-9 * count as f64, "{d} {count}");
            }
            assert_eq!(block.factor(1.0, &|_| true).is_some(), (d, count) == (20, 3) || (d, count) == (64, 10));
            let mut merged = BlockSums { groups: vec![], ..block.clone() };
            for (g, sum) in block.groups.iter().enumerate() {
                merged.group_mut(g).merge(d, sum.clone());
            }
            assert!((merged.total(1.0, &|g| g == 1)[(3, 1)] - block.total(1.0, &|g| g == 1)[(3, 1)]).norm() < 1e-9);
        }
    }
}
