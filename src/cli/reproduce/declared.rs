//! A set of figures as it is declared: inputs of `examples/` with what to change of them, what to solve, what to draw, and the
//! numbers that the paper prints.
//!
//! What a figure says holds for its panels, and what a panel says for its curves, unless they say something else; but each curve
//! has its own label, formula and `paths`. `docs/figures.md` has all keys.

use crate::output::figure::{Axis, Corner, Mark, Scale};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::iter::once;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The figures of one paper.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// What they are of.
    pub title: String,
    /// The paper.
    pub source: String,
    #[serde(rename = "figure")]
    pub figures: Vec<DeclaredFigure>,
    /// Numbers in its text and tables.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// A picture, by the name of its files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredFigure {
    pub name: String,
    pub title: String,
    /// Panels in a row.
    #[serde(default = "two")]
    pub columns: usize,
    #[serde(default)]
    pub usual: Options,
    #[serde(rename = "panel")]
    pub panels: Vec<DeclaredPanel>,
}

fn two() -> usize {
    2
}

/// A pair of axes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredPanel {
    #[serde(default)]
    pub title: String,
    pub across: DeclaredAxis,
    pub up: DeclaredAxis,
    #[serde(default)]
    pub usual: Options,
    #[serde(rename = "curve")]
    pub curves: Vec<Options>,
    pub inset: Option<DeclaredInset>,
}

/// A small panel inside another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredInset {
    #[serde(default)]
    pub title: String,
    /// Its axes; without a name those of the panel around it.
    pub across: Option<DeclaredAxis>,
    pub up: Option<DeclaredAxis>,
    /// Where it lies; where it hides the least, if not given.
    pub place: Option<Corner>,
    /// What is usual for its curves, beside what is usual in the panel.
    #[serde(default)]
    pub usual: Options,
    #[serde(rename = "curve")]
    pub curves: Vec<Options>,
}

/// An axis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredAxis {
    label: String,
    #[serde(default)]
    log: bool,
    range: Option<(f64, f64)>,
}

impl DeclaredAxis {
    /// As it is drawn.
    pub fn axis(&self) -> Axis {
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        Axis { label: self.label.clone(), scale, range: self.range }
    }
}

/// A curve, once for each way of solving it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// In the legend.
    #[serde(default)]
    pub label: String,
    /// An input of `examples/`, without its ending; or a file of the user's own, `NAME.toml`, beside the declaration.
    pub input: Option<String>,
    /// Parameters that are set.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Parameters that are set otherwise for a rough picture.
    #[serde(default)]
    pub quick: BTreeMap<String, Value>,
    /// Sections of the input with keys that are changed, such as `record = { paths = 8 }`.
    #[serde(default)]
    pub change: BTreeMap<String, Table>,
    /// How: `trajectories`, `exact`, `steady`, `meanfield`.
    pub solve: Option<Vec<How>>,
    /// In place of an input: an expression of the parameter of `along`, and of those that are set.
    pub formula: Option<String>,
    /// How many trajectories.
    pub trajectories: Option<u64>,
    /// A table of the run, such as `quantiles`; `observables` if not given.
    pub table: Option<String>,
    /// Cells that a line of it must have; `"last"` is the largest number of the column.
    #[serde(default)]
    pub rows: BTreeMap<String, Value>,
    /// `time`, `cycle`, another column, or an expression of them; of `along` the parameter.
    pub x: Option<String>,
    /// A column, or an expression of columns.
    pub y: Option<String>,
    /// Every path that `record` keeps by itself, with its jumps.
    #[serde(default)]
    pub paths: bool,
    /// Units in which they are drawn.
    pub x_unit: Option<f64>,
    pub y_unit: Option<f64>,
    /// A parameter that is varied, with the range of a `[sweep]`.
    pub along: Option<Along>,
    /// A second one, which makes a map.
    pub against: Option<Along>,
    /// Of that the one with the least value alone, which makes a curve again.
    pub least: Option<bool>,
    /// What is read of each of its points.
    pub read: Option<Read>,
    /// Rows that are drawn: the last one of each cycle.
    pub ends: Option<bool>,
    /// The power law of the points with x in this range, with its exponent.
    pub fit: Option<(f64, f64)>,
    /// Whether it is drawn as points, or never as points.
    pub points: Option<bool>,
    pub colour: Option<usize>,
}

/// How a curve is solved.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum How {
    Trajectories,
    Exact,
    Steady,
    MeanField,
    /// Not at all: a formula.
    #[serde(skip)]
    Formula,
}

impl How {
    /// What it is called in a legend, and how it is drawn.
    pub fn style(self) -> (&'static str, Mark) {
        match self {
            How::Trajectories => ("trajectories, 95 % interval", Mark::Band),
            How::Exact => ("exact", Mark::Dotted),
            How::Steady => ("steady state", Mark::Line),
            How::MeanField => ("mean field", Mark::Dashed),
            How::Formula => ("formula", Mark::Dashed),
        }
    }
}

/// A parameter and its values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Along {
    pub parameter: String,
    #[serde(default)]
    pub values: Vec<f64>,
    pub from: Option<f64>,
    pub to: Option<f64>,
    pub points: Option<usize>,
    #[serde(default)]
    pub log: bool,
}

impl Along {
    /// The values, of a quick run about eight of them; `None` where there are none.
    pub fn values(&self, quick: bool) -> Option<Vec<f64>> {
        const FEW: usize = 8;
        let all = match (self.from, self.to, self.points) {
            (Some(from), Some(to), Some(points)) if points > 1 && self.values.is_empty() => {
                let at = |k: usize| {
                    let part = k as f64 / (points - 1) as f64;
                    if self.log { from * (to / from).powf(part) } else { from + (to - from) * part }
                };
                (0..points).map(at).collect()
            }
            _ => self.values.clone(),
        };
        let stride = if quick { all.len().div_ceil(FEW).max(1) } else { 1 };
        let last = all.len().checked_sub(1)?;
        Some((0..all.len()).filter(|k| k % stride == 0 || *k == last).map(|k| all[k]).collect())
    }
}

/// What is read off a solution that is one point of a curve.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Read {
    /// The last row.
    #[default]
    Last,
    /// The largest value over the rows.
    Most,
    /// The time of that.
    TimeOfMost,
    /// The value where another column is largest.
    WhenMost(String),
}

impl Options {
    /// These, and what they do not say from `usual`.
    pub fn or(&self, usual: &Self) -> Self {
        let mut set = usual.set.clone();
        set.extend(self.set.clone());
        let mut change = usual.change.clone();
        change.extend(self.change.clone());
        let mut rows = usual.rows.clone();
        rows.extend(self.rows.clone());
        Self {
            label: self.label.clone(),
            input: self.input.clone().or(usual.input.clone()),
            set,
            quick: BTreeMap::new(),
            change,
            formula: self.formula.clone(),
            table: self.table.clone().or(usual.table.clone()),
            rows,
            paths: self.paths,
            solve: self.solve.clone().or(usual.solve.clone()),
            trajectories: self.trajectories.or(usual.trajectories),
            x: self.x.clone().or(usual.x.clone()),
            y: self.y.clone().or(usual.y.clone()),
            x_unit: self.x_unit.or(usual.x_unit),
            y_unit: self.y_unit.or(usual.y_unit),
            along: self.along.clone().or(usual.along.clone()),
            against: self.against.clone().or(usual.against.clone()),
            least: self.least.or(usual.least),
            read: self.read.clone().or(usual.read.clone()),
            ends: self.ends.or(usual.ends),
            fit: self.fit.or(usual.fit),
            points: self.points.or(usual.points),
            colour: self.colour.or(usual.colour),
        }
    }

    /// How it is solved: exactly, if it does not say.
    pub fn ways(&self) -> Vec<How> {
        match (&self.formula, &self.solve) {
            (Some(_), _) => vec![How::Formula],
            (None, ways) => ways.clone().unwrap_or_else(|| vec![How::Exact]),
        }
    }

    /// The parameters that are set, as `-p` takes them.
    pub fn overrides(&self) -> Vec<(String, String)> {
        let text = |value: &Value| match value {
            Value::String(word) => word.clone(),
            other => other.to_string(),
        };
        self.set.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// A title or a label with the values of parameters in place of their `{name}`.
    pub fn filled(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (String, String)| text.replace(&format!("{{{name}}}"), &value);
        self.overrides().into_iter().fold(text.to_owned(), fill)
    }
}

/// A number that the paper prints.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// What it is, and where.
    pub what: String,
    pub printed: f64,
    /// How far off it may be: half of its last digit, or what the paper says.
    pub within: f64,
    /// The curve that it is read off.
    pub figure: String,
    #[serde(default)]
    pub panel: usize,
    pub curve: String,
    /// How.
    pub read: Reading,
    /// Why it does not agree, where it does not.
    #[serde(default)]
    pub why: String,
}

/// What is read off a curve.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    First,
    Last,
    /// The largest y, and where it is.
    Most,
    WhereMost,
    /// Where the least y is: of the parabola through it and its neighbours, in the logarithms.
    WhereLeast,
    /// y at this x, between the points by a straight line.
    At(f64),
    /// The first x at which y is this.
    Crossing(f64),
    /// The exponent of the power law of the points with x in this range.
    Exponent(f64, f64),
}

impl Declared {
    /// Let inputs of the user's own be looked for in `folder`; returns their files, each once.
    pub fn own_inputs(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let find = |options: &mut Options| {
            let Some(own) = options.input.as_mut().filter(|name| name.ends_with(".toml")) else { return };
            let file = folder.join(&*own);
            *own = file.to_string_lossy().into_owned();
            if !files.contains(&file) {
                files.push(file);
            }
        };
        self.options().for_each(find);
        files
    }

    /// Set what a rough picture sets otherwise.
    pub fn roughen(&mut self) {
        self.options().for_each(|options| options.set.append(&mut options.quick));
    }

    /// What is said of curves, anywhere.
    fn options(&mut self) -> impl Iterator<Item = &mut Options> {
        self.figures.iter_mut().flat_map(|figure| {
            let panels = figure.panels.iter_mut().flat_map(|panel| {
                let inset = panel.inset.iter_mut().flat_map(|inset| once(&mut inset.usual).chain(&mut inset.curves));
                once(&mut panel.usual).chain(&mut panel.curves).chain(inset)
            });
            once(&mut figure.usual).chain(panels)
        })
    }
}

/// Read a declaration.
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse(text: &str) -> Result<Declared, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{MAKERS, Maker};
    use super::*;

    #[test]
    fn what_is_shipped_is_understood_and_published_numbers_have_their_curves() {
        let shipped = MAKERS
            .iter()
            .filter_map(|(_, maker)| if let Maker::Declared(text, _) = maker { Some(*text) } else { None });
        let guide = include_str!("../../../docs/figures.md");
        let example = guide.split("```").find_map(|part| part.strip_prefix("toml\n"));
        for text in shipped.chain(example) {
            let declared = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            for published in &declared.published {
                let figure = declared.figures.iter().find(|figure| figure.name == published.figure);
                let panel = figure.and_then(|figure| figure.panels.get(published.panel));
                let curve = panel.and_then(|panel| panel.curves.iter().find(|curve| curve.label == published.curve));
                assert!(curve.is_some(), "{}", published.what);
            }
        }
        assert!(example.is_some_and(|text| text.contains("[[published]]")));
        assert!(parse("title = 1").is_err_and(|error| error.contains("line 1")));
    }

    #[test]
    fn a_curve_takes_what_is_usual_but_not_its_formula() {
        let options = |text: &str| toml::from_str::<Options>(text).unwrap();
        let usual = options("input = \"aging\"\nset = { N = 4, gamma = 1 }\nformula = \"x\"\npaths = true");
        let curve = options("set = { N = 8 }\nrows = { time = \"last\" }").or(&usual);
        assert_eq!(curve.overrides(), [("N".to_owned(), "8".to_owned()), ("gamma".to_owned(), "1".to_owned())]);
        assert_eq!((curve.input.as_deref(), curve.ways(), curve.paths), (Some("aging"), vec![How::Exact], false));
        assert_eq!(curve.filled("{N} cells, {M}"), "8 cells, {M}");
    }

    #[test]
    fn a_rough_picture_sets_what_it_says_where_nothing_nearer_is_set() {
        let text = "title = ''\nsource = ''\n[[figure]]\nname = 'a'\ntitle = '{N} cells'\n\
            usual = { set = { N = 140 }, quick = { N = 40 } }\n\
            [[figure.panel]]\nacross = { label = 'x' }\nup = { label = 'y' }\ncurve = [{}, { set = { N = 1000 } }]\n\
            [figure.panel.inset]\nplace = 'top-left'\ncurve = [{ set = { N = 5 }, quick = { N = 3 } }]\n";
        let cells = |rough: bool| {
            let mut declared = parse(text).unwrap();
            if rough {
                declared.roughen();
            }
            let figure = &declared.figures[0];
            let inset = figure.panels[0].inset.as_ref().unwrap();
            let of = |options: &Options| options.or(&figure.usual).overrides()[0].1.clone();
            let curves = figure.panels[0].curves.iter().chain(&inset.curves).map(of);
            once(figure.usual.filled(&figure.title)).chain(curves).collect::<Vec<_>>()
        };
        assert_eq!(cells(false), ["140 cells", "140", "1000", "5"]);
        assert_eq!(cells(true), ["40 cells", "40", "1000", "3"]);
    }
}
