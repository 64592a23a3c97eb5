//! Spaces of few quanta: states with at most so many quanta in some of the subsystems, every operator O standing for POP with
//! the projector P on them.

use super::{Axis, Gate, Initial, JointState, Kind, Problem, Step, SubsystemId};
use crate::error::ModelError;

/// The most quanta that are kept, excited cells, photons and numbers of levels added up.
#[derive(Clone, Debug, PartialEq)]
pub struct AtMost {
    /// How many.
    pub quanta: u64,
    /// In which subsystems together.
    pub of: Vec<SubsystemId>,
}

impl Problem {
    /// The most quanta that are kept, if that is limited.
    pub fn at_most(&self) -> Option<&AtMost> {
        self.at_most.as_ref()
    }

    /// Most quanta of a subsystem in a state that it starts in or is reset to.
    fn most_at_start(&self, e: SubsystemId, state: &Initial) -> f64 {
        match (&self.subsystems[e].kind, state) {
            (Kind::Levels { .. }, Initial::Populations(p)) => p.iter().rposition(|p| *p > 0.0).unwrap_or(0) as f64,
            (Kind::Levels { .. }, Initial::Alone(JointState::Kets(kets))) => {
                self.occupied(&[e], kets).flatten().map(|(_, level)| level).max().unwrap_or(0) as f64
            }
            // Of the eigenstates of a Hamiltonian no most can be told.
            (_, Initial::Alone(JointState::GroundState(_) | JointState::Gibbs { .. } | JointState::Spins(_))) => {
                f64::INFINITY
            }
            (Kind::Levels { .. }, _) => 0.0,
            (_, state) => self.held(e, state, 0).1,
        }
    }
}

pub(super) fn check_at_most(problem: &Problem) -> Result<(), ModelError> {
    let Some(AtMost { quanta, of }) = &problem.at_most else { return Ok(()) };
    let invalid = |text: String| Err(ModelError::Invalid(text));
    let mut sorted = of.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let known = sorted.last().is_some_and(|last| last.index() < problem.subsystems.len());
    if !known || sorted.len() != of.len() {
        return invalid("the space of at most so many quanta must be of existing subsystems, each once".into());
    }
    let name = |e: SubsystemId| &problem.subsystems[e].name;
    let mut most = 0.0;
    for e in of {
        match &problem.initial[e.index()] {
            Initial::Joint(_) => {}
            state => most += problem.most_at_start(*e, state),
        }
    }
    for joint in problem.joint.iter().filter(|joint| joint.over.iter().any(|e| of.contains(e))) {
        let JointState::Kets(kets) = &joint.state else {
            let text = format!(
                "{} starts in a state of any number of quanta, and the space has at most {quanta}",
                name(joint.over[0])
            );
            return invalid(text);
        };
        let held = |state: Vec<(SubsystemId, usize)>| -> usize {
            state.iter().filter(|(e, _)| of.contains(e)).map(|(_, level)| level).sum()
        };
        most += problem.occupied(&joint.over, kets).map(held).max().unwrap_or(0) as f64;
    }
    if most > *quanta as f64 {
        return invalid(format!("the state at the start has up to {most} quanta, and the space at most {quanta}"));
    }
    for step in &problem.protocol.steps {
        let touched = match step {
            // About z it turns phases alone.
            Step::Rotate { axis: Axis::Z, .. } => None,
            Step::Rotate { subsystem, .. } => Some((*subsystem, "a pulse turns")),
            Step::Unitary(Gate::Matrix { over, .. }) => {
                over.iter().find(|e| of.contains(e)).map(|e| (*e, "a gate from a matrix acts on"))
            }
            Step::Reset { subsystem, state } if problem.most_at_start(*subsystem, state) > 0.0 => {
                Some((*subsystem, "a reset adds quanta to"))
            }
            _ => None,
        };
        if let Some((e, what)) = touched.filter(|(e, _)| of.contains(e)) {
            return invalid(format!("{what} {}, which a space of at most {quanta} quanta does not hold", name(e)));
        }
    }
    Ok(())
}
