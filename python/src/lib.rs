//! The compiled half of the Python package `leyden`: problems and runs as Python objects, results as numpy arrays. What a
//! user sees is in `leyden/`, in Python.

mod draws;
mod errors;
mod operators;
mod problem;
mod run;
mod runs;
mod tables;
mod waiting;

use pyo3::prelude::*;

#[pymodule]
mod _leyden {
    #[pymodule_export]
    use super::errors::{CompileError, InputError, RunError};
    #[pymodule_export]
    use super::problem::Problem;
    #[pymodule_export]
    use super::run::Run;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// The command `leyden` with the arguments of this process; returns its exit status.
    #[cfg(feature = "command")]
    #[pyfunction]
    fn command(arguments: Vec<std::ffi::OsString>) -> Option<u8> {
        let status = leyden::cli::main_with(arguments);
        (0..=u8::MAX).find(|number| std::process::ExitCode::from(*number) == status)
    }
}
