//! The output columns as Python expressions.

use super::quoted;
use crate::error::RunError;
use crate::problem::{Kind, Nonlinear, Part, Problem, Quantity, Reach, Reduction, Step, SubsystemId};
use std::fmt::Write;

/// `columns`, and the function `observe` that gives their values in a state.
///
/// # Errors
/// [`RunError::Request`] when a quantity is of one of several steps of the same name.
pub(super) fn observe(problem: &Problem) -> Result<String, RunError> {
    let names: Vec<String> = problem.quantities.iter().map(|q| quoted(&problem.column(q))).collect();
    let mut text = format!("\ncolumns = [{}]\n", names.join(", "));
    let released = problem.quantities.iter().any(|q| matches!(q, Quantity::Released(_)));
    let counted = problem.channels.iter().enumerate().filter(|(c, _)| {
        let asked = problem.quantities.contains(&Quantity::Jumps(*c));
        asked || released && problem.released_per_jump(*c) != 0.0
    });
    let counted: Vec<String> = counted.map(|(_, channel)| quoted(&channel.name)).collect();
    let _ = writeln!(text, "counting = [{}]  # channels whose jumps are counted", counted.join(", "));
    text.push_str("\n\ndef observe(rho, jumps, time, step, on):\n    \"\"\"The columns in the state rho, with the channels that are on.\"\"\"\n");
    let battery = of(problem, &problem.battery);
    let whole = |(what, of): (Nonlinear, Part)| {
        of == Part::Battery && matches!(what.reduction(problem, of), Reduction::Joint(_))
    };
    if problem.quantities.iter().filter_map(Quantity::nonlinear).any(whole) {
        let _ = writeln!(text, "    r, levels_B = state_of(rho, {battery}), spectrum({battery})");
    }
    text.push_str("    return [\n");
    for quantity in &problem.quantities {
        let _ = writeln!(text, "        {},", expression(problem, quantity)?);
    }
    text.push_str("    ]\n\n");
    Ok(text)
}

/// Names of subsystems as arguments, in the order of the tensor product.
fn of(problem: &Problem, subsystems: &[SubsystemId]) -> String {
    let mut sorted = subsystems.to_vec();
    sorted.sort_unstable();
    sorted.iter().map(|e| quoted(&problem.subsystems[*e].name)).collect::<Vec<_>>().join(", ")
}

fn expression(problem: &Problem, quantity: &Quantity) -> Result<String, RunError> {
    let battery = of(problem, &problem.battery);
    let name = |e: SubsystemId| quoted(&problem.subsystems[e].name);
    Ok(match *quantity {
        Quantity::Energy => format!("mean(energy({battery}), rho)"),
        Quantity::EnergyVariance => format!("variance(energy({battery}), rho)"),
        Quantity::EnergyDeviation => format!("np.sqrt(variance(energy({battery}), rho))"),
        Quantity::EnergyOf(e) => format!("mean(energy({}), rho)", name(e)),
        Quantity::EnergyDensity(e) => format!("mean(energy({}), rho) / {:?}", name(e), problem.subsystems[e].unit()),
        Quantity::Power => format!("ratio(mean(energy({battery}), rho), time)"),
        Quantity::Ergotropy => "ergotropy(r, levels_B)".into(),
        Quantity::InitialErgotropy => "initial(ergotropy(r, levels_B))".into(),
        Quantity::ErgotropyOf(e) => format!("ergotropy(state_of(rho, {0}), spectrum({0}))", name(e)),
        Quantity::LocalErgotropy => format!("local_ergotropy(rho, {battery})"),
        Quantity::SymmetricErgotropy => {
            let omega = problem.battery.first().map_or(0.0, |e| problem.subsystems[*e].energy);
            let cells: u64 = problem.battery.iter().map(|e| problem.subsystems[*e].cells()).sum();
            format!("ergotropy(symmetric(r), {omega:?} * np.arange({}))", cells + 1)
        }
        Quantity::IncoherentErgotropy => "ergotropy(dephased(r, levels_B), levels_B)".into(),
        Quantity::CoherentErgotropy => "ergotropy(r, levels_B) - ergotropy(dephased(r, levels_B), levels_B)".into(),
        Quantity::AntiErgotropy => "-ergotropy(r, -levels_B)".into(),
        Quantity::Capacity => "ergotropy(r, levels_B) + ergotropy(r, -levels_B)".into(),
        Quantity::Efficiency => format!("ratio(ergotropy(r, levels_B), mean(energy({battery}), rho))"),
        Quantity::Coherence => "coherence(r)".into(),
        Quantity::CellCoherence => format!("cell_coherence(rho, {battery})"),
        Quantity::Concurrence => {
            let edges = |e: &SubsystemId| match &problem.subsystems[*e].kind {
                Kind::Network { edges, .. } => Some(format!("concurrence(rho, {}, {edges:?})", name(*e))),
                _ => None,
            };
            problem.battery.iter().find_map(edges).unwrap_or_else(|| "np.nan".into())
        }
        Quantity::Purity => "np.vdot(r, r).real".into(),
        Quantity::Quanta(e) | Quantity::Photons(e) => format!("mean(n({}), rho)", name(e)),
        Quantity::Bright(e) => format!("np.trace(symmetric(state_of(rho, {}))).real", name(e)),
        Quantity::BrightLoss(e) => bright_flow(problem, e, "loss"),
        Quantity::BrightReturn(e) => bright_flow(problem, e, "gain"),
        Quantity::TopLevel(e) => format!("state_of(rho, {})[-1, -1].real", name(e)),
        Quantity::Magnetisation(e) => format!("mean(sz({}), rho) / 2", name(e)),
        Quantity::MagnetisationVariance(e) => format!("variance(sz({}), rho) / 4", name(e)),
        Quantity::SpinLength(e) => format!("spin_length({}, rho)", name(e)),
        Quantity::Released(None) => released(problem),
        Quantity::Released(Some(only)) => {
            let wanted = problem.protocol.name(only);
            let same =
                problem.protocol.steps.iter().filter(|s| matches!(s, Step::Evolve { name, .. } if name == wanted));
            if same.count() > 1 {
                let text =
                    format!("`released` is asked of one of several steps called {wanted}; give them different names");
                return Err(RunError::Request(text));
            }
            format!("({}) * (step == {})", released(problem), quoted(wanted))
        }
        Quantity::Jumps(channel) => format!("jumps[{}]", quoted(&problem.channels[channel].name)),
    })
}

/// The loss or gain of J = N/2 through the local channels of an ensemble.
fn bright_flow(problem: &Problem, e: SubsystemId, which: &str) -> String {
    let local = problem.channels.iter().filter(|c| c.reach == Reach::Each(e));
    let local: Vec<String> = local.map(|c| quoted(&c.name)).collect();
    let name = quoted(&problem.subsystems[e].name);
    format!("bright_{which}(rho, {name}, [name for name in [{}] if name in on])", local.join(", "))
}

/// Energy released since the step began.
fn released(problem: &Problem) -> String {
    let per_channel = problem.channels.iter().enumerate().filter_map(|(c, channel)| {
        let each = problem.released_per_jump(c);
        (each != 0.0).then(|| format!("{each:?} * jumps[{}]", quoted(&channel.name)))
    });
    let terms: Vec<String> = per_channel.collect();
    if terms.is_empty() { "0.0".into() } else { terms.join(" + ") }
}
