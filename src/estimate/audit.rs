//! Means of work, heat and entropy flow over trajectories, and how well the first law holds in each of them.

use super::columns::Accumulated;
use super::counting::Cumulant;
use super::interval::margins;
use super::moments::Moments;
use super::sampled::student;
use crate::error::RunError;
use crate::problem::{Account, AuditEntry, Ledger, Problem};
use serde::{Deserialize, Serialize};

/// The numbers of an audit of many trajectories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    /// Their moments, one number for each of [`Ledger::entries`], in that order.
    pub moments: Moments,
    /// The largest |ΔU − ΣW − ΣQ| of a single trajectory, an energy (`docs/physics.md` §3.5, Eq. 3.6).
    pub residual: f64,
}

impl Audited {
    /// Add trajectories recorded after these.
    pub fn merge(&mut self, later: &Self) {
        self.moments.merge(&later.moments);
        self.residual = self.residual.max(later.residual);
    }
}

/// A line of an audit.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// What it is of.
    pub entry: AuditEntry,
    /// Its mean with error and interval, in the units of energy of the input; of an entropy flow a number, infinite where a
    /// jump has no reverse.
    pub mean: Cumulant,
    /// Its standard deviation over trajectories; NaN where there are none.
    pub std: f64,
}

impl Accumulated {
    /// Every line of an audit in the order of [`Ledger::entries`], where one was asked for, then where the state of the whole
    /// system is kept the change of its entropy and the entropy produced; `z` standard errors make an interval.
    ///
    /// # Errors
    /// As [`produced`](Self::produced).
    pub fn audited(&self, problem: &Problem, z: f64) -> Result<Option<Vec<Audit>>, RunError> {
        let Some(averages) = self.audit() else { return Ok(None) };
        let ledger = Ledger::new(problem);
        let (least, most) = problem.whole_energies();
        let (share, n) = (averages.share(), averages.effective());
        let t = if n > 1.0 { student(z, n - 1.0) } else { f64::INFINITY };
        let largest = |flows: f64, flow: &f64| if flow.is_finite() { flows.max(flow.abs()) } else { flows };
        let flow = ledger.flows.iter().flatten().fold(0.0, largest);
        let line = |(index, entry): (usize, AuditEntry)| {
            // What was not seen moves all of the energy, or brings one jump more.
            let (range, span) = match entry.account {
                Account::Energy => ((least - most, most - least), most - least),
                Account::Work | Account::Heat => ((f64::NEG_INFINITY, f64::INFINITY), most - least),
                Account::EntropyFlow | Account::Entropy | Account::Production => {
                    ((f64::NEG_INFINITY, f64::INFINITY), flow)
                }
            };
            if !entry.per_jump.is_finite() {
                return Audit { mean: unbounded(entry.per_jump), std: f64::NAN, entry };
            }
            let (value, seen) = (averages.mean(index), averages.scatter(index));
            let mean = if entry.off || share == 0.0 {
                Cumulant::exact(value)
            } else {
                let (below, above) = margins(&seen, range, span, t);
                let interval = (value - share * below, value + share * above);
                Cumulant { value, se: share * seen.error(span), interval }
            };
            Audit { entry, mean, std: averages.variance(index).sqrt() }
        };
        let mut lines: Vec<Audit> = ledger.entries(problem).into_iter().enumerate().map(line).collect();
        let Audit { entry: flow, mean, .. } = lines[ledger.whole() + 3].clone();
        if let Some([change, production]) = self.produced(problem, mean, z)? {
            let per_jump = if flow.per_jump.is_finite() { 0.0 } else { flow.per_jump };
            for (account, mean, per_jump) in
                [(Account::Entropy, change, 0.0), (Account::Production, production, per_jump)]
            {
                let entry = AuditEntry { per_jump, ..AuditEntry::of_all(account, None) };
                lines.push(Audit { entry, mean, std: f64::NAN });
            }
        }
        Ok(Some(lines))
    }

    /// The largest |ΔU − ΣW − ΣQ| of a single trajectory, the branch without jumps included.
    pub fn residual(&self) -> f64 {
        let of = |all: &Self| all.audit.as_ref().map_or(0.0, |audit| audit.residual);
        self.no_jump.as_ref().map_or(0.0, |known| of(known)).max(of(self))
    }
}

/// A value without error or interval.
fn unbounded(value: f64) -> Cumulant {
    Cumulant { value, se: f64::NAN, interval: (f64::NAN, f64::NAN) }
}
