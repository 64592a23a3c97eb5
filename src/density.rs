//! Averaged reduced density matrices from trajectories, block by block, kept in groups of trajectories so that a number
//! that is not linear in ρ gets its interval from how the groups scatter.

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
    /// Energy of each basis state under the Hamiltonian Σωn of the part.
    pub energies: Vec<f64>,
}

/// One block: Σ w|ψ⟩⟨ψ| over the trajectories of each group, d × d row by row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockSums {
    /// What its basis stands for.
    pub shape: BlockShape,
    /// Of each group, the matrix; empty where no trajectory of the group was ever in the block.
    pub groups: Vec<Vec<Complex64>>,
}

/// The averaged density matrix of one part at one row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Density {
    /// Σw of each group.
    pub weights: Vec<f64>,
    /// The blocks that were visited.
    pub blocks: BTreeMap<Label, BlockSums>,
}

impl BlockSums {
    /// Dimension d of the block.
    pub fn dimension(&self) -> usize {
        self.shape.energies.len()
    }

    /// The sums of `group`, to be added to.
    pub fn group_mut(&mut self, group: usize) -> &mut [Complex64] {
        let size = self.dimension().pow(2);
        if self.groups.len() <= group {
            self.groups.resize(group + 1, Vec::new());
        }
        if self.groups[group].is_empty() {
            self.groups[group] = vec![Complex64::ZERO; size];
        }
        &mut self.groups[group]
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

    /// Add what was recorded after this.
    pub fn merge(&mut self, later: Self) {
        for (group, weight) in later.weights.into_iter().enumerate() {
            self.count(group, weight);
        }
        for (label, theirs) in later.blocks {
            let BlockSums { shape, groups } = theirs;
            let mine = self.block(&label, || shape);
            for (group, sums) in groups.into_iter().enumerate().filter(|(_, sums)| !sums.is_empty()) {
                mine.group_mut(group).iter_mut().zip(sums).for_each(|(m, t)| *m += t);
            }
        }
    }
}
