//! The operators behind the linear averages, in the basis of one block.

use super::block::{Block, Sparse};
use super::own::Own;
use super::reduce::level_energy;
use super::{Blocks, Slot, flow};
use crate::problem::{Linear, SubsystemId};
use num_complex::Complex64;
use sprs::TriMatI;
use statrs::function::factorial::ln_binomial;
use std::collections::HashMap;

/// ⟨O⟩ = Σ o_i |ψ_i|² + ‖Fψ‖² + ⟨ψ|G|ψ⟩, or the variance of an operator without F.
#[derive(Clone, Debug, Default)]
pub struct Observable {
    /// The diagonal part; empty if there is none.
    pub diagonal: Vec<f64>,
    /// F, if O is not diagonal.
    pub root: Option<Sparse>,
    /// G, Hermitian, if O is any other operator.
    pub matrix: Option<Sparse>,
    /// Whether the variance ⟨O²⟩ − ⟨O⟩² is meant, not the mean.
    pub variance: bool,
}

impl Observable {
    /// Its value in the state `psi` of norm² `norm`.
    pub fn mean(&self, psi: &[Complex64], norm: f64) -> f64 {
        if self.variance && self.matrix.is_some() {
            return self.spread(psi, norm);
        }
        let mean = self.diagonal.iter().zip(psi).map(|(o, x)| o * x.norm_sqr()).sum::<f64>() / norm;
        if self.variance {
            let squares = self.diagonal.iter().zip(psi).map(|(o, x)| (o - mean) * (o - mean) * x.norm_sqr());
            return squares.sum::<f64>() / norm;
        }
        if self.root.is_none() && self.matrix.is_none() {
            return mean;
        }
        let image = |row: sprs::CsVecViewI<'_, Complex64, u32>| row.iter().map(|(i, f)| f * psi[i]).sum::<Complex64>();
        let root = self.root.iter().flat_map(|root| root.outer_iterator()).map(|row| image(row).norm_sqr());
        let matrix = self.matrix.iter().flat_map(|matrix| matrix.outer_iterator().zip(psi));
        let matrix = matrix.map(|(row, x)| (x.conj() * image(row)).re);
        mean + (root.sum::<f64>() + matrix.sum::<f64>()) / norm
    }

    /// ‖(O − ⟨O⟩)ψ‖²/‖ψ‖².
    fn spread(&self, psi: &[Complex64], norm: f64) -> f64 {
        let mut image: Vec<Complex64> = self.diagonal.iter().zip(psi).map(|(o, x)| o * x).collect();
        for (row, y) in self.matrix.iter().flat_map(|matrix| matrix.outer_iterator()).zip(&mut image) {
            *y += row.iter().map(|(i, g)| g * psi[i]).sum::<Complex64>();
        }
        let mean = psi.iter().zip(&image).map(|(x, y)| (x.conj() * y).re).sum::<f64>() / norm;
        psi.iter().zip(&image).map(|(x, y)| (y - x * mean).norm_sqr()).sum::<f64>() / norm
    }

    /// Tr ρ(O − `mean`)² of an operator without F.
    pub fn trace_about(&self, mean: f64, rho: &dyn Fn(usize, usize) -> Complex64) -> f64 {
        let shifted = |i: usize| self.diagonal.get(i).map_or(0.0, |o| o - mean);
        let Some(matrix) = &self.matrix else {
            return (0..self.diagonal.len()).map(|i| shifted(i).powi(2) * rho(i, i).re).sum();
        };
        // Rows of O − mean, of which Tr ρO² is Σ_k Σ_ij O_ki ρ_ij O_kj*.
        let row = |(k, row): (usize, sprs::CsVecViewI<'_, Complex64, u32>)| -> f64 {
            let mut entries: Vec<(usize, Complex64)> = row.iter().map(|(i, g)| (i, *g)).collect();
            match entries.iter_mut().find(|(i, _)| *i == k) {
                Some((_, g)) => *g += shifted(k),
                None => entries.push((k, shifted(k).into())),
            }
            let pairs = entries.iter().flat_map(|(i, f)| entries.iter().map(move |(j, g)| (*i, *j, f * g.conj())));
            pairs.map(|(i, j, c)| (c * rho(i, j)).re).sum()
        };
        matrix.outer_iterator().enumerate().map(row).sum()
    }

    /// Its mean in a density matrix given by its elements ρ(i, j), not that of a variance.
    pub fn trace(&self, rho: &dyn Fn(usize, usize) -> Complex64) -> f64 {
        let diagonal: f64 = self.diagonal.iter().enumerate().map(|(i, o)| o * rho(i, i).re).sum();
        let matrix = self.matrix.iter().flat_map(|matrix| matrix.iter());
        let matrix: f64 = matrix.map(|(g, (i, j))| (g * rho(j as usize, i as usize)).re).sum();
        let diagonal = diagonal + matrix;
        let Some(root) = &self.root else { return diagonal };
        let row = |row: sprs::CsVecViewI<'_, Complex64, u32>| -> f64 {
            let pairs = row.iter().flat_map(|(i, f)| row.iter().map(move |(j, g)| (i, j, f * g.conj())));
            pairs.map(|(i, j, c)| (c * rho(i, j)).re).sum()
        };
        diagonal + root.outer_iterator().map(row).sum::<f64>()
    }
}

/// Σ over the slots of a subsystem of a number for each level.
fn diagonal(
    of: &Blocks,
    block: &Block,
    subsystems: &[SubsystemId],
    value: &dyn Fn(SubsystemId, usize, usize) -> f64,
) -> Vec<f64> {
    let space = &block.space;
    let mut levels = vec![0; space.levels.len()];
    (0..space.dimension())
        .map(|i| {
            space.read(i, &mut levels);
            let each = subsystems.iter().flat_map(|e| of.layout.of[e.index()].clone().map(move |slot| (*e, slot)));
            each.map(|(e, slot)| value(e, slot, levels[slot])).sum()
        })
        .collect()
}

/// The operator of a linear average in a stage; jumps and released energy are not operators and give 0.
pub fn observable(of: &Blocks, block: &Block, linear: Linear, stage: usize) -> Observable {
    let problem = of.problem();
    let quanta = |slot: usize, level: usize| of.layout.slots[slot].quanta(block.space.key.two_j[slot], level) as f64;
    let number = |_: SubsystemId, slot: usize, level: usize| quanta(slot, level);
    let plain = |diagonal: Vec<f64>| Observable { diagonal, ..Observable::default() };
    let energy = |e: SubsystemId, slot: usize, level: usize| level_energy(of, block, e, slot, level);
    let battery = || match &of.own {
        None => plain(diagonal(of, block, &problem.battery, &energy)),
        Some(own) => own_energy(of, block, own),
    };
    let shifted = |e: SubsystemId| {
        let half = problem.subsystems[e].cells() as f64 / 2.0;
        diagonal(of, block, &[e], &number).into_iter().map(|n| n - half).collect::<Vec<f64>>()
    };
    match linear {
        Linear::Energy => battery(),
        Linear::EnergySpread => Observable { variance: true, ..battery() },
        Linear::EnergyOf(e) => plain(diagonal(of, block, &[e], &energy)),
        Linear::Quanta(e) => plain(diagonal(of, block, &[e], &number)),
        Linear::Magnetisation(e) => plain(shifted(e)),
        Linear::MagnetisationSpread(e) => Observable { variance: true, ..plain(shifted(e)) },
        Linear::SpinSquared(e) => spin_squared(of, block, e, shifted(e)),
        Linear::Bright(e) => bright(of, block, e),
        Linear::BrightLoss(e) => flow::out_of_bright(of, block, e, stage),
        Linear::BrightReturn(e) => flow::into_bright(of, block, e, stage),
        Linear::TopLevel(e) => plain(diagonal(of, block, &[e], &|_, slot, level| {
            f64::from(u8::from(level + 1 == block.space.levels[slot]))
        })),
        Linear::TopQuanta => {
            let top = |levels: &[usize]| {
                let (slots, most) = of.layout.at_most.as_ref()?;
                let quanta = |slot: &usize| of.layout.slots[*slot].quanta(block.space.key.two_j[*slot], levels[*slot]);
                Some(slots.iter().map(quanta).sum::<i64>() == *most)
            };
            let mut levels = vec![0; block.space.levels.len()];
            plain(
                (0..block.dimension())
                    .map(|i| {
                        block.space.read(i, &mut levels);
                        f64::from(u8::from(top(&levels) == Some(true)))
                    })
                    .collect(),
            )
        }
        Linear::Expect(id) => {
            let terms = of.layout.monomials(&problem.observables[id].operator);
            if of.layout.sets.is_some() {
                return Observable { matrix: Some(of.inside(block, &terms)), ..Observable::default() };
            }
            // Only what stays inside the block has a mean, term by term.
            let inside = terms.iter().map(|term| of.inside(block, std::slice::from_ref(term)));
            Observable { matrix: inside.reduce(|sum, term| &sum + &term), ..Observable::default() }
        }
        Linear::Released(_) | Linear::Jumps(_) => Observable::default(),
    }
}

/// H_B of a battery that has its own, from where its energies count.
fn own_energy(of: &Blocks, block: &Block, own: &Own) -> Observable {
    let matrix = of.inside(block, &own.terms);
    let mut diagonal = vec![-own.zero(); block.dimension()];
    if matrix.iter().any(|(_, (i, j))| i != j) {
        return Observable { diagonal, matrix: Some(matrix), ..Observable::default() };
    }
    matrix.iter().for_each(|(value, (i, _))| diagonal[i as usize] += value.re);
    Observable { diagonal, ..Observable::default() }
}

/// S² = J(J+1) of a spin; S⁺S⁻ + Sᶻ(Sᶻ − 1) of single cells, with F = S⁻.
fn spin_squared(of: &Blocks, block: &Block, e: SubsystemId, m: Vec<f64>) -> Observable {
    let slots = of.layout.of[e.index()].clone();
    if let Slot::Spin { .. } = of.layout.slots[slots.start] {
        let two_j = block.space.key.two_j[slots.start] as f64;
        let diagonal = vec![0.25 * two_j * (two_j + 2.0); block.dimension()];
        return Observable { diagonal, ..Observable::default() };
    }
    let lowered = |levels: &[usize]| {
        let excited: Vec<usize> = slots.clone().filter(|slot| levels[*slot] == 1).collect();
        excited
            .into_iter()
            .map(|slot| {
                let mut to = levels.to_vec();
                to[slot] = 0;
                (to, Complex64::ONE)
            })
            .collect()
    };
    Observable {
        diagonal: m.into_iter().map(|m| m * (m - 1.0)).collect(),
        root: Some(root(block, &lowered)),
        ..Observable::default()
    }
}

/// The projector on J = N/2: 1 or 0 of a spin; of single cells F has a row for each Dicke state.
fn bright(of: &Blocks, block: &Block, e: SubsystemId) -> Observable {
    let slots = of.layout.of[e.index()].clone();
    if let Slot::Spin { cells } = of.layout.slots[slots.start] {
        let inside = f64::from(u8::from(block.space.key.two_j[slots.start] == cells));
        return Observable { diagonal: vec![inside; block.dimension()], ..Observable::default() };
    }
    let dicke = |levels: &[usize]| {
        let excited: usize = slots.clone().map(|slot| levels[slot]).sum();
        let mut to = levels.to_vec();
        slots.clone().for_each(|slot| to[slot] = 0);
        to[slots.start] = excited; // stands for the Dicke state; not a level of the slot
        vec![(to, overlap(slots.len(), excited).into())]
    };
    Observable { root: Some(root(block, &dicke)), ..Observable::default() }
}

/// Amplitude of one product state of `cells` cells in the Dicke state of J = N/2 with as many excited cells.
pub(super) fn overlap(cells: usize, excited: usize) -> f64 {
    (-0.5 * ln_binomial(cells as u64, excited as u64)).exp()
}

/// What a state is taken to, with amplitudes.
pub(super) type Images = Vec<(Vec<usize>, Complex64)>;

/// The matrix F whose column of a state holds the images `to` gives, rows numbered as they come up.
pub(super) fn root(block: &Block, to: &dyn Fn(&[usize]) -> Images) -> Sparse {
    let space = &block.space;
    let mut rows: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut entries = Vec::new();
    let mut levels = vec![0; space.levels.len()];
    for column in 0..space.dimension() {
        space.read(column, &mut levels);
        for (image, value) in to(&levels) {
            let next = rows.len();
            entries.push((*rows.entry(image).or_insert(next), column, value));
        }
    }
    let mut matrix = TriMatI::<Complex64, u32>::with_capacity((rows.len(), space.dimension()), entries.len());
    entries.into_iter().for_each(|(row, column, value)| matrix.add_triplet(row, column, value));
    matrix.to_csr()
}
