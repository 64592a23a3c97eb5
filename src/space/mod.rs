//! How a state is stored and moved; one file per representation.

pub mod alike;
pub mod angular;
pub mod blocks;
pub mod choose;
pub mod energies;
pub mod ladder;
