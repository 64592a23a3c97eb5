//! Wall time of the rate equation and of mean field over the aging protocol, of density matrices, and of a steady state by iteration.

mod aging;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use leyden::exact::mean_field::MeanField;
use leyden::exact::rate_equation::RateEquation;
use leyden::exact::{solve, steady};
use leyden::models::Network;
use leyden::problem::{Kind, Problem, Quantity, a, ad};
use leyden::stop::Stop;
use std::time::Duration;

fn exact(c: &mut Criterion) {
    let mut group = c.benchmark_group("exact");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (cells, seconds) in [(20, 5), (140, 20), (400, 100)] {
        let problem = aging::problem(cells);
        group.measurement_time(Duration::from_secs(seconds));
        group.bench_function(format!("rate equation, N={cells}"), |b| {
            b.iter(|| RateEquation::new(&problem).and_then(|mut equation| equation.solve()).expect("it is solved"));
        });
    }
    let problem = aging::problem(140);
    group.measurement_time(Duration::from_secs(5));
    group.bench_function("mean field, N=140", |b| {
        b.iter(|| MeanField::new(&problem).and_then(|theory| theory.solve()).expect("it is solved"));
    });
    let problem =
        Network { cells: 8, t_end: 5.0, samples: 25, ..Network::default() }.problem().expect("it is a problem");
    group.measurement_time(Duration::from_secs(20));
    group.bench_function("density matrix of 8 cells on a chain", |b| {
        b.iter(|| solve(&problem, None, &Stop::default()).expect("it is solved"));
    });
    let problem = two_oscillators(12);
    group.bench_function("steady state, two oscillators of 12 levels", |b| {
        b.iter(|| steady(&problem, None, &Stop::default()).expect("it settles"));
    });
    group.finish();
}

/// A driven oscillator with loss and one in a weak bath, (levels)⁴ unknowns.
fn two_oscillators(levels: usize) -> Problem {
    let mut p = Problem::builder("two oscillators");
    let c = p.subsystem("C", Kind::Mode { cutoff: levels }, 1.0);
    let b = p.subsystem("B", Kind::Mode { cutoff: levels }, 1.0);
    p.hamiltonian(ad(c) * a(b) + a(c) * ad(b)).hamiltonian((a(c) + ad(c)) * 0.3);
    p.collective("loss", a(c), 1.0).collective("cool", a(b), 0.26).collective("heat", ad(b), 0.06);
    p.evolve("run", 1.0, 1).observe([Quantity::EnergyOf(b)]);
    p.build().expect("it is a master equation")
}

criterion_group!(benches, exact);
criterion_main!(benches);
