//! The path of a trajectory that never jumps, computed once for each pure initial state and shared by all that have not
//! jumped yet. Where jumps are rare this is most of the work.

use super::block_jump::{BlockJump, Local};
use crate::error::RunError;
use crate::evolve::{Failed, Flight, Workspace};
use crate::problem::{Axis, Gate, Initial, SubsystemId};
use crate::protocol::{Evolve, Moment, Span, walk};
use crate::space::blocks::rotate;
use crate::stop::Stop;
use num_complex::Complex64;
use std::sync::{Arc, Mutex, OnceLock};

/// A uniform variate is a multiple of 2⁻⁵³: no trajectory survives this norm².
const LEAST_NORM: f64 = 1e-17;
/// Largest memory of one path.
const MOST_BYTES: f64 = 64e6;

/// The state at a row, or at the start.
#[derive(Debug)]
pub struct Row {
    /// Vector, norm² and time.
    pub flight: Flight,
    /// Its block.
    pub local: Arc<Local>,
    /// The linear averages in it.
    pub values: Vec<f64>,
}

#[derive(Debug, Default)]
struct Path {
    origin: OnceLock<Row>,
    /// Its rows, and ‖ψ‖² at the end of the protocol.
    rows: OnceLock<(Vec<Row>, f64)>,
    /// Held by whoever makes the rows.
    making: Mutex<()>,
}

/// A path for each pure initial state, made when first needed.
#[derive(Debug)]
pub struct Paths(Vec<Path>);

impl Paths {
    /// For so many initial states; none if they cannot be told apart.
    pub fn new(choices: Option<usize>) -> Self {
        Self((0..choices.unwrap_or(0)).map(|_| Path::default()).collect())
    }

    /// Whether trajectories that start in this vector of a block, number `choice`, may share a path.
    pub fn open(&self, engine: &BlockJump, choice: usize, (local, psi): (&Arc<Local>, &[Complex64])) -> bool {
        let Some(path) = self.0.get(choice) else { return false };
        let rows = engine.blocks.problem().protocol.row_count() as f64;
        if rows * 16.0 * psi.len() as f64 * self.0.len() as f64 > MOST_BYTES {
            return false;
        }
        path.origin.get_or_init(|| Row {
            flight: Flight { psi: psi.to_vec(), norm: 1.0, time: 0.0, start: 0.0 },
            local: local.clone(),
            values: Vec::new(),
        });
        true
    }

    /// Where a path that is [open](Self::open) begins.
    pub fn origin(&self, choice: usize) -> Option<&Row> {
        self.0.get(choice)?.origin.get()
    }

    /// Probability to stay on a path whose rows are known until the protocol ends; 0 where something else ends it first.
    pub fn survival(&self, choice: usize) -> f64 {
        self.0[choice].rows.get().map_or(0.0, |(_, survival)| *survival)
    }

    /// The state at row number `passed` − 1 of a path that has been made so far; `None` at its start.
    pub fn row(&self, choice: usize, passed: usize) -> Option<&Row> {
        self.0[choice].rows.get()?.0.get(passed.checked_sub(1)?)
    }

    /// All rows of a path, which is [open](Self::open), up to the first reset or to where no trajectory can still be on it.
    ///
    /// # Errors
    /// [`RunError::Interrupted`], and then it is not made; [`RunError::Numerics`].
    #[inline(always)]
    pub fn rows(&self, engine: &BlockJump, choice: usize, stop: &Stop) -> Result<&[Row], Failed> {
        match self.0[choice].rows.get() {
            Some((rows, _)) => Ok(rows),
            None => self.new_rows(engine, choice, stop),
        }
    }

    #[cold]
    fn new_rows(&self, engine: &BlockJump, choice: usize, stop: &Stop) -> Result<&[Row], Failed> {
        let path = &self.0[choice];
        let _making = path.making.lock().unwrap_or_else(|e| e.into_inner());
        let found = match (path.rows.get(), path.origin.get()) {
            (None, Some(origin)) => follow(engine, origin, stop)?,
            _ => (Vec::new(), 0.0),
        };
        Ok(&path.rows.get_or_init(|| found).0)
    }
}

fn follow(engine: &BlockJump, origin: &Row, stop: &Stop) -> Result<(Vec<Row>, f64), RunError> {
    let (flight, local) = (origin.flight.clone(), origin.local.clone());
    let mut path = Followed { engine, flight, local, work: Workspace::default(), stop, rows: Vec::new() };
    match walk(&engine.blocks.problem().protocol, stop, &mut path) {
        Err(Ended::Failed(error)) => Err(error),
        Ok(()) => Ok((path.rows, path.flight.norm)),
        Err(Ended::Left) => Ok((path.rows, 0.0)),
    }
}

/// A state on its way without jumps.
struct Followed<'a> {
    engine: &'a BlockJump,
    flight: Flight,
    local: Arc<Local>,
    work: Workspace,
    stop: &'a Stop,
    rows: Vec<Row>,
}

impl Followed<'_> {
    fn pulse(&mut self, step: usize) {
        let blocks = &self.engine.blocks;
        let to = rotate::pulse(blocks, &self.local.block, &mut self.flight.psi, &blocks.steps[step]);
        if let Some(to) = to {
            self.local = self.engine.local(to);
        }
    }
}

/// Why a path ends before the protocol does.
enum Ended {
    /// It cannot be followed.
    Failed(RunError),
    /// No trajectory is on it any more.
    Left,
}

impl<E: Into<RunError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Evolve for Followed<'_> {
    type Ended = Ended;

    fn rotate(&mut self, step: usize, _: SubsystemId, _: Axis, _: f64) -> Result<(), Ended> {
        self.pulse(step);
        Ok(())
    }

    fn unitary(&mut self, step: usize, _: &Gate) -> Result<(), Ended> {
        self.pulse(step);
        Ok(())
    }

    fn reset(&mut self, _: usize, _: SubsystemId, _: &Initial) -> Result<(), Ended> {
        Err(Ended::Left)
    }

    fn begin(&mut self, span: &Span) -> Result<(), Ended> {
        (self.flight.time, self.flight.start) = (0.0, span.start);
        Ok(())
    }

    fn evolve(&mut self, span: &Span, _: f64, until: f64) -> Result<(), Ended> {
        let Self { engine, flight, local, work, stop, .. } = self;
        let stage = engine.blocks.stage_of(span.step);
        let left = engine.propagator(local, stage, stop)?.advance(flight, until, (LEAST_NORM, None), work, stop)?;
        if left { Err(Ended::Left) } else { Ok(()) }
    }

    fn read(&mut self, moment: &Moment) -> Result<(), Ended> {
        let Self { engine, flight, local, .. } = self;
        let blocks = &engine.blocks;
        let stage = blocks.stage_of(moment.step);
        let mean = |average| local.block.observable(blocks, average, stage).mean(&flight.psi, flight.norm);
        let values = (0..blocks.linear.len()).map(mean).collect();
        self.rows.push(Row { flight: flight.clone(), local: local.clone(), values });
        Ok(())
    }
}
