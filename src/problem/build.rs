//! Typed construction of a [`Problem`], and the one place where its consistency is checked.

use super::{
    Axis, Channel, Initial, Kind, Op, OpSum, Problem, Protocol, Quantity, Reach, Step, Subsystem, SubsystemId,
    even_rows,
};
use crate::error::{ModelError, nearest};
use std::collections::HashSet;

/// Collects the parts of a [`Problem`]; [`build`](Self::build) checks them together.
///
/// ```
/// use leyden::problem::{Axis, Problem, Quantity, sm};
/// let mut p = Problem::builder("a decaying battery");
/// let b = p.ensemble("B", 10, 1.0);
/// p.each("loss", b, sm(b), 1.0);
/// p.rotate(b, Axis::X, std::f64::consts::PI).evolve("storage", 0.5, 4).observe([Quantity::Energy]);
/// assert_eq!(p.build()?.protocol.row_count(), 5);
/// # Ok::<(), leyden::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProblemBuilder {
    problem: Problem,
    only: Vec<Option<Vec<String>>>,
}

impl ProblemBuilder {
    pub(super) fn new(title: &str) -> Self {
        let problem = Problem {
            title: title.to_owned(),
            subsystems: Vec::new(),
            initial: Vec::new(),
            hamiltonian: OpSum::default(),
            channels: Vec::new(),
            protocol: Protocol { repeat: 1, steps: Vec::new() },
            battery: Vec::new(),
            quantities: Vec::new(),
        };
        Self { problem, only: Vec::new() }
    }

    /// Add any subsystem, initially in its ground state and part of the battery.
    pub fn subsystem(&mut self, name: &str, kind: Kind, energy: f64) -> SubsystemId {
        let id = self.problem.subsystems.len();
        self.problem.subsystems.push(Subsystem { name: name.to_owned(), kind, energy });
        self.problem.initial.push(Initial::Ground);
        self.problem.battery.push(id);
        id
    }

    /// Add `cells` identical cells of energy ω = `energy` each.
    pub fn ensemble(&mut self, name: &str, cells: u64, energy: f64) -> SubsystemId {
        self.subsystem(name, Kind::Ensemble { cells }, energy)
    }

    /// Which subsystems make up the battery (all, unless said).
    pub fn battery(&mut self, of: impl IntoIterator<Item = SubsystemId>) -> &mut Self {
        self.problem.battery = of.into_iter().collect();
        self
    }

    /// Initial state of a subsystem.
    pub fn initial(&mut self, subsystem: SubsystemId, state: Initial) -> &mut Self {
        if let Some(slot) = self.problem.initial.get_mut(subsystem) {
            *slot = state;
        }
        self
    }

    /// Add terms to H.
    pub fn hamiltonian(&mut self, terms: OpSum) -> &mut Self {
        self.problem.hamiltonian.terms.extend(terms.terms);
        self
    }

    /// A channel rate·D\[operator\] with one jump operator for the whole system.
    pub fn collective(&mut self, name: &str, operator: OpSum, rate: f64) -> &mut Self {
        self.channel(name, operator, rate, Reach::Collective)
    }

    /// A channel rate·Σᵢ D\[operatorᵢ\], the same operator on every cell of `subsystem`.
    pub fn each(&mut self, name: &str, subsystem: SubsystemId, operator: OpSum, rate: f64) -> &mut Self {
        self.channel(name, operator, rate, Reach::Each(subsystem))
    }

    fn channel(&mut self, name: &str, operator: OpSum, rate: f64, reach: Reach) -> &mut Self {
        self.problem.channels.push(Channel { name: name.to_owned(), operator, rate, reach });
        self.only.push(None);
        self
    }

    /// Switch the channel added last on only in the named steps.
    pub fn only<S: Into<String>>(&mut self, steps: impl IntoIterator<Item = S>) -> &mut Self {
        if let Some(last) = self.only.last_mut() {
            *last = Some(steps.into_iter().map(Into::into).collect());
        }
        self
    }

    /// An instantaneous rotation exp(−iθ n·S).
    pub fn rotate(&mut self, subsystem: SubsystemId, axis: Axis, angle: f64) -> &mut Self {
        self.problem.protocol.steps.push(Step::Rotate { subsystem, axis, angle });
        self
    }

    /// A timed step with a row at its start and `samples` evenly spaced further ones.
    pub fn evolve(&mut self, name: &str, duration: f64, samples: usize) -> &mut Self {
        self.evolve_rows(name, duration, even_rows(duration, samples))
    }

    /// A timed step with rows at the given times since its start (first 0, last `duration`).
    pub fn evolve_rows(&mut self, name: &str, duration: f64, rows: Vec<f64>) -> &mut Self {
        let step = Step::Evolve { name: name.to_owned(), duration, rows, active: Vec::new() };
        self.problem.protocol.steps.push(step);
        self
    }

    /// Number of cycles.
    pub fn repeat(&mut self, cycles: u64) -> &mut Self {
        self.problem.protocol.repeat = cycles;
        self
    }

    /// The output columns, in order; repeated ones count once.
    pub fn observe(&mut self, quantities: impl IntoIterator<Item = Quantity>) -> &mut Self {
        for quantity in quantities {
            if !self.problem.quantities.contains(&quantity) {
                self.problem.quantities.push(quantity);
            }
        }
        self
    }

    /// Check everything together.
    ///
    /// # Errors
    /// The first inconsistency found: a number out of range, a name used twice or unknown, an operator on the wrong
    /// kind of subsystem, a Hamiltonian that is not Hermitian.
    pub fn build(&self) -> Result<Problem, ModelError> {
        let mut problem = self.problem.clone();
        check_subsystems(&problem)?;
        check_operators(&problem)?;
        check_protocol(&problem)?;
        let names: Vec<String> = step_names(&problem);
        for (channel, only) in self.only.iter().enumerate() {
            for name in only.iter().flatten() {
                if !names.contains(name) {
                    return Err(ModelError::UnknownName {
                        kind: "step",
                        name: name.clone(),
                        known: nearest(name, names),
                    });
                }
            }
            for step in &mut problem.protocol.steps {
                if let Step::Evolve { name, active, .. } = step {
                    debug_assert_eq!(active.len(), channel);
                    active.push(only.as_ref().is_none_or(|steps| steps.contains(name)));
                }
            }
        }
        check_quantities(&problem)?;
        Ok(problem)
    }
}

fn step_names(problem: &Problem) -> Vec<String> {
    let name = |step: &Step| match step {
        Step::Evolve { name, .. } => Some(name.clone()),
        Step::Rotate { .. } => None,
    };
    problem.protocol.steps.iter().filter_map(name).collect()
}

fn range(what: String, value: f64, ok: bool, expected: &'static str) -> Result<(), ModelError> {
    if ok { Ok(()) } else { Err(ModelError::OutOfRange { what, value, expected }) }
}

fn distinct<'a>(kind: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), ModelError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ModelError::DuplicateName { kind, name: name.clone() });
        }
    }
    Ok(())
}

/// More cells than this lose exactness of J(J+1) in f64.
pub(crate) const MOST_CELLS: u64 = 50_000_000;

fn check_subsystems(problem: &Problem) -> Result<(), ModelError> {
    if problem.subsystems.is_empty() {
        return Err(ModelError::Invalid("there are no subsystems".into()));
    }
    distinct("subsystem", problem.subsystems.iter().map(|s| &s.name))?;
    for (subsystem, initial) in problem.subsystems.iter().zip(&problem.initial) {
        let name = &subsystem.name;
        range(
            format!("the energy of {name}"),
            subsystem.energy,
            subsystem.energy.is_finite() && subsystem.energy >= 0.0,
            "a finite number ≥ 0",
        )?;
        match &subsystem.kind {
            Kind::Ensemble { cells } => range(
                format!("the number of spins of {name}"),
                *cells as f64,
                (1..=MOST_CELLS).contains(cells),
                "a whole number from 1 to 5·10⁷",
            )?,
            Kind::Network { cells, edges } => {
                range(format!("the number of cells of {name}"), *cells as f64, *cells >= 1, "at least 1")?;
                if let Some((a, b)) = edges.iter().find(|(a, b)| a == b || a.max(b) >= cells) {
                    return Err(ModelError::Invalid(format!(
                        "the edge ({a}, {b}) of {name} does not join two different cells in 0..{cells}"
                    )));
                }
            }
            Kind::Mode { cutoff } => {
                range(format!("the cutoff of {name}"), *cutoff as f64, *cutoff >= 2, "at least 2")?
            }
            Kind::Levels { energies } => {
                range(
                    format!("the number of levels of {name}"),
                    energies.len() as f64,
                    energies.len() >= 2,
                    "at least 2",
                )?;
                let odd = energies.iter().find(|e| !e.is_finite()).copied();
                range(format!("a level of {name}"), odd.unwrap_or(0.0), odd.is_none(), "a finite number")?;
            }
        }
        check_initial(subsystem, initial)?;
    }
    let mut battery = problem.battery.clone();
    battery.sort_unstable();
    battery.dedup();
    let known = battery.last().is_some_and(|last| *last < problem.subsystems.len());
    match known && battery.len() == problem.battery.len() {
        true => Ok(()),
        false => {
            Err(ModelError::Invalid("the battery must name existing subsystems, each once, and at least one".into()))
        }
    }
}

fn check_initial(subsystem: &Subsystem, initial: &Initial) -> Result<(), ModelError> {
    let name = &subsystem.name;
    match (*initial, &subsystem.kind) {
        (Initial::Ground, _) => Ok(()),
        (Initial::Excited, Kind::Ensemble { .. } | Kind::Network { .. }) => Ok(()),
        (Initial::Thermal { ratio }, Kind::Ensemble { .. } | Kind::Network { .. }) => range(
            format!("the Boltzmann ratio of {name}"),
            ratio,
            ratio.is_finite() && ratio >= 0.0,
            "a finite number ≥ 0 (p_e/p_g)",
        ),
        (Initial::Dicke { two_j, two_m }, Kind::Ensemble { cells }) => {
            let j = two_j as f64 / 2.0;
            range(
                format!("J of {name}"),
                j,
                two_j <= *cells && (cells - two_j).is_multiple_of(2),
                "a value from N/2 down to 0 or 1/2 in steps of 1",
            )?;
            range(
                format!("M of {name}"),
                two_m as f64 / 2.0,
                two_m.unsigned_abs() <= two_j && (two_m.unsigned_abs() + two_j).is_multiple_of(2),
                "a value from −J to J in steps of 1",
            )
        }
        (other, kind) => Err(ModelError::Invalid(format!("{name} ({kind:?}) cannot start in the state {other:?}"))),
    }
}

fn check_operators(problem: &Problem) -> Result<(), ModelError> {
    distinct("channel", problem.channels.iter().map(|c| &c.name))?;
    for channel in &problem.channels {
        let what = format!("the operator of channel {}", channel.name);
        let positive = channel.rate.is_finite() && channel.rate >= 0.0;
        range(format!("the rate of channel {}", channel.name), channel.rate, positive, "a finite number ≥ 0")?;
        check_sum(problem, &channel.operator, &what)?;
        if let Reach::Each(subsystem) = channel.reach {
            let kind = problem.subsystems.get(subsystem).map(|s| &s.kind);
            if !matches!(kind, Some(Kind::Ensemble { .. } | Kind::Network { .. })) {
                return Err(ModelError::Invalid(format!("{what}: `each` needs an ensemble or a network of cells")));
            }
            if channel.operator.factors().any(|f| f.subsystem != subsystem || f.site.is_some()) {
                return Err(ModelError::Invalid(format!(
                    "{what}: an operator on each cell of {} cannot act on anything else",
                    problem.subsystems[subsystem].name
                )));
            }
        }
    }
    check_sum(problem, &problem.hamiltonian, "the Hamiltonian")?;
    let difference = (problem.hamiltonian.clone() - problem.hamiltonian.adjoint()).in_ladder_operators();
    let largest = problem.hamiltonian.terms.iter().map(|t| t.coefficient.norm()).fold(0.0, f64::max);
    match difference.terms.iter().find(|t| t.coefficient.norm() > 1e-12 * largest) {
        Some(term) => Err(ModelError::Invalid(format!(
            "the Hamiltonian is not Hermitian: H − H† contains {} × a product of {} operators; add the conjugate term",
            term.coefficient,
            term.factors.len()
        ))),
        None => Ok(()),
    }
}

fn check_sum(problem: &Problem, sum: &OpSum, what: &str) -> Result<(), ModelError> {
    if let Some(term) = sum.terms.iter().find(|t| !t.coefficient.re.is_finite() || !t.coefficient.im.is_finite()) {
        return Err(ModelError::Invalid(format!("{what} has the coefficient {}", term.coefficient)));
    }
    for factor in sum.factors() {
        let subsystem = problem
            .subsystems
            .get(factor.subsystem)
            .ok_or_else(|| ModelError::Invalid(format!("{what} names a subsystem that does not exist")))?;
        let fits = match (&subsystem.kind, factor.op) {
            (Kind::Ensemble { .. }, Op::Lower | Op::Raise | Op::X | Op::Y | Op::Z | Op::Number) => {
                factor.site.is_none()
            }
            (Kind::Network { cells, .. }, Op::Lower | Op::Raise | Op::X | Op::Y | Op::Z | Op::Number) => {
                factor.site.is_none_or(|site| site < *cells)
            }
            (Kind::Mode { .. }, Op::Annihilate | Op::Create | Op::Number) => factor.site.is_none(),
            (Kind::Levels { energies }, Op::Transition(i, j)) => factor.site.is_none() && i.max(j) < energies.len(),
            _ => false,
        };
        if !fits {
            return Err(ModelError::Invalid(format!(
                "{what}: {:?} cannot act on {} ({:?})",
                factor.op, subsystem.name, subsystem.kind
            )));
        }
    }
    Ok(())
}

/// Rows are held in memory, one line each.
pub(crate) const MOST_ROWS: u64 = 10_000_000;

fn check_protocol(problem: &Problem) -> Result<(), ModelError> {
    let protocol = &problem.protocol;
    range("the number of cycles".into(), protocol.repeat as f64, protocol.repeat >= 1, "at least 1")?;
    if !protocol.steps.iter().any(|s| matches!(s, Step::Evolve { .. })) {
        return Err(ModelError::Invalid("the protocol has no timed step".into()));
    }
    for step in &protocol.steps {
        match step {
            Step::Rotate { subsystem, angle, .. } => {
                let kind = problem.subsystems.get(*subsystem).map(|s| &s.kind);
                if !matches!(kind, Some(Kind::Ensemble { .. } | Kind::Network { .. })) {
                    return Err(ModelError::Invalid("a rotation needs an ensemble or a network of cells".into()));
                }
                range("a rotation angle".into(), *angle, angle.is_finite(), "a finite number")?;
            }
            Step::Evolve { name, duration, rows, .. } => {
                let good = duration.is_finite() && *duration >= 0.0;
                range(format!("the duration of step {name}"), *duration, good, "a finite number ≥ 0")?;
                let ordered = rows.first() == Some(&0.0)
                    && rows.last() == Some(duration)
                    && rows.windows(2).all(|w| w[0] <= w[1])
                    && rows.len() >= 2;
                if !ordered {
                    return Err(ModelError::Invalid(format!(
                        "the rows of step {name} must rise from 0 to its duration {duration}"
                    )));
                }
            }
        }
    }
    let per_cycle: usize = protocol.steps.iter().map(Protocol::rows_of).sum();
    let rows = protocol.repeat.saturating_mul(per_cycle as u64);
    range("the number of output rows".into(), rows as f64, rows <= MOST_ROWS, "at most 10⁷")
}

fn check_quantities(problem: &Problem) -> Result<(), ModelError> {
    if problem.quantities.is_empty() {
        return Err(ModelError::Invalid("no quantity is asked for".into()));
    }
    for quantity in &problem.quantities {
        if let Quantity::Magnetisation(e) | Quantity::MagnetisationVariance(e) | Quantity::SpinLength(e) = quantity
            && !matches!(problem.subsystems.get(*e).map(|s| &s.kind), Some(Kind::Ensemble { .. }))
        {
            return Err(ModelError::Invalid("M and S are quantities of an ensemble of spins".into()));
        }
        if matches!(quantity, Quantity::Released(_)) {
            (0..problem.channels.len()).try_for_each(|channel| problem.release(channel).map(|_| ()))?;
        }
        let missing = match *quantity {
            Quantity::Jumps(channel) => channel >= problem.channels.len(),
            Quantity::Released(Some(step)) => problem.protocol.name(step).is_empty(),
            _ => false,
        };
        if missing {
            return Err(ModelError::Invalid(format!("{quantity:?} names a channel or step that does not exist")));
        }
    }
    Ok(())
}
