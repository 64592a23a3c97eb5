//! The systems of the papers: a parameters struct each, and the problem it stands for.

mod aging;

pub use aging::{Aging, Release};
