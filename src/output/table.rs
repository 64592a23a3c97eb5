//! `observables.csv` and the arrays of `shots.npz` and `states.npz`.

use crate::battery::DickeKey;
use crate::density::{Density, Label};
use crate::error::RunError;
use crate::problem::{Problem, Row, StepId};
use crate::run::Shots;
use crate::table::{Column, Table};
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::{NpzWriter, WritableElement, WriteNpzError};
use num_complex::Complex64;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Cursor;

/// A number as the shortest text that reads back to it; NaN is an empty cell.
pub(super) fn number(x: f64) -> String {
    if x.is_nan() { String::new() } else { format!("{}", x + 0.0) } // −0 + 0 is 0
}

/// The table as comma-separated values: time, step, cycle, then each column with its errors.
pub fn csv(table: &Table) -> String {
    let mut text = String::from("time,step,cycle");
    for column in &table.columns {
        let name = &column.name;
        text.push(',');
        text.push_str(name);
        if column.se.is_some() {
            let _ = write!(text, ",{name}_se");
        }
        if column.bounds.is_some() {
            let _ = write!(text, ",{name}_lo,{name}_hi");
        }
    }
    text.push('\n');
    for (i, row) in table.rows.iter().enumerate() {
        let _ = write!(text, "{},{},{}", number(row.time), table.steps[i], row.cycle);
        for column in &table.columns {
            let bounds = column.bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
            for values in std::iter::once(&column.value).chain(&column.se).chain(bounds) {
                text.push(',');
                text.push_str(&number(values[i]));
            }
        }
        text.push('\n');
    }
    text
}

/// Read back what [`csv`] wrote. `None` if it is something else.
pub fn from_csv(text: &str) -> Option<Table> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next()?.split(',').collect();
    if header.get(..3)? != ["time", "step", "cycle"] {
        return None;
    }
    let mut table = Table::default();
    let mut data: Vec<Vec<f64>> = vec![Vec::new(); header.len() - 3];
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != header.len() {
            return None;
        }
        let parse = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse::<f64>().ok() };
        table.rows.push(Row { time: parse(cells[0])?, step: StepId::new(0), cycle: cells[2].parse().ok()? });
        table.steps.push(cells[1].to_owned());
        for (values, cell) in data.iter_mut().zip(&cells[3..]) {
            values.push(parse(cell)?);
        }
    }
    let mut named: Vec<(&str, Vec<f64>)> = header[3..].iter().copied().zip(data).collect();
    named.reverse();
    while let Some((name, value)) = named.pop() {
        let mut suffixed = |suffix: &str| {
            let matches = named.last().is_some_and(|(next, _)| next.strip_prefix(name) == Some(suffix));
            matches.then(|| named.pop().map(|(_, values)| values)).flatten()
        };
        let se = suffixed("_se");
        let bounds = suffixed("_lo").and_then(|lo| suffixed("_hi").map(|hi| (lo, hi)));
        table.columns.push(Column { name: name.to_owned(), value, se, bounds });
    }
    Some(table)
}

/// An npz archive in memory; equal arrays give equal bytes.
struct Archive(NpzWriter<Cursor<Vec<u8>>>);

fn failed(error: WriteNpzError) -> RunError {
    RunError::Request(format!("cannot encode an npz archive: {error}"))
}

impl Archive {
    fn new() -> Self {
        Self(NpzWriter::new(Cursor::new(Vec::new())))
    }

    fn add<T: WritableElement>(&mut self, name: &str, values: Vec<T>) -> Result<(), RunError> {
        self.0.add_array(name, &Array1::from(values)).map_err(failed)
    }

    fn add_rows<T: WritableElement + Clone>(&mut self, name: &str, values: &[T], width: usize) -> Result<(), RunError> {
        let rows = values.len().checked_div(width).unwrap_or(0);
        let matrix = Array2::from_shape_vec((rows, width), values.to_vec());
        let matrix = matrix.map_err(|e| RunError::Request(format!("cannot shape {name}: {e}")))?;
        self.0.add_array(name, &matrix).map_err(failed)
    }

    fn finish(self) -> Result<Vec<u8>, RunError> {
        Ok(self.0.finish().map_err(failed)?.into_inner())
    }
}

/// `shots.npz`: energy_mean and energy_outcome (n), released (n × releases) with released_cycle and released_step,
/// and jumps_NAME (n) for each channel.
///
/// # Errors
/// When the archive cannot be encoded.
pub fn shots_npz(problem: &Problem, shots: &Shots) -> Result<Vec<u8>, RunError> {
    let mut archive = Archive::new();
    archive.add("energy_mean", shots.energy_mean.clone())?;
    archive.add("energy_outcome", shots.energy_outcome.clone())?;
    archive.add_rows("released", &shots.released, shots.releases.len())?;
    archive.add("released_cycle", shots.releases.iter().map(|(cycle, _)| *cycle).collect())?;
    archive.add("released_step", shots.releases.iter().map(|(_, step)| step.index() as u64).collect())?;
    for (c, channel) in problem.channels.iter().enumerate() {
        let own = shots.jumps.iter().skip(c).step_by(shots.channels.max(1)).copied().collect();
        archive.add(&format!("jumps_{}", channel.name), own)?;
    }
    archive.finish()
}

/// `states.npz`: the averaged battery state as one entry a cell and row: row, two_j and two_m (entries × ensembles),
/// probability, and ln_copies, the logarithm of how often the block with that J occurs.
///
/// # Errors
/// When the archive cannot be encoded.
pub fn states_npz(
    battery: &crate::battery::Battery,
    rows: impl Iterator<Item = Vec<(DickeKey, f64)>>,
) -> Result<Vec<u8>, RunError> {
    let (mut row, mut two_j, mut two_m, mut probability, mut ln_copies) = (vec![], vec![], vec![], vec![], vec![]);
    let mut width = 1;
    for (index, cells) in rows.enumerate() {
        for (key, p) in cells {
            let states = battery.states(key);
            width = states.len();
            row.push(index as u64);
            probability.push(p);
            ln_copies.push(battery.ln_copies(key));
            two_j.extend(states.iter().map(|s| s.0 as i64));
            two_m.extend(states.iter().map(|s| 2 * s.1 as i64 - s.0 as i64));
        }
    }
    let mut archive = Archive::new();
    archive.add("row", row)?;
    archive.add_rows("two_j", &two_j, width)?;
    archive.add_rows("two_m", &two_m, width)?;
    archive.add("probability", probability)?;
    archive.add("ln_copies", ln_copies)?;
    archive.finish()
}

/// `states.npz` of a battery on blocks: for each block, called by its label (2J of the ensembles, then charges), the
/// averaged matrices `block_LABEL` (rows × d × d), `energies_LABEL` (d) and `ln_copies_LABEL` (1).
///
/// # Errors
/// When the archive cannot be encoded.
pub fn densities_npz(rows: &[&Density]) -> Result<Vec<u8>, RunError> {
    let mut archive = Archive::new();
    let labels: BTreeSet<&Label> = rows.iter().flat_map(|row| row.blocks.keys()).collect();
    for label in labels {
        let name: Vec<String> = label.iter().map(|x| format!("{x}").replace('-', "m")).collect();
        let name = if name.is_empty() { "all".into() } else { name.join("_") };
        let Some(shape) = rows.iter().find_map(|row| row.blocks.get(label)).map(|b| &b.shape) else { continue };
        let d = shape.energies.len();
        let mut matrices = Array3::<Complex64>::zeros((rows.len(), d, d));
        for (mut matrix, row) in matrices.outer_iter_mut().zip(rows) {
            let total: f64 = row.weights.iter().sum();
            if let Some(block) = row.blocks.get(label) {
                let sum = block.total(1.0 / total, &|_| true);
                matrix.indexed_iter_mut().for_each(|((i, j), m)| *m = sum[(i, j)]);
            }
        }
        archive.0.add_array(format!("block_{name}"), &matrices).map_err(failed)?;
        archive.add(&format!("energies_{name}"), shape.energies.clone())?;
        archive.add(&format!("ln_copies_{name}"), vec![shape.ln_copies])?;
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_reads_back() {
        let row = |time, cycle| Row { time, step: StepId::new(0), cycle };
        let column = |name: &str, se: bool, bounds: bool| Column {
            name: name.into(),
            value: vec![0.1, f64::NAN],
            se: se.then(|| vec![1e-300, 0.0]),
            bounds: bounds.then(|| (vec![0.0, 1.0], vec![0.5, 2.0])),
        };
        let table = Table {
            rows: vec![row(0.0, 0), row(0.30000000000000004, 1)],
            steps: vec!["storage".into(), "storage".into()],
            columns: vec![column("M", true, false), column("ergotropy", true, true), column("flag", false, false)],
        };
        let text = csv(&table);
        assert!(text.starts_with("time,step,cycle,M,M_se,ergotropy,ergotropy_se,ergotropy_lo,ergotropy_hi,flag\n"));
        let back = from_csv(&text).unwrap();
        assert_eq!(csv(&back), text);
        assert_eq!(back.columns[1].bounds, table.columns[1].bounds);
        assert!(from_csv("a,b\n1,2\n").is_none());
    }
}
