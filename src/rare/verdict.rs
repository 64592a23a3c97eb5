//! What populations say together, and whether that is to be trusted.

use super::known::Known;
use super::question::Question;
use super::{AtLevel, Found};
use crate::estimate::interval::Confidence;
use crate::estimate::populations::{Pooled, counted, pooled};
use statrs::distribution::{Binomial, DiscreteCDF};

/// Chance at which plain trajectories and populations are said to disagree although they do not.
const DISAGREE: f64 = 1e-4;
/// Fewer ancestors at the start than this leave the populations' estimates to chance.
const FEW_ROOTS: f64 = 4.0;
/// By what factor a second opinion may say more.
const OTHERWISE: f64 = 3.0;

/// What a population has to say.
pub(super) struct Estimate {
    /// The probability of the event.
    pub event: f64,
    /// The probabilities to be beyond each level.
    pub levels: Vec<f64>,
    /// How many of its trajectories at the start those descend from that show the event.
    pub roots: usize,
}

/// Populations that count, and what came before them.
pub(super) struct Populations {
    pub all: Vec<Estimate>,
    pub size: usize,
    pub plain: bool,
    /// The probability of the event that populations say which are drawn to it less.
    pub second: Vec<f64>,
    /// So many plain trajectories among the pilots have shown the event, of so many.
    pub pilots: (f64, usize),
    pub levels: Vec<f64>,
    pub trajectories: usize,
    pub confidence: Confidence,
}

impl Populations {
    /// What the numbers `of` populations say together, among trajectories as they were sampled.
    fn pooled(&self, of: impl Fn(&Estimate) -> f64) -> Pooled {
        let estimates: Vec<f64> = self.all.iter().map(of).collect();
        if self.plain {
            let n = (self.all.len() * self.size) as f64;
            let hits = estimates.iter().sum::<f64>() * self.size as f64;
            // Whole numbers but for rounding, where nothing was measured.
            let whole = if (hits - hits.round()).abs() < 1e-6 { hits.round() } else { hits };
            return counted(whole, n, self.confidence);
        }
        pooled(&estimates, self.confidence)
    }

    /// What was found, but for the event itself.
    pub fn found(&self, of: Found, question: &Question, known: &Known) -> Found {
        let holds = |value: f64| question.holds(value);
        let mut own = self.pooled(|one| one.event);
        let (hits, n) = (self.pilots.0, self.pilots.1 as f64);
        let unseen = !(own.value > 0.0);
        if unseen {
            // All that is left are the plain trajectories among the pilots.
            own.interval.1 = counted(hits, n, self.confidence).interval.1;
        }
        let doubt = self.doubt(&own);
        let all = known.whole(own, holds);
        let level = |(k, level): (usize, &f64)| {
            let own = self.pooled(|one| one.levels[k]);
            let all = known.whole(own, |value| question.holds_at(*level, value));
            (own.value > 0.0).then_some(AtLevel { level: *level, probability: all.value, interval: all.interval })
        };
        Found {
            probability: all.value,
            interval: all.interval,
            relative_error: if all.value > 0.0 { all.se / all.value } else { f64::NAN },
            populations: self.all.len(),
            size: self.size,
            trajectories: self.trajectories as u64,
            plain: self.plain,
            doubt,
            levels: self.levels.iter().enumerate().filter_map(level).collect(),
            interrupted: self.confidence == Confidence::Stopped,
            ..of
        }
    }

    /// Why the interval of the sampled part is not to be trusted.
    fn doubt(&self, own: &Pooled) -> Option<String> {
        // Of measurements those that trajectories would have given, on the whole.
        let (hits, n) = (self.pilots.0.round() as u64, self.pilots.1 as u64);
        if !(own.value > 0.0) {
            return Some(format!(
                "no population came to the event: the upper limit is that of {n} plain trajectories, {hits} of which did"
            ));
        }
        if self.plain {
            return None;
        }
        if own.dominated {
            return Some("a few populations make up most of the estimate: others may have been missed".into());
        }
        let roots = self.all.iter().map(|one| one.roots).sum::<usize>() as f64 / self.all.len() as f64;
        if roots < FEW_ROOTS {
            return Some(format!(
                "what shows the event in a population descends from {roots:.1} of its {} trajectories: larger populations are needed",
                self.size
            ));
        }
        let second = pooled(&self.second, Confidence::Fixed);
        if second.value > OTHERWISE * own.value || second.interval.0 > own.interval.1 {
            return Some(format!(
                "populations that are drawn to the event less say {:.1e}: there seems to be another way to it",
                second.value
            ));
        }
        let tail =
            |p: f64| Binomial::new(p, n).map(|law| (law.cdf(hits), if hits == 0 { 1.0 } else { law.sf(hits - 1) }));
        match (tail(own.interval.0), tail(own.interval.1)) {
            (Ok((below, _)), _) if below < DISAGREE => {}
            (_, Ok((_, above))) if above < DISAGREE => {}
            _ => return None,
        }
        Some(format!("it disagrees with plain trajectories, {hits} of {n} of which showed the event"))
    }
}
