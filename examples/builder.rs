//! A problem of one's own: a driven mode charges a cell, and loses photons. `cargo run --release --example builder`

use leyden::prelude::*;

fn main() -> Result<(), RunError> {
    let mut p = Problem::builder("a driven cavity charges a cell");
    let cavity = p.subsystem("A", Kind::Mode { cutoff: 12 }, 1.0);
    let cell = p.ensemble("B", 1, 1.0);
    p.battery([cell]);
    p.hamiltonian(ad(cavity) * sm(cell) + a(cavity) * sp(cell));
    p.drive("field", ad(cavity) + a(cavity), Envelope::Constant(0.4));
    p.collective("loss", a(cavity), 0.2);
    p.evolve("charging", 6.0, 12).observe([Quantity::Energy, Quantity::Ergotropy, Quantity::Photons(cavity)]);
    let problem = p.build()?;

    let sampled = sample(&problem, &Sampling { trajectories: 4_000, ..Default::default() })?;
    let exact = solve(&problem)?;
    println!("{:>5}  {:>20}  {:>8}  {:>26}", "time", "energy", "exact", "ergotropy");
    for (row, time) in exact.times().enumerate() {
        let (energy, ergotropy) = (sampled["energy"].at(row), sampled["ergotropy"].at(row));
        let (lo, hi) = ergotropy.interval.unwrap_or((f64::NAN, f64::NAN));
        println!(
            "{time:>5.1}  {:>9.4} ± {:<8.4}  {:>8.4}  {:>9.4} in [{lo:.4}, {hi:.4}]",
            energy.value,
            energy.se.unwrap_or(0.0),
            exact["energy"].at(row).value,
            ergotropy.value,
        );
    }
    println!("steady energy {:.6}", steady(&problem)?["energy"].last().value);
    Ok(())
}
