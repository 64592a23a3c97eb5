//! Quantum jumps on blocks: between jumps a vector follows exp(tK) in its block, and when its norm² has fallen to a
//! uniform variate a jump operator, drawn by its weight ‖Lψ‖², takes it to the next.
//!
//! Nothing in a path depends on where the rows lie, but for rounding. Trajectories that have not jumped share one
//! precomputed path (see `path.rs`).

use super::path::{Paths, Row};
use super::propagate::{Flight, Flips, Operator, Propagator, Workspace, norm_sqr, spacings, without_matrix};
use super::stream::Stream;
use super::{Advance, readout};
use crate::battery::CellKey;
use crate::density::Density;
use crate::problem::Step;
use crate::repr::blocks::{Block, BlockId, BlockStep, Blocks, Monomial, rotate};
use num_complex::Complex64;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock, RwLock};

/// A jump operator on one block, laid out for products.
#[derive(Debug)]
struct Leap {
    channel: usize,
    target: BlockId,
    map: Operator,
}

/// A block with what evolves in it.
#[derive(Debug)]
pub struct Local {
    pub(super) block: Arc<Block>,
    propagators: Vec<OnceLock<Propagator>>,
    leaps: Vec<OnceLock<Vec<Leap>>>,
}

/// The engine of trajectories on blocks.
#[derive(Debug)]
pub struct BlockJump {
    pub(super) blocks: Blocks,
    spacings: Vec<Vec<(f64, u64)>>,
    locals: RwLock<Vec<Arc<Local>>>,
    /// Energy released per jump of each channel.
    released: Vec<f64>,
    paths: Paths,
    /// Steps before which no trajectory can be on a shared path: resets, which are random, and the pulses before them.
    leaves: Vec<bool>,
    work: OnceLock<f64>,
}

/// One trajectory on blocks.
#[derive(Clone, Debug)]
pub struct BlockWalker {
    stream: Stream,
    counts: Vec<u64>,
    /// The norm² at which it jumps.
    threshold: f64,
    flight: Flight,
    local: Arc<Local>,
    /// Which shared path it is still on, and how many rows of it it has passed.
    path: Option<(usize, usize)>,
}

thread_local! {
    static WORK: RefCell<Workspace> = RefCell::new(Workspace::default());
}

impl BlockJump {
    /// Take over a compiled problem.
    pub fn new(blocks: Blocks) -> Self {
        let problem = blocks.problem();
        let spacings = (0..blocks.stages.len()).map(|stage| spacings(problem, &blocks.steps, stage)).collect();
        let released = (0..problem.channels.len()).map(|c| problem.released_per_jump(c)).collect();
        let paths = Paths::new(blocks.start.choices);
        let steps = &blocks.steps;
        let timed_or_reset = |i: &usize| !matches!(steps[*i % steps.len()], BlockStep::Rotate(..));
        let next = |i: usize| (i..i + steps.len()).find(timed_or_reset).unwrap_or(i) % steps.len();
        let leaves = (0..steps.len()).map(|i| matches!(steps[next(i)], BlockStep::Reset(..))).collect();
        Self { spacings, released, locals: RwLock::default(), paths, leaves, work: OnceLock::new(), blocks }
    }

    /// The compiled problem.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Block `id` with its propagators.
    pub(super) fn local(&self, id: BlockId) -> Arc<Local> {
        if let Some(local) = self.locals.read().unwrap_or_else(|e| e.into_inner()).get(id) {
            return local.clone();
        }
        let mut locals = self.locals.write().unwrap_or_else(|e| e.into_inner());
        let stages = self.blocks.stages.len();
        while locals.len() <= id {
            let block = self.blocks.get(locals.len());
            let (propagators, leaps) = (0..stages).map(|_| (OnceLock::new(), OnceLock::new())).unzip();
            locals.push(Arc::new(Local { block, propagators, leaps }));
        }
        locals[id].clone()
    }

    pub(super) fn propagator<'a>(&self, local: &'a Local, stage: usize) -> &'a Propagator {
        local.propagators[stage]
            .get_or_init(|| Propagator::new(&self.blocks, &local.block, stage, &self.spacings[stage]))
    }

    fn leaps<'a>(&self, local: &'a Local, stage: usize) -> &'a [Leap] {
        local.leaps[stage].get_or_init(|| {
            if let Some(cells) = without_matrix(&self.blocks, &local.block) {
                let on = self.blocks.jumps.iter().filter(|jump| self.blocks.stages[stage].is_on(jump.channel));
                let leap = |channel: usize, terms: &[Monomial]| Leap {
                    channel,
                    target: local.block.id,
                    map: Operator::flips(Flips::new(cells, terms)),
                };
                return on.map(|jump| leap(jump.channel, &jump.terms)).collect();
            }
            let on =
                local.block.jumps(&self.blocks).iter().filter(|jump| self.blocks.stages[stage].is_on(jump.channel));
            on.map(|j| Leap { channel: j.channel, target: j.target, map: Operator::new(&j.map) }).collect()
        })
    }

    /// Let a trajectory of its own reach time `until`, through all its jumps.
    fn run(&self, walker: &mut BlockWalker, stage: usize, until: f64, work: &mut Workspace) {
        loop {
            let propagator = self.propagator(&walker.local, stage);
            if !propagator.advance(&mut walker.flight, until, walker.threshold, work) || !self.jump(walker, stage, work)
            {
                return;
            }
        }
    }

    /// One jump: false if no channel has any weight, which only rounding can bring about.
    fn jump(&self, walker: &mut BlockWalker, stage: usize, work: &mut Workspace) -> bool {
        let local = walker.local.clone();
        let leaps = self.leaps(&local, stage);
        let psi = &walker.flight.psi;
        // Whether a variate is drawn depends on the operators that are on, not on the block: paths are then the same in
        // whatever form the state is stored.
        let choice = self.blocks.jumps.iter().filter(|jump| self.blocks.stages[stage].is_on(jump.channel)).count() > 1;
        let chosen = match leaps {
            [only] if !choice => Some(only),
            several => {
                let weights = work.weights(several.iter().map(|leap| &leap.map), psi);
                let total: f64 = weights.iter().sum();
                let mut share = walker.stream.uniform() * total;
                let mut chosen = None;
                for (leap, &weight) in several.iter().zip(weights.iter()) {
                    if weight > 0.0 {
                        chosen = Some(leap);
                        if share < weight {
                            break;
                        }
                        share -= weight;
                    }
                }
                chosen
            }
        };
        let Some(leap) = chosen else {
            walker.threshold = 0.0;
            return true;
        };
        let image = work.vector(leap.map.rows());
        leap.map.apply(psi, image, 1.0);
        let size = norm_sqr(image);
        if size > 0.0 {
            let scale = size.sqrt().recip();
            image.iter_mut().for_each(|x| *x *= scale);
            work.swap(&mut walker.flight.psi);
            walker.flight.norm = 1.0;
            walker.counts[leap.channel] += 1;
            if leap.target != local.block.id {
                walker.local = self.local(leap.target);
            }
            walker.threshold = 1.0 - walker.stream.uniform();
        } else {
            walker.threshold = 0.0; // nothing can happen any more
        }
        true
    }

    /// The rows of the shared path that a walker is on.
    fn rows(&self, choice: usize) -> &[Row] {
        self.paths.rows(self, choice)
    }

    /// Leave the shared path for the state of its last row.
    fn depart(&self, walker: &mut BlockWalker) {
        if let Some((choice, passed)) = walker.path.take() {
            let row = match passed {
                0 => self.paths.origin(self, choice),
                n => &self.rows(choice)[n - 1],
            };
            walker.flight = row.flight.clone();
            walker.local = row.local.clone();
        }
    }

    /// What a trajectory's state is at its last row: the vector, its norm² and its block.
    fn view<'a>(&'a self, walker: &'a BlockWalker) -> (&'a [Complex64], f64, &'a Local) {
        match walker.path {
            Some((choice, passed)) => {
                let row = match passed {
                    0 => self.paths.origin(self, choice),
                    n => &self.rows(choice)[n - 1],
                };
                (&row.flight.psi, row.flight.norm, &row.local)
            }
            None => (&walker.flight.psi, walker.flight.norm, &walker.local),
        }
    }

    /// Replace a subsystem by a fresh one.
    fn reset(&self, walker: &mut BlockWalker, step: usize) {
        let BlockStep::Reset(subsystem, state) = &self.blocks.steps[step] else { return };
        let BlockWalker { flight, local, stream, .. } = walker;
        if let Some((block, psi)) = readout::reset(&self.blocks, &local.block, &flight.psi, (*subsystem, state), stream)
        {
            walker.threshold /= walker.flight.norm;
            walker.flight.psi = psi;
            walker.flight.norm = 1.0;
            walker.local = self.local(block);
        }
    }
}

impl Advance for BlockJump {
    type Walker = BlockWalker;

    fn start(&self, seed: u64, trajectory: u64) -> BlockWalker {
        let mut stream = Stream::new(seed, trajectory);
        let drawn = self.blocks.start.draw(&self.blocks, stream.rng());
        let threshold = 1.0 - stream.uniform();
        BlockWalker {
            counts: vec![0; self.released.len()],
            threshold,
            local: self.local(drawn.block),
            path: drawn.choice.filter(|choice| self.paths.open(self, *choice, &drawn)).map(|choice| (choice, 0)),
            flight: Flight { psi: drawn.psi, norm: 1.0, time: 0.0 },
            stream,
        }
    }

    fn begin(&self, batch: &mut [BlockWalker], step: usize) {
        for walker in batch {
            if self.leaves[step] {
                self.depart(walker);
            }
            match &self.blocks.steps[step] {
                BlockStep::Evolve(_) => {
                    walker.counts.fill(0);
                    walker.flight.time = 0.0;
                }
                BlockStep::Rotate(subsystem, axis, angle) if walker.path.is_none() => {
                    let local = walker.local.clone();
                    let psi = &mut walker.flight.psi;
                    if let Some(to) = rotate::rotate(&self.blocks, &local.block, psi, *subsystem, *axis, *angle) {
                        walker.local = self.local(to);
                    }
                }
                BlockStep::Rotate(..) => {}
                BlockStep::Reset(..) => self.reset(walker, step),
            }
        }
    }

    fn advance(&self, batch: &mut [BlockWalker], step: usize, until: f64) {
        let BlockStep::Evolve(stage) = self.blocks.steps[step] else { return };
        WORK.with_borrow_mut(|work| {
            for walker in batch {
                if let Some((choice, passed)) = &mut walker.path {
                    match self.paths.rows(self, *choice).get(*passed) {
                        // No jump at the start of a step, whatever a pulse does to the last digit of the norm.
                        Some(row) if row.flight.norm > walker.threshold || row.flight.time == 0.0 => {
                            *passed += 1;
                            continue;
                        }
                        _ => self.depart(walker),
                    }
                }
                self.run(walker, stage, until, work);
            }
        });
    }

    fn finish(&self, _: &mut [BlockWalker], _: usize, _: f64) {}

    fn observe(&self, batch: &[BlockWalker], slot: usize, step: usize, out: &mut [f64]) {
        let linear = self.blocks.linear[slot];
        let stage = self.blocks.stage_of(step);
        for (walker, value) in batch.iter().zip(out) {
            *value = match readout::counted(linear, step, &walker.counts, &self.released) {
                Some(counted) => counted,
                None => match walker.path {
                    Some((choice, passed)) if passed > 0 => self.rows(choice)[passed - 1].values[slot],
                    _ => {
                        let (psi, norm, local) = self.view(walker);
                        local.block.observable(&self.blocks, slot, stage).mean(psi, norm)
                    }
                },
            };
        }
    }

    fn cell(&self, _: &BlockWalker) -> Option<CellKey> {
        None
    }

    fn density(&self, batch: &[BlockWalker], weights: &[f64], reduction: usize, group: usize, into: &mut Density) {
        // Trajectories on one shared path are in one state: it is reduced once, with their total weight.
        let mut shared: Vec<((usize, usize), f64)> = Vec::new();
        let mut add = |walker: &BlockWalker, weight: f64| {
            let (psi, norm, local) = self.view(walker);
            local.block.reducer(&self.blocks, reduction).record(psi, weight / norm, group, into);
        };
        for (walker, &weight) in batch.iter().zip(weights) {
            match walker.path {
                Some(place) => match shared.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, total)) => *total += weight,
                    None => shared.push((place, weight)),
                },
                None => add(walker, weight),
            }
        }
        for (place, weight) in shared {
            if let Some(walker) = batch.iter().find(|w| w.path == Some(place)) {
                add(walker, weight);
            }
        }
        into.count(group, weights.iter().sum());
    }

    fn density_elements(&self) -> f64 {
        readout::density_elements(&self.blocks)
    }

    fn energy_outcome(&self, walker: &BlockWalker, share: f64) -> Option<f64> {
        let (psi, norm, local) = self.view(walker);
        readout::energy_outcome(&self.blocks, &local.block, psi, norm, share)
    }

    fn share(&self, walker: &mut BlockWalker) -> f64 {
        walker.stream.uniform()
    }

    fn work(&self) -> f64 {
        *self.work.get_or_init(|| {
            let drawn = self.blocks.start.draw(&self.blocks, Stream::new(0, 0).rng());
            let local = self.local(drawn.block);
            let problem = self.blocks.problem();
            let of_step = |(step, kind): (&Step, &BlockStep)| match (step, kind) {
                (Step::Evolve { rows, duration, .. }, BlockStep::Evolve(stage)) => {
                    let mean = duration / rows.len() as f64;
                    rows.len() as f64 * self.propagator(&local, *stage).cost(mean)
                }
                _ => 0.0,
            };
            let one: f64 = problem.protocol.steps.iter().zip(&self.blocks.steps).map(of_step).sum();
            // A jump of the ladder costs about ten multiplications.
            0.1 * one * problem.protocol.repeat as f64 + 1.0
        })
    }

    fn most_in_batch(&self) -> u64 {
        // A batch lies in one group of a density matrix, of which there should be many.
        let vectors = (1u64 << 26)
            / (16 * self.locals.read().map_or(1, |l| l.iter().map(|l| l.block.dimension()).max().unwrap_or(1)) as u64);
        let groups = if self.blocks.reductions.is_empty() { 256 } else { 32 };
        vectors.clamp(1, groups)
    }

    fn counts<'a>(&self, walker: &'a BlockWalker) -> &'a [u64] {
        &walker.counts
    }
}
