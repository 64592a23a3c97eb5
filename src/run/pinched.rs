//! A battery that is one large spin in superpositions, where its density matrix is too large to be kept: what is recorded of
//! it instead, along the axis that the mean spin of a few trajectories beforehand has at each row.

use super::RunOptions;
use crate::battery::{Battery, DickeKey};
use crate::error::RunError;
use crate::estimate::moments::Moments;
use crate::estimate::occupation::Occupation;
use crate::estimate::pinched::{Overlaps, Pinched};
use crate::problem::{Nonlinear, Part, Problem, Quantity};
use crate::stop::Stop;
use crate::unravel::along::{Direction, mean_spin, populations};
use crate::unravel::trajectory::{Moment, Recorder, run_batch};
use crate::unravel::{Batch, States, Unraveling};
use num_complex::Complex64;

/// Density matrices of one group of trajectories beyond this size are not kept if there is another way.
const LARGE_BYTES: f64 = 1.6e7;

/// Whether the battery is described along an axis, not by density matrices: a property of the problem, whatever the number
/// of trajectories, so that a run may go on to more of them.
pub fn is_pinched(engine: &impl Unraveling, problem: &Problem, options: RunOptions) -> bool {
    let ergotropy = |function: (Nonlinear, Part)| function == (Nonlinear::Ergotropy, Part::Battery);
    let mut functions = problem.quantities.iter().filter_map(Quantity::nonlinear).peekable();
    functions.peek().is_some()
        && functions.all(ergotropy)
        && !options.states
        && problem.kept_states.is_empty()
        && problem.battery_hamiltonian().is_none()
        && engine.has_battery_spin()
        && Battery::of(problem).is_some()
        && 16.0 * engine.density_elements(0) * problem.protocol.row_count() as f64 > LARGE_BYTES
}

/// Trajectories that give the axes. They are not among those that count.
pub(super) const PILOT: u64 = 32;
/// Where their random streams begin.
const PILOT_STREAMS: u64 = 1 << 63;

/// The axis of each row.
///
/// # Errors
/// As [`run_batch`].
pub fn axes<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    stop: &Stop,
) -> Result<Vec<Direction>, RunError> {
    let mut spins = MeanSpins(vec![[0.0; 3]; problem.protocol.row_count()]);
    let size = engine.most_in_batch().clamp(1, PILOT);
    for first in (0..PILOT).step_by(size as usize) {
        let trajectories = PILOT_STREAMS + first..PILOT_STREAMS + (first + size).min(PILOT);
        let mut batch = engine.start(options.seed, trajectories, stop);
        run_batch(problem, &mut batch, stop, &mut spins)?;
    }
    Ok(spins.0.into_iter().map(Direction::of).collect())
}

/// Σ⟨S⟩ at each row.
struct MeanSpins(Vec<[f64; 3]>);

impl<B: Batch> Recorder<B> for MeanSpins {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        for k in 0..batch.trajectories() {
            let mut spin = [0.0; 3];
            let norm = batch.battery_spin(k, &mut |psi| {
                spin.iter_mut().zip(mean_spin(psi)).for_each(|(sum, x)| *sum += x);
            });
            self.0[moment.row].iter_mut().zip(spin).for_each(|(sum, x)| *sum += x / norm.unwrap_or(1.0));
        }
        Ok(())
    }
}

/// Records a batch.
pub(super) struct PinchedRecorder<'a> {
    axes: &'a [Direction],
    battery: Battery,
    pub occupations: Vec<Occupation>,
    pub pinched: Pinched,
    /// Whether pairs are compared: of trajectories as they come.
    pairs: bool,
}

impl<'a> PinchedRecorder<'a> {
    /// Nothing yet; `None` of a battery that is no ensemble.
    pub fn new(problem: &Problem, axes: &'a [Direction], weights: &[f64], pairs: bool) -> Option<Self> {
        let energy = Moments::of_batch(weights, axes.len());
        Some(Self {
            axes,
            battery: Battery::of(problem)?,
            occupations: vec![Occupation::default(); axes.len()],
            pinched: Pinched { energy, overlaps: vec![Overlaps::default(); axes.len()] },
            pairs,
        })
    }

    /// A row, of trajectories from number `first` on.
    pub fn row(&mut self, batch: &impl States, row: usize, first: u64, weights: &[f64]) {
        let [(cells, omega)] = self.battery.ensembles() else { return };
        let mut energies = Vec::with_capacity(weights.len());
        let mut visits: Vec<(DickeKey, usize, f64)> = Vec::new();
        let mut states: Vec<(f64, Vec<Vec<Complex64>>)> = Vec::new();
        for (k, weight) in weights.iter().enumerate() {
            let mut fibres: Vec<Vec<Complex64>> = Vec::new();
            let norm = batch.battery_spin(k, &mut |psi| fibres.push(psi.to_vec())).unwrap_or(1.0);
            let half = ((first + k as u64) % 2) as usize;
            let mut energy = 0.0;
            for psi in &fibres {
                let two_j = psi.len() as u64 - 1;
                let lowest = ((cells - two_j) / 2) as f64;
                let of_level = |(up, x): (usize, &Complex64)| x.norm_sqr() * (lowest + up as f64);
                energy += omega * psi.iter().enumerate().map(of_level).sum::<f64>() / norm;
                populations(psi, self.axes[row], &mut |up, p| {
                    visits.push((self.battery.key([(two_j, up as u64)]), half, weight * p / norm));
                });
            }
            energies.push(energy);
            if self.pairs {
                states.push((norm, fibres));
            }
        }
        self.occupations[row].record(visits.into_iter());
        self.pinched.energy.set(row, &energies, weights);
        if self.pairs {
            self.pinched.overlaps[row] = Overlaps::of_batch(states.len(), mean_overlap(&states));
        }
    }
}

/// The mean of Tr ρρ′ over all pairs, 0 for those of different J.
fn mean_overlap(states: &[(f64, Vec<Vec<Complex64>>)]) -> f64 {
    let product = |a: &[Complex64], b: &[Complex64]| a.iter().zip(b).map(|(a, b)| a.conj() * b).sum::<Complex64>();
    let overlap = |(norm, fibres): &(f64, Vec<Vec<Complex64>>), (other_norm, others): &(f64, Vec<Vec<Complex64>>)| {
        let pairs = fibres.iter().flat_map(|a| others.iter().map(move |b| (a, b))).filter(|(a, b)| a.len() == b.len());
        pairs.map(|(a, b)| product(a, b).norm_sqr()).sum::<f64>() / (norm * other_norm)
    };
    let sum: f64 = (1..states.len()).map(|k| states[..k].iter().map(|s| overlap(s, &states[k])).sum::<f64>()).sum();
    2.0 * sum / (states.len() * states.len().saturating_sub(1)).max(1) as f64
}

#[cfg(test)]
mod tests;
