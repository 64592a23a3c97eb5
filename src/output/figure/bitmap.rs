//! The same drawing as pixels: a backend of plotters on tiny-skia, with the glyphs of the embedded font as outlines.

use super::FigureError;
use super::font::{Curve, Face, Setting};
use super::paint::UNITS;
use super::size::{Canvas, POINTS};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use png::{BitDepth, ColorType, Compression, Encoder, PixelDimensions, Unit};
use std::convert::Infallible;
use tiny_skia::{Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// Pixels in a unit of the layout, which makes 386 an inch.
const ZOOM: f64 = 3.0;

/// What `draw` draws, as a PNG image.
pub(super) fn png(
    canvas: &Canvas,
    face: &Face,
    draw: impl FnOnce(Bitmap) -> Result<(), FigureError>,
) -> Result<Vec<u8>, FigureError> {
    let failed = |error: png::EncodingError| FigureError::Render(error.to_string());
    let [width, height] = [canvas.width, canvas.height].map(|length| (length * ZOOM).round() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| FigureError::Render("it has no size".into()))?;
    pixels.fill(Color::WHITE);
    draw(Bitmap { pixels: &mut pixels, face, scale: (ZOOM / f64::from(UNITS)) as f32, size: canvas.grid() })?;
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    let metre = (ZOOM / POINTS * 72.0 / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(PixelDimensions { xppu: metre, yppu: metre, unit: Unit::Meter }));
    // Everything lies on white, so nothing is transparent.
    let opaque: Vec<u8> = pixels.data().chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&opaque).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// A canvas of pixels under a grid that is finer than they are.
pub(super) struct Bitmap<'a> {
    pub pixels: &'a mut Pixmap,
    pub face: &'a Face,
    /// Pixels of a unit of the grid.
    pub scale: f32,
    /// Units of the grid.
    pub size: (u32, u32),
}

impl Bitmap<'_> {
    fn scaled(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    fn fill(&mut self, path: Option<Path>, colour: BackendColor, transform: Transform) {
        if let Some(path) = path {
            self.pixels.fill_path(&path, &paint(colour), FillRule::Winding, transform, None);
        }
    }
}

fn paint(colour: BackendColor) -> Paint<'static> {
    let (r, g, b) = colour.rgb;
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(r, g, b, (colour.alpha.clamp(0.0, 1.0) * 255.0).round() as u8));
    paint
}

/// A line through places of the grid.
fn line(places: impl IntoIterator<Item = BackendCoord>) -> PathBuilder {
    let mut builder = PathBuilder::new();
    for (k, (x, y)) in places.into_iter().enumerate() {
        match k {
            0 => builder.move_to(x as f32, y as f32),
            _ => builder.line_to(x as f32, y as f32),
        }
    }
    builder
}

impl DrawingBackend for Bitmap<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        let pixel = Rect::from_xywh(x as f32, y as f32, 1.0, 1.0);
        self.fill(pixel.map(PathBuilder::from_rect), color, self.scaled());
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        match fill {
            true => self.fill_polygon(corners, style),
            false => self.draw_path(corners.into_iter().chain([(left, top)]), style),
        }
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        if let Some(path) = line(path).finish() {
            let width = style.stroke_width() as f32;
            let stroke = Stroke { width, line_join: LineJoin::Round, ..Stroke::default() };
            self.pixels.stroke_path(&path, &paint(style.color()), &stroke, self.scaled(), None);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        // Only full ones are drawn.
        _fill: bool,
    ) -> Drawn {
        self.fill(PathBuilder::from_circle(x as f32, y as f32, radius as f32), style.color(), self.scaled());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, vert: I, style: &S) -> Drawn {
        let mut builder = line(vert);
        builder.close();
        self.fill(builder.finish(), style.color(), self.scaled());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let Setting { em, left, foot, turn } = self.face.setting(text, style);
        let at = |(right, up): (f64, f64)| {
            ((f64::from(x) + left + em * right) as f32, (f64::from(y) + foot - em * up) as f32)
        };
        let mut builder = PathBuilder::new();
        for curve in self.face.outline(text) {
            match curve {
                Curve::Start(a) => {
                    let (x, y) = at(a);
                    builder.move_to(x, y);
                }
                Curve::Line(a) => {
                    let (x, y) = at(a);
                    builder.line_to(x, y);
                }
                Curve::Quadratic(a, b) => {
                    let ((x1, y1), (x, y)) = (at(a), at(b));
                    builder.quad_to(x1, y1, x, y);
                }
            }
        }
        let turned = self.scaled().pre_concat(Transform::from_rotate_at(turn as f32, x as f32, y as f32));
        self.fill(builder.finish(), style.color(), turned);
        Ok(())
    }
}
