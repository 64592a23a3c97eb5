//! `leyden rare`: the probability of what a single shot hardly ever shows.

use super::InputArgs;
use super::common::{self, Outcome};
use super::interrupt;
use super::print::{note, say};
use super::record;
use super::screen;
use crate::error::RunError;
use crate::input::Input;
use crate::output::folder::RunFolder;
use crate::output::rare as files;
use crate::problem::{Beyond, Event, Problem};
use crate::rare::{self, Found, POPULATION, Progress, RELATIVE_ERROR, Rare};
use crate::space::choose::{Representation, choose};
use crate::table::significant;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, json};
use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Arguments of `leyden rare`.
#[derive(Debug, Args)]
pub struct RareArgs {
    #[command(flatten)]
    input: InputArgs,
    /// What is looked at in the last row of a single shot, such as `energy` or `jumps(loss)` [default: what [rare] says]
    #[arg(long, value_name = "Q", requires = "level")]
    quantity: Option<String>,
    /// The event is that the quantity is below X
    #[arg(long, value_name = "X", group = "level", requires = "quantity", value_parser = level, allow_hyphen_values = true)]
    below: Option<f64>,
    /// The event is that the quantity is X or above
    #[arg(long, value_name = "X", group = "level", requires = "quantity", value_parser = level, allow_hyphen_values = true)]
    above: Option<f64>,
    /// Go on until the standard error is this part of the probability [default: that of [rare], or 0.1]
    #[arg(long, value_name = "E", value_parser = relative_error)]
    relative_error: Option<f64>,
    /// Trajectories in a population [default: that of [rare], or as many as it takes]
    #[arg(long, value_name = "N", value_parser = population)]
    population: Option<u64>,
    /// Seed of all random numbers [default: the input's]
    #[arg(long, value_parser = common::parse_count)]
    seed: Option<u64>,
    /// Number of threads [default: all cores]; no result depends on it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    threads: Option<u64>,
    /// Representation to use [default: the smallest exact one]
    #[arg(long, value_name = "R")]
    representation: Option<Representation>,
}

fn level(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "expected a finite number, such as 5.5".into())
}

fn relative_error(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|error| *error > 0.0 && *error <= 1.0);
    number.ok_or_else(|| "expected a number above 0, at most 1, such as 0.1".into())
}

fn population(text: &str) -> Result<u64, String> {
    let (least, most) = POPULATION;
    match common::parse_count(text)? {
        count if (least as u64..=most as u64).contains(&count) => Ok(count),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

impl RareArgs {
    /// The events that the flags make, or those of the input.
    fn events(&self, input: &Input) -> Result<Vec<Event>, Box<dyn Error>> {
        let asked = match (&self.quantity, self.below, self.above) {
            (Some(quantity), Some(level), _) => input.rare_events(quantity, Beyond::Below, level)?,
            (Some(quantity), None, Some(level)) => input.rare_events(quantity, Beyond::Above, level)?,
            _ => input.rare.events.clone(),
        };
        if asked.is_empty() {
            let text = "no rare event is asked for: `--quantity energy --below 5.5`, or a section [rare] in the input";
            return Err(RunError::Request(text.into()).into());
        }
        Ok(asked)
    }
}

/// Find the probability of each event and write the folder.
pub fn rare(args: &RareArgs) -> Outcome {
    let started = Instant::now();
    let input = args.input.read()?;
    let problem = &input.problem;
    let events = args.events(&input)?;
    let (representation, _) = common::engine(&input, args.representation)?;
    let how = Rare {
        events: Vec::new(),
        relative_error: args.relative_error.or(input.rare.relative_error).unwrap_or(RELATIVE_ERROR),
        population: args.population.or(input.rare.population).map(|size| size as usize),
        seed: args.seed.unwrap_or(input.run.seed),
        threads: args.threads.unwrap_or(0) as usize,
        representation: args.representation,
        stop: interrupt::stop(),
    };
    let names: Vec<String> = events.iter().map(|event| problem.event_name(event)).collect();
    let mut identity = common::identity("rare", &input);
    identity.insert("seed".into(), json!(how.seed));
    identity.insert("events".into(), json!(names));
    identity.insert("relative_error_asked".into(), json!(how.relative_error));
    identity.insert("population_asked".into(), json!(how.population));
    identity.insert("representation".into(), json!(representation.to_string()));
    identity.insert("unraveling".into(), json!("jump"));
    let folder = args.input.claim("-rare", identity, 2_000_000)?;
    note!("{}: {representation} representation, seed {}", problem.title, how.seed);
    let mut all = Vec::new();
    for (event, name) in events.iter().zip(&names) {
        let progress = Told::new(name);
        let found = rare::probability(problem, event, &how, &|what| progress.hear(what));
        progress.bar.finish_and_clear();
        match found {
            Err(RunError::Interrupted) if !all.is_empty() => break,
            found => all.push(found.map_err(|error| common::placed(&input, error))?),
        }
        interrupt::keep();
    }
    let missing = &names[all.len()..];
    let interrupted = !missing.is_empty() || all.iter().any(|found: &Found| found.interrupted);
    finish(folder, problem, &all, (interrupted, missing), (started, how.threads, how.relative_error))?;
    Ok(if interrupted { ExitCode::from(interrupt::STATUS) } else { ExitCode::SUCCESS })
}

fn finish(
    mut folder: RunFolder,
    problem: &Problem,
    all: &[Found],
    (interrupted, missing): (bool, &[String]),
    (started, threads, asked): (Instant, usize, f64),
) -> Result<(), Box<dyn Error>> {
    folder.write("rare.csv", files::events(problem, all).as_bytes())?;
    let levels = files::levels(problem, all);
    folder.write("levels.csv", levels.as_bytes())?;
    record::draw(&mut folder, "levels", files::figure(&problem.title, &levels))?;
    let mut facts = Map::new();
    facts.insert("interrupted".into(), json!(interrupted));
    facts.insert("trajectories".into(), json!(all.iter().map(|found| found.trajectories).sum::<u64>()));
    let doubts = all.iter().filter_map(|found| Some((found.name.clone(), json!(found.doubt.as_ref()?))));
    facts.insert("doubts".into(), json!(doubts.collect::<Map<_, _>>()));
    facts.insert("representation_why".into(), json!(choose(problem).explain()));
    let used = if threads == 0 { rayon::current_num_threads() } else { threads };
    let finished = folder.finish(facts, common::environment(started, used))?;
    all.iter().for_each(|found| print(found, asked));
    let seconds = started.elapsed().as_secs_f64();
    let events = if all.len() == 1 { "1 event".to_owned() } else { format!("{} events", all.len()) };
    screen::print_place(&format!("{events} in {seconds:.2} s; results"), &finished);
    for found in all.iter().filter(|found| found.interrupted) {
        note!("interrupted: {} populations of {} were kept", found.populations, found.name);
    }
    if !missing.is_empty() {
        note!("interrupted before there was anything of {}", missing.join(", "));
    }
    Ok(())
}

/// An error that is larger than that which was aimed at by this factor has missed it.
const MISSED: f64 = 1.25;

/// Say what was found, of which an error was `asked` for.
fn print(found: &Found, asked: f64) {
    let (lo, hi) = found.interval;
    let (name, time) = (&found.name, significant(found.time, 9));
    if found.is_exact() {
        say!("\n{name} at t = {time}: {}, exactly; nothing was sampled", significant(found.probability, 9));
        return;
    }
    let number = |x: f64| significant(x, 3);
    if found.probability > 0.0 {
        let error = number(100.0 * found.relative_error);
        say!(
            "\n{name} at t = {time}: {} ± {error} %, 95 %: {} to {}",
            number(found.probability),
            number(lo),
            number(hi)
        );
    } else {
        say!("\n{name} at t = {time}: not seen, at most {} (95 %)", number(hi));
    }
    let (populations, size, all) = (found.populations, found.size, found.trajectories);
    let kind = if found.plain { "plain trajectories, for it is not rare" } else { "trajectories each" };
    let plain = found.plain_trajectories();
    let instead = match found.plain || !plain.is_finite() {
        true => String::new(),
        false => format!("; without cloning the same error would take {}", number(plain)),
    };
    say!("  {populations} populations of {size} {kind}; {all} with pilots and trials{instead}");
    if found.relative_error > MISSED * asked && !found.interrupted {
        say!(
            "  the {} % that were aimed at were missed: aim at less, or try larger populations",
            number(100.0 * asked)
        );
    }
    if let Some(doubt) = &found.doubt {
        say!("  NOT to be trusted: {doubt}");
    }
}

/// A bar on a terminal, plain lines elsewhere.
struct Told<'a> {
    name: &'a str,
    bar: ProgressBar,
    plain: bool,
    shown: Mutex<Instant>,
}

impl<'a> Told<'a> {
    fn new(name: &'a str) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {eta} left  {msg}") {
            bar.set_style(style);
        }
        Self { name, bar, plain, shown: Mutex::new(Instant::now()) }
    }

    fn hear(&self, what: Progress) {
        let text = match what {
            Progress::Pilot { stage: 0, there } => {
                format!("{}: {} of plain trajectories", self.name, significant(there, 2))
            }
            Progress::Pilot { stage, there } => {
                format!("{}: pilots {stage}, {:.0} % of which show it", self.name, 100.0 * there)
            }
            Progress::Begins { populations, size } => {
                self.bar.set_length(populations as u64);
                format!("{}: populations of {size}", self.name)
            }
            Progress::Populations(done) => {
                if done >= 2 {
                    interrupt::keep();
                }
                self.bar.set_position(done as u64);
                format!("{}: {done}/{} populations", self.name, self.bar.length().unwrap_or(0))
            }
        };
        if !self.plain {
            self.bar.set_message(text);
            return;
        }
        let Ok(mut shown) = self.shown.try_lock() else { return };
        if shown.elapsed() > Duration::from_secs(5) {
            *shown = Instant::now();
            note!("{text}");
        }
    }
}
