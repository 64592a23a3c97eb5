//! What an audit of energy and entropy keeps an account of: which terms do work, which channels carry heat, which of them
//! reverse each other (`docs/physics.md` §3.5).

use super::{Acting, Channel, ChannelId, Envelope, Linear, OpSum, Problem, Step, StepId};
use num_complex::Complex64;

/// What a number of an audit is: energies in the unit of ω, entropies pure numbers (k_B = 1). U = ⟨H₀⟩ with H₀ = H_B +
/// Σωn over all that is no part of the battery (`docs/physics.md` §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// By how much U changes, ΣW + ΣQ (Eq. 3.6).
    Energy,
    /// W, what a term H_k of H (on average ∫Tr i\[H_k, H₀\]ρ dt), a pulse or a gate adds to it.
    Work,
    /// Q, what a channel c (on average ∫Tr H₀D_c\[ρ\] dt) or a reset adds to it.
    Heat,
    /// Entropy that the jumps of a channel bring to its surroundings, ΣΔs (Eq. 3.7).
    EntropyFlow,
    /// By how much the entropy −Tr ρ ln ρ of the averaged state of the whole system changes.
    Entropy,
    /// The sum of both, at least 0; NaN of a reset, and of a run with one.
    Production,
}

impl Account {
    /// How it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Energy => "energy_change",
            Self::Work => "work",
            Self::Heat => "heat",
            Self::EntropyFlow => "entropy_flow",
            Self::Entropy => "entropy_change",
            Self::Production => "entropy_production",
        }
    }
}

/// One number of an audit.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it is.
    pub account: Account,
    /// Of which term, pulse or channel; empty of all together.
    pub name: String,
    /// In which cycle and step; `None` of the whole run.
    pub at: Option<(u64, StepId)>,
    /// What each jump counts where it is an entropy flow: infinite of jumps that have no reverse, NaN where that is not
    /// defined.
    pub per_jump: f64,
    /// Whether there is nothing to it: a term or a channel that is off.
    pub off: bool,
}

impl Entry {
    /// Of all terms, pulses and channels together.
    pub fn of_all(account: Account, at: Option<(u64, StepId)>) -> Self {
        Self { account, name: String::new(), at, per_jump: 0.0, off: false }
    }
}

/// The numbers of an audit in their order: for each cycle and each step of it the change of energy and, of a timed one, work
/// of each term, heat of each channel and flow of each channel; then the same of the whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    /// What does work: the Hamiltonian, each drive, each pulse and gate, in this order.
    pub work: Vec<String>,
    /// What carries heat: each channel, then each reset.
    pub heat: Vec<String>,
    /// Number of drives.
    pub drives: usize,
    /// Number of channels.
    pub channels: usize,
    /// Of each step of a cycle, the entropy Δs that a jump of each channel brings to the surroundings
    /// (`docs/physics.md` §3.5, Eq. 3.7), one number a channel: 0 of one that is off, infinite without a reverse, NaN
    /// where it is not defined. Empty of a step that takes no time.
    pub flows: Vec<Vec<f64>>,
    /// Of each step of a cycle the number of its pulse or gate among [`work`](Self::work), or of its reset among
    /// [`heat`](Self::heat).
    pub sudden: Vec<Option<usize>>,
    /// Where the numbers of each step of a cycle begin.
    first: Vec<usize>,
    /// How many numbers a cycle has.
    of_cycle: usize,
    cycles: u64,
}

impl Ledger {
    /// Of a problem.
    pub fn new(problem: &Problem) -> Self {
        let names = problem.drives.iter().map(|drive| drive.name.clone());
        let mut work: Vec<String> = std::iter::once("hamiltonian".to_owned()).chain(names).collect();
        let mut heat: Vec<String> = problem.channels.iter().map(|channel| channel.name.clone()).collect();
        let (drives, channels) = (problem.drives.len(), problem.channels.len());
        let (mut flows, mut sudden, mut first, mut of_cycle) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let reverses = problem.reverses();
        for (at, step) in problem.protocol.steps.iter().enumerate() {
            let called = |list: &mut Vec<String>, what: &str| {
                list.push(format!("{what}_{at}"));
                Some(list.len() - 1)
            };
            sudden.push(match step {
                Step::Rotate { .. } => called(&mut work, "pulse"),
                Step::Unitary(_) => called(&mut work, "gate"),
                Step::Reset { .. } => called(&mut heat, "reset"),
                Step::Evolve { .. } => None,
            });
            first.push(of_cycle);
            match step {
                Step::Evolve { active, .. } => {
                    flows.push((0..channels).map(|c| problem.flow_per_jump(&reverses, c, active)).collect());
                    of_cycle += 2 + drives + 2 * channels;
                }
                _ => {
                    flows.push(Vec::new());
                    of_cycle += 1;
                }
            }
        }
        Self { work, heat, drives, channels, flows, sudden, first, of_cycle, cycles: problem.protocol.repeat }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.whole() + 4 + self.work.len() + self.heat.len() + self.channels
    }

    /// Whether there is none, which never happens.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The number of the change of energy in a step; those of its work, heat and flows follow.
    pub fn of_step(&self, cycle: u64, step: usize) -> usize {
        cycle as usize * self.of_cycle + self.first[step]
    }

    /// The number of the change of energy in the whole run; all work, all heat, all flow and then each of them follow.
    pub fn whole(&self) -> usize {
        self.cycles as usize * self.of_cycle
    }

    /// What each number is.
    pub fn entries(&self, problem: &Problem) -> Vec<Entry> {
        let mut all = Vec::with_capacity(self.len());
        let steps = &problem.protocol.steps;
        let entry =
            |account, name: &str, at, per_jump, off| Entry { account, name: name.to_owned(), at, per_jump, off };
        for cycle in 0..self.cycles {
            for (number, step) in steps.iter().enumerate() {
                let at = Some((cycle, StepId::new(number)));
                all.push(entry(Account::Energy, "", at, 0.0, false));
                let Step::Evolve { active, driven, .. } = step else { continue };
                let still = problem.hamiltonian.terms.is_empty();
                all.push(entry(Account::Work, &self.work[0], at, 0.0, still));
                let drives = self.work[1..].iter().zip(driven);
                all.extend(drives.map(|(name, on)| entry(Account::Work, name, at, 0.0, !on)));
                let off = |c: usize| !active[c] || problem.channels[c].rate == 0.0;
                let channels = || self.heat.iter().take(self.channels).enumerate();
                all.extend(channels().map(|(c, name)| entry(Account::Heat, name, at, 0.0, off(c))));
                let flow = |c: usize| self.flows[number][c];
                all.extend(channels().map(|(c, name)| entry(Account::EntropyFlow, name, at, flow(c), off(c))));
            }
        }
        // Of the whole run a channel is what it is where it is on.
        let flow = |c: usize| {
            let own = self.flows.iter().filter_map(|flows| flows.get(c).copied());
            own.reduce(|a, b| if a.abs() >= b.abs() || a.is_nan() { a } else { b }).unwrap_or(0.0)
        };
        let all_flow = match (0..self.channels).any(|c| flow(c) == f64::INFINITY) {
            true => f64::INFINITY,
            false => (0..self.channels).map(|c| 0.0 * flow(c)).sum(),
        };
        all.push(entry(Account::Energy, "", None, 0.0, false));
        all.push(entry(Account::Work, "", None, 0.0, false));
        all.push(entry(Account::Heat, "", None, 0.0, false));
        all.push(entry(Account::EntropyFlow, "", None, all_flow, self.channels == 0));
        let off = |c: usize| {
            let on = |step: &Step| matches!(step, Step::Evolve { active, .. } if active[c]);
            problem.channels[c].rate == 0.0 || !steps.iter().any(on)
        };
        let still = |k: usize| k == 0 && problem.hamiltonian.terms.is_empty();
        all.extend(self.work.iter().enumerate().map(|(k, name)| entry(Account::Work, name, None, 0.0, still(k))));
        let off = |c: usize| c < self.channels && off(c);
        all.extend(self.heat.iter().enumerate().map(|(c, name)| entry(Account::Heat, name, None, 0.0, off(c))));
        let channels = self.heat.iter().take(self.channels).enumerate();
        all.extend(channels.map(|(c, name)| entry(Account::EntropyFlow, name, None, flow(c), off(c))));
        all
    }

    /// Whether the entropy flow of all jumps of a trajectory is a number.
    pub fn has_flow(&self) -> bool {
        self.channels > 0 && self.flows.iter().flatten().all(|flow| flow.is_finite())
    }
}

impl Problem {
    /// The least and the greatest value of H₀: H_B and the energies of all that is no part of the battery. Of a
    /// Hamiltonian of the battery's own they are bounds, from its terms.
    pub fn whole_energies(&self) -> (f64, f64) {
        let others =
            self.subsystem_ids().filter(|e| !self.battery.contains(e)).map(|e| Linear::EnergyOf(e).range(self));
        let sum = |(a, b): (f64, f64), (c, d): (f64, f64)| (a + c, b + d);
        others.fold(Linear::Energy.range(self), sum)
    }

    /// Of each channel the one that reverses its jumps, L' = zL†, and ln of the ratio of their rates, r/(r'|z|²), r
    /// that of the channel itself (`docs/physics.md` §3.5, Eq. 3.7); `None` without a reverse. Both have constant rates
    /// above 0. A channel reverses one other at most, the first of the input; a self-adjoint one reverses itself.
    pub fn reverses(&self) -> Vec<Option<(ChannelId, f64)>> {
        let n = self.channels.len();
        let mut found: Vec<Option<(ChannelId, f64)>> = vec![None; n];
        for c in 0..n {
            if found[c].is_some() {
                continue;
            }
            for other in c..n {
                if found[other].is_none()
                    && let Some(z) = self.reversed_by(&self.channels[c], &self.channels[other])
                {
                    let ratio = if c == other {
                        0.0
                    } else {
                        (self.channels[c].rate / (self.channels[other].rate * z.norm_sqr())).ln()
                    };
                    found[c] = Some((ChannelId::new(other), ratio));
                    found[other] = Some((ChannelId::new(c), -ratio + 0.0));
                    break;
                }
            }
        }
        found
    }

    /// z of L' = zL†, if that is what they are and both have constant rates.
    fn reversed_by(&self, channel: &Channel, other: &Channel) -> Option<Complex64> {
        let plain = |c: &Channel| c.rate > 0.0 && !c.changes();
        if !plain(channel) || !plain(other) || channel.reach != other.reach {
            return None;
        }
        let acting = Acting::on_each(&self.subsystems, channel.reach.cells_of());
        let (reverse, own) = (channel.operator.adjoint().in_ladder_operators(), other.operator.in_ladder_operators());
        let first = reverse.terms.first()?;
        let same = own.terms.iter().find(|term| term.factors == first.factors)?;
        let z = same.coefficient / first.coefficient;
        let difference: OpSum = other.operator.clone() - channel.operator.adjoint() * z;
        acting.vanishes(&difference).then_some(z)
    }

    /// What changes with time in step number `step`.
    pub(crate) fn changing(&self, step: usize) -> Vec<&Envelope> {
        let Step::Evolve { active, driven, .. } = &self.protocol.steps[step] else { return Vec::new() };
        let drives = self.drives.iter().zip(driven).filter(|(_, on)| **on).map(|(drive, _)| &drive.envelope);
        let channels = self.channels.iter().zip(active).filter(|(_, on)| **on);
        let rates = channels.flat_map(|(channel, _)| channel.pairs.iter().map(|pair| &pair.envelope));
        drives.chain(rates).filter(|f| f.constant().is_none()).collect()
    }

    /// What one jump of channel number `c` brings to the surroundings in a step with these channels.
    fn flow_per_jump(&self, reverses: &[Option<(ChannelId, f64)>], c: usize, active: &[bool]) -> f64 {
        match reverses[c] {
            _ if !active[c] || self.channels[c].rate == 0.0 => 0.0,
            Some((reverse, flow)) if active[reverse.index()] => flow,
            None if self.channels[c].changes() => f64::NAN,
            _ => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Quantity, sm, sp, sx, sz};

    #[test]
    fn channels_that_reverse_each_other_are_found() {
        let mut p = Problem::builder("pairs");
        let b = p.ensemble("B", 3, 1.0);
        p.each("down", b, sm(b), 3.0).each("up", b, sp(b), 1.0).each("noise", b, sz(b), 0.5);
        p.collective("leak", sm(b), 2.0).collective("fill", sx(b) * 2.0 - sm(b) * 2.0, 0.5);
        p.each("lost", b, sm(b), 0.1).each("off", b, sp(b), 0.0);
        p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let found: Vec<Option<(usize, f64)>> =
            problem.reverses().into_iter().map(|of| of.map(|(c, flow)| (c.index(), flow))).collect();
        let ln3 = 3f64.ln();
        assert_eq!(found[..3], [Some((1, ln3)), Some((0, -ln3)), Some((2, 0.0))]);
        // 0.5·4 = 2: as strong as the other.
        assert_eq!(found[3..5], [Some((4, 0.0)), Some((3, 0.0))]);
        assert_eq!(found[5..], [None, None]);
        let ledger = Ledger::new(&problem);
        assert_eq!(ledger.flows[0], [ln3, -ln3, 0.0, 0.0, 0.0, f64::INFINITY, 0.0]);
        assert!(!ledger.has_flow());
        assert_eq!(ledger.entries(&problem).len(), ledger.len());
    }
}
