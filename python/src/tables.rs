//! Results as dictionaries of numpy arrays, which take over the memory of the library's lists.

use faer::Mat;
use leyden::cost::{Cost, Exact};
use leyden::problem::Problem;
use leyden::run::Shots;
use leyden::table::{Column, Table};
use num_complex::Complex64;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// {"time", "step", "cycle", "columns": {name: (value, se, lo, hi)}, "states": {name: array}}; None where there is no error.
pub fn table<'py>(py: Python<'py>, table: Table) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    all.set_item("time", table.times().collect::<Vec<f64>>().into_pyarray(py))?;
    all.set_item("cycle", table.rows.iter().map(|row| row.cycle).collect::<Vec<u64>>().into_pyarray(py))?;
    all.set_item("step", table.steps)?;
    let columns = PyDict::new(py);
    for Column { name, value, se, bounds } in table.columns {
        let (lo, hi) = bounds.unzip();
        let array = |list: Option<Vec<f64>>| list.map(|list| list.into_pyarray(py));
        columns.set_item(name, (value.into_pyarray(py), array(se), array(lo), array(hi)))?;
    }
    all.set_item("columns", columns)?;
    let states = PyDict::new(py);
    for part in table.states {
        states.set_item(part.name, matrices(py, &part.rows)?)?;
    }
    all.set_item("states", states)?;
    Ok(all)
}

/// Matrices of one size as one array (row of the table, i, j).
fn matrices<'py>(py: Python<'py>, rows: &[Mat<Complex64>]) -> PyResult<Bound<'py, PyAny>> {
    let d = rows.first().map_or(0, |rho| rho.nrows());
    let elements = rows.iter().flat_map(|rho| (0..d).flat_map(move |i| (0..d).map(move |j| rho[(i, j)])));
    let flat: Vec<Complex64> = elements.collect();
    Ok(flat.into_pyarray(py).reshape([rows.len(), d, d])?.into_any())
}

/// Single shots: arrays with one entry, or one line, a trajectory.
pub fn shots<'py>(py: Python<'py>, problem: &Problem, shots: Shots) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    let (n, channels) = (shots.weight.len(), shots.channels);
    let lines = |list: Vec<f64>, width: usize| -> PyResult<Bound<'py, PyAny>> {
        Ok(list.into_pyarray(py).reshape([n, width])?.into_any())
    };
    all.set_item("energy_mean", numbers(py, shots.energy_mean))?;
    all.set_item("energy_outcome", numbers(py, shots.energy_outcome))?;
    let releases = shots.releases.len();
    all.set_item("released", lines(shots.released, releases)?)?;
    let steps = shots.releases.iter().map(|(cycle, step)| (*cycle, problem.protocol().name(*step).to_owned()));
    all.set_item("releases", steps.collect::<Vec<_>>())?;
    all.set_item("jumps", shots.jumps.into_pyarray(py).reshape([n, channels])?)?;
    let passages = problem.record().first_passage.iter().map(|passage| problem.passage_name(passage));
    let passages: Vec<String> = passages.collect();
    if !passages.is_empty() {
        all.set_item("first_passage", lines(shots.passages, passages.len())?)?;
        all.set_item("passages", passages)?;
    }
    all.set_item("channels", channel_names(problem))?;
    if problem.record().jumps {
        let jumps = PyDict::new(py);
        let of = &shots.all_jumps;
        jumps.set_item("time", of.column(|jump| jump.time)?.into_pyarray(py))?;
        jumps.set_item("cycle", of.column(|jump| jump.cycle)?.into_pyarray(py))?;
        jumps.set_item("step", of.column(|jump| jump.step)?.into_pyarray(py))?;
        jumps.set_item("channel", of.column(|jump| jump.channel)?.into_pyarray(py))?;
        jumps.set_item("of", shots.jumps_of.into_pyarray(py))?;
        all.set_item("all_jumps", jumps)?;
    }
    all.set_item("weight", numbers(py, shots.weight))?;
    Ok(all)
}

/// What a run and the exact solution take: as text, and every number by name; None where it is not known or there is none.
pub fn cost<'py>(py: Python<'py>, cost: &Cost) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    all.set_item("text", cost.to_string())?;
    all.set_item("trajectories", cost.trajectories)?;
    all.set_item("threads", cost.threads)?;
    let memory = PyDict::new(py);
    let of = &cost.memory;
    let parts = [
        ("averages", Some(of.averages)),
        ("ergotropy", of.ergotropy.map(|(.., bytes)| bytes)),
        ("populations", of.populations),
        ("matrices", of.matrices),
        ("shots", of.shots),
    ];
    for (name, bytes) in parts {
        if let Some(bytes) = bytes {
            memory.set_item(name, bytes)?;
        }
    }
    all.set_item("memory", memory)?;
    all.set_item("refused", of.refused.clone())?;
    let pilot = cost.pilot.as_ref();
    all.set_item("seconds", cost.seconds())?;
    all.set_item("seconds_each", pilot.map(|pilot| pilot.each))?;
    all.set_item("seconds_setup", pilot.map(|pilot| pilot.setup))?;
    all.set_item("seconds_evaluation", cost.evaluation())?;
    all.set_item("pilot_share", pilot.map(|pilot| pilot.share.unwrap_or(1.0)))?;
    all.set_item("pilot_trajectories", pilot.map(|pilot| pilot.made))?;
    let precision = PyDict::new(py);
    for (column, needed) in cost.precision.iter().flatten() {
        precision.set_item(column, needed)?;
    }
    all.set_item("precision", precision)?;
    let (states, seconds, refused) = match &cost.exact {
        Exact::Unknown => (None, None, None),
        Exact::Refused(error) => (None, None, Some(error)),
        Exact::States(count) => (Some(*count), None, None),
        Exact::Seconds(seconds) => (None, Some(*seconds), None),
    };
    all.set_item("exact_states", states)?;
    all.set_item("exact_seconds", seconds)?;
    all.set_item("exact_refused", refused)?;
    Ok(all)
}

fn numbers(py: Python<'_>, list: Vec<f64>) -> Bound<'_, PyArray1<f64>> {
    list.into_pyarray(py)
}

/// The channels in their order.
pub fn channel_names(problem: &Problem) -> Vec<String> {
    problem.channels().iter().map(|channel| channel.name.clone()).collect()
}
