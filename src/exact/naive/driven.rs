//! Evolution under drives that change in time.

use super::evolve::TaylorSum;
use super::space::FullSpace;
use crate::error::RunError;
use crate::problem::{Channel, Envelope};
use num_complex::Complex64;

/// What changes with time in a step: drives and channels, by number.
pub(super) struct Changes<'p> {
    pub(super) drives: Vec<(usize, Envelope)>,
    pub(super) rates: Vec<(usize, &'p Channel)>,
}

impl Changes<'_> {
    fn envelopes(&self) -> impl Iterator<Item = &Envelope> {
        let drives = self.drives.iter().map(|(_, envelope)| envelope);
        let rates = self.rates.iter().flat_map(|(_, c)| c.envelope.iter().chain(c.modulated.iter().map(|(f, _)| f)));
        drives.chain(rates)
    }
}

/// w·f_j·f_k of all pairs of the operators that make up a jump operator, in the order of their terms.
fn weights(channel: &Channel, start: f64, t: f64) -> Vec<f64> {
    let rate = channel.envelope.as_ref().map_or(1.0, |w| w.at(start, t));
    let parts: Vec<f64> = std::iter::once(1.0).chain(channel.modulated.iter().map(|(f, _)| f.at(start, t))).collect();
    parts.iter().flat_map(|f| parts.iter().map(move |g| rate * f * g)).collect()
}

/// Largest difference between two successive refinements, as a sum over all elements.
const TOLERANCE: f64 = 1e-11;
/// Most refinements by a factor two.
const HALVINGS: u32 = 14;
/// Most steps between two rows.
const MOST_STEPS: f64 = 1e7;

/// Evolve from `from` to `until`, since the `start` of the step, by the commutator-free rule of fourth order,
/// exp(h(bL₁ + aL₂)) exp(h(aL₁ + bL₂)) with L at the two Gauss points and a, b = ¼ ± √3/6 (S. Blanes and P. C. Moan, Appl.
/// Numer. Math. 56, 1519 (2006)), with half the step until two results extrapolated to h → 0 agree. The first step is no
/// longer than the features of the envelopes, which could else fall between the Gauss points unseen.
pub(super) fn advance(
    space: &FullSpace,
    active: &[bool],
    changes: &Changes<'_>,
    state: &mut Vec<Complex64>,
    start: f64,
    (from, until): (f64, f64),
) -> Result<(), RunError> {
    // One smooth stretch after another: a rule of fourth order is none across a kink.
    let mut ends: Vec<f64> = changes.envelopes().flat_map(|f| f.breaks(start, from, until)).collect();
    ends.push(until);
    ends.sort_by(f64::total_cmp);
    let mut now = from;
    for end in ends {
        if end > now {
            smoothly(space, active, changes, state, start, (now, end))?;
            now = end;
        }
    }
    Ok(())
}

/// The same between two breaks of the envelopes.
fn smoothly(
    space: &FullSpace,
    active: &[bool],
    changes: &Changes<'_>,
    state: &mut Vec<Complex64>,
    start: f64,
    (from, until): (f64, f64),
) -> Result<(), RunError> {
    let shortest = changes.envelopes().map(feature).fold(f64::INFINITY, f64::min);
    let first = ((until - from) / shortest).ceil().max(4.0);
    let (mut coarse, mut better): (Option<Vec<Complex64>>, Option<Vec<Complex64>>) = (None, None);
    let mut change = f64::INFINITY;
    for halving in 0..HALVINGS {
        let steps = first * f64::from(halving).exp2();
        if steps > MOST_STEPS {
            return Err(RunError::TooLarge {
                what: format!("an evolution over {} under a drive", until - from),
                needed: format!("{steps:.0} steps"),
                limit: format!("{MOST_STEPS:.0}"),
                advice: "use a slower drive or switch it on in a short step of its own".into(),
            });
        }
        let fine = in_steps(space, active, changes, state, start, (from, until), steps as u64)?;
        if let Some(coarse) = &coarse {
            let extrapolated: Vec<Complex64> = fine.iter().zip(coarse).map(|(f, c)| f + (f - c) / 15.0).collect();
            if let Some(before) = &better {
                change = extrapolated.iter().zip(before).map(|(a, b)| (a - b).norm()).sum();
                if change <= TOLERANCE {
                    *state = extrapolated;
                    return Ok(());
                }
            }
            better = Some(extrapolated);
        }
        coarse = Some(fine);
    }
    let reason = format!("after {HALVINGS} halvings of the step the state still changes by {change:.1e}");
    Err(RunError::Numerics { method: "the evolution under a drive", reason })
}

/// The time within which an envelope keeps its shape.
fn feature(envelope: &Envelope) -> f64 {
    match *envelope {
        // Between its breaks it is a polynomial of low degree.
        Envelope::Function(_) | Envelope::Constant(_) | Envelope::Linear { .. } => f64::INFINITY,
        Envelope::Gaussian { width, .. } => width,
        Envelope::Cosine { frequency, .. } => frequency.abs().recip(),
    }
}

fn in_steps(
    space: &FullSpace,
    active: &[bool],
    changes: &Changes<'_>,
    initial: &[Complex64],
    start: f64,
    (from, until): (f64, f64),
    steps: u64,
) -> Result<Vec<Complex64>, RunError> {
    let mut state = initial.to_vec();
    let h = (until - from) / steps as f64;
    let (a, b) = (0.25 + 3f64.sqrt() / 6.0, 0.25 - 3f64.sqrt() / 6.0);
    for step in 0..steps {
        let t = from + step as f64 * h;
        let (first, second) = (t + h * (0.5 - 3f64.sqrt() / 6.0), t + h * (0.5 + 3f64.sqrt() / 6.0));
        for (x, y) in [(a, b), (b, a)] {
            // x + y = ½: half of the fixed generator, and of the drives their weighted strengths.
            let mixed = |f: &Envelope| 2.0 * (x * f.at(start, first) + y * f.at(start, second));
            let strengths: Vec<(usize, f64)> = changes.drives.iter().map(|(d, f)| (*d, mixed(f))).collect();
            let both = |channel: &Channel| {
                let (one, two) = (weights(channel, start, first), weights(channel, start, second));
                one.iter().zip(&two).map(|(f, g)| 2.0 * (x * f + y * g)).collect()
            };
            let rates: Vec<(usize, Vec<f64>)> = changes.rates.iter().map(|(c, channel)| (*c, both(channel))).collect();
            let now = space.with_rates(&rates);
            TaylorSum::new(&now, active, &strengths)?.advance(&mut state, 0.5 * h)?;
        }
    }
    Ok(state)
}
