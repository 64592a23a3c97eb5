//! Functions of parts that the user chose, from the state of the full space.

use super::quantities::Reduced;
use super::space::FullSpace;
use crate::error::RunError;
use crate::problem::{Chosen, Nonlinear, Place};
use faer::{Mat, Side};
use ndarray::Array2;
use num_complex::Complex64;

/// The value of one in `rho`.
pub(super) fn read(space: &FullSpace, rho: &Array2<Complex64>, chosen: &Chosen) -> Result<f64, RunError> {
    let Chosen { what, places, first, target, .. } = chosen;
    let part = |places: &[Place]| state(space, rho, places);
    Ok(match what {
        Nonlinear::Ergotropy => {
            let (own, energies) = part(places);
            Reduced { rho: own, energies }.ergotropy()?
        }
        Nonlinear::Entropy => entropy(&part(places).0)?,
        Nonlinear::MutualInformation => {
            let (one, other) = (part(&places[..*first]).0, part(&places[*first..]).0);
            entropy(&one)? + entropy(&other)? - entropy(&part(places).0)?
        }
        Nonlinear::Negativity => {
            let whole = part(places).0;
            let (d, rest) = (whole.nrows(), part(&places[*first..]).0.nrows());
            // Rows and columns exchange the first group.
            let turned = Mat::from_fn(d, d, |i, j| whole[(j / rest * rest + i % rest, i / rest * rest + j % rest)]);
            eigenvalues(&turned)?.iter().filter(|x| **x < 0.0).map(|x| -x).sum()
        }
        Nonlinear::Fidelity => {
            let (whole, psi) = (part(places).0, target.as_ref().map_or(&[][..], |psi| psi));
            let pairs = (0..psi.len()).flat_map(|i| (0..psi.len()).map(move |j| (i, j)));
            pairs.map(|(i, j)| (psi[i].conj() * whole[(i, j)] * psi[j]).re).sum()
        }
        _ => f64::NAN,
    })
}

/// The state of places in their order, with the energies of its basis.
fn state(space: &FullSpace, rho: &Array2<Complex64>, places: &[Place]) -> (Mat<Complex64>, Vec<f64>) {
    let factor = |&(e, cell): &Place| {
        let all: Vec<usize> = space.cells(&[e]).collect();
        match cell {
            Some(cell) => vec![all[cell]],
            None => all,
        }
    };
    let inside: Vec<usize> = places.iter().flat_map(factor).collect();
    let d: usize = inside.iter().map(|k| space.dims()[*k]).product();
    let split: Vec<(usize, Vec<usize>)> = (0..space.dimension())
        .map(|index| {
            let mut levels = space.digits(index);
            let own = inside.iter().fold(0, |code, k| code * space.dims()[*k] + levels[*k]);
            inside.iter().for_each(|k| levels[*k] = 0);
            (own, levels)
        })
        .collect();
    let (mut own, mut energies) = (Mat::<Complex64>::zeros(d, d), vec![0.0; d]);
    for (index, (_, _, energy)) in space.split_factors(|factor| inside.contains(&factor)).iter().enumerate() {
        energies[split[index].0] = *energy;
    }
    for (i, (row, rest)) in split.iter().enumerate() {
        for (j, (column, _)) in split.iter().enumerate().filter(|(_, (_, other))| other == rest) {
            own[(*row, *column)] += rho[[i, j]];
        }
    }
    (own, energies)
}

fn eigenvalues(rho: &Mat<Complex64>) -> Result<Vec<f64>, RunError> {
    let failed = |e| RunError::Numerics { method: "the eigenvalues of a part", reason: format!("{e:?}") };
    rho.self_adjoint_eigenvalues(Side::Lower).map_err(failed)
}

fn entropy(rho: &Mat<Complex64>) -> Result<f64, RunError> {
    Ok(eigenvalues(rho)?.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum())
}
