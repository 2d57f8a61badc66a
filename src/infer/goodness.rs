//! Goodness of fit: events against the fitted density in cells of all four variables, by chi-square.
//!
//! Expected counts are integrals of the density: analytic in the angles, by quadrature in q2 and the K pi mass.

use std::f64::consts::PI;

use humboldt_physics::AngularCoefficients;
use humboldt_pipeline::EventBatch;
use rayon::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::InferError;
use super::density::EventFamily;
use super::tabulated::Angular;

/// Cells of fewer expected events are counted together.
const FEWEST: f64 = 10.0;

/// Pearson's chi-square of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goodness {
    /// Chi-square.
    pub chi2: f64,
    /// Cells less one less the number of fitted coefficients.
    pub degrees_of_freedom: usize,
    /// Probability of a larger chi-square; 1 without a degree of freedom.
    pub p_value: f64,
}

/// Of events under the density at given shifts.
///
/// # Errors
/// When the shifts are not as many as the family's directions, or not finite.
pub fn goodness(family: &EventFamily, events: &EventBatch, shifts: &[f64]) -> Result<Goodness, InferError> {
    let n = family.directions().len();
    if shifts.len() != n || !shifts.iter().all(|x| x.is_finite()) {
        return Err(InferError::out_of_range("shifts", format!("{shifts:?}"), format!("{n} finite numbers")));
    }
    let steps = ((events.len() as f64 / 100.0).powf(0.25).round() as usize).clamp(2, 5);
    let layers = (events.len() / (50 * steps.pow(3))).clamp(1, 10);
    let edges = q2_edges(family, shifts, layers);

    let layer = |q2: f64| edges[1..edges.len() - 1].partition_point(|edge| *edge <= q2);
    let step = |x: f64| (((x * steps as f64) as usize).min(steps - 1), steps);
    let mut counts = vec![0.0; (edges.len() - 1) * steps.pow(3)];
    for row in 0..events.len() {
        let unit = |x: f32| 0.5 * (f64::from(x) + 1.0);
        let turn = (f64::from(events.chi[row]) / (2.0 * PI) + 0.5).rem_euclid(1.0);
        let places = [unit(events.cos_theta_l[row]), unit(events.cos_theta_k[row]), turn].map(step);
        let start = layer(f64::from(events.q2[row]));
        counts[places.iter().fold(start, |index, (place, of)| index * of + place)] += 1.0;
    }
    let expected = expected(family, shifts, &edges, steps, events.len() as f64);

    let (mut chi2, mut cells, mut rest) = (0.0, 0_usize, [0.0; 2]);
    let mut add = |count: f64, expected: f64| {
        chi2 += (count - expected).powi(2) / expected;
        cells += 1;
    };
    for (count, expected) in counts.iter().zip(&expected) {
        if *expected < FEWEST {
            rest[0] += count;
            rest[1] += expected;
        } else {
            add(*count, *expected);
        }
    }
    if rest[1] > 0.0 {
        add(rest[0], rest[1]);
    }
    let degrees_of_freedom = cells.saturating_sub(1 + n);
    let p_value =
        ChiSquared::new(degrees_of_freedom as f64).map_or(1.0, |distribution| distribution.sf(chi2));
    Ok(Goodness { chi2, degrees_of_freedom, p_value })
}

/// Layers of about the same number of events, at the pole of the K*.
fn q2_edges(family: &EventFamily, shifts: &[f64], layers: usize) -> Vec<f64> {
    let (decay, windows) = (family.density.decay(), family.windows());
    let mut sum = 0.0;
    let rising: Vec<(f64, f64)> = (decay.q2_nodes(decay.m_kstar(), windows).into_iter())
        .map(|(q2, weight)| {
            sum += weight * combined(family, q2, decay.m_kstar(), shifts).rate();
            (q2, sum)
        })
        .collect();
    let edge = |k: usize| {
        let wanted = sum * k as f64 / layers as f64;
        rising.iter().find(|(_, sum)| *sum >= wanted).map(|(q2, _)| *q2)
    };
    let mut edges = vec![f64::NEG_INFINITY];
    edges.extend((1..layers).filter_map(edge));
    edges.dedup();
    edges.push(f64::INFINITY);
    edges
}

/// `J_1s..J_9` at the shifts.
fn combined(family: &EventFamily, q2: f64, m_kpi: f64, shifts: &[f64]) -> AngularCoefficients {
    let expansion = family.density.decay().expansion(q2, m_kpi, family.directions());
    expansion.map_or(AngularCoefficients::ZERO, |expansion| expansion.at(shifts))
}

fn expected(family: &EventFamily, shifts: &[f64], edges: &[f64], steps: usize, events: f64) -> Vec<f64> {
    let parts = family.parts(shifts);
    let layers: Vec<AngularCoefficients> = edges
        .par_windows(2)
        .map(|edge| {
            let windows = family.windows_in(edge[0], edge[1]);
            let mut sum = AngularCoefficients::ZERO;
            for (m_kpi, part) in &parts {
                for (q2, weight) in family.density.decay().q2_nodes(*m_kpi, &windows) {
                    sum += combined(family, q2, *m_kpi, shifts) * (part * weight);
                }
            }
            sum
        })
        .collect();
    let scale = events / layers.iter().map(AngularCoefficients::rate).sum::<f64>();

    let at = |k: usize, low: f64, high: f64| low + (high - low) * k as f64 / steps as f64;
    let parts = |of: &dyn Fn(f64, f64) -> Angular, low: f64, high: f64| -> Vec<Angular> {
        (0..steps).map(|k| of(at(k, low, high), at(k + 1, low, high))).collect()
    };
    let (l, k, chi) = (parts(&lepton, -1.0, 1.0), parts(&kaon, -1.0, 1.0), parts(&turn, -PI, PI));
    let mut expected = Vec::with_capacity(layers.len() * steps.pow(3));
    for j in layers.iter().map(AngularCoefficients::as_array) {
        for l in &l {
            for k in &k {
                for chi in &chi {
                    let sum: f64 = (0..12).map(|i| j[i] * l[i] * k[i] * chi[i]).sum();
                    expected.push((scale * 9.0 / (32.0 * PI) * sum).max(0.0));
                }
            }
        }
    }
    expected
}

/// A stretch of q2 in which events are expected and none is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmptyStretch {
    /// Lower end in GeV^2.
    pub low: f64,
    /// Upper end in GeV^2.
    pub high: f64,
    /// Number of events expected in it.
    pub expected: f64,
}

/// Stretches of the windows, between neighbouring values of `q2` (GeV^2) and to the ends, in which so many events are
/// expected at given shifts that in one sample of 10,000 at most one would have such a stretch without events.
pub fn empty_stretches(family: &EventFamily, q2: &[f32], shifts: &[f64]) -> Vec<EmptyStretch> {
    const CHANCE: f64 = 1e-4;
    let rising = cumulative(family, shifts);
    let (Some(first), Some(last)) = (rising.first(), rising.last()) else { return Vec::new() };
    let at = |q2: f64| {
        let above = rising.partition_point(|(at, _)| *at < q2).clamp(1, rising.len() - 1);
        let [(a, low), (b, high)] = [rising[above - 1], rising[above]];
        low + (high - low) * if b > a { ((q2 - a) / (b - a)).clamp(0.0, 1.0) } else { 0.0 }
    };
    let mut values: Vec<f64> = q2.iter().map(|q2| f64::from(*q2)).filter(|q2| q2.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let events = values.len() as f64;
    values.insert(0, first.0);
    values.push(last.0);
    let many = ((events + 1.0) / CHANCE).ln();
    let stretch = |pair: &[f64]| {
        let (low, high) = (pair[0], pair[1]);
        EmptyStretch { low, high, expected: events * (at(high) - at(low)) / last.1 }
    };
    values.windows(2).map(stretch).filter(|stretch| stretch.expected > many).collect()
}

/// The rate below each q2 (GeV^2), at nodes of the windows and their ends, up to a factor.
fn cumulative(family: &EventFamily, shifts: &[f64]) -> Vec<(f64, f64)> {
    let parts = family.parts(shifts);
    let lightest = parts.iter().map(|(m_kpi, _)| *m_kpi).fold(f64::INFINITY, f64::min);
    let mut sum = 0.0;
    let mut rising = Vec::new();
    for window in family.windows() {
        let nodes = family.density.decay().q2_nodes(lightest, &[*window]);
        let rates: Vec<f64> = nodes
            .par_iter()
            .map(|(q2, weight)| {
                let at = |(m_kpi, part): &(f64, f64)| part * combined(family, *q2, *m_kpi, shifts).rate();
                weight * parts.iter().map(at).sum::<f64>()
            })
            .collect();
        rising.push((window.0, sum));
        for ((q2, _), rate) in nodes.iter().zip(rates) {
            rising.push((*q2, sum + 0.5 * rate));
            sum += rate;
        }
        rising.push((window.1, sum));
    }
    rising
}

fn between(primitive: impl Fn(f64) -> Angular, low: f64, high: f64) -> Angular {
    let (low, high) = (primitive(low), primitive(high));
    std::array::from_fn(|i| high[i] - low[i])
}

/// Integrals over cos_theta_l of what each angular function holds of it.
fn lepton(low: f64, high: f64) -> Angular {
    let primitive = |x: f64| {
        let root = ((1.0 - x) * (1.0 + x)).max(0.0).sqrt();
        let (cos_2l, sin2) = (2.0 / 3.0 * x.powi(3) - x, x - x.powi(3) / 3.0);
        let (sine, double) = (0.5 * (x * root + x.clamp(-1.0, 1.0).asin()), -2.0 / 3.0 * root.powi(3));
        let half = 0.5 * x * x;
        [x, x, cos_2l, cos_2l, sin2, double, sine, half, half, sine, double, sin2]
    };
    between(primitive, low, high)
}

/// Cumulative distribution of cos_theta_k.
fn kaon(low: f64, high: f64) -> Angular {
    let primitive = |x: f64| {
        let root = ((1.0 - x) * (1.0 + x)).max(0.0).sqrt();
        let (sin2, cos2, single) = (x - x.powi(3) / 3.0, x.powi(3) / 3.0, -2.0 / 3.0 * root.powi(3));
        [sin2, cos2, sin2, cos2, sin2, single, single, sin2, cos2, single, single, sin2]
    };
    between(primitive, low, high)
}

/// Cumulative distribution of chi.
fn turn(low: f64, high: f64) -> Angular {
    let primitive = |x: f64| {
        let (sin, cos) = x.sin_cos();
        let (sin_2, cos_2) = (2.0 * x).sin_cos();
        [x, x, x, x, 0.5 * sin_2, sin, sin, x, x, -cos, -cos, -0.5 * cos_2]
    };
    between(primitive, low, high)
}

#[cfg(test)]
mod tests {
    use humboldt_physics::angular::angular_functions;
    use humboldt_physics::quadrature::integrate;

    use super::*;

    /// Each integral over a box against quadrature.
    #[test]
    fn integrals_over_a_box_agree_with_quadrature() {
        let (l, k, chi) = ((-0.5, 0.2), (0.1, 0.9), (-1.0, 0.4));
        let (of_l, of_k, of_chi) = (lepton(l.0, l.1), kaon(k.0, k.1), turn(chi.0, chi.1));
        for i in 0..12 {
            let got = 9.0 / (32.0 * PI) * of_l[i] * of_k[i] * of_chi[i];
            let want = integrate(l.0, l.1, [], |l| {
                integrate(k.0, k.1, [], |k| {
                    integrate(chi.0, chi.1, [], |chi| angular_functions(l, k, chi)[i])
                })
            });
            assert!((got - want).abs() < 1e-12, "{i}: {got} {want}");
        }
    }
}
