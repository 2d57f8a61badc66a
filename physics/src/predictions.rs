//! Predictions: observables of one decay at one q2 or in bins, for muons and electrons.

use std::ops::{Add, Mul, Sub};

use crate::angular::{AngularCoefficients, KaonCoefficients};
use crate::channel::process_name;
use crate::charmonium::Charmonium;
use crate::cp::{Coefficients, CpPair};
use crate::kaon::KaonDecay;
use crate::observables::Definition;
use crate::quadrature::{Precision, fourfold_steps, integrate_to};
use crate::{Decay, Flavour, Hadron, Lepton, ModelName, Observable, Parameters, PhysicsError, WilsonShifts};

/// A decay as a function of q2 alone.
trait Differential {
    type Coefficients: Coefficients;

    fn at(&self, q2: f64) -> Self::Coefficients;
    fn q2_range(&self) -> (f64, f64);
    fn q2_thresholds(&self) -> Vec<f64>;
}

/// At the pole of the K*.
impl Differential for Decay {
    type Coefficients = AngularCoefficients;

    fn at(&self, q2: f64) -> AngularCoefficients {
        self.angular_coefficients(q2, self.m_kstar())
    }

    fn q2_range(&self) -> (f64, f64) {
        (self.q2_min(), self.q2_max(self.m_kstar()))
    }

    fn q2_thresholds(&self) -> Vec<f64> {
        self.q2_thresholds()
    }
}

impl Differential for KaonDecay {
    type Coefficients = KaonCoefficients;

    fn at(&self, q2: f64) -> KaonCoefficients {
        self.coefficients(q2)
    }

    fn q2_range(&self) -> (f64, f64) {
        self.q2_range()
    }

    fn q2_thresholds(&self) -> Vec<f64> {
        self.q2_thresholds()
    }
}

/// The decays of a meson and of its antiparticle to one lepton.
#[derive(Debug, Clone, Copy)]
struct Process<D> {
    decay: D,
    decay_bar: D,
}

impl<D: Differential> Process<D> {
    fn at(&self, q2: f64) -> CpPair<D::Coefficients> {
        CpPair { j: self.decay.at(q2), j_bar: self.decay_bar.at(q2) }
    }

    /// Integral over a bin; what lies outside phase space adds nothing.
    fn integrated(&self, q2_min: f64, q2_max: f64, precision: Precision) -> CpPair<D::Coefficients> {
        let (first, last) = self.decay.q2_range();
        let (low, high) = (q2_min.max(first), q2_max.min(last));
        // The rate has poles and logarithms at q2 = 0: pieces grow with their distance from it.
        let breaks = fourfold_steps(low, high).chain(self.decay.q2_thresholds());
        integrate_to(precision, (low, high), breaks, |q2| self.at(q2))
    }
}

/// Subject of a prediction: a process for each hadron.
#[allow(clippy::large_enum_variant, reason = "a prediction is Copy, and there are few of them")]
#[derive(Debug, Clone, Copy)]
enum Channel {
    Kstar(Process<Decay>),
    Kaon(Process<KaonDecay>),
}

/// The coefficients of a meson and its antiparticle, of either hadron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PairOf {
    Kstar(CpPair),
    Kaon(CpPair<KaonCoefficients>),
}

impl PairOf {
    pub(crate) fn rate(&self) -> f64 {
        match self {
            Self::Kstar(pair) => pair.rate(),
            Self::Kaon(pair) => pair.rate(),
        }
    }

    /// A ratio of coefficients, on request as a fit without the lepton's mass finds it; NaN where the hadron does not have
    /// it.
    fn ratio(&self, observable: Observable, massless: bool) -> f64 {
        let ratio = match self {
            Self::Kstar(pair) if massless => observable
                .ratio(&CpPair { j: pair.j.without_lepton_mass(), j_bar: pair.j_bar.without_lepton_mass() }),
            Self::Kstar(pair) => observable.ratio(pair),
            Self::Kaon(pair) => observable.kaon_ratio(pair),
        };
        ratio.unwrap_or(f64::NAN)
    }
}

/// Another hadron's are left out.
impl Add for PairOf {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Kstar(a), Self::Kstar(b)) => Self::Kstar(a + b),
            (Self::Kaon(a), Self::Kaon(b)) => Self::Kaon(a + b),
            (own, _) => own,
        }
    }
}

impl Sub for PairOf {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl Mul<f64> for PairOf {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        match self {
            Self::Kstar(pair) => Self::Kstar(pair * factor),
            Self::Kaon(pair) => Self::Kaon(pair * factor),
        }
    }
}

/// The integrals that an observable of a bin is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingredients<'a> {
    /// Of the lepton asked for.
    pub(crate) own: &'a PairOf,
    /// Of muons and electrons; for observables that compare them.
    pub(crate) muon: &'a PairOf,
    pub(crate) electron: &'a PairOf,
    /// Width of the bin in GeV^2, 1 at one q2.
    pub(crate) width: f64,
    /// Lifetime of the meson in GeV^-1.
    pub(crate) lifetime: f64,
    /// Whether ratios are those that a fit without the lepton's mass finds.
    pub(crate) massless: bool,
}

impl Ingredients<'_> {
    /// The observable's value; NaN where the hadron does not have it.
    pub(crate) fn value(&self, observable: Observable) -> f64 {
        let massless = self.massless;
        match observable.definition() {
            Definition::MuonsMinusElectrons(of) => {
                self.muon.ratio(of, massless) - self.electron.ratio(of, massless)
            }
            Definition::MuonsOverElectrons(_) => self.muon.rate() / self.electron.rate(),
            Definition::Rate => self.own.rate() / self.width,
            Definition::Branching => self.own.rate() / self.width * self.lifetime,
            Definition::Kstar(_) | Definition::Kaon(_) | Definition::Both(..) => {
                self.own.ratio(observable, massless)
            }
        }
    }
}

/// Predictions for one B meson, averaged with its antiparticle, with muons and with electrons.
#[derive(Debug, Clone, Copy)]
pub struct Predictions {
    flavour: Flavour,
    hadron: Hadron,
    lifetime: f64,
    muon: Channel,
    electron: Channel,
}

impl Predictions {
    /// Of B -> K* with the built-in inputs. `flavour` names the meson or its antiparticle; muons see `muon_shifts`,
    /// electrons `electron_shifts`.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size; the error names it.
    pub fn new(
        model: ModelName,
        flavour: Flavour,
        muon_shifts: &WilsonShifts,
        electron_shifts: &WilsonShifts,
    ) -> Result<Self, PhysicsError> {
        let theory = Theory {
            muon_shifts: *muon_shifts,
            electron_shifts: *electron_shifts,
            ..Theory::new(model, Parameters::standard())
        };
        theory.predictions(flavour, Hadron::Kstar)
    }

    /// The process as files name it, such as `B0->K*0mumu`.
    pub fn process_name(&self, lepton: Lepton) -> String {
        process_name(self.flavour, self.hadron, lepton)
    }

    /// Lifetime of the meson in GeV^-1.
    pub const fn lifetime(&self) -> f64 {
        self.lifetime
    }

    /// Smallest and largest q2, of K* at its pole, in GeV^2.
    pub fn q2_range(&self, lepton: Lepton) -> (f64, f64) {
        match self.channel(lepton) {
            Channel::Kstar(process) => Differential::q2_range(&process.decay),
            Channel::Kaon(process) => process.decay.q2_range(),
        }
    }

    /// The coefficients of B -> K* at one q2 (GeV^2), in GeV^-1; all zero for B -> K, see [`Self::kaon_coefficients`].
    pub fn coefficients(&self, lepton: Lepton, q2: f64) -> CpPair {
        match self.channel(lepton) {
            Channel::Kstar(process) => process.at(q2),
            Channel::Kaon(_) => CpPair::default(),
        }
    }

    /// The coefficients of B -> K at one q2 (GeV^2), in GeV^-1; all zero for B -> K*, see [`Self::coefficients`].
    pub fn kaon_coefficients(&self, lepton: Lepton, q2: f64) -> CpPair<KaonCoefficients> {
        match self.channel(lepton) {
            Channel::Kstar(_) => CpPair::default(),
            Channel::Kaon(process) => process.at(q2),
        }
    }

    /// The coefficients of B -> K* integrated over a bin (GeV^2), in GeV; all zero for B -> K.
    ///
    /// # Errors
    /// When the bin is not an interval that overlaps phase space.
    pub fn integrated_coefficients(
        &self,
        lepton: Lepton,
        q2_min: f64,
        q2_max: f64,
    ) -> Result<CpPair, PhysicsError> {
        Ok(match self.integrated(lepton, q2_min, q2_max, Precision::Full)? {
            PairOf::Kstar(pair) => pair,
            PairOf::Kaon(_) => CpPair::default(),
        })
    }

    /// Whichever coefficients the hadron has, integrated over a bin.
    pub(crate) fn integrated(
        &self,
        lepton: Lepton,
        q2_min: f64,
        q2_max: f64,
        precision: Precision,
    ) -> Result<PairOf, PhysicsError> {
        let (low, high) = self.q2_range(lepton);
        let inside = q2_min >= 0.0 && q2_min < q2_max && q2_max.is_finite() && q2_max > low && q2_min < high;
        if !inside {
            return Err(PhysicsError::OutOfRange {
                field: "q2 bin".to_owned(),
                got: format!("[{q2_min}, {q2_max}]"),
                allowed: format!("0 <= q2_min < q2_max, overlapping {low:.6} to {high:.6} GeV^2"),
            });
        }
        Ok(match self.channel(lepton) {
            Channel::Kstar(process) => PairOf::Kstar(process.integrated(q2_min, q2_max, precision)),
            Channel::Kaon(process) => PairOf::Kaon(process.integrated(q2_min, q2_max, precision)),
        })
    }

    /// One observable at one q2 (GeV^2); of the decay to `lepton`, which those that compare leptons ignore.
    ///
    /// # Errors
    /// When q2 is not inside phase space, or the hadron does not have the observable.
    pub fn differential(&self, lepton: Lepton, observable: Observable, q2: f64) -> Result<f64, PhysicsError> {
        self.check(observable)?;
        let lepton = if observable.compares_leptons() { Lepton::Muon } else { lepton };
        let (low, high) = self.q2_range(lepton);
        PhysicsError::unless(
            q2 > low && q2 < high,
            "q2",
            q2,
            &format!("between {low:.6} and {high:.6} GeV^2"),
        )?;
        let at = |lepton| match self.channel(lepton) {
            Channel::Kstar(process) => PairOf::Kstar(process.at(q2)),
            Channel::Kaon(process) => PairOf::Kaon(process.at(q2)),
        };
        let own = at(lepton);
        let (muon, electron) =
            if observable.compares_leptons() { (own, at(Lepton::Electron)) } else { (own, own) };
        let ingredients = Ingredients {
            own: &own,
            muon: &muon,
            electron: &electron,
            width: 1.0,
            lifetime: self.lifetime,
            massless: false,
        };
        Ok(ingredients.value(observable))
    }

    /// Observables in one bin (GeV^2), in the order asked for; of the decay to `lepton`, which those that compare
    /// leptons ignore.
    ///
    /// # Errors
    /// When the bin is not an interval that overlaps phase space, or the hadron does not have an observable.
    pub fn binned(
        &self,
        lepton: Lepton,
        observables: &[Observable],
        q2_min: f64,
        q2_max: f64,
    ) -> Result<Vec<f64>, PhysicsError> {
        observables.iter().try_for_each(|observable| self.check(*observable))?;
        let of = |lepton| self.integrated(lepton, q2_min, q2_max, Precision::Full);
        let own = of(lepton)?;
        let (muon, electron) = if observables.iter().any(|observable| observable.compares_leptons()) {
            match lepton {
                Lepton::Muon => (own, of(Lepton::Electron)?),
                Lepton::Electron => (of(Lepton::Muon)?, own),
            }
        } else {
            (own, own)
        };
        let ingredients = Ingredients {
            own: &own,
            muon: &muon,
            electron: &electron,
            width: q2_max - q2_min,
            lifetime: self.lifetime,
            massless: false,
        };
        Ok(observables.iter().map(|observable| ingredients.value(*observable)).collect())
    }

    /// Whether the hadron has the observable.
    pub(crate) fn check(&self, observable: Observable) -> Result<(), PhysicsError> {
        if observable.describes(self.hadron) {
            return Ok(());
        }
        let allowed: Vec<&str> = Observable::ALL
            .into_iter()
            .filter(|known| known.describes(self.hadron))
            .map(Observable::name)
            .collect();
        Err(PhysicsError::OutOfRange {
            field: "observable".to_owned(),
            got: format!("{observable} of B -> {}", self.hadron),
            allowed: allowed.join(", "),
        })
    }

    const fn channel(&self, lepton: Lepton) -> &Channel {
        match lepton {
            Lepton::Electron => &self.electron,
            Lepton::Muon => &self.muon,
        }
    }
}

/// A model with its inputs and shifts: all that a prediction depends on but the process.
#[derive(Debug, Clone)]
pub struct Theory<'a> {
    /// The amplitude model.
    pub model: ModelName,
    /// Its inputs.
    pub parameters: &'a Parameters,
    /// Resonances in place of the charm loop.
    pub charmonium: Option<Charmonium>,
    /// The shifts that muons see.
    pub muon_shifts: WilsonShifts,
    /// The shifts that electrons see.
    pub electron_shifts: WilsonShifts,
}

impl<'a> Theory<'a> {
    /// The Standard Model without resonances.
    pub const fn new(model: ModelName, parameters: &'a Parameters) -> Self {
        Self {
            model,
            parameters,
            charmonium: None,
            muon_shifts: WilsonShifts::STANDARD_MODEL,
            electron_shifts: WilsonShifts::STANDARD_MODEL,
        }
    }

    /// The shifts that a lepton sees.
    pub const fn shifts(&self, lepton: Lepton) -> &WilsonShifts {
        match lepton {
            Lepton::Electron => &self.electron_shifts,
            Lepton::Muon => &self.muon_shifts,
        }
    }

    /// One decay to K*.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size, an input is missing, or charmonium is asked of `bare`.
    pub fn decay(&self, flavour: Flavour, lepton: Lepton) -> Result<Decay, PhysicsError> {
        let decay =
            Decay::with_parameters(self.model, flavour, lepton, self.shifts(lepton), self.parameters)?;
        self.charmonium.map_or(Ok(decay), |charmonium| decay.with_charmonium(&charmonium))
    }

    /// One decay to K.
    ///
    /// # Errors
    /// As for [`Self::decay`].
    pub fn kaon_decay(&self, flavour: Flavour, lepton: Lepton) -> Result<KaonDecay, PhysicsError> {
        let decay =
            KaonDecay::with_parameters(self.model, flavour, lepton, self.shifts(lepton), self.parameters)?;
        self.charmonium.map_or(Ok(decay), |charmonium| decay.with_charmonium(&charmonium))
    }

    /// Predictions for a meson or its antiparticle.
    ///
    /// # Errors
    /// As for [`Self::decay`].
    pub fn predictions(&self, flavour: Flavour, hadron: Hadron) -> Result<Predictions, PhysicsError> {
        let flavour = flavour.with_b_quark();
        // What does not depend on the lepton is built once.
        let (shifts, parameters) = (self.shifts(Lepton::Electron), self.parameters);
        let (lifetime, muon, electron) = match hadron {
            Hadron::Kstar => {
                let of = |flavour| {
                    let muon = self.decay(flavour, Lepton::Muon)?;
                    Ok((muon, muon.with_lepton(Lepton::Electron, shifts, parameters)?))
                };
                let ((decay, electron), (decay_bar, electron_bar)) = (of(flavour)?, of(flavour.conjugate())?);
                (
                    decay.lifetime(),
                    Channel::Kstar(Process { decay, decay_bar }),
                    Channel::Kstar(Process { decay: electron, decay_bar: electron_bar }),
                )
            }
            Hadron::Kaon => {
                let of = |flavour| {
                    let muon = self.kaon_decay(flavour, Lepton::Muon)?;
                    Ok((muon, muon.with_lepton(Lepton::Electron, shifts, parameters)?))
                };
                let ((decay, electron), (decay_bar, electron_bar)) = (of(flavour)?, of(flavour.conjugate())?);
                (
                    decay.lifetime(),
                    Channel::Kaon(Process { decay, decay_bar }),
                    Channel::Kaon(Process { decay: electron, decay_bar: electron_bar }),
                )
            }
        };
        Ok(Predictions { flavour, hadron, lifetime, muon, electron })
    }
}
