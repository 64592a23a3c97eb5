//! The probability of what a single shot hardly ever shows, down to 10⁻¹² and less: by populations of trajectories of which
//! those that come nearer to it are cloned.
//!
//! Pilots find out what leads there, a trial says how many populations it takes, and only populations of a number and kind that
//! are fixed by then count: each gives an estimate without bias, and their scatter the interval.

mod crew;
mod grid;
mod guide;
mod pilot;
mod population;
mod question;

use crate::error::{ModelError, RunError};
use crate::estimate::interval::Confidence;
use crate::estimate::populations::{Pooled, counted, pooled};
use crate::problem::{Event, Linear, Problem};
use crate::space::choose::Representation;
use crate::stop::Stop;
use crate::unravel::engine::Engine;
use crate::unravel::no_jump::{NoJump, Which};
use crate::unravel::trajectory::{Moment, Recorder, run_batch};
use crate::unravel::{Batch, States, Unraveling};
use crew::{Crew, Seeds};
use pilot::Expedition;
use population::{Setting, grow};
use question::Question;
use statrs::distribution::{Binomial, DiscreteCDF};
use std::ops::Index;

/// What to find the probability of, and how well. `Rare { events, ..Default::default() }` names what differs from the default.
#[derive(Clone, Debug)]
pub struct Rare {
    /// The events.
    pub events: Vec<Event>,
    /// The standard error that is aimed at, in parts of the probability.
    pub relative_error: f64,
    /// Trajectories in a population; `None` for as many as it takes, 1,000 or more.
    pub population: Option<usize>,
    /// Seed of all random streams.
    pub seed: u64,
    /// Number of threads, 0 for one a core. No result depends on it.
    pub threads: usize,
    /// How states are stored; `None` for the smallest exact representation.
    pub representation: Option<Representation>,
    /// Ends the work early when raised; complete populations are kept.
    pub stop: Stop,
}

impl Default for Rare {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            relative_error: RELATIVE_ERROR,
            population: None,
            seed: 1,
            threads: 0,
            representation: None,
            stop: Stop::default(),
        }
    }
}

/// The relative error that is aimed at if nothing is said of it.
pub const RELATIVE_ERROR: f64 = 0.1;
/// The fewest and the most trajectories of a population.
pub const POPULATION: (usize, usize) = (10, 1_000_000);
/// Trajectories in a population to begin with; how often more pilots are sent where they are too few, and how often it is then
/// made four times as large.
const SIZE: usize = 1_000;
const REFINED: usize = 3;
const ENLARGED: usize = 2;
/// As many states as fit are kept of a population.
const BATCHES_OF_STATES: u64 = 16;
/// Populations of a trial, above which squared relative error they are enlarged, and by how much more populations than it
/// says are made: its 8 know their variance to a factor that is at most this in 90 % of all cases.
const TRIAL: usize = 8;
const TOO_UNEVEN: f64 = 0.5;
const MORE: f64 = 2.5;
/// Fewest populations that count, and most trajectories in all of them.
const POPULATIONS: usize = 32;
const TRAJECTORIES: usize = 20_000_000;
/// Closer to 1 a probability is one of nothing but rounding.
const ROUNDING: f64 = 1e-12;
/// Chance at which plain trajectories and populations are said to disagree although they do not.
const DISAGREE: f64 = 1e-4;
/// Fewer ancestors at the start than this leave the populations' estimates to chance.
const FEW_ROOTS: f64 = 4.0;

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// A stage of pilots came back; this part of it shows the event.
    Pilot {
        /// Its number, 0 of plain trajectories.
        stage: usize,
        /// The part that shows the event.
        there: f64,
    },
    /// So many populations that count will be made, of so many trajectories each.
    Begins {
        /// How many.
        populations: usize,
        /// Trajectories in each.
        size: usize,
    },
    /// So many are complete.
    Populations(usize),
}

/// How likely it is that the quantity is beyond a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtLevel {
    /// The level.
    pub level: f64,
    /// The probability.
    pub probability: f64,
    /// 95 %.
    pub interval: (f64, f64),
}

/// The probability of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// What it is called: `energy below 5.5`.
    pub name: String,
    /// When, since the run began.
    pub time: f64,
    /// Its probability.
    pub probability: f64,
    /// 95 %: of no width only where the probability needs no sampling.
    pub interval: (f64, f64),
    /// Standard error in parts of the probability; 0 of an exact one, NaN where the event was not seen.
    pub relative_error: f64,
    /// Populations that count, of so many trajectories each; 0 of an exact one.
    pub populations: usize,
    /// Trajectories in a population.
    pub size: usize,
    /// All trajectories that were made, pilots and trials among them.
    pub trajectories: u64,
    /// Whether the populations were independent trajectories, as the event is not rare.
    pub plain: bool,
    /// Why the interval is not to be trusted, if it is not.
    pub doubt: Option<String>,
    /// The same for levels between the usual and that of the event, which is the last.
    pub levels: Vec<AtLevel>,
    /// Whether it was stopped early.
    pub interrupted: bool,
}

impl Found {
    /// Plain trajectories that would have the same error.
    pub fn plain_trajectories(&self) -> f64 {
        (1.0 - self.probability) / (self.probability * self.relative_error * self.relative_error)
    }

    /// Whether it needed no sampling.
    pub fn is_exact(&self) -> bool {
        self.populations == 0
    }
}

/// The probabilities of events, each by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct RareShots {
    /// In the order in which they were asked for.
    pub events: Vec<Found>,
}

impl Index<&str> for RareShots {
    type Output = Found;

    /// The event called `name`, such as `energy below 5.5`. Panics when there is none.
    fn index(&self, name: &str) -> &Found {
        let known = || self.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>();
        let found = self.events.iter().find(|event| event.name == name);
        found.unwrap_or_else(|| panic!("no event `{name}`, there are {:?}", known()))
    }
}

/// How likely single shots of `problem` show each of some events at its last row.
///
/// ```
/// use leyden::prelude::*;
/// use leyden::problem::{Beyond, Distribution, Event};
///
/// // Each of ten cells decays by itself: none or one is left with a probability of 2·10⁻⁴.
/// let mut p = Problem::builder("decay");
/// let b = p.ensemble("B", 10, 1.0);
/// p.each("loss", b, sm(b), 1.0).initial(b, Initial::Excited).evolve("wait", 0.5, 1).observe([Quantity::Energy]);
/// let event = Event { of: Distribution::Conditional(Quantity::Energy), side: Beyond::Below, level: 2.0 };
/// let found = rare(&p.build()?, &Rare { events: vec![event], relative_error: 0.05, ..Default::default() })?;
/// let (lost, left) = (1.0 - f64::exp(-0.5), f64::exp(-0.5));
/// let exact = lost.powi(10) + 10.0 * left * lost.powi(9);
/// let found = &found["energy below 2"];
/// assert!((found.probability / exact - 1.0).abs() < 5.0 * found.relative_error);
/// assert!(found.relative_error < 0.05);
/// # Ok::<(), leyden::RunError>(())
/// ```
///
/// # Errors
/// When an event or what is asked for has no meaning, no representation carries the problem, a state becomes none, or
/// [`Rare::stop`] was raised before two populations of each event were complete.
pub fn rare(problem: &Problem, how: &Rare) -> Result<RareShots, RunError> {
    let events = how.events.iter().map(|event| probability(problem, event, how, &|_| ())).collect::<Result<_, _>>()?;
    Ok(RareShots { events })
}

/// Whether what is asked for has a meaning.
///
/// # Errors
/// [`RunError::Model`] with the number and what is allowed.
pub fn check(how: &Rare) -> Result<(), RunError> {
    let out_of_range =
        |what: &str, value: f64, expected| Err(ModelError::OutOfRange { what: what.into(), value, expected }.into());
    if !(how.relative_error > 0.0 && how.relative_error <= 1.0) {
        return out_of_range("the relative error", how.relative_error, "a number above 0, at most 1");
    }
    match how.population {
        Some(size) if !(POPULATION.0..=POPULATION.1).contains(&size) => {
            out_of_range("the number of trajectories in a population", size as f64, "10 to 1000000")
        }
        _ => Ok(()),
    }
}

/// How likely a single shot shows one event; `told` hears what goes on.
///
/// # Errors
/// As [`rare`].
pub fn probability(
    problem: &Problem,
    event: &Event,
    how: &Rare,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Found, RunError> {
    check(how)?;
    problem.check_event(event)?;
    let exact = |probability: f64| Found {
        event: event.clone(),
        name: problem.event_name(event),
        time: problem.protocol.rows().last().map_or(0.0, |row| row.time),
        probability,
        interval: (probability, probability),
        relative_error: 0.0,
        populations: 0,
        size: 0,
        trajectories: 0,
        plain: true,
        doubt: None,
        levels: vec![AtLevel { level: event.level, probability, interval: (probability, probability) }],
        interrupted: false,
    };
    let stop = &how.stop;
    let asked = grid::with_rows(&problem.only(event), how.representation, how.seed, stop)?;
    let (_, engine) = Engine::new(&asked, how.representation)?;
    let question = Question::new(&asked, event);
    if question.measured {
        engine.check_measured()?;
    }
    if let Some(p) = problem.sure(event) {
        return Ok(exact(p));
    }
    if let Some(p) = silent(&asked, &engine, &question, stop)? {
        return Ok(exact(p));
    }
    let no_jump = engine.no_jump(stop)?;
    let known = no_jump.as_ref().map(|no_jump| never(&asked, &engine, &question, no_jump, stop)).transpose()?;
    let known = Known { ends: known.unwrap_or_default(), chance: no_jump.as_ref().map_or(0.0, NoJump::chance) };
    if known.chance > 1.0 - ROUNDING {
        return Ok(exact((known.of(|value| question.holds(value)) / known.chance).min(1.0)));
    }
    let setting = Setting { engine: &engine, problem: &asked, question: &question, no_jump: no_jump.as_ref(), stop };
    let sampled = sampled(&setting, how, &known, told)?;
    Ok(Found { event: event.clone(), ..sampled.found(exact(0.0), &question, &known) })
}

/// The probability that the only channel that ever does anything does nothing, if that is what is asked, or that it does
/// something.
fn silent(problem: &Problem, engine: &Engine, question: &Question, stop: &Stop) -> Result<Option<f64>, RunError> {
    let Some(Linear::Jumps(channel)) = question.event.counted(problem) else { return Ok(None) };
    let alone = problem.channel_ids().all(|other| other == channel || !problem.ever_on(other));
    // 1 click and many are of one kind.
    if !alone || question.holds(0.0) == question.holds(1.0) || question.holds(1.0) != question.holds(f64::INFINITY) {
        return Ok(None);
    }
    let Some(states) = engine.survival(stop)? else { return Ok(None) };
    let none: f64 = states.iter().map(|(p, survival)| p * survival).sum();
    let some: f64 = states.iter().map(|(p, survival)| p * (1.0 - survival)).sum();
    Ok(Some(if question.holds(0.0) { none } else { some }.clamp(0.0, 1.0)))
}

/// The branch in which nothing ever happens.
#[derive(Debug)]
struct Known {
    /// How it ends, with the probability of each end.
    ends: Vec<(f64, f64)>,
    /// Its probability.
    chance: f64,
}

impl Known {
    /// The probability that nothing happens and `of` holds.
    fn of(&self, of: impl Fn(f64) -> bool) -> f64 {
        self.ends.iter().filter(|(value, _)| of(*value)).map(|(_, p)| p).sum()
    }

    /// Of the probability among trajectories that jump that among all of them, where `of` holds of those that do not.
    fn whole(&self, pooled: Pooled, of: impl Fn(f64) -> bool) -> Pooled {
        let (known, rest) = (self.of(of), 1.0 - self.chance);
        let all = |p: f64| (known + rest * p).clamp(0.0, 1.0);
        let Pooled { value, se, interval: (lo, hi), dominated } = pooled;
        Pooled { value: all(value), se: rest * se, interval: (all(lo), all(hi)), dominated }
    }
}

/// Reads how trajectories that never jump end.
struct Ends<'a> {
    question: &'a Question,
    weights: Vec<f64>,
    rows: usize,
    found: Vec<(f64, f64)>,
}

impl<B: Batch> Recorder<B> for Ends<'_> {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        if moment.row + 1 < self.rows {
            return Ok(());
        }
        for (k, weight) in self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let value = self.question.value(&batch.alone(k), moment.step, 0.0);
            let (found, mut definite) = (&mut self.found, true);
            if self.question.measured {
                batch.energy_outcomes(k, &mut |outcome, p| {
                    definite = false;
                    found.push((outcome, weight * p));
                })?;
            }
            if definite {
                found.push((value, *weight));
            }
        }
        Ok(())
    }
}

fn never<U: Unraveling>(
    problem: &Problem,
    engine: &U,
    question: &Question,
    no_jump: &NoJump,
    stop: &Stop,
) -> Result<Vec<(f64, f64)>, RunError> {
    let mut batch = engine.start_of(Which::Never, 0, 0..no_jump.states() as u64, stop);
    debug_assert_eq!(batch.trajectories(), no_jump.states());
    let weights = no_jump.weights().collect();
    let mut ends = Ends { question, weights, rows: problem.protocol.row_count(), found: Vec::new() };
    run_batch(problem, &mut batch, stop, &mut ends)?;
    Ok(ends.found)
}

/// What a population has to say.
struct Estimate {
    /// The probability of the event.
    event: f64,
    /// The probabilities to be beyond each level.
    levels: Vec<f64>,
    /// How many of its trajectories at the start those descend from that show the event.
    roots: usize,
}

/// Populations that count, and what came before them.
struct Populations {
    all: Vec<Estimate>,
    size: usize,
    plain: bool,
    /// So many plain trajectories among the pilots have shown the event, of so many.
    pilots: (f64, usize),
    levels: Vec<f64>,
    trajectories: usize,
    confidence: Confidence,
}

fn sampled<U: Unraveling>(
    setting: &Setting<'_, U>,
    how: &Rare,
    known: &Known,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Populations, RunError> {
    let (crew, seeds, stop) = (Crew::new(how.threads), Seeds(how.seed), setting.stop);
    let fits = (BATCHES_OF_STATES * setting.engine.most_in_batch()).max(32) as usize;
    let mut size = how.population.unwrap_or(SIZE.min(fits));
    let holds = |value: f64| setting.question.holds(value);
    let (sure, rest) = (known.of(holds), 1.0 - known.chance);
    // Beside what is known the rest may be too little to look for.
    let enough = |(hits, n): (f64, usize)| {
        rest * counted(hits, n as f64, Confidence::Fixed).interval.1 < 0.5 * how.relative_error * sure
    };
    let heard = |stage, there| told(Progress::Pilot { stage, there });
    let expedition = Expedition { setting, size, seeds, crew: &crew, enough: &enough, told: &heard };
    let mut pilot = expedition.explore()?;
    let plain = pilot.guide.is_none();
    let mut trajectories = 0;
    // How uneven the estimates of populations are, and how large.
    let mut seen = (f64::NAN, 0.0);
    for trial in 0..=REFINED + ENLARGED {
        let guide = pilot.guide.clone().unwrap_or_default();
        let one = |k: usize| Ok(grow(setting, &guide, (seeds.trial(trial, k), size), None)?.mean(holds));
        let found: Vec<f64> = crew.all(TRIAL, stop, one)?;
        trajectories += TRIAL * size;
        let mean = found.iter().sum::<f64>() / TRIAL as f64;
        let variance = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (TRIAL - 1) as f64;
        seen = (variance / (mean * mean), mean);
        if std::env::var("RARE_DEBUG").is_ok() {
            eprintln!(
                "trial {trial} size {size} rows {} stages {} c2 {:.3} mean {mean:.3e} all {found:.1?}",
                setting.problem.protocol.row_count(),
                pilot.trajectories,
                seen.0
            );
        }
        if seen.0 < TOO_UNEVEN || plain {
            break;
        }
        if trial < REFINED {
            expedition.refine(&mut pilot)?;
        } else if trial < REFINED + ENLARGED && how.population.is_none() && 4 * size <= 16 * fits {
            size *= 4;
        } else {
            break;
        }
    }
    let guide = pilot.guide.unwrap_or_default();
    trajectories += pilot.trajectories;
    // What is known needs no better error than the rest beside it.
    let sampled = rest * seen.1;
    let aim = how.relative_error * (sure + sampled) / sampled;
    let needed = (MORE * seen.0 / (aim * aim)).ceil();
    let most = (TRAJECTORIES / size).max(POPULATIONS);
    let populations = if needed.is_finite() { (needed as usize).clamp(POPULATIONS, most) } else { POPULATIONS };
    told(Progress::Begins { populations, size });
    let one = |k: usize| {
        let grown = grow(setting, &guide, (seeds.population(k), size), None)?;
        let level = |level: &f64| grown.mean(|value| setting.question.holds_at(*level, value));
        let levels = pilot.levels.iter().map(level).collect();
        Ok(Estimate { event: grown.mean(holds), levels, roots: grown.roots(holds) })
    };
    let all = crew.first(populations, stop, &|done| told(Progress::Populations(done)), one)?;
    if all.len() < 2 {
        return Err(RunError::Interrupted);
    }
    trajectories += all.len() * size;
    let confidence = if all.len() < populations { Confidence::Stopped } else { Confidence::Fixed };
    Ok(Populations { all, size, plain, pilots: pilot.plain, levels: pilot.levels, trajectories, confidence })
}

impl Populations {
    /// What the numbers `of` populations say together, among trajectories as they were sampled.
    fn pooled(&self, of: impl Fn(&Estimate) -> f64) -> Pooled {
        let estimates: Vec<f64> = self.all.iter().map(of).collect();
        if self.plain {
            let n = (self.all.len() * self.size) as f64;
            return counted(estimates.iter().sum::<f64>() * self.size as f64, n, self.confidence);
        }
        pooled(&estimates, self.confidence)
    }

    fn found(&self, of: Found, question: &Question, known: &Known) -> Found {
        let holds = |value: f64| question.holds(value);
        let mut own = self.pooled(|one| one.event);
        let (hits, n) = (self.pilots.0, self.pilots.1 as f64);
        let unseen = !(own.value > 0.0);
        if unseen {
            // All that is left are the plain trajectories among the pilots.
            own.interval.1 = counted(hits, n, self.confidence).interval.1;
        }
        let doubt = self.doubt(&own);
        let all = known.whole(own, holds);
        let level = |(k, level): (usize, &f64)| {
            let own = self.pooled(|one| one.levels[k]);
            let all = known.whole(own, |value| question.holds_at(*level, value));
            (own.value > 0.0).then_some(AtLevel { level: *level, probability: all.value, interval: all.interval })
        };
        Found {
            probability: all.value,
            interval: all.interval,
            relative_error: if all.value > 0.0 { all.se / all.value } else { f64::NAN },
            populations: self.all.len(),
            size: self.size,
            trajectories: self.trajectories as u64,
            plain: self.plain,
            doubt,
            levels: self.levels.iter().enumerate().filter_map(level).collect(),
            interrupted: self.confidence == Confidence::Stopped,
            ..of
        }
    }

    /// Why the interval of the sampled part is not to be trusted.
    fn doubt(&self, own: &Pooled) -> Option<String> {
        // Of measurements those that trajectories would have given, on the whole.
        let (hits, n) = (self.pilots.0.round() as u64, self.pilots.1 as u64);
        if !(own.value > 0.0) {
            return Some(format!(
                "no population came to the event: the upper limit is that of {n} plain trajectories, {hits} of which did"
            ));
        }
        if self.plain {
            return None;
        }
        if own.dominated {
            return Some("a few populations make up most of the estimate: others may have been missed".into());
        }
        let roots = self.all.iter().map(|one| one.roots).sum::<usize>() as f64 / self.all.len() as f64;
        if roots < FEW_ROOTS {
            return Some(format!(
                "what shows the event in a population descends from {roots:.1} of its {} trajectories: larger populations are needed",
                self.size
            ));
        }
        let tail =
            |p: f64| Binomial::new(p, n).map(|law| (law.cdf(hits), if hits == 0 { 1.0 } else { law.sf(hits - 1) }));
        match (tail(own.interval.0), tail(own.interval.1)) {
            (Ok((below, _)), _) if below < DISAGREE => {}
            (_, Ok((_, above))) if above < DISAGREE => {}
            _ => return None,
        }
        Some(format!("it disagrees with plain trajectories, {hits} of {n} of which showed the event"))
    }
}
