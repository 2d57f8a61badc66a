//! Goodness of fit: events against the fitted density in cells of all four variables, by chi-square.
//!
//! Expected counts are integrals of the density: analytic in the angles, by quadrature in q2 and the K pi mass.

use std::f64::consts::PI;

use humboldt_pipeline::EventBatch;
use rayon::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::InferError;
use super::density::EventFamily;
use super::functions::{Coefficients, FUNCTIONS};
use super::normalisation::Accepted;
use super::weights::{Counted, Weights};

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
/// When there are not as many shifts as the density has parameters, or they are not finite.
pub fn goodness(family: &EventFamily, events: &EventBatch, shifts: &[f64]) -> Result<Goodness, InferError> {
    let signal = Signal { family, part: 1.0, simulation: None };
    goodness_of_measured(&[signal], events, shifts, &Measured::default())
}

/// Signal that follows one density.
#[derive(Debug, Clone, Copy)]
pub struct Signal<'a> {
    /// The density.
    pub family: &'a EventFamily,
    /// Its part of all signal; 1 where there is no other.
    pub part: f64,
    /// Accepted simulated events as they were measured, with their weights at the fitted point.
    pub simulation: Option<(&'a EventBatch, &'a [f64])>,
}

/// A sample of which more is known than its events: weights, background.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured<'a> {
    /// Weights of the events.
    pub weights: Option<&'a Weights>,
    /// A sample of background, its weights, and its part of the events.
    pub background: Option<(&'a EventBatch, Option<&'a Weights>, f64)>,
}

/// Agreement of measured events with their density: what is expected in a cell are integrals or simulated events, and background as its sample
/// has it. The variances of all samples are in the chi-square; that of weighted events is the sum of squared weights. `point` has
/// the parameters of the rates.
///
/// # Errors
/// As [`goodness`]; without signal.
pub fn goodness_of_measured(
    signals: &[Signal],
    events: &EventBatch,
    point: &[f64],
    measured: &Measured,
) -> Result<Goodness, InferError> {
    let Measured { weights, background } = *measured;
    let Some(first) = signals.first() else {
        return Err(InferError::out_of_range("densities of signal", 0, "at least one"));
    };
    let n = first.family.normalisation.form.parameters();
    if point.len() != n || !point.iter().all(|x| x.is_finite()) {
        return Err(InferError::out_of_range("shifts", format!("{point:?}"), format!("{n} finite numbers")));
    }
    let counted = Counted::of((0..events.len()).map(|row| weights.map_or(1.0, |w| w.values()[row])));
    let cells = Cells::new(first.family, point, counted.effective);
    let data = cells.fill(events, weights.map(Weights::values));
    let mut signal = Filled { counts: vec![0.0; cells.len()], squares: vec![0.0; cells.len()] };
    for Signal { family, part, simulation } in signals {
        let own = match simulation {
            Some((simulated, weights)) => cells.fill(simulated, Some(weights)).of_one(),
            None => Filled { squares: vec![0.0; cells.len()], counts: expected(family, point, &cells) },
        };
        signal.counts.iter_mut().zip(own.counts).for_each(|(sum, count)| *sum += part * count);
        signal.squares.iter_mut().zip(own.squares).for_each(|(sum, square)| *sum += part * part * square);
    }
    let fraction = background.map_or(0.0, |background| background.2);
    let other =
        background.map(|(sample, weights, _)| cells.fill(sample, weights.map(Weights::values)).of_one());
    let of = |k: usize| {
        let part = |filled: &Filled, of: f64| (filled.counts[k] * of, filled.squares[k] * of * of);
        let (signal, signal_variance) = part(&signal, counted.sum * (1.0 - fraction));
        let (other, other_variance) = other.as_ref().map_or((0.0, 0.0), |b| part(b, counted.sum * fraction));
        let expected = signal + other;
        let own = if weights.is_some() { data.squares[k] } else { expected };
        // In events without weights.
        let enough =
            if weights.is_some() { data.counts[k].powi(2) / own.max(f64::MIN_POSITIVE) } else { expected };
        Cell { count: data.counts[k], expected, variance: own + signal_variance + other_variance, enough }
    };
    let fitted = n + usize::from(background.is_some());
    Ok(chi_square((0..cells.len()).map(of), fitted))
}

/// Cells in q2 and the angles.
struct Cells {
    edges: Vec<f64>,
    steps: usize,
}

impl Cells {
    /// For a number of events.
    fn new(family: &EventFamily, point: &[f64], events: f64) -> Self {
        let steps = ((events / 100.0).powf(0.25).round() as usize).clamp(2, 5);
        let layers = (events as usize / (50 * steps.pow(3))).clamp(1, 10);
        Self { edges: q2_edges(family, point, layers), steps }
    }

    fn len(&self) -> usize {
        (self.edges.len() - 1) * self.steps.pow(3)
    }

    fn place(&self, events: &EventBatch, row: usize) -> usize {
        let layer = |q2: f64| self.edges[1..self.edges.len() - 1].partition_point(|edge| *edge <= q2);
        let step = |x: f64| (((x * self.steps as f64) as usize).min(self.steps - 1), self.steps);
        let unit = |x: f32| 0.5 * (f64::from(x) + 1.0);
        let turn = (f64::from(events.chi[row]) / (2.0 * PI) + 0.5).rem_euclid(1.0);
        let places = [unit(events.cos_theta_l[row]), unit(events.cos_theta_k[row]), turn].map(step);
        places.iter().fold(layer(f64::from(events.q2[row])), |index, (place, of)| index * of + place)
    }

    fn fill(&self, events: &EventBatch, weights: Option<&[f64]>) -> Filled {
        let mut filled = Filled { counts: vec![0.0; self.len()], squares: vec![0.0; self.len()] };
        for row in 0..events.len() {
            let (place, weight) = (self.place(events, row), weights.map_or(1.0, |weights| weights[row]));
            filled.counts[place] += weight;
            filled.squares[place] += weight * weight;
        }
        filled
    }
}

/// Sums of weights, and of their squares, by cell.
struct Filled {
    counts: Vec<f64>,
    squares: Vec<f64>,
}

impl Filled {
    /// Scaled to one event in all.
    fn of_one(mut self) -> Self {
        let sum: f64 = self.counts.iter().sum();
        self.counts.iter_mut().for_each(|count| *count /= sum);
        self.squares.iter_mut().for_each(|square| *square /= sum * sum);
        self
    }
}

/// Number of events in a cell, what is expected, the variance of the difference, and how many events the cell is worth.
struct Cell {
    count: f64,
    expected: f64,
    variance: f64,
    enough: f64,
}

/// Cells that are worth too few events are counted together.
fn chi_square(all: impl Iterator<Item = Cell>, fitted: usize) -> Goodness {
    let (mut chi2, mut cells) = (0.0, 0_usize);
    let mut rest = Cell { count: 0.0, expected: 0.0, variance: 0.0, enough: 0.0 };
    let mut add = |cell: &Cell| {
        chi2 += (cell.count - cell.expected).powi(2) / cell.variance;
        cells += 1;
    };
    for cell in all {
        if cell.enough < FEWEST {
            rest.count += cell.count;
            rest.expected += cell.expected;
            rest.variance += cell.variance;
        } else {
            add(&cell);
        }
    }
    if rest.variance > 0.0 {
        add(&rest);
    }
    let degrees_of_freedom = cells.saturating_sub(1 + fitted);
    let p_value = probability(chi2, degrees_of_freedom as f64);
    Goodness { chi2, degrees_of_freedom, p_value }
}

/// Probability of a larger chi-square; 1 without a degree of freedom.
pub(super) fn probability(chi2: f64, degrees_of_freedom: f64) -> f64 {
    ChiSquared::new(degrees_of_freedom).map_or(1.0, |distribution| distribution.sf(chi2))
}

/// Layers of about the same number of events, at the pole of the K*.
fn q2_edges(family: &EventFamily, point: &[f64], layers: usize) -> Vec<f64> {
    let (decay, windows) = (family.density.decay(), family.windows());
    let mut sum = 0.0;
    let rising: Vec<(f64, f64)> = (decay.q2_nodes(decay.m_kstar(), windows).into_iter())
        .map(|(q2, weight)| {
            sum += weight * family.coefficients(q2, decay.m_kstar(), point).rate();
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

impl EventFamily {
    /// The coefficients of all functions at a q2 (GeV^2), a K pi mass (GeV), and a point of the rates' parameters.
    fn coefficients(&self, q2: f64, m_kpi: f64, point: &[f64]) -> Coefficients {
        let (shifts, strength) = point.split_at(self.directions().len());
        let Some((own, added)) = self.signal(q2, m_kpi) else { return Coefficients::ZERO };
        let fixed = self.s_wave.as_ref().and_then(|s_wave| s_wave.fixed);
        let added = added.map(|terms| terms.at(shifts).stronger(fixed.unwrap_or_else(|| strength[0])));
        Coefficients::of(&own.at(shifts), added.as_ref())
    }
}

/// One event in cells.
fn expected(family: &EventFamily, point: &[f64], cells: &Cells) -> Vec<f64> {
    let Cells { edges, steps } = cells;
    let parts = family.parts(point);
    let layers: Vec<Coefficients> = edges
        .par_windows(2)
        .map(|edge| {
            let windows = family.windows_in(edge[0], edge[1]);
            let mut sum = Coefficients::ZERO;
            for (m_kpi, part) in &parts {
                for (q2, weight) in family.density.decay().q2_nodes(*m_kpi, &windows) {
                    let own = family.coefficients(q2, *m_kpi, point);
                    sum = sum + own * (part * weight);
                }
            }
            sum
        })
        .collect();
    let scale = layers.iter().map(Coefficients::rate).sum::<f64>().recip();

    let at = |k: usize, low: f64, high: f64| low + (high - low) * k as f64 / *steps as f64;
    let parts = |of: &dyn Fn(f64, f64) -> [f64; FUNCTIONS], low: f64, high: f64| -> Vec<[f64; FUNCTIONS]> {
        (0..*steps).map(|k| of(at(k, low, high), at(k + 1, low, high))).collect()
    };
    let (l, k, chi) = (parts(&lepton, -1.0, 1.0), parts(&kaon, -1.0, 1.0), parts(&turn, -PI, PI));
    let mut expected = Vec::with_capacity(cells.len());
    for j in &layers {
        for l in &l {
            for k in &k {
                for chi in &chi {
                    let sum: f64 = (0..FUNCTIONS).map(|i| j.0[i] * l[i] * k[i] * chi[i]).sum();
                    expected.push((scale * 9.0 / (32.0 * PI) * sum).max(0.0));
                }
            }
        }
    }
    expected
}

/// A stretch of a variable in which events are expected and none is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmptyStretch {
    /// Lower end, in GeV^2 of q2 and in GeV of a K pi mass.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Number of events expected in it.
    pub expected: f64,
}

/// Stretches of the windows, between neighbouring values of `q2` (GeV^2) and to the ends, in which so many events are
/// expected at a point of the rates' parameters that in one sample of 10,000 at most one would have such a stretch without events.
pub fn empty_stretches(family: &EventFamily, q2: &[f32], point: &[f64]) -> Vec<EmptyStretch> {
    empty(&cumulative(family, point), q2)
}

/// Empty stretches of the K pi mass (GeV); none where events have one mass, or a simulation says what is expected.
pub fn empty_masses(family: &EventFamily, m_kpi: &[f32], point: &[f64]) -> Vec<EmptyStretch> {
    let (low, high) = family.density.m_kpi_range();
    let Accepted::Integrals(slices) = &family.normalisation.accepted else { return Vec::new() };
    if low >= high {
        return Vec::new();
    }
    let (values, shifts) = (family.normalisation.form.values(point), &point[..family.directions().len()]);
    let masses = family.density.decay().resonance().nodes_in((low, high));
    let mut sum = 0.0;
    let mut rising = vec![(low, 0.0)];
    for (slice, (m_kpi, _)) in slices.iter().zip(masses) {
        let inside: f64 = slice.inside.iter().zip(&values).map(|(term, value)| term * value).sum();
        let part = slice.weight * inside / slice.total.at(shifts);
        rising.push((m_kpi, sum + 0.5 * part));
        sum += part;
    }
    rising.push((high, sum));
    empty(&rising, m_kpi)
}

/// Stretches between neighbours, of a distribution that rises as the integral says.
fn empty(rising: &[(f64, f64)], values: &[f32]) -> Vec<EmptyStretch> {
    const CHANCE: f64 = 1e-4;
    let (Some(first), Some(last)) = (rising.first(), rising.last()) else { return Vec::new() };
    let at = |x: f64| {
        let above = rising.partition_point(|(at, _)| *at < x).clamp(1, rising.len() - 1);
        let [(a, low), (b, high)] = [rising[above - 1], rising[above]];
        low + (high - low) * if b > a { ((x - a) / (b - a)).clamp(0.0, 1.0) } else { 0.0 }
    };
    let mut values: Vec<f64> = values.iter().map(|x| f64::from(*x)).filter(|x| x.is_finite()).collect();
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
fn cumulative(family: &EventFamily, point: &[f64]) -> Vec<(f64, f64)> {
    let parts = family.parts(point);
    let lightest = parts.iter().map(|(m_kpi, _)| *m_kpi).fold(f64::INFINITY, f64::min);
    let mut sum = 0.0;
    let mut rising = Vec::new();
    for window in family.windows() {
        let nodes = family.density.decay().q2_nodes(lightest, &[*window]);
        let rates: Vec<f64> = nodes
            .par_iter()
            .map(|(q2, weight)| {
                let at = |(m_kpi, part): &(f64, f64)| part * family.coefficients(*q2, *m_kpi, point).rate();
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

fn between(primitive: impl Fn(f64) -> [f64; FUNCTIONS], low: f64, high: f64) -> [f64; FUNCTIONS] {
    let (low, high) = (primitive(low), primitive(high));
    std::array::from_fn(|i| high[i] - low[i])
}

/// Integrals over cos_theta_l of what each angular function holds of it.
fn lepton(low: f64, high: f64) -> [f64; FUNCTIONS] {
    let primitive = |x: f64| {
        let root = ((1.0 - x) * (1.0 + x)).max(0.0).sqrt();
        let (cos_2l, sin2) = (2.0 / 3.0 * x.powi(3) - x, x - x.powi(3) / 3.0);
        let (sine, double) = (0.5 * (x * root + x.clamp(-1.0, 1.0).asin()), -2.0 / 3.0 * root.powi(3));
        let half = 0.5 * x * x;
        [
            x, x, cos_2l, cos_2l, sin2, double, sine, half, half, sine, double, sin2, //
            x, cos_2l, half, x, cos_2l, half, double, sine, sine, double,
        ]
    };
    between(primitive, low, high)
}

/// Integrals over cos_theta_k.
fn kaon(low: f64, high: f64) -> [f64; FUNCTIONS] {
    let primitive = |x: f64| {
        let root = ((1.0 - x) * (1.0 + x)).max(0.0).sqrt();
        let (sin2, cos2, single) = (x - x.powi(3) / 3.0, x.powi(3) / 3.0, -2.0 / 3.0 * root.powi(3));
        let (half, sines) = (0.5 * x * x, x * root + x.clamp(-1.0, 1.0).asin());
        [
            sin2, cos2, sin2, cos2, sin2, single, single, sin2, cos2, single, single, sin2, //
            x, x, x, half, half, half, sines, sines, sines, sines,
        ]
    };
    between(primitive, low, high)
}

/// Integrals over chi.
fn turn(low: f64, high: f64) -> [f64; FUNCTIONS] {
    let primitive = |x: f64| {
        let (sin, cos) = x.sin_cos();
        let (sin_2, cos_2) = (2.0 * x).sin_cos();
        [
            x,
            x,
            x,
            x,
            0.5 * sin_2,
            sin,
            sin,
            x,
            x,
            -cos,
            -cos,
            -0.5 * cos_2, //
            x,
            x,
            x,
            x,
            x,
            x,
            sin,
            sin,
            -cos,
            -cos,
        ]
    };
    between(primitive, low, high)
}

#[cfg(test)]
mod tests {
    use humboldt_physics::angular::angular_functions;
    use humboldt_physics::quadrature::integrate;
    use humboldt_physics::s_wave::s_wave_functions;

    use super::*;

    /// Each integral over a box against quadrature.
    #[test]
    fn integrals_over_a_box_agree_with_quadrature() {
        let (l, k, chi) = ((-0.5, 0.2), (0.1, 0.9), (-1.0, 0.4));
        let (of_l, of_k, of_chi) = (lepton(l.0, l.1), kaon(k.0, k.1), turn(chi.0, chi.1));
        for i in 0..FUNCTIONS {
            let functions = |l: f64, k: f64, chi: f64| {
                let own = angular_functions(l, k, chi).into_iter();
                own.chain(s_wave_functions(l, k, chi)).nth(i).unwrap()
            };
            let got = 9.0 / (32.0 * PI) * of_l[i] * of_k[i] * of_chi[i];
            let want = integrate(l.0, l.1, [], |l| {
                integrate(k.0, k.1, [], |k| integrate(chi.0, chi.1, [], |chi| functions(l, k, chi)))
            });
            assert!((got - want).abs() < 1e-12, "{i}: {got} {want}");
        }
    }
}
