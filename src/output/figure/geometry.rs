//! Places, rectangles and the parts of lines and areas that lie in them.

/// A place in pixels, downwards positive.
pub(super) type Place = (f64, f64);

/// The place at a fraction `t` of the way.
pub(super) fn mix(a: Place, b: Place, t: f64) -> Place {
    (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1))
}

pub(super) fn distance(a: Place, b: Place) -> f64 {
    (b.0 - a.0).hypot(b.1 - a.1)
}

/// An upright rectangle.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Frame {
    /// The rectangle between the upper left and the lower right corner.
    pub fn new((left, top): Place, (right, bottom): Place) -> Self {
        Self { left, top, right, bottom }
    }

    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub fn grown(&self, by: f64) -> Self {
        Self::new((self.left - by, self.top - by), (self.right + by, self.bottom + by))
    }

    pub fn corners(&self) -> [Place; 4] {
        let (x0, y0, x1, y1) = (self.left, self.top, self.right, self.bottom);
        [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    }

    /// The distance inwards from one of the four sides.
    fn depth(&self, side: usize, (x, y): Place) -> f64 {
        match side {
            0 => x - self.left,
            1 => self.right - x,
            2 => y - self.top,
            _ => self.bottom - y,
        }
    }

    /// Places inside, at most so far apart.
    pub fn places(&self, apart: f64) -> impl Iterator<Item = Place> {
        let count = |length: f64| (length / apart).ceil().clamp(1.0, 1e3) as u32;
        let (across, down) = (count(self.width()), count(self.height()));
        let at = move |frame: &Self, i: u32, k: u32| {
            let part = (f64::from(i) / f64::from(across), f64::from(k) / f64::from(down));
            (frame.left + part.0 * frame.width(), frame.top + part.1 * frame.height())
        };
        let frame = *self;
        (0..=across).flat_map(move |i| (0..=down).map(move |k| at(&frame, i, k)))
    }

    pub fn holds(&self, place: Place) -> bool {
        (0..4).all(|side| self.depth(side, place) >= 0.0)
    }

    /// The part of a segment inside.
    pub fn clip_segment(&self, mut a: Place, mut b: Place) -> Option<(Place, Place)> {
        for side in 0..4 {
            let (da, db) = (self.depth(side, a), self.depth(side, b));
            if da < 0.0 && db < 0.0 {
                return None;
            } else if da < 0.0 {
                a = mix(a, b, da / (da - db));
            } else if db < 0.0 {
                b = mix(a, b, da / (da - db));
            }
        }
        Some((a, b))
    }

    /// The parts of a line inside.
    pub fn clip_line(&self, line: &[Place]) -> Vec<Vec<Place>> {
        let mut parts: Vec<Vec<Place>> = Vec::new();
        for pair in line.windows(2) {
            if let Some((a, b)) = self.clip_segment(pair[0], pair[1]) {
                match parts.last_mut() {
                    Some(part) if part.last() == Some(&a) => part.push(b),
                    _ => parts.push(vec![a, b]),
                }
            }
        }
        parts
    }

    /// The part of a polygon inside.
    pub fn clip_area(&self, mut corners: Vec<Place>) -> Vec<Place> {
        for side in 0..4 {
            let mut kept = Vec::with_capacity(corners.len() + 4);
            let before = corners.iter().cycle().skip(corners.len().max(1) - 1);
            for (&a, &b) in before.zip(&corners) {
                let (da, db) = (self.depth(side, a), self.depth(side, b));
                if (da < 0.0) != (db < 0.0) {
                    kept.push(mix(a, b, da / (da - db)));
                }
                if db >= 0.0 {
                    kept.push(b);
                }
            }
            corners = kept;
        }
        corners
    }
}

/// Cuts a line into dashes of length `on`, `off` apart.
pub(super) fn dashes(line: &[Place], on: f64, off: f64) -> Vec<Vec<Place>> {
    let mut parts = Vec::new();
    let mut dash: Vec<Place> = line.iter().take(1).copied().collect();
    let (mut drawing, mut left) = (true, on);
    for pair in line.windows(2) {
        let (mut a, b) = (pair[0], pair[1]);
        let mut length = distance(a, b);
        while length > left {
            a = mix(a, b, left / length);
            length -= left;
            dash.push(a);
            if drawing {
                parts.push(std::mem::take(&mut dash));
            } else {
                dash = vec![a];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
        left -= length;
        if drawing {
            dash.push(b);
        }
    }
    if drawing {
        parts.push(dash);
    }
    parts
}
