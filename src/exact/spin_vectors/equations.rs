//! The equations of motion of classical spin vectors under collective and local channels.

use crate::exact::integrate::Flow;
use crate::exact::mean_field::equations::{Dissipator, Equations};
use crate::problem::{Channel, Kind, Op, OpSum, Problem, Reach};
use num_complex::Complex64;

/// A collective operator d + Σ_μ Σᵢ p_μ·σ_μi, linear in the spins of the ensembles μ.
#[derive(Clone, Debug)]
pub struct Collective {
    constant: Complex64,
    /// p_μ, in the order of the subsystems.
    parts: Vec<[Complex64; 3]>,
}

impl Collective {
    /// Read off `operator`; `what` names it in the reason of a refusal.
    pub fn new(problem: &Problem, operator: &OpSum, what: &str) -> Result<Self, String> {
        let half = Complex64::new(0.5, 0.0);
        let mut constant = Complex64::ZERO;
        let mut parts = vec![[Complex64::ZERO; 3]; problem.subsystems.len()];
        for term in &operator.terms {
            let factor = match &term.factors[..] {
                [] => {
                    constant += term.coefficient;
                    continue;
                }
                [factor] => factor,
                _ => return Err(format!("{what} has a product of spin operators")),
            };
            let vector = match factor.op {
                Op::X => [Complex64::ONE, Complex64::ZERO, Complex64::ZERO],
                Op::Y => [Complex64::ZERO, Complex64::ONE, Complex64::ZERO],
                Op::Z => [Complex64::ZERO, Complex64::ZERO, Complex64::ONE],
                Op::Lower => [half, -half * Complex64::I, Complex64::ZERO],
                Op::Raise => [half, half * Complex64::I, Complex64::ZERO],
                Op::Number => {
                    // n = ½ + σᶻ/2 of every cell.
                    constant += term.coefficient * 0.5 * problem.subsystems[factor.subsystem].cells() as f64;
                    [Complex64::ZERO, Complex64::ZERO, half]
                }
                Op::Annihilate | Op::Create | Op::Transition(..) => {
                    return Err(format!("{what} acts on more than two-level cells"));
                }
            };
            parts[factor.subsystem.index()].iter_mut().zip(vector).for_each(|(p, v)| *p += term.coefficient * v);
        }
        Ok(Self { constant, parts })
    }

    /// Σ_μ N_μ p_μ·s_μ.
    fn linear(&self, cells: &[f64], s: &[f64]) -> Complex64 {
        let of = |(p, s): (&[Complex64; 3], &[f64])| p.iter().zip(s).map(|(p, s)| p * s).sum::<Complex64>();
        self.parts.iter().zip(s.chunks(3)).zip(cells).map(|(pair, n)| of(pair) * n).sum()
    }

    /// ⟨L⟩.
    fn mean(&self, cells: &[f64], s: &[f64]) -> Complex64 {
        self.constant + self.linear(cells, s)
    }

    fn size(&self, cells: &[f64]) -> f64 {
        let norm = |p: &[Complex64; 3]| p.iter().map(|p| p.norm()).sum::<f64>();
        self.constant.norm() + self.parts.iter().zip(cells).map(|(p, n)| n * norm(p)).sum::<f64>()
    }
}

/// d/dt of the Bloch vectors s_μ, three numbers an ensemble, then of the mean number of jumps of each active channel over
/// the number of cells of all ensembles.
///
/// A channel r·D\[L\] of a collective L turns s_μ: ds_μ/dt = w_μ × s_μ with w_μ = −2r Im(⟨L⟩* p_μ), and a Hamiltonian
/// Σ h_μ·σ_μi adds 2h_μ to w_μ. From ½⟨L†\[A, L\] + \[L†, A\]L⟩ for A = σᵃ_μi and \[σᵃ, σᵇ\] = 2iε_abc σᶜ, with every mean
/// of a product replaced by the product of means. Local channels act on the cell as they do in the master equation.
#[derive(Clone, Debug)]
pub struct SpinEquations {
    cells: Vec<f64>,
    /// 2h_μ.
    field: Vec<[f64; 3]>,
    collective: Vec<(f64, Collective)>,
    /// A of ds/dt = A·(1, s) of each ensemble.
    local: Vec<[[f64; 4]; 3]>,
    /// Ensemble and q of each local channel: N q·(1, s) jumps a time.
    local_jumps: Vec<(usize, [f64; 4])>,
    /// Numbers in the problem of the channels whose jumps are counted, in the order of the unknowns.
    pub channels: Vec<usize>,
}

impl SpinEquations {
    /// Those of `problem` with the channels `active`.
    ///
    /// # Errors
    /// In words, what of it is not linear in the spins of ensembles.
    pub fn new(problem: &Problem, active: &[bool]) -> Result<Self, String> {
        let cells: Vec<f64> = problem.subsystems.iter().map(|s| s.cells() as f64).collect();
        let hamiltonian = Collective::new(problem, &problem.hamiltonian, "the Hamiltonian")?;
        let field = hamiltonian.parts.iter().map(|h| h.map(|h| 2.0 * h.re)).collect();
        let local = vec![[[0.0; 4]; 3]; cells.len()];
        let mut found =
            Self { cells, field, collective: Vec::new(), local, local_jumps: Vec::new(), channels: Vec::new() };
        let on = |(index, channel): (usize, _)| active.get(index).copied().unwrap_or(false).then_some((index, channel));
        let on: Vec<(usize, &Channel)> = problem.channels.iter().enumerate().filter_map(on).collect();
        let mut counted = Vec::new();
        for &(index, channel) in &on {
            if channel.changes() {
                return Err(format!("channel {} changes with time", channel.name));
            }
            let what = format!("the operator of channel {}", channel.name);
            match &channel.reach {
                Reach::Collective => {
                    found.collective.push((channel.rate, Collective::new(problem, &channel.operator, &what)?));
                    found.channels.push(index);
                }
                Reach::Each(ensemble) => {
                    found.each(ensemble.index(), channel)?;
                    counted.push(index);
                }
                Reach::Correlated { .. } => return Err(format!("channel {} is correlated decay", channel.name)),
            }
        }
        found.channels.append(&mut counted);
        Ok(found)
    }

    fn each(&mut self, ensemble: usize, channel: &Channel) -> Result<(), String> {
        let one = Dissipator::new(&channel.operator, channel.rate, false, 0, &channel.name).map_err(|e| e.reason)?;
        let (change, jumps) = Equations::new(1.0, &[one]).of_one_cell();
        let sum = self.local[ensemble].iter_mut().flatten();
        sum.zip(change.iter().flatten()).for_each(|(sum, x)| *sum += x);
        self.local_jumps.extend(jumps.into_iter().map(|q| (ensemble, q)));
        Ok(())
    }

    /// Whether exchanging two ensembles leaves the equations as they are.
    fn alike(&self, e: usize, f: usize) -> bool {
        let exchanged = |g: usize| {
            if g == e {
                f
            } else if g == f {
                e
            } else {
                g
            }
        };
        let same = |g: usize| g;
        let ensembles = 0..self.cells.len();
        let count = |(rate, one): &(f64, Collective), to: &dyn Fn(usize) -> usize| {
            let equal = |(r, other): &&(f64, Collective)| {
                let parts = || ensembles.clone().all(|g| one.parts[g] == other.parts[to(g)]);
                r == rate && one.constant == other.constant && parts()
            };
            self.collective.iter().filter(equal).count()
        };
        let alone = self.cells[e] == self.cells[f] && self.field[e] == self.field[f] && self.local[e] == self.local[f];
        alone && self.collective.iter().all(|channel| count(channel, &same) == count(channel, &exchanged))
    }

    /// Number of cells of all ensembles, the unit in which jumps are counted.
    pub fn all_cells(&self) -> f64 {
        self.cells.iter().sum()
    }

    /// Add what the channels turn each vector by, with the means `of` of their operators.
    fn turned(&self, of: &[Complex64], w: &mut [[f64; 3]]) {
        for ((rate, operator), mean) in self.collective.iter().zip(of) {
            for (w, p) in w.iter_mut().zip(&operator.parts) {
                w.iter_mut().zip(p).for_each(|(w, p)| *w -= 2.0 * rate * (mean.conj() * p).im);
            }
        }
    }
}

/// The same equations for one ensemble of each kind: ensembles that are alike in their equations and in their vectors stay
/// so, and need one vector between them. Rounding could otherwise tell them apart, and that grows where they are unstable.
pub struct Alike<'e> {
    equations: &'e SpinEquations,
    /// The ensembles that are kept.
    kept: Vec<usize>,
    /// Which of `kept` stands for each ensemble.
    kind: Vec<usize>,
}

impl<'e> Alike<'e> {
    /// At the start of a timed step with these vectors.
    pub fn new(equations: &'e SpinEquations, vectors: &[f64]) -> Self {
        let of = |e: usize| &vectors[3 * e..3 * e + 3];
        let (mut kept, mut kind) = (Vec::new(), Vec::new());
        for e in 0..equations.cells.len() {
            let known = kept.iter().position(|&k| of(k) == of(e) && equations.alike(k, e));
            kind.push(known.unwrap_or(kept.len()));
            if known.is_none() {
                kept.push(e);
            }
        }
        Self { equations, kept, kind }
    }

    /// The unknowns at the start: the vectors that are kept, then no jumps.
    pub fn start(&self, vectors: &[f64]) -> Vec<f64> {
        let mut all = vectors.to_vec();
        all.resize(vectors.len() + self.equations.channels.len(), 0.0);
        let mut unknowns = vec![0.0; 3 * self.kept.len() + self.equations.channels.len()];
        self.keep(&all, &mut unknowns);
        unknowns
    }

    /// The vectors of all ensembles, and the jumps.
    pub fn all(&self, unknowns: &[f64]) -> Vec<f64> {
        let vectors = self.kind.iter().flat_map(|&k| &unknowns[3 * k..3 * k + 3]);
        vectors.chain(&unknowns[3 * self.kept.len()..]).copied().collect()
    }

    /// Each active channel with the mean number of its jumps.
    pub fn jumps(&self, unknowns: &[f64]) -> impl Iterator<Item = (usize, f64)> {
        let cells = self.equations.all_cells();
        let counts = &unknowns[3 * self.kept.len()..];
        self.equations.channels.iter().zip(counts).map(move |(channel, count)| (*channel, cells * count))
    }

    /// What is kept of numbers for all.
    fn keep(&self, all: &[f64], out: &mut [f64]) {
        let vectors = self.kept.iter().flat_map(|&e| &all[3 * e..3 * e + 3]);
        let kept = vectors.chain(&all[3 * self.equations.cells.len()..]);
        out.iter_mut().zip(kept).for_each(|(out, x)| *out = *x);
    }
}

impl Flow for Alike<'_> {
    fn derivative(&self, x: &[f64], out: &mut [f64]) {
        let all = self.all(x);
        let mut slope = vec![0.0; all.len()];
        self.equations.derivative(&all, &mut slope);
        self.keep(&slope, out);
    }

    fn jacobian(&self, x: &[f64], direction: &[f64], out: &mut [f64]) {
        let all = self.all(x);
        let mut slope = vec![0.0; all.len()];
        self.equations.jacobian(&all, &self.all(direction), &mut slope);
        self.keep(&slope, out);
    }

    fn stiffness(&self) -> f64 {
        self.equations.stiffness()
    }
}

fn cross(w: &[f64; 3], s: &[f64]) -> [f64; 3] {
    [w[1] * s[2] - w[2] * s[1], w[2] * s[0] - w[0] * s[2], w[0] * s[1] - w[1] * s[0]]
}

fn affine(q: &[f64; 4], unit: f64, s: &[f64]) -> f64 {
    q[0] * unit + q[1] * s[0] + q[2] * s[1] + q[3] * s[2]
}

impl Flow for SpinEquations {
    fn derivative(&self, x: &[f64], out: &mut [f64]) {
        let (s, out_s) = (&x[..3 * self.cells.len()], 3 * self.cells.len());
        let (turn, counts) = out.split_at_mut(out_s);
        let means: Vec<Complex64> = self.collective.iter().map(|(_, l)| l.mean(&self.cells, s)).collect();
        let mut w = self.field.clone();
        self.turned(&means, &mut w);
        for (((out, s), w), local) in turn.chunks_mut(3).zip(s.chunks(3)).zip(&w).zip(&self.local) {
            let turn = cross(w, s);
            (0..3).for_each(|a| out[a] = turn[a] + affine(&local[a], 1.0, s));
        }
        let (total, n) = (self.all_cells(), self.collective.len());
        for ((out, (rate, _)), mean) in counts.iter_mut().zip(&self.collective).zip(&means) {
            *out = rate * mean.norm_sqr() / total;
        }
        for (out, (e, q)) in counts[n..].iter_mut().zip(&self.local_jumps) {
            *out = self.cells[*e] * affine(q, 1.0, &s[3 * e..]) / total;
        }
    }

    fn jacobian(&self, x: &[f64], direction: &[f64], out: &mut [f64]) {
        let size = 3 * self.cells.len();
        let (s, v) = (&x[..size], &direction[..size]);
        let (turn, counts) = out.split_at_mut(size);
        let means: Vec<Complex64> = self.collective.iter().map(|(_, l)| l.mean(&self.cells, s)).collect();
        let changes: Vec<Complex64> = self.collective.iter().map(|(_, l)| l.linear(&self.cells, v)).collect();
        let (mut w, mut dw) = (self.field.clone(), vec![[0.0; 3]; self.cells.len()]);
        self.turned(&means, &mut w);
        self.turned(&changes, &mut dw);
        for (e, out) in turn.chunks_mut(3).enumerate() {
            let (s, v) = (&s[3 * e..], &v[3 * e..]);
            let (first, second) = (cross(&w[e], v), cross(&dw[e], s));
            (0..3).for_each(|a| out[a] = first[a] + second[a] + affine(&self.local[e][a], 0.0, v));
        }
        let (total, n) = (self.all_cells(), self.collective.len());
        for (((out, (rate, _)), mean), change) in counts.iter_mut().zip(&self.collective).zip(&means).zip(&changes) {
            *out = 2.0 * rate * (mean.conj() * change).re / total;
        }
        for (out, (e, q)) in counts[n..].iter_mut().zip(&self.local_jumps) {
            *out = self.cells[*e] * affine(q, 0.0, &v[3 * e..]) / total;
        }
    }

    fn stiffness(&self) -> f64 {
        let largest = |p: &Collective| p.parts.iter().flatten().map(|p| p.norm()).fold(0.0, f64::max);
        let turn = self.collective.iter().map(|(rate, l)| 2.0 * rate * l.size(&self.cells) * largest(l));
        let field = self.field.iter().flatten().map(|h| h.abs()).fold(0.0, f64::max);
        let local = self.local.iter().flatten().flatten().map(|a| a.abs()).fold(0.0, f64::max);
        turn.sum::<f64>() + field + local
    }
}

/// Why a problem is made of more than ensembles that start, each, in a product of equal cells.
pub fn ensembles_alone(problem: &Problem) -> Result<(), String> {
    for (subsystem, initial) in problem.subsystems.iter().zip(&problem.initial) {
        let name = &subsystem.name;
        if !matches!(subsystem.kind, Kind::Ensemble { .. }) {
            return Err(format!("{name} is no ensemble of spins"));
        }
        if initial.cell().is_none() {
            return Err(format!("{name} does not start in a product of equal cells"));
        }
    }
    match problem.drives.first() {
        Some(drive) => Err(format!("the drive {} changes in time", drive.name)),
        None => Ok(()),
    }
}
