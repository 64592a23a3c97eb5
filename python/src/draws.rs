//! Which trajectories a run makes: from which number on, and with the branch without jumps followed exactly or sampled.

use leyden::RunError;
use leyden::stop::Stop;
use leyden::unravel::Unraveling;
use leyden::unravel::engine::{Engine, EngineBatch};
use leyden::unravel::no_jump::{NoJump, Which};
use std::ops::Range;

/// An engine whose trajectory k is number `first` + k of all.
pub struct Draws<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The number of the first trajectory.
    pub first: u64,
    /// Whether trajectories that never jump are sampled like all others.
    pub plain: bool,
    /// Most trajectories in a batch, where a run may have to stop soon.
    pub most: Option<u64>,
}

impl Unraveling for Draws<'_> {
    type Batch<'a>
        = EngineBatch<'a>
    where
        Self: 'a;

    fn start_of(&self, which: Which, seed: u64, trajectories: Range<u64>, stop: &Stop) -> EngineBatch<'_> {
        let first = if matches!(which, Which::Never) { 0 } else { self.first };
        self.engine.start_of(which, seed, trajectories.start + first..trajectories.end + first, stop)
    }

    fn no_jump(&self, stop: &Stop) -> Result<Option<NoJump>, RunError> {
        if self.plain { Ok(None) } else { self.engine.no_jump(stop) }
    }

    fn survival(&self, stop: &Stop) -> Result<Option<Vec<(f64, f64)>>, RunError> {
        self.engine.survival(stop)
    }

    fn has_battery_spin(&self) -> bool {
        self.engine.has_battery_spin()
    }

    fn is_diagonal(&self) -> bool {
        self.engine.is_diagonal()
    }

    fn density_elements(&self, reduction: usize) -> f64 {
        self.engine.density_elements(reduction)
    }

    fn check_measured(&self) -> Result<(), RunError> {
        self.engine.check_measured()
    }

    fn work(&self) -> f64 {
        self.engine.work()
    }

    fn most_in_batch(&self) -> u64 {
        self.engine.most_in_batch().min(self.most.unwrap_or(u64::MAX))
    }
}
