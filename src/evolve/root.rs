//! Newton's method that cannot leave the interval in which the root is known to lie.

/// An interval that holds the root of a falling function.
#[derive(Clone, Copy, Debug)]
pub struct Bracket {
    low: f64,
    high: f64,
}

impl Bracket {
    /// From 0 to `length`.
    #[inline(always)]
    pub fn up_to(length: f64) -> Self {
        Self { low: 0.0, high: length }
    }

    /// The next point after `s`, where the function is `value` and has this slope: Newton's, or the middle of what is left
    /// where that lies outside.
    #[inline(always)]
    pub fn newton(&mut self, s: f64, value: f64, slope: f64) -> f64 {
        if value > 0.0 {
            self.low = s;
        } else {
            self.high = s;
        }
        let next = s - value / slope;
        if next >= self.low && next <= self.high { next } else { 0.5 * (self.low + self.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stay_inside_and_find_the_root() {
        // Newton alone runs away from 3 on −atan(s − 1): its first step goes to −2.5 or so.
        let mut bracket = Bracket::up_to(4.0);
        let mut s = 3.0;
        for _ in 0..60 {
            s = bracket.newton(s, -(s - 1.0f64).atan(), -1.0 / (1.0 + (s - 1.0) * (s - 1.0)));
            assert!((0.0..=4.0).contains(&s));
        }
        assert!((s - 1.0).abs() < 1e-14);
    }
}
