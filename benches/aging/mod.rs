//! The aging protocol of `examples/aging.toml` at any N, rows at step ends, and the quantities linear in the state.

use leyden::problem::{Axis, ChannelId, Problem, Quantity, sm};
use std::f64::consts::PI;

/// Collective release rate Γ, where the loss of each cell is 1.
pub const RELEASE: f64 = 1600.0;
/// Duration of storage and of discharge.
pub const STEP: f64 = 0.0187;
/// Number of cycles.
pub const CYCLES: u64 = 30;
/// Rows after the start of each timed step: one, at its end.
pub const SAMPLES: usize = 1;

/// The protocol with `cells` cells.
pub fn problem(cells: u64) -> Problem {
    let mut p = Problem::builder("aging");
    let b = p.ensemble("B", cells, 1.0);
    p.each("loss", b, sm(b), 1.0);
    p.collective("release", sm(b), RELEASE).only(["discharge"]);
    p.rotate(b, Axis::X, PI).evolve("storage", STEP, SAMPLES).evolve("discharge", STEP, SAMPLES).repeat(CYCLES);
    p.observe([
        Quantity::Magnetisation(b),
        Quantity::SpinLength(b),
        Quantity::Energy,
        Quantity::Released(None),
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
    ]);
    p.build().expect("the protocol is consistent")
}
