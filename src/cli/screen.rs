//! What results look like on the screen.

use super::print::say;
use crate::output::folder::Finished;
use crate::problem::{Channel, ChannelId, Problem, Quantity, Step, StepId};
use crate::table::{Column, Table, significant};

/// Columns of a row that are printed.
const MOST_COLUMNS: usize = 24;
/// Significant digits of a number without error.
const DIGITS: i32 = 9;
/// What is so much smaller than the largest number of its column is rounding.
const ROUNDING: f64 = 1e-12;

/// A number for humans, with its error where there is one.
fn shown(column: &Column, row: usize) -> String {
    let entry = column.at(row);
    let largest = column.value.iter().filter(|v| v.is_finite()).fold(0.0, |most: f64, v| most.max(v.abs()));
    match (entry.se, entry.interval) {
        _ if entry.value.is_nan() => "–".into(),
        (None, None) if entry.value.abs() <= ROUNDING * largest => "0".into(),
        (None, None) => significant(entry.value, DIGITS),
        _ => entry.to_string(),
    }
}

/// Whether a channel can do anything in a step.
fn is_on(problem: &Problem, channel: ChannelId, step: StepId) -> bool {
    let Channel { rate, .. } = problem.channels[channel];
    let step = problem.protocol.steps.get(step.index());
    rate > 0.0 && matches!(step, Some(Step::Evolve { active, .. }) if active[channel.index()])
}

/// Columns that say nothing in a step: jumps of channels that are off in it, and the flags of undersampled numbers.
fn left_out(problem: &Problem, step: StepId) -> Vec<String> {
    let on = |channel: ChannelId| is_on(problem, channel, step);
    let says_nothing = |quantity: &&Quantity| match quantity {
        Quantity::Jumps(channel) => !on(*channel),
        Quantity::Released(Some(named)) => *named != step,
        Quantity::Released(None) => !problem.channel_ids().any(|c| on(c) && problem.released_per_jump(c) != 0.0),
        _ => false,
    };
    problem.quantities.iter().filter(says_nothing).map(|quantity| problem.column(quantity)).collect()
}

/// Print the last row of each step of the last cycle; `what` is the state that they are of, where it is not the end of a
/// run. The end of a table that is too wide for a screen says where the rest is.
pub fn print_end(problem: &Problem, table: &Table, what: &str, finished: &Finished) {
    let last_cycle = table.rows.last().map_or(0, |row| row.cycle);
    let ends = |row: &usize| table.rows.get(row + 1).is_none_or(|next| next.step != table.rows[*row].step);
    let (mut cut, mut errors, mut intervals) = (false, false, false);
    for row in (0..table.rows.len()).filter(|row| table.rows[*row].cycle == last_cycle).filter(ends) {
        let (at, step) = (&table.rows[row], &table.steps[row]);
        match (at.time.is_infinite(), what) {
            (true, _) => say!("\n{what} (t → ∞)"),
            (_, "") => say!("\nend of {step} in cycle {}, t = {}", at.cycle + 1, significant(at.time, DIGITS)),
            _ => say!("\n{what}, end of {step}, t = {}", significant(at.time, DIGITS)),
        }
        let hidden = left_out(problem, at.step);
        let says = |c: &&Column| !c.name.ends_with("_undersampled") && !hidden.contains(&c.name);
        let columns: Vec<&Column> = table.columns.iter().filter(says).collect();
        for column in columns.iter().take(MOST_COLUMNS) {
            errors |= column.se.is_some();
            intervals |= column.at(row).own_interval().is_some();
            say!("  {:<18} {}", column.name, shown(column, row));
        }
        if columns.len() > MOST_COLUMNS {
            cut = true;
            say!("  and {} more", columns.len() - MOST_COLUMNS);
        }
    }
    if errors {
        let more = if intervals { " [95 % interval, where it is not about two of these]" } else { "" };
        say!("\nnumbers are value(standard error in the last digits){more}");
    }
    if cut {
        let place = finished.place.join("observables.csv");
        say!("\nall {} columns at every row are in {}", table.columns.len(), place.display());
    }
}

/// The length of a table: `1 row`, `41 rows`.
pub fn rows(table: &Table) -> String {
    match table.rows.len() {
        1 => "1 row".into(),
        rows => format!("{rows} rows"),
    }
}

/// Print where a result is, after what is said of it.
pub fn print_place(said: &str, finished: &Finished) {
    say!("\n{said} in {}: {}", finished.place.display(), finished.files.join(", "));
    if let Some(previous) = &finished.previous {
        say!("the result that was there before is in {}", previous.display());
    }
}
