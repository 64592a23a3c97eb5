//! Expressions of numbers by other names than parameters: columns of a table, the abscissa of a figure.

use super::error::{InputError, Source};
use super::expression::{self, Quoted};
use super::parameters::Scope;

/// An expression in the language of the input, of which every name stands for a number.
///
/// ```
/// use leyden::input::Formula;
/// let formula = Formula::parse("energy/time")?;
/// assert_eq!(formula.names(), ["energy", "time"]);
/// assert_eq!(formula.value(&[3.0, 2.0])?, 1.5);
/// # Ok::<(), leyden::input::InputError>(())
/// ```
#[derive(Debug)]
pub struct Formula {
    source: Source,
    names: Vec<String>,
}

impl Formula {
    /// What `text` says.
    ///
    /// # Errors
    /// With the place, if it is no expression.
    pub fn parse(text: &str) -> Result<Self, InputError> {
        let source = Source::file("formula", text);
        let mut names: Vec<String> = Vec::new();
        for (name, _) in expression::parse(Quoted::verbatim(source.span(0, text.len())))?.names() {
            if name != "pi" && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(Self { source, names })
    }

    /// The names in it, in the order in which they come, but π.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its value where these stand for `numbers`, one each.
    ///
    /// # Errors
    /// With the place, where there is no finite value.
    pub fn value(&self, numbers: &[f64]) -> Result<f64, InputError> {
        let at = self.source.span(0, self.source.text().len());
        let numbers: Vec<(&str, f64)> = self.names.iter().map(String::as_str).zip(numbers.iter().copied()).collect();
        Scope::of(None)?.with(&numbers, &expression::parse(Quoted::verbatim(at))?)
    }
}
