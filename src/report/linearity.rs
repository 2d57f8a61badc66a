//! Mean prediction against the truth (the paper's Figs. 6 and 7), with the residuals below.

use std::path::{Path, PathBuf};

use humboldt_schemas::results::{EnsembleResult, Summary};

use super::canvas::{Point, Stroke, figure};
use super::legend::{self, Entry, Key};
use super::panel::{Marker, Panel, Rect};
use super::style::{BLUE, GREY, SKY, VERMILION, shift_symbol};
use super::ticks::{Scale, extent, short};
use super::{ReportError, files};

const FIGURE: &str = "linearity plot";

/// What the error bars show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBars {
    /// Left and right width of the ensemble: how well one image is measured (the paper's Fig. 7).
    Unscaled,
    /// The same over sqrt(number of images): how well the mean is known (Fig. 6).
    OfTheMean,
}

/// Draws `stem.svg`, `stem.png` and `stem.csv`.
///
/// The ensembles are those of a coefficient, `delta_c9` or one of another name, with its shifts as their truth.
/// `summary` fills the legend; `band` shades -band to +band in the residuals.
///
/// # Errors
/// Without ensembles, with numbers that are not finite, or when a file cannot be written.
pub fn linearity(
    stem: &Path,
    coefficient: &str,
    ensembles: &[EnsembleResult],
    summary: Option<&Summary>,
    errors: ErrorBars,
    band: Option<f64>,
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
    let largest = residual.0.abs().max(residual.1.abs()).max(band.unwrap_or(0.0));

    let symbol = shift_symbol(coefficient);
    let mut paths = figure(stem, "Linearity: predicted against true shift", (140.0, 132.0), |canvas| {
        let main = Panel::new(canvas, Rect::new(19.0, 4.0, 117.0, 81.0), x, y);
        let below = Panel::new(
            canvas,
            Rect::new(19.0, 88.0, 117.0, 29.0),
            x,
            Scale::around([-largest, largest], 0.12, 0.12),
        );
        main.straight(1.0, 0.0, Stroke::thin(GREY).dashed())?;
        if let Some(half) = band {
            below.band(-half, half, SKY, 0.3)?;
        }
        below.straight(0.0, 0.0, Stroke::thin(GREY).dashed())?;
        for p in &points {
            p.draw(&main, 0.0)?;
            p.draw(&below, p.truth)?;
        }
        main.draw_axes(&main.axes(None, Some(&format!("predicted {symbol}"))))?;
        let truth = format!("true {symbol}");
        let mut axes = below.axes(Some(&truth), Some("predicted − true"));
        axes.y_ticks = below.y.ticks(5);
        below.draw_axes(&axes)?;
        legend::draw(&main, &entries(&points, &symbol, summary, errors, band), &covered(&main, &points))
    })?;
    paths.push(files::write_csv(
        &files::with_suffix(stem, ".csv"),
        &format!("{coefficient},trained,n_images,mean,low,high,bias"),
        ensembles.iter().zip(&points).map(|(e, p)| {
            let [low, high] = [p.low, p.high].map(|x| if p.known { x.to_string() } else { String::new() });
            format!("{},{},{},{},{low},{high},{}", e.delta_c9, e.trained, e.n_images, e.mean, e.bias)
        }),
    )?);
    Ok(paths)
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
            ErrorBars::Unscaled => 1.0,
            ErrorBars::OfTheMean => 1.0 / (e.n_images as f64).sqrt(),
        };
        Self {
            truth: e.delta_c9,
            mean: e.mean,
            low: e.mean - scale * e.sigma_left.unwrap_or(0.0),
            high: e.mean + scale * e.sigma_right.unwrap_or(0.0),
            known: e.sigma.is_some(),
            trained: e.trained,
        }
    }

    fn look(trained: bool) -> (Marker, Stroke) {
        if trained {
            (Marker::Disc, Stroke::thin(BLUE))
        } else {
            (Marker::OpenDiamond, Stroke::thin(VERMILION))
        }
    }

    fn draw(&self, panel: &Panel, subtract: f64) -> Result<(), ReportError> {
        let (marker, stroke) = Self::look(self.trained);
        if self.known {
            panel.error_bar(self.truth, (self.low - subtract, self.high - subtract), stroke, 0.8)?;
        }
        panel.marker(self.truth, self.mean - subtract, marker, stroke.colour)
    }
}

fn entries(
    points: &[Measured],
    symbol: &str,
    summary: Option<&Summary>,
    errors: ErrorBars,
    band: Option<f64>,
) -> Vec<Entry> {
    let bars = match errors {
        ErrorBars::Unscaled => "error bars: *σ*_{L}, *σ*_{R} of single images",
        ErrorBars::OfTheMean => "error bars: *σ*_{L}/√*N*, *σ*_{R}/√*N*",
    };
    let mut entries = Vec::new();
    for (trained, words) in [(true, "values trained on"), (false, "values in between")] {
        if points.iter().any(|p| p.trained == trained) {
            let (marker, stroke) = Measured::look(trained);
            entries.push((Key::Point(marker, stroke), words.to_owned()));
        }
    }
    entries.push((Key::Line(Stroke::thin(GREY).dashed()), "predicted = true".to_owned()));
    if let Some(half) = band {
        entries.push((Key::Patch(SKY, 0.3), format!("|predicted − true| ≤ {}", short(half, 3))));
    }
    entries.push((Key::Nothing, bars.to_owned()));
    if let Some(s) = summary {
        let [low, high] = s.range.map(|x| short(x, 2));
        entries.push((
            Key::Nothing,
            format!("{low} ≤ {symbol} ≤ {high}: slope {:.3}, mean |bias| {:.3}", s.slope, s.mean_abs_bias),
        ));
    }
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
            let svg = checks::figure("linearity", |stem| {
                linearity(stem, "delta_c9", &ensembles, Some(&s), errors, Some(0.1))
            });
            assert!(svg.contains("slope 0.9"), "no slope in the legend");
        }
        checks::figure("one", |stem| {
            linearity(stem, "c10", &ensembles[..1], None, ErrorBars::Unscaled, None)
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
        let stem = Path::new("never");
        let none = linearity(stem, "delta_c9", &[], None, ErrorBars::Unscaled, None);
        assert!(matches!(none, Err(ReportError::NoData { .. })));
        let (mut ensembles, _) = checks::ensembles(2);
        ensembles[1].mean = f64::NAN;
        let nan = linearity(stem, "delta_c9", &ensembles, None, ErrorBars::Unscaled, None);
        assert!(matches!(nan, Err(ReportError::Value { .. })));
    }
}
