//! A function given by its values at some times: steps, straight lines, or a cubic spline between them.

/// Values at rising times.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it is called where it is written.
    pub name: String,
    times: Vec<f64>,
    values: Vec<f64>,
    order: u32,
    /// Of each stretch between two times, Σ_k c_k (x − left)ᵏ.
    cubics: Vec<[f64; 4]>,
}

impl Table {
    /// `order` 0: the value of the last time that has come; 1: straight lines; 3: a cubic spline whose first and last two
    /// stretches are one cubic each (not-a-knot), a parabola through three points, a line through two.
    ///
    /// # Errors
    /// What is wrong with the numbers.
    pub fn new(name: &str, times: Vec<f64>, values: Vec<f64>, order: u32) -> Result<Self, String> {
        if times.len() != values.len() {
            return Err(format!("{} times for {} values", times.len(), values.len()));
        }
        if times.len() < 2 {
            return Err("fewer than two points".into());
        }
        if let Some(k) = (0..times.len()).find(|&k| !times[k].is_finite() || !values[k].is_finite()) {
            return Err(format!("point {k} is ({}, {}): both must be finite", times[k], values[k]));
        }
        if let Some(k) = (1..times.len()).find(|&k| times[k] <= times[k - 1]) {
            return Err(format!("time {k}, {}, is not later than the one before it, {}", times[k], times[k - 1]));
        }
        let cubics = match order {
            0 => values[..values.len() - 1].iter().map(|v| [*v, 0.0, 0.0, 0.0]).collect(),
            1 => lines(&times, &values),
            3 => spline(&times, &values),
            _ => return Err(format!("the order is {order}: 0, 1 or 3")),
        };
        if cubics.iter().flatten().any(|c| !c.is_finite()) {
            return Err("points so close together that the curve between them is not finite".into());
        }
        Ok(Self { name: name.to_owned(), times, values, order, cubics })
    }

    /// First and last time; outside there is no value.
    pub fn span(&self) -> (f64, f64) {
        (self.times[0], self.times[self.times.len() - 1])
    }

    /// Times.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Values.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// 0, 1 or 3.
    pub fn order(&self) -> u32 {
        self.order
    }

    /// The value, NaN outside.
    pub fn at(&self, x: f64) -> f64 {
        let (first, last) = self.span();
        let slack = self.slack();
        if !(first - slack <= x && x <= last + slack) {
            return f64::NAN;
        }
        let x = x.clamp(first, last);
        if x == last {
            return self.values[self.values.len() - 1];
        }
        let k = self.stretch(x);
        let (c, s) = (&self.cubics[k], x - self.times[k]);
        c[0] + s * (c[1] + s * (c[2] + s * c[3]))
    }

    /// By how much a time may lie beside the table: a step is as long as its table to the last digits.
    pub fn slack(&self) -> f64 {
        let (first, last) = self.span();
        4.0 * f64::EPSILON * first.abs().max(last.abs())
    }

    /// The number of the stretch that holds x.
    pub fn stretch(&self, x: f64) -> usize {
        self.times.partition_point(|t| *t <= x).clamp(1, self.times.len() - 1) - 1
    }

    /// Where stretch `k` begins, and its cubic from there.
    pub fn cubic(&self, k: usize) -> (f64, &[f64; 4]) {
        (self.times[k], &self.cubics[k])
    }

    /// The stretch that all from `lo` to `hi` lies in, if it is one.
    pub fn one_stretch(&self, lo: f64, hi: f64) -> Option<usize> {
        let (first, last) = self.span();
        let k = self.stretch(lo);
        // The last value of a table of steps stands alone at its end.
        let inside = first <= lo && hi <= last && (k + 1 == self.times.len() - 1 || hi < self.times[k + 1]);
        (inside && !(self.order == 0 && hi == last)).then_some(k)
    }
}

fn lines(x: &[f64], y: &[f64]) -> Vec<[f64; 4]> {
    (1..x.len()).map(|k| [y[k - 1], (y[k] - y[k - 1]) / (x[k] - x[k - 1]), 0.0, 0.0]).collect()
}

/// Slopes m at the points from the conditions of equal second derivatives; (de Boor, A Practical Guide to Splines, ch. IV).
fn spline(x: &[f64], y: &[f64]) -> Vec<[f64; 4]> {
    let n = x.len();
    let h: Vec<f64> = (1..n).map(|k| x[k] - x[k - 1]).collect();
    let d: Vec<f64> = (1..n).map(|k| (y[k] - y[k - 1]) / h[k - 1]).collect();
    let m: Vec<f64> = match n {
        2 => vec![d[0]; 2],
        3 => {
            let bend = (d[1] - d[0]) / (h[0] + h[1]);
            vec![d[0] - bend * h[0], d[0] + bend * h[0], d[1] + bend * h[1]]
        }
        _ => {
            // Rows (lower, diagonal, upper, right-hand side).
            let mut rows: Vec<[f64; 4]> = Vec::with_capacity(n);
            let sum = h[0] + h[1];
            rows.push([0.0, h[1], sum, ((h[0] + 2.0 * sum) * h[1] * d[0] + h[0] * h[0] * d[1]) / sum]);
            for k in 1..n - 1 {
                rows.push([h[k], 2.0 * (h[k - 1] + h[k]), h[k - 1], 3.0 * (h[k] * d[k - 1] + h[k - 1] * d[k])]);
            }
            let (a, b) = (h[n - 3], h[n - 2]);
            let sum = a + b;
            rows.push([sum, a, 0.0, (b * b * d[n - 3] + (2.0 * sum + b) * a * d[n - 2]) / sum]);
            for k in 1..n {
                let factor = rows[k][0] / rows[k - 1][1];
                rows[k][1] -= factor * rows[k - 1][2];
                rows[k][3] -= factor * rows[k - 1][3];
            }
            let mut m = vec![0.0; n];
            m[n - 1] = rows[n - 1][3] / rows[n - 1][1];
            for k in (0..n - 1).rev() {
                m[k] = (rows[k][3] - rows[k][2] * m[k + 1]) / rows[k][1];
            }
            m
        }
    };
    let cubic = |k: usize| {
        let bend = (m[k] + m[k + 1] - 2.0 * d[k]) / h[k];
        [y[k], m[k], (d[k] - m[k]) / h[k] - bend, bend / h[k]]
    };
    (0..n - 1).map(cubic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_follow_cubics_and_tables_their_points() {
        let cubic = |x: f64| 1.0 - 2.0 * x + 0.5 * x * x - 0.3 * x * x * x;
        let times = vec![-1.0, 0.0, 0.7, 1.1, 2.0, 3.5];
        let values: Vec<f64> = times.iter().map(|x| cubic(*x)).collect();
        let spline = Table::new("s", times.clone(), values.clone(), 3).unwrap();
        for k in 0..=450 {
            let x = -1.0 + 0.01 * f64::from(k);
            assert!((spline.at(x) - cubic(x)).abs() < 1e-13, "{x}");
        }
        assert!(spline.at(-1.001).is_nan() && spline.at(3.6).is_nan());
        let lines = Table::new("l", times.clone(), values.clone(), 1).unwrap();
        assert!((lines.at(0.35) - 0.5 * (values[1] + values[2])).abs() < 1e-15);
        let steps = Table::new("o", times.clone(), values.clone(), 0).unwrap();
        assert_eq!((steps.at(0.69), steps.at(0.7), steps.at(3.5)), (values[1], values[2], values[5]));
        // scipy.interpolate.CubicSpline([0, 1, 2, 3, 4], [0, 1, 0, 1, 0]) at 0.5: by hand, all of it one polynomial of
        // degree 3 on the first two and on the last two stretches: s(½) = 1.1875 − …, from the tridiagonal system.
        let five = Table::new("f", vec![0.0, 1.0, 2.0, 3.0, 4.0], vec![0.0, 1.0, 0.0, 1.0, 0.0], 3).unwrap();
        assert!((five.at(0.5) - five.at(3.5)).abs() < 1e-14 && five.at(0.5) > 1.0);
        let parabola = Table::new("p", vec![0.0, 1.0, 3.0], vec![0.0, 1.0, 9.0], 3).unwrap();
        assert!((parabola.at(2.0) - 4.0).abs() < 1e-14);
    }

    #[test]
    fn bad_points_are_named() {
        let wrong =
            |times: &[f64], values: &[f64], order| Table::new("x", times.into(), values.into(), order).unwrap_err();
        assert!(wrong(&[0.0, 1.0, 1.0], &[0.0; 3], 1).contains("time 2, 1, is not later"));
        assert!(wrong(&[0.0, 1.0], &[0.0, f64::NAN], 1).contains("point 1"));
        assert!(wrong(&[0.0], &[0.0], 1).contains("fewer than two"));
        assert!(wrong(&[0.0, 1.0], &[0.0], 1).contains("2 times for 1 values"));
        assert!(wrong(&[0.0, 1.0], &[0.0, 1.0], 2).contains("0, 1 or 3"));
    }
}
