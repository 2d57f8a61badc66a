//! A network of either kind.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use humboldt_schemas::card::AnyArchitecture;

use super::error::LearnError;
use super::layers::BatchStatistics;
use super::resnet::ResNet;
use super::set::SetNetwork;
use super::state_dict::{self, Spelling, StateDict};

/// The weights of a network.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, and modules cannot be boxed")]
pub enum Network {
    /// Over images.
    Residual(ResNet),
    /// Over sets.
    Set(SetNetwork),
}

impl Network {
    /// First weights, the same for the same seed on every device; `outputs` numbers come out.
    pub fn init(architecture: &AnyArchitecture, outputs: usize, seed: u64, device: &Device) -> Self {
        match architecture {
            AnyArchitecture::Residual(a) => Self::Residual(ResNet::init(a, outputs, seed, device)),
            AnyArchitecture::Set(a) => Self::Set(SetNetwork::init(a, outputs, seed, device)),
        }
    }

    /// Moves the running statistics of batch norms towards those of a batch.
    #[must_use]
    pub fn with_statistics(self, statistics: BatchStatistics) -> Self {
        match self {
            Self::Residual(network) => Self::Residual(network.with_statistics(statistics)),
            set @ Self::Set(_) => set,
        }
    }

    /// Takes the weights of a file, `path` in errors; the names of the tensors that are not the network's come back.
    pub(super) fn fill(
        &mut self,
        weights: StateDict,
        spelling: Spelling,
        path: &Path,
    ) -> Result<Vec<String>, LearnError> {
        match self {
            Self::Residual(network) => weights.fill(network, spelling, path),
            Self::Set(network) => weights.fill(network, spelling, path),
        }
    }

    /// Writes the weights as a `SafeTensors` file with some metadata.
    pub(super) fn write(
        &self,
        spelling: Spelling,
        metadata: &[(&str, String)],
        path: &Path,
    ) -> Result<(), LearnError> {
        match self {
            Self::Residual(network) => state_dict::write(network, spelling, metadata, path),
            Self::Set(network) => state_dict::write(network, spelling, metadata, path),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::Tensor;
    use humboldt_schemas::card::{ImageSupervision, NetworkCard, Preset};

    use super::*;

    /// Sizes of the trained tensors, in the order of the module.
    #[derive(Default)]
    struct Sizes(Vec<usize>);

    impl ModuleVisitor for Sizes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.is_require_grad().then(|| param.shape().num_elements()));
        }
    }

    /// The list that users are shown is written apart, since figures know no tensors: it is that of the module, layer by layer.
    #[test]
    fn built_network_has_the_weights_of_the_list_layer_by_layer() {
        let pyramid = NetworkCard {
            preset: Preset::Resnet10,
            supervision: Some(ImageSupervision::ScorePyramid),
            ..NetworkCard::default()
        };
        let presets = [Preset::Resnet10, Preset::Resnet18, Preset::Set, Preset::Score];
        let cards = presets.map(|preset| NetworkCard { preset, ..NetworkCard::default() });
        for card in cards.into_iter().chain([pyramid]) {
            let architecture = card.any_architecture();
            let outputs = architecture.references().len().max(1);
            let network = Network::init(&architecture, outputs, 1, &Device::flex().autodiff());
            let mut sizes = Sizes::default();
            network.visit(&mut sizes);
            let mut listed: Vec<usize> = architecture
                .layers(8, outputs)
                .iter()
                .map(|layer| layer.parameters)
                .filter(|n| *n > 0)
                .collect();
            assert_eq!(sizes.0.iter().sum::<usize>(), architecture.parameters(outputs));
            // The maps of a pyramid stand where they are made in the list, and last in the module.
            if card.supervision.is_none() {
                let mut tensors = sizes.0.into_iter();
                for layer in listed.drain(..) {
                    let mut found = 0;
                    while found < layer {
                        found += tensors.next().expect("a tensor of the layer");
                    }
                    assert_eq!(found, layer, "{:?}", card.preset);
                }
            }
        }
    }
}
