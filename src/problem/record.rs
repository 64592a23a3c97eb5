//! What is kept of single runs beside averages: paths, jumps and how they follow each other, distributions, first passages,
//! counting statistics.

use super::quantity::check_quantity;
use super::{ChannelId, Kind, Linear, Problem, Quantity, Recipe, Step, Subsystem};
use crate::error::ModelError;

/// Most trajectories whose paths are kept.
pub const MOST_PATHS: u64 = 1_000;
/// Most bins of a delay, and most that a timed step is divided into for them.
const MOST_DELAYS: (usize, f64) = (1_000, 20_000.0);
/// Most bins over all steps and cycles: every batch has them for each group of trajectories.
const MOST_DELAY_BINS: f64 = 2e5;
/// A range is divided into about so many bins.
const BINS: f64 = 128.0;

/// What is kept of single runs; by default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Of so many trajectories, the first ones, every column that a single trajectory has, at every row; at most
    /// [`MOST_PATHS`].
    pub paths: u64,
    /// Every jump of every trajectory.
    pub jumps: bool,
    /// Cumulants of the number of jumps of each channel in each timed step.
    pub counting: bool,
    /// Work, heat and entropy flow of every trajectory, which is followed a second time for them.
    pub audit: bool,
    /// How these are distributed over trajectories at every row.
    pub distributions: Vec<Distribution>,
    /// When each trajectory first has a number beyond a level.
    pub first_passage: Vec<Passage>,
    /// How jumps of a channel follow each other.
    pub delays: Vec<Delays>,
}

/// What a distribution is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// A quantity as the conditional state of each trajectory has it, which depends on how the system is watched.
    Conditional(Quantity),
    /// A projective measurement of H_B, which does not.
    EnergyOutcome,
}

/// How a distribution is kept: bins \[kw, (k + 1)w) of a width w to begin with, and the least and the greatest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    /// w > 0, in the unit of the number.
    pub width: f64,
    /// The least and the greatest value, infinite where there is none.
    pub range: (f64, f64),
}

/// The first time at which a quantity of a trajectory's state is beyond a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The quantity.
    pub quantity: Quantity,
    /// To which side.
    pub beyond: Beyond,
    /// The level, in the unit of the quantity and within its range.
    pub level: f64,
}

/// Delays from jumps of a channel to later ones, within a timed step.
#[derive(Clone, Debug, PartialEq)]
pub struct Delays {
    /// Whose jumps.
    pub channel: ChannelId,
    /// The longest delay, above 0, in units of time.
    pub until: f64,
    /// Bins of equal width up to it, from 1 to 1,000.
    pub bins: usize,
    /// Jumps earlier than this, counted from the start of the step, are left out.
    pub from: f64,
}

/// A timed step in which delays are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DelayTable {
    /// Which of [`Record::delays`].
    pub asked: usize,
    /// Timed steps that ended before it, over all cycles.
    pub ended: usize,
    /// How long it takes.
    pub duration: f64,
}

impl Delays {
    /// The width of a bin.
    pub fn width(&self) -> f64 {
        self.until / self.bins as f64
    }

    /// Bins in what a step of this duration has after `from`, the last perhaps not whole.
    pub fn bins_within(&self, duration: f64) -> usize {
        (((duration - self.from) / self.width()) as usize + 1).max(1)
    }
}

/// A side of a level, the level itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// At or above it.
    Above,
    /// At or below it.
    Below,
}

impl Beyond {
    /// How it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }

    /// Whether `value` is there but for `rounding`.
    pub fn holds(self, value: f64, level: f64, rounding: f64) -> bool {
        match self {
            Self::Above => value >= level - rounding,
            Self::Below => value <= level + rounding,
        }
    }
}

impl Record {
    /// Whether anything of it is kept trajectory by trajectory.
    pub fn of_single_runs(&self) -> bool {
        self.paths > 0 || self.jumps || !self.first_passage.is_empty()
    }

    /// The linear averages that it reads.
    pub(super) fn linear(&self, problem: &Problem) -> Vec<Linear> {
        let distributed = self.distributions.iter().filter_map(|of| match of {
            Distribution::Conditional(quantity) => Some(quantity),
            Distribution::EnergyOutcome => None,
        });
        let all = distributed.chain(self.first_passage.iter().map(|passage| &passage.quantity));
        all.filter_map(|quantity| problem.of_single(quantity)).map(|(linear, _)| linear).collect()
    }
}

impl Problem {
    /// What is kept of single runs.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The linear average that a quantity is of, and what it is multiplied by: what a single trajectory has. `None` of what
    /// only many have together.
    pub fn of_single(&self, quantity: &Quantity) -> Option<(Linear, f64)> {
        match quantity.entry().recipe {
            Recipe::Mean(linear) => Some((linear, 1.0)),
            Recipe::PerCell(linear, e) => Some((linear, self.subsystems[e].unit().recip())),
            Recipe::PerTime(_) | Recipe::Variance(_) | Recipe::Deviation(_) | Recipe::SpinLength(_) => None,
            Recipe::State(..) | Recipe::FirstState(..) | Recipe::OverEnergy(..) => None,
        }
    }

    /// The columns that a single trajectory has.
    pub fn single_columns(&self) -> Vec<&Quantity> {
        self.quantities.iter().filter(|quantity| self.of_single(quantity).is_some()).collect()
    }

    /// What a distribution is called.
    pub fn distribution_name(&self, of: &Distribution) -> String {
        match of {
            Distribution::Conditional(quantity) => self.column(quantity),
            Distribution::EnergyOutcome => "energy_outcome".into(),
        }
    }

    /// The energy of one quantum of every part of the battery, where all are alike, so that its levels are whole multiples of it.
    fn common_quantum(&self) -> Option<f64> {
        if self.battery_hamiltonian.is_some() {
            return None;
        }
        let of = |part: &Subsystem| match part.kind {
            Kind::Ensemble { .. } | Kind::Network { .. } | Kind::Mode { .. } if part.uneven.is_empty() => part.energy,
            _ => f64::NAN,
        };
        let mut quanta = self.battery.iter().map(|e| of(&self.subsystems[*e]));
        let first = quanta.next()?;
        (first > 0.0 && quanta.all(|other| other == first)).then_some(first)
    }

    /// The bins that a distribution begins with.
    ///
    /// # Errors
    /// [`ModelError`] for a quantity that a single trajectory does not have, or whose range is not known.
    pub fn bins(&self, of: &Distribution) -> Result<Bins, ModelError> {
        let quantity = match of {
            Distribution::EnergyOutcome => {
                let (lo, hi) = Linear::Energy.range(self);
                let width = self.common_quantum().unwrap_or_else(|| fine(hi - lo, None));
                return Ok(Bins { width, range: (lo, hi) });
            }
            Distribution::Conditional(quantity) => quantity,
        };
        check_quantity(self, quantity)?;
        let Some((linear, factor)) = self.of_single(quantity) else { return Err(self.not_of_single(quantity)) };
        let (lo, hi) = linear.range(self);
        let unit = match linear {
            Linear::Jumps(_) => return Ok(Bins { width: factor, range: (lo, hi) }),
            Linear::Released(_) => {
                let quanta = self.channel_ids().map(|c| self.released_per_jump(c).abs());
                let least = quanta.filter(|quantum| *quantum > 0.0).fold(f64::INFINITY, f64::min);
                return Ok(Bins { width: if least.is_finite() { least } else { 1.0 }, range: (lo, hi) });
            }
            Linear::Energy => self.common_quantum(),
            Linear::EnergyOf(e) => Some(self.subsystems[e].energy).filter(|energy| *energy > 0.0),
            Linear::Quanta(_) | Linear::Magnetisation(_) => Some(1.0),
            _ => None,
        };
        if !(hi - lo).is_finite() {
            let text = format!("no distribution of `{}` can be kept: its range is not known", self.column(quantity));
            return Err(ModelError::Invalid(text));
        }
        Ok(Bins { width: factor * fine(hi - lo, unit), range: (factor * lo, factor * hi) })
    }

    pub(super) fn not_of_single(&self, quantity: &Quantity) -> ModelError {
        ModelError::Invalid(format!(
            "`{}` is no average that is linear in the state: no single trajectory has it",
            self.column(quantity)
        ))
    }

    pub(super) fn check_record(&self) -> Result<(), ModelError> {
        let Record { paths, distributions, first_passage, .. } = &self.record;
        if *paths > MOST_PATHS {
            return Err(ModelError::Invalid(format!("{paths} paths are asked for; at most {MOST_PATHS} are kept")));
        }
        distributions.iter().try_for_each(|of| self.bins(of).map(|_| ()))?;
        first_passage.iter().try_for_each(|passage| self.check_passage(passage))?;
        self.record.delays.iter().try_for_each(|delays| self.check_delays(delays))
    }

    /// Whether a first passage has a meaning.
    pub(crate) fn check_passage(&self, passage: &Passage) -> Result<(), ModelError> {
        let Passage { quantity, level, beyond } = passage;
        check_quantity(self, quantity)?;
        let Some((linear, factor)) = self.of_single(quantity) else { return Err(self.not_of_single(quantity)) };
        let (lo, hi) = linear.range(self);
        let (lo, hi) = (factor * lo, factor * hi);
        if lo <= *level && *level <= hi && level.is_finite() {
            return Ok(());
        }
        let name = self.column(quantity);
        Err(ModelError::Invalid(format!(
            "`{name}` {} {level} is beyond all values that it can have, from {lo} to {hi}",
            beyond.word()
        )))
    }

    /// Whether delays have a meaning, and a step to be looked at in.
    pub(crate) fn check_delays(&self, delays: &Delays) -> Result<(), ModelError> {
        let Delays { channel, until, bins, from } = delays;
        let invalid = |text: String| Err(ModelError::Invalid(text));
        let Some(of) = self.channels.get(channel.index()) else {
            return invalid("delays of a channel that is not there".into());
        };
        let name = &of.name;
        if !(*until > 0.0 && until.is_finite()) {
            return invalid(format!("delays of `{name}` up to {until}: it must be above 0"));
        }
        if !(1..=MOST_DELAYS.0).contains(bins) {
            return invalid(format!("delays of `{name}` in {bins} bins: 1 to {} are possible", MOST_DELAYS.0));
        }
        if !(*from >= 0.0 && from.is_finite()) {
            return invalid(format!("delays of `{name}` from {from} on: it must not be below 0"));
        }
        let steps = self.delayed_in(delays).map(|(_, duration)| duration);
        let longest = steps.fold(0.0, f64::max);
        if longest == 0.0 {
            return invalid(format!(
                "no step in which `{name}` is on takes {}, from {from} on for delays up to {until}",
                from + until
            ));
        }
        if longest / delays.width() > MOST_DELAYS.1 {
            let width = delays.width();
            return invalid(format!("delays of `{name}` in bins of {width}: more than {} in a step", MOST_DELAYS.1));
        }
        let in_step = |(_, duration): (usize, f64)| (delays.bins_within(duration) + 2 * bins) as f64;
        let all = self.delayed_in(delays).map(in_step).sum::<f64>() * self.protocol.repeat as f64;
        if all > MOST_DELAY_BINS {
            return invalid(format!(
                "delays of `{name}` take {all} bins over all steps and cycles: at most {MOST_DELAY_BINS} are possible"
            ));
        }
        Ok(())
    }

    /// The timed steps of one cycle, by their number among them, in which these delays can be seen, with their durations.
    fn delayed_in<'a>(&'a self, delays: &'a Delays) -> impl Iterator<Item = (usize, f64)> + 'a {
        let timed = self.protocol.steps.iter().filter_map(|step| match step {
            Step::Evolve { duration, active, .. } => Some((*duration, active[delays.channel.index()])),
            _ => None,
        });
        let long = move |duration: f64| duration >= (delays.from + delays.until) * (1.0 - 1e-12);
        timed
            .enumerate()
            .filter(move |(_, (duration, on))| *on && long(*duration))
            .map(|(at, (duration, _))| (at, duration))
    }

    /// The tables of delays that the record asks for: of each channel asked for, each timed step that is long enough, cycle
    /// by cycle.
    pub fn delay_tables(&self) -> Vec<DelayTable> {
        let timed = self.protocol.steps.iter().filter(|step| matches!(step, Step::Evolve { .. })).count();
        let cycles = 0..if self.record.delays.is_empty() { 0 } else { self.protocol.repeat as usize };
        let of = |(asked, cycle): (usize, usize)| {
            let steps = self.delayed_in(&self.record.delays[asked]);
            steps.map(move |(at, duration)| DelayTable { asked, ended: cycle * timed + at, duration })
        };
        let asked = 0..self.record.delays.len();
        asked.flat_map(|asked| cycles.clone().map(move |cycle| (asked, cycle))).flat_map(of).collect()
    }

    /// Whether anything is asked of the battery's energy levels.
    pub(crate) fn measures_energy(&self) -> bool {
        self.record.distributions.contains(&Distribution::EnergyOutcome)
    }

    /// What a passage is called: `energy above 1`.
    pub fn passage_name(&self, passage: &Passage) -> String {
        format!("{} {} {}", self.column(&passage.quantity), passage.beyond.word(), passage.level)
    }
}

/// The width of bins over a range of this width: a unit that is halved until there are enough, where there is one.
fn fine(range: f64, unit: Option<f64>) -> f64 {
    match unit {
        Some(unit) => {
            let halvings = (BINS * unit / range).log2().floor().clamp(0.0, BINS.log2());
            unit * (-halvings).exp2()
        }
        None if range > 0.0 => range / BINS,
        None => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{ChannelId, SubsystemId, sm};

    fn cells(n: u64, energy: f64) -> Problem {
        let mut p = Problem::builder("cells");
        let b = p.ensemble("B", n, energy);
        p.collective("loss", sm(b), 1.0).evolve("wait", 1.0, 2).observe([Quantity::Energy, Quantity::Ergotropy]);
        p.build().unwrap()
    }

    #[test]
    fn bins_are_parts_of_a_quantum() {
        let of = |n: u64, of: Distribution| cells(n, 2.0).bins(&of).unwrap().width;
        let energy = || Distribution::Conditional(Quantity::Energy);
        assert_eq!(of(1, energy()), 2.0 / 128.0);
        assert_eq!(of(100, energy()), 2.0);
        assert_eq!(of(1_000_000, energy()), 2.0);
        assert_eq!(of(5, Distribution::EnergyOutcome), 2.0);
        assert_eq!(of(5, Distribution::Conditional(Quantity::Jumps(ChannelId::new(0)))), 1.0);
        assert_eq!(of(5, Distribution::Conditional(Quantity::Released(None))), 2.0);
        assert_eq!(of(64, Distribution::Conditional(Quantity::EnergyDensity(SubsystemId::new(0)))), 2.0 / 256.0);
    }

    #[test]
    fn what_many_have_together_is_refused() {
        let refused = |record: Record| {
            let text = cells(3, 1.0).edit().record(record).build().unwrap_err().to_string();
            assert!(!text.is_empty());
            text
        };
        let of = |quantity| Record { distributions: vec![Distribution::Conditional(quantity)], ..Record::default() };
        assert!(refused(of(Quantity::Ergotropy)).contains("`ergotropy` is no average"));
        assert!(refused(of(Quantity::EnergyVariance)).contains("no single trajectory"));
        assert!(refused(of(Quantity::BrightLoss(SubsystemId::new(0)))).contains("its range is not known"));
        let passage = |level: f64| {
            let passage = Passage { quantity: Quantity::Energy, beyond: Beyond::Above, level };
            Record { first_passage: vec![passage], ..Record::default() }
        };
        assert!(
            refused(passage(3.5)).contains("`energy` above 3.5 is beyond all values that it can have, from 0 to 3")
        );
        assert!(refused(passage(f64::NAN)).contains("beyond all values"));
        assert!(refused(Record { paths: 1_001, ..Record::default() }).contains("at most 1000 are kept"));
    }

    /// A record reads averages that no column asks for.
    #[test]
    fn what_is_read_is_recorded() {
        let record = Record {
            distributions: vec![Distribution::Conditional(Quantity::Jumps(ChannelId::new(0)))],
            ..Record::default()
        };
        let problem = cells(3, 1.0).edit().record(record).build().unwrap();
        assert!(problem.linear().contains(&Linear::Jumps(ChannelId::new(0))));
        assert_eq!(problem.single_columns(), [&Quantity::Energy]);
    }
}
