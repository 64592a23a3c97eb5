//! The aging battery from Rust: `cargo run --release --example aging`.

use leyden::models::Aging;
use leyden::repr::ladder::Ladder;
use leyden::runner::{RunOptions, run};
use leyden::stop::Stop;
use leyden::unravel::ladder_jump::LadderJump;
use leyden::{estimate::columns, exact};

fn main() -> Result<(), leyden::RunError> {
    let problem = Aging { cells: 60, cycles: 10, samples: 1, ..Aging::default() }.problem()?;
    let engine = LadderJump::new(Ladder::compile(&problem)?);
    let options =
        RunOptions { trajectories: 5_000, seed: 1, threads: 0, shots: false, covariance: false, states: false };
    let outcome = run(&engine, &problem, options, &Stop::default(), &mut |_, _| true)?;
    let sampled = columns::table(&problem, &outcome.accumulated)?;
    let exact = exact::solve(&problem, None, &Default::default())?;

    println!("cycle  released (sampled)   released (exact)");
    let (Some(ours), Some(theirs)) = (sampled.column("released"), exact.column("released")) else { return Ok(()) };
    let Some(se) = &ours.se else { return Ok(()) };
    for (i, row) in sampled.rows.iter().enumerate().filter(|(i, _)| i % 4 == 3) {
        println!("{:>5}  {:>9.4} ± {:.4}   {:>9.4}", row.cycle + 1, ours.value[i], se[i], theirs.value[i]);
    }
    Ok(())
}
