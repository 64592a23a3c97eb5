//! What is concluded from trajectories: means and variances with standard errors, the averaged state, ergotropy.

pub mod answers;
pub mod audit;
pub mod averages;
pub mod columns;
pub mod concurrence;
pub mod counting;
pub mod covariance;
pub mod delays;
mod entropy;
pub mod ergotropy;
pub mod evaluation;
pub mod functional;
pub mod histogram;
pub mod interval;
pub mod moments;
pub mod occupation;
pub mod pinched;
pub mod populations;
pub mod production;
pub mod quadrature;
#[cfg(test)]
mod random;
pub mod sampled;
pub mod unseen;
pub mod verify;
