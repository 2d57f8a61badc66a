//! Batches for the network: images turned into its numbers, kept or made ahead of it.

use std::iter;
use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;
use std::thread;

use burn::tensor::{Device, Tensor, TensorData};
use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::scores::EventScores;
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{AnyArchitecture, Architecture};
use rayon::prelude::*;

use super::elements::ElementInput;
use super::error::LearnError;
use super::input::InputTransform;
use super::model::{ModelInfo, Target};
use super::scores::{ScoreMaps, Spread, maps_of};
use super::source::{ImageSource, evenly_spaced};

/// Batches that wait for the network, besides the one that it works on.
const QUEUE: usize = 2;

/// Images that are looked at to learn the spread of mean scores.
const IMAGES_FOR_SPREAD: usize = 512;

/// Conversion of an image to a network's input.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// Channels of an image.
    Voxels(Box<VoxelInput>),
    /// Elements of a set.
    Elements(ElementInput),
}

/// Images as channels, and what is learned of each: its labels, or the scores of its events.
#[derive(Debug, Clone)]
pub(super) struct VoxelInput {
    /// From an image to channels.
    pub(super) transform: InputTransform,
    architecture: Architecture,
    /// Numbers that are learned of an image.
    outputs: usize,
    learned: Option<Box<Learned>>,
    spread: Vec<Spread>,
}

/// Scores that are learned.
#[derive(Debug, Clone)]
struct Learned {
    maps: ScoreMaps,
    /// Mean of each cell of the maps over images, which is taken out: most of what a cell has is the same in all.
    means: Vec<f32>,
}

impl VoxelInput {
    /// Takes images as they are, and learns labels.
    pub(super) fn plain(architecture: &Architecture, bins: usize) -> Self {
        let transform = InputTransform::new(architecture, bins, 1, &[]);
        Self { transform, architecture: architecture.clone(), outputs: 1, learned: None, spread: Vec::new() }
    }

    /// Numbers of cells of the maps that are learned.
    fn cells(&self) -> Vec<usize> {
        maps_of(&self.architecture, self.transform.bins()).iter().map(|map| map.count()).collect()
    }

    /// The means of the scores that are learned over a source's images, and their spread over cells and images without these.
    fn measured(
        &self,
        maps: ScoreMaps,
        source: &dyn ImageSource,
    ) -> Result<(Learned, Vec<Spread>), LearnError> {
        let images: Vec<usize> = evenly_spaced(source.len(), IMAGES_FOR_SPREAD).collect();
        let mut sums = vec![(0.0_f64, 0.0_f64); self.outputs];
        for portion in images.chunks(64) {
            let rows = portion.par_iter().map(|index| {
                let (mut events, mut scores) = (MeasuredEvents::default(), vec![0.0; self.outputs]);
                source.events(*index, usize::MAX, &mut events)?;
                maps.fill(&events, &mut scores)?;
                Ok::<_, LearnError>(scores)
            });
            for row in rows.collect::<Result<Vec<_>, _>>()? {
                for ((sum, squares), x) in sums.iter_mut().zip(row) {
                    *sum += f64::from(x);
                    *squares += f64::from(x).powi(2);
                }
            }
        }
        let n = images.len() as f64;
        let mut rest = sums.iter().map(|(sum, squares)| (sum / n, squares / n));
        let mut spread = Vec::new();
        for cells in self.cells() {
            for _ in &self.architecture.references {
                let (mut mean, mut variance) = (0.0, 0.0);
                for (own, square) in rest.by_ref().take(cells) {
                    mean += own / cells as f64;
                    variance += (square - own * own) / cells as f64;
                }
                spread.push(Spread::new(mean, variance));
            }
        }
        let means = sums.iter().map(|(sum, _)| (sum / n) as f32).collect();
        Ok((Learned { maps, means }, spread))
    }

    /// The unit of each reference's scores, the spread in the last map.
    fn units(&self) -> &[Spread] {
        &self.spread[self.spread.len().saturating_sub(self.architecture.references.len())..]
    }

    /// For each number that is learned of an image, the factor that brings its map's spread to 1, and what its square then counts
    /// for: each map, and in it each cell, as much as the others. `None` where all are of one map.
    pub(super) fn of_maps(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        let (cells, references) = (self.cells(), self.architecture.references.len());
        if cells.len() < 2 || self.spread.len() != cells.len() * references {
            return None;
        }
        let all = self.outputs as f32 / self.spread.len() as f32;
        let (mut factors, mut shares) = (Vec::new(), Vec::new());
        for (own, cells) in self.spread.chunks_exact(references).zip(cells) {
            for (own, unit) in own.iter().zip(self.units()) {
                factors.extend(iter::repeat_n(unit.deviation / own.deviation, cells));
                shares.extend(iter::repeat_n(all / cells as f32, cells));
            }
        }
        Some((factors, shares))
    }

    /// The channels of an image, and what is learned of it.
    fn fill(
        &self,
        source: &dyn ImageSource,
        index: usize,
        labels: &[Target],
        scratch: &mut Scratch,
        (input, targets): (&mut [f32], &mut [f32]),
    ) -> Result<(), LearnError> {
        let Scratch { image, events, voxeliser } = scratch;
        if let Some(learned) = &self.learned {
            source.events(index, usize::MAX, events)?;
            let voxeliser = match voxeliser {
                Some(voxeliser) => voxeliser,
                None => voxeliser.insert(Voxeliser::new(self.transform.bins())?),
            };
            voxeliser.voxelise(events.events.angles(), image)?;
            learned.maps.fill(events, targets)?;
            let mut rest = targets.iter_mut().zip(&learned.means);
            for cells in self.cells() {
                for unit in self.units() {
                    rest.by_ref().take(cells).for_each(|(x, mean)| *x = (*x - mean) / unit.deviation);
                }
            }
        } else {
            source.read(index, image)?;
            scaled_labels(source, index, labels, targets);
        }
        self.transform.apply(image, source.size(index), input);
        Ok(())
    }
}

/// Workspace of one thread.
struct Scratch {
    image: Vec<f32>,
    events: MeasuredEvents,
    voxeliser: Option<Voxeliser>,
}

/// The labels of an image as the network sees them.
pub(super) fn scaled_labels(source: &dyn ImageSource, index: usize, labels: &[Target], targets: &mut [f32]) {
    for ((x, label), target) in targets.iter_mut().zip(source.labels(index)).zip(labels) {
        *x = target.scaled(label) as f32;
    }
}

impl Input {
    /// The input of a network.
    pub(super) fn new(info: &ModelInfo) -> Self {
        match &info.architecture {
            AnyArchitecture::Residual(a) => {
                let transform = InputTransform::new(a, info.bins, info.events, &info.input);
                let cells: usize = maps_of(a, info.bins).iter().map(|map| map.count()).sum();
                let outputs =
                    if a.references.is_empty() { info.labels() } else { a.references.len() * cells };
                let (architecture, spread) = (a.clone(), info.scores.clone());
                Self::Voxels(Box::new(VoxelInput { transform, architecture, outputs, learned: None, spread }))
            }
            AnyArchitecture::Set(a) => Self::Elements(ElementInput::new(a, info)),
        }
    }

    /// Input with the scores that are learned.
    pub(super) fn learning(
        self,
        scores: Option<EventScores>,
        source: &dyn ImageSource,
    ) -> Result<Self, LearnError> {
        match self {
            Self::Elements(elements) => elements.learning(scores, source).map(Self::Elements),
            Self::Voxels(mut voxels) => {
                let Some(scores) = scores else { return Ok(Self::Voxels(voxels)) };
                let maps = ScoreMaps::new(scores, &voxels.architecture, voxels.transform.bins());
                let (learned, spread) = voxels.measured(maps, source)?;
                voxels.learned = Some(Box::new(learned));
                if voxels.spread.is_empty() {
                    voxels.spread = spread;
                }
                Ok(Self::Voxels(voxels))
            }
        }
    }

    /// The means over cells of the last map that was learned of each image, where cells are learned.
    pub(super) fn pooled(&self, targets: &[f32]) -> Option<Vec<f32>> {
        let Self::Voxels(voxels) = self else { return None };
        let last = *voxels.cells().last()?;
        let of_last = last * voxels.architecture.references.len();
        let mean = |cells: &[f32]| cells.iter().sum::<f32>() / cells.len() as f32;
        let image =
            |all: &[f32]| -> Vec<f32> { all[all.len() - of_last..].chunks_exact(last).map(mean).collect() };
        let images = || targets.chunks_exact(voxels.outputs).flat_map(image).collect();
        voxels.architecture.score_map.then(images)
    }

    /// Means and deviations taken out of each score that is learned; empty where none are.
    pub(super) fn spread(&self) -> &[Spread] {
        match self {
            Self::Voxels(voxels) => &voxels.spread,
            Self::Elements(elements) => elements.spread(),
        }
    }

    /// Whether single elements are learned, and not whole images.
    fn by_element(&self) -> bool {
        matches!(self, Self::Elements(elements) if elements.architecture().is_calibrated())
    }

    /// Numbers that one image leaves in each part of a [`Batch`].
    fn sizes(&self) -> [usize; 3] {
        match self {
            Self::Voxels(voxels) => [voxels.transform.len(), voxels.outputs, 0],
            Self::Elements(elements) => elements.sizes(),
        }
    }
}

/// Numbers that some images leave, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// Input of the network.
    pub(super) inputs: Vec<f32>,
    /// Targets of the network's outputs.
    pub(super) targets: Vec<f32>,
    /// 1 for each element of a set, 0 for padding; empty for images.
    pub(super) weights: Vec<f32>,
    images: usize,
    /// Whether each element of a set has targets of its own, those of padding included.
    pub(super) by_element: bool,
}

impl Batch {
    fn zeros(images: usize, input: &Input) -> Self {
        let [inputs, targets, weights] = input.sizes().map(|n| vec![0.0; images * n]);
        Self { inputs, targets, weights, images, by_element: input.by_element() }
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
            by_element: self.by_element,
        }
    }

    /// Numbers that the loss is a mean over.
    pub(super) fn terms(&self) -> f64 {
        if !self.by_element {
            return self.targets.len() as f64;
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
    let features = batch.inputs.len() / batch.weights.len();
    (tensor(batch.inputs, features), tensor(batch.weights, length))
}

/// The inputs of a source's images: all of them in memory where they fit, else made when they are due.
pub(super) struct Inputs<'a> {
    source: &'a dyn ImageSource,
    input: &'a Input,
    labels: &'a [Target],
    kept: Option<Batch>,
}

impl<'a> Inputs<'a> {
    /// Reads all images if their inputs need at most `budget` bytes; `loaded` hears of each portion.
    pub(super) fn new(
        source: &'a dyn ImageSource,
        input: &'a Input,
        labels: &'a [Target],
        budget: u64,
        loaded: &dyn Fn(usize),
    ) -> Result<Self, LearnError> {
        let mut inputs = Self { source, input, labels, kept: None };
        let numbers: usize = input.sizes().iter().sum();
        let bytes = (source.len() as u64).saturating_mul((numbers * size_of::<f32>()) as u64);
        if bytes <= budget {
            let all: Vec<usize> = (0..source.len()).collect();
            let mut kept = Batch { by_element: input.by_element(), ..Batch::default() };
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
                by_element: kept.by_element,
            });
        }
        let mut batch = Batch::zeros(indices.len(), self.input);
        let Batch { inputs, targets, weights, .. } = &mut batch;
        match self.input {
            Input::Voxels(voxels) => inputs
                .par_chunks_exact_mut(sizes[0])
                .zip(targets.par_chunks_exact_mut(sizes[1]))
                .zip(indices)
                .try_for_each_init(
                    || Scratch {
                        image: vec![0.0; voxels.transform.bins().pow(3)],
                        events: MeasuredEvents::default(),
                        voxeliser: None,
                    },
                    |scratch, (numbers, &index)| {
                        voxels.fill(self.source, index, self.labels, scratch, numbers)
                    },
                )?,
            Input::Elements(elements) => inputs
                .par_chunks_exact_mut(sizes[0])
                .zip(targets.par_chunks_exact_mut(sizes[1]))
                .zip(weights.par_chunks_exact_mut(sizes[2]))
                .zip(indices)
                .try_for_each(|(((input, target), weight), &index)| {
                    elements.sample(self.source, index, self.labels, input, target, weight)
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
