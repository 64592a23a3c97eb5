//! What acts on ρ = ⊕ρ_b during one stage.

use super::image::{self, Image, Triangles};
use crate::error::RunError;
use crate::problem::Envelope;
use crate::space::blocks::{Block, BlockId, Blocks, Sparse};
use crate::stop::Stop;
use num_complex::Complex64;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Most entries of one map on density matrices: 1 GB; and most terms that they are the sums of.
const MOST_ENTRIES: f64 = 5e7;
const MOST_TERMS: f64 = 1e9;
/// An entry of such a map takes this part of the time of a multiplication in a product.
const ENTRY: f64 = 0.5;

/// A density matrix, block by block, each d × d by rows.
pub type Density = Vec<Vec<Complex64>>;

/// A jump operator from one block to another.
pub struct JumpMap {
    /// The place of the block that it leaves.
    pub from: usize,
    /// The place of the block that it leads to.
    pub to: usize,
    /// √rate·L between them.
    pub map: Sparse,
    /// Another operator R between them: what is meant is then LρR† + RρL†.
    pub other: Option<Sparse>,
}

/// ρ → Aρ + ρA† + Σ LρL† on blocks.
pub struct Parts {
    /// A of each block: K; −iO of a drive, −½ΣL†L of a channel.
    pub drift: Vec<Sparse>,
    /// Each jump operator, once a block that it leaves.
    pub jumps: Vec<JumpMap>,
    /// A bound of its norm.
    pub norm: f64,
    triangles: Triangles,
    image: OnceLock<Image>,
    /// How many entries the map has at most, if it is made of them, or the multiplications that products take.
    cost: OnceLock<(bool, f64)>,
}

/// What acts during one stage.
pub struct Generator {
    /// What does not change with time.
    pub steady: Parts,
    /// Of each channel and block, Σ L†L.
    pub rates: Vec<Rates>,
    /// What changes with time.
    pub varying: Vec<Varying>,
}

/// Of each block, Σ L†L of a channel.
pub type Rates = Vec<Option<Sparse>>;

/// An envelope, and what it multiplies.
pub struct Varying {
    /// The function of time.
    pub envelope: Envelope,
    /// What it multiplies.
    pub parts: Parts,
    /// The channel whose jumps these are, with its rates.
    pub counted: Option<(usize, Rates)>,
}

/// What becomes of the jumps of one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counting {
    /// Nothing: ρ is a state.
    Off,
    /// They are left out: Tr ρ is the probability that there was none.
    Without(usize),
    /// They are counted: beside ρ there are ρ₁ to ρ₄ of as many blocks each, dρ_m/dt = Lρ_m + (m/μ)Jρ_{m−1} with J the jumps of
    /// the channel and a scale μ, so that μᵐ Tr ρ_m = ⟨n(n−1)…(n−m+1)⟩ of their number n.
    Moments(usize, f64),
    /// What they leave behind is collected: beside ρ there is X of as many blocks, dX/dt = Jρ.
    Collected(usize),
}

/// How many moments are counted.
pub const MOMENTS: usize = 4;

/// √(‖A‖₁‖A‖_∞).
pub(super) fn bound(matrix: &Sparse) -> f64 {
    let mut columns = vec![0.0; matrix.cols()];
    let mut largest: f64 = 0.0;
    for row in matrix.outer_iterator() {
        let mut sum = 0.0;
        for (column, x) in row.iter() {
            sum += x.norm();
            columns[column] += x.norm();
        }
        largest = largest.max(sum);
    }
    (largest * columns.into_iter().fold(0.0, f64::max)).sqrt()
}

/// A without i times the middle of the imaginary part of its diagonal, of which Aρ + ρA† does not depend.
fn centred(a: &Sparse) -> Sparse {
    let diagonal = || (0..a.rows()).map(|i| a.get(i, i).map_or(0.0, |x| x.im));
    let middle = 0.5 * (diagonal().fold(f64::INFINITY, f64::min) + diagonal().fold(f64::NEG_INFINITY, f64::max));
    let mut centred = a.clone();
    for (row, mut line) in centred.outer_iterator_mut().enumerate() {
        line.iter_mut().filter(|(column, _)| *column == row).for_each(|(_, x)| x.im -= middle);
    }
    centred
}

/// A bound of the norm of ρ → Aρ + ρA† + Σ LρL†.
fn size_of(drift: &[Sparse], jumps: &[JumpMap]) -> f64 {
    let mut gain = vec![0.0; drift.len()];
    for JumpMap { from, map, other, .. } in jumps {
        gain[*from] += bound(map) * other.as_ref().map_or(bound(map), |other| 2.0 * bound(other));
    }
    2.0 * drift.iter().map(|a| bound(&centred(a))).fold(0.0, f64::max) + gain.into_iter().fold(0.0, f64::max)
}

impl Parts {
    /// Of these operators.
    pub fn new(drift: Vec<Sparse>, jumps: Vec<JumpMap>) -> Self {
        let (norm, triangles) = (size_of(&drift, &jumps), Triangles::new(drift.iter().map(Sparse::rows)));
        Self { drift, jumps, norm, triangles, image: OnceLock::new(), cost: OnceLock::new() }
    }

    /// How density matrices are kept for it.
    pub fn triangles(&self) -> &Triangles {
        &self.triangles
    }

    /// Multiplications of the products that one application takes.
    fn products(&self) -> f64 {
        let drift: usize = self.drift.iter().map(|k| k.nnz() * k.rows()).sum();
        let jumps: usize = self.jumps.iter().map(|JumpMap { map, .. }| map.nnz() * (map.rows() + map.cols())).sum();
        (drift + jumps) as f64
    }

    /// Whether it is made of entries, and how many there are at most, or else the multiplications of products.
    fn way(&self) -> (bool, f64) {
        *self.cost.get_or_init(|| {
            let ((entries, terms), products) = (image::size(&self.drift, &self.jumps), self.products());
            let by_entries = entries <= products.min(MOST_ENTRIES) && terms <= MOST_TERMS;
            (by_entries, if by_entries { entries } else { products })
        })
    }

    /// Multiplications of one application, in any way.
    pub fn cost(&self) -> f64 {
        match self.way() {
            (true, entries) => ENTRY * entries,
            (false, products) => products,
        }
    }

    /// Make it ready for use.
    ///
    /// # Errors
    /// [`RunError::Interrupted`].
    pub fn prepare(&self, stop: &Stop) -> Result<&Image, RunError> {
        if let Some(made) = self.image.get() {
            return Ok(made);
        }
        let made = match self.way().0 {
            true => Image::new(&self.triangles, &self.drift, &self.jumps, stop)?,
            false => Image::Products,
        };
        Ok(self.image.get_or_init(|| made))
    }

    /// out ← f·(Aρ + ρA† + Σ LρL†), of triangles both.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] the first time.
    pub fn apply(&self, f: f64, rho: &[Complex64], out: &mut [Complex64], stop: &Stop) -> Result<(), RunError> {
        self.prepare(stop)?.apply(f, rho, out, |rho, out| self.multiply(rho, out));
        Ok(())
    }

    /// out ← Aρ + ρA† + Σ LρL† by products.
    pub fn multiply(&self, rho: &[Complex64], out: &mut [Complex64]) {
        let blocks = || self.drift.iter().map(|a| vec![Complex64::ZERO; a.rows() * a.rows()]);
        let (mut whole, mut sum): (Density, Density) = (blocks().collect(), blocks().collect());
        self.triangles.unpack(rho, &mut whole);
        add_image(&self.drift, &self.jumps, &whole, &mut sum);
        let mut packed = Vec::with_capacity(out.len());
        self.triangles.pack(&sum, &mut packed);
        out.copy_from_slice(&packed);
    }
}

impl Generator {
    /// On these blocks, counting jumps or not.
    pub fn new(
        blocks: &Blocks,
        (reached, place): (&[Arc<Block>], &HashMap<BlockId, usize>),
        stage: usize,
        counting: Counting,
    ) -> Self {
        let each_copy = |of: Vec<Sparse>| -> Vec<Sparse> {
            let copy = |m: usize| of.iter().map(move |a| if m == 0 { a.clone() } else { Sparse::zero(a.shape()) });
            match counting {
                Counting::Off | Counting::Without(_) => of,
                Counting::Moments(..) => (0..=MOMENTS).flat_map(|_| of.iter().cloned()).collect(),
                Counting::Collected(_) => (0..=1).flat_map(copy).collect(),
            }
        };
        let counted = |channel: usize, jumps: Vec<JumpMap>| jumps_of_copies(counting, reached.len(), channel, jumps);
        let drift = each_copy(reached.iter().map(|b| b.generator(blocks, stage).clone()).collect());
        let channels = blocks.problem().channels.len();
        let on = &blocks.stages[stage];
        let mut jumps = Vec::new();
        let mut rates: Vec<Vec<Option<Sparse>>> = vec![vec![None; reached.len()]; channels];
        for (from, block) in reached.iter().enumerate() {
            for jump in block.jumps(blocks).iter().filter(|jump| on.is_steady(jump.channel)) {
                let Some(&to) = place.get(&jump.target) else { continue };
                jumps.extend(counted(jump.channel, vec![JumpMap { from, to, map: jump.map.clone(), other: None }]));
                let adjoint = crate::space::blocks::adjoint(&jump.map);
                let rate = &adjoint * &jump.map;
                let sum = &mut rates[jump.channel][from];
                *sum = Some(match sum.take() {
                    Some(before) => &before + &rate,
                    None => rate,
                });
            }
        }
        let steady = Parts::new(drift, jumps);
        let drives = on.varying.iter().map(|(drive, envelope)| {
            let drift = each_copy(reached.iter().map(|b| b.drive(blocks, *drive).clone()).collect());
            Varying { envelope: envelope.clone(), parts: Parts::new(drift, Vec::new()), counted: None }
        });
        let channels = on.rates.iter().map(|rate| {
            let drift: Vec<Sparse> = reached.iter().map(|b| b.loss(blocks, rate).clone()).collect();
            // ΣL†L is −2 times what it takes from the drift.
            let rates = Some((rate.channel, drift.iter().map(|loss| Some(loss.map(|x| x * -2.0))).collect()));
            let jumps = reached.iter().enumerate().flat_map(|(from, block)| {
                let own = block.jumps(blocks).iter().filter(|jump| jump.channel == rate.channel);
                own.filter_map(move |jump| {
                    let ((j, k), to) = (rate.of, *place.get(&jump.target)?);
                    let other = (j != k).then(|| jump.part(k).clone());
                    Some(JumpMap { from, to, map: jump.part(j).clone(), other })
                })
            });
            let jumps = counted(rate.channel, jumps.collect());
            Varying { envelope: rate.envelope.clone(), parts: Parts::new(each_copy(drift), jumps), counted: rates }
        });
        let varying = drives.chain(channels).collect();
        Self { steady, rates, varying }
    }

    /// Six terms of the series for each unit of norm × time, and twenty for each piece of the envelopes.
    pub fn work(&self, start: f64, from: f64, until: f64) -> f64 {
        let (mut reach, mut pieces) = (self.steady.norm * (until - from), 1.0);
        for Varying { envelope, parts, .. } in &self.varying {
            reach += envelope.area(start, from, until) * parts.norm;
            pieces += envelope.pieces(start, from, until);
        }
        (reach * 6.0 + pieces * 20.0) * self.steady.cost()
    }
}

/// The jumps of a channel between `blocks` blocks, among all copies of them that counting asks for.
fn jumps_of_copies(counting: Counting, blocks: usize, channel: usize, jumps: Vec<JumpMap>) -> Vec<JumpMap> {
    let (of, scale, copies) = match counting {
        Counting::Without(silent) if silent == channel => return Vec::new(),
        Counting::Off | Counting::Without(_) => return jumps,
        Counting::Moments(of, scale) => (of, scale, MOMENTS),
        // Nothing happens within what is collected.
        Counting::Collected(of) => (of, 1.0, 0),
    };
    let between = |jump: &JumpMap, (from, to): (usize, usize), weight: f64| {
        let scaled = |map: &Sparse| map.map(|x| x * weight.sqrt());
        JumpMap {
            from: jump.from + from * blocks,
            to: jump.to + to * blocks,
            map: scaled(&jump.map),
            other: jump.other.as_ref().map(scaled),
        }
    };
    let within = jumps.iter().flat_map(|jump| (0..=copies).map(|m| between(jump, (m, m), 1.0)));
    let counts = jumps.iter().filter(|_| of == channel);
    let counted = counts.flat_map(|jump| (1..=copies.max(1)).map(|m| between(jump, (m - 1, m), m as f64 / scale)));
    within.chain(counted).collect()
}

/// out += Aρ + ρA† + Σ LρL†.
fn add_image(drift: &[Sparse], jumps: &[JumpMap], rho: &Density, out: &mut Density) {
    for ((a, rho), out) in drift.iter().zip(rho).zip(out.iter_mut()) {
        let product = times(a, rho, a.cols());
        add_with_adjoint(&product, a.rows(), 1.0, out);
    }
    for JumpMap { from, to, map, other } in jumps {
        let (d, e) = (map.cols(), map.rows());
        // LρR† = L(Rρ)†, ρ being Hermitian.
        let half = adjoint(&times(other.as_ref().unwrap_or(map), &rho[*from], d), e, d);
        let gain = times(map, &half, e);
        match other {
            None => out[*to].iter_mut().zip(gain).for_each(|(s, g)| *s += g),
            Some(_) => add_with_adjoint(&gain, e, 1.0, &mut out[*to]),
        }
    }
}

/// Sparse times dense, rows of `width`.
pub(super) fn times(matrix: &Sparse, dense: &[Complex64], width: usize) -> Vec<Complex64> {
    let mut out = vec![Complex64::ZERO; matrix.rows() * width];
    for (row, line) in matrix.outer_iterator().zip(out.chunks_exact_mut(width.max(1))) {
        for (k, x) in row.iter() {
            line.iter_mut().zip(&dense[k * width..(k + 1) * width]).for_each(|(o, v)| *o += x * v);
        }
    }
    out
}

/// The adjoint of a rows × columns matrix.
pub(super) fn adjoint(matrix: &[Complex64], rows: usize, columns: usize) -> Vec<Complex64> {
    let mut out = vec![Complex64::ZERO; rows * columns];
    for i in 0..rows {
        for j in 0..columns {
            out[j * rows + i] = matrix[i * columns + j].conj();
        }
    }
    out
}

/// out += f·(A + A†).
pub(super) fn add_with_adjoint(a: &[Complex64], d: usize, f: f64, out: &mut [Complex64]) {
    for i in 0..d {
        for j in 0..d {
            out[i * d + j] += (a[i * d + j] + a[j * d + i].conj()) * f;
        }
    }
}
