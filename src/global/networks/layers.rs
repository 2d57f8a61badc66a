//! Dense layers, steps of Adam, and random numbers that follow from a seed alone.

use burn::module::Module;
use burn::module::Param;
use burn::nn::Linear;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use humboldt_pipeline::rng::numbered;
use rand_pcg::Pcg64;

use super::Watch;
use crate::global::GlobalError;
use crate::learn::layers::Init;
pub(super) use crate::learn::source::{mask, permutation};

/// Points of the curve of a training.
const CURVE: usize = 200;

/// Dense layers one after the other.
#[derive(Module, Debug)]
pub(super) struct Dense {
    layers: Vec<Linear>,
}

impl Dense {
    /// From the width of the input over those of hidden layers to that of the output; weights as Glorot and Bengio's
    /// (AISTATS 2010), biases 0: what Keras, which the study used, begins with.
    pub(super) fn init(init: &mut Init, widths: &[usize]) -> Self {
        let gain = |inputs: usize, outputs: usize| 6.0 * inputs as f64 / (inputs + outputs) as f64;
        let layer = |pair: &[usize]| init.linear(pair[0], pair[1], gain(pair[0], pair[1]));
        Self { layers: widths.windows(2).map(layer).collect() }
    }

    /// The layers with an activation between each two, and a mask that multiplies the last hidden values.
    pub(super) fn forward(
        &self,
        input: Tensor<2>,
        activation: impl Fn(Tensor<2>) -> Tensor<2>,
        mask: Option<Tensor<2>>,
    ) -> Tensor<2> {
        let mut x = input;
        let Some((last, hidden)) = self.layers.split_last() else { return x };
        for layer in hidden {
            x = activation(layer.forward(x));
        }
        last.forward(match mask {
            Some(mask) => x * mask,
            None => x,
        })
    }

    /// Values that enter the last layer.
    pub(super) fn last_hidden(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.weight.dims()[0])
    }
}

/// A 3 x 3 convolution with a border of zeros.
pub(super) fn convolution(
    init: &mut Init,
    device: &Device,
    channels: usize,
    filters: usize,
    stride: usize,
) -> Conv2d {
    let config = Conv2dConfig::new([channels, filters], [3, 3])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let (inputs, outputs) = (9 * channels, 9 * filters);
    Conv2d {
        weight: init.uniform(
            [filters, channels, 3, 3],
            inputs,
            6.0 * inputs as f64 / (inputs + outputs) as f64,
        ),
        bias: Some(Param::from_tensor(Tensor::zeros([filters], device))),
        ..config.init(device)
    }
}

/// Adam (arXiv:1412.6980) with a first momentum.
pub(super) fn adam(beta_1: f64) -> ModuleOptimizer {
    AdamConfig::new().with_beta_1(beta_1 as f32).with_epsilon(1e-7).init()
}

/// Moves a module down the gradient of a loss; gives the loss too.
///
/// # Errors
/// When the loss is no finite number.
pub(super) fn descend<M: Module>(
    optimiser: &mut ModuleOptimizer,
    rate: f64,
    module: M,
    loss: &Tensor<1>,
    step: usize,
) -> Result<(M, f64), GlobalError> {
    let value: f64 = loss.clone().into_scalar();
    if !value.is_finite() {
        return Err(GlobalError::Diverged { step, loss: value });
    }
    let gradients = GradientsParams::from_grads(loss.backward(), &module);
    Ok((optimiser.step(rate, module, gradients), value))
}

/// Trains a module by steps of Adam on fresh batches, with a learning rate that falls along half a cosine; gives the mean loss
/// after so many steps too. `loss` is that of the batch of a step.
///
/// # Errors
/// When a batch cannot be made, or the loss is no finite number.
pub(super) fn train<M: Module>(
    mut module: M,
    (first_rate, steps): (f64, usize),
    watch: Watch,
    loss: impl Fn(&M, usize) -> Result<Tensor<1>, GlobalError>,
) -> Result<(M, Vec<(usize, f64)>), GlobalError> {
    let mut optimiser = adam(0.9);
    let (mut history, mut sum, mut since) = (Vec::new(), 0.0, 0);
    for step in 0..steps {
        let loss = loss(&module, step)?;
        let rate = cosine(first_rate, step, steps);
        let (moved, loss) = descend(&mut optimiser, rate, module, &loss, step)?;
        module = moved;
        (sum, since) = (sum + loss, since + 1);
        let done = step + 1;
        if done.is_multiple_of(steps.div_ceil(CURVE)) || done == steps {
            history.push((done, sum / f64::from(since)));
            (sum, since) = (0.0, 0);
        }
        watch(done, steps, loss);
    }
    Ok((module, history))
}

/// A learning rate that falls from its first value to 0 along half a cosine.
pub(super) fn cosine(first: f64, step: usize, steps: usize) -> f64 {
    0.5 * first * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
}

/// Rows as a tensor without gradients, for a device with or without.
///
/// # Shapes
/// [row, column]
pub(super) fn matrix(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns.max(1);
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Value as a constant of a graph.
pub(super) fn constant(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    Tensor::from_inner(matrix(values, columns, device))
}

/// All values, row by row.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Purposes of random numbers: streams of different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Points,
    Split,
    Shuffle,
    Latent,
    Dropout,
    Samples,
    Prior,
    Smearing,
    Pseudo,
    Jitter,
}

/// One of a seed's streams.
pub(super) fn stream(seed: u64, purpose: Purpose, index: u64) -> Pcg64 {
    numbered(seed, ((purpose as u128 + 1) << 64) | u128::from(index))
}
