//! Networks whose cells cannot be told apart, such as the complete graph: stored like an ensemble.

use crate::problem::{
    Basis, Factor, Gate, Initial, Kind, Op, OpSum, Part, Problem, Quantity, Reach, Step, SubsystemId, Term,
};
use num_complex::Complex64;
use std::collections::BTreeMap;

/// The same problem with every network of several cells as an ensemble, or the reason why one cannot be.
pub fn as_ensembles(problem: &Problem) -> Result<Problem, String> {
    let mut turned = problem.clone();
    for e in problem.subsystem_ids() {
        let subsystem = &problem.subsystems[e];
        let Kind::Network { cells, .. } = subsystem.kind else { continue };
        let refuse = |why: &str| Err(format!("the cells of {} are not all alike: {why}", subsystem.name));
        let asked = |q: &&Quantity| {
            let basis = q.nonlinear().map(|(what, _)| what.basis());
            let chosen = matches!(q.nonlinear(), Some((_, Part::Chosen(_))));
            chosen || matches!(basis, Some(Basis::SingleCells | Basis::Product))
        };
        if !problem.kept_states.is_empty() {
            return Err("states of single cells are asked for".into());
        }
        if let Some(quantity) = problem.quantities.iter().find(asked) {
            return Err(format!("`{}` is of single cells", problem.column(quantity)));
        }
        if matches!(problem.initial[e], Initial::Rotated { .. }) {
            return refuse("their initial state is not a product of equal ones");
        }
        for channel in &problem.channels {
            let single = channel.whole().factors().any(|f| f.subsystem == e && f.site.is_some());
            let uneven = matches!(&channel.reach, Reach::Correlated { subsystem, rates }
                if *subsystem == e && rates.uniform().is_none());
            if channel.rate > 0.0 && (single || uneven) {
                return refuse(&format!("channel {} treats them differently", channel.name));
            }
        }
        let whole = |sum: &OpSum| collective(sum, e, cells);
        match whole(&turned.hamiltonian) {
            Some(sum) => turned.hamiltonian = sum,
            None => return refuse("the Hamiltonian treats them differently"),
        }
        if !subsystem.uneven.is_empty() {
            return refuse("they have different energies");
        }
        if let Some(own) = &mut turned.battery_hamiltonian {
            match whole(&own.operator) {
                Some(sum) => own.operator = sum,
                None => return refuse("the Hamiltonian of the battery treats them differently"),
            }
        }
        for step in &mut turned.protocol.steps {
            match step {
                Step::Unitary(Gate::Exponential(generator)) => match whole(generator) {
                    Some(sum) => *generator = sum,
                    None => return refuse("a gate treats them differently"),
                },
                Step::Unitary(Gate::Matrix { over, .. }) if over.contains(&e) => {
                    return refuse("a gate is given cell by cell");
                }
                Step::Reset { subsystem, state: Initial::Alone(state) } if *subsystem == e => {
                    match state.operator_mut() {
                        None => return refuse("the state that they are reset to is given cell by cell"),
                        Some(operator) => match whole(operator) {
                            Some(sum) => *operator = sum,
                            None => {
                                return refuse(
                                    "the Hamiltonian that they are reset to a state of treats them differently",
                                );
                            }
                        },
                    }
                }
                _ => {}
            }
        }
        for joint in turned.joint.iter_mut().filter(|joint| joint.over.contains(&e)) {
            match joint.state.operator_mut() {
                None => return refuse("their initial state is given cell by cell"),
                Some(operator) => match whole(operator) {
                    Some(sum) => *operator = sum,
                    None => return refuse("the Hamiltonian that they start in a state of treats them differently"),
                },
            }
        }
        for drive in &mut turned.drives {
            match whole(&drive.operator) {
                Some(sum) => drive.operator = sum,
                None => return refuse(&format!("drive {} treats them differently", drive.name)),
            }
        }
        for observable in &mut turned.observables {
            match whole(&observable.operator) {
                Some(sum) => observable.operator = sum,
                None => return refuse(&format!("observable {} treats them differently", observable.name)),
            }
        }
        turned.subsystems[e].kind = Kind::Ensemble { cells: cells as u64 };
    }
    Ok(turned)
}

/// Operators on one or two numbered cells, without the numbers, and what else the term holds.
type Pattern = (Vec<Op>, Vec<Factor>);

/// `sum` with operators on numbered cells of `e` replaced by collective ones, if every cell and every pair of cells comes
/// alike: Σ_i A_i is the collective A, Σ_{i≠j} A_i B_j is AB − Σ_i A_iB_i.
fn collective(sum: &OpSum, e: SubsystemId, cells: usize) -> Option<OpSum> {
    let mut kept = OpSum::default();
    let mut patterns: BTreeMap<Pattern, BTreeMap<Vec<usize>, Complex64>> = BTreeMap::new();
    for term in sum.in_ladder_operators().terms {
        let (own, rest): (Vec<Factor>, Vec<Factor>) =
            term.factors.iter().partition(|f| f.subsystem == e && f.site.is_some());
        if own.is_empty() {
            kept.terms.push(term);
            continue;
        }
        if term.factors.iter().any(|f| f.subsystem == e && f.site.is_none()) {
            return None; // a collective operator beside a single one: their order matters
        }
        let mut pairs: Vec<(Op, usize)> = own.iter().filter_map(|f| Some((f.op, f.site?))).collect();
        pairs.sort();
        let (ops, sites) = pairs.into_iter().unzip();
        *patterns.entry((ops, rest)).or_default().entry(sites).or_insert(Complex64::ZERO) += term.coefficient;
    }
    for ((ops, rest), found) in patterns {
        let first = *found.values().next()?;
        let even = found.values().all(|c| (c - first).norm() <= 1e-13 * first.norm());
        let distinct = found.keys().all(|sites| sites.len() < 2 || sites[0] != sites[1]);
        let factor = |op: Op| Factor { subsystem: e, site: None, op };
        let mut add = |coefficient: Complex64, own: &[Op]| {
            let factors = own.iter().map(|op| factor(*op)).chain(rest.iter().copied()).collect();
            kept.terms.push(Term { coefficient, factors });
        };
        let pairs = cells * (cells - 1);
        match ops[..] {
            [op] if even && found.len() == cells => add(first, &[op]),
            [Op::Lower, Op::Raise] if even && distinct && found.len() == pairs => {
                add(first, &[Op::Raise, Op::Lower]);
                add(-first, &[Op::Number]);
            }
            [Op::Number, Op::Number] if even && distinct && found.len() == pairs / 2 => {
                add(first * 0.5, &[Op::Number, Op::Number]);
                add(first * -0.5, &[Op::Number]);
            }
            [Op::Z, Op::Z] if even && distinct && found.len() == pairs / 2 => {
                add(first * 0.5, &[Op::Z, Op::Z]);
                add(first * (-0.5 * cells as f64), &[]);
            }
            _ => return None,
        }
    }
    Some(kept)
}
