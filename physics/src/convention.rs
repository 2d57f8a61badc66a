//! The only file that changes signs or angles of coefficients.
//!
//! **LHCb** (arXiv:1304.6325, appendix A; the default for data): `theta_l` is measured from l- for B0bar and B-, from
//! l+ for B0 and B+, in the dilepton frame against the direction opposite to the B; `theta_k` from the kaon in the
//! K pi frame likewise. With `n(a, b)` the unit vector along `p_a x p_b` and `k_hat` the direction of the K pi pair,
//! all in the B frame: `cos chi = n(l-, l+) . n(K-, pi+)`, `sin chi = -(n(l-, l+) x n(K-, pi+)) . k_hat` for B0bar,
//! `cos chi = n(l+, l-) . n(K+, pi-)`, `sin chi = +(n(l+, l-) x n(K+, pi-)) . k_hat` for B0. Without CP violation a
//! meson and its antiparticle then have one and the same distribution.
//!
//! **Theory** (Altmannshofer et al., arXiv:0811.1214): `theta_l` from l- for both. Against LHCb `J_4`, `J_6s`, `J_6c`,
//! `J_7` and `J_9` have the opposite sign.
//!
//! Observables of the DHMV convention follow from LHCb's by the factor in their table, [`crate::observables`].

use crate::angular::{AngularCoefficients, KaonCoefficients};
use crate::kinematics::{
    DecayMasses, DecayMomenta, FourMomentum, cross, daughters_along_z, dot, two_body_momentum,
};
use crate::names::named;
use crate::{Flavour, Observable, PhysicsError};

/// A definition of the angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Convention {
    /// LHCb, arXiv:1304.6325.
    #[default]
    Lhcb,
    /// Altmannshofer et al., arXiv:0811.1214, and DHMV, arXiv:1303.5794, for the optimised observables.
    Theory,
}

impl Convention {
    /// All conventions.
    pub const ALL: [Self; 2] = [Self::Lhcb, Self::Theory];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lhcb => "lhcb",
            Self::Theory => "theory",
        }
    }
}

named!(Convention, "convention");

/// Theory to LHCb coefficients, and LHCb to theory: its own inverse.
#[must_use]
pub fn exchange_lhcb_and_theory(j: AngularCoefficients) -> AngularCoefficients {
    AngularCoefficients { j4: -j.j4, j6s: -j.j6s, j6c: -j.j6c, j7: -j.j7, j9: -j.j9, ..j }
}

/// `cos_theta_l` and chi of the theory convention in LHCb's, and back: its own inverse.
///
/// Theory measures `theta_l` of both flavours from l- against the direction of the B, and has the conjugate distribution
/// of a B0 by `J_5, J_6, J_8, J_9 -> -J`.
///
/// # Source
/// Altmannshofer et al., arXiv:0811.1214, section 3.2, and [`exchange_lhcb_and_theory`].
#[must_use]
pub fn exchange_angles_of_lhcb_and_theory(flavour: Flavour, cos_theta_l: f64, chi: f64) -> (f64, f64) {
    if flavour.has_b_quark() { (-cos_theta_l, -chi) } else { (cos_theta_l, chi + std::f64::consts::PI) }
}

/// Conversion for B -> K: the lepton angle is measured from the opposite direction.
#[must_use]
pub fn exchange_lepton_angle(coefficients: KaonCoefficients) -> KaonCoefficients {
    KaonCoefficients { b: -coefficients.b, ..coefficients }
}

/// Factor from an observable in the LHCb convention to what CMS writes.
///
/// CMS measures angles as LHCb does and takes DHMV's form of the optimised observables:
/// `P_4' = 2 S_4/sqrt(F_L F_T)`, `P_6' = -S_7/sqrt(F_L F_T)`, `P_8' = -2 S_8/sqrt(F_L F_T)`; LHCb has S_4, S_7, S_8 over
/// the root, and `sqrt(F_L F_T) = 2 sqrt(-S_2s S_2c)`.
///
/// # Source
/// CMS, arXiv:2411.11820; the signs are those of the Standard Model predictions in its record, 10.17182/hepdata.154898.
pub const fn cms_factor(observable: Observable) -> f64 {
    match observable {
        Observable::P4p | Observable::Q4 => 2.0,
        Observable::P6p | Observable::Q6 => -1.0,
        Observable::P8p | Observable::Q8 => -2.0,
        _ => 1.0,
    }
}

/// Whose signs and factors measured values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValueConvention {
    /// LHCb, arXiv:1512.04442.
    #[default]
    Lhcb,
    /// CMS, arXiv:2411.11820.
    Cms,
    /// Belle, arXiv:1612.05014: LHCb's.
    Belle,
    /// DHMV and Altmannshofer et al.
    Theory,
}

impl ValueConvention {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lhcb, Self::Cms, Self::Belle, Self::Theory];

    /// The name used on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lhcb => "lhcb",
            Self::Cms => "cms",
            Self::Belle => "belle",
            Self::Theory => "theory",
        }
    }

    /// Factor from a value of the LHCb convention to this one.
    pub const fn factor(self, observable: Observable) -> f64 {
        match self {
            Self::Lhcb | Self::Belle => 1.0,
            Self::Cms => cms_factor(observable),
            Self::Theory => observable.dhmv_factor(),
        }
    }
}

named!(ValueConvention, "convention");

/// The sign by which `S_7`, `S_8`, `S_9` of EvtGen's new-physics model must be multiplied: it generates absorptive
/// parts with the opposite sign.
pub const EVTGEN_ABSORPTIVE_SIGN: f64 = -1.0;

/// The variables of one decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecayVariables {
    /// Squared mass of the lepton pair in GeV^2.
    pub q2: f64,
    /// Cosine of the lepton angle.
    pub cos_theta_l: f64,
    /// Cosine of the kaon angle.
    pub cos_theta_k: f64,
    /// Angle between the decay planes, in (-pi, pi].
    pub chi: f64,
    /// Mass of the K pi pair in GeV.
    pub m_kpi: f64,
}

/// The variables of a decay in the LHCb convention from its four-momenta (GeV, in any one frame).
pub fn lhcb_variables(
    flavour: Flavour,
    l_minus: FourMomentum,
    l_plus: FourMomentum,
    kaon: FourMomentum,
    pion: FourMomentum,
) -> DecayVariables {
    let b_meson = l_minus + l_plus + kaon + pion;
    let in_b_frame = |p: FourMomentum| p.boosted_to_rest_frame_of(&b_meson);
    let (kaon, pion) = (in_b_frame(kaon), in_b_frame(pion));
    let (first, second, sign) = if flavour.has_b_quark() {
        (in_b_frame(l_minus), in_b_frame(l_plus), -1.0)
    } else {
        (in_b_frame(l_plus), in_b_frame(l_minus), 1.0)
    };
    let (dilepton, k_pi) = (first + second, kaon + pion);

    let normal_l = unit(cross(first.p, second.p));
    let normal_k = unit(cross(kaon.p, pion.p));
    let sin_chi = sign * dot(cross(normal_l, normal_k), unit(k_pi.p));
    DecayVariables {
        q2: dilepton.mass2(),
        cos_theta_l: cosine_along_flight(&first, &dilepton),
        cos_theta_k: cosine_along_flight(&kaon, &k_pi),
        chi: sin_chi.atan2(dot(normal_l, normal_k)),
        m_kpi: k_pi.mass2().sqrt(),
    }
}

/// By how much a variable may lie outside its range, to be set to its limit: four roundings of f32, of the mass of the B
/// for masses.
const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;

/// The momenta of a decay (GeV) from its variables in the LHCb convention: the inverse of [`lhcb_variables`].
///
/// The B is at rest, the K pi pair flies along +z, and the kaon lies in the half plane y = 0, x > 0.
///
/// # Errors
/// When a variable is not a number or lies outside phase space by more than the rounding of f32; the error names it.
pub fn lhcb_momenta(
    flavour: Flavour,
    masses: &DecayMasses,
    variables: &DecayVariables,
) -> Result<DecayMomenta, PhysicsError> {
    let m_b = masses.b_meson;
    let threshold = 2.0 * masses.lepton;
    let m_kpi = within("m_kpi", variables.m_kpi, [masses.kaon + masses.pion, m_b - threshold], [m_b; 2])?;
    let (q2_min, q2_max) = (threshold.powi(2), (m_b - m_kpi).powi(2));
    // Some 1e-6 GeV^2 for electrons: at the lower end only its own rounding counts.
    let q2 = within("q2", variables.q2, [q2_min, q2_max], [q2_min, m_b * m_b])?;
    let cos_l = within("cos_theta_l", variables.cos_theta_l, [-1.0, 1.0], [1.0; 2])?;
    let cos_k = within("cos_theta_k", variables.cos_theta_k, [-1.0, 1.0], [1.0; 2])?;
    let chi = variables.chi;
    PhysicsError::unless(chi.is_finite(), "chi", chi, "a finite number")?;

    let q = q2.sqrt();
    let p_z = two_body_momentum(m_b, m_kpi, q);
    let sin_k = ((1.0 - cos_k) * (1.0 + cos_k)).sqrt();
    let [kaon, pion] = daughters_along_z(m_kpi, p_z, [masses.kaon, masses.pion], [sin_k, 0.0, cos_k]);

    // The dilepton flies along -z. The normal of the K pi plane is -y, that of the lepton plane for a transverse
    // direction (a, b) of the first lepton (-b, a): cos chi = -a, and n_l x n_k . k_hat = b = sign * sin chi.
    let sign = if flavour.has_b_quark() { -1.0 } else { 1.0 };
    let sin_l = ((1.0 - cos_l) * (1.0 + cos_l)).sqrt();
    let (sin_chi, cos_chi) = chi.sin_cos();
    let direction = [-sin_l * cos_chi, sign * sin_l * sin_chi, -cos_l];
    let [first, second] = daughters_along_z(q, -p_z, [masses.lepton; 2], direction);
    let (l_minus, l_plus) = if flavour.has_b_quark() { (first, second) } else { (second, first) };
    Ok(DecayMomenta { l_minus, l_plus, kaon, pion })
}

/// A variable set to the nearest limit if it lies outside by no more than the rounding of numbers of a given size.
fn within(name: &str, value: f64, [low, high]: [f64; 2], sizes: [f64; 2]) -> Result<f64, PhysicsError> {
    let [below, above] = sizes.map(|size| ROUNDING * size);
    if (low - below..=high + above).contains(&value) {
        Ok(value.max(low).min(high))
    } else {
        let allowed = format!("{low} to {high}");
        Err(PhysicsError::OutOfRange { field: name.to_owned(), got: value.to_string(), allowed })
    }
}

/// Cosine between a daughter in the rest frame of its pair and the flight direction of the pair (which is opposite to
/// the B seen from there).
fn cosine_along_flight(daughter: &FourMomentum, pair: &FourMomentum) -> f64 {
    let direction = unit(daughter.boosted_to_rest_frame_of(pair).p);
    dot(direction, unit(pair.p)).clamp(-1.0, 1.0)
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = dot(v, v).sqrt();
    v.map(|x| x / length)
}
