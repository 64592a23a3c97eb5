//! Work, heat and entropy of the averaged state: the power Tr i[H_k, H₀]ρ and the heat rate Tr H₀D_c[ρ], integrated over each
//! step, with the entropies of ρ at its ends (`docs/physics.md` §3.5).

use super::equation::Equation;
use super::held::Held;
use super::vectors::Vectors;
use crate::dense::eigen;
use crate::error::RunError;
use crate::estimate::audit::Audit;
use crate::estimate::counting::Cumulant;
use crate::estimate::quadrature::{Path, integrate};
use crate::problem::{Account, AuditEntry, Axis, Envelope, Gate, Initial, Ledger, Problem, Step, SubsystemId};
use crate::protocol::{Evolve, Moment, Rows, Span, walk_cycle};
use crate::space::blocks::{Blocks, Shares, Style};
use crate::stop::Stop;
use faer::Mat;
use num_complex::Complex64;
use std::cell::RefCell;
use std::collections::HashMap;

/// Largest block whose eigenvalues are worked out for an entropy.
const MOST_STATES: usize = 1_500;

/// Every line of an audit of the averaged state, and the largest |ΔU − ΣW − ΣQ| of a step.
///
/// # Errors
/// When the problem does not fit this style, its blocks are too large, or `stop` is raised.
pub fn audit(problem: &Problem, style: Style, stop: &Stop) -> Result<(Vec<Audit>, f64), RunError> {
    let blocks = Blocks::compile(problem, style)?;
    match Vectors::new(&blocks, stop) {
        Some(vectors) => of_state(problem, vectors, stop),
        None => of_state(problem, Equation::new(&blocks, stop)?, stop),
    }
}

fn of_state<S: Held>(problem: &Problem, state: S, stop: &Stop) -> Result<(Vec<Audit>, f64), RunError> {
    let ledger = Ledger::new(problem);
    let (least, most) = problem.whole_energies();
    let entropy = entropy(&state);
    let mut audited = Audited {
        problem,
        numbers: vec![0.0; ledger.len()],
        entropies: Vec::new(),
        energy: 0.0,
        scale: most - least,
        residual: 0.0,
        shares: HashMap::new(),
        entropy,
        cycle: 0,
        ledger,
        state,
    };
    let (begun, disorder) = (mean(&audited.state), entropy);
    audited.energy = begun;
    for cycle in 0..problem.protocol.repeat {
        audited.cycle = cycle;
        walk_cycle(&problem.protocol, cycle, Rows::Skip, stop, &mut audited)?;
    }
    Ok(audited.lines(begun, disorder))
}

/// ⟨H₀⟩.
fn mean(state: &impl Held) -> f64 {
    let of = |(b, block): (usize, &std::sync::Arc<crate::space::blocks::Block>)| -> f64 {
        let elements = block.energy(state.blocks()).iter();
        elements.map(|(e, (i, j))| (e * state.element(b, j as usize, i as usize)).re).sum()
    };
    state.reached().iter().enumerate().map(of).sum()
}

/// −Tr ρ ln ρ of the whole state, equal copies of a block included; NaN where blocks are too large.
fn entropy(state: &impl Held) -> f64 {
    let mut sum = 0.0;
    for (b, block) in state.reached().iter().enumerate() {
        let d = block.dimension();
        let weight: f64 = (0..d).map(|i| state.element(b, i, i).re).sum();
        if weight == 0.0 {
            continue;
        }
        if d > MOST_STATES {
            return f64::NAN;
        }
        let rho = Mat::<Complex64>::from_fn(d, d, |i, j| state.element(b, i, j));
        let Ok((values, _)) = eigen(rho.as_ref()) else { return f64::NAN };
        sum -= values.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
        sum += weight * block.ln_copies(state.blocks());
    }
    sum
}

/// A state on its way, and the numbers so far.
struct Audited<'p, S> {
    problem: &'p Problem,
    state: S,
    ledger: Ledger,
    numbers: Vec<f64>,
    /// Changes of entropy, step by step over all cycles.
    entropies: Vec<f64>,
    energy: f64,
    entropy: f64,
    cycle: u64,
    scale: f64,
    residual: f64,
    /// Of each stage, block by block.
    shares: HashMap<usize, Vec<Vec<Shares>>>,
}

impl<S: Held> Audited<'_, S> {
    /// What was changed in no time is the work of a pulse or the heat of a reset.
    fn sudden(&mut self, step: usize) {
        let energy = mean(&self.state);
        let change = energy - std::mem::replace(&mut self.energy, energy);
        let at = self.ledger.of_step(self.cycle, step);
        self.numbers[at] = change;
        let heat = matches!(self.problem.protocol.steps[step], Step::Reset { .. });
        if let Some(source) = self.ledger.sudden[step] {
            let place = self.ledger.whole() + 4 + source + if heat { self.ledger.work.len() } else { 0 };
            self.numbers[place] += change;
        }
        let entropy = if heat { entropy(&self.state) } else { self.entropy };
        self.entropies.push(entropy - std::mem::replace(&mut self.entropy, entropy));
    }

    /// The lines of all numbers, entropies after those of their step; begun with this energy and entropy.
    fn lines(mut self, begun: f64, disorder: f64) -> (Vec<Audit>, f64) {
        let (first, work, heat) = (self.ledger.whole(), self.ledger.work.len(), self.ledger.heat.len());
        let sum = |numbers: &[f64]| numbers.iter().sum::<f64>();
        self.numbers[first] = self.energy - begun;
        self.numbers[first + 1] = sum(&self.numbers[first + 4..][..work]);
        self.numbers[first + 2] = sum(&self.numbers[first + 4 + work..][..heat]);
        self.numbers[first + 3] = sum(&self.numbers[first + 4 + work + heat..]);
        let [change, all_work, all_heat] = [0, 1, 2].map(|at| self.numbers[first + at]);
        self.residual = self.residual.max((change - all_work - all_heat).abs());
        let mut lines = Vec::new();
        let mut changes = self.entropies.iter();
        let entries = self.ledger.entries(self.problem);
        for (index, (entry, value)) in entries.iter().zip(&self.numbers).enumerate() {
            // Where no jump is made nothing flows, whatever one would bring.
            let value = if entry.per_jump.is_finite() || *value == 0.0 { *value } else { entry.per_jump };
            lines.push(exactly(entry.clone(), value));
            // The entropies of a step stand behind its flows, or behind its change of energy.
            let last = entries.get(index + 1).is_none_or(|next| next.at != entry.at);
            let Some(at) = entry.at.filter(|_| last) else { continue };
            let Some(change) = changes.next().copied() else { continue };
            let flow = |line: &&Audit| line.entry.account == Account::EntropyFlow && line.entry.at == Some(at);
            let flows: f64 =
                lines.iter().rev().take(self.ledger.channels).filter(flow).map(|line| line.mean.value).sum();
            let reset = matches!(self.problem.protocol.steps[at.1.index()], Step::Reset { .. });
            let production = if reset { f64::NAN } else { change + flows };
            lines.push(exactly(AuditEntry::of_all(Account::Entropy, Some(at)), change));
            lines.push(exactly(AuditEntry::of_all(Account::Production, Some(at)), production));
        }
        let change = self.entropy - disorder;
        let produced = |line: &&Audit| line.entry.account == Account::Production;
        let production: f64 = lines.iter().filter(produced).map(|line| line.mean.value).sum();
        lines.push(exactly(AuditEntry::of_all(Account::Entropy, None), change));
        lines.push(exactly(AuditEntry::of_all(Account::Production, None), production));
        (lines, self.residual)
    }
}

fn exactly(entry: AuditEntry, value: f64) -> Audit {
    let nothing = f64::NAN;
    Audit { entry, mean: Cumulant { value, se: nothing, interval: (nothing, nothing) }, std: nothing }
}

impl<S: Held> Evolve for Audited<'_, S> {
    type Ended = RunError;

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), RunError> {
        self.state.pulse(step)?;
        self.sudden(step);
        Ok(())
    }

    fn unitary(&mut self, step: usize, _: &Gate) -> Result<(), RunError> {
        self.state.pulse(step)?;
        self.sudden(step);
        Ok(())
    }

    fn reset(&mut self, step: usize, _: SubsystemId, _: &Initial) -> Result<(), RunError> {
        self.state.reset(step)?;
        self.sudden(step);
        Ok(())
    }

    fn begin(&mut self, span: &Span) -> Result<(), RunError> {
        self.state.begin(span.start);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, _: f64, until: f64) -> Result<(), RunError> {
        let stage = self.state.blocks().stage_of(span.step);
        if !self.shares.contains_key(&stage) {
            let made = self.state.reached().iter().map(|block| block.shares(self.state.blocks(), stage)).collect();
            self.shares.insert(stage, made);
        }
        let (drives, channels) = (self.ledger.drives, self.ledger.channels);
        let (exchanged, mut sums) = (1 + drives + channels, vec![0.0; 1 + drives + 2 * channels]);
        let (envelopes, kept, shares) = (self.problem.changing(span.step), self.state.keep(), &self.shares[&stage]);
        let state = RefCell::new(&mut self.state);
        let (start, envelopes) = (span.start, &envelopes[..]);
        let stretch = Stretch { state: &state, shares, kept, now: 0.0, stage, start, envelopes };
        let mut length = f64::INFINITY;
        let end = integrate(stretch, (0.0, until), (self.scale, exchanged), &mut length, &mut sums)?.kept;
        self.state.put(&end);
        let (energy, entropy) = (mean(&self.state), entropy(&self.state));
        let change = energy - std::mem::replace(&mut self.energy, energy);
        self.entropies.push(entropy - std::mem::replace(&mut self.entropy, entropy));
        let at = self.ledger.of_step(span.cycle, span.step);
        self.numbers[at] = change;
        self.residual = self.residual.max((change - sums[..exchanged].iter().sum::<f64>()).abs());
        let first = self.ledger.whole() + 4;
        let (carried, flows) =
            (first + self.ledger.work.len(), first + self.ledger.work.len() + self.ledger.heat.len());
        for (k, sum) in sums.iter().enumerate() {
            let (flow, place) = match k {
                _ if k <= drives => (1.0, first + k),
                _ if k < exchanged => (1.0, carried + k - 1 - drives),
                _ => (self.ledger.flows[span.step][k - exchanged], flows + k - exchanged),
            };
            // Of jumps that bring no definite entropy it is their number that is kept.
            let value = if flow.is_finite() { sum * flow } else { f64::from(u8::from(*sum > 0.0)) };
            self.numbers[at + 1 + k] = value;
            self.numbers[place] += value;
        }
        Ok(())
    }

    fn read(&mut self, _: &Moment) -> Result<(), RunError> {
        Ok(())
    }
}

/// The state at one time: pieces that are tried again begin there.
struct Stretch<'s, S: Held> {
    state: &'s RefCell<&'s mut S>,
    shares: &'s [Vec<Shares>],
    kept: S::Kept,
    now: f64,
    stage: usize,
    start: f64,
    envelopes: &'s [&'s Envelope],
}

impl<S: Held> Path for Stretch<'_, S> {
    type Ended = RunError;

    fn again(&self) -> Self {
        Self { kept: self.kept.clone(), ..*self }
    }

    fn go(&mut self, until: f64) -> Result<(), RunError> {
        let mut state = self.state.borrow_mut();
        state.put(&self.kept);
        state.evolve(self.stage, self.now, until)?;
        (self.kept, self.now) = (state.keep(), until);
        Ok(())
    }

    fn read(&self, now: f64, rates: &mut [f64]) {
        let mut state = self.state.borrow_mut();
        state.put(&self.kept);
        rates.fill(0.0);
        for (b, shares) in self.shares.iter().enumerate() {
            for Shares { source, envelope, operator } in shares {
                let elements = operator.iter().map(|(g, (i, j))| (g * state.element(b, j as usize, i as usize)).re);
                rates[*source] +=
                    2.0 * envelope.as_ref().map_or(1.0, |f| f.at(self.start, now)) * elements.sum::<f64>();
            }
        }
    }

    fn known(&self) -> f64 {
        let mut state = self.state.borrow_mut();
        state.put(&self.kept);
        mean(&**state)
    }

    fn smooth(&self, now: f64) -> f64 {
        self.envelopes.iter().map(|f| f.piece(self.start, now).length).fold(f64::INFINITY, f64::min)
    }
}
