//! Other networks as estimators of the same pseudo-experiments: over events, cells or images.

use humboldt_schemas::card::RunCard;

use super::estimators::{CoefficientEstimate, Estimated, Estimator};
use super::experiments::Experiment;
use super::source::Source;
use crate::assumptions::differences;
use crate::error::Error;
use crate::inference::of_image;
use crate::learn::{LearnError, Model};

/// A network that learned the coefficients of a run of learned ratios from events of the same measurements.
pub(super) struct Network {
    name: String,
    model: Model,
    /// Places of the coefficients among those that it learned.
    places: Vec<usize>,
}

impl Network {
    /// Of a trained network, for pseudo-experiments of so many events; it goes by its card's name.
    ///
    /// # Errors
    /// When it learned other coefficients, from other events, or takes another number of them.
    pub(super) fn new(model: Model, source: &Source, events: usize) -> Result<Self, Error> {
        let (card, own) =
            (source.card(), RunCard::of_provenance(&model.info().provenance).map_err(Error::NoCard)?);
        let refused = |what: String, allowed: &str| {
            Err(Error::setting("networks", format!("{} with {what}", own.name), allowed))
        };
        let known: Vec<&str> = model.info().parameters.iter().map(|p| p.coefficient.as_str()).collect();
        let names = card.axes()?.names();
        let places: Vec<usize> =
            names.iter().filter_map(|name| known.iter().position(|own| own == name)).collect();
        if places.len() != names.len() || known.len() != names.len() {
            return refused(known.join(", "), &format!("a network of {}, as this run", names.join(", ")));
        }
        if let Some(first) = differences(&own.generator, &card.generator, &card.axes()?.directions())?.first()
        {
            return refused(
                first.replace("the file says", "its card says"),
                "a network that learned from the same density",
            );
        }
        model.info().check_events(events)?;
        Ok(Self { name: own.name, model, places })
    }
}

impl Estimator for Network {
    fn name(&self) -> &str {
        &self.name
    }

    fn one(&self, sample: &Experiment, truth: &[f64]) -> Result<Estimated, Error> {
        let estimate = if self.model.info().architecture.takes_events() {
            self.model.estimate_events(&sample.events)?
        } else {
            of_image(&self.model, &sample.events)?
        };
        let of = |(place, truth): (&usize, &f64)| {
            let found = &estimate.values[*place];
            let (towards, other) =
                if *truth < found.value { (found.minus, found.plus) } else { (found.plus, found.minus) };
            // An interval that is open on the side of the truth says nothing of it.
            let side = towards.filter(|side| *side > 0.0)?;
            let sigma = 0.5 * (side + other.unwrap_or(side));
            Some(CoefficientEstimate { value: found.value, sigma, pull: (found.value - truth) / side })
        };
        let coefficients = self.places.iter().zip(truth).map(of).collect::<Option<_>>();
        let open = || LearnError::Image { index: 0, reason: "an open interval".to_owned() };
        Ok(Estimated { coefficients: coefficients.ok_or_else(open)?, p_value: estimate.p_value })
    }

    /// One after another: a network works with all threads on each.
    fn estimates(&self, samples: &[Experiment], truth: &[f64]) -> Vec<Result<Estimated, Error>> {
        samples.iter().map(|sample| self.one(sample, truth)).collect()
    }
}
