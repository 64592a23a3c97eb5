//! Whether the rates of a problem are numbers that can be computed with.

use super::{Channel, Factor, Kind, Op, Problem, Protocol, Reach, Step};
use crate::error::ModelError;

/// Most jumps of a channel in a step: their square must still be a number.
const MOST_JUMPS: f64 = 1e150;

/// Refuse a channel whose jumps in one timed step are beyond what a double precision number holds, whatever the state.
pub(super) fn check(problem: &Problem, channel: &Channel) -> Result<(), ModelError> {
    let term = |factors: &[Factor]| factors.iter().map(|factor| size(problem, factor, &channel.reach)).product::<f64>();
    let size: f64 = channel.operator.terms.iter().map(|t| t.coefficient.norm() * term(&t.factors)).sum();
    let channels = match &channel.reach {
        Reach::Collective => 1.0,
        Reach::Each(e) => problem.subsystems[*e].cells() as f64,
        Reach::Correlated { rates, .. } => rates.matrix.iter().flatten().map(|rate| rate.abs()).sum(),
    };
    let most = channel.rate * size * size * channels * longest(&problem.protocol);
    if most <= MOST_JUMPS {
        return Ok(());
    }
    Err(ModelError::OutOfRange {
        what: format!("the rate of channel {}", channel.name),
        value: channel.rate,
        expected: "a rate that makes at most 1e150 jumps in a step",
    })
}

/// An upper bound to the norm of an operator.
fn size(problem: &Problem, factor: &Factor, reach: &Reach) -> f64 {
    let part = &problem.subsystems[factor.subsystem];
    let cells = if factor.site.is_some() || reach.cells_of().is_some() { 1.0 } else { part.cells() as f64 };
    match (factor.op, &part.kind) {
        (Op::Annihilate | Op::Create, Kind::Mode { cutoff }) => (*cutoff as f64).sqrt(),
        (Op::Number, Kind::Mode { cutoff }) => *cutoff as f64,
        _ => cells,
    }
}

fn longest(protocol: &Protocol) -> f64 {
    let durations = protocol.steps.iter().filter_map(|step| match step {
        Step::Evolve { duration, .. } => Some(*duration),
        Step::Rotate { .. } | Step::Reset { .. } => None,
    });
    durations.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use crate::problem::{Problem, Quantity, sm};

    /// The error of N cells under a collective decay over a step of 0.01.
    fn refusal(rate: f64) -> Option<String> {
        let mut builder = Problem::builder("strong");
        let b = builder.ensemble("B", 10, 1.0);
        builder.collective("release", sm(b), rate).evolve("wait", 0.01, 1).observe([Quantity::Energy]);
        builder.build().err().map(|error| error.to_string())
    }

    #[test]
    fn a_rate_that_overflows_is_refused_by_name() {
        for rate in [1e308, 1e200, 2e150] {
            let reason = refusal(rate).unwrap();
            assert!(reason.contains("the rate of channel release") && reason.contains("1e150 jumps"), "{reason}");
        }
        assert_eq!(refusal(1e149), None);
    }
}
