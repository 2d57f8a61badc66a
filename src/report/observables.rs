//! Measured observables in bins of q2 with predictions, a panel each (Figs. 1 to 3, 6, 9, 10 of the study of global fits).

use std::path::PathBuf;

use super::canvas::{Canvas, Font, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::{BLUE, Colour, GREEN, LEGEND_PT, ORANGE, Q2};
use super::ticks::Scale;
use super::{ReportError, Sheet};

const FIGURE: &str = "observables";
/// Colour and strength of each prediction's boxes.
const LOOKS: [(Colour, f64); 2] = [(ORANGE, 0.55), (BLUE, 0.35)];
/// Half the height of a box whose prediction has no error, in shares of its panel.
const THIN_BOX: f64 = 0.008;
/// Columns of panels, and the size of one with its titles [mm].
const COLUMNS: usize = 3;
const CELL: (f64, f64) = (60.0, 50.0);

/// One observable.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservablePanel {
    /// Its name and unit, in markup.
    pub title: String,
    /// Its name in the table.
    pub name: String,
    /// Its bins.
    pub bins: Vec<ObservableBin>,
}

/// One bin.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservableBin {
    /// Lower end [GeV^2].
    pub q2_min: f64,
    /// Upper end [GeV^2].
    pub q2_max: f64,
    /// Measured value.
    pub measured: f64,
    /// Its upward error.
    pub error_plus: f64,
    /// Its downward error.
    pub error_minus: f64,
    /// Value and error of each prediction; empty where there is none.
    pub predictions: Vec<(f64, f64)>,
}

/// Draws `stem.svg`, `stem.png` and `stem.csv`: crosses for measurements, boxes for one or two predictions.
///
/// # Errors
/// Without panels or bins, when a bin has neither `names.len()` predictions nor none, or that is more than two, with numbers that
/// are not finite, or when a file cannot be written.
pub fn observables(
    sheet: &Sheet,
    panels: &[ObservablePanel],
    names: &[&str],
) -> Result<Vec<PathBuf>, ReportError> {
    if panels.is_empty() || panels.iter().any(|panel| panel.bins.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "bins" });
    }
    for bin in panels.iter().flat_map(|panel| &panel.bins) {
        let (got, expected) = (bin.predictions.len(), names.len().min(LOOKS.len()));
        if (got != expected && got != 0) || names.len() > LOOKS.len() {
            return Err(ReportError::Length {
                figure: FIGURE,
                what: "the list of predictions",
                got,
                expected,
            });
        }
        let predictions = bin.predictions.iter().flat_map(|(value, error)| [*value, *error]);
        let measured = [bin.q2_min, bin.q2_max, bin.measured, bin.error_plus, bin.error_minus];
        ReportError::unless_finite(FIGURE, "a value", measured.into_iter().chain(predictions))?;
    }
    let rows = panels.len().div_ceil(COLUMNS);
    let columns = panels.len().min(COLUMNS);
    let size = (2.0 + CELL.0 * columns as f64, 12.0 + CELL.1 * rows as f64);
    let draw = |canvas: &Canvas| {
        for (i, panel) in panels.iter().enumerate() {
            let corner = (CELL.0 * (i % COLUMNS) as f64, 10.0 + CELL.1 * (i / COLUMNS) as f64);
            draw(canvas, corner, panel);
        }
        let mut keys: Vec<Entry> = vec![(Key::Line(data_stroke()), "measured".to_owned())];
        keys.extend(
            names.iter().zip(LOOKS).map(|(name, (c, alpha))| (Key::Patch(c, alpha), (*name).to_owned())),
        );
        legend::draw_in_a_row(canvas, &keys, (size.0 / 2.0, 5.0), Font::new(LEGEND_PT));
    };
    let header = "observable,q2_min,q2_max,measured,error_plus,error_minus,prediction,value,error";
    let rows = panels.iter().flat_map(|panel| {
        panel.bins.iter().flat_map(move |bin| {
            let ObservableBin { q2_min, q2_max, measured, error_plus, error_minus, predictions } = bin;
            let label = &panel.name;
            let start = format!("{label},{q2_min},{q2_max},{measured},{error_plus},{error_minus}");
            let mut rows: Vec<String> = names
                .iter()
                .zip(predictions)
                .map(|(name, (value, error))| format!("{start},{name},{value},{error}"))
                .collect();
            if predictions.is_empty() {
                rows.push(format!("{start},none,,"));
            }
            rows
        })
    });
    sheet.write("Measured observables and predictions", size, draw, (header, rows))
}

fn data_stroke() -> Stroke {
    Stroke::curve(GREEN)
}

fn draw(canvas: &Canvas, (left, top): (f64, f64), panel: &ObservablePanel) {
    let ends = panel.bins.iter().flat_map(|bin| [bin.q2_min, bin.q2_max]);
    let heights = panel.bins.iter().flat_map(|bin| {
        let predictions = bin.predictions.iter().flat_map(|(value, error)| [value - error, value + error]);
        [bin.measured - bin.error_minus, bin.measured + bin.error_plus].into_iter().chain(predictions)
    });
    let (x, y) = (Scale::around(ends, 0.06, 0.06), Scale::around(heights, 0.08, 0.08));
    let axes = Panel::new(canvas, Rect::new(left + 15.0, top, CELL.0 - 17.0, CELL.1 - 13.0), x, y);
    for bin in &panel.bins {
        for ((value, error), (colour, alpha)) in bin.predictions.iter().zip(LOOKS) {
            let half = error.max(THIN_BOX * (y.high - y.low));
            let corners = (axes.at(bin.q2_min, value - half), axes.at(bin.q2_max, value + half));
            canvas.rectangle(corners.0, corners.1, colour, alpha);
        }
    }
    for bin in &panel.bins {
        let centre = 0.5 * (bin.q2_min + bin.q2_max);
        let range = (bin.measured - bin.error_minus, bin.measured + bin.error_plus);
        axes.error_bar(centre, range, data_stroke(), 0.0);
        axes.curve(&[(bin.q2_min, bin.measured), (bin.q2_max, bin.measured)], data_stroke());
    }
    let mut words = axes.axes(Some(Q2), Some(&panel.title));
    words.x_ticks = x.ticks(5);
    words.text_scale = 0.8;
    words.y_title_gap = 10.0;
    axes.draw_axes(&words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn panel(name: &str, bins: usize) -> ObservablePanel {
        let bin = |i: usize| ObservableBin {
            q2_min: 2.0 * i as f64,
            q2_max: 2.0 * i as f64 + 1.5,
            measured: 0.3 - 0.2 * i as f64,
            error_plus: 0.1,
            error_minus: 0.2,
            predictions: vec![(0.2 - 0.2 * i as f64, 0.05), (0.25, 0.0)],
        };
        ObservablePanel {
            title: "*P*_{5}′".to_owned(),
            name: name.to_owned(),
            bins: (0..bins).map(bin).collect(),
        }
    }

    #[test]
    fn panels_of_many_and_of_one_bin_are_drawn() {
        let panels = [panel("P5p", 6), panel("R_K", 1), panel("P1", 2), panel("P2", 3)];
        let svg = checks::figure("observables", |sheet| {
            observables(sheet, &panels, &["Standard Model", "best fit"])
        });
        // Two boxes a bin and two in the legend.
        assert_eq!(svg.matches("fill-opacity").count(), 2 * 12 + 2);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(observables(sheet, &[], &["SM"]), Err(ReportError::NoData { .. })));
        assert!(matches!(observables(sheet, &[panel("P1", 1)], &["SM"]), Err(ReportError::Length { .. })));
        let mut nan = panel("P1", 1);
        nan.bins[0].measured = f64::NAN;
        assert!(matches!(observables(sheet, &[nan], &["SM", "fit"]), Err(ReportError::Value { .. })));
    }
}
