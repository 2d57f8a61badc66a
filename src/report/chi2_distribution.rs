//! Distribution of chi-square over points: of training sets and of generated samples (the study's Fig. 4).

use std::path::PathBuf;

use super::canvas::{Canvas, Point, Stroke};
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::SERIES;
use super::ticks::Scale;
use super::{ReportError, Sheet};

const FIGURE: &str = "chi-square distribution";
const BINS: usize = 60;

/// Draws `stem.svg`, `stem.png` and `stem.csv`: the share of points in bins of equal width of ln chi-square, by name.
///
/// # Errors
/// Without values, with values that are not finite and positive, or when a file cannot be written.
pub fn chi2_distribution(sheet: &Sheet, sets: &[(String, Vec<f64>)]) -> Result<Vec<PathBuf>, ReportError> {
    if sets.is_empty() || sets.iter().any(|(_, values)| values.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "points" });
    }
    let all = || sets.iter().flat_map(|(_, values)| values.iter().copied());
    if let Some(got) = all().find(|chi2| !chi2.is_finite() || *chi2 <= 0.0) {
        let (what, got, allowed) = ("a chi-square", got.to_string(), "finite numbers above 0");
        return Err(ReportError::Value { figure: FIGURE, what, got, allowed });
    }
    let x = Scale::log_around(all(), 0.01, 0.01);
    let edge = |i: usize| x.low * (x.high / x.low).powf(i as f64 / BINS as f64);
    let edges: Vec<f64> = (0..=BINS).map(edge).collect();
    let shares: Vec<Vec<f64>> = sets
        .iter()
        .map(|(_, values)| {
            let mut shares = vec![0.0; BINS];
            for chi2 in values {
                let bin = ((chi2 / x.low).ln() / (x.high / x.low).ln() * BINS as f64) as usize;
                shares[bin.min(BINS - 1)] += 1.0 / values.len() as f64;
            }
            shares
        })
        .collect();
    let y = Scale::linear(0.0, 1.15 * shares.iter().flatten().copied().fold(0.0, f64::max));
    let draw = |canvas: &Canvas| {
        let panel = Panel::new(canvas, Rect::new(19.0, 4.0, 97.0, 65.0), x, y);
        let mut entries: Vec<Entry> = Vec::new();
        let mut covered: Vec<Point> = Vec::new();
        for (place, ((name, _), shares)) in sets.iter().zip(&shares).enumerate() {
            let colour = SERIES[place % SERIES.len()];
            let stroke = if place % 2 == 1 { Stroke::curve(colour).dashed() } else { Stroke::curve(colour) };
            if place == 0 {
                panel.fill_steps(&edges, shares, colour, 0.2);
            }
            panel.steps(&edges, shares, stroke);
            covered.extend(edges.iter().zip(shares).map(|(x, y)| panel.at(*x, *y)));
            entries.push((Key::Line(stroke), name.clone()));
        }
        panel.draw_axes(&panel.axes(Some("*χ*^{2}"), Some("share of points")));
        legend::draw(&panel, &entries, &covered);
    };
    let rows = sets.iter().zip(&shares).flat_map(|((name, _), shares)| {
        let bins = edges.windows(2).zip(shares);
        bins.map(move |(edges, share)| format!("{},{},{},{share}", name.replace(',', ""), edges[0], edges[1]))
    });
    let header = "points,chi2_low,chi2_high,share";
    sheet.write("Distribution of chi-square", (120.0, 84.0), draw, (header, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn every_point_is_in_a_bin() {
        let wide: Vec<f64> = (0..500).map(|i| 30.0 + f64::from(i * i) / 40.0).collect();
        let sets = [("training set".to_owned(), wide), ("generated".to_owned(), vec![31.0])];
        let folder = tempfile::tempdir().unwrap();
        chi2_distribution(&Sheet::new(folder.path().join("chi2"), &[]), &sets).unwrap();
        let text = std::fs::read_to_string(folder.path().join("chi2.csv")).unwrap();
        for name in ["training set", "generated"] {
            let own = text.lines().filter(|line| line.starts_with(name));
            let sum: f64 = own.map(|line| line.rsplit(',').next().unwrap().parse::<f64>().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{name}: {sum}");
        }
        checks::figure("chi2", |sheet| chi2_distribution(sheet, &sets));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(chi2_distribution(sheet, &[]), Err(ReportError::NoData { .. })));
        let zero = [("none".to_owned(), vec![0.0])];
        assert!(matches!(chi2_distribution(sheet, &zero), Err(ReportError::Value { .. })));
    }
}
