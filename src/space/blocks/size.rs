//! Whether the blocks of a problem can be found and held.

use super::charges::Charge;
use super::{BlockStep, Blocks, Slot, refuse};
use crate::error::CompileError;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Most states of a block; a vector of them takes 16 bytes each, an evolution some thirty vectors.
const MOST_STATES: f64 = (1u64 << 24) as f64;
/// Most product states that are looked through to find those of a block.
const MOST_LOOKED_THROUGH: f64 = (1u64 << 26) as f64;
/// Most product states that have numbers.
const MOST_NUMBERED: f64 = (1u128 << 126) as f64;
/// Largest value of a charge up to which the states of each value are counted.
const MOST_COUNTED: i64 = 1 << 12;

impl Blocks {
    /// Number of states of the block that a trajectory starts in.
    pub fn first_size(&self) -> usize {
        self.start.draw(self, &mut ChaCha8Rng::seed_from_u64(0)).psi.len()
    }

    /// The largest spins there can be, and with them the largest number of states to look through or to hold.
    pub(super) fn check_size(&self) -> Result<(), CompileError> {
        let mut levels: Vec<f64> = self
            .layout
            .slots
            .iter()
            .map(|slot| match slot {
                Slot::Spin { cells } => *cells as f64 + 1.0,
                other => other.levels(0) as f64,
            })
            .collect();
        let all: f64 = levels.iter().product();
        if self.layout.at_most.is_some() {
            let states = self.layout.states_of_few_quanta();
            if states > MOST_STATES || all >= MOST_NUMBERED {
                return Err(refuse(
                    self.style,
                    format!(
                        "{states:.3e} states of at most so many quanta, more than 2^24, or levels of {all:.1e} states, more than 2^126"
                    ),
                ));
            }
            return Ok(());
        }
        if self.charges.is_empty() || self.layout.sets.is_some() {
            return if all <= MOST_STATES {
                Ok(())
            } else {
                Err(refuse(
                    self.style,
                    format!(
                        "a block has up to {all:.3e} states, {:.1e} bytes a vector, more than 2^24 = {MOST_STATES:.2e}",
                        16.0 * all
                    ),
                ))
            };
        }
        levels.sort_by(f64::total_cmp);
        let others: f64 = levels.iter().rev().skip(1).product();
        if others <= MOST_LOOKED_THROUGH && all < MOST_NUMBERED {
            return Ok(());
        }
        let reason = match self.most_reached() {
            Some(states) if states <= MOST_STATES && all < MOST_NUMBERED => return Ok(()),
            Some(states) => {
                format!("a block that is reached has up to {states:.3e} states, more than 2^24 = {MOST_STATES:.2e}")
            }
            None => format!("a block has up to {others:.3e} states, more than 2^26 = {MOST_LOOKED_THROUGH:.2e}"),
        };
        Err(refuse(self.style, reason))
    }

    /// The most states of a block that is ever reached, by a charge that no jump raises: blocks of more than it begins with stay
    /// empty. `None` where there is no such charge.
    fn most_reached(&self) -> Option<f64> {
        let only_evolves = self.steps.iter().all(|step| matches!(step, BlockStep::Evolve(_)));
        if !only_evolves || self.layout.slots.iter().any(|slot| matches!(slot, Slot::Spin { .. })) {
            return None;
        }
        let terms = || self.jumps.iter().flat_map(|jump| jump.terms.iter().chain(jump.more.iter().flatten()));
        let falls = |charge: &&Charge| !charge.is_parity() && terms().all(|term| charge.shift(&self.layout, term) <= 0);
        let states = |charge: &Charge| {
            let value = |slot: usize, level: usize| charge.of_level(slot, &self.layout.slots[slot], 0, level);
            let begins = self.start.parts().iter().map(|part| part.most(&value)).sum::<Option<i64>>()?;
            let most = usize::try_from(begins.min(MOST_COUNTED + 1)).ok().filter(|_| begins <= MOST_COUNTED)?;
            Some(charge.states(&self.layout, most)?.into_iter().fold(0.0, f64::max))
        };
        self.charges.iter().filter(falls).filter_map(states).min_by(f64::total_cmp)
    }
}
