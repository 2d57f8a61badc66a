//! The third stage of a run: test ensembles through the best network.

use std::fs;
use std::ops::ControlFlow;
use std::time::Instant;

use humboldt_physics::{WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::store::ImageReader;
use humboldt_schemas::card::{DatasetPoint, Prior, RunCard, Split};
use humboldt_schemas::results::{EnsembleResult, Summary};
use humboldt_schemas::voxels::label;
use serde::{Deserialize, Serialize};

use super::{RunFolder, timing};
use crate::campaign::live::{LiveImages, widened};
use crate::campaign::{CampaignImages, Shard};
use crate::error::{AtPath, Error, Place, read_json};
use crate::infer::ensembles::{ensemble, summary};
use crate::learn::{Compute, Event, ImageSource, Model, model};
use crate::progress::{Progress, note};
use crate::report::{self, Predictions, TrainingValues};

/// Range of delta C9 that slope and bias are quoted for: where the paper quotes them.
const QUOTED_RANGE: [f64; 2] = [-2.0, 0.0];

/// The predictions of all test images and what they say, by each coefficient that was learned.
pub struct Evaluation(pub Vec<Evaluated>);

impl Evaluation {
    /// The first coefficient: C9 where it is among them.
    pub fn first(&self) -> &Evaluated {
        &self.0[0]
    }
}

/// The predictions of one coefficient, over all values of the others.
pub struct Evaluated {
    /// Direction of the coefficient.
    pub direction: WilsonDirection,
    /// In rising order of its shift.
    pub ensembles: Vec<EnsembleResult>,
    /// The predictions of each ensemble.
    pub predictions: Vec<Predictions>,
    /// All of them in a few numbers.
    pub summary: Summary,
    /// The shifts that the network was trained at.
    pub training: TrainingValues,
}

impl Evaluated {
    /// The name of its column in tables.
    pub fn label(&self) -> String {
        label(self.direction)
    }
}

/// The file of a coefficient's results: the first has `ensembles.csv`, another `ensembles_c10.csv`.
pub fn file(place: usize, direction: WilsonDirection, stem: &str, ending: &str) -> String {
    if place == 0 { format!("{stem}{ending}") } else { format!("{stem}_{direction}{ending}") }
}

/// Which network the results are of; written last, so that results without it are made again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    card_hash: String,
    weights_hash: String,
}

impl Origin {
    fn of(run: &RunFolder) -> Result<Self, Error> {
        let weights = run.model().join(model::WEIGHTS_FILE);
        let bytes = fs::read(&weights).at(&weights)?;
        Ok(Self { card_hash: run.card().hash(), weights_hash: blake3::hash(&bytes).to_hex().to_string() })
    }
}

/// Predicts the test ensembles, unless the results of this network are there already.
///
/// # Errors
/// When the network or an image file is missing or damaged, or a result cannot be written.
pub fn evaluate(run: &RunFolder, compute: &Compute) -> Result<Evaluation, Error> {
    let model = Model::load(&run.model(), compute)?;
    let origin = Origin::of(run)?;
    let origin_file = run.results().join(ORIGIN);
    let card = run.card();
    // Every file is opened before anything is computed: a damaged one costs no work.
    let stored = super::training::tested_splits(card).contains(&Split::Test);
    let shards = if stored { run.campaign()?.open_shards(Split::Test)? } else { Vec::new() };
    if read_json::<Origin>(&origin_file).is_ok_and(|o| o == origin) {
        note(format!("evaluate: finished before; the results are in {}", run.results().display()));
        return read(run);
    }
    let start = Instant::now();
    let evaluation = Evaluation::new(card, predict(&model, card, stored.then_some(shards.as_slice()))?)?;
    let results = run.results();
    fs::create_dir_all(&results).at(&results)?;
    for (place, of) in evaluation.0.iter().enumerate() {
        let path = |stem: &str, ending: &str| results.join(file(place, of.direction, stem, ending));
        report::write_predictions_parquet(&path("predictions", ".parquet"), &of.label(), &of.predictions)?;
        report::write_ensembles_csv(&path("ensembles", ".csv"), &of.label(), &of.ensembles)?;
        report::write_json(&path("ensembles", ".json"), &of.ensembles)?;
        report::write_json(&path("summary", ".json"), &of.summary)?;
    }
    report::write_json(&origin_file, &origin)?;
    timing::record(run.root(), "evaluation", start.elapsed(), Some(compute.name().to_string()))?;
    Ok(evaluation)
}

/// Predicts fresh images of the values that a card tests, and keeps nothing.
///
/// # Errors
/// When the images cannot be made, or the device fails.
pub fn of_model(model: &Model, card: &RunCard) -> Result<Evaluation, Error> {
    Evaluation::new(card, predict(model, card, None)?)
}

/// Predictions of a card's test images, from their shards or made anew, by each coefficient.
fn predict(
    model: &Model,
    card: &RunCard,
    shards: Option<&[(Shard, ImageReader)]>,
) -> Result<Vec<Vec<Predictions>>, Error> {
    let data = card.data();
    let points: Vec<_> = data.points()?.into_iter().filter(|p| p.count(Split::Test) > 0).collect();
    let total: usize = points.iter().map(|p| p.count(Split::Test)).sum();
    let progress = Progress::new("evaluate", total as u64, "images");
    // (truth, prediction) of each coefficient.
    let mut pairs: Vec<Vec<(f64, f64)>> = vec![Vec::new(); data.axes()?.len()];
    let mut before = 0;
    for DatasetPoint { shifts, .. } in &points {
        let source: Box<dyn ImageSource> = match shards {
            Some(shards) => Box::new(CampaignImages::new(shards).of(shifts)),
            None => Box::new(LiveImages::of_split(&data, Split::Test, Some(shifts))?),
        };
        let estimates = model.estimates(source.as_ref(), &|event: Event| {
            if let Event::Predicted { done, .. } = event {
                progress.reach((before + done) as u64, "");
            }
            ControlFlow::Continue(())
        })?;
        before += source.len();
        for estimate in estimates.unwrap_or_default() {
            for (pairs, (truth, found)) in pairs.iter_mut().zip(shifts.iter().zip(&estimate.values)) {
                pairs.push((*truth, found.value));
            }
        }
    }
    progress.finish();
    Ok(pairs.into_iter().map(by_truth).collect())
}

/// Ensembles of predictions of the same truth, in rising order of it.
fn by_truth(mut pairs: Vec<(f64, f64)>) -> Vec<Predictions> {
    // Stable: the predictions of a truth keep the order of the images.
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let same = pairs.chunk_by(|a, b| a.0.to_bits() == b.0.to_bits());
    same.map(|all| Predictions { truth: all[0].0, values: all.iter().map(|(_, x)| *x).collect() }).collect()
}

/// Reads the results of an evaluated run.
///
/// # Errors
/// When the run was not evaluated yet, or a result is damaged.
pub fn read(run: &RunFolder) -> Result<Evaluation, Error> {
    let results = run.results();
    if !results.join(ORIGIN).exists() {
        return Err(Error::file(&results, "no results yet; make them with `humboldt evaluate`"));
    }
    let read = |(place, direction): (usize, WilsonDirection)| {
        let path = results.join(file(place, direction, "predictions", ".parquet"));
        Ok(report::read_predictions_parquet(&path, &label(direction))?)
    };
    let directions = run.card().axes()?.directions();
    Evaluation::new(run.card(), directions.into_iter().enumerate().map(read).collect::<Result<_, Error>>()?)
}

impl Evaluation {
    fn new(card: &RunCard, predictions: Vec<Vec<Predictions>>) -> Result<Self, Error> {
        let (points, directions) = (card.data().points()?, card.axes()?.directions());
        let training = training_values(card)?;
        let of = |(place, (direction, predictions)): (usize, (WilsonDirection, Vec<Predictions>))| {
            let training = training[place];
            let listed = |x: f64| {
                let mut own =
                    points.iter().filter(|p| p.count(Split::Train) > 0).map(|p| p.shifts[place].to_bits());
                own.any(|shift| shift == x.to_bits())
            };
            let trained = |x: f64| match training {
                TrainingValues::Listed => listed(x),
                TrainingValues::Uniform([low, high]) => (low..=high).contains(&x),
            };
            let one = |p: &Predictions| ensemble(p.truth, trained(p.truth), &p.values);
            let ensembles = predictions.iter().map(one).collect::<Result<Vec<_>, _>>()?;
            let summary = summary(&card.name, quoted_range(direction, &ensembles), &ensembles)
                .place(|| format!("coefficient {direction}"))?;
            Ok(Evaluated { direction, ensembles, predictions, summary, training })
        };
        Ok(Self(directions.into_iter().zip(predictions).enumerate().map(of).collect::<Result<_, Error>>()?))
    }
}

/// The shifts that the network was trained at, of each coefficient.
fn training_values(card: &RunCard) -> Result<Vec<TrainingValues>, Error> {
    let axes = card.axes()?;
    let uniform = card.training.prior == Prior::Uniform;
    let ranges = widened(&axes, card.training.margin).into_iter();
    Ok(ranges
        .map(|range| if uniform { TrainingValues::Uniform(range) } else { TrainingValues::Listed })
        .collect())
}

/// The paper's range of C9, or all of a run that has fewer than two ensembles in it.
fn quoted_range(direction: WilsonDirection, ensembles: &[EnsembleResult]) -> [f64; 2] {
    let [low, high] = QUOTED_RANGE;
    let c9 = direction == WilsonDirection::real(WilsonCoefficient::C9);
    if c9 && ensembles.iter().filter(|e| (low..=high).contains(&e.truth)).count() >= 2 {
        return QUOTED_RANGE;
    }
    let truths = || ensembles.iter().map(|e| e.truth);
    [truths().fold(f64::INFINITY, f64::min), truths().fold(f64::NEG_INFINITY, f64::max)]
}

const ORIGIN: &str = "origin.json";
