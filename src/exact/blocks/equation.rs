//! The state ρ = ⊕ρ_b and its evolution.

use super::generator::{Counting, Density, Generator, Parts};
use super::taylor::{Terms, traced};
use super::{MOST_ELEMENTS, initial};
use crate::error::RunError;
use crate::space::blocks::{Block, BlockId, BlockStep, Blocks, rotate};
use crate::stop::Stop;
use num_complex::Complex64;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Roughly the multiplications of an hour.
const MOST_WORK: f64 = 5e12;

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
    counting: Counting,
    terms: Terms,
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
        let (counting, terms) = (Counting::Off, Terms::default());
        Ok(Self { blocks, reached, place, rho, counters, start: 0.0, stop, generators, counting, terms })
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

    /// Count jumps from now on, or no longer.
    pub fn count(&mut self, counting: Counting) {
        if self.counting != counting {
            self.counting = counting;
            self.generators.clear();
        }
    }

    /// Tr ρ, or of number `m` of what is counted beside it.
    pub fn trace(&self, m: usize) -> f64 {
        let of = |(block, rho): (&Arc<Block>, &Vec<Complex64>)| -> f64 {
            rho.iter().step_by(block.dimension() + 1).map(|x| x.re).sum()
        };
        self.reached.iter().zip(&self.rho[m * self.reached.len()..]).map(of).sum()
    }

    fn generator(&mut self, stage: usize) -> &Generator {
        let (blocks, reached, place, counting) = (self.blocks, &self.reached, &self.place, self.counting);
        self.generators.entry(stage).or_insert_with(|| Generator::new(blocks, (reached, place), stage, counting))
    }

    /// Jumps of a channel per unit of time, in a stage in which its rate does not change.
    pub fn intensity(&mut self, stage: usize, channel: usize) -> f64 {
        self.generator(stage);
        self.generators.get(&stage).map_or(0.0, |generator| traced(&generator.rates[channel], &self.rho))
    }

    /// What acts in a stage without drives that change, for its steady state.
    pub fn parts(&mut self, stage: usize) -> &Parts {
        &self.generator(stage).steady
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
        let Self { generators, rho, counters, start, stop, terms, .. } = self;
        let Some(generator) = generators.get(&stage) else { return Ok(()) };
        let work = generator.work(*start, from, until);
        if !(work <= MOST_WORK) {
            return Err(RunError::TooLarge {
                what: format!("an exact evolution over {}", until - from),
                needed: format!("{work:.1e} multiplications"),
                limit: format!("{MOST_WORK:.0e}"),
                advice: "use a smaller system or a shorter step, or sample it".into(),
            });
        }
        generator.evolve(rho, counters, (*start, from, until), terms, stop)
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
