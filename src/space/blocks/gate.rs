//! Gates on blocks: exp(−iG) of a generator, and matrices between product states. Charges are chosen so that none leaves its
//! block.

use super::block::{Block, Sparse};
use super::charges::Constraints;
use super::{Blocks, Layout, Monomial};
use crate::dense::{self, eigen};
use crate::problem::{Gate, Problem, Step};
use crate::space::energies::{levels_at, slots_of};
use faer::Mat;
use num_complex::Complex64;
use sprs::TriMatI;
use std::collections::HashMap;

/// Blocks of more states exponentiate their generator on each vector, by a sum.
const MOST_DENSE: usize = 256;

/// Elements of a matrix below this are none.
const NONE: f64 = 1e-15;

/// A gate as its slots see it.
#[derive(Clone, Debug)]
pub enum Compiled {
    /// The terms of G.
    Exponential(Vec<Monomial>),
    /// Of each product state of the slots, those it is taken to with their amplitudes.
    Matrix {
        /// The slots.
        slots: Vec<usize>,
        /// By the levels of the slots.
        images: HashMap<Vec<usize>, Vec<(Vec<usize>, Complex64)>>,
    },
}

/// A gate on one block.
#[derive(Clone, Debug)]
pub enum GateMap {
    /// U.
    Dense(Mat<Complex64>),
    /// U.
    Sparse(Sparse),
    /// −iG, and a bound of its norm.
    Generator(Sparse, f64),
}

/// The gates of the protocol, in order.
///
/// # Errors
/// A matrix on single cells of an ensemble that is stored as a spin.
pub fn compile(problem: &Problem, layout: &Layout) -> Result<Vec<Compiled>, String> {
    let gates = problem.protocol.steps.iter().filter_map(|step| match step {
        Step::Unitary(gate) => Some(gate),
        _ => None,
    });
    let compiled = |gate: &Gate| match gate {
        Gate::Exponential(generator) => Ok(Compiled::Exponential(layout.monomials(generator))),
        Gate::Matrix { over, matrix } => {
            if let Some(e) = over.iter().find(|e| layout.is_spin(**e)) {
                let name = &problem.subsystems[*e].name;
                return Err(format!("a gate acts on {name} cell by cell"));
            }
            let slots = slots_of(layout, over);
            let levels = |index: usize| levels_at(layout, &slots, index);
            let d = matrix.nrows();
            let column = |j: usize| {
                let there = (0..d).filter(|i| matrix[(*i, j)].norm() > NONE);
                (levels(j), there.map(|i| (levels(i), matrix[(i, j)])).collect())
            };
            let images = (0..d).map(column).collect();
            Ok(Compiled::Matrix { images, slots })
        }
    };
    gates.map(compiled).collect()
}

impl Compiled {
    /// What it asks of the charges.
    pub fn constrain(&self, layout: &Layout, constraints: &mut Constraints) {
        match self {
            Compiled::Exponential(terms) => constraints.conserve(layout, terms),
            Compiled::Matrix { slots, images } => {
                for (from, images) in images {
                    images.iter().for_each(|(to, _)| constraints.equal(layout, slots, (from, to)));
                }
            }
        }
    }

    /// The gate on one block.
    pub fn on(&self, of: &Blocks, block: &Block) -> GateMap {
        let d = block.dimension();
        match self {
            Compiled::Exponential(terms) => {
                let generator = of.inside(block, terms);
                if d <= MOST_DENSE {
                    let mut hermitian = Mat::<Complex64>::zeros(d, d);
                    generator.iter().for_each(|(g, (i, j))| hermitian[(i as usize, j as usize)] += g);
                    // Hermitian matrices of finite numbers have eigenvalues.
                    if let Ok((angles, v)) = eigen(hermitian.as_ref()) {
                        let turned = Mat::from_fn(d, d, |i, k| v[(i, k)] * Complex64::cis(-angles[k]));
                        return GateMap::Dense(dense::product(turned.as_ref(), v.adjoint()));
                    }
                }
                let row = |row: sprs::CsVecViewI<'_, Complex64, u32>| row.iter().map(|(_, x)| x.norm()).sum::<f64>();
                let norm = generator.outer_iterator().map(row).fold(0.0, f64::max);
                GateMap::Generator(generator.map(|x| x * -Complex64::I), norm)
            }
            Compiled::Matrix { slots, images } => {
                let mut entries = TriMatI::<Complex64, u32>::new((d, d));
                let mut levels = vec![0; block.space.levels.len()];
                for from in 0..d {
                    block.space.read(from, &mut levels);
                    let own: Vec<usize> = slots.iter().map(|slot| levels[*slot]).collect();
                    for (to, value) in images.get(&own).into_iter().flatten() {
                        slots.iter().zip(to).for_each(|(slot, level)| levels[*slot] = *level);
                        if let Some(place) = block.space.index(&levels) {
                            entries.add_triplet(place, from, *value);
                        }
                    }
                }
                GateMap::Sparse(entries.to_csr())
            }
        }
    }
}

impl GateMap {
    /// ψ → Uψ.
    pub fn apply(&self, psi: &mut [Complex64]) {
        match self {
            GateMap::Dense(u) => {
                let before = psi.to_vec();
                psi.fill(Complex64::ZERO);
                for (j, x) in before.iter().enumerate().filter(|(_, x)| **x != Complex64::ZERO) {
                    psi.iter_mut().zip(u.col(j).iter()).for_each(|(y, u)| *y += u * x);
                }
            }
            GateMap::Sparse(u) => {
                let image: Vec<Complex64> = product(u, psi);
                psi.copy_from_slice(&image);
            }
            GateMap::Generator(g, norm) => {
                // Parts of norm below 1, whose sums end when no later term can be seen.
                let parts = norm.ceil().max(1.0);
                for _ in 0..parts as u64 {
                    let mut term = psi.to_vec();
                    for k in 1..40 {
                        term = product(g, &term);
                        term.iter_mut().for_each(|x| *x /= parts * f64::from(k));
                        psi.iter_mut().zip(&term).for_each(|(sum, x)| *sum += x);
                        let (left, all) = (norm_sqr(&term), norm_sqr(psi));
                        if left <= 1e-36 * all {
                            break;
                        }
                    }
                }
            }
        }
    }
}

fn product(matrix: &Sparse, psi: &[Complex64]) -> Vec<Complex64> {
    let row = |row: sprs::CsVecViewI<'_, Complex64, u32>| row.iter().map(|(i, g)| g * psi[i]).sum();
    matrix.outer_iterator().map(row).collect()
}

fn norm_sqr(psi: &[Complex64]) -> f64 {
    psi.iter().map(|x| x.norm_sqr()).sum()
}
