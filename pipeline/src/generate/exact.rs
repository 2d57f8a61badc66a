//! The exact density of events in (`m_kpi`, `q2`, angles), which the tables only enclose.

use std::f64::consts::PI;

use humboldt_physics::quadrature::integrate;
use humboldt_physics::{Decay, LineShape};

use super::angles::AngularTerms;
use super::patch::Patch;

/// Degree of the Chebyshev series of `ln N(m_kpi)`.
const DEGREE: usize = 16;

/// `p(m, q2, angles) ~ line(m) J(q2, m; angles) / N(m)` with `N(m)` the rate over the whole of q2 at this mass, so that
/// the K pi mass is distributed as the line shape whatever the matrix element says.
#[derive(Debug, Clone)]
pub(crate) struct ExactDensity {
    decay: Decay,
    shape: LineShape,
    /// Limits of the K pi mass in GeV.
    m_range: (f64, f64),
    /// Integral of the line shape's density.
    line_norm: f64,
    /// Chebyshev coefficients of `ln N` over `m_range`.
    log_norm: Vec<f64>,
}

impl ExactDensity {
    pub(crate) fn new(decay: &Decay, shape: LineShape) -> Self {
        let pole = LineShape::pole();
        let (m_range, line_norm, degree) = match shape {
            LineShape::BreitWigner => {
                let (low, high) = (LineShape::M_KPI_MIN, LineShape::M_KPI_MAX);
                let breaks = [-6.0, -2.0, -0.5, 0.5, 2.0, 6.0].map(|k| pole + k * Patch::HALF_WIDTH);
                ((low, high), integrate(low, high, breaks, |m| shape.density(m)), DEGREE)
            }
            LineShape::Narrow => ((pole, pole), 1.0, 0),
        };
        let log_norm = chebyshev(degree, m_range, |m| slice_rate(decay, m).ln());
        Self { decay: *decay, shape, m_range, line_norm, log_norm }
    }

    pub(crate) const fn decay(&self) -> &Decay {
        &self.decay
    }

    pub(crate) const fn m_range(&self) -> (f64, f64) {
        self.m_range
    }

    /// Normalised so that `weight()/4` is the density in (`q2`, `m_kpi`), GeV^-3 (GeV^-2 for a narrow K*, in q2 alone).
    pub(crate) fn terms(&self, q2: f64, m_kpi: f64) -> AngularTerms {
        self.terms_of_mass(q2, m_kpi, self.of_mass(m_kpi))
    }

    /// The same with the factor `line(m)/N(m)` given: [`Self::of_mass`].
    pub(crate) fn terms_of_mass(&self, q2: f64, m_kpi: f64, factor: f64) -> AngularTerms {
        AngularTerms::from(self.decay.angular_coefficients(q2, m_kpi)) * factor
    }

    /// `line(m)/N(m)`.
    pub(crate) fn of_mass(&self, m_kpi: f64) -> f64 {
        let line = match self.shape {
            // Rounding may take a mass at either limit out of the range.
            LineShape::BreitWigner => {
                self.shape.density(m_kpi.clamp(self.m_range.0, self.m_range.1)) / self.line_norm
            }
            LineShape::Narrow => 1.0,
        };
        line / self.slice_norm(m_kpi)
    }

    /// `N(m)`, the rate over the whole of q2 at one K pi mass, from its Chebyshev series.
    fn slice_norm(&self, m_kpi: f64) -> f64 {
        let (low, high) = self.m_range;
        let x = if high > low { (2.0 * m_kpi - low - high) / (high - low) } else { 0.0 };
        // Clenshaw's recurrence.
        let (mut b1, mut b2) = (0.0, 0.0);
        for c in self.log_norm.iter().skip(1).rev() {
            (b1, b2) = (2.0 * x * b1 - b2 + c, b1);
        }
        (x * b1 - b2 + self.log_norm[0]).exp()
    }
}

/// The rate over the whole of q2 at one K pi mass, by quadrature.
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
    let angle = |k: usize| PI * (k as f64 + 0.5) / n as f64;
    let middle = 0.5 * (range.0 + range.1);
    let values: Vec<f64> = (0..n).map(|k| f(middle + 0.5 * (range.1 - range.0) * angle(k).cos())).collect();
    (0..n)
        .map(|j| {
            let sum: f64 = values.iter().enumerate().map(|(k, v)| v * (j as f64 * angle(k)).cos()).sum();
            sum * if j == 0 { 1.0 } else { 2.0 } / n as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonShifts};

    use super::*;

    #[test]
    fn slice_norm_follows_the_quadrature() {
        for lepton in Lepton::ALL {
            let shifts = WilsonShifts::default();
            let decay = Decay::new(ModelName::Npr, Flavour::B0bar, lepton, &shifts).unwrap();
            let exact = ExactDensity::new(&decay, LineShape::BreitWigner);
            for m_kpi in [0.6656, 0.7, 0.8, 0.8955, 1.0, 1.2, 1.4, 1.6] {
                let ratio = exact.slice_norm(m_kpi) / slice_rate(&decay, m_kpi);
                assert!((ratio - 1.0).abs() < 1e-8, "{lepton} m = {m_kpi}: {ratio}");
            }
        }
    }
}
