//! The arrays of `shots.npz` and `states.npz`, with a text in each that says what they are.

use crate::battery::{Battery, DickeKey};
use crate::density::{Density, Label};
use crate::error::RunError;
use crate::problem::{Ledger, Problem};
use crate::run::Shots;
use crate::table::PartStates;
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::{WritableElement, WriteNpyExt};
use num_complex::Complex64;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{BufWriter, Cursor, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What numpy shows of the text: `print(numpy.load("shots.npz")["README.txt"].decode())`.
const README: &str = "README.txt";

const SHOTS: &str = "\
Single trajectories of a run of leyden, one entry each in the order of their numbers. Units are those of the input,
hbar = 1. They are of the last row of observables.csv unless said otherwise.

Where the probability that nothing ever happens is known, what is sampled are trajectories that jump at least once, and
the others stand at the end, once for each energy that they can be found with: averages and histograms are to be taken
with the weights, numpy.average(energy_mean, weights=weight).

weight           n             probability that the entry stands for; they add up to 1
energy_mean      n             <H_B> of the trajectory's state
energy_outcome   n             one projective measurement of H_B in it
released         n x releases  energy taken out of the battery by channels with `operator`, one column for each timed
                               step of each cycle where they are on
released_cycle   releases      the cycle of each column, from 0
released_step    releases      its step in the protocol, from 0, pulses and resets counted
jumps_NAME       n             jumps of the channel NAME in the whole run
passages         n x passages  when each first passage of [record] happens, in their order; infinite if it does not
work             n x sources   of an audit: energy that each term of H, pulse and gate has brought in the whole run
heat             n x sources   energy that each channel and reset has brought
entropy_flow     n             entropy that the jumps have brought to the surroundings, where each has a reverse
work_names, heat_names         what their columns are of, in UTF-8, each filled up with zeros to the longest
";

const JUMPS: &str = "\
Every jump of every trajectory of a run of leyden, one entry each: trajectory by trajectory in the order of time. Where
the probability that nothing ever happens is known, it is the trajectories that jump which were sampled: `weight` in
shots.npz is what each of them stands for.

trajectory     jumps     number of the trajectory, the entry in shots.npz
time           jumps     time since the run began
step           jumps     index of the step in the protocol, from 0, pulses and resets counted
cycle          jumps     from 0
channel        jumps     index in channels
two_j_before   jumps     2J before the jump, of the first ensemble that the channel acts on; -1 where cells have no J
two_j_after    jumps     2J after it
channels       channels  their names, in UTF-8, each filled up with zeros to the longest
";

const DICKE: &str = "\
The averaged state of the battery in a run of leyden at every row of observables.csv. It is diagonal in the states
|J, M> of the ensembles that the battery is made of; there is one entry for each of them that was met at a row.

row          entries              the row of observables.csv, from 0
two_j        entries x ensembles  2J
two_m        entries x ensembles  2M
probability  entries              the weight of |J, M>, of all its copies together; they sum to 1 in a row
ln_copies    entries              ln of the number of copies with the same J, that share the weight evenly
";

const BLOCKS: &str = "\
The averaged state rho_B of the battery in a run of leyden at every row of observables.csv, block by block. A block is
called by 2J of each ensemble and then by the conserved charges of the battery, m1 standing for -1; `all` where there is
neither. Elements between blocks are 0. The basis is that of product states or of |J, M>; of a battery with a Hamiltonian
of its own it is the eigenbasis of that, block by block.

block_LABEL      rows x d x d  the block of rho_B, summed over its equal copies; all traces together are 1 in a row
energies_LABEL   d             the energy of each basis state under H_B
ln_copies_LABEL  1             ln of the number of copies, each of which is the block over that number
";

const PARTS: &str = "\
The averaged states of the parts that `{ name, state }` asks for, at every row of observables.csv.

state_NAME  rows x d x d  the density matrix between product states of the part, what is listed first the most
                          significant, |g> before |e> of a cell
";

fn failed(error: impl Display) -> RunError {
    RunError::Request(format!("cannot encode an npz archive: {error}"))
}

/// An npz archive in memory or in a file; equal arrays give equal bytes.
struct Archive<W: Write + Seek = Cursor<Vec<u8>>>(ZipWriter<W>);

impl Archive {
    /// With a text about what follows.
    fn new(about: &str) -> Result<Self, RunError> {
        Self::to(Cursor::new(Vec::new()), about)
    }

    fn bytes(self) -> Result<Vec<u8>, RunError> {
        self.finish().map(Cursor::into_inner)
    }
}

impl<W: Write + Seek> Archive<W> {
    fn to(place: W, about: &str) -> Result<Self, RunError> {
        let mut archive = Self(ZipWriter::new(place));
        archive.begin(README)?;
        archive.0.write_all(about.as_bytes()).map_err(failed)?;
        Ok(archive)
    }

    fn begin(&mut self, name: &str) -> Result<(), RunError> {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.0.start_file(name, stored).map_err(failed)
    }

    fn add_array(&mut self, name: &str, array: &impl WriteNpyExt) -> Result<(), RunError> {
        self.begin(&format!("{name}.npy"))?;
        array.write_npy(BufWriter::new(&mut self.0)).map_err(failed)
    }

    fn add<T: WritableElement>(&mut self, name: &str, values: Vec<T>) -> Result<(), RunError> {
        self.add_array(name, &Array1::from(values))
    }

    fn add_rows<T: WritableElement + Clone>(&mut self, name: &str, values: &[T], width: usize) -> Result<(), RunError> {
        let rows = values.len().checked_div(width).unwrap_or(0);
        let matrix = Array2::from_shape_vec((rows, width), values.to_vec());
        let matrix = matrix.map_err(|e| RunError::Request(format!("cannot shape {name}: {e}")))?;
        self.add_array(name, &matrix)
    }

    /// Names in UTF-8, each filled up with zeros to the longest.
    fn add_names(&mut self, name: &str, names: &[String]) -> Result<(), RunError> {
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        let letter = |name: &String, k: usize| name.as_bytes().get(k).copied().unwrap_or(0);
        let filled: Vec<u8> = names.iter().flat_map(|name| (0..longest).map(move |k| letter(name, k))).collect();
        self.add_rows(name, &filled, longest)
    }

    fn add_parts(&mut self, parts: &[PartStates]) -> Result<(), RunError> {
        for PartStates { name, rows } in parts {
            let d = rows.first().map_or(0, |rho| rho.nrows());
            let all = Array3::from_shape_fn((rows.len(), d, d), |(row, i, j)| rows[row][(i, j)]);
            self.add_array(&format!("state_{name}"), &all)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<W, RunError> {
        self.0.finish().map_err(failed)
    }
}

/// `shots.npz` of n trajectories: weight, energy_mean and energy_outcome (n), released (n × releases) with
/// released_cycle and released_step (releases), jumps_NAME (n) for each channel, and passages (n × passages); of an
/// audit also work and heat (n × sources) with work_names and heat_names, and entropy_flow (n) where each jump has a
/// reverse. Energies are in the unit of ω.
///
/// # Errors
/// When the archive cannot be encoded.
pub fn shots_npz(problem: &Problem, shots: &Shots) -> Result<Vec<u8>, RunError> {
    let mut archive = Archive::new(SHOTS)?;
    archive.add("weight", shots.weight.clone())?;
    archive.add("energy_mean", shots.energy_mean.clone())?;
    archive.add("energy_outcome", shots.energy_outcome.clone())?;
    archive.add_rows("released", &shots.released, shots.releases.len())?;
    archive.add("released_cycle", shots.releases.iter().map(|(cycle, _)| *cycle).collect())?;
    archive.add("released_step", shots.releases.iter().map(|(_, step)| step.index() as u64).collect())?;
    for (c, channel) in problem.channels.iter().enumerate() {
        let own = shots.jumps.iter().skip(c).step_by(shots.channels.max(1)).copied().collect();
        archive.add(&format!("jumps_{}", channel.name), own)?;
    }
    archive.add_rows("passages", &shots.passages, problem.record.first_passage.len())?;
    if problem.record.audit {
        let Ledger { work, heat, .. } = Ledger::new(problem);
        archive.add_rows("work", &shots.work, work.len())?;
        archive.add_rows("heat", &shots.heat, heat.len())?;
        archive.add_names("work_names", &work)?;
        archive.add_names("heat_names", &heat)?;
        if !shots.entropy_flow.is_empty() {
            archive.add("entropy_flow", shots.entropy_flow.clone())?;
        }
    }
    archive.bytes()
}

/// Write `jumps.npz`: trajectory, time since the run began, step, cycle, channel, two_j_before and two_j_after of every jump,
/// each as long as there are jumps, and the channels' names. One of these lists is in memory at a time.
///
/// # Errors
/// When the archive cannot be written, or jumps in a temporary file not be read.
pub fn write_jumps(problem: &Problem, shots: &Shots, file: &mut (impl Write + Seek)) -> Result<(), RunError> {
    let (all, each) = (&shots.all_jumps, shots.jumps_of.iter().enumerate());
    let channels: Vec<String> = problem.channels.iter().map(|channel| channel.name.clone()).collect();
    let mut archive = Archive::to(BufWriter::new(file), JUMPS)?;
    archive.add("trajectory", each.flat_map(|(k, n)| (0..*n).map(move |_| k as u64)).collect())?;
    archive.add("time", all.column(|jump| jump.time).map_err(failed)?)?;
    archive.add("step", all.column(|jump| jump.step).map_err(failed)?)?;
    archive.add("cycle", all.column(|jump| jump.cycle).map_err(failed)?)?;
    archive.add("channel", all.column(|jump| jump.channel).map_err(failed)?)?;
    archive.add("two_j_before", all.column(|jump| jump.two_j[0]).map_err(failed)?)?;
    archive.add("two_j_after", all.column(|jump| jump.two_j[1]).map_err(failed)?)?;
    archive.add_names("channels", &channels)?;
    archive.finish()?.flush().map_err(failed)
}

/// `states.npz`: the averaged battery state as one entry for each Dicke state at each row: row (entries), two_j and
/// two_m (entries × ensembles), probability (entries), and ln_copies (entries), the logarithm of how often the block
/// with that J occurs.
///
/// # Errors
/// When the archive cannot be encoded.
pub fn states_npz(battery: &Battery, rows: impl Iterator<Item = Vec<(DickeKey, f64)>>) -> Result<Vec<u8>, RunError> {
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
    let mut archive = Archive::new(DICKE)?;
    archive.add("row", row)?;
    archive.add_rows("two_j", &two_j, width)?;
    archive.add_rows("two_m", &two_m, width)?;
    archive.add("probability", probability)?;
    archive.add("ln_copies", ln_copies)?;
    archive.bytes()
}

/// `states.npz` of a battery on blocks: for each block, called by its label (2J of the ensembles, then charges), the
/// averaged matrices `block_LABEL` (rows × d × d), all copies of a block together, `energies_LABEL` (d) and
/// `ln_copies_LABEL` (1); and of each of `parts` `state_NAME` as [`parts_npz`] has it.
///
/// # Errors
/// When the archive cannot be encoded.
pub fn densities_npz(rows: &[Cow<Density>], parts: &[PartStates]) -> Result<Vec<u8>, RunError> {
    let about = if parts.is_empty() { BLOCKS.to_owned() } else { format!("{BLOCKS}\n{PARTS}") };
    let mut archive = Archive::new(&about)?;
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
        archive.add_array(&format!("block_{name}"), &matrices)?;
        archive.add(&format!("energies_{name}"), shape.energies.clone())?;
        archive.add(&format!("ln_copies_{name}"), vec![shape.ln_copies])?;
    }
    archive.add_parts(parts)?;
    archive.bytes()
}

/// `states.npz` of parts alone: `state_NAME` (rows × d × d) for each, between product states.
///
/// # Errors
/// When the archive cannot be encoded.
pub fn parts_npz(parts: &[PartStates]) -> Result<Vec<u8>, RunError> {
    let mut archive = Archive::new(PARTS)?;
    archive.add_parts(parts)?;
    archive.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray_npy::ReadNpyExt;
    use std::io::Read;
    use zip::ZipArchive;

    #[test]
    fn archives_say_what_their_arrays_are() {
        let shots = Shots { energy_mean: vec![1.0, 2.0], energy_outcome: vec![0.0, 3.0], ..Shots::default() };
        let problem = crate::models::Aging::default().problem().unwrap();
        let bytes = shots_npz(&problem, &shots).unwrap();
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        let mut about = String::new();
        archive.by_name(README).unwrap().read_to_string(&mut about).unwrap();
        for name in names.iter().filter_map(|name| name.strip_suffix(".npy")) {
            assert!(about.contains(&format!("\n{name} ")) || name.starts_with("jumps_"), "{name} is not in\n{about}");
        }
        let energies = Array1::<f64>::read_npy(archive.by_name("energy_outcome.npy").unwrap()).unwrap();
        assert_eq!(energies.to_vec(), [0.0, 3.0]);
    }
}
