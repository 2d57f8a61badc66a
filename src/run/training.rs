//! The second stage of a run: the network.

use std::ops::ControlFlow;
use std::time::Instant;

use humboldt_physics::{Density, Point};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::{EventScores, ScoreLine};
use humboldt_schemas::card::parameters::{ScorePoints, score_points};
use humboldt_schemas::card::{AnyArchitecture, DataCard, RunCard, Split, TrainingImages};
use humboldt_schemas::provenance::Provenance;

use super::{RunFolder, timing};
use crate::campaign::CampaignImages;
use crate::campaign::live::LiveImages;
use crate::dashboard::Dashboard;
use crate::error::Error;
use crate::learn::model::{ModelInfo, Parameter};
use crate::learn::{self, Compute, Event, ImageSource, Model, Training};
use crate::progress::{self, Progress, Style, note};
use crate::sampling;

/// Bytes that a training may keep its inputs in.
const MEMORY: u64 = 4 << 30;

/// Description of a card's network before its training.
///
/// # Errors
/// When the card's coefficients have no ranges.
pub fn untrained(card: &RunCard) -> Result<ModelInfo, Error> {
    let (architecture, images) = (card.architecture(), &card.images);
    let parameters = card.axes()?.iter().map(Parameter::plain).collect();
    let loss = card.training.loss;
    let mut info = ModelInfo::untrained(architecture, loss, images.bins, images.events, parameters);
    info.event_range = card.training.events;
    Ok(info)
}

/// Refuses a card whose training cannot start from the network that it names.
///
/// # Errors
/// When there is none, or it is another one than the card's.
pub fn check_start(card: &RunCard, compute: &Compute) -> Result<(), Error> {
    learn::training::start(&card.training, &untrained(card)?, compute)?;
    Ok(())
}

/// Trains the run's network, from its last checkpoint where there is one, and leaves the best epoch's in `model/`.
///
/// # Errors
/// When images are missing or damaged, the training diverges, or a file cannot be written; [`Error::Stopped`] when the
/// user stopped it.
pub fn train(run: &RunFolder, compute: &Compute) -> Result<(), Error> {
    let card = run.card();
    if run.model_is_whole() {
        // Opening it says whether it can be used.
        let model = Model::load(&run.model(), compute)?;
        let (folder, epoch) = (run.model(), model.info().epoch);
        note(format!("train: finished before; the network of epoch {epoch} is in {}", folder.display()));
        return Ok(());
    }
    let start = Instant::now();
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
    let architecture = card.architecture();
    let mut provenance = Provenance::new(card.hash(), card.seed, card.generator.clone());
    provenance.events_per_image = Some(card.images.events);
    let training = Training {
        card: &card.training,
        architecture: &architecture,
        scores: scores(card, &architecture)?,
        seed: card.seed,
        events: card.images.events,
        axes: card.axes()?,
        provenance: serde_json::json!({ "provenance": provenance, "card": card }),
        train: train.as_ref(),
        validation: validation.as_ref(),
        compute,
        memory: MEMORY,
    };
    let images = train.len();
    note(format!("train: {images} images, at most {} epochs, on {}", card.training.epochs, compute.name()));
    let watch = Watch::new(card, images, compute);
    let trained = training.run(&run.training(), &watch)?;
    watch.finish();
    let Some(trained) = trained else { return Err(Error::Stopped) };
    let calibrated =
        if architecture.is_calibrated() { calibrate(trained.model, card, &data)? } else { trained.model };
    calibrated.save(&run.model())?;
    timing::record(run.root(), "training", start.elapsed(), Some(compute.name().to_string()))?;
    note(format!("best epoch {} of {}", trained.best_epoch, trained.history.len()));
    Ok(())
}

/// Shows a training to the user.
struct Watch {
    dashboard: Option<Dashboard>,
    progress: Progress,
    /// Images of an epoch, and of a batch.
    images: usize,
    batch: usize,
}

impl Watch {
    fn new(card: &RunCard, images: usize, compute: &Compute) -> Self {
        let dashboard = match progress::style() {
            Some(Style::Dashboard) => Dashboard::open(&card.name, &compute.name().to_string(), images),
            _ => None,
        };
        let progress = if dashboard.is_some() { Progress::unseen } else { Progress::new };
        let total = (card.training.epochs * images) as u64;
        let progress = progress("train", total, "images");
        Self { dashboard, progress, images, batch: card.training.batch_size }
    }

    fn finish(self) {
        drop(self.dashboard);
        self.progress.finish();
    }
}

impl learn::Progress for Watch {
    fn report(&self, event: Event) -> ControlFlow<()> {
        let stop = self.dashboard.as_ref().is_some_and(|dashboard| {
            dashboard.report(&event);
            dashboard.is_stop_wanted()
        });
        match event {
            Event::Resumed { epoch, batch, .. } => {
                self.progress.line(&format!("train: goes on after epoch {epoch} and {batch} batches"));
                self.progress.skip((epoch * self.images + batch * self.batch) as u64);
            }
            Event::Batch { epoch, batch, batches, loss, .. } => {
                let last = self.images - (batches - 1) * self.batch;
                let n = if batch == batches { last } else { self.batch };
                self.progress.advance(n as u64, &format!("epoch {epoch}, loss {}", digits(loss)));
            }
            Event::Epoch(m) => self.progress.line(&format!(
                "train: epoch {:>3}  loss {}  validation loss {}  MAE {:.4}{}",
                m.epoch,
                digits(m.train_loss),
                digits(m.validation_loss),
                m.validation_mae,
                if m.best { "  best" } else { "" }
            )),
            Event::Loaded { .. } | Event::Predicted { .. } | Event::Calibrated { .. } => {}
        }
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Four decimals, or as many digits as a small number needs.
fn digits(x: f64) -> String {
    if x.abs() < 1e-3 && x != 0.0 { format!("{x:.2e}") } else { format!("{x:.4}") }
}

/// Events of a sample that the means of accepted scores are taken from.
const ACCEPTED: usize = 1 << 18;

/// The scores that a network learns, if it learns any, coefficient by coefficient; of measured events, those of accepted signal.
fn scores(card: &RunCard, architecture: &AnyArchitecture) -> Result<Option<EventScores>, Error> {
    let references = architecture.references();
    if references.is_empty() {
        return Ok(None);
    }
    let (generator, line_shape, axes) = (&card.generator, card.generator.line_shape, card.axes()?);
    let at = |point: &Point| {
        let decay = generator.decay(&point.on(generator.shifts()?))?;
        let (_, s_wave) = sampling::effects_of_signal(generator, &decay)?;
        Ok::<_, Error>((decay, s_wave))
    };
    let mut lines = Vec::new();
    for (direction, points) in axes.directions().into_iter().zip(score_points(&axes, Some(references))) {
        for ScorePoints { origin, own } in points {
            let (decay, s_wave) = at(&axes.point(&origin)?)?;
            lines.push(ScoreLine { decay, s_wave, direction, shifts: own });
        }
    }
    let windows = sampling::windows(generator)?.of(&lines[0].decay, line_shape)?;
    let scores = EventScores::new(&lines, line_shape, &windows)?;
    if generator.effects.is_empty() {
        return Ok(Some(scores));
    }
    let centre = axes.centre();
    let key = StreamKey::new(card.seed).child("accepted", 0);
    let (events, report) = sampling::sampler_at(generator, &centre)?.measured(key, 0, ACCEPTED);
    sampling::check(&report)?;
    let (decay, s_wave) = at(&centre)?;
    let made = Density::with_effects(&decay, line_shape, &windows, &[], None, s_wave)?;
    Ok(Some(scores.accepted(&events.signal(), &made)?))
}

fn calibrate(model: Model, card: &RunCard, data: &DataCard) -> Result<Model, Error> {
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

/// The splits whose images a training needs on disk. Networks over events or cells, and those that learn scores, take what
/// the generator makes.
pub fn stored_splits(card: &RunCard) -> &'static [Split] {
    match (card.network.any_architecture(), card.training.images) {
        (AnyArchitecture::Set(_), _) => &[],
        (AnyArchitecture::Residual(a), _) if !a.references.is_empty() => &[],
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
