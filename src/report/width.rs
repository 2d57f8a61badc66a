//! Width of the predictions against delta C9, beside what knowing nothing and what knowing everything would give.

use std::path::PathBuf;

use humboldt_schemas::results::EnsembleResult;

use super::canvas::{Canvas, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::{GREEN, GREY};
use super::ticks::Scale;
use super::training_values::{TrainingValues, look};
use super::{ReportError, Sheet};

const FIGURE: &str = "width plot";

/// References for the widths.
#[derive(Debug, Clone, Copy, Default)]
pub struct WidthReferences<'a> {
    /// Width of always predicting the mean truth.
    pub baseline: Option<f64>,
    /// (delta C9, smallest standard deviation that any unbiased estimator can have), in rising delta C9.
    pub bound: &'a [(f64, f64)],
}

/// Draws `stem.svg`, `stem.png` and `stem.csv`: sigma / |slope| of every ensemble on a logarithmic scale.
///
/// A network that shrinks its predictions towards the middle has a small sigma and a small slope; the ratio is what
/// it measures with.
///
/// # Errors
/// Without an ensemble of at least two different predictions, with a slope of 0, with numbers that are not finite,
/// or when a file cannot be written.
pub fn width(
    sheet: &Sheet,
    ensembles: &[EnsembleResult],
    training: TrainingValues,
    slope: f64,
    references: WidthReferences,
) -> Result<Vec<PathBuf>, ReportError> {
    if slope == 0.0 || !slope.is_finite() {
        let got = slope.to_string();
        return Err(ReportError::Value { figure: FIGURE, what: "slope", got, allowed: "not 0, finite" });
    }
    let known: Vec<EnsembleResult> =
        ensembles.iter().filter(|e| e.sigma.is_some_and(|sigma| sigma > 0.0)).cloned().collect();
    let points: Vec<Width> = known.iter().filter_map(|e| Width::new(e, slope)).collect();
    if points.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "widths" });
    }
    ReportError::unless_finite(FIGURE, "a width", points.iter().flat_map(|p| [p.truth, p.value]))?;
    let positive = |what, y: f64| {
        let ok = y > 0.0 && y.is_finite();
        let error = || ReportError::Value { figure: FIGURE, what, got: y.to_string(), allowed: "above 0" };
        if ok { Ok(()) } else { Err(error()) }
    };
    references.baseline.iter().try_for_each(|&y| positive("baseline", y))?;
    references.bound.iter().try_for_each(|&(_, y)| positive("bound", y))?;

    let x = Scale::around(points.iter().map(|p| p.truth), 0.05, 0.05);
    let bound: Vec<(f64, f64)> =
        references.bound.iter().copied().filter(|p| (x.low..=x.high).contains(&p.0)).collect();
    let ends = points.iter().flat_map(|p| [p.value - p.error, p.value + p.error]);
    let heights = ends.chain(references.baseline).chain(bound.iter().map(|p| p.1));
    let y = Scale::log_around(heights, 0.08, 0.12);
    let draw = |canvas: &Canvas| {
        let panel = Panel::new(canvas, Rect::new(19.0, 4.0, 117.0, 76.0), x, y);
        let mut entries: Vec<Entry> = Vec::new();
        for p in &points {
            let (marker, colour) = look(p.trained);
            panel.error_bar(p.truth, (p.value - p.error, p.value + p.error), Stroke::thin(colour), 0.8);
            panel.marker(p.truth, p.value, marker, colour);
        }
        for kind in training.kinds(&known) {
            let key = Key::Point(kind.marker, Stroke::thin(kind.colour));
            entries.push((key, format!("network, {}", kind.words)));
        }
        entries.push((Key::Nothing, "error bars: *σ*/√(2(*N* − 1)) of *N* images, over slope".to_owned()));
        if let Some(baseline) = references.baseline {
            let stroke = Stroke::curve(GREY).dashed();
            panel.curve(&[(x.low, baseline), (x.high, baseline)], stroke);
            entries.push((Key::Line(stroke), "baseline: always the mean truth".to_owned()));
        }
        if bound.len() > 1 {
            panel.curve(&bound, Stroke::curve(GREEN));
            entries.push((Key::Line(Stroke::curve(GREEN)), "information bound".to_owned()));
        }
        let y_title = format!("*σ* / slope of predicted {}", sheet.symbol());
        panel.draw_axes(&panel.axes(Some(&format!("true {}", sheet.symbol())), Some(&y_title)));
        let across = (0..=100).map(|i| x.low + (x.high - x.low) * f64::from(i) / 100.0);
        let baseline = across.filter_map(|x| Some((x, references.baseline?)));
        let bars = points.iter().flat_map(|p| [-1.0, 0.0, 1.0].map(|s| (p.truth, p.value + s * p.error)));
        let avoid = bars.chain(bound.iter().copied()).chain(baseline);
        let avoid: Vec<_> = avoid.map(|(x, y)| panel.at(x, y)).collect();
        legend::draw(&panel, &entries, &avoid);
    };
    let rows = points.iter().map(|p| format!("{},{},{},{}", p.truth, p.value, p.error, p.trained));
    sheet.write(
        "Width against true shift",
        (140.0, 95.0),
        draw,
        (&format!("{},sigma_over_slope,error,trained", sheet.label()), rows),
    )
}

/// The width of one ensemble over the slope, with the statistical error of a standard deviation of N normal numbers.
struct Width {
    truth: f64,
    value: f64,
    error: f64,
    trained: bool,
}

impl Width {
    /// None of an ensemble whose width is not known.
    fn new(e: &EnsembleResult, slope: f64) -> Option<Self> {
        let width = e.sigma? / slope.abs();
        let error = width * relative_error(e.n_images);
        Some(Self { truth: e.truth, value: width, error, trained: e.trained })
    }
}

/// Relative error of a standard deviation of so many normal numbers, at least two.
pub(super) fn relative_error(n: usize) -> f64 {
    1.0 / (2.0 * (n.max(2) - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    /// Of 100 and of 2 numbers: sqrt(1/198), sqrt(1/2).
    #[test]
    fn issue_13_widths_have_errors() {
        let (ensembles, values) = checks::ensembles(2);
        let width = Width::new(&ensembles[0], -0.5).unwrap();
        assert!((width.value - 2.0 * ensembles[0].sigma.unwrap()).abs() < 1e-12);
        assert!(
            (width.error / width.value - 1.0 / (2.0 * (values[0].len() - 1) as f64).sqrt()).abs() < 1e-12
        );
        assert!((relative_error(2) - 0.5_f64.sqrt()).abs() < 1e-12 && relative_error(1) < 1.0);
    }

    #[test]
    fn width_baseline_and_bound_are_drawn() {
        let (ensembles, _) = checks::ensembles(9);
        let bound = [(-2.0, 0.03), (-1.0, 0.05), (0.0, 0.075)];
        let references = WidthReferences { baseline: Some(0.6), bound: &bound };
        let svg = checks::figure("width", |sheet| {
            width(sheet, &ensembles, TrainingValues::Listed, 0.95, references)
        });
        assert!(svg.contains("information bound") && svg.contains("baseline"));
        checks::figure("bare", |sheet| {
            width(sheet, &ensembles[..1], TrainingValues::Listed, 0.95, WidthReferences::default())
        });
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let (mut ensembles, _) = checks::ensembles(1);
        let sheet = &Sheet::new("never", &[]);
        let (none, listed) = (WidthReferences::default(), TrainingValues::Listed);
        assert!(matches!(
            width(sheet, &ensembles, listed, 0.0, none),
            Err(ReportError::Value { what: "slope", .. })
        ));
        let negative = WidthReferences { baseline: Some(-0.1), bound: &[] };
        assert!(matches!(
            width(sheet, &ensembles, listed, 1.0, negative),
            Err(ReportError::Value { what: "baseline", .. })
        ));
        ensembles[0].sigma = Some(0.0);
        assert!(matches!(width(sheet, &ensembles, listed, 1.0, none), Err(ReportError::NoData { .. })));
    }
}
