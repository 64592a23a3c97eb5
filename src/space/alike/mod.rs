//! Permutation symmetry of problems that are given as matrices: two-level factors that no operator and no state tells apart
//! are one ensemble, so that blocks are of spins J. The equation is the same (`docs/physics.md` §2.2); jump operators of
//! single cells become those of an ensemble, which do not say which cell jumps.

mod jumps;
mod start;
mod words;

use super::blocks::{Blocks, Style};
use super::choose::Representation;
use crate::problem::{
    Channel, Drive, Envelope, Initial, Joint, JointState, Kind, Linear, ObservableId, OpSum, Problem, Quantity, Reach,
    Record, Step, Subsystem, SubsystemId,
};
use jumps::{Family, Kossakowski, lone, shared, with_operator};
use start::Start;
use std::sync::Arc;
use words::{Groups, Sum, is_cell, is_even, largest, read};

/// Up to so many states the blocks of both are compared, beyond them those of spins are smaller.
const MOST_COMPARED: f64 = 1024.0;
/// Most cells in a group.
const MOST_CELLS: usize = 60;

/// A problem with ensembles in place of factors that are alike.
#[derive(Clone, Debug)]
pub struct Ensembles {
    /// The problem.
    pub problem: Problem,
    /// Whether single trajectories are what they were, channel by channel, and not averages alone: where each jump operator,
    /// each observable and each state of the mixture at the start is symmetric by itself.
    pub same_runs: bool,
}

/// The same problem with ensembles, where that is smaller and the representation asked for allows it. `None` where no factors
/// are alike, where states or anything but means of observables are asked for, and where an operator is a sum of products over
/// more than four cells.
pub fn ensembles(problem: &Problem, requested: Option<Representation>) -> Option<Ensembles> {
    if !problem.by_pattern || matches!(requested, Some(Representation::Sectors | Representation::Full)) {
        return None;
    }
    let found = Equation::read(problem)?.reduced()?;
    let states = problem.subsystems.iter().map(|part| part.ln_dimension()).sum::<f64>().exp();
    let first = |problem: &Problem, spins: bool| {
        Blocks::compile(problem, Style { spins, charges: true }).ok().map(|blocks| blocks.first_size())
    };
    let larger = || first(problem, false).is_some_and(|old| first(&found.problem, true).is_none_or(|new| new > old));
    let larger = states <= MOST_COMPARED && requested.is_none() && larger();
    (!larger).then_some(found)
}

/// Whether means of observables, and jumps, are all that is asked, of a protocol that only evolves.
fn asks_for_means(problem: &Problem) -> bool {
    let known = |q: &Quantity| matches!(q, Quantity::Expect(_) | Quantity::Jumps(_));
    problem.quantities.iter().all(known)
        && problem.protocol.steps.iter().all(|step| matches!(step, Step::Evolve { .. }))
        && problem.kept_states.is_empty()
        && problem.chosen.is_empty()
        && problem.battery_hamiltonian.is_none()
        && problem.at_most.is_none()
        && problem.record == Record::default()
}

/// In which timed steps a drive or channel is on.
fn on(problem: &Problem, of: impl Fn(&Step) -> Option<bool>) -> Vec<bool> {
    problem.protocol.steps.iter().filter_map(of).collect()
}

/// What drives that are added up have in common: their function, and the steps in which they are on.
type DriveKey<'a> = (&'a Envelope, Vec<bool>);
/// The same of jump operators: the function of the rate, that of the whole operator, and the steps.
type FamilyKey<'a> = (&'a Option<Envelope>, Option<&'a Envelope>, Vec<bool>);

/// A problem in words.
struct Equation<'a> {
    problem: &'a Problem,
    hamiltonian: Sum,
    /// Drives with one function of time, as the number of the first of them and their sum.
    drives: Vec<(usize, Sum)>,
    /// Jump operators with functions of time inside, part by part.
    modulated: Vec<(usize, Vec<Sum>)>,
    families: Vec<Family>,
    observables: Vec<Sum>,
    start: Start,
}

impl<'a> Equation<'a> {
    fn read(problem: &'a Problem) -> Option<Self> {
        let cells = (0..problem.subsystems.len()).filter(|s| is_cell(problem, *s)).count();
        if cells < 2 || !asks_for_means(problem) {
            return None;
        }
        let mut drives: Vec<(DriveKey, (usize, Sum))> = Vec::new();
        for (d, Drive { operator, envelope, .. }) in problem.drives.iter().enumerate() {
            let sum = read(problem, operator, 1.0)?;
            let when = on(problem, |step| match step {
                Step::Evolve { driven, .. } => driven.get(d).copied(),
                _ => None,
            });
            match drives.iter_mut().find(|(key, _)| *key == (envelope, when.clone())) {
                Some((_, (_, all))) => sum.into_iter().for_each(|(word, c)| *all.entry(word).or_default() += c),
                None => drives.push(((envelope, when), (d, sum))),
            }
        }
        let mut families: Vec<(FamilyKey, Family)> = Vec::new();
        let mut modulated = Vec::new();
        for (c, channel) in problem.channels.iter().enumerate() {
            if channel.reach != Reach::Collective {
                return None;
            }
            let own = |operator: &OpSum| read(problem, operator, channel.rate.sqrt());
            let function = lone(channel);
            if function.is_none() && !channel.modulated.is_empty() {
                let all = [&channel.operator].into_iter().chain(channel.modulated.iter().map(|(_, sum)| sum));
                modulated.push((c, all.map(own).collect::<Option<_>>()?));
                continue;
            }
            let when = on(problem, |step| match step {
                Step::Evolve { active, .. } => active.get(c).copied(),
                _ => None,
            });
            let sum = own(channel.modulated.first().map_or(&channel.operator, |(_, part)| part))?;
            let key = (&channel.envelope, function, when);
            let place = families.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                families.push((key, Family::default()));
                families.len() - 1
            });
            families[place].1.channels.push(c);
            families[place].1.sums.push(sum);
        }
        let observables = problem.observables.iter().map(|named| read(problem, &named.operator, 1.0));
        Some(Self {
            problem,
            hamiltonian: read(problem, &problem.hamiltonian, 1.0)?,
            drives: drives.into_iter().map(|(_, drive)| drive).collect(),
            modulated,
            families: families.into_iter().map(|(_, family)| family).collect(),
            observables: observables.collect::<Option<_>>()?,
            start: Start::new(problem)?,
        })
    }

    /// The cells that no exchange tells apart: exchanges of two make up all others, so each cell is compared with the first
    /// of each group.
    fn groups(&mut self) -> Option<Groups> {
        let dissipators = self.families.iter().map(Kossakowski::new).collect::<Option<Vec<_>>>()?;
        let Self { problem, hamiltonian, drives, modulated, start, .. } = self;
        let mut alike = |pair: (usize, usize)| {
            is_even(hamiltonian, pair)
                && drives.iter().all(|(_, sum)| is_even(sum, pair))
                && modulated.iter().flat_map(|(_, sums)| sums).all(|sum| is_even(sum, pair))
                && dissipators.iter().all(|g| g.is_even(pair))
                && start.is_even(pair)
        };
        let mut members: Vec<Vec<usize>> = Vec::new();
        for cell in (0..problem.subsystems.len()).filter(|s| is_cell(problem, *s)) {
            match members.iter_mut().find(|group| group.len() < MOST_CELLS && alike((group[0], cell))) {
                Some(group) => group.push(cell),
                None => members.push(vec![cell]),
            }
        }
        members.retain(|group| group.len() > 1);
        let of = (0..problem.subsystems.len()).map(|s| members.iter().position(|group| group.contains(&s)));
        let of = of.collect();
        (!members.is_empty()).then_some(Groups { members, of })
    }

    fn reduced(mut self) -> Option<Ensembles> {
        let groups = self.groups()?;
        let problem = self.problem;
        // Each group stands where its first cell did.
        let first = |s: usize| groups.of[s].map_or(s, |group| groups.members[group][0]);
        let kept: Vec<usize> = (0..problem.subsystems.len()).filter(|s| first(*s) == *s).collect();
        let number = |s: usize| kept.iter().position(|k| *k == first(s)).map(SubsystemId::new);
        let place: Vec<SubsystemId> = (0..problem.subsystems.len()).map(number).collect::<Option<_>>()?;
        let collective = |sum: &Sum| groups.collective(sum, &place);

        let mut new = problem.clone();
        new.by_pattern = false;
        new.subsystems = kept.iter().map(|s| self.subsystem(&groups, *s)).collect();
        new.battery = (0..kept.len()).map(SubsystemId::new).collect();
        new.initial = vec![Initial::Joint(0); kept.len()];
        new.tilt = vec![0.0; kept.len()];
        let kets = self.start.on_spins(&groups, &kept)?;
        new.joint = vec![Joint { over: new.battery.clone(), state: JointState::Spins(Arc::new(kets)) }];

        let drive = |(d, sum): &(usize, Sum)| Some(Drive { operator: collective(sum)?, ..problem.drives[*d].clone() });
        new.drives = self.drives.iter().map(drive).collect::<Option<_>>()?;
        // With the channel whose steps each is on in.
        let mut channels: Vec<(usize, Channel)> = Vec::new();
        let mut same_runs = self.start.is_symmetric(&groups) && self.observables.iter().all(|sum| groups.keep(sum));
        for (c, sums) in &self.modulated {
            let mut channel = problem.channels[*c].clone();
            channel.rate = 1.0;
            channel.operator = collective(&sums[0])?;
            for (part, sum) in channel.modulated.iter_mut().zip(&sums[1..]) {
                part.1 = collective(sum)?;
            }
            channels.push((*c, channel));
        }
        let mut hamiltonian = self.hamiltonian.clone();
        for Family { channels: numbers, sums } in &self.families {
            let all: Vec<(&usize, &Sum)> = numbers.iter().zip(sums).collect();
            let (even, others): (Vec<_>, Vec<_>) = all.iter().copied().partition(|(_, sum)| groups.keep(sum));
            let of = |part: &[(&usize, &Sum)]| {
                shared(&part.iter().map(|(_, sum)| *sum).collect::<Vec<_>>(), &groups, &place)
            };
            // What is symmetric stays by itself, unless the others are jumps of cells only together with it.
            let (even, others, found) = match of(&others) {
                Some(found) => (even, others, found),
                None => (Vec::new(), all.clone(), of(&all)?),
            };
            for (c, sum) in even {
                channels.push((*c, with_operator(&problem.channels[*c], (collective(sum)?, Reach::Collective))));
            }
            if others.is_empty() {
                continue;
            }
            same_runs = false;
            let own = &problem.channels[*others[0].0];
            let always = on(problem, |step| match step {
                Step::Evolve { active, .. } => Some(active[*others[0].0]),
                _ => None,
            });
            if !found.hamiltonian.is_empty() && (own.changes() || always.contains(&false)) {
                return None;
            }
            found.hamiltonian.into_iter().for_each(|(word, c)| *hamiltonian.entry(word).or_default() += c);
            if found.jumps.len() > others.len() {
                return None; // of which there would be no names
            }
            for (jump, (c, _)) in found.jumps.into_iter().zip(others) {
                channels.push((*c, with_operator(&problem.channels[*c], jump)));
            }
        }
        if largest(&hamiltonian) > 0.0 && !groups.keep(&hamiltonian) {
            return None;
        }
        new.hamiltonian = collective(&hamiltonian)?;
        if !same_runs && problem.quantities.iter().any(|q| matches!(q, Quantity::Jumps(_))) {
            return None;
        }
        channels.sort_by_key(|(c, _)| *c);
        for step in &mut new.protocol.steps {
            if let Step::Evolve { active, driven, .. } = step {
                *active = channels.iter().map(|(c, _)| active[*c]).collect();
                *driven = self.drives.iter().map(|(d, _)| driven[*d]).collect();
            }
        }
        new.channels = channels.into_iter().map(|(_, channel)| channel).collect();
        for (index, (named, sum)) in new.observables.iter_mut().zip(&self.observables).enumerate() {
            named.operator = collective(sum)?;
            named.range = Some(Linear::Expect(ObservableId::new(index)).range(problem));
        }
        Some(Ensembles { problem: new.edit().build().ok()?, same_runs })
    }

    /// What a subsystem becomes.
    fn subsystem(&self, groups: &Groups, s: usize) -> Subsystem {
        let own = &self.problem.subsystems[s];
        let Some(group) = groups.of[s] else { return own.clone() };
        let cells = &groups.members[group];
        let names: Vec<&str> = cells.iter().map(|cell| self.problem.subsystems[*cell].name.as_str()).collect();
        Subsystem { name: names.join("+"), kind: Kind::Ensemble { cells: cells.len() as u64 }, ..own.clone() }
    }
}
