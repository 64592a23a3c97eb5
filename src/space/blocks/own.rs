//! The battery's own Hamiltonian on the blocks: where its energies count from, and its eigenstates in each block of the
//! battery.

use super::basis::{Key, Space};
use super::{Blocks, Layout, Monomial};
use crate::dense::{eigen, product};
use crate::problem::{BatteryHamiltonian, Problem, Zero};
use crate::space::energies::{Coupled, coupled, images, joined, lowest, slots_of};
use faer::{Mat, MatRef};
use num_complex::Complex64;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// Most states that H_B couples with each other of which the eigenstates are worked out, in about a minute.
pub const MOST_MEASURED: usize = 1 << 12;

/// States of a block that H_B couples with each other, and no others.
#[derive(Debug)]
struct Set {
    /// Their places in the block.
    places: Vec<usize>,
    /// Their eigenvectors, as columns; `None` where they stay as they are.
    vectors: Option<Mat<Complex64>>,
}

/// The eigenstates of H_B in one block of the battery.
#[derive(Debug)]
pub struct Eigenbasis {
    /// Energies from where they count, set by set; NaN in a set of more than [`MOST_MEASURED`] states.
    pub energies: Vec<f64>,
    sets: Vec<Set>,
}

impl Eigenbasis {
    /// The amplitudes in this basis of a vector with these amplitudes at these places.
    pub fn turned(&self, vector: impl Iterator<Item = (usize, Complex64)>) -> Vec<Complex64> {
        let mut whole = Mat::<Complex64>::zeros(self.energies.len(), 1);
        vector.for_each(|(place, x)| whole[(place, 0)] += x);
        let turned = self.adjoint_times(whole.as_ref());
        turned.col(0).iter().copied().collect()
    }

    /// A matrix in this basis.
    pub fn turned_matrix(&self, matrix: MatRef<'_, Complex64>) -> Mat<Complex64> {
        let half = self.adjoint_times(matrix);
        self.adjoint_times(half.adjoint().to_owned().as_ref()).adjoint().to_owned()
    }

    /// V†M, set by set.
    fn adjoint_times(&self, matrix: MatRef<'_, Complex64>) -> Mat<Complex64> {
        let mut turned = Mat::<Complex64>::zeros(matrix.nrows(), matrix.ncols());
        let mut first = 0;
        for Set { places, vectors } in &self.sets {
            let rows = Mat::from_fn(places.len(), matrix.ncols(), |i, j| matrix[(places[i], j)]);
            let own = vectors.as_ref().map_or_else(|| rows.clone(), |v| product(v.adjoint(), rows.as_ref()));
            turned.submatrix_mut(first, 0, places.len(), matrix.ncols()).copy_from(&own);
            first += places.len();
        }
        turned
    }
}

/// Row, column and value of an element of H_B.
type Element = (usize, usize, Complex64);

/// H_B, compiled.
#[derive(Debug)]
pub struct Own {
    /// Its terms.
    pub terms: Vec<Monomial>,
    sets: Option<Vec<Coupled>>,
    zero: OnceLock<f64>,
    bases: Mutex<HashMap<Key, Arc<Eigenbasis>>>,
}

impl Own {
    /// The Hamiltonian of a battery that has its own.
    ///
    /// # Errors
    /// With the reason, when it has too many states to look for the lowest.
    pub fn new(problem: &Problem, layout: &Layout, own: &BatteryHamiltonian) -> Result<Self, String> {
        let terms = layout.monomials(&own.operator);
        let sets = match own.zero {
            Zero::AsWritten => None,
            Zero::Ground => {
                let slots = slots_of(layout, &problem.battery);
                let found = coupled(layout, &slots, &terms);
                Some(found.map_err(|why| {
                    format!(
                        "the battery's Hamiltonian has {why}, to find the lowest of; `zero = \"as written\"` needs none"
                    )
                })?)
            }
        };
        Ok(Self { terms, sets, zero: OnceLock::new(), bases: Mutex::default() })
    }

    /// The energy that counts 0; NaN where it cannot be found.
    pub fn zero(&self) -> f64 {
        *self.zero.get_or_init(|| self.sets.as_ref().map_or(0.0, |sets| lowest(sets).unwrap_or(f64::NAN)))
    }

    /// The eigenstates in the block `space` of the battery, whose slots are `slots` of all.
    pub fn basis(&self, of: &Blocks, slots: &[usize], space: &Space) -> Arc<Eigenbasis> {
        let mut bases = self.bases.lock().unwrap_or_else(|e| e.into_inner());
        let new = || Arc::new(self.eigenbasis(self.inside(of, slots, space)));
        bases.entry(space.key.clone()).or_insert_with(new).clone()
    }

    /// The largest number of states in such a block that H_B couples with each other.
    pub fn most_coupled(&self, of: &Blocks, slots: &[usize], space: &Space) -> usize {
        self.inside(of, slots, space).into_iter().map(|(places, _)| places.len()).max().unwrap_or(0)
    }

    /// The sets of states in such a block that H_B couples with each other, and its elements between them.
    fn inside(&self, of: &Blocks, slots: &[usize], space: &Space) -> Vec<(Vec<usize>, Vec<Element>)> {
        let d = space.dimension();
        let mut entries: Vec<Element> = Vec::new();
        let mut levels = vec![0; slots.len()];
        for from in 0..d {
            space.read(from, &mut levels);
            let images = images(&of.layout, (slots, &space.key.two_j), &self.terms, &levels);
            entries.extend(images.filter_map(|(image, value)| Some((space.index(&image)?, from, value))));
        }
        let (place, count) = joined(d, entries.iter().map(|(to, from, _)| (*to, *from)));
        let mut sets = vec![(Vec::new(), Vec::new()); count];
        for (state, (set, _)) in place.iter().enumerate() {
            sets[*set].0.push(state);
        }
        for (to, from, value) in entries {
            sets[place[from].0].1.push((place[to].1, place[from].1, value));
        }
        sets
    }

    fn eigenbasis(&self, sets: Vec<(Vec<usize>, Vec<Element>)>) -> Eigenbasis {
        let mut basis = Eigenbasis { energies: Vec::new(), sets: Vec::new() };
        for (places, entries) in sets {
            let d = places.len();
            // Of too many NaN is found where energies are read; so it would be of numbers that are not finite.
            let (energies, vectors) = match d {
                1 => (vec![entries.iter().map(|(.., value)| value.re).sum()], None),
                d if d > MOST_MEASURED => (vec![f64::NAN; d], None),
                _ => {
                    let mut matrix = Mat::<Complex64>::zeros(d, d);
                    entries.into_iter().for_each(|(to, from, value)| matrix[(to, from)] += value);
                    match eigen(matrix.as_ref()) {
                        Ok((energies, vectors)) => (energies, Some(vectors)),
                        Err(_) => (vec![f64::NAN; d], None),
                    }
                }
            };
            basis.energies.extend(energies.into_iter().map(|e| e - self.zero()));
            basis.sets.push(Set { places, vectors });
        }
        basis
    }
}
