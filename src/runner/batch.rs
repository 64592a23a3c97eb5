//! One batch of trajectories, recorded.

use super::{RunOptions, Shots};
use crate::density::Density;
use crate::estimate::columns::Accumulated;
use crate::estimate::covariance::Covariance;
use crate::estimate::moments::Moments;
use crate::estimate::occupation::Occupation;
use crate::problem::{Linear, Problem};
use crate::trajectory::{Recorder, run_batch};
use crate::unravel::Advance;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What one batch contributes.
pub(super) struct BatchResult {
    pub accumulated: Accumulated,
    pub shots: Option<Shots>,
    pub trajectories: u64,
}

/// A batch that has run for so long when the run is stopped is given up; a shorter one is finished and kept.
const PATIENCE: Duration = Duration::from_secs(1);

/// Run trajectories `range`; `None` if the run was stopped in the middle of a long batch.
pub(super) fn run<A: Advance>(
    engine: &A,
    problem: &Problem,
    options: RunOptions,
    range: Range<u64>,
    group: usize,
    stop: &AtomicBool,
) -> Option<BatchResult> {
    let mut batch: Vec<A::Walker> = range.clone().map(|k| engine.start(options.seed, k)).collect();
    let weights: Vec<f64> = batch.iter().map(|w| engine.weight(w)).collect();
    let (slots, rows) = (problem.linear().len(), problem.protocol.row_count());
    let mut recorder = BatchRecorder {
        first: range.start,
        slots,
        reductions: problem.reductions().len(),
        moments: Moments::of_batch(&weights, rows * slots),
        occupations: vec![
            Occupation::default();
            if engine.is_diagonal() && (problem.needs_state() || options.states) { rows } else { 0 }
        ],
        densities: vec![Density::default(); if engine.is_diagonal() { 0 } else { rows * problem.reductions().len() }],
        group,
        series: options.covariance.then(|| Vec::with_capacity(rows * slots)),
        shots: options.shots.then(|| ShotRecorder::new(problem, batch.len())),
        values: vec![0.0; batch.len()],
        weights,
        stop,
        started: Instant::now(),
    };
    if !run_batch(engine, problem, &mut batch, &mut recorder) {
        return None;
    }
    let accumulated_densities = std::mem::take(&mut recorder.densities);
    let covariance = recorder.series.map(|series| Covariance::of_batch(&series, slots, &recorder.weights));
    Some(BatchResult {
        accumulated: Accumulated {
            moments: recorder.moments,
            occupations: recorder.occupations,
            densities: accumulated_densities,
            covariance,
        },
        shots: recorder.shots.map(|shots| shots.finish(engine, &mut batch)),
        trajectories: range.end - range.start,
    })
}

struct BatchRecorder<'a> {
    first: u64,
    slots: usize,
    reductions: usize,
    weights: Vec<f64>,
    moments: Moments,
    occupations: Vec<Occupation>,
    densities: Vec<Density>,
    /// The group of all trajectories of the batch.
    group: usize,
    series: Option<Vec<Vec<f64>>>,
    shots: Option<ShotRecorder<'a>>,
    values: Vec<f64>,
    stop: &'a AtomicBool,
    started: Instant,
}

impl<A: Advance> Recorder<A> for BatchRecorder<'_> {
    fn row(&mut self, engine: &A, batch: &[A::Walker], row: usize, step: usize) {
        for slot in 0..self.slots {
            engine.observe(batch, slot, step, &mut self.values);
            self.moments.set(row * self.slots + slot, &self.values, &self.weights);
            if let Some(series) = &mut self.series {
                series.push(self.values.clone());
            }
        }
        let reductions = self.reductions;
        for (index, density) in self.densities.iter_mut().skip(row * reductions).take(reductions).enumerate() {
            engine.density(batch, &self.weights, index, self.group, density);
        }
        if let Some(occupation) = self.occupations.get_mut(row) {
            let visits = batch.iter().zip(&self.weights).enumerate();
            let half = |k: usize| ((self.first + k as u64) % 2) as usize;
            occupation.record(visits.filter_map(|(k, (walker, w))| Some((engine.cell(walker)?, half(k), *w))));
        }
    }

    fn give_up(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.started.elapsed() > PATIENCE
    }

    fn step_end(&mut self, engine: &A, batch: &[A::Walker], step: usize, _cycle: u64) {
        if let Some(shots) = &mut self.shots {
            shots.step_end(engine, batch, step);
        }
    }
}

/// Collects shots of a batch while it runs.
struct ShotRecorder<'a> {
    problem: &'a Problem,
    shots: Shots,
    quanta: Vec<f64>,
    /// Released energies so far, one list a trajectory.
    released: Vec<Vec<f64>>,
    releasing: Vec<bool>,
}

impl<'a> ShotRecorder<'a> {
    fn new(problem: &'a Problem, trajectories: usize) -> Self {
        let shots = Shots::new(problem);
        let mut releasing = vec![false; problem.protocol.steps.len()];
        shots.releases.iter().for_each(|(_, step)| releasing[*step] = true);
        Self {
            problem,
            quanta: (0..shots.channels).map(|c| problem.released_per_jump(c)).collect(),
            released: vec![Vec::with_capacity(shots.releases.len()); trajectories],
            shots: Shots { jumps: vec![0; trajectories * shots.channels], ..shots },
            releasing,
        }
    }

    fn step_end<A: Advance>(&mut self, engine: &A, batch: &[A::Walker], step: usize) {
        let channels = self.shots.channels;
        for (k, walker) in batch.iter().enumerate() {
            let counts = engine.counts(walker);
            for (total, count) in self.shots.jumps[k * channels..].iter_mut().zip(counts) {
                *total += count;
            }
            if self.releasing[step] {
                self.released[k].push(counts.iter().zip(&self.quanta).map(|(c, q)| *c as f64 * q).sum());
            }
        }
    }

    fn finish<A: Advance>(mut self, engine: &A, batch: &mut [A::Walker]) -> Shots {
        let mut energy = vec![0.0; batch.len()];
        if let Some(slot) = self.problem.linear().iter().position(|l| *l == Linear::Energy) {
            engine.observe(batch, slot, self.problem.protocol.steps.len() - 1, &mut energy);
        }
        self.shots.energy_outcome = energy.clone();
        for (walker, outcome) in batch.iter_mut().zip(&mut self.shots.energy_outcome) {
            if !engine.is_diagonal() {
                let share = engine.share(walker);
                *outcome = engine.energy_outcome(walker, share).unwrap_or(*outcome);
            }
        }
        self.shots.energy_mean = energy;
        self.shots.released = self.released.concat();
        self.shots
    }
}
