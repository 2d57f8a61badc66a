//! Histograms of the predictions, a panel for each true delta C9 (the paper's Fig. 5).

use std::path::{Path, PathBuf};

use humboldt_schemas::results::EnsembleResult;

use super::canvas::{Align, Canvas, Font, Stroke, figure};
use super::legend::{self, Key};
use super::panel::{Panel, Rect};
use super::style::{
    BLACK, BLUE, DELTA_C9, LEGEND_PT, PREDICTED_DELTA_C9, SKY, SMALL_PT, TITLE_PT, VERMILION,
};
use super::tables::Predictions;
use super::ticks::{Scale, count, number, short};
use super::{ReportError, files};

const FIGURE: &str = "prediction histograms";

/// Width and height of one panel with its numbers, and of what surrounds all of them [mm].
const CELL: (f64, f64) = (46.0, 36.0);
const LEFT: f64 = 15.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 5.0;
/// Frame inside a cell: left, top, width, height [mm].
const INSIDE: (f64, f64, f64, f64) = (1.0, 5.0, 36.0, 25.0);

/// Draws `stem.svg`, `stem.png` and `stem.csv` (edges and contents of the bins).
///
/// `ensembles` and `predictions` belong together one by one. All panels show the same width around their true value
/// unless an ensemble is far narrower than the widest; predictions outside a panel are counted in it.
///
/// # Errors
/// Without ensembles or predictions, with numbers that are not finite, or when a file cannot be written.
pub fn histograms(
    stem: &Path,
    ensembles: &[EnsembleResult],
    predictions: &[Predictions],
) -> Result<Vec<PathBuf>, ReportError> {
    if ensembles.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "ensembles" });
    }
    if predictions.len() != ensembles.len() {
        let (got, expected) = (predictions.len(), ensembles.len());
        return Err(ReportError::Length { figure: FIGURE, what: "predictions", got, expected });
    }
    for (e, p) in ensembles.iter().zip(predictions) {
        if p.values.is_empty() {
            return Err(ReportError::NoData { figure: FIGURE, what: "predictions" });
        }
        ReportError::unless_finite(FIGURE, "a prediction", p.values.iter().copied().chain([e.delta_c9]))?;
    }
    let reach = |e: &EnsembleResult| {
        let width = width(e);
        (e.bias.abs() + 3.5 * width).max(1e-3)
    };
    let common = ensembles.iter().map(reach).fold(0.0, f64::max);
    let panels: Vec<Counted> = ensembles
        .iter()
        .zip(predictions)
        .map(|(e, p)| {
            let own = reach(e);
            Counted::new(e, &p.values, if common < 4.0 * own { common } else { own })
        })
        .collect();

    let columns = columns(panels.len());
    let rows = panels.len().div_ceil(columns);
    let size = (LEFT + columns.max(2) as f64 * CELL.0, TOP + rows as f64 * CELL.1 + BOTTOM);
    let mut paths = figure(stem, "Predictions for each true shift of C9", size, |canvas| {
        for (i, panel) in panels.iter().enumerate() {
            let corner = (LEFT + (i % columns) as f64 * CELL.0, TOP + (i / columns) as f64 * CELL.1);
            panel.draw(canvas, corner)?;
        }
        let middle = LEFT + (size.0 - LEFT) / 2.0;
        let keys = [
            (Key::Patch(SKY, 0.6), "images".to_owned()),
            (Key::Line(Stroke::curve(BLACK)), TRUTH.to_owned()),
            (Key::Line(Stroke::curve(VERMILION).dashed()), "mean *μ*".to_owned()),
        ];
        legend::draw_in_a_row(canvas, &keys, (middle, 4.5), Font::new(LEGEND_PT))?;
        let title = Font::new(TITLE_PT);
        canvas.text(PREDICTED_DELTA_C9, (middle, size.1 - 2.5), title, Align::Centre)?;
        canvas.text_upwards("images per bin", (4.5, TOP + rows as f64 * CELL.1 / 2.0), title)
    })?;
    paths.push(files::write_csv(
        &files::with_suffix(stem, ".csv"),
        "delta_c9,bin_low,bin_high,images",
        panels.iter().flat_map(|p| {
            let bins = p.edges.windows(2).zip(&p.contents);
            bins.map(|(edges, n)| format!("{},{},{},{n}", p.ensemble.delta_c9, edges[0], edges[1]))
        }),
    )?);
    Ok(paths)
}

const TRUTH: &str = "true δ*C*_{9}";

/// The columns of a grid at least as wide as high; one row for up to three panels.
fn columns(panels: usize) -> usize {
    if panels < 4 { panels } else { (panels as f64).sqrt().ceil() as usize }
}

/// The larger of an ensemble's widths; 0 where none is known.
fn width(e: &EnsembleResult) -> f64 {
    e.sigma_left.into_iter().chain(e.sigma_right).fold(0.0, f64::max)
}

/// One histogram.
struct Counted<'a> {
    ensemble: &'a EnsembleResult,
    edges: Vec<f64>,
    contents: Vec<f64>,
    outside: usize,
}

impl<'a> Counted<'a> {
    fn new(ensemble: &'a EnsembleResult, values: &[f64], reach: f64) -> Self {
        let width = width(ensemble);
        // About two bins a sigma for many images, fewer for few, over the panel's whole range.
        let per_sigma = ((values.len() as f64).cbrt() / 3.0).clamp(1.0, 3.0);
        let wanted = if width > 0.0 { 2.0 * reach / width * per_sigma } else { 25.0 };
        let bins = (wanted.round() as usize).clamp(12, 60);
        let low = ensemble.delta_c9 - reach;
        let edges = (0..=bins).map(|i| low + 2.0 * reach * i as f64 / bins as f64).collect();
        let mut contents = vec![0.0; bins];
        let mut outside = 0;
        for x in values {
            let bin = ((x - low) / (2.0 * reach) * bins as f64).floor();
            match contents.get_mut(bin.max(-1.0) as usize) {
                Some(content) if bin >= 0.0 => *content += 1.0,
                _ => outside += 1,
            }
        }
        Self { ensemble, edges, contents, outside }
    }

    fn draw(&self, canvas: &Canvas, corner: (f64, f64)) -> Result<(), ReportError> {
        let e = self.ensemble;
        let frame = Rect::new(corner.0 + INSIDE.0, corner.1 + INSIDE.1, INSIDE.2, INSIDE.3);
        let highest = self.contents.iter().copied().fold(1.0, f64::max);
        let x = Scale::linear(self.edges[0], self.edges[self.edges.len() - 1]);
        let panel = Panel::new(canvas, frame, x, Scale::linear(0.0, 1.6 * highest));
        panel.fill_steps(&self.edges, &self.contents, SKY, 0.6)?;
        panel.steps(&self.edges, &self.contents, Stroke::thin(BLUE))?;
        let mark = |x: f64| [(x, 0.0), (x, 1.04 * highest)];
        panel.curve(&mark(e.delta_c9), Stroke::curve(BLACK))?;
        panel.curve(&mark(e.mean), Stroke::curve(VERMILION).dashed())?;

        let mut axes = panel.axes(Some(""), Some(""));
        axes.text_scale = 0.78;
        axes.x_ticks = x.ticks(4);
        axes.y_ticks = panel.y.ticks(4);
        panel.draw_axes(&axes)?;

        let small = Font::new(SMALL_PT);
        let title = format!("{DELTA_C9} = {}", short(e.delta_c9, 3));
        let above = frame.top - 1.2;
        canvas.text(&title, (frame.left + 0.3, above), Font::new(SMALL_PT + 0.5).bold(), Align::Left)?;
        let images = if e.trained { "trained on" } else { "in between" };
        canvas.text(images, (frame.right() - 0.3, above), small, Align::Right)?;
        let three = |symbol: &str, value: Option<f64>| {
            value.map_or_else(
                || format!("{symbol} unknown"),
                |value| format!("{symbol} = {}", number(value, 3)),
            )
        };
        let left = [three("*μ*", Some(e.mean)), format!("*N* = {}", count(e.n_images))];
        let right = [three("*σ*_{L}", e.sigma_left), three("*σ*_{R}", e.sigma_right)];
        for (lines, x, align) in
            [(left, frame.left + 1.6, Align::Left), (right, frame.right() - 1.6, Align::Right)]
        {
            for (i, line) in lines.iter().enumerate() {
                let baseline = frame.top + 1.6 + small.cap_height() + i as f64 * small.line_height();
                canvas.text(line, (x, baseline), small, align)?;
            }
        }
        if self.outside > 0 {
            let at = (frame.right() - 1.6, frame.top + 1.6 + small.cap_height() + 2.0 * small.line_height());
            canvas.text(&format!("{} outside", count(self.outside)), at, small, Align::Right)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn a_panel_for_each_ensemble() {
        for n in [1, 5, 22] {
            let (ensembles, values) = checks::ensembles(n);
            let predictions: Vec<Predictions> = ensembles
                .iter()
                .zip(&values)
                .map(|(e, values)| Predictions { delta_c9: e.delta_c9, values: values.clone() })
                .collect();
            let svg = checks::figure("histograms", |stem| histograms(stem, &ensembles, &predictions));
            assert_eq!(svg.matches("trained on").count() + svg.matches("in between").count(), n);
        }
    }

    #[test]
    fn every_prediction_is_in_a_bin_or_counted_outside() {
        let (ensembles, values) = checks::ensembles(3);
        let far: Vec<f64> = values[0].iter().copied().chain([9.0, -9.0]).collect();
        let counted = Counted::new(&ensembles[0], &far, 0.4);
        assert_eq!(counted.outside, 2);
        assert_eq!(counted.contents.iter().sum::<f64>() as usize, values[0].len());
        assert_eq!(counted.edges.len(), counted.contents.len() + 1);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let (ensembles, values) = checks::ensembles(2);
        let stem = Path::new("never");
        let of = |values: &[f64]| Predictions { delta_c9: 0.0, values: values.to_vec() };
        assert!(matches!(histograms(stem, &[], &[]), Err(ReportError::NoData { .. })));
        assert!(matches!(histograms(stem, &ensembles, &[of(&values[0])]), Err(ReportError::Length { .. })));
        assert!(matches!(histograms(stem, &ensembles, &[of(&[]), of(&[])]), Err(ReportError::NoData { .. })));
        let nan = [f64::NAN];
        assert!(matches!(
            histograms(stem, &ensembles, &[of(&nan), of(&nan)]),
            Err(ReportError::Value { .. })
        ));
    }
}
