//! Figures of lines, points, bands with error bars and heat maps, at the size of a journal's column, as SVG, PNG or PDF.

mod axis;
mod bitmap;
mod font;
mod geometry;
mod heat;
mod layout;
mod paint;
mod paper;
mod size;
mod words;

pub use heat::Heat;
pub use size::Size;

use font::Face;
use plotters::drawing::IntoDrawingArea;
use plotters::prelude::{SVGBackend, WHITE};
use serde::Deserialize;
use size::Canvas;

/// More panels than this is a mistake, and would need an unreasonably large bitmap.
const MOST_PANELS: usize = 64;

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// There is nothing to draw.
    #[error("the figure has no panels")]
    Empty,
    /// The canvas would be unreasonably large.
    #[error("the figure has {0} panels; at most {MOST_PANELS} can be drawn")]
    TooManyPanels(usize),
    /// The embedded font cannot be read.
    #[error("the embedded font cannot be read")]
    Font,
    /// The drawing backend failed.
    #[error("drawing failed: {0}")]
    Draw(String),
    /// The picture could not be turned into pixels.
    #[error("the PNG could not be made: {0}")]
    Render(String),
    /// The PDF could not be made.
    #[error("the PDF could not be made: {0}")]
    Paper(String),
    /// Nothing could be read at that size.
    #[error(
        "a picture of {width} mm × {height} mm leaves {} mm × {} mm for each of its panels; expected at least {} mm × {} mm",
        panel.0, panel.1, size::LEAST.0, size::LEAST.1
    )]
    TooSmall {
        /// Width of the picture in millimetres.
        width: f64,
        /// Its height.
        height: f64,
        /// Width and height of a panel.
        panel: (f64, f64),
    },
}

/// Panels arranged row by row under a common title.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Heading above all panels; may be empty.
    pub title: String,
    /// Panels per row; zero counts as one.
    pub columns: usize,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Its size on paper.
    pub size: Size,
}

/// A format that pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines and text.
    Svg,
    /// Pixels, 386 an inch.
    Png,
    /// Lines and text with the font embedded.
    Pdf,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Svg, Format::Png, Format::Pdf];

    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Svg => "svg",
            Format::Png => "png",
            Format::Pdf => "pdf",
        }
    }
}

/// One pair of axes with its data.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Heading of the panel; may be empty.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The data; bands lie under lines, and lines under points.
    pub series: Vec<Series>,
    /// Its legend.
    pub legend: Legend,
    /// Coloured cells under the data.
    pub heat: Option<Heat>,
    /// What is shown below, along the same abscissa.
    pub strip: Option<Strip>,
    /// What is shown inside, with axes of its own.
    pub inset: Option<Inset>,
}

/// A small panel inside another; a strip or an inset of its own is not drawn.
#[derive(Clone, Debug)]
pub struct Inset {
    /// Its axes and data. Its legend is left out where the panel around it names the same.
    pub panel: Box<Panel>,
    /// Its place; `None` is where it hides the least, with room made above the data if it hides some everywhere.
    pub place: Option<Corner>,
}

/// A low plot under a panel, such as of distances from a curve in standard errors.
#[derive(Clone, Debug)]
pub struct Strip {
    /// The vertical axis.
    pub y: Axis,
    /// Ordinates between which the background is shaded.
    pub shaded: (f64, f64),
    /// The data; not named in the legend.
    pub series: Vec<Series>,
}

/// Whether a panel has a legend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legend {
    /// In the corner with the least data, with room made above the data if all are taken.
    #[default]
    Auto,
    /// No legend.
    None,
}

/// A place beside the frame of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Upper right.
    TopRight,
    /// Upper left.
    TopLeft,
    /// Lower right.
    BottomRight,
    /// Lower left.
    BottomLeft,
    /// Halfway up at the right.
    Right,
    /// Halfway up at the left.
    Left,
}

/// One axis of a panel.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Name and unit.
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// The interval shown; `None`, or an interval that cannot be shown, fits the data.
    pub range: Option<(f64, f64)>,
}

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences at equal distances.
    Linear,
    /// Equal ratios at equal distances; values that are not positive are skipped.
    Log,
}

/// Data drawn in one colour and one manner.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend; empty keeps the series out of it.
    pub label: String,
    /// Colour by index, modulo eight: blue, vermillion, green, purple, orange, sky, black, yellow.
    pub colour: usize,
    /// How the points are drawn.
    pub mark: Mark,
    /// The data, in drawing order.
    pub points: Vec<Point>,
}

/// How a series is drawn; a value that is not finite breaks a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A solid line.
    Line,
    /// A dashed line.
    Dashed,
    /// A dotted line.
    Dotted,
    /// Circles, with error bars where `lo < hi`.
    Points,
    /// Small dots without error bars, where there are many or where they mark the rows of a line.
    Dots,
    /// A translucent area from `lo` to `hi` under a line through `y`.
    Band,
    /// A faint thin line, for one of many trajectories.
    Thin,
}

/// One datum with its error interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Abscissa.
    pub x: f64,
    /// Ordinate.
    pub y: f64,
    /// Lower end of the error interval, or NaN.
    pub lo: f64,
    /// Upper end of the error interval, or NaN.
    pub hi: f64,
}

impl Point {
    /// A point without error.
    pub fn exact(x: f64, y: f64) -> Self {
        Self::with_error(x, y, f64::NAN, f64::NAN)
    }

    /// A point with the error interval from `lo` to `hi`.
    pub fn with_error(x: f64, y: f64, lo: f64, hi: f64) -> Self {
        Self { x, y, lo, hi }
    }
}

impl Axis {
    /// A linear axis that fits the data.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, range: None }
    }

    /// A logarithmic axis that fits the data.
    pub fn log(label: impl Into<String>) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label) }
    }

    /// The same axis showing the interval from `lo` to `hi`.
    pub fn within(self, lo: f64, hi: f64) -> Self {
        Self { range: Some((lo, hi)), ..self }
    }
}

impl Series {
    /// A series of points.
    pub fn new(label: impl Into<String>, colour: usize, mark: Mark, points: Vec<Point>) -> Self {
        Self { label: label.into(), colour, mark, points }
    }
}

impl Strip {
    /// Add the data of another, and make room for them.
    pub fn add(&mut self, other: Self) {
        if let (Some((lo, hi)), Some((low, high))) = (&mut self.y.range, other.y.range) {
            (*lo, *hi) = (lo.min(low), hi.max(high));
        }
        self.series.extend(other.series);
    }
}

impl Panel {
    /// A panel with an automatically placed legend.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self { title: title.into(), x, y, series, legend: Legend::Auto, heat: None, strip: None, inset: None }
    }
}

impl Figure {
    /// A figure of panels in rows of `columns`, as wide as one or two columns of a journal.
    pub fn new(title: impl Into<String>, columns: usize, panels: Vec<Panel>) -> Self {
        let size = if columns < 2 || panels.len() < 2 { Size::SINGLE } else { Size::DOUBLE };
        Self { title: title.into(), columns, panels, size }
    }

    /// The same at another size, with as many panels in a row as can be read in it.
    pub fn sized(self, size: Size) -> Self {
        Self { columns: self.columns.min(size.most_columns()), size, ..self }
    }

    /// The picture in a format.
    ///
    /// # Errors
    /// When there are no panels, too many of them, or too little room for each.
    pub fn encode(&self, format: Format) -> Result<Vec<u8>, FigureError> {
        match format {
            Format::Svg => self.svg().map(String::into_bytes),
            Format::Png => self.png(),
            Format::Pdf => self.pdf(),
        }
    }

    /// The figure as an SVG document.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn svg(&self) -> Result<String, FigureError> {
        let face = Face::load()?;
        let canvas = self.canvas(&face)?;
        let units = canvas.grid();
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, units).into_drawing_area();
        area.fill(&WHITE).map_err(paint::failed)?;
        paint::figure(self, &face, &canvas, area)?;
        // The backend draws on a grid, and knows neither paper nor line joins.
        let grid = format!(r#"width="{}" height="{}""#, units.0, units.1);
        let (width, height) = canvas.millimetres();
        let page = format!(r#"width="{width:.2}mm" height="{height:.2}mm" stroke-linejoin="round""#);
        text.retain(|c| c >= ' ' || c == '\n'); // XML allows no other control characters
        Ok(text.replacen(&grid, &page, 1))
    }

    /// The figure as a PNG image that knows its size on paper.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        let face = Face::load()?;
        let canvas = self.canvas(&face)?;
        bitmap::png(&canvas, &face, |bitmap| paint::figure(self, &face, &canvas, bitmap.into_drawing_area()))
    }

    /// The figure as a PDF document of one page, with its text as text.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn pdf(&self) -> Result<Vec<u8>, FigureError> {
        let face = Face::load()?;
        let canvas = self.canvas(&face)?;
        paper::pdf(&canvas, &face, |page| paint::figure(self, &face, &canvas, page.into_drawing_area()))
    }

    /// The size of everything, after checking that the figure can be drawn.
    fn canvas(&self, face: &Face) -> Result<Canvas, FigureError> {
        match self.panels.len() {
            0 => Err(FigureError::Empty),
            n if n > MOST_PANELS => Err(FigureError::TooManyPanels(n)),
            _ => Canvas::new(self, face),
        }
    }
}

#[cfg(test)]
mod tests;
