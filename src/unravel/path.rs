//! The path of a trajectory that never jumps, computed once for each pure initial state and shared by all that have not
//! jumped yet. Where jumps are rare this is most of the work.

use super::block_jump::{BlockJump, Local};
use super::propagate::{Flight, Workspace};
use crate::problem::Step;
use crate::repr::blocks::{BlockStep, Drawn, rotate};
use std::sync::{Arc, OnceLock};

/// Largest memory of one path.
const MOST_BYTES: f64 = 64e6;
/// A uniform variate is a multiple of 2⁻⁵³: no trajectory survives this.
const LEAST_NORM: f64 = 1e-17;

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
    rows: OnceLock<Vec<Row>>,
}

/// A path for each pure initial state, made when first needed.
#[derive(Debug)]
pub struct Paths(Vec<Path>);

impl Paths {
    /// For so many initial states; none if they cannot be told apart.
    pub fn new(choices: Option<usize>) -> Self {
        Self((0..choices.unwrap_or(0)).map(|_| Path::default()).collect())
    }

    /// Whether trajectories that start in `drawn`, number `choice`, may share a path.
    pub fn open(&self, engine: &BlockJump, choice: usize, drawn: &Drawn) -> bool {
        let Some(path) = self.0.get(choice) else { return false };
        let rows = engine.blocks.problem().protocol.row_count() as f64;
        if rows * 16.0 * drawn.psi.len() as f64 * self.0.len() as f64 > MOST_BYTES {
            return false;
        }
        path.origin.get_or_init(|| Row {
            flight: Flight { psi: drawn.psi.clone(), norm: 1.0, time: 0.0 },
            local: engine.local(drawn.block),
            values: Vec::new(),
        });
        true
    }

    /// Where a path starts; it must be [`open`](Self::open).
    pub fn origin(&self, engine: &BlockJump, choice: usize) -> &Row {
        self.0[choice].origin.get_or_init(|| Row {
            flight: Flight { psi: Vec::new(), norm: 1.0, time: 0.0 },
            local: engine.local(0),
            values: Vec::new(),
        })
    }

    /// All rows of a path, up to the first reset or to where no trajectory can still be on it.
    pub fn rows(&self, engine: &BlockJump, choice: usize) -> &[Row] {
        let path = &self.0[choice];
        path.rows.get_or_init(|| follow(engine, self.origin(engine, choice)))
    }
}

fn follow(engine: &BlockJump, origin: &Row) -> Vec<Row> {
    let blocks = &engine.blocks;
    let problem = blocks.problem();
    let mut work = Workspace::default();
    let (mut flight, mut local) = (origin.flight.clone(), origin.local.clone());
    let mut path = Vec::new();
    for _ in 0..problem.protocol.repeat {
        for (step, kind) in problem.protocol.steps.iter().zip(&blocks.steps) {
            match (step, kind) {
                (_, BlockStep::Reset(..)) => return path,
                (_, BlockStep::Rotate(subsystem, axis, angle)) => {
                    let to = rotate::rotate(blocks, &local.block, &mut flight.psi, *subsystem, *axis, *angle);
                    local = to.map_or(local, |to| engine.local(to));
                }
                (Step::Evolve { rows, .. }, BlockStep::Evolve(stage)) => {
                    flight.time = 0.0;
                    for &until in rows {
                        engine.propagator(&local, *stage).advance(&mut flight, until, 0.0, &mut work);
                        let mean = |slot| local.block.observable(blocks, slot, *stage).mean(&flight.psi, flight.norm);
                        let values = (0..blocks.linear.len()).map(mean).collect();
                        path.push(Row { flight: flight.clone(), local: local.clone(), values });
                        if flight.norm < LEAST_NORM {
                            return path;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    path
}
