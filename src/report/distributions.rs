//! Angles and q2 of events at different delta C9 (the paper's Fig. 2), with ratios below.

use std::f64::consts::PI;
use std::path::PathBuf;

use super::canvas::{Canvas, Font, Stroke};
use super::legend::{self, Key};
use super::panel::{Panel, Rect};
use super::style::{CHI, COS_THETA_K, COS_THETA_L, GREY, LEGEND_PT, Q2, SERIES};
use super::ticks::{Scale, Ticks, count, extent, short};
use super::{ReportError, Sheet};

const FIGURE: &str = "distributions";
const BINS: usize = 40;

/// Columns of events generated at one delta C9; all of the same length.
#[derive(Debug, Clone, Copy)]
pub struct EventSample<'a> {
    /// Shift of C9.
    pub truth: f64,
    /// Squared dilepton mass [GeV^2].
    pub q2: &'a [f32],
    /// Cosine of the lepton helicity angle.
    pub cos_theta_l: &'a [f32],
    /// Cosine of the K* helicity angle.
    pub cos_theta_k: &'a [f32],
    /// Decay-plane angle, -pi to pi.
    pub chi: &'a [f32],
}

/// One of the four variables.
struct Variable {
    name: &'static str,
    title: &'static str,
    density: &'static str,
    column: for<'a> fn(&EventSample<'a>) -> &'a [f32],
    range: Option<(f64, f64)>,
}

const VARIABLES: [Variable; 4] = [
    Variable {
        name: "q2",
        title: Q2,
        density: "(1/*N*) d*N*/d*q*^{2} [GeV^{−2}]",
        column: |s| s.q2,
        range: None,
    },
    Variable {
        name: "cos_theta_l",
        title: COS_THETA_L,
        density: "(1/*N*) d*N*/dcos *θ*_{*ℓ*}",
        column: |s| s.cos_theta_l,
        range: Some((-1.0, 1.0)),
    },
    Variable {
        name: "cos_theta_k",
        title: COS_THETA_K,
        density: "(1/*N*) d*N*/dcos *θ*_{*K*}",
        column: |s| s.cos_theta_k,
        range: Some((-1.0, 1.0)),
    },
    Variable {
        name: "chi",
        title: CHI,
        density: "(1/*N*) d*N*/d*χ* [rad^{−1}]",
        column: |s| s.chi,
        range: Some((-PI, PI)),
    },
];

/// Draws `stem.svg`, `stem.png` and `stem.csv` of one to five samples; ratios are to the first.
///
/// Histograms are normalised to their events; error bars are the square root of the events in the bin.
///
/// # Errors
/// Without samples or events, with more than five samples, columns of different lengths, values outside their
/// variable's range, or when a file cannot be written.
pub fn distributions(sheet: &Sheet, samples: &[EventSample]) -> Result<Vec<PathBuf>, ReportError> {
    if samples.is_empty() || samples.iter().any(|s| s.q2.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "events" });
    }
    if samples.len() > SERIES.len() {
        let (got, expected) = (samples.len(), SERIES.len());
        return Err(ReportError::Length { figure: FIGURE, what: "the list of samples", got, expected });
    }
    let mut filled = Vec::new();
    for variable in &VARIABLES {
        filled.push(variable.filled(samples)?);
    }
    let size = (168.0, 164.0);
    let draw = |canvas: &Canvas| {
        for (i, (variable, histograms)) in VARIABLES.iter().zip(&filled).enumerate() {
            let corner = (20.0 + (i % 2) as f64 * 83.0, 10.0 + (i / 2) as f64 * 78.0);
            draw(canvas, corner, variable, histograms);
        }
        let keys = samples.iter().zip(SERIES).enumerate().map(|(i, (s, colour))| {
            let role = if i == 0 && samples.len() > 1 { " (reference)" } else { "" };
            let words =
                format!("{} = {}, {} events{role}", sheet.symbol(), short(s.truth, 3), count(s.q2.len()));
            (Key::Line(Stroke::curve(colour)), words)
        });
        legend::draw_in_a_row(canvas, &keys.collect::<Vec<_>>(), (size.0 / 2.0, 5.0), Font::new(LEGEND_PT));
    };
    let rows = VARIABLES.iter().zip(&filled).flat_map(|(variable, histograms)| {
        samples.iter().zip(histograms).flat_map(move |(s, h)| {
            (0..BINS).map(move |i| {
                let (density, error) = h.density(i);
                let (name, low, high) = (variable.name, h.edges[i], h.edges[i + 1]);
                format!("{},{name},{low},{high},{},{density},{error}", s.truth, h.events[i])
            })
        })
    });
    let header = format!("{},variable,bin_low,bin_high,events,density,error", sheet.label());
    sheet.write("Angles and q2 at different shifts", size, draw, (header, rows))
}

/// Events by bin.
struct Histogram {
    edges: Vec<f64>,
    events: Vec<u64>,
    total: f64,
}

impl Variable {
    /// A histogram of each sample, all with the same bins.
    fn filled(&self, samples: &[EventSample]) -> Result<Vec<Histogram>, ReportError> {
        for s in samples {
            let (got, expected) = ((self.column)(s).len(), s.q2.len());
            if got != expected {
                return Err(ReportError::Length { figure: FIGURE, what: self.name, got, expected });
            }
        }
        let values = || samples.iter().flat_map(|s| (self.column)(s).iter().map(|&x| f64::from(x)));
        ReportError::unless_finite(FIGURE, self.name, values())?;
        let found = extent(values());
        let (low, high) =
            self.range.unwrap_or((found.0.floor(), (found.0.floor() + 1.0).max(found.1.ceil())));
        // Single precision may round pi up.
        let rounding = 1e-6 * (high - low);
        if let Some(got) = [found.0, found.1].iter().find(|x| **x < low - rounding || **x > high + rounding) {
            let allowed = "-1 to 1 (cosines), -pi to pi (chi)";
            return Err(ReportError::Value {
                figure: FIGURE,
                what: self.name,
                got: got.to_string(),
                allowed,
            });
        }
        let edges: Vec<f64> = (0..=BINS).map(|i| low + (high - low) * i as f64 / BINS as f64).collect();
        let fill = |s: &EventSample| {
            let mut events = vec![0; BINS];
            for &x in (self.column)(s) {
                let bin = (f64::from(x) - low) / (high - low) * BINS as f64;
                events[(bin as usize).min(BINS - 1)] += 1;
            }
            Histogram { edges: edges.clone(), events, total: s.q2.len() as f64 }
        };
        Ok(samples.iter().map(fill).collect())
    }
}

impl Histogram {
    /// Density of a bin and its statistical error.
    fn density(&self, bin: usize) -> (f64, f64) {
        let n = self.events[bin] as f64;
        let scale = 1.0 / (self.total * (self.edges[bin + 1] - self.edges[bin]));
        (n * scale, n.sqrt() * scale)
    }

    fn centre(&self, bin: usize) -> f64 {
        0.5 * (self.edges[bin] + self.edges[bin + 1])
    }

    /// Ratio of densities to a reference and its error; `None` where either bin is empty.
    fn ratio(&self, reference: &Self, bin: usize) -> Option<(f64, f64)> {
        let (n, m) = (self.events[bin] as f64, reference.events[bin] as f64);
        let ratio = self.density(bin).0 / reference.density(bin).0;
        (n > 0.0 && m > 0.0).then(|| (ratio, ratio * (1.0 / n + 1.0 / m).sqrt()))
    }
}

fn draw(canvas: &Canvas, (left, top): (f64, f64), variable: &Variable, histograms: &[Histogram]) {
    let edges = &histograms[0].edges;
    let x = Scale::linear(edges[0], edges[BINS]);
    let highest = histograms
        .iter()
        .flat_map(|h| (0..BINS).map(|i| h.density(i).0 + h.density(i).1))
        .fold(0.0, f64::max);
    let main = Panel::new(canvas, Rect::new(left, top, 62.0, 41.0), x, Scale::linear(0.0, 1.1 * highest));
    for (h, colour) in histograms.iter().zip(SERIES) {
        let contents: Vec<f64> = (0..BINS).map(|i| h.density(i).0).collect();
        main.steps(edges, &contents, Stroke::curve(colour));
        for i in 0..BINS {
            let (y, error) = h.density(i);
            main.error_bar(h.centre(i), (y - error, y + error), Stroke::thin(colour), 0.0);
        }
    }
    let ticks = if variable.name == "chi" { Ticks::of_chi() } else { x.ticks(5) };
    let mut axes = main.axes(None, Some(variable.density));
    axes.x_ticks = ticks.clone();
    axes.y_title_gap = 12.0;
    axes.text_scale = 0.9;
    main.draw_axes(&axes);

    // Bins with few events would stretch the axis; what does not fit is cut at the frame.
    let precise =
        |(ratio, error): (f64, f64)| (error < 0.35 * ratio).then_some([ratio - error, ratio + error]);
    let ratios =
        histograms[1..].iter().flat_map(|h| (0..BINS).filter_map(|i| precise(h.ratio(&histograms[0], i)?)));
    let y = Scale::around(ratios.flatten().chain([0.9, 1.1]), 0.08, 0.08);
    let below = Panel::new(canvas, Rect::new(left, top + 43.0, 62.0, 17.0), x, y);
    below.straight(0.0, 1.0, Stroke::thin(GREY).dashed());
    for (h, colour) in histograms.iter().zip(SERIES).skip(1) {
        for i in 0..BINS {
            let Some((ratio, error)) = h.ratio(&histograms[0], i) else { continue };
            let [low, middle, high] = [ratio - error, ratio, ratio + error].map(|r| r.clamp(y.low, y.high));
            if low < high {
                below.error_bar(h.centre(i), (low, high), Stroke::thin(colour), 0.0);
                below.curve(&[(edges[i], middle), (edges[i + 1], middle)], Stroke::curve(colour));
            }
        }
    }
    let mut axes = below.axes(Some(variable.title), Some("ratio"));
    axes.x_ticks = ticks;
    axes.y_ticks = y.ticks(3);
    axes.y_title_gap = 12.0;
    axes.text_scale = 0.9;
    below.draw_axes(&axes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    /// Columns of n events spread over their ranges, both ends included.
    fn columns(n: usize) -> [Vec<f32>; 4] {
        let spread = |step: usize, low: f32, high: f32| {
            (0..n).map(|i| low + (high - low) * ((i * step) % n) as f32 / (n - 1) as f32).collect()
        };
        let pi = std::f32::consts::PI;
        [spread(1, 0.1, 19.0), spread(7, -1.0, 1.0), spread(11, -1.0, 1.0), spread(13, -pi, pi)]
    }

    fn sample(truth: f64, [q2, cos_theta_l, cos_theta_k, chi]: &[Vec<f32>; 4]) -> EventSample<'_> {
        EventSample { truth, q2, cos_theta_l, cos_theta_k, chi }
    }

    #[test]
    fn four_variables_of_two_samples() {
        let (a, b) = (columns(3000), columns(1000));
        let samples = [sample(0.0, &a), sample(-1.0, &b)];
        let svg = checks::figure("distributions", |sheet| distributions(sheet, &samples));
        assert_eq!(svg.matches(">ratio<").count(), 4);
        assert!(svg.contains("3,000 events (reference)"));
    }

    #[test]
    fn densities_integrate_to_one() {
        let events = columns(777);
        for variable in &VARIABLES {
            let histogram = &variable.filled(&[sample(0.0, &events)]).unwrap()[0];
            let area: f64 = (0..BINS)
                .map(|i| histogram.density(i).0 * (histogram.edges[i + 1] - histogram.edges[i]))
                .sum();
            assert!((area - 1.0).abs() < 1e-12, "{}: {area}", variable.name);
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(distributions(sheet, &[]), Err(ReportError::NoData { .. })));
        let good = columns(100);
        let empty = EventSample { q2: &[], ..sample(0.0, &good) };
        assert!(matches!(distributions(sheet, &[empty]), Err(ReportError::NoData { .. })));
        let short = EventSample { chi: &good[3][..50], ..sample(0.0, &good) };
        assert!(matches!(distributions(sheet, &[short]), Err(ReportError::Length { what: "chi", .. })));
        let outside = [1.5_f32; 100];
        let wrong = EventSample { cos_theta_l: &outside, ..sample(0.0, &good) };
        assert!(matches!(
            distributions(sheet, &[wrong]),
            Err(ReportError::Value { what: "cos_theta_l", .. })
        ));
    }
}
