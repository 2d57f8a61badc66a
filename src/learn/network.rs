//! The 3D residual network: from the input tensor of an image to one number.
//!
//! Stem (convolution, batch norm, ReLU, max pool), stages of basic blocks, global average pool, dense layer with
//! ReLU, dropout, and one linear output. He et al., arXiv:1512.03385, in three dimensions as in the voxel study,
//! section 4. The study does not say whether its dense layer has an activation; we take ReLU, without which two
//! linear layers in a row would be one.
//!
//! Windows are padded symmetrically by k/2 as in `PyTorch`. `TensorFlow`'s SAME padding, which the study used, puts the
//! odd cell of a stride-2 window behind: the sizes are equal, the windows of those layers lie half a cell apart.

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv3d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use humboldt_schemas::card::Architecture;

use super::layers::{BatchNorm, Init, MaxPool, Phase};

/// The network's weights.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Conv3d,
    stem_norm: BatchNorm,
    pool: MaxPool,
    blocks: Vec<BasicBlock>,
    dense: Option<Linear>,
    output: Linear,
}

/// Two 3^3 convolutions and the connection that passes them by.
#[derive(Module, Debug)]
struct BasicBlock {
    conv1: Conv3d,
    norm1: BatchNorm,
    conv2: Conv3d,
    norm2: BatchNorm,
    shortcut: Option<Shortcut>,
}

/// A 1^3 convolution where a block changes the stride or the number of filters.
#[derive(Module, Debug)]
struct Shortcut {
    conv: Conv3d,
    norm: BatchNorm,
}

impl ResNet {
    /// A network with Kaiming-uniform weights, the same for the same seed on every device.
    pub fn init(architecture: &Architecture, seed: u64, device: &Device) -> Self {
        let a = architecture;
        let mut init = Init::new(seed, device);
        let stem = init.conv(a.input_channels(), a.stem_filters, a.stem_kernel, a.stem_stride);
        let stem_norm = init.norm(a.stem_filters);
        let mut width = a.stem_filters;
        let mut blocks = Vec::with_capacity(a.blocks.iter().sum());
        for (stage, (&count, &filters)) in a.blocks.iter().zip(&a.filters).enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(BasicBlock::init(&mut init, width, filters, stride));
                width = filters;
            }
        }
        let dense = (a.dense > 0).then(|| init.linear(width, a.dense, 6.0));
        let output = init.linear(if a.dense > 0 { a.dense } else { width }, 1, 3.0);
        Self {
            stem,
            stem_norm,
            pool: MaxPool { kernel: a.pool_kernel, stride: a.pool_stride },
            blocks,
            dense,
            output,
        }
    }

    /// Predictions with the running statistics of the batch norms and without dropout.
    ///
    /// # Shapes
    /// `input` [batch, channels, `cos_theta_l`, `cos_theta_k`, chi] -> [batch, 1].
    pub fn forward(&self, input: Tensor<5>) -> Tensor<2> {
        self.run(input, None, &mut Phase::Evaluation)
    }

    /// Predictions while learning: with the statistics of the batch, which are handed out, or the running ones if
    /// `frozen`, and with the dense layer's output multiplied by `dropout`.
    ///
    /// # Shapes
    /// `input` as in [`ResNet::forward`], `dropout` [batch, dense] -> [batch, 1].
    pub fn forward_train(
        &self,
        input: Tensor<5>,
        dropout: Option<Tensor<2>>,
        frozen: bool,
    ) -> (Tensor<2>, BatchStatistics) {
        let mut statistics = Vec::new();
        let mut phase = if frozen { Phase::Evaluation } else { Phase::Training(&mut statistics) };
        let output = self.run(input, dropout, &mut phase);
        (output, statistics)
    }

    /// Moves the running statistics of every batch norm towards those of a batch; none leave them as they are.
    #[must_use]
    pub fn with_statistics(mut self, statistics: BatchStatistics) -> Self {
        for (norm, (mean, variance)) in self.norms().into_iter().zip(statistics) {
            norm.update(mean, variance);
        }
        self
    }

    /// The batch norms in the order in which an input passes them.
    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = vec![&mut self.stem_norm];
        for block in &mut self.blocks {
            norms.push(&mut block.norm1);
            norms.push(&mut block.norm2);
            norms.extend(block.shortcut.as_mut().map(|s| &mut s.norm));
        }
        norms
    }

    fn run(&self, input: Tensor<5>, dropout: Option<Tensor<2>>, phase: &mut Phase) -> Tensor<2> {
        let x = self.stem.forward(input); // [batch, stem_filters, l/2, k/2, c/2] for stride 2
        let x = relu(self.stem_norm.forward(x, phase)); // the same
        let mut x = self.pool.forward(x); // [batch, stem_filters, l/4, k/4, c/4]
        for block in &self.blocks {
            x = block.forward(x, phase); // [batch, filters, ..], halved where a stage begins
        }
        let [batch, filters, l, k, c] = x.dims();
        let x = x.reshape([batch, filters, l * k * c]).mean_dim(2); // [batch, filters, 1]
        let mut x = x.reshape([batch, filters]); // [batch, filters]
        if let Some(dense) = &self.dense {
            x = relu(dense.forward(x)); // [batch, dense]
        }
        if let Some(mask) = dropout {
            x = x * mask; // the same
        }
        self.output.forward(x) // [batch, 1]
    }
}

/// (mean, unbiased variance) of each batch norm's input, each [channels], in the order of the layers.
pub type BatchStatistics = Vec<(Tensor<1>, Tensor<1>)>;

impl BasicBlock {
    fn init(init: &mut Init, channels: usize, filters: usize, stride: usize) -> Self {
        let conv1 = init.conv(channels, filters, 3, stride);
        let conv2 = init.conv(filters, filters, 3, 1);
        let shortcut = (stride != 1 || channels != filters)
            .then(|| Shortcut { conv: init.conv(channels, filters, 1, stride), norm: init.norm(filters) });
        Self { conv1, norm1: init.norm(filters), conv2, norm2: init.norm(filters), shortcut }
    }

    fn forward(&self, input: Tensor<5>, phase: &mut Phase) -> Tensor<5> {
        let x = self.conv1.forward(input.clone()); // [batch, filters, l/stride, k/stride, c/stride]
        let x = relu(self.norm1.forward(x, phase)); // the same
        let x = self.conv2.forward(x); // the same
        let x = self.norm2.forward(x, phase); // the same
        let passed = match &self.shortcut {
            Some(shortcut) => shortcut.norm.forward(shortcut.conv.forward(input), phase), // the same
            None => input,
        };
        relu(x + passed) // the same
    }
}
