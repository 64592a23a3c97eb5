//! The full tensor space of a problem, with every operator spelled out as a Kronecker product.

use super::states::state;
use crate::error::{ModelError, RunError};
use crate::problem::{Axis, Channel, Drive, Factor, Initial, Kind, Op, OpSum, Problem, Reach, SubsystemId};
use ndarray::{Array2, Zip};
use num_complex::Complex64;
use sprs::{CsMat, TriMat, kronecker_product};
use std::fmt::Debug;
use std::ops::Range;

/// Largest Hilbert space dimension: ten cells, some 100 MB.
const MOST_STATES: usize = 1024;

const ONE: Complex64 = Complex64::new(1.0, 0.0);

/// The tensor product of all cells, modes and multi-level systems of a [`Problem`], one factor each, in the order of
/// the subsystems, the first one the most significant digit of a basis index. A cell has the basis |g⟩, |e⟩, a mode its
/// Fock states, a multi-level system its levels.
#[derive(Clone, Debug)]
pub struct FullSpace<'p> {
    problem: &'p Problem,
    /// Dimension of each tensor factor.
    dims: Vec<usize>,
    /// The tensor factors of each subsystem.
    factors: Vec<Range<usize>>,
    initial: CsMat<Complex64>,
    hamiltonian: CsMat<Complex64>,
    /// −iO of each drive.
    drives: Vec<CsMat<Complex64>>,
    /// Of each channel, terms w·(LρR† − ½{R†L, ρ}) as (w, L, R): L = R but for correlated decay.
    jumps: Vec<Vec<Dissipator>>,
}

/// w, L and R.
pub(super) type Dissipator = (f64, CsMat<Complex64>, CsMat<Complex64>);

impl<'p> FullSpace<'p> {
    /// The space with the Hamiltonian and all jump operators.
    ///
    /// # Errors
    /// [`RunError::TooLarge`] above 1024 states; [`RunError::Model`] for an operator that cannot act on its subsystem.
    pub fn new(problem: &'p Problem) -> Result<Self, RunError> {
        // In logarithms: 2^N overflows long before N does.
        let bits: f64 = problem.subsystems.iter().map(|s| s.cells() as f64 * (levels(&s.kind) as f64).log2()).sum();
        if bits > (MOST_STATES as f64).log2() + 1e-9 {
            return Err(RunError::TooLarge {
                what: "the full tensor space".into(),
                needed: format!("2^{bits:.1} states"),
                limit: format!("{MOST_STATES}"),
                advice: "use fewer cells or a representation that uses the symmetries".into(),
            });
        }
        if let Some(id) = problem.battery.iter().find(|id| id.index() >= problem.subsystems.len()) {
            return Err(ModelError::Invalid(format!("there is no subsystem {id} for the battery")).into());
        }
        let (mut dims, mut factors) = (Vec::new(), Vec::new());
        for subsystem in &problem.subsystems {
            let first = dims.len();
            dims.extend((0..subsystem.cells()).map(|_| levels(&subsystem.kind)));
            factors.push(first..dims.len());
        }
        let initial = zero(0);
        let (hamiltonian, drives, jumps) = (zero(0), Vec::new(), Vec::new());
        let mut space = Self { problem, dims, factors, initial, hamiltonian, drives, jumps };
        if problem.initial.len() != problem.subsystems.len() {
            return Err(ModelError::Invalid("every subsystem needs one initial state".into()).into());
        }
        space.initial = match problem.joint.is_empty() {
            true => {
                let parts = problem.subsystems.iter().zip(&problem.initial);
                let parts = parts.map(|(part, initial)| state(part, initial)).collect::<Result<Vec<_>, _>>()?;
                kronecker(parts.into_iter())
            }
            false => space.entangled()?,
        };
        space.hamiltonian = space.operator(&problem.hamiltonian)?;
        space.jumps = problem.channels.iter().map(|c| space.dissipators(c)).collect::<Result<_, _>>()?;
        let drive = |d: &Drive| Ok::<_, ModelError>(scaled(&space.operator(&d.operator)?, -Complex64::I));
        space.drives = problem.drives.iter().map(drive).collect::<Result<_, _>>()?;
        Ok(space)
    }

    /// The level of each tensor factor in a basis state.
    pub(super) fn digits(&self, mut index: usize) -> Vec<usize> {
        let mut levels = vec![0; self.dims.len()];
        for k in (0..levels.len()).rev() {
            (levels[k], index) = (index % self.dims[k], index / self.dims[k]);
        }
        levels
    }

    pub(super) fn dims(&self) -> &[usize] {
        &self.dims
    }

    pub(super) fn problem(&self) -> &'p Problem {
        self.problem
    }

    /// Dimension d of the Hilbert space.
    pub fn dimension(&self) -> usize {
        self.dims.iter().product()
    }

    /// The d × d matrix of an operator sum; cell operators without a site stand for the sum over the cells.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for an operator that cannot act on its subsystem.
    pub fn operator(&self, sum: &OpSum) -> Result<CsMat<Complex64>, ModelError> {
        Ok(self.kept(self.assemble(sum, None)?))
    }

    /// POP with the projector P on the states of few quanta, if only these are kept.
    fn kept(&self, operator: CsMat<Complex64>) -> CsMat<Complex64> {
        let d = self.dimension();
        let Some(limit) = self.problem.at_most() else { return operator };
        let inside = |index: &usize| self.quanta(*index, &limit.of) <= limit.quanta;
        let entries = (0..d).filter(inside).map(|index| (index, index, ONE)).collect();
        let p = matrix(d, entries);
        &(&p * &operator) * &p
    }

    /// Quanta of a basis state in some subsystems.
    pub(super) fn quanta(&self, index: usize, of: &[SubsystemId]) -> u64 {
        let levels = self.digits(index);
        self.cells(of).map(|k| levels[k] as u64).sum()
    }

    /// An operator of the battery, of which the state of few quanta need not be a part.
    pub(super) fn whole_operator(&self, sum: &OpSum) -> Result<CsMat<Complex64>, ModelError> {
        self.assemble(sum, None)
    }

    /// The terms of a channel, rate included: one, one a cell for [`Reach::Each`], one a pair of cells for
    /// [`Reach::Correlated`], straight from its matrix.
    fn dissipators(&self, channel: &Channel) -> Result<Vec<Dissipator>, ModelError> {
        let on_cells = |subsystem: SubsystemId| {
            let cells = self.factors_of(subsystem)?;
            let one = |cell| Ok::<_, ModelError>(self.kept(self.assemble(&channel.operator, Some((subsystem, cell)))?));
            cells.map(one).collect::<Result<Vec<_>, _>>()
        };
        let same = |l: CsMat<Complex64>| (channel.rate, l.clone(), l);
        match &channel.reach {
            Reach::Collective if !channel.modulated.is_empty() => {
                let mut parts = vec![self.operator(&channel.operator)?];
                for (_, operator) in &channel.modulated {
                    parts.push(self.operator(operator)?);
                }
                let pairs = (0..parts.len()).flat_map(|j| (0..parts.len()).map(move |k| (j, k)));
                Ok(pairs.map(|(j, k)| (channel.rate, parts[j].clone(), parts[k].clone())).collect())
            }
            Reach::Collective => Ok(vec![same(self.operator(&channel.operator)?)]),
            Reach::Each(subsystem) => Ok(on_cells(*subsystem)?.into_iter().map(same).collect()),
            Reach::Correlated { subsystem, rates } => {
                let cells = on_cells(*subsystem)?;
                let pairs = (0..cells.len()).flat_map(|n| (0..cells.len()).map(move |m| (n, m)));
                let on = pairs.filter(|&(n, m)| rates.matrix[n][m] != 0.0);
                Ok(on.map(|(n, m)| (channel.rate * rates.matrix[n][m], cells[n].clone(), cells[m].clone())).collect())
            }
        }
    }

    /// The same with the terms of some channels multiplied, each by its own factor, or all by one.
    pub(super) fn with_rates(&self, factors: &[(usize, Vec<f64>)]) -> Self {
        let mut scaled = self.clone();
        for (channel, factors) in factors {
            let each = factors.iter().cycle();
            scaled.jumps[*channel].iter_mut().zip(each).for_each(|((rate, ..), factor)| *rate *= factor);
        }
        scaled
    }

    /// The product initial state ρ, d × d.
    pub fn initial_state(&self) -> Array2<Complex64> {
        self.initial.to_dense()
    }

    /// U ρ U† with U = exp(−iθ n·S) = ⊗ (cos ½θ − i sin ½θ σ_n) on the cells of one subsystem.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when the subsystem is not made of cells.
    pub fn rotate(
        &self,
        rho: &Array2<Complex64>,
        subsystem: SubsystemId,
        axis: Axis,
        angle: f64,
    ) -> Result<Array2<Complex64>, ModelError> {
        let pauli = match axis {
            Axis::X => Op::X,
            Axis::Y => Op::Y,
            Axis::Z => Op::Z,
        };
        let rotated = self.factors_of(subsystem)?;
        let sigma = elementary(self.kind(subsystem)?, pauli)?;
        let (sin, cos) = (angle / 2.0).sin_cos();
        let turn = &scaled(&CsMat::eye(2), Complex64::from(cos)) + &scaled(&sigma, Complex64::new(0.0, -sin));
        let u = kronecker((0..self.dims.len()).map(|k| match rotated.contains(&k) {
            true => turn.clone(),
            false => CsMat::eye(self.dims[k]),
        }));
        Ok(right_adjoint(&(&u * rho), &u))
    }

    /// dρ/dt = −i\[H, ρ\] + Σ rate·D\[L\]ρ over the channels that are `active`, without drives, for any d × d matrix ρ.
    pub fn derivative(&self, rho: &Array2<Complex64>, active: &[bool]) -> Array2<Complex64> {
        let drift = self.drift(active, &[]);
        let mut slope = &drift * rho + right_adjoint(rho, &drift);
        for (rate, left, right) in self.active_jumps(active) {
            let gain = right_adjoint(&(left * rho), right);
            Zip::from(&mut slope).and(&gain).for_each(|s, g| *s += g * *rate);
        }
        slope
    }

    /// Tr_S ρ ⊗ `state` for subsystem S.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when the state does not fit the subsystem.
    pub fn reset(
        &self,
        rho: &Array2<Complex64>,
        subsystem: SubsystemId,
        fresh: &Initial,
    ) -> Result<Array2<Complex64>, RunError> {
        let range = self.factors_of(subsystem)?;
        let fresh = match fresh {
            Initial::Alone(state) => self.joint(&[subsystem], state)?,
            other => state(&self.problem.subsystems[subsystem], other)?.to_dense(),
        };
        let size = |factors: Range<usize>| self.dims[factors].iter().product::<usize>();
        let (own, after) = (size(range.clone()), size(range.end..self.dims.len()));
        // A basis index is (before, own, after).
        let replaced = |index: usize, by: usize| (index / (own * after) * own + by) * after + index % after;
        let level = |index: usize| index / after % own;
        let d = self.dimension();
        Ok(Array2::from_shape_fn((d, d), |(i, j)| {
            let traced: Complex64 = (0..own).map(|k| rho[[replaced(i, k), replaced(j, k)]]).sum();
            traced * fresh[[level(i), level(j)]]
        }))
    }

    /// The Liouvillian with these strengths of the drives, on column-stacked matrices, vec(ρ)\[i + d·j\] = ρ_ij, from vec(AρB) = (Bᵀ⊗A) vec(ρ): d² × d².
    ///
    /// # Errors
    /// [`RunError::TooLarge`] above 3·10⁷ matrix elements.
    pub fn liouvillian(&self, active: &[bool], drives: &[(usize, f64)]) -> Result<CsMat<Complex64>, RunError> {
        const MOST_ELEMENTS: usize = 30_000_000;
        let d = self.dimension();
        let drift = self.drift(active, drives);
        let gain = |(_, l, r): &Dissipator| l.nnz() * r.nnz();
        let elements = 2 * d * drift.nnz() + self.active_jumps(active).map(gain).sum::<usize>();
        if elements > MOST_ELEMENTS {
            return Err(RunError::TooLarge {
                what: "the full Liouvillian".into(),
                needed: format!("{elements} matrix elements"),
                limit: MOST_ELEMENTS.to_string(),
                advice: "use a smaller system or a representation that uses the symmetries".into(),
            });
        }
        let identity = CsMat::eye(d);
        let left: CsMat<Complex64> = kronecker_product(identity.view(), drift.view());
        let right: CsMat<Complex64> = kronecker_product(conjugate(&drift).view(), identity.view());
        let mut sum = &left + &right;
        for (rate, left, right) in self.active_jumps(active) {
            let gain: CsMat<Complex64> = kronecker_product(conjugate(right).view(), left.view());
            sum = &sum + &scaled(&gain, Complex64::from(*rate));
        }
        Ok(sum)
    }

    /// rate·Σ L†L of each channel, zero for those that are off: the operator whose average is the rate of jumps.
    pub fn jump_rates(&self, active: &[bool]) -> Vec<CsMat<Complex64>> {
        let d = self.dimension();
        let rate_of = |(c, jumps): (usize, &Vec<Dissipator>)| {
            let on = jumps.iter().filter(|_| is_on(active, c));
            on.fold(zero(d), |sum, (w, l, r)| &sum + &scaled(&(&adjoint(r) * l), Complex64::from(*w)))
        };
        self.jumps.iter().enumerate().map(rate_of).collect()
    }

    /// Sᶻ and S² of the cells of a subsystem.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when the subsystem is not made of cells.
    pub fn spin(&self, subsystem: SubsystemId) -> Result<(CsMat<Complex64>, CsMat<Complex64>), ModelError> {
        let cells = self.factors_of(subsystem)?;
        let component =
            |op| Ok(scaled(&total(&self.dims, cells.clone(), &elementary(self.kind(subsystem)?, op)?), 0.5.into()));
        let (x, y, z) = (component(Op::X)?, component(Op::Y)?, component(Op::Z)?);
        let squared = &(&(&x * &x) + &(&y * &y)) + &(&z * &z);
        Ok((z, squared))
    }

    /// The tensor factors of these subsystems.
    pub(super) fn cells(&self, of: &[SubsystemId]) -> impl Iterator<Item = usize> {
        of.iter().flat_map(|id| self.factors[id.index()].clone())
    }

    /// Of each basis state: its index among the states of a part, its index among those of the rest, and the energy of
    /// the part in it.
    pub(super) fn split(&self, part: &[SubsystemId]) -> Vec<(usize, usize, f64)> {
        let factors: Vec<usize> = self.cells(part).collect();
        self.split_factors(|factor| factors.contains(&factor))
    }

    /// The same for a part made of single tensor factors.
    pub(super) fn split_factors(&self, inside: impl Fn(usize) -> bool) -> Vec<(usize, usize, f64)> {
        let mut split = vec![(0, 0, 0.0)];
        for (id, subsystem) in self.problem.subsystems.iter().enumerate() {
            for (cell, factor) in self.factors[id].clone().enumerate() {
                let stored = inside(factor);
                let dim = levels(&subsystem.kind);
                let extend = |&(battery, rest, energy): &(usize, usize, f64)| {
                    (0..dim).map(move |level| match (stored, &subsystem.kind) {
                        (true, Kind::Levels { energies }) => (battery * dim + level, rest, energy + energies[level]),
                        (true, _) => (battery * dim + level, rest, energy + subsystem.quantum(cell) * level as f64),
                        (false, _) => (battery, rest * dim + level, energy),
                    })
                };
                split = split.iter().flat_map(extend).collect();
            }
        }
        split
    }

    /// K = −iH − ½ Σ rate·L†L, so that dρ/dt = Kρ + ρK† + Σ rate·LρL†.
    pub(super) fn drift(&self, active: &[bool], drives: &[(usize, f64)]) -> CsMat<Complex64> {
        let fixed = scaled(&self.hamiltonian, -Complex64::I);
        let add = |sum: CsMat<Complex64>, (d, f): &(usize, f64)| &sum + &scaled(&self.drives[*d], Complex64::from(*f));
        let coherent = drives.iter().fold(fixed, add);
        self.jump_rates(active).iter().fold(coherent, |sum, loss| &sum + &scaled(loss, (-0.5).into()))
    }

    pub(super) fn active_jumps(&self, active: &[bool]) -> impl Iterator<Item = &Dissipator> {
        self.jumps.iter().enumerate().filter(move |(c, _)| is_on(active, *c)).flat_map(|(_, jumps)| jumps)
    }

    /// The terms w, L, R of channel `channel`.
    pub(super) fn terms(&self, channel: usize) -> &[Dissipator] {
        &self.jumps[channel]
    }

    fn kind(&self, subsystem: SubsystemId) -> Result<&Kind, ModelError> {
        let found = self.problem.subsystems.get(subsystem.index());
        found.map(|s| &s.kind).ok_or_else(|| ModelError::Invalid(format!("there is no subsystem {subsystem}")))
    }

    fn factors_of(&self, subsystem: SubsystemId) -> Result<Range<usize>, ModelError> {
        self.kind(subsystem)?;
        Ok(self.factors[subsystem.index()].clone())
    }

    /// The matrix of `sum`, in which operators of the subsystem of `only`, if given, act on that one tensor factor.
    fn assemble(&self, sum: &OpSum, only: Option<(SubsystemId, usize)>) -> Result<CsMat<Complex64>, ModelError> {
        let d = self.dimension();
        let mut matrix = zero(d);
        for term in &sum.terms {
            let mut product = scaled(&CsMat::eye(d), term.coefficient);
            for factor in &term.factors {
                let range = self.reach(factor, only)?;
                product = &product * &total(&self.dims, range, &elementary(self.kind(factor.subsystem)?, factor.op)?);
            }
            matrix = &matrix + &product;
        }
        Ok(matrix)
    }

    /// The tensor factors over which a factor of an operator sum is summed.
    fn reach(&self, factor: &Factor, only: Option<(SubsystemId, usize)>) -> Result<Range<usize>, ModelError> {
        let all = self.factors_of(factor.subsystem)?;
        match (factor.site, only) {
            (Some(site), _) if site < all.len() => Ok(all.start + site..all.start + site + 1),
            (Some(site), _) => {
                Err(ModelError::Invalid(format!("there is no cell {site} in subsystem {}", factor.subsystem)))
            }
            (None, Some((subsystem, cell))) if subsystem == factor.subsystem => Ok(cell..cell + 1),
            (None, _) => Ok(all),
        }
    }
}

/// Tr(operator·ρ).
pub fn expectation(operator: &CsMat<Complex64>, rho: &Array2<Complex64>) -> Complex64 {
    operator.iter().map(|(value, (i, j))| value * rho[[j, i]]).sum()
}

/// Dimension of one cell, mode or multi-level system.
pub(super) fn levels(kind: &Kind) -> usize {
    match kind {
        Kind::Ensemble { .. } | Kind::Network { .. } => 2,
        Kind::Mode { cutoff } => *cutoff,
        Kind::Levels { energies } => energies.len(),
    }
}

fn is_on(active: &[bool], channel: usize) -> bool {
    active.get(channel).copied().unwrap_or(false)
}

/// The matrix of an elementary operator on one cell (basis |g⟩, |e⟩), one mode or one multi-level system.
fn elementary(kind: &Kind, op: Op) -> Result<CsMat<Complex64>, ModelError> {
    let (dim, i) = (levels(kind), Complex64::I);
    let root = |n: usize| Complex64::from((n as f64).sqrt());
    let entries = match (kind, op) {
        (Kind::Ensemble { .. } | Kind::Network { .. }, op) => match op {
            Op::Lower => vec![(0, 1, ONE)],
            Op::Raise => vec![(1, 0, ONE)],
            Op::Number => vec![(1, 1, ONE)],
            Op::X => vec![(0, 1, ONE), (1, 0, ONE)],
            // The textbook matrix has |e⟩ first; here it is −i|e⟩⟨g| + i|g⟩⟨e| all the same.
            Op::Y => vec![(0, 1, i), (1, 0, -i)],
            Op::Z => vec![(0, 0, -ONE), (1, 1, ONE)],
            _ => return Err(unfit(kind, op)),
        },
        (Kind::Mode { .. }, Op::Annihilate) => (1..dim).map(|n| (n - 1, n, root(n))).collect(),
        (Kind::Mode { .. }, Op::Create) => (1..dim).map(|n| (n, n - 1, root(n))).collect(),
        (Kind::Mode { .. }, Op::Number) => (1..dim).map(|n| (n, n, Complex64::from(n as f64))).collect(),
        (Kind::Levels { .. }, Op::Transition(to, from)) if to.max(from) < dim => vec![(to, from, ONE)],
        _ => return Err(unfit(kind, op)),
    };
    Ok(matrix(dim, entries))
}

pub(super) fn unfit(kind: &Kind, what: impl Debug) -> ModelError {
    ModelError::Invalid(format!("{what:?} does not fit {kind:?}"))
}

/// Σ_k 1⊗…⊗o⊗…⊗1 with o at each tensor factor k of `range`.
pub(super) fn total(dims: &[usize], range: Range<usize>, o: &CsMat<Complex64>) -> CsMat<Complex64> {
    let d = dims.iter().product();
    let at = |k: usize| kronecker((0..dims.len()).map(|l| if l == k { o.clone() } else { CsMat::eye(dims[l]) }));
    range.fold(zero(d), |sum, k| &sum + &at(k))
}

/// A square matrix from its nonzero elements (row, column, value).
pub(super) fn matrix(dim: usize, entries: Vec<(usize, usize, Complex64)>) -> CsMat<Complex64> {
    let mut matrix = TriMat::with_capacity((dim, dim), entries.len());
    entries.into_iter().for_each(|(row, column, value)| matrix.add_triplet(row, column, value));
    matrix.to_csr()
}

fn zero(dim: usize) -> CsMat<Complex64> {
    CsMat::zero((dim, dim))
}

/// a ⊗ b ⊗ …
pub(super) fn kronecker(parts: impl Iterator<Item = CsMat<Complex64>>) -> CsMat<Complex64> {
    parts.fold(CsMat::eye(1), |product, part| kronecker_product(product.view(), part.view()))
}

pub(super) fn scaled(matrix: &CsMat<Complex64>, factor: Complex64) -> CsMat<Complex64> {
    matrix.map(|value| value * factor)
}

pub(super) fn conjugate(matrix: &CsMat<Complex64>) -> CsMat<Complex64> {
    matrix.map(Complex64::conj)
}

pub(super) fn adjoint(matrix: &CsMat<Complex64>) -> CsMat<Complex64> {
    conjugate(matrix).transpose_into().to_csr()
}

/// x·a† = (a·x†)†, since the library multiplies sparse by dense in this order only.
pub(super) fn right_adjoint(x: &Array2<Complex64>, a: &CsMat<Complex64>) -> Array2<Complex64> {
    let dagger = |m: &Array2<Complex64>| Array2::from_shape_fn(m.dim(), |(i, j)| m[[j, i]].conj());
    dagger(&(a * &dagger(x)))
}
