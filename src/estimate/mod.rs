//! What is concluded from trajectories: means and variances with standard errors, the averaged state, ergotropy.

pub mod columns;
pub mod covariance;
pub mod ergotropy;
pub mod functional;
pub mod moments;
pub mod occupation;
pub mod sampled;
pub mod verify;
