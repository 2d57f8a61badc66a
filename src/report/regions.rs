//! Regions of (C9, C10) of an exact and a learned density, with generated points.

use std::path::PathBuf;

use humboldt_schemas::experiment::RegionsFigure;

use super::canvas::{Canvas, Point, Stroke};
use super::contours::parameter_title;
use super::legend::{self, Entry, Key};
use super::panel::{Marker, Panel, Rect};
use super::style::{BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION};
use super::ticks::{Scale, number, short};
use super::{ReportError, Sheet};

const FIGURE: &str = "regions";
/// Radius of a generated point [mm].
const DOT: f64 = 0.22;

/// Draws `stem.svg`, `stem.png` and `stem.csv` (the lines): the first density filled, others as lines.
///
/// # Errors
/// Without regions, with numbers that are not finite, or when a file cannot be written.
pub fn regions(sheet: &Sheet, plot: &RegionsFigure) -> Result<Vec<PathBuf>, ReportError> {
    let Some(first) = plot.regions.first().map(|region| region.name.clone()) else {
        return Err(ReportError::NoData { figure: FIGURE, what: "regions" });
    };
    let points = || plot.regions.iter().flat_map(|region| region.lines.iter().flatten().copied());
    let samples = || plot.samples.iter().flat_map(|(_, points)| points.iter().copied());
    let numbers = points().chain(samples()).chain([plot.best]).flat_map(|(x, y)| [x, y]);
    ReportError::unless_finite(FIGURE, "a value", numbers.chain(plot.c9).chain(plot.c10))?;
    let [x, y] = [plot.c9, plot.c10].map(|[low, high]| Scale::linear(low, high));

    let draw = |canvas: &Canvas| {
        let panel = Panel::new(canvas, Rect::new(19.0, 4.0, 87.0, 76.0), x, y);
        let mut entries: Vec<Entry> = Vec::new();
        // The largest first, so that smaller ones lie on it.
        for region in plot.regions.iter().rev() {
            let exact = region.name == first;
            let (stroke, fill) =
                if exact { (Stroke::curve(BLUE), true) } else { (Stroke::curve(VERMILION).dashed(), false) };
            for line in &region.lines {
                let clipped =
                    |&(c9, c10): &(f64, f64)| panel.at(c9.clamp(x.low, x.high), c10.clamp(y.low, y.high));
                let on_paper: Vec<Point> = line.iter().map(clipped).collect();
                if fill {
                    canvas.polygon(&on_paper, SKY, 0.3);
                }
                canvas.line(&on_paper, stroke);
            }
            let probabilities: Vec<String> = plot
                .regions
                .iter()
                .filter(|other| other.name == region.name)
                .map(|other| short(100.0 * other.probability, 0))
                .collect();
            let words = format!("{}, {} %", region.name, probabilities.join(" and "));
            if !entries.iter().any(|(_, text)| *text == words) {
                entries.insert(0, (Key::Line(stroke), words));
            }
        }
        for ((name, points), colour) in plot.samples.iter().zip([VERMILION, GREEN, PURPLE, ORANGE, GREY]) {
            // The coldest last in the list lie above.
            for (c9, c10) in points {
                let at = panel.at(*c9, *c10);
                if panel.frame.holds(at) {
                    canvas.disc(at, DOT, colour);
                }
            }
            entries.push((Key::Marker(Marker::Disc, colour), format!("generated, {name}")));
        }
        panel.marker(plot.best.0, plot.best.1, Marker::Star, BLACK);
        let words = format!("best fit ({}, {})", number(plot.best.0, 2), number(plot.best.1, 2));
        entries.push((Key::Marker(Marker::Star, BLACK), words));
        let titles = ["c9", "c10"].map(parameter_title);
        panel.draw_axes(&panel.axes(Some(&titles[0]), Some(&titles[1])));
        let covered: Vec<Point> = points().chain(samples()).map(|(x, y)| panel.at(x, y)).collect();
        legend::draw(&panel, &entries, &covered);
    };
    let rows = plot.regions.iter().flat_map(|region| {
        region.lines.iter().enumerate().flat_map(move |(index, line)| {
            line.iter()
                .map(move |(c9, c10)| format!("{},{},{index},{c9},{c10}", region.name, region.probability))
        })
    });
    let header = "density,probability,line,c9,c10";
    sheet.write("Regions of C9 and C10", (110.0, 96.0), draw, (header, rows))
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::experiment::RegionRow;

    use super::*;
    use crate::checks;

    fn plot() -> RegionsFigure {
        let circle = |radius: f64| -> Vec<(f64, f64)> {
            let angle = |i: i32| std::f64::consts::TAU * f64::from(i) / 60.0;
            (0..=60).map(|i| (radius * angle(i).cos() - 1.0, radius * angle(i).sin())).collect()
        };
        let region = |name: &str, probability: f64, radius: f64| RegionRow {
            name: name.to_owned(),
            probability,
            lines: vec![circle(radius)],
        };
        RegionsFigure {
            c9: [-2.0, 0.0],
            c10: [-1.0, 1.0],
            regions: vec![
                region("exact", 0.6827, 0.3),
                region("exact", 0.9545, 0.6),
                region("network", 0.6827, 0.32),
                region("network", 0.9545, 0.65),
            ],
            samples: vec![("T = 1".to_owned(), circle(0.2))],
            best: (-1.0, 0.0),
        }
    }

    #[test]
    fn both_densities_and_points_are_drawn() {
        let svg = checks::figure("regions", |sheet| regions(sheet, &plot()));
        assert!(svg.contains("exact, 68 and 95 %") && svg.contains("network, 68 and 95 %"));
        assert!(svg.matches("<circle").count() >= 61);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        let nothing = RegionsFigure { regions: Vec::new(), ..plot() };
        assert!(matches!(regions(sheet, &nothing), Err(ReportError::NoData { .. })));
        let nan = RegionsFigure { best: (f64::NAN, 0.0), ..plot() };
        assert!(matches!(regions(sheet, &nan), Err(ReportError::Value { .. })));
    }
}
