//! Operators made of several cells of a network: sums over its edges, and fermions.

use super::error::{InputError, Span};
use super::expression::{Expr, Node};
use super::operator::{Context, subsystem};
use crate::problem::{Factor, Kind, Op, OpSum, SubsystemId};

impl<'s> Context<'s, '_> {
    /// Σ over the edges (n, m) of one operator on n times another on m.
    pub(super) fn bonds(&self, arguments: &[Expr<'s>], at: Span<'s>) -> Result<OpSum, InputError> {
        let expected = "two operators and a network, `bonds(sz, sz, B)`";
        let [Expr { node: Node::Name(first), at: first_at }, Expr { node: Node::Name(second), at: second_at }, of] =
            arguments
        else {
            return Err(at.error("`bonds` cannot be read", expected));
        };
        let Node::Name(name) = of.node else { return Err(of.at.error("this is no name", expected)) };
        let id = subsystem(&self.parts.all, name, of.at)?;
        let Kind::Network { edges, .. } = &self.parts.all[id].kind else {
            let message = format!("`bonds` needs a graph, and this is {}", self.parts.all[id].kind.described());
            return Err(of.at.error(message, "a network `{ cells = …, graph = … }`"));
        };
        if self.each {
            return Err(at.error("`bonds` has no meaning on each cell", "an operator of one cell such as `sm(B)`"));
        }
        let of_cell = |name: &'s str, at: Span<'s>| {
            let found = of_cells(name).ok_or_else(|| at.unknown("operator of a cell", name, CELL_NAMES))?;
            Ok(move |site: usize| OpSum::from_factor(Factor { subsystem: id, site: Some(site), op: found }))
        };
        let (first, second) = (of_cell(first, *first_at)?, of_cell(second, *second_at)?);
        Ok(edges.iter().map(|&(n, m)| first(n) * second(m)).fold(OpSum::default(), |sum, bond| sum + bond))
    }

    /// Σ over the edges of σ⁻_n σ⁺_m + σ⁺_n σ⁻_m.
    pub(super) fn hop(
        &self,
        id: SubsystemId,
        target_at: Span<'s>,
        site: Option<&Expr<'s>>,
        at: Span<'s>,
    ) -> Result<OpSum, InputError> {
        let Kind::Network { edges, .. } = &self.parts.all[id].kind else {
            let message = format!("`hop` needs a graph, and this is {}", self.parts.all[id].kind.described());
            return Err(target_at.error(message, "a network `{ cells = …, graph = … }`"));
        };
        if let Some(site) = site {
            return Err(site.at.error("`hop` is the sum over all edges", "no number of a cell"));
        }
        if self.each {
            return Err(at.error("`hop` has no meaning on each cell", "an operator of one cell such as `sm(B)`"));
        }
        let cell = |site: usize, op| OpSum::from_factor(Factor { subsystem: id, site: Some(site), op });
        let bond = |&(a, b): &(usize, usize)| {
            let one_way = cell(a, Op::Lower) * cell(b, Op::Raise);
            one_way.clone() + one_way.adjoint()
        };
        Ok(edges.iter().map(bond).fold(OpSum::default(), |sum, bond| sum + bond))
    }

    /// The fermion on cell j of a network (Jordan and Wigner): c_j = Π_{m<j}(−σz_m) σ⁻_j, and its adjoint.
    pub(super) fn fermion(&self, name: &str, arguments: &[Expr<'s>], at: Span<'s>) -> Result<OpSum, InputError> {
        let expected = "a network and the number of a cell, `c(B, 0)`";
        let [Expr { node: Node::Name(of), at: of_at }, site] = arguments else {
            return Err(at.error(format!("`{name}` is given {} arguments", arguments.len()), expected));
        };
        let id = subsystem(&self.parts.all, of, *of_at)?;
        let Kind::Network { cells, .. } = &self.parts.all[id].kind else {
            let message = format!("`{name}` needs numbered cells, and this is {}", self.parts.all[id].kind.described());
            return Err(of_at.error(message, "a network `{ cells = …, graph = … }`"));
        };
        if self.each {
            return Err(at.error(format!("`{name}` acts on several cells"), "an operator of one cell such as `sm(B)`"));
        }
        let what = format!("the cell of `{of}`");
        let site = self.scope.number_of(site)?.whole(&what, 0..=(*cells as u64).saturating_sub(1))? as usize;
        let cell = |site: usize, op| OpSum::from_factor(Factor { subsystem: id, site: Some(site), op });
        let string = (0..site).map(|m| cell(m, Op::Z) * -1.0).reduce(|product, z| product * z);
        let last = cell(site, if name == "c" { Op::Lower } else { Op::Raise });
        Ok(match string {
            Some(string) => string * last,
            None => last,
        })
    }
}

/// Operators of one cell that `bonds` takes.
const CELL_NAMES: [&str; 6] = ["sm", "sp", "sx", "sy", "sz", "n"];

/// The operator of one cell with this name.
pub(super) fn of_cells(name: &str) -> Option<Op> {
    Some(match name {
        "sm" => Op::Lower,
        "sp" => Op::Raise,
        "sx" => Op::X,
        "sy" => Op::Y,
        "sz" => Op::Z,
        "n" => Op::Number,
        _ => return None,
    })
}
