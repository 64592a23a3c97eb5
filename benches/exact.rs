//! Wall time of the rate equation and of mean field over the aging protocol.

mod aging;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use leyden::exact::mean_field::MeanField;
use leyden::exact::rate_equation::RateEquation;
use std::time::Duration;

fn exact(c: &mut Criterion) {
    let mut group = c.benchmark_group("exact");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (cells, seconds) in [(20, 5), (140, 20)] {
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
    group.finish();
}

criterion_group!(benches, exact);
criterion_main!(benches);
