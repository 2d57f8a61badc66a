//! The estimators of a run: its network, and those that know the density that its card says.

use std::ops::ControlFlow;

use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_schemas::Invalid;
use humboldt_schemas::card::{Effects, RunCard, Split};

use super::RunFolder;
use crate::error::Error;
use crate::infer::density::EventFamily;
use crate::infer::estimator::{
    Estimate, Estimator, ImagedSample, MomentsFit, TemplateEstimator, UnbinnedFit,
};
use crate::infer::template::Templates;
use crate::infer::{InferError, Interval};
use crate::learn::calibration::Value;
use crate::learn::{Compute, Event, ImageSource, LearnError, Model};
use crate::sampling;

/// Distance of the delta C9 that templates are tabulated at, and how far beyond the training values they go.
const TEMPLATES: (f64, f64) = (0.1, 1.0);

/// Names of all estimators, in the order of tables.
pub const NAMES: [&str; 4] = ["network", "unbinned", "template", "moments"];

/// The density of a card's events with the coefficients that are learned as its shifts.
///
/// # Errors
/// When the physics refuses the card.
pub fn family(card: &RunCard) -> Result<EventFamily, Error> {
    let decay = card.generator.own_decay()?;
    let line_shape = card.generator.line_shape;
    let windows = sampling::windows(&card.generator)?.of(&decay, line_shape)?;
    let directions = card.axes()?.directions();
    let (efficiency, s_wave) = sampling::effects_of_signal(&card.generator, &decay)?;
    Ok(EventFamily::with_effects(&decay, line_shape, &windows, &directions, efficiency, s_wave)?)
}

/// The shifts of the only coefficient that a card trains on, in rising order.
///
/// # Errors
/// When the card is refused.
pub fn training_values(card: &RunCard) -> Result<Vec<f64>, Error> {
    let points = card.data().points()?.into_iter().filter(|p| p.count(Split::Train) > 0);
    Ok(points.map(|p| p.shifts[0]).collect())
}

/// The estimator of a name in [`NAMES`].
///
/// # Errors
/// For another name; when the run has no whole network, or one for other images than its card's.
pub fn estimator<'a>(
    name: &str,
    run: &RunFolder,
    family: &'a EventFamily,
    compute: &Compute,
) -> Result<Box<dyn Estimator + 'a>, Error> {
    let card = run.card();
    let effects = &card.generator.effects;
    // S-wave and acceptance are in the density.
    let rest = match name {
        "network" => Effects::default(),
        _ => Effects { s_wave: None, acceptance: None, ..effects.clone() },
    };
    if let Some(rest) = rest.names() {
        let allowed = format!("network: {name} knows nothing of {rest}");
        return Err(Error::setting("estimators", name, allowed));
    }
    Ok(match name {
        "network" => Box::new(Network::load(run, compute)?),
        "unbinned" => Box::new(UnbinnedFit { family }),
        "template" => {
            let values = training_values(card)?;
            let (step, margin) = TEMPLATES;
            let (low, high) = (values[0] - margin, values[values.len() - 1] + margin);
            let steps = ((high - low) / step).ceil() as usize;
            let values: Vec<f64> = (0..=steps).map(|k| low + step * k as f64).collect();
            Box::new(TemplateEstimator {
                templates: Templates::new(family, card.images.bins, card.images.events, &values)?,
            })
        }
        "moments" => Box::new(MomentsFit::new(family, card.images.events)?),
        _ => return Err(Error::setting("estimators", name, NAMES.join(", "))),
    })
}

/// The network of a run.
struct Network(Model);

impl Network {
    fn load(run: &RunFolder, compute: &Compute) -> Result<Self, Error> {
        let model = Model::load(&run.model(), compute)?;
        check(&model, run.card().images.bins, Some(run.card().images.events))?;
        Ok(Self(model))
    }
}

/// Refuses images of another kind than a network was trained on.
///
/// # Errors
/// When their bins or, where known, their numbers of events differ.
pub fn check(model: &Model, bins: usize, events: Option<usize>) -> Result<(), Error> {
    let info = model.info();
    let own = |number: usize| format!("{number}, of which the network's images were");
    Invalid::unless(info.bins == bins, "bins", bins, own(info.bins))?;
    let other = events.filter(|events| *events != info.events);
    let got = other.unwrap_or_default();
    Ok(Invalid::unless(other.is_none(), "events of an image", got, own(info.events))?)
}

impl Estimator for Network {
    fn name(&self) -> &'static str {
        NAMES[0]
    }

    fn estimates(&self, samples: &[ImagedSample]) -> Vec<Result<Estimate, InferError>> {
        let source = Images { samples, bins: self.0.info().bins };
        let failed = |what: String| vec![Err(InferError::Events { what }); samples.len()];
        match self.0.estimates(&source, &|_: Event| ControlFlow::Continue(())) {
            Ok(Some(estimates)) => estimates
                .into_iter()
                .map(|e| {
                    let Value { value, minus, plus } = e.values[0];
                    let known = minus.is_some() || plus.is_some();
                    let interval = known.then_some(Interval { minus, plus });
                    let finite = value.is_finite();
                    finite
                        .then_some(Estimate { value, interval })
                        .ok_or_else(|| InferError::out_of_range("prediction", value, "a finite number"))
                })
                .collect(),
            Ok(None) => failed("the prediction was broken off".to_owned()),
            Err(error) => failed(error.to_string()),
        }
    }
}

/// The images and events of samples in memory, whose coefficients nobody knows.
pub struct Images<'a> {
    /// The samples.
    pub samples: &'a [ImagedSample],
    /// Cells of an axis of their images.
    pub bins: usize,
}

impl ImageSource for Images<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn bins(&self) -> usize {
        self.bins
    }

    fn labels(&self, _: usize) -> Vec<f64> {
        vec![f64::NAN]
    }

    fn size(&self, index: usize) -> Option<usize> {
        Some(self.samples[index].events.len())
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        let from = &self.samples[index].image;
        if from.len() != image.len() {
            let reason = format!("{} cells in place of {}", from.len(), image.len());
            return Err(LearnError::Image { index, reason });
        }
        image.copy_from_slice(from);
        Ok(())
    }

    fn events(&self, index: usize, most: usize, events: &mut MeasuredEvents) -> Result<(), LearnError> {
        let from = &self.samples[index].events;
        *events = MeasuredEvents { events: from.rows(0..most.min(from.len())), ..MeasuredEvents::default() };
        Ok(())
    }
}
