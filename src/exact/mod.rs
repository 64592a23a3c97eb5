//! The master equation without sampling.

pub mod extrapolate;
pub mod naive;
