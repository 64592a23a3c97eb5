//! Operators on a [`Lattice`] as bands: y\[i + offset\] += c·v\[i\]·x\[i\], with v a product of functions of the levels.

use super::basis::Key;
use super::charges::Charge;
use super::lattice::{Lattice, changes};
use super::layout::{Monomial, Slot, SlotOp};
use super::{Blocks, JumpOperator, Stage, cell_matrix};
use crate::problem::{Channel, Reach};
use crate::space::angular;
use num_complex::Complex64;

/// Operators of one slot in a row, the last acting first.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub(super) slot: usize,
    ops: Vec<SlotOp>,
}

/// A coefficient times a product of chains.
#[derive(Clone, Debug)]
pub struct Term {
    /// The coefficient.
    pub coefficient: Complex64,
    /// Which of [`Bands::chains`].
    pub chains: Vec<usize>,
}

/// All terms that move amplitudes by `offset`.
#[derive(Clone, Debug)]
pub struct Band {
    /// How far.
    pub offset: isize,
    /// What they are multiplied by.
    pub terms: Vec<Term>,
}

/// An operator: numbers of its bands in [`Bands::all`].
pub type Banded = std::ops::Range<usize>;

/// A jump operator with what it does to the block.
#[derive(Clone, Debug)]
pub struct BandJump {
    /// Its channel.
    pub channel: usize,
    /// √rate·L.
    pub operator: Banded,
    two_j: Vec<i64>,
    charges: Vec<i64>,
}

/// All operators of a problem on its lattice.
#[derive(Clone, Debug)]
pub struct Bands {
    /// Where the states lie.
    pub lattice: Lattice,
    /// Of each charge, whether it counts modulo 2.
    parities: Vec<bool>,
    /// The distinct chains.
    pub chains: Vec<Chain>,
    /// The bands of all operators.
    pub all: Vec<Band>,
    /// K = −iH − ½ΣL†L of each stage.
    pub generators: Vec<Banded>,
    /// The jump operators that are on in each stage.
    pub jumps: Vec<Vec<BandJump>>,
    /// Whether every coefficient is real.
    pub real: bool,
    /// Zeros to keep beside amplitudes and operators: more than any operator reaches.
    pub margin: usize,
}

/// Most operators of a slot in a row.
const LONGEST: usize = 8;
/// Most lists of an operator, two for a band with real and imaginary elements.
pub const MOST_DIAGONALS: usize = 48;
/// Most slots.
pub(super) const MOST_SLOTS: usize = 64;

impl Bands {
    /// All operators; `None` where there is no lattice, a drive changes in time, or a product is very long.
    pub fn new(of: &Blocks) -> Option<Self> {
        if of.stages.iter().any(Stage::changes) || of.layout.slots.len() > MOST_SLOTS {
            return None;
        }
        let lattice = Lattice::new(of)?;
        let (generators, jumps) = (Vec::new(), Vec::new());
        let parities = of.charges.iter().map(Charge::is_parity).collect();
        let (chains, all) = (Vec::new(), Vec::new());
        let mut bands = Self { lattice, parities, chains, all, generators, jumps, real: true, margin: 0 };
        for (stage, kind) in of.stages.iter().enumerate() {
            let generator = bands.operator(of, &of.generator_terms(stage));
            bands.generators.push(generator);
            let on = of.jumps.iter().filter(|jump| kind.is_on(jump.channel));
            let jumps = on.map(|jump| bands.jump(of, jump)).collect();
            bands.jumps.push(jumps);
        }
        let coefficients = bands.all.iter().flat_map(|band| &band.terms).map(|term| term.coefficient);
        bands.real = coefficients.into_iter().all(|c| c.im == 0.0);
        bands.margin = bands.reach(&(0..bands.all.len())).next_multiple_of(8) + 8;
        let operators = || bands.generators.iter().chain(bands.jumps.iter().flatten().map(|jump| &jump.operator));
        let short = bands.chains.iter().all(|chain| chain.ops.len() <= LONGEST);
        let few = operators().all(|operator| 2 * operator.len() <= MOST_DIAGONALS);
        (short && few).then_some(bands)
    }

    fn jump(&mut self, of: &Blocks, jump: &JumpOperator) -> BandJump {
        let operator = self.operator(of, &jump.terms);
        let first = jump.terms.first().map_or(&[][..], |m| &m.factors);
        let (levels, two_j) = changes(&of.layout, first);
        // The quanta of a spin are N/2 − J + level.
        let quanta: Vec<i64> = levels.iter().zip(&two_j).map(|(level, j)| level - j / 2).collect();
        let charges = of.charges.iter().map(|charge| {
            let slots = of.layout.slots.iter().enumerate();
            let shift = |(slot, kind): (usize, &Slot)| match kind {
                Slot::Levels { .. } => {
                    let part = |level: usize| charge.of_level(slot, kind, 0, level);
                    let of_factor = |factor: &(usize, SlotOp)| match factor {
                        (s, SlotOp::Transition(to, from)) if *s == slot => part(*to) - part(*from),
                        _ => 0,
                    };
                    first.iter().map(of_factor).sum()
                }
                _ => charge.of_quantum(slot).unwrap_or(0) * quanta[slot],
            };
            slots.map(shift).sum()
        });
        BandJump { channel: jump.channel, operator, charges: charges.collect(), two_j }
    }

    fn operator(&mut self, of: &Blocks, terms: &[Monomial]) -> Banded {
        let start = self.all.len();
        for monomial in terms.iter().filter(|m| m.coefficient != Complex64::ZERO) {
            let offset = self.lattice.distance(&changes(&of.layout, &monomial.factors).0);
            let mut chains: Vec<Chain> = Vec::new();
            for &(slot, op) in &monomial.factors {
                match chains.iter_mut().find(|chain| chain.slot == slot) {
                    Some(chain) => chain.ops.push(op),
                    None => chains.push(Chain { slot, ops: vec![op] }),
                }
            }
            let numbers = chains.into_iter().map(|chain| {
                self.chains.iter().position(|known| *known == chain).unwrap_or_else(|| {
                    self.chains.push(chain);
                    self.chains.len() - 1
                })
            });
            let term = Term { coefficient: monomial.coefficient, chains: numbers.collect() };
            match self.all[start..].iter_mut().find(|band| band.offset == offset) {
                Some(band) => band.terms.push(term),
                None => self.all.push(Band { offset, terms: vec![term] }),
            }
        }
        start..self.all.len()
    }

    /// The block that a jump leads to.
    pub fn after(&self, key: &mut Key, jump: &BandJump) {
        key.two_j.iter_mut().zip(&jump.two_j).for_each(|(j, change)| *j = j.saturating_add_signed(*change));
        let changes = key.charges.iter_mut().zip(&jump.charges).zip(&self.parities);
        changes.for_each(|((c, change), parity)| *c = if *parity { (*c + change).rem_euclid(2) } else { *c + change });
    }

    /// The largest distance over which an operator moves amplitudes.
    pub fn reach(&self, operator: &Banded) -> usize {
        self.all[operator.clone()].iter().map(|band| band.offset.unsigned_abs()).max().unwrap_or(0)
    }
}

impl Blocks {
    /// ΣL†L of a channel, as products. For a local channel on the cells of a spin it is a collective operator:
    /// Σᵢ (o†o)ᵢ with o†o a 2×2 matrix.
    pub(super) fn decay_terms(&self, channel: usize) -> Vec<Monomial> {
        let Channel { reach, operator, rate, .. } = &self.problem().channels[channel];
        let mut terms = Vec::new();
        let (slot, local) = match reach {
            Reach::Each(e) if self.layout.is_spin(*e) => (self.layout.of[e.index()].start, *rate),
            Reach::Correlated { subsystem, rates } if self.layout.is_spin(*subsystem) => {
                (self.layout.of[subsystem.index()].start, rate * rates.uniform().unwrap_or_default().0)
            }
            _ => (0, 0.0),
        };
        if let (Slot::Spin { cells }, true) = (self.layout.slots[slot], local > 0.0) {
            let [[ee, eg], [ge, gg]] = cell_matrix(operator);
            let monomial = |c: Complex64, op: Option<SlotOp>| Monomial {
                coefficient: c * local,
                factors: op.into_iter().map(|op| (slot, op)).collect(),
            };
            let (up, down) = (ee.norm_sqr() + ge.norm_sqr(), eg.norm_sqr() + gg.norm_sqr());
            let across = ee.conj() * eg + ge.conj() * gg; // ⟨e|o†o|g⟩
            terms.push(monomial((up - down).into(), Some(SlotOp::Number)));
            terms.push(monomial((down * cells as f64).into(), None));
            terms.push(monomial(across, Some(SlotOp::Raise)));
            terms.push(monomial(across.conj(), Some(SlotOp::Lower)));
        }
        let is_local = |m: &Monomial| {
            m.factors.iter().any(|(_, op)| matches!(op, SlotOp::Local { .. } | SlotOp::LocalIdentity | SlotOp::Idle))
        };
        for jump in self.jumps.iter().filter(|jump| jump.channel == channel && !jump.terms.iter().any(is_local)) {
            for left in &jump.terms {
                terms.extend(jump.terms.iter().map(|right| left.adjoint_times(right, 1.0)));
            }
        }
        terms
    }
}

/// What a chain multiplies a level l by in one block: scale · Π(a + bl) · √Π(c + dl), 0 unless l is as masked.
#[derive(Clone, Copy, Debug)]
pub struct Amplitude {
    /// Constant factor.
    pub scale: f64,
    linear: [(f64, f64); 2 * LONGEST],
    linears: usize,
    squared: [(f64, f64); 2 * LONGEST],
    squares: usize,
    /// Levels that a multi-level system or the top of an oscillator lets pass.
    window: Option<(f64, f64)>,
}

impl Amplitude {
    /// Of `chain` where its slot is `kind` with spin 2J.
    pub fn new(chain: &Chain, kind: &Slot, two_j: u64) -> Self {
        let none = [(0.0, 0.0); 2 * LONGEST];
        let mut a = Self { scale: 1.0, linear: none, linears: 0, squared: none, squares: 0, window: None };
        let mut spin = two_j as i64;
        let mut moved = 0.0; // the level is l + moved when an operator acts
        for op in chain.ops.iter().rev() {
            let top = spin as f64;
            match (kind, *op) {
                (Slot::Spin { .. }, SlotOp::Lower) => {
                    a.square(moved, 1.0);
                    a.square(top - moved + 1.0, -1.0);
                    moved -= 1.0;
                }
                (Slot::Spin { .. }, SlotOp::Raise) => {
                    a.square(top - moved, -1.0);
                    a.square(moved + 1.0, 1.0);
                    moved += 1.0;
                }
                (Slot::Spin { cells }, SlotOp::Number) => a.times((*cells as i64 - spin) as f64 / 2.0 + moved, 1.0),
                (Slot::Spin { .. } | Slot::Cell, SlotOp::Z) => {
                    let top = if *kind == Slot::Cell { 1.0 } else { top };
                    a.times(2.0 * moved - top, 2.0);
                }
                (Slot::Spin { cells }, SlotOp::Local { dj, dm }) => {
                    let [first, second] = a.local(*cells, spin as u64, dj, dm, moved);
                    a.square(first.0, first.1);
                    a.square(second.0, second.1);
                    spin += 2 * i64::from(dj);
                    moved += f64::from(dj) + f64::from(dm);
                }
                (Slot::Spin { cells }, SlotOp::LocalIdentity) => {
                    a.scale *= angular::inverse_weight(*cells, spin as u64).sqrt();
                }
                (Slot::Spin { cells }, SlotOp::Idle) => {
                    let rest = *cells as f64 - angular::inverse_weight(*cells, spin as u64);
                    a.scale *= if rest > 1e-12 * *cells as f64 { rest.sqrt() } else { 0.0 };
                }
                (Slot::Cell, SlotOp::Lower) => {
                    a.times(moved, 1.0);
                    moved -= 1.0;
                }
                (Slot::Cell, SlotOp::Raise) => {
                    a.times(1.0 - moved, -1.0);
                    moved += 1.0;
                }
                (Slot::Mode { .. }, SlotOp::Annihilate) => {
                    a.square(moved, 1.0);
                    moved -= 1.0;
                }
                (Slot::Mode { cutoff }, SlotOp::Create) => {
                    a.square(moved + 1.0, 1.0);
                    moved += 1.0;
                    a.within(0.0, *cutoff as f64 - 1.0, moved);
                }
                (Slot::Levels { .. }, SlotOp::Transition(to, from)) => {
                    a.within(from as f64, from as f64, moved);
                    moved += to as f64 - from as f64;
                }
                (_, SlotOp::Number) => a.times(moved, 1.0),
                _ => a.scale = 0.0, // an operator on the wrong kind, which a checked problem does not hold
            }
        }
        a
    }

    /// The part of a local operator between spins (`docs/physics.md` §2.2): weight and sign into the scale, V² returned.
    fn local(&mut self, cells: u64, two_j: u64, dj: i8, dm: i8, moved: f64) -> [(f64, f64); 2] {
        let (weight, sign) = angular::local_scale(cells, two_j, dj, dm);
        self.scale *= sign * weight.sqrt();
        let top = two_j as f64;
        let (u, d) = ((moved, 1.0), (top - moved, -1.0));
        let plus = |(a, b): (f64, f64), n: f64| (a + n, b);
        match (dj, dm) {
            (0, 0) => {
                // M, with its sign: a factor of its own instead of the square.
                self.times(moved - 0.5 * top, 1.0);
                [(1.0, 0.0), (1.0, 0.0)]
            }
            (0, -1) => [u, plus(d, 1.0)],
            (0, _) => [d, plus(u, 1.0)],
            (-1, -1) => [u, plus(u, -1.0)],
            (-1, 0) => [u, d],
            (-1, _) => [d, plus(d, -1.0)],
            (_, -1) => [plus(d, 1.0), plus(d, 2.0)],
            (_, 0) => [plus(u, 1.0), plus(d, 1.0)],
            _ => [plus(u, 1.0), plus(u, 2.0)],
        }
    }

    fn within(&mut self, low: f64, high: f64, moved: f64) {
        let (l, h) = self.window.unwrap_or((f64::MIN, f64::MAX));
        self.window = Some((l.max(low - moved), h.min(high - moved)));
    }

    fn times(&mut self, a: f64, b: f64) {
        self.linear[self.linears] = (a, b);
        self.linears += 1;
    }

    /// A factor under the root; two equal ones leave it.
    fn square(&mut self, a: f64, b: f64) {
        if b == 0.0 {
            self.scale *= a.max(0.0).sqrt();
            return;
        }
        match self.squared[..self.squares].iter().position(|known| *known == (a, b)) {
            Some(place) => {
                self.squares -= 1;
                self.squared[place] = self.squared[self.squares];
                self.times(a, b);
            }
            None => {
                self.squared[self.squares] = (a, b);
                self.squares += 1;
            }
        }
    }

    /// Its values at the levels `base` + `levels`.
    #[inline(always)]
    pub fn fill(&self, levels: &[f64], base: f64, out: &mut [f64]) {
        let out = &mut out[..levels.len()];
        let at = |(a, b): (f64, f64)| (a + b * base, b);
        match self.squares {
            0 => out.fill(self.scale),
            2 => {
                let ((a, b), (c, d)) = (at(self.squared[0]), at(self.squared[1]));
                for (y, l) in out.iter_mut().zip(levels) {
                    let product = (a + b * l) * (c + d * l);
                    *y = self.scale * if product > 0.0 { product } else { 0.0 }.sqrt();
                }
            }
            several => {
                out.fill(1.0);
                for &factor in &self.squared[..several] {
                    let (a, b) = at(factor);
                    for (y, l) in out.iter_mut().zip(levels) {
                        *y *= a + b * l;
                    }
                }
                for y in out.iter_mut() {
                    *y = self.scale * if *y > 0.0 { *y } else { 0.0 }.sqrt();
                }
            }
        }
        for &factor in &self.linear[..self.linears] {
            let (a, b) = at(factor);
            for (y, l) in out.iter_mut().zip(levels) {
                *y *= a + b * l;
            }
        }
        if let Some((low, high)) = self.window {
            let (low, high) = (low - base, high - base);
            for (y, l) in out.iter_mut().zip(levels) {
                if *l < low || *l > high {
                    *y = 0.0;
                }
            }
        }
    }
}
