//! Which blocks there are, the initial state on them, and resets.

use super::generator::Density;
use crate::error::RunError;
use crate::problem::{Kind, SubsystemId};
use crate::space::blocks::{Block, BlockId, BlockStep, Blocks, Part, PartState, place, rotate};
use num_complex::Complex64;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Most product states of a mixed initial state that are looked through.
const MOST_PRODUCTS: usize = 2_000_000;

/// Most cells of an ensemble whose initial state is turned, a matrix of (N + 1)², or mixed, of all spins.
const MOST_TURNED: u64 = 2_000;
const MOST_MIXED: u64 = 20_000;

/// 2J, levels of row and column, and the element of a fresh state.
type Fresh = (Vec<u64>, Vec<usize>, Vec<usize>, Complex64);

/// The averaged state of some slots: one matrix for each set of spins.
type PartMixture = (Vec<usize>, Vec<PartState>);

fn mixtures(blocks: &Blocks, parts: &[Part]) -> Vec<PartMixture> {
    parts.iter().map(|part| (part.slots.clone(), part.density(&blocks.layout))).collect()
}

/// What the system starts in.
fn start(blocks: &Blocks) -> Vec<PartMixture> {
    mixtures(blocks, blocks.start.parts())
}

/// Every product of one occupied state of each part, as 2J and levels.
fn products(
    mixtures: &[PartMixture],
    two_j: &mut [u64],
    levels: &mut [usize],
    visit: &mut dyn FnMut(&[u64], &[usize]),
) {
    let Some(((slots, states), rest)) = mixtures.split_first() else { return visit(two_j, levels) };
    for state in states {
        place(two_j, slots, &state.two_j);
        for (own, index) in &state.basis {
            if state.matrix[(*index, *index)].re > 0.0 {
                place(levels, slots, own);
                products(rest, two_j, levels, visit);
            }
        }
    }
}

/// The blocks that the initial state occupies.
///
/// # Errors
/// [`RunError::TooLarge`] when it has too many product states to look through.
pub fn blocks(blocks: &Blocks) -> Result<Vec<BlockId>, RunError> {
    for (part, state) in blocks.problem().subsystems.iter().zip(&blocks.problem().initial) {
        let most = match state.cell() {
            Some((_, coherence)) if coherence != Complex64::ZERO => MOST_TURNED,
            Some((p, _)) if p > 0.0 && p < 1.0 => MOST_MIXED,
            _ => continue,
        };
        if matches!(part.kind, Kind::Ensemble { .. }) && part.cells() > most {
            return Err(RunError::TooLarge {
                what: format!("the initial density matrix of {}", part.name),
                needed: format!("{} cells", part.cells()),
                limit: format!("{most}"),
                advice: "sample it".into(),
            });
        }
    }
    let all = start(blocks);
    let of_part = |(_, states): &PartMixture| states.iter().map(|s| s.basis.len()).sum::<usize>();
    let count = all.iter().map(of_part).try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX);
    let slots = blocks.layout.slots.len();
    if !blocks.has_charges() && all.iter().all(|(_, states)| states.len() == 1) {
        let mut two_j = vec![0; slots];
        all.iter().for_each(|(own, states)| place(&mut two_j, own, &states[0].two_j));
        return Ok(vec![blocks.block_of(&two_j, &vec![0; slots])]);
    }
    if count > MOST_PRODUCTS {
        return Err(RunError::TooLarge {
            what: "the mixed initial state".into(),
            needed: format!("{count} product states"),
            limit: format!("{MOST_PRODUCTS}"),
            advice: "sample it".into(),
        });
    }
    let mut found = BTreeSet::new();
    let (mut two_j, mut levels) = (vec![0; slots], vec![0; slots]);
    products(&all, &mut two_j, &mut levels, &mut |two_j, levels| {
        found.insert(blocks.block_of(two_j, levels));
    });
    Ok(found.into_iter().collect())
}

/// The blocks one jump, pulse or reset away.
pub fn neighbours(of: &Blocks, block: &Block) -> BTreeSet<BlockId> {
    let mut found: BTreeSet<BlockId> = block.jumps(of).iter().map(|jump| jump.target).collect();
    let mut levels = vec![0; block.space.levels.len()];
    for step in &of.steps {
        match step {
            BlockStep::Rotate(..) => {
                let mut psi = vec![Complex64::ZERO; block.dimension()];
                if let Some(first) = psi.first_mut() {
                    *first = Complex64::ONE;
                    let to = rotate::pulse(of, block, &mut psi, step);
                    found.extend(to);
                }
            }
            BlockStep::Reset(_, parts) => {
                let fresh = mixtures(of, parts);
                for index in 0..block.dimension() {
                    block.space.read(index, &mut levels);
                    let mut two_j = block.space.key.two_j.clone();
                    products(&fresh, &mut two_j, &mut levels, &mut |two_j, levels| {
                        found.insert(of.block_of(two_j, levels));
                    });
                }
            }
            BlockStep::Unitary(_) | BlockStep::Evolve(_) => {}
        }
    }
    found
}

/// ρ on the reached blocks: products of the parts' elements.
///
/// # Errors
/// None in practice; the blocks were found from the same state.
pub fn density(of: &Blocks, reached: &[Arc<Block>]) -> Result<Density, RunError> {
    let all = start(of);
    let own = |of: &[usize], all: &[usize]| of.iter().map(|slot| all[*slot]).collect::<Vec<_>>();
    let mut rho = Vec::with_capacity(reached.len());
    for block in reached {
        let d = block.dimension();
        let mut matrix = vec![Complex64::ZERO; d * d];
        // The matrix of each part that has the block's spins; a block without one is not occupied.
        let parts: Option<Vec<(&[usize], &PartState)>> = all
            .iter()
            .map(|(slots, states)| {
                let has =
                    |s: &&PartState| slots.iter().zip(&s.two_j).all(|(slot, j)| block.space.key.two_j[*slot] == *j);
                Some((&slots[..], states.iter().find(has)?))
            })
            .collect();
        if let Some(parts) = parts {
            let mut levels = vec![0; block.space.levels.len()];
            let places: Vec<Option<Vec<usize>>> = (0..d)
                .map(|index| {
                    block.space.read(index, &mut levels);
                    parts.iter().map(|(slots, state)| state.basis.get(&own(slots, &levels)).copied()).collect()
                })
                .collect();
            for (i, a) in places.iter().enumerate() {
                let Some(a) = a else { continue };
                for (j, b) in places.iter().enumerate() {
                    let Some(b) = b else { continue };
                    let factors = parts.iter().zip(a.iter().zip(b));
                    matrix[i * d + j] = factors.map(|((_, state), (x, y))| state.matrix[(*x, *y)]).product();
                }
            }
        }
        rho.push(matrix);
    }
    Ok(rho)
}

/// Tr_S ρ ⊗ ρ_S.
///
/// # Errors
/// [`RunError::Numerics`] when a target block was not reached, which the search for blocks excludes.
pub fn replaced(
    of: &Blocks,
    reached: &[Arc<Block>],
    places: &HashMap<BlockId, usize>,
    rho: &Density,
    (subsystem, parts): (SubsystemId, &[Part]),
) -> Result<Density, RunError> {
    let slots = of.layout.of[subsystem.index()].clone();
    let mut fresh: Vec<Fresh> = vec![(vec![], vec![], vec![], Complex64::ONE)];
    for (_, states) in mixtures(of, parts) {
        let mut longer = Vec::new();
        for (two_j, a, b, c) in &fresh {
            for part in &states {
                for x in part.basis.keys() {
                    for y in part.basis.keys() {
                        let element = part.element(x, y);
                        if element != Complex64::ZERO {
                            let joined = |v: &Vec<usize>, w: &Vec<usize>| [&v[..], &w[..]].concat();
                            longer.push((
                                [&two_j[..], &part.two_j[..]].concat(),
                                joined(a, x),
                                joined(b, y),
                                c * element,
                            ));
                        }
                    }
                }
            }
        }
        fresh = longer;
    }
    let mut image: Density = reached.iter().map(|b| vec![Complex64::ZERO; b.dimension().pow(2)]).collect();
    let n = of.layout.slots.len();
    let (mut row, mut column) = (vec![0; n], vec![0; n]);
    for (block, rho) in reached.iter().zip(rho) {
        let d = block.dimension();
        for i in 0..d {
            for j in 0..d {
                let value = rho[i * d + j];
                if value == Complex64::ZERO {
                    continue;
                }
                block.space.read(i, &mut row);
                block.space.read(j, &mut column);
                if row[slots.clone()] != column[slots.clone()] {
                    continue;
                }
                for (spins, a, b, c) in &fresh {
                    let mut two_j = block.space.key.two_j.clone();
                    two_j[slots.clone()].copy_from_slice(spins);
                    row[slots.clone()].copy_from_slice(a);
                    column[slots.clone()].copy_from_slice(b);
                    let Some(&to) = places.get(&of.block_of(&two_j, &row)) else {
                        let reason = "a reset leads to a block that was not found".into();
                        return Err(RunError::Numerics { method: "the reset on blocks", reason });
                    };
                    let space = &reached[to].space;
                    if let (Some(x), Some(y)) = (space.index(&row), space.index(&column)) {
                        let e = reached[to].dimension();
                        image[to][x * e + y] += value * c;
                    }
                }
            }
        }
    }
    Ok(image)
}
