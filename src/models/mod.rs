//! The systems of the papers, one family a file, each a struct of parameters that makes a problem.

mod aging;
mod dephased;
mod network;

pub use aging::{Aging, Release};
pub use dephased::{Dephased, Part};
pub use network::{Graph, Network};
