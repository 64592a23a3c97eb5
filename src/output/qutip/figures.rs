//! The output columns as Python expressions.

use super::quoted;
use crate::error::RunError;
use crate::problem::{
    AtMost, Chosen, Kind, Linear, Nonlinear, Part, Place, Problem, Quantity, Reach, Recipe, Reduction, Step,
    SubsystemId, Varied,
};
use std::fmt::Write;

/// `columns`, and the function `observe` that gives their values in a state.
///
/// # Errors
/// [`RunError::Request`] when a quantity is of one of several steps of the same name.
pub(super) fn observe(problem: &Problem) -> Result<String, RunError> {
    let names: Vec<String> = problem.quantities.iter().map(|q| quoted(&problem.column(q))).collect();
    let mut text = format!("\ncolumns = [{}]\n", names.join(", "));
    let asked_for = problem.linear();
    let released = asked_for.iter().any(|linear| matches!(linear, Linear::Released(_)));
    let counted = problem.channel_ids().zip(&problem.channels).filter(|(c, _)| {
        let asked = asked_for.contains(&Linear::Jumps(*c));
        asked || released && problem.released_per_jump(*c) != 0.0
    });
    let counted: Vec<String> = counted.map(|(_, channel)| quoted(&channel.name)).collect();
    let _ = writeln!(text, "counting = [{}]  # channels whose jumps are counted", counted.join(", "));
    text.push_str("\n\ndef observe(rho, jumps, time, step, on):\n    \"\"\"The columns in the state rho, with the channels that are on.\"\"\"\n");
    let battery = of(problem, &problem.battery);
    let whole = |(what, of): (Nonlinear, Part)| {
        of == Part::Battery && matches!(what.reduction(problem, of), Reduction::Joint(_) | Reduction::InEnergies)
    };
    if problem.quantities.iter().filter_map(Quantity::nonlinear).any(whole) {
        let _ = match problem.battery_hamiltonian() {
            Some(_) => {
                writeln!(text, "    r = state_of(rho, {battery})\n    in_energies = basis_B.conj().T @ r @ basis_B")
            }
            None => writeln!(text, "    r, levels_B = state_of(rho, {battery}), spectrum({battery})"),
        };
    }
    text.push_str("    return [\n");
    for quantity in &problem.quantities {
        let _ = writeln!(text, "        {},", expression(problem, quantity)?);
    }
    text.push_str("    ]\n\n");
    Ok(text)
}

/// Names of subsystems as arguments, in the order of the tensor product.
pub(super) fn of(problem: &Problem, subsystems: &[SubsystemId]) -> String {
    let mut sorted = subsystems.to_vec();
    sorted.sort_unstable();
    sorted.iter().map(|e| quoted(&problem.subsystems[*e].name)).collect::<Vec<_>>().join(", ")
}

fn expression(problem: &Problem, quantity: &Quantity) -> Result<String, RunError> {
    let energy = || mean(problem, Linear::Energy);
    Ok(match quantity.entry().recipe {
        Recipe::Mean(of) => mean(problem, of)?,
        Recipe::PerCell(of, e) => format!("{} / {:?}", mean(problem, of)?, problem.subsystems[e].unit()),
        Recipe::PerTime(of) => format!("ratio({}, time)", mean(problem, of)?),
        Recipe::Variance(of) => variance(problem, of),
        Recipe::Deviation(of) => format!("np.sqrt({})", variance(problem, of)),
        Recipe::SpinLength(of) => format!("spin_length({})", mean(problem, of)?),
        Recipe::State(what, part) => nonlinear(problem, what, part),
        Recipe::FirstState(what, part) => format!("initial({})", nonlinear(problem, what, part)),
        Recipe::OverEnergy(what, part) => format!("ratio({}, {})", nonlinear(problem, what, part), energy()?),
    })
}

fn mean(problem: &Problem, of: Linear) -> Result<String, RunError> {
    let name = |e: SubsystemId| quoted(&problem.subsystems[e].name);
    Ok(match of {
        Linear::Energy if problem.battery_hamiltonian().is_some() => "mean(H_B, rho)".into(),
        Linear::Energy => format!("mean(energy({}), rho)", self::of(problem, &problem.battery)),
        Linear::EnergyOf(e) => format!("mean(energy({}), rho)", name(e)),
        Linear::Quanta(e) => format!("mean(n({}), rho)", name(e)),
        Linear::Magnetisation(e) => format!("mean(sz({}), rho) / 2", name(e)),
        Linear::SpinSquared(e) => format!("mean(spin_squared({}), rho)", name(e)),
        Linear::Bright(e) => format!("np.trace(symmetric(state_of(rho, {}))).real", name(e)),
        Linear::BrightLoss(e) => bright_flow(problem, e, "loss"),
        Linear::BrightReturn(e) => bright_flow(problem, e, "gain"),
        Linear::TopLevel(e) => format!("state_of(rho, {})[-1, -1].real", name(e)),
        Linear::Released(None) => released(problem),
        Linear::Released(Some(only)) => {
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
        Linear::TopQuanta => match problem.at_most() {
            Some(AtMost { quanta, of }) => {
                let names = self::of(problem, of);
                format!("mean(P - few({quanta} - 1, {names}), rho)")
            }
            None => "np.nan".into(),
        },
        Linear::Expect(id) => {
            format!("mean({}, rho)", super::operator(problem, &problem.observables[id].operator, None))
        }
        Linear::Jumps(channel) => format!("jumps[{}]", quoted(&problem.channels[channel].name)),
        // What adds to the variance between trajectories; one averaged state has none.
        Linear::EnergySpread | Linear::MagnetisationSpread(_) => "0.0".into(),
    })
}

fn variance(problem: &Problem, of: Varied) -> String {
    match of {
        Varied::Energy if problem.battery_hamiltonian().is_some() => "variance(H_B, rho)".into(),
        Varied::Energy => format!("variance(energy({}), rho)", self::of(problem, &problem.battery)),
        Varied::Magnetisation(e) => format!("variance(sz({}), rho) / 4", quoted(&problem.subsystems[e].name)),
    }
}

fn nonlinear(problem: &Problem, what: Nonlinear, part: Part) -> String {
    let members = part.members(problem);
    let names = of(problem, &members);
    let (r, levels) = match part {
        Part::Battery => {
            let own = what.reduction(problem, part) == Reduction::InEnergies;
            (if own { "in_energies" } else { "r" }.to_owned(), "levels_B".to_owned())
        }
        Part::One(_) => (format!("state_of(rho, {names})"), format!("spectrum({names})")),
        Part::Chosen(id) => return of_places(problem, &problem.chosen[id.number]),
    };
    let ergotropy = format!("ergotropy({r}, {levels})");
    let incoherent = || format!("ergotropy(dephased({r}, {levels}), {levels})");
    match what {
        Nonlinear::Ergotropy => ergotropy,
        Nonlinear::LocalErgotropy => format!("local_ergotropy(rho, {names})"),
        Nonlinear::SymmetricErgotropy => {
            let omega = members.first().map_or(0.0, |e| problem.subsystems[*e].energy);
            let cells: u64 = members.iter().map(|e| problem.subsystems[*e].cells()).sum();
            format!("ergotropy(symmetric({r}), {omega:?} * np.arange({}))", cells + 1)
        }
        Nonlinear::IncoherentErgotropy => incoherent(),
        Nonlinear::CoherentErgotropy => format!("{ergotropy} - {}", incoherent()),
        Nonlinear::AntiErgotropy => format!("-ergotropy({r}, -{levels})"),
        Nonlinear::Capacity => format!("{ergotropy} + ergotropy({r}, -{levels})"),
        Nonlinear::Coherence => format!("coherence({r})"),
        Nonlinear::CellCoherence => format!("cell_coherence(rho, {names})"),
        Nonlinear::Concurrence => {
            let edges = |e: &SubsystemId| match &problem.subsystems[*e].kind {
                Kind::Network { edges, .. } => Some(format!("concurrence(rho, {names}, {edges:?})")),
                Kind::Ensemble { .. } | Kind::Mode { .. } | Kind::Levels { .. } => None,
            };
            members.iter().find_map(edges).unwrap_or_else(|| "np.nan".into())
        }
        Nonlinear::Purity => format!("np.vdot({r}, {r}).real"),
        // Of chosen parts alone.
        Nonlinear::Entropy | Nonlinear::Negativity | Nonlinear::MutualInformation | Nonlinear::Fidelity => {
            "np.nan".into()
        }
    }
}

/// A function of a part that the user chose.
fn of_places(problem: &Problem, chosen: &Chosen) -> String {
    let list = |places: &[Place]| {
        let place = |(e, cell): &Place| {
            let cell = cell.map_or("None".into(), |cell| cell.to_string());
            format!("({}, {cell})", quoted(&problem.subsystems[*e].name))
        };
        format!("[{}]", places.iter().map(place).collect::<Vec<_>>().join(", "))
    };
    let whole = list(&chosen.places);
    let (one, other) = (list(&chosen.places[..chosen.first]), list(&chosen.places[chosen.first..]));
    match chosen.what {
        Nonlinear::Ergotropy => format!("ergotropy(places(rho, {whole}), place_energies({whole}))"),
        Nonlinear::Entropy => format!("entropy(places(rho, {whole}))"),
        Nonlinear::MutualInformation => {
            format!("entropy(places(rho, {one})) + entropy(places(rho, {other})) - entropy(places(rho, {whole}))")
        }
        Nonlinear::Negativity => format!("negativity(places(rho, {whole}), len(places(rho, {one})))"),
        Nonlinear::Fidelity => {
            let psi: Vec<String> = chosen.target.iter().flat_map(|psi| psi.iter()).map(|x| super::number(*x)).collect();
            format!("fidelity(places(rho, {whole}), [{}])", psi.join(", "))
        }
        _ => "np.nan".into(),
    }
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
    let per_channel = problem.channel_ids().zip(&problem.channels).filter_map(|(c, channel)| {
        let each = problem.released_per_jump(c);
        (each != 0.0).then(|| format!("{each:?} * jumps[{}]", quoted(&channel.name)))
    });
    let terms: Vec<String> = per_channel.collect();
    if terms.is_empty() { "0.0".into() } else { terms.join(" + ") }
}
