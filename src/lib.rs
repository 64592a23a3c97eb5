//! Open quantum batteries by quantum-trajectory Monte Carlo.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
pub mod problem;
pub mod table;

pub use error::{CompileError, ModelError, RunError};
