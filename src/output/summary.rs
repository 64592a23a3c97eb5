//! Single numbers of a run: the charging time, and `summary.csv`.

use std::fmt::Write;

/// A number with its 95 % interval; NaN bounds are empty cells, as is a NaN value.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// What it is called.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Lower bound.
    pub lo: f64,
    /// Upper bound.
    pub hi: f64,
}

impl Number {
    /// A number without error.
    pub fn exact(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, lo: f64::NAN, hi: f64::NAN }
    }
}

/// What a number of `summary.csv` is, without commas.
fn meaning(name: &str) -> &'static str {
    let goal = |text: &str| text.starts_with("max_") || text.starts_with("min_");
    match name {
        "tau" => "charging time: the last time at which |E(t) - E(inf)|/|E(0) - E(inf)| falls through 1/e; time",
        "energy_limit" => "E(inf): the exact energy of the battery for t to infinity; energy",
        _ if name.strip_prefix("time_at_").is_some_and(goal) => "when that optimum is reached; time",
        _ if name.split_once("_at_").is_some_and(|(_, at)| goal(at)) => "the parameter at that optimum",
        _ if goal(name) => "the optimum of a column over time or a parameter of [sweep]",
        _ => "",
    }
}

/// `summary.csv`: name, value, lo, hi, meaning.
pub fn csv(numbers: &[Number]) -> String {
    let mut text = String::from("name,value,lo,hi,meaning\n");
    let cell = |x: f64| if x.is_nan() { String::new() } else { format!("{x}") };
    for number in numbers {
        let (name, value) = (&number.name, cell(number.value));
        let _ = writeln!(text, "{name},{value},{},{},{}", cell(number.lo), cell(number.hi), meaning(name));
    }
    text
}

/// Points that an interpolation between two of them uses on either side.
const REACH: usize = 3;

/// Charging time τ, in the unit of `times`: the last time at which |E(t) − E(∞)| / |E(0) − E(∞)| falls through e^{−1},
/// E(∞) = `limit` (`docs/physics.md` §3.1), by polynomial interpolation through the three points on either side, of
/// error O(Δt⁶) for a smooth E. There is an energy for each time, and times rise, one of them twice where a pulse lies
/// between.
///
/// `None` when E(0) is already E(∞), when a number is not finite, or when the distance has not fallen for good.
pub fn charging_time(times: &[f64], energies: &[f64], limit: f64) -> Option<f64> {
    // The end of a step and the start of the next share one time, and a pulse between them makes a jump.
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(times.len());
    for (&t, &e) in times.iter().zip(energies) {
        if points.last().is_none_or(|(before, same)| t > *before || (e - same).abs() > 1e-9 * same.abs().max(1.0)) {
            points.push((t, e));
        }
    }
    let whole = points.first()?.1 - limit;
    if whole == 0.0 || !limit.is_finite() || points.iter().any(|(t, e)| !t.is_finite() || !e.is_finite()) {
        return None;
    }
    let distance: Vec<(f64, f64)> = points.iter().map(|(t, e)| (*t, (e - limit) / whole)).collect();
    let level = (-1f64).exp();
    let before = distance.iter().rposition(|(_, d)| d.abs() >= level)?;
    let after = before + 1;
    if after >= distance.len() {
        return None;
    }
    if distance[before].0 == distance[after].0 {
        return Some(distance[after].0);
    }
    // Up to three points on either side, none of them beyond a jump.
    let smooth = |k: usize| distance[k].0 < distance[k + 1].0;
    let (mut first, mut last) = (before, after);
    while first > 0 && after - first < REACH && smooth(first - 1) {
        first -= 1;
    }
    while last + 1 < distance.len() && last - before < REACH && smooth(last) {
        last += 1;
    }
    let near = &distance[first..=last];
    // The distance may approach from either side.
    let wanted = level * distance[before].1.signum();
    let excess = |t: f64| (interpolate(near, t) - wanted) * wanted.signum();
    let (mut early, mut late) = (distance[before].0, distance[after].0);
    for _ in 0..100 {
        let middle = 0.5 * (early + late);
        if excess(middle) >= 0.0 { early = middle } else { late = middle }
    }
    Some(0.5 * (early + late))
}

/// The polynomial through all `points`, at `x` (Lagrange).
fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let weight = |k: usize| -> f64 {
        let others = points.iter().enumerate().filter(|(j, _)| *j != k);
        others.map(|(_, (other, _))| (x - other) / (points[k].0 - other)).product()
    };
    points.iter().enumerate().map(|(k, (_, y))| y * weight(k)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(end: f64, samples: usize, energy: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let times: Vec<f64> = (0..=samples).map(|k| end * k as f64 / samples as f64).collect();
        let energies = times.iter().map(|t| energy(*t)).collect();
        (times, energies)
    }

    #[test]
    fn an_exponential_charges_in_its_own_time() {
        for (rate, start) in [(1.0, 0.0), (0.3, 5.0)] {
            let (times, energies) = sampled(20.0, 200, |t| 2.0 + (start - 2.0) * (-rate * t).exp());
            let tau = charging_time(&times, &energies, 2.0).unwrap();
            assert!((tau - 1.0 / rate).abs() < 1e-8, "{tau}");
        }
    }

    #[test]
    fn the_last_of_several_crossings_counts_whatever_its_side() {
        // |e^{−t/10} cos t| crosses 1/e for the last time before its minimum at 2.5π or 3.5π, from below.
        let distance = |t: f64| (-0.1 * t).exp() * t.cos();
        let (times, energies) = sampled(60.0, 1200, |t| 1.0 - distance(t));
        let tau = charging_time(&times, &energies, 1.0).unwrap();
        assert!((distance(tau).abs() - (-1f64).exp()).abs() < 1e-7, "{tau}");
        let later = (1..40_000).map(|k| tau + f64::from(k) * 1e-3);
        assert!(later.map(distance).all(|d| d.abs() < (-1f64).exp() + 1e-7), "{tau} is not the last");
        assert!(distance(tau) < 0.0, "the last crossing is below the limit");
    }

    #[test]
    fn times_shared_by_two_steps_are_one() {
        let (mut times, mut energies) = sampled(10.0, 100, |t| 1.0 - (-t).exp());
        times.insert(10, times[10]);
        energies.insert(10, energies[10]);
        assert!((charging_time(&times, &energies, 1.0).unwrap() - 1.0).abs() < 1e-7);
    }

    #[test]
    fn a_jump_is_crossed_when_it_happens() {
        let time = charging_time(&[0.0, 1.0, 1.0, 2.0, 3.0], &[1.0, 0.9, 0.1, 0.09, 0.08], 0.0);
        assert_eq!(time, Some(1.0));
    }

    #[test]
    fn without_a_fall_there_is_no_time() {
        assert_eq!(charging_time(&[], &[], 1.0), None);
        assert_eq!(charging_time(&[0.0, 1.0], &[1.0, 1.0], 1.0), None);
        assert_eq!(charging_time(&[0.0, 1.0], &[0.0, 0.1], 1.0), None);
        assert_eq!(charging_time(&[0.0, 1.0], &[0.0, f64::NAN], 1.0), None);
    }

    #[test]
    fn empty_cells_stand_for_what_is_unknown() {
        let numbers = [Number::exact("tau", 1.5), Number { name: "x".into(), value: f64::NAN, lo: 0.0, hi: 1e-9 }];
        let lines: Vec<String> = csv(&numbers).lines().map(str::to_owned).collect();
        assert_eq!((lines[0].as_str(), lines[2].as_str()), ("name,value,lo,hi,meaning", "x,,0,0.000000001,"));
        assert!(lines[1].starts_with("tau,1.5,,,charging time: "), "{}", lines[1]);
    }

    #[test]
    fn every_number_says_what_it_is_in_one_cell() {
        for name in ["tau", "energy_limit", "max_energy(N=2)", "g_at_min_tau", "min_tau"] {
            let about = meaning(name);
            assert!(!about.is_empty() && !about.contains([',', '"', '\n']), "{name}: {about}");
        }
        assert_ne!(meaning("g_at_min_tau"), meaning("min_tau"));
        assert!(meaning("time_at_max_energy(N=2)").ends_with("; time"));
    }
}
