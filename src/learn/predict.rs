//! Coefficients of images, by a trained network.

use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData};
use humboldt_pipeline::EventBatch;
use humboldt_schemas::card::Elements;
use rayon::prelude::*;

use super::calibration::{Calibration, ImageEstimate, KnownImages, Value};
use super::device::guarded;
use super::elements::{ElementInput, Set, of_events};
use super::error::LearnError;
use super::inputs::{Batch, Input, Inputs, sets};
use super::loss::meaning;
use super::model::{Model, Target};
use super::network::Network;
use super::parallel;
use super::progress::{Event, Progress};
use super::set::SetNetwork;
use super::source::ImageSource;

/// Images that go through the network at once.
const BATCH: usize = 64;
/// Images of a batch that one thread of the CPU takes.
const PART: usize = 16;
/// Elements of a set that pass its layers at once: what they leave stays in the cache.
const ELEMENTS: usize = 2048;

impl Model {
    /// The first coefficient of every image of `source`, in its order; the same whatever the number of threads.
    /// `None` where `progress` broke it off.
    ///
    /// # Errors
    /// When the images have another number of bins, or cannot be read, or the device fails.
    pub fn predict(
        &self,
        source: &dyn ImageSource,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<f64>>, LearnError> {
        let estimates = self.estimates(source, progress)?;
        Ok(estimates.map(|all| all.iter().map(|e| e.values[0].value).collect()))
    }

    /// All coefficients of every image, with intervals where the network knows them.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn estimates(
        &self,
        source: &dyn ImageSource,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<ImageEstimate>>, LearnError> {
        let (bins, total) = (self.info().bins, source.len());
        if source.bins() != bins {
            return Err(LearnError::Bins { got: source.bins(), expected: bins });
        }
        let mut estimates = Vec::with_capacity(total);
        let told = |estimates: &[ImageEstimate]| {
            progress.report(Event::Predicted { done: estimates.len(), total }).is_break()
                && estimates.len() < total
        };
        if let Input::Elements(elements) = &self.input {
            let all: Vec<usize> = (0..total).collect();
            for batch in all.chunks(BATCH) {
                let sets = parallel::map(batch.to_vec(), |index| elements.whole(source, index));
                estimates.extend(self.of_sets(sets.into_iter().collect::<Result<_, _>>()?)?);
                if told(&estimates) {
                    return Ok(None);
                }
            }
            return Ok(Some(estimates));
        }
        let mut stopped = false;
        let inputs = Inputs::new(source, &self.input, &[Target::PLAIN], 0, &|_| ())?;
        let columns = self.info().outputs();
        let calibration = self.calibration()?;
        self.outputs(&inputs, total, |outputs| {
            estimates.extend(outputs.chunks_exact(columns).map(|output| match calibration {
                Some(calibration) => calibration.estimate(output, self.info().events),
                None => self.meaning(output),
            }));
            stopped = told(&estimates);
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((!stopped).then_some(estimates))
    }

    /// The coefficients of a sample of events, of any number, by a network over events.
    ///
    /// # Errors
    /// When the network takes images, or the K pi mass that these events lack; when the device fails.
    pub fn estimate_events(&self, events: &EventBatch) -> Result<ImageEstimate, LearnError> {
        let Input::Elements(input) = &self.input else { return Err(LearnError::NotOverEvents) };
        let architecture = input.architecture();
        if architecture.elements != Elements::Events {
            return Err(LearnError::NotOverEvents);
        }
        if architecture.m_kpi && events.m_kpi.len() != events.len() {
            return Err(LearnError::NoMass);
        }
        let set = of_events(events, architecture.m_kpi);
        self.of_sets(vec![set])?.into_iter().next().ok_or(LearnError::NotOverEvents)
    }

    /// Calibration from what is learned to the coefficients; `None` where it is these.
    fn calibration(&self) -> Result<Option<&Calibration>, LearnError> {
        if !self.info().architecture.is_calibrated() {
            return Ok(None);
        }
        self.info().calibration.as_ref().map(Some).ok_or(LearnError::NotCalibrated)
    }

    fn meaning(&self, output: &[f64]) -> ImageEstimate {
        let loss = self.info().loss;
        let value = |(output, target): (&[f64], Target)| {
            let (value, interval) = meaning(loss, output);
            let (minus, plus) = interval.unzip();
            let scaled = |x: f64| x * target.scale;
            Value { value: target.restored(value), minus: minus.map(scaled), plus: plus.map(scaled) }
        };
        let values = output.chunks_exact(loss.outputs()).zip(self.info().targets()).map(value).collect();
        ImageEstimate { values, p_value: None, correlation: Vec::new() }
    }

    /// Outputs of the network for each batch of inputs; ends early when `consume` breaks.
    pub(super) fn outputs(
        &self,
        inputs: &Inputs,
        total: usize,
        mut consume: impl FnMut(Vec<f64>) -> ControlFlow<()>,
    ) -> Result<(), LearnError> {
        let all: Vec<usize> = (0..total).collect();
        let batches: Vec<&[usize]> = all.chunks(BATCH).collect();
        inputs.for_each_batch(&batches, |_, batch| Ok(consume(self.of_batch(&batch)?)))
    }

    /// The outputs of a batch: a row for each image, or for each element that is learned.
    pub(super) fn of_batch(&self, batch: &Batch) -> Result<Vec<f64>, LearnError> {
        self.on_device(|| {
            let forward = |(network, part): (Network, Batch)| {
                self.forward(&network, part).into_data().iter::<f64>().collect::<Vec<f64>>()
            };
            if self.compute.is_cpu() {
                let starts = (0..batch.len()).step_by(PART);
                let parts = starts.map(|i| batch.part(i..batch.len().min(i + PART)));
                parallel::map(parts.map(|part| (self.network.clone(), part)).collect(), forward).concat()
            } else {
                forward((self.network.clone(), batch.clone()))
            }
        })
    }

    fn forward(&self, network: &Network, batch: Batch) -> Tensor<2> {
        match (network, &self.input) {
            (Network::Residual(network), Input::Voxels(voxels)) => {
                let device = self.compute.device();
                network.forward(voxels.transform.tensor(batch.inputs, self.coordinates.as_ref(), device))
            }
            (Network::Set(network), Input::Elements(elements)) => {
                let (rows, weights) = sets(batch, self.compute.device());
                network.forward(rows, &weights, elements.events() as f64)
            }
            _ => unreachable!("a network and its input come from one architecture"),
        }
    }

    fn of_sets(&self, sets: Vec<Set>) -> Result<Vec<ImageEstimate>, LearnError> {
        let (Network::Set(network), Input::Elements(input)) = (&self.network, &self.input) else {
            return Ok(Vec::new());
        };
        let means = self.means(network, input, sets)?;
        if let Some(calibration) = self.calibration()? {
            let events = |size: usize| match input.architecture().elements {
                Elements::Events => size,
                Elements::Cells => input.events(),
            };
            return Ok(means.par_iter().map(|(t, size)| calibration.estimate(t, events(*size))).collect());
        }
        let pooled = input.architecture().pooled;
        let columns = self.info().outputs();
        let outputs = self.on_device(|| {
            let device = self.compute.device();
            let mean: Vec<f32> = means.iter().flat_map(|(t, _)| t).map(|x| *x as f32).collect();
            let size: Vec<f32> =
                means.iter().map(|(_, n)| ((*n).max(1) as f64 / input.events() as f64).ln() as f32).collect();
            let mean = Tensor::from_data(TensorData::new(mean, [means.len(), pooled]), device);
            let size = Tensor::from_data(TensorData::new(size, [means.len(), 1]), device);
            network.of_means(mean, size).into_data().iter::<f64>().collect::<Vec<f64>>()
        })?;
        Ok(outputs.chunks_exact(columns).map(|output| self.meaning(output)).collect())
    }

    /// The statistic of each set, and its number of elements. Of occupied cells the statistic is the sum over as many events
    /// as the network was trained for, and the number of cells is one more component.
    fn means(
        &self,
        network: &SetNetwork,
        input: &ElementInput,
        sets: Vec<Set>,
    ) -> Result<Vec<(Vec<f64>, usize)>, LearnError> {
        let (pooled, features) = (input.architecture().pooled, input.architecture().features());
        let device = self.compute.device();
        let extensive =
            input.architecture().is_calibrated() && input.architecture().elements == Elements::Cells;
        let mean = |(network, set): (SetNetwork, Set)| {
            let mut sums = vec![0.0; pooled];
            for part in set.features.chunks(ELEMENTS * features) {
                let rows = part.len() / features;
                let part = TensorData::new(part.to_vec(), [rows, features]);
                let part = network.of_elements(Tensor::from_data(part, device)).sum_dim(0);
                for (sum, x) in sums.iter_mut().zip(part.into_data().iter::<f64>()) {
                    *sum += x;
                }
            }
            let over = if extensive { input.events() } else { set.len.max(1) };
            let mut statistic: Vec<f64> = sums.into_iter().map(|sum| sum / over as f64).collect();
            if extensive {
                statistic.push(set.len as f64 / over as f64);
            }
            (statistic, set.len)
        };
        let all = sets.into_iter().map(|set| (network.clone(), set)).collect();
        self.on_device(|| {
            if self.compute.is_cpu() { parallel::map(all, mean) } else { all.into_iter().map(mean).collect() }
        })
    }

    /// The model with the calibration that images of known coefficients give it.
    ///
    /// # Errors
    /// As [`Model::predict`]; when the images do not tell values apart.
    pub fn calibrated(self, source: &dyn ImageSource, progress: &dyn Progress) -> Result<Self, LearnError> {
        let total = source.len();
        let mut samples: Vec<KnownImages> = Vec::new();
        let mut done = 0;
        let mut add = |statistics: Vec<Vec<f64>>| {
            for statistic in statistics {
                let labels = source.labels(done);
                done += 1;
                match samples.last_mut() {
                    Some((known, list)) if *known == labels => list.push(statistic),
                    _ => samples.push((labels, vec![statistic])),
                }
            }
            // Calibrating is short; a wish to stop is heard after it.
            let _ = progress.report(Event::Calibrated { done, total });
        };
        if let (Network::Set(network), Input::Elements(input)) = (&self.network, &self.input) {
            let all: Vec<usize> = (0..total).collect();
            for batch in all.chunks(BATCH) {
                let sets = parallel::map(batch.to_vec(), |index| input.whole(source, index));
                let means = self.means(network, input, sets.into_iter().collect::<Result<_, _>>()?)?;
                add(means.into_iter().map(|(statistic, _)| statistic).collect());
            }
        } else {
            let inputs = Inputs::new(source, &self.input, &[Target::PLAIN], 0, &|_| ())?;
            let columns = self.info().outputs();
            self.outputs(&inputs, total, |outputs| {
                add(outputs.chunks_exact(columns).map(<[f64]>::to_vec).collect());
                ControlFlow::Continue(())
            })?;
        }
        let calibration = Calibration::fit(&samples, self.info().events)?;
        Ok(self.with_calibration(calibration))
    }

    fn on_device<T>(&self, work: impl FnOnce() -> T) -> Result<T, LearnError> {
        on_device(&self.compute.name().to_string(), work)
    }
}

/// Runs work that fails by a panic where the device does (out of memory, lost).
pub(super) fn on_device<T>(name: &str, work: impl FnOnce() -> T) -> Result<T, LearnError> {
    guarded(work).map_err(|reason| LearnError::Compute { device: name.to_owned(), reason })
}
