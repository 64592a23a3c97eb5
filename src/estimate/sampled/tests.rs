use super::*;
use crate::density::{BlockShape, GROUPS};
use crate::estimate::functional::exact;
use crate::estimate::random::Random;
use crate::problem::Kind;
use statrs::distribution::{Binomial, DiscreteCDF};

const Z95: f64 = crate::estimate::columns::Z95;
const OMEGA: f64 = 1.3;

/// Pure states with their probabilities, each in a block; the trajectories draw from them.
struct Ensemble {
    name: &'static str,
    problem: Problem,
    states: Vec<(f64, Label, Vec<Complex64>)>,
}

fn shape(label: &Label, d: usize) -> BlockShape {
    match (label.len(), d) {
        // 2J of four cells
        (1, d) if label[0] != 0 || d == 1 => {
            let pairs = (4 - label[0] as u64) / 2;
            let energies = (0..d as u64).map(|up| OMEGA * (pairs + up) as f64).collect();
            BlockShape { ln_copies: crate::battery::ln_multiplicity(4, pairs), energies }
        }
        // Cells of a network in their product basis.
        _ => {
            let energies = (0..d).map(|i| OMEGA * f64::from(i.count_ones())).collect();
            BlockShape { ln_copies: 0.0, energies }
        }
    }
}

fn problem(kind: Kind) -> Problem {
    let mut p = Problem::builder("state");
    p.subsystem("B", kind, OMEGA);
    p.evolve("wait", 1.0, 1).observe([Quantity::Energy]);
    p.build().unwrap()
}

impl Ensemble {
    fn draw<'a>(&'a self, random: &mut Random) -> &'a (f64, Label, Vec<Complex64>) {
        let mut share = random.uniform();
        let found = self.states.iter().find(|(p, ..)| {
            share -= p;
            share < 0.0
        });
        found.unwrap_or(&self.states[0])
    }

    /// What `batches` batches of `size` trajectories each record; the last is half as large.
    fn sample(&self, random: &mut Random, batches: usize, size: usize) -> Density {
        let mut density = Density::default();
        for batch in 0..batches {
            let group = batch % GROUPS;
            for _ in 0..if batch + 1 == batches { size / 2 } else { size } {
                let (_, label, v) = self.draw(random);
                density.count(group, 1.0);
                let sums = density.block(label, || shape(label, v.len())).group_mut(group);
                for (i, a) in v.iter().enumerate() {
                    v.iter().enumerate().for_each(|(j, b)| sums[i * v.len() + j] += a * b.conj());
                }
            }
        }
        density
    }

    fn truth(&self, quantity: &Quantity) -> f64 {
        let mut density = Density::default();
        density.count(0, 1.0);
        for (p, label, v) in &self.states {
            let sums = density.block(label, || shape(label, v.len())).group_mut(0);
            for (i, a) in v.iter().enumerate() {
                v.iter().enumerate().for_each(|(j, b)| sums[i * v.len() + j] += a * b.conj() * *p);
            }
        }
        exact(&self.problem, quantity, &state(&density, &|_| true).unwrap()).unwrap()
    }
}

fn unit(d: usize, at: usize) -> Vec<Complex64> {
    (0..d).map(|i| Complex64::from(f64::from(u8::from(i == at)))).collect()
}

/// Generic, degenerate, rank-deficient, pure, and nearly or exactly separable states.
fn ensembles() -> Vec<Ensemble> {
    let mut random = Random::new(11);
    let pair = || problem(Kind::Network { cells: 2, edges: vec![(0, 1)] });
    let edge = || vec![0];
    let half = Complex64::from(0.5f64.sqrt());
    let bell = vec![half, Complex64::ZERO, Complex64::ZERO, half];
    let other = vec![half, Complex64::ZERO, Complex64::ZERO, -half];
    let generic = (0..6).map(|k| ((k + 1) as f64 / 21.0, edge(), random.vector(4))).collect();
    let two = [0.75, 0.25].map(|p| (p, edge(), random.vector(4))).to_vec();
    let product = |a: [Complex64; 2], b: [Complex64; 2]| (0..4).map(|i| a[i / 2] * b[i % 2]).collect::<Vec<_>>();
    let mut cell = || {
        [0, 1].map({
            let v = random.vector(2);
            move |i| v[i]
        })
    };
    let separable = (0..3).map(|_| (1.0 / 3.0, edge(), product(cell(), cell()))).collect();
    let mixed = (0..4).map(|k| (0.25, edge(), unit(4, k))).collect();
    let twofold = vec![(0.5, edge(), unit(4, 0)), (0.5, edge(), unit(4, 3))];
    let balanced = vec![(0.5, edge(), bell.clone()), (0.5, edge(), other.clone())];
    let faint = vec![(0.52, edge(), bell.clone()), (0.48, edge(), other)];
    let lone = vec![(1.0, edge(), bell)];
    let mut blocks = Vec::new();
    for (two_j, weight) in [(4i64, 0.3), (2, 0.5), (0, 0.2)] {
        for _ in 0..3 {
            blocks.push((weight / 3.0, vec![two_j], random.vector(two_j as usize + 1)));
        }
    }
    // Every block its share of the space: all 16 eigenvalues are the same.
    let mut level = Vec::new();
    for (two_j, copies) in [(4i64, 1.0), (2, 3.0), (0, 2.0)] {
        let d = two_j as usize + 1;
        (0..d).for_each(|k| level.push((copies / 16.0, vec![two_j], unit(d, k))));
    }
    let spins = || problem(Kind::Ensemble { cells: 4 });
    let made = |name, problem, states| Ensemble { name, problem, states };
    vec![
        made("six random states", pair(), generic),
        made("two random states", pair(), two),
        made("products", pair(), separable),
        made("maximally mixed", pair(), mixed),
        made("two equal eigenvalues", pair(), twofold),
        made("two Bell states, evenly", pair(), balanced),
        made("two Bell states, nearly evenly", pair(), faint),
        made("one Bell state", pair(), lone),
        made("four cells", spins(), blocks),
        made("four cells, maximally mixed", spins(), level),
    ]
}

#[test]
fn measure() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1000);
    for e in ensembles() {
        let mut quantities = vec![
            Quantity::Ergotropy,
            Quantity::IncoherentErgotropy,
            Quantity::CoherentErgotropy,
            Quantity::AntiErgotropy,
            Quantity::Capacity,
            Quantity::Purity,
        ];
        if matches!(e.problem.subsystems[0].kind, Kind::Network { .. }) {
            quantities.extend([Quantity::Coherence, Quantity::Concurrence]);
        }
        for q in quantities {
            let truth = e.truth(&q);
            for (batches, size) in [(64, 32), (6, 200), (1000, 8)] {
                let (mut hit, mut width, mut square, mut off, mut low, mut high, mut spread) =
                    (0, 0.0, 0.0, 0.0, 0, 0, 0.0);
                for seed in 0..seeds {
                    let density = e.sample(&mut Random::new(1000 + seed), batches, size);
                    let b = sampled(&e.problem, &q, &[&density]).unwrap()[0];
                    let t = student(Z95, degrees(&density));
                    let (lo, hi) = if q.is_negative() { b.unclipped(t) } else { b.interval(t) };
                    hit += u64::from(lo - 1e-9 <= truth && truth <= hi + 1e-9);
                    low += u64::from(lo - 1e-9 > truth);
                    high += u64::from(hi + 1e-9 < truth);
                    width += (hi - lo) / seeds as f64;
                    off += (b.value - truth) / seeds as f64;
                    square += (b.value - truth).powi(2) / seeds as f64;
                    spread += b.se / seeds as f64;
                }
                println!(
                    "MM {:32} {:22} {batches:4}x{size:3} truth {truth:8.4} cover {:.3} (miss lo {low} hi {high}) width/(2*1.96 rmse) {:7.3} off/rmse {:+.2} rmse {:.4} se {:.4}",
                    e.name,
                    format!("{q:?}"),
                    hit as f64 / seeds as f64,
                    width / (2.0 * 1.96 * square.sqrt()),
                    off / square.sqrt(),
                    square.sqrt(),
                    spread
                );
            }
        }
    }
}
