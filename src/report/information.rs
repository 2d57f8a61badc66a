//! Sensitivity to delta C9 over phase space: the information of events by q2 and by each angle.

use std::f64::consts::PI;
use std::path::PathBuf;

use super::canvas::{Canvas, Font, Stroke};
use super::distributions::EventSample;
use super::legend::{self, Key};
use super::panel::{Panel, Rect};
use super::style::{CHI, COS_THETA_K, COS_THETA_L, GREY, LEGEND_PT, Q2, SERIES};
use super::ticks::{Scale, Ticks, extent, short};
use super::{ReportError, Sheet};

const FIGURE: &str = "information";
const BINS: usize = 30;

/// Events of one delta C9 with their scores `d ln p/d delta C9`.
#[derive(Debug, Clone, Copy)]
pub struct ScoredSample<'a> {
    /// The events.
    pub events: EventSample<'a>,
    /// One score an event.
    pub scores: &'a [f64],
}

/// Shares of events and of the information by bin.
struct Shares {
    edges: Vec<f64>,
    events: Vec<f64>,
    information: Vec<f64>,
}

/// Draws `stem.svg`, `stem.png` and `stem.csv`: which part of the information `I = mean of score^2` the events of a bin
/// hold (lines), beside the part of the events that lies in it (dotted), for one to five samples.
///
/// # Errors
/// Without samples, events or information, with columns of different lengths, or when a file cannot be written.
pub fn information(sheet: &Sheet, samples: &[ScoredSample]) -> Result<Vec<PathBuf>, ReportError> {
    if samples.is_empty() || samples.iter().any(|s| s.events.q2.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "events" });
    }
    if samples.len() > SERIES.len() {
        let (got, expected) = (samples.len(), SERIES.len());
        return Err(ReportError::Length { figure: FIGURE, what: "the list of samples", got, expected });
    }
    for s in samples {
        ReportError::unless_finite(FIGURE, "a score", s.scores.iter().copied())?;
    }
    let (low, high) = extent(samples.iter().flat_map(|s| s.events.q2.iter().map(|x| f64::from(*x))));
    let variables: [(&str, &str, Column, (f64, f64)); 4] = [
        ("q2", Q2, |e| e.q2, (low, high)),
        ("cos_theta_l", COS_THETA_L, |e| e.cos_theta_l, (-1.0, 1.0)),
        ("cos_theta_k", COS_THETA_K, |e| e.cos_theta_k, (-1.0, 1.0)),
        ("chi", CHI, |e| e.chi, (-PI, PI)),
    ];
    let shares: Vec<Vec<Shares>> = variables
        .iter()
        .map(|(name, _, column, range)| samples.iter().map(|s| filled(s, name, *column, *range)).collect())
        .collect::<Result<_, ReportError>>()?;
    let size = (168.0, 132.0);
    let draw = |canvas: &Canvas| {
        for (i, ((name, title, ..), shares)) in variables.iter().zip(&shares).enumerate() {
            let frame = Rect::new(18.0 + (i % 2) as f64 * 82.0, 10.0 + (i / 2) as f64 * 62.0, 64.0, 46.0);
            draw(canvas, frame, (name, title), shares);
        }
        let mut keys: Vec<_> = samples
            .iter()
            .zip(SERIES)
            .map(|(s, colour)| {
                let words = format!("information at {} = {}", sheet.symbol(), short(s.events.truth, 3));
                (Key::Line(Stroke::curve(colour)), words)
            })
            .collect();
        keys.push((Key::Line(Stroke::thin(GREY).dashed()), "events".to_owned()));
        legend::draw_in_a_row(canvas, &keys, (size.0 / 2.0, 5.0), Font::new(LEGEND_PT));
    };
    let rows = variables.iter().zip(&shares).flat_map(|((name, ..), shares)| {
        samples.iter().zip(shares).flat_map(move |(s, h)| {
            (0..BINS).map(move |i| {
                let (low, high) = (h.edges[i], h.edges[i + 1]);
                format!("{},{name},{low},{high},{},{}", s.events.truth, h.information[i], h.events[i])
            })
        })
    });
    let header = format!("{},variable,bin_low,bin_high,information,events", sheet.label());
    sheet.write("Information by q2 and by angle", size, draw, (header, rows))
}

type Column = for<'a> fn(&EventSample<'a>) -> &'a [f32];

fn filled(
    s: &ScoredSample,
    name: &'static str,
    column: Column,
    (low, high): (f64, f64),
) -> Result<Shares, ReportError> {
    let values = column(&s.events);
    if values.len() != s.scores.len() {
        let (got, expected) = (s.scores.len(), values.len());
        return Err(ReportError::Length { figure: FIGURE, what: name, got, expected });
    }
    let (mut events, mut information) = (vec![0.0; BINS], vec![0.0; BINS]);
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    for (x, score) in values.iter().zip(s.scores) {
        let bin = (((f64::from(*x) - low) / width).max(0.0) as usize).min(BINS - 1);
        events[bin] += 1.0;
        information[bin] += score * score;
    }
    let total: f64 = information.iter().sum();
    if total <= 0.0 {
        return Err(ReportError::NoData { figure: FIGURE, what: "information" });
    }
    for (n, share) in events.iter_mut().zip(&mut information) {
        *n *= 100.0 / values.len() as f64;
        *share *= 100.0 / total;
    }
    Ok(Shares { edges: (0..=BINS).map(|i| low + width * i as f64).collect(), events, information })
}

fn draw(canvas: &Canvas, frame: Rect, (name, title): (&str, &str), samples: &[Shares]) {
    let edges = &samples[0].edges;
    let highest =
        samples.iter().flat_map(|s| s.information.iter().chain(&s.events)).copied().fold(0.0, f64::max);
    let x = Scale::linear(edges[0], edges[BINS]);
    let panel = Panel::new(canvas, frame, x, Scale::linear(0.0, 1.12 * highest));
    panel.steps(edges, &samples[0].events, Stroke::thin(GREY).dashed());
    for (s, colour) in samples.iter().zip(SERIES) {
        panel.steps(edges, &s.information, Stroke::curve(colour));
    }
    let mut axes = panel.axes(Some(title), Some("share per bin [%]"));
    if name == "chi" {
        axes.x_ticks = Ticks::of_chi();
    }
    axes.y_title_gap = 10.0;
    panel.draw_axes(&axes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn shares_add_up_and_are_drawn() {
        let column = |scale: f32| -> Vec<f32> {
            (0..500).map(|i| scale * ((i * 37 % 500) as f32 / 250.0 - 1.0)).collect()
        };
        let (q2, l, k, chi) = (column(9.0), column(1.0), column(0.9), column(3.1));
        let q2: Vec<f32> = q2.iter().map(|x| x + 10.0).collect();
        let scores: Vec<f64> = (0..500).map(|i| f64::from(i % 7) - 3.0).collect();
        let events = EventSample { truth: -2.0, q2: &q2, cos_theta_l: &l, cos_theta_k: &k, chi: &chi };
        let sample = ScoredSample { events, scores: &scores };
        let shares = filled(&sample, "q2", |e| e.q2, (1.0, 19.0)).unwrap();
        assert!((shares.events.iter().sum::<f64>() - 100.0).abs() < 1e-9);
        assert!((shares.information.iter().sum::<f64>() - 100.0).abs() < 1e-9);
        let svg = checks::figure("information", |sheet| information(sheet, &[sample, sample]));
        assert!(svg.contains("share per bin"));
        let sheet = &Sheet::new("never", &[]);
        let short = ScoredSample { scores: &scores[..3], ..sample };
        assert!(matches!(information(sheet, &[short]), Err(ReportError::Length { .. })));
        let blind = ScoredSample { scores: &[0.0; 500], ..sample };
        assert!(matches!(information(sheet, &[blind]), Err(ReportError::NoData { .. })));
    }
}
