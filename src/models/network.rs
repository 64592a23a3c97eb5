//! Self-discharge of cells on a graph.
//!
//! dρ/dt = −i\[H, ρ\] + Σ_nm Γ_nm(σₙ⁻ρσₘ⁺ − ½{σₘ⁺σₙ⁻, ρ}), H = ωΣn + J Σ_edges(σₙ⁻σₘ⁺ + h.c.), Γ_nn = Γ and Γ_nm = Γ_icl
//! on edges (Santos, Eqs. 10–12 with the h.c. of the exchange term).

use crate::error::ModelError;
use crate::problem::{Factor, Initial, Kind, Op, OpSum, Problem, Quantity, RateMatrix, n, sm};

/// Who is whose neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Graph {
    /// A chain.
    Linear,
    /// A ring; two cells have one bond.
    Circular,
    /// Cell 0 with every other.
    Central,
    /// Every cell with every other.
    Symmetric,
    /// These pairs.
    Edges(Vec<(usize, usize)>),
}

impl Graph {
    /// The edges (a, b) among `cells` cells, counted from 0.
    pub fn edges(&self, cells: usize) -> Vec<(usize, usize)> {
        let chain = (1..cells).map(|b| (b - 1, b));
        match self {
            Graph::Linear => chain.collect(),
            Graph::Circular => chain.chain((cells > 2).then(|| (0, cells - 1))).collect(),
            Graph::Central => (1..cells).map(|b| (0, b)).collect(),
            Graph::Symmetric => (0..cells).flat_map(|a| (a + 1..cells).map(move |b| (a, b))).collect(),
            Graph::Edges(edges) => edges.clone(),
        }
    }
}

/// Cells `B` on a graph that all start in the same state (`docs/physics.md` §4), with ω = 1 for each: J and rates are
/// in units of ω, times of 1/ω. The default has the values of Santos, Figs. 4 and 5.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Number of cells N.
    pub cells: usize,
    /// Their neighbours.
    pub graph: Graph,
    /// Exchange J.
    pub exchange: f64,
    /// Γ, rate of decay of each cell.
    pub gamma: f64,
    /// Γ_icl, rate of the decay that neighbours have in common.
    pub gamma_correlated: f64,
    /// Initial state of every cell.
    pub initial: Initial,
    /// Duration of the only step, `discharge`.
    pub t_end: f64,
    /// Rows after the first.
    pub samples: usize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            cells: 5,
            graph: Graph::Linear,
            exchange: 2.0,
            gamma: 1.0,
            gamma_correlated: 0.5,
            initial: Initial::plus(),
            t_end: 3.0,
            samples: 30,
        }
    }
}

impl Network {
    /// The master equation; the energy is the only quantity, others may be added.
    ///
    /// # Errors
    /// A number out of range, or a rate matrix that is not positive semidefinite.
    pub fn problem(&self) -> Result<Problem, ModelError> {
        let edges = self.graph.edges(self.cells);
        let mut p = Problem::builder("Self-discharge of a network");
        let b = p.subsystem("B", Kind::Network { cells: self.cells, edges: edges.clone() }, 1.0);
        p.initial(b, self.initial.clone());
        p.hamiltonian(n(b));
        let cell = |site, op| OpSum::from_factor(Factor { subsystem: b, site: Some(site), op });
        for &(i, j) in &edges {
            let hop = cell(i, Op::Lower) * cell(j, Op::Raise) * self.exchange;
            p.hamiltonian(hop.clone() + hop.adjoint());
        }
        let rates = RateMatrix::on_graph(self.cells, &edges, self.gamma, self.gamma_correlated)?;
        p.correlated("loss", b, sm(b), 1.0, rates);
        p.evolve("discharge", self.t_end, self.samples).observe([Quantity::Energy]);
        p.build()
    }
}
