//! What guides a population: ln h_k(x), about the chance at row k to get to the event from where its quantity is x.
//!
//! With weights h_k/h_{k−1} a population is drawn to the event; the estimate has no bias whatever h is, and a small variance
//! where it is near that chance. It is found from how the quantity moves from row to row in pilot populations, backwards from the end: what moves from x has the mean of
//! what it moves to. Moves need not have come near the event for that, one after another only has to.
//!
//! Weights are not of this mean but of the root of the mean square, which is larger where one move in many leads to the event:
//! best for populations whose moves are as they come (H. Chraibi et al., arXiv:1811.10450).

use std::cmp::Ordering;
use std::ops::Range;

/// Where a trajectory is: its quantity, and a second number that tells what is to be expected of it.
pub(super) type Place = [f64; 2];

/// Groups of moves from about the same place, at most but where there are few places, and fewest moves in one: of fewer the
/// mean is not known, and each row on the way would add to the error.
const GROUPS: usize = 40;
const FEWEST: usize = 80;
/// Where several moves leave one place at a row, those at so many rows before and after it count as well, if these are of its
/// kind: what is to be expected of a place hardly changes in between.
const SEVERAL: usize = 2;
const ABOUT: usize = 8;
/// Layers of moves with about the same second number, at most, and fewest moves in one.
const LAYERS: usize = 6;
const FEWEST_IN_LAYER: usize = 600;
/// How far beyond all moves ln h goes on as it did at their edge.
const BEYOND: f64 = 1.5;

/// The place at one row and at the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub from: Place,
    pub to: Place,
    /// Which pilot saw it.
    pub stage: usize,
    /// ln h of where it leads, once that is known.
    ln: f64,
}

impl Move {
    /// Of pilot number `stage`.
    pub fn new(from: Place, to: Place, stage: usize) -> Self {
        Self { from, to, stage, ln: f64::NAN }
    }
}

/// ln h at every row but the last; 0 without any.
#[derive(Clone, Debug, Default)]
pub(super) struct Guide(Vec<Sheet>);

/// ln h at one row: of places that many moves came from, each by itself; of all others by curves at rising second numbers,
/// linear between them.
#[derive(Clone, Debug, Default)]
struct Sheet {
    places: Vec<(Place, [f64; 2])>,
    at: Vec<f64>,
    curves: Vec<Curve>,
}

/// ln h at rising quantities, linear between them: of the mean and of the root of the mean square.
#[derive(Clone, Debug, Default)]
struct Curve {
    at: Vec<f64>,
    ln: [Vec<f64>; 2],
}

/// Which of them.
const MEAN: usize = 0;
const ROOT: usize = 1;

impl Guide {
    /// ln of the weight of a place at a row.
    pub fn ln(&self, row: usize, place: Place) -> f64 {
        self.0.get(row).map_or(0.0, |sheet| sheet.value(ROOT, place))
    }

    /// One that draws less: every weight to the power of `part`.
    pub fn weaker(mut self, part: f64) -> Self {
        for Sheet { places, curves, .. } in &mut self.0 {
            let own = places.iter_mut().flat_map(|(_, ln)| ln);
            own.chain(curves.iter_mut().flat_map(|curve| curve.ln.iter_mut().flatten())).for_each(|ln| *ln *= part);
        }
        self
    }

    /// From the moves between each row and the next, which are sorted on the way, for `ln_target` of the last quantity. Rows of
    /// one `kind` are equally far from the next, in the same step.
    pub fn learn(moves: &mut [Vec<Move>], kinds: &[usize], ln_target: impl Fn(f64) -> f64) -> Self {
        let crossroads = crossroads(moves, kinds);
        let mut sheets: Vec<Sheet> = Vec::with_capacity(moves.len());
        for (row, own) in moves.iter_mut().enumerate().rev() {
            let next = |place: Place| match sheets.last() {
                Some(after) => after.value(MEAN, place),
                None => ln_target(place[0]),
            };
            let first = crossroads.partition_point(|(kind, ..)| *kind < kinds[row]);
            let same = crossroads[first..].iter().take_while(|(kind, ..)| *kind == kinds[row]);
            let places = same.filter_map(|(_, place, ways)| Some((*place, left_by(ways, row, next)?))).collect();
            let sheet = Sheet::of(own, places, next);
            sheets.push(sheet);
        }
        sheets.reverse();
        Self(sheets)
    }
}

/// Second number first.
fn order(a: &Place, b: &Place) -> Ordering {
    a[1].total_cmp(&b[1]).then(a[0].total_cmp(&b[0]))
}

/// So many moves at a row to a place.
type Way = (usize, Place, f64);

/// Places that several moves left at a row, by kind of row and in order, with all their ways from them by rising row.
fn crossroads(moves: &mut [Vec<Move>], kinds: &[usize]) -> Vec<(usize, Place, Vec<Way>)> {
    let mut ways: Vec<(usize, Place, Way)> = Vec::new();
    for (row, own) in moves.iter_mut().enumerate() {
        own.sort_by(|a, b| order(&a.from, &b.from).then(order(&a.to, &b.to)));
        for left in own.chunk_by(|a, b| a.from == b.from).filter(|left| left.len() >= SEVERAL) {
            let equal = left.chunk_by(|a, b| a.to == b.to);
            ways.extend(equal.map(|same| (kinds[row], left[0].from, (row, same[0].to, same.len() as f64))));
        }
    }
    ways.sort_by(|a, b| a.0.cmp(&b.0).then(order(&a.1, &b.1)).then(a.2.0.cmp(&b.2.0)));
    let group = |all: &[(usize, Place, Way)]| (all[0].0, all[0].1, all.iter().map(|(_, _, way)| *way).collect());
    ways.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1).map(group).collect()
}

/// ln of the means of where ways lead at about a row, if they are enough.
fn left_by(ways: &[Way], row: usize, next: impl Fn(Place) -> f64) -> Option<[f64; 2]> {
    let first = ways.partition_point(|(at, ..)| *at + ABOUT < row);
    let last = ways.partition_point(|(at, ..)| *at <= row + ABOUT);
    let about = &ways[first..last];
    let n: f64 = about.iter().map(|(.., count)| count).sum();
    if n < FEWEST as f64 {
        return None;
    }
    let all: Vec<(f64, f64)> = about.iter().map(|(_, to, count)| (next(*to), *count)).collect();
    let most = all.iter().map(|(ln, _)| *ln).fold(f64::NEG_INFINITY, f64::max);
    let mean = |power: f64| {
        let sum: f64 = all.iter().map(|(ln, count)| count * (power * (ln - most)).exp()).sum();
        most + (sum / n).ln() / power
    };
    let mut both = [0.0; 2];
    (both[MEAN], both[ROOT]) = (mean(1.0), mean(2.0));
    Some(both)
}

impl Sheet {
    fn of(moves: &mut [Move], places: Vec<(Place, [f64; 2])>, next: impl Fn(Place) -> f64) -> Self {
        moves.iter_mut().for_each(|m| m.ln = next(m.to));
        let mut sheet = Self { places, ..Self::default() };
        for layer in groups(moves, 1, FEWEST_IN_LAYER.max(moves.len() / LAYERS)) {
            let own = &mut moves[layer];
            sheet.at.push(own.iter().map(|m| m.from[1]).sum::<f64>() / own.len() as f64);
            own.sort_by(|a, b| a.from[0].total_cmp(&b.from[0]));
            sheet.curves.push(Curve::of(own));
        }
        sheet
    }

    fn value(&self, which: usize, place: Place) -> f64 {
        let Self { places, at, curves } = self;
        if let Ok(found) = places.binary_search_by(|(known, _)| order(known, &place)) {
            return places[found].1[which];
        }
        let [x, second] = place;
        match at.partition_point(|place| *place <= second) {
            0 => curves.first().map_or(0.0, |curve| curve.value(which, x)),
            k if k == at.len() => curves[k - 1].value(which, x),
            k => {
                let share = (second - at[k - 1]) / (at[k] - at[k - 1]);
                let (low, high) = (curves[k - 1].value(which, x), curves[k].value(which, x));
                low + share * (high - low)
            }
        }
    }
}

/// ln of the mean of where moves lead, and of the root of the mean square.
fn means(moves: &[Move]) -> [f64; 2] {
    let mut both = [0.0; 2];
    both[MEAN] = ln_mean(moves.iter().map(|m| m.ln));
    both[ROOT] = 0.5 * ln_mean(moves.iter().map(|m| 2.0 * m.ln));
    both
}

impl Curve {
    fn of(moves: &[Move]) -> Self {
        let places = (1..moves.len()).filter(|k| moves[*k].from[0] > moves[k - 1].from[0]).take(GROUPS).count() + 1;
        let least = if places <= GROUPS { FEWEST } else { FEWEST.max(moves.len() / GROUPS) };
        let mut curve = Self::default();
        for group in groups(moves, 0, least) {
            let own = &moves[group];
            let both = means(own);
            curve.at.push(own.iter().map(|m| m.from[0]).sum::<f64>() / own.len() as f64);
            curve.ln.iter_mut().zip(both).for_each(|(all, ln)| all.push(ln));
        }
        curve
    }

    fn value(&self, which: usize, x: f64) -> f64 {
        let (at, ln) = (&self.at, &self.ln[which]);
        let (Some(first), Some(last)) = (ln.first(), ln.last()) else { return 0.0 };
        let n = at.len();
        if n == 1 {
            return *first;
        }
        let line = |k: usize| ln[k] + (ln[k + 1] - ln[k]) * ((x - at[k]) / (at[k + 1] - at[k])).clamp(-1e3, 1e3);
        // No chance is above 1.
        let beyond = |ln: f64, edge: f64| ln.max(edge - BEYOND).min(edge + BEYOND).min(0.0);
        match at.partition_point(|place| *place <= x) {
            0 => beyond(line(0), *first),
            k if k == n => beyond(line(n - 2), *last),
            k => line(k - 1),
        }
    }
}

/// Moves that are sorted by a number, in groups of about the same, each of `least` moves if there are so many; moves from one
/// place are never apart.
fn groups(moves: &[Move], number: usize, least: usize) -> Vec<Range<usize>> {
    let new_place = |k: usize| moves[k].from[number] > moves[k - 1].from[number];
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

    fn to(from: f64, to: f64) -> Move {
        Move::new([from, 0.0], [to, 0.0], 0)
    }

    /// A walk that goes up by 1 with a chance of 0.1 at each of four steps: h is a binomial tail, also where no walk came near.
    #[test]
    fn chances_are_found_backwards() {
        let moves = || -> Vec<Move> {
            (0..1000)
                .map(|k| (f64::from(k % 5), k / 5 % 10 == 0))
                .map(|(x, up)| to(x, x + f64::from(u8::from(up))))
                .collect()
        };
        let guide =
            Guide::learn(
                &mut [moves(), moves(), moves(), moves()],
                &[0, 1, 2, 3],
                |x| if x >= 4.0 { 0.0 } else { -50.0 },
            );
        for (row, x, chance) in [(0, 0.0, 1e-4), (1, 1.0, 1e-3), (3, 3.0, 0.1), (2, 4.0, 1.0), (2, 3.0, 0.19)] {
            let found = guide.0[row].value(MEAN, [x, 0.0]).exp();
            assert!((found / chance - 1.0).abs() < 1e-9, "row {row} at {x}: {found} {chance}");
        }
        assert!((guide.0[3].value(MEAN, [3.5, 0.0]) - 0.5 * 0.1f64.ln()).abs() < 1e-9);
        // One in ten moves leads there.
        assert!((guide.ln(3, [3.0, 0.0]) - 0.5 * 0.1f64.ln()).abs() < 1e-9);
        assert_eq!(Guide::default().ln(3, [0.5, 0.0]), 0.0);
    }

    /// What the second number tells is told apart.
    #[test]
    fn layers_have_chances_of_their_own() {
        let one = |k: i32| Move::new([f64::from(k % 2), f64::from(k / 1000)], [f64::from(k / 1000), 0.0], 0);
        let guide = Guide::learn(&mut [(0..2000).map(one).collect()], &[0], |x| -3.0 * x);
        assert_eq!((guide.ln(0, [0.0, -1.0]), guide.ln(0, [1.0, 0.0]), guide.ln(0, [0.5, 1.0])), (0.0, 0.0, -3.0));
        assert!((guide.ln(0, [0.0, 0.5]) + 1.5).abs() < 1e-12);
    }

    /// A place that few moves left at a row is known by its neighbours of the same kind.
    #[test]
    fn rows_of_a_kind_help_each_other() {
        let few = || -> Vec<Move> {
            let there = (0..100).map(|_| to(1.0, 1.0));
            (0..50).map(|k| to(0.0, f64::from(u8::from(k % 10 == 0)))).chain(there).collect()
        };
        let ln = |kinds: &[usize]| {
            let rows = &mut [few(), few(), few()];
            rows[1] = Vec::new();
            Guide::learn(rows, kinds, |x| if x > 0.5 { 0.0 } else { -50.0 }).0[1].value(MEAN, [0.0, 0.0])
        };
        assert!((ln(&[0, 0, 0]).exp() - 0.19).abs() < 1e-9);
        assert_eq!(ln(&[0, 1, 0]), 0.0);
    }

    #[test]
    fn moves_from_one_place_stay_together() {
        let moves: Vec<Move> = (0..95).map(|k| to(f64::from(k / 30), 0.0)).collect();
        assert_eq!(groups(&moves, 0, 10), [0..30, 30..60, 60..95]);
        let moves: Vec<Move> = (0..1000).map(|k| to(f64::from(k), 0.0)).collect();
        assert!(groups(&moves, 0, 25).len() == 40 && groups(&moves, 0, 25)[7] == (175..200));
        assert!(groups(&[], 0, 5).is_empty());
    }
}
