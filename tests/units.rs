//! The unit of time is the user's: every shipped input gives the same in any.

mod common;

use leyden::exact;
use leyden::input;
use leyden::problem::Problem;
use leyden::run;
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;
use std::path::Path;

/// Rates count so many times as much.
const FACTORS: [f64; 5] = [1e-12, 1e-6, 1e6, 1e9, 1e12];

/// The shipped inputs at the size of `[verify]`.
fn shipped() -> Vec<(String, Problem)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let named = |file: &std::path::PathBuf| {
        let input = input::read(file, &[]).unwrap().at_verify_size().unwrap();
        (file.file_stem().unwrap().to_string_lossy().into_owned(), input.problem)
    };
    assert!(files.len() > 20);
    files.iter().map(named).collect()
}

#[test]
fn exact_solutions_are_the_same_in_any_unit() {
    let mut wrong = Vec::new();
    for (name, problem) in shipped() {
        let plain = exact::solve(&problem, None, &Stop::default()).unwrap();
        for factor in FACTORS {
            let scaled = match exact::solve(&problem.in_units(factor), None, &Stop::default()) {
                Ok(table) => table,
                Err(error) => {
                    wrong.push(format!("{name} at {factor:e}: {error}"));
                    continue;
                }
            };
            for (quantity, (a, b)) in problem.quantities().iter().zip(plain.columns.iter().zip(&scaled.columns)) {
                let unit = factor.powi(common::energy_power(quantity));
                for (row, (a, b)) in a.value.iter().zip(&b.value).enumerate() {
                    let same = (b / unit - a).abs() <= 1e-9 * a.abs().max(1.0) || (a.is_nan() && b.is_nan());
                    if !same {
                        let (column, b) = (problem.column(quantity), b / unit);
                        wrong.push(format!("{name} at {factor:e}: {column} at row {row} is {b} instead of {a}"));
                        break;
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn trajectories_jump_alike_in_any_unit() {
    let mut wrong = Vec::new();
    for (name, problem) in shipped() {
        let jumps = |problem: &Problem| {
            let engine = Engine::new(problem, None).unwrap().1;
            let options = common::options(6, 1);
            run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap().shots.unwrap().jumps
        };
        let plain = jumps(&problem);
        for factor in FACTORS {
            if jumps(&problem.in_units(factor)) != plain {
                wrong.push(format!("{name} at {factor:e}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
