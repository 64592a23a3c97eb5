//! `correlations.csv` and its picture: one panel a correlation, real and imaginary part against the delay.

use super::figure::{Axis, Figure, Mark, Panel, Point, Series};
use super::table::number;
use num_complex::Complex64;
use std::fmt::Write;

/// A correlation with its values at rising delays.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlated {
    /// Its name, of which the columns are made.
    pub name: String,
    /// The delays τ, rising, in units of time.
    pub delays: Vec<f64>,
    /// C(τ) at each of them, in the unit of its operators; NaN is an empty cell.
    pub values: Vec<Complex64>,
}

/// tau, and NAME_re and NAME_im of each: a line for every delay of any of them, empty where it is not asked for.
pub fn csv(all: &[Correlated]) -> String {
    let mut delays: Vec<f64> = all.iter().flat_map(|one| one.delays.iter().copied()).collect();
    delays.sort_by(f64::total_cmp);
    delays.dedup();
    let mut text = String::from("tau");
    all.iter().for_each(|Correlated { name, .. }| _ = write!(text, ",{name}_re,{name}_im"));
    let mut next = vec![0; all.len()];
    for delay in delays {
        let _ = write!(text, "\n{}", number(delay));
        for (one, next) in all.iter().zip(&mut next) {
            let value = match one.delays.get(*next) {
                Some(own) if *own == delay => {
                    *next += 1;
                    one.values[*next - 1]
                }
                _ => Complex64::from(f64::NAN),
            };
            let _ =
                write!(text, ",{},{}", number(value.re), number(if value.re.is_nan() { value.re } else { value.im }));
        }
    }
    text.push('\n');
    text
}

/// Read back what [`csv`] wrote, without the empty cells. `None` if it is something else.
pub fn from_csv(text: &str) -> Option<Vec<Correlated>> {
    let mut lines = text.lines();
    let mut header = lines.next()?.split(',');
    if header.next() != Some("tau") {
        return None;
    }
    let named = header.step_by(2).map(|name| name.strip_suffix("_re"));
    let new = |name: &str| Correlated { name: name.to_owned(), delays: Vec::new(), values: Vec::new() };
    let mut all: Vec<Correlated> = named.map(|name| name.map(new)).collect::<Option<_>>()?;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != 1 + 2 * all.len() {
            return None;
        }
        for (one, pair) in all.iter_mut().zip(cells[1..].chunks_exact(2)) {
            if !pair[0].is_empty() {
                one.delays.push(cells[0].parse().ok()?);
                one.values.push(Complex64::new(pair[0].parse().ok()?, pair[1].parse().ok()?));
            }
        }
    }
    Some(all)
}

/// A panel for each, without the part that is 0 throughout.
pub fn figure(title: &str, all: &[Correlated]) -> Figure {
    let panel = |one: &Correlated| {
        type Of = fn(&Complex64) -> f64;
        let parts: [(&str, Mark, Of); 2] =
            [("real part", Mark::Line, |z| z.re), ("imaginary part", Mark::Dashed, |z| z.im)];
        let series = |(colour, (label, mark, part)): (usize, (&str, Mark, Of))| {
            let points = one.delays.iter().zip(&one.values).map(|(tau, z)| Point::exact(*tau, part(z))).collect();
            // The real part is there even where everything is 0.
            let shown = colour == 0 || one.values.iter().any(|z| part(z) != 0.0);
            shown.then(|| Series::new(label, colour, mark, points))
        };
        let series = parts.into_iter().enumerate().filter_map(series).collect();
        Panel::new("", Axis::linear("delay τ (input units)"), Axis::linear(one.name.clone()), series)
    };
    Figure::new(title, 2, all.iter().map(panel).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_reads_back() {
        let one = |name: &str, delays: &[f64], values: &[Complex64]| Correlated {
            name: name.into(),
            delays: delays.to_vec(),
            values: values.to_vec(),
        };
        let all = [
            one("g1", &[0.0, 0.1, 2.0], &[Complex64::ONE, Complex64::new(0.1, -0.2), Complex64::new(1e-300, 0.0)]),
            one("g_2", &[0.1, 0.5], &[Complex64::I, Complex64::new(-3.0, 0.25)]),
        ];
        let text = csv(&all);
        assert!(
            text.starts_with("tau,g1_re,g1_im,g_2_re,g_2_im\n0,1,0,,\n0.1,0.1,-0.2,0,1\n0.5,,,-3,0.25\n2,"),
            "{text}"
        );
        assert_eq!(from_csv(&text).unwrap(), all);
        assert!(from_csv("time,step\n").is_none() && from_csv("tau,x\n0,1\n").is_none());
    }
}
