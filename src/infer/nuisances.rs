//! Nuisance parameters of the density of events: form factors and hadronic corrections, in units of their uncertainties.

use humboldt_physics::subleading::KstarSubleading;
use humboldt_physics::uncertainty::Variation;
use humboldt_physics::{Channel, Decay, Flavour, Hadron, Parameters, PhysicsError};
pub use humboldt_schemas::card::Nuisance;

use super::tabulated::Angular;

/// The nuisance parameters of a decay: independent ones of unit variance, each by its group, and by the decay one unit up and one down, between
/// which rates are quadratic.
#[derive(Debug, Clone, Default)]
pub struct Nuisances(Vec<(Nuisance, [Decay; 2])>);

/// The nuisance parameters of a decay, and the decay at any values of them.
pub struct NuisanceSpace<'a, F> {
    variation: Variation<'a>,
    flavour: Flavour,
    /// Places of the form factors' among the independent normals of all inputs.
    form_factors: Vec<usize>,
    /// Inputs of the charm loop, all 0.
    none: Parameters,
    /// Names and uncertainties of these inputs.
    charm: Vec<(String, f64)>,
    decay: F,
}

impl<'a, F> NuisanceSpace<'a, F> {
    /// Of some groups; `decay` makes the decay of given inputs.
    ///
    /// # Errors
    /// When an input is missing.
    pub fn new<E: From<PhysicsError>>(
        groups: &[Nuisance],
        parameters: &'a Parameters,
        flavour: Flavour,
        decay: F,
    ) -> Result<Self, E>
    where
        F: Fn(&Parameters) -> Result<Decay, E>,
    {
        let variation = Variation::new(parameters)?;
        let prefix = format!("{}_", Channel::of(flavour, Hadron::Kstar)?.form_factors);
        let of_form_factors = |(_, name): &(usize, &str)| name.starts_with(&prefix);
        let places = variation.names().enumerate().filter(of_form_factors).map(|(place, _)| place);
        let mut form_factors: Vec<usize> = places.collect();
        if !groups.contains(&Nuisance::FormFactors) {
            form_factors.clear();
        }
        let charge = if flavour.is_charged() { "charged" } else { "neutral" };
        let prefix = format!("subleading_{charge}_kstar_");
        let entries = parameters.iter().filter(|(name, _)| name.starts_with(&prefix));
        let charm: Vec<(String, f64)> = if groups.contains(&Nuisance::Charm) {
            entries.map(|(name, entry)| (name.to_owned(), entry.uncertainty)).collect()
        } else {
            Vec::new()
        };
        let mut none = parameters.clone();
        for (name, _) in &charm {
            none = none.with_value(name, 0.0)?;
        }
        Ok(Self { variation, flavour, form_factors, none, charm, decay })
    }

    /// Group of each parameter.
    pub fn groups(&self) -> Vec<Nuisance> {
        let of = |group: Nuisance, number: usize| std::iter::repeat_n(group, number);
        of(Nuisance::FormFactors, self.form_factors.len())
            .chain(of(Nuisance::Charm, self.charm.len()))
            .collect()
    }

    /// The decay at values of all parameters, in units of their standard deviations.
    ///
    /// # Errors
    /// When an input is refused.
    pub fn at<E: From<PhysicsError>>(&self, values: &[f64]) -> Result<Decay, E>
    where
        F: Fn(&Parameters) -> Result<Decay, E>,
    {
        let mut normals = vec![0.0; self.variation.dimension()];
        let (of_form_factors, of_charm) = values.split_at(self.form_factors.len());
        for (place, value) in self.form_factors.iter().zip(of_form_factors) {
            normals[*place] = *value;
        }
        let decay = (self.decay)(&self.variation.varied(&normals)?)?;
        if of_charm.iter().all(|value| *value == 0.0) {
            return Ok(decay);
        }
        let mut moved = self.none.clone();
        for ((name, uncertainty), value) in self.charm.iter().zip(of_charm) {
            moved = moved.with_value(name, value * uncertainty)?;
        }
        Ok(decay.with_corrections(KstarSubleading::new(self.flavour, &moved)?))
    }

    /// The decay one unit up and one down along each parameter.
    ///
    /// # Errors
    /// When an input is refused.
    pub fn pairs<E: From<PhysicsError>>(&self) -> Result<Nuisances, E>
    where
        F: Fn(&Parameters) -> Result<Decay, E>,
    {
        let groups = self.groups();
        let unit = |place: usize, size: f64| {
            let mut values = vec![0.0; groups.len()];
            values[place] = size;
            self.at(&values)
        };
        let pair = |(place, group): (usize, &Nuisance)| Ok((*group, [unit(place, 1.0)?, unit(place, -1.0)?]));
        Ok(Nuisances(groups.iter().enumerate().map(pair).collect::<Result<_, E>>()?))
    }
}

impl Nuisances {
    /// Some groups of them; `decay` makes the decay of given inputs.
    ///
    /// # Errors
    /// When an input is missing or refused.
    pub fn new<E: From<PhysicsError>>(
        groups: &[Nuisance],
        parameters: &Parameters,
        flavour: Flavour,
        decay: impl Fn(&Parameters) -> Result<Decay, E>,
    ) -> Result<Self, E> {
        NuisanceSpace::new(groups, parameters, flavour, decay)?.pairs()
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
    use humboldt_physics::{Lepton, ModelName, WilsonShifts};

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
