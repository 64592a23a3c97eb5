//! The entropy that a sampled run has produced: what the jumps have brought to the surroundings, and by how much that of the
//! averaged state of the whole system has changed, of which sampling gives both sides (`docs/physics.md` §3.5).

use super::answers::Sided;
use super::columns::Accumulated;
use super::counting::Cumulant;
use super::ergotropy::{Bounded, Valued, scatter};
use super::occupation::{Occupation, Occupied};
use super::sampled::{self, student, turned};
use crate::battery::Battery;
use crate::density::Density;
use crate::error::RunError;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// The averaged state of the whole system at the last row: a density matrix, or where every state is |J, M⟩ how often each is
/// occupied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The entropy of the state that the run began with.
    pub before: f64,
    /// Its density matrix, block by block; without blocks on the ladder.
    pub density: Density,
    /// Its Dicke states, on the ladder.
    pub occupied: Occupation,
}

impl End {
    /// Nothing yet, of a run that begins with this entropy.
    pub fn new(before: f64) -> Self {
        Self { before, density: Density::default(), occupied: Occupation::default() }
    }

    /// Add what was recorded after this.
    pub fn merge(&mut self, later: Self) {
        self.density.merge(later.density);
        self.occupied.merge(later.occupied);
    }
}

impl Accumulated {
    /// By how much −Tr ρ ln ρ of the whole system has changed at the end, and the entropy that was produced, the sum of that
    /// and of the `flow`; `z` standard errors make an interval. `None` where the state of the whole system is not kept.
    ///
    /// # Errors
    /// [`RunError::Numerics`] when the state is none.
    pub fn produced(&self, problem: &Problem, flow: Cumulant, z: f64) -> Result<Option<[Cumulant; 2]>, RunError> {
        let known = self.no_jump.as_ref().and_then(|known| known.end.as_ref());
        let (Some(end), share) = (&self.end, self.share()) else { return Ok(None) };
        let before = end.before;
        let most: f64 = problem.subsystems.iter().map(|s| s.ln_dimension()).sum();
        let change = if problem.channels.iter().all(|channel| channel.rate == 0.0) {
            // Whatever H does leaves the eigenvalues of the state as they are.
            Cumulant::exact(0.0)
        } else {
            let (found, degrees) = match Battery::of(problem).filter(|_| end.density.blocks.is_empty()) {
                Some(battery) => {
                    let known = known.map(|known| known.occupied.clone()).unwrap_or_default();
                    of_dicke(&battery, &Occupied::new(end.occupied.clone(), known, share), most)
                }
                None => {
                    let whole = known.map(|known| end.density.completed(share, &known.density));
                    sampled::entropy(whole.as_ref().unwrap_or(&end.density), share, most)?
                }
            };
            // What was not seen has the logarithm of its chance.
            let n = self.moments.effective();
            let found = turned(found).widened((0.0, most), share * (n.max(1.0).ln() + 1.0 + most), n);
            let (lo, hi) = found.interval(student(z, degrees), (0.0, most));
            Cumulant { value: found.value - before, se: found.se, interval: (lo - before, hi - before) }
        };
        // The two depend on each other, in a way that is not looked at: their errors add. It is never below 0.
        let (lo, hi) = (change.interval.0 + flow.interval.0, change.interval.1 + flow.interval.1);
        let interval = if lo < 0.0 { (0.0, hi.max(0.0)) } else { (lo, hi) };
        let production = Cumulant { value: change.value + flow.value, se: change.se + flow.se, interval };
        Ok(Some([change, production]))
    }
}

/// −S of what is diagonal in |J, M⟩, Σ p ln(p/ν): from above with the sampled p, from below with those of one half of the
/// trajectories in the logarithm over the other one (Klein's inequality).
fn of_dicke(battery: &Battery, occupied: &Occupied, span: f64) -> Sided {
    let n = occupied.trajectories[0] + occupied.trajectories[1];
    let plain: Vec<Valued> = occupied
        .states
        .iter()
        .map(|state| {
            let p = (state.weight[0] + state.weight[1]) / n;
            Valued { weight: p, known: state.known, value: p.ln() - battery.ln_copies(state.key) }
        })
        .collect();
    let plain = scatter(n, &plain);
    // What so many trajectories have not seen.
    let floor = 2.0 * occupied.unit / n.max(2.0);
    let half = |fitted: usize| {
        let (own, other) = (occupied.trajectories[fitted], occupied.trajectories[1 - fitted]);
        let raised = |weight: f64| (weight / own).max(floor);
        let total: f64 = occupied.states.iter().map(|state| raised(state.weight[fitted])).sum();
        let value = |state: &super::occupation::Share| Valued {
            weight: state.weight[1 - fitted],
            known: state.known * other,
            value: (raised(state.weight[fitted]) / total).ln() - battery.ln_copies(state.key),
        };
        scatter(0.5 * n, &occupied.states.iter().map(value).collect::<Vec<_>>())
    };
    let above = (plain.mean, plain.sampled_error());
    let below = match occupied.trajectories {
        [0.0, _] | [_, 0.0] => (f64::NAN, f64::NAN),
        _ => {
            let [even, odd] = [0, 1].map(half);
            (0.5 * (even.mean + odd.mean), 0.5 * even.sampled_error().hypot(odd.sampled_error()))
        }
    };
    let below = (below.0.min(above.0), below.1);
    let undersampled = !(above.0 - below.0 <= 2.0 * above.1 + 1e-9 * span);
    let found = Bounded { value: above.0, se: above.1, below, above, undersampled, events: plain.events(span) };
    (found, f64::INFINITY)
}
