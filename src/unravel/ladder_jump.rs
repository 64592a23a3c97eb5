//! Quantum jumps on the ladder, where a trajectory is a classical jump process: exact waiting times in a few
//! nanoseconds each, nothing stored per state.
//!
//! Two clocks run, each an exponential budget used up by its rate (next-reaction method, Anderson, J. Chem. Phys.
//! 127, 214107 (2007)): one for the collective lowering that makes the bursts, one for everything else. A
//! lowering then costs one exponential variate and one division and needs no draw to choose a channel. Budgets
//! left over at a row or at the end of a step remain exponential, so a path never depends on the output grid.

use super::click::{Click, Log};
use super::no_jump::{NoJump, Which};
use super::stream::Stream;
use super::{Batch, States, Unraveling};
use crate::battery::DickeKey;
use crate::error::RunError;
use crate::problem::{Linear, SubsystemId};
use crate::space::angular::Rung;
use crate::space::blocks::MOST_CHOICES;
use crate::space::ladder::{Action, Jump, Ladder, LadderStep, draw_initial};
use crate::stop::Stop;
use std::ops::Range;

/// The jumps one ensemble can make during a step, sorted for the two clocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clocks {
    /// Rate and channel of the collective lowering on the fast clock; rate 0 if none.
    lowering: (f64, usize),
    /// Everything on the slow clock.
    others: Vec<Jump>,
    /// Σ rates of the slow jumps per excited cell and per cell in its ground state, where they are so simple.
    per_cell: Option<(f64, f64)>,
}

impl Clocks {
    /// Sort `jumps` onto the clocks; those of rate 0 never happen.
    pub fn new(jumps: impl IntoIterator<Item = Jump>) -> Self {
        let mut stage = Clocks::default();
        for jump in jumps {
            if jump.rate == 0.0 {
                continue;
            }
            match jump.action {
                Action::CollectiveLower if stage.lowering.0 == 0.0 => stage.lowering = (jump.rate, jump.channel),
                _ => stage.others.push(jump),
            }
        }
        stage.per_cell = stage.others.iter().try_fold((0.0, 0.0), |(e, g), jump| match jump.action {
            Action::LocalLower => Some((e + jump.rate, g)),
            Action::LocalRaise => Some((e, g + jump.rate)),
            Action::LocalDiagonal { excited, ground, .. } => Some((e + jump.rate * excited, g + jump.rate * ground)),
            _ => None,
        });
        stage
    }

    #[inline]
    fn slow_rate(&self, rung: &Rung) -> f64 {
        match self.per_cell {
            Some((e, g)) => e * rung.excited() + g * rung.ground(),
            None => self.others.iter().map(|jump| jump.weight(rung)).sum(),
        }
    }

    fn fast_rate(&self, rung: &Rung) -> f64 {
        self.lowering.0 * rung.lowering()
    }
}

/// Jumps of the slow clock after which a request to stop is looked for.
const UNHEARD: u32 = 1024;

/// One ensemble of one trajectory: where it is, its clocks, its random numbers.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The state |J, M⟩.
    pub rung: Rung,
    /// Time of the last jump, since the step began.
    time: f64,
    fast: f64,
    slow: f64,
    stream: Stream,
}

impl Walk {
    /// Start on `rung`; `stream` has already drawn it.
    pub fn new(rung: Rung, mut stream: Stream) -> Self {
        let (fast, slow) = (stream.exponential(), stream.exponential());
        Self { rung, time: 0.0, fast, slow, stream }
    }

    /// Make every jump up to and including time `until` of the step, adding to `counts` by channel and telling `log`. State and clocks
    /// stay as of the last jump, so that `until` leaves no trace in the path.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] once `stop` is raised, which is looked at before the first jump and now and then.
    pub fn advance(
        &mut self,
        stage: &Clocks,
        until: f64,
        (counts, log): (&mut [u64], &mut impl Log),
        stop: &Stop,
    ) -> Result<(), RunError> {
        let mut made = 0u32;
        loop {
            if made.is_multiple_of(UNHEARD) {
                stop.check()?;
            }
            made = made.wrapping_add(1);
            if stage.lowering.0 > 0.0 && self.cascade(stage, until, counts, log) {
                return Ok(());
            }
            let rate = stage.slow_rate(&self.rung);
            if rate <= 0.0 {
                return Ok(());
            }
            let wait = self.slow / rate;
            if self.time + wait > until {
                return Ok(());
            }
            self.time += wait;
            self.fast = (self.fast - wait * stage.fast_rate(&self.rung)).max(0.0);
            self.slow = self.stream.exponential();
            self.slow_jump(stage, rate, counts, log);
        }
    }

    /// Collective lowerings until the slow clock rings first (false) or `until` does (true).
    #[inline]
    fn cascade(&mut self, stage: &Clocks, until: f64, counts: &mut [u64], log: &mut impl Log) -> bool {
        let (lowering, channel) = stage.lowering;
        let Walk { mut rung, mut time, mut fast, mut slow, .. } = *self;
        let top = rung.up;
        let mut over = false;
        while rung.up > 0.0 {
            let wait = fast / (lowering * rung.lowering());
            let spent = wait * stage.slow_rate(&rung);
            if spent >= slow {
                break;
            }
            if time + wait > until {
                over = true;
                break;
            }
            time += wait;
            slow -= spent;
            rung.up -= 1.0;
            log.jump(time, channel, rung.two_j, rung.two_j);
            fast = self.stream.exponential();
        }
        counts[channel] += (top - rung.up) as u64;
        (self.rung, self.time, self.fast, self.slow) = (rung, time, fast, slow);
        over
    }

    /// One jump of the slow clock, its channel in proportion to the rates.
    fn slow_jump(&mut self, stage: &Clocks, rate: f64, counts: &mut [u64], log: &mut impl Log) {
        let mut share = self.stream.uniform() * rate;
        let mut chosen = None;
        for jump in &stage.others {
            let weight = jump.weight(&self.rung);
            if weight > 0.0 {
                chosen = Some((jump, share.min(weight)));
                if share < weight {
                    break;
                }
                share -= weight;
            }
        }
        if let Some((jump, share)) = chosen {
            counts[jump.channel] += 1;
            let before = self.rung.two_j;
            jump.apply(&mut self.rung, share / jump.rate);
            log.jump(self.time, jump.channel, before, self.rung.two_j);
        }
    }

    /// Draw what is left of both budgets at time `now` anew: exponential, as it is whatever was used up of them.
    fn renew(&mut self, stage: &Clocks, now: f64) {
        let since = (now - self.time).max(0.0);
        let mut left = |rate: f64| since * rate + self.stream.exponential();
        (self.fast, self.slow) = (left(stage.fast_rate(&self.rung)), left(stage.slow_rate(&self.rung)));
    }

    /// End a step of `duration`: let both clocks run on to its end.
    pub fn finish(&mut self, stage: &Clocks, duration: f64) {
        let left = (duration - self.time).max(0.0);
        self.fast = (self.fast - left * stage.fast_rate(&self.rung)).max(0.0);
        self.slow = (self.slow - left * stage.slow_rate(&self.rung)).max(0.0);
        self.time = 0.0;
    }
}

/// A ladder with its jumps sorted onto the clocks: the engine of the ladder's trajectories.
#[derive(Clone, Debug)]
pub struct LadderJump {
    ladder: Ladder,
    /// Stages of each ensemble during each timed step.
    stages: Vec<Option<Vec<Clocks>>>,
    /// What happens to each initial state while no clock rings, if there are few.
    quiet: Option<Vec<Quiet>>,
}

/// An initial state to which nothing happens.
#[derive(Clone, Debug)]
struct Quiet {
    probability: f64,
    rungs: Vec<Rung>,
    /// What is used up of the fast and the slow budget of each ensemble by the end of the protocol.
    used: Vec<[f64; 2]>,
}

/// Once so much is used up, some clock has rung as far as numbers go: e⁻¹⁰⁰.
const SURE: f64 = 100.0;

impl LadderJump {
    /// Take over a compiled problem.
    pub fn new(ladder: Ladder) -> Self {
        let stages = ladder.steps.iter().map(|step| match step {
            LadderStep::Evolve { jumps, .. } => Some(jumps.iter().map(|j| Clocks::new(j.iter().copied())).collect()),
            LadderStep::Flip(_) | LadderStep::Idle => None,
        });
        let mut engine = Self { stages: stages.collect(), quiet: None, ladder };
        let states = engine.ladder.initial_states(MOST_CHOICES);
        engine.quiet = states.map(|all| all.into_iter().map(|(p, rungs)| engine.quiet(p, rungs)).collect());
        engine
    }

    fn quiet(&self, probability: f64, rungs: Vec<Rung>) -> Quiet {
        let (mut now, mut used) = (rungs.clone(), vec![[0.0; 2]; rungs.len()]);
        let cycles = (0..self.ladder.cycles).flat_map(|_| self.ladder.steps.iter().zip(&self.stages));
        for (step, stages) in cycles {
            if used.iter().flatten().sum::<f64>() > SURE {
                break;
            }
            match (step, stages) {
                (LadderStep::Flip(e), _) => now[e.index()].flip(),
                (LadderStep::Evolve { duration, .. }, Some(stages)) => {
                    for ((rung, stage), [fast, slow]) in now.iter().zip(stages).zip(&mut used) {
                        *fast += duration * stage.fast_rate(rung);
                        *slow += duration * stage.slow_rate(rung);
                    }
                }
                _ => {}
            }
        }
        Quiet { probability, rungs, used }
    }
}

impl Quiet {
    /// What is used up of all budgets.
    fn spent(&self) -> f64 {
        self.used.iter().flatten().sum()
    }

    /// Its probability, and that no clock rings.
    fn survival(&self) -> (f64, f64) {
        (self.probability, (-self.spent()).exp())
    }

    /// Walks from here, of which at least one clock `must` ring before the end: clock by clock, each one rings as often as it
    /// does among all trajectories in which it or a later one must, until one has; what follows is free.
    fn walks(&self, streams: Vec<Stream>, mut must: bool) -> Vec<Walk> {
        let mut left: f64 = self.used.iter().flatten().sum();
        let mut budget = |stream: &mut Stream, used: f64| {
            if !must || left <= 0.0 {
                return stream.exponential();
            }
            // P(it rings | it or a later one does) = (1 − e^−used)/(1 − e^−left)
            let (rings, some) = (-(-used).exp_m1(), -(-left).exp_m1());
            left -= used;
            let last = left <= 0.0;
            if used > 0.0 && (last || stream.uniform() * some < rings) {
                must = false;
                return -(-stream.uniform() * rings).ln_1p();
            }
            used + stream.exponential()
        };
        let walk = |((rung, used), mut stream): ((&Rung, &[f64; 2]), Stream)| {
            let [fast, slow] = used.map(|used| budget(&mut stream, used));
            Walk { rung: *rung, time: 0.0, fast, slow, stream }
        };
        self.rungs.iter().zip(&self.used).zip(streams).map(walk).collect()
    }
}

/// One trajectory on the ladder.
#[derive(Clone, Debug)]
struct LadderWalker {
    walks: Vec<Walk>,
    counts: Vec<u64>,
    /// Jumps since the step began, if they are kept.
    clicks: Option<Vec<Click>>,
}

impl LadderWalker {
    /// The same without what is kept of its past, which may be long.
    fn without_clicks(&self) -> Self {
        Self { walks: self.walks.clone(), counts: self.counts.clone(), clicks: None }
    }
}

/// A batch of them.
#[derive(Clone, Debug)]
pub struct LadderBatch<'a> {
    engine: &'a LadderJump,
    walkers: Vec<LadderWalker>,
    stop: Stop,
}

impl Unraveling for LadderJump {
    type Batch<'a> = LadderBatch<'a>;

    fn start_of(&self, which: Which, seed: u64, trajectories: Range<u64>, stop: &Stop) -> LadderBatch<'_> {
        let ensembles = self.ladder.cells.len() as u64;
        let stream = |trajectory: u64, e: usize| Stream::new(seed, trajectory * ensembles + e as u64);
        let all = 0..self.ladder.cells.len();
        let walks = |trajectory: u64| -> Vec<Walk> {
            match (which, &self.quiet) {
                (Which::Jumping(no_jump), Some(quiet)) => {
                    let mut streams: Vec<Stream> = all.clone().map(|e| stream(trajectory, e)).collect();
                    let state = no_jump.draw_state(&mut streams[0]);
                    quiet[state].walks(streams, no_jump.survival(state) > 0.0)
                }
                (Which::Never, Some(quiet)) => {
                    let rungs = quiet[trajectory as usize].rungs.iter().enumerate();
                    let never = |(e, rung): (usize, &Rung)| Walk {
                        fast: f64::INFINITY,
                        slow: f64::INFINITY,
                        ..Walk::new(*rung, stream(trajectory, e))
                    };
                    rungs.map(never).collect()
                }
                _ => {
                    let of_each = all.clone().zip(&self.ladder.cells).zip(&self.ladder.initial);
                    let of_each = of_each.map(|((e, &cells), initial)| {
                        let mut stream = stream(trajectory, e);
                        let rung = draw_initial(cells, initial, stream.rng());
                        Walk::new(rung, stream)
                    });
                    of_each.collect()
                }
            }
        };
        let walker = |trajectory: u64| LadderWalker {
            walks: walks(trajectory),
            counts: vec![0; self.ladder.released.len()],
            clicks: None,
        };
        LadderBatch { engine: self, walkers: trajectories.map(walker).collect(), stop: stop.clone() }
    }

    fn no_jump(&self, _: &Stop) -> Result<Option<NoJump>, RunError> {
        Ok(self.quiet.as_ref().map(|quiet| quiet.iter().map(Quiet::survival).collect()).and_then(NoJump::new))
    }

    fn survival(&self, _: &Stop) -> Result<Option<Vec<(f64, f64)>>, RunError> {
        let known = self.quiet.as_ref().filter(|quiet| quiet.iter().all(|state| state.spent() <= SURE));
        Ok(known.map(|quiet| quiet.iter().map(Quiet::survival).collect()))
    }

    fn is_diagonal(&self) -> bool {
        true
    }

    fn work(&self) -> f64 {
        let pulses = self.ladder.steps.iter().filter(|s| matches!(s, LadderStep::Flip(_))).count() as f64;
        self.ladder.cells.iter().sum::<u64>() as f64 * (1.0 + pulses * self.ladder.cycles as f64)
    }
}

impl States for LadderBatch<'_> {
    fn trajectories(&self) -> usize {
        self.walkers.len()
    }

    fn linear(&self, average: usize, step: usize, out: &mut [f64]) {
        let ladder = &self.engine.ladder;
        let linear = ladder.linear[average];
        for (LadderWalker { walks, counts, .. }, value) in self.walkers.iter().zip(out) {
            let rung = |e: SubsystemId| &walks[e.index()].rung;
            *value = match linear {
                Linear::Energy => ladder.battery.iter().map(|&(e, omega)| omega * rung(e).excited()).sum(),
                Linear::EnergyOf(e) => ladder.energies[e.index()] * rung(e).excited(),
                Linear::Quanta(e) => rung(e).excited(),
                Linear::EnergySpread | Linear::MagnetisationSpread(_) | Linear::TopLevel(_) | Linear::TopQuanta => 0.0,
                // Refused when it was compiled.
                Linear::Expect(_) => f64::NAN,
                Linear::Bright(e) => f64::from(u8::from(rung(e).two_j as u64 == ladder.cells[e.index()])),
                Linear::BrightLoss(e) => ladder.bright_loss(step, e, rung(e)),
                Linear::BrightReturn(e) => ladder.bright_return(step, e, rung(e)),
                Linear::Magnetisation(e) => rung(e).m(),
                Linear::SpinSquared(e) => rung(e).spin_squared(),
                Linear::Released(only) if only.is_some_and(|only| only.index() != step) => 0.0,
                Linear::Released(_) => {
                    counts.iter().zip(&ladder.released).map(|(&count, quantum)| count as f64 * quantum).sum()
                }
                Linear::Jumps(channel) => counts[channel.index()] as f64,
            };
        }
    }

    fn cell(&self, k: usize) -> Option<DickeKey> {
        let ladder = &self.engine.ladder;
        let states = ladder.battery.iter().map(|&(e, _)| {
            let rung = &self.walkers[k].walks[e.index()].rung;
            (rung.two_j as u64, rung.up as u64)
        });
        Some(ladder.keys.key(states))
    }

    fn whole_energy(&self, k: usize) -> f64 {
        let walks = self.walkers[k].walks.iter();
        walks.zip(&self.engine.ladder.energies).map(|(walk, omega)| omega * walk.rung.excited()).sum()
    }
}

impl Batch for LadderBatch<'_> {
    fn begin(&mut self, step: usize, _: f64) -> Result<(), RunError> {
        match &self.engine.ladder.steps[step] {
            LadderStep::Idle => {}
            LadderStep::Flip(e) => self.walkers.iter_mut().for_each(|w| w.walks[e.index()].rung.flip()),
            LadderStep::Evolve { .. } => {
                for walker in &mut self.walkers {
                    walker.counts.fill(0);
                    walker.clicks.iter_mut().for_each(Vec::clear);
                }
            }
        }
        Ok(())
    }

    fn evolve(&mut self, step: usize, until: f64) -> Result<(), RunError> {
        let Some(stages) = &self.engine.stages[step] else { return Ok(()) };
        for LadderWalker { walks, counts, clicks } in &mut self.walkers {
            let before = clicks.as_ref().map_or(0, Vec::len);
            for (walk, stage) in walks.iter_mut().zip(stages) {
                match clicks {
                    None => walk.advance(stage, until, (counts, &mut ()), &self.stop)?,
                    Some(clicks) => walk.advance(stage, until, (counts, clicks), &self.stop)?,
                }
            }
            // Those of several ensembles, one after another.
            if let Some(clicks) = clicks.as_mut().filter(|_| walks.len() > 1) {
                clicks[before..].sort_by(|a, b| a.time.total_cmp(&b.time));
            }
        }
        Ok(())
    }

    fn finish(&mut self, step: usize, duration: f64) {
        let Some(stages) = &self.engine.stages[step] else { return };
        for walker in &mut self.walkers {
            for (walk, stage) in walker.walks.iter_mut().zip(stages) {
                walk.finish(stage, duration);
            }
        }
    }

    fn counts(&self, k: usize) -> &[u64] {
        &self.walkers[k].counts
    }

    fn variate(&mut self, k: usize) -> f64 {
        self.walkers[k].walks.first_mut().map_or(0.0, |walk| walk.stream.uniform())
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
        let walks = &mut self.walkers[k].walks;
        let ensembles = walks.len() as u64;
        for (walk, e) in walks.iter_mut().zip(0..) {
            walk.stream = Stream::new(seed, number * ensembles + e);
        }
        if let Some((step, now)) = now
            && let Some(stages) = &self.engine.stages[step]
        {
            walks.iter_mut().zip(stages).for_each(|(walk, stage)| walk.renew(stage, now));
        }
    }
}
