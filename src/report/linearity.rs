//! Mean prediction against the truth (the paper's Figs. 6 and 7), with the residuals below.

use std::path::PathBuf;

use humboldt_schemas::results::{EnsembleResult, Summary};

use super::canvas::{Canvas, Point, Stroke};
use super::contours::parameter_title;
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::{GREY, shift_symbol};
use super::ticks::{Scale, extent, number, short};
use super::training_values::{TrainingValues, look};
use super::{ReportError, Sheet};

const FIGURE: &str = "linearity plot";

/// Meaning of the error bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBars {
    /// Left and right width of the ensemble: how well one image is measured (the paper's Fig. 7).
    Unscaled,
    /// Left and right width of pseudo-experiments, which have no images.
    OfExperiments,
    /// The widths over sqrt(number of images): how well the mean is known (Fig. 6).
    OfTheMean,
}

/// Draws mean predictions against the truth, with error bars, and the residuals below.
///
/// The ensembles are those of a coefficient, `delta_c9` or one of another name, with its shifts as their truth.
///
/// # Errors
/// Without ensembles, with numbers that are not finite, or when a file cannot be written.
pub fn linearity(
    sheet: &Sheet,
    coefficient: &str,
    ensembles: &[EnsembleResult],
    training: TrainingValues,
    summary: &Summary,
    errors: ErrorBars,
) -> Result<Vec<PathBuf>, ReportError> {
    if ensembles.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "ensembles" });
    }
    let points: Vec<Measured> = ensembles.iter().map(|e| Measured::new(e, errors)).collect();
    let numbers = points.iter().flat_map(|p| [p.truth, p.mean, p.low, p.high]);
    ReportError::unless_finite(FIGURE, "a value", numbers)?;
    let x = Scale::around(points.iter().map(|p| p.truth), 0.05, 0.05);
    let y = Scale::around(points.iter().flat_map(|p| [p.low, p.high, p.truth]), 0.05, 0.05);
    let residual = extent(points.iter().flat_map(|p| [p.low - p.truth, p.high - p.truth]));
    let largest = residual.0.abs().max(residual.1.abs());

    let symbol = shift_symbol(coefficient);
    let title = parameter_title(coefficient.trim_start_matches("delta_"));
    let entries = entries(ensembles, training, &symbol, summary, errors);
    let draw = |canvas: &Canvas| {
        let main = Panel::new(canvas, Rect::new(19.0, 4.0, 117.0, 81.0), x, y);
        let residuals = Scale::around([-largest, largest], 0.12, 0.12);
        let below = Panel::new(canvas, Rect::new(19.0, 88.0, 117.0, 29.0), x, residuals);
        main.straight(1.0, 0.0, Stroke::thin(GREY).dashed());
        below.straight(0.0, 0.0, Stroke::thin(GREY).dashed());
        for p in &points {
            p.draw(&main, 0.0);
            p.draw(&below, p.truth);
        }
        main.draw_axes(&main.axes(None, Some(&format!("predicted {title}"))));
        let truth = format!("true {title}");
        let mut axes = below.axes(Some(&truth), Some("predicted − true"));
        axes.y_ticks = below.y.ticks(5);
        below.draw_axes(&axes);
        legend::draw(&main, &entries, &covered(&main, &points));
    };
    let header = format!("{coefficient},trained,n_images,mean,low,high,bias");
    let rows = ensembles.iter().zip(&points).map(|(e, p)| {
        let [low, high] = [p.low, p.high].map(|x| if p.known { x.to_string() } else { String::new() });
        format!("{},{},{},{},{low},{high},{}", e.truth, e.trained, e.n_images, e.mean, e.bias)
    });
    sheet.write("Linearity: predicted against true shift", (140.0, 132.0), draw, (header, rows))
}

/// A point with the ends of its error bar.
struct Measured {
    truth: f64,
    mean: f64,
    low: f64,
    high: f64,
    /// Whether the width is known; the ends are the mean where it is not.
    known: bool,
    trained: bool,
}

impl Measured {
    fn new(e: &EnsembleResult, errors: ErrorBars) -> Self {
        let scale = match errors {
            ErrorBars::Unscaled | ErrorBars::OfExperiments => 1.0,
            ErrorBars::OfTheMean => 1.0 / (e.n_images as f64).sqrt(),
        };
        Self {
            truth: e.truth,
            mean: e.mean,
            low: e.mean - scale * e.sigma_left.unwrap_or(0.0),
            high: e.mean + scale * e.sigma_right.unwrap_or(0.0),
            known: e.sigma.is_some(),
            trained: e.trained,
        }
    }

    fn draw(&self, panel: &Panel, subtract: f64) {
        let (marker, colour) = look(self.trained);
        if self.known {
            let bar = (self.low - subtract, self.high - subtract);
            panel.error_bar(self.truth, bar, Stroke::thin(colour), 0.8);
        }
        panel.marker(self.truth, self.mean - subtract, marker, colour);
    }
}

fn entries(
    ensembles: &[EnsembleResult],
    training: TrainingValues,
    symbol: &str,
    summary: &Summary,
    errors: ErrorBars,
) -> Vec<Entry> {
    let bars = match errors {
        ErrorBars::Unscaled => "error bars: *σ*_{L}, *σ*_{R} of single images",
        ErrorBars::OfExperiments => "error bars: *σ*_{L}, *σ*_{R} of single pseudo-experiments",
        ErrorBars::OfTheMean => "error bars: *σ*_{L}/√*N*, *σ*_{R}/√*N*",
    };
    let kinds = training.kinds(ensembles).into_iter();
    let mut entries: Vec<Entry> =
        kinds.map(|kind| (Key::Point(kind.marker, Stroke::thin(kind.colour)), kind.words)).collect();
    entries.push((Key::Line(Stroke::thin(GREY).dashed()), "predicted = true".to_owned()));
    entries.push((Key::Nothing, bars.to_owned()));
    let [low, high] = summary.range.map(|x| short(x, 2));
    let (slope, bias) = (number(summary.slope, 3), number(summary.mean_abs_bias, 3));
    let words = format!("{low} ≤ {symbol} ≤ {high}: slope {slope}, mean |bias| {bias}");
    entries.push((Key::Nothing, words));
    entries
}

/// Points that the legend must not cover: the error bars, and the diagonal.
fn covered(panel: &Panel, points: &[Measured]) -> Vec<Point> {
    let bars = points.iter().flat_map(|p| [p.low, p.mean, p.high].map(|y| panel.at(p.truth, y)));
    let diagonal = (0..=50).map(|i| panel.x.low + (panel.x.high - panel.x.low) * f64::from(i) / 50.0);
    bars.chain(diagonal.map(|x| panel.at(x, x))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;
    use humboldt_infer::ensembles::summary;

    #[test]
    fn both_kinds_of_error_bars_are_drawn() {
        let (ensembles, _) = checks::ensembles(22);
        let s = summary("check", [-2.0, 0.0], &ensembles).unwrap();
        for errors in [ErrorBars::Unscaled, ErrorBars::OfTheMean] {
            let svg = checks::figure("linearity", |sheet| {
                linearity(sheet, "delta_c9", &ensembles, TrainingValues::Listed, &s, errors)
            });
            assert!(svg.contains("slope 0.9"), "no slope in the legend");
        }
        let uniform = TrainingValues::Uniform([-2.1, 1.2]);
        checks::figure("one", |sheet| {
            linearity(sheet, "c10", &ensembles[..1], uniform, &s, ErrorBars::Unscaled)
        });
    }

    #[test]
    fn error_bars_of_the_mean_are_smaller_by_the_root_of_the_images() {
        let (ensembles, values) = checks::ensembles(1);
        let single = Measured::new(&ensembles[0], ErrorBars::Unscaled);
        let mean = Measured::new(&ensembles[0], ErrorBars::OfTheMean);
        let ratio = (single.high - single.mean) / (mean.high - mean.mean);
        assert!((ratio - (values[0].len() as f64).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        let (mut ensembles, _) = checks::ensembles(2);
        let s = summary("check", [-2.0, 0.0], &ensembles).unwrap();
        let drawn = |ensembles: &[EnsembleResult]| {
            linearity(sheet, "delta_c9", ensembles, TrainingValues::Listed, &s, ErrorBars::Unscaled)
        };
        assert!(matches!(drawn(&[]), Err(ReportError::NoData { .. })));
        ensembles[1].mean = f64::NAN;
        let nan = drawn(&ensembles);
        assert!(matches!(nan, Err(ReportError::Value { .. })));
    }
}
