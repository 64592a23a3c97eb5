//! Quantum jumps on blocks that are not stored: large spins and many charges, where each block is visited once. Its
//! operators are filled in on arrival, only where the state has weight, and forgotten.
//!
//! The same paths as [`BlockJump`](super::block_jump::BlockJump), from the same random numbers.

mod kernel;
mod polynomial;

use super::propagate::{Flight, Propagator, Workspace, spacings};
use super::stream::Stream;
use super::{Advance, readout};
use crate::battery::CellKey;
use crate::density::Density;
use crate::problem::{Problem, Reach, Step};
use crate::repr::blocks::{Bands, Block, BlockStep, Blocks, Drawn, Frame, Key, Slot, rotate};
use num_complex::Complex64;
use polynomial::{End, Room, Strip};
use pulp::{Arch, Simd, WithSimd};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

/// The engine.
#[derive(Debug)]
pub struct BandedJump {
    blocks: Blocks,
    bands: Bands,
    /// Energy released per jump of each channel.
    released: Vec<f64>,
    arch: Arch,
    work: OnceLock<f64>,
    /// Propagators of stiff blocks.
    stiff: RwLock<HashMap<(Key, usize), Arc<Propagator>>>,
    spacings: Vec<Vec<(f64, u64)>>,
}

/// One trajectory.
#[derive(Clone, Debug)]
pub struct BandedWalker {
    stream: Stream,
    counts: Vec<u64>,
    /// The norm² at which it jumps.
    threshold: f64,
    state: Strip,
    frame: Frame,
    /// The state as a vector of its block, at rows and between steps.
    block: Arc<Block>,
    psi: Vec<Complex64>,
}

thread_local! {
    static ROOM: RefCell<(Room, Workspace)> = RefCell::new(Default::default());
}

/// From so many states in the first block on, blocks are not stored: where jumps change the block, which is then new
/// more often than not, and in any case. Measured with driven ensembles and chargers: about equal at 11 states, twice
/// as fast at 21.
const MANY_STATES: usize = 16;
const MANY_IN_ONE: usize = 256;
/// Blocks for reading off are kept up to this number of states in all.
const MOST_KEPT: usize = 1 << 22;
/// Stiff blocks up to this size get tables of propagators, so many at most.
const STIFF_STATES: usize = 256;
const MOST_STIFF: usize = 256;
/// Elements of operators beyond this could leave the range of numbers when squared.
const LARGEST: f64 = 1e100;

/// Whether a problem is better off without stored blocks.
pub fn pays(blocks: &Blocks) -> bool {
    let spins = blocks.layout.slots.iter().any(|slot| matches!(slot, Slot::Spin { .. }));
    let states = blocks.start.draw(blocks, Stream::new(0, 0).rng()).psi.len();
    let changes = blocks.changes_spin() || blocks.has_charges();
    spins && states >= if changes { MANY_STATES } else { MANY_IN_ONE }
}

impl BandedJump {
    /// Take over a compiled problem.
    ///
    /// # Errors
    /// The same problem, if its blocks have no lattice, a drive changes in time or a number is beyond all bounds.
    pub fn new(blocks: Blocks) -> Result<Self, Box<Blocks>> {
        let Some(bands) = Bands::new(&blocks) else { return Err(Box::new(blocks)) };
        let mut coefficients = bands.all.iter().flat_map(|band| &band.terms).map(|term| term.coefficient.norm());
        if coefficients.any(|c| !(c < LARGEST)) {
            return Err(Box::new(blocks));
        }
        let problem = blocks.problem();
        let released = (0..problem.channels.len()).map(|c| problem.released_per_jump(c)).collect();
        let spacings = (0..blocks.stages.len()).map(|stage| spacings(problem, &blocks.steps, stage)).collect();
        let (work, stiff) = (OnceLock::new(), RwLock::default());
        Ok(Self { released, bands, arch: Arch::new(), work, stiff, spacings, blocks })
    }

    /// The compiled problem.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// From a vector of a block to the lattice.
    fn strip(&self, block: &Block, psi: &[Complex64]) -> Strip {
        let space = &block.space;
        let mut levels = vec![0; space.levels.len()];
        let planes = if self.bands.real && psi.iter().all(|x| x.im == 0.0) { 1 } else { 2 };
        let mut places = Vec::with_capacity(psi.len());
        for (index, x) in psi.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
            space.read(index, &mut levels);
            places.push((self.bands.lattice.place(&levels), *x));
        }
        let start = places.iter().map(|p| p.0).min().unwrap_or(0);
        let end = places.iter().map(|p| p.0 + 1).max().unwrap_or(start);
        let n = end - start;
        let mut parts = vec![0.0; planes * n];
        for (place, x) in places {
            parts[place - start] = x.re;
            if planes == 2 {
                parts[n + place - start] = x.im;
            }
        }
        Strip::new(parts, planes, start..end)
    }

    /// From the lattice to the vector of the block.
    fn look(&self, walker: &mut BandedWalker) {
        let BandedWalker { state, frame, block, psi, .. } = walker;
        if block.space.key != frame.key {
            *block = self.blocks.look_at(&frame.key, MOST_KEPT);
        }
        let space = &block.space;
        psi.clear();
        psi.resize(space.dimension(), Complex64::ZERO);
        let n = state.window.len();
        let mut levels = vec![0; space.levels.len()];
        let whole = space.is_whole() && levels.len() == 1; // the levels of one spin are their own places
        for (index, x) in psi.iter_mut().enumerate() {
            let place = if whole {
                index
            } else {
                space.read(index, &mut levels);
                self.bands.lattice.place(&levels)
            };
            if state.window.contains(&place) {
                let at = place - state.window.start;
                *x = Complex64::new(state.parts[at], if state.planes == 2 { state.parts[n + at] } else { 0.0 });
            }
        }
    }

    /// Evolve a stiff block by tables of propagators; true at a jump.
    fn leap(&self, walker: &mut BandedWalker, stage: usize, until: f64, work: &mut Workspace) -> bool {
        self.look(walker);
        let place = (walker.frame.key.clone(), stage);
        let known = self.stiff.read().unwrap_or_else(|e| e.into_inner()).get(&place).cloned();
        let propagator = known.unwrap_or_else(|| {
            let made = Arc::new(Propagator::new(&self.blocks, &walker.block, stage, &self.spacings[stage]));
            let mut all = self.stiff.write().unwrap_or_else(|e| e.into_inner());
            if all.len() >= MOST_STIFF {
                all.clear();
            }
            all.insert(place, made.clone());
            made
        });
        let psi = std::mem::take(&mut walker.psi);
        let mut flight = Flight { psi, norm: walker.state.norm, time: walker.state.time };
        let jumped = propagator.advance(&mut flight, until, walker.threshold, work);
        walker.state.replace(self.strip(&walker.block, &flight.psi), flight.norm, flight.time);
        // Jumps expect the operators to be filled in where the state is.
        walker.frame.cover(&self.blocks, &self.bands, &walker.state.window);
        jumped
    }

    /// Go on from a vector of norm 1.
    fn set(&self, walker: &mut BandedWalker, block: Arc<Block>, psi: Vec<Complex64>) {
        let (time, norm) = (walker.state.time, walker.state.norm);
        walker.state.replace(self.strip(&block, &psi), norm, time);
        walker.frame.enter(&self.blocks, &self.bands, |key| *key = block.space.key.clone());
        (walker.block, walker.psi) = (block, psi);
    }
}

/// A trajectory to be taken to time `until`, compiled for the vector instructions of the processor it runs on.
struct Journey<'a> {
    engine: &'a BandedJump,
    walker: &'a mut BandedWalker,
    room: &'a mut Room,
    work: &'a mut Workspace,
    stage: usize,
    until: f64,
}

impl WithSimd for Journey<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { engine, walker, room, work, stage, until } = self;
        let (of, bands) = (&engine.blocks, &engine.bands);
        let generator = (of, bands, &bands.generators[stage]);
        let jumps = &bands.jumps[stage];
        loop {
            let tables = walker.frame.states(of, bands) <= STIFF_STATES;
            let goal = (until, walker.threshold, tables);
            match room.advance(simd, generator, &mut walker.frame, &mut walker.state, goal) {
                End::Row => return,
                End::Jump => {}
                End::Stiff if engine.leap(walker, stage, until, work) => {}
                End::Stiff => return,
            }
            let chosen = match &jumps[..] {
                [] => None,
                [only] => {
                    walker.frame.prepare(of, bands, &only.operator);
                    Some(only)
                }
                several => {
                    room.weights.clear();
                    for jump in several {
                        walker.frame.prepare(of, bands, &jump.operator);
                        let weight = room.weight(simd, bands, &jump.operator, &walker.frame, &walker.state);
                        room.weights.push(weight);
                    }
                    let mut share = walker.stream.uniform() * room.weights.iter().sum::<f64>();
                    let mut chosen = None;
                    for (jump, &weight) in several.iter().zip(&room.weights).filter(|(_, w)| **w > 0.0) {
                        chosen = Some(jump);
                        if share < weight {
                            break;
                        }
                        share -= weight;
                    }
                    chosen
                }
            };
            match chosen {
                Some(jump) if room.jump(simd, bands, &jump.operator, &walker.frame, &mut walker.state) => {
                    walker.frame.enter(of, bands, |key| bands.leap(key, jump));
                    walker.counts[jump.channel] += 1;
                    walker.threshold = 1.0 - walker.stream.uniform();
                }
                _ => walker.threshold = 0.0, // rounding alone leads here: nothing can happen any more
            }
        }
    }
}

impl Advance for BandedJump {
    type Walker = BandedWalker;

    fn start(&self, seed: u64, trajectory: u64) -> BandedWalker {
        let mut stream = Stream::new(seed, trajectory);
        let Drawn { block, psi, .. } = self.blocks.start.draw(&self.blocks, stream.rng());
        let threshold = 1.0 - stream.uniform();
        let block = self.blocks.get(block);
        BandedWalker {
            counts: vec![0; self.released.len()],
            threshold,
            state: self.strip(&block, &psi),
            frame: Frame::new(&self.blocks, &self.bands, block.space.key.clone()),
            block,
            psi,
            stream,
        }
    }

    fn begin(&self, batch: &mut [BandedWalker], step: usize) {
        for walker in batch {
            match &self.blocks.steps[step] {
                BlockStep::Evolve(_) => {
                    walker.counts.fill(0);
                    walker.state.time = 0.0;
                }
                BlockStep::Rotate(subsystem, axis, angle) => {
                    let mut psi = std::mem::take(&mut walker.psi);
                    let to = rotate::rotate(&self.blocks, &walker.block, &mut psi, *subsystem, *axis, *angle);
                    let block = match to {
                        Some(id) => self.blocks.get(id),
                        None => walker.block.clone(),
                    };
                    self.set(walker, block, psi);
                }
                BlockStep::Reset(subsystem, state) => {
                    let BandedWalker { block, psi, stream, .. } = walker;
                    if let Some((id, psi)) = readout::reset(&self.blocks, block, psi, (*subsystem, state), stream) {
                        walker.threshold /= walker.state.norm;
                        walker.state.norm = 1.0;
                        self.set(walker, self.blocks.get(id), psi);
                    }
                }
            }
        }
    }

    fn advance(&self, batch: &mut [BandedWalker], step: usize, until: f64) {
        let BlockStep::Evolve(stage) = self.blocks.steps[step] else { return };
        ROOM.with_borrow_mut(|(room, work)| {
            for walker in batch {
                let (walker, room, work) = (&mut *walker, &mut *room, &mut *work);
                self.arch.dispatch(Journey { engine: self, walker: &mut *walker, room, work, stage, until });
                self.look(walker);
            }
        });
    }

    fn finish(&self, _: &mut [BandedWalker], _: usize, _: f64) {}

    fn observe(&self, batch: &[BandedWalker], slot: usize, step: usize, out: &mut [f64]) {
        let stage = self.blocks.stage_of(step);
        for (walker, value) in batch.iter().zip(out) {
            *value = match readout::counted(self.blocks.linear[slot], step, &walker.counts, &self.released) {
                Some(counted) => counted,
                None => walker.block.observable(&self.blocks, slot, stage).mean(&walker.psi, walker.state.norm),
            };
        }
    }

    fn cell(&self, _: &BandedWalker) -> Option<CellKey> {
        None
    }

    fn density(&self, batch: &[BandedWalker], weights: &[f64], reduction: usize, group: usize, into: &mut Density) {
        for (walker, &weight) in batch.iter().zip(weights) {
            let reducer = walker.block.reducer(&self.blocks, reduction);
            reducer.record(&walker.psi, weight / walker.state.norm, group, into);
        }
        into.count(group, weights.iter().sum());
    }

    fn density_elements(&self) -> f64 {
        readout::density_elements(&self.blocks)
    }

    fn energy_outcome(&self, walker: &BandedWalker, share: f64) -> Option<f64> {
        readout::energy_outcome(&self.blocks, &walker.block, &walker.psi, walker.state.norm, share)
    }

    fn share(&self, walker: &mut BandedWalker) -> f64 {
        walker.stream.uniform()
    }

    fn work(&self) -> f64 {
        // Jumps, each as dear as some ladder jumps a state: the first block's states stand for all.
        *self.work.get_or_init(|| {
            let states = self.blocks.start.draw(&self.blocks, Stream::new(0, 0).rng()).psi.len() as f64;
            (jumps(self.blocks.problem()) + 1.0) * (10.0 + 0.5 * states)
        })
    }

    fn most_in_batch(&self) -> u64 {
        let size = self.bands.lattice.size;
        let bytes = 8 * size.min(1 << 13) * (self.bands.all.len() + self.bands.chains.len() + 4) + 16 * size;
        ((1u64 << 26) / bytes as u64).clamp(1, if self.blocks.reductions.is_empty() { 256 } else { 32 })
    }

    fn counts<'a>(&self, walker: &'a BandedWalker) -> &'a [u64] {
        &walker.counts
    }
}

/// Jumps of one trajectory, to order of magnitude: half the cells jump, collective channels at their quickest.
fn jumps(problem: &Problem) -> f64 {
    let cells: f64 = problem.subsystems.iter().map(|s| s.cells() as f64).sum();
    let cycle = problem.protocol.steps.iter().map(|step| match step {
        Step::Evolve { duration, active, .. } => {
            let on = problem.channels.iter().zip(active).filter(|(_, active)| **active);
            let rate = on.map(|(channel, _)| match channel.reach {
                Reach::Collective => channel.rate * (1.0 + cells * cells / 6.0),
                _ => channel.rate * cells / 2.0,
            });
            duration * rate.sum::<f64>()
        }
        _ => 0.0,
    });
    cycle.sum::<f64>() * problem.protocol.repeat as f64
}
