//! Functions of time in LaTeX and in Python.

use crate::problem::function::{Call, Notation, Table};

/// As an equation.
pub(super) struct Latex;

impl Notation for Latex {
    fn number(&self, value: f64) -> String {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, power)) if !(-3..=5).contains(&power.parse::<i32>().unwrap_or(0)) => {
                format!("{digits} \\cdot 10^{{{power}}}")
            }
            _ => format!("{value}"),
        }
    }
    fn step_time(&self) -> String {
        "t".into()
    }
    fn run_time(&self) -> String {
        "t_\\mathrm{run}".into()
    }
    fn times(&self) -> &str {
        "\\,"
    }
    fn quotient(&self, above: &str, below: &str, _: &str, _: &str) -> String {
        format!("\\frac{{{above}}}{{{below}}}")
    }
    fn power(&self, base: &str, exponent: &str, _: &str) -> String {
        format!("{base}^{{{exponent}}}")
    }
    fn call(&self, call: Call, arguments: &[String]) -> String {
        let inside = arguments.join(", ");
        match call {
            Call::Sqrt => format!("\\sqrt{{{inside}}}"),
            Call::Abs => format!("\\left|{inside}\\right|"),
            Call::Floor => format!("\\left\\lfloor {inside} \\right\\rfloor"),
            Call::Step => format!("\\theta\\!\\left({inside}\\right)"),
            Call::Round => format!("\\mathrm{{round}}\\!\\left({inside}\\right)"),
            known => format!("\\{}\\!\\left({inside}\\right)", known.name()),
        }
    }
    fn table(&self, table: &Table, at: &str) -> String {
        format!("\\mathrm{{{}}}({at})", table.name.replace('_', "\\_"))
    }
}

#[cfg(feature = "cli")]
/// As an expression of Python with numpy, where `clock` is when the step began.
pub(super) struct Python;

#[cfg(feature = "cli")]
impl Notation for Python {
    fn number(&self, value: f64) -> String {
        if value < 0.0 { format!("({value:?})") } else { format!("{value:?}") }
    }
    fn step_time(&self) -> String {
        "t".into()
    }
    fn run_time(&self) -> String {
        "(clock + t)".into()
    }
    fn times(&self) -> &str {
        " * "
    }
    fn quotient(&self, _: &str, _: &str, above: &str, below: &str) -> String {
        format!("{above} / {below}")
    }
    fn power(&self, base: &str, _: &str, exponent: &str) -> String {
        format!("{base} ** {exponent}")
    }
    fn call(&self, call: Call, arguments: &[String]) -> String {
        let inside = arguments.join(", ");
        match call {
            Call::Ln => format!("np.log({inside})"),
            Call::Step => format!("np.heaviside({inside}, 1.0)"),
            Call::Min | Call::Max => format!("{}({inside})", call.name()),
            known => format!("np.{}({inside})", known.name()),
        }
    }
    fn table(&self, table: &Table, at: &str) -> String {
        format!("float(table_{}({at}))", table.name)
    }
}

#[cfg(feature = "cli")]
/// A table as a function of Python.
pub(super) fn python_table(table: &Table) -> String {
    let (name, x, y) = (&table.name, table.times(), table.values());
    match table.order() {
        0 => format!(
            "def table_{name}(x, x0=np.array({x:?}), y0={y:?}):\n    return y0[np.searchsorted(x0, x, \"right\") - 1]\n"
        ),
        1 => format!("def table_{name}(x):\n    return np.interp(x, {x:?}, {y:?})\n"),
        _ => format!("import scipy.interpolate\n\ntable_{name} = scipy.interpolate.CubicSpline({x:?}, {y:?})\n"),
    }
}
