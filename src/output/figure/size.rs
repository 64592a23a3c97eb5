//! Sizes on paper: of a figure in millimetres, and of its parts in the unit in which everything is laid out.

use super::font::Face;
use super::layout::{self, LINE, Shared};
use super::paint::UNITS;
use super::words::wrapped;
use super::{Figure, FigureError};

/// Points in a unit of the layout: labels of 14.5 units are printed at 8.1 points, tick labels of 12.5 at 7.
pub(super) const POINTS: f64 = 0.56;

/// Millimetres in a unit of the layout.
const MILLIMETRES: f64 = POINTS * 25.4 / 72.0;

/// The least width and height of a panel in millimetres.
pub(super) const LEAST: (f64, f64) = (40.0, 30.0);

/// The width in millimetres that a panel needs to stand beside another.
const BESIDE: f64 = 58.0;

/// Height of a panel in parts of its width, and how much higher it is with a strip below.
const ASPECT: f64 = 0.68;
const STRIP: f64 = 0.26;

/// The size of a figure on paper, in millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Its width.
    pub width: f64,
    /// Its height; `None` is what its panels take.
    pub height: Option<f64>,
}

impl Size {
    /// One column of a journal.
    pub const SINGLE: Self = Self { width: 86.0, height: None };
    /// Two columns.
    pub const DOUBLE: Self = Self { width: 178.0, height: None };

    /// Panels that can be read in one row.
    pub(super) fn most_columns(self) -> usize {
        ((self.width / BESIDE) as usize).max(1)
    }
}

/// Where the parts of a figure lie, in units of the layout.
pub(super) struct Canvas {
    pub width: f64,
    pub height: f64,
    /// Width and height of a panel.
    pub panel: (f64, f64),
    /// Panels in a row.
    pub columns: usize,
    /// The title, line by line.
    pub heading: Vec<String>,
    /// Where the panels begin.
    pub top: f64,
    /// What stands there for several panels.
    pub legend: Shared,
}

impl Canvas {
    /// # Errors
    /// When its panels would be too small.
    pub fn new(figure: &Figure, face: &Face) -> Result<Self, FigureError> {
        let columns = figure.columns.clamp(1, figure.panels.len().max(1));
        let rows = figure.panels.len().div_ceil(columns) as f64;
        let width = figure.size.width / MILLIMETRES;
        let heading = wrapped(&figure.title, face, layout::HEADING, width - 2.0 * layout::MARGIN);
        let legend = layout::shared_legend(figure, face, width);
        let above =
            if heading.is_empty() { 0.0 } else { layout::MARGIN + 1.25 * layout::HEADING * heading.len() as f64 };
        let top = above + LINE * legend.rows.len() as f64;
        let across = width / columns as f64;
        let strips = figure.panels.iter().any(|panel| panel.strip.is_some());
        let natural = across * (ASPECT + if strips { STRIP } else { 0.0 });
        let up = figure.size.height.map_or(natural, |height| (height / MILLIMETRES - top) / rows);
        let panel = (across * MILLIMETRES, up * MILLIMETRES);
        let height = top + rows * up;
        if !(panel.0 >= LEAST.0 && panel.1 >= LEAST.1) {
            let round = |x: f64| (x * 10.0).round() / 10.0;
            return Err(FigureError::TooSmall {
                width: round(width * MILLIMETRES),
                height: round(height * MILLIMETRES),
                panel: (round(panel.0), round(panel.1)),
            });
        }
        Ok(Self { width, height, panel: (across, up), columns, heading, top, legend })
    }

    /// Width and height of the grid that is drawn on.
    pub fn grid(&self) -> (u32, u32) {
        let whole = |x: f64| (x * f64::from(UNITS)).round() as u32;
        (whole(self.width), whole(self.height))
    }

    /// Width and height on paper.
    pub fn millimetres(&self) -> (f64, f64) {
        (self.width * MILLIMETRES, self.height * MILLIMETRES)
    }
}
