//! L of one stage as a sparse matrix, and waits s/(s + iω − L), each one solve with a sparse LU.

use super::generator::{Density, JumpMap};
use crate::error::RunError;
use crate::space::blocks::Sparse;
use crate::stop::Stop;
use faer::prelude::Solve;
use faer::sparse::linalg::solvers::Lu;
use faer::sparse::{SparseColMat, Triplet};
use faer::{Mat, c64};
use num_complex::Complex64;

/// Most unknowns of the sparse solver.
pub const MOST_UNKNOWNS: usize = 60_000;

/// L on the rows of all blocks one after the other: K⊗1 + 1⊗K* inside blocks, L⊗L* between them.
pub struct Liouvillian {
    /// Row, column and value.
    entries: Vec<(usize, usize, c64)>,
    unknowns: usize,
    /// A bound of ‖L‖, which sets the scale of all rates.
    pub norm: f64,
}

fn failed(reason: String) -> RunError {
    RunError::Numerics { method: "the steady state", reason }
}

impl Liouvillian {
    /// From K of each block, jump operators and a bound of ‖L‖.
    ///
    /// # Errors
    /// [`RunError::TooLarge`] above 60,000 unknowns.
    pub fn new(drift: &[Sparse], jumps: &[JumpMap], norm: f64) -> Result<Self, RunError> {
        let mut unknowns = 0;
        let mut offsets = Vec::with_capacity(drift.len());
        for k in drift {
            offsets.push(unknowns);
            unknowns += k.rows() * k.rows();
        }
        if unknowns > MOST_UNKNOWNS {
            return Err(RunError::TooLarge {
                what: "the steady state".into(),
                needed: format!("{unknowns} unknowns"),
                limit: format!("{MOST_UNKNOWNS}"),
                advice: "evolve for a long time, or sample".into(),
            });
        }
        Ok(Self { entries: entries(drift, jumps, &offsets), unknowns, norm })
    }

    /// The LU of s + iω − L.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when it does not exist; [`RunError::Interrupted`].
    pub fn wait(&self, s: f64, frequency: f64, stop: &Stop) -> Result<Wait, RunError> {
        let shift = c64::new(s, frequency);
        let diagonal = (0..self.unknowns).map(|i| Triplet::new(i, i, shift));
        let triplets: Vec<_> = self.entries.iter().map(|(i, j, x)| Triplet::new(*i, *j, -*x)).chain(diagonal).collect();
        let matrix = SparseColMat::<usize, c64>::try_new_from_triplets(self.unknowns, self.unknowns, &triplets)
            .map_err(|e| failed(format!("{e:?}")))?;
        let factorise = move || matrix.sp_lu().map(|lu| Wait { matrix, lu, s });
        stop.while_waiting(factorise)?.map_err(|e| failed(format!("{e:?}")))
    }
}

/// s/(s + iω − L): what e^{(L − iω)t} is on average after a wait of exponential law and mean 1/s.
pub struct Wait {
    matrix: SparseColMat<usize, c64>,
    lu: Lu<usize, c64>,
    s: f64,
}

impl Wait {
    /// On `rho`, with one step of refinement, since s is small against ‖L‖.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when the result is no number.
    pub fn apply(&self, rho: &Density) -> Result<Density, RunError> {
        let flat: Vec<Complex64> = rho.iter().flatten().map(|x| x * self.s).collect();
        let right = Mat::from_fn(flat.len(), 1, |i, _| flat[i]);
        let mut solution = self.lu.solve(&right);
        let residual = &right - &self.matrix * &solution;
        solution += self.lu.solve(&residual);
        let mut next = rho.clone();
        next.iter_mut().flatten().enumerate().for_each(|(i, x)| *x = solution[(i, 0)]);
        if next.iter().flatten().all(|x| x.is_finite()) {
            Ok(next)
        } else {
            Err(failed("the solution is not finite".into()))
        }
    }
}

fn entries(drift: &[Sparse], jumps: &[JumpMap], offsets: &[usize]) -> Vec<(usize, usize, c64)> {
    let mut entries = Vec::new();
    for (k, offset) in drift.iter().zip(offsets) {
        let d = k.rows();
        for (x, (i, j)) in k.iter() {
            let (i, j) = (i as usize, j as usize);
            for m in 0..d {
                entries.push((offset + i * d + m, offset + j * d + m, *x));
                entries.push((offset + m * d + i, offset + m * d + j, x.conj()));
            }
        }
    }
    for JumpMap { from, to, map, .. } in jumps {
        let (d, e) = (map.cols(), map.rows());
        for (x, (i, j)) in map.iter() {
            for (y, (k, l)) in map.iter() {
                let row = offsets[*to] + i as usize * e + k as usize;
                entries.push((row, offsets[*from] + j as usize * d + l as usize, x * y.conj()));
            }
        }
    }
    entries
}
