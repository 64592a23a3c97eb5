//! A model of a paper: the aging battery, sampled and exact. `cargo run --release --example aging`

use leyden::models::Aging;
use leyden::prelude::*;

fn main() -> Result<(), RunError> {
    let problem = Aging { cells: 60, cycles: 10, samples: 1, ..Aging::default() }.problem()?;
    let sampled = sample(&problem, &Sampling { trajectories: 5_000, ..Default::default() })?;
    let exact = solve(&problem)?;

    println!("cycle   released (sampled)   (exact)");
    for (i, row) in exact.rows.iter().enumerate().filter(|(i, _)| i % 4 == 3) {
        let (ours, theirs) = (sampled["released"].at(i), exact["released"].at(i));
        println!("{:>5}  {:>9.4} ± {:.4}   {:>9.4}", row.cycle + 1, ours.value, ours.se.unwrap_or(0.0), theirs.value);
    }
    Ok(())
}
