//! Drives: Hermitian terms of the Hamiltonian that follow an envelope in time.

use super::OpSum;
use super::function::{Call, Expression, Fault, Function, On};
use crate::error::ModelError;
use std::f64::consts::TAU;

/// A Gaussian is nothing so many widths from its centre: e^{−9²/2} = 3·10⁻¹⁸, and all that lies beyond turns a state by
/// less than rounding does.
const SUPPORT: f64 = 9.0;
/// Least width of a pulse in units of the time at its centre: some spacings of doubles there.
const FINEST: f64 = 4e-15;
/// Phases beyond this mean nothing in double precision: they are off by 10⁻¹⁶ of it.
pub(super) const LARGEST_PHASE: f64 = 1e11;

/// A term f(t)·operator added to H, t since the timed step began.
#[derive(Clone, Debug, PartialEq)]
pub struct Drive {
    /// Its name in steps and messages.
    pub name: String,
    /// The Hermitian operator.
    pub operator: OpSum,
    /// f, real: an energy where the operator is a pure number.
    pub envelope: Envelope,
}

/// f(t), with t counted from the start of the timed step: an energy in a [`Drive`], a factor of a rate or of a jump
/// operator in a channel.
#[derive(Clone, Debug, PartialEq)]
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
        /// When that is, since the step began.
        centre: f64,
        /// Standard deviation, > 0.
        width: f64,
    },
    /// f = amplitude·cos(frequency·t + phase).
    Cosine {
        /// Largest value.
        amplitude: f64,
        /// Angular frequency, in radians a unit of time.
        frequency: f64,
        /// Phase at the start of the step, in radians.
        phase: f64,
    },
    /// Any other.
    Function(Function),
}

/// A stretch of time in which an envelope is smooth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// How long it is.
    pub length: f64,
    /// Whether f is nothing in it.
    pub quiet: bool,
}

impl Envelope {
    /// f at `t` after the start of a step that began at `start`.
    pub fn at(&self, start: f64, t: f64) -> f64 {
        match *self {
            Envelope::Function(ref function) => function.at(start, t),
            Envelope::Constant(value) => value,
            Envelope::Linear { start: first, slope } => first + slope * t,
            Envelope::Gaussian { peak, centre, width } => peak * (-0.5 * ((t - centre) / width).powi(2)).exp(),
            Envelope::Cosine { amplitude, frequency, phase } => amplitude * (frequency * t + phase).cos(),
        }
    }

    /// f as an expression.
    pub fn expression(&self) -> Expression {
        use Expression::{Number, StepTime};
        let call = |call, x| Expression::Call(call, vec![x]);
        match *self {
            Envelope::Function(ref function) => function.expression().clone(),
            Envelope::Constant(value) => Number(value),
            Envelope::Linear { start, slope } => StepTime.times(Number(slope)).plus(Number(start)),
            Envelope::Gaussian { peak, centre, width } => {
                let away = StepTime.plus(Number(-centre)).times(Number(1.0 / width));
                let square = Expression::Power(Box::new(away), Box::new(Number(2.0)));
                call(Call::Exp, square.times(Number(-0.5))).times(Number(peak))
            }
            Envelope::Cosine { amplitude, frequency, phase } => {
                call(Call::Cos, StepTime.times(Number(frequency)).plus(Number(phase))).times(Number(amplitude))
            }
        }
    }

    /// Whether f does not change.
    pub fn constant(&self) -> Option<f64> {
        match *self {
            Envelope::Constant(value) => Some(value),
            Envelope::Linear { start, slope: 0.0 } => Some(start),
            Envelope::Function(ref function) => function.expression().constant(),
            _ => None,
        }
    }

    /// Taylor coefficients of f about `t`, with time counted in units of `unit`: f(t + s) = Σ_n c_n (s/unit)ⁿ. With a unit
    /// no longer than the piece that they are used for (see [`piece`](Self::piece)) they stay within the range of numbers
    /// whatever time is measured in.
    pub fn taylor(&self, start: f64, t: f64, unit: f64, coefficients: &mut [f64]) {
        coefficients.fill(0.0);
        match *self {
            Envelope::Function(ref function) => function.taylor(start, t, unit, coefficients),
            Envelope::Constant(value) => coefficients[0] = value,
            Envelope::Linear { start: first, slope } => {
                coefficients[0] = first + slope * t;
                if let Some(first) = coefficients.get_mut(1) {
                    *first = slope * unit;
                }
            }
            // f' = −(s + t − centre)/width² · f, so (n+1) c_{n+1} = −((t − centre) c_n + c_{n−1})/width².
            Envelope::Gaussian { centre, width, .. } => {
                let (away, width) = ((t - centre) / unit, width / unit);
                coefficients[0] = self.at(start, t);
                for n in 0..coefficients.len() - 1 {
                    let before = if n > 0 { coefficients[n - 1] } else { 0.0 };
                    let slope = -(away * coefficients[n] + before) / (width * width);
                    coefficients[n + 1] = slope / (n + 1) as f64;
                }
            }
            Envelope::Cosine { amplitude, frequency, phase } => {
                let (sin, cos) = (frequency * t + phase).sin_cos();
                let mut factor = amplitude;
                for (n, c) in coefficients.iter_mut().enumerate() {
                    *c = factor * [cos, -sin, -cos, sin][n % 4];
                    factor *= frequency * unit / (n + 1) as f64;
                }
            }
        }
    }

    /// What one Taylor sum from `t` on may cover without overlooking what f does: a width of a pulse, a radian of an
    /// oscillation; all the time before a pulse, or after it, where f is nothing.
    pub fn piece(&self, start: f64, t: f64) -> Piece {
        match *self {
            Envelope::Function(ref function) => {
                let (length, quiet) = function.piece(start, t);
                Piece { length, quiet }
            }
            Envelope::Constant(_) | Envelope::Linear { .. } => Piece { length: f64::INFINITY, quiet: false },
            Envelope::Cosine { frequency, .. } => Piece { length: 1.0 / frequency.abs(), quiet: false },
            Envelope::Gaussian { centre, width, .. } => {
                let before = centre - SUPPORT * width - t;
                if before > width {
                    Piece { length: before, quiet: true }
                } else if t > centre + SUPPORT * width {
                    Piece { length: f64::INFINITY, quiet: true }
                } else {
                    Piece { length: width, quiet: false }
                }
            }
        }
    }

    /// How many such pieces lie between two times, to order of magnitude.
    pub fn pieces(&self, start: f64, from: f64, until: f64) -> f64 {
        match *self {
            Envelope::Function(ref function) => function.count(start, from, until),
            Envelope::Constant(_) | Envelope::Linear { .. } => 1.0,
            Envelope::Cosine { frequency, .. } => 1.0 + frequency.abs() * (until - from),
            Envelope::Gaussian { width, .. } => 2.0 + self.support(from, until) / width,
        }
    }

    /// Where the pieces of a function end between two times.
    pub fn breaks(&self, start: f64, from: f64, until: f64) -> Vec<f64> {
        let Envelope::Function(function) = self else { return Vec::new() };
        let mut ends = Vec::new();
        let mut now = from;
        while now < until {
            let next = now + function.piece(start, now).0;
            if next > now {
                ends.push(next.min(until));
            }
            now = next.max(now.next_up());
        }
        ends
    }

    /// A bound of ∫|f| between two times.
    pub fn area(&self, start: f64, from: f64, until: f64) -> f64 {
        let time = until - from;
        match *self {
            Envelope::Function(ref function) => function.area(start, from, until),
            Envelope::Constant(value) => value.abs() * time,
            Envelope::Linear { .. } => self.at(start, from).abs().max(self.at(start, until).abs()) * time,
            Envelope::Cosine { amplitude, .. } => amplitude.abs() * time,
            // No more than all of it, √(2π)·peak·width.
            Envelope::Gaussian { peak, width, .. } => peak.abs() * self.support(from, until).min(TAU.sqrt() * width),
        }
    }

    /// How long f is more than nothing between two times.
    fn support(&self, from: f64, until: f64) -> f64 {
        match *self {
            Envelope::Gaussian { centre, width, .. } => {
                let reach = SUPPORT * width;
                (until.min(centre + reach) - from.max(centre - reach)).max(0.0)
            }
            _ => until - from,
        }
    }

    /// Whether double precision can follow it through a step of `duration`.
    ///
    /// # Errors
    /// The number that is out of range.
    pub(super) fn check(&self, name: &str, duration: f64) -> Result<(), ModelError> {
        let (what, value, good, expected) = match *self {
            Envelope::Constant(_) | Envelope::Linear { .. } | Envelope::Function(_) => return Ok(()),
            Envelope::Gaussian { centre, width, .. } => (
                format!("the width of drive {name}"),
                width,
                self.support(0.0, duration) == 0.0 || width >= FINEST * centre.abs().min(duration),
                "at least 4·10⁻¹⁵ of the time at its centre: numbers of double precision lie no closer",
            ),
            Envelope::Cosine { frequency, phase, .. } => {
                let turned = (frequency * duration).abs().max(phase.abs());
                (
                    format!("the phase of drive {name}"),
                    turned,
                    turned <= LARGEST_PHASE,
                    "at most 10¹¹ in a step, beyond which double precision loses it",
                )
            }
        };
        if good { Ok(()) } else { Err(ModelError::OutOfRange { what, value, expected }) }
    }

    /// Find the pieces of a function in the steps in which it is on.
    ///
    /// # Errors
    /// Where it cannot be followed.
    pub(super) fn compile(&mut self, name: &str, steps: impl IntoIterator<Item = On>) -> Result<(), ModelError> {
        let Envelope::Function(function) = self else { return Ok(()) };
        let clock = if function.uses_run_time() { "time" } else { "t" };
        let shown = function.expression().to_string();
        function.compile(steps).map_err(|fault| {
            let reason = match fault {
                Fault::NotFinite(at) => format!("is not finite at {clock} = {at}"),
                Fault::TooVaried(pieces, at) => {
                    format!("changes so fast that {pieces} polynomials reach to {clock} = {at} only")
                }
            };
            let tables = function.expression().tables();
            let ends = tables
                .iter()
                .map(|table| format!("; table {} goes from {} to {}", table.name, table.span().0, table.span().1));
            ModelError::Invalid(format!("{name}: {shown} {reason}{}", ends.collect::<String>()))
        })
    }

    /// The same envelope where rates count `factor` times as much, and times as much less.
    pub(super) fn in_units(&self, factor: f64) -> Self {
        match *self {
            Envelope::Function(ref function) => Envelope::Function(function.in_units(factor)),
            Envelope::Constant(value) => Envelope::Constant(value * factor),
            Envelope::Linear { start, slope } => {
                Envelope::Linear { start: start * factor, slope: slope * factor * factor }
            }
            Envelope::Gaussian { peak, centre, width } => {
                Envelope::Gaussian { peak: peak * factor, centre: centre / factor, width: width / factor }
            }
            Envelope::Cosine { amplitude, frequency, phase } => {
                Envelope::Cosine { amplitude: amplitude * factor, frequency: frequency * factor, phase }
            }
        }
    }

    /// So many times f.
    pub(super) fn times(&self, factor: f64) -> Self {
        match self {
            Envelope::Function(function) => Envelope::Function(function.times(factor)),
            other => Envelope::Function(Function::new(&other.expression()).times(factor)),
        }
    }

    /// Every number in it.
    pub(super) fn numbers(&self) -> Vec<f64> {
        match *self {
            Envelope::Function(_) => Vec::new(),
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
        // In any unit of time: a rate of 1 is `factor`, and a time of 1 is 1/factor.
        for factor in [1.0, 1e-12, 1e12, 1e100] {
            let all = [
                Envelope::Constant(0.7),
                Envelope::Linear { start: 0.2, slope: -1.3 },
                Envelope::Gaussian { peak: 2.0, centre: 0.4, width: 0.6 },
                Envelope::Cosine { amplitude: 1.5, frequency: 3.0, phase: 0.3 },
            ];
            for envelope in &all {
                for (t, s) in [(0.0, 0.1), (1.1, -0.2), (0.3, 0.3)] {
                    let (scaled, unit) = (envelope.in_units(factor), 0.3 / factor);
                    let mut c = [0.0; 30];
                    scaled.taylor(0.0, t / factor, unit, &mut c);
                    let sum = c.iter().rev().fold(0.0, |sum, c| sum * (s / factor / unit) + c) / factor;
                    assert!((sum - envelope.at(0.0, t + s)).abs() < 1e-14, "{scaled:?} at {t} + {s}");
                }
            }
        }
    }

    /// Piece by piece the coefficients integrate a pulse to its closed form, with a wait of any length around it.
    #[test]
    fn pieces_hold_all_of_a_pulse_and_skip_the_wait() {
        for (centre, width, end) in [(1.0, 0.01, 2e6), (1e9, 3.0, 2e9), (10.0, 1.0, 20.0), (0.5, 1e-8, 1.0)] {
            let pulse = Envelope::Gaussian { peak: 1.0 / (width * TAU.sqrt()), centre, width };
            let (mut now, mut area, mut count) = (0.0f64, 0.0, 0);
            while now < end {
                let piece = pulse.piece(0.0, now);
                let next = (now + piece.length).min(end);
                let length = next - now;
                if !piece.quiet {
                    let mut c = [0.0; 41];
                    pulse.taylor(0.0, now, length, &mut c);
                    area += c.iter().enumerate().map(|(n, c)| length * c / (n + 1) as f64).sum::<f64>();
                }
                (now, count) = (next, count + 1);
            }
            assert!((area - 1.0).abs() < 1e-13, "{area} of the pulse at {centre}");
            assert!(count <= 24, "{count} pieces");
            assert!(count as f64 <= 2.0 + pulse.pieces(0.0, 0.0, end), "{count} pieces");
        }
    }

    #[test]
    fn what_double_precision_cannot_follow_is_refused_with_the_name() {
        let refused = |envelope: Envelope, duration: f64| envelope.check("kick", duration).err().map(|e| e.to_string());
        let pulse = |centre: f64, width: f64| Envelope::Gaussian { peak: 1.0, centre, width };
        assert!(
            refused(pulse(0.5, 1e-17), 1.0).unwrap().starts_with("the width of drive kick is 0.00000000000000001,")
        );
        assert_eq!(refused(pulse(0.5, 1e-14), 1.0), None);
        assert_eq!(refused(pulse(0.0, 1e-17), 1.0), None);
        assert_eq!(refused(pulse(1e30, 1.0), 1.0), None); // it never comes
        let turning = |frequency: f64| Envelope::Cosine { amplitude: 1.0, frequency, phase: 0.0 };
        assert!(refused(turning(1e17), 1.0).unwrap().starts_with("the phase of drive kick is 1"));
        assert_eq!(refused(turning(1e17), 1e-7), None);
    }
}
