//! Wall time of 10⁵ trajectories of the aging protocol at N = 140 on two threads.

mod aging;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use leyden::run::{RunOptions, sample};
use leyden::space::ladder::Ladder;
use leyden::stop::Stop;
use leyden::unravel::ladder_jump::LadderJump;
use std::time::Duration;

const OPTIONS: RunOptions =
    RunOptions { trajectories: 100_000, seed: 1, threads: 2, shots: false, covariance: false, states: false };

fn ensemble(c: &mut Criterion) {
    let problem = aging::problem(140);
    let engine = LadderJump::new(Ladder::compile(&problem).expect("the protocol stays on the ladder"));
    let mut group = c.benchmark_group("ensemble");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(40));
    group.throughput(Throughput::Elements(OPTIONS.trajectories));
    group.bench_function("N=140, 1e5 trajectories", |b| {
        b.iter(|| sample(&engine, &problem, OPTIONS, &Stop::default(), &mut |_| true).unwrap());
    });
    group.finish();
}

criterion_group!(benches, ensemble);
criterion_main!(benches);
