//! The drawing of figures, the same on any backend.

mod heat;

use super::axis::Ticks;
use super::font::{Face, SIZE_PER_EM};
use super::geometry::{Frame, Place, dashes};
use super::layout::{
    Cell, GAP, HEADING, INSET, LABEL, LINE, MARGIN, Plan, SMALL, SWATCH, Settled, entry_places, has_bar, has_place,
    is_part, left_end, named, placed, runs, settle, settle_under,
};
use super::size::Canvas;
use super::words::{self, INDEX, pieces};
use super::{Figure, FigureError, Legend, Mark, Panel, Series, Strip};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle, WHITE};
use plotters_backend::DrawingBackend;

/// Backend units in a unit of the layout: backends take whole numbers, and that is too coarse.
pub(super) const UNITS: u32 = 10;

const FAMILY: &str = "DejaVu Sans, sans-serif";
/// Radius of a point, and of one of many.
const DOT: f64 = 2.9;
const SMALL_DOT: f64 = 1.8;
/// Height of a strip below a panel in parts of both.
const STRIP: f64 = 0.34;
/// Opacity of a band.
const BAND: f64 = 0.22;

const INK: RGBColor = RGBColor(38, 38, 38);
const GRID: RGBColor = RGBColor(226, 226, 226);
const FAINT: RGBColor = RGBColor(241, 241, 241);

/// Colours that remain distinct to the colour-blind, after Okabe and Ito.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(240, 228, 66),
];

const LEVEL: FontTransform = FontTransform::None;
const UPWARDS: FontTransform = FontTransform::Rotate270;

type Drawn = Result<(), FigureError>;

/// A backend's failure as ours.
pub(super) fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> FigureError {
    FigureError::Draw(error.to_string())
}

/// Draws the whole figure.
pub(super) fn figure<DB: DrawingBackend>(
    figure: &Figure,
    face: &Face,
    canvas: &Canvas,
    area: DrawingArea<DB, Shift>,
) -> Drawn {
    let mut pen = Pen { area, face, origin: (0.0, 0.0) };
    for (k, line) in canvas.heading.iter().enumerate() {
        let middle = (canvas.width / 2.0, MARGIN + 1.25 * HEADING * (k as f64 + 0.5));
        pen.fitted(line, middle, HEADING, canvas.width - 2.0 * MARGIN, LEVEL)?;
    }
    for (k, row) in canvas.legend.rows.iter().enumerate() {
        let Some(panel) = canvas.legend.panel(figure) else { break };
        let y = canvas.top - LINE * ((canvas.legend.rows.len() - k) as f64 - 0.5);
        let entries: Vec<&Series> = row.iter().map(|index| &panel.series[*index]).collect();
        for (series, x) in entries.iter().zip(entry_places(&entries, face, canvas.width)) {
            pen.entry(panel, series, (x, y), 1.0)?;
        }
    }
    let lettered = figure.panels.len() > 1 && !figure.panels.iter().any(|panel| has_letter(&panel.title));
    for (k, panel) in figure.panels.iter().enumerate() {
        let (row, column) = ((k / canvas.columns) as f64, (k % canvas.columns) as f64);
        pen.origin = (canvas.panel.0 * column, canvas.top + canvas.panel.1 * row);
        let letter = if lettered { letter(k) } else { String::new() };
        let legend = if canvas.legend.covers(figure, panel) { Legend::None } else { panel.legend };
        draw_panel(&mut pen, panel, canvas.panel, (&letter, legend))?;
    }
    pen.area.present().map_err(failed)
}

/// One panel with its legend, and with its strip if it has one.
fn draw_panel<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    panel: &Panel,
    (width, height): Place,
    (letter, legend): (&str, Legend),
) -> Drawn {
    let cell = Cell { lettered: !letter.is_empty(), ..Cell::whole((width, height)) };
    let Some(strip) = &panel.strip else {
        return draw_axes(pen, panel, cell, (letter, legend)).map(|_| ());
    };
    let Strip { y, shaded, series } = strip;
    let below = Panel::new("", panel.x.clone(), y.clone(), series.clone());
    let low = Cell { size: (width, STRIP * height), lettered: false, ..cell };
    let least_left = left_end(&below, pen.face, low);
    let high = Cell { size: (width, (1.0 - STRIP) * height), bare: true, least_left, ..cell };
    let plan = draw_axes(pen, panel, high, (letter, legend))?;
    let under = settle_under(&below, pen.face, low, &plan);
    pen.origin.1 += (1.0 - STRIP) * height;
    Sheet { pen, panel: &below, plan: under, letter: "", shaded: Some(*shaded) }.draw(None)
}

/// The axes of a panel with all that lies between them. Returns their layout.
fn draw_axes<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    panel: &Panel,
    cell: Cell,
    (letter, legend): (&str, Legend),
) -> Result<Plan, FigureError> {
    let Settled { plan, legend, inset } = settle(panel, pen.face, cell, legend);
    let sheet = Sheet { pen, panel, plan, letter, shaded: None };
    sheet.draw(legend)?;
    let plan = sheet.plan;
    if let (Some(frame), Some(inset)) = (inset, &panel.inset) {
        pen.fill(&frame.corners(), &WHITE)?;
        let own = &inset.panel;
        let around = pen.origin;
        pen.origin = (around.0 + frame.left, around.1 + frame.top);
        let cell = Cell { inside: true, ..Cell::whole((frame.width(), frame.height())) };
        let legend = if is_part(own, panel) { Legend::None } else { own.legend };
        let Settled { plan, legend, .. } = settle(own, pen.face, cell, legend);
        Sheet { pen, panel: own, plan, letter: "", shaded: None }.draw(legend)?;
        pen.origin = around;
    }
    Ok(plan)
}

/// (a), (b), … for the panel with this number; after the 26th they begin again with two letters.
fn letter(number: usize) -> String {
    let one = char::from(b'a' + (number % 26) as u8);
    format!("({})", one.to_string().repeat(1 + number / 26))
}

/// Whether a title has a letter of its own, such as that of the paper's panel.
fn has_letter(title: &str) -> bool {
    let letters = title.as_bytes().windows(3);
    letters.into_iter().any(|w| w[0] == b'(' && w[1].is_ascii_lowercase() && w[2] == b')')
}

/// Draws in pixels from an origin.
struct Pen<'a, DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    face: &'a Face,
    origin: Place,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    /// The place in backend units.
    fn at(&self, (x, y): Place) -> (i32, i32) {
        let whole = |v: f64| (v * f64::from(UNITS)).round() as i32;
        (whole(x + self.origin.0), whole(y + self.origin.1))
    }

    fn path(&self, places: &[Place]) -> Vec<(i32, i32)> {
        let mut path: Vec<_> = places.iter().map(|&p| self.at(p)).collect();
        path.dedup();
        path
    }

    fn line(&self, places: &[Place], colour: &impl Color, width: f64) -> Drawn {
        let path = self.path(places);
        if path.len() < 2 {
            return Ok(());
        }
        let style = colour.stroke_width((width * f64::from(UNITS)).round() as u32);
        let element = PathElement::new(path, style);
        self.area.draw(&element).map_err(failed)
    }

    /// The outline of a box.
    fn outline(&self, frame: Frame, colour: &impl Color) -> Drawn {
        let [a, b, c, d] = frame.corners();
        // The first side is drawn twice so that all four corners are joined.
        self.line(&[a, b, c, d, a, b], colour, 1.0)
    }

    fn fill(&self, corners: &[Place], colour: &impl Color) -> Drawn {
        let path = self.path(corners);
        if path.len() < 3 {
            return Ok(());
        }
        let element = Polygon::new(path, colour.filled());
        self.area.draw(&element).map_err(failed)
    }

    fn dot(&self, place: Place, radius: f64, colour: &impl Color) -> Drawn {
        let radius = (radius * f64::from(UNITS)).round() as i32;
        let element = Circle::new(self.at(place), radius, colour.filled());
        self.area.draw(&element).map_err(failed)
    }

    /// Text whose capitals are centred on the line through a place, with indices below it.
    fn text(&self, text: &str, (x, y): Place, size: f64, anchor: HPos, turn: FontTransform) -> Drawn {
        let all = pieces(text);
        if let [one] = &all[..] {
            return self.piece(&one.text, (x, y), size, anchor, turn);
        }
        let total = size * words::width(text, self.face);
        let mut along = match anchor {
            HPos::Left => 0.0,
            HPos::Center => -total / 2.0,
            HPos::Right => -total,
        };
        for piece in all {
            let (size, down) = if piece.lowered { (size * INDEX.0, size * INDEX.1) } else { (size, 0.0) };
            let place = match turn {
                FontTransform::Rotate270 => (x + down, y - along),
                _ => (x + along, y + down),
            };
            self.piece(&piece.text, place, size, HPos::Left, turn.clone())?;
            along += size * self.face.width(&piece.text);
        }
        Ok(())
    }

    /// Text without indices.
    fn piece(&self, text: &str, (x, y): Place, size: f64, anchor: HPos, turn: FontTransform) -> Drawn {
        // Backends centre the small letters.
        let shift = 0.09 * size;
        let place = match turn {
            FontTransform::Rotate270 => (x + shift, y),
            _ => (x, y + shift),
        };
        let em = (size * f64::from(UNITS)).round() * SIZE_PER_EM;
        let font = FontDesc::new(FontFamily::Name(FAMILY), em, FontStyle::Normal);
        let style = TextStyle::from(font.transform(turn)).color(&INK);
        let style = style.pos(Pos::new(anchor, VPos::Center));
        let drawn = self.area.draw_text(text, &style, self.at(place));
        drawn.map_err(failed)
    }

    /// Centred text, made smaller where it would be longer than `room`.
    fn fitted(&self, text: &str, at: Place, size: f64, room: f64, turn: FontTransform) -> Drawn {
        if text.is_empty() {
            return Ok(());
        }
        let size = size.min(room / words::width(text, self.face).max(1e-3));
        self.text(text, at, size, HPos::Center, turn)
    }

    /// A line in the manner of a series.
    fn styled(&self, line: &[Place], series: &Series) -> Drawn {
        let colour = colour(series);
        let parts = match series.mark {
            Mark::Thin => return self.line(line, &colour.mix(0.4), 0.9),
            Mark::Dashed => dashes(line, 7.0, 4.0),
            Mark::Dotted => dashes(line, 2.0, 3.0),
            _ => vec![line.to_vec()],
        };
        parts.iter().try_for_each(|part| self.line(part, &colour, 1.9))
    }

    /// The sample and the name of a series in a legend, from the middle of its left end on.
    fn entry(&self, panel: &Panel, series: &Series, (start, y): Place, shrink: f64) -> Drawn {
        let end = start + SWATCH * shrink;
        let middle = (start + end) / 2.0;
        match series.mark {
            Mark::Points => {
                let rise = 7.0 * shrink;
                let has_bar = |p| has_bar(panel, p) && p.lo < p.hi;
                if series.points.iter().any(has_bar) {
                    let ends = [(middle, y + rise), (middle, y - rise)];
                    self.bar(Frame::new((start, y - rise), (end, y + rise)), ends, &colour(series))?;
                }
                self.dot((middle, y), DOT * shrink, &colour(series))?;
            }
            Mark::Dots => self.dot((middle, y), SMALL_DOT * shrink, &colour(series))?,
            mark => {
                let rise = 5.0 * shrink;
                let strip = Frame::new((start, y - rise), (end, y + rise));
                if mark == Mark::Band {
                    self.fill(&strip.corners(), &colour(series).mix(BAND))?;
                }
                self.styled(&[(start, y), (end, y)], series)?;
            }
        }
        self.text(&series.label, (end + INSET * shrink, y), SMALL * shrink, HPos::Left, LEVEL)
    }

    /// An error bar with caps at those ends that lie in the frame.
    fn bar(&self, frame: Frame, [a, b]: [Place; 2], colour: &impl Color) -> Drawn {
        let Some((from, to)) = frame.clip_segment(a, b) else {
            return Ok(());
        };
        self.line(&[from, to], colour, 1.3)?;
        for (x, y) in [a, b].into_iter().filter(|&end| frame.holds(end)) {
            self.line(&[(x - DOT, y), (x + DOT, y)], colour, 1.3)?;
        }
        Ok(())
    }
}

fn colour(series: &Series) -> RGBColor {
    PALETTE[series.colour % PALETTE.len()]
}

/// One panel being drawn.
struct Sheet<'a, DB: DrawingBackend> {
    pen: &'a Pen<'a, DB>,
    panel: &'a Panel,
    plan: Plan,
    letter: &'a str,
    /// Ordinates between which the background is shaded.
    shaded: Option<(f64, f64)>,
}

impl<DB: DrawingBackend> Sheet<'_, DB> {
    /// Draws first the areas, then lines from faint to strong, then points, and at last the legend.
    fn draw(&self, legend: Option<(Frame, f64)>) -> Drawn {
        match &self.panel.heat {
            Some(heat) => {
                self.cells(heat)?;
                self.colour_bar(heat)?;
            }
            None => self.grid()?,
        }
        if let Some((lo, hi)) = self.shaded {
            let frame = self.plan.frame;
            let ends = [lo, hi].map(|y| self.plan.place(0.0, y).1.clamp(frame.top, frame.bottom));
            self.pen.fill(&Frame::new((frame.left, ends[1]), (frame.right, ends[0])).corners(), &INK.mix(0.1))?;
        }
        let mut series: Vec<&Series> = self.panel.series.iter().collect();
        series.sort_by_key(|s| match s.mark {
            Mark::Thin => 0,
            Mark::Points | Mark::Dots => 2,
            _ => 1,
        });
        for series in series.iter().filter(|s| s.mark == Mark::Band) {
            self.band(series)?;
        }
        for series in series {
            match series.mark {
                Mark::Points => self.points(series)?,
                Mark::Dots => self.dots(series)?,
                _ => self.lines(series)?,
            }
        }
        self.pen.outline(self.plan.frame, &INK)?;
        self.ticks()?;
        self.names()?;
        if self.panel.heat.is_none() && placed(self.panel).next().is_none() {
            let middle = (self.plan.across(0.5), self.plan.up(0.5));
            let text = "no data";
            self.pen.text(text, middle, LABEL, HPos::Center, LEVEL)?;
        }
        match legend {
            Some((frame, shrink)) => self.legend(frame, shrink),
            None => Ok(()),
        }
    }

    fn grid(&self) -> Drawn {
        let (plan, frame) = (&self.plan, self.plan.frame);
        let major = |ticks: &Ticks| ticks.major.iter().map(|t| t.0).collect::<Vec<_>>();
        let minor = |ticks: &Ticks| ticks.minor.clone();
        let faint = (minor(&plan.x_ticks), minor(&plan.y_ticks), FAINT);
        let clear = (major(&plan.x_ticks), major(&plan.y_ticks), GRID);
        for (across, up, colour) in [faint, clear] {
            for x in across.into_iter().map(|at| plan.across(at)) {
                self.pen.line(&[(x, frame.top), (x, frame.bottom)], &colour, 1.0)?;
            }
            for y in up.into_iter().map(|at| plan.up(at)) {
                self.pen.line(&[(frame.left, y), (frame.right, y)], &colour, 1.0)?;
            }
        }
        Ok(())
    }

    /// Ticks and their labels.
    fn ticks(&self) -> Drawn {
        const LONG: f64 = 4.5;
        const SHORT: f64 = 2.5;
        let (pen, plan, frame, gap) = (self.pen, &self.plan, self.plan.frame, self.plan.cell.gap());
        let across = |at: f64, length: f64| {
            let x = plan.across(at);
            pen.line(&[(x, frame.bottom), (x, frame.bottom - length)], &INK, 1.0)
        };
        let up = |at: f64, length: f64| {
            let y = plan.up(at);
            pen.line(&[(frame.left, y), (frame.left + length, y)], &INK, 1.0)
        };
        for &at in &plan.x_ticks.minor {
            across(at, SHORT)?;
        }
        for &at in &plan.y_ticks.minor {
            up(at, SHORT)?;
        }
        for (at, label) in &plan.x_ticks.major {
            across(*at, LONG)?;
            let place = (plan.across(*at), frame.bottom + gap + SMALL / 2.0);
            if plan.cell.bare {
                continue;
            }
            pen.text(label, place, SMALL, HPos::Center, LEVEL)?;
        }
        for (at, label) in &plan.y_ticks.major {
            up(*at, LONG)?;
            let place = (frame.left - gap, plan.up(*at));
            pen.text(label, place, SMALL, HPos::Right, LEVEL)?;
        }
        Ok(())
    }

    /// The names of the axes and the panel, and the common factors of the tick labels.
    fn names(&self) -> Drawn {
        let (pen, panel, plan, frame) = (self.pen, self.panel, &self.plan, self.plan.frame);
        let (x_factor, y_factor) = (&plan.x_ticks.factor, &plan.y_ticks.factor);
        let (wide, high) = plan.cell.size;
        let (margin, label, heading) = (plan.cell.margin(), plan.cell.label(), plan.cell.title());
        let foot = high - margin - 0.5 * label;
        let line = |k: usize| margin + 1.3 * heading * (k as f64 + 0.5);
        if !x_factor.is_empty() && !plan.cell.bare {
            pen.text(x_factor, (frame.right, foot), SMALL, HPos::Right, LEVEL)?;
        }
        if !y_factor.is_empty() {
            let place = (frame.left, frame.top - plan.cell.gap() - SMALL / 2.0);
            pen.text(y_factor, place, SMALL, HPos::Left, LEVEL)?;
        }
        if !self.letter.is_empty() {
            pen.text(self.letter, (margin, line(0)), heading, HPos::Left, LEVEL)?;
        }
        // Centred text leaves the room of the factor and of the letter free at both ends.
        let (centre, middle) = (plan.across(0.5), plan.up(0.5));
        for (k, title) in plan.title.iter().enumerate() {
            let beside = if self.letter.is_empty() { 0.0 } else { 2.0 * heading };
            let half = (centre - margin - beside).min(wide - margin - centre).max(1.0);
            let short = 2.0 * half >= words::width(title, pen.face) * heading;
            let at = if short { centre } else { (wide + beside) / 2.0 };
            let room = if short { 2.0 * half } else { wide - beside - 2.0 * margin };
            pen.fitted(title, (at, line(k)), heading, room, LEVEL)?;
        }
        let taken = match &x_factor[..] {
            "" => 0.0,
            factor => 2.0 * (pen.face.width(factor) * SMALL + GAP),
        };
        if !plan.cell.bare {
            pen.fitted(&panel.x.label, (centre, foot), label, frame.width() - taken, LEVEL)?;
        }
        for (k, line) in plan.side.iter().enumerate() {
            let across = margin + 1.2 * label * k as f64 + 0.5 * label;
            let above = if self.letter.is_empty() { 0.5 * margin } else { margin + 1.3 * heading };
            let half = (middle - above).min(high - middle - 0.5 * margin);
            pen.fitted(line, (across, middle), label, 2.0 * half, UPWARDS)?;
        }
        Ok(())
    }

    fn band(&self, series: &Series) -> Drawn {
        for run in series.points.split(|p| !has_bar(self.panel, p)) {
            let upper = run.iter().map(|p| self.plan.place(p.x, p.hi));
            let lower = run.iter().rev().map(|p| self.plan.place(p.x, p.lo));
            let area = self.plan.frame.clip_area(upper.chain(lower).collect());
            self.pen.fill(&area, &colour(series).mix(BAND))?;
        }
        Ok(())
    }

    fn lines(&self, series: &Series) -> Drawn {
        let frame = self.plan.frame;
        for run in runs(self.panel, series) {
            let line: Vec<Place> = run.iter().map(|p| self.plan.place(p.x, p.y)).collect();
            // A line through a single point has no length, so it is marked by a dot.
            if let [at] = line[..]
                && frame.holds(at)
            {
                self.pen.dot(at, DOT / 2.0, &colour(series))?;
            }
            for part in frame.clip_line(&line) {
                self.pen.styled(&part, series)?;
            }
        }
        Ok(())
    }

    fn dots(&self, series: &Series) -> Drawn {
        for p in series.points.iter().filter(|p| has_place(self.panel, p)) {
            let at = self.plan.place(p.x, p.y);
            if self.plan.frame.grown(0.01).holds(at) {
                self.pen.dot(at, SMALL_DOT, &colour(series))?;
            }
        }
        Ok(())
    }

    fn points(&self, series: &Series) -> Drawn {
        let (plan, colour) = (&self.plan, colour(series));
        for p in series.points.iter().filter(|p| has_place(self.panel, p)) {
            if has_bar(self.panel, p) && p.lo < p.hi {
                let ends = [plan.place(p.x, p.lo), plan.place(p.x, p.hi)];
                self.pen.bar(plan.frame, ends, &colour)?;
            }
            let at = plan.place(p.x, p.y);
            // Rounding must not lose points on the frame.
            if plan.frame.grown(0.01).holds(at) {
                self.pen.dot(at, DOT, &colour)?;
            }
        }
        Ok(())
    }

    fn legend(&self, frame: Frame, shrink: f64) -> Drawn {
        let pen = self.pen;
        pen.fill(&frame.corners(), &WHITE.mix(0.85))?;
        pen.outline(frame, &GRID)?;
        let start = frame.left + INSET * shrink;
        for (k, series) in named(self.panel).enumerate() {
            let y = frame.top + (INSET / 2.0 + LINE * (k as f64 + 0.5)) * shrink;
            pen.entry(self.panel, series, (start, y), shrink)?;
        }
        Ok(())
    }
}
