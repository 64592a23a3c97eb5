//! Arrays of complex or real numbers from NumPy files.

use super::error::{InputError, Span};
use ndarray::{Array, Dimension};
use ndarray_npy::{ReadNpyError, read_npy};
use num_complex::Complex64;
use std::path::{Path, PathBuf};

/// The file `name` beside the input; a path typed on the command line may start where the program runs.
pub(super) fn beside(folder: &Path, name: &str) -> PathBuf {
    let (beside, typed) = (folder.join(name), Path::new(name));
    if !beside.exists() && typed.exists() { typed.to_owned() } else { beside }
}

/// An array of complex128 or float64.
pub(super) fn read<D: Dimension>(path: &Path) -> Result<Array<Complex64, D>, ReadNpyError> {
    read_npy(path).or_else(|error| match error {
        ReadNpyError::WrongDescriptor(_) => Ok(read_npy::<_, Array<f64, D>>(path)?.mapv(Complex64::from)),
        other => Err(other),
    })
}

/// What is wrong with a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &ReadNpyError, at: Span<'_>) -> InputError {
    let message = format!("{} cannot be read: {error}", path.display());
    at.error(message, "an array of complex128 or float64 from `numpy.save`")
}
