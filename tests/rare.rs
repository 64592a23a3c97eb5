//! Rare single shots by splitting, against exact tails and exact counting statistics.

mod common;

use common::{numbers, reference};
use leyden::problem::{Beyond, Distribution, Event, Initial, Problem, Quantity, sm};
use leyden::rare::Found;
use leyden::{Rare, rare};
use std::time::Instant;

/// The superradiant decay of the reference: N = 20, Γ = 1 and γ = 0.3, until `time`.
fn superradiance(time: f64) -> Problem {
    let mut p = Problem::builder("superradiance");
    let b = p.ensemble("B", 20, 1.0);
    p.collective("burst", sm(b), 1.0).each("loss", b, sm(b), 0.3).initial(b, Initial::Excited);
    p.evolve("decay", time, 1).observe([Quantity::Energy]).build().unwrap()
}

/// Its exact tail at one of the times of the reference.
fn tail(side: Beyond, k: u64, time: usize) -> f64 {
    let name = if side == Beyond::Below { format!("le_{k}") } else { format!("ge_{k}") };
    numbers(&reference("L_tails_N20")["observables"][name])[time]
}

/// At most k cells are excited, or at least k.
fn energy(side: Beyond, k: u64) -> Event {
    let level = if side == Beyond::Below { k as f64 + 1.0 } else { k as f64 };
    Event { of: Distribution::Conditional(Quantity::Energy), side, level }
}

fn one(problem: &Problem, event: Event, seed: u64) -> Found {
    let how = Rare { events: vec![event], seed, ..Rare::default() };
    rare(problem, &how).unwrap().events.remove(0)
}

#[test]
#[ignore = "prints what it measures"]
fn measured() {
    let only: Option<usize> = std::env::var("ONLY").ok().and_then(|x| x.parse().ok());
    for (time, t) in
        [(0, 0.02), (1, 0.05), (2, 0.2), (3, 1.0)].into_iter().filter(|(k, _)| only.is_none_or(|o| o == *k))
    {
        let problem = superradiance(t);
        for (side, ks) in [(Beyond::Below, [0, 2, 5, 8, 12]), (Beyond::Above, [4, 8, 12, 16, 20])] {
            for k in ks.into_iter().filter(|k| only.is_none() || tail(side, *k, time) < 1e-2) {
                let exact = tail(side, k, time);
                let start = Instant::now();
                let found = one(&problem, energy(side, k), 1);
                println!(
                    "t {t} {} {k}: exact {exact:.3e} found {:.3e} z {:+.2} rel {:.3} R {} M {} all {:.1e} in [{:.2},{:.2}] {:.2} s {:?}",
                    side.word(),
                    found.probability,
                    (found.probability / exact - 1.0) / found.relative_error,
                    found.relative_error,
                    found.populations,
                    found.size,
                    found.trajectories as f64,
                    found.interval.0 / exact,
                    found.interval.1 / exact,
                    start.elapsed().as_secs_f64(),
                    found.doubt
                );
            }
        }
    }
}
