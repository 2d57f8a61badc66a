//! The state of a training after an epoch, from which it goes on as if it had never stopped.
//!
//! `checkpoints/epoch-00007/` holds `network.json`, `weights.safetensors`, `moments.safetensors` (the optimiser) and
//! `state.json`. It is written as `epoch-00007.part`, synced and renamed. The last two and the best one are kept. Random
//! numbers need no state: shuffles and dropout masks follow from seed, epoch and step.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_schemas::card::Optimiser as Kind;
use humboldt_schemas::results::EpochMetrics;
use serde::{Deserialize, Serialize};

use super::device::Compute;
use super::error::LearnError;
use super::model::{self, Model, ModelInfo};
use super::network::ResNet;
use super::optimiser::Moments;

const STATE_FILE: &str = "state.json";
const MOMENTS_FILE: &str = "moments.safetensors";
const FOLDER: &str = "checkpoints";
/// Checkpoints that are kept besides the best one.
const KEPT: usize = 2;

/// All of a training that is neither weights nor moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// What the training depends on; another card or other images have another one.
    pub(super) fingerprint: String,
    /// Steps that the optimiser has taken.
    pub(super) steps: u64,
    /// Every epoch so far.
    pub(super) history: Vec<EpochMetrics>,
}

impl State {
    /// The last epoch, from 1; 0 before the first.
    pub(super) fn epoch(&self) -> usize {
        self.history.last().map_or(0, |m| m.epoch)
    }

    /// The epoch with the lowest validation loss.
    pub(super) fn best(&self) -> Option<&EpochMetrics> {
        self.history.iter().rfind(|m| m.best)
    }
}

/// A training as it stood after an epoch.
pub(super) struct Checkpoint {
    pub(super) network: ResNet,
    pub(super) moments: Moments,
    pub(super) info: ModelInfo,
    pub(super) state: State,
}

/// Writes a checkpoint.
pub(super) fn save(folder: &Path, model: &Model, moments: &Moments, state: &State) -> Result<(), LearnError> {
    let path = path_of(folder, state.epoch());
    let part = path.with_extension("part");
    remove(&part)?;
    model.save(&part)?;
    model::save_module(moments, &part.join(MOMENTS_FILE))?;
    model::save_json(state, &part.join(STATE_FILE))?;
    remove(&path)?;
    model::commit(&part, &path)
}

/// Removes the checkpoints that are no longer needed, and one that a kill left half written.
pub(super) fn prune(folder: &Path, state: &State) -> Result<(), LearnError> {
    let best = state.best().map(|m| m.epoch);
    for epoch in epochs(folder)?.into_iter().rev().skip(KEPT).filter(|e| Some(*e) != best) {
        remove(&path_of(folder, epoch))?;
    }
    remove(&path_of(folder, state.epoch() + 1).with_extension("part"))
}

/// The newest checkpoint that can be read; a damaged one makes way for the one before it.
pub(super) fn latest(
    folder: &Path,
    fingerprint: &str,
    kind: Kind,
    compute: &Compute,
) -> Result<Option<Checkpoint>, LearnError> {
    let mut damaged = None;
    for epoch in epochs(folder)?.into_iter().rev() {
        match load(&path_of(folder, epoch), fingerprint, kind, compute) {
            Err(error @ LearnError::Corrupt { .. }) => damaged = damaged.or(Some(error)),
            Err(LearnError::Io { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
                damaged = damaged.or(Some(LearnError::Io { path, source }));
            }
            found => return found.map(Some),
        }
    }
    damaged.map_or(Ok(None), Err)
}

/// The network of one epoch.
pub(super) fn model_of(folder: &Path, epoch: usize, compute: &Compute) -> Result<Model, LearnError> {
    Model::load(&path_of(folder, epoch), compute)
}

fn load(path: &Path, fingerprint: &str, kind: Kind, compute: &Compute) -> Result<Checkpoint, LearnError> {
    let state: State = model::load_json(&path.join(STATE_FILE))?;
    if state.fingerprint != fingerprint {
        return Err(LearnError::OtherTraining { path: path.to_owned() });
    }
    let info = model::load_info(path)?;
    let network = model::load_network(&info, path, &compute.device().clone().autodiff())?;
    let mut moments = Moments::zeros(&network, kind, compute.device());
    model::load_module(&mut moments, &path.join(MOMENTS_FILE))?;
    Ok(Checkpoint { network, moments, info, state })
}

fn path_of(folder: &Path, epoch: usize) -> PathBuf {
    folder.join(FOLDER).join(format!("epoch-{epoch:05}"))
}

/// Epochs with a checkpoint, ascending.
fn epochs(folder: &Path) -> Result<Vec<usize>, LearnError> {
    let folder = folder.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LearnError::Io { path: folder, source: error }),
    };
    let mut epochs = Vec::new();
    for entry in entries {
        let name = entry.map_err(LearnError::io(&folder))?.file_name();
        let number: Option<usize> =
            name.to_str().and_then(|n| n.strip_prefix("epoch-")).and_then(|n| n.parse().ok());
        epochs.extend(number);
    }
    epochs.sort_unstable();
    Ok(epochs)
}

fn remove(path: &Path) -> Result<(), LearnError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LearnError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
