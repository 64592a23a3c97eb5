//! All terms of a Taylor polynomial by one product, in blocks of a few states.

use super::series::{ORDER, SMALL, Workspace};
use crate::dense::product;
use crate::space::blocks::Sparse;
use faer::Mat;
use num_complex::Complex64;

/// Largest norm × time of polynomials whose terms are made at once.
pub const MOST_STACKED: f64 = 2.0;
/// Numbers that are added up side by side.
const SIDE_BY_SIDE: usize = 32;

/// K u, K²u²/2!, … one below the other as a real matrix that acts on (re, im) pairs.
#[derive(Debug)]
pub struct Powers {
    /// Strips of rows, each by columns.
    strips: Vec<[f64; SIDE_BY_SIDE]>,
    order: usize,
    /// The unit u of time, and how long polynomials hold.
    longest: f64,
}

impl Powers {
    /// With as many terms as times up to `longest` need, `rate` being a bound of ‖K‖.
    pub fn new(generator: &Sparse, rate: f64, longest: f64) -> Self {
        let d = generator.rows();
        // A bound of the next term.
        let (mut order, mut bound) = (0, rate * longest);
        while order == 0 || (bound > SMALL && order < ORDER) {
            order += 1;
            bound *= rate * longest / (order + 1) as f64;
        }
        let mut step = Mat::<Complex64>::zeros(d, d);
        generator.iter().for_each(|(value, (i, j))| step[(i as usize, j as usize)] += value * longest);
        let mut power = Mat::<Complex64>::identity(d, d);
        // Row by row of (re, im), with the two columns that (re, im) of each element of ψ multiply.
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for n in 1..=order {
            let next = product(step.as_ref(), power.as_ref());
            power = Mat::from_fn(d, d, |i, j| next[(i, j)] / n as f64);
            for i in 0..d {
                let x = |j: usize| power[(i, j)];
                rows.push((0..d).flat_map(|j| [x(j).re, -x(j).im]).collect());
                rows.push((0..d).flat_map(|j| [x(j).im, x(j).re]).collect());
            }
        }
        let strip = |rows: &[Vec<f64>]| -> Vec<[f64; SIDE_BY_SIDE]> {
            let at = |row: usize, column: usize| rows.get(row).map_or(0.0, |row| row[column]);
            (0..2 * d).map(|column| std::array::from_fn(|row| at(row, column))).collect()
        };
        Self { strips: rows.chunks(SIDE_BY_SIDE).flat_map(strip).collect(), order, longest }
    }

    /// How long polynomials hold.
    pub fn longest(&self) -> f64 {
        self.longest
    }

    /// The terms of exp(tK)ψ.
    #[inline(always)]
    pub fn expand(&self, psi: &[Complex64], work: &mut Workspace) {
        let d = psi.len();
        let (strips, n) = (self.strips.chunks_exact(2 * d), 2 * d);
        work.unit = self.longest;
        work.order = self.order;
        let numbers = strips.len() * SIDE_BY_SIDE;
        let size = d + numbers.div_ceil(2);
        if work.terms.len() < size {
            work.terms.resize(size, Complex64::ZERO);
        }
        work.terms[..d].copy_from_slice(psi);
        let x: &[f64] = bytemuck::cast_slice(psi);
        let terms: &mut [f64] = bytemuck::cast_slice_mut(&mut work.terms[d..size]);
        for (strip, out) in strips.zip(terms.chunks_exact_mut(SIDE_BY_SIDE)) {
            let mut sum = [0.0; SIDE_BY_SIDE];
            for j in 0..n {
                let (column, factor) = (&strip[j], x[j]);
                for i in 0..SIDE_BY_SIDE {
                    sum[i] += column[i] * factor;
                }
            }
            out.copy_from_slice(&sum);
        }
    }
}
