//! Expressions inside strings: the grammar, and the tree it gives, with the place of every node.

use super::error::{InputError, Span};
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;
use pest::pratt_parser::{Assoc, ConstPrattParser, Op};
use std::ops;

#[derive(pest_derive::Parser)]
#[grammar = "input/expression.pest"]
struct Grammar;

/// Loosest first; −2^2 is −4, and 2^−1 is ½.
static PRECEDENCE: ConstPrattParser<Rule, 7> = ConstPrattParser::new_const([
    (Op::infix(Rule::add, Assoc::Left), true),
    (Op::infix(Rule::subtract, Assoc::Left), false),
    (Op::infix(Rule::multiply, Assoc::Left), true),
    (Op::infix(Rule::divide, Assoc::Left), false),
    (Op::prefix(Rule::negative), true),
    (Op::prefix(Rule::positive), false),
    (Op::infix(Rule::power, Assoc::Right), true),
]);

/// Bounds that keep the recursion over a tree shallow: in characters, and in parentheses and powers.
const LONGEST: usize = 2000;
const DEEPEST: usize = 40;

/// A string of the input, and where its characters stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'s> {
    pub(super) text: &'s str,
    /// The characters themselves if they stand in the source as they are, else the whole string.
    pub(super) at: Span<'s>,
    verbatim: bool,
}

impl<'s> Quoted<'s> {
    /// `text` as decoded from the string literal at `literal`.
    pub(super) fn literal(text: &'s str, literal: Span<'s>) -> Self {
        let raw = literal.text();
        let inner = 1..raw.len().saturating_sub(1);
        match raw.get(inner.clone()) {
            Some(same) if same == text && !text.is_empty() => Self { text, at: literal.part(inner), verbatim: true },
            _ => Self { text, at: literal, verbatim: false },
        }
    }

    /// Text that stands in the source as it is.
    pub(super) fn verbatim(at: Span<'s>) -> Self {
        Self { text: at.text(), at, verbatim: true }
    }

    fn span(&self, range: ops::Range<usize>) -> Span<'s> {
        if self.verbatim { self.at.part(range) } else { self.at }
    }
}

/// A node of an expression and its place.
#[derive(Clone, Debug)]
pub(super) struct Expr<'s> {
    pub(super) node: Node<'s>,
    pub(super) at: Span<'s>,
}

#[derive(Clone, Debug)]
pub(super) enum Node<'s> {
    Number(f64),
    Name(&'s str),
    Call {
        name: &'s str,
        name_at: Span<'s>,
        arguments: Vec<Expr<'s>>,
    },
    /// |to⟩⟨from| of a multi-level system.
    Transition {
        to: Level<'s>,
        from: Level<'s>,
        subsystem: &'s str,
        subsystem_at: Span<'s>,
    },
    Sum(Box<Sum<'s>>),
    Negative(Box<Expr<'s>>),
    /// From left to right, all operators of one precedence: a long sum is wide, not deep.
    Sequence {
        first: Box<Expr<'s>>,
        rest: Vec<(Binary, Expr<'s>)>,
    },
}

/// The number of a level: `2`, or `k+1` with the index of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level<'s> {
    pub(super) index: Option<&'s str>,
    pub(super) offset: i64,
    pub(super) at: Span<'s>,
}

/// Σ of an expression over the values of one index, or of two that run together over edges.
#[derive(Clone, Debug)]
pub(super) struct Sum<'s> {
    pub(super) indices: Vec<(&'s str, Span<'s>)>,
    pub(super) over: Range<'s>,
    pub(super) body: Expr<'s>,
}

/// What the index of a sum runs over.
#[derive(Clone, Debug)]
pub(super) enum Range<'s> {
    /// The cells of a network, from 0.
    Cells(&'s str, Span<'s>),
    /// Its edges.
    Edges(&'s str, Span<'s>),
    /// Whole numbers, both ends included.
    Numbers(Box<[Expr<'s>; 2]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl Binary {
    fn precedence(self) -> u8 {
        match self {
            Binary::Add | Binary::Subtract => 0,
            Binary::Multiply | Binary::Divide => 1,
            Binary::Power => 2,
        }
    }
}

impl<'s> Expr<'s> {
    /// `self` followed by an operator and its right operand.
    fn then(self, binary: Binary, right: Expr<'s>) -> Expr<'s> {
        let at = self.at.to(right.at);
        let same = |(last, _): &(Binary, Expr<'s>)| binary != Binary::Power && last.precedence() == binary.precedence();
        let node = match self.node {
            Node::Sequence { first, mut rest } if rest.last().is_some_and(same) => {
                rest.push((binary, right));
                Node::Sequence { first, rest }
            }
            node => Node::Sequence { first: Box::new(Expr { node, at: self.at }), rest: vec![(binary, right)] },
        };
        Expr { node, at }
    }

    /// Every name that stands for a value here, with its place; not those of functions.
    pub(super) fn names(&self) -> Vec<(&'s str, Span<'s>)> {
        match &self.node {
            Node::Number(_) => Vec::new(),
            Node::Transition { to, from, .. } => {
                [to, from].into_iter().filter_map(|level| Some((level.index?, level.at))).collect()
            }
            Node::Name(name) => vec![(*name, self.at)],
            Node::Call { arguments, .. } => arguments.iter().flat_map(Expr::names).collect(),
            Node::Sum(sum) => {
                let ends = match &sum.over {
                    Range::Numbers(ends) => ends.iter().flat_map(Expr::names).collect(),
                    _ => Vec::new(),
                };
                let bound = |name: &str| sum.indices.iter().any(|(index, _)| *index == name);
                ends.into_iter().chain(sum.body.names().into_iter().filter(|(name, _)| !bound(name))).collect()
            }
            Node::Negative(inner) => inner.names(),
            Node::Sequence { first, rest } => {
                first.names().into_iter().chain(rest.iter().flat_map(|(_, e)| e.names())).collect()
            }
        }
    }
}

/// The tree of an expression.
///
/// # Errors
/// The text is no expression, too long, or nested too deeply.
pub(super) fn parse(text: Quoted<'_>) -> Result<Expr<'_>, InputError> {
    if text.text.trim().is_empty() {
        return Err(text.at.error("an empty expression", "a number, a name or an expression such as `2*gamma`"));
    }
    if text.text.len() > LONGEST {
        return Err(text.at.error("this expression is too long", format!("at most {LONGEST} characters")));
    }
    let (mut depth, mut powers) = (0_usize, 0_usize);
    for (at, c) in text.text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '^' => powers += 1,
            _ => {}
        }
        if depth.max(powers) > DEEPEST {
            let what = if depth > powers { "parentheses inside one another" } else { "powers in one expression" };
            return Err(text.span(at..at + 1).error(format!("too many {what}"), format!("at most {DEEPEST}")));
        }
    }
    let mut pairs = Grammar::parse(Rule::program, text.text).map_err(|error| syntax(text, &error))?;
    match pairs.next() {
        Some(pair) => tree(pair, text),
        None => Err(text.at.error("an empty expression", "")),
    }
}

fn syntax<'s>(text: Quoted<'s>, error: &pest::error::Error<Rule>) -> InputError {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let rest = text.text.get(at..).unwrap_or_default();
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let length = word.max(rest.chars().next().map_or(0, char::len_utf8));
    let here = text.span(at..at + length);
    let before = text.text[..at].trim_end();
    if let Some(error) = slip(text, at, before, rest.get(..length).unwrap_or_default()) {
        return error;
    }
    let message = match rest.get(..length) {
        None | Some("") => "the expression stops short".to_owned(),
        Some(found) => format!("unexpected `{}`", found.escape_debug()),
    };
    let rules: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut expected: Vec<&str> = Vec::new();
    for rule in rules {
        let what = match rule {
            Rule::number | Rule::call | Rule::name | Rule::group | Rule::transition | Rule::expression => {
                "a number, a name or `(`"
            }
            Rule::negative | Rule::positive => continue,
            Rule::add | Rule::subtract | Rule::multiply | Rule::divide | Rule::power => "an operator",
            Rule::close => "`)`",
            Rule::comma => "`,`",
            Rule::index => "the number of a level, as in `|1><0|(E)`",
            _ => "the end",
        };
        if !expected.contains(&what) {
            expected.push(what);
        }
    }
    expected.sort_by_key(|what| *what == "the end");
    here.error(message, expected.join(" or "))
}

/// What other languages allow in front of `here`, the characters from `at` on: `x**2`, `2j`, a product without `*`.
fn slip<'s>(text: Quoted<'s>, at: usize, before: &str, here: &str) -> Option<InputError> {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let last = before.rsplit(|c: char| !inside(c)).next().unwrap_or_default();
    let last = last.rsplit("..").next().unwrap_or_default();
    if before.ends_with('*') && here.starts_with('*') {
        let star = before.len() - 1;
        let base = before[..star].trim_end().rsplit(|c: char| !inside(c)).next().filter(|base| !base.is_empty());
        let example = base.map(|base| format!(", as in `{base}^2`")).unwrap_or_default();
        return Some(text.span(star..at + 1).error("`**` is no operator", format!("`^` for a power{example}")));
    }
    let number = last.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if number && here == "j" && at == before.len() {
        let message = format!("`{last}j` is no number");
        return Some(
            text.span(at - last.len()..at + 1).error(message, format!("`{last}*i`, `i` is the imaginary unit")),
        );
    }
    let starts = here.starts_with(|c: char| c.is_alphanumeric() || "_(|".contains(c));
    if !starts || !before.ends_with(|c: char| inside(c) || c == ')') {
        return None;
    }
    // In a list of arguments a comma may be what is missing.
    let in_list = before.matches('(').count() > before.matches(')').count();
    let (left, or_comma) = (if last.is_empty() { ")" } else { last }, if in_list { ", or `,`" } else { "" });
    let message = format!("there is nothing between `{left}` and `{here}`");
    Some(text.span(at..at + here.len()).error(message, format!("`*` for a product, `{left}*{here}`{or_comma}")))
}

fn tree<'s>(expression: Pair<'s, Rule>, text: Quoted<'s>) -> Result<Expr<'s>, InputError> {
    PRECEDENCE
        .map_primary(|pair| primary(pair, text))
        .map_prefix(|sign, operand| {
            let operand = operand?;
            let at = place(&sign, text).to(operand.at);
            Ok(match sign.as_rule() {
                Rule::negative => Expr { node: Node::Negative(Box::new(operand)), at },
                _ => operand,
            })
        })
        .map_infix(|left, sign, right| {
            let binary = match sign.as_rule() {
                Rule::add => Binary::Add,
                Rule::subtract => Binary::Subtract,
                Rule::multiply => Binary::Multiply,
                Rule::divide => Binary::Divide,
                _ => Binary::Power,
            };
            Ok(left?.then(binary, right?))
        })
        .parse(expression.into_inner().filter(|pair| pair.as_rule() != Rule::EOI))
}

fn place<'s>(pair: &Pair<'s, Rule>, text: Quoted<'s>) -> Span<'s> {
    let span = pair.as_span();
    text.span(span.start()..span.end())
}

fn primary<'s>(pair: Pair<'s, Rule>, text: Quoted<'s>) -> Result<Expr<'s>, InputError> {
    let at = place(&pair, text);
    let rule = pair.as_rule();
    let node = match rule {
        Rule::number => Node::Number(number(pair.as_str(), at)?),
        Rule::name => Node::Name(pair.as_str()),
        _ => {
            let mut parts = pair.into_inner().filter(|p| !matches!(p.as_rule(), Rule::close | Rule::comma));
            let short = || at.error("this cannot be read", "an expression");
            let mut next = || parts.next().ok_or_else(short);
            match rule {
                Rule::sum => {
                    let (index, over, body) = (next()?, next()?, next()?);
                    let indices = match index.as_rule() {
                        Rule::pair => index.into_inner().filter(|p| p.as_rule() == Rule::name).collect(),
                        _ => vec![index],
                    };
                    let indices = indices.iter().map(|p| (p.as_str(), place(p, text))).collect();
                    Node::Sum(Box::new(Sum { indices, over: range(over, text)?, body: tree(body, text)? }))
                }
                Rule::group => Expr { at, ..tree(next()?, text)? }.node,
                Rule::transition => {
                    let (to, from, subsystem) = (next()?, next()?, next()?);
                    Node::Transition {
                        to: level(&to, text)?,
                        from: level(&from, text)?,
                        subsystem: subsystem.as_str(),
                        subsystem_at: place(&subsystem, text),
                    }
                }
                _ => {
                    let name = next()?;
                    let arguments = parts.map(|argument| tree(argument, text)).collect::<Result<_, _>>()?;
                    Node::Call { name: name.as_str(), name_at: place(&name, text), arguments }
                }
            }
        }
    };
    Ok(Expr { node, at })
}

fn level<'s>(pair: &Pair<'s, Rule>, text: Quoted<'s>) -> Result<Level<'s>, InputError> {
    let (written, at) = (pair.as_str(), place(pair, text));
    let name = written.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(written.len());
    let index = (!written.starts_with(|c: char| c.is_ascii_digit())).then(|| &written[..name]);
    let number: String = written[index.map_or(0, str::len)..].chars().filter(|c| !c.is_whitespace()).collect();
    let number = number.trim_start_matches('+');
    let offset = if number.is_empty() { Ok(0) } else { number.parse() };
    offset.map(|offset| Level { index, offset, at }).map_err(|_| at.error("no level has so large a number", ""))
}

fn range<'s>(over: Pair<'s, Rule>, text: Quoted<'s>) -> Result<Range<'s>, InputError> {
    let at = place(&over, text);
    let short = || at.error("this cannot be read", "`cells(B)`, `edges(B)` or `0..N-1`");
    let mut inner = over.into_inner();
    let first = inner.next().ok_or_else(short)?;
    if first.as_rule() == Rule::members {
        let edges = first.as_str().starts_with("edges");
        let name = first.into_inner().next().ok_or_else(short)?;
        let (of, at) = (name.as_str(), place(&name, text));
        return Ok(if edges { Range::Edges(of, at) } else { Range::Cells(of, at) });
    }
    Ok(Range::Numbers(Box::new([tree(first, text)?, tree(inner.next().ok_or_else(short)?, text)?])))
}

/// A finite number as written in the file or in an expression.
pub(super) fn number(written: &str, at: Span<'_>) -> Result<f64, InputError> {
    match written.replace('_', "").parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(at.error(format!("`{written}` is not a finite number"), "a number below 1.8e308")),
    }
}
