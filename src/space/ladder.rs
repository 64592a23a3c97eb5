//! The ladder: one state |J, M⟩ per block and ensemble, so that a trajectory is a classical jump process and N may
//! reach 10⁷. Exact when every jump and every pulse takes a |J, M⟩ to a |J', M'⟩ (`docs/physics.md` §2.3).

use super::angular::Rung;
use super::blocks::rotate::half_turns;
use super::blocks::spin_states;
use crate::battery::Battery;
use crate::error::CompileError;
use crate::problem::{
    Axis, Channel, Factor, Initial, Kind, Linear, Op, OpSum, Problem, Quantity, Reach, Step, SubsystemId,
};
use num_complex::Complex64;
use rand::{Rng, RngExt};
use rand_distr::Binomial;
use statrs::function::factorial::ln_binomial;

/// What a jump of a channel does to the rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// S⁻ with weight (J+M)(J−M+1).
    CollectiveLower,
    /// S⁺ with weight (J−M)(J+M+1).
    CollectiveRaise,
    /// x·n_e + y·n_g, weight |x·n_e + y·n_g|², which leaves the rung as it is; x, y as (re, im).
    CollectiveDiagonal([f64; 2], [f64; 2]),
    /// σ⁻ on each cell.
    LocalLower,
    /// σ⁺ on each cell.
    LocalRaise,
    /// x|e⟩⟨e| + y|g⟩⟨g| on each cell: |x|², |y|² and |x−y|².
    LocalDiagonal {
        /// |x|², the weight of an excited cell.
        excited: f64,
        /// |y|², the weight of a cell in its ground state.
        ground: f64,
        /// |x − y|², the weight of σz/2, which alone changes J.
        change: f64,
    },
}

/// A channel as one ensemble sees it during a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// Index of the channel in the problem.
    pub channel: usize,
    /// Its rate times |coefficient|².
    pub rate: f64,
    /// What it does.
    pub action: Action,
}

impl Jump {
    /// Rate of this channel on `rung`.
    pub fn weight(&self, rung: &Rung) -> f64 {
        self.rate
            * match self.action {
                Action::CollectiveLower => rung.lowering(),
                Action::CollectiveRaise => rung.raising(),
                Action::CollectiveDiagonal(x, y) => {
                    let part = |i: usize| x[i] * rung.excited() + y[i] * rung.ground();
                    part(0) * part(0) + part(1) * part(1)
                }
                Action::LocalLower => rung.excited(),
                Action::LocalRaise => rung.ground(),
                Action::LocalDiagonal { excited, ground, .. } => excited * rung.excited() + ground * rung.ground(),
            }
    }

    /// Weights of J → J−1 and J → J+1, without the rate.
    fn spin_changes(&self, rung: &Rung) -> [f64; 2] {
        match self.action {
            Action::LocalLower => rung.local_lowering(),
            Action::LocalRaise => rung.local_raising(),
            Action::LocalDiagonal { change, .. } => rung.local_dephasing().map(|w| change * w),
            Action::CollectiveLower | Action::CollectiveRaise | Action::CollectiveDiagonal(..) => [0.0; 2],
        }
    }

    /// Rate of the jumps that shorten the spin of `rung`.
    pub fn shortening(&self, rung: &Rung) -> f64 {
        self.rate * self.spin_changes(rung)[0]
    }

    /// Rate of the jumps that lengthen it.
    pub fn lengthening(&self, rung: &Rung) -> f64 {
        self.rate * self.spin_changes(rung)[1]
    }

    /// Move `rung` by one jump; `share` ∈ \[0, weight/rate) picks between J−1, J+1 and J.
    pub fn apply(&self, rung: &mut Rung, share: f64) {
        let m = match self.action {
            Action::CollectiveLower => return rung.up -= 1.0,
            Action::CollectiveRaise => return rung.up += 1.0,
            Action::CollectiveDiagonal(..) => return,
            Action::LocalLower => -1.0,
            Action::LocalRaise => 1.0,
            Action::LocalDiagonal { .. } => 0.0,
        };
        let [shorter, longer] = self.spin_changes(rung);
        let by = if share < shorter {
            -1.0
        } else if share < shorter + longer {
            1.0
        } else {
            0.0
        };
        rung.shift(by, m);
    }
}

/// A problem compiled for the ladder.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// Number of cells of each ensemble.
    pub cells: Vec<u64>,
    /// Energy ω of a cell of each ensemble.
    pub energies: Vec<f64>,
    /// Initial state of each ensemble.
    pub initial: Vec<Initial>,
    /// The protocol.
    pub steps: Vec<LadderStep>,
    /// Number of cycles.
    pub cycles: u64,
    /// Ensembles of the battery with their ω.
    pub battery: Vec<(SubsystemId, f64)>,
    /// The battery's cells as keys.
    pub keys: Battery,
    /// What is recorded at a row.
    pub linear: Vec<Linear>,
    /// Energy released per jump of each channel.
    pub released: Vec<f64>,
}

/// A step of the protocol on the ladder.
#[derive(Clone, Debug)]
pub enum LadderStep {
    /// A pulse that takes M of one ensemble to −M.
    Flip(SubsystemId),
    /// A pulse that changes no population.
    Idle,
    /// Evolution for some time, with the jumps of each ensemble.
    Evolve {
        /// How long.
        duration: f64,
        /// Of each ensemble.
        jumps: Vec<Vec<Jump>>,
    },
}

fn refuse(reason: String) -> CompileError {
    CompileError { representation: "ladder", reason }
}

impl Ladder {
    /// Compile `problem`.
    ///
    /// # Errors
    /// With the reason, whatever would make a coherence between different M, tie ensembles together, or address
    /// single cells.
    pub fn compile(problem: &Problem) -> Result<Self, CompileError> {
        let mut cells = Vec::new();
        for subsystem in &problem.subsystems {
            match subsystem.kind {
                Kind::Ensemble { cells: n } => cells.push(n),
                _ => return Err(refuse(format!("{} is not an ensemble of identical cells", subsystem.name))),
            }
        }
        if problem.protocol.steps.iter().any(|step| matches!(step, Step::Unitary(_))) {
            return Err(refuse("a gate acts, which may make coherence between different M".into()));
        }
        if !problem.kept_states.is_empty() {
            return Err(refuse("it does not give states of single cells".into()));
        }
        if problem.at_most.is_some() {
            return Err(refuse("it keeps all states, not those of few quanta".into()));
        }
        if problem.battery_hamiltonian.is_some() {
            return Err(refuse("the battery has a Hamiltonian of its own, not Σωn".into()));
        }
        check_hamiltonian(problem)?;
        check_initial(problem)?;
        check_quantities(problem)?;
        let jumps = problem
            .channels
            .iter()
            .enumerate()
            .map(|(index, channel)| compile_channel(index, channel))
            .collect::<Result<Vec<_>, _>>()?;
        let steps = problem
            .protocol
            .steps
            .iter()
            .map(|step| match step {
                Step::Reset { .. } => Err(refuse("resets are not carried".into())),
                Step::Unitary(_) => Ok(LadderStep::Idle), // refused above
                Step::Rotate { subsystem, axis, angle } => compile_rotation(problem, *subsystem, *axis, *angle),
                Step::Evolve { active, duration, .. } => {
                    let of = |e: usize| {
                        let on = jumps.iter().filter(|(of, jump)| of.index() == e && active[jump.channel]);
                        on.map(|(_, jump)| *jump).collect()
                    };
                    Ok(LadderStep::Evolve { duration: *duration, jumps: (0..cells.len()).map(of).collect() })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let keys = Battery::of(problem).ok_or_else(|| refuse("the battery has too many ensembles".into()))?;
        Ok(Self {
            keys,
            cells,
            energies: problem.subsystems.iter().map(|s| s.energy).collect(),
            cycles: problem.protocol.repeat,
            initial: problem.initial.clone(),
            steps,
            battery: problem.battery.iter().map(|&e| (e, problem.subsystems[e].energy)).collect(),
            linear: problem.linear(),
            released: problem.channel_ids().map(|c| problem.released_per_jump(c)).collect(),
        })
    }

    /// Flow out of J = N/2 from `rung` of ensemble `e` during `step` (paper 003, Eq. 120), in the unit of the rates.
    pub fn bright_loss(&self, step: usize, e: SubsystemId, rung: &Rung) -> f64 {
        if rung.singlets != 0.0 {
            return 0.0;
        }
        self.jumps(step, e).iter().map(|jump| jump.shortening(rung)).sum()
    }

    /// Flow into J = N/2, which only states of J = N/2 − 1 feed.
    pub fn bright_return(&self, step: usize, e: SubsystemId, rung: &Rung) -> f64 {
        if rung.singlets != 1.0 {
            return 0.0;
        }
        self.jumps(step, e).iter().map(|jump| jump.lengthening(rung)).sum()
    }

    /// The product states |J, M⟩ ⊗ … that it starts from, with their probabilities; `None` if there are more than `most`.
    pub fn initial_states(&self, most: usize) -> Option<Vec<(f64, Vec<Rung>)>> {
        let mut all = vec![(1.0, Vec::new())];
        for (&cells, initial) in self.cells.iter().zip(&self.initial) {
            let own = spin_states(cells, initial, most)?;
            if all.len() * own.len() > most {
                return None;
            }
            let joined = |(p, before): &(f64, Vec<Rung>), (q, two_j, up): &(f64, u64, u64)| {
                let rung = Rung::new(cells, *two_j, 2 * *up as i64 - *two_j as i64);
                (p * q, [&before[..], &[rung]].concat())
            };
            all = all.iter().flat_map(|one| own.iter().map(move |other| joined(one, other))).collect();
        }
        Some(all)
    }

    /// The jumps of ensemble `e` during `step`; none in a pulse.
    fn jumps(&self, step: usize, e: SubsystemId) -> &[Jump] {
        match &self.steps[step] {
            LadderStep::Evolve { jumps, .. } => &jumps[e.index()],
            LadderStep::Flip(_) | LadderStep::Idle => &[],
        }
    }
}

/// Draw |J, M⟩ from the initial state.
///
/// A product of Gibbs states has weight ν_J p^(N/2+M)(1−p)^(N/2−M): M + N/2 is binomial, and given M the chance of
/// a spin of at least J is C(N, N/2−J)/C(N, N/2−|M|), since the ν_J telescope. In logarithms: ν_J overflows.
pub fn draw_initial(cells: u64, initial: &Initial, rng: &mut impl Rng) -> Rung {
    let n = cells as i64;
    match *initial {
        Initial::Ground => Rung::new(cells, cells, -n),
        Initial::Excited => Rung::new(cells, cells, n),
        Initial::Dicke { two_j, two_m } => Rung::new(cells, two_j, two_m),
        Initial::Cell { excited: 0.0, .. } => Rung::new(cells, cells, -n),
        Initial::Cell { excited: 1.0, .. } => Rung::new(cells, cells, n),
        Initial::Cell { excited, .. } => {
            draw_initial(cells, &Initial::Thermal { ratio: excited / (1.0 - excited) }, rng)
        }
        // States of other kinds of subsystems: the ladder has refused them.
        Initial::Fock(_)
        | Initial::Coherent(_)
        | Initial::Populations(_)
        | Initial::Rotated { .. }
        | Initial::Joint(_)
        | Initial::Alone(_) => Rung::new(cells, cells, -n),
        Initial::Thermal { ratio } => {
            let excited = match Binomial::new(cells, ratio / (1.0 + ratio)) {
                Ok(binomial) => rng.sample(binomial),
                Err(_) => 0, // p is in [0, 1) for every ratio that a problem accepts
            };
            let most = excited.min(cells - excited); // singlet pairs at J = |M|
            let target = ln_binomial(cells, most) + (1.0 - rng.random::<f64>()).ln();
            // The fewest pairs s with C(N, s) ≥ u·C(N, most): J = N/2 − s.
            let (mut low, mut high) = (0, most);
            while low < high {
                let middle = (low + high) / 2;
                if ln_binomial(cells, middle) >= target { high = middle } else { low = middle + 1 }
            }
            Rung::new(cells, cells - 2 * low, 2 * excited as i64 - n)
        }
    }
}

/// Net change of M of each term of `op`, which must act on ensembles alone.
fn shift_of(factors: &[Factor]) -> i64 {
    factors
        .iter()
        .map(|f| match f.op {
            Op::Raise => 1,
            Op::Lower => -1,
            _ => 0,
        })
        .sum()
}

/// A state with coherence within a cell has no definite M.
fn check_initial(problem: &Problem) -> Result<(), CompileError> {
    for (subsystem, initial) in problem.subsystems.iter().zip(&problem.initial) {
        let diagonal = match initial {
            Initial::Dicke { .. } => true,
            other => other.cell().is_some_and(|(_, coherence)| coherence == Complex64::ZERO),
        };
        if !diagonal {
            return Err(refuse(format!("{} starts with coherences between different M", subsystem.name)));
        }
    }
    Ok(())
}

/// What cannot be read off |J, M⟩ of each trajectory.
fn check_quantities(problem: &Problem) -> Result<(), CompileError> {
    let odd = |q: &&Quantity| !matches!(q, Quantity::Ergotropy | Quantity::Efficiency) && q.needs_state();
    let own = |q: &&Quantity| matches!(q, Quantity::Expect(_));
    match problem.quantities.iter().find(odd).or_else(|| problem.quantities.iter().find(own)) {
        Some(quantity) => Err(refuse(format!("it does not give the quantity `{}`", problem.column(quantity)))),
        None => Ok(()),
    }
}

fn check_hamiltonian(problem: &Problem) -> Result<(), CompileError> {
    let drives = problem.drives.iter().flat_map(|d| d.operator.in_ladder_operators().terms);
    for term in problem.hamiltonian.in_ladder_operators().terms.into_iter().chain(drives) {
        for e in problem.subsystem_ids() {
            let own: Vec<Factor> = term.factors.iter().copied().filter(|f| f.subsystem == e).collect();
            if shift_of(&own) != 0 {
                return Err(refuse(format!(
                    "the Hamiltonian changes M of {}, which makes coherences between different M",
                    problem.subsystems[e].name
                )));
            }
        }
    }
    Ok(())
}

fn compile_rotation(problem: &Problem, e: SubsystemId, axis: Axis, angle: f64) -> Result<LadderStep, CompileError> {
    if axis == Axis::Z {
        return Ok(LadderStep::Idle);
    }
    match half_turns(angle) {
        Some(turns) if turns % 2 == 0 => Ok(LadderStep::Idle),
        Some(_) => Ok(LadderStep::Flip(e)),
        None => Err(refuse(format!(
            "a rotation of {} by {angle} about {axis:?} is no multiple of π and makes coherences between different M",
            problem.subsystems[e].name
        ))),
    }
}

fn compile_channel(index: usize, channel: &Channel) -> Result<(SubsystemId, Jump), CompileError> {
    let name = &channel.name;
    if channel.changes() {
        return Err(refuse(format!("channel {name} changes with time")));
    }
    let sum = channel.operator.in_ladder_operators();
    let e = match &channel.reach {
        Reach::Each(e) => *e,
        Reach::Correlated { .. } => return Err(refuse(format!("channel {name} addresses single cells"))),
        Reach::Collective => {
            let mut named: Vec<SubsystemId> = sum.factors().map(|f| f.subsystem).collect();
            named.sort_unstable();
            named.dedup();
            match named[..] {
                [] => SubsystemId::new(0),
                [e] => e,
                _ => return Err(refuse(format!("channel {name} ties several ensembles together"))),
            }
        }
    };
    let action = match channel.reach {
        Reach::Collective => collective_action(&sum),
        _ => local_action(&sum),
    };
    let (weight, action) = action.map_err(|reason| refuse(format!("channel {name}: {reason}")))?;
    Ok((e, Jump { channel: index, rate: channel.rate * weight, action }))
}

/// The 2×2 matrix of a one-cell operator in the basis (e, g), and from it the action with its |coefficient|².
fn local_action(sum: &OpSum) -> Result<(f64, Action), String> {
    let mut matrix = [[Complex64::ZERO; 2]; 2];
    for term in &sum.terms {
        let mut product = [[term.coefficient, Complex64::ZERO], [Complex64::ZERO, term.coefficient]];
        for factor in &term.factors {
            let [e, g] = match factor.op {
                Op::Lower => [[0.0, 0.0], [1.0, 0.0]],
                Op::Raise => [[0.0, 1.0], [0.0, 0.0]],
                Op::Z => [[1.0, 0.0], [0.0, -1.0]],
                Op::Number => [[1.0, 0.0], [0.0, 0.0]],
                other => return Err(format!("{other:?} is no operator of a cell")),
            };
            product = product.map(|[a, b]| [a * e[0] + b * g[0], a * e[1] + b * g[1]]);
        }
        for (row, add) in matrix.iter_mut().zip(product) {
            row[0] += add[0];
            row[1] += add[1];
        }
    }
    let [[ee, eg], [ge, gg]] = matrix;
    match [ee.norm() + gg.norm() > 0.0, ge.norm() > 0.0, eg.norm() > 0.0] {
        [false, true, false] => Ok((ge.norm_sqr(), Action::LocalLower)),
        [false, false, true] => Ok((eg.norm_sqr(), Action::LocalRaise)),
        [_, false, false] => Ok((
            1.0,
            Action::LocalDiagonal { excited: ee.norm_sqr(), ground: gg.norm_sqr(), change: (ee - gg).norm_sqr() },
        )),
        _ => Err("a mixture of σ⁻, σ⁺ and σz makes coherences between different M".into()),
    }
}

fn collective_action(sum: &OpSum) -> Result<(f64, Action), String> {
    let mut coefficient = [Complex64::ZERO; 4]; // of S⁻, S⁺, n_e, n_g; the identity is (n_e + n_g)/N, not needed
    for term in &sum.terms {
        let c = term.coefficient;
        match term.factors[..] {
            [Factor { op: Op::Lower, .. }] => coefficient[0] += c,
            [Factor { op: Op::Raise, .. }] => coefficient[1] += c,
            [Factor { op: Op::Number, .. }] => coefficient[2] += c,
            [Factor { op: Op::Z, .. }] => {
                coefficient[2] += c;
                coefficient[3] -= c;
            }
            _ => return Err("only sums of single collective operators are carried".into()),
        }
    }
    let [lower, raise, x, y] = coefficient;
    match [x.norm() + y.norm() > 0.0, lower.norm() > 0.0, raise.norm() > 0.0] {
        [false, true, false] => Ok((lower.norm_sqr(), Action::CollectiveLower)),
        [false, false, true] => Ok((raise.norm_sqr(), Action::CollectiveRaise)),
        [_, false, false] => Ok((1.0, Action::CollectiveDiagonal([x.re, x.im], [y.re, y.im]))),
        _ => Err("a mixture of S⁻, S⁺ and Sᶻ makes coherences between different M".into()),
    }
}
