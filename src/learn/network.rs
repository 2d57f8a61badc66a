//! A network of either kind.

use burn::module::Module;
use burn::tensor::Device;
use humboldt_schemas::card::AnyArchitecture;

use super::resnet::{BatchStatistics, ResNet};
use super::set::SetNetwork;

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
}
