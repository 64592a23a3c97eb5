//! One batch of trajectories, recorded.

use super::pinched::PinchedRecorder;
use super::record::SingleRuns;
use super::{RunOptions, Shots};
use crate::density::{Density, GROUPS};
use crate::error::RunError;
use crate::estimate::columns::Accumulated;
use crate::estimate::covariance::Covariance;
use crate::estimate::moments::Moments;
use crate::estimate::occupation::Occupation;
use crate::estimate::production::End;
use crate::problem::{Linear, Problem};
use crate::space::blocks::initial_entropy;
use crate::stop::Stop;
use crate::unravel::along::Direction;
use crate::unravel::no_jump::Which;
use crate::unravel::trajectory::{Moment, Recorder, Span, run_batch};
use crate::unravel::{Batch, States, Unraveling};
use std::ops::Range;

/// What one batch contributes.
pub(super) struct BatchResult {
    pub accumulated: Accumulated,
    pub shots: Option<Shots>,
    pub trajectories: u64,
}

/// Which trajectories to run.
pub(super) struct Task<'a> {
    /// Of which kind.
    pub which: Which<'a>,
    /// Their numbers, and the weight of each.
    pub range: Range<u64>,
    pub weights: Vec<f64>,
    /// Where their density matrices go to.
    pub group: usize,
    /// The axes along which the battery is described instead of them.
    pub axes: Option<&'a [Direction]>,
}

/// Run a batch.
pub(super) fn run<U: Unraveling>(
    engine: &U,
    problem: &Problem,
    options: RunOptions,
    task: Task,
    stop: &Stop,
) -> Result<BatchResult, RunError> {
    let Task { which, range, weights, group, axes } = task;
    let mut batch = engine.start_of(which, options.seed, range.clone(), stop);
    let trajectories = batch.trajectories();
    let (width, rows) = (problem.linear().len(), problem.protocol.row_count());
    let kept = super::densities(engine, problem, options);
    let of_single_runs = SingleRuns::new(problem, &mut batch, range.start, &weights);
    let occupied = engine.is_diagonal() && (problem.needs_state() || options.states);
    let pairs = !matches!(which, Which::Never);
    let pinched = axes.and_then(|axes| PinchedRecorder::new(problem, axes, &weights, pairs));
    let mut recorder = BatchRecorder {
        pinched,
        first: range.start,
        width,
        moments: Moments::of_batch(&weights, rows * width),
        occupations: vec![Occupation::default(); if occupied { rows } else { 0 }],
        densities: vec![Density::default(); rows * kept.len()],
        kept,
        group,
        series: options.covariance.then(|| Vec::with_capacity(rows * width)),
        shots: super::keeps_shots(problem, options).then(|| ShotRecorder::new(problem, trajectories, options.shots)),
        single_runs: of_single_runs,
        end: super::end_of(engine, problem).and_then(|number| Some((End::new(initial_entropy(problem)?), number))),
        last: rows - 1,
        ended: 0,
        values: vec![0.0; trajectories],
        weights,
    };
    run_batch(problem, &mut batch, stop, &mut recorder)?;
    let audit = recorder.single_runs.audit.take();
    let audit = audit
        .map(|audit| audit.finish(recorder.shots.as_mut().map(|shots| &mut shots.shots), &recorder.weights))
        .transpose()?;
    let (pinched, along) = recorder.pinched.map(|of| (of.pinched, of.occupations)).unzip();
    let covariance = recorder.series.map(|series| Covariance::of_batch(&series, width, &recorder.weights));
    Ok(BatchResult {
        accumulated: Accumulated {
            moments: recorder.moments,
            occupations: along.unwrap_or(recorder.occupations),
            pinched,
            densities: recorder.densities,
            covariance,
            histograms: std::mem::take(&mut recorder.single_runs.histograms),
            counting: std::mem::take(&mut recorder.single_runs.counting),
            delayed: std::mem::take(&mut recorder.single_runs.delayed),
            audit,
            end: recorder.end.map(|(end, _)| end),
            no_jump: None,
        },
        shots: match (recorder.shots, which) {
            (None, _) => None,
            (Some(mut shots), which) => {
                recorder.single_runs.finish(&mut shots.shots);
                Some(match which {
                    Which::Never => shots.all_outcomes(&batch, &recorder.weights)?,
                    Which::Any | Which::Jumping(_) => shots.finish(engine, &mut batch)?,
                })
            }
        },
        trajectories: range.end - range.start,
    })
}

struct BatchRecorder<'a, B> {
    first: u64,
    pinched: Option<PinchedRecorder<'a>>,
    width: usize,
    /// Numbers of the density matrices that are kept at each row.
    kept: Vec<usize>,
    weights: Vec<f64>,
    moments: Moments,
    occupations: Vec<Occupation>,
    densities: Vec<Density>,
    /// The group of all trajectories of the batch.
    group: usize,
    series: Option<Vec<Vec<f64>>>,
    shots: Option<ShotRecorder<'a>>,
    single_runs: SingleRuns<'a, B>,
    /// The whole system at the last row, and the number of its density matrix.
    end: Option<(End, usize)>,
    /// The last row.
    last: usize,
    /// Timed steps that have ended, over all cycles.
    ended: usize,
    values: Vec<f64>,
}

impl<B: Batch + Clone> Recorder<B> for BatchRecorder<'_, B> {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        let Moment { row, step, .. } = *moment;
        for average in 0..self.width {
            batch.linear(average, step, &mut self.values);
            self.moments.set(row * self.width + average, &self.values, &self.weights);
            if let Some(series) = &mut self.series {
                series.push(self.values.clone());
            }
        }
        let densities = self.densities.iter_mut().skip(row * self.kept.len());
        for (density, &reduction) in densities.zip(&self.kept) {
            batch.density(&self.weights, reduction, self.group, density);
        }
        if let Some(pinched) = &mut self.pinched {
            pinched.row(batch, row, self.first, &self.weights);
        }
        if let Some(occupation) = self.occupations.get_mut(row) {
            let half = |k: usize| ((self.first + k as u64) % 2) as usize;
            let visits = self.weights.iter().enumerate();
            occupation.record(visits.filter_map(|(k, weight)| Some((batch.cell(k)?, half(k), *weight))));
        }
        if let Some((end, number)) = self.end.as_mut().filter(|_| row == self.last) {
            // Groups of as many as make a batch where density matrices are kept at every row.
            let group = |k: usize| (self.first + k as u64) / super::MOST_IN_GROUP;
            for own in group(0)..=group(self.weights.len() - 1) {
                let weight = |(k, weight): (usize, &f64)| if group(k) == own { *weight } else { 0.0 };
                let weights: Vec<f64> = self.weights.iter().enumerate().map(weight).collect();
                batch.density(&weights, *number, own as usize % GROUPS, &mut end.density);
            }
            let half = |k: usize| ((self.first + k as u64) % 2) as usize;
            let visits = self.weights.iter().enumerate();
            end.occupied.record(visits.filter_map(|(k, weight)| Some((batch.cell(k)?, half(k), *weight))));
        }
        self.single_runs.row(batch, moment, &self.weights)
    }

    fn step_end(&mut self, batch: &B, span: &Span) {
        if let Some(shots) = &mut self.shots {
            shots.step_end(batch, span.step);
        }
        self.single_runs.step_end(batch, span, self.ended, &self.weights);
        self.ended += 1;
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
    /// Whether H_B is measured at the end.
    measured: bool,
}

impl<'a> ShotRecorder<'a> {
    fn new(problem: &'a Problem, trajectories: usize, measured: bool) -> Self {
        let shots = Shots::new(problem);
        let mut releasing = vec![false; problem.protocol.steps.len()];
        shots.releases.iter().for_each(|(_, step)| releasing[step.index()] = true);
        Self {
            problem,
            quanta: problem.channel_ids().map(|c| problem.released_per_jump(c)).collect(),
            released: vec![Vec::with_capacity(shots.releases.len()); trajectories],
            shots: Shots { jumps: vec![0; trajectories * shots.channels], ..shots },
            releasing,
            measured,
        }
    }

    fn step_end(&mut self, batch: &impl Batch, step: usize) {
        let channels = self.shots.channels;
        for k in 0..batch.trajectories() {
            let counts = batch.counts(k);
            for (total, count) in self.shots.jumps[k * channels..].iter_mut().zip(counts) {
                *total += count;
            }
            if self.releasing[step] {
                self.released[k].push(counts.iter().zip(&self.quanta).map(|(c, q)| *c as f64 * q).sum());
            }
        }
    }

    /// Conditional ⟨H_B⟩ at the end.
    fn energies(&self, batch: &impl Batch) -> Vec<f64> {
        let mut energy = vec![0.0; batch.trajectories()];
        if let Some(average) = self.problem.linear().iter().position(|l| *l == Linear::Energy) {
            batch.linear(average, self.problem.protocol.steps.len() - 1, &mut energy);
        }
        energy
    }

    fn finish(mut self, engine: &impl Unraveling, batch: &mut impl Batch) -> Result<Shots, RunError> {
        let energy = self.energies(batch);
        self.shots.energy_outcome = energy.clone();
        if self.measured && !engine.is_diagonal() {
            for (k, outcome) in self.shots.energy_outcome.iter_mut().enumerate() {
                let mut left = batch.variate(k);
                batch.energy_outcomes(k, &mut |energy, p| {
                    if left >= 0.0 && p > 0.0 {
                        *outcome = energy;
                        left -= p;
                    }
                })?;
            }
        }
        self.shots.energy_mean = energy;
        self.shots.released = self.released.concat();
        Ok(self.shots)
    }

    /// Every trajectory once for each energy that it can be found with, instead of one that is drawn.
    fn all_outcomes(self, batch: &impl Batch, weights: &[f64]) -> Result<Shots, RunError> {
        let energy = self.energies(batch);
        let each = |list: &[f64]| list.len() / weights.len().max(1);
        let (channels, passages) = (self.shots.channels, each(&self.shots.passages));
        let (work, heat, flow) = (each(&self.shots.work), each(&self.shots.heat), each(&self.shots.entropy_flow));
        let mut all = Shots {
            jumps: Vec::new(),
            passages: Vec::new(),
            passage_rows: Vec::new(),
            jumps_of: Vec::new(),
            work: Vec::new(),
            heat: Vec::new(),
            entropy_flow: Vec::new(),
            ..self.shots.clone()
        };
        for (k, weight) in weights.iter().enumerate() {
            // What is left to sampling has no part in this.
            if *weight == 0.0 {
                continue;
            }
            if let Some(path) = all.paths.get_mut(k) {
                path.trajectory = all.weight.len() as u64;
            }
            let outcomes = if self.measured { distinct(batch, k)? } else { None };
            for (outcome, p) in outcomes.unwrap_or_else(|| vec![(energy[k], 1.0)]) {
                all.weight.push(weight * p);
                all.energy_mean.push(energy[k]);
                all.energy_outcome.push(outcome);
                all.released.extend(&self.released[k]);
                all.jumps.extend(&self.shots.jumps[k * channels..][..channels]);
                all.passages.extend(&self.shots.passages[k * passages..][..passages]);
                all.passage_rows.extend(&self.shots.passage_rows[k * passages..][..passages]);
                all.jumps_of.extend(self.shots.jumps_of.get(k));
                all.work.extend(&self.shots.work[k * work..][..work]);
                all.heat.extend(&self.shots.heat[k * heat..][..heat]);
                all.entropy_flow.extend(&self.shots.entropy_flow[k * flow..][..flow]);
            }
        }
        all.paths.retain(|path| path.weight > 0.0);
        Ok(all)
    }
}

/// The energies that trajectory `k` can be found with, each once, with their probabilities; `None` of a definite energy.
fn distinct(batch: &impl Batch, k: usize) -> Result<Option<Vec<(f64, f64)>>, RunError> {
    let mut outcomes: Vec<(f64, f64)> = Vec::new();
    batch.energy_outcomes(k, &mut |energy, p| {
        if p > 0.0 {
            outcomes.push((energy, p));
        }
    })?;
    outcomes.sort_by(|a, b| a.0.total_cmp(&b.0));
    outcomes.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });
    Ok((!outcomes.is_empty()).then_some(outcomes))
}
