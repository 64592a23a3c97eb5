//! The battery section: what it is made of, its Hamiltonian, and where its energies count from.

use super::document::{Item, Table};
use super::error::InputError;
use super::expression;
use super::operator::Context;
use super::parameters::Scope;
use super::subsystems::Parts;
use crate::problem::{Acting, OpSum, ProblemBuilder, SubsystemId, Zero};

/// Hand the section to the builder.
///
/// # Errors
/// A subsystem that there is not, and a Hamiltonian that is none or is not of the battery.
pub(super) fn battery<'s>(
    section: &Table<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    builder: &mut ProblemBuilder,
) -> Result<(), InputError> {
    section.allow("key", &["of", "hamiltonian", "zero"])?;
    let members: Vec<SubsystemId> = match section.get("of") {
        None if section.get("hamiltonian").is_some() => (0..parts.all.len()).map(SubsystemId::new).collect(),
        _ => {
            let of = section.need("of", "of = [\"B\"]")?;
            parts.members(of, "the battery")?.into_iter().map(|(id, _)| id).collect()
        }
    };
    builder.battery(members.iter().copied());
    let Some(item) = section.get("hamiltonian") else {
        return match section.entry("zero") {
            Some(zero) => Err(zero.key_at.error(
                "Σωn counts from its lowest level",
                "`zero` beside `hamiltonian = [\"sum(i in cells(B), h*n(B,i))\", …]`, the battery's own",
            )),
            None => Ok(()),
        };
    };
    builder.battery_energy(hamiltonian(item, scope, parts, &members)?, zero(section, scope)?);
    Ok(())
}

/// The sum of the terms, which act on the battery alone and are Hermitian together.
fn hamiltonian<'s>(
    item: &Item<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    members: &[SubsystemId],
) -> Result<OpSum, InputError> {
    let context = Context::whole(scope, parts);
    let mut terms = Vec::new();
    let mut places = Vec::new();
    for term in item.list("a list of operators")? {
        let expression = expression::parse(term.text("an operator in a string")?)?;
        let operator = context.modulated(&expression)?;
        if !operator.varying.is_empty() {
            let message = "the Hamiltonian of the battery changes with time";
            return Err(expression.at.error(message, "one that does not: energies would have no meaning"));
        }
        if let Some(other) = operator.fixed.factors().find(|f| !members.contains(&f.subsystem)) {
            let message = format!("`{}` is no part of the battery", parts.all[other.subsystem].name);
            return Err(expression.at.error(message, "operators of the subsystems in `of`"));
        }
        terms.push(operator.fixed);
        places.push(expression.at);
    }
    if let Some(first) = Acting::on(&parts.all).not_hermitian(&terms) {
        let message = "the Hamiltonian of the battery is not Hermitian";
        return Err(places[first].error(message, "this term together with its conjugate"));
    }
    match terms.is_empty() {
        true => Err(item.at.error("the Hamiltonian of the battery has no terms", "at least one operator")),
        false => Ok(terms.into_iter().fold(OpSum::default(), |sum, term| sum + term)),
    }
}

/// `zero = "ground"` or `"as written"`.
fn zero<'s>(section: &Table<'s>, scope: &Scope<'s>) -> Result<Zero, InputError> {
    let Some(item) = section.get("zero") else { return Ok(Zero::Ground) };
    let expected = "`\"ground\"` (the lowest level counts 0) or `\"as written\"`";
    let text = item.text(expected)?;
    // Two words are no expression, one may be a parameter.
    match text.text.trim() {
        "as written" => Ok(Zero::AsWritten),
        _ => {
            let word = expression::parse(text)?;
            scope
                .choice("zero", &word, &["ground"])
                .map(|_| Zero::Ground)
                .map_err(|_| text.at.error(format!("`{}` is no place for the zero of energy", text.text), expected))
        }
    }
}
