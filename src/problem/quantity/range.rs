//! The least and the greatest value that each quantity can have, from the problem: what intervals and errors are bounded by.

use super::{Linear, Nonlinear, Part, Quantity, Recipe, spin_length};
use crate::problem::{Kind, Named, Op, OpSum, Problem, SubsystemId, Term, Zero};

/// \[lo, hi\], infinite where nothing is known.
pub type Range = (f64, f64);

impl Quantity {
    /// The least and the greatest value that it can have.
    pub fn range(&self, problem: &Problem) -> Range {
        let open = |(lo, hi): Range| {
            (if lo >= 0.0 { 0.0 } else { f64::NEG_INFINITY }, if hi <= 0.0 { 0.0 } else { f64::INFINITY })
        };
        match self.entry().recipe {
            Recipe::Mean(linear) => linear.range(problem),
            Recipe::PerCell(linear, e) => {
                let ((lo, hi), unit) = (linear.range(problem), problem.subsystems[e].unit());
                if unit > 0.0 { (lo / unit, hi / unit) } else { (f64::NEG_INFINITY, f64::INFINITY) }
            }
            Recipe::PerTime(linear) => open(linear.range(problem)),
            Recipe::Variance(varied) => varied.spread().range(problem),
            Recipe::Deviation(varied) => (0.0, 0.5 * width(varied.mean().range(problem))),
            Recipe::SpinLength(squared) => {
                let (lo, hi) = squared.range(problem);
                (spin_length(lo), spin_length(hi))
            }
            Recipe::State(what, of) | Recipe::FirstState(what, of) => what.range(problem, of),
            Recipe::OverEnergy(..) => match Linear::Energy.range(problem) {
                (lo, _) if lo >= 0.0 => (0.0, 1.0),
                _ => (f64::NEG_INFINITY, f64::INFINITY),
            },
        }
    }
}

impl Linear {
    /// The least and the greatest value of the average.
    pub fn range(self, problem: &Problem) -> Range {
        let half = |e: SubsystemId| 0.5 * problem.subsystems[e].cells() as f64;
        match self {
            Linear::Energy => problem.energies(Part::Battery),
            Linear::EnergyOf(e) => problem.energies(Part::One(e)),
            // A variance is at most a quarter of the squared width (Popoviciu).
            Linear::EnergySpread => (0.0, (0.5 * width(problem.energies(Part::Battery))).powi(2)),
            Linear::MagnetisationSpread(e) => (0.0, half(e).powi(2)),
            Linear::Quanta(e) => match &problem.subsystems[e].kind {
                Kind::Ensemble { .. } | Kind::Network { .. } => (0.0, problem.subsystems[e].cells() as f64),
                Kind::Mode { cutoff } => (0.0, *cutoff as f64 - 1.0),
                Kind::Levels { energies } => (0.0, energies.len() as f64 - 1.0),
            },
            Linear::Magnetisation(e) => (-half(e), half(e)),
            Linear::SpinSquared(e) => {
                let least = 0.5 * (problem.subsystems[e].cells() % 2) as f64;
                (least * (least + 1.0), half(e) * (half(e) + 1.0))
            }
            Linear::Expect(id) => {
                let Named { operator, range, .. } = &problem.observables[id];
                range.unwrap_or_else(|| operator.terms.iter().map(|t| problem.term_range(t)).fold((0.0, 0.0), sum))
            }
            Linear::Bright(_) | Linear::TopLevel(_) | Linear::TopQuanta => (0.0, 1.0),
            Linear::BrightLoss(_) | Linear::BrightReturn(_) | Linear::Jumps(_) => (0.0, f64::INFINITY),
            Linear::Released(_) => {
                let quanta = || problem.channel_ids().map(|c| problem.released_per_jump(c));
                let lo = if quanta().any(|q| q < 0.0) { f64::NEG_INFINITY } else { 0.0 };
                (lo, if quanta().any(|q| q > 0.0) { f64::INFINITY } else { 0.0 })
            }
        }
    }
}

impl Nonlinear {
    /// By how much a linear functional that supports the function differs between states, those that `n` samples have not
    /// seen included: of the ergotropy from −E_max to E_max, of an entropy by the logarithm of what has not been seen.
    pub fn reach(self, problem: &Problem, of: Part, n: f64) -> f64 {
        let (least, most) = self.range(problem, of);
        let ln_d = || match of {
            Part::Chosen(id) => problem.states_of(&problem.chosen[id.number].places).ln(),
            _ => of.members(problem).iter().map(|e| problem.subsystems[*e].ln_dimension()).sum(),
        };
        let logarithm = || n.max(1.0).ln() + 1.0 + ln_d();
        match self {
            Nonlinear::Entropy => logarithm(),
            // Of the whole and of both parts.
            Nonlinear::MutualInformation => 3.0 * logarithm(),
            Nonlinear::Ergotropy
            | Nonlinear::LocalErgotropy
            | Nonlinear::SymmetricErgotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::CoherentErgotropy
            | Nonlinear::AntiErgotropy
            | Nonlinear::Capacity
            | Nonlinear::Coherence
            | Nonlinear::CellCoherence
            | Nonlinear::Concurrence
            | Nonlinear::Purity
            | Nonlinear::Negativity
            | Nonlinear::Fidelity => 2.0 * (most - least),
        }
    }

    /// The least and the greatest value of the function.
    pub fn range(self, problem: &Problem, of: Part) -> Range {
        let energy = width(problem.energies(of));
        let states = |range: std::ops::Range<usize>| match of {
            Part::Chosen(id) => {
                let places = &problem.chosen[id.number].places;
                problem.states_of(&places[range.start..range.end.min(places.len())])
            }
            _ => of.members(problem).iter().map(|e| problem.subsystems[*e].ln_dimension()).sum::<f64>().exp(),
        };
        let smaller = || match of {
            Part::Chosen(id) => {
                let first = problem.chosen[id.number].first;
                states(0..first).min(states(first..usize::MAX))
            }
            _ => states(0..usize::MAX),
        };
        match self {
            Nonlinear::Ergotropy
            | Nonlinear::LocalErgotropy
            | Nonlinear::SymmetricErgotropy
            | Nonlinear::IncoherentErgotropy
            | Nonlinear::CoherentErgotropy
            | Nonlinear::Capacity => (0.0, energy),
            Nonlinear::AntiErgotropy => (-energy, 0.0),
            Nonlinear::Coherence | Nonlinear::Concurrence | Nonlinear::Fidelity => (0.0, 1.0),
            Nonlinear::Entropy => (0.0, states(0..usize::MAX).ln()),
            // As much as there is in the smaller of the two groups.
            Nonlinear::Negativity => (0.0, 0.5 * (smaller() - 1.0)),
            Nonlinear::MutualInformation => (0.0, 2.0 * smaller().ln()),
            Nonlinear::CellCoherence => (0.0, 0.5),
            Nonlinear::Purity => {
                let ln_d: f64 = of.members(problem).iter().map(|e| problem.subsystems[*e].ln_dimension()).sum();
                ((-ln_d).exp(), 1.0)
            }
        }
    }
}

fn sum((lo, hi): Range, (l, h): Range) -> Range {
    (lo + l, hi + h)
}

fn width((lo, hi): Range) -> f64 {
    hi - lo
}

impl Problem {
    /// The lowest and the highest level of the Hamiltonian Σωn of a part.
    fn energies(&self, of: Part) -> Range {
        if let (Part::Battery, Some(own)) = (of, &self.battery_hamiltonian) {
            let (lo, hi) = own.operator.terms.iter().map(|term| self.term_range(term)).fold((0.0, 0.0), sum);
            return if own.zero == Zero::Ground { (0.0, hi - lo) } else { (lo, hi) };
        }
        if let Part::Chosen(id) = of {
            let factors = self.factors_of(&self.chosen[id.number].places);
            let one = |&(e, cell, levels): &(SubsystemId, usize, usize)| match &self.subsystems[e].kind {
                Kind::Levels { energies } => {
                    energies.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), e| (lo.min(*e), hi.max(*e)))
                }
                _ => (0.0, self.subsystems[e].quantum(cell) * (levels as f64 - 1.0)),
            };
            return factors.iter().map(one).fold((0.0, 0.0), sum);
        }
        let of_one = |e: SubsystemId| {
            let part = &self.subsystems[e];
            match &part.kind {
                Kind::Ensemble { .. } | Kind::Network { .. } => (0.0, part.unit()),
                Kind::Mode { cutoff } => (0.0, part.energy * (*cutoff as f64 - 1.0)),
                Kind::Levels { energies } => {
                    energies.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), e| (lo.min(*e), hi.max(*e)))
                }
            }
        };
        of.members(self).into_iter().map(of_one).fold((0.0, 0.0), sum)
    }

    /// What a term of an operator sum adds to its mean, at least and at most: numbers and populations are never below 0.
    fn term_range(&self, term: &Term) -> Range {
        let size = self.norm_bound(&OpSum { terms: vec![term.clone()] }, false);
        let counts = |op: Op| matches!(op, Op::Number) || matches!(op, Op::Transition(i, j) if i == j);
        match term.factors.iter().all(|f| counts(f.op)) {
            true if term.coefficient.re >= 0.0 => (0.0, size),
            true => (-size, 0.0),
            false => (-size, size),
        }
    }

    /// The largest energy of one quantum, or the width of the levels, among the battery's subsystems: the scale beside
    /// which an energy is none.
    pub fn quantum(&self) -> f64 {
        if self.battery_hamiltonian.is_some() {
            return width(self.energies(Part::Battery));
        }
        let of = |e: &SubsystemId| match self.subsystems[*e].kind {
            Kind::Levels { .. } => width(self.energies(Part::One(*e))),
            Kind::Ensemble { .. } | Kind::Network { .. } | Kind::Mode { .. } => self.subsystems[*e].largest_quantum(),
        };
        self.battery.iter().map(of).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{ObservableId, OpSum};

    const B: SubsystemId = SubsystemId::new(0);
    const A: SubsystemId = SubsystemId::new(1);
    const L: SubsystemId = SubsystemId::new(2);

    fn problem() -> Problem {
        let mut p = Problem::builder("ranges");
        let b = p.ensemble("B", 5, 2.0);
        p.subsystem("A", Kind::Mode { cutoff: 4 }, 1.0);
        p.subsystem("L", Kind::Levels { energies: vec![-1.0, 0.0, 3.0] }, 1.0);
        p.battery([b]).evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        p.observable("population", OpSum::of(L, Op::Transition(1, 1)) * 0.5);
        p.observable("turned", OpSum::of(B, Op::Number) - OpSum::of(B, Op::Y));
        p.build().unwrap()
    }

    #[test]
    fn ranges_come_from_the_problem() {
        let mut problem = problem();
        let expected = [
            (Quantity::Energy, (0.0, 10.0)),
            (Quantity::EnergyVariance, (0.0, 25.0)),
            (Quantity::EnergyDeviation, (0.0, 5.0)),
            (Quantity::EnergyOf(A), (0.0, 3.0)),
            (Quantity::EnergyOf(L), (-1.0, 3.0)),
            (Quantity::EnergyDensity(B), (0.0, 1.0)),
            (Quantity::Power, (0.0, f64::INFINITY)),
            (Quantity::Ergotropy, (0.0, 10.0)),
            (Quantity::ErgotropyOf(L), (0.0, 4.0)),
            (Quantity::AntiErgotropy, (-10.0, 0.0)),
            (Quantity::Efficiency, (0.0, 1.0)),
            (Quantity::CellCoherence, (0.0, 0.5)),
            (Quantity::Photons(A), (0.0, 3.0)),
            (Quantity::Magnetisation(B), (-2.5, 2.5)),
            (Quantity::MagnetisationVariance(B), (0.0, 6.25)),
            (Quantity::SpinLength(B), (0.5, 2.5)),
            (Quantity::Released(None), (0.0, 0.0)),
            (Quantity::Bright(B), (0.0, 1.0)),
            (Quantity::Expect(ObservableId::new(0)), (0.0, 0.5)),
            // Numbers from 0 to 5, and 5 Pauli operators.
            (Quantity::Expect(ObservableId::new(1)), (-5.0, 10.0)),
        ];
        for (quantity, (lo, hi)) in expected {
            let found = quantity.range(&problem);
            assert!(
                (found.0 - lo).abs() < 1e-12 && (found.1 == hi || (found.1 - hi).abs() < 1e-12),
                "{quantity:?}: {found:?}"
            );
        }
        let (lo, hi) = Quantity::Purity.range(&problem);
        assert!((lo - 1.0 / 32.0).abs() < 1e-15 && hi == 1.0);
        // With levels below zero a quotient of energies is bounded by nothing.
        problem.battery = vec![L];
        assert_eq!(Quantity::Efficiency.range(&problem), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(problem.quantum(), 4.0);
    }
}
