//! Keys and words where they cover the least data.

use super::canvas::{Align, Canvas, Font, Point, Stroke};
use super::panel::{Marker, Panel, Rect};
use super::style::{Colour, WHITE};

/// Sign before the words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// A line.
    Line(Stroke),
    /// A marker on its error bar.
    Point(Marker, Stroke),
    /// A marker alone.
    Marker(Marker, Colour),
    /// A filled patch.
    Patch(Colour, f64),
    /// Words over the full width.
    Nothing,
}

/// One line of a legend: its key and words in markup.
pub(super) type Entry = (Key, String);

/// Width of a key and its distance to the words [mm].
const KEY: (f64, f64) = (6.0, 1.6);
/// From the frame to the legend, and from its edge to its content [mm].
const MARGINS: (f64, f64) = (2.6, 0.8);

/// Draws a legend where it holds the fewest of the points to avoid (on paper): in a corner if one does as well as any
/// other place, from the upper left clockwise, else along the left or right side.
pub(super) fn draw(panel: &Panel, entries: &[Entry], avoid: &[Point]) {
    let font = Font::legend();
    let content = entries.iter().map(|(key, text)| indent(*key) + font.width(text)).fold(0.0, f64::max);
    let width = content + 2.0 * MARGINS.1;
    let height = entries.len() as f64 * font.line_height() + 2.0 * MARGINS.1;
    let frame = panel.frame;
    let place = |x: f64, y: f64| {
        let free = (frame.width - 2.0 * MARGINS.0 - width, frame.height - 2.0 * MARGINS.0 - height);
        Rect::new(frame.left + MARGINS.0 + x * free.0, frame.top + MARGINS.0 + y * free.1, width, height)
    };
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
    let sides = (1..10).flat_map(|i| [0.0, 1.0, 0.5].map(|x| (x, f64::from(i) / 10.0)));
    let places = corners.into_iter().chain(sides).map(|(x, y)| place(x, y));
    let covered = |rect: &Rect| avoid.iter().filter(|point| rect.holds(**point)).count();
    // `min_by_key` takes the first of equal ones.
    let Some(rect) = places.min_by_key(covered) else { return };
    panel.canvas.rectangle((rect.left, rect.top), (rect.right(), rect.bottom()), WHITE, 0.85);
    for (i, entry) in entries.iter().enumerate() {
        let y = rect.top + MARGINS.1 + (i as f64 + 0.5) * font.line_height();
        entry_at(panel.canvas, entry, (rect.left + MARGINS.1, y), font);
    }
}

/// Draws a legend as one centred line whose middle is at a height [mm].
pub(super) fn draw_in_a_row(canvas: &Canvas, entries: &[Entry], centre: Point, font: Font) {
    const GAP: f64 = 6.0;
    let widths: Vec<f64> = entries.iter().map(|(key, text)| indent(*key) + font.width(text)).collect();
    let total = widths.iter().sum::<f64>() + GAP * entries.len().saturating_sub(1) as f64;
    let mut left = centre.0 - total / 2.0;
    for (entry, width) in entries.iter().zip(widths) {
        entry_at(canvas, entry, (left, centre.1), font);
        left += width + GAP;
    }
}

fn indent(key: Key) -> f64 {
    if matches!(key, Key::Nothing) { 0.0 } else { KEY.0 + KEY.1 }
}

fn entry_at(canvas: &Canvas, (key, text): &Entry, (left, y): Point, font: Font) {
    let (right, middle) = (left + KEY.0, left + KEY.0 / 2.0);
    match *key {
        Key::Line(stroke) => canvas.line(&[(left, y), (right, y)], stroke),
        Key::Point(marker, stroke) => {
            canvas.line(&[(middle, y - 1.6), (middle, y + 1.6)], stroke);
            marker.draw(canvas, (middle, y), stroke.colour);
        }
        Key::Marker(marker, colour) => marker.draw(canvas, (middle, y), colour),
        Key::Patch(colour, alpha) => canvas.rectangle((left, y - 1.1), (right, y + 1.1), colour, alpha),
        Key::Nothing => {}
    }
    canvas.text(text, (left + indent(*key), y + font.cap_height() / 2.0), font, Align::Left);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticks::Scale;

    fn panel(canvas: &Canvas) -> Panel<'_> {
        let unit = Scale::linear(0.0, 1.0);
        Panel::new(canvas, Rect::new(0.0, 0.0, 100.0, 100.0), unit, unit)
    }

    /// Upper left corner of the white box of a legend [0.01 mm].
    fn box_of(avoid: &[Point]) -> String {
        let canvas = Canvas::default();
        let panel = panel(&canvas);
        draw(&panel, &[(Key::Nothing, "words".to_owned())], avoid);
        let svg = canvas.svg((100.0, 100.0), "legend");
        let polygon = svg.lines().find(|line| line.starts_with("<polygon")).unwrap();
        polygon.split("points=\"").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    }

    #[test]
    fn a_legend_avoids_the_data() {
        let upper_left = box_of(&[]);
        assert_eq!(upper_left, "260,260");
        let upper_right = box_of(&[(5.0, 5.0)]);
        assert!(upper_right.ends_with(",260") && upper_right != upper_left, "{upper_right}");
        let side = box_of(&[(5.0, 5.0), (95.0, 5.0), (95.0, 95.0), (5.0, 95.0)]);
        assert!(side.starts_with("260,") && side != upper_left, "{side}");
        // A line crosses both upper corners and has no point in either.
        let lower_right = box_of(&panel(&Canvas::default()).along(&[(0.0, 0.95), (1.0, 0.95)]));
        assert!(!lower_right.ends_with(",260") && !lower_right.starts_with("260,"), "{lower_right}");
    }
}
