//! Typed access to the TOML document: every table, key and value knows its name and its place.

use super::error::{InputError, Source, Span};
use super::expression::Quoted;
use super::slips::slip;
use toml::de::{DeTable, DeValue};

/// A table with the name it goes by in messages.
#[derive(Clone, Debug)]
pub(super) struct Table<'s> {
    pub(super) what: String,
    pub(super) at: Span<'s>,
    /// Where something that is missing could be added.
    pub(super) end: Span<'s>,
    entries: Vec<Entry<'s>>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry<'s> {
    pub(super) key: &'s str,
    pub(super) key_at: Span<'s>,
    pub(super) value: Item<'s>,
}

/// A value with the name it goes by in messages.
#[derive(Clone, Debug)]
pub(super) struct Item<'s> {
    pub(super) what: String,
    pub(super) at: Span<'s>,
    pub(super) value: &'s DeValue<'s>,
    source: &'s Source,
}

/// The document of `source`; whoever calls keeps it alive.
///
/// # Errors
/// The text is not TOML.
pub(super) fn document(source: &Source) -> Result<DeTable<'_>, InputError> {
    DeTable::parse(source.text()).map(toml::Spanned::into_inner).map_err(|error| {
        slip(source).unwrap_or_else(|| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            let (message, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
            source.span(span.start, span.end).error(message, expected)
        })
    })
}

impl<'s> Table<'s> {
    /// The whole document.
    pub(super) fn root(source: &'s Source, document: &'s DeTable<'s>) -> Self {
        Self::new("the input", source.span(0, 0), source, document)
    }

    fn new(what: &str, at: Span<'s>, source: &'s Source, table: &'s DeTable<'s>) -> Self {
        let mut entries: Vec<Entry<'s>> = table
            .iter()
            .map(|(key, value)| {
                let name: &'s str = key.get_ref();
                let (k, v) = (key.span(), value.span());
                let item =
                    Item { what: format!("`{name}`"), at: source.span(v.start, v.end), value: value.get_ref(), source };
                Entry { key: name, key_at: source.span(k.start, k.end), value: item }
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_at.start);
        let last = source.text().trim_end().len();
        Self { what: what.to_owned(), at, end: source.span(last, last), entries }
    }

    /// The entries in the order of the file.
    pub(super) fn entries(&self) -> &[Entry<'s>] {
        &self.entries
    }

    pub(super) fn keys(&self) -> Vec<&'s str> {
        self.entries.iter().map(|entry| entry.key).collect()
    }

    /// Refuse keys that mean nothing here.
    pub(super) fn allow(&self, kind: &str, known: &[&str]) -> Result<(), InputError> {
        match self.entries.iter().find(|entry| !known.contains(&entry.key)) {
            Some(entry) => Err(entry.key_at.unknown(kind, entry.key, known.iter().copied())),
            None => Ok(()),
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry<'s>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Item<'s>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of `key`, or an error that shows how it would look.
    pub(super) fn need(&self, key: &str, example: &str) -> Result<&Item<'s>, InputError> {
        self.get(key).ok_or_else(|| self.at.error(format!("{} has no `{key}`", self.what), format!("`{example}`")))
    }

    /// The table `[key]`, if there is one.
    pub(super) fn section(&self, key: &str) -> Result<Option<Table<'s>>, InputError> {
        self.entry(key).map(|entry| entry.value.table(&format!("[{key}]"), entry.key_at)).transpose()
    }
}

impl<'s> Item<'s> {
    fn mismatch(&self, expected: &str) -> InputError {
        let kind = self.value.type_str();
        let article = if matches!(self.value, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" };
        self.at.error(format!("{} is {article} {kind}", self.what), expected)
    }

    /// This value as a table called `what`; `at` is where something missing from it is reported.
    pub(super) fn table(&self, what: &str, at: Span<'s>) -> Result<Table<'s>, InputError> {
        match self.value {
            DeValue::Table(table) => Ok(Table::new(what, at, self.source, table)),
            _ => Err(Item { what: what.to_owned(), ..self.clone() }.mismatch("a table: `{ … }`")),
        }
    }

    /// The elements of an array.
    pub(super) fn list(&self, expected: &str) -> Result<Vec<Item<'s>>, InputError> {
        let DeValue::Array(array) = self.value else { return Err(self.mismatch(expected)) };
        let element = |(i, v): (usize, &'s toml::Spanned<DeValue<'s>>)| Item {
            what: format!("element {} of {}", i + 1, self.what),
            at: self.source.span(v.span().start, v.span().end),
            value: v.get_ref(),
            source: self.source,
        };
        Ok(array.iter().enumerate().map(element).collect())
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// A string.
    pub(super) fn text(&self, expected: &str) -> Result<Quoted<'s>, InputError> {
        match self.value {
            DeValue::String(text) => Ok(Quoted::literal(text, self.at)),
            _ => Err(self.mismatch(expected)),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, InputError> {
        self.value.as_bool().ok_or_else(|| self.mismatch("`true` or `false`"))
    }

    /// A scalar as one would type it after `-p name=`.
    pub(super) fn written(&self) -> String {
        match self.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(i) if i.radix() == 10 => i.as_str().to_owned(),
            DeValue::Float(f) => f.as_str().to_owned(),
            _ => match self.quantity("") {
                Ok(Quantity::Number(value)) => format!("{value:?}"),
                _ => self.at.text().to_owned(),
            },
        }
    }

    /// A number, or the expression in a string.
    pub(super) fn quantity(&self, expected: &str) -> Result<Quantity<'s>, InputError> {
        let refuse = |written: &str| {
            self.at.error(format!("{} is {written}", self.what), "a finite number below 1.8e308 in size")
        };
        match self.value {
            DeValue::Integer(i) => {
                let value = match i.radix() {
                    10 => i.as_str().parse().ok(),
                    radix => u128::from_str_radix(i.as_str(), radix).ok().map(|v| v as f64),
                };
                value.filter(|v: &f64| v.is_finite()).map(Quantity::Number).ok_or_else(|| refuse(i.as_str()))
            }
            DeValue::Float(f) => {
                let value = f.as_str().parse().ok().filter(|v: &f64| v.is_finite());
                value.map(Quantity::Number).ok_or_else(|| refuse(f.as_str()))
            }
            DeValue::String(_) => self.text(expected).map(Quantity::Text),
            _ => Err(self.mismatch(expected)),
        }
    }
}

/// What stands where a number is expected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quantity<'s> {
    Number(f64),
    Text(Quoted<'s>),
}
