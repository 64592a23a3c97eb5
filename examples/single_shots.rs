//! Single shots: how much of the charge of 50 cells is found after a while? `cargo run --release --example single_shots`

use leyden::prelude::*;

fn main() -> Result<(), RunError> {
    let mut p = Problem::builder("a battery that loses its charge");
    let battery = p.ensemble("B", 50, 1.0);
    p.initial(battery, Initial::Excited).each("loss", battery, sm(battery), 1.0);
    p.evolve("storage", 0.5, 1).observe([Quantity::Energy, Quantity::EnergyDeviation]);
    let sampled = sample(&p.build()?, &Sampling { trajectories: 20_000, seed: 7, ..Default::default() })?;

    let (mean, deviation) = (sampled["energy"].last(), sampled["energy_std"].last());
    println!("mean {:.2}, standard deviation {:.2}; single shots:", mean.value, deviation.value);
    let shots = sampled.shots.unwrap_or_default();
    for low in (15..45).step_by(2) {
        let inside = |(energy, _): &(&f64, &f64)| (low as f64..low as f64 + 2.0).contains(*energy);
        let share: f64 = shots.energy_outcome.iter().zip(&shots.weight).filter(inside).map(|(_, weight)| weight).sum();
        println!("{low:>3}–{:<3} {}", low + 1, "#".repeat((share * 333.0) as usize));
    }
    Ok(())
}
