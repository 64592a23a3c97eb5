//! The output columns that the input asks for.

use super::document::Table;
use super::error::{InputError, Span};
use super::expression::{self, Node};
use super::operator::subsystem;
use super::sections::distinct;
use crate::problem::{Kind, Kinds, Quantity, Scope, Subsystem, SubsystemId};

/// The quantities in the order listed, each with its place.
pub(super) fn quantities<'s>(
    section: &Table<'s>,
    parts: &[Subsystem],
    steps: &[&str],
    channels: &[&str],
) -> Result<Vec<(Quantity, Span<'s>)>, InputError> {
    section.allow("key", &["quantities"])?;
    let list = section.need("quantities", "quantities = [\"energy\", \"ergotropy\"]")?;
    let (mut found, every) = (Vec::new(), Quantity::every());
    for item in list.list("a list of quantities: `[\"energy\", \"M\"]`")? {
        let expression = expression::parse(item.text("a quantity such as `energy`")?)?;
        let (name, name_at, argument) = match &expression.node {
            Node::Name(name) => (*name, expression.at, None),
            Node::Call { name, name_at, arguments } => match arguments.as_slice() {
                [argument] => match argument.node {
                    Node::Name(of) => (*name, *name_at, Some((of, argument.at))),
                    _ => return Err(argument.at.error("this is no name", "the name of a subsystem, step or channel")),
                },
                _ => return Err(expression.at.error("too many arguments", "one name")),
            },
            _ => return Err(expression.at.unknown("quantity", expression.at.text(), names())),
        };
        let called: Vec<Quantity> = every.iter().filter(|q| q.entry().name == name).cloned().collect();
        let of_battery = |q: &&Quantity| matches!(q.entry().scope, Scope::Battery(_));
        let fitting = called.iter().find(|q| of_battery(q) == argument.is_none());
        let Some(asked) = fitting.or(called.first()) else {
            return Err(name_at.unknown("quantity", name, names()));
        };
        let at = expression.at;
        match (asked.entry().scope, argument) {
            (Scope::Battery(_), None) => found.push((asked.clone(), at)),
            (Scope::Battery(_), Some((_, of_at))) => {
                return Err(of_at.error(format!("`{name}` is of the whole battery"), "no name after it"));
            }
            (Scope::Subsystem { kinds, .. }, Some((of, of_at))) => {
                let id = subsystem(parts, of, of_at)?;
                if !kinds.fits(&parts[id].kind) {
                    let message = format!("`{of}` is {}", parts[id].kind.described());
                    return Err(of_at.error(message, format!("{}, `{name}` is of nothing else", kinds.name())));
                }
                found.push((asked.of(id.index()), at));
            }
            (Scope::Subsystem { named: true, .. }, None) => {
                return Err(name_at.error(format!("`{name}` is of one subsystem"), format!("`{name}(B)`")));
            }
            (Scope::Subsystem { kinds, .. }, None) => found.push((asked.of(only(name, kinds, parts, at)?), at)),
            (Scope::Step(_), None) => found.push((asked.clone(), at)),
            (Scope::Step(_), Some((of, of_at))) => found.push((asked.of(timed_step(steps, of, of_at)?), at)),
            (Scope::Channel(_), None) if channels.is_empty() => {
                return Err(name_at.error("there are no channels", format!("no `{name}`")));
            }
            (Scope::Channel(_), None) => found.extend((0..channels.len()).map(|channel| (asked.of(channel), at))),
            (Scope::Channel(_), Some((of, of_at))) => match channels.iter().position(|c| *c == of) {
                Some(channel) => found.push((asked.of(channel), at)),
                None => return Err(of_at.unknown("channel", of, channels.iter().copied())),
            },
        }
    }
    // What a cutoff cuts off is always watched.
    let modes = (0..parts.len()).filter(|id| matches!(parts[*id].kind, Kind::Mode { .. }));
    if !found.is_empty() {
        found.extend(modes.map(|id| (Quantity::TopLevel(SubsystemId::new(id)), list.at)));
    }
    if found.is_empty() {
        return Err(list.at.error("no quantity is asked for", "at least one, such as `energy`"));
    }
    Ok(found)
}

/// Every name that may be asked for.
fn names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for quantity in Quantity::every() {
        let name = quantity.entry().name;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The only subsystem of some kind, which a quantity is asked of without its name.
fn only(name: &str, kinds: Kinds, parts: &[Subsystem], at: Span<'_>) -> Result<usize, InputError> {
    let all: Vec<usize> = (0..parts.len()).filter(|id| kinds.fits(&parts[*id].kind)).collect();
    match all.as_slice() {
        [only] => Ok(*only),
        [] => Err(at.error(format!("`{name}` is of {}, and there is none", kinds.name()), "another quantity")),
        many => {
            let calls: Vec<String> = many.iter().map(|id| format!("`{name}({})`", parts[*id].name)).collect();
            let kind = kinds.name().split_whitespace().nth(1).unwrap_or("subsystem");
            Err(at.error(format!("there are several {kind}s to take `{name}` of"), calls.join(" or ")))
        }
    }
}

fn timed_step(steps: &[&str], name: &str, at: Span<'_>) -> Result<usize, InputError> {
    let mut found = (0..steps.len()).filter(|step| steps[*step] == name);
    match (found.next(), found.next()) {
        (Some(step), None) => Ok(step),
        (Some(_), Some(_)) => Err(at.error(format!("several steps are called `{name}`"), "a name that one step has")),
        (None, _) => Err(at.unknown("step", name, distinct(steps))),
    }
}
