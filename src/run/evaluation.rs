//! The third stage of a run: test ensembles through the best network.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use humboldt_pipeline::store::ImageReader;
use humboldt_schemas::card::{RunCard, Split};
use humboldt_schemas::results::{EnsembleResult, Summary};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RunFolder;
use crate::campaign::live::LiveImages;
use crate::campaign::{CampaignImages, Shard};
use crate::infer::ensembles::{ensemble, summary};
use crate::learn::{Compute, Event, ImageSource, Model, model};
use crate::progress::Progress;
use crate::report::{self, Predictions};

/// Range of delta C9 that slope and bias are quoted for: where the paper quotes them.
const QUOTED_RANGE: [f64; 2] = [-2.0, 0.0];

/// The predictions of all test ensembles and what they say.
pub struct Evaluation {
    /// In rising delta C9.
    pub ensembles: Vec<EnsembleResult>,
    /// The predictions of each ensemble.
    pub predictions: Vec<Predictions>,
    /// The run in a few numbers.
    pub summary: Summary,
}

/// Which network the results are of; written last, so that results without it are made again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    card_hash: String,
    weights_hash: String,
}

impl Origin {
    fn of(run: &RunFolder) -> Result<Self> {
        let weights = run.model().join(model::WEIGHTS_FILE);
        let bytes = fs::read(&weights).with_context(|| weights.display().to_string())?;
        Ok(Self { card_hash: run.card().hash(), weights_hash: blake3::hash(&bytes).to_hex().to_string() })
    }
}

/// Predicts the test ensembles, unless the results of this network are there already.
///
/// # Errors
/// When the network or an image file is missing or damaged, or a result cannot be written.
pub fn evaluate(run: &RunFolder, compute: &Compute) -> Result<Evaluation> {
    let model = Model::load(&run.model(), compute)?;
    let origin = Origin::of(run)?;
    let origin_file = run.results().join(ORIGIN);
    let card = run.card();
    // Every file is opened before anything is computed: a damaged one costs no work.
    let stored = super::training::tested_splits(card).contains(&Split::Test);
    let shards = if stored { run.campaign()?.open_shards(Split::Test)? } else { Vec::new() };
    if json::<Origin>(&origin_file).is_ok_and(|o| o == origin) {
        return read(run);
    }
    let predictions = predict(&model, card, stored.then_some(shards.as_slice()))?;
    let evaluation = Evaluation::new(card, predictions)?;
    let results = run.results();
    fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
    report::write_predictions_parquet(&results.join(PREDICTIONS), &evaluation.predictions)?;
    report::write_ensembles_csv(&results.join("ensembles.csv"), &evaluation.ensembles)?;
    report::write_json(&results.join("ensembles.json"), &evaluation.ensembles)?;
    report::write_json(&results.join("summary.json"), &evaluation.summary)?;
    report::write_json(&origin_file, &origin)?;
    Ok(evaluation)
}

/// Predicts fresh images of the values that a card tests, and keeps nothing.
///
/// # Errors
/// When the images cannot be made, or the device fails.
pub fn of_model(model: &Model, card: &RunCard) -> Result<Evaluation> {
    Evaluation::new(card, predict(model, card, None)?)
}

/// Predictions of a card's test ensembles, from their shards or made anew.
fn predict(
    model: &Model,
    card: &RunCard,
    shards: Option<&[(Shard, ImageReader)]>,
) -> Result<Vec<Predictions>> {
    let data = card.data();
    let points: Vec<_> = card.dataset.points().into_iter().filter(|p| p.count(Split::Test) > 0).collect();
    let total: usize = points.iter().map(|p| p.count(Split::Test)).sum();
    let progress = Progress::new("evaluate", total as u64, "images");
    let (mut predictions, mut before) = (Vec::with_capacity(points.len()), 0);
    for point in &points {
        let source: Box<dyn ImageSource> = match shards {
            Some(shards) => Box::new(CampaignImages::new(shards).of(point.delta_c9)),
            None => Box::new(LiveImages::of_split(&data, Split::Test, Some(point.delta_c9))?),
        };
        let values = model.predict(source.as_ref(), &|event: Event| {
            if let Event::Predicted { done, .. } = event {
                progress.reach((before + done) as u64, "");
            }
            ControlFlow::Continue(())
        })?;
        before += source.len();
        predictions.push(Predictions { delta_c9: point.delta_c9, values: values.unwrap_or_default() });
    }
    progress.finish();
    Ok(predictions)
}

/// Reads the results of an evaluated run.
///
/// # Errors
/// When the run was not evaluated yet, or a result is damaged.
pub fn read(run: &RunFolder) -> Result<Evaluation> {
    let results = run.results();
    ensure!(
        results.join(ORIGIN).exists(),
        "{}: no results yet; make them with `humboldt evaluate`",
        results.display()
    );
    let predictions = report::read_predictions_parquet(&results.join(PREDICTIONS))?;
    Evaluation::new(run.card(), predictions)
}

impl Evaluation {
    fn new(card: &RunCard, predictions: Vec<Predictions>) -> Result<Self> {
        let points = card.dataset.points();
        let trained =
            |x: f64| points.iter().any(|p| p.delta_c9.to_bits() == x.to_bits() && p.count(Split::Train) > 0);
        let ensembles = predictions
            .iter()
            .map(|p| ensemble(p.delta_c9, trained(p.delta_c9), &p.values))
            .collect::<Result<Vec<_>, _>>()?;
        let range = quoted_range(&ensembles);
        let summary = summary(&card.name, range, &ensembles)?;
        Ok(Self { ensembles, predictions, summary })
    }
}

/// The paper's range, or all of a run that has fewer than two ensembles in it.
fn quoted_range(ensembles: &[EnsembleResult]) -> [f64; 2] {
    let [low, high] = QUOTED_RANGE;
    if ensembles.iter().filter(|e| (low..=high).contains(&e.delta_c9)).count() >= 2 {
        return QUOTED_RANGE;
    }
    let truths = || ensembles.iter().map(|e| e.delta_c9);
    [truths().fold(f64::INFINITY, f64::min), truths().fold(f64::NEG_INFINITY, f64::max)]
}

const ORIGIN: &str = "origin.json";
const PREDICTIONS: &str = "predictions.parquet";

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
