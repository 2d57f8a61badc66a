//! The second stage of a run: the network.

use std::ops::ControlFlow;

use anyhow::Result;
use humboldt_pipeline::store::ImageReader;
use humboldt_schemas::card::{Split, TrainingImages};
use humboldt_schemas::provenance::Provenance;

use super::RunFolder;
use crate::campaign::live::LiveImages;
use crate::campaign::{Campaign, CampaignImages, Shard};
use crate::learn::{Compute, Event, ImageSource, Model, Training};
use crate::progress::{Progress, note};

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
    let campaign = run.campaign()?;
    let data = card.data();
    let (stored, validation) = (train_shards(run, &campaign)?, campaign.open_shards(Split::Validation)?);
    let validation = CampaignImages::new(&validation);
    let train: Box<dyn ImageSource> = match &stored {
        Some(shards) => Box::new(CampaignImages::new(shards)),
        None => Box::new(LiveImages::new(&data, card.training.prior)?),
    };
    let architecture = card.network.architecture();
    let mut provenance = Provenance::new(card.hash(), card.seed, card.generator.clone());
    provenance.events_per_image = Some(card.images.events);
    let training = Training {
        card: &card.training,
        architecture: &architecture,
        seed: card.seed,
        events: card.images.events,
        provenance: serde_json::json!({ "provenance": provenance, "card": card }),
        train: train.as_ref(),
        validation: &validation,
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
            Event::Loaded { .. } | Event::Predicted { .. } => {}
        }
        ControlFlow::Continue(())
    })?;
    progress.finish();
    if let Some(trained) = trained {
        trained.model.save(&run.model())?;
        note(format!("best epoch {} of {}", trained.best_epoch, trained.history.len()));
    }
    Ok(())
}

/// The stored images that the network learns from; `None` where they are made as they are due.
fn train_shards(run: &RunFolder, campaign: &Campaign) -> Result<Option<Vec<(Shard, ImageReader)>>> {
    match run.card().training.images {
        TrainingImages::Stored => campaign.open_shards(Split::Train).map(Some),
        TrainingImages::Live => Ok(None),
    }
}

/// The splits whose images a training needs on disk.
pub fn stored_splits(run: &RunFolder) -> &'static [Split] {
    match run.card().training.images {
        TrainingImages::Stored => &[Split::Train, Split::Validation],
        TrainingImages::Live => &[Split::Validation],
    }
}
