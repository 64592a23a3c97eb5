//! Gates of the protocol: exp(−i·) of an operator, or a matrix from a file.

use super::document::Item;
use super::error::InputError;
use super::expression;
use super::joint::counted;
use super::numpy;
use super::operator::Context;
use super::parameters::Scope;
use super::subsystems::Parts;
use crate::problem::{Acting, Gate, SubsystemId, is_unitary};
use faer::Mat;
use ndarray::Ix2;
use std::path::Path;
use std::sync::Arc;

/// Most states of a matrix from a file.
const MOST_STATES: usize = 1 << 10;

/// `"theta*(sp(A)*sm(B) + sm(A)*sp(B))"`, or `{ file = "u.npy", on = ["A", "B"] }`.
///
/// # Errors
/// A generator that is not Hermitian, a matrix of another shape or that is not unitary.
pub(super) fn gate<'s>(item: &Item<'s>, scope: &Scope<'s>, parts: &Parts, folder: &Path) -> Result<Gate, InputError> {
    if item.is_table() {
        return saved(item, parts, folder);
    }
    let example = "a Hermitian operator G in quotes, for exp(−iG), or `{ file = \"u.npy\", on = [\"A\", \"B\"] }`";
    let expression = expression::parse(item.text(example)?)?;
    let generator = Context::whole(scope, parts)
        .operator(&expression, "a gate acts in no time: an operator without functions of time")?;
    match Acting::on(&parts.all).is_hermitian(&generator) {
        true => Ok(Gate::Exponential(generator)),
        false => {
            let message = "the generator of this gate is not Hermitian, so that exp(−iG) is not unitary";
            Err(expression.at.error(message, "an operator together with its conjugate"))
        }
    }
}

fn saved<'s>(item: &Item<'s>, parts: &Parts, folder: &Path) -> Result<Gate, InputError> {
    let table = item.table("a gate", item.at)?;
    table.allow("key of a gate", &["file", "on"])?;
    let on = table.need("on", "on = [\"A\", \"B\"]")?;
    let over: Vec<SubsystemId> = parts.members(on, "a gate")?.into_iter().map(|(id, _)| id).collect();
    let ln: f64 = over.iter().map(|id| parts.all[*id].ln_dimension()).sum();
    if ln > (MOST_STATES as f64).ln() + 1e-9 {
        let message = format!("a gate on {} states", counted(ln));
        return Err(on.at.error(message, format!("subsystems of at most {MOST_STATES} states together")));
    }
    let d = ln.exp().round() as usize;
    let file = table.need("file", "file = \"u.npy\"")?;
    let name = file.text("the name of a file that ends in .npy")?;
    let path = numpy::beside(folder, name.text.trim());
    let found = numpy::read::<Ix2>(&path).map_err(|error| numpy::unreadable(&path, &error, file.at))?;
    if found.dim() != (d, d) {
        let message = format!("`{}` holds a matrix of {} × {}", name.text, found.nrows(), found.ncols());
        return Err(file.at.error(message, format!("{d} × {d}")));
    }
    let matrix = Mat::from_fn(d, d, |i, j| found[[i, j]]);
    match is_unitary(&matrix) {
        true => Ok(Gate::Matrix { over, matrix: Arc::new(matrix) }),
        false => Err(file.at.error(format!("the matrix in `{}` is not unitary", name.text), "U†U = 1 to 1e-9")),
    }
}
