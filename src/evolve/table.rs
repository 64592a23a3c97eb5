//! Propagators exp(hK) of small blocks, for the spacing of the rows and for h₀, 2h₀, 4h₀, ….

use super::matrix::Dense;
use super::series::Series;
use crate::dense::product;
use crate::space::blocks::Sparse;
use crate::stop::Stop;
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
/// Norm × time beyond which jumps would be closer than numbers are: 2⁵³.
const FASTEST: f64 = 9e15;
/// Norm × time from which on squaring exp(hK) would lose too many digits of what is slow.
const STIFF: f64 = 1e6;
/// How much exp(hK) may change with the last digits of K.
const LOST: f64 = 1e-4;
/// Most spacings of rows that have a propagator of their own.
const MOST_SPACINGS: usize = 6;

/// The propagators of one block and stage.
#[derive(Debug)]
pub struct Table {
    /// exp(2^k h₀ K).
    dyadic: Vec<(f64, Dense)>,
    /// Those of whole distances between rows.
    spacings: Vec<(f64, Dense)>,
    stiff: bool,
}

/// What an element of a matrix costs where states go side by side, in parts of one of the series.
const SIDE_BY_SIDE: f64 = 0.5;

/// Whether a table is cheaper than the series over the distances between rows.
pub fn pays(series: &Series, spacings: &[(f64, u64)]) -> bool {
    let d = series.dimension();
    let rows: f64 = spacings.iter().map(|(_, count)| *count as f64).sum();
    let mean = spacings.iter().map(|(width, count)| width * *count as f64).sum::<f64>() / rows.max(1.0);
    d <= SMALL || (d <= LARGE && SIDE_BY_SIDE * ((d * d) as f64) < series.cost(mean))
}

impl Table {
    /// Build it; `series` is the one that covers what is shorter. `None` once `stop` is raised.
    ///
    /// # Errors
    /// The reason why double precision does not hold exp(hK) over the distances between rows.
    pub fn new(
        generator: &Sparse,
        series: &Series,
        spacings: &[(f64, u64)],
        stop: &Stop,
    ) -> Result<Option<Self>, String> {
        let (d, rate) = (generator.rows(), series.rate());
        let finest = if d <= TINY { FINEST_OF_TINY } else { FINEST };
        let mut dense = Mat::<Complex64>::zeros(d, d);
        generator.iter().for_each(|(value, (i, j))| dense[(i as usize, j as usize)] += *value);
        let longest = spacings.iter().map(|s| s.0).fold(0.0, f64::max);
        if !(rate * longest < FASTEST) {
            return Err(format!(
                "a process of rate {rate:e} is too fast for rows that are {longest} apart: times of so many digits are \
                 more than double precision holds"
            ));
        }
        let stiff = rate * longest > STIFF;
        let over = |time: f64| Growth::over(&dense, time, stiff, stop);
        let mut dyadic = Vec::new();
        if rate > 0.0 && longest > 1.5 * finest / rate {
            let mut length = finest / rate;
            let mut growth = over(length);
            while length <= longest {
                // Where the series is cheaper, it covers that too.
                if ((d * d) as f64) < series.cost(length) {
                    dyadic.push((length, growth.propagator()));
                }
                growth = growth.doubled();
                length *= 2.0;
                if stop.is_requested() {
                    return Ok(None);
                }
            }
        }
        if stiff {
            // Where slow processes have elements of their own, the last digits of K change theirs alone; where they are
            // small differences of fast ones, nothing may be left of them.
            let sign = |i: usize, j: usize| if (i + j).is_multiple_of(2) { f64::EPSILON } else { -f64::EPSILON };
            let nearby = Mat::from_fn(d, d, |i, j| dense[(i, j)] * (1.0 + sign(i, j)));
            let lost = over(longest).distance(&Growth::over(&nearby, longest, stiff, stop));
            if !(lost <= LOST) && !stop.is_requested() {
                return Err(format!(
                    "fast and slow processes are too far apart for double precision: over {longest} between rows, \
                     rounding in the last digit changes the evolution by {lost:.0e}"
                ));
            }
        }
        let mut common: Vec<(f64, u64)> = spacings.iter().copied().filter(|(_, count)| *count > 1).collect();
        common.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.total_cmp(&b.0)));
        common.truncate(MOST_SPACINGS);
        let spacings = common.iter().map(|(width, _)| (*width, over(*width).propagator())).collect();
        Ok((!stop.is_requested()).then_some(Self { dyadic, spacings, stiff }))
    }

    /// exp(width K), if `width` is a distance between rows.
    pub fn of_rows(&self, width: f64) -> Option<&Dense> {
        // Rows are held to the last digit elsewhere; a difference of rounding in their distance is none here.
        let found = self.spacings.iter().find(|(known, _)| (known - width).abs() <= 1e-10 * width);
        found.map(|(_, matrix)| matrix)
    }

    /// The number of levels, and the level of propagators between rows.
    pub fn levels(&self) -> usize {
        self.dyadic.len()
    }

    /// The longest propagator that fits into `left` and is below level `cap`: its level, itself, its length, and whether
    /// it covers all of `left`.
    #[inline(always)]
    pub fn longest(&self, left: f64, cap: usize) -> Option<(usize, &Dense, f64, bool)> {
        if cap == usize::MAX
            && let Some(matrix) = self.of_rows(left)
        {
            return Some((self.levels(), matrix, left, true));
        }
        let level = self.dyadic.iter().take(cap).rposition(|(length, _)| *length <= left)?;
        let (length, matrix) = &self.dyadic[level];
        Some((level, matrix, *length, false))
    }

    /// The longest time that is left to the series, but for what is longer than all distances between rows.
    pub fn shortest(&self, spacings: &[(f64, u64)]) -> f64 {
        let longest = spacings.iter().map(|s| s.0).fold(0.0, f64::max);
        self.dyadic.first().map_or(longest, |(length, _)| *length)
    }

    /// Whether the fastest process takes a tiny part of what lies between rows.
    #[inline(always)]
    pub fn is_stiff(&self) -> bool {
        self.stiff
    }
}

/// exp(tK), as itself; or, where it is stiff, as E = exp(tK) − 1, since squaring exp(tK) rounds 1 − rate·t of a process
/// much slower than the fastest, while E holds rate·t itself.
struct Growth {
    matrix: Mat<Complex64>,
    stiff: bool,
}

impl Growth {
    /// A Taylor sum over t/2^s with norm below ½, doubled s times; for no use if `stop` was raised.
    fn over(generator: &Mat<Complex64>, time: f64, stiff: bool, stop: &Stop) -> Self {
        let d = generator.nrows();
        let row = |i: usize| (0..d).map(|j| generator[(i, j)].norm()).sum::<f64>();
        let norm = (0..d).map(row).fold(0.0, f64::max) * time;
        let doublings = if norm > 0.5 { (norm / 0.5).log2().ceil() as i32 } else { 0 };
        let scale = time * 0.5f64.powi(doublings);
        let step = Mat::from_fn(d, d, |i, j| generator[(i, j)] * scale);
        let mut term = Mat::<Complex64>::identity(d, d);
        let mut sum = if stiff { Mat::zeros(d, d) } else { term.clone() };
        for n in 1..=20 {
            let next = product(term.as_ref(), step.as_ref());
            term = Mat::from_fn(d, d, |i, j| next[(i, j)] / n as f64);
            sum += &term;
        }
        let mut growth = Self { matrix: sum, stiff };
        for _ in 0..doublings {
            if stop.is_requested() {
                break;
            }
            growth = growth.doubled();
        }
        growth
    }

    /// Over twice the time: the square; or (1 + E)² − 1 = 2E + E².
    fn doubled(&self) -> Self {
        let m = &self.matrix;
        let square = product(m.as_ref(), m.as_ref());
        let matrix = if self.stiff {
            Mat::from_fn(m.nrows(), m.ncols(), |i, j| square[(i, j)] + 2.0 * m[(i, j)])
        } else {
            square
        };
        Self { matrix, ..*self }
    }

    /// exp(tK), ready for products.
    fn propagator(&self) -> Dense {
        let m = &self.matrix;
        let one = |i: usize, j: usize| if self.stiff && i == j { Complex64::ONE } else { Complex64::ZERO };
        Dense::new(&Mat::from_fn(m.nrows(), m.ncols(), |i, j| one(i, j) + m[(i, j)]))
    }

    /// The largest difference of an element.
    fn distance(&self, other: &Self) -> f64 {
        let (a, b) = (&self.matrix, &other.matrix);
        let elements = (0..a.nrows()).flat_map(|i| (0..a.ncols()).map(move |j| (i, j)));
        // A NaN stays.
        elements.map(|(i, j)| (a[(i, j)] - b[(i, j)]).norm()).fold(0.0, |most, x| if x <= most { most } else { x })
    }
}
