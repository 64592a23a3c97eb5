//! What is left behind: the folder of a run, its tables and pictures.

pub mod audit;
#[cfg(feature = "cli")]
pub mod checkpoint;
#[cfg(feature = "figures")]
pub mod correlations;
#[cfg(feature = "figures")]
pub mod figure;
#[cfg(feature = "cli")]
pub mod files;
#[cfg(feature = "cli")]
pub mod folder;
mod function;
pub mod latex;
#[cfg(feature = "cli")]
pub mod netcdf;
pub mod npz;
#[cfg(feature = "figures")]
pub mod pictures;
#[cfg(feature = "cli")]
pub mod qutip;
pub mod rare;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "figures")]
pub mod single_figures;
pub mod single_runs;
pub mod summary;
#[cfg(feature = "figures")]
pub mod sweep;
pub mod table;
