//! The exact rate equation dP(J, M)/dt of a problem whose state stays diagonal: no sampling.
//!
//! The weights are those of `docs/physics.md` §2.3 written in J and M, not the integer forms that the trajectories use, and
//! the ensembles, which nothing ties together here, are solved one by one.

mod fixed_point;

use super::contour::Contour;
use crate::battery::{Battery, DickeKey, ln_multiplicity};
use crate::error::RunError;
use crate::estimate::answers::{Answers, Columns, Estimate, Sided, exactly};
use crate::estimate::columns::battery_levels;
use crate::estimate::ergotropy;
use crate::levels::Levels;
use crate::problem::{Axis, Gate, Initial, Linear, Nonlinear, Part, Problem, SubsystemId, Varied};
use crate::protocol::{Evolve, Moment, Span, walk};
use crate::space::ladder::{Action, Jump, Ladder, LadderStep};
use crate::stop::Stop;
use crate::table::Table;
use sprs::{CsMat, TriMat};
use std::collections::BTreeMap;

/// Most states (J, M) of one ensemble that are solved: N = 800.
const MOST_STATES: u64 = 200_000;
/// Most cells of a battery of several ensembles whose joint ergotropy is evaluated.
const MOST_JOINT: usize = 5_000_000;
/// Absolute tolerance on probabilities.
const TOLERANCE: f64 = 1e-11;
/// Most nodes × states of all propagators with factors that are kept at a time: some 3 GB.
const MOST_KEPT: usize = 10_000_000;

/// All |J, M⟩ of N cells.
struct Space {
    cells: u64,
    /// (J, M) of each state.
    states: Vec<(f64, f64)>,
    /// Index of (J, −J) by N/2 − J.
    first: Vec<usize>,
}

impl Space {
    fn new(cells: u64) -> Self {
        let (mut states, mut first) = (Vec::new(), Vec::new());
        for pairs in 0..=cells / 2 {
            let two_j = cells - 2 * pairs;
            first.push(states.len());
            states.extend((0..=two_j).map(|up| (two_j as f64 / 2.0, up as f64 - two_j as f64 / 2.0)));
        }
        Self { cells, states, first }
    }

    fn index(&self, j: f64, m: f64) -> Option<usize> {
        let pairs = self.cells as f64 / 2.0 - j;
        let legal = pairs >= 0.0 && j >= 0.0 && m.abs() <= j;
        legal.then(|| self.first[pairs as usize] + (m + j) as usize)
    }

    fn excited(&self, m: f64) -> f64 {
        self.cells as f64 / 2.0 + m
    }

    fn start(&self, initial: &Initial) -> Vec<f64> {
        let n = self.cells as f64;
        let mut p = vec![0.0; self.states.len()];
        let mut pure = |j, m| {
            if let Some(index) = self.index(j, m) {
                p[index] = 1.0;
            }
        };
        match *initial {
            Initial::Ground => pure(n / 2.0, -n / 2.0),
            Initial::Excited => pure(n / 2.0, n / 2.0),
            Initial::Dicke { two_j, two_m } => pure(two_j as f64 / 2.0, two_m as f64 / 2.0),
            Initial::Cell { excited: 0.0, .. } => pure(n / 2.0, -n / 2.0),
            Initial::Cell { excited: 1.0, .. } => pure(n / 2.0, n / 2.0),
            Initial::Cell { excited, .. } => return self.start(&Initial::Thermal { ratio: excited / (1.0 - excited) }),
            // States of other kinds of subsystems: the ladder has refused them.
            Initial::Fock(_)
            | Initial::Coherent(_)
            | Initial::Populations(_)
            | Initial::Rotated { .. }
            | Initial::Joint(_)
            | Initial::Alone(_) => {}
            Initial::Thermal { ratio: 0.0 } => pure(n / 2.0, -n / 2.0),
            Initial::Thermal { ratio } => {
                for (p, &(j, m)) in p.iter_mut().zip(&self.states) {
                    let copies = ln_multiplicity(self.cells, (n / 2.0 - j) as u64);
                    *p = (copies + self.excited(m) * ratio.ln() - n * ratio.ln_1p()).exp();
                }
                let total: f64 = p.iter().sum();
                p.iter_mut().for_each(|p| *p /= total);
            }
        }
        p
    }

    /// Where `jump` leads from (J, M), with rates.
    fn targets(&self, jump: &Jump, j: f64, m: f64) -> [(f64, f64, f64); 3] {
        let half = self.cells as f64 / 2.0;
        let w = [
            if j > 0.0 { (half + j + 1.0) / (2.0 * j * (2.0 * j + 1.0)) } else { 0.0 },
            if j > 0.0 { (half + 1.0) / (2.0 * j * (j + 1.0)) } else { 0.0 },
            (half - j) / (2.0 * (j + 1.0) * (2.0 * j + 1.0)),
        ];
        let (v_squared, dm) = match jump.action {
            Action::LocalLower => {
                ([(j + m) * (j + m - 1.0), (j + m) * (j - m + 1.0), (j - m + 1.0) * (j - m + 2.0)], -1.0)
            }
            Action::LocalRaise => {
                ([(j - m) * (j - m - 1.0), (j - m) * (j + m + 1.0), (j + m + 1.0) * (j + m + 2.0)], 1.0)
            }
            Action::LocalDiagonal { change, .. } => {
                ([change * (j * j - m * m), 0.0, change * ((j + 1.0) * (j + 1.0) - m * m)], 0.0)
            }
            Action::CollectiveLower => return only(j, m - 1.0, jump.rate * (j + m) * (j - m + 1.0)),
            Action::CollectiveRaise => return only(j, m + 1.0, jump.rate * (j - m) * (j + m + 1.0)),
            Action::CollectiveDiagonal(..) => return only(j, m, 0.0),
        };
        [-1.0, 0.0, 1.0].map(|dj| {
            let i = (dj + 1.0) as usize;
            (j + dj, m + dm, jump.rate * w[i] * v_squared[i])
        })
    }

    /// Generator of the jumps, columns summing to zero.
    fn generator(&self, jumps: &[Jump]) -> CsMat<f64> {
        let size = self.states.len();
        let mut entries = TriMat::new((size, size));
        for (from, &(j, m)) in self.states.iter().enumerate() {
            let mut out = 0.0;
            for (j2, m2, rate) in jumps.iter().flat_map(|jump| self.targets(jump, j, m)) {
                if let Some(to) = self.index(j2, m2)
                    && to != from
                    && rate > 0.0
                {
                    entries.add_triplet(to, from, rate);
                    out += rate;
                }
            }
            entries.add_triplet(from, from, -out);
        }
        entries.to_csc()
    }

    fn mean(&self, p: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
        p.iter().zip(&self.states).map(|(p, &(j, m))| p * f(j, m)).sum()
    }

    fn flip(&self, p: &mut [f64]) {
        for (pairs, &first) in self.first.iter().enumerate() {
            p[first..=first + self.cells as usize - 2 * pairs].reverse();
        }
    }
}

/// A single target.
fn only(j: f64, m: f64, rate: f64) -> [(f64, f64, f64); 3] {
    [(j, m, rate), (j, m, 0.0), (j, m, 0.0)]
}

/// P of every ensemble at one row, and the mean jumps of each channel since the step began.
struct Snapshot<'a> {
    equation: &'a RateEquation<'a>,
    step: usize,
    p: &'a [Vec<f64>],
    jumps: &'a [f64],
}

impl Answers for Snapshot<'_> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        Some(Estimate::exact(self.equation.linear(self, of)))
    }

    fn variance(&self, of: Varied) -> Option<Estimate> {
        Some(Estimate::exact(match of {
            Varied::Energy => self.equation.energy_variance(self),
            Varied::Magnetisation(e) => self.equation.variance(self, e),
        }))
    }

    /// The ergotropy of the battery; the ladder has refused all else.
    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError> {
        let (Some((battery, levels)), Nonlinear::Ergotropy, Part::Battery) = (&self.equation.levels, what, of) else {
            return Ok(None);
        };
        Ok(Some(exactly(ergotropy::exact(battery, levels, &self.equation.joint(self.p)?))))
    }
}

/// A diagonal problem ready to be solved exactly.
pub struct RateEquation<'a> {
    problem: &'a Problem,
    ladder: Ladder,
    spaces: Vec<Space>,
    /// Propagators by (step, ensemble, bits of the interval, which sort as it does), made when first needed.
    propagators: BTreeMap<(usize, usize, u64), Contour>,
    /// How much of that these are.
    kept: usize,
    stop: Stop,
    /// The battery's levels, when a quantity needs them.
    levels: Option<(Battery, Levels)>,
}

impl<'a> RateEquation<'a> {
    /// Prepare `problem`.
    ///
    /// # Errors
    /// The ladder's reason if the state does not stay diagonal; [`RunError::TooLarge`] beyond 200,000 states.
    pub fn new(problem: &'a Problem) -> Result<Self, RunError> {
        let ladder = Ladder::compile(problem)?;
        for &cells in &ladder.cells {
            let states = (cells / 2 + 1) * (cells - cells / 2 + 1);
            if states > MOST_STATES {
                return Err(RunError::TooLarge {
                    what: format!("the rate equation of {cells} cells"),
                    needed: format!("{states} states (J, M)"),
                    limit: format!("{MOST_STATES}"),
                    advice: "sample it".into(),
                });
            }
        }
        let spaces = ladder.cells.iter().map(|&cells| Space::new(cells)).collect();
        let levels = problem.needs_state().then(|| battery_levels(problem)).transpose()?;
        Ok(Self { problem, ladder, spaces, propagators: BTreeMap::new(), kept: 0, stop: Stop::default(), levels })
    }

    /// The same, to be given up when `stop` is raised.
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Number of states (J, M), summed over the ensembles.
    pub fn states(&self) -> usize {
        self.spaces.iter().map(|space| space.states.len()).sum()
    }

    /// Every quantity at every row.
    ///
    /// # Errors
    /// When the propagator misses its tolerance.
    pub fn solve(&mut self) -> Result<Table, RunError> {
        let (protocol, stop) = (&self.problem.protocol, self.stop.clone());
        let mut state = State::new(self);
        walk(protocol, &stop, &mut state)?;
        Ok(state.columns.table())
    }

    /// The propagator of ensemble `e` over the interval from `from` to `until` in `step`.
    ///
    /// One made for another interval serves where the two differ by no more than the rounding of the times: evenly
    /// spaced rows share one.
    fn propagator(&mut self, step: usize, e: usize, from: f64, until: f64) -> Result<&Contour, RunError> {
        let (interval, rounding) = (until - from, 2.0 * f64::EPSILON * until);
        let near = (interval - rounding).max(0.0).to_bits()..=(interval + rounding).to_bits();
        let known = self.propagators.range((step, e, *near.start())..=(step, e, *near.end())).next();
        let key = known.map_or((step, e, interval.to_bits()), |(key, _)| *key);
        if known.is_none() {
            let (space, active) = (&self.spaces[e], self.jumps(step, e));
            let rates = |jump: &Jump| space.states.iter().map(|s| total_rate(space, jump, *s)).collect();
            let counted: Vec<Vec<f64>> = active.iter().map(rates).collect();
            let made = Contour::new(&space.generator(active), interval, &counted, TOLERANCE, &self.stop)?;
            let size = made.kept();
            if self.kept + size > MOST_KEPT {
                self.propagators.clear();
                self.kept = 0;
            }
            self.kept += size;
            self.propagators.insert(key, made);
        }
        Ok(&self.propagators[&key])
    }

    /// The jumps of ensemble `e` in `step`; none in a pulse.
    fn jumps(&self, step: usize, e: usize) -> &[Jump] {
        match &self.ladder.steps[step] {
            LadderStep::Evolve { jumps, .. } => &jumps[e],
            LadderStep::Flip(_) | LadderStep::Idle => &[],
        }
    }

    /// The states of an ensemble, and their probabilities at a row.
    fn at<'s>(&'s self, snapshot: &Snapshot<'s>, e: SubsystemId) -> (&'s Space, &'s [f64]) {
        (&self.spaces[e.index()], &snapshot.p[e.index()])
    }

    fn linear(&self, snapshot: &Snapshot, linear: Linear) -> f64 {
        match linear {
            Linear::Energy => {
                let of = |&(e, omega): &(SubsystemId, f64)| omega * self.linear(snapshot, Linear::Quanta(e));
                self.ladder.battery.iter().map(of).sum()
            }
            Linear::EnergyOf(e) => self.problem.subsystems[e].energy * self.linear(snapshot, Linear::Quanta(e)),
            Linear::Quanta(e) => {
                let (space, p) = self.at(snapshot, e);
                space.mean(p, |_, m| space.excited(m))
            }
            Linear::Bright(e) => {
                let (space, p) = self.at(snapshot, e);
                let half = space.cells as f64 / 2.0;
                space.mean(p, |j, _| f64::from(u8::from(j == half)))
            }
            Linear::BrightLoss(e) => self.spin_flow(snapshot, e, 0.0, -1.0),
            Linear::BrightReturn(e) => self.spin_flow(snapshot, e, 1.0, 1.0),
            Linear::EnergySpread | Linear::MagnetisationSpread(_) | Linear::TopLevel(_) | Linear::TopQuanta => 0.0,
            // The ladder refuses them.
            Linear::Expect(_) => f64::NAN,
            Linear::Magnetisation(e) => {
                let (space, p) = self.at(snapshot, e);
                space.mean(p, |_, m| m)
            }
            Linear::SpinSquared(e) => {
                let (space, p) = self.at(snapshot, e);
                space.mean(p, |j, _| j * (j + 1.0))
            }
            Linear::Released(only) if only.is_some_and(|only| only.index() != snapshot.step) => 0.0,
            Linear::Released(_) => {
                snapshot.jumps.iter().zip(&self.ladder.released).map(|(n, quantum)| n * quantum).sum()
            }
            Linear::Jumps(channel) => snapshot.jumps[channel.index()],
        }
    }

    /// Flow of probability from J = N/2 − `below` to J + `dj` through the jumps of the step.
    fn spin_flow(&self, snapshot: &Snapshot, e: SubsystemId, below: f64, dj: f64) -> f64 {
        let ((space, p), jumps) = (self.at(snapshot, e), self.jumps(snapshot.step, e.index()));
        let from = space.cells as f64 / 2.0 - below;
        let rate = |j: f64, m: f64| {
            let targets = jumps.iter().flat_map(|jump| space.targets(jump, j, m));
            targets.filter(|target| target.0 == j + dj).map(|target| target.2).sum::<f64>()
        };
        space.mean(p, |j, m| if j == from { rate(j, m) } else { 0.0 })
    }

    fn variance(&self, snapshot: &Snapshot, e: SubsystemId) -> f64 {
        let (space, p) = self.at(snapshot, e);
        let mean = space.mean(p, |_, m| m);
        space.mean(p, |_, m| (m - mean) * (m - mean))
    }

    fn energy_variance(&self, snapshot: &Snapshot) -> f64 {
        self.ladder.battery.iter().map(|&(e, omega)| omega * omega * self.variance(snapshot, e)).sum()
    }

    /// Joint probabilities of the battery's cells.
    fn joint(&self, p: &[Vec<f64>]) -> Result<Vec<(DickeKey, f64)>, RunError> {
        let mut joint: Vec<(Vec<(u64, u64)>, f64)> = vec![(Vec::new(), 1.0)];
        for &(e, _) in &self.ladder.battery {
            let all = self.spaces[e.index()].states.iter().zip(&p[e.index()]);
            let occupied: Vec<_> = all.filter(|(_, p)| **p > 0.0).collect();
            if joint.len() * occupied.len() > MOST_JOINT {
                return Err(RunError::TooLarge {
                    what: "the joint state of the battery's ensembles".into(),
                    needed: format!("{} cells", joint.len() * occupied.len()),
                    limit: format!("{MOST_JOINT}"),
                    advice: "leave ergotropy and efficiency out of the quantities".into(),
                });
            }
            let extend = |(states, weight): &(Vec<(u64, u64)>, f64)| {
                let (states, weight) = (states.clone(), *weight);
                let with = move |(&(j, m), p): (&(f64, f64), &f64)| {
                    let mut states = states.clone();
                    states.push(((2.0 * j) as u64, (j + m) as u64));
                    (states, weight * p)
                };
                occupied.iter().copied().map(with).collect::<Vec<_>>()
            };
            joint = joint.iter().flat_map(extend).collect();
        }
        Ok(joint.into_iter().map(|(states, p)| (self.ladder.keys.key(states), p)).collect())
    }
}

/// The probabilities on their way through the protocol, and what was read off them.
struct State<'e, 'a> {
    equation: &'e mut RateEquation<'a>,
    p: Vec<Vec<f64>>,
    jumps: Vec<f64>,
    columns: Columns<'a>,
}

impl<'e, 'a> State<'e, 'a> {
    fn new(equation: &'e mut RateEquation<'a>) -> Self {
        let p = equation.spaces.iter().zip(&equation.ladder.initial).map(|(s, i)| s.start(i)).collect();
        let jumps = vec![0.0; equation.problem.channels.len()];
        let columns = Columns::exact(equation.problem);
        Self { equation, p, jumps, columns }
    }
}

impl Evolve for State<'_, '_> {
    type Ended = RunError;

    /// Refused before: only rotations are known.
    fn unitary(&mut self, _: usize, _: &Gate) -> Result<(), RunError> {
        Ok(())
    }

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), RunError> {
        if let LadderStep::Flip(e) = self.equation.ladder.steps[step] {
            self.equation.spaces[e.index()].flip(&mut self.p[e.index()]);
        }
        Ok(())
    }

    /// The ladder has refused them.
    fn reset(&mut self, _: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        Ok(())
    }

    fn begin(&mut self, _: &Span) -> Result<(), RunError> {
        self.jumps.fill(0.0);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), RunError> {
        if until <= from {
            return Ok(());
        }
        for (e, p) in self.p.iter_mut().enumerate() {
            let means = self.equation.propagator(span.step, e, from, until)?.apply(p)?;
            for (jump, mean) in self.equation.jumps(span.step, e).iter().zip(means) {
                self.jumps[jump.channel] += mean;
            }
        }
        Ok(())
    }

    fn read(&mut self, moment: &Moment) -> Result<(), RunError> {
        let Self { equation, p, jumps, columns } = self;
        columns.read(&Snapshot { equation, step: moment.step, p, jumps }, moment.time)
    }
}

/// Rate of all jumps of a channel from (J, M), those that change nothing included.
fn total_rate(space: &Space, jump: &Jump, (j, m): (f64, f64)) -> f64 {
    let (excited, ground) = (space.excited(m), space.cells as f64 - space.excited(m));
    match jump.action {
        Action::CollectiveDiagonal(x, y) => {
            let part = |i: usize| x[i] * excited + y[i] * ground;
            jump.rate * (part(0) * part(0) + part(1) * part(1))
        }
        Action::LocalDiagonal { excited: x, ground: y, .. } => jump.rate * (x * excited + y * ground),
        _ => space.targets(jump, j, m).iter().map(|target| target.2).sum(),
    }
}

#[cfg(test)]
mod tests;
