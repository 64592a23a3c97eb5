//! Propagators exp(hK) of small blocks, for the spacing of the rows and for h₀, 2h₀, 4h₀, ….

use super::kernel::Dense;
use super::series::Series;
use crate::repr::blocks::Sparse;
use faer::Mat;
use num_complex::Complex64;

/// Blocks up to this size always have a table.
const SMALL: usize = 40;
/// Larger blocks never have one.
const LARGE: usize = 256;
/// Norm × h₀: a Taylor polynomial covers what is shorter. Where a matrix costs no more than a term of the polynomial the
/// table goes further down.
const FINEST: f64 = 1.0;
const FINEST_OF_TINY: f64 = 0.2;
/// Blocks up to this size are tiny.
const TINY: usize = 6;
/// Most spacings of rows that have a propagator of their own.
const MOST_SPACINGS: usize = 6;

/// The propagators of one block and stage.
#[derive(Debug)]
pub struct Table {
    /// exp(2^k h₀ K).
    dyadic: Vec<(f64, Dense)>,
    /// Those of whole distances between rows.
    spacings: Vec<(f64, Dense)>,
    dimension: usize,
}

/// Whether a table is cheaper than the series over the distances between rows.
pub fn pays(series: &Series, spacings: &[(f64, u64)]) -> bool {
    let d = series.dimension();
    let rows: f64 = spacings.iter().map(|(_, count)| *count as f64).sum();
    let mean = spacings.iter().map(|(width, count)| width * *count as f64).sum::<f64>() / rows.max(1.0);
    d <= SMALL || (d <= LARGE && ((d * d) as f64) < series.cost(mean))
}

impl Table {
    /// Build it; `series` is the one that covers what is shorter.
    pub fn new(generator: &Sparse, series: &Series, spacings: &[(f64, u64)]) -> Self {
        let (d, rate) = (generator.rows(), series.rate());
        let finest = if d <= TINY { FINEST_OF_TINY } else { FINEST };
        let mut dense = Mat::<Complex64>::zeros(d, d);
        generator.iter().for_each(|(value, (i, j))| dense[(i as usize, j as usize)] += *value);
        let longest = spacings.iter().map(|s| s.0).fold(0.0, f64::max);
        let mut dyadic = Vec::new();
        if rate > 0.0 && longest > 1.5 * finest / rate {
            let mut length = finest / rate;
            let mut matrix = exponential(&dense, length);
            while length <= longest && dyadic.len() < 60 {
                dyadic.push((length, Dense::new(&matrix)));
                matrix = &matrix * &matrix;
                length *= 2.0;
            }
        }
        let mut common: Vec<(f64, u64)> = spacings.iter().copied().filter(|(_, count)| *count > 1).collect();
        common.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.total_cmp(&b.0)));
        common.truncate(MOST_SPACINGS);
        let spacings = common.into_iter().map(|(width, _)| (width, Dense::new(&exponential(&dense, width)))).collect();
        Self { dyadic, spacings, dimension: d }
    }

    /// The longest propagator that fits into `left` and is below level `cap`: its level, itself, its length, and whether
    /// it covers all of `left`.
    #[inline(always)]
    pub fn longest(&self, left: f64, cap: usize) -> Option<(usize, &Dense, f64, bool)> {
        if cap == usize::MAX
            && let Some((width, matrix)) = self.spacings.iter().find(|(width, _)| (width - left).abs() <= 1e-10 * left)
        {
            // Rows are held to the last digit elsewhere; a difference of rounding in their distance is none here.
            return Some((self.dyadic.len(), matrix, *width, true));
        }
        let level = self.dyadic.iter().take(cap).rposition(|(length, _)| *length <= left)?;
        let (length, matrix) = &self.dyadic[level];
        Some((level, matrix, *length, false))
    }

    /// Multiplications of a step from row to row.
    pub fn cost(&self) -> f64 {
        4.0 * (self.dimension * self.dimension) as f64
    }
}

/// exp(tK): a Taylor sum over t/2^s with norm below ½, squared s times.
fn exponential(generator: &Mat<Complex64>, time: f64) -> Mat<Complex64> {
    let d = generator.nrows();
    let row = |i: usize| (0..d).map(|j| generator[(i, j)].norm()).sum::<f64>();
    let norm = (0..d).map(row).fold(0.0, f64::max) * time;
    let squarings = if norm > 0.5 { (norm / 0.5).log2().ceil() as i32 } else { 0 };
    let scale = time * 0.5f64.powi(squarings);
    let step = Mat::from_fn(d, d, |i, j| generator[(i, j)] * scale);
    let mut sum = Mat::<Complex64>::identity(d, d);
    let mut term = Mat::<Complex64>::identity(d, d);
    for n in 1..=20 {
        let next = &term * &step;
        term = Mat::from_fn(d, d, |i, j| next[(i, j)] / n as f64);
        sum += &term;
    }
    (0..squarings).for_each(|_| sum = &sum * &sum);
    sum
}
