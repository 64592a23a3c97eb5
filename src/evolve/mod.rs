//! Exact no-jump evolution exp(tK)ψ inside a block, up to a time or until the survival probability ‖ψ‖² has fallen to a
//! threshold: the moment of a jump.
//!
//! One state: closed form. Small blocks: a table of propagators, for the spacing of the rows and for dyadic fractions,
//! then the Taylor polynomial of the last short piece. Large sparse blocks, and generators that change in time: Taylor
//! polynomials alone, to rounding. There is no time step whose length could bias anything.

mod diagonals;
mod flips;
mod kernel;
mod matrix;
mod powers;
mod root;
mod series;
mod table;

pub use flips::Flips;
pub use kernel::{Operator, norm_sqr};
use matrix::Dense;
pub use matrix::LANES;
pub use root::Bracket;
pub use series::{MOST_ORDER, Series, Workspace, settled};
use table::Table;

use crate::error::RunError;
use crate::problem::{Envelope, Problem, Step};
use crate::space::blocks::{Block, BlockStep, Blocks, FEWEST_CELLS, Monomial, Slot, Sparse, Stage};
use crate::stop::Stop;
use num_complex::Complex64;
use pulp::{Arch, Simd, WithSimd};

/// A generator ready for use in one block and one stage.
#[derive(Debug)]
pub struct Propagator {
    method: Method,
    /// The vector instructions to use, found once.
    arch: Arch,
}

#[derive(Debug)]
enum Method {
    /// dψ/dt = kψ.
    Scalar(Complex64),
    /// Tables, and a series for what is shorter than they are.
    Tabled(Table, Series),
    /// Series alone.
    Stepped(Series),
    /// Nothing that double precision holds, with the reason.
    Refused(String),
}

/// An error of an evolution, in one register: it is the return value of every stretch between two rows.
pub type Failed = Box<RunError>;

/// An unnormalised state on its way to the next jump.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The vector.
    pub psi: Vec<Complex64>,
    /// ‖ψ‖², 1 after a jump.
    pub norm: f64,
    /// Time since the step began.
    pub time: f64,
    /// When the step began.
    pub start: f64,
}

/// The number of cells, if the block is the whole space of so many that operators need no matrix.
pub fn without_matrix(of: &Blocks, block: &Block) -> Option<usize> {
    let slots = &of.layout.slots;
    let plain = of.jumps.iter().all(|jump| jump.more.is_empty());
    let cells = plain && slots.iter().all(|slot| *slot == Slot::Cell);
    (cells && block.space.is_whole() && slots.len() >= FEWEST_CELLS).then_some(slots.len())
}

/// Distances between the rows of all steps that share a stage, each with how often it comes.
pub fn spacings(problem: &Problem, steps: &[BlockStep], stage: usize) -> Vec<(f64, u64)> {
    let mut found: Vec<(f64, u64)> = Vec::new();
    for (step, kind) in problem.protocol.steps.iter().zip(steps) {
        if let (Step::Evolve { rows, .. }, BlockStep::Evolve(of)) = (step, kind)
            && *of == stage
        {
            for width in rows.windows(2).map(|w| w[1] - w[0]).filter(|w| *w > 0.0) {
                match found.iter_mut().find(|(known, _)| (known - width).abs() <= 1e-10 * width) {
                    Some((_, count)) => *count += problem.protocol.repeat,
                    None => found.push((width, problem.protocol.repeat)),
                }
            }
        }
    }
    found
}

impl Propagator {
    /// The generator of `stage` in `block`; `spacings` are the distances between rows, with how often each comes.
    ///
    /// # Errors
    /// [`RunError::Interrupted`]: tables of large blocks take seconds.
    pub fn new(
        of: &Blocks,
        block: &Block,
        stage: usize,
        spacings: &[(f64, u64)],
        stop: &Stop,
    ) -> Result<Self, RunError> {
        let method = match Plan::new(of, block, stage, spacings) {
            Plan::Scalar(k) => Method::Scalar(k),
            Plan::Stepped(series) => Method::Stepped(series),
            Plan::Tabled(generator, mut series) => match Table::new(generator, &series, spacings, stop) {
                Ok(Some(table)) => {
                    series.stack(generator, table.shortest(spacings));
                    Method::Tabled(table, series)
                }
                Ok(None) => return Err(RunError::Interrupted),
                Err(reason) => Method::Refused(reason),
            },
        };
        Ok(Self { method, arch: Arch::new() })
    }

    /// The [`cost`](Self::cost) that a propagator would have; no table is made for it.
    pub fn cost_of(of: &Blocks, block: &Block, stage: usize, spacings: &[(f64, u64)], time: f64) -> f64 {
        match Plan::new(of, block, stage, spacings) {
            Plan::Scalar(_) => 4.0,
            Plan::Stepped(series) => series.cost(time),
            Plan::Tabled(_, series) => product_cost(&series),
        }
    }

    /// Multiplications that an evolution over `time` takes, to order of magnitude.
    pub fn cost(&self, time: f64) -> f64 {
        match &self.method {
            Method::Scalar(_) => 4.0,
            Method::Stepped(series) => series.cost(time),
            Method::Tabled(_, series) => product_cost(series),
            Method::Refused(_) => 0.0,
        }
    }

    /// Whether [`side_by_side`](Self::side_by_side) is for this block.
    pub fn goes_side_by_side(of: &Blocks, block: &Block, stage: usize, spacings: &[(f64, u64)]) -> bool {
        block.dimension() > matrix::REGISTERS && matches!(Plan::new(of, block, stage, spacings), Plan::Tabled(..))
    }

    /// Take these states, at most [`LANES`], from a row to the next, `width` later: into `work`, with their norms². Each
    /// is what [`advance`](Self::advance) makes of it where it does not jump, to the last digit. `None` in small blocks, and
    /// where no matrix is kept for that distance.
    pub fn side_by_side<'p>(
        &self,
        width: f64,
        states: impl Iterator<Item = &'p [Complex64]>,
        work: &mut Workspace,
    ) -> Option<[f64; LANES]> {
        let Method::Tabled(table, _) = &self.method else { return None };
        let matrix = table.of_rows(width)?;
        self.arch.dispatch(SideBySide { matrix, states, work })
    }

    /// Evolve to time `until`, or until ‖ψ‖² has fallen to `threshold`: true then. `end` is ‖ψ‖² at `until`, a row, if
    /// [`side_by_side`](Self::side_by_side) has found that it is below.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when double precision does not hold the evolution, [`RunError::Interrupted`].
    pub fn advance(
        &self,
        flight: &mut Flight,
        until: f64,
        (threshold, end): (f64, Option<f64>),
        work: &mut Workspace,
        stop: &Stop,
    ) -> Result<bool, Failed> {
        let jumped = match &self.method {
            Method::Scalar(k) => scalar(*k, flight, until, threshold),
            _ => self.arch.dispatch(Evolution { method: &self.method, flight, until, threshold, end, work, stop })?,
        };
        if flight.norm.is_finite() { Ok(jumped) } else { Err(no_number(flight).into()) }
    }
}

/// Multiplications of a propagator times a vector.
fn product_cost(series: &Series) -> f64 {
    4.0 * (series.dimension() * series.dimension()) as f64
}

/// How a generator is made ready.
enum Plan<'b> {
    Scalar(Complex64),
    /// Tables of this generator.
    Tabled(&'b Sparse, Series),
    Stepped(Series),
}

impl<'b> Plan<'b> {
    fn new(of: &Blocks, block: &'b Block, stage: usize, spacings: &[(f64, u64)]) -> Self {
        let Stage { varying: drives, rates, .. } = &of.stages[stage];
        if let Some(cells) = without_matrix(of, block) {
            let flips = |terms: Vec<Monomial>| Operator::flips(Flips::new(cells, &terms));
            let driven = drives.iter().map(|(d, f)| (f.clone(), flips(of.drive_terms(*d))));
            let lost = rates.iter().map(|r| (r.envelope.clone(), flips(of.layout.collected(of.loss_terms(r.channel)))));
            let varying = driven.chain(lost).collect();
            let generator = Operator::flips(Flips::new(cells, &of.generator_terms(stage)));
            return Self::Stepped(Series::new(generator, varying));
        }
        let generator = block.generator(of, stage);
        let driven = drives.iter().map(|(drive, f)| (f.clone(), Operator::new(block.drive(of, *drive))));
        let lost = rates.iter().map(|rate| (rate.envelope.clone(), Operator::new(block.loss(of, rate))));
        let varying: Vec<(Envelope, Operator)> =
            driven.chain(lost).filter(|(_, operator)| operator.entries() > 0).collect();
        let fixed = varying.is_empty();
        if block.dimension() == 1 && fixed {
            return Self::Scalar(generator.get(0, 0).copied().unwrap_or_default());
        }
        let mut series = Series::new(Operator::new(generator), varying);
        if block.dimension() <= matrix::REGISTERS {
            series.in_registers();
        }
        if fixed && table::pays(&series, spacings) { Self::Tabled(generator, series) } else { Self::Stepped(series) }
    }
}

fn scalar(k: Complex64, flight: &mut Flight, until: f64, threshold: f64) -> bool {
    let decay = -2.0 * k.re;
    let left = until - flight.time;
    let wait = if decay > 0.0 && threshold > 0.0 { (flight.norm / threshold).ln() / decay } else { f64::INFINITY };
    let time = wait.min(left);
    flight.psi[0] *= (k * time).exp();
    flight.norm = flight.psi[0].norm_sqr();
    flight.time = if wait <= left { flight.time + wait } else { until };
    wait <= left
}

/// An evolution, to be compiled for the vector instructions of the processor it runs on: all that is inlined into it is.
struct Evolution<'a> {
    method: &'a Method,
    flight: &'a mut Flight,
    until: f64,
    threshold: f64,
    end: Option<f64>,
    work: &'a mut Workspace,
    stop: &'a Stop,
}

impl WithSimd for Evolution<'_> {
    type Output = Result<bool, Failed>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Result<bool, Failed> {
        let Self { method, flight, until, threshold, end, work, stop } = self;
        match method {
            Method::Scalar(k) => Ok(scalar(*k, flight, until, threshold)),
            Method::Stepped(series) => stepped(series, flight, until, threshold, work, stop),
            Method::Tabled(table, series) => tabled(table, series, (flight, until), (threshold, end), work, stop),
            Method::Refused(reason) => Err(numerics(reason.clone()).into()),
        }
    }
}

/// A product with several states, to be compiled for the vector instructions of the processor it runs on.
struct SideBySide<'a, I> {
    matrix: &'a Dense,
    states: I,
    work: &'a mut Workspace,
}

impl<'p, I: Iterator<Item = &'p [Complex64]>> WithSimd for SideBySide<'_, I> {
    type Output = Option<[f64; LANES]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<[f64; LANES]> {
        let Self { matrix, states, work } = self;
        let lanes = &mut work.lanes;
        lanes.clear(matrix.dimension());
        for (lane, psi) in states.take(LANES).enumerate() {
            lanes.put(lane, psi);
        }
        matrix.apply_lanes(simd, lanes).then(|| lanes.norms())
    }
}

#[cold]
fn numerics(reason: String) -> RunError {
    RunError::Numerics { method: "the evolution between jumps", reason }
}

#[cold]
fn no_number(flight: &Flight) -> RunError {
    numerics(format!("at t = {} of its step the state has the norm² {}", flight.time, flight.norm))
}

/// How near, of the piece in which it lies, a jump is brought by the norms and slopes at its two ends.
const CLOSE: f64 = 0.02;

#[inline(always)]
fn stepped(
    series: &Series,
    flight: &mut Flight,
    until: f64,
    threshold: f64,
    work: &mut Workspace,
    stop: &Stop,
) -> Result<bool, Failed> {
    // Once a jump is known to lie before `limit`, it is looked for in pieces of at most `close`.
    let (mut limit, mut close) = (until, f64::INFINITY);
    while flight.time < limit {
        let left = limit - flight.time;
        if close == f64::INFINITY
            && series.leaps(left)
            && let Some((length, norm)) = series.leap(flight, left, work, stop)?
        {
            if norm > threshold {
                let next = if length == left { limit } else { flight.time + length };
                if !(next > flight.time) {
                    return Err(too_fast(flight.time, length).into());
                }
                work.swap(&mut flight.psi);
                (flight.norm, flight.time) = (norm, next);
                continue;
            }
            (limit, close) = (flight.time + length, CLOSE * length);
            // Most of the way at once.
            let before = series.wait(flight, (length, norm), threshold, work) - 0.5 * close;
            if series.leaps(before)
                && let Some((length, norm)) = series.leap(flight, before, work, stop)?
                && norm > threshold
            {
                work.swap(&mut flight.psi);
                (flight.norm, flight.time) = (norm, flight.time + length);
            }
            continue;
        }
        let piece = left.min(close);
        let length = series.expand(flight, piece, work, stop)?;
        let next = if length == left { limit } else { flight.time + length };
        if series.advance(flight, length, threshold, None, work) {
            return Ok(true);
        }
        if !(next > flight.time) {
            return Err(too_fast(flight.time, length).into());
        }
        flight.time = next;
        close *= 2.0;
    }
    Ok(close < f64::INFINITY) // rounding: what was seen to jump before here jumps here
}

/// No further step can be made.
#[cold]
pub(super) fn too_fast(time: f64, length: f64) -> RunError {
    numerics(format!(
        "at t = {time} of its step, {length:e} is lost in rounding: something is too fast for so long a step"
    ))
}

#[inline(always)]
fn tabled(
    table: &Table,
    series: &Series,
    (flight, until): (&mut Flight, f64),
    (threshold, mut end): (f64, Option<f64>),
    work: &mut Workspace,
    stop: &Stop,
) -> Result<bool, Failed> {
    // Once a jump is known to lie before `limit`, only shorter propagators are tried; `end` is the norm² there.
    let (mut limit, mut left, mut inside) = (until, until - flight.time, false);
    let mut cap = if end.is_some() { table.levels() } else { usize::MAX };
    loop {
        // In a stiff block what is left is counted down: fast processes take less than the spacing of numbers at late times.
        if !table.is_stiff() {
            left = limit - flight.time;
        }
        if left <= 0.0 {
            flight.time = if inside { flight.time } else { until };
            return Ok(inside); // rounding: what was seen to jump before here jumps here
        }
        let Some((level, operator, length, whole)) = table.longest(left, cap) else {
            let length = series.expand(flight, left, work, stop)?;
            if !(length > 0.0) {
                return Err(too_fast(flight.time, length).into());
            }
            let end = if length == left { end } else { None };
            if series.advance(flight, length, threshold, end, work) {
                return Ok(true);
            }
            flight.time = if length == left { limit } else { flight.time + length };
            left -= length;
            continue;
        };
        let norm = operator.apply_norm(&flight.psi, work.vector(flight.psi.len()));
        if norm > threshold {
            work.swap(&mut flight.psi);
            flight.norm = norm;
            flight.time = if whole { limit } else { flight.time + length };
            left = if whole { 0.0 } else { left - length };
        } else {
            if !whole {
                (limit, left, inside) = (flight.time + length, length, true);
            }
            (cap, end) = (level, Some(norm));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::blocks::SlotOp;

    /// A generator of nine driven, decaying cells in a ring: states enough to leap.
    fn ring() -> Series {
        let cells = 9;
        let mut terms = Vec::new();
        let mut term = |coefficient: Complex64, factors: &[(usize, SlotOp)]| {
            let mut factors = factors.to_vec();
            factors.sort_by_key(|f| f.0);
            terms.push(Monomial { coefficient, factors });
        };
        for k in 0..cells {
            term(Complex64::new(0.0, -0.7), &[(k, SlotOp::Z), ((k + 1) % cells, SlotOp::Z)]);
            for op in [SlotOp::Lower, SlotOp::Raise] {
                term(Complex64::new(0.0, -0.4), &[(k, op)]);
            }
            term(Complex64::new(-0.05, 0.0), &[(k, SlotOp::Number)]);
        }
        Series::new(Operator::flips(Flips::new(cells, &terms)), Vec::new())
    }

    /// Terms that are made at once give the states and jumps of those that are made in turn.
    #[test]
    fn powers_are_terms() {
        use sprs::TriMatI;
        for d in [2, 4, 6, 8] {
            let mut k = TriMatI::<Complex64, u32>::new((d, d));
            for i in 0..d {
                k.add_triplet(i, i, Complex64::new(-0.1 * i as f64, 0.3 - 0.2 * i as f64));
                k.add_triplet(i, (i + 1) % d, Complex64::new(0.05, -0.4 - 0.1 * i as f64));
                k.add_triplet((i + 1) % d, i, Complex64::new(-0.05, -0.4 - 0.1 * i as f64));
            }
            let k: Sparse = k.to_csr();
            let series = || {
                let mut series = Series::new(Operator::new(&k), Vec::new());
                series.in_registers();
                series
            };
            let longest = 0.7 / series().rate();
            let (in_turn, mut at_once) = (series(), series());
            at_once.stack(&k, longest);
            let psi: Vec<Complex64> = (0..d).map(|i| Complex64::new(0.3 + i as f64, 0.5 - i as f64)).collect();
            let flight = Flight { norm: norm_sqr(&psi), psi, time: 0.0, start: 0.0 };
            let (stop, mut work) = (Stop::default(), Workspace::default());
            for (left, share) in [(longest, 0.0), (0.3 * longest, 0.0), (longest, 0.999), (longest, 0.9999)] {
                let mut evolved = |series: &Series| {
                    let mut flight = flight.clone();
                    assert_eq!(series.expand(&flight, left, &mut work, &stop).unwrap(), left);
                    let threshold = share * flight.norm;
                    let jumps = series.advance(&mut flight, left, threshold, None, &mut work);
                    (flight, jumps)
                };
                let ((a, jumps), (b, too)) = (evolved(&in_turn), evolved(&at_once));
                assert_eq!((jumps, too), (share > 0.0, share > 0.0), "{d} {left} {share}");
                assert!((a.time - b.time).abs() < 1e-12 * left && (a.norm - b.norm).abs() < 1e-13 * a.norm);
                assert!(a.psi.iter().zip(&b.psi).all(|(a, b)| (a - b).norm() < 1e-13 * flight.norm.sqrt()), "{d}");
            }
            // What is longer than they hold for is made in turn.
            assert!(at_once.expand(&flight, 2.0 * longest, &mut work, &stop).unwrap() > longest);
        }
    }

    #[test]
    fn leaps_end_and_jump_where_polynomials_do() {
        let (series, stop, mut work) = (ring(), Stop::default(), Workspace::default());
        assert!(series.leaps(1.0));
        let mut psi = vec![Complex64::ZERO; series.dimension()];
        psi[17] = Complex64::new(0.6, 0.0);
        psi[500] = Complex64::new(0.0, 0.8);
        let set_out = Flight { psi, norm: 1.0, time: 0.0, start: 0.0 };
        for threshold in [0.0, 0.2, 0.3, 0.7, 0.99, 1.0 - 1e-9] {
            let mut flight = set_out.clone();
            let jumps = stepped(&series, &mut flight, 3.0, threshold, &mut work, &stop).unwrap();
            let mut kept = set_out.clone();
            let mut jumped = false;
            while kept.time < 3.0 && !jumped {
                let length = series.expand(&kept, (3.0 - kept.time).min(0.05), &mut work, &stop).unwrap();
                jumped = series.advance(&mut kept, length, threshold, None, &mut work);
                kept.time += if jumped { 0.0 } else { length };
            }
            assert_eq!(jumps, jumped, "{threshold}");
            assert_eq!(jumps, threshold > 0.25, "the thresholds are on both sides");
            assert!((flight.time - kept.time).abs() < 1e-10, "{threshold}: {} {}", flight.time, kept.time);
            assert!((flight.norm - kept.norm).abs() < 1e-11, "{threshold}: {} {}", flight.norm, kept.norm);
            let apart = flight.psi.iter().zip(&kept.psi).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
            assert!(apart < 1e-10, "{threshold}: {apart:e}");
        }
    }
}
