//! The second stage of a run: the network.

use std::ops::ControlFlow;

use anyhow::Result;
use humboldt_physics::{WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::scores::EventScores;
use humboldt_schemas::card::{AnyArchitecture, DataCard, GeneratorCard, RunCard, Split, TrainingImages};
use humboldt_schemas::provenance::Provenance;

use super::RunFolder;
use crate::campaign::CampaignImages;
use crate::campaign::live::LiveImages;
use crate::learn::{Compute, Event, ImageSource, Model, Training};
use crate::progress::{Progress, note};
use crate::sampling;

/// Bytes that a training may keep its inputs in.
const MEMORY: u64 = 4 << 30;

/// Trains the run's network, from its last checkpoint where there is one, and leaves the best epoch's in `model/`.
///
/// # Errors
/// When images are missing or damaged, the training diverges, or a file cannot be written.
pub fn train(run: &RunFolder, compute: &Compute) -> Result<()> {
    let card = run.card();
    if run.model_is_whole() {
        // Opening it says whether it can be used.
        Model::load(&run.model(), compute)?;
        return Ok(());
    }
    let (campaign, data) = (run.campaign()?, card.data());
    let splits = stored_splits(card);
    let open = |split| splits.contains(&split).then(|| campaign.open_shards(split)).transpose();
    let (stored, validation) = (open(Split::Train)?, open(Split::Validation)?);
    let validation: Box<dyn ImageSource> = match &validation {
        Some(shards) => Box::new(CampaignImages::new(shards)),
        None => Box::new(LiveImages::of_split(&data, Split::Validation, None)?),
    };
    let train: Box<dyn ImageSource> = match (&stored, card.training.images) {
        (Some(shards), _) => Box::new(CampaignImages::new(shards)),
        (None, TrainingImages::Stored) => Box::new(LiveImages::of_split(&data, Split::Train, None)?),
        (None, TrainingImages::Live) => Box::new(LiveImages::new(&data, &card.training)?),
    };
    let architecture = card.network.any_architecture();
    let mut provenance = Provenance::new(card.hash(), card.seed, card.generator.clone());
    provenance.events_per_image = Some(card.images.events);
    let training = Training {
        card: &card.training,
        architecture: &architecture,
        scores: scores(&card.generator, &architecture)?,
        seed: card.seed,
        events: card.images.events,
        provenance: serde_json::json!({ "provenance": provenance, "card": card }),
        train: train.as_ref(),
        validation: validation.as_ref(),
        compute,
        memory: MEMORY,
    };
    let total = (card.training.epochs * train.len()) as u64;
    let (batch, images) = (card.training.batch_size, train.len());
    note(format!("train: {images} images, at most {} epochs, on {}", card.training.epochs, compute.name()));
    let progress = Progress::new("train", total, "images");
    let trained = training.run(&run.training(), &|event: Event| {
        match event {
            Event::Resumed { epoch, batch: batches } => {
                progress.line(&format!("train: goes on after epoch {epoch} and {batches} batches"));
                progress.skip((epoch * images + batches * batch) as u64);
            }
            Event::Batch { epoch, batch: index, batches, loss, .. } => {
                let last = images - (batches - 1) * batch;
                let n = if index == batches { last } else { batch };
                progress.advance(n as u64, &format!("epoch {epoch}, loss {loss:.4}"));
            }
            Event::Epoch(m) => progress.line(&format!(
                "train: epoch {:>3}  loss {:.4}  validation loss {:.4}  MAE {:.4}{}",
                m.epoch,
                m.train_loss,
                m.validation_loss,
                m.validation_mae,
                if m.best { "  best" } else { "" }
            )),
            Event::Loaded { .. } | Event::Predicted { .. } | Event::Calibrated { .. } => {}
        }
        ControlFlow::Continue(())
    })?;
    progress.finish();
    if let Some(trained) = trained {
        let calibrated = match &architecture {
            AnyArchitecture::Set(set) if set.is_calibrated() => calibrate(trained.model, card, &data)?,
            _ => trained.model,
        };
        calibrated.save(&run.model())?;
        note(format!("best epoch {} of {}", trained.best_epoch, trained.history.len()));
    }
    Ok(())
}

/// The scores that a network learns, if it learns any.
fn scores(card: &GeneratorCard, architecture: &AnyArchitecture) -> Result<Option<EventScores>> {
    let references = match architecture {
        AnyArchitecture::Set(set) if !set.references.is_empty() => &set.references,
        _ => return Ok(None),
    };
    let (decay, line_shape) = (card.decay(&card.shifts()?)?, card.line_shape()?);
    let windows = sampling::windows(card)?.of(&decay, line_shape)?;
    let c9 = WilsonDirection::real(WilsonCoefficient::C9);
    Ok(Some(EventScores::new(&decay, line_shape, &windows, c9, references)?))
}

fn calibrate(model: Model, card: &RunCard, data: &DataCard) -> Result<Model> {
    let images = LiveImages::calibration(data, card.training.calibration_images)?;
    let progress = Progress::new("calibrate", images.len() as u64, "images");
    let model = model.calibrated(&images, &|event: Event| {
        if let Event::Calibrated { done, .. } = event {
            progress.reach(done as u64, "");
        }
        ControlFlow::Continue(())
    })?;
    progress.finish();
    Ok(model)
}

/// The splits whose images a training needs on disk. Networks over events or cells take what the generator makes.
pub fn stored_splits(card: &RunCard) -> &'static [Split] {
    match (card.network.any_architecture(), card.training.images) {
        (AnyArchitecture::Set(_), _) => &[],
        (AnyArchitecture::Residual(_), TrainingImages::Stored) => &[Split::Train, Split::Validation],
        (AnyArchitecture::Residual(_), TrainingImages::Live) => &[Split::Validation],
    }
}

/// The splits whose images an evaluation needs on disk.
pub fn tested_splits(card: &RunCard) -> &'static [Split] {
    match card.network.any_architecture() {
        AnyArchitecture::Set(_) => &[],
        AnyArchitecture::Residual(_) => &[Split::Test],
    }
}
