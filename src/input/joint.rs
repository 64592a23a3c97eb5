//! Initial states of several subsystems together, and pure states that are written out.

use super::document::Item;
use super::error::{InputError, Span};
use super::expression::{self, Expr, Node};
use super::numpy;
use super::operator::Context;
use super::parameters::Scope;
use super::states::initial;
use super::subsystems::Parts;
use crate::problem::{Acting, Initial, JointState, Kind, MOST_JOINT, OpSum, ProblemBuilder, SubsystemId, ghz, w};
use faer::Mat;
use ndarray::{Array1, Array2, Ix1, Ix2};
use ndarray_npy::ReadNpyError;
use num_complex::Complex64;
use std::path::Path;

/// States that need more than one subsystem, cell or level to be written.
pub(super) const JOINT: [&str; 6] = ["ket", "bell", "ghz", "w", "ground_state", "gibbs"];

/// How each is written.
fn usage(word: &str) -> &'static str {
    match word {
        "ket" => "`ket(1, 0, i)`, an amplitude for each level",
        "ground_state" => "`ground_state`, of the battery's Hamiltonian, or `ground_state(H)`, of `[hamiltonian]`",
        "gibbs" => "`gibbs(beta)`, of the battery's Hamiltonian, or `gibbs(beta, H)`, of `[hamiltonian]`",
        "bell" => "`bell` of two cells, (|gg⟩ + |ee⟩)/√2",
        "ghz" => "`ghz` of two cells or more, (|g…g⟩ + |e…e⟩)/√2",
        _ => "`w` of two cells or more: one excitation, spread evenly",
    }
}

/// What joint states are read with: Hamiltonians and names.
pub(super) struct States<'a, 's> {
    pub(super) scope: &'a Scope<'s>,
    pub(super) parts: &'a Parts,
    /// Members of the battery and its Hamiltonian.
    pub(super) battery: (Vec<SubsystemId>, OpSum),
    /// That of `[hamiltonian]`, and what of it functions of time multiply.
    pub(super) hamiltonian: OpSum,
    pub(super) in_time: Vec<OpSum>,
    /// Where relative file names start.
    pub(super) folder: &'a Path,
}

impl<'s> States<'_, 's> {
    /// `joint = { over = ["A", "B"], state = "ghz" }` or a list of such tables.
    ///
    /// # Errors
    /// The first that is no state of what it is over.
    pub(super) fn section(&self, item: &Item<'s>, builder: &mut ProblemBuilder) -> Result<(), InputError> {
        let tables = if item.is_list() { item.list("a list of joint states")? } else { vec![item.clone()] };
        let mut taken: Vec<SubsystemId> = Vec::new();
        for item in tables {
            let table = item.table("a joint state", item.at)?;
            table.allow("key of a joint state", &["over", "state", "file"])?;
            let members = self.parts.members(table.need("over", "over = [\"A\", \"B\"]")?, "a joint state")?;
            if let Some((id, at)) = members.iter().find(|(id, _)| taken.contains(id)) {
                let message = format!("`{}` starts in two joint states", self.parts.all[*id].name);
                return Err(at.error(message, "each subsystem once"));
            }
            let over: Vec<SubsystemId> = members.into_iter().map(|(id, _)| id).collect();
            let state = match (table.get("state"), table.get("file")) {
                (Some(state), None) => {
                    let state = expression::parse(state.text("a joint state in quotes")?)?;
                    self.word(&state, &over)?
                }
                (None, Some(file)) => {
                    let text = file.text("the name of a file that ends in .npy")?;
                    self.saved(text.text.trim(), &over, file.at)?
                }
                _ => {
                    let expected = "`state = \"ghz\"` or `file = \"psi.npy\"`";
                    return Err(table.at.error("a joint state is written out or in a file", expected));
                }
            };
            taken.extend(&over);
            builder.joint(over, state);
        }
        Ok(())
    }

    /// The state of one subsystem, which it starts in or is reset to.
    ///
    /// # Errors
    /// When it is no state of the subsystem.
    pub(super) fn of(&self, item: &Item<'s>, subsystem: SubsystemId) -> Result<Initial, InputError> {
        match self.written(item, &[subsystem])? {
            Some(state) => Ok(Initial::Alone(state)),
            None => initial(item, self.scope, &self.parts.all[subsystem], self.folder),
        }
    }

    /// The state that `text` writes out, if it begins with one of [`JOINT`].
    ///
    /// # Errors
    /// When it is no state of `over`.
    fn written(&self, item: &Item<'s>, over: &[SubsystemId]) -> Result<Option<JointState>, InputError> {
        if item.is_table() {
            return Ok(None);
        }
        let state = expression::parse(item.text("a state in quotes")?)?;
        let word = match &state.node {
            Node::Call { name, .. } => *name,
            Node::Name(name) => self.scope.meant(name),
            _ => return Ok(None),
        };
        match JOINT.contains(&word) {
            true => self.word(&state, over).map(Some),
            false => Ok(None),
        }
    }

    fn word(&self, state: &Expr<'s>, over: &[SubsystemId]) -> Result<JointState, InputError> {
        let (word, at, arguments) = match &state.node {
            Node::Call { name, name_at, arguments } => (*name, *name_at, arguments.as_slice()),
            Node::Name(name) => (self.scope.meant(name), state.at, [].as_slice()),
            _ => return Err(state.at.error("this is no joint state", usage("ghz"))),
        };
        let number = |argument: &Expr<'s>| self.scope.number_of(argument).map(|found| found.value);
        let of_h = |argument: &Expr<'s>| match argument.node {
            Node::Name("H") => self.within(over, argument.at),
            _ => Err(argument.at.error(format!("`{}` is no Hamiltonian", argument.at.text()), usage(word))),
        };
        match (word, arguments) {
            ("ground_state", []) => Ok(JointState::GroundState(self.of_battery(over, at)?)),
            ("ground_state", [h]) => Ok(JointState::GroundState(of_h(h)?)),
            ("gibbs", [beta]) => Ok(JointState::Gibbs { beta: number(beta)?, operator: self.of_battery(over, at)? }),
            ("gibbs", [beta, h]) => Ok(JointState::Gibbs { beta: number(beta)?, operator: of_h(h)? }),
            ("ket", [_, ..]) => self.ket(arguments, over, at),
            ("bell", []) => self.cells(over, 2..=2, at, word).map(|_| JointState::ghz(2)),
            ("ghz", []) => Ok(JointState::ghz(self.cells(over, 2..=14, at, word)?)),
            ("w", []) => Ok(JointState::w(self.cells(over, 2..=14, at, word)?)),
            _ if JOINT.contains(&word) => {
                Err(state.at.error(format!("`{word}` is given {} arguments", arguments.len()), usage(word)))
            }
            _ => Err(at.unknown("joint state", word, JOINT)),
        }
    }

    /// The number of cells, where there is nothing but cells.
    fn cells(
        &self,
        over: &[SubsystemId],
        allowed: std::ops::RangeInclusive<usize>,
        at: Span<'s>,
        word: &str,
    ) -> Result<usize, InputError> {
        let parts = || over.iter().map(|id| &self.parts.all[*id]);
        if let Some(other) = parts().find(|p| !matches!(p.kind, Kind::Ensemble { .. } | Kind::Network { .. })) {
            let message = format!("`{}` is {}", other.name, other.kind.described());
            return Err(at.error(message, usage(word)));
        }
        let count = parts().map(|part| part.cells()).sum::<u64>() as usize;
        match allowed.contains(&count) {
            true => Ok(count),
            false => {
                let (least, most) = (allowed.start(), allowed.end());
                let number = if least == most { least.to_string() } else { format!("{least} to {most}") };
                Err(at.error(format!("`{word}` of {count} cells"), format!("{number} cells")))
            }
        }
    }

    /// Number of product states.
    fn dimension(&self, over: &[SubsystemId], at: Span<'s>) -> Result<usize, InputError> {
        let ln: f64 = over.iter().map(|id| self.parts.all[*id].ln_dimension()).sum();
        match ln <= (MOST_JOINT as f64).ln() + 1e-9 {
            true => Ok(ln.exp().round() as usize),
            false => {
                Err(at.error(format!("a joint state of {} amplitudes", counted(ln)), format!("at most {MOST_JOINT}")))
            }
        }
    }

    fn ket(&self, arguments: &[Expr<'s>], over: &[SubsystemId], at: Span<'s>) -> Result<JointState, InputError> {
        let d = self.dimension(over, at)?;
        amplitudes(arguments, self.scope, self.parts, d, at).map(JointState::ket)
    }

    /// The battery's Hamiltonian, for a state of the whole battery.
    fn of_battery(&self, over: &[SubsystemId], at: Span<'s>) -> Result<OpSum, InputError> {
        let (members, operator) = &self.battery;
        let same = members.len() == over.len() && members.iter().all(|id| over.contains(id));
        match same {
            true => Ok(operator.clone()),
            false => Err(at.error(
                format!("the battery's Hamiltonian is of the whole battery, {}", self.battery_names()),
                "a state of all of these together (`of` in `[battery]` says which they are), or `ground_state(H)`, `gibbs(beta, H)` of `[hamiltonian]`",
            )),
        }
    }

    fn battery_names(&self) -> String {
        let names: Vec<String> = self.battery.0.iter().map(|id| format!("`{}`", self.parts.all[*id].name)).collect();
        names.join(", ")
    }

    /// The terms of H within some of the subsystems, which no term ties to the others.
    fn within(&self, over: &[SubsystemId], at: Span<'s>) -> Result<OpSum, InputError> {
        let touches = |sum: &OpSum| sum.factors().any(|f| over.contains(&f.subsystem));
        if self.in_time.iter().any(touches) {
            let message = "a term of `[hamiltonian]` on this changes with time";
            return Err(at.error(message, "a Hamiltonian without functions of time; what changes may be a drive"));
        }
        let mut inside = OpSum::default();
        for term in &Acting::on(&self.parts.all).simplified(&self.hamiltonian).terms {
            let own = term.factors.iter().filter(|f| over.contains(&f.subsystem)).count();
            if own == term.factors.len() {
                inside.terms.push(term.clone());
            } else if own > 0 {
                let other = term.factors.iter().find(|f| !over.contains(&f.subsystem));
                let name = other.map_or("", |f| &self.parts.all[f.subsystem].name);
                let message = format!("a term of `[hamiltonian]` acts on `{name}` too, which is not in this state");
                return Err(at.error(message, format!("`joint = {{ over = [… , \"{name}\"], state = … }}`")));
            }
        }
        Ok(inside)
    }

    /// A vector or a density matrix from a NumPy file.
    fn saved(&self, name: &str, over: &[SubsystemId], at: Span<'s>) -> Result<JointState, InputError> {
        let d = self.dimension(over, at)?;
        let path = &numpy::beside(self.folder, name);
        let shape = |message: String| Err(at.error(message, format!("{d} amplitudes, or a {d} × {d} density matrix")));
        match numpy::read::<Ix1>(path) {
            Ok(ket) if ket.len() != d => shape(format!("`{name}` holds {} amplitudes", ket.len())),
            Ok(ket) => Ok(JointState::ket(of_norm_1(&ket, name, at)?)),
            Err(ReadNpyError::WrongNdim(..)) => {
                let read = numpy::read::<Ix2>(path);
                let rho: Array2<Complex64> = read.map_err(|e| numpy::unreadable(path, &e, at))?;
                if rho.dim() != (d, d) {
                    return shape(format!("`{name}` holds a matrix of {} × {}", rho.nrows(), rho.ncols()));
                }
                let matrix = Mat::from_fn(d, d, |i, j| rho[[i, j]]);
                JointState::mixed(&matrix).map_err(|why| {
                    at.error(format!("the matrix in `{name}` is no density matrix: {why}"), "ρ = ρ† ≥ 0, Tr ρ = 1")
                })
            }
            Err(error) => Err(numpy::unreadable(path, &error, at)),
        }
    }
}

fn of_norm_1(ket: &Array1<Complex64>, name: &str, at: Span<'_>) -> Result<Vec<Complex64>, InputError> {
    let norm = ket.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
    match (norm - 1.0).abs() <= 1e-6 {
        true => Ok(ket.iter().map(|x| x / norm).collect()),
        false => Err(at.error(format!("the vector in `{name}` has the norm {norm}"), "a vector of norm 1")),
    }
}

/// A vector of `d` amplitudes from a NumPy file.
pub(super) fn saved_ket(folder: &Path, name: &str, d: usize, at: Span<'_>) -> Result<Vec<Complex64>, InputError> {
    let path = &numpy::beside(folder, name);
    let ket: Array1<Complex64> = numpy::read::<Ix1>(path).map_err(|error| numpy::unreadable(path, &error, at))?;
    if ket.len() != d {
        return Err(at.error(format!("`{name}` holds {} amplitudes", ket.len()), format!("{d} amplitudes")));
    }
    of_norm_1(&ket, name, at)
}

/// A pure state of factors of so many levels that is written out: `ket(…)`, `bell`, `ghz`, `w`.
pub(super) fn ket_of<'s>(
    state: &Expr<'s>,
    scope: &Scope<'s>,
    parts: &Parts,
    levels: &[usize],
) -> Result<Vec<Complex64>, InputError> {
    let d: usize = levels.iter().product();
    let cells = levels.iter().all(|n| *n == 2);
    let (word, arguments) = match &state.node {
        Node::Call { name, arguments, .. } => (*name, arguments.as_slice()),
        Node::Name(name) => (scope.meant(name), [].as_slice()),
        _ => ("", [].as_slice()),
    };
    match (word, arguments) {
        ("ket", [_, ..]) => amplitudes(arguments, scope, parts, d, state.at),
        ("bell", []) if cells && levels.len() == 2 => Ok(ghz(2)),
        ("ghz", []) if cells && levels.len() >= 2 => Ok(ghz(levels.len())),
        ("w", []) if cells && levels.len() >= 2 => Ok(w(levels.len())),
        _ => {
            let message = format!("`{}` is no pure state of this part", state.at.text());
            Err(scope
                .origin(state)
                .error(message, format!("`ket(…)` of {d} amplitudes; of cells `bell`, `ghz` or `w`")))
        }
    }
}

/// So many amplitudes, scaled to norm 1.
fn amplitudes<'s>(
    arguments: &[Expr<'s>],
    scope: &Scope<'s>,
    parts: &Parts,
    d: usize,
    at: Span<'s>,
) -> Result<Vec<Complex64>, InputError> {
    if arguments.len() != d {
        let message = format!("`ket` is given {} amplitudes", arguments.len());
        return Err(at.error(message, format!("{d}, one for each level or product state")));
    }
    let context = Context::whole(scope, parts);
    let amplitudes = arguments.iter().map(|x| context.complex(x)).collect::<Result<Vec<Complex64>, _>>()?;
    let norm = amplitudes.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
    match norm.is_finite() && norm > 0.0 {
        true => Ok(amplitudes.into_iter().map(|x| x / norm).collect()),
        false => Err(at.error(format!("a ket of norm {norm}"), "amplitudes of which one at least is not 0")),
    }
}

/// A whole number by its logarithm, for a message: itself, or its power of ten where that would be long.
pub(super) fn counted(ln: f64) -> String {
    if ln < 1e9f64.ln() { format!("{:.0}", ln.exp()) } else { format!("10^{:.1}", ln / std::f64::consts::LN_10) }
}
