//! What is left behind: the folder of a run, its tables and pictures.

pub mod figure;
pub mod files;
pub mod folder;
pub mod latex;
pub mod pictures;
pub mod qutip;
pub mod summary;
pub mod sweep;
pub mod table;
