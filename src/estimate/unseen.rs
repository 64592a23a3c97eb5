//! What no trajectory has shown: how far a mean may be off because of events too rare to have been sampled.
//!
//! A standard error is as good as the number K of events behind it. With none it is 0, and no interval built on it holds.
//! K is a Poisson variate, and K ± 1.96√(K + 4) holds its expectation, whatever that is, in 94 % of all cases or more
//! (the four events more are those of A. Agresti and B. Coull, Am. Stat. 52, 119 (1998); of K = 0 the exact upper limit is
//! 3.69 events, F. Garwood, Biometrika 28, 437 (1936)). So every variance of a mean of n numbers gets four events more,
//! 4(b² + R²e^{−K})/n²: b is the size of the events seen, and R, which counts as long as next to none was, the most by
//! which two trajectories can differ. Where many events were seen this is nothing beside the variance itself.
//!
//! What is known without sampling needs none of it: while nothing random has happened yet, for counts of channels that are
//! off, and for numbers that all of H and of the jumps keep.

use super::averages::Averages;
use super::ergotropy::Bounded;
use super::interval::{Confidence, margins};
use super::sampled::student;
use crate::problem::{Axis, Channel, Gate, Initial, Linear, Op, OpSum, Problem, Reach, Step, SubsystemId, Varied};

/// Events that are added to those seen.
const MORE: f64 = 4.0;

/// Fewer events than about this many leave the size of the unseen ones open.
const FEW: f64 = 3.0;

/// The variance and the fourth central moment of some numbers, with their mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scatter {
    /// How many numbers.
    pub n: f64,
    /// Their mean.
    pub mean: f64,
    /// Σd²/n of the deviations d.
    pub square: f64,
    /// Σd³/n.
    pub third: f64,
    /// Σd⁴/n.
    pub fourth: f64,
}

impl Scatter {
    /// Of `n` numbers of which a part `p` is 1 and the rest 0.
    pub fn of_share(p: f64, n: f64) -> Self {
        let (q, pq) = (1.0 - p, p * (1.0 - p));
        Self { n, mean: p, square: pq, third: pq * (q - p), fourth: pq * (p.powi(3) + q.powi(3)) }
    }

    /// How many events make up the scatter of numbers that can differ by `span`: nμ₂²/μ₄, which is K for K equal ones among
    /// many numbers. What differs by rounding alone shows no event.
    pub fn events(&self, span: f64) -> f64 {
        let rounding = (1e-9 * self.mean.abs() + 1e-12 * span).powi(2);
        if self.fourth > 0.0 {
            self.n * (self.square * self.square / self.fourth) * (self.square / (self.square + rounding))
        } else {
            0.0
        }
    }

    /// By what factor the variance of the mean of numbers that are themselves means of many is too small because few events
    /// made them differ: of K events there are n/(μ₄/μ₂² − 3), and four more count. Normal numbers have 3 ± √(24/n) instead,
    /// which must not count.
    pub fn of_few(&self) -> f64 {
        let excess = if self.square > 0.0 { self.fourth / (self.square * self.square) - 4.0 } else { 0.0 };
        1.0 + MORE * excess.max(0.0) / self.n
    }

    /// What the unseen adds to the variance of the mean.
    fn unseen(&self, span: f64) -> f64 {
        let seen = if self.square > 0.0 { self.fourth / self.square } else { 0.0 };
        MORE * (seen + span * span * (-self.events(span)).exp()) / (self.n * self.n)
    }

    /// Standard error of the mean as the numbers seen have it; of a single one NaN.
    pub fn sampled_error(&self) -> f64 {
        if self.n > 1.0 { (self.square / (self.n - 1.0)).sqrt() } else { f64::NAN }
    }

    /// Standard error of the mean; of a single number as far as it can be off at all.
    pub fn error(&self, span: f64) -> f64 {
        let sampled = if self.n > 1.0 { self.square / (self.n - 1.0) } else { 0.0 };
        (sampled + self.unseen(span)).sqrt()
    }

    /// Standard error of the variance, in which each deviation counts squared; `sampled` is the one without the unseen, which
    /// happens to a share of all trajectories.
    fn variance_error(&self, sampled: f64, span: f64, share: f64) -> f64 {
        let seen = if self.square > 0.0 { self.fourth / self.square } else { 0.0 };
        let unseen = MORE * (seen * seen + span.powi(4) * (-self.events(span)).exp()) / (self.n * self.n);
        // NaN, of a single trajectory, knows nothing.
        (if sampled.is_nan() { 0.0 } else { sampled * sampled } + share * share * unseen).sqrt()
    }
}

/// Standard errors of the linear averages of a run.
#[derive(Clone, Debug)]
pub struct Errors<'a> {
    averages: Averages<'a>,
    linear: Vec<Linear>,
    /// Of each linear average, the most by which two trajectories can differ.
    spans: Vec<f64>,
    /// Its least and its greatest value.
    ranges: Vec<(f64, f64)>,
    known: Known,
    /// Standard errors that make an interval, of a normal mean and of one with so many trajectories.
    z: f64,
    t: f64,
}

impl<'a> Errors<'a> {
    /// Of what a run of `problem` has recorded.
    pub fn new(problem: &Problem, averages: Averages<'a>, confidence: Confidence) -> Self {
        let linear = problem.linear();
        let spans = linear.iter().map(|l| span(problem, *l)).collect();
        let ranges = linear.iter().map(|l| l.range(problem)).collect();
        let n = averages.effective();
        let z = confidence.errors(n);
        let t = if n > 1.0 { student(z, n - 1.0) } else { f64::INFINITY };
        Self { averages, linear, spans, ranges, known: Known::new(problem), z, t }
    }

    /// How many standard errors of a normal mean make an interval.
    pub fn z(&self) -> f64 {
        self.z
    }

    /// The interval of a number with this symmetric error.
    pub fn about(&self, value: f64, se: f64) -> (f64, f64) {
        let margin = if se == 0.0 { 0.0 } else { self.t * se };
        (value - margin, value + margin)
    }

    /// The interval of the mean of linear average number `average` at `row`.
    pub fn interval(&self, row: usize, average: usize) -> (f64, f64) {
        let index = row * self.spans.len() + average;
        let mean = self.averages.mean(index);
        if self.known.number(index) {
            return self.about(mean, self.mean(row, average));
        }
        let seen = self.averages.scatter(index);
        let (below, above) = margins(&seen, self.ranges[average], self.spans[average], self.t);
        let share = self.averages.share();
        (mean - share * below, mean + share * above)
    }

    /// Standard error of the mean of linear average number `average` at `row`.
    pub fn mean(&self, row: usize, average: usize) -> f64 {
        let index = row * self.spans.len() + average;
        if self.known.number(index) {
            known(self.averages.mean_error(index))
        } else {
            self.averages.share() * self.averages.scatter(index).error(self.spans[average])
        }
    }

    /// Standard error of the variance of an observable. Its parts between trajectories and within them may be correlated, so
    /// their errors are added. What was never seen adds at most R² to both parts together: it counts once, between them.
    pub fn variance_of(&self, row: usize, of: Varied) -> Option<f64> {
        let index = row * self.spans.len() + self.average(of.spread())?;
        let within = match self.known.number(index) {
            true => known(self.averages.mean_error(index)),
            false => self.averages.share() * self.averages.scatter(index).error(0.0),
        };
        Some(self.variance(row, self.average(of.mean())?) + within)
    }

    /// Where a linear average is recorded.
    pub fn average(&self, of: Linear) -> Option<usize> {
        self.linear.iter().position(|known| *known == of)
    }

    /// Standard error of the variance of linear average number `average` between trajectories.
    fn variance(&self, row: usize, average: usize) -> f64 {
        let index = row * self.spans.len() + average;
        let sampled = self.averages.variance_error(index);
        if self.known.number(index) {
            known(sampled)
        } else {
            self.averages.scatter(index).variance_error(sampled, self.spans[average], self.averages.share())
        }
    }

    /// Whether nothing random has happened before `row`, so that all trajectories are the same.
    pub fn certain(&self, row: usize) -> bool {
        self.known.certain[row]
    }
}

/// The error of a number that is known: what rounding makes of it, 0 for a single trajectory.
fn known(error: f64) -> f64 {
    if error.is_nan() { 0.0 } else { error }
}

impl Bounded {
    /// The same where all trajectories must be the same: one of them tells all.
    pub fn certain(self) -> Self {
        if !is_missing(self.below) && !is_missing(self.above) {
            return self;
        }
        let exactly = (self.value, 0.0);
        Self { se: 0.0, below: exactly, above: exactly, undersampled: false, ..self }
    }

    /// The same with what `n` trajectories may have missed of a quantity between `least` and `most`. As long as hardly any
    /// group of trajectories differs from the others, the value may be moved by what was not seen, over which a linear
    /// functional that supports the quantity has values that differ by `reach`. A side that could not be had is where the
    /// quantity's range ends.
    pub fn widened(self, (least, most): (f64, f64), reach: f64, n: f64) -> Self {
        let unseen = reach * (MORE * (-self.events).exp()).sqrt() / n;
        let side = |found: (f64, f64), end: f64| {
            if is_missing(found) { (end, 0.0) } else { (found.0, found.1.hypot(unseen)) }
        };
        let unknown = (most - least) / (2.0 * super::columns::Z95);
        let few = self.events < FEW || is_missing(self.below) || is_missing(self.above);
        Self {
            se: if self.se.is_nan() { unknown } else { self.se.hypot(unseen) },
            below: side(self.below, least),
            above: side(self.above, most),
            undersampled: self.undersampled || few,
            ..self
        }
    }
}

/// Whether an estimate or its error could not be had.
fn is_missing((estimate, error): (f64, f64)) -> bool {
    estimate.is_nan() || error.is_nan()
}

/// Most by which a linear average can differ between trajectories. Of jumps there is no most: one. Energy that is released
/// was in the battery.
pub(crate) fn span(problem: &Problem, linear: Linear) -> f64 {
    let (least, most) = match linear {
        Linear::BrightLoss(e) | Linear::BrightReturn(e) => (0.0, local_rate(problem, e)),
        Linear::Jumps(_) => (0.0, 1.0),
        Linear::Released(_) => Linear::Energy.range(problem),
        Linear::Energy
        | Linear::EnergySpread
        | Linear::EnergyOf(_)
        | Linear::Expect(_)
        | Linear::Quanta(_)
        | Linear::Magnetisation(_)
        | Linear::MagnetisationSpread(_)
        | Linear::SpinSquared(_)
        | Linear::Bright(_)
        | Linear::TopLevel(_)
        | Linear::TopQuanta => linear.range(problem),
    };
    most - least
}

/// Rate of the jumps on all single cells of an ensemble, at most: what a flow between its spins can be.
pub fn local_rate(problem: &Problem, e: SubsystemId) -> f64 {
    let size = |c: &Channel| {
        let terms = c.operator.in_ladder_operators().terms;
        terms.iter().map(|term| term.coefficient.norm()).sum::<f64>().powi(2)
    };
    let local = problem.channels.iter().filter(|c| c.reach == Reach::Each(e));
    problem.subsystems[e].cells() as f64 * local.map(|c| c.largest_rate() * size(c)).sum::<f64>()
}

/// What is known at each row without sampling.
#[derive(Clone, Debug)]
struct Known {
    /// Of each row, whether nothing random has happened.
    certain: Vec<bool>,
    /// Whether a linear average is known, index row·width + average.
    numbers: Vec<bool>,
}

impl Known {
    fn number(&self, index: usize) -> bool {
        self.numbers[index]
    }

    fn new(problem: &Problem) -> Self {
        let linear = problem.linear();
        let mut history = History::new(problem);
        let mut all = Self { certain: Vec::new(), numbers: Vec::new() };
        let mut push = |history: &History, step: usize, on: &[bool], rows: usize| {
            let known: Vec<bool> = linear.iter().map(|l| history.keeps(*l, step, on)).collect();
            for _ in 0..rows {
                all.certain.push(!history.chance);
                all.numbers.extend(&known);
            }
        };
        let off = vec![false; problem.channels.len()];
        for (step, entry) in (0..problem.protocol.repeat).flat_map(|_| problem.protocol.steps.iter().enumerate()) {
            match entry {
                Step::Rotate { subsystem, axis, angle } => history.rotate(*subsystem, *axis, *angle),
                Step::Unitary(gate) => history.gate(gate),
                Step::Reset { subsystem, state } => history.reset(*subsystem, state),
                Step::Evolve { rows, active, driven, .. } => {
                    push(&history, step, &off, rows.len().min(1));
                    let on: Vec<bool> =
                        problem.channels.iter().zip(active).map(|(c, on)| *on && c.rate > 0.0).collect();
                    history.evolve(&on, driven);
                    push(&history, step, &on, rows.len().saturating_sub(1));
                }
            }
        }
        all
    }
}

/// What may have happened so far.
struct History<'a> {
    problem: &'a Problem,
    /// Whether anything random.
    chance: bool,
    /// Of each subsystem, whether its quanta may differ from the number it started with.
    moved: Vec<bool>,
    /// Of each subsystem, whether J may differ from where it started.
    turned: Vec<bool>,
    /// Of H, each drive and each channel, the subsystems whose quanta it changes.
    by_h: Vec<bool>,
    by_drive: Vec<Vec<bool>>,
    by_channel: Vec<Vec<bool>>,
}

impl<'a> History<'a> {
    fn new(problem: &'a Problem) -> Self {
        let changed = |sum: &OpSum| problem.subsystem_ids().map(|e| changes_quanta(sum, e)).collect::<Vec<bool>>();
        let pure = |state: &Initial| match state {
            Initial::Joint(number) => problem.joint_is_pure(*number),
            other => is_pure(other),
        };
        Self {
            problem,
            chance: !problem.initial.iter().all(pure),
            moved: problem.initial.iter().map(|state| !has_definite_quanta(state)).collect(),
            turned: problem.initial.iter().map(|state| !is_pure(state)).collect(),
            by_h: changed(&problem.hamiltonian),
            by_drive: problem.drives.iter().map(|drive| changed(&drive.operator)).collect(),
            by_channel: problem.channels.iter().map(|channel| changed(&channel.whole())).collect(),
        }
    }

    fn rotate(&mut self, subsystem: SubsystemId, axis: Axis, angle: f64) {
        self.moved[subsystem.index()] |= axis != Axis::Z && angle != 0.0;
    }

    fn gate(&mut self, gate: &Gate) {
        for e in gate.over() {
            match gate {
                Gate::Exponential(generator) => self.moved[e.index()] |= changes_quanta(generator, e),
                Gate::Matrix { .. } => (self.moved[e.index()], self.turned[e.index()]) = (true, true),
            }
        }
    }

    /// What is thrown away may have been entangled with what stays.
    fn reset(&mut self, subsystem: SubsystemId, state: &Initial) {
        self.chance = true;
        self.moved[subsystem.index()] = !has_definite_quanta(state);
        self.turned[subsystem.index()] = !is_pure(state);
    }

    fn evolve(&mut self, on: &[bool], driven: &[bool]) {
        self.chance |= on.contains(&true);
        let drives = self.by_drive.iter().zip(driven).filter(|(_, on)| **on).map(|(by, _)| by);
        let channels = self.by_channel.iter().zip(on).filter(|(_, on)| **on).map(|(by, _)| by);
        for by in drives.chain(channels).chain([&self.by_h]) {
            self.moved.iter_mut().zip(by).for_each(|(moved, by)| *moved |= by);
        }
        for (channel, _) in self.problem.channels.iter().zip(on).filter(|(_, on)| **on) {
            if let Some(e) = channel.reach.cells_of() {
                self.turned[e.index()] = true;
            }
        }
    }

    /// Whether every trajectory must have the same `linear` during `step`, with these channels on since it began.
    fn keeps(&self, linear: Linear, step: usize, on: &[bool]) -> bool {
        let problem = self.problem;
        !self.chance
            || match linear {
                Linear::Energy | Linear::EnergySpread => {
                    problem.battery_hamiltonian.is_none() && problem.battery.iter().all(|e| !self.moved[e.index()])
                }
                Linear::EnergyOf(e)
                | Linear::Quanta(e)
                | Linear::Magnetisation(e)
                | Linear::MagnetisationSpread(e)
                | Linear::TopLevel(e) => !self.moved[e.index()],
                Linear::SpinSquared(e) | Linear::Bright(e) => !self.turned[e.index()],
                Linear::BrightLoss(e) | Linear::BrightReturn(e) => local_rate(problem, e) == 0.0,
                Linear::Released(only) => {
                    only.is_some_and(|only| only.index() != step)
                        || problem.channel_ids().zip(on).all(|(c, on)| !on || problem.released_per_jump(c) == 0.0)
                }
                Linear::Jumps(channel) => !on[channel.index()],
                Linear::Expect(_) | Linear::TopQuanta => false,
            }
    }
}

/// Whether a term of `sum` changes the quanta, or the level, of subsystem `e`.
fn changes_quanta(sum: &OpSum, e: SubsystemId) -> bool {
    sum.in_ladder_operators().terms.iter().filter(|term| term.coefficient.norm() > 0.0).any(|term| {
        let (mut change, mut other) = (0, false);
        for factor in term.factors.iter().filter(|f| f.subsystem == e) {
            match factor.op {
                Op::Lower | Op::Annihilate => change -= 1,
                Op::Raise | Op::Create => change += 1,
                Op::Transition(to, from) => other |= to != from,
                Op::X | Op::Y => other = true,
                Op::Z | Op::Number => {}
            }
        }
        change != 0 || other
    })
}

/// Whether there is nothing to draw.
fn is_pure(state: &Initial) -> bool {
    match state {
        Initial::Ground | Initial::Excited | Initial::Dicke { .. } | Initial::Fock(_) | Initial::Coherent(_) => true,
        Initial::Thermal { ratio } | Initial::Rotated { ratio, .. } => *ratio == 0.0,
        Initial::Cell { excited, coherence } => (excited * (1.0 - excited) - coherence.norm_sqr()).abs() <= 1e-12,
        Initial::Populations(levels) => levels.contains(&1.0),
        // J need not have one value.
        Initial::Joint(_) | Initial::Alone(_) => false,
    }
}

/// Whether every trajectory starts with the same number of quanta, or level, and stays with it until something changes it.
fn has_definite_quanta(state: &Initial) -> bool {
    match state {
        Initial::Ground | Initial::Excited | Initial::Dicke { .. } | Initial::Fock(_) => true,
        Initial::Thermal { ratio } => *ratio == 0.0,
        Initial::Cell { excited, .. } => *excited == 0.0 || *excited == 1.0,
        Initial::Populations(levels) => levels.contains(&1.0),
        Initial::Coherent(_) | Initial::Rotated { .. } | Initial::Joint(_) | Initial::Alone(_) => false,
    }
}

#[cfg(test)]
mod tests;
