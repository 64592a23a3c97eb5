//! Trajectories of a batch that go from a row to the next together, as the columns of one product. Most rows have no jump
//! before them; those with one are left to the trajectory itself.

use super::{BlockJump, Walker};
use crate::evolve::{Failed, LANES, Propagator, Workspace};
use crate::problem::Step;
use crate::space::blocks::BlockStep;
use crate::stop::Stop;
use crate::unravel::stream::Stream;

/// Fewest states that go side by side: fewer are quicker one by one.
const FEWEST_LANES: usize = 3;

impl BlockJump {
    /// Take to the row at `until` those of the trajectories `moving` that get there without a jump, [`LANES`] at a time where
    /// blocks and places in time are the same; the others are left in the list.
    pub(super) fn carry(
        &self,
        walkers: &mut [Walker],
        moving: &mut Vec<usize>,
        (stage, until): (usize, f64),
        work: &mut Workspace,
        stop: &Stop,
    ) -> Result<(), Failed> {
        if !self.sized().1 {
            return Ok(());
        }
        let place = |walkers: &[Walker], k: usize| (walkers[k].local.block.id, walkers[k].flight.time.to_bits());
        moving.sort_unstable_by_key(|k| place(walkers, *k));
        let (mut left, mut next) = (0, 0);
        while next < moving.len() {
            let first = moving[next];
            let same = |k: &&usize| place(walkers, **k) == place(walkers, first);
            let group = next..next + moving[next..].iter().take(LANES).take_while(same).count();
            next = group.end;
            let width = until - walkers[first].flight.time;
            let mut norms = None;
            if group.len() >= FEWEST_LANES && width > 0.0 {
                stop.check()?;
                let local = walkers[first].local.clone();
                let states = moving[group.clone()].iter().map(|k| &walkers[*k].flight.psi[..]);
                norms = self.propagator(&local, stage, stop)?.side_by_side(width, states, work);
            }
            for (lane, place) in group.enumerate() {
                let walker = &mut walkers[moving[place]];
                match norms.map(|norms| norms[lane]) {
                    Some(norm) if norm > walker.threshold && norm.is_finite() => {
                        work.lane(lane, &mut walker.flight.psi);
                        (walker.flight.norm, walker.flight.time) = (norm, until);
                    }
                    found => {
                        walker.end = found.filter(|norm| norm.is_finite());
                        moving[left] = moving[place];
                        left += 1;
                    }
                }
            }
        }
        moving.truncate(left);
        Ok(())
    }

    /// Work of a trajectory in jumps of the ladder, and whether several go side by side, judged by the first one of seed 0.
    pub(super) fn sized(&self) -> (f64, bool) {
        *self.work.get_or_init(|| {
            let drawn = self.blocks.start.draw(&self.blocks, Stream::new(0, 0).rng());
            let (block, problem) = (&self.blocks.get(drawn.block), self.blocks.problem());
            let (mut all, mut beside) = (0.0, false);
            for (step, kind) in problem.protocol.steps.iter().zip(&self.blocks.steps) {
                if let (Step::Evolve { rows, duration, .. }, BlockStep::Evolve(stage)) = (step, kind) {
                    let (spacings, mean) = (&self.spacings[*stage], duration / rows.len() as f64);
                    all += rows.len() as f64 * Propagator::cost_of(&self.blocks, block, *stage, spacings, mean);
                    beside |= Propagator::goes_side_by_side(&self.blocks, block, *stage, spacings);
                }
            }
            // A jump of the ladder costs about ten multiplications.
            (0.1 * all * problem.protocol.repeat as f64 + 1.0, beside)
        })
    }
}
