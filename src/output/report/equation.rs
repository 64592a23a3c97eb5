//! The master equation as MathML, which browsers set themselves.

use crate::output::latex;
use crate::problem::Problem;
use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, RenderConfig, Storage, push_mathml};

/// Characters of LaTeX that are still read as an equation; a chain of many cells has pages of it.
const MOST: usize = 6000;

/// The same with `_` as it is in words, where the library knows no `\_`.
fn unescaped(latex: &str) -> String {
    const WORDS: &str = "\\text{";
    let mut parts = latex.split(WORDS);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (words, rest) = part.split_at(part.find('}').unwrap_or(part.len()));
        text += &(WORDS.to_owned() + &words.replace("\\_", "_") + rest);
    }
    text
}

/// The equation of a problem; `None` where it is too long to be read, or cannot be set.
pub fn mathml(problem: &Problem) -> Option<String> {
    let inside = latex::equations(problem);
    if inside.len() > MOST {
        return None;
    }
    let text = format!("\\begin{{align*}}{}\\end{{align*}}", unescaped(&inside));
    let storage = Storage::new();
    // Its errors would be set as they are, with what the input says in them.
    if Parser::new(&text, &storage).any(|event| event.is_err()) {
        return None;
    }
    let storage = Storage::new();
    let mut set = String::new();
    let config = RenderConfig { display_mode: DisplayMode::Block, ..RenderConfig::default() };
    push_mathml(&mut set, Parser::new(&text, &storage), config).ok()?;
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Quantity, sm, sx};

    fn driven(cells: u64) -> Problem {
        let mut p = Problem::builder("a driven cell");
        let b = p.ensemble("B", cells, 1.0);
        p.hamiltonian(sx(b) * 0.5);
        p.each("loss_1", b, sm(b), 0.1).evolve("wait", 1.0, 1).observe([Quantity::Energy]);
        p.build().unwrap()
    }

    #[test]
    fn an_equation_is_set_with_its_names() {
        let set = mathml(&driven(3)).unwrap();
        assert!(set.starts_with("<math") && set.trim_end().ends_with("</math>"), "{set}");
        assert!(
            set.contains("(loss_1)") && set.contains("0.1") && !set.contains("merror") && !set.contains('\\'),
            "{set}"
        );
    }
}
