//! The K pi mass: interpolation of functions of it, the sampler's normalisation, and quadrature with few points.

use std::f64::consts::PI;

use crate::line_shape::Resonance;
use crate::quadratic::{Expansion, Quadratic};
use crate::quadrature::{fourfold_steps, integrate, nodes};
use crate::{AngularCoefficients, Decay, LineShape, WilsonDirection};

impl Decay {
    /// Points of an interval of q2 (GeV^2) at which a rate changes its behaviour, sorted.
    pub fn q2_breaks(&self, low: f64, high: f64) -> Vec<f64> {
        let steps = fourfold_steps(low, high).chain(self.q2_thresholds());
        let mut breaks: Vec<f64> = steps.filter(|q2| *q2 > low && *q2 < high).collect();
        breaks.sort_by(f64::total_cmp);
        breaks
    }

    /// Windows in q2 (GeV^2) as far as a K pi mass (GeV) allows them.
    fn allowed<'a>(&'a self, m_kpi: f64, windows: &'a [(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + 'a {
        let cut = move |(low, high): &(f64, f64)| (low.max(self.q2_min()), high.min(self.q2_max(m_kpi)));
        windows.iter().map(cut).filter(|(low, high)| low < high)
    }

    /// Nodes and weights of a quadrature over windows in q2 (GeV^2) at a K pi mass (GeV).
    pub fn q2_nodes(&self, m_kpi: f64, windows: &[(f64, f64)]) -> Vec<(f64, f64)> {
        self.allowed(m_kpi, windows)
            .flat_map(|(low, high)| nodes(low, high, self.q2_breaks(low, high)))
            .collect()
    }

    /// A rate at a K pi mass (GeV), integrated over windows in q2 (GeV^2), as a function of shifts; `rate` is linear in the
    /// coefficients.
    pub(super) fn rate_in(
        &self,
        m_kpi: f64,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
        rate: impl Fn(&AngularCoefficients) -> f64,
    ) -> Quadratic<f64> {
        let mut sum = Expansion::default();
        for (low, high) in self.allowed(m_kpi, windows) {
            sum += integrate(low, high, self.q2_breaks(low, high), |q2| {
                self.expansion(q2, m_kpi, directions).unwrap_or_default()
            });
        }
        if sum.terms().is_empty() { Quadratic::zero(directions.len()) } else { sum.map(rate) }
    }
}

/// Interpolation points in the K pi mass; the rate over all of phase space is smooth in it.
const POINTS: usize = 20;

/// Angle of one of `n` Chebyshev points.
fn angle(k: usize, n: usize) -> f64 {
    PI * (k as f64 + 0.5) / n as f64
}

/// Polynomial interpolation between Chebyshev points, in barycentric form.
#[derive(Debug, Clone)]
pub struct Chebyshev {
    range: (f64, f64),
    points: Vec<f64>,
    weights: Vec<f64>,
}

impl Chebyshev {
    /// Interpolation in a range with `n` points; with one where the range is a point.
    pub fn new(range: (f64, f64), n: usize) -> Self {
        let n = if range.0 < range.1 { n } else { 1 };
        let sign = |k: usize| if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        let points = if n == 1 { vec![range.0] } else { (0..n).map(|k| point(range, angle(k, n))).collect() };
        Self { range, points, weights: (0..n).map(|k| sign(k) * angle(k, n).sin()).collect() }
    }

    /// In the K pi masses of a line shape, which is the pole alone if it is narrow.
    pub(crate) fn of_masses(decay: &Decay, line_shape: LineShape) -> Self {
        Self::new(decay.resonance().range(line_shape), POINTS)
    }

    pub(crate) const fn range(&self) -> (f64, f64) {
        self.range
    }

    /// Places of the points.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// A function at a place from those at all points.
    pub(crate) fn at(&self, place: f64, functions: &[Quadratic<f64>]) -> Quadratic<f64> {
        let (mut sum, mut norm) = (Quadratic::zero(functions[0].shifts()), 0.0);
        for ((point, weight), function) in self.points.iter().zip(&self.weights).zip(functions) {
            let distance = place - point;
            if distance == 0.0 {
                return function.clone();
            }
            let weight = weight / distance;
            norm += weight;
            sum.add(weight, function);
        }
        sum.map(|term| term / norm)
    }

    /// The share of each point in a function at a place; they sum to 1.
    pub fn shares(&self, place: f64) -> Vec<f64> {
        if let Some(hit) = self.points.iter().position(|point| place - point == 0.0) {
            return (0..self.points.len()).map(|k| f64::from(u8::from(k == hit))).collect();
        }
        let weights = self.points.iter().zip(&self.weights).map(|(point, weight)| weight / (place - point));
        let mut shares: Vec<f64> = weights.collect();
        let norm: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= norm;
        }
        shares
    }
}

/// The point of a range at an angle.
fn point((low, high): (f64, f64), angle: f64) -> f64 {
    0.5 * (low + high) + 0.5 * (high - low) * angle.cos()
}

/// Degree of the Chebyshev series of `ln N(m)`.
const DEGREE: usize = 16;

/// `L(m)/N(m)`, N(m) the rate over all of phase space at a K pi mass: times `J_1s..J_9` the density of all events.
///
/// The sampler draws from it: every byte of a sample follows from this series. [`super::Density`] has the rate as a function
/// of shifts.
#[derive(Debug, Clone)]
pub struct MassWeight {
    line_shape: LineShape,
    resonance: Resonance,
    range: (f64, f64),
    line_norm: f64,
    /// Chebyshev coefficients of `ln N` over the range.
    log_norm: Vec<f64>,
}

impl MassWeight {
    /// The weight of a decay at its own shifts.
    pub fn new(decay: &Decay, line_shape: LineShape) -> Self {
        let (resonance, range) = (*decay.resonance(), decay.resonance().range(line_shape));
        let (line_norm, degree) = match line_shape {
            LineShape::BreitWigner => {
                let breaks = [-6.0, -2.0, -0.5, 0.5, 2.0, 6.0];
                let breaks = breaks.map(|k| resonance.pole() + k * resonance.half_width());
                (integrate(range.0, range.1, breaks, |m| resonance.density(m)), DEGREE)
            }
            LineShape::Narrow => (1.0, 0),
        };
        let log_norm = chebyshev(degree, range, |m| slice_rate(decay, m).ln());
        Self { line_shape, resonance, range, line_norm, log_norm }
    }

    /// K pi masses (GeV) that events may have.
    pub const fn range(&self) -> (f64, f64) {
        self.range
    }

    /// The weight at a K pi mass (GeV), in GeV^-2; for a narrow K* without the line shape, in GeV^-1.
    pub fn at(&self, m_kpi: f64) -> f64 {
        let line = match self.line_shape {
            // Rounding may take a mass at either limit out of the range.
            LineShape::BreitWigner => {
                self.resonance.density(m_kpi.clamp(self.range.0, self.range.1)) / self.line_norm
            }
            LineShape::Narrow => 1.0,
        };
        line / self.norm(m_kpi)
    }

    /// `N(m)` from its Chebyshev series.
    fn norm(&self, m_kpi: f64) -> f64 {
        let (low, high) = self.range;
        let x = if high > low { (2.0 * m_kpi - low - high) / (high - low) } else { 0.0 };
        // Clenshaw's recurrence.
        let (mut b1, mut b2) = (0.0, 0.0);
        for c in self.log_norm.iter().skip(1).rev() {
            (b1, b2) = (2.0 * x * b1 - b2 + c, b1);
        }
        (x * b1 - b2 + self.log_norm[0]).exp()
    }
}

/// The rate over all of phase space at a K pi mass (GeV).
fn slice_rate(decay: &Decay, m_kpi: f64) -> f64 {
    let (low, high) = (decay.q2_min(), decay.q2_max(m_kpi));
    // The photon pole spans decades when the lepton is light.
    let decades = (1..12).map(|k| low * 30.0_f64.powi(k)).filter(|q2| *q2 < 1.5);
    let breaks = decades.chain(decay.q2_thresholds());
    integrate(low, high, breaks, |q2| decay.angular_coefficients(q2, m_kpi).rate())
}

/// Coefficients of the Chebyshev interpolant of `f` over `range`.
fn chebyshev(degree: usize, range: (f64, f64), f: impl Fn(f64) -> f64) -> Vec<f64> {
    let n = degree + 1;
    let values: Vec<f64> = (0..n).map(|k| f(point(range, angle(k, n)))).collect();
    (0..n)
        .map(|j| {
            let sum: f64 = values.iter().enumerate().map(|(k, v)| v * (j as f64 * angle(k, n)).cos()).sum();
            sum * if j == 0 { 1.0 } else { 2.0 } / n as f64
        })
        .collect()
}

/// The line shape as a quadrature with few points: Chebyshev points between kinks, where an end of a window meets the end
/// of phase space.
#[derive(Debug, Clone)]
pub struct MassRule {
    pieces: Vec<Chebyshev>,
    parts: Vec<f64>,
}

impl MassRule {
    /// A rule for functions of a decay in windows of q2 (GeV^2), with `per_piece` points between kinks.
    pub fn new(decay: &Decay, line_shape: LineShape, windows: &[(f64, f64)], per_piece: usize) -> Self {
        let whole = Chebyshev::of_masses(decay, line_shape);
        let (low, high) = whole.range;
        if line_shape == LineShape::Narrow {
            return Self { pieces: vec![whole], parts: vec![1.0] };
        }
        let ends =
            windows.iter().flat_map(|(a, b)| [*a, *b]).map(|q2| decay.m_b_meson() - q2.max(0.0).sqrt());
        let mut edges: Vec<f64> = ends.filter(|m| *m > low + 0.01 && *m < high - 0.01).collect();
        edges.extend([low, high]);
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|a, b| *a - *b < 0.01);
        let pieces: Vec<Chebyshev> =
            edges.windows(2).map(|edge| Chebyshev::new((edge[0], edge[1]), per_piece)).collect();
        let mut rule = Self { parts: vec![0.0; pieces.len() * per_piece], pieces };
        let breaks = decay.resonance().breaks().into_iter().chain(edges);
        for (m_kpi, weight) in nodes(low, high, breaks) {
            let part = weight * decay.resonance().density(m_kpi);
            let (first, shares) = rule.shares(m_kpi);
            rule.parts[first..].iter_mut().zip(shares).for_each(|(sum, share)| *sum += part * share);
        }
        let whole: f64 = rule.parts.iter().sum();
        for part in &mut rule.parts {
            *part /= whole;
        }
        rule
    }

    /// Masses (GeV) and the part of the line shape that belongs to each; the parts sum to 1.
    pub fn points(&self) -> Vec<(f64, f64)> {
        let masses = self.pieces.iter().flat_map(|piece| piece.points.iter().copied());
        masses.zip(self.parts.iter().copied()).collect()
    }

    /// The first point that a function at a mass (GeV) is interpolated from, and the shares of this and the next ones.
    pub fn shares(&self, m_kpi: f64) -> (usize, Vec<f64>) {
        let last = self.pieces.len() - 1;
        let piece = self.pieces[..last].partition_point(|piece| piece.range.1 < m_kpi);
        (piece * self.pieces[piece].points.len(), self.pieces[piece].shares(m_kpi))
    }
}

#[cfg(test)]
mod tests {
    use super::super::EVERYTHING;
    use super::*;
    use crate::{Flavour, Lepton, ModelName, WilsonShifts};

    #[test]
    fn both_normalisations_follow_the_quadrature() {
        for lepton in Lepton::ALL {
            let shifts = WilsonShifts::default();
            let decay = Decay::new(ModelName::Npr, Flavour::B0bar, lepton, &shifts).unwrap();
            let shape = LineShape::BreitWigner;
            let (series, points) = (MassWeight::new(&decay, shape), Chebyshev::of_masses(&decay, shape));
            let total = |m: f64| decay.rate_in(m, &EVERYTHING, &[], AngularCoefficients::rate);
            let totals: Vec<_> = points.points().iter().map(|m| total(*m)).collect();
            for m_kpi in [0.6656, 0.7, 0.8, 0.8955, 1.0, 1.2, 1.4, 1.6] {
                let rate = slice_rate(&decay, m_kpi);
                for got in [series.norm(m_kpi), points.at(m_kpi, &totals).constant()] {
                    assert!((got / rate - 1.0).abs() < 1e-8, "{lepton} m = {m_kpi}: {got} {rate}");
                }
            }
        }
    }

    /// Means over the line shape by few points and by many.
    #[test]
    fn a_rule_of_few_points_gives_the_means_of_many() {
        let decay =
            Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default()).unwrap();
        let rule = MassRule::new(&decay, LineShape::BreitWigner, &[(1.1, 17.0)], 14);
        let nodes = decay.resonance().nodes(1.60505);
        let norm: f64 = nodes.iter().map(|(_, weight)| weight).sum();
        for function in [|m: f64| m, |m: f64| (3.0 * m).exp(), |m: f64| decay_end(m).max(0.0).powi(3)] {
            let few: f64 = rule.points().iter().map(|(m, part)| part * function(*m)).sum();
            let many: f64 = nodes.iter().map(|(m, weight)| weight * function(*m)).sum();
            assert!((few / (many / norm) - 1.0).abs() < 1e-6, "{few} {}", many / norm);
        }
    }

    /// Zero from the mass on at which the window's end is that of phase space.
    fn decay_end(m_kpi: f64) -> f64 {
        5.27963 - 17.0_f64.sqrt() - m_kpi
    }
}
