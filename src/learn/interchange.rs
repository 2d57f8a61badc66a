//! Weights from PyTorch, and for it.
//!
//! A state dict (`torch.save(model.state_dict(), ...)`, or the same in SafeTensors) of a network whose modules have the names of
//! ours: `stem`, `stem_norm`, `blocks.0.conv1`, `norm1`, `conv2`, `norm2`, `shortcut.0` and `shortcut.1`, `dense`, `output`;
//! over sets `layers.0`, `pooled`, `head.dense`, `head.output`. `docs/learning.md` has such a network in Python.

use std::path::Path;

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, KeyRemapper, PyTorchToBurnAdapter, PytorchStore, SafetensorsStore};

use super::device::Compute;
use super::error::LearnError;
use super::model::{Model, ModelInfo, fill_but, save_store};
use super::network::Network;

/// PyTorch's names and ours, as regular expressions.
const FROM_PYTORCH: [(&str, &str); 3] = [
    (r"running_var$", "running_variance"),
    (r"shortcut\.0\.", "shortcut.conv."),
    (r"shortcut\.1\.", "shortcut.norm."),
];

/// And back.
const TO_PYTORCH: [(&str, &str); 3] = [
    (r"running_variance$", "running_var"),
    (r"shortcut\.conv\.", "shortcut.0."),
    (r"shortcut\.norm\.", "shortcut.1."),
];

/// Counted by PyTorch's batch norms and used by nobody.
const COUNTER: &str = "num_batches_tracked";

fn remapper(names: [(&str, &str); 3], path: &Path) -> Result<KeyRemapper, LearnError> {
    KeyRemapper::from_patterns(names.to_vec()).map_err(|e| LearnError::corrupt(path, e.to_string()))
}

impl Model {
    /// The network that `info` describes with the weights of a PyTorch state dict, `.pt`, `.pth` or `.safetensors`.
    ///
    /// # Errors
    /// When the file cannot be read, or holds other tensors than the network has.
    pub fn from_pytorch(info: ModelInfo, path: &Path, compute: &Compute) -> Result<Self, LearnError> {
        std::fs::File::open(path).map_err(LearnError::io(path))?;
        let mut network = Network::init(&info.architecture, info.outputs(), 0, compute.device());
        match &mut network {
            Network::Residual(network) => load(network, path)?,
            Network::Set(network) => load(network, path)?,
        }
        Ok(Self::new(&network, info, compute))
    }

    /// Writes the weights as a SafeTensors file with PyTorch's names and layout.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn to_pytorch(&self, path: &Path) -> Result<(), LearnError> {
        match &self.network {
            Network::Residual(network) => save(network, path),
            Network::Set(network) => save(network, path),
        }
    }
}

fn load<M: Module>(module: &mut M, path: &Path) -> Result<(), LearnError> {
    let names = remapper(FROM_PYTORCH, path)?;
    let counts = |name: &str| name.ends_with(COUNTER);
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        let store = SafetensorsStore::from_file(path).with_from_adapter(PyTorchToBurnAdapter).remap(names);
        fill_but(module, store, path, counts)
    } else {
        fill_but(module, PytorchStore::from_file(path).remap(names), path, counts)
    }
}

fn save<M: Module>(module: &M, path: &Path) -> Result<(), LearnError> {
    let store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata("format", "pt")
        .with_to_adapter(BurnToPyTorchAdapter)
        .remap(remapper(TO_PYTORCH, path)?);
    save_store(module, store, path)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use humboldt_schemas::card::{Loss, NetworkCard};

    use super::*;
    use crate::model::{Parameter, Target};
    use crate::optimiser::gradient_of;

    fn reference(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
    }

    fn c9() -> Parameter {
        Parameter { coefficient: "c9".to_owned(), range: [-2.0, 1.1], target: Target::PLAIN }
    }

    /// The network of `tests/reference/make_pytorch.py`.
    fn info() -> ModelInfo {
        let card = NetworkCard {
            stem_filters: Some(4),
            stem_kernel: Some(7),
            blocks: Some(vec![2, 1]),
            filters: Some(vec![4, 6]),
            dense: Some(10),
            dropout: Some(0.0),
            ..NetworkCard::default()
        };
        ModelInfo::untrained(card.any_architecture(), Loss::Mae, 16, 1000, vec![c9()])
    }

    fn input(device: &Device) -> Tensor<5> {
        let data: Vec<f32> = (0..4 * 4096)
            .map(|i| {
                if i * 7919 % 100 < 17 {
                    (1 + i / 4096) as f32 * (i * 104_729 % 1_009) as f32 / 1_009.0
                } else {
                    0.0
                }
            })
            .collect();
        Tensor::from_data(TensorData::new(data, [4, 1, 16, 16, 16]), device)
    }

    fn values(text: &str, key: &str) -> Vec<f64> {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        json[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    }

    #[test]
    fn pytorch_state_dict_gives_the_same_outputs_and_gradients() {
        let expected = include_str!("../../tests/reference/pytorch_resnet.json");
        let model = Model::from_pytorch(info(), &reference("pytorch_resnet.pt"), &Compute::cpu()).unwrap();
        let Network::Residual(network) = &model.network else { panic!("a residual network") };
        let outputs: Vec<f64> = network.forward(input(&Device::flex())).into_data().iter::<f64>().collect();
        for (got, expected) in outputs.iter().zip(values(expected, "evaluation")) {
            assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
        }

        // The gradient, in a state dict of its own: of the mean absolute error from the labels 0.1, 0.2, ...
        let device = Device::flex().autodiff();
        let training = network.clone().train();
        let (output, _) = training.forward_train(Tensor::from_inner(input(&Device::flex())), None, false);
        let labels = TensorData::new(vec![0.1_f32, 0.2, 0.3, 0.4], [4, 1]);
        let loss = (output - Tensor::from_data(labels, &device)).abs().mean();
        let ours = gradient_of(&training, &loss.backward());
        let theirs = Model::from_pytorch(info(), &reference("pytorch_gradient.pt"), &Compute::cpu()).unwrap();
        let Network::Residual(theirs) = &theirs.network else { panic!("a residual network") };
        let theirs = parameters(theirs);
        let (mut difference, mut norm) = (0.0, 0.0);
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let ours: Vec<f64> = ours.into_data().iter::<f64>().collect();
            assert_eq!(ours.len(), theirs.len());
            for (x, y) in ours.iter().zip(theirs) {
                difference += (x - y).powi(2);
                norm += y.powi(2);
            }
        }
        let relative = f64::sqrt(difference / norm);
        assert!(relative < 1e-3, "the gradient is {relative} off");
    }

    /// Every trained parameter, in the order of the layers.
    fn parameters(network: &crate::resnet::ResNet) -> Vec<Vec<f64>> {
        use burn::module::{ModuleVisitor, Param};
        struct Values(Vec<Vec<f64>>);
        impl ModuleVisitor for Values {
            fn enter_module(&mut self, _: &str, _: &str) {}
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.push(param.val().into_data().iter::<f64>().collect());
            }
        }
        // Running statistics are no parameters: they are visited too, and taken out by their place behind gamma and beta.
        let mut all = Values(Vec::new());
        network.visit(&mut all);
        let mut trained = Trained(Vec::new());
        network.clone().train().visit(&mut trained);
        all.0.into_iter().zip(trained.0).filter_map(|(x, trained)| trained.then_some(x)).collect()
    }

    struct Trained(Vec<bool>);
    impl burn::module::ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            self.0.push(param.is_require_grad());
        }
    }

    #[test]
    fn weights_go_to_pytorch_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let model = Model::from_pytorch(info(), &reference("pytorch_resnet.pt"), &Compute::cpu()).unwrap();
        let path = folder.path().join("weights.safetensors");
        model.to_pytorch(&path).unwrap();
        let again = Model::from_pytorch(info(), &path, &Compute::cpu()).unwrap();
        let (Network::Residual(a), Network::Residual(b)) = (&model.network, &again.network) else {
            panic!("residual networks")
        };
        assert_eq!(parameters(a), parameters(b));
        let other =
            ModelInfo::untrained(NetworkCard::default().any_architecture(), Loss::Mae, 16, 1000, vec![c9()]);
        let error = Model::from_pytorch(other, &path, &Compute::cpu()).unwrap_err().to_string();
        assert!(error.contains("not the weights of this network"), "{error}");
    }
}
