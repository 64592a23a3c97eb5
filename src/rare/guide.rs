//! What guides a population: ln h_k(x), about the chance at row k to get to the event from where its quantity is x.
//!
//! With weights h_k/h_{k−1} a population is drawn to the event as much as it can be without harm; the estimate has no bias
//! whatever h is, and next to no variance where h is right (N. Whiteley and A. Lee, Ann. Stat. 42, 115 (2014)). It is found
//! from how the quantity moves from row to row in pilot populations, backwards from the end: what moves from x has the mean of
//! what it moves to. Moves need not have come near the event for that, one after another only has to.

use std::ops::Range;

/// Groups of moves from about the same place, at most but where there are few places, and fewest moves in one.
const GROUPS: usize = 40;
const FEWEST: usize = 10;
/// How far beyond all moves ln h goes on as it did at their edge.
const BEYOND: f64 = 1.5;

/// The quantity at one row and at the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub from: f64,
    pub to: f64,
    /// Which pilot saw it.
    pub stage: usize,
}

/// ln h at every row but the last; 0 without any.
#[derive(Clone, Debug, Default)]
pub(super) struct Guide(Vec<Curve>);

/// ln h at rising places, linear between them.
#[derive(Clone, Debug, Default)]
struct Curve {
    at: Vec<f64>,
    ln: Vec<f64>,
}

impl Guide {
    /// ln h of a value at a row.
    pub fn ln(&self, row: usize, value: f64) -> f64 {
        self.0.get(row).map_or(0.0, |curve| curve.value(value))
    }

    /// From the moves between each row and the next, which are sorted on the way, for `ln_target` of the last value.
    pub fn learn(moves: &mut [Vec<Move>], ln_target: impl Fn(f64) -> f64) -> Self {
        let mut curves: Vec<Curve> = Vec::with_capacity(moves.len());
        for own in moves.iter_mut().rev() {
            own.sort_by(|a, b| a.from.total_cmp(&b.from));
            let after = curves.last();
            let curve = Curve::of(own, |value| after.map_or_else(|| ln_target(value), |curve| curve.value(value)));
            curves.push(curve);
        }
        curves.reverse();
        Self(curves)
    }
}

impl Curve {
    fn of(moves: &[Move], ln_next: impl Fn(f64) -> f64) -> Self {
        let next: Vec<f64> = moves.iter().map(|m| ln_next(m.to)).collect();
        let mut curve = Self::default();
        for group in groups(moves) {
            let size = group.len() as f64;
            curve.at.push(moves[group.clone()].iter().map(|m| m.from).sum::<f64>() / size);
            curve.ln.push(ln_mean(next[group].iter().copied()));
        }
        curve
    }

    fn value(&self, x: f64) -> f64 {
        let Self { at, ln } = self;
        let (Some(first), Some(last)) = (ln.first(), ln.last()) else { return 0.0 };
        let n = at.len();
        if n == 1 {
            return *first;
        }
        let line = |k: usize| ln[k] + (ln[k + 1] - ln[k]) * ((x - at[k]) / (at[k + 1] - at[k])).clamp(-1e3, 1e3);
        match at.partition_point(|place| *place <= x) {
            0 => line(0).clamp(first - BEYOND, first + BEYOND),
            k if k == n => line(n - 2).clamp(last - BEYOND, last + BEYOND),
            k => line(k - 1),
        }
    }
}

/// Sorted moves in groups from about the same place; moves from one place are never apart.
fn groups(moves: &[Move]) -> Vec<Range<usize>> {
    let new_place = |k: usize| k == 0 || moves[k].from > moves[k - 1].from;
    let places = (0..moves.len()).filter(|k| new_place(*k)).take(GROUPS + 1).count();
    let least = if places <= GROUPS { FEWEST } else { FEWEST.max(moves.len() / GROUPS) };
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for k in 1..=moves.len() {
        if k == moves.len() || (k - start >= least && new_place(k)) {
            match found.last_mut() {
                Some(last) if k - start < least => last.end = k,
                _ => found.push(start..k),
            }
            start = k;
        }
    }
    found
}

/// ln of the mean of exponentials.
pub(super) fn ln_mean(all: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = all.clone().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return most;
    }
    let (sum, n) = all.fold((0.0, 0.0), |(sum, n), ln| (sum + (ln - most).exp(), n + 1.0));
    most + (sum / n).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk that goes up by 1 with a chance of 0.1 at each of four steps: h is a binomial tail, also where no walk came near.
    #[test]
    fn chances_are_found_backwards() {
        let all = |up: f64| {
            (0..100).map(move |k| (0..10).map(move |i| (f64::from(k % 5), f64::from(i) < up * 10.0))).flatten()
        };
        let moves = || all(0.1).map(|(from, up)| Move { from, to: from + f64::from(u8::from(up)), stage: 0 }).collect();
        let guide = Guide::learn(&mut [moves(), moves(), moves(), moves()], |x| if x >= 4.0 { 0.0 } else { -50.0 });
        for (row, x, chance) in [(0, 0.0, 1e-4), (1, 1.0, 1e-3), (3, 3.0, 0.1), (2, 4.0, 1.0), (2, 3.0, 0.19)] {
            let found = guide.ln(row, x).exp();
            assert!((found / chance - 1.0).abs() < 1e-9, "row {row} at {x}: {found} {chance}");
        }
        assert!((guide.ln(3, 3.5) - 0.5 * 0.1f64.ln()).abs() < 1e-9);
        assert_eq!(Guide::default().ln(3, 0.5), 0.0);
    }

    #[test]
    fn moves_from_one_place_stay_together() {
        let moves: Vec<Move> = (0..95).map(|k| Move { from: f64::from(k / 30), to: 0.0, stage: 0 }).collect();
        assert_eq!(groups(&moves), [0..30, 30..60, 60..95]);
        let moves: Vec<Move> = (0..1000).map(|k| Move { from: f64::from(k), to: 0.0, stage: 0 }).collect();
        assert!(groups(&moves).len() == 40 && groups(&moves)[7] == (175..200));
        assert!(groups(&[]).is_empty());
    }
}
