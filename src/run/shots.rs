//! Single-shot results: one entry a trajectory.

use super::jumps::Jumps;
use crate::problem::{Problem, Step, StepId};
use serde::{Deserialize, Serialize};

/// What each trajectory ended with. After those that were sampled come, where their probability is known, the ones in which
/// nothing ever happens: once for each energy that they can be found with. With n entries in all, what has several
/// numbers a trajectory is n × so many, trajectory by trajectory. Energies are in the unit of ω.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shots {
    /// Probability that each stands for, n numbers: they add up to 1.
    pub weight: Vec<f64>,
    /// Conditional ⟨H_B⟩ at the end, n numbers.
    pub energy_mean: Vec<f64>,
    /// One projective measurement of H_B at the end, n numbers. On the ladder it is the conditional mean.
    pub energy_outcome: Vec<f64>,
    /// Energy released in each cycle and each step that releases, n × [`releases`](Self::releases).
    pub released: Vec<f64>,
    /// Jumps of each channel over the whole run, n × [`channels`](Self::channels).
    pub jumps: Vec<u64>,
    /// Cycle, from 0, and step of each release of a trajectory.
    pub releases: Vec<(u64, StepId)>,
    /// Number of channels.
    pub channels: usize,
    /// When each [`Passage`](crate::problem::Passage) of the record first happens, n × passages, since the run began;
    /// infinite if it does not.
    pub passages: Vec<f64>,
    /// The first row at which each of them has happened, n × passages, [`u64::MAX`] if it does not: of two rows at one
    /// time, before and after a pulse, one.
    pub passage_rows: Vec<u64>,
    /// Of an [audit](crate::problem::Ledger), the work of each source in the whole run, n × sources in the order of the
    /// ledger.
    pub work: Vec<f64>,
    /// The heat of each channel and each reset in the whole run, n × sources in the order of the ledger.
    pub heat: Vec<f64>,
    /// Entropy that all jumps of each trajectory brought to the surroundings, n pure numbers; empty where jumps have no
    /// reverse.
    pub entropy_flow: Vec<f64>,
    /// The paths of the first trajectories.
    pub paths: Vec<Path>,
    /// How many of [`all_jumps`](Self::all_jumps) each trajectory has, where they are kept.
    pub jumps_of: Vec<u64>,
    /// Every jump, trajectory by trajectory in the order of time.
    pub all_jumps: Jumps,
}

/// One trajectory at every row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Its number: the entry in [`Shots`].
    pub trajectory: u64,
    /// Probability that it stands for.
    pub weight: f64,
    /// The columns of [`Problem::single_columns`], rows × columns, row by row.
    pub values: Vec<f64>,
    /// Its jumps, in the order of time.
    pub jumps: Vec<Jump>,
}

/// One jump of a trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jump {
    /// Time since the run began.
    pub time: f64,
    /// Cycle, from 0.
    pub cycle: u64,
    /// Index of the step in the protocol.
    pub step: u32,
    /// Index of the channel.
    pub channel: u32,
    /// 2J before and after it, of the first ensemble that the channel acts on; −1 where cells have no J.
    pub two_j: [i32; 2],
}

/// Most jumps that a run keeps: 4 GB of them on the disk. Those of paths are written as text too.
pub const MOST_JUMPS: u64 = 100_000_000;
pub(super) const MOST_PATH_JUMPS: u64 = 2_000_000;

impl Shots {
    /// None yet.
    pub fn new(problem: &Problem) -> Self {
        let releasing = releasing_steps(problem);
        let releases = (0..problem.protocol.repeat).flat_map(|c| releasing.iter().map(move |s| (c, *s))).collect();
        Self { releases, channels: problem.channels.len(), ..Self::default() }
    }

    /// Bytes that the shots of one trajectory take.
    pub fn bytes_each(problem: &Problem) -> u64 {
        let released = problem.protocol.repeat * releasing_steps(problem).len() as u64;
        let audited = match problem.record.audit {
            true => problem.drives.len() + problem.channels.len() + problem.protocol.steps.len() + 2,
            false => 0,
        };
        let others = problem.channels.len() + problem.record.first_passage.len() + audited;
        8 * (3 + released + others as u64)
    }

    /// Weigh what was sampled against what is known of the trajectories without jumps, and append that.
    pub(super) fn complete(&mut self, no_jump: Option<Self>) {
        let known: f64 = no_jump.iter().flat_map(|known| &known.weight).sum();
        let n = self.energy_mean.len();
        let each = (1.0 - known).max(0.0) / n as f64;
        self.weight = vec![each; n];
        self.paths.iter_mut().for_each(|path| path.weight = each);
        if let Some(mut known) = no_jump.filter(|_| n > 0) {
            known.paths.iter_mut().for_each(|path| path.trajectory += n as u64);
            self.append(known);
        }
    }

    /// Append later trajectories.
    pub fn append(&mut self, later: Self) {
        self.weight.extend(later.weight);
        self.energy_mean.extend(later.energy_mean);
        self.energy_outcome.extend(later.energy_outcome);
        self.released.extend(later.released);
        self.jumps.extend(later.jumps);
        self.passages.extend(later.passages);
        self.passage_rows.extend(later.passage_rows);
        self.work.extend(later.work);
        self.heat.extend(later.heat);
        self.entropy_flow.extend(later.entropy_flow);
        self.paths.extend(later.paths);
        self.jumps_of.extend(later.jumps_of);
        self.all_jumps.append(later.all_jumps);
    }
}

/// Timed steps in which some channel that is on releases energy.
fn releasing_steps(problem: &Problem) -> Vec<StepId> {
    let releases = |step: &Step| match step {
        Step::Evolve { active, .. } => {
            problem.channel_ids().zip(active).any(|(c, on)| *on && problem.released_per_jump(c) != 0.0)
        }
        Step::Rotate { .. } | Step::Unitary(_) | Step::Reset { .. } => false,
    };
    let all = problem.protocol.steps.iter().enumerate();
    all.filter(|(_, step)| releases(step)).map(|(i, _)| StepId::new(i)).collect()
}
