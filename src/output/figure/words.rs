//! Text as it is set: indices below the line, and lines that are no longer than there is room.

use super::font::Face;
use super::layout::tidy;

/// Size of an index in parts of the text that it belongs to, and how far below it is set in parts of that.
pub(super) const INDEX: (f64, f64) = (0.74, 0.22);

/// A piece of a text.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub text: String,
    pub lowered: bool,
}

/// The pieces of a text: what follows an underscore in a name, as in `H_B`, is its index.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let text = tidy(text);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut add = |c: char, lowered: bool| match pieces.last_mut() {
        Some(last) if last.lowered == lowered => last.text.push(c),
        _ => pieces.push(Piece { text: c.to_string(), lowered }),
    };
    let (mut lowered, mut before) = (false, ' ');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let named = rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            // A second underscore separates two indices.
            '_' if lowered && named => add(',', true),
            '_' if before.is_alphanumeric() && named => lowered = true,
            _ => {
                lowered &= c.is_alphanumeric();
                add(c, lowered);
            }
        }
        before = c;
    }
    pieces
}

/// The width of a text when an em is one long.
pub(super) fn width(text: &str, face: &Face) -> f64 {
    let of = |piece: &Piece| face.width(&piece.text) * if piece.lowered { INDEX.0 } else { 1.0 };
    pieces(text).iter().map(of).sum()
}

/// The text in lines that are no longer than `room`, but for words that are; no line of an empty text.
pub(super) fn wrapped(text: &str, face: &Face, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), face) * size <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_underscore_in_a_name_is_its_index() {
        let found = |text: &str| -> Vec<(String, bool)> {
            pieces(text).into_iter().map(|piece| (piece.text, piece.lowered)).collect()
        };
        let own = |all: &[(&str, bool)]| all.iter().map(|(t, l)| ((*t).to_owned(), *l)).collect::<Vec<_>>();
        assert_eq!(found("Var(H_B) of x"), own(&[("Var(H", false), ("B", true), (") of x", false)]));
        assert_eq!(found("γ_C/g"), own(&[("γ", false), ("C", true), ("/g", false)]));
        assert_eq!(found("a_b_1"), own(&[("a", false), ("b,1", true)]));
        assert_eq!(found("_a b_ c"), own(&[("_a b_ c", false)]));
        assert!(found("").is_empty());
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        let face = Face::load().unwrap();
        let room = face.width("two words") * 10.0 + 0.1;
        assert_eq!(wrapped("two words more", &face, 10.0, room), ["two words", "more"]);
        assert_eq!(wrapped("incomprehensibilities a", &face, 10.0, room), ["incomprehensibilities", "a"]);
        assert!(wrapped("", &face, 10.0, room).is_empty());
    }
}
