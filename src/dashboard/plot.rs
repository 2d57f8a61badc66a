//! Curves with axes in the characters of a terminal, eight dots in each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Context, Line as Stroke, Points};

use crate::report::Scale;

/// Columns for the numbers of the vertical axis.
const NUMBERS: u16 = 8;
/// Columns between two numbers of the horizontal axis.
const SPACING: u16 = 14;

/// Curves over one pair of axes.
pub(super) struct Plot<'a> {
    /// Title, with the look of the curves.
    pub(super) title: Line<'a>,
    pub(super) x: Scale,
    /// Under the right end of the horizontal axis.
    pub(super) x_title: &'a str,
    pub(super) y: Scale,
    /// Later ones lie on top.
    pub(super) curves: Vec<Curve>,
}

/// One set of points.
pub(super) struct Curve {
    pub(super) points: Vec<(f64, f64)>,
    pub(super) colour: Color,
    pub(super) kind: Kind,
}

/// Look of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each alone; what lies beyond the axes is left out.
    Dots,
    /// Joined.
    Line,
    /// By a character each.
    Sign(char),
}

impl Widget for Plot<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        if area.width < NUMBERS + 8 || area.height < 5 {
            return;
        }
        let inside =
            Rect { x: area.x + NUMBERS, y: area.y + 1, width: area.width - NUMBERS, height: area.height - 3 };
        buffer.set_line(area.x, area.y, &self.title, area.width);
        self.vertical_axis(inside, buffer);
        self.horizontal_axis(inside, buffer);
        let canvas = Canvas::default().marker(Marker::Braille).x_bounds([0.0, 1.0]).y_bounds([0.0, 1.0]);
        canvas
            .paint(|context| self.curves.iter().for_each(|c| self.curve(c, context)))
            .render(inside, buffer);
    }
}

impl Plot<'_> {
    fn curve(&self, curve: &Curve, context: &mut Context) {
        let places = || curve.points.iter().map(|&(x, y)| (self.x.fraction(x), self.y.fraction(y)));
        let inside = |v: f64| (0.0..=1.0).contains(&v);
        match curve.kind {
            Kind::Dots => {
                let coords: Vec<(f64, f64)> = places().filter(|&(x, y)| inside(x) && inside(y)).collect();
                context.draw(&Points { coords: &coords, color: curve.colour });
            }
            Kind::Line => {
                let places: Vec<(f64, f64)> = places().map(|(x, y)| (unit(x), unit(y))).collect();
                for ends in places.windows(2) {
                    context.draw(&Stroke::new(ends[0].0, ends[0].1, ends[1].0, ends[1].1, curve.colour));
                }
            }
            Kind::Sign(sign) => {
                for (x, y) in places() {
                    let sign = Span::styled(sign.to_string(), Style::new().fg(curve.colour));
                    context.print(unit(x), unit(y), Line::from(sign));
                }
            }
        }
        context.layer();
    }

    fn vertical_axis(&self, inside: Rect, buffer: &mut Buffer) {
        let axis = inside.x - 1;
        for row in inside.top()..inside.bottom() {
            buffer[(axis, row)].set_char('│');
        }
        let mut used = None;
        for (value, text) in self.y.ticks(usize::from(inside.height / 2).clamp(2, 8)).major {
            let row = inside.y + place(1.0 - self.y.fraction(value), 4, inside.height);
            if used != Some(row) {
                used = Some(row);
                buffer[(axis, row)].set_char('┤');
                let text = format!("{:>width$}", plain(&text), width = usize::from(NUMBERS - 2));
                buffer.set_stringn(axis + 1 - NUMBERS, row, text, usize::from(NUMBERS - 2), Style::new());
            }
        }
    }

    fn horizontal_axis(&self, inside: Rect, buffer: &mut Buffer) {
        let row = inside.bottom();
        buffer[(inside.x - 1, row)].set_char('└');
        for column in inside.left()..inside.right() {
            buffer[(column, row)].set_char('─');
        }
        let title = self.x_title.chars().count() as u16;
        let end = inside.right().saturating_sub(title);
        buffer.set_stringn(end, row + 1, self.x_title, usize::from(title), Style::new());
        let mut free = inside.x.saturating_sub(2);
        for (value, text) in self.x.ticks(usize::from(inside.width / SPACING).clamp(2, 10)).major {
            let (text, column) = (plain(&text), inside.x + place(self.x.fraction(value), 2, inside.width));
            buffer[(column, row)].set_char('┬');
            let width = text.chars().count() as u16;
            let first = column.saturating_sub(width / 2);
            if first >= free && first + width < end {
                buffer.set_stringn(first, row + 1, text, usize::from(width), Style::new());
                free = first + width + 1;
            }
        }
    }
}

fn unit(fraction: f64) -> f64 {
    fraction.clamp(0.0, 1.0)
}

/// The cell that holds a fraction of a length of `cells`, each with so many dots, as the canvas has it.
fn place(fraction: f64, dots: u16, cells: u16) -> u16 {
    let last = f64::from(dots * cells) - 1.0;
    (((unit(fraction) * last).round() as u16) / dots).min(cells - 1)
}

/// Markup in the characters of a terminal: `3·10^{−4}` becomes 3·10⁻⁴.
fn plain(markup: &str) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let mut raised = false;
    let mut text = String::new();
    for c in markup.chars() {
        match (c, raised) {
            ('^', _) => raised = true,
            ('{', true) => {}
            ('}', true) => raised = false,
            ('−', true) => text.push('⁻'),
            (_, true) => text.push(c.to_digit(10).map_or(c, |digit| RAISED[digit as usize])),
            (_, false) => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::buffer::Cell;

    fn rendered(plot: Plot, width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        plot.render(buffer.area, &mut buffer);
        let cells: Vec<&str> = buffer.content.iter().map(Cell::symbol).collect();
        cells.chunks(usize::from(width)).map(<[&str]>::concat).collect()
    }

    fn plot(points: Vec<(f64, f64)>, kind: Kind) -> Plot<'static> {
        Plot {
            title: Line::from("loss"),
            x: Scale::linear(0.0, 2.0),
            x_title: "epochs",
            y: Scale::linear(0.0, 1.0),
            curves: vec![Curve { points, colour: Color::Cyan, kind }],
        }
    }

    #[test]
    fn a_rising_line_goes_from_corner_to_corner() {
        let rows = rendered(plot(vec![(0.0, 0.0), (2.0, 1.0)], Kind::Line), 30, 9);
        assert!(rows[0].starts_with("loss"));
        let column = |row: &str| row.chars().position(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        let columns: Vec<usize> = rows[1..7].iter().map(|row| column(row).unwrap()).collect();
        assert!(columns.windows(2).all(|c| c[0] > c[1]), "{rows:#?}");
        assert_eq!((columns[5], rows[1].trim_end().chars().count()), (8, 30));
        assert!(rows[1].starts_with("   1.0 ┤") && rows[6].starts_with("   0.0 ┤"), "{rows:#?}");
        assert!(rows[7].starts_with("       └┬") && rows[8].ends_with("epochs"), "{rows:#?}");
    }

    #[test]
    fn what_lies_beyond_the_axes_is_left_out_or_drawn_at_their_end() {
        let count = |kind| {
            let rows = rendered(plot(vec![(1.0, 7.0)], kind), 30, 9);
            rows[1..7].iter().flat_map(|r| r.chars().skip(8)).filter(|c| *c != ' ').count()
        };
        assert_eq!((count(Kind::Dots), count(Kind::Sign('x'))), (0, 1));
    }

    #[test]
    fn powers_are_raised() {
        assert_eq!(plain("3·10^{−14}"), "3·10⁻¹⁴");
        assert_eq!(plain("−0.5"), "−0.5");
    }
}
