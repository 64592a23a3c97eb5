//! Trajectories on blocks, one core: the problems that the same work through other programs is known for.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leyden::models::{Dephased, Graph, Network, Part};
use leyden::problem::{Problem, Quantity, sm, sx};
use leyden::repr::choose::Representation;
use leyden::runner::{self, RunOptions};
use leyden::unravel::engine::Engine;
use leyden::with_engine;
use std::sync::atomic::AtomicBool;

/// N = 50 cells with H = Sˣ, D[S⁻] at rate 1/N and D[σ⁻] on each at rate 0.1, from the ground state.
fn driven(cells: u64) -> Problem {
    let mut p = Problem::builder("driven ensemble");
    let b = p.ensemble("B", cells, 1.0);
    p.hamiltonian(sx(b) * 0.5);
    p.collective("release", sm(b), 1.0 / cells as f64).each("loss", b, sm(b), 0.1);
    p.evolve("drive", 10.0, 50).observe([Quantity::Magnetisation(b)]);
    p.build().unwrap()
}

fn problems() -> Vec<(&'static str, Problem, Option<Representation>, u64)> {
    let oscillator = Part::Oscillator(12);
    let pair = Dephased { charger: oscillator, battery: oscillator, drive: 0.1, t_end: 40.0, ..Dephased::default() };
    let network = Network { graph: Graph::Symmetric, t_end: 5.0, samples: 50, ..Network::default() };
    let chain = Network { cells: 10, t_end: 5.0, samples: 25, ..Network::default() };
    let big = Network { cells: 16, ..chain.clone() };
    vec![
        ("tls", Dephased::default().problem().unwrap(), None, 20_000),
        ("star 20", Dephased { battery: Part::Spins(20), ..Dephased::default() }.problem().unwrap(), None, 20_000),
        ("oscillators 12", pair.problem().unwrap(), None, 20_000),
        ("network 5, full space", network.problem().unwrap(), Some(Representation::Full), 4_000),
        ("network 5", network.problem().unwrap(), None, 4_000),
        ("chain 10", chain.problem().unwrap(), None, 32),
        ("chain 16", big.problem().unwrap(), None, 1),
        ("driven 50", driven(50), None, 1_000),
        ("driven 200", driven(200), None, 64),
    ]
}

fn trajectories(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trajectories");
    group.sample_size(10);
    for (name, problem, representation, trajectories) in problems() {
        let (_, engine) = Engine::new(&problem, representation).unwrap();
        let options = RunOptions { trajectories, seed: 1, threads: 1, shots: false, covariance: false, states: false };
        group.throughput(Throughput::Elements(trajectories));
        group.bench_function(name, |b| {
            b.iter(|| {
                with_engine!(&engine, e => runner::run(&**e, &problem, options, &AtomicBool::new(false), &mut |_, _| true))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, trajectories);
criterion_main!(benches);
