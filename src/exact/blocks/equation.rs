//! The state ρ = ⊕ρ_b and its evolution.

use super::{MOST_ELEMENTS, initial};
use crate::error::RunError;
use crate::evolve::{MOST_ORDER as ORDER, settled};
use crate::problem::Envelope;
use crate::space::blocks::{Block, BlockId, BlockStep, Blocks, Sparse, rotate};
use crate::stop::Stop;
use num_complex::Complex64;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Norm × length of one Taylor polynomial; the sum loses at most a factor e⁸ to cancellation.
const REACH: f64 = 8.0;
/// Terms below this, relative to the state, have vanished.
const SMALL: f64 = 1e-17;
/// Roughly the multiplications of an hour.
const MOST_WORK: f64 = 5e12;

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
struct Generator {
    /// K of each block.
    drift: Vec<Sparse>,
    /// Each jump operator, once a block that it leaves.
    jumps: Vec<JumpMap>,
    /// Of each channel and block, Σ L†L.
    rates: Vec<Vec<Option<Sparse>>>,
    /// What changes with time.
    varying: Vec<Varying>,
    /// A bound of the norm without them.
    norm: f64,
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

/// A problem on its blocks with the state it is in.
pub struct Equation<'b> {
    /// The compiled problem.
    pub blocks: &'b Blocks,
    /// The blocks that can be reached.
    pub reached: Vec<Arc<Block>>,
    place: HashMap<BlockId, usize>,
    /// ρ.
    pub rho: Density,
    /// Mean jumps of each channel since the step began.
    pub counters: Vec<f64>,
    /// When that was.
    pub start: f64,
    /// Ends an evolution early.
    pub stop: Stop,
    generators: HashMap<usize, Generator>,
    /// A channel and the weight z of its jumps, where that is not 1.
    tilt: Option<(usize, f64)>,
}

impl<'b> Equation<'b> {
    /// The initial state on all blocks that it can reach.
    ///
    /// # Errors
    /// [`RunError::TooLarge`] when these hold more than [`MOST_ELEMENTS`] numbers.
    pub fn new(blocks: &'b Blocks, stop: &Stop) -> Result<Self, RunError> {
        let mut ids = initial::blocks(blocks)?;
        let mut size = 0;
        let mut next = 0;
        let too_large = |size: usize| RunError::TooLarge {
            what: "the density matrix on its blocks".into(),
            needed: format!("at least {size} elements"),
            limit: format!("{MOST_ELEMENTS}"),
            advice: "sample it".into(),
        };
        let mut known: HashSet<BlockId> = ids.iter().copied().collect();
        while next < ids.len() {
            stop.check()?;
            let block = blocks.get(ids[next]);
            size += block.dimension().saturating_mul(block.dimension());
            if size > MOST_ELEMENTS {
                return Err(too_large(size));
            }
            for target in initial::neighbours(blocks, &block) {
                if known.insert(target) {
                    ids.push(target);
                }
            }
            next += 1;
        }
        let reached: Vec<Arc<Block>> = ids.iter().map(|id| blocks.get(*id)).collect();
        let place = ids.iter().enumerate().map(|(i, id)| (*id, i)).collect();
        let rho = initial::density(blocks, &reached)?;
        let counters = vec![0.0; blocks.problem().channels.len()];
        let (generators, stop) = (HashMap::new(), stop.clone());
        Ok(Self { blocks, reached, place, rho, counters, start: 0.0, stop, generators, tilt: None })
    }

    /// Back to the initial state.
    ///
    /// # Errors
    /// None in practice; the state was made once before.
    pub fn restart(&mut self) -> Result<(), RunError> {
        self.rho = initial::density(self.blocks, &self.reached)?;
        self.counters.fill(0.0);
        Ok(())
    }

    /// The place of a block among the reached ones.
    pub fn place(&self, id: BlockId) -> Option<usize> {
        self.place.get(&id).copied()
    }

    /// Weigh every jump of one channel by z from now on: ρ is then no state any more, its trace ⟨zⁿ⟩ of their number n.
    pub fn tilt(&mut self, tilt: Option<(usize, f64)>) {
        if self.tilt != tilt {
            self.tilt = tilt;
            self.generators.clear();
        }
    }

    /// Tr ρ.
    pub fn trace(&self) -> f64 {
        let of = |(block, rho): (&Arc<Block>, &Vec<Complex64>)| -> f64 {
            rho.iter().step_by(block.dimension() + 1).map(|x| x.re).sum()
        };
        self.reached.iter().zip(&self.rho).map(of).sum()
    }

    fn generator(&mut self, stage: usize) -> &Generator {
        let (blocks, reached, place, tilt) = (self.blocks, &self.reached, &self.place, self.tilt);
        self.generators.entry(stage).or_insert_with(|| Generator::new(blocks, (reached, place), stage, tilt))
    }

    /// K, jumps and norm of a stage without drives that change, for the superoperator of a steady state.
    pub fn parts(&mut self, stage: usize) -> (&[Sparse], &[JumpMap], f64) {
        let generator = self.generator(stage);
        (&generator.drift, &generator.jumps, generator.norm)
    }

    /// Multiplications of an evolution over `time`, to order of magnitude.
    pub fn work(&mut self, stage: usize, time: f64) -> f64 {
        self.generator(stage).work(0.0, 0.0, time)
    }

    /// Evolve from `from` to `until`, times since the step began, and add to the jump counters.
    ///
    /// # Errors
    /// [`RunError::TooLarge`] when that would take more than hours, [`RunError::Numerics`] when a sum does not converge,
    /// [`RunError::Interrupted`].
    pub fn evolve(&mut self, stage: usize, from: f64, until: f64) -> Result<(), RunError> {
        self.generator(stage);
        let Self { generators, rho, counters, start, stop, .. } = self;
        let Some(generator) = generators.get(&stage) else { return Ok(()) };
        let work = generator.work(*start, from, until);
        if !(work <= MOST_WORK) {
            return Err(RunError::TooLarge {
                what: format!("an exact evolution over {}", until - from),
                needed: format!("{work:.1e} multiplications"),
                limit: format!("{MOST_WORK:.0e}"),
                advice: "sample it, or use a smaller system or a shorter step".into(),
            });
        }
        let mut now = from;
        while now < until {
            let left = until - now;
            let length = generator.taylor_step(rho, counters, (*start, now), left, stop)?;
            let next = if length == left { until } else { now + length };
            if !(next > now) {
                let reason = format!("at t = {now} of its step, steps of {length:e} are lost in rounding");
                return Err(RunError::Numerics { method: "the Taylor sum on blocks", reason });
            }
            now = next;
        }
        Ok(())
    }

    /// The pulse or the gate of a step: ρ → UρU†, column by column and row by row.
    ///
    /// # Errors
    /// [`RunError::Interrupted`].
    pub fn pulse(&mut self, step: usize) -> Result<(), RunError> {
        let pulse = &self.blocks.steps[step];
        let mut turned: Density = self.rho.iter().map(|r| vec![Complex64::ZERO; r.len()]).collect();
        for (block, rho) in self.reached.iter().zip(&self.rho) {
            let d = block.dimension();
            // U on every column, then U on every column of the adjoint of that.
            let mut half: Vec<Vec<Complex64>> = Vec::with_capacity(d);
            let mut target = block.id;
            for j in 0..d {
                self.stop.check()?;
                let mut column: Vec<Complex64> = (0..d).map(|i| rho[i * d + j]).collect();
                if column.iter().all(|x| *x == Complex64::ZERO) {
                    half.push(Vec::new());
                    continue;
                }
                target = rotate::pulse(self.blocks, block, &mut column, pulse).unwrap_or(block.id);
                half.push(column);
            }
            let Some(&to) = self.place.get(&target) else { continue };
            let e = self.reached[to].dimension();
            for i in 0..e {
                self.stop.check()?;
                let mut row: Vec<Complex64> =
                    half.iter().map(|column| column.get(i).map_or(Complex64::ZERO, |x| x.conj())).collect();
                if row.iter().all(|x| *x == Complex64::ZERO) {
                    continue;
                }
                rotate::pulse(self.blocks, block, &mut row, pulse);
                row.iter().enumerate().for_each(|(j, x)| turned[to][i * e + j] += x.conj());
            }
        }
        self.rho = turned;
        Ok(())
    }

    /// ρ → Tr_S ρ ⊗ ρ_S.
    ///
    /// # Errors
    /// As [`Equation::new`].
    pub fn reset(&mut self, step: usize) -> Result<(), RunError> {
        if let BlockStep::Reset(subsystem, parts) = &self.blocks.steps[step] {
            self.rho = initial::replaced(self.blocks, &self.reached, &self.place, &self.rho, (*subsystem, parts))?;
        }
        Ok(())
    }
}

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
    fn new(
        blocks: &Blocks,
        (reached, place): (&[Arc<Block>], &HashMap<BlockId, usize>),
        stage: usize,
        tilt: Option<(usize, f64)>,
    ) -> Self {
        let weighed = |channel: usize, map: &Sparse| match tilt {
            Some((tilted, z)) if tilted == channel => map.map(|x| x * z.sqrt()),
            _ => map.clone(),
        };
        let drift: Vec<Sparse> = reached.iter().map(|b| b.generator(blocks, stage).clone()).collect();
        let channels = blocks.problem().channels.len();
        let on = &blocks.stages[stage];
        let mut jumps = Vec::new();
        let mut rates: Vec<Vec<Option<Sparse>>> = vec![vec![None; reached.len()]; channels];
        for (from, block) in reached.iter().enumerate() {
            for jump in block.jumps(blocks).iter().filter(|jump| on.is_steady(jump.channel)) {
                let Some(&to) = place.get(&jump.target) else { continue };
                jumps.push(JumpMap { from, to, map: weighed(jump.channel, &jump.map), other: None });
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
            let drift: Vec<Sparse> = reached.iter().map(|b| b.drive(blocks, *drive).clone()).collect();
            let size = size_of(&drift, &[]);
            Varying { envelope: envelope.clone(), drift, jumps: Vec::new(), counted: None, size }
        });
        let channels = on.rates.iter().map(|rate| {
            let drift: Vec<Sparse> = reached.iter().map(|b| b.loss(blocks, rate).clone()).collect();
            // ΣL†L is −2 times what it takes from the drift.
            let counted = Some((rate.channel, drift.iter().map(|loss| Some(loss.map(|x| x * -2.0))).collect()));
            let weighed = &weighed;
            let jumps = reached.iter().enumerate().flat_map(|(from, block)| {
                let own = block.jumps(blocks).iter().filter(|jump| jump.channel == rate.channel);
                own.filter_map(move |jump| {
                    let ((j, k), to) = (rate.of, *place.get(&jump.target)?);
                    let other = (j != k).then(|| weighed(rate.channel, jump.part(k)));
                    Some(JumpMap { from, to, map: weighed(rate.channel, jump.part(j)), other })
                })
            });
            let jumps: Vec<JumpMap> = jumps.collect();
            let size = size_of(&drift, &jumps);
            Varying { envelope: rate.envelope.clone(), drift, jumps, counted, size }
        });
        let varying = drives.chain(channels).collect();
        Self { drift, jumps, rates, varying, norm }
    }

    /// Six terms of the series for each unit of norm × time, and twenty for each piece of the envelopes.
    fn work(&self, start: f64, from: f64, until: f64) -> f64 {
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
    fn taylor_step(
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
