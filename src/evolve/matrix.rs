//! Dense complex matrices on one vector, or on several side by side.
//!
//! A matrix is kept as the real 2d × 2d matrix that acts on (re, im) pairs. Every element of a product is summed up in
//! the same order, whichever way it is made: the digits of a state do not depend on what stands beside it.

use super::kernel::norm_sqr;
use faer::Mat;
use num_complex::Complex64;
use pulp::Simd;

/// Blocks up to this size are multiplied by matrices whose size is known to the compiler.
pub const REGISTERS: usize = 8;
/// How many vectors go side by side: as many as fill two registers of the widest common kind.
pub const LANES: usize = 8;
/// Rows that are kept together in larger blocks, a cache line of each column.
const TILE: usize = 8;

/// A dense complex d × d matrix.
#[derive(Clone, Debug)]
pub struct Dense {
    form: Form,
    dimension: usize,
}

#[derive(Clone, Debug)]
enum Form {
    /// Column by column, of a small block.
    Columns(Vec<f64>),
    /// [`TILE`] rows at a time, column by column; rows that are too many are 0.
    Tiles(Vec<[f64; TILE]>),
}

/// Vectors side by side, number by number.
#[derive(Debug, Default)]
pub struct Lanes {
    before: Vec<[f64; LANES]>,
    after: Vec<[f64; LANES]>,
}

impl Lanes {
    /// Vectors of `d` amplitudes, all 0.
    #[inline(always)]
    pub fn clear(&mut self, d: usize) {
        self.before.clear();
        self.before.resize(2 * d, [0.0; LANES]);
        self.after.resize(2 * d, [0.0; LANES]);
    }

    /// Set one before a product.
    #[inline(always)]
    pub fn put(&mut self, lane: usize, psi: &[Complex64]) {
        let psi: &[f64] = bytemuck::cast_slice(psi);
        for (number, x) in self.before.iter_mut().zip(psi) {
            number[lane] = *x;
        }
    }

    /// Take one after a product.
    pub fn take(&self, lane: usize, psi: &mut [Complex64]) {
        let psi: &mut [f64] = bytemuck::cast_slice_mut(psi);
        for (x, number) in psi.iter_mut().zip(&self.after) {
            *x = number[lane];
        }
    }

    /// The norm² of each after a product, in the order of [`norm_sqr`].
    #[inline(always)]
    pub fn norms(&self) -> [f64; LANES] {
        let (chunks, remainder) = self.after.as_chunks::<4>();
        let (mut sums, mut rest) = ([[0.0; LANES]; 4], [0.0; LANES]);
        for x in remainder {
            for lane in 0..LANES {
                rest[lane] += x[lane] * x[lane];
            }
        }
        for chunk in chunks {
            for k in 0..4 {
                for lane in 0..LANES {
                    sums[k][lane] += chunk[k][lane] * chunk[k][lane];
                }
            }
        }
        std::array::from_fn(|l| ((sums[0][l] + sums[1][l]) + (sums[2][l] + sums[3][l])) + rest[l])
    }
}

impl Dense {
    /// Take over a matrix.
    pub fn new(matrix: &Mat<Complex64>) -> Self {
        let d = matrix.nrows();
        let n = 2 * d;
        // Row and column of the real matrix.
        let element = |row: usize, column: usize| -> f64 {
            if row >= n {
                return 0.0;
            }
            let x = matrix[(row / 2, column / 2)];
            match (row % 2, column % 2) {
                (0, 0) | (1, 1) => x.re,
                (0, _) => -x.im,
                _ => x.im,
            }
        };
        let form = if d <= REGISTERS {
            Form::Columns(
                (0..n).flat_map(|column| (0..n).map(move |row| (row, column))).map(|(i, j)| element(i, j)).collect(),
            )
        } else {
            let tile = |tile: usize| (0..n).map(move |column| (tile * TILE, column));
            let tiles = (0..n.div_ceil(TILE)).flat_map(tile);
            Form::Tiles(tiles.map(|(first, column)| std::array::from_fn(|i| element(first + i, column))).collect())
        };
        Self { form, dimension: d }
    }

    /// d.
    pub fn dimension(&self) -> usize {
        self.dimension
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
        let y: &mut [f64] = bytemuck::cast_slice_mut(&mut y[..d]);
        match &self.form {
            Form::Tiles(matrix) => tiles(matrix, x, y),
            Form::Columns(matrix) => match d {
                1 => columns::<2>(matrix, x, y),
                2 => columns::<4>(matrix, x, y),
                3 => columns::<6>(matrix, x, y),
                4 => columns::<8>(matrix, x, y),
                5 => columns::<10>(matrix, x, y),
                6 => columns::<12>(matrix, x, y),
                7 => columns::<14>(matrix, x, y),
                _ => columns::<16>(matrix, x, y),
            },
        }
    }

    /// A on each of the vectors in `lanes`; false of a small block, whose vectors go one by one.
    #[inline(always)]
    pub fn apply_lanes<S: Simd>(&self, simd: S, lanes: &mut Lanes) -> bool {
        let Form::Tiles(matrix) = &self.form else { return false };
        lanes_of_tiles(simd, matrix, &lanes.before, &mut lanes.after);
        true
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

/// The same for any size, tile by tile and four columns at a time.
#[inline(always)]
fn tiles(matrix: &[[f64; TILE]], x: &[f64], y: &mut [f64]) {
    let n = x.len();
    let (xs, last_x) = x.as_chunks::<4>();
    for (out, tile) in y.chunks_mut(TILE).zip(matrix.chunks_exact(n)) {
        let (quads, last) = tile.as_chunks::<4>();
        let mut sum = [0.0; TILE];
        for (column, x) in quads.iter().zip(xs) {
            for i in 0..TILE {
                sum[i] += (column[0][i] * x[0] + column[1][i] * x[1]) + (column[2][i] * x[2] + column[3][i] * x[3]);
            }
        }
        for (column, x) in last.iter().zip(last_x) {
            for i in 0..TILE {
                sum[i] += column[i] * x;
            }
        }
        out.copy_from_slice(&sum[..out.len()]);
    }
}

/// As [`tiles`], of several vectors: as many at once as fit into a register.
#[inline(always)]
fn lanes_of_tiles<S: Simd>(simd: S, matrix: &[[f64; TILE]], x: &[[f64; LANES]], y: &mut [[f64; LANES]]) {
    let (n, registers) = (x.len(), LANES / S::F64_LANES);
    let (x, _) = S::as_simd_f64s(x.as_flattened());
    let (y, _) = S::as_mut_simd_f64s(y.as_flattened_mut());
    let rows = y.chunks_mut(TILE * registers);
    for (rows, tile) in rows.zip(matrix.chunks_exact(n)) {
        let (quads, last) = tile.as_chunks::<4>();
        for register in 0..registers {
            let at = |j: usize| x[j * registers + register];
            let times = |a: f64, x: S::f64s| simd.mul_f64s(simd.splat_f64s(a), x);
            let mut sum = [simd.splat_f64s(0.0); TILE];
            for (quad, column) in quads.iter().enumerate() {
                let x = [at(4 * quad), at(4 * quad + 1), at(4 * quad + 2), at(4 * quad + 3)];
                for i in 0..TILE {
                    let first = simd.add_f64s(times(column[0][i], x[0]), times(column[1][i], x[1]));
                    let second = simd.add_f64s(times(column[2][i], x[2]), times(column[3][i], x[3]));
                    sum[i] = simd.add_f64s(sum[i], simd.add_f64s(first, second));
                }
            }
            for (j, column) in last.iter().enumerate() {
                let x = at(4 * quads.len() + j);
                for i in 0..TILE {
                    sum[i] = simd.add_f64s(sum[i], times(column[i], x));
                }
            }
            for (row, sum) in rows.chunks_mut(registers).zip(sum) {
                row[register] = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    struct Product<'a> {
        dense: &'a Dense,
        lanes: &'a mut Lanes,
    }

    impl WithSimd for Product<'_> {
        type Output = bool;

        fn with_simd<S: Simd>(self, simd: S) -> bool {
            self.dense.apply_lanes(simd, self.lanes)
        }
    }

    /// Pseudo-random numbers.
    fn number(seed: usize) -> Complex64 {
        let x = |i: usize| ((seed * 7919 + i * 104_729) as f64 * 0.618_033_988_75).fract() - 0.5;
        Complex64::new(x(1), x(2))
    }

    /// A product is what it is, and the same to the last digit alone and beside others.
    #[test]
    fn products_are_the_same_side_by_side() {
        for d in (1..=20).chain([31, 64, 101]) {
            let matrix = Mat::from_fn(d, d, |i, j| number(i * d + j));
            let dense = Dense::new(&matrix);
            let vectors: Vec<Vec<Complex64>> =
                (0..LANES - 1).map(|l| (0..d).map(|i| number(1_000_000 + l * d + i)).collect()).collect();
            let mut lanes = Lanes::default();
            lanes.clear(d);
            vectors.iter().enumerate().for_each(|(l, v)| lanes.put(l, v));
            let several = Arch::new().dispatch(Product { dense: &dense, lanes: &mut lanes });
            assert_eq!(several, d > REGISTERS);
            let norms = lanes.norms();
            for (l, v) in vectors.iter().enumerate() {
                let (mut alone, mut beside) = (vec![Complex64::ZERO; d], vec![Complex64::ZERO; d]);
                let norm = dense.apply_norm(v, &mut alone);
                lanes.take(l, &mut beside);
                assert!(!several || (alone == beside && norm == norms[l]), "{d}");
                for i in 0..d {
                    let expected: Complex64 = (0..d).map(|j| matrix[(i, j)] * v[j]).sum();
                    assert!((alone[i] - expected).norm() < 1e-13 * d as f64, "{d}");
                }
            }
            // A lane of nothing stays one; and other instructions change nothing.
            if several {
                assert_eq!(norms[LANES - 1], 0.0);
                Product { dense: &dense, lanes: &mut lanes }.with_simd(pulp::Scalar::new());
                assert_eq!(norms, lanes.norms(), "{d}");
            }
        }
    }
}
