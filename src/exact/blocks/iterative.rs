//! The steady state of many unknowns, without a factorisation of L.
//!
//! L is split into ρ → Kρ + ρK†, which d × d eigenvectors of K invert exactly, and the gain Σ LρL†. With w ~ ‖L‖ and a
//! state η, A = −L + wη Tr has an inverse if and only if there is one steady state, Aρ = wη. Generalised conjugate
//! residuals (S. C. Eisenstat, H. C. Elman and M. H. Schultz, SIAM J. Numer. Anal. 20, 345 (1983)), preconditioned by the
//! inverse of the first part, give ρ, and by a random right side how large A⁻¹ is: without an inverse the residual of that
//! stays where it is.
//!
//! Where there is one steady state nothing oscillates for ever: an eigenvector of L at iω ≠ 0 gives a unitary U of
//! e^{iHt}Ue^{−iHt} = e^{iωt}U, whose spectrum would be invariant under all rotations.

use super::generator::{Density, JumpMap, Parts};
use crate::error::RunError;
use crate::space::blocks::Sparse;
use crate::stop::Stop;
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, MatRef};
use num_complex::Complex64;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// ‖Lρ‖ in units of ‖L‖ when it is solved.
const TOLERANCE: f64 = 1e-14;
/// Residual of the random right side when it is solved, in units of its norm. A second steady state goes unnoticed if
/// the right side has less than this along its conserved quantity: with N unknowns the probability is 0.8√N times this.
const PROBED: f64 = 1e-7;
/// How far the state may be from the true one.
const ERROR: f64 = 1e-8;
/// What is added to the eigenvalues of K, in units of ‖L‖, so that dark states have an inverse.
const SHIFT: f64 = 1e-5;
/// Most iterations, all starts together; fewer where another method is at hand.
const MOST_ITERATIONS: usize = 3_000;
const FEW_ITERATIONS: usize = 600;
/// Most directions before a new start, and most numbers in them (1.6 GB).
const MOST_DIRECTIONS: usize = 250;
const MOST_NUMBERS: usize = 200_000_000;
/// A start that leaves more than this of the residual leads nowhere.
const STALLED: f64 = 0.5;
/// Columns of a product between two looks at whether to stop.
const AT_ONCE: usize = 256;

/// The state that `rho` settles in, if each set of blocks connected by jumps has one steady state; else why none is known.
/// `alone` says that no other method is at hand.
///
/// # Errors
/// [`RunError::Interrupted`].
pub fn unique(parts: &Parts, rho: &Density, alone: bool, stop: &Stop) -> Result<Result<Density, String>, RunError> {
    let (drift, norm) = (&parts.drift, parts.norm);
    parts.prepare(stop)?;
    let system = System { parts, connected: connected(drift.len(), &parts.jumps) };
    let Some(inverse) = Inverse::new(drift, norm, stop)? else {
        return Ok(Err("the eigenvectors of K are no basis".into()));
    };
    let most = if alone { MOST_ITERATIONS } else { FEW_ITERATIONS };
    let mut start = system.generated(rho);
    let size = start.len() as f64;
    let solution = solve(&system, &inverse, &mut start, TOLERANCE * norm, most, stop)?;
    let residual = length(&start);
    if !(residual <= TOLERANCE * norm) {
        return Ok(Err(format!("the residual ‖Lρ‖/‖L‖ stays at {:.1e}", residual / norm)));
    }
    let mut draws = ChaCha8Rng::seed_from_u64(1);
    let mut probe: Vec<f64> = (0..start.len()).map(|_| StandardNormal.sample(&mut draws)).collect();
    let whole = length(&probe);
    probe.iter_mut().for_each(|x| *x /= whole);
    let answer = solve(&system, &inverse, &mut probe, PROBED, most, stop)?;
    if !(length(&probe) <= PROBED) {
        return Ok(Err("there are several steady states, or some process is extremely slow".into()));
    }
    // The mean of ‖A⁻¹b‖² over right sides b of norm 1 is the sum of all squared singular values of A⁻¹, over N.
    let error = residual * length(&answer) * size.sqrt();
    if !(error <= ERROR) {
        return Ok(Err(format!("the state is known to {error:.0e} only: some process is extremely slow")));
    }
    let change = unpacked(drift, &solution);
    let sums = |a: &Vec<Complex64>, b: &Vec<Complex64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
    Ok(Ok(rho.iter().zip(&change).map(|(a, b)| sums(a, b)).collect()))
}

/// Of each block, the least block that jumps connect it with.
fn connected(count: usize, jumps: &[JumpMap]) -> Vec<usize> {
    let mut least: Vec<usize> = (0..count).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for JumpMap { from, to, .. } in jumps {
            let both = least[*from].min(least[*to]);
            for block in [*from, *to] {
                changed |= least[block] != both;
                least[block] = both;
            }
        }
    }
    least
}

/// A Hermitian matrix of each block as real numbers of the same norm: below the diagonal √2 Re, above it √2 Im.
fn packed(rho: &Density) -> Vec<f64> {
    let mut out = Vec::with_capacity(rho.iter().map(Vec::len).sum());
    for block in rho {
        let d = block.len().isqrt();
        out.extend((0..d * d).map(|at| match (at / d).cmp(&(at % d)) {
            std::cmp::Ordering::Equal => block[at].re,
            std::cmp::Ordering::Greater => SQRT_2 * block[at].re,
            std::cmp::Ordering::Less => SQRT_2 * block[at % d * d + at / d].im,
        }));
    }
    out
}

/// The matrices again.
fn unpacked(drift: &[Sparse], numbers: &[f64]) -> Density {
    let mut left = numbers;
    let block = |k: &Sparse| {
        let d = k.rows();
        let (own, rest) = left.split_at(d * d);
        left = rest;
        let mut rho = vec![Complex64::ZERO; d * d];
        for i in 0..d {
            rho[i * d + i] = own[i * d + i].into();
            for j in 0..i {
                let x = Complex64::new(own[i * d + j], own[j * d + i]) * FRAC_1_SQRT_2;
                (rho[i * d + j], rho[j * d + i]) = (x, x.conj());
            }
        }
        rho
    };
    drift.iter().map(block).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Sixteen sums at once, which a processor adds in parallel.
    let (a_parts, b_parts) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 16];
    for (x, y) in a_parts.zip(b_parts) {
        (0..16).for_each(|k| sums[k] += x[k] * y[k]);
    }
    rest + sums.iter().sum::<f64>()
}

fn length(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// a ← a + f·b.
fn add(a: &mut [f64], f: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += f * b);
}

/// A = −L + wη Tr in each set of connected blocks, with η the mixture of all their states and w = ‖L‖.
struct System<'a> {
    parts: &'a Parts,
    connected: Vec<usize>,
}

impl System<'_> {
    /// Lρ.
    fn generated(&self, rho: &Density) -> Vec<f64> {
        let (triangles, mut state, mut out) = (self.parts.triangles(), Vec::new(), rho.clone());
        triangles.pack(rho, &mut state);
        let mut image = vec![Complex64::ZERO; state.len()];
        // Ready already, so that there is nothing to interrupt.
        let _ = self.parts.apply(1.0, &state, &mut image, &Stop::default());
        triangles.unpack(&image, &mut out);
        packed(&out)
    }

    fn apply(&self, numbers: &[f64]) -> Vec<f64> {
        let rho = unpacked(&self.parts.drift, numbers);
        let mut out = self.generated(&rho);
        out.iter_mut().for_each(|x| *x = -*x);
        let (mut traces, mut states) = (vec![0.0; rho.len()], vec![0; rho.len()]);
        for (b, rho) in rho.iter().enumerate() {
            let d = rho.len().isqrt();
            traces[self.connected[b]] += rho.iter().step_by(d + 1).map(|x| x.re).sum::<f64>();
            states[self.connected[b]] += d;
        }
        let mut offset = 0;
        for (b, rho) in rho.iter().enumerate() {
            let (d, set) = (rho.len().isqrt(), self.connected[b]);
            let each = self.parts.norm * traces[set] / states[set] as f64;
            out[offset..offset + d * d].iter_mut().step_by(d + 1).for_each(|x| *x += each);
            offset += d * d;
        }
        out
    }
}

/// The inverse of ρ → sρ − Kρ − ρK† by the eigenvalues and eigenvectors of K in each block.
struct Inverse {
    blocks: Vec<(Vec<Complex64>, Mat<Complex64>, Mat<Complex64>)>,
    shift: f64,
}

impl Inverse {
    /// `None` where K cannot be diagonalised.
    fn new(drift: &[Sparse], norm: f64, stop: &Stop) -> Result<Option<Self>, RunError> {
        let mut blocks = Vec::with_capacity(drift.len());
        for k in drift {
            let d = k.rows();
            let mut dense = Mat::<Complex64>::zeros(d, d);
            k.iter().for_each(|(x, (i, j))| dense[(i as usize, j as usize)] += x);
            let diagonalised = move || {
                let eigen = dense.eigen().ok()?;
                let values: Vec<Complex64> = (0..d).map(|i| eigen.S()[i]).collect();
                let inverse = eigen.U().partial_piv_lu().inverse();
                let finite = (0..d).all(|j| (0..d).all(|i| inverse[(i, j)].is_finite()));
                finite.then(|| (values, eigen.U().to_owned(), inverse))
            };
            // A thread is not worth while for what takes no time.
            match if d < 32 { diagonalised() } else { stop.while_waiting(diagonalised)? } {
                Some(block) => blocks.push(block),
                None => return Ok(None),
            }
        }
        Ok(Some(Self { blocks, shift: SHIFT * norm }))
    }

    fn apply(&self, drift: &[Sparse], numbers: &[f64], stop: &Stop) -> Result<Vec<f64>, RunError> {
        let mut rho = unpacked(drift, numbers);
        for ((values, basis, inverse), rho) in self.blocks.iter().zip(&mut rho) {
            let d = values.len();
            let before = MatRef::from_row_major_slice(rho, d, d);
            let half = product(inverse.as_ref(), before, stop)?;
            let mut turned = product(half.as_ref(), inverse.adjoint().to_owned().as_ref(), stop)?;
            for j in 0..d {
                for i in 0..d {
                    turned[(i, j)] /= self.shift - values[i] - values[j].conj();
                }
            }
            let half = product(basis.as_ref(), turned.as_ref(), stop)?;
            let after = product(half.as_ref(), basis.adjoint().to_owned().as_ref(), stop)?;
            (0..d * d).for_each(|at| rho[at] = after[(at / d, at % d)]);
        }
        Ok(packed(&rho))
    }
}

/// AB, some columns at a time.
fn product(a: MatRef<Complex64>, b: MatRef<Complex64>, stop: &Stop) -> Result<Mat<Complex64>, RunError> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    for from in (0..b.ncols()).step_by(AT_ONCE) {
        stop.check()?;
        let count = AT_ONCE.min(b.ncols() - from);
        out.as_mut().subcols_mut(from, count).copy_from(a * b.subcols(from, count));
    }
    Ok(out)
}

/// y of Ay = `residual`, and in its place what is left of it.
fn solve(
    system: &System,
    inverse: &Inverse,
    residual: &mut Vec<f64>,
    tolerance: f64,
    most: usize,
    stop: &Stop,
) -> Result<Vec<f64>, RunError> {
    let right = residual.clone();
    let mut solution = vec![0.0; right.len()];
    let directions = (MOST_NUMBERS / (2 * right.len().max(1))).clamp(10, MOST_DIRECTIONS);
    let mut iterations = 0;
    loop {
        let before = length(residual);
        // AP = QR, Q orthonormal, R by columns; the residual loses what lies along Q.
        let (mut p, mut q): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        let (mut r, mut along): (Vec<Vec<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
        while length(residual) > tolerance && p.len() < directions && iterations < most {
            stop.check()?;
            iterations += 1;
            let direction = inverse.apply(&system.parts.drift, residual, stop)?;
            let mut image = system.apply(&direction);
            let whole = length(&image);
            let mut column = Vec::with_capacity(q.len() + 1);
            for q in &q {
                let part = dot(q, &image);
                add(&mut image, -part, q);
                column.push(part);
            }
            let left = length(&image);
            if !(left > 1e-13 * whole) {
                break; // nothing new: what is left cannot be reached
            }
            image.iter_mut().for_each(|x| *x /= left);
            column.push(left);
            let part = dot(&image, residual);
            add(residual, -part, &image);
            along.push(part);
            p.push(direction);
            q.push(image);
            r.push(column);
        }
        for k in (0..p.len()).rev() {
            let f = along[k] / r[k][k];
            r[k][..k].iter().zip(&mut along).for_each(|(r, a)| *a -= f * r);
            add(&mut solution, f, &p[k]);
        }
        // What is left in truth, without the rounding of the sums.
        residual.clone_from(&right);
        add(residual, -1.0, &system.apply(&solution));
        let now = length(residual);
        if now <= tolerance || iterations >= most || !(now <= STALLED * before) {
            return Ok(solution);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::equation::Equation;
    use super::*;
    use crate::problem::{Initial, Kind, Problem, ProblemBuilder, Quantity, a, ad, n, sm, sp};
    use crate::space::blocks::{Blocks, Style};

    /// The state by iteration and ‖Lρ‖/‖L‖ in a problem of few unknowns.
    fn settled(build: impl FnOnce(&mut ProblemBuilder)) -> Result<(Density, f64), String> {
        let mut p = Problem::builder("few unknowns");
        build(&mut p);
        p.evolve("run", 1.0, 1).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let style = |spins, charges| Blocks::compile(&problem, Style { spins, charges });
        let blocks = style(true, true).or_else(|_| style(false, false)).unwrap();
        let stop = Stop::default();
        let mut equation = Equation::new(&blocks, &stop).unwrap();
        let rho = equation.rho.clone();
        let parts = equation.parts(0);
        let state = unique(parts, &rho, true, &stop).unwrap()?;
        let system = System { parts, connected: connected(parts.drift.len(), &parts.jumps) };
        let residual = length(&system.generated(&state)) / parts.norm;
        Ok((state, residual))
    }

    #[test]
    fn matrices_are_packed_without_loss() {
        let rho =
            vec![vec![Complex64::new(0.25, 0.0), Complex64::new(0.1, 0.2), Complex64::new(0.1, -0.2), 0.75.into()]];
        let numbers = packed(&rho);
        let squares: f64 = rho[0].iter().map(|x| x.norm_sqr()).sum();
        assert!((length(&numbers) - squares.sqrt()).abs() < 1e-15);
        let mut p = Problem::builder("a cell");
        let c = p.ensemble("C", 1, 1.0);
        p.hamiltonian(sm(c) + sp(c)).evolve("run", 1.0, 1).observe([Quantity::Energy]);
        let problem = p.build().unwrap();
        let blocks = Blocks::compile(&problem, Style { spins: true, charges: true }).unwrap();
        let mut equation = Equation::new(&blocks, &Stop::default()).unwrap();
        let back = unpacked(&equation.parts(0).drift, &numbers);
        assert!(back[0].iter().zip(&rho[0]).all(|(a, b)| (a - b).norm() < 1e-15), "{back:?}");
    }

    /// A driven and a heated oscillator, and spins that decay together: J = 1 of two cells that start excited.
    #[test]
    fn one_steady_state_is_found_dark_or_not() {
        let (state, residual) = settled(|p| {
            let m = p.subsystem("M", Kind::Mode { cutoff: 12 }, 1.0);
            p.hamiltonian((a(m) + ad(m)) * 0.1).hamiltonian(n(m) * 0.4).collective("loss", a(m), 1.0);
        })
        .unwrap();
        // |α|² = F²/(κ²/4 + Δ²), ⟨0|ρ|0⟩ = e^{−|α|²}.
        assert!((state[0][0].re - (-0.01f64 / 0.41).exp()).abs() < 1e-9 && residual < 2e-14, "{residual}");
        let (state, _) = settled(|p| {
            let b = p.ensemble("B", 4, 1.0);
            p.initial(b, Initial::Excited).collective("decay", sm(b), 1.0).collective("pump", sp(b), 0.25);
        })
        .unwrap();
        let diagonal: Vec<f64> =
            state.iter().flat_map(|b| b.iter().step_by(b.len().isqrt() + 1)).map(|x| x.re).collect();
        let whole: f64 = (0..5).map(|k| 0.25f64.powi(k)).sum();
        let expected: Vec<f64> = (0..5).map(|k| 0.25f64.powi(k) / whole).collect();
        let mut sorted: Vec<f64> = diagonal.iter().copied().filter(|p| *p > 1e-12).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert!(sorted.len() == 5 && sorted.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{sorted:?}");
    }

    #[test]
    fn several_steady_states_and_oscillations_are_not_passed_over() {
        let spectator = |energy: f64| {
            settled(move |p| {
                let m = p.subsystem("M", Kind::Mode { cutoff: 8 }, 1.0);
                let b = p.ensemble("B", 1, 1.0);
                p.hamiltonian((a(m) + ad(m)) * 0.2).collective("loss", a(m), 1.0).initial(b, Initial::plus());
                p.hamiltonian((sm(b) + sp(b)) * energy);
            })
        };
        for energy in [0.0, 0.3, 1e-7] {
            assert!(spectator(energy).is_err(), "{energy}");
        }
        // One that relaxes at 1e-12 of the fastest rate cannot be told from one that does not.
        let slow = |rate: f64| {
            settled(move |p| {
                let m = p.subsystem("M", Kind::Mode { cutoff: 8 }, 1.0);
                let b = p.ensemble("B", 1, 1.0);
                p.hamiltonian((a(m) + ad(m)) * 0.2).collective("loss", a(m), 1.0).initial(b, Initial::Excited);
                p.hamiltonian((sm(b) + sp(b)) * 0.3).collective("slow", sm(b), rate);
            })
        };
        assert!(slow(1e-12).is_err());
        assert!(slow(1e-3).is_ok());
    }
}
