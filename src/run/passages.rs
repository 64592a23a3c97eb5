//! First passages: when each trajectory of a batch first has a number beyond a level, to rounding.
//!
//! Between two rows a trajectory is followed a second time, by itself, from jump to jump: numbers change suddenly at jumps, and
//! smoothly between them, where the middle and both ends of each piece are looked at and a crossing is found by bisection.
//! What crosses a level and comes back within half of such a piece is not seen.

use crate::error::RunError;
use crate::problem::{Beyond, Passage, Problem};
use crate::unravel::Batch;
use crate::unravel::trajectory::Moment;

/// By this part of the time between two rows a state is looked at before and after a jump.
const BESIDE: f64 = 1e-10;
/// By this part of the level and of all values that a number can have rounding may move it.
const ROUNDING: f64 = 1e-12;
/// Halvings of a piece: to 1e-9 of it.
const HALVINGS: usize = 30;

/// A number in a trajectory and a level of it.
#[derive(Clone, Copy, Debug)]
struct Level {
    average: usize,
    factor: f64,
    beyond: Beyond,
    level: f64,
    /// What rounding may take from it.
    rounding: f64,
}

impl Level {
    fn is_passed<B: Batch>(self, alone: &B, step: usize) -> bool {
        let mut value = [0.0];
        alone.linear(self.average, step, &mut value);
        self.beyond.holds(self.factor * value[0], self.level, self.rounding)
    }
}

/// The passages of a batch.
#[derive(Debug)]
pub(super) struct Passages<B> {
    levels: Vec<Level>,
    /// When, trajectory by trajectory; infinite until it happens.
    pub times: Vec<f64>,
    /// At or before which row; the largest number until it happens.
    pub rows: Vec<u64>,
    /// Each trajectory at the last row, as long as something has yet to happen to it, and the time of that row.
    before: Vec<Option<B>>,
    since: f64,
}

impl<B: Batch + Clone> Passages<B> {
    pub fn new(problem: &Problem, trajectories: usize) -> Self {
        let linear = problem.linear();
        let level = |passage: &Passage| {
            let (of, factor) = problem.of_single(&passage.quantity)?;
            let average = linear.iter().position(|known| *known == of)?;
            let (lo, hi) = of.range(problem);
            let width = if (hi - lo).is_finite() { factor.abs() * (hi - lo) } else { 0.0 };
            let rounding = ROUNDING * (passage.level.abs() + width);
            Some(Level { average, factor, beyond: passage.beyond, level: passage.level, rounding })
        };
        let levels: Vec<Level> = problem.record.first_passage.iter().filter_map(level).collect();
        let (all, before) = (trajectories * levels.len(), vec![None; trajectories]);
        Self { levels, times: vec![f64::INFINITY; all], rows: vec![u64::MAX; all], before, since: 0.0 }
    }

    /// Look at what happened since the last row.
    ///
    /// # Errors
    /// As [`Batch::evolve`].
    pub fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        if self.levels.is_empty() {
            return Ok(());
        }
        for k in 0..self.before.len() {
            let own = k * self.levels.len()..(k + 1) * self.levels.len();
            let mut times = self.times[own.clone()].to_vec();
            let before = self.before[k].take();
            if times.iter().all(|time| time.is_finite()) {
                continue;
            }
            let mut seen = Seen { levels: &self.levels, times: &mut times, moment };
            match before.filter(|_| moment.since > 0.0) {
                Some(before) => {
                    let clicks = batch.clicks(k);
                    let new = &clicks[clicks.partition_point(|click| click.time <= self.since)..];
                    seen.follow(before, self.since, new.iter().map(|click| click.time))?;
                }
                None => seen.look(&batch.alone(k), moment.since),
            }
            if times.iter().any(|time| time.is_infinite()) {
                self.before[k] = Some(batch.alone(k));
            }
            for ((row, time), known) in self.rows[own.clone()].iter_mut().zip(&times).zip(&mut self.times[own]) {
                if known.is_infinite() && time.is_finite() {
                    (*row, *known) = (moment.row as u64, *time);
                }
            }
        }
        self.since = moment.since;
        Ok(())
    }
}

/// One trajectory between two rows.
struct Seen<'a> {
    levels: &'a [Level],
    times: &'a mut [f64],
    /// The later row.
    moment: &'a Moment,
}

impl Seen<'_> {
    /// Whatever is passed in this state, at time `since` of the step, is passed now if it was not before.
    fn look<B: Batch>(&mut self, alone: &B, since: f64) {
        let now = self.moment.time - self.moment.since + since;
        for (time, level) in self.times.iter_mut().zip(self.levels) {
            if time.is_infinite() && level.is_passed(alone, self.moment.step) {
                *time = now;
            }
        }
    }

    /// Go from `since` to the later row again, past these jumps.
    fn follow<B: Batch + Clone>(
        &mut self,
        mut here: B,
        mut since: f64,
        clicks: impl Iterator<Item = f64>,
    ) -> Result<(), RunError> {
        let (step, end) = (self.moment.step, self.moment.since);
        let beside = BESIDE * (end - since);
        for click in clicks {
            self.smooth(&mut here, &mut since, click - beside)?;
            here.evolve(step, (click + beside).min(end))?;
            self.look(&here, click);
            since = (click + beside).min(end);
            if self.times.iter().all(|time| time.is_finite()) {
                return Ok(());
            }
        }
        self.smooth(&mut here, &mut since, end)?;
        self.look(&here, end);
        Ok(())
    }

    /// Go on to `until` without a jump.
    fn smooth<B: Batch + Clone>(&mut self, here: &mut B, since: &mut f64, until: f64) -> Result<(), RunError> {
        if until <= *since {
            return Ok(());
        }
        for goal in [0.5 * (*since + until), until] {
            let mut there = here.clone();
            there.evolve(self.moment.step, goal)?;
            for (at, level) in self.levels.iter().enumerate() {
                if self.times[at].is_infinite() && level.is_passed(&there, self.moment.step) {
                    let crossing = self.crossing(*level, here, (*since, goal))?;
                    self.times[at] = self.moment.time - self.moment.since + crossing;
                }
            }
            (*here, *since) = (there, goal);
        }
        Ok(())
    }

    /// When a level is passed, by bisection.
    fn crossing<B: Batch + Clone>(
        &self,
        level: Level,
        from: &B,
        (mut low, mut high): (f64, f64),
    ) -> Result<f64, RunError> {
        let mut below = from.clone();
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            let mut there = below.clone();
            there.evolve(self.moment.step, middle)?;
            if level.is_passed(&there, self.moment.step) {
                high = middle;
            } else {
                (low, below) = (middle, there);
            }
        }
        Ok(high)
    }
}
