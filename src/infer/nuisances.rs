//! Nuisance parameters of the density of events: form factors and hadronic corrections, in units of their uncertainties.

use std::str::FromStr;

use humboldt_physics::amplitudes::TransversityAmplitudes;
use humboldt_physics::convention::exchange_lhcb_and_theory;
use humboldt_physics::subleading::KstarSubleading;
use humboldt_physics::uncertainty::Variation;
use humboldt_physics::{AngularCoefficients, Channel, Decay, Hadron, Parameters, PhysicsError};

use super::InferError;
use super::tabulated::Angular;

/// A group of nuisance parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nuisance {
    /// The coefficients of the form factors, with their covariance.
    FormFactors,
    /// Polynomials in q2 added to the amplitudes A_0, H_+ and H_-, of the size that flavio assumes for what no
    /// calculation of the charm loop gives; see [`humboldt_physics::subleading`].
    Charm,
}

impl Nuisance {
    /// Name and group.
    pub const ALL: [(&'static str, Self); 2] = [("form-factors", Self::FormFactors), ("charm", Self::Charm)];
}

impl FromStr for Nuisance {
    type Err = InferError;

    fn from_str(text: &str) -> Result<Self, InferError> {
        let names = Self::ALL.map(|(name, _)| name).join(", ");
        let known = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, nuisance)| *nuisance);
        known.ok_or_else(|| InferError::out_of_range("nuisances", text, names))
    }
}

/// One independent parameter of unit variance.
#[derive(Debug, Clone)]
enum Parameter {
    /// The decay one unit up and one down; rates are quadratic in between.
    Varied(Box<[Decay; 2]>),
    /// Effect of one unit on the amplitudes.
    Correction(KstarSubleading),
}

/// The nuisance parameters of a decay.
#[derive(Debug, Clone, Default)]
pub struct Nuisances(Vec<Parameter>);

impl Nuisances {
    /// Some groups of them; `decay` makes the decay of given inputs.
    ///
    /// # Errors
    /// When an input is missing or refused.
    pub fn new<E: From<PhysicsError>>(
        groups: &[Nuisance],
        parameters: &Parameters,
        flavour: humboldt_physics::Flavour,
        decay: impl Fn(&Parameters) -> Result<Decay, E>,
    ) -> Result<Self, E> {
        let variation = Variation::new(parameters)?;
        let names: Vec<String> = variation.names().map(str::to_owned).collect();
        let varied = |index: usize, size: f64| {
            let mut normals = vec![0.0; names.len()];
            normals[index] = size;
            variation.varied(&normals)
        };
        let form_factors = format!("{}_", Channel::of(flavour, Hadron::Kstar)?.form_factors);
        let mut all = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if groups.contains(&Nuisance::FormFactors) && name.starts_with(&form_factors) {
                let pair = [decay(&varied(index, 1.0)?)?, decay(&varied(index, -1.0)?)?];
                all.push(Parameter::Varied(Box::new(pair)));
            }
        }
        let charge = if flavour.is_charged() { "charged" } else { "neutral" };
        let prefix = format!("subleading_{charge}_kstar_");
        if groups.contains(&Nuisance::Charm) {
            let mut none = parameters.clone();
            let entries: Vec<(&str, f64)> = parameters
                .iter()
                .filter(|(name, _)| name.starts_with(&prefix))
                .map(|(n, p)| (n, p.uncertainty))
                .collect();
            for (name, _) in &entries {
                none = none.with_value(name, 0.0)?;
            }
            for (name, uncertainty) in entries {
                let one = none.clone().with_value(name, uncertainty)?;
                all.push(Parameter::Correction(KstarSubleading::new(flavour, &one)?));
            }
        }
        Ok(Self(all))
    }

    /// Their number.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The derivative of `J_1s..J_9` by each, at `q2` (GeV^2) and a K pi mass (GeV); `None` outside phase space.
    pub(super) fn derivatives(&self, decay: &Decay, q2: f64, m_kpi: f64) -> Option<Vec<Angular>> {
        let (point, own) = decay.amplitudes(q2, m_kpi)?;
        let angular = |amplitudes: TransversityAmplitudes| {
            exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(&point, &amplitudes))
        };
        let constant = angular(own);
        let of = |parameter: &Parameter| {
            let derivative: AngularCoefficients = match parameter {
                Parameter::Varied(pair) => {
                    let [up, down] = [0, 1].map(|i| pair[i].angular_coefficients(q2, m_kpi));
                    (up - down) * 0.5
                }
                Parameter::Correction(correction) => {
                    let unit = decay.corrections(q2, m_kpi, correction)?;
                    angular(own + unit) - constant - angular(unit)
                }
            };
            Some(derivative.as_array())
        };
        self.0.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonShifts};

    use super::*;

    /// In the model `full` the corrections are inputs, too.
    #[test]
    fn charm_is_what_the_model_full_makes_of_its_inputs() {
        let parameters = Parameters::standard();
        let of = |parameters: &Parameters| {
            let shifts = WilsonShifts::default();
            Decay::with_parameters(ModelName::Full, Flavour::B0bar, Lepton::Muon, &shifts, parameters)
        };
        let nuisances = Nuisances::new(&[Nuisance::Charm], parameters, Flavour::B0bar, of).unwrap();
        assert_eq!(nuisances.len(), 18);
        let own = of(parameters).unwrap();
        let entries: Vec<_> =
            parameters.iter().filter(|(name, _)| name.starts_with("subleading_neutral_kstar_")).collect();
        let derivatives = nuisances.derivatives(&own, 3.0, 0.9).unwrap();
        let mut changed = 0;
        for ((name, entry), derivative) in entries.into_iter().zip(derivatives) {
            let moved = |sign: f64| {
                let parameters = parameters.clone().with_value(name, sign * entry.uncertainty).unwrap();
                of(&parameters).unwrap().angular_coefficients(3.0, 0.9)
            };
            let expected = ((moved(1.0) - moved(-1.0)) * 0.5).as_array();
            let scale = own.angular_coefficients(3.0, 0.9).rate();
            changed += i32::from(derivative.iter().any(|x| x.abs() > 1e-4 * scale));
            let error = derivative.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 1e-10 * scale, "{name}: {error:e} of {scale:e}");
        }
        // At low q2 all but those of high q2.
        assert!(changed >= 10, "{changed}");
    }

    #[test]
    fn groups_have_names() {
        assert_eq!("charm".parse::<Nuisance>().unwrap(), Nuisance::Charm);
        assert!("charme".parse::<Nuisance>().unwrap_err().to_string().contains("form-factors"));
    }
}
