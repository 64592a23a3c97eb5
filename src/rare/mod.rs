//! The probability of what a single shot hardly ever shows, down to 10⁻¹² and less: by populations of trajectories of which
//! those that come nearer to it are cloned.
//!
//! Pilots find out what leads there, a trial says how many populations it takes, and only populations of a number and kind that
//! are fixed by then count: each gives an estimate without bias, and their scatter the interval.

mod crew;
mod grid;
mod guide;
mod known;
mod pilot;
mod population;
mod question;
mod verdict;

use crate::error::{ModelError, RunError};
use crate::estimate::interval::Confidence;
use crate::estimate::populations::counted;
use crate::problem::{Event, Problem};
use crate::space::choose::Representation;
use crate::stop::Stop;
use crate::unravel::Unraveling;
use crate::unravel::engine::Engine;
use crate::unravel::no_jump::NoJump;
use crew::{Crew, Seeds};
use known::{Known, never, silent};
use pilot::Expedition;
use population::{Setting, grow};
use question::Question;
use std::ops::Index;
use verdict::{Estimate, Populations};

/// What to find the probability of, and how well. `Rare { events, ..Default::default() }` names what differs from the default.
#[derive(Clone, Debug)]
pub struct Rare {
    /// The events.
    pub events: Vec<Event>,
    /// The standard error that is aimed at, in parts of the probability: above 0, at most 1.
    pub relative_error: f64,
    /// Trajectories in a population, 10 to 1,000,000; `None` for as many as it takes, mostly 1,000 or more.
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
/// Where states are so large that batches are small, a population has so many batches of them at most, and so many trajectories
/// at least.
const BATCHES: u64 = 8;
const FEWEST: usize = 16;
/// Trajectories in a batch of small states.
const USUAL_BATCH: u64 = 256;
/// Populations of a trial, above which squared relative error they are enlarged, and by how much more populations than it
/// says are made: its 16 know their variance to a factor that is at most this in 90 % of all cases.
const TRIAL: usize = 16;
const TOO_UNEVEN: f64 = 0.5;
const MORE: f64 = 1.8;
/// Fewest populations that count, and most trajectories in all of them.
const POPULATIONS: usize = 32;
const TRAJECTORIES: usize = 20_000_000;
/// The power of their weights to which populations are drawn to the event that give a second opinion.
const WEAKER: f64 = 0.7;
/// Closer to 1 a probability is one of nothing but rounding.
const ROUNDING: f64 = 1e-12;

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

/// How likely it is that the quantity is beyond a level, on the side of its event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtLevel {
    /// The level, in the unit of the quantity.
    pub level: f64,
    /// The probability.
    pub probability: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
}

/// The probability of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// What it is called: `energy below 5.5`.
    pub name: String,
    /// When, since the run began: at the last row.
    pub time: f64,
    /// Its probability.
    pub probability: f64,
    /// Its 95 % interval: of no width only where the probability needs no sampling.
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
    /// Plain trajectories that would have the same error, (1 − p)/(pε²) with the probability p and its relative error
    /// ε.
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

/// How likely single shots of `problem` show each of some events at its last row: the mean over populations of
/// trajectories that are cloned and given up on the way, with weights that leave no bias (P. Del Moral and J. Garnier,
/// Ann. Appl. Probab. 15, 2496 (2005); `docs/statistics.md`).
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
/// When an event or what is asked for has no meaning ([`RunError::Model`]), no representation carries the problem
/// ([`RunError::Compile`]), H_B cannot be measured in its states ([`RunError::TooLarge`]), a state becomes none
/// ([`RunError::Numerics`]), or [`Rare::stop`] was raised before two populations of each event were complete
/// ([`RunError::Interrupted`]).
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

fn sampled<U: Unraveling>(
    setting: &Setting<'_, U>,
    how: &Rare,
    known: &Known,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Populations, RunError> {
    let (crew, seeds, stop) = (Crew::new(how.threads), Seeds(how.seed), setting.stop);
    let most = setting.engine.most_in_batch();
    let fits = if most < USUAL_BATCH { ((BATCHES * most) as usize).max(FEWEST) } else { usize::MAX };
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
        // Where no pilot came to the event more of the same is no help.
        if seen.0 < TOO_UNEVEN || plain || (mean == 0.0 && pilot.there == 0.0) {
            break;
        }
        if trial < REFINED {
            expedition.refine(&mut pilot)?;
        } else if trial < REFINED + ENLARGED && mean > 0.0 && how.population.is_none() && 4 * size <= fits {
            size *= 4;
        } else {
            break;
        }
    }
    let guide = pilot.guide.unwrap_or_default();
    trajectories += pilot.trajectories;
    // What is drawn less comes about more: if there is another way to the event, it may be found so.
    let mut second = Vec::new();
    if !plain {
        let weaker = guide.clone().weaker(WEAKER);
        let one = |k: usize| Ok(grow(setting, &weaker, (seeds.second(k), size), None)?.mean(holds));
        second = crew.all(TRIAL, stop, one)?;
        trajectories += TRIAL * size;
    }
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
    Ok(Populations { all, size, plain, second, pilots: pilot.plain, levels: pilot.levels, trajectories, confidence })
}
