//! Operators whose elements lie on few diagonals, as those of oscillators and spins do: a product is then plain sums of
//! contiguous numbers.

use crate::space::blocks::Sparse;
use num_complex::Complex64;
use std::collections::BTreeMap;

/// Most numbers kept, in parts of the matrix's elements: what lies between them on their diagonals is 0.
const MOST_KEPT: usize = 2;

/// A square matrix, diagonal by diagonal.
#[derive(Clone, Debug)]
pub struct Diagonals {
    dimension: usize,
    lines: Vec<Line>,
}

/// The real or the imaginary parts of a diagonal, from its first element other than 0 to its last.
#[derive(Clone, Debug)]
struct Line {
    /// Row of the first element, and its column.
    row: usize,
    column: usize,
    /// Whether these are imaginary parts.
    imaginary: bool,
    /// What each number of (re, im) of the result takes of its own kind, or of the other one where elements are imaginary.
    factors: Vec<f64>,
}

impl Diagonals {
    /// Of a matrix whose diagonals are full enough.
    pub fn new(matrix: &Sparse) -> Option<Self> {
        let dimension = matrix.rows();
        let mut parts: BTreeMap<(isize, bool), BTreeMap<usize, f64>> = BTreeMap::new();
        for (value, (i, j)) in matrix.iter() {
            let (i, j) = (i as usize, j as usize);
            for (part, imaginary) in [(value.re, false), (value.im, true)] {
                if part != 0.0 {
                    *parts.entry((j as isize - i as isize, imaginary)).or_default().entry(i).or_default() += part;
                }
            }
        }
        let line = |((offset, imaginary), elements): ((isize, bool), BTreeMap<usize, f64>)| {
            let (row, last) = (*elements.keys().next()?, *elements.keys().next_back()?);
            let mut factors = vec![0.0; 2 * (last + 1 - row)];
            for (i, x) in elements {
                let place = 2 * (i - row);
                (factors[place], factors[place + 1]) = (if imaginary { -x } else { x }, x);
            }
            Some(Line { row, column: row.checked_add_signed(offset)?, imaginary, factors })
        };
        let found = Self { dimension, lines: parts.into_iter().filter_map(line).collect() };
        (matrix.cols() == dimension && found.kept() <= MOST_KEPT * matrix.nnz()).then_some(found)
    }

    /// Elements kept.
    pub fn kept(&self) -> usize {
        self.lines.iter().map(|line| line.factors.len() / 2).sum()
    }

    /// d.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// y = factor·A x.
    #[inline(always)]
    pub fn apply(&self, x: &[Complex64], y: &mut [Complex64], factor: f64) {
        let x: &[f64] = bytemuck::cast_slice(x);
        let y: &mut [f64] = bytemuck::cast_slice_mut(y);
        y.fill(0.0);
        for line in &self.lines {
            let n = line.factors.len();
            let (x, y) = (&x[2 * line.column..][..n], &mut y[2 * line.row..][..n]);
            // Each with a loop of its own.
            if line.imaginary {
                add(&line.factors, x, y, true);
            } else {
                add(&line.factors, x, y, false);
            }
        }
        for y in y.iter_mut() {
            *y *= factor;
        }
    }
}

/// y += fx, or f times x with its real and imaginary parts exchanged. Four at a time are read before any is written, so that
/// they are worked out at once whatever the compiler knows of where they lie.
#[inline(always)]
fn add(factors: &[f64], x: &[f64], y: &mut [f64], exchanged: bool) {
    let ((f, last_f), (x, last_x)) = (factors.as_chunks::<4>(), x.as_chunks::<4>());
    let (y, last_y) = y.as_chunks_mut::<4>();
    for i in 0..y.len().min(x.len()).min(f.len()) {
        let (f, x, mut sum) = (f[i], x[i], y[i]);
        let x = if exchanged { [x[1], x[0], x[3], x[2]] } else { x };
        for k in 0..4 {
            sum[k] += f[k] * x[k];
        }
        y[i] = sum;
    }
    if let ([f, g], [re, im], [y_re, y_im]) = (last_f, last_x, last_y) {
        *y_re += f * if exchanged { im } else { re };
        *y_im += g * if exchanged { re } else { im };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprs::TriMatI;

    /// Two oscillators that exchange quanta, driven and damped: products are those of the matrix. A matrix whose elements lie
    /// all over the place is none of these.
    #[test]
    fn products_are_those_of_the_matrix() {
        let levels = 5;
        let d = levels * levels;
        let mut triplets = TriMatI::<Complex64, u32>::new((d, d));
        for (n, m) in (0..levels).flat_map(|n| (0..levels).map(move |m| (n, m))) {
            let at = |n: usize, m: usize| n * levels + m;
            triplets.add_triplet(at(n, m), at(n, m), Complex64::new(-0.3 * (n * n) as f64, 0.7 * m as f64));
            if n > 0 && m + 1 < levels {
                let x = Complex64::new(0.0, -((n * (m + 1)) as f64).sqrt());
                triplets.add_triplet(at(n, m), at(n - 1, m + 1), x);
                triplets.add_triplet(at(n - 1, m + 1), at(n, m), x);
            }
            if n > 0 {
                triplets.add_triplet(at(n, m), at(n - 1, m), Complex64::new(0.2, 0.1 * n as f64));
            }
        }
        let matrix: Sparse = triplets.to_csr();
        let diagonals = Diagonals::new(&matrix).unwrap();
        assert!(diagonals.lines.len() == 6 && diagonals.kept() < 2 * matrix.nnz());
        let x: Vec<Complex64> = (0..d).map(|i| Complex64::new((i as f64).sin(), (2.0 * i as f64).cos())).collect();
        let mut y = vec![Complex64::ONE; d];
        diagonals.apply(&x, &mut y, 1.5);
        for (i, row) in matrix.outer_iterator().enumerate() {
            let expected: Complex64 = row.iter().map(|(j, a)| a * x[j] * 1.5).sum();
            assert!((y[i] - expected).norm() < 1e-14, "{i}");
        }
        let mut scattered = TriMatI::<Complex64, u32>::new((d, d));
        (0..d).for_each(|i| scattered.add_triplet(i, (7 * i + i * i) % d, Complex64::ONE));
        assert!(Diagonals::new(&scattered.to_csr()).is_none());
    }
}
