//! Initial states in the full tensor space, and gates, spelled out.

use super::space::{FullSpace, adjoint, kronecker, levels, matrix, right_adjoint, scaled, total, unfit};
use crate::error::{ModelError, RunError};
use crate::problem::{Gate, Initial, Joint, JointState, Kind, Subsystem, SubsystemId};
use faer::{Mat, Side};
use ndarray::{Array2, Zip};
use num_complex::Complex64;
use sprs::CsMat;

const ONE: Complex64 = Complex64::new(1.0, 0.0);

impl FullSpace<'_> {
    /// The initial state where some subsystems start together: element by element, the product of the parts' own.
    pub(super) fn entangled(&self) -> Result<CsMat<Complex64>, RunError> {
        let mut parts: Vec<(Vec<SubsystemId>, Array2<Complex64>)> = Vec::new();
        for (id, (part, initial)) in
            self.problem().subsystem_ids().zip(self.problem().subsystems.iter().zip(&self.problem().initial))
        {
            if !matches!(initial, Initial::Joint(_)) {
                parts.push((vec![id], state(part, initial)?.to_dense()));
            }
        }
        for Joint { over, state } in &self.problem().joint {
            parts.push((over.clone(), self.joint(over, state)?));
        }
        let d = self.dimension();
        let inside = |of: &[SubsystemId], index: usize| {
            let levels = self.digits(index);
            self.cells(of).fold(0, |code, k| code * self.dims()[k] + levels[k])
        };
        let mut entries = Vec::new();
        let codes: Vec<Vec<usize>> = parts.iter().map(|(of, _)| (0..d).map(|i| inside(of, i)).collect()).collect();
        for (i, j) in (0..d).flat_map(|i| (0..d).map(move |j| (i, j))) {
            let value: Complex64 = parts.iter().zip(&codes).map(|((_, rho), code)| rho[[code[i], code[j]]]).product();
            if value != Complex64::ZERO {
                entries.push((i, j, value));
            }
        }
        Ok(matrix(d, entries))
    }

    /// The density matrix of a joint state.
    pub(super) fn joint(&self, over: &[SubsystemId], state: &JointState) -> Result<Array2<Complex64>, RunError> {
        let d: usize = self.cells(over).map(|k| self.dims()[k]).product();
        let mut rho = Array2::zeros((d, d));
        let mut add = |p: f64, ket: &dyn Fn(usize) -> Complex64| {
            Zip::indexed(&mut rho).for_each(|(i, j), x: &mut Complex64| *x += ket(i) * ket(j).conj() * p);
        };
        let (operator, beta) = match state {
            JointState::Kets(kets) => {
                kets.iter().for_each(|(p, ket)| add(*p, &|i| ket[i]));
                return Ok(rho);
            }
            JointState::Spins(_) => {
                return Err(RunError::Request("the state at the start is one of spins, not of single cells".into()));
            }
            JointState::GroundState(operator) => (operator, f64::INFINITY),
            JointState::Gibbs { operator, beta } => (operator, *beta),
        };
        // The operator alone in the space of its subsystems.
        let whole = self.operator(operator)?;
        let order: Vec<usize> = self.cells(over).collect();
        let mut own = Mat::<Complex64>::zeros(d, d);
        for (value, (row, column)) in whole.iter() {
            let code = |index: usize| {
                let levels = self.digits(index);
                let rest = (0..levels.len()).filter(|k| !order.contains(k)).any(|k| levels[k] != 0);
                (!rest).then(|| order.iter().fold(0, |code, k| code * self.dims()[*k] + levels[*k]))
            };
            if let (Some(i), Some(j)) = (code(row), code(column)) {
                own[(i, j)] += value;
            }
        }
        let failed = |e| RunError::Numerics { method: "the eigenstates of a Hamiltonian", reason: format!("{e:?}") };
        let eigen = own.self_adjoint_eigen(Side::Lower).map_err(failed)?;
        let energies: Vec<f64> = (0..d).map(|k| eigen.S()[k].re).collect();
        let weight = |k: usize| match beta {
            f64::INFINITY => f64::from(u8::from(k == 0)),
            _ => (-beta * (energies[k] - energies[if beta > 0.0 { 0 } else { d - 1 }])).exp(),
        };
        let total: f64 = (0..d).map(weight).sum();
        (0..d).for_each(|k| add(weight(k) / total, &|i| eigen.U()[(i, k)]));
        Ok(rho)
    }

    /// UρU† of a gate.
    pub(super) fn gate(&self, rho: &Array2<Complex64>, gate: &Gate) -> Result<Array2<Complex64>, RunError> {
        let d = self.dimension();
        let mut entries = Vec::new();
        match gate {
            Gate::Exponential(generator) => {
                let mut dense = Mat::<Complex64>::zeros(d, d);
                self.operator(generator)?.iter().for_each(|(value, (i, j))| dense[(i, j)] += value);
                let failed = |e| RunError::Numerics { method: "the angles of a gate", reason: format!("{e:?}") };
                let eigen = dense.self_adjoint_eigen(Side::Lower).map_err(failed)?;
                let v = eigen.U();
                let turned = Mat::from_fn(d, d, |i, k| v[(i, k)] * Complex64::cis(-eigen.S()[k].re));
                let u = turned * v.adjoint();
                entries.extend((0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| (i, j, u[(i, j)])));
            }
            Gate::Matrix { over, matrix } => {
                let order: Vec<usize> = self.cells(over).collect();
                // Index among the states of the gate, and the same state with these factors at 0.
                let split = |index: usize| {
                    let mut levels = self.digits(index);
                    let own = order.iter().fold(0, |code, k| code * self.dims()[*k] + levels[*k]);
                    order.iter().for_each(|k| levels[*k] = 0);
                    (own, levels)
                };
                let parts: Vec<(usize, Vec<usize>)> = (0..d).map(split).collect();
                for (i, (row, rest)) in parts.iter().enumerate() {
                    let same = parts.iter().enumerate().filter(|(_, (_, other))| other == rest);
                    entries.extend(same.map(|(j, (column, _))| (i, j, matrix[(*row, *column)])));
                }
            }
        }
        let u = matrix(d, entries);
        Ok(right_adjoint(&(&u * rho), &u))
    }
}

/// The initial density matrix of one subsystem.
pub(super) fn state(subsystem: &Subsystem, initial: &Initial) -> Result<CsMat<Complex64>, ModelError> {
    let cells = subsystem.cells() as usize;
    let dim = levels(&subsystem.kind);
    let diagonal = |p: Vec<f64>| {
        let total: f64 = p.iter().sum();
        matrix(dim, p.into_iter().enumerate().map(|(i, p)| (i, i, Complex64::from(p / total))).collect())
    };
    let only = |level: usize| diagonal((0..dim).map(|i| f64::from(u8::from(i == level))).collect());
    let (excited, coherence) = match (initial, &subsystem.kind) {
        (Initial::Ground, Kind::Mode { .. } | Kind::Levels { .. }) => return Ok(only(0)),
        (Initial::Fock(n), Kind::Mode { .. }) => return Ok(only(*n)),
        (Initial::Thermal { ratio }, Kind::Mode { .. }) => {
            return Ok(diagonal((0..dim).map(|n| ratio.powi(n as i32)).collect()));
        }
        (Initial::Populations(p), Kind::Levels { .. }) => return Ok(diagonal(p.clone())),
        (Initial::Coherent(alpha), Kind::Mode { .. }) => {
            let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
            let x: Vec<Complex64> = (0..dim).map(|n| alpha.powu(n as u32) / factorial(n).sqrt()).collect();
            let norm: f64 = x.iter().map(|x| x.norm_sqr()).sum();
            let pairs = (0..dim).flat_map(|i| (0..dim).map(move |j| (i, j)));
            return Ok(matrix(dim, pairs.map(|(i, j)| (i, j, x[i] * x[j].conj() / norm)).collect()));
        }
        (_, Kind::Mode { .. } | Kind::Levels { .. }) => return Err(unfit(&subsystem.kind, initial)),
        (Initial::Ground, _) => (0.0, Complex64::ZERO),
        (Initial::Excited, _) => (1.0, Complex64::ZERO),
        (Initial::Thermal { ratio } | Initial::Rotated { ratio, .. }, _) => (ratio / (1.0 + ratio), Complex64::ZERO),
        (Initial::Cell { excited, coherence }, _) => (*excited, *coherence),
        (Initial::Dicke { two_j, two_m }, _) => return Ok(dicke(cells, *two_j, *two_m)),
        _ => return Err(unfit(&subsystem.kind, initial)),
    };
    let entries = [
        (0, 0, Complex64::from(1.0 - excited)),
        (1, 1, Complex64::from(excited)),
        (1, 0, coherence),
        (0, 1, coherence.conj()),
    ];
    let one = matrix(2, entries.to_vec());
    let product = kronecker((0..cells).map(|_| one.clone()));
    let Initial::Rotated { unitary, .. } = initial else { return Ok(product) };
    let d = unitary.nrows();
    let pairs = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
    let u = matrix(d, pairs.map(|(i, j)| (i, j, unitary[(i, j)])).collect());
    Ok(&(&u * &product) * &adjoint(&u))
}

/// The projector on all states of N cells with S² = J(J+1) and Sᶻ = M, divided by its trace. The projector on J is the
/// polynomial Π_{K≠J} (S² − K(K+1)) / (J(J+1) − K(K+1)), K from N/2 down to 0 or ½.
fn dicke(cells: usize, two_j: u64, two_m: i64) -> CsMat<Complex64> {
    let dims = vec![2; cells];
    let diagonal = |value: &dyn Fn(f64) -> f64| {
        let m = |index: usize| f64::from(index.count_ones()) - cells as f64 / 2.0;
        matrix(1 << cells, (0..1 << cells).map(|index| (index, index, Complex64::from(value(m(index))))).collect())
    };
    let lower = total(&dims, 0..cells, &matrix(2, vec![(0, 1, ONE)]));
    // S² = S⁺S⁻ + Sᶻ(Sᶻ − 1), and a basis state with k excited cells has Sᶻ = k − N/2.
    let squared = &(&adjoint(&lower) * &lower) + &diagonal(&|m| m * (m - 1.0));
    let casimir = |two_k: u64| (two_k * (two_k + 2)) as f64 / 4.0;
    let mut projector = diagonal(&|m| if 2.0 * m == two_m as f64 { 1.0 } else { 0.0 });
    for two_k in (cells as u64 % 2..=cells as u64).step_by(2).filter(|two_k| *two_k != two_j) {
        let shifted = &squared + &diagonal(&|_| -casimir(two_k));
        projector = scaled(&(&shifted * &projector), Complex64::from(1.0 / (casimir(two_j) - casimir(two_k))));
    }
    let trace: Complex64 = projector.diag().iter().map(|(_, p)| *p).sum();
    scaled(&projector, trace.inv())
}
