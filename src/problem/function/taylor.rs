//! Taylor series of expressions, of numbers and of intervals alike: the latter hold every coefficient that the former may
//! have anywhere in a stretch of time, and so bound what a polynomial leaves out (R. E. Moore, Interval Analysis, ch. 11).

use super::expression::{Call, Expression, raised};
use super::interval::Interval;

/// Coefficients of a series: a polynomial of degree 15, and the term that bounds the rest.
pub const TERMS: usize = 17;

/// A truncated series Σ c_n uⁿ.
pub type Series<S> = [S; TERMS];

/// What series are made of.
pub trait Scalar: Copy {
    /// A number.
    fn number(value: f64) -> Self;
    fn add(self, by: Self) -> Self;
    fn neg(self) -> Self;
    fn mul(self, by: Self) -> Self;
    fn div(self, by: Self) -> Self;
    /// A function of one argument.
    fn call(self, call: Call) -> Self;
    /// A constant power.
    fn power(self, power: f64) -> Self;
    /// The least and largest number in it.
    fn ends(self) -> (f64, f64);
}

impl Scalar for f64 {
    fn number(value: f64) -> Self {
        value
    }
    fn add(self, by: Self) -> Self {
        self + by
    }
    fn neg(self) -> Self {
        -self
    }
    fn mul(self, by: Self) -> Self {
        self * by
    }
    fn div(self, by: Self) -> Self {
        self / by
    }
    fn call(self, call: Call) -> Self {
        call.of(&[self])
    }
    fn power(self, power: f64) -> Self {
        raised(self, power)
    }
    fn ends(self) -> (f64, f64) {
        (self, self)
    }
}

impl Scalar for Interval {
    fn number(value: f64) -> Self {
        Interval::point(value)
    }
    fn add(self, by: Self) -> Self {
        Interval::add(self, by)
    }
    fn neg(self) -> Self {
        Interval::neg(self)
    }
    fn mul(self, by: Self) -> Self {
        Interval::mul(self, by)
    }
    fn div(self, by: Self) -> Self {
        Interval::div(self, by)
    }
    fn call(self, call: Call) -> Self {
        Interval::call(self, call).0
    }
    fn power(self, power: f64) -> Self {
        Interval::power(self, power).0
    }
    fn ends(self) -> (f64, f64) {
        (self.lo, self.hi)
    }
}

fn constant<S: Scalar>(value: S) -> Series<S> {
    let mut series = [S::number(0.0); TERMS];
    series[0] = value;
    series
}

/// Σ_{k from..=n} weight(k)·a_k·b_{n−k}.
fn convolved<S: Scalar>(a: &Series<S>, b: &Series<S>, from: usize, n: usize, weight: impl Fn(usize) -> f64) -> S {
    let term = |k: usize| a[k].mul(b[n - k]).mul(S::number(weight(k)));
    (from..=n).fold(S::number(0.0), |sum, k| sum.add(term(k)))
}

fn product<S: Scalar>(a: &Series<S>, b: &Series<S>) -> Series<S> {
    std::array::from_fn(|n| convolved(a, b, 0, n, |_| 1.0))
}

fn quotient<S: Scalar>(a: &Series<S>, b: &Series<S>) -> Series<S> {
    let mut c = constant(S::number(0.0));
    for n in 0..TERMS {
        // Σ_{k=1..n} b_k c_{n−k}
        let rest = if n == 0 { S::number(0.0) } else { convolved(b, &c, 1, n, |_| 1.0) };
        c[n] = a[n].add(rest.neg()).div(b[0]);
    }
    c
}

/// The solution of c′ = a′·w(c) order by order: c_n = (1/n) Σ_{k=1..n} k a_k w_{n−k}.
fn slope_rule<S: Scalar>(a: &Series<S>, w: &Series<S>, n: usize) -> S {
    convolved(a, w, 1, n, |k| k as f64).mul(S::number(1.0 / n as f64))
}

fn exponential<S: Scalar>(a: &Series<S>) -> Series<S> {
    let mut c = constant(a[0].call(Call::Exp));
    for n in 1..TERMS {
        c[n] = slope_rule(a, &c, n);
    }
    c
}

fn sine_and_cosine<S: Scalar>(a: &Series<S>) -> (Series<S>, Series<S>) {
    let (mut s, mut c) = (constant(a[0].call(Call::Sin)), constant(a[0].call(Call::Cos)));
    for n in 1..TERMS {
        (s[n], c[n]) = (slope_rule(a, &c, n), slope_rule(a, &s, n).neg());
    }
    (s, c)
}

/// aᵖ by a·c′ = p·a′·c.
fn power<S: Scalar>(a: &Series<S>, p: f64) -> Series<S> {
    let mut c = constant(a[0].power(p));
    for n in 1..TERMS {
        let sum = convolved(a, &c, 1, n, |k| k as f64 * (p + 1.0) - n as f64);
        c[n] = sum.div(a[0].mul(S::number(n as f64)));
    }
    c
}

fn whole_power<S: Scalar>(a: &Series<S>, p: u32) -> Series<S> {
    match p {
        0 => constant(S::number(1.0)),
        1 => *a,
        _ => {
            let half = whole_power(a, p / 2);
            let square = product(&half, &half);
            let mut all = if p.is_multiple_of(2) { square } else { product(&square, a) };
            // The value itself more tightly than by products of intervals.
            all[0] = a[0].power(f64::from(p));
            all
        }
    }
}

/// The series of `f` in u, where t and time are those of u = 0, or all those of a stretch, and change by `radius`. The
/// function must be analytic on the stretch, see [`bound`](super::interval::bound).
pub fn expand<S: Scalar>(f: &Expression, t: S, time: S, radius: f64) -> Series<S> {
    let of = |part: &Expression| expand(part, t, time, radius);
    match f {
        Expression::Number(value) => constant(S::number(*value)),
        Expression::StepTime | Expression::RunTime => {
            let mut series = constant(if *f == Expression::StepTime { t } else { time });
            series[1] = S::number(radius);
            series
        }
        Expression::Sum(terms) => terms
            .iter()
            .map(of)
            .reduce(|sum, x| std::array::from_fn(|n| sum[n].add(x[n])))
            .unwrap_or_else(|| constant(S::number(0.0))),
        Expression::Product(factors) => {
            factors.iter().map(of).reduce(|all, x| product(&all, &x)).unwrap_or_else(|| constant(S::number(1.0)))
        }
        Expression::Quotient(a, b) => quotient(&of(a), &of(b)),
        Expression::Power(base, exponent) => match exponent.constant() {
            Some(p) if p.fract() == 0.0 && p.abs() <= 1024.0 => {
                let whole = whole_power(&of(base), p.abs() as u32);
                if p < 0.0 { quotient(&constant(S::number(1.0)), &whole) } else { whole }
            }
            Some(p) => power(&of(base), p),
            None => of(&exponential_form(base, exponent)),
        },
        Expression::Call(call @ (Call::Min | Call::Max), arguments) => arguments
            .iter()
            .map(of)
            .reduce(|best, x| {
                let below = best[0].ends().1 <= x[0].ends().0;
                if below == (*call == Call::Min) { best } else { x }
            })
            .unwrap_or_else(|| constant(S::number(f64::NAN))),
        Expression::Call(call, arguments) => {
            called(*call, &arguments.first().map_or_else(|| constant(S::number(f64::NAN)), of))
        }
        Expression::Table(table, at) => {
            let mut s = of(at);
            let (left, c) = table.cubic(table.stretch(s[0].ends().0));
            s[0] = s[0].add(S::number(-left));
            c[..3].iter().rev().fold(constant(S::number(c[3])), |sum, c| {
                let mut sum = product(&sum, &s);
                sum[0] = sum[0].add(S::number(*c));
                sum
            })
        }
    }
}

/// x^y = exp(y ln x).
pub fn exponential_form(base: &Expression, exponent: &Expression) -> Expression {
    let ln = Expression::Call(Call::Ln, vec![base.clone()]);
    Expression::Call(Call::Exp, vec![Expression::Product(vec![exponent.clone(), ln])])
}

fn called<S: Scalar>(call: Call, a: &Series<S>) -> Series<S> {
    let value = constant(a[0].call(call));
    match call {
        Call::Exp => exponential(a),
        Call::Ln => {
            let mut c = value;
            for n in 1..TERMS {
                let sum = convolved(&c, a, 1, n, |k| k as f64); // c_n is still 0 there
                c[n] = a[n].add(sum.mul(S::number(-1.0 / n as f64))).div(a[0]);
            }
            c
        }
        Call::Sin => sine_and_cosine(a).0,
        Call::Cos => sine_and_cosine(a).1,
        Call::Tan => {
            let (s, c) = sine_and_cosine(a);
            quotient(&s, &c)
        }
        Call::Tanh => {
            let mut c = value;
            for n in 1..TERMS {
                // c′ = (1 − c²)·a′; the square of what is known so far is right up to order n − 1.
                let mut w = product(&c, &c).map(S::neg);
                w[0] = w[0].add(S::number(1.0));
                c[n] = slope_rule(a, &w, n);
            }
            c
        }
        Call::Sqrt => power(a, 0.5),
        Call::Abs if a[0].ends().1 < 0.0 => a.map(S::neg),
        Call::Abs => *a,
        Call::Floor | Call::Round | Call::Step | Call::Min | Call::Max => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Expression::{Number, StepTime as T};

    fn call(call: Call, x: Expression) -> Expression {
        Expression::Call(call, vec![x])
    }

    #[test]
    fn series_sum_to_the_function_and_intervals_hold_their_terms() {
        let x = Expression::Sum(vec![Number(1.3), T.times(Number(0.7))]);
        let all = [
            call(Call::Exp, x.clone()),
            call(Call::Ln, x.clone()),
            call(Call::Sin, x.clone()),
            call(Call::Cos, x.clone()),
            call(Call::Tan, x.clone()),
            call(Call::Tanh, x.clone()),
            call(Call::Sqrt, x.clone()),
            call(Call::Abs, x.clone().times(Number(-1.0))),
            Expression::Power(Box::new(x.clone()), Box::new(Number(-2.0))),
            Expression::Power(Box::new(x.clone()), Box::new(Number(1.7))),
            Expression::Power(Box::new(x.clone().times(Number(-1.0))), Box::new(Number(5.0))),
            Expression::Power(Box::new(x.clone()), Box::new(x.clone())),
            Expression::Quotient(Box::new(T), Box::new(x.clone())),
        ];
        for f in all {
            let (middle, radius) = (0.2, 0.05);
            let plain = expand(&f, middle, 0.0, radius);
            let wide = Interval { lo: middle - radius, hi: middle + radius };
            let held = expand(&f, wide, Interval::point(0.0), radius);
            for n in 0..TERMS {
                assert!(held[n].holds(plain[n]), "{f}: order {n}");
            }
            for u in [-1.0, -0.3, 0.8, 1.0] {
                let sum = plain[..TERMS - 1].iter().rev().fold(0.0, |sum, c| sum * u + c);
                let value = f.at(middle + u * radius, 0.0);
                let rest = held[TERMS - 1].size() + 1e-14 * value.abs();
                assert!((sum - value).abs() <= rest, "{f} at {u}: {sum} {value}");
            }
        }
    }
}
