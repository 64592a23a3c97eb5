//! Quantum jumps on blocks: between jumps a vector follows exp(tK) in its block, and when its norm² has fallen to a
//! uniform variate a jump operator, drawn by its weight ‖Lψ‖², takes it to the next.
//!
//! Nothing in a path depends on where the rows lie, but for rounding. Trajectories that have not jumped share one
//! precomputed path (see `path.rs`).

mod side_by_side;

use super::click::{Click, spin_slots};
use super::no_jump::{LEAST_SURVIVAL, NoJump, Which, followed};
use super::path::Paths;
use super::readout::{self, Vectors, View};
use super::stream::Stream;
use super::{Batch, Unraveling};
use crate::error::RunError;
use crate::evolve::{Failed, Flight, Flips, LANES, Operator, Propagator, Workspace};
use crate::evolve::{norm_sqr, spacings, without_matrix};
use crate::problem::{Channel, ChannelId};
use crate::space::blocks::{Block, BlockId, BlockStep, Blocks, Monomial, rotate};
use crate::stop::Stop;
use num_complex::Complex64;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, OnceLock, RwLock};

/// A jump operator on one block, laid out for products.
#[derive(Debug)]
struct JumpMap {
    channel: usize,
    target: BlockId,
    map: Operator,
    /// What functions of time multiply.
    more: Vec<Operator>,
}

/// A block with what evolves in it.
#[derive(Debug)]
pub struct Local {
    pub(super) block: Arc<Block>,
    propagators: Vec<OnceLock<Propagator>>,
    maps: Vec<OnceLock<Vec<JumpMap>>>,
}

/// The engine of trajectories on blocks.
#[derive(Debug)]
pub struct BlockJump {
    pub(super) blocks: Blocks,
    spacings: Vec<Vec<(f64, u64)>>,
    locals: RwLock<Vec<Arc<Local>>>,
    /// Energy released per jump of each channel.
    released: Vec<f64>,
    /// Of each channel the slot of the ensemble whose J is told of its jumps.
    spins: Vec<Option<usize>>,
    paths: Paths,
    /// Steps before which no trajectory can be on a shared path: resets, which are random, and the pulses before them.
    leaves: Vec<bool>,
    /// Steps up to the last timed one, over all cycles: after it a shared path has no more rows.
    timed: u64,
    /// Work of a trajectory, and whether several go side by side.
    work: OnceLock<(f64, bool)>,
}

/// A batch of trajectories on blocks.
#[derive(Clone, Debug)]
pub struct BlockBatch<'a> {
    engine: &'a BlockJump,
    walkers: Vec<Walker>,
    /// Those that are on their way to the next row.
    moving: Vec<usize>,
    /// Steps begun so far, over all cycles.
    begun: u64,
    stop: Stop,
}

/// One trajectory on blocks.
#[derive(Clone, Debug)]
struct Walker {
    stream: Stream,
    counts: Vec<u64>,
    /// Jumps since the step began, if they are kept.
    clicks: Option<Vec<Click>>,
    /// The norm² at which it jumps.
    threshold: f64,
    /// That of the next row, where it is known to be below.
    end: Option<f64>,
    flight: Flight,
    local: Arc<Local>,
    /// Which shared path it is still on, and how many rows of it it has passed.
    path: Option<(usize, usize)>,
}

impl Walker {
    /// The same without what is kept of its past, which may be long.
    fn without_clicks(&self) -> Self {
        let Self { stream, counts, threshold, end, flight, local, path, .. } = self;
        Self {
            stream: stream.clone(),
            counts: counts.clone(),
            clicks: None,
            threshold: *threshold,
            end: *end,
            flight: flight.clone(),
            local: local.clone(),
            path: *path,
        }
    }
}

thread_local! {
    static WORK: RefCell<Workspace> = RefCell::new(Workspace::default());
}

impl BlockJump {
    /// Take over a compiled problem.
    pub fn new(blocks: Blocks) -> Self {
        let problem = blocks.problem();
        let spacings = (0..blocks.stages.len()).map(|stage| spacings(problem, &blocks.steps, stage)).collect();
        let released = problem.channel_ids().map(|c| problem.released_per_jump(c)).collect();
        let paths = Paths::new(blocks.start.choices);
        let steps = &blocks.steps;
        let timed_or_reset =
            |i: &usize| !matches!(steps[*i % steps.len()], BlockStep::Rotate(..) | BlockStep::Unitary(_));
        let next = |i: usize| (i..i + steps.len()).find(timed_or_reset).unwrap_or(i) % steps.len();
        let leaves = (0..steps.len()).map(|i| matches!(steps[next(i)], BlockStep::Reset(..))).collect();
        let pulses_at_end = steps.iter().rev().take_while(|step| !matches!(step, BlockStep::Evolve(_))).count();
        let timed = problem.protocol.repeat * steps.len() as u64 - pulses_at_end as u64;
        let (locals, work, spins) = (RwLock::default(), OnceLock::new(), spin_slots(&blocks));
        Self { spacings, released, spins, locals, paths, leaves, timed, work, blocks }
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
            let (propagators, maps) = (0..stages).map(|_| (OnceLock::new(), OnceLock::new())).unzip();
            locals.push(Arc::new(Local { block, propagators, maps }));
        }
        locals[id].clone()
    }

    /// # Errors
    /// [`RunError::Interrupted`], and then none is kept.
    #[inline(always)]
    pub(super) fn propagator<'a>(&self, local: &'a Local, stage: usize, stop: &Stop) -> Result<&'a Propagator, Failed> {
        match local.propagators[stage].get() {
            Some(made) => Ok(made),
            None => self.new_propagator(local, stage, stop),
        }
    }

    #[cold]
    fn new_propagator<'a>(&self, local: &'a Local, stage: usize, stop: &Stop) -> Result<&'a Propagator, Failed> {
        let made = Propagator::new(&self.blocks, &local.block, stage, &self.spacings[stage], stop)?;
        Ok(local.propagators[stage].get_or_init(|| made))
    }

    fn maps<'a>(&self, local: &'a Local, stage: usize) -> &'a [JumpMap] {
        local.maps[stage].get_or_init(|| {
            if let Some(cells) = without_matrix(&self.blocks, &local.block) {
                let on = self.blocks.jumps.iter().filter(|jump| self.blocks.stages[stage].is_on(jump.channel));
                let jump = |channel: usize, terms: &[Monomial]| JumpMap {
                    channel,
                    target: local.block.id,
                    map: Operator::flips(Flips::new(cells, terms)),
                    more: Vec::new(), // channels with functions in their operators have matrices
                };
                return on.map(|of| jump(of.channel, &of.terms)).collect();
            }
            let on =
                local.block.jumps(&self.blocks).iter().filter(|jump| self.blocks.stages[stage].is_on(jump.channel));
            on.map(|j| JumpMap {
                channel: j.channel,
                target: j.target,
                map: Operator::new(&j.map),
                more: j.more.iter().map(Operator::new).collect(),
            })
            .collect()
        })
    }

    /// Let a trajectory of its own reach time `until`, through all its jumps.
    fn run(
        &self,
        walker: &mut Walker,
        stage: usize,
        until: f64,
        work: &mut Workspace,
        stop: &Stop,
    ) -> Result<(), Failed> {
        loop {
            stop.check()?;
            let propagator = self.propagator(&walker.local, stage, stop)?;
            let end = walker.end.take();
            let jumps = propagator.advance(&mut walker.flight, until, (walker.threshold, end), work, stop)?;
            readout::check(walker.flight.norm, walker.flight.time)?;
            if !jumps {
                return Ok(());
            }
            self.jump(walker, stage, work);
        }
    }

    /// One jump; where no channel has any weight, which only rounding can bring about, none will happen any more.
    fn jump(&self, walker: &mut Walker, stage: usize, work: &mut Workspace) {
        let Walker { stream, counts, clicks, threshold, flight, local, .. } = walker;
        let maps = self.maps(local, stage);
        // Whether a variate is drawn depends on the operators that are on, not on the block: paths are then the same in
        // whatever form the state is stored.
        let on = &self.blocks.stages[stage];
        let choice = self.blocks.jumps.iter().filter(|jump| on.is_on(jump.channel)).count() > 1;
        let (psi, moment) = (&flight.psi, (flight.start, flight.time));
        let chosen = match maps {
            [only] if !choice => Some(only),
            several if on.rates.is_empty() => {
                let weights = work.weights(several.iter().map(|jump| &jump.map), psi);
                stream.choose(weights).map(|index| &several[index])
            }
            several => {
                let weight = |jump: &JumpMap| {
                    let rate = self.channel(jump).envelope.as_ref().map_or(1.0, |f| f.at(moment.0, moment.1).max(0.0));
                    rate * norm_sqr(self.image(jump, psi, moment, work))
                };
                let weights: Vec<f64> = several.iter().map(weight).collect();
                stream.choose(&weights).map(|index| &several[index])
            }
        };
        *threshold = 0.0;
        let Some(jump) = chosen else { return };
        let image = self.image(jump, psi, moment, work);
        let size = norm_sqr(image);
        if size > 0.0 {
            let scale = size.sqrt().recip();
            image.iter_mut().for_each(|x| *x *= scale);
            work.swap(&mut flight.psi);
            flight.norm = 1.0;
            counts[jump.channel] += 1;
            let (channel, target) = (jump.channel, jump.target);
            let two_j = |local: &Local| self.spins[channel].map(|slot| local.block.space.key.two_j[slot]);
            let before = two_j(local);
            if target != local.block.id {
                *local = self.local(target);
            }
            if let Some(clicks) = clicks {
                let two_j = before.zip(two_j(local)).map(|(before, after)| [before, after]);
                clicks.push(Click { time: moment.1, channel, two_j });
            }
            *threshold = 1.0 - stream.uniform();
        }
    }

    fn channel(&self, jump: &JumpMap) -> &Channel {
        &self.blocks.problem().channels[ChannelId::new(jump.channel)]
    }

    /// Lψ at a time of a step that began at `start`, without √rate.
    fn image<'w>(
        &self,
        jump: &JumpMap,
        psi: &[Complex64],
        (start, time): (f64, f64),
        work: &'w mut Workspace,
    ) -> &'w mut [Complex64] {
        let image = work.vector(jump.map.rows());
        jump.map.apply(psi, image, 1.0);
        if !jump.more.is_empty() {
            let mut part = vec![Complex64::ZERO; image.len()];
            for (operator, (f, _)) in jump.more.iter().zip(&self.channel(jump).modulated) {
                operator.apply(psi, &mut part, f.at(start, time));
                image.iter_mut().zip(&part).for_each(|(sum, x)| *sum += x);
            }
        }
        image
    }

    /// Leave the shared path for the state of its last row.
    fn depart(&self, walker: &mut Walker) {
        if let Some(row) = walker.path.take().and_then(|(choice, passed)| self.paths.row(choice, passed)) {
            walker.flight = row.flight.clone();
            walker.local = row.local.clone();
        }
    }

    /// Replace a subsystem by a fresh one.
    fn reset(&self, walker: &mut Walker, step: usize) {
        let BlockStep::Reset(subsystem, fresh) = &self.blocks.steps[step] else { return };
        let Walker { flight, local, stream, .. } = walker;
        if let Some((block, psi)) = readout::reset(&self.blocks, &local.block, &flight.psi, (*subsystem, fresh), stream)
        {
            walker.threshold /= walker.flight.norm;
            walker.flight.psi = psi;
            walker.flight.norm = 1.0;
            walker.local = self.local(block);
        }
    }

    /// The probability of each pure initial state with that of staying on its path; `None` where they are too many, or their
    /// paths are not kept.
    fn followed(&self, stop: &Stop) -> Result<Option<Vec<(f64, f64)>>, RunError> {
        let Some(choices) = followed(&self.blocks) else { return Ok(None) };
        let Some(states) = self.blocks.start.mixture(&self.blocks, choices) else { return Ok(None) };
        let mut initial = Vec::with_capacity(states.len());
        for (choice, (weight, block, psi)) in states.into_iter().enumerate() {
            if !self.paths.open(self, choice, (&self.local(block), &psi)) {
                return Ok(None);
            }
            self.paths.rows(self, choice, stop)?;
            initial.push((weight, self.paths.survival(choice)));
        }
        Ok(Some(initial))
    }
}

impl Unraveling for BlockJump {
    type Batch<'a> = BlockBatch<'a>;

    fn start_of(&self, which: Which, seed: u64, trajectories: Range<u64>, stop: &Stop) -> BlockBatch<'_> {
        let walker = |trajectory: u64| {
            let mut stream = Stream::new(seed, trajectory);
            let set_out = |stream, path, threshold, (local, psi)| Walker {
                counts: vec![0; self.released.len()],
                clicks: None,
                threshold,
                end: None,
                local,
                path,
                flight: Flight { psi, norm: 1.0, time: 0.0, start: 0.0 },
                stream,
            };
            let from = match which {
                Which::Any => None,
                Which::Jumping(no_jump) => Some(no_jump.draw(&mut stream)),
                Which::Never => Some((trajectory as usize, LEAST_SURVIVAL)),
            };
            if let Some((choice, threshold)) = from
                && let Some(origin) = self.paths.origin(choice)
            {
                return set_out(
                    stream,
                    Some((choice, 0)),
                    threshold,
                    (origin.local.clone(), origin.flight.psi.clone()),
                );
            }
            let drawn = self.blocks.start.draw(&self.blocks, stream.rng());
            let threshold = 1.0 - stream.uniform();
            let local = self.local(drawn.block);
            let path = drawn.choice.filter(|choice| self.paths.open(self, *choice, (&local, &drawn.psi)));
            set_out(stream, path.map(|choice| (choice, 0)), threshold, (local, drawn.psi))
        };
        let walkers = trajectories.map(walker).collect();
        BlockBatch { engine: self, walkers, moving: Vec::new(), begun: 0, stop: stop.clone() }
    }

    fn no_jump(&self, stop: &Stop) -> Result<Option<NoJump>, RunError> {
        Ok(self.followed(stop)?.and_then(NoJump::new))
    }

    fn survival(&self, stop: &Stop) -> Result<Option<Vec<(f64, f64)>>, RunError> {
        // 0 stands for what was not followed to the end.
        Ok(self.followed(stop)?.filter(|states| states.iter().all(|(_, survival)| *survival > 0.0)))
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
        self.sized().0
    }

    fn fewest_in_batch(&self) -> u64 {
        // Enough for few lanes to be empty, where some are on the shared path or in other blocks.
        if self.sized().1 { 4 * LANES as u64 } else { 1 }
    }

    fn most_in_batch(&self) -> u64 {
        ((1u64 << 26) / (16 * readout::first_states(&self.blocks).max(1)) as u64).clamp(1, 256)
    }
}

impl Vectors for BlockBatch<'_> {
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
        let Walker { flight, local, path, .. } = &self.walkers[k];
        let row = path.and_then(|(choice, passed)| self.engine.paths.row(choice, passed));
        let (flight, local) = row.map_or((flight, local), |row| (&row.flight, &row.local));
        View { block: &local.block, psi: &flight.psi, norm: flight.norm }
    }

    fn jumps(&self, k: usize) -> &[u64] {
        &self.walkers[k].counts
    }

    fn shared(&self, k: usize) -> Option<(usize, usize)> {
        self.walkers[k].path
    }

    fn known(&self, k: usize, average: usize) -> Option<f64> {
        let (choice, passed) = self.walkers[k].path?;
        Some(self.engine.paths.row(choice, passed)?.values[average])
    }
}

impl Batch for BlockBatch<'_> {
    fn begin(&mut self, step: usize, start: f64) -> Result<(), RunError> {
        let engine = self.engine;
        self.begun += 1;
        let leaves = engine.leaves[step] || self.begun > engine.timed;
        for walker in &mut self.walkers {
            self.stop.check()?;
            if leaves {
                engine.depart(walker);
            }
            match &engine.blocks.steps[step] {
                BlockStep::Evolve(_) => {
                    walker.counts.fill(0);
                    walker.clicks.iter_mut().for_each(Vec::clear);
                    (walker.flight.time, walker.flight.start) = (0.0, start);
                }
                pulse @ (BlockStep::Rotate(..) | BlockStep::Unitary(_)) if walker.path.is_none() => {
                    let local = walker.local.clone();
                    let psi = &mut walker.flight.psi;
                    if let Some(to) = rotate::pulse(&engine.blocks, &local.block, psi, pulse) {
                        walker.local = engine.local(to);
                    }
                }
                BlockStep::Rotate(..) | BlockStep::Unitary(_) => {}
                BlockStep::Reset(..) => engine.reset(walker, step),
            }
        }
        Ok(())
    }

    fn evolve(&mut self, step: usize, until: f64) -> Result<(), RunError> {
        let Self { engine, walkers, moving, stop, .. } = self;
        let BlockStep::Evolve(stage) = engine.blocks.steps[step] else { return Ok(()) };
        WORK.with_borrow_mut(|work| {
            moving.clear();
            for (k, walker) in walkers.iter_mut().enumerate() {
                if let Some((choice, passed)) = &mut walker.path {
                    match engine.paths.rows(engine, *choice, stop)?.get(*passed) {
                        // No jump at the start of a step, whatever a pulse does to the last digit of the norm.
                        Some(row) if row.flight.norm > walker.threshold || row.flight.time == 0.0 => {
                            *passed += 1;
                            continue;
                        }
                        _ => engine.depart(walker),
                    }
                }
                moving.push(k);
            }
            engine.carry(walkers, moving, (stage, until), work, stop)?;
            for k in moving {
                engine.run(&mut walkers[*k], stage, until, work, stop)?;
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
        let mut walker = self.walkers[k].without_clicks();
        self.engine.depart(&mut walker);
        Self {
            engine: self.engine,
            walkers: vec![walker],
            moving: Vec::new(),
            begun: self.begun,
            stop: self.stop.clone(),
        }
    }

    fn renew(&mut self, k: usize, (seed, number): (u64, u64), now: Option<(usize, f64)>) {
        let walker = &mut self.walkers[k];
        walker.stream = Stream::new(seed, number);
        if now.is_some() {
            // Of those that have come so far the norm² at which they jump is uniform below that which is left.
            self.engine.depart(walker);
            walker.threshold = walker.flight.norm * (1.0 - walker.stream.uniform());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Kind, Problem, Quantity, sm, sp};
    use crate::space::blocks::Style;

    /// Pumped cells that start in their ground state, where the first block has one state and a later one 24310.
    #[test]
    fn the_size_of_a_batch_does_not_depend_on_the_blocks_visited() {
        let mut p = Problem::builder("pumped cells");
        let b = p.subsystem("B", Kind::Network { cells: 17, edges: Vec::new() }, 1.0);
        p.hamiltonian(sp(b) * sm(b)); // all cells alike: their number of quanta is the only charge
        p.each("pump", b, sp(b), 1.0).evolve("charge", 1.0, 1).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let engine = BlockJump::new(Blocks::compile(&problem, Style { spins: false, charges: true }).unwrap());
        let (work, most) = (engine.work(), engine.most_in_batch());
        let levels: Vec<usize> = (0..17).map(|cell| usize::from(cell < 8)).collect();
        let large = engine.local(engine.blocks.block_of(&[0; 17], &levels));
        assert_eq!(large.block.dimension(), 24310);
        assert_eq!((engine.work(), engine.most_in_batch()), (work, most));
    }
}
