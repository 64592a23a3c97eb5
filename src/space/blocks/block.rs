//! One block with its operators, each built when first needed.

use super::basis::{Code, Key, Space, key_of};
use super::exchange::{self, Exchange};
use super::gate::GateMap;
use super::layout::Monomial;
use super::measure::{self, Observable};
use super::pattern::{Chosen, Column};
use super::reduce::{self, Reducer};
use super::{Blocks, Rate};
use num_complex::Complex64;
use sprs::{CsMatI, TriMatI};
use std::sync::OnceLock;

/// Number of a block in [`Blocks`].
pub type BlockId = usize;

/// A sparse matrix by rows.
pub type Sparse = CsMatI<Complex64, u32, usize>;

/// A jump operator as it acts on one block.
#[derive(Debug)]
pub struct Jump {
    /// Which jump operator of the problem.
    pub operator: usize,
    /// Its channel.
    pub channel: usize,
    /// Where it leads.
    pub target: BlockId,
    /// The map, √rate included.
    pub map: Sparse,
    /// The maps that functions of time multiply.
    pub more: Vec<Sparse>,
}

impl Jump {
    /// The map without a function, or one that a function multiplies, from 1.
    pub fn part(&self, j: usize) -> &Sparse {
        if j == 0 { &self.map } else { &self.more[j - 1] }
    }

    /// −½ L†L.
    fn loss(&self) -> Sparse {
        (&adjoint(&self.map) * &self.map).map(|x| x * -0.5)
    }
}

/// A block.
#[derive(Debug)]
pub struct Block {
    /// Its number.
    pub id: BlockId,
    /// Its basis.
    pub space: Space,
    jumps: OnceLock<Vec<Jump>>,
    generators: Vec<OnceLock<Sparse>>,
    drives: Vec<OnceLock<Sparse>>,
    losses: Vec<OnceLock<Sparse>>,
    observables: Vec<OnceLock<Observable>>,
    reducers: Vec<OnceLock<Reducer>>,
    gates: Vec<OnceLock<GateMap>>,
    energy: OnceLock<Sparse>,
    exchanges: Vec<OnceLock<Exchange>>,
}

fn once<T>(n: usize) -> Vec<OnceLock<T>> {
    (0..n).map(|_| OnceLock::new()).collect()
}

impl Block {
    pub(super) fn new(of: &Blocks, id: BlockId, space: Space) -> Self {
        Self {
            id,
            space,
            jumps: OnceLock::new(),
            generators: once(of.stages.len()),
            drives: once(of.drives.len()),
            losses: once(of.problem().channels.iter().map(|channel| channel.pairs.len()).sum()),
            observables: once(of.linear.len() * of.stages.len()),
            reducers: once(of.reductions.len()),
            gates: once(of.gates.len()),
            energy: OnceLock::new(),
            exchanges: once(of.stages.len()),
        }
    }

    /// Number of states.
    pub fn dimension(&self) -> usize {
        self.space.dimension()
    }

    /// The jump operators that do something to this block.
    pub fn jumps(&self, of: &Blocks) -> &[Jump] {
        self.jumps.get_or_init(|| {
            let built = of.jumps.iter().enumerate().filter_map(|(operator, jump)| {
                let fixed = of.map(self, &jump.terms);
                let more: Vec<_> = jump.more.iter().map(|terms| of.map(self, terms)).collect();
                let target = fixed.iter().chain(more.iter().flatten()).next()?.0;
                let nothing = || CsMatI::zero((of.get(target).dimension(), self.dimension()));
                let map = |found: Option<(BlockId, Sparse)>| found.map_or_else(nothing, |(_, map)| map);
                let more = more.into_iter().map(map).collect();
                Some(Jump { operator, channel: jump.channel, target, map: map(fixed), more })
            });
            built.collect()
        })
    }

    /// K = −iH − ½ Σ L†L of a stage, with the drives and the rates that do not change.
    pub fn generator(&self, of: &Blocks, stage: usize) -> &Sparse {
        self.generators[stage].get_or_init(|| {
            let on = &of.stages[stage];
            let mut terms = of.hamiltonian.clone();
            for (drive, strength) in &on.constant {
                terms.extend(
                    of.drives[*drive].iter().map(|m| Monomial { coefficient: m.coefficient * strength, ..m.clone() }),
                );
            }
            terms.iter_mut().for_each(|m| m.coefficient *= -Complex64::I);
            let mut sum = of.inside(self, &terms);
            for jump in self.jumps(of).iter().filter(|jump| on.is_steady(jump.channel)) {
                sum = &sum + &jump.loss();
            }
            sum
        })
    }

    /// −½ Σ O_k†O_j over the jump operators of a channel, with its conjugate where j and k differ.
    pub fn loss(&self, of: &Blocks, rate: &Rate) -> &Sparse {
        self.losses[rate.number].get_or_init(|| {
            let (d, (j, k)) = (self.dimension(), rate.of);
            let own = self.jumps(of).iter().filter(|jump| jump.channel == rate.channel);
            own.fold(CsMatI::zero((d, d)), |sum, jump| {
                let product = (&adjoint(jump.part(k)) * jump.part(j)).map(|x| x * -0.5);
                let sum = &sum + &product;
                if j == k { sum } else { &sum + &adjoint(&product) }
            })
        })
    }

    /// −iO of drive `drive`.
    pub fn drive(&self, of: &Blocks, drive: usize) -> &Sparse {
        self.drives[drive].get_or_init(|| of.inside(self, &of.drives[drive]).map(|x| x * -Complex64::I))
    }

    /// The operator behind linear average number `average` in a stage.
    pub fn observable(&self, of: &Blocks, average: usize, stage: usize) -> &Observable {
        // Kept once where the stage does not matter.
        let place = if of.linear[average].of_channels() { stage } else { 0 } * of.linear.len() + average;
        self.observables[place].get_or_init(|| measure::observable(of, self, of.linear[average], stage))
    }

    /// H₀.
    pub fn energy(&self, of: &Blocks) -> &Sparse {
        self.energy.get_or_init(|| exchange::energy(of, self))
    }

    /// What changes ⟨H₀⟩ between jumps of a stage.
    pub fn exchange(&self, of: &Blocks, stage: usize) -> &Exchange {
        self.exchanges[stage].get_or_init(|| Exchange::new(of, self, stage))
    }

    /// Gate number `index`, which stays inside the block.
    pub fn gate(&self, of: &Blocks, index: usize) -> &GateMap {
        self.gates[index].get_or_init(|| of.gates[index].on(of, self))
    }

    /// How to trace out what reduction `index` leaves out.
    pub fn reducer(&self, of: &Blocks, index: usize) -> &Reducer {
        self.reducers[index].get_or_init(|| reduce::reducer(of, self, &of.reductions[index]))
    }
}

/// The Hermitian conjugate.
pub fn adjoint(map: &Sparse) -> Sparse {
    map.map(|x| x.conj()).transpose_into().to_csr()
}

impl Blocks {
    /// What `terms` make of a product state: new 2J, new levels, amplitude. `None` where it vanishes.
    pub(super) fn act(&self, monomial: &Monomial, two_j: &mut [u64], levels: &mut [usize]) -> Option<Complex64> {
        self.layout.act(monomial, two_j, levels)
    }

    /// The matrix of `terms` that stay inside the block.
    pub(super) fn inside(&self, block: &Block, terms: &[Monomial]) -> Sparse {
        let d = block.dimension();
        if self.layout.sets.is_some() {
            let space = &block.space;
            let places = self.columns(block, terms, &mut |code| space.place(code as Code));
            return matrix((d, d), places);
        }
        match self.map(block, terms) {
            Some((target, map)) if target == block.id => map,
            _ => CsMatI::zero((d, d)),
        }
    }

    /// The block that `terms` lead to, all of them to the same, and their matrix; `None` when they do nothing.
    pub(super) fn map(&self, block: &Block, terms: &[Monomial]) -> Option<(BlockId, Sparse)> {
        if let Some(sets) = &self.layout.sets {
            let mut set = None;
            let codes = self.columns(block, terms, &mut |code| {
                set.get_or_insert(sets.at(code));
                Some(code)
            });
            let key = Key { charges: vec![set?], ..block.space.key.clone() };
            let to = if key == block.space.key { None } else { Some(self.get(self.find(key))) };
            let space = to.as_ref().map_or(&block.space, |b| &b.space);
            let entries =
                codes.into_iter().filter_map(|(to, from, x)| Some((space.place(to as Code)?, from, x))).collect();
            let shape = (space.dimension(), block.dimension());
            return Some((to.as_ref().map_or(block.id, |b| b.id), matrix(shape, entries)));
        }
        let source = &block.space;
        let mut entries: Vec<(u32, u32, Complex64)> = Vec::new();
        let (mut two_j, mut levels) = (source.key.two_j.clone(), vec![0; source.levels.len()]);
        let mut start = levels.clone();
        let mut target = None;
        let (chosen, mut places) = (Chosen::new(&self.layout, terms), Vec::new());
        for from in 0..source.dimension() {
            source.read(from, &mut start);
            chosen.acting(&start, &mut places);
            for term in places.iter().map(|place| &terms[*place]) {
                two_j.copy_from_slice(&source.key.two_j);
                levels.copy_from_slice(&start);
                let Some(amplitude) = self.act(term, &mut two_j, &mut levels) else { continue };
                let to = target.get_or_insert_with(|| {
                    let key = key_of(&self.layout, &self.charges, &two_j, &levels);
                    if key == source.key { None } else { Some(self.get(self.find(key))) }
                });
                let space = to.as_ref().map_or(source, |b| &b.space);
                if let Some(place) = space.index(&levels) {
                    entries.push((place as u32, from as u32, amplitude));
                }
            }
        }
        let to = target?;
        let (id, rows) = to.map_or((block.id, source.dimension()), |b| (b.id, b.dimension()));
        let entries = entries.into_iter().map(|(row, column, value)| (row as usize, column as usize, value));
        Some((id, matrix((rows, source.dimension()), entries.collect())))
    }

    /// What `terms` make of each state of a block that is a set of product states: (what `place` makes of its code, column,
    /// amplitude), without what adds up to 0.
    fn columns(
        &self,
        block: &Block,
        terms: &[Monomial],
        place: &mut dyn FnMut(usize) -> Option<usize>,
    ) -> Vec<(usize, usize, Complex64)> {
        let source = &block.space;
        let (chosen, mut places) = (Chosen::new(&self.layout, terms), Vec::new());
        let mut start = vec![0; source.levels.len()];
        let (mut two_j, mut levels) = (source.key.two_j.clone(), start.clone());
        let mut all = Vec::new();
        for from in 0..source.dimension() {
            source.read(from, &mut start);
            chosen.acting(&start, &mut places);
            let mut column = Column::default();
            for term in places.iter().map(|place| &terms[*place]) {
                levels.copy_from_slice(&start);
                if let Some(amplitude) = self.act(term, &mut two_j, &mut levels) {
                    column.add(source.code(&levels) as usize, amplitude);
                }
            }
            all.extend(column.left().filter_map(|(code, amplitude)| Some((place(code)?, from, amplitude))));
        }
        all
    }
}

/// A matrix of its elements, those given twice added.
fn matrix(shape: (usize, usize), entries: Vec<(usize, usize, Complex64)>) -> Sparse {
    let mut matrix = TriMatI::<Complex64, u32>::with_capacity(shape, entries.len());
    entries.into_iter().for_each(|(row, column, value)| matrix.add_triplet(row, column, value));
    matrix.to_csr()
}
