//! The master equation without sampling.

pub mod extrapolate;
pub mod naive;
pub mod propagator;
pub mod rate_equation;
