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
    use humboldt_schemas::card::layers::parameters;
    use humboldt_schemas::card::{NetworkCard, Preset};

    use super::*;

    #[test]
    fn built_network_has_the_weights_and_shapes_of_the_list() {
        use burn::module::{Module, ModuleVisitor, Param};
        use burn::tensor::{Device, Tensor};

        struct Count(usize);
        impl ModuleVisitor for Count {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0 += if param.is_require_grad() { param.shape().num_elements() } else { 0 };
            }
        }
        for preset in [Preset::Resnet10, Preset::Resnet18] {
            let architecture = NetworkCard { preset, ..NetworkCard::default() }.architecture();
            let device = Device::flex().autodiff();
            let network = ResNet::init(&architecture, 1, 1, &device);
            let mut count = Count(0);
            network.visit(&mut count);
            assert_eq!(count.0, parameters(&architecture.into(), 1));
        }
        for preset in [Preset::Set, Preset::Score] {
            let architecture = NetworkCard { preset, ..NetworkCard::default() }.any_architecture();
            let network = Network::init(&architecture, 1, 1, &Device::flex().autodiff());
            let mut count = Count(0);
            network.visit(&mut count);
            assert_eq!(count.0, parameters(&architecture, 1));
        }
    }
}
