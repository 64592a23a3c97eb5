//! The embedded font, and the widths of texts set in it.

use super::FigureError;
use ab_glyph::{Font, FontRef, OutlineCurve, Point};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendTextStyle, FontTransform};

/// DejaVu Sans, whose licence stands beside it.
pub(super) const BYTES: &[u8] = include_bytes!("font/DejaVuSans.ttf");

/// The SVG backend takes a font's size for 1.24 times its em.
pub(super) const SIZE_PER_EM: f64 = 1.24;

/// Height of small letters in parts of an em, as SVG viewers take it where they do not ask the font.
const EX: f64 = 0.5;

/// How a text is set about its place.
pub(super) struct Setting {
    /// The size of an em.
    pub em: f64,
    /// Its left end, rightwards from the place, and the line that letters stand on, downwards.
    pub left: f64,
    pub foot: f64,
    /// By how many degrees all that is turned about the place, clockwise.
    pub turn: f64,
}

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

    /// The number of a character's glyph in the font, and its width in parts of an em.
    pub fn glyph(&self, c: char) -> (u16, f64) {
        let glyph = self.font.glyph_id(c);
        (glyph.0, f64::from(self.font.h_advance_unscaled(glyph)) / self.em)
    }

    /// How a backend has to set a text.
    pub fn setting(&self, text: &str, style: &impl BackendTextStyle) -> Setting {
        let em = style.size() / SIZE_PER_EM;
        let width = em * self.width(text);
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let foot = match style.anchor().v_pos {
            VPos::Top => 0.76 * em,
            VPos::Center => 0.5 * EX * em,
            VPos::Bottom => -0.5 * EX * em,
        };
        let turn = match style.transform() {
            FontTransform::None => 0.0,
            FontTransform::Rotate90 => 90.0,
            FontTransform::Rotate180 => 180.0,
            FontTransform::Rotate270 => 270.0,
        };
        Setting { em, left, foot, turn }
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
