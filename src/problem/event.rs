//! Something that a single shot may show at its end: a quantity below a level, or at it or above.

use super::quantity::check_quantity;
use super::{Beyond, ChannelId, Distribution, Kind, Linear, Problem, Quantity, Step, SubsystemId};
use crate::error::ModelError;

/// By this part of the level and of all values that a number can have rounding may move it.
const ROUNDING: f64 = 1e-12;

/// At the last row the quantity is below the level, or at or above it: one of both always happens.
///
/// Jumps and released energy are counted since the run began, over all its steps and cycles (of `released(STEP)` in that step
/// alone); everything else is that of the conditional state, or what a projective measurement of H_B finds in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What is looked at.
    pub of: Distribution,
    /// `Below`: less than the level. `Above`: at least as much.
    pub side: Beyond,
    /// The level, in the unit of the quantity.
    pub level: f64,
}

impl Event {
    /// Whether a value belongs to it; what is nearer to the level than `rounding` is taken for the level.
    pub fn holds(&self, value: f64, rounding: f64) -> bool {
        (value >= self.level - rounding) == (self.side == Beyond::Above)
    }

    /// The jumps or released energy that it counts, if it counts any.
    pub(crate) fn counted(&self, problem: &Problem) -> Option<Linear> {
        match &self.of {
            Distribution::EnergyOutcome => None,
            Distribution::Conditional(quantity) => problem
                .of_single(quantity)
                .map(|(linear, _)| linear)
                .filter(|linear| matches!(linear, Linear::Jumps(_) | Linear::Released(_))),
        }
    }
}

impl Problem {
    /// Whether an event has a meaning.
    ///
    /// # Errors
    /// [`ModelError`] for a quantity that no single trajectory has, and for a level that is no number.
    pub fn check_event(&self, event: &Event) -> Result<(), ModelError> {
        if let Distribution::Conditional(quantity) = &event.of {
            check_quantity(self, quantity)?;
            if self.of_single(quantity).is_none() {
                return Err(self.not_of_single(quantity));
            }
        }
        if event.level.is_nan() {
            let text =
                format!("the level of `{}` is {}, expected a number", self.distribution_name(&event.of), event.level);
            return Err(ModelError::Invalid(text));
        }
        Ok(())
    }

    /// What an event is called: `energy below 5.5`.
    pub fn event_name(&self, event: &Event) -> String {
        format!("{} {} {}", self.distribution_name(&event.of), event.side.word(), event.level)
    }

    /// The least and the greatest value that the quantity of an event can have.
    pub fn event_range(&self, event: &Event) -> (f64, f64) {
        let quantity = match &event.of {
            Distribution::EnergyOutcome => return Linear::Energy.range(self),
            Distribution::Conditional(quantity) => quantity,
        };
        if let Quantity::Jumps(channel) = quantity
            && !self.ever_on(*channel)
        {
            return (0.0, 0.0);
        }
        let (linear, factor) = self.of_single(quantity).unwrap_or((Linear::Energy, f64::NAN));
        let (lo, hi) = linear.range(self);
        (factor * lo, factor * hi)
    }

    /// What rounding may take from a value of an event's quantity.
    pub(crate) fn event_rounding(&self, event: &Event) -> f64 {
        let (lo, hi) = self.event_range(event);
        let width = if (hi - lo).is_finite() { hi - lo } else { 0.0 };
        ROUNDING * (event.level.abs() + width)
    }

    /// The probability of an event that always or never happens, whatever the trajectory does.
    pub(crate) fn sure(&self, event: &Event) -> Option<f64> {
        let ((lo, hi), rounding) = (self.event_range(event), self.event_rounding(event));
        let (least, most) = (event.holds(lo, rounding), event.holds(hi, rounding));
        (least == most).then_some(if least { 1.0 } else { 0.0 })
    }

    /// Whether a channel ever does anything.
    pub(crate) fn ever_on(&self, channel: ChannelId) -> bool {
        let on = |step: &Step| match step {
            Step::Evolve { active, duration, .. } => active[channel.index()] && *duration > 0.0,
            _ => false,
        };
        self.channels[channel].rate > 0.0 && self.protocol.steps.iter().any(on)
    }

    /// What tells beside its quantity how a trajectory will go on: of counts the energy, of all else how the cells of an
    /// ensemble hold together, if there is one (a state of small S keeps its energy).
    pub(crate) fn beside(&self, event: &Event) -> Option<Linear> {
        if event.counted(self).is_some() {
            return Some(Linear::Energy);
        }
        let several = |e: &&SubsystemId| self.subsystems[**e].cells() > 1;
        let ensemble = |e: &&SubsystemId| matches!(self.subsystems[**e].kind, Kind::Ensemble { .. });
        self.battery.iter().filter(several).find(ensemble).map(|e| Linear::SpinSquared(*e))
    }

    /// This problem with nothing asked of it but an event and what is looked at beside it.
    pub(crate) fn only(&self, event: &Event) -> Self {
        let (quantity, outcome) = match &event.of {
            Distribution::EnergyOutcome => (Quantity::Energy, vec![Distribution::EnergyOutcome]),
            Distribution::Conditional(quantity) => (quantity.clone(), Vec::new()),
        };
        let mut quantities = vec![quantity];
        if let Some(Linear::SpinSquared(e)) = self.beside(event) {
            quantities.push(Quantity::SpinLength(e));
        }
        let record = super::Record { distributions: outcome, ..super::Record::default() };
        Self { quantities, kept_states: Vec::new(), record, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::sm;

    fn cells() -> Problem {
        let mut p = Problem::builder("cells");
        let b = p.ensemble("B", 4, 2.0);
        p.collective("loss", sm(b), 1.0).collective("off", sm(b), 0.0).evolve("wait", 1.0, 2);
        p.observe([Quantity::Energy]).build().unwrap()
    }

    fn event(quantity: Quantity, side: Beyond, level: f64) -> Event {
        Event { of: Distribution::Conditional(quantity), side, level }
    }

    #[test]
    fn one_of_two_sides_happens() {
        for value in [0.0, 1.0 - 1e-15, 1.0, 1.0 + 1e-15, 2.0] {
            let side = |side| event(Quantity::Energy, side, 1.0).holds(value, 1e-12);
            assert!(side(Beyond::Above) != side(Beyond::Below), "{value}");
            assert_eq!(side(Beyond::Below), value < 0.5);
        }
    }

    #[test]
    fn what_lies_beyond_the_range_is_sure() {
        let problem = cells();
        let sure = |quantity: Quantity, side, level: f64| problem.sure(&event(quantity, side, level));
        let (energy, jumps) = (|| Quantity::Energy, |channel| Quantity::Jumps(ChannelId::new(channel)));
        assert_eq!(sure(energy(), Beyond::Below, 0.0), Some(0.0));
        assert_eq!(sure(energy(), Beyond::Above, 0.0), Some(1.0));
        assert_eq!(sure(energy(), Beyond::Below, 8.0), None);
        assert_eq!(sure(energy(), Beyond::Below, 8.1), Some(1.0));
        assert_eq!(sure(energy(), Beyond::Above, 8.1), Some(0.0));
        assert_eq!(sure(jumps(0), Beyond::Below, 0.0), Some(0.0));
        assert_eq!(sure(jumps(0), Beyond::Above, 1e9), None);
        assert_eq!(sure(jumps(1), Beyond::Below, 1.0), Some(1.0));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let problem = cells();
        let refused = |event: Event| problem.check_event(&event).unwrap_err().to_string();
        assert!(refused(event(Quantity::Ergotropy, Beyond::Below, 1.0)).contains("no single trajectory has it"));
        assert!(refused(event(Quantity::Energy, Beyond::Below, f64::NAN)).contains("expected a number"));
        assert_eq!(problem.event_name(&event(Quantity::Energy, Beyond::Below, 5.5)), "energy below 5.5");
    }
}
