//! Pure states, and mixtures of few, where nothing damps: vectors in place of a density matrix.
//!
//! ρ(t) = Σ_k p_k |ψ_k(t)⟩⟨ψ_k(t)| with dψ_k/dt = −iHψ_k and the p_k of the initial state: d numbers each in place of d².

use super::MOST_ELEMENTS;
use super::held::Held;
use crate::error::RunError;
use crate::evolve::{Flight, Propagator, Workspace, norm_sqr, spacings};
use crate::problem::Step;
use crate::space::blocks::{Block, BlockId, BlockStep, Blocks, rotate};
use crate::stop::Stop;
use num_complex::Complex64;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Most vectors.
const MOST_VECTORS: usize = 1_000;
/// Most states of a block: its Taylor terms take some 700 MB.
const MOST_STATES: usize = 1 << 20;
/// Roughly the multiplications of an hour.
const MOST_WORK: f64 = 5e12;
/// Multiplications between two looks at whether to stop.
const AT_ONCE: f64 = 1e8;

/// One vector of the mixture.
struct Member {
    weight: f64,
    /// Its block among the reached ones.
    place: usize,
    flight: Flight,
}

/// A mixture of pure states of a problem without damping.
pub struct Vectors<'b> {
    blocks: &'b Blocks,
    reached: Vec<Arc<Block>>,
    members: Vec<Member>,
    /// Of blocks and stages, once they were used.
    propagators: HashMap<(BlockId, usize), Propagator>,
    /// Distances between the rows of each stage.
    spacings: Vec<Vec<(f64, u64)>>,
    /// All 0: nothing jumps.
    counters: Vec<f64>,
    work: Workspace,
    stop: Stop,
}

impl<'b> Vectors<'b> {
    /// The initial state; `None` where a channel is on, where a subsystem is replaced, which makes mixtures of ever more
    /// vectors, and where a density matrix is smaller.
    pub fn new(blocks: &'b Blocks, stop: &Stop) -> Option<Self> {
        let damped = |stage: usize| blocks.jumps.iter().any(|jump| blocks.stages[stage].is_on(jump.channel));
        let resets = blocks.steps.iter().any(|step| matches!(step, BlockStep::Reset(..)));
        if resets || (0..blocks.stages.len()).any(damped) {
            return None;
        }
        let mixture = blocks.start.mixture(blocks, MOST_VECTORS)?;
        let problem = blocks.problem();
        let spacings = (0..blocks.stages.len()).map(|stage| spacings(problem, &blocks.steps, stage)).collect();
        let mut vectors = Self {
            blocks,
            reached: Vec::new(),
            members: Vec::with_capacity(mixture.len()),
            propagators: HashMap::new(),
            spacings,
            counters: vec![0.0; problem.channels.len()],
            work: Workspace::default(),
            stop: stop.clone(),
        };
        for (weight, block, psi) in mixture {
            let flight = Flight { norm: norm_sqr(&psi), psi, time: 0.0, start: 0.0 };
            let place = vectors.place(block);
            vectors.members.push(Member { weight, place, flight });
        }
        let elements: usize = vectors.members.iter().map(|m| m.flight.psi.len()).sum();
        let sizes = || vectors.reached.iter().map(|block| block.dimension());
        let squares: usize = sizes().map(|d| d.saturating_mul(d)).fold(0, usize::saturating_add);
        let fits = elements <= squares.min(MOST_ELEMENTS) && sizes().all(|d| d <= MOST_STATES);
        fits.then_some(vectors)
    }

    /// The place of a block among the reached ones, a new one for a new block.
    fn place(&mut self, id: BlockId) -> usize {
        let known = self.reached.iter().position(|block| block.id == id);
        known.unwrap_or_else(|| {
            self.reached.push(self.blocks.get(id));
            self.reached.len() - 1
        })
    }

    fn propagator(&mut self, place: usize, stage: usize) -> Result<&Propagator, RunError> {
        let Self { blocks, reached, propagators, spacings, stop, .. } = self;
        let block = &reached[place];
        Ok(match propagators.entry((block.id, stage)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(empty) => empty.insert(Propagator::new(blocks, block, stage, &spacings[stage], stop)?),
        })
    }

    /// Multiplications of the whole protocol, to order of magnitude; pulses are taken to change no block.
    ///
    /// # Errors
    /// [`RunError::Interrupted`].
    pub fn work(&mut self) -> Result<f64, RunError> {
        let places: Vec<usize> = self.members.iter().map(|m| m.place).collect();
        let mut work = 0.0;
        for (kind, step) in self.blocks.steps.iter().zip(&self.blocks.problem().protocol.steps) {
            if let (BlockStep::Evolve(stage), Step::Evolve { rows, duration, .. }) = (kind, step) {
                let count = rows.len() as f64;
                for &place in &places {
                    work += count * self.propagator(place, *stage)?.cost(duration / count);
                }
            }
        }
        Ok(work * self.blocks.problem().protocol.repeat as f64)
    }
}

impl Held for Vectors<'_> {
    type Kept = Vec<Flight>;

    fn keep(&self) -> Vec<Flight> {
        self.members.iter().map(|member| member.flight.clone()).collect()
    }

    fn put(&mut self, kept: &Vec<Flight>) {
        self.members.iter_mut().zip(kept).for_each(|(member, flight)| member.flight.clone_from(flight));
    }

    fn blocks(&self) -> &Blocks {
        self.blocks
    }

    fn reached(&self) -> &[Arc<Block>] {
        &self.reached
    }

    fn element(&self, block: usize, i: usize, j: usize) -> Complex64 {
        let inside = self.members.iter().filter(|member| member.place == block);
        inside.map(|Member { weight, flight, .. }| flight.psi[i] * flight.psi[j].conj() * *weight).sum()
    }

    fn counters(&self) -> &[f64] {
        &self.counters
    }

    fn begin(&mut self, start: f64) {
        self.members.iter_mut().for_each(|member| (member.flight.time, member.flight.start) = (0.0, start));
    }

    fn pulse(&mut self, step: usize) -> Result<(), RunError> {
        let pulse = &self.blocks.steps[step];
        for k in 0..self.members.len() {
            let Member { place, flight, .. } = &mut self.members[k];
            let block = &self.reached[*place];
            if let Some(to) = rotate::pulse(self.blocks, block, &mut flight.psi, pulse) {
                self.members[k].place = self.place(to);
            }
        }
        Ok(())
    }

    /// Problems that replace a subsystem are not held as vectors.
    fn reset(&mut self, _: usize) -> Result<(), RunError> {
        Err(RunError::Request("a subsystem that is replaced calls for a density matrix".into()))
    }

    fn evolve(&mut self, stage: usize, from: f64, until: f64) -> Result<(), RunError> {
        if until <= from {
            return Ok(());
        }
        for k in 0..self.members.len() {
            let place = self.members[k].place;
            let work = self.propagator(place, stage)?.cost(until - from);
            if !(work <= MOST_WORK) {
                return Err(RunError::TooLarge {
                    what: format!("an exact evolution over {}", until - from),
                    needed: format!("{work:.1e} multiplications"),
                    limit: format!("{MOST_WORK:.0e}"),
                    advice: "use a smaller system or a shorter step".into(),
                });
            }
            let pieces = (work / AT_ONCE).ceil().max(1.0);
            let Self { members, propagators, reached, work, stop, .. } = self;
            let Some(propagator) = propagators.get(&(reached[place].id, stage)) else { continue };
            let flight = &mut members[k].flight;
            for piece in 1..=pieces as u64 {
                stop.check()?;
                let end = if piece == pieces as u64 { until } else { from + (until - from) * piece as f64 / pieces };
                // No norm falls to less than 0: nothing ends the evolution before.
                propagator.advance(flight, end, (-1.0, None), work, stop)?;
            }
        }
        Ok(())
    }
}
