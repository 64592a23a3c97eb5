//! The protocol section: pulses, timed steps and the times of their rows.

use super::document::{Item, Table};
use super::error::{InputError, Span};
use super::expression::{self, Node};
use super::gates::gate;
use super::joint::States;
use super::parameters::{Number, Scope, identifier};
use super::subsystems::Parts;
use crate::problem::{Axis, Kind, MOST_ROWS, Protocol, Step, even_rows, log_rows};

/// A step with the channels that it names, where it names any.
pub(super) struct ListedStep<'s> {
    pub(super) step: Step,
    /// Index and place of each channel that is on; `None`: no list is given.
    pub(super) channels: Option<Vec<(usize, Span<'s>)>>,
    /// The same for drives.
    pub(super) drives: Option<Vec<(usize, Span<'s>)>>,
}

/// Times so large that a run of them could not be added up.
const LONGEST_STEP: f64 = 1e300;
/// First of the logarithmic rows where none is given, and the least that is allowed, in units of the duration.
const FIRST_ROW: f64 = 1e-4;
const LEAST_FIRST_ROW: f64 = 1e-12;

const STEP_EXAMPLE: &str = "`{ name = \"storage\", evolve = 0.5, samples = 5 }` or `{ pulse = \"rotate(B, x, pi)\" }`";

/// Number of cycles and the steps of one.
pub(super) fn protocol<'s>(
    section: &Table<'s>,
    states: &States<'_, 's>,
    (channels, drives): (&[&str], &[&str]),
) -> Result<(u64, Vec<ListedStep<'s>>), InputError> {
    let States { scope, parts, folder, .. } = *states;
    section.allow("key", &["repeat", "steps"])?;
    let steps = section.need("steps", "steps = [ { name = \"storage\", evolve = 0.5, samples = 5 } ]")?;
    let repeat_at = section.get("repeat").map_or(steps.at, |item| item.at);
    let repeat = match section.get("repeat") {
        Some(item) => scope.number(item)?.whole("the number of cycles", 1..=MOST_ROWS)?,
        None => 1,
    };
    let mut listed: Vec<ListedStep<'s>> = Vec::new();
    let mut rows = 0;
    for item in steps.list("a list of steps")? {
        let table = item.table("the step", item.at)?;
        let timeless = |step| ListedStep { step, channels: None, drives: None };
        let new: Vec<ListedStep<'s>> = match (table.entry("pulse"), table.get("evolve")) {
            (Some(pulse), None) => {
                table.allow("key of a pulse", &["pulse"])?;
                rotations(&pulse.value, scope, parts)?.into_iter().map(timeless).collect()
            }
            (None, Some(duration)) => vec![timed(&table, duration, scope, channels, drives)?],
            (None, None) if table.get("unitary").is_some() => {
                table.allow("key of a gate", &["unitary"])?;
                let unitary = table.need("unitary", "unitary = \"theta*(sp(A)*sm(B) + sm(A)*sp(B))\"")?;
                vec![timeless(Step::Unitary(gate(unitary, scope, parts, folder)?))]
            }
            (None, None) if table.get("reset").is_some() => {
                table.allow("key of a reset", &["reset", "to"])?;
                let target = table.need("reset", "reset = \"C\"")?.text("the name of a subsystem")?;
                let to = table.need("to", "to = \"excited\"")?;
                let fresh = |subsystem| {
                    let state = states.of(to, subsystem)?;
                    Ok(timeless(Step::Reset { subsystem, state }))
                };
                parts.named(target.text, target.at)?.into_iter().map(fresh).collect::<Result<_, _>>()?
            }
            (Some(pulse), Some(_)) => {
                let message = "a step is either a pulse or timed, not both";
                return Err(pulse.key_at.error(message, "two steps, one with `pulse` and one with `evolve`"));
            }
            (None, None) => {
                table.allow("key of a step", &[&["pulse", "unitary", "reset", "to"], &TIMED[..]].concat())?;
                return Err(item
                    .at
                    .error("this step has neither `evolve`, `pulse`, `unitary` nor `reset`", STEP_EXAMPLE));
            }
        };
        rows += new.iter().map(|step| Protocol::rows_of(&step.step) as u64).sum::<u64>();
        if rows.saturating_mul(repeat) > MOST_ROWS {
            let message = format!("the protocol has more than {MOST_ROWS} output rows");
            return Err(repeat_at.error(message, "fewer cycles or fewer rows a step"));
        }
        listed.extend(new);
    }
    if rows == 0 {
        return Err(steps.at.error("the protocol has no timed step", STEP_EXAMPLE));
    }
    Ok((repeat, listed))
}

/// The rotation of a subsystem, or of every member of a group.
fn rotations<'s>(item: &Item<'s>, scope: &Scope<'s>, parts: &Parts) -> Result<Vec<Step>, InputError> {
    let example = "a pulse such as `rotate(B, x, pi)`: a subsystem, an axis and an angle";
    let pulse = expression::parse(item.text(example)?)?;
    let Node::Call { name, name_at, arguments } = &pulse.node else {
        return Err(pulse.at.error("this is no pulse", example));
    };
    if *name != "rotate" {
        return Err(name_at.unknown("pulse", name, ["rotate"]));
    }
    let [target, axis, angle] = arguments.as_slice() else {
        return Err(pulse.at.error(format!("`rotate` is given {} arguments", arguments.len()), example));
    };
    let Node::Name(target_name) = target.node else {
        return Err(target.at.error("this is no subsystem", example));
    };
    let ids = parts.named(target_name, target.at)?;
    let kind = &parts.all[ids[0]].kind;
    if !matches!(kind, Kind::Ensemble { .. } | Kind::Network { .. }) {
        let message = format!("`{target_name}` is {}, it cannot be rotated", kind.described());
        return Err(target.at.error(message, "an ensemble or a network"));
    }
    let axis = match scope.choice("axis", axis, &["x", "y", "z"])? {
        "x" => Axis::X,
        "y" => Axis::Y,
        _ => Axis::Z,
    };
    let angle = scope.number_of(angle)?.value;
    Ok(ids.into_iter().map(|subsystem| Step::Rotate { subsystem, axis, angle }).collect())
}

const TIMED: [&str; 8] = ["name", "evolve", "samples", "spacing", "first", "times", "channels", "drives"];

fn timed<'s>(
    table: &Table<'s>,
    duration: &Item<'s>,
    scope: &Scope<'s>,
    channels: &[&str],
    drives: &[&str],
) -> Result<ListedStep<'s>, InputError> {
    table.allow("key of a timed step", &TIMED)?;
    let name = table.need("name", "name = \"storage\"")?.text("the name of the step")?;
    identifier("step", name.text, name.at)?;
    let what = format!("the duration of step {}", name.text);
    let number = scope.number(duration)?;
    let allowed = (0.0..=LONGEST_STEP).contains(&number.value);
    let time = number.check(&what, allowed, "a finite number ≥ 0")?;
    let rows = rows(table, Number { value: time, ..number }, scope)?;
    let channels = match table.get("channels") {
        Some(item) => Some(names(item, "channel", channels)?),
        None => None,
    };
    let drives = table.get("drives").map(|item| names(item, "drive", drives)).transpose()?;
    let step =
        Step::Evolve { name: name.text.to_owned(), duration: time, rows, active: Vec::new(), driven: Vec::new() };
    Ok(ListedStep { step, channels, drives })
}

/// The times of the rows since the step began, the first 0 and the last the duration.
pub(super) fn rows<'s>(table: &Table<'s>, duration: Number<'s>, scope: &Scope<'s>) -> Result<Vec<f64>, InputError> {
    if let Some(times) = table.get("times") {
        if let Some(other) = ["samples", "spacing", "first"].iter().find_map(|key| table.entry(key)) {
            let message = format!("`{}` has no meaning beside `times`", other.key);
            return Err(other.key_at.error(message, "one of the two"));
        }
        return listed_rows(times, duration.value, scope);
    }
    let samples = table.need("samples", "samples = 5` (rows after the start) or `times = [0.1, 0.2]")?;
    let samples = scope.number(samples)?.whole("the number of samples", 1..=MOST_ROWS)? as usize;
    let spacing = match table.get("spacing") {
        Some(item) => {
            let word = expression::parse(item.text("`even` or `log`")?)?;
            scope.choice("spacing", &word, &["even", "log"])?
        }
        None => "even",
    };
    if spacing == "even" {
        return match table.entry("first") {
            Some(first) => {
                Err(first.key_at.error("`first` has no meaning for even rows", "`spacing = \"log\"` with it"))
            }
            None => Ok(even_rows(duration.value, samples)),
        };
    }
    let duration = duration.check("the duration", duration.value >= 1e-280, "a duration > 0 for logarithmic rows")?;
    let first = match table.get("first") {
        Some(item) => {
            let first = scope.number(item)?;
            let allowed = (LEAST_FIRST_ROW * duration..=duration).contains(&first.value);
            let expected = format!("a time from {LEAST_FIRST_ROW:e} of the duration up to the duration {duration}");
            first.check("the time of the first row", allowed, &expected)?
        }
        None => FIRST_ROW * duration,
    };
    // Rounding must not carry the rows before the end beyond it.
    Ok(log_rows(duration, samples, first).into_iter().map(|t| t.min(duration)).collect())
}

fn listed_rows<'s>(times: &Item<'s>, duration: f64, scope: &Scope<'s>) -> Result<Vec<f64>, InputError> {
    let mut rows = vec![0.0];
    for item in times.list("a list of times since the step began")? {
        let time = scope.number(&item)?;
        let last = rows.last().copied().unwrap_or(0.0);
        let starts = rows.len() == 1 && time.value == 0.0;
        let allowed = starts || (time.value > last && time.value <= duration);
        let expected = format!("rising times in (0, {duration}], the duration of the step");
        let value = time.check("the time of a row", allowed, &expected)?;
        if !starts {
            rows.push(value);
        }
    }
    if rows.len() == 1 || rows.last() != Some(&duration) {
        rows.push(duration);
    }
    Ok(rows)
}

/// A list of names of `known`, each at most once, as indices with their places.
pub(super) fn names<'s>(item: &Item<'s>, kind: &str, known: &[&str]) -> Result<Vec<(usize, Span<'s>)>, InputError> {
    let mut found: Vec<(usize, Span<'s>)> = Vec::new();
    for element in item.list(&format!("a list of {kind}s: `[\"…\"]`"))? {
        let name = element.text(&format!("the name of a {kind}"))?;
        let Some(index) = known.iter().position(|k| *k == name.text) else {
            return Err(name.at.unknown(kind, name.text, known.iter().copied()));
        };
        if found.iter().any(|(other, _)| *other == index) {
            return Err(name.at.error(format!("the {kind} `{}` is named twice", name.text), "each once"));
        }
        found.push((index, name.at));
    }
    Ok(found)
}
