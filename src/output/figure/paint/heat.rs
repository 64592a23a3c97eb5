//! The drawing of heat maps: cells first, then the bar that explains their colours.

use super::{Drawn, GAP, GRID, INK, LABEL, LEVEL, SMALL, Sheet, UPWARDS};
use crate::output::figure::geometry::Frame;
use crate::output::figure::heat::{Heat, edges, extent};
use crate::output::figure::layout::{BAR, MARGIN};
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;
use plotters_backend::DrawingBackend;

/// Colours in the bar.
const STRIPES: usize = 256;
/// How far a cell reaches under its neighbour, so that no light shines through between them.
const OVERLAP: f64 = 0.7;

/// From dark to light in equal steps of perceived brightness, whatever the colour vision.
fn colour(fraction: f64) -> RGBColor {
    let (r, g, b) = colorous::VIRIDIS.eval_continuous(fraction.clamp(0.0, 1.0)).as_tuple();
    RGBColor(r, g, b)
}

impl<DB: DrawingBackend> Sheet<'_, DB> {
    /// The cells of a heat map.
    pub(super) fn cells(&self, heat: &Heat) -> Drawn {
        let (pen, frame) = (self.pen, self.plan.frame);
        pen.fill(&frame.corners(), &GRID)?;
        let (lo, hi) = extent(&heat.values);
        let (xs, ys) = (edges(self.panel.x.scale, &heat.x), edges(self.panel.y.scale, &heat.y));
        for (row, y) in ys.windows(2).enumerate() {
            for (column, x) in xs.windows(2).enumerate() {
                let Some(value) = heat.values.get(row * heat.x.len() + column).filter(|v| v.is_finite()) else {
                    continue;
                };
                let (a, b) = (self.plan.place(x[0], y[0]), self.plan.place(x[1], y[1]));
                let cell = Frame::new((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1)));
                let wide = Frame::new((cell.left, cell.top), (cell.right + OVERLAP, cell.bottom + OVERLAP));
                let inside = Frame::new(
                    (wide.left.max(frame.left), wide.top.max(frame.top)),
                    (wide.right.min(frame.right), wide.bottom.min(frame.bottom)),
                );
                pen.fill(&inside.corners(), &colour((value - lo) / (hi - lo)))?;
            }
        }
        Ok(())
    }

    /// The bar beside the frame, its ticks and its name.
    pub(super) fn colour_bar(&self, heat: &Heat) -> Drawn {
        let Some(ticks) = &self.plan.bar_ticks else { return Ok(()) };
        let (pen, frame) = (self.pen, self.plan.frame);
        let left = frame.right + 2.0 * GAP;
        let bar = Frame::new((left, frame.top), (left + BAR, frame.bottom));
        let up = |fraction: f64| bar.bottom - fraction * bar.height();
        for k in (0..STRIPES).rev() {
            let (from, to) = (k as f64 / STRIPES as f64, (k + 1) as f64 / STRIPES as f64);
            let foot = (up(from) + OVERLAP).min(bar.bottom);
            let stripe = Frame::new((bar.left, up(to)), (bar.right, foot));
            pen.fill(&stripe.corners(), &colour((from + to) / 2.0))?;
        }
        pen.outline(bar, &INK)?;
        for (at, label) in &ticks.major {
            pen.line(&[(bar.right, up(*at)), (bar.right - 4.5, up(*at))], &INK, 1.0)?;
            pen.text(label, (bar.right + GAP, up(*at)), SMALL, HPos::Left, LEVEL)?;
        }
        if !ticks.factor.is_empty() {
            pen.text(&ticks.factor, (bar.left, bar.top - GAP - SMALL / 2.0), SMALL, HPos::Left, LEVEL)?;
        }
        let side = (self.plan.cell.size.0 - MARGIN - 0.5 * LABEL, (bar.top + bar.bottom) / 2.0);
        pen.fitted(&heat.label, side, LABEL, bar.height(), UPWARDS)
    }
}
