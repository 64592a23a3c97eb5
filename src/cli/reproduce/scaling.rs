//! What a trajectory costs against N, and where sampling to 1 % overtakes the exact density matrix.

use super::Results;
use crate::cli::interrupt;
use crate::cli::print::say;
use crate::error::RunError;
use crate::exact;
use crate::models::{Dephased, Network, Part};
use crate::output::figure::{Axis, Figure, Mark, Panel, Point, Series, Size};
use crate::problem::{Problem, Quantity, sm, sx};
use crate::run::{self, RunOptions};
use crate::unravel::engine::Engine;
use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

/// Exact solutions that a first estimate puts beyond this are not made.
const MOST_SECONDS: f64 = 20.0;

/// Seconds of one trajectory, of as many as give 1 % of the largest energy, and of one exact solution.
struct Cost {
    cells: u64,
    trajectory: f64,
    sampled: f64,
    exact: Option<f64>,
}

fn cost(cells: u64, problem: &Problem) -> Result<Cost, Box<dyn Error>> {
    let (representation, engine) = Engine::new(problem, None)?;
    let run = |trajectories: u64| -> Result<_, RunError> {
        let options = RunOptions { trajectories, seed: 1, threads: 1, shots: false, covariance: false, states: false };
        let started = Instant::now();
        let outcome = run::sample(&engine, problem, options, &interrupt::stop(), &mut |_| true)?;
        match outcome.interrupted {
            true => Err(RunError::Interrupted),
            false => Ok((started.elapsed().as_secs_f64(), outcome)),
        }
    };
    run(1)?; // blocks and tables are built
    let (one, _) = run(2)?;
    let n = ((0.5 / one * 2.0) as u64).clamp(4, 4000);
    let (seconds, outcome) = run(n)?;
    let averages = outcome.accumulated.averages();
    let width = problem.linear().len();
    let rows = || (0..problem.protocol.row_count()).map(|row| row * width);
    let largest = rows().map(|at| averages.mean(at).abs()).fold(0.0, f64::max);
    let variance = rows().map(|at| averages.sampling_variance(at)).fold(0.0, f64::max);
    let needed = (variance / (0.01 * largest).powi(2)).ceil().max(1.0);
    let trajectory = seconds / n as f64;
    let work = representation.style().and_then(|style| exact::blocks::work(problem, style).ok());
    let exact = match work {
        Some(work) if exact::blocks::seconds(work) < MOST_SECONDS => {
            let started = Instant::now();
            exact::solve(problem, None, &interrupt::stop())?;
            Some(started.elapsed().as_secs_f64())
        }
        _ => None,
    };
    Ok(Cost { cells, trajectory, sampled: trajectory * needed, exact })
}

fn driven(cells: u64) -> Result<Problem, Box<dyn Error>> {
    let mut p = Problem::builder("driven ensemble");
    let b = p.ensemble("B", cells, 1.0);
    p.hamiltonian(sx(b) * 0.5);
    p.collective("release", sm(b), 1.0 / cells as f64).each("loss", b, sm(b), 0.1);
    p.evolve("drive", 10.0, 50).observe([Quantity::Energy]);
    Ok(p.build()?)
}

/// Where sampling becomes the cheaper way, from (N, seconds sampled, seconds exact): where straight lines between the
/// points of the picture, whose axes are logarithmic, cross for the last time.
fn cheaper(known: &[(u64, f64, f64)]) -> String {
    let ratio = |k: usize| (known[k].1 / known[k].2).ln();
    let dearer = (0..known.len()).rev().find(|k| ratio(*k) >= 0.0);
    match dearer {
        None => "sampling to 1 % is cheaper throughout".into(),
        Some(last) if last + 1 == known.len() => {
            format!("the exact solution is cheaper up to N = {}, the largest made", known[last].0)
        }
        Some(before) => {
            let share = ratio(before) / (ratio(before) - ratio(before + 1));
            let (from, to) = ((known[before].0 as f64).ln(), (known[before + 1].0 as f64).ln());
            format!("sampling to 1 % is cheaper from N ≈ {:.0}", (from + share * (to - from)).exp())
        }
    }
}

/// The figure and its table.
pub fn figures(results: &mut Results) -> Result<(), Box<dyn Error>> {
    let chain = |n: u64| -> Result<Problem, Box<dyn Error>> {
        Ok(Network { cells: n as usize, t_end: 5.0, samples: 25, ..Network::default() }.problem()?)
    };
    let star = |n: u64| -> Result<Problem, Box<dyn Error>> {
        Ok(Dephased { battery: Part::Spins(n), gamma: 3.0, drive: 10.0, ..Dephased::default() }.problem()?)
    };
    type Family<'a> = (&'a str, &'a dyn Fn(u64) -> Result<Problem, Box<dyn Error>>, &'a [u64]);
    let families: [Family; 3] = [
        ("chain of N cells from |+⟩, full space", &chain, &[2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14]),
        ("charger and star of N cells, symmetric", &star, &[1, 2, 5, 10, 20, 40, 80]),
        ("driven ensemble of N cells, symmetric", &driven, &[2, 5, 10, 20, 40, 80, 160, 320, 640]),
    ];
    let mut text = String::from("family,N,seconds_per_trajectory,seconds_to_1_percent,seconds_exact\n");
    let mut panels = Vec::new();
    for (name, problem, sizes) in families {
        let mut costs = Vec::new();
        for &n in sizes {
            let found = cost(n, &problem(n)?)?;
            let exact = found.exact.map_or(String::new(), |x| format!("{x:e}"));
            writeln!(text, "\"{name}\",{n},{:e},{:e},{exact}", found.trajectory, found.sampled)?;
            say!("{name}: N = {n}, {:.2e} s a trajectory", found.trajectory);
            costs.push(found);
        }
        let line = |label: &str, colour, mark, value: &dyn Fn(&Cost) -> Option<f64>| {
            let points = costs.iter().filter_map(|c| Some(Point::exact(c.cells as f64, value(c)?)));
            Series::new(label, colour, mark, points.collect())
        };
        let known: Vec<(u64, f64, f64)> = costs.iter().filter_map(|c| Some((c.cells, c.sampled, c.exact?))).collect();
        let title = format!("{name}: {}", cheaper(&known));
        panels.push(Panel::new(
            title,
            Axis::log("number of cells N"),
            Axis::log("time on one core (s)"),
            vec![
                line("one trajectory", 0, Mark::Line, &|c| Some(c.trajectory)),
                line("sampled to 1 % of the energy", 1, Mark::Line, &|c| Some(c.sampled)),
                line("exact density matrix", 2, Mark::Dashed, &|c| c.exact),
            ],
        ));
    }
    results.folder.write("scaling.csv", text.as_bytes())?;
    let figure = Figure::new("Cost against the number of cells", 3, panels);
    // Titles of three lines take their room.
    results.picture("scaling", &figure.sized(Size { height: Some(68.0), ..Size::DOUBLE }))
}

#[cfg(test)]
mod tests {
    use super::cheaper;

    #[test]
    fn the_title_tells_where_the_curves_cross() {
        // Exact ~ N⁴, sampled constant: equal at N = 28.
        let crossing = |sizes: &[u64]| {
            let of = |n: &u64| (*n, 1.0, (*n as f64 / 28.0).powi(4));
            cheaper(&sizes.iter().map(of).collect::<Vec<_>>())
        };
        assert_eq!(crossing(&[5, 10, 20, 40, 80]), "sampling to 1 % is cheaper from N ≈ 28");
        assert_eq!(crossing(&[5, 10, 20]), "the exact solution is cheaper up to N = 20, the largest made");
        assert_eq!(crossing(&[40, 80]), "sampling to 1 % is cheaper throughout");
        assert_eq!(crossing(&[]), "sampling to 1 % is cheaper throughout");
    }
}
