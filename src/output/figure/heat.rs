//! Heat maps: values on a grid, and the cells of the plane that they fill.

use super::{Axis, Legend, Panel, Scale};

/// Values on a grid of two parameters, shown as colours.
#[derive(Clone, Debug)]
pub struct Heat {
    /// Abscissae of the columns, rising or falling.
    pub x: Vec<f64>,
    /// Ordinates of the rows, rising or falling.
    pub y: Vec<f64>,
    /// The values, rows × columns, one row after another; what is not finite stays grey, as does what is missing.
    pub values: Vec<f64>,
    /// Name and unit of the values, beside the colour bar.
    pub label: String,
}

impl Panel {
    /// A panel of coloured cells with a colour bar, whose axes end where the cells do.
    pub fn heat_map(title: impl Into<String>, x: Axis, y: Axis, heat: Heat) -> Self {
        let ends =
            |edges: &[f64]| edges.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(*e), b.max(*e)));
        let whole = |axis: Axis, centres: &[f64]| {
            let (lo, hi) = ends(&edges(axis.scale, centres));
            Axis { range: Some((lo, hi)), ..axis }
        };
        let (x, y) = (whole(x, &heat.x), whole(y, &heat.y));
        Self { legend: Legend::None, heat: Some(heat), ..Self::new(title, x, y, Vec::new()) }
    }
}

/// The borders of cells around `centres`: halfway between neighbours, and as far outside at the ends.
pub(super) fn edges(scale: Scale, centres: &[f64]) -> Vec<f64> {
    let places: Vec<f64> = centres.iter().map(|c| if scale == Scale::Log { c.ln() } else { *c }).collect();
    let back = |place: f64| if scale == Scale::Log { place.exp() } else { place };
    let n = places.len();
    let edge = |k: usize| match (k, n) {
        (k, 1) => places[0] + (k as f64 - 0.5) * if places[0] == 0.0 { 1.0 } else { 0.2 * places[0].abs() },
        (0, _) => places[0] - (places[1] - places[0]) / 2.0,
        (k, n) if k == n => places[n - 1] + (places[n - 1] - places[n - 2]) / 2.0,
        (k, _) => (places[k - 1] + places[k]) / 2.0,
    };
    if n == 0 { Vec::new() } else { (0..=n).map(|k| back(edge(k))).collect() }
}

/// The least and the largest finite value; some interval around them if they are the same or there are none.
pub(super) fn extent(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().filter(|v| v.abs() <= 1e290);
    let (lo, hi) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    match (lo, hi) {
        (lo, hi) if !(lo <= hi) => (0.0, 1.0),
        (lo, hi) if hi - lo <= 1e-12 * lo.abs().max(hi.abs()) => {
            let half = if lo == 0.0 { 0.5 } else { 0.1 * lo.abs() };
            (lo - half, hi + half)
        }
        both => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_meet_halfway_on_either_scale() {
        assert_eq!(edges(Scale::Linear, &[0.0, 1.0, 3.0]), [-0.5, 0.5, 2.0, 4.0]);
        assert_eq!(edges(Scale::Linear, &[2.0]), [1.8, 2.2]);
        let log = edges(Scale::Log, &[0.1, 10.0]);
        assert!((log[0] - 0.01).abs() < 1e-15 && (log[1] - 1.0).abs() < 1e-14 && (log[2] - 100.0).abs() < 1e-11);
        assert!(edges(Scale::Log, &[]).is_empty());
    }

    #[test]
    fn what_is_not_finite_has_no_part_in_the_colours() {
        assert_eq!(extent(&[f64::NAN, 2.0, -1.0, f64::INFINITY]), (-1.0, 2.0));
        assert_eq!(extent(&[]), (0.0, 1.0));
        assert_eq!(extent(&[0.0, 0.0]), (-0.5, 0.5));
    }
}
