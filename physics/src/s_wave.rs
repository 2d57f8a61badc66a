//! The K pi pair of spin 0 under the K*(892), as amplitudes: the rate stays positive, and quadratic in shifts.
//!
//! At large energies of the hadron its amplitudes of helicity 0 are one form factor times the same coefficients, for spin 0
//! as for spin 1. So each amplitude of helicity 0 of the P-wave, `A cos_theta_k`, becomes `A (cos_theta_k + kappa)` with
//! one complex number `kappa(q2, m_kpi)` for all: the line shapes' ratio, a strength that the fraction F_S of the S-wave
//! fixes, and a phase. The rate then has the eight terms of arXiv:1209.4284 and 1207.4004 besides those of the K*: a
//! constant and `cos_theta_k`, each with 1 and `cos 2 theta_l`, and four with `sin_theta_k`; two more where leptons
//! have scalar currents.

use std::f64::consts::PI;
use std::ops::{Add, Sub};

use num_complex::Complex64;

use crate::amplitudes::TransversityAmplitudes;
use crate::convention::{DecayVariables, exchange_lhcb_and_theory};
use crate::density::masses::MassWeight;
use crate::kinematics::{PhaseSpacePoint, two_body_momentum};
use crate::points::between;
use crate::quadrature::nodes;
use crate::{AngularCoefficients, Decay, LineShape, PhysicsError, Quadratic, WilsonDirection, WilsonShifts};

/// Terms of the rate that an S-wave adds.
pub const S_WAVE_FUNCTIONS: usize = 10;

/// Pieces between two given points of q2, between which the strength is interpolated.
const PIECES: u32 = 16;

/// Scattering length and effective range (GeV^-1), mass and width of the K_0*(1430) (GeV).
///
/// # Source
/// LASS, D. Aston et al., Nucl. Phys. B 296 (1988) 493, as LHCb, arXiv:1606.04731, uses them.
const LASS: [f64; 4] = [1.94, 1.76, 1.435, 0.279];

/// F_S in the middles of the bins of LHCb, arXiv:2512.18053, for K pi masses of [`LHCB_MASSES`]: q2 (GeV^2), F_S.
pub const LHCB_FRACTIONS: [[f64; 2]; 7] =
    [[1.8, 0.12], [3.25, 0.15], [5.0, 0.09], [7.0, 0.07], [11.75, 0.05], [16.0, 0.02], [18.0, 0.05]];

/// K pi masses (GeV) of LHCb's fractions.
pub const LHCB_MASSES: [f64; 2] = [0.796, 0.996];

/// An S-wave of a decay.
#[derive(Debug, Clone)]
pub struct SWave {
    phase: Complex64,
    /// q2 (GeV^2) and the logarithm of the strength there, which is constant beyond its ends.
    log_strength: Vec<[f64; 2]>,
}

/// Terms of the rate at one q2 and K pi mass that an S-wave adds, in the LHCb convention: the coefficients of [`s_wave_functions`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SWaveTerms([f64; S_WAVE_FUNCTIONS]);

/// Terms of the S-wave alone, which stand first; the others are of its interference with the K*.
const ALONE: usize = 3;

impl SWave {
    /// An S-wave that has fractions `[q2 (GeV^2), F_S]` of the Standard Model's rate, in rising order with straight lines between
    /// them, for K pi masses (GeV) in a range; `phase` (radians) is added to that of the line shapes.
    ///
    /// Before the first and behind the last point its ratio to the longitudinal rate of the K* stays what it is there.
    ///
    /// # Errors
    /// For fractions outside [0, 0.9], points that do not rise or lie outside phase space, a range without a K*.
    pub fn new(
        decay: &Decay,
        line_shape: LineShape,
        fractions: &[[f64; 2]],
        masses: [f64; 2],
        phase: f64,
    ) -> Result<Self, PhysicsError> {
        let resonance = decay.resonance();
        let [low, high] = masses;
        let pole = resonance.pole();
        let range = resonance.range(LineShape::BreitWigner);
        PhysicsError::unless(
            low < pole && range.0 <= low,
            "s_wave.mass",
            low,
            &format!("{} to {pole}", range.0),
        )?;
        PhysicsError::unless(
            pole < high && high <= range.1,
            "s_wave.mass",
            high,
            &format!("{pole} to {}", range.1),
        )?;
        PhysicsError::unless(phase.is_finite(), "s_wave.phase", phase, "a finite number of radians")?;
        let q2_range = (decay.q2_min(), decay.q2_max(high));
        let mut last = q2_range.0;
        for [q2, fraction] in fractions {
            let allowed = format!("rising numbers between {:.4} and {:.4} GeV^2", q2_range.0, q2_range.1);
            PhysicsError::unless(*q2 > last && *q2 < q2_range.1, "s_wave.fraction at q2", *q2, &allowed)?;
            PhysicsError::unless((0.0..=0.9).contains(fraction), "s_wave.fraction", *fraction, "0 to 0.9")?;
            last = *q2;
        }
        PhysicsError::unless(!fractions.is_empty(), "points of s_wave.fractions", 0.0, "at least one")?;
        let standard = decay.with_shifts(&WilsonShifts::STANDARD_MODEL)?;
        let slices = slices(&standard, line_shape, masses);
        let strength = |q2: f64| {
            let (mut p_wave, mut longitudinal) = (0.0, 0.0);
            for (m, weight) in &slices {
                let j = standard.angular_coefficients(q2, *m);
                p_wave += weight * j.rate();
                longitudinal += weight * line_ratio(decay, *m).norm_sqr() * (0.75 * j.j1c - 0.25 * j.j2c);
            }
            let fraction = between(fractions, q2).max(1e-12);
            // Of kappa: the rate of the S-wave is three times kappa^2 that of longitudinal K*.
            0.5 * (fraction / (1.0 - fraction) * p_wave / longitudinal / 3.0).ln()
        };
        let mut log_strength = vec![[fractions[0][0], strength(fractions[0][0])]];
        for pair in fractions.windows(2) {
            let step = (pair[1][0] - pair[0][0]) / f64::from(PIECES);
            let places = (1..=PIECES).map(|i| step.mul_add(f64::from(i), pair[0][0]));
            log_strength.extend(places.map(|q2| [q2, strength(q2)]));
        }
        Ok(Self { phase: Complex64::from_polar(1.0, phase), log_strength })
    }

    /// Term beside `cos_theta_k` in amplitudes of helicity 0.
    fn kappa(&self, decay: &Decay, q2: f64, m_kpi: f64) -> Complex64 {
        between(&self.log_strength, q2).exp() * self.phase * line_ratio(decay, m_kpi)
    }

    /// The four-fold rate of P- and S-wave and their interference, as a function of shifts; zero outside phase space.
    pub(crate) fn rate_at(
        &self,
        decay: &Decay,
        event: &DecayVariables,
        directions: &[WilsonDirection],
    ) -> Quadratic<f64> {
        let DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi } = *event;
        let kappa = self.kappa(decay, q2, m_kpi);
        let functions = s_wave_functions(cos_theta_l, cos_theta_k, chi);
        let form = |point: &PhaseSpacePoint, amplitudes: &TransversityAmplitudes| {
            let own = coefficients(point, amplitudes);
            own.angular_sum(cos_theta_l, cos_theta_k, chi)
                + SWaveTerms::new(point, amplitudes, &own, kappa).dot(&functions)
        };
        let expansion = decay.expansion_of(q2, m_kpi, directions, form);
        expansion.unwrap_or_else(|| Quadratic::zero(directions.len()))
    }

    /// Contribution of the S-wave to a sum with given functions, or with their integrals, as a function of shifts.
    pub(crate) fn sum(
        &self,
        decay: &Decay,
        q2: f64,
        m_kpi: f64,
        directions: &[WilsonDirection],
        functions: &[f64; S_WAVE_FUNCTIONS],
    ) -> Option<Quadratic<f64>> {
        Some(self.terms(decay, q2, m_kpi, directions)?.map(|terms| terms.dot(functions)))
    }

    /// The terms at a q2 (GeV^2) and a K pi mass (GeV) as a function of shifts; `None` outside phase space.
    pub fn terms(
        &self,
        decay: &Decay,
        q2: f64,
        m_kpi: f64,
        directions: &[WilsonDirection],
    ) -> Option<Quadratic<SWaveTerms>> {
        let kappa = self.kappa(decay, q2, m_kpi);
        decay.expansion_of(q2, m_kpi, directions, |point, amplitudes| {
            SWaveTerms::new(point, amplitudes, &coefficients(point, amplitudes), kappa)
        })
    }

    /// The rate of the S-wave alone over that of the K*, r, in the Standard Model: in windows of q2 (GeV^2), for K pi masses (GeV)
    /// in a range. F_S is `r/(1 + r)`.
    ///
    /// # Errors
    /// Where no window overlaps phase space.
    pub fn rate_ratio(
        &self,
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        masses: [f64; 2],
    ) -> Result<f64, PhysicsError> {
        let standard = decay.with_shifts(&WilsonShifts::STANDARD_MODEL)?;
        let [mut own, mut added] = [0.0; 2];
        for (m_kpi, of_mass) in slices(&standard, line_shape, masses) {
            for (q2, weight) in standard.q2_nodes(m_kpi, windows) {
                own += of_mass * weight * standard.angular_coefficients(q2, m_kpi).rate();
                let terms = self.terms(&standard, q2, m_kpi, &[]);
                added += terms.map_or(0.0, |terms| of_mass * weight * terms.constant().dot(&S_WAVE_RATE));
            }
        }
        PhysicsError::unless(own > 0.0, "q2 windows", own, "at least one that overlaps phase space")?;
        Ok(added / own)
    }

    /// The four-fold rates of the P-wave, of the S-wave, and of both with their interference, at an event of a decay; zero
    /// outside phase space. The third is at most twice the sum of the others.
    pub fn rates(&self, decay: &Decay, event: &DecayVariables) -> [f64; 3] {
        let DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi } = *event;
        let Some((point, amplitudes)) = decay.amplitudes(q2, m_kpi) else { return [0.0; 3] };
        let own = coefficients(&point, &amplitudes);
        let terms = SWaveTerms::new(&point, &amplitudes, &own, self.kappa(decay, q2, m_kpi));
        let functions = s_wave_functions(cos_theta_l, cos_theta_k, chi);
        let p_wave = own.density(cos_theta_l, cos_theta_k, chi);
        let s_wave = terms.0[..ALONE].iter().zip(functions).map(|(term, f)| term * f).sum::<f64>().max(0.0);
        [p_wave, s_wave, (p_wave + terms.dot(&functions)).max(0.0)]
    }
}

impl SWaveTerms {
    fn new(
        point: &PhaseSpacePoint,
        amplitudes: &TransversityAmplitudes,
        own: &AngularCoefficients,
        kappa: Complex64,
    ) -> Self {
        let s = coefficients(point, &amplitudes.with_longitudinal_times(kappa));
        let twice = 2.0 * kappa.re;
        let along = [own.j1c, own.j2c, own.j6c].map(|j| twice * j);
        Self([s.j1c, s.j2c, s.j6c, along[0], along[1], along[2], s.j4, s.j5, s.j7, s.j8])
    }

    fn dot(&self, functions: &[f64; S_WAVE_FUNCTIONS]) -> f64 {
        self.0.iter().zip(functions).map(|(term, f)| term * f).sum()
    }

    /// A sum with given functions, of the interference and of the S-wave alone: proportional to the amplitude of the S-wave and to
    /// its square.
    pub fn parts(&self, functions: &[f64; S_WAVE_FUNCTIONS]) -> [f64; 2] {
        let dot = |range: std::ops::Range<usize>| {
            self.0[range.clone()].iter().zip(&functions[range]).map(|(term, f)| term * f).sum()
        };
        [dot(ALONE..S_WAVE_FUNCTIONS), dot(0..ALONE)]
    }

    /// The terms of an S-wave whose amplitude is larger by a factor.
    #[must_use]
    pub fn stronger(mut self, factor: f64) -> Self {
        for (place, term) in self.0.iter_mut().enumerate() {
            *term *= if place < ALONE { factor * factor } else { factor };
        }
        self
    }

    /// The coefficients of [`s_wave_functions`].
    pub const fn as_array(&self) -> [f64; S_WAVE_FUNCTIONS] {
        self.0
    }
}

impl Add for SWaveTerms {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Sub for SWaveTerms {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl std::ops::Mul<f64> for SWaveTerms {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0.map(|term| term * factor))
    }
}

/// K pi masses (GeV) of a range, with weights that follow the line shape; the pole alone where it is narrow.
fn slices(standard: &Decay, line_shape: LineShape, [low, high]: [f64; 2]) -> Vec<(f64, f64)> {
    let (weight, resonance) = (MassWeight::new(standard, line_shape), standard.resonance());
    match line_shape {
        LineShape::Narrow => vec![(resonance.pole(), weight.at(resonance.pole()))],
        LineShape::BreitWigner => {
            nodes(low, high, resonance.breaks()).into_iter().map(|(m, w)| (m, w * weight.at(m))).collect()
        }
    }
}

fn coefficients(point: &PhaseSpacePoint, amplitudes: &TransversityAmplitudes) -> AngularCoefficients {
    exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(point, amplitudes))
}

/// `9/(32 pi)` times the functions of the angles that [`SWaveTerms`] belong to.
pub fn s_wave_functions(cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> [f64; S_WAVE_FUNCTIONS] {
    let (l, k) = (cos_theta_l, cos_theta_k);
    let cos_2l = 2.0 * l * l - 1.0;
    let sines = 2.0 * ((1.0 - l) * (1.0 + l) * (1.0 - k) * (1.0 + k)).max(0.0).sqrt();
    let (sin_chi, cos_chi) = chi.sin_cos();
    let functions = [
        1.0,
        cos_2l,
        l,
        k,
        k * cos_2l,
        k * l,
        2.0 * sines * l * cos_chi,
        sines * cos_chi,
        sines * sin_chi,
        2.0 * sines * l * sin_chi,
    ];
    functions.map(|f| 9.0 / (32.0 * PI) * f)
}

/// Place of the harmonic of chi in [`harmonics`](crate::angular::harmonics), for each of [`s_wave_functions`].
pub const S_WAVE_HARMONIC: [usize; S_WAVE_FUNCTIONS] = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2];

/// [`s_wave_functions`] without their harmonics of chi.
pub fn s_wave_polar_functions(cos_theta_l: f64, cos_theta_k: f64) -> [f64; S_WAVE_FUNCTIONS] {
    // Where each harmonic is 1.
    let at = [0.0, 0.0, 0.5 * PI].map(|chi| s_wave_functions(cos_theta_l, cos_theta_k, chi));
    std::array::from_fn(|i| at[S_WAVE_HARMONIC[i]][i])
}

/// The integrals of [`s_wave_functions`] over the angles.
pub const S_WAVE_RATE: [f64; S_WAVE_FUNCTIONS] = [2.25, -0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

/// The ratio of the S-wave's amplitude in the K pi mass (GeV) to that of the K*, in an arbitrary unit.
fn line_ratio(decay: &Decay, m_kpi: f64) -> Complex64 {
    let momentum = |m: f64| two_body_momentum(m, decay.m_kaon(), decay.m_pion());
    lass(m_kpi, momentum) / decay.resonance().amplitude(m_kpi)
}

/// Scattering with a resonance: `m/(p cot d - i p) + exp(2 i d) (m0^2/p0) G0 / (m0^2 - m^2 - i m0 G0 (p/m) (m0/p0))` with
/// `cot d = 1/(a p) + r p/2`.
fn lass(m: f64, momentum: impl Fn(f64) -> f64) -> Complex64 {
    let [a, r, m0, width] = LASS;
    // At threshold the amplitude is finite and its part of the rate vanishes with the momentum.
    let (p, p0) = (momentum(m).max(1e-9), momentum(m0));
    let cot = 1.0 / (a * p) + 0.5 * r * p;
    let turn = Complex64::new(cot, 1.0) / Complex64::new(cot, -1.0);
    let running = m0 * width * (p / m) * (m0 / p0);
    Complex64::from(m) / Complex64::new(p * cot, -p)
        + turn * (m0 * m0 * width / p0) / Complex64::new(m0 * m0 - m * m, -running)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flavour, Lepton, ModelName, WilsonCoefficient};

    fn decay() -> Decay {
        Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(-0.9)).unwrap()
    }

    fn s_wave(decay: &Decay) -> SWave {
        SWave::new(decay, LineShape::BreitWigner, &LHCB_FRACTIONS, LHCB_MASSES, 0.0).unwrap()
    }

    /// The rates of a sum of amplitudes: positive, and bounded by twice the sum of both alone, whatever the event.
    #[test]
    fn the_rate_is_a_square_of_amplitudes() {
        let decay = decay();
        let s_wave = s_wave(&decay);
        let mut most = 0.0_f64;
        for i in 0..20_000_u32 {
            let part = |k: u32| {
                f64::from(i.wrapping_mul(2_654_435_761).rotate_left(5 * k) >> 8) / f64::from(1 << 24)
            };
            let event = DecayVariables {
                q2: 0.1 + 18.9 * part(1),
                cos_theta_l: 2.0 * part(2) - 1.0,
                cos_theta_k: 2.0 * part(3) - 1.0,
                chi: PI * (2.0 * part(4) - 1.0),
                m_kpi: 0.67 + 0.2 * part(5),
            };
            let [p, s, both] = s_wave.rates(&decay, &event);
            assert!(
                both >= 0.0 && s >= 0.0 && both <= 2.0 * (p + s) * (1.0 + 1e-12),
                "{event:?} {p} {s} {both}"
            );
            // The smallest rate that amplitudes of these sizes can have together.
            assert!(both >= (p.sqrt() - s.sqrt()).powi(2) * (1.0 - 1e-9) - 1e-30);
            most = most.max(both / (p + s));
        }
        assert!(most > 1.7, "they interfere: {most}");
    }

    /// The terms are those of the P-wave's own form with `cos_theta_k + kappa` for `cos_theta_k` in amplitudes of helicity 0.
    #[test]
    fn terms_are_a_shift_of_cos_theta_k() {
        let decay = decay();
        let (point, amplitudes) = decay.amplitudes(4.0, 0.9).unwrap();
        let kappa = Complex64::new(0.3, -0.2);
        let (l, k, chi) = (0.4, -0.3, 1.1);
        let own = coefficients(&point, &amplitudes);
        let sum = own.angular_sum(l, k, chi)
            + SWaveTerms::new(&point, &amplitudes, &own, kappa).dot(&s_wave_functions(l, k, chi));
        let shifted = coefficients(&point, &amplitudes.with_longitudinal_times((k + kappa) / k));
        let direct = AngularCoefficients {
            j1s: own.j1s,
            j2s: own.j2s,
            j3: own.j3,
            j6s: own.j6s,
            j9: own.j9,
            ..shifted
        };
        assert!((sum / direct.angular_sum(l, k, chi) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn fractions_are_those_asked_for() {
        let decay =
            Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default()).unwrap();
        let s_wave = s_wave(&decay);
        let weight = MassWeight::new(&decay, LineShape::BreitWigner);
        for [q2, expected] in LHCB_FRACTIONS {
            let (mut p, mut s, mut along) = (0.0, 0.0, 0.0);
            for (m, w) in nodes(LHCB_MASSES[0], LHCB_MASSES[1], [0.85, 0.8955, 0.94]) {
                let j = decay.angular_coefficients(q2, m);
                let kappa = s_wave.kappa(&decay, q2, m);
                let longitudinal = w * weight.at(m) * (0.75 * j.j1c - 0.25 * j.j2c);
                p += w * weight.at(m) * j.rate();
                s += 3.0 * kappa.norm_sqr() * longitudinal;
                along += 3.0 * kappa.re * longitudinal;
            }
            let fraction = s / (p + s);
            assert!((fraction / expected - 1.0).abs() < 2e-3, "{q2}: {fraction} {expected}");
            // S_S1 of arXiv:1512.04442; arXiv:2512.18053 has 0.25 to 0.40 at low q2.
            let s_s1 = 2.0 * along / (p + s);
            assert!(q2 > 4.0 || (0.25..0.40).contains(&s_s1), "{q2}: {s_s1}");
            // Fractions have kinks at their points, so a short one.
            let window = [(q2 - 0.001, q2 + 0.001)];
            let ratio = s_wave.rate_ratio(&decay, LineShape::BreitWigner, &window, LHCB_MASSES).unwrap();
            assert!((ratio / (s / p) - 1.0).abs() < 2e-3, "{q2}: {ratio} {}", s / p);
        }
    }

    /// Differences of a decay's own shifts against the expansion in them.
    #[test]
    fn rates_are_quadratic_in_shifts() {
        let decay = decay();
        let s_wave = s_wave(&decay);
        let c9 = WilsonDirection::real(WilsonCoefficient::C9);
        let event = DecayVariables { q2: 2.5, cos_theta_l: 0.2, cos_theta_k: 0.5, chi: -0.7, m_kpi: 0.85 };
        let expansion = s_wave.rate_at(&decay, &event, &[c9]);
        for shift in [-1.3, 0.4, 2.0] {
            let moved = decay.with_shifts(&WilsonShifts::delta_c9(-0.9 + shift)).unwrap();
            let [_, _, direct] = s_wave.rates(&moved, &event);
            assert!((expansion.at(&[shift]) / direct - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_makes_no_s_wave_is_refused() {
        let of = |fractions: &[[f64; 2]], masses| {
            SWave::new(&decay(), LineShape::Narrow, fractions, masses, 0.0)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        assert!(of(&[], LHCB_MASSES).contains("at least one"));
        assert!(of(&[[2.0, 0.95]], LHCB_MASSES).contains("0 to 0.9"));
        assert!(of(&[[2.0, 0.1], [1.0, 0.1]], LHCB_MASSES).contains("rising"));
        assert!(of(&[[2.0, 0.1]], [0.9, 0.996]).contains("s_wave.mass = 0.9"));
    }
}
