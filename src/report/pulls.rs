//! Pulls of measurements, a row for each.

use std::path::PathBuf;

use super::canvas::{Canvas, Font, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Marker, Panel, Rect};
use super::style::{BLUE, Colour, GREY, LEGEND_PT, ORANGE, SKY};
use super::ticks::{Scale, Ticks, short};
use super::{ReportError, Sheet};

const FIGURE: &str = "pulls";
/// Marker and colour of each point.
const LOOKS: [(Marker, Colour); 2] = [(Marker::OpenDiamond, ORANGE), (Marker::Disc, BLUE)];
/// Height of a row, and of what is above and below all rows [mm].
const ROW: f64 = 4.4;
const TOP: f64 = 9.0;
const BOTTOM: f64 = 14.0;
/// Width of the figure and of the names at its left [mm].
const WIDTH: f64 = 120.0;
const NAMES: f64 = 38.0;

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct PullRow {
    /// Its observable, in markup.
    pub title: String,
    /// Its name in the table.
    pub name: String,
    /// Its bin [GeV^2].
    pub q2: [f64; 2],
    /// (measured - predicted)/error at each point.
    pub pulls: Vec<f64>,
}

/// Draws `stem.svg`, `stem.png` and `stem.csv`: the pulls at one or two points, by name.
///
/// # Errors
/// Without measurements, when one does not have `names.len()` pulls or that is more than two, with numbers that are not
/// finite, or when a file cannot be written.
pub fn pulls(sheet: &Sheet, rows: &[PullRow], names: &[&str]) -> Result<Vec<PathBuf>, ReportError> {
    if rows.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "measurements" });
    }
    for row in rows {
        let (got, expected) = (row.pulls.len(), names.len().min(LOOKS.len()));
        if got != expected || names.len() > LOOKS.len() {
            return Err(ReportError::Length { figure: FIGURE, what: "the list of pulls", got, expected });
        }
    }
    let all = || rows.iter().flat_map(|row| row.pulls.iter().copied());
    ReportError::unless_finite(FIGURE, "a pull", all())?;
    let count = rows.len() as f64;
    let reach = all().map(f64::abs).fold(3.0, f64::max) + 0.4;
    let (x, y) = (Scale::linear(-reach, reach), Scale::linear(0.0, count));
    let size = (WIDTH, TOP + ROW * count + BOTTOM);
    let draw = |canvas: &Canvas| {
        let frame = Rect::new(NAMES, TOP, WIDTH - NAMES - 4.0, ROW * count);
        let panel = Panel::new(canvas, frame, x, y);
        for (sigmas, alpha) in [(2.0, 0.12), (1.0, 0.2)] {
            canvas.rectangle(panel.at(-sigmas, 0.0), panel.at(sigmas, count), SKY, alpha);
        }
        panel.curve(&[(0.0, 0.0), (0.0, count)], Stroke::thin(GREY));
        let place = |i: usize| count - 0.5 - i as f64;
        for (i, row) in rows.iter().enumerate() {
            if i > 0 && rows[i - 1].name != row.name {
                let at = count - i as f64;
                panel.curve(&[(-reach, at), (reach, at)], Stroke::thin(GREY));
            }
            for (pull, (marker, colour)) in row.pulls.iter().zip(LOOKS) {
                panel.marker(*pull, place(i), marker, colour);
            }
        }
        let mut axes = panel.axes(Some("(measured − predicted) / *σ*"), Some(""));
        axes.text_scale = 0.8;
        let name =
            |row: &PullRow| format!("{} [{}, {}]", row.title, short(row.q2[0], 2), short(row.q2[1], 2));
        axes.y_ticks = Ticks {
            major: rows.iter().enumerate().map(|(i, row)| (place(i), name(row))).collect(),
            minor: Vec::new(),
        };
        panel.draw_axes(&axes);
        let looks = names.iter().zip(LOOKS);
        let keys: Vec<Entry> =
            looks.map(|(name, (marker, colour))| (Key::Marker(marker, colour), (*name).to_owned())).collect();
        legend::draw_in_a_row(canvas, &keys, (size.0 / 2.0, 4.5), Font::new(LEGEND_PT));
    };
    let lines = rows.iter().map(|row| {
        let pulls: Vec<String> = row.pulls.iter().map(ToString::to_string).collect();
        format!("{},{},{},{}", row.name, row.q2[0], row.q2[1], pulls.join(","))
    });
    let header = format!("observable,q2_min,q2_max,{}", names.join(","));
    sheet.write("Pulls", size, draw, (&header, lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn rows(n: usize) -> Vec<PullRow> {
        let row = |i: usize| PullRow {
            title: "*P*_{5}′".to_owned(),
            name: format!("P{}", i / 3),
            q2: [i as f64, i as f64 + 1.0],
            pulls: vec![i as f64 - 2.0, 0.3],
        };
        (0..n).map(row).collect()
    }

    #[test]
    fn a_row_for_each_measurement() {
        let svg = checks::figure("pulls", |sheet| pulls(sheet, &rows(7), &["Standard Model", "best fit"]));
        assert_eq!(svg.matches("<circle").count(), 7 + 1);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(pulls(sheet, &[], &["SM"]), Err(ReportError::NoData { .. })));
        assert!(matches!(pulls(sheet, &rows(1), &["SM"]), Err(ReportError::Length { .. })));
        let mut nan = rows(1);
        nan[0].pulls[0] = f64::NAN;
        assert!(matches!(pulls(sheet, &nan, &["SM", "fit"]), Err(ReportError::Value { .. })));
    }
}
