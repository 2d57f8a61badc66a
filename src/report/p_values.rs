//! Distribution of p-values: flat where samples are what they are taken for.

use std::path::PathBuf;

use super::canvas::{Align, Canvas, Font, Stroke};
use super::panel::{Panel, Rect};
use super::style::{BLACK, BLUE, NUMBER_PT, SKY};
use super::ticks::{Scale, number};
use super::{ReportError, Sheet};

const FIGURE: &str = "p-values";

/// Values of a bin, on average, that make bins narrow.
const MANY: usize = 15;

/// Draws `stem.svg`, `stem.png` and `stem.csv`: the density of p-values in bins of equal width, with the one that is expected and its statistical
/// error.
///
/// # Errors
/// Without values, with values outside 0 to 1, or when a file cannot be written.
pub fn p_values(sheet: &Sheet, values: &[f64]) -> Result<Vec<PathBuf>, ReportError> {
    if values.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "p-values" });
    }
    if let Some(got) = values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        let (what, got, allowed) = ("a p-value", got.to_string(), "0 to 1");
        return Err(ReportError::Value { figure: FIGURE, what, got, allowed });
    }
    let bins = if values.len() >= 20 * MANY { 20 } else { 10 };
    let edges: Vec<f64> = (0..=bins).map(|i| i as f64 / bins as f64).collect();
    let n = values.len() as f64;
    let mut densities = vec![0.0; bins];
    for p in values {
        densities[((p * bins as f64) as usize).min(bins - 1)] += bins as f64 / n;
    }
    let error = ((bins - 1) as f64 / n).sqrt();
    let most = densities.iter().copied().fold(1.0 + error, f64::max);
    let draw = |canvas: &Canvas| {
        let panel = Panel::new(
            canvas,
            Rect::new(17.0, 4.0, 99.0, 60.0),
            Scale::linear(0.0, 1.0),
            Scale::linear(0.0, 1.3 * most),
        );
        panel.band(1.0 - error, 1.0 + error, SKY, 0.25);
        panel.fill_steps(&edges, &densities, BLUE, 0.3);
        panel.steps(&edges, &densities, Stroke::curve(BLUE));
        panel.straight(0.0, 1.0, Stroke::thin(BLACK).dashed());
        panel.draw_axes(&panel.axes(Some("*p*-value"), Some("density")));
        let below = values.iter().filter(|p| **p < 0.05).count() as f64 / n;
        let words = [
            format!("{} pseudo-experiments", super::count(values.len())),
            format!(
                "below 0.05: {} ± {} %",
                number(100.0 * below, 1),
                number(100.0 * (0.0475 / n).sqrt(), 1)
            ),
        ];
        for (i, text) in words.iter().enumerate() {
            canvas.text(text, (20.0, 9.5 + 4.4 * i as f64), Font::new(NUMBER_PT), Align::Left);
        }
    };
    let rows = edges.windows(2).zip(&densities).map(|(edge, y)| format!("{},{},{y}", edge[0], edge[1]));
    let sheet = sheet.with("dashed: expected").with("band: its statistical error");
    sheet.write("Distribution of p-values", (120.0, 80.0), draw, ("p_low,p_high,density", rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn p_values_are_drawn_and_what_is_none_is_refused() {
        let values: Vec<f64> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).collect();
        let svg = checks::figure("p", |sheet| p_values(sheet, &values));
        assert!(svg.contains("400 pseudo-experiments") && svg.contains("below 0.05: 5.0 ± 1.1 %"), "{svg}");
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(p_values(sheet, &[]), Err(ReportError::NoData { .. })));
        assert!(matches!(p_values(sheet, &[1.2]), Err(ReportError::Value { .. })));
    }
}
