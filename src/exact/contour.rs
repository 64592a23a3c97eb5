//! Propagation exp(tA)p of a classical master equation by a contour integral, built to fail loudly.

use super::cascade::{Cascade, LANES};
use crate::error::RunError;
use crate::stop::Stop;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::lu::{LuRef, LuSymbolicParams, NumericLu, SymbolicLu, factorize_symbolic_lu};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMat};
use faer::{Conj, MatMut, Par, Spec, c64};
use rayon::prelude::*;
use sprs::CsMat;
use std::f64::consts::PI;
use std::sync::OnceLock;

/// Largest relative defect of a column sum that is taken for rounding of the diagonal.
const COLUMN_DEFECT: f64 = 1e-9;
/// Rounding errors relative to e^μ to choose the contour's width μ by: first with a margin, then without.
const ROUNDING: [f64; 2] = [16.0 * f64::EPSILON, 3.0 * f64::EPSILON];
/// Contours of more nodes are not refined; the time step is halved instead.
const MAX_NODES: usize = 120;
/// The time step is halved at most this many times.
const HALVINGS: u32 = 10;

/// Real sparse generator, column convention dp/dt = A p, prepared for one duration t and many vectors p.
///
/// With z(u) = μ(1 + iu)², −∞ < u < ∞, a parabola around the negative real axis,
///
/// exp(tA) p = (2πi)⁻¹ ∫ eᶻ (z − tA)⁻¹ p dz ≈ (hμ/π) Σₖ (1 + iuₖ) exp(zₖ) xₖ,  (zₖ − tA) xₖ = p,  uₖ = kh,
///
/// the trapezoidal rule of J. A. C. Weideman and L. N. Trefethen, Math. Comp. 76, 1341 (2007); conjugate symmetry
/// leaves the nodes k ≥ 0. The same solutions give ∫₀ᵗ c·p ds, whose resolvent is t c·xₖ/zₖ (the augmented equation
/// q′ = c·p), so jump counts and populations obey the same balance equations.
///
/// The optimal parameters known for normal A do not hold here: the resolvent of a cascade is large far from its
/// eigenvalues. So μ is as wide as rounding (∝ e^μ) permits, and h is halved until the rules h and h/2 agree in the
/// operator 1-norm, i.e. for the worst initial distribution, estimated after W. W. Hager, SIAM J. Sci. Stat. Comput. 5,
/// 311 (1984) and N. J. Higham, ACM Trans. Math. Softw. 14, 381 (1988). Where that stagnates (transport over many
/// levels in a time like t makes the integrand itself large) t is split into 2, 4, … equal steps.
///
/// Where no state is ever come back to xₖ follows by substitution (`exact/cascade.rs`), elsewhere by sparse LU.
///
/// Sums run in a fixed order, so results do not depend on the number of threads.
#[derive(Debug)]
pub struct Contour {
    rates: Rates,
    counted: Vec<Vec<f64>>,
    duration: f64,
    tolerance: f64,
    stop: Stop,
    substeps: usize,
    /// Empty where tA = 0.
    nodes: Vec<Node>,
    method: Method,
    /// The same in twice as many steps, once that was needed.
    finer: OnceLock<Box<Contour>>,
}

/// How the systems are solved.
#[derive(Debug)]
enum Method {
    /// There are none: tA = 0.
    None,
    Substitution(Cascade),
    Lu(SymbolicLu<usize>),
}

/// One shift z of the contour with weight (h/2πi) eᶻ dz/du, doubled where it stands for its conjugate too.
#[derive(Debug)]
struct Node {
    u: f64,
    shift: c64,
    weight: c64,
    /// Of the LU, where there is one.
    factors: NumericLu<usize, c64>,
}

/// Σₖ signₖ Re(weightₖ xₖ), and the same sum for the integrals over one step.
type Weighted = (Vec<f64>, Vec<f64>);

impl Contour {
    /// Factorises zₖ − tA for an n×n `generator` (either storage order), so that [`Contour::apply`] only solves.
    ///
    /// `duration` is t ≥ 0, `counted` holds rate vectors c of length n, and `tolerance`, in (0, 1), bounds the error
    /// Σᵢ|δpᵢ| of a distribution of total 1, and the error of ∫c·p ds relative to t·max|c|.
    ///
    /// # Errors
    /// [`RunError::Numerics`] where a rate is not finite, the generator does not conserve probability, a factorisation
    /// fails or rounding forbids the tolerance; [`RunError::Interrupted`] when `stop` is raised, here or in
    /// [`apply`](Self::apply).
    pub fn new(
        generator: &CsMat<f64>,
        duration: f64,
        counted: &[Vec<f64>],
        tolerance: f64,
        stop: &Stop,
    ) -> Result<Self, RunError> {
        let rates = Rates::new(generator, duration, counted)?;
        Self::of(rates, (counted.to_vec(), duration, tolerance), 0, stop)
    }

    /// In 2^`halvings` steps or more.
    fn of(
        rates: Rates,
        (counted, duration, tolerance): (Vec<Vec<f64>>, f64, f64),
        halvings: u32,
        stop: &Stop,
    ) -> Result<Self, RunError> {
        let mut this = Self {
            rates,
            counted,
            duration,
            tolerance,
            stop: stop.clone(),
            substeps: 1,
            nodes: vec![],
            method: Method::None,
            finer: OnceLock::new(),
        };
        if this.rates.fastest * duration > 0.0 {
            this.method = match Cascade::new(this.rates.states(), &this.rates.jumps()) {
                Some(cascade) => Method::Substitution(cascade),
                None => Method::Lu(
                    factorize_symbolic_lu(this.rates.pattern.as_ref(), LuSymbolicParams::default())
                        .map_err(|error| failed(format!("its matrix cannot be ordered: {error}")))?,
                ),
            };
            this.choose_contour(halvings)?;
        }
        Ok(this)
    }

    /// The same in twice as many steps.
    fn finer(&self) -> Result<&Self, RunError> {
        if let Some(known) = self.finer.get() {
            return Ok(known);
        }
        let what = (self.counted.clone(), self.duration, self.tolerance);
        let made = Self::of(self.rates.clone(), what, self.substeps.ilog2() + 1, &self.stop)?;
        Ok(self.finer.get_or_init(|| Box::new(made)))
    }

    /// Replaces p by exp(tA)p and returns ∫₀ᵗ c·p(s) ds for each counted rate vector c.
    ///
    /// Negative entries above −tolerance are rounding: they are set to 0 and p is scaled to its previous total. The rounding
    /// of a solution is that of the largest element of tA: where it costs more than the tolerance, t is split.
    ///
    /// # Errors
    /// A p that is not finite or negative; a result that is not finite, loses probability or has entries below
    /// −tolerance (both relative to the total of p). p is then left as it was.
    pub fn apply(&self, p: &mut [f64]) -> Result<Vec<f64>, RunError> {
        if let Some(value) = p.iter().find(|p| !(**p >= 0.0 && p.is_finite())) {
            return Err(failed(format!("it starts from the probability {value:e}")));
        }
        let before: f64 = p.iter().sum();
        if let Method::None = self.method {
            return Ok(self.counted.iter().map(|c| self.duration * dot(c, p)).collect());
        }
        let mut integrals = vec![0.0; self.counted.len()];
        if before == 0.0 {
            return Ok(integrals);
        }
        let tolerance = self.tolerance;
        let mut current = p.to_vec();
        for _ in 0..self.substeps {
            let (mut next, counts) = self.sum(&self.nodes, |_| 1.0, &current, false)?;
            let after: f64 = next.iter().sum();
            // Written so that NaN fails.
            if !((after - before).abs() <= tolerance * before) {
                if self.substeps < 1 << HALVINGS {
                    return self.finer()?.apply(p);
                }
                return Err(failed(format!("the total probability went from {before} to {after}")));
            }
            for (state, value) in next.iter_mut().enumerate() {
                if *value < -tolerance * before {
                    return Err(failed(format!("state {state} received the probability {value:e}")));
                }
                *value = value.max(0.0);
            }
            let scale = before / next.iter().sum::<f64>();
            next.iter_mut().for_each(|value| *value *= scale);
            integrals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            current = next;
        }
        p.copy_from_slice(&current);
        Ok(integrals)
    }

    /// Numbers that are kept, to order of magnitude.
    pub fn kept(&self) -> usize {
        self.rates.states() * if let Method::Lu(_) = self.method { self.nodes.len() } else { 1 }
    }

    /// Sets `substeps` and `nodes` to the cheapest contour of 2^`least` steps or more that meets the tolerance.
    fn choose_contour(&mut self, least: u32) -> Result<(), RunError> {
        let mut failure = None;
        let attempts = (least..=HALVINGS).flat_map(|halvings| ROUNDING.map(|rounding| (halvings, rounding)));
        for (halvings, rounding) in attempts {
            self.substeps = 1 << halvings;
            // Errors of successive steps add up at most, because exp(tA) contracts in the 1-norm.
            let allowed = self.tolerance / self.substeps as f64;
            let width = (allowed / rounding).ln().clamp(2.0, 12.0);
            // Spacing at which the error from the right of the contour, exp(2π/h − π²/μh²), is a tenth of that
            // allowed; truncation where |eᶻ| is a hundredth.
            let spacing = PI / (width + (width * width + width * (10.0 / allowed).ln()).sqrt());
            let kept = ((1.0 + (100.0 / allowed).ln() / width).sqrt() / spacing).ceil() as usize + 1;
            let mut h = 0.5 * spacing;
            let mut nodes = self.factorise(width, (0..=2 * kept).map(|k| k as f64 * h).collect())?;
            let mut previous = f64::INFINITY;
            loop {
                nodes.iter_mut().for_each(|node| node.set_weight(width, h));
                let (estimate, tail) = self.difference(&nodes)?;
                if estimate <= 0.5 * allowed {
                    // Keep the rule of spacing 2h: that of spacing h has served as its reference.
                    nodes.pop();
                    self.nodes = nodes.into_iter().step_by(2).collect();
                    self.nodes.iter_mut().for_each(|node| node.set_weight(width, 2.0 * h));
                    return Ok(());
                }
                failure = Some((nodes.len(), self.substeps, estimate));
                if nodes.len() > MAX_NODES {
                    break;
                }
                let reach = nodes.len() - 1;
                if tail > 0.2 * estimate {
                    // Truncated too early, where eᶻ is small but the resolvent large.
                    let more = (reach + 1..=reach + 2 * reach.div_ceil(10)).map(|k| k as f64 * h).collect();
                    nodes.extend(self.factorise(width, more)?);
                    previous = f64::INFINITY;
                } else if estimate < 0.1 * previous {
                    h *= 0.5;
                    let odd = (0..reach).map(|k| (2 * k + 1) as f64 * h).collect();
                    nodes.extend(self.factorise(width, odd)?);
                    nodes.sort_by(|a, b| a.u.total_cmp(&b.u));
                    previous = estimate;
                } else {
                    break;
                }
            }
        }
        let (nodes, substeps, estimate) = failure.unwrap_or((0, 1, f64::INFINITY));
        let tolerance = self.tolerance;
        Err(failed(format!(
            "contours of {nodes} nodes in {substeps} steps differ by {estimate:e}, above the tolerance {tolerance:e}"
        )))
    }

    /// Factorises z(u) − tA, one step's t, for each u; the weights are left at 0.
    fn factorise(&self, width: f64, us: Vec<f64>) -> Result<Vec<Node>, RunError> {
        let (rates, step) = (&self.rates, self.duration / self.substeps as f64);
        let factorise_one = |u: f64| {
            self.stop.check()?;
            let shift = width * c64::new(1.0, u) * c64::new(1.0, u);
            let mut factors = NumericLu::new();
            let Method::Lu(symbolic) = &self.method else { return Ok(Node { u, shift, weight: c64::ZERO, factors }) };
            let mut values: Vec<c64> = rates.values.iter().map(|rate| c64::new(-step * rate, 0.0)).collect();
            rates.diagonal.iter().for_each(|&at| values[at] += shift);
            let need = symbolic.factorize_numeric_lu_scratch::<c64>(Par::Seq, Spec::default());
            let mut memory = MemBuffer::try_new(need).map_err(|_| failed("it is out of memory".into()))?;
            let matrix = SparseColMatRef::new(rates.pattern.as_ref(), &values);
            let stack = MemStack::new(&mut memory);
            symbolic
                .factorize_numeric_lu(&mut factors, matrix, Par::Seq, stack, Spec::default())
                .map_err(|error| failed(format!("the factorisation at the shift {shift} fails: {error}")))?;
            Ok(Node { u, shift, weight: c64::ZERO, factors })
        };
        us.into_par_iter().map(factorise_one).collect()
    }

    /// Σₖ signₖ Re(weightₖ xₖ) with (zₖ − tA) xₖ = p, or the transposed system.
    fn sum(
        &self,
        nodes: &[Node],
        sign: impl Fn(usize) -> f64 + Sync,
        p: &[f64],
        transposed: bool,
    ) -> Result<Weighted, RunError> {
        let step = self.duration / self.substeps as f64;
        let weight = |k: usize| sign(k) * nodes[k].weight;
        let by_lu = |symbolic: &SymbolicLu<usize>, k: usize| {
            let x = nodes[k].solve(symbolic, p, transposed);
            let count = |c: &Vec<f64>| {
                let product: c64 = c.iter().zip(&x).map(|(&c, &x)| c * x).sum();
                step * (weight(k) * product / nodes[k].shift).re
            };
            let real = x.iter().map(|x| weight(k).re * x.re - weight(k).im * x.im).collect();
            (real, self.counted.iter().map(count).collect())
        };
        let by_substitution = |cascade: &Cascade, first: usize| {
            let shifts = std::array::from_fn(|lane| nodes[(first + lane).min(nodes.len() - 1)].shift);
            let weights: [c64; LANES] =
                std::array::from_fn(|lane| if first + lane < nodes.len() { weight(first + lane) } else { c64::ZERO });
            let x = cascade.solve(step, &shifts, p, transposed);
            let (mut real, mut counts) = (vec![0.0; p.len()], vec![0.0; self.counted.len()]);
            let integrals: [c64; LANES] = std::array::from_fn(|lane| step * weights[lane] / shifts[lane]);
            for (state, x) in cascade.states().zip(&x) {
                let weighed =
                    |w: &[c64; LANES]| -> f64 { (0..LANES).rev().map(|k| w[k].re * x.re[k] - w[k].im * x.im[k]).sum() };
                real[state] = weighed(&weights);
                if self.counted.iter().any(|c| c[state] != 0.0) {
                    let integral = weighed(&integrals);
                    counts.iter_mut().zip(&self.counted).for_each(|(count, c)| *count += c[state] * integral);
                }
            }
            (real, counts)
        };
        let terms: Vec<Weighted> = match &self.method {
            Method::None => Vec::new(),
            Method::Lu(symbolic) => {
                let term = |k| self.stop.check().map(|()| by_lu(symbolic, k));
                (0..nodes.len()).into_par_iter().map(term).collect::<Result<_, _>>()?
            }
            Method::Substitution(cascade) => {
                let term = |pack| self.stop.check().map(|()| by_substitution(cascade, pack * LANES));
                (0..nodes.len().div_ceil(LANES)).into_par_iter().map(term).collect::<Result<_, _>>()?
            }
        };
        let mut total = (vec![0.0; p.len()], vec![0.0; self.counted.len()]);
        // The far nodes are the smallest: adding them first loses least.
        for (x, counts) in terms.iter().rev() {
            total.0.iter_mut().zip(x).for_each(|(sum, term)| *sum += term);
            total.1.iter_mut().zip(counts).for_each(|(sum, term)| *sum += term);
        }
        Ok(total)
    }

    /// Estimates max over distributions p of Σᵢ|δpᵢ| (or of the relative error of an integral), where δ is the rule of
    /// all nodes minus the rule of the even nodes without the last, which has twice the weight.
    fn difference(&self, nodes: &[Node]) -> Result<(f64, f64), RunError> {
        let states = self.rates.states();
        let last = nodes.len() - 1;
        let sign = |k: usize| if k.is_multiple_of(2) && k != last { -1.0 } else { 1.0 };
        let step = self.duration / self.substeps as f64;
        let forward = |p: &[f64]| {
            let (y, counts) = self.sum(nodes, sign, p, false)?;
            let scales = self.counted.iter().map(|c| step * c.iter().fold(f64::MIN_POSITIVE, |a, c| a.max(c.abs())));
            let counts = counts.iter().zip(scales).map(|(count, scale)| count.abs() / scale);
            Ok::<_, RunError>((counts.fold(norm(&y), f64::max), y))
        };
        let mut p = vec![1.0 / states as f64; states];
        let (mut largest, mut tail) = (0.0f64, 0.0f64);
        for _ in 0..5 {
            let (size, y) = forward(&p)?;
            if !size.is_finite() {
                return Ok((f64::INFINITY, 0.0));
            }
            if size <= largest {
                break;
            }
            largest = size;
            tail = norm(&self.sum(&nodes[last..], |_| 1.0, &p, false)?.0);
            let signs: Vec<f64> = y.iter().map(|y| y.signum()).collect();
            let (slope, _) = self.sum(nodes, sign, &signs, true)?;
            let steepest = (0..states).fold(0, |best, i| if slope[i].abs() > slope[best].abs() { i } else { best });
            if slope[steepest].abs() <= dot(&slope, &p) {
                break;
            }
            p.fill(0.0);
            p[steepest] = 1.0;
        }
        Ok((largest, tail))
    }
}

impl Node {
    fn set_weight(&mut self, width: f64, h: f64) {
        let pair = if self.u == 0.0 { 1.0 } else { 2.0 };
        self.weight = pair * h * width / PI * c64::new(1.0, self.u) * self.shift.exp();
    }

    /// Solves (z − tA) x = b, or the transposed system.
    fn solve(&self, symbolic: &SymbolicLu<usize>, b: &[f64], transposed: bool) -> Vec<c64> {
        let mut x: Vec<c64> = b.iter().map(|&b| c64::new(b, 0.0)).collect();
        let lu = LuRef::new_unchecked(symbolic, &self.factors);
        let mut memory = MemBuffer::new(symbolic.solve_in_place_scratch::<c64>(1, Par::Seq));
        let stack = MemStack::new(&mut memory);
        let columns = MatMut::from_column_major_slice_mut(&mut x, b.len(), 1);
        if transposed {
            lu.solve_transpose_in_place_with_conj(Conj::No, columns, Par::Seq, stack);
        } else {
            lu.solve_in_place_with_conj(Conj::No, columns, Par::Seq, stack);
        }
        x
    }
}

/// A generator in compressed columns, its diagonal rebuilt from the rates so that columns sum to zero to rounding.
#[derive(Clone, Debug)]
struct Rates {
    pattern: SymbolicSparseColMat<usize>,
    values: Vec<f64>,
    /// Position of each diagonal entry in `values`.
    diagonal: Vec<usize>,
    fastest: f64,
}

impl Rates {
    fn new(generator: &CsMat<f64>, duration: f64, counted: &[Vec<f64>]) -> Result<Self, RunError> {
        let states = generator.rows();
        if let Some(value) = counted.iter().flatten().find(|c| !c.is_finite()) {
            return Err(failed(format!("a channel has the rate {value:e}")));
        }
        let (mut starts, mut indices, mut values, mut diagonal) = (vec![0], vec![], vec![], vec![]);
        let mut fastest = 0.0f64;
        for (column, entries) in generator.to_csc().outer_iterator().enumerate() {
            let (mut given, mut exit) = (0.0, 0.0);
            let mut stored: Vec<(usize, f64)> = vec![(column, 0.0)];
            for (row, &value) in entries.iter() {
                if !value.is_finite() || (row != column && value < 0.0) {
                    return Err(failed(format!("the rate from state {column} to {row} is {value:e}")));
                }
                if row == column {
                    given = value;
                } else if value > 0.0 {
                    exit += value;
                    stored.push((row, value));
                }
            }
            if (given + exit).abs() > COLUMN_DEFECT * exit.max(-given) {
                return Err(failed(format!("its rates out of state {column} sum to {exit:e} instead of {:e}", -given)));
            }
            stored[0].1 = -exit;
            stored.sort_unstable_by_key(|&(row, _)| row);
            for (row, value) in stored {
                if row == column {
                    diagonal.push(values.len());
                }
                indices.push(row);
                values.push(value);
            }
            starts.push(values.len());
            fastest = fastest.max(exit);
        }
        if !(fastest * duration).is_finite() {
            return Err(failed(format!(
                "its fastest rate, {fastest:e}, makes no finite number of jumps in {duration:e}"
            )));
        }
        let pattern = SymbolicSparseColMat::new_checked(states, states, starts, None, indices);
        Ok(Self { pattern, values, diagonal, fastest })
    }

    fn states(&self) -> usize {
        self.diagonal.len()
    }

    /// From, to and rate of every jump.
    fn jumps(&self) -> Vec<(usize, usize, f64)> {
        let mut all = Vec::with_capacity(self.values.len());
        for from in 0..self.states() {
            let range = self.pattern.col_range(from);
            let entries = self.pattern.row_idx()[range.clone()].iter().zip(&self.values[range]);
            all.extend(entries.filter(|(to, _)| **to != from).map(|(to, rate)| (from, *to, *rate)));
        }
        all
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    a.iter().map(|a| a.abs()).sum()
}

fn failed(reason: String) -> RunError {
    RunError::Numerics { method: "the rate equation", reason }
}
