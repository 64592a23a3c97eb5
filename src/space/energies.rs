//! The eigenstates of an operator on some of the subsystems: the levels of a battery Hamiltonian, the state it is lowest in.

use super::blocks::{Layout, Monomial, Slot};
use crate::battery::ln_multiplicity;
use crate::dense::eigen;
use crate::problem::{OpSum, Problem, SubsystemId, digits};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::matrix_free::eigen::{PartialEigenParams, partial_self_adjoint_eigen, partial_self_adjoint_eigen_scratch};
use faer::sparse::{SparseColMat, Triplet};
use faer::{Mat, Par};
use num_complex::Complex64;

/// Most states that an operator is written out in.
const MOST_STATES: usize = 1 << 14;
/// Most states that are coupled to each other of which all eigenstates are worked out, and the sum of their cubes.
const MOST_COUPLED: usize = 3_000;
const MOST_CUBES: f64 = 1e11;
/// Levels nearer than this part of the largest element are one.
const SAME: f64 = 1e-9;

/// Product states that the operator couples with each other, and no others: its matrix between them.
#[derive(Clone, Debug)]
pub struct Coupled {
    /// 2J of the slots; 0 where a slot is no spin.
    pub two_j: Vec<u64>,
    /// ln of the number of equivalent copies.
    pub ln_copies: f64,
    /// The levels of the slots in each state.
    pub states: Vec<Vec<usize>>,
    /// Row, column and value of what is not 0.
    entries: Vec<(usize, usize, Complex64)>,
}

/// The slots of some subsystems.
pub fn slots_of(layout: &Layout, of: &[SubsystemId]) -> Vec<usize> {
    of.iter().flat_map(|e| layout.of[e.index()].clone()).collect()
}

/// The level of each of these slots in product state `index`, the first slot the most significant digit.
pub fn levels_at(layout: &Layout, slots: &[usize], index: usize) -> Vec<usize> {
    digits(index, &slots.iter().map(|slot| layout.slots[*slot].levels(0)).collect::<Vec<_>>())
}

/// What an operator on the slots `slots` makes of one product state of theirs: the new one, and its amplitude.
pub fn images<'a>(
    layout: &'a Layout,
    (slots, two_j): (&'a [usize], &'a [u64]),
    terms: &'a [Monomial],
    state: &'a [usize],
) -> impl Iterator<Item = (Vec<usize>, Complex64)> + 'a {
    let place = |slot: usize| slots.iter().position(|s| *s == slot);
    terms.iter().filter_map(move |term| {
        let (mut levels, mut amplitude) = (state.to_vec(), term.coefficient);
        for &(slot, op) in term.factors.iter().rev() {
            let at = place(slot)?;
            let (_, level, factor) = layout.slots[slot].act(op, two_j[at], levels[at])?;
            levels[at] = level;
            amplitude *= factor;
        }
        Some((levels, amplitude))
    })
}

/// The states of `slots` in sets that `terms` do not leave.
///
/// # Errors
/// With the number of states, when they are too many.
pub fn coupled(layout: &Layout, slots: &[usize], terms: &[Monomial]) -> Result<Vec<Coupled>, String> {
    let spins: Vec<Vec<u64>> = slots
        .iter()
        .map(|slot| match layout.slots[*slot] {
            Slot::Spin { cells } => (0..=cells / 2).map(|pairs| cells - 2 * pairs).collect(),
            _ => vec![0],
        })
        .collect();
    let combinations: f64 = spins.iter().map(|of| of.len() as f64).product();
    let largest: f64 = slots.iter().map(|slot| layout.slots[*slot].most_levels() as f64).product();
    let refuse = |states: f64| Err(format!("{states:.3e} states, more than {MOST_STATES}"));
    if combinations > MOST_STATES as f64 || largest > MOST_STATES as f64 {
        return refuse(largest.max(combinations));
    }
    let (mut all, mut total) = (Vec::new(), 0);
    for number in 0..combinations as usize {
        let mut rest = number;
        let two_j: Vec<u64> = spins
            .iter()
            .map(|of| {
                let chosen = of[rest % of.len()];
                rest /= of.len();
                chosen
            })
            .collect();
        let counts: Vec<usize> = slots.iter().zip(&two_j).map(|(slot, j)| layout.slots[*slot].levels(*j)).collect();
        total += counts.iter().product::<usize>();
        if total > MOST_STATES {
            return refuse(total as f64);
        }
        all.extend(sets(layout, (slots, &two_j), terms, &counts));
    }
    Ok(all)
}

/// Which of `d` states these pairs join, directly or through others: the set of each state and its place in it, and how
/// many sets there are.
pub fn joined(d: usize, pairs: impl Iterator<Item = (usize, usize)>) -> (Vec<(usize, usize)>, usize) {
    // Sets that are joined share a root, the first of their states.
    let mut root: Vec<usize> = (0..d).collect();
    fn find(root: &mut [usize], mut of: usize) -> usize {
        while root[of] != of {
            root[of] = root[root[of]];
            of = root[of];
        }
        of
    }
    for (a, b) in pairs {
        let (a, b) = (find(&mut root, a), find(&mut root, b));
        root[a.max(b)] = a.min(b);
    }
    let mut sizes: Vec<usize> = Vec::new();
    let mut numbers = vec![0; d];
    let places = (0..d)
        .map(|state| {
            let first = find(&mut root, state);
            if first == state {
                numbers[first] = sizes.len();
                sizes.push(0);
            }
            let set = numbers[first];
            sizes[set] += 1;
            (set, sizes[set] - 1)
        })
        .collect();
    (places, sizes.len())
}

/// The same for one set of spins.
fn sets(layout: &Layout, (slots, two_j): (&[usize], &[u64]), terms: &[Monomial], counts: &[usize]) -> Vec<Coupled> {
    let d: usize = counts.iter().product();
    let code = |levels: &[usize]| levels.iter().zip(counts).fold(0, |code, (level, n)| code * n + level);
    let mut entries = Vec::new();
    for from in 0..d {
        for (levels, amplitude) in images(layout, (slots, two_j), terms, &digits(from, counts)) {
            entries.push((code(&levels), from, amplitude));
        }
    }
    let copies = |(slot, j): (&usize, &u64)| match layout.slots[*slot] {
        Slot::Spin { cells } => ln_multiplicity(cells, (cells - j) / 2),
        _ => 0.0,
    };
    let ln_copies = slots.iter().zip(two_j).map(copies).sum();
    let (place, count) = joined(d, entries.iter().map(|(to, from, _)| (*to, *from)));
    let empty = Coupled { two_j: two_j.to_vec(), ln_copies, states: Vec::new(), entries: Vec::new() };
    let mut found = vec![empty; count];
    for (state, (set, _)) in place.iter().enumerate() {
        found[*set].states.push(digits(state, counts));
    }
    for (to, from, value) in entries {
        found[place[from].0].entries.push((place[to].1, place[from].1, value));
    }
    found
}

impl Coupled {
    fn matrix(&self) -> Mat<Complex64> {
        let mut matrix = Mat::<Complex64>::zeros(self.states.len(), self.states.len());
        self.entries.iter().for_each(|&(row, column, value)| matrix[(row, column)] += value);
        matrix
    }

    /// All energies in rising order, with the eigenvectors as columns.
    ///
    /// # Errors
    /// When they are too many, or there are none.
    pub fn eigenstates(&self) -> Result<(Vec<f64>, Mat<Complex64>), String> {
        match self.states.len() {
            d if d > MOST_COUPLED => {
                Err(format!("{d} states that are coupled to each other, more than {MOST_COUPLED}"))
            }
            _ => eigen(self.matrix().as_ref()),
        }
    }

    /// The lowest energy.
    fn lowest(&self) -> Result<f64, String> {
        let d = self.states.len();
        if d <= MOST_COUPLED {
            return Ok(self.eigenstates()?.0[0]);
        }
        // Krylov spaces find what is largest, so the operator is turned and moved to where all of it is above 0.
        let mut sums = vec![0.0; d];
        self.entries.iter().for_each(|(row, _, value)| sums[*row] += value.norm());
        let above = sums.into_iter().fold(0.0, f64::max);
        let turned = self.entries.iter().map(|&(row, column, value)| Triplet::new(row, column, -value));
        let moved = (0..d).map(|i| Triplet::new(i, i, Complex64::from(above)));
        let all: Vec<_> = turned.chain(moved).collect();
        let matrix =
            SparseColMat::<usize, Complex64>::try_new_from_triplets(d, d, &all).map_err(|e| format!("{e:?}"))?;
        let start = Mat::from_fn(d, 1, |i, _| Complex64::from(1.0 + (0.618_033_988_75 * i as f64).fract()));
        let (mut vectors, mut values) = (Mat::<Complex64>::zeros(d, 1), [Complex64::ZERO]);
        let parameters = PartialEigenParams::default();
        let mut memory = MemBuffer::new(partial_self_adjoint_eigen_scratch(&matrix, 1, Par::Seq, parameters));
        let found = partial_self_adjoint_eigen(
            vectors.as_mut(),
            &mut values,
            &matrix,
            start.col(0),
            1e-14,
            Par::Seq,
            MemStack::new(&mut memory),
            parameters,
        );
        match found.n_converged_eigen {
            0 => Err("its lowest level was not found".into()),
            _ => Ok(above - values[0].re),
        }
    }
}

/// The lowest energy of all sets.
///
/// # Errors
/// When they are too large.
pub fn lowest(sets: &[Coupled]) -> Result<f64, String> {
    sets.iter().try_fold(f64::INFINITY, |least, set| Ok(least.min(set.lowest()?)))
}

/// Every energy of an operator over the full space of the subsystems `of`, with the ln of its multiplicity.
///
/// # Errors
/// When there are too many.
pub fn spectrum(problem: &Problem, operator: &OpSum, of: &[SubsystemId]) -> Result<Vec<(f64, f64)>, String> {
    let layout = Layout::new(problem, true);
    let sets = coupled(&layout, &slots_of(&layout, of), &layout.monomials(operator))?;
    let cubes: f64 = sets.iter().map(|set| (set.states.len() as f64).powi(3)).sum();
    if cubes > MOST_CUBES {
        return Err("more levels than can be worked out".into());
    }
    let mut all = Vec::new();
    for set in &sets {
        all.extend(set.eigenstates()?.0.into_iter().map(|energy| (energy, set.ln_copies)));
    }
    Ok(all)
}

/// Eigenstates with their probabilities: the lowest one, which must be alone, or the Gibbs state at inverse temperature
/// `beta`. Each is its 2J and its amplitudes in product states of the slots.
type Mixture = Vec<(f64, Vec<u64>, Vec<(Vec<usize>, Complex64)>)>;

fn ket(set: &Coupled, vectors: &Mat<Complex64>, k: usize) -> Vec<(Vec<usize>, Complex64)> {
    let all = set.states.iter().enumerate().map(|(i, state)| (state.clone(), vectors[(i, k)]));
    all.filter(|(_, x)| *x != Complex64::ZERO).collect()
}

/// The ground state.
///
/// # Errors
/// When it is not the only one, or there are too many states.
pub fn ground_state(sets: &[Coupled]) -> Result<Mixture, String> {
    let mut found: Option<(f64, Mixture)> = None;
    let mut levels = Vec::new();
    let mut scale: f64 = 0.0;
    for set in sets {
        let (energies, vectors) = set.eigenstates()?;
        scale = energies.iter().fold(scale, |most, e| most.max(e.abs()));
        levels.extend(energies.iter().map(|e| (*e, set.ln_copies)));
        if found.as_ref().is_none_or(|(least, _)| energies[0] < *least) {
            found = Some((energies[0], vec![(1.0, set.two_j.clone(), ket(set, &vectors, 0))]));
        }
    }
    let (least, state) = found.ok_or("it has no states")?;
    let ground = levels.iter().filter(|(e, _)| e - least <= SAME * scale.max(f64::MIN_POSITIVE));
    let count: f64 = ground.map(|(_, ln)| ln.exp()).sum();
    match count < 1.5 {
        true => Ok(state),
        false => Err(format!("its lowest level has {count:.0} states, so that no one of them is the ground state")),
    }
}

/// e^{−βH}/Z.
///
/// # Errors
/// When there are too many states.
pub fn gibbs_state(sets: &[Coupled], beta: f64) -> Result<Mixture, String> {
    let mut all = Vec::new();
    for set in sets {
        let (energies, vectors) = set.eigenstates()?;
        all.push((set, energies, vectors));
    }
    let exponent = |e: f64, ln_copies: f64| ln_copies - beta * e;
    let exponents = || all.iter().flat_map(|(set, energies, _)| energies.iter().map(|e| exponent(*e, set.ln_copies)));
    let most = exponents().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = exponents().map(|x| (x - most).exp()).sum();
    let mut mixture = Vec::new();
    for (set, energies, vectors) in &all {
        for (k, e) in energies.iter().enumerate() {
            let p = (exponent(*e, set.ln_copies) - most).exp() / total;
            if p > 0.0 {
                mixture.push((p, set.two_j.clone(), ket(set, vectors, k)));
            }
        }
    }
    Ok(mixture)
}
