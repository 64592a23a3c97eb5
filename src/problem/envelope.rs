//! Drives: Hermitian terms of the Hamiltonian that follow an envelope in time.

use super::OpSum;

/// A term f(t)·operator added to H, t since the timed step began.
#[derive(Clone, Debug, PartialEq)]
pub struct Drive {
    /// Its name in steps and messages.
    pub name: String,
    /// The Hermitian operator.
    pub operator: OpSum,
    /// f, real.
    pub envelope: Envelope,
}

/// f(t), with t counted from the start of the timed step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Envelope {
    /// f = value.
    Constant(f64),
    /// f = start + slope·t.
    Linear {
        /// Value at the start of the step.
        start: f64,
        /// Change per unit of time.
        slope: f64,
    },
    /// f = peak·exp(−(t − centre)²/(2 width²)).
    Gaussian {
        /// Largest value.
        peak: f64,
        /// Where it is.
        centre: f64,
        /// Standard deviation, > 0.
        width: f64,
    },
    /// f = amplitude·cos(frequency·t + phase).
    Cosine {
        /// Largest value.
        amplitude: f64,
        /// Angular frequency.
        frequency: f64,
        /// Phase at the start of the step, in radians.
        phase: f64,
    },
}

impl Envelope {
    /// f(t).
    pub fn at(&self, t: f64) -> f64 {
        match *self {
            Envelope::Constant(value) => value,
            Envelope::Linear { start, slope } => start + slope * t,
            Envelope::Gaussian { peak, centre, width } => peak * (-0.5 * ((t - centre) / width).powi(2)).exp(),
            Envelope::Cosine { amplitude, frequency, phase } => amplitude * (frequency * t + phase).cos(),
        }
    }

    /// Whether f does not change.
    pub fn constant(&self) -> Option<f64> {
        match *self {
            Envelope::Constant(value) => Some(value),
            Envelope::Linear { start, slope: 0.0 } => Some(start),
            _ => None,
        }
    }

    /// Taylor coefficients of f about `t`: f(t + s) = Σ_n c_n sⁿ.
    pub fn taylor(&self, t: f64, coefficients: &mut [f64]) {
        coefficients.fill(0.0);
        match *self {
            Envelope::Constant(value) => coefficients[0] = value,
            Envelope::Linear { start, slope } => {
                coefficients[0] = start + slope * t;
                if let Some(first) = coefficients.get_mut(1) {
                    *first = slope;
                }
            }
            // f' = −(s + t − centre)/width² · f, so (n+1) c_{n+1} = −((t − centre) c_n + c_{n−1})/width².
            Envelope::Gaussian { centre, width, .. } => {
                coefficients[0] = self.at(t);
                for n in 0..coefficients.len() - 1 {
                    let before = if n > 0 { coefficients[n - 1] } else { 0.0 };
                    let slope = -((t - centre) * coefficients[n] + before) / (width * width);
                    coefficients[n + 1] = slope / (n + 1) as f64;
                }
            }
            Envelope::Cosine { amplitude, frequency, phase } => {
                let (sin, cos) = (frequency * t + phase).sin_cos();
                let mut factor = amplitude;
                for (n, c) in coefficients.iter_mut().enumerate() {
                    *c = factor * [cos, -sin, -cos, sin][n % 4];
                    factor *= frequency / (n + 1) as f64;
                }
            }
        }
    }

    /// How long a step from `t` may be so that a sum of Taylor terms cannot overlook what f does in it: a width of a pulse,
    /// or up to where the pulse begins to matter; a radian of an oscillation.
    pub fn longest_step(&self, t: f64) -> f64 {
        match *self {
            Envelope::Constant(_) | Envelope::Linear { .. } => f64::INFINITY,
            Envelope::Cosine { frequency, .. } => 1.0 / frequency.abs(),
            Envelope::Gaussian { centre, width, .. } => {
                // Nine widths away it is below the last digit.
                let before = centre - 9.0 * width - t;
                match before > width {
                    true => before,
                    false if t > centre + 9.0 * width => f64::INFINITY,
                    false => width,
                }
            }
        }
    }

    /// Every number in it.
    pub(super) fn numbers(&self) -> Vec<f64> {
        match *self {
            Envelope::Constant(value) => vec![value],
            Envelope::Linear { start, slope } => vec![start, slope],
            Envelope::Gaussian { peak, centre, width } => vec![peak, centre, width],
            Envelope::Cosine { amplitude, frequency, phase } => vec![amplitude, frequency, phase],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taylor_series_sum_to_the_envelope() {
        let all = [
            Envelope::Constant(0.7),
            Envelope::Linear { start: 0.2, slope: -1.3 },
            Envelope::Gaussian { peak: 2.0, centre: 0.4, width: 0.6 },
            Envelope::Cosine { amplitude: 1.5, frequency: 3.0, phase: 0.3 },
        ];
        for envelope in all {
            for (t, s) in [(0.0, 0.1), (1.1, -0.2), (0.3, 0.3)] {
                let mut c = [0.0; 30];
                envelope.taylor(t, &mut c);
                let sum = c.iter().rev().fold(0.0, |sum, c| sum * s + c);
                assert!((sum - envelope.at(t + s)).abs() < 1e-14, "{envelope:?} at {t} + {s}");
            }
        }
    }
}
