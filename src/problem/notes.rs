//! What a reader of the equation should know although nothing is wrong: a frame that may not be meant, a sum over more pairs
//! than there are edges.

use super::{Factor, Kind, Op, OpSum, Problem};

impl Problem {
    /// Remarks on what may not be meant, each a sentence or two.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.all_to_all().into_iter().collect();
        if !self.frame_stated && self.battery_hamiltonian.is_none() && self.is_driven_alone() {
            notes.push(
                "H drives the battery and holds nothing of its energy: it is taken in the frame that rotates with H_B, \
                 where the drive is in resonance. `[hamiltonian] battery = true` adds H_B, `battery = false` says that \
                 this is meant"
                    .into(),
            );
        }
        if !self.frame_stated && self.battery_hamiltonian.is_some() {
            notes.push(
                "the battery's Hamiltonian measures and does not act: H is what `[hamiltonian]` says. `battery = true` there adds \
                 it, `battery = false` says that it is all there"
                    .into(),
            );
        }
        notes
    }

    fn terms_of_h(&self) -> impl Iterator<Item = &OpSum> {
        std::iter::once(&self.hamiltonian).chain(self.drives.iter().map(|drive| &drive.operator))
    }

    /// Whether a term of H makes quanta in the battery out of nothing, and none is diagonal there.
    fn is_driven_alone(&self) -> bool {
        let inside = |f: &Factor| self.battery.contains(&f.subsystem);
        let change = |f: &Factor| match f.op {
            Op::Raise | Op::Create => 1,
            Op::Lower | Op::Annihilate => -1,
            _ => 0,
        };
        let terms: Vec<_> = self.terms_of_h().flat_map(|sum| sum.in_ladder_operators().terms).collect();
        let diagonal = |op: Op| matches!(op, Op::Number | Op::Z) || matches!(op, Op::Transition(i, j) if i == j);
        let drives = terms.iter().any(|term| {
            let alone = !term.factors.is_empty() && term.factors.iter().all(inside);
            alone && term.factors.iter().map(change).sum::<i32>() != 0
        });
        let holds = terms.iter().any(|term| term.factors.iter().any(|f| inside(f) && diagonal(f.op)));
        drives && !holds
    }

    /// A product of two sums over the cells of a network that has a graph with fewer edges than pairs.
    fn all_to_all(&self) -> Option<String> {
        let own = self.battery_hamiltonian.iter().map(|own| &own.operator);
        let found = self.terms_of_h().chain(own).flat_map(|sum| &sum.terms).find_map(|term| {
            let whole = || term.factors.iter().filter(|f| f.site.is_none());
            let twice = whole().find(|f| whole().filter(|g| g.subsystem == f.subsystem).count() > 1)?;
            let part = &self.subsystems[twice.subsystem];
            let sparse = match &part.kind {
                Kind::Network { cells, edges } => !edges.is_empty() && edges.len() < cells * (cells - 1) / 2,
                _ => false,
            };
            sparse.then_some(&part.name)
        });
        found.map(|name| {
            format!(
                "a product of two sums over the cells of {name}, such as sz({name})*sz({name}) = (Σσz)², couples all cells with \
                 all, not only neighbours: `bonds(sz, sz, {name})` is the sum over the edges of the graph"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Quantity, n, sx, sz};

    #[test]
    fn what_may_not_be_meant_is_noted() {
        let mut p = Problem::builder("notes");
        let b = p.subsystem("B", Kind::Network { cells: 3, edges: vec![(0, 1), (1, 2)] }, 1.0);
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        let notes = |terms: OpSum| p.clone().hamiltonian(terms).build().unwrap().notes();
        assert!(notes(n(b) * 0.3).is_empty());
        assert!(notes(sx(b))[0].contains("battery = true"));
        assert!(notes(sx(b) + n(b)).is_empty());
        assert!(notes(sz(b) * sz(b) + n(b))[0].contains("bonds(sz, sz, B)"));
        assert!(p.clone().hamiltonian(sx(b)).battery_hamiltonian().build().unwrap().notes().is_empty());
    }
}
