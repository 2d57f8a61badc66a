//! The state of a training after an epoch, from which it goes on as if it had never stopped.
//!
//! `checkpoints/epoch-00007/` holds `network.json`, `weights.safetensors`, `moments.safetensors` (the optimiser) and
//! `state.json`. It is written as `epoch-00007.part`, synced and renamed. The last two and the best one are kept, and
//! `epoch-00007+000120` after 120 batches of the eighth epoch, until that ends. Random numbers need no state: shuffles and
//! dropout masks follow from seed, epoch and step.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_schemas::card::Optimiser as Kind;
use humboldt_schemas::results::EpochMetrics;
use serde::{Deserialize, Serialize};

use super::device::Compute;
use super::error::LearnError;
use super::model::{self, Model, ModelInfo};
use super::network::Network;
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
    /// Hash of what the training depends on; another card or other images have another one.
    pub(super) fingerprint: String,
    /// Steps that the optimiser has taken.
    pub(super) steps: u64,
    /// Every epoch so far.
    pub(super) history: Vec<EpochMetrics>,
    /// Progress of the next epoch.
    #[serde(default)]
    pub(super) within: Within,
}

/// A part of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    /// Batches done.
    pub(super) batches: usize,
    /// Sum of the losses of their images.
    pub(super) loss: f64,
}

impl State {
    /// The last epoch, from 1; 0 before the first.
    pub(super) fn epoch(&self) -> usize {
        self.history.last().map_or(0, |m| m.epoch)
    }

    fn place(&self) -> Place {
        Place { epoch: self.epoch(), batches: self.within.batches }
    }

    /// The epoch with the lowest validation loss.
    pub(super) fn best(&self) -> Option<&EpochMetrics> {
        self.history.iter().rfind(|m| m.best)
    }
}

/// A training as it stood after an epoch.
pub(super) struct Checkpoint {
    pub(super) network: Network,
    pub(super) moments: Moments,
    pub(super) info: ModelInfo,
    pub(super) state: State,
}

/// Writes a checkpoint.
pub(super) fn save(folder: &Path, model: &Model, moments: &Moments, state: &State) -> Result<(), LearnError> {
    let path = path_of(folder, state.place());
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
    let (whole, parts): (Vec<Place>, Vec<Place>) = places(folder)?.into_iter().partition(|p| p.batches == 0);
    let old = whole.into_iter().rev().skip(KEPT).filter(|p| Some(p.epoch) != best);
    for place in old.chain(parts.into_iter().filter(|p| *p != state.place())) {
        remove(&path_of(folder, place))?;
    }
    let folder = folder.join(FOLDER);
    for path in names(&folder)?.iter().map(|name| folder.join(name)) {
        if path.extension().is_some_and(|ending| ending == "part") {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The newest checkpoint that can be read; a damaged one makes way for the one before it.
pub(super) fn latest(
    folder: &Path,
    fingerprint: &str,
    kind: Kind,
    compute: &Compute,
) -> Result<Option<Checkpoint>, LearnError> {
    let mut damaged = None;
    for place in places(folder)?.into_iter().rev() {
        match load(&path_of(folder, place), fingerprint, kind, compute) {
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
    Model::load(&path_of(folder, Place { epoch, batches: 0 }), compute)
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

/// Place of a checkpoint in a training: epochs done, and batches of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    epoch: usize,
    batches: usize,
}

fn path_of(folder: &Path, place: Place) -> PathBuf {
    let within = if place.batches == 0 { String::new() } else { format!("+{:06}", place.batches) };
    folder.join(FOLDER).join(format!("epoch-{:05}{within}", place.epoch))
}

/// Places with a checkpoint, ascending.
fn places(folder: &Path) -> Result<Vec<Place>, LearnError> {
    let place = |name: &String| {
        let place = name.strip_prefix("epoch-")?;
        let (epoch, batches) = place.split_once('+').unwrap_or((place, "0"));
        Some(Place { epoch: epoch.parse().ok()?, batches: batches.parse().ok()? })
    };
    let mut places: Vec<Place> = names(&folder.join(FOLDER))?.iter().filter_map(place).collect();
    places.sort_unstable();
    Ok(places)
}

/// Content of a folder, which need not exist.
fn names(folder: &Path) -> Result<Vec<String>, LearnError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LearnError::Io { path: folder.to_owned(), source: error }),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.map(|e| e.file_name().to_string_lossy().into_owned()).map_err(LearnError::io(folder))
    };
    entries.map(name).collect()
}

fn remove(path: &Path) -> Result<(), LearnError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LearnError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
