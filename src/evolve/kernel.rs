//! The inner loops: sparse and dense matrices on complex vectors.

use super::flips::Flips;
use crate::space::blocks::Sparse;
use faer::Mat;
use num_complex::Complex64;

/// ‖ψ‖².
#[inline(always)]
pub fn norm_sqr(psi: &[Complex64]) -> f64 {
    let x: &[f64] = bytemuck::cast_slice(psi);
    // Plain loops: an iterator that is not inlined would be compiled for other instructions. By arrays, which have no bounds to
    // check.
    let (chunks, remainder) = x.as_chunks::<4>();
    let mut lanes = [0.0; 4];
    let mut rest = 0.0;
    for x in remainder {
        rest += x * x;
    }
    for c in chunks {
        for k in 0..4 {
            lanes[k] += c[k] * c[k];
        }
    }
    ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + rest
}

/// An operator laid out for products: a sparse matrix, or flips of cells.
#[derive(Clone, Debug)]
pub struct Operator {
    form: Form,
    size: f64,
}

#[derive(Clone, Debug)]
enum Form {
    Sparse {
        starts: Vec<u32>,
        columns: Vec<u32>,
        values: Vec<Complex64>,
    },
    Flips(Flips),
    /// For blocks of at most [`REGISTERS`] states.
    Dense(Dense, usize),
}

/// Blocks up to this size are multiplied by dense matrices whose size is known to the compiler.
pub const REGISTERS: usize = 8;

impl Operator {
    /// Take over a matrix.
    pub fn new(matrix: &Sparse) -> Self {
        let starts: Vec<u32> = matrix.indptr().raw_storage().iter().map(|s| *s as u32).collect();
        let (columns, values) = (matrix.indices().to_vec(), matrix.data().to_vec());
        let size = bound(&starts, &columns, &values);
        Self { form: Form::Sparse { starts, columns, values }, size }
    }

    /// Without a matrix, on all states of single cells.
    pub fn flips(flips: Flips) -> Self {
        Self { size: flips.size(), form: Form::Flips(flips) }
    }

    /// Multiplications of one product.
    pub fn entries(&self) -> usize {
        match &self.form {
            Form::Sparse { values, .. } => values.len(),
            Form::Flips(flips) => flips.entries(),
            Form::Dense(_, entries) => *entries,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.form {
            Form::Sparse { starts, .. } => starts.len() - 1,
            Form::Flips(flips) => flips.states(),
            Form::Dense(dense, _) => dense.dimension,
        }
    }

    /// An upper bound of the 2-norm, √(‖A‖₁‖A‖_∞).
    pub fn size(&self) -> f64 {
        self.size
    }

    /// y = factor·A x.
    #[inline(always)]
    pub fn apply(&self, x: &[Complex64], y: &mut [Complex64], factor: f64) {
        match &self.form {
            Form::Sparse { starts, columns, values } => {
                for (out, range) in y.iter_mut().zip(starts.windows(2)) {
                    let range = range[0] as usize..range[1] as usize;
                    let mut sum = Complex64::ZERO;
                    for (column, value) in columns[range.clone()].iter().zip(&values[range]) {
                        sum += value * x[*column as usize];
                    }
                    *out = sum * factor;
                }
            }
            Form::Flips(flips) => flips.apply(x, y, factor),
            Form::Dense(dense, _) => {
                dense.apply(x, y);
                for y in y.iter_mut() {
                    *y *= factor;
                }
            }
        }
    }

    /// Turn a square sparse matrix into a dense one.
    pub fn make_dense(&mut self) {
        let d = self.rows();
        if let Form::Sparse { starts, columns, values } = &self.form {
            let mut dense = Mat::<Complex64>::zeros(d, d);
            for row in 0..d {
                for k in starts[row] as usize..starts[row + 1] as usize {
                    dense[(row, columns[k] as usize)] += values[k];
                }
            }
            self.form = Form::Dense(Dense::new(&dense), values.len());
        }
    }

    /// ‖A x‖², with room for A x.
    #[inline(always)]
    pub fn image_norm(&self, x: &[Complex64], room: &mut Vec<Complex64>) -> f64 {
        if let Form::Flips(flips) = &self.form
            && let Some(norm) = flips.image_norm(x)
        {
            return norm;
        }
        room.resize(self.rows(), Complex64::ZERO);
        self.apply(x, room, 1.0);
        norm_sqr(room)
    }

    /// The middle of the diagonal's range, real and imaginary part apart; 0 unless all of the diagonal is stored.
    pub fn centre(&self) -> Complex64 {
        let (mut low, mut high) = (Complex64::new(f64::MAX, f64::MAX), Complex64::new(f64::MIN, f64::MIN));
        for row in 0..self.rows() {
            let Some(x) = self.diagonal(row) else { return Complex64::ZERO };
            low = Complex64::new(low.re.min(x.re), low.im.min(x.im));
            high = Complex64::new(high.re.max(x.re), high.im.max(x.im));
        }
        if self.rows() == 0 { Complex64::ZERO } else { (low + high) * 0.5 }
    }

    /// Take `shift` off the diagonal.
    pub fn recentre(&mut self, shift: Complex64) {
        if shift == Complex64::ZERO {
            return;
        }
        match &mut self.form {
            Form::Sparse { starts, columns, values } => {
                for row in 0..starts.len() - 1 {
                    let range = starts[row] as usize..starts[row + 1] as usize;
                    if let Some(k) = range.clone().find(|k| columns[*k] as usize == row) {
                        values[k] -= shift;
                    }
                }
                self.size = bound(starts, columns, values);
            }
            Form::Flips(flips) => {
                flips.diagonal_mut().iter_mut().for_each(|d| *d -= shift);
                self.size = flips.size();
            }
            Form::Dense(..) => {} // made dense only after this
        }
    }

    /// The diagonal element of a row, if it is stored.
    fn diagonal(&self, row: usize) -> Option<Complex64> {
        match &self.form {
            Form::Sparse { starts, columns, values } => {
                let mut range = starts[row] as usize..starts[row + 1] as usize;
                range.find(|k| columns[*k] as usize == row).map(|k| values[k])
            }
            Form::Flips(flips) => flips.diagonal().get(row).copied(),
            Form::Dense(..) => None,
        }
    }
}

/// √(‖A‖₁‖A‖_∞).
fn bound(starts: &[u32], columns: &[u32], values: &[Complex64]) -> f64 {
    let mut column_sums = vec![0.0; 1 + columns.iter().max().map_or(0, |c| *c as usize)];
    let mut largest_row: f64 = 0.0;
    for range in starts.windows(2).map(|w| w[0] as usize..w[1] as usize) {
        let mut sum = 0.0;
        for (column, value) in columns[range.clone()].iter().zip(&values[range]) {
            sum += value.norm();
            column_sums[*column as usize] += value.norm();
        }
        largest_row = largest_row.max(sum);
    }
    (largest_row * column_sums.into_iter().fold(0.0, f64::max)).sqrt()
}

/// A dense complex d × d matrix as the real 2d × 2d matrix that acts on (re, im) pairs, by columns: a product is then
/// plain sums of contiguous columns.
#[derive(Clone, Debug)]
pub struct Dense {
    columns: Vec<f64>,
    dimension: usize,
}

impl Dense {
    /// Take over a matrix.
    pub fn new(matrix: &Mat<Complex64>) -> Self {
        let d = matrix.nrows();
        let mut columns = Vec::with_capacity(4 * d * d);
        for j in 0..d {
            (0..d).for_each(|i| columns.extend([matrix[(i, j)].re, matrix[(i, j)].im]));
            (0..d).for_each(|i| columns.extend([-matrix[(i, j)].im, matrix[(i, j)].re]));
        }
        Self { columns, dimension: d }
    }

    /// y = A x; returns ‖y‖².
    #[inline(always)]
    pub fn apply_norm(&self, x: &[Complex64], y: &mut [Complex64]) -> f64 {
        self.apply(x, y);
        norm_sqr(&y[..self.dimension])
    }

    /// y = A x.
    #[inline(always)]
    pub fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
        let d = self.dimension;
        let x: &[f64] = bytemuck::cast_slice(&x[..d]);
        {
            let y: &mut [f64] = bytemuck::cast_slice_mut(&mut y[..d]);
            match d {
                1 => columns::<2>(&self.columns, x, y),
                2 => columns::<4>(&self.columns, x, y),
                3 => columns::<6>(&self.columns, x, y),
                4 => columns::<8>(&self.columns, x, y),
                5 => columns::<10>(&self.columns, x, y),
                6 => columns::<12>(&self.columns, x, y),
                7 => columns::<14>(&self.columns, x, y),
                8 => columns::<16>(&self.columns, x, y),
                _ => long_columns(&self.columns, x, y),
            }
        }
    }
}

/// Σ_j column_j x_j for a size known when compiled: the sum stays in registers.
#[inline(always)]
fn columns<const N: usize>(matrix: &[f64], x: &[f64], y: &mut [f64]) {
    let mut sum = [0.0; N];
    for j in 0..N {
        let column = &matrix[j * N..(j + 1) * N];
        let factor = x[j];
        for i in 0..N {
            sum[i] += column[i] * factor;
        }
    }
    y.copy_from_slice(&sum);
}

/// The same for any size, four columns at a time.
#[inline(always)]
fn long_columns(matrix: &[f64], x: &[f64], y: &mut [f64]) {
    let n = y.len();
    y.fill(0.0);
    let quads = matrix.chunks_exact(4 * n);
    let rest = quads.remainder();
    let xs = x.chunks_exact(4);
    let rest_x = xs.remainder();
    for (columns, x) in quads.zip(xs) {
        let (a, b) = columns.split_at(2 * n);
        let ((a0, a1), (b0, b1)) = (a.split_at(n), b.split_at(n));
        for i in 0..n {
            y[i] += (a0[i] * x[0] + a1[i] * x[1]) + (b0[i] * x[2] + b1[i] * x[3]);
        }
    }
    for (column, x) in rest.chunks_exact(n).zip(rest_x) {
        for i in 0..n {
            y[i] += column[i] * x;
        }
    }
}
