//! What double precision and memory can hold, checked before anything is computed.

use super::envelope::LARGEST_PHASE;
use super::function::{Expression, Function};
use super::{Channel, ChannelId, Envelope, Factor, Kind, Op, OpSum, Pair, Problem, Reach, Step};
use crate::error::ModelError;

/// More cells than this lose exactness of J(J+1) in f64.
pub const MOST_CELLS: u64 = 50_000_000;

/// Rows that may be asked for; how many fit into memory depends on the number of columns too.
pub const MOST_ROWS: u64 = 10_000_000;

/// Memory that the rows of a result may take: accumulated sums on every thread, the table and the text of its file.
const MOST_ROW_BYTES: f64 = 2e9;
/// 10⁷ rows of one column took 7.4 GB, 3·10⁶ took 2.3 GB; what of it each further column takes is an estimate.
const BYTES_A_ROW: f64 = 300.0;
const BYTES_A_CELL: f64 = 450.0;

/// Largest energy: estimates of its variance take the fourth power.
const MOST_ENERGY: f64 = 1e75;
const MOST_ENERGY_EXPECTED: &str = "at most 1e75, of which the fourth power is still a number";

/// Most jumps of a channel in a step: their square must still be a number.
const MOST_JUMPS: f64 = 1e150;
const MOST_JUMPS_EXPECTED: &str = "a rate that makes at most 1e150 jumps in a step";

pub(super) fn range(what: String, value: f64, ok: bool, expected: &'static str) -> Result<(), ModelError> {
    if ok { Ok(()) } else { Err(ModelError::OutOfRange { what, value, expected }) }
}

impl Problem {
    /// A bound of the norm of an operator sum, with as many cells for each factor as it is summed over.
    pub(crate) fn norm_bound(&self, sum: &OpSum, single: bool) -> f64 {
        let size = |factor: &Factor| match (&self.subsystems[factor.subsystem].kind, factor.op) {
            (Kind::Mode { cutoff }, Op::Number) => *cutoff as f64,
            (Kind::Mode { cutoff }, _) => (*cutoff as f64).sqrt(),
            (Kind::Ensemble { cells }, _) if !single => *cells as f64,
            (Kind::Network { cells, .. }, _) if factor.site.is_none() && !single => *cells as f64,
            _ => 1.0,
        };
        sum.terms.iter().map(|t| t.coefficient.norm() * t.factors.iter().map(size).product::<f64>()).sum()
    }

    /// A bound of the rate at which a channel makes jumps, whatever the state.
    fn jump_rate_bound(&self, channel: &Channel) -> f64 {
        let norm = self.norm_bound(&channel.whole(), channel.reach.cells_of().is_some());
        let channels = match &channel.reach {
            Reach::Collective => 1.0,
            Reach::Each(subsystem) => self.subsystems[*subsystem].cells() as f64,
            Reach::Correlated { rates, .. } => rates.matrix.iter().flatten().map(|rate| rate.abs()).sum(),
        };
        channel.largest_rate() * norm * norm * channels
    }
}

/// Whether the energies of the battery's parts are numbers whose fourth moments can be computed with.
pub(super) fn check_energies(problem: &Problem) -> Result<(), ModelError> {
    if let Some(own) = &problem.battery_hamiltonian {
        let largest = problem.norm_bound(&own.operator, false);
        range("the largest energy of the battery".into(), largest, largest <= MOST_ENERGY, MOST_ENERGY_EXPECTED)?;
    }
    problem.subsystems.iter().try_for_each(|part| {
        let largest = match &part.kind {
            Kind::Ensemble { .. } | Kind::Network { .. } => part.unit().abs(),
            Kind::Mode { cutoff } => part.energy.abs() * *cutoff as f64,
            Kind::Levels { energies } => energies.iter().fold(0.0, |most, energy| energy.abs().max(most)),
        };
        let what = format!("the largest energy of {}", part.name);
        range(what, largest, largest <= MOST_ENERGY, MOST_ENERGY_EXPECTED)
    })
}

/// Whether the jumps of each channel in a step are a number that can be computed with.
pub(super) fn check_rates(problem: &Problem) -> Result<(), ModelError> {
    let longest = problem.protocol.longest_step();
    problem.channels.iter().filter(|channel| channel.envelope.is_none()).try_for_each(|channel| {
        let jumps = problem.jump_rate_bound(channel) * longest;
        let what = format!("the rate of channel {}", channel.name);
        range(what, channel.rate, jumps <= MOST_JUMPS, MOST_JUMPS_EXPECTED)
    })
}

/// Make drive `index` ready for the steps in which it is on, if double precision can follow it.
pub(super) fn prepare_drive(problem: &mut Problem, index: usize) -> Result<(), ModelError> {
    let Problem { drives, protocol, .. } = problem;
    let drive = &mut drives[index];
    let is_on = |step: &Step| matches!(step, Step::Evolve { driven, .. } if driven[index]);
    drive.envelope.compile(&format!("drive {}", drive.name), protocol.timed(is_on))?;
    for step in protocol.steps.iter().filter(|step| is_on(step)) {
        drive.envelope.check(&drive.name, step.duration())?;
    }
    Ok(())
}

/// The functions of a channel that changes with time.
fn pairs(channel: &Channel) -> Vec<Pair> {
    if !channel.changes() {
        return Vec::new();
    }
    let rate = channel.envelope.as_ref().map_or(Expression::Number(1.0), Envelope::expression);
    let mut parts = vec![Expression::Number(1.0)];
    parts.extend(channel.modulated.iter().map(|(f, _)| f.expression()));
    let all = (0..parts.len()).flat_map(|j| (j..parts.len()).map(move |k| (j, k)));
    let envelope = |(j, k): (usize, usize)| {
        Envelope::Function(Function::new(&rate.clone().times(parts[j].clone()).times(parts[k].clone())))
    };
    all.map(|of| Pair { of, envelope: envelope(of) }).collect()
}

/// Make the rate of channel `index` ready for the steps in which it is on.
pub(super) fn prepare_rate(problem: &mut Problem, index: ChannelId) -> Result<(), ModelError> {
    let Problem { channels, protocol, .. } = problem;
    let channel = &mut channels[index];
    let is_on = |step: &Step| matches!(step, Step::Evolve { active, .. } if active[index.index()]);
    let what = format!("the rate of channel {}", channel.name);
    if let Some(envelope) = &mut channel.envelope {
        envelope.compile(&what, protocol.timed(is_on))?;
    }
    let operator = format!("the operator of channel {}", channel.name);
    for (envelope, _) in &mut channel.modulated {
        envelope.compile(&operator, protocol.timed(is_on))?;
    }
    channel.pairs = pairs(channel);
    for pair in &mut channel.pairs {
        pair.envelope.compile(&operator, protocol.timed(is_on))?;
    }
    let jumps = problem.jump_rate_bound(&problem.channels[index]) * problem.protocol.longest_step();
    range(what, problem.channels[index].largest_rate(), jumps <= MOST_JUMPS, MOST_JUMPS_EXPECTED)
}

/// Whether the phases that H turns in each step mean anything.
pub(super) fn check_phases(problem: &Problem) -> Result<(), ModelError> {
    for step in &problem.protocol.steps {
        let Step::Evolve { name, duration, driven, .. } = step else { continue };
        let on = problem.drives.iter().zip(driven).filter(|(_, on)| **on);
        let turned = on.map(|(drive, _)| {
            let area = match &drive.envelope {
                Envelope::Function(function) => function.largest() * duration,
                other => other.area(0.0, 0.0, *duration),
            };
            area * problem.norm_bound(&drive.operator, false)
        });
        let phase = problem.norm_bound(&problem.hamiltonian, false) * duration + turned.sum::<f64>();
        range(
            format!("the largest energy of the Hamiltonian times the duration of step {name}"),
            phase,
            phase <= LARGEST_PHASE,
            "at most 10¹¹, beyond which double precision loses the phases",
        )?;
    }
    Ok(())
}

/// Whether the rows of all columns fit into memory.
pub(super) fn check_rows(problem: &Problem) -> Result<(), ModelError> {
    let (rows, columns) = (problem.protocol.row_count() as f64, problem.quantities.len() as f64);
    let bytes = rows * (BYTES_A_ROW + BYTES_A_CELL * columns);
    if bytes <= MOST_ROW_BYTES {
        return Ok(());
    }
    let most = (MOST_ROW_BYTES / (BYTES_A_ROW + BYTES_A_CELL * columns)).floor();
    Err(ModelError::Invalid(format!(
        "{rows} output rows of {columns} quantities would take {:.1} GB, more than {:.0} GB: at most {most} rows fit",
        bytes / 1e9,
        MOST_ROW_BYTES / 1e9
    )))
}
