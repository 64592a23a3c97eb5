//! Initial states: mixed ones drawn trajectory by trajectory, pure ones built once.

use super::charges::Constraints;
use super::layout::{Layout, Slot};
use super::mixture::spin_states;
use super::{BlockId, Blocks, rotate};
use crate::problem::{Axis, Initial, Joint, JointState, Kind, OpSum, Problem, Step, SubsystemId};
use crate::space::energies::{coupled, gibbs_state, ground_state, levels_at, slots_of};
use crate::space::ladder::draw_initial;
use faer::Mat;
use num_complex::Complex64;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// A superposition of product states of a few slots.
pub type Ket = Vec<(Vec<usize>, Complex64)>;
/// The 2J of a part's ensembles, and its ket.
type PartState = (Vec<u64>, Ket);

/// Where the state of some slots comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// One of these, with its probability.
    Kets(Vec<(f64, Ket)>),
    /// |J, M⟩ drawn from a product state of N cells, turned to the axis (θ, φ) of their Bloch vector.
    Spin {
        cells: u64,
        diagonal: Initial,
        axis: Option<(f64, f64)>,
        /// 2J and J + M of all that it draws from; none if they are too many to tell apart.
        told_apart: Vec<(u64, u64)>,
    },
    /// |J, M⟩ of single cells, with the singlets between cells at random.
    Dicke { two_j: u64, two_m: i64 },
    /// One of these kets, with its probability and the 2J of its slots.
    Joint(Vec<(f64, Vec<u64>, Ket)>),
    /// A column of the unitary, drawn from a product Gibbs state of ratio q.
    Column(Initial),
}

/// The state of some slots at the start, or after a reset.
#[derive(Clone, Debug)]
pub struct Part {
    /// The slots.
    pub slots: Vec<usize>,
    pub(super) source: Source,
}

/// The product state that the system starts from.
#[derive(Clone, Debug)]
pub struct Start {
    parts: Vec<Part>,
    /// Number of different pure states it draws from, if they are few enough to tell apart.
    pub choices: Option<usize>,
}

/// A pure initial state.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Its block.
    pub block: BlockId,
    /// Its vector.
    pub psi: Vec<Complex64>,
    /// Which of the [`Start::choices`] it is.
    pub choice: Option<usize>,
}

/// Initial states beyond this many are not told apart.
pub const MOST_CHOICES: usize = 1024;

impl Part {
    /// 2J of each slot and a superposition of product states, drawn; and which of how many it was.
    pub fn draw(&self, layout: &Layout, rng: &mut impl Rng) -> (Vec<u64>, Ket, usize) {
        let slots = self.slots.len();
        match &self.source {
            Source::Kets(kets) => {
                let which = drawn(kets.iter().map(|(p, _)| *p), rng);
                (spins(layout, &self.slots), kets[which].1.clone(), which)
            }
            Source::Joint(kets) => {
                let which = drawn(kets.iter().map(|(p, ..)| *p), rng);
                (kets[which].1.clone(), kets[which].2.clone(), which)
            }
            Source::Spin { cells, diagonal, axis, told_apart } => {
                let rung = draw_initial(*cells, diagonal, rng);
                let (two_j, up) = (rung.two_j as u64, rung.up as u64);
                let which = told_apart.iter().position(|of| *of == (two_j, up)).unwrap_or(0);
                (vec![two_j], turned(two_j, up as usize, *axis), which)
            }
            Source::Dicke { two_j, two_m } => (vec![0; slots], dicke(slots, *two_j, *two_m, rng), 0),
            Source::Column(initial) => {
                let Initial::Rotated { ratio, unitary } = initial else { return (vec![0; slots], Vec::new(), 0) };
                let excited = ratio / (1.0 + ratio);
                let column = (0..slots).fold(0, |index, _| 2 * index + usize::from(rng.random::<f64>() < excited));
                (vec![0; slots], column_of(unitary, slots, column), column)
            }
        }
    }

    /// The largest sum over its slots of a value for each level, where its states are listed.
    pub(super) fn most(&self, value: &dyn Fn(usize, usize) -> i64) -> Option<i64> {
        let of = |levels: &Vec<usize>| self.slots.iter().zip(levels).map(|(slot, level)| value(*slot, *level)).sum();
        match &self.source {
            Source::Kets(kets) => kets.iter().flat_map(|(_, ket)| ket).map(|(levels, _)| of(levels)).max(),
            Source::Joint(kets) => kets.iter().flat_map(|(_, _, ket)| ket).map(|(levels, _)| of(levels)).max(),
            Source::Spin { .. } | Source::Dicke { .. } | Source::Column(_) => None,
        }
    }

    /// Number of pure states it draws from, if they can be told apart.
    fn choices(&self) -> Option<usize> {
        match &self.source {
            Source::Kets(kets) => Some(kets.len()),
            Source::Joint(kets) => Some(kets.len()),
            Source::Spin { told_apart, .. } => Some(told_apart.len()).filter(|n| *n > 0),
            Source::Column(_) => 1usize.checked_shl(self.slots.len() as u32),
            Source::Dicke { .. } => None,
        }
    }
}

/// Which of these probabilities is met; there is nothing to draw of one.
fn drawn(probabilities: impl ExactSizeIterator<Item = f64>, rng: &mut impl Rng) -> usize {
    let last = probabilities.len().saturating_sub(1);
    if last == 0 {
        return 0;
    }
    let mut share = rng.random::<f64>();
    for (which, p) in probabilities.enumerate() {
        if which == last || share < p {
            return which;
        }
        share -= p;
    }
    last
}

fn spin(cells: u64, diagonal: Initial, axis: Option<(f64, f64)>) -> Source {
    let states = spin_states(cells, &diagonal, MOST_CHOICES).unwrap_or_default();
    Source::Spin { cells, diagonal, axis, told_apart: states.into_iter().map(|(_, two_j, up)| (two_j, up)).collect() }
}

/// A column of a unitary between product states of cells.
pub(super) fn column_of(unitary: &Mat<Complex64>, cells: usize, column: usize) -> Ket {
    let bits = |index: usize| (0..cells).map(|k| index >> (cells - 1 - k) & 1).collect();
    (0..unitary.nrows()).map(|row| (bits(row), unitary[(row, column)])).collect()
}

/// |J, M⟩ with M + J = `up`, turned to the axis (θ, φ).
pub(super) fn turned(two_j: u64, up: usize, axis: Option<(f64, f64)>) -> Ket {
    let mut vector = vec![Complex64::ZERO; two_j as usize + 1];
    vector[up] = Complex64::ONE;
    if let Some((theta, phi)) = axis {
        rotate::spin(&mut vector, Axis::Y, theta);
        rotate::spin(&mut vector, Axis::Z, phi);
    }
    let ket = vector.into_iter().enumerate().filter(|(_, x)| x.norm() > 1e-160);
    ket.map(|(level, x)| (vec![level], x)).collect()
}

pub(super) fn spins(layout: &Layout, slots: &[usize]) -> Vec<u64> {
    let largest = |slot: &Slot| if let Slot::Spin { cells } = slot { *cells } else { 0 };
    slots.iter().map(|slot| largest(&layout.slots[*slot])).collect()
}

/// Bloch angles (θ, φ) and probability of the state along them, of a one-cell density matrix.
fn bloch(excited: f64, coherence: Complex64) -> (f64, f64, f64) {
    // ⟨σx⟩ = 2 Re ρ_eg, ⟨σy⟩ = −2 Im ρ_eg
    let (x, y, z) = (2.0 * coherence.re, -2.0 * coherence.im, 2.0 * excited - 1.0);
    let across = x.hypot(y);
    (across.atan2(z), y.atan2(x), 0.5 * (1.0 + across.hypot(z)).min(2.0))
}

/// The two eigenstates of a one-cell density matrix, as kets (levels g = 0, e = 1).
fn cell_kets(excited: f64, coherence: Complex64) -> Vec<(f64, Ket)> {
    let level = |level: usize, x: Complex64| (vec![level], x);
    let kept = |ket: Ket| ket.into_iter().filter(|(_, x)| *x != Complex64::ZERO).collect::<Ket>();
    let mut kets = if coherence == Complex64::ZERO {
        vec![(1.0 - excited, vec![level(0, Complex64::ONE)]), (excited, vec![level(1, Complex64::ONE)])]
    } else {
        let (theta, phi, p) = bloch(excited, coherence);
        let (sin, cos) = (0.5 * theta).sin_cos();
        let phase = Complex64::from_polar(1.0, phi);
        let along = vec![level(0, phase * sin), level(1, cos.into())];
        let against = vec![level(0, cos.into()), level(1, -phase.conj() * sin)];
        vec![(p, kept(along)), (1.0 - p, kept(against))]
    };
    kets.retain(|(p, _)| *p > 1e-15);
    kets
}

/// The parts of one subsystem in the state `initial`, or why it is none there.
pub(super) fn parts(
    problem: &Problem,
    layout: &Layout,
    subsystem: SubsystemId,
    initial: &Initial,
) -> Result<Vec<Part>, String> {
    if let Initial::Alone(state) = initial {
        return Ok(vec![shared_part(problem, layout, &[subsystem], state)?]);
    }
    let slots = layout.of[subsystem.index()].clone();
    let one = |source: Source| vec![Part { slots: slots.clone().collect(), source }];
    let level = |level: usize| Source::Kets(vec![(1.0, vec![(vec![level], Complex64::ONE)])]);
    Ok(match (&problem.subsystems[subsystem].kind, initial) {
        (Kind::Ensemble { cells }, _) if layout.is_spin(subsystem) => one(match initial.cell() {
            None => spin(*cells, initial.clone(), None),
            Some((excited, coherence)) => {
                let (theta, phi, p) = bloch(excited, coherence);
                let turned = coherence != Complex64::ZERO;
                let p = if turned { p } else { excited };
                let diagonal = match p {
                    0.0 => Initial::Ground,
                    p if p >= 1.0 - 1e-15 => Initial::Excited,
                    p => Initial::Thermal { ratio: p / (1.0 - p) },
                };
                spin(*cells, diagonal, turned.then_some((theta, phi)))
            }
        }),
        (Kind::Ensemble { .. } | Kind::Network { .. }, Initial::Dicke { two_j, two_m }) => {
            one(Source::Dicke { two_j: *two_j, two_m: *two_m })
        }
        (Kind::Ensemble { .. } | Kind::Network { .. }, Initial::Rotated { .. }) => one(Source::Column(initial.clone())),
        (Kind::Ensemble { .. } | Kind::Network { .. }, _) => {
            let (excited, coherence) = initial.cell().unwrap_or_default();
            let kets = cell_kets(excited, coherence);
            slots.map(|slot| Part { slots: vec![slot], source: Source::Kets(kets.clone()) }).collect()
        }
        (Kind::Mode { cutoff }, Initial::Fock(n)) => one(level(*n.min(&(cutoff - 1)))),
        (Kind::Mode { cutoff }, Initial::Coherent(alpha)) => one(Source::Kets(vec![(1.0, coherent(*cutoff, *alpha))])),
        (Kind::Mode { cutoff }, Initial::Thermal { ratio }) if *ratio > 0.0 => {
            let weights: Vec<f64> = (0..*cutoff).map(|n| ratio.powi(n as i32)).collect();
            one(populations(&weights))
        }
        (Kind::Levels { .. }, Initial::Populations(p)) => one(populations(p)),
        _ => one(level(0)),
    })
}

fn populations(weights: &[f64]) -> Source {
    let total: f64 = weights.iter().sum();
    let ket = |(level, p): (usize, &f64)| (p / total, vec![(vec![level], Complex64::ONE)]);
    Source::Kets(weights.iter().enumerate().filter(|(_, p)| **p > 0.0).map(ket).collect())
}

/// e^{−|α|²/2} αⁿ/√n!, normalised within the cutoff.
fn coherent(cutoff: usize, alpha: Complex64) -> Ket {
    let mut amplitudes = vec![Complex64::ONE];
    for n in 1..cutoff {
        amplitudes.push(amplitudes[n - 1] * alpha / (n as f64).sqrt());
    }
    let norm = amplitudes.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
    let ket = amplitudes.into_iter().enumerate().filter(|(_, x)| *x != Complex64::ZERO);
    ket.map(|(n, x)| (vec![n], x / norm)).collect()
}

/// |J, M⟩ of N cells: N/2 − J pairs of cells in singlets and the rest lowered from all excited, with the cells in random
/// order. Averaged over orders this is the even mixture of all copies of spin J (Schur and Weyl).
fn dicke(cells: usize, two_j: u64, two_m: i64, rng: &mut impl Rng) -> Ket {
    let mut order: Vec<usize> = (0..cells).collect();
    order.shuffle(rng);
    let free = two_j as usize;
    let up = ((two_j as i64 + two_m) / 2) as u32;
    let pairs = (cells - free) / 2;
    let states = (0..1usize << free).filter(|bits| bits.count_ones() == up);
    let states: Vec<usize> = states.collect();
    let size = (states.len() as f64).sqrt() * 2f64.powi(pairs as i32).sqrt();
    let mut ket = Vec::with_capacity(states.len() << pairs);
    for bits in states {
        for choice in 0..1usize << pairs {
            let mut levels = vec![0; cells];
            (0..free).for_each(|k| levels[order[k]] = bits >> k & 1);
            (0..pairs).for_each(|k| levels[order[free + 2 * k + (choice >> k & 1)]] = 1);
            let sign = if choice.count_ones() % 2 == 0 { 1.0 } else { -1.0 };
            ket.push((levels, Complex64::from(sign / size)));
        }
    }
    ket
}

impl Start {
    pub(super) fn new(problem: &Problem, layout: &Layout) -> Result<Self, String> {
        let all = problem.subsystem_ids().zip(&problem.initial);
        let alone = all.filter(|(_, initial)| !matches!(initial, Initial::Joint(_)));
        let alone = alone.map(|(e, initial)| parts(problem, layout, e, initial)).collect::<Result<Vec<_>, _>>()?;
        let mut parts = alone.concat();
        for Joint { over, state } in &problem.joint {
            parts.push(shared_part(problem, layout, over, state)?);
        }
        let choices = parts.iter().try_fold(1usize, |product, part| product.checked_mul(part.choices()?));
        Ok(Self { parts, choices: choices.filter(|n| *n <= MOST_CHOICES) })
    }

    /// The codes of the product states in each of its vectors, where they are the state of all slots in order.
    pub(super) fn sets(&self, layout: &Layout) -> Option<Vec<Vec<usize>>> {
        let [Part { slots, source }] = &self.parts[..] else { return None };
        let kets: Vec<&Ket> = match source {
            Source::Kets(kets) => kets.iter().map(|(_, ket)| ket).collect(),
            Source::Joint(kets) => kets.iter().map(|(.., ket)| ket).collect(),
            _ => return None,
        };
        let code = |levels: &[usize]| {
            let own = levels.iter().zip(&layout.slots);
            own.fold(0, |code, (level, slot)| code * slot.levels(0) + level)
        };
        let whole = slots.iter().copied().eq(0..layout.slots.len());
        whole.then(|| kets.into_iter().map(|ket| ket.iter().map(|(levels, _)| code(levels)).collect()).collect())
    }

    /// The states of which it is a product.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Draw a pure state.
    pub fn draw(&self, of: &Blocks, rng: &mut impl Rng) -> Drawn {
        let mut choice = 0;
        let mut drawn = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let (spins, ket, which) = part.draw(&of.layout, rng);
            choice = choice * part.choices().unwrap_or(1) + which;
            drawn.push((spins, ket));
        }
        let (block, psi) = self.product(of, drawn);
        Drawn { block, psi, choice: self.choices.map(|_| choice) }
    }

    /// The state as a mixture of at most `most` pure states, with their weights; `None` if it takes more.
    pub fn mixture(&self, of: &Blocks, most: usize) -> Option<Vec<(f64, BlockId, Vec<Complex64>)>> {
        let mut all: Vec<(f64, Vec<PartState>)> = vec![(1.0, Vec::new())];
        for part in &self.parts {
            let kets = part.kets(&of.layout, most)?;
            if all.len() * kets.len() > most {
                return None;
            }
            let longer = |(p, before): &(f64, Vec<PartState>)| {
                let joined = |(q, two_j, ket): &(f64, Vec<u64>, Ket)| {
                    (p * q, [&before[..], &[(two_j.clone(), ket.clone())]].concat())
                };
                kets.iter().map(joined).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        let made = |(weight, kets)| {
            let (block, psi) = self.product(of, kets);
            (weight, block, psi)
        };
        Some(all.into_iter().map(made).collect())
    }

    /// The block and the vector of a product of one ket, with its 2J, for each part.
    fn product(&self, of: &Blocks, drawn: Vec<PartState>) -> (BlockId, Vec<Complex64>) {
        let slots = of.layout.slots.len();
        let mut two_j = vec![0; slots];
        let mut levels = vec![0; slots];
        let mut kets = Vec::with_capacity(drawn.len());
        for (part, (spins, ket)) in self.parts.iter().zip(drawn) {
            place(&mut two_j, &part.slots, &spins);
            if let Some((first, _)) = ket.first() {
                place(&mut levels, &part.slots, first);
            }
            kets.push((&part.slots[..], ket));
        }
        let block = of.block_of(&two_j, &levels);
        let space = of.get(block);
        let mut psi = vec![Complex64::ZERO; space.dimension()];
        fill(&kets, &mut levels, Complex64::ONE, &mut |levels, amplitude| {
            if let Some(place) = space.space.index(levels) {
                psi[place] += amplitude;
            }
        });
        (block, psi)
    }
}

/// What stands in some of the slots.
pub fn place<T: Copy>(all: &mut [T], slots: &[usize], own: &[T]) {
    slots.iter().zip(own).for_each(|(slot, x)| all[*slot] = *x);
}

/// Every product of one term of each ket.
fn fill(
    kets: &[(&[usize], Ket)],
    levels: &mut [usize],
    amplitude: Complex64,
    put: &mut dyn FnMut(&[usize], Complex64),
) {
    match kets.split_first() {
        None => put(levels, amplitude),
        Some(((slots, ket), rest)) => {
            for (own, factor) in ket {
                place(levels, slots, own);
                fill(rest, levels, amplitude * factor, put);
            }
        }
    }
}

/// The product states of slots in which amplitudes are not 0.
fn product_ket(layout: &Layout, slots: &[usize], amplitudes: &[Complex64]) -> Ket {
    let there = amplitudes.iter().enumerate().filter(|(_, x)| x.norm() > 1e-150);
    there.map(|(index, x)| (levels_at(layout, slots, index), *x)).collect()
}

/// A state of these subsystems in their slots, or why it is none there.
fn shared_part(problem: &Problem, layout: &Layout, over: &[SubsystemId], state: &JointState) -> Result<Part, String> {
    let slots = slots_of(layout, over);
    let of = |operator: &OpSum| coupled(layout, &slots, &layout.monomials(operator));
    let kets = match state {
        JointState::Kets(kets) => {
            if let Some(e) = over.iter().find(|e| layout.is_spin(**e)) {
                return Err(format!("a state of {} is given cell by cell", problem.subsystems[*e].name));
            }
            let norm = |ket: &[Complex64]| ket.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
            let scaled = |ket: &[Complex64]| ket.iter().map(|x| x / norm(ket)).collect::<Vec<_>>();
            let spins = vec![0; slots.len()];
            kets.iter().map(|(p, ket)| (*p, spins.clone(), product_ket(layout, &slots, &scaled(ket)))).collect()
        }
        JointState::Spins(kets) => {
            if !over.iter().all(|e| layout.is_spin(*e) || problem.subsystems[*e].cells() == 1) {
                return Err("the state at the start is one of spins, not of single cells".into());
            }
            kets.iter().map(|ket| (ket.probability, ket.two_j.clone(), ket.amplitudes.clone())).collect()
        }
        JointState::GroundState(operator) => of(operator)
            .and_then(|sets| ground_state(&sets))
            .map_err(|why| format!("the ground state of {}: {why}", problem.subsystems[over[0]].name))?,
        JointState::Gibbs { operator, beta } => of(operator)
            .and_then(|sets| gibbs_state(&sets, *beta))
            .map_err(|why| format!("the Gibbs state of {}: {why}", problem.subsystems[over[0]].name))?,
    };
    Ok(Part { slots, source: Source::Joint(kets) })
}

/// What initial states, resets and pulses ask of the charges: superposed levels carry none, a π pulse reverses them.
pub(super) fn constrain(problem: &Problem, layout: &Layout, constraints: &mut Constraints) {
    let resets = problem.protocol.steps.iter().filter_map(|step| match step {
        Step::Reset { subsystem, state } => Some((*subsystem, state)),
        _ => None,
    });
    for (subsystem, state) in problem.subsystem_ids().zip(&problem.initial).chain(resets) {
        let slots = layout.of[subsystem.index()].clone();
        match state {
            Initial::Cell { coherence, .. } if *coherence != Complex64::ZERO => constraints.neutral(layout, slots),
            Initial::Coherent(_) | Initial::Rotated { .. } => constraints.neutral(layout, slots),
            Initial::Dicke { .. } => constraints.uniform(layout, slots),
            Initial::Alone(state) => constrain_shared(&[subsystem], state, layout, constraints),
            _ => {}
        }
    }
    for Joint { over, state } in &problem.joint {
        constrain_shared(over, state, layout, constraints);
    }
    for step in &problem.protocol.steps {
        if let Step::Rotate { subsystem, axis, angle } = step {
            let slots = layout.of[subsystem.index()].clone();
            match rotate::half_turns(*angle) {
                _ if *axis == Axis::Z => {}
                Some(turns) if turns % 2 == 0 => {}
                Some(_) => constraints.flip(slots),
                None => constraints.neutral(layout, slots),
            }
        }
    }
}

/// The same of a state of these subsystems.
fn constrain_shared(over: &[SubsystemId], state: &JointState, layout: &Layout, constraints: &mut Constraints) {
    match state {
        // Its eigenstates lie within sets of states that it couples.
        JointState::GroundState(operator) | JointState::Gibbs { operator, .. } => {
            constraints.conserve(layout, &layout.monomials(operator));
        }
        // None but in the layout of spins, which its states are of.
        JointState::Spins(kets) if over.iter().all(|e| layout.of[e.index()].len() == 1) => {
            let slots = slots_of(layout, over);
            for ket in kets.iter() {
                let others = ket.amplitudes.iter().skip(1).map(|(levels, _)| (&levels[..], &ket.amplitudes[0].0[..]));
                others.for_each(|pair| constraints.equal(layout, &slots, pair));
            }
        }
        JointState::Spins(_) => {}
        JointState::Kets(kets) => {
            let slots = slots_of(layout, over);
            for (_, ket) in kets.iter() {
                let ket = product_ket(layout, &slots, ket);
                let others = ket.iter().skip(1).map(|(levels, _)| (&levels[..], &ket[0].0[..]));
                others.for_each(|pair| constraints.equal(layout, &slots, pair));
            }
        }
    }
}
