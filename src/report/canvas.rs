//! A sheet of paper in mm, drawn as SVG: lines, polygons, discs and text.

use std::cell::RefCell;
use std::fmt::{self, Display, Write as _};

use super::style::{
    CURVE_WIDTH, Colour, FONT_FAMILY, FRAME_WIDTH, GREY, LEGEND_PT, MM_PER_PT, SMALL_PT, THIN_WIDTH,
};
use super::{markup, raster};

/// Coordinates are whole numbers of 0.01 mm.
const UNITS_PER_MM: f64 = 100.0;
const XMLNS: &str = "http://www.w3.org/2000/svg";

/// Position on paper [mm], from the upper left corner.
pub(super) type Point = (f64, f64);

/// Look of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: Colour,
    /// [mm]
    pub(super) width: f64,
    /// Dash and gap [mm].
    pub(super) dash: Option<(f64, f64)>,
}

impl Stroke {
    /// A curve.
    pub(super) fn curve(colour: Colour) -> Self {
        Self { colour, width: CURVE_WIDTH, dash: None }
    }

    /// An error bar or a reference line.
    pub(super) fn thin(colour: Colour) -> Self {
        Self { colour, width: THIN_WIDTH, dash: None }
    }

    /// A frame or a tick.
    pub(super) fn frame(colour: Colour) -> Self {
        Self { colour, width: FRAME_WIDTH, dash: None }
    }

    /// The line with dashes.
    pub(super) fn dashed(self) -> Self {
        Self { dash: Some(super::style::DASH), ..self }
    }
}

impl Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"", self.colour, units(self.width))?;
        self.dash
            .map_or(Ok(()), |(dash, gap)| write!(f, " stroke-dasharray=\"{},{}\"", units(dash), units(gap)))
    }
}

/// Place of a text's anchor along its baseline.
#[derive(Debug, Clone, Copy)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

impl Align {
    const fn attribute(self) -> &'static str {
        match self {
            Self::Left => "",
            Self::Centre => " text-anchor=\"middle\"",
            Self::Right => " text-anchor=\"end\"",
        }
    }
}

/// Size, weight and colour of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Font {
    pub(super) size_pt: f64,
    pub(super) bold: bool,
    pub(super) grey: bool,
}

impl Font {
    /// Black text of a size [pt].
    pub(super) fn new(size_pt: f64) -> Self {
        Self { size_pt, bold: false, grey: false }
    }

    /// Legend text.
    pub(super) fn legend() -> Self {
        Self::new(LEGEND_PT)
    }

    /// Small print below a figure.
    pub(super) fn small_print() -> Self {
        Self { grey: true, ..Self::new(SMALL_PT - 0.5) }
    }

    /// The font in bold.
    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// Height of a capital letter [mm].
    pub(super) fn cap_height(self) -> f64 {
        0.729 * self.size_pt * MM_PER_PT
    }

    /// Distance between lines [mm].
    pub(super) fn line_height(self) -> f64 {
        1.32 * self.size_pt * MM_PER_PT
    }

    /// Width of text in markup [mm], as the rasteriser lays it out.
    pub(super) fn width(self, text: &str) -> f64 {
        let element = self.element(text, (0.0, 0.0), "");
        let svg = format!(
            "<svg xmlns=\"{XMLNS}\" width=\"1\" height=\"1\" font-family=\"{FONT_FAMILY}\">{element}</svg>"
        );
        // Text of spaces alone has no box.
        let tree = raster::parse(&svg, "text").ok();
        tree.map_or(0.0, |tree| f64::from(tree.root().bounding_box().width()) / UNITS_PER_MM)
    }

    /// Text in markup as an SVG element with further attributes.
    fn element(self, text: &str, at: Point, attributes: &str) -> String {
        let size = units(self.size_pt * MM_PER_PT);
        let weight = if self.bold { " font-weight=\"bold\"" } else { "" };
        let fill = if self.grey { format!(" fill=\"{GREY}\"") } else { String::new() };
        let (x, y) = (units(at.0), units(at.1));
        format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight}{fill}{attributes}>{}</text>\n",
            markup::tspans(text, size)
        )
    }
}

/// Drawing surface of one figure.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    elements: RefCell<String>,
}

impl Canvas {
    /// A line through points.
    pub(super) fn line(&self, points: &[Point], stroke: Stroke) {
        self.add(format_args!("<polyline points=\"{}\" {stroke}/>", Points(points)));
    }

    /// A line through points and back to the first.
    pub(super) fn outline(&self, points: &[Point], stroke: Stroke) {
        self.add(format_args!("<polygon points=\"{}\" {stroke}/>", Points(points)));
    }

    /// A filled polygon.
    pub(super) fn polygon(&self, points: &[Point], colour: Colour, alpha: f64) {
        let opacity = if alpha < 1.0 { format!(" fill-opacity=\"{alpha}\"") } else { String::new() };
        self.add(format_args!("<polygon points=\"{}\" fill=\"{colour}\"{opacity}/>", Points(points)));
    }

    /// A filled rectangle between two corners.
    pub(super) fn rectangle(&self, a: Point, b: Point, colour: Colour, alpha: f64) {
        self.polygon(&corners(a, b), colour, alpha);
    }

    /// A filled disc.
    pub(super) fn disc(&self, (x, y): Point, radius: f64, colour: Colour) {
        let [x, y, radius] = [x, y, radius].map(units);
        self.add(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\"/>"));
    }

    /// Text in markup whose baseline starts, is centred or ends at a point.
    pub(super) fn text(&self, text: &str, at: Point, font: Font, align: Align) {
        self.elements.borrow_mut().push_str(&font.element(text, at, align.attribute()));
    }

    /// Text that runs upwards, centred at a point of its baseline.
    pub(super) fn text_upwards(&self, text: &str, at: Point, font: Font) {
        let turned =
            format!(" text-anchor=\"middle\" transform=\"rotate(270 {} {})\"", units(at.0), units(at.1));
        self.elements.borrow_mut().push_str(&font.element(text, at, &turned));
    }

    /// The figure of a width and height [mm] as SVG.
    pub(super) fn svg(self, size: (f64, f64), title: &str) -> String {
        document(size, title, &self.elements.into_inner())
    }

    fn add(&self, element: fmt::Arguments) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.elements.borrow_mut(), "{element}");
    }
}

/// Corners of a rectangle, one after the other.
pub(super) fn corners(a: Point, b: Point) -> [Point; 4] {
    [a, (b.0, a.1), b, (a.0, b.1)]
}

fn document((width, height): (f64, f64), title: &str, elements: &str) -> String {
    let (w, h, title) = (units(width), units(height), markup::escaped(title));
    format!(
        "<svg xmlns=\"{XMLNS}\" width=\"{width}mm\" height=\"{height}mm\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"{FONT_FAMILY}\">\n<title>{title}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#FFFFFF\"/>\n\
         {elements}</svg>\n"
    )
}

fn units(mm: f64) -> i64 {
    (mm * UNITS_PER_MM).round() as i64
}

/// Points as an attribute has them.
struct Points<'a>(&'a [Point]);

impl Display for Points<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (x, y)) in self.0.iter().enumerate() {
            write!(f, "{}{},{}", if i > 0 { " " } else { "" }, units(*x), units(*y))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::BLUE;

    #[test]
    fn every_primitive_is_one_element() {
        let canvas = Canvas::default();
        canvas.line(&[(0.0, 1.0), (2.004, -0.5)], Stroke::thin(BLUE).dashed());
        canvas.rectangle((0.0, 0.0), (1.0, 2.0), BLUE, 0.5);
        canvas.disc((1.0, 1.0), 0.25, BLUE);
        canvas.text("a < *b*", (1.0, 2.0), Font::new(10.0), Align::Right);
        let svg = canvas.svg((3.0, 4.0), "R & D");
        let lines: Vec<&str> = svg.lines().collect();
        assert_eq!(lines[1], "<title>R &amp; D</title>");
        assert_eq!(
            lines[3..],
            [
                "<polyline points=\"0,100 200,-50\" fill=\"none\" stroke=\"#0072B2\" stroke-width=\"26\" \
                 stroke-dasharray=\"160,100\"/>",
                "<polygon points=\"0,0 100,0 100,200 0,200\" fill=\"#0072B2\" fill-opacity=\"0.5\"/>",
                "<circle cx=\"100\" cy=\"100\" r=\"25\" fill=\"#0072B2\"/>",
                "<text x=\"100\" y=\"200\" font-size=\"353\" text-anchor=\"end\">a &lt; \
                 <tspan font-style=\"oblique\">b</tspan></text>",
                "</svg>"
            ]
        );
    }

    /// A legend's box is as wide as its words: those of the embedded fonts, scripts smaller.
    #[test]
    fn width_is_that_of_the_words() {
        let font = Font::new(72.0 / 25.4 * 10.0);
        // Advances of DejaVu Sans in units of 1/2048 em: n 1298, 2 1303.
        assert!((font.width("nn") - 10.0 * 2596.0 / 2048.0).abs() < 0.05, "{}", font.width("nn"));
        let scripted = 10.0 * (1298.0 + 0.7 * 1303.0) / 2048.0;
        assert!((font.width("n^{2}") - scripted).abs() < 0.05, "{}", font.width("n^{2}"));
        assert!(font.bold().width("nn") > font.width("nn") && font.width("  ") < 1e-9);
    }
}
