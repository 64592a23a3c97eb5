//! The audit of a batch: work, heat and entropy flow of every trajectory, each of which is followed a second time, by itself,
//! from jump to jump (`docs/physics.md` §3.5).
//!
//! Between jumps the rates at which each term of H and each channel change ⟨H₀⟩ are integrated, and what a jump changes is
//! heat of its channel. ⟨H₀⟩ itself is read, so that the first law is a check: ΔU = ΣW + ΣQ.

use super::shots::Shots;
use crate::error::RunError;
use crate::estimate::audit::Audited;
use crate::estimate::moments::Moments;
use crate::estimate::quadrature::{Path, integrate};
use crate::problem::{Envelope, Ledger, Problem, Step};
use crate::unravel::Batch;
use crate::unravel::click::Click;
use crate::unravel::trajectory::{Moment, Span};

/// By this part of the time between two rows a state is looked at before and after a jump. Rates hardly change over it. A
/// jump whose time rounding moves further, that of a state that hardly decays, is looked at from further away.
const BESIDE: [f64; 4] = [1e-9, 1e-8, 1e-7, 1e-5];

/// The recorder.
#[derive(Debug)]
pub(super) struct Auditor<'a, B> {
    problem: &'a Problem,
    ledger: Ledger,
    /// The width of all energies.
    scale: f64,
    /// Each trajectory where it was looked at last, and its energy there.
    before: Vec<B>,
    energy: Vec<f64>,
    started: Vec<f64>,
    /// Which step begins next, over all cycles, and how long the present one has lasted.
    next: usize,
    since: f64,
    /// When the present step began.
    start: f64,
    /// How long a piece of each trajectory is tried first.
    lengths: Vec<f64>,
    /// The numbers of the present step, trajectory by trajectory.
    step: Vec<Vec<f64>>,
    /// The numbers of the whole run.
    whole: Vec<Vec<f64>>,
    moments: Moments,
}

/// Why a trajectory is not followed as far as it was to be.
enum Ended {
    /// It jumped, earlier than the first time.
    Jumped,
    Failed(RunError),
}

impl From<RunError> for Ended {
    fn from(error: RunError) -> Self {
        Self::Failed(error)
    }
}

/// One trajectory between jumps.
struct Stretch<'e, B> {
    here: B,
    step: usize,
    start: f64,
    /// What changes with time.
    envelopes: &'e [&'e Envelope],
    jumps: u64,
}

impl<B: Batch + Clone> Path for Stretch<'_, B> {
    type Ended = Ended;

    fn again(&self) -> Self {
        Self { here: self.here.clone(), ..*self }
    }

    fn go(&mut self, until: f64) -> Result<(), Ended> {
        self.here.evolve(self.step, until)?;
        if jumps(&self.here) == self.jumps { Ok(()) } else { Err(Ended::Jumped) }
    }

    fn read(&self, now: f64, rates: &mut [f64]) {
        self.here.energy_rates(0, self.step, (self.start, now), rates);
    }

    fn known(&self) -> f64 {
        self.here.whole_energy(0)
    }

    fn smooth(&self, now: f64) -> f64 {
        self.envelopes.iter().map(|f| f.piece(self.start, now).length).fold(f64::INFINITY, f64::min)
    }
}

fn jumps(batch: &impl Batch) -> u64 {
    batch.counts(0).iter().sum()
}

impl<'a, B: Batch + Clone> Auditor<'a, B> {
    /// Of the trajectories of a batch with these weights, before anything has happened to them.
    pub fn new(problem: &'a Problem, batch: &B, weights: &[f64]) -> Self {
        let (ledger, (least, most), n) = (Ledger::new(problem), problem.whole_energies(), weights.len());
        let energy: Vec<f64> = (0..n).map(|k| batch.whole_energy(k)).collect();
        let whole = ledger.len() - ledger.whole();
        Self {
            problem,
            scale: most - least,
            before: (0..n).map(|k| batch.alone(k)).collect(),
            started: energy.clone(),
            energy,
            next: 0,
            since: 0.0,
            start: 0.0,
            lengths: vec![f64::INFINITY; n],
            step: vec![Vec::new(); n],
            whole: vec![vec![0.0; whole]; n],
            moments: Moments::of_batch(weights, ledger.len()),
            ledger,
        }
    }

    /// A row: look at what happened since the last one.
    ///
    /// # Errors
    /// As [`Batch::evolve`]; [`RunError::Numerics`] when a trajectory does not go the same way again.
    pub fn row(&mut self, batch: &B, moment: &Moment, weights: &[f64]) -> Result<(), RunError> {
        let number = moment.cycle as usize * self.problem.protocol.steps.len() + moment.step;
        if number >= self.next {
            self.sudden(number, weights)?;
            (self.next, self.start) = (number + 1, moment.time - moment.since);
            let own = 2 + self.ledger.drives + 2 * self.ledger.channels;
            self.step.iter_mut().for_each(|values| *values = vec![0.0; own]);
        } else {
            for k in 0..self.before.len() {
                self.follow(batch, k, moment)?;
            }
        }
        for k in 0..self.before.len() {
            let energy = batch.whole_energy(k);
            // Pulses have changed it by what they were found to.
            if moment.since > 0.0 {
                self.step[k][0] += energy - self.energy[k];
            }
            (self.energy[k], self.before[k]) = (energy, batch.alone(k));
        }
        self.since = moment.since;
        Ok(())
    }

    /// The end of a timed step.
    pub fn step_end(&mut self, batch: &B, span: &Span, weights: &[f64]) {
        let (first, drives, channels) =
            (self.ledger.of_step(span.cycle, span.step), self.ledger.drives, self.ledger.channels);
        let heat = 2 + drives;
        for (k, values) in self.step.iter_mut().enumerate() {
            for (c, (count, flow)) in batch.counts(k).iter().zip(&self.ledger.flows[span.step]).enumerate() {
                values[heat + channels + c] = if flow.is_finite() { *count as f64 * flow } else { 0.0 };
            }
        }
        let of = |at: usize| self.step.iter().map(|values| values[at]).collect::<Vec<f64>>();
        for at in 0..heat + 2 * channels {
            self.moments.set(first + at, &of(at), weights);
        }
        for (values, whole) in self.step.iter().zip(&mut self.whole) {
            let (work, carried) = (4, 4 + self.ledger.work.len());
            let flows = carried + self.ledger.heat.len();
            values[1..heat].iter().zip(&mut whole[work..]).for_each(|(value, sum)| *sum += value);
            values[heat..][..channels].iter().zip(&mut whole[carried..]).for_each(|(value, sum)| *sum += value);
            values[heat + channels..].iter().zip(&mut whole[flows..]).for_each(|(value, sum)| *sum += value);
        }
    }

    /// What is there to keep of all trajectories, and of each one, once they are through.
    ///
    /// # Errors
    /// As [`Batch::begin`].
    pub fn finish(mut self, shots: Option<&mut Shots>, weights: &[f64]) -> Result<Audited, RunError> {
        let all = self.problem.protocol.repeat as usize * self.problem.protocol.steps.len();
        self.sudden(all, weights)?;
        let (work, heat) = (self.ledger.work.len(), self.ledger.heat.len());
        let mut residual = 0.0;
        for ((whole, energy), started) in self.whole.iter_mut().zip(&self.energy).zip(&self.started) {
            whole[0] = energy - started;
            whole[1] = whole[4..][..work].iter().sum();
            whole[2] = whole[4 + work..][..heat].iter().sum();
            whole[3] = whole[4 + work + heat..].iter().sum();
            let left = (whole[0] - whole[1] - whole[2]).abs();
            // NaN is to be seen.
            residual = if left > residual || left.is_nan() { left } else { residual };
        }
        let first = self.ledger.whole();
        for at in 0..self.ledger.len() - first {
            let of: Vec<f64> = self.whole.iter().map(|whole| whole[at]).collect();
            self.moments.set(first + at, &of, weights);
        }
        if let Some(shots) = shots {
            shots.work = self.whole.iter().flat_map(|whole| &whole[4..][..work]).copied().collect();
            shots.heat = self.whole.iter().flat_map(|whole| &whole[4 + work..][..heat]).copied().collect();
            if self.ledger.has_flow() {
                shots.entropy_flow = self.whole.iter().map(|whole| whole[3]).collect();
            }
        }
        Ok(Audited { moments: self.moments, residual })
    }

    /// Pulses, gates and resets up to step number `until` over all cycles, one by one.
    fn sudden(&mut self, until: usize, weights: &[f64]) -> Result<(), RunError> {
        let steps = self.problem.protocol.steps.len();
        for number in self.next..until {
            let (cycle, step) = ((number / steps) as u64, number % steps);
            let Some(source) = self.ledger.sudden[step] else { continue };
            let reset = matches!(self.problem.protocol.steps[step], Step::Reset { .. });
            let place = 4 + source + if reset { self.ledger.work.len() } else { 0 };
            let mut changes = Vec::with_capacity(self.before.len());
            for (k, here) in self.before.iter_mut().enumerate() {
                here.begin(step, 0.0)?;
                let energy = here.whole_energy(0);
                let change = energy - std::mem::replace(&mut self.energy[k], energy);
                self.whole[k][place] += change;
                changes.push(change);
            }
            self.moments.set(self.ledger.of_step(cycle, step), &changes, weights);
        }
        self.next = until;
        Ok(())
    }

    /// Follow trajectory `k` from the last row to this one.
    fn follow(&mut self, batch: &B, k: usize, moment: &Moment) -> Result<(), RunError> {
        let (problem, step) = (self.problem, moment.step);
        let clicks = batch.clicks(k);
        let clicks = &clicks[clicks.partition_point(|click| click.time <= self.since)..];
        let mut values = std::mem::take(&mut self.step[k]);
        let sources = 1 + self.ledger.drives + self.ledger.channels;
        let (mut here, mut energy) = (self.before[k].clone(), self.energy[k]);
        let heat = 2 + self.ledger.drives;
        if !here.energy_rates(0, step, (self.start, self.since), &mut vec![0.0; sources]) {
            // On the ladder everything happens at jumps, whose times are the same to the last bit.
            for click in clicks {
                here.evolve(step, click.time)?;
                let after = here.whole_energy(0);
                values[heat + click.channel] += after - std::mem::replace(&mut energy, after);
            }
            self.step[k] = values;
            return Ok(());
        }
        let envelopes = problem.changing(step);
        let mut walk = Walk {
            envelopes: &envelopes,
            values: &mut values[1..1 + sources],
            length: &mut self.lengths[k],
            scale: self.scale,
            step,
            start: self.start,
            heat: heat - 1,
        };
        walk.follow(here, (self.since, moment.since), clicks, (batch, k))?;
        self.step[k] = values;
        Ok(())
    }
}

/// One trajectory between two rows.
struct Walk<'w> {
    envelopes: &'w [&'w Envelope],
    /// Work of the Hamiltonian and of each drive, and heat of each channel from number `heat` on.
    values: &'w mut [f64],
    length: &'w mut f64,
    scale: f64,
    step: usize,
    start: f64,
    heat: usize,
}

impl Walk<'_> {
    /// From `since` to `end`, where it is in `batch`, past these jumps.
    fn follow<B: Batch + Clone>(
        &mut self,
        mut here: B,
        (since, end): (f64, f64),
        clicks: &[Click],
        (batch, k): (&B, usize),
    ) -> Result<(), RunError> {
        let (mut now, mut first) = (since, 0);
        while first < clicks.len() {
            let mut passed = None;
            for beside in BESIDE {
                let d = beside * (end - since);
                // Jumps that cannot be told apart share what they change.
                let close =
                    clicks[first..].windows(2).take_while(|pair| pair[1].time - pair[0].time <= 2.0 * d).count();
                let together = &clicks[first..=first + close];
                let (low, high) = ((together[0].time - d).max(now), together[close].time + d);
                let at_end = (high >= end).then(|| batch.alone(k));
                match self.past(here.clone(), (now, low, high.min(end)), together, at_end) {
                    Ok(there) => {
                        passed = Some((there, high.min(end), first + close + 1));
                        break;
                    }
                    Err(Ended::Jumped) => {}
                    Err(Ended::Failed(error)) => return Err(error),
                }
            }
            let Some(found) = passed else { return Err(lost(clicks[first].time)) };
            (here, now, first) = found;
        }
        if now >= end {
            return Ok(());
        }
        // A jump right after the row may come right before it again.
        for beside in std::iter::once(0.0).chain(BESIDE) {
            let low = (end - beside * (end - since)).max(now);
            match self.smooth(here.clone(), (now, low)) {
                Ok((there, sums)) => {
                    self.add(&sums);
                    if low < end {
                        let rates = self.rates(&there, low);
                        self.add(&rates.iter().map(|rate| rate * (end - low)).collect::<Vec<f64>>());
                    }
                    return Ok(());
                }
                Err(Ended::Jumped) => {}
                Err(Ended::Failed(error)) => return Err(error),
            }
        }
        Err(lost(end))
    }

    /// The integrals up to `low`, shortly before jumps that are over at `high`, and what these change.
    fn past<B: Batch + Clone>(
        &mut self,
        here: B,
        (now, low, high): (f64, f64, f64),
        clicks: &[Click],
        at_end: Option<B>,
    ) -> Result<B, Ended> {
        let counted = here.counts(0).to_vec();
        let (there, mut sums) = self.smooth(here, (now, low))?;
        let (energy, before) = (there.whole_energy(0), self.rates(&there, low));
        let after = match at_end {
            Some(batch) => batch,
            None => {
                let mut after = there;
                after.evolve(self.step, high)?;
                after
            }
        };
        let expected = |c: usize| counted[c] + clicks.iter().filter(|click| click.channel == c).count() as u64;
        if after.counts(0).iter().enumerate().any(|(c, count)| *count != expected(c)) {
            return Err(Ended::Jumped);
        }
        let (first, last) = (clicks[0].time, clicks[clicks.len() - 1].time);
        let mut change = after.whole_energy(0) - energy;
        for ((sum, before), after) in sums.iter_mut().zip(before).zip(self.rates(&after, high)) {
            let beside = before * (first - low) + after * (high - last);
            change -= beside;
            *sum += beside;
        }
        for click in clicks {
            sums[self.heat + click.channel] += change / clicks.len() as f64;
        }
        self.add(&sums);
        Ok(after)
    }

    /// Without a jump; the state at the end, and the integrals.
    fn smooth<B: Batch + Clone>(&mut self, here: B, (now, until): (f64, f64)) -> Result<(B, Vec<f64>), Ended> {
        let mut sums = vec![0.0; self.values.len()];
        let (jumps, counted) = (jumps(&here), sums.len());
        let stretch = Stretch { here, step: self.step, start: self.start, envelopes: self.envelopes, jumps };
        let there = integrate(stretch, (now, until), (self.scale, counted), self.length, &mut sums)?;
        Ok((there.here, sums))
    }

    fn rates<B: Batch>(&self, here: &B, now: f64) -> Vec<f64> {
        let mut rates = vec![0.0; self.values.len()];
        here.energy_rates(0, self.step, (self.start, now), &mut rates);
        rates
    }

    fn add(&mut self, sums: &[f64]) {
        self.values.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
    }
}

fn lost(time: f64) -> RunError {
    let reason = format!("at t = {time} of its step a trajectory that is followed again does not jump where it did");
    RunError::Numerics { method: "the audit", reason }
}
