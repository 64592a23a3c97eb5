//! How one run unfolds: the conditional states of a batch of trajectories, and what an unraveling does to them.
//!
//! The two are apart. [`States`] is what anyone may read, whoever evolves it; [`Batch`] adds what happens to it. A batch
//! is a type of the unraveling's own, so that it may be a list of vectors, one array for all its trajectories, or memory
//! of another device.

pub mod along;
pub mod banded;
pub mod block_jump;
pub mod click;
pub mod engine;
pub mod ladder_jump;
pub mod no_jump;
mod path;
mod readout;
pub mod stream;
pub mod trajectory;

pub use readout::NO_SHOTS;

use crate::battery::DickeKey;
use crate::density::Density;
use crate::error::RunError;
use crate::stop::Stop;
use click::Click;
use no_jump::{NoJump, Which};
use num_complex::Complex64;
use std::ops::Range;

/// The conditional states of a batch of trajectories at one time.
pub trait States {
    /// How many there are.
    fn trajectories(&self) -> usize;

    /// Linear average number `average` (in the order of [`Problem::linear`](crate::problem::Problem::linear)) in each
    /// trajectory's state, at a row of step `step`.
    fn linear(&self, average: usize, step: usize, out: &mut [f64]);

    /// Add the weighted states, reduced as number `reduction` says, to `group` of `into`. The numbers are those of
    /// [`Problem::reductions`](crate::problem::Problem::reductions); one beyond them is the state of the battery, two
    /// beyond them, where there is an audit, that of the whole system.
    fn density(&self, _weights: &[f64], _reduction: usize, _group: usize, _into: &mut Density) {}

    /// The battery's cell on the ladder in trajectory `k`: (2J, J+M) of each of its ensembles. `None` where states are
    /// vectors, see [`density`](Self::density).
    fn cell(&self, _k: usize) -> Option<DickeKey> {
        None
    }

    /// The battery in trajectory `k` where it is one spin in a superposition: the amplitudes of its levels, M from −J up, for
    /// each state of the rest. Returns ‖ψ‖², which all of them together have; `None` of another battery.
    fn battery_spin(&self, _k: usize, _take: &mut dyn FnMut(&[Complex64])) -> Option<f64> {
        None
    }

    /// The normalised vector of trajectory `k`: `take` hears of the levels of all tensor factors with their amplitude. False
    /// where states are not kept by product states.
    fn amplitudes(&self, _k: usize, _take: &mut dyn FnMut(&[usize], Complex64)) -> bool {
        false
    }

    /// What a projective measurement of H_B in trajectory `k` can give: `take` hears of energies with their probabilities,
    /// one energy more than once. Of none if every state is one of definite energy.
    ///
    /// # Errors
    /// As [`Unraveling::check_measured`], of the state that `k` has come to.
    fn energy_outcomes(&self, _k: usize, _take: &mut dyn FnMut(f64, f64)) -> Result<(), RunError> {
        Ok(())
    }

    /// ⟨H₀⟩ of trajectory `k`, the energy of the whole system (`docs/physics.md` §3.5); NaN where it is not known.
    fn whole_energy(&self, _k: usize) -> f64 {
        f64::NAN
    }

    /// How fast the Hamiltonian, each drive and each channel change it as long as nothing jumps, at time `t` of step `step`,
    /// which began at `start`. False where it changes at jumps alone: then `out` stays as it is.
    fn energy_rates(&self, _k: usize, _step: usize, _time: (f64, f64), _out: &mut [f64]) -> bool {
        false
    }
}

/// What an unraveling does to a batch of states.
pub trait Batch: States {
    /// Begin a step of the protocol: apply its pulse or reset, or set the jump counts to 0. A timed one begins at `start`,
    /// in time since the run began.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] soon after the batch's [`Stop`] was raised.
    fn begin(&mut self, step: usize, start: f64) -> Result<(), RunError>;

    /// Evolve to time `until` since the timed step began. Where the rows lie must not change a path.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] soon after the batch's [`Stop`] was raised, also within one trajectory;
    /// [`RunError::Numerics`] when a state is none any more.
    fn evolve(&mut self, step: usize, until: f64) -> Result<(), RunError>;

    /// Close a timed step of `duration`.
    fn finish(&mut self, _step: usize, _duration: f64) {}

    /// Jumps of each channel in trajectory `k` since the step began.
    fn counts(&self, k: usize) -> &[u64];

    /// A uniform variate from the own stream of trajectory `k`.
    fn variate(&mut self, k: usize) -> f64;

    /// Keep jumps from now on.
    fn keep_clicks(&mut self);

    /// The jumps of trajectory `k` since the step began, in their order; none unless they are kept.
    fn clicks(&self, k: usize) -> &[Click];

    /// Trajectory `k` by itself, from where it is: it goes the same way.
    fn alone(&self, k: usize) -> Self
    where
        Self: Sized;

    /// Let trajectory `k` draw from stream `number` of `seed` from now on, as if that trajectory had come here. At a time
    /// `now` of a step, to which it has just evolved, its next jump is drawn anew as well, from its law given that it has
    /// not come yet; without one, the jump that is due still comes when it was to.
    fn renew(&mut self, k: usize, stream: (u64, u64), now: Option<(usize, f64)>);
}

/// A representation with its unraveling, ready to make trajectories. Nothing it answers depends on what it has made
/// before.
pub trait Unraveling: Sync {
    /// Its batches.
    type Batch<'a>: Batch + Clone
    where
        Self: 'a;

    /// Draw the initial states of `trajectories`, each from its own random stream, or those of which is asked for. `stop`
    /// ends their evolution.
    fn start_of(&self, which: Which, seed: u64, trajectories: Range<u64>, stop: &Stop) -> Self::Batch<'_>;

    /// The same of trajectories as they come.
    fn start(&self, seed: u64, trajectories: Range<u64>, stop: &Stop) -> Self::Batch<'_> {
        self.start_of(Which::Any, seed, trajectories, stop)
    }

    /// How likely it is that nothing ever happens; `None` where that cannot be had, or is not worth the while.
    ///
    /// # Errors
    /// [`RunError::Interrupted`]; [`RunError::Numerics`] when a state is none any more.
    fn no_jump(&self, _stop: &Stop) -> Result<Option<NoJump>, RunError> {
        Ok(None)
    }

    /// Whether the battery is one spin in superpositions (see [`States::battery_spin`]).
    fn has_battery_spin(&self) -> bool {
        false
    }

    /// The probability of each pure initial state, and that nothing ever happens to it, however little that is; `None`
    /// where it cannot be had.
    ///
    /// # Errors
    /// As [`no_jump`](Self::no_jump).
    fn survival(&self, _stop: &Stop) -> Result<Option<Vec<(f64, f64)>>, RunError> {
        Ok(None)
    }

    /// Whether every state is one of a definite cell (J, M), so that averages are kept as occupations.
    fn is_diagonal(&self) -> bool {
        false
    }

    /// Complex numbers in one row and one group of the density matrix number `reduction`, at most.
    fn density_elements(&self, _reduction: usize) -> f64 {
        0.0
    }

    /// Whether the eigenstates of H_B are few enough to measure it, among the states that the first trajectory starts in.
    ///
    /// # Errors
    /// [`RunError::TooLarge`] with the number of states that a battery Hamiltonian of the problem's own couples.
    fn check_measured(&self) -> Result<(), RunError> {
        Ok(())
    }

    /// Jumps of one trajectory, to order of magnitude: what sizes a batch.
    fn work(&self) -> f64;

    /// Fewest trajectories in a batch: as many as go side by side.
    fn fewest_in_batch(&self) -> u64 {
        1
    }

    /// Most trajectories in a batch: their states should stay in the second-level cache, or at least in memory.
    fn most_in_batch(&self) -> u64 {
        256
    }
}
