//! What changes the energy ⟨H₀⟩ of a state on blocks, term by term and channel by channel (`docs/physics.md` §3.5).

use super::block::{Block, Sparse, adjoint};
use super::reduce::level_energy;
use super::{Blocks, Rate};
use crate::problem::Envelope;
use num_complex::Complex64;
use sprs::{CsMatI, TriMatI};

/// What a part of the generator adds to ⟨H₀⟩, and how often its channel jumps.
#[derive(Debug)]
struct Part {
    /// The Hamiltonian, a drive or a channel, numbered in this order.
    source: usize,
    /// What it is multiplied by, if that changes with time.
    envelope: Option<Envelope>,
    /// A: −iH of a term, −½ΣL†L of a channel.
    generator: Sparse,
}

/// The parts of K = ΣA of a stage in one block.
#[derive(Debug)]
pub struct Exchange {
    parts: Vec<Part>,
}

/// What changes ⟨H₀⟩ of a density matrix in one block: 2 Re Tr Gρ of each part.
pub struct Shares {
    /// The Hamiltonian, each drive, each channel; then the number of jumps of each channel.
    pub source: usize,
    /// What it is multiplied by, if that changes with time.
    pub envelope: Option<Envelope>,
    /// G.
    pub operator: Sparse,
}

/// H₀ in a block: the battery's Hamiltonian, and the energies of all that is no part of it.
pub(super) fn energy(of: &Blocks, block: &Block) -> Sparse {
    let (problem, space) = (of.problem(), &block.space);
    let plain = |e: &crate::problem::SubsystemId| of.own.is_none() || !problem.battery.contains(e);
    let parts: Vec<_> = problem.subsystem_ids().filter(plain).collect();
    let (d, mut levels) = (space.dimension(), vec![0; space.levels.len()]);
    let mut matrix = TriMatI::<Complex64, u32>::with_capacity((d, d), d);
    for i in 0..d {
        space.read(i, &mut levels);
        let each = parts.iter().flat_map(|e| of.layout.of[e.index()].clone().map(move |slot| (*e, slot)));
        let energy: f64 = each.map(|(e, slot)| level_energy(of, block, e, slot, levels[slot])).sum();
        let zero = of.own.as_ref().map_or(0.0, super::own::Own::zero);
        matrix.add_triplet(i, i, (energy - if zero.is_nan() { 0.0 } else { zero }).into());
    }
    let diagonal = matrix.to_csr();
    match &of.own {
        Some(own) => &diagonal + &of.inside(block, &own.terms),
        None => diagonal,
    }
}

impl Blocks {
    /// −½ΣL†L of a channel in a block, of what of it is multiplied by one function of time.
    fn damping(&self, block: &Block, channel: usize, rate: Option<&Rate>) -> Sparse {
        let fixed = self.jumps.iter().filter(|jump| jump.channel == channel).all(|jump| jump.more.is_empty());
        // What a limit of quanta cuts off between L and L† is not in the product of the two.
        if fixed && self.layout.at_most.is_none() {
            return self.inside(block, &self.layout.collected(self.loss_terms(channel)));
        }
        match rate {
            Some(rate) => block.loss(self, rate).clone(),
            None => {
                let own = block.jumps(self).iter().filter(|jump| jump.channel == channel);
                let d = block.dimension();
                own.fold(CsMatI::zero((d, d)), |sum, jump| &sum + &(&adjoint(&jump.map) * &jump.map).map(|x| x * -0.5))
            }
        }
    }
}

impl Exchange {
    pub(super) fn new(of: &Blocks, block: &Block, stage: usize) -> Self {
        let (on, first) = (&of.stages[stage], 1 + of.drives.len());
        let turned = of.inside(block, &of.hamiltonian).map(|x| x * -Complex64::I);
        let mut parts = vec![Part { source: 0, envelope: None, generator: turned }];
        for (drive, strength) in &on.constant {
            let generator = block.drive(of, *drive).map(|x| x * *strength);
            parts.push(Part { source: 1 + drive, envelope: None, generator });
        }
        for (drive, envelope) in &on.varying {
            let generator = block.drive(of, *drive).clone();
            parts.push(Part { source: 1 + drive, envelope: Some(envelope.clone()), generator });
        }
        for channel in (0..of.problem().channels.len()).filter(|channel| on.is_steady(*channel)) {
            let generator = of.damping(block, channel, None);
            parts.push(Part { source: first + channel, envelope: None, generator });
        }
        for rate in &on.rates {
            let generator = of.damping(block, rate.channel, Some(rate));
            parts.push(Part { source: first + rate.channel, envelope: Some(rate.envelope.clone()), generator });
        }
        parts.retain(|part| part.generator.nnz() > 0);
        Self { parts }
    }

    /// How fast each source changes ⟨H₀⟩ in the state `psi` of norm² `norm` as long as nothing jumps,
    /// 2 Re⟨(H₀ − ⟨H₀⟩)ψ|Aψ⟩/‖ψ‖², at time `t` of a step that began at `start`: `out` has a place for the Hamiltonian, each
    /// drive and each channel.
    pub fn rates(&self, energy: &Sparse, (psi, norm): (&[Complex64], f64), (start, t): (f64, f64), out: &mut [f64]) {
        out.fill(0.0);
        let (mean, image) = mean(energy, psi, norm);
        let about: Vec<Complex64> = image.iter().zip(psi).map(|(y, x)| y - x * mean).collect();
        for Part { source, envelope, generator } in &self.parts {
            let row = |(y, row): (&Complex64, sprs::CsVecViewI<'_, Complex64, u32>)| -> f64 {
                if *y == Complex64::ZERO {
                    return 0.0;
                }
                (y.conj() * row.iter().map(|(i, a)| a * psi[i]).sum::<Complex64>()).re
            };
            let sum: f64 = about.iter().zip(generator.outer_iterator()).map(row).sum();
            out[*source] += envelope.as_ref().map_or(1.0, |f| f.at(start, t)) * 2.0 * sum / norm;
        }
    }
}

/// ⟨H₀⟩ of a state of norm² `norm`, with H₀ψ.
pub(super) fn mean(energy: &Sparse, psi: &[Complex64], norm: f64) -> (f64, Vec<Complex64>) {
    let row = |row: sprs::CsVecViewI<'_, Complex64, u32>| row.iter().map(|(i, e)| e * psi[i]).sum::<Complex64>();
    let image: Vec<Complex64> = energy.outer_iterator().map(row).collect();
    let mean = psi.iter().zip(&image).map(|(x, y)| (x.conj() * y).re).sum::<f64>() / norm;
    (mean, image)
}

impl Block {
    /// ⟨H₀⟩ of a vector of norm² `norm`.
    pub fn mean_energy(&self, of: &Blocks, psi: &[Complex64], norm: f64) -> f64 {
        mean(self.energy(of), psi, norm).0
    }

    /// What changes ⟨H₀⟩ of a density matrix that is ρ in this block, jumps included: G = H₀A of a term of H, and
    /// G = H₀A + ½ΣL†H₀L of a channel, whose jumps are counted by −A.
    pub fn shares(&self, of: &Blocks, stage: usize) -> Vec<Shares> {
        let (energy, first) = (self.energy(of), 1 + of.drives.len());
        let on = &of.stages[stage];
        let mut all = Vec::new();
        for Part { source, envelope, generator } in &self.exchange(of, stage).parts {
            all.push(Shares { source: *source, envelope: envelope.clone(), operator: energy * generator });
            if *source >= first {
                let (source, operator) = (source + of.problem().channels.len(), generator.map(|x| -x));
                all.push(Shares { source, envelope: envelope.clone(), operator });
            }
        }
        for jump in self.jumps(of).iter().filter(|jump| on.is_on(jump.channel)) {
            let target = of.get(jump.target);
            let gain = |j: usize, k: usize| &adjoint(jump.part(k)) * &(target.energy(of) * jump.part(j));
            let mut add = |envelope: Option<Envelope>, operator: Sparse, weight: f64| {
                let operator = operator.map(|x| x * weight);
                all.push(Shares { source: first + jump.channel, envelope, operator });
            };
            if on.is_steady(jump.channel) {
                add(None, gain(0, 0), 0.5);
            }
            for rate in on.rates.iter().filter(|rate| rate.channel == jump.channel) {
                let (j, k) = rate.of;
                add(Some(rate.envelope.clone()), gain(j, k), if j == k { 0.5 } else { 1.0 });
            }
        }
        all
    }

    /// ln of how many copies of this block there are, those of equal spins made of other cells: each has the same share of ρ.
    pub fn ln_copies(&self, of: &Blocks) -> f64 {
        let copies = |(slot, two_j): (&super::Slot, &u64)| match slot {
            super::Slot::Spin { cells } => crate::battery::ln_multiplicity(*cells, (cells - two_j) / 2),
            _ => 0.0,
        };
        of.layout.slots.iter().zip(&self.space.key.two_j).map(copies).sum()
    }
}
