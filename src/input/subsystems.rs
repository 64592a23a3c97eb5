//! The subsystems section and the initial state of each part.

use super::document::{Entry, Item, Table};
use super::error::{InputError, shown};
use super::expression::{self, Node};
use super::operator::described;
use super::parameters::{Number, Scope, identifier};
use crate::problem::{Initial, Kind, MOST_CELLS, Subsystem};

/// A network is held cell by cell; far fewer than this fit in memory.
const MOST_NETWORK_CELLS: u64 = 64;
const MOST_LEVELS: u64 = 1_000_000;

const KINDS: [&str; 5] = ["spins", "cells", "cell", "mode", "levels"];
const KIND_EXAMPLES: &str =
    "`spins = 10`, `cells = 5` with a `graph`, `cell = true`, `mode = 20` (its cutoff) or `levels = [0.0, 1.0]`";

/// The parts of the system in the order of the file.
pub(super) fn subsystems<'s>(section: &Table<'s>, scope: &Scope<'s>) -> Result<Vec<Subsystem>, InputError> {
    let mut parts = Vec::new();
    for entry in section.entries() {
        identifier("subsystem", entry.key, entry.key_at)?;
        let table = entry.value.table(&format!("subsystem `{}`", entry.key), entry.key_at)?;
        table.allow("key of a subsystem", &["spins", "cells", "graph", "cell", "mode", "levels", "energy"])?;
        let given: Vec<&Entry<'s>> = table.entries().iter().filter(|e| KINDS.contains(&e.key)).collect();
        let kind = match given.as_slice() {
            [one] => kind(one, &table, scope, entry.key)?,
            [] => return Err(table.at.error(format!("{} does not say what it is", table.what), KIND_EXAMPLES)),
            [_, second, ..] => {
                return Err(second.key_at.error(format!("{} is said to be two things", table.what), "one of them"));
            }
        };
        if let (false, Some(graph)) = (given[0].key == "cells", table.entry("graph")) {
            return Err(graph.key_at.error("only `cells` have a graph", "`cells = 5` beside it"));
        }
        let energy = match table.get("energy") {
            Some(item) => scope.number(item)?.non_negative(&format!("the energy of {}", entry.key))?,
            None => 1.0,
        };
        parts.push(Subsystem { name: entry.key.to_owned(), kind, energy });
    }
    if parts.is_empty() {
        return Err(section.at.error("there are no subsystems", "one such as `B = { spins = 10, energy = 1.0 }`"));
    }
    Ok(parts)
}

fn kind<'s>(entry: &Entry<'s>, table: &Table<'s>, scope: &Scope<'s>, name: &str) -> Result<Kind, InputError> {
    let item = &entry.value;
    Ok(match entry.key {
        "spins" => Kind::Ensemble {
            cells: scope.number(item)?.whole(&format!("the number of spins of {name}"), 1..=MOST_CELLS)?,
        },
        "cells" => {
            let range = 1..=MOST_NETWORK_CELLS;
            let cells = scope.number(item)?.whole(&format!("the number of cells of {name}"), range)? as usize;
            let edges = match table.get("graph") {
                Some(graph) => edges(graph, cells, scope)?,
                None if cells == 1 => Vec::new(),
                None => return Err(table.at.error(format!("{} has no `graph`", table.what), GRAPHS)),
            };
            Kind::Network { cells, edges }
        }
        "cell" => match item.boolean()? {
            true => Kind::Network { cells: 1, edges: Vec::new() },
            false => return Err(item.at.error(format!("`{name}` is said not to be a cell"), "`cell = true`")),
        },
        "mode" => {
            let cutoff = scope.number(item)?.whole(&format!("the cutoff of {name}"), 2..=MOST_LEVELS)?;
            Kind::Mode { cutoff: cutoff as usize }
        }
        _ => {
            let levels = item.list("a list of energies: `[0.0, 1.0]`")?;
            let energies: Vec<f64> =
                levels.iter().map(|level| Ok(scope.number(level)?.value)).collect::<Result<_, InputError>>()?;
            if energies.len() < 2 {
                return Err(item.at.error(format!("{name} has {} levels", energies.len()), "at least 2"));
            }
            Kind::Levels { energies }
        }
    })
}

const GRAPHS: &str =
    "`graph = \"linear\"`, `\"circular\"`, `\"central\"`, `\"symmetric\"`, or edges: `graph = [[0, 1], [1, 2]]`";

/// Pairs of neighbours, the lower number first.
fn edges<'s>(graph: &Item<'s>, cells: usize, scope: &Scope<'s>) -> Result<Vec<(usize, usize)>, InputError> {
    if graph.is_list() {
        return listed_edges(graph, cells, scope);
    }
    let word = expression::parse(graph.text(GRAPHS)?)?;
    let chain = (1..cells).map(|b| (b - 1, b));
    Ok(match scope.choice("graph", &word, &["linear", "circular", "central", "symmetric"])? {
        "linear" => chain.collect(),
        // Two cells have one bond, not two.
        "circular" => chain.chain((cells > 2).then(|| (0, cells - 1))).collect(),
        "central" => (1..cells).map(|b| (0, b)).collect(),
        _ => (0..cells).flat_map(|a| (a + 1..cells).map(move |b| (a, b))).collect(),
    })
}

fn listed_edges<'s>(graph: &Item<'s>, cells: usize, scope: &Scope<'s>) -> Result<Vec<(usize, usize)>, InputError> {
    let mut edges = Vec::new();
    for pair in graph.list(GRAPHS)? {
        let ends = pair.list("a pair of cells: `[0, 1]`")?;
        let [a, b] = ends.as_slice() else {
            return Err(pair.at.error(format!("an edge with {} ends", ends.len()), "a pair of cells: `[0, 1]`"));
        };
        let cell = |item| scope.number(item)?.whole("the cell of an edge", 0..=cells as u64 - 1);
        let (a, b) = (cell(a)? as usize, cell(b)? as usize);
        let edge = (a.min(b), a.max(b));
        if a == b || edges.contains(&edge) {
            let message = if a == b { "an edge from a cell to itself" } else { "this edge is listed twice" };
            return Err(pair.at.error(message, "two different cells, each pair once"));
        }
        edges.push(edge);
    }
    Ok(edges)
}

const STATES: [&str; 4] = ["ground", "excited", "dicke", "thermal"];

/// The initial state of `part`.
pub(super) fn initial<'s>(item: &Item<'s>, scope: &Scope<'s>, part: &Subsystem) -> Result<Initial, InputError> {
    let name = &part.name;
    let state = expression::parse(item.text("`ground`, `excited`, `dicke(J, M)` or `thermal(q)`")?)?;
    let (word, word_at, arguments) = match &state.node {
        Node::Call { name, name_at, arguments } if STATES.contains(name) => (*name, *name_at, arguments.as_slice()),
        Node::Call { name, name_at, .. } => return Err(name_at.unknown("initial state", name, STATES)),
        _ => (scope.choice("initial state", &state, &STATES)?, state.at, [].as_slice()),
    };
    let cells = matches!(part.kind, Kind::Ensemble { .. } | Kind::Network { .. });
    let fits = match word {
        "ground" => true,
        "dicke" => matches!(part.kind, Kind::Ensemble { .. }),
        _ => cells,
    };
    if !fits {
        let message = format!("`{name}` is {} and cannot start in the state `{word}`", described(&part.kind));
        let expected = if cells { "`ground`, `excited` or `thermal(q)`" } else { "`ground`" };
        return Err(word_at.error(message, expected));
    }
    match (word, arguments) {
        ("ground", []) => Ok(Initial::Ground),
        ("excited", []) => Ok(Initial::Excited),
        ("thermal", [ratio]) => {
            let ratio = scope.number_of(ratio)?.non_negative(&format!("the Boltzmann ratio p_e/p_g of {name}"))?;
            Ok(Initial::Thermal { ratio })
        }
        ("dicke", [j, m]) => {
            let (j, m) = (scope.number_of(j)?, scope.number_of(m)?);
            let n = part.cells() as f64;
            let two_j = doubled(j, &format!("J of {name}"), n % 2.0, n)?;
            let two_m = doubled(m, &format!("M of {name}"), -two_j, two_j)?;
            Ok(Initial::Dicke { two_j: two_j as u64, two_m: two_m as i64 })
        }
        _ => {
            let expected = match word {
                "thermal" => "`thermal(q)` with q = p_e/p_g",
                "dicke" => "`dicke(J, M)`",
                plain => plain,
            };
            Err(state.at.error(format!("`{word}` is given {} arguments", arguments.len()), expected))
        }
    }
}

/// Twice a half-integer that lies in steps of 1 between `least`/2 and `most`/2.
fn doubled(number: Number<'_>, what: &str, least: f64, most: f64) -> Result<f64, InputError> {
    let twice = (2.0 * number.value).round();
    let half_integer = (2.0 * number.value - twice).abs() <= 1e-12 * twice.abs();
    let allowed = half_integer && (least..=most).contains(&twice) && (most - twice) % 2.0 == 0.0;
    let expected = format!("a value from {} to {} in steps of 1", shown(least / 2.0), shown(most / 2.0));
    number.check(what, allowed, &expected)?;
    Ok(twice)
}
