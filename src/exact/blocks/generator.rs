//! What acts on ρ = ⊕ρ_b during one stage, and its Taylor sums.

use crate::error::RunError;
use crate::evolve::{MOST_ORDER as ORDER, settled};
use crate::problem::Envelope;
use crate::space::blocks::{Block, BlockId, Blocks, Sparse};
use crate::stop::Stop;
use num_complex::Complex64;
use std::collections::HashMap;
use std::sync::Arc;

/// Norm × length of one Taylor polynomial; the sum loses at most a factor e⁸ to cancellation.
const REACH: f64 = 8.0;
/// Terms below this, relative to the state, have vanished.
const SMALL: f64 = 1e-17;

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

/// What acts during one stage.
pub struct Generator {
    /// K of each block.
    pub drift: Vec<Sparse>,
    /// Each jump operator, once a block that it leaves.
    pub jumps: Vec<JumpMap>,
    /// Of each channel and block, Σ L†L.
    rates: Vec<Vec<Option<Sparse>>>,
    /// What changes with time.
    varying: Vec<Varying>,
    /// A bound of the norm without them.
    pub norm: f64,
}

/// An envelope, and what it multiplies: ρ → Aρ + ρA† + Σ LρL†.
struct Varying {
    envelope: Envelope,
    /// A of each block: −iO of a drive, −½ΣL†L of a channel.
    drift: Vec<Sparse>,
    jumps: Vec<JumpMap>,
    /// The channel whose jumps these are, and ΣL†L of each block.
    counted: Option<(usize, Vec<Option<Sparse>>)>,
    /// A bound of what it adds to the norm for each unit of the envelope.
    size: f64,
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
}

/// How many moments are counted.
pub const MOMENTS: usize = 4;

/// √(‖A‖₁‖A‖_∞).
fn bound(matrix: &Sparse) -> f64 {
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

/// A bound of the norm of ρ → Aρ + ρA† + Σ LρL†.
fn size_of(drift: &[Sparse], jumps: &[JumpMap]) -> f64 {
    let mut gain = vec![0.0; drift.len()];
    for JumpMap { from, map, other, .. } in jumps {
        gain[*from] += bound(map) * other.as_ref().map_or(bound(map), |other| 2.0 * bound(other));
    }
    2.0 * drift.iter().map(bound).fold(0.0, f64::max) + gain.into_iter().fold(0.0, f64::max)
}

impl Generator {
    /// On these blocks, counting jumps or not.
    pub fn new(
        blocks: &Blocks,
        (reached, place): (&[Arc<Block>], &HashMap<BlockId, usize>),
        stage: usize,
        counting: Counting,
    ) -> Self {
        let copies = if let Counting::Moments(..) = counting { 1 + MOMENTS } else { 1 };
        let each_copy = |of: Vec<Sparse>| -> Vec<Sparse> { (0..copies).flat_map(|_| of.iter().cloned()).collect() };
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
        let norm = size_of(&drift, &jumps);
        let drives = on.varying.iter().map(|(drive, envelope)| {
            let drift = each_copy(reached.iter().map(|b| b.drive(blocks, *drive).clone()).collect());
            let size = size_of(&drift, &[]);
            Varying { envelope: envelope.clone(), drift, jumps: Vec::new(), counted: None, size }
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
            let drift = each_copy(drift);
            let size = size_of(&drift, &jumps);
            Varying { envelope: rate.envelope.clone(), drift, jumps, counted: rates, size }
        });
        let varying = drives.chain(channels).collect();
        Self { drift, jumps, rates, varying, norm }
    }

    /// Six terms of the series for each unit of norm × time, and twenty for each piece of the envelopes.
    pub fn work(&self, start: f64, from: f64, until: f64) -> f64 {
        let (mut reach, mut pieces) = (self.norm * (until - from), 1.0);
        for Varying { envelope, size, .. } in &self.varying {
            reach += envelope.area(start, from, until) * size;
            pieces += envelope.pieces(start, from, until);
        }
        (reach * 6.0 + pieces * 20.0) * self.cost()
    }

    /// Multiplications of one application.
    fn cost(&self) -> f64 {
        let drift: usize = self.drift.iter().map(|k| k.nnz() * k.rows()).sum();
        let jumps: usize = self.jumps.iter().map(|JumpMap { map, .. }| map.nnz() * (map.rows() + map.cols())).sum();
        (drift + jumps) as f64
    }

    /// ρ ← ρ(now + length), `now` counted from the `start` of the step, by its Taylor polynomial, with time in units of the length so that no term leaves the range of
    /// numbers; returns the length, at most `left`.
    pub fn taylor_step(
        &self,
        rho: &mut Density,
        counters: &mut [f64],
        (start, now): (f64, f64),
        left: f64,
        stop: &Stop,
    ) -> Result<f64, RunError> {
        let mut piece = left;
        let mut changing: Vec<&Varying> = Vec::new();
        for varying in &self.varying {
            let smooth = varying.envelope.piece(start, now);
            piece = piece.min(smooth.length);
            if !smooth.quiet {
                changing.push(varying);
            }
        }
        let at = |t: f64| -> f64 { changing.iter().map(|v| v.envelope.at(start, t).abs() * v.size).sum() };
        let norm = self.norm + at(now).max(at(now + piece));
        let mut length = if norm > 0.0 { piece.min(REACH / norm) } else { piece };
        if !self.varying.is_empty() && length < left {
            length = now + length - now; // so that the next piece begins where this one ends
        }
        let coefficients = changing.iter().map(|varying| {
            let mut c = [0.0; ORDER + 1];
            varying.envelope.taylor(start, now, length, &mut c);
            c
        });
        let coefficients: Vec<[f64; ORDER + 1]> = coefficients.collect();
        let mut adds = [0.0; ORDER + 1];
        for (varying, c) in changing.iter().zip(&coefficients) {
            adds.iter_mut().zip(c).for_each(|(sum, f)| *sum += f.abs() * varying.size * length);
        }
        let last = adds.iter().rposition(|a| *a > SMALL).unwrap_or(0);
        let mut norms = vec![1.0];
        let mut terms: Vec<Density> = vec![rho.clone()];
        let size = |rho: &Density| rho.iter().flatten().map(|x| x.norm_sqr()).sum::<f64>();
        let whole = size(rho).max(f64::MIN_POSITIVE);
        let small = SMALL * SMALL * whole;
        let (mut before, mut converged) = (f64::INFINITY, false);
        for n in 0..ORDER {
            stop.check()?;
            let mut next: Density = terms[n].iter().map(|r| vec![Complex64::ZERO; r.len()]).collect();
            add_image(&self.drift, &self.jumps, &terms[n], 1.0, &mut next);
            for (varying, c) in changing.iter().zip(&coefficients) {
                for (j, f) in c[..=n].iter().enumerate().filter(|(_, f)| **f != 0.0) {
                    add_image(&varying.drift, &varying.jumps, &terms[n - j], *f, &mut next);
                }
            }
            let factor = length / (n + 1) as f64;
            next.iter_mut().flatten().for_each(|x| *x *= factor);
            let now = size(&next);
            terms.push(next);
            norms.push((now / whole).sqrt());
            if now.max(before) <= small && (last == 0 || settled(&norms, self.norm * length, &adds[..=last], SMALL)) {
                converged = true;
                break;
            }
            before = now;
        }
        // Some of the last terms may be 0 by themselves.
        let tail = norms.len() - (last + 1).min(norms.len());
        before = before.max(norms[tail..].iter().fold(0.0, |most: f64, s| most.max(s * s * whole)));
        // How much of that length the sum holds for.
        let mut ratio = 1.0;
        if !converged {
            ratio = 0.9 * (small / before.max(f64::MIN_POSITIVE)).powf(0.5 / ORDER as f64).min(1.0);
            if !(before.is_finite() && ratio > 0.0) {
                let reason = format!("its terms do not fall: {before:e} at order {ORDER}");
                return Err(RunError::Numerics { method: "the Taylor sum on blocks", reason });
            }
            if !self.varying.is_empty() {
                ratio = (now + length * ratio - now) / length;
            }
        }
        for (counter, rates) in counters.iter_mut().zip(&self.rates) {
            let mut power = length * ratio;
            for (n, term) in terms.iter().enumerate() {
                let rate: f64 = rates.iter().zip(term).filter_map(|(w, rho)| Some(trace(w.as_ref()?, rho))).sum();
                *counter += rate * power / (n + 1) as f64;
                power *= ratio;
            }
        }
        for (varying, c) in changing.iter().zip(&coefficients) {
            let Some((channel, rates)) = &varying.counted else { continue };
            for (n, term) in terms.iter().enumerate() {
                let rate: f64 = rates.iter().zip(term).filter_map(|(w, rho)| Some(trace(w.as_ref()?, rho))).sum();
                for (m, f) in c.iter().enumerate().filter(|(_, f)| **f != 0.0) {
                    let order = (n + m + 1) as i32;
                    counters[*channel] += rate * f * length * ratio.powi(order) / f64::from(order);
                }
            }
        }
        let mut power = 1.0;
        for term in &terms[1..] {
            power *= ratio;
            for (sum, t) in rho.iter_mut().flatten().zip(term.iter().flatten()) {
                *sum += t * power;
            }
        }
        rho.iter_mut().for_each(|rho| symmetrise(rho));
        Ok(length * ratio)
    }
}

/// The jumps of a channel between `blocks` blocks, among all copies of them that counting asks for.
fn jumps_of_copies(counting: Counting, blocks: usize, channel: usize, jumps: Vec<JumpMap>) -> Vec<JumpMap> {
    let (of, scale) = match counting {
        Counting::Without(silent) if silent == channel => return Vec::new(),
        Counting::Off | Counting::Without(_) => return jumps,
        Counting::Moments(of, scale) => (of, scale),
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
    let within = jumps.iter().flat_map(|jump| (0..=MOMENTS).map(|m| between(jump, (m, m), 1.0)));
    let counts = jumps.iter().filter(|_| of == channel);
    let counted = counts.flat_map(|jump| (1..=MOMENTS).map(|m| between(jump, (m - 1, m), m as f64 / scale)));
    within.chain(counted).collect()
}

/// out += f·(Aρ + ρA† + Σ LρL†).
pub fn add_image(drift: &[Sparse], jumps: &[JumpMap], rho: &Density, f: f64, out: &mut Density) {
    for ((a, rho), out) in drift.iter().zip(rho).zip(out.iter_mut()) {
        let product = times(a, rho, a.cols());
        add_with_adjoint(&product, a.rows(), f, out);
    }
    for JumpMap { from, to, map, other } in jumps {
        let (d, e) = (map.cols(), map.rows());
        // LρR† = L(Rρ)†, ρ being Hermitian.
        let half = adjoint(&times(other.as_ref().unwrap_or(map), &rho[*from], d), e, d);
        let gain = times(map, &half, e);
        match other {
            None => out[*to].iter_mut().zip(gain).for_each(|(s, g)| *s += g * f),
            Some(_) => add_with_adjoint(&gain, e, f, &mut out[*to]),
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

/// Tr(Wρ), real for Hermitian W and ρ.
fn trace(w: &Sparse, rho: &[Complex64]) -> f64 {
    let d = w.cols();
    w.iter().map(|(x, (i, j))| (x * rho[j as usize * d + i as usize]).re).sum()
}

/// ρ ← ½(ρ + ρ†), so that rounding cannot build up an anti-Hermitian part.
fn symmetrise(rho: &mut [Complex64]) {
    let d = rho.len().isqrt();
    for i in 0..d {
        for j in 0..=i {
            let mean = 0.5 * (rho[i * d + j] + rho[j * d + i].conj());
            rho[i * d + j] = mean;
            rho[j * d + i] = mean.conj();
        }
    }
}
