//! Width of the predictions against delta C9, beside what knowing nothing and what knowing everything would give.

use std::path::{Path, PathBuf};

use humboldt_schemas::results::EnsembleResult;

use super::canvas::{Stroke, figure};
use super::legend::{self, Entry, Key};
use super::panel::{Marker, Panel, Rect};
use super::style::{BLUE, DELTA_C9, GREEN, GREY, TRUE_DELTA_C9, VERMILION};
use super::ticks::Scale;
use super::{ReportError, files};

const FIGURE: &str = "width plot";

/// What the widths are compared with.
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
    stem: &Path,
    ensembles: &[EnsembleResult],
    slope: f64,
    references: WidthReferences,
) -> Result<Vec<PathBuf>, ReportError> {
    if slope == 0.0 || !slope.is_finite() {
        let got = slope.to_string();
        return Err(ReportError::Value { figure: FIGURE, what: "slope", got, allowed: "not 0, finite" });
    }
    let points: Vec<(f64, f64, bool)> = ensembles
        .iter()
        .filter_map(|e| Some((e.delta_c9, e.sigma.filter(|sigma| *sigma > 0.0)? / slope.abs(), e.trained)))
        .collect();
    if points.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "widths" });
    }
    ReportError::unless_finite(FIGURE, "a width", points.iter().flat_map(|p| [p.0, p.1]))?;
    let positive = |what, y: f64| {
        let ok = y > 0.0 && y.is_finite();
        let error = || ReportError::Value { figure: FIGURE, what, got: y.to_string(), allowed: "above 0" };
        if ok { Ok(()) } else { Err(error()) }
    };
    references.baseline.iter().try_for_each(|&y| positive("baseline", y))?;
    references.bound.iter().try_for_each(|&(_, y)| positive("bound", y))?;

    let x = Scale::around(points.iter().map(|p| p.0), 0.05, 0.05);
    let bound: Vec<(f64, f64)> =
        references.bound.iter().copied().filter(|p| (x.low..=x.high).contains(&p.0)).collect();
    let heights = points.iter().map(|p| p.1).chain(references.baseline).chain(bound.iter().map(|p| p.1));
    let y = Scale::log_around(heights, 0.08, 0.12);
    let mut paths = figure(stem, "Width against true shift of C9", (140.0, 95.0), |canvas| {
        let panel = Panel::new(canvas, Rect::new(19.0, 4.0, 117.0, 76.0), x, y);
        let mut entries: Vec<Entry> = Vec::new();
        for (trained, words) in [(true, "network, trained on"), (false, "network, in between")] {
            let (marker, colour) =
                if trained { (Marker::Disc, BLUE) } else { (Marker::OpenDiamond, VERMILION) };
            for p in points.iter().filter(|p| p.2 == trained) {
                panel.marker(p.0, p.1, marker, colour)?;
            }
            if points.iter().any(|p| p.2 == trained) {
                entries.push((Key::Marker(marker, colour), words.to_owned()));
            }
        }
        if let Some(baseline) = references.baseline {
            let stroke = Stroke::curve(GREY).dashed();
            panel.curve(&[(x.low, baseline), (x.high, baseline)], stroke)?;
            entries.push((Key::Line(stroke), "baseline: always the mean truth".to_owned()));
        }
        if bound.len() > 1 {
            panel.curve(&bound, Stroke::curve(GREEN))?;
            entries.push((Key::Line(Stroke::curve(GREEN)), "information bound".to_owned()));
        }
        let y_title = format!("*σ* / slope of predicted {DELTA_C9}");
        panel.draw_axes(&panel.axes(Some(TRUE_DELTA_C9), Some(&y_title)))?;
        let across = (0..=100).map(|i| x.low + (x.high - x.low) * f64::from(i) / 100.0);
        let baseline = across.filter_map(|x| Some((x, references.baseline?)));
        let avoid = points.iter().map(|p| (p.0, p.1)).chain(bound.iter().copied()).chain(baseline);
        let avoid: Vec<_> = avoid.map(|(x, y)| panel.at(x, y)).collect();
        legend::draw(&panel, &entries, &avoid)
    })?;
    let rows = points.iter().map(|p| format!("{},{},{}", p.0, p.1, p.2));
    paths.push(files::write_csv(
        &files::with_suffix(stem, ".csv"),
        "delta_c9,sigma_over_slope,trained",
        rows,
    )?);
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn width_baseline_and_bound_are_drawn() {
        let (ensembles, _) = checks::ensembles(9);
        let bound = [(-2.0, 0.03), (-1.0, 0.05), (0.0, 0.075)];
        let references = WidthReferences { baseline: Some(0.6), bound: &bound };
        let svg = checks::figure("width", |stem| width(stem, &ensembles, 0.95, references));
        assert!(svg.contains("information bound") && svg.contains("baseline"));
        checks::figure("bare", |stem| width(stem, &ensembles[..1], 0.95, WidthReferences::default()));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let (mut ensembles, _) = checks::ensembles(1);
        let stem = Path::new("never");
        let none = WidthReferences::default();
        assert!(matches!(width(stem, &ensembles, 0.0, none), Err(ReportError::Value { what: "slope", .. })));
        let negative = WidthReferences { baseline: Some(-0.1), bound: &[] };
        assert!(matches!(
            width(stem, &ensembles, 1.0, negative),
            Err(ReportError::Value { what: "baseline", .. })
        ));
        ensembles[0].sigma = Some(0.0);
        assert!(matches!(width(stem, &ensembles, 1.0, none), Err(ReportError::NoData { .. })));
    }
}
