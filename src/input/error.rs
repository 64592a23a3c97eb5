//! Mistakes in the input, each with the place it was made and what was expected there.

use crate::error::nearest;
use std::fmt;
use std::ops::Range;

/// Something in the input that cannot be understood or is out of range; nothing is run.
///
/// Printed as
/// ```text
/// error: unknown parameter `gama`
///   --> aging.toml:6:15
///    |
///  6 | Gamma = "1600*gama"
///    |               ^^^^ expected a parameter; did you mean `gamma`?
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct InputError {
    /// The file, or `command line` for an option.
    pub file: String,
    /// Where in it; `None` when the file as a whole is meant.
    pub place: Option<Box<Place>>,
    /// What is wrong.
    pub message: String,
    /// What was expected instead; may be empty.
    pub expected: String,
}

/// A stretch of one line of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Line of the file, from 1; `None` for an option.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line itself, or the option as typed.
    pub source_line: String,
    /// The offending characters of `source_line`, counted from 0.
    pub span: Range<usize>,
}

impl InputError {
    /// An error of the file as a whole.
    pub(super) fn in_file(file: &str, message: impl Into<String>, expected: impl Into<String>) -> Self {
        let (message, expected) = (shortened(&message.into()), shortened(&expected.into()));
        Self { file: file.to_owned(), place: None, message, expected }
    }

    /// The same error, said to have come up at `when`.
    pub(super) fn at(mut self, when: &str) -> Self {
        self.message = shortened(&format!("{} ({when})", self.message));
        self
    }

    /// The offending text, empty when the file as a whole is meant.
    pub fn text(&self) -> String {
        self.place.iter().flat_map(|p| p.source_line.chars().skip(p.span.start).take(p.span.len())).collect()
    }
}

/// Characters of a message that are shown; quoted names may be longer than any screen.
const LONGEST: usize = 500;
const LONGEST_QUOTE: usize = 200;

/// `text` with long quotes, and itself if it is long, cut in their middle.
pub(super) fn shortened(text: &str) -> String {
    let cut = |text: &str, most: usize| -> String {
        let length = text.chars().count();
        if length <= most {
            return text.to_owned();
        }
        let head: String = text.chars().take(most / 2).collect();
        let tail: String = text.chars().skip(length - most / 4).collect();
        format!("{head} … {tail}")
    };
    // Every other stretch between backticks is a quote.
    let most = |at: usize| if at % 2 == 1 { LONGEST_QUOTE } else { LONGEST };
    let parts: Vec<String> = text.split('`').enumerate().map(|(at, part)| cut(part, most(at))).collect();
    cut(&parts.join("`"), 2 * LONGEST)
}

/// Characters of a source line that are shown.
const WIDEST: usize = 160;

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let label = if self.expected.is_empty() { String::new() } else { format!(" expected {}", self.expected) };
        let Some(place) = &self.place else {
            write!(f, "  --> {}", self.file)?;
            return if label.is_empty() { Ok(()) } else { write!(f, "\n   ={label}") };
        };
        let number = place.line.map(|l| l.to_string()).unwrap_or_default();
        let margin = " ".repeat(number.len().max(1));
        match place.line {
            Some(line) => writeln!(f, " {margin}--> {}:{line}:{}", self.file, place.column)?,
            None => writeln!(f, " {margin}--> {}", self.file)?,
        }
        writeln!(f, " {margin} |")?;
        // Of a line too long for any screen, the part around the mistake.
        let from =
            if place.source_line.chars().count() > WIDEST { place.span.start.saturating_sub(WIDEST / 2) } else { 0 };
        let line: String = place.source_line.chars().skip(from).take(WIDEST).collect();
        writeln!(f, " {number:1} | {line}")?;
        let carets = "^".repeat(place.span.len().clamp(1, WIDEST / 2));
        write!(f, " {margin} | {}{carets}{label}", " ".repeat(place.span.start - from))
    }
}

impl std::error::Error for InputError {}

/// A text that errors can point into: the file, or one option of the command line.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    text: String,
    numbered: bool,
}

impl Source {
    pub(super) fn file(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), numbered: true }
    }

    pub(super) fn option(typed: String) -> Self {
        Self { name: "command line".to_owned(), text: typed, numbered: false }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The bytes `start..end`, moved to character boundaries if need be.
    pub(super) fn span(&self, start: usize, end: usize) -> Span<'_> {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(end.clamp(start, self.text.len()));
        Span { source: self, start, end }
    }
}

/// A stretch of a [`Source`] in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'s> {
    source: &'s Source,
    pub(super) start: usize,
    end: usize,
}

impl<'s> Span<'s> {
    /// From the start of `self` to the end of `last`.
    pub(super) fn to(self, last: Span<'s>) -> Span<'s> {
        Span { end: last.end.max(self.start), ..self }
    }

    /// The bytes `range` of this stretch.
    pub(super) fn part(self, range: Range<usize>) -> Span<'s> {
        self.source.span(self.start + range.start, (self.start + range.end).min(self.end))
    }

    /// The text itself.
    pub(super) fn text(self) -> &'s str {
        self.source.text.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn error(self, message: impl Into<String>, expected: impl Into<String>) -> InputError {
        let text = &self.source.text;
        let line_start = text[..self.start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[self.start..].find('\n').map_or(text.len(), |at| self.start + at);
        let column = text[line_start..self.start].chars().count();
        let length = text[self.start..self.end.min(line_end)].chars().count();
        // Control characters would spoil the picture; each stays one column wide.
        let visible = |c: char| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        };
        let whole = if self.source.numbered { &text[line_start..line_end] } else { text.as_str() };
        let source_line: String = whole.strip_suffix('\r').unwrap_or(whole).chars().map(visible).collect();
        let (line, column) = if self.source.numbered {
            (Some(1 + text[..line_start].matches('\n').count()), column)
        } else {
            (None, text[..self.start].chars().count())
        };
        let span = column..column + length;
        InputError {
            file: self.source.name.clone(),
            place: Some(Box::new(Place { line, column: column + 1, source_line, span })),
            message: shortened(&message.into()),
            expected: shortened(&expected.into()),
        }
    }

    /// `name`, found here, stands for nothing; `known` are the names that would.
    pub(super) fn unknown<S: Into<String>>(
        self,
        kind: &str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> InputError {
        let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        self.error(format!("unknown {kind} `{name}`"), format!("{article} {kind}{}", suggestion(name, known)))
    }
}

/// What to try instead of `name`: the one near name, or all there are.
fn suggestion<S: Into<String>>(name: &str, known: impl IntoIterator<Item = S>) -> String {
    let known: Vec<String> = known.into_iter().map(Into::into).collect();
    let near = nearest(name, known.iter());
    match (near.as_slice(), known.as_slice()) {
        (_, []) => "; there are none".to_owned(),
        (_, [only]) => format!(": `{only}`"),
        ([near], _) => format!("; did you mean `{near}`?"),
        (many, _) => format!(": one of {}", many.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// A number as a person would write it.
pub(super) fn shown(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) { format!("{value}") } else { format!("{value:?}") }
}
