//! The tables of single runs: paths, distributions with their quantiles, first passages, counting statistics, delays.

use super::table::number;
use crate::estimate::columns::Accumulated;
use crate::estimate::counting::{CUMULANTS, Cumulant};
use crate::estimate::histogram::{Distributed, Share, Weighing};
use crate::problem::{Problem, Step};
use crate::run::{Jump, Shots};

/// Probabilities at which quantiles are given, and what their columns are called.
pub const QUANTILES: [(f64, &str); 5] = [(0.05, "q05"), (0.25, "q25"), (0.5, "q50"), (0.75, "q75"), (0.95, "q95")];

/// A heading and lines under it.
struct Lines(String);

impl Lines {
    fn new<S: AsRef<str>>(heading: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = heading.into_iter().map(|name| name.as_ref().to_owned()).collect();
        Self(names.join(",") + "\n")
    }

    fn add(&mut self, words: &[&str], numbers: impl IntoIterator<Item = f64>) {
        let mut first = true;
        let mut separate = |text: &mut String| {
            if !first {
                text.push(',');
            }
            first = false;
        };
        for word in words {
            separate(&mut self.0);
            self.0.push_str(word);
        }
        for x in numbers {
            separate(&mut self.0);
            self.0.push_str(&number(x));
        }
        self.0.push('\n');
    }
}

/// `paths.csv`: a line for each row of each path, with the columns that a single trajectory has.
pub fn paths(problem: &Problem, shots: &Shots) -> String {
    let columns: Vec<String> = problem.single_columns().into_iter().map(|quantity| problem.column(quantity)).collect();
    let fixed = ["trajectory", "weight", "time", "step", "cycle"].map(str::to_owned);
    let mut lines = Lines::new(fixed.into_iter().chain(columns.iter().cloned()));
    let rows = problem.protocol.rows();
    for path in &shots.paths {
        for (row, values) in rows.iter().zip(path.values.chunks(columns.len().max(1))) {
            let (trajectory, weight) = (path.trajectory.to_string(), number(path.weight));
            let (time, cycle) = (number(row.time), row.cycle.to_string());
            lines.add(&[&trajectory, &weight, &time, problem.protocol.name(row.step), &cycle], values.iter().copied());
        }
    }
    lines.0
}

/// `path_jumps.csv`: the jumps of these paths, a line each, `time` since the run began; 2J is empty where cells have no
/// J.
pub fn path_jumps(problem: &Problem, shots: &Shots) -> String {
    let mut lines = Lines::new(["trajectory", "channel", "step", "cycle", "time", "two_j_before", "two_j_after"]);
    for path in &shots.paths {
        for Jump { time, cycle, step, channel, two_j } in &path.jumps {
            let (trajectory, cycle) = (path.trajectory.to_string(), cycle.to_string());
            let channel = &problem.channels.get(*channel as usize).map_or("", |channel| &channel.name);
            let step = problem.protocol.steps.get(*step as usize).map_or("", step_name);
            let spins = two_j.map(|j| if j < 0 { f64::NAN } else { f64::from(j) });
            lines.add(&[&trajectory, channel, step, &cycle], [*time, spins[0], spins[1]]);
        }
    }
    lines.0
}

fn step_name(step: &Step) -> &str {
    if let Step::Evolve { name, .. } = step { name } else { "" }
}

/// Each distribution at each row: its name, the words of the row and what it is.
fn distributed(
    problem: &Problem,
    accumulated: &Accumulated,
    z: f64,
    mut of: impl FnMut([&str; 4], &Distributed),
) -> Option<()> {
    let all = &problem.record.distributions;
    for (at, distribution) in all.iter().enumerate() {
        let (name, bins) = (problem.distribution_name(distribution), problem.bins(distribution).ok()?);
        for (index, row) in problem.protocol.rows().iter().enumerate() {
            let (time, cycle) = (number(row.time), row.cycle.to_string());
            let found = accumulated.distributed(index * all.len() + at, bins, z);
            of([&name, &time, problem.protocol.name(row.step), &cycle], &found);
        }
    }
    Some(())
}

/// `distributions.csv`: a line for each bin of each distribution at each row, with the probability of the bin; `z`
/// standard errors make its interval.
pub fn distributions(problem: &Problem, accumulated: &Accumulated, z: f64) -> String {
    let heading = [
        "quantity",
        "time",
        "step",
        "cycle",
        "low",
        "high",
        "probability",
        "probability_lo",
        "probability_hi",
        "least",
        "most",
    ];
    let mut lines = Lines::new(heading);
    distributed(problem, accumulated, z, |words, found| {
        for bin in found.bins() {
            let ((low, high), (lo, hi)) = (bin.edges, bin.share.interval);
            lines.add(&words, [low, high, bin.share.value, lo, hi, bin.met.0, bin.met.1]);
        }
    });
    lines.0
}

/// `quantiles.csv`: a line for each distribution at each row, with [`QUANTILES`] in the unit of the quantity and their
/// intervals.
pub fn quantiles(problem: &Problem, accumulated: &Accumulated, z: f64) -> String {
    let of = QUANTILES.iter().flat_map(|(_, name)| [(*name).to_owned(), format!("{name}_lo"), format!("{name}_hi")]);
    let fixed = ["quantity", "time", "step", "cycle"].map(str::to_owned);
    let mut lines = Lines::new(fixed.into_iter().chain(of));
    distributed(problem, accumulated, z, |words, found| {
        let numbers = QUANTILES.iter().flat_map(|(q, _)| {
            let quantile = found.quantile(*q);
            [quantile.value, quantile.interval.0, quantile.interval.1]
        });
        lines.add(&words, numbers);
    });
    lines.0
}

/// The rows at which the first passages of trajectories have happened: of those that were sampled, and of those that are
/// known, with their probabilities.
struct Happened {
    sampled: Vec<u64>,
    known: Vec<(u64, f64)>,
}

/// The probability that first passage number `at` has happened at a row, as a function of both, of a run of which `n`
/// trajectories were sampled; `z` standard errors make an interval.
pub fn passed<'a>(
    problem: &Problem,
    (shots, n): (&Shots, u64),
    accumulated: &'a Accumulated,
    z: f64,
) -> impl Fn(usize, usize) -> Option<Share> + 'a {
    let all = problem.record.first_passage.len();
    let of = |at: usize| {
        let entries = shots.passage_rows.iter().skip(at).step_by(all).copied().zip(shots.weight.iter().copied());
        let mut sampled: Vec<u64> = entries.clone().take(n as usize).map(|(row, _)| row).collect();
        sampled.sort_unstable();
        Happened { sampled, known: entries.skip(n as usize).collect() }
    };
    let happened: Vec<Happened> = (0..all).map(of).collect();
    let weighing = Weighing::of(&accumulated.averages(), z);
    move |at, row| {
        let (Happened { sampled, known }, row) = (&happened[at], row as u64);
        let part = sampled.partition_point(|at| *at <= row) as f64 / n.max(1) as f64;
        let sure = known.iter().filter(|(at, _)| *at <= row).map(|(_, weight)| weight).sum();
        Some(weighing.probability(sure, part))
    }
}

/// `passages.csv`: the probability that each first passage has happened, at each row, as far as it is `known` of a passage and
/// a row.
pub fn passages(problem: &Problem, known: impl Fn(usize, usize) -> Option<Share>) -> String {
    let heading =
        ["quantity", "side", "level", "time", "step", "cycle", "probability", "probability_lo", "probability_hi"];
    let mut lines = Lines::new(heading);
    for (at, passage) in problem.record.first_passage.iter().enumerate() {
        let (name, level) = (problem.column(&passage.quantity), number(passage.level));
        for (index, row) in problem.protocol.rows().iter().enumerate() {
            let Some(found) = known(at, index) else { continue };
            let (time, cycle) = (number(row.time), row.cycle.to_string());
            let words = [&name, passage.beyond.word(), &level, &time, problem.protocol.name(row.step), &cycle];
            lines.add(&words, [found.value, found.interval.0, found.interval.1]);
        }
    }
    lines.0
}

/// Cumulants of what never happens.
const NEVER: [f64; 5] = [0.0, 0.0, f64::NAN, 0.0, 0.0];

/// `counting.csv`: the cumulants of the number of jumps of each channel in each timed step, `of` that number of timed steps
/// over all cycles times the number of channels, plus the channel.
pub fn counting(problem: &Problem, of: impl Fn(usize) -> [Cumulant; 5]) -> String {
    let names = CUMULANTS.iter().flat_map(|name| ["", "_se", "_lo", "_hi"].map(|suffix| format!("{name}{suffix}")));
    let fixed = ["channel", "step", "cycle", "time", "duration"].map(str::to_owned);
    let mut lines = Lines::new(fixed.into_iter().chain(names));
    let (mut ended, mut time, channels) = (0, 0.0, problem.channels.len());
    for cycle in 0..problem.protocol.repeat {
        for step in &problem.protocol.steps {
            let Step::Evolve { name, duration, active, .. } = step else { continue };
            time += duration;
            for (at, channel) in problem.channels.iter().enumerate() {
                let never = !active[at] || *duration == 0.0 || channel.rate == 0.0;
                let found = if never { NEVER.map(Cumulant::exact) } else { of(ended * channels + at) };
                let numbers = found.into_iter().flat_map(|c| [c.value, c.se, c.interval.0, c.interval.1]);
                let cycle = cycle.to_string();
                lines.add(&[&channel.name, name, &cycle], [time, *duration].into_iter().chain(numbers));
            }
            ended += 1;
        }
    }
    lines.0
}

/// `delays.csv`: of each bin of each table of delays, from `low` to `high` in units of time, the density of the wait
/// from a jump to the next, in 1/time, and g²; of the tables that are `found`, by their number.
pub fn delays(problem: &Problem, found: impl Fn(usize) -> Option<Vec<[Cumulant; 2]>>) -> String {
    let names =
        ["wait", "g2"].iter().flat_map(|name| ["", "_se", "_lo", "_hi"].map(|suffix| format!("{name}{suffix}")));
    let fixed = ["channel", "step", "cycle", "low", "high"].map(str::to_owned);
    let mut lines = Lines::new(fixed.into_iter().chain(names));
    let name = |step: usize| match &problem.protocol.steps[step] {
        Step::Evolve { name, .. } => Some(name.as_str()),
        _ => None,
    };
    let timed: Vec<&str> = (0..problem.protocol.steps.len()).filter_map(name).collect();
    for (index, of) in problem.delay_tables().iter().enumerate() {
        let asked = &problem.record.delays[of.asked];
        let (step, cycle) = (timed[of.ended % timed.len()], (of.ended / timed.len()).to_string());
        for (bin, found) in found(index).into_iter().flatten().enumerate() {
            let edge = |k: usize| asked.width() * (bin + k) as f64;
            let numbers = found.into_iter().flat_map(|c| [c.value, c.se, c.interval.0, c.interval.1]);
            let words = [&problem.channels[asked.channel].name, step, &cycle];
            lines.add(&words, [edge(0), edge(1)].into_iter().chain(numbers));
        }
    }
    lines.0
}
