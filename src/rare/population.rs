//! One population: trajectories that are cloned where they come nearer to the event and given up where they leave it.
//!
//! P. Del Moral and J. Garnier, Ann. Appl. Probab. 15, 2496 (2005), with weights h_k(x_k)/h_{k−1}(x_{k−1}) at every row k.
//! Whatever positive function h is, as long as it was fixed beforehand, the mean of 1{event}/h over the last trajectories times
//! the mean weights at all selections is a number whose expectation is the probability of the event.

use super::guide::{Guide, Move, Place, ln_mean};
use super::question::Question;
use crate::error::RunError;
use crate::problem::{Axis, Gate, Initial, Problem, SubsystemId};
use crate::protocol::{Evolve, Moment, Span, walk};
use crate::stop::Stop;
use crate::unravel::no_jump::{NoJump, Which};
use crate::unravel::stream::Stream;
use crate::unravel::{Batch, Unraveling};

/// Selection waits until the weights of a population are as uneven as those of so small a part of it would be.
const UNEVEN: f64 = 0.5;

/// What all populations of an event have in common.
pub(super) struct Setting<'a, U> {
    pub engine: &'a U,
    /// The problem, with the rows at which trajectories are selected.
    pub problem: &'a Problem,
    pub question: &'a Question,
    /// The branch without jumps, if trajectories are those that jump at least once.
    pub no_jump: Option<&'a NoJump>,
    pub stop: &'a Stop,
}

/// One trajectory, in a batch of its own.
struct Walker<B> {
    batch: B,
    /// What it has counted before the step under way.
    counted: f64,
    jumped: bool,
    /// The number of the trajectory at the start that it descends from.
    root: usize,
    ln_weight: f64,
    ln_guide: f64,
    place: Place,
    /// What a measurement of H_B finds at the end, with probabilities; none where it is not measured.
    outcomes: Vec<(f64, f64)>,
}

/// How a trajectory of a population ended, or how it may be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub value: f64,
    /// ln of what it counts for, of the population.
    pub ln_weight: f64,
    pub root: usize,
}

/// What came of a population.
#[derive(Clone, Debug)]
pub(super) struct Grown {
    pub ends: Vec<End>,
    /// How the quantity moved from each row to the next, if that was to be kept.
    pub moves: Vec<Vec<Move>>,
}

impl Grown {
    /// The mean of `of` over all trajectories.
    pub fn mean(&self, of: impl Fn(f64) -> bool) -> f64 {
        self.ends.iter().filter(|end| of(end.value)).map(|end| end.ln_weight.exp()).sum()
    }

    /// How many trajectories at the start those descend from that end as `of` says.
    pub fn roots(&self, of: impl Fn(f64) -> bool) -> usize {
        let mut roots: Vec<usize> = self.ends.iter().filter(|end| of(end.value)).map(|end| end.root).collect();
        roots.sort_unstable();
        roots.dedup();
        roots.len()
    }
}

/// A population of `size` under way; `stage` is the pilot that keeps its moves.
struct Population<'a, U: Unraveling> {
    setting: &'a Setting<'a, U>,
    guide: &'a Guide,
    walkers: Vec<Walker<U::Batch<'a>>>,
    seed: u64,
    /// The number of the next random stream.
    next: u64,
    random: Stream,
    /// ln of the product of the mean weights so far.
    ln_factor: f64,
    stage: Option<usize>,
    moves: Vec<Vec<Move>>,
    rows: usize,
}

/// Grow a population from its own random numbers, keeping its moves if it is of pilot number `stage`.
///
/// # Errors
/// [`RunError::Interrupted`], and what a trajectory fails with.
pub(super) fn grow<U: Unraveling>(
    setting: &Setting<'_, U>,
    guide: &Guide,
    (seed, size): (u64, usize),
    stage: Option<usize>,
) -> Result<Grown, RunError> {
    let rows = setting.problem.protocol.row_count();
    let which = setting.no_jump.map_or(Which::Any, Which::Jumping);
    let start = |root: usize| {
        let number = root as u64;
        Ok(Walker {
            batch: setting.engine.start_of(which, seed, number..number + 1, setting.stop).alone(0),
            counted: 0.0,
            jumped: false,
            root,
            ln_weight: 0.0,
            ln_guide: 0.0,
            place: [f64::NAN; 2],
            outcomes: Vec::new(),
        })
    };
    let mut population = Population {
        setting,
        guide,
        walkers: (0..size)
            .map(|root| setting.stop.check().and_then(|()| start(root)))
            .collect::<Result<_, RunError>>()?,
        seed,
        next: size as u64,
        random: Stream::new(seed, u64::MAX),
        ln_factor: 0.0,
        stage,
        moves: vec![Vec::new(); if stage.is_some() { rows - 1 } else { 0 }],
        rows,
    };
    walk(&setting.problem.protocol, setting.stop, &mut population)?;
    let Population { walkers, ln_factor, moves, .. } = population;
    let mut ends = Vec::with_capacity(size);
    for Walker { mut outcomes, place, root, ln_weight, ln_guide, .. } in walkers {
        if outcomes.is_empty() {
            outcomes.push((place[0], 1.0));
        }
        let ln_weight = ln_factor + ln_weight - ln_guide - (size as f64).ln();
        ends.extend(outcomes.into_iter().map(|(value, p)| End { value, ln_weight: ln_weight + p.ln(), root }));
    }
    Ok(Grown { ends, moves })
}

impl<U: Unraveling> Population<'_, U> {
    fn begin(&mut self, step: usize, start: f64) -> Result<(), RunError> {
        self.walkers.iter_mut().try_for_each(|walker| walker.batch.begin(step, start))
    }

    /// Clone and give up trajectories in proportion to their weights, where these have become uneven: by one uniform variate
    /// for all of them, so that each has as many successors as it should have but for one.
    fn select(&mut self, moment: &Moment) {
        let size = self.walkers.len();
        let lns = self.walkers.iter().map(|walker| walker.ln_weight);
        let ln = ln_mean(lns.clone());
        let shares: Vec<f64> = lns.map(|own| (own - ln).exp()).collect();
        let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        if !ln.is_finite() || sum * sum >= UNEVEN * size as f64 * squares {
            return;
        }
        self.ln_factor += ln;
        let offset = self.random.uniform();
        let (mut passed, mut taken) = (0.0, 0usize);
        let mut next = Vec::with_capacity(size);
        for (k, (walker, share)) in self.walkers.drain(..).zip(shares).enumerate() {
            passed += share;
            let upto = if k + 1 == size { size } else { ((passed - offset).ceil().max(0.0) as usize).min(size) };
            let copies = upto.max(taken) - taken;
            taken += copies;
            let walker = Walker { ln_weight: 0.0, ..walker };
            // Of one that must jump, and has not yet, the first jump stays as it was drawn.
            let now = (self.setting.no_jump.is_none() || walker.jumped).then_some((moment.step, moment.since));
            for _ in 1..copies {
                let mut batch = walker.batch.alone(0);
                batch.renew(0, (self.seed, self.next), now);
                self.next += 1;
                next.push(Walker { batch, outcomes: Vec::new(), ..walker });
            }
            if copies > 0 {
                next.push(walker);
            }
        }
        self.walkers = next;
    }
}

impl<U: Unraveling> Evolve for Population<'_, U> {
    type Ended = RunError;

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), RunError> {
        self.begin(step, 0.0)
    }

    fn unitary(&mut self, step: usize, _: &Gate) -> Result<(), RunError> {
        self.begin(step, 0.0)
    }

    fn reset(&mut self, step: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        self.begin(step, 0.0)
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        self.begin(span.step, span.start)
    }

    fn evolve(&mut self, span: &Span, _: f64, until: f64) -> Result<(), RunError> {
        self.walkers.iter_mut().try_for_each(|walker| walker.batch.evolve(span.step, until))
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        let question = self.setting.question;
        let last = moment.row + 1 == self.rows;
        for walker in &mut self.walkers {
            let mut value = question.value(&walker.batch, moment.step, walker.counted);
            if last && question.measured {
                walker.outcomes = outcomes(&walker.batch)?;
                value = drawn(&walker.outcomes, walker.batch.variate(0)).unwrap_or(value);
            }
            let place = [value, question.beside(&walker.batch, moment.step)];
            walker.jumped |= walker.batch.counts(0).iter().any(|count| *count > 0);
            if let (Some(stage), Some(own)) =
                (self.stage, moment.row.checked_sub(1).and_then(|k| self.moves.get_mut(k)))
            {
                own.push(Move::new(walker.place, place, stage));
            }
            walker.place = place;
            if !last {
                let ln = self.guide.ln(moment.row, place);
                walker.ln_weight += ln - walker.ln_guide;
                walker.ln_guide = ln;
            }
        }
        if !last {
            self.select(moment);
        }
        Ok(())
    }

    fn end(&mut self, span: &Span) -> Result<(), RunError> {
        for walker in &mut self.walkers {
            walker.counted += self.setting.question.gained(&walker.batch, 0, span.step);
            walker.batch.finish(span.step, span.duration);
        }
        Ok(())
    }
}

/// What a measurement of H_B can find in the only trajectory of a batch, each energy once; none where it is definite.
fn outcomes(batch: &impl Batch) -> Result<Vec<(f64, f64)>, RunError> {
    let mut found: Vec<(f64, f64)> = Vec::new();
    batch.energy_outcomes(0, &mut |energy, p| {
        if p > 0.0 {
            found.push((energy, p));
        }
    })?;
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        kept.1 += if same { later.1 } else { 0.0 };
        same
    });
    Ok(found)
}

/// One of them, by a uniform variate.
fn drawn(outcomes: &[(f64, f64)], mut left: f64) -> Option<f64> {
    let found = outcomes.iter().find(|(_, p)| {
        left -= p;
        left < 0.0
    });
    found.or(outcomes.last()).map(|(energy, _)| *energy)
}
