//! What `leyden run` keeps of single runs: flags beside the input's `[record]`, and the files.

use super::common;
use super::interrupt;
use super::print::{note, say};
use crate::error::{ModelError, RunError, nearest};
use crate::estimate::counting::Cumulant;
use crate::estimate::histogram::{MOST_BINS, Share};
use crate::estimate::interval::Confidence;
use crate::exact;
use crate::input::Input;
use crate::output::figure::Figure;
use crate::output::folder::RunFolder;
use crate::output::{audit, npz, single_figures, single_runs};
use crate::problem::{Beyond, Distribution, Ledger, MOST_PATHS, Passage, Problem, Quantity, Record};
use crate::run::Outcome;
use crate::space::choose::Representation;
use crate::table::{Entry, significant};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// Flags of `leyden run` for single runs, beside what the input asks for.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct RecordArgs {
    /// Keep the paths of the first K trajectories (paths.csv and a picture)
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(0..=MOST_PATHS))]
    paths: Option<u64>,
    /// Keep every jump of every trajectory (jumps.npz)
    #[arg(long)]
    jumps: bool,
    /// Keep cumulants of the numbers of jumps (counting.csv)
    #[arg(long)]
    counting: bool,
    /// Keep work, heat and entropy flow of every trajectory, which is followed twice for them (audit.csv)
    #[arg(long)]
    audit: bool,
    /// Keep the distributions of these columns over trajectories, or of `energy_outcome` (distributions.csv, quantiles.csv)
    #[arg(long, value_name = "Q,...", value_delimiter = ',')]
    distributions: Vec<String>,
}

impl RecordArgs {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Let the input's problem keep what the input and the flags ask for.
    ///
    /// # Errors
    /// For a column that is not there or that no single trajectory has.
    pub fn apply(&self, input: &mut Input) -> Result<(), RunError> {
        let mut record = input.record.clone();
        record.paths = self.paths.unwrap_or(record.paths);
        record.jumps |= self.jumps;
        record.counting |= self.counting;
        record.audit |= self.audit;
        for name in &self.distributions {
            let of = distribution(&input.problem, name)?;
            if !record.distributions.contains(&of) {
                record.distributions.push(of);
            }
        }
        input.problem.record = record;
        Ok(())
    }
}

fn distribution(problem: &Problem, name: &str) -> Result<Distribution, RunError> {
    if name == "energy_outcome" {
        return Ok(Distribution::EnergyOutcome);
    }
    let found = problem.quantities.iter().find(|quantity| problem.column(quantity) == name);
    let Some(quantity) = found else {
        let columns = problem.single_columns().into_iter().map(|quantity| problem.column(quantity));
        let known = nearest(name, columns.chain(["energy_outcome".to_owned()]));
        return Err(ModelError::UnknownName { kind: "column", name: name.to_owned(), known }.into());
    };
    let of = Distribution::Conditional(quantity.clone());
    problem.bins(&of)?;
    Ok(of)
}

/// Bytes of a jump in `jumps.npz`.
const JUMP_BYTES: usize = 40;

/// Bytes that the tables of single runs take, generously; those of jumps are not known before.
pub fn expected_bytes(problem: &Problem) -> u64 {
    let (record, rows) = (&problem.record, problem.protocol.row_count() as u64);
    let columns = problem.single_columns().len() as u64;
    let pictures = if *record == Record::default() { 0 } else { 4_000_000 };
    let audited = if record.audit { 150 * Ledger::new(problem).len() as u64 } else { 0 };
    audited
        + rows * (record.paths * (columns + 5) * 20 + record.distributions.len() as u64 * MOST_BINS as u64 * 100)
        + pictures
}

/// The tables of what was kept of single runs, by their names.
///
/// # Errors
/// As [`audited`].
pub fn tables(
    problem: &Problem,
    outcome: &Outcome,
    confidence: Confidence,
) -> Result<Vec<(&'static str, String)>, RunError> {
    let (record, accumulated, n) = (&problem.record, &outcome.accumulated, outcome.trajectories);
    let z = confidence.errors(accumulated.moments.effective());
    let mut tables = Vec::new();
    if let Some(shots) = &outcome.shots {
        if record.paths > 0 {
            tables.push(("paths.csv", single_runs::paths(problem, shots)));
            tables.push(("path_jumps.csv", single_runs::path_jumps(problem, shots)));
        }
        if !record.first_passage.is_empty() {
            let passed = single_runs::passed(problem, (shots, n), accumulated, z);
            tables.push(("passages.csv", single_runs::passages(problem, passed)));
        }
    }
    if !record.distributions.is_empty() {
        tables.push(("distributions.csv", single_runs::distributions(problem, accumulated, z)));
        tables.push(("quantiles.csv", single_runs::quantiles(problem, accumulated, z)));
    }
    if record.counting {
        tables.push(("counting.csv", single_runs::counting(problem, |index| accumulated.cumulants(index, z))));
    }
    if !record.delays.is_empty() {
        tables.push(("delays.csv", single_runs::delays(problem, |index| Some(accumulated.delays(index, z)))));
    }
    tables.extend(audited(problem, outcome, confidence)?.map(|text| ("audit.csv", text)));
    Ok(tables)
}

/// Write what was kept of single runs, and draw it; returns the tables by their names.
///
/// # Errors
/// When a file cannot be written.
pub fn write(
    folder: &mut RunFolder,
    problem: &Problem,
    outcome: &Outcome,
    confidence: Confidence,
) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let tables = tables(problem, outcome, confidence)?;
    for (name, text) in &tables {
        folder.write(name, text.as_bytes())?;
    }
    if let Some(shots) = outcome.shots.as_ref().filter(|_| problem.record.jumps) {
        let size = JUMP_BYTES * shots.all_jumps.len();
        folder.write_long("jumps.npz", size, &|file| {
            npz::write_jumps(problem, shots, file).map_err(std::io::Error::other)
        })?;
    }
    let table = |wanted: &str| tables.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_str());
    let title = &problem.title;
    if let (Some(paths), Some(jumps)) = (table("paths.csv"), table("path_jumps.csv")) {
        draw(folder, "paths", single_figures::paths(title, paths, jumps))?;
    }
    if let Some(passages) = table("passages.csv") {
        draw(folder, "passages", single_figures::passages(title, passages))?;
    }
    if let (Some(all), Some(quantiles)) = (table("distributions.csv"), table("quantiles.csv")) {
        draw(folder, "distributions", single_figures::distributions(title, all, quantiles))?;
    }
    if let Some(delays) = table("delays.csv") {
        draw(folder, "delays", single_figures::delays(title, delays))?;
    }
    Ok(tables)
}

/// `audit.csv` of a run, where it is asked for.
///
/// # Errors
/// When the state that it ends in is none.
fn audited(problem: &Problem, outcome: &Outcome, confidence: Confidence) -> Result<Option<String>, RunError> {
    let accumulated = &outcome.accumulated;
    let lines = accumulated.audited(problem, confidence.errors(accumulated.moments.effective()))?;
    Ok(lines.map(|lines| audit::csv(problem, &lines, accumulated.residual())))
}

/// Print what an audit says of the whole run.
pub fn print_audit(table: &str) {
    say!("\nthe whole system, from the beginning to the end");
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [kind, "", "", "", numbers @ ..] = &cells[..] else { continue };
        let number = |at: usize| numbers.get(at).and_then(|cell| cell.parse::<f64>().ok());
        let Some(value) = number(0) else { continue };
        let shown = match (*kind, number(1)) {
            ("closure", _) => format!("{value:.0e}, the most by which the first law is off"),
            (_, None) if value.is_infinite() => "infinite".to_owned(),
            (_, None) => significant(value, 9),
            (_, se) => Entry { value, se, interval: number(2).zip(number(3)) }.to_string(),
        };
        say!("  {kind:<18} {shown}");
    }
}

/// Nothing, with a note, where it is too large for blocks: the rest may be solved all the same.
fn fits<T>(found: Result<T, RunError>) -> Result<Option<T>, RunError> {
    match found {
        Err(error @ RunError::TooLarge { .. }) => {
            note!("note: not all of [record] is there: {error}");
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// The tables of `[record]` that the master equation itself gives: cumulants of counts, the audit, delays between jumps, and
/// waiting times to a first jump.
///
/// # Errors
/// When it cannot be solved.
pub fn exact(input: &Input, representation: Option<Representation>) -> Result<Vec<(&'static str, String)>, RunError> {
    let (problem, stop) = (&Problem { record: input.record.clone(), ..input.problem.clone() }, interrupt::stop());
    let mut tables = Vec::new();
    if input.record.counting
        && let Some(found) = fits(exact::counting(&input.problem, representation, &stop))?
    {
        tables.push(("counting.csv", single_runs::counting(problem, |index| found[index].map(Cumulant::exact))));
    }
    if input.record.audit
        && let Some((lines, residual)) = fits(exact::audit(&input.problem, representation, &stop))?
    {
        tables.push(("audit.csv", audit::csv(problem, &lines, residual)));
    }
    let mut left_out = false;
    if !input.record.delays.is_empty()
        && let Some(found) = fits(exact::delays(problem, representation, &stop))?
    {
        left_out = found.iter().any(Option::is_none);
        if found.iter().any(Option::is_some) {
            let exactly = |bins: &Vec<[f64; 2]>| bins.iter().map(|bin| bin.map(Cumulant::exact)).collect();
            tables.push(("delays.csv", single_runs::delays(problem, |index| found[index].as_ref().map(exactly))));
        }
    }
    let waiting = |passage: &Passage| match (&passage.quantity, passage.beyond) {
        (Quantity::Jumps(channel), Beyond::Above) if 0.0 < passage.level && passage.level <= 1.0 => Some(*channel),
        _ => None,
    };
    let silent = |passage: &Passage| {
        let of = |channel| fits(exact::no_jump(&input.problem, channel, representation, &stop));
        Ok(waiting(passage).map(of).transpose()?.flatten())
    };
    let silent: Vec<Option<Vec<f64>>> =
        input.record.first_passage.iter().map(silent).collect::<Result<_, RunError>>()?;
    if silent.iter().any(Option::is_some) {
        let happened = |at: usize, row: usize| silent[at].as_ref().map(|silent| Share::exact(1.0 - silent[row]));
        tables.push(("passages.csv", single_runs::passages(problem, happened)));
    }
    let Record { paths, jumps, distributions, .. } = &input.record;
    if *paths > 0 || *jumps || !distributions.is_empty() || left_out || silent.iter().any(Option::is_none) {
        note!(
            "note: of [record] the master equation gives counting statistics, the audit, waiting times and, in steps where nothing \
             changes with time, delays; `leyden run` gives all of it"
        );
    }
    Ok(tables)
}

/// Write these tables, with their pictures.
///
/// # Errors
/// When a file cannot be written.
pub fn write_exact(folder: &mut RunFolder, title: &str, tables: &[(&str, String)]) -> Result<(), Box<dyn Error>> {
    for (name, text) in tables {
        folder.write(name, text.as_bytes())?;
        match *name {
            "passages.csv" => draw(folder, "passages", single_figures::passages(title, text))?,
            "delays.csv" => draw(folder, "delays", single_figures::delays(title, text))?,
            _ => {}
        }
    }
    Ok(())
}

/// Draw what there is to draw.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(folder: &mut RunFolder, stem: &str, figure: Option<Figure>) -> Result<(), Box<dyn Error>> {
    let Some(figure) = figure else { return Ok(()) };
    if let Err(error) = figure.svg() {
        note!("note: no picture of the {stem}: {error}");
        return Ok(());
    }
    common::picture(folder, stem, &figure)
}
