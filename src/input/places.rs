//! Where in the input the things are that a message names: for mistakes that only show once all is put together.

use super::document::Table;
use super::error::{InputError, Span};

/// Phrases of messages with the place that they speak of, the most special first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places {
    phrases: Vec<(String, InputError)>,
    /// The first section or key, where nothing fits better.
    start: InputError,
}

/// What messages call the sections.
const WORDS: [(&str, &str); 13] = [
    ("Hamiltonian", "hamiltonian"),
    ("battery", "battery"),
    ("output row", "protocol"),
    ("cycles", "protocol"),
    ("rotation", "protocol"),
    ("protocol", "protocol"),
    ("step", "protocol"),
    ("column", "observe"),
    ("quantit", "observe"),
    ("title", "title"),
    ("starts in", "initial"),
    ("channel", "channels"),
    ("drive", "drives"),
];

impl Places {
    pub(super) fn of(root: &Table<'_>) -> Self {
        let mut phrases: Vec<(String, InputError)> = Vec::new();
        let template = |at: Span<'_>| at.error("", "");
        let named = |section: &str| root.section(section).ok().flatten();
        let kinds =
            [("correlations", "correlation "), ("channels", "channel "), ("drives", "drive "), ("subsystems", "")];
        for (section, kind) in kinds {
            for entry in named(section).iter().flat_map(Table::entries) {
                phrases.push((format!("{kind}{}", entry.key), template(entry.key_at)));
            }
        }
        let steps = named("protocol").and_then(|section| section.get("steps")?.list("").ok());
        for step in steps.iter().flatten() {
            let table = step.table("", step.at).ok();
            let name = table.as_ref().and_then(|table| table.get("name")?.text("").ok());
            phrases.extend(name.map(|name| (format!("step {}", name.text), template(name.at))));
        }
        // Subsystems have short names that are words elsewhere: what is named with its kind comes first, then sections.
        let (subsystems, mut phrases): (Vec<_>, Vec<_>) =
            phrases.into_iter().partition(|(phrase, _)| !phrase.contains(' '));
        for entry in named("initial").iter().flat_map(Table::entries) {
            phrases.push((format!("state of {}", entry.key), template(entry.key_at)));
        }
        let asked = named("observe").and_then(|section| section.get("quantities")?.list("").ok());
        for item in asked.iter().flatten() {
            let table = item.is_table().then(|| item.table("", item.at).ok()).flatten();
            let name = table.map_or_else(|| item.text("").ok(), |table| table.get("name")?.text("").ok());
            phrases.extend(name.map(|name| (format!("`{}`", name.text), template(name.at))));
        }
        let most = named("space").and_then(|space| Some(template(space.entry("at_most")?.key_at)));
        let limited = ["the space", "a space", "of at most so many quanta"];
        phrases.extend(most.iter().flat_map(|most| limited.map(|phrase| (phrase.to_owned(), most.clone()))));
        for (word, section) in WORDS {
            phrases.extend(root.entry(section).map(|entry| (word.to_owned(), template(entry.key_at))));
        }
        phrases.extend(subsystems);
        let start = root.entries().first().map_or(root.at, |entry| entry.key_at);
        Self { phrases, start: template(start) }
    }

    /// `message` at the place that it speaks of, or else at the beginning.
    pub(super) fn locate(&self, message: &str, expected: &str) -> InputError {
        let place = self.find(message).unwrap_or(&self.start);
        InputError { message: message.to_owned(), expected: expected.to_owned(), ..place.clone() }
    }

    /// The place that `message` speaks of.
    pub(super) fn find(&self, message: &str) -> Option<&InputError> {
        let names = |phrase: &str| {
            let inside = |c: char| c.is_alphanumeric() || c == '_';
            message.match_indices(phrase).any(|(at, _)| {
                let before = message[..at].chars().next_back();
                let after = message[at + phrase.len()..].chars().next();
                // The words for sections may go on: `rows`, `quantities`.
                let stem = WORDS.iter().any(|(word, _)| *word == phrase);
                !before.is_some_and(inside) && (stem || !after.is_some_and(inside))
            })
        };
        self.phrases.iter().find(|(phrase, _)| names(phrase)).map(|(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    const TEXT: &str = "title = \"decay\"\n[subsystems]\nB = { spins = 4 }\n[hamiltonian]\nterms = [\"n(B)\"]\n[channels]\n\
                        loss = { each = \"sm(B)\", rate = 1.0 }\n[protocol]\nsteps = [ { name = \"wait\", evolve = 1.0, samples = 2 } ]\n\
                        [observe]\nquantities = [\"energy\", \"jumps(loss)\"]\n";

    #[test]
    fn mistakes_that_show_late_are_shown_where_they_are() {
        let input = parse("late.toml", TEXT, &[]).unwrap();
        for (message, text) in [
            ("the channel loss is no loss", "loss"),
            ("the duration of step wait is long", "wait"),
            ("the Hamiltonian changes", "hamiltonian"),
            ("10 output rows", "protocol"),
            ("the energy of B is odd", "B"),
            ("nothing that has a name here", "title"),
        ] {
            assert_eq!(input.located(&message).text(), text, "{message}");
        }
        // A rate that only the whole problem shows to be too large.
        let error = parse("late.toml", &TEXT.replace("rate = 1.0", "rate = 1e308"), &[]).unwrap_err();
        assert!(error.text() == "loss" && error.message.contains("channel loss"), "{error}");
        let error = parse("late.toml", &TEXT.replace("samples = 2", "samples = 9999998"), &[]).unwrap_err();
        assert!(error.place.is_some() && error.message.contains("more than 2 GB"), "{error}");
    }

    #[test]
    fn every_missing_section_has_a_place() {
        for section in ["subsystems", "protocol", "observe"] {
            let text = TEXT.replace(&format!("[{section}]"), "[parameters]");
            let text: String = text.split_inclusive("[parameters]\n").next().unwrap_or_default().to_owned();
            let error = parse("short.toml", &text, &[]).unwrap_err();
            assert!(error.place.is_some_and(|place| place.line.is_some()), "{section}: {}", error.message);
        }
        let error = parse("empty.toml", "", &[]).unwrap_err();
        assert_eq!(error.place.and_then(|place| place.line), Some(1));
    }

    #[test]
    fn long_names_are_cut() {
        let long = "x".repeat(400_000);
        for text in [
            format!("{long} = 1\n{TEXT}"),
            TEXT.replace("[\"energy\"", &format!("[\"{long}\"")),
            TEXT.replace("n(B)", &format!("n({long})")),
            TEXT.replace("loss", &long),
            TEXT.replace("decay", &long),
            TEXT.replace("wait", &long),
        ] {
            let error = parse("long.toml", &text, &[]).unwrap_err();
            let shown = error.to_string();
            assert!(error.place.is_some() && shown.chars().count() < 1600, "{} characters", shown.chars().count());
        }
        let error = parse("title.toml", &TEXT.replace("decay", "decay \\u0000"), &[]).unwrap_err();
        assert!(error.message.contains("control character"), "{error}");
    }
}
