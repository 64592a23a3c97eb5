//! Cost of a jump on the ladder, random numbers and recording of rows included, beside a plain Gillespie loop.

mod aging;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use leyden::problem::Problem;
use leyden::run::{Outcome, RunOptions, sample};
use leyden::space::ladder::Ladder;
use leyden::stop::Stop;
use leyden::unravel::ladder_jump::LadderJump;
use leyden::unravel::stream::Stream;
use std::hint::black_box;
use std::time::Duration;

/// N and the trajectories that take a few tenths of a second.
const SIZES: [(u64, u64); 3] = [(140, 10_000), (10_000, 200), (1_000_000, 1)];

fn trajectories(engine: &LadderJump, problem: &Problem, trajectories: u64, shots: bool) -> Outcome {
    let options = RunOptions { trajectories, seed: 1, threads: 1, shots, covariance: false, states: false };
    sample(engine, problem, options, &Stop::default(), &mut |_| true).unwrap()
}

fn jumps(engine: &LadderJump, problem: &Problem, n: u64) -> u64 {
    trajectories(engine, problem, n, true).shots.map_or(0, |shots| shots.jumps.iter().sum())
}

fn ladder(c: &mut Criterion) {
    let mut group = c.benchmark_group("ladder");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(8));
    for (cells, n) in SIZES {
        let problem = aging::problem(cells);
        let engine = LadderJump::new(Ladder::compile(&problem).expect("the protocol stays on the ladder"));
        let made = jumps(&engine, &problem, n);
        group.throughput(Throughput::Elements(made));
        group.bench_function(format!("N={cells}"), |b| b.iter(|| trajectories(&engine, &problem, n, false)));
        if cells == 140 {
            let plain = Plain::run(cells, n).jumps;
            let ratio = plain as f64 / made as f64;
            assert!((ratio - 1.0).abs() < 0.01, "the plain loop makes {ratio} times as many jumps");
            group.throughput(Throughput::Elements(plain));
            group.bench_function("N=140 plain loop", |b| b.iter(|| Plain::run(black_box(cells), n)));
        }
    }
    group.finish();
}

/// What one would write first: a logarithm for each waiting time, a second number for the channel, every rate from
/// its closed form in J and M, and sums of each recorded value and of its square.
struct Plain {
    jumps: u64,
    /// Sums of value and value² of the six linear averages at each row.
    sums: Vec<[f64; 12]>,
}

impl Plain {
    fn run(cells: u64, n: u64) -> Self {
        let rows = aging::CYCLES as usize * 2 * (aging::SAMPLES + 1);
        let mut plain = Self { jumps: 0, sums: vec![[0.0; 12]; rows] };
        (0..n).for_each(|trajectory| plain.trajectory(cells as f64, trajectory));
        black_box(&plain.sums);
        plain
    }

    fn trajectory(&mut self, cells: f64, trajectory: u64) {
        let mut rng = Stream::new(1, trajectory);
        let (mut j, mut m) = (cells / 2.0, -cells / 2.0);
        let mut row = 0;
        for _ in 0..aging::CYCLES {
            m = -m;
            for release in [0.0, aging::RELEASE] {
                let mut counts = [0_u64; 2];
                let mut time = 0.0;
                for sample in 0..=aging::SAMPLES {
                    let until = aging::STEP * sample as f64 / aging::SAMPLES as f64;
                    loop {
                        let [shorter, same, longer] = loss(cells, j, m);
                        let collective = release * (j + m) * (j - m + 1.0);
                        let rate = shorter + same + longer + collective;
                        let wait = -(1.0 - rng.uniform()).ln() / rate;
                        if time + wait > until || rate <= 0.0 {
                            break;
                        }
                        time += wait;
                        let share = rng.uniform() * rate;
                        m -= 1.0;
                        if share < collective {
                            counts[1] += 1;
                            continue;
                        }
                        counts[0] += 1;
                        if share < collective + shorter {
                            j -= 1.0;
                        } else if share >= collective + shorter + same {
                            j += 1.0;
                        }
                    }
                    time = until;
                    let [lost, released] = counts.map(|count| count as f64);
                    let values = [cells / 2.0 + m, m, j * (j + 1.0), released, lost, released];
                    for (sums, value) in self.sums[row].chunks_exact_mut(2).zip(values) {
                        sums[0] += value;
                        sums[1] += value * value;
                    }
                    row += 1;
                }
                self.jumps += counts[0] + counts[1];
            }
        }
    }
}

/// Rates of the loss of one of N cells to J−1, J and J+1.
fn loss(cells: f64, j: f64, m: f64) -> [f64; 3] {
    let half = cells / 2.0;
    let longer = (half - j) / (2.0 * (j + 1.0) * (2.0 * j + 1.0)) * (j - m + 1.0) * (j - m + 2.0);
    if j == 0.0 {
        return [0.0, 0.0, longer];
    }
    let shorter = (half + j + 1.0) / (2.0 * j * (2.0 * j + 1.0)) * (j + m) * (j + m - 1.0);
    let same = (half + 1.0) / (2.0 * j * (j + 1.0)) * (j + m) * (j - m + 1.0);
    [shorter, same, longer]
}

criterion_group!(benches, ladder);
criterion_main!(benches);
