//! Figures of lines, points, bands with error bars and heat maps, drawn as SVG or PNG with an embedded font.

mod axis;
mod bitmap;
mod font;
mod geometry;
mod heat;
mod layout;
mod paint;

pub use heat::Heat;

use bitmap::Bitmap;
use font::Face;
use plotters::drawing::IntoDrawingArea;
use plotters::prelude::{SVGBackend, WHITE};
use tiny_skia::{Color, Pixmap};

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
    /// Where the legend goes.
    pub legend: Legend,
    /// Coloured cells under the data.
    pub heat: Option<Heat>,
}

/// The place of a legend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legend {
    /// The corner with the least data, with room made above the data if all are taken.
    #[default]
    Auto,
    /// Upper left.
    TopLeft,
    /// Upper right.
    TopRight,
    /// Lower left.
    BottomLeft,
    /// Lower right.
    BottomRight,
    /// No legend.
    None,
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

impl Panel {
    /// A panel with an automatically placed legend.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self { title: title.into(), x, y, series, legend: Legend::Auto, heat: None }
    }
}

impl Figure {
    /// A figure of panels in rows of `columns`.
    pub fn new(title: impl Into<String>, columns: usize, panels: Vec<Panel>) -> Self {
        Self { title: title.into(), columns, panels }
    }

    /// The figure as an SVG document.
    pub fn svg(&self) -> Result<String, FigureError> {
        let (width, height) = self.size()?;
        let face = Face::load()?;
        let units = (width * paint::UNITS, height * paint::UNITS);
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, units).into_drawing_area();
        area.fill(&WHITE).map_err(paint::failed)?;
        paint::figure(self, &face, area)?;
        // The backend draws on a grid finer than pixels and knows no line joins.
        let grid = format!(r#"width="{}" height="{}""#, units.0, units.1);
        let page = format!(r#"width="{width}" height="{height}" stroke-linejoin="round""#);
        text.retain(|c| c >= ' ' || c == '\n'); // XML allows no other control characters
        Ok(text.replacen(&grid, &page, 1))
    }

    /// The figure as a PNG image, at two pixels per SVG pixel.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        const ZOOM: u32 = 2;
        let (width, height) = self.size()?;
        let face = &Face::load()?;
        let mut pixels = Pixmap::new(width * ZOOM, height * ZOOM).ok_or(FigureError::Empty)?;
        pixels.fill(Color::WHITE);
        let (scale, size) = (ZOOM as f32 / paint::UNITS as f32, (width * paint::UNITS, height * paint::UNITS));
        let bitmap = Bitmap { pixels: &mut pixels, face, scale, size };
        paint::figure(self, face, bitmap.into_drawing_area())?;
        pixels.encode_png().map_err(|e| FigureError::Render(e.to_string()))
    }

    /// Width and height in SVG pixels, after checking that the figure can be drawn.
    fn size(&self) -> Result<(u32, u32), FigureError> {
        match self.panels.len() {
            0 => Err(FigureError::Empty),
            n if n > MOST_PANELS => Err(FigureError::TooManyPanels(n)),
            _ => Ok(paint::size(self)),
        }
    }
}

#[cfg(test)]
mod tests;
