//! Means of linear averages over all trajectories, from those that were sampled and, where it is known, the branch in which
//! nothing ever happens: ⟨x⟩ = p₀⟨x⟩₀ + (1 − p₀)⟨x⟩₁, of which only ⟨x⟩₁ has an error.

use super::columns::Accumulated;
use super::covariance::Covariance;
use super::moments::Moments;
use super::unseen::Scatter;

/// Means, variances and their errors, by number: row·width + average for linear average `average` of
/// [`Problem::linear`](crate::problem::Problem::linear), and the place in the ledger for an audit.
#[derive(Clone, Copy, Debug)]
pub struct Averages<'a> {
    sampled: &'a Moments,
    /// The branch without jumps, whose weights add up to its probability.
    known: Option<&'a Moments>,
}

impl Accumulated {
    /// The averages that it amounts to.
    pub fn averages(&self) -> Averages<'_> {
        Averages { sampled: &self.moments, known: self.no_jump.as_ref().map(|known| &known.moments) }
    }

    /// Those of the numbers of an audit.
    pub fn audit(&self) -> Option<Averages<'_>> {
        let known = self.no_jump.as_ref().and_then(|known| known.audit.as_ref());
        Some(Averages { sampled: &self.audit.as_ref()?.moments, known: known.map(|known| &known.moments) })
    }

    /// Probability of what was sampled: 1 unless the branch without jumps is known.
    pub fn share(&self) -> f64 {
        self.averages().share()
    }

    /// Mean of linear average number `average` at each row and the covariance of these means, where that was kept.
    pub fn between_rows(&self, average: usize) -> Option<BetweenRows<'_>> {
        let covariance = self.covariance.as_ref()?;
        let rows = covariance.mean(average).len();
        let (averages, width) = (self.averages(), self.moments.numbers() / rows.max(1));
        let mean = (0..rows).map(|row| averages.mean(row * width + average)).collect();
        Some(BetweenRows { mean, covariance, average, share: averages.share() })
    }
}

/// How one linear average varies over rows.
pub struct BetweenRows<'a> {
    /// Its mean at each row.
    pub mean: Vec<f64>,
    covariance: &'a Covariance,
    average: usize,
    share: f64,
}

impl BetweenRows<'_> {
    /// Covariance of the means at rows `a` and `b`.
    pub fn of_mean(&self, a: usize, b: usize) -> f64 {
        self.share * self.share * self.covariance.of_mean(self.average, a, b)
    }
}

impl Averages<'_> {
    /// Probability 1 − p₀ of what was sampled.
    pub fn share(&self) -> f64 {
        self.known.map_or(1.0, |known| (1.0 - known.weight()).max(0.0))
    }

    /// Effective number of trajectories that were sampled.
    pub fn effective(&self) -> f64 {
        self.sampled.effective()
    }

    /// Mean of a number; NaN of none.
    pub fn mean(&self, index: usize) -> f64 {
        match self.known {
            None => self.sampled.mean(index),
            Some(known) => known.weight() * known.mean(index) + self.share() * self.sampled.mean(index),
        }
    }

    /// Variance of a number over all trajectories; NaN for fewer than two that were sampled.
    pub fn variance(&self, index: usize) -> f64 {
        let Some(known) = self.known else { return self.sampled.variance(index) };
        let mean = self.mean(index);
        let about = |spread: f64, of: f64| spread + (of - mean).powi(2);
        let sampled = about(self.sampled.variance(index), self.sampled.mean(index));
        known.weight() * about(known.spread(index), known.mean(index)) + self.share() * sampled
    }

    /// Standard error of the mean.
    pub fn mean_error(&self, index: usize) -> f64 {
        self.share() * self.sampled.mean_error(index)
    }

    /// Variance of the mean times the number of trajectories: what a number of trajectories is worked out from.
    pub fn sampling_variance(&self, index: usize) -> f64 {
        self.share() * self.share() * self.sampled.variance(index)
    }

    /// Standard error of the variance. With d = ⟨x⟩₁ − ⟨x⟩ it is that of the mean of (1 − p₀)(y + d)², y = x − ⟨x⟩₁, whose
    /// variance is μ₄ + 4dμ₃ + 4d²μ₂ − μ₂².
    pub fn variance_error(&self, index: usize) -> f64 {
        if self.known.is_none() {
            return self.sampled.variance_error(index);
        }
        let d = self.sampled.mean(index) - self.mean(index);
        let [m2, m3, m4] = self.sampled.central(index);
        let n = self.effective();
        if n <= 1.0 {
            return f64::NAN;
        }
        self.share() * ((m4 + 4.0 * d * m3 + 4.0 * d * d * m2 - m2 * m2).max(0.0) / (n - 1.0)).sqrt()
    }

    /// How what was sampled scatters.
    pub fn scatter(&self, index: usize) -> Scatter {
        self.sampled.scatter(index)
    }

    /// Typical size of what made trajectories differ, as far as it moves the mean.
    pub fn event_size(&self, index: usize) -> f64 {
        self.share() * self.sampled.event_size(index)
    }
}
