//! Open quantum batteries by quantum-trajectory Monte Carlo, with error bars one can trust.
//!
//! dρ/dt = −i\[H, ρ\] + Σ_c rate_c D\[L_c\]ρ with D\[L\]ρ = LρL† − ½(L†Lρ + ρL†L) and ħ = 1, in pulses and timed steps:
//! described as a [`problem::Problem`] (by a builder, a model of [`models`], or [`input`]), sampled by [`runner::run`] or
//! solved by [`exact::solve`], and read as a [`table::Table`].
//!
//! ```
//! use leyden::{exact, models::Aging, problem::Quantity, repr::ladder::Ladder};
//! use leyden::{estimate::columns, runner, stop::Stop, unravel::ladder_jump::LadderJump};
//!
//! let mut problem = Aging { cells: 20, cycles: 2, samples: 1, ..Aging::default() }.problem()?;
//! problem.quantities = vec![Quantity::Energy];
//! let engine = LadderJump::new(Ladder::compile(&problem)?);
//! let options =
//!     runner::RunOptions { trajectories: 2_000, seed: 1, threads: 0, shots: false, covariance: false, states: false };
//! let outcome = runner::run(&engine, &problem, options, &Stop::default(), &mut |_, _| true)?;
//! let (sampled, exact) = (columns::table(&problem, &outcome.accumulated)?, exact::solve(&problem, None, &Stop::default())?);
//! let (energy, truth) = (&sampled.columns[0], &exact.columns[0]);
//! let error = energy.se.as_ref().map_or(0.0, |se| se[7]);
//! assert!((energy.value[7] - truth.value[7]).abs() < 5.0 * error);
//! # Ok::<(), leyden::RunError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod battery;
#[cfg(feature = "cli")]
pub mod cli;
pub mod density;
mod error;
pub mod estimate;
pub mod exact;
#[cfg(feature = "input")]
pub mod input;
pub mod models;
pub mod output;
pub mod problem;
pub mod protocol;
pub mod repr;
pub mod runner;
pub mod stop;
pub mod table;
pub mod trajectory;
pub mod unravel;

pub use error::{CompileError, ModelError, RunError};
