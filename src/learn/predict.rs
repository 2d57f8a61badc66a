//! delta C9 of images, by a trained network.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::device::panic_message;
use super::error::LearnError;
use super::model::Model;
use super::network::ResNet;
use super::parallel;
use super::progress::{Event, Progress};
use super::source::{ImageSource, Inputs};

/// Images that go through the network at once.
const BATCH: usize = 64;
/// Images of a batch that one thread of the CPU takes.
const PART: usize = 16;

impl Model {
    /// Predicted delta C9 of every image of `source`, in its order; the same whatever the number of threads.
    /// `None` where `progress` broke it off.
    ///
    /// # Errors
    /// When the images have another number of bins, or cannot be read, or the device fails.
    pub fn predict(
        &self,
        source: &dyn ImageSource,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<f64>>, LearnError> {
        if source.bins() != self.transform.bins() {
            return Err(LearnError::Bins { got: source.bins(), expected: self.transform.bins() });
        }
        let inputs = Inputs::new(source, &self.transform, 0, &|_| ())?;
        self.predict_inputs(&inputs, source.len(), progress)
    }

    pub(super) fn predict_inputs(
        &self,
        inputs: &Inputs,
        total: usize,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<f64>>, LearnError> {
        let all: Vec<usize> = (0..total).collect();
        let batches: Vec<&[usize]> = all.chunks(BATCH).collect();
        let mut predictions = Vec::with_capacity(total);
        let mut stopped = false;
        inputs.for_each_batch(&batches, |_, inputs| {
            predictions.extend(self.outputs(inputs)?);
            let flow = progress.report(Event::Predicted { done: predictions.len(), total });
            stopped = flow.is_break() && predictions.len() < total;
            Ok(if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok((!stopped).then_some(predictions))
    }

    /// Predictions for the inputs of a batch.
    fn outputs(&self, inputs: Vec<f32>) -> Result<Vec<f64>, LearnError> {
        let target = self.info().target;
        let outputs = on_device(&self.compute.name().to_string(), || {
            let forward = |(network, inputs): (ResNet, Vec<f32>)| {
                let input = self.transform.tensor(inputs, self.coordinates.as_ref(), self.compute.device());
                network.forward(input).into_data().iter::<f64>().collect::<Vec<f64>>()
            };
            if self.compute.is_cpu() {
                let parts = inputs.chunks(PART * self.transform.len()).map(<[f32]>::to_vec);
                parallel::map(parts.map(|part| (self.network.clone(), part)).collect(), forward).concat()
            } else {
                forward((self.network.clone(), inputs))
            }
        })?;
        Ok(outputs.into_iter().map(|x| target.restored(x)).collect())
    }
}

/// Runs work that fails by a panic where the device does (out of memory, lost).
pub(super) fn on_device<T>(name: &str, work: impl FnOnce() -> T) -> Result<T, LearnError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| LearnError::Compute {
        device: name.to_owned(),
        reason: panic_message(panic.as_ref()),
    })
}
