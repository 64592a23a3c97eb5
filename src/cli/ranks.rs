//! A command that was started several times at once, as the ranks of an MPI job: `run` shares its work among them, and
//! whatever would only do the same several times over is refused.

use super::cut;
use super::run::{Prepared, RunArgs};
use super::{Command, common, interrupt};
use crate::error::RunError;
use crate::output::checkpoint::Checkpoint;
use crate::output::folder::Digest;
use crate::run::Batches;
use serde_json::{Map, Value, json};
use std::env;
use std::error::Error;
use std::fmt::Write;

#[cfg(feature = "mpi")]
pub use crate::run::ranks::Ranks;
#[cfg(not(feature = "mpi"))]
pub use alone::Ranks;

/// The variables in which those who start ranks say which one this is and how many there are: mpirun of Open MPI, that of
/// MPICH and Intel MPI with srun --mpi=pmi2, MVAPICH, and srun --mpi=pmix. What srun says of tasks that are no ranks is not among
/// them: they may well be parts, or runs of their own.
const VARIABLES: [(&str, &str); 4] = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
];

/// Which rank this is, and of how many, where there is more than one.
fn started(variable: impl Fn(&str) -> Option<String>) -> Option<(usize, usize)> {
    let number = |name: &str| variable(name)?.parse().ok();
    let found = VARIABLES.iter().find_map(|(rank, ranks)| Some((number(rank)?, number(ranks)?)));
    found.filter(|(_, ranks)| *ranks > 1)
}

/// What becomes of a command.
pub enum Place {
    /// It is the only one, or does not mind the others.
    Alone,
    /// It is one of those that share the work.
    Among(Ranks),
    /// It leaves everything to rank 0.
    Silent,
}

/// Find out where this process stands.
///
/// # Errors
/// On rank 0, when several would do the same, and when they cannot find each other.
pub(super) fn place(command: &Command) -> Result<Place, RunError> {
    let Some((rank, ranks)) = started(|name| env::var(name).ok()) else { return Ok(Place::Alone) };
    let refused = if !matches!(command, Command::Run(_)) {
        "one after the other or with --threads: only `run` shares its work among ranks"
    } else if cfg!(feature = "mpi") {
        return match join(ranks) {
            Err(_) if rank > 0 => Ok(Place::Silent),
            joined => joined.map(Place::Among),
        };
    } else if matches!(command, Command::Run(run) if run.cut.part.is_some()) {
        // It knows its share.
        return Ok(Place::Alone);
    } else {
        "alone, with --threads: it was built without MPI. `cargo build --release --features mpi` builds it with"
    };
    match rank {
        0 => Err(RunError::Request(format!(
            "this is one of {ranks} MPI ranks that would all do the same; start it {refused}"
        ))),
        // If this one failed too, it might take the first with it before that has said why.
        _ => Ok(Place::Silent),
    }
}

#[cfg(feature = "mpi")]
fn join(expected: usize) -> Result<Ranks, RunError> {
    let ranks = Ranks::join()?;
    if ranks.count() != expected {
        return Err(RunError::Request(format!(
            "{expected} processes were started together, but MPI knows of {}: what started them belongs to another MPI \
             library than the one that this program was built with",
            ranks.count()
        )));
    }
    if ranks.rank() > 0 {
        super::print::hush();
        super::interrupt::wait_for_others();
    }
    Ok(ranks)
}

#[cfg(not(feature = "mpi"))]
fn join(_: usize) -> Result<Ranks, RunError> {
    Err(RunError::Request("this program was built without MPI".into()))
}

/// What must be the same on all ranks for their batches to be of one run to the last bit.
fn about(prepared: &Prepared, args: &RunArgs) -> Map<String, Value> {
    let mut about = cut::identity(&prepared.identity(args), (&prepared.input, args), args.cut.part);
    about.insert("executable".into(), json!(cut::executable()));
    about.insert("processor".into(), json!(processor()));
    // With all that it has read from other files.
    let mut digest = Digest::default();
    let written = write!(digest, "{:?}", prepared.input.problem);
    about.insert("problem".into(), json!(written.ok().map(|()| digest.hex())));
    about
}

/// The vector instructions on which the last bit of a number depends.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let kinds = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let kinds: [(&str, bool); 0] = [];
    let has = kinds.iter().filter(|(_, has)| *has).map(|(name, _)| format!(" {name}"));
    format!("{}{}", env::consts::ARCH, has.collect::<String>())
}

/// On a rank that is not the first: make batches as long as rank 0 asks for some.
pub(super) fn serve(ranks: &Ranks, prepared: Result<Prepared, Box<dyn Error>>, args: &RunArgs) {
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return ranks.refuse(&error.to_string()),
    };
    let said = json!({ "host": common::host(), "about": about(&prepared, args) }).to_string();
    ranks.serve((&prepared.engine, &prepared.input.problem, prepared.options), said, &interrupt::stop());
}

/// On rank 0: wait for the others, and see whether all are of one run.
///
/// # Errors
/// Which of them is not, and why; [`RunError::Interrupted`].
pub(super) fn meet(ranks: &mut Ranks, prepared: &Prepared, args: &RunArgs) -> Result<(), RunError> {
    let mine = about(prepared, args);
    ranks.meet(&interrupt::stop(), |rank, said| {
        let refused = |text: String| RunError::Request(format!("rank {rank} cannot take part: {text}"));
        let said = said.map_err(|text| refused(text.trim_start_matches("error: ").to_owned()))?;
        let mut said: Map<String, Value> = serde_json::from_str(&said).unwrap_or_default();
        let host = said.remove("host").unwrap_or_default();
        let identity = said.remove("about").and_then(|about| about.as_object().cloned()).unwrap_or_default();
        match (Checkpoint { identity, batches: Batches::default() }).differs(&mine) {
            Some(difference) => {
                Err(refused(format!("on {host} it would not do the same to the last bit: {difference}")))
            }
            None => Ok(()),
        }
    })
}

/// What takes the place of ranks where there are none.
#[cfg(not(feature = "mpi"))]
mod alone {
    use crate::error::RunError;
    use crate::problem::Problem;
    use crate::run::{Queue, RunOptions};
    use crate::stop::Stop;
    use crate::unravel::engine::Engine;

    type Work<'a> = (&'a Engine, &'a Problem, RunOptions);

    pub enum Ranks {}

    impl Ranks {
        pub fn rank(&self) -> usize {
            match *self {}
        }
        pub fn count(&self) -> usize {
            match *self {}
        }
        pub fn meet(
            &mut self,
            _: &Stop,
            _: impl Fn(usize, Result<String, String>) -> Result<(), RunError>,
        ) -> Result<(), RunError> {
            match *self {}
        }
        pub fn refuse(&self, _: &str) {
            match *self {}
        }
        pub fn serve(&self, _: Work, _: String, _: &Stop) {
            match *self {}
        }
        pub fn help(&mut self, _: &Queue, _: Work, _: bool, _: &Stop) {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_recognised_and_tasks_are_left_alone() {
        let of = |text: &str| {
            let pairs: Vec<(&str, &str)> = text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
            started(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of("OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=2"), Some((2, 4)));
        assert_eq!(of("PMI_RANK=0 PMI_SIZE=3"), Some((0, 3)));
        assert_eq!(of("PMIX_RANK=1 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1"), Some((1, 2)));
        for alone in [
            "",
            "SLURM_NTASKS=16 SLURM_PROCID=3 SLURM_STEP_NUM_TASKS=16",
            "PMI_RANK=0 PMI_SIZE=1",
            "PMI_RANK=x PMI_SIZE=2",
        ] {
            assert_eq!(of(alone), None, "{alone}");
        }
    }
}
