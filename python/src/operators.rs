//! Problems from matrices: H, jump operators and observables on a space with dimensions, constant or times tables in time.

use crate::errors::of_model;
use leyden::problem::function::{Expression, Function, Table};
use leyden::problem::{Envelope, JointState, OpSum, Problem, Quantity, SubsystemId, Zero};
use num_complex::Complex64;
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;

/// A sparse matrix: rows, columns, values.
#[derive(FromPyObject)]
pub struct Matrix<'py>(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, Complex64>);

/// A real function of time: times, values, and the order of the curve between them (0, 1 or 3).
#[derive(FromPyObject)]
pub struct Curve<'py>(PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>, u32);

/// A matrix with the function that multiplies it.
#[derive(FromPyObject)]
pub struct Modulated<'py>(Matrix<'py>, Curve<'py>);

/// A jump operator: what is constant, and what functions multiply.
#[derive(FromPyObject)]
pub struct Jump<'py>(Matrix<'py>, Vec<Modulated<'py>>);

/// Pure states of some of the factors with their probabilities.
#[derive(FromPyObject)]
pub struct Start<'py>(Vec<usize>, Vec<(f64, PyReadonlyArray1<'py, Complex64>)>);

/// Everything that makes up such a problem.
#[derive(FromPyObject)]
pub struct Operators<'py> {
    #[pyo3(item)]
    title: String,
    #[pyo3(item)]
    dims: Vec<usize>,
    #[pyo3(item)]
    hamiltonian: Matrix<'py>,
    #[pyo3(item)]
    drives: Vec<Modulated<'py>>,
    #[pyo3(item)]
    jumps: Vec<Jump<'py>>,
    /// Columns with their Hermitian matrices and the least and greatest value of each.
    #[pyo3(item)]
    observables: Vec<(String, Matrix<'py>, f64, f64)>,
    #[pyo3(item)]
    start: Vec<Start<'py>>,
    /// Rows, from 0.
    #[pyo3(item)]
    times: Vec<f64>,
    /// The factors that make up the battery, and its Hamiltonian on them alone.
    #[pyo3(item)]
    battery: Option<(Vec<usize>, Matrix<'py>)>,
    /// Whether the averaged state is kept.
    #[pyo3(item)]
    states: bool,
}

impl Matrix<'_> {
    fn on(&self, factors: &[(SubsystemId, usize)]) -> PyResult<OpSum> {
        let Self(rows, columns, values) = self;
        let (rows, columns, values) = (rows.as_slice()?, columns.as_slice()?, values.as_slice()?);
        let elements = rows.iter().zip(columns).zip(values).map(|((i, j), value)| (*i as usize, *j as usize, *value));
        Ok(OpSum::from_matrix(factors, elements))
    }
}

impl Curve<'_> {
    fn envelope(&self, name: &str) -> PyResult<Envelope> {
        let table = Table::new(name, self.0.as_slice()?.to_vec(), self.1.as_slice()?.to_vec(), self.2);
        let table = table.map_err(|reason| PyValueError::new_err(format!("{name}: {reason}")))?;
        let expression = Expression::Table(Arc::new(table), Box::new(Expression::StepTime));
        Ok(Envelope::Function(Function::new(&expression)))
    }
}

/// The problem; the columns are those of `observables`, and the energy and ergotropy of a battery where there is one.
pub fn problem(of: &Operators) -> PyResult<Problem> {
    let mut p = Problem::builder(&of.title);
    let factors = p.factors(&of.dims);
    let chosen = |places: &[usize]| -> PyResult<Vec<(SubsystemId, usize)>> {
        let outside =
            || PyValueError::new_err(format!("a part names one of {} tensor factors that there is not", factors.len()));
        places.iter().map(|place| factors.get(*place).copied().ok_or_else(outside)).collect()
    };
    p.frame_stated().hamiltonian(of.hamiltonian.on(&factors)?);
    for (k, Modulated(matrix, curve)) in of.drives.iter().enumerate() {
        let name = format!("f{k}");
        p.drive(&name, matrix.on(&factors)?, curve.envelope(&format!("the coefficient {k} of H"))?);
    }
    for (k, Jump(fixed, modulated)) in of.jumps.iter().enumerate() {
        p.collective(&format!("c{k}"), fixed.on(&factors)?, 1.0);
        for Modulated(matrix, curve) in modulated {
            p.plus(curve.envelope(&format!("the coefficient of c_ops[{k}]"))?, matrix.on(&factors)?);
        }
    }
    for (name, matrix, least, most) in &of.observables {
        let id = p.observable(name, matrix.on(&factors)?);
        p.range_of(id, (*least, *most)).observe([Quantity::Expect(id)]);
    }
    for Start(places, kets) in &of.start {
        let kets = kets.iter().map(|(weight, ket)| Ok((*weight, ket.as_slice()?.to_vec()))).collect::<PyResult<_>>()?;
        p.joint(chosen(places)?.iter().map(|(id, _)| *id), JointState::Kets(Arc::new(kets)));
    }
    if let Some((places, matrix)) = &of.battery {
        let part = chosen(places)?;
        p.battery(part.iter().map(|(id, _)| *id)).battery_energy(matrix.on(&part)?, Zero::AsWritten);
        p.observe([Quantity::Energy, Quantity::Ergotropy]);
    } else if of.observables.is_empty() {
        p.observe([Quantity::Energy]); // of no meaning here; a problem asks for something
    }
    if of.states {
        p.keep_state("rho", factors.iter().map(|(id, _)| (*id, None)));
    }
    let duration = of.times.last().copied().unwrap_or(0.0);
    p.evolve_rows("run", duration, of.times.clone());
    p.build().map_err(of_model)
}
