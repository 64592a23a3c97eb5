//! Errors of the library as Python exceptions of the fitting class.

use leyden::{CompileError as Compile, ModelError, RunError as Run};
use pyo3::create_exception;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(
    leyden,
    CompileError,
    PyValueError,
    "No representation carries the problem exactly; the reasons are in the text."
);
create_exception!(
    leyden,
    InputError,
    PyValueError,
    "A mistake in an input, with file, line, column and what was expected there."
);
create_exception!(
    leyden,
    RunError,
    PyRuntimeError,
    "A run that could not be made: too large, without a limit, or a method that missed its tolerance."
);

/// The exception of a failure while running or solving.
pub fn of_run(error: Run) -> PyErr {
    let text = error.to_string();
    match error {
        Run::Model(_) | Run::Request(_) => PyValueError::new_err(text),
        Run::Compile(_) => CompileError::new_err(text),
        Run::Io { .. } => PyOSError::new_err(text),
        Run::Interrupted => PyKeyboardInterrupt::new_err(text),
        _ => RunError::new_err(text),
    }
}

/// The exception of a problem that is none.
pub fn of_model(error: ModelError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The exception of a problem that no representation carries.
pub fn of_compile(error: Compile) -> PyErr {
    CompileError::new_err(error.to_string())
}

/// The exception of a mistake in an input.
pub fn of_input(error: leyden::input::InputError) -> PyErr {
    InputError::new_err(error.to_string())
}
