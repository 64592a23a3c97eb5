//! Every exact solver ends soon after it is told to, and refuses what it would not hold.

use super::theory::Theory;
use super::*;
use crate::problem::{Axis, Initial, Kind, ProblemBuilder, Quantity, SubsystemId, sm, sp, sx};
use crate::space::choose::Representation;
use std::f64::consts::PI;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

const B: SubsystemId = SubsystemId::new(0);

/// `solve` takes far longer than the fifth of a second after which it is told to stop.
fn ends_soon(solve: impl FnOnce(&Stop) -> Result<Table, RunError>) {
    let stop = Stop::default();
    let flag = stop.clone();
    let raiser = spawn(move || {
        sleep(Duration::from_millis(200));
        flag.request();
        Instant::now()
    });
    let result = solve(&stop);
    let ended = Instant::now();
    let raised = raiser.join().unwrap();
    assert!(matches!(result, Err(RunError::Interrupted)), "{result:?}");
    let late = ended.saturating_duration_since(raised);
    assert!(late < Duration::from_secs(2), "it took {late:?} to stop");
}

/// One ensemble under local and collective decay.
fn ensemble(cells: u64) -> ProblemBuilder {
    let mut builder = Problem::builder("long");
    let b = builder.ensemble("B", cells, 1.0);
    builder.initial(b, Initial::Excited).each("loss", b, sm(b), 1.0).collective("release", sm(b), 10.0);
    builder.observe([Quantity::Energy]);
    builder
}

#[test]
fn the_rate_equation_stops() {
    let mut builder = ensemble(400);
    let rows = (0..40).map(|i| if i == 0 { 0.0 } else { 1e-3 * 1.3f64.powi(i) }).collect::<Vec<f64>>();
    builder.evolve_rows("long", rows[39], rows);
    let problem = builder.build().unwrap();
    ends_soon(|stop| solve(&problem, None, stop));
}

#[test]
fn blocks_stop() {
    let mut builder = ensemble(30);
    builder.hamiltonian(sx(B) * 5.0).evolve("long", 2e3, 1);
    let problem = builder.build().unwrap();
    ends_soon(|stop| solve(&problem, None, stop));
}

#[test]
fn limit_cycles_stop() {
    let mut builder = ensemble(30);
    builder.hamiltonian(sx(B) * 5.0).rotate(B, Axis::X, 1.0).evolve("long", 1e3, 1).repeat(2);
    let problem = builder.build().unwrap();
    ends_soon(|stop| steady(&problem, None, stop));
}

#[test]
fn cumulants_stop() {
    let mut builder = ensemble(1000);
    builder.rotate(B, Axis::X, PI).evolve("long", 1.0, 1).repeat(1_000_000);
    let problem = builder.build().unwrap();
    ends_soon(|stop| Theory::of(&problem)?.stopped_by(stop).solve());
}

#[test]
fn spin_vectors_stop_within_a_row() {
    let mut builder = ensemble(1000);
    builder.hamiltonian(sx(B) * 1e7).evolve("long", 1.0, 1);
    let problem = builder.build().unwrap();
    ends_soon(|stop| Theory::of(&problem)?.stopped_by(stop).solve());
}

/// 16 closed cells are a vector of 1 MB, and a density matrix of 64 GB.
#[test]
fn a_density_matrix_larger_than_memory_is_refused() {
    let mut builder = Problem::builder("closed");
    let b = builder.subsystem("B", Kind::Network { cells: 16, edges: vec![(0, 1)] }, 1.0);
    builder.hamiltonian(sx(b)).evolve("run", 1.0, 1).observe([Quantity::Ergotropy]);
    let refused = solve(&builder.build().unwrap(), Some(Representation::Full), &Stop::default()).unwrap_err();
    assert!(matches!(&refused, RunError::TooLarge { needed, .. } if needed.contains("68.7 GB")), "{refused}");
}

/// The second of two cells decays at 1e-16 of the rate of the first: its energy would never leave it.
#[test]
fn a_channel_that_is_lost_in_rounding_is_refused() {
    let two = |rate: f64| {
        let mut builder = Problem::builder("two cells");
        let (a, b) = (builder.ensemble("A", 1, 1.0), builder.ensemble("B", 1, 1.0));
        builder.initial(a, Initial::Excited).initial(b, Initial::Excited).battery([b]);
        builder.collective("fast", sm(a), 1.0).collective("slow", sm(b), rate);
        builder.hamiltonian((sm(a) + sp(a)) * 0.3).hamiltonian((sm(b) + sp(b)) * 0.0);
        builder.evolve("run", 1.0, 1).observe([Quantity::Energy]);
        steady(&builder.build().unwrap(), None, &Stop::default())
    };
    for rate in [1e-15, 1e-16, 1e-20, 1e-40] {
        assert!(matches!(&two(rate), Err(RunError::Numerics { reason, .. }) if reason.contains("slow")), "{rate}");
    }
    assert!(two(1e-11).unwrap()["energy"].last().value.abs() < 1e-9);
    assert!((two(0.0).unwrap()["energy"].last().value - 1.0).abs() < 1e-9);
}
