//! Which cutoffs cut nothing: the largest number of quanta that a mode can ever hold, from what each term moves where.

use super::{AtMost, Axis, Gate, Initial, Joint, JointState, Kind, Op, OpSum, Problem, Step, SubsystemId, Term};
use num_complex::Complex64;
use std::collections::BTreeSet;

/// More kinds of moves than this are not looked at.
const MOST_MOVES: usize = 400;
/// Multi-level systems with more levels than this are not followed.
const MOST_LEVELS: usize = 64;

/// Where quanta can be: in a subsystem, or in one level of a multi-level system.
#[derive(Clone, Debug)]
struct Place {
    subsystem: SubsystemId,
    level: usize,
    /// Most that it can hold; infinite for a mode.
    room: f64,
    /// Least and most that it holds at the start.
    start: (f64, f64),
}

/// Something that adds up to `most` times `change` to the quanta of each place.
struct Move {
    change: Vec<f64>,
    most: f64,
}

impl Problem {
    /// Whether the kept Fock states of a mode hold all that can ever get there: its cutoff then changes nothing, and
    /// its highest level is as good as any other.
    pub fn cutoff_is_exact(&self, mode: SubsystemId) -> bool {
        match self.subsystems.get(mode.index()).map(|s| &s.kind) {
            Some(Kind::Mode { cutoff }) => self.most_quanta(mode) < *cutoff as f64 - 1e-6,
            _ => false,
        }
    }

    /// An upper bound of the quanta that a mode without a cutoff could hold at any time; infinite where nothing bounds
    /// them.
    ///
    /// Each term of H moves quanta back and forth by a fixed amount, each jump in one direction. How often is free, as
    /// long as no place holds less than nothing or more than it has room for: the bound is the solution of this linear
    /// programme, and the conserved or only lowered charges are its dual.
    pub fn most_quanta(&self, mode: SubsystemId) -> f64 {
        self.most(&|place| f64::from(u8::from(place.subsystem == mode)))
    }

    /// Whether nothing gets beyond the most quanta that are kept.
    pub fn at_most_is_exact(&self) -> bool {
        let Some(AtMost { quanta, of }) = &self.at_most else { return true };
        let weight = |place: &Place| match self.subsystems[place.subsystem].kind {
            Kind::Levels { .. } => place.level as f64,
            _ => 1.0,
        };
        let counted = |place: &Place| if of.contains(&place.subsystem) { weight(place) } else { 0.0 };
        self.most(&counted) <= *quanta as f64 + 1e-6
    }

    /// An upper bound of a weighted sum of what the places hold.
    fn most(&self, weight: &dyn Fn(&Place) -> f64) -> f64 {
        let Some(places) = self.places() else { return f64::INFINITY };
        if places.iter().all(|place| weight(place) == 0.0) {
            return f64::INFINITY;
        }
        let Some(moves) = self.moves(&places) else { return f64::INFINITY };
        let mut rows: Vec<(Vec<f64>, f64)> = Vec::new();
        let mut limit = |row: Vec<f64>, most: f64| {
            if most.is_finite() {
                rows.push((row, most));
            }
        };
        let of = |place: usize, sign: f64| moves.iter().map(|entry| sign * entry.change[place]).collect::<Vec<f64>>();
        for (p, place) in places.iter().enumerate() {
            limit(of(p, -1.0), place.start.1);
            limit(of(p, 1.0), place.room - place.start.1);
        }
        for (m, entry) in moves.iter().enumerate() {
            limit((0..moves.len()).map(|other| f64::from(u8::from(other == m))).collect(), entry.most);
        }
        let weights: Vec<f64> = places.iter().map(weight).collect();
        let gain = |entry: &Move| entry.change.iter().zip(&weights).map(|(by, w)| by * w).sum();
        let start: f64 = places.iter().zip(&weights).filter(|(_, w)| **w > 0.0).map(|(p, w)| p.start.1 * w).sum();
        start + largest(&moves.iter().map(gain).collect::<Vec<f64>>(), rows)
    }

    fn places(&self) -> Option<Vec<Place>> {
        let mut places = Vec::new();
        for (subsystem, (part, state)) in self.subsystem_ids().zip(self.subsystems.iter().zip(&self.initial)) {
            let levels = match &part.kind {
                Kind::Levels { energies } if energies.len() > MOST_LEVELS => return None,
                Kind::Levels { energies } => energies.len(),
                _ => 1,
            };
            let room = if let Kind::Mode { .. } = part.kind { f64::INFINITY } else { part.cells() as f64 };
            let place = |level| Place { subsystem, level, room, start: self.held(subsystem, state, level) };
            places.extend((0..levels).map(place));
        }
        Some(places)
    }

    /// Least and most quanta, or weight of one level, of a subsystem in a state that it starts in or is reset to.
    pub(super) fn held(&self, subsystem: SubsystemId, state: &Initial, level: usize) -> (f64, f64) {
        let part = &self.subsystems[subsystem];
        let alone = [subsystem];
        let (over, kets) = match state {
            Initial::Joint(number) => match self.joint.get(*number) {
                Some(Joint { over, state: JointState::Kets(kets) }) => (&over[..], kets),
                _ => return held(&part.kind, state, level),
            },
            Initial::Alone(JointState::Kets(kets)) => (&alone[..], kets),
            other => return held(&part.kind, other, level),
        };
        let holds = |state: Vec<(SubsystemId, usize)>| -> f64 {
            let own = state.iter().filter(|(e, _)| *e == subsystem).map(|(_, own)| *own);
            match part.kind {
                Kind::Levels { .. } => own.map(|own| f64::from(u8::from(own == level))).sum(),
                _ => own.sum::<usize>() as f64,
            }
        };
        let held = self.occupied(over, kets).map(holds);
        held.fold((f64::INFINITY, 0.0), |(lo, hi), held| (held.min(lo), held.max(hi)))
    }

    fn moves(&self, places: &[Place]) -> Option<Vec<Move>> {
        let mut free: BTreeSet<Vec<i64>> = BTreeSet::new();
        let mut forward: BTreeSet<Vec<i64>> = BTreeSet::new();
        let terms = |sum: &OpSum| -> Vec<Vec<i64>> {
            sum.in_ladder_operators().terms.iter().map(|term| change(places, term)).collect()
        };
        free.extend(terms(&self.hamiltonian));
        for drive in &self.drives {
            free.extend(terms(&drive.operator));
        }
        for step in &self.protocol.steps {
            if let Step::Unitary(Gate::Exponential(generator)) = step {
                free.extend(terms(generator));
            }
        }
        for channel in self.channels.iter().filter(|c| c.rate > 0.0) {
            let jumps = terms(&channel.whole());
            // L†L moves what two terms of L differ by, back and forth.
            let difference = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
            free.extend(jumps.iter().skip(1).map(|other| difference(other, &jumps[0])));
            forward.extend(jumps);
        }
        if free.len() + forward.len() > MOST_MOVES {
            return None;
        }
        let numbers = |change: &Vec<i64>, sign: f64| change.iter().map(|x| sign * *x as f64).collect::<Vec<f64>>();
        let moved = |change: &&Vec<i64>| change.iter().any(|x| *x != 0);
        let often = |change| Move { change, most: f64::INFINITY };
        let mut moves: Vec<Move> =
            free.iter().filter(moved).flat_map(|c| [often(numbers(c, 1.0)), often(numbers(c, -1.0))]).collect();
        moves.extend(forward.iter().filter(moved).map(|c| often(numbers(c, 1.0))));
        let at = |place: usize, by: f64| (0..places.len()).map(|p| if p == place { by } else { 0.0 }).collect();
        // What a place has less at the start than it may have.
        let range = |place: &Place| place.start.1 - place.start.0;
        let uncertain = places.iter().enumerate().filter(|(_, place)| range(place) > 0.0);
        moves.extend(uncertain.map(|(p, place)| Move { change: at(p, -1.0), most: range(place) }));
        let cycles = self.protocol.repeat as f64;
        for step in &self.protocol.steps {
            if let Step::Unitary(Gate::Matrix { over, .. }) = step {
                for (p, _) in places.iter().enumerate().filter(|(_, place)| over.contains(&place.subsystem)) {
                    moves.extend([often(at(p, 1.0)), often(at(p, -1.0))]);
                }
            }
            let (subsystem, fresh) = match step {
                Step::Evolve { .. } | Step::Unitary(_) => continue,
                Step::Rotate { axis: Axis::Z, .. } => continue,
                Step::Rotate { subsystem, .. } => (*subsystem, None),
                Step::Reset { subsystem, state } => (*subsystem, Some(state)),
            };
            for (p, place) in places.iter().enumerate().filter(|(_, place)| place.subsystem == subsystem) {
                let most = fresh.map_or(place.room, |state| self.held(subsystem, state, place.level).1);
                moves.extend([Move { change: at(p, 1.0), most: most * cycles }, often(at(p, -1.0))]);
            }
        }
        Some(moves)
    }
}

/// Least and most quanta of a state, or weight of one level.
fn held(kind: &Kind, state: &Initial, level: usize) -> (f64, f64) {
    let cells = match kind {
        Kind::Ensemble { cells } => *cells as f64,
        Kind::Network { cells, .. } => *cells as f64,
        Kind::Mode { .. } => f64::INFINITY,
        Kind::Levels { .. } => 1.0,
    };
    match (state, kind) {
        (Initial::Ground, Kind::Levels { .. }) if level == 0 => (1.0, 1.0),
        (Initial::Populations(p), _) => match p.get(level) {
            Some(weight) if *weight == 1.0 => (1.0, 1.0),
            Some(weight) if *weight == 0.0 => (0.0, 0.0),
            _ => (0.0, 1.0),
        },
        (Initial::Ground, _) => (0.0, 0.0),
        (Initial::Excited, _) => (cells, cells),
        (Initial::Dicke { two_m, .. }, _) => {
            let up = 0.5 * (cells + *two_m as f64);
            (up, up)
        }
        (Initial::Fock(n), _) => (*n as f64, *n as f64),
        (Initial::Coherent(alpha), _) if *alpha == Complex64::ZERO => (0.0, 0.0),
        (Initial::Thermal { ratio }, _) if *ratio == 0.0 => (0.0, 0.0),
        (Initial::Cell { excited, .. }, _) if *excited == 0.0 => (0.0, 0.0),
        (Initial::Cell { excited, .. }, _) if *excited == 1.0 => (cells, cells),
        _ => (0.0, cells),
    }
}

/// How much a product adds in each place.
fn change(places: &[Place], term: &Term) -> Vec<i64> {
    let mut change = vec![0; places.len()];
    for factor in &term.factors {
        let mut add = |level: usize, by: i64| {
            let place = places.iter().position(|p| p.subsystem == factor.subsystem && p.level == level);
            if let Some(place) = place {
                change[place] += by;
            }
        };
        match factor.op {
            Op::Lower | Op::Annihilate => add(0, -1),
            Op::Raise | Op::Create => add(0, 1),
            Op::Transition(to, from) => {
                add(to, 1);
                add(from, -1);
            }
            Op::Number | Op::Z | Op::X | Op::Y => {} // σx and σy are spelt with σ⁺ and σ⁻ here
        }
    }
    change
}

/// The largest `objective`·x with x ≥ 0 and row·x ≤ limit for every row, all limits ≥ 0: the simplex method, entering and
/// leaving by Bland's rule, which does not cycle. Infinite when there is none, or none was found.
fn largest(objective: &[f64], rows: Vec<(Vec<f64>, f64)>) -> f64 {
    const ROUNDING: f64 = 1e-9;
    const MOST_PIVOTS: usize = 10_000;
    let (width, height) = (objective.len(), rows.len());
    // Each row ends with its slack variables and its limit; the last one is the objective with its sign turned.
    let line = |row: &[f64], slack: Option<usize>, limit: f64| -> Vec<f64> {
        let slacks = (0..height).map(|r| f64::from(u8::from(slack == Some(r))));
        row.iter().copied().chain(slacks).chain([limit]).collect()
    };
    let mut table: Vec<Vec<f64>> =
        rows.iter().enumerate().map(|(r, (row, limit))| line(row, Some(r), *limit)).collect();
    let turned: Vec<f64> = objective.iter().map(|c| -c).collect();
    table.push(line(&turned, None, 0.0));
    let end = width + height;
    let mut basis: Vec<usize> = (width..end).collect();
    for _ in 0..MOST_PIVOTS {
        let Some(entering) = (0..end).find(|&v| table[height][v] < -ROUNDING) else { return table[height][end] };
        let ratio = |r: usize| table[r][end] / table[r][entering];
        let leaving = (0..height)
            .filter(|&r| table[r][entering] > ROUNDING)
            .min_by(|&a, &b| ratio(a).total_cmp(&ratio(b)).then(basis[a].cmp(&basis[b])));
        let Some(leaving) = leaving else { return f64::INFINITY };
        let pivot = table[leaving][entering];
        table[leaving].iter_mut().for_each(|x| *x /= pivot);
        let row = table[leaving].clone();
        for (_, other) in table.iter_mut().enumerate().filter(|(r, _)| *r != leaving) {
            let factor = other[entering];
            if factor != 0.0 {
                other.iter_mut().zip(&row).for_each(|(x, y)| *x -= factor * y);
            }
        }
        basis[leaving] = entering;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Envelope, ProblemBuilder, Quantity, a, ad, n, sm, sp, transition};

    const B: SubsystemId = SubsystemId::new(0);
    const A: SubsystemId = SubsystemId::new(1);

    /// `cells` cells exchange quanta with a mode of `cutoff` levels that starts in fock(`photons`).
    fn dicke(cells: u64, cutoff: usize, photons: usize) -> ProblemBuilder {
        let mut p = Problem::builder("cells and a mode");
        let b = p.ensemble("B", cells, 1.0);
        let m = p.subsystem("A", Kind::Mode { cutoff }, 1.0);
        p.initial(m, Initial::Fock(photons)).hamiltonian(ad(m) * sm(b) + a(m) * sp(b));
        p.observe([Quantity::Energy]);
        p
    }

    fn most(p: &ProblemBuilder) -> f64 {
        let mut p = p.clone();
        p.evolve("wait", 1.0, 1).build().unwrap().most_quanta(A)
    }

    #[test]
    fn a_conserved_or_lowered_charge_bounds_the_quanta() {
        let mut p = dicke(5, 6, 5);
        assert_eq!(most(&p), 5.0);
        p.collective("leak", a(A), 0.1).each("loss", B, sm(B), 0.2).each("dephasing", B, n(B), 0.3);
        assert_eq!(most(&p), 5.0);
        assert!(p.clone().evolve("wait", 1.0, 1).build().unwrap().cutoff_is_exact(A));
        assert!(
            !dicke(5, 5, 4).initial(B, Initial::Excited).evolve("wait", 1.0, 1).build().unwrap().cutoff_is_exact(A)
        );
        // Cells that may be excited at the start add what they hold.
        assert_eq!(most(dicke(5, 6, 5).initial(B, Initial::Dicke { two_j: 5, two_m: -1 })), 7.0);
        assert_eq!(most(dicke(5, 6, 5).initial(B, Initial::Thermal { ratio: 0.1 })), 10.0);
        // Counter-rotating terms alone keep the difference; beside the others nothing is kept.
        let counter = sp(B) * ad(A) + sm(B) * a(A);
        let mut p = Problem::builder("counter-rotating terms");
        let b = p.ensemble("B", 5, 1.0);
        let m = p.subsystem("A", Kind::Mode { cutoff: 6 }, 1.0);
        p.initial(b, Initial::Dicke { two_j: 5, two_m: -1 }).initial(m, Initial::Fock(2)).observe([Quantity::Energy]);
        assert_eq!(most(p.hamiltonian(counter.clone())), 5.0);
        assert_eq!(most(dicke(5, 6, 2).drive("counter", counter, Envelope::Constant(1.0))), f64::INFINITY);
    }

    #[test]
    fn what_adds_quanta_without_end_is_seen() {
        for pump in [ad(A) + a(A), sp(B) + sm(B)] {
            assert_eq!(most(dicke(3, 9, 0).hamiltonian(pump)), f64::INFINITY);
        }
        assert_eq!(most(dicke(3, 9, 0).collective("heat", ad(A), 0.1)), f64::INFINITY);
        assert_eq!(most(dicke(3, 9, 0).collective("off", ad(A), 0.0)), 0.0);
        assert_eq!(most(dicke(3, 9, 0).each("heat", B, sp(B), 0.1)), f64::INFINITY);
        assert_eq!(most(dicke(3, 9, 0).initial(A, Initial::Coherent(Complex64::ONE))), f64::INFINITY);
    }

    #[test]
    fn pulses_and_resets_add_what_they_bring() {
        let mut p = dicke(3, 9, 1);
        p.rotate(B, Axis::X, 1.0);
        assert_eq!(most(&p), 4.0);
        assert_eq!(most(p.repeat(4)), 13.0);
        assert_eq!(most(dicke(3, 9, 1).rotate(B, Axis::Z, 1.0)), 1.0);
        assert_eq!(most(dicke(3, 9, 1).reset(B, Initial::Ground)), 1.0);
        assert_eq!(most(dicke(3, 9, 1).reset(A, Initial::Fock(2)).repeat(2)), 5.0);
        assert_eq!(most(dicke(3, 9, 1).reset(A, Initial::Thermal { ratio: 0.1 })), f64::INFINITY);
    }

    #[test]
    fn two_photons_for_one_level_and_levels_with_a_way_back() {
        let build = |way_back: bool| {
            let mut p = Problem::builder("a maser");
            let levels = p.subsystem("L", Kind::Levels { energies: vec![0.0, 1.0, 2.0] }, 1.0);
            let mode = p.subsystem("A", Kind::Mode { cutoff: 5 }, 1.0);
            p.initial(levels, Initial::Populations(vec![0.0, 0.0, 1.0]));
            let down = transition(levels, 1, 2) * ad(mode) * ad(mode);
            p.hamiltonian(down.clone() + down.adjoint()).collective("loss", transition(levels, 0, 1), 1.0);
            if way_back {
                p.collective("pump", transition(levels, 2, 0), 1.0);
            }
            p.observe([Quantity::Energy]);
            most(&p)
        };
        assert_eq!(build(false), 2.0);
        assert_eq!(build(true), f64::INFINITY);
    }
}
