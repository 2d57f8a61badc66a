//! The density of events, and how it depends on shifts of the Wilson coefficients.
//!
//! K pi masses follow the line shape, each mass slice is normalised over its full phase space, windows in q2 are cut after
//! that, and a detector keeps an event with its efficiency e:
//!
//! `p(x, m; d) = L(m) e(x) R(x, m; d)/T(m; d) / A(d)`, `A(d) = integral L(m) 1/T(m; d) integral_windows e(x) R(x, m; d)`
//!
//! with R the four-fold rate, of the K* alone or with an S-wave, at a K pi mass m, T the integral of that of the K* over all of phase space, x q2 and the angles, d shifts away
//! from the decay's own. R, T and the inner integral of A are exact quadratic functions of d. The score is `d ln p / d d_i`.

mod efficiency;
pub(crate) mod masses;
mod scores;

pub use efficiency::Efficiency;
pub use masses::{Chebyshev, MassRule, MassWeight};
pub use scores::ScoresAt;

use crate::convention::DecayVariables;
use crate::quadratic::Quadratic;
use crate::s_wave::{S_WAVE_RATE, SWave};
use crate::{AngularCoefficients, Decay, LineShape, PhysicsError, WilsonDirection};

/// All of phase space, as windows in q2.
pub(crate) const EVERYTHING: [(f64, f64); 1] = [(0.0, f64::INFINITY)];

/// The normalised density of events as a function of shifts.
#[derive(Debug, Clone)]
pub struct Density {
    decay: Decay,
    line_shape: LineShape,
    directions: Vec<WilsonDirection>,
    windows: Vec<(f64, f64)>,
    efficiency: Option<Efficiency>,
    s_wave: Option<SWave>,
    masses: Chebyshev,
    /// K pi masses (GeV) that events are selected in.
    m_kpi: (f64, f64),
    /// The rate over all of phase space at the interpolation's points.
    totals: Vec<Quadratic<f64>>,
    slices: Vec<Slice>,
    own: Acceptance,
}

/// One K pi mass of the quadrature over the line shape.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The line shape's density times the quadrature's weight.
    pub weight: f64,
    /// The rate over all of phase space.
    pub total: Quadratic<f64>,
    /// The rate in the windows, times the efficiency.
    pub inside: Quadratic<f64>,
}

/// The part of all events that windows and efficiency keep, at a point of shifts.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    shifts: Vec<f64>,
    /// `A(d)`.
    fraction: f64,
    /// The derivatives of its logarithm.
    log_slopes: Vec<f64>,
}

impl Density {
    /// The density of events of `decay` with K pi masses of `line_shape`, in windows of q2 (GeV^2); no window is all of phase space.
    ///
    /// # Errors
    /// When a window is not an interval, or none overlaps phase space.
    pub fn new(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
    ) -> Result<Self, PhysicsError> {
        Self::with_efficiency(decay, line_shape, windows, directions, None)
    }

    /// The density of events that a detector keeps with an efficiency; `None` keeps all.
    ///
    /// # Errors
    /// As for [`Density::new`], and when the efficiency is somewhere negative or not a number, or zero everywhere.
    pub fn with_efficiency(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
        efficiency: Option<Efficiency>,
    ) -> Result<Self, PhysicsError> {
        Self::with_effects(decay, line_shape, windows, directions, efficiency, None)
    }

    /// The density of events of K* and an S-wave, where there is one, that a detector keeps with an efficiency.
    ///
    /// # Errors
    /// As for [`Density::with_efficiency`].
    pub fn with_effects(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
        efficiency: Option<Efficiency>,
        s_wave: Option<SWave>,
    ) -> Result<Self, PhysicsError> {
        let masses = decay.resonance().range(line_shape);
        Self::in_masses(decay, line_shape, windows, masses, directions, efficiency, s_wave)
    }

    /// Density of events that are selected in a window of K pi masses (GeV) as well.
    ///
    /// # Errors
    /// As for [`Density::with_efficiency`]; for a window that is not inside the masses of the line shape.
    pub fn in_masses(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        m_kpi: (f64, f64),
        directions: &[WilsonDirection],
        efficiency: Option<Efficiency>,
        s_wave: Option<SWave>,
    ) -> Result<Self, PhysicsError> {
        for (low, high) in windows {
            let allowed = format!("below the window's end, {high}");
            PhysicsError::unless(*low < *high, "q2 window", *low, &allowed)?;
        }
        let windows = if windows.is_empty() { &EVERYTHING[..] } else { windows };
        let masses = Chebyshev::of_masses(decay, line_shape);
        let (lightest, heaviest) = masses.range();
        let inside =
            m_kpi == masses.range() || lightest <= m_kpi.0 && m_kpi.0 < m_kpi.1 && m_kpi.1 <= heaviest;
        let allowed = format!("a window inside {lightest} to {heaviest} GeV; {} is its end", m_kpi.1);
        PhysicsError::unless(inside, "m_kpi", m_kpi.0, &allowed)?;
        let moments = efficiency.as_ref().map(|e| e.moments(decay, m_kpi.0, windows)).transpose()?;

        let total = |m_kpi: f64| decay.rate_in(m_kpi, &EVERYTHING, directions, AngularCoefficients::rate);
        let slice = |m_kpi: f64, weight: f64| {
            let inside = match (&moments, &s_wave) {
                (Some(moments), s_wave) => {
                    moments.rate_in(decay, m_kpi, windows, directions, s_wave.as_ref())
                }
                (None, None) => decay.rate_in(m_kpi, windows, directions, AngularCoefficients::rate),
                (None, Some(s_wave)) => {
                    let mut sum = decay.rate_in(m_kpi, windows, directions, AngularCoefficients::rate);
                    for (q2, weight) in decay.q2_nodes(m_kpi, windows) {
                        if let Some(more) = s_wave.sum(decay, q2, m_kpi, directions, &S_WAVE_RATE) {
                            sum.add(weight, &more);
                        }
                    }
                    sum
                }
            };
            Slice { weight, total: total(m_kpi), inside }
        };
        let totals = masses.points().iter().map(|m_kpi| total(*m_kpi)).collect();
        let slices = match line_shape {
            LineShape::Narrow => vec![slice(masses.range().0, 1.0)],
            LineShape::BreitWigner => {
                let nodes = decay.resonance().nodes_in(m_kpi);
                nodes.into_iter().map(|(m_kpi, weight)| slice(m_kpi, weight)).collect()
            }
        };
        let mut density = Self {
            decay: *decay,
            line_shape,
            directions: directions.to_vec(),
            windows: windows.to_vec(),
            efficiency,
            s_wave,
            masses,
            m_kpi,
            totals,
            slices,
            own: Acceptance { shifts: Vec::new(), fraction: 0.0, log_slopes: Vec::new() },
        };
        density.own = density.acceptance(&vec![0.0; directions.len()]);
        let allowed = "at least one that overlaps phase space";
        PhysicsError::unless(density.own.fraction > 0.0, "q2 windows", density.own.fraction, allowed)?;
        Ok(density)
    }

    /// The decay of d = 0.
    pub const fn decay(&self) -> &Decay {
        &self.decay
    }

    /// The distribution of K pi masses.
    pub const fn line_shape(&self) -> LineShape {
        self.line_shape
    }

    /// The S-wave, where there is one.
    pub const fn s_wave(&self) -> Option<&SWave> {
        self.s_wave.as_ref()
    }

    /// Directions of the shifts, in order.
    pub fn directions(&self) -> &[WilsonDirection] {
        &self.directions
    }

    /// Windows in q2 (GeV^2).
    pub fn windows(&self) -> &[(f64, f64)] {
        &self.windows
    }

    /// The quadrature over the line shape.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// K pi masses (GeV) that events may have; the pole only where the line shape is narrow.
    pub const fn m_kpi_range(&self) -> (f64, f64) {
        self.m_kpi
    }

    /// The four-fold rate at an event's q2, angles and K pi mass, up to a constant: `|A|^2`.
    pub fn rate_at(&self, event: &DecayVariables) -> Quadratic<f64> {
        if let Some(s_wave) = &self.s_wave {
            let event = DecayVariables { m_kpi: self.mass(event), ..*event };
            return s_wave.rate_at(&self.decay, &event, &self.directions);
        }
        let DecayVariables { q2, cos_theta_l, cos_theta_k, chi, .. } = *event;
        let expansion = self.decay.expansion(q2, self.mass(event), &self.directions);
        expansion.map_or_else(
            || Quadratic::zero(self.directions.len()),
            |expansion| expansion.density(cos_theta_l, cos_theta_k, chi),
        )
    }

    /// The rate over all of phase space at a K pi mass (GeV), interpolated.
    pub fn total(&self, m_kpi: f64) -> Quadratic<f64> {
        self.masses.at(m_kpi, &self.totals)
    }

    /// The rates over all of phase space that [`Density::total`] is interpolated from.
    pub fn totals(&self) -> &[Quadratic<f64>] {
        &self.totals
    }

    /// The share of each of [`Density::totals`] in a function at a K pi mass (GeV); they sum to 1.
    pub fn shares(&self, m_kpi: f64) -> Vec<f64> {
        self.masses.shares(m_kpi)
    }

    /// The rate in the windows, averaged over the line shape, in GeV.
    pub fn rate(&self) -> Quadratic<f64> {
        let mut sum = Quadratic::default();
        for slice in &self.slices {
            sum += slice.inside.clone() * slice.weight;
        }
        sum
    }

    /// `d ln p / d d_i` at d = 0, and `|A|^2`.
    pub fn scores_and_rate(&self, event: &DecayVariables) -> (Vec<f64>, Quadratic<f64>) {
        let (rate, total) = (self.rate_at(event), self.total(self.mass(event)));
        (self.own.scores(&rate, &total).collect(), rate)
    }

    /// `d ln p / d d_i` at d = 0.
    pub fn scores(&self, event: &DecayVariables) -> Vec<f64> {
        self.scores_and_rate(event).0
    }

    /// The normalised density at an event of d = 0: times the line shape's density, its integral over the windows is 1.
    pub fn density(&self, event: &DecayVariables) -> f64 {
        let physics =
            self.rate_at(event).constant() / self.total(self.mass(event)).constant() / self.own.fraction;
        self.efficiency.as_ref().map_or(physics, |efficiency| physics * efficiency.of(event))
    }

    /// The weight of an event of d = 0 in a sample of other shifts: the ratio of the two normalised densities.
    pub fn weight(&self, event: &DecayVariables, shifts: &[f64]) -> f64 {
        let (rate, total) = (self.rate_at(event), self.total(self.mass(event)));
        rate.at(shifts) / rate.constant()
            * (total.constant() / total.at(shifts))
            * (self.own.fraction / self.accepted(shifts))
    }

    /// The part that windows and efficiency keep at given shifts.
    pub fn acceptance(&self, shifts: &[f64]) -> Acceptance {
        let fraction = self.accepted(shifts);
        let log_slope = |i: usize| {
            let slope = |slice: &Slice| {
                let kept = slice.inside.at(shifts) / slice.total.at(shifts);
                slice.weight * kept * (slice.inside.log_slope(i, shifts) - slice.total.log_slope(i, shifts))
            };
            // A slice without any rate in the windows adds nothing.
            let inside = self.slices.iter().filter(|slice| slice.inside.at(shifts) > 0.0);
            inside.map(slope).sum::<f64>() / fraction
        };
        Acceptance {
            shifts: shifts.to_vec(),
            fraction,
            log_slopes: (0..self.directions.len()).map(log_slope).collect(),
        }
    }

    /// The scores of events at several points of shifts, each at the price of one.
    pub fn scores_at(self, points: &[Vec<f64>]) -> ScoresAt {
        ScoresAt::new(self, points)
    }

    /// `A(d)`, up to a constant.
    fn accepted(&self, shifts: &[f64]) -> f64 {
        let kept = |slice: &Slice| slice.weight * slice.inside.at(shifts) / slice.total.at(shifts);
        self.slices.iter().map(kept).sum()
    }

    fn mass(&self, event: &DecayVariables) -> f64 {
        match self.line_shape {
            LineShape::Narrow => self.m_kpi_range().0,
            LineShape::BreitWigner => event.m_kpi,
        }
    }
}

impl Acceptance {
    /// `d ln p / d d_i` of an event with a rate in its mass slice's total.
    fn scores<'a>(
        &'a self,
        rate: &'a Quadratic<f64>,
        total: &'a Quadratic<f64>,
    ) -> impl Iterator<Item = f64> + 'a {
        self.log_slopes.iter().enumerate().map(|(i, accepted)| {
            rate.log_slope(i, &self.shifts) - total.log_slope(i, &self.shifts) - accepted
        })
    }
}
