//! Loss, validation error and learning rate against the epoch.

use std::path::PathBuf;

use humboldt_schemas::results::EpochMetrics;

use super::canvas::{Canvas, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Marker, Panel, Rect};
use super::style::{BLACK, BLUE, GREEN, GREY, VERMILION};
use super::ticks::{Scale, number};
use super::{ReportError, Sheet};

const FIGURE: &str = "training curves";
/// Learning rates below this part of the largest lie below the axis: one cycle and half a cosine end next to 0.
const SMALLEST_RATE: f64 = 1e-3;
/// Up to as many epochs are marked as points; a line through one would not be seen.
const FEW: usize = 5;

/// Draws `stem.svg`, `stem.png` and `stem.csv`; the last epoch marked as best so far is the best of all.
///
/// # Errors
/// Without epochs, without any positive loss or learning rate, or when a file cannot be written.
pub fn training_curves(sheet: &Sheet, epochs: &[EpochMetrics]) -> Result<Vec<PathBuf>, ReportError> {
    if epochs.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "epochs" });
    }
    // A schedule may end at a learning rate of 0, which a logarithmic axis cannot show.
    let series = |of: fn(&EpochMetrics) -> f64| -> Vec<(f64, f64)> {
        let points = epochs.iter().map(|m| (m.epoch as f64, of(m)));
        points.filter(|p| p.1 > 0.0 && p.1.is_finite()).collect()
    };
    let mut curves = vec![
        ("training loss", series(|m| m.train_loss), Stroke::curve(BLUE)),
        ("validation MAE", series(|m| m.validation_mae), Stroke::curve(VERMILION)),
    ];
    // With the MAE as loss the third curve would lie on the second.
    if epochs.iter().any(|m| (m.validation_loss / m.validation_mae - 1.0).abs() > 1e-6) {
        curves.push(("validation loss", series(|m| m.validation_loss), Stroke::curve(GREEN).dashed()));
    }
    // A rate holds for its epoch.
    let rates: Vec<(f64, f64)> =
        series(|m| m.learning_rate).iter().flat_map(|&(x, y)| [(x - 0.5, y), (x + 0.5, y)]).collect();
    if rates.is_empty() || curves.iter().any(|c| c.1.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "positive losses and learning rates" });
    }
    let rate_axis = rate_axis(&rates);
    let rates: Vec<(f64, f64)> = rates.iter().map(|&(x, y)| (x, y.max(rate_axis.low))).collect();
    let x =
        Scale::around(epochs.iter().flat_map(|m| [m.epoch as f64 - 0.5, m.epoch as f64 + 0.5]), 0.02, 0.02);
    let y = Scale::log_around(curves.iter().flat_map(|c| c.1.iter().map(|p| p.1)), 0.07, 0.12);
    let best = epochs.iter().rev().find(|m| m.best && m.validation_mae > 0.0);

    let draw = |canvas: &Canvas| {
        let main = Panel::new(canvas, Rect::new(21.0, 4.0, 115.0, 70.0), x, y);
        let below = Panel::new(canvas, Rect::new(21.0, 77.0, 115.0, 26.0), x, rate_axis);
        let mut entries: Vec<Entry> = Vec::new();
        if let Some(m) = best {
            for panel in [&main, &below] {
                let at = m.epoch as f64;
                panel.curve(&[(at, panel.y.low), (at, panel.y.high)], Stroke::thin(GREY).dashed());
            }
        }
        for (name, points, stroke) in &curves {
            main.curve(points, *stroke);
            for &(x, y) in points.iter().take(if points.len() <= FEW { FEW } else { 0 }) {
                main.marker(x, y, Marker::Disc, stroke.colour);
            }
            entries.push((Key::Line(*stroke), (*name).to_owned()));
        }
        if let Some(m) = best {
            main.marker(m.epoch as f64, m.validation_mae, Marker::Star, BLACK);
            let words = format!("best: epoch {}, MAE {}", m.epoch, number(m.validation_mae, 4));
            entries.push((Key::Marker(Marker::Star, BLACK), words));
        }
        below.curve(&rates, Stroke::curve(BLUE));
        let mut axes = main.axes(None, Some("loss, MAE"));
        axes.y_title_gap = 15.0;
        axes.x_ticks = axes.x_ticks.integers();
        main.draw_axes(&axes);
        let mut axes = below.axes(Some("epoch"), Some("learning rate"));
        axes.y_title_gap = 15.0;
        axes.x_ticks = axes.x_ticks.integers();
        axes.y_ticks = below.y.ticks(4);
        below.draw_axes(&axes);
        let mut avoid: Vec<_> = curves.iter().flat_map(|c| main.along(&c.1)).collect();
        // The line of the best epoch counts for less than a curve.
        if let Some(at) = best.map(|m| m.epoch as f64) {
            avoid.extend(main.along(&[(at, y.low), (at, y.high)]).into_iter().step_by(10));
        }
        legend::draw(&main, &entries, &avoid);
    };
    let rows = epochs.iter().map(EpochMetrics::csv_row);
    sheet.write("Training curves", (140.0, 118.0), draw, (EpochMetrics::CSV_HEADER, rows))
}

fn rate_axis(rates: &[(f64, f64)]) -> Scale {
    let rates = || rates.iter().map(|p| p.1);
    let largest = rates().fold(0.0, f64::max);
    Scale::log_around(rates().filter(|rate| *rate >= SMALLEST_RATE * largest), 0.12, 0.12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn epochs(n: usize) -> Vec<EpochMetrics> {
        let epoch = |i: usize| EpochMetrics {
            epoch: i,
            learning_rate: match i {
                29 => 1e-12,
                30 => 0.0,
                _ => 0.01 / i as f64,
            },
            train_loss: 0.5 / i as f64,
            validation_mae: 0.05 + 0.5 / i as f64,
            validation_loss: 0.06 + 0.5 / i as f64,
            images_seen: 100 * i as u64,
            best: i <= 20,
        };
        (1..=n).map(epoch).collect()
    }

    #[test]
    fn curves_of_one_epoch_and_of_many() {
        checks::figure("training", |sheet| training_curves(sheet, &epochs(1)));
        let svg = checks::figure("training", |sheet| training_curves(sheet, &epochs(30)));
        assert!(svg.contains("best: epoch 20, MAE 0.0750") && svg.contains("validation loss"));
    }

    #[test]
    fn the_end_of_a_cycle_does_not_flatten_its_rates() {
        let Scale { low, high, .. } = rate_axis(&[(1.0, 2e-4), (2.0, 6e-4), (3.0, 1e-6), (4.0, 5e-10)]);
        assert!((1e-7..1e-6).contains(&low) && (6e-4..6e-3).contains(&high), "{low} {high}");
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(training_curves(sheet, &[]), Err(ReportError::NoData { .. })));
        let dead = EpochMetrics { learning_rate: 0.0, ..epochs(1)[0].clone() };
        assert!(matches!(training_curves(sheet, &[dead]), Err(ReportError::NoData { .. })));
    }
}
