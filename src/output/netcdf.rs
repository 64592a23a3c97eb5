//! One file that says what is in it: NetCDF-3, which `xarray.open_dataset` opens.
//!
//! Columns of the table along `time`, one entry for each row; shots along `trajectory`, distributions along `time` and `bin`.
//! Errors and bounds are variables of their own, `Q_se`, `Q_lo`, `Q_hi`; what makes the run the same as another is an attribute.

use super::pictures::{UNITS, label};
use super::single_figures::Read;
use crate::error::RunError;
use crate::estimate::columns::Accumulated;
use crate::estimate::histogram::Bin;
use crate::problem::{Bins, Ledger, Problem};
use crate::run::Shots;
use crate::table::Table;
use netcdf3::{DataSet, FileWriter, Version};
use std::fmt::Debug;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

fn failed(error: impl Debug) -> RunError {
    RunError::Request(format!("cannot encode a NetCDF file: {error:?}"))
}

/// Tables of the record of single runs that are in the file.
const RECORDED: [&str; 5] = ["passages", "quantiles", "counting", "delays", "audit"];

/// The values of a variable.
enum Values {
    Numbers(Vec<f64>),
    Whole(Vec<i32>),
    /// Words, each filled up to the longest.
    Words(Vec<String>),
}

struct Variable {
    name: String,
    dims: Vec<String>,
    values: Values,
    about: String,
}

/// A file while it is put together.
#[derive(Default)]
pub struct File {
    dims: Vec<(String, usize)>,
    variables: Vec<Variable>,
    attributes: Vec<(String, String)>,
}

impl File {
    /// What the file is about, for whoever opens it.
    pub fn attribute(&mut self, name: &str, text: &str) {
        self.attributes.push((name.to_owned(), text.to_owned()));
    }

    fn dim(&mut self, name: &str, size: usize) {
        self.dims.push((name.to_owned(), size));
    }

    /// Of a dimension of no size nothing can be written; what has the name of something before it gets another.
    fn add(&mut self, name: &str, dims: &[&str], values: Values, about: &str) {
        let size = |dim: &&str| self.dims.iter().find(|(known, _)| known == dim).map_or(0, |(_, size)| *size);
        if dims.iter().all(|dim| size(dim) > 0) {
            let dims = dims.iter().map(|dim| (*dim).to_owned()).collect();
            let mut name = name.to_owned();
            while self.variables.iter().any(|known| known.name == name) {
                name.push('_');
            }
            self.variables.push(Variable { name, dims, values, about: about.to_owned() });
        }
    }

    /// Every column of a table at its rows.
    pub fn table(&mut self, table: &Table) {
        self.dim("time", table.rows.len());
        let times = table.rows.iter().map(|row| row.time).collect();
        self.add("time", &["time"], Values::Numbers(times), "time since the run began (units of the input)");
        self.add("step", &["time"], Values::Words(table.steps.clone()), "name of the timed step");
        let cycles = table.rows.iter().map(|row| row.cycle as i32).collect();
        self.add("cycle", &["time"], Values::Whole(cycles), "cycle, from 0");
        for column in &table.columns {
            let (name, about) = (&column.name, label(&column.name).replace(UNITS, "(units of the input)"));
            let mut one = |suffix: &str, values: &[f64], what: &str| {
                self.add(
                    &format!("{name}{suffix}"),
                    &["time"],
                    Values::Numbers(values.to_vec()),
                    &format!("{what}{about}"),
                );
            };
            one("", &column.value, "");
            if let Some(se) = &column.se {
                one("_se", se, "standard error of ");
            }
            if let Some((lo, hi)) = &column.bounds {
                one("_lo", lo, "lower end of the 95 % interval of ");
                one("_hi", hi, "upper end of the 95 % interval of ");
            }
        }
    }

    /// Single shots.
    pub fn shots(&mut self, problem: &Problem, shots: &Shots) {
        let n = shots.weight.len();
        self.dim("trajectory", n);
        self.dim("channel", shots.channels);
        self.dim("release", shots.releases.len());
        self.dim("passage", problem.record.first_passage.len());
        let mut one = |name: &str, dims: &[&str], values: &[f64], about: &str| {
            self.add(name, dims, Values::Numbers(values.to_vec()), about);
        };
        let along = ["trajectory"];
        one("weight", &along, &shots.weight, "probability that the trajectory stands for");
        one("shot_energy_mean", &along, &shots.energy_mean, "energy of the conditional state at the end");
        one(
            "shot_energy_outcome",
            &along,
            &shots.energy_outcome,
            "one projective measurement of the energy at the end",
        );
        one("shot_released", &["trajectory", "release"], &shots.released, "energy released in each step that releases");
        let jumps: Vec<f64> = shots.jumps.iter().map(|count| *count as f64).collect();
        one("shot_jumps", &["trajectory", "channel"], &jumps, "jumps of each channel in the whole run");
        one(
            "shot_passage",
            &["trajectory", "passage"],
            &shots.passages,
            "when each first passage happens; infinite if not",
        );
        if problem.record.audit {
            let ledger = Ledger::new(problem);
            self.dim("work_source", ledger.work.len());
            self.dim("heat_source", ledger.heat.len());
            let along = |source| ["trajectory", source];
            let mut one = |name: &str, dims: &[&str], values: &[f64], about: &str| {
                self.add(name, dims, Values::Numbers(values.to_vec()), about);
            };
            one("shot_work", &along("work_source"), &shots.work, "work of each source in the whole run");
            one("shot_heat", &along("heat_source"), &shots.heat, "heat of each source in the whole run");
            if !shots.entropy_flow.is_empty() {
                one("shot_entropy_flow", &["trajectory"], &shots.entropy_flow, "entropy brought to the surroundings");
            }
            self.add("work_source", &["work_source"], Values::Words(ledger.work), "what does work");
            self.add("heat_source", &["heat_source"], Values::Words(ledger.heat), "what carries heat");
        }
        let names = problem.channels.iter().map(|channel| channel.name.clone()).collect();
        self.add("channel", &["channel"], Values::Words(names), "name of the channel");
        let names = problem.record.first_passage.iter().map(|passage| problem.passage_name(passage)).collect();
        self.add("passage", &["passage"], Values::Words(names), "what happens for the first time");
        let cycles = shots.releases.iter().map(|(cycle, _)| *cycle as i32).collect();
        self.add("release_cycle", &["release"], Values::Whole(cycles), "cycle of the release, from 0");
        let steps = shots.releases.iter().map(|(_, step)| problem.protocol.name(*step).to_owned()).collect();
        self.add("release_step", &["release"], Values::Words(steps), "step of the release");
    }

    /// Distributions of the record of single runs; `z` standard errors make an interval.
    pub fn distributions(&mut self, problem: &Problem, accumulated: &Accumulated, z: f64) {
        let (all, rows) = (&problem.record.distributions, problem.protocol.row_count());
        let of = |at: usize, bins: Bins| -> Vec<Vec<Bin>> {
            let row = |row: usize| accumulated.distributed(row * all.len() + at, bins, z).bins().collect();
            (0..rows).map(row).collect()
        };
        for (at, distribution) in all.iter().enumerate() {
            let Ok(bins) = problem.bins(distribution) else { continue };
            let (name, found) = (problem.distribution_name(distribution), of(at, bins));
            let most = found.iter().map(Vec::len).max().unwrap_or(0);
            let dim = format!("{name}_bin");
            self.dim(&dim, most);
            let mut one = |suffix: &str, about: &str, value: fn(&Bin) -> f64| {
                let row =
                    |bins: &Vec<Bin>| (0..most).map(|k| bins.get(k).map_or(f64::NAN, value)).collect::<Vec<f64>>();
                let values = found.iter().flat_map(row).collect();
                let about = format!("{about} of the distribution of {name}");
                self.add(&format!("{name}_{suffix}"), &["time", &dim], Values::Numbers(values), &about);
            };
            one("bin_low", "lower edge of the bins", |bin| bin.edges.0);
            one("bin_high", "upper edge of the bins", |bin| bin.edges.1);
            one("probability", "probability", |bin| bin.share.value);
            one("probability_lo", "lower end of the 95 % interval", |bin| bin.share.interval.0);
            one("probability_hi", "upper end of the 95 % interval", |bin| bin.share.interval.1);
        }
    }

    /// Tables of the record of single runs by the names of their files: of `counting.csv` a variable `counting_COLUMN` along
    /// `counting` for each column. Paths, which are long, and distributions, which are there row by row, are left out.
    pub fn record(&mut self, tables: &[(&str, String)]) {
        for (file, text) in tables {
            let name = file.trim_end_matches(".csv");
            let Some(table) = Read::new(text).filter(|_| RECORDED.contains(&name)) else { continue };
            self.dim(name, table.lines.len());
            for (at, column) in table.heading.iter().enumerate() {
                let cells = || table.lines.iter().map(|line| line[at]);
                let number = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() };
                let values = match cells().map(number).collect() {
                    Some(numbers) if cells().any(|cell| !cell.is_empty()) => Values::Numbers(numbers),
                    _ => Values::Words(cells().map(str::to_owned).collect()),
                };
                self.add(&format!("{name}_{column}"), &[name], values, &format!("{column} of {file}"));
            }
        }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn encode(self) -> Result<Vec<u8>, RunError> {
        let mut set = DataSet::new();
        for (name, text) in &self.attributes {
            set.add_global_attr_string(name, text).map_err(failed)?;
        }
        for (name, size) in self.dims.iter().filter(|(_, size)| *size > 0) {
            set.add_fixed_dim(name, *size).map_err(failed)?;
        }
        let mut lengths: Vec<usize> = Vec::new();
        for Variable { name, dims, values, about } in &self.variables {
            let mut dims = dims.clone();
            match values {
                Values::Numbers(_) => set.add_var_f64(name, &dims),
                Values::Whole(_) => set.add_var_i32(name, &dims),
                Values::Words(words) => {
                    let length = longest(words);
                    let dim = format!("characters_{length}");
                    if !lengths.contains(&length) {
                        set.add_fixed_dim(&dim, length).map_err(failed)?;
                        lengths.push(length);
                    }
                    dims.push(dim);
                    set.add_var_u8(name, &dims)
                }
            }
            .map_err(failed)?;
            set.add_var_attr_string(name, "long_name", about).map_err(failed)?;
            if let Values::Words(_) = values {
                set.add_var_attr_string(name, "_Encoding", "utf-8").map_err(failed)?;
            }
        }
        let bytes = Bytes::default();
        let mut writer = FileWriter::open_seek_write("result.nc", Box::new(bytes.clone())).map_err(failed)?;
        writer.set_def(&set, Version::Offset64Bit, 0).map_err(failed)?;
        for Variable { name, values, .. } in &self.variables {
            match values {
                Values::Numbers(numbers) => writer.write_var_f64(name, numbers),
                Values::Whole(numbers) => writer.write_var_i32(name, numbers),
                Values::Words(words) => writer.write_var_u8(name, &filled(words)),
            }
            .map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(bytes.take())
    }
}

fn longest(words: &[String]) -> usize {
    words.iter().map(String::len).max().unwrap_or(0).max(1)
}

fn filled(words: &[String]) -> Vec<u8> {
    let length = longest(words);
    words.iter().flat_map(|word| word.bytes().chain(std::iter::repeat_n(0, length - word.len()))).collect()
}

/// A file in memory, of which the writer has one end.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Bytes {
    fn take(self) -> Vec<u8> {
        std::mem::take(&mut *self.cursor()).into_inner()
    }

    fn cursor(&self) -> std::sync::MutexGuard<'_, Cursor<Vec<u8>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.cursor().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.cursor().seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Row, StepId};
    use crate::table::Column;
    use netcdf3::{DataVector, FileReader};

    #[test]
    fn a_table_reads_back() {
        let row = |time| Row { time, step: StepId::new(0), cycle: 3 };
        let column = |name: &str| Column {
            name: name.into(),
            value: vec![0.5, f64::NAN],
            se: Some(vec![0.1, 0.2]),
            bounds: Some((vec![0.0, 0.1], vec![1.0, 1.1])),
        };
        let table = Table {
            rows: vec![row(0.0), row(2.5)],
            steps: vec!["storage".into(), "discharge".into()],
            columns: vec![column("energy"), column("weight"), column("cycle")],
            states: Vec::new(),
        };
        let mut file = File::default();
        file.attribute("title", "Größe ω");
        file.table(&table);
        let counting = "channel,cycle,mean,mean_se\nloss,0,1.5,\nleak,1,inf,\n";
        file.record(&[("counting.csv", counting.into()), ("paths.csv", counting.into())]);
        let bytes = file.encode().unwrap();
        let mut reader = FileReader::open_seek_read("x.nc", Box::new(Cursor::new(bytes))).unwrap();
        assert_eq!(reader.data_set().get_global_attr_as_string("title").unwrap(), "Größe ω");
        assert_eq!(
            reader.data_set().get_var_attr_as_string("time", "long_name").unwrap(),
            "time since the run began (units of the input)"
        );
        assert_eq!(reader.read_var("time").unwrap(), DataVector::F64(vec![0.0, 2.5]));
        assert_eq!(reader.read_var("energy_hi").unwrap(), DataVector::F64(vec![1.0, 1.1]));
        assert_eq!(reader.read_var("cycle").unwrap(), DataVector::I32(vec![3, 3]));
        // A column of the same name as a coordinate.
        assert_eq!(reader.read_var("cycle_se").unwrap(), DataVector::F64(vec![0.1, 0.2]));
        assert_eq!(reader.read_var("counting_mean").unwrap(), DataVector::F64(vec![1.5, f64::INFINITY]));
        assert_eq!(reader.read_var("counting_cycle").unwrap(), DataVector::F64(vec![0.0, 1.0]));
        assert_eq!(reader.read_var("counting_channel").unwrap(), DataVector::U8(b"lossleak".to_vec()));
        assert!(reader.read_var("paths_mean").is_err());
        let DataVector::U8(letters) = reader.read_var("step").unwrap() else { panic!("no letters") };
        assert_eq!(&letters[..], b"storage\0\0discharge");
    }
}
