//! The layout of a panel: its axes, the room for their labels, and the place of the legend.
//!
//! Lengths are in a unit of 0.56 points, of which a column of a journal has 435.

use super::axis::{Ruler, Ticks, shown};
use super::font::Face;
use super::geometry::{Frame, Place, distance, mix};
use super::heat::extent;
use super::words::{self, wrapped};
use super::{Axis, Corner, Figure, Inset, Legend, Mark, Panel, Point, Scale, Series};

// Text sizes.
pub(super) const HEADING: f64 = 16.0;
pub(super) const TITLE: f64 = 14.5;
pub(super) const LABEL: f64 = 14.5;
pub(super) const SMALL: f64 = 12.5;

pub(super) const MARGIN: f64 = 8.0;
/// Between the frame and its tick labels.
pub(super) const GAP: f64 = 6.0;

/// Width of a colour bar.
pub(super) const BAR: f64 = 14.0;

// The legend: height of a line, length of a sample, and space around things.
pub(super) const LINE: f64 = 19.0;
pub(super) const SWATCH: f64 = 26.0;
pub(super) const INSET: f64 = 6.0;
/// Between two names of a legend in a row.
const APART: f64 = 22.0;

/// The room that a panel is given.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    /// Width and height.
    pub size: Place,
    /// Whether it has a letter before its title.
    pub lettered: bool,
    /// Whether its abscissa is named by what lies below it.
    pub bare: bool,
    /// How far inside its frame begins at least.
    pub least_left: f64,
    /// Whether it lies in another panel, where there is less room.
    pub inside: bool,
}

impl Cell {
    /// All of the room, for a panel without a letter.
    pub fn whole(size: Place) -> Self {
        Self { size, lettered: false, bare: false, least_left: 0.0, inside: false }
    }

    pub fn margin(&self) -> f64 {
        if self.inside { 0.4 * MARGIN } else { MARGIN }
    }

    pub fn gap(&self) -> f64 {
        if self.inside { 0.6 * GAP } else { GAP }
    }

    /// Size of the names of the axes.
    pub fn label(&self) -> f64 {
        if self.inside { SMALL } else { LABEL }
    }

    pub fn title(&self) -> f64 {
        if self.inside { SMALL } else { TITLE }
    }
}

/// The axes of one panel, and where the frame between them lies.
pub(super) struct Plan {
    pub cell: Cell,
    /// The title and the name of the ordinate, line by line.
    pub title: Vec<String>,
    pub side: Vec<String>,
    x: Ruler,
    y: Ruler,
    pub x_ticks: Ticks,
    pub y_ticks: Ticks,
    /// Of the colour bar of a heat map.
    pub bar_ticks: Option<Ticks>,
    pub frame: Frame,
}

impl Plan {
    /// Lays the panel out, with some part of the height left free above the data.
    fn new(panel: &Panel, face: &Face, cell: Cell, headroom: f64) -> Self {
        let has_points = panel.series.iter().any(|s| matches!(s.mark, Mark::Points | Mark::Dots));
        let xs = placed(panel).map(|(_, p)| p.x);
        let x = Ruler::fit(&panel.x, xs, if has_points { 0.03 } else { 0.0 }, 0.0);
        let ys =
            placed(panel).filter(|(_, p)| (-1e-9..=1.0 + 1e-9).contains(&x.at(p.x))).flat_map(|(mark, p)| match mark {
                Mark::Points | Mark::Band if p.lo <= p.hi => [p.y, p.lo, p.hi],
                _ => [p.y; 3],
            });
        let y = Ruler::fit(&panel.y, ys, 0.05, headroom);

        let (wide, high) = cell.size;
        let (margin, gap, label_size, title_size) = (cell.margin(), cell.gap(), cell.label(), cell.title());
        // A tick for about every three lines of text.
        let y_ticks = y.ticks(((high / (2.6 * SMALL)) as usize).clamp(2, 8));
        let widths = y_ticks.major.iter().map(|(_, label)| face.width(label));
        let widest = SMALL * widths.fold(0.0, f64::max);
        let x_factor = (2..=8).any(|count| !x.ticks(count).factor.is_empty());
        let room = |wanted: bool, size: f64| if wanted { size } else { 0.0 };
        let bar_ticks = panel.heat.as_ref().map(|heat| {
            let (lo, hi) = extent(&heat.values);
            Ruler::fit(&Axis::linear("").within(lo, hi), std::iter::empty(), 0.0, 0.0).ticks(6)
        });
        let has_factor = |ticks: &Ticks| !ticks.factor.is_empty();
        // The letter stands at the left, and the factor of the ordinate above its axis.
        let beside = if cell.lettered { 2.0 * title_size } else { 0.0 };
        let title = wrapped(&panel.title, face, title_size, wide - 2.0 * (margin + beside));
        let factors = has_factor(&y_ticks) || bar_ticks.as_ref().is_some_and(has_factor);
        let lines = title.len().max(usize::from(cell.lettered)) as f64;
        let side = wrapped(&panel.y.label, face, label_size, high - if cell.bare { 2.0 } else { 5.0 } * label_size);
        let foot = !panel.x.label.is_empty() || x_factor;
        let below = if cell.bare { gap } else { margin + room(foot, 1.3 * label_size) + 1.3 * gap + SMALL };
        let mut frame = Frame {
            left: (margin + 1.2 * label_size * side.len() as f64 + gap + widest + gap).max(cell.least_left),
            top: margin + 1.3 * title_size * lines + room(factors, 1.3 * SMALL).max(room(lines > 0.0, gap)),
            right: wide - 1.5 * margin,
            bottom: high - below,
        };
        if let (Some(heat), Some(ticks)) = (&panel.heat, &bar_ticks) {
            let widths = ticks.major.iter().map(|(_, label)| face.width(label));
            let labels = SMALL * widths.fold(0.0, f64::max);
            frame.right = wide - MARGIN - room(!heat.label.is_empty(), 1.3 * LABEL + GAP) - labels - 3.0 * GAP - BAR;
        }
        // As many ticks as leave some space between their labels.
        let fits = |ticks: &Ticks| {
            ticks.major.windows(2).all(|pair| {
                let width = (face.width(&pair[0].1) + face.width(&pair[1].1)) / 2.0 * SMALL;
                (pair[1].0 - pair[0].0) * frame.width() > width + 1.2 * SMALL
            })
        };
        let mut choices = (2..=8).rev().map(|count| x.ticks(count));
        let x_ticks = choices.find(fits).unwrap_or_else(|| x.ticks(2));
        if let Some((at, label)) = x_ticks.major.last() {
            let end = frame.left + at * frame.width() + face.width(label) * SMALL / 2.0;
            frame.right -= if panel.heat.is_none() { (end - (wide - margin / 2.0)).max(0.0) } else { 0.0 };
        }
        Self { cell, title, side, x, y, x_ticks, y_ticks, bar_ticks, frame }
    }

    /// The same abscissa in the same place as in the plot above.
    fn under(mut self, above: &Plan) -> Self {
        (self.frame.left, self.frame.right) = (above.frame.left, above.frame.right);
        (self.x, self.x_ticks) = (above.x, above.x_ticks.clone());
        self
    }

    /// The abscissa in pixels of a fraction of the axis.
    pub fn across(&self, fraction: f64) -> f64 {
        self.frame.left + fraction * self.frame.width()
    }

    /// The ordinate in pixels of a fraction of the axis.
    pub fn up(&self, fraction: f64) -> f64 {
        self.frame.bottom - fraction * self.frame.height()
    }

    pub fn place(&self, x: f64, y: f64) -> Place {
        (self.across(self.x.at(x)), self.up(self.y.at(y)))
    }

    /// Places on all that is drawn, close enough together to find free room for a legend.
    fn taken(&self, panel: &Panel) -> Vec<Place> {
        const STEP: f64 = 5.0;
        let mut taken = Vec::new();
        let mut along = |a: Place, b: Place| {
            if let Some((a, b)) = self.frame.clip_segment(a, b) {
                let steps = (distance(a, b) / STEP).ceil().max(1.0);
                taken.extend((0..=steps as u32).map(|k| mix(a, b, f64::from(k) / steps)));
            }
        };
        for series in &panel.series {
            for run in runs(panel, series) {
                let places: Vec<Place> = run.iter().map(|p| self.place(p.x, p.y)).collect();
                places.iter().for_each(|&at| along(at, at));
                if !matches!(series.mark, Mark::Points | Mark::Dots) {
                    places.windows(2).for_each(|pair| along(pair[0], pair[1]));
                }
            }
            if matches!(series.mark, Mark::Points | Mark::Band) {
                let bars = series.points.iter().filter(|p| has_bar(panel, p));
                bars.for_each(|p| along(self.place(p.x, p.lo), self.place(p.x, p.hi)));
            }
        }
        taken
    }

    /// A box of the given size in a corner, or in the middle of a side.
    fn corner(&self, corner: Corner, (width, height): Place) -> Frame {
        let inner = self.frame.grown(-INSET);
        let (right, bottom) = (inner.right - width, inner.bottom - height);
        let (left, top) = match corner {
            Corner::TopRight => (right, inner.top),
            Corner::TopLeft => (inner.left, inner.top),
            Corner::BottomRight => (right, bottom),
            Corner::BottomLeft => (inner.left, bottom),
            Corner::Right => (right, 0.5 * (inner.top + bottom)),
            Corner::Left => (inner.left, 0.5 * (inner.top + bottom)),
        };
        Frame::new((left, top), (left + width, top + height))
    }

    /// The corner whose box covers the least of what is drawn, and how much that is.
    fn emptiest(&self, taken: &[Place], corners: &[Corner], size: Place) -> Option<(usize, Frame)> {
        let boxes = corners.iter().map(|corner| self.corner(*corner, size));
        let hits = |frame: Frame| {
            let near = frame.grown(5.0);
            (taken.iter().filter(|&&p| near.holds(p)).count(), frame)
        };
        boxes.map(hits).min_by_key(|&(hits, _)| hits)
    }

    /// Width and height of an inset that takes this part of the frame, or more where text would leave little of that.
    fn inset_size(&self, part: f64) -> Place {
        let of = |whole: f64, least: f64| (part * whole).max(least).min(0.8 * whole);
        (of(self.frame.width(), 130.0), of(self.frame.height(), 95.0))
    }

    /// The size of the legend, and the factor by which it shrinks to fit; `None` where nothing has a name.
    fn legend_size(&self, panel: &Panel, face: &Face) -> Option<(Place, f64)> {
        let widths: Vec<f64> = named(panel).map(|s| words::width(&s.label, face)).collect();
        let widest = SMALL * widths.iter().copied().reduce(f64::max)?;
        let wanted = (SWATCH + widest + 3.0 * INSET, LINE * widths.len() as f64 + INSET);
        let room = self.frame.grown(-INSET);
        let shrink = (room.width() / wanted.0).min(room.height() / wanted.1).min(1.0);
        Some(((wanted.0 * shrink, wanted.1 * shrink), shrink))
    }
}

/// The corners in which a legend may lie; an inset may also lie in the middle of a side.
const CORNERS: [Corner; 6] =
    [Corner::TopRight, Corner::TopLeft, Corner::BottomRight, Corner::BottomLeft, Corner::Right, Corner::Left];
const LEGEND_CORNERS: usize = 4;

/// A panel laid out, with the boxes that lie in it.
pub(super) struct Settled {
    pub plan: Plan,
    /// The legend's box and the factor by which it shrinks to fit.
    pub legend: Option<(Frame, f64)>,
    pub inset: Option<Frame>,
}

/// Lays the panel out, and finds room for its inset and its legend where they hide nothing: smaller insets and more room above
/// the data are tried in turn.
pub(super) fn settle(panel: &Panel, face: &Face, cell: Cell, legend: Legend) -> Settled {
    const PARTS: [f64; 3] = [0.48, 0.41, 0.35];
    const HEADROOM: [f64; 10] = [0.0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.5, 0.6, 0.8, 1.0];
    let attempt = |headroom: f64, part: f64| {
        let plan = Plan::new(panel, face, cell, headroom);
        let (mut taken, mut hidden) = (plan.taken(panel), 0);
        let mut choose = |corners: &[Corner], size: Place| {
            let (hits, frame) = plan.emptiest(&taken, corners, size)?;
            hidden += hits;
            taken.extend(frame.places(5.0));
            Some(frame)
        };
        let inset = panel.inset.as_ref().and_then(|Inset { place, .. }| {
            choose(place.as_ref().map_or(&CORNERS[..], std::slice::from_ref), plan.inset_size(part))
        });
        let legend = match legend {
            Legend::None => None,
            Legend::Auto => plan
                .legend_size(panel, face)
                .and_then(|(size, shrink)| Some((choose(&CORNERS[..LEGEND_CORNERS], size)?, shrink))),
        };
        (hidden, Settled { plan, legend, inset })
    };
    // An inset may push the data further down than a legend.
    let (parts, rooms) = if panel.inset.is_some() { (PARTS.len(), HEADROOM.len()) } else { (1, 8) };
    let rooms = if panel.y.range.is_some() { 1 } else { rooms };
    let tries = HEADROOM[..rooms].iter().flat_map(|room| PARTS[..parts].iter().map(move |part| (*room, *part)));
    let mut best: Option<(usize, Settled)> = None;
    for (room, part) in tries {
        let (hidden, settled) = attempt(room, part);
        if hidden == 0 {
            return settled;
        }
        // Where nothing helps, no room is made in vain.
        if room == 0.0 && best.as_ref().is_none_or(|(least, _)| hidden < *least) {
            best = Some((hidden, settled));
        }
    }
    best.map_or_else(|| attempt(0.0, PARTS[0]).1, |(_, settled)| settled)
}

/// Lays out what is below another plot, on its abscissa.
pub(super) fn settle_under(panel: &Panel, face: &Face, cell: Cell, above: &Plan) -> Plan {
    Plan::new(panel, face, cell, 0.0).under(above)
}

/// How far inside the frame of a panel begins.
pub(super) fn left_end(panel: &Panel, face: &Face, cell: Cell) -> f64 {
    Plan::new(panel, face, cell, 0.0).frame.left
}

/// A legend above the panels that have nothing else in theirs.
#[derive(Default)]
pub(super) struct Shared {
    /// The panel whose legend it is.
    of: usize,
    /// Its rows, as indices of that panel's series.
    pub rows: Vec<Vec<usize>>,
}

impl Shared {
    /// The panel whose legend it is, if there is one.
    pub fn panel<'a>(&self, figure: &'a Figure) -> Option<&'a Panel> {
        figure.panels.get(self.of).filter(|_| !self.rows.is_empty())
    }

    /// Whether it says all that the legend of a panel says.
    pub fn covers(&self, figure: &Figure, panel: &Panel) -> bool {
        self.panel(figure).is_some_and(|whole| is_part(panel, whole))
    }
}

/// Whether everything that the legend of one panel names is in that of another.
pub(super) fn is_part(panel: &Panel, whole: &Panel) -> bool {
    let same = |a: &Series, b: &Series| a.label == b.label && a.colour == b.colour && a.mark == b.mark;
    panel.legend == Legend::Auto && named(panel).all(|own| named(whole).any(|other| same(own, other)))
}

/// The legend that several panels share, if any do.
pub(super) fn shared_legend(figure: &Figure, face: &Face, width: f64) -> Shared {
    let has_one = |panel: &&Panel| named(panel).next().is_some();
    let sharing = |whole: &Panel| figure.panels.iter().filter(has_one).filter(|panel| is_part(panel, whole)).count();
    let longest = figure.panels.iter().enumerate().map(|(k, panel)| (sharing(panel), named(panel).count(), k));
    // Of those that the most panels share the longest, and the first of these.
    let best = longest.max_by_key(|(sharing, names, k)| (*sharing, *names, usize::MAX - k));
    let mut rows: Vec<(f64, Vec<usize>)> = Vec::new();
    let of = best.filter(|(sharing, ..)| *sharing > 1).map(|(.., k)| k);
    if let Some(of) = of {
        let entries = figure.panels[of].series.iter().enumerate().filter(|(_, s)| !s.label.is_empty());
        for (index, series) in entries {
            let own = entry_width(series, face) + APART;
            match rows.last_mut() {
                Some((used, row)) if *used + own <= width - 2.0 * MARGIN => {
                    *used += own;
                    row.push(index);
                }
                _ => rows.push((own, vec![index])),
            }
        }
    }
    Shared { of: of.unwrap_or(0), rows: rows.into_iter().map(|(_, row)| row).collect() }
}

/// The width of a sample and a name in a row of a legend.
pub(super) fn entry_width(series: &Series, face: &Face) -> f64 {
    SWATCH + INSET + SMALL * words::width(&series.label, face)
}

/// Where the entries of a centred row begin.
pub(super) fn entry_places(row: &[&Series], face: &Face, width: f64) -> Vec<f64> {
    let widths: Vec<f64> = row.iter().map(|series| entry_width(series, face)).collect();
    let total = widths.iter().sum::<f64>() + APART * (row.len().max(1) - 1) as f64;
    let begin = |at: &mut f64, own: &f64| {
        let start = *at;
        *at += own + APART;
        Some(start)
    };
    widths.iter().scan((width - total) / 2.0, begin).collect()
}

/// The series that the legend names.
pub(super) fn named(panel: &Panel) -> impl Iterator<Item = &Series> {
    panel.series.iter().filter(|s| !s.label.is_empty())
}

pub(super) fn has_place(panel: &Panel, p: &Point) -> bool {
    shown(panel.x.scale, p.x) && shown(panel.y.scale, p.y)
}

/// Whether the error interval can be drawn; on a log axis it may reach down to zero and below.
pub(super) fn has_bar(panel: &Panel, p: &Point) -> bool {
    let above = panel.y.scale == Scale::Linear || p.hi > 0.0;
    shown(panel.x.scale, p.x) && p.lo <= p.hi && above
}

/// All points with a place on the axes.
pub(super) fn placed(panel: &Panel) -> impl Iterator<Item = (Mark, &Point)> {
    let all = panel.series.iter();
    all.flat_map(|s| s.points.iter().map(|p| (s.mark, p))).filter(|(_, p)| has_place(panel, p))
}

/// The unbroken runs of points that a line joins.
pub(super) fn runs<'a>(panel: &Panel, series: &'a Series) -> impl Iterator<Item = &'a [Point]> {
    let runs = series.points.split(|p| !has_place(panel, p));
    runs.filter(|run| !run.is_empty())
}

/// The text without characters that have no glyph, or no place in XML.
pub(super) fn tidy(text: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(odd, " ")
}
