//! Typed construction of a [`Problem`], and the one place where its consistency is checked.

use super::at_most::check_at_most;
use super::check::{check_operators, check_protocol, check_quantities, check_subsystems};
use super::joint::check_joint;
use super::{
    Acting, AtMost, Axis, BatteryHamiltonian, Channel, ChannelId, Chosen, ChosenId, Drive, Envelope, Gate, Initial,
    Joint, JointState, Kind, Named, Nonlinear, ObservableId, OpSum, Place, Problem, Protocol, Quantity, RateMatrix,
    Reach, Record, Step, StepId, Subsystem, SubsystemId, Zero, even_rows,
};
use crate::error::{ModelError, nearest};

/// Collects the parts of a [`Problem`]; [`build`](Self::build) checks them together.
///
/// dρ/dt = −i\[H, ρ\] + Σ_c rate_c D\[L_c\]ρ with D\[L\]ρ = LρL† − ½(L†Lρ + ρL†L) and ħ = 1 (`docs/physics.md` §1):
/// energies and rates in one unit, times in its inverse. What is set for a subsystem, channel, step or observable
/// that does not exist is an error of [`build`](Self::build).
///
/// ```
/// use leyden::problem::{Axis, Problem, Quantity, sm};
/// let mut p = Problem::builder("a decaying battery");
/// let b = p.ensemble("B", 10, 1.0);
/// p.each("loss", b, sm(b), 1.0);
/// p.rotate(b, Axis::X, std::f64::consts::PI).evolve("storage", 0.5, 4).observe([Quantity::Energy]);
/// p.observe(p.channel_id("loss").map(Quantity::Jumps));
/// let problem = p.build()?;
/// assert_eq!(problem.protocol().row_count(), 5);
/// assert_eq!(problem.step_id("storage").map(|step| step.index()), Some(1)); // the pulse is number 0
/// # Ok::<(), leyden::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProblemBuilder {
    problem: Problem,
    only: Vec<Option<Vec<String>>>,
    drives_only: Vec<Option<Vec<String>>>,
    last_is_drive: bool,
    /// The first thing said of what is not there.
    mistake: Option<String>,
}

impl ProblemBuilder {
    pub(super) fn new(title: &str) -> Self {
        let problem = Problem {
            title: title.to_owned(),
            subsystems: Vec::new(),
            initial: Vec::new(),
            joint: Vec::new(),
            tilt: Vec::new(),
            hamiltonian: OpSum::default(),
            drives: Vec::new(),
            at_most: None,
            by_pattern: false,
            frame_stated: false,
            channels: Vec::new(),
            protocol: Protocol { repeat: 1, steps: Vec::new() },
            battery: Vec::new(),
            battery_hamiltonian: None,
            observables: Vec::new(),
            chosen: Vec::new(),
            kept_states: Vec::new(),
            quantities: Vec::new(),
            record: Record::default(),
        };
        Self { problem, only: Vec::new(), drives_only: Vec::new(), last_is_drive: false, mistake: None }
    }

    /// Begins with a problem that was built.
    pub(super) fn of(problem: Problem) -> Self {
        let (only, drives_only) = (vec![None; problem.channels.len()], vec![None; problem.drives.len()]);
        Self { problem, only, drives_only, last_is_drive: false, mistake: None }
    }

    /// Add any subsystem, initially in its ground state and part of the battery; `energy` is ω ≥ 0 of one quantum.
    pub fn subsystem(&mut self, name: &str, kind: Kind, energy: f64) -> SubsystemId {
        let id = SubsystemId::new(self.problem.subsystems.len());
        self.problem.subsystems.push(Subsystem { name: name.to_owned(), kind, energy, uneven: Vec::new() });
        self.problem.initial.push(Initial::Ground);
        self.problem.tilt.push(0.0);
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
        if let Initial::Alone(state) = state {
            return self.joint([subsystem], state);
        }
        match self.problem.initial.get_mut(subsystem.index()) {
            Some(slot) => *slot = state,
            None => self.not_there("initial", "subsystem", subsystem.index()),
        }
        self
    }

    /// A state that these subsystems start in together, its amplitudes in the order of `over`.
    pub fn joint(&mut self, over: impl IntoIterator<Item = SubsystemId>, state: JointState) -> &mut Self {
        let (over, number) = (over.into_iter().collect::<Vec<_>>(), self.problem.joint.len());
        over.iter().for_each(|id| {
            self.initial(*id, Initial::Joint(number));
        });
        self.problem.joint.push(Joint { over, state });
        self
    }

    /// The battery named so far, and its Hamiltonian.
    #[cfg(feature = "input")]
    pub(crate) fn battery_so_far(&self) -> (Vec<SubsystemId>, OpSum) {
        (self.problem.battery.clone(), self.problem.battery_operator())
    }

    /// The terms of H added so far.
    #[cfg(feature = "input")]
    pub(crate) fn hamiltonian_so_far(&self) -> &OpSum {
        &self.problem.hamiltonian
    }

    /// The joint states added so far.
    #[cfg(feature = "input")]
    pub(crate) fn joint_so_far(&self) -> &[Joint] {
        &self.problem.joint
    }

    /// Turn an ensemble by `angle`, from 0 to π in radians, about y wherever it starts, in the mean field alone: a
    /// fully excited spin vector is a fixed point that fluctuations leave and mean values do not (`docs/physics.md`
    /// §5.2).
    pub fn tilt(&mut self, ensemble: SubsystemId, angle: f64) -> &mut Self {
        match self.problem.tilt.get_mut(ensemble.index()) {
            Some(slot) => *slot = angle,
            None => self.not_there("tilt", "subsystem", ensemble.index()),
        }
        self
    }

    /// Add terms to H, on in every timed step; all of H together must be Hermitian.
    pub fn hamiltonian(&mut self, terms: OpSum) -> &mut Self {
        self.problem.hamiltonian.terms.extend(terms.terms);
        self
    }

    /// Add H_B, Σωn or that of [`battery_energy`](Self::battery_energy), to H: the frame in which nothing rotates. The
    /// battery is the one named so far.
    pub fn battery_hamiltonian(&mut self) -> &mut Self {
        let own = self.problem.battery_operator();
        self.frame_stated().hamiltonian(own)
    }

    /// Keep states of at most so many quanta in these subsystems together, and of every operator O what stays among
    /// them, POP with the projector P on them (`docs/physics.md` §2.5).
    pub fn at_most(&mut self, quanta: u64, of: impl IntoIterator<Item = SubsystemId>) -> &mut Self {
        self.problem.at_most = Some(AtMost { quanta, of: of.into_iter().collect() });
        self
    }

    /// Blocks are looked for in the pattern of matrix elements, not among charges of the operators' products.
    pub(super) fn by_pattern(&mut self) -> &mut Self {
        self.problem.by_pattern = true;
        self
    }

    /// H is in the frame that is meant: no note about it.
    pub fn frame_stated(&mut self) -> &mut Self {
        self.problem.frame_stated = true;
        self
    }

    /// H_B of the battery, where it is not Σωn: what its energy, ergotropy and their kin are against (`docs/physics.md`
    /// §3.2). Hermitian, and on subsystems of the battery alone.
    pub fn battery_energy(&mut self, operator: OpSum, zero: Zero) -> &mut Self {
        self.problem.battery_hamiltonian = Some(BatteryHamiltonian { operator, zero });
        self
    }

    /// Energies ωᵢ of the cells of a network that differ, H_B = Σ ωᵢnᵢ: one a cell, cell 0 first.
    pub fn cell_energies(&mut self, network: SubsystemId, energies: impl IntoIterator<Item = f64>) -> &mut Self {
        match self.problem.subsystems.get_mut(network.index()) {
            Some(part) => part.uneven = energies.into_iter().collect(),
            None => self.not_there("cell_energies", "subsystem", network.index()),
        }
        self
    }

    /// A channel rate·D\[operator\] with one jump operator for the whole system; `rate` ≥ 0 in 1/time.
    pub fn collective(&mut self, name: &str, operator: OpSum, rate: f64) -> &mut Self {
        self.channel(name, operator, rate, Reach::Collective)
    }

    /// A channel rate·Σᵢ D\[operatorᵢ\], the same operator on every cell of `subsystem`, an ensemble or a network;
    /// `rate` ≥ 0 in 1/time.
    pub fn each(&mut self, name: &str, subsystem: SubsystemId, operator: OpSum, rate: f64) -> &mut Self {
        self.channel(name, operator, rate, Reach::Each(subsystem))
    }

    /// A channel rate·Σ_nm R_nm(o_n ρ o_m† − ½{o_m†o_n, ρ}) over the N cells of a network, R the N × N matrix `rates`
    /// (`docs/physics.md` §1, Eq. 1.2).
    pub fn correlated(
        &mut self,
        name: &str,
        subsystem: SubsystemId,
        operator: OpSum,
        rate: f64,
        rates: RateMatrix,
    ) -> &mut Self {
        self.channel(name, operator, rate, Reach::Correlated { subsystem, rates })
    }

    /// A term envelope(t)·operator of H, the operator Hermitian, on in every timed step unless limited by
    /// [`only`](Self::only) right after it.
    pub fn drive(&mut self, name: &str, operator: OpSum, envelope: Envelope) -> &mut Self {
        self.problem.drives.push(Drive { name: name.to_owned(), operator, envelope });
        self.drives_only.push(None);
        self.last_is_drive = true;
        self
    }

    /// Σᵢ δᵢ nᵢ added to H over the cells of a network, δ₀ of cell 0 first.
    pub fn detune(&mut self, network: SubsystemId, detunings: &[f64]) -> &mut Self {
        self.hamiltonian(super::initial::detuned(network, detunings))
    }

    fn channel(&mut self, name: &str, operator: OpSum, rate: f64, reach: Reach) -> &mut Self {
        self.problem.channels.push(Channel {
            name: name.to_owned(),
            operator,
            rate,
            envelope: None,
            modulated: Vec::new(),
            pairs: Vec::new(),
            reach,
        });
        self.only.push(None);
        self.last_is_drive = false;
        self
    }

    /// Add f(t)·operator to the jump operator of the channel added last, a collective one.
    pub fn plus(&mut self, f: Envelope, operator: OpSum) -> &mut Self {
        match self.problem.channels.last_mut() {
            Some(channel) => channel.modulated.push((f, operator)),
            None => self.not_there("plus", "channel", 0),
        }
        self
    }

    /// Let the rate of the channel added last change with time, as so many times what it was given. Where that falls
    /// below 0 there are no jumps: exact solutions follow it, sampling refuses it.
    pub fn in_time(&mut self, envelope: Envelope) -> &mut Self {
        let last = self.problem.channels.len().saturating_sub(1);
        self.rate_in_time(ChannelId::new(last), envelope)
    }

    /// Let the rate of a channel change with time, as so many times what it was given; see [`in_time`](Self::in_time).
    pub fn rate_in_time(&mut self, channel: ChannelId, envelope: Envelope) -> &mut Self {
        match self.problem.channels.get_mut(channel.index()) {
            Some(channel) => channel.envelope = Some(envelope),
            None => self.not_there("rate_in_time", "channel", channel.index()),
        }
        self
    }

    /// Switch the channel or drive added last on only in the named steps.
    pub fn only<S: Into<String>>(&mut self, steps: impl IntoIterator<Item = S>) -> &mut Self {
        let list = if self.last_is_drive { &mut self.drives_only } else { &mut self.only };
        match list.last_mut() {
            Some(last) => *last = Some(steps.into_iter().map(Into::into).collect()),
            None => self.not_there("only", "channel", 0),
        }
        self
    }

    /// An instantaneous rotation exp(−iθ n·S) of the cells of an ensemble or network, S = Σᵢσᵢ/2, θ = `angle` in
    /// radians.
    pub fn rotate(&mut self, subsystem: SubsystemId, axis: Axis, angle: f64) -> &mut Self {
        self.problem.protocol.steps.push(Step::Rotate { subsystem, axis, angle });
        self
    }

    /// An instantaneous unitary, ρ → UρU†.
    pub fn unitary(&mut self, gate: Gate) -> &mut Self {
        self.problem.protocol.steps.push(Step::Unitary(gate));
        self
    }

    /// A timed step of `duration` ≥ 0 with a row at its start and `samples` ≥ 1 evenly spaced further ones.
    pub fn evolve(&mut self, name: &str, duration: f64, samples: usize) -> &mut Self {
        self.evolve_rows(name, duration, even_rows(duration, samples))
    }

    /// A timed step with rows at the given times since its start: two at least, the first 0, the last `duration`, none
    /// earlier than the one before it.
    pub fn evolve_rows(&mut self, name: &str, duration: f64, rows: Vec<f64>) -> &mut Self {
        let step = Step::Evolve { name: name.to_owned(), duration, rows, active: Vec::new(), driven: Vec::new() };
        self.problem.protocol.steps.push(step);
        self
    }

    /// Replace a subsystem S by a fresh one in `state`, ρ → Tr_S ρ ⊗ ρ_S.
    pub fn reset(&mut self, subsystem: SubsystemId, state: Initial) -> &mut Self {
        self.problem.protocol.steps.push(Step::Reset { subsystem, state });
        self
    }

    /// Other rows of the timed step `step` (times since it began, first 0, last its duration).
    pub fn rows(&mut self, step: StepId, times: Vec<f64>) -> &mut Self {
        match self.problem.protocol.steps.get_mut(step.index()) {
            Some(Step::Evolve { rows, .. }) => *rows = times,
            _ => self.not_there("rows", "timed step", step.index()),
        }
        self
    }

    /// Another rate of a channel, in 1/time.
    pub fn rate(&mut self, channel: ChannelId, rate: f64) -> &mut Self {
        match self.problem.channels.get_mut(channel.index()) {
            Some(channel) => channel.rate = rate,
            None => self.not_there("rate", "channel", channel.index()),
        }
        self
    }

    /// Only those of the steps so far that are wanted; those after one that is dropped get another [`StepId`].
    pub fn keep_steps(&mut self, wanted: impl FnMut(&Step) -> bool) -> &mut Self {
        self.problem.protocol.steps.retain(wanted);
        self
    }

    /// Number of cycles.
    pub fn repeat(&mut self, cycles: u64) -> &mut Self {
        self.problem.protocol.repeat = cycles;
        self
    }

    /// A Hermitian operator whose mean makes the column `name` where it is asked for, as [`Quantity::Expect`].
    pub fn observable(&mut self, name: &str, operator: OpSum) -> ObservableId {
        self.problem.observables.push(Named { name: name.to_owned(), operator, range: None });
        ObservableId::new(self.problem.observables.len() - 1)
    }

    /// The least and the greatest value of an observable, as of the eigenvalues of its matrix: what was never seen of it is
    /// bounded by them, in place of the sum over its terms.
    pub fn range_of(&mut self, observable: ObservableId, range: (f64, f64)) -> &mut Self {
        match self.problem.observables.get_mut(observable.index()) {
            Some(named) => named.range = Some(range),
            None => self.not_there("range_of", "observable", observable.index()),
        }
        self
    }

    /// A function of the state of a part, which makes a column where it is asked for as [`Quantity::Chosen`].
    pub fn chosen(&mut self, chosen: Chosen) -> ChosenId {
        let id = ChosenId { number: self.problem.chosen.len(), what: chosen.what };
        self.problem.chosen.push(chosen);
        id
    }

    /// Keep the averaged state of a part at every row, in the table by this name.
    pub fn keep_state(&mut self, name: &str, places: impl IntoIterator<Item = Place>) -> &mut Self {
        self.problem.kept_states.push(self.problem.chosen.len());
        let (what, places) = (Nonlinear::Purity, places.into_iter().collect()); // no number is asked for
        self.problem.chosen.push(Chosen { name: name.to_owned(), what, places, first: 0, target: None });
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

    /// The channel so far called `name`.
    pub fn channel_id(&self, name: &str) -> Option<ChannelId> {
        self.problem.channel_id(name)
    }

    /// The timed step so far called `name`, the first if there are several.
    pub fn step_id(&self, name: &str) -> Option<StepId> {
        self.problem.step_id(name)
    }

    /// Only these output columns instead of those asked for so far.
    pub fn with_only(&mut self, quantities: impl IntoIterator<Item = Quantity>) -> &mut Self {
        self.problem.quantities.clear();
        self.observe(quantities)
    }

    /// What is kept of single runs, in place of what was asked for so far.
    pub fn record(&mut self, record: Record) -> &mut Self {
        self.problem.record = record;
        self
    }

    /// Something was said of what this problem does not have, an id of another one for instance: [`build`](Self::build) tells.
    fn not_there(&mut self, method: &str, kind: &str, number: usize) {
        let text = format!("`{method}` speaks of {kind} number {number}, which this problem does not have");
        self.mistake.get_or_insert(text);
    }

    /// Check everything together.
    ///
    /// # Errors
    /// The first inconsistency found: a number out of range ([`ModelError::OutOfRange`]), a name used twice
    /// ([`ModelError::DuplicateName`]) or unknown ([`ModelError::UnknownName`]); an operator on the wrong kind of
    /// subsystem, a Hamiltonian that is not Hermitian, and whatever else does not fit together
    /// ([`ModelError::Invalid`]).
    pub fn build(&self) -> Result<Problem, ModelError> {
        let mut problem = self.before_limits()?;
        (0..problem.drives.len()).try_for_each(|drive| problem.prepare_drive(drive))?;
        problem.channel_ids().collect::<Vec<_>>().into_iter().try_for_each(|channel| problem.prepare_rate(channel))?;
        problem.check_phases()?;
        Ok(problem)
    }

    /// The same, before it is known whether double precision can follow it: the caller may yet switch off drives in some
    /// of the steps.
    pub(crate) fn before_limits(&self) -> Result<Problem, ModelError> {
        if let Some(text) = &self.mistake {
            return Err(ModelError::Invalid(text.clone()));
        }
        let mut problem = self.problem.clone();
        check_subsystems(&problem)?;
        check_operators(&problem)?;
        check_joint(&problem)?;
        multiply_out(&mut problem);
        check_protocol(&problem)?;
        check_at_most(&problem)?;
        let names: Vec<String> = step_names(&problem);
        let lists = self.only.iter().chain(&self.drives_only).flatten();
        if let Some(name) = lists.flatten().find(|name| !names.contains(name)) {
            let known = nearest(name, names);
            return Err(ModelError::UnknownName { kind: "step", name: name.clone(), known });
        }
        // What was off in a problem that this one began with stays off.
        let on = |lists: &[Option<Vec<String>>], step: &String, before: &[bool]| -> Vec<bool> {
            let listed = |only: &Option<Vec<String>>| only.as_ref().is_none_or(|steps| steps.contains(step));
            let stays = |at: usize| before.get(at).copied().unwrap_or(true);
            lists.iter().enumerate().map(|(at, only)| listed(only) && stays(at)).collect()
        };
        for step in &mut problem.protocol.steps {
            if let Step::Evolve { name, active, driven, .. } = step {
                *active = on(&self.only, name, active);
                *driven = on(&self.drives_only, name, driven);
            }
        }
        check_quantities(&problem)?;
        problem.check_record()?;
        Ok(problem)
    }
}

/// Operators with the products of each cell, level and (where a cutoff would matter) mode multiplied out.
fn multiply_out(problem: &mut Problem) {
    let Problem {
        subsystems, battery_hamiltonian, joint, protocol, hamiltonian, drives, channels, observables, ..
    } = problem;
    let whole = Acting::on(subsystems);
    *hamiltonian = whole.simplified(hamiltonian);
    if let Some(own) = battery_hamiltonian {
        own.operator = whole.simplified(&own.operator);
    }
    for step in &mut protocol.steps {
        match step {
            Step::Unitary(Gate::Exponential(generator)) => *generator = whole.simplified(generator),
            Step::Reset { state: Initial::Alone(state), .. } => {
                state.operator_mut().into_iter().for_each(|operator| *operator = whole.simplified(operator));
            }
            _ => {}
        }
    }
    for Joint { state, .. } in joint {
        state.operator_mut().into_iter().for_each(|operator| *operator = whole.simplified(operator));
    }
    for drive in drives {
        drive.operator = whole.simplified(&drive.operator);
    }
    for observable in observables {
        observable.operator = whole.simplified(&observable.operator);
    }
    for channel in channels {
        let acting = Acting::on_each(subsystems, channel.reach.cells_of());
        channel.operator = acting.simplified(&channel.operator);
        for (_, operator) in &mut channel.modulated {
            *operator = acting.simplified(operator);
        }
    }
}

fn step_names(problem: &Problem) -> Vec<String> {
    let name = |step: &Step| match step {
        Step::Evolve { name, .. } => Some(name.clone()),
        _ => None,
    };
    problem.protocol.steps.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::sm;

    /// What is said of a subsystem or channel of another problem is not passed over in silence.
    #[test]
    fn ids_of_another_problem_are_refused() {
        let of = |change: fn(&mut ProblemBuilder)| {
            let mut p = Problem::builder("one cell");
            let b = p.ensemble("B", 1, 1.0);
            p.collective("loss", sm(b), 1.0).evolve("wait", 1.0, 1).observe([Quantity::Energy]);
            change(&mut p);
            p.build().map_err(|error| error.to_string())
        };
        assert!(of(|p| _ = p.rate(ChannelId::new(0), 0.5)).is_ok());
        let told = |change: fn(&mut ProblemBuilder), text: &str| {
            let error = of(change).unwrap_err();
            assert!(error.contains(text) && error.contains("does not have"), "{error}");
        };
        told(|p| _ = p.initial(SubsystemId::new(1), Initial::Excited), "`initial` speaks of subsystem number 1");
        told(|p| _ = p.rate(ChannelId::new(1), 0.5), "`rate` speaks of channel number 1");
        told(|p| _ = p.rows(StepId::new(3), vec![0.0, 1.0]), "`rows` speaks of timed step number 3");
        told(|p| _ = p.range_of(ObservableId::new(0), (0.0, 1.0)), "`range_of` speaks of observable number 0");
        let empty = Problem::builder("nothing").only(["wait"]).build().unwrap_err().to_string();
        assert!(empty.contains("`only` speaks of channel number 0"), "{empty}");
    }
}
