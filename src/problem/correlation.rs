//! Two-time correlations ⟨A(t+τ)B(t)⟩ as they are asked for; the regression theorem gives them (`docs/physics.md` §3.4).

use super::check::check_sum;
use super::{Acting, OpSum, Problem, Step, StepId};
use crate::error::ModelError;
use num_complex::Complex64;

/// Most delays of one correlation.
pub const MOST_DELAYS: u64 = 100_000;

/// When t is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Long after the step began: in the state in which it settles.
    Steady,
    /// At the first row of the step, in the last cycle.
    Start,
    /// At the last row of the step, in the last cycle.
    End,
}

/// C(τ) = ⟨A(t+τ)B(t)⟩ = Tr\[A e^{Lτ}(Bρ(t))\], or with C the form in time order ⟨C(t)A(t+τ)B(t)⟩ = Tr\[A e^{Lτ}(Bρ(t)C)\],
/// L the generator of one timed step.
///
/// [`new`](Self::new) is what is mostly asked; `Correlation { c: Some(ad(m)), ..Correlation::new(…) }` names what differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation {
    /// A, at the time t + τ.
    pub a: OpSum,
    /// B, at the time t on the left of ρ.
    pub b: OpSum,
    /// C, at the time t on the right of ρ; `None` is the identity.
    pub c: Option<OpSum>,
    /// When t is.
    pub from: When,
    /// The timed step whose generator it is; `None` is the last one.
    pub step: Option<StepId>,
    /// The delays τ ≥ 0 in units of time, rising, from 1 to [`MOST_DELAYS`] of them.
    pub delays: Vec<f64>,
    /// Whether C(τ) is divided by ⟨A(t+τ)⟩·Tr\[Bρ(t)C\]: a pure number then, and otherwise in the unit of the
    /// operators.
    pub normalised: bool,
}

/// What a correlation is of, once it is known to make sense.
#[derive(Clone, Debug)]
pub struct Regression {
    /// Index of the step in the protocol.
    pub step: usize,
    /// A, B and C, the identity where there is none, with their products multiplied out.
    pub operators: [OpSum; 3],
}

impl Correlation {
    /// ⟨A(t+τ)B(t)⟩ in the steady state of the last timed step.
    pub fn new(a: OpSum, b: OpSum, delays: Vec<f64>) -> Self {
        Self { a, b, c: None, from: When::Steady, step: None, delays, normalised: false }
    }

    /// The step and the operators, if the correlation has a meaning for `problem`.
    ///
    /// # Errors
    /// [`ModelError`] for an operator that does not fit its subsystem, delays that are negative or do not rise, a step that
    /// is not timed, a generator that changes with time, or the steady state of a protocol that repeats.
    pub fn regression(&self, problem: &Problem) -> Result<Regression, ModelError> {
        let c = self.c.clone().unwrap_or_else(|| OpSum::scalar(Complex64::ONE));
        let operators = [&self.a, &self.b, &c];
        operators.iter().try_for_each(|sum| check_sum(problem, sum, "the operator of a correlation"))?;
        self.check_delays()?;
        let step = self.generator(problem)?;
        self.check_start(problem)?;
        let acting = Acting::on(&problem.subsystems);
        Ok(Regression { step, operators: operators.map(|sum| acting.simplified(sum)) })
    }

    fn check_delays(&self) -> Result<(), ModelError> {
        let rising = self.delays.windows(2).all(|pair| pair[0] < pair[1]);
        let good = self.delays.iter().all(|tau| tau.is_finite() && *tau >= 0.0);
        match rising && good && (1..=MOST_DELAYS).contains(&(self.delays.len() as u64)) {
            true => Ok(()),
            false => Err(ModelError::Invalid(format!(
                "the {} delays of a correlation are not from 1 to {MOST_DELAYS} finite, rising numbers ≥ 0",
                self.delays.len()
            ))),
        }
    }

    /// Index of the step in the protocol whose generator it is, one that does not change with time.
    pub(crate) fn generator(&self, problem: &Problem) -> Result<usize, ModelError> {
        let invalid = |text: String| Err(ModelError::Invalid(text));
        let steps = &problem.protocol.steps;
        let last = steps.iter().rposition(|step| matches!(step, Step::Evolve { .. })).unwrap_or(0);
        let step = self.step.map_or(last, StepId::index);
        let Some(Step::Evolve { name, active, driven, .. }) = steps.get(step) else {
            return invalid(format!("step {step} of the protocol is not timed, so that nothing evolves in it"));
        };
        let drives =
            problem.drives.iter().zip(driven).filter(|(drive, on)| **on && drive.envelope.constant().is_none());
        let channels = problem.channels.iter().zip(active).filter(|(channel, on)| **on && channel.changes());
        let drive = drives.map(|(drive, _)| format!("drive {}", drive.name)).next();
        if let Some(what) = drive.or_else(|| channels.map(|(c, _)| format!("channel {}", c.name)).next()) {
            return invalid(format!(
                "the generator of step {name} changes with time, by {what}: a correlation needs one that does not"
            ));
        }
        Ok(step)
    }

    /// Whether there is a state such as it begins from.
    pub(crate) fn check_start(&self, problem: &Problem) -> Result<(), ModelError> {
        match self.from == When::Steady && problem.protocol.repeat > 1 {
            true => {
                let text = "a protocol that repeats settles in a cycle, in which no state is steady";
                Err(ModelError::Invalid(text.into()))
            }
            false => Ok(()),
        }
    }
}
