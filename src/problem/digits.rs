//! Product states by number: one digit for the level of each factor, the first factor the most significant.

use super::{Problem, SubsystemId};
use num_complex::Complex64;

/// The level of each factor in product state `index`; `counts` are the levels that each factor has.
pub(crate) fn digits(mut index: usize, counts: &[usize]) -> Vec<usize> {
    let mut found = vec![0; counts.len()];
    for (level, count) in found.iter_mut().zip(counts).rev() {
        *level = index % count;
        index /= count;
    }
    found
}

/// Amplitudes no larger than this are none.
const LEAST_AMPLITUDE: f64 = 1e-150;

impl Problem {
    /// The product states that occur in kets over these subsystems: the level of each factor, with whose it is.
    pub(super) fn occupied(
        &self,
        over: &[SubsystemId],
        kets: &[(f64, Vec<Complex64>)],
    ) -> impl Iterator<Item = Vec<(SubsystemId, usize)>> {
        let factors = self.factors_of(&over.iter().map(|e| (*e, None)).collect::<Vec<_>>());
        let counts: Vec<usize> = factors.iter().map(|(.., levels)| *levels).collect();
        let states = kets.iter().map(|(_, ket)| ket.len()).max().unwrap_or(0);
        let there =
            |index: &usize| kets.iter().any(|(_, ket)| ket.get(*index).is_some_and(|x| x.norm() > LEAST_AMPLITUDE));
        let occupied: Vec<usize> = (0..states).filter(there).collect();
        occupied.into_iter().map(move |index| {
            let levels = digits(index, &counts);
            factors.iter().zip(levels).map(|(&(e, ..), level)| (e, level)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_make_up_the_number_again() {
        let counts = [2, 3, 5];
        assert_eq!(digits(29, &counts), [1, 2, 4]);
        assert_eq!(digits(7, &counts), [0, 1, 2]);
        for index in 0..30 {
            let again = digits(index, &counts).iter().zip(&counts).fold(0, |number, (level, n)| number * n + level);
            assert_eq!(again, index);
        }
        assert!(digits(0, &[]).is_empty());
    }
}
