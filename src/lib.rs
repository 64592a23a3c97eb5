//! Open quantum batteries by quantum-trajectory Monte Carlo.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod battery;
pub mod cli;
mod error;
pub mod estimate;
pub mod exact;
pub mod input;
pub mod models;
pub mod output;
pub mod problem;
pub mod repr;
pub mod runner;
pub mod table;
pub mod trajectory;
pub mod unravel;

pub use error::{CompileError, ModelError, RunError};
