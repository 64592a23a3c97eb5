//! Pilot populations, which find out what guides the ones that count: they are drawn nearer to the event stage by stage, by a
//! penalty exp(−βd) of the distance d from it that grows as fast as they can follow.

use super::guide::{Guide, Move};
use super::population::{End, Grown, Setting, grow};
use super::{Crew, Seeds};
use crate::error::RunError;
use crate::problem::{Row, StepId};
use crate::unravel::Unraveling;

/// Populations of a stage.
const POPULATIONS: usize = 4;
/// Most stages.
const STAGES: usize = 40;
/// Stages whose moves are remembered, beside those of plain trajectories.
const REMEMBERED: usize = 5;
/// As uneven as those of so small a part of them the weights of a stage may be for the next penalty.
const FOLLOW: f64 = 0.15;
/// An event that so many plain trajectories show is not rare.
const NOT_RARE: f64 = 0.2;
/// Once so large a part shows the event, the penalty is large enough.
const THERE: f64 = 0.5;
/// Distances from the event start from this part of the standard deviation of the quantity at the end.
const FIRST_STEP: f64 = 0.25;
/// Levels between the usual and the event of which the probability is worked out too.
const LEVELS: usize = 32;

/// What pilots have found.
pub(super) struct Pilot {
    /// `None` where the event is not rare.
    pub guide: Option<Guide>,
    /// So many plain trajectories have shown the event, of so many.
    pub plain: (f64, usize),
    /// Levels between the usual and the event, which is the last.
    pub levels: Vec<f64>,
    /// Trajectories that were made.
    pub trajectories: usize,
    /// The part of the last stage that shows the event.
    pub there: f64,
    moves: Vec<Vec<Move>>,
    /// Stages so far.
    stages: usize,
    /// β, and the least distance of what is not the event.
    beta: f64,
    least: f64,
}

/// Where pilots go and who sends them.
pub(super) struct Expedition<'a, U> {
    pub setting: &'a Setting<'a, U>,
    /// Trajectories of a population.
    pub size: usize,
    pub seeds: Seeds,
    pub crew: &'a Crew,
    /// Whether it is enough to know that so many plain trajectories have shown the event, of so many.
    pub enough: &'a (dyn Fn((f64, usize)) -> bool + Sync),
    /// Hears of each stage and the part of it that shows the event.
    pub told: &'a (dyn Fn(usize, f64) + Sync),
}

impl<U: Unraveling> Expedition<'_, U> {
    /// Send pilots ahead.
    ///
    /// # Errors
    /// [`RunError::Interrupted`], and what a trajectory fails with.
    pub fn explore(&self) -> Result<Pilot, RunError> {
        let question = self.setting.question;
        let mut pilot = Pilot {
            guide: None,
            plain: (0.0, 0),
            levels: Vec::new(),
            trajectories: 0,
            there: 0.0,
            moves: vec![Vec::new(); self.setting.problem.protocol.row_count() - 1],
            stages: 0,
            beta: 0.0,
            least: 1.0,
        };
        let mut ends = self.stage(&mut pilot, &Guide::default())?;
        let n = POPULATIONS * self.size;
        let average = |of: &dyn Fn(f64) -> f64| -> f64 {
            ends.iter().map(|end| end.ln_weight.exp() * of(end.value)).sum::<f64>() / POPULATIONS as f64
        };
        let part = average(&|value| f64::from(u8::from(question.holds(value))));
        pilot.plain = (part * n as f64, n);
        (self.told)(0, part);
        let mean = average(&|value| value);
        let deviation = average(&|value| (value - mean).powi(2)).sqrt();
        if deviation > 0.0 {
            pilot.least = FIRST_STEP * deviation;
        }
        let usual = mean;
        let mut seen: Vec<f64> = ends.iter().map(|end| end.value).collect();
        if part < NOT_RARE && !(self.enough)(pilot.plain) {
            let distance = |least: f64| move |value: f64| question.distance(value, least);
            let distance = distance(pilot.least);
            for _ in 0..STAGES {
                let there = share(&ends, pilot.beta, &distance);
                let beta = if there >= THERE { pilot.beta } else { penalty(&ends, pilot.beta, &distance) };
                let settled = pilot.stages > 1 && beta == pilot.beta;
                pilot.beta = beta;
                if settled {
                    break;
                }
                let guide = self.learnt(&mut pilot);
                ends = self.stage(&mut pilot, &guide)?;
                pilot.there = share(&ends, beta, &distance);
                (self.told)(pilot.stages - 1, pilot.there);
                seen.extend(ends.iter().map(|end| end.value));
            }
            // What the last stage saw counts as well.
            pilot.guide = Some(self.learnt(&mut pilot));
        }
        pilot.levels = levels(seen, usual, question.event.level);
        Ok(pilot)
    }

    /// Let one more stage follow the guide, and learn from it.
    ///
    /// # Errors
    /// As [`explore`](Self::explore).
    pub fn refine(&self, pilot: &mut Pilot) -> Result<(), RunError> {
        if let Some(guide) = pilot.guide.take() {
            self.stage(pilot, &guide)?;
            pilot.guide = Some(self.learnt(pilot));
        }
        Ok(())
    }

    fn learnt(&self, pilot: &mut Pilot) -> Guide {
        let (beta, least) = (pilot.beta, pilot.least);
        Guide::learn(&mut pilot.moves, &self.kinds(), |value| -beta * self.setting.question.distance(value, least))
    }

    /// A number for each row, the same for those of a step that are equally far from the next.
    fn kinds(&self) -> Vec<usize> {
        let rows = self.setting.problem.protocol.rows();
        let mut known: Vec<(StepId, StepId, f64)> = Vec::new();
        let kind = |pair: &[Row]| {
            let (steps, apart) = ((pair[0].step, pair[1].step), pair[1].time - pair[0].time);
            let same =
                |(a, b, other): &(StepId, StepId, f64)| (*a, *b) == steps && (apart - other).abs() <= 1e-6 * apart;
            known.iter().position(same).unwrap_or_else(|| {
                known.push((steps.0, steps.1, apart));
                known.len() - 1
            })
        };
        rows.windows(2).map(kind).collect()
    }

    fn stage(&self, pilot: &mut Pilot, guide: &Guide) -> Result<Vec<End>, RunError> {
        let number = pilot.stages;
        // Of plain trajectories half have moves enough.
        let kept = |k: usize| (number > 0 || 2 * k < POPULATIONS).then_some(number);
        let size = if number == 0 { self.size } else { (self.size / 2).max(1) };
        let one = |k: usize| grow(self.setting, guide, (self.seeds.pilot(number, k), size), kept(k));
        let grown: Vec<Grown> = self.crew.all(POPULATIONS, self.setting.stop, one)?;
        pilot.moves.iter_mut().for_each(|own| own.retain(|m| m.stage == 0 || m.stage + REMEMBERED > number));
        for population in &grown {
            pilot.moves.iter_mut().zip(&population.moves).for_each(|(all, own)| all.extend(own));
        }
        pilot.stages += 1;
        pilot.trajectories += POPULATIONS * size;
        Ok(grown.into_iter().flat_map(|population| population.ends).collect())
    }
}

/// ln of the weights of ends under the penalty of β, up to a factor.
fn weights<'a>(ends: &'a [End], beta: f64, distance: &'a impl Fn(f64) -> f64) -> impl Iterator<Item = (f64, f64)> + 'a {
    let ln = move |end: &End| end.ln_weight - beta * distance(end.value);
    let most = ends.iter().map(ln).fold(f64::NEG_INFINITY, f64::max);
    ends.iter().map(move |end| (distance(end.value), (ln(end) - most).exp()))
}

/// The part of a stage that shows the event.
fn share(ends: &[End], beta: f64, distance: &impl Fn(f64) -> f64) -> f64 {
    let (sum, there) = weights(ends, beta, distance)
        .fold((0.0, 0.0), |(sum, there), (d, weight)| (sum + weight, there + if d == 0.0 { weight } else { 0.0 }));
    there / sum
}

/// The largest penalty that a stage of penalty β can still follow, β where it makes no difference.
fn penalty(ends: &[End], beta: f64, distance: &impl Fn(f64) -> f64) -> f64 {
    let even = |beta: f64| {
        let (sum, squares) = weights(ends, beta, distance).fold((0.0, 0.0), |(s, q), (_, w)| (s + w, q + w * w));
        sum * sum / squares
    };
    let now = even(beta);
    let follows = |beta: f64| even(beta) >= FOLLOW * now && share(ends, beta, distance) < 1.5 * THERE;
    let (nearest, farthest) =
        ends.iter().map(|end| distance(end.value)).fold((f64::INFINITY, 0.0f64), |(a, b), d| (a.min(d), b.max(d)));
    if !(farthest > nearest) {
        return beta;
    }
    // In powers of two from what is felt at no distance to what leaves nothing but the nearest.
    let unit = 1e-3 / (farthest - nearest);
    let mut step = unit;
    while step < 1e9 * unit && follows(beta + 2.0 * step) {
        step *= 2.0;
    }
    let (mut low, mut high) = (step, 2.0 * step);
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if follows(beta + middle) { low = middle } else { high = middle }
    }
    beta + low
}

/// Levels evenly among the values that were seen between the usual and `level`, which is the last.
fn levels(mut seen: Vec<f64>, usual: f64, level: f64) -> Vec<f64> {
    let (lo, hi) = (usual.min(level), usual.max(level));
    seen.retain(|value| lo < *value && *value < hi);
    seen.sort_by(f64::total_cmp);
    seen.dedup();
    let n = seen.len();
    let mut chosen: Vec<f64> = match n <= LEVELS {
        true => seen,
        false => (0..LEVELS).map(|k| seen[k * (n - 1) / (LEVELS - 1)]).collect(),
    };
    chosen.push(level);
    if usual > level {
        let last = chosen.pop();
        chosen.reverse();
        chosen.extend(last);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_grow_as_fast_as_a_stage_follows() {
        let ends: Vec<End> = (0..1000).map(|k| End { value: f64::from(k), ln_weight: 0.0, root: 0 }).collect();
        let distance = |value: f64| if value < 1.0 { 0.0 } else { value };
        // Exponential weights of a uniform distance: 2/(β·1000) of all are followed.
        let beta = penalty(&ends, 0.0, &distance);
        assert!((beta - 2.0 / (FOLLOW * 1000.0)).abs() < 1e-3, "{beta}");
        let there = share(&ends, 1.0, &distance);
        assert!((there - (1.0 - (-1f64).exp())).abs() < 1e-9, "{there}");
        let same = vec![ends[5]; 10];
        assert_eq!(penalty(&same, 3.0, &distance), 3.0);
    }

    #[test]
    fn levels_lead_from_the_usual_to_the_event() {
        assert_eq!(levels(vec![5.0, 4.0, 4.0, 2.0, 1.0, 9.0], 5.0, 0.5), [4.0, 2.0, 1.0, 0.5]);
        assert_eq!(levels(vec![5.0, 6.0, 4.0], 5.0, 7.0), [6.0, 7.0]);
        let many = levels((0..1000).map(f64::from).collect(), 0.0, 999.0);
        assert!(many.len() == LEVELS + 1 && many.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
