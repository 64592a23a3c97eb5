//! The library in a few calls: sample a problem, solve it, ask where it settles or how two times correlate; results are
//! read by name.

use crate::error::RunError;
use crate::estimate::columns::{self, Accumulated};
use crate::estimate::evaluation::Evaluation;
use crate::exact;
use crate::problem::{Correlation, Problem};
use crate::run::{self, RunOptions, Shots};
use crate::space::alike::ensembles;
use crate::space::choose::Representation;
use crate::stop::Stop;
use crate::table::{Column, Table};
use crate::unravel::engine::Engine;
use num_complex::Complex64;
use std::ops::Index;

/// How to sample. `Sampling { trajectories: 2_000, ..Default::default() }` names what differs from the default.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// Number of trajectories, at least 1.
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
    /// Every quantity at every row of the protocol, with standard errors and 95 % intervals.
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

/// Sample `problem` by quantum trajectories: between jumps dψ/dt = (−iH − ½Σ r L†L)ψ until ‖ψ(t)‖² = u with u uniform
/// from 0 to 1, whose average obeys the master equation (`docs/physics.md` §2.4). Intervals hold in 95 % of all cases,
/// also of runs that are stopped early. Cells of matrices that nothing tells apart are stored as ensembles
/// ([`ensembles`]) where no single shots and no states are wanted that would tell them apart.
///
/// # Errors
/// [`RunError::Compile`] when no representation carries the problem; [`RunError::Request`] when a quantity cannot be
/// had; [`RunError::TooLarge`] when it would not fit into memory; [`RunError::Numerics`] when a state becomes none;
/// [`RunError::Interrupted`] when [`Sampling::stop`] was raised before the first batch was complete.
pub fn sample(problem: &Problem, how: &Sampling) -> Result<Sampled, RunError> {
    let smaller = ensembles(problem, how.representation).filter(|of| !how.states && (of.same_runs || !how.shots));
    let problem = smaller.as_ref().map_or(problem, |of| &of.problem);
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

/// Solve the master equation itself: every quantity at every row of the protocol, without errors.
///
/// # Errors
/// [`RunError::Compile`] when no representation carries the problem; [`RunError::TooLarge`] when it would not fit;
/// [`RunError::Numerics`] when a tolerance is missed; [`RunError::Request`] when a quantity cannot be had.
pub fn solve(problem: &Problem) -> Result<Table, RunError> {
    exact::solve(problem, None, &Stop::default())
}

/// The state lim_{t→∞} e^{Lt}ρ(0) that is reached from the initial one in the last timed step, or the cycle in which a
/// repeated protocol settles, exactly (`docs/physics.md` §2.6). The table has one row at t = ∞, in which power is 0 and
/// what only grows, jumps and released energy, is NaN; of a repeated protocol the rows of one cycle.
///
/// # Errors
/// When there is no limit ([`RunError::NoLimit`]), the step changes with time ([`RunError::Request`]), no
/// representation carries the problem, or it is too large; where no equation could be solved ([`RunError::TooLarge`],
/// [`RunError::Unsolved`]), [`settled`](crate::settled::settled) averages over time along trajectories.
pub fn steady(problem: &Problem) -> Result<Table, RunError> {
    exact::steady(problem, None, &Stop::default())
}

/// A two-time correlation ⟨A(t+τ)B(t)⟩ or ⟨C(t)A(t+τ)B(t)⟩ = Tr\[A e^{Lτ}(Bρ(t)C)\] by the regression theorem
/// (`docs/physics.md` §3.4, Eq. 3.4): one number for each delay, in the unit of the operators or, normalised, a pure
/// number; NaN where it is normalised by nothing.
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
/// When the correlation has no meaning for the problem ([`RunError::Model`]), there is no steady state that it could
/// begin from ([`RunError::NoLimit`]), no representation carries it ([`RunError::Compile`]), or the problem is too
/// large ([`RunError::TooLarge`]).
pub fn correlation(problem: &Problem, of: &Correlation) -> Result<Vec<Complex64>, RunError> {
    exact::correlation(problem, of, None, &Stop::default())
}
