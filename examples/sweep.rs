//! A sweep: which dephasing of the charger stores most? `cargo run --release --example sweep`

use leyden::prelude::*;

/// A driven charger cell, dephased at the rate `gamma`, coupled to a battery cell.
fn charged(gamma: f64) -> Result<Problem, leyden::ModelError> {
    let mut p = Problem::builder("a dephased charger");
    let (charger, battery) = (p.ensemble("C", 1, 1.0), p.ensemble("B", 1, 1.0));
    p.battery([battery]).hamiltonian(sp(charger) * sm(battery) + sm(charger) * sp(battery));
    p.hamiltonian((sp(charger) + sm(charger)) * 0.5);
    p.collective("dephasing", n(charger), gamma);
    p.evolve("charging", 4.0, 8).observe([Quantity::Energy, Quantity::Ergotropy]);
    p.build()
}

fn main() -> Result<(), RunError> {
    println!("{:>6}  {:>8}  {:>10}", "gamma", "energy", "ergotropy");
    for gamma in [0.01, 0.1, 0.43, 1.0, 3.0, 10.0] {
        let end = solve(&charged(gamma)?)?;
        println!("{gamma:>6}  {:>8.5}  {:>10.5}", end["energy"].last().value, end["ergotropy"].last().value);
    }
    Ok(())
}
