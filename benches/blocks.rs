//! Trajectories on blocks, one core: the problems that the same work through other programs is known for.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leyden::input;
use leyden::models::{Dephased, Graph, Network, Part};
use leyden::problem::{Problem, Quantity, sm, sx};
use leyden::run::{self, RunOptions};
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;

const CHARGER_1: &str = include_str!("../examples/charger_1.toml");
const CHARGER_3: &str = include_str!("../examples/charger_3.toml");

/// The transverse Ising model on a torus of 4 × 3 cells, each of which decays: 12 jumps a trajectory.
const ISING: &str = r#"
title = "Transverse Ising model"
[subsystems]
B = { cells = 12, graph = [[0,1],[1,2],[2,3],[3,0],[4,5],[5,6],[6,7],[7,4],[8,9],[9,10],[10,11],[11,8],
                           [0,4],[1,5],[2,6],[3,7],[4,8],[5,9],[6,10],[7,11],[8,0],[9,1],[10,2],[11,3]] }
[initial]
B = "excited"
[hamiltonian]
terms = ["0.5*bonds(sz, sz, B)", "0.2*sx(B)"]
[channels]
loss = { each = "sm(B)", rate = 1.0 }
[protocol]
steps = [ { name = "decay", evolve = 10.0, samples = 99 } ]
[observe]
quantities = ["energy", "jumps"]
"#;

/// N = 50 cells with H = Sˣ, D[S⁻] at rate 1/N and D[σ⁻] on each at rate 0.1, from the ground state.
fn driven(cells: u64) -> Problem {
    let mut p = Problem::builder("driven ensemble");
    let b = p.ensemble("B", cells, 1.0);
    p.hamiltonian(sx(b) * 0.5);
    p.collective("release", sm(b), 1.0 / cells as f64).each("loss", b, sm(b), 0.1);
    p.evolve("drive", 10.0, 50).observe([Quantity::Magnetisation(b)]);
    p.build().unwrap()
}

/// A charger of N_C cells, all excited, and batteries of N_B in the ground state, up to t = 10/(γ↓N_C), without ergotropy.
fn charger(text: &str, n_c: u64, n_b: u64, pumping: f64) -> Problem {
    let overrides = [("N_C", n_c as f64), ("N_B", n_b as f64), ("gamma_up", pumping), ("t_end", 10.0 / n_c as f64)];
    let overrides: Vec<(String, String)> = overrides.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let problem = input::parse("charger", text, &overrides).unwrap().problem;
    let linear = problem.quantities().iter().filter(|q| !q.needs_state()).cloned();
    problem.with_quantities(linear).unwrap()
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
        ("Ising 4 x 3", input::parse("ising", ISING, &[]).unwrap().problem, None, 4),
        ("driven 50", driven(50), None, 1_000),
        ("driven 200", driven(200), None, 64),
        ("driven 1000", driven(1000), None, 4),
        ("driven 10000", driven(10_000), None, 1),
        ("charger of 10^4, three batteries", charger(CHARGER_3, 10_000, 10, 2.0), None, 1),
        ("charger of 10^6", charger(CHARGER_1, 1_000_000, 100, 0.0), None, 1),
        ("charger of 10^7", charger(CHARGER_1, 10_000_000, 100, 0.0), None, 1),
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
            b.iter(|| run::sample(&engine, &problem, options, &Stop::default(), &mut |_| true).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, trajectories);
criterion_main!(benches);
