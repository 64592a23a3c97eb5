//! The one driver of the protocol: it walks cycles, steps and rows, and says to whatever evolves what happens when.

use crate::error::RunError;
use crate::problem::{Axis, Gate, Initial, Protocol, Step, SubsystemId};
use crate::stop::Stop;

/// A timed step under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Index of the step in [`Protocol::steps`].
    pub step: usize,
    /// Cycle, from 0.
    pub cycle: u64,
    /// When it began, since the run began.
    pub start: f64,
    /// How long it lasts.
    pub duration: f64,
}

/// An output row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Number of the row in the whole run, as in [`Protocol::rows`].
    pub row: usize,
    /// Index of the step in [`Protocol::steps`].
    pub step: usize,
    /// Cycle, from 0.
    pub cycle: u64,
    /// Time since the run began.
    pub time: f64,
    /// Time since the step began.
    pub since: f64,
}

/// What a protocol can be done to: a density matrix, probabilities, moments, a batch of trajectories.
///
/// A new kind of step (a measurement, say) is one more variant of [`Step`], one more method here and one more arm in
/// [`walk_cycle`]. Functions of time find the time since the step began in [`evolve`](Self::evolve) and the time at which
/// it began in [`Span`].
pub trait Evolve {
    /// Why a walk ends before its time: an error, or that nothing is left to see.
    type Ended: From<RunError>;

    /// A pulse: exp(−iθ n·S) on every cell of a subsystem.
    ///
    /// # Errors
    /// Ends the walk.
    fn rotate(&mut self, step: usize, subsystem: SubsystemId, axis: Axis, angle: f64) -> Result<(), Self::Ended>;

    /// A gate: an instantaneous unitary.
    ///
    /// # Errors
    /// Ends the walk.
    fn unitary(&mut self, step: usize, gate: &Gate) -> Result<(), Self::Ended>;

    /// A subsystem is replaced by a fresh one in `state`.
    ///
    /// # Errors
    /// Ends the walk.
    fn reset(&mut self, step: usize, subsystem: SubsystemId, state: &Initial) -> Result<(), Self::Ended>;

    /// A timed step begins: what is counted since its beginning goes to 0.
    ///
    /// # Errors
    /// Ends the walk.
    fn begin(&mut self, span: &Span) -> Result<(), Self::Ended>;

    /// Evolve from `from` to `until`, times since the step began. They are equal at the first row.
    ///
    /// # Errors
    /// Ends the walk.
    fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), Self::Ended>;

    /// A row is due.
    ///
    /// # Errors
    /// Ends the walk.
    fn read(&mut self, moment: &Moment) -> Result<(), Self::Ended>;

    /// The timed step is over.
    ///
    /// # Errors
    /// Ends the walk.
    fn end(&mut self, _span: &Span) -> Result<(), Self::Ended> {
        Ok(())
    }
}

/// Whether a walk stops at rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Every row is read.
    Read,
    /// No row is read, and each timed step is evolved through in one go.
    Skip,
}

/// Walk the whole protocol, reading every row.
///
/// # Errors
/// [`RunError::Interrupted`] once `stop` is raised, and whatever ends a method of `what`.
pub fn walk<E: Evolve>(protocol: &Protocol, stop: &Stop, what: &mut E) -> Result<(), E::Ended> {
    (0..protocol.repeat).try_for_each(|cycle| walk_cycle(protocol, cycle, Rows::Read, stop, what))
}

/// Walk the steps of one cycle.
///
/// # Errors
/// As [`walk`].
pub fn walk_cycle<E: Evolve>(
    protocol: &Protocol,
    cycle: u64,
    rows: Rows,
    stop: &Stop,
    what: &mut E,
) -> Result<(), E::Ended> {
    walk_steps(protocol, cycle, protocol.steps.len(), rows, stop, what)
}

/// Walk so many steps of one cycle.
///
/// # Errors
/// As [`walk`].
pub fn walk_steps<E: Evolve>(
    protocol: &Protocol,
    cycle: u64,
    steps: usize,
    rows: Rows,
    stop: &Stop,
    what: &mut E,
) -> Result<(), E::Ended> {
    let mut start = cycle as f64 * protocol.period();
    let mut row = cycle as usize * protocol.rows_of_cycle();
    for (step, entry) in protocol.steps.iter().enumerate().take(steps) {
        stop.check()?;
        match entry {
            Step::Rotate { subsystem, axis, angle } => what.rotate(step, *subsystem, *axis, *angle)?,
            Step::Unitary(gate) => what.unitary(step, gate)?,
            Step::Reset { subsystem, state } => what.reset(step, *subsystem, state)?,
            Step::Evolve { duration, rows: times, .. } => {
                let span = Span { step, cycle, start, duration: *duration };
                what.begin(&span)?;
                match rows {
                    Rows::Skip => what.evolve(&span, 0.0, *duration)?,
                    Rows::Read => {
                        let mut now = 0.0;
                        for &since in times {
                            stop.check()?;
                            what.evolve(&span, now, since)?;
                            what.read(&Moment { row, step, cycle, time: start + since, since })?;
                            now = since;
                            row += 1;
                        }
                    }
                }
                what.end(&span)?;
                start += duration;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Quantity, sm};
    use std::f64::consts::PI;

    /// Writes down what it is told.
    #[derive(Default)]
    struct Diary {
        told: Vec<String>,
        moments: Vec<Moment>,
        /// Raised at the row of this number.
        stop: Option<(usize, Stop)>,
        /// Nothing is left to see after the row of this number.
        seen: Option<usize>,
    }

    #[derive(Debug)]
    enum Ended {
        Error(RunError),
        Seen,
    }

    impl From<RunError> for Ended {
        fn from(error: RunError) -> Self {
            Ended::Error(error)
        }
    }

    impl Evolve for Diary {
        type Ended = Ended;

        fn rotate(&mut self, step: usize, subsystem: SubsystemId, axis: Axis, angle: f64) -> Result<(), Ended> {
            self.told.push(format!("{step} turn {subsystem} about {axis:?} by {angle:.2}"));
            Ok(())
        }

        fn unitary(&mut self, step: usize, gate: &Gate) -> Result<(), Ended> {
            self.told.push(format!("{step} gate {gate:?}"));
            Ok(())
        }

        fn reset(&mut self, step: usize, subsystem: SubsystemId, state: &Initial) -> Result<(), Ended> {
            self.told.push(format!("{step} reset {subsystem} to {state:?}"));
            Ok(())
        }

        fn begin(&mut self, span: &Span) -> Result<(), Ended> {
            self.told.push(format!("{} begin in cycle {} at {}", span.step, span.cycle, span.start));
            Ok(())
        }

        fn evolve(&mut self, span: &Span, from: f64, until: f64) -> Result<(), Ended> {
            self.told.push(format!("{} from {from} to {until}", span.step));
            Ok(())
        }

        fn read(&mut self, moment: &Moment) -> Result<(), Ended> {
            self.told.push(format!("{} row {}", moment.step, moment.row));
            self.moments.push(*moment);
            if let Some((row, stop)) = &self.stop
                && *row == moment.row
            {
                stop.request();
            }
            if self.seen == Some(moment.row) { Err(Ended::Seen) } else { Ok(()) }
        }

        fn end(&mut self, span: &Span) -> Result<(), Ended> {
            self.told.push(format!("{} end after {}", span.step, span.duration));
            Ok(())
        }
    }

    /// Two cycles of a pulse, two timed steps and a reset between them.
    fn problem() -> Problem {
        let mut builder = Problem::builder("diary");
        let b = builder.ensemble("B", 2, 1.0);
        builder.each("loss", b, sm(b), 1.0).rotate(b, Axis::X, PI).evolve_rows("first", 1.5, vec![0.0, 0.5, 1.5]);
        builder.reset(b, Initial::Ground).evolve("second", 0.25, 1).repeat(2).observe([Quantity::Energy]);
        builder.build().unwrap()
    }

    #[test]
    fn everything_is_told_in_order() {
        let mut diary = Diary::default();
        walk(&problem().protocol, &Stop::default(), &mut diary).unwrap();
        let cycle = |cycle: usize| {
            let (row, start) = (5 * cycle, 1.75 * cycle as f64);
            vec![
                "0 turn 0 about X by 3.14".to_owned(),
                format!("1 begin in cycle {cycle} at {start}"),
                "1 from 0 to 0".into(),
                format!("1 row {row}"),
                "1 from 0 to 0.5".into(),
                format!("1 row {}", row + 1),
                "1 from 0.5 to 1.5".into(),
                format!("1 row {}", row + 2),
                "1 end after 1.5".into(),
                "2 reset 0 to Ground".into(),
                format!("3 begin in cycle {cycle} at {}", start + 1.5),
                "3 from 0 to 0".into(),
                format!("3 row {}", row + 3),
                "3 from 0 to 0.25".into(),
                format!("3 row {}", row + 4),
                "3 end after 0.25".into(),
            ]
        };
        assert_eq!(diary.told, [cycle(0), cycle(1)].concat());
    }

    #[test]
    fn rows_are_those_of_the_protocol_with_their_times() {
        let problem = problem();
        let mut diary = Diary::default();
        walk(&problem.protocol, &Stop::default(), &mut diary).unwrap();
        let rows = problem.protocol.rows();
        assert_eq!(diary.moments.len(), rows.len());
        for (index, (moment, row)) in diary.moments.iter().zip(rows).enumerate() {
            assert_eq!((moment.row, moment.cycle, moment.time), (index, row.cycle, row.time));
            assert_eq!(moment.step, row.step.index());
        }
        assert_eq!(diary.moments.iter().map(|m| m.since).collect::<Vec<_>>()[5..], [0.0, 0.5, 1.5, 0.0, 0.25]);
    }

    #[test]
    fn without_rows_a_step_is_one_evolution() {
        let mut diary = Diary::default();
        walk_cycle(&problem().protocol, 1, Rows::Skip, &Stop::default(), &mut diary).unwrap();
        assert_eq!(
            diary.told,
            [
                "0 turn 0 about X by 3.14",
                "1 begin in cycle 1 at 1.75",
                "1 from 0 to 1.5",
                "1 end after 1.5",
                "2 reset 0 to Ground",
                "3 begin in cycle 1 at 3.25",
                "3 from 0 to 0.25",
                "3 end after 0.25"
            ]
        );
    }

    #[test]
    fn it_ends_where_it_is_told_to() {
        let stop = Stop::default();
        let mut diary = Diary { stop: Some((1, stop.clone())), ..Diary::default() };
        let ended = walk(&problem().protocol, &stop, &mut diary);
        assert!(matches!(ended, Err(Ended::Error(RunError::Interrupted))));
        assert_eq!(diary.moments.len(), 2);
        let mut diary = Diary { seen: Some(6), ..Diary::default() };
        let ended = walk(&problem().protocol, &Stop::default(), &mut diary);
        assert!(matches!(ended, Err(Ended::Seen)));
        assert_eq!(diary.moments.len(), 7);
    }
}
