//! Functions of chosen parts among the quantities: `{ name = "two", ergotropy = ["B:0", "B:1"] }`.

use super::document::{Item, Table};
use super::error::{InputError, Span};
use super::expression;
use super::joint::{ket_of, saved_ket};
use super::operator::subsystem;
use super::parameters::Scope;
use super::quantities::column_name;
use super::subsystems::Parts;
use crate::problem::{Chosen, Kind, MOST_STATES, Nonlinear, Place};
use std::path::Path;
use std::sync::Arc;

/// What may be asked of one part, and of two.
const OF_ONE: [(&str, Nonlinear); 2] = [("ergotropy", Nonlinear::Ergotropy), ("entropy", Nonlinear::Entropy)];
const OF_TWO: [(&str, Nonlinear); 2] =
    [("negativity", Nonlinear::Negativity), ("mutual_information", Nonlinear::MutualInformation)];

const EXAMPLES: &str = "`{ name = \"x\", expect = \"sy(A)\" }`, `{ name = \"x\", ergotropy = [\"B:0\", \"B:1\"] }`, \
    `{ name = \"x\", negativity = [[\"A\"], [\"B\"]] }` or `{ name = \"x\", fidelity = \"ghz\", of = [\"B\"] }`";

/// What may be asked of a part.
pub(super) enum Figure {
    /// A number at each row.
    Number(Chosen),
    /// Its state, by a name.
    State(String, Vec<Place>),
}

/// What the table asks for.
///
/// # Errors
/// A part that there is not, a part named twice, a state that does not fit.
pub(super) fn chosen<'s>(
    table: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    folder: &Path,
) -> Result<Figure, InputError> {
    table.allow(
        "key of a quantity",
        &["name", "expect", "state", "ergotropy", "entropy", "negativity", "mutual_information", "fidelity", "of"],
    )?;
    let figures = ["state", "ergotropy", "entropy", "negativity", "mutual_information", "fidelity"];
    let mut asked_for = figures.iter().filter_map(|key| table.entry(key));
    if let (Some(first), Some(second)) = (asked_for.next(), asked_for.next()) {
        let message = format!("`{}` beside `{}`", second.key, first.key);
        return Err(second.key_at.error(message, "one of them, and another table for the other"));
    }
    if let (None, Some(of)) = (table.entry("fidelity"), table.entry("of")) {
        return Err(of.key_at.error("`of` belongs to `fidelity`", "what the figure is of beside its own key"));
    }
    let name = column_name(table, scope)?;
    let asked = |list: &[(&'static str, Nonlinear)]| {
        list.iter().find_map(|(key, what)| Some((table.entry(key)?.value.clone(), *what)))
    };
    let function = |what, places, first, target| Chosen { name: name.clone(), what, places, first, target };
    if let Some(item) = table.get("state") {
        return Ok(Figure::State(name.clone(), places(item, parts, &[])?));
    }
    if let Some((item, what)) = asked(&OF_ONE) {
        let places = places(&item, parts, &[])?;
        return Ok(Figure::Number(function(what, places, 0, None)));
    }
    if let Some((item, what)) = asked(&OF_TWO) {
        let groups = item.list("two lists of parts: `[[\"A\"], [\"B\"]]`")?;
        let [one, other] = groups.as_slice() else {
            return Err(item.at.error(format!("{} groups", groups.len()), "two: `[[\"A\"], [\"B:0\", \"B:1\"]]`"));
        };
        let mut all = places(one, parts, &[])?;
        let first = all.len();
        all.extend(places(other, parts, &all)?);
        return Ok(Figure::Number(function(what, all, first, None)));
    }
    if let Some(item) = table.get("fidelity") {
        let of = places(table.need("of", "of = [\"B\"]")?, parts, &[])?;
        let text =
            item.text("a pure state such as `ghz` or `ket(1, 0, i)` in quotes, or the name of a file `psi.npy`")?;
        let levels: Vec<usize> =
            of.iter().flat_map(|(e, cell)| parts.all[*e].factors(*cell)).map(|(_, levels)| levels).collect();
        let states: f64 = levels.iter().map(|n| *n as f64).product();
        if states > MOST_STATES {
            let at = table.need("of", "of = [\"B\"]")?.at;
            return Err(at.error(format!("a part of {states} states"), format!("at most {MOST_STATES}")));
        }
        let name = text.text.trim();
        let psi = match name.ends_with(".npy") {
            true => saved_ket(folder, name, states as usize, text.at)?,
            false => ket_of(&expression::parse(text)?, scope, parts, &levels)?,
        };
        return Ok(Figure::Number(function(Nonlinear::Fidelity, of, 0, Some(Arc::new(psi)))));
    }
    Err(table.at.error("this asks for nothing", EXAMPLES))
}

/// `["A", "B:0"]`: subsystems, and cells of networks by their numbers; none of them among those `taken`.
fn places<'s>(item: &Item<'s>, parts: &Parts, taken: &[Place]) -> Result<Vec<Place>, InputError> {
    let mut found: Vec<Place> = Vec::new();
    for element in item.list("a list of parts: `[\"A\", \"B:0\"]`")? {
        let text = element.text("a subsystem `A`, or a cell `B:0`")?;
        let place = match text.text.split_once(':') {
            None if text.text.contains([',', '(']) => {
                return Err(text.at.error(format!("`{}` is no part", text.text), "a subsystem `A`, or a cell `B:0`"));
            }
            None => (subsystem(&parts.all, text.text.trim(), text.at)?, None),
            Some((name, cell)) => (subsystem(&parts.all, name.trim(), text.at)?, Some(number(cell, text.at)?)),
        };
        check(&place, parts, text.at)?;
        let same =
            |(other, cell): &Place| *other == place.0 && (*cell == place.1 || cell.is_none() || place.1.is_none());
        if found.iter().chain(taken).any(same) {
            return Err(text.at.error(format!("`{}` is named twice", text.text), "each part once"));
        }
        found.push(place);
    }
    match found.is_empty() {
        true => Err(item.at.error("this is a part of nothing", "at least one subsystem or cell")),
        false => Ok(found),
    }
}

fn number(cell: &str, at: Span<'_>) -> Result<usize, InputError> {
    cell.trim().parse().map_err(|_| at.error(format!("`{cell}` is no number of a cell"), "`B:0`, cells count from 0"))
}

fn check(place: &Place, parts: &Parts, at: Span<'_>) -> Result<(), InputError> {
    let part = &parts.all[place.0];
    match (&part.kind, place.1) {
        (Kind::Network { cells, .. }, Some(cell)) if cell >= *cells => {
            Err(at.error(format!("`{}` has no cell {cell}", part.name), format!("a number from 0 to {}", cells - 1)))
        }
        (Kind::Ensemble { cells: 2.. }, _) => Err(at.error(
            format!("`{}` is an ensemble, whose cells are not told apart", part.name),
            "a network `{ cells = …, graph = … }`",
        )),
        (Kind::Mode { .. } | Kind::Levels { .. }, Some(_)) => {
            Err(at.error(format!("`{}` is {}, it has no cells", part.name, part.kind.described()), "its name alone"))
        }
        _ => Ok(()),
    }
}
