//! What a batch keeps of its single runs, as the problem's record asks for.

use super::audit::Auditor;
use super::passages::Passages;
use super::shots::{Jump, Path, Shots};
use crate::error::RunError;
use crate::estimate::counting::{COUNTING_GROUPS, Counts};
use crate::estimate::delays::Delayed;
use crate::estimate::histogram::Histogram;
use crate::problem::{DelayTable, Distribution, Linear, Problem, Quantity, Record, Step};
use crate::unravel::Batch;
use crate::unravel::click::Click;
use crate::unravel::trajectory::{Moment, Span};

/// Where a number of a trajectory is found: among its linear averages, times a factor.
type Read = (usize, f64);

/// Outcomes less likely than this are rounding, and would widen the bins of all others.
const NEGLIGIBLE: f64 = 1e-15;

/// The recorder.
#[derive(Debug)]
pub(super) struct SingleRuns<'a, B> {
    record: &'a Record,
    /// Columns of the paths.
    columns: Vec<Read>,
    paths: Vec<Path>,
    /// Jumps, trajectory by trajectory.
    jumps: Vec<Vec<Jump>>,
    /// What each distribution is of, `None` of a measurement of H_B, and the width of its bins.
    distributions: Vec<(Option<Read>, f64)>,
    energy: Option<usize>,
    pub histograms: Vec<Histogram>,
    pub counting: Counts,
    /// How jumps follow each other, and in which timed steps.
    pub delayed: Vec<Delayed>,
    delays: Vec<DelayTable>,
    first: u64,
    /// Weights of the trajectories of each group, 0 of the others.
    groups: Vec<Vec<f64>>,
    passages: Passages<B>,
    pub audit: Option<Auditor<'a, B>>,
    values: Vec<f64>,
}

impl<'a, B: Batch + Clone> SingleRuns<'a, B> {
    /// For trajectories from number `first` on with these weights.
    pub fn new(problem: &'a Problem, batch: &mut B, first: u64, weights: &[f64]) -> Self {
        let (record, linear, n) = (&problem.record, problem.linear(), weights.len());
        let read = |quantity: &Quantity| {
            let (of, factor) = problem.of_single(quantity)?;
            Some((linear.iter().position(|known| *known == of)?, factor))
        };
        let distribution = |of: &Distribution| {
            let read = match of {
                Distribution::Conditional(quantity) => read(quantity),
                Distribution::EnergyOutcome => None,
            };
            Some((read, problem.bins(of).ok()?.width))
        };
        let protocol = &problem.protocol;
        let distributions: Vec<_> = record.distributions.iter().filter_map(distribution).collect();
        let counted =
            protocol.steps.iter().filter(|step| matches!(step, Step::Evolve { .. })).count() * problem.channels.len();
        let counted = if record.counting { counted * protocol.repeat as usize } else { 0 };
        let in_group = |group: usize, k: usize| (first as usize + k) % COUNTING_GROUPS == group;
        let group = |group: usize| -> Vec<f64> {
            weights.iter().enumerate().map(|(k, weight)| if in_group(group, k) { *weight } else { 0.0 }).collect()
        };
        let groups: Vec<Vec<f64>> = if counted > 0 { (0..COUNTING_GROUPS).map(group).collect() } else { Vec::new() };
        let delays = problem.delay_tables();
        if record.of_single_runs() || record.audit || !delays.is_empty() {
            batch.keep_clicks();
        }
        let path = |k: usize| Path { trajectory: first + k as u64, weight: weights[k], ..Path::default() };
        let kept = (record.paths.saturating_sub(first) as usize).min(n);
        Self {
            record,
            columns: problem.single_columns().into_iter().filter_map(read).collect(),
            paths: (0..kept).map(path).collect(),
            jumps: vec![Vec::new(); if record.jumps || kept > 0 { n } else { 0 }],
            histograms: vec![Histogram::default(); protocol.row_count() * distributions.len()],
            distributions,
            energy: linear.iter().position(|of| *of == Linear::Energy),
            counting: Counts::of_batch(&groups, counted),
            delayed: delays.iter().map(|of| Delayed::new(&record.delays[of.asked], of.duration)).collect(),
            delays,
            first,
            groups,
            passages: Passages::new(problem, n),
            audit: record.audit.then(|| Auditor::new(problem, batch, weights)),
            values: vec![0.0; n],
        }
    }

    /// A row.
    ///
    /// # Errors
    /// When H_B cannot be measured in a state, or a trajectory cannot be followed again.
    pub fn row(&mut self, batch: &B, moment: &Moment, weights: &[f64]) -> Result<(), RunError> {
        if !self.paths.is_empty() {
            for (average, factor) in &self.columns {
                batch.linear(*average, moment.step, &mut self.values);
                self.paths.iter_mut().zip(&self.values).for_each(|(path, value)| path.values.push(factor * value));
            }
        }
        let (all, own) = (self.distributions.len(), &self.distributions);
        for (at, (read, width)) in own.iter().enumerate() {
            let histogram = &mut self.histograms[moment.row * all + at];
            let (average, factor) = read.unwrap_or((self.energy.unwrap_or(0), 1.0));
            batch.linear(average, moment.step, &mut self.values);
            for (k, (value, weight)) in self.values.iter().zip(weights).enumerate() {
                let mut measured = false;
                if read.is_none() {
                    batch.energy_outcomes(k, &mut |energy, p| {
                        measured = true;
                        if p > NEGLIGIBLE {
                            histogram.add(*width, energy, weight * p);
                        }
                    })?;
                }
                if !measured {
                    histogram.add(*width, factor * value, *weight);
                }
            }
        }
        if let Some(audit) = &mut self.audit {
            audit.row(batch, moment, weights)?;
        }
        self.passages.row(batch, moment)
    }

    /// The end of a timed step, number `ended` over all cycles.
    pub fn step_end(&mut self, batch: &B, span: &Span, ended: usize, weights: &[f64]) {
        if let Some(audit) = &mut self.audit {
            audit.step_end(batch, span, weights);
        }
        if let Some(channels) = (!self.groups.is_empty()).then(|| batch.counts(0).len()) {
            for channel in 0..channels {
                let counts: Vec<f64> = (0..batch.trajectories()).map(|k| batch.counts(k)[channel] as f64).collect();
                self.counting.set(ended * channels + channel, &counts, &self.groups);
            }
        }
        for (of, delayed) in self.delays.iter().zip(&mut self.delayed).filter(|(of, _)| of.ended == ended) {
            let asked = &self.record.delays[of.asked];
            for (k, weight) in weights.iter().enumerate() {
                let own = batch.clicks(k).iter().filter(|click| click.channel == asked.channel.index());
                let times: Vec<f64> = own.map(|click| click.time).filter(|time| *time >= asked.from).collect();
                delayed.add(self.first + k as u64, *weight, &times, span.duration);
            }
        }
        for (k, own) in self.jumps.iter_mut().enumerate() {
            let jump = |click: &Click| Jump {
                time: span.start + click.time,
                cycle: span.cycle,
                step: span.step as u32,
                channel: click.channel as u32,
                two_j: click.two_j.map_or([-1; 2], |two_j| two_j.map(|j| j as i32)),
            };
            if self.record.jumps || k < self.paths.len() {
                own.extend(batch.clicks(k).iter().map(jump));
            }
        }
    }

    /// Hand over what is kept one by one.
    pub fn finish(self, shots: &mut Shots) {
        let Self { mut paths, jumps, passages, record, .. } = self;
        for (path, jumps) in paths.iter_mut().zip(&jumps) {
            path.jumps.clone_from(jumps);
        }
        shots.paths = paths;
        (shots.passages, shots.passage_rows) = (passages.times, passages.rows);
        if record.jumps {
            shots.jumps_of = jumps.iter().map(|own| own.len() as u64).collect();
            shots.all_jumps = jumps.into_iter().flatten().collect();
        }
    }
}
