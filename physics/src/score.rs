//! How the probability of an event depends on a shift: the rate as a parabola, the score, and weights.
//!
//! Amplitudes are linear in each shift, so that every rate is `a + b d + c d^2` in a real shift d away from the decay's
//! own: exactly, at each point of phase space and integrated. The score is `d ln p / d d` at d = 0, with p the normalised
//! density of the events as they are generated: K pi masses follow the line shape, each mass slice is normalised over its
//! full phase space, and windows in q2 are cut after that.

use std::f64::consts::PI;

use crate::angular::AngularCoefficients;
use crate::convention::{DecayVariables, exchange_lhcb_and_theory};
use crate::quadrature::{fourfold_steps, integrate, nodes};
use crate::{Decay, LineShape, PhysicsError, WilsonDirection};

/// A quantity as a function of a shift d: `a + b d + c d^2`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs, reason = "the formula says what they are")]
pub struct Parabola {
    pub a: f64,
    pub b: f64,
    pub c: f64,
}

impl Parabola {
    /// Its value.
    pub fn at(&self, shift: f64) -> f64 {
        self.a + shift * (self.b + shift * self.c)
    }

    /// The derivative of its logarithm at d = 0.
    pub fn log_derivative(&self) -> f64 {
        self.b / self.a
    }

    /// The derivative of its logarithm.
    pub fn log_derivative_at(&self, shift: f64) -> f64 {
        (self.b + 2.0 * shift * self.c) / self.at(shift)
    }
}

/// The angular coefficients as a function of a shift d: `constant + linear d + quadratic d^2`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Expansion {
    /// At d = 0.
    pub constant: AngularCoefficients,
    /// Coefficient of d; no rate itself, its density may have either sign.
    pub linear: AngularCoefficients,
    /// Coefficient of d^2.
    pub quadratic: AngularCoefficients,
}

impl Expansion {
    /// The coefficients at a shift d.
    pub fn at(&self, shift: f64) -> AngularCoefficients {
        self.constant + self.linear * shift + self.quadratic * (shift * shift)
    }

    /// The rate, integrated over the angles.
    pub fn rate(&self) -> Parabola {
        self.map(AngularCoefficients::rate)
    }

    /// The four-fold rate at given angles.
    pub fn density(&self, cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> Parabola {
        self.map(|j| j.angular_sum(cos_theta_l, cos_theta_k, chi))
    }
}

impl Expansion {
    /// A linear function of the coefficients.
    fn map(&self, f: impl Fn(&AngularCoefficients) -> f64) -> Parabola {
        Parabola { a: f(&self.constant), b: f(&self.linear), c: f(&self.quadratic) }
    }
}

impl std::ops::AddAssign for Expansion {
    fn add_assign(&mut self, other: Self) {
        self.constant += other.constant;
        self.linear += other.linear;
        self.quadratic += other.quadratic;
    }
}

impl std::ops::Mul<f64> for Expansion {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            constant: self.constant * factor,
            linear: self.linear * factor,
            quadratic: self.quadratic * factor,
        }
    }
}

impl Decay {
    /// `J_1s..J_9` (GeV^-1, LHCb convention) at `q2` (GeV^2) and a K pi mass (GeV) as a function of a shift away from the
    /// decay's own; all zero outside phase space. A shift is that of b -> s, also for B0 and B+.
    pub fn expansion(&self, q2: f64, m_kpi: f64, direction: WilsonDirection) -> Expansion {
        let (Some((point, own)), Some(unit)) =
            (self.amplitudes(q2, m_kpi), self.derivative(q2, m_kpi, direction))
        else {
            return Expansion::default();
        };
        let coefficients =
            |amplitudes| exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(&point, &amplitudes));
        // J is a quadratic form: J(A + B) = J(A) + linear + J(B).
        let (constant, quadratic) = (coefficients(own), coefficients(unit));
        Expansion { constant, linear: coefficients(own + unit) - constant - quadratic, quadratic }
    }

    /// The rate at a K pi mass (GeV), integrated over windows in q2 (GeV^2), as a function of a shift.
    fn rate_expansion(&self, m_kpi: f64, windows: &[(f64, f64)], direction: WilsonDirection) -> Parabola {
        let mut sum = Expansion::default();
        for (q2_min, q2_max) in windows {
            let (low, high) = (q2_min.max(self.q2_min()), q2_max.min(self.q2_max(m_kpi)));
            if low < high {
                let breaks = fourfold_steps(low, high).chain(self.q2_thresholds());
                sum += integrate(low, high, breaks, |q2| self.expansion(q2, m_kpi, direction));
            }
        }
        sum.rate()
    }
}

/// Interpolation points in the K pi mass; the total rate is smooth in it.
const MASSES: usize = 20;

fn chebyshev_angle(k: usize) -> f64 {
    PI * (k as f64 + 0.5) / MASSES as f64
}

/// The density of generated events as a function of one shift.
#[derive(Debug, Clone)]
pub struct EventDensity {
    decay: Decay,
    direction: WilsonDirection,
    line_shape: LineShape,
    /// Chebyshev points in the K pi mass, and the rate over all of phase space there.
    masses: Vec<(f64, Parabola)>,
    /// Over the line shape: its weight, the rate over all of phase space, and that in the windows.
    slices: Vec<(f64, Parabola, Parabola)>,
    /// The fraction of events in the windows at d = 0, up to a constant, and the derivative of its logarithm.
    accepted: f64,
    accepted_slope: f64,
}

impl EventDensity {
    /// For events of `decay` with K pi masses of `line_shape`, in windows of q2 (GeV^2); no window is all of phase space.
    ///
    /// # Errors
    /// When a window is not an interval, or none overlaps phase space.
    pub fn new(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        direction: WilsonDirection,
    ) -> Result<Self, PhysicsError> {
        for (low, high) in windows {
            PhysicsError::unless(
                *low < *high,
                "q2 window",
                *low,
                &format!("below the window's end, {high}"),
            )?;
        }
        let everything = [(0.0, f64::INFINITY)];
        let windows = if windows.is_empty() { &everything[..] } else { windows };
        let total = |m_kpi: f64| decay.rate_expansion(m_kpi, &everything, direction);
        let slice =
            |m_kpi: f64, weight: f64| (weight, total(m_kpi), decay.rate_expansion(m_kpi, windows, direction));
        let (masses, slices) = match line_shape {
            LineShape::Narrow => {
                let pole = decay.m_kstar();
                (vec![(pole, total(pole))], vec![slice(pole, 1.0)])
            }
            LineShape::BreitWigner => {
                let (low, high) = (LineShape::M_KPI_MIN, LineShape::M_KPI_MAX);
                let chebyshev = |k| 0.5 * (low + high) + 0.5 * (high - low) * chebyshev_angle(k).cos();
                let masses = (0..MASSES).map(chebyshev).map(|m_kpi| (m_kpi, total(m_kpi))).collect();
                let slices = nodes(low, high, [0.8, LineShape::pole(), 1.0])
                    .into_iter()
                    .map(|(m_kpi, weight)| slice(m_kpi, weight * line_shape.density(m_kpi)))
                    .collect();
                (masses, slices)
            }
        };
        let mut density =
            Self { decay: *decay, direction, line_shape, masses, slices, accepted: 0.0, accepted_slope: 0.0 };
        density.accepted = density.accepted(0.0);
        PhysicsError::unless(
            density.accepted > 0.0,
            "q2 windows",
            density.accepted,
            "at least one that overlaps phase space",
        )?;
        density.accepted_slope = density.accepted_log_derivative(0.0);
        Ok(density)
    }

    /// `|A|^2 = a + b d + c d^2` at an event, up to a constant.
    pub fn parabola(&self, event: &DecayVariables) -> Parabola {
        self.decay.expansion(event.q2, self.mass(event), self.direction).density(
            event.cos_theta_l,
            event.cos_theta_k,
            event.chi,
        )
    }

    /// `d ln p / d d` of the normalised density at d = 0.
    pub fn score(&self, event: &DecayVariables) -> f64 {
        self.score_and_parabola(event).0
    }

    /// Both at the price of one.
    pub fn score_and_parabola(&self, event: &DecayVariables) -> (f64, Parabola) {
        let (parabola, total) = (self.parabola(event), self.total(self.mass(event)));
        (parabola.log_derivative() - total.log_derivative() - self.accepted_slope, parabola)
    }

    /// The normalised density at an event of d = 0, up to a factor that depends on the line shape alone: two decays of one
    /// line shape can be compared.
    pub fn density(&self, event: &DecayVariables) -> f64 {
        self.parabola(event).a / self.total(self.mass(event)).a / self.accepted
    }

    /// The rate in the windows, averaged over the line shape, as a function of the shift, in GeV.
    pub fn rate(&self) -> Parabola {
        self.slices.iter().fold(Parabola::default(), |sum, (weight, _, inside)| Parabola {
            a: sum.a + weight * inside.a,
            b: sum.b + weight * inside.b,
            c: sum.c + weight * inside.c,
        })
    }

    /// The decay of d = 0.
    pub const fn decay(&self) -> &Decay {
        &self.decay
    }

    /// K pi masses (GeV) that events may have; the pole only where the line shape is narrow.
    pub fn m_kpi_range(&self) -> (f64, f64) {
        match self.line_shape {
            LineShape::Narrow => (self.decay.m_kstar(), self.decay.m_kstar()),
            LineShape::BreitWigner => (LineShape::M_KPI_MIN, LineShape::M_KPI_MAX),
        }
    }

    /// What an event of d = 0 counts in a sample of shift d: the ratio of the two normalised densities.
    pub fn weight(&self, event: &DecayVariables, shift: f64) -> f64 {
        let (density, total) = (self.parabola(event), self.total(self.mass(event)));
        density.at(shift) / density.a * (total.a / total.at(shift)) * (self.accepted / self.accepted(shift))
    }

    /// The fraction of the line shape's events that are inside the windows, up to a constant.
    fn accepted(&self, shift: f64) -> f64 {
        self.slices.iter().map(|(weight, total, inside)| weight * inside.at(shift) / total.at(shift)).sum()
    }

    /// The derivative of the logarithm of [`EventDensity::accepted`].
    fn accepted_log_derivative(&self, shift: f64) -> f64 {
        let slope = |(weight, total, inside): &(f64, Parabola, Parabola)| {
            let fraction = inside.at(shift) / total.at(shift);
            weight * fraction * (inside.log_derivative_at(shift) - total.log_derivative_at(shift))
        };
        // A slice without any rate in the windows adds nothing.
        let inside = self.slices.iter().filter(|(_, _, inside)| inside.at(shift) > 0.0);
        inside.map(slope).sum::<f64>() / self.accepted(shift)
    }

    /// The scores of events at several shifts d, each at the price of one.
    pub fn scores_at(self, shifts: &[f64]) -> ScoresAt {
        let shifts = shifts.iter().map(|&d| (d, self.accepted_log_derivative(d))).collect();
        ScoresAt { density: self, shifts }
    }

    fn mass(&self, event: &DecayVariables) -> f64 {
        match self.line_shape {
            LineShape::Narrow => self.decay.m_kstar(),
            LineShape::BreitWigner => event.m_kpi,
        }
    }

    /// The rate over all of phase space at a K pi mass, by barycentric interpolation.
    fn total(&self, m_kpi: f64) -> Parabola {
        let (mut sum, mut norm) = (Parabola::default(), 0.0);
        for (k, (mass, total)) in self.masses.iter().enumerate() {
            let distance = m_kpi - mass;
            if distance == 0.0 {
                return *total;
            }
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            let weight = sign * chebyshev_angle(k).sin() / distance;
            norm += weight;
            sum.a += weight * total.a;
            sum.b += weight * total.b;
            sum.c += weight * total.c;
        }
        Parabola { a: sum.a / norm, b: sum.b / norm, c: sum.c / norm }
    }
}

/// Scores `d ln p / d d` of an event at several shifts d.
#[derive(Debug, Clone)]
pub struct ScoresAt {
    density: EventDensity,
    /// d, and the derivative of the logarithm of the accepted fraction there.
    shifts: Vec<(f64, f64)>,
}

impl ScoresAt {
    /// Number of shifts.
    pub const fn len(&self) -> usize {
        self.shifts.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.shifts.is_empty()
    }

    /// The density that they are of.
    pub const fn density(&self) -> &EventDensity {
        &self.density
    }

    /// The scores of an event, in the order of the shifts.
    pub fn of(&self, event: &DecayVariables) -> impl Iterator<Item = f64> + '_ {
        let (parabola, total) = (self.density.parabola(event), self.density.total(self.density.mass(event)));
        let score = move |(d, slope): &(f64, f64)| {
            parabola.log_derivative_at(*d) - total.log_derivative_at(*d) - slope
        };
        self.shifts.iter().map(score)
    }
}
