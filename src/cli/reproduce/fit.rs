//! Power laws through points, with the error of their exponents.

use crate::estimate::columns::Z95;
use crate::output::figure::Point;

/// y = a·x^k.
#[derive(Clone, Copy, Debug)]
pub struct PowerLaw {
    factor: f64,
    /// The exponent k.
    pub exponent: f64,
    /// How far off it may be: 95 % of the scatter of the points, or the errors that they have, and no less than what changes when
    /// only the upper half of them is looked at. The second is the larger one where the law is not reached yet.
    pub error: f64,
}

impl PowerLaw {
    /// The one of least squares in the logarithms, weighted by the errors where all points have them, through those with x in
    /// the range; `None` of fewer than three.
    pub fn through(points: &[Point], (from, to): (f64, f64)) -> Option<Self> {
        let inside = |p: &&Point| from <= p.x && p.x <= to && p.x > 0.0 && p.y > 0.0;
        let mut all: Vec<Point> = points.iter().filter(inside).copied().collect();
        all.sort_by(|a, b| a.x.total_cmp(&b.x));
        let (factor, exponent, se) = line(&all)?;
        let upper = line(&all[all.len() / 2..]).map_or(exponent, |(_, exponent, _)| exponent);
        Some(Self { factor, exponent, error: (Z95 * se).max((upper - exponent).abs()) })
    }

    /// Its value.
    pub fn at(&self, x: f64) -> f64 {
        self.factor * x.powf(self.exponent)
    }
}

/// Factor and exponent with its standard error.
fn line(points: &[Point]) -> Option<(f64, f64, f64)> {
    let n = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let sampled = points.iter().all(|p| p.lo < p.hi);
    let weight = |p: &Point| if sampled { (2.0 * Z95 * p.y / (p.hi - p.lo)).powi(2) } else { 1.0 };
    let sum = |of: &dyn Fn(&Point) -> f64| points.iter().map(|p| weight(p) * of(p)).sum::<f64>();
    let all = sum(&|_| 1.0);
    let (x, y) = (sum(&|p| p.x.ln()) / all, sum(&|p| p.y.ln()) / all);
    let spread = sum(&|p| (p.x.ln() - x).powi(2));
    let exponent = sum(&|p| (p.x.ln() - x) * (p.y.ln() - y)) / spread;
    let off = sum(&|p| (p.y.ln() - y - exponent * (p.x.ln() - x)).powi(2)) / (n - 2.0);
    // Of points with errors χ² says whether they are too small.
    let variance = if sampled { off.max(1.0) } else { off } / spread;
    exponent.is_finite().then(|| ((y - exponent * x).exp(), exponent, variance.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_come_with_errors() {
        let xs = || (1..=8).map(|k| f64::from(2 * k));
        let exact: Vec<Point> = xs().map(|x| Point::exact(x, 3.0 * x.powf(1.5))).collect();
        let law = PowerLaw::through(&exact, (0.0, 100.0)).unwrap();
        assert!((law.exponent - 1.5).abs() < 1e-12 && law.error < 1e-10 && (law.at(4.0) - 24.0).abs() < 1e-10);
        // A law that is reached only slowly has the drift as its error.
        let late: Vec<Point> = xs().map(|x| Point::exact(x, x * x + 5.0 * x)).collect();
        let law = PowerLaw::through(&late, (0.0, 100.0)).unwrap();
        assert!(law.exponent < 1.8 && law.exponent + law.error > 1.65 && law.error > 0.1, "{law:?}");
        // Errors of 10 % at eight points: σ_k = 0.1/√Σ(ln x − mean)².
        let sampled: Vec<Point> =
            xs().map(|x| Point::with_error(x, x, x * (1.0 - 0.1 * Z95), x * (1.0 + 0.1 * Z95))).collect();
        let law = PowerLaw::through(&sampled, (0.0, 100.0)).unwrap();
        let mean = xs().map(f64::ln).sum::<f64>() / 8.0;
        let spread: f64 = xs().map(|x| (x.ln() - mean).powi(2)).sum();
        assert!((law.error - Z95 * 0.1 / spread.sqrt()).abs() < 1e-12, "{law:?}");
        assert!(PowerLaw::through(&exact, (3.0, 6.0)).is_none());
    }
}
