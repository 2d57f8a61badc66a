//! The exact rate, integrated independently of the generator.

use std::f64::consts::PI;

use humboldt_physics::quadrature::integrate;
use humboldt_physics::{AngularCoefficients, Decay, LineShape};
use rayon::prelude::*;

/// Bins in q2 and in each angle; in q2 some more if there are gaps between windows.
pub(crate) const BINS: usize = 24;

/// Basis of all histograms.
pub(crate) struct Expected {
    pub(crate) edges_q2: Vec<f64>,
    pub(crate) edges_m: Vec<f64>,
    /// Angular coefficients integrated over each q2 bin.
    pub(crate) q2: Vec<AngularCoefficients>,
    /// Empty for a fixed K pi mass.
    pub(crate) m_kpi: Vec<f64>,
}

/// `f(q2, m)` integrated with the generator's defining weight `line(m)/N(m)` over a rectangle.
fn rectangle<T, F>(decay: &Decay, shape: LineShape, m: (f64, f64), q2: (f64, f64), f: F) -> T
where
    T: Default + std::ops::AddAssign + std::ops::Mul<f64, Output = T>,
    F: Fn(AngularCoefficients) -> T,
{
    let decades = (1..8).map(|k| decay.q2_min() * 10.0_f64.powi(k));
    let breaks: Vec<f64> = decay.q2_thresholds().into_iter().chain(decades).collect();
    let slice = |m: f64| {
        let norm: f64 = integrate(decay.q2_min(), decay.q2_max(m), breaks.iter().copied(), |q2| {
            decay.angular_coefficients(q2, m).rate()
        });
        let high = q2.1.min(decay.q2_max(m));
        if high <= q2.0 {
            return T::default();
        }
        integrate(q2.0, high, breaks.iter().copied(), |q2| f(decay.angular_coefficients(q2, m)))
            * (1.0 / norm)
    };
    match shape {
        LineShape::Narrow => slice(decay.resonance().pole()),
        LineShape::BreitWigner => {
            let end_points = [q2.0, q2.1].map(|q2| decay.m_b_meson() - q2.sqrt());
            let peak = [0.85, 0.88, 0.91, 0.94];
            integrate(m.0, m.1, end_points.into_iter().chain(peak), |m| {
                slice(m) * decay.resonance().density(m)
            })
        }
    }
}

/// A number near `x` half way between two of f32: rounding a column moves no event across it.
fn between_floats(x: f64) -> f64 {
    let below = x as f32;
    0.5 * (f64::from(below) + f64::from(below.next_up()))
}

impl Expected {
    pub(crate) fn new(decay: &Decay, shape: LineShape, windows: &[(f64, f64)]) -> Self {
        let m_range = decay.resonance().range(LineShape::BreitWigner);
        // Edges that cut each window into parts of equal ratio or, at high q2, equal width.
        let edges_q2 = windows.iter().flat_map(|&(low, high)| {
            let parts = BINS / windows.len();
            (0..=parts).map(move |i| {
                let part = i as f64 / parts as f64;
                let edge = if low < 0.01 { low * (high / low).powf(part) } else { low + (high - low) * part };
                // Windows are closed.
                match i {
                    0 => edge,
                    _ if i == parts => edge.next_up(),
                    _ => between_floats(edge),
                }
            })
        });
        let edges_q2: Vec<f64> = edges_q2.collect();
        let edges_m =
            vec![0.66555, 0.75, 0.82, 0.85, 0.87, 0.88, 0.89, 0.9, 0.91, 0.92, 0.95, 1.0, 1.2, 1.60505];
        let is_open = |low: f64, high: f64| windows.iter().any(|w| low >= w.0 && high <= w.1.next_up());
        let q2 = edges_q2.par_windows(2).map(|bin| {
            let open = is_open(bin[0], bin[1]) && bin[1] > bin[0];
            if open {
                rectangle(decay, shape, m_range, (bin[0], bin[1]), |j| j)
            } else {
                AngularCoefficients::ZERO
            }
        });
        let m_kpi = edges_m.par_windows(2).map(|bin| {
            let rates = windows.iter().map(|w| rectangle(decay, shape, (bin[0], bin[1]), *w, |j| j.rate()));
            rates.sum()
        });
        let (q2, m_kpi) =
            (q2.collect(), if shape == LineShape::Narrow { Vec::new() } else { m_kpi.collect() });
        Self { edges_q2, edges_m, q2, m_kpi }
    }

    pub(crate) fn total(&self) -> AngularCoefficients {
        self.q2.iter().copied().sum()
    }
}

/// The four-fold rate integrated over a box in the angles.
pub(crate) fn angular_box(j: &AngularCoefficients, l: (f64, f64), k: (f64, f64), chi: (f64, f64)) -> f64 {
    let pieces = |(low, high): (f64, f64), most: f64| {
        let count = ((high - low) / most - 1e-9).ceil();
        let edge = move |i: f64| low + (high - low) * i / count;
        (0..count as usize).map(move |i| (edge(i as f64), edge((i + 1) as f64)))
    };
    let mut sum = 0.0;
    for l in pieces(l, 0.5) {
        for k in pieces(k, 0.5) {
            sum += pieces(chi, PI / 4.0).map(|chi| small_box(j, l, k, chi)).sum::<f64>();
        }
    }
    sum
}

/// Integral over a small box: a product rule of degree 9 on a smooth function.
fn small_box(j: &AngularCoefficients, l: (f64, f64), k: (f64, f64), chi: (f64, f64)) -> f64 {
    const RULE: [(f64, f64); 5] = [
        (0.0, 0.568_888_888_888_889),
        (0.538_469_310_105_683, 0.478_628_670_499_366),
        (-0.538_469_310_105_683, 0.478_628_670_499_366),
        (0.906_179_845_938_664, 0.236_926_885_056_189),
        (-0.906_179_845_938_664, 0.236_926_885_056_189),
    ];
    // In theta, not its cosine: the density has square roots of 1 - cos^2.
    let theta = |range: (f64, f64)| (range.1.acos(), range.0.acos());
    let points = |range: (f64, f64)| {
        let (middle, half) = (0.5 * (range.0 + range.1), 0.5 * (range.1 - range.0));
        RULE.map(|(x, w)| (middle + half * x, w * half))
    };
    let mut sum = 0.0;
    for (a, wa) in points(theta(l)) {
        for (b, wb) in points(theta(k)) {
            for (c, wc) in points(chi) {
                sum += wa * wb * wc * a.sin() * b.sin() * j.density(a.cos(), b.cos(), c);
            }
        }
    }
    sum
}
