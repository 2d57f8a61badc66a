//! The K pi mass distribution of the K*(892).
//!
//! Drawn before and independently of the matrix element, as EvtGen does; one shape for both charges of the K*.

use std::sync::LazyLock;

use crate::kinematics::two_body_momentum;
use crate::names::named;
use crate::{Parameters, PhysicsError};

/// How the K pi mass of an event is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineShape {
    /// Relativistic P-wave Breit-Wigner, 0.66555 to 1.60505 GeV.
    #[default]
    BreitWigner,
    /// Fixed at the pole.
    Narrow,
}

impl LineShape {
    /// All line shapes.
    pub const ALL: [Self; 2] = [Self::BreitWigner, Self::Narrow];

    /// Smallest K pi mass of the Breit-Wigner in GeV: a choice of EvtGen's particle table, not a threshold.
    pub const M_KPI_MIN: f64 = 0.66555;

    /// Largest K pi mass of the Breit-Wigner in GeV: 15 widths above the pole, EvtGen's choice.
    pub const M_KPI_MAX: f64 = 1.60505;

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreitWigner => "breit-wigner",
            Self::Narrow => "narrow",
        }
    }

    /// Pole mass in GeV.
    pub fn pole() -> f64 {
        RESONANCE.m0
    }

    /// Half of the width in GeV.
    pub fn half_width() -> f64 {
        0.5 * RESONANCE.gamma0
    }

    /// Unnormalised density in the K pi mass (GeV), for the masses of K± and pi∓.
    ///
    /// Zero outside [`Self::M_KPI_MIN`] to [`Self::M_KPI_MAX`]. `Narrow` has all its weight at the pole and no density
    /// elsewhere: it returns 1 there, 0 at any other mass.
    ///
    /// # Source
    /// EvtGen's relativistic Breit-Wigner with a Blatt-Weisskopf factor for the decay:
    /// `dN/dm ~ p^3 F^2 / [(m0^2 - m^2)^2 + m0^2 Gamma(m)^2]`, `Gamma(m) = Gamma0 (p/p0)^3 (m0/m) F^2`,
    /// `F^2 = (1 + R^2 p0^2)/(1 + R^2 p^2)`.
    pub fn density(self, m_kpi: f64) -> f64 {
        match self {
            Self::BreitWigner if (Self::M_KPI_MIN..=Self::M_KPI_MAX).contains(&m_kpi) => {
                RESONANCE.density(m_kpi)
            }
            Self::Narrow if (m_kpi - Self::pole()).abs() < f64::EPSILON => 1.0,
            _ => 0.0,
        }
    }
}

named!(LineShape, "line shape");

static RESONANCE: LazyLock<Resonance> = LazyLock::new(|| {
    Resonance::new(Parameters::standard()).unwrap_or_else(|error| panic!("built-in K* line shape: {error}"))
});

/// The numbers of the Breit-Wigner.
struct Resonance {
    m0: f64,
    gamma0: f64,
    radius2: f64,
    m_kaon: f64,
    m_pion: f64,
    p0: f64,
}

impl Resonance {
    fn new(parameters: &Parameters) -> Result<Self, PhysicsError> {
        let m0 = parameters.value("m_kstar")?;
        let (m_kaon, m_pion) = (parameters.value("m_kaon_charged")?, parameters.value("m_pion_charged")?);
        Ok(Self {
            m0,
            gamma0: parameters.value("gamma_kstar")?,
            radius2: parameters.value("blatt_weisskopf_radius")?.powi(2),
            m_kaon,
            m_pion,
            p0: two_body_momentum(m0, m_kaon, m_pion),
        })
    }

    fn density(&self, m: f64) -> f64 {
        let p = two_body_momentum(m, self.m_kaon, self.m_pion);
        let form2 = (1.0 + self.radius2 * self.p0 * self.p0) / (1.0 + self.radius2 * p * p);
        let gamma = self.gamma0 * (p / self.p0).powi(3) * (self.m0 / m) * form2;
        let off_shell = self.m0 * self.m0 - m * m;
        p.powi(3) * form2 / (off_shell * off_shell + self.m0 * self.m0 * gamma * gamma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breit_wigner_has_its_width_and_its_range() {
        let shape = LineShape::BreitWigner;
        let (peak, m0) = (shape.density(LineShape::pole()), LineShape::pole());
        assert!((shape.density(m0 + 0.02365) / peak - 0.5).abs() < 0.05);
        assert!((shape.density(m0 - 0.02365) / peak - 0.5).abs() < 0.05);
        for outside in [0.6, 0.66554, 1.60506, 3.0, f64::NAN, f64::INFINITY] {
            assert!(shape.density(outside).abs() < f64::MIN_POSITIVE);
        }
        assert!(shape.density(LineShape::M_KPI_MIN) > 0.0 && shape.density(LineShape::M_KPI_MAX) > 0.0);
    }

    #[test]
    fn names_round_trip() {
        for shape in LineShape::ALL {
            assert_eq!(shape.name().parse(), Ok(shape));
        }
        assert!("wide".parse::<LineShape>().is_err());
    }
}
