//! The layers of the network that burn does not bring, and how weights begin.

use burn::module::{Module, Param};
use burn::nn::conv::Conv3d;
use burn::nn::{Linear, PaddingConfig3d};
use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train, max_pool2d};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{DType, Device, Tensor, TensorData};
use humboldt_pipeline::rng::seeded;
use rand::RngExt;
use rand_pcg::Pcg64;

use super::convolution::{Layout, cast, convolve};
use super::rows::{self, EPSILON};

/// Weight of a batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// (mean, unbiased variance) of each batch norm's input, each of shape `[channels]`, in the order of the layers.
pub type BatchStatistics = Vec<(Tensor<1>, Tensor<1>)>;

/// Whether batch norms use the batch's statistics, and hand them out, or the running ones.
pub(super) enum Phase<'a> {
    Training(&'a mut BatchStatistics),
    Evaluation,
}

/// Batch normalisation, Ioffe and Szegedy, arXiv:1502.03167.
///
/// Unlike burn's it hands the batch's statistics to the caller, who brings them into the running ones: the order
/// of updates, and so every bit of them, is then the training loop's and not that of threads. As in `PyTorch` the
/// running variance is the unbiased one.
#[derive(Module, Debug)]
pub(super) struct BatchNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    running_mean: Param<Tensor<1>>,
    running_variance: Param<Tensor<1>>,
}

impl BatchNorm {
    /// In single precision, whatever that of the input, which the output has too; then what passed the block by is added, if
    /// anything did, and a `ReLU` follows.
    pub(super) fn forward(
        &self,
        x: Tensor<5>,
        passed: Option<Tensor<5>>,
        rectified: bool,
        layout: Layout,
        phase: &mut Phase,
    ) -> Tensor<5> {
        if layout != Layout::Channels {
            return self.rows(x, passed, rectified, phase);
        }
        let precision = x.dtype();
        let x = cast(self.single(cast(x, DType::F32), phase), precision);
        let x = if let Some(passed) = passed { x + passed } else { x };
        if rectified { relu(x) } else { x }
    }

    fn rows(&self, x: Tensor<5>, passed: Option<Tensor<5>>, rectified: bool, phase: &mut Phase) -> Tensor<5> {
        match phase {
            Phase::Training(statistics) => {
                let [l, k, c, batch, _] = x.dims();
                let (y, mean, variance) =
                    rows::normalise(x, self.gamma.val(), self.beta.val(), passed, rectified);
                statistics.push((mean, unbiased(variance, batch * l * k * c)));
                y
            }
            Phase::Evaluation => {
                let factor = self.gamma.val() / (self.running_variance.val() + EPSILON).sqrt();
                let shift = self.beta.val() - self.running_mean.val() * factor.clone();
                rows::scale(x, factor, shift, passed, rectified)
            }
        }
    }

    fn single(&self, input: Tensor<5>, phase: &mut Phase) -> Tensor<5> {
        match phase {
            Phase::Training(statistics) => {
                let [batch, _, l, k, c] = input.dims();
                let result = batch_norm_train(input, self.gamma.val(), self.beta.val(), EPSILON);
                statistics.push((result.mean, unbiased(result.variance, batch * l * k * c)));
                result.output
            }
            Phase::Evaluation => {
                let (mean, variance) = (self.running_mean.val(), self.running_variance.val());
                batch_norm(input, self.gamma.val(), self.beta.val(), mean, variance, EPSILON)
            }
        }
    }

    pub(super) fn update(&mut self, mean: Tensor<1>, variance: Tensor<1>) {
        let blend = |running: &Param<Tensor<1>>, batch: Tensor<1>| {
            running.clone().map(|old| (old * (1.0 - MOMENTUM) + batch.detach() * MOMENTUM).detach())
        };
        self.running_mean = blend(&self.running_mean, mean);
        self.running_variance = blend(&self.running_variance, variance);
    }
}

/// An unbiased variance from a biased one of `n` numbers.
fn unbiased(variance: Tensor<1>, n: usize) -> Tensor<1> {
    let n = n as f64;
    variance * (n / (n - 1.0).max(1.0))
}

/// Max pooling over k^3 cells, padded by k/2.
///
/// No backend of burn has it, but a maximum is separable: over (`cos_theta_k`, chi) with `cos_theta_l` among the channels, then
/// over `cos_theta_l` with (`cos_theta_k`, chi) flattened.
#[derive(Module, Debug)]
pub(super) struct MaxPool {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Whether chi goes on at its other end, in place of padding.
    pub(super) circular_chi: bool,
}

impl MaxPool {
    pub(super) fn forward(&self, x: Tensor<5>, layout: Layout) -> Tensor<5> {
        let (k, s, p) = (self.kernel, self.stride, self.kernel / 2);
        if k == 1 {
            return x;
        }
        if layout != Layout::Channels {
            return rows::max_pool(x, k, s, self.circular_chi);
        }
        let (x, of_chi) = if self.circular_chi { (continued_in_chi(x, p, 4), 0) } else { (x, p) };
        let [n, channels, l0, k0, c0] = x.dims();
        let x = x.reshape([n, channels * l0, k0, c0]);
        let x = max_pool2d(x, MaxPoolOptions::new([k, k]).with_stride([s, s]).with_padding([p, of_chi])); // [n, channels * l, k, c]
        let [_, _, k1, c1] = x.dims();
        let x = x.reshape([n, channels, l0, k1 * c1]);
        let x = max_pool2d(x, MaxPoolOptions::new([k, 1]).with_stride([s, 1]).with_padding([p, 0])); // [n, channels, l', k' * c']
        let l1 = x.dims()[2];
        x.reshape([n, channels, l1, k1, c1])
    }
}

/// A convolution of the network; where chi is less padded than the cosines, it goes on at its other end for the rest.
///
/// # Shapes
/// Images in `layout` -> the same with filters for channels.
pub(super) fn convolution(conv: &Conv3d, x: Tensor<5>, layout: Layout) -> Tensor<5> {
    let chi = if layout == Layout::Channels { 4 } else { 2 };
    match conv.padding {
        PaddingConfig3d::Explicit(l, _, c) if c < l => {
            convolve(conv, continued_in_chi(x, l - c, chi), layout)
        }
        _ => convolve(conv, x, layout),
    }
}

/// An image continued by some cells at both ends of chi, its axis `chi`: the cell behind the last is the first.
fn continued_in_chi(x: Tensor<5>, by: usize, chi: usize) -> Tensor<5> {
    let size = x.dims()[chi];
    let (first, last) = (x.clone().narrow(chi, 0, by), x.clone().narrow(chi, size - by, by));
    Tensor::cat(vec![last, x, first], chi)
}

/// Draws first weights from one stream, so that they follow from the seed alone, whatever the device.
pub struct Init<'a> {
    rng: Pcg64,
    device: &'a Device,
    circular_chi: bool,
}

impl<'a> Init<'a> {
    /// Weights of a seed on a device.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self { rng: seeded(seed), device, circular_chi: false }
    }

    /// Convolution in which chi goes on at its other end.
    pub(super) fn with_circular_chi(self, circular_chi: bool) -> Self {
        Self { circular_chi, ..self }
    }

    /// Kaiming-uniform weights for a layer before a `ReLU` (He et al., arXiv:1502.01852), no bias: a batch norm follows.
    pub(super) fn conv(&mut self, channels: usize, filters: usize, kernel: usize, stride: usize) -> Conv3d {
        let p = kernel / 2;
        Conv3d {
            weight: self.uniform([filters, channels, kernel, kernel, kernel], channels * kernel.pow(3), 6.0),
            bias: None,
            stride: [stride; 3],
            kernel_size: [kernel; 3],
            dilation: [1; 3],
            groups: 1,
            // Less in chi: see `convolution`.
            padding: PaddingConfig3d::Explicit(p, p, if self.circular_chi { 0 } else { p }),
        }
    }

    /// Weights of variance `gain` / (3 inputs): 6 before a `ReLU`, 3 before nothing; the bias begins at 0.
    pub fn linear(&mut self, inputs: usize, outputs: usize, gain: f64) -> Linear {
        let weight = self.uniform([inputs, outputs], inputs, gain);
        let bias = Param::from_tensor(Tensor::zeros([outputs], self.device));
        Linear { weight, bias: Some(bias) }
    }

    pub(super) fn norm(&self, channels: usize) -> BatchNorm {
        let constant = |x: f32| Tensor::<1>::full([channels], x, self.device);
        BatchNorm {
            gamma: Param::from_tensor(constant(1.0)),
            beta: Param::from_tensor(constant(0.0)),
            running_mean: Param::from_tensor(constant(0.0)).set_require_grad(false),
            running_variance: Param::from_tensor(constant(1.0)).set_require_grad(false),
        }
    }

    /// Values between -bound and bound, bound^2 = gain / fan_in.
    pub fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
        gain: f64,
    ) -> Param<Tensor<D>> {
        let bound = (gain / fan_in as f64).sqrt() as f32;
        let n = shape.iter().product();
        let data: Vec<f32> = (0..n).map(|_| (self.rng.random::<f32>() * 2.0 - 1.0) * bound).collect();
        Param::from_data(TensorData::new(data, shape), self.device)
    }
}
