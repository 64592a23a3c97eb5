//! Drives that are short beside their step, in any unit of time, and pulses by large angles: each against its closed form.

mod common;

use common::assert_close;
use leyden::exact;
use leyden::input::{self, InputError};
use leyden::problem::Problem;
use leyden::run;
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;

fn read(name: &str, overrides: &str) -> Result<Problem, InputError> {
    let path = format!("{}/tests/data/cases/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let pairs = overrides.split_whitespace().map(|o| o.split_once('=').unwrap());
    let overrides: Vec<(String, String)> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Ok(input::parse(name, &text, &overrides)?.problem)
}

/// The energy at every row, exactly.
fn solved(problem: &Problem) -> Vec<f64> {
    exact::solve(problem, None, &Stop::default()).unwrap().column("energy").unwrap().value.clone()
}

/// The energy of single runs at the end, sampled.
fn sampled(problem: &Problem, trajectories: u64) -> Vec<f64> {
    let engine = Engine::new(problem, None).unwrap().1;
    let options = common::options(trajectories, 1);
    run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap().shots.unwrap().energy_mean
}

#[test]
fn a_short_pulse_before_a_long_wait() {
    for wait in ["t_end=2", "t_end=2000", "t_end=2e9"] {
        let problem = read("gaussian_then_wait", wait).unwrap();
        // sin²(60·0.01·√(2π))
        assert_close(*solved(&problem).last().unwrap(), 0.9955418137990, 1e-11, wait);
        sampled(&problem, 2).iter().for_each(|energy| assert_close(*energy, 0.9955418137990, 1e-11, wait));
    }
}

/// Two π pulses with slow decay around them; the numbers by Runge and Kutta's rule in the pulses, and closed form elsewhere.
#[test]
fn two_short_pulses_in_one_long_step() {
    let problem = read("two_pulses", "").unwrap();
    let energies = solved(&problem);
    for (energy, expected) in energies[1..].iter().zip([0.9990369, 0.3686294, 0.6311172, 0.2324074]) {
        assert_close(*energy, expected, 5e-8, "energy after the pulses");
    }
    let n = 4000;
    let mean = {
        let engine = Engine::new(&problem, None).unwrap().1;
        let run = run::sample(&engine, &problem, common::options(n, 1), &Stop::default(), &mut |_| true).unwrap();
        let shots = run.shots.unwrap();
        common::of_shots(&shots, n, &shots.energy_mean).0
    };
    // A correct program is 4.5 standard errors off with a chance of 7·10⁻⁶; the spread is at most that of 0 and 1.
    let error = (0.2324074f64 * (1.0 - 0.2324074) / n as f64).sqrt();
    assert!((mean - 0.2324074).abs() < 4.5 * error, "{mean} ± {error}");
}

#[test]
fn a_pulse_of_any_width_turns_by_its_area() {
    for text in ["", "width=1e-7", "width=1e6", "width=1e-8 centre=0.5 t_end=1", "width=1e-40", "width=1e40"] {
        let problem = read("short_gaussian", text).unwrap();
        let energies = solved(&problem);
        let (half, whole) = (0.14644660940672624, 0.5); // sin²(π/8), sin²(π/4)
        assert_close(energies[1], half, 1e-9, text);
        assert_close(energies[2], whole, 1e-9, text);
        sampled(&problem, 2).iter().for_each(|energy| assert_close(*energy, whole, 1e-9, text));
    }
}

#[test]
fn drives_that_double_precision_cannot_follow_are_refused_where_they_stand() {
    for (name, what) in
        [("no_stop_gaussian", "the width of drive pulse"), ("no_stop_cosine", "the phase of drive pulse")]
    {
        let error = read(name, "").unwrap_err();
        assert!(error.message.starts_with(what), "{error}");
        assert_eq!(error.place.as_ref().unwrap().line, Some(5), "{error}");
    }
}

#[test]
fn large_angles_turn_as_far_as_they_say() {
    for name in ["large_angle", "large_angle_spins"] {
        for (angle, expected) in [("1e7", 0.95363519309087), ("1e9", 0.0810564093180488), ("1e12", 0.104276849073555)] {
            let problem = read(name, &format!("angle={angle}")).unwrap();
            assert_close(*solved(&problem).last().unwrap(), expected, 1e-12, angle);
            sampled(&problem, 2).iter().for_each(|energy| assert_close(*energy, expected, 1e-12, angle));
        }
        let error = read(name, "angle=1e400").unwrap_err();
        assert!(error.place.is_some(), "{error}");
    }
}
