//! Single-shot results: one entry a trajectory.

use crate::problem::{Problem, Step, StepId};

/// What each trajectory ended with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shots {
    /// Conditional ⟨H_B⟩ at the end.
    pub energy_mean: Vec<f64>,
    /// One projective measurement of H_B at the end. On the ladder it is the conditional mean.
    pub energy_outcome: Vec<f64>,
    /// Energy released in each cycle and each step that releases, trajectory by trajectory.
    pub released: Vec<f64>,
    /// Jumps of each channel over the whole run, trajectory by trajectory.
    pub jumps: Vec<u64>,
    /// Cycle and step of each entry of `released`.
    pub releases: Vec<(u64, StepId)>,
    /// Number of channels.
    pub channels: usize,
}

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
        8 * (2 + released + problem.channels.len() as u64)
    }

    /// Append later trajectories.
    pub fn append(&mut self, later: Self) {
        self.energy_mean.extend(later.energy_mean);
        self.energy_outcome.extend(later.energy_outcome);
        self.released.extend(later.released);
        self.jumps.extend(later.jumps);
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
