//! States that several subsystems start in together, entangled or not: pure ones, mixtures, eigenstates of a Hamiltonian.

use super::check::{check_hermitian, check_sum};
use super::{Initial, Kind, OpSum, Problem, SubsystemId};
use crate::dense::eigen;
use crate::error::ModelError;
use faer::Mat;
use num_complex::Complex64;
use std::sync::Arc;

/// Most product states of the subsystems of a joint state.
pub const MOST_JOINT: usize = 1 << 14;

/// How far norms and traces may be from 1, and eigenvalues below 0.
const TOLERANCE: f64 = 1e-6;

/// A state of several subsystems. Amplitudes go by product states, the first subsystem and its cell 0 the most significant
/// digit, a cell having |g⟩ before |e⟩.
#[derive(Clone, Debug, PartialEq)]
pub enum JointState {
    /// One of these vectors of norm 1, with its probability: Σp|ψ⟩⟨ψ|, the probabilities adding up to 1 (both to 1e-6).
    /// Each has an amplitude for every product state, at most [`MOST_JOINT`].
    Kets(Arc<Vec<(f64, Vec<Complex64>)>>),
    /// The eigenstate of an operator that has the lowest eigenvalue; it must be the only one.
    GroundState(OpSum),
    /// e^{−βH}/Z, Z = Tr e^{−βH}.
    Gibbs {
        /// H, Hermitian.
        operator: OpSum,
        /// β, finite, in the inverse unit of H.
        beta: f64,
    },
    /// One of these on the spins of ensembles, the same on all equivalent copies of each spin; the probabilities add up to 1.
    Spins(Arc<Vec<SpinKet>>),
}

/// A pure state of subsystems of which ensembles are spins J.
#[derive(Clone, Debug, PartialEq)]
pub struct SpinKet {
    /// Its share of a mixture.
    pub probability: f64,
    /// 2J of each subsystem that is an ensemble, 0 of others.
    pub two_j: Vec<u64>,
    /// The level of each subsystem, J + M of an ensemble, with the amplitude; those not 0, of norm 1.
    pub amplitudes: Vec<(Vec<usize>, Complex64)>,
}

impl SpinKet {
    /// Whether both are one state but for a phase, to rounding.
    pub(crate) fn is_along(&self, other: &Self) -> bool {
        let same = self.two_j == other.two_j && self.amplitudes.len() == other.amplitudes.len();
        let mut pairs = self.amplitudes.iter().zip(&other.amplitudes);
        if !same || !pairs.clone().all(|((a, _), (b, _))| a == b) {
            return false;
        }
        let overlap: Complex64 = pairs.clone().map(|((_, x), (_, y))| x.conj() * y).sum();
        let phase = overlap / overlap.norm();
        overlap != Complex64::ZERO && pairs.all(|((_, x), (_, y))| (x * phase - y).norm() < 1e-13)
    }

    /// Whether it is a state of these subsystems, with a norm of 1.
    fn fits(&self, problem: &Problem, over: &[SubsystemId]) -> bool {
        let levels = |(id, two_j): (&SubsystemId, &u64)| match problem.subsystems[*id].kind {
            Kind::Ensemble { cells } => (*two_j <= cells && (cells - two_j) % 2 == 0).then_some(*two_j as usize + 1),
            Kind::Network { cells: 2.., .. } => None,
            _ => problem.subsystems[*id].factors(None).next().map(|(_, levels)| levels),
        };
        let most: Option<Vec<usize>> = over.iter().zip(&self.two_j).map(levels).collect();
        let inside = |most: &Vec<usize>| {
            let below =
                |own: &Vec<usize>| own.len() == most.len() && own.iter().zip(most).all(|(own, most)| own < most);
            self.amplitudes.iter().all(|(own, _)| below(own))
        };
        let norm: f64 = self.amplitudes.iter().map(|(_, x)| x.norm_sqr()).sum();
        self.two_j.len() == over.len() && most.as_ref().is_some_and(inside) && (norm - 1.0).abs() <= TOLERANCE
    }
}

/// What starts in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// The subsystems, in the order of the amplitudes.
    pub over: Vec<SubsystemId>,
    /// Their state.
    pub state: JointState,
}

/// The amplitudes of (|0…0⟩ + |1…1⟩)/√2 of so many cells.
pub(crate) fn ghz(cells: usize) -> Vec<Complex64> {
    let last = (1usize << cells) - 1;
    let half = Complex64::from(0.5f64.sqrt());
    (0..=last).map(|i| if i == 0 || i == last { half } else { Complex64::ZERO }).collect()
}

/// Those of one excitation spread evenly over so many cells.
pub(crate) fn w(cells: usize) -> Vec<Complex64> {
    let each = Complex64::from((cells as f64).sqrt().recip());
    (0..1usize << cells).map(|i| if i.count_ones() == 1 { each } else { Complex64::ZERO }).collect()
}

impl JointState {
    /// A pure state of norm 1, an amplitude for every product state.
    pub fn ket(amplitudes: Vec<Complex64>) -> Self {
        JointState::Kets(Arc::new(vec![(1.0, amplitudes)]))
    }

    /// (|0…0⟩ + |1…1⟩)/√2 of so many cells, 2^`cells` amplitudes; of two a Bell state.
    pub fn ghz(cells: usize) -> Self {
        Self::ket(ghz(cells))
    }

    /// One excitation spread evenly over so many cells, N^{−½}Σᵢ|0…1ᵢ…0⟩, 2^`cells` amplitudes.
    pub fn w(cells: usize) -> Self {
        Self::ket(w(cells))
    }

    /// A density matrix, d × d between product states, as a mixture of its eigenvectors.
    ///
    /// # Errors
    /// In words, what of it no density matrix has: it is not square, or to 1e-6 its trace is not 1, it differs from its
    /// adjoint or has an eigenvalue below 0.
    pub fn mixed(rho: &Mat<Complex64>) -> Result<Self, String> {
        let d = rho.nrows();
        if rho.ncols() != d {
            return Err(format!("it has {d} rows and {} columns", rho.ncols()));
        }
        let trace: f64 = (0..d).map(|i| rho[(i, i)].re).sum();
        if !((trace - 1.0).abs() <= TOLERANCE) {
            return Err(format!("its trace is {trace}, not 1"));
        }
        let pairs = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
        let mut apart = pairs.map(|(i, j)| (rho[(i, j)] - rho[(j, i)].conj()).norm());
        if let Some(most) = apart.find(|difference| !(*difference <= TOLERANCE)) {
            return Err(format!("it differs from its adjoint by {most:.1e}"));
        }
        let (values, vectors) = eigen(rho.as_ref()).map_err(|e| format!("it has no eigenvalues: {e}"))?;
        if let Some(least) = values.iter().find(|p| **p < -TOLERANCE) {
            return Err(format!("it has the eigenvalue {least}"));
        }
        let kept = (0..d).filter(|k| values[*k] > 1e-15);
        let total: f64 = kept.clone().map(|k| values[k]).sum();
        let ket = |k: usize| {
            let vector: Vec<Complex64> = (0..d).map(|i| vectors[(i, k)]).collect();
            (values[k] / total, vector)
        };
        Ok(JointState::Kets(Arc::new(kept.map(ket).collect())))
    }

    /// The Hamiltonian that it is a state of, if it is one.
    pub(crate) fn operator_mut(&mut self) -> Option<&mut OpSum> {
        match self {
            JointState::Kets(_) | JointState::Spins(_) => None,
            JointState::GroundState(operator) | JointState::Gibbs { operator, .. } => Some(operator),
        }
    }

    /// The same in another unit of time, in which rates count `factor` times as much.
    pub(super) fn scale(&mut self, factor: f64) {
        if let JointState::Gibbs { beta, .. } = self {
            *beta /= factor;
        }
        let terms = self.operator_mut().into_iter().flat_map(|operator| &mut operator.terms);
        terms.for_each(|term| term.coefficient *= factor);
    }

    /// Whether there is nothing to draw.
    pub fn is_pure(&self) -> bool {
        match self {
            JointState::Kets(kets) => kets.len() == 1,
            JointState::Spins(kets) => kets.len() == 1,
            JointState::GroundState(_) => true,
            JointState::Gibbs { .. } => false,
        }
    }

    /// What it is called in inputs.
    pub fn name(&self) -> String {
        match self {
            JointState::Kets(kets) if kets.len() == 1 => "a pure state".into(),
            JointState::Kets(kets) => format!("a mixture of {} states", kets.len()),
            JointState::Spins(kets) if kets.len() == 1 => "a pure state of spins".into(),
            JointState::Spins(kets) => format!("a mixture of {} states of spins", kets.len()),
            JointState::GroundState(_) => "ground_state".into(),
            JointState::Gibbs { beta, .. } => format!("gibbs({beta})"),
        }
    }
}

/// Whether the joint states are states of what they are over, each subsystem in one of them at most.
pub(super) fn check_joint(problem: &Problem) -> Result<(), ModelError> {
    let invalid = |text: String| Err(ModelError::Invalid(text));
    for (number, Joint { over, state }) in problem.joint.iter().enumerate() {
        let mut seen = Vec::new();
        for id in over {
            if id.index() >= problem.subsystems.len() || seen.contains(id) {
                return invalid("a joint state must be over existing subsystems, each once".into());
            }
            if problem.initial[id.index()] != Initial::Joint(number) {
                return invalid(format!("{} starts in two states", problem.subsystems[*id].name));
            }
            seen.push(*id);
        }
        check_state(problem, over, state)?;
    }
    let lost = problem.initial.iter().zip(&problem.subsystems).find(|(state, _)| match state {
        Initial::Joint(number) => *number >= problem.joint.len(),
        _ => false,
    });
    match lost {
        Some((_, part)) => invalid(format!("{} starts in a joint state that there is not", part.name)),
        None => Ok(()),
    }
}

/// Whether it is a state of these subsystems.
pub(super) fn check_state(problem: &Problem, over: &[SubsystemId], state: &JointState) -> Result<(), ModelError> {
    let invalid = |text: String| Err(ModelError::Invalid(text));
    let names: Vec<&str> = over.iter().map(|id| problem.subsystems[*id].name.as_str()).collect();
    let names = names.join(", ");
    match state {
        JointState::Kets(kets) => {
            let ln: f64 = over.iter().map(|id| problem.subsystems[*id].ln_dimension()).sum();
            if over.is_empty() || ln > (MOST_JOINT as f64).ln() + 1e-9 {
                return invalid(format!("the state of {names} has more than {MOST_JOINT} amplitudes"));
            }
            let d = ln.exp().round() as usize;
            if let Some((_, ket)) = kets.iter().find(|(_, ket)| ket.len() != d) {
                return invalid(format!("the state of {names} has {} amplitudes, expected {d}", ket.len()));
            }
            let total: f64 = kets.iter().map(|(p, _)| *p).sum();
            let norm = |ket: &[Complex64]| ket.iter().map(|x| x.norm_sqr()).sum::<f64>();
            let good = kets.iter().all(|(p, ket)| *p >= 0.0 && (norm(ket) - 1.0).abs() <= TOLERANCE);
            if !good || !((total - 1.0).abs() <= TOLERANCE) {
                return invalid(format!("the state of {names} has a norm or a trace other than 1"));
            }
        }
        JointState::Spins(kets) => {
            let total: f64 = kets.iter().map(|ket| ket.probability).sum();
            let good = kets.iter().all(|ket| ket.probability >= 0.0 && ket.fits(problem, over));
            if !good || !((total - 1.0).abs() <= TOLERANCE) {
                return invalid(format!("the state of {names} is none of their spins"));
            }
        }
        JointState::GroundState(operator) | JointState::Gibbs { operator, .. } => {
            let what = format!("the Hamiltonian that {names} is in a state of");
            check_sum(problem, operator, &what)?;
            check_hermitian(problem, operator, &what)?;
            if let Some(other) = operator.factors().find(|f| !over.contains(&f.subsystem)) {
                let other = &problem.subsystems[other.subsystem].name;
                return invalid(format!("{what} acts on {other} too, which is not in it"));
            }
            if let JointState::Gibbs { beta, .. } = state
                && !beta.is_finite()
            {
                return invalid(format!("the inverse temperature of {names} is {beta}, expected a finite number"));
            }
        }
    }
    Ok(())
}

impl Problem {
    /// States that several subsystems start in together.
    pub fn joint(&self) -> &[Joint] {
        &self.joint
    }

    /// Whether an initial state, joint ones included, has nothing to draw; only for those that subsystems start in.
    pub(crate) fn joint_is_pure(&self, number: usize) -> bool {
        self.joint.get(number).is_some_and(|joint| joint.state.is_pure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_are_their_matrix_again() {
        let half = Complex64::new(0.25, 0.1);
        let rho = Mat::from_fn(2, 2, |i, j| match (i, j) {
            (0, 0) => Complex64::from(0.6),
            (1, 1) => Complex64::from(0.4),
            (0, 1) => half,
            _ => half.conj(),
        });
        let JointState::Kets(kets) = JointState::mixed(&rho).unwrap() else { panic!() };
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let sum: Complex64 = kets.iter().map(|(p, ket)| ket[i] * ket[j].conj() * *p).sum();
            assert!((sum - rho[(i, j)]).norm() < 1e-14);
        }
        assert!(JointState::mixed(&(&rho * faer::Scale(Complex64::from(2.0)))).unwrap_err().contains("trace"));
    }
}
