//! The one place where a [`Problem`] is checked for consistency, part by part.

use super::describe::state_text;
use super::gate::check_gate;
use super::initial::is_unitary;
use super::joint::check_state;
use super::limits::{MOST_CELLS, MOST_ROWS, check_energies, check_rates, check_rows, range};
use super::quantity::{check_chosen, check_columns, check_quantity};
use super::{
    Acting, ChosenId, Initial, Kind, Nonlinear, Op, OpSum, Problem, Protocol, Quantity, Reach, Step, Subsystem,
};
use crate::error::ModelError;
use std::collections::HashSet;

fn distinct<'a>(kind: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), ModelError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ModelError::DuplicateName { kind, name: name.clone() });
        }
    }
    Ok(())
}

/// Titles and names are shown on screens and in tables and written into scripts.
fn plain(kind: &str, name: &str) -> Result<(), ModelError> {
    match name.chars().find(|c| c.is_control()) {
        Some(c) => {
            let shown: String = name.escape_debug().take(100).collect();
            Err(ModelError::Invalid(format!("the {kind} `{shown}` has the control character {}", c.escape_debug())))
        }
        None => Ok(()),
    }
}

pub(super) fn check_subsystems(problem: &Problem) -> Result<(), ModelError> {
    plain("title", &problem.title)?;
    problem.subsystems.iter().try_for_each(|s| plain("subsystem name", &s.name))?;
    if problem.subsystems.is_empty() {
        return Err(ModelError::Invalid("there are no subsystems".into()));
    }
    distinct("subsystem", problem.subsystems.iter().map(|s| &s.name))?;
    for (subsystem, initial) in problem.subsystems.iter().zip(&problem.initial) {
        let name = &subsystem.name;
        range(
            format!("the energy of {name}"),
            subsystem.energy,
            subsystem.energy.is_finite() && subsystem.energy >= 0.0,
            "a finite number ≥ 0",
        )?;
        if !subsystem.uneven.is_empty() {
            let listed = subsystem.uneven.len();
            if !matches!(subsystem.kind, Kind::Network { cells, .. } if cells == listed) {
                let text =
                    format!("{name} has the energies of {listed} cells, but it is {}", subsystem.kind.described());
                return Err(ModelError::Invalid(text));
            }
            let odd = subsystem.uneven.iter().find(|e| !(e.is_finite() && **e >= 0.0)).copied();
            range(format!("the energy of a cell of {name}"), odd.unwrap_or(0.0), odd.is_none(), "a finite number ≥ 0")?;
        }
        match &subsystem.kind {
            Kind::Ensemble { cells } => range(
                format!("the number of spins of {name}"),
                *cells as f64,
                (1..=MOST_CELLS).contains(cells),
                "a whole number from 1 to 5·10⁷",
            )?,
            Kind::Network { cells, edges } => {
                range(format!("the number of cells of {name}"), *cells as f64, *cells >= 1, "at least 1")?;
                if let Some((a, b)) = edges.iter().find(|(a, b)| a == b || a.max(b) >= cells) {
                    return Err(ModelError::Invalid(format!(
                        "the edge ({a}, {b}) of {name} does not join two different cells in 0..{cells}"
                    )));
                }
            }
            Kind::Mode { cutoff } => {
                range(format!("the cutoff of {name}"), *cutoff as f64, *cutoff >= 2, "at least 2")?
            }
            Kind::Levels { energies } => {
                range(
                    format!("the number of levels of {name}"),
                    energies.len() as f64,
                    energies.len() >= 2,
                    "at least 2",
                )?;
                let odd = energies.iter().find(|e| !e.is_finite()).copied();
                range(format!("a level of {name}"), odd.unwrap_or(0.0), odd.is_none(), "a finite number")?;
            }
        }
        check_initial(subsystem, initial)?;
    }
    for (subsystem, &tilt) in problem.subsystems.iter().zip(&problem.tilt) {
        let name = &subsystem.name;
        let good = (0.0..=std::f64::consts::PI).contains(&tilt);
        range(format!("the tilt of {name}"), tilt, good, "an angle from 0 to π")?;
        if tilt != 0.0 && !matches!(subsystem.kind, Kind::Ensemble { .. }) {
            return Err(ModelError::Invalid(format!("{name} is no ensemble of spins that could be tilted")));
        }
    }
    let mut battery = problem.battery.clone();
    battery.sort_unstable();
    battery.dedup();
    let known = battery.last().is_some_and(|last| last.index() < problem.subsystems.len());
    match known && battery.len() == problem.battery.len() {
        true => Ok(()),
        false => {
            Err(ModelError::Invalid("the battery must name existing subsystems, each once, and at least one".into()))
        }
    }
}

fn check_initial(subsystem: &Subsystem, initial: &Initial) -> Result<(), ModelError> {
    let name = &subsystem.name;
    let cells = matches!(subsystem.kind, Kind::Ensemble { .. } | Kind::Network { .. });
    match (initial, &subsystem.kind) {
        (Initial::Ground | Initial::Joint(_), _) => Ok(()),
        (Initial::Excited, _) if cells => Ok(()),
        (Initial::Thermal { ratio }, kind) if cells || matches!(kind, Kind::Mode { .. }) => range(
            format!("the Boltzmann ratio of {name}"),
            *ratio,
            ratio.is_finite() && *ratio >= 0.0,
            "a finite number ≥ 0 (p_e/p_g)",
        ),
        (Initial::Cell { excited, coherence }, _) if cells => {
            let p = *excited;
            range(format!("the excited population of {name}"), p, (0.0..=1.0).contains(&p), "a number from 0 to 1")?;
            let most = (p * (1.0 - p)).sqrt();
            let size = coherence.norm();
            if size <= most * (1.0 + 1e-12) + 1e-15 {
                return Ok(());
            }
            Err(ModelError::Invalid(format!(
                "the coherence of {name} has size {size}, expected at most √(p_e p_g) = {most} for a density matrix"
            )))
        }
        (Initial::Fock(n), Kind::Mode { cutoff }) => range(
            format!("the Fock state of {name}"),
            *n as f64,
            n < cutoff,
            "a whole number below the cutoff of the mode",
        ),
        (Initial::Coherent(alpha), Kind::Mode { .. }) => range(
            format!("the amplitude of {name}"),
            alpha.norm(),
            alpha.re.is_finite() && alpha.im.is_finite(),
            "a finite number",
        ),
        (Initial::Populations(p), Kind::Levels { energies }) => {
            let sum: f64 = p.iter().sum();
            if p.len() != energies.len() || p.iter().any(|p| !(*p >= 0.0)) || !((sum - 1.0).abs() <= 1e-9) {
                return Err(ModelError::Invalid(format!(
                    "the {} populations of {name} sum to {sum}, expected {} numbers ≥ 0 that sum to 1",
                    p.len(),
                    energies.len()
                )));
            }
            Ok(())
        }
        (Initial::Rotated { ratio, unitary }, Kind::Network { cells, .. }) => {
            range(
                format!("the Boltzmann ratio of {name}"),
                *ratio,
                ratio.is_finite() && *ratio >= 0.0,
                "a number ≥ 0",
            )?;
            let fits = *cells <= 12 && unitary.nrows() == 1 << cells && is_unitary(unitary);
            match fits {
                true => Ok(()),
                false => Err(ModelError::Invalid(format!(
                    "the matrix for {name} is {} × {}, expected a unitary of dimension 2^{cells}",
                    unitary.nrows(),
                    unitary.ncols()
                ))),
            }
        }
        (Initial::Dicke { two_j, two_m }, Kind::Ensemble { cells }) => {
            let j = *two_j as f64 / 2.0;
            range(
                format!("J of {name}"),
                j,
                two_j <= cells && (cells - two_j).is_multiple_of(2),
                "a value from N/2 down to 0 or 1/2 in steps of 1",
            )?;
            range(
                format!("M of {name}"),
                *two_m as f64 / 2.0,
                two_m.unsigned_abs() <= *two_j && (two_m.unsigned_abs() + two_j).is_multiple_of(2),
                "a value from −J to J in steps of 1",
            )
        }
        (other, kind) => {
            let (kind, state) = (kind.described(), state_text(other));
            Err(ModelError::Invalid(format!("{name}, {kind}, cannot start in the state {state}")))
        }
    }
}

pub(super) fn check_operators(problem: &Problem) -> Result<(), ModelError> {
    problem.channels.iter().try_for_each(|c| plain("channel name", &c.name))?;
    problem.drives.iter().try_for_each(|d| plain("drive name", &d.name))?;
    distinct("channel", problem.channels.iter().map(|c| &c.name))?;
    for observable in &problem.observables {
        plain("observable name", &observable.name)?;
        check_sum(problem, &observable.operator, &format!("the observable {}", observable.name))?;
        if !Acting::on(&problem.subsystems).is_hermitian(&observable.operator) {
            return Err(ModelError::Invalid(format!("the observable {} is not Hermitian", observable.name)));
        }
    }
    for channel in &problem.channels {
        let what = format!("the operator of channel {}", channel.name);
        let positive = channel.rate.is_finite() && channel.rate >= 0.0;
        range(format!("the rate of channel {}", channel.name), channel.rate, positive, "a finite number ≥ 0")?;
        check_sum(problem, &channel.whole(), &what)?;
        if !channel.modulated.is_empty() && channel.reach != Reach::Collective {
            let text = format!("{what} changes with time, which only one operator for the whole system may");
            return Err(ModelError::Invalid(text));
        }
        if let Some(subsystem) = channel.reach.cells_of() {
            let kind = problem.subsystems.get(subsystem.index()).map(|s| &s.kind);
            match (&channel.reach, kind) {
                (Reach::Each(_), Some(Kind::Ensemble { .. } | Kind::Network { .. })) => {}
                (Reach::Correlated { rates, .. }, Some(Kind::Network { cells, .. })) => {
                    if rates.matrix.len() != *cells {
                        return Err(ModelError::Invalid(format!(
                            "{what}: a rate matrix of {} rows for {cells} cells",
                            rates.matrix.len()
                        )));
                    }
                }
                (Reach::Correlated { .. }, _) => {
                    return Err(ModelError::Invalid(format!("{what}: a rate matrix needs a network of cells")));
                }
                _ => {
                    return Err(ModelError::Invalid(format!("{what}: `each` needs an ensemble or a network of cells")));
                }
            }
            if channel.operator.factors().any(|f| f.subsystem != subsystem || f.site.is_some()) {
                return Err(ModelError::Invalid(format!(
                    "{what}: an operator on each cell of {} cannot act on anything else",
                    problem.subsystems[subsystem].name
                )));
            }
        }
    }
    if let Some(own) = &problem.battery_hamiltonian {
        let what = "the Hamiltonian of the battery";
        check_sum(problem, &own.operator, what)?;
        check_hermitian(problem, &own.operator, what)?;
        if let Some(other) = own.operator.factors().find(|f| !problem.battery.contains(&f.subsystem)) {
            let name = &problem.subsystems[other.subsystem].name;
            return Err(ModelError::Invalid(format!("{what} acts on {name}, which is no part of the battery")));
        }
    }
    check_sum(problem, &problem.hamiltonian, "the Hamiltonian")?;
    check_hermitian(problem, &problem.hamiltonian, "the Hamiltonian")?;
    distinct("drive", problem.drives.iter().map(|d| &d.name))?;
    for drive in &problem.drives {
        let what = format!("the operator of drive {}", drive.name);
        check_sum(problem, &drive.operator, &what)?;
        check_hermitian(problem, &drive.operator, &what)?;
        if let Some(odd) = drive.envelope.numbers().into_iter().find(|x| !x.is_finite()) {
            return Err(ModelError::Invalid(format!("the envelope of drive {} has the number {odd}", drive.name)));
        }
        if let super::Envelope::Gaussian { width, .. } = drive.envelope {
            range(format!("the width of drive {}", drive.name), width, width > 0.0, "a number > 0")?;
        }
    }
    Ok(())
}

pub(super) fn check_hermitian(problem: &Problem, sum: &OpSum, what: &str) -> Result<(), ModelError> {
    match Acting::on(&problem.subsystems).is_hermitian(sum) {
        true => Ok(()),
        false => Err(ModelError::Invalid(format!(
            "{what} is not Hermitian: it differs from its adjoint; add the conjugate terms"
        ))),
    }
}

pub(super) fn check_sum(problem: &Problem, sum: &OpSum, what: &str) -> Result<(), ModelError> {
    if let Some(term) = sum.terms.iter().find(|t| !t.coefficient.re.is_finite() || !t.coefficient.im.is_finite()) {
        return Err(ModelError::Invalid(format!("{what} has the coefficient {}", term.coefficient)));
    }
    for factor in sum.factors() {
        let subsystem = problem
            .subsystems
            .get(factor.subsystem.index())
            .ok_or_else(|| ModelError::Invalid(format!("{what} names a subsystem that does not exist")))?;
        let fits = match (&subsystem.kind, factor.op) {
            (Kind::Ensemble { .. }, Op::Lower | Op::Raise | Op::X | Op::Y | Op::Z | Op::Number) => {
                factor.site.is_none()
            }
            (Kind::Network { cells, .. }, Op::Lower | Op::Raise | Op::X | Op::Y | Op::Z | Op::Number) => {
                factor.site.is_none_or(|site| site < *cells)
            }
            (Kind::Mode { .. }, Op::Annihilate | Op::Create | Op::Number) => factor.site.is_none(),
            (Kind::Levels { energies }, Op::Transition(i, j)) => factor.site.is_none() && i.max(j) < energies.len(),
            _ => false,
        };
        if !fits {
            return Err(ModelError::Invalid(format!(
                "{what}: {:?} cannot act on {}, {}",
                factor.op,
                subsystem.name,
                subsystem.kind.described()
            )));
        }
    }
    Ok(())
}

pub(super) fn check_protocol(problem: &Problem) -> Result<(), ModelError> {
    let protocol = &problem.protocol;
    range("the number of cycles".into(), protocol.repeat as f64, protocol.repeat >= 1, "at least 1")?;
    if !protocol.steps.iter().any(|s| matches!(s, Step::Evolve { .. })) {
        return Err(ModelError::Invalid("the protocol has no timed step".into()));
    }
    for step in &protocol.steps {
        match step {
            Step::Rotate { subsystem, angle, .. } => {
                let kind = problem.subsystems.get(subsystem.index()).map(|s| &s.kind);
                if !matches!(kind, Some(Kind::Ensemble { .. } | Kind::Network { .. })) {
                    return Err(ModelError::Invalid("a rotation needs an ensemble or a network of cells".into()));
                }
                range("a rotation angle".into(), *angle, angle.is_finite(), "a finite number")?;
            }
            Step::Unitary(gate) => check_gate(problem, gate)?,
            Step::Reset { subsystem, state } => match problem.subsystems.get(subsystem.index()) {
                Some(part) if matches!(state, Initial::Joint(_)) => {
                    return Err(ModelError::Invalid(format!("{} cannot be reset to a joint state", part.name)));
                }
                Some(part) => match state {
                    Initial::Alone(state) => check_state(problem, &[*subsystem], state)?,
                    other => check_initial(part, other)?,
                },
                None => return Err(ModelError::Invalid("a reset of a subsystem that does not exist".into())),
            },
            Step::Evolve { name, duration, rows, .. } => {
                let good = duration.is_finite() && *duration >= 0.0;
                plain("step name", name)?;
                range(format!("the duration of step {name}"), *duration, good, "a finite number ≥ 0")?;
                let ordered = rows.first() == Some(&0.0)
                    && rows.last() == Some(duration)
                    && rows.windows(2).all(|w| w[0] <= w[1])
                    && rows.len() >= 2;
                if !ordered {
                    return Err(ModelError::Invalid(format!(
                        "the rows of step {name} must rise from 0 to its duration {duration}"
                    )));
                }
            }
        }
    }
    let per_cycle: usize = protocol.steps.iter().map(Protocol::rows_of).sum();
    let rows = protocol.repeat.saturating_mul(per_cycle as u64);
    range("the number of output rows".into(), rows as f64, rows <= MOST_ROWS, "at most 10⁷")?;
    check_energies(problem)?;
    check_rates(problem)
}

pub(super) fn check_quantities(problem: &Problem) -> Result<(), ModelError> {
    if problem.quantities.is_empty() {
        return Err(ModelError::Invalid("no quantity is asked for".into()));
    }
    check_rows(problem)?;
    for (at, number) in problem.kept_states.iter().enumerate() {
        check_chosen(problem, ChosenId { number: *number, what: Nonlinear::Purity })?;
        let name = &problem.chosen[*number].name;
        if problem.kept_states[..at].iter().any(|earlier| problem.chosen[*earlier].name == *name) {
            return Err(ModelError::Invalid(format!("two states are called `{name}`")));
        }
    }
    for quantity in &problem.quantities {
        check_quantity(problem, quantity)?;
        if let (Quantity::BrightLoss(_) | Quantity::BrightReturn(_), Some(channel)) =
            (quantity, problem.channels.iter().find(|channel| channel.changes()))
        {
            return Err(ModelError::Invalid(format!(
                "`{}` is for rates that do not change with time, and that of channel {} does",
                problem.column(quantity),
                channel.name
            )));
        }
        if let (Some(_), Quantity::LocalErgotropy | Quantity::SymmetricErgotropy) =
            (&problem.battery_hamiltonian, quantity)
        {
            let text = format!(
                "`{}` needs a battery whose energy is Σωn, not one of its own Hamiltonian",
                problem.column(quantity)
            );
            return Err(ModelError::Invalid(text));
        }
        if matches!(quantity, Quantity::Released(_)) {
            problem.channel_ids().try_for_each(|channel| problem.release(channel).map(|_| ()))?;
        }
    }
    check_columns(problem)
}

#[cfg(test)]
mod tests;
