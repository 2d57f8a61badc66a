//! The training loop: from labelled images to a network, with a checkpoint after each epoch.
//!
//! One seed gives one set of weights to the last bit, for any number of threads and of interruptions.

use std::ops::ControlFlow;
use std::path::Path;

use burn::module::Module as _;
use burn::tensor::Tensor;
use humboldt_physics::Axes;
use humboldt_pipeline::scores::EventScores;
use humboldt_schemas::card::{AnyArchitecture, TrainingCard, hash_json};
use humboldt_schemas::results::EpochMetrics;

use super::built_in;
use super::checkpoint::{self, State, Within};
use super::device::Compute;
use super::epoch::{Epoch, batch_sizes};
use super::error::LearnError;
use super::inputs::{Input, Inputs, sets};
use super::loss::{loss_of, meaning};
use super::metrics;
use super::model::{Model, ModelInfo, Parameter, Target};
use super::network::Network;
use super::optimiser::{Moments, Optimiser};
use super::progress::{Event, Progress};
use super::schedule::learning_rate;
use super::source::{ImageSource, evenly_spaced};

/// Everything that a training depends on.
pub struct Training<'a> {
    /// Settings of the training.
    pub card: &'a TrainingCard,
    /// The network.
    pub architecture: &'a AnyArchitecture,
    /// Scores of events, for a network that learns them.
    pub scores: Option<EventScores>,
    /// Decides first weights, shuffles and dropout.
    pub seed: u64,
    /// Events in one image; kept with the network.
    pub events: usize,
    /// Parameters that are learned; the images' labels follow their order.
    pub axes: Axes,
    /// Kept with the network: the whole card, the code's version.
    pub provenance: serde_json::Value,
    /// Images to learn from.
    pub train: &'a dyn ImageSource,
    /// Images that decide which epoch is the best.
    pub validation: &'a dyn ImageSource,
    /// Device to compute on.
    pub compute: &'a Compute,
    /// Bytes of memory that inputs may take; where they need more, they are read and transformed anew in each epoch.
    pub memory: u64,
}

/// A training that came to an end.
#[derive(Debug)]
pub struct Trained {
    /// The network of the best epoch.
    pub model: Model,
    /// Every epoch.
    pub history: Vec<EpochMetrics>,
    /// The epoch with the lowest validation loss, from 1.
    pub best_epoch: usize,
    /// Whether the validation loss had not improved for `early_stopping` epochs.
    pub stopped_early: bool,
}

/// The network that a training of a card starts from, if it names one; `untrained` describes the card's own.
///
/// # Errors
/// When there is none of that name, or it has other layers, another loss, other cells or coefficients; as [`Model::load`].
pub fn start(
    card: &TrainingCard,
    untrained: &ModelInfo,
    compute: &Compute,
) -> Result<Option<Model>, LearnError> {
    let Some(name) = card.start.as_deref().map(Path::new) else { return Ok(None) };
    let model = built_in::open("training.start", name, compute)?;
    untrained.check_network(model.info(), name)?;
    Ok(Some(model))
}

/// Sets whose means the first weights are scaled to.
const SETS_TO_NORMALISE: usize = 64;

/// Errors and loss on the validation images.
#[derive(Debug, Clone, Copy)]
struct Validation {
    loss: f64,
    mae: f64,
}

impl Training<'_> {
    /// Trains, or goes on where `folder` stopped, and leaves checkpoints, `metrics.csv` and `metrics.jsonl` there.
    /// `None` where `progress` broke it off.
    ///
    /// # Errors
    /// When there are too few images, they cannot be read, the folder holds another training or cannot be written, the
    /// loss is no finite number any more, or the device fails.
    pub fn run(&self, folder: &Path, progress: &dyn Progress) -> Result<Option<Trained>, LearnError> {
        self.check()?;
        let labels: Vec<Vec<f64>> = (0..self.train.len()).map(|i| self.train.labels(i)).collect();
        let fingerprint = self.fingerprint(&labels);
        let found = checkpoint::latest(folder, &fingerprint, self.card.optimiser, self.compute)?;
        let (mut network, mut optimiser, info, mut state) = if let Some(found) = found {
            let (state, batch) = (&found.state, found.state.within.batches);
            let resumed = Event::Resumed { epoch: state.epoch(), batch, history: &state.history };
            if progress.report(resumed).is_break() {
                return Ok(None);
            }
            // The kill may have come between the checkpoint and what follows from it.
            Self::settle(folder, &found.state)?;
            let optimiser = Optimiser::new(self.card, found.moments, found.state.steps);
            (found.network, optimiser, found.info, found.state)
        } else {
            let untrained = self.untrained(&labels);
            let (info, network) = if let Some(start) = start(self.card, &untrained, self.compute)? {
                (untrained.started_from(start.info()), start.network.train())
            } else {
                let info = self.describe(untrained)?;
                let network = self.first_weights(&info)?;
                (info, network)
            };
            let moments = Moments::zeros(&network, self.card.optimiser, self.compute.device());
            let state = State { fingerprint, steps: 0, history: Vec::new(), within: Within::default() };
            (network, Optimiser::new(self.card, moments, 0), info, state)
        };
        let mut model = Model::new(&network, info.clone(), self.compute);
        if !self.finished(&state) {
            let (input, targets) = (self.input(&info)?, info.targets());
            let live = self.train.is_live();
            let total = if live { 0 } else { self.train.len() } + self.validation.len();
            let done = std::cell::Cell::new(0);
            let loaded = |n: usize| {
                done.set(done.get() + n);
                // Loading is short; a wish to stop is heard again at the first batch.
                let _ = progress.report(Event::Loaded { done: done.get(), total });
            };
            let stored = if live {
                None
            } else {
                Some(Inputs::new(self.train, &input, &targets, self.memory, &loaded)?)
            };
            let validation = Inputs::new(self.validation, &input, &targets, self.memory, &loaded)?;
            while !self.finished(&state) {
                let epoch = state.epoch() + 1;
                let fresh = self.train.of_epoch(epoch)?;
                let source = fresh.as_deref().unwrap_or(self.train);
                let images = source.len();
                let fresh = match stored {
                    Some(_) => None,
                    None => Some(Inputs::new(source, &input, &targets, 0, &|_| ())?),
                };
                let Some(train) = stored.as_ref().or(fresh.as_ref()) else { return Ok(None) };
                let step = Epoch { training: self, number: epoch, model: &model, images, folder };
                let after = step.run(train, network, &mut optimiser, &mut state, progress)?;
                let Some((moved, loss)) = after else { return Ok(None) };
                network = moved;
                model = Model::new(&network, ModelInfo { epoch, ..info.clone() }, self.compute);
                let validation = self.validate(&model, &validation)?;
                let metrics = self.metrics(&state, &optimiser, loss, validation);
                state.steps = optimiser.steps;
                state.within = Within::default();
                state.history.push(metrics);
                checkpoint::save(folder, &model, &optimiser.moments, &state)?;
                Self::settle(folder, &state)?;
                let stop = state.history.last().map(|m| progress.report(Event::Epoch(m)));
                if stop.is_some_and(|s| s.is_break()) && !self.finished(&state) {
                    return Ok(None);
                }
            }
        }
        let best_epoch = state.best().map_or(state.epoch(), |m| m.epoch);
        let model = checkpoint::model_of(folder, best_epoch, self.compute)?;
        let stopped_early = state.epoch() < self.card.epochs;
        Ok(Some(Trained { model, history: state.history, best_epoch, stopped_early }))
    }

    /// Conversion of images to the network's input.
    fn input(&self, info: &ModelInfo) -> Result<Input, LearnError> {
        Input::new(info).learning(self.scores.clone(), self.train)
    }

    /// The network before its first step.
    fn first_weights(&self, info: &ModelInfo) -> Result<Network, LearnError> {
        let device = self.compute.device().clone().autodiff();
        let network = Network::init(self.architecture, info.outputs(), self.seed, &device);
        let Network::Set(set) = network else { return Ok(network) };
        let input = self.input(info)?;
        let images: Vec<usize> = evenly_spaced(self.train.len(), SETS_TO_NORMALISE).collect();
        let batch = Inputs::new(self.train, &input, &info.targets(), 0, &|_| ())?.batch(&images)?;
        let (elements, weights) = sets(batch, self.compute.device());
        Ok(Network::Set(set.normalised(Tensor::from_inner(elements), &Tensor::from_inner(weights))))
    }

    /// Brings all else in the folder to the state of the newest checkpoint.
    fn settle(folder: &Path, state: &State) -> Result<(), LearnError> {
        checkpoint::prune(folder, state)?;
        metrics::write(folder, &state.history)
    }

    fn check(&self) -> Result<(), LearnError> {
        // A batch norm needs two images to have a spread at 1^3 cells.
        for (split, images, least) in [("training", self.train, 2), ("validation", self.validation, 1)] {
            if images.len() < least {
                return Err(LearnError::TooFewImages { split, got: images.len(), least });
            }
        }
        self.compute.check(self.card.precision)?;
        let (got, expected) = (self.validation.bins(), self.train.bins());
        if got == expected { Ok(()) } else { Err(LearnError::Bins { got, expected }) }
    }

    /// Hash of what decides the weights. The images stand for themselves by their number and labels; that they come from the
    /// same events is for the caller to see to, as is a change of the code, which `provenance` may tell.
    fn fingerprint(&self, labels: &[Vec<f64>]) -> String {
        let validation: Vec<Vec<f64>> =
            (0..self.validation.len()).map(|i| self.validation.labels(i)).collect();
        let bins = self.train.bins();
        let axes: Vec<_> = self.axes.iter().map(|a| (a.direction.to_string(), a.range)).collect();
        let images = (bins, labels, validation, axes);
        hash_json(&((self.card, self.architecture, self.seed, self.events), images))
    }

    /// Description of the network, but for the scales of what goes in and of scores.
    fn untrained(&self, labels: &[Vec<f64>]) -> ModelInfo {
        let bins = self.train.bins();
        let of = |column: usize| {
            let values: Vec<f64> = labels.iter().map(|row| row[column]).collect();
            if self.card.standardise_target { Target::of(&values) } else { Target::PLAIN }
        };
        let parameter = |(i, axis)| Parameter { target: of(i), ..Parameter::plain(axis) };
        let parameters = self.axes.iter().enumerate().map(parameter).collect();
        let mut info =
            ModelInfo::untrained(self.architecture.clone(), self.card.loss, bins, self.events, parameters);
        info.event_range = self.card.events;
        info.provenance = self.provenance.clone();
        info
    }

    /// Its description with them, from the training images.
    fn describe(&self, mut info: ModelInfo) -> Result<ModelInfo, LearnError> {
        let input = self.input(&info)?;
        info.scores = input.spread().to_vec();
        if let Input::Voxels(voxels) = input
            && self.card.standardise_input
        {
            info.input = voxels.transform.standardised(self.train)?.spread().to_vec();
        }
        Ok(info)
    }

    pub(super) fn learns_map(&self) -> bool {
        matches!(self.architecture, AnyArchitecture::Residual(a) if a.score_map)
    }

    fn finished(&self, state: &State) -> bool {
        let since_best = state.epoch() - state.best().map_or(0, |m| m.epoch);
        state.epoch() >= self.card.epochs || since_best >= self.card.early_stopping
    }

    /// Mean loss, and mean absolute error of the first coefficient (or of what is learned in its place), on the validation images.
    fn validate(&self, model: &Model, inputs: &Inputs) -> Result<Validation, LearnError> {
        let (loss, delta, targets) = (self.card.loss, self.card.huber_delta, model.info().targets());
        let columns = loss.outputs();
        let calibrated = model.info().architecture.is_calibrated();
        let (mut sum, mut errors, mut terms, mut compared) = (0.0, 0.0, 0.0, 0.0);
        let all: Vec<usize> = (0..self.validation.len()).collect();
        let batches: Vec<&[usize]> = all.chunks(self.card.batch_size).collect();
        inputs.for_each_batch(&batches, |_, batch| {
            let outputs = model.of_batch(&batch)?;
            // Of a map what counts is its mean.
            let pooled = model.input.pooled(&batch.targets);
            let rows = outputs.chunks_exact(columns).zip(pooled.as_ref().unwrap_or(&batch.targets));
            // Padding counts for nothing.
            let each = (batch.targets.len() / batch.weights.len().max(1)).max(1);
            for (i, (output, &truth)) in rows.enumerate() {
                if batch.by_element && batch.weights[i / each] == 0.0 {
                    continue;
                }
                sum += loss_of(loss, delta, output, f64::from(truth));
                terms += 1.0;
                let label = if calibrated { 0 } else { i % targets.len() };
                if label == 0 {
                    let scale = if calibrated { 1.0 } else { targets[0].scale };
                    errors += scale * (meaning(loss, output).0 - f64::from(truth)).abs();
                    compared += 1.0;
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Validation { loss: sum / terms, mae: errors / compared })
    }

    fn metrics(
        &self,
        state: &State,
        optimiser: &Optimiser,
        train_loss: f64,
        validation: Validation,
    ) -> EpochMetrics {
        EpochMetrics {
            epoch: state.epoch() + 1,
            learning_rate: learning_rate(self.card, optimiser.steps, self.batches() as u64),
            train_loss,
            validation_mae: validation.mae,
            validation_loss: validation.loss,
            images_seen: state.history.last().map_or(0, |m| m.images_seen) + self.train.len() as u64,
            best: state.best().is_none_or(|best| validation.loss < best.validation_loss),
        }
    }

    /// Batches of an epoch; the last may be smaller, a single image joins the one before.
    pub(super) fn batches(&self) -> usize {
        batch_sizes(self.train.len(), self.card.batch_size).len()
    }
}
