//! One pass over the training images, batch by batch.
//!
//! Each batch is cut into micro-batches of a fixed size, which the CPU's threads or several devices share and whose gradients are
//! added in their order.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use humboldt_schemas::card::{AnyArchitecture, Precision};

use super::checkpoint::{self, State, Within};
use super::convolution::cast;
use super::device::dtype;
use super::error::LearnError;
use super::inputs::{Batch, Input, Inputs, sets};
use super::layers::BatchStatistics;
use super::loss::losses;
use super::model::Model;
use super::network::Network;
use super::optimiser::{Gradient, Optimiser, gradient_of, sum};
use super::parallel;
use super::predict::on_device;
use super::progress::{Event, Progress};
use super::schedule::learning_rate;
use super::source::{dropout_mask, shuffled};
use super::training::Training;

/// Factor of losses in half precision of a small range.
const LOSS_SCALE: f64 = 1024.0;

/// The share of one or more micro-batches in a step.
struct Part {
    gradient: Gradient,
    /// Of each micro-batch.
    statistics: Vec<BatchStatistics>,
    loss: f64,
}

impl Part {
    /// That of these micro-batches and of those behind them.
    fn and(mut self, next: Self) -> Self {
        self.statistics.extend(next.statistics);
        Self { gradient: sum([self.gradient, next.gradient]), loss: self.loss + next.loss, ..self }
    }

    /// Gradient and numbers on another device.
    fn on(self, device: &Device) -> Self {
        let gradient = self.gradient.into_iter().map(|g| g.to_device(device)).collect();
        let moved = |(m, v): (Tensor<1>, Tensor<1>)| (m.to_device(device), v.to_device(device));
        let of_part = |part: BatchStatistics| part.into_iter().map(moved).collect();
        let statistics = self.statistics.into_iter().map(of_part).collect();
        Self { gradient, statistics, loss: self.loss }
    }
}

/// One pass over the training images.
pub(super) struct Epoch<'a> {
    pub(super) training: &'a Training<'a>,
    pub(super) number: usize,
    pub(super) model: &'a Model,
    pub(super) images: usize,
    /// Folder of checkpoints.
    pub(super) folder: &'a Path,
}

impl Epoch<'_> {
    /// The network after it and the mean loss, or `None` if `progress` broke it off.
    pub(super) fn run(
        &self,
        inputs: &Inputs,
        network: Network,
        optimiser: &mut Optimiser,
        state: &mut State,
        progress: &dyn Progress,
    ) -> Result<Option<(Network, f64)>, LearnError> {
        let t = self.training;
        let order = shuffled(self.images, t.seed, self.number);
        let mut rest = order.as_slice();
        let mut batches = Vec::new();
        for size in batch_sizes(order.len(), t.card.batch_size) {
            let (batch, others) = rest.split_at(size);
            batches.push(batch);
            rest = others;
        }
        let done = state.within.batches;
        let (mut total, mut stopped) = (state.within.loss, false);
        // Nobody else holds it: its weights move in place.
        let mut held = Some(network);
        inputs.for_each_batch(&batches[done..], |number, input| {
            let Some(network) = held.take() else { return Ok(ControlFlow::Break(())) };
            let number = done + number;
            let (network, loss) = self.step(number, &input, network, optimiser)?;
            if !loss.is_finite() {
                return Err(self.diverged(number, loss, state));
            }
            total += loss * batches[number].len() as f64;
            let event = Event::Batch {
                epoch: self.number,
                epochs: t.card.epochs,
                batch: number + 1,
                batches: batches.len(),
                loss,
                learning_rate: learning_rate(t.card, optimiser.steps, batches.len() as u64),
            };
            let flow = progress.report(event);
            stopped = flow.is_break();
            let every = t.card.checkpoint_batches;
            let due = every > 0 && (number + 1).is_multiple_of(every) && number + 1 < batches.len();
            if due || stopped {
                self.save(&network, optimiser, state, Within { batches: number + 1, loss: total })?;
            }
            held = Some(network);
            Ok(flow)
        })?;
        let mean = total / order.len() as f64;
        Ok(held.filter(|_| !stopped).map(|network| (network, mean)))
    }

    /// A checkpoint within the epoch.
    fn save(
        &self,
        network: &Network,
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
        batch: &Batch,
        network: Network,
        optimiser: &mut Optimiser,
    ) -> Result<(Network, f64), LearnError> {
        let t = self.training;
        let (width, dropout) = match t.architecture {
            AnyArchitecture::Residual(a) => (a.dense, a.dropout),
            AnyArchitecture::Set(_) => (0, 0.0),
        };
        let mask = (width > 0 && dropout > 0.0)
            .then(|| dropout_mask(batch.len() * width, dropout, t.seed, self.number, number));
        let micro = t.card.micro_batch.unwrap_or(batch.len()).max(2);
        let mut begin = 0;
        let parts = batch_sizes(batch.len(), micro).into_iter().map(|n| {
            let range = begin..begin + n;
            begin += n;
            let mask = mask.as_ref().map(|m| m[range.start * width..range.end * width].to_vec());
            (network.clone(), batch.part(range), mask)
        });
        let parts: Vec<(Network, Batch, Option<Vec<f32>>)> = parts.collect();
        let terms = batch.terms();
        let devices = t.compute.devices();
        let part = |device: &Device, (network, batch, mask)| self.part(network, batch, terms, mask, device);
        let name = t.compute.name().to_string();
        let part = on_device(&name, || {
            if t.compute.is_cpu() {
                parallel::sum(parts, |p| part(&devices[0], p), Part::and)
            } else {
                let worker = |worker, p| part(&devices[worker], p).on(&devices[0]);
                parallel::share(parts, devices.len(), worker).into_iter().reduce(Part::and)
            }
        })?;
        let Some(Part { gradient, statistics, loss }) = part else { return Ok((network, 0.0)) };
        let rate = learning_rate(t.card, optimiser.steps + 1, t.batches() as u64);
        let network = on_device(&name, || {
            let moved = optimiser.step(rate, network, gradient);
            statistics.into_iter().fold(moved, Network::with_statistics)
        })?;
        Ok((network, loss))
    }

    /// A micro-batch's share of the gradient of a batch whose loss is a mean over `terms` numbers.
    fn part(
        &self,
        network: Network,
        batch: Batch,
        terms: f64,
        mask: Option<Vec<f32>>,
        device: &Device,
    ) -> Part {
        let (t, model) = (self.training, self.model);
        // Micro-batches that shared leaves of one graph would wait for each other.
        let network = burn::module::Module::fork(network, &device.clone().autodiff());
        let matrix = |data: Vec<f32>, rows: usize| {
            let columns = data.len() / rows;
            Tensor::<2>::from_data(TensorData::new(data, [rows, columns]), device)
        };
        let images = batch.len();
        let frozen = t.card.freeze_norms_after.is_some_and(|epochs| self.number > epochs);
        let (output, truth, weights, statistics) = match (&network, &model.input) {
            (Network::Residual(network), Input::Voxels(voxels)) => {
                let coordinates = model.coordinates.as_ref().map(|c| c.clone().to_device(device));
                let input = voxels.transform.tensor(batch.inputs, coordinates.as_ref(), device);
                let input = cast(input, dtype(t.card.precision));
                let (input, mask) =
                    (Tensor::from_inner(input), mask.map(|m| Tensor::from_inner(matrix(m, images))));
                let (output, statistics) = if t.learns_map() {
                    network.forward_train_maps(input, frozen)
                } else {
                    network.forward_train(input, mask, frozen)
                };
                let (mut output, mut truth, mut shares) = (output, matrix(batch.targets, images), None);
                if let Some((factors, of_maps)) = voxels.of_maps() {
                    let factors = matrix(factors, 1);
                    output = output * Tensor::from_inner(factors.clone());
                    truth = truth * factors;
                    shares = Some(matrix(of_maps, 1));
                }
                (output, truth, shares, statistics)
            }
            (Network::Set(network), Input::Elements(elements)) => {
                let (truth, learned) = (batch.targets.clone(), batch.by_element);
                let (rows, weights) = sets(batch, device);
                let all = weights.dims().iter().product::<usize>();
                let padded = weights.clone().reshape([all, 1]);
                let nominal = elements.events() as f64;
                let output = network.forward(Tensor::from_inner(rows), &Tensor::from_inner(weights), nominal);
                let truth = matrix(truth, if learned { all } else { images });
                (output, truth, learned.then_some(padded), Vec::new())
            }
            _ => unreachable!("a network and its input come from one architecture"),
        };
        let mut loss = losses(t.card.loss, t.card.huber_delta, output, Tensor::from_inner(truth));
        if let Some(weights) = weights {
            loss = loss * Tensor::from_inner(weights);
        }
        let loss = loss.sum() / terms;
        let gradient = if t.card.precision == Precision::F16 {
            // Small gradients would vanish.
            let scaled = gradient_of(&network, &(loss.clone() * LOSS_SCALE).backward());
            scaled.into_iter().map(|g| g / LOSS_SCALE).collect()
        } else {
            gradient_of(&network, &loss.backward())
        };
        let statistics = vec![statistics.into_iter().map(|(m, v)| (m.inner(), v.inner())).collect()];
        Part { gradient, statistics, loss: loss.inner().into_scalar::<f64>() }
    }

    fn diverged(&self, number: usize, loss: f64, state: &State) -> LearnError {
        let kept = match state.epoch() {
            0 => String::new(),
            epoch => format!(" (the checkpoint of epoch {epoch} is kept)"),
        };
        LearnError::Diverged { epoch: self.number, batch: number + 1, loss: loss as f32, kept }
    }
}

/// Images of each batch: all are used, and none stays alone, for a batch norm needs two.
pub(super) fn batch_sizes(images: usize, batch: usize) -> Vec<usize> {
    let mut sizes = vec![batch; images / batch];
    match (images % batch, sizes.last_mut()) {
        (0, _) => {}
        (1, Some(last)) => *last += 1,
        (rest, _) => sizes.push(rest),
    }
    sizes
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
