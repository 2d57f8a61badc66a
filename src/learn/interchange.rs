//! Weights from PyTorch, and for it.
//!
//! A state dict (`torch.save(model.state_dict(), ...)`, or the same in SafeTensors) of a network whose modules have the names of
//! ours: `stem`, `stem_norm`, `blocks.0.conv1`, `norm1`, `conv2`, `norm2`, `shortcut.0` and `shortcut.1`, `dense`, `output`;
//! over sets `layers.0`, `pooled`, `head.dense`, `head.output`. `docs/humboldt_torch.py` has these networks in Python.
//!
//! Weights alone are half of a network: what is taken out of input and target, and the calibration, belong to them. An
//! exported file carries all of `network.json` in its metadata, under `humboldt`.

use std::path::Path;

use super::device::Compute;
use super::error::LearnError;
use super::model::{Model, ModelInfo};
use super::network::Network;
use super::state_dict::{self, Spelling, StateDict};

/// Key of the metadata under which an exported file describes its network.
const DESCRIPTION: &str = "humboldt";

/// A network that came from PyTorch.
#[derive(Debug)]
pub struct Imported {
    /// The network.
    pub model: Model,
    /// Names of the file's tensors that are not the network's: an optimiser's in a checkpoint.
    pub aside: Vec<String>,
}

impl Model {
    /// The network that `info` describes with the weights of a PyTorch state dict, `.pt`, `.pth` or `.safetensors`.
    ///
    /// # Errors
    /// When the file cannot be read, or holds other tensors than the network has.
    pub fn from_pytorch(info: ModelInfo, path: &Path, compute: &Compute) -> Result<Imported, LearnError> {
        let mut network = Network::init(&info.architecture, info.outputs(), 0, compute.device());
        let aside = network.fill(StateDict::open(path)?, Spelling::PyTorch, path)?;
        Ok(Imported { model: Self::new(&network, info, compute), aside })
    }

    /// Writes the weights as a SafeTensors file with PyTorch's names and layout, and all else in its metadata.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn to_pytorch(&self, path: &Path) -> Result<(), LearnError> {
        let description = serde_json::to_string(self.info());
        let description = description.map_err(|e| LearnError::corrupt(path, e.to_string()))?;
        self.network.write(Spelling::PyTorch, &[(DESCRIPTION, description)], path)
    }
}

impl ModelInfo {
    /// Description of its network in a file of weights; `None` where it says nothing, as a `.pt` never does.
    ///
    /// # Errors
    /// When the file cannot be read, or says what no network can be.
    pub fn of_pytorch(path: &Path) -> Result<Option<Self>, LearnError> {
        let Some(text) = state_dict::metadata(path)?.remove(DESCRIPTION) else { return Ok(None) };
        let info: Self = serde_json::from_str(&text)
            .map_err(|e| LearnError::corrupt(path, format!("metadata `{DESCRIPTION}`: {e}")))?;
        info.checked(path).map(Some)
    }

    /// This network with all that only a training knows, from the description of one: what is taken out of input, scores
    /// and target, the calibration, the epoch.
    ///
    /// # Errors
    /// When that is another network; `path` is where it comes from.
    pub fn trained_as(self, trained: Self, path: &Path) -> Result<Self, LearnError> {
        self.check_network(&trained, path)?;
        let ranges = |info: &Self| info.parameters.iter().map(|p| p.range).collect::<Vec<_>>();
        check_same(
            path,
            [
                ("images.events", self.events == trained.events),
                ("[parameters] or [dataset]", ranges(&self) == ranges(&trained)),
                ("training.events", self.event_range == trained.event_range),
            ],
        )?;
        Ok(Self { provenance: self.provenance, ..trained })
    }

    /// Refuses a network whose weights mean something else: of other layers, loss, cells or coefficients; `path` is where it comes from.
    pub(super) fn check_network(&self, other: &Self, path: &Path) -> Result<(), LearnError> {
        let coefficients =
            |info: &Self| -> Vec<String> { info.parameters.iter().map(|p| p.coefficient.clone()).collect() };
        check_same(
            path,
            [
                ("[network]", self.architecture == other.architecture),
                ("training.loss", self.loss == other.loss),
                ("images.bins", self.bins == other.bins),
                ("[parameters]", coefficients(self) == coefficients(other)),
            ],
        )
    }
}

/// Refuses what differs from the card in a field.
fn check_same(path: &Path, fields: impl IntoIterator<Item = (&'static str, bool)>) -> Result<(), LearnError> {
    match fields.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(LearnError::OtherNetwork { path: path.to_owned(), field }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Tensor, TensorData};
    use humboldt_schemas::card::{Loss, NetworkCard};

    use super::*;
    use crate::built_in::BUILT_IN;
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

    fn imported(name: &str) -> Model {
        Model::from_pytorch(info(), &reference(name), &Compute::cpu()).unwrap().model
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
        let model = imported("pytorch_resnet.pt");
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
        let theirs = imported("pytorch_gradient.pt");
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
        let model = imported("pytorch_resnet.pt");
        let path = folder.path().join("weights.safetensors");
        model.to_pytorch(&path).unwrap();
        let again = Model::from_pytorch(info(), &path, &Compute::cpu()).unwrap().model;
        let (Network::Residual(a), Network::Residual(b)) = (&model.network, &again.network) else {
            panic!("residual networks")
        };
        assert_eq!(parameters(a), parameters(b));
        let other =
            ModelInfo::untrained(NetworkCard::default().any_architecture(), Loss::Mae, 16, 1000, vec![c9()]);
        let error = Model::from_pytorch(other, &path, &Compute::cpu()).unwrap_err().to_string();
        assert!(error.contains("not the weights of this network"), "{error}");
    }

    /// A file of some tensors, each with its type and its numbers as bytes.
    fn file(path: &Path, tensors: &[(String, &str, Vec<usize>, Vec<u8>)]) {
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, dtype, shape, bytes) in tensors {
            let begin = data.len();
            data.extend(bytes);
            let offsets = [begin, data.len()];
            let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
            header.insert(name.clone(), entry);
        }
        let header = serde_json::Value::Object(header).to_string();
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(path, [&length[..], header.as_bytes(), &data].concat()).unwrap();
    }

    /// The reference's state dict, as `file` takes it.
    fn state() -> Vec<(String, &'static str, Vec<usize>, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        imported("pytorch_resnet.pt").to_pytorch(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let begin = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..begin]).unwrap();
        let number = |x: &serde_json::Value| usize::try_from(x.as_u64().unwrap()).unwrap();
        let entry = |(name, entry): (&String, &serde_json::Value)| {
            let [from, to] = [0, 1].map(|i| begin + number(&entry["data_offsets"][i]));
            let shape = entry["shape"].as_array().unwrap().iter().map(number).collect();
            (name.clone(), "F32", shape, bytes[from..to].to_vec())
        };
        header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__").map(entry).collect()
    }

    fn singles(bytes: &[u8]) -> Vec<f32> {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// Wrappers, checkpoints, counters and other precisions: what a state dict looks like in the wild.
    #[test]
    fn issue_13_12_state_dicts_as_people_have_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let expected = imported("pytorch_resnet.pt");
        let Network::Residual(expected) = &expected.network else { panic!("a residual network") };
        let import = |tensors: &[(String, &str, Vec<usize>, Vec<u8>)]| {
            file(&path, tensors);
            let imported = Model::from_pytorch(info(), &path, &Compute::cpu()).unwrap();
            let Network::Residual(network) = &imported.model.network else { panic!("a residual network") };
            assert_eq!(parameters(network), parameters(expected));
            imported.aside
        };
        let renamed = |rename: &dyn Fn(&str) -> String| {
            let all = state().into_iter();
            all.map(|(name, dtype, shape, bytes)| (rename(&name), dtype, shape, bytes)).collect::<Vec<_>>()
        };
        for prefix in
            ["module.", "model.", "_orig_mod.", "module._orig_mod.", "net.encoder.", "state_dict.model."]
        {
            assert!(import(&renamed(&|name| format!("{prefix}{name}"))).is_empty(), "{prefix}");
        }
        // Blocks that were compiled one by one.
        assert!(import(&renamed(&|name| name.replace("blocks.0.", "blocks.0._orig_mod."))).is_empty());
        // A checkpoint with its optimiser, and an averaged model with its counter.
        let mut checkpoint = renamed(&|name| format!("model_state_dict.{name}"));
        checkpoint.push(("optimizer.state.0.exp_avg".to_owned(), "F32", vec![1], vec![0; 4]));
        assert_eq!(import(&checkpoint), ["optimizer.state.0.exp_avg"]);
        let mut averaged = renamed(&|name| format!("module.{name}"));
        averaged.push(("n_averaged".to_owned(), "I64", vec![], vec![0; 8]));
        averaged.push(("module.stem_norm.num_batches_tracked".to_owned(), "I64", vec![], vec![0; 8]));
        assert!(import(&averaged).is_empty());
        // Double precision.
        let double = state().into_iter().map(|(name, _, shape, bytes)| {
            let bytes = singles(&bytes).iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
            (name, "F64", shape, bytes)
        });
        assert!(import(&double.collect::<Vec<_>>()).is_empty());
    }

    #[test]
    fn issue_13_12_wrong_state_dicts_are_refused_in_words() {
        type Tensors = Vec<(String, &'static str, Vec<usize>, Vec<u8>)>;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let refused = |change: &dyn Fn(&mut Tensors), words: &str| {
            let mut tensors = state();
            change(&mut tensors);
            file(&path, &tensors);
            let error = Model::from_pytorch(info(), &path, &Compute::cpu()).unwrap_err().to_string();
            let expected = format!("{}: not the weights of this network: {words}", path.display());
            assert_eq!(error, expected);
        };
        let place = |tensors: &Tensors, name: &str| tensors.iter().position(|t| t.0 == name).unwrap();
        let put = |name: &'static str, x: f32| {
            move |tensors: &mut Tensors| {
                let i = place(tensors, name);
                tensors[i].3[..4].copy_from_slice(&x.to_le_bytes());
            }
        };
        refused(&put("stem.weight", f32::NAN), "tensor stem.weight holds NaN; allowed: finite numbers");
        refused(&put("output.bias", f32::INFINITY), "tensor output.bias holds inf; allowed: finite numbers");
        refused(
            &put("stem_norm.running_var", -0.5),
            "tensor stem_norm.running_var holds -0.5; allowed: 0 and more, as it is a variance",
        );
        refused(
            &|tensors| tensors.retain(|t| !t.0.starts_with("dense.")),
            "missing: dense.bias, dense.weight",
        );
        refused(
            &|tensors| {
                for t in tensors {
                    t.0 = t.0.replace("module.output", "").replace("output", "fc");
                }
            },
            "missing: output.bias, output.weight; not in the network: fc.bias, fc.weight",
        );
        refused(
            &|tensors| {
                for (i, t) in tensors.iter_mut().enumerate() {
                    t.0 = format!("layer{i:02}");
                }
            },
            "it has none of its tensors (blocks.0.conv1.weight, blocks.0.conv2.weight, blocks.0.norm1.bias, \
             blocks.0.norm1.running_mean and 40 more) but layer00, layer01, layer02, layer03 and 40 more",
        );
        refused(
            &|tensors| {
                let i = place(tensors, "output.weight");
                (tensors[i].2, tensors[i].3) = (vec![1, 9], vec![0; 36]);
            },
            "tensor output.weight has the shape [1, 9], in the network it has [1, 10]",
        );
        refused(
            &|tensors| {
                let i = place(tensors, "output.bias");
                (tensors[i].1, tensors[i].3) = ("I32", vec![0; 4]);
            },
            "tensor output.bias holds I32; allowed: floating-point numbers",
        );
        refused(
            &|tensors| {
                let twin = |t: &(String, &'static str, Vec<usize>, Vec<u8>)| {
                    (format!("ema.{}", t.0), t.1, t.2.clone(), t.3.clone())
                };
                let mut all: Tensors = tensors.iter().map(twin).collect();
                for t in &mut *tensors {
                    t.0 = format!("model.{}", t.0);
                }
                tensors.append(&mut all);
            },
            "it holds more than one network, `ema.*` and `model.*`; save one of them alone",
        );
    }

    /// All that a file of weights does not say otherwise travels in its metadata, and the same network gives the same bytes.
    #[test]
    fn issue_13_19_an_exported_file_describes_its_network() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let builtin = BUILT_IN[0].open(&Compute::cpu()).unwrap();
        builtin.to_pytorch(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        builtin.to_pytorch(&path).unwrap();
        assert!(bytes == std::fs::read(&path).unwrap());
        let described = ModelInfo::of_pytorch(&path).unwrap().unwrap();
        assert_eq!(&described, builtin.info());
        assert_eq!(ModelInfo::of_pytorch(&reference("pytorch_resnet.pt")).unwrap(), None);
        let error = info().trained_as(described, &path).unwrap_err().to_string();
        assert!(error.ends_with("is of another network than the card's: [network] differs"), "{error}");
    }
}
