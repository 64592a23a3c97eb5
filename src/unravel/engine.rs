//! The engine for a problem: its smallest representation, or the one asked for, ready to make trajectories.

use super::banded::{self, BandedBatch, BandedJump};
use super::block_jump::{BlockBatch, BlockJump};
use super::click::Click;
use super::ladder_jump::{LadderBatch, LadderJump};
use super::no_jump::{NoJump, Which};
use super::{Batch, States, Unraveling};
use crate::battery::DickeKey;
use crate::density::Density;
use crate::error::{CompileError, RunError, TRAJECTORY};
use crate::problem::Problem;
use crate::space::blocks::{Blocks, Style};
use crate::space::choose::{Representation, refusal};
use crate::space::ladder::Ladder;
use crate::stop::Stop;
use num_complex::Complex64;
use std::ops::Range;

/// Quantum jumps in one of the representations.
#[derive(Debug)]
pub enum Engine {
    /// On the ladder |J, M⟩.
    Ladder(Box<LadderJump>),
    /// On stored blocks.
    Blocks(Box<BlockJump>),
    /// On blocks that are not stored.
    Banded(Box<BandedJump>),
}

/// A batch of one of them. Which one it is gets decided once for a whole batch and row, never for a jump.
#[derive(Clone, Debug)]
pub enum EngineBatch<'a> {
    /// On the ladder.
    Ladder(LadderBatch<'a>),
    /// On stored blocks.
    Blocks(BlockBatch<'a>),
    /// On blocks that are not stored.
    Banded(BandedBatch<'a>),
}

impl Engine {
    /// Compile `problem` for the representation `requested`, or for the smallest exact one.
    ///
    /// Every channel is watched by counting its quanta. One that is watched otherwise (by homodyne detection, say) must
    /// be known here and to [`Blocks::compile`]: a block is then what its measured current leaves invariant, not only
    /// what a jump shifts by a definite amount.
    ///
    /// # Errors
    /// The reason why that representation, or every one, cannot carry the problem.
    pub fn new(problem: &Problem, requested: Option<Representation>) -> Result<(Representation, Self), CompileError> {
        if let Some((channel, rate, time)) = problem.negative_rate() {
            let reason = format!(
                "the rate of channel {} is {rate:.6} at {time}: trajectories need rates of at least 0 (`leyden exact` \
                 follows it)",
                channel.name
            );
            return Err(CompileError { representation: TRAJECTORY, reason });
        }
        let blocks = |style: Style| {
            let mut compiled = Blocks::compile(problem, style)?;
            if banded::pays(&compiled) {
                match BandedJump::new(compiled) {
                    Ok(engine) => return Ok(Self::Banded(Box::new(engine))),
                    Err(back) => compiled = *back,
                }
            }
            Ok(Self::Blocks(Box::new(BlockJump::new(compiled))))
        };
        let compile = |representation: Representation| match representation.style() {
            None => Ok(Self::Ladder(Box::new(LadderJump::new(Ladder::compile(problem)?)))),
            Some(style) => blocks(style),
        };
        if let Some(representation) = requested {
            return Ok((representation, compile(representation)?));
        }
        for representation in Representation::ALL {
            if let Ok(engine) = compile(representation) {
                return Ok((representation, engine));
            }
        }
        Err(refusal(problem))
    }
}

/// The same of whichever it is.
macro_rules! each {
    ($kind:ident, $of:expr, $name:ident => $body:expr) => {
        match $of {
            $kind::Ladder($name) => $body,
            $kind::Blocks($name) => $body,
            $kind::Banded($name) => $body,
        }
    };
}

impl Unraveling for Engine {
    type Batch<'a> = EngineBatch<'a>;

    fn start_of(&self, which: Which, seed: u64, trajectories: Range<u64>, stop: &Stop) -> EngineBatch<'_> {
        match self {
            Self::Ladder(engine) => EngineBatch::Ladder(engine.start_of(which, seed, trajectories, stop)),
            Self::Blocks(engine) => EngineBatch::Blocks(engine.start_of(which, seed, trajectories, stop)),
            Self::Banded(engine) => EngineBatch::Banded(engine.start_of(which, seed, trajectories, stop)),
        }
    }

    fn no_jump(&self, stop: &Stop) -> Result<Option<NoJump>, RunError> {
        each!(Self, self, engine => engine.no_jump(stop))
    }

    fn survival(&self, stop: &Stop) -> Result<Option<Vec<(f64, f64)>>, RunError> {
        each!(Self, self, engine => engine.survival(stop))
    }

    fn is_diagonal(&self) -> bool {
        each!(Self, self, engine => engine.is_diagonal())
    }

    fn has_battery_spin(&self) -> bool {
        each!(Self, self, engine => engine.has_battery_spin())
    }

    fn density_elements(&self, reduction: usize) -> f64 {
        each!(Self, self, engine => engine.density_elements(reduction))
    }

    fn check_measured(&self) -> Result<(), RunError> {
        each!(Self, self, engine => engine.check_measured())
    }

    fn work(&self) -> f64 {
        each!(Self, self, engine => engine.work())
    }

    fn fewest_in_batch(&self) -> u64 {
        each!(Self, self, engine => engine.fewest_in_batch())
    }

    fn most_in_batch(&self) -> u64 {
        each!(Self, self, engine => engine.most_in_batch())
    }
}

impl States for EngineBatch<'_> {
    fn trajectories(&self) -> usize {
        each!(Self, self, batch => batch.trajectories())
    }

    fn linear(&self, average: usize, step: usize, out: &mut [f64]) {
        each!(Self, self, batch => batch.linear(average, step, out));
    }

    fn density(&self, weights: &[f64], reduction: usize, group: usize, into: &mut Density) {
        each!(Self, self, batch => batch.density(weights, reduction, group, into));
    }

    fn cell(&self, k: usize) -> Option<DickeKey> {
        each!(Self, self, batch => batch.cell(k))
    }

    fn battery_spin(&self, k: usize, take: &mut dyn FnMut(&[Complex64])) -> Option<f64> {
        each!(Self, self, batch => batch.battery_spin(k, take))
    }

    fn amplitudes(&self, k: usize, take: &mut dyn FnMut(&[usize], Complex64)) -> bool {
        each!(Self, self, batch => batch.amplitudes(k, take))
    }

    fn energy_outcomes(&self, k: usize, take: &mut dyn FnMut(f64, f64)) -> Result<(), RunError> {
        each!(Self, self, batch => batch.energy_outcomes(k, take))
    }

    fn whole_energy(&self, k: usize) -> f64 {
        each!(Self, self, batch => batch.whole_energy(k))
    }

    fn energy_rates(&self, k: usize, step: usize, time: (f64, f64), out: &mut [f64]) -> bool {
        each!(Self, self, batch => batch.energy_rates(k, step, time, out))
    }
}

impl Batch for EngineBatch<'_> {
    fn begin(&mut self, step: usize, start: f64) -> Result<(), RunError> {
        each!(Self, self, batch => batch.begin(step, start))
    }

    fn evolve(&mut self, step: usize, until: f64) -> Result<(), RunError> {
        each!(Self, self, batch => batch.evolve(step, until))
    }

    fn finish(&mut self, step: usize, duration: f64) {
        each!(Self, self, batch => batch.finish(step, duration));
    }

    fn counts(&self, k: usize) -> &[u64] {
        each!(Self, self, batch => batch.counts(k))
    }

    fn variate(&mut self, k: usize) -> f64 {
        each!(Self, self, batch => batch.variate(k))
    }

    fn keep_clicks(&mut self) {
        each!(Self, self, batch => batch.keep_clicks());
    }

    fn clicks(&self, k: usize) -> &[Click] {
        each!(Self, self, batch => batch.clicks(k))
    }

    fn alone(&self, k: usize) -> Self {
        match self {
            Self::Ladder(batch) => Self::Ladder(batch.alone(k)),
            Self::Blocks(batch) => Self::Blocks(batch.alone(k)),
            Self::Banded(batch) => Self::Banded(batch.alone(k)),
        }
    }

    fn renew(&mut self, k: usize, stream: (u64, u64), now: Option<(usize, f64)>) {
        each!(Self, self, batch => batch.renew(k, stream, now));
    }
}
