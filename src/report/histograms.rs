//! Histograms of the predictions, a panel for each true shift (the paper's Fig. 5), all on one scale.

use std::path::PathBuf;

use humboldt_schemas::results::EnsembleResult;

use super::canvas::{Align, Canvas, Font, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::{BLACK, GREY, LEGEND_PT, SMALL_PT, TITLE_PT};
use super::tables::Predictions;
use super::ticks::{Scale, count, number, short};
use super::training_values::{TrainingValues, look};
use super::{ReportError, Sheet};

const FIGURE: &str = "prediction histograms";

/// Width and height of one panel with its title, and of what surrounds all of them [mm].
const CELL: (f64, f64) = (44.0, 34.0);
const LEFT: f64 = 17.0;
const TOP: f64 = 9.0;
const BOTTOM: f64 = 11.0;
/// Frame inside a cell: left, top, width, height [mm].
const INSIDE: (f64, f64, f64, f64) = (0.5, 5.0, 41.0, 28.0);
/// Rows of panels on a page of A4.
const ROWS: usize = 7;
/// Strength of the histograms' areas.
const FILL: f64 = 0.35;

/// Draws a page of histograms of predicted less true shift; the table has edges and contents of the bins.
///
/// `ensembles` and `predictions` belong together one by one. All panels have the same axes and bins; predictions beyond
/// them are counted in their panel.
///
/// # Errors
/// Without ensembles or predictions, with numbers that are not finite, or when a file cannot be written.
pub fn histograms(
    sheet: &Sheet,
    ensembles: &[EnsembleResult],
    predictions: &[Predictions],
    training: TrainingValues,
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
        ReportError::unless_finite(FIGURE, "a prediction", p.values.iter().copied().chain([e.truth]))?;
    }
    let bins = Bins::common(ensembles);
    let panels: Vec<Counted> =
        ensembles.iter().zip(predictions).map(|(e, p)| Counted::new(e, &p.values, bins)).collect();
    let highest = panels.iter().flat_map(|p| &p.shares).copied().fold(0.0, f64::max);
    let (x, y) = (Scale::linear(-bins.reach, bins.reach), Scale::linear(0.0, 1.55 * highest));

    let columns = columns(panels.len());
    let rows = panels.len().div_ceil(columns);
    let size = (LEFT + columns.max(3) as f64 * CELL.0, TOP + rows as f64 * CELL.1 + BOTTOM);
    let draw = |canvas: &Canvas| {
        for (i, panel) in panels.iter().enumerate() {
            let (column, row) = (i % columns, i / columns);
            let frame = Rect::new(
                LEFT + column as f64 * CELL.0 + INSIDE.0,
                TOP + row as f64 * CELL.1 + INSIDE.1,
                INSIDE.2,
                INSIDE.3,
            );
            let last = i + columns >= panels.len();
            panel.draw(&Panel::new(canvas, frame, x, y), sheet.symbol(), column == 0, last);
        }
        let kinds = training.kinds(ensembles).into_iter();
        let mut keys: Vec<Entry> = kinds.map(|kind| (Key::Patch(kind.colour, FILL), kind.words)).collect();
        keys.push((Key::Line(Stroke::curve(GREY)), "truth".to_owned()));
        keys.push((Key::Line(Stroke::curve(BLACK).dashed()), "mean".to_owned()));
        legend::draw_in_a_row(canvas, &keys, (size.0 / 2.0, 4.5), Font::new(LEGEND_PT));
        let title = Font::new(TITLE_PT);
        let middle = LEFT + 0.5 * columns as f64 * CELL.0;
        canvas.text(
            &format!("predicted {} − true", sheet.symbol()),
            (middle, size.1 - 2.5),
            title,
            Align::Centre,
        );
        let middle = TOP + rows as f64 * CELL.1 / 2.0;
        canvas.text_upwards("share of images per bin [%]", (5.0, middle), title);
    };
    let table = panels.iter().flat_map(|p| {
        let truth = p.ensemble.truth;
        let rows = p.contents.iter().enumerate();
        rows.map(move |(i, n)| format!("{truth},{},{},{n}", truth + bins.edge(i), truth + bins.edge(i + 1)))
    });
    let header = format!("{},bin_low,bin_high,images", sheet.label());
    sheet.write("Predictions for each true shift", size, draw, (header, table))
}

/// The columns of a page: one row for up to three panels, a grid at least as wide as high, at most [`ROWS`] rows.
fn columns(panels: usize) -> usize {
    match panels {
        0..=3 => panels,
        _ => ((panels as f64).sqrt().ceil() as usize).min(4).max(panels.div_ceil(ROWS)),
    }
}

/// Bins of equal width around the truth.
#[derive(Debug, Clone, Copy)]
struct Bins {
    number: usize,
    /// The ends are at -reach and +reach.
    reach: f64,
}

impl Bins {
    /// Those that hold all ensembles: the widest decides about the range, the middle one about the bins.
    fn common(ensembles: &[EnsembleResult]) -> Self {
        let reach = ensembles.iter().map(|e| e.bias.abs() + 3.5 * width(e)).fold(1e-3, f64::max);
        let mut widths: Vec<f64> = ensembles.iter().map(width).collect();
        widths.sort_by(f64::total_cmp);
        let middle = widths[widths.len() / 2];
        let images = ensembles.iter().map(|e| e.n_images).sum::<usize>() / ensembles.len();
        // About two bins a sigma for many images, fewer for few.
        let per_sigma = ((images as f64).cbrt() / 3.0).clamp(1.0, 3.0);
        let wanted = if middle > 0.0 { 2.0 * reach / middle * per_sigma } else { 25.0 };
        Self { number: (wanted.round() as usize).clamp(12, 60), reach }
    }

    fn edge(self, i: usize) -> f64 {
        self.reach * (2.0 * i as f64 / self.number as f64 - 1.0)
    }
}

/// The larger of an ensemble's widths; 0 where none is known.
fn width(e: &EnsembleResult) -> f64 {
    e.sigma_left.into_iter().chain(e.sigma_right).fold(0.0, f64::max)
}

/// One histogram.
struct Counted<'a> {
    ensemble: &'a EnsembleResult,
    bins: Bins,
    contents: Vec<usize>,
    /// Part of all images [%].
    shares: Vec<f64>,
    outside: usize,
}

impl<'a> Counted<'a> {
    fn new(ensemble: &'a EnsembleResult, values: &[f64], bins: Bins) -> Self {
        let mut contents = vec![0; bins.number];
        let mut outside = 0;
        for x in values {
            let place = f64::midpoint((x - ensemble.truth) / bins.reach, 1.0) * bins.number as f64;
            match contents.get_mut(place.max(0.0) as usize) {
                Some(content) if place >= 0.0 => *content += 1,
                _ => outside += 1,
            }
        }
        let shares = contents.iter().map(|n| 100.0 * *n as f64 / values.len() as f64).collect();
        Self { ensemble, bins, contents, shares, outside }
    }

    /// Numbers stand at the left and at the lower edge of the page alone.
    fn draw(&self, panel: &Panel, symbol: &str, left: bool, last: bool) {
        let e = self.ensemble;
        let (_, colour) = look(e.trained);
        let edges: Vec<f64> = (0..=self.bins.number).map(|i| self.bins.edge(i)).collect();
        panel.fill_steps(&edges, &self.shares, colour, FILL);
        panel.steps(&edges, &self.shares, Stroke::thin(colour));
        let mark = |x: f64| [(x, 0.0), (x, panel.y.high / 1.5)];
        panel.curve(&mark(0.0), Stroke::curve(GREY));
        panel.curve(&mark(e.bias), Stroke::curve(BLACK).dashed());

        let mut axes = panel.axes(last.then_some(""), left.then_some(""));
        axes.text_scale = 0.78;
        axes.x_ticks = panel.x.ticks(4);
        axes.y_ticks = panel.y.ticks(4);
        panel.draw_axes(&axes);

        let (canvas, frame, small) = (panel.canvas, panel.frame, Font::new(SMALL_PT));
        let title = format!("true {symbol} = {}", short(e.truth, 3));
        let above = (frame.left + 0.3, frame.top - 1.2);
        canvas.text(&title, above, Font::new(SMALL_PT + 0.5).bold(), Align::Left);
        let three = |symbol: &str, value: Option<f64>| {
            let text = value.map_or_else(|| "unknown".to_owned(), |value| format!("= {}", number(value, 3)));
            format!("{symbol} {text}")
        };
        let left = [three("bias", Some(e.bias)), format!("*N* = {}", count(e.n_images))];
        let mut right = vec![three("*σ*_{L}", e.sigma_left), three("*σ*_{R}", e.sigma_right)];
        if self.outside > 0 {
            right.push(format!("{} outside", count(self.outside)));
        }
        let sides =
            [(&left[..], frame.left + 1.6, Align::Left), (&right[..], frame.right() - 1.6, Align::Right)];
        for (lines, x, align) in sides {
            for (i, line) in lines.iter().enumerate() {
                let baseline = frame.top + 1.6 + small.cap_height() + i as f64 * small.line_height();
                canvas.text(line, (x, baseline), small, align);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn a_panel_for_each_ensemble() {
        for n in [1, 5, 28] {
            let (ensembles, values) = checks::ensembles(n);
            let predictions: Vec<Predictions> = ensembles
                .iter()
                .zip(&values)
                .map(|(e, values)| Predictions { truth: e.truth, values: values.clone() })
                .collect();
            let listed = TrainingValues::Listed;
            let svg =
                checks::figure("histograms", |sheet| histograms(sheet, &ensembles, &predictions, listed));
            assert_eq!(svg.matches(">true δ<").count(), n);
            // Numbers of the one scale stand at the edges alone.
            assert_eq!(svg.matches(">0.0</text>").count(), columns(n).min(n));
        }
    }

    #[test]
    fn every_prediction_is_in_a_bin_or_counted_outside() {
        let (ensembles, values) = checks::ensembles(3);
        let far: Vec<f64> = values[0].iter().copied().chain([9.0, -9.0]).collect();
        let bins = Bins { number: 20, reach: 0.4 };
        let counted = Counted::new(&ensembles[0], &far, bins);
        assert_eq!(counted.outside, 2);
        assert_eq!(counted.contents.iter().sum::<usize>(), values[0].len());
        let inside = values[0].len() as f64 / far.len() as f64;
        assert!((counted.shares.iter().sum::<f64>() - 100.0 * inside).abs() < 1e-9);
        assert!((bins.edge(0) + 0.4).abs() < 1e-12 && (bins.edge(20) - 0.4).abs() < 1e-12);
    }

    /// A4 is 210 mm x 297 mm.
    #[test]
    fn issue_13_twenty_eight_panels_fit_a_page() {
        for n in 1..=28 {
            let (columns, rows) = (columns(n), n.div_ceil(columns(n)));
            assert!(columns <= 4 && rows <= ROWS && columns * rows >= n, "{n}: {columns} x {rows}");
        }
        assert!(LEFT + 4.0 * CELL.0 <= 200.0 && TOP + 7.0 * CELL.1 + BOTTOM <= 280.0);
        assert_eq!((columns(28), columns(22), columns(9), columns(2), columns(60)), (4, 4, 3, 2, 9));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let (ensembles, values) = checks::ensembles(2);
        let sheet = &Sheet::new("never", &[]);
        let of = |values: &[f64]| Predictions { truth: 0.0, values: values.to_vec() };
        let drawn = |ensembles: &[EnsembleResult], predictions: &[Predictions]| {
            histograms(sheet, ensembles, predictions, TrainingValues::Listed)
        };
        assert!(matches!(drawn(&[], &[]), Err(ReportError::NoData { .. })));
        assert!(matches!(drawn(&ensembles, &[of(&values[0])]), Err(ReportError::Length { .. })));
        assert!(matches!(drawn(&ensembles, &[of(&[]), of(&[])]), Err(ReportError::NoData { .. })));
        let nan = [f64::NAN];
        assert!(matches!(drawn(&ensembles, &[of(&nan), of(&nan)]), Err(ReportError::Value { .. })));
    }
}
