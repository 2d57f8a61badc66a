//! Observables of B -> K* l l at the pole of the K*, at one q2 or in a bin, LHCb convention.
//!
//! `S_i` are CP averages: coefficients of meson and antimeson are added, then divided by the added rates. In a bin every
//! observable is a ratio of integrals over q2, never an average of ratios. [`crate::convention::dhmv_factor`] leads to
//! the other convention.
//!
//! # Source
//! LHCb, arXiv:1512.04442, and Altmannshofer et al., arXiv:0811.1214; the optimised observables exact in the lepton
//! mass: `P_1 = S_3/(2 S_2s)`, `P_2 = S_6s/(8 S_2s)`, `P_3 = -S_9/(4 S_2s)`,
//! `P_{4,5,6,8}' = S_{4,5,7,8}/(2 sqrt(-S_2s S_2c))`, `F_L = -S_2c`, `A_FB = 3/8 (2 S_6s + S_6c)`.

use crate::angular::AngularCoefficients;
use crate::names::named;
use crate::quadrature::integrate;
use crate::{Decay, Flavour, Lepton, ModelName, Parameters, PhysicsError, WilsonShifts};

/// A quantity that experiments quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Observable {
    /// Longitudinal polarisation fraction of the K*.
    FL,
    /// Forward-backward asymmetry of the lepton.
    AFb,
    /// `S_3`.
    S3,
    /// `S_4`.
    S4,
    /// `S_5`.
    S5,
    /// `S_7`.
    S7,
    /// `S_8`.
    S8,
    /// `S_9`.
    S9,
    /// `P_1`.
    P1,
    /// `P_2`.
    P2,
    /// `P_3`.
    P3,
    /// `P_4'`.
    P4p,
    /// `P_5'`.
    P5p,
    /// `P_6'`.
    P6p,
    /// `P_8'`.
    P8p,
    /// Differential branching fraction, in a bin its average, in GeV^-2; all K pi charges, CP-averaged.
    DBrDq2,
    /// Differential decay rate, in a bin its average, in GeV^-1; all K pi charges, CP-averaged.
    DGammaDq2,
    /// Ratio of the rates to muons and to electrons.
    RKstar,
}

impl Observable {
    /// All observables.
    pub const ALL: [Self; 18] = [
        Self::FL,
        Self::AFb,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::P1,
        Self::P2,
        Self::P3,
        Self::P4p,
        Self::P5p,
        Self::P6p,
        Self::P8p,
        Self::DBrDq2,
        Self::DGammaDq2,
        Self::RKstar,
    ];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FL => "F_L",
            Self::AFb => "A_FB",
            Self::S3 => "S3",
            Self::S4 => "S4",
            Self::S5 => "S5",
            Self::S7 => "S7",
            Self::S8 => "S8",
            Self::S9 => "S9",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4p => "P4p",
            Self::P5p => "P5p",
            Self::P6p => "P6p",
            Self::P8p => "P8p",
            Self::DBrDq2 => "dBR_dq2",
            Self::DGammaDq2 => "dGamma_dq2",
            Self::RKstar => "R_Kstar",
        }
    }

    /// Its value where it is a ratio of coefficients; `None` for the rates, which need more than those.
    pub fn ratio(self, pair: &CpPair) -> Option<f64> {
        let j = pair.average();
        let rate = j.rate();
        let interference = 2.0 * (-j.j2s * j.j2c).sqrt();
        match self {
            Self::FL => Some(-j.j2c / rate),
            Self::AFb => Some(0.375 * (2.0 * j.j6s + j.j6c) / rate),
            Self::S3 => Some(j.j3 / rate),
            Self::S4 => Some(j.j4 / rate),
            Self::S5 => Some(j.j5 / rate),
            Self::S7 => Some(j.j7 / rate),
            Self::S8 => Some(j.j8 / rate),
            Self::S9 => Some(j.j9 / rate),
            Self::P1 => Some(j.j3 / (2.0 * j.j2s)),
            Self::P2 => Some(j.j6s / (8.0 * j.j2s)),
            Self::P3 => Some(-j.j9 / (4.0 * j.j2s)),
            Self::P4p => Some(j.j4 / interference),
            Self::P5p => Some(j.j5 / interference),
            Self::P6p => Some(j.j7 / interference),
            Self::P8p => Some(j.j8 / interference),
            Self::DBrDq2 | Self::DGammaDq2 | Self::RKstar => None,
        }
    }

    /// The unit of its value.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::DBrDq2 => "GeV^-2",
            Self::DGammaDq2 => "GeV^-1",
            _ => "1",
        }
    }
}

named!(Observable, "observable");

/// The coefficients of a meson and of its antiparticle, LHCb convention, at one q2 or integrated over a bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CpPair {
    /// Of the b -> s decay (B0bar, B-).
    pub j: AngularCoefficients,
    /// Of its CP conjugate (B0, B+).
    pub j_bar: AngularCoefficients,
}

impl CpPair {
    /// `(J_i + Jbar_i)/2`, whose rate is the CP-averaged rate.
    pub fn average(&self) -> AngularCoefficients {
        (self.j + self.j_bar) * 0.5
    }

    /// `(J_i - Jbar_i)/2`.
    pub fn difference(&self) -> AngularCoefficients {
        (self.j - self.j_bar) * 0.5
    }
}

impl std::ops::AddAssign for CpPair {
    fn add_assign(&mut self, other: Self) {
        self.j += other.j;
        self.j_bar += other.j_bar;
    }
}

impl std::ops::Mul<f64> for CpPair {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self { j: self.j * factor, j_bar: self.j_bar * factor }
    }
}

/// The decays of a meson and of its antiparticle to one lepton.
#[derive(Debug, Clone, Copy)]
struct Process {
    decay: Decay,
    decay_bar: Decay,
}

impl Process {
    fn new(
        model: ModelName,
        flavour: Flavour,
        lepton: Lepton,
        shifts: &WilsonShifts,
        parameters: &Parameters,
    ) -> Result<Self, PhysicsError> {
        let flavour = if flavour.has_b_quark() { flavour } else { flavour.conjugate() };
        Ok(Self {
            decay: Decay::with_parameters(model, flavour, lepton, shifts, parameters)?,
            decay_bar: Decay::with_parameters(model, flavour.conjugate(), lepton, shifts, parameters)?,
        })
    }

    fn at(&self, q2: f64) -> CpPair {
        let m_kstar = self.decay.m_kstar();
        CpPair {
            j: self.decay.angular_coefficients(q2, m_kstar),
            j_bar: self.decay_bar.angular_coefficients(q2, m_kstar),
        }
    }

    /// Integral over a bin; what lies outside phase space adds nothing.
    fn integrated(&self, q2_min: f64, q2_max: f64) -> CpPair {
        let low = q2_min.max(self.decay.q2_min());
        let high = q2_max.min(self.decay.q2_max(self.decay.m_kstar()));
        // The rate has poles and logarithms at q2 = 0: pieces grow with their distance from it.
        let growing =
            std::iter::successors(Some(4.0 * low), |edge| Some(4.0 * edge)).take_while(|edge| *edge < high);
        integrate(low, high, growing.chain(self.decay.q2_thresholds()), |q2| self.at(q2))
    }
}

/// Predictions for one B meson, averaged with its antiparticle, with muons and with electrons.
#[derive(Debug, Clone, Copy)]
pub struct Predictions {
    muon: Process,
    electron: Process,
}

impl Predictions {
    /// With the built-in inputs. `flavour` names the meson or its antiparticle; muons see `muon_shifts`, electrons
    /// `electron_shifts`.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size; the error names it.
    pub fn new(
        model: ModelName,
        flavour: Flavour,
        muon_shifts: &WilsonShifts,
        electron_shifts: &WilsonShifts,
    ) -> Result<Self, PhysicsError> {
        Self::with_parameters(model, flavour, muon_shifts, electron_shifts, Parameters::standard())
    }

    /// With the caller's inputs.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size, or an input is missing.
    pub fn with_parameters(
        model: ModelName,
        flavour: Flavour,
        muon_shifts: &WilsonShifts,
        electron_shifts: &WilsonShifts,
        parameters: &Parameters,
    ) -> Result<Self, PhysicsError> {
        Ok(Self {
            muon: Process::new(model, flavour, Lepton::Muon, muon_shifts, parameters)?,
            electron: Process::new(model, flavour, Lepton::Electron, electron_shifts, parameters)?,
        })
    }

    /// The process as files name it, such as `B0->K*0mumu`.
    pub fn process_name(&self, lepton: Lepton) -> String {
        let mesons = if self.muon.decay.flavour().is_charged() { "B+->K*+" } else { "B0->K*0" };
        let pair = match lepton {
            Lepton::Electron => "ee",
            Lepton::Muon => "mumu",
        };
        format!("{mesons}{pair}")
    }

    /// Smallest and largest q2 at the pole of the K*, in GeV^2.
    pub fn q2_range(&self, lepton: Lepton) -> (f64, f64) {
        let decay = &self.process(lepton).decay;
        (decay.q2_min(), decay.q2_max(decay.m_kstar()))
    }

    /// The coefficients at one q2 (GeV^2), in GeV^-1.
    pub fn coefficients(&self, lepton: Lepton, q2: f64) -> CpPair {
        self.process(lepton).at(q2)
    }

    /// The coefficients integrated over a bin (GeV^2), in GeV.
    ///
    /// # Errors
    /// When the bin is not an interval that overlaps phase space.
    pub fn integrated_coefficients(
        &self,
        lepton: Lepton,
        q2_min: f64,
        q2_max: f64,
    ) -> Result<CpPair, PhysicsError> {
        let (low, high) = self.q2_range(lepton);
        let inside = q2_min >= 0.0 && q2_min < q2_max && q2_max.is_finite() && q2_max > low && q2_min < high;
        if inside {
            Ok(self.process(lepton).integrated(q2_min, q2_max))
        } else {
            Err(PhysicsError::OutOfRange {
                field: "q2 bin".to_owned(),
                got: format!("[{q2_min}, {q2_max}]"),
                allowed: format!("0 <= q2_min < q2_max, overlapping {low:.6} to {high:.6} GeV^2"),
            })
        }
    }

    /// One observable at one q2 (GeV^2); of the decay to `lepton`, which `R_Kstar` ignores.
    ///
    /// # Errors
    /// When q2 is not inside phase space.
    pub fn differential(&self, lepton: Lepton, observable: Observable, q2: f64) -> Result<f64, PhysicsError> {
        let lepton = if observable == Observable::RKstar { Lepton::Muon } else { lepton };
        let (low, high) = self.q2_range(lepton);
        if !(q2 > low && q2 < high) {
            return Err(PhysicsError::OutOfRange {
                field: "q2".to_owned(),
                got: q2.to_string(),
                allowed: format!("between {low:.6} and {high:.6} GeV^2"),
            });
        }
        let reference = self.coefficients(Lepton::Electron, q2);
        Ok(self.evaluate(observable, &self.coefficients(lepton, q2), &reference, 1.0))
    }

    /// Observables in one bin (GeV^2), in the order asked for; of the decay to `lepton`, which `R_Kstar` ignores.
    ///
    /// # Errors
    /// When the bin is not an interval that overlaps phase space.
    pub fn binned(
        &self,
        lepton: Lepton,
        observables: &[Observable],
        q2_min: f64,
        q2_max: f64,
    ) -> Result<Vec<f64>, PhysicsError> {
        let own = self.integrated_coefficients(lepton, q2_min, q2_max)?;
        let (muon, electron) = if observables.contains(&Observable::RKstar) {
            match lepton {
                Lepton::Muon => (own, self.integrated_coefficients(Lepton::Electron, q2_min, q2_max)?),
                Lepton::Electron => (self.integrated_coefficients(Lepton::Muon, q2_min, q2_max)?, own),
            }
        } else {
            (own, own)
        };
        let evaluate = |&observable: &Observable| {
            let pair = if observable == Observable::RKstar { &muon } else { &own };
            self.evaluate(observable, pair, &electron, q2_max - q2_min)
        };
        Ok(observables.iter().map(evaluate).collect())
    }

    const fn process(&self, lepton: Lepton) -> &Process {
        match lepton {
            Lepton::Electron => &self.electron,
            Lepton::Muon => &self.muon,
        }
    }

    fn evaluate(&self, observable: Observable, pair: &CpPair, electron: &CpPair, width: f64) -> f64 {
        let rate = pair.average().rate();
        observable.ratio(pair).unwrap_or_else(|| match observable {
            Observable::DBrDq2 => rate / width * self.muon.decay.lifetime(),
            Observable::RKstar => rate / electron.average().rate(),
            _ => rate / width,
        })
    }
}
