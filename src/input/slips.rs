//! What people who know other languages write into TOML: expressions without quotes, keys without values, quotes that are
//! not closed. Looked for only where the text is no TOML, to say what was meant.

use super::error::{InputError, Source};
use toml::de::DeTable;

/// The first such mistake in a text that is no TOML, if it is one of these.
pub(super) fn slip(source: &Source) -> Option<InputError> {
    let text = source.text();
    let bytes = text.as_bytes();
    // Brackets that are open, and whether a value comes next.
    let (mut open, mut value, mut key) = (Vec::new(), false, "");
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at = line_end(text, at),
            b'\n' if open.is_empty() || !value => {
                if value {
                    return Some(nothing(source, key, at));
                }
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            quote @ (b'"' | b'\'') => match string_end(text, at, quote) {
                Ok(end) => {
                    if let Some(error) = after_string(source, at, end) {
                        return Some(error);
                    }
                    (at, value) = (end, false);
                }
                Err(line_end) => {
                    let quoted = text[at..line_end].lines().next().unwrap_or_default().trim_end();
                    return Some(source.span(at, at + quoted.len()).error(
                        format!("`{quoted}` begins with a quote that nothing closes"),
                        format!("another `{}` where the text ends, in the same line", char::from(quote)),
                    ));
                }
            },
            bracket @ (b'[' | b'{') => {
                open.push(bracket);
                value &= bracket == b'[';
                at += 1;
            }
            b']' | b'}' => {
                if value && bytes[at] == b'}' {
                    return Some(nothing(source, key, at));
                }
                open.pop();
                value = false;
                at += 1;
            }
            b',' => {
                if value && open.last() != Some(&b'[') {
                    return Some(nothing(source, key, at));
                }
                value = open.last() == Some(&b'[');
                at += 1;
            }
            b'=' => {
                key = text[..at].trim_end().rsplit(|c: char| c.is_whitespace() || "{,".contains(c)).next()?;
                value = true;
                at += 1;
            }
            _ if value => {
                let end = bare_end(text, at);
                let bare = text[at..end].trim_end();
                // A bracket that is not closed, of which the parser says more.
                if bare.contains('=') {
                    return None;
                }
                if DeTable::parse(&format!("x = {bare}")).is_err() {
                    return Some(bare_value(source, at, bare));
                }
                (at, value) = (end, false);
            }
            // A key.
            _ => at += 1,
        }
    }
    (value && open.is_empty()).then(|| nothing(source, key, text.trim_end().len()))
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |length| at + length)
}

/// Where the string that begins at `at` ends, or else where its line does.
fn string_end(text: &str, at: usize, quote: u8) -> Result<usize, usize> {
    let long = if quote == b'"' { "\"\"\"" } else { "'''" };
    if text[at..].starts_with(long) {
        return text[at + 3..].find(long).map(|length| at + 3 + length + 3).ok_or(text.len());
    }
    let end = line_end(text, at);
    let mut escaped = false;
    for (k, byte) in text.as_bytes()[..end].iter().enumerate().skip(at + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quote == b'"' => escaped = true,
            byte if *byte == quote => return Ok(k + 1),
            _ => {}
        }
    }
    Err(end)
}

/// What stands directly after a string and cannot.
fn after_string(source: &Source, start: usize, end: usize) -> Option<InputError> {
    let rest = &source.text()[end..line_end(source.text(), end)];
    let next = rest.trim_start().chars().next()?;
    // Two strings lack a comma, and a key may be quoted.
    if ",]}#=.\"'".contains(next) {
        return None;
    }
    let string = source.span(start, end);
    let message = format!("the text `{}` ends here, and `{}` goes on", string.text(), rest.trim());
    Some(string.error(message, "a quote at each end of every text: one before this is missing, or one is too many"))
}

/// Where a value without quotes ends: commas inside parentheses belong to it.
fn bare_end(text: &str, at: usize) -> usize {
    let mut depth = 0_usize;
    for (k, c) in text[at..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth > 0 => {}
            ',' | ']' | '}' | '#' | '\n' => return at + k,
            _ => {}
        }
    }
    text.len()
}

fn nothing(source: &Source, key: &str, at: usize) -> InputError {
    source.span(at, at).error(
        format!("`{key}` has no value"),
        format!("a number, `{key} = 1.0`, or an expression or a word in quotes, `{key} = \"…\"`"),
    )
}

/// A value that TOML does not know: an expression, a word, a text that lacks its first quote.
fn bare_value(source: &Source, at: usize, bare: &str) -> InputError {
    let here = source.span(at, at + bare.len());
    let inside = bare.trim_matches(['"', '\'']);
    match bare.to_lowercase().as_str() {
        yes_or_no @ ("true" | "false") => {
            here.error(format!("`{bare}` is neither true nor false"), format!("`{yes_or_no}`"))
        }
        _ if inside != bare => here.error(format!("`{bare}` lacks a quote"), format!("`\"{inside}\"`")),
        _ => here.error(format!("`{bare}` is not in quotes"), format!("a number, or `\"{bare}\"`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(text: &str) -> (String, String, String) {
        assert!(DeTable::parse(text).is_err(), "`{text}` is TOML");
        let error = slip(&Source::file("x.toml", text)).expect(text);
        (error.text(), error.message.clone(), error.expected)
    }

    #[test]
    fn what_was_typed_and_how_to_write_it() {
        for (text, at, message, expected) in [
            ("[a]\nN = 2*gamma # two\n", "2*gamma", "`2*gamma` is not in quotes", "`\"2*gamma\"`"),
            ("N = T\n", "T", "`T` is not in quotes", "`\"T\"`"),
            ("N = infinite\n", "infinite", "`infinite` is not in quotes", "`\"infinite\"`"),
            ("s = [ { p = rotate(B, x, pi) } ]", "rotate(B, x, pi)", "not in quotes", "`\"rotate(B, x, pi)\"`"),
            ("t = [\n  \"sx(B)\", # one\n  g*sy(B),\n]", "g*sy(B)", "not in quotes", "`\"g*sy(B)\"`"),
            ("b = True", "True", "neither true nor false", "`true`"),
            ("t = [sx(B)\"]", "sx(B)\"", "lacks a quote", "`\"sx(B)\"`"),
            ("N = \n[b]", "", "`N` has no value", "`N = 1.0`"),
            ("N =", "", "`N` has no value", "`N = 1.0`"),
            ("N = # later", "", "`N` has no value", "`N = 1.0`"),
            ("a = { x = 1, y = , z = 2 }", "", "`y` has no value", "`y = 1.0`"),
            ("a = { x = 1, y = }", "", "`y` has no value", "`y = 1.0`"),
            ("t = [\"sx(B)]\n[b]", "\"sx(B)]", "nothing closes", "another `\"`"),
            (
                "a = { each = \"sm(B), rate = \"2*g\" }",
                "\"sm(B), rate = \"",
                "`2*g\" }` goes on",
                "a quote at each end",
            ),
        ] {
            let (found_at, found_message, found_expected) = found(text);
            assert_eq!(found_at, at, "{text}");
            assert!(found_message.contains(message), "{text}: {found_message}");
            assert!(found_expected.contains(expected), "{text}: {found_expected}");
        }
    }

    #[test]
    fn what_is_right_or_something_else_is_passed_over() {
        for text in [
            "t = [\"a\" \"b\"]",
            "a = { x = 1 y = 2 }",
            "N",
            "N = [\ng = 1.0\n",
            "\"quoted key\" = 1\n[[list]]\nx = 1979-05-27T07:32:00Z\ny = [[0, 1], [1, 2],]\nz = '''\n2*x\n''' \n[",
            "x = inf\ny = -1_000.5e3\nz = \"a \\\" # b\" # c = d\n}",
        ] {
            assert!(DeTable::parse(text).is_err(), "`{text}` is TOML");
            assert_eq!(slip(&Source::file("x.toml", text)), None, "{text}");
        }
    }
}
