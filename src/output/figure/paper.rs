//! The same drawing as a PDF document of one page: a backend of plotters on pdf-writer, with the letters in use embedded.

use super::FigureError;
use super::font::{BYTES, Face, Setting};
use super::paint::UNITS;
use super::size::{Canvas, POINTS};
use miniz_oxide::deflate::compress_to_vec_zlib;
use pdf_writer::types::{CidFontType, FontFlags, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use subsetter::{GlyphRemapper, subset};

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// The font in the page, and its name as a subset, whose six letters are arbitrary.
const FONT: Name = Name(b"F");
const FONT_NAME: Name = Name(b"LEYDEN+DejaVuSans");
const IDENTITY: SystemInfo = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
/// How much the streams are compressed, of at most 10.
const LEVEL: u8 = 8;
/// A quarter of a circle as a cubic curve.
const BOW: f32 = 0.552_284_8;

/// A page being drawn.
pub(super) struct Page<'a> {
    face: &'a Face,
    size: (u32, u32),
    content: Content,
    letters: Letters,
    /// The opacities in use, of 255.
    opacities: BTreeSet<u8>,
}

/// The glyphs in use: renumbered, with the character and the width of each.
#[derive(Default)]
struct Letters {
    numbers: GlyphRemapper,
    known: BTreeMap<u16, (char, f64)>,
}

/// What `draw` draws, as a PDF document.
pub(super) fn pdf(
    canvas: &Canvas,
    face: &Face,
    draw: impl FnOnce(&mut Page) -> Result<(), FigureError>,
) -> Result<Vec<u8>, FigureError> {
    let [width, height] = [canvas.width, canvas.height].map(|length| (length * POINTS) as f32);
    let mut page = Page {
        face,
        size: canvas.grid(),
        content: Content::new(),
        letters: Letters::default(),
        opacities: BTreeSet::new(),
    };
    // From the grid, downwards, to points, upwards.
    let scale = (POINTS / f64::from(UNITS)) as f32;
    page.content.transform([scale, 0.0, 0.0, -scale, 0.0, height]).set_line_join(LineJoinStyle::RoundJoin);
    draw(&mut page)?;
    let Page { content, letters, opacities, .. } = page;
    let [catalog, pages, sheet, stream, font] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([sheet]).count(1);
    let mut one = pdf.page(sheet);
    one.parent(pages).media_box(Rect::new(0.0, 0.0, width, height)).contents(stream);
    let mut resources = one.resources();
    resources.fonts().pair(FONT, font);
    let mut states = resources.ext_g_states();
    for opacity in &opacities {
        let part = f32::from(*opacity) / 255.0;
        let mut state =
            states.insert(Name(state_name(*opacity).as_bytes())).start::<pdf_writer::writers::ExtGraphicsState>();
        state.stroking_alpha(part).non_stroking_alpha(part);
    }
    states.finish();
    resources.finish();
    one.finish();
    let content = compress_to_vec_zlib(content.finish().as_slice(), LEVEL);
    pdf.stream(stream, &content).filter(Filter::FlateDecode);
    letters.write(&mut pdf, font)?;
    Ok(pdf.finish())
}

fn state_name(opacity: u8) -> String {
    format!("A{opacity}")
}

impl Letters {
    /// The number of a character in the document.
    fn number(&mut self, c: char, face: &Face) -> u16 {
        let (glyph, width) = face.glyph(c);
        let number = self.numbers.remap(glyph);
        self.known.entry(number).or_insert((c, width));
        number
    }

    /// Write the font with them, as `id` and what follows.
    fn write(self, pdf: &mut Pdf, id: Ref) -> Result<(), FigureError> {
        let [own, about, file, map] = [1, 2, 3, 4].map(|k| Ref::new(id.get() + k));
        pdf.type0_font(id)
            .base_font(FONT_NAME)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(own)
            .to_unicode(map);
        let mut font = pdf.cid_font(own);
        font.subtype(CidFontType::Type2).base_font(FONT_NAME).system_info(IDENTITY).font_descriptor(about);
        font.cid_to_gid_map_predefined(Name(b"Identity")).default_width(600.0);
        let mut widths = font.widths();
        for (number, (_, width)) in &self.known {
            widths.consecutive(*number, [(1000.0 * width) as f32]);
        }
        widths.finish();
        font.finish();
        // In thousandths of an em, from the font's own tables.
        pdf.font_descriptor(about)
            .name(FONT_NAME)
            .flags(FontFlags::SYMBOLIC)
            .bbox(Rect::new(-1021.0, -463.0, 1793.0, 1232.0))
            .italic_angle(0.0)
            .ascent(928.0)
            .descent(-236.0)
            .cap_height(729.0)
            .stem_v(90.0)
            .font_file2(file);
        let bytes = subset(BYTES, 0, &self.numbers).map_err(|error| FigureError::Paper(error.to_string()))?;
        pdf.stream(file, &compress_to_vec_zlib(&bytes, LEVEL))
            .filter(Filter::FlateDecode)
            .pair(Name(b"Length1"), bytes.len() as i32);
        let mut unicode = UnicodeCmap::new(Name(b"Letters"), IDENTITY);
        for (number, (c, _)) in &self.known {
            unicode.pair(*number, *c);
        }
        pdf.cmap(map, unicode.finish().as_slice());
        Ok(())
    }
}

impl Page<'_> {
    /// Let what follows have this colour.
    fn ink(&mut self, colour: BackendColor) {
        let (r, g, b) = colour.rgb;
        let [r, g, b] = [r, g, b].map(|part| f32::from(part) / 255.0);
        let opacity = (colour.alpha.clamp(0.0, 1.0) * 255.0).round() as u8;
        self.opacities.insert(opacity);
        self.content.set_parameters(Name(state_name(opacity).as_bytes()));
        self.content.set_fill_rgb(r, g, b).set_stroke_rgb(r, g, b);
    }

    fn line(&mut self, places: impl IntoIterator<Item = BackendCoord>) {
        for (k, (x, y)) in places.into_iter().enumerate() {
            match k {
                0 => self.content.move_to(x as f32, y as f32),
                _ => self.content.line_to(x as f32, y as f32),
            };
        }
    }
}

impl DrawingBackend for &mut Page<'_> {
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
        self.ink(color);
        self.content.rect(x as f32, y as f32, 1.0, 1.0).fill_nonzero();
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
        self.ink(style.color());
        self.content.set_line_width(style.stroke_width() as f32);
        self.line(path);
        self.content.stroke();
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
        self.ink(style.color());
        let (x, y, r) = (x as f32, y as f32, radius as f32);
        let bow = BOW * r;
        self.content
            .move_to(x + r, y)
            .cubic_to(x + r, y + bow, x + bow, y + r, x, y + r)
            .cubic_to(x - bow, y + r, x - r, y + bow, x - r, y)
            .cubic_to(x - r, y - bow, x - bow, y - r, x, y - r)
            .cubic_to(x + bow, y - r, x + r, y - bow, x + r, y)
            .fill_nonzero();
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, vert: I, style: &S) -> Drawn {
        self.ink(style.color());
        self.line(vert);
        self.content.close_path().fill_nonzero();
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let Setting { em, left, foot, turn } = self.face.setting(text, style);
        self.ink(style.color());
        let (sine, cosine) = turn.to_radians().sin_cos();
        let place = (f64::from(x) + cosine * left - sine * foot, f64::from(y) + sine * left + cosine * foot);
        let mut numbers = Vec::with_capacity(2 * text.len());
        for c in text.chars() {
            numbers.extend(self.letters.number(c, self.face).to_be_bytes());
        }
        // The page is upside down, so letters are put upright again.
        let matrix = [cosine, sine, sine, -cosine, place.0, place.1].map(|entry| entry as f32);
        self.content.begin_text().set_font(FONT, em as f32).set_text_matrix(matrix).show(Str(&numbers)).end_text();
        Ok(())
    }
}
