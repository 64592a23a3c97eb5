//! Every trajectory of a run as data: what it expects at every row, its states, its jumps. Made anew when asked for, from the
//! same random streams and so the same.

use crate::draws::Draws;
use leyden::RunError;
use leyden::problem::Problem;
use leyden::run::{self, RunOptions};
use leyden::stop::Stop;
use leyden::unravel::no_jump::{NoJump, Which};
use leyden::unravel::trajectory::{Moment, Recorder, Span, run_batch};
use leyden::unravel::{Batch, States, Unraveling};
use num_complex::Complex64;
use rayon::prelude::*;
use std::ops::Range;

/// What is wanted of each trajectory.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The linear averages at every row.
    pub values: bool,
    /// The vector at every row.
    pub states: bool,
    /// The jumps.
    pub jumps: bool,
}

/// Trajectories one after another.
#[derive(Default)]
pub struct Runs {
    /// Linear averages: trajectory, row, slot.
    pub values: Vec<f64>,
    /// Amplitudes: trajectory, row, product state.
    pub states: Vec<Complex64>,
    /// Number of jumps of each trajectory.
    pub jumps_of: Vec<u64>,
    /// Times of all jumps since the run began.
    pub times: Vec<f64>,
    /// Their channels.
    pub channels: Vec<u32>,
}

impl Runs {
    fn append(&mut self, later: Self) {
        self.values.extend(later.values);
        self.states.extend(later.states);
        self.jumps_of.extend(later.jumps_of);
        self.times.extend(later.times);
        self.channels.extend(later.channels);
    }
}

struct Keeper<'a> {
    wanted: Wanted,
    slots: usize,
    /// Levels of each tensor factor.
    dims: &'a [usize],
    /// Of each trajectory by itself.
    each: Vec<Runs>,
    /// Whether the vectors are there to be read.
    readable: bool,
}

impl<B: Batch> Recorder<B> for Keeper<'_> {
    fn row(&mut self, batch: &B, moment: &Moment) -> Result<(), RunError> {
        let n = batch.trajectories();
        if self.wanted.values {
            let mut values = vec![0.0; n];
            for slot in 0..self.slots {
                batch.linear(slot, moment.step, &mut values);
                self.each.iter_mut().zip(&values).for_each(|(one, value)| one.values.push(*value));
            }
        }
        if self.wanted.states {
            let size: usize = self.dims.iter().product();
            for (k, one) in self.each.iter_mut().enumerate() {
                let first = one.states.len();
                one.states.resize(first + size, Complex64::ZERO);
                let own = &mut one.states[first..];
                self.readable &= batch.amplitudes(k, &mut |levels, amplitude| {
                    let place = levels.iter().zip(self.dims).fold(0, |place, (level, d)| place * d + level);
                    own[place] = amplitude;
                });
            }
        }
        Ok(())
    }

    fn step_end(&mut self, batch: &B, span: &Span) {
        if self.wanted.jumps {
            for (k, one) in self.each.iter_mut().enumerate() {
                for click in batch.clicks(k) {
                    one.times.push(span.start + click.time);
                    one.channels.push(click.channel as u32);
                }
            }
        }
    }
}

/// Make trajectories `range` of `seed` again, or those that never jump.
pub fn make(
    problem: &Problem,
    draws: &Draws,
    (seed, range): (u64, Range<u64>),
    (wanted, dims): (Wanted, &[usize]),
    (threads, stop): (usize, &Stop),
) -> Result<(Runs, Vec<f64>, Runs), RunError> {
    let no_jump = draws.no_jump(stop)?;
    let which = no_jump.as_ref().map_or(Which::Any, Which::Jumping);
    let options = RunOptions { trajectories: range.end, seed, threads, shots: false, covariance: false, states: false };
    let size = run::batch_size(draws, problem, options);
    let of = |which: Which, part: Range<u64>| -> Result<Runs, RunError> {
        let mut batch = draws.start_of(which, seed, part, stop);
        if wanted.jumps {
            batch.keep_clicks();
        }
        let each = (0..batch.trajectories()).map(|_| Runs::default()).collect();
        let mut keeper = Keeper { wanted, slots: problem.linear().len(), dims, each, readable: true };
        run_batch(problem, &mut batch, stop, &mut keeper)?;
        if !keeper.readable {
            let text =
                "this representation does not keep states by product states: ask for `representation = \"full\"`";
            return Err(RunError::Request(text.into()));
        }
        let mut all = Runs::default();
        for mut one in keeper.each {
            one.jumps_of = vec![one.times.len() as u64];
            all.append(one);
        }
        Ok(all)
    };
    let starts: Vec<u64> = (range.start..range.end).step_by(size as usize).collect();
    let sampled = || -> Result<Vec<Runs>, RunError> {
        starts.par_iter().map(|start| of(which, *start..(start + size).min(range.end))).collect()
    };
    let parts = match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(sampled)?,
        Err(_) => sampled()?,
    };
    let mut all = Runs::default();
    parts.into_iter().for_each(|part| all.append(part));
    let weights = no_jump.as_ref().map_or_else(Vec::new, |known: &NoJump| known.weights().collect());
    let known = match weights.len() as u64 {
        0 => Runs::default(),
        n => of(Which::Never, 0..n)?,
    };
    Ok((all, weights, known))
}
