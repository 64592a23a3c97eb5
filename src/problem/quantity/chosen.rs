//! Functions of the state of a part that the user chooses, cell by cell if need be: ergotropy of a few cells, entanglement
//! between two groups, distance to a state.

use super::Nonlinear;
use crate::error::ModelError;
use crate::problem::{Kind, Problem, SubsystemId};
use num_complex::Complex64;
use std::sync::Arc;

/// Most states of a part that is chosen.
pub(crate) const MOST_STATES: f64 = 1024.0;

/// A subsystem, or one cell of a network.
pub type Place = (SubsystemId, Option<usize>);

/// A function of the state of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The column.
    pub name: String,
    /// The function.
    pub what: Nonlinear,
    /// What the part is made of, in order, each once: at most 1,024 product states, the first place the most
    /// significant digit. No ensemble of several cells, which it does not tell apart.
    pub places: Vec<Place>,
    /// How many of these make up the first of two groups, for a function of both.
    pub first: usize,
    /// The amplitudes of the state to compare with, one a product state.
    pub target: Option<Arc<Vec<Complex64>>>,
}

/// A function of a part by its number among those of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChosenId {
    /// The number.
    pub number: usize,
    /// The function, as the list says.
    pub what: Nonlinear,
}

impl Problem {
    /// The tensor factors of places: each cell, mode or multi-level system with its number of levels.
    pub(crate) fn factors_of(&self, places: &[Place]) -> Vec<(SubsystemId, usize, usize)> {
        let of = |&(id, cell): &Place| self.subsystems[id].factors(cell).map(move |(cell, levels)| (id, cell, levels));
        places.iter().flat_map(of).collect()
    }

    /// Number of product states of places.
    pub(crate) fn states_of(&self, places: &[Place]) -> f64 {
        self.factors_of(places).iter().map(|(.., levels)| *levels as f64).product()
    }
}

pub(in crate::problem) fn check_chosen(problem: &Problem, id: ChosenId) -> Result<(), ModelError> {
    let invalid = |text: String| Err(ModelError::Invalid(text));
    let Some(chosen) = problem.chosen.get(id.number) else {
        return invalid("a function is asked of a part that was not chosen".into());
    };
    let Chosen { name, places, first, target, .. } = chosen;
    for (at, (e, cell)) in places.iter().enumerate() {
        let Some(part) = problem.subsystems.get(e.index()) else {
            return invalid(format!("`{name}` is of a subsystem that does not exist"));
        };
        match (&part.kind, cell) {
            (Kind::Ensemble { cells: 2.. }, _) => {
                let text =
                    format!("`{name}` is of single cells, which {}, an ensemble, does not tell apart", part.name);
                return invalid(format!("{text}: `cells` with a `graph` does"));
            }
            (Kind::Network { cells, .. }, Some(cell)) if cell >= cells => {
                return invalid(format!("`{name}` is of cell {cell} of {}, which has {cells}", part.name));
            }
            (Kind::Mode { .. } | Kind::Levels { .. }, Some(_)) => {
                return invalid(format!("`{name}` is of a cell of {}, which has none", part.name));
            }
            _ => {}
        }
        let same = |(other, site): &Place| other == e && (site == cell || site.is_none() || cell.is_none());
        if places[..at].iter().any(same) {
            return invalid(format!("`{name}` names a part of {} twice", part.name));
        }
    }
    let states = problem.states_of(places);
    if places.is_empty() || states > MOST_STATES {
        return invalid(format!("`{name}` is of a part of {states} states, expected 1 to {MOST_STATES}"));
    }
    let two = matches!(chosen.what, Nonlinear::Negativity | Nonlinear::MutualInformation);
    if two && !(1..places.len()).contains(first) {
        return invalid(format!("`{name}` is of two groups, neither of them empty"));
    }
    match (chosen.what, target) {
        (Nonlinear::Fidelity, Some(target)) if target.len() as f64 == states => Ok(()),
        (Nonlinear::Fidelity, _) => invalid(format!("`{name}` needs a state of {states} amplitudes to compare with")),
        _ => Ok(()),
    }
}
