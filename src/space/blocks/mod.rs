//! States as a walk on blocks (`docs/physics.md` §2.1): invariant subspaces labelled by the spins of the ensembles and by
//! conserved charges, with a non-Hermitian generator inside each and sparse jump maps from one to another.
//!
//! Full tensor space, excitation sectors, collective spins and permutation symmetry differ only in the slots and
//! charges chosen here. Blocks are built when first visited and shared between threads.

mod bands;
mod basis;
mod block;
mod charges;
mod exchange;
mod flow;
mod frame;
mod gate;
mod identical;
mod initial;
mod lattice;
mod layout;
mod measure;
mod mixture;
mod own;
mod pattern;
mod reduce;
pub mod rotate;
mod size;

pub use bands::{BandJump, Banded, Bands, MOST_DIAGONALS};
pub use basis::{Key, Space};
pub use block::{Block, BlockId, Jump, Sparse, adjoint};
pub use exchange::{Exchange, Shares};
pub use frame::{Covered, Diagonal, Frame, Prepared};
pub use initial::{Drawn, MOST_CHOICES, Part, Start, place};
pub use lattice::Lattice;
pub use layout::{FEWEST_CELLS, Layout, Monomial, Slot, SlotOp};
pub use measure::Observable;
pub use mixture::{PartState, initial_entropy, spin_states};
pub use own::MOST_MEASURED;
pub use reduce::{Piece, Reducer, most_coupled};

use crate::error::CompileError;
use crate::problem::{
    Axis, Basis, Channel, Envelope, Kind, Linear, Op, OpSum, Pair, Problem, Reach, Reduction, Step, SubsystemId,
};
use charges::{Charge, Constraints};
use num_complex::Complex64;
use pattern::sets;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// Most single cells, with charges and without.
const MOST_CELLS: [u64; 2] = [126, 24];

/// How a problem is put into slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Ensembles as spins J, not cell by cell.
    pub spins: bool,
    /// Split by conserved charges.
    pub charges: bool,
}

/// One jump operator: a sum of products that changes spins and charges in one way, √rate included.
#[derive(Clone, Debug)]
pub struct JumpOperator {
    /// The channel it belongs to.
    pub channel: usize,
    /// Its terms.
    pub terms: Vec<Monomial>,
    /// Those that each function of time of its channel multiplies.
    pub more: Vec<Vec<Monomial>>,
}

/// What changes with time of a channel: w·f_j·f_k, and what that multiplies.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The channel.
    pub channel: usize,
    /// j and k, 0 for the operator without a function.
    pub of: (usize, usize),
    /// Their function.
    pub envelope: Envelope,
    /// Its number among all of the problem.
    pub number: usize,
}

/// What acts during a timed step: equal for all steps with the same channels and drives.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Whether each channel is on.
    active: Vec<bool>,
    /// Drives that do not change, with their strengths.
    constant: Vec<(usize, f64)>,
    /// Drives that do.
    pub varying: Vec<(usize, Envelope)>,
    /// What changes of the channels that are on.
    pub rates: Vec<Rate>,
}

impl Stage {
    /// Whether a channel is on.
    pub fn is_on(&self, channel: usize) -> bool {
        self.active[channel]
    }

    /// Whether a channel is on with a rate that never changes.
    pub fn is_steady(&self, channel: usize) -> bool {
        self.active[channel] && !self.rates.iter().any(|rate| rate.channel == channel)
    }

    /// Whether anything changes with time.
    pub fn changes(&self) -> bool {
        !self.varying.is_empty() || !self.rates.is_empty()
    }
}

/// What a step does to the stored state.
#[derive(Clone, Debug)]
pub enum BlockStep {
    /// exp(−iθ n·S) on a subsystem.
    Rotate(SubsystemId, Axis, f64),
    /// The gate of this number.
    Unitary(usize),
    /// Replace a subsystem by a fresh one, in the product of these states.
    Reset(SubsystemId, Vec<Part>),
    /// Evolve in this stage.
    Evolve(usize),
}

/// A problem compiled into blocks.
#[derive(Debug)]
pub struct Blocks {
    /// The slots.
    pub layout: Layout,
    charges: Vec<Charge>,
    hamiltonian: Vec<Monomial>,
    drives: Vec<Vec<Monomial>>,
    /// All jump operators of all channels.
    pub jumps: Vec<JumpOperator>,
    /// The distinct stages.
    pub stages: Vec<Stage>,
    /// What each step of the protocol does.
    pub steps: Vec<BlockStep>,
    /// What is recorded at a row.
    pub linear: Vec<Linear>,
    /// The density matrices that can be recorded: those the quantities need, and then the battery's.
    pub reductions: Vec<Reduction>,
    /// The initial state.
    pub start: Start,
    /// The gates of the protocol.
    gates: Vec<gate::Compiled>,
    /// The battery's Hamiltonian, where it is its own.
    own: Option<own::Own>,
    problem: Arc<Problem>,
    style: Style,
    blocks: RwLock<Vec<Arc<Block>>>,
    index: RwLock<HashMap<Key, BlockId>>,
}

fn refuse(style: Style, reason: String) -> CompileError {
    CompileError { representation: style.name(), reason }
}

impl Style {
    /// What the representation is called.
    pub fn name(self) -> &'static str {
        match (self.spins, self.charges) {
            (true, _) => "symmetric",
            (false, true) => "sectors",
            (false, false) => "full",
        }
    }
}

impl Blocks {
    /// Compile `problem`.
    ///
    /// # Errors
    /// With the reason, what would need single cells of an ensemble stored as a spin, or a space too large.
    pub fn compile(problem: &Problem, style: Style) -> Result<Self, CompileError> {
        let turned;
        let mut problem = problem;
        if style.spins && problem.subsystems.iter().any(|s| matches!(s.kind, Kind::Network { cells: 2.., .. })) {
            let mixed = problem.subsystems.iter().any(|s| matches!(s.kind, Kind::Ensemble { .. }));
            match identical::as_ensembles(problem) {
                Ok(found) => {
                    turned = found;
                    problem = &turned;
                }
                Err(_) if mixed => {} // the ensembles are stored as spins all the same
                Err(reason) => return Err(refuse(style, reason)),
            }
        }
        if style.spins && !problem.subsystems.iter().any(|s| matches!(s.kind, Kind::Ensemble { .. })) {
            return Err(refuse(style, "there is no ensemble of identical cells".into()));
        }
        check_quantities(problem, style)?;
        let cells: u64 = problem.subsystems.iter().map(|s| s.cells()).filter(|n| *n > 1).sum();
        let most = MOST_CELLS[usize::from(!style.charges)];
        if !style.spins && cells > most {
            return Err(refuse(style, format!("{cells} single cells have 2^{cells} states, more than 2^{most}")));
        }
        let mut layout = Layout::new(problem, style.spins);
        let hamiltonian = layout.monomials(&problem.hamiltonian);
        let own = problem.battery_hamiltonian.as_ref().map(|own| own::Own::new(problem, &layout, own)).transpose();
        let own = own.map_err(|reason| refuse(style, reason))?;
        let drives: Vec<Vec<Monomial>> = problem.drives.iter().map(|d| layout.monomials(&d.operator)).collect();
        let gates = gate::compile(problem, &layout).map_err(|reason| refuse(style, reason))?;
        let mut jumps = Vec::new();
        for (index, channel) in problem.channels.iter().enumerate().filter(|(_, c)| c.rate > 0.0) {
            if !channel.modulated.is_empty() {
                let scaled = |sum: &OpSum| layout.monomials(&(sum.clone() * channel.rate.sqrt()));
                let more = channel.modulated.iter().map(|(_, sum)| scaled(sum)).collect();
                jumps.push(JumpOperator { channel: index, terms: scaled(&channel.operator), more });
                continue;
            }
            for terms in jump_terms(&layout, channel) {
                jumps.push(JumpOperator { channel: index, terms, more: Vec::new() });
            }
        }
        let mut found = Vec::new();
        if style == (Style { spins: false, charges: true })
            && let Some(sets) = sets(problem, &layout, &hamiltonian, (&drives, own.as_ref()), &jumps)
        {
            let (sets, all) = sets.map_err(|reason| refuse(style, reason))?;
            let cells = layout.slots.iter().all(|slot| *slot == Slot::Cell) && layout.slots.len() >= FEWEST_CELLS;
            if sets.count() == 1 || (cells && 2 * sets.largest() >= all) {
                return Err(refuse(
                    style,
                    "the pattern of the matrices leaves no smaller sets of states to themselves".into(),
                ));
            }
            layout.sets = Some(Arc::new(sets));
        } else if style.charges {
            let mut constraints = Constraints::default();
            constraints.conserve(&layout, &hamiltonian);
            drives.iter().for_each(|terms| constraints.conserve(&layout, terms));
            // So that its eigenstates lie in the blocks of the battery.
            own.iter().for_each(|own| constraints.conserve(&layout, &own.terms));
            for JumpOperator { terms, more, .. } in &jumps {
                constraints.shift_alike(&layout, &[terms.clone(), more.concat()].concat());
            }
            gates.iter().for_each(|gate| gate.constrain(&layout, &mut constraints));
            initial::constrain(problem, &layout, &mut constraints);
            let rows = constraints.clone();
            found = constraints.charges(&layout);
            if layout.has_parities() {
                found.extend(rows.parities(&layout, &found));
            }
            if found.is_empty() && !style.spins {
                return Err(refuse(style, "no charge is conserved or shifted by definite amounts".into()));
            }
        }
        let (stages, steps) = stages(problem, &layout).map_err(|reason| refuse(style, reason))?;
        let battery = problem.battery_reduction();
        let whole = problem.record.audit.then(|| Reduction::Joint(problem.subsystem_ids().collect()));
        let blocks = Self {
            start: Start::new(problem, &layout).map_err(|reason| refuse(style, reason))?,
            gates,
            own,
            charges: found,
            hamiltonian,
            drives,
            jumps,
            stages,
            steps,
            linear: problem.linear(),
            reductions: problem.reductions().into_iter().chain([battery]).chain(whole).collect(),
            problem: Arc::new(problem.clone()),
            style,
            blocks: RwLock::default(),
            index: RwLock::default(),
            layout,
        };
        blocks.check_size()?;
        Ok(blocks)
    }

    /// −iO of a drive as products.
    pub fn drive_terms(&self, drive: usize) -> Vec<Monomial> {
        let turned = |m: &Monomial| Monomial { coefficient: m.coefficient * -Complex64::I, ..m.clone() };
        self.drives[drive].iter().map(turned).collect()
    }

    /// −½ΣL†L of a channel as products.
    pub fn loss_terms(&self, channel: usize) -> Vec<Monomial> {
        let halved = |m: &Monomial| Monomial { coefficient: m.coefficient * -0.5, ..m.clone() };
        self.decay_terms(channel).iter().map(halved).collect()
    }

    /// K = −iH − ½ΣL†L of a stage as products, with the rates that do not change.
    pub fn generator_terms(&self, stage: usize) -> Vec<Monomial> {
        let scaled = |m: &Monomial, by: Complex64| Monomial { coefficient: m.coefficient * by, ..m.clone() };
        let Stage { active, constant, .. } = &self.stages[stage];
        let steady = |channel: &usize| self.stages[stage].is_steady(*channel);
        let mut terms: Vec<Monomial> = self.hamiltonian.iter().map(|m| scaled(m, -Complex64::I)).collect();
        for (drive, strength) in constant {
            terms.extend(self.drive_terms(*drive).iter().map(|m| scaled(m, (*strength).into())));
        }
        for channel in (0..active.len()).filter(steady) {
            terms.extend(self.loss_terms(channel));
        }
        self.layout.collected(terms)
    }

    /// The stage of a timed step; the first one in a pulse or reset, where nothing is read.
    pub fn stage_of(&self, step: usize) -> usize {
        match self.steps[step] {
            BlockStep::Evolve(stage) => stage,
            BlockStep::Rotate(..) | BlockStep::Unitary(_) | BlockStep::Reset(..) => 0,
        }
    }

    /// The problem that was compiled.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Whether charges split the space.
    pub fn has_charges(&self) -> bool {
        !self.charges.is_empty() || self.layout.sets.is_some()
    }

    /// Whether charges other than parities do so, of which a walk meets many values.
    pub fn has_numbers(&self) -> bool {
        self.charges.iter().any(|charge| !charge.is_parity())
    }

    /// The charges in words.
    pub fn describe_charges(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.layout.slots.len()];
        for (subsystem, slots) in self.problem.subsystems.iter().zip(&self.layout.of) {
            slots.clone().for_each(|slot| names[slot] = subsystem.name.clone());
        }
        let sets = self.layout.sets.iter();
        let sets =
            sets.map(|sets| format!("the invariant set, of {} with at most {} states", sets.count(), sets.largest()));
        sets.chain(self.charges.iter().map(|charge| charge.describe(&names))).collect()
    }

    /// The slot of the battery, where that is one ensemble stored as a spin.
    pub fn battery_spin(&self) -> Option<usize> {
        let [battery] = self.problem.battery() else { return None };
        let slots = self.layout.of[battery.index()].clone();
        match &self.layout.slots[slots.clone()] {
            [Slot::Spin { .. }] => Some(slots.start),
            _ => None,
        }
    }

    /// Whether a jump can change the spin of an ensemble.
    pub fn changes_spin(&self) -> bool {
        let local = |m: &Monomial| m.factors.iter().any(|(_, op)| matches!(op, SlotOp::Local { dj: 1 | -1, .. }));
        self.jumps.iter().any(|jump| jump.terms.iter().any(local))
    }

    /// The block of a product state.
    pub fn block_of(&self, two_j: &[u64], levels: &[usize]) -> BlockId {
        self.find(basis::key_of(&self.layout, &self.charges, two_j, levels))
    }

    /// The block with this key, built when it is new.
    pub fn find(&self, key: Key) -> BlockId {
        let known = self.index.read().unwrap_or_else(|e| e.into_inner()).get(&key).copied();
        if let Some(id) = known {
            return id;
        }
        let space = Space::new(&self.layout, &self.charges, key.clone());
        let mut index = self.index.write().unwrap_or_else(|e| e.into_inner());
        if let Some(id) = index.get(&key) {
            return *id;
        }
        let mut blocks = self.blocks.write().unwrap_or_else(|e| e.into_inner());
        let id = blocks.len();
        blocks.push(Arc::new(Block::new(self, id, space)));
        index.insert(key, id);
        id
    }

    /// The block with this key, to read a state off: kept unless the kept ones have `most` states in all.
    pub fn look_at(&self, key: &Key, most: usize) -> Arc<Block> {
        let kept = self.index.read().unwrap_or_else(|e| e.into_inner()).get(key).copied();
        if let Some(id) = kept {
            return self.get(id);
        }
        let space = Space::new(&self.layout, &self.charges, key.clone());
        if self.count().saturating_mul(space.dimension()) < most {
            return self.get(self.find(key.clone()));
        }
        Arc::new(Block::new(self, usize::MAX, space))
    }

    /// A block that was found.
    pub fn get(&self, id: BlockId) -> Arc<Block> {
        self.blocks.read().unwrap_or_else(|e| e.into_inner())[id].clone()
    }

    /// Number of blocks built so far.
    pub fn count(&self) -> usize {
        self.blocks.read().unwrap_or_else(|e| e.into_inner()).len()
    }
}

/// What the averages in the product basis of the slots cannot give.
fn check_quantities(problem: &Problem, style: Style) -> Result<(), CompileError> {
    let ensemble = |e: &SubsystemId| matches!(problem.subsystems[*e].kind, Kind::Ensemble { .. });
    for quantity in &problem.quantities {
        let Some((what, of)) = quantity.nonlinear() else { continue };
        let column = problem.column(quantity);
        // A chosen part has one ensemble at most of a single cell, which both know alike.
        let chosen = matches!(what.reduction(problem, of), Reduction::Chosen(_));
        match what.basis() {
            Basis::Spins if !style.spins => {
                return Err(refuse(style, format!("it does not tell J = N/2 apart, which `{column}` needs")));
            }
            Basis::Product if style.spins && of.members(problem).iter().any(ensemble) && !chosen => {
                let reason = format!("`{column}` is taken in the basis of single cells, which it does not hold");
                return Err(refuse(style, reason));
            }
            Basis::Any | Basis::Spins | Basis::SingleCells | Basis::Product => {}
        }
    }
    Ok(())
}

/// The jump operators of a channel, √rate included.
fn jump_terms(layout: &Layout, channel: &Channel) -> Vec<Vec<Monomial>> {
    let scaled = |mut terms: Vec<Monomial>, rate: f64| {
        terms.iter_mut().for_each(|m| m.coefficient *= rate.sqrt());
        terms
    };
    let jumps: Vec<Vec<Monomial>> = match &channel.reach {
        Reach::Collective => vec![layout.monomials(&channel.operator)],
        Reach::Each(subsystem) if layout.is_spin(*subsystem) => {
            Layout::local_jumps(layout.of[subsystem.index()].start, cell_matrix(&channel.operator))
        }
        Reach::Each(subsystem) => (0..layout.of[subsystem.index()].len())
            .map(|site| layout.monomials(&channel.operator.on_site(*subsystem, site)))
            .collect(),
        Reach::Correlated { subsystem, rates } if layout.is_spin(*subsystem) => {
            // Only uniform matrices come here: a part on each cell and a part on their sum.
            let (local, together) = rates.uniform().unwrap_or_default();
            let each = Layout::local_jumps(layout.of[subsystem.index()].start, cell_matrix(&channel.operator));
            let each = each.into_iter().map(|terms| scaled(terms, local));
            let all = scaled(layout.monomials(&channel.operator), together);
            each.filter(|_| local > 0.0).chain((together > 0.0).then_some(all)).collect()
        }
        Reach::Correlated { subsystem, rates } => rates
            .modes
            .iter()
            .map(|(rate, mode)| {
                let sites = mode.iter().enumerate().filter(|(_, u)| u.abs() > 1e-15);
                let sum = sites.map(|(site, u)| channel.operator.on_site(*subsystem, site) * *u);
                scaled(layout.monomials(&sum.fold(OpSum::default(), |sum, term| sum + term)), *rate)
            })
            .collect(),
    };
    jumps.into_iter().filter(|terms| !terms.is_empty()).map(|terms| scaled(terms, channel.rate)).collect()
}

/// The 2×2 matrix of a one-cell operator in the basis (e, g).
pub(super) fn cell_matrix(sum: &OpSum) -> [[Complex64; 2]; 2] {
    let mut matrix = [[Complex64::ZERO; 2]; 2];
    let i = Complex64::I;
    let one = Complex64::ONE;
    let zero = Complex64::ZERO;
    for term in &sum.terms {
        let mut product = [[term.coefficient, zero], [zero, term.coefficient]];
        for factor in &term.factors {
            let [e, g] = match factor.op {
                Op::Lower => [[zero, zero], [one, zero]],
                Op::Raise => [[zero, one], [zero, zero]],
                Op::X => [[zero, one], [one, zero]],
                Op::Y => [[zero, -i], [i, zero]],
                Op::Z => [[one, zero], [zero, -one]],
                _ => [[one, zero], [zero, zero]],
            };
            product = product.map(|[a, b]| [a * e[0] + b * g[0], a * e[1] + b * g[1]]);
        }
        for (row, add) in matrix.iter_mut().zip(product) {
            row[0] += add[0];
            row[1] += add[1];
        }
    }
    matrix
}

/// What changes with time of all channels.
fn rates(problem: &Problem) -> Vec<Rate> {
    let all = problem.channels.iter().enumerate().filter(|(_, c)| c.rate > 0.0);
    let all = all.flat_map(|(channel, c)| c.pairs.iter().map(move |pair| (channel, pair)));
    let rate = |(number, (channel, pair)): (usize, (usize, &Pair))| Rate {
        channel,
        of: pair.of,
        envelope: pair.envelope.clone(),
        number,
    };
    all.enumerate().map(rate).collect()
}

/// The distinct stages, and what each step does.
fn stages(problem: &Problem, layout: &Layout) -> Result<(Vec<Stage>, Vec<BlockStep>), String> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut gates = 0..;
    let compiled = |step: &Step| -> Result<BlockStep, String> {
        Ok(match step {
            Step::Rotate { subsystem, axis, angle } => BlockStep::Rotate(*subsystem, *axis, *angle),
            Step::Unitary(_) => BlockStep::Unitary(gates.next().unwrap_or_default()),
            Step::Reset { subsystem, state } => {
                BlockStep::Reset(*subsystem, initial::parts(problem, layout, *subsystem, state)?)
            }
            Step::Evolve { active, driven, .. } => {
                let on = || problem.drives.iter().enumerate().filter(|(d, _)| driven[*d]);
                let constant =
                    on().filter_map(|(d, drive)| drive.envelope.constant().map(|value| (d, value))).collect();
                let varying = on().filter(|(_, drive)| drive.envelope.constant().is_none());
                let varying = varying.map(|(d, drive)| (d, drive.envelope.clone())).collect();
                let rates = rates(problem).into_iter().filter(|rate| active[rate.channel]).collect();
                let stage = Stage { active: active.clone(), constant, varying, rates };
                let place = stages.iter().position(|s| *s == stage).unwrap_or_else(|| {
                    stages.push(stage);
                    stages.len() - 1
                });
                BlockStep::Evolve(place)
            }
        })
    };
    let steps = problem.protocol.steps.iter().map(compiled).collect::<Result<_, _>>()?;
    Ok((stages, steps))
}
