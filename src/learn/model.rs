//! A trained network on disk and in memory: `weights.safetensors`, and beside it `network.json` with all that a prediction
//! needs to know.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use humboldt_physics::Axis;
use humboldt_pipeline::store::{write_atomically, write_json};
use humboldt_schemas::card::{AnyArchitecture, Loss, RunCard};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::device::Compute;
use super::error::LearnError;
use super::inputs::Input;
use super::network::Network;
use super::scores::Spread;
use super::state_dict::{self, Spelling, StateDict};

/// Name of the file that describes a network.
pub const NETWORK_FILE: &str = "network.json";
/// Name of the file that holds its weights.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
pub(super) const VERSION: u32 = 3;

/// Content of `network.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub struct ModelInfo {
    /// Version of this format, 3.
    pub version: u32,
    /// The layers and what they take.
    pub architecture: AnyArchitecture,
    /// Loss that was minimised: it says what the outputs mean.
    pub loss: Loss,
    /// Cells of an axis of the images.
    pub bins: usize,
    /// Events in one image.
    pub events: usize,
    /// Means and deviations taken out of each channel of an image; empty if nothing is.
    pub input: Vec<Spread>,
    /// Means and deviations taken out of each score that is learned, of the finest map first; empty where none are.
    pub scores: Vec<Spread>,
    /// Parameters that are learned, in the order of the labels.
    pub parameters: Vec<Parameter>,
    /// Least and largest number of events of the training images, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_range: Option<[usize; 2]>,
    /// Calibration from what is learned to the coefficients where it is not these themselves, once it is known.
    pub calibration: Option<Calibration>,
    /// Epoch that the weights are of.
    pub epoch: usize,
    /// The whole card and whatever else the caller wants to be kept.
    pub provenance: serde_json::Value,
}

/// A description as files have it: those of version 2 keep C9 apart from the coefficients beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    architecture: AnyArchitecture,
    loss: Loss,
    bins: usize,
    events: usize,
    input: Vec<Spread>,
    scores: Vec<Spread>,
    target: Option<Target>,
    #[serde(default)]
    also: Vec<Parameter>,
    #[serde(default)]
    parameters: Vec<Parameter>,
    event_range: Option<[usize; 2]>,
    calibration: Option<Calibration>,
    epoch: usize,
    provenance: serde_json::Value,
}

impl From<Saved> for ModelInfo {
    fn from(saved: Saved) -> Self {
        let c9 = saved.target.map(|target| Parameter {
            coefficient: "c9".to_owned(),
            range: range_of_c9(&saved.provenance).unwrap_or([-Axis::LARGEST, Axis::LARGEST]),
            target,
        });
        Self {
            version: if saved.version == 2 { VERSION } else { saved.version },
            architecture: saved.architecture,
            loss: saved.loss,
            bins: saved.bins,
            events: saved.events,
            input: saved.input,
            scores: saved.scores,
            parameters: c9.into_iter().chain(saved.also).chain(saved.parameters).collect(),
            event_range: saved.event_range,
            calibration: saved.calibration,
            epoch: saved.epoch,
            provenance: saved.provenance,
        }
    }
}

/// The range that the card of a network's description trains C9 in.
fn range_of_c9(provenance: &serde_json::Value) -> Option<[f64; 2]> {
    let card: RunCard = serde_json::from_value(provenance.get("card")?.clone()).ok()?;
    Some(card.axes().ok()?.iter().next()?.range)
}

impl ModelInfo {
    /// A network before its training, which takes images as they are.
    pub fn untrained(
        architecture: AnyArchitecture,
        loss: Loss,
        bins: usize,
        events: usize,
        parameters: Vec<Parameter>,
    ) -> Self {
        Self {
            version: VERSION,
            architecture,
            loss,
            bins,
            events,
            input: Vec::new(),
            scores: Vec::new(),
            parameters,
            event_range: None,
            calibration: None,
            epoch: 0,
            provenance: serde_json::Value::Null,
        }
    }

    /// Description of the network that another one's weights start: it has the scales that these know, and says where they come from.
    pub(super) fn started_from(mut self, start: &Self) -> Self {
        let targets = start.targets();
        self.parameters.iter_mut().zip(targets).for_each(|(own, target)| own.target = target);
        if let Some(provenance) = self.provenance.as_object_mut() {
            provenance.insert("start".to_owned(), start.provenance.clone());
        }
        Self { input: start.input.clone(), scores: start.scores.clone(), ..self }
    }

    /// Numbers that the network puts out for an image; of a network over single elements, for each element.
    pub fn outputs(&self) -> usize {
        self.architecture.outputs(self.loss, self.labels())
    }

    /// Labels of an image: the coefficients that are learned.
    pub(super) fn labels(&self) -> usize {
        self.parameters.len()
    }

    /// Scaling of labels to what the network puts out, in their order.
    pub(super) fn targets(&self) -> Vec<Target> {
        self.parameters.iter().map(|parameter| parameter.target).collect()
    }

    /// The description itself, once it is one that a network can be built by; `path` is where it comes from.
    pub(super) fn checked(self, path: &Path) -> Result<Self, LearnError> {
        if self.version == VERSION && self.is_consistent() {
            return Ok(self);
        }
        Err(LearnError::corrupt(path, format!("not a network of version {VERSION} that humboldt can build")))
    }

    /// Whether all parts of the description fit together, so that nothing that is computed from it fails.
    fn is_consistent(&self) -> bool {
        let finite = |target: &Target| target.mean.is_finite() && target.scale.is_finite();
        let spread = |all: &[Spread]| all.iter().all(|s| s.mean.is_finite() && s.deviation > 0.0);
        let a = &self.architecture;
        if !a.is_sound(self.bins) {
            return false;
        }
        let calibrated = self
            .calibration
            .as_ref()
            .is_none_or(|calibration| a.is_calibrated() && calibration.is_of(a.components(), self.labels()));
        let fitting = |all: &[Spread], n: usize| (all.is_empty() || all.len() == n) && spread(all);
        !self.parameters.is_empty()
            && self.bins > 0
            && self.events > 0
            && self.targets().iter().all(finite)
            && fitting(&self.input, a.scaled_inputs())
            && fitting(&self.scores, a.scores(self.bins))
            && calibrated
    }

    /// Refuses images of a number of events that the network does not know; means of single events hold for any number of them.
    ///
    /// # Errors
    /// When it was trained for other numbers.
    pub fn check_events(&self, events: usize) -> Result<(), LearnError> {
        if self.architecture.takes_events() && self.architecture.is_calibrated() {
            return Ok(());
        }
        let [least, most] = self.event_range.unwrap_or([self.events; 2]);
        if (least..=most).contains(&events) {
            return Ok(());
        }
        let allowed = match self.event_range {
            Some([least, most]) => format!("{least} to {most}, which this network was trained for"),
            None => format!("{}, the number that this network was trained for", self.events),
        };
        Err(LearnError::Events { got: events, allowed })
    }
}

/// A coefficient that a network learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, as in `c9` or `c10_im`.
    pub coefficient: String,
    /// The range of its shift in the training.
    pub range: [f64; 2],
    /// Scale from the network's output to its shift.
    pub target: Target,
}

impl Parameter {
    /// A coefficient whose shift the network puts out as it is.
    pub fn plain(axis: &Axis) -> Self {
        Self { coefficient: axis.direction.to_string(), range: axis.range, target: Target::PLAIN }
    }
}

/// A shift = `mean` + `scale` * output.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Mean of the training labels, or 0.
    pub mean: f64,
    /// Their standard deviation, or 1.
    pub scale: f64,
}

impl Target {
    /// The label as it is.
    pub const PLAIN: Self = Self { mean: 0.0, scale: 1.0 };

    /// The labels' own mean and deviation.
    pub(super) fn of(labels: &[f64]) -> Self {
        let n = labels.len() as f64;
        let mean = labels.iter().sum::<f64>() / n;
        let variance = labels.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        Self { mean, scale: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }

    /// The label as the network sees it.
    pub fn scaled(self, label: f64) -> f64 {
        (label - self.mean) / self.scale
    }

    /// The label that an output means.
    pub fn restored(self, output: f64) -> f64 {
        self.mean + self.scale * output
    }
}

/// A network that is ready to predict.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) network: Network,
    pub(super) input: Input,
    pub(super) coordinates: Option<Tensor<5>>,
    pub(super) compute: Compute,
    info: ModelInfo,
}

impl Model {
    pub(super) fn new(network: &Network, info: ModelInfo, compute: &Compute) -> Self {
        let input = Input::new(&info);
        let coordinates = match &input {
            Input::Voxels(voxels) => voxels.transform.coordinates(compute.device()),
            Input::Elements(_) => None,
        };
        Self { network: network.valid(), input, coordinates, compute: compute.clone(), info }
    }

    pub(super) fn with_calibration(mut self, calibration: Calibration) -> Self {
        self.info.calibration = Some(calibration);
        self
    }

    /// Description of the network, and of its data.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Writes the network into `folder`, which is created where it is missing; files of the same names are replaced, each
    /// in one step.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), LearnError> {
        fs::create_dir_all(folder).map_err(LearnError::io(folder))?;
        let weights = folder.join(WEIGHTS_FILE);
        self.network.write(Spelling::Own, &[], &weights)?;
        save_json(&self.info, &folder.join(NETWORK_FILE))
    }

    /// Reads a network that [`Model::save`] wrote.
    ///
    /// # Errors
    /// When a file is missing, damaged, of another version, or has other shapes than `network.json` says.
    pub fn load(folder: &Path, compute: &Compute) -> Result<Self, LearnError> {
        let info = load_info(folder)?;
        let network = load_network(&info, folder, compute.device())?;
        Ok(Self::new(&network, info, compute))
    }
}

/// The folder of a network where the folder of its run is named instead.
pub fn model_folder(name: &Path) -> PathBuf {
    let of_run = name.join("model");
    if of_run.is_dir() { of_run } else { name.to_owned() }
}

/// Reads and checks `network.json`.
pub(super) fn load_info(folder: &Path) -> Result<ModelInfo, LearnError> {
    let path = folder.join(NETWORK_FILE);
    load_json::<ModelInfo>(&path)?.checked(&path)
}

pub(super) fn load_network(info: &ModelInfo, folder: &Path, device: &Device) -> Result<Network, LearnError> {
    let path = folder.join(WEIGHTS_FILE);
    network_from(info, StateDict::open(&path)?, &path, device)
}

/// A network with the weights of a file; `path` is its name in errors.
pub(super) fn network_from(
    info: &ModelInfo,
    weights: StateDict,
    path: &Path,
    device: &Device,
) -> Result<Network, LearnError> {
    let mut network = Network::init(&info.architecture, info.outputs(), 0, device);
    network.fill(weights, Spelling::Own, path)?;
    Ok(network)
}

/// Writes all tensors of a module to a `SafeTensors` file.
pub(super) fn save_module<M: Module>(module: &M, path: &Path) -> Result<(), LearnError> {
    state_dict::write(module, Spelling::Own, &[], path)
}

/// Reads all tensors of a module from a `SafeTensors` file; none may be missing, too many, or of another shape.
pub(super) fn load_module<M: Module>(module: &mut M, path: &Path) -> Result<(), LearnError> {
    StateDict::open(path)?.fill(module, Spelling::Own, path).map(drop)
}

/// Writes a value as JSON.
pub(super) fn save_json(value: &impl Serialize, path: &Path) -> Result<(), LearnError> {
    Ok(write_json(path, value)?)
}

/// Writes a text file in one step.
pub(super) fn save_text(text: &str, path: &Path) -> Result<(), LearnError> {
    Ok(write_atomically(path, text.as_bytes())?)
}

pub(super) fn load_json<T: DeserializeOwned>(path: &Path) -> Result<T, LearnError> {
    let text = fs::read_to_string(path).map_err(LearnError::io(path))?;
    serde_json::from_str(&text).map_err(|e| LearnError::corrupt(path, e.to_string()))
}

/// Makes a written file or folder durable and gives it its name.
pub(super) fn commit(part: &Path, path: &Path) -> Result<(), LearnError> {
    sync(part)?;
    fs::rename(part, path).map_err(LearnError::io(path))?;
    path.parent().map_or(Ok(()), sync)
}

fn sync(path: &Path) -> Result<(), LearnError> {
    // Windows cannot open folders; there the rename has to do.
    if cfg!(windows) && path.is_dir() {
        return Ok(());
    }
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(LearnError::io(path))
}
