//! The K pi mass distribution of a resonance.
//!
//! Drawn before and independently of the matrix element, as EvtGen does.

use num_complex::Complex64;

use crate::channel::ResonanceInputs;
use crate::kinematics::two_body_momentum;
use crate::names::named;
use crate::quadrature::nodes;
use crate::{Parameters, PhysicsError};

/// Distribution that the K pi mass of an event is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineShape {
    /// Relativistic P-wave Breit-Wigner, in the range of the channel's resonance.
    #[default]
    BreitWigner,
    /// Fixed at the pole.
    Narrow,
}

impl LineShape {
    /// All line shapes.
    pub const ALL: [Self; 2] = [Self::BreitWigner, Self::Narrow];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreitWigner => "breit-wigner",
            Self::Narrow => "narrow",
        }
    }
}

named!(LineShape, "line shape");

/// The Breit-Wigner of a resonance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resonance {
    m0: f64,
    gamma0: f64,
    radius2: f64,
    m_kaon: f64,
    m_pion: f64,
    p0: f64,
    range: (f64, f64),
    breaks: [f64; 3],
}

impl Resonance {
    /// The resonance of given inputs.
    ///
    /// # Errors
    /// When an input is missing.
    pub fn new(inputs: &ResonanceInputs, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let m0 = parameters.value(inputs.pole)?;
        let [first, second] = inputs.daughters;
        let (m_kaon, m_pion) = (parameters.value(first)?, parameters.value(second)?);
        let [below, above] = inputs.breaks;
        Ok(Self {
            m0,
            gamma0: parameters.value(inputs.width)?,
            radius2: parameters.value(inputs.radius)?.powi(2),
            m_kaon,
            m_pion,
            p0: two_body_momentum(m0, m_kaon, m_pion),
            range: inputs.range,
            breaks: [below, m0, above],
        })
    }

    /// Pole mass in GeV.
    pub const fn pole(&self) -> f64 {
        self.m0
    }

    /// Half of the width in GeV.
    pub const fn half_width(&self) -> f64 {
        0.5 * self.gamma0
    }

    /// Smallest and largest mass (GeV) that events may have: the pole alone where the line shape is narrow.
    pub const fn range(&self, line_shape: LineShape) -> (f64, f64) {
        match line_shape {
            LineShape::BreitWigner => self.range,
            LineShape::Narrow => (self.m0, self.m0),
        }
    }

    /// Unnormalised density of the Breit-Wigner in the mass (GeV); zero outside its range.
    ///
    /// # Source
    /// EvtGen's relativistic Breit-Wigner with a Blatt-Weisskopf factor for the decay:
    /// `dN/dm ~ p^3 F^2 / [(m0^2 - m^2)^2 + m0^2 Gamma(m)^2]`, `Gamma(m) = Gamma0 (p/p0)^3 (m0/m) F^2`,
    /// `F^2 = (1 + R^2 p0^2)/(1 + R^2 p^2)`.
    pub fn density(&self, m: f64) -> f64 {
        if !(self.range.0..=self.range.1).contains(&m) {
            return 0.0;
        }
        let p = two_body_momentum(m, self.m_kaon, self.m_pion);
        let form2 = (1.0 + self.radius2 * self.p0 * self.p0) / (1.0 + self.radius2 * p * p);
        let gamma = self.gamma0 * (p / self.p0).powi(3) * (self.m0 / m) * form2;
        let off_shell = self.m0 * self.m0 - m * m;
        p.powi(3) * form2 / (off_shell * off_shell + self.m0 * self.m0 * gamma * gamma)
    }

    /// The amplitude whose square times the momentum in the pair is [`Resonance::density`] within its range:
    /// `p F / [m0^2 - m^2 - i m0 Gamma(m)]`.
    pub(crate) fn amplitude(&self, m: f64) -> Complex64 {
        let p = two_body_momentum(m, self.m_kaon, self.m_pion);
        let form2 = (1.0 + self.radius2 * self.p0 * self.p0) / (1.0 + self.radius2 * p * p);
        let gamma = self.gamma0 * (p / self.p0).powi(3) * (self.m0 / m) * form2;
        p * form2.sqrt() / Complex64::new(self.m0 * self.m0 - m * m, -self.m0 * gamma)
    }

    /// Masses (GeV) of a quadrature from the lowest mass up to `high`, with their weights times the density.
    pub fn nodes(&self, high: f64) -> Vec<(f64, f64)> {
        self.nodes_in((self.range.0, high))
    }

    /// Masses and weights between two masses (GeV).
    pub fn nodes_in(&self, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
        let mut nodes = nodes(low, high, self.breaks);
        for (m, weight) in &mut nodes {
            *weight *= self.density(*m);
        }
        nodes
    }

    /// Masses (GeV) at which a quadrature is split.
    pub(crate) const fn breaks(&self) -> [f64; 3] {
        self.breaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::KSTAR_892;

    #[test]
    fn breit_wigner_has_its_width_and_its_range() {
        let kstar = Resonance::new(&KSTAR_892, Parameters::standard()).unwrap();
        let (m0, peak) = (kstar.pole(), kstar.density(kstar.pole()));
        assert!((kstar.half_width() - 0.02365).abs() < 1e-15);
        assert!((kstar.density(m0 + 0.02365) / peak - 0.5).abs() < 0.05);
        assert!((kstar.density(m0 - 0.02365) / peak - 0.5).abs() < 0.05);
        for outside in [0.6, 0.66554, 1.60506, 3.0, f64::NAN, f64::INFINITY] {
            assert!(kstar.density(outside).abs() < f64::MIN_POSITIVE);
        }
        for m in [0.7, 0.89, 1.3] {
            let p = two_body_momentum(m, kstar.m_kaon, kstar.m_pion);
            assert!((p * kstar.amplitude(m).norm_sqr() / kstar.density(m) - 1.0).abs() < 1e-12);
        }
        let (low, high) = kstar.range(LineShape::BreitWigner);
        assert!(kstar.density(low) > 0.0 && kstar.density(high) > 0.0);
        assert_eq!(kstar.range(LineShape::Narrow), (m0, m0));
    }

    #[test]
    fn names_round_trip() {
        for shape in LineShape::ALL {
            assert_eq!(shape.name().parse(), Ok(shape));
        }
        assert!("wide".parse::<LineShape>().is_err());
    }
}
