//! Batches for the network: images turned into its numbers, kept or made ahead of it.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;
use std::thread;

use burn::tensor::{Device, Tensor, TensorData};
use humboldt_pipeline::scores::EventScores;
use humboldt_schemas::card::{AnyArchitecture, SetArchitecture};
use rayon::prelude::*;

use super::elements::ElementInput;
use super::error::LearnError;
use super::input::InputTransform;
use super::model::{ModelInfo, Target};
use super::source::ImageSource;

/// Batches that wait for the network, besides the one that it works on.
const QUEUE: usize = 2;

/// How an image becomes what a network takes.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// Channels of an image.
    Voxels(InputTransform),
    /// Elements of a set.
    Elements(ElementInput),
}

impl Input {
    /// The input of a network.
    pub(super) fn new(info: &ModelInfo) -> Self {
        match &info.architecture {
            AnyArchitecture::Residual(a) => Self::Voxels(InputTransform::new(a, info.bins, &info.input)),
            AnyArchitecture::Set(a) => {
                Self::Elements(ElementInput::new(a, info.bins, info.events, &info.scores))
            }
        }
    }

    /// The same with the scores that are learned.
    pub(super) fn learning(
        self,
        scores: Option<EventScores>,
        source: &dyn ImageSource,
    ) -> Result<Self, LearnError> {
        match self {
            Self::Elements(elements) => elements.learning(scores, source).map(Self::Elements),
            voxels @ Self::Voxels(_) => Ok(voxels),
        }
    }

    /// Numbers that one image leaves in each part of a [`Batch`].
    fn sizes(&self) -> [usize; 3] {
        match self {
            Self::Voxels(transform) => [transform.len(), 1, 0],
            Self::Elements(elements) => elements.sizes(),
        }
    }
}

/// What some images leave, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// What the network takes.
    pub(super) inputs: Vec<f32>,
    /// What it shall put out.
    pub(super) targets: Vec<f32>,
    /// 1 for each element of a set, 0 for padding; empty for images.
    pub(super) weights: Vec<f32>,
    images: usize,
}

impl Batch {
    fn zeros(images: usize, [inputs, targets, weights]: [usize; 3]) -> Self {
        let zeros = |n: usize| vec![0.0; images * n];
        Self { inputs: zeros(inputs), targets: zeros(targets), weights: zeros(weights), images }
    }

    /// Number of images.
    pub(super) const fn len(&self) -> usize {
        self.images
    }

    /// Those of some images.
    pub(super) fn part(&self, images: Range<usize>) -> Self {
        let n = self.images.max(1);
        let of = |data: &[f32]| {
            let size = data.len() / n;
            data[images.start * size..images.end * size].to_vec()
        };
        Self {
            inputs: of(&self.inputs),
            targets: of(&self.targets),
            weights: of(&self.weights),
            images: images.len(),
        }
    }

    /// Numbers that the loss is a mean over.
    pub(super) fn terms(&self) -> f64 {
        let per_set = self.weights.len() / self.images.max(1);
        if per_set == 0 || self.targets.len() == self.images {
            return self.images as f64;
        }
        // Each element has as many targets.
        let columns = self.targets.len() / self.weights.len();
        self.weights.iter().map(|w| f64::from(*w)).sum::<f64>() * columns as f64
    }
}

/// The tensors of a batch of sets on a device.
///
/// # Shapes
/// [sets * length, features] and [sets, length].
pub(super) fn sets(batch: Batch, device: &Device) -> (Tensor<2>, Tensor<2>) {
    let tensor = |data: Vec<f32>, columns: usize| {
        let rows = data.len() / columns;
        Tensor::from_data(TensorData::new(data, [rows, columns]), device)
    };
    let length = batch.weights.len() / batch.images;
    (tensor(batch.inputs, SetArchitecture::FEATURES), tensor(batch.weights, length))
}

/// The inputs of a source's images: all of them in memory where they fit, else made when they are due.
pub(super) struct Inputs<'a> {
    source: &'a dyn ImageSource,
    input: &'a Input,
    target: Target,
    kept: Option<Batch>,
}

impl<'a> Inputs<'a> {
    /// Reads all images if their inputs need at most `budget` bytes; `loaded` hears of each portion.
    pub(super) fn new(
        source: &'a dyn ImageSource,
        input: &'a Input,
        target: Target,
        budget: u64,
        loaded: &dyn Fn(usize),
    ) -> Result<Self, LearnError> {
        let mut inputs = Self { source, input, target, kept: None };
        let numbers: usize = input.sizes().iter().sum();
        let bytes = (source.len() as u64).saturating_mul((numbers * size_of::<f32>()) as u64);
        if bytes <= budget {
            let all: Vec<usize> = (0..source.len()).collect();
            let mut kept = Batch::default();
            for portion in all.chunks(256) {
                let batch = inputs.batch(portion)?;
                kept.inputs.extend(batch.inputs);
                kept.targets.extend(batch.targets);
                kept.weights.extend(batch.weights);
                kept.images += batch.images;
                loaded(portion.len());
            }
            inputs.kept = Some(kept);
        }
        Ok(inputs)
    }

    /// The inputs of some images, one after the other.
    pub(super) fn batch(&self, indices: &[usize]) -> Result<Batch, LearnError> {
        let sizes = self.input.sizes();
        if let Some(kept) = &self.kept {
            let of = |data: &[f32], n: usize| {
                indices.iter().flat_map(|i| &data[i * n..(i + 1) * n]).copied().collect()
            };
            return Ok(Batch {
                inputs: of(&kept.inputs, sizes[0]),
                targets: of(&kept.targets, sizes[1]),
                weights: of(&kept.weights, sizes[2]),
                images: indices.len(),
            });
        }
        let mut batch = Batch::zeros(indices.len(), sizes);
        let Batch { inputs, targets, weights, .. } = &mut batch;
        match self.input {
            Input::Voxels(transform) => {
                inputs.par_chunks_exact_mut(sizes[0]).zip(targets).zip(indices).try_for_each_init(
                    || vec![0.0; transform.bins().pow(3)],
                    |image, ((input, target), &index)| {
                        self.source.read(index, image)?;
                        transform.apply(image, input);
                        *target = self.target.scaled(self.source.label(index)) as f32;
                        Ok::<_, LearnError>(())
                    },
                )?;
            }
            Input::Elements(elements) => inputs
                .par_chunks_exact_mut(sizes[0])
                .zip(targets.par_chunks_exact_mut(sizes[1]))
                .zip(weights.par_chunks_exact_mut(sizes[2]))
                .zip(indices)
                .try_for_each(|(((input, target), weight), &index)| {
                    elements.sample(self.source, index, self.target, input, target, weight)
                })?,
        }
        Ok(batch)
    }

    /// Hands the inputs of each batch to `consume`, while another thread prepares the next ones; ends early when
    /// `consume` breaks.
    pub(super) fn for_each_batch(
        &self,
        batches: &[&[usize]],
        mut consume: impl FnMut(usize, Batch) -> Result<ControlFlow<()>, LearnError>,
    ) -> Result<(), LearnError> {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(QUEUE);
            scope.spawn(move || {
                for batch in batches {
                    // The receiver is gone when the consumer stopped early: nothing is left to do.
                    if sender.send(self.batch(batch)).is_err() {
                        return;
                    }
                }
            });
            for (number, inputs) in receiver.into_iter().enumerate() {
                if consume(number, inputs?)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}
