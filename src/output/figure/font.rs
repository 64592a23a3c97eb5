//! The embedded font, and the widths of texts set in it.

use super::FigureError;
use ab_glyph::{Font, FontRef};

/// DejaVu Sans, whose licence stands beside it.
pub(super) const BYTES: &[u8] = include_bytes!("font/DejaVuSans.ttf");

/// The SVG backend takes a font's size for 1.24 times its em.
pub(super) const SIZE_PER_EM: f64 = 1.24;

/// The font as a ruler.
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
}
