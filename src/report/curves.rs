//! Curves in panels side by side, in rows of two where there are more than three: losses and accuracies while networks learn, and coverage of intervals.

use std::path::PathBuf;

use humboldt_schemas::experiment::CurvePanel;

use super::canvas::{Canvas, Point, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::{GREY, SERIES};
use super::ticks::Scale;
use super::{ReportError, Sheet};

const FIGURE: &str = "curves";
/// Width and height of a panel with its titles [mm].
const CELL: (f64, f64) = (100.0, 80.0);

/// Draws `stem.svg`, `stem.png` and `stem.csv`: a panel for each of `panels`, with a dashed line of equal x and y where
/// `diagonal`.
///
/// # Errors
/// Without points, with numbers that are not finite or, on a logarithmic axis, not positive, or when a file cannot be
/// written.
pub fn curves(sheet: &Sheet, panels: &[CurvePanel], diagonal: bool) -> Result<Vec<PathBuf>, ReportError> {
    if panels.is_empty() || panels.iter().any(|p| p.lines.iter().all(|line| line.points.is_empty())) {
        return Err(ReportError::NoData { figure: FIGURE, what: "points" });
    }
    for panel in panels {
        let points = || panel.lines.iter().flat_map(|line| line.points.iter().copied());
        ReportError::unless_finite(FIGURE, "a value", points().flat_map(|(x, y)| [x, y]))?;
        let lowest = points().map(|p| p.1).fold(f64::INFINITY, f64::min);
        if panel.logarithmic && lowest <= 0.0 {
            let allowed = "positive numbers on a logarithmic axis";
            return Err(ReportError::Value {
                figure: FIGURE,
                what: "a value",
                got: lowest.to_string(),
                allowed,
            });
        }
    }
    // Four in a row would be too small to read.
    let columns = if panels.len() > 3 { 2 } else { panels.len() };
    let size = (CELL.0 * columns as f64, CELL.1 * panels.len().div_ceil(columns) as f64);
    let draw = |canvas: &Canvas| {
        for (i, panel) in panels.iter().enumerate() {
            let points = || panel.lines.iter().flat_map(|line| line.points.iter().copied());
            let x = Scale::around(points().map(|p| p.0), 0.02, 0.02);
            let heights = || points().map(|p| p.1);
            let y = if panel.logarithmic {
                Scale::log_around(heights(), 0.06, 0.12)
            } else {
                Scale::around(heights(), 0.06, 0.12)
            };
            let (left, top) = (CELL.0 * (i % columns) as f64, CELL.1 * (i / columns) as f64);
            let frame = Rect::new(left + 19.0, top + 4.0, CELL.0 - 23.0, CELL.1 - 19.0);
            let axes = Panel::new(canvas, frame, x, y);
            if diagonal {
                axes.straight(1.0, 0.0, Stroke::thin(GREY).dashed());
            }
            let mut entries: Vec<Entry> = Vec::new();
            for (place, line) in panel.lines.iter().enumerate() {
                let stroke = look(place);
                axes.curve(&line.points, stroke);
                entries.push((Key::Line(stroke), line.name.clone()));
            }
            axes.draw_axes(&axes.axes(Some(&panel.x), Some(&panel.y)));
            let covered: Vec<Point> = points().map(|(x, y)| axes.at(x, y)).collect();
            if panel.lines.len() > 1 {
                legend::draw(&axes, &entries, &covered);
            }
        }
    };
    let rows = panels.iter().flat_map(|panel| {
        let named = panel.lines.iter().flat_map(|line| line.points.iter().map(move |point| (line, point)));
        named.map(|(line, (x, y))| format!("{},{},{x},{y}", panel.y, line.name))
    });
    sheet.write("Curves", size, draw, ("panel,curve,x,y", rows))
}

fn look(place: usize) -> Stroke {
    let stroke = Stroke::curve(SERIES[place % SERIES.len()]);
    if place % 2 == 1 { stroke.dashed() } else { stroke }
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::experiment::CurveLine;

    use super::*;
    use crate::checks;

    fn panel(logarithmic: bool) -> CurvePanel {
        let line = |name: &str, height: f64| CurveLine {
            name: name.to_owned(),
            points: (1..40).map(|i| (f64::from(i), height / f64::from(i))).collect(),
        };
        CurvePanel {
            x: "epoch".to_owned(),
            y: "loss".to_owned(),
            logarithmic,
            lines: vec![line("training", 1.0), line("validation", 1.3)],
        }
    }

    #[test]
    fn panels_stand_side_by_side() {
        let svg = checks::figure("curves", |sheet| curves(sheet, &[panel(true), panel(false)], true));
        assert_eq!(svg.matches("validation").count(), 2);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(curves(sheet, &[], false), Err(ReportError::NoData { .. })));
        let mut negative = panel(true);
        negative.lines[0].points[3].1 = -1.0;
        assert!(matches!(curves(sheet, &[negative], false), Err(ReportError::Value { .. })));
    }
}
