//! Regions of two parameters that a global fit allows, with the Standard Model and the best fit.

use std::path::PathBuf;

use super::canvas::{Canvas, Point, Stroke};
use super::legend::{self, Entry, Key};
use super::markup::literal;
use super::panel::{Marker, Panel, Rect};
use super::style::shift_symbol;
use super::style::{BLACK, BLUE, Colour, GREY, SKY, VERMILION};
use super::ticks::{Scale, short};
use super::{ReportError, Sheet};

const FIGURE: &str = "contours";

/// One region.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Its probability as that of so many standard deviations of a normal distribution.
    pub sigmas: f64,
    /// The closed lines around it.
    pub lines: Vec<Vec<(f64, f64)>>,
}

/// Regions of two parameters.
#[derive(Debug, Clone, Copy)]
pub struct Contours<'a> {
    /// Name of the first parameter, as in `c9`, and its range.
    pub x: (&'a str, [f64; 2]),
    /// Name of the second.
    pub y: (&'a str, [f64; 2]),
    /// The regions, from the smallest.
    pub regions: &'a [Region],
    /// Place of the best fit.
    pub best: (f64, f64),
}

/// Draws `stem.svg`, `stem.png` and `stem.csv` (the lines).
///
/// # Errors
/// Without regions, with numbers that are not finite, or when a file cannot be written.
pub fn contours(sheet: &Sheet, plot: &Contours) -> Result<Vec<PathBuf>, ReportError> {
    if plot.regions.iter().all(|region| region.lines.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "region inside the grid" });
    }
    let points = || plot.regions.iter().flat_map(|region| region.lines.iter().flatten().copied());
    let ends = plot.x.1.into_iter().chain(plot.y.1);
    let numbers = points().flat_map(|(x, y)| [x, y]).chain(ends).chain([plot.best.0, plot.best.1]);
    ReportError::unless_finite(FIGURE, "a value", numbers)?;
    let [x, y] = [plot.x.1, plot.y.1].map(|[low, high]| Scale::linear(low, high));

    let draw = |canvas: &Canvas| {
        let panel = Panel::new(canvas, Rect::new(19.0, 4.0, 87.0, 76.0), x, y);
        let mut entries: Vec<Entry> = Vec::new();
        for (place, Region { sigmas, lines }) in plot.regions.iter().enumerate().rev() {
            let (fill, stroke) = look(place);
            for line in lines {
                let on_paper: Vec<Point> = line.iter().map(|&(x, y)| panel.at(x, y)).collect();
                // A region with a hole is shown by its lines alone.
                if lines.iter().all(|other| area(other).signum() == area(line).signum()) {
                    canvas.polygon(&on_paper, fill, 0.35);
                }
                canvas.line(&on_paper, stroke);
            }
            entries.insert(0, (Key::Line(stroke), format!("{} *σ*", short(*sigmas, 2))));
        }
        let (best_x, best_y) = plot.best;
        let inside = |x: f64, y: f64| panel.frame.holds(panel.at(x, y));
        if inside(0.0, 0.0) {
            panel.straight(0.0, 0.0, Stroke::thin(GREY).dashed());
            panel.curve(&[(0.0, y.low), (0.0, y.high)], Stroke::thin(GREY).dashed());
            panel.marker(0.0, 0.0, Marker::Star, VERMILION);
            entries.push((Key::Marker(Marker::Star, VERMILION), "Standard Model".to_owned()));
        }
        if inside(best_x, best_y) {
            panel.marker(best_x, best_y, Marker::Disc, BLACK);
            let words = format!("best fit ({}, {})", short(best_x, 3), short(best_y, 3));
            entries.push((Key::Marker(Marker::Disc, BLACK), words));
        }
        let (x_title, y_title) = (parameter_title(plot.x.0), parameter_title(plot.y.0));
        panel.draw_axes(&panel.axes(Some(&x_title), Some(&y_title)));
        let covered: Vec<Point> =
            points().chain([(0.0, 0.0), plot.best]).map(|(x, y)| panel.at(x, y)).collect();
        legend::draw(&panel, &entries, &covered);
    };
    let rows = plot.regions.iter().flat_map(|Region { sigmas, lines }| {
        lines
            .iter()
            .enumerate()
            .flat_map(move |(index, line)| line.iter().map(move |(x, y)| format!("{sigmas},{index},{x},{y}")))
    });
    let header = format!("sigmas,line,{},{}", plot.x.0, plot.y.0);
    sheet.write("Regions that a global fit allows", (110.0, 96.0), draw, (&header, rows))
}

/// Fill and outline of the regions, from the smallest.
fn look(place: usize) -> (Colour, Stroke) {
    match place {
        0 => (BLUE, Stroke::curve(BLUE)),
        1 => (SKY, Stroke::curve(BLUE).dashed()),
        _ => (SKY, Stroke::thin(GREY)),
    }
}

/// Twice the area inside a closed line, with the sign of its sense.
fn area(line: &[(f64, f64)]) -> f64 {
    line.windows(2).map(|pair| pair[0].0 * pair[1].1 - pair[1].0 * pair[0].1).sum()
}

/// A parameter of a fit as a title of an axis, in markup: the symbol of a shift with its unit, other names as they are.
pub fn parameter_title(name: &str) -> String {
    let coefficient = name.strip_suffix("_im").unwrap_or(name);
    let base = coefficient.strip_suffix("_prime").unwrap_or(coefficient);
    match base {
        "c_s" | "c_p" => format!("{} [GeV^{{−1}}]", shift_symbol(name)),
        _ if base.strip_prefix('c').is_some_and(|digits| digits.parse::<u8>().is_ok()) => shift_symbol(name),
        // The star of K* is no markup.
        _ => literal(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn circle(radius: f64) -> Vec<(f64, f64)> {
        let angle = |i: i32| std::f64::consts::TAU * f64::from(i) / 60.0;
        (0..=60).map(|i| (radius * angle(i).cos() - 0.8, radius * angle(i).sin() + 0.1)).collect()
    }

    #[test]
    fn regions_points_and_names_are_drawn() {
        let regions = [1.0, 2.0, 3.0].map(|sigmas| Region { sigmas, lines: vec![circle(0.2 * sigmas)] });
        let plot = Contours {
            x: ("c9", [-2.0, 0.5]),
            y: ("c10_prime", [-1.0, 1.0]),
            regions: &regions,
            best: (-0.8, 0.1),
        };
        let svg = checks::figure("contours", |sheet| contours(sheet, &plot));
        assert!(svg.contains("Standard Model") && svg.contains("best fit (−0.8, 0.1)"));
        assert!(svg.matches("<polygon").count() >= 3);
        let nothing = Contours { regions: &[Region { sigmas: 1.0, lines: Vec::new() }], ..plot };
        assert!(matches!(contours(&Sheet::new("never", &[]), &nothing), Err(ReportError::NoData { .. })));
    }

    #[test]
    fn titles_are_those_of_the_literature() {
        for (name, title) in [
            ("c9", "δ*C*_{9}"),
            ("c10_prime", "δ*C*_{10}′"),
            ("c7_im", "Im δ*C*_{7}"),
            ("c_s", "δ*C*_{S} [GeV^{−1}]"),
            ("a0[dBR_dq2(B0->K*0mumu)]", r"a0[dBR_dq2(B0->K\*0mumu)]"),
        ] {
            assert_eq!(parameter_title(name), title);
        }
    }
}
