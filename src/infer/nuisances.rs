//! Nuisance parameters of the density of events: form factors and hadronic corrections, in units of their uncertainties.

use humboldt_physics::subleading::KstarSubleading;
use humboldt_physics::uncertainty::Variation;
use humboldt_physics::{Channel, Decay, Hadron, Parameters, PhysicsError};
pub use humboldt_schemas::card::Nuisance;

use super::tabulated::Angular;

/// The nuisance parameters of a decay: independent ones of unit variance, each by its group, and by the decay one unit up and one down, between
/// which rates are quadratic.
#[derive(Debug, Clone, Default)]
pub struct Nuisances(Vec<(Nuisance, [Decay; 2])>);

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
                all.push((Nuisance::FormFactors, pair));
            }
        }
        let charge = if flavour.is_charged() { "charged" } else { "neutral" };
        let prefix = format!("subleading_{charge}_kstar_");
        if groups.contains(&Nuisance::Charm) {
            let own = decay(parameters)?;
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
                let one = |size: f64| {
                    let moved = none.clone().with_value(name, size * uncertainty)?;
                    Ok::<_, PhysicsError>(own.with_corrections(KstarSubleading::new(flavour, &moved)?))
                };
                all.push((Nuisance::Charm, [one(1.0)?, one(-1.0)?]));
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

    /// Group of each, and the decay one unit up and one down.
    pub fn iter(&self) -> impl Iterator<Item = (Nuisance, &[Decay; 2])> {
        self.0.iter().map(|(group, pair)| (*group, pair))
    }

    /// The derivative of `J_1s..J_9` by each, at `q2` (GeV^2) and a K pi mass (GeV); 0 outside phase space.
    pub(super) fn derivatives(&self, q2: f64, m_kpi: f64) -> impl Iterator<Item = Angular> {
        self.0.iter().map(move |(_, pair)| {
            let [up, down] = pair.map(|decay| decay.angular_coefficients(q2, m_kpi));
            ((up - down) * 0.5).as_array()
        })
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
        let derivatives = nuisances.derivatives(3.0, 0.9);
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
}
