//! From accumulated moments and occupations to the columns of a result table.

use super::covariance::Covariance;
use super::ergotropy::{self, Bounded};
use super::moments::Moments;
use super::occupation::Occupation;
use crate::battery::{Battery, Levels};
use crate::error::RunError;
use crate::problem::{Problem, Quantity};
use crate::table::{Column, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Two-sided 95 % point of the normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// Everything that the batches so far have contributed, in mergeable form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accumulated {
    /// Moments of each linear average at each row: index row·slots + slot.
    pub moments: Moments,
    /// The averaged battery state at each row; empty unless a quantity needs it.
    pub occupations: Vec<Occupation>,
    /// Covariance between rows, when asked for.
    pub covariance: Option<Covariance>,
}

impl Accumulated {
    /// Add a later batch.
    pub fn merge(&mut self, later: Self) {
        self.moments.merge(&later.moments);
        match (&mut self.covariance, later.covariance) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            _ => {}
        }
        if self.occupations.is_empty() {
            self.occupations = later.occupations;
        } else {
            for (mine, theirs) in self.occupations.iter_mut().zip(later.occupations) {
                mine.merge(theirs);
            }
        }
    }
}

/// Levels of the battery, or why its ergotropy cannot be had.
pub fn battery_levels(problem: &Problem) -> Result<(Battery, Levels), RunError> {
    let levels = Battery::of(problem).and_then(|battery| Some((battery.clone(), battery.levels()?)));
    levels.ok_or_else(|| RunError::Request("this battery has too many levels for its ergotropy".into()))
}

/// The ergotropy at each row.
///
/// # Errors
/// When the battery's levels cannot be tabulated.
pub fn ergotropies(problem: &Problem, accumulated: &Accumulated) -> Result<Vec<Bounded>, RunError> {
    let (battery, levels) = battery_levels(problem)?;
    let effective = accumulated.moments.effective();
    let rows = accumulated.occupations.par_iter();
    Ok(rows.map(|o| ergotropy::sampled(&battery, &levels, &o.clone().cells(), effective)).collect())
}

/// The result table of a sampled run.
///
/// # Errors
/// When a quantity cannot be evaluated (see [`ergotropies`]).
pub fn table(problem: &Problem, accumulated: &Accumulated) -> Result<Table, RunError> {
    let mut table = Table::new(problem);
    let linear = problem.linear();
    let moments = &accumulated.moments;
    let rows = table.rows.len();
    let ergotropy = if problem.needs_state() { ergotropies(problem, accumulated)? } else { Vec::new() };
    for quantity in &problem.quantities {
        let needed = quantity.linear();
        let slot = linear.iter().position(|l| *l == needed).unwrap_or(0);
        let at = |row: usize| row * linear.len() + slot;
        let column = |value: Vec<f64>, se: Vec<f64>, bounds| Column {
            name: problem.column(quantity),
            value,
            se: Some(se),
            bounds,
        };
        let pairs = |f: &dyn Fn(usize) -> (f64, f64)| (0..rows).map(f).unzip::<f64, f64, Vec<f64>, Vec<f64>>();
        let (value, se, bounds) = match quantity {
            Quantity::EnergyVariance | Quantity::MagnetisationVariance(_) => {
                let (value, se) = pairs(&|r| (moments.variance(at(r)), moments.variance_error(at(r))));
                (value, se, None)
            }
            Quantity::EnergyDeviation => {
                let (value, se) = pairs(&|r| {
                    let deviation = moments.variance(at(r)).sqrt();
                    (deviation, if deviation > 0.0 { 0.5 * moments.variance_error(at(r)) / deviation } else { 0.0 })
                });
                (value, se, None)
            }
            Quantity::SpinLength(_) => {
                let (value, se) = pairs(&|r| {
                    let s = spin_length(moments.mean(at(r)));
                    (s, moments.mean_error(at(r)) / (2.0 * s + 1.0))
                });
                (value, se, None)
            }
            Quantity::Ergotropy => {
                let (value, se) = pairs(&|r| (ergotropy[r].value, ergotropy[r].se));
                (value, se, Some(ergotropy.iter().map(|w| w.interval(Z95)).unzip()))
            }
            Quantity::Efficiency => {
                // The relative error of E adds to that of W; E and W are positively correlated, so this is not too small.
                let ratio = |w: f64, e: f64| if e > 1e-14 { w / e } else { f64::NAN };
                let error = |r: usize| {
                    let (e, w) = (moments.mean(at(r)), ergotropy[r]);
                    (ratio(w.se, e).powi(2) + (ratio(w.value, e) * ratio(moments.mean_error(at(r)), e)).powi(2)).sqrt()
                };
                let (value, se) = pairs(&|r| (ratio(ergotropy[r].value, moments.mean(at(r))), error(r)));
                let interval = |r: usize| {
                    let (e, w) = (moments.mean(at(r)), ergotropy[r]);
                    let margin = Z95 * error(r);
                    ((ratio(w.below.0, e) - margin).max(0.0), (ratio(w.above.0, e) + margin).min(1.0))
                };
                (value, se, Some((0..rows).map(interval).unzip()))
            }
            _ => {
                let (value, se) = pairs(&|r| (moments.mean(at(r)), moments.mean_error(at(r))));
                (value, se, None)
            }
        };
        table.columns.push(column(value, se, bounds));
        if *quantity == Quantity::Ergotropy {
            let flags = ergotropy.iter().map(|w| f64::from(u8::from(w.undersampled))).collect();
            table.push_exact("ergotropy_undersampled".into(), flags);
        }
    }
    Ok(table)
}

/// S with S(S+1) = ⟨S²⟩.
pub fn spin_length(squared: f64) -> f64 {
    0.5 * ((1.0 + 4.0 * squared.max(0.0)).sqrt() - 1.0)
}
