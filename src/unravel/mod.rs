//! What an unraveling draws and does.

pub mod banded;
pub mod block_jump;
pub mod engine;
pub mod ladder_jump;
mod path;
pub mod propagate;
mod readout;
pub mod stream;

use crate::battery::CellKey;
use crate::density::Density;

/// A representation with its unraveling: what the loop asks of it, a batch of trajectories at a time, so that
/// trajectories may share work.
pub trait Advance: Sync {
    /// One trajectory: state, clocks, random numbers, jump counts.
    type Walker: Send;

    /// Draw the initial state of a trajectory from its own random stream.
    fn start(&self, seed: u64, trajectory: u64) -> Self::Walker;

    /// Begin a step of the protocol: apply its pulse, or set the jump counts to 0.
    fn begin(&self, batch: &mut [Self::Walker], step: usize);

    /// Evolve to time `until` since the timed step began. Where the rows lie must not change a path.
    fn advance(&self, batch: &mut [Self::Walker], step: usize, until: f64);

    /// Close a timed step of `duration`.
    fn finish(&self, batch: &mut [Self::Walker], step: usize, duration: f64);

    /// Linear average number `slot` (in the order of [`Problem::linear`](crate::problem::Problem::linear)) in each trajectory's state.
    fn observe(&self, batch: &[Self::Walker], slot: usize, step: usize, out: &mut [f64]);

    /// Whether every state is one of a definite cell (J, M), so that averages are kept as occupations.
    fn is_diagonal(&self) -> bool {
        false
    }

    /// The battery's cell on the ladder: (2J, J+M) of each of its ensembles. `None` elsewhere, see [`density`](Self::density).
    fn cell(&self, walker: &Self::Walker) -> Option<CellKey>;

    /// Add the weighted states of a batch, reduced as number `reduction` of
    /// [`Problem::reductions`](crate::problem::Problem::reductions) says, to `group` of `into`.
    fn density(&self, _: &[Self::Walker], _: &[f64], _reduction: usize, _group: usize, _into: &mut Density) {}

    /// Complex numbers in the density matrices of one row and one group, at most; 0 if none are kept.
    fn density_elements(&self) -> f64 {
        0.0
    }

    /// A projective measurement of H_B whose outcome the uniform variate `share` decides; `None` if every state is one of
    /// definite energy.
    fn energy_outcome(&self, _: &Self::Walker, _share: f64) -> Option<f64> {
        None
    }

    /// A uniform variate from the trajectory's own stream, for that measurement at the end.
    fn share(&self, walker: &mut Self::Walker) -> f64;

    /// Statistical weight of the trajectory, 1 in plain sampling.
    fn weight(&self, _: &Self::Walker) -> f64 {
        1.0
    }

    /// Jumps of one trajectory, to order of magnitude: what sizes a batch.
    fn work(&self) -> f64;

    /// Most trajectories in a batch; the walkers should stay in the second-level cache.
    fn most_in_batch(&self) -> u64 {
        256
    }

    /// Jumps of each channel since the step began.
    fn counts<'a>(&self, walker: &'a Self::Walker) -> &'a [u64];
}
