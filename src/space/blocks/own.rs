//! The battery's own Hamiltonian on the blocks: where its energies count from, and its eigenstates in each block of the
//! battery.

use super::basis::{Key, Space};
use super::{Blocks, Layout, Monomial};
use crate::density::eigen;
use crate::problem::{BatteryHamiltonian, Problem, Zero};
use crate::space::energies::{Coupled, coupled, images, lowest, slots_of};
use faer::Mat;
use num_complex::Complex64;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// The eigenstates of H_B in one block of the battery.
#[derive(Debug)]
pub struct Eigenbasis {
    /// Energies in rising order, from where they count.
    pub energies: Vec<f64>,
    /// The eigenvectors, as columns in the basis of the block.
    pub vectors: Mat<Complex64>,
}

impl Eigenbasis {
    /// The amplitudes in this basis of a vector with these amplitudes at these places.
    pub fn turned(&self, vector: impl Iterator<Item = (usize, Complex64)>) -> Vec<Complex64> {
        let mut turned = vec![Complex64::ZERO; self.energies.len()];
        for (place, x) in vector {
            turned.iter_mut().enumerate().for_each(|(k, y)| *y += self.vectors[(place, k)].conj() * x);
        }
        turned
    }
}

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
        let new = || {
            let d = space.dimension();
            let mut matrix = Mat::<Complex64>::zeros(d, d);
            let mut levels = vec![0; slots.len()];
            for from in 0..d {
                space.read(from, &mut levels);
                for (image, value) in images(&of.layout, (slots, &space.key.two_j), &self.terms, &levels) {
                    if let Some(to) = space.index(&image) {
                        matrix[(to, from)] += value;
                    }
                }
            }
            // A Hermitian matrix of finite numbers has eigenvalues; NaN is found where energies are read.
            let (energies, vectors) = eigen(matrix.as_ref()).unwrap_or((vec![f64::NAN; d], Mat::identity(d, d)));
            Arc::new(Eigenbasis { energies: energies.into_iter().map(|e| e - self.zero()).collect(), vectors })
        };
        bases.entry(space.key.clone()).or_insert_with(new).clone()
    }
}
