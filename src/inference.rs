//! Coefficients of measured events, by a trained network or by learned ratios.

use std::path::Path;

use humboldt_physics::wilson::Part;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::{Signs, signs};
use humboldt_pipeline::store::{EventReader, More};
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::RunCard;
use humboldt_schemas::inference::{Assumed, Inferred, InferredBackground, InferredCoefficient};
use humboldt_schemas::layout::Layout;

use crate::Error;
use crate::assumptions::{assumed, differences, emptiness};
use crate::guards::{self, doubts};
use crate::infer::closure::STRANGE;
use crate::infer::density::EventFamily;
use crate::infer::estimator::ImagedSample;
use crate::infer::mixture::Fraction;
use crate::infer::nuisances::Nuisance;
use crate::learn::{ImageEstimate, LearnError, Model};
use crate::ratio::model::{FEWEST, FittedSample, RatioModel};
use crate::ratio::source::has_imaginary_shifts;
use crate::ratio::table::Table;
use crate::run::estimators::Images;
use crate::sampling;

/// A file of events whose coefficients are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The events, each of which counts as one.
    pub file: &'a Path,
    /// Layout of the file; none of humboldt's own columns.
    pub layout: Option<&'a Layout>,
    /// Whether events outside the windows in q2 that the network learned from are left out; they are refused otherwise.
    pub select: bool,
}

/// The coefficients of the events of a file.
#[derive(Debug)]
pub struct Answer {
    /// The coefficients, with what is assumed and what makes them doubtful.
    pub inferred: Inferred,
    /// Events of the file.
    pub all: usize,
    /// Number of them that were left out, outside the windows.
    pub left_out: usize,
}

/// Asks a network over events or images.
///
/// # Errors
/// When the file cannot be read, has weights, has events outside the windows that are not to be left out, or another number of events
/// than the network takes.
pub fn by_network(model: &Model, question: Question) -> Result<Answer, Error> {
    let info = model.info();
    let card = RunCard::of_provenance(&info.provenance).map_err(Error::NoCard)?;
    let directions = card.axes()?.directions();
    let (all, events, mut warnings) = question.events(&card)?;
    info.check_events(events.len())?;
    let estimate = if info.architecture.takes_events() {
        model.estimate_events(&events)?
    } else {
        of_image(model, &events)?
    };
    warnings.extend(empty_stretches(&card, &events, &estimate)?);
    warnings.extend(doubt(model, &estimate));
    let parameters = info.parameters.iter().zip(&estimate.values);
    let parameters = parameters.map(|(parameter, found)| InferredCoefficient {
        name: parameter.coefficient.clone(),
        value: found.value,
        minus: found.minus,
        plus: found.plus,
    });
    let inferred = Inferred {
        p_value: estimate.p_value,
        correlation: estimate.correlation,
        ..inferred(parameters.collect(), assumed(&card.generator, &directions)?, events.len(), &warnings)
    };
    Ok(Answer { inferred, all, left_out: all - events.len() })
}

/// Asks learned ratios; with what is known of the fraction of background, by default what their card says, and groups of nuisance parameters that
/// are profiled.
///
/// # Errors
/// As [`by_network`]; when the fit finds no minimum, a fraction is given where there is no background, or nothing is known of a group.
pub fn by_ratios(
    model: &RatioModel,
    question: Question,
    fraction: Option<Fraction>,
    nuisances: &[Nuisance],
) -> Result<Answer, Error> {
    let card = &model.card;
    let directions = card.axes()?.directions();
    let reader = question.open(More::EverythingMeasured)?;
    let mut warnings = match reader.provenance().map(|p| p.generator.clone()) {
        Some(mut made) => {
            // What detector and selection of a simulation in files did, the card does not say.
            if card.simulation.as_ref().is_some_and(|simulation| !simulation.files.is_empty()) {
                made.effects.clone_from(&card.generator.effects);
            }
            differences(&made, &card.generator, &directions)?
        }
        None => reader.notes().to_vec(),
    };
    let table = Table::of(reader, question.file, card, &model.variables)?;
    question.check(card, table.events.len(), table.outside())?;
    // Detector and wrong tags are in what was learned.
    let signs = signs(question.file, question.layout)?;
    warnings.extend(guards::of_signs(&Signs { smeared: 0, wrong_tags: 0, ..signs }));
    table.of_one_flavour(has_imaginary_shifts(&card.generator)?, question.file, card)?;
    let told = model.variables.told(&table.events, &table.own);
    let sample = model.sample_of_both(&told, &table.other_flavour)?;
    if let Some(few) = sample.iter().map(|part| part.mean.events).find(|events| *events < FEWEST) {
        let what = format!(
            "{few} events of one of two flavours are not allowed; allowed: at least {FEWEST} of each, or none"
        );
        return Err(Error::file(question.file, what));
    }
    let fitted = model.fitted(&sample, fraction, nuisances)?;
    warnings.extend(doubts_of_ratios(model, &fitted, table.events.len())?);
    let inferred = Inferred {
        p_value: Some(fitted.p_value),
        background: fitted.fraction.map(|(fraction, sigma)| InferredBackground { fraction, sigma }),
        simulated_events: Some(fitted.effective_events),
        nuisances: Nuisance::names(nuisances),
        correlation: fitted.correlation,
        ..inferred(fitted.parameters, assumed(&card.generator, &directions)?, table.events.len(), &warnings)
    };
    Ok(Answer { inferred, all: table.all, left_out: table.outside() })
}

/// Opens a file of events, each of which counts as one.
pub(crate) fn open_unweighted(
    path: &Path,
    layout: Option<&Layout>,
    more: More,
) -> Result<EventReader, Error> {
    let reader = EventReader::open_as(path, layout, more)?;
    if !reader.is_weighted() {
        return Ok(reader);
    }
    let column =
        layout.and_then(|layout| layout.weight.as_deref()).unwrap_or("weight").replace('|', "` or `");
    Err(Error::Weighted { path: path.to_owned(), column })
}

impl Question<'_> {
    fn open(&self, more: More) -> Result<EventReader, Error> {
        open_unweighted(self.file, self.layout, more)
    }

    /// The number of all events, those in the windows, and where the network does not assume what their file says.
    fn events(&self, card: &RunCard) -> Result<(usize, EventBatch, Vec<String>), Error> {
        let reader = self.open(More::MassIfThere)?;
        let mut different = match reader.provenance().map(|p| &p.generator) {
            Some(made) => differences(made, &card.generator, &card.axes()?.directions())?,
            None => Vec::new(),
        };
        let generator = &card.generator;
        let mut reader = reader.of_decay(&generator.own_decay()?);
        let events = reader.read_rest()?;
        different.extend(doubts(&reader, self.file, self.layout, &events.q2)?);
        let windows = sampling::resolved_windows(generator)?;
        let keep: Vec<bool> = events.q2.iter().map(|q2| sampling::holds(&windows, *q2)).collect();
        let (all, inside) = (events.len(), events.filtered(&keep));
        self.check(card, inside.len(), all - inside.len())?;
        Ok((all, inside, different))
    }

    /// Refuses events outside the windows, unless they may be left out, and few events.
    fn check(&self, card: &RunCard, inside: usize, outside: usize) -> Result<(), Error> {
        if outside > 0 && !self.select {
            let ranges = sampling::in_words(&sampling::resolved_windows(&card.generator)?);
            return Err(Error::Outside { path: self.file.to_owned(), outside, ranges });
        }
        if inside < FEWEST {
            let what = format!("{inside} events are not allowed; allowed: at least {FEWEST}");
            return Err(Error::file(self.file, what));
        }
        Ok(())
    }
}

/// An answer of either kind of network.
fn inferred(
    parameters: Vec<InferredCoefficient>,
    assumed: Assumed,
    events: usize,
    warnings: &[String],
) -> Inferred {
    let c9 = parameters.iter().find(|p| p.name == "c9");
    Inferred {
        delta_c9: c9.map(|p| p.value),
        minus: c9.and_then(|p| p.minus),
        plus: c9.and_then(|p| p.plus),
        p_value: None,
        events,
        background: None,
        simulated_events: None,
        nuisances: Vec::new(),
        correlation: Vec::new(),
        assumed,
        warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        parameters,
    }
}

/// Stretches without events at what the network found.
fn empty_stretches(
    card: &RunCard,
    events: &EventBatch,
    estimate: &ImageEstimate,
) -> Result<Vec<String>, Error> {
    let directions = card.axes()?.directions();
    let generator = &card.generator;
    let shifts = directions.iter().fold(generator.shifts()?, |shifts, direction| {
        let own = shifts.get(direction.coefficient);
        shifts.moved(*direction, if direction.part == Part::Real { -own.re } else { -own.im })
    });
    let decay = generator.decay(&shifts)?;
    let line_shape = generator.line_shape;
    let windows = sampling::windows(generator)?.of(&decay, line_shape)?;
    let family = EventFamily::new(&decay, line_shape, &windows, &directions)?;
    let found: Vec<f64> = estimate.values.iter().map(|found| found.value).collect();
    Ok(emptiness(&family, events, &found))
}

/// By a network over images or cells.
pub(crate) fn of_image(model: &Model, events: &EventBatch) -> Result<ImageEstimate, Error> {
    let bins = model.info().bins;
    let mut sample = ImagedSample { events: events.clone(), image: vec![0.0; bins.pow(3)] };
    Voxeliser::new(bins)?.voxelise(events.angles(), &mut sample.image)?;
    let images = Images { samples: std::slice::from_ref(&sample), bins };
    let estimates = model.estimates(&images, &())?;
    let first = estimates.and_then(|all| all.into_iter().next());
    first.ok_or_else(|| LearnError::Image { index: 0, reason: "no answer".to_owned() }.into())
}

/// Reason that makes an answer doubtful.
fn doubt(model: &Model, estimate: &ImageEstimate) -> Option<String> {
    if let Some(p) = estimate.p_value.filter(|p| *p < STRANGE) {
        return Some(format!(
            "the events do not follow the density that the network learned from (p-value {p:.1e}): the value means little"
        ));
    }
    for (parameter, found) in model.info().parameters.iter().zip(&estimate.values) {
        let [low, high] = parameter.range;
        if !(low..=high).contains(&found.value) {
            let name = &parameter.coefficient;
            return Some(format!("{name} outside the values that the network learned, {low} to {high}"));
        }
    }
    let mut sides = estimate.values.iter().flat_map(|found| [found.minus, found.plus]);
    let known = sides.all(|side| side.is_some());
    (!known).then(|| match &model.info().calibration {
        Some(_) => "the interval is open: it leaves the range of the calibration".to_owned(),
        None => {
            "this network knows no interval; one whose loss is gaussian or quantile, or over events, does"
                .to_owned()
        }
    })
}

/// Reasons that make an answer of learned ratios doubtful.
fn doubts_of_ratios(model: &RatioModel, fitted: &FittedSample, events: usize) -> Result<Vec<String>, Error> {
    let mut doubts = model.doubts.clone();
    if fitted.p_value < STRANGE {
        doubts.push(format!(
            "the events do not look like those that the network learned from (p-value {:.1e}): the values mean little",
            fitted.p_value
        ));
    }
    if fitted.effective_events < 2.0 * events as f64 {
        doubts.push(format!(
            "effectively {:.0} simulated events for {events} of data there: they alone widen the intervals by {:.0} %, which these hold",
            fitted.effective_events,
            100.0 * ((1.0 + events as f64 / fitted.effective_events).sqrt() - 1.0)
        ));
    }
    for (axis, found) in model.card.axes()?.iter().zip(&fitted.parameters) {
        if !axis.contains(found.value) {
            let [low, high] = axis.range;
            doubts
                .push(format!("{} outside the values that the network learned, {low} to {high}", found.name));
        }
        if found.minus.is_none() || found.plus.is_none() {
            doubts.push(format!("the interval of {} is open", found.name));
        }
    }
    Ok(doubts)
}
