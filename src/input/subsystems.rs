//! The subsystems section.

use super::document::{Entry, Item, Quantity, Table};
use super::error::{InputError, Span, shown};
use super::expression;
use super::operator::subsystem;
use super::parameters::{Scope, identifier};
use super::protocol::names;
use crate::problem::{Kind, MOST_CELLS, Subsystem, SubsystemId};

/// A network is held cell by cell; far fewer than this fit in memory.
const MOST_NETWORK_CELLS: u64 = 64;
const MOST_LEVELS: u64 = 1_000_000;

const KINDS: [&str; 5] = ["spins", "cells", "cell", "mode", "levels"];
const KIND_EXAMPLES: &str =
    "`spins = 10`, `cells = 5` with a `graph`, `cell = true`, `mode = 20` (its cutoff) or `levels = [0.0, 1.0]`";

/// The parts of the system, and which of them are a group of equal ones under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) all: Vec<Subsystem>,
    groups: Vec<(String, Vec<SubsystemId>)>,
}

impl Parts {
    /// The members of the group called `name`.
    pub(super) fn group(&self, name: &str) -> Option<&[SubsystemId]> {
        self.groups.iter().find(|(group, _)| group == name).map(|(_, members)| &members[..])
    }

    /// Everything that stands for a subsystem or a group.
    pub(super) fn names(&self) -> Vec<&str> {
        let groups = self.groups.iter().map(|(group, _)| group.as_str());
        self.all.iter().map(|part| part.name.as_str()).chain(groups).collect()
    }

    /// The subsystem or the members of the group called `name`.
    pub(super) fn named<'s>(&self, name: &str, at: Span<'s>) -> Result<Vec<SubsystemId>, InputError> {
        match self.group(name) {
            Some(members) => Ok(members.to_vec()),
            None => Ok(vec![subsystem(&self.all, name, at)?]),
        }
    }

    /// The subsystems in a list of names with their places, each once and at least one; `what` is made of them.
    pub(super) fn members<'s>(&self, of: &Item<'s>, what: &str) -> Result<Vec<(SubsystemId, Span<'s>)>, InputError> {
        let known = self.names();
        let mut members: Vec<(SubsystemId, Span<'s>)> = Vec::new();
        for (name, at) in names(of, "subsystem", &known)? {
            for id in self.named(known[name], at)? {
                if members.iter().any(|(other, _)| *other == id) {
                    let message = format!("the subsystem `{}` is named twice", self.all[id].name);
                    return Err(at.error(message, "each once"));
                }
                members.push((id, at));
            }
        }
        match members.is_empty() {
            true => Err(of.at.error(format!("{what} is made of nothing"), "at least one subsystem")),
            false => Ok(members),
        }
    }
}

/// Most equal subsystems that one entry may stand for.
const MOST_COPIES: u64 = 64;

/// The parts of the system in the order of the file.
pub(super) fn subsystems<'s>(section: &Table<'s>, scope: &Scope<'s>) -> Result<Parts, InputError> {
    let mut parts = Parts::default();
    for entry in section.entries() {
        identifier("subsystem", entry.key, entry.key_at)?;
        let table = entry.value.table(&format!("subsystem `{}`", entry.key), entry.key_at)?;
        table
            .allow("key of a subsystem", &["spins", "cells", "graph", "cell", "mode", "levels", "energy", "copies"])?;
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
        let (energy, uneven) = match table.get("energy") {
            Some(item) => energies(item, scope, entry.key, &kind)?,
            None => (1.0, Vec::new()),
        };
        let before = parts.all.len();
        match table.get("copies") {
            None => parts.all.push(Subsystem { name: entry.key.to_owned(), kind, energy, uneven }),
            Some(item) => {
                let what = format!("the number of copies of {}", entry.key);
                let copies = scope.number(item)?.whole(&what, 1..=MOST_COPIES)? as usize;
                parts.groups.push((entry.key.to_owned(), (before..before + copies).map(SubsystemId::new).collect()));
                let copy = |k| Subsystem {
                    name: format!("{}{k}", entry.key),
                    kind: kind.clone(),
                    energy,
                    uneven: uneven.clone(),
                };
                parts.all.extend((1..=copies).map(copy));
            }
        }
        let (old, new) = parts.all.split_at(before);
        if let Some(twice) = new.iter().find(|new| old.iter().any(|old| old.name == new.name)) {
            return Err(entry.key_at.error(format!("there are two subsystems `{}`", twice.name), "another name"));
        }
    }
    if parts.all.is_empty() {
        return Err(section.at.error("there are no subsystems", "one such as `B = { spins = 10, energy = 1.0 }`"));
    }
    Ok(parts)
}

/// ω, or one for each cell of a network: a list, or an expression in the number `i` of the cell.
fn energies<'s>(item: &Item<'s>, scope: &Scope<'s>, name: &str, kind: &Kind) -> Result<(f64, Vec<f64>), InputError> {
    let what = format!("the energy of {name}");
    let each = |values: Vec<f64>| {
        let odd = values.iter().position(|value| !(value.is_finite() && *value >= 0.0));
        match odd {
            Some(cell) => {
                let message = format!("{what} is {} at cell {cell}", shown(values[cell]));
                Err(item.at.error(message, "a finite number ≥ 0"))
            }
            // Cells that are all alike keep their symmetry.
            None if values.windows(2).all(|pair| pair[0] == pair[1]) => Ok((values[0], Vec::new())),
            None => Ok((values.iter().sum::<f64>() / values.len() as f64, values)),
        }
    };
    let network = || match kind {
        Kind::Network { cells, .. } => Ok(*cells),
        other => Err(item.at.error(
            format!("{what} differs from part to part, and it is {}", other.described()),
            "one number; a network `{ cells = …, graph = … }` may have an energy for each cell",
        )),
    };
    if item.is_list() {
        let (cells, listed) = (network()?, item.list("a list of energies")?);
        if listed.len() != cells {
            let message = format!("{} energies for {cells} cells", listed.len());
            return Err(item.at.error(message, "one for each cell"));
        }
        return each(listed.iter().map(|energy| Ok(scope.number(energy)?.value)).collect::<Result<_, InputError>>()?);
    }
    if let Quantity::Text(text) = item.quantity("a number or an expression in quotes")? {
        let expression = expression::parse(text)?;
        if expression.names().iter().any(|(name, _)| *name == "i") && scope.get("i").is_none() {
            let cells = network()?;
            let of = |cell: usize| scope.at("i", cell as f64, &expression);
            return each((0..cells).map(of).collect::<Result<_, InputError>>()?);
        }
    }
    Ok((scope.number(item)?.non_negative(&what)?, Vec::new()))
}

/// Where the size of each subsystem is given, as an error to be completed.
pub(super) fn sizes<'s>(section: &Table<'s>, scope: &Scope<'s>) -> Result<Vec<(String, InputError)>, InputError> {
    let mut found = Vec::new();
    for entry in section.entries() {
        let table = entry.value.table("subsystem", entry.key_at)?;
        for size in table.entries().iter().filter(|e| KINDS.contains(&e.key)) {
            let at = match size.key {
                "cell" => size.value.at,
                "levels" if size.value.is_list() => size.value.at,
                _ => scope.number(&size.value)?.at,
            };
            found.push((entry.key.to_owned(), at.error("", "")));
        }
    }
    Ok(found)
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
        // So many, equally far apart.
        _ if !item.is_list() => {
            let count = scope.number(item)?.whole(&format!("the number of levels of {name}"), 2..=MOST_LEVELS)?;
            let spacing = match table.get("energy") {
                Some(energy) => scope.number(energy)?.value,
                None => 1.0,
            };
            Kind::Levels { energies: (0..count).map(|k| k as f64 * spacing).collect() }
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

const GRAPHS: &str = "`graph = \"linear\"`, `\"circular\"`, `\"central\"`, `\"symmetric\"`, `\"none\"`, or edges: `graph = [[0, 1], [1, 2]]`";

/// Pairs of neighbours, the lower number first.
fn edges<'s>(graph: &Item<'s>, cells: usize, scope: &Scope<'s>) -> Result<Vec<(usize, usize)>, InputError> {
    if graph.is_list() {
        return listed_edges(graph, cells, scope);
    }
    let word = expression::parse(graph.text(GRAPHS)?)?;
    let chain = (1..cells).map(|b| (b - 1, b));
    Ok(match scope.choice("graph", &word, &["linear", "circular", "central", "symmetric", "none"])? {
        "none" => Vec::new(),
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
