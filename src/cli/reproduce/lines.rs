//! Points of a curve from a table of results: which lines, what across and what up, with errors.

use crate::error::{ModelError, nearest};
use crate::input::{Formula, Value as Parameter};
use crate::output::figure::Point;
use crate::output::single_figures::Read;
use std::error::Error;
use toml::Value;

type Done<T> = Result<T, Box<dyn Error>>;

/// What is chosen of a table.
pub struct Chosen<'a> {
    /// Cells that a line has to have in some columns; `"last"` stands for the largest number there is.
    pub rows: &'a [(&'a str, &'a Value)],
    /// Of each cycle the last line alone.
    pub ends: bool,
    /// Columns, or expressions of columns and parameters.
    pub x: &'a str,
    pub y: &'a str,
    /// What stands in the expressions beside columns.
    pub parameters: &'a [(String, Parameter)],
}

/// The points of a table in comma-separated values.
///
/// # Errors
/// For a column that is not there, and an expression that is none.
pub fn points(text: &str, chosen: &Chosen<'_>) -> Done<Vec<Point>> {
    let table = Read::new(text).ok_or("this is no table")?;
    let place = |name: &str| table.place(name).ok_or_else(|| unknown(name, &table.heading));
    let mut lines: Vec<&Vec<&str>> = table.lines.iter().collect();
    for (column, wanted) in chosen.rows {
        let at = place(column)?;
        let word = match wanted {
            Value::String(word) if word == "last" => {
                let numbers = lines.iter().map(|line| (number(line[at]), line[at]));
                numbers.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(String::new(), |(_, word)| word.to_owned())
            }
            Value::String(word) => word.clone(),
            other => other.to_string(),
        };
        lines.retain(|line| line[at] == word || (number(line[at]) == number(&word)));
        if lines.is_empty() {
            return Err(format!("no line has {column} = {word}").into());
        }
    }
    if chosen.ends {
        let cycle = place("cycle")?;
        let last = |k: usize| lines.get(k + 1).is_none_or(|next| next[cycle] != lines[k][cycle]);
        lines = (0..lines.len()).filter(|k| last(*k)).map(|k| lines[k]).collect();
    }
    let [x, y] = [chosen.x, chosen.y].map(|text| along(text, &table, &lines, chosen.parameters));
    let (x, y) = (x?, y?);
    Ok(x.into_iter().zip(y).map(|(x, y)| Point { x: x.y, ..y }).collect())
}

/// A column or an expression, line by line. The interval of the one column that was sampled is carried through.
fn along(text: &str, table: &Read<'_>, lines: &[&Vec<&str>], parameters: &[(String, Parameter)]) -> Done<Vec<Point>> {
    let formula = Formula::parse(text)?;
    let fixed = |name: &String| match parameters.iter().find(|(known, _)| known == name) {
        Some((_, Parameter::Number(value))) => Some(*value),
        _ => None,
    };
    let source = |name: &String| match (table.place(name), fixed(name)) {
        (Some(at), _) => Ok(Source::Column(at)),
        (None, Some(value)) => Ok(Source::Fixed(value)),
        (None, None) => Err(unknown(name, &table.heading)),
    };
    let sources = formula.names().iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let bounds = |name: &String| Some([table.place(&format!("{name}_lo"))?, table.place(&format!("{name}_hi"))?]);
    let mut sampled = formula.names().iter().enumerate().filter_map(|(k, name)| Some((k, bounds(name)?)));
    let sampled = sampled.next().filter(|_| sampled.next().is_none());
    let value = |numbers: &[f64]| match numbers.iter().all(|x| x.is_finite()) {
        // 0/0, and what else has no value, is an empty cell.
        true => formula.value(numbers).unwrap_or(f64::NAN),
        false => f64::NAN,
    };
    let point = |line: &&Vec<&str>| {
        let of = |source: &Source| match source {
            Source::Column(at) => number(line[*at]),
            Source::Fixed(value) => *value,
        };
        let mut numbers: Vec<f64> = sources.iter().map(of).collect();
        let y = value(&numbers);
        let Some((which, [lo, hi])) = sampled else { return Point::exact(0.0, y) };
        let ends = [lo, hi].map(|at| {
            numbers[which] = number(line[at]);
            value(&numbers)
        });
        Point::with_error(0.0, y, ends[0].min(ends[1]), ends[0].max(ends[1]))
    };
    Ok(lines.iter().map(point).collect())
}

/// What a name in an expression stands for.
enum Source {
    Column(usize),
    Fixed(f64),
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap_or(f64::NAN)
}

fn unknown(name: &str, heading: &[&str]) -> ModelError {
    let known = nearest(name, heading.iter().copied());
    ModelError::UnknownName { kind: "column", name: name.to_owned(), known }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "time,step,cycle,E,E_lo,E_hi\n0,store,0,0,0,0\n1,store,0,4,3,6\n1,give,1,2,1,3\n2,give,1,1,0,2\n";

    fn chosen(rows: &[(&str, Value)], ends: bool, y: &str) -> Result<Vec<(f64, f64, f64, f64)>, String> {
        let rows: Vec<(&str, &Value)> = rows.iter().map(|(name, value)| (*name, value)).collect();
        let parameters = [("N".to_owned(), Parameter::Number(4.0))];
        let found = points(TABLE, &Chosen { rows: &rows, ends, x: "time", y, parameters: &parameters })
            .map_err(|e| e.to_string())?;
        Ok(found.into_iter().map(|p| (p.x, p.y, p.lo, p.hi)).collect())
    }

    #[test]
    fn lines_are_chosen_and_errors_go_through_expressions() {
        let word = |text: &str| Value::String(text.into());
        assert_eq!(
            chosen(&[("step", word("give"))], false, "E").unwrap(),
            [(1.0, 2.0, 1.0, 3.0), (2.0, 1.0, 0.0, 2.0)]
        );
        assert_eq!(chosen(&[("time", word("last"))], false, "E").unwrap(), [(2.0, 1.0, 0.0, 2.0)]);
        assert_eq!(chosen(&[("cycle", Value::Float(1.0))], true, "-E/time").unwrap(), [(2.0, -0.5, -1.0, -0.0)]);
        assert_eq!(chosen(&[], true, "E").unwrap().len(), 2);
        assert_eq!(chosen(&[("time", word("last"))], false, "2*E/N").unwrap(), [(2.0, 0.5, 0.0, 1.0)]);
        // 0/0 is an empty cell.
        assert!(chosen(&[], false, "E/time").unwrap()[0].1.is_nan());
        assert!(chosen(&[], false, "F").unwrap_err().contains("unknown column `F`"));
        assert!(chosen(&[("step", word("wait"))], false, "E").unwrap_err().contains("no line has step = wait"));
    }
}
