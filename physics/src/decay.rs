//! One decay B -> (K pi) l l: meson, lepton, amplitude model and Wilson coefficients.

use std::ops::{Add, Sub};

use crate::amplitudes::{self, EffectiveCoefficients, TransversityAmplitudes};
use crate::angular::AngularCoefficients;
use crate::channel::{Channel, Particle, ParticleNumbers};
use crate::charmonium::Charmonium;
use crate::convention;
use crate::form_factors::{Bsz2015, FormFactors};
use crate::inputs::{lifetime, m_lepton, weak_coupling};
use crate::kinematics::{DecayMasses, PhaseSpacePoint};
use crate::line_shape::Resonance;
use crate::models::Model;
use crate::quadratic::{Expansion, Quadratic};
use crate::subleading::KstarSubleading;
use crate::{Flavour, Hadron, Lepton, ModelName, Parameters, PhysicsError, WilsonDirection, WilsonShifts};

/// B -> (K pi) l l with everything fixed but the point of phase space.
///
/// The K pi pair is `K- pi+` or `K+ pi-` for neutral mesons, `K0 pi±` for charged ones.
#[derive(Debug, Clone, Copy)]
pub struct Decay {
    channel: &'static Channel,
    daughters: [Particle; 2],
    model: Model,
    /// Hadronic corrections besides those of the model.
    corrections: Option<KstarSubleading>,
    form_factors: Bsz2015,
    resonance: Resonance,
    flavour: Flavour,
    lepton: Lepton,
    shifts: WilsonShifts,
    /// The shifts as this flavour sees them.
    seen: WilsonShifts,
    m_b_meson: f64,
    m_lepton: f64,
    m_kaon: f64,
    m_pion: f64,
    m_kstar: f64,
    lifetime: f64,
    weak_coupling: f64,
}

impl Decay {
    /// With the built-in inputs; `shifts` as a user types them, of b -> s.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size; the error names it.
    pub fn new(
        model: ModelName,
        flavour: Flavour,
        lepton: Lepton,
        shifts: &WilsonShifts,
    ) -> Result<Self, PhysicsError> {
        Self::with_parameters(model, flavour, lepton, shifts, Parameters::standard())
    }

    /// With the caller's inputs.
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
        let channel = Channel::of(flavour, Hadron::Kstar)?;
        let strong = channel.strong_decay()?;
        let [kaon, pion] = strong.daughters;
        let mass = |particle: Particle| parameters.value(particle.mass(model));
        Ok(Self {
            channel,
            daughters: strong.daughters,
            model: Model::new(model, flavour, parameters)?,
            corrections: None,
            form_factors: match model {
                ModelName::Npr => Bsz2015::new(channel.form_factors, parameters)?,
                ModelName::Bare | ModelName::Nnlo | ModelName::Full => {
                    Bsz2015::with_exact_relations(channel.form_factors, parameters)?
                }
            },
            resonance: Resonance::new(&strong.resonance, parameters)?,
            flavour,
            lepton,
            shifts: *shifts,
            seen: flavour.seen(shifts),
            m_b_meson: mass(channel.b_meson)?,
            m_lepton: m_lepton(lepton, parameters)?,
            m_kaon: mass(kaon)?,
            m_pion: mass(pion)?,
            m_kstar: mass(channel.meson)?,
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
        self.lepton = lepton;
        self.m_lepton = m_lepton(lepton, parameters)?;
        self.with_shifts(shifts)
    }

    /// The decay with other shifts.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size.
    pub fn with_shifts(mut self, shifts: &WilsonShifts) -> Result<Self, PhysicsError> {
        shifts.check()?;
        self.shifts = *shifts;
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

    /// Amplitudes with hadronic corrections that no calculation gives, in any model, besides those of the model itself.
    #[must_use]
    pub const fn with_corrections(mut self, corrections: KstarSubleading) -> Self {
        self.corrections = Some(corrections);
        self
    }

    /// The amplitude model.
    pub const fn model(&self) -> ModelName {
        self.model.name()
    }

    /// The decaying meson.
    pub const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The lepton.
    pub const fn lepton(&self) -> Lepton {
        self.lepton
    }

    /// The shifts as typed, of b -> s.
    pub const fn shifts(&self) -> &WilsonShifts {
        &self.shifts
    }

    /// Mass of the B meson in GeV.
    pub const fn m_b_meson(&self) -> f64 {
        self.m_b_meson
    }

    /// Mass of the lepton in GeV.
    pub const fn m_lepton(&self) -> f64 {
        self.m_lepton
    }

    /// Mass of the kaon in GeV.
    pub const fn m_kaon(&self) -> f64 {
        self.m_kaon
    }

    /// Mass of the pion in GeV.
    pub const fn m_pion(&self) -> f64 {
        self.m_pion
    }

    /// Masses of the B and of the final state in GeV.
    pub const fn masses(&self) -> DecayMasses {
        DecayMasses { b_meson: self.m_b_meson, kaon: self.m_kaon, pion: self.m_pion, lepton: self.m_lepton }
    }

    /// The channel.
    pub const fn channel(&self) -> &'static Channel {
        self.channel
    }

    /// Monte Carlo numbers of the particles.
    pub const fn particle_numbers(&self) -> ParticleNumbers {
        ParticleNumbers::new(self.channel, self.daughters, self.flavour, self.lepton)
    }

    /// The mass distribution of the K pi pair, of which generated events are.
    pub const fn resonance(&self) -> &Resonance {
        &self.resonance
    }

    /// Mass of the K* in GeV, at which predictions are made.
    pub const fn m_kstar(&self) -> f64 {
        self.m_kstar
    }

    /// Lifetime of the B meson in GeV^-1.
    pub const fn lifetime(&self) -> f64 {
        self.lifetime
    }

    /// Smallest q2, `4 m_l^2`, in GeV^2.
    pub fn q2_min(&self) -> f64 {
        4.0 * self.m_lepton * self.m_lepton
    }

    /// Largest q2 at a K pi mass (GeV), `(m_B - m_kpi)^2`, in GeV^2; 0 where the mass is beyond that of the B.
    pub fn q2_max(&self, m_kpi: f64) -> f64 {
        (self.m_b_meson - m_kpi).max(0.0).powi(2)
    }

    /// K pi masses between which the decay is possible, `m_K + m_pi` to `m_B - 2 m_l`, in GeV.
    pub fn m_kpi_range(&self) -> (f64, f64) {
        (self.m_kaon + self.m_pion, self.m_b_meson - 2.0 * self.m_lepton)
    }

    /// Points where the rate is not smooth in q2 although inside phase space, or changes within less than itself, in GeV^2.
    pub fn q2_thresholds(&self) -> Vec<f64> {
        self.model.thresholds()
    }

    /// The effective coefficients at `q2` (GeV^2), as this flavour sees them.
    pub fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        self.model.effective_coefficients(q2).shifted(&self.seen)
    }

    /// Transversity amplitudes (theory convention, GeV^(-1/2)) at `q2` (GeV^2) and a K pi mass (GeV); `None` outside
    /// phase space.
    pub fn amplitudes(&self, q2: f64, m_kpi: f64) -> Option<(PhaseSpacePoint, TransversityAmplitudes)> {
        let (point, form_factors) = self.at(q2, m_kpi)?;
        Some((point, self.own(&point, &form_factors)))
    }

    /// The point of phase space and its form factors; `None` outside.
    fn at(&self, q2: f64, m_kpi: f64) -> Option<(PhaseSpacePoint, FormFactors)> {
        let point = PhaseSpacePoint::new(self.m_b_meson, m_kpi, self.m_lepton, q2)?;
        Some((point, self.form_factors.at(q2, self.m_b_meson, m_kpi)))
    }

    fn own(&self, point: &PhaseSpacePoint, form_factors: &FormFactors) -> TransversityAmplitudes {
        let local = self.transversity(point, &self.effective_coefficients(point.q2), form_factors);
        let of_model = self.model.nonlocal(point, form_factors);
        let corrections = self.corrections.as_ref();
        let further = corrections.map(|own| own.nonlocal(point, self.model.m_b_quark(), form_factors));
        [of_model, further].into_iter().flatten().fold(local, |amplitudes, nonlocal| {
            amplitudes.with_nonlocal(amplitudes::normalisation(point, self.weak_coupling), &nonlocal)
        })
    }

    /// `J_1s..J_9` (GeV^-1, LHCb convention) at `q2` (GeV^2) and a K pi mass (GeV) as a function of shifts away from the
    /// decay's own; `None` outside phase space. Shifts are those of b -> s, also for B0 and B+.
    pub fn expansion(&self, q2: f64, m_kpi: f64, directions: &[WilsonDirection]) -> Option<Expansion> {
        self.expansion_of(q2, m_kpi, directions, |point, amplitudes| {
            convention::exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(point, amplitudes))
        })
    }

    /// A quadratic form of the amplitudes as a function of shifts, as [`Decay::expansion`].
    pub(crate) fn expansion_of<T: Copy + Add<Output = T> + Sub<Output = T>>(
        &self,
        q2: f64,
        m_kpi: f64,
        directions: &[WilsonDirection],
        form: impl Fn(&PhaseSpacePoint, &TransversityAmplitudes) -> T,
    ) -> Option<Quadratic<T>> {
        let (point, form_factors) = self.at(q2, m_kpi)?;
        // What one unit of a shift adds to the amplitudes, which are linear in it.
        let unit = |direction: &WilsonDirection| {
            let seen = self.flavour.seen(&WilsonShifts::STANDARD_MODEL.moved(*direction, 1.0));
            self.transversity(&point, &EffectiveCoefficients::default().shifted(&seen), &form_factors)
        };
        let units: Vec<TransversityAmplitudes> = directions.iter().map(unit).collect();
        let own = self.own(&point, &form_factors);
        Some(Quadratic::of_form(own, &units, |amplitudes| form(&point, &amplitudes)))
    }

    /// Contribution of given effective coefficients and form factors to the amplitudes.
    fn transversity(
        &self,
        point: &PhaseSpacePoint,
        coefficients: &EffectiveCoefficients,
        form_factors: &FormFactors,
    ) -> TransversityAmplitudes {
        amplitudes::transversity(
            point,
            self.weak_coupling,
            self.model.m_b_quark(),
            coefficients,
            form_factors,
        )
    }

    /// `J_1s..J_9` in GeV^-1, LHCb convention, at `q2` (GeV^2) for a K* of mass `m_kpi` (GeV).
    ///
    /// Normalised to `dGamma/dq2` of B -> K*(-> K pi) l l with all K pi charges; zero outside phase space, never NaN.
    pub fn angular_coefficients(&self, q2: f64, m_kpi: f64) -> AngularCoefficients {
        self.amplitudes(q2, m_kpi).map_or(AngularCoefficients::ZERO, |(point, amplitudes)| {
            convention::exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(&point, &amplitudes))
        })
    }
}
