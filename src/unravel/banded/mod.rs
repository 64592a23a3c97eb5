//! Quantum jumps on blocks that are not stored: large spins and many charges, where each block is visited once. Its
//! operators are filled in on arrival, only where the state has weight, and forgotten.
//!
//! The same paths as [`BlockJump`](super::block_jump::BlockJump), from the same random numbers.

mod kernel;
mod polynomial;

use super::click::{Click, spin_slots};
use super::no_jump::{LEAST_SURVIVAL, NoJump, Which, followed};
use super::readout::{self, Vectors, View};
use super::stream::Stream;
use super::{Batch, Unraveling};
use crate::error::RunError;
use crate::evolve::{Flight, Propagator, Workspace, spacings};
use crate::problem::{Problem, Reach, Step};
use crate::protocol::{Moment, Span};
use crate::space::blocks::{Bands, Block, BlockId, BlockStep, Blocks, Drawn, Frame, Key, Slot, rotate};
use crate::stop::Stop;
use crate::unravel::trajectory::{Recorder, run_batch};
use num_complex::Complex64;
use polynomial::{BandWorkspace, End, Strip};
use pulp::{Arch, Simd, WithSimd};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock, RwLock};

/// The engine.
#[derive(Debug)]
pub struct BandedJump {
    blocks: Blocks,
    bands: Bands,
    /// Energy released per jump of each channel.
    released: Vec<f64>,
    /// Of each channel the slot of the ensemble whose J is told of its jumps.
    spins: Vec<Option<usize>>,
    arch: Arch,
    /// Propagators of stiff blocks.
    stiff: RwLock<HashMap<(Key, usize), Arc<Propagator>>>,
    spacings: Vec<Vec<(f64, u64)>>,
    /// The pure states that it starts from, if they are few, and how likely it is that nothing happens to them.
    initial: OnceLock<Option<Vec<InitialState>>>,
    no_jump: OnceLock<Option<NoJump>>,
}

/// The probability of a pure initial state, its block and its vector.
type InitialState = (f64, BlockId, Vec<Complex64>);

/// ‖ψ‖² at the end of each timed step, 0 once something has happened.
struct Survival(Vec<f64>);

impl Recorder<BandedBatch<'_>> for Survival {
    fn row(&mut self, _: &BandedBatch, _: &Moment) -> Result<(), RunError> {
        Ok(())
    }

    fn step_end(&mut self, batch: &BandedBatch, _: &Span) {
        for (left, walker) in self.0.iter_mut().zip(&batch.walkers) {
            let jumped = *left == 0.0 || walker.counts.iter().any(|count| *count > 0);
            *left = if jumped { 0.0 } else { walker.state.norm };
        }
    }
}

/// A batch of trajectories.
#[derive(Clone, Debug)]
pub struct BandedBatch<'a> {
    engine: &'a BandedJump,
    walkers: Vec<Walker>,
    stop: Stop,
}

/// One trajectory.
#[derive(Clone, Debug)]
struct Walker {
    stream: Stream,
    counts: Vec<u64>,
    /// Jumps since the step began, if they are kept.
    clicks: Option<Vec<Click>>,
    /// The norm² at which it jumps.
    threshold: f64,
    state: Strip,
    frame: Frame,
    /// The state as a vector of its block, at rows and between steps.
    block: Arc<Block>,
    psi: Vec<Complex64>,
}

impl Walker {
    /// The same without what is kept of its past, which may be long.
    fn without_clicks(&self) -> Self {
        let Self { stream, counts, threshold, state, frame, block, psi, .. } = self;
        Self {
            stream: stream.clone(),
            counts: counts.clone(),
            clicks: None,
            threshold: *threshold,
            state: state.clone(),
            frame: frame.clone(),
            block: block.clone(),
            psi: psi.clone(),
        }
    }
}

thread_local! {
    static WORK: RefCell<(BandWorkspace, Workspace)> = RefCell::new(Default::default());
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
    let states = readout::first_states(blocks);
    let changes = blocks.changes_spin() || blocks.has_numbers();
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
        let released = problem.channel_ids().map(|c| problem.released_per_jump(c)).collect();
        let spacings = (0..blocks.stages.len()).map(|stage| spacings(problem, &blocks.steps, stage)).collect();
        let (initial, no_jump) = (OnceLock::new(), OnceLock::new());
        let spins = spin_slots(&blocks);
        Ok(Self {
            released,
            spins,
            bands,
            arch: Arch::new(),
            stiff: RwLock::default(),
            spacings,
            initial,
            no_jump,
            blocks,
        })
    }

    /// The compiled problem.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn initial(&self) -> Option<&[InitialState]> {
        let made = || self.blocks.start.mixture(&self.blocks, followed(&self.blocks)?);
        self.initial.get_or_init(made).as_deref()
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
    fn look(&self, walker: &mut Walker) {
        let Walker { state, frame, block, psi, .. } = walker;
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
    fn through_tables(
        &self,
        walker: &mut Walker,
        stage: usize,
        until: f64,
        work: &mut Workspace,
        stop: &Stop,
    ) -> Result<bool, RunError> {
        self.look(walker);
        let place = (walker.frame.key.clone(), stage);
        let known = self.stiff.read().unwrap_or_else(|e| e.into_inner()).get(&place).cloned();
        let propagator = match known {
            Some(known) => known,
            None => {
                let made = Arc::new(Propagator::new(&self.blocks, &walker.block, stage, &self.spacings[stage], stop)?);
                let mut all = self.stiff.write().unwrap_or_else(|e| e.into_inner());
                if all.len() >= MOST_STIFF {
                    all.clear();
                }
                all.insert(place, made.clone());
                made
            }
        };
        let psi = std::mem::take(&mut walker.psi);
        let mut flight = Flight { psi, norm: walker.state.norm, time: walker.state.time, start: 0.0 };
        let jumped = propagator.advance(&mut flight, until, (walker.threshold, None), work, stop)?;
        walker.state.replace(self.strip(&walker.block, &flight.psi), flight.norm, flight.time);
        Ok(jumped)
    }

    /// Go on from a vector of norm 1.
    fn set(&self, walker: &mut Walker, block: Arc<Block>, psi: Vec<Complex64>) {
        let (time, norm) = (walker.state.time, walker.state.norm);
        walker.state.replace(self.strip(&block, &psi), norm, time);
        walker.frame.enter(&self.blocks, &self.bands, |key| *key = block.space.key.clone());
        (walker.block, walker.psi) = (block, psi);
    }
}

/// A trajectory to be taken to time `until`, compiled for the vector instructions of the processor it runs on.
struct Evolution<'a> {
    engine: &'a BandedJump,
    walker: &'a mut Walker,
    bands_work: &'a mut BandWorkspace,
    work: &'a mut Workspace,
    stage: usize,
    until: f64,
    stop: &'a Stop,
}

impl WithSimd for Evolution<'_> {
    type Output = Result<(), RunError>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { engine, walker, bands_work, work, stage, until, stop } = self;
        let (of, bands) = (&engine.blocks, &engine.bands);
        let generator = (of, bands, &bands.generators[stage]);
        let jumps = &bands.jumps[stage];
        loop {
            stop.check()?;
            let tables = walker.frame.states(of, bands) <= STIFF_STATES;
            let goal = (until, walker.threshold, tables);
            let jumps_now =
                match bands_work.advance(simd, generator, &mut walker.frame, &mut walker.state, goal, stop)? {
                    End::Row => false,
                    End::Jump => true,
                    End::Stiff => engine.through_tables(walker, stage, until, work, stop)?,
                };
            readout::check(walker.state.norm, walker.state.time)?;
            if !jumps_now {
                return Ok(());
            }
            let window = bands.lattice.around(&walker.state.window, bands.margin);
            let mut covered = walker.frame.cover(of, bands, &window);
            let chosen = match &jumps[..] {
                [] => None,
                [only] => Some(only),
                several => {
                    bands_work.weights.clear();
                    for jump in several {
                        let weight = bands_work.weight(simd, &covered.prepare(&jump.operator), &walker.state);
                        bands_work.weights.push(weight);
                    }
                    walker.stream.choose(&bands_work.weights).map(|index| &several[index])
                }
            };
            match chosen {
                Some(jump) if bands_work.jump(simd, &covered.prepare(&jump.operator), &mut walker.state) => {
                    let told = engine.spins[jump.channel].filter(|_| walker.clicks.is_some());
                    let before = told.map(|slot| walker.frame.key.two_j[slot]);
                    walker.frame.enter(of, bands, |key| bands.after(key, jump));
                    walker.counts[jump.channel] += 1;
                    if let Some(clicks) = &mut walker.clicks {
                        let two_j = told.zip(before).map(|(slot, before)| [before, walker.frame.key.two_j[slot]]);
                        clicks.push(Click { time: walker.state.time, channel: jump.channel, two_j });
                    }
                    walker.threshold = 1.0 - walker.stream.uniform();
                }
                _ => walker.threshold = 0.0, // rounding alone leads here: nothing can happen any more
            }
        }
    }
}

impl Unraveling for BandedJump {
    type Batch<'a> = BandedBatch<'a>;

    fn start_of(&self, which: Which, seed: u64, trajectories: Range<u64>, stop: &Stop) -> BandedBatch<'_> {
        let walker = |trajectory: u64| {
            let mut stream = Stream::new(seed, trajectory);
            let of_state = |choice: usize| self.initial().map(|states| (states[choice].1, states[choice].2.clone()));
            let from = match which {
                Which::Any => None,
                Which::Jumping(no_jump) => Some(no_jump.draw(&mut stream)),
                Which::Never => Some((trajectory as usize, LEAST_SURVIVAL)),
            };
            let (block, psi, threshold) = match from.and_then(|(choice, at)| Some((of_state(choice)?, at))) {
                Some(((block, psi), threshold)) => (block, psi, threshold),
                None => {
                    let Drawn { block, psi, .. } = self.blocks.start.draw(&self.blocks, stream.rng());
                    (block, psi, 1.0 - stream.uniform())
                }
            };
            let block = self.blocks.get(block);
            Walker {
                counts: vec![0; self.released.len()],
                clicks: None,
                threshold,
                state: self.strip(&block, &psi),
                frame: Frame::new(&self.blocks, &self.bands, block.space.key.clone()),
                block,
                psi,
                stream,
            }
        };
        BandedBatch { engine: self, walkers: trajectories.map(walker).collect(), stop: stop.clone() }
    }

    fn no_jump(&self, stop: &Stop) -> Result<Option<NoJump>, RunError> {
        if let Some(known) = self.no_jump.get() {
            return Ok(known.clone());
        }
        let resets = self.blocks.steps.iter().any(|step| matches!(step, BlockStep::Reset(..)));
        let found = match self.initial().filter(|_| !resets) {
            Some(states) => {
                let mut batch = self.start_of(Which::Never, 0, 0..states.len() as u64, stop);
                let mut survival = Survival(vec![1.0; states.len()]);
                run_batch(self.blocks.problem(), &mut batch, stop, &mut survival)?;
                NoJump::new(states.iter().map(|(p, ..)| *p).zip(survival.0).collect())
            }
            None => None,
        };
        Ok(self.no_jump.get_or_init(|| found).clone())
    }

    fn has_battery_spin(&self) -> bool {
        self.blocks.battery_spin().is_some()
    }

    fn density_elements(&self, reduction: usize) -> f64 {
        readout::density_elements(&self.blocks, reduction)
    }

    fn check_measured(&self) -> Result<(), RunError> {
        readout::check_measured(&self.blocks)
    }

    fn work(&self) -> f64 {
        // Jumps, each as dear as some ladder jumps a state: the first block's states stand for all.
        (jumps(self.blocks.problem()) + 1.0) * (10.0 + 0.5 * readout::first_states(&self.blocks) as f64)
    }

    fn most_in_batch(&self) -> u64 {
        let size = self.bands.lattice.size;
        let bytes = 8 * size.min(1 << 13) * (self.bands.all.len() + self.bands.chains.len() + 4) + 16 * size;
        ((1u64 << 26) / bytes as u64).clamp(1, 256)
    }
}

impl Vectors for BandedBatch<'_> {
    fn blocks(&self) -> &Blocks {
        &self.engine.blocks
    }

    fn released(&self) -> &[f64] {
        &self.engine.released
    }

    fn len(&self) -> usize {
        self.walkers.len()
    }

    fn view(&self, k: usize) -> View<'_> {
        let Walker { block, psi, state, .. } = &self.walkers[k];
        View { block, psi, norm: state.norm }
    }

    fn jumps(&self, k: usize) -> &[u64] {
        &self.walkers[k].counts
    }
}

impl Batch for BandedBatch<'_> {
    fn begin(&mut self, step: usize, _: f64) -> Result<(), RunError> {
        let (engine, blocks) = (self.engine, &self.engine.blocks);
        for walker in &mut self.walkers {
            self.stop.check()?;
            match &blocks.steps[step] {
                BlockStep::Evolve(_) => {
                    walker.counts.fill(0);
                    walker.clicks.iter_mut().for_each(Vec::clear);
                    walker.state.time = 0.0;
                }
                pulse @ (BlockStep::Rotate(..) | BlockStep::Unitary(_)) => {
                    let mut psi = std::mem::take(&mut walker.psi);
                    let to = rotate::pulse(blocks, &walker.block, &mut psi, pulse);
                    let block = match to {
                        Some(id) => blocks.get(id),
                        None => walker.block.clone(),
                    };
                    engine.set(walker, block, psi);
                }
                BlockStep::Reset(subsystem, fresh) => {
                    let Walker { block, psi, stream, .. } = walker;
                    if let Some((id, psi)) = readout::reset(blocks, block, psi, (*subsystem, fresh), stream) {
                        walker.threshold /= walker.state.norm;
                        walker.state.norm = 1.0;
                        engine.set(walker, blocks.get(id), psi);
                    }
                }
            }
        }
        Ok(())
    }

    fn evolve(&mut self, step: usize, until: f64) -> Result<(), RunError> {
        let Self { engine, walkers, stop } = self;
        let BlockStep::Evolve(stage) = engine.blocks.steps[step] else { return Ok(()) };
        WORK.with_borrow_mut(|(bands_work, work)| {
            for walker in walkers {
                let journey = Evolution {
                    engine,
                    walker: &mut *walker,
                    bands_work: &mut *bands_work,
                    work: &mut *work,
                    stage,
                    until,
                    stop,
                };
                engine.arch.dispatch(journey)?;
                engine.look(walker);
            }
            Ok(())
        })
    }

    fn counts(&self, k: usize) -> &[u64] {
        &self.walkers[k].counts
    }

    fn variate(&mut self, k: usize) -> f64 {
        self.walkers[k].stream.uniform()
    }

    fn keep_clicks(&mut self) {
        self.walkers.iter_mut().for_each(|walker| walker.clicks = Some(Vec::new()));
    }

    fn clicks(&self, k: usize) -> &[Click] {
        self.walkers[k].clicks.as_deref().unwrap_or_default()
    }

    fn alone(&self, k: usize) -> Self {
        let walker = self.walkers[k].without_clicks();
        Self { engine: self.engine, walkers: vec![walker], stop: self.stop.clone() }
    }

    fn renew(&mut self, k: usize, (seed, number): (u64, u64), now: Option<(usize, f64)>) {
        let walker = &mut self.walkers[k];
        walker.stream = Stream::new(seed, number);
        if now.is_some() {
            // Of those that have come so far the norm² at which they jump is uniform below that which is left.
            walker.threshold = walker.state.norm * (1.0 - walker.stream.uniform());
        }
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
