//! The jumps of one trajectory, where they are kept.

use crate::problem::{Channel, Problem};
use crate::space::blocks::{Blocks, Slot};

/// One jump.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Click {
    /// Time since the step began.
    pub time: f64,
    /// Index of the channel.
    pub channel: usize,
    /// 2J before and after it, of the first ensemble that the channel acts on; `None` where cells have no J.
    pub two_j: Option<[u64; 2]>,
}

/// Whoever wants to know of jumps on the ladder; `()` does not, and costs nothing.
pub trait Log {
    /// A jump took 2J from `before` to `after`.
    fn jump(&mut self, time: f64, channel: usize, before: f64, after: f64);
}

impl Log for () {
    #[inline(always)]
    fn jump(&mut self, _: f64, _: usize, _: f64, _: f64) {}
}

impl Log for Vec<Click> {
    fn jump(&mut self, time: f64, channel: usize, before: f64, after: f64) {
        self.push(Click { time, channel, two_j: Some([before as u64, after as u64]) });
    }
}

/// Of each channel the slot of the ensemble whose J its jumps are told with.
pub fn spin_slots(of: &Blocks) -> Vec<Option<usize>> {
    let slot = |channel: &Channel| {
        let operator = channel.whole();
        let factors = operator.terms.iter().flat_map(|term| &term.factors).map(|factor| factor.subsystem);
        let mut ensembles = channel.reach.cells_of().into_iter().chain(factors);
        ensembles.find_map(|e| {
            let mut slots = of.layout.of[e.index()].clone();
            slots.find(|slot| matches!(of.layout.slots[*slot], Slot::Spin { .. }))
        })
    };
    let problem: &Problem = of.problem();
    problem.channels.iter().map(slot).collect()
}
