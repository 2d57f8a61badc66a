//! A pair of axes: frame with inward ticks on all sides, numbers, titles, and data in its coordinates.

use super::canvas::{Align, Canvas, Font, Point, Stroke, corners};
use super::style::{BLACK, Colour, MARKER_RADIUS, NUMBER_PT, TICKS, TITLE_PT, WHITE};
use super::ticks::{Scale, Ticks};

/// A rectangle on paper [mm].
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    pub(super) fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self { left, top, width, height }
    }

    pub(super) fn right(self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + self.height
    }

    /// Whether a point lies inside.
    pub(super) fn holds(self, (x, y): Point) -> bool {
        (self.left..=self.right()).contains(&x) && (self.top..=self.bottom()).contains(&y)
    }
}

/// Shape of a marker; open ones are white inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    OpenDiamond,
    Star,
    Square,
    Triangle,
}

impl Marker {
    /// Draws it at a point on paper.
    pub(super) fn draw(self, canvas: &Canvas, at: Point, colour: Colour) {
        let r = MARKER_RADIUS;
        let diamond = |r: f64| [(at.0 - r, at.1), (at.0, at.1 - r), (at.0 + r, at.1), (at.0, at.1 + r)];
        match self {
            Self::Disc => canvas.disc(at, r, colour),
            Self::OpenDiamond => {
                canvas.polygon(&diamond(1.4 * r), colour, 1.0);
                canvas.polygon(&diamond(0.9 * r), WHITE, 1.0);
            }
            Self::Square => canvas.rectangle(
                (at.0 - 0.9 * r, at.1 - 0.9 * r),
                (at.0 + 0.9 * r, at.1 + 0.9 * r),
                colour,
                1.0,
            ),
            Self::Triangle => {
                let corners = [
                    (at.0 - 1.1 * r, at.1 + 0.8 * r),
                    (at.0, at.1 - 1.2 * r),
                    (at.0 + 1.1 * r, at.1 + 0.8 * r),
                ];
                canvas.polygon(&corners, colour, 1.0);
            }
            Self::Star => {
                let corner = |i: u32| {
                    let radius = if i.is_multiple_of(2) { 1.9 * r } else { 0.8 * r };
                    let angle = std::f64::consts::PI * f64::from(i) / 5.0;
                    (at.0 + radius * angle.sin(), at.1 - radius * angle.cos())
                };
                canvas.polygon(&(0..10).map(corner).collect::<Vec<_>>(), colour, 1.0);
            }
        }
    }
}

/// Words and ticks along the axes of a panel.
#[derive(Debug, Clone)]
pub(super) struct Axes<'t> {
    /// Title below; without it the numbers are left out too.
    pub(super) x_title: Option<&'t str>,
    pub(super) y_title: Option<&'t str>,
    pub(super) x_ticks: Ticks,
    pub(super) y_ticks: Ticks,
    /// Size of titles and numbers relative to a single figure.
    pub(super) text_scale: f64,
    /// Distance from the frame to the baseline of the title at the left [mm].
    pub(super) y_title_gap: f64,
}

/// Data coordinates on a part of the paper.
pub(super) struct Panel<'c> {
    pub(super) canvas: &'c Canvas,
    pub(super) frame: Rect,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl<'c> Panel<'c> {
    pub(super) fn new(canvas: &'c Canvas, frame: Rect, x: Scale, y: Scale) -> Self {
        Self { canvas, frame, x, y }
    }

    /// Ticks that suit the panel's size, and both titles.
    pub(super) fn axes<'t>(&self, x_title: Option<&'t str>, y_title: Option<&'t str>) -> Axes<'t> {
        Axes {
            x_title,
            y_title,
            x_ticks: self.x.ticks((self.frame.width / 14.0) as usize),
            y_ticks: self.y.ticks((self.frame.height / 8.0) as usize),
            text_scale: 1.0,
            y_title_gap: 13.0,
        }
    }

    /// Place of a value on paper.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (
            self.frame.left + self.frame.width * self.x.fraction(x),
            self.frame.bottom() - self.frame.height * self.y.fraction(y),
        )
    }

    /// Frame, ticks, numbers and titles; drawn last, over the data.
    pub(super) fn draw_axes(&self, axes: &Axes) {
        let Rect { left, top, .. } = self.frame;
        let (right, bottom) = (self.frame.right(), self.frame.bottom());
        let stroke = Stroke::frame(BLACK);
        let long = |ticks: &Ticks| ticks.major.iter().map(|&(v, _)| (v, TICKS.0)).collect::<Vec<_>>();
        let short = |ticks: &Ticks| ticks.minor.iter().map(|&v| (v, TICKS.1)).collect::<Vec<_>>();
        let shrink = self.frame.height.min(self.frame.width).min(40.0) / 40.0;
        for (value, length) in [long(&axes.x_ticks), short(&axes.x_ticks)].concat() {
            let (x, _) = self.at(value, self.y.low);
            self.canvas.line(&[(x, bottom), (x, bottom - length * shrink)], stroke);
            self.canvas.line(&[(x, top), (x, top + length * shrink)], stroke);
        }
        for (value, length) in [long(&axes.y_ticks), short(&axes.y_ticks)].concat() {
            let (_, y) = self.at(self.x.low, value);
            self.canvas.line(&[(left, y), (left + length * shrink, y)], stroke);
            self.canvas.line(&[(right, y), (right - length * shrink, y)], stroke);
        }
        self.canvas.outline(&corners((left, top), (right, bottom)), stroke);
        self.draw_numbers(axes);
    }

    fn draw_numbers(&self, axes: &Axes) {
        let number = Font::new(NUMBER_PT * axes.text_scale);
        let title = Font::new(TITLE_PT * axes.text_scale);
        let bottom = self.frame.bottom();
        if let Some(text) = axes.x_title {
            let baseline = bottom + 1.3 + number.cap_height();
            for (value, text) in &axes.x_ticks.major {
                self.canvas.text(text, (self.at(*value, self.y.low).0, baseline), number, Align::Centre);
            }
            let at = (
                self.frame.left + self.frame.width / 2.0,
                baseline + 1.0 + 1.35 * title.line_height() * 0.75,
            );
            self.canvas.text(text, at, title, Align::Centre);
        }
        if let Some(text) = axes.y_title {
            let middle = number.cap_height() / 2.0;
            for (value, text) in &axes.y_ticks.major {
                let (_, y) = self.at(self.x.low, *value);
                self.canvas.text(text, (self.frame.left - 1.3, y + middle), number, Align::Right);
            }
            let at = (self.frame.left - axes.y_title_gap, self.frame.top + self.frame.height / 2.0);
            self.canvas.text_upwards(text, at, title);
        }
    }

    /// A line through data points.
    pub(super) fn curve(&self, points: &[(f64, f64)], stroke: Stroke) {
        let points: Vec<Point> = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        self.canvas.line(&points, stroke);
    }

    /// Places on paper along the line through data points, at most a millimetre apart.
    pub(super) fn along(&self, points: &[(f64, f64)]) -> Vec<Point> {
        let points: Vec<Point> = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        let between = |ends: &[Point]| {
            let (first, way) = (ends[0], (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1));
            let steps = way.0.hypot(way.1).ceil().max(1.0);
            (0..steps as usize).map(move |i| {
                let part = i as f64 / steps;
                (first.0 + part * way.0, first.1 + part * way.1)
            })
        };
        points.windows(2).flat_map(between).chain(points.last().copied()).collect()
    }

    /// The part of the line y = slope x + intercept inside the frame.
    pub(super) fn straight(&self, slope: f64, intercept: f64, stroke: Stroke) {
        let y = |x: f64| slope * x + intercept;
        let (mut left, mut right) = (self.x.low, self.x.high);
        if slope.abs() > f64::EPSILON {
            let crossings = [(self.y.low - intercept) / slope, (self.y.high - intercept) / slope];
            left = left.max(crossings[0].min(crossings[1]));
            right = right.min(crossings[0].max(crossings[1]));
        }
        let inside = left < right && (self.y.low..=self.y.high).contains(&y(0.5 * (left + right)));
        if inside {
            self.curve(&[(left, y(left)), (right, y(right))], stroke);
        }
    }

    /// A horizontal band over the whole width.
    pub(super) fn band(&self, low: f64, high: f64, colour: Colour, alpha: f64) {
        let (low, high) = (low.max(self.y.low), high.min(self.y.high));
        self.canvas.rectangle(self.at(self.x.low, low), self.at(self.x.high, high), colour, alpha);
    }

    /// A vertical bar with caps.
    pub(super) fn error_bar(&self, x: f64, (low, high): (f64, f64), stroke: Stroke, cap: f64) {
        let (from, to) = (self.at(x, low), self.at(x, high));
        self.canvas.line(&[from, to], stroke);
        for end in [from, to].into_iter().filter(|_| cap > 0.0) {
            self.canvas.line(&[(end.0 - cap, end.1), (end.0 + cap, end.1)], stroke);
        }
    }

    /// A marker at a data point.
    pub(super) fn marker(&self, x: f64, y: f64, marker: Marker, colour: Colour) {
        marker.draw(self.canvas, self.at(x, y), colour);
    }

    /// The upper edge of a histogram with `contents.len() + 1` edges.
    pub(super) fn steps(&self, edges: &[f64], contents: &[f64], stroke: Stroke) {
        self.curve(&tops(edges, contents), stroke);
    }

    /// The area of a histogram.
    pub(super) fn fill_steps(&self, edges: &[f64], contents: &[f64], colour: Colour, alpha: f64) {
        let mut points = tops(edges, contents);
        if let (Some(&first), Some(&last)) = (edges.first(), edges.last()) {
            points.extend([(last, self.y.low), (first, self.y.low)]);
        }
        let points: Vec<Point> = points.into_iter().map(|(x, y)| self.at(x, y)).collect();
        self.canvas.polygon(&points, colour, alpha);
    }
}

/// Both upper corners of each bin.
fn tops(edges: &[f64], contents: &[f64]) -> Vec<(f64, f64)> {
    contents.iter().zip(edges.windows(2)).flat_map(|(&y, e)| [(e[0], y), (e[1], y)]).collect()
}
