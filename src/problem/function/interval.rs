//! Closed intervals that are certain to hold a value: arithmetic with a little added for rounding.

use super::expression::{Call, Expression};
use super::table::Table;
use super::taylor::exponential_form;

/// All numbers from `lo` to `hi`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub lo: f64,
    pub hi: f64,
}

/// Relative rounding of an operation or a library function, with much to spare.
const ROUNDING: f64 = 1e-15;

impl Interval {
    pub const ALL: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    pub fn point(value: f64) -> Self {
        Self { lo: value, hi: value }
    }

    /// From two bounds, widened by rounding. What is no number becomes everything.
    pub fn new(lo: f64, hi: f64) -> Self {
        if lo.is_nan() || hi.is_nan() {
            return Self::ALL;
        }
        // A number that overflows is large, not unknown.
        let (lo, hi, least) = (lo.min(f64::MAX), hi.max(f64::MIN), f64::MIN_POSITIVE);
        Self { lo: lo - lo.abs() * ROUNDING - least, hi: hi + hi.abs() * ROUNDING + least }
    }

    /// The largest absolute value.
    pub fn size(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    pub fn is_bounded(self) -> bool {
        self.size() < f64::INFINITY
    }

    pub fn holds(self, value: f64) -> bool {
        self.lo <= value && value <= self.hi
    }

    pub fn add(self, by: Self) -> Self {
        match Self::point(0.0) {
            zero if by == zero => self,
            zero if self == zero => by,
            _ => Self::new(self.lo + by.lo, self.hi + by.hi),
        }
    }

    pub fn neg(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }

    pub fn mul(self, by: Self) -> Self {
        // 0 · ∞ is 0 here: bounds stand for numbers that are as large as one likes, but numbers.
        let times = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let all = [times(self.lo, by.lo), times(self.lo, by.hi), times(self.hi, by.lo), times(self.hi, by.hi)];
        let (lo, hi) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| (lo.min(*x), hi.max(*x)));
        if lo == 0.0 && hi == 0.0 { Self::point(0.0) } else { Self::new(lo, hi) }
    }

    /// Everything, where the divisor may be 0.
    pub fn div(self, by: Self) -> Self {
        if by.holds(0.0) { Self::ALL } else { self.mul(Self::new(1.0 / by.hi, 1.0 / by.lo)) }
    }

    /// The image under a function that only rises.
    pub fn rising(self, f: impl Fn(f64) -> f64) -> Self {
        Self::new(f(self.lo), f(self.hi))
    }

    pub fn min(self, with: Self) -> Self {
        Self { lo: self.lo.min(with.lo), hi: self.hi.min(with.hi) }
    }

    pub fn max(self, with: Self) -> Self {
        Self { lo: self.lo.max(with.lo), hi: self.hi.max(with.hi) }
    }

    pub fn abs(self) -> Self {
        if self.holds(0.0) {
            return Self { lo: 0.0, hi: self.size() };
        }
        if self.lo > 0.0 { self } else { self.neg() }
    }

    pub fn cos(self) -> Self {
        use std::f64::consts::{PI, TAU};
        // A wide one, or one so far out that its place in the period is lost, holds all values.
        if !(self.hi - self.lo < TAU && self.size() < 1e15) {
            return Self { lo: -1.0, hi: 1.0 };
        }
        // A multiple of the period, shifted by `at`, that lies inside, to rounding.
        let reaches = |at: f64| {
            let slack = 1e-15 * (1.0 + self.size());
            let turns = ((self.lo - at - slack) / TAU).ceil();
            turns * TAU + at <= self.hi + slack
        };
        let (a, b) = (self.lo.cos(), self.hi.cos());
        let within = Self::new(a.min(b), a.max(b));
        Self {
            lo: if reaches(PI) { -1.0 } else { within.lo.max(-1.0) },
            hi: if reaches(0.0) { 1.0 } else { within.hi.min(1.0) },
        }
    }

    /// A whole power by repeated multiplication's rules: even ones are not negative.
    pub fn whole_power(self, power: i32) -> Self {
        if power < 0 {
            return Self::point(1.0).div(self.whole_power(-power));
        }
        let base = if power % 2 == 0 { self.abs() } else { self };
        base.rising(|x| x.powi(power))
    }

    /// The image under one of the functions of one argument; `None` where the argument leaves the domain or a branch of
    /// the function is undecided, with what is known of the value.
    pub fn call(self, call: Call) -> (Self, bool) {
        let decided = |value: Self| (value, true);
        match call {
            Call::Exp => {
                let Self { lo, hi } = self.rising(f64::exp);
                decided(Self { lo: lo.max(0.0), hi })
            }
            Call::Ln => match self.lo > 0.0 {
                true => decided(self.rising(f64::ln)),
                false => (Self::ALL, false),
            },
            Call::Sqrt => match self.lo > 0.0 {
                true => decided(self.rising(f64::sqrt)),
                false if self.hi < 0.0 => (Self::ALL, false),
                false => (Self { lo: 0.0, ..self.max(Self::point(0.0)).rising(f64::sqrt) }, false),
            },
            Call::Sin => decided(self.add(Self::point(-std::f64::consts::FRAC_PI_2)).cos()),
            Call::Cos => decided(self.cos()),
            Call::Tan => {
                let below = self.cos();
                let above = self.call(Call::Sin).0;
                (above.div(below), !below.holds(0.0))
            }
            Call::Tanh => {
                let Self { lo, hi } = self.rising(f64::tanh);
                decided(Self { lo: lo.max(-1.0), hi: hi.min(1.0) })
            }
            Call::Abs => (self.abs(), !self.holds(0.0)),
            Call::Floor => (self.rising(f64::floor), self.lo.floor() == self.hi.floor()),
            Call::Round => (self.rising(f64::round), self.lo.round() == self.hi.round()),
            Call::Step => {
                let of = |x: f64| if x < 0.0 { 0.0 } else { 1.0 };
                (Self { lo: of(self.lo), hi: of(self.hi) }, of(self.lo) == of(self.hi))
            }
            Call::Min | Call::Max => decided(self),
        }
    }

    /// A constant power, and whether it is analytic on all of the base.
    pub fn power(self, power: f64) -> (Self, bool) {
        if power.fract() == 0.0 && power.abs() <= 1024.0 {
            return (self.whole_power(power as i32), power >= 0.0 || !self.holds(0.0));
        }
        let raise = |base: Self| base.rising(|x| x.powf(power.abs()));
        match self.lo > 0.0 {
            true if power > 0.0 => (raise(self), true),
            true => (Self::point(1.0).div(raise(self)), true),
            false if power > 0.0 => (raise(self.max(Self::point(0.0))), false),
            false => (Self::ALL, false),
        }
    }

    fn hull(self, with: Self) -> Self {
        Self { lo: self.lo.min(with.lo), hi: self.hi.max(with.hi) }
    }
}

/// All values that `f` takes while t and time run through intervals, and whether it is analytic there, on one branch of
/// each of its functions.
pub fn bound(f: &Expression, t: Interval, time: Interval) -> (Interval, bool) {
    let of = |part: &Expression| bound(part, t, time);
    match f {
        Expression::Number(value) => (Interval::point(*value), true),
        Expression::StepTime => (t, true),
        Expression::RunTime => (time, true),
        Expression::Sum(terms) => terms.iter().fold((Interval::point(0.0), true), |(sum, good), x| {
            let (value, analytic) = of(x);
            (sum.add(value), good && analytic)
        }),
        Expression::Product(factors) => factors.iter().fold((Interval::point(1.0), true), |(all, good), x| {
            let (value, analytic) = of(x);
            (all.mul(value), good && analytic)
        }),
        Expression::Quotient(a, b) => {
            let ((a, good), (b, analytic)) = (of(a), of(b));
            (a.div(b), good && analytic && !b.holds(0.0))
        }
        Expression::Power(base, exponent) => match exponent.constant() {
            Some(p) => {
                let (base, analytic) = of(base);
                let (value, good) = base.power(p);
                (value, good && analytic)
            }
            None => of(&exponential_form(base, exponent)),
        },
        Expression::Call(call @ (Call::Min | Call::Max), arguments) => {
            let mut all = arguments.iter().map(of);
            let first = all.next().unwrap_or((Interval::ALL, false));
            all.fold(first, |(best, good), (x, analytic)| {
                let decided = best.hi < x.lo || x.hi < best.lo;
                let value = if *call == Call::Min { best.min(x) } else { best.max(x) };
                (value, good && analytic && decided)
            })
        }
        Expression::Call(call, arguments) => {
            let (argument, analytic) = arguments.first().map_or((Interval::ALL, false), of);
            let (value, good) = argument.call(*call);
            (value, good && analytic)
        }
        Expression::Table(table, at) => {
            let (at, analytic) = of(at);
            (over_table(table, at), analytic && table.one_stretch(at.lo, at.hi).is_some())
        }
    }
}

/// All values of a table; outside of it there are none.
fn over_table(table: &Table, at: Interval) -> Interval {
    let (first, last) = table.span();
    if at.hi < first - table.slack() || at.lo > last + table.slack() {
        return Interval::ALL;
    }
    let (from, to) = (table.stretch(at.lo.max(first)), table.stretch(at.hi.min(last)));
    let of = |k: usize| {
        let (left, c) = table.cubic(k);
        let end = table.times()[k + 1];
        let s = Interval { lo: at.lo.max(left) - left, hi: (at.hi.min(end) - left).max(0.0) };
        let sum = c.iter().rev().fold(Interval::point(0.0), |sum, c| sum.mul(s).add(Interval::point(*c)));
        if at.hi >= end { sum.hull(Interval::point(table.values()[k + 1])) } else { sum }
    };
    (from..=to).map(of).reduce(Interval::hull).unwrap_or(Interval::ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_hold_all_values() {
        let calls = [
            Call::Exp,
            Call::Ln,
            Call::Sqrt,
            Call::Sin,
            Call::Cos,
            Call::Tan,
            Call::Tanh,
            Call::Abs,
            Call::Floor,
            Call::Round,
            Call::Step,
        ];
        let mut x = 0.37_f64;
        let mut next = || {
            x = (x * 3.999 * (1.0 - x)).clamp(1e-9, 1.0 - 1e-9);
            x
        };
        for _ in 0..20_000 {
            let (a, width) = (20.0 * next() - 10.0, 5.0 * next().powi(4));
            let interval = Interval { lo: a, hi: a + width };
            let inside = a + width * next();
            for call in calls {
                let (image, _) = interval.call(call);
                let value = call.of(&[inside]);
                assert!(
                    value.is_nan() || image.holds(value),
                    "{call:?} of {inside} in {interval:?}: {value} {image:?}"
                );
            }
            let other = Interval { lo: -next(), hi: next() };
            let y = other.lo + (other.hi - other.lo) * next();
            assert!(interval.mul(other).holds(inside * y) && interval.add(other).holds(inside + y));
            assert!(interval.div(other).holds(inside / y));
            assert!(interval.whole_power(3).holds(inside.powi(3)) && interval.whole_power(2).holds(inside * inside));
        }
    }
}
