//! What many batches have contributed, in a form that does not depend on how the run was cut up.
//!
//! Sums of floating-point numbers depend on their order. So batches are added in one order, whoever made them: those of a
//! complete binary tree over their numbers, as in a binary counter. Batches 2k and 2k + 1 make a pair, pairs 2k and 2k + 1
//! four, and so on; what is there of the tree is kept, and added up from the first to the last when it is asked for. A part
//! of a run keeps the nodes that lie within it, and those of several parts grow together into the nodes of the whole.

use crate::estimate::columns::Accumulated;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The sums of 2^k batches, the first of which is a multiple of 2^k.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    first: u64,
    batches: u64,
    accumulated: Accumulated,
}

/// Sums over consecutive batches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    nodes: Vec<Node>,
}

impl Sums {
    /// Which batches they are of; none are those from 0 to 0.
    pub fn batches(&self) -> Range<u64> {
        match (self.nodes.first(), self.nodes.last()) {
            (Some(first), Some(last)) => first.first..last.first + last.batches,
            _ => 0..0,
        }
    }

    /// Add batch number `index`, which must follow the last one.
    pub fn push(&mut self, index: u64, accumulated: Accumulated) {
        self.add(Node { first: index, batches: 1, accumulated });
    }

    /// Add the sums of batches that follow the last one.
    pub fn append(&mut self, later: Self) {
        later.nodes.into_iter().for_each(|node| self.add(node));
    }

    fn add(&mut self, node: Node) {
        self.nodes.push(node);
        while let [.., left, right] = &self.nodes[..]
            && left.batches == right.batches
            && left.first.is_multiple_of(2 * left.batches)
        {
            if let (Some(right), Some(left)) = (self.nodes.pop(), self.nodes.last_mut()) {
                left.batches *= 2;
                left.accumulated.merge(right.accumulated);
            }
        }
    }

    /// The sums of all of them, added to those in `before`.
    pub fn total(&self, mut before: Accumulated) -> Accumulated {
        self.nodes.iter().for_each(|node| before.merge(node.accumulated.clone()));
        before
    }

    /// What of them is linear in the state.
    pub fn linear(&self, mut before: Accumulated) -> Accumulated {
        self.nodes.iter().for_each(|node| before.moments.merge(&node.accumulated.moments));
        before
    }

    /// The most that the nodes of up to so many batches take together, one of 2^k batches taking `size(2^k)`: there is one
    /// for each binary digit of the number of batches.
    pub fn most(batches: u64, size: impl Fn(u64) -> f64) -> f64 {
        let digits = |n: u64| (0..u64::BITS).map(|k| n & 1 << k).filter(|node| *node > 0).map(&size).sum::<f64>();
        // Fewer batches: one digit less, and all below it.
        let fewer = (0..u64::BITS).filter(|k| batches & 1 << k > 0).map(|k| (batches & !(1 << k)) | ((1 << k) - 1));
        fewer.map(digits).fold(digits(batches), f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::moments::Moments;

    fn batch(index: u64) -> Accumulated {
        let values: Vec<f64> =
            (0..3).map(|k| ((index * 7 + k) as f64 * 0.618).sin() * 10f64.powi((index % 5) as i32)).collect();
        let mut moments = Moments::of_batch(&[1.0; 3], 1);
        moments.set(0, &values, &[1.0; 3]);
        Accumulated { moments, ..Accumulated::default() }
    }

    fn of(batches: Range<u64>) -> Sums {
        let mut sums = Sums::default();
        batches.for_each(|index| sums.push(index, batch(index)));
        sums
    }

    /// The bits of the sums are the same wherever a run is cut, and its nodes few.
    #[test]
    fn any_cut_gives_the_same_bits() {
        for n in [1, 2, 3, 8, 37, 100] {
            let whole = of(0..n);
            assert_eq!(whole.batches(), 0..n);
            let most = (0..=n).map(|fewer| f64::from(fewer.count_ones())).fold(0.0, f64::max);
            assert_eq!(Sums::most(n, |_| 1.0), most, "{n}");
            assert!(whole.nodes.len() as f64 <= most, "{n}: {} nodes", whole.nodes.len());
            for cuts in [vec![1], vec![5], vec![2, 3, 7], vec![13, 14, 31, 64], (1..n).collect()] {
                let mut ends: Vec<u64> = cuts.into_iter().filter(|cut| *cut < n).collect();
                ends.push(n);
                let (mut parts, mut start) = (Sums::default(), 0);
                for end in ends {
                    parts.append(of(start..end));
                    start = end;
                }
                assert_eq!(parts, whole, "{n}");
            }
            let moments = whole.total(Accumulated::default()).moments;
            let direct: f64 = (0..n).map(|index| batch(index).moments.mean(0)).sum::<f64>() / n as f64;
            assert!((moments.mean(0) - direct).abs() < 1e-9 * direct.abs().max(1.0));
        }
    }
}
