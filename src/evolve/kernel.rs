//! The inner loops: operators on complex vectors.

use super::diagonals::Diagonals;
use super::flips::Flips;
use super::matrix::Dense;
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

/// y ← f(y, x), number by number: eight at a time are read before any is written, so that they are worked out at once
/// whatever the compiler knows of where they lie.
#[inline(always)]
pub(super) fn update(y: &mut [f64], x: &[f64], f: impl Fn(f64, f64) -> f64) {
    let ((ys, last_y), (xs, last_x)) = (y.as_chunks_mut::<8>(), x.as_chunks::<8>());
    let n = ys.len().min(xs.len());
    for i in 0..n {
        let (mut out, x) = (ys[i], xs[i]);
        for k in 0..8 {
            out[k] = f(out[k], x[k]);
        }
        ys[i] = out;
    }
    for i in 0..last_y.len().min(last_x.len()) {
        last_y[i] = f(last_y[i], last_x[i]);
    }
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
    Diagonals(Diagonals, usize),
    /// For blocks of few states.
    Dense(Dense, usize),
}

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
            Form::Diagonals(_, entries) | Form::Dense(_, entries) => *entries,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.form {
            Form::Sparse { starts, .. } => starts.len() - 1,
            Form::Flips(flips) => flips.states(),
            Form::Diagonals(diagonals, _) => diagonals.dimension(),
            Form::Dense(dense, _) => dense.dimension(),
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
            Form::Diagonals(diagonals, _) => diagonals.apply(x, y, factor),
            Form::Dense(dense, _) => {
                dense.apply(x, y);
                for y in y.iter_mut() {
                    *y *= factor;
                }
            }
        }
    }

    /// Multiplications that a term of a Taylor sum costs, those by elements that are read one by one from anywhere: few where
    /// they come in rows.
    pub fn term_cost(&self) -> f64 {
        let d = self.rows();
        match &self.form {
            Form::Diagonals(diagonals, _) => 0.25 * diagonals.kept() as f64 + 0.5 * d as f64,
            _ => (self.entries() + 2 * d) as f64,
        }
    }

    /// Keep a square sparse matrix by its diagonals, if they are few.
    pub fn by_diagonals(&mut self) {
        if let Form::Sparse { starts, columns, values } = &self.form {
            let d = starts.len() - 1;
            let indptr = starts.iter().map(|start| *start as usize).collect();
            let matrix = Sparse::new((d, d), indptr, columns.clone(), values.clone());
            if let Some(diagonals) = Diagonals::new(&matrix) {
                self.form = Form::Diagonals(diagonals, matrix.nnz());
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
            Form::Diagonals(..) | Form::Dense(..) => {} // made only after this
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
            Form::Diagonals(..) | Form::Dense(..) => None,
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
