//! Initial states, and those of resets.

use super::document::Item;
use super::error::{InputError, Span, shown};
use super::expression::{self, Expr, Node};
use super::numpy;
use super::operator::Context;
use super::parameters::{Number, Scope, Value};
use super::subsystems::Parts;
use crate::problem::{Initial, Kind, Subsystem, haar_unitary, is_unitary};
use faer::Mat;
use ndarray::Ix2;
use num_complex::Complex64;
use std::path::Path;
use std::sync::Arc;

const OF_CELLS: &[&str] = &["ground", "excited", "plus", "thermal", "angle", "cell"];
const OF_ENSEMBLES: &[&str] = &["ground", "excited", "plus", "thermal", "angle", "cell", "dicke"];
const OF_NETWORKS: &[&str] = &["ground", "excited", "plus", "thermal", "angle", "cell", "haar"];
const OF_MODES: &[&str] = &["ground", "fock", "coherent", "thermal"];
const OF_LEVELS: &[&str] = &["ground", "level", "populations"];
const ALL: [&str; 12] = [
    "ground",
    "excited",
    "plus",
    "thermal",
    "angle",
    "cell",
    "dicke",
    "haar",
    "fock",
    "coherent",
    "level",
    "populations",
];
const EXAMPLES: &str = "a state such as `ground`, `excited`, `plus`, `thermal(q)`, `dicke(J, M)` or `fock(n)`";
/// A unitary has 2^N × 2^N elements.
const MOST_UNITARY_CELLS: usize = 8;
const LARGEST_SEED: u64 = 1 << 53;

/// What is asked for, as it should be written.
fn usage(word: &str) -> &'static str {
    match word {
        "thermal" => "`thermal(q)` with q = p_e/p_g",
        "dicke" => "`dicke(J, M)`",
        "angle" => "`angle(theta, phi)`, the angles of the Bloch vector, |e⟩ up",
        "cell" => "`cell(p_e, c)`, the excited population and the coherence ⟨e|ρ|g⟩ of every cell",
        "haar" => "`haar(q, seed)`: a random unitary on a product Gibbs state of ratio q",
        "fock" => "`fock(n)`",
        "coherent" => "`coherent(alpha)`",
        "level" => "`level(k)`",
        "populations" => "`populations(p0, p1, …)`, one for each level",
        _ => "the word alone",
    }
}

/// The state that `part` starts in or is reset to; relative file names start from `folder`.
pub(super) fn initial<'s>(
    item: &Item<'s>,
    scope: &Scope<'s>,
    part: &Subsystem,
    folder: &Path,
) -> Result<Initial, InputError> {
    if item.is_table() {
        return rotated(item, scope, part, folder);
    }
    let name = &part.name;
    let state = expression::parse(item.text(EXAMPLES)?)?;
    let (word, word_at, arguments) = match &state.node {
        Node::Call { name, name_at, arguments } if ALL.contains(name) => (*name, *name_at, arguments.as_slice()),
        Node::Call { name, name_at, .. } => {
            return Err(name_at.unknown("initial state", name, ALL));
        }
        _ => (scope.choice("initial state", &state, &ALL)?, state.at, [].as_slice()),
    };
    let allowed = match &part.kind {
        Kind::Ensemble { .. } => OF_ENSEMBLES,
        Kind::Network { cells: 1, .. } => OF_CELLS,
        Kind::Network { .. } => OF_NETWORKS,
        Kind::Mode { .. } => OF_MODES,
        Kind::Levels { .. } => OF_LEVELS,
    };
    if !allowed.contains(&word) {
        let message = format!("`{name}` is {} and cannot start in the state `{word}`", part.kind.described());
        let list: Vec<String> = allowed.iter().map(|w| format!("`{w}`")).collect();
        return Err(word_at.error(message, list.join(", ")));
    }
    let number = |argument: &Expr<'s>| scope.number_of(argument);
    match (word, arguments) {
        ("ground", []) => Ok(Initial::Ground),
        ("excited", []) => Ok(Initial::Excited),
        ("plus", []) => Ok(Initial::plus()),
        ("thermal", [ratio]) => Ok(Initial::Thermal { ratio: boltzmann(number(ratio)?, name)? }),
        ("angle", [theta, phi]) => Ok(Initial::angle(number(theta)?.value, number(phi)?.value)),
        ("cell", [excited, coherence]) => {
            let p = number(excited)?;
            let expected = "a number from 0 to 1";
            let excited =
                p.check(&format!("the excited population of {name}"), (0.0..=1.0).contains(&p.value), expected)?;
            let c = complex(scope, coherence)?;
            let most = (excited * (1.0 - excited)).sqrt();
            if c.norm() > most * (1.0 + 1e-12) + 1e-15 {
                let message = format!("the coherence of {name} has size {}", shown(c.norm()));
                return Err(scope.origin(coherence).error(message, format!("at most √(p_e p_g) = {}", shown(most))));
            }
            Ok(Initial::Cell { excited, coherence: c })
        }
        ("fock", [n]) => {
            let Kind::Mode { cutoff } = part.kind else { return Ok(Initial::Ground) };
            let n = number(n)?.whole(&format!("the Fock state of {name}"), 0..=cutoff as u64 - 1)?;
            Ok(Initial::Fock(n as usize))
        }
        ("coherent", [alpha]) => Ok(Initial::Coherent(complex(scope, alpha)?)),
        ("level", [level]) => {
            let Kind::Levels { energies } = &part.kind else { return Ok(Initial::Ground) };
            let k = number(level)?.whole(&format!("the level of {name}"), 0..=energies.len() as u64 - 1)? as usize;
            Ok(Initial::Populations((0..energies.len()).map(|i| f64::from(u8::from(i == k))).collect()))
        }
        ("populations", all) => populations(scope, all, part, &state),
        ("haar", [ratio, seed]) => {
            let ratio = boltzmann(number(ratio)?, name)?;
            let seed = number(seed)?.whole("the seed of the unitary", 0..=LARGEST_SEED)?;
            let Kind::Network { cells, .. } = part.kind else { return Ok(Initial::Ground) };
            if cells > MOST_UNITARY_CELLS {
                let message = format!("a unitary on {cells} cells has 4^{cells} elements");
                return Err(word_at.error(message, format!("at most {MOST_UNITARY_CELLS} cells")));
            }
            Ok(Initial::Rotated { ratio, unitary: Arc::new(haar_unitary(1 << cells, seed)) })
        }
        ("dicke", [j, m]) => {
            let (j, m) = (number(j)?, number(m)?);
            let n = part.cells() as f64;
            let two_j = doubled(j, &format!("J of {name}"), n % 2.0, n)?;
            let two_m = doubled(m, &format!("M of {name}"), -two_j, two_j)?;
            Ok(Initial::Dicke { two_j: two_j as u64, two_m: two_m as i64 })
        }
        _ => Err(state.at.error(format!("`{word}` is given {} arguments", arguments.len()), usage(word))),
    }
}

fn boltzmann(ratio: Number<'_>, name: &str) -> Result<f64, InputError> {
    ratio.non_negative(&format!("the Boltzmann ratio p_e/p_g of {name}"))
}

/// A complex number, `i` being the imaginary unit.
fn complex<'s>(scope: &Scope<'s>, expression: &Expr<'s>) -> Result<Complex64, InputError> {
    Context::whole(scope, &Parts::default()).complex(expression)
}

fn populations<'s>(
    scope: &Scope<'s>,
    all: &[Expr<'s>],
    part: &Subsystem,
    state: &Expr<'s>,
) -> Result<Initial, InputError> {
    let Kind::Levels { energies } = &part.kind else { return Ok(Initial::Ground) };
    let p = all.iter().map(|p| scope.number_of(p)?.non_negative("a population")).collect::<Result<Vec<f64>, _>>()?;
    let sum: f64 = p.iter().sum();
    if p.len() != energies.len() || (sum - 1.0).abs() > 1e-9 {
        let message = format!("{} populations that sum to {}", p.len(), shown(sum));
        return Err(state.at.error(message, format!("{} that sum to 1", energies.len())));
    }
    Ok(Initial::Populations(p.into_iter().map(|p| p / sum).collect()))
}

/// `{ thermal = q, unitary = "haar" or "file.npy", seed = 1 }`.
fn rotated<'s>(item: &Item<'s>, scope: &Scope<'s>, part: &Subsystem, folder: &Path) -> Result<Initial, InputError> {
    let table = item.table("the initial state", item.at)?;
    table.allow("key of an initial state", &["thermal", "unitary", "seed"])?;
    let cells = match part.kind {
        Kind::Network { cells, .. } if cells <= MOST_UNITARY_CELLS => cells,
        _ => {
            let message = format!("`{}` is {}, it cannot start behind a unitary", part.name, part.kind.described());
            return Err(item.at.error(message, format!("a network of at most {MOST_UNITARY_CELLS} cells")));
        }
    };
    let ratio = boltzmann(scope.number(table.need("thermal", "thermal = 0.5")?)?, &part.name)?;
    let (word, at) = file_or_haar(table.need("unitary", "unitary = \"haar\"` or `unitary = \"file.npy\"")?, scope)?;
    let unitary = if word == "haar" {
        let seed = match table.get("seed") {
            Some(seed) => scope.number(seed)?.whole("the seed of the unitary", 0..=LARGEST_SEED)?,
            None => 1,
        };
        haar_unitary(1 << cells, seed)
    } else {
        saved_unitary(&numpy::beside(folder, &word), &word, cells, at)?
    };
    Ok(Initial::Rotated { ratio, unitary: Arc::new(unitary) })
}

/// `haar` or the name of a file, written out or by a parameter that stands for one, and where it was decided.
fn file_or_haar<'s>(item: &Item<'s>, scope: &Scope<'s>) -> Result<(String, Span<'s>), InputError> {
    let expected = "`haar` or the name of a file that ends in .npy";
    let text = item.text(expected)?;
    let is_file = |word: &str| word.ends_with(".npy");
    if is_file(text.text.trim()) {
        return Ok((text.text.trim().to_owned(), text.at));
    }
    let word = expression::parse(text)?;
    let at = scope.origin(&word);
    let meant = match word.node {
        Node::Name(name) => scope.get(name).cloned().unwrap_or_else(|| Value::Word(name.to_owned())),
        _ => Value::Word(text.text.to_owned()),
    };
    match meant {
        Value::Word(word) if word == "haar" || is_file(&word) => Ok((word, at)),
        Value::Word(word) => Err(at.error(format!("unknown unitary `{word}`"), expected)),
        Value::Number(_) => Err(at.error(format!("`{}` is a number here", text.text), expected)),
    }
}

/// The unitary on `cells` cells in a NumPy file.
fn saved_unitary(path: &Path, name: &str, cells: usize, at: Span<'_>) -> Result<Mat<Complex64>, InputError> {
    let matrix = numpy::read::<Ix2>(path).map_err(|error| numpy::unreadable(path, &error, at))?;
    let d = 1usize << cells;
    if matrix.dim() != (d, d) {
        let message = format!("`{name}` holds a matrix of {} × {}", matrix.nrows(), matrix.ncols());
        return Err(at.error(message, format!("{d} × {d} for {cells} cells")));
    }
    let unitary = Mat::from_fn(d, d, |i, j| matrix[[i, j]]);
    match is_unitary(&unitary) {
        true => Ok(unitary),
        false => Err(at.error(format!("the matrix in `{name}` is not unitary"), "U†U = 1 to 1e-9")),
    }
}

/// Twice a half-integer that lies in steps of 1 between `least`/2 and `most`/2.
fn doubled(number: Number<'_>, what: &str, least: f64, most: f64) -> Result<f64, InputError> {
    let twice = (2.0 * number.value).round();
    let half_integer = (2.0 * number.value - twice).abs() <= 1e-12 * twice.abs();
    let allowed = half_integer && (least..=most).contains(&twice) && (most - twice) % 2.0 == 0.0;
    let expected = format!("a value from {} to {} in steps of 1", shown(least / 2.0), shown(most / 2.0));
    number.check(what, allowed, &expected)?;
    Ok(twice)
}
