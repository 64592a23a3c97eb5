//! ρ → Aρ + ρA† + Σ LρL† on Hermitian matrices, of each of which the triangle ρ_ij, i ≥ j, is kept.
//!
//! Where operators are sparse, each element of the image depends on few of ρ, whichever operators brought it there: one
//! sparse matrix on the triangles, in which what several operators bring is added up beforehand, takes the place of all
//! products. Where they are dense, the products are made.

use super::generator::{Density, JumpMap};
use crate::error::RunError;
use crate::space::blocks::Sparse;
use crate::stop::Stop;
use num_complex::Complex64;
use rayon::prelude::*;
use std::collections::HashMap;

/// Entries that a thread makes at a time.
const AT_ONCE: usize = 1 << 15;
/// The bit of a column that says that the conjugate of that element is meant.
const CONJUGATE: u32 = 1 << 31;

/// Where the triangle of each block begins.
#[derive(Clone, Debug)]
pub struct Triangles {
    sizes: Vec<usize>,
    starts: Vec<usize>,
}

impl Triangles {
    /// Of blocks of these dimensions.
    pub fn new(sizes: impl Iterator<Item = usize>) -> Self {
        let sizes: Vec<usize> = sizes.collect();
        let mut starts = vec![0];
        sizes.iter().for_each(|d| starts.push(starts[starts.len() - 1] + d * (d + 1) / 2));
        Self { sizes, starts }
    }

    /// The place of ρ_ij of a block, and whether what stands there is its conjugate.
    fn place(&self, block: usize, i: usize, j: usize) -> (usize, bool) {
        let (high, low) = (i.max(j), i.min(j));
        (self.starts[block] + high * (high + 1) / 2 + low, i < j)
    }

    /// The triangles of `rho`, one after the other.
    pub fn pack(&self, rho: &Density, into: &mut Vec<Complex64>) {
        into.clear();
        for (d, rho) in self.sizes.iter().zip(rho) {
            (0..*d).for_each(|i| into.extend_from_slice(&rho[i * d..=i * d + i]));
        }
    }

    /// The whole matrices.
    pub fn unpack(&self, triangles: &[Complex64], rho: &mut Density) {
        let mut at = triangles.iter();
        for (d, rho) in self.sizes.iter().zip(rho) {
            for i in 0..*d {
                for (j, x) in at.by_ref().take(i + 1).enumerate() {
                    (rho[j * d + i], rho[i * d + j]) = (x.conj(), *x);
                }
                rho[i * d + i].im = 0.0;
            }
        }
    }
}

/// The map.
#[derive(Debug)]
pub enum Image {
    /// By its entries.
    Entries(Entries),
    /// By products.
    Products,
}

/// A sparse matrix, row after row. How long a product takes is how long it takes to read it, and few of its values differ.
#[derive(Debug, Default)]
pub struct Entries {
    /// Where each row begins.
    starts: Vec<usize>,
    /// Which elements it takes.
    columns: Vec<u32>,
    /// How much of each, a number in `values`; the values themselves where they are too many.
    which: Vec<u16>,
    values: Vec<Complex64>,
}

/// Between two blocks, all that leads from one to the other.
#[derive(Default)]
struct Passage<'a> {
    jumps: Vec<&'a JumpMap>,
    /// Of each row of the operators, the columns that some of them has there.
    reach: Vec<Vec<u32>>,
}

/// Jumps by the blocks they lead to and come from.
fn passages(jumps: &[JumpMap]) -> Vec<HashMap<usize, Passage<'_>>> {
    let mut all: Vec<HashMap<usize, Passage>> = Vec::new();
    for jump in jumps {
        if all.len() <= jump.to {
            all.resize_with(jump.to + 1, HashMap::new);
        }
        let passage = all[jump.to].entry(jump.from).or_default();
        passage.jumps.push(jump);
        passage.reach.resize(jump.map.rows(), Vec::new());
        for map in [Some(&jump.map), jump.other.as_ref()].into_iter().flatten() {
            for (row, columns) in map.outer_iterator().zip(&mut passage.reach) {
                columns.extend(row.indices());
            }
        }
    }
    for columns in all.iter_mut().flat_map(HashMap::values_mut).flat_map(|passage| &mut passage.reach) {
        columns.sort_unstable();
        columns.dedup();
    }
    all
}

/// Σ a_i b_j over i ≥ j of row lengths, half that of all i and j with the diagonal.
fn of_triangle(a: &[usize], b: &[usize]) -> f64 {
    let (mut below, mut sum) = (0, 0.0);
    for (a, b) in a.iter().zip(b) {
        below += b;
        sum += (a * below) as f64;
    }
    sum
}

/// How many entries the map has at most, and how many terms they are the sums of.
pub fn size(drift: &[Sparse], jumps: &[JumpMap]) -> (f64, f64) {
    let lengths = |map: &Sparse| map.outer_iterator().map(|row| row.nnz()).collect::<Vec<usize>>();
    let of_drift: f64 = drift.iter().map(|a| (a.nnz() * (a.rows() + 1)) as f64).sum();
    let terms = |jump: &JumpMap| match (lengths(&jump.map), jump.other.as_ref().map(lengths)) {
        (own, None) => of_triangle(&own, &own),
        (own, Some(other)) => of_triangle(&own, &other) + of_triangle(&other, &own),
    };
    let (mut entries, mut all) = (of_drift, of_drift);
    for passage in passages(jumps).iter().flat_map(HashMap::values) {
        let reach: Vec<usize> = passage.reach.iter().map(Vec::len).collect();
        let terms: f64 = passage.jumps.iter().map(|jump| terms(jump)).sum();
        entries += terms.min(of_triangle(&reach, &reach));
        all += terms;
    }
    (entries, all)
}

impl Image {
    /// Of these operators, by entries.
    ///
    /// # Errors
    /// [`RunError::Interrupted`].
    pub fn new(triangles: &Triangles, drift: &[Sparse], jumps: &[JumpMap], stop: &Stop) -> Result<Self, RunError> {
        let passages = passages(jumps);
        let none = HashMap::new();
        let mut all = Entries { starts: vec![0], ..Entries::default() };
        let mut known: HashMap<[u64; 2], u16> = HashMap::new();
        let mut row: Vec<(u32, Complex64)> = Vec::new();
        for (block, a) in drift.iter().enumerate() {
            let add = |row: &mut Vec<(u32, Complex64)>, (from, i, j): (usize, usize, usize), x: Complex64| {
                let (place, conjugated) = triangles.place(from, i, j);
                row.push((place as u32 | if conjugated { CONJUGATE } else { 0 }, x));
            };
            let mut into: Vec<_> = passages.get(block).unwrap_or(&none).iter().collect();
            into.sort_by_key(|(from, _)| **from);
            for i in 0..a.rows() {
                stop.check()?;
                for j in 0..=i {
                    row.clear();
                    // Σ_k A_ik ρ_kj + ρ_ik A*_jk.
                    of_row(a, i).for_each(|(k, x)| add(&mut row, (block, k, j), x));
                    of_row(a, j).for_each(|(k, x)| add(&mut row, (block, i, k), x.conj()));
                    for (from, passage) in &into {
                        for JumpMap { map, other, .. } in &passage.jumps {
                            let mut gain = |left: &Sparse, right: &Sparse| {
                                for (k, x) in of_row(left, i) {
                                    of_row(right, j).for_each(|(l, y)| add(&mut row, (**from, k, l), x * y.conj()));
                                }
                            };
                            match other {
                                None => gain(map, map),
                                Some(other) => {
                                    gain(map, other);
                                    gain(other, map);
                                }
                            }
                        }
                    }
                    row.sort_by_key(|(column, _)| (column & !CONJUGATE, *column));
                    for same in row.chunk_by(|a, b| a.0 == b.0) {
                        all.push(same[0].0, same.iter().map(|(_, x)| x).sum(), &mut known);
                    }
                    all.starts.push(all.columns.len());
                }
            }
        }
        Ok(Self::Entries(all))
    }

    /// out ← f·image of x, of triangles both; of `products` where they are made.
    pub fn apply(
        &self,
        f: f64,
        x: &[Complex64],
        out: &mut [Complex64],
        products: impl Fn(&[Complex64], &mut [Complex64]),
    ) {
        match self {
            Self::Entries(entries) => entries.apply(f, x, out),
            Self::Products => {
                products(x, out);
                out.iter_mut().for_each(|y| *y *= f);
            }
        }
    }
}

impl Entries {
    fn push(&mut self, column: u32, value: Complex64, known: &mut HashMap<[u64; 2], u16>) {
        let listed = self.which.len() == self.columns.len();
        self.columns.push(column);
        if !listed {
            return self.values.push(value);
        }
        let number = known.get(&[value.re.to_bits(), value.im.to_bits()]).copied().or_else(|| {
            let number = u16::try_from(self.values.len()).ok()?;
            self.values.push(value);
            known.insert([value.re.to_bits(), value.im.to_bits()], number);
            Some(number)
        });
        match number {
            Some(number) => self.which.push(number),
            None => {
                let values: Vec<Complex64> =
                    self.which.drain(..).map(|number| self.values[usize::from(number)]).collect();
                self.values = values;
                self.values.push(value);
            }
        }
    }

    fn apply(&self, f: f64, x: &[Complex64], out: &mut [Complex64]) {
        let Self { starts, columns, which, values } = self;
        let rows = |(first, out): (usize, &mut [Complex64])| {
            for (y, range) in out.iter_mut().zip(starts[first..].windows(2)) {
                let range = range[0]..range[1];
                let columns = &columns[range.clone()];
                let sum = if which.is_empty() {
                    combine(x, columns.iter().zip(values[range].iter().copied()))
                } else {
                    combine(x, columns.iter().zip(which[range].iter().map(|number| values[usize::from(*number)])))
                };
                *y = sum * f;
            }
        };
        if columns.len() < 2 * AT_ONCE {
            return rows((0, out));
        }
        let piece = (out.len() * AT_ONCE).div_ceil(columns.len()).max(1);
        out.par_chunks_mut(piece).enumerate().for_each(|(n, out)| rows((n * piece, out)));
    }
}

/// Σ value·x[column], some of them conjugated.
#[inline(always)]
fn combine<'a>(x: &[Complex64], entries: impl Iterator<Item = (&'a u32, Complex64)>) -> Complex64 {
    let mut sum = Complex64::ZERO;
    for (column, value) in entries {
        let x = x[(column & !CONJUGATE) as usize];
        let im = f64::from_bits(x.im.to_bits() ^ (u64::from(column & CONJUGATE) << 32));
        sum.re += value.re * x.re - value.im * im;
        sum.im += value.re * im + value.im * x.re;
    }
    sum
}

fn of_row(matrix: &Sparse, row: usize) -> impl Iterator<Item = (usize, Complex64)> {
    let range = matrix.indptr().outer_inds_sz(row);
    let (indices, data) = (&matrix.indices()[range.clone()], &matrix.data()[range]);
    indices.iter().map(|k| *k as usize).zip(data.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::super::generator::Parts;
    use super::*;
    use sprs::TriMatI;

    /// A sparse matrix with a third of its elements, some of them equal.
    fn matrix(seed: usize, rows: usize, columns: usize) -> Sparse {
        let mut matrix = TriMatI::<Complex64, u32>::new((rows, columns));
        for at in (0..rows * columns).filter(|at| (at * 7 + seed * 5).is_multiple_of(3)) {
            let x = |k: usize| ((at * 31 + k + seed) % 11) as f64 / 7.0 - 0.7;
            matrix.add_triplet(at / columns, at % columns, Complex64::new(x(0), x(4)));
        }
        matrix.to_csr()
    }

    /// A row with more different values than have numbers of two bytes, after one with few.
    #[test]
    fn any_number_of_values_is_kept() {
        let (mut entries, mut known) = (Entries { starts: vec![0], ..Entries::default() }, HashMap::new());
        let value = |k: u32| Complex64::new(f64::from(k), -1.0);
        (0..10).for_each(|k| entries.push(k % 2, value(k % 3), &mut known));
        entries.starts.push(10);
        assert_eq!((entries.which.len(), entries.values.len()), (10, 3));
        (0..70_000).for_each(|k| entries.push(k % 2, value(k), &mut known));
        entries.starts.push(70_010);
        assert_eq!((entries.which.len(), entries.values.len()), (0, 70_010));
        let mut out = [Complex64::ZERO; 2];
        entries.apply(1.0, &[1.0.into(), 10.0.into()], &mut out);
        // Of the first 10 values 0, 1, 2, 0, … those at even places once, the others ten times; then 0 to 69,999.
        assert_eq!(out[0], Complex64::new(f64::from(2 + 1 + 2) + 10.0 * f64::from(1 + 2 + 1), -55.0));
        let even = 34_999.0 * 35_000.0;
        assert_eq!(out[1], Complex64::new(even + 10.0 * (even + 35_000.0), -35_000.0 * 11.0));
    }

    /// Two blocks, jumps within and between them, and some of two different operators: entries and products agree.
    #[test]
    fn entries_are_those_of_the_products() {
        let sizes = [4, 3];
        let drift = vec![matrix(1, 4, 4), matrix(2, 3, 3)];
        let between = [(0, 1, 3, false), (1, 0, 4, false), (0, 0, 5, true), (0, 1, 6, true), (0, 1, 7, false)];
        let jump = |&(from, to, seed, two): &(usize, usize, usize, bool)| {
            let map = |seed| matrix(seed, sizes[to], sizes[from]);
            JumpMap { from, to, map: map(seed), other: two.then(|| map(seed + 10)) }
        };
        let parts = Parts::new(drift, between.iter().map(jump).collect());
        let triangles = parts.triangles();
        let rho: Density = sizes
            .iter()
            .map(|&d| {
                let x = |i: usize, j: usize| Complex64::new((i * j + i + j) as f64 / 5.0, i as f64 - j as f64);
                (0..d * d).map(|at| x(at / d, at % d)).collect()
            })
            .collect();
        let mut packed = Vec::new();
        triangles.pack(&rho, &mut packed);
        assert_eq!(packed.len(), 10 + 6);
        let applied = |image: &Image| {
            let mut out = vec![Complex64::ZERO; packed.len()];
            image.apply(0.5, &packed, &mut out, |x, out| parts.multiply(x, out));
            out
        };
        let image = Image::new(triangles, &parts.drift, &parts.jumps, &Stop::default()).unwrap();
        let (by_entries, by_products) = (applied(&image), applied(&Image::Products));
        for (a, b) in by_entries.iter().zip(&by_products) {
            assert!((a - b).norm() < 1e-12 && b.norm() > 1e-3, "{a} {b}");
        }
        let (most, terms) = size(&parts.drift, &parts.jumps);
        let Image::Entries(found) = image else { panic!("made of entries") };
        assert!(found.columns.len() as f64 <= most && most <= terms, "{} {most} {terms}", found.columns.len());
        let mut back: Density = rho.iter().map(|block| vec![Complex64::ZERO; block.len()]).collect();
        triangles.unpack(&packed, &mut back);
        assert_eq!(back, rho);
    }
}
