//! B -> K l l: the decay rate in q2 and the lepton angle.
//!
//! `d^2 Gamma / (dq2 dcos_theta_l) = a + b cos_theta_l + c cos_theta_l^2`, exact in the lepton mass, with scalar
//! operators. Parity allows only the sums `C + C'` here. The free scalar shifts `c_s` and `c_p` are those of `C_S` and
//! `C_P` (the chirality-flipped ones at zero), so that one set of shifts describes B -> K* and B -> K.
//!
//! # Source
//! Bobeth, Hiller, Piranishvili, arXiv:0709.4174, eqs. 2.4 to 2.13, with `F_P` rewritten so that every coefficient is a
//! sum of squares.

use crate::amplitudes::EffectiveCoefficients;
use crate::angular::KaonCoefficients;
use crate::channel::Channel;
use crate::charmonium::Charmonium;
use crate::convention;
use crate::form_factors::Grvdv2023;
use crate::inputs::{lifetime, m_lepton, weak_coupling};
use crate::kinematics::PhaseSpacePoint;
use crate::models::Model;
use crate::{Flavour, Hadron, Lepton, ModelName, Parameters, PhysicsError, WilsonShifts};

/// B -> K l l with everything fixed but the point of phase space; K0 for neutral mesons, K± for charged ones.
#[derive(Debug, Clone, Copy)]
pub struct KaonDecay {
    model: Model,
    form_factors: Grvdv2023,
    flavour: Flavour,
    seen: WilsonShifts,
    m_b_meson: f64,
    m_lepton: f64,
    m_kaon: f64,
    lifetime: f64,
    weak_coupling: f64,
}

impl KaonDecay {
    /// With the caller's inputs; `shifts` as a user types them, of b -> s.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size, or an input is missing.
    pub fn with_parameters(
        model: ModelName,
        flavour: Flavour,
        lepton: Lepton,
        shifts: &WilsonShifts,
        parameters: &Parameters,
    ) -> Result<Self, PhysicsError> {
        shifts.check()?;
        let channel = Channel::of(flavour, Hadron::Kaon)?;
        Ok(Self {
            model: Model::new(model, flavour, parameters)?,
            form_factors: Grvdv2023::new(channel.form_factors, parameters)?,
            flavour,
            seen: flavour.seen(shifts),
            m_b_meson: parameters.value(channel.b_meson.mass(model))?,
            m_lepton: m_lepton(lepton, parameters)?,
            m_kaon: parameters.value(channel.meson.mass(model))?,
            lifetime: lifetime(channel, parameters)?,
            weak_coupling: weak_coupling(parameters)?,
        })
    }

    /// Decay to another lepton, which sees `shifts`.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size, or an input is missing.
    pub fn with_lepton(
        mut self,
        lepton: Lepton,
        shifts: &WilsonShifts,
        parameters: &Parameters,
    ) -> Result<Self, PhysicsError> {
        shifts.check()?;
        self.m_lepton = m_lepton(lepton, parameters)?;
        self.seen = self.flavour.seen(shifts);
        Ok(self)
    }

    /// Amplitudes with charmonium resonances in place of the charm loop.
    ///
    /// # Errors
    /// When the model has no charm loop (`bare`).
    pub fn with_charmonium(mut self, charmonium: &Charmonium) -> Result<Self, PhysicsError> {
        self.model = self.model.with_charmonium(charmonium)?;
        Ok(self)
    }

    /// The decaying meson.
    pub const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Lifetime of the B meson in GeV^-1.
    pub const fn lifetime(&self) -> f64 {
        self.lifetime
    }

    /// Smallest q2, `4 m_l^2`, and largest, `(m_B - m_K)^2`, in GeV^2.
    pub fn q2_range(&self) -> (f64, f64) {
        (4.0 * self.m_lepton * self.m_lepton, (self.m_b_meson - self.m_kaon).powi(2))
    }

    /// Points where the rate is not smooth in q2 although inside phase space, or changes within less than itself, in GeV^2.
    pub fn q2_thresholds(&self) -> Vec<f64> {
        self.model.thresholds()
    }

    /// The effective coefficients at `q2` (GeV^2), as this flavour sees them.
    pub fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        let mut coefficients = self.model.effective_coefficients(q2).shifted(&self.seen);
        coefficients.c9 += self.model.kaon_delta_c9(q2);
        coefficients
    }

    /// `a, b, c` in GeV^-1, LHCb convention, at `q2` (GeV^2); zero outside phase space, never NaN.
    pub fn coefficients(&self, q2: f64) -> KaonCoefficients {
        PhaseSpacePoint::new(self.m_b_meson, self.m_kaon, self.m_lepton, q2)
            .map_or(KaonCoefficients::ZERO, |point| {
                convention::exchange_lepton_angle(self.theory_coefficients(&point))
            })
    }

    fn theory_coefficients(&self, point: &PhaseSpacePoint) -> KaonCoefficients {
        let &PhaseSpacePoint { m_b_meson, m_kpi: m_kaon, m_lepton, q2, lambda, beta_l } = point;
        let c = self.effective_coefficients(q2);
        let ff = self.form_factors.at(q2);
        let difference = m_b_meson * m_b_meson - m_kaon * m_kaon;
        let dipole = 2.0 * self.model.m_b_quark() / (m_b_meson + m_kaon);

        let f_a = (c.c10 + c.c10_prime) * ff.f_plus;
        let f_v = (c.c9 + c.c9_prime) * ff.f_plus + (c.c7 + c.c7_prime) * (dipole * ff.f_t);
        let f_s = c.c_s * (0.5 * difference * ff.f_zero);
        // F_P + m_l (mB^2 - mK^2 + q2)/q2 F_A of eq. 2.10.
        let f_p = (0.5 * c.c_p + (c.c10 + c.c10_prime) * (m_lepton / q2)) * (difference * ff.f_zero);

        let beta2 = beta_l * beta_l;
        // Gamma_0 beta sqrt(lambda), Gamma_0 = G_F^2 alpha^2 |V_tb V_ts*|^2 / (512 pi^5 mB^3).
        let factor = 6.0 * self.weak_coupling.powi(2) / m_b_meson.powi(3) * beta_l * lambda.sqrt();
        KaonCoefficients {
            a: q2 * (beta2 * f_s.norm_sqr() + f_p.norm_sqr())
                + 0.25 * lambda * (f_v.norm_sqr() + beta2 * f_a.norm_sqr()),
            b: 2.0 * m_lepton * lambda.sqrt() * beta_l * (f_s * f_v.conj()).re,
            c: -0.25 * lambda * beta2 * (f_v.norm_sqr() + f_a.norm_sqr()),
        } * factor
    }
}
