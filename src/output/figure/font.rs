//! The embedded font, and the widths of texts set in it.

use super::FigureError;
use ab_glyph::{Font, FontRef, OutlineCurve, Point};

/// DejaVu Sans, whose licence stands beside it.
const BYTES: &[u8] = include_bytes!("font/DejaVuSans.ttf");

/// The SVG backend takes a font's size for 1.24 times its em.
pub(super) const SIZE_PER_EM: f64 = 1.24;

/// Pieces of outlines, in parts of an em: rightwards, and upwards from the line that letters stand on.
pub(super) enum Curve {
    Start((f64, f64)),
    Line((f64, f64)),
    /// A parabola, with the place that it is drawn towards.
    Quadratic((f64, f64), (f64, f64)),
}

/// The font as a ruler, and as shapes.
pub(super) struct Face {
    font: FontRef<'static>,
    em: f64,
}

impl Face {
    pub fn load() -> Result<Self, FigureError> {
        let font = FontRef::try_from_slice(BYTES).map_err(|_| FigureError::Font)?;
        let em = f64::from(font.units_per_em().ok_or(FigureError::Font)?);
        Ok(Self { font, em })
    }

    /// The width of `text` when an em is one long.
    pub fn width(&self, text: &str) -> f64 {
        text.chars().map(|c| f64::from(self.font.h_advance_unscaled(self.font.glyph_id(c))) / self.em).sum()
    }

    /// The outlines of `text` from its left end on; the font's curves are straight lines and parabolas.
    pub fn outline(&self, text: &str) -> Vec<Curve> {
        let (mut curves, mut left) = (Vec::new(), 0.0);
        for glyph in text.chars().map(|c| self.font.glyph_id(c)) {
            let place = |p: &Point| (left + f64::from(p.x) / self.em, f64::from(p.y) / self.em);
            let mut end = None;
            for curve in self.font.outline(glyph).iter().flat_map(|outline| &outline.curves) {
                let (from, towards, to) = match curve {
                    OutlineCurve::Line(from, to) => (from, None, to),
                    OutlineCurve::Quad(from, towards, to) => (from, Some(towards), to),
                    OutlineCurve::Cubic(from, _, _, to) => (from, None, to),
                };
                if end != Some(from) {
                    curves.push(Curve::Start(place(from)));
                }
                curves.push(match towards {
                    Some(towards) => Curve::Quadratic(place(towards), place(to)),
                    None => Curve::Line(place(to)),
                });
                end = Some(to);
            }
            left += f64::from(self.font.h_advance_unscaled(glyph)) / self.em;
        }
        curves
    }
}
