//! The training loop: from labelled images to a network, with a checkpoint after each epoch.
//!
//! The same seed gives the same weights to the last bit, for any number of threads and of interruptions. Each batch
//! is cut into micro-batches of a fixed size, which the CPU's threads share and whose gradients are added in their order.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use humboldt_schemas::card::{Architecture, Loss, TrainingCard, hash_json};
use humboldt_schemas::results::EpochMetrics;

use super::checkpoint::{self, State, Within};
use super::device::Compute;
use super::error::LearnError;
use super::input::InputTransform;
use super::metrics;
use super::model::{Model, ModelInfo, Target};
use super::network::{BatchStatistics, ResNet};
use super::optimiser::{Gradient, Moments, Optimiser, gradient_of, sum};
use super::parallel;
use super::predict::on_device;
use super::progress::{Event, Progress};
use super::schedule::learning_rate;
use super::source::{ImageSource, Inputs, dropout_mask, shuffled};

/// Everything that a training depends on.
pub struct Training<'a> {
    /// How to train.
    pub card: &'a TrainingCard,
    /// The network.
    pub architecture: &'a Architecture,
    /// Decides first weights, shuffles and dropout.
    pub seed: u64,
    /// Events in one image; kept with the network.
    pub events: usize,
    /// Kept with the network: the whole card, the code's version.
    pub provenance: serde_json::Value,
    /// Images to learn from.
    pub train: &'a dyn ImageSource,
    /// Images that decide which epoch is the best.
    pub validation: &'a dyn ImageSource,
    /// Where to compute.
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

/// One micro-batch's share of a step.
struct Part {
    gradient: Gradient,
    statistics: BatchStatistics,
    loss: f64,
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
        let labels: Vec<f64> = (0..self.train.len()).map(|i| self.train.label(i)).collect();
        let fingerprint = self.fingerprint(&labels);
        let device = self.compute.device().clone().autodiff();
        let found = checkpoint::latest(folder, &fingerprint, self.card.optimiser, self.compute)?;
        let (mut network, mut optimiser, info, mut state) = if let Some(found) = found {
            if progress
                .report(Event::Resumed { epoch: found.state.epoch(), batch: found.state.within.batches })
                .is_break()
            {
                return Ok(None);
            }
            // The kill may have come between the checkpoint and what follows from it.
            Self::settle(folder, &found.state)?;
            let optimiser = Optimiser::new(self.card, found.moments, found.state.steps);
            (found.network, optimiser, found.info, found.state)
        } else {
            let network = ResNet::init(self.architecture, self.seed, &device);
            let moments = Moments::zeros(&network, self.card.optimiser, self.compute.device());
            let state = State { fingerprint, steps: 0, history: Vec::new(), within: Within::default() };
            (network, Optimiser::new(self.card, moments, 0), self.describe(&labels)?, state)
        };
        let mut model = Model::new(&network, info.clone(), self.compute);
        if !self.finished(&state) {
            let transform = model.transform.clone();
            let live = self.train.is_live();
            let total = if live { 0 } else { self.train.len() } + self.validation.len();
            let done = std::cell::Cell::new(0);
            let loaded = |n: usize| {
                done.set(done.get() + n);
                // Loading is short; a wish to stop is heard again at the first batch.
                let _ = progress.report(Event::Loaded { done: done.get(), total });
            };
            let stored =
                if live { None } else { Some(Inputs::new(self.train, &transform, self.memory, &loaded)?) };
            let validation = Inputs::new(self.validation, &transform, self.memory, &loaded)?;
            let start = (Instant::now(), state.steps);
            while !self.finished(&state) {
                let epoch = state.epoch() + 1;
                let fresh = self.train.of_epoch(epoch)?;
                let source = fresh.as_deref().unwrap_or(self.train);
                let labels: Vec<f64> = (0..source.len()).map(|i| source.label(i)).collect();
                let fresh = match stored {
                    Some(_) => None,
                    None => Some(Inputs::new(source, &transform, 0, &|_| ())?),
                };
                let Some(train) = stored.as_ref().or(fresh.as_ref()) else { return Ok(None) };
                let step =
                    Epoch { training: self, number: epoch, model: &model, labels: &labels, start, folder };
                let Some(loss) = step.run(train, &mut network, &mut optimiser, &mut state, progress)? else {
                    return Ok(None);
                };
                model = Model::new(&network, ModelInfo { epoch, ..info.clone() }, self.compute);
                let Some(predictions) = model.predict_inputs(&validation, self.validation.len(), &())? else {
                    return Ok(None);
                };
                let metrics = self.metrics(&state, &optimiser, loss, &predictions, info.target);
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
        let (got, expected) = (self.validation.bins(), self.train.bins());
        if got == expected { Ok(()) } else { Err(LearnError::Bins { got, expected }) }
    }

    /// What decides the weights. The images stand for themselves by their number and labels; that they come from the
    /// same events is for the caller to see to, as is a change of the code, which `provenance` may tell.
    fn fingerprint(&self, labels: &[f64]) -> String {
        let validation: Vec<f64> = (0..self.validation.len()).map(|i| self.validation.label(i)).collect();
        let bins = self.train.bins();
        hash_json(&((self.card, self.architecture, self.seed, self.events), (bins, labels, validation)))
    }

    fn describe(&self, labels: &[f64]) -> Result<ModelInfo, LearnError> {
        let bins = self.train.bins();
        let mut transform = InputTransform::new(self.architecture, bins, &[]);
        if self.card.standardise_input {
            transform = transform.standardised(self.train)?;
        }
        let plain = Target { mean: 0.0, scale: 1.0 };
        Ok(ModelInfo {
            version: 1,
            architecture: self.architecture.clone(),
            bins,
            events: self.events,
            input: transform.spread().to_vec(),
            target: if self.card.standardise_target { Target::of(labels) } else { plain },
            epoch: 0,
            provenance: self.provenance.clone(),
        })
    }

    fn finished(&self, state: &State) -> bool {
        let since_best = state.epoch() - state.best().map_or(0, |m| m.epoch);
        state.epoch() >= self.card.epochs || since_best >= self.card.early_stopping
    }

    fn metrics(
        &self,
        state: &State,
        optimiser: &Optimiser,
        train_loss: f64,
        predictions: &[f64],
        target: Target,
    ) -> EpochMetrics {
        let n = predictions.len() as f64;
        let errors = || predictions.iter().enumerate().map(|(i, p)| p - self.validation.label(i));
        let validation_loss = match self.card.loss {
            Loss::Mae => errors().map(|e| (e / target.scale).abs()).sum::<f64>() / n,
            Loss::Mse => errors().map(|e| (e / target.scale).powi(2)).sum::<f64>() / n,
        };
        EpochMetrics {
            epoch: state.epoch() + 1,
            learning_rate: learning_rate(self.card, optimiser.steps, self.batches() as u64),
            train_loss,
            validation_mae: errors().map(f64::abs).sum::<f64>() / n,
            validation_loss,
            images_seen: state.history.last().map_or(0, |m| m.images_seen) + self.train.len() as u64,
            best: state.best().is_none_or(|best| validation_loss < best.validation_loss),
        }
    }

    /// Batches of an epoch; the last may be smaller, a single image joins the one before.
    fn batches(&self) -> usize {
        batch_sizes(self.train.len(), self.card.batch_size).len()
    }
}

/// How many images each batch takes: all are used, and none stays alone, for a batch norm needs two.
fn batch_sizes(images: usize, batch: usize) -> Vec<usize> {
    let mut sizes = vec![batch; images / batch];
    match (images % batch, sizes.last_mut()) {
        (0, _) => {}
        (1, Some(last)) => *last += 1,
        (rest, _) => sizes.push(rest),
    }
    sizes
}

/// One pass over the training images.
struct Epoch<'a> {
    training: &'a Training<'a>,
    number: usize,
    model: &'a Model,
    labels: &'a [f64],
    /// When this run began, and after how many steps.
    start: (Instant, u64),
    /// Where checkpoints go.
    folder: &'a Path,
}

impl Epoch<'_> {
    /// The mean loss, or `None` if `progress` broke it off.
    fn run(
        &self,
        inputs: &Inputs,
        network: &mut ResNet,
        optimiser: &mut Optimiser,
        state: &mut State,
        progress: &dyn Progress,
    ) -> Result<Option<f64>, LearnError> {
        let t = self.training;
        let order = shuffled(self.labels.len(), t.seed, self.number);
        let mut rest = order.as_slice();
        let mut batches = Vec::new();
        for size in batch_sizes(order.len(), t.card.batch_size) {
            let (batch, others) = rest.split_at(size);
            batches.push(batch);
            rest = others;
        }
        let done = state.within.batches;
        let (mut total, mut stopped) = (state.within.loss, false);
        inputs.for_each_batch(&batches[done..], |number, input| {
            let number = done + number;
            let loss = self.step(number, batches[number], &input, network, optimiser)?;
            if !loss.is_finite() {
                return Err(self.diverged(number, loss, state));
            }
            total += loss * batches[number].len() as f64;
            let images_per_second = self.images_per_second(optimiser.steps);
            let left = t.card.epochs * batches.len() - optimiser.steps as usize;
            let event = Event::Batch {
                epoch: self.number,
                epochs: t.card.epochs,
                batch: number + 1,
                batches: batches.len(),
                loss,
                images_per_second,
                remaining: Duration::from_secs_f64((left * t.card.batch_size) as f64 / images_per_second),
            };
            let every = t.card.checkpoint_batches;
            if every > 0 && (number + 1).is_multiple_of(every) && number + 1 < batches.len() {
                self.save(network, optimiser, state, Within { batches: number + 1, loss: total })?;
            }
            let flow = progress.report(event);
            stopped = flow.is_break();
            Ok(flow)
        })?;
        Ok((!stopped).then(|| total / order.len() as f64))
    }

    /// A checkpoint within the epoch.
    fn save(
        &self,
        network: &ResNet,
        optimiser: &Optimiser,
        state: &mut State,
        within: Within,
    ) -> Result<(), LearnError> {
        let model = Model::new(network, self.model.info().clone(), self.training.compute);
        state.steps = optimiser.steps;
        state.within = within;
        checkpoint::save(self.folder, &model, &optimiser.moments, state)?;
        checkpoint::prune(self.folder, state)
    }

    fn step(
        &self,
        number: usize,
        batch: &[usize],
        input: &[f32],
        network: &mut ResNet,
        optimiser: &mut Optimiser,
    ) -> Result<f64, LearnError> {
        let t = self.training;
        let width = t.architecture.dense;
        let dropout = t.architecture.dropout;
        let mask = (width > 0 && dropout > 0.0)
            .then(|| dropout_mask(batch.len() * width, dropout, t.seed, self.number, number));
        let micro = t.card.micro_batch.unwrap_or(batch.len()).max(2);
        let sizes = batch_sizes(batch.len(), micro);
        let mut begin = 0;
        let ranges = sizes.iter().map(|n| {
            begin += n;
            (network.clone(), begin - n..begin)
        });
        let ranges: Vec<_> = ranges.collect();
        let part = |(network, range): (ResNet, Range<usize>)| {
            let of = |data: &[f32], size: usize| data[range.start * size..range.end * size].to_vec();
            let mask = mask.as_ref().map(|m| of(m, width));
            let input = of(input, self.model.transform.len());
            self.part(network, &batch[range], batch.len(), input, mask)
        };
        let parts: Vec<Part> = on_device(&t.compute.name().to_string(), || {
            if t.compute.is_cpu() {
                parallel::map(ranges, part)
            } else {
                ranges.into_iter().map(part).collect()
            }
        })?;
        let loss = parts.iter().map(|p| p.loss).sum();
        let (gradients, statistics): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|p| (p.gradient, p.statistics)).unzip();
        let rate = learning_rate(t.card, optimiser.steps + 1, t.batches() as u64);
        let mut moved = optimiser.step(rate, network.clone(), sum(gradients));
        for statistics in statistics {
            moved = moved.with_statistics(statistics);
        }
        *network = moved;
        Ok(loss)
    }

    /// A micro-batch's share of the gradient of a batch of `whole` images.
    fn part(
        &self,
        network: ResNet,
        images: &[usize],
        whole: usize,
        input: Vec<f32>,
        mask: Option<Vec<f32>>,
    ) -> Part {
        let (t, model) = (self.training, self.model);
        let device = t.compute.device();
        // Micro-batches that shared leaves of one graph would wait for each other.
        let network = burn::module::Module::fork(network, &device.clone().autodiff());
        let input = Tensor::from_inner(model.transform.tensor(input, model.coordinates.as_ref(), device));
        let n = images.len();
        let column = |data: Vec<f32>, width: usize| {
            Tensor::from_inner(Tensor::<2>::from_data(TensorData::new(data, [n, width]), device))
        };
        let target = model.info().target;
        let truth = images.iter().map(|&i| target.scaled(self.labels[i]) as f32).collect();
        let mask = mask.map(|m| column(m, t.architecture.dense));
        let frozen = t.card.freeze_norms_after.is_some_and(|epochs| self.number > epochs);
        let (output, statistics) = network.forward_train(input, mask, frozen);
        let error = output - column(truth, 1); // [n, 1]
        let loss = match t.card.loss {
            Loss::Mae => error.abs(),
            Loss::Mse => error.clone() * error,
        };
        let loss = loss.sum() / whole as f64;
        let gradient = gradient_of(&network, &loss.backward());
        let statistics = statistics.into_iter().map(|(m, v)| (m.inner(), v.inner())).collect();
        Part { gradient, statistics, loss: loss.inner().into_scalar::<f64>() }
    }

    fn images_per_second(&self, steps: u64) -> f64 {
        let images = (steps - self.start.1) as usize * self.training.card.batch_size;
        images as f64 / self.start.0.elapsed().as_secs_f64().max(1e-9)
    }

    fn diverged(&self, number: usize, loss: f64, state: &State) -> LearnError {
        let kept = match state.epoch() {
            0 => String::new(),
            epoch => format!(" (the checkpoint of epoch {epoch} is kept)"),
        };
        LearnError::Diverged { epoch: self.number, batch: number + 1, loss: loss as f32, kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_use_every_image_and_leave_none_alone() {
        assert_eq!(batch_sizes(10, 4), [4, 4, 2]);
        assert_eq!(batch_sizes(9, 4), [4, 5]);
        assert_eq!(batch_sizes(8, 4), [4, 4]);
        assert_eq!(batch_sizes(3, 4), [3]);
    }
}
