//! Networks over sets: the same dense layers for every element, and a head behind the mean over the set.
//!
//! Zaheer et al., arXiv:1703.06114 (Deep Sets). Where single elements are learned there is no head: the mean of what comes
//! out for each element is a statistic that [`super::calibration`] maps to delta C9.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use humboldt_schemas::card::SetArchitecture;

use super::layers::Init;

/// The network's weights.
#[derive(Module, Debug)]
pub struct SetNetwork {
    layers: Vec<Linear>,
    pooled: Linear,
    head: Option<Head>,
}

/// From the mean over a set, and the set's size, to the output.
#[derive(Module, Debug)]
struct Head {
    dense: Option<Linear>,
    output: Linear,
}

impl SetNetwork {
    /// A network with Kaiming-uniform weights, the same for the same seed on every device.
    pub fn init(architecture: &SetArchitecture, outputs: usize, seed: u64, device: &Device) -> Self {
        let a = architecture;
        let mut init = Init::new(seed, device);
        let mut width = a.features();
        let mut layers = Vec::with_capacity(a.layers.len());
        for &neurons in &a.layers {
            layers.push(init.linear(width, neurons, 6.0));
            width = neurons;
        }
        let pooled = init.linear(width, a.pooled, 3.0);
        let head = (!a.is_calibrated()).then(|| {
            let inputs = a.pooled + 1;
            let dense = (a.dense > 0).then(|| init.linear(inputs, a.dense, 6.0));
            Head { dense, output: init.linear(if a.dense > 0 { a.dense } else { inputs }, outputs, 3.0) }
        });
        Self { layers, pooled, head }
    }

    /// Contribution of each element to the mean.
    ///
    /// # Shapes
    /// `elements` [elements, features] -> [elements, pooled].
    pub fn of_elements(&self, elements: Tensor<2>) -> Tensor<2> {
        let mut x = elements;
        for layer in &self.layers {
            x = relu(layer.forward(x)); // [elements, neurons]
        }
        self.pooled.forward(x) // [elements, pooled]
    }

    /// Network with what elements bring scaled so that its mean over each of some sets has mean 0 and deviation 1 over the
    /// sets. Means of many elements hardly differ from set to set: a head would not see the difference for a long time.
    ///
    /// # Shapes
    /// As [`SetNetwork::forward`]; at least two sets.
    #[must_use]
    pub fn normalised(mut self, elements: Tensor<2>, weights: &Tensor<2>) -> Self {
        if self.head.is_none() {
            return self;
        }
        let means = self.means(elements, weights); // [sets, pooled]
        let [sets, pooled] = means.dims();
        let mean = means.clone().mean_dim(0); // [1, pooled]
        let variance = (means - mean.clone()).square().sum_dim(0) / (sets - 1) as f64; // [1, pooled]
        let scale = variance.clamp_min(1e-20).sqrt().recip(); // [1, pooled]
        // A changed tensor is no leaf of a graph any more.
        self.pooled.weight = self.pooled.weight.map(|w| {
            let tracked = w.is_require_grad();
            (w * scale.clone()).detach().set_require_grad(tracked)
        });
        let shift = (mean * scale.clone()).reshape([pooled]); // [pooled]
        let scale = scale.reshape([pooled]); // [pooled]
        self.pooled.bias = self.pooled.bias.map(|b| {
            b.map(|b| {
                let tracked = b.is_require_grad();
                (b * scale - shift).detach().set_require_grad(tracked)
            })
        });
        self
    }

    /// The mean over each set.
    ///
    /// # Shapes
    /// As [`SetNetwork::forward`] -> [sets, pooled].
    fn means(&self, elements: Tensor<2>, weights: &Tensor<2>) -> Tensor<2> {
        let [sets, length] = weights.dims();
        let x = self.of_elements(elements); // [sets * length, pooled]
        let [_, pooled] = x.dims();
        let x = x.reshape([sets, length, pooled]) * weights.clone().reshape([sets, length, 1]); // [sets, length, pooled]
        x.sum_dim(1).reshape([sets, pooled]) / size(weights) // [sets, pooled]
    }

    /// The output for sets, where there is a head; otherwise the mean itself.
    ///
    /// # Shapes
    /// `mean` [sets, pooled], `log_size` [sets, 1] -> [sets, outputs].
    pub fn of_means(&self, mean: Tensor<2>, log_size: Tensor<2>) -> Tensor<2> {
        let Some(head) = &self.head else { return mean };
        let mut x = Tensor::cat(vec![mean, log_size], 1); // [sets, pooled + 1]
        if let Some(dense) = &head.dense {
            x = relu(dense.forward(x)); // [sets, dense]
        }
        head.output.forward(x) // [sets, outputs]
    }

    /// The output of each set, or of each element where there is no head. Sets are padded to one length with elements of
    /// weight 0.
    ///
    /// # Shapes
    /// `elements` [sets * length, features], `weights` [sets, length] -> [sets, outputs] or [sets * length, pooled].
    pub fn forward(&self, elements: Tensor<2>, weights: &Tensor<2>, nominal: f64) -> Tensor<2> {
        if self.head.is_none() {
            return self.of_elements(elements);
        }
        let log_size = (size(weights) / nominal).log(); // [sets, 1]
        self.of_means(self.means(elements, weights), log_size)
    }
}

/// Elements of each set; 1 for an empty one.
///
/// # Shapes
/// `weights` [sets, length] -> [sets, 1].
fn size(weights: &Tensor<2>) -> Tensor<2> {
    weights.clone().sum_dim(1).clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use humboldt_schemas::card::{AnyArchitecture, NetworkCard, Preset};

    use super::*;

    fn network() -> SetNetwork {
        let card = NetworkCard {
            preset: Preset::Set,
            layers: Some(vec![8, 8]),
            pooled: Some(3),
            ..NetworkCard::default()
        };
        let AnyArchitecture::Set(set) = card.any_architecture() else { panic!("a set network") };
        SetNetwork::init(&set, 1, 3, &Device::flex())
    }

    fn tensor(data: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(data, shape), &Device::flex())
    }

    #[test]
    fn neither_the_order_of_elements_nor_padding_changes_the_output() {
        let network = network();
        let elements: Vec<f32> = (0..4 * 6).map(|i| (i as f32 * 0.7).sin()).collect();
        let output = |elements: Vec<f32>, weights: Vec<f32>| {
            let n = weights.len();
            let output = network.forward(tensor(elements, [n, 6]), &tensor(weights, [1, n]), 10.0);
            output.into_data().iter::<f64>().next().unwrap()
        };
        let first = output(elements.clone(), vec![1.0; 4]);
        let turned: Vec<f32> = elements.chunks(6).rev().flatten().copied().collect();
        assert!((first - output(turned, vec![1.0; 4])).abs() < 1e-6);
        let padded = [elements.clone(), vec![9.0; 12]].concat();
        assert!((first - output(padded, vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0])).abs() < 1e-6);
        // Normalised, means over sets differ by one.
        let weights = || tensor(vec![1.0; 4], [4, 1]);
        let normalised = network.clone().normalised(tensor(elements.clone(), [4, 6]), &weights());
        let means = normalised.means(tensor(elements.clone(), [4, 6]), &weights());
        let (variance, mean) = means.var_mean(0);
        assert!(mean.abs().max().into_scalar::<f32>() < 1e-5);
        assert!((variance - 1.0).abs().max().into_scalar::<f32>() < 1e-3);
        // The same mean of more elements is another size.
        let twice = [elements.clone(), elements].concat();
        assert!((first - output(twice, vec![1.0; 8])).abs() > 1e-6);
    }
}
