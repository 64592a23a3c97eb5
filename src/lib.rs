//! Open quantum batteries by quantum-trajectory Monte Carlo, with error bars one can trust.
//!
//! dρ/dt = −i\[H, ρ\] + Σ_c rate_c D\[L_c\]ρ with D\[L\]ρ = LρL† − ½(L†Lρ + ρL†L) and ħ = 1, in pulses and timed steps:
//! described as a [`Problem`](problem::Problem) (by a builder, a model of [`models`], or a TOML file), sampled by
//! [`sample`], solved by [`solve`], and read by name.
//!
//! ```
//! use leyden::prelude::*;
//!
//! let mut p = Problem::builder("a battery that loses its charge");
//! let b = p.ensemble("B", 20, 1.0);
//! p.each("loss", b, sm(b), 1.0).initial(b, Initial::Excited);
//! p.evolve("storage", 0.5, 4).observe([Quantity::Energy, Quantity::Ergotropy]);
//! let problem = p.build()?;
//!
//! let sampled = sample(&problem, &Sampling { trajectories: 2_000, ..Default::default() })?;
//! let exact = solve(&problem)?;
//! let energy = sampled["energy"].last();
//! assert!((energy.value - 20.0 * f64::exp(-0.5)).abs() < 5.0 * energy.se.unwrap_or(0.0));
//! assert!((exact["energy"].last().value - 20.0 * f64::exp(-0.5)).abs() < 1e-8);
//! # Ok::<(), leyden::RunError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod battery;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cost;
mod dense;
pub mod density;
mod error;
pub mod estimate;
pub mod evolve;
pub mod exact;
mod facade;
#[cfg(feature = "input")]
pub mod input;
pub mod levels;
pub mod models;
pub mod output;
pub mod problem;
pub mod protocol;
pub mod rare;
pub mod run;
pub mod settled;
pub mod space;
pub mod stop;
pub mod table;
pub mod unravel;

pub use error::{CompileError, ModelError, RunError};
pub use facade::{Sampled, Sampling, correlation, sample, solve, steady};
pub use rare::{Rare, RareShots, rare};

/// The names that most programs need.
pub mod prelude {
    pub use crate::problem::{Axis, Correlation, Envelope, Initial, Kind, Problem, ProblemBuilder, Quantity, When};
    pub use crate::problem::{ChannelId, StepId, SubsystemId};
    pub use crate::problem::{a, ad, n, sm, sp, sx, sy, sz, transition};
    pub use crate::stop::Stop;
    pub use crate::table::Table;
    pub use crate::{Rare, RunError, Sampled, Sampling, correlation, rare, sample, solve, steady};
}
