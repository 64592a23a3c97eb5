//! A function of time as polynomials on pieces of a step, each shown by interval arithmetic to be right to rounding: no
//! pulse is overlooked, however narrow, and no kink or jump is stepped over.

use super::expression::Expression;
use super::interval::{Interval, bound};
use super::taylor::{TERMS, expand};

/// Degree of the polynomials.
const DEGREE: usize = TERMS - 2;
/// Most pieces of one step; cos(ωt) takes about ω/2 of them a unit of time.
const MOST_PIECES: usize = 100_000;
/// Error of a polynomial relative to the largest value in the step.
const TOLERANCE: f64 = 2e-16;
/// Below this part of the largest value it is nothing: e^{−9²/2} of a Gaussian.
const NOTHING: f64 = 3e-18;
/// Branches whose values differ by no more than this part of the largest only touch.
const TOUCHING: f64 = 1e-12;
/// A value that is nothing whatever else there is: it turns no phase by so much within the step.
const UNFELT: f64 = 1e-25;
/// Slivers in which no branch is decided and that no piece follows.
const MOST_SLIVERS: usize = 5_000;
/// Trials that look for the largest value.
const SEARCH: usize = 400;

/// What cannot be followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It grows beyond all bounds, or has no value, at this time.
    NotFinite(f64),
    /// It changes so often that this many pieces reach to this time only.
    TooVaried(usize, f64),
}

/// A polynomial Σ c_k u^k, u = (t − middle)/radius.
#[derive(Clone, Debug, PartialEq)]
struct Polynomial {
    middle: f64,
    radius: f64,
    coefficients: [f64; DEGREE + 1],
}

impl Polynomial {
    /// The largest value at some points: no more than the largest of all.
    fn size(&self) -> f64 {
        let at = |u: f64| self.coefficients.iter().rev().fold(0.0, |sum, c| sum * u + c).abs();
        [-1.0, -0.5, 0.0, 0.5, 1.0].into_iter().map(at).fold(0.0, f64::max)
    }

    /// The least value, with its place: the least of many points, and between its neighbours by sections.
    fn least(&self) -> (f64, f64) {
        let at = |u: f64| self.coefficients.iter().rev().fold(0.0, |sum, c| sum * u + c);
        let points = (0..=64).map(|k| f64::from(k) / 32.0 - 1.0);
        let best =
            points.fold((f64::INFINITY, 0.0), |best: (f64, f64), u| if at(u) < best.0 { (at(u), u) } else { best });
        let (mut lo, mut hi) = ((best.1 - 1.0 / 32.0).max(-1.0), (best.1 + 1.0 / 32.0).min(1.0));
        for _ in 0..60 {
            let (a, b) = (lo + (hi - lo) / 3.0, hi - (hi - lo) / 3.0);
            if at(a) < at(b) { hi = b } else { lo = a }
        }
        let inner = 0.5 * (lo + hi);
        if at(inner) < best.0 { (at(inner), inner) } else { best }
    }

    /// u at t. A piece may begin with a sliver in which a kink or jump lies, where it is what it is right of it.
    fn place(&self, t: f64) -> f64 {
        ((t - self.middle) / self.radius).max(-1.0)
    }
}

/// One function on one stretch of time.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Pieces {
    /// Where pieces begin, and the end of the last.
    breaks: Vec<f64>,
    /// `None` where the function is nothing.
    polynomials: Vec<Option<Polynomial>>,
    /// The largest absolute value on each piece.
    sizes: Vec<f64>,
}

/// What is being followed, as a function of x: `time` is x, and t = x − start, from 0 to the duration whatever is lost in
/// rounding.
struct Stretch<'a> {
    f: &'a Expression,
    start: f64,
    duration: f64,
}

impl Stretch<'_> {
    fn interval(&self, a: f64, b: f64) -> (Interval, Interval) {
        let time = Interval { lo: a, hi: b };
        let t = time.add(Interval::point(-self.start));
        (Interval { lo: t.lo.clamp(0.0, self.duration), hi: t.hi.clamp(0.0, self.duration) }, time)
    }

    fn at(&self, x: f64) -> f64 {
        self.f.at((x - self.start).clamp(0.0, self.duration), x)
    }

    fn bound(&self, a: f64, b: f64) -> (Interval, bool) {
        let (t, time) = self.interval(a, b);
        bound(self.f, t, time)
    }

    /// The polynomial on \[a, b\], if it is within `tolerance` of the function, which is analytic there.
    fn polynomial(&self, a: f64, b: f64, tolerance: f64) -> Option<Polynomial> {
        let (middle, radius) = (0.5 * (a + b), 0.5 * (b - a));
        let (t, time) = self.interval(a, b);
        let rest = expand(self.f, t, time, radius)[TERMS - 1].size();
        if !(rest <= tolerance) {
            return None;
        }
        let all = expand(self.f, middle - self.start, middle, radius);
        let coefficients: [f64; DEGREE + 1] = std::array::from_fn(|k| all[k]);
        coefficients.iter().all(|c| c.is_finite()).then_some(Polynomial { middle, radius, coefficients })
    }

    /// Either of both that follows it.
    fn followed(&self, a: f64, b: f64, tolerance: f64) -> Option<Polynomial> {
        self.polynomial(a, b, tolerance).or_else(|| self.constant(a, b))
    }

    /// The same where it varies no more than it does at one time by the rounding of its terms: far from a switch, whatever
    /// intervals make of the derivatives there.
    fn constant(&self, a: f64, b: f64) -> Option<Polynomial> {
        let (middle, radius) = (0.5 * (a + b), 0.5 * (b - a));
        let width = |a: f64, b: f64| {
            let value = self.bound(a, b).0;
            value.hi - value.lo
        };
        let mut coefficients = [0.0; DEGREE + 1];
        coefficients[0] = self.at(middle);
        (width(a, b) <= 2.0 * width(middle, middle) && coefficients[0].is_finite()).then_some(Polynomial {
            middle,
            radius,
            coefficients,
        })
    }

    /// A bound of the largest absolute value from `a` to `b`, too large by a factor of two at most where that can be had.
    fn largest(&self, a: f64, b: f64) -> Result<f64, Fault> {
        let (from, until) = (a, b);
        let value = |t: f64| Some(self.at(t).abs()).filter(|x| x.is_finite()).unwrap_or(0.0);
        let mut seen = value(a).max(value(b));
        let mut open = vec![(self.bound(a, b).0.size(), a, b)];
        for _ in 0..SEARCH {
            let Some(place) = (0..open.len()).max_by(|i, j| open[*i].0.total_cmp(&open[*j].0)) else { break };
            let (size, a, b) = open[place];
            let middle = 0.5 * (a + b);
            if size <= 2.0 * seen || !(a < middle && middle < b) {
                break;
            }
            open.swap_remove(place);
            seen = seen.max(value(middle));
            for (a, b) in [(a, middle), (middle, b)] {
                open.push((self.bound(a, b).0.size(), a, b));
            }
        }
        let most = open.iter().map(|x| x.0).fold(0.0, f64::max);
        if most.is_finite() {
            return Ok(most);
        }
        let finest = 4.0 * f64::EPSILON * (until - from);
        let (mut left, mut unbounded) = (SEARCH * 20, from);
        Err(Fault::NotFinite(self.first_odd(from, until, finest, &mut left, &mut unbounded).unwrap_or(unbounded)))
    }

    /// The first place between `a` and `b` where the function has no finite value.
    fn first_odd(&self, a: f64, b: f64, finest: f64, left: &mut usize, unbounded: &mut f64) -> Option<f64> {
        let (value, analytic) = self.bound(a, b);
        let middle = 0.5 * (a + b);
        if !value.is_bounded() {
            *unbounded = a;
        }
        // Where a branch only touches, every part of a stretch would have to be looked at.
        *left = left.saturating_sub(1);
        if *left == 0 {
            return Some(*unbounded);
        }
        if analytic && value.is_bounded() {
            None
        } else if b - a <= finest.max(2.0 * f64::EPSILON * a.abs()) {
            let finite = value.is_bounded() && self.at(b).is_finite();
            (!finite).then_some(middle)
        } else {
            let first = self.first_odd(a, middle, finest, left, unbounded);
            first.or_else(|| self.first_odd(middle, b, finest, left, unbounded))
        }
    }

    /// To where from `left` on the function is a constant to rounding, though no branch is decided; `right` if it is none.
    fn touching(&self, left: f64, right: f64, until: f64, scale: f64) -> f64 {
        let width = |b: f64| {
            let (value, _) = self.bound(left, b);
            value.hi - value.lo
        };
        let (rounding, mut end) = (width(right), right);
        while rounding <= TOUCHING * scale && end < until {
            let wider = (left + 2.0 * (end - left)).min(until);
            if !(width(wider) <= 2.0 * rounding && self.at(wider).is_finite()) {
                break;
            }
            end = wider;
        }
        end
    }

    /// The first sliver between `a` and `b` in which no branch is decided, as narrow as numbers are; `None` if it was only
    /// the width of the stretch that left it open, up to the time that comes with it.
    fn undecided(&self, mut a: f64, mut b: f64, finest: f64) -> Result<(f64, f64), f64> {
        while b - a > finest.max(8.0 * f64::EPSILON * a.abs()) {
            let middle = 0.5 * (a + b);
            if self.bound(a, middle).1 {
                if self.bound(middle, b).1 {
                    return Err(middle);
                }
                a = middle;
            } else {
                b = middle;
            }
        }
        Ok((a, b))
    }
}

impl Pieces {
    /// Nothing yet, from 0 on.
    pub fn new() -> Self {
        Self { breaks: vec![0.0], ..Self::default() }
    }

    /// Nothing up to `until`.
    pub fn wait(&mut self, until: f64) {
        if until > self.end() {
            self.push(until, None, 0.0);
        }
    }

    /// Go on with `f` to x = `until`, where `time` is x and t is x − `start`.
    ///
    /// # Errors
    /// Where it is not finite, or changes too often; its time is x.
    pub fn extend(&mut self, f: &Expression, start: f64, until: f64) -> Result<(), Fault> {
        self.extend_by(f, start, until, until - start)
    }

    /// The same for a step of this `duration`.
    ///
    /// # Errors
    /// As [`extend`](Self::extend).
    pub fn extend_by(&mut self, f: &Expression, start: f64, until: f64, duration: f64) -> Result<(), Fault> {
        let of = Stretch { f, start, duration };
        let from = self.end();
        if !(until > from) {
            return Ok(());
        }
        let duration = until - from;
        let mut slivers = 0;
        let finest = 4.0 * f64::EPSILON * duration;
        let scale = of.largest(from, until)?;
        // What is next to nothing beside the largest value may yet be all there is at a row before it.
        let nothing = (NOTHING * scale).min(UNFELT / duration);
        let mut passed: f64 = 0.0;
        let (mut a, mut length) = (from, duration);
        while a < until {
            if self.polynomials.len() >= MOST_PIECES {
                return Err(Fault::TooVaried(MOST_PIECES, a));
            }
            let b = if a + length < until { a + length } else { until };
            let (value, analytic) = of.bound(a, b);
            let tolerance = TOLERANCE * passed.max(value.size().min(scale));
            if analytic && value.size() <= nothing {
                self.push(b, None, 0.0);
                (a, length) = (b, 2.0 * length);
            } else if let Some(polynomial) = analytic.then(|| of.followed(a, b, tolerance)).flatten() {
                passed = passed.max(polynomial.size());
                self.push(b, Some(polynomial), value.size().min(scale));
                (a, length) = (b, 2.0 * length);
            } else if analytic {
                length = 0.5 * (b - a);
                if !(a + length > a) {
                    return Err(Fault::NotFinite(a));
                }
            } else {
                match of.undecided(a, b, finest) {
                    Err(clear) => length = clear - a,
                    Ok((left, right)) if left > a => {
                        self.smooth(&of, a, left, &mut passed, nothing, scale)?;
                        check(&of, left, right)?;
                        self.stretch_to(right);
                        (a, length) = (right, until - right);
                    }
                    Ok((left, right)) => {
                        check(&of, left, right)?;
                        let end = of.touching(left, right, until, scale);
                        if end > right || end >= until {
                            // Branches only touch: all of it is a constant to rounding.
                            let value = of.at(end);
                            let coefficients = std::array::from_fn(|k| if k == 0 { value } else { 0.0 });
                            let (middle, radius) = (0.5 * (left + end), 0.5 * (end - left));
                            self.push(end, Some(Polynomial { middle, radius, coefficients }), value.abs());
                        }
                        // Else a sliver that the next piece begins with.
                        slivers += 1;
                        if slivers > MOST_SLIVERS {
                            return Err(Fault::TooVaried(self.polynomials.len(), a));
                        }
                        (a, length) = (end, until - end);
                    }
                }
            }
        }
        Ok(())
    }

    /// Pieces of a stretch on which the function is analytic inside, though perhaps not at its end.
    fn smooth(
        &mut self,
        of: &Stretch<'_>,
        mut a: f64,
        end: f64,
        passed: &mut f64,
        nothing: f64,
        scale: f64,
    ) -> Result<(), Fault> {
        let mut length = end - a;
        while a < end {
            if self.polynomials.len() >= MOST_PIECES {
                return Err(Fault::TooVaried(MOST_PIECES, a));
            }
            let b = if a + length < end { a + length } else { end };
            let (value, analytic) = of.bound(a, b);
            let tolerance = TOLERANCE * passed.max(value.size().min(scale));
            let polynomial = if analytic { of.followed(a, b, tolerance) } else { None };
            match polynomial {
                _ if analytic && value.size() <= nothing => self.push(b, None, 0.0),
                Some(polynomial) => {
                    *passed = passed.max(polynomial.size());
                    self.push(b, Some(polynomial), value.size().min(scale));
                }
                None => {
                    length = 0.5 * (b - a);
                    if a + length > a && a + length < end {
                        continue;
                    }
                    // Next to a point where no series holds: what is left is as narrow as numbers are.
                    self.stretch_to(end);
                    return Ok(());
                }
            }
            (a, length) = (b, 2.0 * length);
        }
        Ok(())
    }

    fn push(&mut self, end: f64, polynomial: Option<Polynomial>, size: f64) {
        if polynomial.is_none() && self.polynomials.last().is_some_and(Option::is_none) {
            self.stretch_to(end); // however long a wait, it is one piece
        } else {
            self.breaks.push(end);
            self.polynomials.push(polynomial);
            self.sizes.push(size);
        }
    }

    /// Let the last piece reach to `end`.
    fn stretch_to(&mut self, end: f64) {
        if self.breaks.len() > 1
            && let Some(last) = self.breaks.last_mut()
        {
            *last = end;
        }
    }

    /// Where the last piece ends.
    pub fn end(&self) -> f64 {
        self.breaks.last().copied().unwrap_or(0.0)
    }

    /// The piece that begins at or before t; the last one at its end too.
    fn place(&self, t: f64) -> Option<usize> {
        let after = self.breaks.partition_point(|start| *start <= t);
        (!self.polynomials.is_empty()).then(|| after.clamp(1, self.polynomials.len()) - 1)
    }

    /// The value at t, 0 where the function is nothing.
    pub fn at(&self, t: f64) -> f64 {
        let Some(Some(p)) = self.place(t).map(|k| &self.polynomials[k]) else { return 0.0 };
        let u = p.place(t);
        p.coefficients.iter().rev().fold(0.0, |sum, c| sum * u + c)
    }

    /// Taylor coefficients about t, time in units of `unit`: f(t + s) = Σ c_n (s/unit)ⁿ within the piece.
    pub fn taylor(&self, t: f64, unit: f64, coefficients: &mut [f64]) {
        coefficients.fill(0.0);
        let Some(Some(p)) = self.place(t).map(|k| &self.polynomials[k]) else { return };
        let u = p.place(t);
        let mut rest = p.coefficients;
        let mut scale = 1.0;
        for (n, out) in coefficients.iter_mut().enumerate().take(DEGREE + 1) {
            // Horner's division by (u′ − u): what is left over is the next coefficient.
            for k in (n..DEGREE).rev() {
                rest[k] += rest[k + 1] * u;
            }
            *out = rest[n] * scale;
            scale *= unit / p.radius;
        }
    }

    /// Time from t to the end of its piece, and whether the function is nothing on it.
    pub fn piece(&self, t: f64) -> (f64, bool) {
        match self.place(t) {
            Some(k) if t < self.breaks[k + 1] => (self.breaks[k + 1] - t, self.polynomials[k].is_none()),
            _ => (f64::INFINITY, false),
        }
    }

    /// The shortest piece on which there is something.
    pub fn shortest(&self) -> f64 {
        let lengths =
            self.breaks.windows(2).zip(&self.polynomials).filter(|(_, p)| p.is_some()).map(|(w, _)| w[1] - w[0]);
        lengths.fold(f64::INFINITY, f64::min)
    }

    /// Pieces between two times.
    pub fn count(&self, from: f64, until: f64) -> usize {
        match (self.place(from), self.place(until)) {
            (Some(first), Some(last)) => last - first + 1,
            _ => 0,
        }
    }

    /// A bound of ∫|f| between two times.
    pub fn area(&self, from: f64, until: f64) -> f64 {
        let of = |k: usize| self.sizes[k] * (until.min(self.breaks[k + 1]) - from.max(self.breaks[k])).max(0.0);
        let (first, last) = (self.place(from).unwrap_or(0), self.place(until).map_or(0, |k| k + 1));
        (first..last).map(of).sum()
    }

    /// A bound of the largest absolute value between two times, that of whole pieces.
    pub fn largest(&self, from: f64, until: f64) -> f64 {
        let (first, last) = (self.place(from).unwrap_or(0), self.place(until).map_or(0, |k| k + 1));
        self.sizes[first..last].iter().copied().fold(0.0, f64::max)
    }

    /// The same pieces of value·f(factor·x).
    pub fn scaled(&self, value: f64, factor: f64) -> Self {
        let polynomial = |p: &Polynomial| Polynomial {
            middle: p.middle / factor,
            radius: p.radius / factor,
            coefficients: p.coefficients.map(|c| c * value),
        };
        Self {
            breaks: self.breaks.iter().map(|x| x / factor).collect(),
            polynomials: self.polynomials.iter().map(|p| p.as_ref().map(polynomial)).collect(),
            sizes: self.sizes.iter().map(|size| size * value.abs()).collect(),
        }
    }

    /// The least value of the polynomials, with its time.
    pub fn least(&self) -> (f64, f64) {
        let of = |p: &Option<Polynomial>| {
            p.as_ref().map_or((0.0, self.breaks[0]), |p| {
                let (value, u) = p.least();
                (value, p.middle + u * p.radius)
            })
        };
        self.polynomials.iter().map(of).fold((f64::INFINITY, 0.0), |least, x| if x.0 < least.0 { x } else { least })
    }
}

/// Whether the function is finite on and beside a sliver.
fn check(of: &Stretch<'_>, left: f64, right: f64) -> Result<(), Fault> {
    let finite = of.bound(left, right).0.is_bounded() && of.at(left).is_finite() && of.at(right).is_finite();
    if finite { Ok(()) } else { Err(Fault::NotFinite(0.5 * (left + right))) }
}

#[cfg(test)]
mod tests;
