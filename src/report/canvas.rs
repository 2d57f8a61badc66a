//! A sheet of paper in mm, drawn by plotters' SVG backend, written as SVG and PNG.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::{
    Circle, Color, DrawingArea, IntoDrawingArea, PathElement, Polygon, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle};

use super::style::{BLACK, CURVE_WIDTH, FONT_FAMILY, LEGEND_PT, MM_PER_PT, THIN_WIDTH};
use super::{ReportError, files, markup, raster};

/// The backend draws in whole units; a unit is 0.01 mm.
const UNITS_PER_MM: f64 = 100.0;

/// Position on paper [mm], from the upper left corner.
pub(super) type Point = (f64, f64);

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: RGBColor,
    /// [mm]
    pub(super) width: f64,
    /// Dash and gap [mm].
    pub(super) dash: Option<(f64, f64)>,
}

impl Stroke {
    /// A curve.
    pub(super) fn curve(colour: RGBColor) -> Self {
        Self { colour, width: CURVE_WIDTH, dash: None }
    }

    /// An error bar or a reference line.
    pub(super) fn thin(colour: RGBColor) -> Self {
        Self { colour, width: THIN_WIDTH, dash: None }
    }

    /// The same, dashed.
    pub(super) fn dashed(self) -> Self {
        Self { dash: Some(super::style::DASH), ..self }
    }
}

/// Where a text's anchor lies along its baseline.
#[derive(Debug, Clone, Copy)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Size and weight of text; all text is black.
#[derive(Debug, Clone, Copy)]
pub(super) struct Font {
    pub(super) size_pt: f64,
    pub(super) bold: bool,
}

impl Font {
    /// Black text of a size [pt].
    pub(super) fn new(size_pt: f64) -> Self {
        Self { size_pt, bold: false }
    }

    /// Legend text.
    pub(super) fn legend() -> Self {
        Self::new(LEGEND_PT)
    }

    /// The same in bold.
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

    /// Width of text in markup [mm].
    pub(super) fn width(self, text: &str) -> f64 {
        markup::width(text, self.size_pt, self.bold)
    }
}

/// The drawing surface of one figure.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    figure: &'a str,
}

impl Canvas<'_> {
    /// A line through points.
    pub(super) fn line(&self, points: &[Point], stroke: Stroke) -> Result<(), ReportError> {
        let points: Vec<_> = points.iter().copied().map(units).collect();
        let style = stroke.colour.stroke_width((stroke.width * UNITS_PER_MM).round() as u32);
        match stroke.dash {
            None => self.checked(self.area.draw(&PathElement::new(points, style))),
            Some((dash, gap)) => {
                let (dash, gap) = (dash * UNITS_PER_MM, gap * UNITS_PER_MM);
                self.checked(self.area.draw(&DashedPathElement::new(points, dash as i32, gap as i32, style)))
            }
        }
    }

    /// A filled polygon.
    pub(super) fn polygon(&self, points: &[Point], colour: RGBColor, alpha: f64) -> Result<(), ReportError> {
        let points: Vec<_> = points.iter().copied().map(units).collect();
        self.checked(self.area.draw(&Polygon::new(points, colour.mix(alpha))))
    }

    /// A filled rectangle between two corners.
    pub(super) fn rectangle(
        &self,
        a: Point,
        b: Point,
        colour: RGBColor,
        alpha: f64,
    ) -> Result<(), ReportError> {
        self.polygon(&[a, (b.0, a.1), b, (a.0, b.1)], colour, alpha)
    }

    /// A filled disc.
    pub(super) fn disc(&self, centre: Point, radius: f64, colour: RGBColor) -> Result<(), ReportError> {
        let radius = (radius * UNITS_PER_MM).round() as i32;
        self.checked(self.area.draw(&Circle::new(units(centre), radius, colour.filled())))
    }

    /// Text in markup whose baseline starts, is centred or ends at a point.
    pub(super) fn text(&self, text: &str, at: Point, font: Font, align: Align) -> Result<(), ReportError> {
        self.draw_text(text, at, font, align, FontTransform::None)
    }

    /// Text that runs upwards, centred at a point of its baseline.
    pub(super) fn text_upwards(&self, text: &str, at: Point, font: Font) -> Result<(), ReportError> {
        self.draw_text(text, at, font, Align::Centre, FontTransform::Rotate270)
    }

    fn draw_text(
        &self,
        text: &str,
        at: Point,
        font: Font,
        align: Align,
        transform: FontTransform,
    ) -> Result<(), ReportError> {
        // The backend writes size / 1.24 as the size of an em.
        let size = (font.size_pt * MM_PER_PT * UNITS_PER_MM).round() * 1.24;
        let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
        let anchor = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style =
            TextStyle::from(FontDesc::new(FontFamily::Name(FONT_FAMILY), size, style).transform(transform))
                .color(&BLACK)
                .pos(Pos::new(anchor, VPos::Bottom));
        self.checked(self.area.draw(&Text::new(markup::encode(text), units(at), style)))
    }

    fn checked<E: std::error::Error>(&self, result: Result<(), E>) -> Result<(), ReportError> {
        result.map_err(|e| ReportError::Drawing { figure: self.figure.to_owned(), message: e.to_string() })
    }
}

fn units((x, y): Point) -> (i32, i32) {
    ((x * UNITS_PER_MM).round() as i32, (y * UNITS_PER_MM).round() as i32)
}

/// Draws a figure of a width and height [mm] and writes `stem.svg` and `stem.png`; gives both paths.
pub(super) fn figure(
    stem: &Path,
    title: &str,
    (width, height): (f64, f64),
    draw: impl FnOnce(&Canvas) -> Result<(), ReportError>,
) -> Result<Vec<PathBuf>, ReportError> {
    raster::register_fonts()?;
    let mut svg = String::new();
    {
        let (w, h) = units((width, height));
        let area = SVGBackend::with_string(&mut svg, (w as u32, h as u32)).into_drawing_area();
        let canvas = Canvas { area, figure: title };
        draw(&canvas)?;
        canvas.checked(canvas.area.present())?;
    }
    let svg = finished(&svg, title, (width, height));
    let png = raster::png(&svg, title)?;
    let paths = [files::with_suffix(stem, ".svg"), files::with_suffix(stem, ".png")];
    files::write(&paths[0], svg.as_bytes())?;
    files::write(&paths[1], &png)?;
    Ok(paths.into())
}

/// The backend's SVG with its size in mm, a title, a white ground, markup, and without what says nothing.
fn finished(svg: &str, title: &str, (width, height): (f64, f64)) -> String {
    let (w, h) = units((width, height));
    let body = svg.split_once('>').map_or(svg, |(_, body)| body);
    // Text is placed by its baseline: without the backend's shift of half the height of an x, which viewers
    // do not agree about.
    let mut lines = String::with_capacity(body.len());
    for line in body.lines() {
        lines.push_str(line);
        // The words of a text stand on a line of their own; some viewers would show that as a space.
        if !line.starts_with("<text") {
            lines.push('\n');
        }
    }
    let body =
        lines.replace(" dy=\"-0.5ex\"", "").replace(" opacity=\"1\"", "").replace("\n</text>", "</text>");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" viewBox=\"0 0 {w} {h}\">\n\
         <title>{title}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#FFFFFF\"/>{}",
        markup::to_tspans(&body)
    )
}
