//! How often intervals hold the truth, and what they are where there is too little or nothing to tell.

use super::*;
use crate::density::{BlockShape, GROUPS};
use crate::estimate::functional;
use crate::estimate::random::Random;
use crate::problem::{Kind, Quantity};
use statrs::distribution::{Binomial, DiscreteCDF};

const Z95: f64 = crate::estimate::columns::Z95;
const OMEGA: f64 = 1.3;

/// The function of the state behind a quantity.
fn sampled(problem: &Problem, quantity: &Quantity, densities: &[&Density]) -> Result<Vec<Bounded>, RunError> {
    let (what, of) = quantity.nonlinear().unwrap();
    let at = |row: usize| Cow::Borrowed(densities[row]);
    let states = States { rows: densities.len(), at: &at, share: 1.0, certain: &|_| false };
    let found = super::sampled(problem, what, of, &states, &Rows::default())?;
    Ok(found.into_iter().map(|(found, _)| found).collect())
}

/// A pure state in a block, or of each of several cells.
type Pure = Vec<(Label, Vec<Complex64>)>;

/// Pure states with their probabilities; the trajectories draw from them.
struct Ensemble {
    name: &'static str,
    problem: Problem,
    states: Vec<(f64, Pure)>,
}

fn record(density: &mut Density, group: usize, weight: f64, pure: &Pure) {
    for (label, v) in pure {
        let sum = density.block(label, || shape(label, v.len())).group_mut(group);
        sum.add(v.len(), weight, v.iter().copied().enumerate());
    }
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
    fn draw(&self, random: &mut Random) -> &Pure {
        let mut share = random.uniform();
        let found = self.states.iter().find(|(p, _)| {
            share -= p;
            share < 0.0
        });
        &found.unwrap_or(&self.states[0]).1
    }

    /// What `batches` batches of `size` trajectories each record; the last is half as large.
    fn sample(&self, random: &mut Random, batches: usize, size: usize) -> Density {
        let mut density = Density::default();
        for batch in 0..batches {
            for _ in 0..if batch + 1 == batches { size / 2 } else { size } {
                density.count(batch % GROUPS, 1.0);
                record(&mut density, batch % GROUPS, 1.0, self.draw(random));
            }
        }
        density
    }

    fn truth(&self, quantity: &Quantity) -> f64 {
        let mut density = Density::default();
        density.count(0, 1.0);
        self.states.iter().for_each(|(p, pure)| record(&mut density, 0, *p, pure));
        let (what, of) = quantity.nonlinear().unwrap();
        functional::exact(&self.problem, what, of, &state(&density, &|_| true).unwrap()).unwrap()
    }

    /// Of many runs of `batches` × `size` trajectories: coverage, mean width and root mean square error.
    fn intervals(&self, quantity: &Quantity, seeds: u64, batches: usize, size: usize) -> (u64, f64, f64) {
        let truth = self.truth(quantity);
        let (mut covered, mut width, mut square) = (0, 0.0, 0.0);
        for seed in 0..seeds {
            let density = self.sample(&mut Random::new(1000 + seed), batches, size);
            let found = sampled(&self.problem, quantity, &[&density]).unwrap()[0];
            let t = student(Z95, degrees(&density));
            let (lo, hi) = found.interval(t, quantity.range(&self.problem));
            covered += u64::from(lo - 1e-9 <= truth && truth <= hi + 1e-9);
            width += (hi - lo) / seeds as f64;
            square += (found.value - truth).powi(2) / seeds as f64;
        }
        (covered, width, square.sqrt())
    }

    /// The quantities of the joint state, or of cells.
    fn quantities(&self) -> Vec<Quantity> {
        match (&self.problem.subsystems[0].kind, self.states[0].1.len()) {
            (_, 2) => vec![Quantity::LocalErgotropy, Quantity::CellCoherence],
            (Kind::Network { .. }, _) => [&JOINT[..], &[Quantity::Coherence, Quantity::Concurrence]].concat(),
            _ => JOINT.to_vec(),
        }
    }
}

const JOINT: [Quantity; 6] = [
    Quantity::Ergotropy,
    Quantity::IncoherentErgotropy,
    Quantity::CoherentErgotropy,
    Quantity::AntiErgotropy,
    Quantity::Capacity,
    Quantity::Purity,
];

fn unit(d: usize, at: usize) -> Vec<Complex64> {
    (0..d).map(|i| Complex64::from(f64::from(u8::from(i == at)))).collect()
}

/// Generic, degenerate, rank-deficient, pure, and nearly or exactly separable states.
fn ensembles() -> Vec<Ensemble> {
    let mut random = Random::new(11);
    let half = Complex64::from(0.5f64.sqrt());
    let bell = |sign: f64| vec![half, Complex64::ZERO, Complex64::ZERO, half * sign];
    let product = |a: &[Complex64], b: &[Complex64]| (0..4).map(|i| a[i / 2] * b[i % 2]).collect::<Vec<_>>();
    let cells: Vec<[Vec<Complex64>; 2]> = (0..5).map(|_| [random.vector(2), random.vector(2)]).collect();
    let pair = |name, states: Vec<(f64, Vec<Complex64>)>| Ensemble {
        name,
        problem: problem(Kind::Network { cells: 2, edges: vec![(0, 1)] }),
        states: states.into_iter().map(|(p, v)| (p, vec![(vec![0], v)])).collect(),
    };
    let spins = |name, states: Vec<(f64, i64, Vec<Complex64>)>| Ensemble {
        name,
        problem: problem(Kind::Ensemble { cells: 4 }),
        states: states.into_iter().map(|(p, two_j, v)| (p, vec![(vec![two_j], v)])).collect(),
    };
    let single = |name, states: Vec<[Vec<Complex64>; 2]>| Ensemble {
        name,
        problem: problem(Kind::Network { cells: 2, edges: vec![(0, 1)] }),
        states: {
            let p = 1.0 / states.len() as f64;
            states.into_iter().map(|[a, b]| (p, vec![(vec![0, 0], a), (vec![0, 1], b)])).collect()
        },
    };
    let mut blocks = Vec::new();
    for (two_j, weight) in [(4, 0.3), (2, 0.5), (0, 0.2)] {
        (0..3).for_each(|_| blocks.push((weight / 3.0, two_j, random.vector(two_j as usize + 1))));
    }
    // Every block its share of the space: all 16 eigenvalues are the same.
    let mut level = Vec::new();
    for (two_j, copies) in [(4, 1.0), (2, 3.0), (0, 2.0)] {
        let d = two_j as usize + 1;
        (0..d).for_each(|k| level.push((copies / 16.0, two_j, unit(d, k))));
    }
    vec![
        pair("six random states", (1..=6).map(|k| (f64::from(k) / 21.0, random.vector(4))).collect()),
        pair("two random states", [0.75, 0.25].map(|p| (p, random.vector(4))).to_vec()),
        pair("products", cells[..3].iter().map(|[a, b]| (1.0 / 3.0, product(a, b))).collect()),
        pair("maximally mixed", (0..4).map(|k| (0.25, unit(4, k))).collect()),
        pair("two equal eigenvalues", vec![(0.5, unit(4, 0)), (0.5, unit(4, 3))]),
        pair("two Bell states, evenly", vec![(0.5, bell(1.0)), (0.5, bell(-1.0))]),
        pair("two Bell states, nearly evenly", vec![(0.52, bell(1.0)), (0.48, bell(-1.0))]),
        pair("one Bell state", vec![(1.0, bell(1.0))]),
        spins("four cells", blocks),
        spins("four cells, maximally mixed", level),
        single("single cells", cells),
        single("single cells, maximally mixed", vec![[unit(2, 0), unit(2, 1)], [unit(2, 1), unit(2, 0)]]),
    ]
}

/// At least 93 % are covered, as far as so many seeds can tell at three standard deviations, and intervals are at most
/// five times as wide as the errors ask for: a tenth of ω/√n where a value cannot err at all, and for a difference of
/// ergotropies, which may not err either, the errors of what it is the difference of.
fn assert_honest(e: &Ensemble, quantity: &Quantity, seeds: u64, batches: usize, size: usize) {
    let (covered, width, error) = e.intervals(quantity, seeds, batches, size);
    let what = format!("{}, {quantity:?}, {batches} batches of {size}", e.name);
    println!("{what}: {covered} of {seeds} covered, width {width:.5}, error {error:.5}");
    let chance = Binomial::new(0.93, seeds).unwrap().cdf(covered);
    assert!(chance > 1.35e-3, "{what}: {covered} of {seeds} covered");
    let parts = match quantity {
        Quantity::CoherentErgotropy => e.intervals(&Quantity::Ergotropy, seeds, batches, size).2,
        _ => 0.0,
    };
    let scale = error.max(parts).max(0.1 * OMEGA / ((batches * size) as f64).sqrt());
    assert!(width <= 5.0 * 2.0 * Z95 * scale, "{what}: width {width}, error {error}");
}

#[test]
fn intervals_cover() {
    for e in ensembles() {
        e.quantities().iter().for_each(|q| assert_honest(&e, q, 300, 64, 32));
    }
}

/// Groups of unequal size, few of them, and small ones.
#[test]
#[ignore = "statistical tier: cargo test --release --lib -- --ignored intervals_cover"]
fn intervals_cover_with_any_groups() {
    for (batches, size) in [(64, 32), (6, 200), (45, 50), (1000, 8)] {
        for e in ensembles() {
            e.quantities().iter().for_each(|q| assert_honest(&e, q, 2000, batches, size));
        }
    }
}

/// The worst place for a concurrence or a purity: as far from its kink or its minimum as the noise is large.
#[test]
fn intervals_cover_near_kinks() {
    for tilt in [0.0, 0.005, 0.01, 0.02, 0.03, 0.05] {
        let mut e = ensembles().swap_remove(6);
        e.states[0].0 = 0.5 + tilt;
        e.states[1].0 = 0.5 - tilt;
        let mut separable = ensembles().swap_remove(6);
        // ¼ + the same: just not entangled.
        separable.states = (0..4).map(|k| (0.25, vec![(vec![0], unit(4, k))])).collect();
        e.states.iter_mut().for_each(|(p, _)| *p *= 0.5 + tilt);
        separable.states.iter_mut().for_each(|(p, _)| *p *= 0.5 - tilt);
        e.states.extend(separable.states);
        for q in [Quantity::Concurrence, Quantity::Purity, Quantity::Ergotropy, Quantity::Coherence] {
            assert_honest(&e, &q, 300, 64, 32);
        }
    }
}

/// Where the sampled state is passive and the true one not quite, the plug-in is 0 without any scatter.
#[test]
fn intervals_cover_little_ergotropy() {
    for tilt in [0.0, 0.002, 0.005, 0.01, 0.02] {
        let mut e = ensembles().swap_remove(3);
        for ((p, _), exact) in e.states.iter_mut().zip([0.3 - tilt, 0.3 + tilt, 0.25, 0.15]) {
            *p = exact;
        }
        assert!((e.truth(&Quantity::Ergotropy) - 2.0 * tilt * OMEGA).abs() < 1e-12);
        for q in [Quantity::Ergotropy, Quantity::IncoherentErgotropy, Quantity::Capacity] {
            assert_honest(&e, &q, 300, 64, 32);
        }
    }
}

#[test]
fn too_few_groups_bound_nothing() {
    let e = &ensembles()[0];
    for q in e.quantities() {
        let one = e.sample(&mut Random::new(1), 1, 200);
        let found = sampled(&e.problem, &q, &[&one]).unwrap()[0];
        let (lo, hi) = found.interval(student(Z95, degrees(&one)), q.range(&e.problem));
        assert!(found.value.is_finite(), "{q:?}");
        assert!(found.se.is_nan() && lo.is_nan() && hi.is_nan(), "{q:?}: {lo} to {hi}");
        let nothing = sampled(&e.problem, &q, &[&Density::default()]).unwrap()[0];
        assert!(nothing.value.is_nan() && nothing.above.0.is_nan());
    }
    // Of two groups, with one degree of freedom, Student's t is 12.7.
    let two = e.sample(&mut Random::new(1), 2, 200);
    assert!((student(Z95, degrees(&two)) - 12.706).abs() < 1e-3);
}

/// No jump at all: there is no error, and every bound is the value.
#[test]
fn groups_that_agree_have_no_error() {
    let e = &ensembles()[7];
    let density = e.sample(&mut Random::new(1), 40, 10);
    for q in e.quantities() {
        let found = sampled(&e.problem, &q, &[&density]).unwrap()[0];
        let truth = e.truth(&q);
        for x in [found.value, found.below.0, found.above.0] {
            assert!((x - truth).abs() < 1e-8, "{q:?}: {x}, expected {truth}");
        }
        assert!(found.se < 1e-8 && !found.undersampled, "{q:?}: {found:?}");
    }
}

#[test]
fn an_unresolved_order_is_flagged() {
    let all = ensembles();
    let flagged = |e: &Ensemble| {
        let density = e.sample(&mut Random::new(3), 64, 32);
        sampled(&e.problem, &Quantity::Ergotropy, &[&density]).unwrap()[0].undersampled
    };
    assert!(flagged(&all[9]));
    assert!(!flagged(&all[0]));
}

#[test]
fn the_symmetric_ergotropy_is_refused_once_spins_have_left() {
    let e = &ensembles()[8];
    let density = e.sample(&mut Random::new(3), 40, 10);
    assert!(matches!(sampled(&e.problem, &Quantity::SymmetricErgotropy, &[&density]), Err(RunError::Request(_))));
}

/// Batches merged in another order, and groups called by other numbers of the same parity, change nothing but rounding.
#[test]
fn the_order_of_merging_does_not_matter() {
    let e = &ensembles()[8];
    let batch = |k: usize| {
        let mut random = Random::new(50 + k as u64);
        let mut density = Density::default();
        for _ in 0..5 + k {
            density.count(k % GROUPS, 1.0);
            record(&mut density, k % GROUPS, 1.0, e.draw(&mut random));
        }
        density
    };
    let merged = |order: &mut dyn Iterator<Item = usize>| {
        let mut all = Density::default();
        order.for_each(|k| all.merge(batch(k)));
        all
    };
    let (forward, backward) = (merged(&mut (0..80)), merged(&mut (0..80).rev()));
    assert_eq!(forward.weights, backward.weights);
    assert_eq!(forward.weights.iter().sum::<f64>(), (0..80).map(|k| 5.0 + f64::from(k)).sum::<f64>());
    for q in e.quantities() {
        let [a, b] = sampled(&e.problem, &q, &[&forward, &backward]).unwrap()[..] else { panic!("one for each row") };
        for (a, b) in [(a.value, b.value), (a.se, b.se), (a.below.0, b.below.0), (a.above.0, b.above.0)] {
            assert!((a - b).abs() < 1e-12, "{q:?}: {a} and {b}");
        }
    }
}

/// The variance of a weighted mean of values of variance 1/w is 1/Σw, and that is what is estimated.
#[test]
fn the_error_of_a_weighted_mean_is_unbiased() {
    const TRIALS: u32 = 40_000;
    let weights = [1.0, 1.0, 2.0, 3.0, 0.5, 8.0];
    let mut random = Random::new(9);
    let mut normal =
        || (-2.0 * (1.0 - random.uniform()).ln()).sqrt() * (std::f64::consts::TAU * random.uniform()).cos();
    let total: f64 = weights.iter().sum();
    let mut estimated = 0.0;
    for _ in 0..TRIALS {
        let values: Vec<(f64, f64)> = weights.iter().map(|w: &f64| (normal() / w.sqrt(), *w)).collect();
        estimated += mean(&values).1.powi(2) / f64::from(TRIALS);
    }
    assert!((estimated * total - 1.0).abs() < 0.03, "{}", estimated * total);
}

#[test]
fn student_and_normal_are_inverse() {
    for degrees in [1.0, 3.7, 30.0, f64::INFINITY] {
        for z in [0.5, 1.96, 4.0] {
            let back = normal_equivalent(student(z, degrees), degrees);
            assert!((back - z).abs() < 1e-6, "{degrees} {z}: {back}");
        }
    }
    assert!((student(Z95, 30.0) - 2.042_272).abs() < 1e-5);
}

/// The two sides mixed 2 : 1; where the halves' errors are not independent the one from below is larger by √2.
#[test]
fn the_sides_are_combined_by_their_gap() {
    let found = combined((1.0, 0.1), (0.5, 0.2));
    assert!((found.below.0 - 0.5).abs() < 1e-15 && (found.below.1 - 0.2 * 2f64.sqrt()).abs() < 1e-15, "{found:?}");
    assert!((found.value - (1.0 - 0.5 / 3.0)).abs() < 1e-15 && found.above == (1.0, 0.1) && found.undersampled);
    // Half an error apart they share half of it, and not at all where they agree.
    let near = combined((1.0, 0.1), (0.9, 0.2));
    assert!((near.below.1 - 0.2 * 1.5f64.sqrt()).abs() < 1e-15 && !near.undersampled, "{near:?}");
    assert_eq!(combined((1.0, 0.1), (1.0, 0.2)).below, (1.0, 0.2));
}

/// An excited cell that has decayed with a small probability, W = 1 − 2p: from runs that saw no decay to such that saw
/// hundreds.
#[test]
fn intervals_cover_rare_events() {
    const SEEDS: u64 = 300;
    let cell = |p: f64| Ensemble {
        name: "a cell that hardly decays",
        problem: problem(Kind::Network { cells: 1, edges: vec![] }),
        states: vec![(1.0 - p, vec![(vec![0], unit(2, 1))]), (p, vec![(vec![0], unit(2, 0))])],
    };
    for events in [0.01, 0.3, 1.0, 2.0, 3.5, 8.0, 20.0, 100.0] {
        let n = 79 * 64 - 32;
        let e = cell(events / f64::from(n));
        for quantity in [Quantity::Ergotropy, Quantity::Purity, Quantity::AntiErgotropy] {
            let truth = e.truth(&quantity);
            let range = quantity.range(&e.problem);
            let mut covered = 0;
            for seed in 0..SEEDS {
                let density = e.sample(&mut Random::new(7000 + seed), 79, 64);
                let found = sampled(&e.problem, &quantity, &[&density]).unwrap()[0].widened(
                    range,
                    2.0 * (range.1 - range.0),
                    f64::from(n),
                );
                let (lo, hi) = found.interval(student(Z95, degrees(&density)), range);
                covered += u64::from(lo - 1e-9 <= truth && truth <= hi + 1e-9);
                // Nothing else is claimed than what one unseen event in a few thousand trajectories may change.
                assert!(hi - lo < 100.0 * (1.0 + events) / f64::from(n), "{events} {quantity:?}: {lo} to {hi}");
            }
            println!("{events} events, {quantity:?}: {covered} of {SEEDS} covered");
            let chance = Binomial::new(0.95, SEEDS).unwrap().cdf(covered);
            assert!(chance > 1e-3, "{events} events, {quantity:?}: {covered} of {SEEDS} covered");
        }
    }
}
