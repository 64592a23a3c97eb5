//! The library in a few calls: sample a problem, solve it, ask where it settles or how two times correlate; results are
//! read by name.

use crate::error::RunError;
use crate::estimate::columns::{self, Accumulated};
use crate::estimate::evaluation::Evaluation;
use crate::exact;
use crate::problem::{Correlation, Problem};
use crate::run::{self, RunOptions, Shots};
use crate::space::choose::Representation;
use crate::stop::Stop;
use crate::table::{Column, Table};
use crate::unravel::engine::Engine;
use num_complex::Complex64;
use std::ops::Index;

/// How to sample. `Sampling { trajectories: 2_000, ..Default::default() }` names what differs from the default.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// Number of trajectories.
    pub trajectories: u64,
    /// Seed of all random streams: trajectory k draws from stream (seed, k).
    pub seed: u64,
    /// Number of threads, 0 for one a core. No result depends on it.
    pub threads: usize,
    /// How states are stored; `None` for the smallest exact representation.
    pub representation: Option<Representation>,
    /// Whether to keep single shots.
    pub shots: bool,
    /// Whether to keep the battery's averaged state at every row even if no quantity needs it.
    pub states: bool,
    /// Ends the run early when raised; complete batches are kept.
    pub stop: Stop,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            trajectories: 10_000,
            seed: 1,
            threads: 0,
            representation: None,
            shots: true,
            states: false,
            stop: Stop::default(),
        }
    }
}

/// What sampling gave: a table with errors, single shots, and what it was made from.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// Every quantity at every row, with standard errors and bounds.
    pub table: Table,
    /// Single shots, if asked for.
    pub shots: Option<Shots>,
    /// Trajectories that went in.
    pub trajectories: u64,
    /// Whether [`Sampling::stop`] ended the run early.
    pub interrupted: bool,
    /// How states were stored.
    pub representation: Representation,
    /// The sums behind the table.
    pub accumulated: Accumulated,
}

impl Index<&str> for Sampled {
    type Output = Column;

    /// The column called `name`. Panics when there is none; [`Table::column`] does not.
    fn index(&self, name: &str) -> &Column {
        &self.table[name]
    }
}

/// Sample `problem` by quantum trajectories.
///
/// # Errors
/// When no representation carries the problem, a quantity cannot be had or would not fit into memory, a state becomes
/// none, or [`Sampling::stop`] was raised before the first batch was complete.
pub fn sample(problem: &Problem, how: &Sampling) -> Result<Sampled, RunError> {
    let (representation, engine) = Engine::new(problem, how.representation)?;
    let options = RunOptions {
        trajectories: how.trajectories,
        seed: how.seed,
        threads: how.threads,
        shots: how.shots,
        covariance: false,
        states: how.states,
    };
    run::check(&engine, problem, options)?;
    let outcome = run::sample(&engine, problem, options, &how.stop, &mut |_| true)?;
    if outcome.trajectories == 0 {
        return Err(RunError::Interrupted);
    }
    // What was sampled before it was stopped is still to be read.
    let stop = if outcome.interrupted { Stop::default() } else { how.stop.clone() };
    let confidence = outcome.confidence(options);
    let evaluation = Evaluation { threads: how.threads, stop, confidence, ..Evaluation::default() };
    Ok(Sampled {
        table: columns::evaluate(problem, &outcome.accumulated, &evaluation)?,
        shots: outcome.shots,
        trajectories: outcome.trajectories,
        interrupted: outcome.interrupted,
        representation,
        accumulated: outcome.accumulated,
    })
}

/// Solve the master equation itself: every quantity at every row, without errors.
///
/// # Errors
/// When no representation carries the problem, or it is too large.
pub fn solve(problem: &Problem) -> Result<Table, RunError> {
    exact::solve(problem, None, &Stop::default())
}

/// The state that is reached from the initial one as t → ∞, or the cycle in which a repeated protocol settles, exactly.
///
/// # Errors
/// When there is no limit, no representation carries the problem, or it is too large; where no equation could be solved
/// ([`RunError::TooLarge`], [`RunError::Unsolved`]), [`settled`](crate::settled::settled) averages over time along
/// trajectories.
pub fn steady(problem: &Problem) -> Result<Table, RunError> {
    exact::steady(problem, None, &Stop::default())
}

/// A two-time correlation ⟨A(t+τ)B(t)⟩ or ⟨C(t)A(t+τ)B(t)⟩ at each of its delays, by the regression theorem; NaN where it is
/// normalised by nothing.
///
/// ```
/// use leyden::prelude::*;
/// use leyden::problem::even_rows;
///
/// // A cell that is driven in resonance: the photon after a photon comes late.
/// let mut p = Problem::builder("resonance fluorescence");
/// let b = p.ensemble("B", 1, 1.0);
/// p.hamiltonian(sx(b) * 0.5).collective("light", sm(b), 1.0);
/// p.evolve("shine", 1.0, 1).observe([Quantity::Energy]);
/// let problem = p.build()?;
///
/// let delays = even_rows(12.0, 4);
/// let g2 = Correlation { c: Some(sp(b)), normalised: true, ..Correlation::new(n(b), sm(b), delays) };
/// let g2 = correlation(&problem, &g2)?;
/// assert!(g2[0].norm() < 1e-10);                         // never two at once
/// assert!((g2[1].re - 1.08329955).abs() < 1e-8);         // τ = 3
/// # Ok::<(), leyden::RunError>(())
/// ```
///
/// # Errors
/// When the correlation has no meaning for the problem, there is no steady state that it could begin from, or the problem
/// is too large.
pub fn correlation(problem: &Problem, of: &Correlation) -> Result<Vec<Complex64>, RunError> {
    exact::correlation(problem, of, None, &Stop::default())
}
