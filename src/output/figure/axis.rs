//! Axis intervals and ticks: where values lie on an axis, and which of them are named.

use super::{Axis, Scale};

/// Values beyond this are not drawn: differences of larger ones would overflow.
const HUGE: f64 = 1e290;

const DIGITS: [i32; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/// An interval of an axis, in logarithms to base ten if the axis is logarithmic.
#[derive(Clone, Copy)]
pub(super) struct Ruler {
    scale: Scale,
    lo: f64,
    hi: f64,
}

/// The ticks of an axis, at fractions of its length.
#[derive(Clone)]
pub(super) struct Ticks {
    pub major: Vec<(f64, String)>,
    pub minor: Vec<f64>,
    /// A power of ten common to all labels; often empty.
    pub factor: String,
}

/// Whether `value` has a place on an axis of this scale.
pub(super) fn shown(scale: Scale, value: f64) -> bool {
    value.abs() <= HUGE && (scale == Scale::Linear || value > 0.0)
}

impl Ruler {
    /// The interval asked for, or else one that holds all `values` with `pad` of its length to
    /// spare at both ends, and `headroom` more at the upper end.
    pub fn fit(axis: &Axis, values: impl Iterator<Item = f64>, pad: f64, headroom: f64) -> Self {
        let scale = axis.scale;
        let asked = axis.range.filter(|&(a, b)| a != b && shown(scale, a) && shown(scale, b));
        let extent = |values: &mut dyn Iterator<Item = f64>| {
            values
                .filter(|&v| shown(scale, v))
                .map(|v| transform(scale, v))
                .fold(None, |range: Option<(f64, f64)>, v| {
                    Some(range.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))))
                })
        };
        let found = match asked {
            Some((a, b)) => extent(&mut [a, b].into_iter()),
            None => extent(&mut { values }),
        };
        let (mut lo, mut hi) = found.unwrap_or((0.0, 1.0));

        // Constant data needs some interval around it, as does one too narrow to be labelled.
        if hi - lo <= 1e-9 * lo.abs().max(hi.abs()) || hi - lo < 1.0 / HUGE {
            let middle = lo / 2.0 + hi / 2.0;
            let half = match scale {
                Scale::Log => 0.5,
                Scale::Linear if middle.abs() < 10.0 / HUGE => 1.0,
                Scale::Linear => 0.1 * middle.abs(),
            };
            (lo, hi) = (middle - half, middle + half);
        } else if asked.is_none() {
            let span = hi - lo;
            (lo, hi) = (lo - pad * span, hi + (pad + headroom) * span);
        }
        Self { scale, lo, hi }
    }

    /// The place of `value` as a fraction of the axis; far outside values stop at a bound.
    pub fn at(&self, value: f64) -> f64 {
        self.fraction(transform(self.scale, value)).clamp(-1e6, 1e6)
    }

    fn fraction(&self, transformed: f64) -> f64 {
        (transformed - self.lo) / (self.hi - self.lo)
    }

    /// About `count` ticks.
    pub fn ticks(&self, count: usize) -> Ticks {
        let count = count.max(2);
        match self.scale {
            Scale::Linear => self.linear_ticks(self.lo, self.hi, count),
            Scale::Log => self.log_ticks(count),
        }
    }

    /// Multiples of 1, 2 or 5 times a power of ten between two values.
    fn linear_ticks(&self, lo: f64, hi: f64, count: usize) -> Ticks {
        let least = (hi - lo) / count as f64;
        let mut power = least.log10().floor() as i32;
        let unit = ten_to(power);
        let mut digit = [1, 2, 5].into_iter().find(|&d| f64::from(d) * unit >= least * 0.999).unwrap_or(10);
        if digit == 10 {
            (digit, power) = (1, power + 1);
        }
        let step = f64::from(digit) * ten_to(power);
        // Ticks are kept as integers times a power of ten, so their labels are exact.
        let first = (lo / step - 1e-6).ceil() as i64;
        let last = (hi / step + 1e-6).floor() as i64;
        let numbers: Vec<i64> = (first..=last).map(|k| k * i64::from(digit)).collect();

        let largest = numbers.iter().map(|n| n.unsigned_abs()).max().unwrap_or(0);
        let leading = largest.checked_ilog10().unwrap_or(0) as i32 + power;
        let shift = if (-3..5).contains(&leading) { 0 } else { leading };
        let decimals = (shift - power).max(0) as usize;
        let major = numbers.iter().map(|&n| {
            let label = format!("{:.decimals$}", n as f64 * ten_to(power - shift));
            (self.at(n as f64 * ten_to(power)), minus(&label))
        });
        Ticks {
            major: major.collect(),
            minor: Vec::new(),
            factor: match shift {
                0 => String::new(),
                _ => format!("×{}", power_of_ten(shift)),
            },
        }
    }

    fn log_ticks(&self, count: usize) -> Ticks {
        let first = (self.lo - 1e-9).ceil() as i32;
        let last = (self.hi + 1e-9).floor() as i32;
        let multiples = |digits: &[i32]| -> Vec<(i32, i32, f64)> {
            (first - 1..=last)
                .flat_map(|power| digits.iter().map(move |&digit| (digit, power)))
                .map(|(d, p)| (d, p, self.fraction(f64::from(d).log10() + f64::from(p))))
                .filter(|(_, _, at)| (-1e-9..=1.0 + 1e-9).contains(at))
                .collect()
        };
        let minor = |digits: &[i32]| multiples(digits).into_iter().map(|(_, _, at)| at).collect();
        let factor = String::new();

        if last - first >= 2 {
            let every = (last - first + 1 + count as i32 - 1) / count as i32;
            return Ticks {
                major: multiples(&[1])
                    .into_iter()
                    .filter(|(_, power, _)| power.rem_euclid(every) == 0)
                    .map(|(_, power, at)| (at, power_of_ten(power)))
                    .collect(),
                minor: match every {
                    1 => minor(&DIGITS),
                    _ => minor(&[1]),
                },
                factor,
            };
        }
        // Few powers of ten are in sight, so some of their multiples are named too.
        let chosen = [&DIGITS[..], &[1, 2, 3, 5], &[1, 2, 5], &[1, 3], &[1]]
            .into_iter()
            .map(multiples)
            .find(|ticks| (2..=count.max(3)).contains(&ticks.len()));
        match chosen {
            Some(ticks) if ticks.len() > 2 || self.hi - self.lo > 0.5 => Ticks {
                major: ticks.into_iter().map(|(digit, power, at)| (at, multiple_of_ten(digit, power))).collect(),
                minor: minor(&DIGITS),
                factor,
            },
            _ => self.linear_ticks(ten(self.lo), ten(self.hi), count),
        }
    }
}

/// The value as the axis measures it; what is not positive is infinitely low on a log axis.
fn transform(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log if value <= 0.0 => f64::NEG_INFINITY,
        Scale::Log => value.log10(),
    }
}

fn ten(power: f64) -> f64 {
    10f64.powf(power)
}

/// A power of ten; dividing by an exact power rounds negative ones once only.
fn ten_to(power: i32) -> f64 {
    if power < 0 { 1.0 / 10f64.powi(-power) } else { 10f64.powi(power) }
}

fn minus(label: &str) -> String {
    label.replace('-', "−")
}

/// A power of ten in writing, such as 10⁻³.
fn power_of_ten(power: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let exponent = power.to_string();
    let raised = exponent.chars().map(|c| c.to_digit(10).and_then(|d| RAISED.get(d as usize).copied()).unwrap_or('⁻'));
    std::iter::once("10".to_owned()).chain(raised.map(String::from)).collect()
}

/// A digit times a power of ten in writing: 0.02, or 2×10⁻⁷.
fn multiple_of_ten(digit: i32, power: i32) -> String {
    let decimals = (-power).max(0) as usize;
    match (digit, power) {
        (_, -3..=4) => format!("{:.decimals$}", f64::from(digit) * ten_to(power)),
        (1, _) => power_of_ten(power),
        _ => format!("{digit}×{}", power_of_ten(power)),
    }
}
