//! Coefficients of a file of images by a run's network, with intervals.
//!
//! Those of one coefficient are calibrated by its ensembles; of several, the network's own calibration gives them.

use std::ops::ControlFlow;
use std::path::Path;

use humboldt_physics::{Axis, WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::store::ImageReader;
use humboldt_schemas::card::RunCard;
use humboldt_schemas::comparison::{ONE_SIGMA, PredictedImage};
use humboldt_schemas::voxels::label;

use super::estimators::{check, training_values};
use super::{RunFolder, compared, evaluation, limits};
use crate::assumptions::differences;
use crate::error::{Error, Place, with_reasons};
use crate::infer::neyman::{NeymanCalibration, too_few_for_coverage};
use crate::learn::calibration::{ImageEstimate, Value};
use crate::learn::{Compute, Event, ImageSource, LearnError, Model};
use crate::progress::note;
use crate::report;
use crate::sampling;

/// Predicts every image of a file.
///
/// # Errors
/// When the run has no network or no ensembles yet; when the images have other bins, another number of events, other
/// windows in q2, or no events at all.
pub fn predict(run: &RunFolder, images: &Path, compute: &Compute) -> Result<Vec<PredictedImage>, Error> {
    let axes = run.card().axes()?;
    let [axis] = axes.iter().as_slice() else { return predict_several(run, images, compute) };
    let file = compared::calibration_file(&run.results().join("compare"), "network");
    if !file.exists() {
        limits::intervals(run.card())?;
        if let Some(few) = too_few_for_coverage(limits::fewest_test_images(run.card())?, "test images") {
            note(few);
        }
    }
    let model = Model::load(&run.model(), compute)?;
    let reader = ImageReader::open(images)?;
    let named = || images.display().to_string();
    refuse_others(&model, run.card(), &reader).place(named)?;
    let calibration = calibration(run, &file)?;
    let source = File { reader: &reader, range: range(run.card())? };
    let raw = model.predict(&source, &|_: Event| ControlFlow::Continue(()));
    let raw = raw.place(named)?.unwrap_or_default();
    let belts = [calibration.belt(ONE_SIGMA), calibration.belt(0.95)];
    let (lowest, highest) = calibration.range();
    let [below, above] = [belts[1].edges_at(lowest)[0], belts[1].edges_at(highest)[1]];
    let image = |(image, raw): (usize, &f64)| {
        let [one, two] = [0, 1].map(|i| belts[i].interval(*raw));
        let value = calibration.calibrated(*raw);
        let range = if *raw < below {
            "below"
        } else if *raw > above {
            "above"
        } else {
            "inside"
        };
        PredictedImage {
            image,
            coefficient: axis.direction.to_string(),
            label: label_of(&reader, image, axis.direction),
            raw: *raw,
            value,
            delta_c9: value.filter(|_| is_c9(axis.direction)),
            low_68: one.and_then(|span| span.low),
            high_68: one.and_then(|span| span.high),
            low_95: two.and_then(|span| span.low),
            high_95: two.and_then(|span| span.high),
            range: range.to_owned(),
        }
    };
    Ok(raw.iter().enumerate().map(image).collect())
}

/// All coefficients of every image of a file, with the intervals that the network itself was calibrated to give.
fn predict_several(run: &RunFolder, images: &Path, compute: &Compute) -> Result<Vec<PredictedImage>, Error> {
    let axes = run.card().axes()?;
    let model = Model::load(&run.model(), compute)?;
    let reader = ImageReader::open(images)?;
    let named = || images.display().to_string();
    refuse_others(&model, run.card(), &reader).place(named)?;
    let source = File { reader: &reader, range: range(run.card())? };
    let estimates = model.estimates(&source, &|_: Event| ControlFlow::Continue(()));
    let estimates = estimates.place(named)?.unwrap_or_default();
    let one = |image: usize, axis: &Axis, found: Value| {
        let [low, high] = axis.range;
        let range = match found.value {
            x if x < low => "below",
            x if x > high => "above",
            _ => "inside",
        };
        PredictedImage {
            image,
            coefficient: axis.direction.to_string(),
            label: label_of(&reader, image, axis.direction),
            raw: found.value,
            value: Some(found.value),
            delta_c9: Some(found.value).filter(|_| is_c9(axis.direction)),
            low_68: found.minus.map(|minus| found.value - minus),
            high_68: found.plus.map(|plus| found.value + plus),
            low_95: None,
            high_95: None,
            range: range.to_owned(),
        }
    };
    let of_image = |(image, estimate): (usize, ImageEstimate)| {
        let pairs = axes.iter().zip(estimate.values);
        pairs.map(|(axis, found)| one(image, axis, found)).collect::<Vec<_>>()
    };
    Ok(estimates.into_iter().enumerate().flat_map(of_image).collect())
}

/// The shift of a direction that the file gives an image.
fn label_of(reader: &ImageReader, image: usize, direction: WilsonDirection) -> Option<f64> {
    let place = reader.directions().iter().position(|own| *own == direction)?;
    reader.label(image).get(place).copied().filter(|label| label.is_finite())
}

fn is_c9(direction: WilsonDirection) -> bool {
    direction == WilsonDirection::real(WilsonCoefficient::C9)
}

/// The ensembles of known shifts: those of a comparison where there was one, else the run's test images.
fn calibration(run: &RunFolder, file: &Path) -> Result<NeymanCalibration, Error> {
    let trained = training_values(run.card())?;
    let predictions = if file.exists() {
        report::read_predictions_parquet(file, &label(run.card().axes()?.directions()[0]))?
    } else {
        evaluation::read(run)?.0.swap_remove(0).predictions
    };
    let known: Vec<(f64, Vec<f64>)> = predictions
        .into_iter()
        .filter(|p| trained.iter().any(|x| x.to_bits() == p.truth.to_bits()))
        .map(|p| (p.truth, p.values))
        .collect();
    NeymanCalibration::new(&known).place(|| "intervals of the predictions".to_owned())
}

/// Lowest and highest mean q2 (GeV^2) that a cell can have.
fn range(card: &RunCard) -> Result<(f64, f64), Error> {
    let windows = sampling::resolved_windows(&card.generator)?;
    Ok((windows[0].0, windows[windows.len() - 1].1))
}

/// Images that the network was not trained for.
fn refuse_others(model: &Model, card: &RunCard, reader: &ImageReader) -> Result<(), Error> {
    check(model, reader.bins(), None)?;
    let expected = model.info().events;
    let provenance = reader.provenance();
    match reader.events() {
        Some(events) => {
            if let Some((image, n)) = events.iter().enumerate().find(|(_, n)| **n != expected as u64) {
                check(model, reader.bins(), Some(usize::try_from(*n).unwrap_or(usize::MAX)))
                    .place(|| format!("image {image}"))?;
            }
        }
        None => match provenance.and_then(|p| p.events_per_image) {
            Some(events) => check(model, reader.bins(), Some(events))?,
            None => note(format!(
                "the file does not say how many events an image has: the answers hold for {expected} only"
            )),
        },
    }
    if let Some(made) = provenance.map(|p| &p.generator) {
        // However they are written.
        let own = &card.generator;
        let (theirs, ours) = (sampling::resolved_windows(made)?, sampling::resolved_windows(own)?);
        if theirs != ours {
            let [got, allowed] = [theirs, ours].map(|windows| sampling::in_words(&windows));
            return Err(Error::Windows { got, allowed });
        }
        for difference in differences(made, own, &card.axes()?.directions())? {
            note(format!("WARNING: {difference} by the network"));
        }
    }
    Ok(())
}

/// The images of a file, each of which must have events, all of them inside the window.
struct File<'a> {
    reader: &'a ImageReader,
    range: (f64, f64),
}

impl ImageSource for File<'_> {
    fn len(&self) -> usize {
        self.reader.len()
    }

    fn bins(&self) -> usize {
        self.reader.bins()
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        self.reader.label(index).to_vec()
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        let refused = |reason: String| LearnError::Image { index, reason };
        self.reader.read(index, image).map_err(|e| refused(with_reasons(&e)))?;
        let (low, high) = self.range;
        let outside = |q2: &&f32| **q2 != 0.0 && !(low * 0.999..=high * 1.001).contains(&f64::from(**q2));
        if let Some(q2) = image.iter().find(outside) {
            return Err(refused(format!(
                "mean q2 = {q2} of a cell; allowed: {low} to {high} GeV^2, 0 where empty"
            )));
        }
        if image.iter().all(|q2| *q2 == 0.0) {
            return Err(refused("no events".to_owned()));
        }
        Ok(())
    }
}
