//! From accumulated moments and occupations to the columns of a result table.

use super::answers::{Answers, Columns, Estimate, Sided};
use super::audit::Audited;
use super::averages::Averages;
use super::counting::Counts;
use super::covariance::Covariance;
use super::delays::Delayed;
use super::ergotropy::{self, Bounded};
use super::evaluation::{Evaluation, Rows};
use super::histogram::Histogram;
use super::moments::Moments;
use super::occupation::{Occupation, Occupied};
use super::pinched::{self, Pinched};
use super::production::End;
use super::sampled;
use super::unseen::Errors;
use crate::battery::Battery;
use crate::density::Density;
use crate::error::RunError;
use crate::levels::Levels;
use crate::problem::{Linear, Nonlinear, Part, Problem, Quantity, Reduction, Varied};
use crate::table::{PartStates, Table};
use faer::Mat;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub use crate::table::Z95;

/// Everything that the batches so far have contributed, in mergeable form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accumulated {
    /// Moments of each linear average at each row: index row·width + average.
    pub moments: Moments,
    /// The averaged battery state at each row; empty unless a quantity needs it.
    pub occupations: Vec<Occupation>,
    /// What is kept beside the occupations of a battery in superpositions along an axis.
    pub pinched: Option<Pinched>,
    /// The averaged density matrices at each row, first those that the quantities need; empty on the ladder.
    pub densities: Vec<Density>,
    /// Covariance between rows, when asked for.
    pub covariance: Option<Covariance>,
    /// Distributions that the record of single runs asks for: index row·distributions + distribution.
    pub histograms: Vec<Histogram>,
    /// Numbers of jumps: index (timed step over all cycles)·channels + channel; none unless they are asked for.
    pub counting: Counts,
    /// How jumps follow each other, one for each table of [`Problem::delay_tables`].
    pub delayed: Vec<Delayed>,
    /// Work, heat and entropy flow, where they are asked for.
    pub audit: Option<Audited>,
    /// The whole system at the last row, where an audit asks for its entropy.
    pub end: Option<End>,
    /// The branch in which nothing ever happens, where its probability is known; all else is then the rest, trajectories
    /// that jump. Its weights are probabilities.
    pub no_jump: Option<Box<Accumulated>>,
}

impl Accumulated {
    /// What another problem needs that asks the same but for what is not linear in the state.
    pub fn linear_part(&self, problem: &Problem, asked: &Problem) -> Self {
        let all = problem.linear();
        let (needed, width) = (asked.linear(), all.len());
        let chosen: Vec<usize> = needed.iter().filter_map(|l| all.iter().position(|known| known == l)).collect();
        let rows = 0..problem.protocol.row_count();
        let numbers = rows.flat_map(|row| chosen.iter().map(move |average| row * width + average));
        let no_jump = self.no_jump.as_ref().map(|known| Box::new(known.linear_part(problem, asked)));
        Self { moments: self.moments.choose(numbers), no_jump, ..Self::default() }
    }

    /// Averaged density matrix number `index` of all trajectories.
    pub fn density(&self, index: usize) -> Cow<'_, Density> {
        let sampled = &self.densities[index];
        match self.no_jump.as_ref().and_then(|known| known.densities.get(index)) {
            Some(known) => Cow::Owned(sampled.completed(self.share(), known)),
            None => Cow::Borrowed(sampled),
        }
    }

    /// The Dicke states that are occupied at a row.
    pub fn occupied(&self, row: usize) -> Occupied {
        let known = self.no_jump.as_ref().and_then(|known| known.occupations.get(row));
        Occupied::new(self.occupations[row].clone(), known.cloned().unwrap_or_default(), self.share())
    }

    /// What is known at a row of a battery along an axis, of whose energy trajectories can differ by `span`.
    fn pinched_row(&self, along: &Pinched, row: usize, span: f64) -> pinched::Row {
        let share = self.share();
        let sampled = along.energy.scatter(row);
        let error = if span == 0.0 { 0.0 } else { share * sampled.error(span) };
        let known = self.no_jump.as_ref().and_then(|known| Some((known.pinched.as_ref()?, &known.occupations[row])));
        let left_out = |of: &Pinched, populations: &Occupation| of.energy.weight() - populations.weight();
        let of_sampled = left_out(along, &self.occupations[row]) / along.energy.weight() * share;
        let (energy, of_known) = known.map_or((0.0, 0.0), |(known, populations)| {
            (known.energy.weight() * known.energy.mean(row), left_out(known, populations))
        });
        let energy = (share * sampled.mean + energy, error);
        let left_out = (of_sampled + of_known).max(0.0);
        pinched::Row { energy, overlaps: along.overlaps[row], share, left_out }
    }

    /// Add a later batch.
    pub fn merge(&mut self, later: Self) {
        self.moments.merge(&later.moments);
        match (&mut self.covariance, later.covariance) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            _ => {}
        }
        each(&mut self.densities, later.densities, Density::merge);
        each(&mut self.occupations, later.occupations, Occupation::merge);
        match (&mut self.pinched, later.pinched) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (mine @ None, theirs) => *mine = theirs,
            _ => {}
        }
        each(&mut self.histograms, later.histograms, |mine, theirs| mine.merge(&theirs));
        self.counting.merge(later.counting);
        each(&mut self.delayed, later.delayed, Delayed::merge);
        match (&mut self.audit, later.audit) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            _ => {}
        }
        match (&mut self.end, later.end) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (mine @ None, theirs) => *mine = theirs,
            _ => {}
        }
    }
}

/// Add each of these to its own, or take them where there are none yet.
fn each<T>(mine: &mut Vec<T>, theirs: Vec<T>, add: impl Fn(&mut T, T)) {
    if mine.is_empty() {
        *mine = theirs;
    } else {
        mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| add(mine, theirs));
    }
}

/// Levels of the battery, or why its ergotropy cannot be had.
pub fn battery_levels(problem: &Problem) -> Result<(Battery, Levels), RunError> {
    let levels = Battery::of(problem).and_then(|battery| Some((battery.clone(), Levels::of_ensembles(&battery)?)));
    levels.ok_or_else(|| RunError::Request("this battery has too many levels for its ergotropy".into()))
}

/// What a function of the averaged state of a part is at each row, with the degrees of freedom of its errors: from the
/// occupied cells on the ladder, which is asked for ergotropies only, from the averaged density matrices elsewhere. Where
/// trajectories may differ it is as wide as the unseen asks for.
///
/// # Errors
/// When the battery's levels cannot be tabulated, the function has no meaning in a state, or it is asked to stop.
fn bounded(
    problem: &Problem,
    (what, of): (Nonlinear, Part),
    accumulated: &Accumulated,
    errors: &Errors,
    progress: &Rows,
) -> Result<Vec<Sided>, RunError> {
    let (range, share) = (what.range(problem, of), accumulated.share());
    let reach = |n: f64| share * what.reach(problem, of, n);
    let widened = |row: usize, found: Bounded, n: f64| {
        if errors.certain(row) { found.certain() } else { found.widened(range, reach(n), n) }
    };
    let n = accumulated.moments.effective();
    if accumulated.densities.is_empty() {
        let (battery, levels) = battery_levels(problem)?;
        let of = |row: usize| {
            progress.check()?;
            let occupied = accumulated.occupied(row);
            let found = match &accumulated.pinched {
                None => ergotropy::sampled(&battery, &levels, &occupied),
                Some(along) => {
                    let span = if errors.certain(row) { 0.0 } else { range.1 };
                    pinched::sampled(&battery, &levels, &occupied, accumulated.pinched_row(along, row, span))
                }
            };
            progress.one_more();
            Ok((widened(row, found, n), f64::INFINITY))
        };
        return (0..accumulated.occupations.len()).into_par_iter().map(of).collect();
    }
    let (reductions, needed) = (problem.reductions(), what.reduction(problem, of));
    let index = reductions.iter().position(|r| *r == needed).unwrap_or(0);
    let rows = problem.protocol.row_count();
    let kept = accumulated.densities.len() / rows;
    let states = sampled::States {
        rows,
        at: &|row| accumulated.density(row * kept + index),
        share,
        certain: &|row| errors.certain(row),
    };
    let found = sampled::sampled(problem, what, of, &states, progress)?.into_iter().enumerate();
    Ok(found.map(|(row, (found, degrees))| (widened(row, found, n), degrees)).collect())
}

/// What trajectories answer at one row.
struct Sample<'a> {
    averages: Averages<'a>,
    errors: &'a Errors<'a>,
    width: usize,
    /// Functions of density matrices at all rows.
    nonlinear: &'a [((Nonlinear, Part), Vec<Sided>)],
    row: usize,
}

impl Answers for Sample<'_> {
    fn mean(&self, of: Linear) -> Option<Estimate> {
        let average = self.errors.average(of)?;
        let value = self.averages.mean(self.row * self.width + average);
        let (se, interval) = (self.errors.mean(self.row, average), self.errors.interval(self.row, average));
        Some(Estimate { value, se, interval })
    }

    /// Between trajectories and within them.
    fn variance(&self, of: Varied) -> Option<Estimate> {
        let (between, within) = (self.errors.average(of.mean())?, self.errors.average(of.spread())?);
        let first = self.row * self.width;
        // A single trajectory differs from none.
        let between = if self.averages.effective() > 1.0 { self.averages.variance(first + between) } else { 0.0 };
        let se = self.errors.variance_of(self.row, of)?;
        let value = between + self.averages.mean(first + within);
        Some(Estimate { value, se, interval: self.errors.about(value, se) })
    }

    fn z(&self) -> f64 {
        self.errors.z()
    }

    fn nonlinear(&self, what: Nonlinear, of: Part) -> Result<Option<Sided>, RunError> {
        let known = self.nonlinear.iter().find(|(known, _)| *known == (what, of));
        Ok(known.and_then(|(_, rows)| rows.get(self.row).copied()))
    }
}

/// The result table of a sampled run.
///
/// # Errors
/// When a quantity cannot be evaluated.
pub fn table(problem: &Problem, accumulated: &Accumulated) -> Result<Table, RunError> {
    evaluate(problem, accumulated, &Evaluation::default())
}

/// The same with a choice of threads, a way to stop it, and progress.
///
/// # Errors
/// As [`table`], and [`RunError::Interrupted`].
pub fn evaluate(problem: &Problem, accumulated: &Accumulated, how: &Evaluation) -> Result<Table, RunError> {
    let mut needed: Vec<(Nonlinear, Part)> = Vec::new();
    for function in problem.quantities.iter().filter_map(Quantity::nonlinear) {
        if !needed.contains(&function) {
            needed.push(function);
        }
    }
    let averages = accumulated.averages();
    let errors = Errors::new(problem, averages, how.confidence);
    let progress = Rows::new(how, (needed.len() * problem.protocol.row_count()) as u64);
    let mut nonlinear = Vec::with_capacity(needed.len());
    for function in needed {
        let found = how.on_threads(|| bounded(problem, function, accumulated, &errors, &progress))?;
        nonlinear.push((function, found));
    }
    let width = problem.linear().len();
    let mut columns = Columns::sampled(problem);
    for (row, at) in problem.protocol.rows().iter().enumerate() {
        let sample = Sample { averages, errors: &errors, width, nonlinear: &nonlinear, row };
        columns.read(&sample, at.time)?;
    }
    let mut table = columns.table();
    table.states = states(problem, accumulated);
    Ok(table)
}

/// The averaged states of parts that are asked for.
fn states(problem: &Problem, accumulated: &Accumulated) -> Vec<PartStates> {
    let reductions = problem.reductions();
    let kept = accumulated.densities.len() / problem.protocol.row_count();
    let of = |number: &usize| {
        let index = reductions.iter().position(|r| *r == Reduction::Chosen(*number))?;
        let d = problem.states_of(&problem.chosen[*number].places) as usize;
        let mean = |row: usize| {
            let density = accumulated.density(row * kept + index);
            let total: f64 = density.weights.iter().sum();
            let block = density.blocks.values().next();
            block.map_or_else(|| Mat::zeros(d, d), |block| block.total(1.0 / total, &|_| true))
        };
        let rows = (0..problem.protocol.row_count()).map(mean).collect();
        Some(PartStates { name: problem.chosen[*number].name.clone(), rows })
    };
    problem.kept_states.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::BlockShape;
    use crate::problem::{Channel, Kind, Op, OpSum, Reach, Step, SubsystemId};
    use num_complex::Complex64;

    const B: SubsystemId = SubsystemId::new(0);
    const A: SubsystemId = SubsystemId::new(1);

    const OMEGA: f64 = 2.0;

    /// Two cells and a mode beside them, observed at t = 0 and t = 4.
    fn problem(quantities: Vec<Quantity>) -> Problem {
        let mut p = Problem::builder("columns");
        let cells = p.subsystem("A", Kind::Network { cells: 2, edges: vec![(0, 1)] }, OMEGA);
        p.subsystem("m", Kind::Mode { cutoff: 3 }, 1.0);
        p.battery([cells]).evolve("wait", 4.0, 1).observe(quantities);
        p.build().unwrap()
    }

    /// Four trajectories a batch and group, each in the product state `level` or `other` of the cells in turn.
    fn accumulated(problem: &Problem, values: &[(Linear, [f64; 4])], batches: usize) -> Accumulated {
        let (linear, reductions) = (problem.linear(), problem.reductions());
        let batch = |group: usize| {
            let weights = [1.0; 4];
            let mut moments = Moments::of_batch(&weights, 2 * linear.len());
            for (row, (average, needed)) in (0..2).flat_map(|row| linear.iter().enumerate().map(move |s| (row, s))) {
                let found = values.iter().find(|(known, _)| known == needed).map_or([0.0; 4], |v| v.1);
                moments.set(row * linear.len() + average, &found, &weights);
            }
            let mut densities = vec![Density::default(); 2 * reductions.len()];
            for density in &mut densities {
                density.count(group, 4.0);
                let energies = vec![0.0, OMEGA, OMEGA, 2.0 * OMEGA];
                let sums = density.block(&vec![0], || BlockShape { ln_copies: 0.0, energies }).group_mut(group);
                let sums = sums.matrix_mut(4);
                (sums[5], sums[15]) = (Complex64::from(1.0), Complex64::from(3.0));
            }
            Accumulated { moments, densities, ..Accumulated::default() }
        };
        let mut all = Accumulated::default();
        (0..batches).for_each(|k| all.merge(batch(k)));
        all
    }

    #[test]
    fn columns_are_what_they_are_called() {
        let quantities = vec![
            Quantity::Energy,
            Quantity::EnergyOf(B),
            Quantity::EnergyDensity(B),
            Quantity::Power,
            Quantity::EnergyVariance,
            Quantity::EnergyDeviation,
            Quantity::Photons(A),
            Quantity::Ergotropy,
            Quantity::Efficiency,
            Quantity::AntiErgotropy,
            Quantity::Purity,
        ];
        let problem = problem(quantities.clone());
        assert_eq!(problem.linear()[..3], [Linear::Energy, Linear::EnergyOf(B), Linear::EnergySpread]);
        let energies = [2.0, 4.0, 4.0, 4.0];
        let values = [
            (Linear::Energy, energies),
            (Linear::EnergyOf(B), energies),
            (Linear::EnergySpread, [0.1, 0.3, 0.1, 0.3]),
            (Linear::Quanta(A), [1.0; 4]),
        ];
        let accumulated = accumulated(&problem, &values, 8);
        let table = table(&problem, &accumulated).unwrap();
        let column = |q: usize| table.columns.iter().find(|c| c.name == problem.column(&quantities[q])).unwrap();
        let (n, mean) = (32.0, 3.5);
        let variance: f64 = 0.75 * n / (n - 1.0);
        let error = (variance / n).sqrt();
        let close = |q: usize, value: f64, se: f64| {
            let (c, row) = (column(q), 1);
            assert!((c.value[row] - value).abs() < 1e-12, "{}: {}, expected {value}", c.name, c.value[row]);
            let found = c.se.as_ref().unwrap()[row];
            assert!((found - se).abs() < 1e-12, "{}: error {found}, expected {se}", c.name);
        };
        close(0, mean, error);
        close(1, mean, error);
        close(2, mean / (2.0 * OMEGA), error / (2.0 * OMEGA));
        close(3, mean / 4.0, error / 4.0);
        assert!(column(3).value[0].is_nan());
        let spread =
            |average: usize| (accumulated.moments.variance_error(average), accumulated.moments.mean_error(average));
        let (between, within) = (spread(4).0, spread(6).1);
        assert!(between > 0.0 && within > 0.0);
        close(4, variance + 0.2, between + within);
        close(5, (variance + 0.2).sqrt(), 0.5 * (between + within) / (variance + 0.2).sqrt());
        close(6, 1.0, 0.0);
        // ¼|ge⟩⟨ge| + ¾|ee⟩⟨ee|: the passive state holds ¼ω, and every group agrees.
        close(7, 3.5 - 0.25 * OMEGA, 0.0);
        close(8, 3.0 / 3.5, 3.0 / 3.5 * error / 3.5);
        close(9, -(0.75 * 4.0 + 0.25 * 2.0 - 3.5), 0.0);
        close(10, 0.625, 0.0);
        for q in 7..=10 {
            let (lo, hi) = column(q).bounds.as_ref().unwrap();
            assert!(lo[1] <= column(q).value[1] + 1e-12 && column(q).value[1] <= hi[1] + 1e-12, "{}", column(q).name);
        }
        assert!(table.column("ergotropy_undersampled").is_some());
    }

    /// One group of trajectories has no scatter: nothing is known where trajectories may differ, and all where they cannot.
    #[test]
    fn one_group_bounds_as_far_as_the_range_goes() {
        let quantities = vec![Quantity::Ergotropy, Quantity::Efficiency, Quantity::Purity, Quantity::AntiErgotropy];
        let certain = problem(quantities.clone());
        let mut chancy = certain.clone();
        chancy.channels.push(Channel {
            name: "loss".into(),
            operator: OpSum::of(B, Op::Lower),
            envelope: None,
            modulated: Vec::new(),
            pairs: Vec::new(),
            rate: 0.1,
            reach: Reach::Each(B),
        });
        let Step::Evolve { active, .. } = &mut chancy.protocol.steps[0] else { panic!("a timed step") };
        active.push(true);
        for quantity in quantities {
            let (name, (least, most)) = (certain.column(&quantity), quantity.range(&certain));
            let of = |problem: &Problem| {
                let table = table(problem, &accumulated(problem, &[(Linear::Energy, [3.5; 4])], 1)).unwrap();
                let column = table.column(&name).unwrap().clone();
                let (lo, hi) = column.bounds.unwrap();
                (column.value[1], column.se.unwrap()[1], lo[1], hi[1])
            };
            let (value, se, lo, hi) = of(&chancy);
            assert!(
                (lo, hi) == (least, most) && lo <= value && value <= hi && se > 0.0,
                "{name}: {value} in {lo} to {hi}"
            );
            let (value, se, lo, hi) = of(&certain);
            assert!(value - lo < 1e-9 && hi - value < 1e-9 && se < 1e-9, "{name}: {value} ± {se} in {lo} to {hi}");
        }
    }
}
