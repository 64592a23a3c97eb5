//! The flows into and out of J = N/2 of an ensemble, from the projector on it.

use super::space::{FullSpace, adjoint, expectation, scaled};
use crate::error::ModelError;
use crate::problem::{Problem, Reach, Step, SubsystemId};
use ndarray::Array2;
use num_complex::Complex64;
use sprs::CsMat;

/// Σw·PL†(1 − P)LP and Σw·(1 − P)L†PL(1 − P) of each channel on the cells of one ensemble, d × d, P the projector on
/// J = N/2: paper 003, Eq. 120, and the return that it leaves out.
pub(super) struct Flow {
    ensemble: SubsystemId,
    channels: Vec<(usize, CsMat<Complex64>, CsMat<Complex64>)>,
}

impl Flow {
    /// For one ensemble.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when the subsystem is not made of cells.
    pub(super) fn new(problem: &Problem, space: &FullSpace, ensemble: SubsystemId) -> Result<Self, ModelError> {
        let (_, squared) = space.spin(ensemble)?;
        let identity: CsMat<Complex64> = CsMat::eye(space.dimension());
        let cells = problem.subsystems[ensemble].cells();
        let casimir = |two_k: u64| (two_k * (two_k + 2)) as f64 / 4.0;
        // Π_{K<N/2} (S² − K(K+1))/(J(J+1) − K(K+1)).
        let inside = (cells % 2..cells).step_by(2).fold(identity.clone(), |projector, two_k| {
            let shifted = &squared - &scaled(&identity, Complex64::from(casimir(two_k)));
            scaled(&(&shifted * &projector), Complex64::from((casimir(cells) - casimir(two_k)).recip()))
        });
        let outside = &identity - &inside;
        // How much flows from one space to the other.
        let between = |channel: usize, from: &CsMat<Complex64>, to: &CsMat<Complex64>| {
            let zero: CsMat<Complex64> = CsMat::zero((space.dimension(), space.dimension()));
            space.terms(channel).iter().fold(zero, |sum, (w, l, _)| {
                let moved: CsMat<Complex64> = &(to * l) * from;
                let rate: CsMat<Complex64> = &adjoint(&moved) * &moved;
                &sum + &scaled(&rate, Complex64::from(*w))
            })
        };
        let local = problem.channels.iter().enumerate().filter(|(_, c)| c.reach == Reach::Each(ensemble));
        let channels = local.map(|(c, _)| (c, between(c, &inside, &outside), between(c, &outside, &inside)));
        Ok(Self { ensemble, channels: channels.collect() })
    }

    /// Whether it is of this ensemble.
    pub(super) fn is_of(&self, ensemble: SubsystemId) -> bool {
        self.ensemble == ensemble
    }

    /// The flows out of and into J = N/2 in `rho` with the channels that are on in the step.
    pub(super) fn rates(&self, rho: &Array2<Complex64>, step: Option<&Step>) -> (f64, f64) {
        let Some(Step::Evolve { active, .. }) = step else { return (f64::NAN, f64::NAN) };
        let on = self.channels.iter().filter(|(c, ..)| active[*c]);
        on.fold((0.0, 0.0), |(out, back), (_, lost, gained)| {
            (out + expectation(lost, rho).re, back + expectation(gained, rho).re)
        })
    }
}
