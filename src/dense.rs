//! Products and eigenvectors of dense matrices, on this thread alone. Several threads would round according to their
//! number; and one that waits for the others takes up whatever else there is to do, which may be a trajectory that wants
//! what this one holds.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::traits::{ComplexField, Conjugate};
use faer::{Accum, Mat, MatRef, Par};

/// AB; [`MatRef::adjoint`] may give either.
pub fn product<T: ComplexField, A, B>(a: MatRef<'_, A>, b: MatRef<'_, B>) -> Mat<T>
where
    A: Conjugate<Canonical = T>,
    B: Conjugate<Canonical = T>,
{
    let mut product = Mat::zeros(a.nrows(), b.ncols());
    matmul(product.as_mut(), Accum::Replace, a, b, T::one_impl(), Par::Seq);
    product
}

/// Eigenvalues in rising order and eigenvectors, as columns in the same order, of a Hermitian matrix.
///
/// # Errors
/// Where there are none, with what the solver says.
pub fn eigen<T: ComplexField<Real = f64>>(matrix: MatRef<'_, T>) -> Result<(Vec<f64>, Mat<T>), String> {
    let d = matrix.nrows();
    let (mut values, mut vectors) = (Diag::<T>::zeros(d), Mat::<T>::zeros(d, d));
    let (wanted, default) = (ComputeEigenvectors::Yes, Default::default());
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<T>(d, wanted, Par::Seq, default));
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), Some(vectors.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|e| format!("{e:?}"))?;
    Ok((values.column_vector().iter().map(T::real_part_impl).collect(), vectors))
}
