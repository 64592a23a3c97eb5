//! Every quantity of a state in the full tensor space, spelled out.

use super::chosen;
use super::flow::Flow;
use super::space::{FullSpace, expectation};
use crate::error::{ModelError, RunError};
use crate::problem::{
    BatteryHamiltonian, Kind, Linear, Nonlinear, Part, Problem, Quantity, Recipe, SubsystemId, Varied, Zero, n,
};
use faer::{Mat, Side};
use ndarray::Array2;
use num_complex::Complex64;
use sprs::CsMat;

/// How far a trace may be from 1, and an eigenvalue of ρ below 0.
const TOLERANCE: f64 = 1e-9;

/// Reads the quantities off a state.
pub(super) struct Meter<'p> {
    problem: &'p Problem,
    space: &'p FullSpace<'p>,
    /// Sᶻ and S² of the ensembles asked about.
    spins: Vec<(SubsystemId, CsMat<Complex64>, CsMat<Complex64>)>,
    /// The flows of those asked about.
    flows: Vec<Flow>,
    /// Of each basis state: index in the battery, index in the rest, energy of the battery.
    split: Vec<(usize, usize, f64)>,
    /// The battery's own Hamiltonian, from where its energies count, on the whole space.
    own: Option<CsMat<Complex64>>,
}

impl<'p> Meter<'p> {
    pub(super) fn new(problem: &'p Problem, space: &'p FullSpace<'p>) -> Result<Self, ModelError> {
        let (mut spins, mut flows): (_, Vec<Flow>) = (Vec::new(), Vec::new());
        for linear in problem.linear() {
            if let Linear::Magnetisation(e) | Linear::SpinSquared(e) | Linear::Bright(e) = linear {
                let (z, squared) = space.spin(e)?;
                spins.push((e, z, squared));
            }
            if let Linear::BrightLoss(e) | Linear::BrightReturn(e) = linear
                && !flows.iter().any(|flow| flow.is_of(e))
            {
                flows.push(Flow::new(problem, space, e)?);
            }
        }
        let own = problem.battery_hamiltonian.as_ref().map(|own| own_hamiltonian(space, own)).transpose()?;
        Ok(Self { problem, space, spins, flows, split: space.split(&problem.battery), own })
    }

    /// The quantities in the order asked for, in `rho` and with the `jumps` of each channel since step `step` began.
    pub(super) fn read(
        &self,
        rho: &Array2<Complex64>,
        jumps: &[f64],
        step: usize,
        time: f64,
    ) -> Result<Vec<f64>, RunError> {
        let trace: Complex64 = rho.diag().sum();
        let finite = rho.iter().all(|x| x.is_finite()) && jumps.iter().all(|x| x.is_finite());
        if !finite || (trace - 1.0).norm() > TOLERANCE {
            let reason = format!("the density matrix has trace {trace}, all elements finite: {finite}");
            return Err(RunError::Numerics { method: "the full-space evolution", reason });
        }
        let energy_power = |power: i32| -> f64 {
            if let Some(own) = &self.own {
                return if power == 1 { expectation(own, rho).re } else { expectation(&(own * own), rho).re };
            }
            self.split.iter().zip(rho.diag()).map(|((_, _, energy), p)| energy.powi(power) * p.re).sum()
        };
        let energy = energy_power(1);
        let energy_variance = energy_power(2) - energy * energy;
        if !energy_variance.is_finite() {
            let reason = format!("the battery has energy {energy} with variance {energy_variance}");
            return Err(RunError::Numerics { method: "the full-space evolution", reason });
        }
        let spin = |e: SubsystemId| {
            let found = self.spins.iter().find(|(id, ..)| *id == e);
            found.map_or((f64::NAN, f64::NAN, f64::NAN), |(_, z, squared)| {
                (expectation(z, rho).re, expectation(&(z * z), rho).re, expectation(squared, rho).re)
            })
        };
        let flow = |e: SubsystemId| {
            let found = self.flows.iter().find(|flow| flow.is_of(e));
            found.map_or((f64::NAN, f64::NAN), |flow| flow.rates(rho, self.problem.protocol.steps.get(step)))
        };
        let linear = |of: Linear| -> Result<f64, RunError> {
            Ok(match of {
                Linear::Energy => energy,
                Linear::EnergyOf(e) => Reduced::new(self.space, rho, &[e]).energy(),
                Linear::Quanta(e) => expectation(&self.space.operator(&n(e))?, rho).re,
                Linear::Magnetisation(e) => spin(e).0,
                Linear::SpinSquared(e) => spin(e).2,
                Linear::Bright(e) => self.bright(rho, e)?,
                Linear::BrightLoss(e) => flow(e).0,
                Linear::BrightReturn(e) => flow(e).1,
                Linear::TopLevel(e) => {
                    let mode = Reduced::new(self.space, rho, &[e]).rho;
                    mode[(mode.nrows() - 1, mode.nrows() - 1)].re
                }
                Linear::TopQuanta => match self.problem.at_most() {
                    None => f64::NAN,
                    Some(limit) => {
                        let top = |(i, _): &(usize, &Complex64)| self.space.quanta(*i, &limit.of) == limit.quanta;
                        rho.diag().iter().enumerate().filter(top).map(|(_, p)| p.re).sum()
                    }
                },
                Linear::Released(Some(only)) if only.index() != step => 0.0,
                Linear::Released(_) => {
                    let channels = self.problem.channel_ids();
                    jumps.iter().zip(channels).map(|(count, c)| self.problem.released_per_jump(c) * count).sum()
                }
                Linear::Jumps(channel) => jumps[channel.index()],
                Linear::Expect(id) => {
                    expectation(&self.space.operator(&self.problem.observables[id].operator)?, rho).re
                }
                // Of single trajectories, which there are none of here.
                Linear::EnergySpread | Linear::MagnetisationSpread(_) => f64::NAN,
            })
        };
        let variance = |of: Varied| match of {
            Varied::Energy => energy_variance,
            Varied::Magnetisation(e) => spin(e).1 - spin(e).0.powi(2),
        };
        let value = |quantity: &Quantity| -> Result<f64, RunError> {
            Ok(match quantity.entry().recipe {
                Recipe::Mean(of) => linear(of)?,
                Recipe::PerCell(of, e) => {
                    linear(of)? / (self.problem.subsystems[e].cells() as f64 * self.problem.subsystems[e].energy)
                }
                Recipe::PerTime(_) if time == 0.0 => f64::NAN,
                Recipe::PerTime(of) => linear(of)? / time,
                Recipe::Variance(of) => variance(of),
                Recipe::Deviation(of) => variance(of).max(0.0).sqrt(),
                Recipe::SpinLength(of) => ((1.0 + 4.0 * linear(of)?.max(0.0)).sqrt() - 1.0) / 2.0,
                Recipe::State(what, of) | Recipe::FirstState(what, of) => self.nonlinear(rho, what, of)?,
                Recipe::OverEnergy(..) if energy.abs() < 1e-14 => f64::NAN,
                Recipe::OverEnergy(what, of) => self.nonlinear(rho, what, of)? / energy,
            })
        };
        self.problem.quantities.iter().map(value).collect()
    }

    /// A function of the reduced state of a part.
    fn nonlinear(&self, rho: &Array2<Complex64>, what: Nonlinear, of: Part) -> Result<f64, RunError> {
        if let Part::Chosen(id) = of {
            return chosen::read(self.space, rho, &self.problem.chosen[id.number]);
        }
        let members = of.members(self.problem);
        let part = Reduced::new(self.space, rho, &members);
        let of_energies = !matches!(what, Nonlinear::Coherence | Nonlinear::Purity);
        let part = match &self.own {
            Some(own) if of == Part::Battery && of_energies => part.in_eigenbasis(&self.split, own)?,
            _ => part,
        };
        Ok(match what {
            Nonlinear::Ergotropy => part.ergotropy()?,
            Nonlinear::IncoherentErgotropy => part.without_coherence().ergotropy()?,
            Nonlinear::CoherentErgotropy => part.ergotropy()? - part.without_coherence().ergotropy()?,
            Nonlinear::AntiErgotropy => part.energy() - part.active()?,
            Nonlinear::Capacity => part.active()? - part.energy() + part.ergotropy()?,
            Nonlinear::SymmetricErgotropy => part.symmetric()?.ergotropy()?,
            Nonlinear::Coherence => part.coherence(),
            Nonlinear::Purity => part.purity(),
            Nonlinear::LocalErgotropy => {
                let each = self.space.cells(&members).map(|cell| Reduced::of_factors(self.space, rho, &[cell]));
                each.map(|cell| cell.ergotropy()).sum::<Result<f64, RunError>>()?
            }
            Nonlinear::CellCoherence => {
                let cells: Vec<usize> = self.space.cells(&members).collect();
                let each = cells.iter().map(|cell| Reduced::of_factors(self.space, rho, &[*cell]).rho[(1, 0)]);
                each.sum::<Complex64>().norm() / cells.len() as f64
            }
            Nonlinear::Concurrence => self.concurrence(rho)?,
            // Of chosen parts alone.
            Nonlinear::Entropy | Nonlinear::Negativity | Nonlinear::MutualInformation | Nonlinear::Fidelity => f64::NAN,
        })
    }

    /// Mean of Wootters' concurrence over the edges of the battery's network.
    fn concurrence(&self, rho: &Array2<Complex64>) -> Result<f64, RunError> {
        let network = self.problem.battery[0];
        let Kind::Network { edges, .. } = &self.problem.subsystems[network].kind else { return Ok(f64::NAN) };
        let cells: Vec<usize> = self.space.cells(&[network]).collect();
        let mut sum = 0.0;
        for &(a, b) in edges {
            sum += wootters(&Reduced::of_factors(self.space, rho, &[cells[a.min(b)], cells[a.max(b)]]).rho)?;
        }
        Ok(sum / edges.len() as f64)
    }

    /// Weight of the states with S² = (N/2)(N/2 + 1).
    fn bright(&self, rho: &Array2<Complex64>, e: SubsystemId) -> Result<f64, RunError> {
        let Some((_, _, squared)) = self.spins.iter().find(|(id, ..)| *id == e) else { return Ok(f64::NAN) };
        // The projector Π_{K<N/2} (S² − K(K+1))/(J(J+1) − K(K+1)).
        let cells = self.problem.subsystems[e].cells();
        let casimir = |two_k: u64| (two_k * (two_k + 2)) as f64 / 4.0;
        let mut projected = rho.clone();
        for two_k in (cells % 2..cells).step_by(2) {
            let shifted = squared * &projected - &projected * Complex64::from(casimir(two_k));
            projected = shifted / Complex64::from(casimir(cells) - casimir(two_k));
        }
        Ok(projected.diag().iter().map(|x| x.re).sum())
    }
}

/// The reduced state of some tensor factors with the energies of their product basis.
pub(super) struct Reduced {
    pub(super) rho: Mat<Complex64>,
    pub(super) energies: Vec<f64>,
}

impl Reduced {
    fn new(space: &FullSpace, rho: &Array2<Complex64>, of: &[SubsystemId]) -> Self {
        Self::from_split(&space.split(of), rho)
    }

    fn of_factors(space: &FullSpace, rho: &Array2<Complex64>, factors: &[usize]) -> Self {
        Self::from_split(&space.split_factors(|factor| factors.contains(&factor)), rho)
    }

    fn from_split(split: &[(usize, usize, f64)], rho: &Array2<Complex64>) -> Self {
        let states = 1 + split.iter().map(|(part, ..)| *part).max().unwrap_or(0);
        let mut energies = vec![0.0; states];
        let mut reduced = Mat::<Complex64>::zeros(states, states);
        for (i, &(row, rest, energy)) in split.iter().enumerate() {
            energies[row] = energy;
            for (j, &(column, other, _)) in split.iter().enumerate() {
                if rest == other {
                    reduced[(row, column)] += rho[[i, j]];
                }
            }
        }
        Self { rho: reduced, energies }
    }

    /// The same in the eigenbasis of an operator of the part, given on the whole space, with its eigenvalues for energies.
    fn in_eigenbasis(self, split: &[(usize, usize, f64)], whole: &CsMat<Complex64>) -> Result<Self, RunError> {
        let d = self.energies.len();
        let mut own = Mat::<Complex64>::zeros(d, d);
        for (value, (i, j)) in whole.iter() {
            if (split[i].1, split[j].1) == (0, 0) {
                own[(split[i].0, split[j].0)] += value;
            }
        }
        let failed = |e| RunError::Numerics { method: "the levels of the battery", reason: format!("{e:?}") };
        let eigen = own.self_adjoint_eigen(Side::Lower).map_err(failed)?;
        let rho = eigen.U().adjoint() * &self.rho * eigen.U();
        Ok(Self { rho, energies: (0..d).map(|k| eigen.S()[k].re).collect() })
    }

    fn energy(&self) -> f64 {
        self.energies.iter().enumerate().map(|(i, e)| e * self.rho[(i, i)].re).sum()
    }

    /// Σ over eigenvalues in falling order and levels in rising or falling order of their products.
    fn paired(&self, rising: bool) -> Result<f64, RunError> {
        let mut levels = self.energies.clone();
        levels.sort_by(f64::total_cmp);
        if !rising {
            levels.reverse();
        }
        let method = "the eigenvalues of the battery's density matrix";
        let weights = self
            .rho
            .self_adjoint_eigenvalues(Side::Lower)
            .map_err(|error| RunError::Numerics { method, reason: format!("{error:?}") })?;
        match weights.first() {
            Some(&least) if least < -TOLERANCE => {
                Err(RunError::Numerics { method, reason: format!("one of them is {least}") })
            }
            _ => Ok(weights.iter().rev().zip(&levels).map(|(weight, level)| weight * level).sum()),
        }
    }

    pub(super) fn ergotropy(&self) -> Result<f64, RunError> {
        Ok(self.energy() - self.paired(true)?)
    }

    /// The most energy that a unitary can reach.
    fn active(&self) -> Result<f64, RunError> {
        self.paired(false)
    }

    fn without_coherence(&self) -> Self {
        let e = &self.energies;
        let kept = |i: usize, j: usize| (e[i] - e[j]).abs() < 1e-9;
        let d = e.len();
        let rho = Mat::from_fn(d, d, |i, j| if kept(i, j) { self.rho[(i, j)] } else { Complex64::ZERO });
        Self { rho, energies: e.clone() }
    }

    /// In the basis of the Dicke states of N cells, which must hold everything.
    fn symmetric(&self) -> Result<Self, RunError> {
        let d = self.energies.len();
        let cells = d.trailing_zeros() as usize;
        let excited = |i: usize| (i as u32).count_ones() as usize;
        let count = |k: usize| (0..d).filter(|i| excited(*i) == k).count() as f64;
        let overlap = |k: usize, i: usize| if excited(i) == k { count(k).sqrt().recip() } else { 0.0 };
        let rho = Mat::from_fn(cells + 1, cells + 1, |k, l| {
            let pairs = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
            pairs.map(|(i, j)| self.rho[(i, j)] * (overlap(k, i) * overlap(l, j))).sum::<Complex64>()
        });
        let weight: f64 = (0..=cells).map(|k| rho[(k, k)].re).sum();
        if (weight - 1.0).abs() > TOLERANCE {
            return Err(RunError::Request(format!("a weight of {:.2e} has left J = N/2", 1.0 - weight)));
        }
        let energies = (0..=cells).map(|k| self.energies[(1usize << k) - 1]).collect();
        Ok(Self { rho, energies })
    }

    fn coherence(&self) -> f64 {
        let d = self.energies.len();
        let off = (0..d).flat_map(|i| (0..d).filter(move |j| *j != i).map(move |j| (i, j)));
        off.map(|(i, j)| self.rho[(i, j)].norm()).sum::<f64>() / (d as f64 - 1.0)
    }

    fn purity(&self) -> f64 {
        let d = self.energies.len();
        (0..d).map(|i| (0..d).map(|j| self.rho[(i, j)].norm_sqr()).sum::<f64>()).sum()
    }
}

/// A battery's Hamiltonian on the whole space, less its lowest energy where that counts 0.
fn own_hamiltonian(space: &FullSpace, own: &BatteryHamiltonian) -> Result<CsMat<Complex64>, ModelError> {
    let written = space.whole_operator(&own.operator)?;
    if own.zero == Zero::AsWritten {
        return Ok(written);
    }
    let d = space.dimension();
    let mut dense = Mat::<Complex64>::zeros(d, d);
    written.iter().for_each(|(value, (i, j))| dense[(i, j)] += value);
    let levels = dense.self_adjoint_eigenvalues(Side::Lower);
    let lowest = levels.map_err(|e| ModelError::Invalid(format!("the battery's Hamiltonian has no levels: {e:?}")))?[0];
    Ok(&written + &CsMat::eye(d).map(|x: &Complex64| x * -lowest))
}

/// max(0, λ₁ − λ₂ − λ₃ − λ₄), λ² the eigenvalues of √ρ ρ̃ √ρ with ρ̃ = (σy⊗σy)ρ*(σy⊗σy) (W. K. Wootters, PRL 80, 2245).
fn wootters(rho: &Mat<Complex64>) -> Result<f64, RunError> {
    let failed = |e| RunError::Numerics { method: "the concurrence", reason: format!("{e:?}") };
    let eigen = rho.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    let u = eigen.U();
    let roots: Vec<f64> = (0..4).map(|k| eigen.S()[k].re.max(0.0).sqrt()).collect();
    let root = Mat::from_fn(4, 4, |i, j| (0..4).map(|k| u[(i, k)] * u[(j, k)].conj() * roots[k]).sum::<Complex64>());
    let sign = [-1.0, 1.0, 1.0, -1.0];
    let flipped = Mat::from_fn(4, 4, |i, j| rho[(3 - i, 3 - j)].conj() * (sign[i] * sign[j]));
    let product = &(&root * &flipped) * &root;
    let squares = product.self_adjoint_eigenvalues(Side::Lower).map_err(failed)?;
    let lambda: Vec<f64> = squares.iter().map(|x| x.max(0.0).sqrt()).collect();
    Ok((2.0 * lambda[3] - lambda.iter().sum::<f64>()).max(0.0))
}
