//! Estimators side by side: their widths over the information bound, the coverage of their intervals, their pulls.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use humboldt_schemas::comparison::{Comparison, EstimatorResult, EstimatorValue, ONE_SIGMA};
use statrs::distribution::{Beta, ContinuousCDF};

use super::canvas::{Align, Canvas, Font, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Marker, Panel, Rect};
use super::style::{
    BLACK, BLUE, Colour, GREEN, GREY, LEGEND_PT, NUMBER_PT, ORANGE, SKY, TITLE_PT, VERMILION,
    WIDTH_OVER_BOUND,
};
use super::ticks::{Scale, number};
use super::width::relative_error;
use super::{ReportError, Sheet, files, shift_label};

const FIGURE: &str = "comparison of estimators";

/// Colour and marker of an estimator in all figures; those that nobody has named yet are grey.
pub(super) fn look(name: &str) -> (Colour, Marker) {
    match name {
        "network" | "ratio" => (BLUE, Marker::Disc),
        "unbinned" => (GREEN, Marker::Square),
        "template" => (VERMILION, Marker::OpenDiamond),
        "moments" => (ORANGE, Marker::Triangle),
        _ => (GREY, Marker::Star),
    }
}

/// Words of a legend for an estimator.
pub fn estimator_words(name: &str) -> &str {
    match name {
        "ratio" => "learned ratios",
        "unbinned" => "unbinned 4D fit",
        "template" => "template fit",
        "moments" => "angular moments",
        other => other,
    }
}

fn checked(comparison: &Comparison) -> Result<(), ReportError> {
    if comparison.estimators.iter().all(|e| e.values.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "estimators" });
    }
    let numbers = |v: &EstimatorValue| [v.truth, v.ratio_to_bound, v.coverage_68, v.coverage_95];
    let all = comparison.estimators.iter().flat_map(|e| e.values.iter().flat_map(numbers));
    ReportError::unless_finite(FIGURE, "a number", all)
}

fn truths(comparison: &Comparison) -> Scale {
    Scale::around(comparison.estimators.iter().flat_map(|e| e.values.iter().map(|v| v.truth)), 0.05, 0.05)
}

/// Draws `stem.svg`, `stem.png` and `stem.csv`: sigma over slope over the information bound, against delta C9.
///
/// # Errors
/// Without estimators, with numbers that are not finite, or when a file cannot be written.
pub fn width_over_bound(sheet: &Sheet, comparison: &Comparison) -> Result<Vec<PathBuf>, ReportError> {
    checked(comparison)?;
    let bar = |v: &EstimatorValue| {
        let error = v.ratio_to_bound * relative_error(v.images);
        [v.ratio_to_bound - error, v.ratio_to_bound + error]
    };
    let heights = comparison.estimators.iter().flat_map(|e| e.values.iter().flat_map(bar));
    let y = Scale::around(heights.chain([1.0]), 0.08, 0.3);
    let y = Scale::linear(y.low.max(0.0), y.high);
    let draw = |canvas: &Canvas| {
        let panel = Panel::new(canvas, Rect::new(17.0, 4.0, 119.0, 76.0), truths(comparison), y);
        panel.straight(0.0, 1.0, Stroke::thin(BLACK).dashed());
        let mut entries: Vec<Entry> = Vec::new();
        let mut avoid = Vec::new();
        for (k, e) in comparison.estimators.iter().enumerate() {
            let (colour, marker) = look(&e.name);
            let x = |v: &EstimatorValue| v.truth + beside(&panel, k, comparison.estimators.len());
            let points: Vec<(f64, f64)> = e.values.iter().map(|v| (x(v), v.ratio_to_bound)).collect();
            panel.curve(&points, Stroke::thin(colour));
            for v in &e.values {
                panel.error_bar(x(v), bar(v).into(), Stroke::thin(colour), 0.0);
                panel.marker(x(v), v.ratio_to_bound, marker, colour);
            }
            avoid.extend(panel.along(&points));
            entries.push((Key::Point(marker, Stroke::thin(colour)), words(e, e.ratio_to_bound, 2)));
        }
        entries.push((Key::Line(Stroke::thin(BLACK).dashed()), "information bound".to_owned()));
        panel.draw_axes(&panel.axes(Some(&truth(sheet)), Some(WIDTH_OVER_BOUND)));
        legend::draw(&panel, &entries, &avoid);
    };
    sheet.write(
        "Width of each estimator over the information bound",
        (140.0, 95.0),
        draw,
        table(sheet.label(), comparison),
    )
}

/// Step along the axis of the truth by which one of `n` estimators stands beside the others, so that bars do not hide each other.
fn beside(panel: &Panel, place: usize, n: usize) -> f64 {
    0.008 * (panel.x.high - panel.x.low) * (place as f64 - 0.5 * (n as f64 - 1.0))
}

/// Axis title of the truth.
fn truth(sheet: &Sheet) -> String {
    format!("true {}", sheet.symbol())
}

fn words(estimator: &EstimatorResult, mean: f64, decimals: usize) -> String {
    format!("{}, mean {}", estimator_words(&estimator.name), number(mean, decimals))
}

/// A probability, the upper edge of its panel [mm], and the coverage that belongs to it.
type Level = (f64, f64, fn(&EstimatorValue) -> f64);

/// Draws `stem.svg`, `stem.png` and `stem.csv`: which part of the calibrated intervals holds the truth, for 68.3 % and
/// 95 %; bars are 68.3 % intervals of the part.
///
/// # Errors
/// As [`width_over_bound`].
pub fn coverage(sheet: &Sheet, comparison: &Comparison) -> Result<Vec<PathBuf>, ReportError> {
    checked(comparison)?;
    let n = comparison.estimators.len();
    let draw = |canvas: &Canvas| {
        let mut avoid = Vec::new();
        let levels: [Level; 2] = [(0.95, 6.0, |v| v.coverage_95), (ONE_SIGMA, 56.0, |v| v.coverage_68)];
        for (i, (level, top, of)) in levels.into_iter().enumerate() {
            let bar = |v: &EstimatorValue| {
                let hits = (of(v) * v.images as f64).round() as usize;
                binomial_interval(hits, v.images, ONE_SIGMA)
            };
            let ends = comparison.estimators.iter().flat_map(|e| e.values.iter().map(bar));
            let ends = ends.flat_map(|(low, high)| [low, high]).chain([level - 0.05, level + 0.05]);
            let y = Scale::around(ends, 0.05, 0.05);
            let y = Scale::linear(y.low.max(0.0), y.high.min(1.0 + 0.02));
            let panel = Panel::new(canvas, Rect::new(17.0, top, 119.0, 46.0), truths(comparison), y);
            panel.band(level - 0.03, level + 0.03, SKY, 0.25);
            panel.straight(0.0, level, Stroke::thin(BLACK).dashed());
            for (k, e) in comparison.estimators.iter().enumerate() {
                let (colour, marker) = look(&e.name);
                let step = beside(&panel, k, n);
                for v in &e.values {
                    panel.error_bar(v.truth + step, bar(v), Stroke::thin(colour), 0.0);
                    panel.marker(v.truth + step, of(v), marker, colour);
                    avoid.push(panel.at(v.truth + step, of(v)));
                }
            }
            let title = truth(sheet);
            let title = (i == 1).then_some(title.as_str());
            panel.draw_axes(
                &panel.axes(title, Some(if i == 1 { "coverage, 68.3 %" } else { "coverage, 95 %" })),
            );
        }
        let keys: Vec<Entry> = comparison
            .estimators
            .iter()
            .map(|e| {
                let (colour, marker) = look(&e.name);
                (Key::Point(marker, Stroke::thin(colour)), estimator_words(&e.name).to_owned())
            })
            .collect();
        legend::draw_in_a_row(canvas, &keys, (76.0, 119.5), Font::new(LEGEND_PT - 0.5));
    };
    let sheet = sheet.with("error bars: 68.3 % intervals of the share").with("band: ± 3 %");
    sheet.write("Coverage of intervals", (140.0, 123.0), draw, table(sheet.label(), comparison))
}

/// Header and rows of a table with a row for each estimator and delta C9.
fn table(truth: &str, comparison: &Comparison) -> (String, impl Iterator<Item = String>) {
    let values = comparison.estimators.iter().flat_map(|e| e.values.iter().map(move |v| (e, v)));
    (
        format!("estimator,{truth},{}", EstimatorValue::CSV_HEADER),
        values.map(|(e, v)| format!("{},{}", e.name, v.csv_row())),
    )
}

/// CSV with a row for each estimator and delta C9.
///
/// # Errors
/// When the file cannot be written.
pub fn write_comparison_csv(path: &Path, comparison: &Comparison) -> Result<(), ReportError> {
    let (header, rows) = table(shift_label(&comparison.coefficient), comparison);
    files::write_csv(path, &header, rows)
}

/// The pulls of one estimator.
#[derive(Debug, Clone, Copy)]
pub struct Pulls<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its own errors were used; else those of calibrated intervals.
    pub own_errors: bool,
    /// (estimate - truth)/error of every sample.
    pub pulls: &'a [f64],
}

/// Reach and bins of a histogram of pulls.
const REACH: f64 = 4.5;
const BINS: usize = 36;

/// Draws `stem.svg`, `stem.png` and `stem.csv`: a histogram of pulls for each estimator, with a normal distribution of
/// width 1.
///
/// # Errors
/// Without pulls, with numbers that are not finite, or when a file cannot be written.
pub fn estimator_pulls(sheet: &Sheet, estimators: &[Pulls]) -> Result<Vec<PathBuf>, ReportError> {
    let shown: Vec<&Pulls> = estimators.iter().filter(|e| e.pulls.len() > 1).collect();
    if shown.is_empty() {
        return Err(ReportError::NoData { figure: "pulls", what: "pulls" });
    }
    for e in &shown {
        ReportError::unless_finite("pulls", "a pull", e.pulls.iter().copied())?;
    }
    let edges: Vec<f64> = (0..=BINS).map(|i| -REACH + 2.0 * REACH * i as f64 / BINS as f64).collect();
    let width = 2.0 * REACH / BINS as f64;
    let densities: Vec<Vec<f64>> = shown
        .iter()
        .map(|e| {
            let mut bins = vec![0.0; BINS];
            // A negative number would become the first bin.
            for pull in e.pulls.iter().filter(|pull| **pull >= -REACH) {
                if let Some(bin) = bins.get_mut(((pull + REACH) / width) as usize) {
                    *bin += 1.0 / (e.pulls.len() as f64 * width);
                }
            }
            bins
        })
        .collect();
    let peak = densities.iter().flatten().copied().fold(0.0, f64::max);
    // Words stand above the highest bin.
    let top = (1.6 * peak).max(0.62);
    let rows = shown.len().div_ceil(2);
    let columns = shown.len().min(2);
    let size = (18.0 + 66.0 * columns as f64, 12.0 + 52.0 * rows as f64);
    let draw = |canvas: &Canvas| {
        for (i, (e, density)) in shown.iter().zip(&densities).enumerate() {
            let frame = Rect::new(16.0 + 66.0 * (i % 2) as f64, 6.0 + 52.0 * (i / 2) as f64, 60.0, 44.0);
            let last = i + columns >= shown.len();
            draw_pulls(canvas, frame, e, (&edges, density, top), (i % 2 == 0, last));
        }
        let middle = 16.0 + 33.0 * columns as f64 - 3.0;
        let title = "(estimate − truth) / error";
        canvas.text(title, (middle, size.1 - 2.0), Font::new(TITLE_PT), Align::Centre);
    };
    let rows = shown.iter().zip(&densities).flat_map(|(e, density)| {
        let bins = edges.windows(2).zip(density);
        bins.map(|(edge, y)| format!("{},{},{},{y}", e.name, edge[0], edge[1])).collect::<Vec<_>>()
    });
    let sheet = sheet.with("dashed: normal distribution of width 1");
    sheet.write("Pulls of each estimator", size, draw, ("estimator,bin_low,bin_high,density", rows))
}

fn draw_pulls(
    canvas: &Canvas,
    frame: Rect,
    e: &Pulls,
    (edges, density, top): (&[f64], &[f64], f64),
    (left, last): (bool, bool),
) {
    let (colour, _) = look(e.name);
    let panel = Panel::new(canvas, frame, Scale::linear(-REACH, REACH), Scale::linear(0.0, top));
    panel.fill_steps(edges, density, colour, 0.35);
    panel.steps(edges, density, Stroke::thin(colour));
    let normal: Vec<(f64, f64)> = (0..=120)
        .map(|i| -REACH + 2.0 * REACH * f64::from(i) / 120.0)
        .map(|x| (x, (-0.5 * x * x).exp() / (2.0 * PI).sqrt()))
        .collect();
    panel.curve(&normal, Stroke::curve(BLACK).dashed());
    let mut axes = panel.axes(Some(""), left.then_some("density"));
    axes.x_ticks = panel.x.ticks(5);
    if !last {
        axes.x_title = None;
    }
    axes.y_title_gap = 11.0;
    panel.draw_axes(&axes);
    let n = e.pulls.len() as f64;
    let mean = e.pulls.iter().sum::<f64>() / n;
    let sigma = (e.pulls.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let (error, spread) = (sigma / n.sqrt(), sigma / (2.0 * n).sqrt());
    let errors = if e.own_errors { "own errors" } else { "calibrated errors" };
    let lines = [
        format!("{}, {errors}", estimator_words(e.name)),
        format!("mean {} ± {}", number(mean, 3), number(error, 3)),
        format!("width {} ± {}", number(sigma, 3), number(spread, 3)),
    ];
    for (i, text) in lines.iter().enumerate() {
        let font = if i == 0 { Font::new(NUMBER_PT).bold() } else { Font::new(NUMBER_PT) };
        canvas.text(text, (frame.left + 2.5, frame.top + 5.0 + 4.2 * i as f64), font, Align::Left);
    }
}

/// The interval of a probability of which `hits` of `n` trials are known, by Clopper and Pearson.
fn binomial_interval(hits: usize, n: usize, coverage: f64) -> (f64, f64) {
    let tail = 0.5 * (1.0 - coverage);
    let quantile = |a: usize, b: usize, part: f64| {
        Beta::new(a as f64, b as f64).map_or(f64::NAN, |beta| beta.inverse_cdf(part))
    };
    let low = if hits == 0 { 0.0 } else { quantile(hits, n - hits + 1, tail) };
    let high = if hits >= n { 1.0 } else { quantile(hits + 1, n - hits, 1.0 - tail) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    pub(crate) fn comparison() -> Comparison {
        let value = |k: usize, ratio: f64| EstimatorValue {
            truth: -1.9 + 0.3 * k as f64,
            images: 500,
            failed: 0,
            mean: -1.9 + 0.3 * k as f64,
            bias: 0.0,
            sigma_left: 0.05,
            sigma_right: 0.06,
            sigma: 0.055,
            slope: 0.97,
            width_over_slope: 0.057,
            bound: 0.05,
            ratio_to_bound: ratio + 0.01 * k as f64,
            coverage_68: 0.66 + 0.005 * k as f64,
            coverage_95: 0.945 + 0.001 * k as f64,
            own_coverage_68: Some(0.68),
            calibrated_bias: Some(0.001),
            pull_mean: Some(0.01),
            pull_width: Some(1.02),
        };
        let estimator = |name: &str, ratio: f64| EstimatorResult {
            name: name.to_owned(),
            slope: 0.99,
            range: [-2.0, 0.0],
            ratio_to_bound: ratio,
            coverage_68: 0.68,
            coverage_95: 0.95,
            own_errors: true,
            milliseconds: 3.0,
            values: (0..10).map(|k| value(k, ratio)).collect(),
        };
        let ratios = [("network", 1.3), ("unbinned", 1.0), ("template", 1.05), ("moments", 1.45)];
        Comparison {
            assumed: None,
            name: "test".to_owned(),
            coefficient: "c9".to_owned(),
            events: 24_613,
            images: 500,
            calibration_images: 500,
            background: None,
            wrong: Vec::new(),
            test: None,
            estimators: ratios.map(|(name, ratio)| estimator(name, ratio)).into(),
        }
    }

    #[test]
    fn estimators_are_drawn_with_their_names() {
        let comparison = comparison();
        let svg = checks::figure("widths", |sheet| width_over_bound(sheet, &comparison));
        assert!(svg.contains("unbinned 4D fit, mean 1.00") && svg.contains("information bound"));
        let svg = checks::figure("coverage", |sheet| coverage(sheet, &comparison));
        assert!(svg.contains("angular moments"));
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 37) / 12.0 - 1.5).collect();
        let one = Pulls { name: "unbinned", own_errors: true, pulls: &values };
        let other = Pulls { name: "network", own_errors: false, pulls: &values };
        let svg = checks::figure("pulls", |sheet| estimator_pulls(sheet, &[one, other, one]));
        assert!(svg.contains("calibrated errors") && svg.contains("width 0.8"));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        let mut comparison = comparison();
        comparison.estimators[0].values[0].coverage_68 = f64::NAN;
        assert!(matches!(coverage(sheet, &comparison), Err(ReportError::Value { .. })));
        comparison.estimators.clear();
        assert!(matches!(width_over_bound(sheet, &comparison), Err(ReportError::NoData { .. })));
        assert!(matches!(estimator_pulls(sheet, &[]), Err(ReportError::NoData { .. })));
    }

    #[test]
    fn binomial_intervals_are_those_of_tables() {
        let (low, high) = binomial_interval(8, 10, 0.95);
        assert!((low - 0.4439).abs() < 1e-3 && (high - 0.9748).abs() < 1e-3, "{low} {high}");
        assert_eq!(binomial_interval(0, 5, 0.95).0.to_bits(), 0);
        assert!((binomial_interval(5, 5, 0.95).1 - 1.0).abs() < 1e-12);
    }
}
